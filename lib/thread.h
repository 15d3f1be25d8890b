/*
 * lib/thread.h - the one __thread record: what a thread keeps between and across calls.
 *
 * Only its own thread touches it.  It holds no memory of its own: what hangs off a stack (slots) is
 * found from the stack, so either may end first.
 */
#pragma once
#include <stdint.h>

#include "lib/lock.h"

struct slot;

#define THREAD_SLOTS 8  /* stacks of one thread found without a search; a power of two */
#define THREAD_RANKS 16 /* locks held at once: more than there are ranks */

/* Where a thread has its slot in one stack. */
struct thread_slot {
	uint64_t id; /* the stack's, never used twice: a stale entry matches nothing */
	struct slot *slot;
};

struct thread_record {
	struct thread_slot last; /* in the stack it used last; most threads use one */
	struct thread_slot cache[THREAD_SLOTS];
	unsigned batches;  /* open, in all stacks (a lab's wire has two) */
	uint64_t stack_id; /* weft_use()'s, good while a running stack has it; 0: the default */
	unsigned nheld;
	struct {
		enum lock_rank rank;
		const void *lock;
	} held[THREAD_RANKS]; /* in a build without NDEBUG */
};

/* Initial-exec: one add, no call, on the way of every counter. */
extern __thread struct thread_record thread_record __attribute__((tls_model("initial-exec")));
