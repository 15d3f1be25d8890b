/*
 * tests/tcp/test_delack.c - when an ACK goes: delayed below 500 ms, for every second full segment, at
 * once out of order (RFC 9293, 3.8.6.3; RFC 5681, 4.2), and with data where there are any.
 */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define WARM 16u /* ACKs that are not delayed at the start */

static uint32_t at; /* the peer's next number */

static void text(uint32_t n)
{
	rx(ACK, .seq = at, .ack = 1, .len = n);
	at += n;
}

static void acked(void)
{
	tx(ACK, .seq = 1, .ack = at);
	quiet();
}

/* ESTABLISHED, the start is over and a segment of the peer has 1000 bytes. */
static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_established(&(struct seg){.mss = 1460});
	at = 1;
	for (unsigned i = 0; i < WARM; i++) {
		text(1000);
		tcp_lab_read(1000);
	}
	advance_ms(150); /* less than an RTO */
	tcp_lab_drop();
}

START_TEST(test_one_segment_acked_later)
{
	uint64_t ms;

	text(1000);
	quiet();
	ms = wait_ms(500);
	acked();
	ck_assert_uint_ge(ms, 40);
	ck_assert_uint_le(ms, 201);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_DelayedACKs), 1);
}
END_TEST

START_TEST(test_second_full_segment_acked_at_once)
{
	text(1000);
	quiet();
	text(1000);
	acked();
	advance_ms(1000);
	quiet();
}
END_TEST

START_TEST(test_stream_acked_every_second_segment)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 40; i++) {
		text(1000);
		n += tcp_lab_drop();
		tcp_lab_read(1000);
	}
	ck_assert_uint_ge(n, 20); /* SHLD-19 */
	ck_assert_uint_le(n, 24); /* and window updates */
}
END_TEST

START_TEST(test_delay_counts_from_the_first)
{
	text(10);
	advance_ms(30);
	text(10);
	quiet();
	ck_assert_uint_le(wait_ms(500), 171);
	acked();
}
END_TEST

START_TEST(test_out_of_order_acked_at_once)
{
	rx(ACK, .seq = at + 1000, .ack = 1, .len = 1000);
	acked();
	rx(ACK, .seq = at + 2000, .ack = 1, .len = 1000);
	acked();
	rx(ACK, .seq = at, .ack = 1, .len = 1000);
	at += 3000;
	acked();
}
END_TEST

START_TEST(test_part_of_hole_filled_acked_at_once)
{
	rx(ACK, .seq = at + 1000, .ack = 1, .len = 1000);
	acked();
	text(500);
	acked();
}
END_TEST

START_TEST(test_old_segment_acked_at_once)
{
	rx(ACK, .seq = at - 1000, .ack = 1, .len = 1000);
	acked();
}
END_TEST

START_TEST(test_fin_behind_text_acked_later)
{
	rx(FIN | ACK, .seq = at++, .ack = 1);
	advance_ms(39);
	quiet();
	advance_ms(1);
	acked();
}
END_TEST

START_TEST(test_fin_with_much_text_acked_at_once)
{
	rx(FIN | ACK, .seq = at, .ack = 1, .len = 1000);
	at += 1001;
	acked();
}
END_TEST

START_TEST(test_fin_acked_by_that_of_close)
{
	rx(FIN | ACK, .seq = at++, .ack = 1);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 1, .ack = at);
	quiet();
}
END_TEST

START_TEST(test_ack_goes_with_answer)
{
	text(100);
	quiet();
	advance_ms(10);
	tcp_lab_write(50);
	tx(ACK, .seq = 1, .ack = at, .len = 50);
	advance_ms(150);
	quiet(); /* none by itself */
}
END_TEST

/* A sender whose cwnd ends here has half a pair out, and a window's burst to send for its ACK. */
START_TEST(test_read_of_pushed_segment_acked)
{
	rx(ACK | PSH, .seq = at, .ack = 1, .len = 1000);
	at += 1000;
	quiet();
	tcp_lab_read(400);
	quiet(); /* not before all is read */
	tcp_lab_read(600);
	acked();
	advance_ms(200);
	quiet();
}
END_TEST

START_TEST(test_read_of_segment_not_pushed_waits)
{
	text(1000);
	tcp_lab_read(1000);
	quiet();
	ck_assert_uint_ge(wait_ms(500), 40);
	acked();
}
END_TEST

/* Nagle's sender (RFC 9293, 3.7.4) has its next bytes ready and waits. */
START_TEST(test_read_of_short_segment_acked)
{
	text(100);
	quiet();
	tcp_lab_read(100);
	acked();
}
END_TEST

/* Who has answered before may do so again. */
START_TEST(test_read_of_request_waits_for_answer)
{
	text(100);
	tcp_lab_write(50);
	tx(ACK, .seq = 1, .ack = at, .len = 50);
	rx(ACK | PSH, .seq = at, .ack = 51, .len = 100);
	at += 100;
	tcp_lab_read(200);
	quiet();
	advance_ms(10);
	tcp_lab_write(50);
	tx(ACK, .seq = 51, .ack = at, .len = 50);
	quiet();
}
END_TEST

START_TEST(test_close_takes_delayed_ack_along)
{
	text(100);
	quiet();
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 1, .ack = at);
	advance_ms(150);
	quiet();
}
END_TEST

START_TEST(test_quickack_delays_none)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_QUICKACK, 1);
	text(10);
	acked();
	text(10);
	acked();
}
END_TEST

/* One batch of the device: one ACK (DESIGN: one ACK a connection and batch). */
START_TEST(test_super_segment_acked_once)
{
	text(20000);
	acked();
}
END_TEST

/* Without SACK the peer counts duplicates: one for each segment out of order, whatever the batch. */
START_TEST(test_batch_out_of_order_each_acked_without_sack)
{
	struct batch batch;

	batch_begin(&batch, tl.st);
	for (uint32_t i = 0; i < 10; i++)
		rx(ACK, .seq = at + 1000 + 100 * i, .ack = 1, .len = 100);
	batch_end(&batch);
	for (unsigned i = 0; i < 10; i++)
		tx(ACK, .seq = 1, .ack = at);
	quiet();
}
END_TEST

/* The ACK of what was in order before them is no duplicate. */
START_TEST(test_batch_with_first_hole_has_an_ack_more)
{
	struct batch batch;

	batch_begin(&batch, tl.st);
	text(1000);
	text(1000);
	for (uint32_t i = 0; i < 3; i++)
		rx(ACK, .seq = at + 1000 + 100 * i, .ack = 1, .len = 100);
	batch_end(&batch);
	for (unsigned i = 0; i < 1 + 3; i++)
		tx(ACK, .seq = 1, .ack = at);
	quiet();
}
END_TEST

/* MUST-58, MUST-59: what the device had is taken whole before an ACK goes. */
START_TEST(test_batch_of_segments_acked_once)
{
	struct batch batch;

	batch_begin(&batch, tl.st);
	for (unsigned i = 0; i < 8; i++)
		text(1000);
	quiet();
	batch_end(&batch);
	acked();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("delack");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_one_segment_acked_later);
	tcase_add_test(tc, test_second_full_segment_acked_at_once);
	tcase_add_test(tc, test_stream_acked_every_second_segment);
	tcase_add_test(tc, test_delay_counts_from_the_first);
	tcase_add_test(tc, test_out_of_order_acked_at_once);
	tcase_add_test(tc, test_part_of_hole_filled_acked_at_once);
	tcase_add_test(tc, test_old_segment_acked_at_once);
	tcase_add_test(tc, test_fin_behind_text_acked_later);
	tcase_add_test(tc, test_fin_with_much_text_acked_at_once);
	tcase_add_test(tc, test_fin_acked_by_that_of_close);
	tcase_add_test(tc, test_ack_goes_with_answer);
	tcase_add_test(tc, test_read_of_pushed_segment_acked);
	tcase_add_test(tc, test_read_of_segment_not_pushed_waits);
	tcase_add_test(tc, test_read_of_short_segment_acked);
	tcase_add_test(tc, test_read_of_request_waits_for_answer);
	tcase_add_test(tc, test_close_takes_delayed_ack_along);
	tcase_add_test(tc, test_quickack_delays_none);
	tcase_add_test(tc, test_super_segment_acked_once);
	tcase_add_test(tc, test_batch_out_of_order_each_acked_without_sack);
	tcase_add_test(tc, test_batch_with_first_hole_has_an_ack_more);
	tcase_add_test(tc, test_batch_of_segments_acked_once);
	return unit_run("tcp_delack", tc);
}
