/*
 * tests/lib/test_mib.c - counters and gauges by stack, their tables, and the leak check at a
 * stack's end.
 */
#include "lib/mib.h"

#include <signal.h>
#include <string.h>

#include "lib/stack.h"
#include "tests/harness/unit.h"

static struct env *env;
static struct stack *st;

static void setup(void)
{
	env = env_lab_create(1);
	st = stack_alloc(env);
}

static void teardown(void)
{
	stack_free(st);
	env_lab_destroy(env);
}

START_TEST(test_mib_names_are_unique)
{
	for (unsigned i = 0; i < MIB_MAX; i++) {
		ck_assert_uint_gt(strlen(mib_info[i].text), 0);
		for (unsigned j = 0; j < i; j++)
			ck_assert(strcmp(mib_info[i].name, mib_info[j].name) ||
				  strcmp(mib_info[i].group, mib_info[j].group));
	}
	ck_assert_str_eq(mib_info[MIB_Tcp_InSegs].group, "Tcp");
	ck_assert_str_eq(mib_info[MIB_Tcp_InSegs].name, "InSegs");
	ck_assert_str_eq(gauge_info[GAUGE_timers].name, "timers");
}
END_TEST

START_TEST(test_mib_counts_its_own_cell)
{
	mib_inc(st, MIB_Tcp_InSegs);
	mib_add(st, MIB_Tcp_InSegs, 1ull << 40);
	for (unsigned i = 0; i < MIB_MAX; i++)
		ck_assert_uint_eq(mib_read(st, i), i == MIB_Tcp_InSegs ? (1ull << 40) + 1 : 0);
}
END_TEST

START_TEST(test_mib_counts_its_own_stack)
{
	struct stack *other = stack_alloc(env);

	mib_inc(other, MIB_Ip_InReceives);
	ck_assert_uint_eq(mib_read(st, MIB_Ip_InReceives), 0);
	ck_assert_uint_eq(mib_read(other, MIB_Ip_InReceives), 1);
	stack_free(other);
}
END_TEST

START_TEST(test_gauge_rises_and_falls)
{
	gauge_add(st, GAUGE_rcv_bytes, 1000);
	gauge_add(st, GAUGE_rcv_bytes, -400);
	ck_assert_int_eq(gauge_read(st, GAUGE_rcv_bytes), 600);
	ck_assert_int_eq(gauge_read(st, GAUGE_snd_bytes), 0);
	gauge_add(st, GAUGE_rcv_bytes, -600);
}
END_TEST

#ifndef NDEBUG
START_TEST(test_stack_that_leaks_stops)
{
	gauge_add(st, GAUGE_pkbufs, 1);
	stack_free(st);
}
END_TEST
#endif

int main(void)
{
	TCase *tc = tcase_create("mib");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_mib_names_are_unique);
	tcase_add_test(tc, test_mib_counts_its_own_cell);
	tcase_add_test(tc, test_mib_counts_its_own_stack);
	tcase_add_test(tc, test_gauge_rises_and_falls);
#ifndef NDEBUG
	tcase_add_test_raise_signal(tc, test_stack_that_leaks_stops, SIGABRT);
#endif
	return unit_run("mib", tc);
}
