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
#include "net/gro.h"
#include "net/net_priv.h"
#include "net/tap.h"

/* Left free before what is read into the small piece: the header part's bytes may be put there (net/gro.c). */
#define SMALL_FRONT PKBUF_RX_LINEAR

_Static_assert(PIECE_SMALL + PIECE_LARGE >= PKBUF_MAX, "every frame fits");

static uint32_t small_room(const struct piece *p)
{
	return piece_size(p) - SMALL_FRONT;
}

/* --- where the next frame goes ----------------------------------------------------------------- */

/* A piece without memory is left out: the frame may not fit. */
static void rxbuf_iov(struct rxbuf *r)
{
	struct iovec *v = r->iov;

	*v++ = (struct iovec){&r->vnet, sizeof(r->vnet)};
	*v++ = (struct iovec){r->head->hdr + PKBUF_RX_HEAD, PKBUF_RX_LINEAR};
	r->room = sizeof(r->vnet) + PKBUF_RX_LINEAR;
	if (r->small) {
		*v++ = (struct iovec){piece_data(r->small) + SMALL_FRONT, small_room(r->small)};
		r->room += small_room(r->small);
	}
	if (r->small && r->large) {
		*v++ = (struct iovec){piece_data(r->large), piece_size(r->large)};
		r->room += piece_size(r->large);
	}
	r->niov = (int)(v - r->iov);
}

bool rxbuf_ready(struct rxbuf *r, struct netdev *dev)
{
	struct stack *st = dev->stack;

	if (r->niov && r->small && r->large)
		return true;
	if (!r->head)
		r->head = pkbuf_alloc(st, PKBUF_RX_HEAD);
	if (!r->small)
		r->small = piece_alloc_rx(st, PIECE_SMALL);
	if (!r->large)
		r->large = piece_alloc_rx(st, PIECE_LARGE);
	if (!r->head)
		return false;
	r->head->dev = dev;
	rxbuf_iov(r);
	return true;
}

static void rxbuf_give(struct piece **p)
{
	if (*p)
		piece_put(*p);
	*p = NULL;
}

void rxbuf_end(struct rxbuf *r)
{
	if (r->head)
		pkbuf_free(r->head);
	r->head = NULL;
	r->niov = 0;
	rxbuf_give(&r->small);
	rxbuf_give(&r->large);
}

/* --- what was read ------------------------------------------------------------------------------ */

/* The small piece's n bytes: copied behind the header part if they fit there. */
static int rxbuf_take_small(struct rxbuf *r, struct pkbuf *b, uint32_t n)
{
	if (b->tail + n <= PKBUF_HDR)
		return pkbuf_append(b, piece_data(r->small) + SMALL_FRONT, n);
	pkbuf_give_piece(b, r->small, SMALL_FRONT, n);
	r->small = NULL;
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
	if (b->nfrag == PKBUF_FRAGS)
		return -ENOMEM;
	pkbuf_give_piece(b, r->large, off, n - off);
	r->large = NULL;
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

/* Is what lies there a frame, n bytes with its vnet header?  b has it then. */
static enum drop_reason rxbuf_check(struct rxbuf *r, struct pkbuf *b, size_t n)
{
	if (n < sizeof(r->vnet))
		return DROP_VNET_HDR;
	if (n == r->room && (!r->small || !r->large))
		return DROP_NO_MEMORY; /* there was more of it */
	n -= sizeof(r->vnet);
	if (n > PKBUF_MAX)
		return DROP_TOO_BIG;
	b->l2 = b->head;
	if (rxbuf_fill(r, b, (uint32_t)n) < 0)
		return DROP_NO_MEMORY;
	return vnet_in(b, &r->vnet, b->dev->link->hlen) ? DROP_NONE : DROP_VNET_HDR;
}

struct pkbuf *rxbuf_take(struct rxbuf *r, size_t n)
{
	struct pkbuf *b = r->head;
	enum drop_reason why = rxbuf_check(r, b, n);

	if (why != DROP_NONE) {
		rxbuf_drop(r, why);
		return NULL;
	}
	r->head = NULL;
	r->niov = 0;
	return b;
}

struct pkbuf *rxbuf_copy(struct rxbuf *r, const struct vnet_hdr *vh, const uint8_t *data, size_t n)
{
	size_t at = 0, part;

	if (n > r->room - sizeof(*vh)) {
		rxbuf_drop(r, DROP_NO_MEMORY);
		return NULL;
	}
	r->vnet = *vh;
	for (int i = 1; i < r->niov && at < n; i++, at += part) {
		part = n - at < r->iov[i].iov_len ? n - at : r->iov[i].iov_len;
		memcpy(r->iov[i].iov_base, data + at, part);
	}
	return rxbuf_take(r, n + sizeof(*vh));
}

void rxbuf_drop(struct rxbuf *r, enum drop_reason why)
{
	struct netdev_stats *s = &r->head->dev->stats;
	struct pkbuf *b = r->head;

	atomic_fetch_add_explicit(why == DROP_NO_MEMORY ? &s->rx_dropped : &s->rx_errors, 1,
				  memory_order_relaxed);
	pkbuf_drop(b, why);
	r->head = NULL;
	r->niov = 0;
}

/* --- a batch ------------------------------------------------------------------------------------ */

/* Dropped frames count as read: a flood of bad ones ends a batch too. */
int rxbuf_batch(struct netdev_queue *q, struct rxbuf *r, struct pkq *out, int max,
		rxbuf_read_fn *read_one)
{
	uint32_t bytes = 0;
	struct pkbuf *b;
	struct gro gro;
	int n = 0, err = 0;

	gro_begin(&gro, q->dev, out);
	while (n < max && bytes < NETDEV_BATCH_BYTES) {
		err = read_one(q, &b);
		if (err == -EINTR)
			continue;
		if (err < 0)
			break;
		n++;
		if (!b)
			continue;
		bytes += b->len;
		if (gro_add(&gro, b)) {
			pkbuf_reset(b, q->dev->stack, PKBUF_RX_HEAD);
			r->head = b;
		}
	}
	gro_end(&gro);
	return n ? n : err;
}
