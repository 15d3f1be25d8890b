/*
 * net/gro.c - joins what a device read together: TCP segments that follow each other in one stream become
 * one super-frame, so that the rooms above are walked through once for all of them.
 *
 * Between a driver's reads and netdev_rx().  Joined is only what gso_cut() could make again: the same
 * headers, one size, no flag but ACK, and PSH at the end; so a forwarded stream leaves as it came.  What is
 * for ourselves PSH does not end: it asks that nobody wait for more, and nobody does, for what was read at
 * once is all there is.  IPv4 without options.
 */
#include "net/gro.h"

#include <stddef.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/net_priv.h"
#include "net/netem.h"

/* --- one frame ---------------------------------------------------------------------------------- */

/* RFC 791, 3.1, of a datagram that is whole, has no options and no padding behind it. */
static bool ip_is_plain(const struct ip4_hdr *ip, uint32_t len)
{
	return ip->ver_ihl == 0x45 && ip->proto == IP_PROTO_TCP && be16_get(ip->len) == len &&
	       !(be16_get(ip->off) & ~IP4_DF);
}

/* What nobody has vouched for is summed here, and not again above. */
static bool tcp_csum_holds(struct pkbuf *b, const struct gro_seg *s)
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
static inline bool seg_is_sound(struct pkbuf *b, const struct gro_seg *s)
{
	return csum_finish(csum_add_words(0, s->ip, IP4_HLEN)) == 0 && tcp_csum_holds(b, s);
}

/* False: it is no segment of a stream that could be joined. */
static bool seg_look(struct pkbuf *b, struct gro_seg *s)
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

/* The same n bytes, 8 to 16 of them: two words, which overlap. */
static inline bool bytes_match(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	uint64_t first[2], last[2];

	memcpy(&first[0], a, 8);
	memcpy(&first[1], b, 8);
	memcpy(&last[0], a + n - 8, 8);
	memcpy(&last[1], b + n - 8, 8);
	return first[0] == first[1] && last[0] == last[1];
}

/*
 * Addresses and ports are those of what was read before: with others nothing is looked at further.  Read
 * where they lie behind a header without options.
 */
static bool flows_match(struct gro *g, struct pkbuf *b)
{
	uint32_t need = g->link + IP4_HLEN + TCP_HLEN, at = g->link + offsetof(struct ip4_hdr, src);

	return pkbuf_linear(g->b) >= need && pkbuf_linear(b) >= need &&
	       bytes_match(pkbuf_data(g->b) + at, pkbuf_data(b) + at, 12);
}

/* Ethernet, or no link header. */
static bool links_match(const struct gro *g, const uint8_t *p)
{
	return g->link != ETHER_HLEN ||
	       bytes_match((const uint8_t *)g->seg.ip - ETHER_HLEN, p, ETHER_HLEN);
}

static bool options_match(const struct tcp_hdr *a, const struct tcp_hdr *b)
{
	const uint8_t *pa = (const uint8_t *)(a + 1), *pb = (const uint8_t *)(b + 1);
	uint32_t n = tcp_hdr_len(a) - TCP_HLEN;

	if (n >= 8 && n <= 16) /* timestamps are 12 */
		return bytes_match(pa, pb, n);
	return n == 0 || memcmp(pa, pb, n) == 0;
}

/* The headers but for flow, lengths, sums, sequence number and PSH. */
static bool headers_match(const struct gro_seg *a, const struct gro_seg *b)
{
	return a->ip->ver_ihl == b->ip->ver_ihl && a->ip->tos == b->ip->tos &&
	       a->ip->ttl == b->ip->ttl && a->ip->proto == b->ip->proto &&
	       a->ip->off.raw == b->ip->off.raw && a->tcp->ack.raw == b->tcp->ack.raw &&
	       a->tcp->off == b->tcp->off && (b->tcp->flags & ~TCP_PSH) == TCP_ACK &&
	       a->tcp->wnd.raw == b->tcp->wnd.raw && a->tcp->urg.raw == b->tcp->urg.raw &&
	       options_match(a->tcp, b->tcp);
}

/* RFC 6864, 4.1: the identification of a datagram that may not be cut says nothing. */
static bool id_follows(const struct gro *g, const struct ip4_hdr *ip)
{
	return (be16_get(ip->off) & IP4_DF) || be16_get(ip->id) == (uint16_t)(g->id + 1);
}

/* Behind PSH only what nobody will have to cut again. */
static bool run_is_open(struct gro *g)
{
	struct ip_addr dst;

	if (g->full || !g->push || g->own)
		return !g->full;
	dst = ip_addr4_be(g->seg.ip->dst);
	g->own = ifaddr_owner(g->b->stack, &dst) != NULL;
	return g->own;
}

/* Of b, whose flow matches, s is filled in: what the first was looked at for holds where it is the same. */
static bool run_fits(struct gro *g, struct pkbuf *b, struct gro_seg *s)
{
	const uint8_t *p = pkbuf_data(b);

	*s = (struct gro_seg){(const void *)(p + g->link), (const void *)(p + g->link + IP4_HLEN),
			      g->seg.hlen, b->len - g->seg.hlen};
	return pkbuf_linear(b) >= s->hlen && b->len > s->hlen && s->len <= g->seg.len &&
	       !b->gso_size && be32_get(s->tcp->seq) == g->next && headers_match(&g->seg, s) &&
	       links_match(g, p) && be16_get(s->ip->len) == b->len - g->link &&
	       id_follows(g, s->ip) && run_is_open(g);
}

static bool run_is_sound(struct gro *g)
{
	if (!g->sound)
		g->sound = seg_is_sound(g->b, &g->seg);
	return g->sound;
}

/* Is there room for b's payload by reference?  That of a small frame lies in its header part, and some is only lent. */
static bool run_has_room(const struct gro *g, const struct pkbuf *b, const struct gro_seg *s)
{
	return pkbuf_linear(b) == s->hlen && !b->landed && g->b->nfrag + b->nfrag <= PKBUF_FRAGS &&
	       g->b->len + s->len - g->link <= IP4_LEN_MAX;
}

static void run_noted(struct gro *g, const struct gro_seg *s)
{
	g->next = be32_get(s->tcp->seq) + s->len;
	g->id = be16_get(s->ip->id);
	g->push = s->tcp->flags & TCP_PSH;
	g->full = s->len < g->seg.len;
	g->count++;
}

/* Can anything be joined to what was read before?  Looked at once there is something. */
static bool run_is_one(struct gro *g)
{
	if (!g->looked) {
		g->looked = true;
		g->own = g->sound = false;
		if (seg_look(g->b, &g->seg))
			run_noted(g, &g->seg);
		else
			g->seg.ip = NULL;
	}
	return g->seg.ip;
}

/* b's payload behind what there is. */
static void run_take(struct gro *g, struct pkbuf *b, const struct gro_seg *s)
{
	struct pkbuf *to = g->b;

	for (unsigned i = 0; i < b->nfrag; i++)
		to->frag[to->nfrag++] = b->frag[i];
	b->nfrag = 0;
	to->len += s->len;
	to->pinned += b->pinned - (uint32_t)sizeof(*b);
	run_noted(g, s);
}

/* The headers of the first become those of all; netdev_rx() counts one frame. */
static void run_seal(struct gro *g)
{
	struct pkbuf *b = g->b;
	struct ip4_hdr *ip;
	struct tcp_hdr *tcp;

	b->l3 = (uint16_t)(b->head + g->link);
	b->l4 = b->csum_start = (uint16_t)(b->l3 + IP4_HLEN);
	ip = (struct ip4_hdr *)(b->hdr + b->l3);
	tcp = (struct tcp_hdr *)(b->hdr + b->l4);
	ip->len = be16_of((uint16_t)(b->len - g->link));
	ip->csum = 0;
	ip->csum = csum_finish(csum_add_words(0, ip, IP4_HLEN));
	tcp->flags |= g->push;
	tcp->csum = csum_fold(
	    csum_pseudo(ip->src, ip->dst, 4, IP_PROTO_TCP, b->len - (uint32_t)(b->l4 - b->head)));
	b->csum = CSUM_PARTIAL;
	b->csum_off = offsetof(struct tcp_hdr, csum);
	b->gso_type = GSO_TCP4;
	b->gso_size = (uint16_t)g->seg.len;
	traffic_count(g->dev, NETDEV_RX_PACKETS, g->count - 1,
		      (uint64_t)(g->count - 1) * g->seg.hlen);
}

/* --- what is read ------------------------------------------------------------------------------- */

/* A capture shows what came, and netem loses frames, not streams. */
static bool gro_is_on(struct netdev *dev)
{
	struct netem *n = atomic_load_explicit(&dev->netem_in, memory_order_acquire);

	return sysctl_get(dev->stack, gro) && !netdev_captured(dev) && !(n && netem_is_on(n));
}

void gro_begin(struct gro *g, struct netdev *dev, struct pkq *out)
{
	g->dev = dev;
	g->out = out;
	g->b = NULL;
	g->link = dev->link->hlen;
	g->on = gro_is_on(dev);
}

bool gro_add(struct gro *g, struct pkbuf *b)
{
	struct gro_seg s;

	if (g->b && g->on && flows_match(g, b) && run_is_one(g) && run_fits(g, b, &s) &&
	    run_has_room(g, b, &s) && run_is_sound(g) && seg_is_sound(b, &s)) {
		run_take(g, b, &s);
		return true;
	}
	gro_end(g);
	g->b = b;
	g->count = 0;
	g->looked = false;
	return false;
}

void gro_end(struct gro *g)
{
	if (!g->b)
		return;
	if (g->count > 1)
		run_seal(g);
	pkq_add(g->out, g->b);
	g->b = NULL;
}
