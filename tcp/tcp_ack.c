/*
 * tcp/tcp_ack.c - fifth: the ACK field (RFC 9293, 3.10.7.4; RFC 5961, 5): what is acknowledged, the
 * round trip, the peer's window, and the states that waited for an ACK.
 */
#include "tcp/tcp_priv.h"

/* RFC 9293, 3.10.7.4: only a newer segment may change the window. */
static void snd_wnd_update(struct tcp_sock *ts, const struct tcp_seg *g)
{
	uint32_t wnd = g->wnd;

	if (!(g->flags & TCP_SYN)) /* RFC 7323, 2.2: never scaled in a SYN */
		wnd <<= ts->snd_wscale;
	if (!seq_lt(ts->snd_wl1, g->seq) &&
	    !(ts->snd_wl1 == g->seq && seq_leq(ts->snd_wl2, g->ack)))
		return;
	if (ts->snd_wnd == 0 && wnd && tcp_flight(ts) == 0 && ts->write_seq != ts->snd_nxt)
		tcp_cwnd_idle(ts, tcp_now(ts)); /* data waited for the window, maybe long */
	ts->snd_wnd = wnd;
	ts->snd_wl1 = g->seq;
	ts->snd_wl2 = g->ack;
	if (wnd > ts->est->max_window)
		ts->est->max_window = wnd;
}

/*
 * RFC 5681, 2: nothing new in it while data are out; but what D-SACK tells of is no loss.  The first
 * ACK, behind the SYN, repeats none: of Fast Open's data it says nothing.
 */
static bool ack_is_duplicate(const struct tcp_sock *ts, const struct tcp_seg *g,
			     const struct tcp_ack_info *a)
{
	return g->ack == ts->snd_una && a->pure && !a->dsack && a->prior_flight &&
	       !seq_lt(ts->snd_wl1, g->seq);
}

/* What was sent so long ago is delivered now; 0: nothing was. */
static uint64_t age(const struct tcp_ack_info *a, uint64_t sent)
{
	return sent ? a->now - sent : 0;
}

/*
 * By record, the oldest of those acknowledged or else of those SACKed, for the ACK waited for it
 * (RFC 7323, 4); none that was sent twice (RFC 6298, 3), but its timestamp may tell.
 */
static void ack_rtt(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	bool acked = a->acked_first && !a->acked_retrans;
	uint64_t rtt = age(a, acked ? a->acked_first : a->sacked_first);

	a->rtt_ns = age(a, a->sacked_last ? a->sacked_last : acked ? a->acked_last : 0);
	if (!acked && !a->sacked_first) {
		uint32_t ms = tcp_ms(a->now) + ts->ts_offset - a->echo;

		if (!a->echo || !a->acked || ms >= TCP_PAWS_IDLE_MS)
			return;
		rtt = a->rtt_ns = (ms ? ms : 1) * NSEC_PER_MSEC; /* less than a tick */
	}
	tcp_rtt_sample(ts, a->now, rtt, a->rtt_ns);
	ts->backoff = 0; /* RFC 6298, 5.7: not before there is a sample */
}

/*
 * RFC 6298, 5.3: SND.UNA moved; or what went after the first record is SACKed, and that is held by a
 * retransmission whose time has not come.
 */
static bool ack_restarts_timer(const struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	const struct tcp_rec *head = ts->est->xfer ? ts->est->xfer->head : NULL;

	if (a->timer_set)
		return false;
	return a->acked || (head && a->sacked_first && head->sent > a->sacked_first);
}

static void ack_timer(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	if (!ack_restarts_timer(ts, a))
		return;
	if (ts->rtx == RTX_PERSIST)
		ts->rtx = RTX_RTO;
	if (!tcp_tlp_arm(ts, a->now, true))
		tcp_rto_rearm(ts, a->now);
}

/* SND.UNA moves. */
static void snd_una_move(struct tcp_sock *ts, uint32_t ack)
{
	ts->est->bytes_acked += ack - ts->snd_una;
	ts->snd_una = ack;
	ts->retransmits = 0;
	tcp_plpmtud_acked(ts);
}

static void ack_advance(struct tcp_sock *ts, uint32_t ack, struct tcp_ack_info *a)
{
	a->acked = ack - ts->snd_una;
	a->reordered = a->prior_fack;
	if (ts->rare->stamps)
		tcp_stamp_acked(ts, ack);
	tcp_rec_acked(ts, ack, a);
	snd_una_move(ts, ack);
	if (seq_lt(a->reordered, a->prior_fack) && (ts->flags & TCP_F_SACK))
		tcp_reordering(ts, a->reordered, false);
	if ((ts->flags & TCP_F_URG_OUT) && seq_geq(ts->snd_una, ts->est->xfer->snd_up))
		ts->flags &= ~TCP_F_URG_OUT;
}

/* The path works, and there may be room for the program again. */
static void ack_confirm(struct tcp_sock *ts)
{
	if (ts->sk.path && ts->sk.path->neigh)
		neigh_confirm(ts->sk.path->neigh);
	if ((ts->flags & TCP_F_NOSPACE) || (ts->sk.flags & SOCK_ACK_EVENTS))
		ts->flags |= TCP_F_SHRUNK;
	tcp_snd_retry(ts);
}

/* An answer to a persist probe: the peer lives, however long its window stays shut. */
static void ack_persist(struct tcp_sock *ts)
{
	if (!tcp_persists(ts))
		return;
	ts->retransmits = 0;
	if (seq_gt(ts->snd_una + ts->snd_wnd, ts->snd_nxt)) {
		ts->backoff = 0;
		tcp_timer_clear(ts, TCP_DUE_RTX);
		tcp_snd_retry(ts); /* it may have waited by that timer */
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

static void ack_info(const struct tcp_sock *ts, const struct tcp_seg *g, uint64_t now,
		     struct tcp_ack_info *a)
{
	*a = (struct tcp_ack_info){
	    .now = now,
	    .prior_una = ts->snd_una,
	    .prior_flight = tcp_flight(ts),
	    .prior_fack = tcp_fack(ts),
	    .prior_state = ts->ca_state,
	    .echo = (ts->flags & TCP_F_TS) && (g->opts & SEG_OPT_TS) ? g->tsecr : 0,
	    .pure = g->seq == g->end && g->wnd << ts->snd_wscale == ts->snd_wnd,
	};
}

/* An echo of ECN stands for all that its ACK delivered: which was marked it does not say. */
static void ack_marked(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	uint32_t n = (a->delivered + ts->mss - 1) / ts->mss;

	struct tcp_rare *k = tcp_rare_get(ts);

	if (k)
		k->segs_ce += n;
	mib_add(ts->sk.stack, MIB_TcpExt_TCPDeliveredCE, n);
}

void tcp_ack_take(struct tcp_sock *ts, struct pkbuf *b, uint64_t now)
{
	const struct tcp_seg *g = tcp_seg(b);
	struct tcp_ack_info a;

	ack_info(ts, g, now, &a);
	a.ece = tcp_ecn_echo(ts, g);
	if (g->nsack)
		tcp_sack_in(ts, b, &a);
	a.dup = ack_is_duplicate(ts, g, &a);
	a.odd = a.odd || a.dup || a.ece;
	snd_wnd_update(ts, g);
	if (seq_gt(g->ack, ts->snd_una))
		ack_advance(ts, g->ack, &a);
	ack_rtt(ts, &a);
	if (ts->est->xfer) {
		tcp_recovery_ack(ts, &a);
		if (a.ece)
			ack_marked(ts, &a);
		ack_timer(ts, &a);
		tcp_rate_done(ts, &a);
		tcp_cc_ack(ts, &a);
		ack_persist(ts);
		if (tcp_xfer_done(ts))
			tcp_xfer_free(ts);
	}
	if (a.acked)
		ack_confirm(ts);
	if (a.acked && (g->opts & SEG_PREDICTED))
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPHPAcks);
	else if (g->seq == g->end)
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPPureAcks);
}

/*
 * The usual ACK, of a request or an answer: it takes all that is out and queued, which is one record that
 * was sent once, and there is nothing to repair, to undo or to hear of beside it.
 */
static bool ack_takes_all(const struct tcp_sock *ts, const struct tcp_seg *g)
{
	const struct tcp_xfer *x = ts->est->xfer;
	const struct tcp_rec *r = x ? x->head : NULL;
	uint32_t odd;

	if (!r || !(g->opts & SEG_PREDICTED))
		return false;
	odd = g->nsack | ts->ca_state;
	odd |= g->ack ^ r->end;
	odd |= r->times ^ 1u; /* nor was it never sent */
	odd |= (uint32_t)x->tlp.out | x->undo.on | (r != x->tail);
	return odd == 0;
}

/*
 * Nothing is left that could be lost, reordered or waited for, so of tcp_ack_take() there remain the
 * samples, what cwnd learns, and the end of the queue.
 */
static void ack_take_all(struct tcp_sock *ts, const struct tcp_seg *g, uint64_t now)
{
	const struct tcp_rec *r = ts->est->xfer->head;
	uint32_t all = tcp_flight(ts);
	uint64_t rtt_ns = now - r->sent;
	struct tcp_ack_info a = {
	    .now = now,
	    .rtt_ns = rtt_ns,
	    .prior_una = ts->snd_una,
	    .prior_flight = all,
	    .acked = all,
	    .delivered = all,
	};

	assert(!ts->est->xfer->sacked && !ts->est->xfer->lost); /* or it were DISORDER */
	snd_wnd_update(ts, g);
	tcp_rate_delivered(ts, r, &a);
	if (ts->rare->stamps)
		tcp_stamp_acked(ts, g->ack);
	snd_una_move(ts, g->ack);
	tcp_rtt_sample(ts, now, rtt_ns, rtt_ns);
	ts->backoff = 0;
	tcp_rack_dsack(ts, &a);
	tcp_timer_clear(ts, TCP_DUE_RTX);
	tcp_rate_done(ts, &a);
	tcp_cc_ack(ts, &a);
	tcp_xfer_free(ts);
	ack_confirm(ts);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPHPAcks);
}

/* One that was overtaken: nothing but its SACK blocks can be news. */
static void ack_take_old(struct tcp_sock *ts, struct pkbuf *b, uint64_t now)
{
	struct tcp_ack_info a;

	if (!ts->est->xfer || !(ts->flags & TCP_F_SACK) || tcp_seg(b)->nsack == 0)
		return;
	ack_info(ts, tcp_seg(b), now, &a);
	a.pure = false;
	tcp_sack_in(ts, b, &a);
	tcp_recovery_ack(ts, &a);
	tcp_rate_done(ts, &a);
}

/*
 * SYN-RECEIVED: the third ACK, or a segment from another connection.  A program that has closed
 * meanwhile, after Fast Open or a simultaneous open, has gone on from there.
 */
static enum drop_reason ack_syn_received(struct tcp_sock *ts, struct pkbuf *b, uint64_t now)
{
	const struct tcp_seg *g = tcp_seg(b);

	if (!seq_gt(g->ack, ts->iss) || seq_gt(g->ack, ts->snd_nxt)) {
		tcp_reply_rst(b);
		return DROP_TCP_SYNRCVD_ACK;
	}
	tcp_syn_rtt(ts, now);
	ts->snd_una = ts->iss + 1;
	ts->snd_wnd = g->wnd << ts->snd_wscale;
	if (ts->snd_wnd > ts->est->max_window)
		ts->est->max_window = ts->snd_wnd;
	if (tcp_state_of(ts) == TCP_SYN_RECV)
		tcp_set_state(ts, TCP_ESTABLISHED);
	tcp_established(ts, now);
	return DROP_NONE;
}

/* RFC 5961, 5.2: what may be acknowledged, and how far back an old ACK may lie. */
static enum drop_reason ack_range(struct tcp_sock *ts, const struct tcp_seg *g)
{
	uint32_t back = ts->est->max_window;

	if (seq_gt(g->ack, ts->snd_nxt)) {
		tcp_challenge_owe(ts); /* soon: Linux, which scripts follow, does not answer */
		return DROP_TCP_ACK_UNSENT;
	}
	if (ts->est->bytes_acked < back) /* none is older than the SYN's */
		back = (uint32_t)ts->est->bytes_acked + 1;
	if (seq_lt(g->ack, ts->snd_una - back)) {
		tcp_challenge_ack(ts);
		return DROP_TCP_ACK_OLD;
	}
	return DROP_NONE;
}

/* The peer is there, whatever it says. */
static void ack_heard(struct tcp_sock *ts, const struct tcp_seg *g, uint64_t now)
{
	ts->est->last_ack_ms = tcp_ms(now);
	tcp_keepalive_answered(ts);
	ts->sk.soft_err = 0; /* it is reached after all */
	tcp_ts_recent_update(ts, g, now);
}

enum drop_reason tcp_ack(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	uint64_t now = tcp_now(ts);
	enum drop_reason why;

	if (ack_takes_all(ts, g)) {
		ack_heard(ts, g, now);
		ack_take_all(ts, g, now);
		return DROP_NONE;
	}
	if (!(g->flags & TCP_ACK))
		return DROP_TCP_NO_ACK;
	if (tcp_syn_is_out(ts) || (ts->flags & TCP_F_FASTOPEN)) {
		why = ack_syn_received(ts, b, now);
		if (why)
			return why;
	}
	why = ack_range(ts, g);
	if (why)
		return why;
	ack_heard(ts, g, now);
	if (seq_geq(g->ack, ts->snd_una)) {
		tcp_ack_take(ts, b, now);
		ack_fin(ts);
	} else {
		ack_take_old(ts, b, now);
	}
	return DROP_NONE;
}
