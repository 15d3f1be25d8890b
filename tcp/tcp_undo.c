/*
 * tcp/tcp_undo.c - a window was lowered for a loss that was none: put back where it stood.
 *
 * Evidence is, in the order of its strength: an ACK that echoes a timestamp from before the first
 * retransmission (Eifel, RFC 3522; what follows, RFC 4015); a D-SACK for all that was sent again
 * (RFC 3708); and after a time-out something acknowledged that was sent once (F-RTO, RFC 5682).
 */
#include "tcp/tcp_priv.h"

void tcp_undo_start(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;

	x->undo.on = true;
	x->undo.marker = ts->snd_una;
	x->undo.retrans = x->retrans;
	if (x->tlp.out && x->tlp.again)
		x->undo.retrans += ts->mss;
	if (x->undo.retrans == 0)
		x->undo.retrans = -1;
	if (x->retrans == 0)
		x->undo.stamped = false;
}

void tcp_undo_sent(struct tcp_sock *ts, const struct tcp_rec *r)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (!x->undo.stamped) {
		x->undo.stamped = true;
		x->undo.tsval = tcp_ms(r->sent) + ts->ts_offset;
	}
	if (x->undo.retrans < 0)
		x->undo.retrans = 0;
	x->undo.retrans += r->end - r->seq;
}

/* left..right came twice. */
void tcp_undo_dsack(struct tcp_sock *ts, uint32_t left, uint32_t right)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t n = right - left;

	if (!x || !x->undo.on || x->undo.retrans <= 0 || seq_leq(right, x->undo.marker))
		return;
	x->undo.retrans = x->undo.retrans > n ? x->undo.retrans - n : 0;
}

/* What was held for lost had only been delayed: no answer to a retransmission can be here yet. */
static bool is_delayed(const struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	const struct tcp_xfer *x = ts->est->xfer;

	if (!x->undo.stamped)
		return true;
	return a->echo && seq_lt(a->echo, x->undo.tsval);
}

static bool may_undo(const struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	return ts->est->xfer->undo.on && (ts->est->xfer->undo.retrans == 0 || is_delayed(ts, a));
}

/* RFC 4015, 3.2, but at once: what is sent goes on being clocked by ACKs. */
static void undo_window(struct tcp_sock *ts, bool unlose)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (unlose)
		tcp_rec_unlose(ts);
	if (x->undo.ssthresh) {
		if (tcp_cc(ts)->undo)
			ts->est->cwnd = tcp_cc(ts)->undo(ts);
		else if (ts->est->cwnd < x->undo.cwnd)
			ts->est->cwnd = x->undo.cwnd;
		if (ts->est->ssthresh < x->undo.ssthresh)
			ts->est->ssthresh = x->undo.ssthresh;
		ts->flags &= ~TCP_F_CWR; /* nothing has fallen that the peer should be told of */
		if (tcp_cc(ts)->event)
			tcp_cc(ts)->event(ts, TCP_CC_UNDO);
	}
	x->undo.on = false;
	x->rack_advanced = true; /* what it found was found too soon: look again */
}

/*
 * SND.UNA has reached what was out.  True: without SACK the state is held until more than that is
 * acknowledged, for duplicates of what was sent again for nothing may come (RFC 6582, 3.2, step 1).
 */
bool tcp_undo_recovery(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;
	bool loss = ts->ca_state == CA_LOSS;

	if (may_undo(ts, a)) {
		undo_window(ts, false);
		mib_inc(ts->sk.stack, loss ? MIB_TcpExt_TCPLossUndo : MIB_TcpExt_TCPFullUndo);
	} else {
		tcp_rack_calm(ts);
	}
	if (!(ts->flags & TCP_F_SACK) && ts->snd_una == x->recover)
		return true;
	ts->ca_state = CA_OPEN;
	return false;
}

/* A hole was filled by what had been delayed.  True: mark and send nothing again just now. */
bool tcp_undo_partial(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (!x->undo.on || !is_delayed(ts, a))
		return false;
	tcp_reordering(ts, a->prior_una, true);
	if (x->retrans)
		return true;
	undo_window(ts, true);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPPartialUndo);
	tcp_recovery_open(ts);
	return false;
}

bool tcp_undo_by_dsack(struct tcp_sock *ts)
{
	if (!ts->est->xfer->undo.on || ts->est->xfer->undo.retrans != 0)
		return false;
	undo_window(ts, false);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPDSACKUndo);
	return true;
}

bool tcp_undo_loss(struct tcp_sock *ts, const struct tcp_ack_info *a, bool frto)
{
	if (!frto && !may_undo(ts, a))
		return false;
	undo_window(ts, true);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPLossUndo);
	if (frto)
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPSpuriousRTOs);
	ts->retransmits = 0;
	if (!(ts->flags & TCP_F_SACK) && ts->snd_una == ts->est->xfer->recover)
		return true;
	if (frto || (ts->flags & TCP_F_SACK))
		ts->ca_state = CA_OPEN;
	return true;
}
