/*
 * tests/tcp/test_ack_delay.c - how long an ACK waits: 40 ms at first, longer where segments come
 * slower, never over 200 ms or a round trip; at once after a pause, and back to 40 ms when answers
 * cease.
 */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define START 16u /* ACKs that are not delayed */

static uint32_t at;

static void text(uint32_t n)
{
	rx(ACK, .seq = at, .ack = 1, .len = n);
	at += n;
}

static unsigned ato_ms(void)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	return i.tcpi_ato / 1000;
}

/* A segment, and how long its ACK waited. */
static uint64_t waited(void)
{
	uint64_t ms;

	text(10);
	quiet();
	ms = wait_ms(500);
	tx(ACK, .seq = 1, .ack = at);
	quiet();
	return ms;
}

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_established(&(struct seg){.mss = 1460});
	at = 1;
}

/* The start is over. */
static void warm(void)
{
	for (unsigned i = 0; i < START; i++) {
		text(1000);
		tcp_lab_read(1000);
	}
	advance_ms(20);
	tcp_lab_drop();
}

START_TEST(test_first_segments_at_once)
{
	for (unsigned i = 0; i < START; i++) {
		text(10);
		tx(ACK, .seq = 1, .ack = at);
		quiet();
	}
	text(10);
	quiet();
}
END_TEST

START_TEST(test_first_wait_is_40_ms)
{
	warm();
	ck_assert_uint_eq(ato_ms(), 40);
	ck_assert_uint_le(waited(), 41);
}
END_TEST

/* Each wait in vain doubles the next, up to the RTO: the peer is slower than we thought. */
START_TEST(test_wait_in_vain_doubles)
{
	uint64_t ms[3];

	warm();
	for (unsigned i = 0; i < 3; i++)
		ms[i] = waited();
	ck_assert_uint_ge(ms[0], 40);
	ck_assert_uint_le(ms[0], 41);
	ck_assert_uint_gt(ato_ms(), 40);
	ck_assert_uint_le(ato_ms(), 200);
	ck_assert_uint_le(ms[1], 201);
	ck_assert_uint_le(ms[2], 201);
}
END_TEST

/* Segments that come fast bring it back. */
START_TEST(test_fast_segments_shorten_it)
{
	warm();
	waited();
	waited();
	ck_assert_uint_gt(ato_ms(), 40);
	for (unsigned i = 0; i < 20; i++) {
		text(1000);
		advance_ms(5);
	}
	ck_assert_uint_le(ato_ms(), 41);
	advance_ms(150);
	tcp_lab_drop();
}
END_TEST

/* Quiet for longer than an RTO: the sender begins with slow start, whose ACKs are not held back. */
START_TEST(test_at_once_after_a_pause)
{
	warm();
	advance_ms(10000);
	for (unsigned i = 0; i < START; i++) {
		text(10);
		tx(ACK, .seq = 1, .ack = at);
		quiet();
	}
	text(10);
	quiet();
}
END_TEST

/* Request and answer: the ACK waits for the answer; when none comes, for no longer than 40 ms. */
START_TEST(test_answers_carry_the_ack)
{
	for (unsigned i = 0; i < 3; i++) {
		text(10);
		if (i == 0)
			tx(ACK, .seq = 1, .ack = at);
		quiet();
		advance_ms(10);
		tcp_lab_write(20);
		tx(ACK, .seq = 1 + 20 * i, .ack = at, .len = 20);
		rx(ACK, .seq = at, .ack = 21 + 20 * i);
		quiet();
	}
	text(10);
	quiet();
	wait_ms(201);
	tx(ACK, .seq = 61, .ack = at);
	ck_assert_uint_eq(ato_ms(), 40);
	text(10); /* no answers any more: at once again */
	tx(ACK, .seq = 61, .ack = at);
}
END_TEST

/* tcp(7): the option leads into quick ACKs and is not permanent. */
START_TEST(test_quickack_for_a_while)
{
	warm();
	text(10);
	quiet();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_QUICKACK, 1);
	tx(ACK, .seq = 1, .ack = at); /* what was owed */
	for (unsigned i = 0; i < START; i++) {
		text(10);
		tx(ACK, .seq = 1, .ack = at);
	}
	text(10);
	quiet();
}
END_TEST

/* 0: from the start they wait for an answer to ride on. */
START_TEST(test_quickack_off_waits_from_the_start)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	ck_assert_uint_ge(waited(), 39);
	text(10); /* none came: at once again */
	tx(ACK, .seq = 1, .ack = at);
}
END_TEST

START_TEST(test_never_over_200_ms)
{
	for (unsigned i = 0; i < START; i++) {
		text(1000);
		tcp_lab_drop();
	}
	for (unsigned i = 0; i < 30; i++) {
		text(10);
		advance_ms(200);
		ck_assert_uint_gt(tcp_lab_drop(), 0);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ack_delay");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_first_segments_at_once);
	tcase_add_test(tc, test_first_wait_is_40_ms);
	tcase_add_test(tc, test_wait_in_vain_doubles);
	tcase_add_test(tc, test_fast_segments_shorten_it);
	tcase_add_test(tc, test_at_once_after_a_pause);
	tcase_add_test(tc, test_answers_carry_the_ack);
	tcase_add_test(tc, test_quickack_for_a_while);
	tcase_add_test(tc, test_quickack_off_waits_from_the_start);
	tcase_add_test(tc, test_never_over_200_ms);
	return unit_run("tcp_ack_delay", tc);
}
