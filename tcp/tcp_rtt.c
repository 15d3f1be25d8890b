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
	uint64_t var = 4ull * ts->est->rttvar_us, rto;

	rto = ts->est->srtt_us + (var > least ? var : least);
	ts->est->rto_us = (uint32_t)(rto < most ? rto : most);
}

void tcp_rtt_init(struct tcp_sock *ts)
{
	ts->est->srtt_us = ts->est->rttvar_us = 0;
	ts->est->min_rtt_us = ts->est->min_rtt_next_us = UINT32_MAX;
	ts->est->min_rtt_ms = tcp_ms(tcp_now(ts));
	ts->est->rto_us = TCP_RTO_INIT_US;
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
static void min_rtt_sample(struct tcp_sock *ts, uint32_t now, uint32_t m)
{
	uint32_t half_ms = (uint32_t)sysctl_get(ts->sk.stack, tcp_min_rtt_wlen) * 500;

	if (now - ts->est->min_rtt_ms > half_ms) {
		ts->est->min_rtt_us =
		    now - ts->est->min_rtt_ms > 2 * half_ms ? m : ts->est->min_rtt_next_us;
		ts->est->min_rtt_next_us = m;
		ts->est->min_rtt_ms = now;
	}
	if (m < ts->est->min_rtt_next_us)
		ts->est->min_rtt_next_us = m;
	if (m < ts->est->min_rtt_us)
		ts->est->min_rtt_us = m;
}

/* RFC 6298, 2.2 and 2.3. */
void tcp_rtt_sample(struct tcp_sock *ts, uint64_t now, uint64_t rtt_ns, uint64_t newest_ns)
{
	uint32_t m = sample_us(rtt_ns), off;

	min_rtt_sample(ts, tcp_ms(now), newest_ns == rtt_ns ? m : sample_us(newest_ns));
	if (ts->est->srtt_us == 0) {
		ts->est->srtt_us = m;
		ts->est->rttvar_us = m / 2;
	} else {
		off = ts->est->srtt_us > m ? ts->est->srtt_us - m : m - ts->est->srtt_us;
		ts->est->rttvar_us = (uint32_t)((3ull * ts->est->rttvar_us + off) / 4);
		ts->est->srtt_us = (uint32_t)((7ull * ts->est->srtt_us + m) / 8);
	}
	ts->probe_blind = false;
	rto_compute(ts);
}

/* --- of the SYN --------------------------------------------------------------------------------- */

void tcp_syn_stamp(struct tcp_sock *ts, uint64_t now)
{
	uint32_t us = (uint32_t)(now / NSEC_PER_USEC);

	ts->est->syn_sent_us = us ? us : 1;
}

/* Ours is acknowledged; one that was sent twice tells nothing (RFC 6298, 3). */
void tcp_syn_rtt(struct tcp_sock *ts, uint64_t now)
{
	uint32_t us = (uint32_t)(now / NSEC_PER_USEC) - ts->est->syn_sent_us;

	if (ts->est->syn_sent_us && !(ts->flags & TCP_F_SYN_RTX))
		tcp_rtt_sample(ts, now, us * NSEC_PER_USEC, us * NSEC_PER_USEC);
}

static uint64_t rto_backed(const struct tcp_sock *ts, unsigned backoff)
{
	uint64_t most = (uint64_t)sysctl_get(ts->sk.stack, tcp_rto_max_ms) * NSEC_PER_MSEC;
	uint64_t rto = ts->est->rto_us * NSEC_PER_USEC;

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
	if (tcp_state_of(ts) == TCP_SYN_SENT && n > ts->backoff + 1u) /* not doubled */
		sum += (n - ts->backoff - 1u) * rto_backed(ts, 0);
	return sum;
}
