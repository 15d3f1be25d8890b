/*
 * tests/sim/test_fuzz_rx.c - a short run of tests/fuzz/fuzz_rx.c for every `make check`.
 */
#include "tests/harness/fuzz_rx.h"
#include "tests/harness/unit.h"

#define SEEDS 4
#define FRAMES 5000 /* a seed */

START_TEST(test_any_state_mutated_frames_survived)
{
	static struct fuzz f;

	fuzz_open(&f, (uint64_t)_i);
	fuzz_frames(&f, FRAMES);
	ck_assert_uint_eq(f.stats.frames, FRAMES);
	ck_assert_uint_gt(f.stats.sent, 0);
	fuzz_close(&f);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fuzz_rx");

	tcase_add_loop_test(tc, test_any_state_mutated_frames_survived, 1, SEEDS + 1);
	return unit_run("fuzz_rx", tc);
}
