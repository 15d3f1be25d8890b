/*
 * ip/inet_errq.c - errors of datagram socks: who is told, and the queue behind IP_RECVERR that
 * recvmsg(MSG_ERRQUEUE) reads (ip(7), recv(2)), with the stamps of SO_TIMESTAMPING, which streams have too.
 *
 * A message in the queue is charged like a datagram, and is lost when the receive buffer is full; a stream's
 * are counted by themselves, or they would close its window.  The pending errno follows the queue: taking an
 * error sets that of the next.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
/* last: it wants struct timespec and struct sockaddr_in */
#include <linux/errqueue.h>

#include "ip/inet_cmsg.h"
#include "ip/inet_dgram.h"
#include "ip/inet_stamp.h"
#include "ip/ip_priv.h"

static const struct sock_err *err_of(const struct pkbuf *b)
{
	return (const struct sock_err *)(const void *)b->cb;
}

static bool is_stream(const struct sock *sk)
{
	return sk->ops->type == SOCK_STREAM;
}

/* NULL: it has none. */
static struct pkq *errq_of(struct sock *sk)
{
	if (!is_stream(sk))
		return &dgram_sock(sk)->errq;
	return sk->rare->stamps ? &sk->rare->stamps->errq : NULL;
}

bool sock_has_errors(struct sock *sk)
{
	const struct pkq *q = errq_of(sk);

	return q && q->head;
}

static bool errq_charge(struct sock *sk, uint32_t bytes)
{
	struct sock_stamps *s = sk->rare->stamps;

	if (!is_stream(sk))
		return sock_rcv_charge(sk, bytes);
	if (s->errq_pinned && s->errq_pinned + bytes > sk->rcvbuf)
		return false;
	s->errq_pinned += bytes;
	return true;
}

static bool errq_add(struct sock *sk, struct pkbuf *b)
{
	if (!errq_charge(sk, b->pinned)) {
		pkbuf_drop(b, DROP_SOCK_RCVBUF);
		return false;
	}
	pkq_add(errq_of(sk), b);
	return true;
}

static struct pkbuf *errq_take(struct sock *sk)
{
	struct pkbuf *b = pkq_take(errq_of(sk));

	if (is_stream(sk))
		sk->rare->stamps->errq_pinned -= b->pinned;
	else
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

/* A stream's comes for whoever may hold it still: what was asked for before the close is nobody's. */
void sock_stamp_in(struct sock *sk, struct pkbuf *b)
{
	if ((sk->flags & SOCK_DEAD) || !errq_of(sk)) {
		pkbuf_free(b);
		return;
	}
	if (errq_add(sk, b))
		sock_ready(sk, EPOLLERR);
}

/* --- to the program ---------------------------------------------------------------------------- */

static uint8_t origin_of(const struct pkbuf *b)
{
	if (b->kind == PKBUF_STAMP)
		return SO_EE_ORIGIN_TIMESTAMPING;
	return err_of(b)->local ? SO_EE_ORIGIN_LOCAL : SO_EE_ORIGIN_ICMP;
}

/* What is told of the packet beside the error; SOF_TIMESTAMPING_OPT_CMSG: of one that was sent, too. */
static bool tells_packet(const struct sock *sk, const struct pkbuf *b)
{
	if (b->kind == PKBUF_STAMP)
		return b->dev && (sk->rare->stamps->flags & SOF_TIMESTAMPING_OPT_CMSG);
	return !err_of(b)->local;
}

static void error_control(const struct sock *sk, const struct pkbuf *b, struct sock_msg *m)
{
	const struct sock_err *e = err_of(b);
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in offender;
	} out = {
	    .ee =
		{
		    .ee_errno = (uint32_t)e->err,
		    .ee_origin = origin_of(b),
		    .ee_type = e->type,
		    .ee_code = e->code,
		    .ee_info = e->mtu,
		    .ee_data = b->kind == PKBUF_STAMP ? e->seq : 0,
		},
	};

	if (tells_packet(sk, b)) {
		out.offender.sin_family = AF_INET;
		memcpy(&out.offender.sin_addr, &b->src.b[12], sizeof(out.offender.sin_addr));
	}
	sock_msg_control(m, IPPROTO_IP, IP_RECVERR, &out, sizeof(out));
}

/* The pending errno was that of the error taken: now it is the next one's, if that came by ICMP. */
static void error_next(struct sock *sk, bool was_local)
{
	const struct pkbuf *next = errq_of(sk)->head;

	if (next && !err_of(next)->local)
		sk->err = (int16_t)err_of(next)->err;
	else if (!was_local)
		sk->err = 0;
	if (next)
		sock_ready(sk, EPOLLERR);
}

/* Whom the datagram was for, which a stamp does not say. */
static void error_from(const struct pkbuf *b, struct sock_msg *m)
{
	if (b->kind == PKBUF_STAMP)
		return;
	m->has_addr = true;
	m->addr = err_of(b)->dst;
	m->port = err_of(b)->port;
}

static void stamp_control(const struct sock *sk, const struct pkbuf *b, struct sock_msg *m)
{
	uint8_t stats[STAMP_STATS_MAX];
	uint32_t n = err_of(b)->len;

	sock_stamp_out(sk, b->stamp, true, m);
	if (n == 0 || n > sizeof(stats) || !(sk->rare->stamps->flags & SOF_TIMESTAMPING_SOFTWARE))
		return;
	pkbuf_read(b, 0, stats, n);
	sock_msg_control(m, SOL_SOCKET, SCM_TIMESTAMPING_OPT_STATS, stats, n);
}

ssize_t sock_recv_error(struct sock *sk, struct sock_msg *m)
{
	struct pkbuf *b;
	uint32_t n;

	if (!sock_has_errors(sk))
		return -EAGAIN;
	b = errq_take(sk);
	n = b->len < m->len ? b->len : (uint32_t)m->len;
	dgram_copy(b, m, n);
	error_from(b, m);
	m->out_flags = MSG_ERRQUEUE | (n < b->len ? MSG_TRUNC : 0);
	if (b->kind == PKBUF_STAMP)
		stamp_control(sk, b, m);
	if (tells_packet(sk, b))
		dgram_control_out(sk, b, m);
	error_control(sk, b, m);
	error_next(sk, err_of(b)->local);
	pkbuf_free(b);
	return n;
}
