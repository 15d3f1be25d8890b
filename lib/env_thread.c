/*
 * lib/env_thread.c - the env of a running stack: CLOCK_MONOTONIC, futex and ppoll, getrandom.
 *
 * Without descriptors a thread sleeps in futex, untimed where there is no deadline, so that
 * SA_RESTART restarts it; with descriptors in ppoll, its eventfd among them.  An alarm is run by
 * the thread it belongs to (its sleeper); setting it from elsewhere wakes that thread only if it
 * would sleep past it.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/env.h"
#include "lib/lock.h"
#include "lib/thread.h"

#define POLL_ON_FRAME 16
/* ThreadSanitizer holds a signal handler back while a raw futex is restarted: it sleeps in slices. */
#define TSAN_SLICE_NS (50 * NSEC_PER_MSEC)

/*
 * LOCKING
 *	e	lock (a leaf)		c	constant after creation
 *	a	atomic, written under lock
 */
struct env_thread {
	struct env env; /* c */
	struct mutex lock;
	struct alarm *alarms;   /* e */
	_Atomic uint32_t fired; /* a: counts the alarms whose fire has returned */
	unsigned awaiting;      /* e: threads in thread_alarm_del() asleep on `fired` */
};

static struct env_thread *thread_of(struct env *e)
{
	return (struct env_thread *)e;
}

static uint64_t thread_now(struct env *e)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t thread_wall(struct env *e)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t thread_random(struct env *e)
{
	uint64_t x;

	while (getrandom(&x, sizeof(x), 0) != sizeof(x))
		;
	return x;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)};
}

/* To when one system call of a longer sleep may last. */
static uint64_t slice_end(struct env *e, uint64_t deadline)
{
#ifdef WEFT_TSAN
	uint64_t end = thread_now(e) + TSAN_SLICE_NS;

	if (end < deadline)
		return end;
#endif
	return deadline;
}

/* Until the word is no longer WAITING or `deadline`, absolute: 0 or -errno. */
static int futex_wait(struct waiter *w, uint64_t deadline)
{
	struct timespec ts = timespec_of(deadline);
	long r = syscall(SYS_futex, &w->word, FUTEX_WAIT_BITSET_PRIVATE, WAITER_WAITING,
			 deadline == ENV_NEVER ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);

	return r < 0 ? -errno : 0;
}

static int wait_futex(struct env *e, struct waiter *w, uint64_t deadline)
{
	uint64_t until;
	int r = 0;

	if (!waiter_enter(w, WAITER_WAITING))
		return 0;
	while (atomic_load(&w->word) == WAITER_WAITING) {
		until = slice_end(e, deadline);
		r = futex_wait(w, until);
		if (r == -EINTR || (r == -ETIMEDOUT && until == deadline))
			break;
	}
	return waiter_leave(w, WAITER_WAITING) ? 0 : r;
}

/* fds holds the waiter's eventfd last.  Ready descriptors without it, -ETIMEDOUT or -EINTR. */
static int poll_until(struct env *e, struct waiter *w, struct pollfd *fds, int n, uint64_t deadline)
{
	for (;;) {
		uint64_t until = slice_end(e, deadline);
		uint64_t now = until == ENV_NEVER ? 0 : thread_now(e);
		struct timespec ts = timespec_of(until > now ? until - now : 0);
		int r = ppoll(fds, (nfds_t)n + 1, until == ENV_NEVER ? NULL : &ts, NULL);

		if (r < 0)
			return -errno;
		if (fds[n].revents) {
			waiter_drain(w);
			r--;
		}
		if (r > 0 || atomic_load(&w->word) == WAITER_WOKEN)
			return r;
		if (deadline != ENV_NEVER && thread_now(e) >= deadline)
			return -ETIMEDOUT;
	}
}

static int wait_poll(struct env *e, struct waiter *w, struct pollfd *fds, int n, uint64_t deadline)
{
	struct pollfd frame[POLL_ON_FRAME], *all = frame;
	int r, efd = waiter_eventfd(w);

	if (efd < 0)
		return efd;
	if (n >= POLL_ON_FRAME)
		all = malloc(((size_t)n + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	memcpy(all, fds, (size_t)n * sizeof(*fds));
	all[n] = (struct pollfd){.fd = efd, .events = POLLIN};
	if (waiter_enter(w, WAITER_POLLING)) {
		r = poll_until(e, w, all, n, deadline);
		if (waiter_leave(w, WAITER_POLLING) && r < 0)
			r = 0;
		memcpy(fds, all, (size_t)n * sizeof(*fds));
	} else {
		r = ppoll(fds, (nfds_t)n, &(struct timespec){0, 0}, NULL);
		r = r < 0 ? -errno : r;
	}
	if (all != frame)
		free(all);
	return r;
}

static int thread_wait(struct env *e, struct waiter *w, struct pollfd *fds, int n,
		       uint64_t deadline)
{
	int r;

	lock_rank_none();
	assert(!thread_record.batches);
	if (n > 0)
		r = wait_poll(e, w, fds, n, deadline);
	else
		r = wait_futex(e, w, deadline);
	if (atomic_load_explicit(&w->until, memory_order_relaxed)) /* one that runs alarms */
		atomic_store(&w->until, 0);
	return r <= 0 && atomic_load(&w->cancel) ? -EINTR : r;
}

static void thread_wake(struct env *e, struct waiter *w, uint32_t found)
{
	uint64_t one = 1;

	if (found == WAITER_WAITING)
		syscall(SYS_futex, &w->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	else
		while (write(atomic_load(&w->efd), &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

/* The sleeper's half is in env_thread_run_alarms(): one of the two sees what the other stored
 * first. */
static void thread_alarm(struct env *e, struct alarm *a, uint64_t when)
{
	struct waiter *w;

	atomic_store(&a->when, when);
	w = atomic_load(&a->sleeper);
	if (w && when < atomic_load(&w->until))
		waiter_wake(e, w);
}

static void thread_alarm_add(struct env *e, struct alarm *a)
{
	struct env_thread *t = thread_of(e);

	mutex_lock(&t->lock);
	a->firing = false;
	a->next = t->alarms;
	t->alarms = a;
	mutex_unlock(&t->lock);
}

/* Asleep, with the lock let go, until some alarm's fire has returned. */
static void fired_await(struct env_thread *t) REQUIRES(t->lock)
{
	uint32_t seen = atomic_load(&t->fired);

	t->awaiting++;
	mutex_unlock(&t->lock);
	syscall(SYS_futex, &t->fired, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
	mutex_lock(&t->lock);
	t->awaiting--;
}

static void fired_tell(struct env_thread *t) REQUIRES(t->lock)
{
	atomic_fetch_add(&t->fired, 1);
	if (t->awaiting)
		syscall(SYS_futex, &t->fired, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void thread_alarm_del(struct env *e, struct alarm *a)
{
	struct env_thread *t = thread_of(e);
	struct alarm **p;

	mutex_lock(&t->lock);
	while (a->firing)
		fired_await(t);
	for (p = &t->alarms; *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	mutex_unlock(&t->lock);
}

/* One alarm of w that is due at `now`, taken; NULL: none, and *next is the earliest of the others.
 */
static struct alarm *alarm_take(struct env_thread *t, struct waiter *w, uint64_t now,
				uint64_t *next)
{
	*next = ENV_NEVER;
	for (struct alarm *a = t->alarms; a; a = a->next) {
		uint64_t when = atomic_load(&a->when);

		if (atomic_load(&a->sleeper) != w)
			continue;
		while (when <= now) {
			if (atomic_compare_exchange_weak(&a->when, &when, ENV_NEVER))
				return a;
		}
		if (when < *next)
			*next = when;
	}
	return NULL;
}

/*
 * `until` is ENV_NEVER while the alarms are looked at for the last time, so that one set meanwhile
 * claims the waiter and the sleep that follows ends at once.
 */
uint64_t env_thread_run_alarms(struct env *e, struct waiter *w)
{
	struct env_thread *t = thread_of(e);
	uint64_t now = thread_now(e), next;
	struct alarm *a;

	mutex_lock(&t->lock);
	atomic_store(&w->until, ENV_NEVER);
	while ((a = alarm_take(t, w, now, &next))) {
		a->firing = true;
		atomic_store(&w->until, 0);
		mutex_unlock(&t->lock);
		a->fire(a->arg);
		mutex_lock(&t->lock);
		a->firing = false;
		fired_tell(t);
		atomic_store(&w->until, ENV_NEVER);
	}
	atomic_store(&w->until, next);
	mutex_unlock(&t->lock);
	return next;
}

static const struct env_ops thread_ops = {
    .now = thread_now,
    .wall = thread_wall,
    .random = thread_random,
    .wait = thread_wait,
    .wake = thread_wake,
    .alarm = thread_alarm,
    .alarm_add = thread_alarm_add,
    .alarm_del = thread_alarm_del,
};

struct env *env_thread_create(void)
{
	struct env_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->env.ops = &thread_ops;
	t->env.threaded = true;
	mutex_init(&t->lock, RANK_LEAF);
	return &t->env;
}

void env_thread_destroy(struct env *e)
{
	struct env_thread *t = thread_of(e);

	mutex_fini(&t->lock);
	free(t);
}
