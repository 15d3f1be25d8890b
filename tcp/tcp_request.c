/*
 * tcp/tcp_request.c - SYN-RECEIVED of a listener: a small request sock from the SYN to the third
 * ACK, which makes the child (RFC 9293, 3.10.7.2 and 3.10.7.4; RFC 4987, 3.5).
 *
 * The SYN queue is bounded; a flood costs what it holds and a SYN-ACK a SYN, no more.
 */
#include <stdlib.h>

#include "tcp/tcp_priv.h"

/* --- the SYN queue ------------------------------------------------------------------------------ */

static unsigned request_list(const struct tcp_request *rq)
{
	return rq->retries < TCP_REQUEST_LISTS ? rq->retries : TCP_REQUEST_LISTS - 1;
}

static uint64_t request_timeout(struct stack *st, const struct tcp_request *rq)
{
	uint64_t most = (uint64_t)sysctl_get(st, tcp_rto_max_ms) * NSEC_PER_MSEC;
	uint64_t ns = (TCP_RTO_INIT_US * NSEC_PER_USEC) << request_list(rq);

	return ns < most ? ns : most;
}

static void request_link(struct tcp_sock *ls, struct tcp_request *rq)
{
	struct tcp_listen *l = ls->listen;
	unsigned i = request_list(rq);

	rq->sent = env_now(ls->sk.stack->env);
	rq->due = rq->sent + request_timeout(ls->sk.stack, rq);
	rq->next = NULL;
	rq->prev = l->requests[i].tail;
	*rq->prev = rq;
	l->requests[i].tail = &rq->next;
	l->nrequests++;
	if (!ls->due[TCP_DUE_KEEP] || rq->due < ls->due[TCP_DUE_KEEP])
		tcp_timer_set(ls, TCP_DUE_KEEP, rq->due);
}

static void request_unlink(struct tcp_sock *ls, struct tcp_request *rq)
{
	struct tcp_listen *l = ls->listen;

	*rq->prev = rq->next;
	if (rq->next)
		rq->next->prev = rq->prev;
	else
		l->requests[request_list(rq)].tail = rq->prev;
	rq->prev = NULL;
	l->nrequests--;
}

void tcp_request_free(struct tcp_request *rq)
{
	gauge_add(rq->listener->stack, GAUGE_requests, -1);
	sock_put(rq->listener);
	free(rq);
}

void tcp_request_drop(struct tcp_sock *ls, struct tcp_request *rq)
{
	struct inet_table *t = ls->sk.stack->tcp->table;

	request_unlink(ls, rq);
	inet_unhash(t, &rq->c);
	inet_common_put(t, &rq->c);
}

/* --- the SYN-ACK -------------------------------------------------------------------------------- */

static void request_reply(const struct tcp_request *rq, struct tcp_reply *r)
{
	const struct sock *sk = rq->listener;

	*r = (struct tcp_reply){
	    .stack = sk->stack,
	    .src = rq->c.laddr,
	    .dst = rq->c.raddr,
	    .sport = rq->c.lport,
	    .dport = rq->c.rport,
	    .ifindex = rq->c.ifindex,
	    .mark = sk->mark,
	    .tos = sk->tos,
	    .ttl = sk->ttl,
	    .ack = rq->irs + 1,
	    .tsval = tcp_ms(env_now(sk->stack->env)) + rq->ts_offset,
	    .tsecr = rq->ts_recent,
	};
}

static void request_synack(const struct tcp_request *rq)
{
	struct tcp_reply r;

	request_reply(rq, &r);
	r.seq = rq->iss;
	r.flags = TCP_SYN | TCP_ACK;
	r.wnd = rq->rcv_wnd;
	r.opts = rq->opts | SEG_OPT_MSS;
	r.mss = rq->advmss;
	r.wscale = rq->rcv_wscale;
	tcp_reply_send(&r);
}

static void request_ack(struct tcp_request *rq)
{
	struct stack *st = rq->listener->stack;
	struct tcp_reply r;

	if (!tcp_oow_allowed(st, rq->oow_ack_ms, MIB_TcpExt_TCPACKSkippedSynRecv))
		return;
	rq->oow_ack_ms = tcp_ms(env_now(st->env));
	request_reply(rq, &r);
	r.seq = rq->iss + 1;
	r.flags = TCP_ACK;
	r.wnd = rq->rcv_wnd >> rq->rcv_wscale;
	r.opts = rq->opts & SEG_OPT_TS;
	tcp_reply_send(&r);
}

/* The SYN came again: our answer may have been lost. */
static void request_synack_again(struct tcp_request *rq)
{
	struct stack *st = rq->listener->stack;

	if (!tcp_oow_allowed(st, rq->oow_ack_ms, MIB_TcpExt_TCPACKSkippedSynRecv))
		return;
	rq->oow_ack_ms = tcp_ms(env_now(st->env));
	rq->answered = true;
	request_synack(rq);
}

static void request_retry(struct tcp_sock *ls, struct tcp_request *rq)
{
	struct stack *st = ls->sk.stack;
	unsigned most = ls->syncnt ? ls->syncnt : (unsigned)sysctl_get(st, tcp_synack_retries);

	if (rq->retries >= most) {
		mib_inc(st, MIB_Tcp_AttemptFails);
		tcp_request_drop(ls, rq);
		return;
	}
	request_unlink(ls, rq);
	rq->retries++;
	request_link(ls, rq);
	mib_inc(st, MIB_TcpExt_TCPTimeouts);
	mib_inc(st, MIB_Tcp_RetransSegs);
	request_synack(rq);
}

/* The head of each list is the first of it that is due. */
void tcp_request_timer(struct tcp_sock *ls)
{
	struct tcp_listen *l = ls->listen;
	uint64_t now = env_now(ls->sk.stack->env), first = 0;

	for (unsigned i = 0; i < TCP_REQUEST_LISTS; i++) {
		while (l->requests[i].head && l->requests[i].head->due <= now)
			request_retry(ls, l->requests[i].head);
	}
	for (unsigned i = 0; i < TCP_REQUEST_LISTS; i++) {
		struct tcp_request *rq = l->requests[i].head;

		if (rq && (!first || rq->due < first))
			first = rq->due;
	}
	if (first)
		tcp_timer_set(ls, TCP_DUE_KEEP, first);
}

/* --- the SYN ------------------------------------------------------------------------------------ */

static enum drop_reason request_admit(struct tcp_sock *ls)
{
	struct tcp_listen *l = ls->listen;
	struct stack *st = ls->sk.stack;
	uint32_t most = (uint32_t)sysctl_get(st, tcp_max_syn_backlog);

	if (most < l->backlog)
		most = l->backlog;
	if (tcp_accept_full(l)) {
		mib_inc(st, MIB_TcpExt_ListenOverflows);
		return DROP_TCP_ACCEPT_QUEUE;
	}
	if (l->nrequests >= most) {
		mib_inc(st, MIB_TcpExt_TCPReqQFullDrop);
		return DROP_TCP_SYN_QUEUE;
	}
	return DROP_NONE;
}

static void request_addresses(struct tcp_request *rq, const struct sock *sk, const struct pkbuf *b)
{
	const struct tcp_hdr *h = (const struct tcp_hdr *)(const void *)(b->hdr + b->l4);
	struct sock_common *c = &rq->c;

	c->laddr = b->dst;
	c->raddr = b->src;
	c->lport = be16_get(h->dport);
	c->rport = be16_get(h->sport);
	c->ifindex = sk->c.ifindex;
	c->families = sk->c.families;
	c->proto = sk->c.proto;
	c->kind = SOCK_KIND_REQUEST;
	c->state = TCP_SYN_RECV;
	atomic_store_explicit(&c->ref, 1, memory_order_relaxed);
}

/* What both ends can do. */
static void request_options(struct tcp_request *rq, struct sock *sk, const struct tcp_seg *g)
{
	struct stack *st = sk->stack;
	uint8_t want = 0;

	if (sysctl_get(st, tcp_timestamps))
		want |= SEG_OPT_TS;
	if (sysctl_get(st, tcp_window_scaling))
		want |= SEG_OPT_WSCALE;
	if (sysctl_get(st, tcp_sack))
		want |= SEG_OPT_SACK_OK;
	rq->opts = g->opts & want;
	rq->peer_mss = g->opts & SEG_OPT_MSS ? g->mss : TCP_MSS_DEFAULT;
	rq->snd_wnd = g->wnd;
	rq->rcv_wnd = tcp_rcv_wnd_init(sk);
	if (rq->opts & SEG_OPT_WSCALE) {
		rq->snd_wscale = g->wscale;
		rq->rcv_wscale = tcp_rcv_wscale_init(sk);
	}
	rq->ts_recent = g->tsval;
	rq->ts_offset = tcp_ts_offset(st, &rq->c.laddr, &rq->c.raddr);
}

static uint16_t request_advmss(const struct tcp_request *rq, struct sock *sk)
{
	struct ip_flow f;
	struct path *path;
	uint16_t mss;
	int err;

	sock_flow(sk, &rq->c.raddr, &f);
	f.src = rq->c.laddr;
	path = path_get(sk->stack, &f, &err);
	mss = tcp_advmss(sk, &rq->c.raddr, path);
	if (path)
		path_put(path);
	return mss;
}

static struct tcp_request *request_make(struct sock *sk, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	struct tcp_request *rq = calloc(1, sizeof(*rq));
	struct inet_tuple tu;

	if (!rq)
		return NULL;
	request_addresses(rq, sk, b);
	request_options(rq, sk, g);
	rq->advmss = request_advmss(rq, sk);
	tu = (struct inet_tuple){rq->c.laddr, rq->c.raddr, rq->c.lport, rq->c.rport, 0};
	rq->irs = g->seq;
	rq->iss = g->iss ? g->iss : tcp_isn(sk->stack, &tu);
	rq->listener = sock_hold(sk);
	gauge_add(sk->stack, GAUGE_requests, 1);
	return rq;
}

void tcp_request_new(struct tcp_sock *ls, struct pkbuf *b)
{
	struct sock *sk = &ls->sk;
	enum drop_reason why = request_admit(ls);
	struct tcp_request *rq;

	if (why) {
		mib_inc(sk->stack, MIB_TcpExt_ListenDrops);
		pkbuf_drop(b, why);
		return;
	}
	rq = request_make(sk, b);
	if (!rq) {
		pkbuf_drop(b, DROP_NO_MEMORY);
		return;
	}
	if (inet_hash_insert(sk->stack->tcp->table, &rq->c, NULL) < 0) {
		tcp_request_free(rq); /* the same SYN came by another way just now */
		pkbuf_drop(b, DROP_TCP_OLD_DATA);
		return;
	}
	request_link(ls, rq);
	request_synack(rq);
	pkbuf_free(b);
}

/* --- the third ACK ------------------------------------------------------------------------------ */

static void child_options(struct tcp_sock *child, const struct tcp_sock *ls)
{
	const uint32_t kept = SOCK_REUSEADDR | SOCK_KEEPALIVE | SOCK_OOBINLINE | SOCK_LINGER |
			      SOCK_RCVBUF_LOCKED | SOCK_SNDBUF_LOCKED | SOCK_DONTROUTE;
	struct sock *to = &child->sk;
	const struct sock *from = &ls->sk;

	to->flags = from->flags & kept;
	to->rcvbuf = from->rcvbuf;
	to->sndbuf = from->sndbuf;
	to->mark = from->mark;
	to->rcvlowat = from->rcvlowat;
	to->linger_s = from->linger_s;
	to->tos = from->tos;
	to->ttl = from->ttl;
	to->minttl = from->minttl;
	to->pmtudisc = from->pmtudisc;
	child->flags = ls->flags & (TCP_F_NODELAY | TCP_F_CORK | TCP_F_QUICKACK | TCP_F_CC_CHOSEN);
	child->user_mss = ls->user_mss;
	child->keepidle = ls->keepidle;
	child->keepintvl = ls->keepintvl;
	child->keepcnt = ls->keepcnt;
	child->linger2_s = ls->linger2_s;
	child->user_timeout = ls->user_timeout;
	if (ls->flags & TCP_F_CC_CHOSEN)
		child->cc = ls->cc;
}

static void child_sequence(struct tcp_sock *child, const struct tcp_request *rq)
{
	child->iss = child->snd_una = child->snd_up = child->snd_sml = rq->iss;
	child->snd_nxt = child->write_seq = rq->iss + 1;
	child->snd_wnd = child->max_window = rq->snd_wnd;
	child->snd_wl1 = child->irs = rq->irs;
	child->rcv_nxt = child->copied_seq = child->ack_sent = child->rcv_up = rq->irs + 1;
	child->rcv_adv = child->rcv_nxt + rq->rcv_wnd;
	child->peer_mss = rq->peer_mss;
	child->advmss = rq->advmss;
	child->snd_wscale = rq->snd_wscale;
	child->rcv_wscale = rq->rcv_wscale;
	child->ts_recent = rq->ts_recent;
	child->ts_recent_ms = tcp_ms(rq->sent);
	child->ts_offset = rq->ts_offset;
	child->syn_sent = rq->answered ? 0 : rq->sent; /* RFC 6298, 3: no sample */
	child->flags |= TCP_F_PASSIVE | (rq->retries ? TCP_F_SYN_RTX : 0);
	if (rq->opts & SEG_OPT_TS)
		child->flags |= TCP_F_TS;
	if (rq->opts & SEG_OPT_SACK_OK)
		child->flags |= TCP_F_SACK;
	if (rq->opts & SEG_OPT_WSCALE)
		child->flags |= TCP_F_WSCALE;
}

/* The full sock that takes the request's place, locked; NULL: no memory. */
static NO_LOCK_ANALYSIS struct tcp_sock *child_make(struct tcp_sock *ls, struct tcp_request *rq)
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
	sk->c.ifindex = rq->c.ifindex;
	sk->c.families = rq->c.families;
	child_options(tcp_sk(sk), ls);
	child_sequence(tcp_sk(sk), rq);
	sock_lock_child(sk);
	if (inet_port_inherit(t, sk, &ls->sk) < 0 || inet_hash_insert(t, &sk->c, &rq->c) < 0) {
		sk->flags |= SOCK_DEAD;
		inet_unhash(t, &sk->c);
		sock_unlock(sk);
		sock_put(sk);
		return NULL;
	}
	tcp_set_state(tcp_sk(sk), TCP_SYN_RECV);
	return tcp_sk(sk);
}

static NO_LOCK_ANALYSIS void request_complete(struct tcp_sock *ls, struct tcp_request *rq,
					      struct pkbuf *b)
{
	struct stack *st = ls->sk.stack;
	struct tcp_sock *child;

	if (tcp_accept_full(ls->listen)) {
		mib_inc(st, MIB_TcpExt_ListenOverflows);
		if (sysctl_get(st, tcp_abort_on_overflow)) {
			tcp_reply_rst(b);
			tcp_request_drop(ls, rq);
		}
		pkbuf_drop(b, DROP_TCP_ACCEPT_QUEUE);
		return;
	}
	child = child_make(ls, rq);
	if (!child) {
		pkbuf_drop(b, DROP_NO_MEMORY);
		return;
	}
	request_unlink(ls, rq);
	inet_common_put(st->tcp->table, &rq->c);
	mib_inc(st, MIB_Tcp_PassiveOpens);
	tcp_process(child, b);
	tcp_accept_add(ls, child);
	sock_unlock(&child->sk);
}

/* --- a segment for a request: RFC 9293, 3.10.7.4 in SYN-RECEIVED -------------------------------- */

static bool request_paws(const struct tcp_request *rq, const struct tcp_seg *g)
{
	return (rq->opts & SEG_OPT_TS) && (g->opts & SEG_OPT_TS) && seq_lt(g->tsval, rq->ts_recent);
}

static enum drop_reason request_rst(struct tcp_sock *ls, struct tcp_request *rq,
				    const struct tcp_seg *g)
{
	struct stack *st = ls->sk.stack;

	if (g->seq != rq->irs + 1) { /* RFC 5961, 3.2 */
		request_ack(rq);
		return DROP_TCP_RST_CHALLENGE;
	}
	mib_inc(st, MIB_TcpExt_EmbryonicRsts);
	mib_inc(st, MIB_Tcp_AttemptFails);
	tcp_request_drop(ls, rq);
	return DROP_TCP_RESET;
}

/* The steps up to the ACK.  DROP_NONE: the third ACK is here. */
static enum drop_reason request_check(struct tcp_sock *ls, struct tcp_request *rq, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);

	if (!(g->flags & TCP_RST) && request_paws(rq, g)) {
		mib_inc(ls->sk.stack, MIB_TcpExt_PAWSEstab);
		request_ack(rq);
		return DROP_TCP_PAWS;
	}
	if ((rq->opts & SEG_OPT_TS) && !(g->opts & SEG_OPT_TS) && !(g->flags & (TCP_RST | TCP_SYN)))
		return DROP_TCP_NO_TIMESTAMP; /* RFC 7323, 3.2: as the child would */
	if (g->seq == rq->irs && (g->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
		request_synack_again(rq);
		return DROP_TCP_OLD_DATA;
	}
	if (!tcp_seq_acceptable(g, rq->irs + 1, rq->rcv_wnd)) {
		if (!(g->flags & TCP_RST))
			request_ack(rq);
		return DROP_TCP_WINDOW;
	}
	if (g->flags & TCP_RST)
		return request_rst(ls, rq, g);
	if (g->flags & TCP_SYN) {
		request_ack(rq); /* RFC 5961, 4.2 */
		return DROP_TCP_SYN_CHALLENGE;
	}
	if (!(g->flags & TCP_ACK))
		return DROP_TCP_NO_ACK;
	if (g->ack != rq->iss + 1) {
		tcp_reply_rst(b);
		return DROP_TCP_SYNRCVD_ACK;
	}
	return DROP_NONE;
}

void tcp_request_in(struct tcp_sock *ls, struct tcp_request *rq, struct pkbuf *b)
{
	enum drop_reason why = request_check(ls, rq, b);

	if (why)
		pkbuf_drop(b, why);
	else
		request_complete(ls, rq, b);
}
