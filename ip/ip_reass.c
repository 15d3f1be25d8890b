/*
 * ip/ip_reass.c - reassembly (RFC 791, 3.2; RFC 815; RFC 1122, 3.3.2): ip_local_in() puts fragments
 * in, and with the last of them gets the whole.
 *
 * Fragments that overlap others refuse the whole datagram (RFC 5722, for IPv4 too), and it stays
 * refused until its time is over or its identification has come round; one that came twice is merely dropped.
 */
#include <string.h>

#include "ip/reass.h"
#include "lib/mib.h"
#include "lib/siphash.h"
#include "lib/wire/tcp.h"

/* One fragment: payload bytes [start, end) of its datagram. */
struct extent {
	uint32_t start, end;
	bool last;
};

/* --- the fragment by itself ------------------------------------------------------------------- */

static void frag_extent(const struct pkbuf *b, struct extent *x)
{
	const struct ip4_hdr *h = ip4_hdr(b);
	uint16_t off = be16_get(h->off);

	x->start = (off & IP4_OFFMASK) * 8u;
	x->end = x->start + b->len - ip4_hdr_len(h);
	x->last = !(off & IP4_MF);
}

/*
 * RFC 1858, RFC 3128: TCP's header comes whole with the first fragment, or a filter before us has
 * not seen it.
 */
static bool frag_splits_tcp(const struct pkbuf *b, const struct extent *x)
{
	if (b->proto != IP_PROTO_TCP)
		return false;
	return x->start == 0 ? x->end < TCP_HLEN : x->start < TCP_HLEN;
}

static enum drop_reason frag_check(const struct pkbuf *b, const struct extent *x)
{
	if (x->end == x->start || (!x->last && x->end % 8))
		return DROP_FRAG_LENGTH;
	if (x->end + ip4_hdr_len(ip4_hdr(b)) > IP4_LEN_MAX)
		return DROP_FRAG_TOO_FAR;
	return frag_splits_tcp(b, x) ? DROP_FRAG_PREFIX : DROP_NONE;
}

/* --- units of 8 bytes ------------------------------------------------------------------------- */

/* The bits of word `w` that lie in [from, to). */
static uint64_t units_mask(unsigned w, unsigned from, unsigned to)
{
	uint64_t mask = ~0ull;

	if (from > w * 64)
		mask &= ~0ull << (from - w * 64);
	if (to < (w + 1) * 64)
		mask &= ~(~0ull << (to - w * 64));
	return mask;
}

static void units_set(uint64_t *map, unsigned from, unsigned to)
{
	for (unsigned w = from / 64; w * 64 < to; w++)
		map[w] |= units_mask(w, from, to);
}

static unsigned units_count(const uint64_t *map, unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned w = from / 64; w * 64 < to; w++)
		n += (unsigned)__builtin_popcountll(map[w] & units_mask(w, from, to));
	return n;
}

static bool units_has(const uint64_t *map, unsigned at)
{
	return at < REASS_UNITS && (map[at / 64] >> at % 64 & 1);
}

/* --- into the datagram: the bucket's lock is held --------------------------------------------- */

/* One and the same fragment: it begins, ends and is whole where one that is here does. */
static bool reass_has(const struct reass *r, const struct extent *x)
{
	unsigned from = x->start / 8, to = (x->end + 7) / 8;

	if (!units_has(r->starts, from) || units_count(r->starts, from, to) != 1 ||
	    units_count(r->held, from, to) != to - from)
		return false;
	if (x->last)
		return r->end == x->end;
	return !(r->end && x->end >= r->end) &&
	       (units_has(r->starts, to) || !units_has(r->held, to));
}

/* A byte twice, past the end, or a second end. */
static bool reass_clashes(const struct reass *r, const struct extent *x)
{
	unsigned from = x->start / 8, to = (x->end + 7) / 8;

	if (units_count(r->held, from, to))
		return true;
	if (r->end && (x->last || x->end > r->end))
		return true;
	return x->last && units_count(r->held, to, REASS_UNITS);
}

/* RFC 5722, 4: the whole datagram, with what is still to come. */
static void reass_refuse(struct reass *r)
{
	struct stack *st = r->stack;
	struct pkbuf *b;
	struct pkq q;

	mib_inc(st, MIB_IpExt_ReasmOverlaps);
	mib_inc(st, MIB_Ip_ReasmFails);
	pkq_init(&q);
	reass_empty(r, &q);
	while ((b = pkq_take(&q)))
		pkbuf_drop(b, DROP_FRAG_OVERLAP);
	r->refused = true;
}

/*
 * Its source has sent so many fragments of others meanwhile that the identification has come round:
 * what is here is of an older datagram (Linux's ipfrag_max_dist).
 */
static void reass_check_distance(struct reass *r)
{
	struct stack *st = r->stack;
	uint64_t hash = siphash(&r->key.src, sizeof(r->key.src), st->key);
	_Atomic uint32_t *peer = &st->ip->reass->peer[hash % REASS_PEERS];
	uint32_t seq = atomic_fetch_add_explicit(peer, 1, memory_order_relaxed) + 1;
	uint32_t most = (uint32_t)sysctl_get(st, ipfrag_max_dist), passed = seq - r->seq;
	struct pkbuf *b;
	struct pkq q;

	r->seq = seq;
	if (most == 0 || passed <= most || (r->frags.count == 0 && !r->refused))
		return;
	r->refused = false;
	if (r->frags.count)
		mib_inc(st, MIB_Ip_ReasmFails);
	pkq_init(&q);
	reass_empty(r, &q);
	while ((b = pkq_take(&q)))
		pkbuf_drop(b, DROP_FRAG_TIMEOUT);
}

/* DROP_NONE: b is r's now. */
static enum drop_reason reass_add(struct reass *r, struct pkbuf *b, const struct extent *x)
{
	reass_check_distance(r);
	if (r->refused)
		return DROP_FRAG_OVERLAP;
	if (reass_has(r, x))
		return DROP_FRAG_DUPLICATE;
	if (reass_clashes(r, x)) {
		reass_refuse(r);
		return DROP_FRAG_OVERLAP;
	}
	units_set(r->held, x->start / 8, (x->end + 7) / 8);
	units_set(r->starts, x->start / 8, x->start / 8 + 1);
	r->ecn |= (uint8_t)(1u << (b->tos & IP_ECN));
	r->bytes += x->end - x->start;
	if (x->last)
		r->end = x->end;
	if (x->start == 0)
		r->first = b;
	reass_charge(r, b->pinned);
	pkq_add(&r->frags, b);
	return DROP_NONE;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* A datagram whose fragments have all come, taken off its table. */
struct whole {
	struct pkq frags;
	struct pkbuf *first;
	uint32_t bytes;
	uint8_t ecn;
};

/* The payload in one piece: its parts lie in pieces too large for them, or in header parts. */
static struct piece *whole_payload(struct whole *w)
{
	struct piece *p = piece_alloc(w->first->stack, w->bytes);

	for (struct pkbuf *b = p ? w->frags.head : NULL; b; b = b->next) {
		struct extent x;

		frag_extent(b, &x);
		pkbuf_read(b, ip4_hdr_len(ip4_hdr(b)), piece_data(p) + x.start, x.end - x.start);
	}
	return p;
}

/* The header of the first fragment, that says nothing of fragments any more. */
static void whole_header(struct pkbuf *b, const struct whole *w)
{
	const struct pkbuf *first = w->first;
	struct ip4_hdr *h = (struct ip4_hdr *)pkbuf_data(b);

	h->len = be16_of((uint16_t)b->len);
	h->off = be16_of(0);
	if (w->ecn & (1u << IP_ECN_CE))
		h->tos |= IP_ECN_CE;
	ip4_csum_set(h);
	b->l2 = b->l3 = b->head;
	b->l4 = (uint16_t)(b->l3 + ip4_hdr_len(h));
	b->dev = first->dev;
	b->stamp = first->stamp;
	b->mark = first->mark;
	b->cast = first->cast;
	b->wide = first->wide;
	b->src = first->src;
	b->dst = first->dst;
	b->proto = first->proto;
	b->ttl = first->ttl;
	b->tos = h->tos;
	memcpy(b->cb, first->cb, sizeof(b->cb));
}

/* NULL: no memory. */
static struct pkbuf *whole_build(struct whole *w)
{
	struct pkbuf *b = pkbuf_alloc(w->first->stack, PKBUF_RX_HEAD);
	struct piece *p = b ? whole_payload(w) : NULL;
	const struct ip4_hdr *h = ip4_hdr(w->first);

	if (!p) {
		if (b)
			pkbuf_free(b);
		return NULL;
	}
	pkbuf_append(b, h, ip4_hdr_len(h));
	pkbuf_add_piece(b, p, 0, w->bytes);
	piece_put(p);
	whole_header(b, w);
	return b;
}

/* RFC 3168, 5.3: congestion was met, but not all of them could have said so. */
static bool whole_ecn_is_mixed(const struct whole *w)
{
	return (w->ecn & (1u << IP_ECN_CE)) && (w->ecn & 1u);
}

static struct pkbuf *whole_finish(struct whole *w)
{
	struct stack *st = w->first->stack;
	enum drop_reason why = DROP_NONE;
	struct pkbuf *b = NULL, *f;

	if (w->bytes + ip4_hdr_len(ip4_hdr(w->first)) > IP4_LEN_MAX)
		why = DROP_FRAG_TOO_FAR;
	else if (whole_ecn_is_mixed(w))
		why = DROP_FRAG_ECN;
	else if (!(b = whole_build(w)))
		why = DROP_NO_MEMORY;
	mib_inc(st, b ? MIB_Ip_ReasmOKs : MIB_Ip_ReasmFails);
	while ((f = pkq_take(&w->frags)))
		pkbuf_drop(f, why);
	return b;
}

/* True: that was the last fragment, and r has given everything to w. */
static bool reass_complete(struct reass *r, struct whole *w)
{
	if (!r->end || r->bytes != r->end)
		return false;
	w->first = r->first;
	w->bytes = r->bytes;
	w->ecn = r->ecn;
	reass_empty(r, &w->frags);
	reass_remove(r);
	return true;
}

/* b into its datagram; true: w is whole.  *why: b was dropped for it. */
static bool reass_take_in(struct pkbuf *b, const struct extent *x, struct whole *w,
			  enum drop_reason *why)
{
	struct stack *st = b->stack;
	struct reass_key k = {b->src, b->dst, be16_get(ip4_hdr(b)->id), b->proto};
	struct reass_bucket *bk = reass_bucket_of(st, &k);
	struct reass *r;
	bool whole = false;

	mutex_lock(&bk->lock);
	r = reass_find(bk, st, &k);
	*why = r ? reass_add(r, b, x) : DROP_NO_MEMORY;
	if (!*why)
		whole = reass_complete(r, w);
	mutex_unlock(&bk->lock);
	return whole;
}

struct pkbuf *ip_reass(struct pkbuf *b)
{
	struct stack *st = b->stack;
	enum drop_reason why;
	struct extent x;
	struct whole w;

	mib_inc(st, MIB_Ip_ReasmReqds);
	frag_extent(b, &x);
	why = frag_check(b, &x);
	if (!why && !reass_make_room(st, b->pinned))
		why = DROP_FRAG_LIMIT;
	if (why) {
		mib_inc(st, MIB_Ip_ReasmFails);
		pkbuf_drop(b, why);
		return NULL;
	}
	pkq_init(&w.frags);
	if (reass_take_in(b, &x, &w, &why))
		return whole_finish(&w);
	if (why)
		pkbuf_drop(b, why);
	return NULL;
}
