/*
 * tests/tcp/test_rack.c - RACK (RFC 8985, 6): what is lost by time, the reordering window, its timer,
 * retransmissions lost again; and counting where it is off (RFC 6675).
 */
#include "tests/harness/loss_lab.h"

/* 20 segments written at 0 ms, 10 sent; it is 100 ms. */
static void setup(void)
{
	tcp_lab_setup();
	loss_open(O_SACK_OK);
	loss_write(20);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
}

START_TEST(test_third_sacked_segment_starts_recovery)
{
	sacks(0, 1, {{1, 2}});
	sent(10, 11); /* RFC 3042 */
	sacks(0, 1, {{1, 3}});
	sent(11, 12);
	ck_cwnd(10, DISORDER);
	sacks(0, 1, {{1, 4}});
	sent(0, 1);
	ck_state_is(RECOVERY);
	ck_assert_uint_eq(loss_info().lost, 1);
	ck_assert_uint_eq(loss_info().retrans, 1);
	ck_mib(TCPSackRecovery, 1);
	ck_mib(TCPFastRetrans, 1);
}
END_TEST

START_TEST(test_three_segments_in_one_block_are_enough)
{
	sacks(0, 1, {{1, 4}});
	next_is(0);
	ck_state_is(RECOVERY);
	tcp_lab_drop();
}
END_TEST

/* One SACKed segment proves nothing yet: min RTT / 4 later it does. */
START_TEST(test_reordering_timer_finds_the_loss)
{
	sacks(0, 1, {{1, 2}});
	sent(10, 11);
	sent_at(0, 127);
	ck_state_is(RECOVERY);
	ck_mib(TCPTimeouts, 0);
}
END_TEST

/* RFC 8985, 3.3.2: in recovery nothing is waited for, as long as no reordering was seen. */
START_TEST(test_no_window_in_recovery)
{
	sacks(0, 1, {{1, 2}});
	sent(10, 11);
	sent_at(0, 127);
	ck_assert_uint_eq(loss_info().lost, 1);
	advance_ms(3);
	sacks(0, 2, {{4, 5}, {1, 2}});
	ck_assert_uint_eq(loss_info().lost, 3); /* 2 and 3, by one SACKed above */
	tcp_lab_drop();
}
END_TEST

START_TEST(test_late_within_the_window_is_no_loss)
{
	sacks(0, 1, {{1, 2}});
	sent(10, 11);
	advance_ms(20);
	has(2);
	tcp_lab_drop();
	has(11);
	tcp_lab_drop();
	advance_ms(50);
	quiet();
	ck_mib(TCPFastRetrans, 0);
	ck_mib(TCPSACKReorder, 1);
	ck_assert_uint_eq(loss_info().reord_seen, 1);
	ck_assert_uint_eq(loss_info().reordering, 3);
	ck_state_is(OPEN);
}
END_TEST

/* 0 is late by eight others. */
START_TEST(test_reordering_measured_by_ack)
{
	sacks(0, 1, {{7, 9}});
	tcp_lab_drop();
	sacks(1, 1, {{7, 9}});
	tcp_lab_drop();
	ck_assert_uint_eq(loss_info().reordering, 9);
	ck_mib(TCPSACKReorder, 1);
}
END_TEST

START_TEST(test_reordering_measured_by_sack)
{
	sacks(0, 1, {{8, 10}});
	tcp_lab_drop();
	sacks(0, 2, {{2, 3}, {8, 10}});
	tcp_lab_drop();
	ck_assert_uint_eq(loss_info().reordering, 8);
	ck_mib(TCPSACKReorder, 1);
}
END_TEST

START_TEST(test_reordering_at_most_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_max_reordering", 5);
	sacks(0, 1, {{7, 9}});
	sacks(1, 1, {{7, 9}});
	tcp_lab_drop();
	ck_assert_uint_eq(loss_info().reordering, 5);
}
END_TEST

/* 10..19 are out, at 100 ms; the network has been seen to reorder. */
static void reordering_seen(void)
{
	sacks(0, 1, {{1, 2}});
	has(10);
	tcp_lab_drop();
	ck_assert_uint_eq(loss_info().reord_seen, 1);
	advance_ms(LOSS_RTT_MS);
}

/* Once reordering was seen, three duplicates prove nothing, the time does. */
START_TEST(test_reordering_seen_three_are_not_enough)
{
	reordering_seen();
	sacks(10, 1, {{11, 16}});
	quiet();
	ck_state_is(DISORDER);
	sent_at(10, 227);
	ck_state_is(RECOVERY);
}
END_TEST

/* 10 comes after its window of 27 ms, and so twice; a round later 20 is missing: sent again `ms` after it went. */
static void window_after_dsack(unsigned ms)
{
	reordering_seen();
	loss_write(40);
	tcp_lab_drop();
	sacks(10, 1, {{11, 13}});
	tcp_lab_drop();
	wait_ms(40);
	next_is(10);
	tcp_lab_drop();
	sacks(13, 1, {{10, 11}});
	ck_mib(TCPDSACKRecv, 1);
	ck_assert_uint_eq(loss_info().dsack_dups, 1);
	tcp_lab_drop();
	advance_ms(LOSS_RTT_MS);
	has(20);
	tcp_lab_drop();
	advance_ms(LOSS_RTT_MS);
	tcp_lab_mark();
	sacks(20, 1, {{21, 23}});
	tcp_lab_drop();
	sent_at(20, ms);
}

/* RFC 8985, 6.2, step 4: what was sent again for nothing widens the window, once a round. */
START_TEST(test_dsack_widens_the_window)
{
	window_after_dsack(52);
}
END_TEST

/* n..n + 2 go; n is late by more than the window of `ms`, so it is sent again for nothing. */
static void late_again(unsigned n, unsigned ms)
{
	tcp_lab_mark();
	loss_write(3);
	sent(n, n + 3);
	advance_ms(LOSS_RTT_MS);
	sacks(n, 1, {{n + 1, n + 3}});
	sent_at(n, LOSS_RTT_MS + ms);
	sacks(n + 3, 1, {{n, n + 1}});
	tcp_lab_drop();
}

/* A quarter of the least round trip for each round with a D-SACK, but never more than SRTT. */
START_TEST(test_window_at_most_srtt)
{
	static const unsigned ms[] = {27, 52, 77, 102, 102, 102};

	reordering_seen();
	has(20);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_uint_eq(loss_info().min_rtt_us, LOSS_RTT_MS * 1000);
		late_again(20 + 3 * i, ms[i]);
	}
}
END_TEST

/* n is lost, once the window of `ms` has passed, and no D-SACK says otherwise. */
static void lost_after(unsigned n, unsigned ms)
{
	tcp_lab_mark();
	loss_write(2);
	sent(n, n + 2);
	advance_ms(LOSS_RTT_MS);
	sacks(n, 1, {{n + 1, n + 2}});
	sent_at(n, LOSS_RTT_MS + ms);
	has(n + 2);
}

/* ... and after 16 recoveries that were needed it is what it was. */
START_TEST(test_window_narrows_after_sixteen_recoveries)
{
	reordering_seen();
	has(20);
	late_again(20, 27);
	for (unsigned i = 0; i < 17; i++)
		lost_after(23 + 2 * i, i < 16 ? 52 : 27);
}
END_TEST

START_TEST(test_window_not_widened_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_recovery", 3);
	window_after_dsack(27);
}
END_TEST

/* Sent after the retransmission, and SACKed: the retransmission is lost too. */
static void retransmission_lost(void)
{
	struct seg s;

	sacks(0, 1, {{1, 10}});
	next_is(0);
	while (tcp_lab_take(&s))
		;
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{1, 11}});
}

START_TEST(test_lost_retransmission_goes_again_without_timeout)
{
	retransmission_lost();
	next_is(0);
	tcp_lab_drop();
	ck_mib(TCPLostRetransmit, 1);
	ck_mib(TCPTimeouts, 0);
	ck_assert_uint_eq(loss_info().lost, 1);
	ck_assert_uint_eq(loss_info().retrans, 1);
}
END_TEST

/* An ACK sooner than any round trip is the original's: the retransmission says nothing of others. */
START_TEST(test_ack_too_soon_for_the_retransmission)
{
	sacks(0, 1, {{2, 10}}); /* 0 and 1 are lost */
	next_is(0);
	next_is(1);
	tcp_lab_drop();
	advance_ms(5);
	sacks(0, 1, {{1, 10}}); /* 1 was not; that says nothing of what 0 has become since */
	tcp_lab_drop();
	ck_mib(TCPLostRetransmit, 0);
}
END_TEST

START_TEST(test_every_hole_repaired_in_a_round_trip_or_two)
{
	sacks(0, 4, {{1, 2}, {3, 4}, {5, 6}, {7, 10}});
	next_is(0);
	next_is(2);
	next_is(4);
	next_is(6);
	tcp_lab_drop();
	advance_ms(LOSS_RTT_MS);
	has(10);
	ck_state_is(OPEN);
	ck_mib(TCPTimeouts, 0);
	ck_mib(TCPFastRetrans, 4);
	tcp_lab_drop();
}
END_TEST

/* --- without RACK ------------------------------------------------------------------------------- */

START_TEST(test_counting_two_above_are_not_enough)
{
	tcp_lab_sysctl("net.ipv4.tcp_recovery", 0);
	sacks(0, 1, {{1, 3}});
	sent(10, 12);
	advance_ms(100);
	quiet();
	ck_state_is(DISORDER);
}
END_TEST

START_TEST(test_counting_three_above_are)
{
	tcp_lab_sysctl("net.ipv4.tcp_recovery", 0);
	sacks(0, 2, {{1, 2}, {3, 5}}); /* three above 0, two above 2 */
	next_is(0);
	ck_assert_uint_eq(loss_info().lost, 1);
	tcp_lab_drop();
	sacks(0, 2, {{1, 2}, {3, 6}});
	ck_assert_uint_eq(loss_info().lost, 2);
	tcp_lab_drop();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("rack");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_third_sacked_segment_starts_recovery);
	tcase_add_test(tc, test_three_segments_in_one_block_are_enough);
	tcase_add_test(tc, test_reordering_timer_finds_the_loss);
	tcase_add_test(tc, test_no_window_in_recovery);
	tcase_add_test(tc, test_late_within_the_window_is_no_loss);
	tcase_add_test(tc, test_reordering_measured_by_ack);
	tcase_add_test(tc, test_reordering_measured_by_sack);
	tcase_add_test(tc, test_reordering_at_most_by_sysctl);
	tcase_add_test(tc, test_reordering_seen_three_are_not_enough);
	tcase_add_test(tc, test_dsack_widens_the_window);
	tcase_add_test(tc, test_window_at_most_srtt);
	tcase_add_test(tc, test_window_not_widened_by_sysctl);
	tcase_add_test(tc, test_lost_retransmission_goes_again_without_timeout);
	tcase_add_test(tc, test_ack_too_soon_for_the_retransmission);
	tcase_add_test(tc, test_every_hole_repaired_in_a_round_trip_or_two);
	tcase_add_test(tc, test_counting_two_above_are_not_enough);
	tcase_add_test(tc, test_counting_three_above_are);
	tcase_add_test(tc, test_window_narrows_after_sixteen_recoveries);
	return unit_run("tcp_rack", tc);
}
