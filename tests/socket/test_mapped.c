/* AF_INET6 sockets that carry IPv4 by mapped addresses (RFC 3493, 3.7), and refuse all else. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define SA6_LEN ((socklen_t)sizeof(struct sockaddr_in6))

static struct stack *st;
static char buf[16];

static void setup(void)
{
	st = sockets_begin();
}

static void teardown(void)
{
	sockets_close_all();
	sockets_end(st);
}

static struct sockaddr_in6 in6(const char *text, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = port};

	ck_assert_int_eq(inet_pton(AF_INET6, text, &a.sin6_addr), 1);
	return a;
}

static struct sockaddr *sa6(struct sockaddr_in6 *a)
{
	return (struct sockaddr *)a;
}

static void ck_addr(const struct sockaddr_in6 *a, const char *text)
{
	struct sockaddr_in6 want = in6(text, 0);

	ck_assert_int_eq(a->sin6_family, AF_INET6);
	ck_assert_mem_eq(&a->sin6_addr, &want.sin6_addr, sizeof(want.sin6_addr));
}

/* A listener on every address takes IPv4's connections and names both ends in mapped form. */
START_TEST(test_listener_of_both_families)
{
	struct sockaddr_in6 a = in6("::", 0), peer, own;
	int l = weft_socket(AF_INET6, SOCK_STREAM, 0), c = weft_socket(AF_INET, SOCK_STREAM, 0), s;
	struct sockaddr_in to = in4("127.0.0.1", 0);
	socklen_t n = SA6_LEN, short_room = 4;

	ck_assert_int_eq(weft_bind(l, sa6(&a), SA6_LEN), 0);
	ck_assert_int_eq(weft_listen(l, 4), 0);
	ck_assert_int_eq(weft_getsockname(l, sa6(&a), &n), 0);
	ck_addr(&a, "::");
	to.sin_port = a.sin6_port;
	ck_assert_int_eq(weft_connect(c, sa(&to), SA_LEN), 0);
	s = weft_accept(l, sa6(&peer), &n);
	ck_assert_int_ge(s, 0);
	ck_assert_uint_eq(n, SA6_LEN);
	ck_addr(&peer, "::ffff:127.0.0.1");
	ck_assert_int_eq(weft_getsockname(s, sa6(&own), &n), 0);
	ck_addr(&own, "::ffff:127.0.0.1");
	ck_assert_int_eq(weft_getsockname(s, sa6(&own), &short_room), 0);
	ck_assert_uint_eq(short_room, SA6_LEN);
	ck_assert_int_eq(weft_send(c, "abc", 3, 0), 3);
	ck_assert_int_eq(weft_recv(s, buf, sizeof(buf), 0), 3);
}
END_TEST

/* One port for both families: it is the same address. */
START_TEST(test_port_is_shared_with_af_inet)
{
	struct sockaddr_in a;
	int l = sockets_listener(&a), fd = weft_socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 same = in6(_i ? "::" : "::ffff:127.0.0.1", a.sin_port);

	ck_assert_errno(weft_bind(fd, sa6(&same), SA6_LEN), EADDRINUSE);
	ck_assert_int_eq(weft_close(l), 0);
	ck_assert_int_eq(weft_bind(fd, sa6(&same), SA6_LEN), 0);
}
END_TEST

START_TEST(test_connect_and_datagrams_by_mapped_address)
{
	struct sockaddr_in a, at;
	int l = sockets_listener(&a), d = sockets_bound(SOCK_DGRAM, &at);
	int fd = weft_socket(AF_INET6, SOCK_STREAM, 0), u = weft_socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 to = in6("::ffff:127.0.0.1", a.sin_port), from;
	socklen_t n = SA6_LEN, n4 = SA_LEN;

	ck_assert_int_ge(l, 0);
	ck_assert_int_eq(weft_connect(fd, sa6(&to), SA6_LEN), 0);
	to.sin6_port = at.sin_port;
	ck_assert_int_eq(weft_sendto(u, "xy", 2, 0, sa6(&to), 24), 2);
	ck_assert_int_eq(weft_recvfrom(d, buf, sizeof(buf), 0, sa(&at), &n4), 2);
	ck_assert_int_eq(weft_sendto(d, "z", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert_int_eq(weft_recvfrom(u, buf, sizeof(buf), 0, sa6(&from), &n), 1);
	ck_addr(&from, "::ffff:127.0.0.1");
}
END_TEST

START_TEST(test_what_is_not_mapped_is_refused)
{
	int fd = weft_socket(AF_INET6, SOCK_STREAM, 0), u = weft_socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = in6("2001:db8::1", htons(7));
	struct sockaddr_in four = in4("127.0.0.1", 7);

	ck_assert_errno(weft_bind(fd, sa6(&a), SA6_LEN), EADDRNOTAVAIL);
	ck_assert_errno(weft_connect(fd, sa6(&a), SA6_LEN), ENETUNREACH);
	ck_assert_errno(weft_connect(u, sa6(&a), SA6_LEN), ENETUNREACH);
	ck_assert_errno(weft_sendto(u, "x", 1, 0, sa6(&a), SA6_LEN), ENETUNREACH);
	ck_assert_errno(weft_bind(fd, sa6(&a), 23), EINVAL);
	ck_assert_errno(weft_bind(fd, sa(&four), SA_LEN), EINVAL);
	a.sin6_family = AF_INET;
	ck_assert_errno(weft_bind(fd, sa6(&a), SA6_LEN), EAFNOSUPPORT);
	ck_assert_errno(weft_socket(AF_INET6, SOCK_RAW, 58), EAFNOSUPPORT);
}
END_TEST

START_TEST(test_v6only)
{
	int fd = weft_socket(AF_INET6, SOCK_STREAM, 0), v = 9,
	    four = weft_socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof(v);

	ck_assert_int_eq(weft_getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, &n), 0);
	ck_assert_int_eq(v, 0);
	ck_assert_int_eq(weft_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, sizeof(v)), 0);
	ck_assert_errno(weft_setsockopt(four, IPPROTO_IPV6, IPV6_V6ONLY, &v, sizeof(v)),
			ENOPROTOOPT);
	ck_assert_errno(weft_setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &v, sizeof(v)), ENOPROTOOPT);
	ck_assert_int_eq(weft_getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &v, &n), 0);
	ck_assert_int_eq(v, AF_INET6);
}
END_TEST

/* There is no IPv6 that could come or go: it has its port, beside that of AF_INET, and nobody reaches it. */
START_TEST(test_v6only_beside_af_inet)
{
	struct sockaddr_in four = in4("0.0.0.0", 700), at = in4("127.0.0.1", 700);
	struct sockaddr_in6 six = in6("::", htons(700)),
			    mapped = in6("::ffff:127.0.0.1", htons(700));
	int on = 1, v = 0, fd[3];
	socklen_t n = sizeof(v);

	for (int i = 0; i < 2; i++) {
		int type = i ? SOCK_DGRAM : SOCK_STREAM;

		fd[0] = weft_socket(AF_INET6, type, 0);
		fd[1] = weft_socket(AF_INET, type, 0);
		fd[2] = weft_socket(AF_INET, type, 0);
		ck_assert_int_eq(weft_setsockopt(fd[0], IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)),
				 0);
		ck_assert_int_eq(weft_getsockopt(fd[0], IPPROTO_IPV6, IPV6_V6ONLY, &v, &n), 0);
		ck_assert_int_eq(v, 1);
		ck_assert_errno(weft_bind(fd[0], sa6(&mapped), SA6_LEN), EINVAL);
		ck_assert_errno(weft_connect(fd[0], sa6(&mapped), SA6_LEN), ENETUNREACH);
		ck_assert_int_eq(weft_bind(fd[0], sa6(&six), SA6_LEN), 0);
		ck_assert_errno(weft_setsockopt(fd[0], IPPROTO_IPV6, IPV6_V6ONLY, &v, sizeof(v)),
				EINVAL);
		if (i) {
			ck_assert_errno(weft_sendto(fd[0], "x", 1, 0, sa6(&mapped), SA6_LEN),
					ENETUNREACH);
			ck_assert_int_eq(weft_bind(fd[1], sa(&four), SA_LEN), 0);
			ck_assert_int_eq(weft_sendto(fd[2], "x", 1, 0, sa(&at), SA_LEN), 1);
			ck_assert_int_eq(weft_recv(fd[1], &v, sizeof(v), 0), 1);
		} else {
			ck_assert_int_eq(weft_listen(fd[0], 5), 0);
			ck_assert_errno(weft_connect(fd[2], sa(&at), SA_LEN), ECONNREFUSED);
			ck_assert_int_eq(weft_bind(fd[1], sa(&four), SA_LEN), 0);
			ck_assert_int_eq(weft_listen(fd[1], 5), 0);
			ck_assert_int_eq(weft_connect(fd[2], sa(&at), SA_LEN), 0);
		}
		for (int k = 0; k < 3; k++)
			weft_close(fd[k]);
	}
}
END_TEST

/* A wildcard of both families is in the way of either's, and a mapped address of IPv4's alone, whoever comes first. */
static const struct beside {
	const char *first; /* of AF_INET6 */
	int only;
	const char *second; /* NULL: AF_INET's wildcard */
	int second_only, err;
} besides[] = {
    {"::", 0, NULL, 0, EADDRINUSE},
    {"::", 1, NULL, 0, 0},
    {"::", 0, "::", 1, EADDRINUSE},
    {"::", 1, "::", 1, EADDRINUSE},
    {"::", 1, "::ffff:127.0.0.1", 0, 0},
    {"::", 0, "::ffff:127.0.0.1", 0, EADDRINUSE},
    {"::ffff:127.0.0.1", 0, NULL, 0, EADDRINUSE},
};

static int bound6(const char *addr, int only)
{
	struct sockaddr_in6 six = in6(addr ? addr : "::", htons(700));
	struct sockaddr_in four = in4("0.0.0.0", 700);
	int fd = weft_socket(addr ? AF_INET6 : AF_INET, SOCK_STREAM, 0), err;

	if (addr)
		ck_assert_int_eq(
		    weft_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	err = addr ? weft_bind(fd, sa6(&six), SA6_LEN) : weft_bind(fd, sa(&four), SA_LEN);
	if (err)
		weft_close(fd);
	return err ? -errno : fd;
}

START_TEST(test_families_beside_each_other)
{
	const struct beside *b = &besides[_i];
	int fd[2];

	for (int turn = 0; turn < 2; turn++) {
		fd[0] = turn ? bound6(b->second, b->second_only) : bound6(b->first, b->only);
		ck_assert_int_ge(fd[0], 0);
		fd[1] = turn ? bound6(b->first, b->only) : bound6(b->second, b->second_only);
		if (b->err)
			ck_assert_int_eq(fd[1], -b->err);
		else
			ck_assert_int_eq(weft_close(fd[1]), 0);
		weft_close(fd[0]);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("mapped");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_listener_of_both_families);
	tcase_add_loop_test(tc, test_port_is_shared_with_af_inet, 0, 2);
	tcase_add_test(tc, test_connect_and_datagrams_by_mapped_address);
	tcase_add_test(tc, test_what_is_not_mapped_is_refused);
	tcase_add_test(tc, test_v6only);
	tcase_add_test(tc, test_v6only_beside_af_inet);
	tcase_add_loop_test(tc, test_families_beside_each_other, 0,
			    sizeof(besides) / sizeof(besides[0]));
	return unit_run("mapped", tc);
}
