/*
 * tests/net/test_netem_time.c - when netem lets frames go, exactly, on a lab's clock: delay, jitter,
 * reordering, rate and limit; the same from the same seed; in order on threads.
 */
#include <sched.h>

#include "lib/stack.h"
#include "tests/harness/netem_rig.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

static struct netem_rig t;

static void setup(void)
{
	rig_start(&t, netstack_create(1));
}

static void teardown(void)
{
	rig_end(&t);
}

/* --- time ------------------------------------------------------------------------------------- */

START_TEST(test_netem_delay_is_exact)
{
	rig_set(&t, (struct netem_config){.delay = 20 * MS});
	rig_send(&t, 1, 100);
	rig_advance(&t, 3 * MS);
	rig_send(&t, 1, 100);
	rig_advance(&t, 17 * MS - 1);
	ck_assert_uint_eq(rig_sent(&t), 0);
	rig_advance(&t, 1);
	ck_assert_uint_eq(rig_sent(&t), 1);
	rig_advance(&t, NSEC_PER_SEC);
	rig_check(&t, 0, 20 * MS);
	rig_check(&t, 1, 23 * MS);
	ck_assert_uint_eq(rig_stats(&t).passed, 2);
}
END_TEST

START_TEST(test_netem_delay_both_directions_apart)
{
	struct netem_config cfg = {.delay = 5 * MS, .seed = RIG_SEED};

	rig_set(&t, (struct netem_config){.delay = 20 * MS});
	ck_assert_int_eq(netem_set(t.sink->dev, NETEM_IN, &cfg), 0);
	sink_rx(t.sink, frame_send4(t.stack, 100, 0));
	rig_send(&t, 1, 100);
	rig_advance(&t, NSEC_PER_SEC);
	rig_check(&t, 0, 20 * MS);
	ck_assert_uint_eq(t.sink->arrived.count, 1);
	ck_assert_uint_eq(t.sink->arrived.head->stamp - t.start, 5 * MS);
}
END_TEST

START_TEST(test_netem_delay_keeps_order)
{
	rig_set(&t, (struct netem_config){.delay = 10 * MS});
	for (uint32_t i = 0; i < 100; i++) {
		rig_send(&t, 5, 100);
		rig_advance(&t, i % 3 * MS);
	}
	rig_advance(&t, NSEC_PER_SEC);
	ck_assert_uint_eq(rig_sent(&t), 500);
	for (uint32_t i = 0; i < 500; i++) {
		uint64_t when;

		ck_assert_uint_eq(rig_take(&t, &when), i);
	}
}
END_TEST

START_TEST(test_netem_shorter_delay_does_not_overtake)
{
	rig_set(&t, (struct netem_config){.delay = 10 * MS});
	rig_send(&t, 1, 100);
	rig_set(&t, (struct netem_config){.delay = MS});
	rig_send(&t, 1, 100);
	rig_set(&t, (struct netem_config){0});
	rig_send(&t, 1, 100);
	rig_advance(&t, NSEC_PER_SEC);
	for (uint32_t i = 0; i < 3; i++)
		rig_check(&t, i, 10 * MS);
}
END_TEST

START_TEST(test_netem_jitter_stays_in_its_bounds)
{
	uint64_t low = UINT64_MAX, high = 0, when;
	uint32_t last = 0, back = 0;

	rig_set(&t, (struct netem_config){.delay = 20 * MS, .jitter = 5 * MS});
	rig_send(&t, 500, 100);
	rig_advance(&t, NSEC_PER_SEC);
	ck_assert_uint_eq(rig_sent(&t), 500);
	while (rig_sent(&t) > 0) {
		uint32_t mark = rig_take(&t, &when);

		low = when < low ? when : low;
		high = when > high ? when : high;
		back += mark < last;
		last = mark;
	}
	ck_assert_uint_ge(low, 15 * MS);
	ck_assert_uint_le(high, 25 * MS);
	ck_assert_uint_lt(low, 16 * MS);
	ck_assert_uint_gt(high, 24 * MS);
	ck_assert_uint_gt(back, 100); /* who draws less overtakes */
}
END_TEST

START_TEST(test_netem_jitter_over_the_delay_stops_at_zero)
{
	rig_set(&t, (struct netem_config){.delay = MS, .jitter = 10 * MS});
	rig_send(&t, 100, 100);
	rig_advance(&t, 0);
	/* 45 expected, standard deviation 5 */
	ck_assert_uint_gt(rig_sent(&t), 20);
	ck_assert_uint_lt(rig_sent(&t), 70);
	rig_advance(&t, 11 * MS);
	ck_assert_uint_eq(rig_sent(&t), 100);
}
END_TEST

START_TEST(test_netem_reorder_sends_its_share_at_once)
{
	rig_set(&t, (struct netem_config){.delay = 10 * MS, .reorder = netem_percent(25)});
	rig_send(&t, 1000, 100);
	/* 250 expected, standard deviation 14 */
	ck_assert_uint_gt(rig_sent(&t), 180);
	ck_assert_uint_lt(rig_sent(&t), 320);
	ck_assert_uint_eq(rig_stats(&t).reordered, rig_sent(&t));
	rig_advance(&t, 10 * MS);
	ck_assert_uint_eq(rig_sent(&t), 1000);
}
END_TEST

START_TEST(test_netem_reorder_gap_every_fifth)
{
	rig_set(&t,
		(struct netem_config){.delay = 10 * MS, .reorder = netem_percent(100), .gap = 5});
	rig_send(&t, 20, 100);
	for (uint32_t i = 4; i < 20; i += 5)
		rig_check(&t, i, 0);
	ck_assert_uint_eq(rig_sent(&t), 0);
	rig_advance(&t, 10 * MS);
	ck_assert_uint_eq(rig_sent(&t), 16);
}
END_TEST

START_TEST(test_netem_rate_spaces_exactly)
{
	uint64_t each = 8ull * (FRAME_HLEN4 + 1000) * NSEC_PER_SEC / 10000000;

	rig_set(&t, (struct netem_config){.rate = 10000000});
	rig_send(&t, 10, 1000);
	rig_advance(&t, NSEC_PER_SEC);
	for (uint32_t i = 0; i < 10; i++)
		rig_check(&t, i, (i + 1) * each);
	rig_send(&t, 1, 1000); /* the line saved nothing up while it was idle */
	rig_advance(&t, NSEC_PER_SEC);
	rig_check(&t, 10, NSEC_PER_SEC + each);
}
END_TEST

START_TEST(test_netem_rate_behind_the_delay)
{
	uint64_t each = 8ull * (FRAME_HLEN4 + 1000) * NSEC_PER_SEC / 10000000;

	rig_set(&t, (struct netem_config){.rate = 10000000, .delay = 20 * MS});
	rig_send(&t, 3, 1000);
	rig_advance(&t, NSEC_PER_SEC);
	for (uint32_t i = 0; i < 3; i++)
		rig_check(&t, i, 20 * MS + (i + 1) * each);
}
END_TEST

START_TEST(test_netem_limit_drops_the_rest)
{
	rig_set(&t, (struct netem_config){.delay = 10 * MS, .limit = 10});
	rig_send(&t, 15, 100);
	ck_assert_uint_eq(rig_stats(&t).queued, 10);
	ck_assert_uint_eq(rig_stats(&t).overlimit, 5);
	ck_assert_uint_eq(pkbuf_drops(t.stack, DROP_NETEM_LIMIT), 5);
	rig_advance(&t, 10 * MS);
	for (uint32_t i = 0; i < 10; i++)
		rig_check(&t, i, 10 * MS);
	rig_send(&t, 1, 100);
	ck_assert_uint_eq(rig_stats(&t).queued, 1);
}
END_TEST

START_TEST(test_netem_limit_is_a_thousand)
{
	rig_set(&t, (struct netem_config){.delay = 10 * MS});
	rig_send(&t, 1001, 10);
	ck_assert_uint_eq(rig_stats(&t).queued, 1000);
	ck_assert_uint_eq(rig_stats(&t).overlimit, 1);
}
END_TEST

/* --- the same again --------------------------------------------------------------------------- */

/* Everything at once, told in one number. */
static uint64_t trace(uint64_t seed)
{
	static uint8_t f[FRAME_MAX];
	uint64_t sum = 0, when;
	struct pkbuf *b;

	t.mark = 0;
	t.start = env_now(t.stack->env);
	rig_set(&t, (struct netem_config){.loss = netem_percent(10),
					  .loss_cor = netem_percent(25),
					  .duplicate = netem_percent(5),
					  .corrupt = netem_percent(5),
					  .reorder = netem_percent(10),
					  .delay = 10 * MS,
					  .jitter = 3 * MS,
					  .rate = 100000000,
					  .limit = 200,
					  .seed = seed});
	for (unsigned i = 0; i < 50; i++) {
		rig_send(&t, 10, 20 * i);
		rig_advance(&t, MS / 2);
	}
	rig_advance(&t, NSEC_PER_SEC);
	while ((b = pkq_take(&t.sink->sent))) {
		uint32_t len = frame_bytes(b, f);

		when = b->stamp - t.start;
		sum = sum * 31 + b->mark + when;
		for (uint32_t i = 0; i < len; i++)
			sum = sum * 31 + f[i];
		pkbuf_free(b);
	}
	return sum;
}

START_TEST(test_netem_same_seed_same_trace)
{
	uint64_t first = trace(42);

	ck_assert_uint_eq(trace(42), first);
	ck_assert_uint_ne(trace(43), first);
}
END_TEST

/* --- on threads ------------------------------------------------------------------------------- */

/* The netdev thread of the device passes on what a program thread sent. */
START_TEST(test_netem_on_threads_passes_in_order)
{
	uint64_t when;

	rig_start(&t, netstack_threads());
	ck_assert_int_eq(netdev_threads_start(t.sink->dev), 0);
	rig_set(&t, (struct netem_config){.delay = MS});
	for (int i = 0; i < 100; i++) {
		rig_send(&t, 5, 100);
		sched_yield();
	}
	while (rig_stats(&t).passed < 500)
		sched_yield();
	netdev_threads_stop(t.sink->dev);
	ck_assert_uint_eq(rig_sent(&t), 500);
	for (uint32_t i = 0; i < 500; i++)
		ck_assert_uint_eq(rig_take(&t, &when), i);
	rig_end(&t);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("netem_time"), *threads = tcase_create("netem_threads");
	int r;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_netem_delay_is_exact);
	tcase_add_test(tc, test_netem_delay_both_directions_apart);
	tcase_add_test(tc, test_netem_delay_keeps_order);
	tcase_add_test(tc, test_netem_shorter_delay_does_not_overtake);
	tcase_add_test(tc, test_netem_jitter_stays_in_its_bounds);
	tcase_add_test(tc, test_netem_jitter_over_the_delay_stops_at_zero);
	tcase_add_test(tc, test_netem_reorder_sends_its_share_at_once);
	tcase_add_test(tc, test_netem_reorder_gap_every_fifth);
	tcase_add_test(tc, test_netem_rate_spaces_exactly);
	tcase_add_test(tc, test_netem_rate_behind_the_delay);
	tcase_add_test(tc, test_netem_limit_drops_the_rest);
	tcase_add_test(tc, test_netem_limit_is_a_thousand);
	tcase_add_test(tc, test_netem_same_seed_same_trace);
	r = unit_run("netem_time", tc);

	tcase_add_test(threads, test_netem_on_threads_passes_in_order);
	return unit_run("netem_threads", threads) | r;
}
