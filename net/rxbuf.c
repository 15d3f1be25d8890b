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
#include "lib/wire/ip4.h"
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

static void rxbuf_unaim(struct rxbuf *r)
{
	r->landing = NULL;
	r->to = r->iov;
	r->nto = r->niov;
}

/* The header part is the one that often goes alone. */
static bool rxbuf_make_head(struct rxbuf *r, struct netdev *dev)
{
	struct pkbuf *b = pkbuf_alloc(dev->stack, PKBUF_RX_HEAD);

	if (!b)
		return false;
	b->dev = dev;
	r->head = b;
	r->iov[1] = (struct iovec){pkbuf_data(b), PKBUF_RX_LINEAR};
	rxbuf_unaim(r);
	return true;
}

/* A piece without memory is left out: the frame may not fit. */
static void rxbuf_make_pieces(struct rxbuf *r, struct stack *st)
{
	struct iovec *v = r->iov + 2;

	if (!r->small)
		r->small = piece_alloc_rx(st, PIECE_SMALL);
	if (!r->large)
		r->large = piece_alloc_rx(st, PIECE_LARGE);
	r->iov[0] = (struct iovec){&r->vnet, sizeof(r->vnet)};
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
	rxbuf_unaim(r);
}

/* Into the buffer that is lent, if what came last was for its program and there is room for a frame. */
static void rxbuf_aim(struct rxbuf *r, uint32_t link)
{
	struct landing *l = r->lent;

	rxbuf_unaim(r);
	if (!r->bulk || l->room < LANDING_FRAME || !r->small || !r->large ||
	    memcmp(l->flow, r->flow, sizeof(r->flow)) != 0)
		return;
	r->landing = l;
	r->land_head = link + l->hlen;
	r->land[0] = r->iov[0];
	r->land[1] = (struct iovec){r->iov[1].iov_base, r->land_head};
	r->land[2] = (struct iovec){l->piece.data + (l->piece.size - l->room), LANDING_FRAME};
	r->to = r->land;
	r->nto = RXBUF_LAND_IOV;
}

bool rxbuf_ready(struct rxbuf *r, struct netdev *dev)
{
	if (!r->head && !rxbuf_make_head(r, dev))
		return false;
	if (!r->small || !r->large)
		rxbuf_make_pieces(r, dev->stack);
	if (r->lent)
		rxbuf_aim(r, dev->link->hlen);
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
	rxbuf_give(&r->small);
	rxbuf_give(&r->large);
}

/* --- what was read ------------------------------------------------------------------------------ */

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
	uint32_t linear = r->landing ? r->land_head : PKBUF_RX_LINEAR;
	uint32_t part = n < linear ? n : linear;

	b->tail = (uint16_t)(b->tail + part);
	b->len += part;
	n -= part;
	if (n == 0)
		return 0;
	if (r->landing) {
		landing_take(r->landing, b, n);
		r->filled = r->landing->full;
		return 0;
	}
	part = n < small_room(r->small) ? n : small_room(r->small);
	pkbuf_give_piece(b, r->small, SMALL_FRONT, part);
	r->small = NULL;
	return n == part ? 0 : rxbuf_take_large(r, b, n - part);
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
	if (rxbuf_fill(r, b, (uint32_t)n) < 0)
		return DROP_NO_MEMORY;
	return vnet_in(b, &r->vnet, b->dev->link->hlen) ? DROP_NONE : DROP_VNET_HDR;
}

/* The guess was wrong: what lies in the program's buffer is moved to where it had been read without one. */
static void rxbuf_move(struct rxbuf *r, size_t n)
{
	const uint8_t *from = r->land[2].iov_base;
	size_t skip = sizeof(r->vnet) + r->land_head, part;

	r->landing->room = 0;
	r->landing = NULL;
	n -= n < skip ? n : skip;
	for (struct iovec *v = r->iov; n > 0; v++) {
		if (skip < v->iov_len) {
			part = v->iov_len - skip < n ? v->iov_len - skip : n;
			memcpy((uint8_t *)v->iov_base + skip, from, part);
			from += part;
			n -= part;
		}
		skip -= skip < v->iov_len ? skip : v->iov_len;
	}
}

/* Of which stream was it, and was it a large one? */
static void rxbuf_note(struct rxbuf *r, struct pkbuf *b, size_t n)
{
	r->bulk = n > FRAME_BULK;
	if (r->bulk)
		memcpy(r->flow, pkbuf_data(b) + b->dev->link->hlen + offsetof(struct ip4_hdr, src),
		       sizeof(r->flow));
}

struct pkbuf *rxbuf_take(struct rxbuf *r, size_t n)
{
	struct pkbuf *b = r->head;
	enum drop_reason why;

	if (r->landing && (n < sizeof(r->vnet) ||
			   !landing_awaits(r->landing, b, (uint32_t)(n - sizeof(r->vnet)))))
		rxbuf_move(r, n);
	if (!r->landing)
		rxbuf_note(r, b, n);
	why = rxbuf_check(r, b, n);
	if (why != DROP_NONE) {
		rxbuf_drop(r, why);
		return NULL;
	}
	r->head = NULL;
	return b;
}

struct pkbuf *rxbuf_copy(struct rxbuf *r, const struct vnet_hdr *vh, const uint8_t *data, size_t n)
{
	size_t at = 0, part;

	if (n > r->room - sizeof(*vh)) {
		rxbuf_drop(r, DROP_NO_MEMORY);
		return NULL;
	}
	r->landing = NULL; /* it is copied in any case */
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
}

bool rxbuf_fault(struct rxbuf *r, int err)
{
	if (err != EFAULT || !r->landing)
		return false;
	r->landing->room = 0;
	rxbuf_drop(r, DROP_NO_MEMORY);
	return true;
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
	r->lent = landing_of(q->dev->stack);
	r->filled = false;
	while (n < max && bytes < NETDEV_BATCH_BYTES && !r->filled) {
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
			b->dev = q->dev;
			r->head = b;
		}
	}
	gro_end(&gro);
	if (r->lent)
		rxbuf_unaim(r);
	r->lent = NULL;
	return n ? n : err;
}
