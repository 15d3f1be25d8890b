/*
 * socket/thread.c - the threads that run alarms: net_timer and tcp_timer, a wheel each, and callback.
 *
 * A timer thread sleeps until its earliest alarm; setting an earlier one wakes it.  An idle
 * stack wakes nobody.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/slot.h"
#include "lib/stack.h"
#include "lib/timer.h"
#include "socket/socket_priv.h"

/*
 * LOCKING
 *	c	constant after creation		a	atomic
 */
struct timer_thread {
	struct stack *stack;             /* c */
	struct alarm *alarm[2];          /* c: NULL: none */
	const char *name;                /* c */
	pthread_t thread;                /* c */
	_Atomic(struct waiter *) waiter; /* a: once it runs */
	_Atomic bool stop;               /* a */
	pthread_barrier_t started;
};

static void *timer_thread(void *arg)
{
	struct timer_thread *t = arg;
	struct waiter *w = stack_waiter(t->stack);
	struct env *env = t->stack->env;
	uint64_t next;

	pthread_setname_np(pthread_self(), t->name);
	for (int i = 0; i < 2; i++)
		if (t->alarm[i])
			atomic_store(&t->alarm[i]->sleeper, w);
	atomic_store(&t->waiter, w);
	pthread_barrier_wait(&t->started);
	for (;;) {
		waiter_reset(w);
		next = env_thread_run_alarms(env, w);
		if (atomic_load(&t->stop))
			return NULL;
		env_wait(env, w, NULL, 0, next);
	}
}

int timer_thread_start(struct stack *st, struct alarm *const alarm[2], const char *name,
		       struct timer_thread **out)
{
	struct timer_thread *t = calloc(1, sizeof(*t));
	sigset_t all, old;
	int err;

	if (!t)
		return -ENOMEM;
	t->stack = st;
	memcpy(t->alarm, alarm, sizeof(t->alarm));
	t->name = name;
	pthread_barrier_init(&t->started, NULL, 2);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&t->thread, NULL, timer_thread, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		pthread_barrier_destroy(&t->started);
		free(t);
		return -err;
	}
	pthread_barrier_wait(&t->started);
	*out = t;
	return 0;
}

void timer_thread_stop(struct timer_thread *t)
{
	atomic_store(&t->stop, true);
	waiter_wake(t->stack->env, atomic_load(&t->waiter));
	pthread_join(t->thread, NULL);
	pthread_barrier_destroy(&t->started);
	free(t);
}

bool timer_thread_is_self(const struct timer_thread *t)
{
	return pthread_equal(t->thread, pthread_self());
}
