/*
 * tests/sim/test_sim_many.c - many connections at once and one after the other, half-close both ways,
 * resets and programs that vanish in the middle: nothing is left of any of them.
 */
#include <errno.h>
#include <string.h>

#include "tcp/tcp.h"
#include "tests/harness/sim.h"

static struct sim sim;

static void open_with(double loss, uint64_t seed, bool whole)
{
	struct sim_config cfg = {
	    .seed = seed,
	    .whole = whole,
	    .netem = {.loss = netem_percent(loss), .delay = 5 * NSEC_PER_MSEC, .limit = 100000},
	};

	sim_open(&sim, &cfg);
}

/* --- at once ------------------------------------------------------------------------------------
 */

START_TEST(test_two_hundred_at_once)
{
	open_with(_i, 3, true);
	for (unsigned i = 0; i < 200; i++)
		sim_flow(&sim, 100 + i * 37, 5000 - i * 11);
	sim_run(&sim, 1200);
	for (unsigned i = 0; i < 200; i++)
		sim_check(&sim.flow[i]);
	sim_close(&sim);
}
END_TEST

START_TEST(test_one_after_the_other)
{
	open_with(_i, 4, false);
	for (unsigned i = 0; i < 60; i++) {
		struct sim_flow *f = sim_flow(&sim, 1000 + i, 1000);

		sim_run(&sim, 600);
		sim_check(f);
		weft_close(f->end[0].fd);
		weft_close(f->end[1].fd);
		f->end[0].fd = f->end[1].fd = -1;
	}
	sim_close(&sim);
}
END_TEST

/* --- half-close ---------------------------------------------------------------------------------
 */

START_TEST(test_answer_after_end_of_request)
{
	struct sim_flow *f;

	open_with(_i, 5, false);
	f = sim_flow(&sim, 50000, 200000);
	f->answer_late = true; /* CLOSE-WAIT sends, FIN-WAIT-2 receives */
	sim_run(&sim, 600);
	sim_check(f);
	sim_close(&sim);
}
END_TEST

START_TEST(test_server_ends_first_and_goes_on_reading)
{
	struct sim_flow *f;

	open_with(_i, 6, false);
	f = sim_flow(&sim, 300000, 0);
	sim_run(&sim, 600);
	sim_check(f);
	sim_close(&sim);
}
END_TEST

/* Both programs close at the same instant: CLOSING. */
START_TEST(test_simultaneous_close)
{
	struct sim_flow *f;

	open_with(_i, 7, false);
	f = sim_flow(&sim, 0, 0);
	sim_run(&sim, 600);
	sim_check(f);
	sim_close(&sim);
}
END_TEST

/* --- ends in the middle -------------------------------------------------------------------------
 */

static void run_until(const struct sim_flow *f, uint32_t got)
{
	uint64_t until = env_now(sim.env) + 600 * NSEC_PER_SEC;

	while (f->end[1].got < got && sim_step(&sim, until))
		;
	ck_assert_uint_ge(f->end[1].got, got);
}

static void vanish(struct sim_end *e, bool reset)
{
	struct linger l = {.l_onoff = 1};

	if (reset)
		weft_setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	ck_assert_int_eq(weft_close(e->fd), 0);
	e->fd = -1;
	e->err = ECONNABORTED;
}

START_TEST(test_server_resets_client_hears)
{
	struct sim_flow *f;

	open_with(_i, 8, false);
	f = sim_flow(&sim, 1000000, 0);
	f->answer_late = true; /* no FIN of the server before */
	run_until(f, 100000);
	vanish(&f->end[1], true);
	sim_run(&sim, 1200);
	ck_assert(f->end[0].err == ECONNRESET || f->end[0].err == EPIPE);
	sim_close(&sim);
}
END_TEST

START_TEST(test_server_closes_unread_client_hears)
{
	struct sim_flow *f;

	open_with(_i, 9, false);
	f = sim_flow(&sim, 5000000, 0);
	f->answer_late = true; /* no FIN of the server before */
	run_until(f, 100000);
	vanish(&f->end[1], false); /* data go on coming for nobody */
	sim_run(&sim, 1200);
	ck_assert(f->end[0].err == ECONNRESET || f->end[0].err == EPIPE);
	sim_close(&sim);
}
END_TEST

START_TEST(test_client_vanishes_server_hears)
{
	struct sim_flow *f;

	open_with(_i, 10, false);
	f = sim_flow(&sim, 1000000, 1000000);
	run_until(f, 100000);
	vanish(&f->end[0], _i % 2);
	sim_run(&sim, 1200);
	sim_close(&sim);
}
END_TEST

START_TEST(test_fifty_vanish_in_the_middle)
{
	open_with(3, 11, true);
	for (unsigned i = 0; i < 50; i++)
		sim_flow(&sim, 200000, 200000);
	for (unsigned i = 0; i < 4000; i++)
		sim_step(&sim, ENV_NEVER);
	for (unsigned i = 0; i < 50; i++) {
		struct sim_end *e = &sim.flow[i].end[i % 2];

		if (e->fd >= 0 && i % 5)
			vanish(e, i % 3 == 0);
	}
	sim_run(&sim, 3600);
	sim_close(&sim);
}
END_TEST

/* The wire is cut for good: both ends give up, and hear why. */
START_TEST(test_wire_cut_times_out)
{
	struct netem_config dead = {.loss = UINT32_MAX};
	struct sim_flow *f;

	open_with(0, 12, false);
	f = sim_flow(&sim, 10000000, 0);
	run_until(f, 100000);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(netem_set(sim.dev[i], NETEM_OUT, &dead), 0);
	f->end[1].err = ECONNABORTED; /* it only reads: it would wait for ever */
	sim_run(&sim, 3600);
	ck_assert_int_eq(f->end[0].err, ETIMEDOUT);
	sim_close(&sim);
}
END_TEST

/* Both stacks end while data are on the way. */
START_TEST(test_stacks_end_in_the_middle)
{
	struct sim_flow *f;

	open_with(_i, 13, false);
	f = sim_flow(&sim, 10000000, 10000000);
	run_until(f, 100000);
	for (unsigned i = 0; i < 2; i++) {
		capture_del(sim.dev[i], &sim.cap[i]);
		stack_destroy(sim.st[i]);
	}
	weft_close(f->end[0].fd);
	weft_close(f->end[1].fd);
	weft_close(sim.listener);
	weft_use(NULL);
	env_lab_destroy(sim.env);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("many");

	tcase_add_loop_test(tc, test_two_hundred_at_once, 0, 3);
	tcase_add_loop_test(tc, test_one_after_the_other, 0, 3);
	tcase_add_loop_test(tc, test_answer_after_end_of_request, 0, 4);
	tcase_add_loop_test(tc, test_server_ends_first_and_goes_on_reading, 0, 4);
	tcase_add_loop_test(tc, test_simultaneous_close, 0, 10);
	tcase_add_loop_test(tc, test_server_resets_client_hears, 0, 4);
	tcase_add_loop_test(tc, test_server_closes_unread_client_hears, 0, 4);
	tcase_add_loop_test(tc, test_client_vanishes_server_hears, 0, 4);
	tcase_add_test(tc, test_fifty_vanish_in_the_middle);
	tcase_add_test(tc, test_wire_cut_times_out);
	tcase_add_loop_test(tc, test_stacks_end_in_the_middle, 0, 3);
	return unit_run("sim_many", tc);
}
