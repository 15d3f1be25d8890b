/*
 * tests/tcp/test_sink.c - socket_drain(): a sink takes a stream's bytes where they lie in the receive queue, as
 * many as it has room for; the urgent byte, the peer's FIN and errors are as in recv().
 */
#include <errno.h>
#include <string.h>

#include "ip/inet_sock.h"
#include "tests/harness/tcp_lab.h"

#define ALL 1000000u

/* What the sink was given, and how much of it it takes. */
static struct {
	struct sock_sink sink; /* first */
	uint32_t room;         /* of one call */
	uint32_t got;          /* bytes in all */
	uint8_t bytes[100000];
	bool urgent; /* the last call's */
	int pieces, calls;
} s;

static uint32_t take(struct sock_sink *k, const struct iovec *iov, int n, bool urgent)
{
	uint32_t left = s.room;

	ck_assert_ptr_eq(k, &s.sink);
	s.urgent = urgent;
	s.pieces = n;
	s.calls++;
	for (int i = 0; i < n; i++) {
		uint32_t m = iov[i].iov_len < left ? (uint32_t)iov[i].iov_len : left;

		ck_assert_uint_gt(iov[i].iov_len, 0);
		memcpy(s.bytes + s.got, iov[i].iov_base, m);
		s.got += m;
		left -= m;
	}
	return s.room - left;
}

static void setup(void)
{
	memset(&s, 0, sizeof(s));
	s.sink.take = take;
	s.room = ALL;
	tcp_lab_setup();
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

/* Bytes, or -errno. */
static long drain(size_t most)
{
	long n = socket_drain(tl.fd, &s.sink, most);

	return n < 0 ? -errno : n;
}

/* All that was taken is the stream's beginning. */
static void right(uint32_t n)
{
	uint8_t want[sizeof(s.bytes)];

	stream_fill(want, n, 0);
	ck_assert_uint_eq(s.got, n);
	ck_assert_mem_eq(s.bytes, want, n);
}

/* n segments of 1000 bytes, their ACKs forgotten. */
static void segments(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		rx(ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
	tcp_lab_drop();
}

START_TEST(test_sink_takes_the_queue)
{
	segments(5);
	ck_assert_int_eq(drain(ALL), 5000);
	ck_assert_int_eq(s.calls, 1);
	ck_assert(!s.sink.more);
	right(5000);
	ck_assert_int_eq(drain(ALL), -EAGAIN);
	ck_assert_int_eq(s.calls, 1);
}
END_TEST

/* Wherever it stops, in a piece or at its end, the next call goes on there. */
START_TEST(test_sink_with_little_room)
{
	static const uint32_t room[] = {1, 127, 999, 1000, 1001, 2500};

	s.room = room[_i];
	segments(10);
	for (uint32_t done = 0; done < 10000; done = s.got)
		ck_assert_int_eq(drain(ALL), 10000 - done < s.room ? 10000 - done : s.room);
	right(10000);
}
END_TEST

/* It is given no more than the caller asks for. */
START_TEST(test_sink_of_few_bytes)
{
	segments(3);
	ck_assert_int_eq(drain(1), 1);
	ck_assert(s.sink.more);
	ck_assert_int_eq(drain(998), 998);
	ck_assert_int_eq(drain(2), 2);
	ck_assert_int_eq(drain(1500), 1500);
	right(2501);
	tl.recvd = s.got;
	tcp_lab_read(499); /* and recv() goes on where it stopped */
}
END_TEST

START_TEST(test_sink_without_room_leaves_all)
{
	s.room = 0;
	segments(2);
	rx(FIN | ACK, .seq = 2001, .ack = 1);
	tcp_lab_drop();
	ck_assert_int_eq(drain(ALL), -EAGAIN);
	s.room = ALL;
	ck_assert_int_eq(drain(ALL), 2000);
	ck_assert(s.sink.more);
	right(2000);
	ck_assert_int_eq(drain(ALL), 0);
}
END_TEST

/* More pieces than one call has: it is asked again. */
START_TEST(test_sink_of_many_segments)
{
	long n;

	segments(60);
	while ((n = drain(ALL)) > 0) {
		ck_assert_int_le(s.pieces, 64);
		ck_assert_int_eq(s.sink.more, s.got < 60000);
	}
	ck_assert_int_eq(n, -EAGAIN);
	right(60000);
}
END_TEST

START_TEST(test_sink_stops_at_the_urgent_byte)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_OOBINLINE, 1);
	rx(ACK | URG, .seq = 1, .ack = 1, .len = 10, .up = 5);
	tcp_lab_drop();
	ck_assert_int_eq(drain(ALL), 4);
	ck_assert(!s.urgent);
	ck_assert(s.sink.more);
	s.room = 1;
	ck_assert_int_eq(drain(ALL), 1);
	ck_assert(s.urgent);
	ck_assert(s.sink.more);
	s.room = ALL;
	ck_assert_int_eq(drain(ALL), 5);
	ck_assert(!s.urgent);
	ck_assert(!s.sink.more);
	right(10);
}
END_TEST

/* Out of line it is passed over; a queue of nothing else is empty. */
START_TEST(test_sink_passes_over_the_urgent_byte)
{
	rx(ACK | URG, .seq = 1, .ack = 1, .len = 1, .up = 1);
	tcp_lab_drop();
	ck_assert_int_eq(drain(ALL), -EAGAIN);
	ck_assert_int_eq(s.calls, 0);
	rx(ACK, .seq = 2, .ack = 1, .len = 9);
	tcp_lab_drop();
	ck_assert_int_eq(drain(ALL), 9);
}
END_TEST

/* What it has taken opens the window, as reading does. */
START_TEST(test_sink_opens_the_window)
{
	struct tcp_view before, after;

	segments(40);
	ck_assert(tcp_lab_view(&before));
	ck_assert_uint_eq(before.rcvq, 40000);
	while (drain(ALL) > 0)
		;
	ck_assert(tcp_lab_view(&after));
	ck_assert_uint_eq(after.rcvq, 0);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_sink_told_of_a_reset)
{
	segments(1);
	rx(RST, .seq = 1001);
	ck_assert_int_eq(drain(ALL), 1000);
	ck_assert(s.sink.more);
	ck_assert_int_eq(drain(ALL), -ECONNRESET);
	ck_assert_int_eq(socket_drain(-1, &s.sink, 1), -1);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sink");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_sink_takes_the_queue);
	tcase_add_loop_test(tc, test_sink_with_little_room, 0, 6);
	tcase_add_test(tc, test_sink_of_few_bytes);
	tcase_add_test(tc, test_sink_without_room_leaves_all);
	tcase_add_test(tc, test_sink_of_many_segments);
	tcase_add_test(tc, test_sink_stops_at_the_urgent_byte);
	tcase_add_test(tc, test_sink_passes_over_the_urgent_byte);
	tcase_add_test(tc, test_sink_opens_the_window);
	tcase_add_test(tc, test_sink_told_of_a_reset);
	return unit_run("tcp_sink", tc);
}
