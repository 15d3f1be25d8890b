/*
 * lib/random.c - xoshiro256** (Blackman, Vigna 2018).  Its state is filled by SplitMix64, so that
 * any seed, 0 too, starts it well.  The same seed gives the same numbers on every machine.
 */
#include "lib/random.h"

static uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static uint64_t splitmix64(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void random_seed(struct random *r, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++)
		r->s[i] = splitmix64(&seed);
}

uint64_t random_next(struct random *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

/* The high word of x * n is uniform once the few x are refused whose low word falls in the short
 * rest. */
uint64_t random_below(struct random *r, uint64_t n)
{
	unsigned __int128 m = (unsigned __int128)random_next(r) * n;

	if ((uint64_t)m < n) {
		uint64_t rest = -n % n;

		while ((uint64_t)m < rest)
			m = (unsigned __int128)random_next(r) * n;
	}
	return (uint64_t)(m >> 64);
}
