/*
 * net/tap.c - TAP and TUN of the kernel: the bottom of both walks.
 *
 * Each read and write is one frame behind a vnet header, a super-frame of up to 64 KB where
 * offload is on.  A frame is read into three parts, so that its size need not be known: the header
 * part of its pkbuf, a small piece and a large one, of which the last two stay for the next read
 * unless the frame filled them.  Works over any descriptor with this framing; net/tap_open.c gets
 * one from the kernel.
 */
#include "net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/debug.h"
#include "lib/stack.h"
#include "net/net_priv.h"

#define TAP_MTU 1500

_Static_assert(PKBUF_RX_LINEAR + PIECE_SMALL + PIECE_LARGE >= PKBUF_MAX, "every frame fits");

/* LOCKING: the holder of the queue's word. */
struct tap_queue {
	struct piece *small, *large; /* what the next frame is read into; NULL: no memory */
};

/* --- reading ---------------------------------------------------------------------------------- */

/* The pieces are held from the device's making on, so that an idle device always holds the same. */
static void tap_refill(struct netdev_queue *q)
{
	struct tap_queue *t = q->priv;
	struct stack *st = q->dev->stack;

	if (!t->small)
		t->small = piece_alloc_rx(st, PIECE_SMALL);
	if (!t->large)
		t->large = piece_alloc_rx(st, PIECE_LARGE);
}

static void tap_piece_give(struct piece **p)
{
	if (*p)
		piece_put(*p);
	*p = NULL;
}

/* Where one frame goes.  A part that there was no memory for is left out: the frame will not fit.
 */
static int tap_iov(struct tap_queue *t, struct pkbuf *b, struct vnet_hdr *vh, struct iovec *iov)
{
	int n = 0;

	iov[n++] = (struct iovec){vh, sizeof(*vh)};
	iov[n++] = (struct iovec){b->hdr + b->head, PKBUF_RX_LINEAR};
	if (!t->small)
		return n;
	iov[n++] = (struct iovec){piece_data(t->small), piece_size(t->small)};
	if (t->large)
		iov[n++] = (struct iovec){piece_data(t->large), piece_size(t->large)};
	return n;
}

/* The small piece's n bytes: copied behind the header part if they fit there. */
static int tap_take_small(struct tap_queue *t, struct pkbuf *b, uint32_t n)
{
	if (b->tail + n <= PKBUF_HDR)
		return pkbuf_append(b, piece_data(t->small), n);
	if (!pkbuf_add_piece(b, t->small, 0, n))
		return -ENOMEM;
	tap_piece_give(&t->small);
	return 0;
}

/* Copied into pieces of its size while they pin less than half of the large one. */
static int tap_take_large(struct tap_queue *t, struct pkbuf *b, uint32_t n)
{
	uint32_t off = 0, part;

	while (n < PIECE_LARGE / 2 && off < n) {
		struct piece *p;

		part = n - off < PIECE_MID ? n - off : PIECE_MID;
		p = piece_alloc_rx(b->stack, part);
		if (!p)
			break;
		memcpy(piece_data(p), piece_data(t->large) + off, part);
		if (!pkbuf_add_piece(b, p, 0, part)) {
			piece_put(p);
			return -ENOMEM;
		}
		piece_put(p);
		off += part;
	}
	if (off == n)
		return 0;
	if (!pkbuf_add_piece(b, t->large, off, n - off))
		return -ENOMEM;
	tap_piece_give(&t->large);
	return 0;
}

/* Gives b the n bytes that were read. */
static int tap_fill(struct tap_queue *t, struct pkbuf *b, uint32_t n)
{
	uint32_t part = n < PKBUF_RX_LINEAR ? n : PKBUF_RX_LINEAR;
	int r;

	b->tail = (uint16_t)(b->tail + part);
	b->len += part;
	n -= part;
	if (n == 0)
		return 0;
	part = n < piece_size(t->small) ? n : piece_size(t->small);
	r = tap_take_small(t, b, part);
	n -= part;
	return r < 0 || n == 0 ? r : tap_take_large(t, b, n);
}

/* What is wrong with the frame just read, n bytes with its vnet header of the room there was. */
static enum drop_reason tap_check(struct netdev_queue *q, struct pkbuf *b,
				  const struct vnet_hdr *vh, size_t n, size_t room)
{
	struct tap_queue *t = q->priv;

	if (n < sizeof(*vh))
		return DROP_VNET_HDR;
	if (n == room && (!t->small || !t->large))
		return DROP_NO_MEMORY; /* there was more of it */
	n -= sizeof(*vh);
	if (n > PKBUF_MAX)
		return DROP_TOO_BIG;
	if (tap_fill(t, b, (uint32_t)n) < 0)
		return DROP_NO_MEMORY;
	return vnet_in(b, vh, q->dev->link->hlen) ? DROP_NONE : DROP_VNET_HDR;
}

/* Takes one frame off the queue without the memory to keep it. */
static int tap_read_away(struct netdev_queue *q)
{
	uint8_t byte;
	ssize_t n = read(q->fd, &byte, sizeof(byte));

	if (n <= 0)
		return n < 0 ? -errno : -ENODEV;
	pkbuf_count_drop(q->dev->stack, DROP_NO_MEMORY);
	atomic_fetch_add_explicit(&q->dev->stats.rx_dropped, 1, memory_order_relaxed);
	return 0;
}

static void tap_drop(struct netdev *dev, struct pkbuf *b, enum drop_reason why)
{
	bool full = why == DROP_NO_MEMORY;

	atomic_fetch_add_explicit(full ? &dev->stats.rx_dropped : &dev->stats.rx_errors, 1,
				  memory_order_relaxed);
	pkbuf_drop(b, why);
}

/* Reads one frame: 1 with it on `out`, 0 when it was dropped, or -errno. */
static int tap_read(struct netdev_queue *q, struct pkq *out)
{
	struct pkbuf *b = pkbuf_alloc(q->dev->stack, PKBUF_RX_HEAD);
	struct vnet_hdr vh;
	struct iovec iov[4];
	enum drop_reason why;
	size_t room = 0;
	ssize_t n;
	int niov;

	if (!b)
		return tap_read_away(q);
	tap_refill(q);
	niov = tap_iov(q->priv, b, &vh, iov);
	for (int i = 0; i < niov; i++)
		room += iov[i].iov_len;
	n = readv(q->fd, iov, niov);
	if (n <= 0) {
		int err = n < 0 ? -errno : -ENODEV; /* a TAP never ends; a socket pair does */

		pkbuf_free(b);
		return err;
	}
	b->dev = q->dev;
	b->l2 = b->head;
	why = tap_check(q, b, &vh, (size_t)n, room);
	if (why != DROP_NONE) {
		tap_drop(q->dev, b, why);
		return 0;
	}
	pkq_add(out, b);
	return 1;
}

/* Dropped frames count as read: a flood of bad ones ends a batch too. */
static int tap_rx(struct netdev_queue *q, struct pkq *out, int max)
{
	int n = 0, r;

	while (n < max) {
		r = tap_read(q, out);
		if (r == -EINTR)
			continue;
		if (r < 0)
			return n ? n : r;
		n++;
	}
	return n;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A flow keeps its queue, by its ports: the kernel sends its answers to where it last wrote. */
static struct netdev_queue *tap_tx_queue(struct netdev *dev, const struct pkbuf *b)
{
	uint32_t ports = 0;

	if (dev->nqueue > 1 && b->l4 >= b->head && b->l4 + sizeof(ports) <= b->tail)
		memcpy(&ports, b->hdr + b->l4, sizeof(ports));
	return &dev->queue[(ports * 0x9e3779b1u >> 16) % dev->nqueue];
}

static int tap_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct iovec iov[2 + PKBUF_FRAGS];
	struct vnet_hdr vh;
	int n, err;

	vnet_out(b, &vh);
	iov[0] = (struct iovec){&vh, sizeof(vh)};
	n = 1 + pkbuf_iov(b, iov + 1);
	if (writev(tap_tx_queue(dev, b)->fd, iov, n) < 0) {
		err = -errno;
		pkbuf_drop(b, DROP_DEV_TX);
		return err;
	}
	pkbuf_free(b);
	return 0;
}

/* --- making and ending ------------------------------------------------------------------------ */

static void tap_close(struct netdev *dev)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i];
		struct tap_queue *t = q->priv;

		if (t) {
			tap_piece_give(&t->small);
			tap_piece_give(&t->large);
			free(t);
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

/* A local unicast address (IEEE 802, 8.2) when none is asked for. */
static void tap_mac(struct netdev *dev, const struct tap_config *cfg)
{
	static const uint8_t none[ETHER_ALEN];
	uint64_t r;

	memcpy(dev->mac, cfg->mac, ETHER_ALEN);
	if (memcmp(dev->mac, none, ETHER_ALEN) != 0)
		return;
	r = env_random(dev->stack->env);
	memcpy(dev->mac, &r, ETHER_ALEN);
	dev->mac[0] = (uint8_t)((dev->mac[0] & ~1) | 2);
}

static int tap_queues_init(struct netdev *dev, const int *fd)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		struct netdev_queue *q = &dev->queue[i];

		q->fd = fd[i];
		q->priv = calloc(1, sizeof(struct tap_queue));
	}
	for (unsigned i = 0; i < dev->nqueue; i++) {
		if (!dev->queue[i].priv)
			return -ENOMEM;
		tap_refill(&dev->queue[i]);
	}
	return 0;
}

int tap_attach(struct stack *st, const struct tap_config *cfg, const int *fd, unsigned n,
	       struct netdev **out)
{
	struct netdev *dev = netdev_alloc(st, cfg->name, cfg->tun ? &tun_ops : &tap_ops,
					  cfg->tun ? &raw_link : &ether_link, n);
	int r;

	if (!dev) {
		for (unsigned i = 0; i < n; i++)
			close(fd[i]);
		return -ENOMEM;
	}
	tap_mac(dev, cfg);
	dev->mtu = cfg->mtu ? cfg->mtu : TAP_MTU;
	dev->features = cfg->no_offload ? 0 : NETDEV_F_ALL;
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

int tap_create_fd(struct stack *st, const struct tap_config *cfg, int fd, struct netdev **out)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return tap_attach(st, cfg, &fd, 1, out);
}
