/*
 * net/landing.c - direct placement: is a frame what the program waits for, and then it refers to the program's memory.
 */
#include "net/landing.h"

#include <assert.h>
#include <string.h>

#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/net_priv.h"

_Static_assert(offsetof(struct landing, piece) == 0, "a piece is its landing: tcp/tcp_in.c");

void landing_lend(struct landing *l, struct stack *st, void *data, uint32_t size)
{
	l->piece.stack = st;
	l->piece.data = data;
	l->piece.size = size;
	l->piece.class = DEPOT_CLASSES; /* of none: only the lender ends it */
	atomic_store_explicit(&l->piece.refs, 1, memory_order_relaxed);
	l->room = size;
	l->full = false;
	slot_get(st)->landing = l;
}

/* RFC 791, 3.1: whole, without options and padding. */
static bool ip_is_awaited(const struct landing *l, const struct ip4_hdr *ip, uint32_t len)
{
	return ip->ver_ihl == 0x45 && ip->proto == IP_PROTO_TCP && be16_get(ip->len) == len &&
	       !(be16_get(ip->off) & ~IP4_DF) && memcmp(ip->src, l->flow, LANDING_FLOW) == 0;
}

bool landing_awaits(const struct landing *l, const uint8_t *frame, size_t n, uint32_t link)
{
	const struct ether_hdr *e = (const void *)frame;
	const struct ip4_hdr *ip = (const void *)(frame + link);
	const struct tcp_hdr *tcp = (const void *)(frame + link + IP4_HLEN);

	if (n <= link + l->hlen || (link == ETHER_HLEN && be16_get(e->type) != ETHER_TYPE_IP4))
		return false;
	return ip_is_awaited(l, ip, (uint32_t)(n - link)) && be32_get(tcp->seq) == l->next &&
	       IP4_HLEN + tcp_hdr_len(tcp) == l->hlen && (tcp->flags & ~TCP_PSH) == TCP_ACK;
}

void landing_take(struct landing *l, struct pkbuf *b, uint32_t n)
{
	assert(n <= l->room && b->nfrag == 0);
	b->frag[b->nfrag++] = (struct frag){piece_get(&l->piece), l->piece.size - l->room, n};
	b->landed = true;
	b->len += n;
	b->pinned += n;
	l->next += n;
	l->room -= n;
	l->full = l->room < LANDING_FRAME;
}
