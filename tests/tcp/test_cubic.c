/*
 * tests/tcp/test_cubic.c - CUBIC against RFC 9438 in floating point: the function around its plateau,
 * the Reno-friendly window, reductions and fast convergence, undo, time that does not count.
 *
 * The algorithm's own calls are made, as tcp_cc.c and recovery make them, on a sock without a
 * connection; a round trip is one acked() a segment.
 */
#include <math.h>

#include "tcp/tcp_priv.h"
#include "tests/harness/unit.h"

#define MSS 1000u
#define RTT_MS 50u
#define C 0.4
#define BETA 0.7

static struct env *env;
static struct tcp_sock ts;
static struct tcp_rare rare;
static struct tcp_est learnt;
static uint64_t now; /* ns */

static void setup(void)
{
	env = env_lab_create(1);
	rare = (struct tcp_rare){0};
	learnt = (struct tcp_est){.cwnd = 100 * MSS, .ssthresh = UINT32_MAX};
	ts = (struct tcp_sock){.rare = &rare, .est = &learnt, .mss = MSS};
	ts.sk.stack = stack_alloc(env);
	learnt.srtt_us = RTT_MS * 1000;
	learnt.min_rtt_us = RTT_MS * 1000;
	rare.pacing_rate = 1; /* slow start takes any ACK */
	now = 1000 * NSEC_PER_SEC;
}

static void teardown(void)
{
	cc_cubic.release(&ts);
	stack_free(ts.sk.stack);
	env_lab_destroy(env);
}

/* As recovery does: asked once, and over at once. */
static void loss(void)
{
	learnt.ssthresh = cc_cubic.ssthresh(&ts);
	learnt.cwnd = learnt.ssthresh;
	cc_cubic.event(&ts, TCP_CC_RECOVERY);
	cc_cubic.event(&ts, TCP_CC_EXIT);
}

static void ack(uint32_t n, bool limited)
{
	struct tcp_ack_info a = {.now = now, .acked = n, .delivered = n, .cwnd_limited = limited};

	ts.snd_una += n;
	if (limited)
		cc_cubic.acked(&ts, &a, n);
	cc_cubic.sample(&ts, &a);
}

/* A window is acknowledged, its ACKs spread over a round trip. */
static void round_trip(bool limited)
{
	uint32_t segs = learnt.cwnd / MSS;

	for (uint32_t i = 0; i < segs; i++) {
		now += RTT_MS * NSEC_PER_MSEC / segs;
		ack(MSS, limited);
	}
}

static double segments(void)
{
	return (double)learnt.cwnd / MSS;
}

/* RFC 9438, figures 1 and 2. */
static double w_cubic(double t, double w_max, double begin)
{
	double k = w_max > begin ? cbrt((w_max - begin) / C) : 0;

	return C * pow(t - k, 3) + (w_max > begin ? w_max : begin);
}

static void ck_near(double is, double want, double off)
{
	ck_assert_msg(fabs(is - want) <= off * want, "%f is not %f", is, want);
}

/* --- reductions --------------------------------------------------------------------------------- */

START_TEST(test_loss_leaves_seven_tenths)
{
	loss();
	ck_assert_uint_eq(learnt.cwnd, 70 * MSS);
	learnt.cwnd = 10 * MSS;
	loss();
	ck_assert_uint_eq(learnt.ssthresh, 7 * MSS);
	learnt.cwnd = 2 * MSS;
	loss();
	ck_assert_uint_eq(learnt.ssthresh, 2 * MSS); /* RFC 9438, 4.6: two segments at least */
}
END_TEST

/* --- the function ------------------------------------------------------------------------------- */

static const uint32_t windows[] = {500, 1000, 5000, 20000};

/* Past the loss, through the plateau and out again, each round trip within 1 % of the formula. */
START_TEST(test_window_follows_the_cubic_function)
{
	double w_max = windows[_i], begin, t;
	uint64_t from;

	learnt.cwnd = windows[_i] * MSS;
	loss();
	begin = segments();
	from = now + RTT_MS * NSEC_PER_MSEC / windows[_i];
	for (unsigned i = 0; i < 40 + 1.6 * cbrt(0.3 * w_max / C) * 1000 / RTT_MS; i++) {
		round_trip(true);
		t = (double)(now - from) / 1e9;
		ck_near(segments(), w_cubic(t, w_max, begin), 0.01);
	}
	ck_assert_uint_gt(learnt.cwnd, windows[_i] * MSS); /* it got beyond the plateau */
}
END_TEST

/* The plateau is where the loss was: about K the window is W_max within a thousandth. */
START_TEST(test_plateau_at_k)
{
	double k = cbrt(0.3 * 1000 / C);
	uint64_t from = now;

	learnt.cwnd = 1000 * MSS;
	loss();
	while ((double)(now - from) / 1e9 < k)
		round_trip(true);
	ck_near(segments(), 1000, 0.001);
}
END_TEST

/* Without a loss before: convex at once (RFC 9438, 4.10), and a twentieth a round trip at least (Linux). */
START_TEST(test_slow_start_left_without_loss_is_the_plateau)
{
	double least, t, before;
	uint64_t from;

	learnt.cwnd = learnt.ssthresh = 20 * MSS;
	from = now + RTT_MS * NSEC_PER_MSEC / 20;
	for (unsigned i = 0; i < 60; i++) {
		before = segments();
		least = before + floor(before) / 20;
		round_trip(true);
		t = (double)(now - from) / 1e9;
		ck_near(segments(), fmax(w_cubic(t, 0, 20), least), 0.02);
	}
	ck_assert_uint_gt(learnt.cwnd, 20 * MSS * 8);
}
END_TEST

/* Once there has been a loss nothing but the function counts. */
START_TEST(test_after_a_loss_the_plateau_is_flat)
{
	learnt.cwnd = 1000 * MSS;
	loss();
	while (segments() < 995)
		round_trip(true);
	round_trip(true);
	ck_assert_uint_lt(learnt.cwnd, 1002 * MSS);
}
END_TEST

/* RFC 9438, 4.4: no more than half again in a round trip, however far the function is. */
START_TEST(test_growth_bounded_by_half_a_round_trip)
{
	uint32_t before;

	learnt.cwnd = learnt.ssthresh = 100 * MSS;
	round_trip(true);
	now += 60 * NSEC_PER_SEC; /* ACKs did not come, but cwnd was the limit */
	before = learnt.cwnd;
	round_trip(true);
	ck_assert_uint_gt(learnt.cwnd, before + before / 4);
	ck_assert_uint_le(learnt.cwnd, before + before * 65 / 100); /* (1 + 0.5 / n)^n < e^0.5 */
}
END_TEST

/* --- Reno's window ------------------------------------------------------------------------------ */

/* A small window on a short path: alpha segments a round trip, one from where the loss was. */
START_TEST(test_small_window_grows_as_reno)
{
	double est = 14, prior = 20;

	learnt.cwnd = 20 * MSS;
	loss();
	ck_assert_uint_eq(learnt.cwnd, 14 * MSS);
	learnt.srtt_us = 1000; /* 1 ms: the cubic function has hardly moved */
	for (unsigned i = 0; i < 30; i++) {
		double acked = floor(segments());

		for (unsigned j = 0; j < (unsigned)acked; j++) {
			now += NSEC_PER_MSEC / (unsigned)acked;
			ack(MSS, true);
		}
		est += (est < prior ? 9.0 / 17 : 1.0) * acked / segments();
		ck_assert_msg(fabs(segments() - est) <= 1.5, "round %u: %f is not %f", i,
			      segments(), est);
	}
	ck_assert_uint_gt(learnt.cwnd, 30 * MSS);
}
END_TEST

/* --- fast convergence --------------------------------------------------------------------------- */

START_TEST(test_second_loss_below_the_first_gives_way)
{
	uint64_t from;

	learnt.cwnd = 1000 * MSS;
	loss(); /* W_max 1000, cwnd 700 */
	loss(); /* at 700: W_max is 700 (1 + 0.7) / 2, cwnd 490 */
	ck_assert_uint_eq(learnt.cwnd, 490 * MSS);
	from = now;
	while ((double)(now - from) / 1e9 < cbrt((595 - 490) / C))
		round_trip(true);
	ck_near(segments(), 595, 0.002);
}
END_TEST

/* --- time-out ----------------------------------------------------------------------------------- */

/* RFC 9438, 4.8: the first avoidance after it begins at its plateau. */
START_TEST(test_timeout_begins_convex)
{
	uint64_t from;
	double t, least;

	learnt.cwnd = 1000 * MSS;
	learnt.ssthresh = cc_cubic.ssthresh(&ts);
	learnt.cwnd = MSS;
	cc_cubic.event(&ts, TCP_CC_TIMEOUT);
	ck_assert_uint_eq(learnt.ssthresh, 700 * MSS);
	learnt.cwnd = learnt.ssthresh;
	from = now;
	for (unsigned i = 0; i < 60; i++) {
		least = segments() + floor(segments()) / 20;
		round_trip(true);
		t = (double)(now - from) / 1e9;
		ck_near(segments(), fmax(w_cubic(t, 0, 700), least), 0.01);
	}
}
END_TEST

/* --- undo --------------------------------------------------------------------------------------- */

/* RFC 9438, 4.9: a loss that was none leaves no trace, in the middle of a function ... */
START_TEST(test_undo_goes_on_with_the_function)
{
	double begin;
	uint64_t from;
	uint32_t cwnd, ssthresh;

	learnt.cwnd = 1000 * MSS;
	loss();
	begin = segments();
	from = now + RTT_MS * NSEC_PER_MSEC / 1000;
	for (unsigned i = 0; i < 60; i++)
		round_trip(true);
	cwnd = learnt.cwnd;
	ssthresh = learnt.ssthresh;
	learnt.ssthresh = cc_cubic.ssthresh(&ts);
	learnt.cwnd = MSS;
	cc_cubic.event(&ts, TCP_CC_TIMEOUT);
	learnt.cwnd = cwnd;
	learnt.ssthresh = ssthresh;
	cc_cubic.event(&ts, TCP_CC_UNDO);
	for (unsigned i = 0; i < 60; i++) {
		round_trip(true);
		ck_near(segments(), w_cubic((double)(now - from) / 1e9, 1000, begin), 0.01);
	}
}
END_TEST

/* ... and in slow start, which goes on. */
START_TEST(test_undo_in_slow_start_goes_on)
{
	uint32_t cwnd = learnt.cwnd;

	round_trip(true);
	cwnd = learnt.cwnd;
	loss();
	ck_assert_uint_lt(learnt.cwnd, cwnd);
	learnt.cwnd = cwnd;
	learnt.ssthresh = UINT32_MAX;
	cc_cubic.event(&ts, TCP_CC_UNDO);
	round_trip(true);
	ck_assert_uint_eq(learnt.cwnd, 2 * cwnd);
}
END_TEST

/* --- time that does not count ------------------------------------------------------------------- */

/* RFC 9438, 5.8: a program that sends less than cwnd, or nothing, does not move the function. */
START_TEST(test_time_without_need_of_cwnd_does_not_count)
{
	uint64_t away = 0, from;
	double begin, t;

	learnt.cwnd = 1000 * MSS;
	loss();
	begin = segments();
	from = now + RTT_MS * NSEC_PER_MSEC / 1000;
	for (unsigned i = 0; i < 120; i++) {
		uint64_t before = now;

		round_trip(i % 3 != 0);
		if (i % 3 == 0)
			away += now - before;
	}
	t = (double)(now - from - away) / 1e9;
	ck_near(segments(), w_cubic(t, 1000, begin), 0.01);
}
END_TEST

START_TEST(test_idle_time_does_not_count)
{
	double begin, t;
	uint64_t from;

	env_lab_advance(env, now - env_now(env));
	learnt.cwnd = 1000 * MSS;
	loss();
	begin = segments();
	from = now + RTT_MS * NSEC_PER_MSEC / 1000;
	for (unsigned i = 0; i < 40; i++)
		round_trip(true);
	env_lab_advance(env, now + 5 * NSEC_PER_SEC - env_now(env));
	cc_cubic.event(&ts, TCP_CC_START);
	t = (double)(now - from) / 1e9;
	now = env_now(env);
	round_trip(true);
	ck_near(segments(), w_cubic(t + RTT_MS / 1e3, 1000, begin), 0.01);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("cubic");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_loss_leaves_seven_tenths);
	tcase_add_loop_test(tc, test_window_follows_the_cubic_function, 0,
			    sizeof(windows) / sizeof(windows[0]));
	tcase_add_test(tc, test_plateau_at_k);
	tcase_add_test(tc, test_slow_start_left_without_loss_is_the_plateau);
	tcase_add_test(tc, test_after_a_loss_the_plateau_is_flat);
	tcase_add_test(tc, test_growth_bounded_by_half_a_round_trip);
	tcase_add_test(tc, test_small_window_grows_as_reno);
	tcase_add_test(tc, test_second_loss_below_the_first_gives_way);
	tcase_add_test(tc, test_timeout_begins_convex);
	tcase_add_test(tc, test_undo_goes_on_with_the_function);
	tcase_add_test(tc, test_undo_in_slow_start_goes_on);
	tcase_add_test(tc, test_time_without_need_of_cwnd_does_not_count);
	tcase_add_test(tc, test_idle_time_does_not_count);
	return unit_run("tcp_cubic", tc);
}
