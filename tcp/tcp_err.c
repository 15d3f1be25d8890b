/*
 * tcp/tcp_err.c - ICMP errors (RFC 1122, 4.2.3.9; RFC 5461; RFC 5927).
 *
 * Only an error that quotes a sequence number in flight is believed.  It ends a connection that is
 * still opening; an open one keeps it for the day it runs out of retransmissions.
 */
#include <errno.h>
#include <string.h>

#include "lib/wire/icmp4.h"
#include "tcp/tcp_priv.h"

#define TCP_QUOTE_MIN 8 /* ports and sequence number */

static void err_locked(struct sock *sk, const struct sock_err *e)
{
	if (inet_hashed(&sk->c))
		tcp_err_in(tcp_sk(sk), e);
}

static void err_to_backlog(struct sock *sk, const struct sock_err *e)
{
	struct pkbuf *b = pkbuf_alloc(sk->stack, 0);

	if (!b)
		return;
	b->kind = PKBUF_ERROR;
	memcpy(b->cb, e, sizeof(*e));
	_Static_assert(sizeof(*e) <= sizeof(b->cb), "fits the pkbuf's notes");
	if (!sock_deliver(sk, b))
		mib_inc(sk->stack, MIB_TcpExt_LockDroppedIcmps);
}

static void err_full(struct sock *sk, const struct sock_err *e)
{
	if (!sock_lock_or_leave(sk, 0)) {
		err_to_backlog(sk, e);
		return;
	}
	err_locked(sk, e);
	sock_unlock(sk);
}

static bool err_is_frag_needed(const struct sock_err *e)
{
	return e->type == ICMP_DEST_UNREACH && e->code == ICMP_FRAG_NEEDED;
}

/* A SYN-ACK that does not arrive: the request is still opening, and goes (RFC 5461, 4.1; as Linux). */
static void err_request(struct tcp_request *rq, const struct sock_err *e)
{
	struct sock *sk = rq->listener;

	if (!sock_lock_or_leave(sk, 0)) {
		mib_inc(sk->stack, MIB_TcpExt_LockDroppedIcmps);
		return;
	}
	if (rq->prev && e->seq != rq->iss)
		mib_inc(sk->stack, MIB_TcpExt_OutOfWindowIcmps);
	else if (rq->prev && e->err && !err_is_frag_needed(e))
		tcp_request_drop(tcp_sk(sk), rq);
	sock_unlock(sk);
}

void tcp_err(const struct ip_err *ie)
{
	const struct tcp_hdr *h = (const struct tcp_hdr *)(const void *)ie->l4;
	struct inet_table *t = ie->stack->tcp->table;
	struct inet_tuple tu = {.laddr = ie->src, .raddr = ie->dst};
	struct sock_err e = {
	    .err = ie->err,
	    .type = ie->type,
	    .code = ie->code,
	    .fatal = ie->fatal,
	    .mtu = ie->mtu,
	    .len = ie->len,
	};
	struct sock_common *c;

	if (ie->l4len < TCP_QUOTE_MIN)
		return;
	tu.lport = be16_get(h->sport);
	tu.rport = be16_get(h->dport);
	e.seq = be32_get(h->seq);
	c = inet_lookup(t, &tu);
	if (!c) {
		mib_inc(ie->stack, MIB_Icmp_InErrors);
		return;
	}
	if (c->kind == SOCK_KIND_FULL)
		err_full((struct sock *)(void *)c, &e);
	else if (c->kind == SOCK_KIND_REQUEST)
		err_request((struct tcp_request *)(void *)c, &e);
	inet_common_put(t, c);
}

/*
 * The data beside the SYN were too much for a path that, as a rule, is no wider the other way: the SYN that goes
 * again asks for what fits (as Linux).
 */
static void syn_too_large(struct tcp_sock *ts, uint32_t mtu)
{
	uint32_t hdr = ip_hdr_bytes(&ts->sk.c.raddr) + TCP_HLEN;

	if (mtu > hdr + TCP_MSS_MIN && mtu - hdr < ts->advmss)
		ts->advmss = (uint16_t)(mtu - hdr);
	tcp_syn_again(ts, tcp_now(ts));
}

/* RFC 1191, 6.4: what was too large goes again at once, in segments that fit. */
static void err_mtu(struct tcp_sock *ts, const struct sock_err *e)
{
	uint32_t mtu;

	if (!sock_believes_mtu(&ts->sk))
		return;
	mtu = pmtu_learn(ts->sk.stack, &ts->sk.c.raddr, e->mtu, e->len);
	if (mtu && tcp_state_of(ts) == TCP_SYN_SENT && tcp_flight(ts) > 1 &&
	    ts->rare->total_retrans == 0)
		syn_too_large(ts, mtu);
	if (!tcp_state_in(ts, TCP_SYNCHRONIZED) || !mtu || !tcp_mss_sync(ts, mtu))
		return;
	tcp_recovery_mtu(ts);
	tcp_push_later(ts);
}

/* Does an error end it?  One that a program has already, by Fast Open, it does not (Linux). */
static bool err_is_opening(struct tcp_sock *ts)
{
	if (tcp_state_of(ts) == TCP_SYN_SENT)
		return true;
	return tcp_state_of(ts) == TCP_SYN_RECV &&
	       !((ts->flags & TCP_F_FASTOPEN) && atomic_load(&ts->sk.socket));
}

void tcp_err_in(struct tcp_sock *ts, const struct sock_err *e)
{
	uint32_t first = ts->flags & TCP_F_FASTOPEN ? ts->iss : ts->snd_una;

	struct sock *sk = &ts->sk;
	unsigned state = tcp_state_of(ts);

	if (state == TCP_CLOSE || state == TCP_LISTEN)
		return;
	if (!seq_between(e->seq, first, ts->snd_nxt)) { /* RFC 5927, 4.1 */
		mib_inc(sk->stack, MIB_TcpExt_OutOfWindowIcmps);
		return;
	}
	if (err_is_frag_needed(e)) {
		err_mtu(ts, e);
		return;
	}
	if (!e->err)
		return;
	if (err_is_opening(ts)) /* RFC 5461, 4.1; as Linux does */
		tcp_done(ts, e->err);
	else if ((sk->flags & SOCK_RECVERR) && e->fatal)
		sock_set_error(sk, e->err);
	else
		sk->soft_err = (int16_t)e->err;
}
