/*
 * lib/slot.h - one thread in one stack: its waiter, its counters, its packet cache.
 *
 * A slot is the stack's and lives as long as it; a thread takes one at its first batch and gives it
 * back when it ends, whichever of the two ends first.  Counters are written by the slot's thread
 * alone (a relaxed load and store, no locked instruction) and summed by readers.
 *
 * The list of a stack's slots only grows, so it is read and searched without a lock.  A slot given
 * back keeps its counters, that sums stay right, and goes to the next thread that asks.
 *
 * LOCKING
 *	o	the owning thread only		a	atomic
 *	c	constant once it is on the stack's list
 *	w	atomic, written by the owner alone, read by all
 */
#pragma once
#include "lib/env.h"
#include "lib/mib_list.h"
#include "lib/stack.h"
#include "lib/thread.h"

struct batch;
struct landing;
struct netdev_queue;
struct pkbuf_cache;

/*
 * How a thread calls: who is back soon may read a device for all (net/lead.c).
 *
 * LOCKING: the owning thread only.
 */
struct rhythm {
	uint64_t left;    /* ns: the wait before the next that is measured ended; 0: none has */
	uint32_t busy;    /* ns between a wait and the next, a moving average */
	uint16_t skipped; /* waits since it last spun */
	uint16_t retry;   /* ... and how many are to be before it tries again */
	uint16_t told;    /* events that one of its waits tells, in sixteenths, a moving average */
	uint8_t credit;   /* a spin has paid more often than not while this is above 0 */
	bool serves;      /* others: it leads however long it is away, and reads all there is */
	uint8_t holds;    /* frames that it may still hold back: net/hold.c */
	uint8_t sure;     /* waits to come that are not measured */
	struct netdev_queue *led; /* by its last wait; NULL: none */
};

/* What lib/cell.h keeps of one size. */
struct cells {
	struct free_cell *first;  /* `count` of them */
	struct free_cell *bundle; /* CELL_BUNDLE more, or NULL */
	unsigned count;
};

struct slot {
	struct waiter waiter;                /* see lib/env.h */
	struct stack *stack;                 /* c */
	struct slot *next;                   /* c: all slots of the stack */
	unsigned number;                     /* c: among them, from 0 on */
	struct thread_record *_Atomic owner; /* a: NULL: free */
	struct batch *batch;                 /* o: the open batch */
	uint64_t now;                        /* o: ns: lib/batch.h; 0: to be read, or no batch */
	uint32_t written;                    /* o: bytes to devices since, a small frame as more */
	struct pkbuf_cache *pkbuf_cache;     /* o: net/pkbuf.c; given back with the slot */
	struct rhythm rhythm;                /* o: net/lead.c */
	struct landing *landing;             /* o: net/landing.h: what it lends; NULL: nothing */
	_Atomic uint64_t mib[MIB_MAX];       /* w */
	_Atomic uint64_t gauge[GAUGE_MAX];   /* w: one thread may go below 0, the sum does not */
	struct cells cells[CELL_CLASSES];    /* o: lib/cell.h: by size */
};

/*
 * Adds to what the calling thread alone writes and any thread reads.  It need not be one step, so it is no locked
 * instruction; but of a relaxed load and a store gcc makes three.
 */
static inline void own_add(_Atomic uint64_t *n, uint64_t more)
{
#ifdef __x86_64__
	__asm__("addq %1, %0" : "+m"(*n) : "er"(more) : "cc");
#else
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more,
			      memory_order_relaxed);
#endif
}

/* slot_get() of a stack the thread did not use last: the search. */
struct slot *slot_enter(struct stack *st);

/* The calling thread's slot in st, made when there is none.  Never NULL; takes no lock. */
static inline struct slot *slot_get(struct stack *st)
{
	if (__builtin_expect(thread_record.last.id != st->id, 0))
		return slot_enter(st);
	return thread_record.last.slot;
}

/* st joins the living stacks: gives it its id; a thread that ends looks for its slots there. */
void slot_init(struct stack *st);
/*
 * st leaves the living stacks and st->slot_release() is called for every slot: the slots' caches
 * are back.  For the end of net's state, when no other thread is inside.  A second call does
 * nothing.
 */
void slot_fini(struct stack *st);
/* The last of a stack: its slots' memory and eventfds. */
void slot_free(struct stack *st);
/* True in a child of fork() whose parent had a stack: every call there answers ENETDOWN. */
bool slot_forked(void);
