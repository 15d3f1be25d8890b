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

struct stack;
struct slot;

/* In this order, each emptied before the next begins; what a later phase adds to an earlier is run first. */
enum batch_phase {
	BATCH_PUSH,    /* marked socks: tcp_push() once each */
	BATCH_LOOP,    /* loopback queues */
	BATCH_RECLAIM, /* memory near its bound */
	BATCH_PHASES,
};

/* Embedded in whatever is put off.  `next` is the batch's from batch_later() until fn is called. */
struct later {
	struct later *next;
	void (*fn)(struct later *l);
};

struct batch {
	struct stack *stack;
	struct slot *slot; /* the thread's slot in this stack */
	struct {
		struct later *head, **tail;
	} later[BATCH_PHASES];
	struct {
		struct waiter *waiter;
		uint32_t found;
	} wakes[32];
	unsigned nwakes;
	_Atomic int *owed;   /* of a reader's batch: counts the hot sleepers it wakes; or NULL */
	unsigned depth;      /* batch_begin() inside a batch of the same stack */
	struct batch *outer; /* the thread's batch in another stack (a lab's wire) */
};

void batch_begin(struct batch *b, struct stack *st);
void batch_end(struct batch *b);
/* The thread's open batch of st; never NULL inside the core (asserted). */
struct batch *batch_of(struct stack *st);
/* Puts l off.  The owner keeps a flag, under its own lock, that l is on a batch: never twice. */
void batch_later(struct stack *st, enum batch_phase phase, struct later *l);
/* Claims w under the lock of its condition; it is woken when the batch ends, and only if it sleeps. */
void batch_wake(struct stack *st, struct waiter *w);
