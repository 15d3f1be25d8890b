/*
 * tcp/tcp_rtt.c - round-trip time and retransmission time-out (RFC 6298).
 *
 * As Linux does, the least RTO stands for the variance (srtt + max(4 * rttvar, RTO min)), so that a
 * peer's delayed ACK is always waited for.
 */
#include "tcp/tcp_priv.h"

static void rto_compute(struct tcp_sock *ts)
{
	struct stack *st = ts->sk.stack;
	uint64_t least = (uint64_t)sysctl_get(st, tcp_rto_min_us);
	uint64_t most = (uint64_t)sysctl_get(st, tcp_rto_max_ms) * 1000;
	uint64_t var = 4ull * ts->rttvar_us, rto;

	rto = ts->srtt_us + (var > least ? var : least);
	ts->rto_us = (uint32_t)(rto < most ? rto : most);
}

void tcp_rtt_init(struct tcp_sock *ts)
{
	ts->srtt_us = ts->rttvar_us = 0;
	ts->min_rtt_us = ts->min_rtt_next_us = UINT32_MAX;
	ts->min_rtt_ms = tcp_ms(tcp_now(ts));
	ts->rto_us = TCP_RTO_INIT_US;
}

static uint32_t sample_us(uint64_t rtt_ns)
{
	uint64_t us = rtt_ns / NSEC_PER_USEC;

	return us < 1 ? 1 : us > UINT32_MAX / 8 ? UINT32_MAX / 8 : (uint32_t)us;
}

/*
 * The least of a window of time.  Two halves of it are kept: the minimum is that of the half that
 * runs and of the one before.
 */
void tcp_min_rtt_sample(struct tcp_sock *ts, uint64_t rtt_ns)
{
	uint32_t half_ms = (uint32_t)sysctl_get(ts->sk.stack, tcp_min_rtt_wlen) * 500;
	uint32_t m = sample_us(rtt_ns), now = tcp_ms(tcp_now(ts));

	if (now - ts->min_rtt_ms > half_ms) {
		ts->min_rtt_us = now - ts->min_rtt_ms > 2 * half_ms ? m : ts->min_rtt_next_us;
		ts->min_rtt_next_us = m;
		ts->min_rtt_ms = now;
	}
	if (m < ts->min_rtt_next_us)
		ts->min_rtt_next_us = m;
	if (m < ts->min_rtt_us)
		ts->min_rtt_us = m;
}

/* RFC 6298, 2.2 and 2.3. */
void tcp_rtt_sample(struct tcp_sock *ts, uint64_t rtt_ns)
{
	uint32_t m = sample_us(rtt_ns), off;

	if (ts->srtt_us == 0) {
		ts->srtt_us = m;
		ts->rttvar_us = m / 2;
	} else {
		off = ts->srtt_us > m ? ts->srtt_us - m : m - ts->srtt_us;
		ts->rttvar_us = (uint32_t)((3ull * ts->rttvar_us + off) / 4);
		ts->srtt_us = (uint32_t)((7ull * ts->srtt_us + m) / 8);
	}
	ts->probe_blind = false;
	rto_compute(ts);
}

static uint64_t rto_backed(const struct tcp_sock *ts, unsigned backoff)
{
	uint64_t most = (uint64_t)sysctl_get(ts->sk.stack, tcp_rto_max_ms) * NSEC_PER_MSEC;
	uint64_t rto = ts->rto_us * NSEC_PER_USEC;

	rto <<= backoff < 16 ? backoff : 16;
	return rto < most ? rto : most;
}

uint64_t tcp_rto_ns(const struct tcp_sock *ts)
{
	return rto_backed(ts, ts->backoff);
}

/* What was waited before the first probe of a closed window was no wait for an answer. */
uint64_t tcp_unanswered_ns(const struct tcp_sock *ts)
{
	unsigned n = ts->retransmits + (ts->rtx == RTX_PERSIST ? 0 : 1);
	uint64_t sum = 0;

	if (ts->flags & TCP_F_TX_FULL)
		return ts->retransmits * TCP_TX_RETRY_NS;
	for (unsigned i = 0; i < n && i <= ts->backoff; i++)
		sum += rto_backed(ts, ts->backoff - i);
	return sum;
}
