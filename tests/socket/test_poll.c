/* weft_poll(): events of each kind of socket, the kernel's descriptors beside them, several stacks. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/env.h"
#include "lib/slot.h"
#include "lib/stack.h"
#include "net/netdev.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static int udp, pipe_fd[2];
static struct sockaddr_in at;

static void setup(void)
{
	st = sockets_begin();
	udp = sockets_bound(SOCK_DGRAM, &at);
	ck_assert_int_eq(pipe(pipe_fd), 0);
}

static void teardown(void)
{
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	for (int fd = WEFT_FD_FIRST; fd < WEFT_FD_FIRST + 64; fd++)
		weft_close(fd);
	sockets_end(st);
}

static void send_to(int fd, struct sockaddr_in *a)
{
	ck_assert_int_eq(weft_sendto(fd, "x", 1, 0, sa(a), SA_LEN), 1);
}

static short poll_one(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n = weft_poll(&p, 1, 0);

	ck_assert_int_eq(n, p.revents != 0);
	return p.revents;
}

START_TEST(test_udp_is_writable_and_readable_with_data)
{
	const short all = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI;

	ck_assert_int_eq(poll_one(udp, all), POLLOUT | POLLWRNORM);
	ck_assert_int_eq(poll_one(udp, POLLIN), 0);
	send_to(udp, &at);
	ck_assert_int_eq(poll_one(udp, all), POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	ck_assert_int_eq(poll_one(udp, POLLRDNORM), POLLRDNORM);
	ck_assert_int_eq(poll_one(udp, 0), 0);
}
END_TEST

/* Though it does not sleep: answers that were held back go, and no more are held. */
START_TEST(test_one_that_finds_something_ends_a_hold)
{
	struct rhythm *r = &slot_get(st)->rhythm;

	r->led = netdev_next(st, NULL)->queue;
	netdev_wait_told(st, 16);
	ck_assert_uint_eq(r->holds, 16);
	ck_assert_int_eq(poll_one(udp, POLLOUT), POLLOUT);
	ck_assert_uint_eq(r->holds, 0);
}
END_TEST

START_TEST(test_tcp_states)
{
	struct sockaddr_in a;
	int fd[2], fresh = weft_socket(AF_INET, SOCK_STREAM, 0), l = sockets_listener(&a);

	ck_assert_int_eq(poll_one(fresh, POLLIN | POLLOUT), POLLOUT | POLLHUP);
	ck_assert_int_eq(poll_one(l, POLLIN | POLLOUT), 0);
	ck_assert_int_eq(weft_connect(fresh, sa(&a), SA_LEN), 0);
	ck_assert_int_eq(poll_one(l, POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
	sockets_pair(fd);
	ck_assert_int_eq(poll_one(fd[0], POLLIN | POLLOUT | POLLRDHUP), POLLOUT);
	ck_assert_int_eq(weft_shutdown(fd[1], SHUT_WR), 0);
	ck_assert_int_eq(poll_one(fd[0], POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
	ck_assert_int_eq(weft_shutdown(fd[0], SHUT_WR), 0);
	ck_assert_int_eq(poll_one(fd[0], 0), POLLHUP);
}
END_TEST

START_TEST(test_no_such_descriptor_is_nval)
{
	struct pollfd p[3] = {{.fd = WEFT_FD_FIRST + 999, .events = POLLIN},
			      {.fd = -1, .events = POLLIN, .revents = 77},
			      {.fd = udp, .events = POLLOUT}};

	ck_assert_int_eq(weft_poll(p, 3, -1), 2);
	ck_assert_int_eq(p[0].revents, POLLNVAL);
	ck_assert_int_eq(p[1].revents, 0);
	ck_assert_int_eq(p[2].revents, POLLOUT);
	ck_assert_int_eq(weft_poll(p, 1, -1), 1);
	ck_assert_int_eq(weft_poll(p + 1, 1, 0), 0);
	ck_assert_errno(weft_poll(NULL, 1, 0), EFAULT);
	ck_assert_int_eq(weft_poll(NULL, 0, 0), 0);
	ck_assert_errno(weft_poll(p, 1u << 21, 0), EINVAL);
}
END_TEST

START_TEST(test_kernel_descriptors_alone)
{
	struct pollfd p = {.fd = pipe_fd[0], .events = POLLIN};

	ck_assert_int_eq(weft_poll(&p, 1, 0), 0);
	ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
	ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
	ck_assert_int_eq(p.revents, POLLIN);
}
END_TEST

/* A socket that is always ready hides no descriptor of the kernel. */
START_TEST(test_both_kinds_ready_are_both_told)
{
	struct pollfd p[2] = {{.fd = udp, .events = POLLOUT}, {.fd = pipe_fd[0], .events = POLLIN}};

	ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
	ck_assert_int_eq(weft_poll(p, 2, -1), 2);
	ck_assert_int_eq(p[0].revents, POLLOUT);
	ck_assert_int_eq(p[1].revents, POLLIN);
	p[0].fd = WEFT_FD_FIRST + 999;
	ck_assert_int_eq(weft_poll(p, 2, -1), 2);
}
END_TEST

/* --- asleep ------------------------------------------------------------------------------------------ */

/* Polls what arg points to: two elements, for ever; the sum of what is ready. */
static ssize_t poll_two(int fd, void *arg)
{
	return weft_poll(arg, 2, -1);
}

START_TEST(test_asleep_a_socket_wakes)
{
	struct pollfd p[2] = {{.fd = udp, .events = _i ? POLLRDNORM : POLLIN}, {.fd = -1}};
	struct blocked b = {.st = st, .fn = poll_two, .arg = p};

	blocked_begin(&b);
	send_to(udp, &at);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_int_eq(p[0].revents, p[0].events);
}
END_TEST

START_TEST(test_asleep_beside_a_pipe_either_wakes)
{
	struct pollfd p[2] = {{.fd = udp, .events = POLLIN}, {.fd = pipe_fd[0], .events = POLLIN}};
	struct blocked b = {.st = st, .fn = poll_two, .arg = p};

	blocked_begin(&b);
	if (_i)
		send_to(udp, &at);
	else
		ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_int_eq(p[!_i].revents, POLLIN);
	ck_assert_int_eq(p[_i].revents, 0);
}
END_TEST

START_TEST(test_asleep_close_is_nval)
{
	struct pollfd p[2] = {{.fd = udp, .events = POLLIN}, {.fd = -1}};
	struct blocked b = {.st = st, .fn = poll_two, .arg = p};

	blocked_begin(&b);
	ck_assert_int_eq(weft_close(udp), 0);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_int_eq(p[0].revents, POLLNVAL);
}
END_TEST

START_TEST(test_asleep_stop_is_err_and_hup)
{
	struct pollfd p[2] = {{.fd = udp, .events = POLLIN},
			      {.fd = _i ? pipe_fd[0] : -1, .events = POLLIN}};
	struct blocked b = {.st = st, .fn = poll_two, .arg = p};

	blocked_begin(&b);
	sockets_end(st);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_int_eq(p[0].revents, POLLERR | POLLHUP);
	st = sockets_begin();
}
END_TEST

START_TEST(test_asleep_cancel_is_eintr)
{
	struct pollfd p[2] = {{.fd = udp, .events = POLLIN}, {.fd = -1}};
	struct blocked b = {.st = st, .fn = poll_two, .arg = p};
	struct waiter *w;

	blocked_begin(&b);
	w = atomic_load(&b.waiter);
	atomic_store(&w->cancel, true);
	waiter_wake(st->env, w);
	ck_assert_blocked(&b, EINTR);
}
END_TEST

static void on_signal(int sig)
{
}

START_TEST(test_asleep_signal_is_eintr)
{
	struct sigaction sig = {.sa_handler = on_signal};
	struct pollfd p[2] = {{.fd = udp, .events = POLLIN}, {.fd = pipe_fd[0], .events = POLLIN}};
	struct blocked b = {.st = st, .fn = poll_two, .arg = p};

	ck_assert_int_eq(sigaction(SIGUSR1, &sig, NULL), 0);
	blocked_begin(&b);
	ck_assert_int_eq(blocked_end_by(&b, SIGUSR1), -1);
	ck_assert_int_eq(b.error, EINTR);
}
END_TEST

START_TEST(test_time_over_is_none)
{
	struct pollfd p[2] = {{.fd = udp, .events = POLLIN}, {.fd = pipe_fd[0], .events = POLLIN}};

	ck_assert_int_eq(weft_poll(p, 1, 1), 0);
	ck_assert_int_eq(weft_poll(p, 2, 1), 0);
	ck_assert_int_eq(p[0].revents | p[1].revents, 0);
}
END_TEST

START_TEST(test_many_descriptors)
{
	struct pollfd p[40];
	int fd = -1;

	for (int i = 0; i < 40; i++) {
		fd = i < 20 ? weft_socket(AF_INET, SOCK_DGRAM, 0) : udp;
		p[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	p[0].fd = pipe_fd[0];
	send_to(udp, &at);
	ck_assert_int_eq(weft_poll(p, 40, -1), 20);
	ck_assert_int_eq(p[20].revents, POLLIN);
	ck_assert_int_eq(p[19].revents, 0);
}
END_TEST

/* poll(2) refuses more elements than the process may have descriptors; weft's own are not among these. */
START_TEST(test_more_than_the_process_may_open_beside_a_pipe)
{
	struct rlimit was, few;
	struct pollfd p[80];
	int n;

	for (int i = 0; i < 80; i++)
		p[i] = (struct pollfd){.fd = udp, .events = POLLIN};
	p[79].fd = pipe_fd[0];
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	n = weft_poll(p, 80, 1);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
	ck_assert_int_eq(weft_poll(p, 80, -1), 1);
	ck_assert_int_eq(p[79].revents, POLLIN);
	send_to(udp, &at);
	ck_assert_int_eq(weft_poll(p, 80, -1), 80);
	ck_assert_int_eq(p[79].revents, POLLIN);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
}
END_TEST

/* --- several stacks ---------------------------------------------------------------------------------- */

struct two {
	struct stack *other;
	struct sockaddr_in at;
	int fd;
};

static void two_begin(struct two *t)
{
	t->other = sockets_begin();
	t->fd = sockets_bound(SOCK_DGRAM, &t->at);
	weft_use(st);
}

static void two_end(struct two *t)
{
	ck_assert_int_eq(weft_stop(t->other), 0);
}

START_TEST(test_two_stacks_either_wakes)
{
	struct two t;
	struct pollfd p[2] = {{.fd = udp, .events = POLLIN}};
	struct blocked b = {.st = st, .fn = poll_two, .arg = p};

	two_begin(&t);
	p[1] = (struct pollfd){.fd = t.fd, .events = POLLIN};
	blocked_begin(&b);
	send_to(_i ? t.fd : udp, _i ? &t.at : &at);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_int_eq(p[_i].revents, POLLIN);
	two_end(&t);
}
END_TEST

/* The end of either is told; the stack in which the poll slept is not gone under it. */
START_TEST(test_two_stacks_one_stops)
{
	struct two t;
	struct pollfd p[2] = {{.fd = udp, .events = POLLIN}};
	struct blocked b = {.st = st, .fn = poll_two, .arg = p};

	two_begin(&t);
	p[1] = (struct pollfd){.fd = t.fd, .events = POLLIN};
	blocked_begin(&b);
	if (_i) {
		two_end(&t);
	} else {
		sockets_end(st);
		st = sockets_begin();
	}
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_int_eq(p[_i].revents, POLLERR | POLLHUP);
	ck_assert_int_eq(weft_poll(p, 2, -1), 1);
	if (!_i)
		two_end(&t);
}
END_TEST

static void *feed(void *arg)
{
	struct two *t = arg;

	while (weft_sendto(t->fd, "x", 1, 0, sa(&t->at), SA_LEN) >= 0 || errno == ENOBUFS)
		; /* lo's queue may be full */
	return NULL;
}

/* Wakes by another stack come while the poller's own comes and goes. */
START_TEST(test_wakes_across_stacks_while_one_ends)
{
	struct two t;
	pthread_t feeder;
	char byte;

	two_begin(&t);
	ck_assert_int_eq(pthread_create(&feeder, NULL, feed, &t), 0);
	for (int i = 0; i < 20; i++) {
		struct stack *own = sockets_begin();
		struct pollfd p[2] = {{.fd = weft_socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN},
				      {.fd = t.fd, .events = POLLIN}};

		for (int j = 0; j < 20; j++) {
			ck_assert_int_eq(weft_poll(p, 2, -1), 1);
			while (weft_recv(t.fd, &byte, 1, MSG_DONTWAIT) == 1)
				;
		}
		sockets_end(own);
		weft_close(p[0].fd);
	}
	two_end(&t);
	ck_assert_int_eq(pthread_join(feeder, NULL), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("poll");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_udp_is_writable_and_readable_with_data);
	tcase_add_test(tc, test_one_that_finds_something_ends_a_hold);
	tcase_add_test(tc, test_tcp_states);
	tcase_add_test(tc, test_no_such_descriptor_is_nval);
	tcase_add_test(tc, test_kernel_descriptors_alone);
	tcase_add_test(tc, test_both_kinds_ready_are_both_told);
	tcase_add_loop_test(tc, test_asleep_a_socket_wakes, 0, 2);
	tcase_add_loop_test(tc, test_asleep_beside_a_pipe_either_wakes, 0, 2);
	tcase_add_test(tc, test_asleep_close_is_nval);
	tcase_add_loop_test(tc, test_asleep_stop_is_err_and_hup, 0, 2);
	tcase_add_test(tc, test_asleep_cancel_is_eintr);
	tcase_add_test(tc, test_asleep_signal_is_eintr);
	tcase_add_test(tc, test_time_over_is_none);
	tcase_add_test(tc, test_many_descriptors);
	tcase_add_test(tc, test_more_than_the_process_may_open_beside_a_pipe);
	tcase_add_loop_test(tc, test_two_stacks_either_wakes, 0, 2);
	tcase_add_loop_test(tc, test_two_stacks_one_stops, 0, 2);
	tcase_add_test(tc, test_wakes_across_stacks_while_one_ends);
	return unit_run("poll", tc);
}
