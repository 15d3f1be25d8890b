/*
 * tcp/tcp_recovery.c - loss: fast retransmit and NewReno's fast recovery (RFC 5681, 3.2; RFC 6582),
 * limited transmit (RFC 3042), what a time-out means for the queue.
 *
 * Nothing is sent here: records are marked lost, and tcp_push() finds them.  Instead of inflating
 * cwnd by each duplicate ACK, x->sacked counts what has left the network, which leaves tcp_pipe()
 * the same room.  A scoreboard (RFC 6675) will mark records here in place of counting.
 */
#include "tcp/tcp_priv.h"

/* A count of bytes that left the network can be no more than what is out and not held for lost. */
static void sacked_add(struct tcp_sock *ts, uint32_t n, uint32_t named)
{
	struct tcp_xfer *x = ts->xfer;
	uint32_t most = tcp_flight(ts) - x->lost;

	x->sacked += n;
	if (x->sacked < named)
		x->sacked = named;
	if (x->sacked > most)
		x->sacked = most;
}

/* Holds the first segment that is out for lost. */
static void head_lost(struct tcp_sock *ts)
{
	struct tcp_rec *r = ts->xfer->head;
	uint32_t left = ts->mss;

	ts->xfer->again = NULL;
	for (; r && r->times && left; r = r->next) {
		if (tcp_rec_len(r) > left && tcp_rec_split(ts, r, left) < 0)
			return;
		if (r->flags & REC_LOST)
			return; /* and was sent again: its time-out decides */
		left -= tcp_rec_len(r);
		tcp_rec_mark(ts, r, REC_LOST);
	}
}

static void out_lost(struct tcp_sock *ts)
{
	ts->xfer->again = NULL;
	for (struct tcp_rec *r = ts->xfer->head; r && r->times; r = r->next) {
		tcp_rec_unmark(ts, r, REC_RETRANS);
		tcp_rec_mark(ts, r, REC_LOST);
	}
}

static void recovery_enter(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->xfer;

	ts->ssthresh = ts->cc->ssthresh(ts);
	ts->cwnd = ts->ssthresh;
	ts->ca_state = CA_RECOVERY;
	x->recover = ts->snd_nxt;
	x->rtx_now = true;
	head_lost(ts);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPRenoRecovery);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPFastRetrans);
	if (ts->cc->event)
		ts->cc->event(ts, TCP_CC_RECOVERY);
}

static void recovery_exit(struct tcp_sock *ts)
{
	uint32_t flight = tcp_flight(ts), room;

	/* RFC 6582, 3.2, step 3: no burst when little is out */
	room = (flight > ts->mss ? flight : ts->mss) + ts->mss;
	ts->cwnd = ts->ssthresh < room ? ts->ssthresh : room;
	ts->ca_state = CA_OPEN;
	ts->xfer->sacked = ts->xfer->dupacks = 0;
	if (ts->cc->event)
		ts->cc->event(ts, TCP_CC_EXIT);
}

/* --- by state of the sender: what an ACK does --------------------------------------------------- */

/*
 * RFC 6582, 3.2, step 1: duplicates may come of what an earlier recovery sent for nothing.  Those
 * name no data out of order, so where SACK was agreed on every duplicate counts.
 */
static bool is_new_loss(const struct tcp_sock *ts)
{
	return (ts->flags & TCP_F_SACK) || seq_gt(ts->snd_una, ts->xfer->recover);
}

static void open_ack(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->xfer;

	if (a->acked) {
		x->dupacks = x->sacked = 0;
		ts->ca_state = CA_OPEN;
		return;
	}
	x->dupacks++;
	sacked_add(ts, ts->mss, a->sacked);
	ts->ca_state = CA_DISORDER;
	if (x->sacked >= TCP_DUPTHRESH * ts->mss && is_new_loss(ts))
		recovery_enter(ts);
}

static void recovery_ack(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->xfer;
	uint32_t gone = a->acked > ts->mss ? a->acked - ts->mss : 0;

	if (!a->acked) {
		x->dupacks++;
		sacked_add(ts, ts->mss, a->sacked);
		return;
	}
	if (seq_geq(ts->snd_una, x->recover)) {
		recovery_exit(ts);
		return;
	}
	/* a partial ACK names the next hole; all but one segment of it had been counted as gone */
	x->partial = true;
	x->sacked -= gone < x->sacked ? gone : x->sacked;
	sacked_add(ts, 0, a->sacked);
	x->rtx_now = true;
	head_lost(ts);
}

static void loss_ack(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	if (!a->acked)
		return;
	if (seq_geq(ts->snd_una, ts->xfer->recover)) {
		ts->ca_state = CA_OPEN;
		ts->xfer->dupacks = ts->xfer->sacked = 0;
	}
}

void tcp_recovery_ack(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	if (!a->acked && !a->dup)
		return;
	if (ts->ca_state == CA_RECOVERY)
		recovery_ack(ts, a);
	else if (ts->ca_state == CA_LOSS)
		loss_ack(ts, a);
	else
		open_ack(ts, a);
}

/* --- time-out and path MTU ---------------------------------------------------------------------- */

/* RFC 5681, 3.1: ssthresh falls once for one loss, however often its segment is sent again. */
void tcp_recovery_timeout(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->xfer;

	if (ts->ca_state != CA_LOSS || seq_geq(ts->snd_una, x->recover))
		ts->ssthresh = ts->cc->ssthresh(ts);
	ts->cwnd = ts->mss;
	ts->ca_state = CA_LOSS;
	x->recover = ts->snd_nxt;
	x->sacked = x->dupacks = 0;
	x->partial = false;
	x->rtx_now = true;
	out_lost(ts);
	if (ts->cc->event)
		ts->cc->event(ts, TCP_CC_TIMEOUT);
}

/* What is out was too large for the path: send it again at once, and let cwnd be (RFC 1191, 6.4). */
void tcp_recovery_mtu(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->xfer;

	if (!x || !x->head || !x->head->times)
		return;
	if (ts->ca_state != CA_LOSS) {
		ts->ssthresh = ts->cwnd;
		ts->ca_state = CA_LOSS;
	}
	x->recover = ts->snd_nxt;
	x->sacked = x->dupacks = 0;
	x->rtx_now = true;
	out_lost(ts);
}

/* Goes on from what it found last: a queue of n lost records costs n steps, not n each time. */
struct tcp_rec *tcp_recovery_next(struct tcp_sock *ts)
{
	const uint8_t marks = REC_LOST | REC_RETRANS | REC_SACKED;
	struct tcp_xfer *x = ts->xfer;
	struct tcp_rec *r;

	if (!x || x->lost == x->retrans)
		return NULL;
	r = x->again ? x->again : x->head;
	while (r && r->times && (r->flags & marks) != REC_LOST)
		r = r->next;
	if (!r || !r->times)
		return NULL;
	x->again = r;
	return r;
}
