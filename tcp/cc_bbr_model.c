/*
 * tcp/cc_bbr_model.c - BBR's model of the path (draft-ietf-ccwg-bbr, 5.5): bandwidth, round-trip time,
 * what aggregation adds, bounds from losses; and whether the pipe is full (5.3.1.2).
 */
#include "tcp/cc_bbr.h"

#define FULL_GROWTH_PERCENT 125u            /* 5.3.1.2: less than a quarter more ... */
#define FULL_ROUNDS 3u                      /* ... in three rounds */
#define EXTRA_ROUNDS 5u                     /* half of ExtraAckedFilterLen */
#define MIN_RTT_WINDOW (10 * NSEC_PER_SEC)  /* MinRTTFilterLen */
#define PROBE_RTT_WINDOW (5 * NSEC_PER_SEC) /* ProbeRTTInterval */

void bbr_model_init(struct tcp_sock *ts, struct bbr *b)
{
	uint64_t now = tcp_now(ts);

	b->round_end = b->loss_round_end = ts->est->delivery.bytes;
	b->lost_seen = ts->est->delivery.lost;
	b->min_rtt_us = b->probe_rtt_us = ts->est->srtt_us ? ts->est->min_rtt_us : UINT32_MAX;
	b->min_rtt_at = b->probe_rtt_at = now;
	b->extra_from = now;
	b->inflight_hi = BBR_NO_LIMIT;
	b->undo_state = BBR_NONE;
	bbr_lo_reset(b);
}

/* --- rounds -------------------------------------------------------------------------------------- */

void bbr_round_begin(struct tcp_sock *ts, struct bbr *b)
{
	b->round_end = ts->est->delivery.bytes;
}

static void round_update(struct tcp_sock *ts, struct bbr *b, const struct tcp_rate *rs)
{
	b->round_start = rs->prior_at && rs->prior_delivered >= b->round_end;
	if (!b->round_start)
		return;
	bbr_round_begin(ts, b);
	b->rounds++;
	b->rounds_since_probe++;
}

/* --- bandwidth ----------------------------------------------------------------------------------- */

static void bw_update(struct bbr *b, const struct tcp_rate *rs)
{
	if (b->bw_sample == 0 || (rs->app_limited && b->bw_sample < bbr_bw_max(b)))
		return;
	if (b->bw_sample > b->bw_max[0])
		b->bw_max[0] = b->bw_sample;
}

void bbr_bw_advance(struct bbr *b)
{
	b->bw_max[1] = b->bw_max[0];
	b->bw_max[0] = 0;
}

/* --- bounds from losses (5.5.10) ------------------------------------------------------------------- */

void bbr_lo_reset(struct bbr *b)
{
	b->bw_lo = UINT64_MAX;
	b->inflight_lo = BBR_NO_LIMIT;
}

void bbr_signals_reset(struct bbr *b)
{
	b->loss_in_round = b->marked = false;
	b->bw_latest = 0;
	b->inflight_latest = 0;
}

void bbr_note_loss(struct tcp_sock *ts, struct bbr *b)
{
	if (b->loss_in_round)
		return;
	b->loss_in_round = true;
	b->loss_round_end = ts->est->delivery.bytes;
	b->undo_state = BBR_NONE;
	b->undo_bw_lo = b->bw_lo;
	b->undo_inflight_lo = b->inflight_lo;
	b->undo_inflight_hi = b->inflight_hi;
}

/* The bounds are no lower than before the loss. */
void bbr_undo(struct bbr *b)
{
	b->loss_in_round = false;
	bbr_full_reset(b);
	if (b->bw_lo < b->undo_bw_lo)
		b->bw_lo = b->undo_bw_lo;
	if (b->inflight_lo < b->undo_inflight_lo)
		b->inflight_lo = b->undo_inflight_lo;
	if (b->inflight_hi < b->undo_inflight_hi)
		b->inflight_hi = b->undo_inflight_hi;
	b->undo_state = BBR_NONE;
}

/* The largest of a round. */
static void latest_update(struct tcp_sock *ts, struct bbr *b, const struct tcp_rate *rs)
{
	uint32_t delivered = rs->delivered < UINT32_MAX ? (uint32_t)rs->delivered : UINT32_MAX;

	b->loss_round_start = rs->prior_at && rs->prior_delivered >= b->loss_round_end;
	if (b->bw_sample > b->bw_latest)
		b->bw_latest = b->bw_sample;
	if (delivered > b->inflight_latest)
		b->inflight_latest = delivered;
	if (b->loss_round_start)
		b->loss_round_end = ts->est->delivery.bytes;
}

/* A round with losses, but while probing: then they are answered by inflight_hi. */
static void lo_adapt(const struct tcp_sock *ts, struct bbr *b)
{
	bool probing = b->state == BBR_STARTUP || b->state == BBR_REFILL || b->state == BBR_UP;
	uint64_t bw;
	uint32_t inflight;

	if (probing || !b->loss_in_round)
		return;
	if (b->bw_lo == UINT64_MAX)
		b->bw_lo = bbr_bw_max(b);
	if (b->inflight_lo == BBR_NO_LIMIT)
		b->inflight_lo = ts->est->cwnd;
	bw = b->bw_lo * BBR_BETA_PERCENT / 100;
	inflight = (uint32_t)((uint64_t)b->inflight_lo * BBR_BETA_PERCENT / 100);
	b->bw_lo = b->bw_latest > bw ? b->bw_latest : bw;
	b->inflight_lo = b->inflight_latest > inflight ? b->inflight_latest : inflight;
}

/* --- aggregation (5.5.9) --------------------------------------------------------------------------- */

uint32_t bbr_extra(const struct bbr *b)
{
	return b->extra[0] > b->extra[1] ? b->extra[0] : b->extra[1];
}

static void extra_window(struct bbr *b)
{
	if (!b->round_start)
		return;
	if (++b->extra_rounds < (b->full_reached ? EXTRA_ROUNDS : 1))
		return;
	b->extra_rounds = 0;
	b->extra[1] = b->extra[0];
	b->extra[0] = 0;
}

static void extra_update(const struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	uint64_t us = (a->now - b->extra_from) / NSEC_PER_USEC, expected, more;

	extra_window(b);
	if (a->delivered == 0)
		return;
	expected = b->bw * us / (NSEC_PER_SEC / NSEC_PER_USEC);
	if (b->extra_delivered <= expected) {
		b->extra_delivered = expected = 0;
		b->extra_from = a->now;
	}
	b->extra_delivered += a->delivered;
	more = b->extra_delivered - expected;
	if (more > ts->est->cwnd)
		more = ts->est->cwnd;
	if (more > b->extra[0])
		b->extra[0] = (uint32_t)more;
}

/* --- is the pipe full? ------------------------------------------------------------------------------ */

void bbr_full_reset(struct bbr *b)
{
	b->full_bw = 0;
	b->full_count = 0;
	b->full_now = false;
}

static void full_check(struct bbr *b, const struct tcp_rate *rs)
{
	if (b->full_now || !b->round_start || rs->app_limited || b->bw_sample == 0)
		return;
	if (b->bw_sample >= b->full_bw * FULL_GROWTH_PERCENT / 100) {
		bbr_full_reset(b);
		b->full_bw = b->bw_sample;
		return;
	}
	b->full_now = ++b->full_count >= FULL_ROUNDS;
	b->full_reached |= b->full_now;
}

/* --- round-trip time (5.3.4.3) ----------------------------------------------------------------------- */

void bbr_min_rtt_update(struct bbr *b, const struct tcp_ack_info *a)
{
	uint32_t us = (uint32_t)(a->rtt_ns / NSEC_PER_USEC);

	b->probe_rtt_expired = a->now > b->probe_rtt_at + PROBE_RTT_WINDOW;
	if (a->rtt_ns && (us < b->probe_rtt_us || b->probe_rtt_expired)) {
		b->probe_rtt_us = us;
		b->probe_rtt_at = a->now;
	}
	if (b->probe_rtt_us < b->min_rtt_us || a->now > b->min_rtt_at + MIN_RTT_WINDOW) {
		b->min_rtt_us = b->probe_rtt_us;
		b->min_rtt_at = b->probe_rtt_at;
	}
}

/* --- what fits ---------------------------------------------------------------------------------------- */

uint32_t bbr_bdp(const struct tcp_sock *ts, const struct bbr *b, uint64_t bw, unsigned gain)
{
	uint64_t n;

	if (b->min_rtt_us == UINT32_MAX)
		return (uint32_t)((uint64_t)tcp_init_cwnd(ts) * gain / BBR_UNIT);
	n = bw / BBR_UNIT * gain / 1000 * b->min_rtt_us / 1000;
	return n < TCP_CWND_MAX ? (uint32_t)n : TCP_CWND_MAX;
}

/* 5.6.4.2: three bursts, four segments, and in UP two more. */
uint32_t bbr_inflight(const struct tcp_sock *ts, const struct bbr *b, uint64_t bw, unsigned gain,
		      uint32_t extra)
{
	uint32_t n = bbr_bdp(ts, b, bw, gain) + extra, burst = tcp_pace_quantum(ts);
	uint32_t least = BBR_MIN_PIPE * ts->mss;

	burst = 3 * (burst < TCP_GSO_MAX ? burst : TCP_GSO_MAX);
	if (n < burst)
		n = burst;
	if (n < least)
		n = least;
	return b->state == BBR_UP ? n + 2u * ts->mss : n;
}

/* --- an ACK -------------------------------------------------------------------------------------------- */

void bbr_model_ack(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	const struct tcp_rate *rs = &a->rate;

	b->bw_sample = rs->interval_ns ? rs->delivered * NSEC_PER_SEC / rs->interval_ns : 0;
	if (ts->est->delivery.lost != b->lost_seen)
		b->loss_acks++;
	b->lost_seen = ts->est->delivery.lost;
	latest_update(ts, b, rs);
	round_update(ts, b, rs);
	bw_update(b, rs);
	if (b->loss_round_start) {
		lo_adapt(ts, b);
		b->loss_in_round = false;
	}
	extra_update(ts, b, a);
	full_check(b, rs);
}

void bbr_model_end(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	uint64_t delivered = a->rate.delivered;

	if (b->loss_round_start) {
		b->bw_latest = b->bw_sample;
		b->inflight_latest = (uint32_t)delivered;
		b->loss_acks = 0;
		b->marked = false;
	}
	b->bw = bbr_bw_max(b) < b->bw_lo ? bbr_bw_max(b) : b->bw_lo;
}
