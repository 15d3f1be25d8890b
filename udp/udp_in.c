/*
 * udp/udp_in.c - datagrams and ICMP errors on their way up: header, checksum, who gets it
 * (RFC 768; RFC 1122, 4.1.3).
 *
 * A sock's own part, udp_backlog_in(), runs under its lock: at once, or when its holder lets go.
 */
#include <errno.h>

#include "ip/icmp.h"
#include "ip/inet_stamp.h"
#include "ip/route.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "lib/stack.h"
#include "lib/wire/udp.h"
#include "udp/udp_priv.h"

const struct ip_proto udp_proto = {.proto = IP_PROTO_UDP, .in = udp_in, .err = udp_err};

static void udp_drop(struct pkbuf *b, enum drop_reason why)
{
	mib_inc(b->stack, MIB_Udp_InErrors);
	pkbuf_drop(b, why);
}

/* RFC 768: zero is "no checksum", which IPv6 does not allow (RFC 8200, 8.1). */
static bool udp_csum_ok(const struct pkbuf *b, const struct udp_hdr *h)
{
	if (h->csum == 0 && b->csum != CSUM_PARTIAL)
		return ip_addr_is4(&b->dst);
	return ip_csum_ok(b);
}

/* Header and length; what lies behind the datagram is cut off.  NULL: b has been dropped. */
static const struct udp_hdr *udp_check(struct pkbuf *b)
{
	const struct udp_hdr *h = (const struct udp_hdr *)(void *)pkbuf_pull(b, UDP_HLEN);
	uint32_t len;

	if (!h) {
		udp_drop(b, DROP_UDP_SHORT);
		return NULL;
	}
	len = be16_get(h->len);
	if (len < UDP_HLEN || len > b->len) {
		udp_drop(b, DROP_UDP_SHORT);
		return NULL;
	}
	pkbuf_trim_to(b, len);
	if (!udp_csum_ok(b, h)) {
		mib_inc(b->stack, MIB_Udp_InCsumErrors);
		udp_drop(b, DROP_UDP_CSUM);
		return NULL;
	}
	return h;
}

void udp_debug(const struct pkbuf *b, const char *way, const struct ip_addr *src,
	       const struct ip_addr *dst)
{
	const struct udp_hdr *h = (const struct udp_hdr *)(const void *)(b->hdr + b->head);
	char from[IP_ADDR_TEXT], to[IP_ADDR_TEXT];

	debug(b->stack, DEBUG_UDP, "udp %s: %s:%u > %s:%u, %u bytes", way, ip_addr_text(src, from),
	      be16_get(h->sport), ip_addr_text(dst, to), be16_get(h->dport), b->len - UDP_HLEN);
}

/* One copy each (RFC 1122, 4.1.3.4). */
struct udp_copies {
	struct pkbuf *b;
	unsigned n;
};

static void udp_copy_to(struct sock *sk, void *arg)
{
	struct udp_copies *c = arg;
	struct pkbuf *copy = pkbuf_clone(c->b);

	c->n++;
	if (copy)
		sock_deliver(sk, copy);
	else
		pkbuf_count_drop(sk->stack, DROP_NO_MEMORY);
}

static void udp_in_many(struct pkbuf *b, const struct inet_tuple *tu)
{
	struct udp_copies c = {.b = b};

	pkbuf_trim_front(b, UDP_HLEN);
	inet_each_bound(udp_table(b->stack), tu, udp_copy_to, &c);
	if (c.n) {
		pkbuf_free(b);
		return;
	}
	mib_inc(b->stack, MIB_Udp_IgnoredMulti);
	pkbuf_drop(b, DROP_UDP_NO_PORT);
}

static void udp_no_port(struct pkbuf *b)
{
	static const struct icmp_error e = {ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0};

	mib_inc(b->stack, MIB_Udp_NoPorts);
	icmp_error_send(b, &e);
	pkbuf_drop(b, DROP_UDP_NO_PORT);
}

void udp_in(struct pkbuf *b)
{
	const struct udp_hdr *h = udp_check(b);
	struct inet_tuple tu;
	struct sock *sk;

	if (!h)
		return;
	tu = (struct inet_tuple){
	    .laddr = b->dst,
	    .raddr = b->src,
	    .lport = be16_get(h->dport),
	    .rport = be16_get(h->sport),
	    .ifindex = b->dev->ifindex,
	};
	dgram_cb(b)->port = tu.rport;
	udp_debug(b, "in", &b->src, &b->dst);
	if (b->wide) {
		udp_in_many(b, &tu);
		return;
	}
	sk = inet_lookup_bound(udp_table(b->stack), &tu);
	if (!sk) {
		udp_no_port(b);
		return;
	}
	pkbuf_trim_front(b, UDP_HLEN);
	sock_deliver(sk, b);
	sock_put(sk);
}

void udp_backlog_in(struct sock *sk, struct pkbuf *b)
{
	enum drop_reason why;

	if (b->kind != PKBUF_PACKET) {
		if (b->kind == PKBUF_ERROR)
			dgram_error(sk, b);
		else
			sock_stamp_in(sk, b);
		return;
	}
	why = dgram_refuses(sk, b, dgram_cb(b)->port);
	if (why != DROP_NONE) {
		pkbuf_drop(b, why);
		return;
	}
	if (!dgram_queue(sk, b)) {
		mib_inc(sk->stack, MIB_Udp_RcvbufErrors);
		udp_drop(b, DROP_SOCK_RCVBUF);
		return;
	}
	mib_inc(sk->stack, MIB_Udp_InDatagrams);
}

/* The quoted datagram is one of ours: its source is our end. */
void udp_err(const struct ip_err *e)
{
	const struct udp_hdr *h = (const struct udp_hdr *)(const void *)e->l4;
	struct inet_tuple tu = {
	    .laddr = e->src,
	    .raddr = e->dst,
	    .lport = be16_get(h->sport),
	    .rport = be16_get(h->dport),
	};
	struct sock_err se = {
	    .err = e->err,
	    .type = e->type,
	    .code = e->code,
	    .fatal = e->fatal,
	    .dst = e->dst,
	    .port = tu.rport,
	};
	struct sock *sk = inet_lookup_bound(udp_table(e->stack), &tu);

	if (!sk)
		return;
	if (e->err == EMSGSIZE && sock_believes_mtu(sk))
		se.mtu = pmtu_learn(e->stack, &e->dst, e->mtu, e->len);
	sock_deliver_error(sk, &se, e->msg, e->l4_at + UDP_HLEN);
	sock_put(sk);
}
