/*
 * socket/packetdrill_world.c - virtual time under a program of two threads.
 *
 * The driver is the thread that made the world: events run in its calls and only it moves the clock,
 * and only while no other thread is busy.  Another thread is busy from its call on until it sleeps in
 * the stack, and again from whoever wakes it until it has come back and looked at the clock.  A mutex
 * lets one of them into the stack at a time, so that a run is the same each time.  A sleeper really
 * sleeps: packetdrill looks at its state in /proc.
 *
 * In real time all this is a thread env, and the rules above are nobody's business.
 */
#include <errno.h>
#include <stdlib.h>

#include "socket/packetdrill_priv.h"

#define LOOK_NS 1000 /* packetdrill spins on the clock until a moment has come */

/*
 * LOCKING
 *	c	constant after creation		b	baton
 */
struct world {
	struct env env;        /* c: what the stack sees, of virtual time */
	struct env *inner;     /* c: the lab's clock and events; or the threads' env */
	bool real;             /* c */
	pthread_t driver;      /* c */
	pthread_mutex_t baton; /* who holds it may be in the stack */
	pthread_cond_t moved;  /* b: busy or a waiter's word has changed */
	bool busy;             /* b: the other thread is on its way */
	struct waiter *asleep; /* b: the other thread's, while it sleeps */
};

static struct world *world_of(struct env *e)
{
	return (struct world *)(void *)e;
}

static bool is_driver(const struct world *w)
{
	return pthread_equal(w->driver, pthread_self());
}

/* The driver waits for the other thread to sleep, or to have looked at the clock. */
static void wait_idle(struct world *w)
{
	while (w->busy)
		pthread_cond_wait(&w->moved, &w->baton);
}

static void set_busy(struct world *w, bool busy)
{
	w->busy = busy;
	pthread_cond_broadcast(&w->moved);
}

/* --- the env: the lab's, but for how one sleeps --------------------------------------------------
 */

static uint64_t env_time(struct env *e)
{
	return env_now(world_of(e)->inner);
}

static uint64_t env_chance(struct env *e)
{
	return env_random(world_of(e)->inner);
}

static void env_set(struct env *e, struct alarm *a, uint64_t when)
{
	env_alarm(world_of(e)->inner, a, when);
}

static void env_add(struct env *e, struct alarm *a)
{
	env_alarm_add(world_of(e)->inner, a);
}

static void env_del(struct env *e, struct alarm *a)
{
	env_alarm_del(world_of(e)->inner, a);
}

/* The driver sleeps by running the world. */
static int sleep_driver(struct world *w, struct waiter *wt, uint64_t deadline)
{
	for (wait_idle(w); atomic_load(&wt->word) != WAITER_WOKEN; wait_idle(w)) {
		if (atomic_load(&wt->cancel))
			return -EINTR;
		if (env_lab_step(w->inner, deadline))
			continue;
		if (deadline == ENV_NEVER)
			return -EDEADLK;
		if (env_now(w->inner) < deadline)
			env_lab_advance(w->inner, deadline - env_now(w->inner));
		return -ETIMEDOUT;
	}
	return atomic_load(&wt->cancel) ? -EINTR : 0;
}

struct bell {
	struct alarm alarm;
	struct world *world;
	bool rung;
};

static void bell_ring(void *arg)
{
	struct bell *b = arg;

	b->rung = true;
	set_busy(b->world, true);
}

/* Any other thread really sleeps; its deadline is an event of the world. */
static int sleep_other(struct world *w, struct waiter *wt, uint64_t deadline)
{
	struct bell b = {.world = w, .alarm = {.when = deadline, .fire = bell_ring, .arg = &b}};
	int r = 0;

	env_alarm_add(w->inner, &b.alarm);
	w->asleep = wt;
	set_busy(w, false);
	while (atomic_load(&wt->word) != WAITER_WOKEN && !b.rung)
		pthread_cond_wait(&w->moved, &w->baton);
	if (atomic_load(&wt->word) != WAITER_WOKEN)
		r = -ETIMEDOUT;
	w->asleep = NULL;
	w->busy = true;
	env_alarm_del(w->inner, &b.alarm);
	return atomic_load(&wt->cancel) ? -EINTR : r;
}

static int env_sleep(struct env *e, struct waiter *wt, struct pollfd *fds, int n, uint64_t deadline)
{
	struct world *w = world_of(e);
	int r;

	if (n > 0)
		return -EINVAL;
	waiter_enter(wt, WAITER_WAITING);
	r = is_driver(w) ? sleep_driver(w, wt, deadline) : sleep_other(w, wt, deadline);
	waiter_leave(wt, WAITER_WAITING);
	return r;
}

/* Who wakes it makes it busy, so that time stands until it has come back. */
static void env_rouse(struct env *e, struct waiter *wt, uint32_t found)
{
	struct world *w = world_of(e);

	if (w->asleep == wt)
		set_busy(w, true);
}

static const struct env_ops world_ops = {
    .now = env_time,
    .wall = env_time,
    .random = env_chance,
    .wait = env_sleep,
    .wake = env_rouse,
    .alarm = env_set,
    .alarm_add = env_add,
    .alarm_del = env_del,
};

/* --- the world ---------------------------------------------------------------------------------
 */

struct world *world_create(bool real, uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->real = real;
	w->inner = real ? env_thread_create() : env_lab_create(seed);
	if (!w->inner) {
		free(w);
		return NULL;
	}
	w->env = (struct env){.ops = &world_ops};
	w->driver = pthread_self();
	pthread_mutex_init(&w->baton, NULL);
	pthread_cond_init(&w->moved, NULL);
	return w;
}

void world_destroy(struct world *w)
{
	if (w->real)
		env_thread_destroy(w->inner);
	else
		env_lab_destroy(w->inner);
	pthread_cond_destroy(&w->moved);
	pthread_mutex_destroy(&w->baton);
	free(w);
}

struct env *world_env(struct world *w)
{
	return w->real ? w->inner : &w->env;
}

bool world_is_real(const struct world *w)
{
	return w->real;
}

void world_enter(struct world *w) NO_LOCK_ANALYSIS
{
	if (w->real)
		return;
	pthread_mutex_lock(&w->baton);
	if (is_driver(w))
		wait_idle(w);
	else
		w->busy = true;
}

void world_leave(struct world *w) NO_LOCK_ANALYSIS
{
	if (!w->real)
		pthread_mutex_unlock(&w->baton);
}

bool world_step(struct world *w, uint64_t until)
{
	bool ran = env_lab_step(w->inner, until);

	wait_idle(w);
	return ran;
}

/* For the driver: packetdrill's other thread sleeps in socket calls only. */
void world_sleep(struct world *w, uint64_t ns)
{
	uint64_t until;

	if (w->real) {
		struct timespec t = {(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)};

		nanosleep(&t, NULL);
		return;
	}
	world_enter(w);
	until = env_now(w->inner) + ns;
	while (world_step(w, until))
		;
	env_lab_advance(w->inner, until - env_now(w->inner));
	world_leave(w);
}

uint64_t world_look(struct world *w)
{
	uint64_t now;

	if (w->real)
		return env_now(w->inner);
	world_enter(w);
	if (is_driver(w)) {
		uint64_t until = env_now(w->inner) + LOOK_NS;

		while (world_step(w, until))
			;
		env_lab_advance(w->inner, until - env_now(w->inner));
	}
	now = env_now(w->inner);
	if (!is_driver(w))
		set_busy(w, false);
	world_leave(w);
	return now;
}
