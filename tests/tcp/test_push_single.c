/*
 * tests/tcp/test_push_single.c - all that waits is one segment: it goes by itself, unless a window, what is
 * lost, a pace, the end of a message, a FIN or an override has a say.
 */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/loss_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	loss_open(O_SACK_OK);
}

static void small(uint32_t seq, uint32_t len)
{
	tx(ACK, .seq = seq, .ack = 1, .len = len);
}

static void nodelay(void)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

START_TEST(test_fits_the_window_goes)
{
	rx(ACK, .seq = 1, .ack = 1, .wnd = 500);
	tcp_lab_write(500);
	small(1, 500);
	quiet();
}
END_TEST

START_TEST(test_beyond_the_window_waits)
{
	rx(ACK, .seq = 1, .ack = 1, .wnd = 500);
	tcp_lab_write(501);
	quiet();
	rx(ACK, .seq = 1, .ack = 1, .wnd = 501);
	small(1, 501);
}
END_TEST

START_TEST(test_beyond_cwnd_waits)
{
	nodelay();
	loss_write(10);
	sent(0, 10);
	tcp_lab_write(1);
	quiet();
	has(1);
	small(1 + 10 * LOSS_MSS, 1);
	quiet();
}
END_TEST

START_TEST(test_what_is_lost_goes_first)
{
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
	loss_write(11);
	sent(0, 10);
	sent_at(0, 300);
	has(10);
	sent(10, 11);
}
END_TEST

START_TEST(test_pace_holds_it)
{
	uint64_t rate = 100000, ms;

	ck_assert_int_eq(
	    weft_setsockopt(tl.fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)), 0);
	loss_write(2);
	sent(0, 2);
	loss_write(1);
	quiet();
	ms = wait_ms(30);
	ck_assert_uint_ge(ms, 18);
	sent(2, 3);
	ck_mib(TCPPaced, 1);
}
END_TEST

START_TEST(test_messages_go_apart)
{
	uint8_t bytes[10];

	nodelay();
	loss_write(10);
	sent(0, 10);
	stream_fill(bytes, 10, tl.sent);
	ck_assert_int_eq(weft_send(tl.fd, bytes, 5, MSG_EOR), 5);
	ck_assert_int_eq(weft_send(tl.fd, bytes + 5, 5, 0), 5);
	quiet();
	has(2);
	small(1 + 10 * LOSS_MSS, 5);
	small(6 + 10 * LOSS_MSS, 5);
	quiet();
}
END_TEST

/* More than one segment: each of them has the urgent pointer of its own number. */
START_TEST(test_two_segments_are_urgent_each_by_itself)
{
	uint8_t bytes[LOSS_MSS + 5];
	struct seg s;

	stream_fill(bytes, sizeof(bytes), 0);
	ck_assert_int_eq(weft_send(tl.fd, bytes, sizeof(bytes), MSG_OOB), sizeof(bytes));
	s = tx(ACK | URG, .seq = 1, .ack = 1, .len = LOSS_MSS, .up = LOSS_MSS + 5);
	ck_assert_uint_eq(s.up, LOSS_MSS + 5);
	s = tx(ACK | URG, .seq = 1 + LOSS_MSS, .ack = 1, .len = 5, .up = 5);
	ck_assert_uint_eq(s.up, 5);
	quiet();
}
END_TEST

START_TEST(test_fin_goes_with_it)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(5);
	quiet();
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 1, .ack = 1, .len = 5);
	quiet();
}
END_TEST

/* The FIN is a record of its own, but not a segment of its own when both are sent again. */
START_TEST(test_sent_again_with_the_fin_behind)
{
	tcp_lab_write(5);
	small(1, 5);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 6, .ack = 1);
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
	wait_ms(1000);
	tx(FIN | ACK, .seq = 1, .ack = 1, .len = 5);
	quiet();
}
END_TEST

START_TEST(test_overridden_once)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(5);
	wait_ms(400);
	small(1, 5);
	tcp_lab_write(5);
	quiet();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 0);
	small(6, 5);
}
END_TEST

/* Each write lies in a piece of its own, and a packet refers to 16: the rest of the segment goes at once. */
START_TEST(test_more_pieces_than_a_packet_refers_to)
{
	tcp_lab_teardown();
	tcp_lab_setup();
	ck_assert_int_eq(netdev_set_mtu(tl.dev, 65535), 0);
	tcp_lab_established(&(struct seg){.mss = 65000, .wnd = 65000});
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	for (unsigned i = 0; i < 33; i++)
		tcp_lab_write(1500);
	quiet();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 0);
	small(1, 24000);
	small(24001, 24000);
	tx(ACK | PSH, .seq = 48001, .ack = 1, .len = 1500);
	quiet();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("push_single");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_fits_the_window_goes);
	tcase_add_test(tc, test_beyond_the_window_waits);
	tcase_add_test(tc, test_beyond_cwnd_waits);
	tcase_add_test(tc, test_what_is_lost_goes_first);
	tcase_add_test(tc, test_pace_holds_it);
	tcase_add_test(tc, test_messages_go_apart);
	tcase_add_test(tc, test_two_segments_are_urgent_each_by_itself);
	tcase_add_test(tc, test_fin_goes_with_it);
	tcase_add_test(tc, test_sent_again_with_the_fin_behind);
	tcase_add_test(tc, test_overridden_once);
	tcase_add_test(tc, test_more_pieces_than_a_packet_refers_to);
	return unit_run("tcp_push_single", tc);
}
