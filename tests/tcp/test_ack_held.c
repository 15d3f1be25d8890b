/*
 * tests/tcp/test_ack_held.c - the ACK of a request that nobody has accepted yet rides on the answer (RFC 9293,
 * 3.8.6.3), or goes when the program waits for more, and after 2 ms at the latest.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define HELD_MS 3u /* the timers tick by ms */

/* On the accept queue. */
static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
}

static void request(uint32_t seq)
{
	rx(ACK | PSH, .seq = seq, .ack = 1, .len = 100);
}

START_TEST(test_held_rides_on_answer)
{
	request(1);
	advance_ms(1);
	quiet();
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(100);
	quiet();
	tcp_lab_write(50);
	tx(ACK, .seq = 1, .ack = 101, .len = 50);
	advance_ms(100);
	quiet();
}
END_TEST

START_TEST(test_held_with_fin_rides_on_answer)
{
	rx(FIN | ACK | PSH, .seq = 1, .ack = 1, .len = 100);
	quiet();
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(100);
	tcp_lab_write(50);
	tx(ACK, .seq = 1, .ack = 102, .len = 50);
	advance_ms(100);
	quiet();
}
END_TEST

START_TEST(test_held_goes_when_more_is_awaited)
{
	request(1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(100);
	quiet();
	tcp_lab_read_errno(EAGAIN);
	tx(ACK, .seq = 1, .ack = 101);
	advance_ms(100);
	quiet();
}
END_TEST

/* The start goes on: nothing was learnt of how long an ACK is to wait. */
START_TEST(test_held_no_longer_than_2_ms)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	request(1);
	ck_assert_uint_le(wait_ms(HELD_MS), HELD_MS);
	tx(ACK, .seq = 1, .ack = 101);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	ck_assert_uint_eq(i.tcpi_ato, 40000);
	request(101);
	tx(ACK, .seq = 1, .ack = 201);
}
END_TEST

START_TEST(test_held_counts_from_the_first)
{
	request(1);
	advance_ms(1);
	request(101);
	quiet();
	ck_assert_uint_le(wait_ms(HELD_MS), HELD_MS - 1);
	tx(ACK, .seq = 1, .ack = 201);
	quiet();
}
END_TEST

START_TEST(test_accepted_is_not_held)
{
	ck_assert_int_ge(tcp_lab_accept(), 0);
	request(1);
	tx(ACK, .seq = 1, .ack = 101);
}
END_TEST

/* Whose sender goes on: it is in slow start. */
START_TEST(test_full_segment_is_not_held)
{
	rx(ACK, .seq = 1, .ack = 1, .len = 1460);
	tx(ACK, .seq = 1, .ack = 1461);
}
END_TEST

START_TEST(test_two_segments_are_not_held)
{
	rx(ACK | PSH, .seq = 1, .ack = 1, .len = 1460);
	quiet();
	request(1461);
	tx(ACK, .seq = 1, .ack = 1561);
}
END_TEST

START_TEST(test_held_goes_for_text_out_of_order)
{
	request(1);
	request(201);
	tx(ACK, .seq = 1, .ack = 101);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("held");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_held_rides_on_answer);
	tcase_add_test(tc, test_held_with_fin_rides_on_answer);
	tcase_add_test(tc, test_held_goes_when_more_is_awaited);
	tcase_add_test(tc, test_held_no_longer_than_2_ms);
	tcase_add_test(tc, test_held_counts_from_the_first);
	tcase_add_test(tc, test_accepted_is_not_held);
	tcase_add_test(tc, test_full_segment_is_not_held);
	tcase_add_test(tc, test_two_segments_are_not_held);
	tcase_add_test(tc, test_held_goes_for_text_out_of_order);
	return unit_run("tcp_ack_held", tc);
}
