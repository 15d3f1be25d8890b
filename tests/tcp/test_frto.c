/*
 * tests/tcp/test_frto.c - the time-out: what it holds for lost, and how a spurious one is found without
 * timestamps (RFC 5682, 3.1).
 */
#include "tests/harness/loss_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
}

/* 10 of `written` are out, and 0 has been sent again by the RTO; it is 350 ms. */
static void timed_out(unsigned opts, unsigned written)
{
	loss_open(opts);
	loss_write(written);
	sent(0, 10);
	sent_at(0, 300);
	ck_cwnd(1, LOSS);
	advance_ms(50);
}

/* Step 2b: the first ACK that advances lets two new segments out; step 3b: the next names an original. */
START_TEST(test_spurious_timeout_found_by_ack)
{
	timed_out(O_SACK_OK, 30);
	has(1);
	sent(10, 12);
	ck_cwnd(2, LOSS);
	has(2);
	ck_mib(TCPSpuriousRTOs, 1);
	ck_mib(TCPLossUndo, 1);
	ck_assert_uint_eq(loss_info().lost, 0);
	ck_state_is(OPEN);
	ck_assert_uint_ge(loss_info().cwnd, 10);
	next_is(12); /* and nothing is sent again */
	tcp_lab_drop();
	ck_assert_uint_eq(loss_info().total_retrans, 1);
	has(12);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_spurious_timeout_found_by_sack)
{
	timed_out(O_SACK_OK, 10);
	sacks(0, 1, {{3, 4}});
	ck_mib(TCPSpuriousRTOs, 1);
	ck_assert_uint_eq(loss_info().cwnd, 10);
	tcp_lab_drop();
	has(10);
}
END_TEST

START_TEST(test_spurious_timeout_found_without_sack)
{
	timed_out(0, 30);
	has(1);
	sent(10, 12);
	has(2);
	ck_mib(TCPSpuriousRTOs, 1);
	ck_assert_uint_ge(loss_info().cwnd, 10);
	tcp_lab_drop();
	has(12);
	tcp_lab_drop();
}
END_TEST

/* Step 3a: what answers the new data is a duplicate. */
START_TEST(test_real_loss_goes_on_with_repair)
{
	timed_out(O_SACK_OK, 30);
	advance_ms(50);
	has(1);
	sent(10, 12);
	advance_ms(LOSS_RTT_MS);
	sacks(1, 1, {{10, 11}});
	next_is(1);
	ck_mib(TCPSpuriousRTOs, 0);
	ck_mib(TCPSlowStartRetrans, 2);
	ck_state_is(LOSS);
	tcp_lab_drop();
	has(12);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_real_loss_goes_on_without_sack)
{
	timed_out(0, 30);
	advance_ms(50);
	has(1);
	sent(10, 12);
	advance_ms(LOSS_RTT_MS);
	has(1);
	next_is(1);
	ck_mib(TCPSpuriousRTOs, 0);
	tcp_lab_drop();
	has(12);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_nothing_new_to_send_repairs_at_once)
{
	timed_out(O_SACK_OK, 10);
	has(1);
	sent(1, 3);
	ck_state_is(LOSS);
	has(10);
}
END_TEST

START_TEST(test_off_by_sysctl_repairs_at_once)
{
	tcp_lab_sysctl("net.ipv4.tcp_frto", 0);
	timed_out(O_SACK_OK, 30);
	has(1);
	sent(1, 3);
	has(10);
	tcp_lab_drop();
}
END_TEST

/* RFC 6675, 5.1: until all that was out then is acknowledged, no other recovery begins. */
START_TEST(test_losses_of_the_same_window_lower_cwnd_once)
{
	timed_out(O_SACK_OK, 10);
	advance_ms(50);
	ck_assert_uint_eq(loss_info().ssthresh, 5);
	has(1);
	sent(1, 3);
	advance_ms(LOSS_RTT_MS);
	sacks(1, 1, {{3, 7}});
	tcp_lab_drop();
	ck_state_is(LOSS);
	ck_assert_uint_eq(loss_info().ssthresh, 5);
	ck_mib(TCPSackRecovery, 0);
	has(10);
	ck_state_is(OPEN);
}
END_TEST

/* RFC 5681, 4.3: but what was sent again and is lost again is congestion a second time. */
START_TEST(test_retransmission_lost_lowers_cwnd_again)
{
	timed_out(O_SACK_OK, 10);
	advance_ms(50);
	has(1);
	sent(1, 3);
	advance_ms(LOSS_RTT_MS);
	sacks(1, 1, {{2, 3}});
	next_is(1);
	tcp_lab_drop();
	ck_mib(TCPLostRetransmit, 1);
	ck_state_is(RECOVERY);
	ck_assert_uint_eq(loss_info().ssthresh, 2);
	has(10);
	tcp_lab_drop();
}
END_TEST

/* --- what is held for lost ----------------------------------------------------------------------- */

START_TEST(test_timeout_spares_what_went_just_now)
{
	loss_open(O_SACK_OK);
	loss_write(1);
	sent(0, 1);
	advance_ms(LOSS_RTT_MS);
	has(1);
	loss_write(3);
	sent(1, 4);
	advance_ms(250);
	loss_write(1);
	sent(4, 5);
	wait_ms(100);
	next_is(1);
	ck_assert_uint_eq(loss_info().lost, 3); /* 4 may still be acknowledged */
	ck_cwnd(2, LOSS);
	tcp_lab_drop();
	has(5);
}
END_TEST

START_TEST(test_sacked_is_not_sent_again_after_timeout)
{
	unsigned retrans = 0;
	struct seg s;

	tcp_lab_sysctl("net.ipv4.tcp_frto", 0);
	loss_open(O_SACK_OK);
	loss_write(6);
	sent(0, 6);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 2, {{2, 3}, {4, 6}});
	next_is(0);
	tcp_lab_drop();
	wait_ms(1000); /* that is lost, and the rest of the peer's ACKs */
	next_is(0);
	ck_mib(TCPTimeouts, 1);
	ck_mib(TCPSackRecoveryFail, 1);
	ck_assert_uint_eq(loss_info().sacked, 3);
	advance_ms(LOSS_RTT_MS);
	sacks(1, 2, {{2, 3}, {4, 6}});
	for (; tcp_lab_take(&s); retrans++)
		ck_assert(s.seq == 1001 || s.seq == 3001);
	ck_assert_uint_eq(retrans, 2);
	has(6);
	ck_state_is(OPEN);
}
END_TEST

START_TEST(test_timeouts_counted_by_state)
{
	timed_out(O_SACK_OK, 10);
	ck_mib(TCPTimeouts, 1);
	ck_mib(TCPLossFailures, 0);
	has(1);
	tcp_lab_drop();
	wait_ms(2000);
	ck_mib(TCPTimeouts, 2);
	ck_mib(TCPLossFailures, 1);
	tcp_lab_drop();
	has(10);
}
END_TEST

/* RFC 6298, 5.7: an ACK of what was sent twice ends no back-off. */
START_TEST(test_backoff_stays_until_a_sample)
{
	loss_open(O_SACK_OK);
	loss_write(1);
	sent(0, 1);
	sent_at(0, 300);
	sent_at(0, 900);
	has(1);
	loss_write(1);
	tcp_lab_mark();
	sent(1, 2);
	sent_at(1, 1200);
	has(2);
}
END_TEST

/* RFC 5682, 2.1, 1: not where a recovery failed: what was sent again in it blurs the answer. */
START_TEST(test_not_after_a_failed_recovery)
{
	loss_open(O_SACK_OK);
	loss_write(30);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{6, 10}});
	next_is(0);
	tcp_lab_drop();
	wait_ms(1000);
	next_is(0);
	quiet();
	ck_mib(TCPSackRecoveryFail, 1);
	advance_ms(LOSS_RTT_MS);
	sacks(1, 1, {{6, 10}});
	next_is(1); /* and no new data first */
	tcp_lab_drop();
}
END_TEST

/* ACKs of what went before the head was sent again: its time begins anew with them. */
START_TEST(test_sacks_put_the_timeout_off)
{
	loss_open(O_SACK_OK);
	loss_write(10);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{1, 4}});
	sent(0, 1);
	advance_ms(250);
	sacks(0, 1, {{1, 6}});
	tcp_lab_drop();
	advance_ms(150); /* it would have been due at 400 ms */
	quiet();
	wait_ms(1000);
	next_is(0);
	ck_mib(TCPTimeouts, 1);
	tcp_lab_drop();
	has(10);
}
END_TEST

START_TEST(test_nothing_again_beyond_a_window_taken_back)
{
	loss_open(O_SACK_OK);
	loss_write(10);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 2 * LOSS_MSS, .nsack = 1, .sack = {{3001, 10001}});
	sent(0, 2);
	ck_assert_uint_eq(loss_info().lost, 3);
	sacks(2, 1, {{3, 10}});
	sent(2, 3);
	has(10);
}
END_TEST

/* What duplicates stand for is not delivered once more when it is acknowledged. */
START_TEST(test_each_delivered_once_without_sack)
{
	loss_open(0);
	loss_write(10);
	sent(0, 10); /* 0 and 4 are lost */
	advance_ms(LOSS_RTT_MS);
	for (unsigned i = 0; i < 8; i++)
		has(0);
	sent(0, 1);
	ck_assert_uint_eq(loss_info().delivered, 1 + 8); /* the SYN has one */
	has(4);
	sent(4, 5);
	ck_assert_uint_eq(loss_info().delivered, 1 + 9);
	has(10);
	ck_assert_uint_eq(loss_info().delivered, 1 + 10);
}
END_TEST

/* RFC 6582: more duplicates than segments that can have caused them. */
START_TEST(test_reordering_measured_without_sack)
{
	loss_open(0);
	loss_write(4);
	sent(0, 4);
	advance_ms(LOSS_RTT_MS);
	for (unsigned i = 0; i < 5; i++)
		has(0);
	ck_assert_uint_eq(loss_info().sacked, 3);
	ck_assert_uint_eq(loss_info().reordering, 4);
	ck_assert_uint_ge(tcp_lab_mib(MIB_TcpExt_TCPRenoReorder), 1);
	tcp_lab_drop();
	has(4);
}
END_TEST

/* --- round trips --------------------------------------------------------------------------------- */

START_TEST(test_sacked_record_gives_a_sample)
{
	loss_open(O_SACK_OK);
	loss_write(3);
	sent(0, 3);
	advance_ms(180);
	sacks(0, 1, {{1, 2}});
	ck_assert_uint_ge(loss_info().rtt_us, 110000); /* 7/8 100 + 1/8 180 */
	ck_assert_uint_le(loss_info().rtt_us, 110300);
	tcp_lab_drop();
	has(3);
}
END_TEST

/* Within the tick of the timestamp it was sent: that is a tick, and no round trip of nothing. */
START_TEST(test_echo_within_a_tick_is_a_tick)
{
	loss_open(O_SACK_OK | O_TS);
	loss_write(1);
	sent(0, 1);
	sent_at(0, 300);
	has(1);
	ck_assert_uint_eq(loss_info().min_rtt_us, 1000);
}
END_TEST

START_TEST(test_least_round_trip_is_forgotten)
{
	tcp_lab_sysctl("net.ipv4.tcp_min_rtt_wlen", 2);
	loss_open(O_SACK_OK);
	for (unsigned i = 0; i < 30; i++) {
		loss_write(1);
		tcp_lab_drop();
		advance_ms(150);
		has(i + 1);
		if (i == 4)
			ck_assert_uint_lt(loss_info().min_rtt_us, 102000);
	}
	ck_assert_uint_ge(loss_info().min_rtt_us, 150000);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("frto");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_spurious_timeout_found_by_ack);
	tcase_add_test(tc, test_spurious_timeout_found_by_sack);
	tcase_add_test(tc, test_spurious_timeout_found_without_sack);
	tcase_add_test(tc, test_real_loss_goes_on_with_repair);
	tcase_add_test(tc, test_real_loss_goes_on_without_sack);
	tcase_add_test(tc, test_nothing_new_to_send_repairs_at_once);
	tcase_add_test(tc, test_off_by_sysctl_repairs_at_once);
	tcase_add_test(tc, test_losses_of_the_same_window_lower_cwnd_once);
	tcase_add_test(tc, test_retransmission_lost_lowers_cwnd_again);
	tcase_add_test(tc, test_timeout_spares_what_went_just_now);
	tcase_add_test(tc, test_sacked_is_not_sent_again_after_timeout);
	tcase_add_test(tc, test_timeouts_counted_by_state);
	tcase_add_test(tc, test_backoff_stays_until_a_sample);
	tcase_add_test(tc, test_sacked_record_gives_a_sample);
	tcase_add_test(tc, test_least_round_trip_is_forgotten);
	tcase_add_test(tc, test_not_after_a_failed_recovery);
	tcase_add_test(tc, test_sacks_put_the_timeout_off);
	tcase_add_test(tc, test_nothing_again_beyond_a_window_taken_back);
	tcase_add_test(tc, test_reordering_measured_without_sack);
	tcase_add_test(tc, test_echo_within_a_tick_is_a_tick);
	tcase_add_test(tc, test_each_delivered_once_without_sack);
	return unit_run("tcp_frto", tc);
}
