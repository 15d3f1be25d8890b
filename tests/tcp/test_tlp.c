/*
 * tests/tcp/test_tlp.c - the tail loss probe (RFC 8985, 7): when it goes, what it is, and what its
 * answer means.
 */
#include "tests/harness/loss_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	loss_open(O_SACK_OK);
}

/* --- when, and what ------------------------------------------------------------------------------ */

START_TEST(test_probe_last_segment_after_two_round_trips)
{
	loss_write(3);
	sent(0, 3);
	sent_at(2, 202);
	ck_mib(TCPLossProbes, 1);
	ck_mib(TCPTimeouts, 0);
	ck_cwnd(10, OPEN);
	ck_assert_uint_eq(loss_info().retrans, 0); /* it is not held for lost */
	ck_assert_uint_eq(loss_info().total_retrans, 1);
}
END_TEST

START_TEST(test_probe_new_data_where_there_are)
{
	loss_write(12);
	sent(0, 10);
	sent_at(10, 202); /* beyond cwnd */
	ck_assert_uint_eq(loss_info().unacked, 11);
	ck_assert_uint_eq(loss_info().total_retrans, 0);
}
END_TEST

START_TEST(test_probe_new_data_within_the_window_only)
{
	rx(ACK, .seq = 1, .ack = 1, .wnd = 10 * LOSS_MSS);
	loss_write(12);
	sent(0, 10);
	sent_at(9, 202);
}
END_TEST

START_TEST(test_probe_sends_what_nagle_holds)
{
	tcp_lab_write(100);
	tx(ACK, .seq = 1, .ack = 1, .len = 100);
	tcp_lab_write(100);
	quiet();
	wait_ms(400);
	tx(ACK, .seq = 101, .ack = 1, .len = 100);
	quiet();
	ck_mib(TCPLossProbes, 1);
}
END_TEST

/* Of a super-segment its last segment alone. */
START_TEST(test_probe_last_of_a_super_segment)
{
	tl.dev->features = NETDEV_F_ALL;
	loss_write(4);
	ck_assert_uint_le(tcp_lab_drop(), 2);
	wait_ms(300);
	next_is(3);
	quiet();
	ck_mib(TCPLossProbes, 1);
	has(4);
}
END_TEST

START_TEST(test_probe_fin)
{
	loss_write(2);
	sent(0, 2);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 2001, .ack = 1);
	wait_ms(300);
	tx(FIN | ACK, .seq = 2001, .ack = 1);
	has(2);
	rx(ACK, .seq = 1, .ack = 2002);
	ck_state(TCP_FIN_WAIT2);
}
END_TEST

/* The FIN rides on the last of whole segments that went together: all of that goes again. */
START_TEST(test_probe_fin_with_text)
{
	loss_write(12);
	sent(0, 10);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	quiet();
	has(10);
	ck_assert_uint_eq(tcp_lab_drop(), 2);
	wait_ms(300);
	tx(FIN | PSH | ACK, .seq = 11001, .ack = 1, .len = 1000);
	ck_mib(TCPLossProbes, 1);
	ck_mib(TCPTimeouts, 0);
	rx(ACK, .seq = 1, .ack = 12002);
	ck_state(TCP_FIN_WAIT2);
}
END_TEST

/* A lone segment's ACK may be delayed by 200 ms; but not beyond the RTO. */
START_TEST(test_probe_lone_segment_waits_for_delayed_ack)
{
	loss_write(1);
	sent(0, 1);
	sent_at(0, 300);
	ck_mib(TCPLossProbes, 1);
	ck_mib(TCPTimeouts, 0);
}
END_TEST

START_TEST(test_probe_put_off_by_each_ack)
{
	loss_write(6);
	sent(0, 6);
	for (unsigned i = 1; i < 5; i++) {
		advance_ms(100);
		has(i);
	}
	quiet();
	ck_mib(TCPLossProbes, 0);
}
END_TEST

START_TEST(test_probe_put_off_by_new_data)
{
	loss_write(2);
	sent(0, 2);
	advance_ms(90);
	loss_write(1);
	sent(2, 3);
	sent_at(2, 292);
}
END_TEST

/* 7.3: one at a time; then the time-out, from the probe on. */
START_TEST(test_probe_then_timeout)
{
	loss_write(3);
	sent(0, 3);
	sent_at(2, 202);
	sent_at(0, 502);
	ck_mib(TCPLossProbes, 1);
	ck_mib(TCPTimeouts, 1);
	ck_cwnd(1, LOSS);
}
END_TEST

/* 7.3: no second probe before there is an RTT sample; the ACKs of the first, sent twice, give none. */
START_TEST(test_probe_not_before_a_sample)
{
	loss_write(1);
	sent(0, 1);
	sent_at(0, 300);
	has(1);
	has(1); /* both came */
	tcp_lab_mark();
	loss_write(1);
	sent(1, 2);
	sent_at(1, 300);
	ck_mib(TCPLossProbes, 1);
	ck_mib(TCPTimeouts, 1);
	has(2);
}
END_TEST

START_TEST(test_probe_again_after_a_sample)
{
	loss_write(1);
	sent(0, 1);
	sent_at(0, 300);
	has(1);
	has(1);
	loss_write(1);
	sent(1, 2);
	advance_ms(LOSS_RTT_MS);
	has(2);
	loss_write(1);
	sent(2, 3);
	wait_ms(400);
	next_is(2);
	ck_mib(TCPLossProbes, 2);
	ck_mib(TCPTimeouts, 0);
	has(3);
}
END_TEST

/* 7.2: a SYN-ACK sent twice gives no SRTT either. */
START_TEST(test_probe_without_srtt_after_1_s)
{
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = LOSS_MSS, .wnd = LOSS_WND, .opts = O_SACK_OK);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	wait_ms(1100);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND);
	tcp_lab_accept();
	tl.sent = 0;
	tcp_lab_mark();
	loss_write(3);
	sent(0, 3);
	ck_assert_uint_eq(loss_info().rto_us, 3000000);
	sent_at(2, 1000);
	ck_mib(TCPLossProbes, 1);
}
END_TEST

START_TEST(test_probe_off_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
	loss_write(3);
	sent(0, 3);
	sent_at(0, 300);
	ck_mib(TCPLossProbes, 0);
}
END_TEST

START_TEST(test_probe_not_without_sack)
{
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = LOSS_MSS, .wnd = LOSS_WND);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(LOSS_RTT_MS);
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND);
	tcp_lab_accept();
	tl.sent = 0;
	tcp_lab_mark();
	loss_write(3);
	sent(0, 3);
	sent_at(0, 300);
}
END_TEST

START_TEST(test_probe_not_in_disorder)
{
	loss_write(3);
	sent(0, 3);
	advance_ms(100);
	sacks(0, 1, {{2, 3}});
	sent_at(0, 127); /* RACK's timer, not the probe's */
	ck_mib(TCPLossProbes, 0);
}
END_TEST

START_TEST(test_probe_not_in_recovery)
{
	loss_write(10);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{1, 4}});
	sent(0, 1);
	ck_state_is(RECOVERY);
	advance_ms(LOSS_RTT_MS);
	has(4);
	sent(4, 7);
	advance_ms(LOSS_RTT_MS);
	has(7);
	sent(7, 10);
	advance_ms(LOSS_RTT_MS);
	has(8);
	quiet();
	ck_state_is(RECOVERY);
	wait_ms(1000);
	next_is(8);
	ck_mib(TCPLossProbes, 0);
	ck_mib(TCPTimeouts, 1);
	tcp_lab_drop();
	has(10);
}
END_TEST

/* --- what its answer means ----------------------------------------------------------------------- */

/* All four are lost; the probe brings the SACK that RACK needs. */
START_TEST(test_probe_sacked_tells_of_the_loss)
{
	loss_write(4);
	sent(0, 4);
	sent_at(3, 202);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{3, 4}});
	sent(0, 1);
	ck_state_is(RECOVERY);
	ck_assert_uint_eq(loss_info().lost, 3);
	ck_mib(TCPTimeouts, 0);
}
END_TEST

/* 2 of 3 is lost, the probe at 402 ms repairs it; its ACK comes, and no more. */
static void probe_repairs(void)
{
	loss_write(3);
	sent(0, 3);
	advance_ms(LOSS_RTT_MS);
	has(2);
	sent_at(2, 400);
	advance_ms(LOSS_RTT_MS);
	has(3);
	ck_cwnd(10, OPEN); /* it may have been the original's */
	ck_mib(TCPLossProbeRecovery, 0);
}

/* 7.4.2: more is acknowledged and no duplicate came: one of the two was lost. */
START_TEST(test_probe_that_repaired_lowers_cwnd)
{
	probe_repairs();
	loss_write(1);
	sent(3, 4);
	advance_ms(LOSS_RTT_MS);
	has(4);
	ck_mib(TCPLossProbeRecovery, 1);
	ck_state_is(OPEN);
	ck_assert_uint_lt(loss_info().ssthresh, 10);
	ck_assert_uint_eq(loss_info().cwnd, loss_info().ssthresh);
}
END_TEST

START_TEST(test_probe_that_came_twice_by_dsack)
{
	probe_repairs();
	sacks(3, 1, {{2, 3}});
	loss_write(1);
	sent(3, 4);
	has(4);
	ck_mib(TCPDSACKRecv, 1);
	ck_mib(TCPLossProbeRecovery, 0);
	ck_assert_uint_eq(loss_info().cwnd, 10);
}
END_TEST

START_TEST(test_probe_that_came_twice_by_duplicate_ack)
{
	probe_repairs();
	has(3);
	loss_write(1);
	sent(3, 4);
	has(4);
	ck_mib(TCPLossProbeRecovery, 0);
	ck_assert_uint_eq(loss_info().cwnd, 10);
}
END_TEST

START_TEST(test_probe_of_new_data_proves_nothing)
{
	loss_write(12);
	sent(0, 10);
	sent_at(10, 202);
	has(10);
	sent(11, 12);
	has(12);
	ck_mib(TCPLossProbeRecovery, 0);
	ck_state_is(OPEN);
}
END_TEST

START_TEST(test_probe_that_came_twice_told_by_an_ack_of_more)
{
	probe_repairs();
	loss_write(1);
	sent(3, 4);
	sacks(4, 1, {{2, 3}});
	ck_mib(TCPLossProbeRecovery, 0);
	ck_assert_uint_ge(loss_info().cwnd, 10);
}
END_TEST

/* ACKs arm it again, but one is out already: then the time-out is next. */
START_TEST(test_probe_not_twice_for_one_flight)
{
	loss_write(4);
	sent(0, 4);
	sent_at(3, 202);
	advance_ms(48);
	has(1);
	wait_ms(1000);
	next_is(1);
	ck_mib(TCPLossProbes, 1);
	ck_mib(TCPTimeouts, 1);
	has(4);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_probe_forgotten_by_the_timeout)
{
	loss_write(3);
	sent(0, 3);
	sent_at(2, 202);
	sent_at(0, 502);
	has(3);
	loss_write(1);
	tcp_lab_drop();
	has(4);
	ck_mib(TCPLossProbeRecovery, 0);
}
END_TEST

static void add_when(TCase *tc)
{
	tcase_add_test(tc, test_probe_last_segment_after_two_round_trips);
	tcase_add_test(tc, test_probe_new_data_where_there_are);
	tcase_add_test(tc, test_probe_new_data_within_the_window_only);
	tcase_add_test(tc, test_probe_sends_what_nagle_holds);
	tcase_add_test(tc, test_probe_fin);
	tcase_add_test(tc, test_probe_fin_with_text);
	tcase_add_test(tc, test_probe_lone_segment_waits_for_delayed_ack);
	tcase_add_test(tc, test_probe_put_off_by_each_ack);
	tcase_add_test(tc, test_probe_put_off_by_new_data);
	tcase_add_test(tc, test_probe_then_timeout);
	tcase_add_test(tc, test_probe_not_before_a_sample);
	tcase_add_test(tc, test_probe_again_after_a_sample);
	tcase_add_test(tc, test_probe_without_srtt_after_1_s);
	tcase_add_test(tc, test_probe_off_by_sysctl);
	tcase_add_test(tc, test_probe_not_without_sack);
	tcase_add_test(tc, test_probe_not_in_disorder);
	tcase_add_test(tc, test_probe_not_in_recovery);
}

int main(void)
{
	TCase *tc = tcase_create("tlp");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	add_when(tc);
	tcase_add_test(tc, test_probe_sacked_tells_of_the_loss);
	tcase_add_test(tc, test_probe_that_repaired_lowers_cwnd);
	tcase_add_test(tc, test_probe_that_came_twice_by_dsack);
	tcase_add_test(tc, test_probe_that_came_twice_by_duplicate_ack);
	tcase_add_test(tc, test_probe_of_new_data_proves_nothing);
	tcase_add_test(tc, test_probe_that_came_twice_told_by_an_ack_of_more);
	tcase_add_test(tc, test_probe_not_twice_for_one_flight);
	tcase_add_test(tc, test_probe_forgotten_by_the_timeout);
	tcase_add_test(tc, test_probe_last_of_a_super_segment);
	return unit_run("tcp_tlp", tc);
}
