/*
 * tests/tcp/test_isn.c - initial numbers (RFC 6528): a clock of 4 us a tick plus a secret of the
 * four-tuple: rising for one tuple, unrelated between tuples, and good enough to use one tuple over
 * and over.
 */
#include <stdlib.h>

#include "tests/harness/tcp_lab.h"

#define REUSES 10000

/* The ISS that a SYN of peer n gets now; the request is ended again. */
static uint32_t iss_for(unsigned n)
{
	struct seg s;

	tcp_lab_peer(n);
	rx(SYN, .seq = 0, .mss = 1460);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags, SYN | ACK);
	rx(RST, .seq = 1);
	return tl.peer.iss;
}

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_listen(50);
}

START_TEST(test_same_tuple_rises_with_the_clock)
{
	uint32_t last = iss_for(0), is;

	for (unsigned i = 0; i < 100; i++) {
		advance_ms(100);
		is = iss_for(0);
		ck_assert_uint_ge(is - last, 24000);  /* 100 ms of 4 us */
		ck_assert_uint_le(is - last, 200000); /* not much faster: it must not lap */
		last = is;
	}
}
END_TEST

START_TEST(test_same_tuple_same_time_not_below)
{
	uint32_t a = iss_for(0), b = iss_for(0);

	ck_assert_uint_le(b - a, 1000);
}
END_TEST

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Of 256 tuples at one moment the ISSs lie all over the space, in no order of the ports. */
START_TEST(test_other_tuples_unrelated)
{
	uint32_t iss[256], rising = 0, close = 0;

	for (unsigned i = 0; i < 256; i++)
		iss[i] = iss_for(i);
	for (unsigned i = 1; i < 256; i++) {
		rising += iss[i] > iss[i - 1];
		close += iss[i] - iss[i - 1] < 1u << 24 || iss[i - 1] - iss[i] < 1u << 24;
	}
	ck_assert_uint_ge(rising, 90);
	ck_assert_uint_le(rising, 165);
	ck_assert_uint_le(close, 20);
	qsort(iss, 256, sizeof(iss[0]), by_value);
	for (unsigned i = 1; i < 256; i++)
		ck_assert_uint_lt(iss[i] - iss[i - 1], 1u << 29);
}
END_TEST

START_TEST(test_other_stack_other_secret)
{
	uint32_t a = iss_for(0), b;

	tcp_lab_teardown();
	tl = (struct tcp_lab){.seed = 77};
	tcp_lab_open();
	tcp_lab_listen(5);
	b = iss_for(0);
	ck_assert(a - b > 1u << 20 && b - a > 1u << 20);
}
END_TEST

/* One tuple, closed by us each time: the SYN comes onto its TIME-WAIT (RFC 1122, 4.2.2.13). */
START_TEST(test_one_tuple_ten_thousand_times)
{
	uint32_t last = 0, isn = TCP_LAB_ISN;

	for (unsigned i = 0; i < REUSES; i++) {
		tcp_lab_peer(0);
		tl.peer.isn = isn;
		tcp_lab_state(TCP_TIME_WAIT, PASSIVE);
		weft_close(tl.fd);
		ck_assert_msg(!i || (int32_t)(tl.peer.iss - last) > 0, "ISS fell, round %u", i);
		last = tl.peer.iss + 2;
		isn += 3;
		advance_ms(1);
	}
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TWRecycled), REUSES - 1);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 1);
}
END_TEST

/* Closed by the peer: nothing stands in the way. */
START_TEST(test_one_tuple_ten_thousand_times_closed_by_peer)
{
	for (unsigned i = 0; i < REUSES; i++) {
		tcp_lab_peer(0);
		tl.peer.isn = i * 1000;
		tcp_lab_state(TCP_LAST_ACK, PASSIVE);
		rx(ACK, .seq = tl.rcv, .ack = tl.snd);
		ck_state(TCP_CLOSE);
		weft_close(tl.fd);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("isn");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_same_tuple_rises_with_the_clock);
	tcase_add_test(tc, test_same_tuple_same_time_not_below);
	tcase_add_test(tc, test_other_tuples_unrelated);
	tcase_add_test(tc, test_other_stack_other_secret);
	tcase_add_test(tc, test_one_tuple_ten_thousand_times);
	tcase_add_test(tc, test_one_tuple_ten_thousand_times_closed_by_peer);
	return unit_run("tcp_isn", tc);
}
