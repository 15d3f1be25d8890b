/*
 * tests/lib/test_timer_thread.c - a wheel on threads: armed, moved and disarmed from several at once
 * while its own thread fires.  Each arming ends in exactly one firing or disarming, and the alarm is
 * never left unset or late: then the test would not end.
 */
#include <pthread.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/lock.h"
#include "lib/mib.h"
#include "lib/random.h"
#include "lib/slot.h"
#include "lib/stack.h"
#include "lib/timer.h"
#include "tests/harness/unit.h"

#if defined(WEFT_SANITIZE)
enum { ROUNDS = 2000 };
#else
enum { ROUNDS = 20000 };
#endif
enum { ARMERS = 3, TIMERS = 16 };

/*
 * LOCKING
 *	a	atomic		c	constant after setup
 */
static struct {
	struct env *env;                              /* c */
	struct stack *stack;                          /* c */
	struct wheel *wheel;                          /* c */
	_Atomic unsigned refs;                        /* a: held by armed timers */
	_Atomic unsigned long taken, fired, disarmed; /* a */
	_Atomic bool stop;                            /* a */
	struct waiter *_Atomic idle;                  /* a: woken when a timer fires */
	struct timer timer[TIMERS];
} t;

static void ref_take(void)
{
	atomic_fetch_add(&t.refs, 1);
	atomic_fetch_add(&t.taken, 1);
}

static void on_timer(struct timer *timer)
{
	struct waiter *idle;

	atomic_fetch_add(&t.fired, 1);
	atomic_fetch_sub(&t.refs, 1);
	idle = atomic_load(&t.idle);
	if (idle)
		batch_wake(t.stack, idle);
}

static void *wheel_main(void *arg)
{
	struct waiter *w = &slot_get(t.stack)->waiter;

	atomic_store(&wheel_alarm(t.wheel)->sleeper, w);
	while (!atomic_load(&t.stop)) {
		waiter_reset(w);
		uint64_t next = env_thread_run_alarms(t.env, w);

		if (!atomic_load(&t.stop))
			env_wait(t.env, w, NULL, 0, next);
	}
	return NULL;
}

static void *armer_main(void *arg)
{
	struct random r;

	random_seed(&r, (uintptr_t)arg);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct timer *timer = &t.timer[random_below(&r, TIMERS)];

		if (random_below(&r, 3) == 0) {
			if (timer_disarm(t.wheel, timer)) {
				atomic_fetch_add(&t.disarmed, 1);
				atomic_fetch_sub(&t.refs, 1);
			}
			continue;
		}
		uint64_t when = env_now(t.env) + random_below(&r, 3 * NSEC_PER_MSEC);

		if (timer_arm(t.wheel, timer, when))
			ref_take();
	}
	return NULL;
}

/* Sleeps until every armed timer has fired. */
static void wait_all_fired(void)
{
	struct waiter *w = &slot_get(t.stack)->waiter;

	atomic_store(&t.idle, w);
	for (;;) {
		waiter_reset(w);
		if (atomic_load(&t.refs) == 0)
			return;
		env_wait(t.env, w, NULL, 0, ENV_NEVER);
	}
}

START_TEST(test_wheel_armed_by_many_threads_loses_none)
{
	pthread_t wheel, armer[ARMERS];

	memset(&t, 0, sizeof(t));
	t.env = env_thread_create();
	t.stack = stack_alloc(t.env);
	t.wheel = t.stack->tcp_wheel;
	for (unsigned i = 0; i < TIMERS; i++)
		timer_init(&t.timer[i], on_timer);
	pthread_create(&wheel, NULL, wheel_main, NULL);
	for (uintptr_t i = 0; i < ARMERS; i++)
		pthread_create(&armer[i], NULL, armer_main, (void *)(i + 1));
	for (unsigned i = 0; i < ARMERS; i++)
		pthread_join(armer[i], NULL);
	wait_all_fired();
	ck_assert_uint_eq(t.taken, t.fired + t.disarmed);
	ck_assert_uint_ge(t.fired, 1);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_timers), 0);
	atomic_store(&t.stop, true);
	waiter_wake(t.env, atomic_load(&wheel_alarm(t.wheel)->sleeper));
	pthread_join(wheel, NULL);
	stack_free(t.stack);
	env_thread_destroy(t.env);
}
END_TEST

/* One far timer, then a near one, again and again: each near one must move the alarm forward. */
START_TEST(test_wheel_nearer_timer_wakes_its_thread)
{
	pthread_t wheel;

	memset(&t, 0, sizeof(t));
	t.env = env_thread_create();
	t.stack = stack_alloc(t.env);
	t.wheel = t.stack->net_wheel;
	timer_init(&t.timer[0], on_timer);
	timer_init(&t.timer[1], on_timer);
	pthread_create(&wheel, NULL, wheel_main, NULL);
	for (unsigned i = 0; i < 100; i++) {
		timer_arm(t.wheel, &t.timer[0], env_now(t.env) + 3600 * NSEC_PER_SEC);
		ck_assert(timer_arm(t.wheel, &t.timer[1], env_now(t.env)));
		ref_take();
		wait_all_fired();
		ck_assert_uint_eq(t.fired, i + 1);
	}
	ck_assert(timer_disarm(t.wheel, &t.timer[0]));
	atomic_store(&t.stop, true);
	waiter_wake(t.env, atomic_load(&wheel_alarm(t.wheel)->sleeper));
	pthread_join(wheel, NULL);
	stack_free(t.stack);
	env_thread_destroy(t.env);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timer_thread");

	tcase_add_test(tc, test_wheel_armed_by_many_threads_loses_none);
	tcase_add_test(tc, test_wheel_nearer_timer_wakes_its_thread);
	return unit_run("timer_thread", tc);
}
