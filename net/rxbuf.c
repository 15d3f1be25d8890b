/*
 * net/rxbuf.c - a frame from the kernel into a pkbuf: between the read of a driver and its queue.
 *
 * The first bytes are read into the header part, the next into a small piece, the rest into a large
 * one.  A large piece that a frame fills less than half is copied from and kept, so that small
 * packets never pin 64 KB.
 */
#include "net/rxbuf.h"

#include <errno.h>
#include <string.h>

#include "lib/stack.h"
#include "net/net_priv.h"
#include "net/tap.h"

/* Left free before what is read into the small piece: the header part's bytes may be put there (net/gro.c). */
#define SMALL_FRONT PKBUF_RX_LINEAR

_Static_assert(PIECE_SMALL + PIECE_LARGE >= PKBUF_MAX, "every frame fits");

static uint32_t small_room(const struct piece *p)
{
	return piece_size(p) - SMALL_FRONT;
}

void rxbuf_refill(struct rxbuf *r, struct stack *st)
{
	if (!r->small)
		r->small = piece_alloc_rx(st, PIECE_SMALL);
	if (!r->large)
		r->large = piece_alloc_rx(st, PIECE_LARGE);
}

static void rxbuf_give(struct piece **p)
{
	if (*p)
		piece_put(*p);
	*p = NULL;
}

void rxbuf_end(struct rxbuf *r)
{
	rxbuf_give(&r->small);
	rxbuf_give(&r->large);
}

int rxbuf_iov(struct rxbuf *r, struct pkbuf *b, struct vnet_hdr *vh, struct iovec iov[RXBUF_IOV],
	      size_t *room)
{
	int n = 0;

	iov[n++] = (struct iovec){vh, sizeof(*vh)};
	iov[n++] = (struct iovec){b->hdr + b->head, PKBUF_RX_LINEAR};
	if (r->small)
		iov[n++] = (struct iovec){piece_data(r->small) + SMALL_FRONT, small_room(r->small)};
	if (r->small && r->large)
		iov[n++] = (struct iovec){piece_data(r->large), piece_size(r->large)};
	*room = 0;
	for (int i = 0; i < n; i++)
		*room += iov[i].iov_len;
	return n;
}

/* The small piece's n bytes: copied behind the header part if they fit there. */
static int rxbuf_take_small(struct rxbuf *r, struct pkbuf *b, uint32_t n)
{
	if (b->tail + n <= PKBUF_HDR)
		return pkbuf_append(b, piece_data(r->small) + SMALL_FRONT, n);
	if (!pkbuf_add_piece(b, r->small, SMALL_FRONT, n))
		return -ENOMEM;
	rxbuf_give(&r->small);
	return 0;
}

/* Copied into pieces of its size while they pin less than half of the large one. */
static int rxbuf_take_large(struct rxbuf *r, struct pkbuf *b, uint32_t n)
{
	uint32_t off = 0, part;

	while (n < PIECE_LARGE / 2 && off < n) {
		struct piece *p;

		part = n - off < PIECE_MID ? n - off : PIECE_MID;
		p = piece_alloc_rx(b->stack, part);
		if (!p)
			break;
		memcpy(piece_data(p), piece_data(r->large) + off, part);
		if (!pkbuf_add_piece(b, p, 0, part)) {
			piece_put(p);
			return -ENOMEM;
		}
		piece_put(p);
		off += part;
	}
	if (off == n)
		return 0;
	if (!pkbuf_add_piece(b, r->large, off, n - off))
		return -ENOMEM;
	rxbuf_give(&r->large);
	return 0;
}

/* Gives b the n bytes that were read. */
static int rxbuf_fill(struct rxbuf *r, struct pkbuf *b, uint32_t n)
{
	uint32_t part = n < PKBUF_RX_LINEAR ? n : PKBUF_RX_LINEAR;
	int err;

	b->tail = (uint16_t)(b->tail + part);
	b->len += part;
	n -= part;
	if (n == 0)
		return 0;
	part = n < small_room(r->small) ? n : small_room(r->small);
	err = rxbuf_take_small(r, b, part);
	n -= part;
	return err < 0 || n == 0 ? err : rxbuf_take_large(r, b, n);
}

enum drop_reason rxbuf_take(struct rxbuf *r, struct pkbuf *b, const struct vnet_hdr *vh, size_t n,
			    size_t room)
{
	if (n < sizeof(*vh))
		return DROP_VNET_HDR;
	if (n == room && (!r->small || !r->large))
		return DROP_NO_MEMORY; /* there was more of it */
	n -= sizeof(*vh);
	if (n > PKBUF_MAX)
		return DROP_TOO_BIG;
	b->l2 = b->head;
	if (rxbuf_fill(r, b, (uint32_t)n) < 0)
		return DROP_NO_MEMORY;
	return vnet_in(b, vh, b->dev->link->hlen) ? DROP_NONE : DROP_VNET_HDR;
}

enum drop_reason rxbuf_copy(struct rxbuf *r, struct pkbuf *b, const struct vnet_hdr *vh,
			    const uint8_t *data, size_t n)
{
	struct iovec iov[RXBUF_IOV];
	struct vnet_hdr none;
	size_t room, at = 0, part;
	int niov = rxbuf_iov(r, b, &none, iov, &room);

	if (n > room - sizeof(none))
		return DROP_NO_MEMORY;
	for (int i = 1; i < niov && at < n; i++, at += part) {
		part = n - at < iov[i].iov_len ? n - at : iov[i].iov_len;
		memcpy(iov[i].iov_base, data + at, part);
	}
	return rxbuf_take(r, b, vh, n + sizeof(*vh), room);
}

void rxbuf_drop(struct pkbuf *b, enum drop_reason why)
{
	struct netdev_stats *s = &b->dev->stats;

	atomic_fetch_add_explicit(why == DROP_NO_MEMORY ? &s->rx_dropped : &s->rx_errors, 1,
				  memory_order_relaxed);
	pkbuf_drop(b, why);
}

/* Dropped frames count as read: a flood of bad ones ends a batch too. */
int rxbuf_batch(struct netdev_queue *q, struct pkq *out, int max, rxbuf_read_fn *read_one)
{
	int n = 0, r = 0;

	while (n < max && out->bytes < NETDEV_BATCH_BYTES) {
		r = read_one(q, out);
		if (r == -EINTR)
			continue;
		if (r < 0)
			break;
		n++;
	}
	gro_join(q->dev, out);
	return n ? n : r;
}
