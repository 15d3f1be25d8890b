/*
 * tcp/tcp_land.c - direct placement (net/landing.h): a program that waits in recv() lends its buffer for the text that
 * comes next, and has it back before the call is over.
 *
 * Text lies in the buffer where recv() will want it, as long as nobody else has read before it; else it is moved there.
 * What is still queued when the call ends (behind an urgent byte, out of order) gets memory of its own.
 */
#include <assert.h>
#include <errno.h>

#include "net/landing.h"
#include "tcp/tcp_priv.h"

#define TS_HLEN 12 /* bytes of a header that timestamps take, as everybody pads them */

/* The room of the message at its next byte; false: little, or in parts. */
static bool lend_room(const struct sock_msg *m, struct iovec *room)
{
	const struct iovec *v = m->iov;
	size_t at = m->skip;

	for (; v < m->iov + m->niov && at >= v->iov_len; v++)
		at -= v->iov_len;
	if (v == m->iov + m->niov || v->iov_len - at < LANDING_MIN)
		return false;
	room->iov_base = (uint8_t *)v->iov_base + at;
	room->iov_len = v->iov_len - at < INT32_MAX ? v->iov_len - at : INT32_MAX;
	return true;
}

/* Is the next text likely to come in order, and to be all for the program? */
static bool lend_pays(const struct tcp_sock *ts)
{
	return tcp_state_in(ts, TCP_CAN_RECV) && !ts->sk.shutdown && !ts->est->rcvq_head &&
	       !ts->rare->ofo && !(ts->flags & (TCP_F_URG_IN | TCP_F_FIN_SEEN));
}

/* Nothing has come, and the thread is about to sleep: an ACK that was held (tcp_delack.c) goes now. */
static void lend_idle(struct landing *l)
{
	struct sock *sk = l->owner;
	struct batch batch;

	l->idle = NULL;
	l->full = false;
	batch_begin(&batch, sk->stack);
	sock_lock(sk);
	tcp_push(sk);
	sock_unlock(sk);
	batch_end(&batch);
}

/* Addresses and ports, the peer's first, as its segments have them. */
static void lend_flow(const struct sock *sk, uint8_t *flow)
{
	be16 from = be16_of(sk->c.rport), to = be16_of(sk->c.lport);

	memcpy(flow, sk->c.raddr.b + 12, 4);
	memcpy(flow + 4, sk->c.laddr.b + 12, 4);
	memcpy(flow + 8, &from, 2);
	memcpy(flow + 10, &to, 2);
}

void tcp_land_lend(struct tcp_sock *ts, struct sock_msg *m)
{
	struct landing *l = m->landing;
	struct iovec room;

	landing_withdraw(ts->sk.stack);
	if (!lend_pays(ts) || !lend_room(m, &room)) {
		if (ts->flags & TCP_F_ACK_NOW) /* that was held: here lend_idle() will not come */
			tcp_push(&ts->sk);
		return;
	}
	assert(!l->owner || !piece_is_shared(&l->piece)); /* nothing is queued, in order or not */
	l->owner = &ts->sk;
	l->idle = ts->flags & TCP_F_ACK_NOW ? lend_idle : NULL;
	l->next = ts->rcv_nxt;
	l->hlen = IP4_HLEN + TCP_HLEN + (ts->flags & TCP_F_TS ? TS_HLEN : 0);
	lend_flow(&ts->sk, l->flow);
	landing_lend(l, ts->sk.stack, room.iov_base, (uint32_t)room.iov_len);
}

/* What was acknowledged and can be kept nowhere: the stream is broken. */
static void land_lost(struct tcp_sock *ts)
{
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPAbortOnMemory);
	tcp_rcvq_free(ts);
	tcp_abort(ts, ENOMEM);
}

void tcp_recv_end(struct sock *sk, struct sock_msg *m)
{
	struct landing *l = m->landing;
	struct tcp_sock *ts = tcp_sk(sk);
	int r = 0;

	landing_withdraw(sk->stack);
	if (!l->owner || !piece_is_shared(&l->piece))
		return;
	for (struct pkbuf *b = ts->est->rcvq_head; b && r == 0; b = b->next)
		r = pkbuf_settle(b);
	if (r < 0)
		land_lost(ts);
	if (piece_is_shared(&l->piece)) /* out of order: the peer has it still */
		tcp_ofo_free(ts);
	assert(!piece_is_shared(&l->piece));
}
