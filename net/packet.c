/*
 * net/packet.c - an interface of the kernel's by AF_PACKET: the bottom of both walks, beside tap.c.
 *
 * Each read and write of a socket is one frame behind a vnet header, as a TAP's are; without offload
 * wire frames come by a ring, with such a header too.  Super-frames and unfinished checksums cross
 * a veth as they are both ways, and a NIC's driver cuts and finishes what it is given.  A VLAN tag,
 * which the kernel takes off each frame and tells beside it, is put back.
 */
#include "net/packet.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/stack.h"
#include "net/net_priv.h"
#include "net/tap.h"

#define VLAN_TPID 0x8100 /* IEEE 802.1Q; the one meant when the kernel names none */
#define VLAN_HLEN 4

/* --- reading ---------------------------------------------------------------------------------- */

/* The frame as it was on the wire: its tag between the addresses and the type. */
static void packet_vlan_restore(struct pkbuf *b, uint32_t status, uint16_t tci, uint16_t tpid)
{
	bool named = status & TP_STATUS_VLAN_TPID_VALID;
	be16 tag[2] = {be16_of(named ? tpid : VLAN_TPID), be16_of(tci)};
	uint8_t *p;

	if (!(status & TP_STATUS_VLAN_VALID) || pkbuf_linear(b) < ETHER_HLEN)
		return;
	p = pkbuf_push(b, VLAN_HLEN);
	memmove(p, p + VLAN_HLEN, 2 * ETHER_ALEN);
	memcpy(p + 2 * ETHER_ALEN, tag, sizeof(tag));
	b->l2 = b->head;
}

static void packet_vlan_told(struct pkbuf *b, struct msghdr *m)
{
	struct tpacket_auxdata aux;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		packet_vlan_restore(b, aux.tp_status, aux.tp_vlan_tci, aux.tp_vlan_tpid);
	}
}

/* Counts a frame that was taken off the queue without coming up. */
static void packet_count_drop(struct netdev *dev, enum drop_reason why)
{
	atomic_fetch_add_explicit(&dev->stats.rx_dropped, 1, memory_order_relaxed);
	pkbuf_count_drop(dev->stack, why);
}

/*
 * EINVAL: a super-frame of a kind that a vnet header has no word for.  The socket tells once that
 * the interface has gone down; what becomes of it is for link_fd to say.
 */
static int packet_error(struct netdev *dev, int err)
{
	if (err == EINVAL) {
		packet_count_drop(dev, DROP_VNET_HDR);
		return 0;
	}
	return err == ENETDOWN ? -EINTR : -err;
}

/* Takes one frame off the queue without the memory to keep it.  The kernel wants room for a vnet header at least. */
static int packet_read_away(struct netdev_queue *q)
{
	struct vnet_hdr none;

	if (recv(q->fd, &none, sizeof(none), MSG_TRUNC) < 0)
		return packet_error(q->dev, errno);
	packet_count_drop(q->dev, DROP_NO_MEMORY);
	return 0;
}

/* Reads one frame at the socket. */
static int packet_read(struct netdev_queue *q, struct pkbuf **out)
{
	struct packet_queue *pq = q->priv;
	struct rxbuf *r = &pq->rx;
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))]
	    __attribute__((aligned(sizeof(struct cmsghdr))));
	struct msghdr m = {.msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n;

	if (!rxbuf_ready(r, q->dev))
		return packet_read_away(q);
	m.msg_iov = r->to;
	m.msg_iovlen = (size_t)r->nto;
	n = recvmsg(q->fd, &m, 0);
	if (n < 0 && rxbuf_fault(r, errno))
		return 0;
	if (n < 0)
		return packet_error(q->dev, errno);
	if (m.msg_flags & MSG_TRUNC)
		rxbuf_drop(r, r->large ? DROP_TOO_BIG : DROP_NO_MEMORY);
	else
		*out = rxbuf_take(r, (size_t)n);
	if (*out)
		packet_vlan_told(*out, &m);
	return 0;
}

/* The frame of one slot, as packet_read(). */
static int packet_ring_take(struct netdev_queue *q, const struct packet_frame *f,
			    struct pkbuf **out)
{
	struct packet_queue *pq = q->priv;

	if (f->at_socket)
		return packet_read(q, out);
	if (f->cut || !rxbuf_ready(&pq->rx, q->dev)) {
		packet_count_drop(q->dev, f->cut ? DROP_DEV_OVERRUN : DROP_NO_MEMORY);
		return 0;
	}
	*out = rxbuf_copy(&pq->rx, &f->vnet, f->data, f->len);
	if (*out)
		packet_vlan_restore(*out, f->status, f->vlan_tci, f->vlan_tpid);
	return 0;
}

/* By the ring, or without one by the socket. */
static int packet_next(struct netdev_queue *q, struct pkbuf **out)
{
	struct packet_queue *pq = q->priv;
	struct packet_frame f;
	int r;

	*out = NULL;
	if (!pq->ring)
		return packet_read(q, out);
	if (!packet_ring_next(pq, &f))
		return -EAGAIN;
	r = packet_ring_take(q, &f, out);
	packet_ring_release(pq);
	return r == -EAGAIN ? 0 : r;
}

static int packet_rx(struct netdev_queue *q, struct pkq *out, int max)
{
	struct packet_queue *pq = q->priv;

	return rxbuf_batch(q, &pq->rx, out, max, packet_next);
}

/* --- writing ---------------------------------------------------------------------------------- */

static int packet_xmit(struct netdev *dev, struct pkbuf *b)
{
	return vnet_xmit(dev->queue[0].fd, b);
}

/* --- making and ending ------------------------------------------------------------------------ */

/* The kernel begins to count anew with each look. */
static void packet_stats(struct netdev *dev)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct tpacket_stats s;
		socklen_t len = sizeof(s);

		if (getsockopt(dev->queue[i].fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) < 0)
			continue;
		atomic_fetch_add_explicit(&dev->stats.rx_dropped, s.tp_drops, memory_order_relaxed);
		atomic_fetch_add_explicit(&dev->stack->net->drops[DROP_DEV_OVERRUN], s.tp_drops,
					  memory_order_relaxed);
	}
}

static void packet_queue_end(struct netdev_queue *q)
{
	struct packet_queue *pq = q->priv;

	if (pq) {
		packet_ring_close(pq->ring);
		rxbuf_end(&pq->rx);
		free(pq);
		q->priv = NULL;
	}
	close(q->fd);
	q->fd = -1;
}

static void packet_close(struct netdev *dev)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i];

		packet_queue_end(q);
	}
	close(dev->link_fd);
	dev->link_fd = -1;
	free(dev->priv);
	dev->priv = NULL;
}

static const struct netdev_ops packet_ops = {
    .kind = "packet",
    .rx = packet_rx,
    .xmit = packet_xmit,
    .set_mtu = packet_set_mtu,
    .link = packet_link,
    .stats = packet_stats,
    .close = packet_close,
};

/* All of them get what is to be closed, also when there is no memory for one. */
static int packet_queues_init(struct netdev *dev, const struct packet_fds *fds)
{
	int err = 0;

	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i];
		struct packet_queue *pq = calloc(1, sizeof(*pq));

		q->fd = fds->queue[i];
		q->priv = pq;
		if (pq) {
			pq->ring = fds->ring[i];
			rxbuf_ready(&pq->rx, dev);
		} else {
			packet_ring_close(fds->ring[i]);
			err = -ENOMEM;
		}
	}
	return err;
}

void packet_fds_close(const struct packet_fds *fds)
{
	for (unsigned i = 0; i < fds->n; i++) {
		packet_ring_close(fds->ring[i]);
		close(fds->queue[i]);
	}
	if (fds->link >= 0)
		close(fds->link);
}

int packet_attach(struct stack *st, const struct packet_config *cfg, struct packet *p,
		  const struct packet_fds *fds, struct netdev **out)
{
	struct netdev *dev = netdev_alloc(st, cfg->name, &packet_ops, &ether_link, fds->n);
	int r;

	if (!dev) {
		packet_fds_close(fds);
		free(p);
		return -ENOMEM;
	}
	dev->priv = p;
	dev->link_fd = fds->link;
	memcpy(dev->mac, cfg->mac, ETHER_ALEN);
	dev->features = cfg->no_offload ? 0 : NETDEV_F_ALL;
	dev->flags |= NETDEV_BROADCAST;
	r = packet_queues_init(dev, fds);
	if (r == 0)
		r = packet_look(dev);
	if (r == 0)
		r = netdev_register(dev);
	if (r < 0) {
		packet_close(dev);
		netdev_free(dev);
		return r;
	}
	*out = dev;
	return 0;
}
