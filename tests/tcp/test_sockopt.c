/*
 * tests/tcp/test_sockopt.c - options of level IPPROTO_TCP and those of IP that TCP heeds: set, told,
 * out of range, unknown, and what they do where no other file looks (tcp(7), ip(7)).
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/harness/tcp_lab.h"

#define IP_MINTTL_ 21 /* ip(7) */

static int get(int level, int name)
{
	int v = -12345;
	socklen_t n = sizeof(v);

	if (weft_getsockopt(tl.fd, level, name, &v, &n) < 0)
		return -errno;
	ck_assert_uint_eq(n, sizeof(v));
	return v;
}

static int set(int level, int name, int v)
{
	return weft_setsockopt(tl.fd, level, name, &v, sizeof(v)) < 0 ? -errno : 0;
}

static const struct option {
	const char *name;
	int opt, dflt, value, bad; /* bad 0: any value will do */
} option[] = {
    {"TCP_NODELAY", TCP_NODELAY, 0, 1, 0},
    {"TCP_CORK", TCP_CORK, 0, 1, 0},
    {"TCP_KEEPIDLE", TCP_KEEPIDLE, 7200, 55, 40000},
    {"TCP_KEEPINTVL", TCP_KEEPINTVL, 75, 5, 40000},
    {"TCP_KEEPCNT", TCP_KEEPCNT, 9, 4, 200},
    {"TCP_SYNCNT", TCP_SYNCNT, 6, 2, 200},
    {"TCP_LINGER2", TCP_LINGER2, 60, 20, 0},
    {"TCP_MAXSEG", TCP_MAXSEG, 536, 1000, 70000},
    {"TCP_USER_TIMEOUT", TCP_USER_TIMEOUT, 0, 5000, -1},
};
#define OPTIONS (int)(sizeof(option) / sizeof(option[0]))

START_TEST(test_option_set_and_told)
{
	const struct option *o = &option[_i];

	tl.fd = tcp_lab_socket();
	ck_assert_msg(get(IPPROTO_TCP, o->opt) == o->dflt, "%s: %d", o->name,
		      get(IPPROTO_TCP, o->opt));
	ck_assert_msg(set(IPPROTO_TCP, o->opt, o->value) == 0, "%s", o->name);
	ck_assert_msg(get(IPPROTO_TCP, o->opt) == o->value, "%s: %d", o->name,
		      get(IPPROTO_TCP, o->opt));
	if (o->bad) {
		ck_assert_msg(set(IPPROTO_TCP, o->opt, o->bad) == -EINVAL, "%s", o->name);
		ck_assert_int_eq(get(IPPROTO_TCP, o->opt), o->value);
	}
}
END_TEST

START_TEST(test_option_unknown_refused)
{
	static const int unknown[] = {TCP_MD5SIG, TCP_ZEROCOPY_RECEIVE, TCP_REPAIR, 999, -1};

	tl.fd = tcp_lab_socket();
	ck_assert_int_eq(set(IPPROTO_TCP, unknown[_i], 1), -ENOPROTOOPT);
	ck_assert_int_eq(get(IPPROTO_TCP, unknown[_i]), -ENOPROTOOPT);
}
END_TEST

START_TEST(test_option_too_short_refused)
{
	char c = 1;

	tl.fd = tcp_lab_socket();
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_TCP, TCP_NODELAY, &c, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(test_maxseg_told_is_the_connections)
{
	tcp_lab_established(&(struct seg){.mss = 1200, .opts = O_TS});
	ck_assert_int_eq(get(IPPROTO_TCP, TCP_MAXSEG), 1188);
}
END_TEST

START_TEST(test_quickack_taken_back_delays_again)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_int_eq(set(IPPROTO_TCP, TCP_QUICKACK, 0), 0);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	ck_assert_int_eq(get(IPPROTO_TCP, TCP_QUICKACK), 0);
	ck_assert_uint_ge(wait_ms(500), 40);
	tx(ACK, .seq = 1, .ack = 11);
	tcp_lab_read(10);
}
END_TEST

START_TEST(test_quickack_sends_what_is_owed)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_int_eq(set(IPPROTO_TCP, TCP_QUICKACK, 0), 0);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	quiet();
	ck_assert_int_eq(set(IPPROTO_TCP, TCP_QUICKACK, 1), 0);
	tx(ACK, .seq = 1, .ack = 11);
	tcp_lab_read(10);
}
END_TEST

START_TEST(test_syncnt_bounds_syns)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(4000)};

	tl.fd = tcp_lab_socket();
	ck_assert_int_eq(set(IPPROTO_TCP, TCP_SYNCNT, 1), 0);
	a.sin_addr.s_addr = htonl(0x0a000002);
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a)), -1);
	advance_ms(60000);
	ck_assert_uint_eq(tcp_lab_drop(), 2);
	ck_assert_int_eq(get(SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}
END_TEST

/* FIN-WAIT-2 of an orphan: so many seconds, or none at all. */
START_TEST(test_linger2_bounds_finwait2)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_int_eq(set(IPPROTO_TCP, TCP_LINGER2, 5), 0);
	weft_close(tl.fd);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2);
	advance_ms(4000);
	ck_assert_uint_ne(tcp_lab_now(), TCP_CLOSE);
	advance_ms(1100);
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_linger2_negative_no_finwait2)
{
	struct seg s;

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_int_eq(set(IPPROTO_TCP, TCP_LINGER2, -1), 0);
	weft_close(tl.fd);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags & RST, RST);
	ck_state(TCP_CLOSE);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPAbortOnLinger), 1);
}
END_TEST

/* --- congestion control by name -----------------------------------------------------------------
 */

START_TEST(test_congestion_told_and_unknown_refused)
{
	char name[16] = "";
	socklen_t n = sizeof(name);

	tl.fd = tcp_lab_socket();
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_CONGESTION, name, &n), 0);
	ck_assert_uint_gt(strlen(name), 0);
	ck_assert_int_eq(
	    weft_setsockopt(tl.fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)), 0);
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* --- IP -----------------------------------------------------------------------------------------
 */

START_TEST(test_minttl_drops_below) /* RFC 5082; the lab's segments have 64 */
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_int_eq(set(IPPROTO_IP, IP_MINTTL_, 64), 0);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tx(ACK, .seq = 1, .ack = 11);
	ck_assert_int_eq(set(IPPROTO_IP, IP_MINTTL_, 65), 0);
	rx(ACK, .seq = 11, .ack = 1, .len = 10);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPMinTTLDrop), 1);
	tcp_lab_read(10);
}
END_TEST

/* TOS and TTL of the header of what was sent last. */
static void check_header(uint8_t tos, uint8_t ttl)
{
	ck_assert_ptr_nonnull(tl.head);
	ck_assert_uint_eq(tl.head->bytes[1], tos);
	ck_assert_uint_eq(tl.head->bytes[8], ttl);
	tcp_lab_drop();
}

START_TEST(test_tos_and_ttl_in_every_segment)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(1);
	check_header(0, 64);
	ck_assert_int_eq(set(IPPROTO_IP, IP_TOS, 0x20), 0);
	ck_assert_int_eq(set(IPPROTO_IP, IP_TTL, 9), 0);
	rx(ACK, .seq = 1, .ack = 2);
	tcp_lab_write(1);
	check_header(0x20, 9);
	rx(ACK, .seq = 1, .ack = 3, .len = 5);
	check_header(0x20, 9);
	tcp_lab_read(5);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sockopt");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_option_set_and_told, 0, OPTIONS);
	tcase_add_loop_test(tc, test_option_unknown_refused, 0, 5);
	tcase_add_test(tc, test_option_too_short_refused);
	tcase_add_test(tc, test_maxseg_told_is_the_connections);
	tcase_add_test(tc, test_quickack_taken_back_delays_again);
	tcase_add_test(tc, test_quickack_sends_what_is_owed);
	tcase_add_test(tc, test_syncnt_bounds_syns);
	tcase_add_test(tc, test_linger2_bounds_finwait2);
	tcase_add_test(tc, test_linger2_negative_no_finwait2);
	tcase_add_test(tc, test_congestion_told_and_unknown_refused);
	tcase_add_test(tc, test_minttl_drops_below);
	tcase_add_test(tc, test_tos_and_ttl_in_every_segment);
	return unit_run("tcp_sockopt", tc);
}
