/*
 * tests/tcp/test_tw_reuse.c - net.ipv4.tcp_tw_reuse: may connect() choose a port that is in TIME-WAIT
 * towards the same peer (RFC 6191)?  And net.ipv4.tcp_rfc1337.
 */
#include <errno.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define ONLY_PORT 5555

/* connect() to the peer from the only port there is: 0 when the SYN went, or the errno. */
static int connect_once(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};

	to.sin_addr.s_addr = htonl(0x0a000002);
	tl.fd = tcp_lab_socket();
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&to, sizeof(to)), -1);
	return errno == EINPROGRESS ? 0 : errno;
}

/* A connection that we have closed first, with timestamps or without. */
static void time_wait(unsigned opts)
{
	char why[SYSCTL_TEXT_MAX];

	ck_assert_int_eq(sysctl_write_text(tl.st, "net.ipv4.ip_local_port_range", "5555 5555", why),
			 0);
	ck_assert_int_eq(connect_once(), 0);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .opts = opts);
	tx(ACK, .seq = 1, .ack = 1);
	weft_close(tl.fd);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(FIN | ACK, .seq = 1, .ack = 2);
	tx(ACK, .seq = 2, .ack = 2);
	ck_state(TCP_TIME_WAIT);
	tl.fd = -1;
}

START_TEST(test_reuse_on_after_a_second)
{
	uint32_t last;

	tcp_lab_sysctl("net.ipv4.tcp_tw_reuse", 1);
	time_wait(O_TS);
	last = tl.peer.iss;
	advance_ms(900);
	ck_assert_int_eq(connect_once(), EADDRNOTAVAIL);
	advance_ms(200);
	ck_assert_int_eq(connect_once(), 0);
	tx(SYN, .seq = 0, .sport = ONLY_PORT);
	ck_assert_int_gt((int32_t)(tl.peer.iss - last), 65535); /* above all that was ever sent */
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TWRecycled), 1);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 0);
}
END_TEST

START_TEST(test_reuse_delay_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_tw_reuse", 1);
	tcp_lab_sysctl("net.ipv4.tcp_tw_reuse_delay", 10);
	time_wait(O_TS);
	ck_assert_int_eq(connect_once(), EADDRNOTAVAIL);
	advance_ms(11);
	ck_assert_int_eq(connect_once(), 0);
}
END_TEST

static const int not_here[] = {0, 2}; /* never; over loopback */

START_TEST(test_reuse_off_port_is_taken)
{
	tcp_lab_sysctl("net.ipv4.tcp_tw_reuse", not_here[_i]);
	time_wait(O_TS);
	advance_ms(10000);
	ck_assert_int_eq(connect_once(), EADDRNOTAVAIL);
	ck_state(TCP_TIME_WAIT);
	advance_ms(51000);
	ck_assert_int_eq(connect_once(), 0);
}
END_TEST

START_TEST(test_reuse_needs_timestamps)
{
	tcp_lab_sysctl("net.ipv4.tcp_tw_reuse", 1);
	time_wait(O_MSS);
	advance_ms(10000);
	ck_assert_int_eq(connect_once(), EADDRNOTAVAIL);
}
END_TEST

START_TEST(test_rst_ends_it_only_without_rfc1337)
{
	time_wait(O_TS);
	rx(RST, .seq = 2);
	ck_state(TCP_TIME_WAIT);
	tcp_lab_sysctl("net.ipv4.tcp_rfc1337", 0);
	rx(RST, .seq = 3);
	ck_state(TCP_TIME_WAIT); /* it would have ended no connection */
	rx(RST, .seq = 2);
	ck_state(TCP_CLOSE);
	quiet();
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("tw_reuse");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_reuse_on_after_a_second);
	tcase_add_test(tc, test_reuse_delay_by_sysctl);
	tcase_add_loop_test(tc, test_reuse_off_port_is_taken, 0, 2);
	tcase_add_test(tc, test_reuse_needs_timestamps);
	tcase_add_test(tc, test_rst_ends_it_only_without_rfc1337);
	return unit_run("tcp_tw_reuse", tc);
}
