/*
 * tests/tcp/test_dsack.c - what came twice is told (RFC 2883): the first block of the next ACK, once,
 * whatever lies around it.
 */
#include "tests/harness/tcp_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_established(&(struct seg){.mss = 1460, .opts = O_SACK_OK});
}

static void text(uint32_t seq, uint32_t n)
{
	rx(ACK, .seq = seq, .ack = 1, .len = n);
}

/* The next ACK has exactly these blocks. */
#define acked(upto, n, ...)                                                                        \
	tx(ACK, .seq = 1, .ack = (upto), .nsack = (n), .sack = {__VA_ARGS__}, .opts = 0)

/* 4.1, the first example: all of it was here, in order. */
START_TEST(test_old_segment_told)
{
	text(1, 1000);
	text(1001, 1000);
	tcp_lab_drop();
	text(1, 1000);
	acked(2001, 1, {1, 1001});
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDSACKOldSent), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_DelayedACKLost), 1);
}
END_TEST

START_TEST(test_told_once)
{
	text(1, 1000);
	text(1, 1000);
	tcp_lab_drop();
	text(1001, 1000);
	tx(ACK, .seq = 1, .ack = 2001);
	quiet();
}
END_TEST

/* The front of it was here. */
START_TEST(test_overlap_with_what_was_read_told)
{
	text(1, 1000);
	tcp_lab_read(1000);
	tcp_lab_drop();
	text(501, 1000);
	acked(1501, 1, {501, 1001});
	quiet();
}
END_TEST

/* 4.2: inside a block of data out of order, which follows. */
START_TEST(test_inside_out_of_order_told_with_its_block)
{
	text(1001, 1000);
	text(2001, 1000);
	text(5001, 1000);
	tcp_lab_drop();
	text(2001, 1000);
	acked(1, 3, {2001, 3001}, {1001, 3001}, {5001, 6001});
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDSACKOfoSent), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDSACKOldSent), 0);
}
END_TEST

/* 4.2.2: part of it is new, and the block it is in has grown. */
START_TEST(test_part_of_out_of_order_told)
{
	text(1001, 1000);
	tcp_lab_drop();
	text(1501, 1000);
	acked(1, 2, {1501, 2001}, {1001, 2501});
	quiet();
}
END_TEST

START_TEST(test_before_a_block_told)
{
	text(2001, 1000);
	tcp_lab_drop();
	text(1501, 1000);
	acked(1, 2, {2001, 2501}, {1501, 3001});
	quiet();
}
END_TEST

/* 4.1: old data beside a hole. */
START_TEST(test_old_segment_beside_a_hole)
{
	text(1, 1000);
	text(2001, 1000);
	tcp_lab_drop();
	text(1, 1000);
	acked(1001, 2, {1, 1001}, {2001, 3001});
	quiet();
}
END_TEST

START_TEST(test_never_more_blocks_than_fit)
{
	for (uint32_t i = 1; i <= 6; i++)
		text(i * 2000 + 1, 1000);
	tcp_lab_drop();
	text(12001, 1000);
	acked(1, 4, {12001, 13001}, {12001, 13001}, {10001, 11001}, {8001, 9001});
	quiet();
}
END_TEST

/* Data carry no blocks: it goes by an ACK of its own. */
START_TEST(test_told_beside_data)
{
	struct batch b;

	text(1, 1000);
	tcp_lab_drop();
	batch_begin(&b, tl.st);
	text(1, 1000);
	tcp_lab_write(100);
	batch_end(&b);
	tx(ACK, .seq = 1, .ack = 1001, .len = 100);
	tx(ACK, .seq = 101, .ack = 1001, .nsack = 1, .sack = {{1, 1001}});
	quiet();
}
END_TEST

/* Two in one batch that touch are one block. */
START_TEST(test_two_that_touch_told_together)
{
	struct batch b;

	text(1, 1000);
	text(1001, 1000);
	tcp_lab_drop();
	batch_begin(&b, tl.st);
	text(1, 1000);
	text(1001, 1000);
	batch_end(&b);
	acked(2001, 1, {1, 2001});
	quiet();
}
END_TEST

START_TEST(test_not_told_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_dsack", 0);
	text(1, 1000);
	tcp_lab_drop();
	text(1, 1000);
	tx(ACK, .seq = 1, .ack = 1001);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDSACKOldSent), 0);
}
END_TEST

START_TEST(test_not_told_without_sack)
{
	tcp_lab_peer(1);
	tcp_lab_established(&(struct seg){.mss = 1460});
	text(1, 1000);
	tcp_lab_drop();
	text(1, 1000);
	tx(ACK, .seq = 1, .ack = 1001);
	quiet();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("dsack");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_old_segment_told);
	tcase_add_test(tc, test_told_once);
	tcase_add_test(tc, test_overlap_with_what_was_read_told);
	tcase_add_test(tc, test_inside_out_of_order_told_with_its_block);
	tcase_add_test(tc, test_part_of_out_of_order_told);
	tcase_add_test(tc, test_before_a_block_told);
	tcase_add_test(tc, test_old_segment_beside_a_hole);
	tcase_add_test(tc, test_never_more_blocks_than_fit);
	tcase_add_test(tc, test_told_beside_data);
	tcase_add_test(tc, test_two_that_touch_told_together);
	tcase_add_test(tc, test_not_told_by_sysctl);
	tcase_add_test(tc, test_not_told_without_sack);
	return unit_run("tcp_dsack", tc);
}
