/*
 * ip/raw.c - raw endpoints, by raw(7): what they receive, send, and are told of errors.
 *
 * A sock is on the list of its protocol from raw_open() to close().  It has no port; bind() and
 * connect() are filters.  Copies share the datagram's payload, and a checksum still owed is put
 * right first, for the program looks at it.
 */
#include "ip/raw.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "ip/inet_hash.h"
#include "ip/inet_stamp.h"
#include "ip/mcast.h"
#include "ip/raw_priv.h"
#include "lib/mib.h"

/* --- options ---------------------------------------------------------------------------------- */

static int raw_hdrincl(struct sock *sk, const void *v, socklen_t n)
{
	int on;

	if (n < sizeof(on))
		return -EINVAL;
	memcpy(&on, v, sizeof(on));
	sk->flags = on ? sk->flags | SOCK_HDRINCL : sk->flags & ~SOCK_HDRINCL;
	return 0;
}

static int raw_filter(struct sock *sk, const void *v, socklen_t n)
{
	struct icmp_filter f;

	if (sk->c.proto != IP_PROTO_ICMP)
		return -EOPNOTSUPP;
	if (n < sizeof(f))
		return -EINVAL;
	memcpy(&f, v, sizeof(f));
	raw_sock(sk)->icmp_filter = f.data;
	return 0;
}

static int raw_setopt(struct sock *sk, int level, int name, const void *v, socklen_t n)
{
	if (level == SOL_RAW && name == ICMP_FILTER)
		return raw_filter(sk, v, n);
	if (level != IPPROTO_IP)
		return -ENOPROTOOPT;
	return name == IP_HDRINCL ? raw_hdrincl(sk, v, n) : inet_sock_setopt(sk, name, v, n);
}

static int raw_getopt(struct sock *sk, int level, int name, void *v, socklen_t *n)
{
	int hdrincl = (sk->flags & SOCK_HDRINCL) != 0;
	const void *from = &hdrincl;

	if (level == SOL_RAW && name == ICMP_FILTER) {
		if (sk->c.proto != IP_PROTO_ICMP)
			return -EOPNOTSUPP;
		from = &raw_sock(sk)->icmp_filter;
	} else if (level != IPPROTO_IP) {
		return -ENOPROTOOPT;
	} else if (name != IP_HDRINCL) {
		return inet_sock_getopt(sk, name, v, n);
	}
	if (*n > sizeof(int))
		*n = sizeof(int);
	memcpy(v, from, *n);
	return 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

int raw_bind(struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	if (dgram_is_connected(sk))
		return -EINVAL;
	if (!inet_addr_is_bindable(sk, a))
		return -EADDRNOTAVAIL;
	raw_list_set_addrs(sk, a, &sk->c.raddr);
	inet_bound_to(sk, a);
	return 0;
}

static void raw_forget_path(struct sock *sk)
{
	if (sk->path)
		path_put(sk->path);
	sk->path = NULL;
}

int raw_connect(struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	struct ip_addr laddr = sk->c.laddr, raddr = ip_addr_is_any(a) ? ip_addr_loop4 : *a;
	struct ip_flow f;
	struct path *p;
	int err = 0;

	sock_flow(sk, &raddr, &f);
	if (!(sk->flags & SOCK_BOUND_ADDR))
		f.src = sock_source_unbound(sk, &raddr);
	p = path_get(sk->stack, &f, &err);
	if (!p)
		return err;
	raw_forget_path(sk);
	sk->path = p;
	if (!(sk->flags & SOCK_BOUND_ADDR))
		laddr = p->src;
	raw_list_set_addrs(sk, &laddr, &raddr);
	atomic_store_explicit(&sk->c.state, DGRAM_CONNECTED, memory_order_relaxed);
	return 0;
}

int raw_disconnect(struct sock *sk)
{
	struct ip_addr laddr = sk->flags & SOCK_BOUND_ADDR ? sk->c.laddr : ip_addr_any;

	raw_forget_path(sk);
	raw_list_set_addrs(sk, &laddr, &ip_addr_any);
	atomic_store_explicit(&sk->c.state, DGRAM_UNCONNECTED, memory_order_relaxed);
	return 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

struct raw_to {
	struct ip_flow flow;
	struct path *path; /* NULL: looked up for this one */
	struct dgram_control control;
};

static int raw_out(struct sock *sk, const struct sock_msg *m, const struct raw_to *to)
{
	struct pkbuf *b = pkbuf_alloc(sk->stack, PKBUF_TX_HEAD);
	int err;

	if (!b)
		return -ENOBUFS;
	if (pkbuf_append_iov(b, m->iov, m->niov, m->skip, (uint32_t)m->len)) {
		pkbuf_free(b);
		return -ENOBUFS;
	}
	b->l3 = b->l4 = b->head;
	err = raw_sock(sk)->finish ? raw_sock(sk)->finish(sk, b) : 0;
	if (err) {
		pkbuf_free(b);
		return err;
	}
	sock_stamp_datagram(sk, b, to->control.stamps);
	err = ip_out(b, &to->flow, to->path);
	if (err == -EMSGSIZE)
		dgram_error_too_large(sk, &to->flow, 0);
	return err;
}

/* What may be sent where; the rest of raw_send() cannot be refused by the arguments. */
static int raw_check(struct sock *sk, const struct sock_msg *m, const struct ip_addr *dst)
{
	bool hdrincl = sk->flags & SOCK_HDRINCL;
	int err = dgram_may_send(sk, m);

	if (err)
		return err;
	if (!m->has_addr && !dgram_is_connected(sk))
		return -EDESTADDRREQ;
	if (m->len > IP4_LEN_MAX - (hdrincl ? 0u : ip_hdr_bytes(dst) + sk->rare->optlen))
		return -EMSGSIZE;
	return hdrincl && m->len < IP4_HLEN ? -EINVAL : 0;
}

ssize_t raw_send(struct sock *sk, struct sock_msg *m)
{
	struct ip_addr dst = m->has_addr ? m->addr : sk->c.raddr;
	struct raw_to to = {.path = NULL};
	int err = raw_check(sk, m, &dst);

	if (!err)
		err = dgram_control_in(sk, m, &to.control);
	if (err)
		return err;
	if (ip_addr_is_any(&dst))
		dst = ip_addr_loop4;
	sock_flow(sk, &dst, &to.flow);
	if (m->has_addr && !(sk->flags & SOCK_BOUND_ADDR))
		to.flow.src = sock_source_unbound(
		    sk, &dst); /* the source connect() chose is for that peer only */
	if (m->has_addr && m->ifindex)
		to.flow.ifindex = m->ifindex;
	dgram_control_flow(&to.control, &to.flow);
	if (!m->has_addr && !to.control.any) {
		to.path = sock_path(sk, &err);
		if (!to.path)
			return err;
	}
	err = raw_out(sk, m, &to);
	return err ? err : (ssize_t)m->len;
}

/* --- the rest of the table -------------------------------------------------------------------- */

/* Who writes headers is shown that of the quoted datagram. */
static void raw_error(struct sock *sk, struct pkbuf *b)
{
	const struct ip4_hdr *h = (const struct ip4_hdr *)(void *)pkbuf_pull(b, IP4_HLEN);

	if (h && !(sk->flags & SOCK_HDRINCL))
		pkbuf_trim_front(b, ip4_hdr_len(h));
	dgram_error(sk, b);
}

void raw_backlog_in(struct sock *sk, struct pkbuf *b)
{
	enum drop_reason why;

	if (b->kind != PKBUF_PACKET) {
		if (b->kind == PKBUF_ERROR)
			raw_error(sk, b);
		else
			sock_stamp_in(sk, b);
		return;
	}
	why = dgram_refuses(sk, b, 0);
	if (why != DROP_NONE) {
		pkbuf_drop(b, why);
		return;
	}
	dgram_cb(b)->port = 0;
	if (!dgram_queue(sk, b)) {
		mib_inc(sk->stack, MIB_Raw_RcvbufErrors);
		pkbuf_drop(b, DROP_SOCK_RCVBUF);
		return;
	}
	mib_inc(sk->stack, MIB_Raw_InDatagrams);
}

void raw_close(struct sock *sk)
{
	sk->flags |= SOCK_DEAD;
	raw_list_del(sk);
	mcast_sock_leave_all(sk);
	dgram_purge(sk);
	raw_forget_path(sk);
}

const struct sock_ops raw_ops = {
    .type = SOCK_RAW,
    .size = sizeof(struct raw_sock),
    .name = "raw",
    .init = dgram_init,
    .bind = raw_bind,
    .connect = raw_connect,
    .disconnect = raw_disconnect,
    .send = raw_send,
    .recv = dgram_recv,
    .shutdown = dgram_shutdown,
    .close = raw_close,
    .poll = dgram_poll,
    .setopt = raw_setopt,
    .getopt = raw_getopt,
    .ioctl = dgram_ioctl,
    .backlog_in = raw_backlog_in,
};
