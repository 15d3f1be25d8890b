/*
 * tcp/tcp_recovery.c - the states of repair: OPEN, DISORDER, CWR, RECOVERY, LOSS (RFC 5681, 3.2; RFC
 * 6675, 5; RFC 6582, 3.2; RFC 5682), and what a time-out means for the queue.
 *
 * Nothing is sent here: records are marked lost (tcp_rack.c, tcp_reno.c), and tcp_push() finds them
 * as cwnd allows.  What is SACKed or lost is not on the way any more, so tcp_pipe() leaves room for
 * new data before a loss is certain: that is limited transmit (RFC 3042).
 */
#include "tcp/tcp_priv.h"

bool tcp_cwnd_falls(const struct tcp_sock *ts)
{
	return ts->ca_state == CA_CWR || ts->ca_state == CA_RECOVERY;
}

/* Something may be out twice: a duplicate may come of it. */
static bool retrans_out(const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;

	return x->retrans || (x->head && x->head->times > 1);
}

static void cc_event(struct tcp_sock *ts, enum tcp_cc_event ev)
{
	if (ev == TCP_CC_RECOVERY || ev == TCP_CC_CWR || ev == TCP_CC_TIMEOUT)
		tcp_ecn_reduced(ts);
	if (tcp_cc(ts)->event)
		tcp_cc(ts)->event(ts, ev);
}

/* Where slow start may go back to if this proves to be no loss: less than cwnd, for it was used. */
static uint32_t ssthresh_now(const struct tcp_sock *ts)
{
	uint32_t part = ts->est->cwnd / 4 * 3;

	return tcp_cwnd_falls(ts) || ts->est->ssthresh > part ? ts->est->ssthresh : part;
}

/* A D-SACK may follow the ACK of what was sent again; of what was sent later it says nothing. */
bool tcp_xfer_done(const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;

	return !x->head && ts->ca_state == CA_OPEN && !x->tlp.out &&
	       !(x->undo.on && ts->snd_una == x->recover);
}

/* --- into a state ------------------------------------------------------------------------------- */

/* cwnd falls to a new ssthresh while what is out now is delivered. */
static void reduction_start(struct tcp_sock *ts, uint32_t delivered)
{
	struct tcp_xfer *x = ts->est->xfer;

	x->recover = ts->snd_nxt;
	x->tlp.out = false;
	x->undo.cwnd = ts->est->cwnd;
	tcp_prr_start(ts, delivered);
	ts->est->ssthresh = tcp_cc(ts)->ssthresh(ts);
}

/* PRR brought cwnd near ssthresh; an algorithm that rules by itself has its own way out. */
static void reduction_end(struct tcp_sock *ts)
{
	if (tcp_cc(ts)->control)
		return;
	if (ts->est->ssthresh < UINT32_MAX && (ts->ca_state == CA_CWR || ts->est->xfer->undo.on))
		ts->est->cwnd = ts->est->ssthresh;
	cc_event(ts, TCP_CC_EXIT);
}

static void cwr_enter(struct tcp_sock *ts, uint32_t delivered)
{
	struct tcp_xfer *x = ts->est->xfer;

	x->undo.ssthresh = 0;
	if (ts->ca_state >= CA_CWR)
		return;
	x->undo.on = false;
	reduction_start(ts, delivered);
	ts->ca_state = CA_CWR;
	cc_event(ts, TCP_CC_CWR);
}

void tcp_recovery_enter(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;

	mib_inc(ts->sk.stack,
		ts->flags & TCP_F_SACK ? MIB_TcpExt_TCPSackRecovery : MIB_TcpExt_TCPRenoRecovery);
	tcp_undo_start(ts);
	x->undo.ssthresh = a && a->ece ? 0 : ssthresh_now(ts);
	if (tcp_cwnd_falls(ts)) {
		x->undo.ssthresh = 0;
		x->recover = ts->snd_nxt;
		x->tlp.out = false; /* RFC 8985, 7.1: cwnd falls for what the probe told already */
	} else {
		reduction_start(ts, a ? a->delivered : 0);
	}
	ts->ca_state = CA_RECOVERY;
	tcp_gso_doubt(ts);
	cc_event(ts, TCP_CC_RECOVERY);
}

/* What is lost was too large, which says nothing of congestion: sent again, and cwnd is let be. */
static void repair_plain(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (ts->ca_state != CA_LOSS) {
		ts->est->ssthresh = ssthresh_now(ts);
		x->undo.on = false;
		x->undo.ssthresh = 0;
		ts->ca_state = CA_LOSS;
	}
	x->recover = ts->snd_nxt;
	x->frto = x->new_first = false;
}

bool tcp_recovery_begin(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	if (tcp_plpmtud_lost(ts)) {
		repair_plain(ts);
		return false;
	}
	tcp_recovery_enter(ts, a);
	return true;
}

void tcp_recovery_open(struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;
	uint8_t to = x->sacked || x->lost || retrans_out(ts) ? CA_DISORDER : CA_OPEN;

	if (ts->ca_state != to) {
		ts->ca_state = to;
		ts->est->xfer->recover = ts->snd_nxt;
	}
}

void tcp_cwr_once(struct tcp_sock *ts)
{
	reduction_start(ts, 0);
	ts->ca_state = CA_CWR;
	cc_event(ts, TCP_CC_CWR);
	reduction_end(ts);
	tcp_recovery_open(ts);
}

/* Nothing is lost. */
static void open_try(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	if (!retrans_out(ts))
		ts->est->xfer->undo.stamped = false;
	if (a->ece)
		cwr_enter(ts, a->delivered);
	if (ts->ca_state != CA_CWR)
		tcp_recovery_open(ts);
}

/* --- out of it ---------------------------------------------------------------------------------- */

/* All that was out is acknowledged; true: that is all this ACK means. */
static bool state_ends(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (ts->ca_state == CA_OPEN || seq_lt(ts->snd_una, x->recover))
		return false;
	if (ts->ca_state == CA_CWR && ts->snd_una != x->recover) {
		/* CWR has reached the peer with what was sent since */
		reduction_end(ts);
		ts->ca_state = CA_OPEN;
	} else if (ts->ca_state == CA_RECOVERY) {
		if (!(ts->flags & TCP_F_SACK))
			x->sacked = 0;
		if (tcp_undo_recovery(ts, a))
			return true;
		reduction_end(ts);
	}
	return false;
}

/* --- by state: what an ACK does ------------------------------------------------------------------ */

static void loss_find(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	if (!ts->est->xfer->head)
		return;
	if (!(ts->flags & TCP_F_SACK))
		tcp_reno_find(ts, a);
	else if (sysctl_get(ts->sk.stack, tcp_recovery) & 1)
		tcp_rack_find(ts, a);
	else if (a->odd || ts->ca_state == CA_RECOVERY)
		tcp_dupthresh_find(ts);
}

static void open_ack(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	if (!(ts->flags & TCP_F_SACK)) {
		if (a->acked)
			ts->est->xfer->sacked = 0;
		if (a->dup)
			tcp_reno_dup(ts, a);
	}
	if (ts->ca_state <= CA_DISORDER)
		tcp_undo_by_dsack(ts);
	loss_find(ts, a);
	if (ts->est->xfer->lost)
		tcp_recovery_begin(ts, a);
	else
		open_try(ts, a);
}

static void recovery_ack(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	if (!a->acked) {
		if (!(ts->flags & TCP_F_SACK) && a->dup)
			tcp_reno_dup(ts, a);
	} else if (tcp_undo_partial(ts, a)) {
		return;
	}
	if (tcp_undo_by_dsack(ts))
		open_try(ts, a);
	loss_find(ts, a);
	if (ts->ca_state != CA_RECOVERY && ts->est->xfer->lost)
		tcp_recovery_enter(ts, a); /* after the undo, another loss */
}

/*
 * RFC 5682, 3.1: the first ACK that advances lets new data out, and the next says whether the
 * time-out was spurious.  True: that is all for now.
 */
static bool loss_frto(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (a->orig_delivered && tcp_undo_loss(ts, a, true)) /* step 3b */
		return true;
	if (seq_gt(ts->snd_nxt, x->recover)) {
		if (a->sacked || a->dup || a->acked)
			x->frto = false; /* step 3a */
	} else if (a->acked && seq_lt(ts->snd_una, x->recover)) {
		x->recover = ts->snd_nxt; /* step 2b */
		x->new_first =
		    ts->write_seq != ts->snd_nxt && seq_gt(ts->snd_una + ts->snd_wnd, ts->snd_nxt);
		x->frto = x->new_first;
		return x->new_first;
	}
	return false;
}

static void loss_repair(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (a->acked && tcp_undo_loss(ts, a, false))
		return;
	if (x->frto && loss_frto(ts, a))
		return;
	if (seq_geq(ts->snd_una, x->recover)) {
		tcp_undo_recovery(ts, a);
		return;
	}
	if (ts->flags & TCP_F_SACK)
		return;
	/* a duplicate after new data went out stands for one of those */
	if (a->dup && seq_gt(ts->snd_nxt, x->recover))
		tcp_reno_dup(ts, a);
	else if (a->acked)
		x->sacked = 0;
}

static void loss_ack(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	loss_repair(ts, a);
	if (ts->ca_state != CA_OPEN)
		loss_find(ts, a);
	if (ts->ca_state == CA_OPEN || a->lost_retrans)
		open_ack(ts, a);
}

/*
 * RFC 2018, 8: the first byte not acknowledged is SACKed, so the peer has thrown away what it had.
 * A short while for the rest of its ACKs, and the time-out forgets all marks.
 */
static bool is_reneging(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	const struct tcp_rec *r = ts->est->xfer->head;
	uint64_t wait = (uint64_t)ts->est->srtt_us / 2 * NSEC_PER_USEC;

	if (!a->acked || !r || !(r->flags & REC_SACKED))
		return false;
	if (wait < 10 * NSEC_PER_MSEC)
		wait = 10 * NSEC_PER_MSEC;
	tcp_rtx_arm(ts, RTX_RTO, a->now + wait);
	a->timer_set = true;
	return true;
}

void tcp_recovery_ack(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t lost = ts->est->delivery.lost;

	if (!(ts->flags & TCP_F_SACK) && a->acked)
		tcp_reno_acked(ts, a);
	tcp_rack_dsack(ts, a);
	tcp_tlp_ack(ts, a);
	if (a->prior_flight == 0 && !a->dsack)
		return;
	if (a->ece)
		x->undo.ssthresh = 0;
	if (ts->ca_state == CA_OPEN && !a->odd)
		x->undo.stamped = x->undo.stamped && retrans_out(ts);
	else if (is_reneging(ts, a) || state_ends(ts, a))
		;
	else if (ts->ca_state == CA_RECOVERY)
		recovery_ack(ts, a);
	else if (ts->ca_state == CA_LOSS)
		loss_ack(ts, a);
	else
		open_ack(ts, a);
	if (ts->ca_state != CA_LOSS)
		x->frto = x->new_first = false;
	a->lost = ts->est->delivery.lost - lost;
}

/* --- time-out and path MTU ---------------------------------------------------------------------- */

/* What went only just now may still be acknowledged; all, where the peer has reneged. */
static void timeout_lose(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;
	bool reneged = x->head->flags & REC_SACKED;
	uint64_t now = tcp_now(ts);

	if (reneged)
		tcp_sack_forget(ts);
	else if (!(ts->flags & TCP_F_SACK))
		x->sacked = 0;
	for (struct tcp_rec *r = x->head; r && r->times; r = r->next) {
		if (reneged || r == x->head || !tcp_rack_left(ts, r, now, 0))
			tcp_rec_lose(ts, r);
	}
}

static void count_timeout(struct tcp_sock *ts)
{
	static const enum mib failed[][2] = {
	    {MIB_TcpExt_TCPRenoFailures, MIB_TcpExt_TCPSackFailures},
	    {MIB_TcpExt_TCPRenoRecoveryFail, MIB_TcpExt_TCPSackRecoveryFail},
	};
	bool sack = ts->flags & TCP_F_SACK;

	if (ts->retransmits > 1)
		return;
	if (ts->ca_state == CA_LOSS)
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPLossFailures);
	else if (ts->ca_state == CA_RECOVERY)
		mib_inc(ts->sk.stack, failed[1][sack]);
	else if (ts->ca_state == CA_DISORDER || ts->est->xfer->sacked)
		mib_inc(ts->sk.stack, failed[0][sack]);
}

/*
 * RFC 5681, 3.1: ssthresh falls once for one loss, however often its segment is sent again.
 * ts->retransmits counts this time-out already.
 */
void tcp_recovery_timeout(struct tcp_sock *ts)
{
	uint16_t reordering = (uint16_t)sysctl_get(ts->sk.stack, tcp_reordering);
	struct tcp_xfer *x = ts->est->xfer;
	bool fresh = ts->ca_state < CA_RECOVERY;
	bool again = ts->retransmits > 1;

	count_timeout(ts);
	if (ts->ca_state <= CA_DISORDER && x->sacked >= reordering * ts->mss &&
	    ts->rare->reordering > reordering)
		ts->rare_own->reordering = reordering; /* it had waited too long */
	timeout_lose(ts);
	if (ts->ca_state <= CA_DISORDER || seq_leq(x->recover, ts->snd_una) ||
	    (ts->ca_state == CA_LOSS && !again)) {
		x->undo.ssthresh = ssthresh_now(ts);
		x->undo.cwnd = ts->est->cwnd;
		ts->est->ssthresh = tcp_cc(ts)->ssthresh(ts);
		tcp_undo_start(ts);
	}
	ts->est->cwnd = tcp_pipe(ts) + ts->mss;
	ts->ca_state = CA_LOSS;
	x->recover = ts->snd_nxt;
	x->tlp.out = x->new_first = false;
	tcp_gso_doubt(ts);
	x->frto = sysctl_get(ts->sk.stack, tcp_frto) && (fresh || again);
	cc_event(ts, TCP_CC_TIMEOUT);
}

/* What is out was too large for the path: send it again at once, and let cwnd be (RFC 1191, 6.4). */
void tcp_recovery_mtu(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (!x || !x->head || !x->head->times)
		return;
	repair_plain(ts);
	if (!(ts->flags & TCP_F_SACK))
		x->sacked = 0;
	for (struct tcp_rec *r = x->head; r && r->times; r = r->next)
		tcp_rec_lose(ts, r);
}

/* Goes on from what it found last: a queue of n lost records costs n steps, not n each time. */
struct tcp_rec *tcp_recovery_next(struct tcp_sock *ts)
{
	const uint8_t marks = REC_LOST | REC_RETRANS | REC_SACKED;
	struct tcp_xfer *x = ts->est->xfer;
	struct tcp_rec *r = x ? x->again : NULL;

	while (r && r->times && (r->flags & marks) != REC_LOST)
		r = r->next;
	if (x)
		x->again = r && r->times ? r : NULL;
	return x ? x->again : NULL;
}
