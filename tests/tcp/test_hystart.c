/*
 * tests/tcp/test_hystart.c - HyStart++ (RFC 9406): rounds and their least RTT, when slow start turns
 * conservative, goes back, and ends; that a path without a queue is left alone.
 */
#include "tcp/tcp_priv.h"
#include "tests/harness/unit.h"

#define MSS 1000u

static struct env *env;
static struct tcp_sock ts;
static struct tcp_rare rare;
static struct tcp_est est;

static void setup(void)
{
	env = env_lab_create(1);
	rare = (struct tcp_rare){0};
	est = (struct tcp_est){.cwnd = 10 * MSS, .ssthresh = UINT32_MAX};
	ts = (struct tcp_sock){.rare = &rare, .est = &est, .mss = MSS};
	ts.sk.stack = stack_alloc(env);
	rare.pacing_rate = 1; /* RFC 9406, 4.3: L is infinite */
	ts.snd_nxt = 10 * MSS;
}

static void teardown(void)
{
	cc_cubic.release(&ts);
	stack_free(ts.sk.stack);
	env_lab_destroy(env);
}

static void ack(uint32_t n, uint32_t rtt_us)
{
	struct tcp_ack_info a = {
	    .acked = n, .delivered = n, .rtt_ns = rtt_us * NSEC_PER_USEC, .cwnd_limited = true};

	ts.snd_nxt = ts.snd_una + est.cwnd; /* what ACKs before this one let go */
	ts.snd_una += n;
	cc_cubic.acked(&ts, &a, n);
	cc_cubic.sample(&ts, &a);
}

/* A round of so many ACKs, each with this RTT; all that was out when it began is acknowledged. */
static void round_of(unsigned acks, uint32_t rtt_us)
{
	uint32_t left = ts.snd_nxt - ts.snd_una;

	for (; acks > 1; acks--) {
		uint32_t n = left / acks;

		ack(n, rtt_us);
		left -= n;
	}
	ack(left, rtt_us);
}

static bool ended(void)
{
	return est.ssthresh != UINT32_MAX;
}

START_TEST(test_equal_rtt_doubles_for_ever)
{
	for (unsigned i = 0; i < 14; i++)
		round_of(16, 20000);
	ck_assert(!ended());
	ck_assert_uint_eq(est.cwnd, 10 * MSS + ts.snd_una);
	ck_assert_uint_gt(est.cwnd, 20000 * MSS);
	ck_assert_uint_eq(mib_read(ts.sk.stack, MIB_TcpExt_TCPHystartDelayDetect), 0);
}
END_TEST

/* Least RTT of a round counts: jitter above it does not. */
START_TEST(test_jitter_above_the_least_is_nothing)
{
	for (unsigned i = 0; i < 10; i++) {
		uint32_t part = (ts.snd_nxt - ts.snd_una) / 12;

		for (unsigned j = 0; j < 12; j++)
			ack(part, j == 5 ? 20000 : 20000 + 3000 * j);
	}
	ck_assert(!ended());
	ck_assert_uint_gt(est.cwnd, 1000 * MSS);
}
END_TEST

/* RFC 9406, 4.3: an eighth of the last, but 4 to 16 ms. */
static const struct {
	uint32_t before, after;
	bool turns;
} rises[] = {
    {10000, 13999, false}, {10000, 14000, true},    {80000, 89999, false},
    {80000, 90000, true},  {400000, 415999, false}, {400000, 416000, true},
};

static bool conservative(void)
{
	uint32_t before = est.cwnd;

	ack(4 * MSS, 1000000);
	return est.cwnd - before == MSS;
}

START_TEST(test_rise_that_turns_conservative)
{
	round_of(16, rises[_i].before);
	round_of(16, rises[_i].before);
	round_of(16, rises[_i].after);
	ck_assert(conservative() == rises[_i].turns);
	ck_assert(!ended());
}
END_TEST

/* Seven samples are too few, the eighth tells. */
START_TEST(test_eight_samples_of_a_round)
{
	round_of(16, 20000);
	round_of(16, 20000);
	for (unsigned i = 0; i < 7; i++)
		ack(MSS, 40000);
	est.cwnd = 50 * MSS;
	ack(4 * MSS, 40000); /* grows before it is looked at */
	ck_assert_uint_eq(est.cwnd, 54 * MSS);
	ack(4 * MSS, 40000);
	ck_assert_uint_eq(est.cwnd, 55 * MSS);
}
END_TEST

START_TEST(test_five_rounds_of_it_end_slow_start)
{
	uint32_t before;

	round_of(16, 20000);
	round_of(16, 20000);
	round_of(16, 40000); /* a part of this is the first */
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(!ended());
		before = est.cwnd;
		round_of(16, 40000);
		ck_assert_uint_le(est.cwnd, before + before / 4 + MSS);
	}
	if (!ended())
		ack(MSS, 40000);
	ck_assert(ended());
	ck_assert_uint_eq(est.ssthresh / MSS, est.cwnd / MSS);
	ck_assert_uint_eq(mib_read(ts.sk.stack, MIB_TcpExt_TCPHystartDelayDetect), 1);
	ck_assert_uint_eq(mib_read(ts.sk.stack, MIB_TcpExt_TCPHystartDelayCwnd),
			  est.ssthresh / MSS);
}
END_TEST

START_TEST(test_rtt_that_falls_again_goes_back)
{
	round_of(16, 20000);
	round_of(16, 20000);
	round_of(16, 40000);
	ck_assert(conservative());
	round_of(16, 30000);
	round_of(16, 30000);
	ck_assert(!conservative());
	ck_assert(!ended());
}
END_TEST

START_TEST(test_off_by_sysctl)
{
	sysctl_write(ts.sk.stack, "net.weft.tcp_hystart", 0);
	for (unsigned i = 0; i < 10; i++)
		round_of(16, 20000 + i * 10000);
	ck_assert(!ended());
	ck_assert_uint_eq(est.cwnd, 10 * MSS + ts.snd_una);
}
END_TEST

/* Linux's rule: the ninth sample of a round over 16 segments, before it is added. */
START_TEST(test_delay_rule_ends_at_once)
{
	sysctl_write(ts.sk.stack, "net.weft.tcp_hystart", 2);
	est.min_rtt_us = 20000;
	est.cwnd = 20 * MSS;
	ts.snd_nxt = 20 * MSS;
	for (unsigned i = 0; i < 8; i++)
		ack(MSS, 24001);
	ck_assert(!ended());
	ck_assert_uint_eq(est.cwnd, 28 * MSS);
	ack(MSS, 24001);
	ck_assert_uint_eq(est.ssthresh, 28 * MSS);
	ck_assert_uint_lt(est.cwnd, 29 * MSS);
}
END_TEST

START_TEST(test_delay_rule_small_rise_or_window_goes_on)
{
	sysctl_write(ts.sk.stack, "net.weft.tcp_hystart", 2);
	est.min_rtt_us = 20000;
	for (unsigned i = 0; i < 5; i++) /* up to 15 segments: not looked at */
		ack(MSS, 90000);
	for (unsigned i = 0; i < 8; i++)
		round_of(16, 24000);
	ck_assert(!ended());
}
END_TEST

/* RFC 9406, 4.2: only the first slow start. */
START_TEST(test_after_a_loss_plain_slow_start)
{
	est.ssthresh = 500 * MSS;
	for (unsigned i = 0; i < 5; i++)
		round_of(16, 20000 + i * 10000);
	ck_assert_uint_eq(est.cwnd, 10 * MSS + ts.snd_una);
	ck_assert_uint_eq(est.ssthresh, 500 * MSS);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("hystart");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_equal_rtt_doubles_for_ever);
	tcase_add_test(tc, test_jitter_above_the_least_is_nothing);
	tcase_add_loop_test(tc, test_rise_that_turns_conservative, 0,
			    sizeof(rises) / sizeof(rises[0]));
	tcase_add_test(tc, test_eight_samples_of_a_round);
	tcase_add_test(tc, test_five_rounds_of_it_end_slow_start);
	tcase_add_test(tc, test_rtt_that_falls_again_goes_back);
	tcase_add_test(tc, test_off_by_sysctl);
	tcase_add_test(tc, test_delay_rule_ends_at_once);
	tcase_add_test(tc, test_delay_rule_small_rise_or_window_goes_on);
	tcase_add_test(tc, test_after_a_loss_plain_slow_start);
	return unit_run("tcp_hystart", tc);
}
