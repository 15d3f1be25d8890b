/*
 * tests/lib/test_lock.c - exclusion by both kinds; the sock lock: work left is done once and in order, sleepers
 * woken; and the rank check, which stops a debug build.
 */
#include "lib/lock.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/harness/unit.h"

#define WORK_BACKLOG LOCK_WORK(0)
#define WORK_TIMER LOCK_WORK(1)

#if defined(WEFT_SANITIZE)
enum { ROUNDS = 5000 };
#else
enum { ROUNDS = 60000 };
#endif

START_TEST(test_lock_free_is_taken_and_dropped)
{
	struct lock l = {0};

	ck_assert(!lock_is_held(&l));
	lock_take(&l, RANK_SOCK);
	ck_assert(lock_is_held(&l));
	ck_assert_uint_eq(lock_drop(&l), 0);
	ck_assert(!lock_is_held(&l));
	ck_assert_uint_eq(l.word, 0);
	lock_rank_none();
}
END_TEST

START_TEST(test_lock_held_keeps_work_for_the_drop)
{
	struct lock l = {LOCK_HELD}; /* by somebody else */

	ck_assert(!lock_take_or_leave(&l, WORK_BACKLOG, RANK_SOCK));
	ck_assert(!lock_take_or_leave(&l, WORK_TIMER, RANK_SOCK));
	lock_rank_none();
	lock_rank_push(RANK_SOCK, &l); /* as if it were ours */
	ck_assert_uint_eq(lock_drop(&l), WORK_BACKLOG | WORK_TIMER);
	ck_assert(lock_is_held(&l));
	ck_assert_uint_eq(lock_drop(&l), 0);
	ck_assert_uint_eq(l.word, 0);
}
END_TEST

START_TEST(test_lock_idle_is_dropped_at_once)
{
	struct lock l = {0};

	lock_take(&l, RANK_SOCK);
	ck_assert(lock_drop_idle(&l));
	ck_assert_uint_eq(l.word, 0);
	lock_rank_none();
	ck_assert(lock_take_or_leave(&l, WORK_TIMER, RANK_SOCK));
	ck_assert(!lock_drop_idle(&l));
	ck_assert(lock_is_held(&l));
	ck_assert_uint_eq(lock_drop(&l), WORK_TIMER);
	l.word |= LOCK_SLEEPERS; /* as if somebody slept: it is to be woken */
	ck_assert(!lock_drop_idle(&l));
	ck_assert_uint_eq(lock_drop(&l), 0);
}
END_TEST

/* Free: the caller's own work is found by the drop as well, behind what came before. */
START_TEST(test_lock_take_or_leave_free_leaves_work_to_itself)
{
	struct lock l = {0};

	ck_assert(lock_take_or_leave(&l, WORK_TIMER, RANK_SOCK));
	ck_assert_uint_eq(lock_drop(&l), WORK_TIMER);
	ck_assert_uint_eq(lock_drop(&l), 0);
}
END_TEST

struct packet {
	struct packet *next;
	unsigned from, seq;
};

static struct {
	struct lock lock;
	struct packet *_Atomic backlog;
	/* under the lock */
	unsigned long packets, calls, timers, disorder;
	unsigned last[2];
} sock;

static void backlog_push(struct packet *p)
{
	struct packet *head = atomic_load_explicit(&sock.backlog, memory_order_relaxed);

	do
		p->next = head;
	while (!atomic_compare_exchange_weak_explicit(&sock.backlog, &head, p, memory_order_release,
						      memory_order_relaxed));
}

static void backlog_drain(void)
{
	struct packet *p, *next, *in_order = NULL;

	p = atomic_exchange_explicit(&sock.backlog, NULL, memory_order_acquire);
	for (; p; p = next) {
		next = p->next;
		p->next = in_order;
		in_order = p;
	}
	for (p = in_order; p; p = next) {
		next = p->next;
		sock.disorder += p->seq != sock.last[p->from] + 1;
		sock.last[p->from] = p->seq;
		sock.packets++;
		free(p);
	}
}

static void sock_drop(void)
{
	uint32_t work;

	while ((work = lock_drop(&sock.lock))) {
		if (work & WORK_TIMER)
			sock.timers++;
		if (work & WORK_BACKLOG)
			backlog_drain();
	}
}

static void *device_main(void *arg)
{
	for (unsigned i = 1; i <= ROUNDS; i++) {
		struct packet *p = malloc(sizeof(*p));

		p->from = *(unsigned *)arg;
		p->seq = i;
		backlog_push(p);
		if (lock_take_or_leave(&sock.lock, WORK_BACKLOG, RANK_SOCK))
			sock_drop();
	}
	return NULL;
}

static void *program_main(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		lock_take(&sock.lock, RANK_SOCK);
		sock.calls++;
		if (i % 512 == 0)
			sched_yield(); /* held long enough that others sleep */
		sock_drop();
	}
	return NULL;
}

static void *timer_main(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (lock_take_or_leave(&sock.lock, WORK_TIMER, RANK_SOCK))
			sock_drop();
	}
	return NULL;
}

START_TEST(test_lock_stress_loses_nothing_and_keeps_order)
{
	static unsigned from[2] = {0, 1};
	pthread_t t[6];

	pthread_create(&t[0], NULL, device_main, &from[0]);
	pthread_create(&t[1], NULL, device_main, &from[1]);
	for (unsigned i = 2; i < 5; i++)
		pthread_create(&t[i], NULL, program_main, NULL);
	pthread_create(&t[5], NULL, timer_main, NULL);
	for (unsigned i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(sock.packets, 2ul * ROUNDS);
	ck_assert_uint_eq(sock.calls, 3ul * ROUNDS);
	ck_assert_uint_ge(sock.timers, 1);
	ck_assert_uint_le(sock.timers, ROUNDS);
	ck_assert_uint_eq(sock.disorder, 0);
	ck_assert_ptr_null(sock.backlog);
	ck_assert_uint_eq(sock.lock.word, 0);
}
END_TEST

START_TEST(test_mutex_rising_ranks_pass)
{
	struct mutex a, b, c;

	mutex_init(&a, RANK_FD);
	mutex_init(&b, RANK_ROUTE);
	mutex_init(&c, RANK_LEAF);
	mutex_lock(&a);
	mutex_lock(&b);
	mutex_lock(&c);
	mutex_unlock(&a); /* in any order */
	mutex_unlock(&c);
	mutex_unlock(&b);
	lock_rank_none();
	mutex_fini(&a);
	mutex_fini(&b);
	mutex_fini(&c);
}
END_TEST

static struct {
	struct mutex lock;
	unsigned long count; /* under the lock */
} counted = {.lock = MUTEX_INITIALIZER(RANK_LEAF)};

static void *count_main(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		mutex_lock(&counted.lock);
		counted.count++;
		if (i % 512 == 0)
			sched_yield(); /* held long enough that others sleep */
		mutex_unlock(&counted.lock);
	}
	return NULL;
}

START_TEST(test_mutex_stress_excludes_and_wakes)
{
	pthread_t t[4];

	for (unsigned i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, count_main, NULL);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(counted.count, 4ul * ROUNDS);
	ck_assert_uint_eq(counted.lock.word, MUTEX_FREE);
}
END_TEST

#ifndef NDEBUG
static void take_two(enum lock_rank first, enum lock_rank second)
{
	struct mutex a, b;

	mutex_init(&a, first);
	mutex_init(&b, second);
	mutex_lock(&a);
	mutex_lock(&b);
}

START_TEST(test_mutex_falling_rank_stops)
{
	take_two(RANK_NEIGH, RANK_ROUTE);
}
END_TEST

START_TEST(test_mutex_equal_rank_stops)
{
	take_two(RANK_BUCKET, RANK_BUCKET);
}
END_TEST

START_TEST(test_mutex_under_leaf_stops)
{
	take_two(RANK_LEAF, RANK_LEAF);
}
END_TEST

START_TEST(test_lock_sock_under_child_stops)
{
	struct lock listener = {0}, child = {0};

	lock_take(&child, RANK_CHILD);
	lock_take_or_leave(&listener, WORK_TIMER, RANK_SOCK);
}
END_TEST

START_TEST(test_lock_dropped_by_stranger_stops)
{
	struct lock l = {LOCK_HELD};

	lock_drop(&l);
}
END_TEST

START_TEST(test_lock_rank_none_with_one_held_stops)
{
	struct lock l = {0};

	lock_take(&l, RANK_SOCK);
	lock_rank_none();
}
END_TEST
#endif

int main(void)
{
	TCase *tc = tcase_create("lock");

	tcase_add_test(tc, test_lock_free_is_taken_and_dropped);
	tcase_add_test(tc, test_lock_held_keeps_work_for_the_drop);
	tcase_add_test(tc, test_lock_idle_is_dropped_at_once);
	tcase_add_test(tc, test_lock_take_or_leave_free_leaves_work_to_itself);
	tcase_add_test(tc, test_lock_stress_loses_nothing_and_keeps_order);
	tcase_add_test(tc, test_mutex_rising_ranks_pass);
	tcase_add_test(tc, test_mutex_stress_excludes_and_wakes);
#ifndef NDEBUG
	tcase_add_test_raise_signal(tc, test_mutex_falling_rank_stops, SIGABRT);
	tcase_add_test_raise_signal(tc, test_mutex_equal_rank_stops, SIGABRT);
	tcase_add_test_raise_signal(tc, test_mutex_under_leaf_stops, SIGABRT);
	tcase_add_test_raise_signal(tc, test_lock_sock_under_child_stops, SIGABRT);
	tcase_add_test_raise_signal(tc, test_lock_dropped_by_stranger_stops, SIGABRT);
	tcase_add_test_raise_signal(tc, test_lock_rank_none_with_one_held_stops, SIGABRT);
#endif
	return unit_run("lock", tc);
}
