/*
 * tests/lib/test_random.c - the generator of labs and tests: the published sequence, the same from
 * the same seed, uniform below a bound.
 */
#include "lib/random.h"
#include "tests/harness/unit.h"

/* The sequence of the published code from the state {1, 2, 3, 4}. */
START_TEST(test_random_next_known_state_known_numbers)
{
	struct random r = {{1, 2, 3, 4}};

	ck_assert_uint_eq(random_next(&r), 11520);
	ck_assert_uint_eq(random_next(&r), 0);
	ck_assert_uint_eq(random_next(&r), 1509978240);
	ck_assert_uint_eq(random_next(&r), 1215971899390074240u);
}
END_TEST

/* SplitMix64's first numbers from seed 0 become the state. */
START_TEST(test_random_seed_zero_fills_state)
{
	struct random r;

	random_seed(&r, 0);
	ck_assert_uint_eq(r.s[0], 0xe220a8397b1dcdafu);
	ck_assert_uint_eq(r.s[1], 0x6e789e6aa1b965f4u);
	ck_assert_uint_eq(r.s[2], 0x06c45d188009454fu);
	ck_assert_uint_eq(r.s[3], 0xf88bb8a8724c81ecu);
}
END_TEST

START_TEST(test_random_same_seed_same_run)
{
	struct random a, b, c;
	unsigned differ = 0;

	random_seed(&a, 42);
	random_seed(&b, 42);
	random_seed(&c, 43);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = random_next(&a);

		ck_assert_uint_eq(x, random_next(&b));
		differ += x != random_next(&c);
	}
	ck_assert_uint_eq(differ, 1000);
}
END_TEST

START_TEST(test_random_below_is_uniform)
{
	enum { N = 7, ROUNDS = 70000 };
	unsigned seen[N] = {0};
	struct random r;

	random_seed(&r, 1);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t x = random_below(&r, N);

		ck_assert_uint_lt(x, N);
		seen[x]++;
	}
	/* 10000 each, standard deviation 93 */
	for (int i = 0; i < N; i++) {
		ck_assert_uint_gt(seen[i], 10000 - 500);
		ck_assert_uint_lt(seen[i], 10000 + 500);
	}
}
END_TEST

/* A bound of 3/4 of the range: taking the remainder would give the lower third twice as often. */
START_TEST(test_random_below_large_bound_without_bias)
{
	uint64_t n = 3ull << 62;
	unsigned low = 0;
	struct random r;

	random_seed(&r, 2);
	for (int i = 0; i < 30000; i++) {
		uint64_t x = random_below(&r, n);

		ck_assert_uint_lt(x, n);
		low += x < n / 3;
	}
	ck_assert_uint_gt(low, 10000 - 500);
	ck_assert_uint_lt(low, 10000 + 500);
}
END_TEST

START_TEST(test_random_below_one_is_zero)
{
	struct random r;

	random_seed(&r, 3);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(random_below(&r, 1), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("random");

	tcase_add_test(tc, test_random_next_known_state_known_numbers);
	tcase_add_test(tc, test_random_seed_zero_fills_state);
	tcase_add_test(tc, test_random_same_seed_same_run);
	tcase_add_test(tc, test_random_below_is_uniform);
	tcase_add_test(tc, test_random_below_large_bound_without_bias);
	tcase_add_test(tc, test_random_below_one_is_zero);
	return unit_run("random", tc);
}
