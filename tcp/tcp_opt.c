/*
 * tcp/tcp_opt.c - the header and its options, parsed and written (RFC 9293, 3.1 and 3.2; RFC 7323;
 * RFC 2018).
 *
 * A bad option length ends the parsing and not the segment: what was understood before it counts.
 */
#include <string.h>

#include "tcp/tcp_priv.h"

static uint16_t get16(const uint8_t *p)
{
	return be16_get(*(const be16 *)(const void *)p);
}

static uint32_t get32(const uint8_t *p)
{
	return be32_get(*(const be32 *)(const void *)p);
}

/* RFC 7413, 4.1.1: the cookie is behind `head` bytes; one of a length that cannot be is none. */
static void seg_opt_fo(struct tcp_seg *g, unsigned off, unsigned len, unsigned head, uint8_t exp)
{
	unsigned n = len - head;

	g->opts &= (uint8_t) ~(SEG_OPT_FO | SEG_OPT_FOEXP);
	if (n && (n < TCP_FO_COOKIE_MIN || n > TCP_FO_COOKIE_MAX || n % 2))
		return;
	g->opts |= SEG_OPT_FO | exp;
	g->fo_off = (uint8_t)(off + head);
	g->fo_len = (uint8_t)n;
}

static void seg_opt_syn(struct tcp_seg *g, const uint8_t *p, unsigned len, unsigned off)
{
	uint8_t kind = p[0];

	if (kind == TCP_OPT_MSS && len == 4) {
		g->mss = get16(p + 2);
		g->opts |= SEG_OPT_MSS;
	} else if (kind == TCP_OPT_WSCALE && len == 3) {
		g->wscale = p[2] < TCP_WSCALE_MAX ? p[2] : TCP_WSCALE_MAX;
		g->opts |= SEG_OPT_WSCALE;
	} else if (kind == TCP_OPT_SACK_OK && len == 2) {
		g->opts |= SEG_OPT_SACK_OK;
	} else if (kind == TCP_OPT_FO) {
		seg_opt_fo(g, off, len, 2, 0);
	} else if (kind == TCP_OPT_EXP && len >= 4 && get16(p + 2) == TCP_OPT_EXP_FO) {
		seg_opt_fo(g, off, len, 4, SEG_OPT_FOEXP);
	}
}

/* How everybody writes timestamps, and nothing beside them (RFC 7323, appendix A). */
#define TS_ALONE_LEN 12
#define TS_ALONE (TCP_OPT_NOP << 24 | TCP_OPT_NOP << 16 | TCP_OPT_TS << 8 | TCP_OPT_TS_LEN)

static void seg_opt_ts(struct tcp_seg *g, const uint8_t *p)
{
	g->tsval = get32(p + 2);
	g->tsecr = get32(p + 6);
	g->opts |= SEG_OPT_TS;
}

static void seg_opt(struct tcp_seg *g, const uint8_t *p, unsigned len, unsigned off)
{
	uint8_t kind = p[0];

	if (g->flags & TCP_SYN)
		seg_opt_syn(g, p, len, off);
	if (kind == TCP_OPT_TS && len == TCP_OPT_TS_LEN) {
		seg_opt_ts(g, p);
	} else if (kind == TCP_OPT_SACK && len >= 10 && (len - 2) % 8 == 0) {
		g->nsack = (uint8_t)((len - 2) / 8);
		g->sack_off = (uint8_t)(off + 2);
	}
}

static void seg_opts_parse(struct tcp_seg *g, const uint8_t *hdr, unsigned hlen)
{
	unsigned i = TCP_HLEN;

	if (hlen == TCP_HLEN + TS_ALONE_LEN && get32(hdr + i) == TS_ALONE) {
		seg_opt_ts(g, hdr + i + 2);
		return;
	}
	while (i < hlen && hdr[i] != TCP_OPT_END) {
		unsigned len;

		if (hdr[i] == TCP_OPT_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= hlen)
			return;
		len = hdr[i + 1];
		if (len < 2 || len > hlen - i)
			return;
		seg_opt(g, hdr + i, len, i);
		i += len;
	}
}

/* SYN and FIN have a sequence number each, and only a SYN offers ECN. */
static void seg_ends(struct tcp_seg *g, const struct pkbuf *b, const struct tcp_hdr *h)
{
	g->end += (g->flags & TCP_SYN ? 1 : 0) + (g->flags & TCP_FIN ? 1 : 0);
	if (tcp_ecn_offered(b, h))
		g->opts |= SEG_OPT_ECN;
}

unsigned tcp_seg_parse(struct pkbuf *b)
{
	const struct tcp_hdr *h = (const struct tcp_hdr *)(const void *)pkbuf_pull(b, TCP_HLEN);
	struct tcp_seg *g = tcp_seg(b);
	unsigned hlen;

	if (!h)
		return 0;
	hlen = tcp_hdr_len(h);
	if (hlen < TCP_HLEN || !pkbuf_pull(b, hlen))
		return 0;
	h = (const struct tcp_hdr *)(const void *)pkbuf_data(b);
	*g = (struct tcp_seg){
	    .seq = be32_get(h->seq),
	    .ack = be32_get(h->ack),
	    .wnd = be16_get(h->wnd),
	    .up = be16_get(h->urg),
	    .flags = h->flags,
	};
	g->end = g->seq + (b->len - hlen);
	if (g->flags & (TCP_SYN | TCP_FIN))
		seg_ends(g, b, h);
	seg_opts_parse(g, (const uint8_t *)h, hlen);
	return hlen;
}

void tcp_seg_sack(const struct pkbuf *b, unsigned i, uint32_t *left, uint32_t *right)
{
	const struct tcp_seg *g = (const struct tcp_seg *)(const void *)b->cb;
	const uint8_t *p = b->hdr + b->l4 + g->sack_off + i * 8;

	*left = get32(p);
	*right = get32(p + 4);
}

/* --- writing ----------------------------------------------------------------------------------- */

/* What no other segment carries. */
#define OPTS_OF_SYN (SEG_OPT_MSS | SEG_OPT_WSCALE | SEG_OPT_SACK_OK | SEG_OPT_FO)

static uint8_t *put16(uint8_t *to, uint16_t x)
{
	be16 v = be16_of(x);

	memcpy(to, &v, sizeof(v));
	return to + sizeof(v);
}

static uint8_t *put32(uint8_t *to, uint32_t x)
{
	be32 v = be32_of(x);

	memcpy(to, &v, sizeof(v));
	return to + sizeof(v);
}

static unsigned fo_len(const struct tcp_fo_cookie *c)
{
	return (c->exp ? 4u : 2u) + c->len;
}

static unsigned syn_len(const struct tcp_opts *o)
{
	unsigned n = 0;

	if (o->opts & SEG_OPT_MSS)
		n += 4;
	if ((o->opts & (SEG_OPT_TS | SEG_OPT_SACK_OK)) == SEG_OPT_SACK_OK)
		n += 4;
	if (o->opts & SEG_OPT_WSCALE)
		n += 4;
	if (o->opts & SEG_OPT_FO)
		n += (fo_len(o->cookie) + 3) / 4 * 4;
	return n;
}

unsigned tcp_opt_len(const struct tcp_opts *o)
{
	unsigned n = o->opts & SEG_OPT_TS ? 12 : 0;

	if (o->nsack)
		n += 4 + o->nsack * 8u;
	if (o->opts & OPTS_OF_SYN)
		n += syn_len(o);
	return n;
}

static uint8_t *put_ts(const struct tcp_opts *o, uint8_t *p)
{
	*p++ = TCP_OPT_TS;
	*p++ = 10;
	p = put32(p, o->tsval);
	return put32(p, o->tsecr);
}

/*
 * SACK-permitted stands where the two NOPs before the timestamps would be, and has two of its own
 * without them: the layout of Linux, which packet scripts and middleboxes know.
 */
static uint8_t *put_sack_ok_ts(const struct tcp_opts *o, uint8_t *p)
{
	bool sack_ok = o->opts & SEG_OPT_SACK_OK, ts = o->opts & SEG_OPT_TS;

	if (ts != sack_ok) {
		*p++ = TCP_OPT_NOP;
		*p++ = TCP_OPT_NOP;
	}
	if (sack_ok) {
		*p++ = TCP_OPT_SACK_OK;
		*p++ = 2;
	}
	return ts ? put_ts(o, p) : p;
}

/* Last, with what it needs to end on a word behind it. */
static uint8_t *put_fo(const struct tcp_fo_cookie *c, uint8_t *p)
{
	*p++ = c->exp ? TCP_OPT_EXP : TCP_OPT_FO;
	*p++ = (uint8_t)fo_len(c);
	if (c->exp)
		p = put16(p, TCP_OPT_EXP_FO);
	memcpy(p, c->val, c->len);
	p += c->len;
	for (unsigned n = fo_len(c); n % 4; n++)
		*p++ = TCP_OPT_NOP;
	return p;
}

static uint8_t *put_syn(const struct tcp_opts *o, uint8_t *p)
{
	if (o->opts & SEG_OPT_MSS) {
		*p++ = TCP_OPT_MSS;
		*p++ = 4;
		p = put16(p, o->mss);
	}
	p = put_sack_ok_ts(o, p);
	if (o->opts & SEG_OPT_WSCALE) {
		*p++ = TCP_OPT_NOP;
		*p++ = TCP_OPT_WSCALE;
		*p++ = 3;
		*p++ = o->wscale;
	}
	return o->opts & SEG_OPT_FO ? put_fo(o->cookie, p) : p;
}

static uint8_t *put_sack(const struct tcp_opts *o, uint8_t *p)
{
	*p++ = TCP_OPT_NOP;
	*p++ = TCP_OPT_NOP;
	*p++ = TCP_OPT_SACK;
	*p++ = (uint8_t)(2 + o->nsack * 8);
	for (unsigned i = 0; i < o->nsack; i++) {
		p = put32(p, o->sack[i][0]);
		p = put32(p, o->sack[i][1]);
	}
	return p;
}

unsigned tcp_opt_write(const struct tcp_opts *o, uint8_t *to)
{
	uint8_t *p = to;

	if (o->opts & OPTS_OF_SYN) {
		p = put_syn(o, p);
	} else if (o->opts & SEG_OPT_TS) {
		*p++ = TCP_OPT_NOP;
		*p++ = TCP_OPT_NOP;
		p = put_ts(o, p);
	}
	if (o->nsack)
		p = put_sack(o, p);
	return (unsigned)(p - to);
}
