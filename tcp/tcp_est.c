/*
 * tcp/tcp_est.c - the block of what traffic teaches (tcp_est.h): given back by an open connection
 * that has carried no data, and made anew with the first.
 *
 * Nothing is lost by it: all that such a connection has learnt is the round trip of its SYN, which it
 * keeps, and the rest is what tcp_transfer_init() begins with.
 */

#include "lib/cell.h"
#include "tcp/tcp_priv.h"

const struct tcp_est tcp_est_none = {
    .cwnd = TCP_MSS_DEFAULT,
    .ssthresh = UINT32_MAX,
    .min_rtt_us = UINT32_MAX,
    .min_rtt_next_us = UINT32_MAX,
    .rto_us = TCP_RTO_INIT_US,
    .rcv_mss = TCP_MSS_DEFAULT,
};

static bool est_alloc(struct tcp_sock *ts)
{
	struct tcp_est *e = cell_alloc(ts->sk.stack, sizeof(*e));

	if (!e)
		return false;
	*e = tcp_est_none;
	ts->est = e;
	tcp_rtt_init(ts);
	return true;
}

/* As it stood when the connection was open and had not been used. */
static void est_restore(struct tcp_sock *ts)
{
	uint64_t now = tcp_now(ts);
	uint32_t open_ms = ts->ts_recent_ms; /* without timestamps too: tcp_est_park() */
	uint64_t opened = (now / NSEC_PER_MSEC - (tcp_ms(now) - open_ms)) * NSEC_PER_MSEC;
	struct tcp_est *e = ts->est;

	e->irs = ts->rcv_nxt - 1;
	e->max_window = ts->snd_wnd;
	e->segs_in = 1; /* the third ACK, or the SYN-ACK */
	e->segs_out = ts->flags & TCP_F_PASSIVE ? 0 : 2;
	e->last_sent_ms = e->last_rcvd_ms = e->last_ack_ms = open_ms;
	if (ts->syn_rtt_us) {
		tcp_rtt_sample(ts, now, ts->syn_rtt_us * NSEC_PER_USEC,
			       ts->syn_rtt_us * NSEC_PER_USEC);
	} else if (ts->flags & TCP_F_SYN_RTX) {
		e->rto_us = TCP_RTO_SYN_US; /* RFC 6298, 5.7 */
	}
	tcp_transfer_init(ts, opened);
}

bool tcp_est_make(struct tcp_sock *ts)
{
	if (!est_alloc(ts))
		return false;
	if (tcp_state_of(ts) == TCP_ESTABLISHED)
		est_restore(ts);
	return true;
}

void tcp_est_free(struct tcp_sock *ts)
{
	if (tcp_est_is_own(ts))
		cell_free(ts->sk.stack, ts->est, sizeof(*ts->est));
	ts->est_shared = &tcp_est_none;
}

/* Nothing is queued, owed or known that est_restore() does not find again. */
static bool est_is_fresh(const struct tcp_sock *ts)
{
	const uint32_t busy = TCP_F_FASTOPEN | TCP_F_SYN_DATA | TCP_F_FIN_SEEN | TCP_F_ACK_NOW |
			      TCP_F_ACK_DELAY | TCP_F_NOSPACE | TCP_F_NOMEM | TCP_F_URG_IN;
	const struct tcp_est *e = ts->est;

	if (tcp_state_of(ts) != TCP_ESTABLISHED || (ts->flags & busy) || ts->rare->ofo)
		return false;
	if ((ts->sk.flags & SOCK_KEEPALIVE) || e->max_window != ts->snd_wnd)
		return false;
	if (e->xfer || e->rcvq_head || e->data_segs_in || e->data_segs_out)
		return false;
	return ts->snd_una == ts->write_seq && ts->rcv_nxt == e->irs + 1 &&
	       ts->copied_seq == ts->rcv_nxt;
}

void tcp_est_park(struct tcp_sock *ts)
{
	if (!tcp_est_is_own(ts) || !est_is_fresh(ts))
		return;
	ts->syn_rtt_us = ts->est->srtt_us;
	if (!(ts->flags & TCP_F_TS))
		ts->ts_recent_ms = ts->est->last_rcvd_ms;
	tcp_cc_stop(ts);
	tcp_est_free(ts);
}
