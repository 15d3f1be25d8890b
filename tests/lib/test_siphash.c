/*
 * tests/lib/test_siphash.c - SipHash-2-4 against the vectors published with it: key 00..0f, input
 * the first n of 00, 01, 02, ...; SipHash-1-3 against what Python's hash() of the same bytes says, whose
 * key is zeroes where PYTHONHASHSEED is 0.
 */
#include "lib/siphash.h"
#include "tests/harness/unit.h"

static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static const struct {
	size_t n;
	uint64_t hash;
} vectors[] = {
    {0, 0x726fdb47dd0e0e31},  {1, 0x74f839c593dc67fd},  {2, 0x0d6c8009d9a94f5a},
    {3, 0x85676696d7fb7e2d},  {4, 0xcf2794e0277187b7},  {5, 0x18765564cd99a68d},
    {6, 0xcbc9466e58fee3ce},  {7, 0xab0200f58b01d137},  {8, 0x93f5f5799a932462},
    {9, 0x9e0082df0ba9e4b0},  {10, 0x7a5dbbc594ddb9f3}, {11, 0xf4b32f46226bada7},
    {12, 0x751e8fbc860ee5fb}, {13, 0x14ea5627c0843d90}, {14, 0xf723ca908e7af2ee},
    {15, 0xa129ca6149be45e5}, {16, 0x3f2acc7f57c29bdb}, {63, 0x958a324ceb064572},
};

START_TEST(test_siphash_published_vectors)
{
	uint8_t in[64];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	ck_assert_uint_eq(siphash(in, vectors[_i].n, key), vectors[_i].hash);
}
END_TEST

static const struct {
	size_t n;
	uint64_t hash;
} vectors13[] = {
    {1, 0x68a914128e01e473},  {2, 0x010bac45c41e3669},  {3, 0x4d4c9a4a8ef6e0ad},
    {4, 0x7cc43f98813e4dbd},  {7, 0x2f098ab0c751325a},  {8, 0xead411e67ebe2eea},
    {9, 0x75927f9d95124362},  {12, 0xa6baf4fb0f9fe1c2}, {15, 0xf30eb725bb91c9ea},
    {16, 0x8972188433a5c5b7}, {36, 0xac77921fcc642bd3}, {63, 0x385d3e39e5f37359},
};

START_TEST(test_siphash13_as_another_makes_it)
{
	static const uint8_t zeroes[16];
	uint8_t in[64];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	ck_assert_uint_eq(siphash13(in, vectors13[_i].n, zeroes), vectors13[_i].hash);
}
END_TEST

START_TEST(test_siphash_unaligned_input_same_hash)
{
	uint8_t in[24 + 8];

	for (unsigned at = 0; at < 8; at++) {
		for (unsigned i = 0; i < 15; i++)
			in[at + i] = (uint8_t)i;
		ck_assert_uint_eq(siphash(in + at, 15, key), 0xa129ca6149be45e5);
	}
}
END_TEST

START_TEST(test_siphash_each_key_bit_counts)
{
	uint64_t plain = siphash("weft", 4, key);

	for (unsigned bit = 0; bit < 128; bit++) {
		uint8_t other[16];

		for (unsigned i = 0; i < 16; i++)
			other[i] = key[i];
		other[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_uint_ne(siphash("weft", 4, other), plain);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("siphash");

	tcase_add_loop_test(tc, test_siphash_published_vectors, 0,
			    sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_loop_test(tc, test_siphash13_as_another_makes_it, 0,
			    sizeof(vectors13) / sizeof(vectors13[0]));
	tcase_add_test(tc, test_siphash_unaligned_input_same_hash);
	tcase_add_test(tc, test_siphash_each_key_bit_counts);
	return unit_run("siphash", tc);
}
