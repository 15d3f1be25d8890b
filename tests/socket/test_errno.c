/* Every call by every errno it can give from its arguments and the socket's kind or state. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static int udp, tcp, listener, epoll, pair[2];
static struct sockaddr_in at, at_listener;
static char buf[64];

static void setup(void)
{
	st = sockets_begin();
	sockets_pair(pair);
	udp = sockets_bound(SOCK_DGRAM, &at);
	listener = sockets_listener(&at_listener);
	tcp = weft_socket(AF_INET, SOCK_STREAM, 0);
	epoll = weft_epoll_create1(0);
}

static void teardown(void)
{
	sockets_close_all();
	sockets_end(st);
}

/* Linux: an address longer than any is refused, but of sendmsg() the rest is not looked at. */
START_TEST(test_address_longer_than_any)
{
	struct sockaddr_storage long_[2] = {{0}};
	struct sockaddr *a = (struct sockaddr *)long_;
	const socklen_t most = sizeof(struct sockaddr_storage);
	struct iovec iov = {buf, 1};
	struct msghdr m = {
	    .msg_name = long_, .msg_namelen = most + 1, .msg_iov = &iov, .msg_iovlen = 1};
	int fd = sockets_open(SOCK_DGRAM, 0);

	memcpy(long_, &at, sizeof(at));
	ck_assert_errno(weft_sendto(fd, buf, 1, 0, a, most + 1), EINVAL);
	ck_assert_errno(weft_sendto(-1, buf, 1, 0, a, most + 1), EBADF);
	ck_assert_int_eq(weft_sendto(fd, buf, 1, 0, a, most), 1);
	ck_assert_int_eq(weft_sendmsg(fd, &m, 0), 1);
	m.msg_namelen = (socklen_t)-1;
	ck_assert_errno(weft_sendmsg(fd, &m, 0), EINVAL);
	ck_assert_errno(weft_connect(fd, a, most + 1), EINVAL);
	ck_assert_int_eq(weft_connect(fd, a, most), 0);
	ck_assert_int_eq(weft_close(fd), 0);
	fd = sockets_open(SOCK_DGRAM, 0);
	ck_assert_errno(weft_bind(fd, a, most + 1), EINVAL);
	ck_assert_int_eq(weft_close(fd), 0);
}
END_TEST

/* --- what has nothing to do with the socket ----------------------------------------------------------- */

/* Every call on one descriptor; they all must fail with `err`. */
static void all_fail(int fd, int err)
{
	struct iovec iov = {buf, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct sockaddr_in a = at;
	socklen_t n = SA_LEN;
	int v = 0;

	ck_assert_errno(weft_bind(fd, sa(&a), SA_LEN), err);
	ck_assert_errno(weft_connect(fd, sa(&a), SA_LEN), err);
	ck_assert_errno(weft_listen(fd, 1), err);
	ck_assert_errno(weft_accept(fd, NULL, NULL), err);
	ck_assert_errno(weft_accept4(fd, NULL, NULL, 0), err);
	ck_assert_errno(weft_send(fd, buf, 1, 0), err);
	ck_assert_errno(weft_sendto(fd, buf, 1, 0, sa(&a), SA_LEN), err);
	ck_assert_errno(weft_sendmsg(fd, &m, 0), err);
	ck_assert_errno(weft_write(fd, buf, 1), err);
	ck_assert_errno(weft_writev(fd, &iov, 1), err);
	ck_assert_errno(weft_recv(fd, buf, 1, 0), err);
	ck_assert_errno(weft_recvfrom(fd, buf, 1, 0, sa(&a), &n), err);
	ck_assert_errno(weft_recvmsg(fd, &m, 0), err);
	ck_assert_errno(weft_read(fd, buf, 1), err);
	ck_assert_errno(weft_read(fd, buf, 0), err);
	ck_assert_errno(weft_readv(fd, &iov, 1), err);
	ck_assert_errno(weft_shutdown(fd, SHUT_WR), err);
	ck_assert_errno(weft_getsockname(fd, sa(&a), &n), err);
	ck_assert_errno(weft_getpeername(fd, sa(&a), &n), err);
	ck_assert_errno(weft_getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &n), err);
	ck_assert_errno(weft_setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &v, sizeof(v)), err);
	ck_assert_errno(weft_fcntl(fd, F_GETFL), err);
	ck_assert_errno(weft_ioctl(fd, FIONREAD, &v), err);
	ck_assert_errno(weft_eventfd(fd, POLLIN), err);
}

START_TEST(test_closed_descriptor_is_ebadf)
{
	ck_assert_int_eq(weft_close(udp), 0);
	all_fail(udp, EBADF);
	ck_assert_errno(weft_close(udp), EBADF);
	all_fail(0, EBADF);
	all_fail(-1, EBADF);
}
END_TEST

START_TEST(test_stopped_stack_is_enetdown)
{
	sockets_end(st);
	all_fail(udp, ENETDOWN);
	all_fail(tcp, ENETDOWN);
	all_fail(pair[0], ENETDOWN);
	ck_assert_errno(weft_socket(AF_INET, SOCK_DGRAM, 0), ENETDOWN);
	ck_assert_int_eq(weft_close(udp), 0);
	st = sockets_begin();
}
END_TEST

/* --- one test a call ------------------------------------------------------------------------------------ */

START_TEST(test_socket)
{
	ck_assert_errno(weft_socket(AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
	ck_assert_errno(weft_socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
	ck_assert_errno(weft_socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
	ck_assert_errno(weft_socket(AF_INET, 99, 0), ESOCKTNOSUPPORT);
	ck_assert_errno(weft_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	ck_assert_errno(weft_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
	ck_assert_errno(weft_socket(AF_INET, SOCK_STREAM, -1), EINVAL);
}
END_TEST

START_TEST(test_bind)
{
	struct sockaddr_in a = in4("127.0.0.1", 0), six = a, far = in4("192.0.2.1", 0), taken = at;
	int fresh = weft_socket(AF_INET, SOCK_DGRAM, 0);

	six.sin_family = AF_INET6;
	ck_assert_errno(weft_bind(fresh, NULL, SA_LEN), EFAULT);
	ck_assert_errno(weft_bind(fresh, sa(&a), SA_LEN - 1), EINVAL);
	ck_assert_errno(weft_bind(fresh, sa(&six), SA_LEN), EAFNOSUPPORT);
	ck_assert_errno(weft_bind(fresh, sa(&far), SA_LEN), EADDRNOTAVAIL);
	ck_assert_errno(weft_bind(fresh, sa(&taken), SA_LEN), EADDRINUSE);
	ck_assert_errno(weft_bind(udp, sa(&a), SA_LEN), EINVAL);
	ck_assert_errno(weft_bind(pair[0], sa(&a), SA_LEN), EINVAL);
	ck_assert_int_eq(weft_bind(fresh, sa(&a), SA_LEN), 0);
}
END_TEST

START_TEST(test_connect)
{
	struct sockaddr_in six = at, far = in4("192.0.2.1", 9), many = in4("224.0.0.1", 9);

	six.sin_family = AF_INET6;
	ck_assert_errno(weft_connect(tcp, NULL, SA_LEN), EFAULT);
	ck_assert_errno(weft_connect(tcp, sa(&at), 1), EINVAL);
	ck_assert_errno(weft_connect(tcp, sa(&six), SA_LEN), EAFNOSUPPORT);
	ck_assert_errno(weft_connect(tcp, sa(&far), SA_LEN), ENETUNREACH);
	ck_assert_errno(weft_connect(tcp, sa(&many), SA_LEN), ENETUNREACH);
	ck_assert_errno(weft_connect(tcp, sa(&at), SA_LEN), ECONNREFUSED);
	ck_assert_errno(weft_connect(pair[0], sa(&at_listener), SA_LEN), EISCONN);
	ck_assert_errno(weft_connect(listener, sa(&at_listener), SA_LEN), EISCONN);
}
END_TEST

START_TEST(test_listen_and_accept)
{
	ck_assert_errno(weft_listen(udp, 1), EOPNOTSUPP);
	ck_assert_errno(weft_listen(pair[0], 1), EINVAL);
	ck_assert_int_eq(weft_listen(listener, -1), 0);
	ck_assert_errno(weft_accept(udp, NULL, NULL), EOPNOTSUPP);
	ck_assert_errno(weft_accept(tcp, NULL, NULL), EINVAL);
	ck_assert_errno(weft_accept(pair[0], NULL, NULL), EINVAL);
	ck_assert_errno(weft_accept4(listener, NULL, NULL, 0x10000000), EINVAL);
	ck_assert_errno(weft_accept(listener, sa(&at), NULL), EFAULT);
	ck_assert_int_eq(weft_fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	ck_assert_errno(weft_accept(listener, NULL, NULL), EAGAIN);
}
END_TEST

START_TEST(test_names)
{
	struct sockaddr_in a;
	socklen_t n = SA_LEN, bad = (socklen_t)-1;

	ck_assert_errno(weft_getsockname(udp, NULL, &n), EFAULT);
	ck_assert_errno(weft_getsockname(udp, sa(&a), NULL), EFAULT);
	ck_assert_errno(weft_getsockname(udp, sa(&a), &bad), EINVAL);
	ck_assert_errno(weft_getpeername(udp, sa(&a), &n), ENOTCONN);
	ck_assert_errno(weft_getpeername(tcp, sa(&a), &n), ENOTCONN);
	ck_assert_errno(weft_getpeername(listener, sa(&a), &n), ENOTCONN);
	n = 0;
	ck_assert_int_eq(weft_getsockname(udp, sa(&a), &n), 0);
	ck_assert_uint_eq(n, SA_LEN);
}
END_TEST

START_TEST(test_messages)
{
	struct iovec iov[2] = {{buf, SSIZE_MAX}, {buf, SSIZE_MAX}}, null = {NULL, 1};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	struct sockaddr_in six = at;

	six.sin_family = AF_INET6;
	ck_assert_errno(weft_sendmsg(udp, NULL, 0), EFAULT);
	ck_assert_errno(weft_recvmsg(udp, NULL, 0), EFAULT);
	ck_assert_errno(weft_sendmsg(udp, &m, 0), EINVAL);
	ck_assert_errno(weft_recvmsg(udp, &m, 0), EINVAL);
	m.msg_iovlen = IOV_MAX + 1;
	ck_assert_errno(weft_sendmsg(udp, &m, 0), EMSGSIZE);
	ck_assert_errno(weft_writev(udp, iov, IOV_MAX + 1), EINVAL);
	ck_assert_errno(weft_readv(udp, iov, -1), EINVAL);
	ck_assert_errno(weft_writev(udp, &null, 1), EFAULT);
	ck_assert_errno(weft_readv(pair[0], NULL, 1), EFAULT);
	ck_assert_errno(weft_recv(udp, NULL, 1, 0), EFAULT);
	ck_assert_errno(weft_sendto(udp, buf, 1, 0, sa(&six), SA_LEN), EAFNOSUPPORT);
	ck_assert_errno(weft_sendto(udp, buf, 1, 0, sa(&at), 8), EINVAL);
	ck_assert_errno(weft_sendto(udp, buf, 1, MSG_OOB, sa(&at), SA_LEN), EOPNOTSUPP);
	ck_assert_errno(weft_recvfrom(udp, buf, 1, MSG_DONTWAIT, sa(&at), NULL), EFAULT);
}
END_TEST

/* Of several things that are wrong the first one is told: the descriptor, the flags, the length, the buffer. */
START_TEST(test_which_of_several_errors_of_data)
{
	const int bad = 0x800000, fds[] = {udp, pair[0]};
	const size_t long_ = (size_t)SSIZE_MAX + 1;

	ck_assert_errno(weft_send(-1, NULL, long_, bad), EBADF);
	ck_assert_errno(weft_recv(-1, NULL, long_, bad), EBADF);
	ck_assert_errno(weft_send(epoll, NULL, long_, bad), ENOTSOCK);
	ck_assert_errno(weft_recv(epoll, NULL, long_, bad), ENOTSOCK);
	for (int i = 0; i < 2; i++) {
		ck_assert_errno(weft_send(fds[i], NULL, long_, bad), EOPNOTSUPP);
		ck_assert_errno(weft_recv(fds[i], NULL, long_, bad), EOPNOTSUPP);
		ck_assert_errno(weft_send(fds[i], NULL, long_, 0), EINVAL);
		ck_assert_errno(weft_recv(fds[i], NULL, long_, 0), EINVAL);
		ck_assert_errno(weft_send(fds[i], NULL, 1, 0), EFAULT);
		ck_assert_errno(weft_recv(fds[i], NULL, 1, 0), EFAULT);
		ck_assert_errno(weft_recv(fds[i], NULL, 0, MSG_DONTWAIT), EAGAIN);
	}
	ck_assert_errno(weft_send(udp, NULL, 0, 0), EDESTADDRREQ);
	ck_assert_int_eq(weft_send(pair[0], NULL, 0, 0), 0);
}
END_TEST

START_TEST(test_data_in_each_state)
{
	ck_assert_errno(weft_send(udp, buf, 1, 0), EDESTADDRREQ);
	ck_assert_errno(weft_recv(udp, buf, 1, MSG_DONTWAIT), EAGAIN);
	ck_assert_errno(weft_recv(udp, buf, 1, MSG_ERRQUEUE), EAGAIN);
	ck_assert_errno(weft_send(tcp, buf, 1, 0), EPIPE);
	ck_assert_errno(weft_recv(tcp, buf, 1, 0), ENOTCONN);
	ck_assert_errno(weft_send(listener, buf, 1, 0), EPIPE);
	ck_assert_errno(weft_recv(listener, buf, 1, 0), ENOTCONN);
	ck_assert_errno(weft_recv(pair[0], buf, 1, MSG_DONTWAIT), EAGAIN);
	ck_assert_errno(weft_recv(pair[0], buf, 1, MSG_OOB), EINVAL);
	ck_assert_errno(weft_shutdown(pair[0], 99), EINVAL);
	ck_assert_errno(weft_shutdown(tcp, SHUT_WR), ENOTCONN);
	ck_assert_errno(weft_shutdown(udp, SHUT_WR), ENOTCONN);
}
END_TEST

START_TEST(test_fcntl_and_ioctl)
{
	int v = 0, on = 1;

	ck_assert_errno(weft_fcntl(udp, F_GETLK), EINVAL);
	ck_assert_errno(weft_ioctl(udp, FIONREAD, NULL), EFAULT);
	ck_assert_errno(weft_ioctl(udp, TIOCGWINSZ, &v), ENOTTY);
	ck_assert_errno(weft_ioctl(tcp, TIOCGWINSZ, &v), ENOTTY);
	ck_assert_errno(weft_ioctl(listener, FIONREAD, &v), EINVAL);
	ck_assert_int_eq(weft_ioctl(udp, FIONBIO, &on), 0);
	ck_assert_errno(weft_recv(udp, buf, 1, 0), EAGAIN);
	on = 0;
	ck_assert_int_eq(weft_ioctl(udp, FIONBIO, &on), 0);
	ck_assert_int_eq(weft_fcntl(udp, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(test_start_and_stop)
{
	static const struct weft_device bad[] = {
	    {.spec = NULL},
	    {.spec = ""},
	    {.spec = "ta"},
	    {.spec = "eth:eth0"},
	    {.spec = "tap:a-name-that-is-too-long"},
	    {.spec = "tap:t", .addr = "10.0.0.300/24"},
	    {.spec = "tap:t", .addr = "10.0.0.1/33"},
	    {.spec = "tap:t", .mac = "02:00:00:00:00"},
	    {.spec = "tap:t", .mac = "03:00:00:00:00:01"},
	    {.spec = "tap:t", .mtu = 67},
	    {.spec = "tap:t", .mtu = 65536},
	    {.spec = "tap:t", .queues = 17},
	};
	struct weft_config cfg = {.ndevices = 1};
	weft_stack *other;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cfg.devices = &bad[i];
		ck_assert_msg(weft_start(&cfg, &other) == -EINVAL, "device %zu", i);
	}
	cfg = (struct weft_config){.gateway = "nowhere"};
	ck_assert_int_eq(weft_start(&cfg, &other), -EINVAL);
	cfg.gateway = "::1";
	ck_assert_int_eq(weft_start(&cfg, &other), -EINVAL);
	cfg.gateway = "10.0.0.1";
	ck_assert_int_eq(weft_start(&cfg, &other), -ENETUNREACH);
	ck_assert_int_eq(weft_start(NULL, &other), -EINVAL);
	ck_assert_int_eq(weft_start(&cfg, NULL), -EINVAL);
	ck_assert_int_eq(weft_stop(NULL), -EINVAL);
	cfg.gateway = NULL;
	ck_assert_int_eq(weft_start(&cfg, &other), 0);
	ck_assert_int_eq(weft_stop(other), 0);
	ck_assert_int_eq(weft_stop(other), -EINVAL);
	ck_assert_str_eq(weft_version(), WEFT_VERSION);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("errno");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_closed_descriptor_is_ebadf);
	tcase_add_test(tc, test_stopped_stack_is_enetdown);
	tcase_add_test(tc, test_socket);
	tcase_add_test(tc, test_bind);
	tcase_add_test(tc, test_address_longer_than_any);
	tcase_add_test(tc, test_connect);
	tcase_add_test(tc, test_listen_and_accept);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_messages);
	tcase_add_test(tc, test_which_of_several_errors_of_data);
	tcase_add_test(tc, test_data_in_each_state);
	tcase_add_test(tc, test_fcntl_and_ioctl);
	tcase_add_test(tc, test_start_and_stop);
	return unit_run("errno", tc);
}
