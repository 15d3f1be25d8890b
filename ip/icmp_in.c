/*
 * ip/icmp_in.c - ICMP errors and redirects about datagrams of ours (RFC 1122, 3.2.2.1 to 3.2.2.5).
 *
 * Anybody can send one.  The quoted datagram must be one this stack may have sent: from an address
 * of ours to one host, its transport header begun.  Whether the connection exists, and the numbers
 * fit, is the transport's to check (RFC 5927).
 */
#include <assert.h>
#include <errno.h>

#include "ip/icmp_priv.h"
#include "ip/raw.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "net/ifaddr.h"

#define ICMP_QUOTE_L4 64u /* transport header bytes handed on, at most */
#define ICMP_QUOTE_MIN 8u /* RFC 792 */

struct icmp_errno {
	int err;
	bool fatal;
};

/* By code; Linux's icmp_err_convert. */
static const struct icmp_errno unreach_errno[] = {
    [ICMP_NET_UNREACH] = {ENETUNREACH, false},    [ICMP_HOST_UNREACH] = {EHOSTUNREACH, false},
    [ICMP_PROTO_UNREACH] = {ENOPROTOOPT, true},   [ICMP_PORT_UNREACH] = {ECONNREFUSED, true},
    [ICMP_FRAG_NEEDED] = {EMSGSIZE, false},       [ICMP_SR_FAILED] = {EOPNOTSUPP, false},
    [ICMP_NET_UNKNOWN] = {ENETUNREACH, true},     [ICMP_HOST_UNKNOWN] = {EHOSTDOWN, true},
    [ICMP_HOST_ISOLATED] = {ENONET, true},        [ICMP_NET_ANO] = {ENETUNREACH, true},
    [ICMP_HOST_ANO] = {EHOSTUNREACH, true},       [ICMP_NET_UNR_TOS] = {ENETUNREACH, false},
    [ICMP_HOST_UNR_TOS] = {EHOSTUNREACH, false},  [ICMP_PKT_FILTERED] = {EHOSTUNREACH, true},
    [ICMP_PREC_VIOLATION] = {EHOSTUNREACH, true}, [ICMP_PREC_CUTOFF] = {EHOSTUNREACH, true},
};

int icmp_errno(uint8_t type, uint8_t code, bool *fatal)
{
	*fatal = false;
	switch (type) {
	case ICMP_DEST_UNREACH:
		if (code >= sizeof(unreach_errno) / sizeof(unreach_errno[0]))
			return 0;
		*fatal = unreach_errno[code].fatal;
		return unreach_errno[code].err;
	case ICMP_TIME_EXCEEDED: /* a reassembly that failed may yet succeed when sent again */
		return code == ICMP_EXC_TTL ? EHOSTUNREACH : 0;
	case ICMP_PARAM_PROBLEM:
		*fatal = true;
		return EPROTO;
	default:
		return 0;
	}
}

/* --- the quoted datagram ---------------------------------------------------------------------- */

struct icmp_quote {
	uint8_t bytes[IP4_HLEN_MAX + ICMP_QUOTE_L4];
	struct ip_addr src, dst;
	uint32_t len; /* its total length, as its header says */
	uint8_t proto;
	uint8_t hlen, l4len;
};

/* Reads it from behind the ICMP header of b.  False: no use. */
static bool icmp_quote_read(const struct pkbuf *b, struct icmp_quote *q)
{
	const struct ip4_hdr *h = (const struct ip4_hdr *)(void *)q->bytes;
	uint32_t have = b->len - ICMP_HLEN;

	if (have > sizeof(q->bytes))
		have = sizeof(q->bytes);
	if (have < IP4_HLEN + ICMP_QUOTE_MIN)
		return false;
	pkbuf_read(b, ICMP_HLEN, q->bytes, have);
	q->hlen = (uint8_t)ip4_hdr_len(h);
	if (h->ver_ihl >> 4 != 4 || q->hlen < IP4_HLEN || have < q->hlen + ICMP_QUOTE_MIN)
		return false;
	q->l4len = (uint8_t)(have - q->hlen < ICMP_QUOTE_L4 ? have - q->hlen : ICMP_QUOTE_L4);
	q->src = ip_addr4_be(h->src);
	q->dst = ip_addr4_be(h->dst);
	q->len = be16_get(h->len);
	q->proto = h->proto;
	return !(be16_get(h->off) & IP4_OFFMASK);
}

/* Ours, and to one host: about others nobody sends errors (RFC 1122, 3.2.2). */
static bool icmp_quote_is_ours(struct stack *st, const struct icmp_quote *q)
{
	enum route_type to = ip_addr_type(st, &q->dst);

	return ip_addr_type(st, &q->src) == ROUTE_LOCAL && to != ROUTE_BROADCAST &&
	       to != ROUTE_MULTICAST;
}

static bool icmp_quote_check(struct pkbuf *b, struct icmp_quote *q)
{
	if (icmp_quote_read(b, q) && icmp_quote_is_ours(b->stack, q))
		return true;
	icmp_drop(b, DROP_ICMP_QUOTE);
	return false;
}

/* --- errors ----------------------------------------------------------------------------------- */

static void icmp_error_deliver(const struct ip_err *e)
{
	const struct ip_proto *p = ip_proto_find(e->stack, e->proto);

	if (p && p->err)
		p->err(e);
	raw_err(e);
}

void icmp_error_in(struct pkbuf *b)
{
	const struct icmp4_hdr *h = (const struct icmp4_hdr *)(void *)pkbuf_data(b);
	struct icmp_quote q;
	struct ip_err e;

	if (!icmp_quote_check(b, &q))
		return;
	e = (struct ip_err){
	    .stack = b->stack,
	    .src = q.src,
	    .dst = q.dst,
	    .from = b->src,
	    .type = h->type,
	    .code = h->code,
	    .proto = q.proto,
	    .l4len = q.l4len,
	    .len = q.len,
	    .l4 = q.bytes + q.hlen,
	    .msg = b,
	    .quote = ICMP_HLEN,
	    .l4_at = ICMP_HLEN + q.hlen,
	};
	e.err = icmp_errno(e.type, e.code, &e.fatal);
	debug(e.stack, DEBUG_ICMP, "icmp: error type %u code %u received, errno %d", e.type, e.code,
	      e.err);
	if (!e.err) {
		pkbuf_drop(b, DROP_ICMP_IGNORED);
		return;
	}
	if (e.err == EMSGSIZE)
		e.mtu = be16_get(h->frag.mtu);
	icmp_error_deliver(&e);
	pkbuf_free(b);
}

/* --- redirects -------------------------------------------------------------------------------- */

static bool dev_on_link(struct netdev *dev, const struct ip_addr *a)
{
	struct ifaddr ifa;

	for (unsigned i = 0; ifaddr_nth(dev, i, &ifa); i++) {
		if (ip_addr_match(a, &ifa.addr, ifa.prefix))
			return true;
	}
	return false;
}

/*
 * RFC 1122, 3.2.2.2: the new gateway is on the network the redirect came in by, and the redirect is
 * from the gateway that is used for this destination now.
 */
static bool redirect_is_valid(const struct pkbuf *b, const struct ip_addr *dst,
			      const struct ip_addr *gateway)
{
	struct pmtu_info learnt = {.mtu = 0};
	struct ip_addr now;
	struct route r;

	if (!dev_on_link(b->dev, gateway) || ip_addr_eq(gateway, &b->src))
		return false;
	if (!route_lookup(b->stack, dst, 0, &r) || r.dev != b->dev)
		return false;
	pmtu_lookup(b->stack, dst, &learnt);
	now = pmtu_first_hop(&learnt, &r);
	return ip_addr_eq(&b->src, &now);
}

void icmp_redirect_in(struct pkbuf *b)
{
	const struct icmp4_hdr *h = (const struct icmp4_hdr *)(void *)pkbuf_data(b);
	struct ip_addr gateway = ip_addr4_be(h->gateway);
	char from[IP_ADDR_TEXT], to[IP_ADDR_TEXT];
	struct icmp_quote q;

	if (!icmp_quote_check(b, &q))
		return;
	debug(b->stack, DEBUG_ICMP, "icmp: redirect from %s to %s", ip_addr_text(&b->src, from),
	      ip_addr_text(&gateway, to));
	if (!sysctl_get(b->stack, ip_accept_redirects) || !redirect_is_valid(b, &q.dst, &gateway)) {
		pkbuf_drop(b, DROP_ICMP_IGNORED);
		return;
	}
	/* network redirects are taken as host redirects: RFC 1122, 3.2.2.2 */
	redirect_learn(b->stack, &q.dst, &gateway);
	pkbuf_free(b);
}
