/*
 * tests/tcp/test_persist.c - against a closed window: probes as long as they are answered (RFC 9293,
 * 3.8.6.1), and the sender's side of silly windows (3.8.6.2.1).
 */
#include <errno.h>

#include "tests/harness/tcp_lab.h"

#define MSS 1000u

/* ESTABLISHED with a window of this many bytes, round trip 100 ms. */
static void established(int wnd)
{
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = MSS, .wnd = wnd);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(100);
	rx(ACK, .seq = 1, .ack = 1, .wnd = wnd);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_mark();
}

/* A probe: an old number or the next byte, so that it must be answered. */
static void probed(uint64_t at)
{
	struct seg s;

	wait_ms(130000);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags & ~(unsigned)PSH, ACK);
	ck_assert_msg(s.seq == 0 || (s.seq == 1 && s.len == 1), "no probe: seq %u len %u", s.seq,
		      s.len);
	ck_assert_uint_ge(tcp_lab_elapsed_ms() + 1, at);
	ck_assert_uint_le(tcp_lab_elapsed_ms(), at + at / 50 + 5);
}

START_TEST(test_closed_window_probed_backed_off)
{
	uint64_t at = 0;

	established(WND_ZERO);
	tcp_lab_write(100);
	quiet();
	for (unsigned i = 0; i < 6; i++) {
		at += 300u << i;
		probed(at);
	}
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPWinProbe), 6);
}
END_TEST

START_TEST(test_answered_probes_never_end)
{
	established(WND_ZERO);
	tcp_lab_write(100);
	for (unsigned i = 0; i < 100; i++) {
		wait_ms(125000);
		tcp_lab_drop();
		rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	}
	ck_state(TCP_ESTABLISHED);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 5000);
	tx(ACK, .seq = 1, .ack = 1, .len = 100);
}
END_TEST

START_TEST(test_unanswered_probes_time_out)
{
	tcp_lab_sysctl("net.ipv4.tcp_retries2", 4);
	established(WND_ZERO);
	tcp_lab_write(100);
	advance_ms(60000);
	ck_state(TCP_CLOSE);
	ck_assert_uint_le(tcp_lab_drop(), 6);
	tcp_lab_read_errno(ETIMEDOUT);
}
END_TEST

START_TEST(test_window_opens_data_go)
{
	established(WND_ZERO);
	tcp_lab_write(2500);
	quiet();
	rx(ACK, .seq = 1, .ack = 1, .wnd = 2000);
	tx(ACK, .seq = 1, .ack = 1, .len = MSS);
	tx(ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
	quiet();
	rx(ACK, .seq = 1, .ack = 2001, .wnd = 2000);
	tx(ACK, .seq = 2001, .ack = 1, .len = 500);
}
END_TEST

START_TEST(test_window_closes_on_data_out)
{
	established(3000);
	tcp_lab_write(5000);
	for (uint32_t i = 0; i < 3; i++)
		tx(ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
	rx(ACK, .seq = 1, .ack = 3001, .wnd = WND_ZERO);
	quiet();
	wait_ms(1000); /* the persist timer runs */
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 3001, .wnd = 3000);
	tx(ACK, .seq = 3001, .ack = 1, .len = MSS);
	tx(ACK, .seq = 4001, .ack = 1, .len = MSS);
}
END_TEST

START_TEST(test_fin_waits_for_the_window)
{
	struct seg s;

	established(WND_ZERO);
	tcp_lab_write(10);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	quiet();
	rx(ACK, .seq = 1, .ack = 1, .wnd = 1000);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags & FIN, FIN);
	ck_assert_uint_eq(s.len, 10);
}
END_TEST

START_TEST(test_bare_fin_not_held_forever_by_closed_window)
{
	established(WND_ZERO);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	/* at once, or as a probe */
	if (!tl.nsent)
		wait_ms(1000);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1, .wnd = 1000);
	advance_ms(5000);
	ck_assert_uint_ge(tcp_lab_drop(), 1);
	rx(ACK, .seq = 1, .ack = 2, .wnd = 1000);
	ck_state(TCP_FIN_WAIT2);
}
END_TEST

START_TEST(test_probe_answered_by_old_ack_resets_nothing_sent)
{
	established(WND_ZERO);
	tcp_lab_write(100);
	wait_ms(400);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	quiet(); /* an answer is not answered */
}
END_TEST

/* --- silly windows ------------------------------------------------------------------------------
 */

START_TEST(test_small_window_waits_for_a_full_segment)
{
	established(10000);
	tcp_lab_write(10000);
	ck_assert_uint_eq(tcp_lab_drop(), 10);
	tcp_lab_write(5000);
	rx(ACK, .seq = 1, .ack = 10001, .wnd = 400); /* below MSS and half the largest window */
	quiet();
	rx(ACK, .seq = 1, .ack = 10001, .wnd = 1000);
	tx(ACK, .seq = 10001, .ack = 1, .len = MSS);
	quiet();
}
END_TEST

START_TEST(test_small_window_overridden)
{
	established(10000);
	tcp_lab_write(10000);
	tcp_lab_drop();
	tcp_lab_write(5000);
	rx(ACK, .seq = 1, .ack = 10001, .wnd = 400);
	quiet();
	ck_assert_uint_le(wait_ms(1100), 1001); /* 0.1 to 1 s */
	tx(ACK, .seq = 10001, .ack = 1, .len = 400);
}
END_TEST

START_TEST(test_half_of_largest_window_is_enough)
{
	established(600); /* a peer with a tiny buffer */
	tcp_lab_write(2000);
	tx(ACK, .seq = 1, .ack = 1, .len = 600);
	rx(ACK, .seq = 1, .ack = 601, .wnd = 300);
	tx(ACK, .seq = 601, .ack = 1, .len = 300);
	quiet();
}
END_TEST

START_TEST(test_window_is_never_exceeded)
{
	struct seg s;
	uint32_t most = 0;

	established(3500);
	tcp_lab_write(20000);
	advance_ms(5000);
	while (tcp_lab_take(&s))
		most = s.seq + s.len > most ? s.seq + s.len : most;
	ck_assert_uint_le(most, 3501);
}
END_TEST

/* MUST-1: the field is no signed number. */
START_TEST(test_window_above_32767_is_used)
{
	tcp_lab_sysctl("net.weft.tcp_init_cwnd", 100);
	established(60000);
	tcp_lab_write(70000);
	ck_assert_uint_eq(tcp_lab_drop(), 60);
}
END_TEST

/* A peer that takes its window back (RFC 9293, 3.8.6, MUST-34: be robust). */
START_TEST(test_shrunken_window_survived)
{
	established(5000);
	tcp_lab_write(8000);
	ck_assert_uint_eq(tcp_lab_drop(), 5);
	rx(ACK, .seq = 1, .ack = 2001, .wnd = 1000); /* was up to 5000, is up to 3000 */
	quiet();
	rx(ACK, .seq = 1, .ack = 5001, .wnd = 5000);
	ck_assert_uint_eq(tcp_lab_drop(), 3);
}
END_TEST

/* SHLD-15, SHLD-16: nothing new, but what is out goes again. */
START_TEST(test_shrunken_window_old_data_go_again)
{
	established(5000);
	tcp_lab_write(8000);
	ck_assert_uint_eq(tcp_lab_drop(), 5);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 2000);
	quiet();
	wait_ms(1000);
	tx(ACK, .seq = 1, .ack = 1, .len = MSS);
	quiet();
}
END_TEST

/* MUST-35, SHLD-17: to zero, with data out that the peer never takes: probed, and alive as long as
 * it answers. */
START_TEST(test_window_taken_back_whole_never_times_out)
{
	struct seg s;

	tcp_lab_sysctl("net.ipv4.tcp_retries2", 3);
	established(5000);
	tcp_lab_write(3000);
	ck_assert_uint_eq(tcp_lab_drop(), 3);
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	for (unsigned i = 0; i < 30; i++) {
		wait_ms(125000);
		ck_assert(tcp_lab_take(&s));
		ck_assert_uint_eq(s.seq, 1);
		rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
		quiet();
	}
	ck_state(TCP_ESTABLISHED);
	rx(ACK, .seq = 1, .ack = 3001, .wnd = 5000);
	tcp_lab_write(10);
	tx(ACK, .seq = 3001, .ack = 1, .len = 10);
}
END_TEST

START_TEST(test_old_segment_does_not_move_window)
{
	established(5000);
	rx(ACK, .seq = 1, .ack = 1, .len = 10, .wnd = 4000);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 100); /* SEG.SEQ below SND.WL1 */
	tcp_lab_drop();
	tcp_lab_write(3000);
	ck_assert_uint_eq(tl.nsent, 3);
	tcp_lab_drop();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("persist");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_closed_window_probed_backed_off);
	tcase_add_test(tc, test_answered_probes_never_end);
	tcase_add_test(tc, test_unanswered_probes_time_out);
	tcase_add_test(tc, test_window_opens_data_go);
	tcase_add_test(tc, test_window_closes_on_data_out);
	tcase_add_test(tc, test_fin_waits_for_the_window);
	tcase_add_test(tc, test_bare_fin_not_held_forever_by_closed_window);
	tcase_add_test(tc, test_probe_answered_by_old_ack_resets_nothing_sent);
	tcase_add_test(tc, test_small_window_waits_for_a_full_segment);
	tcase_add_test(tc, test_small_window_overridden);
	tcase_add_test(tc, test_half_of_largest_window_is_enough);
	tcase_add_test(tc, test_window_is_never_exceeded);
	tcase_add_test(tc, test_window_above_32767_is_used);
	tcase_add_test(tc, test_shrunken_window_survived);
	tcase_add_test(tc, test_shrunken_window_old_data_go_again);
	tcase_add_test(tc, test_window_taken_back_whole_never_times_out);
	tcase_add_test(tc, test_old_segment_does_not_move_window);
	return unit_run("tcp_persist", tc);
}
