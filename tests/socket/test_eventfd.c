/* weft_eventfd(): readable exactly while the socket has one of the events asked for. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static char buf[1 << 16];

static void setup(void)
{
	st = sockets_begin();
}

static void teardown(void)
{
	sockets_close_all();
	sockets_end(st);
}

/* The kernel's view of it, now. */
static bool up(int efd)
{
	struct pollfd p = {.fd = efd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

START_TEST(test_udp_goes_up_with_data_and_down_when_read)
{
	struct sockaddr_in at;
	int fd = sockets_bound(SOCK_DGRAM, &at), efd = weft_eventfd(fd, POLLIN);

	ck_assert_int_ge(efd, 0);
	ck_assert_int_eq(fcntl(efd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(weft_eventfd(fd, POLLIN), efd);
	ck_assert(!up(efd));
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(weft_sendto(fd, "x", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert(up(efd));
	ck_assert_int_eq(weft_recv(fd, buf, 1, 0), 1);
	ck_assert(up(efd));
	ck_assert_int_eq(weft_recv(fd, buf, 1, 0), 1);
	ck_assert(!up(efd));
	ck_assert_int_eq(weft_sendto(fd, "x", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert(up(efd));
}
END_TEST

START_TEST(test_the_last_events_asked_for_count)
{
	struct sockaddr_in at;
	int fd = sockets_bound(SOCK_DGRAM, &at), efd = weft_eventfd(fd, POLLIN | POLLOUT);

	ck_assert(up(efd));
	ck_assert_int_eq(weft_eventfd(fd, POLLIN), efd);
	ck_assert(!up(efd));
	ck_assert_int_eq(weft_eventfd(fd, POLLWRNORM), efd);
	ck_assert(up(efd));
	ck_assert_int_eq(weft_eventfd(fd, 0), efd);
	ck_assert(!up(efd));
}
END_TEST

START_TEST(test_listener_goes_down_when_all_are_accepted)
{
	struct sockaddr_in at;
	int l = sockets_listener(&at), efd = weft_eventfd(l, POLLIN);

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(
		    weft_connect(weft_socket(AF_INET, SOCK_STREAM, 0), sa(&at), SA_LEN), 0);
	ck_assert(up(efd));
	ck_assert_int_ge(weft_accept(l, NULL, NULL), 0);
	ck_assert(up(efd));
	ck_assert_int_ge(weft_accept(l, NULL, NULL), 0);
	ck_assert(!up(efd));
}
END_TEST

START_TEST(test_writer_goes_down_when_full_and_up_again)
{
	int fd[2], efd;
	ssize_t n, left = 0;

	sockets_pair(fd);
	efd = weft_eventfd(fd[0], POLLOUT);
	ck_assert(up(efd));
	while ((n = weft_send(fd[0], buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		left += n;
	ck_assert(!up(efd));
	for (; left > 0; left -= n) {
		n = weft_recv(fd[1], buf, sizeof(buf), 0);
		ck_assert_int_gt(n, 0);
	}
	while (!up(efd)) /* the last acknowledgement may wait for its timer */
		poll(&(struct pollfd){.fd = efd, .events = POLLIN}, 1, -1);
}
END_TEST

START_TEST(test_error_counts_until_it_is_told)
{
	struct sockaddr_in at;
	int fd = sockets_bound(SOCK_DGRAM, &at), gone = sockets_bound(SOCK_DGRAM, &at), err;
	int efd = weft_eventfd(fd, 0);
	socklen_t n = sizeof(err);

	ck_assert_int_eq(weft_connect(fd, sa(&at), SA_LEN), 0);
	ck_assert_int_eq(weft_close(gone), 0);
	ck_assert_int_eq(weft_send(fd, "x", 1, 0), 1);
	ck_assert(up(efd));
	ck_assert_int_eq(weft_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n), 0);
	ck_assert_int_eq(err, ECONNREFUSED);
	ck_assert(!up(efd));
}
END_TEST

START_TEST(test_it_closes_with_its_socket)
{
	struct sockaddr_in at;
	int fd = sockets_bound(SOCK_DGRAM, &at), efd = weft_eventfd(fd, POLLIN);

	ck_assert_int_eq(weft_close(fd), 0);
	ck_assert_int_eq(fcntl(efd, F_GETFD), -1);
	ck_assert_errno(weft_eventfd(fd, POLLIN), EBADF);
}
END_TEST

START_TEST(test_the_end_of_the_stack_puts_it_up)
{
	struct sockaddr_in at;
	int fd = sockets_bound(SOCK_DGRAM, &at), efd = weft_eventfd(fd, POLLIN);

	sockets_end(st);
	ck_assert(up(efd));
	ck_assert_errno(weft_eventfd(fd, POLLIN), ENETDOWN);
	ck_assert_int_eq(weft_close(fd), 0);
	st = sockets_begin();
}
END_TEST

#define PINGS 300

static void *answer(void *arg)
{
	int fd = *(int *)arg;
	char byte;

	while (weft_recv(fd, &byte, 1, 0) == 1 && weft_send(fd, &byte, 1, 0) == 1)
		;
	return NULL;
}

/* An epoll loop on a socket that another thread answers: no event is lost, none is made up for long. */
START_TEST(test_epoll_loop_sees_every_answer)
{
	struct epoll_event e = {.events = EPOLLIN};
	int fd[2], ep = epoll_create1(EPOLL_CLOEXEC), got = 0;
	pthread_t t;

	sockets_pair(fd);
	ck_assert_int_eq(pthread_create(&t, NULL, answer, &fd[1]), 0);
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, weft_eventfd(fd[0], POLLIN), &e), 0);
	ck_assert_int_eq(weft_fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	while (got < PINGS) {
		ck_assert_int_eq(weft_send(fd[0], "p", 1, 0), 1);
		do
			ck_assert_int_eq(epoll_wait(ep, &e, 1, -1), 1);
		while (weft_recv(fd[0], buf, 1, 0) != 1);
		got++;
	}
	ck_assert_int_eq(weft_shutdown(fd[0], SHUT_WR), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	close(ep);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("eventfd");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_udp_goes_up_with_data_and_down_when_read);
	tcase_add_test(tc, test_the_last_events_asked_for_count);
	tcase_add_test(tc, test_listener_goes_down_when_all_are_accepted);
	tcase_add_test(tc, test_writer_goes_down_when_full_and_up_again);
	tcase_add_test(tc, test_error_counts_until_it_is_told);
	tcase_add_test(tc, test_it_closes_with_its_socket);
	tcase_add_test(tc, test_the_end_of_the_stack_puts_it_up);
	tcase_add_test(tc, test_epoll_loop_sees_every_answer);
	return unit_run("eventfd", tc);
}
