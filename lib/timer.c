/*
 * lib/timer.c - the timer wheel: eight levels of 64 slots, a tick of 1 ms.
 *
 * Level l holds what differs from the present tick first in its l-th group of six bits; so a slot
 * of level 0 is one tick, and all of one tick lie in one slot, in the order they were armed.  When
 * the present reaches a slot of a higher level, what lies there goes down (the cascade).  The
 * wheel's alarm is set for the earliest tick, without the lock, by one thread at a time; an empty
 * wheel has none.
 */
#include "lib/timer.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/batch.h"
#include "lib/mib.h"
#include "lib/stack.h"

#define WHEEL_BITS 6
#define WHEEL_SLOTS (1u << WHEEL_BITS)
#define WHEEL_LEVELS 8 /* 48 bits of ms hold every 64-bit time in ns */
#define TICK_NS NSEC_PER_MSEC
#define TICK_NEVER UINT64_MAX

struct bucket {
	struct timer *head, **tail;
	uint64_t first; /* no timer here has an earlier tick; exact but for those taken off */
};

/*
 * LOCKING
 *	l	lock (a leaf)		c	constant after creation
 */
struct wheel {
	struct stack *stack; /* c */
	struct alarm alarm;  /* see lib/env.h */
	struct mutex lock;
	uint64_t tick;              /* l: the present: every earlier tick has been fired */
	uint64_t want;              /* l: the tick the alarm should be set for */
	uint64_t set;               /* l: the tick it was set for last */
	bool setting;               /* l: a thread sets the alarm, and will look at want again */
	bool running;               /* l: wheel_run() is at work */
	uint64_t armed;             /* l: timers on the wheel */
	struct bucket expired;      /* l: of the present tick, being fired */
	uint64_t map[WHEEL_LEVELS]; /* l: which buckets hold something */
	struct bucket bucket[WHEEL_LEVELS][WHEEL_SLOTS]; /* l */
};

static void bucket_init(struct bucket *b)
{
	b->head = NULL;
	b->tail = &b->head;
	b->first = TICK_NEVER;
}

static uint64_t timer_tick(const struct timer *t)
{
	return t->when / TICK_NS;
}

static unsigned wheel_level(const struct wheel *w, uint64_t tick)
{
	uint64_t differ = (tick ^ w->tick) | 1;

	return (63 - (unsigned)__builtin_clzll(differ)) / WHEEL_BITS;
}

static unsigned wheel_slot(unsigned level, uint64_t tick)
{
	return (tick >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
}

static void wheel_insert(struct wheel *w, struct timer *t)
{
	uint64_t tick = timer_tick(t);
	unsigned level = wheel_level(w, tick), slot = wheel_slot(level, tick);
	struct bucket *b = &w->bucket[level][slot];

	w->map[level] |= 1ull << slot;
	if (tick < b->first)
		b->first = tick;
	t->next = NULL;
	t->prev = b->tail;
	*b->tail = t;
	b->tail = &t->next;
}

static void wheel_remove(struct wheel *w, struct timer *t)
{
	uint64_t tick = timer_tick(t);
	unsigned level = wheel_level(w, tick), slot = wheel_slot(level, tick);
	/* nothing is inserted at the present tick while it is being fired */
	bool fired = w->running && tick <= w->tick;
	struct bucket *b = fired ? &w->expired : &w->bucket[level][slot];

	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		b->tail = t->prev;
	t->prev = NULL;
	if (!b->head && !fired) {
		b->first = TICK_NEVER;
		w->map[level] &= ~(1ull << slot);
	}
}

struct place {
	unsigned level, slot;
	uint64_t start; /* the bucket's first tick */
};

/* The bucket that comes first: of the lowest level that has one, for the levels above lie behind
 * it. */
static bool wheel_first(const struct wheel *w, struct place *p)
{
	for (p->level = 0; p->level < WHEEL_LEVELS; p->level++) {
		unsigned shift = p->level * WHEEL_BITS;

		if (!w->map[p->level])
			continue;
		p->slot = (unsigned)__builtin_ctzll(w->map[p->level]);
		p->start = w->tick >> shift >> WHEEL_BITS << WHEEL_BITS;
		p->start = (p->start | p->slot) << shift;
		return true;
	}
	return false;
}

/* Sets the alarm to what is wanted, with the lock dropped.  Called with the lock held, returns
 * without. */
static void wheel_unlock_set(struct wheel *w) RELEASE(&w->lock);
static NO_LOCK_ANALYSIS void wheel_unlock_set(struct wheel *w)
{
	while (!w->setting && w->set != w->want) {
		uint64_t want = w->set = w->want;

		w->setting = true;
		mutex_unlock(&w->lock);
		env_alarm(w->stack->env, &w->alarm,
			  want == TICK_NEVER ? ENV_NEVER : want * TICK_NS);
		mutex_lock(&w->lock);
		w->setting = false;
	}
	mutex_unlock(&w->lock);
}

static void wheel_fire(void *arg)
{
	struct wheel *w = arg;

	mutex_lock(&w->lock);
	w->set = TICK_NEVER; /* it has gone off */
	mutex_unlock(&w->lock);
	wheel_run(w);
}

struct wheel *wheel_create(struct stack *st)
{
	struct wheel *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			bucket_init(&w->bucket[level][slot]);
	}
	bucket_init(&w->expired);
	mutex_init(&w->lock, RANK_LEAF);
	w->stack = st;
	w->tick = env_now(st->env) / TICK_NS;
	w->want = w->set = TICK_NEVER;
	atomic_init(&w->alarm.when, ENV_NEVER);
	w->alarm.fire = wheel_fire;
	w->alarm.arg = w;
	env_alarm_add(st->env, &w->alarm);
	return w;
}

void wheel_destroy(struct wheel *w)
{
	assert(w->armed == 0);
	env_alarm_del(w->stack->env, &w->alarm);
	mutex_fini(&w->lock);
	free(w);
}

struct alarm *wheel_alarm(struct wheel *w)
{
	return &w->alarm;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	t->next = NULL;
	t->prev = NULL;
	t->when = 0;
	t->fn = fn;
}

/* An idle wheel's present may be long past: bring it up, that the timer lies where it is exact. */
static void wheel_catch_up(struct wheel *w)
{
	uint64_t tick;

	if (w->armed || w->running)
		return;
	tick = env_now(w->stack->env) / TICK_NS;
	if (w->tick < tick)
		w->tick = tick;
}

bool timer_arm(struct wheel *w, struct timer *t, uint64_t when)
{
	uint64_t tick = when / TICK_NS + (when % TICK_NS != 0), least;
	bool was;

	mutex_lock(&w->lock);
	wheel_catch_up(w);
	least = w->tick + w->running; /* never into the tick that is being fired */
	if (tick < least)
		tick = least;
	if (tick > UINT64_MAX / TICK_NS)
		tick = UINT64_MAX / TICK_NS;
	was = t->prev != NULL;
	if (was)
		wheel_remove(w, t);
	else
		w->armed++;
	t->when = tick * TICK_NS;
	wheel_insert(w, t);
	if (!w->running && tick < w->want)
		w->want = tick; /* a running wheel looks when it is done */
	wheel_unlock_set(w);
	if (!was)
		gauge_add(w->stack, GAUGE_timers, 1);
	return !was;
}

bool timer_disarm(struct wheel *w, struct timer *t)
{
	bool was;

	mutex_lock(&w->lock);
	was = t->prev != NULL;
	if (was) {
		wheel_remove(w, t);
		if (--w->armed == 0)
			w->want = TICK_NEVER;
	}
	wheel_unlock_set(w);
	if (was)
		gauge_add(w->stack, GAUGE_timers, -1);
	return was;
}

/* All of b to `expired`, which is empty. */
static void wheel_expire(struct wheel *w, struct bucket *b)
{
	w->expired = *b;
	w->expired.head->prev = &w->expired.head;
	bucket_init(b);
}

static void wheel_cascade(struct wheel *w, struct bucket *b)
{
	struct timer *t = b->head, *next;

	for (bucket_init(b); t; t = next) {
		next = t->next;
		wheel_insert(w, t);
	}
}

/*
 * Moves the present to the first bucket if that is due: its timers expire, or go down to where the
 * present has come.  False: nothing is due up to `tick`, and that is the present now.
 */
static bool wheel_turn(struct wheel *w, uint64_t tick)
{
	struct place p;
	struct bucket *b;

	if (!wheel_first(w, &p) || p.start > tick) {
		if (w->tick < tick)
			w->tick = tick;
		return false;
	}
	b = &w->bucket[p.level][p.slot];
	w->map[p.level] &= ~(1ull << p.slot);
	w->tick = p.start;
	if (p.level == 0)
		wheel_expire(w, b);
	else
		wheel_cascade(w, b);
	return true;
}

/* Drops the lock around each call; whoever disarms meanwhile takes from `expired` too. */
static NO_LOCK_ANALYSIS void wheel_fire_expired(struct wheel *w)
{
	struct timer *t;

	while ((t = w->expired.head)) {
		wheel_remove(w, t);
		w->armed--;
		mutex_unlock(&w->lock);
		gauge_add(w->stack, GAUGE_timers, -1);
		t->fn(t);
		mutex_lock(&w->lock);
	}
}

/* Every timer up to `now`; those that are armed meanwhile for a tick past wait for the next. */
static NO_LOCK_ANALYSIS void wheel_run_to(struct wheel *w, uint64_t tick)
{
	struct place p;

	mutex_lock(&w->lock);
	if (w->running) {
		mutex_unlock(&w->lock);
		return;
	}
	w->running = true;
	while (wheel_turn(w, tick))
		wheel_fire_expired(w);
	w->running = false;
	w->want = wheel_first(w, &p) ? w->bucket[p.level][p.slot].first : TICK_NEVER;
	wheel_unlock_set(w);
}

void wheel_run(struct wheel *w)
{
	struct batch b;

	batch_begin(&b, w->stack);
	wheel_run_to(w, env_now(w->stack->env) / TICK_NS);
	batch_end(&b);
}
