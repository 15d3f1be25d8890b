/*
 * tcp/tcp_info.c - TCP_INFO in Linux's layout and meaning, and the control block by RFC 9293's names
 * for `ss`.
 */
#include <errno.h>
#include <string.h>

#include "tcp/tcp_priv.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

static uint8_t info_options(const struct tcp_sock *ts)
{
	uint8_t o = 0;

	if (ts->flags & TCP_F_TS)
		o |= TCPI_OPT_TIMESTAMPS;
	if (ts->flags & TCP_F_SACK)
		o |= TCPI_OPT_SACK;
	if (ts->flags & TCP_F_WSCALE)
		o |= TCPI_OPT_WSCALE;
	if (ts->flags & TCP_F_SYN_DATA)
		o |= TCPI_OPT_SYN_DATA;
	if (ts->flags & TCP_F_ECN)
		o |= TCPI_OPT_ECN;
	if (ts->flags & TCP_F_ECN_SEEN)
		o |= TCPI_OPT_ECN_SEEN;
	return o;
}

static uint32_t segments(const struct tcp_sock *ts, uint32_t bytes)
{
	return ts->mss ? (bytes + ts->mss - 1) / ts->mss : 0;
}

static void info_loss(const struct tcp_sock *ts, struct tcp_info *i)
{
	const struct tcp_xfer *x = ts->est->xfer;

	i->tcpi_unacked = segments(ts, tcp_flight(ts));
	if (tcp_state_of(ts) == TCP_LISTEN) {
		i->tcpi_unacked = ts->rare->listen->accept_count;
		i->tcpi_sacked = ts->rare->listen->backlog;
	}
	if (!x)
		return;
	i->tcpi_sacked = segments(ts, x->sacked);
	i->tcpi_lost = segments(ts, x->lost);
	i->tcpi_retrans = segments(ts, x->retrans);
}

static void info_times(const struct tcp_sock *ts, struct tcp_info *i)
{
	uint32_t now = tcp_ms(tcp_now(ts));

	i->tcpi_rto = ts->est->rto_us;
	i->tcpi_ato = ts->est->ato_ms * 1000u;
	i->tcpi_rtt = ts->est->srtt_us;
	i->tcpi_rttvar = ts->est->rttvar_us;
	i->tcpi_min_rtt = ts->est->min_rtt_us;
	i->tcpi_last_data_sent = now - ts->est->last_sent_ms;
	i->tcpi_last_data_recv = now - ts->est->last_rcvd_ms;
	i->tcpi_last_ack_recv = now - ts->est->last_ack_ms;
}

/* Of data, each time anew: SYN and FIN are none. */
static uint64_t bytes_sent(const struct tcp_sock *ts)
{
	bool fin_out = (ts->flags & TCP_F_FIN_QUEUED) && ts->snd_nxt == ts->write_seq;
	bool syn_out = tcp_syn_is_out(ts);
	uint64_t all = ts->est->bytes_acked + tcp_flight(ts) + ts->rare->bytes_retrans;

	return all - (fin_out && all) - (syn_out && all);
}

uint64_t tcp_bytes_acked(struct sock *sk)
{
	const struct tcp_sock *ts = tcp_sk(sk);
	bool fin_acked = (ts->flags & TCP_F_FIN_QUEUED) && ts->snd_una == ts->write_seq;

	return ts->est->bytes_acked - (fin_acked && ts->est->bytes_acked);
}

static void info_counts(const struct tcp_sock *ts, struct tcp_info *i)
{
	i->tcpi_total_retrans = ts->rare->total_retrans;
	i->tcpi_bytes_acked = ts->est->bytes_acked;
	i->tcpi_bytes_received = ts->est->bytes_received;
	i->tcpi_segs_out = ts->est->segs_out;
	i->tcpi_segs_in = ts->est->segs_in;
	i->tcpi_data_segs_in = ts->est->data_segs_in;
	i->tcpi_data_segs_out = ts->est->data_segs_out;
	i->tcpi_notsent_bytes = ts->write_seq - ts->snd_nxt;
	i->tcpi_bytes_sent = bytes_sent(ts);
	i->tcpi_bytes_retrans = ts->rare->bytes_retrans;
	i->tcpi_rcv_ooopack = ts->rare->rcv_ooopack;
	i->tcpi_snd_wnd = ts->snd_wnd;
}

/* Times are Linux's: busy is all the time that anything was out or waited. */
static void info_rate(const struct tcp_sock *ts, struct tcp_info *i)
{
	uint64_t rwnd = tcp_limit_ms(ts, TCP_LIMIT_RWND),
		 sndbuf = tcp_limit_ms(ts, TCP_LIMIT_SNDBUF);

	i->tcpi_delivery_rate = ts->est->delivery.rate;
	i->tcpi_delivery_rate_app_limited = ts->rate_app_limited;
	i->tcpi_pacing_rate = tcp_pace_estimate(ts);
	i->tcpi_max_pacing_rate =
	    ts->rare->max_pacing_rate ? ts->rare->max_pacing_rate : UINT64_MAX;
	i->tcpi_delivered = ts->est->delivered_segs;
	i->tcpi_delivered_ce = ts->rare->segs_ce;
	i->tcpi_busy_time = (tcp_limit_ms(ts, TCP_LIMIT_BUSY) + rwnd + sndbuf) * 1000;
	i->tcpi_rwnd_limited = rwnd * 1000;
	i->tcpi_sndbuf_limited = sndbuf * 1000;
}

static void info_fill(const struct tcp_sock *ts, struct tcp_info *i)
{
	i->tcpi_state = (uint8_t)tcp_state_of(ts);
	i->tcpi_ca_state = ts->ca_state;
	i->tcpi_retransmits = ts->retransmits;
	i->tcpi_probes = ts->rtx == RTX_PERSIST && !ts->rare->keep_probes ? ts->retransmits
									  : ts->rare->keep_probes;
	i->tcpi_backoff = ts->backoff;
	i->tcpi_options = info_options(ts);
	i->tcpi_fastopen_client_fail = ts->rare->fo ? ts->rare->fo->fail & 3 : 0;
	i->tcpi_snd_wscale = ts->snd_wscale;
	i->tcpi_rcv_wscale = ts->rcv_wscale;
	i->tcpi_snd_mss = ts->mss;
	i->tcpi_rcv_mss = ts->est->rcv_mss;
	i->tcpi_advmss =
	    ts->advmss - (ts->flags & TCP_F_TS ? 12 : 0); /* as the peer will fill it */
	i->tcpi_pmtu = ts->sk.path ? ts->sk.path->mtu : 0;
	i->tcpi_snd_cwnd = ts->mss ? ts->est->cwnd / ts->mss : 0;
	i->tcpi_snd_ssthresh =
	    ts->mss && ts->est->ssthresh < INT32_MAX ? ts->est->ssthresh / ts->mss : INT32_MAX;
	i->tcpi_rcv_ssthresh = tcp_wnd_limit(ts);
	i->tcpi_rcv_space = ts->est->tune.space;
	i->tcpi_rcv_rtt = ts->est->tune.rtt_us;
	i->tcpi_reordering = tcp_reordering_is(ts);
	i->tcpi_reord_seen = ts->rare->reord_seen;
	i->tcpi_dsack_dups = ts->rare->dsack_dups;
	info_loss(ts, i);
	info_times(ts, i);
	info_counts(ts, i);
	info_rate(ts, i);
}

int tcp_info_get(struct tcp_sock *ts, void *v, socklen_t *n)
{
	struct tcp_info i = {0};

	if (!tcp_est_get(ts))
		return -ENOBUFS;
	info_fill(ts, &i);
	tcp_est_park(ts);
	if (*n > sizeof(i))
		*n = sizeof(i);
	memcpy(v, &i, *n);
	return 0;
}

/* --- the control block for ss ------------------------------------------------------------------- */

static const char *deadline_text(const struct tcp_sock *ts, unsigned d)
{
	if (d == TCP_DUE_ACK)
		return "delack";
	if (d == TCP_DUE_RTX)
		return ts->rtx == RTX_PERSIST ? "persist" : "on";
	return tcp_state_of(ts) == TCP_FIN_WAIT2 ? "timewait" : "keepalive";
}

static void view_timer(const struct tcp_sock *ts, struct tcp_view *v)
{
	uint64_t now = tcp_now(ts), first = 0;

	for (unsigned d = 0; d < TCP_DUE_MAX; d++) {
		uint64_t due = tcp_due_at(ts, d);

		if (!due || (first && due >= first) || d == TCP_DUE_PACE)
			continue;
		first = due;
		v->timer = deadline_text(ts, d);
	}
	v->timer_ns = first > now ? first - now : 0;
}

static void view_sequence(const struct tcp_sock *ts, struct tcp_view *v)
{
	v->snd_una = ts->snd_una;
	v->snd_nxt = ts->snd_nxt;
	v->snd_wnd = ts->snd_wnd;
	v->snd_up = ts->flags & TCP_F_URG_OUT ? ts->est->xfer->snd_up : ts->snd_una;
	v->snd_wl1 = ts->snd_wl1;
	v->snd_wl2 = ts->snd_wl2;
	v->iss = ts->iss;
	v->rcv_nxt = ts->rcv_nxt;
	v->rcv_wnd = ts->rcv_adv - ts->rcv_nxt;
	v->rcv_up = ts->flags & TCP_F_URG_IN ? ts->rare->rcv_up : ts->copied_seq;
	v->irs = ts->est->irs;
	if (ts->est->rcvq_head)
		v->rcvq = tcp_seg(ts->est->rcvq_tail)->end - tcp_seg(ts->est->rcvq_head)->seq;
	v->sndq = ts->write_seq - ts->snd_una;
}

static void view_full(const struct tcp_sock *ts, struct tcp_view *v)
{
	const struct sock *sk = &ts->sk;

	view_sequence(ts, v);
	v->mss = ts->mss;
	v->advmss = ts->advmss;
	v->cwnd = ts->est->cwnd;
	v->ssthresh = ts->est->ssthresh;
	v->srtt_us = ts->est->srtt_us;
	v->rttvar_us = ts->est->rttvar_us;
	v->rto_us = ts->est->rto_us;
	v->rcv_bytes = sk->rcv_bytes;
	v->snd_bytes = sk->snd_bytes;
	v->rcvbuf = sk->rcvbuf;
	v->sndbuf = sk->sndbuf;
	v->backlog = sk->backlog_bytes;
	v->orphan = sk->flags & SOCK_DEAD;
	v->snd_wscale = ts->snd_wscale;
	v->rcv_wscale = ts->rcv_wscale;
	v->retransmits = ts->retransmits;
	v->cc = tcp_cc(ts)->name;
	v->pacing_rate = tcp_pace_estimate(ts);
	v->delivery_rate = ts->est->delivery.rate;
	if (!ts->rare->listen) {
		view_timer(ts, v);
		return;
	}
	v->rcvq =
	    ts->rare->listen
		->accept_count; /* a listener's deadline is its requests', who tell their own */
	v->sndq = ts->rare->listen->backlog;
}

static void view_request(const struct tcp_request *rq, struct tcp_view *v)
{
	uint64_t now = env_now(rq->listener->stack->env);

	v->iss = v->snd_una = rq->iss;
	v->snd_nxt = rq->iss + 1;
	v->snd_wnd = rq->snd_wnd;
	v->irs = rq->irs;
	v->rcv_nxt = rq->irs + 1;
	v->rcv_wnd = rq->rcv_wnd;
	v->retransmits = rq->retries;
	v->timer = "on";
	v->timer_ns = rq->due > now ? rq->due - now : 0;
}

static void view_timewait(struct tcp_timewait *tw, struct tcp_view *v)
{
	uint64_t now = env_now(tw->stack->env);
	uint64_t due = atomic_load_explicit(&tw->due, memory_order_relaxed);

	v->snd_una = v->snd_nxt = tw->snd_nxt;
	v->rcv_nxt = tw->rcv_nxt;
	v->rcv_wnd = tw->rcv_wnd;
	v->timer = "timewait";
	v->timer_ns = due > now ? due - now : 0;
}

/* The caller has a reference and no lock. */
void tcp_view_get(struct sock_common *c, struct tcp_view *v)
{
	struct sock *sk = (struct sock *)(void *)c;
	struct tcp_request *rq = (struct tcp_request *)(void *)c;

	*v = (struct tcp_view){
	    .laddr = c->laddr,
	    .raddr = c->raddr,
	    .lport = c->lport,
	    .rport = c->rport,
	    .state = atomic_load_explicit(&c->state, memory_order_relaxed),
	};
	switch (c->kind) {
	case SOCK_KIND_FULL:
		sock_lock(sk);
		tcp_est_get(tcp_sk(sk)); /* or, without memory, what tcp_est_none says */
		view_full(tcp_sk(sk), v);
		tcp_est_park(tcp_sk(sk));
		sock_unlock(sk);
		break;
	case SOCK_KIND_REQUEST:
		sock_lock(rq->listener);
		view_request(rq, v);
		sock_unlock(rq->listener);
		break;
	default:
		view_timewait((struct tcp_timewait *)(void *)c, v);
	}
}
