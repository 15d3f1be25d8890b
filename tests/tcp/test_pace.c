/*
 * tests/tcp/test_pace.c - sending spread over time by SO_MAX_PACING_RATE: how much goes when, what is
 * sent again, what a time-out, a FIN and a lifted limit do; the rate on the average.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define MSS 1000u
#define WND 65000
#define RATE 100000u /* bytes a second: two segments in 20 ms */
#define ALL 0xffffffffffffffffull

static void limit(uint64_t rate)
{
	ck_assert_int_eq(
	    weft_setsockopt(tl.fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)), 0);
}

static struct tcp_info info(void)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	return i;
}

static void segments(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		tx(ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
}

/* Established over a path of 100 ms. */
static void setup(void)
{
	tcp_lab_setup();
	tl.syn = (struct seg){.mss = MSS, .wnd = WND};
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = MSS, .wnd = WND);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(100);
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND);
	ck_assert_int_ge(tcp_lab_accept(), 0);
}

static void have(unsigned n)
{
	rx(ACK, .seq = 1, .ack = 1 + n * MSS, .wnd = WND);
}

START_TEST(test_option_reads_back)
{
	uint64_t wide = 0;
	uint32_t narrow = 0;
	uint16_t few = 0;
	socklen_t n = sizeof(wide);

	ck_assert_int_eq(weft_getsockopt(tl.fd, SOL_SOCKET, SO_MAX_PACING_RATE, &wide, &n), 0);
	ck_assert_uint_eq(n, 8);
	ck_assert(wide == ALL);
	limit(5000000000ull);
	n = sizeof(wide);
	ck_assert_int_eq(weft_getsockopt(tl.fd, SOL_SOCKET, SO_MAX_PACING_RATE, &wide, &n), 0);
	ck_assert(wide == 5000000000ull);
	n = sizeof(narrow);
	ck_assert_int_eq(weft_getsockopt(tl.fd, SOL_SOCKET, SO_MAX_PACING_RATE, &narrow, &n), 0);
	ck_assert_uint_eq(narrow, UINT32_MAX);
	narrow = 7000;
	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_MAX_PACING_RATE, &narrow, 4), 0);
	ck_assert_uint_eq(info().tcpi_max_pacing_rate, 7000);
	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_MAX_PACING_RATE, &few, 2), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* Of a window a round trip: twice in slow start, a fifth more in avoidance, or as the settings say. */
START_TEST(test_rate_is_a_share_of_the_window)
{
	uint64_t window = info().tcpi_snd_cwnd * MSS * 10; /* in 100 ms */

	ck_assert_uint_eq(info().tcpi_pacing_rate, 2 * window);
	tcp_lab_sysctl("net.ipv4.tcp_pacing_ss_ratio", 300);
	ck_assert_uint_eq(info().tcpi_pacing_rate, 3 * window);
	tcp_lab_write(MSS);
	advance_ms(400); /* the loss probe, then a time-out: ssthresh falls */
	for (unsigned sent = 1; sent < 7; sent += 2) { /* up to where half of it is reached */
		tcp_lab_drop();
		have(sent);
		tcp_lab_write(2 * MSS);
		advance_ms(100);
	}
	tcp_lab_drop();
	window = (uint64_t)info().tcpi_snd_cwnd * MSS * 1000000 / info().tcpi_rtt;
	ck_assert_uint_le(info().tcpi_snd_ssthresh / 2, info().tcpi_snd_cwnd);
	ck_assert_uint_eq(info().tcpi_pacing_rate / 100, window * 120 / 100 / 100);
	tcp_lab_sysctl("net.ipv4.tcp_pacing_ca_ratio", 100);
	ck_assert_uint_eq(info().tcpi_pacing_rate / 100, window / 100);
}
END_TEST

START_TEST(test_unpaced_goes_in_one_burst)
{
	tcp_lab_write(10 * MSS);
	segments(0, 10);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPPaced), 0);
	/* as Linux tells it: twice a window a round trip in slow start */
	ck_assert_uint_eq(info().tcpi_pacing_rate, 2 * 10 * MSS * 10);
}
END_TEST

START_TEST(test_two_segments_then_two_when_they_are_due)
{
	limit(RATE);
	ck_assert_uint_eq(info().tcpi_pacing_rate, RATE);
	tcp_lab_write(8 * MSS);
	segments(0, 2);
	quiet();
	for (unsigned i = 2; i < 8; i += 2) {
		uint64_t ms = wait_ms(30);

		ck_assert_uint_ge(ms, 18);
		ck_assert_uint_le(ms, 21);
		segments(i, i + 2);
		quiet();
	}
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPPaced), 3);
}
END_TEST

/* The peer acknowledges every 10 ms; returns the segments of so many ms. */
static unsigned sent_in(unsigned duration, unsigned *acked)
{
	unsigned sent = 0;

	for (unsigned ms = 0; ms < duration; ms++) {
		sent += tcp_lab_drop();
		if (ms % 10 == 9)
			have(*acked + sent);
		advance_ms(1);
	}
	*acked += sent;
	return sent;
}

/* A rate whose gaps are no whole ticks: what a tick is late is made up for. */
START_TEST(test_rate_is_kept_on_the_average)
{
	unsigned acked = 0, sent;

	limit(730000);
	tcp_lab_write(600 * MSS);
	sent_in(300, &acked); /* until the window's own rate is above it */
	sent = sent_in(400, &acked);
	ck_assert_uint_ge(sent, 288); /* 292 */
	ck_assert_uint_le(sent, 296);
}
END_TEST

START_TEST(test_idle_saves_up_no_burst)
{
	limit(RATE);
	tcp_lab_write(2 * MSS);
	segments(0, 2);
	advance_ms(100);
	have(2);
	advance_ms(150);
	tcp_lab_write(8 * MSS);
	segments(2, 4);
	quiet();
	tcp_lab_drop();
}
END_TEST

START_TEST(test_fin_behind_paced_data)
{
	limit(RATE);
	tcp_lab_write(3 * MSS);
	weft_shutdown(tl.fd, SHUT_WR);
	segments(0, 2);
	quiet();
	wait_ms(30);
	tx(FIN | ACK, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
	quiet();
}
END_TEST

/* A pace of minutes does not keep a time-out's retransmission. */
START_TEST(test_timeout_is_not_held)
{
	uint64_t ms;

	limit(20);
	tcp_lab_write(4 * MSS);
	segments(0, 2);
	ms = wait_ms(1500);
	ck_assert_uint_le(ms, 1000);
	segments(0, 1);
	quiet();
	limit(ALL);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_limit_lifted_lets_go_at_once)
{
	limit(RATE);
	tcp_lab_write(8 * MSS);
	segments(0, 2);
	quiet();
	limit(ALL);
	segments(2, 8);
	quiet();
}
END_TEST

/* Waiting for the pace is not waiting for the peer: no probe, no override. */
/* What a burst has earned at a crawl is not waited for once the rate is another. */
START_TEST(test_rate_that_rises_shortens_the_wait)
{
	limit(100); /* ten seconds a segment */
	tcp_lab_write(8 * MSS);
	segments(0, 2);
	advance_ms(100);
	have(2);
	quiet();
	limit(RATE);
	ck_assert_uint_le(wait_ms(1000), 50);
	segments(2, 4);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_held_with_nothing_out_comes_by_itself)
{
	limit(4000);
	tcp_lab_write(4 * MSS);
	segments(0, 2);
	advance_ms(100);
	have(2);
	ck_assert_uint_ge(wait_ms(500), 390);
	segments(2, 4);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPWinProbe), 0);
}
END_TEST

START_TEST(test_listeners_limit_is_its_childrens)
{
	uint64_t rate = RATE;

	ck_assert_int_eq(weft_setsockopt(tl.ls, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, 8), 0);
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = MSS, .wnd = WND);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	ck_assert_uint_eq(info().tcpi_max_pacing_rate, RATE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pace");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_option_reads_back);
	tcase_add_test(tc, test_rate_is_a_share_of_the_window);
	tcase_add_test(tc, test_unpaced_goes_in_one_burst);
	tcase_add_test(tc, test_two_segments_then_two_when_they_are_due);
	tcase_add_test(tc, test_rate_is_kept_on_the_average);
	tcase_add_test(tc, test_idle_saves_up_no_burst);
	tcase_add_test(tc, test_fin_behind_paced_data);
	tcase_add_test(tc, test_timeout_is_not_held);
	tcase_add_test(tc, test_limit_lifted_lets_go_at_once);
	tcase_add_test(tc, test_rate_that_rises_shortens_the_wait);
	tcase_add_test(tc, test_held_with_nothing_out_comes_by_itself);
	tcase_add_test(tc, test_listeners_limit_is_its_childrens);
	return unit_run("tcp_pace", tc);
}
