/* Datagram sockets by the public calls, over lo (udp(7), RFC 768). */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

/* Everything below needs a stack, two bound sockets and their addresses. */
static struct stack *st;
static int a, b;
static struct sockaddr_in at_a, at_b;
static char buf[70000];

static void setup(void)
{
	st = sockets_begin();
	a = sockets_bound(SOCK_DGRAM, &at_a);
	b = sockets_bound(SOCK_DGRAM, &at_b);
}

static void teardown(void)
{
	weft_close(a);
	weft_close(b);
	sockets_end(st);
}

static bool same(const struct sockaddr_in *x, const struct sockaddr_in *y)
{
	return x->sin_family == y->sin_family && x->sin_port == y->sin_port &&
	       x->sin_addr.s_addr == y->sin_addr.s_addr;
}

START_TEST(test_sendto_recvfrom_names_the_sender)
{
	struct sockaddr_in from;
	socklen_t n = SA_LEN;

	ck_assert_int_eq(weft_sendto(a, "hello", 5, 0, sa(&at_b), SA_LEN), 5);
	ck_assert_int_eq(weft_recvfrom(b, buf, sizeof(buf), 0, sa(&from), &n), 5);
	ck_assert_mem_eq(buf, "hello", 5);
	ck_assert_uint_eq(n, SA_LEN);
	ck_assert(same(&from, &at_a));
	ck_assert_errno(weft_recv(a, buf, 1, MSG_DONTWAIT), EAGAIN);
}
END_TEST

START_TEST(test_recvfrom_short_name_is_cut_and_its_length_told)
{
	struct sockaddr_in from;
	socklen_t n = 4;

	memset(&from, 0x55, sizeof(from));
	ck_assert_int_eq(weft_sendto(a, "x", 1, 0, sa(&at_b), SA_LEN), 1);
	ck_assert_int_eq(weft_recvfrom(b, buf, 1, 0, sa(&from), &n), 1);
	ck_assert_uint_eq(n, SA_LEN);
	ck_assert_uint_eq(from.sin_port, at_a.sin_port);
	ck_assert_uint_eq(from.sin_addr.s_addr, 0x55555555);
}
END_TEST

START_TEST(test_connect_filters_and_names)
{
	struct sockaddr_in name;
	socklen_t n = SA_LEN;
	struct sockaddr_in at_c;
	int c = sockets_bound(SOCK_DGRAM, &at_c);

	ck_assert_errno(weft_getpeername(a, sa(&name), &n), ENOTCONN);
	ck_assert_errno(weft_send(a, "x", 1, 0), EDESTADDRREQ);
	ck_assert_int_eq(weft_connect(a, sa(&at_b), SA_LEN), 0);
	ck_assert_int_eq(weft_getpeername(a, sa(&name), &n), 0);
	ck_assert(same(&name, &at_b));
	ck_assert_int_eq(weft_write(a, "x", 1), 1);
	ck_assert_int_eq(weft_read(b, buf, sizeof(buf)), 1);
	ck_assert_int_eq(weft_sendto(c, "no", 2, 0, sa(&at_a), SA_LEN), 2);
	ck_assert_int_eq(weft_sendto(b, "yes", 3, 0, sa(&at_a), SA_LEN), 3);
	ck_assert_int_eq(weft_recv(a, buf, sizeof(buf), 0), 3);
	name.sin_family = AF_UNSPEC;
	ck_assert_int_eq(weft_connect(a, sa(&name), SA_LEN), 0);
	ck_assert_errno(weft_getpeername(a, sa(&name), &n), ENOTCONN);
	ck_assert_int_eq(weft_close(c), 0);
}
END_TEST

START_TEST(test_unbound_send_takes_a_port)
{
	int c = weft_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	struct sockaddr_in name, from;
	socklen_t n = SA_LEN;

	ck_assert_int_eq(weft_getsockname(c, sa(&name), &n), 0);
	ck_assert_uint_eq(name.sin_port, 0);
	ck_assert_int_eq(weft_sendto(c, "", 0, 0, sa(&at_a), SA_LEN), 0);
	ck_assert_int_eq(weft_getsockname(c, sa(&name), &n), 0);
	ck_assert_uint_ne(name.sin_port, 0);
	ck_assert_uint_eq(name.sin_addr.s_addr, 0);
	ck_assert_int_eq(weft_recvfrom(a, buf, 1, 0, sa(&from), &n), 0);
	ck_assert_uint_eq(from.sin_port, name.sin_port);
	ck_assert_int_eq(weft_close(c), 0);
}
END_TEST

START_TEST(test_recv_trunc_peek_and_length)
{
	struct iovec iov = {buf, 3};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int n;

	ck_assert_int_eq(weft_sendto(a, "abcdef", 6, 0, sa(&at_b), SA_LEN), 6);
	ck_assert_int_eq(weft_sendto(a, "gh", 2, 0, sa(&at_b), SA_LEN), 2);
	ck_assert_int_eq(weft_ioctl(b, FIONREAD, &n), 0);
	ck_assert_int_eq(n, 6);
	ck_assert_int_eq(weft_recv(b, buf, 3, MSG_PEEK), 3);
	ck_assert_int_eq(weft_recv(b, buf, 3, MSG_PEEK | MSG_TRUNC), 6);
	ck_assert_int_eq(weft_recvmsg(b, &m, 0), 3);
	ck_assert_int_eq(m.msg_flags, MSG_TRUNC);
	ck_assert_mem_eq(buf, "abc", 3);
	ck_assert_int_eq(weft_recvmsg(b, &m, 0), 2);
	ck_assert_int_eq(m.msg_flags, 0);
	ck_assert_int_eq(weft_ioctl(b, SIOCINQ, &n), 0);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(weft_ioctl(b, SIOCOUTQ, &n), 0);
	ck_assert_int_eq(n, 0);
	ck_assert_errno(weft_ioctl(b, SIOCATMARK, &n), ENOTTY);
}
END_TEST

START_TEST(test_gather_and_scatter)
{
	char x[2], y[8];
	char ab[] = "ab", cdef[] = "cdef";
	struct iovec out[3] = {{ab, 2}, {NULL, 0}, {cdef, 4}}, in[2] = {{x, 2}, {y, 8}};
	struct msghdr m = {
	    .msg_name = &at_b, .msg_namelen = SA_LEN, .msg_iov = out, .msg_iovlen = 3};

	ck_assert_int_eq(weft_sendmsg(a, &m, 0), 6);
	ck_assert_int_eq(weft_readv(b, in, 2), 6);
	ck_assert_mem_eq(x, "ab", 2);
	ck_assert_mem_eq(y, "cdef", 4);
	ck_assert_int_eq(weft_connect(a, sa(&at_b), SA_LEN), 0);
	ck_assert_int_eq(weft_writev(a, out, 3), 6);
	ck_assert_int_eq(weft_readv(b, in, 1), 2);
}
END_TEST

START_TEST(test_largest_goes_one_more_does_not)
{
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7);
	ck_assert_errno(weft_sendto(a, buf, 65508, 0, sa(&at_b), SA_LEN), EMSGSIZE);
	ck_assert_int_eq(weft_sendto(a, buf, 65507, 0, sa(&at_b), SA_LEN), 65507);
	memset(buf, 0, sizeof(buf));
	ck_assert_int_eq(weft_recv(b, buf, sizeof(buf), 0), 65507);
	for (size_t i = 0; i < 65507; i++)
		ck_assert_int_eq(buf[i], (char)(i * 7));
}
END_TEST

START_TEST(test_closed_port_is_refused_to_the_connected)
{
	struct pollfd p = {.fd = a, .events = 0};
	int err = 0;
	socklen_t n = sizeof(err);

	ck_assert_int_eq(weft_close(b), 0);
	ck_assert_int_eq(weft_sendto(a, "x", 1, 0, sa(&at_b), SA_LEN), 1);
	ck_assert_errno(weft_recv(a, buf, 1, MSG_DONTWAIT), EAGAIN); /* not connected: not told */
	ck_assert_int_eq(weft_connect(a, sa(&at_b), SA_LEN), 0);
	ck_assert_int_eq(weft_send(a, "x", 1, 0), 1);
	ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
	ck_assert_int_eq(p.revents, POLLERR);
	ck_assert_errno(weft_recv(a, buf, 1, 0), ECONNREFUSED);
	ck_assert_int_eq(weft_send(a, "x", 1, 0), 1);
	ck_assert_int_eq(weft_getsockopt(a, SOL_SOCKET, SO_ERROR, &err, &n), 0);
	ck_assert_int_eq(err, ECONNREFUSED);
	ck_assert_int_eq(weft_getsockopt(a, SOL_SOCKET, SO_ERROR, &err, &n), 0);
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(weft_send(a, "x", 1, 0), 1);
	ck_assert_errno(weft_send(a, "x", 1, 0), ECONNREFUSED);
}
END_TEST

START_TEST(test_shutdown_ends_each_way)
{
	struct pollfd p = {.fd = a, .events = POLLIN | POLLRDHUP};

	ck_assert_errno(weft_shutdown(a, 3), EINVAL);
	ck_assert_errno(weft_shutdown(a, SHUT_WR), ENOTCONN);
	ck_assert_int_eq(weft_connect(b, sa(&at_a), SA_LEN), 0);
	ck_assert_int_eq(weft_shutdown(b, SHUT_WR), 0);
	ck_assert_errno(weft_send(b, "x", 1, 0), EPIPE);
	ck_assert_int_eq(weft_connect(a, sa(&at_b), SA_LEN), 0);
	ck_assert_int_eq(weft_shutdown(a, SHUT_RD), 0);
	ck_assert_int_eq(weft_recv(a, buf, 1, 0), 0);
	ck_assert_int_eq(weft_poll(&p, 1, 0), 1);
	ck_assert_int_eq(p.revents & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
}
END_TEST

START_TEST(test_shutdown_wakes_a_reader)
{
	struct blocked r = {.st = st, .fn = blocked_recv, .fd = a};

	ck_assert_int_eq(weft_connect(a, sa(&at_b), SA_LEN), 0);
	blocked_begin(&r);
	ck_assert_int_eq(weft_shutdown(a, SHUT_RD), 0);
	ck_assert_int_eq(blocked_end(&r), 0);
}
END_TEST

START_TEST(test_destinations_that_cannot_be)
{
	struct sockaddr_in far = in4("192.0.2.1", 9), zero = in4("127.0.0.1", 0);
	struct sockaddr_in all = in4("255.255.255.255", 9);

	ck_assert_errno(weft_sendto(a, "x", 1, 0, sa(&zero), SA_LEN), EINVAL);
	ck_assert_errno(weft_sendto(a, "x", 1, 0, sa(&all), SA_LEN), EACCES);
	weft_close(a);
	a = weft_socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_errno(weft_sendto(a, "x", 1, 0, sa(&far), SA_LEN), ENETUNREACH);
	ck_assert_errno(weft_connect(a, sa(&far), SA_LEN), ENETUNREACH);
}
END_TEST

/* Linux: but to ICMP's datagrams it is another. */
START_TEST(test_sendto_without_a_family)
{
	struct sockaddr_in to = at_b;
	int ping = weft_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);

	to.sin_family = AF_UNSPEC;
	ck_assert_int_eq(weft_sendto(a, "x", 1, 0, sa(&to), SA_LEN), 1);
	ck_assert_int_eq(weft_recv(b, buf, sizeof(buf), 0), 1);
	ck_assert_errno(weft_sendto(a, "x", 1, 0, sa(&to), SA_LEN - 1), EINVAL);
	ck_assert_errno(weft_sendto(ping, "\10\0\0\0\0\0\0", 8, 0, sa(&to), SA_LEN), EAFNOSUPPORT);
	weft_close(ping);
}
END_TEST

START_TEST(test_full_receiver_drops_and_stays_exact)
{
	int small = 1, got = 0;

	ck_assert_int_eq(weft_setsockopt(b, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(weft_sendto(a, buf, 1000, 0, sa(&at_b), SA_LEN), 1000);
	while (weft_recv(b, buf, sizeof(buf), MSG_DONTWAIT) == 1000)
		got++;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(got >= 1 && got < 10);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("udp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_sendto_recvfrom_names_the_sender);
	tcase_add_test(tc, test_recvfrom_short_name_is_cut_and_its_length_told);
	tcase_add_test(tc, test_connect_filters_and_names);
	tcase_add_test(tc, test_unbound_send_takes_a_port);
	tcase_add_test(tc, test_recv_trunc_peek_and_length);
	tcase_add_test(tc, test_gather_and_scatter);
	tcase_add_test(tc, test_largest_goes_one_more_does_not);
	tcase_add_test(tc, test_closed_port_is_refused_to_the_connected);
	tcase_add_test(tc, test_shutdown_ends_each_way);
	tcase_add_test(tc, test_shutdown_wakes_a_reader);
	tcase_add_test(tc, test_destinations_that_cannot_be);
	tcase_add_test(tc, test_sendto_without_a_family);
	tcase_add_test(tc, test_full_receiver_drops_and_stays_exact);
	return unit_run("udp", tc);
}
