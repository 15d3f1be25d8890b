/*
 * ip/ip_forward.c - datagrams for others: what a router must refuse, change and say (RFC 1812, 5).
 *
 * A stage of input: the packet comes from ip_in() and goes to ip_finish().  Super-frames pass
 * whole; whether one fits is asked of its segments.
 */
#include <errno.h>

#include "ip/ip_priv.h"
#include "lib/checksum.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "net/ifaddr.h"

/* Says why and ends b. */
static void forward_refuse(struct pkbuf *b, const struct icmp_error *e, enum drop_reason why)
{
	icmp_error_send(b, e);
	pkbuf_drop(b, why);
}

/* RFC 3927, 7: neither from nor to a link-local address.  (Broadcasts never come here.) */
static bool forward_stays_on_link(const struct pkbuf *b)
{
	return ip_addr_is_linklocal(&b->src) || ip_addr_is_linklocal(&b->dst) ||
	       ip_addr_is_any(&b->src);
}

/* The way on; NULL: b is ended. */
static struct path *forward_path(struct pkbuf *b)
{
	struct icmp_error e = {.type = ICMP_DEST_UNREACH, .code = ICMP_NET_UNREACH};
	struct stack *st = b->stack;
	struct path *path;
	int err;

	path = path_get_forward(st, &b->dst, &err);
	if (path)
		return path;
	switch (err) {
	case -ENOBUFS:
		mib_inc(st, MIB_Ip_InDiscards);
		pkbuf_drop(b, DROP_NO_MEMORY);
		return NULL;
	case -EINVAL: /* a black hole says nothing */
		pkbuf_drop(b, DROP_IP_NO_ROUTE);
		return NULL;
	case -EHOSTUNREACH:
		e.code = ICMP_HOST_UNREACH;
		break;
	default:
		mib_inc(st, MIB_IpExt_InNoRoutes);
	}
	forward_refuse(b, &e, DROP_IP_NO_ROUTE);
	return NULL;
}

/* RFC 1191, 4. */
static bool forward_fits(struct pkbuf *b, const struct path *path)
{
	struct icmp_error e = {.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED};

	if (!(be16_get(ip4_hdr(b)->off) & IP4_DF) || pkbuf_wire_len(b) <= path->mtu)
		return true;
	e.info = path->mtu;
	mib_inc(b->stack, MIB_Ip_FragFails);
	forward_refuse(b, &e, DROP_IP_NEEDS_FRAG);
	return false;
}

/* A strict source route names a neighbour (RFC 1812, 5.3.13.4). */
static bool forward_source_route_holds(struct pkbuf *b, const struct path *path)
{
	struct icmp_error e = {.type = ICMP_DEST_UNREACH, .code = ICMP_SR_FAILED};
	const struct ip4_opts *o = ip_opts_of(b);

	if (!o->srr || b->hdr[b->l3 + o->srr] != IP4_OPT_SSRR ||
	    ip_addr_eq(&path->nexthop, &b->dst))
		return true;
	forward_refuse(b, &e, DROP_IP_SOURCE_ROUTE);
	return false;
}

/* TTL with its checksum (RFC 1624), and what options ask of a router. */
static void forward_edit(struct pkbuf *b, const struct path *path)
{
	struct ip4_hdr *h = ip4_hdr_edit(b);
	struct ip_addr own;
	uint16_t from, to;

	memcpy(&from, &h->ttl, sizeof(from));
	h->ttl--;
	memcpy(&to, &h->ttl, sizeof(to));
	h->csum = csum_update16(h->csum, from, to);
	b->ttl = h->ttl;
	b->forwarded = true;
	if (b->csum == CSUM_VERIFIED)
		b->csum = CSUM_NONE;
	if (ifaddr_source(path->dev, &b->dst, &own))
		ip_opts_record(b, ip_opts_of(b), &own);
}

static void forward_debug(struct pkbuf *b, const struct path *path)
{
	char src[IP_ADDR_TEXT], dst[IP_ADDR_TEXT], hop[IP_ADDR_TEXT];

	debug(b->stack, DEBUG_IP, "ip forward %s to %s: %s > %s, ttl %u, next hop %s", b->dev->name,
	      path->dev->name, ip_addr_text(&b->src, src), ip_addr_text(&b->dst, dst), b->ttl,
	      ip_addr_text(&path->nexthop, hop));
}

static void forward_by(struct pkbuf *b, struct path *path)
{
	struct hook_io io = {.in = b->dev, .out = path->dev};

	if (!forward_source_route_holds(b, path) || !forward_fits(b, path))
		return;
	ip_redirect(b, path);
	forward_edit(b, path);
	forward_debug(b, path);
	if (hook_run(b, HOOK_FORWARD, &io))
		return;
	mib_inc(b->stack, MIB_Ip_ForwDatagrams);
	ip_finish(b, path, path->mtu);
}

void ip_forward(struct pkbuf *b)
{
	static const struct icmp_error expired = {.type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL};
	struct path *path;

	if (pkbuf_settle(b) < 0) {
		mib_inc(b->stack, MIB_Ip_InDiscards);
		pkbuf_drop(b, DROP_NO_MEMORY);
		return;
	}
	if (forward_stays_on_link(b)) {
		pkbuf_drop(b, DROP_IP_FORWARD_BCAST);
		return;
	}
	if (b->ttl <= 1) {
		mib_inc(b->stack, MIB_Ip_InHdrErrors);
		forward_refuse(b, &expired, DROP_IP_TTL);
		return;
	}
	path = forward_path(b);
	if (!path)
		return;
	forward_by(b, path);
	path_put(path);
}
