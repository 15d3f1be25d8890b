/*
 * tests/lib/test_slot.c - threads and stacks that end in either order, counters that stay right,
 * a slot that goes to the next thread, and the child of a fork.
 */
#include "lib/slot.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "tests/harness/unit.h"

static struct {
	struct env *env;
	struct stack *stack;
	_Atomic unsigned released;
	pthread_barrier_t barrier;
	struct slot *seen;
} t;

static void count_release(struct slot *s)
{
	atomic_fetch_add(&t.released, 1);
}

static void setup(void)
{
	t.env = env_lab_create(1);
	t.stack = stack_alloc(t.env);
	t.stack->slot_release = count_release;
	atomic_store(&t.released, 0);
}

static void teardown(void)
{
	if (t.stack)
		stack_free(t.stack);
	env_lab_destroy(t.env);
}

static unsigned slots_of(struct stack *st)
{
	unsigned n = 0;

	for (struct slot *s = atomic_load(&st->slots); s; s = s->next)
		n++;
	return n;
}

static void run_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
	pthread_join(thread, NULL);
}

START_TEST(test_slot_get_is_the_same_each_time)
{
	struct slot *s = slot_get(t.stack);

	ck_assert_ptr_nonnull(s);
	ck_assert_ptr_eq(s->stack, t.stack);
	ck_assert_ptr_eq(slot_get(t.stack), s);
	ck_assert_uint_eq(slots_of(t.stack), 1);
}
END_TEST

/* More stacks than the record remembers: each keeps its own one slot of the thread. */
START_TEST(test_slot_of_many_stacks_found_again)
{
	enum { N = 40 };
	struct stack *st[N];
	struct slot *s[N];

	for (unsigned i = 0; i < N; i++) {
		st[i] = stack_alloc(t.env);
		s[i] = slot_get(st[i]);
	}
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < N; i++) {
			ck_assert_ptr_eq(slot_get(st[i]), s[i]);
			mib_inc(st[i], MIB_Ip_InReceives);
		}
	}
	for (unsigned i = 0; i < N; i++) {
		ck_assert_uint_eq(slots_of(st[i]), 1);
		ck_assert_uint_eq(mib_read(st[i], MIB_Ip_InReceives), 3);
		stack_free(st[i]);
	}
}
END_TEST

static void *count_main(void *arg)
{
	t.seen = slot_get(t.stack);
	mib_add(t.stack, MIB_Tcp_InSegs, 5);
	gauge_add(t.stack, GAUGE_socks, 2);
	return NULL;
}

START_TEST(test_slot_of_ended_thread_keeps_counters_and_is_reused)
{
	struct slot *first;

	run_thread(count_main, NULL);
	first = t.seen;
	ck_assert_uint_eq(t.released, 1);
	ck_assert_ptr_null(first->owner);
	ck_assert_uint_eq(mib_read(t.stack, MIB_Tcp_InSegs), 5);
	run_thread(count_main, NULL);
	ck_assert_ptr_eq(t.seen, first);
	ck_assert_uint_eq(t.released, 2);
	ck_assert_uint_eq(slots_of(t.stack), 1);
	ck_assert_uint_eq(mib_read(t.stack, MIB_Tcp_InSegs), 10);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_socks), 4);
	gauge_add(t.stack, GAUGE_socks, -4);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_socks), 0);
}
END_TEST

static void *serve_main(void *arg)
{
	static const struct rhythm none;

	t.seen = slot_get(t.stack);
	ck_assert_mem_eq(&t.seen->rhythm, &none, sizeof(none));
	memset(&t.seen->rhythm, 1, sizeof(none));
	ck_assert_ptr_null(t.seen->landing);
	t.seen->landing = (struct landing *)(void *)t.seen;
	return NULL;
}

/* How a thread called says nothing of the next, and what it lent when it was ended inside a call is gone. */
START_TEST(test_slot_reused_has_no_rhythm)
{
	struct slot *first;

	run_thread(serve_main, NULL);
	first = t.seen;
	run_thread(serve_main, NULL);
	ck_assert_ptr_eq(t.seen, first);
}
END_TEST

static void *outlive_main(void *arg)
{
	struct stack *other = arg;

	mib_inc(t.stack, MIB_Tcp_InSegs);
	mib_inc(other, MIB_Tcp_InSegs);
	pthread_barrier_wait(&t.barrier);
	pthread_barrier_wait(&t.barrier); /* `other` ends between */
	mib_inc(t.stack, MIB_Tcp_InSegs);
	return NULL;
}

START_TEST(test_stack_may_end_before_its_thread)
{
	struct stack *other = stack_alloc(t.env);
	pthread_t thread;

	pthread_barrier_init(&t.barrier, NULL, 2);
	other->slot_release = count_release;
	pthread_create(&thread, NULL, outlive_main, other);
	pthread_barrier_wait(&t.barrier);
	stack_free(other);
	ck_assert_uint_eq(t.released, 1);
	pthread_barrier_wait(&t.barrier);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(t.released, 2);
	ck_assert_uint_eq(mib_read(t.stack, MIB_Tcp_InSegs), 2);
	pthread_barrier_destroy(&t.barrier);
}
END_TEST

/* After slot_fini() the stack's rooms may go: no release comes any more. */
START_TEST(test_slot_fini_releases_once)
{
	slot_get(t.stack);
	slot_fini(t.stack);
	ck_assert_uint_eq(t.released, 1);
	stack_free(t.stack);
	t.stack = NULL;
	ck_assert_uint_eq(t.released, 1);
}
END_TEST

enum { THREADS = 8, COUNTS = 20000 };

static void *sum_main(void *arg)
{
	pthread_barrier_wait(&t.barrier);
	for (unsigned i = 0; i < COUNTS; i++) {
		mib_inc(t.stack, MIB_Udp_InDatagrams);
		gauge_add(t.stack, GAUGE_pkbufs, i % 2 ? -1 : 1);
	}
	return NULL;
}

START_TEST(test_slot_counters_of_many_threads_sum_up)
{
	pthread_t thread[THREADS];

	pthread_barrier_init(&t.barrier, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, sum_main, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&t.barrier);
	ck_assert_uint_eq(mib_read(t.stack, MIB_Udp_InDatagrams), (uint64_t)THREADS * COUNTS);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_pkbufs), 0);
	ck_assert_uint_le(slots_of(t.stack), THREADS);
	ck_assert_uint_eq(t.released, THREADS);
}
END_TEST

static pthread_key_t late_key;

static void late_destructor(void *arg)
{
	mib_inc(t.stack, MIB_Tcp_OutSegs);
}

static void *late_main(void *arg)
{
	pthread_setspecific(late_key, t.stack);
	mib_inc(t.stack, MIB_Tcp_OutSegs);
	return NULL;
}

/* A program's own destructor that uses the stack after ours has run: the slot is given back again.
 */
START_TEST(test_slot_taken_by_late_destructor_given_back)
{
	slot_get(t.stack); /* our key is the older: its destructor runs first */
	ck_assert_int_eq(pthread_key_create(&late_key, late_destructor), 0);
	run_thread(late_main, NULL);
	ck_assert_uint_eq(mib_read(t.stack, MIB_Tcp_OutSegs), 2);
	ck_assert_uint_eq(slots_of(t.stack), 2);
	for (struct slot *s = atomic_load(&t.stack->slots); s; s = s->next)
		ck_assert(s == slot_get(t.stack) || !s->owner);
	pthread_key_delete(late_key);
}
END_TEST

static bool forked_in_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(slot_forked());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(test_slot_forked_only_in_child_of_a_stack)
{
	ck_assert(!slot_forked());
	ck_assert(forked_in_child());
	ck_assert(!slot_forked());
	stack_free(t.stack);
	t.stack = NULL;
	ck_assert(!forked_in_child());
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("slot");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_slot_get_is_the_same_each_time);
	tcase_add_test(tc, test_slot_of_many_stacks_found_again);
	tcase_add_test(tc, test_slot_of_ended_thread_keeps_counters_and_is_reused);
	tcase_add_test(tc, test_slot_reused_has_no_rhythm);
	tcase_add_test(tc, test_stack_may_end_before_its_thread);
	tcase_add_test(tc, test_slot_fini_releases_once);
	tcase_add_test(tc, test_slot_counters_of_many_threads_sum_up);
	tcase_add_test(tc, test_slot_taken_by_late_destructor_given_back);
	tcase_add_test(tc, test_slot_forked_only_in_child_of_a_stack);
	return unit_run("slot", tc);
}
