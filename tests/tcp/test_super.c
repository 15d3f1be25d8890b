/*
 * tests/tcp/test_super.c - super-segments: sent whole to a device that cuts them, taken whole from one
 * that joined them, and what is sent again fits the path.
 */
#include "lib/wire/icmp4.h"
#include "tests/harness/tcp_lab.h"

#define MSS 1460u

static void setup(void)
{
	tcp_lab_setup_tso();
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

/* What the first cwnd has room for, a half of it at a time. */
static void tx_window(void)
{
	tx(ACK, .seq = 1, .ack = 1, .len = 5 * MSS);
	tx(ACK, .seq = 1 + 5 * MSS, .ack = 1, .len = 5 * MSS);
}

START_TEST(test_window_of_segments_sent_as_one)
{
	tcp_lab_write(40000);
	tx_window();
	quiet();
	rx(ACK, .seq = 1, .ack = 1 + 10 * MSS);
	ck_assert_uint_ge(tl.nsent, 1);
	ck_assert_uint_le(tl.nsent, 3);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_small_tail_rides_along)
{
	tcp_lab_write(3 * MSS + 77);
	tx(ACK | PSH, .seq = 1, .ack = 1, .len = 3 * MSS + 77);
	quiet();
}
END_TEST

START_TEST(test_never_over_64_kb)
{
	struct seg s;
	uint32_t acked = 0, most = 0;

	tl.fd = -1;
	tcp_lab_peer(1);
	tl.syn = (struct seg){.mss = 1460, .opts = O_WS, .ws = 8, .wnd = 60000};
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(900000);
	for (unsigned i = 0; i < 200 && acked < 900000; i++) {
		while (tcp_lab_take(&s)) {
			most = s.len > most ? s.len : most;
			acked = s.seq + s.len - 1;
			rx(ACK, .seq = 1, .ack = 1 + acked, .wnd = 60000);
		}
		advance_ms(10);
	}
	ck_assert_uint_eq(acked, 900000);
	ck_assert_uint_gt(most, 30000);
	ck_assert_uint_le(most, 65535 - 40);
}
END_TEST

START_TEST(test_part_acked_rest_sent_again)
{
	struct seg s;

	tcp_lab_write(10 * MSS);
	tx_window();
	rx(ACK, .seq = 1, .ack = 1 + 2 * MSS + 100); /* inside a segment */
	quiet();
	wait_ms(1000);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.seq, 1 + 2 * MSS + 100);
	ck_assert_uint_le(s.len, MSS);
}
END_TEST

START_TEST(test_third_duplicate_one_segment_again)
{
	tcp_lab_write(10 * MSS);
	tx_window();
	for (unsigned i = 0; i < 3; i++)
		rx(ACK, .seq = 1, .ack = 1);
	tx(ACK, .seq = 1, .ack = 1, .len = MSS);
	quiet();
}
END_TEST

START_TEST(test_super_frame_in_taken_whole)
{
	rx(ACK | PSH, .seq = 1, .ack = 1, .len = 60000);
	tx(ACK, .seq = 1, .ack = 60001);
	quiet();
	tcp_lab_read(60000);
}
END_TEST

START_TEST(test_super_frame_in_out_of_order)
{
	rx(ACK, .seq = 20001, .ack = 1, .len = 20000);
	tx(ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 10001, .ack = 1, .len = 25000);
	tx(ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1, .len = 15000);
	tx(ACK, .seq = 1, .ack = 40001);
	tcp_lab_read(40000);
}
END_TEST

START_TEST(test_frag_needed_cuts_anew)
{
	struct seg s;

	tcp_lab_write(10 * MSS);
	tx_window();
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1, 1000);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.seq, 1);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1 + 10 * MSS);
	tcp_lab_write(5);
	tx(ACK, .seq = 1 + 10 * MSS, .ack = 1, .len = 5);
}
END_TEST

START_TEST(test_fin_rides_on_super_segment)
{
	rx(ACK, .seq = 1, .ack = 1, .wnd = 3 * (int)MSS);
	tcp_lab_write(6 * MSS);
	tx(ACK, .seq = 1, .ack = 1, .len = 3 * MSS);
	weft_shutdown(tl.fd, SHUT_WR);
	rx(ACK, .seq = 1, .ack = 1 + 3 * MSS, .wnd = 60000);
	tx(FIN | ACK, .seq = 1 + 3 * MSS, .ack = 1, .len = 3 * MSS);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("super");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_window_of_segments_sent_as_one);
	tcase_add_test(tc, test_small_tail_rides_along);
	tcase_add_test(tc, test_never_over_64_kb);
	tcase_add_test(tc, test_part_acked_rest_sent_again);
	tcase_add_test(tc, test_third_duplicate_one_segment_again);
	tcase_add_test(tc, test_super_frame_in_taken_whole);
	tcase_add_test(tc, test_super_frame_in_out_of_order);
	tcase_add_test(tc, test_frag_needed_cuts_anew);
	tcase_add_test(tc, test_fin_rides_on_super_segment);
	return unit_run("tcp_super", tc);
}
