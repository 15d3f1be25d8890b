/*
 * tcp/tcp_child.c - from request to full sock: the child that the third ACK makes, what it has from
 * its listener and what from the SYN (RFC 9293, 3.10.7.4, fifth, SYN-RECEIVED).
 */
#include "ip/inet_stamp.h"
#include "tcp/tcp_priv.h"

/* Of a listener's; IP options are the SYN's affair.  False: no memory. */
static bool rare_copied(struct sock *to, const struct sock *from)
{
	struct sock_rare *k;

	if (from->rare == &sock_rare_none)
		return true;
	k = sock_rare_get(to);
	if (!k)
		return false;
	k->mark = from->rare->mark;
	k->rcvlowat = from->rare->rcvlowat;
	k->linger_s = from->rare->linger_s;
	return sock_stamps_inherit(to, from);
}

/* False: no memory. */
static bool child_options(struct tcp_sock *child, const struct tcp_sock *ls)
{
	const uint32_t kept = SOCK_REUSEADDR | SOCK_REUSEPORT | SOCK_KEEPALIVE | SOCK_OOBINLINE |
			      SOCK_LINGER | SOCK_RCVBUF_LOCKED | SOCK_SNDBUF_LOCKED |
			      SOCK_DONTROUTE | SOCK_STAMPS_IN | SOCK_STAMPING_OUT;
	struct sock *to = &child->sk;
	const struct sock *from = &ls->sk;

	to->flags = from->flags & kept;
	atomic_store_explicit(&to->rcvbuf, from->rcvbuf, memory_order_relaxed);
	atomic_store_explicit(&to->sndbuf, from->sndbuf, memory_order_relaxed);
	to->tos = from->tos;
	to->ttl = from->ttl;
	to->c.minttl = from->c.minttl;
	to->pmtudisc = from->pmtudisc;
	child->flags = ls->flags & (TCP_F_NODELAY | TCP_F_CORK | TCP_F_PINGPONG | TCP_F_CC_CHOSEN);
	if (ls->flags & TCP_F_CC_CHOSEN)
		child->cc = ls->cc;
	return rare_copied(to, from) && tcp_rare_inherit(child, ls);
}

static void child_sequence(struct tcp_sock *child, const struct tcp_request *rq)
{
	child->iss = child->snd_una = rq->iss;
	child->snd_nxt = child->write_seq = rq->iss + 1;
	child->snd_wnd = child->est->max_window = rq->snd_wnd;
	child->snd_wl1 = child->est->irs = rq->irs;
	child->rcv_nxt = child->copied_seq = child->ack_sent = rq->irs + 1;
	child->rcv_adv = child->rcv_nxt + rq->rcv_wnd;
	child->peer_mss = rq->peer_mss;
	child->advmss = rq->advmss;
	child->snd_wscale = rq->snd_wscale;
	child->rcv_wscale = rq->rcv_wscale;
	child->ts_recent = rq->ts_recent;
	child->ts_recent_ms = tcp_ms(rq->sent);
	child->ts_offset = rq->ts_offset;
	if (!rq->answered && !rq->acked) /* RFC 6298, 3: else no sample */
		tcp_syn_stamp(child, rq->sent);
	child->flags |= TCP_F_PASSIVE | (rq->resent ? TCP_F_SYN_RTX : 0);
	if (rq->resent)
		tcp_retrans_count(child, rq->resent, 0);
	if (rq->opts & SEG_OPT_TS)
		child->flags |= TCP_F_TS;
	if (rq->opts & SEG_OPT_ECN)
		child->flags |= TCP_F_ECN;
	if (rq->opts & SEG_OPT_SACK_OK)
		child->flags |= TCP_F_SACK;
	if (rq->opts & SEG_OPT_WSCALE)
		child->flags |= TCP_F_WSCALE;
}

/* In the table, in the place of rq if it is there; NULL: no memory, or another has the tuple. */
static NO_LOCK_ANALYSIS struct tcp_sock *child_insert(struct tcp_sock *ls, struct tcp_request *rq,
						      bool hashed)
{
	struct stack *st = ls->sk.stack;
	struct sock *sk = sock_alloc(st, ls->sk.ops);
	struct inet_table *t = st->tcp->table;

	if (!sk)
		return NULL;
	sk->c.laddr = rq->c.laddr;
	sk->c.raddr = rq->c.raddr;
	sk->c.lport = rq->c.lport;
	sk->c.rport = rq->c.rport;
	atomic_store_explicit(&sk->c.ifindex, rq->c.ifindex, memory_order_relaxed);
	sk->c.families = rq->c.families;
	sk->path = rq->path;
	rq->path = NULL;
	if (!child_options(tcp_sk(sk), ls)) {
		sock_put(sk);
		return NULL;
	}
	child_sequence(tcp_sk(sk), rq);
	sock_lock_child(sk);
	if (inet_port_inherit(t, sk, &ls->sk) < 0 ||
	    inet_hash_insert(t, &sk->c, hashed ? &rq->c : NULL) < 0) {
		sk->flags |= SOCK_DEAD;
		inet_unhash(t, &sk->c);
		sock_unlock(sk);
		sock_put(sk);
		return NULL;
	}
	tcp_set_state(tcp_sk(sk), TCP_SYN_RECV);
	return tcp_sk(sk);
}

enum drop_reason tcp_child_make(struct tcp_sock *ls, struct tcp_request *rq, bool hashed,
				struct tcp_sock **child)
{
	struct stack *st = ls->sk.stack;

	if (tcp_accept_full(ls->rare->listen)) {
		mib_inc(st, MIB_TcpExt_ListenOverflows);
		mib_inc(st, MIB_TcpExt_ListenDrops);
		return DROP_TCP_ACCEPT_QUEUE;
	}
	*child = child_insert(ls, rq, hashed);
	if (!*child) {
		mib_inc(st, MIB_TcpExt_ListenDrops);
		return DROP_NO_MEMORY;
	}
	mib_inc(st, MIB_Tcp_PassiveOpens);
	return DROP_NONE;
}

NO_LOCK_ANALYSIS void tcp_child_open(struct tcp_sock *ls, struct tcp_sock *child, struct pkbuf *b)
{
	tcp_process(child, b);
	tcp_accept_add(ls, child);
	sock_unlock(&child->sk);
}
