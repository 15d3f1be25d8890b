/* Descriptors: lowest first, used again, looked up while others come and go. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "socket/socket_priv.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define MANY 2100 /* more than two chunks of the table */

static int dgram(void)
{
	return weft_socket(AF_INET, SOCK_DGRAM, 0);
}

START_TEST(test_open_close_open_gives_the_lowest)
{
	struct stack *st = sockets_begin();
	int a = dgram(), b = dgram(), c = dgram();

	ck_assert_int_eq(a, WEFT_FD_FIRST);
	ck_assert_int_eq(b, a + 1);
	ck_assert_int_eq(c, a + 2);
	ck_assert_int_eq(weft_close(b), 0);
	ck_assert_int_eq(weft_close(a), 0);
	ck_assert_int_eq(dgram(), a);
	ck_assert_int_eq(dgram(), b);
	ck_assert_int_eq(dgram(), c + 1);
	for (int fd = a; fd <= c + 1; fd++)
		ck_assert_int_eq(weft_close(fd), 0);
	sockets_end(st);
}
END_TEST

START_TEST(test_none_such_is_ebadf)
{
	struct stack *st = sockets_begin();
	static const int none[] = {
	    -1, 0, 1, WEFT_FD_FIRST - 1, WEFT_FD_FIRST + 1, WEFT_FD_FIRST + (1 << 20), 0x7fffffff};
	int fd = dgram();
	char byte;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		ck_assert_errno(weft_close(none[i]), EBADF);
		ck_assert_errno(weft_recv(none[i], &byte, 1, 0), EBADF);
		ck_assert_errno(weft_fcntl(none[i], F_GETFL), EBADF);
	}
	ck_assert_int_eq(weft_close(fd), 0);
	ck_assert_errno(weft_close(fd), EBADF);
	ck_assert_errno(weft_send(fd, "", 0, 0), EBADF);
	sockets_end(st);
}
END_TEST

START_TEST(test_thousands_are_distinct_and_given_back)
{
	struct stack *st = sockets_begin();

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++)
			ck_assert_int_eq(dgram(), WEFT_FD_FIRST + i);
		ck_assert_int_eq(gauge_read(st, GAUGE_sockets), MANY);
		for (int i = MANY; i-- > 0;)
			ck_assert_int_eq(weft_close(WEFT_FD_FIRST + i), 0);
		ck_assert_int_eq(gauge_read(st, GAUGE_sockets), 0);
	}
	sockets_end(st);
}
END_TEST

START_TEST(test_flags_are_kept)
{
	struct stack *st = sockets_begin();
	int fd = weft_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(weft_fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	ck_assert_int_eq(weft_fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(weft_fcntl(fd, F_SETFL, 0), 0);
	ck_assert_int_eq(weft_fcntl(fd, F_SETFD, 0), 0);
	ck_assert_int_eq(weft_fcntl(fd, F_GETFL), O_RDWR);
	ck_assert_int_eq(weft_fcntl(fd, F_GETFD), 0);
	ck_assert_errno(weft_fcntl(fd, F_DUPFD, 0), EINVAL);
	ck_assert_int_eq(weft_close(fd), 0);
	sockets_end(st);
}
END_TEST

START_TEST(test_a_new_one_inherits_nothing)
{
	struct stack *st = sockets_begin();
	struct timeval tv = {.tv_sec = 7};
	int fd = weft_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t n = sizeof(tv);

	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_ge(weft_eventfd(fd, POLLIN), 0);
	ck_assert_int_eq(weft_close(fd), 0);
	ck_assert_int_eq(dgram(), fd);
	ck_assert_int_eq(weft_fcntl(fd, F_GETFL), O_RDWR);
	ck_assert_int_eq(weft_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &n), 0);
	ck_assert_int_eq(tv.tv_sec, 0);
	ck_assert_int_eq(weft_close(fd), 0);
	sockets_end(st);
}
END_TEST

START_TEST(test_ended_stack_keeps_the_number_until_close)
{
	struct stack *st = sockets_begin();
	struct pollfd p = {.events = POLLIN};
	int fd = dgram(), on = 1;

	sockets_end(st);
	ck_assert_errno(weft_send(fd, "x", 1, 0), ENETDOWN);
	ck_assert_errno(weft_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), ENETDOWN);
	p.fd = fd;
	ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
	ck_assert_int_eq(p.revents, POLLERR | POLLHUP);
	st = sockets_begin();
	ck_assert_int_eq(dgram(), fd + 1);
	ck_assert_int_eq(weft_close(fd), 0);
	ck_assert_errno(weft_close(fd), EBADF);
	ck_assert_int_eq(dgram(), fd);
	sockets_end(st);
	ck_assert_int_eq(weft_close(fd), 0);
	ck_assert_int_eq(weft_close(fd + 1), 0);
}
END_TEST

/* --- none is left ------------------------------------------------------------------------------- */

/* Takes every number there is; returns the last. */
static int take_all(void)
{
	int fd, last = -1;

	while ((fd = fd_reserve()) >= 0)
		last = fd;
	ck_assert_int_eq(fd, -EMFILE);
	return last;
}

static void give_back(int from, int to)
{
	for (int fd = from; fd <= to; fd++)
		fd_release(fd);
}

START_TEST(test_none_left_is_emfile)
{
	struct stack *st = sockets_begin();
	int last = take_all(), fd;

	ck_assert_errno(dgram(), EMFILE);
	ck_assert_errno(weft_close(last), EBADF); /* taken, but nobody's yet */
	ck_assert_int_eq(gauge_read(st, GAUGE_sockets), 0);
	fd_release(last);
	fd = dgram();
	ck_assert_int_eq(fd, last);
	ck_assert_int_eq(weft_close(fd), 0);
	give_back(WEFT_FD_FIRST, last - 1);
	sockets_end(st);
}
END_TEST

/* accept() that finds no descriptor leaves the connection where it is, and its peer in peace. */
START_TEST(test_none_left_accept_keeps_the_connection)
{
	struct stack *st = sockets_begin();
	struct sockaddr_in a;
	int ls = sockets_listener(&a), fd = weft_socket(AF_INET, SOCK_STREAM, 0), last, child;
	char byte;

	ck_assert_int_eq(weft_connect(fd, sa(&a), SA_LEN), 0);
	last = take_all();
	ck_assert_errno(weft_accept(ls, NULL, NULL), EMFILE);
	ck_assert_errno(weft_recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN); /* no reset */
	fd_release(last);
	child = weft_accept(ls, NULL, NULL);
	ck_assert_int_eq(child, last);
	ck_assert_int_eq(weft_send(fd, "x", 1, 0), 1);
	ck_assert_int_eq(weft_recv(child, &byte, 1, 0), 1);
	ck_assert_int_eq(weft_close(child), 0);
	give_back(fd + 1, last - 1);
	ck_assert_int_eq(weft_close(fd), 0);
	ck_assert_int_eq(weft_close(ls), 0);
	sockets_end(st);
}
END_TEST

/* A refused socket() and an accept() that has nothing to take give their number back. */
START_TEST(test_refused_calls_give_their_number_back)
{
	struct stack *st = sockets_begin();
	struct sockaddr_in a;
	int ls = sockets_listener(&a), fd;

	ck_assert_errno(weft_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	ck_assert_int_eq(weft_fcntl(ls, F_SETFL, O_NONBLOCK), 0);
	ck_assert_errno(weft_accept(ls, NULL, NULL), EAGAIN);
	fd = dgram();
	ck_assert_int_eq(fd, ls + 1);
	ck_assert_errno(weft_accept(fd, NULL, NULL), EOPNOTSUPP);
	ck_assert_int_eq(dgram(), fd + 1);
	for (int i = ls; i <= fd + 1; i++)
		ck_assert_int_eq(weft_close(i), 0);
	sockets_end(st);
}
END_TEST

/* --- several threads ---------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS 400

/*
 * LOCKING
 *	c	constant once the threads run	a	atomic
 */
struct churn {
	struct stack *st;        /* c */
	_Atomic unsigned closed; /* a */
	_Atomic unsigned odd;    /* a: answers that no order of events explains */
};

static void churn_look(struct churn *c, int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	if (weft_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0)
		c->odd += type != SOCK_DGRAM && type != SOCK_RAW;
	else
		c->odd += errno != EBADF;
}

/* Opens, looks at everybody's, and closes whatever has the number: each close that says 0 is one. */
static void *churn_thread(void *arg)
{
	struct churn *c = arg;

	weft_use(c->st);
	for (int i = 0; i < ROUNDS; i++) {
		int fd = i % 3 ? dgram() : weft_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

		c->odd += fd < WEFT_FD_FIRST;
		for (int j = 0; j < THREADS; j++)
			churn_look(c, WEFT_FD_FIRST + j);
		if (weft_close(WEFT_FD_FIRST + i % THREADS) == 0)
			c->closed++;
	}
	return NULL;
}

START_TEST(test_threads_open_look_and_close)
{
	struct churn c = {.st = sockets_begin()};
	pthread_t t[THREADS];
	unsigned left = 0;

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, churn_thread, &c), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(c.odd, 0);
	for (int i = 0; i < THREADS * ROUNDS; i++)
		left += weft_close(WEFT_FD_FIRST + i) == 0;
	ck_assert_uint_eq(c.closed + left, THREADS * ROUNDS);
	ck_assert_int_eq(gauge_read(c.st, GAUGE_socks), 0);
	sockets_end(c.st);
}
END_TEST

static void *use_thread(void *arg)
{
	int fd = *(int *)arg;
	struct sockaddr_in a = in4("127.0.0.1", 9);

	while (weft_sendto(fd, "x", 1, 0, sa(&a), SA_LEN) >= 0 || errno == ENOBUFS)
		; /* lo's queue may be full */
	return (void *)(intptr_t)errno;
}

/* close() and weft_stop() while others are anywhere in a call: EBADF, ENETDOWN and nothing else. */
START_TEST(test_close_while_others_call)
{
	struct stack *st = sockets_begin();
	pthread_t t[THREADS];
	void *err;

	for (int round = 0; round < 20; round++) {
		int fd = dgram();

		for (int i = 0; i < THREADS; i++)
			ck_assert_int_eq(pthread_create(&t[i], NULL, use_thread, &fd), 0);
		ck_assert_int_eq(weft_close(fd), 0);
		for (int i = 0; i < THREADS; i++) {
			ck_assert_int_eq(pthread_join(t[i], &err), 0);
			ck_assert_int_eq((intptr_t)err, EBADF);
		}
	}
	sockets_end(st);
}
END_TEST

START_TEST(test_stop_while_others_call)
{
	pthread_t t[THREADS];
	void *err;

	for (int round = 0; round < 20; round++) {
		struct stack *st = sockets_begin();
		int fd = dgram();

		for (int i = 0; i < THREADS; i++)
			ck_assert_int_eq(pthread_create(&t[i], NULL, use_thread, &fd), 0);
		sockets_end(st);
		for (int i = 0; i < THREADS; i++) {
			ck_assert_int_eq(pthread_join(t[i], &err), 0);
			ck_assert_int_eq((intptr_t)err, ENETDOWN);
		}
		ck_assert_int_eq(weft_close(fd), 0);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fd");

	tcase_add_test(tc, test_open_close_open_gives_the_lowest);
	tcase_add_test(tc, test_none_such_is_ebadf);
	tcase_add_test(tc, test_thousands_are_distinct_and_given_back);
	tcase_add_test(tc, test_flags_are_kept);
	tcase_add_test(tc, test_a_new_one_inherits_nothing);
	tcase_add_test(tc, test_ended_stack_keeps_the_number_until_close);
	tcase_add_test(tc, test_none_left_is_emfile);
	tcase_add_test(tc, test_none_left_accept_keeps_the_connection);
	tcase_add_test(tc, test_refused_calls_give_their_number_back);
	tcase_add_test(tc, test_threads_open_look_and_close);
	tcase_add_test(tc, test_close_while_others_call);
	tcase_add_test(tc, test_stop_while_others_call);
	return unit_run("fd", tc);
}
