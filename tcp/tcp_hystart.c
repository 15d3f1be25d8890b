/*
 * tcp/tcp_hystart.c - HyStart++ (RFC 9406): the first slow start ends when a queue builds up, before
 * it overflows.
 *
 * A round is a window of data.  When the least RTT of a round's first samples has risen over that of
 * the round before, growth goes on at a quarter of the pace (conservative slow start); if the RTT
 * falls again that was a mistake, else slow start is over after five rounds of it.
 *
 * Linux's older rule stands beside it, by setting: out at once when the least of a round's samples is
 * as much above the least RTT there was.
 */
#include "tcp/tcp_priv.h"

#define RTT_RISE_MIN_US 4000u  /* RFC 9406, 4.3: MIN_RTT_THRESH */
#define RTT_RISE_MAX_US 16000u /* MAX_RTT_THRESH */
#define RTT_RISE_DIVISOR 8u    /* MIN_RTT_DIVISOR */
#define RTT_SAMPLES 8u         /* N_RTT_SAMPLE */
#define CSS_DIVISOR 4u         /* CSS_GROWTH_DIVISOR */
#define CSS_ROUNDS 5u
#define DELAY_LOW_WINDOW 16u /* segments: below it Linux's rule does not look */

unsigned tcp_hystart_divisor(const struct tcp_hystart *h)
{
	return h->css_us ? CSS_DIVISOR : 1;
}

static void slow_start_end(struct tcp_sock *ts)
{
	ts->est->ssthresh = ts->est->cwnd;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPHystartDelayDetect);
	mib_add(ts->sk.stack, MIB_TcpExt_TCPHystartDelayCwnd, ts->est->cwnd / ts->mss);
}

static void round_begin(struct tcp_sock *ts, struct tcp_hystart *h)
{
	bool first = !h->on;

	h->on = true;
	h->end = ts->snd_nxt;
	h->last_us = first ? UINT32_MAX : h->least_us;
	h->least_us = UINT32_MAX;
	h->samples = 0;
	if (h->css_us && ++h->css_rounds >= CSS_ROUNDS)
		slow_start_end(ts);
}

static uint32_t rise(uint32_t last_us)
{
	uint32_t us = last_us / RTT_RISE_DIVISOR;

	if (us < RTT_RISE_MIN_US)
		return RTT_RISE_MIN_US;
	return us < RTT_RISE_MAX_US ? us : RTT_RISE_MAX_US;
}

static void rtt_take(struct tcp_hystart *h, uint32_t us)
{
	if (us < h->least_us)
		h->least_us = us;
	if (h->samples < RTT_SAMPLES)
		h->samples++;
	if (h->samples < RTT_SAMPLES)
		return;
	if (h->css_us && h->least_us < h->css_us) {
		h->css_us = 0; /* it was a mistake */
	} else if (!h->css_us && h->last_us != UINT32_MAX &&
		   h->least_us >= h->last_us + rise(h->last_us)) {
		h->css_us = h->least_us;
		h->css_rounds = 0;
	}
}

/* RFC 9406, 4.2: every ACK of the first slow start.  What ends a round belongs to it. */
void tcp_hystart_ack(struct tcp_sock *ts, struct tcp_hystart *h, const struct tcp_ack_info *a)
{
	if (!h->on)
		round_begin(ts, h);
	if (a->rtt_ns)
		rtt_take(h, (uint32_t)(a->rtt_ns / NSEC_PER_USEC));
	if (seq_geq(ts->snd_una, h->end))
		round_begin(ts, h);
}

/* HYSTART_DELAY; before the ACK is added to cwnd. */
void tcp_hystart_delay(struct tcp_sock *ts, struct tcp_hystart *h, const struct tcp_ack_info *a)
{
	uint32_t us = (uint32_t)(a->rtt_ns / NSEC_PER_USEC);

	if (ts->est->cwnd < DELAY_LOW_WINDOW * ts->mss || !us)
		return;
	if (!h->on || seq_gt(ts->snd_una, h->end))
		*h = (struct tcp_hystart){.on = true, .end = ts->snd_nxt, .least_us = UINT32_MAX};
	if (us < h->least_us)
		h->least_us = us;
	if (h->samples < RTT_SAMPLES)
		h->samples++;
	else if (h->least_us > ts->est->min_rtt_us + rise(ts->est->min_rtt_us))
		slow_start_end(ts);
}
