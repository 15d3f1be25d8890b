/*
 * tests/sim/test_sim_long.c - long fat ways: the buffers of both ends grow until the way is full, so
 * that a stream takes little more than its bytes need, and a short way leaves them small.
 */
#include "tests/harness/sim.h"

#define MS NSEC_PER_MSEC

static struct sim sim;

/* How long `bytes` took from client to server, ms. */
static uint64_t stream(uint64_t delay_ms, uint64_t rate, uint32_t bytes)
{
	struct sim_config cfg = {
	    .seed = 7,
	    .whole = true,
	    .netem = {.delay = delay_ms * MS, .rate = rate, .limit = 100000},
	};
	uint64_t start, took;

	sim_open(&sim, &cfg);
	start = env_now(sim.env);
	sim_flow(&sim, bytes, 0);
	sim_run(&sim, 600);
	took = (env_now(sim.env) - start) / MS;
	sim_check(&sim.flow[0]);
	return took;
}

/* 100 Mbit/s, a round trip of 100 ms: 1.25 MB are on the way. */
START_TEST(test_long_way_is_filled)
{
	uint64_t took = stream(50, 100000000, 10000000);

	ck_assert_uint_ge(took, 800);
	ck_assert_msg(took < 2500, "10 MB took %lu ms, the wire alone 800", (unsigned long)took);
	sim_close(&sim);
}
END_TEST

/* Without growth a window of 64 KB a round trip would be all. */
START_TEST(test_long_way_without_autotuning_is_not)
{
	uint64_t took;
	struct sim_config cfg = {.seed = 7,
				 .whole = true,
				 .netem = {.delay = 50 * MS, .rate = 100000000, .limit = 100000}};

	sim_open(&sim, &cfg);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(sysctl_write(sim.st[i], "net.ipv4.tcp_moderate_rcvbuf", 0), 0);
	took = env_now(sim.env);
	sim_flow(&sim, 2000000, 0);
	sim_run(&sim, 600);
	took = (env_now(sim.env) - took) / MS;
	sim_check(&sim.flow[0]);
	ck_assert_msg(took > 2500, "took %lu ms", (unsigned long)took);
	sim_close(&sim);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("long");

	tcase_add_test(tc, test_long_way_is_filled);
	tcase_add_test(tc, test_long_way_without_autotuning_is_not);
	return unit_run("sim_long", tc);
}
