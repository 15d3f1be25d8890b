/*
 * tcp/tcp_request.c - SYN-RECEIVED of a listener: the SYN queue of small request socks, their
 * SYN-ACKs, and what comes for one until the third ACK, which makes the child (RFC 9293, 3.10.7.4;
 * RFC 4987, 3.5).
 */
#include "lib/cell.h"
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

void tcp_request_link(struct tcp_sock *ls, struct tcp_request *rq)
{
	struct tcp_listen *l = ls->rare->listen;
	unsigned i = request_list(rq);

	rq->sent = batch_now(ls->sk.stack);
	rq->due = rq->sent + request_timeout(ls->sk.stack, rq);
	rq->next = NULL;
	rq->prev = l->requests[i].tail;
	*rq->prev = rq;
	l->requests[i].tail = &rq->next;
	l->nrequests++;
	l->nyoung += rq->retries == 0;
	if (!ls->due[TCP_DUE_KEEP] || rq->due < tcp_due_at(ls, TCP_DUE_KEEP))
		tcp_timer_set(ls, TCP_DUE_KEEP, rq->due);
}

static void request_unlink(struct tcp_sock *ls, struct tcp_request *rq)
{
	struct tcp_listen *l = ls->rare->listen;

	*rq->prev = rq->next;
	if (rq->next)
		rq->next->prev = rq->prev;
	else
		l->requests[request_list(rq)].tail = rq->prev;
	rq->prev = NULL;
	l->nrequests--;
	l->nyoung -= rq->retries == 0;
}

void tcp_request_empty(struct tcp_request *rq)
{
	if (rq->path)
		path_put(rq->path);
	rq->path = NULL;
}

void tcp_request_free(struct tcp_request *rq)
{
	struct stack *st = rq->listener->stack;

	tcp_request_empty(rq);
	gauge_add(st, GAUGE_requests, -1);
	sock_put(rq->listener);
	cell_free(st, rq, sizeof(*rq));
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
	    .mark = sk->rare->mark,
	    .tos = sk->tos,
	    .ttl = sk->ttl,
	    .ack = rq->irs + 1,
	    .tsval = (rq->cookie_ts ? rq->cookie_ts : tcp_ms(batch_now(sk->stack))) + rq->ts_offset,
	    .tsecr = rq->ts_recent,
	    .path = rq->path && path_is_current(rq->path) ? rq->path : NULL,
	};
}

/* The cookie goes once only: SYN-ACKs sent again are without (Linux). */
void tcp_request_synack(const struct tcp_request *rq, const struct tcp_fo_cookie *cookie)
{
	struct tcp_reply r;

	request_reply(rq, &r);
	r.seq = rq->iss;
	r.flags = TCP_SYN | TCP_ACK | (rq->opts & SEG_OPT_ECN ? TCP_ECE : 0);
	r.wnd = rq->rcv_wnd;
	r.opts = rq->opts | SEG_OPT_MSS;
	r.mss = rq->advmss;
	if (cookie && cookie->len != TCP_FO_NONE) {
		r.opts |= SEG_OPT_FO;
		r.cookie = cookie;
	}
	r.wscale = rq->rcv_wscale;
	tcp_reply_send(&r);
}

static void request_ack(struct tcp_request *rq)
{
	struct stack *st = rq->listener->stack;
	struct tcp_reply r;

	if (!tcp_oow_allowed(st, rq->oow_ack_ms, MIB_TcpExt_TCPACKSkippedSynRecv))
		return;
	rq->oow_ack_ms = tcp_ms(batch_now(st));
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
	rq->oow_ack_ms = tcp_ms(batch_now(st));
	rq->answered = true;
	tcp_request_synack(rq, NULL);
}

/* The bound of Linux's tcp_max_syn_backlog, but never below what the program asked for. */
uint32_t tcp_request_bound(const struct tcp_sock *ls)
{
	uint32_t most = (uint32_t)sysctl_get(ls->sk.stack, tcp_max_syn_backlog);

	return most > ls->rare->listen->backlog ? most : ls->rare->listen->backlog;
}

/*
 * How often a SYN-ACK is sent again.  Once the queue is half full those that have not answered for
 * long make room for the young, the sooner the more of these there are (Linux).
 */
static unsigned request_retries(const struct tcp_sock *ls)
{
	const struct tcp_listen *l = ls->rare->listen;
	unsigned most = ls->rare->syncnt ? ls->rare->syncnt
					 : (unsigned)sysctl_get(ls->sk.stack, tcp_synack_retries);
	uint64_t young = 2 * (uint64_t)l->nyoung;

	if (2 * (uint64_t)l->nrequests <= tcp_request_bound(ls))
		return most;
	for (; most > 2 && l->nrequests >= young; most--)
		young *= 2;
	return most;
}

/*
 * With TCP_DEFER_ACCEPT whoever has acknowledged and sends nothing is left alone, until the last
 * SYN-ACK of that time asks once more.
 */
static void request_retry(struct tcp_sock *ls, struct tcp_request *rq)
{
	struct stack *st = ls->sk.stack;
	bool deferred = rq->acked && rq->retries < ls->rare->defer_accept;
	bool quiet = rq->acked && rq->retries + 1 < ls->rare->defer_accept;

	if (rq->retries >= request_retries(ls) && !deferred) {
		mib_inc(st, MIB_Tcp_AttemptFails);
		tcp_request_drop(ls, rq);
		return;
	}
	request_unlink(ls, rq);
	rq->retries++;
	tcp_request_link(ls, rq);
	if (quiet)
		return;
	rq->resent++;
	mib_inc(st, MIB_TcpExt_TCPTimeouts);
	mib_inc(st, MIB_Tcp_RetransSegs);
	tcp_request_synack(rq, NULL);
}

/* The head of each list is the first of it that is due. */
void tcp_request_timer(struct tcp_sock *ls)
{
	struct tcp_listen *l = ls->rare->listen;
	uint64_t now = batch_now(ls->sk.stack), first = 0;

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

/* --- the third ACK ------------------------------------------------------------------------------ */

static void request_complete(struct tcp_sock *ls, struct tcp_request *rq, struct pkbuf *b)
{
	struct stack *st = ls->sk.stack;
	struct tcp_sock *child = NULL;
	enum drop_reason why = tcp_child_make(ls, rq, true, &child);

	if (why == DROP_TCP_ACCEPT_QUEUE && sysctl_get(st, tcp_abort_on_overflow)) {
		tcp_reply_rst(b);
		tcp_request_drop(ls, rq);
	}
	if (why) {
		pkbuf_drop(b, why);
		return;
	}
	request_unlink(ls, rq);
	inet_common_put(st->tcp->table, &rq->c);
	tcp_child_open(ls, child, b);
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

/* TCP_DEFER_ACCEPT: an ACK without data does not open yet. */
static bool request_defer(const struct tcp_sock *ls, struct tcp_request *rq,
			  const struct tcp_seg *g)
{
	if (rq->retries >= ls->rare->defer_accept || g->end != rq->irs + 1)
		return false;
	rq->acked = true;
	mib_inc(ls->sk.stack, MIB_TcpExt_TCPDeferAcceptDrop);
	return true;
}

void tcp_request_in(struct tcp_sock *ls, struct tcp_request *rq, struct pkbuf *b)
{
	enum drop_reason why = request_check(ls, rq, b);

	if (!why && request_defer(ls, rq, tcp_seg(b)))
		why = DROP_TCP_DEFER_ACCEPT;

	if (why)
		pkbuf_drop(b, why);
	else
		request_complete(ls, rq, b);
}
