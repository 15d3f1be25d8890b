/*
 * weft_epoll_*: what a wait tells, by level, edge and once; the interest list; instances; ends.  On a
 * lab's clock; who sleeps on threads is in test_epoll_thread.c.
 */
#include <errno.h>
#include <unistd.h>

#include "lib/env.h"
#include "lib/slot.h"
#include "lib/stack.h"
#include "net/netdev.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct env *env;
static struct stack *st;
static int ep, udp;
static struct sockaddr_in at;

static void setup(void)
{
	env = env_lab_create(1);
	st = stack_create(env);
	ck_assert_ptr_nonnull(st);
	weft_use(st);
	ep = weft_epoll_create1(0);
	ck_assert_int_ge(ep, WEFT_FD_FIRST);
	udp = sockets_bound(SOCK_DGRAM, &at);
}

static void close_all(void)
{
	for (int fd = WEFT_FD_FIRST; fd < WEFT_FD_FIRST + 64; fd++)
		weft_close(fd);
}

static void teardown(void)
{
	close_all();
	weft_use(NULL);
	stack_destroy(st);
	env_lab_destroy(env);
}

static int ctl(int op, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	return weft_epoll_ctl(ep, op, fd, &e);
}

static void watch(int fd, uint32_t events)
{
	ck_assert_int_eq(ctl(EPOLL_CTL_ADD, fd, events), 0);
}

static void send_to(struct sockaddr_in *a)
{
	ck_assert_int_eq(weft_sendto(udp, "x", 1, 0, sa(a), SA_LEN), 1);
}

static void take_one(int fd)
{
	char byte;

	ck_assert_int_eq(weft_recv(fd, &byte, 1, MSG_DONTWAIT), 1);
}

/* The one event there is now, of `fd`; 0: none. */
static uint32_t ready(int fd)
{
	struct epoll_event e[4];
	int n = weft_epoll_wait(ep, e, 4, 0);

	ck_assert_int_ge(n, 0);
	ck_assert_int_le(n, 1);
	if (n)
		ck_assert_int_eq(e[0].data.fd, fd);
	return n ? e[0].events : 0;
}

/* --- what is told ------------------------------------------------------------------------------ */

START_TEST(test_level_tells_while_it_is_so)
{
	watch(udp, EPOLLIN);
	ck_assert_uint_eq(ready(udp), 0);
	send_to(&at);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	take_one(udp);
	ck_assert_uint_eq(ready(udp), 0);
}
END_TEST

START_TEST(test_edge_tells_each_arrival_once)
{
	watch(udp, EPOLLIN | EPOLLET);
	send_to(&at);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	ck_assert_uint_eq(ready(udp), 0);
	send_to(&at);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	take_one(udp);
	ck_assert_uint_eq(ready(udp), 0);
}
END_TEST

/* Whatever wakes it, an edge shows all that is so (Linux). */
START_TEST(test_edge_tells_both_ways_at_once)
{
	watch(udp, EPOLLIN | EPOLLOUT | EPOLLET);
	ck_assert_uint_eq(ready(udp), EPOLLOUT);
	send_to(&at);
	ck_assert_uint_eq(ready(udp), EPOLLIN | EPOLLOUT);
	ck_assert_uint_eq(ready(udp), 0);
}
END_TEST

START_TEST(test_edge_that_is_over_before_the_wait_is_not_told)
{
	watch(udp, EPOLLIN | EPOLLET);
	send_to(&at);
	take_one(udp);
	ck_assert_uint_eq(ready(udp), 0);
}
END_TEST

START_TEST(test_add_and_mod_tell_what_is_so_already)
{
	send_to(&at);
	watch(udp, EPOLLIN | EPOLLET);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	ck_assert_uint_eq(ready(udp), 0);
	ck_assert_int_eq(ctl(EPOLL_CTL_MOD, udp, EPOLLIN | EPOLLET), 0);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	ck_assert_int_eq(ctl(EPOLL_CTL_MOD, udp, EPOLLOUT), 0);
	ck_assert_uint_eq(ready(udp), EPOLLOUT);
	ck_assert_int_eq(ctl(EPOLL_CTL_MOD, udp, 0), 0);
	ck_assert_uint_eq(ready(udp), 0);
}
END_TEST

START_TEST(test_oneshot_is_silent_until_it_is_armed_again)
{
	watch(udp, EPOLLIN | EPOLLONESHOT);
	send_to(&at);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	send_to(&at);
	ck_assert_uint_eq(ready(udp), 0);
	ck_assert_int_eq(ctl(EPOLL_CTL_MOD, udp, EPOLLIN | EPOLLONESHOT), 0);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	ck_assert_uint_eq(ready(udp), 0);
}
END_TEST

/* A stream's states; ERR and HUP come unasked. */
START_TEST(test_stream_events)
{
	int fd[2], fresh = weft_socket(AF_INET, SOCK_STREAM, 0);

	watch(fresh, 0);
	ck_assert_uint_eq(ready(fresh), EPOLLHUP);
	ck_assert_int_eq(weft_close(fresh), 0);
	sockets_pair(fd);
	watch(fd[0], EPOLLIN | EPOLLRDHUP | EPOLLET);
	ck_assert_uint_eq(ready(fd[0]), 0);
	ck_assert_int_eq(weft_shutdown(fd[1], SHUT_WR), 0);
	ck_assert_uint_eq(ready(fd[0]), EPOLLIN | EPOLLRDHUP);
	ck_assert_int_eq(weft_shutdown(fd[0], SHUT_WR), 0);
	ck_assert_uint_eq(ready(fd[0]), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}
END_TEST

START_TEST(test_reset_is_err_and_hup)
{
	struct linger now = {.l_onoff = 1};
	int fd[2];

	sockets_pair(fd);
	watch(fd[0], 0);
	ck_assert_uint_eq(ready(fd[0]), 0);
	ck_assert_int_eq(weft_setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	ck_assert_int_eq(weft_close(fd[1]), 0);
	ck_assert_uint_eq(ready(fd[0]), EPOLLERR | EPOLLHUP);
}
END_TEST

/* What arrives wakes who asks by another name of poll(2), too, since the first or later. */
START_TEST(test_other_names_of_what_arrives)
{
	const uint32_t name = _i ? EPOLLRDBAND : EPOLLRDNORM;
	int fd[2];

	sockets_pair(fd);
	watch(fd[0], name | EPOLLET);
	watch(fd[1], EPOLLET);
	ck_assert_int_eq(ctl(EPOLL_CTL_MOD, fd[1], name | EPOLLET), 0);
	ck_assert_uint_eq(ready(fd[0]), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(weft_send(fd[1 - i], "x", 1, _i ? MSG_OOB : 0), 1);
		ck_assert_uint_eq(ready(fd[i]), name);
	}
}
END_TEST

START_TEST(test_writable_again_is_an_edge)
{
	const uint32_t name = (uint32_t[]){EPOLLOUT, EPOLLWRNORM, EPOLLWRBAND}[_i];
	static char zeros[1 << 16];
	int fd[2];

	sockets_pair(fd);
	watch(fd[0], name | EPOLLET);
	ck_assert_uint_eq(ready(fd[0]), name);
	while (weft_send(fd[0], zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(ready(fd[0]), 0);
	while (weft_recv(fd[1], zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
		env_lab_advance(env, NSEC_PER_MSEC);
	ck_assert_uint_eq(ready(fd[0]), name);
}
END_TEST

/* More are ready than the array holds: each gets its turn. */
START_TEST(test_small_array_goes_round)
{
	struct epoll_event e[2];
	unsigned seen[5] = {0};
	int fd[5];

	for (int i = 0; i < 5; i++) {
		struct epoll_event ev = {.events = EPOLLOUT, .data.u32 = (uint32_t)i};

		fd[i] = weft_socket(AF_INET, SOCK_DGRAM, 0);
		ck_assert_int_eq(weft_epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &ev), 0);
	}
	for (int round = 0; round < 5; round++) {
		ck_assert_int_eq(weft_epoll_wait(ep, e, 2, 0), 2);
		seen[e[0].data.u32]++;
		seen[e[1].data.u32]++;
	}
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(seen[i], 2);
}
END_TEST

/* --- errors ------------------------------------------------------------------------------------ */

START_TEST(test_interest_list_errors)
{
	struct epoll_event e = {.events = EPOLLIN};
	int other = weft_epoll_create(1);

	ck_assert_errno(ctl(EPOLL_CTL_MOD, udp, EPOLLIN), ENOENT);
	ck_assert_errno(ctl(EPOLL_CTL_DEL, udp, 0), ENOENT);
	watch(udp, EPOLLIN);
	ck_assert_errno(ctl(EPOLL_CTL_ADD, udp, EPOLLIN), EEXIST);
	ck_assert_errno(weft_epoll_ctl(ep, EPOLL_CTL_MOD, udp, NULL), EFAULT);
	ck_assert_errno(ctl(99, udp, 0), EINVAL);
	ck_assert_errno(ctl(EPOLL_CTL_ADD, WEFT_FD_FIRST + 999, 0), EBADF);
	ck_assert_errno(ctl(EPOLL_CTL_ADD, -1, 0), EBADF);
	ck_assert_errno(ctl(EPOLL_CTL_ADD, STDIN_FILENO, 0), EPERM);
	ck_assert_errno(ctl(EPOLL_CTL_ADD, ep, 0), EINVAL);
	ck_assert_errno(ctl(EPOLL_CTL_ADD, other, 0), EINVAL);
	ck_assert_errno(weft_epoll_ctl(udp, EPOLL_CTL_ADD, udp, &e), EINVAL);
	ck_assert_int_eq(weft_epoll_ctl(ep, EPOLL_CTL_DEL, udp, NULL), 0);
	ck_assert_errno(ctl(EPOLL_CTL_DEL, udp, 0), ENOENT);
}
END_TEST

START_TEST(test_exclusive_errors)
{
	ck_assert_errno(ctl(EPOLL_CTL_ADD, udp, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
	ck_assert_errno(ctl(EPOLL_CTL_ADD, udp, EPOLLRDHUP | EPOLLEXCLUSIVE), EINVAL);
	watch(udp, EPOLLIN | EPOLLEXCLUSIVE);
	ck_assert_errno(ctl(EPOLL_CTL_MOD, udp, EPOLLIN), EINVAL);
	ck_assert_int_eq(ctl(EPOLL_CTL_DEL, udp, 0), 0);
	watch(udp, EPOLLIN);
	ck_assert_errno(ctl(EPOLL_CTL_MOD, udp, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
}
END_TEST

START_TEST(test_instance_errors)
{
	struct epoll_event e;
	char byte;

	ck_assert_errno(weft_epoll_create(0), EINVAL);
	ck_assert_errno(weft_epoll_create1(1), EINVAL);
	ck_assert_errno(weft_epoll_wait(ep, &e, 0, 0), EINVAL);
	ck_assert_errno(weft_epoll_wait(ep, NULL, 1, 0), EFAULT);
	ck_assert_errno(weft_epoll_wait(udp, &e, 1, 0), EINVAL);
	ck_assert_errno(weft_epoll_wait(WEFT_FD_FIRST + 999, &e, 1, 0), EBADF);
	ck_assert_errno(weft_epoll_wait(STDIN_FILENO, &e, 1, 0), EBADF);
	ck_assert_errno(weft_recv(ep, &byte, 1, 0), ENOTSOCK);
	ck_assert_errno(weft_listen(ep, 1), ENOTSOCK);
}
END_TEST

/* --- ends -------------------------------------------------------------------------------------- */

START_TEST(test_closed_socket_is_off_the_list)
{
	int again;

	watch(udp, EPOLLIN | EPOLLOUT);
	ck_assert_int_eq(weft_close(udp), 0);
	ck_assert_uint_eq(ready(udp), 0);
	again = weft_socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(again, udp); /* the number is used anew, and stands for another */
	ck_assert_uint_eq(ready(udp), 0);
	ck_assert_errno(ctl(EPOLL_CTL_MOD, udp, EPOLLIN), ENOENT);
	watch(udp, EPOLLOUT);
	ck_assert_uint_eq(ready(udp), EPOLLOUT);
}
END_TEST

START_TEST(test_two_instances_watch_one_socket)
{
	int first = ep, second = weft_epoll_create1(EPOLL_CLOEXEC);

	watch(udp, EPOLLIN);
	ep = second;
	watch(udp, EPOLLIN | EPOLLET);
	send_to(&at);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	ep = first;
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	ck_assert_int_eq(weft_close(second), 0);
	send_to(&at);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
}
END_TEST

/* The instance goes first, or the stack does: its sockets stay good. */
START_TEST(test_closed_instance_leaves_its_sockets)
{
	watch(udp, EPOLLIN);
	ck_assert_int_eq(weft_close(ep), 0);
	send_to(&at);
	take_one(udp);
	ck_assert_errno(ctl(EPOLL_CTL_DEL, udp, 0), EBADF);
}
END_TEST

START_TEST(test_ended_stack_is_enetdown)
{
	struct epoll_event e;

	watch(udp, EPOLLIN);
	weft_use(NULL);
	stack_destroy(st);
	ck_assert_errno(weft_epoll_wait(ep, &e, 1, 0), ENETDOWN);
	ck_assert_errno(ctl(EPOLL_CTL_DEL, udp, 0), ENETDOWN);
	ck_assert_int_eq(weft_close(_i ? ep : udp), 0);
	ck_assert_int_eq(weft_close(_i ? udp : ep), 0);
	st = stack_create(env);
}
END_TEST

/* --- poll of an instance ----------------------------------------------------------------------- */

static short poll_instance(void)
{
	struct pollfd p = {.fd = ep, .events = POLLIN | POLLOUT};

	ck_assert_int_ge(weft_poll(&p, 1, 0), 0);
	return p.revents;
}

START_TEST(test_instance_is_readable_while_it_has_something)
{
	watch(udp, EPOLLIN | (_i ? (uint32_t)EPOLLET : 0));
	ck_assert_int_eq(poll_instance(), 0);
	send_to(&at);
	ck_assert_int_eq(poll_instance(), POLLIN);
	ck_assert_int_eq(poll_instance(), POLLIN);
	ck_assert_uint_eq(ready(udp), EPOLLIN);
	ck_assert_int_eq(poll_instance(), _i ? 0 : POLLIN);
}
END_TEST

START_TEST(test_instance_whose_event_is_over_is_not_readable)
{
	watch(udp, EPOLLIN);
	send_to(&at);
	take_one(udp);
	ck_assert_int_eq(poll_instance(), 0);
	send_to(&at);
	ck_assert_int_eq(poll_instance(), POLLIN);
}
END_TEST

/* --- time -------------------------------------------------------------------------------------- */

START_TEST(test_timeout)
{
	uint64_t begin = env_now(env);
	struct epoll_event e = {.events = 77};

	watch(udp, EPOLLIN);
	ck_assert_int_eq(weft_epoll_wait(ep, &e, 1, 250), 0);
	ck_assert_uint_eq(env_now(env) - begin, 250 * NSEC_PER_MSEC);
	ck_assert_uint_eq(e.events, 77);                          /* nothing was written */
	ck_assert_errno(weft_epoll_wait(ep, &e, 1, -1), EDEADLK); /* a lab where nothing can come */
}
END_TEST

/* As any wait, it ends the time in which answers to the last events may be held back. */
START_TEST(test_wait_of_no_time_ends_a_hold)
{
	struct rhythm *r = &slot_get(st)->rhythm;
	struct epoll_event e;

	watch(udp, EPOLLIN);
	r->led = netdev_next(st, NULL)->queue;
	netdev_wait_told(st, 16);
	ck_assert_uint_eq(r->holds, 16);
	ck_assert_int_eq(weft_epoll_wait(ep, &e, 1, 0), 0);
	ck_assert_uint_eq(r->holds, 0);
}
END_TEST

static const struct env_ops *lab_ops;
static unsigned readings;

static uint64_t counted_now(struct env *e)
{
	readings++;
	return lab_ops->now(e);
}

/* By when a wait ends concerns who sleeps. */
START_TEST(test_wait_that_finds_something_reads_no_clock)
{
	struct pollfd p = {.fd = udp, .events = POLLIN};
	struct env_ops counted = *env->ops;
	struct epoll_event e;

	watch(udp, EPOLLIN);
	send_to(&at);
	lab_ops = env->ops;
	counted.now = counted_now;
	env->ops = &counted;
	ck_assert_int_eq(weft_epoll_wait(ep, &e, 1, 1000), 1);
	ck_assert_int_eq(weft_poll(&p, 1, 1000), 1);
	env->ops = lab_ops;
	ck_assert_uint_eq(readings, 0);
}
END_TEST

static void late_datagram(void *arg)
{
	weft_use(st);
	send_to(&at);
}

START_TEST(test_event_ends_a_wait)
{
	struct alarm a = {.fire = late_datagram};
	uint64_t begin = env_now(env);
	struct epoll_event e;

	watch(udp, EPOLLIN);
	atomic_store(&a.when, begin + 30 * NSEC_PER_MSEC);
	env_alarm_add(env, &a);
	ck_assert_int_eq(weft_epoll_wait(ep, &e, 1, 250), 1);
	ck_assert_uint_eq(env_now(env) - begin, 30 * NSEC_PER_MSEC);
	ck_assert_uint_eq(e.events, EPOLLIN);
	env_alarm_del(env, &a);
}
END_TEST

static void datagram_for_another(void *arg)
{
	late_datagram(arg);
	take_one(udp);
}

/* What woke it was another's by the time it looked, by a wait or by a poll of the instance: the next event wakes it too. */
START_TEST(test_exclusive_event_that_was_over_is_not_the_last)
{
	struct alarm gone = {.fire = datagram_for_another}, a = {.fire = late_datagram};
	struct pollfd p = {.fd = ep, .events = POLLIN};
	uint64_t begin = env_now(env);
	struct epoll_event e;

	watch(udp, EPOLLIN | EPOLLEXCLUSIVE);
	atomic_store(&gone.when, begin + 20 * NSEC_PER_MSEC);
	atomic_store(&a.when, begin + 30 * NSEC_PER_MSEC);
	env_alarm_add(env, &gone);
	env_alarm_add(env, &a);
	ck_assert_int_eq(_i ? weft_poll(&p, 1, 250) : weft_epoll_wait(ep, &e, 1, 250), 1);
	ck_assert_uint_eq(env_now(env) - begin, 30 * NSEC_PER_MSEC);
	env_alarm_del(env, &gone);
	env_alarm_del(env, &a);
}
END_TEST

static void tests_of_what_is_told(TCase *tc)
{
	tcase_add_test(tc, test_level_tells_while_it_is_so);
	tcase_add_test(tc, test_edge_tells_each_arrival_once);
	tcase_add_test(tc, test_edge_tells_both_ways_at_once);
	tcase_add_test(tc, test_edge_that_is_over_before_the_wait_is_not_told);
	tcase_add_test(tc, test_add_and_mod_tell_what_is_so_already);
	tcase_add_test(tc, test_oneshot_is_silent_until_it_is_armed_again);
	tcase_add_test(tc, test_stream_events);
	tcase_add_test(tc, test_reset_is_err_and_hup);
	tcase_add_loop_test(tc, test_other_names_of_what_arrives, 0, 2);
	tcase_add_loop_test(tc, test_writable_again_is_an_edge, 0, 3);
	tcase_add_test(tc, test_small_array_goes_round);
	tcase_add_loop_test(tc, test_instance_is_readable_while_it_has_something, 0, 2);
	tcase_add_test(tc, test_instance_whose_event_is_over_is_not_readable);
	tcase_add_test(tc, test_timeout);
	tcase_add_test(tc, test_wait_of_no_time_ends_a_hold);
	tcase_add_test(tc, test_wait_that_finds_something_reads_no_clock);
	tcase_add_test(tc, test_event_ends_a_wait);
	tcase_add_loop_test(tc, test_exclusive_event_that_was_over_is_not_the_last, 0, 2);
}

static void tests_of_errors_and_ends(TCase *tc)
{
	tcase_add_test(tc, test_interest_list_errors);
	tcase_add_test(tc, test_exclusive_errors);
	tcase_add_test(tc, test_instance_errors);
	tcase_add_test(tc, test_closed_socket_is_off_the_list);
	tcase_add_test(tc, test_two_instances_watch_one_socket);
	tcase_add_test(tc, test_closed_instance_leaves_its_sockets);
	tcase_add_loop_test(tc, test_ended_stack_is_enetdown, 0, 2);
}

int main(void)
{
	TCase *tc = tcase_create("epoll");

	tcase_add_checked_fixture(tc, setup, teardown);
	tests_of_what_is_told(tc);
	tests_of_errors_and_ends(tc);
	return unit_run("epoll", tc);
}
