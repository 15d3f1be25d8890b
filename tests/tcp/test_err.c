/*
 * tests/tcp/test_err.c - ICMP errors about segments (RFC 9293, 3.9.2.2; RFC 5461; RFC 5927: only about
 * a number in flight), and the path MTU (RFC 1191).
 */
#include <errno.h>
#include <string.h>

#include "lib/wire/icmp4.h"
#include "tests/harness/tcp_lab.h"

/* Linux's table.  Each of them ends an attempt, RFC 1122's soft ones too (RFC 5461, 2.2). */
static const struct icmp_case {
	const char *name;
	uint8_t type, code;
	int err; /* that ends a connect(); 0: none */
} icmp_case[] = {
    {"net unreachable", ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ENETUNREACH},
    {"host unreachable", ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, EHOSTUNREACH},
    {"protocol unreachable", ICMP_DEST_UNREACH, ICMP_PROTO_UNREACH, ENOPROTOOPT},
    {"port unreachable", ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ECONNREFUSED},
    {"source route failed", ICMP_DEST_UNREACH, ICMP_SR_FAILED, EOPNOTSUPP},
    {"net unknown", ICMP_DEST_UNREACH, ICMP_NET_UNKNOWN, ENETUNREACH},
    {"host unknown", ICMP_DEST_UNREACH, ICMP_HOST_UNKNOWN, EHOSTDOWN},
    {"host isolated", ICMP_DEST_UNREACH, ICMP_HOST_ISOLATED, ENONET},
    {"net prohibited", ICMP_DEST_UNREACH, ICMP_NET_ANO, ENETUNREACH},
    {"host prohibited", ICMP_DEST_UNREACH, ICMP_HOST_ANO, EHOSTUNREACH},
    {"net, TOS", ICMP_DEST_UNREACH, ICMP_NET_UNR_TOS, ENETUNREACH},
    {"host, TOS", ICMP_DEST_UNREACH, ICMP_HOST_UNR_TOS, EHOSTUNREACH},
    {"filtered", ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, EHOSTUNREACH},
    {"TTL", ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, EHOSTUNREACH},
    {"parameter", ICMP_PARAM_PROBLEM, 0, EPROTO},
    {"source quench", ICMP_SOURCE_QUENCH, 0, 0},
};
#define ICMP_CASES (int)(sizeof(icmp_case) / sizeof(icmp_case[0]))

START_TEST(test_synsent_error_by_its_code)
{
	const struct icmp_case *c = &icmp_case[_i];

	tcp_lab_state(TCP_SYN_SENT, ACTIVE);
	tcp_lab_rx_icmp(c->type, c->code, 0, 0);
	quiet();
	ck_assert_msg((tcp_lab_now() == TCP_CLOSE) == (c->err != 0), "%s", c->name);
	ck_assert_str_eq(strerror(tcp_lab_error()), strerror(c->err));
}
END_TEST

START_TEST(test_synsent_error_of_another_number_ignored)
{
	tcp_lab_state(TCP_SYN_SENT, ACTIVE);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 1000, 0);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 1, 0); /* the next to be sent */
	ck_state(TCP_SYN_SENT);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_OutOfWindowIcmps), 2);
}
END_TEST

/* RFC 1122, 4.2.3.9; RFC 5461: an established connection does not end by an ICMP error. */
START_TEST(test_established_error_does_not_end_it)
{
	const struct icmp_case *c = &icmp_case[_i];

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	tcp_lab_rx_icmp(c->type, c->code, 1, 0);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert_str_eq(strerror(tcp_lab_error()), strerror(c->err)); /* for who asks */
	rx(ACK, .seq = 1, .ack = 11);
	tcp_lab_write(10);
	tx(ACK, .seq = 11, .ack = 1, .len = 10);
}
END_TEST

START_TEST(test_established_soft_error_told_at_timeout)
{
	tcp_lab_sysctl("net.ipv4.tcp_retries2", 2);
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(10);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 1, 0);
	advance_ms(60000);
	ck_state(TCP_CLOSE);
	tcp_lab_read_errno(EHOSTUNREACH);
}
END_TEST

/* What an ACK has disproved is no reason any more. */
START_TEST(test_established_soft_error_forgotten_by_ack)
{
	tcp_lab_sysctl("net.ipv4.tcp_retries2", 2);
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(10);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 1, 0);
	rx(ACK, .seq = 1, .ack = 11);
	tcp_lab_write(10);
	advance_ms(60000);
	ck_state(TCP_CLOSE);
	tcp_lab_read_errno(ETIMEDOUT);
}
END_TEST

START_TEST(test_request_hard_error_ends_it)
{
	tcp_lab_state(TCP_SYN_RECV, PASSIVE);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, 0);
	quiet();
	ck_assert_int_eq(tcp_lab_accept(), -1);
	ck_assert_int_eq(errno, EAGAIN); /* the listener is not touched */
}
END_TEST

/* The same SYN would come again, and find a way that is there again. */
START_TEST(test_request_soft_error_ends_it)
{
	tcp_lab_state(TCP_SYN_RECV, PASSIVE);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0, 0);
	quiet();
	rx(ACK, .seq = 1, .ack = 1);
	tx(RST, .seq = 1);
	ck_assert_int_eq(tcp_lab_accept(), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

/* A SYN-ACK is no smaller next time. */
START_TEST(test_request_frag_needed_ignored)
{
	tcp_lab_state(TCP_SYN_RECV, PASSIVE);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 0, 1000);
	ck_state(TCP_SYN_RECV);
}
END_TEST

START_TEST(test_request_error_of_another_number_ignored)
{
	tcp_lab_state(TCP_SYN_RECV, PASSIVE);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 7777, 0);
	ck_state(TCP_SYN_RECV);
}
END_TEST

START_TEST(test_no_connection_error_ignored)
{
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 1, 0);
	quiet();
}
END_TEST

/* --- path MTU -----------------------------------------------------------------------------------
 */

static void two_out(void)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(2920);
	tx(ACK, .seq = 1, .ack = 1, .len = 1460);
	tx(ACK, .seq = 1461, .ack = 1, .len = 1460);
}

static struct tcp_view view(void)
{
	struct tcp_view v;

	ck_assert(tcp_lab_view(&v));
	return v;
}

START_TEST(test_frag_needed_shrinks_and_sends_again)
{
	struct seg s;
	uint32_t next = 1;

	two_out();
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1, 1000);
	ck_assert_uint_eq(view().mss, 960);
	ck_assert_uint_ge(tl.nsent, 1); /* without waiting for the timer */
	while (tcp_lab_take(&s)) {
		ck_assert_uint_eq(s.seq, next);
		ck_assert_uint_le(s.len, 960);
		next += s.len;
	}
	rx(ACK, .seq = 1, .ack = next);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 2921);
	tcp_lab_write(1500);
	tx(ACK, .seq = 2921, .ack = 1, .len = 960);
}
END_TEST

START_TEST(test_frag_needed_is_no_congestion)
{
	uint32_t cwnd;

	two_out();
	cwnd = view().cwnd;
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1, 1000);
	tcp_lab_drop();
	ck_assert_uint_ge(view().ssthresh, cwnd); /* RFC 1191, 6.4: not halved */
}
END_TEST

/* RFC 5681, 3.1: ten segments stay ten, of the size that fits. */
START_TEST(test_frag_needed_leaves_as_many_segments)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(30 * 1460);
	ck_assert_uint_eq(tcp_lab_drop(), 10);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1, 1000);
	ck_assert_uint_eq(view().cwnd, 10 * 960);
	ck_assert_uint_eq(tcp_lab_drop(), 10);
}
END_TEST

static const struct ignored {
	const char *name;
	uint32_t seq;
	uint16_t mtu;
} ignored[] = {
    {"of a number not sent", 500000, 1000},
    {"of a number acknowledged", (uint32_t)-5000, 1000},
    {"of the MTU there is", 1, 1500},
    {"of a larger MTU", 1, 9000},
};

START_TEST(test_frag_needed_that_means_nothing_ignored)
{
	two_out();
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ignored[_i].seq, ignored[_i].mtu);
	quiet();
	tcp_lab_write(1); /* whatever was learnt would be seen now */
	ck_assert_msg(view().mss == 1460, "%s", ignored[_i].name);
}
END_TEST

START_TEST(test_frag_needed_tiny_not_believed)
{
	two_out();
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1, 68);
	tcp_lab_drop();
	ck_assert_uint_ge(view().mss, 552 - 40); /* net.ipv4.route.min_pmtu */
}
END_TEST

START_TEST(test_path_mtu_kept_for_the_next_connection)
{
	two_out();
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1, 1000);
	tcp_lab_drop();
	tcp_lab_peer(1);
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(1500);
	tx(ACK, .seq = 1, .ack = 1, .len = 960);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("err");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_synsent_error_by_its_code, 0, ICMP_CASES);
	tcase_add_test(tc, test_synsent_error_of_another_number_ignored);
	tcase_add_loop_test(tc, test_established_error_does_not_end_it, 0, ICMP_CASES);
	tcase_add_test(tc, test_established_soft_error_told_at_timeout);
	tcase_add_test(tc, test_established_soft_error_forgotten_by_ack);
	tcase_add_test(tc, test_request_hard_error_ends_it);
	tcase_add_test(tc, test_request_soft_error_ends_it);
	tcase_add_test(tc, test_request_frag_needed_ignored);
	tcase_add_test(tc, test_request_error_of_another_number_ignored);
	tcase_add_test(tc, test_no_connection_error_ignored);
	tcase_add_test(tc, test_frag_needed_shrinks_and_sends_again);
	tcase_add_test(tc, test_frag_needed_is_no_congestion);
	tcase_add_test(tc, test_frag_needed_leaves_as_many_segments);
	tcase_add_loop_test(tc, test_frag_needed_that_means_nothing_ignored, 0, 4);
	tcase_add_test(tc, test_frag_needed_tiny_not_believed);
	tcase_add_test(tc, test_path_mtu_kept_for_the_next_connection);
	return unit_run("tcp_err", tc);
}
