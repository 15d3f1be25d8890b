/*
 * tests/tcp/test_prr.c - what is sent while cwnd falls (RFC 9937), segment by segment, in RECOVERY and
 * in CWR; and where cwnd stands when that is over.
 */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/loss_lab.h"

/* n segments are sent in one go, and the answers are due; cwnd is 10, so n is at most that. */
static void flight(unsigned n, unsigned written)
{
	if (tl.fd < 0)
		loss_open(O_SACK_OK);
	loss_write(written);
	sent(0, n);
	advance_ms(LOSS_RTT_MS);
}

/* A millisecond later the peer has 1..upto - 1, and misses 0. */
static void all_but_first(unsigned upto)
{
	advance_ms(1);
	sacks(0, 1, {{1, upto}});
}

START_TEST(test_one_lost_half_for_each_delivered)
{
	flight(10, 30);
	all_but_first(2);
	sent(10, 11);
	all_but_first(3);
	sent(11, 12);
	all_but_first(4); /* ssthresh is 5: ceil(1 * 5/10) = 1 */
	sent(0, 1);
	ck_assert_uint_eq(loss_info().ssthresh, 5);
	all_but_first(5); /* 2 * 5/10 = 1: has gone */
	quiet();
	all_but_first(6);
	sent(12, 13);
	all_but_first(7);
	quiet();
	all_but_first(8);
	sent(13, 14);
	all_but_first(9);
	quiet();
	all_but_first(10); /* pipe is 5 now: what leaves is replaced */
	quiet();
	ck_assert_uint_eq(loss_info().cwnd, 5);
	advance_ms(LOSS_RTT_MS - 9);
	all_but_first(11);
	sent(14, 15);
	all_but_first(12);
	sent(15, 16);
	all_but_first(12);
	has(12);
	ck_cwnd(5, OPEN);
	sent(16, 17);
}
END_TEST

START_TEST(test_cubic_falls_to_seven_tenths)
{
	loss_open(O_SACK_OK);
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), 0);
	flight(10, 30);
	sacks(0, 1, {{1, 4}});
	next_is(0);
	ck_assert_uint_eq(loss_info().ssthresh, 7);
	tcp_lab_drop();
}
END_TEST

/* Nine of ten come in one ACK: pipe is 0, what was delivered bounds it, and ssthresh. */
START_TEST(test_burst_bounded_by_ssthresh)
{
	flight(10, 30);
	sacks(0, 1, {{1, 10}});
	next_is(0);
	sent(10, 14);
	ck_cwnd(5, RECOVERY);
}
END_TEST

/* More is lost than ssthresh lets out: one for one (CRB), as losses are found. */
START_TEST(test_heavy_loss_one_for_one)
{
	flight(10, 10);
	sacks(0, 1, {{9, 10}});
	quiet(); /* one SACKed, RACK waits */
	wait_ms(40);
	sent(0, 1);
	ck_assert_uint_eq(loss_info().lost, 9);
	ck_assert_uint_eq(loss_info().cwnd, 1);
	advance_ms(LOSS_RTT_MS);
	sacks(1, 1, {{9, 10}});
	sent(1, 3); /* SSRB: all goes well, one more */
	advance_ms(LOSS_RTT_MS);
	sacks(2, 1, {{9, 10}});
	sent(3, 5);
	sacks(3, 1, {{9, 10}});
	sent(5, 7);
	advance_ms(LOSS_RTT_MS);
	has(7);
	tcp_lab_drop();
	has(10);
	ck_cwnd(5, OPEN);
}
END_TEST

/* While more is found lost, what is delivered is all that goes. */
START_TEST(test_no_more_than_delivered_while_losing)
{
	struct loss_info before, after;

	flight(10, 30);
	sacks(0, 2, {{1, 2}, {5, 7}}); /* 0, 2, 3, 4 */
	before = loss_info();
	ck_assert_uint_eq(before.lost, 4);
	next_is(0);
	tcp_lab_drop();
	sacks(2, 2, {{5, 7}, {9, 10}}); /* 7, 8 as well */
	after = loss_info();
	ck_assert_uint_eq(after.lost, 5); /* 0 is not any more: 2, 3, 4, 7, 8 */
	ck_assert_uint_le(tl.nsent, 3);   /* 0 and 9 were delivered */
	tcp_lab_drop();
}
END_TEST

/* The program sent less than cwnd: the proportion is of what was out. */
START_TEST(test_limited_by_the_program)
{
	flight(4, 4);
	sacks(0, 1, {{1, 4}});
	sent(0, 1);
	ck_state_is(RECOVERY);
	advance_ms(LOSS_RTT_MS);
	has(4);
	ck_assert_uint_eq(loss_info().cwnd, loss_info().ssthresh);
	ck_state_is(OPEN);
}
END_TEST

/* pipe is at ssthresh: there would be no room for it. */
START_TEST(test_first_retransmission_is_never_held_back)
{
	flight(4, 4);
	sacks(0, 1, {{1, 2}});
	quiet();
	sent_at(0, 127);
	ck_assert_uint_eq(loss_info().ssthresh, 2);
	ck_assert_uint_eq(loss_info().cwnd, 3);
	has(4);
}
END_TEST

/* A millisecond later the peer has all before upto, and the network marked something, or not. */
static void has_marked(unsigned upto, unsigned ece)
{
	advance_ms(1);
	rx(ACK | ece, .seq = 1, .ack = 1 + upto * LOSS_MSS, .wnd = LOSS_WND);
}

/* ECN-Echo: the same fall, with nothing lost; the first new segment tells (RFC 3168, 6.1.2). */
START_TEST(test_marked_half_for_each_delivered)
{
	loss_open(O_SACK_OK | LOSS_ECN);
	flight(10, 30);
	has_marked(1, ECE);
	tx(ACK | CWR, .seq = 10001, .ack = 1, .len = LOSS_MSS);
	quiet();
	ck_cwnd(10, CWR_STATE);
	ck_assert_uint_eq(loss_info().ssthresh, 5);
	has_marked(2, ECE); /* once a round trip */
	quiet();
	ck_assert_uint_eq(loss_info().ssthresh, 5);
	has_marked(3, 0);
	sent(11, 12);
	has_marked(4, 0);
	quiet();
	has_marked(10, 0);
	sent(12, 15);
	ck_cwnd(5, CWR_STATE);
	advance_ms(LOSS_RTT_MS);
	has_marked(11, 0);
	ck_cwnd(5, OPEN);
	tcp_lab_drop();
}
END_TEST

/* Below a segment nothing is lost by rounding: 300 bytes are a segment to PRR. */
START_TEST(test_short_segments)
{
	loss_open(O_SACK_OK);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	for (unsigned i = 0; i < 6; i++)
		tcp_lab_write(100);
	tcp_lab_drop();
	advance_ms(LOSS_RTT_MS);
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND, .nsack = 1, .sack = {{101, 601}});
	quiet();
	wait_ms(40);
	tx(ACK, .seq = 1, .ack = 1, .len = 100);
	rx(ACK, .seq = 1, .ack = 601, .wnd = LOSS_WND);
	ck_state_is(OPEN);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("prr");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_one_lost_half_for_each_delivered);
	tcase_add_test(tc, test_cubic_falls_to_seven_tenths);
	tcase_add_test(tc, test_burst_bounded_by_ssthresh);
	tcase_add_test(tc, test_heavy_loss_one_for_one);
	tcase_add_test(tc, test_no_more_than_delivered_while_losing);
	tcase_add_test(tc, test_limited_by_the_program);
	tcase_add_test(tc, test_short_segments);
	tcase_add_test(tc, test_first_retransmission_is_never_held_back);
	tcase_add_test(tc, test_marked_half_for_each_delivered);
	return unit_run("tcp_prr", tc);
}
