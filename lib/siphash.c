/*
 * lib/siphash.c - SipHash-2-4 and SipHash-1-3: two rounds or one a word, four or three at the end, 64 bits
 * out.  Words are read little-endian, so that a hash is the same on every machine.
 */
#include <endian.h>
#include <string.h>

#include "lib/siphash.h"

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline uint64_t load_le64(const void *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

static inline uint64_t load_le32(const void *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return le32toh(x);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t m, unsigned rounds)
{
	v[3] ^= m;
	for (unsigned i = 0; i < rounds; i++)
		sip_round(v);
	v[0] ^= m;
}

/* The numbers of rounds are constants to each of its callers. */
static inline __attribute__((always_inline)) uint64_t
sip(const void *data, size_t n, const uint8_t key[16], unsigned rounds, unsigned last_rounds)
{
	const uint8_t *p = data;
	uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
	uint64_t v[4] = {
	    k0 ^ 0x736f6d6570736575u,
	    k1 ^ 0x646f72616e646f6du,
	    k0 ^ 0x6c7967656e657261u,
	    k1 ^ 0x7465646279746573u,
	};
	uint64_t last = (uint64_t)n << 56;
	size_t left = n;

	for (; left >= 8; left -= 8, p += 8)
		sip_word(v, load_le64(p), rounds);
	if (left & 4) {
		last |= load_le32(p);
		p += 4;
	}
	for (size_t i = 0; i < (left & 3); i++)
		last |= (uint64_t)p[i] << 8 * ((left & 4) + i);
	sip_word(v, last, rounds);
	v[2] ^= 0xff;
	for (unsigned i = 0; i < last_rounds; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash(const void *data, size_t n, const uint8_t key[16])
{
	return sip(data, n, key, 2, 4);
}

uint64_t siphash13(const void *data, size_t n, const uint8_t key[16])
{
	return sip(data, n, key, 1, 3);
}
