/*
 * tests/tcp/test_cc.c - congestion control: the first window (RFC 6928), slow start and avoidance
 * (RFC 5681), fast retransmit and recovery (RFC 5681, 3.2; RFC 6582), limited transmit (RFC 3042),
 * restart after idle (RFC 5681, 4.1).  By Reno.
 */
#include "tests/harness/tcp_lab.h"

#define MSS 1000u
#define WND 65000

/* Full segments from..to (relative, counted from 0) are sent next. */
static void segments(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		tx(ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
}

/* The peer has n segments. */
static void have(unsigned n)
{
	rx(ACK, .seq = 1, .ack = 1 + n * MSS, .wnd = WND);
}

static struct tcp_view view(void)
{
	struct tcp_view v;

	ck_assert(tcp_lab_view(&v));
	return v;
}

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_setting("net.ipv4.tcp_congestion_control", "reno");
	tl.syn = (struct seg){.mss = MSS, .wnd = WND};
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = MSS, .wnd = WND);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(100);
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND);
	ck_assert_int_ge(tcp_lab_accept(), 0);
}

/* --- growing ------------------------------------------------------------------------------------
 */

START_TEST(test_first_window_ten_segments)
{
	tcp_lab_write(40 * MSS);
	segments(0, 10);
	quiet();
	ck_assert_uint_eq(view().cwnd, 10 * MSS);
}
END_TEST

START_TEST(test_first_window_by_sysctl)
{
	tcp_lab_sysctl("net.weft.tcp_init_cwnd", 3);
	tcp_lab_peer(1);
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(40 * MSS);
	segments(0, 3);
	quiet();
}
END_TEST

START_TEST(test_first_window_of_large_segments_bounded)
{
	/* RFC 6928, 2: min(10 MSS, max(2 MSS, 14600)); Linux takes 10 segments, as here 14600. */
	tcp_lab_peer(1);
	tl.syn.mss = 1460;
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_uint_eq(view().cwnd, 14600);
}
END_TEST

/* RFC 6928, 2: one SYN-ACK again may be the timer's haste, more of them are losses. */
static void synack_lost(unsigned times, unsigned opts)
{
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = MSS + (opts & O_TS ? 12 : 0), .wnd = WND, .opts = opts);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	for (unsigned i = 0; i < times; i++) {
		wait_ms(4100);
		tx(SYN | ACK, .seq = 0, .ack = 1);
	}
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND);
}

START_TEST(test_synack_lost_once_first_window_stays)
{
	synack_lost(1, _i ? O_TS : 0);
	ck_assert_uint_eq(view().cwnd, 10 * MSS);
}
END_TEST

START_TEST(test_synack_lost_twice_first_window_one_segment)
{
	synack_lost(2, _i ? O_TS : 0);
	ck_assert_uint_eq(view().cwnd, MSS);
}
END_TEST

START_TEST(test_syn_lost_twice_first_window_one_segment)
{
	tcp_lab_peer(1);
	tcp_lab_connect();
	tx(SYN, .seq = 0);
	for (unsigned i = 0; i < 2; i++) {
		wait_ms(4100);
		tx(SYN, .seq = 0);
	}
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = MSS, .wnd = WND);
	tx(ACK, .seq = 1, .ack = 1);
	ck_assert_uint_eq(view().cwnd, MSS);
}
END_TEST

START_TEST(test_slow_start_a_segment_an_ack)
{
	tcp_lab_write(60 * MSS);
	segments(0, 10);
	advance_ms(100);
	for (unsigned i = 1; i <= 10; i++) {
		have(i);
		segments(8 + 2 * i, 10 + 2 * i);
		quiet();
	}
	ck_assert_uint_eq(view().cwnd, 20 * MSS);
}
END_TEST

START_TEST(test_slow_start_ack_division_gains_nothing)
{
	tcp_lab_write(40 * MSS);
	segments(0, 10);
	advance_ms(100);
	for (unsigned i = 1; i <= 10; i++) /* ten ACKs of a tenth of a segment: min(N, SMSS) */
		rx(ACK, .seq = 1, .ack = 1 + i * MSS / 10, .wnd = WND);
	ck_assert_uint_le(view().cwnd, 11 * MSS);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_window_not_filled_does_not_grow)
{
	for (unsigned i = 0; i < 30; i++) {
		tcp_lab_write(MSS);
		segments(i, i + 1);
		advance_ms(100);
		have(i + 1);
	}
	ck_assert_uint_eq(view().cwnd, 10 * MSS);
}
END_TEST

/* RFC 3465: all that an ACK acknowledges is added, or as much as the setting says. */
START_TEST(test_slow_start_stretched_ack)
{
	if (_i)
		tcp_lab_sysctl("net.weft.tcp_slow_start_limit", 8);
	tcp_lab_write(60 * MSS);
	segments(0, 10);
	have(10);
	ck_assert_uint_eq(view().cwnd, _i ? 18 * MSS : 20 * MSS);
	tcp_lab_drop();
	have(26);
	ck_assert_uint_eq(view().cwnd, _i ? 26 * MSS : 36 * MSS);
	tcp_lab_drop();
}
END_TEST

/* Half of it in flight is enough in slow start: it doubles in a round trip. */
START_TEST(test_slow_start_half_used_grows)
{
	tcp_lab_write(6 * MSS);
	segments(0, 6);
	have(6);
	ck_assert_uint_eq(view().cwnd, 16 * MSS); /* 10 < 2 * 6 */
	tcp_lab_write(6 * MSS);
	segments(6, 12);
	have(12);
	ck_assert_uint_eq(view().cwnd, 16 * MSS); /* 16 is not */
}
END_TEST

/* RFC 7661, in spirit: an RTO long a part of cwnd was used, so half of the rest goes. */
START_TEST(test_window_long_unused_falls_half_way)
{
	uint32_t at;

	tcp_lab_write(40 * MSS);
	segments(0, 10);
	for (unsigned i = 1; i <= 10; i++)
		have(i);
	have(30);
	have(40);
	tcp_lab_drop();
	at = view().cwnd;
	ck_assert_uint_ge(at, 24 * MSS);
	for (unsigned i = 40; i < 60; i += 2) { /* two segments each 50 ms: never idle */
		tcp_lab_write(2 * MSS);
		segments(i, i + 2);
		advance_ms(50);
		have(i + 2);
	}
	ck_assert_uint_lt(view().cwnd, at);
	ck_assert_uint_ge(view().cwnd, 10 * MSS); /* the initial window is always left */
	ck_assert_uint_ge(view().ssthresh, at / 4 * 3);
}
END_TEST

/* A time-out with 10 segments out: ssthresh 5, cwnd 1. */
static void timed_out(void)
{
	tcp_lab_write(60 * MSS);
	segments(0, 10);
	wait_ms(400);
	segments(0, 1);
	quiet();
}

START_TEST(test_timeout_one_segment_half_ssthresh)
{
	struct tcp_view v;

	timed_out();
	v = view();
	ck_assert_uint_eq(v.cwnd, MSS);
	ck_assert_uint_eq(v.ssthresh, 5 * MSS);
}
END_TEST

/* RFC 5681, 3.1, eq. 4: of what was out, not of cwnd; never less than two segments. */
static const unsigned flight_half[][2] = {{1, 2}, {4, 2}, {6, 3}, {8, 4}, {10, 5}};

START_TEST(test_timeout_half_of_what_was_out)
{
	unsigned n = flight_half[_i][0];

	tcp_lab_write(n * MSS);
	segments(0, n);
	wait_ms(400);
	segments(0, 1);
	ck_assert_uint_eq(view().ssthresh, flight_half[_i][1] * MSS);
}
END_TEST

START_TEST(test_timeout_again_keeps_ssthresh)
{
	timed_out();
	wait_ms(1000);
	segments(0, 1);
	ck_assert_uint_eq(view().ssthresh, 5 * MSS); /* RFC 5681, 3.1: not twice for one loss */
}
END_TEST

/* RFC 3465, 2.3: what an ACK then says may be of what came before the time-out. */
START_TEST(test_after_timeout_one_ack_adds_one_segment)
{
	timed_out();
	have(5);
	ck_assert_uint_eq(view().cwnd, 2 * MSS);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_timeout_slow_starts_to_ssthresh_then_avoids)
{
	struct tcp_view v;
	uint32_t before;
	unsigned acked = 10;

	timed_out();
	have(10); /* all of it was only late */
	tcp_lab_drop();
	while (view().cwnd < 5 * MSS && acked < 59) { /* a segment an ACK */
		before = view().cwnd;
		have(++acked);
		tcp_lab_drop();
		ck_assert_uint_le(view().cwnd, before + MSS);
	}
	v = view();
	ck_assert_uint_ge(v.cwnd, 5 * MSS);
	ck_assert_uint_le(v.cwnd, 6 * MSS);
	before = v.cwnd;
	for (unsigned i = 0; i < 5; i++) { /* a segment a window */
		have(++acked);
		tcp_lab_drop();
	}
	ck_assert_uint_le(view().cwnd, before + MSS + MSS / 5);
	ck_assert_uint_ge(view().cwnd, before);
}
END_TEST

START_TEST(test_avoidance_a_segment_a_window)
{
	uint32_t before;
	unsigned acked;

	timed_out();
	have(10);
	tcp_lab_drop();
	for (acked = 11; view().cwnd < 6 * MSS; acked++) {
		have(acked);
		tcp_lab_drop();
	}
	before = view().cwnd;
	for (unsigned i = 0; i < 7; i++, acked++) {
		have(acked);
		tcp_lab_drop();
	}
	ck_assert_uint_ge(view().cwnd, before + MSS / 2);
	ck_assert_uint_le(view().cwnd, before + 2 * MSS);
}
END_TEST

/* --- fast retransmit ----------------------------------------------------------------------------
 */

START_TEST(test_third_duplicate_retransmits)
{
	tcp_lab_write(10 * MSS);
	segments(0, 10);
	have(0);
	quiet();
	have(0);
	quiet();
	have(0);
	segments(0, 1);
	quiet();
	ck_assert_uint_eq(view().ssthresh, 5 * MSS);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastRetrans), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPTimeouts), 0);
}
END_TEST

/* RFC 5681, 3.2, step 2: what limited transmit sent is no part of the half. */
START_TEST(test_half_is_without_limited_transmit)
{
	tcp_lab_write(20 * MSS);
	segments(0, 10);
	have(0);
	have(0);
	segments(10, 12);
	ck_assert_uint_eq(view().cwnd, 10 * MSS);
	have(0);
	segments(0, 1);
	ck_assert_uint_eq(view().ssthresh, 5 * MSS);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_two_duplicates_are_reordering)
{
	tcp_lab_write(10 * MSS);
	segments(0, 10);
	have(0);
	have(0);
	have(3);
	quiet();
	ck_assert_uint_ge(view().cwnd, 10 * MSS);
}
END_TEST

START_TEST(test_limited_transmit_two_new_segments)
{
	tcp_lab_write(40 * MSS);
	segments(0, 10);
	have(0);
	segments(10, 11); /* RFC 3042 */
	have(0);
	segments(11, 12);
	quiet();
	ck_assert_uint_eq(view().cwnd, 10 * MSS);
	have(0);
	segments(0, 1);
	quiet();
}
END_TEST

START_TEST(test_recovery_sends_new_in_proportion)
{
	unsigned sent = 0;

	tcp_lab_write(40 * MSS);
	segments(0, 10);
	for (unsigned i = 0; i < 3; i++)
		have(0);
	tcp_lab_drop();                    /* two by limited transmit and the first again: 12 out */
	for (unsigned i = 0; i < 8; i++) { /* RFC 9937: half a segment for each delivered */
		have(0);
		ck_assert_uint_le(tl.nsent, 1);
		sent += tcp_lab_drop();
	}
	ck_assert_uint_ge(sent, 4);
	ck_assert_uint_le(sent, 5);
}
END_TEST

START_TEST(test_full_ack_ends_recovery)
{
	tcp_lab_write(10 * MSS);
	segments(0, 10);
	for (unsigned i = 0; i < 9; i++)
		have(0);
	segments(0, 1);
	quiet();
	have(10);
	quiet();
	ck_assert_uint_le(view().cwnd, 5 * MSS); /* ssthresh, or flight + 1 (RFC 6582, 3.2, 3) */
	tcp_lab_write(10 * MSS);
	ck_assert_uint_ge(tl.nsent, 1);
	ck_assert_uint_le(tl.nsent, 5);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_partial_ack_sends_next_hole_at_once)
{
	tcp_lab_write(10 * MSS);
	segments(0, 10); /* 0 and 4 are lost */
	for (unsigned i = 0; i < 8; i++)
		have(0);
	segments(0, 1);
	have(4);
	segments(4, 5); /* RFC 6582, 3.2, 3 */
	quiet();
	have(10);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPTimeouts), 0);
	ck_assert_uint_eq(view().ssthresh, 5 * MSS); /* halved once */
}
END_TEST

START_TEST(test_every_hole_of_a_window_without_timeout)
{
	tcp_lab_write(10 * MSS);
	segments(0, 10); /* 0, 2, 4, 6 are lost */
	for (unsigned i = 0; i < 6; i++)
		have(0);
	segments(0, 1);
	have(2);
	segments(2, 3);
	have(4);
	segments(4, 5);
	have(6);
	segments(6, 7);
	have(10);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPTimeouts), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_RetransSegs), 4);
}
END_TEST

/* RFC 6582, 4.1: duplicates of what was sent before the last loss start nothing. */
START_TEST(test_duplicates_below_recover_do_nothing)
{
	timed_out(); /* recover is 10 */
	have(1);
	tcp_lab_drop();
	for (unsigned i = 0; i < 4; i++)
		have(1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastRetrans), 0);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_retransmission_lost_too_times_out)
{
	tcp_lab_write(10 * MSS);
	segments(0, 10);
	for (unsigned i = 0; i < 4; i++)
		have(0);
	segments(0, 1);
	wait_ms(400);
	segments(0, 1);
	quiet();
	ck_assert_uint_eq(view().cwnd, MSS);
}
END_TEST

/* What is no duplicate ACK (RFC 5681, 2). */
static const struct seg no_duplicate[] = {
    {.flags = ACK, .seq = 1, .ack = 1, .wnd = WND - 1000},     /* another window */
    {.flags = ACK, .seq = 1, .ack = 1, .wnd = WND, .len = 10}, /* with text */
    {.flags = ACK, .seq = 1, .ack = 0, .wnd = WND},            /* older */
};

START_TEST(test_what_is_no_duplicate_counts_not)
{
	struct seg s = no_duplicate[_i];

	tcp_lab_write(10 * MSS);
	segments(0, 10);
	for (unsigned i = 0; i < 4; i++) {
		tcp_lab_rx(&s);
		s.seq += s.len;
		if (_i == 0)
			s.wnd -= 1000;
	}
	while (tcp_lab_take(&s))
		ck_assert_uint_eq(s.len, 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastRetrans), 0);
}
END_TEST

/* --- idle ---------------------------------------------------------------------------------------
 */

static void grown(void)
{
	tcp_lab_write(40 * MSS);
	segments(0, 10);
	for (unsigned i = 1; i <= 10; i++)
		have(i);
	have(30);
	have(40);
	tcp_lab_drop();
	ck_assert_uint_ge(view().cwnd, 20 * MSS);
}

START_TEST(test_idle_longer_than_rto_restarts)
{
	grown();
	advance_ms(5000);
	tcp_lab_write(40 * MSS);
	ck_assert_uint_eq(tl.nsent, 10);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_idle_shorter_than_rto_keeps)
{
	grown();
	advance_ms(50);
	tcp_lab_write(20 * MSS);
	ck_assert_uint_eq(tl.nsent, 20);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_idle_restart_off_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_slow_start_after_idle", 0);
	grown();
	advance_ms(5000);
	tcp_lab_write(20 * MSS);
	ck_assert_uint_eq(tl.nsent, 20);
	tcp_lab_drop();
}
END_TEST

static void add_recovery(TCase *tc)
{
	tcase_add_test(tc, test_third_duplicate_retransmits);
	tcase_add_test(tc, test_half_is_without_limited_transmit);
	tcase_add_test(tc, test_two_duplicates_are_reordering);
	tcase_add_test(tc, test_limited_transmit_two_new_segments);
	tcase_add_test(tc, test_recovery_sends_new_in_proportion);
	tcase_add_test(tc, test_full_ack_ends_recovery);
	tcase_add_test(tc, test_partial_ack_sends_next_hole_at_once);
	tcase_add_test(tc, test_every_hole_of_a_window_without_timeout);
	tcase_add_test(tc, test_duplicates_below_recover_do_nothing);
	tcase_add_test(tc, test_retransmission_lost_too_times_out);
	tcase_add_loop_test(tc, test_what_is_no_duplicate_counts_not, 0, 3);
}

int main(void)
{
	TCase *tc = tcase_create("cc");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_first_window_ten_segments);
	tcase_add_test(tc, test_first_window_by_sysctl);
	tcase_add_test(tc, test_first_window_of_large_segments_bounded);
	tcase_add_loop_test(tc, test_synack_lost_once_first_window_stays, 0, 2);
	tcase_add_loop_test(tc, test_synack_lost_twice_first_window_one_segment, 0, 2);
	tcase_add_test(tc, test_syn_lost_twice_first_window_one_segment);
	tcase_add_test(tc, test_slow_start_a_segment_an_ack);
	tcase_add_test(tc, test_slow_start_ack_division_gains_nothing);
	tcase_add_loop_test(tc, test_slow_start_stretched_ack, 0, 2);
	tcase_add_test(tc, test_slow_start_half_used_grows);
	tcase_add_test(tc, test_window_long_unused_falls_half_way);
	tcase_add_test(tc, test_window_not_filled_does_not_grow);
	tcase_add_test(tc, test_timeout_one_segment_half_ssthresh);
	tcase_add_loop_test(tc, test_timeout_half_of_what_was_out, 0,
			    sizeof(flight_half) / sizeof(flight_half[0]));
	tcase_add_test(tc, test_timeout_again_keeps_ssthresh);
	tcase_add_test(tc, test_after_timeout_one_ack_adds_one_segment);
	tcase_add_test(tc, test_timeout_slow_starts_to_ssthresh_then_avoids);
	tcase_add_test(tc, test_avoidance_a_segment_a_window);
	add_recovery(tc);
	tcase_add_test(tc, test_idle_longer_than_rto_restarts);
	tcase_add_test(tc, test_idle_shorter_than_rto_keeps);
	tcase_add_test(tc, test_idle_restart_off_by_sysctl);
	return unit_run("tcp_cc", tc);
}
