/*
 * net/tap.c - TAP and TUN of the kernel: the bottom of both walks.
 *
 * Each read and write is one frame behind a vnet header, a super-frame of up to 64 KB where
 * offload is on; net/rxbuf.c has where a frame is read into.  Works over any descriptor with this
 * framing; net/tap_open.c gets one from the kernel.
 */
#include "net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/stack.h"
#include "net/net_priv.h"
#include "net/rxbuf.h"

#define TAP_MTU 1500

/* --- reading ---------------------------------------------------------------------------------- */

/* Takes one frame off the queue without the memory to keep it.  The kernel wants room for a vnet header at least. */
static int tap_read_away(struct netdev_queue *q)
{
	struct vnet_hdr none;
	ssize_t n = read(q->fd, &none, sizeof(none));

	if (n <= 0)
		return n < 0 ? -errno : -ENODEV;
	pkbuf_count_drop(q->dev->stack, DROP_NO_MEMORY);
	atomic_fetch_add_explicit(&q->dev->stats.rx_dropped, 1, memory_order_relaxed);
	return 0;
}

static int tap_read(struct netdev_queue *q, struct pkbuf **out)
{
	struct rxbuf *r = q->priv;
	ssize_t n;

	*out = NULL;
	if (!rxbuf_ready(r, q->dev))
		return tap_read_away(q);
	n = queue_readv(q->fd, r->to, r->nto);
	if (n < 0 && rxbuf_fault(r, errno))
		return 0;
	if (n <= 0)
		return n < 0 ? -errno : -ENODEV; /* a TAP never ends; a socket pair does */
	*out = rxbuf_take(r, (size_t)n);
	return 0;
}

static int tap_rx(struct netdev_queue *q, struct pkq *out, int max)
{
	return rxbuf_batch(q, q->priv, out, max, tap_read);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A flow keeps its queue, by its ports: the kernel sends its answers to where it last wrote. */
static struct netdev_queue *tap_tx_queue(struct netdev *dev, const struct pkbuf *b)
{
	uint32_t ports = 0;

	if (dev->nqueue == 1)
		return dev->queue;
	if (b->l4 >= b->head && b->l4 + sizeof(ports) <= b->tail)
		memcpy(&ports, b->hdr + b->l4, sizeof(ports));
	return &dev->queue[(ports * 0x9e3779b1u >> 16) % dev->nqueue];
}

static int tap_xmit(struct netdev *dev, struct pkbuf *b)
{
	return vnet_xmit(tap_tx_queue(dev, b)->fd, b);
}

/* --- making and ending ------------------------------------------------------------------------ */

static void tap_close(struct netdev *dev)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i];

		if (q->priv) {
			rxbuf_end(q->priv);
			free(q->priv);
			q->priv = NULL;
		}
		if (q->fd >= 0)
			close(q->fd);
		q->fd = -1;
	}
}

static const struct netdev_ops tap_ops = {
    .kind = "tap",
    .rx = tap_rx,
    .xmit = tap_xmit,
    .close = tap_close,
};

static const struct netdev_ops tun_ops = {
    .kind = "tun",
    .rx = tap_rx,
    .xmit = tap_xmit,
    .close = tap_close,
};

static int tap_queues_init(struct netdev *dev, const int *fd)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i];

		q->fd = fd[i];
		q->priv = calloc(1, sizeof(struct rxbuf));
	}
	for (unsigned i = 0; i < dev->nqueue; i++) {
		if (!dev->queue[i].priv)
			return -ENOMEM;
		rxbuf_ready(dev->queue[i].priv, dev);
	}
	return 0;
}

int tap_attach(struct stack *st, const struct tap_config *cfg, const int *fd, unsigned n,
	       struct netdev **out)
{
	static const uint8_t none[ETHER_ALEN];
	struct netdev *dev = netdev_alloc(st, cfg->name, cfg->tun ? &tun_ops : &tap_ops,
					  cfg->tun ? &raw_link : &ether_link, n);
	int r;

	if (!dev) {
		for (unsigned i = 0; i < n; i++)
			close(fd[i]);
		return -ENOMEM;
	}
	memcpy(dev->mac, cfg->mac, ETHER_ALEN);
	ether_mac_fill(st, dev->mac);
	dev->mtu = cfg->mtu ? cfg->mtu : TAP_MTU;
	memcpy(dev->host, cfg->host, ETHER_ALEN);
	dev->features = cfg->no_offload ? 0 : NETDEV_F_ALL;
	if (!cfg->no_offload && !cfg->tun && memcmp(cfg->host, none, ETHER_ALEN) != 0)
		dev->features |= NETDEV_F_BIG;
	dev->flags |= cfg->tun ? NETDEV_NOARP | NETDEV_POINTOPOINT : NETDEV_BROADCAST;
	r = tap_queues_init(dev, fd);
	if (r == 0)
		r = netdev_register(dev);
	if (r < 0) {
		tap_close(dev);
		netdev_free(dev);
		return r;
	}
	*out = dev;
	return 0;
}
