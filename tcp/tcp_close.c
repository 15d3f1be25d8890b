/*
 * tcp/tcp_close.c - shutdown, close, abort and the one way to CLOSED (RFC 9293, 3.6 and 3.10.4;
 * RFC 2525, 2.17; RFC 1122, 4.2.2.13).
 */
#include <errno.h>

#include "tcp/tcp_priv.h"

/* Our side is done: the FIN goes behind what is queued. */
static void close_send(struct tcp_sock *ts)
{
	unsigned state = tcp_state_of(ts);

	if (state != TCP_ESTABLISHED && state != TCP_SYN_RECV && state != TCP_CLOSE_WAIT)
		return;
	if (state == TCP_SYN_RECV) /* the FIN goes out without ESTABLISHED */
		tcp_cc_init(ts);
	if (tcp_queue_fin(ts) < 0) {
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPAbortOnMemory);
		tcp_abort(ts, ENOBUFS);
		return;
	}
	ts->flags &= ~(TCP_F_CORK | TCP_F_MORE);
	tcp_set_state(ts, state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT1);
	tcp_push(&ts->sk);
}

int tcp_shutdown(struct sock *sk, int how)
{
	struct tcp_sock *ts = tcp_sk(sk);
	unsigned state = tcp_state_of(ts);

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (state == TCP_CLOSE)
		return -ENOTCONN;
	if (state == TCP_LISTEN && how == SHUT_WR)
		return 0;
	if (state == TCP_LISTEN || state == TCP_SYN_SENT) {
		tcp_disconnect(sk);
		return 0;
	}
	if (how != SHUT_WR)
		sk->shutdown |= SOCK_SHUT_RD;
	if (how != SHUT_RD) {
		sk->shutdown |= SOCK_SHUT_WR;
		close_send(ts);
	}
	sock_ready(sk, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	return 0;
}

/* --- the end ------------------------------------------------------------------------------------ */

static void orphan_add(struct tcp_sock *ts)
{
	struct stack *st = ts->sk.stack;
	uint32_t most = (uint32_t)sysctl_get(st, tcp_max_orphans);
	uint32_t was = atomic_fetch_add_explicit(&st->tcp->orphans, 1, memory_order_relaxed);

	ts->flags |= TCP_F_ORPHAN;
	gauge_add(st, GAUGE_tcp_orphans, 1);
	if (was >= most) {
		mib_inc(st, MIB_TcpExt_TCPAbortOnMemory);
		tcp_abort(ts, 0);
	}
}

static void orphan_del(struct tcp_sock *ts)
{
	struct stack *st = ts->sk.stack;

	if (!(ts->flags & TCP_F_ORPHAN))
		return;
	ts->flags &= ~TCP_F_ORPHAN;
	atomic_fetch_sub_explicit(&st->tcp->orphans, 1, memory_order_relaxed);
	gauge_add(st, GAUGE_tcp_orphans, -1);
}

void tcp_done(struct tcp_sock *ts, int err)
{
	struct sock *sk = &ts->sk;
	unsigned state = tcp_state_of(ts);

	if (state == TCP_CLOSE)
		return;
	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV)
		mib_inc(sk->stack, MIB_Tcp_AttemptFails);
	else if (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT)
		mib_inc(sk->stack, MIB_Tcp_EstabResets);
	tcp_set_state(ts, TCP_CLOSE);
	tcp_timer_stop(ts);
	tcp_fastopen_leave(ts, err == ECONNRESET);
	tcp_xfer_free(ts);
	tcp_cc_stop(ts);
	tcp_ofo_free(ts);
	orphan_del(ts);
	ts->flags &= ~(TCP_F_ACK_NOW | TCP_F_ACK_DELAY);
	inet_unhash(sk->stack->tcp->table, &sk->c);
	sk->shutdown = SOCK_SHUT_RD | SOCK_SHUT_WR;
	if (sk->path)
		path_put(sk->path);
	sk->path = NULL;
	sk->soft_err = 0;
	if (err)
		sock_set_error(sk, err);
	sock_ready(sk, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP);
}

void tcp_abort(struct tcp_sock *ts, int err)
{
	const unsigned need_rst = TCP_IN(TCP_SYN_RECV) | TCP_IN(TCP_ESTABLISHED) |
				  TCP_IN(TCP_FIN_WAIT1) | TCP_IN(TCP_FIN_WAIT2) |
				  TCP_IN(TCP_CLOSE_WAIT); /* RFC 9293, 3.10.5 */

	if (tcp_state_in(ts, need_rst))
		tcp_send_rst(ts);
	tcp_done(ts, err);
}

/* --- close -------------------------------------------------------------------------------------- */

/* FIN-WAIT-2 that nobody reads: it ends by itself, as in Linux. */
void tcp_fin_wait2_orphan(struct tcp_sock *ts)
{
	int64_t s = ts->rare->linger2_s;

	if (s < 0) {
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPAbortOnLinger);
		tcp_abort(ts, 0);
		return;
	}
	if (s == 0)
		s = sysctl_get(ts->sk.stack, tcp_fin_timeout);
	tcp_timer_set(ts, TCP_DUE_KEEP, tcp_now(ts) + (uint64_t)s * NSEC_PER_SEC);
}

static void close_connection(struct tcp_sock *ts)
{
	struct sock *sk = &ts->sk;

	if (ts->est->rcvq_head) { /* RFC 2525, 2.17: the peer must learn that it was not read */
		mib_inc(sk->stack, MIB_TcpExt_TCPAbortOnClose);
		tcp_abort(ts, 0);
	} else if ((sk->flags & SOCK_LINGER) && sk->rare->linger_s == 0) {
		mib_inc(sk->stack, MIB_TcpExt_TCPAbortOnData);
		tcp_abort(ts, 0);
	} else {
		close_send(ts);
	}
	if (tcp_state_of(ts) == TCP_CLOSE)
		return;
	tcp_timer_clear(ts, TCP_DUE_KEEP);
	if (tcp_state_of(ts) == TCP_FIN_WAIT2)
		tcp_fin_wait2_orphan(ts);
	if (tcp_state_of(ts) != TCP_CLOSE)
		orphan_add(ts);
}

void tcp_close(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);

	sk->flags |= SOCK_DEAD;
	sk->shutdown = SOCK_SHUT_RD | SOCK_SHUT_WR;
	switch (tcp_state_of(ts)) {
	case TCP_LISTEN:
		tcp_listen_close(ts);
		break;
	case TCP_CLOSE:
		inet_unhash(sk->stack->tcp->table, &sk->c); /* what bind() took */
		break;
	case TCP_SYN_SENT:
		tcp_done(ts, 0);
		break;
	default:
		close_connection(ts);
	}
	tcp_rcvq_free(ts);
}
