/*
 * net/rxbuf.c - a frame from the kernel into a pkbuf: between the read of a driver and its queue.
 *
 * One buffer is read into, for a call with several costs more than to copy a wire frame out of it.  A small frame, and of
 * a longer one the headers, are copied into the header part.  The rest stays where it is, or is copied too, when it
 * fills less than half of the large piece, so that small packets never pin 64 KB.
 */
#include "net/rxbuf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/gro.h"
#include "net/net_priv.h"
#include "net/tap.h"

/* What stays in the large piece pins less than twice its length: so TCP keeps it as it is (tcp/tcp_text.c). */
#define LARGE_LEAST (PIECE_LARGE / 2 + sizeof(struct pkbuf))

_Static_assert(PIECE_LARGE >= RXBUF_MAX, "every frame fits");
_Static_assert(LANDING_FRAME >= RXBUF_MAX - VNET_HLEN - IP4_HLEN - TCP_HLEN, "and lands");

/* --- where the next frame goes ----------------------------------------------------------------- */

static void rxbuf_unaim(struct rxbuf *r)
{
	r->landing = NULL;
	r->nto = 1;
	r->to[0] = r->large ? (struct iovec){piece_data(r->large), RXBUF_MAX}
			    : (struct iovec){r->spare, sizeof(r->spare)};
}

/* The header part is the one that often goes alone. */
static bool rxbuf_make_head(struct rxbuf *r, struct netdev *dev)
{
	r->head = pkbuf_alloc(dev->stack, PKBUF_RX_HEAD);
	if (!r->head)
		return false;
	r->head->dev = dev;
	rxbuf_unaim(r);
	return true;
}

/* Into the buffer that is lent, if what came last was for its program and there is room for a frame. */
static void rxbuf_aim(struct rxbuf *r)
{
	struct landing *l = r->lent;
	size_t skip = VNET_HLEN + r->head->dev->link->hlen + l->hlen;

	rxbuf_unaim(r);
	if (!r->bulk || l->room < LANDING_FRAME || !r->large ||
	    memcmp(l->flow, r->flow, sizeof(r->flow)) != 0)
		return;
	r->landing = l;
	r->nto = 2;
	r->to[0].iov_len = skip;
	r->to[1] = (struct iovec){l->piece.data + (l->piece.size - l->room), RXBUF_MAX - skip};
}

bool rxbuf_ready(struct rxbuf *r, struct netdev *dev)
{
	if (!r->head && !rxbuf_make_head(r, dev))
		return false;
	if (!r->large) {
		r->large = piece_alloc_rx(dev->stack, PIECE_LARGE);
		rxbuf_unaim(r);
	}
	if (r->lent)
		rxbuf_aim(r);
	return true;
}

void rxbuf_end(struct rxbuf *r)
{
	if (r->head)
		pkbuf_free(r->head);
	r->head = NULL;
	if (r->large)
		piece_put(r->large);
	r->large = NULL;
}

/* --- what was read ------------------------------------------------------------------------------ */

/*
 * How many bytes of n, behind a link header of `link`, are the header part's: a small frame, and the headers of a plain
 * TCP segment, so that its text lies together (net/gro.c).
 */
static uint32_t head_of(const uint8_t *frame, uint32_t n, uint32_t link)
{
	const struct ip4_hdr *ip = (const void *)(frame + link);
	const struct tcp_hdr *tcp = (const void *)(ip + 1);

	if (n <= PKBUF_RX_LINEAR)
		return n;
	if (ip->ver_ihl != 0x45 || ip->proto != IP_PROTO_TCP || tcp_hdr_len(tcp) < TCP_HLEN)
		return PKBUF_RX_LINEAR;
	return link + IP4_HLEN + tcp_hdr_len(tcp);
}

#define COPY_STEP 32u

/* By steps, the last of which overlap: a length that is not known costs a tail byte by byte, or a call. */
static void copy_words(uint8_t *to, const uint8_t *from, size_t n)
{
	if (n < COPY_STEP) {
		memcpy(to, from, n);
		return;
	}
	for (size_t i = 0; i + COPY_STEP < n; i += COPY_STEP)
		memcpy(to + i, from + i, COPY_STEP);
	memcpy(to + n - COPY_STEP, from + n - COPY_STEP, COPY_STEP);
}

static void rxbuf_fill_head(struct pkbuf *b, const uint8_t *frame, uint32_t n)
{
	copy_words(pkbuf_data(b), frame, n);
	b->tail = (uint16_t)(b->tail + n);
	b->len += n;
}

/* What the next piece takes of n bytes: up to two small ones are less than one of the next size. */
static uint32_t part_of(uint32_t n)
{
	uint32_t most = n > 2 * PIECE_SMALL ? PIECE_MID : PIECE_SMALL;

	return n < most ? n : most;
}

/* Into pieces of its size.  False: no memory. */
static bool rxbuf_fill_pieces(struct pkbuf *b, const uint8_t *data, uint32_t n)
{
	struct piece *p;
	uint32_t part;

	for (; n > 0; data += part, n -= part) {
		part = part_of(n);
		p = piece_alloc_rx(b->stack, part);
		if (!p)
			return false;
		memcpy(piece_data(p), data, part);
		pkbuf_give_piece(b, p, 0, part);
	}
	return true;
}

/* Gives b n bytes, which lie in r->large, or elsewhere and are copied.  False: no memory. */
static bool rxbuf_fill(struct rxbuf *r, struct pkbuf *b, const uint8_t *frame, uint32_t n,
		       bool in_large)
{
	uint32_t head = head_of(frame, n, b->dev->link->hlen);

	rxbuf_fill_head(b, frame, head);
	frame += head;
	n -= head;
	if (!in_large || n < LARGE_LEAST)
		return rxbuf_fill_pieces(b, frame, n);
	pkbuf_give_piece(b, r->large, (uint32_t)(frame - piece_data(r->large)), n);
	r->large = NULL;
	return true;
}

/* The guess was wrong: what lies in the program's buffer is moved to where it had been read without one. */
static void rxbuf_move(struct rxbuf *r, size_t n)
{
	size_t skip = r->to[0].iov_len;

	if (n > skip)
		memcpy((uint8_t *)r->to[0].iov_base + skip, r->to[1].iov_base, n - skip);
	r->landing->room = 0;
	rxbuf_unaim(r);
}

static void rxbuf_land(struct rxbuf *r, struct pkbuf *b, const uint8_t *frame, uint32_t n)
{
	uint32_t head = (uint32_t)(r->to[0].iov_len - VNET_HLEN);

	rxbuf_fill_head(b, frame, head);
	landing_take(r->landing, b, n - head);
	r->filled = r->landing->full;
}

/* Of which stream was it, and was it a large one? */
static void rxbuf_note(struct rxbuf *r, const uint8_t *frame, size_t n)
{
	r->bulk = n > FRAME_BULK;
	if (r->bulk)
		memcpy(r->flow, frame + r->head->dev->link->hlen + offsetof(struct ip4_hdr, src),
		       sizeof(r->flow));
}

/* What was read, n bytes with its vnet header, becomes b's. */
static enum drop_reason rxbuf_give(struct rxbuf *r, struct pkbuf *b, const uint8_t *frame, size_t n)
{
	if (n < VNET_HLEN)
		return DROP_VNET_HDR;
	n -= VNET_HLEN;
	if (!r->large && n > RXBUF_LESS)
		return DROP_NO_MEMORY; /* there was more of it */
	if (n > PKBUF_MAX)
		return DROP_TOO_BIG;
	if (r->landing)
		rxbuf_land(r, b, frame, (uint32_t)n);
	else if (!rxbuf_fill(r, b, frame, (uint32_t)n, r->large != NULL))
		return DROP_NO_MEMORY;
	return DROP_NONE;
}

static struct pkbuf *rxbuf_done(struct rxbuf *r, const struct vnet_hdr *vh, enum drop_reason why)
{
	struct pkbuf *b = r->head;

	if (why == DROP_NONE && !vnet_in(b, vh, b->dev->link->hlen))
		why = DROP_VNET_HDR;
	if (why != DROP_NONE) {
		rxbuf_drop(r, why);
		return NULL;
	}
	r->head = NULL;
	return b;
}

struct pkbuf *rxbuf_take(struct rxbuf *r, size_t n)
{
	const struct vnet_hdr *vh = r->to[0].iov_base;
	const uint8_t *frame = (const uint8_t *)(vh + 1);
	uint32_t link = r->head->dev->link->hlen;

	if (r->landing &&
	    (n < VNET_HLEN || !landing_awaits(r->landing, frame, n - VNET_HLEN, link)))
		rxbuf_move(r, n);
	if (!r->landing)
		rxbuf_note(r, frame, n);
	return rxbuf_done(r, vh, rxbuf_give(r, r->head, frame, n));
}

struct pkbuf *rxbuf_copy(struct rxbuf *r, const struct vnet_hdr *vh, const uint8_t *data, size_t n)
{
	bool had;

	assert(n <= PKBUF_MAX);
	had = rxbuf_fill(r, r->head, data, (uint32_t)n, false);
	rxbuf_unaim(r);
	rxbuf_note(r, data, n);
	return rxbuf_done(r, vh, had ? DROP_NONE : DROP_NO_MEMORY);
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
