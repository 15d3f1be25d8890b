/*
 * tcp/tcp_syn.c - a SYN for a listener (RFC 9293, 3.10.7.2): what both ends agree on, and whether it
 * is kept as a request, answered with a cookie (tcp_cookie.c) or dropped.
 *
 * The SYN queue is bounded; a flood costs what it holds and a SYN-ACK a SYN, no more.
 */
#include "lib/cell.h"
#include "tcp/tcp_priv.h"

/* *cookie: nothing is to be kept, for the queue is full or memory short.  A SYN that follows a TIME-WAIT has its ISS chosen and is kept. */
static enum drop_reason request_admit(struct tcp_sock *ls, const struct tcp_seg *g, bool *cookie)
{
	struct stack *st = ls->sk.stack;
	bool full = ls->rare->listen->nrequests >= tcp_request_bound(ls);
	int64_t cookies = sysctl_get(st, tcp_syncookies);

	*cookie =
	    (full || cookies == TCP_COOKIES_ALWAYS || depot_pressure(st)) && cookies && !g->iss;
	if (full && !cookies) {
		mib_inc(st, MIB_TcpExt_TCPReqQFullDrop);
		return DROP_TCP_SYN_QUEUE;
	}
	if (*cookie)
		mib_inc(st, MIB_TcpExt_TCPReqQFullDoCookies);
	if (tcp_accept_full(ls->rare->listen)) {
		mib_inc(st, MIB_TcpExt_ListenOverflows);
		return DROP_TCP_ACCEPT_QUEUE;
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
	atomic_store_explicit(&c->ifindex, sk->c.ifindex, memory_order_relaxed);
	c->families = sk->c.families;
	c->proto = sk->c.proto;
	c->kind = SOCK_KIND_REQUEST;
	atomic_store_explicit(&c->state, TCP_SYN_RECV, memory_order_relaxed);
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
	if (sysctl_get(st, tcp_ecn))
		want |= SEG_OPT_ECN;
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

/* Looked up once: for the SYN-ACK and for the child too. */
static struct path *request_path(const struct tcp_request *rq, const struct sock *sk)
{
	struct ip_flow f;
	int err;

	sock_flow(sk, &rq->c.raddr, &f);
	f.src = rq->c.laddr;
	return path_get(sk->stack, &f, &err);
}

void tcp_request_fill(struct tcp_request *rq, struct tcp_sock *ls, const struct pkbuf *b,
		      const struct tcp_seg *syn)
{
	*rq = (struct tcp_request){.listener = &ls->sk, .irs = syn->seq};
	request_addresses(rq, &ls->sk, b);
	request_options(rq, &ls->sk, syn);
	rq->path = request_path(rq, &ls->sk);
	rq->advmss = tcp_advmss(&ls->sk, &rq->c.raddr, rq->path);
}

uint32_t tcp_request_iss(const struct tcp_request *rq, const struct tcp_seg *syn)
{
	struct inet_tuple tu = {rq->c.laddr, rq->c.raddr, rq->c.lport, rq->c.rport, 0};

	return syn->iss ? syn->iss : tcp_isn(rq->listener->stack, &tu);
}

static struct tcp_request *request_make(struct tcp_sock *ls, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	struct tcp_request *rq = cell_alloc(ls->sk.stack, sizeof(*rq));

	if (!rq)
		return NULL;
	tcp_request_fill(rq, ls, b, g);
	rq->iss = tcp_request_iss(rq, g);
	sock_hold(&ls->sk);
	gauge_add(ls->sk.stack, GAUGE_requests, 1);
	return rq;
}

static enum drop_reason request_keep(struct tcp_sock *ls, struct pkbuf *b,
				     const struct tcp_fo_cookie *answer)
{
	struct tcp_request *rq = request_make(ls, b);

	if (!rq)
		return DROP_NO_MEMORY;
	if (inet_hash_insert(ls->sk.stack->tcp->table, &rq->c, NULL) < 0) {
		tcp_request_free(rq); /* the same SYN came by another way just now */
		return DROP_TCP_OLD_DATA;
	}
	tcp_request_link(ls, rq);
	tcp_request_synack(rq, answer);
	if (rq->path && rq->path->neigh && !neigh_is_ready(rq->path->neigh))
		tcp_request_empty(rq); /* strangers keep no places of the neighbour cache */
	return DROP_NONE;
}

void tcp_syn_in(struct tcp_sock *ls, struct pkbuf *b)
{
	bool cookie;
	struct tcp_fo_cookie answer;
	enum drop_reason why = request_admit(ls, tcp_seg(b), &cookie);

	if (why)
		mib_inc(ls->sk.stack, MIB_TcpExt_ListenDrops);
	else if (cookie)
		tcp_cookie_synack(ls, b);
	else if (tcp_fastopen_syn_in(ls, b, &answer))
		return;
	else
		why = request_keep(ls, b, &answer);
	pkbuf_drop(b, why);
}
