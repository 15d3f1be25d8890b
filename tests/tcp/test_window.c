/*
 * tests/tcp/test_window.c - the window we offer: its right edge never moves back (RFC 9293, 3.8.6),
 * it closes and opens again without silly steps (3.8.6.2.2), and no pattern of segments pins more
 * memory than the buffer says.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "net/pkbuf.h"
#include "tests/harness/tcp_lab.h"

#define RCVBUF 32768

static uint32_t edge; /* the furthest right edge seen, relative */

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_listen(5);
	tcp_lab_setopt(tl.ls, SOL_SOCKET, SO_RCVBUF, RCVBUF / 2); /* Linux doubles it */
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	edge = 0;
}

/* Looks at every ACK there is; returns the window of the last, -1: none. */
static int windows(void)
{
	struct seg s;
	int wnd = -1;

	while (tcp_lab_take(&s)) {
		wnd = s.wnd;
		ck_assert_msg(s.ack + (uint32_t)wnd >= edge, "right edge back from %u to %u", edge,
			      s.ack + (uint32_t)wnd);
		edge = s.ack + (uint32_t)wnd;
	}
	return wnd;
}

/* Segments of n bytes, then smaller ones, until the window is closed; returns where that is. */
static uint32_t fill(uint32_t at, uint32_t n)
{
	struct tcp_view v;

	for (;;) {
		ck_assert(tcp_lab_view(&v));
		if (v.rcv_wnd == 0)
			return at;
		n = v.rcv_wnd < n ? v.rcv_wnd : n;
		rx(ACK, .seq = at, .ack = 1, .len = n);
		at += n;
		windows();
	}
}

START_TEST(test_full_buffer_closes_window)
{
	uint32_t at = fill(1, 1000);

	advance_ms(500);
	windows();
	ck_assert_uint_ge(at, RCVBUF / 4);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPToZeroWindowAdv), 1);
	rx(ACK, .seq = at, .ack = 1, .len = 1); /* a probe: answered, not taken */
	tx(ACK, .seq = 1, .ack = at, .wnd = WND_ZERO);
	tcp_lab_read(at - 1);
	ck_assert_int_ge(windows(), RCVBUF / 4); /* said at once */
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFromZeroWindowAdv), 1);
}
END_TEST

/* A reader of single bytes: the edge moves by a segment, or half the buffer, or not at all. */
START_TEST(test_small_reads_no_silly_steps)
{
	uint32_t at = fill(1, 1000), before, read = 0;
	struct seg s;

	advance_ms(500);
	windows();
	for (before = edge; read + 1 < at; read++) {
		tcp_lab_read(1);
		if (!tcp_lab_take(&s))
			continue;
		ck_assert_uint_ge(s.ack + (uint32_t)s.wnd, before);
		ck_assert_msg(s.ack + (uint32_t)s.wnd - before >= 1000, "the edge moved by %u",
			      s.ack + (uint32_t)s.wnd - before);
		before = s.ack + (uint32_t)s.wnd;
	}
}
END_TEST

START_TEST(test_small_reads_and_text_edge_never_back)
{
	uint32_t at = 1, read = 0;

	for (unsigned i = 0; i < 3000; i++) {
		struct tcp_view v;
		uint32_t n = 1 + i * 7 % 1400;

		ck_assert(tcp_lab_view(&v));
		if (v.rcv_wnd >= n) {
			rx(ACK, .seq = at, .ack = 1, .len = n);
			at += n;
		}
		if (i % 3 == 0 && at - 1 - read > 900) {
			tcp_lab_read(900);
			read += 900;
		}
		if (i % 10 == 0)
			advance_ms(50);
		windows();
	}
	tcp_lab_read(at - 1 - read);
}
END_TEST

/* What is allowed must be taken, in the smallest segments there are. */
START_TEST(test_single_bytes_whole_window_taken_and_bounded)
{
	struct tcp_view v;
	uint32_t at = 1, most;
	uint64_t bytes = depot_bytes(tl.st);

	ck_assert(tcp_lab_view(&v));
	most = v.rcv_wnd;
	while (at <= most) {
		rx(ACK, .seq = at, .ack = 1, .len = 1);
		at++;
		windows();
		ck_assert(tcp_lab_view(&v));
		ck_assert_uint_eq(v.rcv_nxt - tl.peer.isn, at);
	}
	ck_assert_uint_le(v.rcv_bytes, RCVBUF);
	ck_assert_uint_le(depot_bytes(tl.st) - bytes, 8 * RCVBUF);
	tcp_lab_read(most);
}
END_TEST

START_TEST(test_single_bytes_out_of_order_bounded)
{
	struct tcp_view v;
	uint64_t bytes = depot_bytes(tl.st);

	ck_assert(tcp_lab_view(&v));
	for (uint32_t at = 3; at < v.rcv_wnd; at += 2)
		rx(ACK, .seq = at, .ack = 1, .len = 1);
	tcp_lab_drop();
	ck_assert_uint_le(depot_bytes(tl.st) - bytes, 24 * RCVBUF);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_le(v.rcv_bytes, RCVBUF);
	for (uint32_t at = 1; at < 2000; at++) /* whatever was thrown away comes again */
		rx(ACK, .seq = at, .ack = 1, .len = 1);
	tcp_lab_drop();
	tcp_lab_read(1999);
}
END_TEST

/* Segments that come two at a time, in memory for many: none of what the window allows is forgotten. */
static void window_of_pairs(void)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, 65536);
	rx(ACK, .seq = 1, .ack = 1, .len = 1);
	tcp_lab_read(1);
	windows();
}

START_TEST(test_pairs_and_single_segments_whole_window_taken)
{
	struct tcp_view v;
	uint32_t at = 2, most;

	window_of_pairs();
	ck_assert(tcp_lab_view(&v));
	most = v.rcv_wnd;
	ck_assert_uint_gt(most, 20000);
	for (unsigned i = 0; at + 2896 <= most; i++) {
		uint32_t n = i % 2 ? 1448 : 2896;

		rx(ACK, .seq = at, .ack = 1, .len = n);
		at += n;
	}
	windows();
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.rcv_nxt - tl.peer.isn, at);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPRcvQDrop), 0);
	tcp_lab_read(at - 2);
}
END_TEST

START_TEST(test_pairs_between_holes_none_forgotten)
{
	struct tcp_view v;
	uint32_t at, most;

	window_of_pairs();
	ck_assert(tcp_lab_view(&v));
	most = v.rcv_wnd;
	for (at = 2; at + 4344 <= most; at += 4344)
		rx(ACK, .seq = at + 1448, .ack = 1, .len = 2896);
	for (uint32_t hole = 2; hole < at; hole += 4344)
		rx(ACK, .seq = hole, .ack = 1, .len = 1448);
	windows();
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.rcv_nxt - tl.peer.isn, at);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPOFODrop), 0);
	tcp_lab_read(at - 2);
}
END_TEST

/* Out-of-order data fill the buffer; what is in order must still come in. */
START_TEST(test_out_of_order_gives_way_to_in_order)
{
	struct tcp_view v;
	uint32_t most;

	ck_assert(tcp_lab_view(&v));
	most = v.rcv_wnd;
	for (uint32_t at = 1001; at + 1000 <= most; at += 1000)
		rx(ACK, .seq = at, .ack = 1, .len = 1000);
	windows();
	rx(ACK, .seq = 1, .ack = 1, .len = 1000);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_ge(v.rcv_nxt - tl.peer.isn, 1001);
	windows();
	tcp_lab_read(v.rcv_nxt - tl.peer.isn - 1);
}
END_TEST

START_TEST(test_smaller_buffer_does_not_take_window_back)
{
	rx(ACK, .seq = 1, .ack = 1, .len = 100);
	windows();
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, 2304);
	rx(ACK, .seq = 101, .ack = 1, .len = 100);
	windows(); /* looks that the edge did not move back */
	tcp_lab_read(200);
}
END_TEST

START_TEST(test_zero_window_still_takes_acks_and_rst)
{
	struct tcp_view v;
	uint32_t at = fill(1, 1000);

	advance_ms(500);
	tcp_lab_drop();
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = at, .len = 10, .wnd = WND_ZERO);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPZeroWindowDrop), 0);
	rx(ACK, .seq = at, .ack = 11, .len = 5); /* MUST-66: the ACK counts, the text does not */
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPZeroWindowDrop), 1);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_ZERO_WINDOW), 1);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_una - tl.peer.iss, 11);
	ck_assert_uint_eq(v.rcv_nxt - tl.peer.isn, at);
	tcp_lab_drop();
	rx(RST, .seq = at);
	ck_state(TCP_CLOSE);
	tcp_lab_read(at - 1);
	tcp_lab_read_errno(ECONNRESET);
}
END_TEST

/* RCV.NXT passes the right edge by the FIN alone: the window is none then, not four gigabytes. */
START_TEST(test_zero_window_fin_and_ack_in_one_batch)
{
	uint32_t at = fill(1, 1000);
	struct batch batch;
	struct tcp_view v;

	advance_ms(500);
	tcp_lab_drop();
	tcp_lab_write(10);
	tcp_lab_drop();
	batch_begin(&batch, tl.st);
	rx(FIN | ACK, .seq = at, .ack = 1);
	rx(ACK, .seq = at + 1, .ack = 11);
	batch_end(&batch);
	advance_ms(200);
	tx(ACK, .seq = 11, .ack = at + 1, .wnd = WND_ZERO);
	quiet();
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_una - tl.peer.iss, 11);
	ck_state(TCP_CLOSE_WAIT);
	tcp_lab_read(at - 1);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_zero_window_still_takes_urg)
{
	uint32_t at = fill(1, 1000);

	advance_ms(500);
	tcp_lab_drop();
	rx(ACK | URG, .seq = at, .ack = 1, .up = 3); /* MUST-66 */
	quiet();
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, 0); /* announced: the byte is not here yet */
	tcp_lab_read(at - 1);
	windows();
	rx(ACK, .seq = at, .ack = 1, .len = 10);
	windows();
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, POLLPRI);
	tcp_lab_read(2); /* up to the mark */
	tcp_lab_drop();
}
END_TEST

/* SO_RCVLOWAT asks for more than the window lets in: who polls for that would wait for ever (as Linux). */
START_TEST(test_mark_the_window_never_reaches_is_told)
{
	uint32_t at = fill(1, 1448); /* the first window was the whole half */

	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVLOWAT, RCVBUF / 2);
	tcp_lab_read(at - 1);
	windows();
	rx(ACK, .seq = at, .ack = 1, .len = 1448);
	windows();
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, 0);
	ck_assert_uint_lt(fill(at + 1448, 1448), at + RCVBUF / 2);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, POLLIN);
}
END_TEST

/* With the scale that the default settings lead to. */
static void scaled(void)
{
	tcp_lab_peer(2);
	tl.syn = (struct seg){.mss = 1460, .opts = O_WS, .ws = 7};
	tcp_lab_state(TCP_ESTABLISHED, ACTIVE);
}

/* Segments of n bytes, or what the window allows, each taken; returns where they end. */
static uint32_t fill_scaled(uint32_t at, uint32_t n)
{
	struct tcp_view v;

	while (tcp_lab_view(&v) && v.rcv_wnd) {
		uint32_t k = v.rcv_wnd < n ? v.rcv_wnd : n;

		ck_assert_uint_eq(v.rcv_nxt - tl.peer.isn, at);
		rx(ACK, .seq = at, .ack = 1, .len = k);
		tcp_lab_drop();
		at += k;
	}
	return at;
}

/* A reader who has stopped: the window closes, whatever the rounding of each ACK, and all it has offered is taken. */
static const uint32_t stopped[] = {1000, 1023, 1400, 1448, 1460};
#define STOPPED (int)(sizeof(stopped) / sizeof(stopped[0]))

START_TEST(test_scaled_window_closes_on_a_full_buffer)
{
	uint32_t at;

	scaled();
	at = fill_scaled(1, stopped[_i]);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPRcvQDrop), 0);
	tcp_lab_read(at - 1);
	tcp_lab_drop();
}
END_TEST

/* Each of them in an ACK of its own, less than the unit of the scale. */
START_TEST(test_scaled_window_closes_by_small_segments)
{
	struct tcp_view v;
	struct seg s = {.wnd = 1};
	uint32_t at = 1, n;

	scaled();
	for (; s.wnd; at += n) {
		ck_assert(tcp_lab_view(&v));
		n = v.rcv_wnd < 500 ? v.rcv_wnd : 500;
		rx(ACK, .seq = at, .ack = 1, .len = n);
		advance_ms(300);
		while (tcp_lab_take(&s))
			;
		ck_assert_uint_eq(s.ack, at + n);
	}
	tcp_lab_read(at - 1);
	tcp_lab_drop();
}
END_TEST

/* Below the peer's segments, or by what the scale makes of it: half of it is a step, too. */
static const int clamped[] = {1152, 1400, 1500, 2047};
#define CLAMPED (int)(sizeof(clamped) / sizeof(clamped[0]))

static void opens_again(uint32_t at)
{
	uint32_t end = fill_scaled(at, 1448);
	struct tcp_view v;

	tcp_lab_read(end - at);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_ge(v.rcv_wnd, 576);
	tcp_lab_drop();
}

START_TEST(test_clamp_below_a_segment_opens_again)
{
	if (_i % 2)
		scaled();
	rx(ACK, .seq = 1, .ack = 1, .len = 1448);
	tcp_lab_read(1448);
	tcp_lab_drop();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, clamped[_i / 2]);
	opens_again(1449);
}
END_TEST

/* What such a buffer has room for, in units of the scale, is less than its step. */
START_TEST(test_small_buffer_opens_by_less_than_a_unit)
{
	struct tcp_view v;

	scaled();
	rx(ACK, .seq = 1, .ack = 1, .len = 1448);
	tcp_lab_read(1448);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, 2304);
	for (uint32_t at = 1449; at < 1000000; at += 1024) {
		rx(ACK, .seq = at, .ack = 1, .len = 1024);
		tcp_lab_read(1024);
		tcp_lab_drop();
		ck_assert(tcp_lab_view(&v));
		ck_assert_uint_ge(v.rcv_wnd, 1024);
	}
}
END_TEST

/* The window as the peer knows it, in bytes, after all that was said by now. */
static uint32_t told(uint32_t before)
{
	struct tcp_view v;
	struct seg s;

	ck_assert(tcp_lab_view(&v));
	for (advance_ms(300); tcp_lab_take(&s);)
		before = (uint32_t)s.wnd << v.rcv_wscale;
	return before;
}

/* Less than the unit fits: a part of it at a time, and each is read. */
static const int small[] = {1, 16384};

START_TEST(test_small_buffer_stays_open_for_parts_of_a_unit)
{
	uint32_t wnd = 65535, n;

	if (_i)
		tcp_lab_sysctl("net.ipv4.tcp_rmem.max", 1 << 30);
	scaled();
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, small[_i]);
	for (uint32_t at = 1; at < 600000; at += n) {
		n = wnd < 300 ? wnd : 300;
		rx(ACK, .seq = at, .ack = 1, .len = n);
		tcp_lab_read(n);
		wnd = told(wnd);
		ck_assert_msg(wnd, "shut at %u", at);
	}
}
END_TEST

/* The peer knows the window in units: what is left of one lets nothing in, though it is more than a segment. */
static const uint32_t marked[] = {1400, 1440, 1448, 1460};
#define MARKED (int)(sizeof(marked) / sizeof(marked[0]))

START_TEST(test_mark_a_scaled_window_never_reaches_is_told)
{
	const uint32_t n = marked[_i];
	uint32_t wnd = 65535, at = 1, from;

	tcp_lab_sysctl("net.ipv4.tcp_rmem.max", 1 << 28);
	scaled();
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, RCVBUF / 2);
	for (; at < 1000000; at += n) { /* what was offered before */
		rx(ACK, .seq = at, .ack = 1, .len = n);
		tcp_lab_read(n);
		wnd = told(wnd);
	}
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVLOWAT, RCVBUF / 2);
	for (from = at; wnd >= n; at += n) {
		rx(ACK, .seq = at, .ack = 1, .len = n);
		wnd = told(wnd);
	}
	ck_assert_uint_lt(at - from, RCVBUF / 2);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, POLLIN);
}
END_TEST

START_TEST(test_scaled_window_reaches_the_buffer)
{
	struct tcp_view v;

	tcp_lab_peer(2);
	tl.syn = (struct seg){.mss = 1460, .opts = O_WS, .ws = 2};
	tcp_lab_state(TCP_ESTABLISHED, ACTIVE);
	for (uint32_t i = 0; i < 10; i++) {
		rx(ACK, .seq = 1 + i * 1000, .ack = 1, .len = 1000);
		tcp_lab_read(1000);
	}
	tcp_lab_drop();
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_ge(v.rcv_wnd, 300000); /* of a buffer of 1 MB, half is offered */
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("window");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_full_buffer_closes_window);
	tcase_add_test(tc, test_small_reads_no_silly_steps);
	tcase_add_test(tc, test_small_reads_and_text_edge_never_back);
	tcase_add_test(tc, test_single_bytes_whole_window_taken_and_bounded);
	tcase_add_test(tc, test_single_bytes_out_of_order_bounded);
	tcase_add_test(tc, test_pairs_and_single_segments_whole_window_taken);
	tcase_add_test(tc, test_pairs_between_holes_none_forgotten);
	tcase_add_test(tc, test_out_of_order_gives_way_to_in_order);
	tcase_add_test(tc, test_smaller_buffer_does_not_take_window_back);
	tcase_add_test(tc, test_zero_window_still_takes_acks_and_rst);
	tcase_add_test(tc, test_zero_window_fin_and_ack_in_one_batch);
	tcase_add_test(tc, test_zero_window_still_takes_urg);
	tcase_add_test(tc, test_mark_the_window_never_reaches_is_told);
	tcase_add_loop_test(tc, test_scaled_window_closes_on_a_full_buffer, 0, STOPPED);
	tcase_add_test(tc, test_scaled_window_closes_by_small_segments);
	tcase_add_loop_test(tc, test_clamp_below_a_segment_opens_again, 0, 2 * CLAMPED);
	tcase_add_test(tc, test_small_buffer_opens_by_less_than_a_unit);
	tcase_add_loop_test(tc, test_small_buffer_stays_open_for_parts_of_a_unit, 0, 2);
	tcase_add_loop_test(tc, test_mark_a_scaled_window_never_reaches_is_told, 0, MARKED);
	tcase_add_test(tc, test_scaled_window_reaches_the_buffer);
	return unit_run("tcp_window", tc);
}
