/*
 * lib/checksum.c - the Internet checksum, 64 bytes a turn.
 *
 * Ones'-complement addition does not care for the width of its words (RFC 1071, 2): memory is read
 * in 16-byte vectors whose 32-bit words are added in 64-bit lanes, where no carry is lost, and
 * folded at the end.  What a call adds to a sum is below 2^36, so that sums may be added by plain
 * `+`.
 */
#include <endian.h>
#include <string.h>

#include "lib/checksum.h"

typedef uint64_t lanes __attribute__((vector_size(16)));

struct vector_sum {
	lanes even, odd; /* the low and the high word of each 64-bit lane */
};

static inline void vector_add(struct vector_sum *s, const uint8_t *from)
{
	lanes v;

	memcpy(&v, from, sizeof(v));
	s->even += v & 0xffffffffu;
	s->odd += v >> 32;
}

/* What is left of a length after the 16-byte vectors: at most one word of 8, 4, 2 and 1 bytes. */
static inline uint64_t tail_sum(const uint8_t *p, size_t n)
{
	uint64_t sum = 0, w8;
	uint32_t w4;
	uint16_t w2;

	if (n & 8) {
		memcpy(&w8, p, 8);
		sum += (w8 & 0xffffffffu) + (w8 >> 32);
		p += 8;
	}
	if (n & 4) {
		memcpy(&w4, p, 4);
		sum += w4;
		p += 4;
	}
	if (n & 2) {
		memcpy(&w2, p, 2);
		sum += w2;
		p += 2;
	}
	if (n & 1) {
		w2 = 0;
		memcpy(&w2, p, 1); /* the missing byte counts as zero (RFC 1071, 1) */
		sum += w2;
	}
	return sum;
}

static uint64_t csum_run(const uint8_t *from, size_t n)
{
	struct vector_sum a = {{0}, {0}}, b = a;
	size_t at = 0;
	uint64_t sum;

	if (n == 0)
		return 0;
	for (; n - at >= 64; at += 64) {
		vector_add(&a, from + at);
		vector_add(&b, from + at + 16);
		vector_add(&a, from + at + 32);
		vector_add(&b, from + at + 48);
	}
	for (; n - at >= 16; at += 16)
		vector_add(&a, from + at);
	a.even += b.even + a.odd + b.odd;
	sum = a.even[0] + a.even[1] + tail_sum(from + at, n - at);
	return (sum & 0xffffffffu) + (sum >> 32);
}

uint64_t csum_add(uint64_t sum, const void *data, size_t n)
{
	return sum + csum_run(data, n);
}

uint64_t csum_pseudo(const void *src, const void *dst, size_t alen, uint8_t proto, uint32_t len)
{
	uint64_t sum = csum_add_words(csum_add_words(0, src, alen), dst, alen);

	return sum + htobe16(proto) + htobe32(len);
}

uint16_t csum_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32; /* the upper half has both now, and the carry of the lower */
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

uint64_t csum_odd(uint64_t sum)
{
	return __builtin_bswap16(csum_fold(sum));
}

uint16_t csum_update16(uint16_t csum, uint16_t from, uint16_t to)
{
	return csum_finish((uint64_t)(uint16_t)~csum + (uint16_t)~from + to);
}
