/*
 * ip/icmp_err.c - ICMP errors that this stack sends: whether one may be sent at all (RFC 1122,
 * 3.2.2; RFC 1812, 4.3.2.7), what it quotes and where it comes from (RFC 1812, 4.3.2.3 to 4.3.2.5).
 *
 * Errors about the stack's own datagrams go the same way, over lo, and so reach their sock.
 */
#include "ip/icmp_priv.h"
#include "lib/mib.h"

#define ICMP_ERROR_MAX 576u            /* bytes of the whole datagram, RFC 1812, 4.3.2.3 */
#define TOS_TOS 0x1cu                  /* the bits of TOS that are not ECN's */
#define TOS_PREC_INTERNETCONTROL 0xc0u /* RFC 1812, 4.3.2.5 */

/* --- what no error may be sent about ---------------------------------------------------------- */

/* Bytes of b's headers between l3 and wherever the front has got to, and all from there. */
static uint32_t quoted_len(const struct pkbuf *b)
{
	return b->len + b->head - b->l3;
}

static void quoted_read(const struct pkbuf *b, uint32_t off, void *to, uint32_t n)
{
	int32_t at = (int32_t)(b->l3 + off) - b->head;

	/* the front moves over whole headers: what is read lies on one side of it */
	if (at < 0)
		memcpy(to, b->hdr + b->l3 + off, n);
	else
		pkbuf_read(b, (uint32_t)at, to, n);
}

/* An ICMP error begets none, nor does a message whose type cannot be seen or is not known. */
static bool about_icmp_error(const struct pkbuf *b)
{
	const struct ip4_hdr *h = ip4_hdr(b);
	uint32_t off = ip4_hdr_len(h);
	uint8_t type;

	if (h->proto != IP_PROTO_ICMP || (be16_get(h->off) & IP4_OFFMASK))
		return false;
	if (quoted_len(b) <= off)
		return true;
	quoted_read(b, off, &type, 1);
	switch (type) {
	case ICMP_ECHO:
	case ICMP_ECHO_REPLY:
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMP_REPLY:
	case ICMP_INFO_REQUEST:
	case ICMP_INFO_REPLY:
	case ICMP_MASK_REQUEST:
	case ICMP_MASK_REPLY:
		return false;
	default:
		return true;
	}
}

static bool about_broadcast(const struct pkbuf *b)
{
	struct ip_addr dst = ip_addr4_be(ip4_hdr(b)->dst);
	enum route_type type = ip_addr_type(b->stack, &dst);

	return type == ROUTE_BROADCAST || type == ROUTE_MULTICAST;
}

static bool about_link_broadcast(const struct pkbuf *b)
{
	return b->cast == PKBUF_BROADCAST || b->cast == PKBUF_MULTICAST;
}

static bool about_later_fragment(const struct pkbuf *b)
{
	return be16_get(ip4_hdr(b)->off) & IP4_OFFMASK;
}

/* Network zero, loopback from a wire, broadcast, multicast, class E: not one host. */
static bool about_no_single_host(const struct pkbuf *b)
{
	struct ip_addr src = ip_addr4_be(ip4_hdr(b)->src);
	enum route_type type = ip_addr_type(b->stack, &src);

	if (type == ROUTE_BROADCAST || type == ROUTE_MULTICAST)
		return true;
	if (ip_addr_is_loopback(&src))
		return !(b->dev && (b->dev->flags & NETDEV_LOOPBACK));
	return ip4_hdr(b)->src[0] == 0 || ip_addr_is_class_e(&src) || ip_addr_is_bcast(&src);
}

/* RFC 1122, 3.2.2 and RFC 1812, 4.3.2.7, one line each. */
static bool (*const icmp_forbids[])(const struct pkbuf *b) = {
    about_icmp_error,     about_broadcast,      about_link_broadcast,
    about_later_fragment, about_no_single_host,
};

static bool icmp_is_forbidden(const struct pkbuf *b)
{
	for (size_t i = 0; i < sizeof(icmp_forbids) / sizeof(icmp_forbids[0]); i++) {
		if (icmp_forbids[i](b))
			return true;
	}
	return false;
}

/* --- limits ----------------------------------------------------------------------------------- */

/* Redirects are not limited here, frag needed never: path MTU discovery would stall.  Nor is lo. */
static bool icmp_is_limited(const struct icmp_error *e, const struct ip_addr *dst, struct stack *st)
{
	if (e->type == ICMP_REDIRECT)
		return false;
	if (e->type == ICMP_DEST_UNREACH && e->code == ICMP_FRAG_NEEDED)
		return false;
	return ip_addr_type(st, dst) != ROUTE_LOCAL;
}

static bool icmp_may_send(const struct icmp_error *e, const struct ip_addr *dst, struct stack *st)
{
	if (!icmp_is_limited(e, dst, st))
		return true;
	switch (icmp_limit(st, dst)) {
	case ICMP_LIMIT_HOST:
		mib_inc(st, MIB_Icmp_OutRateLimitHost);
		return false;
	case ICMP_LIMIT_GLOBAL:
		mib_inc(st, MIB_Icmp_OutRateLimitGlobal);
		return false;
	default:
		return true;
	}
}

/* --- the message ------------------------------------------------------------------------------ */

/* As much of b from its IP header on as the message has room for. */
static struct pkbuf *icmp_quote(struct pkbuf *b)
{
	uint32_t most = ICMP_ERROR_MAX - IP4_HLEN - ICMP_HLEN, whole, behind = 0;
	struct pkbuf *q = pkbuf_alloc(b->stack, PKBUF_TX_HEAD);
	uint8_t bytes[ICMP_ERROR_MAX];

	if (!q)
		return NULL;
	pkbuf_csum_finish(b); /* who reads the quote must find it right */
	whole = quoted_len(b);
	if (whole > most)
		whole = most;
	if (b->head > b->l3)
		behind = (uint32_t)b->head - b->l3;
	if (behind > whole)
		behind = whole;
	memcpy(bytes, b->hdr + b->l3, behind);
	quoted_read(b, behind, bytes + behind, whole - behind);
	if (pkbuf_append(q, bytes, whole)) {
		pkbuf_free(q);
		return NULL;
	}
	return q;
}

/*
 * What the datagram was sent to if that is ours, so that a host that talks to it knows who answers;
 * else the address of the way the message takes (RFC 1812, 4.3.2.4): b->dev is where b goes by now
 * when its neighbour was not found.
 */
static struct ip_addr icmp_source(const struct pkbuf *b)
{
	struct ip_addr dst = ip_addr4_be(ip4_hdr(b)->dst);

	return ip_addr_type(b->stack, &dst) == ROUTE_LOCAL ? dst : ip_addr_any;
}

void icmp_error_send(struct pkbuf *b, const struct icmp_error *e)
{
	const struct ip4_hdr *h = ip4_hdr(b);
	struct ip_addr to = ip_addr4_be(h->src);
	struct icmp_msg m = {
	    .flow = {.dst = to,
		     .proto = IP_PROTO_ICMP,
		     .tos = (h->tos & TOS_TOS) | TOS_PREC_INTERNETCONTROL},
	    .type = e->type,
	    .code = e->code,
	    .word = e->info,
	};
	struct pkbuf *q;

	if (icmp_is_forbidden(b)) {
		mib_inc(b->stack, MIB_Icmp_OutErrors);
		return;
	}
	if (!icmp_may_send(e, &to, b->stack))
		return;
	q = icmp_quote(b);
	if (!q)
		return;
	m.flow.src = icmp_source(b);
	icmp_send(q, &m);
}
