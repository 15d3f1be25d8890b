/*
 * tests/tcp/test_ack_all.c - the ACK of all that is out and queued, which is one record sent once: what it
 * has to leave behind; and one thing that is different, for each, of which the short way knows nothing.
 */
#include "tests/harness/loss_lab.h"

#include <linux/tcp.h>
#include <netinet/in.h>

/* --- all of it ----------------------------------------------------------------------------------- */

START_TEST(test_all_is_settled)
{
	uint64_t acks, delivered;
	struct tcp_view v;

	loss_open(O_SACK_OK);
	acks = tcp_lab_mib(MIB_TcpExt_TCPHPAcks);
	delivered = tcp_lab_mib(MIB_TcpExt_TCPDelivered);
	loss_write(1);
	sent(0, 1);
	advance_ms(50);
	has(1);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_una, v.snd_nxt);
	ck_assert_uint_eq(v.sndq, 0);
	ck_assert_uint_eq(v.snd_bytes, 0);
	ck_assert_ptr_null(v.timer);
	ck_assert_uint_eq(v.delivery_rate, LOSS_MSS * 20);
	ck_assert_uint_lt(v.srtt_us, LOSS_RTT_MS * 1000);
	ck_assert_uint_eq(loss_info().min_rtt_us, 50000);
	ck_assert_uint_eq(loss_info().unacked, 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPHPAcks), acks + 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDelivered), delivered + 1);
	ck_cwnd(10, OPEN);
	advance_ms(1000);
	quiet();
}
END_TEST

START_TEST(test_all_beside_text)
{
	loss_open(O_SACK_OK);
	loss_write(1);
	sent(0, 1);
	rx(ACK | PSH, .seq = 1, .ack = 1001, .len = 10, .wnd = 2000);
	ck_assert_uint_eq(loss_info().unacked, 0);
	tcp_lab_read(10);
	tcp_lab_drop();
	loss_write(3);
	ck_assert_uint_eq(tcp_lab_drop(), 2); /* the window that came with it */
}
END_TEST

START_TEST(test_all_makes_cwnd_grow)
{
	tcp_lab_sysctl("net.weft.tcp_init_cwnd", 1);
	loss_open(O_SACK_OK);
	loss_write(1);
	sent(0, 1);
	advance_ms(LOSS_RTT_MS);
	has(1);
	ck_cwnd(2, OPEN);
}
END_TEST

START_TEST(test_all_without_sack)
{
	unsigned delivered;

	loss_open(0);
	delivered = loss_info().delivered;
	loss_write(1);
	sent(0, 1);
	has(1);
	ck_assert_uint_eq(loss_info().delivered, delivered + 1);
	ck_cwnd(10, OPEN);
}
END_TEST

/* --- something else ------------------------------------------------------------------------------ */

START_TEST(test_first_of_two_leaves_the_other)
{
	loss_open(O_SACK_OK);
	loss_write(2);
	sent(0, 2);
	advance_ms(LOSS_RTT_MS);
	has(1);
	ck_assert_uint_eq(loss_info().unacked, 1);
	wait_ms(400);
	next_is(1);
	has(2);
}
END_TEST

START_TEST(test_all_of_what_is_out_leaves_what_is_queued)
{
	loss_open(O_SACK_OK);
	tcp_lab_write(100);
	tx(ACK, .seq = 1, .ack = 1, .len = 100);
	tcp_lab_write(50);
	quiet(); /* Nagle */
	rx(ACK, .seq = 1, .ack = 101);
	tx(ACK, .seq = 101, .ack = 1, .len = 50);
	rx(ACK, .seq = 1, .ack = 151);
}
END_TEST

START_TEST(test_part_of_the_record)
{
	loss_open(O_SACK_OK);
	loss_write(1);
	sent(0, 1);
	advance_ms(LOSS_RTT_MS);
	rx(ACK, .seq = 1, .ack = 501);
	ck_assert_uint_eq(loss_info().unacked, 1);
	wait_ms(1000);
	tx(ACK, .seq = 501, .ack = 1, .len = 500);
	has(1);
}
END_TEST

/* RFC 9293, 3.10.7.4: what has not gone nobody can have. */
START_TEST(test_all_that_was_never_sent)
{
	loss_open(O_SACK_OK);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(100);
	quiet();
	rx(ACK, .seq = 1, .ack = 101);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 0);
	tx(ACK | PSH, .seq = 1, .ack = 1, .len = 100);
	rx(ACK, .seq = 1, .ack = 101);
	ck_assert_uint_eq(loss_info().unacked, 0);
}
END_TEST

/* RFC 6298, 3: which of the two it is for nobody knows. */
START_TEST(test_sent_twice_is_no_sample)
{
	unsigned rtt;

	loss_open(O_SACK_OK);
	rtt = loss_info().rtt_us;
	loss_write(1);
	sent(0, 1);
	wait_ms(400);
	next_is(0);
	advance_ms(10);
	has(1);
	ck_assert_uint_eq(loss_info().rtt_us, rtt);
	ck_assert_uint_eq(loss_info().unacked, 0);
}
END_TEST

START_TEST(test_dsack_beside_it_is_heard)
{
	loss_open(O_SACK_OK);
	loss_write(2);
	sent(0, 2);
	has(1);
	sacks(2, 1, {{0, 1}});
	ck_mib(TCPDSACKRecv, 1);
}
END_TEST

/* RFC 8985, 7.4.2: what went behind the probe's end is acknowledged, and no duplicate has come. */
START_TEST(test_behind_a_loss_probe)
{
	loss_open(O_SACK_OK);
	loss_write(1);
	sent(0, 1);
	wait_ms(400);
	next_is(0);
	loss_write(1);
	next_is(1);
	has(1);
	ck_mib(TCPLossProbeRecovery, 0);
	has(2);
	ck_mib(TCPLossProbeRecovery, 1);
}
END_TEST

/* A D-SACK may come yet for what was sent again in the recovery before. */
START_TEST(test_behind_a_recovery_that_may_be_undone)
{
	loss_open(O_SACK_OK);
	loss_write(10);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	sacks(0, 1, {{1, 4}});
	next_is(0);
	has(10);
	loss_write(3);
	sent(10, 13);
	advance_ms(LOSS_RTT_MS);
	sacks(10, 1, {{11, 12}});
	has(12);
	ck_state_is(OPEN);
	has(13);
	sacks(13, 1, {{0, 1}});
	ck_mib(TCPDSACKUndo, 1);
}
END_TEST

/* CWR ends with what was sent since. */
START_TEST(test_the_end_of_cwr)
{
	loss_open(O_SACK_OK | LOSS_ECN);
	loss_write(2);
	sent(0, 2);
	rx(ACK | ECE, .seq = 1, .ack = 1001);
	ck_state_is(CWR_STATE);
	has(2);
	loss_write(1);
	tcp_lab_drop();
	has(3);
	ck_state_is(OPEN);
	ck_assert_uint_eq(loss_info().cwnd, loss_info().ssthresh);
}
END_TEST

START_TEST(test_echo_of_ecn_beside_it)
{
	loss_open(O_SACK_OK | LOSS_ECN);
	loss_write(1);
	sent(0, 1);
	rx(ACK | ECE, .seq = 1, .ack = 1001);
	ck_mib(TCPDeliveredCE, 1);
	ck_assert_uint_lt(loss_info().ssthresh, 10);
}
END_TEST

START_TEST(test_fin_beside_it)
{
	loss_open(O_SACK_OK);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(100);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | PSH | ACK, .seq = 1, .ack = 1, .len = 100);
	rx(ACK, .seq = 1, .ack = 102);
	ck_state(TCP_FIN_WAIT2);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ack_all");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_all_is_settled);
	tcase_add_test(tc, test_all_beside_text);
	tcase_add_test(tc, test_all_makes_cwnd_grow);
	tcase_add_test(tc, test_all_without_sack);
	tcase_add_test(tc, test_first_of_two_leaves_the_other);
	tcase_add_test(tc, test_all_of_what_is_out_leaves_what_is_queued);
	tcase_add_test(tc, test_part_of_the_record);
	tcase_add_test(tc, test_all_that_was_never_sent);
	tcase_add_test(tc, test_sent_twice_is_no_sample);
	tcase_add_test(tc, test_dsack_beside_it_is_heard);
	tcase_add_test(tc, test_behind_a_loss_probe);
	tcase_add_test(tc, test_behind_a_recovery_that_may_be_undone);
	tcase_add_test(tc, test_the_end_of_cwr);
	tcase_add_test(tc, test_echo_of_ecn_beside_it);
	tcase_add_test(tc, test_fin_beside_it);
	return unit_run("tcp_ack_all", tc);
}
