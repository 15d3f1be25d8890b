/*
 * lib/env.h - the one door to time, sleep and chance.
 *
 * Nothing outside lib/env_*.c, net/interrupt.c and the timer threads reads a clock, sleeps or
 * spawns a thread.  Everything else asks its stack's env, so that the same code runs on threads and
 * the wall clock (env_thread.c) or on one thread and a virtual clock (env_lab.c).
 */
#pragma once
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC 1000000000ull
#define ENV_NEVER UINT64_MAX /* a deadline or alarm that never comes */

/*
 * The sleeping place of one thread in one stack.  Type-stable: it and its eventfd live until the
 * stack ends, for a wake may come late.
 *
 * The protocol: waiter_reset(), then look at the condition (under its lock) and at `cancel`, then
 * env_wait().  The waker claims the waiter under that same lock (batch_wake(), lib/batch.h) and
 * acts after the unlock.  WOKEN stays until the next reset, so a wake between reset and wait is not
 * lost.
 *
 * LOCKING
 *	a	atomic		o	the owning thread only		c	constant after
 * creation
 */
enum waiter_word {
	WAITER_IDLE,    /* not asleep: a wake costs nothing */
	WAITER_WAITING, /* in futex: a wake costs a futex_wake */
	WAITER_POLLING, /* in ppoll: a wake costs a write to efd */
	WAITER_WOKEN,
};

struct waiter {
	_Atomic uint32_t word; /* a: enum waiter_word */
	_Atomic bool cancel;   /* a: a job's cancel flag: the wait ends with -EINTR */
	_Atomic int efd;       /* a: eventfd, made at the first poll, -1 before */
	_Atomic uint64_t
	    until; /* a: an alarm set earlier than this must wake it; 0: it will look */
	/* For net/lead.c: it sleeps, but would have read the device had nobody else done it; ... */
	_Atomic bool hot; /* a */
	/* ... and, when such a one has been woken, the count that waits for it to be back */
	_Atomic(_Atomic int *) owed; /* a */
};

/*
 * Something that fires once at a time.  Threads: run by the thread that owns `sleeper`.  Lab: an
 * event; of several due at one time the one that fired longest ago is first.
 *
 * LOCKING
 *	a	atomic		e	the env's own lock
 *	c	constant after alarm_add
 */
struct alarm {
	_Atomic uint64_t when;   /* a: ns on the env's clock, ENV_NEVER when off */
	void (*fire)(void *arg); /* c: called with no lock held */
	void *arg;               /* c */
	/* a: whose thread runs it, set by that thread before its first env_thread_run_alarms();
	 * NULL in a lab */
	struct waiter *_Atomic sleeper; /* a */
	bool firing;                    /* e: alarm_del waits for its end */
	struct alarm *next;             /* e */
};

struct env;

struct env_ops {
	uint64_t (*now)(struct env *e); /* ns, monotonic */
	uint64_t (*wall)(
	    struct env *e); /* ns since 1970, which may be set at any time; a lab: as now */
	uint64_t (*random)(
	    struct env *e); /* 64 bits; a cryptographic source on threads, seeded in a lab */
	/*
	 * With no lock held and no batch open: sleeps until w is woken, one of the n kernel descriptors is ready or `deadline` (ns,
	 * ENV_NEVER for none).  Returns the number of ready descriptors, 0 when woken, -ETIMEDOUT,
	 * -EINTR (signal or w->cancel); a lab: -EDEADLK inside an event or when no event is left,
	 * -EINVAL for n > 0.
	 */
	int (*wait)(struct env *e, struct waiter *w, struct pollfd *fds, int n, uint64_t deadline);
	void (*wake)(struct env *e, struct waiter *w,
		     uint32_t found); /* `found`: the word before the claim */
	void (*alarm)(struct env *e, struct alarm *a,
		      uint64_t when);                      /* sets or moves it, either way */
	void (*alarm_add)(struct env *e, struct alarm *a); /* with `when` as it stands */
	/* Returns when fire is not running; with no lock held that fire takes, and not from within
	 * fire. */
	void (*alarm_del)(struct env *e, struct alarm *a);
};

struct env {
	const struct env_ops *ops;
	bool threaded; /* c: blocking calls really sleep; false in a lab */
};

static inline uint64_t env_now(struct env *e)
{
	return e->ops->now(e);
}

static inline uint64_t env_wall(struct env *e)
{
	return e->ops->wall(e);
}

static inline uint64_t env_random(struct env *e)
{
	return e->ops->random(e);
}

static inline int env_wait(struct env *e, struct waiter *w, struct pollfd *fds, int n,
			   uint64_t deadline)
{
	return e->ops->wait(e, w, fds, n, deadline);
}

static inline void env_alarm(struct env *e, struct alarm *a, uint64_t when)
{
	e->ops->alarm(e, a, when);
}

static inline void env_alarm_add(struct env *e, struct alarm *a)
{
	e->ops->alarm_add(e, a);
}

static inline void env_alarm_del(struct env *e, struct alarm *a)
{
	e->ops->alarm_del(e, a);
}

void waiter_init(struct waiter *w);
void waiter_reset(struct waiter *w);
void waiter_fini(struct waiter *w); /* closes the eventfd */
/* Claims and wakes at once, with no lock held: for cancel and shutdown. */
void waiter_wake(struct env *e, struct waiter *w);
/* The waker's half under a lock: the word before, now WOKEN.  Waking is due if waiter_sleeps(it).
 */
uint32_t waiter_claim(struct waiter *w);
/* For whoever sleeps: from IDLE to `word`; false: woken already.  And back; true: woken. */
bool waiter_enter(struct waiter *w, enum waiter_word word);
bool waiter_leave(struct waiter *w, enum waiter_word word);
/* The eventfd, made on first need (owner only), or -errno. */
int waiter_eventfd(struct waiter *w);
/* Reads it empty: a wake may have been meant for an earlier sleep. */
void waiter_drain(struct waiter *w);

/* For its owner, between a reset and a sleep: has it been claimed? */
static inline bool waiter_is_woken(struct waiter *w)
{
	return atomic_load(&w->word) == WAITER_WOKEN;
}

static inline bool waiter_sleeps(uint32_t word)
{
	return word >= WAITER_WAITING && word <= WAITER_POLLING;
}

/* The env of a running stack: CLOCK_MONOTONIC, futex and ppoll, getrandom. */
struct env *env_thread_create(void);
void env_thread_destroy(struct env *e);
/*
 * Runs the alarms whose sleeper is w and that are due; returns the earliest one left (ENV_NEVER:
 * none). A device or timer thread calls it before each sleep.
 */
uint64_t env_thread_run_alarms(struct env *e, struct waiter *w);

/*
 * The env of a lab: virtual time from 1 s on, everything in the caller's thread, the same seed
 * gives the same run.  Several stacks may share one (their alarms are the world's events).
 */
struct env *env_lab_create(uint64_t seed);
void env_lab_destroy(struct env *e);
/* Runs the earliest event and moves the clock there; false when none is left at or before `until`.
 */
bool env_lab_step(struct env *e, uint64_t until);
/* Runs every event up to now + ns and leaves the clock exactly there. */
void env_lab_advance(struct env *e, uint64_t ns);
