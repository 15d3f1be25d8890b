/*
 * tests/harness/netem_rig.h - a sink with netem before its driver; frames are known by their marks,
 * which count from 0.
 */
#pragma once
#include "net/netem.h"
#include "tests/harness/frame.h"
#include "tests/harness/sink.h"

#define MS NSEC_PER_MSEC
#define RIG_SEED 7

struct netem_rig {
	struct stack *stack;
	struct sink *sink;
	uint32_t mark;  /* of the next frame */
	uint64_t start; /* times count from here */
};

void rig_start(struct netem_rig *r, struct stack *st);
void rig_end(struct netem_rig *r);
/* Of the way out; RIG_SEED unless cfg has a seed. */
void rig_set(struct netem_rig *r, struct netem_config cfg);
struct netem_stats rig_stats(struct netem_rig *r);
/* n frames of len payload bytes, now. */
void rig_send(struct netem_rig *r, unsigned n, uint32_t len);
void rig_advance(struct netem_rig *r, uint64_t ns);
/* The next frame that came out: its mark, and *when. */
uint32_t rig_take(struct netem_rig *r, uint64_t *when);
void rig_check(struct netem_rig *r, uint32_t mark, uint64_t when);
uint32_t rig_sent(struct netem_rig *r); /* frames that came out and were not taken */
