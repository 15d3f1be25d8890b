/*
 * tests/tcp/test_urg.c - urgent data (RFC 9293, 3.8.5; RFC 6093: the pointer is the number after the
 * urgent byte): out of line, in line, the mark, and what is sent.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "ip/inet_hash.h"
#include "tests/harness/tcp_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

/* One byte by MSG_OOB: the value, or -errno. */
static int oob(void)
{
	uint8_t c;

	return weft_recv(tl.fd, &c, 1, MSG_OOB) == 1 ? c : -errno;
}

static int at_mark(void)
{
	int v = -1;

	ck_assert_int_eq(weft_ioctl(tl.fd, SIOCATMARK, &v), 0);
	return v;
}

/* Bytes a read of up to 100 gives. */
static long read_some(void)
{
	uint8_t bytes[100];
	long r = weft_recv(tl.fd, bytes, sizeof(bytes), 0);

	return r < 0 ? -errno : r;
}

/* Ten bytes, the one at `place` (from 0) is urgent. */
static void urgent(uint32_t place)
{
	rx(ACK | URG | PSH, .seq = 1, .ack = 1, .len = 10, .up = (uint16_t)(place + 1));
	tx(ACK, .seq = 1, .ack = 11);
}

/* --- received -----------------------------------------------------------------------------------
 */

START_TEST(test_urgent_byte_out_of_line)
{
	ck_assert_int_eq(oob(), -EINVAL);
	urgent(4);
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, POLLPRI);
	ck_assert_int_eq(oob(), stream_byte(4));
	ck_assert_int_eq(oob(), -EINVAL); /* once */
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, 0);
}
END_TEST

/* With nothing but it there a read would wait and lose it: to read there is nothing until more comes (Linux). */
START_TEST(test_urgent_byte_alone_is_not_to_be_read)
{
	urgent(9);
	ck_assert_int_eq(tcp_lab_poll() & (POLLIN | POLLPRI), POLLIN | POLLPRI);
	ck_assert_int_eq(read_some(), 9);
	ck_assert_int_eq(at_mark(), 1);
	ck_assert_int_eq(tcp_lab_poll() & (POLLIN | POLLPRI), POLLPRI);
	if (_i) {
		ck_assert_int_eq(oob(), stream_byte(9));
		ck_assert_int_eq(tcp_lab_poll() & (POLLIN | POLLPRI), 0);
	}
	rx(ACK | PSH, .seq = 11, .ack = 1, .len = 5);
	tx(ACK, .seq = 1, .ack = 16);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, POLLIN);
	ck_assert_int_eq(read_some(), 5);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, 0);
}
END_TEST

START_TEST(test_read_stops_at_mark_and_skips)
{
	urgent(4);
	ck_assert_int_eq(at_mark(), 0);
	ck_assert_int_eq(read_some(), 4);
	ck_assert_int_eq(at_mark(), 1);
	ck_assert_int_eq(read_some(), 5);
	ck_assert_int_eq(at_mark(), 0);
	ck_assert_int_eq(read_some(), -EAGAIN);
}
END_TEST

START_TEST(test_urgent_byte_in_line)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_OOBINLINE, 1);
	urgent(4);
	ck_assert_int_eq(oob(), -EINVAL);
	tcp_lab_read(4);
	ck_assert_int_eq(at_mark(), 1);
	tcp_lab_read(6);
	ck_assert_int_eq(at_mark(), 0);
}
END_TEST

/* In line it is as any other to a message; SIOCATMARK tells (Linux). */
START_TEST(test_message_in_line_tells_of_none)
{
	uint8_t bytes[100];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_OOBINLINE, 1);
	urgent(4);
	ck_assert_int_eq(weft_recvmsg(tl.fd, &m, 0), 4);
	ck_assert_int_eq(m.msg_flags, 0);
	ck_assert_int_eq(weft_recvmsg(tl.fd, &m, 0), 6);
	ck_assert_int_eq(m.msg_flags, 0);
}
END_TEST

START_TEST(test_urgent_first_byte)
{
	urgent(0);
	ck_assert_int_eq(at_mark(), 1);
	ck_assert_int_eq(oob(), stream_byte(0));
	ck_assert_int_eq(read_some(), 9);
}
END_TEST

START_TEST(test_urgent_last_byte)
{
	urgent(9);
	ck_assert_int_eq(read_some(), 9);
	ck_assert_int_eq(oob(), stream_byte(9));
	ck_assert_int_eq(read_some(), -EAGAIN);
}
END_TEST

START_TEST(test_pointer_ahead_of_text_known_before)
{
	rx(ACK | URG, .seq = 1, .ack = 1, .len = 10, .up = 15);
	tx(ACK, .seq = 1, .ack = 11);
	ck_assert_int_eq(oob(), -EAGAIN); /* announced, not here yet */
	rx(ACK | URG, .seq = 11, .ack = 1, .len = 10, .up = 5);
	tx(ACK, .seq = 1, .ack = 21);
	ck_assert_int_eq(oob(), stream_byte(14));
	ck_assert_int_eq(read_some(), 14);
	ck_assert_int_eq(read_some(), 5);
}
END_TEST

START_TEST(test_pointer_without_text_announces)
{
	rx(ACK | URG, .seq = 1, .ack = 1, .up = 3);
	quiet();
	ck_assert_int_eq(oob(), -EAGAIN);
	rx(ACK, .seq = 1, .ack = 1, .len = 5);
	tx(ACK, .seq = 1, .ack = 6);
	ck_assert_int_eq(oob(), stream_byte(2));
}
END_TEST

/* As Linux: -EAGAIN would have the program wait for ever. */
START_TEST(test_announced_byte_that_never_came)
{
	uint8_t c;

	rx(ACK | URG, .seq = 1, .ack = 1, .up = 3);
	ck_assert_int_eq(oob(), -EAGAIN);
	if (_i)
		rx(RST, .seq = 1);
	else
		rx(FIN | ACK, .seq = 1, .ack = 1);
	tcp_lab_drop();
	ck_assert_int_eq(weft_recv(tl.fd, &c, 1, MSG_OOB), 0);
}
END_TEST

START_TEST(test_second_urgent_byte_replaces_first)
{
	urgent(2);
	rx(ACK | URG, .seq = 11, .ack = 1, .len = 10, .up = 8);
	tx(ACK, .seq = 1, .ack = 21);
	ck_assert_int_eq(oob(), stream_byte(17));
	ck_assert_int_eq(read_some(), 17); /* the first is data now */
	ck_assert_int_eq(read_some(), 2);
}
END_TEST

/* What was read out of line is no data later: who stands at the mark has it behind him then (Linux). */
START_TEST(test_second_urgent_byte_passes_the_first_at_the_mark)
{
	rx(ACK | URG | PSH, .seq = 1, .ack = 1, .len = 1, .up = 1);
	tx(ACK, .seq = 1, .ack = 2);
	ck_assert_int_eq(oob(), stream_byte(0));
	ck_assert_int_eq(at_mark(), 1);
	rx(ACK | URG | PSH, .seq = 2, .ack = 1, .len = 1, .up = 1);
	tx(ACK, .seq = 1, .ack = 3);
	ck_assert_int_eq(at_mark(), 1);
	ck_assert_int_eq(oob(), stream_byte(1));
	ck_assert_int_eq(read_some(), -EAGAIN);
}
END_TEST

/* In line no byte is passed over. */
START_TEST(test_second_urgent_byte_in_line_passes_none)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_OOBINLINE, 1);
	rx(ACK | URG | PSH, .seq = 1, .ack = 1, .len = 1, .up = 1);
	rx(ACK | URG | PSH, .seq = 2, .ack = 1, .len = 1, .up = 1);
	tcp_lab_drop();
	ck_assert_int_eq(at_mark(), 0);
	tcp_lab_read(1);
	ck_assert_int_eq(at_mark(), 1);
	tcp_lab_read(1);
}
END_TEST

/* The number that the pointer names is the FIN's: there is no such byte, and no event of it. */
START_TEST(test_pointer_at_fin_is_no_byte)
{
	uint8_t c = 'x';

	rx(ACK | URG, .seq = 1, .ack = 1, .len = 2, .up = 3);
	rx(FIN | ACK, .seq = 3, .ack = 1);
	tcp_lab_drop();
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, 0);
	ck_assert_int_eq(weft_recv(tl.fd, &c, 1, MSG_OOB), 0);
	ck_assert_int_eq(c, 'x');
	tcp_lab_read(2);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_pointer_of_zero_ignored)
{
	rx(ACK | URG, .seq = 1, .ack = 1, .len = 10, .up = 0);
	tx(ACK, .seq = 1, .ack = 11);
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, 0);
	tcp_lab_read(10);
}
END_TEST

START_TEST(test_pointer_without_bit_ignored)
{
	rx(ACK, .seq = 1, .ack = 1, .len = 10, .up = 5);
	tx(ACK, .seq = 1, .ack = 11);
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, 0);
	tcp_lab_read(10);
}
END_TEST

START_TEST(test_old_pointer_ignored)
{
	urgent(4);
	tcp_lab_drop();
	ck_assert_int_eq(read_some(), 4);
	ck_assert_int_eq(read_some(), 5);
	rx(ACK | URG, .seq = 1, .ack = 1, .len = 10, .up = 5); /* again */
	tx(ACK, .seq = 1, .ack = 11);
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, 0);
	ck_assert_int_eq(oob(), -EINVAL);
}
END_TEST

/* MUST-31: a sequence of any length; the mark is behind all of it. */
START_TEST(test_urgent_sequence_over_many_segments)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_OOBINLINE, 1);
	for (uint32_t i = 0; i < 20; i++) {
		rx(ACK | URG, .seq = 1 + i * 1000, .ack = 1, .len = 1000,
		   .up = (uint16_t)(20000 - i * 1000));
		ck_assert_int_eq(tcp_lab_poll() & POLLPRI, i == 19 ? POLLPRI : 0);
	}
	tcp_lab_drop();
	tcp_lab_read(5000);
	ck_assert_int_eq(at_mark(), 0); /* MUST-33: more is to come */
	tcp_lab_read(14999);
	ck_assert_int_eq(at_mark(), 1);
	tcp_lab_read(1);
	ck_assert_int_eq(at_mark(), 0);
}
END_TEST

static bool is_up(int efd)
{
	struct pollfd p = {.fd = efd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* MUST-32: who sleeps for POLLPRI alone is woken when the byte is here, by whatever segment. */
START_TEST(test_urgent_byte_wakes_who_waits_for_it)
{
	int efd = weft_eventfd(tl.fd, POLLPRI);

	ck_assert(!is_up(efd));
	rx(ACK | URG, .seq = 1, .ack = 1, .up = 3);
	ck_assert(!is_up(efd));
	rx(ACK, .seq = 1, .ack = 1, .len = 2);
	ck_assert(!is_up(efd));
	rx(ACK, .seq = 3, .ack = 1, .len = 2);
	ck_assert(is_up(efd));
	tcp_lab_drop();
	ck_assert_int_eq(oob(), stream_byte(2));
	ck_assert(!is_up(efd));
	rx(ACK, .seq = 5, .ack = 1, .len = 2);
	ck_assert(!is_up(efd)); /* it was read */
	rx(ACK | URG, .seq = 7, .ack = 1, .len = 2, .up = 2);
	ck_assert(is_up(efd)); /* the pointer has advanced */
	tcp_lab_drop();
}
END_TEST

/* --- sent ---------------------------------------------------------------------------------------
 */

static void send_oob(uint32_t n)
{
	uint8_t bytes[100];

	stream_fill(bytes, n, tl.sent);
	ck_assert_int_eq(weft_send(tl.fd, bytes, n, MSG_OOB), n);
	tl.sent += n;
}

START_TEST(test_send_oob_points_behind_the_byte)
{
	send_oob(1);
	tx(ACK | URG, .seq = 1, .ack = 1, .len = 1, .up = 1);
	quiet();
}
END_TEST

/* What is not there is not urgent, nor is the byte before it. */
START_TEST(test_send_oob_of_nothing)
{
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	tcp_lab_write(10);
	ck_assert_int_eq(weft_send(tl.fd, "", 0, MSG_OOB), 0);
	quiet();
	rx(ACK, .seq = 1, .ack = 1, .wnd = 1000);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	quiet();
}
END_TEST

START_TEST(test_send_oob_last_of_many)
{
	send_oob(10);
	tx(ACK | URG, .seq = 1, .ack = 1, .len = 10, .up = 10);
}
END_TEST

START_TEST(test_send_oob_in_front_of_held_data)
{
	struct seg s;

	rx(ACK, .seq = 1, .ack = 1, .wnd = 1460);
	tcp_lab_write(4380);
	tx(ACK, .seq = 1, .ack = 1, .len = 1460);
	send_oob(1);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1461, .wnd = 1460);
	ck_assert(tcp_lab_take(&s)); /* the pointer is ahead: URG with its place */
	ck_assert_uint_eq(s.flags & URG, URG);
	ck_assert_uint_eq(s.seq + s.up, 4382);
	rx(ACK, .seq = 1, .ack = 2921, .wnd = 5000);
	s.up = 0;
	while (tcp_lab_take(&s))
		ck_assert(s.flags & URG ? s.seq + s.up == 4382 : s.seq >= 4382);
	rx(ACK, .seq = 1, .ack = 4382, .wnd = 5000);
	tcp_lab_write(10);
	tx(ACK, .seq = 4382, .ack = 1, .len = 10); /* it is past: no URG */
}
END_TEST

/* MUST-31: each segment before the end of it tells where that is, 64 KB ahead at most. */
START_TEST(test_send_oob_of_100_kb_tells_in_each_segment)
{
	static uint8_t bytes[100000];
	uint32_t at = 1, n = sizeof(bytes);
	struct seg s;

	stream_fill(bytes, n, 0);
	ck_assert_int_eq(weft_send(tl.fd, bytes, n, MSG_OOB), n);
	while (at < n + 1) {
		ck_assert(tcp_lab_take(&s));
		ck_assert_uint_eq(s.seq, at);
		ck_assert_uint_eq(s.flags & URG, URG);
		ck_assert_uint_eq(s.up, n + 1 - at < 65535 ? n + 1 - at : 65535);
		at += s.len;
		rx(ACK, .seq = 1, .ack = at);
	}
	quiet();
}
END_TEST

/*
 * What is sent again while the urgent byte waits for cwnd: 64 KB ahead of it lies a byte that went as any other, and
 * whoever took the pointer by its word would read past that one.
 */
START_TEST(test_send_oob_far_behind_does_not_point_at_what_was_sent)
{
	const uint32_t n = 60 * 1460;

	rx(RST, .seq = 1);
	weft_close(tl.fd);
	tcp_lab_sysctl("net.weft.tcp_init_cwnd", 60);
	tcp_lab_peer(1);
	tl.syn = (struct seg){.mss = 1460, .opts = O_SACK_OK | O_WS, .ws = 7, .wnd = 60000};
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tl.sent = 0;
	tcp_lab_write(n);
	for (uint32_t at = 1; at < n; at += 1460)
		tx(ACK, .seq = at, .ack = 1, .len = 1460);
	send_oob(1);
	quiet();
	rx(ACK, .seq = 1, .ack = 1, .wnd = 60000, .nsack = 1, .sack = {{1461, 1 + n}});
	tx(ACK, .seq = 1, .ack = 1, .len = 1460);
	tx(ACK | URG, .seq = 1 + n, .ack = 1, .len = 1, .up = 1);
	quiet();
}
END_TEST

START_TEST(test_send_oob_again_by_timer_has_urg)
{
	send_oob(1);
	tx(ACK | URG, .seq = 1, .ack = 1, .len = 1, .up = 1);
	wait_ms(1000);
	tx(ACK | URG, .seq = 1, .ack = 1, .len = 1, .up = 1);
}
END_TEST

static void hold_open(struct sock_common *c, void *arg)
{
	if (atomic_load(&c->state) == TCP_ESTABLISHED)
		*(struct sock **)arg = sock_hold((struct sock *)(void *)c);
}

/* `ss` found it in the table, and it was reset before its lock was taken. */
START_TEST(test_reset_with_urgent_data_out_is_shown)
{
	struct sock *sk = NULL;
	struct tcp_view v;
	struct batch b;

	send_oob(1);
	tx(ACK | URG, .seq = 1, .ack = 1, .len = 1, .up = 1);
	batch_begin(&b, tl.st);
	inet_each(tcp_table(tl.st), hold_open, &sk);
	batch_end(&b);
	ck_assert_ptr_nonnull(sk);
	rx(RST, .seq = 1);
	batch_begin(&b, tl.st);
	tcp_view_get(&sk->c, &v);
	sock_put(sk);
	batch_end(&b);
	ck_assert_uint_eq(v.state, TCP_CLOSE);
	ck_assert_uint_eq(v.snd_up, v.snd_una);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("urg");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_urgent_byte_out_of_line);
	tcase_add_loop_test(tc, test_urgent_byte_alone_is_not_to_be_read, 0, 2);
	tcase_add_test(tc, test_read_stops_at_mark_and_skips);
	tcase_add_test(tc, test_urgent_byte_in_line);
	tcase_add_test(tc, test_message_in_line_tells_of_none);
	tcase_add_test(tc, test_urgent_first_byte);
	tcase_add_test(tc, test_urgent_last_byte);
	tcase_add_test(tc, test_pointer_ahead_of_text_known_before);
	tcase_add_test(tc, test_pointer_without_text_announces);
	tcase_add_loop_test(tc, test_announced_byte_that_never_came, 0, 2);
	tcase_add_test(tc, test_second_urgent_byte_replaces_first);
	tcase_add_test(tc, test_second_urgent_byte_passes_the_first_at_the_mark);
	tcase_add_test(tc, test_second_urgent_byte_in_line_passes_none);
	tcase_add_test(tc, test_pointer_at_fin_is_no_byte);
	tcase_add_test(tc, test_pointer_of_zero_ignored);
	tcase_add_test(tc, test_pointer_without_bit_ignored);
	tcase_add_test(tc, test_old_pointer_ignored);
	tcase_add_test(tc, test_urgent_sequence_over_many_segments);
	tcase_add_test(tc, test_urgent_byte_wakes_who_waits_for_it);
	tcase_add_test(tc, test_send_oob_points_behind_the_byte);
	tcase_add_test(tc, test_send_oob_of_nothing);
	tcase_add_test(tc, test_send_oob_last_of_many);
	tcase_add_test(tc, test_send_oob_in_front_of_held_data);
	tcase_add_test(tc, test_send_oob_again_by_timer_has_urg);
	tcase_add_test(tc, test_send_oob_of_100_kb_tells_in_each_segment);
	tcase_add_test(tc, test_send_oob_far_behind_does_not_point_at_what_was_sent);
	tcase_add_test(tc, test_reset_with_urgent_data_out_is_shown);
	return unit_run("tcp_urg", tc);
}
