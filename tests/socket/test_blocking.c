/* Threads that sleep in a call, and what ends it: data, close(), a cancel, a signal, the end of time or of the stack. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "lib/env.h"
#include "lib/stack.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define SLEEPERS 6

static struct stack *st;

static void setup(void)
{
	st = sockets_begin();
}

static void teardown(void)
{
	sockets_close_all();
	sockets_end(st);
}

/* A socket whose connection attempt is not answered: its far end has a full queue. */
static int unanswered(struct sockaddr_in *at)
{
	int l = sockets_bound(SOCK_STREAM, at);

	ck_assert_int_eq(weft_listen(l, 1), 0);
	for (int i = 0; i < 2; i++)
		weft_connect(weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), sa(at), SA_LEN);
	return weft_socket(AF_INET, SOCK_STREAM, 0);
}

static ssize_t do_connect(int fd, void *at)
{
	return weft_connect(fd, at, SA_LEN);
}

/* Until nothing goes: a part may be all that went in its time though the peer had room for more. */
static ssize_t do_send(int fd, void *arg)
{
	static char zeros[1 << 16];
	ssize_t n;

	while ((n = weft_send(fd, zeros, sizeof(zeros), 0)) > 0)
		;
	return n;
}

/* One sleeper in each blocking call; index is what the loop tests take. */
struct sleeper {
	struct blocked b;
	struct sockaddr_in at;
};

static void sleep_in(struct sleeper *s, int call)
{
	static ssize_t (*const fn[])(int, void *) = {blocked_recv, blocked_accept, do_connect,
						     blocked_recv, do_send};
	int fd[2];

	s->b = (struct blocked){.st = st, .fn = fn[call], .arg = &s->at};
	switch (call) {
	case 0:
		s->b.fd = sockets_bound(SOCK_DGRAM, &s->at);
		break;
	case 1:
		s->b.fd = sockets_listener(&s->at);
		break;
	case 2:
		s->b.fd = unanswered(&s->at);
		break;
	default:
		sockets_pair(fd);
		s->b.fd = fd[0];
	}
	blocked_begin(&s->b);
}

START_TEST(test_asleep_close_is_ebadf)
{
	struct sleeper s;

	sleep_in(&s, _i);
	ck_assert_int_eq(weft_close(s.b.fd), 0);
	ck_assert_blocked(&s.b, EBADF);
}
END_TEST

START_TEST(test_asleep_stop_is_enetdown)
{
	struct sleeper s;

	sleep_in(&s, _i);
	sockets_end(st);
	ck_assert_blocked(&s.b, ENETDOWN);
	ck_assert_int_eq(weft_close(s.b.fd), 0);
	st = sockets_begin();
}
END_TEST

static void cancel(struct blocked *b)
{
	struct waiter *w = atomic_load(&b->waiter);

	atomic_store(&w->cancel, true);
	waiter_wake(st->env, w);
}

START_TEST(test_asleep_cancel_is_eintr)
{
	struct sleeper s;

	sleep_in(&s, _i);
	cancel(&s.b);
	ck_assert_blocked(&s.b, EINTR);
}
END_TEST

/* --- signals -------------------------------------------------------------------------------------- */

static _Atomic int signals;

static void on_signal(int sig)
{
	signals++;
}

static void handle(int flags)
{
	struct sigaction sig = {.sa_handler = on_signal, .sa_flags = flags};

	ck_assert_int_eq(sigaction(SIGUSR1, &sig, NULL), 0);
}

START_TEST(test_asleep_signal_is_eintr)
{
	struct sleeper s;

	handle(0);
	sleep_in(&s, _i);
	ck_assert_int_eq(blocked_end_by(&s.b, SIGUSR1), -1);
	ck_assert_int_eq(s.b.error, EINTR);
	ck_assert_int_ge(signals, 1);
}
END_TEST

#ifndef WEFT_TSAN
START_TEST(test_asleep_signal_that_restarts_is_not_told)
{
	struct sockaddr_in at;
	struct blocked b = {.st = st, .fn = blocked_recv, .fd = sockets_bound(SOCK_DGRAM, &at)};

	handle(SA_RESTART);
	blocked_begin(&b);
	ck_assert_int_eq(pthread_kill(b.thread, SIGUSR1), 0);
	while (!signals)
		sched_yield();
	ck_assert_int_eq(weft_sendto(b.fd, "x", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert_int_eq(blocked_end(&b), 1);
}
END_TEST
#endif

/* With a time a signal is always told (socket(7), signal(7)). */
START_TEST(test_asleep_with_a_time_signal_is_eintr)
{
	struct timeval hour = {.tv_sec = 3600};
	struct sockaddr_in at;
	struct blocked b = {.st = st, .fn = blocked_recv, .fd = sockets_bound(SOCK_DGRAM, &at)};

	handle(SA_RESTART);
	ck_assert_int_eq(weft_setsockopt(b.fd, SOL_SOCKET, SO_RCVTIMEO, &hour, sizeof(hour)), 0);
	blocked_begin(&b);
	ck_assert_int_eq(blocked_end_by(&b, SIGUSR1), -1);
	ck_assert_int_eq(b.error, EINTR);
}
END_TEST

/* --- time ------------------------------------------------------------------------------------------ */

START_TEST(test_time_over)
{
	struct timeval tv = {.tv_usec = 1000};
	struct sockaddr_in at;
	int udp = sockets_bound(SOCK_DGRAM, &at), l = sockets_listener(&at), fd[2];
	char byte;

	ck_assert_int_eq(weft_setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_errno(weft_recv(udp, &byte, 1, 0), EAGAIN);
	ck_assert_int_eq(weft_setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_errno(weft_accept(l, NULL, NULL), EAGAIN);
	sockets_pair(fd);
	ck_assert_int_eq(weft_setsockopt(fd[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(do_send(fd[0], NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

/* Of a send that may not wait there is no time to be over: what fits goes, then nothing. */
START_TEST(test_time_of_a_send_that_may_not_wait)
{
	static char zeros[8 << 20];
	struct timeval hour = {.tv_sec = 3600};
	int fd[2];
	ssize_t n;

	sockets_pair(fd);
	ck_assert_int_eq(weft_setsockopt(fd[0], SOL_SOCKET, SO_SNDTIMEO, &hour, sizeof(hour)), 0);
	if (_i)
		weft_fcntl(fd[0], F_SETFL, O_NONBLOCK);
	while ((n = weft_send(fd[0], zeros, sizeof(zeros), _i ? 0 : MSG_DONTWAIT)) > 0)
		ck_assert_int_lt(n, (ssize_t)sizeof(zeros));
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(test_time_over_in_connect_goes_on_by_itself)
{
	struct timeval tv = {.tv_usec = 1000};
	struct sockaddr_in at;
	int fd = unanswered(&at);

	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_errno(weft_connect(fd, sa(&at), SA_LEN), EINPROGRESS);
	ck_assert_errno(weft_connect(fd, sa(&at), SA_LEN), EALREADY);
}
END_TEST

/* --- several sleepers on one socket ----------------------------------------------------------------- */

START_TEST(test_each_connection_wakes_one_accept)
{
	struct blocked b[SLEEPERS];
	struct sockaddr_in at;
	int l = sockets_listener(&at);

	for (int i = 0; i < SLEEPERS; i++) {
		b[i] = (struct blocked){.st = st, .fn = blocked_accept, .fd = l};
		blocked_begin(&b[i]);
	}
	for (int i = 0; i < SLEEPERS; i++) {
		int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

		ck_assert_int_eq(weft_connect(fd, sa(&at), SA_LEN), 0);
	}
	for (int i = 0; i < SLEEPERS; i++)
		ck_assert_int_ge(blocked_end(&b[i]), WEFT_FD_FIRST);
}
END_TEST

/* A connection that comes while one of several is cancelled is taken by somebody. */
START_TEST(test_cancelled_accept_passes_no_connection_by)
{
	struct sockaddr_in at;
	int l = sockets_listener(&at);

	for (int round = 0; round < 30; round++) {
		struct blocked b[2];
		int fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), got = 0;

		for (int i = 0; i < 2; i++) {
			b[i] = (struct blocked){.st = st, .fn = blocked_accept, .fd = l};
			blocked_begin(&b[i]);
		}
		weft_connect(fd, sa(&at), SA_LEN);
		cancel(&b[1]);
		if (blocked_end(&b[1]) >= 0)
			got++;
		if (got)
			cancel(&b[0]);
		if (blocked_end(&b[0]) >= 0)
			got++;
		ck_assert_int_eq(got, 1);
		for (int i = 0; i < 2; i++)
			if (b[i].result >= 0)
				weft_close((int)b[i].result);
		weft_close(fd);
	}
}
END_TEST

START_TEST(test_all_sleepers_leave_at_close)
{
	struct blocked b[SLEEPERS];
	struct sockaddr_in at;
	int fd = _i ? sockets_listener(&at) : sockets_bound(SOCK_DGRAM, &at);

	for (int i = 0; i < SLEEPERS; i++) {
		b[i] =
		    (struct blocked){.st = st, .fn = _i ? blocked_accept : blocked_recv, .fd = fd};
		blocked_begin(&b[i]);
	}
	ck_assert_int_eq(weft_close(fd), 0);
	for (int i = 0; i < SLEEPERS; i++)
		ck_assert_blocked(&b[i], EBADF);
}
END_TEST

START_TEST(test_shutdown_wakes_accept_and_connect)
{
	struct sockaddr_in at;
	struct blocked a = {.st = st, .fn = blocked_accept, .fd = sockets_listener(&at)};
	struct blocked c = {.st = st, .fn = do_connect, .arg = &at};

	blocked_begin(&a);
	ck_assert_int_eq(weft_shutdown(a.fd, SHUT_RD), 0);
	ck_assert_blocked(&a, EINVAL);
	c.fd = unanswered(&at);
	blocked_begin(&c);
	ck_assert_int_eq(weft_shutdown(c.fd, SHUT_RDWR), 0);
	ck_assert_blocked(&c, ECONNABORTED);
}
END_TEST

static ssize_t accept_named(int fd, void *arg)
{
	socklen_t n = SA_LEN;

	return weft_accept(fd, arg, &n);
}

/* One of the two it is: a connection, whose stack has ended, or ENETDOWN. */
START_TEST(test_stop_as_a_connection_is_accepted)
{
	struct sockaddr_in at, from;
	struct blocked a = {.st = st, .fn = accept_named, .arg = &from};
	int fd = sockets_open(SOCK_STREAM, 0);

	a.fd = sockets_listener(&at);
	blocked_begin(&a);
	ck_assert_int_eq(weft_connect(fd, sa(&at), SA_LEN), 0);
	sockets_end(st);
	if (blocked_end(&a) < 0)
		ck_assert_int_eq(a.error, ENETDOWN);
	else
		ck_assert_uint_eq(from.sin_addr.s_addr, at.sin_addr.s_addr);
	sockets_close_all();
	st = sockets_begin();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("blocking");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_asleep_close_is_ebadf, 0, 5);
	tcase_add_loop_test(tc, test_asleep_stop_is_enetdown, 0, 5);
	tcase_add_loop_test(tc, test_asleep_cancel_is_eintr, 0, 5);
	tcase_add_loop_test(tc, test_asleep_signal_is_eintr, 0, 4);
#ifndef WEFT_TSAN /* which sleeps with a time: see lib/env_thread.c */
	tcase_add_test(tc, test_asleep_signal_that_restarts_is_not_told);
#endif
	tcase_add_test(tc, test_asleep_with_a_time_signal_is_eintr);
	tcase_add_test(tc, test_time_over);
	tcase_add_loop_test(tc, test_time_of_a_send_that_may_not_wait, 0, 2);
	tcase_add_test(tc, test_time_over_in_connect_goes_on_by_itself);
	tcase_add_test(tc, test_each_connection_wakes_one_accept);
	tcase_add_test(tc, test_cancelled_accept_passes_no_connection_by);
	tcase_add_loop_test(tc, test_all_sleepers_leave_at_close, 0, 2);
	tcase_add_test(tc, test_shutdown_wakes_accept_and_connect);
	tcase_add_loop_test(tc, test_stop_as_a_connection_is_accepted, 0, 10);
	return unit_run("blocking", tc);
}
