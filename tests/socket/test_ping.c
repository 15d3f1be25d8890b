/* ICMP datagram sockets by the public calls (icmp(7)): who hears which answer, and what may be sent. */
#include <errno.h>
#include <linux/icmp.h>
#include <string.h>

#include "lib/checksum.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define ECHO_LEN 16

static struct stack *st;
static int fd;
static struct sockaddr_in home;
static uint8_t buf[256];

static void setup(void)
{
	st = sockets_begin();
	home = in4("127.0.0.1", 0);
	fd = sockets_open(SOCK_DGRAM, IPPROTO_ICMP);
}

static void teardown(void)
{
	weft_close(fd);
	sockets_end(st);
}

/* An echo request with a wrong identifier and no checksum: both are the socket's. */
static ssize_t echo_send(int s, uint8_t seq)
{
	uint8_t p[ECHO_LEN] = {ICMP_ECHO, 0, 0, 0, 0xde, 0xad, 0, seq};

	memcpy(p + 8, "weft-dgr", 8);
	return weft_sendto(s, p, ECHO_LEN, 0, sa(&home), SA_LEN);
}

static uint16_t ident_of(int s)
{
	struct sockaddr_in a;
	socklen_t n = SA_LEN;

	ck_assert_int_eq(weft_getsockname(s, sa(&a), &n), 0);
	return ntohs(a.sin_port);
}

START_TEST(test_answer_comes_without_ip_header)
{
	struct sockaddr_in from;
	socklen_t n = SA_LEN;
	uint16_t id;

	ck_assert_uint_eq(ident_of(fd), 0);
	ck_assert_int_eq(echo_send(fd, 7), ECHO_LEN);
	id = ident_of(fd);
	ck_assert_uint_ne(id, 0);
	ck_assert_int_eq(weft_recvfrom(fd, buf, sizeof(buf), 0, sa(&from), &n), ECHO_LEN);
	ck_assert_uint_eq(from.sin_addr.s_addr, home.sin_addr.s_addr);
	ck_assert_uint_eq(from.sin_port, 0);
	ck_assert_uint_eq(buf[0], ICMP_ECHOREPLY);
	ck_assert_uint_eq(buf[4] << 8 | buf[5], id);
	ck_assert_uint_eq(buf[7], 7);
	ck_assert_mem_eq(buf + 8, "weft-dgr", 8);
	ck_assert_uint_eq(csum_fold(csum_add(0, buf, ECHO_LEN)), 0xffff);
	ck_assert_errno(weft_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
}
END_TEST

START_TEST(test_answers_are_ones_own)
{
	int other = weft_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	struct sockaddr_in a = in4("127.0.0.1", 4660);

	ck_assert_int_eq(weft_bind(other, sa(&a), SA_LEN), 0);
	ck_assert_uint_eq(ident_of(other), 4660);
	ck_assert_int_eq(echo_send(fd, 1), ECHO_LEN);
	ck_assert_int_eq(echo_send(other, 2), ECHO_LEN);
	ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), 0), ECHO_LEN);
	ck_assert_uint_eq(buf[7], 1);
	ck_assert_int_eq(weft_recv(other, buf, sizeof(buf), 0), ECHO_LEN);
	ck_assert_uint_eq(buf[7], 2);
	ck_assert_uint_eq(buf[4] << 8 | buf[5], 4660);
	ck_assert_errno(weft_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	ck_assert_errno(weft_recv(other, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	weft_close(other);
}
END_TEST

START_TEST(test_identifier_is_one_sockets)
{
	int other = weft_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	struct sockaddr_in a = in4("0.0.0.0", 77);

	ck_assert_int_eq(weft_bind(fd, sa(&a), SA_LEN), 0);
	ck_assert_errno(weft_bind(fd, sa(&a), SA_LEN), EINVAL);
	ck_assert_errno(weft_bind(other, sa(&a), SA_LEN), EADDRINUSE);
	a.sin_port = 0;
	ck_assert_int_eq(weft_bind(other, sa(&a), SA_LEN), 0);
	ck_assert_uint_ne(ident_of(other), 0);
	ck_assert_uint_ne(ident_of(other), 77);
	weft_close(fd);
	fd = weft_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	a.sin_port = htons(77);
	ck_assert_int_eq(weft_bind(fd, sa(&a), SA_LEN), 0);
	weft_close(other);
}
END_TEST

START_TEST(test_only_echoes_are_sent)
{
	uint8_t p[ECHO_LEN] = {ICMP_REDIRECT};

	ck_assert_errno(weft_sendto(fd, p, ECHO_LEN, 0, sa(&home), SA_LEN), EINVAL);
	p[0] = ICMP_ECHO;
	p[1] = 1;
	ck_assert_errno(weft_sendto(fd, p, ECHO_LEN, 0, sa(&home), SA_LEN), EINVAL);
	p[1] = 0;
	ck_assert_errno(weft_sendto(fd, p, 7, 0, sa(&home), SA_LEN), EINVAL);
	ck_assert_errno(weft_send(fd, p, ECHO_LEN, 0), EDESTADDRREQ);
	ck_assert_int_eq(weft_sendto(fd, p, 8, 0, sa(&home), SA_LEN), 8);
}
END_TEST

START_TEST(test_connected)
{
	ck_assert_int_eq(weft_connect(fd, sa(&home), SA_LEN), 0);
	ck_assert_uint_ne(ident_of(fd), 0);
	buf[0] = ICMP_ECHO;
	memset(buf + 1, 0, 15);
	ck_assert_int_eq(weft_send(fd, buf, ECHO_LEN, 0), ECHO_LEN);
	ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), 0), ECHO_LEN);
	ck_assert_uint_eq(buf[0], ICMP_ECHOREPLY);
}
END_TEST

START_TEST(test_it_is_not_raw)
{
	struct icmp_filter f = {.data = 1};
	int on = 1;

	ck_assert_errno(weft_setsockopt(fd, SOL_RAW, ICMP_FILTER, &f, sizeof(f)), ENOPROTOOPT);
	ck_assert_errno(weft_setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on)), ENOPROTOOPT);
	ck_assert_int_eq(weft_setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), 0);
	ck_assert_errno(weft_socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP), EPROTONOSUPPORT);
	ck_assert_errno(weft_socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6), EPROTONOSUPPORT);
}
END_TEST

START_TEST(test_options_are_ip_s)
{
	int v = 0;
	socklen_t n = sizeof(v);

	ck_assert_int_eq(weft_getsockopt(fd, IPPROTO_IP, IP_TTL, &v, &n), 0);
	ck_assert_int_eq(v, 64);
	ck_assert_errno(weft_getsockopt(fd, IPPROTO_RAW, ICMP_FILTER, &v, &n), ENOPROTOOPT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ping");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_answer_comes_without_ip_header);
	tcase_add_test(tc, test_answers_are_ones_own);
	tcase_add_test(tc, test_identifier_is_one_sockets);
	tcase_add_test(tc, test_only_echoes_are_sent);
	tcase_add_test(tc, test_connected);
	tcase_add_test(tc, test_it_is_not_raw);
	tcase_add_test(tc, test_options_are_ip_s);
	return unit_run("ping", tc);
}
