/*
 * tests/sim/test_sim_poor.c - two streams over a wire that loses and reorders, and of the allocations on the way one
 * in turn finds no memory: both come whole, or an end was told why not.
 */
#include "tests/harness/poor.h"
#include "tests/harness/sim.h"

static struct sim sim;

static void scene(void)
{
	struct sim_config cfg = {
	    .seed = 5,
	    .whole = true,
	    .netem = {.delay = 10 * NSEC_PER_MSEC,
		      .loss = netem_percent(8),
		      .duplicate = netem_percent(3),
		      .reorder = netem_percent(10)},
	};

	sim_open(&sim, &cfg);
	sim_flow(&sim, 60000, 0);
	sim_flow(&sim, 3000, 20000);
	poor_begin();
	sim_run(&sim, 600);
	poor_end();
	for (unsigned i = 0; i < 2; i++)
		if (!sim.flow[i].end[0].err && !sim.flow[i].end[1].err)
			sim_check(&sim.flow[i]);
	sim_close(&sim);
}

START_TEST(test_streams_come_whole)
{
	poor_sweep(POOR_ONCE, scene);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sim_poor");

	tcase_add_test(tc, test_streams_come_whole);
	return unit_run("sim_poor", tc);
}
