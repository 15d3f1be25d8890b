/*
 * lib/batch.h - what is put off until the core is left again.
 *
 * Whoever enters the core (a device batch, a timer expiry, a socket call) opens a batch on its frame
 * and ends it with no lock held and before any wait.  Nobody below calls up: work is put off here,
 * by phase, and waiters are claimed here and woken last, once a batch.  One batch a thread and stack;
 * a batch opened inside another of the same stack joins it.
 */
#pragma once
#include "lib/env.h"
#include "lib/slot.h"

/* In this order, each emptied before the next begins; what a later phase adds to an earlier is run first. */
enum batch_phase {
	BATCH_PUSH,     /* marked socks: tcp_push() once each */
	BATCH_LOOP,     /* loopback queues */
	BATCH_RECLAIM,  /* memory near its bound */
	BATCH_CALLBACK, /* the thread of the programs' callbacks is told */
	BATCH_PHASES,
};

/* Embedded in whatever is put off.  `next` is the batch's from batch_later() until fn is called. */
struct later {
	struct later *next;
	void (*fn)(struct later *l);
};

#define BATCH_FRAME 512u    /* bytes: what a write costs at least */
#define BATCH_WRITTEN 4096u /* bytes written until the clock is read again */

struct batch {
	struct stack *stack;
	struct slot *slot; /* the thread's slot in this stack */
	struct {
		struct later *head, **tail;
	} later[BATCH_PHASES];
	_Atomic int *owed; /* of a reader's batch: counts the hot sleepers it wakes; or NULL */
	unsigned depth;    /* batch_begin() inside a batch of the same stack */
	unsigned phases;   /* bits: those that have anything put off */
	unsigned nwakes;
	struct {
		struct waiter *waiter;
		uint32_t found;
	} wakes[32];
};

void batch_begin(struct batch *b, struct stack *st);
void batch_end(struct batch *b);
/* The thread's open batch of st; never NULL inside the core (asserted). */
struct batch *batch_of(struct stack *st);
/* batch_now() where it is to be read. */
uint64_t batch_clock(struct stack *st);
/*
 * The env's clock, read once and again when a sock's lock was taken and another thread has read it meanwhile,
 * so that a sock's times never go back; and when what was written to a device took its time.  Good without
 * an open batch too.
 */
static inline uint64_t batch_now(struct stack *st)
{
	uint64_t now = slot_get(st)->now;

	return now ? now : batch_clock(st);
}

/* With a sock's lock just taken, which another thread may have had: its reading is not older than the lock. */
static inline void batch_clock_check(struct stack *st)
{
	struct slot *s = slot_get(st);

	if (atomic_load_explicit(&st->clock, memory_order_relaxed) != s)
		s->now = 0;
}

/* A frame of n bytes was written: a large one, or eight small ones, take microseconds. */
static inline void batch_wrote(struct stack *st, uint32_t n)
{
	struct slot *s = slot_get(st);

	s->written += n > BATCH_FRAME ? n : BATCH_FRAME;
	if (s->written >= BATCH_WRITTEN)
		s->now = 0;
}

/*
 * The thread reads a device because its program's call waits (net/lead.c), and what it has read ends that
 * wait: it goes back to its program as soon as the batch ends.
 */
static inline bool batch_returns(struct stack *st)
{
	struct slot *s = slot_get(st);

	return s->batch && s->batch->owed && waiter_is_woken(&s->waiter);
}

/* Puts l off.  The owner keeps a flag, under its own lock, that l is on a batch: never twice. */
void batch_later(struct stack *st, enum batch_phase phase, struct later *l);
/* Claims w under the lock of its condition; it is woken when the batch ends, and only if it sleeps. */
void batch_wake(struct stack *st, struct waiter *w);
