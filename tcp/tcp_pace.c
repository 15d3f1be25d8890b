/*
 * tcp/tcp_pace.c - how much goes at once: sending spread over time, at the rate that the algorithm sets
 * (draft-ietf-ccwg-bbr, 5.6.2) or SO_MAX_PACING_RATE allows, and what the path takes in one piece.
 *
 * rare->pace_next is when the next byte may go.  tcp_push() asks before each segment, which is no
 * larger than about a millisecond's worth, and what is held back comes with TCP_DUE_PACE.  The wheel
 * ticks in milliseconds: what a tick was late is made up for, so the rate is kept on the average.
 */
#include "tcp/tcp_priv.h"

#define PACE_QUANTUM_NS NSEC_PER_MSEC
#define PACE_FREE_SEGS 10 /* what goes first is not held, unless SO_MAX_PACING_RATE says so */
#define PACE_NEAR_SHIFT 9 /* us: each half millisecond of the path halves what may go on top */
#define PACE_CREDIT_NS (2 * NSEC_PER_MSEC) /* a tick, and the timer thread's lateness */

/* What the window makes in a round trip, and as Linux has it a fifth more; twice as much in slow
 * start, which doubles. */
static uint64_t window_rate(const struct tcp_sock *ts)
{
	const struct stack *st = ts->sk.stack;
	uint64_t percent = ts->est->cwnd < ts->est->ssthresh / 2
			       ? sysctl_get(st, tcp_pacing_ss_ratio)
			       : sysctl_get(st, tcp_pacing_ca_ratio);

	if (ts->est->srtt_us == 0)
		return 0;
	return (uint64_t)ts->est->cwnd * percent / 100 * (NSEC_PER_SEC / NSEC_PER_USEC) /
	       ts->est->srtt_us;
}

/* Bytes a second, for TCP_INFO even where nothing is paced. */
uint64_t tcp_pace_estimate(const struct tcp_sock *ts)
{
	uint64_t rate = ts->rare->pacing_rate ? ts->rare->pacing_rate : window_rate(ts);

	return ts->rare->max_pacing_rate && rate > ts->rare->max_pacing_rate
		   ? ts->rare->max_pacing_rate
		   : rate;
}

/* Who asks for a rate has a block to keep it in, or there is no memory and no pace. */
void tcp_pace_set(struct tcp_sock *ts, uint64_t rate)
{
	struct tcp_rare *k = rate ? tcp_rare_get(ts) : ts->rare_own;

	if (k && k != &tcp_rare_none)
		k->pacing_rate = rate;
}

/* 0: not paced. */
static uint64_t pace_rate(const struct tcp_sock *ts)
{
	uint64_t rate;

	if (!ts->rare->pacing_rate && !ts->rare->max_pacing_rate)
		return 0;
	rate = tcp_pace_estimate(ts);
	return rate ? rate : ts->rare->max_pacing_rate;
}

/*
 * Bytes that go as one burst: a millisecond's worth, more on the shortest paths, where it takes no
 * longer, and not more than half of cwnd, so that the other half is heard of in between.
 */
uint32_t tcp_pace_quantum(const struct tcp_sock *ts)
{
	uint32_t least = (uint32_t)sysctl_get(ts->sk.stack, tcp_min_tso_segs) * ts->mss;
	uint64_t n = tcp_pace_estimate(ts) / (NSEC_PER_SEC / PACE_QUANTUM_NS);
	uint32_t near = ts->est->min_rtt_us >> PACE_NEAR_SHIFT, half = ts->est->cwnd / 2;

	if (n == 0 && ts->est->srtt_us == 0)
		n = TCP_GSO_MAX;
	if (near < 32 && !pace_rate(ts))
		n += TCP_GSO_MAX >> near;
	n = n > least ? n : least;
	n = n < half ? n : half;
	return n > ts->mss ? (uint32_t)(n - n % ts->mss) : ts->mss;
}

/*
 * Nothing may go now: TCP_DUE_PACE is set.  What follows a time-out is never held; a rate that has
 * risen since the last burst shortens the wait that burst had earned.
 */
bool tcp_pace_hold(struct tcp_sock *ts)
{
	uint64_t rate = pace_rate(ts), now, most;

	if (!rate)
		return false;
	now = tcp_now(ts);
	if (ts->rare->pace_next <= now)
		return false;
	if (ts->ca_state == CA_LOSS && ts->est->xfer->retrans == 0)
		return false;
	most = now + 2 * tcp_pace_quantum(ts) * NSEC_PER_SEC / rate;
	if (ts->rare->pace_next > most)
		ts->rare_own->pace_next = most;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPPaced);
	tcp_timer_set(ts, TCP_DUE_PACE, ts->rare->pace_next);
	return true;
}

void tcp_pace_sent(struct tcp_sock *ts, uint32_t n, uint64_t now)
{
	uint64_t rate = pace_rate(ts), from = ts->rare->pace_next;

	if (!rate)
		return;
	if (!ts->rare->pacing_rate && rate < ts->rare->max_pacing_rate &&
	    ts->est->data_segs_out < PACE_FREE_SEGS)
		return; /* nobody asked for less than the first window (RFC 6928) */
	if (from + PACE_CREDIT_NS < now)
		from = now - PACE_CREDIT_NS;
	ts->rare_own->pace_next = from + n * NSEC_PER_SEC / rate;
}

/* --- the largest super-segment --------------------------------------------------------------------- */

/*
 * A big one must fit the send buffer several times, and is not for what is lost or where the device had no room
 * for one before: the host wants pages in a row for it.
 */
uint32_t tcp_gso_max(const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;

	if (!x || !x->big || ts->rare->big_failed || ts->ca_state != CA_OPEN ||
	    (ts->flags & TCP_F_TX_FULL) || ts->sk.sndbuf / 4 < TCP_GSO_BIG)
		return TCP_GSO_MAX;
	return TCP_GSO_BIG;
}

/* Between us and the host nothing is lost: should it be that it takes none of that size, then no more of them. */
void tcp_gso_doubt(struct tcp_sock *ts)
{
	struct tcp_rare *k = ts->est->xfer->big ? tcp_rare_get(ts) : NULL;

	if (k)
		k->big_failed = true;
}
