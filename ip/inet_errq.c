/*
 * ip/inet_errq.c - errors of datagram socks: who is told, and the queue behind IP_RECVERR that
 * recvmsg(MSG_ERRQUEUE) reads (ip(7), recv(2)).
 *
 * An error in the queue is charged like a datagram, and is lost when the receive buffer is full.  The
 * pending errno follows the queue: taking one sets that of the next.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
/* last: it wants struct timespec and struct sockaddr_in */
#include <linux/errqueue.h>

#include "ip/inet_cmsg.h"
#include "ip/inet_dgram.h"
#include "ip/ip_priv.h"

static const struct sock_err *err_of(const struct pkbuf *b)
{
	return (const struct sock_err *)(const void *)b->cb;
}

static bool errq_add(struct sock *sk, struct pkbuf *b)
{
	if (!sock_rcv_charge(sk, b->pinned)) {
		pkbuf_drop(b, DROP_SOCK_RCVBUF);
		return false;
	}
	pkq_add(&dgram_sock(sk)->errq, b);
	return true;
}

static struct pkbuf *errq_take(struct sock *sk)
{
	struct pkbuf *b = pkq_take(&dgram_sock(sk)->errq);

	sock_rcv_uncharge(sk, b->pinned);
	return b;
}

void dgram_errors_purge(struct sock *sk)
{
	while (dgram_sock(sk)->errq.head)
		pkbuf_free(errq_take(sk));
}

/* Without path MTU discovery nobody waits for the news that a datagram was too large (udp(7)). */
static bool error_is_ignored(const struct sock *sk, const struct sock_err *e)
{
	return !e->err || (sk->flags & SOCK_DEAD) ||
	       (e->err == EMSGSIZE && sk->pmtudisc == PMTUDISC_DONT);
}

void dgram_error(struct sock *sk, struct pkbuf *b)
{
	const struct sock_err *e = err_of(b);
	bool fatal = e->fatal || e->err == EMSGSIZE;
	int err = e->err;

	if (error_is_ignored(sk, e)) {
		pkbuf_free(b);
		return;
	}
	if (sk->flags & SOCK_RECVERR) {
		errq_add(sk, b);
		sock_set_error(sk, err);
		return;
	}
	pkbuf_free(b);
	if (fatal && dgram_is_connected(sk))
		sock_set_error(sk, err);
}

void dgram_error_too_large(struct sock *sk, const struct ip_flow *f, uint16_t port)
{
	struct sock_err e = {.err = EMSGSIZE, .local = true, .dst = f->dst, .port = port};
	struct path *path;
	struct pkbuf *b;
	int err;

	if (!(sk->flags & SOCK_RECVERR))
		return;
	path = path_get(sk->stack, f, &err);
	if (!path)
		return;
	e.mtu = ip_out_mtu(f, path);
	path_put(path);
	b = pkbuf_alloc(sk->stack, 0);
	if (!b)
		return;
	b->kind = PKBUF_ERROR;
	memcpy(b->cb, &e, sizeof(e));
	if (errq_add(sk, b))
		sock_ready(sk, EPOLLERR);
}

/* --- to the program ---------------------------------------------------------------------------- */

static void error_control(const struct pkbuf *b, struct sock_msg *m)
{
	const struct sock_err *e = err_of(b);
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in offender;
	} out = {
	    .ee =
		{
		    .ee_errno = (uint32_t)e->err,
		    .ee_origin = e->local ? SO_EE_ORIGIN_LOCAL : SO_EE_ORIGIN_ICMP,
		    .ee_type = e->type,
		    .ee_code = e->code,
		    .ee_info = e->mtu,
		},
	};

	if (!e->local) {
		out.offender.sin_family = AF_INET;
		memcpy(&out.offender.sin_addr, &b->src.b[12], sizeof(out.offender.sin_addr));
	}
	sock_msg_control(m, IPPROTO_IP, IP_RECVERR, &out, sizeof(out));
}

/* The pending errno was that of the error taken: now it is the next one's, if that came by ICMP. */
static void error_next(struct sock *sk, bool was_local)
{
	const struct pkbuf *next = dgram_sock(sk)->errq.head;

	if (next && !err_of(next)->local)
		sk->err = (int16_t)err_of(next)->err;
	else if (!was_local)
		sk->err = 0;
	if (next)
		sock_ready(sk, EPOLLERR);
}

ssize_t dgram_recv_error(struct sock *sk, struct sock_msg *m)
{
	struct pkbuf *b;
	uint32_t n;

	if (!dgram_sock(sk)->errq.head)
		return -EAGAIN;
	b = errq_take(sk);
	n = b->len < m->len ? b->len : (uint32_t)m->len;
	dgram_copy(b, m, n);
	m->has_addr = true;
	m->addr = err_of(b)->dst;
	m->port = err_of(b)->port;
	m->out_flags = MSG_ERRQUEUE | (n < b->len ? MSG_TRUNC : 0);
	if (!err_of(b)->local)
		dgram_control_out(sk, b, m);
	error_control(b, m);
	error_next(sk, err_of(b)->local);
	pkbuf_free(b);
	return n;
}
