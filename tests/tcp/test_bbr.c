/*
 * tests/tcp/test_bbr.c - BBR (draft-ietf-ccwg-bbr) over a path that is computed: one bottleneck with a
 * queue, a fixed delay, losses where the queue ends or the test says.  Its states in their order, the
 * model against the path's real figures, what losses, idleness and an undo do.
 */
#include "tcp/cc_bbr.h"

#include <string.h>

#include "tests/harness/unit.h"

#define MSS 1000u
#define PACKETS 8192u
#define US NSEC_PER_USEC
#define MS NSEC_PER_MSEC

static struct env *env;
static struct tcp_sock ts;
static struct tcp_xfer xfer;
static struct tcp_rare rare;
static struct tcp_est est;

/* The path, and the packets on it in order. */
static struct {
	uint64_t rate;  /* bytes a second */
	uint64_t delay; /* ns, both ways, without the queue */
	unsigned queue; /* packets */
	unsigned drop;  /* each so many packets one is lost; 0: none */
	uint64_t free;  /* ns: the bottleneck has sent all it has */
	uint64_t stop;  /* the program has no more from here on; 0: it always has */
	unsigned count;
	struct {
		struct tcp_rec r;
		uint64_t back; /* ns: its ACK is here; 0: lost */
	} p[PACKETS];
	unsigned head, tail;
} path;

static struct bbr *bbr(void)
{
	return (struct bbr *)(uintptr_t)est.cc_priv;
}

static void setup(void)
{
	env = env_lab_create(1);
	memset(&path, 0, sizeof(path));
	path.rate = 10000000; /* ten packets a millisecond */
	path.delay = 20 * MS;
	path.queue = 100000;
	xfer = (struct tcp_xfer){0};
	rare = (struct tcp_rare){0};
	est = (struct tcp_est){.cwnd = 10 * MSS, .ssthresh = UINT32_MAX, .xfer = &xfer};
	ts = (struct tcp_sock){.rare = &rare, .mss = MSS, .est = &est};
	ts.flags = TCP_F_SACK;
	est.min_rtt_us = UINT32_MAX;
	ts.sk.stack = stack_alloc(env);
	ck_assert_int_eq(cc_bbr.init(&ts), 0);
}

static void teardown(void)
{
	cc_bbr.release(&ts);
	stack_free(ts.sk.stack);
	env_lab_destroy(env);
}

/* --- the path ------------------------------------------------------------------------------------ */

static void send_one(uint64_t now)
{
	unsigned at = path.tail++ % PACKETS;
	struct tcp_rec *r = &path.p[at].r;
	uint64_t one = MSS * NSEC_PER_SEC / path.rate;

	*r = (struct tcp_rec){.seq = ts.snd_nxt, .end = ts.snd_nxt + MSS, .times = 1, .sent = now};
	tcp_rate_sent(&ts, r);
	tcp_pace_sent(&ts, MSS, now);
	ts.snd_nxt = r->end;
	path.count++;
	path.p[at].back = 0;
	if (path.free < now)
		path.free = now;
	if ((path.free - now) / one >= path.queue || (path.drop && path.count % path.drop == 0))
		return;
	path.free += one;
	path.p[at].back = path.free + path.delay;
}

static void lose(const struct tcp_rec *r)
{
	est.delivery.lost += MSS;
	cc_bbr.lost(&ts, r);
}

/* The first packet's ACK; what was lost before it is noticed with it, and no longer out. */
static void ack_one(uint64_t now)
{
	struct tcp_ack_info a = {.now = now, .delivered = MSS, .acked = MSS};
	struct tcp_rec *r;

	for (; path.p[path.head % PACKETS].back == 0; path.head++) {
		lose(&path.p[path.head % PACKETS].r);
		ts.snd_una += MSS;
		a.lost += MSS;
	}
	r = &path.p[path.head++ % PACKETS].r;
	a.rtt_ns = now - r->sent;
	if (a.rtt_ns / US < est.min_rtt_us)
		est.min_rtt_us = (uint32_t)(a.rtt_ns / US);
	est.srtt_us = (uint32_t)(a.rtt_ns / US);
	a.prior_state = ts.ca_state;
	ts.ca_state = a.lost ? CA_RECOVERY : ts.ca_state;
	tcp_rate_delivered(&ts, r, &a);
	ts.snd_una = r->end;
	tcp_rate_done(&ts, &a);
	cc_bbr.control(&ts, &a);
}

/* ns: when the next ACK comes; UINT64_MAX: none. */
static uint64_t ack_at(void)
{
	for (unsigned i = path.head; i != path.tail; i++)
		if (path.p[i % PACKETS].back)
			return path.p[i % PACKETS].back;
	return UINT64_MAX;
}

static uint64_t send_at(uint64_t now)
{
	bool room = tcp_pipe(&ts) + MSS <= est.cwnd;

	ts.flags &= ~TCP_F_CWND_LIMITED;
	if (!room)
		ts.flags |= TCP_F_CWND_LIMITED;
	if (!room || (path.stop && now >= path.stop))
		return UINT64_MAX;
	return rare.pace_next > now ? rare.pace_next : now;
}

/* One event: a packet goes, or an ACK comes. */
static void step(void)
{
	uint64_t now = env_now(env), ack = ack_at(), send = send_at(now);

	ck_assert(ack != UINT64_MAX || send != UINT64_MAX);
	if (send <= ack) {
		env_lab_advance(env, send - now);
		send_one(send);
	} else {
		env_lab_advance(env, ack - now);
		ack_one(ack);
	}
}

static void run_ms(uint64_t ms)
{
	uint64_t end = env_now(env) + ms * MS;

	while (env_now(env) < end)
		step();
}

/* Until it is in this state, at most so many ms; how many it took. */
static uint64_t run_to(enum bbr_state state, uint64_t most_ms)
{
	uint64_t from = env_now(env), ms = 0;

	for (; bbr()->state != state; ms = (env_now(env) - from) / MS) {
		ck_assert_msg(ms <= most_ms, "state %u after %u ms", bbr()->state, (unsigned)ms);
		step();
	}
	return ms;
}

static void ck_about(double is, double want, double off)
{
	ck_assert_msg(is >= want * (1 - off) && is <= want * (1 + off), "%f is not %f", is, want);
}

static double bdp(void)
{
	return (double)path.rate * (double)(path.delay + MSS * NSEC_PER_SEC / path.rate) / 1e9;
}

/* --- STARTUP, DRAIN -------------------------------------------------------------------------------- */

START_TEST(test_first_rate_is_the_window_in_a_round_trip)
{
	ck_assert_uint_eq(rare.pacing_rate, 10 * MSS * 1000 * 277 / 100); /* no RTT yet: 1 ms */
	run_ms(21);
	ck_about((double)rare.pacing_rate, 2.77 * 10 * MSS / 0.0201, 0.02);
}
END_TEST

START_TEST(test_startup_fills_the_pipe_then_drains)
{
	uint64_t ms = run_to(BBR_DRAIN, 1000);

	ck_assert_uint_le(ms,
			  400); /* 200 packets: five doublings and three rounds without growth */
	ck_assert(bbr()->full_reached);
	ck_about((double)bbr_bw_max(bbr()), 1e7, 0.01);
	ck_assert_uint_eq(bbr()->inflight_hi, BBR_NO_LIMIT);
	while (bbr()->state == BBR_DRAIN)
		step();
	ck_assert_uint_le(tcp_pipe(&ts), 1.1 * bdp() + 3 * 10 * MSS);
}
END_TEST

START_TEST(test_model_is_the_path)
{
	run_ms(2000);
	ck_about((double)bbr()->bw, 1e7, 0.01);
	ck_about(bbr()->min_rtt_us, 20100, 0.01);
	ck_about(bbr_bdp(&ts, bbr(), bbr()->bw, BBR_UNIT), bdp(), 0.02);
}
END_TEST

/* 5.3.1.3: a queue too short for STARTUP. */
START_TEST(test_startup_losses_bound_inflight)
{
	path.queue = 20;
	run_to(BBR_DRAIN, 1000);
	ck_assert_uint_ne(bbr()->inflight_hi, BBR_NO_LIMIT);
	ck_assert_uint_ge(bbr()->inflight_hi, 0.9 * bdp());
	ck_assert_uint_le(bbr()->inflight_hi, 2.5 * bdp());
}
END_TEST

/* Below the threshold of 2 % losses do not end it. */
START_TEST(test_startup_few_losses_go_on)
{
	path.rate = 100000000;
	path.drop = 100;
	run_ms(130);
	ck_assert_uint_gt(est.delivery.lost, 0);
	ck_assert_int_eq(bbr()->state, BBR_STARTUP);
	run_to(BBR_DRAIN, 1000);
	ck_about((double)bbr_bw_max(bbr()), 1e8, 0.02);
}
END_TEST

/* --- ProbeBW ---------------------------------------------------------------------------------------- */

START_TEST(test_cycle_in_its_order)
{
	uint64_t wait;

	run_to(BBR_CRUISE, 1000); /* DOWN need not last */
	ck_assert_uint_eq(rare.pacing_rate / 1000, bbr()->bw * 99 / 100 / 1000);
	wait = run_to(BBR_REFILL, 3100);
	ck_assert_uint_ge(wait + 500, 1264); /* 63 rounds, or two seconds */
	run_to(BBR_UP, 100);
	ck_about((double)rare.pacing_rate, 1.25 * 0.99e7, 0.02);
	run_to(BBR_DOWN, 1000);
	ck_about((double)bbr()->bw, 1e7, 0.01);
}
END_TEST

/* Another's share is free: it is found within two cycles; and given back within four. */
START_TEST(test_more_and_less_bandwidth_are_found)
{
	run_ms(3000);
	path.rate = 20000000;
	run_ms(7000);
	ck_about((double)bbr()->bw, 2e7, 0.02);
	path.rate = 5000000;
	run_ms(12000);
	ck_about((double)bbr()->bw, 5e6, 0.05);
}
END_TEST

/* 5.5.10.2: probing overran the queue. */
START_TEST(test_losses_in_up_bound_inflight)
{
	run_to(BBR_UP, 6000);
	path.queue = 10;
	run_to(BBR_DOWN, 500);
	ck_assert(!bbr()->samples);
	ck_assert_uint_ne(bbr()->inflight_hi, BBR_NO_LIMIT);
	ck_assert_uint_ge(bbr()->inflight_hi, 0.7 * bdp());
	run_to(BBR_CRUISE, 500);
	/* 5.6.4.7: room is left */
	ck_assert_uint_le(est.cwnd, bbr()->inflight_hi - bbr()->inflight_hi * 15 / 100);
}
END_TEST

/* 300 packets were out when it went.  Six lost since are 2 %, ten may be chance; twelve are too many, and had to be when
 * the seventh was lost. */
START_TEST(test_lost_packet_judged_by_its_own_flight)
{
	struct tcp_rec r = {.end = MSS, .flight = 300 * MSS};

	run_to(BBR_UP, 6000);
	r.lost = (uint32_t)est.delivery.lost - 9 * MSS;
	lose(&r);
	ck_assert_int_eq(bbr()->state, BBR_UP);
	r.lost -= MSS;
	lose(&r);
	ck_assert_int_eq(bbr()->state, BBR_DOWN);
	ck_about(bbr()->inflight_hi, 293878, 0.001); /* 299 + (5.98 - 11) / 0.98 */
	r.flight = 250 * MSS;
	lose(&r); /* it has been answered */
	ck_about(bbr()->inflight_hi, 293878, 0.001);
}
END_TEST

/* Without SACK one loss is all that a round can tell. */
START_TEST(test_any_loss_too_high_without_sack)
{
	struct tcp_rec r = {.end = MSS, .flight = 300 * MSS};

	ts.flags &= ~TCP_F_SACK;
	run_to(BBR_UP, 6000);
	r.lost = (uint32_t)est.delivery.lost;
	lose(&r);
	ck_assert_int_eq(bbr()->state, BBR_DOWN);
}
END_TEST

/* 5.5.10.3: a round with losses lowers the short-term bounds, the next probing forgets them. */
START_TEST(test_losses_in_cruise_lower_lo_until_refill)
{
	run_to(BBR_CRUISE, 1000);
	ck_assert(bbr()->bw_lo == UINT64_MAX);
	path.drop = 30;
	run_ms(100);
	path.drop = 0;
	ck_assert(bbr()->bw_lo != UINT64_MAX);
	ck_assert(bbr()->bw_lo >= bbr_bw_max(bbr()) * 65 / 100);
	ck_assert(bbr()->bw ==
		  (bbr()->bw_lo < bbr_bw_max(bbr()) ? bbr()->bw_lo : bbr_bw_max(bbr())));
	ck_assert_uint_ne(bbr()->inflight_lo, BBR_NO_LIMIT);
	ck_assert_uint_le(est.cwnd, bbr()->inflight_lo);
	run_to(BBR_REFILL, 3500);
	ck_assert(bbr()->bw_lo == UINT64_MAX);
	ck_assert_uint_eq(bbr()->inflight_lo, BBR_NO_LIMIT);
}
END_TEST

/* --- ECN: RFC 3168, 6.1.2 ---------------------------------------------------------------------------- */

START_TEST(test_mark_in_startup_ends_it)
{
	run_ms(50);
	ck_assert_int_eq(bbr()->state, BBR_STARTUP);
	cc_bbr.event(&ts, TCP_CC_CWR);
	run_ms(45);
	ck_assert(bbr()->full_reached);
	ck_assert_uint_ne(bbr()->inflight_hi, BBR_NO_LIMIT);
}
END_TEST

START_TEST(test_mark_in_up_bounds_inflight)
{
	run_to(BBR_UP, 6000);
	run_ms(25); /* ACKs of what was sent to probe come in */
	ck_assert_int_eq(bbr()->state, BBR_UP);
	cc_bbr.event(&ts, TCP_CC_CWR);
	while (bbr()->state == BBR_UP)
		step();
	ck_assert_uint_ne(bbr()->inflight_hi, BBR_NO_LIMIT);
}
END_TEST

START_TEST(test_mark_in_cruise_lowers_lo)
{
	run_to(BBR_CRUISE, 1000);
	cc_bbr.event(&ts, TCP_CC_CWR);
	run_ms(45);
	ck_assert(bbr()->bw_lo != UINT64_MAX);
	ck_assert_uint_ne(bbr()->inflight_lo, BBR_NO_LIMIT);
	ck_assert(!bbr()->marked);
}
END_TEST

/* --- ProbeRTT ---------------------------------------------------------------------------------------- */

START_TEST(test_probe_rtt_after_five_seconds)
{
	uint64_t from = env_now(env), least = UINT64_MAX, held;

	path.delay = 10 * MS;
	run_ms(1000);
	path.delay = 40 * MS; /* no lower round trip comes any more */
	run_to(BBR_PROBE_RTT, 7000);
	ck_assert_uint_ge(env_now(env) - from, 5000 * MS);
	from = env_now(env);
	while (bbr()->state == BBR_PROBE_RTT) {
		step();
		if (tcp_pipe(&ts) < least)
			least = tcp_pipe(&ts);
	}
	held = env_now(env) - from;
	ck_assert_uint_ge(held, 200 * MS);
	ck_assert_uint_le(held, 500 * MS);
	ck_assert_uint_le(least, 0.55 * (double)bbr()->bw * 0.0401);
	ck_assert_int_eq(bbr()->state, BBR_CRUISE);
	ck_assert_uint_ge(est.cwnd, bbr()->prior_cwnd * 80 / 100);
	run_ms(6000);
	ck_about(bbr()->min_rtt_us, 40100, 0.02); /* ten seconds after the last of 10 ms */
}
END_TEST

/* --- losses that were none, time-outs, idleness ------------------------------------------------------- */

START_TEST(test_undo_gives_the_bounds_back)
{
	run_to(BBR_CRUISE, 1000);
	path.drop = 30;
	run_ms(100);
	ck_assert(bbr()->bw_lo != UINT64_MAX);
	bbr()->undo_bw_lo = UINT64_MAX;
	bbr()->undo_inflight_lo = bbr()->undo_inflight_hi = BBR_NO_LIMIT;
	cc_bbr.event(&ts, TCP_CC_UNDO);
	ck_assert(bbr()->bw_lo == UINT64_MAX);
	ck_assert_uint_eq(bbr()->inflight_lo, BBR_NO_LIMIT);
	ck_assert(!bbr()->loss_in_round);
}
END_TEST

/* 5.5.11.2: what the loss ended goes on, the bounds are no lower than before it. */
START_TEST(test_undo_probes_again)
{
	run_to(BBR_UP, 6000);
	path.queue = 10;
	run_to(BBR_DOWN, 500);
	ck_assert_uint_ne(bbr()->inflight_hi, BBR_NO_LIMIT);
	cc_bbr.event(&ts, TCP_CC_UNDO);
	ck_assert_int_eq(bbr()->state, BBR_REFILL);
	ck_assert_uint_eq(bbr()->inflight_hi, BBR_NO_LIMIT);
}
END_TEST

START_TEST(test_undo_goes_on_with_startup)
{
	path.queue = 20;
	run_to(BBR_DRAIN, 1000);
	cc_bbr.event(&ts, TCP_CC_UNDO);
	ck_assert_int_eq(bbr()->state, BBR_STARTUP);
	ck_assert(!bbr()->full_reached);
	ck_assert_uint_eq(bbr()->inflight_hi, BBR_NO_LIMIT);
}
END_TEST

START_TEST(test_undo_remembers_the_first_loss_of_a_round)
{
	struct tcp_rec r = {.end = MSS, .flight = 1000 * MSS};

	run_to(BBR_CRUISE, 1000);
	lose(&r);
	bbr()->inflight_hi = 5 * MSS;
	lose(&r);
	cc_bbr.event(&ts, TCP_CC_UNDO);
	ck_assert_int_eq(bbr()->state, BBR_CRUISE);
	ck_assert_uint_eq(bbr()->inflight_hi, BBR_NO_LIMIT);
}
END_TEST

/* A time-out: what it leaves of cwnd grows by what is delivered, and is whole when it is over. */
START_TEST(test_timeout_then_cwnd_is_back)
{
	struct tcp_ack_info over;
	uint32_t before;

	run_ms(3000);
	run_to(BBR_CRUISE, 4000);
	before = est.cwnd;
	ck_assert_uint_eq(cc_bbr.ssthresh(&ts), UINT32_MAX);
	ts.ca_state = CA_LOSS;
	est.cwnd = MSS;
	cc_bbr.event(&ts, TCP_CC_TIMEOUT);
	for (unsigned i = 0; i < 5; i++)
		ack_one(env_now(env));
	ck_assert_uint_eq(est.cwnd, 8 * MSS); /* no less than four, 5.6.4.2 */
	ts.ca_state = CA_OPEN;
	over = (struct tcp_ack_info){.now = env_now(env), .prior_state = CA_LOSS};
	cc_bbr.control(&ts, &over);
	ck_assert_uint_ge(est.cwnd, before * 85 / 100);
}
END_TEST

/* What the program limits lowers no estimate, and after it the rate is at once the path's. */
START_TEST(test_idle_keeps_the_model)
{
	uint64_t bw;

	run_ms(1000);
	run_to(BBR_CRUISE, 4000);
	bw = bbr()->bw;
	path.stop = env_now(env);
	while (path.head != path.tail)
		step();
	env_lab_advance(env, 1000 * MS);
	ts.write_seq = ts.snd_nxt;
	tcp_rate_app_limited(&ts);
	ck_assert_uint_gt(est.delivery.app_limited, 0);
	rare.pacing_rate = 5;
	cc_bbr.event(&ts, TCP_CC_START);
	ck_assert(bbr()->idle_restart);
	ck_assert_uint_eq(rare.pacing_rate, bw * 99 / 100);
	path.stop = 0;
	run_ms(100);
	ck_assert(!bbr()->idle_restart);
	ck_assert_uint_ge(bbr()->bw, bw * 99 / 100);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("bbr");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_first_rate_is_the_window_in_a_round_trip);
	tcase_add_test(tc, test_startup_fills_the_pipe_then_drains);
	tcase_add_test(tc, test_model_is_the_path);
	tcase_add_test(tc, test_startup_losses_bound_inflight);
	tcase_add_test(tc, test_startup_few_losses_go_on);
	tcase_add_test(tc, test_cycle_in_its_order);
	tcase_add_test(tc, test_more_and_less_bandwidth_are_found);
	tcase_add_test(tc, test_losses_in_up_bound_inflight);
	tcase_add_test(tc, test_lost_packet_judged_by_its_own_flight);
	tcase_add_test(tc, test_any_loss_too_high_without_sack);
	tcase_add_test(tc, test_losses_in_cruise_lower_lo_until_refill);
	tcase_add_test(tc, test_mark_in_startup_ends_it);
	tcase_add_test(tc, test_mark_in_up_bounds_inflight);
	tcase_add_test(tc, test_mark_in_cruise_lowers_lo);
	tcase_add_test(tc, test_probe_rtt_after_five_seconds);
	tcase_add_test(tc, test_undo_gives_the_bounds_back);
	tcase_add_test(tc, test_undo_probes_again);
	tcase_add_test(tc, test_undo_goes_on_with_startup);
	tcase_add_test(tc, test_undo_remembers_the_first_loss_of_a_round);
	tcase_add_test(tc, test_timeout_then_cwnd_is_back);
	tcase_add_test(tc, test_idle_keeps_the_model);
	return unit_run("tcp_bbr", tc);
}
