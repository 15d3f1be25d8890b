/*
 * tests/tcp/test_timestamp.c - timestamps in use: which one is echoed (RFC 7323, 4.3), and PAWS (5).
 */
#include "arp/neigh.h"
#include "tests/harness/tcp_lab.h"

#define T0 100000u /* the peer's clock at its SYN */

static void setup(void)
{
	tcp_lab_setup();
	tl.syn = (struct seg){.mss = 1460, .opts = O_TS, .tsval = T0};
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = 1460, .opts = O_TS, .tsval = T0);
	tx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .opts = O_MSS | O_TS, .tsecr = T0);
	rx(ACK, .seq = 1, .ack = 1, .opts = O_TS, .tsval = T0);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	quiet();
}

/* n bytes at a place, stamped T0 + t. */
static void text(uint32_t seq, uint32_t n, uint32_t t)
{
	rx(ACK, .seq = seq, .ack = 1, .len = n, .opts = O_TS, .tsval = T0 + t);
}

/* An ACK that echoes T0 + t. */
#define echoed(a, t) tx(ACK, .seq = 1, .ack = (a), .opts = O_TS, .tsecr = T0 + (t))

START_TEST(test_echo_of_text_in_order)
{
	text(1, 10, 5);
	echoed(11, 5);
	text(11, 10, 9);
	echoed(21, 9);
}
END_TEST

START_TEST(test_echo_skips_text_out_of_order)
{
	text(1, 10, 5);
	echoed(11, 5);
	text(21, 10, 7); /* behind a hole: (B) of 4.3 */
	echoed(11, 5);
	text(11, 10, 8); /* fills it: (C) */
	echoed(31, 8);
}
END_TEST

START_TEST(test_echo_of_retransmission_that_fills)
{
	text(11, 10, 3);
	echoed(1, 0);
	text(1, 10, 4);
	echoed(21, 4);
}
END_TEST

START_TEST(test_echo_of_the_first_when_ack_was_delayed)
{
	for (uint32_t i = 0; i < 16; i++) { /* past the ACKs without delay */
		text(1 + i * 10, 10, i);
		echoed(11 + i * 10, i);
	}
	text(161, 10, 20);
	quiet();
	text(171, 10, 21); /* SEG.SEQ is above Last.ACK.sent: (A) of 4.3 */
	advance_ms(300);
	echoed(181, 20);
}
END_TEST

START_TEST(test_old_data_does_not_move_echo_back)
{
	text(1, 10, 5);
	echoed(11, 5);
	text(1, 10, 5);
	echoed(11, 5);
}
END_TEST

START_TEST(test_tsval_follows_the_clock)
{
	struct seg a, b;

	text(1, 10, 1);
	a = echoed(11, 1);
	advance_ms(1000);
	text(11, 10, 1001);
	b = echoed(21, 1001);
	/* RFC 7323, 5.4: a tick is between 1 ms and 1 s. */
	ck_assert_uint_ge(b.tsval - a.tsval, 1);
	ck_assert_uint_le(b.tsval - a.tsval, 1000);
}
END_TEST

/* RFC 7323, 7.1: two hosts do not see one clock. */
static uint32_t clock_for(uint8_t host)
{
	struct seg s = {
	    .flags = SYN, .mss = 1460, .opts = O_TS, .sport = 4999, .dport = TCP_LAB_PORT};
	struct seg_addr a = {{10, 0, 0, host}, {10, 0, 0, 1}};
	struct ip_addr addr = ip_addr4(0x0a000000 + host);
	const uint8_t mac[6] = {2, 0, 0, 0, 0, host};
	uint8_t bytes[100];
	struct batch b;

	batch_begin(&b, tl.st);
	neigh_add_permanent(tl.dev, &addr, mac);
	batch_end(&b);
	tcp_lab_rx_bytes(bytes, seg_build(&s, &a, 0, bytes));
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags, SYN | ACK);
	batch_begin(&b, tl.st);
	neigh_del(tl.dev, &addr);
	batch_end(&b);
	return s.tsval;
}

START_TEST(test_other_host_other_clock)
{
	uint32_t a = clock_for(11), b = clock_for(12), c = clock_for(13);

	ck_assert(a - b > 1000000 && b - a > 1000000);
	ck_assert(b - c > 1000000 && c - b > 1000000);
	ck_assert(a - c > 1000000 && c - a > 1000000);
}
END_TEST

/* --- PAWS ---------------------------------------------------------------------------------------
 */

START_TEST(test_paws_older_text_refused)
{
	text(1, 10, 50);
	echoed(11, 50);
	text(11, 10, 49);
	echoed(11, 50);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSEstab), 1);
	text(11, 10, 50);
	echoed(21, 50);
	tcp_lab_read(20);
}
END_TEST

/* 11 is lost and 21 held back, so 31 comes out of order; then 11, sent again. */
static void overtake(void)
{
	text(1, 10, 50);
	echoed(11, 50);
	text(31, 10, 62);
	echoed(11, 50);
	text(11, 10, 100);
	echoed(21, 100);
}

/* What went before a retransmission may come after it: it is from after the hole, so nothing has wrapped. */
START_TEST(test_paws_overtaken_text_taken)
{
	overtake();
	text(21, 10, 61);
	echoed(41, 100);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSEstab), 0);
	tcp_lab_read(40);
	text(41, 10, 99); /* nothing has overtaken this one */
	echoed(41, 100);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSEstab), 1);
}
END_TEST

START_TEST(test_paws_older_than_the_hole_refused)
{
	overtake();
	text(21, 10, 49);
	echoed(21, 100);
	text(41, 10, 61); /* in no hole */
	echoed(21, 100);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSEstab), 2);
	text(21, 10, 50);
	echoed(41, 100);
}
END_TEST

/* There is a hole all the time: how old may be what fills it follows the stream, some windows behind. */
START_TEST(test_paws_holes_without_end)
{
	uint32_t at = 1, t = 1;

	text(at + 1000, 1000, t++);
	for (unsigned i = 0; i < 500; i++, at += 2000) {
		text(at + 3000, 1000, t++);
		text(at, 1000, t++);
		tcp_lab_drop();
		tcp_lab_read(2000);
	}
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSEstab), 0);
	text(at, 1000, 2);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSEstab), 1);
	tcp_lab_drop();
	text(at, 1000, t - 2);
	echoed(at + 2000, t - 1);
}
END_TEST

START_TEST(test_paws_wraps)
{
	text(1, 10, 0x7fff0000);
	echoed(11, 0x7fff0000);
	text(11, 10, 0xfff00000); /* still ahead, past the wrap */
	echoed(21, 0xfff00000);
	text(21, 10, 0x80000000);
	echoed(21, 0xfff00000);
}
END_TEST

START_TEST(test_paws_spares_rst)
{
	text(1, 10, 50);
	echoed(11, 50);
	rx(RST, .seq = 11, .opts = O_TS, .tsval = T0 + 1);
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_paws_forgets_after_24_days)
{
	text(1, 10, 50);
	echoed(11, 50);
	advance_ms(25ull * 24 * 3600 * 1000);
	text(11, 10, 1); /* RFC 7323, 5.5 */
	echoed(21, 1);
}
END_TEST

START_TEST(test_paws_refuses_within_24_days)
{
	text(1, 10, 50);
	echoed(11, 50);
	advance_ms(23ull * 24 * 3600 * 1000);
	text(11, 10, 1);
	echoed(11, 50);
}
END_TEST

START_TEST(test_text_without_timestamp_taken)
{
	rx(ACK, .seq = 1, .ack = 1, .len = 10, .no_ts = true); /* RFC 7323, 3.2 */
	echoed(11, 0);
	text(11, 10, 1);
	echoed(21, 1);
}
END_TEST

START_TEST(test_third_ack_without_timestamp_taken)
{
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = 1460, .opts = O_TS, .tsval = T0);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1, .no_ts = true);
	ck_state(TCP_ESTABLISHED);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	text(1, 10, 1);
	echoed(11, 1);
}
END_TEST

START_TEST(test_third_ack_with_older_timestamp_acked)
{
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = 1460, .opts = O_TS, .tsval = T0);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1, .opts = O_TS, .tsval = T0 - 1);
	echoed(1, 0);
	ck_state(TCP_SYN_RECV);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSEstab), 1);
	rx(ACK, .seq = 1, .ack = 1, .opts = O_TS, .tsval = T0);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_rst_without_timestamp_believed)
{
	rx(RST, .seq = 1, .no_ts = true);
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_paws_fin_refused)
{
	text(1, 10, 50);
	echoed(11, 50);
	rx(FIN | ACK, .seq = 11, .ack = 1, .opts = O_TS, .tsval = T0 + 40);
	echoed(11, 50);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

/* RFC 7323, 3.2: a RST has them too, or who checks would not believe it. */
START_TEST(test_reset_has_timestamps)
{
	text(1, 10, 5);
	echoed(11, 5);
	ck_assert_int_eq(weft_close(tl.fd), 0);
	tl.fd = -1;
	tx(RST | ACK, .seq = 1, .ack = 11, .opts = O_TS, .tsecr = T0 + 5);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timestamp");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_echo_of_text_in_order);
	tcase_add_test(tc, test_echo_skips_text_out_of_order);
	tcase_add_test(tc, test_echo_of_retransmission_that_fills);
	tcase_add_test(tc, test_echo_of_the_first_when_ack_was_delayed);
	tcase_add_test(tc, test_old_data_does_not_move_echo_back);
	tcase_add_test(tc, test_tsval_follows_the_clock);
	tcase_add_test(tc, test_other_host_other_clock);
	tcase_add_test(tc, test_paws_older_text_refused);
	tcase_add_test(tc, test_paws_overtaken_text_taken);
	tcase_add_test(tc, test_paws_older_than_the_hole_refused);
	tcase_add_test(tc, test_paws_holes_without_end);
	tcase_add_test(tc, test_paws_wraps);
	tcase_add_test(tc, test_paws_spares_rst);
	tcase_add_test(tc, test_paws_forgets_after_24_days);
	tcase_add_test(tc, test_paws_refuses_within_24_days);
	tcase_add_test(tc, test_text_without_timestamp_taken);
	tcase_add_test(tc, test_third_ack_without_timestamp_taken);
	tcase_add_test(tc, test_third_ack_with_older_timestamp_acked);
	tcase_add_test(tc, test_rst_without_timestamp_believed);
	tcase_add_test(tc, test_paws_fin_refused);
	tcase_add_test(tc, test_reset_has_timestamps);
	return unit_run("tcp_timestamp", tc);
}
