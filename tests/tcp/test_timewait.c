/*
 * tests/tcp/test_timewait.c - TIME-WAIT: 2 MSL (RFC 9293, 3.4.2), what it answers, what it ignores
 * (RFC 1337), the SYN that takes it over (RFC 1122, 4.2.2.13; RFC 6191), and its port.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "tests/harness/tcp_lab.h"

#define MSL2 60000u

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_TIME_WAIT, PASSIVE);
	weft_close(tl.fd);
	tl.fd = -1;
}

START_TEST(test_timewait_lasts_two_msl)
{
	advance_ms(MSL2 - 5);
	ck_state(TCP_TIME_WAIT);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 1);
	advance_ms(10);
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 0);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TW), 1);
}
END_TEST

START_TEST(test_timewait_msl_by_sysctl)
{
	tcp_lab_sysctl("net.weft.tcp_msl_ms", 100);
	tcp_lab_peer(1);
	tcp_lab_state(TCP_TIME_WAIT, PASSIVE);
	advance_ms(195);
	ck_state(TCP_TIME_WAIT);
	advance_ms(10);
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_timewait_fin_again_acked_and_restarts)
{
	advance_ms(MSL2 - 1000);
	rx(FIN | ACK, .seq = 1, .ack = 2);
	tx(ACK, .seq = 2, .ack = 2);
	advance_ms(MSL2 - 1000);
	ck_state(TCP_TIME_WAIT);
	advance_ms(1010);
	ck_state(TCP_CLOSE);
}
END_TEST

/* Its ACK was lost twice: who retransmits by a short time-out is answered each time. */
START_TEST(test_timewait_fin_again_soon_acked_each_time)
{
	for (unsigned i = 0; i < 3; i++) {
		rx(FIN | ACK, .seq = 1, .ack = 2);
		tx(ACK, .seq = 2, .ack = 2);
		advance_ms(200);
	}
	quiet();
}
END_TEST

START_TEST(test_timewait_rst_does_not_shorten)
{
	advance_ms(1000);
	rx(RST, .seq = 2);
	rx(RST | ACK, .seq = 2, .ack = 2);
	quiet();
	advance_ms(MSL2 - 1100);
	ck_state(TCP_TIME_WAIT);
}
END_TEST

START_TEST(test_timewait_old_text_acked_not_restarted)
{
	advance_ms(MSL2 - 1000);
	rx(ACK, .seq = 1, .ack = 2, .len = 1);
	tx(ACK, .seq = 2, .ack = 2);
	advance_ms(1010);
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_timewait_ack_silent)
{
	rx(ACK, .seq = 2, .ack = 2);
	quiet();
}
END_TEST

START_TEST(test_timewait_syn_above_opens_anew)
{
	uint32_t iss = tl.peer.iss, isn = tl.peer.isn;
	struct seg s;

	tcp_lab_peer(0);
	tl.peer.isn = isn + 3; /* above RCV.NXT */
	rx(SYN, .seq = 0, .mss = 1460);
	s = tx(SYN | ACK, .seq = 0, .ack = 1);
	ck_assert_int_gt((int32_t)(tl.peer.iss - (iss + 2)), 0); /* above all sent before */
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 0);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	ck_state(TCP_ESTABLISHED);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TWRecycled), 1);
	ck_assert_uint_eq(s.flags & RST, 0);
}
END_TEST

START_TEST(test_timewait_syn_below_acked)
{
	rx(SYN, .seq = (uint32_t)-500, .mss = 1460);
	tx(ACK, .seq = 2, .ack = 2);
	ck_state(TCP_TIME_WAIT);
}
END_TEST

START_TEST(test_timewait_syn_ack_acked)
{
	rx(SYN | ACK, .seq = 500, .ack = 2, .mss = 1460);
	tx(ACK, .seq = 2, .ack = 2);
	ck_state(TCP_TIME_WAIT);
}
END_TEST

/* Nobody would take the connection, so the old one keeps its time (RFC 1337). */
START_TEST(test_timewait_syn_above_without_listener_acked)
{
	weft_close(tl.ls);
	tl.ls = -1;
	rx(SYN, .seq = 500, .mss = 1460);
	tx(ACK, .seq = 2, .ack = 2);
	quiet();
	ck_state(TCP_TIME_WAIT);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TWRecycled), 0);
}
END_TEST

/* --- its port -----------------------------------------------------------------------------------
 */

static int bind_port(uint16_t port, int reuse)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = tcp_lab_socket(), r;

	tcp_lab_setopt(fd, SOL_SOCKET, SO_REUSEADDR, reuse);
	r = weft_bind(fd, (struct sockaddr *)&a, sizeof(a));
	return r ? -errno : 0;
}

START_TEST(test_timewait_port_needs_reuseaddr)
{
	weft_close(tl.ls);
	tl.ls = -1;
	ck_assert_int_eq(bind_port(TCP_LAB_PORT, 0), -EADDRINUSE);
}
END_TEST

START_TEST(test_timewait_port_free_after)
{
	weft_close(tl.ls);
	tl.ls = -1;
	advance_ms(MSL2 + 10);
	ck_assert_int_eq(bind_port(TCP_LAB_PORT, 0), 0);
}
END_TEST

/* The sock whose port it was had SO_REUSEADDR, as a server's has. */
START_TEST(test_timewait_port_shared_by_reuseaddr)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(8080)};
	int fd = tcp_lab_socket();

	tcp_lab_setopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	ck_assert_int_eq(weft_bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(weft_listen(fd, 5), 0);
	tl.ls = fd;
	tcp_lab_peer(3);
	tl.peer.lport = 8080;
	tcp_lab_state(TCP_TIME_WAIT, PASSIVE);
	weft_close(tl.fd);
	weft_close(tl.ls);
	ck_state(TCP_TIME_WAIT);
	ck_assert_int_eq(bind_port(8080, 1), 0);
}
END_TEST

START_TEST(test_timewait_over_limit_not_made)
{
	tcp_lab_sysctl("net.ipv4.tcp_max_tw_buckets", 1);
	tcp_lab_peer(1);
	tcp_lab_state(TCP_FIN_WAIT2, PASSIVE);
	rx(FIN | ACK, .seq = 1, .ack = 2);
	tx(ACK, .seq = 2, .ack = 2); /* the FIN is answered all the same */
	ck_state(TCP_CLOSE);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPTimeWaitOverflow), 1);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timewait");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_timewait_lasts_two_msl);
	tcase_add_test(tc, test_timewait_msl_by_sysctl);
	tcase_add_test(tc, test_timewait_fin_again_acked_and_restarts);
	tcase_add_test(tc, test_timewait_fin_again_soon_acked_each_time);
	tcase_add_test(tc, test_timewait_rst_does_not_shorten);
	tcase_add_test(tc, test_timewait_old_text_acked_not_restarted);
	tcase_add_test(tc, test_timewait_ack_silent);
	tcase_add_test(tc, test_timewait_syn_above_opens_anew);
	tcase_add_test(tc, test_timewait_syn_below_acked);
	tcase_add_test(tc, test_timewait_syn_ack_acked);
	tcase_add_test(tc, test_timewait_syn_above_without_listener_acked);
	tcase_add_test(tc, test_timewait_port_needs_reuseaddr);
	tcase_add_test(tc, test_timewait_port_free_after);
	tcase_add_test(tc, test_timewait_port_shared_by_reuseaddr);
	tcase_add_test(tc, test_timewait_over_limit_not_made);
	return unit_run("tcp_timewait", tc);
}
