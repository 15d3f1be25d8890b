/*
 * tests/ip/test_ping.c - ICMP datagram endpoints (icmp(7)): which answers and errors are theirs.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "lib/checksum.h"
#include "lib/wire/icmp4.h"
#include "tests/harness/raw_lab.h"
#include "tests/harness/unit.h"

#define MINE 500

static struct sock *sk;

static void setup(void)
{
	const struct ip_addr any = ip_addr_any4;

	raw_lab_open();
	sk = sock_alloc(raw_lab.st, &ping_ops);
	ck_assert_ptr_nonnull(sk);
	ping_open(sk);
	sock_lock(sk);
	ck_assert_int_eq(ping_ops.bind(sk, &any, MINE), 0);
	sock_unlock(sk);
}

static void teardown(void)
{
	raw_lab_end(sk);
	raw_lab_close();
}

static void rx_icmp(uint8_t *msg, uint32_t n, bool bad)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .proto = IP_PROTO_ICMP, .n = n};
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)msg;

	h->csum = 0;
	h->csum = csum_finish(csum_add(0, msg, n));
	h->csum = (uint16_t)(h->csum ^ bad);
	p.data = msg;
	ip_lab_rx_ip(&raw_lab, raw_lab.eth, &p);
	raw_lab_flush();
}

static void rx_echo(uint8_t type, uint16_t id, bool bad)
{
	static uint8_t msg[40];
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)msg;

	*h = (struct icmp4_hdr){.type = type};
	h->echo.id = be16_of(id);
	rx_icmp(msg, sizeof(msg), bad);
}

/* About a request of this identifier; `type` ICMP_ECHO but where it shall not be one. */
static void rx_unreach(uint8_t type, uint16_t id)
{
	static uint8_t msg[64], quoted[60], echo[ICMP_HLEN];
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)echo;
	struct ip_packet q = {.src = "10.0.0.1",
			      .dst = "10.0.0.2",
			      .proto = IP_PROTO_ICMP,
			      .n = ICMP_HLEN,
			      .data = echo};

	*h = (struct icmp4_hdr){.type = type};
	h->echo.id = be16_of(id);
	ip_packet_build(&q, quoted);
	*(struct icmp4_hdr *)(void *)msg =
	    (struct icmp4_hdr){.type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH};
	memcpy(msg + ICMP_HLEN, quoted, 20 + ICMP_HLEN);
	rx_icmp(msg, ICMP_HLEN + 20 + ICMP_HLEN, false);
}

static ssize_t recv_flags(int flags)
{
	static uint8_t bytes[600];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = sizeof(bytes), .flags = flags};
	ssize_t r;

	sock_lock(sk);
	r = ping_ops.recv(sk, &m);
	sock_unlock(sk);
	return r;
}

START_TEST(test_answers_of_its_identifier_only)
{
	rx_echo(ICMP_ECHO_REPLY, MINE + 1, false);
	rx_echo(ICMP_ECHO, MINE, false);
	ck_assert_int_eq(recv_flags(0), -EAGAIN);
	rx_echo(ICMP_ECHO_REPLY, MINE, false);
	ck_assert_int_eq(recv_flags(0), 40);
	ck_assert_int_eq(recv_flags(0), -EAGAIN);
}
END_TEST

START_TEST(test_bad_checksum)
{
	rx_echo(ICMP_ECHO_REPLY, MINE, true);
	ck_assert_int_eq(recv_flags(0), -EAGAIN);
	ck_assert_uint_ge(pkbuf_drops(raw_lab.st, DROP_ICMP_CSUM), 1);
}
END_TEST

/* Without IP_RECVERR one that is not connected hears of nothing. */
START_TEST(test_errors_of_its_requests)
{
	int on = 1;

	rx_unreach(ICMP_ECHO, MINE);
	ck_assert_int_eq(recv_flags(0), -EAGAIN);
	sock_lock(sk);
	ck_assert_int_eq(ping_ops.setopt(sk, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
	sock_unlock(sk);
	rx_unreach(ICMP_ECHO, MINE + 1);
	rx_unreach(ICMP_TIMESTAMP, MINE);
	ck_assert_int_eq(recv_flags(0), -EAGAIN);
	rx_unreach(ICMP_ECHO, MINE);
	ck_assert_int_eq(recv_flags(0), -EHOSTUNREACH);
	ck_assert_int_eq(recv_flags(MSG_ERRQUEUE), ICMP_HLEN);
	ck_assert_int_eq(recv_flags(MSG_ERRQUEUE), -EAGAIN);
}
END_TEST

/* Echoes cannot come from what is no host's. */
START_TEST(test_bind_takes_own_addresses_only)
{
	const char *const none[] = {"10.0.0.255", "255.255.255.255", "224.0.0.1", "10.0.0.9"};
	struct sock *other = sock_alloc(raw_lab.st, &ping_ops);
	struct ip_addr a;

	ping_open(other);
	sock_lock(other);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		a = ip_of(none[i]);
		ck_assert_int_eq(ping_ops.bind(other, &a, 0), -EADDRNOTAVAIL);
	}
	a = ip_of("10.0.0.1");
	ck_assert_int_eq(ping_ops.bind(other, &a, 0), 0);
	sock_unlock(other);
	raw_lab_end(other);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ping");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_answers_of_its_identifier_only);
	tcase_add_test(tc, test_bad_checksum);
	tcase_add_test(tc, test_errors_of_its_requests);
	tcase_add_test(tc, test_bind_takes_own_addresses_only);
	return unit_run("ping", tc);
}
