/* lib/random.h - xoshiro256** seeded by SplitMix64, for labs, netem and tests; never for secrets. */
#pragma once
#include <stdint.h>

struct random {
	uint64_t s[4];
};

void random_seed(struct random *r, uint64_t seed);
uint64_t random_next(struct random *r);
/* Uniform in [0, n), n > 0, without modulo bias. */
uint64_t random_below(struct random *r, uint64_t n);
