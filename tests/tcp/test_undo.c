/*
 * tests/tcp/test_undo.c - losses that were none, and what is put back: by timestamp (RFC 3522, RFC
 * 4015), by D-SACK (RFC 2883), after a fast retransmit and after a time-out.
 */
#include "tests/harness/loss_lab.h"

#define UNLIMITED 0x7fffffffu /* TCP_INFO's ssthresh before any loss */

static uint32_t first_ts; /* of segments 0..9 */

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
}

/* 10 of `written` are out; 100 ms later 0 is held for lost, wrongly, and is sent again. */
static void wrong_recovery(unsigned opts, unsigned written)
{
	loss_open(opts);
	loss_write(written);
	sent(0, 10);
	first_ts = tl.peer.ts_last;
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{1, 4}});
	next_is(0);
	ck_state_is(RECOVERY);
	ck_assert_uint_eq(loss_info().ssthresh, 5);
	tcp_lab_drop();
	advance_ms(5);
}

START_TEST(test_recovery_undone_by_timestamp)
{
	wrong_recovery(O_SACK_OK | O_TS, 10);
	has_echoing(10, first_ts);
	ck_cwnd(10, OPEN);
	ck_assert_uint_eq(loss_info().ssthresh, UNLIMITED);
	ck_mib(TCPFullUndo, 1);
	quiet();
}
END_TEST

START_TEST(test_recovery_stands_when_the_retransmission_is_echoed)
{
	wrong_recovery(O_SACK_OK | O_TS, 10);
	has(10);
	ck_cwnd(5, OPEN);
	ck_mib(TCPFullUndo, 0);
}
END_TEST

/* 0 comes late, and nothing else has been sent again: the rest of it is not held for lost. */
START_TEST(test_partial_ack_undone_by_timestamp)
{
	wrong_recovery(O_SACK_OK | O_TS, 10);
	has_echoing(4, first_ts);
	ck_mib(TCPPartialUndo, 1);
	ck_mib(TCPTSReorder, 1);
	ck_cwnd(10, OPEN);
	ck_assert_uint_eq(loss_info().reordering, 4);
	has(10);
	quiet();
}
END_TEST

/* While another retransmission is out it waits, and holds nothing more for lost. */
START_TEST(test_partial_ack_waits_for_other_retransmissions)
{
	loss_open(O_SACK_OK | O_TS);
	loss_write(10);
	sent(0, 10);
	first_ts = tl.peer.ts_last;
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{2, 9}});
	sent(0, 2);
	loss_ack(1, 1, (struct loss_blocks){{{2, 9}}}, first_ts);
	ck_state_is(RECOVERY);
	ck_mib(TCPPartialUndo, 0);
	has_echoing(9, first_ts);
	ck_mib(TCPPartialUndo, 1);
	ck_cwnd(10, OPEN);
}
END_TEST

START_TEST(test_recovery_undone_by_dsack)
{
	wrong_recovery(O_SACK_OK, 20);
	has(10);
	tcp_lab_drop();
	ck_assert_uint_eq(loss_info().ssthresh, 5);
	sacks(10, 1, {{0, 1}});
	ck_mib(TCPDSACKUndo, 1);
	ck_cwnd(10, OPEN);
	ck_assert_uint_eq(loss_info().ssthresh, UNLIMITED);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_recovery_undone_by_dsack_when_nothing_is_out)
{
	wrong_recovery(O_SACK_OK, 10);
	has(10);
	ck_cwnd(5, OPEN);
	advance_ms(50);
	sacks(10, 1, {{0, 1}});
	ck_mib(TCPDSACKUndo, 1);
	ck_cwnd(10, OPEN);
}
END_TEST

START_TEST(test_dsack_of_half_undoes_nothing)
{
	loss_open(O_SACK_OK);
	loss_write(10);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{2, 9}});
	sent(0, 2);
	has(10);
	sacks(10, 1, {{0, 1}});
	ck_cwnd(5, OPEN);
	ck_mib(TCPDSACKUndo, 0);
	sacks(10, 1, {{1, 2}});
	ck_cwnd(10, OPEN);
	ck_mib(TCPDSACKUndo, 1);
}
END_TEST

/* RFC 3708, 4: what the network doubled is not ours; more than was sent again is a lie. */
START_TEST(test_dsacks_beyond_what_was_sent_again_ignored)
{
	wrong_recovery(O_SACK_OK, 10);
	sacks(0, 2, {{2, 3}, {1, 4}});
	sacks(0, 2, {{2, 3}, {1, 4}});
	ck_mib(TCPDSACKIgnoredDubious, 1);
	ck_assert_uint_eq(loss_info().dsack_dups, 2);
}
END_TEST

/* What a loss probe had sent before may come twice as well: that undoes nothing. */
START_TEST(test_dsack_of_an_earlier_probe_undoes_nothing)
{
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 3);
	loss_open(O_SACK_OK);
	loss_write(4);
	sent(0, 4);
	sent_at(3, 202);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{3, 4}});
	sent(0, 1);
	sacks(0, 2, {{3, 4}, {3, 4}});
	ck_mib(TCPDSACKOfoRecv, 1);
	ck_mib(TCPDSACKUndo, 0);
	ck_state_is(RECOVERY);
	tcp_lab_drop();
}
END_TEST

/* The network has marked something as well: cwnd stays lowered. */
START_TEST(test_marked_recovery_is_not_undone)
{
	loss_open(O_SACK_OK | LOSS_ECN);
	loss_write(10);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	rx(ACK | ECE, .seq = 1, .ack = 1, .wnd = LOSS_WND, .nsack = 1, .sack = {{1001, 4001}});
	sent(0, 1);
	has(10);
	sacks(10, 1, {{0, 1}});
	ck_cwnd(5, OPEN);
	ck_assert_uint_eq(loss_info().ssthresh, 5);
}
END_TEST

/* What the peer would be told of a fall that is undone is not said. */
START_TEST(test_undo_takes_cwr_back)
{
	loss_open(O_SACK_OK | LOSS_ECN);
	loss_write(10);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{1, 4}});
	sent(0, 1);
	has(10);
	sacks(10, 1, {{0, 1}});
	ck_mib(TCPDSACKUndo, 1);
	loss_write(1);
	sent(10, 11); /* without CWR */
}
END_TEST

/* --- after a time-out ---------------------------------------------------------------------------- */

/* At 300 ms the RTO sends 0 again; all of it is late by 250 ms only. */
static void wrong_timeout(unsigned opts, unsigned written)
{
	loss_open(opts);
	loss_write(written);
	sent(0, 10);
	first_ts = tl.peer.ts_last;
	sent_at(0, 300);
	ck_cwnd(1, LOSS);
	ck_assert_uint_eq(loss_info().lost, 10);
	advance_ms(50);
}

START_TEST(test_timeout_undone_by_timestamp)
{
	wrong_timeout(O_SACK_OK | O_TS, 10);
	has_echoing(1, first_ts);
	ck_mib(TCPLossUndo, 1);
	ck_cwnd(11, OPEN); /* and slow start goes on */
	ck_assert_uint_eq(loss_info().ssthresh, UNLIMITED);
	ck_assert_uint_eq(loss_info().lost, 0);
	quiet();
	has(10);
	quiet();
}
END_TEST

START_TEST(test_timeout_undone_by_timestamp_without_sack)
{
	wrong_timeout(O_TS, 10);
	has_echoing(1, first_ts);
	ck_mib(TCPLossUndo, 1);
	ck_assert_uint_eq(loss_info().cwnd, 11);
	ck_assert_uint_eq(loss_info().lost, 0);
	quiet();
	has(10);
	quiet();
}
END_TEST

START_TEST(test_timeout_undone_by_dsack)
{
	tcp_lab_sysctl("net.ipv4.tcp_frto", 0);
	wrong_timeout(O_SACK_OK, 10);
	has(10);
	ck_state_is(OPEN);
	ck_assert_uint_lt(loss_info().cwnd, 10);
	sacks(10, 1, {{0, 1}});
	ck_mib(TCPDSACKUndo, 1);
	ck_cwnd(10, OPEN);
}
END_TEST

/* The D-SACK comes while the time-out is being repaired. */
START_TEST(test_timeout_undone_by_dsack_in_loss)
{
	tcp_lab_sysctl("net.ipv4.tcp_frto", 0);
	wrong_timeout(O_SACK_OK, 10);
	sacks(1, 1, {{0, 1}});
	ck_mib(TCPLossUndo, 1);
	ck_cwnd(11, OPEN);
}
END_TEST

START_TEST(test_timeout_stands_when_the_retransmission_is_echoed)
{
	wrong_timeout(O_SACK_OK | O_TS, 10);
	has(1);
	ck_mib(TCPLossUndo, 0);
	sent(1, 3);
	ck_state_is(LOSS);
	has(10);
}
END_TEST

/* RFC 8985, 6.2, step 2.  0 and 1 are sent again; a round trip later 1 is SACKed, and the echo tells which transmission of it. */
static void second_sacked(bool original)
{
	uint32_t first;

	loss_open(O_SACK_OK | O_TS);
	loss_write(10);
	sent(0, 10);
	first = tl.peer.ts_last;
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{2, 10}});
	sent(0, 2);
	advance_ms(LOSS_RTT_MS);
	loss_ack(0, 1, (struct loss_blocks){{{1, 10}}}, original ? first : 0);
	tcp_lab_drop();
}

START_TEST(test_echo_tells_that_it_was_the_original)
{
	second_sacked(true);
	ck_mib(TCPLostRetransmit, 0);
}
END_TEST

START_TEST(test_echo_tells_that_it_was_the_retransmission)
{
	second_sacked(false);
	ck_mib(TCPLostRetransmit, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("undo");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_recovery_undone_by_timestamp);
	tcase_add_test(tc, test_recovery_stands_when_the_retransmission_is_echoed);
	tcase_add_test(tc, test_partial_ack_undone_by_timestamp);
	tcase_add_test(tc, test_partial_ack_waits_for_other_retransmissions);
	tcase_add_test(tc, test_recovery_undone_by_dsack);
	tcase_add_test(tc, test_recovery_undone_by_dsack_when_nothing_is_out);
	tcase_add_test(tc, test_dsack_of_half_undoes_nothing);
	tcase_add_test(tc, test_dsacks_beyond_what_was_sent_again_ignored);
	tcase_add_test(tc, test_timeout_undone_by_timestamp);
	tcase_add_test(tc, test_timeout_undone_by_timestamp_without_sack);
	tcase_add_test(tc, test_timeout_undone_by_dsack);
	tcase_add_test(tc, test_timeout_undone_by_dsack_in_loss);
	tcase_add_test(tc, test_timeout_stands_when_the_retransmission_is_echoed);
	tcase_add_test(tc, test_dsack_of_an_earlier_probe_undoes_nothing);
	tcase_add_test(tc, test_echo_tells_that_it_was_the_original);
	tcase_add_test(tc, test_echo_tells_that_it_was_the_retransmission);
	tcase_add_test(tc, test_marked_recovery_is_not_undone);
	tcase_add_test(tc, test_undo_takes_cwr_back);
	return unit_run("tcp_undo", tc);
}
