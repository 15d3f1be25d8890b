/* Raw sockets by the public calls (raw(7)): an own ping, filters, the header included. */
#include <errno.h>
#include <linux/icmp.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/icmp4.h"
#include "lib/wire/ip4.h"
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
	fd = sockets_open(SOCK_RAW, IPPROTO_ICMP);
}

static void teardown(void)
{
	weft_close(fd);
	sockets_end(st);
}

/* An echo request of ECHO_LEN bytes, its checksum right. */
static void echo_make(uint8_t *p, uint8_t seq)
{
	uint16_t sum;

	memset(p, 0, ECHO_LEN);
	p[0] = ICMP_ECHO;
	p[4] = 0x12;
	p[7] = seq;
	memcpy(p + 8, "weft-raw", 8);
	sum = (uint16_t)~csum_fold(csum_add(0, p, ECHO_LEN));
	memcpy(p + 2, &sum, 2);
}

static void echo_send(uint8_t seq)
{
	uint8_t p[ECHO_LEN];

	echo_make(p, seq);
	ck_assert_int_eq(weft_sendto(fd, p, ECHO_LEN, 0, sa(&home), SA_LEN), ECHO_LEN);
}

static void filter_out(int type)
{
	struct icmp_filter f = {.data = 1u << type};

	ck_assert_int_eq(weft_setsockopt(fd, SOL_RAW, ICMP_FILTER, &f, sizeof(f)), 0);
}

START_TEST(test_ping_is_answered_with_its_header)
{
	struct sockaddr_in from;
	socklen_t n = SA_LEN;

	filter_out(ICMP_ECHO);
	echo_send(7);
	ck_assert_int_eq(weft_recvfrom(fd, buf, sizeof(buf), 0, sa(&from), &n), 20 + ECHO_LEN);
	ck_assert_uint_eq(from.sin_addr.s_addr, home.sin_addr.s_addr);
	ck_assert_uint_eq(from.sin_port, 0);
	ck_assert_uint_eq(buf[0], 0x45);
	ck_assert_uint_eq(buf[9], IPPROTO_ICMP);
	ck_assert_uint_eq(buf[20], ICMP_ECHOREPLY);
	ck_assert_uint_eq(buf[27], 7);
	ck_assert_mem_eq(buf + 28, "weft-raw", 8);
	ck_assert_errno(weft_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
}
END_TEST

START_TEST(test_without_a_filter_it_sees_both)
{
	echo_send(1);
	ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), 0), 20 + ECHO_LEN);
	ck_assert_uint_eq(buf[20], ICMP_ECHO);
	ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), 0), 20 + ECHO_LEN);
	ck_assert_uint_eq(buf[20], ICMP_ECHOREPLY);
}
END_TEST

START_TEST(test_every_match_gets_a_copy)
{
	int other = weft_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	filter_out(ICMP_ECHO);
	echo_send(5);
	ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), 0), 20 + ECHO_LEN);
	ck_assert_uint_eq(buf[20], ICMP_ECHOREPLY);
	for (int i = 0; i < 2; i++) { /* without a filter: what was asked, and the answer */
		ck_assert_int_eq(weft_recv(other, buf, sizeof(buf), 0), 20 + ECHO_LEN);
		ck_assert_uint_eq(buf[20], i ? ICMP_ECHOREPLY : ICMP_ECHO);
		ck_assert_uint_eq(buf[27], 5);
	}
	ck_assert_int_eq(weft_close(other), 0);
}
END_TEST

START_TEST(test_connect_and_bind_filter)
{
	struct sockaddr_in other = in4("127.0.0.2", 0);
	int second = weft_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	ck_assert_errno(weft_send(fd, buf, 8, 0), EDESTADDRREQ);
	ck_assert_int_eq(weft_connect(second, sa(&other), SA_LEN), 0);
	filter_out(ICMP_ECHO);
	echo_send(1);
	ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), 0), 20 + ECHO_LEN);
	ck_assert_errno(weft_recv(second, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	ck_assert_int_eq(weft_close(second), 0);
	second = weft_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	other = in4("192.0.2.1", 0);
	ck_assert_errno(weft_bind(second, sa(&other), SA_LEN), EADDRNOTAVAIL);
	ck_assert_int_eq(weft_bind(second, sa(&home), SA_LEN), 0);
	ck_assert_int_eq(weft_close(second), 0);
}
END_TEST

START_TEST(test_own_protocol_gets_its_datagrams)
{
	int x = weft_socket(AF_INET, SOCK_RAW, 253);

	ck_assert_int_eq(weft_sendto(x, "hello", 5, 0, sa(&home), SA_LEN), 5);
	ck_assert_int_eq(weft_recv(x, buf, sizeof(buf), 0), 25);
	ck_assert_uint_eq(buf[9], 253);
	ck_assert_mem_eq(buf + 20, "hello", 5);
	ck_assert_errno(weft_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	ck_assert_int_eq(weft_close(x), 0);
}
END_TEST

START_TEST(test_header_included)
{
	int x = weft_socket(AF_INET, SOCK_RAW, IPPROTO_RAW), on = 0;
	uint8_t d[20 + ECHO_LEN] = {0x45, 0, 0, sizeof(d), 0, 0, 0, 0, 33, IPPROTO_ICMP};
	socklen_t n = sizeof(on);

	ck_assert_int_eq(weft_getsockopt(x, IPPROTO_IP, IP_HDRINCL, &on, &n), 0);
	ck_assert_int_eq(on, 1);
	memcpy(d + 12, &home.sin_addr, 4);
	memcpy(d + 16, &home.sin_addr, 4);
	echo_make(d + 20, 9);
	ck_assert_errno(weft_sendto(x, d, 19, 0, sa(&home), SA_LEN), EINVAL);
	ck_assert_int_eq(weft_sendto(x, d, sizeof(d), 0, sa(&home), SA_LEN), sizeof(d));
	ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), 0), sizeof(d));
	ck_assert_uint_eq(buf[8], 33);
	ck_assert_uint_eq(buf[27], 9);
	ck_assert_int_eq(weft_close(x), 0);
}
END_TEST

START_TEST(test_protocols_that_cannot_be)
{
	ck_assert_errno(weft_socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
	ck_assert_errno(weft_socket(AF_INET, SOCK_RAW, 256), EPROTONOSUPPORT);
	ck_assert_errno(weft_listen(fd, 1), EOPNOTSUPP);
	ck_assert_errno(weft_accept(fd, NULL, NULL), EOPNOTSUPP);
}
END_TEST

START_TEST(test_bind_to_device)
{
	char name[16] = "lo";
	socklen_t n = sizeof(name);

	ck_assert_errno(weft_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "none", 5), ENODEV);
	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, n), 0);
	ck_assert_int_eq(weft_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &n), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(name, "lo");
	filter_out(ICMP_ECHO);
	echo_send(1);
	ck_assert_int_eq(weft_recv(fd, buf, sizeof(buf), 0), 20 + ECHO_LEN);
	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0), 0);
	n = sizeof(name);
	ck_assert_int_eq(weft_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &n), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("raw");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_ping_is_answered_with_its_header);
	tcase_add_test(tc, test_without_a_filter_it_sees_both);
	tcase_add_test(tc, test_every_match_gets_a_copy);
	tcase_add_test(tc, test_connect_and_bind_filter);
	tcase_add_test(tc, test_own_protocol_gets_its_datagrams);
	tcase_add_test(tc, test_header_included);
	tcase_add_test(tc, test_protocols_that_cannot_be);
	tcase_add_test(tc, test_bind_to_device);
	return unit_run("raw", tc);
}
