/*
 * tests/tcp/test_close.c - the ways to an end: half-close both ways, simultaneous close, linger,
 * unread data, orphans, data for nobody (RFC 9293, 3.6; RFC 1122, 4.2.2.13; RFC 2525, 2.17).
 */
#include <errno.h>

#include "tests/harness/tcp_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

static void close_fd(void)
{
	ck_assert_int_eq(weft_close(tl.fd), 0);
	tl.fd = -1;
}

static int64_t orphans(void)
{
	return gauge_read(tl.st, GAUGE_tcp_orphans);
}

/* --- half-close ---------------------------------------------------------------------------------
 */

START_TEST(test_own_half_closed_still_receives)
{
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2);
	for (uint32_t i = 0; i < 5; i++) {
		rx(ACK, .seq = 1 + i * 100, .ack = 2, .len = 100);
		tx(ACK, .seq = 2, .ack = 101 + i * 100);
	}
	tcp_lab_read(500);
	advance_ms(3600 * 1000); /* as long as the program holds it, FIN-WAIT-2 has no end */
	ck_state(TCP_FIN_WAIT2);
	rx(FIN | ACK, .seq = 501, .ack = 2);
	tx(ACK, .seq = 2, .ack = 502);
	ck_state(TCP_TIME_WAIT);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_peer_half_closed_still_gets)
{
	rx(FIN | ACK, .seq = 1, .ack = 1);
	tx(ACK, .seq = 1, .ack = 2);
	for (uint32_t i = 0; i < 5; i++) {
		tcp_lab_write(100);
		tx(ACK, .seq = 1 + i * 100, .ack = 2, .len = 100);
		rx(ACK, .seq = 2, .ack = 101 + i * 100);
	}
	close_fd();
	tx(FIN | ACK, .seq = 501, .ack = 2);
	ck_state(TCP_LAST_ACK);
	rx(ACK, .seq = 2, .ack = 502);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_fin_behind_queued_data)
{
	rx(ACK, .seq = 1, .ack = 1, .wnd = 1460);
	tcp_lab_write(2920);
	tx(ACK, .seq = 1, .ack = 1, .len = 1460);
	close_fd();
	quiet();
	ck_state(TCP_FIN_WAIT1); /* RFC 9293, 3.10.4: queued until all is out */
	rx(ACK, .seq = 1, .ack = 1461, .wnd = 5000);
	tx(FIN | ACK, .seq = 1461, .ack = 1, .len = 1460);
	rx(ACK, .seq = 1, .ack = 2922);
	ck_state(TCP_FIN_WAIT2);
}
END_TEST

START_TEST(test_shutdown_twice_one_fin)
{
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	close_fd();
	quiet();
}
END_TEST

START_TEST(test_shutdown_read_gives_eof)
{
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_RD), 0);
	tcp_lab_read_eof();
	quiet();
	ck_state(TCP_ESTABLISHED);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
}
END_TEST

/* --- both at once -------------------------------------------------------------------------------
 */

START_TEST(test_simultaneous_close_to_timewait)
{
	close_fd();
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(FIN | ACK, .seq = 1, .ack = 1);
	tx(ACK, .seq = 2, .ack = 2);
	ck_state(TCP_CLOSING);
	rx(ACK, .seq = 2, .ack = 2);
	quiet();
	ck_state(TCP_TIME_WAIT);
}
END_TEST

START_TEST(test_simultaneous_close_fin_lost_sent_again)
{
	close_fd();
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(FIN | ACK, .seq = 1, .ack = 1);
	tx(ACK, .seq = 2, .ack = 2);
	wait_ms(1000);
	tx(FIN | ACK, .seq = 1, .ack = 2);
	ck_state(TCP_CLOSING);
}
END_TEST

START_TEST(test_lastack_fin_lost_sent_again)
{
	rx(FIN | ACK, .seq = 1, .ack = 1);
	tx(ACK, .seq = 1, .ack = 2);
	close_fd();
	tx(FIN | ACK, .seq = 1, .ack = 2);
	wait_ms(1000);
	tx(FIN | ACK, .seq = 1, .ack = 2);
	rx(ACK, .seq = 2, .ack = 2);
	ck_state(TCP_CLOSE);
}
END_TEST

/* --- linger -------------------------------------------------------------------------------------
 */

START_TEST(test_linger_zero_resets)
{
	struct linger l = {.l_onoff = 1};
	struct seg s;

	tcp_lab_write(100);
	tcp_lab_drop();
	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	close_fd();
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags & RST, RST);
	ck_assert_uint_eq(s.seq, 101);
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_snd_bytes), tl.gauge[GAUGE_snd_bytes]);
}
END_TEST

START_TEST(test_linger_waits_for_the_time)
{
	struct linger l = {.l_onoff = 1, .l_linger = 3};
	uint64_t before = env_now(tl.env), took;

	tcp_lab_write(100);
	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	close_fd(); /* the peer is silent; O_NONBLOCK is not asked, as in Linux */
	took = (env_now(tl.env) - before) / NSEC_PER_MSEC;
	ck_assert_uint_ge(took, 3000);
	ck_assert_uint_le(took, 3100);
	tcp_lab_drop();
}
END_TEST

/* --- what nobody reads --------------------------------------------------------------------------
 */

START_TEST(test_close_with_unread_data_resets)
{
	struct seg s;

	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tx(ACK, .seq = 1, .ack = 11);
	close_fd();
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags & RST, RST);
	ck_assert_uint_eq(s.seq, 1);
	ck_state(TCP_CLOSE);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPAbortOnClose), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_EstabResets), 1); /* RFC 4022: whichever end */
}
END_TEST

START_TEST(test_close_with_all_read_fins)
{
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tx(ACK, .seq = 1, .ack = 11);
	tcp_lab_read(10);
	close_fd();
	tx(FIN | ACK, .seq = 1, .ack = 11);
}
END_TEST

START_TEST(test_close_with_unread_behind_hole_fins)
{
	rx(ACK, .seq = 11, .ack = 1, .len = 10);
	tx(ACK, .seq = 1, .ack = 1);
	close_fd();
	tx(FIN | ACK, .seq = 1, .ack = 1);
}
END_TEST

START_TEST(test_data_after_close_reset)
{
	struct seg s;

	close_fd();
	tx(FIN | ACK, .seq = 1, .ack = 1);
	if (_i) {
		rx(ACK, .seq = 1, .ack = 2);
		ck_state(TCP_FIN_WAIT2);
	}
	rx(ACK, .seq = 1, .ack = 2, .len = 10);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags, RST); /* SEQ=SEG.ACK, as from CLOSED (RFC 9293, 3.10.7.1) */
	ck_assert_uint_eq(s.seq, 2);
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(orphans(), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPAbortOnData), 1);
}
END_TEST

START_TEST(test_data_after_shutdown_is_read)
{
	weft_shutdown(tl.fd, SHUT_WR);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2, .len = 10);
	tx(ACK, .seq = 2, .ack = 11);
	tcp_lab_read(10);
}
END_TEST

/* Both ways: nobody will read, and the peer learns it (Linux). */
START_TEST(test_data_after_shutdown_of_both_resets)
{
	struct seg s;

	weft_shutdown(tl.fd, SHUT_RDWR);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	if (_i) {
		rx(ACK, .seq = 1, .ack = 2);
		ck_state(TCP_FIN_WAIT2);
	}
	rx(ACK, .seq = 1, .ack = 2, .len = 10);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags, RST);
	ck_assert_uint_eq(s.seq, 2);
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_error(), ECONNRESET);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPAbortOnData), 1);
}
END_TEST

/* Reading alone: what comes is kept, as by Linux. */
START_TEST(test_data_after_shutdown_of_reading_is_read)
{
	weft_shutdown(tl.fd, SHUT_RD);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tx(ACK, .seq = 1, .ack = 11);
	tcp_lab_read(10);
	tcp_lab_read_eof();
}
END_TEST

/* --- orphans ------------------------------------------------------------------------------------
 */

START_TEST(test_orphan_finwait2_ends_after_fin_timeout)
{
	close_fd();
	tx(FIN | ACK, .seq = 1, .ack = 1);
	ck_assert_int_eq(orphans(), 1);
	rx(ACK, .seq = 1, .ack = 2);
	advance_ms(59000);
	ck_assert_uint_ne(tcp_lab_now(), TCP_CLOSE);
	advance_ms(1100);
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(orphans(), 0);
}
END_TEST

START_TEST(test_orphan_fin_timeout_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_fin_timeout", 5);
	close_fd();
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2);
	advance_ms(5100);
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_close_in_finwait2_ends_after_fin_timeout)
{
	weft_shutdown(tl.fd, SHUT_WR);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2);
	close_fd();
	quiet();
	advance_ms(60100);
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_orphan_goes_on_sending)
{
	tcp_lab_write(5000);
	ck_assert_uint_eq(tcp_lab_drop(), 4);
	close_fd();
	tx(FIN | ACK, .seq = 5001, .ack = 1);
	wait_ms(1000);
	tx(ACK, .seq = 1, .ack = 1, .len = 1460);
	rx(ACK, .seq = 1, .ack = 5002);
	ck_state(TCP_FIN_WAIT2);
	rx(FIN | ACK, .seq = 1, .ack = 5002);
	tx(ACK, .seq = 5002, .ack = 2);
	ck_state(TCP_TIME_WAIT);
}
END_TEST

START_TEST(test_orphan_over_limit_reset)
{
	struct seg s;
	unsigned rst = 0;

	tcp_lab_sysctl("net.ipv4.tcp_max_orphans", 0);
	close_fd();
	while (tcp_lab_take(&s))
		rst |= s.flags & RST;
	ck_assert_uint_eq(rst, RST);
	ck_state(TCP_CLOSE);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPAbortOnMemory), 1);
}
END_TEST

static void add_orphans(TCase *tc)
{
	tcase_add_test(tc, test_orphan_finwait2_ends_after_fin_timeout);
	tcase_add_test(tc, test_orphan_fin_timeout_by_sysctl);
	tcase_add_test(tc, test_close_in_finwait2_ends_after_fin_timeout);
	tcase_add_test(tc, test_orphan_goes_on_sending);
	tcase_add_test(tc, test_orphan_over_limit_reset);
}

int main(void)
{
	TCase *tc = tcase_create("close");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_own_half_closed_still_receives);
	tcase_add_test(tc, test_peer_half_closed_still_gets);
	tcase_add_test(tc, test_fin_behind_queued_data);
	tcase_add_test(tc, test_shutdown_twice_one_fin);
	tcase_add_test(tc, test_shutdown_read_gives_eof);
	tcase_add_test(tc, test_simultaneous_close_to_timewait);
	tcase_add_test(tc, test_simultaneous_close_fin_lost_sent_again);
	tcase_add_test(tc, test_lastack_fin_lost_sent_again);
	tcase_add_test(tc, test_linger_zero_resets);
	tcase_add_test(tc, test_linger_waits_for_the_time);
	tcase_add_test(tc, test_close_with_unread_data_resets);
	tcase_add_test(tc, test_close_with_all_read_fins);
	tcase_add_test(tc, test_close_with_unread_behind_hole_fins);
	tcase_add_loop_test(tc, test_data_after_close_reset, 0, 2);
	tcase_add_test(tc, test_data_after_shutdown_is_read);
	tcase_add_loop_test(tc, test_data_after_shutdown_of_both_resets, 0, 2);
	tcase_add_test(tc, test_data_after_shutdown_of_reading_is_read);
	add_orphans(tc);
	return unit_run("tcp_close", tc);
}
