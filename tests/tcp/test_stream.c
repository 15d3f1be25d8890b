/*
 * tests/tcp/test_stream.c - SEND and RECEIVE as the program sees them (RFC 9293, 3.10.2, 3.10.3): the
 * buffers' bounds, what poll() says of them, peeking, and connect(AF_UNSPEC).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/tcp_lab.h"

#define SNDBUF 32768

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_listen(5);
	tcp_lab_setopt(tl.ls, SOL_SOCKET, SO_SNDBUF, SNDBUF / 2); /* Linux doubles it */
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

/* As much as goes in; returns how much. */
static uint32_t write_all(uint32_t chunk)
{
	uint8_t *bytes = malloc(chunk);
	uint32_t n = 0;
	ssize_t r;

	for (;;) {
		stream_fill(bytes, chunk, tl.sent);
		r = weft_send(tl.fd, bytes, chunk, 0);
		if (r < 0)
			break;
		n += (uint32_t)r;
		tl.sent += (uint32_t)r;
	}
	ck_assert_int_eq(errno, EAGAIN);
	free(bytes);
	return n;
}

/* The peer takes all there is until nothing more comes; returns how much that was. */
static uint32_t drain(void)
{
	struct seg s;
	uint32_t end = 0;

	while (tcp_lab_take(&s)) {
		end = s.seq + s.len - 1;
		if (s.len)
			rx(ACK, .seq = 1, .ack = s.seq + s.len);
	}
	return end;
}

/* --- SEND ---------------------------------------------------------------------------------------
 */

static const uint32_t chunk[] = {1, 100, 1460, 16384, 100000};

START_TEST(test_send_buffer_bounded)
{
	uint32_t n;

	rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	n = write_all(chunk[_i]);
	ck_assert_uint_ge(n, chunk[_i] == 1 ? 1000 : SNDBUF / 4);
	ck_assert_uint_le(n, SNDBUF + 65000); /* and a burst */
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
	rx(ACK, .seq = 1, .ack = 1);
	advance_ms(10);
	ck_assert_uint_eq(drain(), n);
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, POLLOUT);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_snd_bytes), 0);
}
END_TEST

START_TEST(test_poll_writable_at_a_third)
{
	uint32_t n;

	rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	n = write_all(1460);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 2920);
	rx(ACK, .seq = 1, .ack = 2921, .wnd = WND_ZERO); /* little is free */
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
	rx(ACK, .seq = 1, .ack = 2921, .wnd = 65535);
	drain();
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, POLLOUT);
	ck_assert_uint_gt(n, 0);
}
END_TEST

START_TEST(test_many_small_writes_in_order)
{
	for (uint32_t i = 0; i < 300; i++)
		tcp_lab_write(1 + i % 50);
	for (unsigned i = 0; i < 20 && drain() < tl.sent; i++)
		advance_ms(10);
	tcp_lab_write(1);
	tx(ACK, .seq = tl.sent, .ack = 1, .len = 1);
}
END_TEST

START_TEST(test_send_of_nothing_sends_nothing)
{
	ck_assert_int_eq(weft_send(tl.fd, "", 0, 0), 0);
	quiet();
}
END_TEST

/* --- RECEIVE ------------------------------------------------------------------------------------
 */

static void text(uint32_t seq, uint32_t n)
{
	rx(ACK, .seq = seq, .ack = 1, .len = n);
	tcp_lab_drop();
}

START_TEST(test_peek_leaves_it)
{
	uint8_t a[100], b[100];

	text(1, 100);
	ck_assert_int_eq(weft_recv(tl.fd, a, 100, MSG_PEEK), 100);
	ck_assert_int_eq(weft_recv(tl.fd, b, 50, MSG_PEEK), 50);
	ck_assert_int_eq(memcmp(a, b, 50), 0);
	tcp_lab_read(100);
}
END_TEST

START_TEST(test_recv_over_segments)
{
	text(1, 100);
	text(101, 1);
	text(102, 1400);
	ck_assert_uint_eq(tl.recvd, 0);
	tcp_lab_read(1501);
	tcp_lab_read_errno(EAGAIN);
}
END_TEST

START_TEST(test_recv_in_odd_pieces)
{
	uint32_t n;

	for (uint32_t i = 0; i < 20; i++)
		text(1 + i * 700, 700);
	for (n = 0; n + 333 < 14000; n += 333)
		tcp_lab_read(333);
	tcp_lab_read(14000 - n);
}
END_TEST

START_TEST(test_recv_scattered)
{
	uint8_t a[3], b[1000], c[500];
	struct iovec v[3] = {{a, sizeof(a)}, {b, sizeof(b)}, {c, sizeof(c)}};

	text(1, 1000);
	text(1001, 1000);
	ck_assert_int_eq(weft_readv(tl.fd, v, 3), 1503);
	ck_assert(stream_is(a, 3, 0) && stream_is(b, 1000, 3) && stream_is(c, 500, 1003));
	tl.recvd = 1503;
	tcp_lab_read(497);
}
END_TEST

START_TEST(test_trunc_throws_away)
{
	uint8_t bytes[60] = {0};

	text(1, 100);
	ck_assert_int_eq(weft_recv(tl.fd, bytes, 60, MSG_TRUNC), 60);
	ck_assert_uint_eq(bytes[5], 0); /* not copied */
	tl.recvd = 60;
	tcp_lab_read(40);
}
END_TEST

START_TEST(test_lowat_holds_poll_back)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	text(1, 99);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, 0);
	text(100, 1);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, POLLIN);
	tcp_lab_read(100);
}
END_TEST

START_TEST(test_unread_data_survive_reset_of_peer)
{
	text(1, 100);
	rx(FIN | ACK, .seq = 101, .ack = 1);
	tcp_lab_drop();
	rx(RST, .seq = 102);
	ck_state(TCP_CLOSE);
	tcp_lab_read(100); /* acknowledged: it is the program's */
}
END_TEST

/* --- connect(AF_UNSPEC) -------------------------------------------------------------------------
 */

START_TEST(test_disconnect_resets_and_frees)
{
	struct sockaddr a = {.sa_family = AF_UNSPEC};
	struct seg s;

	ck_assert_int_eq(weft_connect(tl.fd, &a, sizeof(a)), 0);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags & RST, RST);
	ck_state(TCP_CLOSE);
	tcp_lab_read_errno(ENOTCONN);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("stream");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_send_buffer_bounded, 0, 5);
	tcase_add_test(tc, test_poll_writable_at_a_third);
	tcase_add_test(tc, test_many_small_writes_in_order);
	tcase_add_test(tc, test_send_of_nothing_sends_nothing);
	tcase_add_test(tc, test_peek_leaves_it);
	tcase_add_test(tc, test_recv_over_segments);
	tcase_add_test(tc, test_recv_in_odd_pieces);
	tcase_add_test(tc, test_recv_scattered);
	tcase_add_test(tc, test_trunc_throws_away);
	tcase_add_test(tc, test_lowat_holds_poll_back);
	tcase_add_test(tc, test_unread_data_survive_reset_of_peer);
	tcase_add_test(tc, test_disconnect_resets_and_frees);
	return unit_run("tcp_stream", tc);
}
