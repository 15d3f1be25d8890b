/*
 * tests/lib/test_env_thread.c - real sleepers: no wake is lost between reset and sleep, by futex or
 * by eventfd; alarms reach the thread they belong to.  Nothing here measures time: a lost wake
 * shows as the test's own time limit.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/env.h"
#include "tests/harness/unit.h"

#if defined(WEFT_SANITIZE)
enum { ROUNDS = 500 };
#else
enum { ROUNDS = 5000 };
#endif

static struct env *env;

static void setup(void)
{
	env = env_thread_create();
}

static void teardown(void)
{
	env_thread_destroy(env);
}

START_TEST(test_thread_clock_rises_and_random_differs)
{
	uint64_t a = env_now(env), x = env_random(env);

	ck_assert_uint_gt(a, 0);
	ck_assert_uint_ge(env_now(env), a);
	ck_assert_uint_ne(env_random(env), x);
	ck_assert(env->threaded);
}
END_TEST

START_TEST(test_thread_wake_before_wait_is_kept)
{
	struct waiter w;
	int pipes[2];

	waiter_init(&w);
	ck_assert_int_eq(pipe(pipes), 0);
	struct pollfd fd = {.fd = pipes[0], .events = POLLIN};
	for (unsigned i = 0; i < 3; i++) {
		waiter_reset(&w);
		waiter_wake(env, &w);
		ck_assert_int_eq(env_wait(env, &w, NULL, 0, ENV_NEVER), 0);
		ck_assert_int_eq(env_wait(env, &w, &fd, 1, ENV_NEVER), 0);
		ck_assert_uint_eq(w.word, WAITER_WOKEN);
	}
	close(pipes[0]);
	close(pipes[1]);
	waiter_fini(&w);
}
END_TEST

START_TEST(test_thread_deadline_is_not_early)
{
	struct waiter w;
	int pipes[2];

	waiter_init(&w);
	ck_assert_int_eq(pipe(pipes), 0);
	struct pollfd fd = {.fd = pipes[0], .events = POLLIN};
	for (unsigned n = 0; n < 2; n++) {
		for (unsigned i = 0; i < 3; i++) {
			uint64_t deadline = env_now(env) + i * 700 * NSEC_PER_USEC;

			waiter_reset(&w);
			ck_assert_int_eq(env_wait(env, &w, &fd, (int)n, deadline), -ETIMEDOUT);
			ck_assert_uint_ge(env_now(env), deadline);
			ck_assert_uint_eq(w.word, WAITER_IDLE);
		}
	}
	close(pipes[0]);
	close(pipes[1]);
	waiter_fini(&w);
}
END_TEST

/* More descriptors than fit on the frame; only the ready ones are counted. */
START_TEST(test_thread_wait_counts_ready_descriptors)
{
	struct pollfd fd[40];
	struct waiter w;
	int pipes[2];

	waiter_init(&w);
	ck_assert_int_eq(pipe(pipes), 0);
	for (unsigned i = 0; i < 40; i++)
		fd[i] = (struct pollfd){.fd = pipes[0], .events = POLLIN};
	fd[3].events = 0;
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
	waiter_reset(&w);
	ck_assert_int_eq(env_wait(env, &w, fd, 40, ENV_NEVER), 39);
	ck_assert_int_eq(fd[39].revents, POLLIN);
	ck_assert_int_eq(fd[3].revents, 0);
	waiter_wake(env, &w); /* and those are told to a woken one as well */
	ck_assert_int_eq(env_wait(env, &w, fd, 2, ENV_NEVER), 2);
	close(pipes[0]);
	close(pipes[1]);
	waiter_fini(&w);
}
END_TEST

/* A wake meant for an earlier sleep leaves the eventfd readable: the next sleep is not ended by it.
 */
START_TEST(test_thread_late_wake_ends_no_later_sleep)
{
	struct waiter w;
	int pipes[2];

	waiter_init(&w);
	ck_assert_int_eq(pipe(pipes), 0);
	struct pollfd fd = {.fd = pipes[0], .events = POLLIN};
	ck_assert_int_ge(waiter_eventfd(&w), 0);
	env->ops->wake(env, &w, WAITER_POLLING);
	waiter_reset(&w);
	ck_assert_int_eq(env_wait(env, &w, &fd, 1, env_now(env) + NSEC_PER_MSEC), -ETIMEDOUT);
	ck_assert_int_eq(fd.revents, 0);
	close(pipes[0]);
	close(pipes[1]);
	waiter_fini(&w);
}
END_TEST

START_TEST(test_thread_cancel_is_interrupted)
{
	struct waiter w;

	waiter_init(&w);
	waiter_reset(&w);
	atomic_store(&w.cancel, true);
	waiter_wake(env, &w);
	ck_assert_int_eq(env_wait(env, &w, NULL, 0, ENV_NEVER), -EINTR);
	waiter_fini(&w);
}
END_TEST

/* Two threads pass a turn to and fro, each asleep while it is the other's. */
static struct {
	pthread_mutex_t lock;
	unsigned turn;
	struct waiter waiter[2];
	int idle_fd; /* never ready */
	int nfds;
} pass;

static void pass_turns(unsigned me)
{
	struct waiter *w = &pass.waiter[me];
	struct pollfd fd = {.fd = pass.idle_fd, .events = POLLIN};

	for (unsigned done = 0; done < ROUNDS;) {
		uint32_t found = WAITER_IDLE;
		bool mine;

		waiter_reset(w);
		pthread_mutex_lock(&pass.lock);
		mine = pass.turn % 2 == me;
		if (mine) {
			pass.turn++;
			done++;
			found = waiter_claim(&pass.waiter[!me]);
		}
		pthread_mutex_unlock(&pass.lock);
		if (waiter_sleeps(found))
			env->ops->wake(env, &pass.waiter[!me], found);
		if (!mine)
			ck_assert_int_eq(env_wait(env, w, &fd, pass.nfds, ENV_NEVER), 0);
	}
}

static void *pass_main(void *arg)
{
	pass_turns(1);
	return NULL;
}

/* _i 0: futex, 1: ppoll. */
START_TEST(test_thread_no_wake_is_lost)
{
	pthread_t thread;
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	pthread_mutex_init(&pass.lock, NULL);
	pass.turn = 0;
	pass.idle_fd = pipes[0];
	pass.nfds = _i;
	waiter_init(&pass.waiter[0]);
	waiter_init(&pass.waiter[1]);
	pthread_create(&thread, NULL, pass_main, NULL);
	pass_turns(0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(pass.turn, 2 * ROUNDS);
	ck_assert((pass.waiter[0].efd >= 0) == (_i == 1));
	waiter_fini(&pass.waiter[0]);
	waiter_fini(&pass.waiter[1]);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

/* A thread that sleeps to its alarms, as a timer thread does. */
static struct {
	struct waiter waiter, main;
	struct alarm alarm;
	_Atomic bool stop;
	_Atomic unsigned fired;
	_Atomic bool begun, ended;
} timer;

static void timer_fire(void *arg)
{
	atomic_fetch_add(&timer.fired, 1);
	waiter_wake(env, &timer.main);
}

static void *timer_main(void *arg)
{
	atomic_store(&timer.alarm.sleeper, &timer.waiter);
	for (;;) {
		waiter_reset(&timer.waiter);
		uint64_t next = env_thread_run_alarms(env, &timer.waiter);

		if (atomic_load(&timer.stop))
			return NULL;
		env_wait(env, &timer.waiter, NULL, 0, next);
	}
}

static void timer_setup(void (*fire)(void *arg))
{
	memset(&timer, 0, sizeof(timer));
	waiter_init(&timer.waiter);
	waiter_init(&timer.main);
	timer.alarm.when = ENV_NEVER;
	timer.alarm.fire = fire;
	env_alarm_add(env, &timer.alarm);
}

static void timer_stop(pthread_t thread)
{
	atomic_store(&timer.stop, true);
	waiter_wake(env, &timer.waiter);
	pthread_join(thread, NULL);
	waiter_fini(&timer.waiter);
	waiter_fini(&timer.main);
}

START_TEST(test_thread_alarm_wakes_its_sleeper)
{
	pthread_t thread;

	timer_setup(timer_fire);
	pthread_create(&thread, NULL, timer_main, NULL);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		/* far away, then now: the thread may be anywhere between its look and its sleep */
		env_alarm(env, &timer.alarm, env_now(env) + 3600 * NSEC_PER_SEC);
		env_alarm(env, &timer.alarm, env_now(env));
		for (;;) {
			waiter_reset(&timer.main);
			if (atomic_load(&timer.fired) >= i)
				break;
			ck_assert_int_eq(env_wait(env, &timer.main, NULL, 0, ENV_NEVER), 0);
		}
		ck_assert_uint_eq(timer.fired, i);
	}
	timer_stop(thread);
	env_alarm_del(env, &timer.alarm);
}
END_TEST

/* So many alarms that looking at them takes a while, and the one that is set meanwhile is looked at first. */
START_TEST(test_thread_alarm_set_during_the_look_is_not_lost)
{
	static struct alarm others[1000];
	pthread_t thread;

	timer_setup(timer_fire);
	env_alarm_del(env, &timer.alarm);
	for (unsigned i = 0; i < 1000; i++) {
		others[i] = (struct alarm){.when = ENV_NEVER, .sleeper = &timer.waiter};
		env_alarm_add(env, &others[i]);
	}
	env_alarm_add(env, &timer.alarm);
	pthread_create(&thread, NULL, timer_main, NULL);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		env_alarm(env, &timer.alarm, env_now(env));
		while (atomic_load(&timer.fired) < i)
			sched_yield();
	}
	timer_stop(thread);
	ck_assert_uint_eq(timer.fired, ROUNDS);
}
END_TEST

START_TEST(test_thread_only_an_earlier_alarm_wakes)
{
	uint64_t hour = env_now(env) + 3600 * NSEC_PER_SEC;

	timer_setup(timer_fire);
	atomic_store(&timer.alarm.sleeper, &timer.waiter);
	env_alarm(env, &timer.alarm, hour);
	waiter_reset(&timer.waiter);
	ck_assert_uint_eq(env_thread_run_alarms(env, &timer.waiter), hour);
	env_alarm(env, &timer.alarm, hour + 1);
	env_alarm(env, &timer.alarm, hour);
	ck_assert_uint_eq(timer.waiter.word, WAITER_IDLE);
	env_alarm(env, &timer.alarm, hour - 1);
	ck_assert_uint_eq(timer.waiter.word, WAITER_WOKEN);
	ck_assert_int_eq(env_wait(env, &timer.waiter, NULL, 0, hour), 0);
	/* awake it will look by itself */
	waiter_reset(&timer.waiter);
	env_alarm(env, &timer.alarm, hour - 2);
	ck_assert_uint_eq(timer.waiter.word, WAITER_IDLE);
	ck_assert_uint_eq(env_thread_run_alarms(env, &timer.waiter), hour - 2);
	env_alarm_del(env, &timer.alarm);
}
END_TEST

START_TEST(test_thread_runs_its_own_alarms_only)
{
	struct waiter other;

	waiter_init(&other);
	timer_setup(timer_fire);
	atomic_store(&timer.alarm.sleeper, &timer.waiter);
	env_alarm(env, &timer.alarm, env_now(env));
	ck_assert_uint_eq(env_thread_run_alarms(env, &other), ENV_NEVER);
	ck_assert_uint_eq(timer.fired, 0);
	ck_assert_uint_eq(env_thread_run_alarms(env, &timer.waiter), ENV_NEVER);
	ck_assert_uint_eq(timer.fired, 1);
	env_alarm_del(env, &timer.alarm);
}
END_TEST

static void slow_fire(void *arg)
{
	atomic_store(&timer.begun, true);
	for (unsigned i = 0; i < 1000; i++)
		sched_yield();
	atomic_store(&timer.ended, true);
}

START_TEST(test_thread_alarm_del_waits_for_fire)
{
	pthread_t thread;

	timer_setup(slow_fire);
	pthread_create(&thread, NULL, timer_main, NULL);
	env_alarm(env, &timer.alarm, env_now(env));
	while (!atomic_load(&timer.begun))
		sched_yield();
	env_alarm_del(env, &timer.alarm);
	ck_assert(timer.ended);
	timer_stop(thread);
}
END_TEST

/* Signals: untimed sleeps are restarted (SA_RESTART), timed ones and polls are not. */
static struct {
	struct waiter waiter;
	uint64_t deadline;
	int nfds, idle_fd;
	_Atomic int result;
	_Atomic bool done;
	_Atomic unsigned handled;
} sleeper;

static void on_signal(int sig)
{
	atomic_fetch_add(&sleeper.handled, 1);
}

static void *sleeper_main(void *arg)
{
	struct pollfd fd = {.fd = sleeper.idle_fd, .events = POLLIN};

	waiter_reset(&sleeper.waiter);
	atomic_store(&sleeper.result,
		     env_wait(env, &sleeper.waiter, &fd, sleeper.nfds, sleeper.deadline));
	atomic_store(&sleeper.done, true);
	return NULL;
}

static pthread_t sleeper_start(int nfds, uint64_t deadline)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	pthread_t thread;
	uint32_t word;

	sigaction(SIGUSR1, &sa, NULL);
	waiter_init(&sleeper.waiter);
	sleeper.nfds = nfds;
	sleeper.deadline = deadline;
	atomic_store(&sleeper.done, false);
	atomic_store(&sleeper.handled, 0);
	pthread_create(&thread, NULL, sleeper_main, NULL);
	do {
		sched_yield();
		word = atomic_load(&sleeper.waiter.word);
	} while (!waiter_sleeps(word));
	return thread;
}

#ifndef WEFT_TSAN
START_TEST(test_thread_untimed_sleep_survives_signal)
{
	pthread_t thread = sleeper_start(0, ENV_NEVER);

	pthread_kill(thread, SIGUSR1);
	while (!atomic_load(&sleeper.handled))
		sched_yield();
	waiter_wake(env, &sleeper.waiter);
	pthread_join(thread, NULL);
	ck_assert_int_eq(sleeper.result, 0);
	waiter_fini(&sleeper.waiter);
}
END_TEST
#endif

/* _i 0: timed futex, 1: ppoll without a deadline. */
START_TEST(test_thread_timed_sleep_and_poll_end_by_signal)
{
	int pipes[2];
	pthread_t thread;

	ck_assert_int_eq(pipe(pipes), 0);
	sleeper.idle_fd = pipes[0];
	thread = sleeper_start(_i, _i ? ENV_NEVER : env_now(env) + 3600 * NSEC_PER_SEC);
	while (!atomic_load(&sleeper.done)) { /* until one meets it in its sleep */
		pthread_kill(thread, SIGUSR1);
		for (unsigned i = 0; i < 1000 && !atomic_load(&sleeper.done); i++)
			sched_yield(); /* or it would only handle signals */
	}
	pthread_join(thread, NULL);
	ck_assert_int_eq(sleeper.result, -EINTR);
	waiter_fini(&sleeper.waiter);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("env_thread");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_thread_clock_rises_and_random_differs);
	tcase_add_test(tc, test_thread_wake_before_wait_is_kept);
	tcase_add_test(tc, test_thread_deadline_is_not_early);
	tcase_add_test(tc, test_thread_wait_counts_ready_descriptors);
	tcase_add_test(tc, test_thread_late_wake_ends_no_later_sleep);
	tcase_add_test(tc, test_thread_cancel_is_interrupted);
	tcase_add_loop_test(tc, test_thread_no_wake_is_lost, 0, 2);
	tcase_add_test(tc, test_thread_alarm_wakes_its_sleeper);
	tcase_add_test(tc, test_thread_alarm_set_during_the_look_is_not_lost);
	tcase_add_test(tc, test_thread_only_an_earlier_alarm_wakes);
	tcase_add_test(tc, test_thread_runs_its_own_alarms_only);
	tcase_add_test(tc, test_thread_alarm_del_waits_for_fire);
#ifndef WEFT_TSAN
	tcase_add_test(tc, test_thread_untimed_sleep_survives_signal);
#endif
	tcase_add_loop_test(tc, test_thread_timed_sleep_and_poll_end_by_signal, 0, 2);
	return unit_run("env_thread", tc);
}
