/*
 * net/pkbuf.c - the packet buffer: making, ending, the front and the end, checksum, queues.  Its
 * payload is in net/payload.c, its memory in net/depot.c.
 */
#include "net/pkbuf.h"

#include <assert.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "lib/stack.h"
#include "lib/wire/tcp.h"
#include "net/net_priv.h"
#include "net/txstamp.h"

#define UDP_CSUM_OFF 6 /* where a checksum of 0 would say "none" (RFC 768) */

/* --- making and ending ------------------------------------------------------------------------ */

struct pkbuf *pkbuf_alloc(struct stack *st, unsigned head)
{
	struct slot *s = slot_get(st);
	struct pkbuf *b = depot_take(s, DEPOT_PKBUF, DEPOT_HEADER);

	assert(head <= PKBUF_HDR);
	if (!b)
		return NULL;
	pkbuf_reset(b, st, head);
	slot_gauge_add(s, GAUGE_pkbufs, 1);
	return b;
}

/* Refers to nothing. */
static void pkbuf_free_bare(struct pkbuf *b)
{
	struct slot *s = slot_get(b->stack);

	slot_gauge_add(s, GAUGE_pkbufs, -1);
	depot_give(s, DEPOT_PKBUF, b);
}

static __attribute__((noinline)) void pkbuf_free_whole(struct pkbuf *b)
{
	if (b->txstamp)
		txstamp_end(b);
	for (unsigned i = 0; i < b->nfrag; i++)
		piece_put(b->frag[i].piece);
	pkbuf_free_bare(b);
}

void pkbuf_free(struct pkbuf *b)
{
	if (b->nfrag || b->txstamp)
		pkbuf_free_whole(b);
	else
		pkbuf_free_bare(b);
}

void pkbuf_count_drop(struct stack *st, enum drop_reason why)
{
	atomic_fetch_add_explicit(&st->net->drops[why], 1, memory_order_relaxed);
}

uint64_t pkbuf_drops(struct stack *st, enum drop_reason why)
{
	return atomic_load_explicit(&st->net->drops[why], memory_order_relaxed);
}

void pkbuf_drop(struct pkbuf *b, enum drop_reason why)
{
	if (why != DROP_NONE) {
		pkbuf_count_drop(b->stack, why);
		debug(b->stack, DEBUG_DEV, "drop %s: %s, %u bytes", drop_info[why].name,
		      drop_info[why].text, b->len);
	}
	pkbuf_free(b);
}

struct pkbuf *pkbuf_clone(const struct pkbuf *b)
{
	struct slot *s = slot_get(b->stack);
	struct pkbuf *c;

	if (b->landed)
		return pkbuf_copy(b->stack, b);
	c = depot_take(s, DEPOT_PKBUF, DEPOT_HEADER);
	if (!c)
		return NULL;
	memcpy(c, b, offsetof(struct pkbuf, frag));
	memcpy(c->frag, b->frag, b->nfrag * sizeof(b->frag[0]));
	memcpy(c->hdr, b->hdr, b->tail);
	c->next = NULL;
	c->txstamp = NULL;
	for (unsigned i = 0; i < c->nfrag; i++)
		piece_get(c->frag[i].piece);
	slot_gauge_add(s, GAUGE_pkbufs, 1);
	return c;
}

struct pkbuf *pkbuf_copy(struct stack *st, const struct pkbuf *b)
{
	struct pkbuf *c = pkbuf_alloc(st, 0);
	uint32_t linear = pkbuf_linear(b);

	if (!c)
		return NULL;
	memcpy(c, b, offsetof(struct pkbuf, frag));
	memcpy(c->hdr, b->hdr, b->tail);
	c->next = NULL;
	c->txstamp = NULL;
	c->stack = st;
	c->landed = false;
	c->pinned = sizeof(*c);
	c->len = linear;
	c->nfrag = 0;
	if (st != b->stack)
		c->dev = NULL;
	if (pkbuf_append_copy(c, b, linear, b->len - linear) < 0) {
		pkbuf_free(c);
		return NULL;
	}
	return c;
}

/* --- the front and the end -------------------------------------------------------------------- */

/* Takes the frags before the i-th off. */
static void frags_shift(struct pkbuf *b, unsigned i)
{
	if (i == 0)
		return;
	for (unsigned k = 0; k < i; k++)
		piece_put(b->frag[k].piece);
	b->nfrag = (uint8_t)(b->nfrag - i);
	memmove(b->frag, b->frag + i, b->nfrag * sizeof(b->frag[0]));
}

/* Takes n bytes off the front of the frags, copying them to `to` unless that is NULL. */
static void frags_take(struct pkbuf *b, uint8_t *to, uint32_t n)
{
	unsigned i = 0;

	while (n > 0) {
		struct frag *f = &b->frag[i];
		uint32_t k = n < f->len ? n : f->len;

		if (to) {
			memcpy(to, piece_data(f->piece) + f->off, k);
			to += k;
		}
		f->off += k;
		f->len -= k;
		n -= k;
		if (f->len == 0)
			i++;
	}
	frags_shift(b, i);
}

static unsigned min_offset(const struct pkbuf *b)
{
	unsigned m = b->head;

	m = b->l2 < m ? b->l2 : m;
	m = b->l3 < m ? b->l3 : m;
	m = b->l4 < m ? b->l4 : m;
	return b->csum_start < m ? b->csum_start : m;
}

/* Moves the header part towards hdr[0], headers before the front with it.  False: they leave no
 * room. */
static bool hdr_move(struct pkbuf *b, unsigned by)
{
	if (by > min_offset(b))
		return false;
	memmove(b->hdr, b->hdr + by, b->tail - by);
	b->head = (uint16_t)(b->head - by);
	b->tail = (uint16_t)(b->tail - by);
	b->l2 = (uint16_t)(b->l2 - by);
	b->l3 = (uint16_t)(b->l3 - by);
	b->l4 = (uint16_t)(b->l4 - by);
	b->csum_start = (uint16_t)(b->csum_start - by);
	return true;
}

uint8_t *pkbuf_pull_frags(struct pkbuf *b, unsigned n)
{
	unsigned want = n - pkbuf_linear(b), room = PKBUF_HDR - b->tail;

	if (n > b->len)
		return NULL;
	if (want > room && !hdr_move(b, want - room))
		return NULL;
	frags_take(b, b->hdr + b->tail, want);
	b->tail = (uint16_t)(b->tail + want);
	return pkbuf_data(b);
}

uint8_t *pkbuf_push(struct pkbuf *b, unsigned n)
{
	assert(n <= b->head);
	b->head = (uint16_t)(b->head - n);
	b->len += n;
	return pkbuf_data(b);
}

void pkbuf_trim_frags(struct pkbuf *b, uint32_t n)
{
	uint32_t have = pkbuf_linear(b);

	assert(n <= b->len);
	b->head = b->tail;
	frags_take(b, NULL, n - have);
	b->len -= n;
}

void pkbuf_trim_end(struct pkbuf *b, uint32_t len)
{
	uint32_t at = pkbuf_linear(b);
	unsigned i = 0;

	b->len = len;
	if (len < at)
		b->tail = (uint16_t)(b->head + len);
	for (; i < b->nfrag && at < len; i++) {
		if (b->frag[i].len > len - at)
			b->frag[i].len = len - at;
		at += b->frag[i].len;
	}
	while (b->nfrag > i)
		piece_put(b->frag[--b->nfrag].piece);
}

/* --- checksum and segments -------------------------------------------------------------------- */

/* Adds n bytes at p, the `at`-th and later of the whole. */
static uint64_t csum_part(uint64_t sum, const uint8_t *p, uint32_t n, uint32_t at)
{
	if (at & 1)
		return sum + csum_odd(csum_add(0, p, n));
	return csum_add(sum, p, n);
}

uint64_t pkbuf_csum(const struct pkbuf *b, uint32_t off, uint32_t n, uint64_t sum)
{
	uint32_t have = pkbuf_linear(b), at = 0, k;

	assert(off <= b->len && n <= b->len - off);
	if (off < have) {
		at = n < have - off ? n : have - off;
		sum = csum_add(sum, b->hdr + b->head + off, at);
	}
	off = off > have ? off - have : 0;
	for (unsigned i = 0; at < n; i++) {
		const struct frag *f = &b->frag[i];

		if (off >= f->len) {
			off -= f->len;
			continue;
		}
		k = f->len - off < n - at ? f->len - off : n - at;
		sum = csum_part(sum, piece_data(f->piece) + f->off + off, k, at);
		at += k;
		off = 0;
	}
	return sum;
}

void pkbuf_csum_finish(struct pkbuf *b)
{
	unsigned at = b->csum_start, field = at + b->csum_off;
	uint64_t sum;
	uint16_t csum;

	if (b->csum != CSUM_PARTIAL)
		return;
	assert(at <= b->tail && field + 2u <= b->tail);
	if (at >= b->head) {
		sum = pkbuf_csum(b, at - b->head, b->len - (at - b->head), 0);
	} else { /* the front has passed the transport header, which still stands before it */
		sum = pkbuf_csum(b, 0, b->len, 0);
		if ((b->head - at) & 1)
			sum = csum_odd(sum);
		sum = csum_add(sum, b->hdr + at, b->head - at);
	}
	csum = csum_finish(sum);
	if (csum == 0 && b->csum_off == UDP_CSUM_OFF)
		csum = 0xffff;
	memcpy(b->hdr + field, &csum, sizeof(csum));
	b->csum = CSUM_NONE;
}

uint32_t pkbuf_wire_len(const struct pkbuf *b)
{
	uint32_t whole = b->len + b->head - b->l3, seg;
	const struct tcp_hdr *h = (const struct tcp_hdr *)(b->hdr + b->l4);

	if (b->gso_size == 0)
		return whole;
	assert(b->l4 > b->l3 && b->l4 + sizeof(*h) <= b->tail);
	seg = (uint32_t)(b->l4 - b->l3) + tcp_hdr_len(h) + b->gso_size;
	return seg < whole ? seg : whole;
}

/* --- queues ----------------------------------------------------------------------------------- */

void pkq_init(struct pkq *q)
{
	q->head = NULL;
	q->tail = &q->head;
	q->count = q->bytes = 0;
}

void pkq_add(struct pkq *q, struct pkbuf *b)
{
	b->next = NULL;
	*q->tail = b;
	q->tail = &b->next;
	q->count++;
	q->bytes += b->len;
}

void pkq_join(struct pkq *to, struct pkq *from)
{
	if (!from->head)
		return;
	*to->tail = from->head;
	to->tail = from->tail;
	to->count += from->count;
	to->bytes += from->bytes;
	pkq_init(from);
}

struct pkbuf *pkq_take(struct pkq *q)
{
	struct pkbuf *b = q->head;

	if (!b)
		return NULL;
	q->head = b->next;
	if (!q->head)
		q->tail = &q->head;
	b->next = NULL;
	q->count--;
	q->bytes -= b->len;
	return b;
}

void pkq_free(struct pkq *q)
{
	struct pkbuf *b;

	while ((b = pkq_take(q)))
		pkbuf_free(b);
}
