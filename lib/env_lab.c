/*
 * lib/env_lab.c - the env of a lab: virtual time, seeded chance, everything in the caller's thread.
 *
 * The alarms are the world's events.  A step takes the earliest, moves the clock there and fires
 * it; a wait is a run of steps.  The same seed and the same calls give the same run.  Of events at
 * one time the one that fired longest ago is first, so that one which sets itself for now starves
 * none.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/env.h"
#include "lib/lock.h"
#include "lib/random.h"
#include "lib/thread.h"

/*
 * LOCKING: none, one thread.
 */
struct env_lab {
	struct env env;
	struct random random;
	uint64_t now;
	struct alarm *alarms; /* in the order of registration, a fired one last */
	struct alarm **tail;
	bool stepping; /* an event runs */
};

static struct env_lab *lab_of(struct env *e)
{
	return (struct env_lab *)e;
}

static uint64_t lab_now(struct env *e)
{
	return lab_of(e)->now;
}

static uint64_t lab_random(struct env *e)
{
	return random_next(&lab_of(e)->random);
}

static int lab_wait_woken(struct env *e, struct waiter *w, uint64_t deadline)
{
	while (atomic_load(&w->word) != WAITER_WOKEN) {
		if (atomic_load(&w->cancel))
			return -EINTR;
		if (env_lab_step(e, deadline))
			continue;
		if (deadline == ENV_NEVER)
			return -EDEADLK;
		if (lab_of(e)->now < deadline)
			lab_of(e)->now = deadline;
		return -ETIMEDOUT;
	}
	return atomic_load(&w->cancel) ? -EINTR : 0;
}

static int lab_wait(struct env *e, struct waiter *w, struct pollfd *fds, int n, uint64_t deadline)
{
	int r;

	if (n > 0)
		return -EINVAL;
	if (lab_of(e)->stepping)
		return -EDEADLK;
	lock_rank_none();
	assert(!thread_record.batches);
	waiter_enter(w, WAITER_WAITING);
	r = lab_wait_woken(e, w, deadline);
	waiter_leave(w, WAITER_WAITING);
	return r;
}

/* Whoever waits looks at its word after each event. */
static void lab_wake(struct env *e, struct waiter *w, uint32_t found)
{
}

static void lab_alarm(struct env *e, struct alarm *a, uint64_t when)
{
	atomic_store_explicit(&a->when, when, memory_order_relaxed);
}

static void lab_append(struct env_lab *lab, struct alarm *a)
{
	a->next = NULL;
	*lab->tail = a;
	lab->tail = &a->next;
}

static void lab_remove(struct env_lab *lab, struct alarm **p)
{
	struct alarm *a = *p;

	*p = a->next;
	if (!a->next)
		lab->tail = p;
}

static void lab_alarm_add(struct env *e, struct alarm *a)
{
	lab_append(lab_of(e), a);
}

static void lab_alarm_del(struct env *e, struct alarm *a)
{
	struct alarm **p;

	for (p = &lab_of(e)->alarms; *p; p = &(*p)->next) {
		if (*p == a) {
			lab_remove(lab_of(e), p);
			return;
		}
	}
}

static const struct env_ops lab_ops = {
    .now = lab_now,
    .wall = lab_now,
    .random = lab_random,
    .wait = lab_wait,
    .wake = lab_wake,
    .alarm = lab_alarm,
    .alarm_add = lab_alarm_add,
    .alarm_del = lab_alarm_del,
};

struct env *env_lab_create(uint64_t seed)
{
	struct env_lab *lab = calloc(1, sizeof(*lab));

	if (!lab)
		return NULL;
	lab->env.ops = &lab_ops;
	lab->now = NSEC_PER_SEC;
	lab->tail = &lab->alarms;
	random_seed(&lab->random, seed);
	return &lab->env;
}

void env_lab_destroy(struct env *e)
{
	assert(!lab_of(e)->alarms);
	free(e);
}

bool env_lab_step(struct env *e, uint64_t until)
{
	struct env_lab *lab = lab_of(e);
	struct alarm **first = NULL, **p, *a;
	uint64_t when = ENV_NEVER, at;

	assert(!lab->stepping);
	for (p = &lab->alarms; *p; p = &(*p)->next) {
		at = atomic_load_explicit(&(*p)->when, memory_order_relaxed);
		if (at < when) {
			when = at;
			first = p;
		}
	}
	if (!first || when > until)
		return false;
	a = *first;
	lab_remove(lab, first);
	lab_append(lab, a);
	atomic_store_explicit(&a->when, ENV_NEVER, memory_order_relaxed);
	if (lab->now < when)
		lab->now = when;
	lab->stepping = true;
	a->fire(a->arg);
	lab->stepping = false;
	return true;
}

void env_lab_advance(struct env *e, uint64_t ns)
{
	uint64_t until = lab_of(e)->now + ns;

	while (env_lab_step(e, until))
		;
	lab_of(e)->now = until;
}
