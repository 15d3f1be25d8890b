/*
 * tests/sim/test_sim_memory.c - readers that never read and writers that never stop: what they pin is
 * bounded, others go on, and all of it comes back.
 */
#include "net/pkbuf.h"
#include "tests/harness/sim.h"

#define READERS 150
#define NEVER (100000 * NSEC_PER_SEC)

static struct sim sim;

static void open_with(int64_t limit, int rcvbuf)
{
	struct sim_config cfg = {
	    .seed = 21,
	    .whole = true,
	    .rcvbuf = rcvbuf,
	    .netem = {.delay = NSEC_PER_MSEC, .limit = 100000},
	};

	sim_open(&sim, &cfg);
	if (limit)
		ck_assert_int_eq(sysctl_write(sim.st[1], "net.weft.mem_limit", limit), 0);
}

static void run_for(uint64_t ms)
{
	uint64_t until = env_now(sim.env) + ms * NSEC_PER_MSEC;

	while (env_now(sim.env) < until && sim_step(&sim, until))
		;
}

static void give_up(struct sim_flow *f)
{
	for (unsigned i = 0; i < 2; i++) {
		if (f->end[i].fd >= 0)
			weft_close(f->end[i].fd);
		f->end[i].fd = -1;
		f->end[i].err = 1;
	}
}

START_TEST(test_readers_that_never_read_bounded)
{
	int64_t limit = 16 << 20;
	struct sim_flow *f, *good;

	open_with(limit, 0);
	good = sim_flow(&sim, 3000000, 100000);
	for (unsigned i = 0; i < READERS; i++) {
		f = sim_flow(&sim, 600000, 0);
		f->pause = NEVER;
		f->next_read = ENV_NEVER;
	}
	run_for(20000);
	ck_assert_uint_le(depot_bytes(sim.st[1]), (uint64_t)limit);
	run_for(300000); /* one that reads gets through */
	sim_check(good);
	for (unsigned i = 1; i <= READERS; i++)
		give_up(&sim.flow[i]);
	sim_run(&sim, 600);
	sim_close(&sim);
}
END_TEST

START_TEST(test_readers_that_wake_up_get_all)
{
	open_with(8 << 20, 0);
	for (unsigned i = 0; i < 30; i++) {
		struct sim_flow *f = sim_flow(&sim, 300000, 0);

		f->pause = 1; /* from the first read on */
		f->next_read = env_now(sim.env) + 30 * NSEC_PER_SEC;
	}
	sim_run(&sim, 3600);
	for (unsigned i = 0; i < 30; i++)
		sim_check(&sim.flow[i]);
	sim_close(&sim);
}
END_TEST

START_TEST(test_small_buffers_pin_little)
{
	open_with(0, 8192);
	for (unsigned i = 0; i < READERS; i++) {
		struct sim_flow *f = sim_flow(&sim, 100000, 0);

		f->pause = NEVER;
		f->next_read = ENV_NEVER;
	}
	run_for(20000);
	ck_assert_int_le(gauge_read(sim.st[1], GAUGE_rcv_bytes), READERS * 3 * 8192);
	for (unsigned i = 0; i < READERS; i++)
		give_up(&sim.flow[i]);
	sim_close(&sim);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("memory");

	tcase_add_test(tc, test_readers_that_never_read_bounded);
	tcase_add_test(tc, test_readers_that_wake_up_get_all);
	tcase_add_test(tc, test_small_buffers_pin_little);
	return unit_run("sim_memory", tc);
}
