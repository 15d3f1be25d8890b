/*
 * tests/lib/test_batch.c - phases in their order, nested batches join, only sleepers are woken,
 * last and once; nothing ends with a lock held; and how often the clock is read.
 */
#include "lib/batch.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "lib/lock.h"
#include "lib/slot.h"
#include "lib/stack.h"
#include "tests/harness/unit.h"

/* An env that counts wakes and knows whether a batch was open. */
static struct {
	struct env env;
	struct stack *stack, *other;
	unsigned wakes;
	struct waiter *woken[64];
	uint32_t found[64];
	unsigned ran, order[64];
	_Atomic uint64_t now;    /* goes on with each reading */
	void (*meanwhile)(void); /* runs once, before who has read it goes on */
} t;

static uint64_t fake_now(struct env *e)
{
	uint64_t now = atomic_fetch_add(&t.now, 1);
	void (*run)(void) = t.meanwhile;

	t.meanwhile = NULL;
	if (run)
		run();
	return now;
}

static uint64_t fake_random(struct env *e)
{
	return 4;
}

static void fake_wake(struct env *e, struct waiter *w, uint32_t found)
{
	ck_assert_uint_lt(t.wakes, 64);
	t.woken[t.wakes] = w;
	t.found[t.wakes++] = found;
}

static void fake_alarm(struct env *e, struct alarm *a)
{
}

static const struct env_ops fake_ops = {
    .now = fake_now,
    .random = fake_random,
    .wake = fake_wake,
    .alarm_add = fake_alarm,
    .alarm_del = fake_alarm,
};

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	t.now = NSEC_PER_SEC;
	t.env.ops = &fake_ops;
	t.stack = stack_alloc(&t.env);
	t.other = stack_alloc(&t.env);
}

static void teardown(void)
{
	stack_free(t.stack);
	stack_free(t.other);
}

struct work {
	struct later later;
	unsigned id;
	struct work *adds; /* put off when this one runs first */
	enum batch_phase phase;
};

static void work_run(struct later *l)
{
	struct work *k = (struct work *)l, *adds = k->adds;

	ck_assert_uint_lt(t.ran, 64);
	ck_assert_ptr_nonnull(batch_of(t.stack));
	t.order[t.ran++] = k->id;
	k->adds = NULL;
	if (adds)
		batch_later(t.stack, adds->phase, &adds->later);
}

static struct work work(unsigned id, enum batch_phase phase)
{
	return (struct work){.later.fn = work_run, .id = id, .phase = phase};
}

START_TEST(test_batch_end_runs_phases_in_order)
{
	struct work k[] = {work(0, BATCH_RECLAIM), work(1, BATCH_LOOP), work(2, BATCH_PUSH),
			   work(3, BATCH_LOOP), work(4, BATCH_PUSH)};
	static const unsigned order[] = {2, 4, 1, 3, 0};
	struct batch b;

	batch_begin(&b, t.stack);
	for (unsigned i = 0; i < 5; i++)
		batch_later(t.stack, k[i].phase, &k[i].later);
	ck_assert_uint_eq(t.ran, 0);
	batch_end(&b);
	ck_assert_uint_eq(t.ran, 5);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(t.order[i], order[i]);
}
END_TEST

/* A loopback packet may ask for a push: that comes before the next packet. */
START_TEST(test_batch_work_of_earlier_phase_comes_first)
{
	struct work push = work(9, BATCH_PUSH), loop[] = {work(0, BATCH_LOOP), work(1, BATCH_LOOP)};
	struct batch b;

	loop[0].adds = &push;
	batch_begin(&b, t.stack);
	batch_later(t.stack, BATCH_LOOP, &loop[0].later);
	batch_later(t.stack, BATCH_LOOP, &loop[1].later);
	batch_end(&b);
	ck_assert_uint_eq(t.ran, 3);
	ck_assert_uint_eq(t.order[0], 0);
	ck_assert_uint_eq(t.order[1], 9);
	ck_assert_uint_eq(t.order[2], 1);
}
END_TEST

/* An entry is the owner's again when its call begins. */
START_TEST(test_batch_work_puts_itself_off_again)
{
	struct work k[] = {work(0, BATCH_PUSH), work(1, BATCH_PUSH)};
	struct batch b;

	k[0].adds = &k[0];
	batch_begin(&b, t.stack);
	batch_later(t.stack, BATCH_PUSH, &k[0].later);
	batch_later(t.stack, BATCH_PUSH, &k[1].later);
	batch_end(&b);
	ck_assert_uint_eq(t.ran, 3);
	ck_assert_uint_eq(t.order[0], 0);
	ck_assert_uint_eq(t.order[1], 1);
	ck_assert_uint_eq(t.order[2], 0);
}
END_TEST

START_TEST(test_batch_nested_joins_the_outer)
{
	struct work k = work(0, BATCH_PUSH);
	struct batch b, inner;

	batch_begin(&b, t.stack);
	batch_begin(&inner, t.stack);
	ck_assert_ptr_eq(batch_of(t.stack), &b);
	batch_later(t.stack, BATCH_PUSH, &k.later);
	batch_end(&inner);
	ck_assert_uint_eq(t.ran, 0);
	ck_assert_ptr_eq(batch_of(t.stack), &b);
	batch_end(&b);
	ck_assert_uint_eq(t.ran, 1);
	ck_assert_ptr_null(slot_get(t.stack)->batch);
}
END_TEST

START_TEST(test_batch_of_two_stacks_are_two)
{
	struct batch a, b;

	batch_begin(&a, t.stack);
	batch_begin(&b, t.other);
	ck_assert_ptr_eq(batch_of(t.stack), &a);
	ck_assert_ptr_eq(batch_of(t.other), &b);
	ck_assert_uint_eq(thread_record.batches, 2);
	batch_end(&b);
	ck_assert_ptr_null(slot_get(t.other)->batch);
	ck_assert_ptr_eq(batch_of(t.stack), &a);
	batch_end(&a);
	ck_assert_uint_eq(thread_record.batches, 0);
}
END_TEST

START_TEST(test_batch_wakes_only_sleepers_and_last)
{
	static const uint32_t words[] = {WAITER_IDLE, WAITER_WAITING, WAITER_POLLING, WAITER_WOKEN};
	struct waiter w[4];
	struct batch b;

	batch_begin(&b, t.stack);
	for (unsigned i = 0; i < 4; i++) {
		waiter_init(&w[i]);
		atomic_store(&w[i].word, words[i]);
		batch_wake(t.stack, &w[i]);
		batch_wake(t.stack, &w[i]); /* claimed already: nothing more */
		ck_assert_uint_eq(w[i].word, WAITER_WOKEN);
	}
	ck_assert_uint_eq(t.wakes, 0);
	batch_end(&b);
	ck_assert_uint_eq(t.wakes, 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_ptr_eq(t.woken[i], &w[i + 1]);
		ck_assert_uint_eq(t.found[i], words[i + 1]);
	}
}
END_TEST

/* More sleepers than the batch has room for are woken at once, each exactly once. */
START_TEST(test_batch_wakes_more_than_it_holds)
{
	struct waiter w[40];
	struct batch b;

	batch_begin(&b, t.stack);
	for (unsigned i = 0; i < 40; i++) {
		waiter_init(&w[i]);
		atomic_store(&w[i].word, WAITER_WAITING);
		batch_wake(t.stack, &w[i]);
	}
	batch_end(&b);
	ck_assert_uint_eq(t.wakes, 40);
	for (unsigned i = 0; i < 40; i++) {
		unsigned seen = 0;

		for (unsigned j = 0; j < 40; j++)
			seen += t.woken[j] == &w[i];
		ck_assert_uint_eq(seen, 1);
	}
}
END_TEST

START_TEST(test_batch_reads_the_clock_once)
{
	uint64_t first, outside = batch_now(t.stack);
	struct batch b;

	ck_assert_uint_gt(batch_now(t.stack), outside);
	batch_begin(&b, t.stack);
	first = batch_now(t.stack);
	batch_clock_check(t.stack);
	ck_assert_uint_eq(batch_now(t.stack), first);
	batch_end(&b);
	batch_begin(&b, t.stack);
	ck_assert_uint_gt(batch_now(t.stack), first);
	batch_end(&b);
}
END_TEST

static void *other_reads(void *arg)
{
	uint64_t *now = arg;

	*now = batch_now(t.stack);
	return NULL;
}

/* Another thread had the lock meanwhile and wrote its time into the sock. */
START_TEST(test_batch_clock_is_not_behind_another_thread)
{
	uint64_t first, other = 0;
	pthread_t thread;
	struct batch b;

	batch_begin(&b, t.stack);
	first = batch_now(t.stack);
	ck_assert_int_eq(pthread_create(&thread, NULL, other_reads, &other), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_gt(other, first);
	batch_clock_check(t.stack);
	ck_assert_uint_gt(batch_now(t.stack), other);
	batch_end(&b);
}
END_TEST

static uint64_t read_meanwhile;

static void other_reads_meanwhile(void)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, other_reads, &read_meanwhile), 0);
	pthread_join(thread, NULL);
}

/* The same, while this one was kept away right behind its reading. */
START_TEST(test_batch_clock_is_not_behind_who_read_meanwhile)
{
	struct batch b;

	batch_begin(&b, t.stack);
	t.meanwhile = other_reads_meanwhile;
	batch_now(t.stack);
	batch_clock_check(t.stack);
	ck_assert_uint_gt(batch_now(t.stack), read_meanwhile);
	batch_end(&b);
}
END_TEST

START_TEST(test_batch_clock_is_read_again_after_writing)
{
	struct batch b;
	uint64_t first;

	batch_begin(&b, t.stack);
	first = batch_now(t.stack);
	for (unsigned i = 1; i < BATCH_WRITTEN / BATCH_FRAME; i++)
		batch_wrote(t.stack, 60);
	ck_assert_uint_eq(batch_now(t.stack), first);
	batch_wrote(t.stack, 60);
	ck_assert_uint_gt(batch_now(t.stack), first);
	first = batch_now(t.stack);
	batch_wrote(t.stack, BATCH_WRITTEN);
	ck_assert_uint_gt(batch_now(t.stack), first);
	batch_end(&b);
}
END_TEST

#ifndef NDEBUG
START_TEST(test_batch_end_with_lock_held_stops)
{
	struct mutex m;
	struct batch b;

	mutex_init(&m, RANK_ROUTE);
	batch_begin(&b, t.stack);
	mutex_lock(&m);
	batch_end(&b);
}
END_TEST

START_TEST(test_batch_of_outside_stops)
{
	batch_of(t.stack);
}
END_TEST
#endif

int main(void)
{
	TCase *tc = tcase_create("batch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_batch_end_runs_phases_in_order);
	tcase_add_test(tc, test_batch_work_of_earlier_phase_comes_first);
	tcase_add_test(tc, test_batch_work_puts_itself_off_again);
	tcase_add_test(tc, test_batch_nested_joins_the_outer);
	tcase_add_test(tc, test_batch_of_two_stacks_are_two);
	tcase_add_test(tc, test_batch_wakes_only_sleepers_and_last);
	tcase_add_test(tc, test_batch_wakes_more_than_it_holds);
	tcase_add_test(tc, test_batch_reads_the_clock_once);
	tcase_add_test(tc, test_batch_clock_is_not_behind_another_thread);
	tcase_add_test(tc, test_batch_clock_is_not_behind_who_read_meanwhile);
	tcase_add_test(tc, test_batch_clock_is_read_again_after_writing);
#ifndef NDEBUG
	tcase_add_test_raise_signal(tc, test_batch_end_with_lock_held_stops, SIGABRT);
	tcase_add_test_raise_signal(tc, test_batch_of_outside_stops, SIGABRT);
#endif
	return unit_run("batch", tc);
}
