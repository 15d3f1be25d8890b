/*
 * tests/sim/test_lab_report.c - TCP beside the published behaviour of its algorithms, on a few cells of the report:
 * within 30 % of the formula with loss, 95 % of a clean line, and two CUBIC flows within 20 % of their part.
 */
#include <check.h>
#include <math.h>

#include "tests/harness/unit.h"
#include "tests/sim/lab_report.h"

#define MS NSEC_PER_MSEC
#define MBIT 1000000u
#ifdef WEFT_SANITIZE
#define RATE MBIT /* it is the same code, more than ten times slower */
#define CELLS 2
#define SHARES 0 /* long, and proves nothing more here */
#else
#define RATE (10 * MBIT)
#define CELLS (int)(sizeof(cell) / sizeof(cell[0]))
#define SHARES 3
#endif

static char why[LAB_WHY];

static const struct {
	struct lab_cell cell;
	double least;
} cell[] = {
    {{"cubic", 0, 10 * MS, 0, RATE}, 0.95},       {{"cubic", 0, 100 * MS, 0, RATE}, 0.95},
    {{"reno", 0, 50 * MS, 0, RATE}, 0.95},        {{"cubic", 1000, 100 * MS, 0, RATE}, 0.7},
    {{"cubic", 10000, 10 * MS, 0, RATE}, 0.7},    {{"cubic", 10000, 50 * MS, 50000, RATE}, 0.7},
    {{"cubic", 50000, 50 * MS, 0, RATE}, 0.7},    {{"reno", 1000, 50 * MS, 0, RATE}, 0.7},
    {{"reno", 10000, 100 * MS, 0, RATE}, 0.7},    {{"reno", 30000, 50 * MS, 0, RATE}, 0.7},
    {{"cubic", 100, 100 * MS, 50000, RATE}, 0.7}, {{"bbr", 0, 50 * MS, 0, RATE}, 0.95},
    {{"bbr", 10000, 10 * MS, 0, RATE}, 0.7},
};

START_TEST(test_cell_reaches_prediction)
{
	const struct lab_cell *c = &cell[_i].cell;
	struct lab_figures f;

	ck_assert_msg(lab_cell_run(c, 1, &f, why), "%s", why);
	ck_assert_msg(!f.bad.set, "%s", f.bad.what);
	ck_assert_msg(f.goodput >= cell[_i].least * f.predicted, "%.0f of %.0f bytes a second",
		      f.goodput, f.predicted);
	ck_assert_double_le(f.goodput, f.capacity * 1.001);
	/* what is lost is sent again, and hardly anything else */
	ck_assert_double_ge(f.again, (double)c->loss / LAB_PPM * 0.7);
	ck_assert_double_le(f.again, (double)c->loss / LAB_PPM * 1.3 + 0.015);
	if (!c->reorder)
		ck_assert_double_le(f.spurious, 0.001);
}
END_TEST

START_TEST(test_two_flows_share)
{
	const struct lab_cell c = {"cubic", 0, 20 * MS, 0, RATE};
	double share;

	ck_assert_msg(lab_share_run(&c, (uint64_t)_i * 5 * NSEC_PER_SEC, &share, why), "%s", why);
	ck_assert_msg(share > 0.4 && share < 0.6, "the first has %.3f of both", share);
}
END_TEST

/* --- the formulas --------------------------------------------------------------------------------- */

static double segments(const char *cc, uint32_t loss, uint64_t delay)
{
	const struct lab_cell c = {cc, loss, delay, 0, 10000000000ull}; /* as good as no rate */

	return lab_predict(&c) / 1448 * (double)(2 * delay) / 1e9;
}

/* RFC 9438, 5.1, table 1: the average window at a round trip of 100 ms. */
START_TEST(test_cubic_windows_as_published)
{
	ck_assert_double_eq_tol(segments("cubic", 10000, 50 * MS), 12, 1);
	ck_assert_double_eq_tol(segments("cubic", 1000, 50 * MS), 38, 3);
	ck_assert_double_eq_tol(segments("cubic", 100, 50 * MS), 187, 5);
	ck_assert_double_eq_tol(segments("cubic", 10, 50 * MS), 1054, 10);
}
END_TEST

/* The square root law where time-outs do not matter, and less than it where they do. */
START_TEST(test_reno_follows_the_square_root)
{
	ck_assert_double_eq_tol(segments("reno", 100, 50 * MS), 122.5, 2);
	ck_assert_double_eq_tol(segments("reno", 1000, 50 * MS), 38.7, 1);
	ck_assert_double_lt(segments("reno", 50000, 50 * MS), 0.85 * sqrt(1.5 / 0.05));
}
END_TEST

/* The draft's own example: 1 % in each of some 60 rounds leaves half of the rate at their end, three quarters on the average. */
START_TEST(test_bbr_gives_way_by_rounds)
{
	const struct lab_cell c = {"bbr", 10000, 10 * MS, 0, 100 * MBIT};
	const struct lab_cell clean = {"bbr", 0, 10 * MS, 0, 100 * MBIT};

	ck_assert_double_eq_tol(lab_predict(&c) / lab_capacity(&c), 0.98 * 0.745, 0.01);
	ck_assert_double_eq(lab_predict(&clean), lab_capacity(&clean));
}
END_TEST

START_TEST(test_capacity_bounds_prediction)
{
	const struct lab_cell c = {"reno", 10, 1 * MS, 0, MBIT};

	ck_assert_double_eq(lab_predict(&c), lab_capacity(&c));
	ck_assert_double_eq_tol(lab_capacity(&c), 125000.0 * 1448 / 1514, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("report");

	tcase_add_loop_test(tc, test_cell_reaches_prediction, 0, CELLS);
	tcase_add_loop_test(tc, test_two_flows_share, 0, SHARES);
	tcase_add_test(tc, test_cubic_windows_as_published);
	tcase_add_test(tc, test_reno_follows_the_square_root);
	tcase_add_test(tc, test_bbr_gives_way_by_rounds);
	tcase_add_test(tc, test_capacity_bounds_prediction);
	return unit_run("lab_report", tc);
}
