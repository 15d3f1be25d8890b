/*
 * net/gro.c - joins what a device read together: TCP segments that follow each other in one stream become
 * one super-frame, so that the rooms above are walked through once for all of them.
 *
 * Between a driver's reads and netdev_rx().  Joined is only what gso_cut() could make again: the same
 * headers, one size, no flag but ACK, and PSH at the end; so a forwarded stream leaves as it came.  What is
 * for ourselves PSH does not end: it asks that nobody wait for more, and nobody does, for what was read at
 * once is all there is.  IPv4 without options.
 */
#include <stddef.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/net_priv.h"
#include "net/netem.h"

/* One frame that may be joined. */
struct seg {
	const struct ip4_hdr *ip;
	const struct tcp_hdr *tcp;
	uint32_t hlen; /* link, IP and TCP headers */
	uint32_t len;  /* of the payload */
};

/* Those joined so far. */
struct run {
	struct pkbuf *b; /* the first, which takes the others in; NULL: none */
	struct seg seg;  /* of it */
	uint32_t next;   /* sequence number */
	uint32_t count;
	uint16_t id;  /* of the last datagram */
	uint8_t push; /* TCP_PSH: the last had it */
	bool own;     /* its destination is known to be ours */
	bool sound;   /* its checksums hold */
	bool full;    /* nothing follows */
};

/* --- one frame ---------------------------------------------------------------------------------- */

/* RFC 791, 3.1, of a datagram that is whole, has no options and no padding behind it. */
static bool ip_is_plain(const struct ip4_hdr *ip, uint32_t len)
{
	return ip->ver_ihl == 0x45 && ip->proto == IP_PROTO_TCP && be16_get(ip->len) == len &&
	       !(be16_get(ip->off) & ~IP4_DF);
}

/* What nobody has vouched for is summed here, and not again above. */
static bool tcp_csum_holds(struct pkbuf *b, const struct seg *s)
{
	uint32_t l4 = (uint32_t)((const uint8_t *)s->tcp - pkbuf_data(b)), n = b->len - l4;
	uint64_t sum;

	if (b->csum == CSUM_PARTIAL)
		return b->csum_start == b->head + l4 &&
		       b->csum_off == offsetof(struct tcp_hdr, csum);
	if (b->csum == CSUM_VERIFIED)
		return true;
	sum = csum_pseudo(s->ip->src, s->ip->dst, 4, IP_PROTO_TCP, n);
	if (csum_finish(pkbuf_csum(b, l4, n, sum)) != 0)
		return false;
	b->csum = CSUM_VERIFIED;
	return true;
}

/* Looked at when it has something to be joined with, for what comes alone is summed above. */
static inline bool seg_is_sound(struct pkbuf *b, const struct seg *s)
{
	return csum_finish(csum_add_words(0, s->ip, IP4_HLEN)) == 0 && tcp_csum_holds(b, s);
}

/* False: it is no segment of a stream that could be joined. */
static bool seg_look(struct pkbuf *b, struct seg *s)
{
	uint32_t link = b->dev->link->hlen, have = pkbuf_linear(b);
	const uint8_t *p = pkbuf_data(b);
	const struct ether_hdr *e = (const void *)p;

	if (b->gso_size || have < link + IP4_HLEN + TCP_HLEN)
		return false;
	s->ip = (const void *)(p + link);
	s->tcp = (const void *)(p + link + IP4_HLEN);
	s->hlen = link + IP4_HLEN + tcp_hdr_len(s->tcp);
	s->len = b->len - s->hlen;
	if (link == ETHER_HLEN && be16_get(e->type) != ETHER_TYPE_IP4)
		return false;
	if (!ip_is_plain(s->ip, b->len - link) || tcp_hdr_len(s->tcp) < TCP_HLEN)
		return false;
	return have >= s->hlen && b->len > s->hlen && (s->tcp->flags & ~TCP_PSH) == TCP_ACK;
}

/* --- a run -------------------------------------------------------------------------------------- */

/* Ethernet, or no link header. */
static bool links_match(const struct seg *a, const struct seg *b)
{
	const uint8_t *l2a = (const uint8_t *)a->ip - ETHER_HLEN;

	if (a->hlen == IP4_HLEN + tcp_hdr_len(a->tcp))
		return true;
	return memcmp(l2a, (const uint8_t *)b->ip - ETHER_HLEN, ETHER_HLEN) == 0;
}

/* The headers but for lengths, sums, sequence number and PSH. */
static bool headers_match(const struct seg *a, const struct seg *b)
{
	return a->hlen == b->hlen && a->ip->tos == b->ip->tos && a->ip->ttl == b->ip->ttl &&
	       a->ip->off.raw == b->ip->off.raw && memcmp(a->ip->src, b->ip->src, 8) == 0 &&
	       memcmp(&a->tcp->sport, &b->tcp->sport, 4) == 0 &&
	       a->tcp->ack.raw == b->tcp->ack.raw && a->tcp->off == b->tcp->off &&
	       a->tcp->wnd.raw == b->tcp->wnd.raw && a->tcp->urg.raw == b->tcp->urg.raw &&
	       memcmp(a->tcp + 1, b->tcp + 1, tcp_hdr_len(a->tcp) - TCP_HLEN) == 0;
}

/* RFC 6864, 4.1: the identification of a datagram that may not be cut says nothing. */
static bool id_follows(const struct run *r, const struct ip4_hdr *ip)
{
	return (be16_get(ip->off) & IP4_DF) || be16_get(ip->id) == (uint16_t)(r->id + 1);
}

/* Behind PSH only what nobody will have to cut again. */
static bool run_is_open(struct run *r)
{
	struct ip_addr dst;

	if (r->full || !r->push || r->own)
		return !r->full;
	dst = ip_addr4_be(r->seg.ip->dst);
	r->own = ifaddr_owner(r->b->stack, &dst) != NULL;
	return r->own;
}

static bool run_fits(struct run *r, const struct seg *s)
{
	return be32_get(s->tcp->seq) == r->next && s->len <= r->seg.len &&
	       headers_match(&r->seg, s) && links_match(&r->seg, s) && id_follows(r, s->ip) &&
	       run_is_open(r);
}

static bool run_is_sound(struct run *r)
{
	if (!r->sound)
		r->sound = seg_is_sound(r->b, &r->seg);
	return r->sound;
}

/* Is there room for b's payload by reference, the part in its header put before the rest? */
static bool run_has_room(const struct run *r, const struct pkbuf *b, const struct seg *s)
{
	uint32_t front = pkbuf_linear(b) - s->hlen, link = b->dev->link->hlen;

	return b->nfrag && r->b->nfrag + b->nfrag <= PKBUF_FRAGS && b->frag[0].off >= front &&
	       !piece_is_shared(b->frag[0].piece) && r->b->len + s->len - link <= IP4_LEN_MAX;
}

static void run_noted(struct run *r, const struct seg *s)
{
	r->next = be32_get(s->tcp->seq) + s->len;
	r->id = be16_get(s->ip->id);
	r->push = s->tcp->flags & TCP_PSH;
	r->full = s->len < r->seg.len;
	r->count++;
}

static void run_begin(struct run *r, struct pkbuf *b, const struct seg *s)
{
	r->b = b;
	r->seg = *s;
	r->own = r->sound = false;
	run_noted(r, s);
}

/* True: b is a part of r now. */
static bool run_take(struct run *r, struct pkbuf *b, const struct seg *s)
{
	uint32_t front = pkbuf_linear(b) - s->hlen;
	struct netdev_stats *stats = &b->dev->stats;
	struct frag *f = &b->frag[0];
	struct pkbuf *to = r->b;

	if (!run_fits(r, s) || !run_has_room(r, b, s) || !run_is_sound(r) || !seg_is_sound(b, s))
		return false;
	memcpy(piece_data(f->piece) + f->off - front, pkbuf_data(b) + s->hlen, front);
	f->off -= front;
	f->len += front;
	for (unsigned i = 0; i < b->nfrag; i++)
		to->frag[to->nfrag++] = b->frag[i];
	b->nfrag = 0;
	to->len += s->len;
	to->pinned += b->pinned - (uint32_t)sizeof(*b);
	atomic_fetch_add_explicit(&stats->rx_packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&stats->rx_bytes, s->hlen, memory_order_relaxed);
	run_noted(r, s);
	pkbuf_free(b);
	return true;
}

/* The headers of the first become those of all. */
static void run_end(struct run *r, struct pkq *out)
{
	struct pkbuf *b = r->b;
	struct ip4_hdr *ip;
	struct tcp_hdr *tcp;

	if (r->count > 1) {
		b->l3 = (uint16_t)(b->head + b->dev->link->hlen);
		b->l4 = b->csum_start = (uint16_t)(b->l3 + IP4_HLEN);
		ip = (struct ip4_hdr *)(b->hdr + b->l3);
		tcp = (struct tcp_hdr *)(b->hdr + b->l4);
		ip->len = be16_of((uint16_t)(b->len - b->dev->link->hlen));
		ip->csum = 0;
		ip->csum = csum_finish(csum_add_words(0, ip, IP4_HLEN));
		tcp->flags |= r->push;
		tcp->csum = csum_fold(csum_pseudo(ip->src, ip->dst, 4, IP_PROTO_TCP,
						  b->len - (uint32_t)(b->l4 - b->head)));
		b->csum = CSUM_PARTIAL;
		b->csum_off = offsetof(struct tcp_hdr, csum);
		b->gso_type = GSO_TCP4;
		b->gso_size = (uint16_t)r->seg.len;
	}
	if (b)
		pkq_add(out, b);
	r->b = NULL;
	r->count = 0;
}

/* --- what was read ------------------------------------------------------------------------------ */

/* A capture shows what came, and netem loses frames, not streams. */
static bool gro_is_on(struct netdev *dev)
{
	struct netem *n = atomic_load_explicit(&dev->netem_in, memory_order_acquire);

	return sysctl_get(dev->stack, gro) && !netdev_captured(dev) && !(n && netem_is_on(n));
}

void gro_join(struct netdev *dev, struct pkq *q)
{
	struct run run = {.b = NULL};
	struct pkq out;
	struct pkbuf *b;
	struct seg s;

	if (q->count < 2 || !gro_is_on(dev))
		return;
	pkq_init(&out);
	while ((b = pkq_take(q))) {
		bool may = seg_look(b, &s);

		if (may && run.b && run_take(&run, b, &s))
			continue;
		run_end(&run, &out);
		if (may)
			run_begin(&run, b, &s);
		else
			pkq_add(&out, b);
	}
	run_end(&run, &out);
	pkq_join(q, &out);
}
