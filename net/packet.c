/*
 * net/packet.c - an interface of the kernel's by AF_PACKET: the bottom of both walks, beside tap.c.
 *
 * Each read and write of a socket is one frame behind a vnet header, as a TAP's are: super-frames
 * and unfinished checksums cross a veth as they are, and a NIC's driver cuts and finishes what it
 * is given.  A VLAN tag, which the kernel takes off each frame and tells beside it, is put back.
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
static void packet_vlan_restore(struct pkbuf *b, const struct tpacket_auxdata *aux)
{
	bool named = aux->tp_status & TP_STATUS_VLAN_TPID_VALID;
	be16 tag[2] = {be16_of(named ? aux->tp_vlan_tpid : VLAN_TPID), be16_of(aux->tp_vlan_tci)};
	uint8_t *p = pkbuf_push(b, VLAN_HLEN);

	memmove(p, p + VLAN_HLEN, 2 * ETHER_ALEN);
	memcpy(p + 2 * ETHER_ALEN, tag, sizeof(tag));
	b->l2 = b->head;
}

static void packet_vlan(struct pkbuf *b, struct msghdr *m)
{
	struct tpacket_auxdata aux;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID && pkbuf_linear(b) >= ETHER_HLEN)
			packet_vlan_restore(b, &aux);
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

/* Takes one frame off the queue without the memory to keep it. */
static int packet_read_away(struct netdev_queue *q)
{
	uint8_t byte;

	if (recv(q->fd, &byte, sizeof(byte), MSG_TRUNC) < 0)
		return packet_error(q->dev, errno);
	packet_count_drop(q->dev, DROP_NO_MEMORY);
	return 0;
}

/* Reads one frame: 1 with it on `out`, 0 when it was dropped, or -errno. */
static int packet_read(struct netdev_queue *q, struct pkq *out)
{
	struct pkbuf *b = pkbuf_alloc(q->dev->stack, PKBUF_RX_HEAD);
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))]
	    __attribute__((aligned(sizeof(struct cmsghdr))));
	struct iovec iov[RXBUF_IOV];
	struct msghdr m = {.msg_iov = iov, .msg_control = control};
	enum drop_reason why;
	struct vnet_hdr vh;
	size_t room;
	ssize_t n;

	if (!b)
		return packet_read_away(q);
	b->dev = q->dev;
	rxbuf_refill(q->priv, q->dev->stack);
	m.msg_iovlen = (size_t)rxbuf_iov(q->priv, b, &vh, iov, &room);
	m.msg_controllen = sizeof(control);
	n = recvmsg(q->fd, &m, 0);
	if (n < 0) {
		pkbuf_free(b);
		return packet_error(q->dev, errno);
	}
	why = m.msg_flags & MSG_TRUNC ? DROP_TOO_BIG : rxbuf_take(q->priv, b, &vh, (size_t)n, room);
	if (why != DROP_NONE) {
		rxbuf_drop(b, why);
		return 0;
	}
	packet_vlan(b, &m);
	pkq_add(out, b);
	return 1;
}

static int packet_rx(struct netdev_queue *q, struct pkq *out, int max)
{
	int n = 0, r;

	while (n < max) {
		r = packet_read(q, out);
		if (r == -EINTR)
			continue;
		if (r < 0)
			return n ? n : r;
		n++;
	}
	return n;
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

static void packet_close(struct netdev *dev)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i];

		if (q->priv) {
			rxbuf_end(q->priv);
			free(q->priv);
			q->priv = NULL;
		}
		close(q->fd);
		q->fd = -1;
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

static int packet_queues_init(struct netdev *dev)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i];

		q->priv = calloc(1, sizeof(struct rxbuf));
		if (!q->priv)
			return -ENOMEM;
		rxbuf_refill(q->priv, dev->stack);
	}
	return 0;
}

void packet_fds_close(const struct packet_fds *fds)
{
	for (unsigned i = 0; i < fds->n; i++)
		close(fds->queue[i]);
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
	for (unsigned i = 0; i < fds->n; i++)
		dev->queue[i].fd = fds->queue[i];
	memcpy(dev->mac, cfg->mac, ETHER_ALEN);
	dev->features = cfg->no_offload ? 0 : NETDEV_F_ALL;
	dev->flags |= NETDEV_BROADCAST;
	r = packet_queues_init(dev);
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
