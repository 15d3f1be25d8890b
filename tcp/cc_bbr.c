/*
 * tcp/cc_bbr.c - BBR, version 3 (draft-ietf-ccwg-bbr): not losses but a model of the path, its
 * bandwidth and its least round-trip time, says how fast to send and how much may be out.
 *
 * STARTUP doubles until the pipe is full, DRAIN empties the queue that made; then cycles of probing
 * (cc_bbr_cycle.c) look for more bandwidth every few seconds, and PROBE_RTT for a lower round trip
 * time.  Losses bound what is out, for a cycle (lo) and beyond (hi), and so does ECN-Echo.
 */
#include "tcp/cc_bbr.h"

#include <errno.h>
#include <stdlib.h>

#define STARTUP_PACING 277u /* 2.4: StartupPacingGain, 4 ln 2 */
#define DRAIN_PACING 50u
#define DOWN_PACING 90u
#define UP_PACING 125u
#define CWND_GAIN 200u /* 5.6.1 */
#define UP_CWND_GAIN 225u
#define PROBE_RTT_GAIN 50u
#define MARGIN_PERCENT 1u    /* PacingMarginPercent */
#define STARTUP_LOSS_ACKS 6u /* StartupFullLossCnt */
#define DRAIN_ROUNDS 3u
#define PROBE_RTT_TIME (200 * NSEC_PER_MSEC) /* ProbeRTTDuration */

static struct bbr *bbr_of(struct tcp_sock *ts)
{
	return (struct bbr *)(uintptr_t)ts->est->cc_priv;
}

/* --- gains and rate (5.6) ----------------------------------------------------------------------------- */

static unsigned pacing_gain(const struct bbr *b)
{
	switch (b->state) {
	case BBR_STARTUP:
		return STARTUP_PACING;
	case BBR_DRAIN:
		return DRAIN_PACING;
	case BBR_DOWN:
		return DOWN_PACING;
	case BBR_UP:
		return UP_PACING;
	default:
		return BBR_UNIT;
	}
}

static unsigned cwnd_gain(const struct bbr *b)
{
	if (b->state == BBR_PROBE_RTT)
		return PROBE_RTT_GAIN;
	return b->state == BBR_UP ? UP_CWND_GAIN : CWND_GAIN;
}

/* Before the pipe is full the rate only rises. */
static void pacing_set(struct tcp_sock *ts, const struct bbr *b, unsigned gain)
{
	uint64_t rate = b->bw * gain / BBR_UNIT * (100 - MARGIN_PERCENT) / 100;

	if (b->full_reached || rate > ts->rare->pacing_rate)
		tcp_pace_set(ts, rate > ts->mss ? rate : ts->mss);
}

/* 5.6.2: the first window over the first round trip. */
static void pacing_init(struct tcp_sock *ts, struct bbr *b)
{
	uint64_t us = ts->est->srtt_us ? ts->est->srtt_us : NSEC_PER_MSEC / NSEC_PER_USEC;

	b->rate_guessed = !ts->est->srtt_us;
	tcp_pace_set(ts, (uint64_t)ts->est->cwnd * (NSEC_PER_SEC / NSEC_PER_USEC) / us *
			     STARTUP_PACING / BBR_UNIT);
}

static void startup_start(struct bbr *b)
{
	b->state = BBR_STARTUP;
}

/* --- from state to state -------------------------------------------------------------------------------- */

/* 5.3.1.3: STARTUP has overrun the path, says a round of losses. */
static void startup_loss(struct tcp_sock *ts, struct bbr *b, const struct tcp_rate *rs)
{
	uint32_t bdp = bbr_bdp(ts, b, b->bw, BBR_UNIT);

	if (b->full_reached || !b->loss_round_start || !bbr_too_high(ts, b, rs))
		return;
	if (!b->marked && (b->loss_acks < STARTUP_LOSS_ACKS || ts->ca_state != CA_RECOVERY))
		return;
	b->undo_state = BBR_STARTUP;
	b->full_reached = true;
	b->inflight_hi = bdp > b->inflight_latest ? bdp : b->inflight_latest;
}

static void startup_check(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	startup_loss(ts, b, &a->rate);
	if (b->state == BBR_STARTUP && b->full_reached) {
		b->state = BBR_DRAIN;
		b->drain_round = b->rounds;
	}
}

static void drain_check(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	if (b->state != BBR_DRAIN)
		return;
	if (tcp_pipe(ts) <= bbr_inflight(ts, b, bbr_bw_max(b), BBR_UNIT, 0) ||
	    b->rounds > b->drain_round + DRAIN_ROUNDS)
		bbr_down_start(ts, b, a->now);
}

/* --- ProbeRTT (5.3.4) ------------------------------------------------------------------------------------ */

/* What a recovery or ProbeRTT has lowered does not count. */
static void cwnd_save(struct tcp_sock *ts, struct bbr *b)
{
	if (ts->ca_state < CA_RECOVERY && b->state != BBR_PROBE_RTT)
		b->prior_cwnd = ts->est->cwnd;
	else if (ts->est->cwnd > b->prior_cwnd)
		b->prior_cwnd = ts->est->cwnd;
}

static void cwnd_restore(struct tcp_sock *ts, const struct bbr *b)
{
	if (ts->est->cwnd < b->prior_cwnd)
		ts->est->cwnd = b->prior_cwnd;
}

static uint32_t probe_rtt_cwnd(const struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t n = bbr_bdp(ts, b, b->bw, PROBE_RTT_GAIN);

	return n > bbr_min_pipe(ts) ? n : bbr_min_pipe(ts);
}

static void probe_rtt_end(struct tcp_sock *ts, struct bbr *b, uint64_t now)
{
	if (b->probe_rtt_done == 0 || now <= b->probe_rtt_done)
		return;
	b->probe_rtt_at = now;
	cwnd_restore(ts, b);
	bbr_lo_reset(b);
	if (!b->full_reached) {
		startup_start(b);
		return;
	}
	bbr_down_start(ts, b, now);
	b->state = BBR_CRUISE;
}

/* Little is out for 200 ms and a round trip; samples of it say nothing about the bandwidth. */
static void probe_rtt_hold(struct tcp_sock *ts, struct bbr *b, uint64_t now)
{
	uint32_t pipe = tcp_pipe(ts);

	tcp_rate_limit(ts, pipe ? pipe : 1);
	if (b->probe_rtt_done == 0 && pipe <= probe_rtt_cwnd(ts, b)) {
		b->probe_rtt_done = now + PROBE_RTT_TIME;
		b->probe_rtt_round_done = false;
		bbr_round_begin(ts, b);
	} else if (b->probe_rtt_done) {
		b->probe_rtt_round_done |= b->round_start;
		if (b->probe_rtt_round_done)
			probe_rtt_end(ts, b, now);
	}
}

static void probe_rtt_check(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	if (b->state != BBR_PROBE_RTT && b->probe_rtt_expired && !b->idle_restart) {
		cwnd_save(ts, b);
		b->state = BBR_PROBE_RTT;
		b->probe_rtt_done = 0;
		b->stopping = true;
		bbr_round_begin(ts, b);
	}
	if (b->state == BBR_PROBE_RTT)
		probe_rtt_hold(ts, b, a->now);
	if (a->delivered)
		b->idle_restart = false;
}

/* --- cwnd (5.6.4) ------------------------------------------------------------------------------------------ */

static void cwnd_bound(struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t cap = BBR_NO_LIMIT;

	if (b->state == BBR_PROBE_RTT && ts->est->cwnd > probe_rtt_cwnd(ts, b))
		ts->est->cwnd = probe_rtt_cwnd(ts, b);
	if (b->state == BBR_PROBE_RTT || b->state == BBR_CRUISE)
		cap = bbr_headroom(ts, b);
	else if (bbr_probes_bw(b))
		cap = b->inflight_hi;
	if (cap > b->inflight_lo)
		cap = b->inflight_lo;
	if (cap < bbr_min_pipe(ts))
		cap = bbr_min_pipe(ts);
	if (ts->est->cwnd > cap)
		ts->est->cwnd = cap;
}

static void cwnd_set(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	uint32_t most = bbr_inflight(ts, b, b->bw, cwnd_gain(b), bbr_extra(b));
	uint32_t more;

	if (a->prior_state >= CA_RECOVERY && ts->ca_state < CA_RECOVERY)
		cwnd_restore(ts, b);
	more = ts->est->cwnd + a->delivered;
	if (b->full_reached)
		ts->est->cwnd = more < most ? more : most;
	else if (ts->est->cwnd < most || ts->est->delivery.bytes < tcp_init_cwnd(ts))
		ts->est->cwnd = more;
	if (ts->est->cwnd < bbr_min_pipe(ts))
		ts->est->cwnd = bbr_min_pipe(ts);
	cwnd_bound(ts, b);
}

/* --- the table --------------------------------------------------------------------------------------------- */

static int bbr_init(struct tcp_sock *ts)
{
	struct bbr *b = tcp_rare_get(ts) ? calloc(1, sizeof(*b)) : NULL; /* the pace is there */

	if (!b)
		return -ENOMEM;
	ts->est->cc_priv = (uintptr_t)b;
	bbr_model_init(ts, b);
	pacing_init(ts, b);
	startup_start(b);
	return 0;
}

static void bbr_release(struct tcp_sock *ts)
{
	free(bbr_of(ts));
}

/* 5.2.3. */
static void bbr_control(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct bbr *b = bbr_of(ts);

	bbr_model_ack(ts, b, a);
	startup_check(ts, b, a);
	drain_check(ts, b, a);
	bbr_cycle_check(ts, b, a);
	bbr_min_rtt_update(b, a);
	probe_rtt_check(ts, b, a);
	bbr_model_end(ts, b, a);
	if (b->rate_guessed && ts->est->srtt_us)
		pacing_init(ts, b);
	pacing_set(ts, b, pacing_gain(b));
	cwnd_set(ts, b, a);
}

/* A loss says nothing by itself. */
static uint32_t bbr_ssthresh(struct tcp_sock *ts)
{
	cwnd_save(ts, bbr_of(ts));
	return ts->est->ssthresh;
}

/* 5.4.1: sending begins again where the program had nothing to send. */
static void idle_end(struct tcp_sock *ts, struct bbr *b, uint64_t now)
{
	if (!ts->est->delivery.app_limited)
		return;
	b->idle_restart = true;
	b->extra_from = now;
	if (bbr_probes_bw(b))
		pacing_set(ts, b, BBR_UNIT);
	else if (b->state == BBR_PROBE_RTT)
		probe_rtt_end(ts, b, now);
}

/* 5.5.11: the loss was none: what it ended goes on. */
static void loss_undo(struct tcp_sock *ts, struct bbr *b)
{
	enum bbr_state was = b->undo_state;

	cwnd_restore(ts, b);
	bbr_undo(b);
	if (was == b->state)
		return;
	if (was == BBR_STARTUP)
		b->full_reached = false;
	if (b->state == BBR_PROBE_RTT)
		return;
	if (was == BBR_STARTUP)
		startup_start(b);
	else if (was == BBR_UP)
		bbr_refill_start(ts, b);
}

static void bbr_lost(struct tcp_sock *ts, const struct tcp_rec *r)
{
	struct bbr *b = bbr_of(ts);

	bbr_note_loss(ts, b);
	bbr_probe_lost(ts, b, r);
}

static void bbr_event(struct tcp_sock *ts, enum tcp_cc_event ev)
{
	struct bbr *b = bbr_of(ts);

	if (ev == TCP_CC_START)
		idle_end(ts, b, tcp_now(ts));
	else if (ev == TCP_CC_UNDO)
		loss_undo(ts, b);
	else if (ev == TCP_CC_TIMEOUT || ev == TCP_CC_CWR)
		bbr_note_loss(ts, b);
	if (ev == TCP_CC_CWR) /* RFC 3168, 6.1.2: to be answered as a loss is */
		b->marked = true;
}

const struct tcp_cc_ops cc_bbr = {
    .name = "bbr",
    .init = bbr_init,
    .release = bbr_release,
    .ssthresh = bbr_ssthresh,
    .control = bbr_control,
    .lost = bbr_lost,
    .event = bbr_event,
};
