/*
 * tcp/cc_bbr.c - BBR, version 3 (draft-ietf-ccwg-bbr): not losses but a model of the path, its
 * bandwidth and its least round-trip time, says how fast to send and how much may be out.
 *
 * STARTUP doubles until the pipe is full, DRAIN empties the queue that made; then cycles of DOWN,
 * CRUISE, REFILL and UP look for more bandwidth every few seconds, and PROBE_RTT for a lower round
 * trip time.  Losses bound what is out, for a cycle (lo) and beyond (hi), and so does ECN-Echo.
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
#define HEADROOM_PERCENT 15u /* Headroom */
#define STARTUP_LOSS_ACKS 6u /* StartupFullLossCnt */
#define DRAIN_ROUNDS 3u
#define RENO_ROUNDS 63u /* 5.3.3.5.3: what Reno would need to find as much */
#define UP_ROUNDS 30u
#define PROBE_WAIT (2 * NSEC_PER_SEC)        /* and up to a second more */
#define PROBE_RTT_TIME (200 * NSEC_PER_MSEC) /* ProbeRTTDuration */

static struct bbr *bbr_of(struct tcp_sock *ts)
{
	return (struct bbr *)(uintptr_t)ts->cc_priv[0];
}

static uint32_t min_pipe(const struct tcp_sock *ts)
{
	return BBR_MIN_PIPE * ts->mss;
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

	if (b->full_reached || rate > ts->pacing_rate)
		ts->pacing_rate = rate > ts->mss ? rate : ts->mss;
}

/* 5.6.2: the first window over the first round trip. */
static void pacing_init(struct tcp_sock *ts, struct bbr *b)
{
	uint64_t us = ts->srtt_us ? ts->srtt_us : NSEC_PER_MSEC / NSEC_PER_USEC;

	b->rate_guessed = !ts->srtt_us;
	ts->pacing_rate =
	    (uint64_t)ts->cwnd * (NSEC_PER_SEC / NSEC_PER_USEC) / us * STARTUP_PACING / BBR_UNIT;
}

/* --- states of ProbeBW (5.3.3) -------------------------------------------------------------------------- */

static void down_start(struct tcp_sock *ts, struct bbr *b, uint64_t now)
{
	uint64_t chance = env_random(ts->sk.stack->env);

	bbr_signals_reset(b);
	b->up_cnt = UINT32_MAX;
	b->rounds_since_probe = chance & 1;
	b->probe_wait = PROBE_WAIT + (chance >> 1) % NSEC_PER_SEC;
	b->cycle_at = now;
	b->stopping = true;
	bbr_round_begin(ts, b);
	b->state = BBR_DOWN;
}

static void refill_start(struct tcp_sock *ts, struct bbr *b)
{
	bbr_lo_reset(b);
	b->up_rounds = b->up_acks = 0;
	b->stopping = false;
	bbr_round_begin(ts, b);
	b->state = BBR_REFILL;
}

/* inflight_hi grows by 1, 2, 4, ... segments in one round after the other. */
static void up_steepen(struct tcp_sock *ts, struct bbr *b)
{
	b->up_cnt = ts->cwnd >> b->up_rounds;
	if (b->up_cnt < 1)
		b->up_cnt = 1;
	if (b->up_rounds < UP_ROUNDS)
		b->up_rounds++;
}

static void up_start(struct tcp_sock *ts, struct bbr *b)
{
	b->samples = true;
	bbr_round_begin(ts, b);
	bbr_full_reset(b);
	b->full_bw = b->bw_sample;
	b->state = BBR_UP;
	up_steepen(ts, b);
}

static void startup_start(struct bbr *b)
{
	b->state = BBR_STARTUP;
}

/* --- bounds from probing (5.5.10.2) ------------------------------------------------------------------- */

static bool inflight_too_high(const struct bbr *b, const struct tcp_rate *rs)
{
	if (b->marked)
		return true;
	return rs->prior_at && (uint64_t)rs->lost * 100 > (uint64_t)rs->flight * BBR_LOSS_PERCENT;
}

static uint32_t target_inflight(const struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t bdp = bbr_bdp(ts, b, b->bw, BBR_UNIT);

	return bdp < ts->cwnd ? bdp : ts->cwnd;
}

static void too_high(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	uint32_t least = (uint32_t)((uint64_t)target_inflight(ts, b) * BBR_BETA_PERCENT / 100);

	b->samples = false;
	if (!a->rate.app_limited)
		b->inflight_hi = a->rate.flight > least ? a->rate.flight : least;
	if (b->state == BBR_UP)
		down_start(ts, b, a->now);
}

static bool fills_hi(const struct tcp_sock *ts, const struct bbr *b)
{
	return (ts->flags & TCP_F_CWND_LIMITED) && ts->cwnd >= b->inflight_hi;
}

static void hi_grow(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	if (!fills_hi(ts, b))
		return;
	b->up_acks += a->delivered;
	if (b->up_acks >= b->up_cnt) {
		b->inflight_hi += b->up_acks / b->up_cnt * ts->mss;
		b->up_acks %= b->up_cnt;
	}
	if (b->round_start)
		up_steepen(ts, b);
}

/* 5.3.3.6: what ACKs tell of what was sent while probing. */
static void hi_adapt(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	if (b->stopping && b->round_start) {
		b->stopping = b->samples = false;
		if (bbr_probes_bw(b) && !a->rate.app_limited)
			bbr_bw_advance(b);
	}
	if (inflight_too_high(b, &a->rate)) {
		if (b->samples)
			too_high(ts, b, a);
		return;
	}
	if (b->inflight_hi == BBR_NO_LIMIT)
		return;
	if (a->rate.prior_at && a->rate.flight > b->inflight_hi)
		b->inflight_hi = a->rate.flight;
	if (b->state == BBR_UP)
		hi_grow(ts, b, a);
}

/* Room for others, and for the queue to stay away. */
static uint32_t inflight_headroom(const struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t room = (uint32_t)((uint64_t)b->inflight_hi * HEADROOM_PERCENT / 100), left;

	if (b->inflight_hi == BBR_NO_LIMIT)
		return BBR_NO_LIMIT;
	if (room < ts->mss)
		room = ts->mss;
	left = b->inflight_hi > room ? b->inflight_hi - room : 0;
	return left > min_pipe(ts) ? left : min_pipe(ts);
}

/* --- from state to state -------------------------------------------------------------------------------- */

/* 5.3.1.3: STARTUP has overrun the path, says a round of losses. */
static void startup_loss(struct tcp_sock *ts, struct bbr *b, const struct tcp_rate *rs)
{
	uint32_t bdp = bbr_bdp(ts, b, b->bw, BBR_UNIT);

	if (b->full_reached || !b->loss_round_start || !inflight_too_high(b, rs))
		return;
	if (!b->marked && (b->loss_acks < STARTUP_LOSS_ACKS || ts->ca_state != CA_RECOVERY))
		return;
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
		down_start(ts, b, a->now);
}

static bool time_to_cruise(const struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t pipe = tcp_pipe(ts);

	return pipe <= inflight_headroom(ts, b) &&
	       pipe <= bbr_inflight(ts, b, bbr_bw_max(b), BBR_UNIT, 0);
}

/* By the clock, or where Reno would have found as much in fewer rounds. */
static bool time_to_probe(const struct tcp_sock *ts, const struct bbr *b, uint64_t now)
{
	uint32_t reno = target_inflight(ts, b) / ts->mss;

	if (now > b->cycle_at + b->probe_wait)
		return true;
	return b->rounds_since_probe >= (reno < RENO_ROUNDS ? reno : RENO_ROUNDS);
}

static bool time_to_go_down(const struct tcp_sock *ts, struct bbr *b)
{
	if (!fills_hi(ts, b))
		return b->full_now;
	bbr_full_reset(b); /* what bounds it is inflight_hi */
	b->full_bw = b->bw_sample;
	return false;
}

static void cycle_check(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	if (!b->full_reached)
		return;
	hi_adapt(ts, b, a);
	switch (b->state) {
	case BBR_DOWN:
	case BBR_CRUISE:
		if (time_to_probe(ts, b, a->now))
			refill_start(ts, b);
		else if (b->state == BBR_DOWN && time_to_cruise(ts, b))
			b->state = BBR_CRUISE;
		break;
	case BBR_REFILL:
		if (b->round_start)
			up_start(ts, b);
		break;
	case BBR_UP:
		if (time_to_go_down(ts, b))
			down_start(ts, b, a->now);
		break;
	default:
		break;
	}
}

/* --- ProbeRTT (5.3.4) ------------------------------------------------------------------------------------ */

/* What a recovery or ProbeRTT has lowered does not count. */
static void cwnd_save(struct tcp_sock *ts, struct bbr *b)
{
	if (ts->ca_state < CA_RECOVERY && b->state != BBR_PROBE_RTT)
		b->prior_cwnd = ts->cwnd;
	else if (ts->cwnd > b->prior_cwnd)
		b->prior_cwnd = ts->cwnd;
}

static void cwnd_restore(struct tcp_sock *ts, const struct bbr *b)
{
	if (ts->cwnd < b->prior_cwnd)
		ts->cwnd = b->prior_cwnd;
}

static uint32_t probe_rtt_cwnd(const struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t n = bbr_bdp(ts, b, b->bw, PROBE_RTT_GAIN);

	return n > min_pipe(ts) ? n : min_pipe(ts);
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
	down_start(ts, b, now);
	b->state = BBR_CRUISE;
}

/* Little is out for 200 ms and a round trip; samples of it say nothing about the bandwidth. */
static void probe_rtt_hold(struct tcp_sock *ts, struct bbr *b, uint64_t now)
{
	uint32_t pipe = tcp_pipe(ts);

	ts->delivery.app_limited = ts->delivery.bytes + (pipe ? pipe : 1);
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

	if (b->state == BBR_PROBE_RTT && ts->cwnd > probe_rtt_cwnd(ts, b))
		ts->cwnd = probe_rtt_cwnd(ts, b);
	if (b->state == BBR_PROBE_RTT || b->state == BBR_CRUISE)
		cap = inflight_headroom(ts, b);
	else if (bbr_probes_bw(b))
		cap = b->inflight_hi;
	if (cap > b->inflight_lo)
		cap = b->inflight_lo;
	if (cap < min_pipe(ts))
		cap = min_pipe(ts);
	if (ts->cwnd > cap)
		ts->cwnd = cap;
}

static void cwnd_set(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	uint32_t most = bbr_inflight(ts, b, b->bw, cwnd_gain(b), bbr_extra(b));
	uint32_t more;

	if (a->prior_state == CA_LOSS && ts->ca_state < CA_RECOVERY)
		cwnd_restore(ts, b);
	more = ts->cwnd + a->delivered;
	if (b->full_reached)
		ts->cwnd = more < most ? more : most;
	else if (ts->cwnd < most || ts->delivery.bytes < tcp_init_cwnd(ts))
		ts->cwnd = more;
	if (ts->cwnd < min_pipe(ts))
		ts->cwnd = min_pipe(ts);
	cwnd_bound(ts, b);
}

/* --- the table --------------------------------------------------------------------------------------------- */

static int bbr_init(struct tcp_sock *ts)
{
	struct bbr *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	ts->cc_priv[0] = (uintptr_t)b;
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
	cycle_check(ts, b, a);
	bbr_min_rtt_update(b, a);
	probe_rtt_check(ts, b, a);
	bbr_model_end(ts, b, a);
	if (b->rate_guessed && ts->srtt_us)
		pacing_init(ts, b);
	pacing_set(ts, b, pacing_gain(b));
	cwnd_set(ts, b, a);
}

/* A loss says nothing by itself. */
static uint32_t bbr_ssthresh(struct tcp_sock *ts)
{
	cwnd_save(ts, bbr_of(ts));
	return ts->ssthresh;
}

/* 5.2.4.1: sending begins again where the program had nothing to send. */
static void idle_end(struct tcp_sock *ts, struct bbr *b, uint64_t now)
{
	if (!ts->delivery.app_limited)
		return;
	b->idle_restart = true;
	b->extra_from = now;
	if (bbr_probes_bw(b))
		pacing_set(ts, b, BBR_UNIT);
	else if (b->state == BBR_PROBE_RTT)
		probe_rtt_end(ts, b, now);
}

/* 5.5.11: the loss was none. */
static void loss_undo(struct tcp_sock *ts, struct bbr *b)
{
	b->loss_in_round = false;
	bbr_full_reset(b);
	if (b->bw_lo < b->undo_bw_lo)
		b->bw_lo = b->undo_bw_lo;
	if (b->inflight_lo < b->undo_inflight_lo)
		b->inflight_lo = b->undo_inflight_lo;
	if (b->inflight_hi < b->undo_inflight_hi)
		b->inflight_hi = b->undo_inflight_hi;
	if (b->state == BBR_PROBE_RTT || b->state == b->undo_state)
		return;
	if (b->undo_state == BBR_STARTUP)
		startup_start(b);
	else if (b->undo_state == BBR_UP)
		up_start(ts, b);
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
    .event = bbr_event,
};
