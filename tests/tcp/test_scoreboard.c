/*
 * tests/tcp/test_scoreboard.c - the sender's SACK scoreboard: what blocks mark, which are not
 * believed (RFC 2018, 5), D-SACK (RFC 2883, 4), reneging (RFC 2018, 8).
 */
#include "tests/harness/loss_lab.h"

/* 20 segments written, 10 sent, the answers are due. */
static void setup(void)
{
	tcp_lab_setup();
	loss_open(O_SACK_OK);
	loss_write(20);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
}

START_TEST(test_sacked_counted_once)
{
	sacks(0, 1, {{2, 3}});
	ck_assert_uint_eq(loss_info().sacked, 1);
	sacks(0, 1, {{2, 3}});
	sacks(0, 2, {{2, 3}, {2, 3}});
	ck_assert_uint_eq(loss_info().sacked, 1);
	ck_assert_uint_eq(loss_info().unacked, 11); /* limited transmit of one */
	ck_cwnd(10, DISORDER);
}
END_TEST

START_TEST(test_blocks_in_any_order)
{
	sacks(0, 3, {{8, 9}, {2, 3}, {5, 6}});
	ck_assert_uint_eq(loss_info().sacked, 3);
	sacks(0, 3, {{5, 7}, {8, 9}, {2, 3}});
	ck_assert_uint_eq(loss_info().sacked, 4);
	sacks(0, 1, {{1, 10}});
	ck_assert_uint_eq(loss_info().sacked, 9);
	has(10);
	ck_assert_uint_eq(loss_info().sacked, 0);
}
END_TEST

START_TEST(test_edge_inside_a_segment_rounded_inwards)
{
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND, .nsack = 1, .sack = {{1501, 3901}});
	ck_assert_uint_eq(loss_info().sacked, 1); /* 2001..3000 */
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND, .nsack = 1, .sack = {{1501, 4001}});
	ck_assert_uint_eq(loss_info().sacked, 2);
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND, .nsack = 2,
	   .sack = {{1501, 4001}, {10000, 10001}});
	ck_assert_uint_eq(loss_info().sacked, 2);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND, .nsack = 1, .sack = {{1501, 9001}});
	next_is(0);
	next_is(1);
	tcp_lab_drop();
}
END_TEST

static const struct {
	uint32_t left, right;
	unsigned discarded;
} nonsense[] = {
    {2001, 2001, 1},       /* empty */
    {3001, 2001, 1},       /* backwards */
    {2001, 30001, 1},      /* beyond what was sent */
    {40001, 50001, 1},     /* all of it */
    {1, 1001, 1},          /* the first byte missing cannot be there */
    {0x80000000, 3001, 1}, /* half way round */
};

START_TEST(test_block_not_believed)
{
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND, .nsack = 1,
	   .sack = {{nonsense[_i].left, nonsense[_i].right}});
	ck_assert_uint_eq(loss_info().sacked, 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPSACKDiscard) +
			      tcp_lab_mib(MIB_TcpExt_TCPDSACKIgnoredDubious),
			  nonsense[_i].discarded);
}
END_TEST

/* A thousand edges inside segments cut nothing. */
START_TEST(test_tiny_blocks_mark_nothing)
{
	struct tcp_view before, after;

	ck_assert(tcp_lab_view(&before));
	for (uint32_t i = 1; i < 1200; i++)
		rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND, .nsack = 1,
		   .sack = {{1 + 4 * i, 3 + 4 * i}});
	ck_assert(tcp_lab_view(&after));
	ck_assert_uint_eq(loss_info().sacked, 0);
	ck_assert_uint_eq(after.snd_bytes, before.snd_bytes);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_overtaken_ack_still_tells)
{
	has(2);
	tcp_lab_drop();
	sacks(1, 1, {{5, 6}});
	ck_assert_uint_eq(loss_info().sacked, 1);
	ck_state_is(DISORDER);
	tcp_lab_drop();
}
END_TEST

/*
 * 30 segments as super-segments over pieces of 16 KB, so that segment 16 lies in two records: blocks
 * cut them at segments, and what is between goes again by segments.
 */
START_TEST(test_super_segments_cut_at_segments)
{
	has(10);
	tcp_lab_drop();
	has(20);
	tcp_lab_sysctl("net.weft.tcp_init_cwnd", 30);
	tcp_lab_peer(1);
	tl.sent = 0;
	tl.dev->features = NETDEV_F_ALL;
	rx(SYN, .seq = 0, .mss = LOSS_MSS, .wnd = LOSS_WND, .opts = O_SACK_OK);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1, .wnd = LOSS_WND);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	loss_write(30);
	ck_assert_uint_le(tcp_lab_drop(), 3);
	ck_assert_uint_eq(loss_info().unacked, 30);
	advance_ms(1);
	sacks(0, 1, {{16, 17}});
	ck_assert_uint_eq(loss_info().sacked, 1);
	sacks(0, 2, {{20, 22}, {16, 17}});
	ck_assert_uint_eq(loss_info().sacked, 3);
	ck_assert_uint_eq(loss_info().lost, 16 + 3);
	next_is(0);
	tcp_lab_drop();
	sacks(0, 1, {{1, 30}});
	ck_assert_uint_eq(loss_info().sacked, 29);
	ck_assert_uint_eq(loss_info().lost, 1);
	tcp_lab_drop();
	has(30);
	ck_state_is(OPEN);
}
END_TEST

/* --- D-SACK ------------------------------------------------------------------------------------
 */

START_TEST(test_dsack_below_the_ack_is_no_sack)
{
	has(4);
	tcp_lab_drop();
	sacks(4, 1, {{2, 3}});
	quiet();
	ck_mib(TCPDSACKRecv, 1);
	ck_mib(TCPDSACKIgnoredDubious, 1); /* nothing was sent twice */
	ck_assert_uint_eq(loss_info().sacked, 0);
	ck_state_is(OPEN);
}
END_TEST

START_TEST(test_dsack_inside_the_second_block)
{
	sacks(0, 1, {{5, 8}});
	tcp_lab_drop();
	sacks(0, 2, {{6, 7}, {5, 8}});
	ck_mib(TCPDSACKOfoRecv, 1);
	ck_assert_uint_eq(loss_info().sacked, 3);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_dsack_is_no_duplicate_ack)
{
	has(4);
	tcp_lab_drop();
	for (unsigned i = 0; i < 5; i++)
		sacks(4, 1, {{2, 3}});
	quiet();
	ck_mib(TCPFastRetrans, 0);
}
END_TEST

/* --- reneging -----------------------------------------------------------------------------------
 */

/* The ACK stops where the peer had told that it had more. */
START_TEST(test_reneging_found_by_the_ack)
{
	sacks(0, 1, {{1, 5}});
	tcp_lab_drop();
	has(2);
	tcp_lab_drop();
	tcp_lab_mark();
	advance_ms(40);
	has(2); /* which puts nothing off */
	quiet();
	wait_ms(200);
	next_is(2); /* half a round trip later, as if nothing had been SACKed */
	ck_assert_uint_ge(tcp_lab_elapsed_ms(), 50);
	ck_assert_uint_le(tcp_lab_elapsed_ms(), 60);
	ck_mib(TCPSACKReneging, 1);
	ck_assert_uint_eq(loss_info().sacked, 0);
	ck_state_is(LOSS);
	has(20);
}
END_TEST

static uint64_t retransmit_time(unsigned segment)
{
	struct seg s;

	for (;;) {
		wait_ms(2000);
		ck_assert(tcp_lab_take(&s));
		if (s.seq == 1 + segment * LOSS_MSS)
			return tcp_lab_elapsed_ms();
	}
}

START_TEST(test_everything_sacked_is_sent_again_if_it_must)
{
	sacks(0, 1, {{1, 10}});
	tcp_lab_drop();
	has(1); /* and the peer forgets 1..9 */
	tcp_lab_drop();
	for (unsigned i = 1; i < 4; i++) {
		retransmit_time(i);
		has(i + 1);
		tcp_lab_drop();
	}
	ck_mib(TCPSACKReneging, 1);
	has(20);
	tcp_lab_drop();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("scoreboard");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_sacked_counted_once);
	tcase_add_test(tc, test_blocks_in_any_order);
	tcase_add_test(tc, test_edge_inside_a_segment_rounded_inwards);
	tcase_add_loop_test(tc, test_block_not_believed, 0,
			    (int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_test(tc, test_tiny_blocks_mark_nothing);
	tcase_add_test(tc, test_overtaken_ack_still_tells);
	tcase_add_test(tc, test_super_segments_cut_at_segments);
	tcase_add_test(tc, test_dsack_below_the_ack_is_no_sack);
	tcase_add_test(tc, test_dsack_inside_the_second_block);
	tcase_add_test(tc, test_dsack_is_no_duplicate_ack);
	tcase_add_test(tc, test_reneging_found_by_the_ack);
	tcase_add_test(tc, test_everything_sacked_is_sent_again_if_it_must);
	return unit_run("tcp_scoreboard", tc);
}
