/*
 * tests/lib/test_seq.c - sequence numbers compared modulo 2^32 (RFC 9293, 3.4), at and around the
 * wrap.
 */
#include "lib/random.h"
#include "lib/seq.h"
#include "tests/harness/unit.h"

static const uint32_t starts[] = {0, 1, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};

#define STARTS (sizeof(starts) / sizeof(starts[0]))

static void check_order(uint32_t a, uint32_t b)
{
	ck_assert(seq_lt(a, b) && seq_leq(a, b) && seq_gt(b, a) && seq_geq(b, a));
	ck_assert(!seq_lt(b, a) && !seq_leq(b, a) && !seq_gt(a, b) && !seq_geq(a, b));
	ck_assert_uint_eq(seq_max(a, b), b);
	ck_assert_uint_eq(seq_max(b, a), b);
	ck_assert_uint_eq(seq_min(a, b), a);
	ck_assert_uint_eq(seq_min(b, a), a);
}

START_TEST(test_seq_order_holds_for_half_the_space)
{
	static const uint32_t distances[] = {1, 2, 65535, 0x40000000, 0x7fffffff};
	uint32_t a = starts[_i];

	for (unsigned i = 0; i < sizeof(distances) / sizeof(distances[0]); i++)
		check_order(a, a + distances[i]);
}
END_TEST

START_TEST(test_seq_equal_is_not_less)
{
	uint32_t a = starts[_i];

	ck_assert(!seq_lt(a, a) && !seq_gt(a, a));
	ck_assert(seq_leq(a, a) && seq_geq(a, a));
	ck_assert_uint_eq(seq_max(a, a), a);
	ck_assert_uint_eq(seq_min(a, a), a);
}
END_TEST

START_TEST(test_seq_random_pairs_order)
{
	struct random r;

	random_seed(&r, 1);
	for (int i = 0; i < 10000; i++) {
		uint32_t a = (uint32_t)random_next(&r);

		check_order(a, a + 1 + (uint32_t)random_below(&r, 0x7fffffff));
	}
}
END_TEST

START_TEST(test_seq_between_includes_low_excludes_high)
{
	uint32_t low = starts[_i], high = low + 1000;

	ck_assert(seq_between(low, low, high));
	ck_assert(seq_between(low + 1, low, high));
	ck_assert(seq_between(high - 1, low, high));
	ck_assert(!seq_between(high, low, high));
	ck_assert(!seq_between(low - 1, low, high));
	ck_assert(!seq_between(low + 0x80000000, low, high));
}
END_TEST

START_TEST(test_seq_between_empty_range_holds_nothing)
{
	uint32_t low = starts[_i];

	ck_assert(!seq_between(low, low, low));
	ck_assert(!seq_between(low + 1, low, low));
	ck_assert(!seq_between(low - 1, low, low));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("seq");

	tcase_add_loop_test(tc, test_seq_order_holds_for_half_the_space, 0, STARTS);
	tcase_add_loop_test(tc, test_seq_equal_is_not_less, 0, STARTS);
	tcase_add_test(tc, test_seq_random_pairs_order);
	tcase_add_loop_test(tc, test_seq_between_includes_low_excludes_high, 0, STARTS);
	tcase_add_loop_test(tc, test_seq_between_empty_range_holds_nothing, 0, STARTS);
	return unit_run("seq", tc);
}
