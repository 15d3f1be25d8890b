/*
 * udp/udp_out.c - send(): destination, path, header, then ip_out() (RFC 768).
 *
 * The checksum is owed (CSUM_PARTIAL): the device takes it over, or whoever is the first that cannot
 * leave it to the device, as a fragmenter, puts it right.
 */
#include <errno.h>

#include "ip/inet_stamp.h"
#include "lib/checksum.h"
#include "lib/mib.h"
#include "lib/stack.h"
#include "lib/wire/udp.h"
#include "udp/udp_priv.h"

/* Where one datagram goes.  `path` is a reference of its own. */
struct udp_out {
	struct ip_flow flow;
	struct path *path;
	struct dgram_control control;
	uint16_t dport;
	uint32_t n; /* bytes of data */
};

/* The most one datagram carries towards dst: 65507 for IPv4 without options. */
static uint32_t udp_max(const struct sock *sk, const struct ip_addr *dst)
{
	uint32_t iph = ip_addr_is4(dst) ? ip_hdr_bytes(dst) : 0;

	return IP4_LEN_MAX - iph - sk->rare->optlen - UDP_HLEN;
}

/* Address and port by message or connect(); 0 or -errno. */
static int udp_out_addr(struct sock *sk, const struct sock_msg *m, struct ip_addr *dst,
			uint16_t *port)
{
	if (!m->has_addr) {
		*dst = sk->c.raddr;
		*port = sk->c.rport;
		if (!dgram_is_connected(sk))
			return -EDESTADDRREQ;
	} else {
		*dst = udp_dst(&m->addr);
		*port = m->port;
		if (!*port)
			return -EINVAL;
	}
	return 0;
}

/* A path for this datagram alone, by address or with wishes. */
static struct path *udp_path_asked(struct sock *sk, const struct sock_msg *m, struct udp_out *o,
				   int *err)
{
	/* the source connect() chose is for that peer only */
	if (m->has_addr && !(sk->flags & SOCK_BOUND_ADDR))
		o->flow.src = sock_source_unbound(sk, &o->flow.dst);
	if (m->ifindex)
		o->flow.ifindex = m->ifindex;
	dgram_control_flow(&o->control, &o->flow);
	return path_get(sk->stack, &o->flow, err);
}

/*
 * In broadcasts and groups options of the sock have a say; and a neighbour that has not answered must be free to go
 * (RFC 6583, 6.4).
 */
static bool path_may_stay(const struct path *p)
{
	if (p->type != ROUTE_UNICAST && p->type != ROUTE_LOCAL)
		return false;
	return !p->neigh || neigh_is_ready(p->neigh);
}

/* sendto() without wishes mostly goes to whom the last one went: that path is kept. */
static struct path *udp_path_again(struct sock *sk, const struct sock_msg *m, struct udp_out *o,
				   int *err)
{
	struct ip_addr *to = &dgram_sock(sk)->sent_to;
	struct path *p = sk->path;

	if (p && ip_addr_eq(to, &o->flow.dst) && path_is_current(p))
		return path_hold(p);
	p = udp_path_asked(sk, m, o, err);
	if (!p || !path_may_stay(p))
		return p;
	udp_forget_path(sk);
	sk->path = path_hold(p);
	*to = o->flow.dst;
	return p;
}

static int udp_out_path(struct sock *sk, const struct sock_msg *m, struct udp_out *o)
{
	int err = 0;

	if (o->control.any || m->ifindex || (m->has_addr && dgram_is_connected(sk))) {
		o->path = udp_path_asked(sk, m, o, &err);
	} else if (m->has_addr) {
		o->path = udp_path_again(sk, m, o, &err);
	} else {
		struct path *p = sock_path(sk, &err);

		o->path = p ? path_hold(p) : NULL;
	}
	if (!o->path)
		return err;
	if (ip_addr_is_any(&o->flow.src))
		o->flow.src = o->path->src;
	return 0;
}

static void udp_out_header(const struct sock *sk, const struct udp_out *o, struct pkbuf *b)
{
	uint32_t len = UDP_HLEN + o->n;
	struct udp_hdr *h = (struct udp_hdr *)(void *)pkbuf_push(b, UDP_HLEN);
	uint64_t sum = ip_csum_pseudo(&o->flow.src, &o->flow.dst, IP_PROTO_UDP, len);

	h->sport = be16_of(sk->c.lport);
	h->dport = be16_of(o->dport);
	h->len = be16_of((uint16_t)len);
	h->csum = csum_fold(sum);
	b->l4 = b->head;
	b->csum = CSUM_PARTIAL;
	b->csum_start = b->l4;
	b->csum_off = offsetof(struct udp_hdr, csum);
}

static int udp_out_build(struct sock *sk, const struct sock_msg *m, const struct udp_out *o,
			 struct pkbuf **out)
{
	struct pkbuf *b = pkbuf_alloc(sk->stack, PKBUF_TX_HEAD);

	*out = b;
	if (!b)
		return -ENOBUFS;
	if (pkbuf_append_iov(b, m->iov, m->niov, m->skip, o->n)) {
		pkbuf_free(b);
		return -ENOBUFS;
	}
	udp_out_header(sk, o, b);
	sock_stamp_datagram(sk, b, o->control.stamps);
	return 0;
}

static int udp_out_send(struct sock *sk, const struct sock_msg *m, struct udp_out *o)
{
	struct pkbuf *b;
	int err = udp_out_path(sk, m, o);

	if (err)
		return err;
	if ((m->flags & MSG_CONFIRM) && o->path->neigh)
		neigh_confirm(o->path->neigh);
	err = udp_out_build(sk, m, o, &b);
	if (!err) {
		udp_debug(b, "out", &o->flow.src, &o->flow.dst);
		err = ip_out(b, &o->flow, o->path);
		if (err == -EMSGSIZE)
			dgram_error_too_large(sk, &o->flow, o->dport);
	}
	path_put(o->path);
	return err;
}

ssize_t udp_send(struct sock *sk, struct sock_msg *m)
{
	struct udp_out o = {.n = (uint32_t)m->len};
	struct ip_addr dst;
	int err = dgram_may_send(sk, m);

	if (!err)
		err = udp_out_addr(sk, m, &dst, &o.dport);
	if (!err)
		err = dgram_control_in(sk, m, &o.control);
	if (err)
		return err;
	if (m->len > udp_max(sk, &dst))
		return -EMSGSIZE;
	err = udp_autobind(sk);
	if (err)
		return err;
	sock_flow(sk, &dst, &o.flow);
	err = udp_out_send(sk, m, &o);
	if (err == -ENOBUFS || err == -ENOMEM)
		mib_inc(sk->stack, MIB_Udp_SndbufErrors);
	if (err)
		return err;
	mib_inc(sk->stack, MIB_Udp_OutDatagrams);
	return (ssize_t)m->len;
}
