/*
 * lib/timer.h - a hierarchical timer wheel with ticks of 1 ms.
 *
 * A timer never fires early and at most one tick late by its own doing.  An armed timer holds a
 * reference of its owner: timer_arm() says when the caller must take one, timer_disarm() when it
 * must put one back, and a firing timer hands it to fn.  The wheel's lock is a leaf and is never
 * held while fn runs.  Re-arming later is the hot path of a transport: keep the deadline in the
 * owner, let the entry fire early and arm it again.
 */
#pragma once
#include "lib/env.h"
#include "lib/lock.h"

struct stack;
struct wheel;

/*
 * LOCKING
 *	w	the wheel's lock	c	constant after timer_init()
 */
struct timer {
	struct timer *next, **prev; /* w: prev NULL: not armed */
	uint64_t when; /* w: ns, rounded up to a tick at arming; not past the wheel's present */
	void (*fn)(struct timer *t); /* c: called with no lock held, inside a batch */
};

struct wheel *wheel_create(struct stack *st); /* counts GAUGE_timers in st */
void wheel_destroy(struct wheel *w);          /* must be empty */
struct alarm *wheel_alarm(struct wheel *w);   /* the env's alarm that runs it */

void timer_init(struct timer *t, void (*fn)(struct timer *t));
/* Arms or moves t to `when` (ns).  True: it was not armed, so the caller takes a reference for it.
 */
bool timer_arm(struct wheel *w, struct timer *t, uint64_t when);
/* True: it was armed, so the caller puts the reference.  False: not armed, or firing right now. */
bool timer_disarm(struct wheel *w, struct timer *t);
/*
 * Fires all that is due, in order of time, those of one tick in the order they were armed.  Opens a
 * batch of its own.  A timer armed meanwhile comes at the next tick at the earliest.
 */
void wheel_run(struct wheel *w);
