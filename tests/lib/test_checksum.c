/*
 * tests/lib/test_checksum.c - the wide checksum against a model that adds one byte at a time, over
 * random lengths, alignments and splits; RFC 1071's example; RFC 1624's incremental update.
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/random.h"
#include "tests/harness/unit.h"

#define SIZE 4096

static uint8_t bytes[SIZE + 64];

static void bytes_fill(uint64_t seed)
{
	struct random r;

	random_seed(&r, seed);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random_next(&r);
}

/* RFC 1071, 1, taken literally: 16-bit words from pairs of bytes, an odd last byte padded with
 * zero. */
static uint16_t model_fold(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? p[i] : p[i] * 256u;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return htons((uint16_t)sum);
}

START_TEST(test_csum_add_rfc1071_example)
{
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	ck_assert_uint_eq(ntohs(csum_fold(csum_add(0, data, sizeof(data)))), 0xddf2);
	ck_assert_uint_eq(ntohs(csum_finish(csum_add(0, data, sizeof(data)))), 0x220d);
}
END_TEST

START_TEST(test_csum_add_every_length_matches_model)
{
	bytes_fill(1);
	for (size_t n = 0; n <= 600; n++)
		for (size_t at = 0; at < 17; at++)
			ck_assert_uint_eq(csum_fold(csum_add(0, bytes + at, n)),
					  model_fold(bytes + at, n));
}
END_TEST

START_TEST(test_csum_add_random_length_matches_model)
{
	struct random r;

	bytes_fill(2);
	random_seed(&r, 3);
	for (int i = 0; i < 3000; i++) {
		size_t n = random_below(&r, SIZE + 1), at = random_below(&r, 64);

		ck_assert_uint_eq(csum_fold(csum_add(0, bytes + at, n)), model_fold(bytes + at, n));
	}
}
END_TEST

START_TEST(test_csum_add_64k_of_ones_loses_no_carry)
{
	static uint8_t ones[65536 + 1];
	uint64_t sum = 0;

	memset(ones, 0xff, sizeof(ones));
	ck_assert_uint_eq(csum_fold(csum_add(0, ones, 65536)), 0xffff);
	ones[65535] = 0xfe;
	for (int i = 0; i < 1000; i++)
		sum += csum_add(0, ones, 65536);
	/* each call leaves 0xffff - 1 at the low byte of a word, that is -1: 1000 of them -1000 */
	ck_assert_uint_eq(ntohs(csum_fold(sum)), 0xffff - 1000);
}
END_TEST

/* A sum of any size is what is left of it by 65535, and not 0 unless it is. */
START_TEST(test_csum_fold_loses_no_carry)
{
	static const uint64_t edges[] = {
	    1,
	    0xffff,
	    0x10000,
	    0xffffffff,
	    0x100000000,
	    0xffff0001,
	    0xffffffff00000001,
	    UINT64_MAX - 1,
	    UINT64_MAX,
	    0x8000000080000000,
	};
	uint64_t sum = 0x9e3779b97f4a7c15;

	ck_assert_uint_eq(csum_fold(0), 0);
	for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		ck_assert_uint_eq(csum_fold(edges[i]), (edges[i] - 1) % 0xffff + 1);
	for (unsigned i = 0; i < 10000; i++, sum = sum * 6364136223846793005 + 1)
		ck_assert_uint_eq(csum_fold(sum), (sum - 1) % 0xffff + 1);
}
END_TEST

START_TEST(test_csum_add_random_splits_match_whole)
{
	struct random r;

	bytes_fill(4);
	random_seed(&r, 5);
	for (int i = 0; i < 2000; i++) {
		size_t n = random_below(&r, SIZE), at = 0;
		uint64_t sum = 0;

		while (at < n) {
			size_t part = 1 + random_below(&r, n - at);
			uint64_t s = csum_add(0, bytes + at, part);

			sum += at % 2 ? csum_odd(s) : s;
			at += part;
		}
		ck_assert_uint_eq(csum_fold(sum), model_fold(bytes, n));
	}
}
END_TEST

START_TEST(test_csum_finish_over_correct_data_is_zero)
{
	struct random r;

	bytes_fill(8);
	random_seed(&r, 9);
	for (int i = 0; i < 500; i++) {
		size_t n = 20 + 2 * random_below(&r, 500);
		uint16_t csum;

		memset(bytes + 10, 0, 2);
		csum = csum_finish(csum_add(0, bytes, n));
		memcpy(bytes + 10, &csum, 2);
		ck_assert_uint_eq(csum_finish(csum_add(0, bytes, n)), 0);
		bytes[random_below(&r, n)] ^= (uint8_t)(1 + random_below(&r, 255));
		ck_assert_uint_ne(csum_finish(csum_add(0, bytes, n)), 0);
	}
}
END_TEST

/* The pseudo header as bytes, in the order of RFC 768 (alen 4) and RFC 8200, 8.1 (alen 16). */
static uint16_t model_pseudo(const uint8_t *src, const uint8_t *dst, size_t alen, uint8_t proto,
			     uint32_t len)
{
	uint8_t p[40] = {0};

	memcpy(p, src, alen);
	memcpy(p + alen, dst, alen);
	for (unsigned i = 0; i < 4; i++)
		p[2 * alen + i] = (uint8_t)(len >> (24 - 8 * i));
	p[2 * alen + 7] = proto;
	return model_fold(p, 2 * alen + 8);
}

START_TEST(test_csum_pseudo_both_families_match_model)
{
	bytes_fill(10);
	for (unsigned i = 0; i < 200; i++) {
		const uint8_t *src = bytes + i, *dst = bytes + 3 * i;

		ck_assert_uint_eq(csum_fold(csum_pseudo(src, dst, 4, (uint8_t)i, 331 * i)),
				  model_pseudo(src, dst, 4, (uint8_t)i, 331 * i));
		ck_assert_uint_eq(csum_fold(csum_pseudo(src, dst, 16, (uint8_t)i, 70000 * i)),
				  model_pseudo(src, dst, 16, (uint8_t)i, 70000 * i));
	}
}
END_TEST

START_TEST(test_csum_update16_rfc1624_corner)
{
	/* RFC 1624, 4: the old equation gave 0xffff here, recomputing gives 0 */
	ck_assert_uint_eq(csum_update16(htons(0xdd2f), htons(0x5555), htons(0x3285)), htons(0));
}
END_TEST

START_TEST(test_csum_update_equals_recompute)
{
	struct random r;

	bytes_fill(11);
	random_seed(&r, 12);
	for (int i = 0; i < 20000; i++) {
		size_t at = 2 * random_below(&r, 10);
		uint16_t csum = csum_finish(csum_add(0, bytes, 20));
		uint16_t from16, to16 = (uint16_t)random_next(&r);

		memcpy(&from16, bytes + at, 2);
		memcpy(bytes + at, &to16, 2);
		csum = csum_update16(csum, from16, to16);
		ck_assert_uint_eq(csum, csum_finish(csum_add(0, bytes, 20)));
	}
}
END_TEST

/* Every value of a word that is set to its ones' complement and back, whatever the others are. */
START_TEST(test_csum_update16_zero_and_ones_equal_recompute)
{
	uint16_t words[2] = {0x0001, 0};

	for (uint32_t v = 0; v <= 0xffff; v++) {
		uint16_t before, to = (uint16_t)v;

		words[1] = (uint16_t)~v;
		before = csum_finish(csum_add(0, words, 4));
		ck_assert_uint_eq(csum_update16(before, words[1], to),
				  csum_finish(csum_add(0, (uint16_t[]){words[0], to}, 4)));
		ck_assert_uint_eq(csum_update16(before, words[1], words[1]), before);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("checksum");

	tcase_add_test(tc, test_csum_add_rfc1071_example);
	tcase_add_test(tc, test_csum_add_every_length_matches_model);
	tcase_add_test(tc, test_csum_add_random_length_matches_model);
	tcase_add_test(tc, test_csum_add_64k_of_ones_loses_no_carry);
	tcase_add_test(tc, test_csum_fold_loses_no_carry);
	tcase_add_test(tc, test_csum_add_random_splits_match_whole);
	tcase_add_test(tc, test_csum_finish_over_correct_data_is_zero);
	tcase_add_test(tc, test_csum_pseudo_both_families_match_model);
	tcase_add_test(tc, test_csum_update16_rfc1624_corner);
	tcase_add_test(tc, test_csum_update_equals_recompute);
	tcase_add_test(tc, test_csum_update16_zero_and_ones_equal_recompute);
	return unit_run("checksum", tc);
}
