/*
 * weft_cb_* on threads: programs' threads against the one that tells, and what weft_stop() tells.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define CALLERS 4
#define ROUNDS 20
#define ATTEMPTS 300

static int echo(void *arg, int fd, const void *data, size_t n)
{
	if (!n)
		return weft_close(fd);
	ck_assert_msg(weft_cb_recved(fd, n) == 0, "%s", strerror(errno));
	ck_assert_int_eq(weft_send(fd, data, n, 0), (ssize_t)n);
	return 0;
}

static int echo_accept(void *arg, int fd)
{
	return weft_cb_recv(fd, echo);
}

struct caller {
	struct stack *st;
	struct sockaddr_in at;
};

static void *caller_run(void *arg)
{
	struct caller *c = arg;
	char buf[64] = "a line";

	weft_use(c->st);
	for (int i = 0; i < ROUNDS; i++) {
		int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

		ck_assert_int_eq(weft_connect(fd, sa(&c->at), SA_LEN), 0);
		ck_assert_int_eq(weft_send(fd, buf, sizeof(buf), 0), sizeof(buf));
		ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), MSG_WAITALL), sizeof(buf));
		ck_assert_int_eq(weft_close(fd), 0);
	}
	return NULL;
}

static struct stack *threads;
static _Atomic int stop_answer;

static _Atomic unsigned connected, gone;
static _Atomic int gone_err;

static void on_connected(void *arg, int fd, int err)
{
	ck_assert_int_eq(err, 0);
	connected++;
}

static void on_gone(void *arg, int err)
{
	gone++;
	gone_err = err;
}

static void stop_here(void *arg, int fd)
{
	stop_answer = weft_stop(threads);
}

/* Programs' threads against one thread that tells; the end takes what is left, and says so. */
START_TEST(test_threads_echo_and_end)
{
	struct caller c = {.st = threads = sockets_begin()};
	int listener = sockets_listener(&c.at), fd = weft_socket(AF_INET, SOCK_STREAM, 0);
	pthread_t t[CALLERS];

	ck_assert_int_eq(weft_cb_accept(listener, echo_accept), 0);
	for (int i = 0; i < CALLERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, caller_run, &c), 0);
	for (int i = 0; i < CALLERS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_int_eq(weft_cb_err(fd, on_gone), 0);
	ck_assert_int_eq(weft_cb_connect(fd, sa(&c.at), SA_LEN, on_connected), 0);
	while (!connected)
		sched_yield();
	stop_answer = 0;
	ck_assert_int_eq(weft_cb_poll(fd, stop_here, 1), 0);
	while (!stop_answer)
		sched_yield();
	ck_assert_int_eq(stop_answer, -EDEADLK);
	sockets_end(threads);
	ck_assert_uint_eq(gone, 1);
	ck_assert_int_eq(gone_err, ENETDOWN);
	ck_assert_errno(weft_close(listener), EBADF);
}
END_TEST

static void *set_arg(void *fd)
{
	weft_use(threads);
	ck_assert_int_eq(weft_cb_arg(*(int *)fd, NULL), 0);
	return NULL;
}

/* Two threads give one socket its first callback while bytes come. */
START_TEST(test_threads_begin_one_socket)
{
	char buf[8] = "a line";
	pthread_t t;
	int fd[2];

	threads = sockets_begin();
	for (int i = 0; i < ROUNDS; i++) {
		sockets_pair(fd);
		ck_assert_int_eq(pthread_create(&t, NULL, set_arg, &fd[1]), 0);
		ck_assert_int_eq(weft_send(fd[0], buf, sizeof(buf), 0), sizeof(buf));
		ck_assert_int_eq(weft_cb_err(fd[1], on_gone), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
		ck_assert_int_eq(weft_cb_recv(fd[1], echo), 0);
		ck_assert_int_eq(weft_send(fd[0], buf, sizeof(buf), 0), sizeof(buf));
		ck_assert_int_gt(weft_recv(fd[0], buf, sizeof(buf), 0), 0);
		ck_assert_int_eq(weft_close(fd[0]), 0);
	}
	sockets_end(threads);
}
END_TEST

static _Atomic bool settled;

static void *set_args(void *fd)
{
	weft_use(threads);
	while (!settled)
		weft_cb_arg(*(int *)fd, NULL);
	return NULL;
}

static void on_outcome(void *arg, int fd, int err)
{
	ck_assert_int_eq(err, 0);
	settled = true;
}

/* The thread that tells looks at a socket all the while its connect() begins: that is not an end of it. */
START_TEST(test_threads_look_while_it_connects)
{
	struct sockaddr_in at;
	pthread_t t;
	int listener, fd;

	threads = sockets_begin();
	listener = sockets_listener(&at);
	for (int i = 0; i < ATTEMPTS; i++) {
		settled = false;
		fd = weft_socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_eq(weft_cb_arg(fd, NULL), 0);
		ck_assert_int_eq(pthread_create(&t, NULL, set_args, &fd), 0);
		ck_assert_int_eq(weft_cb_connect(fd, sa(&at), SA_LEN, on_outcome), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
		ck_assert_int_eq(weft_close(fd), 0);
		ck_assert_int_eq(weft_close(weft_accept(listener, NULL, NULL)), 0);
	}
	ck_assert_int_eq(weft_close(listener), 0);
	sockets_end(threads);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("callback_thread");

	tcase_add_test(tc, test_threads_echo_and_end);
	tcase_add_test(tc, test_threads_begin_one_socket);
	tcase_add_test(tc, test_threads_look_while_it_connects);
	return unit_run("callback_thread", tc);
}
