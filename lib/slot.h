/*
 * lib/slot.h - one thread in one stack: its waiter, its counters, its packet cache.
 *
 * A slot is the stack's and lives as long as it; a thread takes one at its first batch and gives it
 * back when it ends, whichever of the two ends first.  Counters are written by the slot's thread
 * alone (a relaxed load and store, no locked instruction) and summed by readers.
 *
 * LOCKING
 *	o	the owning thread only		a	atomic, written by the owner, read by all
 *	s	the stack's slots lock		c	constant after creation
 */
#pragma once
#include "lib/env.h"
#include "lib/mib.h"

struct stack;
struct batch;
struct pkbuf_cache;

struct slot {
	struct waiter waiter;		    /* see lib/env.h */
	struct stack *stack;		    /* c */
	struct slot *next;		    /* s: all slots of the stack */
	bool used;			    /* s */
	struct batch *batch;		    /* o: the open batch */
	struct pkbuf_cache *pkbuf_cache;    /* o: net/pkbuf.c; given back with the slot */
	_Atomic uint64_t mib[MIB_MAX];	    /* a */
	_Atomic int64_t gauge[GAUGE_MAX];   /* a: one thread may go below 0, the sum does not */
};

/* The calling thread's slot in st, made when there is none.  Never NULL. */
struct slot *slot_get(struct stack *st);
/* Gives every slot of a stack that ends back; called once its threads are joined. */
void slot_fini(struct stack *st);
/* True in a child of fork(), which has no stack: every call there answers ENETDOWN. */
bool slot_forked(void);
