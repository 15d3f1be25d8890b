/*
 * ip/ip_in.c - datagrams in: checked, hooked, and either ours or somebody else's (RFC 791;
 * RFC 1122, 3.2.1; RFC 1812, 4.2 and 5.2).
 *
 * On the walk up between net_proto and ip_proto.  Each check has its drop reason and its counter;
 * a packet that the loop device brought back was made here and skips those about strangers.
 */
#include "ip/ip.h"

#include "ip/ip_priv.h"
#include "ip/mcast.h"
#include "ip/raw.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "net/ifaddr.h"

#define LINK_GROUPS 0xe00000u /* 224.0.0/24: not passed on (RFC 5771, 4) */

/* --- the header ------------------------------------------------------------------------------- */

/* RFC 791, 3.1: sound in itself.  The whole header is in the header part then. */
static enum drop_reason ip_check_header(struct pkbuf *b)
{
	const struct ip4_hdr *h = (const struct ip4_hdr *)pkbuf_pull(b, IP4_HLEN);
	unsigned hlen;

	if (!h)
		return DROP_IP_SHORT;
	if (h->ver_ihl >> 4 != 4)
		return DROP_IP_VERSION;
	hlen = ip4_hdr_len(h);
	if (hlen < IP4_HLEN || !pkbuf_pull(b, hlen))
		return DROP_IP_HDRLEN;
	h = ip4_hdr(b);
	if (ip4_csum(h) != 0)
		return DROP_IP_CSUM;
	if (be16_get(h->len) < hlen || be16_get(h->len) > b->len)
		return DROP_IP_LENGTH;
	return DROP_NONE;
}

static __attribute__((noinline)) void ip_count_bad_header(struct pkbuf *b, enum drop_reason why)
{
	struct stack *st = b->stack;

	if (why == DROP_IP_CSUM)
		mib_inc(st, MIB_IpExt_InCsumErrors);
	if (why == DROP_IP_LENGTH && be16_get(ip4_hdr(b)->len) > b->len)
		mib_inc(st, MIB_IpExt_InTruncatedPkts);
	else
		mib_inc(st, MIB_Ip_InHdrErrors);
}

/* Takes the padding of short frames off and writes down what the rooms above ask. */
static void ip_note(struct pkbuf *b)
{
	const struct ip4_hdr *h = ip4_hdr(b);

	pkbuf_trim_to(b, be16_get(h->len));
	b->l4 = (uint16_t)(b->l3 + ip4_hdr_len(h));
	b->src = ip_addr4_be(h->src);
	b->dst = ip_addr4_be(h->dst);
	b->proto = h->proto;
	b->ttl = h->ttl;
	b->tos = h->tos;
	b->wide = false;
	mib_inc(b->stack,
		MIB_IpExt_InNoECTPkts + (h->tos & IP_ECN)); /* in the order of the field */
}

/* A checksum that a device left for us to finish must lie in this very datagram. */
static enum drop_reason ip_check_partial(const struct pkbuf *b)
{
	if (b->csum != CSUM_PARTIAL)
		return DROP_NONE;
	if (b->csum_start < b->l4 || b->csum_start + b->csum_off + 2u > b->tail ||
	    ip4_is_fragment(ip4_hdr(b)))
		return DROP_VNET_HDR;
	return DROP_NONE;
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Of no network: 0/8 is this one (RFC 1122, 3.2.1.3 (a) and (b)), 127/8 no wire's ((g)). */
static bool net_is_martian(const struct ip_addr *a)
{
	return a->b[12] == 0 || a->b[12] == 127;
}

/*
 * Who has no address yet may send from 0.0.0.0, and so do switches that snoop IGMP (RFC 4541, 2.1.1): to its link
 * alone, and IGMP to a group (Linux).
 */
static bool ip_may_be_from_nobody(const struct pkbuf *b)
{
	if (!ip_addr_is_multicast(&b->dst))
		return ip_addr_is_bcast(&b->dst);
	return b->proto == IP_PROTO_IGMP || ip_addr_to4(&b->dst) >> 8 == LINK_GROUPS;
}

/*
 * RFC 1122, 3.2.1.3; RFC 1812, 5.3.7: neither a group (224/4) nor of class E (240/4), and neither ours nor a broadcast of a
 * device's.
 */
static enum drop_reason ip_check_source(struct pkbuf *b)
{
	struct netdev *dev;

	if (!net_is_martian(&b->src) && b->src.b[12] < 224 &&
	    ifaddr_find(b->stack, &b->src, &dev) == IFADDR_NONE)
		return DROP_NONE;
	if (ip_addr_is_any(&b->src) && ip_may_be_from_nobody(b))
		return DROP_NONE;
	return DROP_IP_MARTIAN_SOURCE;
}

/* RFC 3704: would an answer leave by where this came in (strict), or by anything (loose)? */
static enum drop_reason ip_check_reverse(struct pkbuf *b)
{
	int64_t mode = sysctl_get(b->stack, ip_rp_filter);
	struct route r;

	if (mode == 0 || ip_addr_is_any(&b->src))
		return DROP_NONE;
	if (!route_lookup(b->stack, &b->src, 0, &r) || !r.dev)
		return DROP_IP_SPOOFED;
	return mode == 1 && r.dev != b->dev ? DROP_IP_SPOOFED : DROP_NONE;
}

static enum drop_reason ip_check_addrs(struct pkbuf *b)
{
	enum drop_reason why;

	if (b->cast == PKBUF_LOOPED)
		return DROP_NONE;
	if (net_is_martian(&b->dst))
		return DROP_IP_MARTIAN_DST;
	why = ip_check_source(b);
	return why ? why : ip_check_reverse(b);
}

/* --- options ---------------------------------------------------------------------------------- */

/* There are some, of len bytes. */
static __attribute__((noinline)) enum drop_reason ip_take_options(struct pkbuf *b, unsigned len)
{
	struct icmp_error e = {.type = ICMP_PARAM_PROBLEM};
	struct ip4_opts *o = ip_opts_of(b);

	if (!ip_opts_parse((const uint8_t *)ip4_hdr(b) + IP4_HLEN, len, o)) {
		e.info = (uint32_t)o->bad << 24;
		mib_inc(b->stack, MIB_Ip_InHdrErrors);
		icmp_error_send(b, &e);
		return DROP_IP_OPTIONS;
	}
	if (o->srr && !sysctl_get(b->stack, ip_accept_source_route))
		return DROP_IP_SOURCE_ROUTE;
	return DROP_NONE;
}

static enum drop_reason ip_check_options(struct pkbuf *b)
{
	unsigned len = ip4_hdr_len(ip4_hdr(b)) - IP4_HLEN;

	*ip_opts_of(b) = (struct ip4_opts){0};
	return len ? ip_take_options(b, len) : DROP_NONE;
}

/* --- ours or not ------------------------------------------------------------------------------ */

static bool ip_came_wide(const struct pkbuf *b)
{
	return b->cast == PKBUF_BROADCAST || b->cast == PKBUF_MULTICAST;
}

/* To many: what this host sent there itself counts as come by the device it left by. */
static void ip_wide_in(struct pkbuf *b)
{
	b->wide = true;
	if (b->cast == PKBUF_LOOPED && b->looped_from)
		b->dev = b->looped_from;
}

/* RFC 1112, 7.2: of groups those the host is in, on the device it came by. */
static void ip_mcast_in(struct pkbuf *b)
{
	mib_inc(b->stack, MIB_IpExt_InMcastPkts);
	ip_wide_in(b);
	if (mcast_is_member(b->dev, &b->dst))
		ip_local_in(b);
	else
		pkbuf_drop(b, DROP_IP_NOT_FOR_US);
}

static void ip_stranger_in(struct pkbuf *b)
{
	if (sysctl_get(b->stack, ip_forward) && b->cast == PKBUF_HOST) {
		ip_forward(b);
		return;
	}
	mib_inc(b->stack, MIB_Ip_InAddrErrors);
	pkbuf_drop(b, DROP_IP_NOT_FOR_US);
}

/* For an address of ours; a source route that is not at its end names the next (RFC 791, 3.1). */
static void ip_own_in(struct pkbuf *b)
{
	struct ip_addr own = b->dst;

	if (!ip_opts_next_hop(b, ip_opts_of(b), &own))
		ip_local_in(b);
	else if (ip_addr_type(b->stack, &b->dst) == ROUTE_UNICAST)
		ip_stranger_in(b);
	else
		pkbuf_drop(b, DROP_IP_SOURCE_ROUTE);
}

static void ip_route_in(struct pkbuf *b)
{
	enum route_type type = ip_addr_type(b->stack, &b->dst);

	if (ip_came_wide(b) && (type == ROUTE_LOCAL || type == ROUTE_UNICAST)) {
		pkbuf_drop(b, DROP_IP_LINK_BCAST);
		return;
	}
	switch (type) {
	case ROUTE_LOCAL:
		ip_own_in(b);
		break;
	case ROUTE_BROADCAST:
		mib_inc(b->stack, MIB_IpExt_InBcastPkts);
		ip_wide_in(b);
		ip_local_in(b);
		break;
	case ROUTE_MULTICAST:
		ip_mcast_in(b);
		break;
	default:
		ip_stranger_in(b);
	}
}

static enum drop_reason ip_check(struct pkbuf *b)
{
	enum drop_reason why = ip_check_header(b);

	if (why) {
		ip_count_bad_header(b, why);
		return why;
	}
	ip_note(b);
	why = ip_check_partial(b);
	if (why)
		return why;
	why = ip_check_addrs(b);
	if (why) {
		mib_inc(b->stack, MIB_Ip_InAddrErrors);
		return why;
	}
	return ip_check_options(b);
}

static void ip_debug_in(struct pkbuf *b)
{
	char src[IP_ADDR_TEXT], dst[IP_ADDR_TEXT];

	debug(b->stack, DEBUG_IP, "ip in %s: %s > %s, protocol %u, ttl %u, %u bytes", b->dev->name,
	      ip_addr_text(&b->src, src), ip_addr_text(&b->dst, dst), b->proto, b->ttl, b->len);
}

void ip_in(struct pkbuf *b)
{
	struct hook_io io = {.in = b->dev};
	enum drop_reason why;

	mib_inc(b->stack, MIB_Ip_InReceives);
	mib_add(b->stack, MIB_IpExt_InOctets, b->len);
	b->l3 = b->head;
	why = ip_check(b);
	if (why) {
		pkbuf_drop(b, why);
		return;
	}
	ip_debug_in(b);
	if (hook_run(b, HOOK_PRE_ROUTING, &io) == 0)
		ip_route_in(b);
}

/* --- to a protocol ---------------------------------------------------------------------------- */

static __attribute__((noinline)) void ip_no_proto(struct pkbuf *b, bool raw_took)
{
	static const struct icmp_error e = {.type = ICMP_DEST_UNREACH, .code = ICMP_PROTO_UNREACH};

	if (raw_took) {
		mib_inc(b->stack, MIB_Ip_InDelivers);
		pkbuf_free(b);
		return;
	}
	mib_inc(b->stack, MIB_Ip_InUnknownProtos);
	icmp_error_send(b, &e);
	pkbuf_drop(b, DROP_IP_NO_PROTO);
}

/* Raw socks see the whole datagram, the protocol only what follows the header. */
static void ip_deliver(struct pkbuf *b)
{
	const struct ip_proto *p = ip_proto_find(b->stack, b->proto);
	bool raw_took = raw_in(b);

	if (!p) {
		ip_no_proto(b, raw_took);
		return;
	}
	mib_inc(b->stack, MIB_Ip_InDelivers);
	pkbuf_trim_front(b, ip4_hdr_len(ip4_hdr(b)));
	b->l4 = b->head;
	p->in(b);
}

void ip_local_in(struct pkbuf *b)
{
	struct hook_io io = {.in = b->dev};

	if (ip4_is_fragment(ip4_hdr(b))) {
		b = ip_reass(b);
		if (!b)
			return;
	}
	if (hook_run(b, HOOK_LOCAL_IN, &io) == 0)
		ip_deliver(b);
}
