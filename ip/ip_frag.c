/*
 * ip/ip_frag.c - fragmentation (RFC 791, 3.2): on the walk down, behind POST_ROUTING.
 *
 * A fragment has a header of its own and refers to the payload of the whole.  What is a fragment
 * already is cut further just so.
 */
#include <errno.h>
#include <string.h>

#include "ip/ip_priv.h"
#include "lib/mib.h"
#include "net/txstamp.h"

/* One cut: the same for all its fragments. */
struct frag_cut {
	const struct pkbuf *whole;
	uint8_t hdr[IP4_HLEN_MAX]; /* of the next fragment */
	unsigned hlen;
	uint16_t off; /* the field as the whole has it */
};

/* The payload [at, at + n).  NULL: no memory. */
static struct pkbuf *frag_make(const struct frag_cut *c, uint32_t at, uint32_t n)
{
	const struct pkbuf *whole = c->whole;
	struct pkbuf *f = pkbuf_alloc(whole->stack, PKBUF_TX_HEAD);
	bool more = c->hlen + at + n < whole->len;
	struct ip4_hdr *h;

	if (!f)
		return NULL;
	h = (struct ip4_hdr *)pkbuf_push(f, c->hlen);
	memcpy(h, c->hdr, c->hlen);
	h->len = be16_of((uint16_t)(c->hlen + n));
	h->off = be16_of((uint16_t)(c->off + at / 8));
	if (more)
		h->off = be16_of(be16_get(h->off) | IP4_MF);
	ip4_csum_set(h);
	f->l2 = f->l3 = f->head;
	f->l4 = (uint16_t)(f->head + c->hlen);
	f->dev = whole->dev;
	f->stamp = whole->stamp;
	f->mark = whole->mark;
	f->cast = whole->cast;
	f->forwarded = whole->forwarded;
	f->src = whole->src;
	f->dst = whole->dst;
	f->proto = whole->proto;
	f->ttl = whole->ttl;
	f->tos = whole->tos;
	if (pkbuf_append_from(f, whole, c->hlen + at, n) < 0) {
		pkbuf_free(f);
		return NULL;
	}
	return f;
}

/* All of them on q, which is empty at first.  0 or -ENOMEM. */
static int frag_cut_all(struct frag_cut *c, uint32_t mtu, struct pkq *q)
{
	uint32_t total = c->whole->len - c->hlen, most = (mtu - c->hlen) & ~7u, n;
	struct pkbuf *f;

	for (uint32_t at = 0; at < total; at += n) {
		n = total - at < most ? total - at : most;
		f = frag_make(c, at, n);
		if (!f)
			return -ENOMEM;
		pkq_add(q, f);
		if (at == 0)
			ip_opts_not_copied(c->hdr + IP4_HLEN, c->hlen - IP4_HLEN);
	}
	return 0;
}

int ip_fragment(struct pkbuf *b, uint32_t mtu, struct pkq *out)
{
	const struct ip4_hdr *h = ip4_hdr(b);
	struct frag_cut c = {.whole = b, .hlen = ip4_hdr_len(h), .off = be16_get(h->off)};
	struct stack *st = b->stack;
	struct pkq q;

	pkbuf_csum_finish(b);
	memcpy(c.hdr, h, c.hlen);
	pkq_init(&q);
	if (frag_cut_all(&c, mtu, &q) < 0) {
		pkq_free(&q);
		mib_inc(st, MIB_Ip_FragFails);
		pkbuf_drop(b, DROP_NO_MEMORY);
		return -ENOMEM;
	}
	mib_inc(st, MIB_Ip_FragOKs);
	mib_add(st, MIB_Ip_FragCreates, q.count);
	if (b->txstamp)
		txstamp_move(q.head, b);
	pkq_join(out, &q);
	pkbuf_free(b);
	return 0;
}
