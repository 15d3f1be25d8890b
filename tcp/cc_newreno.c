/*
 * tcp/cc_newreno.c - NewReno: slow start and congestion avoidance (RFC 5681, 3.1), byte counting
 * (RFC 3465).
 *
 * cc_priv counts the bytes acknowledged towards the next segment of congestion avoidance.
 */
#include "tcp/tcp_priv.h"

/*
 * RFC 5681, 3.1, eq. 4: half of what was out, at least two segments: cwnd, where that was the limit,
 * without what limited transmit has sent beyond it (3.2, step 2).
 */
static uint32_t newreno_ssthresh(struct tcp_sock *ts)
{
	bool full = ts->flags & TCP_F_CWND_LIMITED || tcp_flight(ts) > ts->est->cwnd;
	uint32_t half = (full ? ts->est->cwnd : tcp_flight(ts)) / 2, least = 2u * ts->mss;

	return half > least ? half : least;
}

static void newreno_acked(struct tcp_sock *ts, const struct tcp_ack_info *a, uint32_t n)
{
	uint64_t *count = &ts->est->cc_priv;

	if (ts->est->cwnd < ts->est->ssthresh)
		n = tcp_slow_start(ts, n, 1);
	if (n == 0 || ts->est->cwnd < ts->est->ssthresh)
		return;
	*count += n;
	if (*count >= ts->est->cwnd) {
		*count -= ts->est->cwnd;
		ts->est->cwnd += ts->mss;
	}
}

static void newreno_event(struct tcp_sock *ts, enum tcp_cc_event ev)
{
	if (ev != TCP_CC_START)
		ts->est->cc_priv = 0;
}

const struct tcp_cc_ops cc_newreno = {
    .name = "reno",
    .ssthresh = newreno_ssthresh,
    .acked = newreno_acked,
    .event = newreno_event,
};
