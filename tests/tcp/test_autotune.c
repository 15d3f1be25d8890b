/*
 * tests/tcp/test_autotune.c - the buffers follow their connection: the receive buffer what is read in
 * a round trip, the send buffer cwnd; both from Linux's first sizes, within the settings, and never
 * against what the program has set.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define RTT_MS 100
#define MSS 1460u
#define FIRST_RCVBUF 131072u
#define FIRST_SNDBUF (20 * 4352u) /* of ten segments of 1460 bytes, as Linux */

static uint32_t at, edge; /* the peer's next number; the right edge it has seen */

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_rmem.default", FIRST_RCVBUF);
	tcp_lab_sysctl("net.ipv4.tcp_rmem.max", 6291456);
	tcp_lab_sysctl("net.ipv4.tcp_wmem.default", 16384);
	at = 1;
	edge = 0;
}

/* The header may say less than the edge that was offered, by what the scale cannot say (RFC 7323, 2.4): that stands. */
static void see_windows(void)
{
	struct tcp_view v;
	struct seg s;
	uint32_t e;

	ck_assert(tcp_lab_view(&v));
	while (tcp_lab_take(&s)) {
		e = s.ack + ((uint32_t)s.wnd << v.rcv_wscale);
		ck_assert_msg(e + (1u << v.rcv_wscale) > edge, "the edge moved back from %u to %u",
			      edge, e);
		edge = e > edge ? e : edge;
	}
}

/* The peer fills the window, the program reads `part` per cent of it, and a round trip passes. */
static void round_trip(unsigned part)
{
	uint32_t from = at;

	while (at + MSS <= edge) {
		rx(ACK, .seq = at, .ack = 1, .len = MSS);
		at += MSS;
	}
	tcp_lab_read((uint32_t)((at - from) * (uint64_t)part / 100));
	advance_ms(RTT_MS);
	see_windows();
}

static void open_with(unsigned opts)
{
	tcp_lab_established(&(struct seg){.mss = MSS, .opts = O_WS | opts, .ws = 7});
	edge = 1 + 65535;
}

static uint32_t rcvbuf(void)
{
	struct tcp_view v;

	ck_assert(tcp_lab_view(&v));
	return v.rcvbuf;
}

static uint32_t sndbuf(void)
{
	struct tcp_view v;

	ck_assert(tcp_lab_view(&v));
	return v.sndbuf;
}

static void get_info(struct tcp_info *i)
{
	socklen_t n = sizeof(*i);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, i, &n), 0);
}

/* --- the receive buffer ------------------------------------------------------------------------- */

START_TEST(test_first_window_is_64_kb_and_not_scaled)
{
	tcp_lab_listen(1);
	rx(SYN, .seq = 0, .mss = MSS, .opts = O_WS, .ws = 7);
	tx(SYN | ACK, .seq = 0, .ack = 1, .wnd = 65535);
	quiet();
}
END_TEST

START_TEST(test_reader_that_keeps_up_gets_a_growing_window)
{
	open_with(_i ? O_TS : 0);
	ck_assert_uint_eq(rcvbuf(), FIRST_RCVBUF);
	for (unsigned i = 0; i < 4; i++)
		round_trip(100);
	ck_assert_uint_gt(rcvbuf(), 4 * FIRST_RCVBUF);
	ck_assert_uint_gt(edge - at, 4 * 65535);
	for (unsigned i = 0; i < 20; i++)
		round_trip(100);
	ck_assert_uint_eq(rcvbuf(), 6291456); /* tcp_rmem's last, and no further */
	ck_assert_uint_gt(edge - at, 6291456 / 2 - 65536);
}
END_TEST

START_TEST(test_reader_that_does_not_read_gets_nothing)
{
	uint32_t after;

	open_with(0);
	round_trip(100);
	round_trip(100);
	after = rcvbuf();
	for (unsigned i = 0; i < 10; i++)
		round_trip(0);
	ck_assert_uint_eq(rcvbuf(), after);
	tcp_lab_read(at - 1 - tl.recvd);
}
END_TEST

/* A stream of one rate: what is read in a round trip does not grow, so nothing does. */
START_TEST(test_steady_stream_needs_no_more)
{
	open_with(O_TS);
	for (unsigned i = 0; i < 50; i++) {
		rx(ACK, .seq = at, .ack = 1, .len = MSS);
		at += MSS;
		tcp_lab_read(MSS);
		see_windows();
		advance_ms(RTT_MS / 5);
	}
	see_windows();
	ck_assert_uint_eq(rcvbuf(), FIRST_RCVBUF);
}
END_TEST

START_TEST(test_size_of_the_program_stays)
{
	open_with(0);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, 65536);
	for (unsigned i = 0; i < 10; i++)
		round_trip(100);
	ck_assert_uint_eq(rcvbuf(), 2 * 65536);
}
END_TEST

START_TEST(test_size_stays_by_sysctl)
{
	open_with(0);
	tcp_lab_sysctl("net.ipv4.tcp_moderate_rcvbuf", 0);
	for (unsigned i = 0; i < 10; i++)
		round_trip(100);
	ck_assert_uint_eq(rcvbuf(), FIRST_RCVBUF);
}
END_TEST

START_TEST(test_info_tells_round_trip_and_space)
{
	struct tcp_info i;

	open_with(_i ? O_TS : 0);
	get_info(&i);
	ck_assert_uint_eq(i.tcpi_rcv_rtt, 0);
	ck_assert_uint_eq(i.tcpi_rcv_space, 10 * MSS);
	for (unsigned k = 0; k < 16; k++)
		round_trip(100);
	get_info(&i);
	ck_assert_uint_ge(i.tcpi_rcv_rtt, RTT_MS * (_i ? 800 : 1000)); /* by echoes: an average */
	ck_assert_uint_le(i.tcpi_rcv_rtt, RTT_MS * 1500);
	ck_assert_uint_gt(i.tcpi_rcv_space, 60000);
	ck_assert_uint_eq(i.tcpi_rcv_ssthresh, rcvbuf() / 2);
}
END_TEST

START_TEST(test_clamp_bounds_the_window)
{
	int v;
	socklen_t n = sizeof(v);

	open_with(0);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &v, &n), 0);
	ck_assert_int_eq(v, 20000);
	for (unsigned i = 0; i < 8; i++)
		round_trip(100); /* see_windows(): what was offered before is not taken back */
	ck_assert_uint_le(edge - at, 20000);
	ck_assert_uint_gt(edge - at, 15000);
	v = 0;
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &v, sizeof(v)), -1);
	ck_assert_int_eq(errno, EINVAL);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 1);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &v, &n), 0);
	ck_assert_int_eq(v, 1152);
}
END_TEST

/* --- the send buffer ---------------------------------------------------------------------------- */

/* Writes until refused; returns how much went in. */
static uint32_t write_all(void)
{
	static uint8_t bytes[16384];
	uint32_t n = 0;
	ssize_t r;

	for (;;) {
		stream_fill(bytes, sizeof(bytes), tl.sent);
		r = weft_send(tl.fd, bytes, sizeof(bytes), 0);
		if (r < 0)
			break;
		n += (uint32_t)r;
		tl.sent += (uint32_t)r;
	}
	ck_assert_int_eq(errno, EAGAIN);
	return n;
}

/* The peer has all that was sent, a round trip later. */
static void acked(void)
{
	struct seg s;
	uint32_t end = 0;

	while (tcp_lab_take(&s))
		end = s.seq + s.len;
	advance_ms(RTT_MS);
	rx(ACK, .seq = 1, .ack = end);
}

START_TEST(test_send_buffer_begins_with_two_first_windows)
{
	open_with(0);
	ck_assert_uint_eq(sndbuf(), FIRST_SNDBUF);
	ck_assert_uint_le(write_all(), FIRST_SNDBUF + 65000); /* and a burst */
}
END_TEST

START_TEST(test_send_buffer_follows_cwnd)
{
	open_with(0);
	for (unsigned i = 0; i < 5; i++) {
		write_all();
		acked();
	}
	ck_assert_uint_ge(sndbuf(), 4 * FIRST_SNDBUF);
	ck_assert_uint_le(sndbuf(), 4194304);
}
END_TEST

/* Who never fills the buffer needs no larger one. */
START_TEST(test_send_buffer_grows_for_who_was_refused)
{
	open_with(0);
	for (unsigned i = 0; i < 20; i++) {
		tcp_lab_write(14600);
		acked();
	}
	ck_assert_uint_eq(sndbuf(), FIRST_SNDBUF);
}
END_TEST

START_TEST(test_send_buffer_of_the_program_stays)
{
	open_with(0);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_SNDBUF, 30000);
	for (unsigned i = 0; i < 5; i++) {
		write_all();
		acked();
	}
	ck_assert_uint_eq(sndbuf(), 60000);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("autotune");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_first_window_is_64_kb_and_not_scaled);
	tcase_add_loop_test(tc, test_reader_that_keeps_up_gets_a_growing_window, 0, 2);
	tcase_add_test(tc, test_reader_that_does_not_read_gets_nothing);
	tcase_add_test(tc, test_steady_stream_needs_no_more);
	tcase_add_test(tc, test_size_of_the_program_stays);
	tcase_add_test(tc, test_size_stays_by_sysctl);
	tcase_add_loop_test(tc, test_info_tells_round_trip_and_space, 0, 2);
	tcase_add_test(tc, test_clamp_bounds_the_window);
	tcase_add_test(tc, test_send_buffer_begins_with_two_first_windows);
	tcase_add_test(tc, test_send_buffer_follows_cwnd);
	tcase_add_test(tc, test_send_buffer_grows_for_who_was_refused);
	tcase_add_test(tc, test_send_buffer_of_the_program_stays);
	return unit_run("tcp_autotune", tc);
}
