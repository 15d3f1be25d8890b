/*
 * tests/ip/test_inet_opt.c - the IP_ options every protocol shares: each with its range and default.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/harness/inet_lab.h"
#include "tests/harness/unit.h"

#define PORT_RANGE 51 /* IP_LOCAL_PORT_RANGE, which old headers lack */

static struct ip_lab lab;
static struct sock *sk;

static void setup(void)
{
	ip_lab_open(&lab);
	sk = inet_lab_sock(&lab, &inet_lab_dgram, 0);
	sock_lock(sk);
}

static void teardown(void)
{
	sock_unlock(sk);
	sock_put(sk); /* with what IP_OPTIONS left: freed */
	ip_lab_close(&lab);
}

static const struct opt_case {
	int name, value, err; /* setting it */
	int reads;            /* and then reading it */
} opt_cases[] = {
    {IP_TOS, 0x10, 0, 0x10},
    {IP_TOS, 0x110, 0, 0x10},
    {IP_TOS, -1, 0, 255},
    {IP_TTL, 1, 0, 1},
    {IP_TTL, 255, 0, 255},
    {IP_TTL, 0, -EINVAL, 64},
    {IP_TTL, 256, -EINVAL, 64},
    {IP_TTL, -1, 0, 64},
    {IP_TTL, -2, -EINVAL, 64},
    {IP_MINTTL, 255, 0, 255},
    {IP_MINTTL, 256, -EINVAL, 0},
    {IP_MTU_DISCOVER, IP_PMTUDISC_DONT, 0, IP_PMTUDISC_DONT},
    {IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, 0, IP_PMTUDISC_PROBE},
    {IP_MTU_DISCOVER, IP_PMTUDISC_INTERFACE, 0, IP_PMTUDISC_INTERFACE},
    {IP_MTU_DISCOVER, IP_PMTUDISC_OMIT, 0, IP_PMTUDISC_OMIT},
    {IP_MTU_DISCOVER, 6, -EINVAL, IP_PMTUDISC_WANT},
    {IP_MTU_DISCOVER, -1, -EINVAL, IP_PMTUDISC_WANT},
    {IP_RECVERR, 0, 0, 0},
    {IP_RECVERR, 5, 0, 1},
    {IP_MULTICAST_TTL, 255, 0, 255},
    {IP_MULTICAST_TTL, -1, 0, 1},
    {IP_MULTICAST_TTL, 0, 0, 0},
    {IP_MULTICAST_TTL, -2, -EINVAL, 1},
    {IP_MULTICAST_TTL, 256, -EINVAL, 1},
    {IP_MTU, 1500, -ENOPROTOOPT, -ENOTCONN},
    {IP_FREEBIND, 1, 0, 1},
    {IP_PKTINFO, 1, 0, 1},
    {IP_RECVOPTS, 1, -ENOPROTOOPT, -ENOPROTOOPT},
    {IP_BIND_ADDRESS_NO_PORT, 1, -ENOPROTOOPT, -ENOPROTOOPT}, /* a stream's */
    {PORT_RANGE, 0x40004000, 0, 0x40004000},
    {PORT_RANGE, 0x40000000, 0, 0x40000000},
    {PORT_RANGE, 0x00004000, 0, 0x00004000},
    {PORT_RANGE, 0x40004001, -EINVAL, 0},
};

START_TEST(test_option_cell)
{
	const struct opt_case *o = &opt_cases[_i];
	int x = -7;
	socklen_t n = sizeof(x);

	ck_assert_int_eq(inet_sock_setopt(sk, o->name, &o->value, sizeof(int)), o->err);
	if (o->reads < 0) {
		ck_assert_int_eq(inet_sock_getopt(sk, o->name, &x, &n), o->reads);
	} else {
		ck_assert_int_eq(inet_sock_getopt(sk, o->name, &x, &n), 0);
		ck_assert_int_eq(x, o->reads);
		ck_assert_uint_eq(n, sizeof(int));
	}
}
END_TEST

START_TEST(test_option_of_one_byte)
{
	uint8_t byte = 0x20;
	socklen_t n = 1;

	ck_assert_int_eq(inet_sock_setopt(sk, IP_TOS, &byte, 1), 0);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_TTL, &byte, 0), -EINVAL);
	byte = 0;
	ck_assert_int_eq(inet_sock_getopt(sk, IP_TOS, &byte, &n), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(byte, 0x20);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_TOS, &byte, 0), 0); /* Linux: 0 */
	ck_assert_int_eq(inet_sock_getopt(sk, IP_TOS, &byte, &n), 0);
	ck_assert_uint_eq(byte, 0);
}
END_TEST

START_TEST(test_option_mtu_of_connected)
{
	int x = 0;
	socklen_t n = sizeof(x);

	sk->c.raddr = ip_of("10.0.0.2");
	ck_assert_int_eq(inet_sock_getopt(sk, IP_MTU, &x, &n), 0);
	ck_assert_int_eq(x, 1500);
}
END_TEST

START_TEST(test_option_ip_options_are_checked_padded_and_cleared)
{
	static const uint8_t rr[] = {7, 7, 4, 0, 0, 0, 0}, bad[] = {7, 30, 4, 0},
			     lsrr[] = {131, 7, 4, 10, 0, 0, 9};
	uint8_t got[40], much[41] = {0};
	socklen_t n = sizeof(got);

	ck_assert_int_eq(inet_sock_setopt(sk, IP_OPTIONS, rr, sizeof(rr)), 0);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_OPTIONS, bad, sizeof(bad)), -EINVAL);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_OPTIONS, lsrr, sizeof(lsrr)), -EOPNOTSUPP);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_OPTIONS, much, sizeof(much)), -EINVAL);
	ck_assert_int_eq(inet_sock_getopt(sk, IP_OPTIONS, got, &n), 0);
	ck_assert_uint_eq(n, 8);
	ck_assert_int_eq(memcmp(got, rr, sizeof(rr)), 0);
	ck_assert_uint_eq(got[7], 0);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_OPTIONS, NULL, 0), 0);
	n = sizeof(got);
	ck_assert_int_eq(inet_sock_getopt(sk, IP_OPTIONS, got, &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_OPTIONS, rr, sizeof(rr)), 0);
}
END_TEST

/* RFC 1112, 6.1: of what goes to a group, and of nothing else. */
START_TEST(test_option_multicast_ttl_is_for_groups)
{
	struct ip_addr group = ip_of("224.1.2.3"), host = ip_of("10.0.0.2");
	int ttl = 9, group_ttl = 32;
	struct ip_flow f;

	sock_flow(sk, &group, &f);
	ck_assert_uint_eq(f.ttl, 1);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_TTL, &ttl, sizeof(ttl)), 0);
	ck_assert_int_eq(inet_sock_setopt(sk, IP_MULTICAST_TTL, &group_ttl, sizeof(int)), 0);
	sock_flow(sk, &group, &f);
	ck_assert_uint_eq(f.ttl, 32);
	sock_flow(sk, &host, &f);
	ck_assert_uint_eq(f.ttl, 9);
}
END_TEST

START_TEST(test_option_multicast_ttl_is_not_a_streams)
{
	struct sock *s = inet_lab_sock(&lab, &inet_lab_stream, 0);
	int ttl = 2;

	sock_unlock(sk);
	sock_lock(s);
	ck_assert_int_eq(inet_sock_setopt(s, IP_MULTICAST_TTL, &ttl, sizeof(ttl)), -EINVAL);
	sock_unlock(s);
	sock_put(s);
	sock_lock(sk);
}
END_TEST

/* TCP's ECN bits are its own (RFC 3168, 6.1). */
START_TEST(test_option_tos_of_stream_leaves_ecn)
{
	struct sock *s = inet_lab_sock(&lab, &inet_lab_stream, 0);
	int tos = 0x13;

	sock_unlock(sk);
	sock_lock(s);
	s->tos = 2;
	ck_assert_int_eq(inet_sock_setopt(s, IP_TOS, &tos, sizeof(tos)), 0);
	ck_assert_uint_eq(s->tos, 0x12);
	sock_unlock(s);
	sock_put(s);
	sock_lock(sk);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("inet_opt");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_option_cell, 0,
			    (int)(sizeof(opt_cases) / sizeof(opt_cases[0])));
	tcase_add_test(tc, test_option_of_one_byte);
	tcase_add_test(tc, test_option_mtu_of_connected);
	tcase_add_test(tc, test_option_ip_options_are_checked_padded_and_cleared);
	tcase_add_test(tc, test_option_tos_of_stream_leaves_ecn);
	tcase_add_test(tc, test_option_multicast_ttl_is_for_groups);
	tcase_add_test(tc, test_option_multicast_ttl_is_not_a_streams);
	return unit_run("inet_opt", tc);
}
