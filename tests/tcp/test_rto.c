/*
 * tests/tcp/test_rto.c - the retransmission timer of RFC 6298, and when it gives up (RFC 1122,
 * 4.2.3.5).  A tick of 1 ms may be added to any time.
 */
#include <errno.h>

#include "tests/harness/tcp_lab.h"

/* ESTABLISHED, passive; the handshake took rtt ms. */
static void established(uint64_t rtt, unsigned opts)
{
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = 1000, .opts = opts);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(rtt);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	quiet();
	tcp_lab_mark();
}

static struct tcp_view view(void)
{
	struct tcp_view v;

	ck_assert(tcp_lab_view(&v));
	return v;
}

static void near_ms(const char *what, uint32_t us, uint32_t want_us)
{
	ck_assert_msg(us >= want_us && us <= want_us + 4000, "%s: %u us, expected %u", what, us,
		      want_us);
}

/* The next segment goes `ms` after the mark (or a few ticks later). */
static void retransmitted(uint32_t seq, uint32_t len, uint64_t ms)
{
	wait_ms(200000);
	tx(ACK, .seq = seq, .ack = 1, .len = len);
	ck_assert_msg(tcp_lab_elapsed_ms() >= ms && tcp_lab_elapsed_ms() <= ms + ms / 100 + 4,
		      "sent after %u ms, expected %u", (unsigned)tcp_lab_elapsed_ms(),
		      (unsigned)ms);
}

/* Ten bytes on the way, to be sent again 300 ms after the mark. */
static void data_out(void)
{
	established(100, 0);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
}

/* --- 2: the computation -------------------------------------------------------------------------
 */

static const struct first {
	uint64_t rtt;
	uint32_t rto_ms; /* SRTT + 4 * RTTVAR = 3 R, at least 200 ms */
} first[] = {{0, 200}, {10, 200}, {66, 200}, {100, 300}, {500, 1500}, {900, 2700}};

START_TEST(test_first_sample_sets_all)
{
	const struct first *f = &first[_i];
	struct tcp_view v;

	established(f->rtt, 0);
	v = view();
	near_ms("SRTT", v.srtt_us, (uint32_t)f->rtt * 1000);
	near_ms("RTTVAR", v.rttvar_us, (uint32_t)f->rtt * 500);
	ck_assert_uint_ge(v.rto_us, f->rto_ms * 1000);
	/* With a least RTO as a floor of the variance (Linux) it may be as much above. */
	ck_assert_uint_le(v.rto_us, f->rto_ms * 1000 + (f->rto_ms == 200 ? 70000 : 4000));
}
END_TEST

START_TEST(test_second_sample_smoothed)
{
	struct tcp_view v;

	established(100, _i ? O_TS : 0);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	advance_ms(200);
	rx(ACK, .seq = 1, .ack = 11);
	v = view();
	near_ms("SRTT", v.srtt_us, 112500);    /* 7/8 100 + 1/8 200 */
	near_ms("RTTVAR", v.rttvar_us, 62500); /* 3/4 50 + 1/4 100 */
	near_ms("RTO", v.rto_us, 362500);
}
END_TEST

START_TEST(test_samples_converge)
{
	struct tcp_view v;

	established(1, 0);
	for (uint32_t i = 0; i < 60; i++) {
		tcp_lab_write(10);
		tx(ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10);
		advance_ms(150);
		rx(ACK, .seq = 1, .ack = 11 + 10 * i);
	}
	v = view();
	ck_assert_uint_ge(v.srtt_us, 147000);
	ck_assert_uint_le(v.srtt_us, 153000);
	ck_assert_uint_le(v.rto_us, 400000);
	ck_assert_uint_ge(v.rto_us, 200000);
}
END_TEST

START_TEST(test_least_rto_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_rto_min_us", 1000000);
	established(50, 0);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	advance_ms(995);
	quiet();
	wait_ms(60);
	tx(ACK, .seq = 1, .ack = 1, .len = 10); /* a floor of the RTO, or of its variance */
}
END_TEST

/* --- 5: the timer -------------------------------------------------------------------------------
 */

START_TEST(test_data_not_acked_sent_again_backed_off)
{
	uint64_t at = 0, rto = 300;

	data_out();
	for (unsigned i = 0; i < 6; i++) {
		at += rto << i;
		retransmitted(1, 10, at);
	}
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPTimeouts), 6);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_RetransSegs), 6);
}
END_TEST

START_TEST(test_backoff_at_most_120_s)
{
	uint64_t before = 0, gap = 0;

	data_out();
	for (unsigned i = 0; i < 14; i++) {
		wait_ms(121000);
		tx(ACK, .seq = 1, .ack = 1, .len = 10);
		gap = tcp_lab_elapsed_ms() - before;
		before = tcp_lab_elapsed_ms();
	}
	ck_assert_uint_ge(gap, 119990);
	ck_assert_uint_le(gap, 121000);
}
END_TEST

START_TEST(test_backoff_bounded_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_rto_max_ms", 1000);
	data_out();
	retransmitted(1, 10, 300);
	retransmitted(1, 10, 900);
	for (unsigned i = 1; i <= 5; i++)
		retransmitted(1, 10, 900 + 1000 * i);
}
END_TEST

START_TEST(test_retries_over_timed_out)
{
	data_out();
	for (unsigned i = 0; i < 15; i++) { /* net.ipv4.tcp_retries2 */
		wait_ms(121000);
		tx(ACK, .seq = 1, .ack = 1, .len = 10);
	}
	ck_state(TCP_ESTABLISHED);
	advance_ms(122000);
	quiet();
	ck_state(TCP_CLOSE);
	tcp_lab_read_errno(ETIMEDOUT);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPAbortOnTimeout), 1);
}
END_TEST

START_TEST(test_retries_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_retries2", 2);
	data_out();
	retransmitted(1, 10, 300);
	retransmitted(1, 10, 900);
	advance_ms(1210);
	quiet();
	ck_state(TCP_CLOSE);
	tcp_lab_write_errno(ETIMEDOUT);
}
END_TEST

START_TEST(test_ack_of_all_stops_timer)
{
	data_out();
	rx(ACK, .seq = 1, .ack = 11);
	advance_ms(200000);
	quiet();
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_ack_of_some_restarts_timer)
{
	uint32_t rto;

	established(100, 0);
	tcp_lab_write(2000);
	tx(ACK, .seq = 1, .ack = 1, .len = 1000);
	tx(ACK, .seq = 1001, .ack = 1, .len = 1000);
	advance_ms(150);
	rx(ACK, .seq = 1, .ack = 1001); /* 5.3 */
	rto = view().rto_us / 1000;
	retransmitted(1001, 1000, 150 + rto);
}
END_TEST

START_TEST(test_timer_sends_first_segment_alone)
{
	established(100, 0);
	tcp_lab_write(3000);
	tx(ACK, .seq = 1, .ack = 1, .len = 1000);
	tx(ACK, .seq = 1001, .ack = 1, .len = 1000);
	tx(ACK, .seq = 2001, .ack = 1, .len = 1000);
	retransmitted(1, 1000, 300);
	quiet(); /* cwnd is one segment */
}
END_TEST

START_TEST(test_retransmission_has_the_latest_ack)
{
	data_out();
	rx(ACK, .seq = 1, .ack = 1, .len = 20);
	tx(ACK, .seq = 11, .ack = 21);
	wait_ms(1000);
	tx(ACK, .seq = 1, .ack = 21, .len = 10);
}
END_TEST

/* 3, Karn: what was sent twice gives no sample. */
START_TEST(test_retransmitted_data_give_no_sample)
{
	uint32_t srtt;

	established(100, 0);
	srtt = view().srtt_us;
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	retransmitted(1, 10, 300);
	advance_ms(5);
	rx(ACK, .seq = 1, .ack = 11);
	ck_assert_uint_eq(view().srtt_us, srtt);
}
END_TEST

START_TEST(test_retransmitted_data_give_sample_by_timestamp)
{
	established(100, O_TS);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	retransmitted(1, 10, 300);
	advance_ms(100);
	rx(ACK, .seq = 1, .ack = 11); /* echoes the retransmission */
	near_ms("SRTT", view().srtt_us, 98000);
	ck_assert_uint_le(view().srtt_us, 101000);
}
END_TEST

START_TEST(test_new_sample_ends_backoff)
{
	struct tcp_view v;

	data_out();
	for (unsigned i = 0; i < 4; i++)
		retransmitted(1, 10, (300u << (i + 1)) - 300);
	rx(ACK, .seq = 1, .ack = 11);
	tcp_lab_write(10);
	tx(ACK, .seq = 11, .ack = 1, .len = 10);
	advance_ms(100);
	rx(ACK, .seq = 1, .ack = 21);
	v = view();
	ck_assert_uint_eq(v.retransmits, 0);
	ck_assert_uint_le(v.rto_us, 310000);
	tcp_lab_mark();
	tcp_lab_write(10);
	tx(ACK, .seq = 21, .ack = 1, .len = 10);
	retransmitted(21, 10, v.rto_us / 1000);
}
END_TEST

/* 5.7: the SYN timed out and there is no sample: 3 s for data. */
START_TEST(test_syn_lost_data_rto_3_s)
{
	tcp_lab_connect();
	tx(SYN, .seq = 0);
	wait_ms(1100);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1000);
	tx(ACK, .seq = 1, .ack = 1);
	ck_assert_uint_eq(view().srtt_us, 0);
	ck_assert_uint_eq(view().rto_us, 3000000);
	tcp_lab_mark();
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	advance_ms(2990);
	quiet();
	retransmitted(1, 10, 3000);
}
END_TEST

START_TEST(test_synack_lost_data_rto_3_s)
{
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = 1000);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	wait_ms(1100);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_uint_eq(view().rto_us, 3000000);
	tcp_lab_accept();
}
END_TEST

START_TEST(test_fin_sent_again)
{
	established(100, 0);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	wait_ms(310);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	wait_ms(610);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2);
	advance_ms(100000);
	quiet();
	ck_state(TCP_FIN_WAIT2);
}
END_TEST

START_TEST(test_orphan_gives_up_sooner)
{
	unsigned n = 0;

	established(100, 0);
	tcp_lab_write(10);
	weft_close(tl.fd);
	advance_ms(3000000);
	n = tcp_lab_drop();
	ck_assert_uint_le(n, 2 + 8); /* net.ipv4.tcp_orphan_retries */
	ck_state(TCP_CLOSE);
}
END_TEST

static void add_timer(TCase *tc)
{
	tcase_add_test(tc, test_data_not_acked_sent_again_backed_off);
	tcase_add_test(tc, test_backoff_at_most_120_s);
	tcase_add_test(tc, test_backoff_bounded_by_sysctl);
	tcase_add_test(tc, test_retries_over_timed_out);
	tcase_add_test(tc, test_retries_by_sysctl);
	tcase_add_test(tc, test_ack_of_all_stops_timer);
	tcase_add_test(tc, test_ack_of_some_restarts_timer);
	tcase_add_test(tc, test_timer_sends_first_segment_alone);
	tcase_add_test(tc, test_retransmission_has_the_latest_ack);
}

int main(void)
{
	TCase *tc = tcase_create("rto");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_first_sample_sets_all, 0, 6);
	tcase_add_loop_test(tc, test_second_sample_smoothed, 0, 2);
	tcase_add_test(tc, test_samples_converge);
	tcase_add_test(tc, test_least_rto_by_sysctl);
	add_timer(tc);
	tcase_add_test(tc, test_retransmitted_data_give_no_sample);
	tcase_add_test(tc, test_retransmitted_data_give_sample_by_timestamp);
	tcase_add_test(tc, test_new_sample_ends_backoff);
	tcase_add_test(tc, test_syn_lost_data_rto_3_s);
	tcase_add_test(tc, test_synack_lost_data_rto_3_s);
	tcase_add_test(tc, test_fin_sent_again);
	tcase_add_test(tc, test_orphan_gives_up_sooner);
	return unit_run("tcp_rto", tc);
}
