/*
 * tests/shell/test_notify_kept.c - which results of a call are kept when a signal took its thread out, and for whom.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shell/notify_priv.h"
#include "tests/harness/unit.h"

static struct notify *n;

static void setup(void)
{
	n = calloc(1, sizeof(*n));
	ck_assert_ptr_nonnull(n);
	LIST_INIT(&n->kept);
}

static void teardown(void)
{
	notify_kept_end(n);
	free(n);
}

/* A call of this thread's that was answered, or will be. */
static struct notify_call call(int nr, long value)
{
	return (struct notify_call){.notify = n,
				    .tid = getpid(),
				    .data.nr = nr,
				    .end = NOTIFY_ANSWER,
				    .value = value,
				    .give = -1,
				    .pidfd = -1};
}

static void keep(int nr, long value)
{
	struct notify_call c = call(nr, value);

	notify_kept_add(&c);
}

START_TEST(test_kept_for_the_same_call_once)
{
	struct notify_call c = call(SYS_socket, -1);

	keep(SYS_socket, 7);
	ck_assert(notify_kept_take(&c));
	ck_assert_int_eq(c.value, 7);
	ck_assert(!notify_kept_take(&c));
}
END_TEST

START_TEST(test_kept_for_no_other)
{
	struct notify_call c = call(SYS_socket, -1);

	keep(SYS_socket, 7);
	c.data.args[0] = 1;
	ck_assert(!notify_kept_take(&c));
	c.data.args[0] = 0;
	c.data.instruction_pointer = 1;
	ck_assert(!notify_kept_take(&c));
	c.data.instruction_pointer = 0;
	c.tid++;
	ck_assert(!notify_kept_take(&c));
	c.tid--;
	ck_assert(notify_kept_take(&c));
}
END_TEST

/* A call that only looks the same would be told what was so then. */
START_TEST(test_not_kept_where_it_may_be_had_anew)
{
	static const int nr[] = {SYS_setsockopt, SYS_getsockname, SYS_getpeername, SYS_ioctl};

	keep(nr[_i], 0);
	ck_assert(LIST_EMPTY(&n->kept));
}
END_TEST

START_TEST(test_not_kept_that_there_was_nothing)
{
	keep(SYS_accept4, -EAGAIN);
	ck_assert(LIST_EMPTY(&n->kept));
	keep(SYS_accept4, -ECONNABORTED);
	ck_assert(!LIST_EMPTY(&n->kept));
}
END_TEST

/* Messages, and SO_ERROR. */
START_TEST(test_kept_for_the_next_call_alone)
{
	static const int nr[] = {SYS_sendto,  SYS_sendmsg,  SYS_sendmmsg,  SYS_recvfrom,
				 SYS_recvmsg, SYS_recvmmsg, SYS_getsockopt};
	struct notify_call c = call(SYS_socket, -1);

	keep(SYS_accept4, 3);
	keep(nr[_i], 5);
	ck_assert(!notify_kept_take(&c));
	ck_assert_int_eq(LIST_FIRST(&n->kept)->call.data.nr, SYS_accept4);
	ck_assert_ptr_null(LIST_NEXT(LIST_FIRST(&n->kept), next));
}
END_TEST

/* The eldest goes. */
START_TEST(test_kept_are_bounded)
{
	struct notify_call c = call(SYS_socket, -1);
	unsigned got = 0;

	for (int i = 0; i < 20; i++)
		keep(SYS_socket, i);
	for (; notify_kept_take(&c); got++)
		ck_assert_int_eq(c.value, 19 - got);
	ck_assert_uint_eq(got, 8);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("notify_kept");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_kept_for_the_same_call_once);
	tcase_add_test(tc, test_kept_for_no_other);
	tcase_add_loop_test(tc, test_not_kept_where_it_may_be_had_anew, 0, 4);
	tcase_add_test(tc, test_not_kept_that_there_was_nothing);
	tcase_add_loop_test(tc, test_kept_for_the_next_call_alone, 0, 7);
	tcase_add_test(tc, test_kept_are_bounded);
	return unit_run("notify_kept", tc);
}
