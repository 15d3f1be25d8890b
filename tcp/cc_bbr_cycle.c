/*
 * tcp/cc_bbr_cycle.c - BBR's ProbeBW (draft-ietf-ccwg-bbr, 5.3.3): cycles of DOWN, CRUISE, REFILL and UP,
 * which look for more bandwidth every few seconds, and inflight_hi, the bound that they find (5.5.10.2).
 */
#include "tcp/cc_bbr.h"

#define HEADROOM_PERCENT 15u /* Headroom */
#define RENO_ROUNDS 63u      /* 5.3.3.8: what Reno would need to find as much */
#define UP_ROUNDS 30u
#define LOSS_SIGMAS 2u                /* standard deviations above BBR_LOSS_PERCENT */
#define PROBE_WAIT (2 * NSEC_PER_SEC) /* and up to a second more */

void bbr_down_start(struct tcp_sock *ts, struct bbr *b, uint64_t now)
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

void bbr_refill_start(struct tcp_sock *ts, struct bbr *b)
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
	b->up_cnt = ts->est->cwnd >> b->up_rounds;
	if (b->up_cnt < ts->mss)
		b->up_cnt = ts->mss;
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

/* --- bounds from probing (5.5.10.2) ------------------------------------------------------------------- */

/*
 * Losses are counted over one flight.  Of 134 segments, with 1 % lost by chance, more than 2 % are in one flight of seven,
 * and a probing would seldom live: so it is what lies two standard deviations above the threshold.
 */
static bool above_chance(uint64_t lost, uint64_t threshold, uint64_t mss)
{
	return lost > threshold && (lost - threshold) * (lost - threshold) >
				       LOSS_SIGMAS * LOSS_SIGMAS * threshold * mss;
}

bool bbr_too_high(const struct tcp_sock *ts, const struct bbr *b, const struct tcp_rate *rs)
{
	if (b->marked)
		return true;
	if (!(ts->flags & TCP_F_SACK)) /* no more than one loss of a round is seen */
		return rs->lost > 0;
	return above_chance(rs->lost, (uint64_t)rs->flight * BBR_LOSS_PERCENT / 100, ts->mss);
}

static uint32_t target_inflight(const struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t bdp = bbr_bdp(ts, b, b->bw, BBR_UNIT);

	return bdp < ts->est->cwnd ? bdp : ts->est->cwnd;
}

/* Once for each probing: what is out now is too much. */
static void hi_lower(struct tcp_sock *ts, struct bbr *b, const struct tcp_rate *rs, uint64_t now)
{
	uint32_t least = (uint32_t)((uint64_t)target_inflight(ts, b) * BBR_BETA_PERCENT / 100);

	b->samples = false;
	if (!rs->app_limited)
		b->inflight_hi = rs->flight > least ? rs->flight : least;
	if (b->state != BBR_UP)
		return;
	b->undo_state = BBR_UP;
	bbr_down_start(ts, b, now);
}

/* InflightAtLoss(): of `size` lost bytes some had to be, for losses to cross the threshold: what was out then. */
static uint32_t flight_at_loss(const struct tcp_rate *rs, uint32_t size)
{
	int64_t before = (int64_t)rs->flight - size, lost = (int64_t)rs->lost - size;
	int64_t at =
	    before + (before * BBR_LOSS_PERCENT / 100 - lost) * 100 / (100 - BBR_LOSS_PERCENT);

	return at > 0 ? (uint32_t)at : 0;
}

/*
 * HandleLostPacket(): judged by what was out when it went, and not by what is out when it is found to be lost, which
 * may be a good deal later.
 */
void bbr_probe_lost(struct tcp_sock *ts, struct bbr *b, const struct tcp_rec *r)
{
	struct tcp_rate rs = {
	    .flight = r->flight,
	    .lost = ts->est->delivery.lost - r->lost,
	    .app_limited = r->flags & REC_APP_LIMITED,
	};

	if (!b->samples || !bbr_too_high(ts, b, &rs))
		return;
	rs.flight = flight_at_loss(&rs, r->end - r->seq);
	hi_lower(ts, b, &rs, tcp_now(ts));
}

static bool fills_hi(const struct tcp_sock *ts, const struct bbr *b)
{
	return (ts->flags & TCP_F_CWND_LIMITED) && ts->est->cwnd >= b->inflight_hi;
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

/* The losses of the ACK's sample are few: what was out for it is no bound. */
static void hi_raise(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	if (b->inflight_hi == BBR_NO_LIMIT)
		return;
	if (a->rate.prior_at && a->rate.flight > b->inflight_hi)
		b->inflight_hi = a->rate.flight;
	if (b->state == BBR_UP)
		hi_grow(ts, b, a);
}

/* Room for others, and for the queue to stay away. */
uint32_t bbr_headroom(const struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t room = (uint32_t)((uint64_t)b->inflight_hi * HEADROOM_PERCENT / 100), left;
	uint32_t least = bbr_min_pipe(ts);

	if (b->inflight_hi == BBR_NO_LIMIT)
		return BBR_NO_LIMIT;
	if (room < ts->mss)
		room = ts->mss;
	left = b->inflight_hi > room ? b->inflight_hi - room : 0;
	return left > least ? left : least;
}

/* --- from phase to phase -------------------------------------------------------------------------------- */

static bool time_to_cruise(const struct tcp_sock *ts, const struct bbr *b)
{
	uint32_t pipe = tcp_pipe(ts);

	return pipe <= bbr_headroom(ts, b) &&
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

/* What was sent to probe has been heard of whole. */
static void probe_over(struct bbr *b, const struct tcp_ack_info *a)
{
	if (!b->stopping || !b->round_start)
		return;
	b->stopping = b->samples = false;
	if (bbr_probes_bw(b) && !a->rate.app_limited)
		bbr_bw_advance(b);
}

static void phase_check(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	switch (b->state) {
	case BBR_DOWN:
	case BBR_CRUISE:
		if (time_to_probe(ts, b, a->now))
			bbr_refill_start(ts, b);
		else if (b->state == BBR_DOWN && time_to_cruise(ts, b))
			b->state = BBR_CRUISE;
		break;
	case BBR_REFILL:
		if (b->round_start)
			up_start(ts, b);
		break;
	case BBR_UP:
		if (time_to_go_down(ts, b))
			bbr_down_start(ts, b, a->now);
		break;
	default:
		break;
	}
}

/* UpdateProbeBWCyclePhase(). */
void bbr_cycle_check(struct tcp_sock *ts, struct bbr *b, const struct tcp_ack_info *a)
{
	if (!b->full_reached)
		return;
	probe_over(b, a);
	if (!bbr_too_high(ts, b, &a->rate))
		hi_raise(ts, b, a);
	else if (b->marked && b->samples)
		hi_lower(ts, b, &a->rate, a->now);
	phase_check(ts, b, a);
}
