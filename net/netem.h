/*
 * net/netem.h - impairment of one direction of a device, by tc-netem's words.
 *
 * It first cuts super-frames to wire frames and finishes their checksums, both directions, so that
 * loss and corruption hit what a wire would carry.  Order: loss, duplicate, corrupt, reorder (sent
 * at once, past those that wait), delay, rate.
 */
#pragma once
#include "lib/random.h"
#include "net/netdev.h"

enum netem_dir { NETEM_IN, NETEM_OUT };

/* Probabilities in parts of 2^32 - 1 (netem_percent()); 0: off. */
struct netem_config {
	uint32_t loss, duplicate, corrupt, reorder;
	uint32_t loss_cor; /* correlation with the last draw, as tc */
	/* Gilbert-Elliott, as tc's `loss gemodel`: into the bad state, out of it, loss in the bad
	 * state and in the good one; on when `bad_enter` is not 0. */
	uint32_t bad_enter, bad_leave, bad_loss, good_loss;
	/* Nothing passes for the last `blackout` of each `blackout_every`, from netem_set() on; ns. */
	uint64_t blackout, blackout_every;
	uint64_t delay, jitter; /* ns; uniform in delay +- jitter */
	uint64_t rate;          /* bit/s; 0: unlimited */
	uint32_t limit;         /* packets queued; 0: 1000 */
	uint32_t gap;           /* reorder: each gap-th packet may pass (tc's gap); 0: 1 */
	uint64_t seed;          /* 0: drawn from the env */
	bool drop_last_frag; /* loses the last fragment of every datagram: shows reassembly time-out
			      */
};

struct netem_stats {
	uint64_t passed, lost, duplicated, corrupted, reordered, overlimit, queued;
};

uint32_t netem_percent(double percent);
int netem_set(struct netdev *dev, enum netem_dir dir, const struct netem_config *cfg);
int netem_off(struct netdev *dev, enum netem_dir dir); /* what waits is let go at once */
bool netem_get(struct netdev *dev, enum netem_dir dir, struct netem_config *cfg,
	       struct netem_stats *s);
/* For netdev.c: consumes b. */
void netem_in(struct netem *n, struct pkbuf *b);
void netem_destroy(struct netem *n); /* with its device */
