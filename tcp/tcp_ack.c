/*
 * tcp/tcp_ack.c - fifth: the ACK field (RFC 9293, 3.10.7.4; RFC 5961, 5): what is acknowledged, the
 * round trip, the peer's window, and the states that waited for an ACK.
 */
#include "tcp/tcp_priv.h"

/* RFC 9293, 3.10.7.4: only a newer segment may change the window. */
void tcp_snd_wnd_update(struct tcp_sock *ts, const struct tcp_seg *g)
{
	uint32_t wnd = g->wnd;

	if (!(g->flags & TCP_SYN)) /* RFC 7323, 2.2: never scaled in a SYN */
		wnd <<= ts->snd_wscale;
	if (!seq_lt(ts->snd_wl1, g->seq) &&
	    !(ts->snd_wl1 == g->seq && seq_leq(ts->snd_wl2, g->ack)))
		return;
	ts->snd_wnd = wnd;
	ts->snd_wl1 = g->seq;
	ts->snd_wl2 = g->ack;
	if (wnd > ts->max_window)
		ts->max_window = wnd;
}

/* Bytes that the segment's SACK blocks name above SND.UNA; what is not ours to believe is skipped. */
static uint32_t sack_bytes(const struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	uint32_t sum = 0, left, right;

	if (!(ts->flags & TCP_F_SACK))
		return 0;
	for (unsigned i = 0; i < g->nsack; i++) {
		tcp_seg_sack(b, i, &left, &right);
		if (seq_gt(left, g->ack) && seq_lt(left, right) && seq_leq(right, ts->snd_nxt))
			sum += right - left;
	}
	return sum;
}

/*
 * RFC 5681, 2: nothing new in it while data are out.  Where SACK was agreed on, a duplicate says
 * what came out of order, and its window may differ (RFC 6675, 2).
 */
static bool ack_is_duplicate(const struct tcp_sock *ts, const struct tcp_seg *g, uint32_t sacked)
{
	if (g->ack != ts->snd_una || g->seq != g->end || tcp_flight(ts) == 0 || !ts->xfer)
		return false;
	if (ts->flags & TCP_F_SACK)
		return sacked != 0;
	return g->wnd << ts->snd_wscale == ts->snd_wnd;
}

/* RFC 6298, 3 (Karn) and RFC 7323, 4: by record, by timestamp where a record was sent twice. */
static void ack_rtt(struct tcp_sock *ts, const struct tcp_seg *g, const struct tcp_acked *a)
{
	uint64_t now = tcp_now(ts);

	if (a->sent && !a->retrans) {
		tcp_rtt_sample(ts, now - a->sent);
	} else if ((ts->flags & TCP_F_TS) && (g->opts & SEG_OPT_TS) && g->tsecr) {
		uint32_t ms = tcp_ms(now) + ts->ts_offset - g->tsecr;

		if (ms < TCP_PAWS_IDLE_MS)
			tcp_rtt_sample(ts, ms * NSEC_PER_MSEC);
	}
}

/* The RTX deadline after an ACK moved SND.UNA (RFC 6298, 5.2 and 5.3). */
static void ack_timer(struct tcp_sock *ts)
{
	ts->retransmits = ts->backoff = 0;
	ts->flags &= ~TCP_F_PERSIST;
	if (tcp_flight(ts) == 0)
		tcp_timer_clear(ts, TCP_DUE_RTX);
	else
		tcp_rto_arm(ts, tcp_now(ts));
}

/* Returns the bytes acknowledged. */
static uint32_t ack_advance(struct tcp_sock *ts, const struct tcp_seg *g)
{
	uint32_t n = g->ack - ts->snd_una;
	struct tcp_acked a;

	tcp_rec_acked(ts, g->ack, &a);
	ts->snd_una = g->ack;
	ts->bytes_acked += n;
	if ((ts->flags & TCP_F_URG_OUT) && seq_geq(ts->snd_una, ts->snd_up))
		ts->flags &= ~TCP_F_URG_OUT;
	ack_rtt(ts, g, &a);
	ack_timer(ts);
	if (ts->sk.path && ts->sk.path->neigh)
		neigh_confirm(ts->sk.path->neigh);
	if (tcp_snd_space(&ts->sk)) /* whatever it was: the limit moves as well */
		sock_ready(&ts->sk, EPOLLOUT);
	tcp_snd_retry(ts);
	return n;
}

/* An answer to a persist probe: the peer lives, however long its window stays shut. */
static void ack_persist(struct tcp_sock *ts)
{
	if (!(ts->flags & TCP_F_PERSIST))
		return;
	ts->retransmits = 0;
	if (seq_gt(ts->snd_una + ts->snd_wnd, ts->snd_nxt)) {
		ts->backoff = 0;
		ts->flags &= ~TCP_F_PERSIST;
		tcp_timer_clear(ts, TCP_DUE_RTX);
	}
}

/* The states that wait for our FIN to be acknowledged. */
static void ack_fin(struct tcp_sock *ts)
{
	if (!(ts->flags & TCP_F_FIN_QUEUED) || ts->snd_una != ts->write_seq)
		return;
	switch (tcp_state_of(ts)) {
	case TCP_FIN_WAIT1:
		tcp_set_state(ts, TCP_FIN_WAIT2);
		sock_ready(&ts->sk, EPOLLOUT);
		if (ts->sk.flags & SOCK_DEAD)
			tcp_fin_wait2_orphan(ts);
		break;
	case TCP_CLOSING:
		tcp_time_wait(ts);
		break;
	case TCP_LAST_ACK:
		tcp_done(ts, 0);
		break;
	}
}

static void ack_take(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	struct tcp_ack_info a = {
	    .now = tcp_now(ts), .sacked = sack_bytes(ts, b), .prior_state = ts->ca_state};

	a.dup = ack_is_duplicate(ts, g, a.sacked);
	tcp_snd_wnd_update(ts, g);
	if (seq_gt(g->ack, ts->snd_una))
		a.acked = ack_advance(ts, g);
	if (ts->xfer) {
		a.delivered = a.acked;
		tcp_recovery_ack(ts, &a);
		tcp_rate_done(ts, &a);
		tcp_cc_ack(ts, &a);
		ack_persist(ts);
		if (!ts->xfer->head) {
			ts->ca_state = CA_OPEN;
			tcp_xfer_free(ts);
		}
	}
	if (g->seq == g->end)
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPPureAcks);
}

/* SYN-RECEIVED: the third ACK, or a segment from another connection. */
static enum drop_reason ack_syn_received(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	uint64_t now = tcp_now(ts);

	if (!seq_gt(g->ack, ts->snd_una) || seq_gt(g->ack, ts->snd_nxt)) {
		tcp_reply_rst(b);
		return DROP_TCP_SYNRCVD_ACK;
	}
	if (ts->syn_sent && !(ts->flags & TCP_F_SYN_RTX))
		tcp_rtt_sample(ts, now - ts->syn_sent);
	ts->snd_una = ts->iss + 1;
	ts->snd_wl1 = g->seq;
	ts->snd_wl2 = g->ack;
	ts->snd_wnd = g->wnd << ts->snd_wscale;
	if (ts->snd_wnd > ts->max_window)
		ts->max_window = ts->snd_wnd;
	tcp_set_state(ts, TCP_ESTABLISHED);
	tcp_established(ts, now);
	return DROP_NONE;
}

/* RFC 5961, 5.2: what may be acknowledged, and how far back an old ACK may lie. */
static enum drop_reason ack_range(struct tcp_sock *ts, const struct tcp_seg *g)
{
	if (seq_gt(g->ack, ts->snd_nxt)) {
		tcp_challenge_ack(ts);
		return DROP_TCP_ACK_UNSENT;
	}
	if (seq_lt(g->ack, ts->snd_una - ts->max_window)) {
		tcp_challenge_ack(ts);
		return DROP_TCP_ACK_OLD;
	}
	return DROP_NONE;
}

enum drop_reason tcp_ack(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	enum drop_reason why;

	if (!(g->flags & TCP_ACK))
		return DROP_TCP_NO_ACK;
	if (tcp_state_of(ts) == TCP_SYN_RECV) {
		why = ack_syn_received(ts, b);
		if (why)
			return why;
	}
	why = ack_range(ts, g);
	if (why)
		return why;
	ts->last_ack_ms = tcp_ms(tcp_now(ts));
	ts->keep_probes = 0;
	ts->sk.soft_err = 0; /* the peer is reached after all */
	tcp_ts_recent_update(ts, g);
	if (seq_geq(g->ack, ts->snd_una)) {
		ack_take(ts, b);
		ack_fin(ts);
	}
	return DROP_NONE;
}
