/* A forked child has no stack: every call there says ENETDOWN; the parent's goes on. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static bool down(ssize_t r)
{
	bool is = r == -1 && errno == ENETDOWN;

	errno = 0;
	return is;
}

/* How many of a child's calls say anything else. */
static int odd_calls(struct stack *st, int fd, struct sockaddr_in *at)
{
	struct iovec iov = {at, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct weft_config cfg = {0};
	struct stack *other;
	socklen_t n = SA_LEN;
	int v = 0, odd = 0;

	weft_use(st);
	odd += !down(weft_socket(AF_INET, SOCK_STREAM, 0));
	odd += !down(weft_bind(fd, sa(at), SA_LEN));
	odd += !down(weft_connect(fd, sa(at), SA_LEN));
	odd += !down(weft_listen(fd, 1));
	odd += !down(weft_accept(fd, NULL, NULL));
	odd += !down(weft_accept4(fd, NULL, NULL, 0));
	odd += !down(weft_send(fd, "x", 1, 0));
	odd += !down(weft_sendto(fd, "x", 1, 0, sa(at), SA_LEN));
	odd += !down(weft_sendmsg(fd, &m, 0));
	odd += !down(weft_write(fd, "x", 1));
	odd += !down(weft_writev(fd, &iov, 1));
	odd += !down(weft_recv(fd, &v, 1, 0));
	odd += !down(weft_recvfrom(fd, &v, 1, 0, sa(at), &n));
	odd += !down(weft_recvmsg(fd, &m, 0));
	odd += !down(weft_read(fd, &v, 1));
	odd += !down(weft_readv(fd, &iov, 1));
	odd += !down(weft_shutdown(fd, SHUT_RD));
	odd += !down(weft_getsockname(fd, sa(at), &n));
	odd += !down(weft_getpeername(fd, sa(at), &n));
	odd += !down(weft_getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &n));
	odd += !down(weft_setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &v, sizeof(v)));
	odd += !down(weft_fcntl(fd, F_GETFL));
	odd += !down(weft_ioctl(fd, FIONREAD, &v));
	odd += !down(weft_poll(&p, 1, -1));
	odd += !down(weft_eventfd(fd, POLLIN));
	odd += !down(weft_close(fd));
	odd += weft_start(&cfg, &other) != -ENETDOWN;
	odd += weft_stop(st) != -ENETDOWN;
	return odd;
}

static int child_status(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(test_child_is_told_and_parent_goes_on)
{
	struct stack *st = sockets_begin();
	struct sockaddr_in at;
	int fd = sockets_bound(SOCK_DGRAM, &at);
	pid_t child = fork();
	char byte;

	if (child == 0)
		_exit(odd_calls(st, fd, &at));
	ck_assert_int_eq(child_status(child), 0);
	ck_assert_int_eq(weft_sendto(fd, "x", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert_int_eq(weft_recv(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(weft_close(fd), 0);
	sockets_end(st);
}
END_TEST

/* While other threads are inside calls and hold whatever they hold. */
START_TEST(test_child_of_a_busy_parent_hangs_nowhere)
{
	struct stack *st = sockets_begin();
	struct sockaddr_in at;
	struct blocked b = {.st = st, .fn = blocked_recv, .fd = sockets_bound(SOCK_DGRAM, &at)};

	blocked_begin(&b);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(odd_calls(st, b.fd, &at));
		ck_assert_int_eq(child_status(child), 0);
	}
	ck_assert_int_eq(weft_close(b.fd), 0);
	ck_assert_blocked(&b, EBADF);
	sockets_end(st);
}
END_TEST

/* A parent that has stopped its stacks has nothing the child could not have. */
START_TEST(test_child_after_stop_starts_its_own)
{
	const struct weft_config no_device = {.ndevices = 0};
	struct stack *st = sockets_begin();
	pid_t child;

	sockets_end(st);
	child = fork();
	if (child == 0) {
		if (weft_start(&no_device, &st))
			_exit(1);
		weft_use(st);
		if (weft_close(weft_socket(AF_INET, SOCK_DGRAM, 0)))
			_exit(2);
		_exit(weft_stop(st) ? 3 : 0);
	}
	ck_assert_int_eq(child_status(child), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fork");

	tcase_add_test(tc, test_child_is_told_and_parent_goes_on);
	tcase_add_test(tc, test_child_of_a_busy_parent_hangs_nowhere);
	tcase_add_test(tc, test_child_after_stop_starts_its_own);
	return unit_run("fork", tc);
}
