/*
 * tests/shell/test_job.c - how a job is cancelled: SIGUSR1 has come before anything tells the job, so that it ends no
 * write of what the job has still to say.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "lib/slot.h"
#include "lib/stack.h"
#include "shell/shell_priv.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

static struct {
	struct shell shell;
	struct job job;
	struct env_ops env_ops;
	unsigned wakes;
} t;

static _Atomic unsigned signals;

static void count_signal(int sig)
{
	atomic_fetch_add(&signals, 1);
}

/* Who is woken goes on at once: by then the signal has come. */
static void wake(struct env *e, struct waiter *w, uint32_t found)
{
	ck_assert_uint_eq(atomic_load(&signals), 1);
	t.wakes++;
}

static void setup(void)
{
	struct sigaction count = {.sa_handler = count_signal};
	struct stack *st = netstack_threads();

	memset(&t, 0, sizeof(t));
	atomic_store(&signals, 0);
	sigaction(SIGUSR1, &count, NULL);
	t.shell.stack = st;
	mutex_init(&t.shell.lock, RANK_LEAF);
	t.job = (struct job){
	    .shell = &t.shell, .self = pthread_self(), .waiter = &slot_get(st)->waiter};
	waiter_reset(t.job.waiter);
}

static void teardown(void)
{
	netstack_destroy(t.shell.stack);
}

START_TEST(test_cancelled_job_has_had_its_signal_when_it_wakes)
{
	t.env_ops = *t.shell.stack->env->ops;
	t.env_ops.wake = wake;
	t.shell.stack->env->ops = &t.env_ops;
	waiter_enter(t.job.waiter, WAITER_WAITING);
	job_cancel(&t.job);
	ck_assert_uint_eq(t.wakes, 1);
	ck_assert(waiter_leave(t.job.waiter, WAITER_WAITING));
	ck_assert(atomic_load(&t.job.waiter->cancel));
	ck_assert(job_is_cancelled(&t.job));
	job_revive(&t.job);
	ck_assert(!job_is_cancelled(&t.job));
	ck_assert_uint_eq(atomic_load(&signals), 1);
}
END_TEST

/* Without having slept: the signals that had come when it knew. */
static void *job_run(void *arg)
{
	unsigned *had = arg;

	ck_assert(job_is_cancelled(&t.job));
	*had = atomic_load(&signals);
	return NULL;
}

START_TEST(test_job_that_finds_itself_cancelled_has_had_its_signal)
{
	unsigned had = 0;
	pthread_t job;

	mutex_lock(&t.shell.lock); /* as job_cancel(), between its flag and its signal */
	atomic_store(&t.job.cancel, true);
	ck_assert_int_eq(pthread_create(&job, NULL, job_run, &had), 0);
	for (int i = 0; i < 1000000 && atomic_load(&t.shell.lock.word) != MUTEX_WANTED; i++)
		sched_yield();
	ck_assert_int_eq(pthread_kill(job, SIGUSR1), 0);
	mutex_unlock(&t.shell.lock);
	pthread_join(job, NULL);
	ck_assert_uint_eq(had, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("job");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_cancelled_job_has_had_its_signal_when_it_wakes);
	tcase_add_test(tc, test_job_that_finds_itself_cancelled_has_had_its_signal);
	return unit_run("job", tc);
}
