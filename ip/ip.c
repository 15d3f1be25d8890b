/*
 * ip/ip.c - the ip state of a stack: made, joined to net below and to the protocols above, ended.
 */
#include "ip/ip.h"

#include <assert.h>
#include <stdlib.h>

#include "ip/ip_priv.h"
#include "ip/mcast.h"
#include "lib/checksum.h"

static const struct net_proto ip4_net_proto = {.type = ETHER_TYPE_IP4, .in = ip_in};

static bool ip_state_fill(struct stack *st)
{
	struct ip_state *ip = st->ip;

	return (ip->route = route_state_create(st)) && (ip->pmtu = pmtu_state_create(st)) &&
	       (ip->reass = reass_state_create(st)) && (ip->id = ip_id_state_create(st)) &&
	       (ip->redirect = redirect_state_create(st)) && (ip->icmp = icmp_state_create(st)) &&
	       (ip->raw = raw_state_create(st)) && (ip->mcast = mcast_state_create(st));
}

struct ip_state *ip_state_create(struct stack *st)
{
	struct ip_state *ip = calloc(1, sizeof(*ip));

	if (!ip)
		return NULL;
	ip->stack = st;
	mutex_init(&ip->hook_lock, RANK_LEAF);
	st->ip = ip;
	if (!ip_state_fill(st)) {
		ip_state_destroy(st);
		return NULL;
	}
	net_proto_register(st, &ip4_net_proto);
	netdev_notify_register(st, route_notify);
	netdev_notify_register(st, mcast_notify);
	neigh_unreachable_register(st, ip_unreachable);
	ip_proto_register(st, &icmp_proto);
	ip_proto_register(st, &igmp_proto);
	return ip;
}

void ip_state_destroy(struct stack *st)
{
	struct ip_state *ip = st->ip;

	if (ip->mcast)
		mcast_state_destroy(ip->mcast);
	if (ip->raw)
		raw_state_destroy(ip->raw);
	if (ip->icmp)
		icmp_state_destroy(ip->icmp);
	if (ip->redirect)
		redirect_state_destroy(ip->redirect);
	if (ip->id)
		ip_id_state_destroy(ip->id);
	if (ip->reass)
		reass_state_destroy(ip->reass);
	if (ip->pmtu)
		pmtu_state_destroy(ip->pmtu);
	if (ip->route)
		route_state_destroy(ip->route);
	mutex_fini(&ip->hook_lock);
	free(ip);
	st->ip = NULL;
}

void ip_proto_register(struct stack *st, const struct ip_proto *p)
{
	assert(p->in && !st->ip->proto[p->proto]);
	st->ip->proto[p->proto] = p;
}

unsigned ip_hdr_bytes(const struct ip_addr *dst)
{
	return ip_addr_is4(dst) ? 20 : 40;
}

uint64_t ip_csum_pseudo(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
			uint32_t len)
{
	if (ip_addr_is4(dst))
		return csum_pseudo(src->b + 12, dst->b + 12, 4, proto, len);
	return csum_pseudo(src->b, dst->b, 16, proto, len);
}

bool ip_csum_ok(const struct pkbuf *b)
{
	uint64_t sum;

	if (b->csum == CSUM_PARTIAL) /* ours to finish: the field is still inside */
		return b->csum_start + b->csum_off + 2u <= b->tail;
	if (b->csum != CSUM_NONE)
		return true;
	sum = ip_csum_pseudo(&b->src, &b->dst, b->proto, b->len);
	return csum_finish(pkbuf_csum(b, 0, b->len, sum)) == 0;
}

void ip4_csum_set(struct ip4_hdr *h)
{
	h->csum = 0;
	h->csum = ip4_csum(h);
}

void ip_unreachable(struct pkbuf *b)
{
	static const struct icmp_error e = {.type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH};

	icmp_error_send(b, &e);
	pkbuf_drop(b, DROP_NEIGH_FAILED);
}
