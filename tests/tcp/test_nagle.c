/*
 * tests/tcp/test_nagle.c - small segments wait for the ACK of one before (RFC 9293, 3.7.4, in
 * Minshall's form), unless TCP_NODELAY; TCP_CORK and MSG_MORE; PSH.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define MSS 1460u

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

static void sent(uint32_t seq, uint32_t len)
{
	tx(ACK, .seq = seq, .ack = 1, .len = len);
}

START_TEST(test_nothing_out_small_goes)
{
	tcp_lab_write(1);
	sent(1, 1);
	quiet();
}
END_TEST

START_TEST(test_small_out_next_small_waits)
{
	tcp_lab_write(1);
	sent(1, 1);
	tcp_lab_write(1);
	tcp_lab_write(1);
	quiet();
	rx(ACK, .seq = 1, .ack = 2);
	sent(2, 2); /* both together */
	quiet();
}
END_TEST

START_TEST(test_small_out_full_goes)
{
	tcp_lab_write(1);
	sent(1, 1);
	tcp_lab_write(MSS);
	sent(2, MSS);
	tcp_lab_write(1);
	quiet();
}
END_TEST

START_TEST(test_tail_of_large_write_goes)
{
	tcp_lab_write(MSS + 10); /* the full one out is not small: Minshall */
	sent(1, MSS);
	sent(MSS + 1, 10);
	tcp_lab_write(10);
	quiet();
	rx(ACK, .seq = 1, .ack = MSS + 11);
	sent(MSS + 11, 10);
}
END_TEST

START_TEST(test_waiting_fills_up_and_goes)
{
	tcp_lab_write(1);
	sent(1, 1);
	tcp_lab_write(MSS - 1);
	quiet();
	tcp_lab_write(1);
	sent(2, MSS);
	quiet();
}
END_TEST

START_TEST(test_nodelay_small_goes)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	for (uint32_t i = 0; i < 5; i++) {
		tcp_lab_write(3);
		sent(1 + 3 * i, 3);
	}
	quiet();
}
END_TEST

START_TEST(test_nodelay_set_lets_waiting_go)
{
	tcp_lab_write(1);
	sent(1, 1);
	tcp_lab_write(5);
	quiet();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	sent(2, 5);
}
END_TEST

START_TEST(test_fin_lets_waiting_go)
{
	tcp_lab_write(1);
	sent(1, 1);
	tcp_lab_write(5);
	quiet();
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 2, .ack = 1, .len = 5);
}
END_TEST

START_TEST(test_cork_holds_small)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(5);
	quiet();
	tcp_lab_write(MSS);
	sent(1, MSS);
	quiet();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 0);
	sent(MSS + 1, 5);
}
END_TEST

START_TEST(test_cork_ends_after_200_ms)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(5);
	ck_assert_uint_le(wait_ms(400), 202); /* tcp(7) */
	sent(1, 5);
}
END_TEST

START_TEST(test_cork_ends_by_close)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_CORK, 1);
	tcp_lab_write(5);
	quiet();
	weft_close(tl.fd);
	tx(FIN | ACK, .seq = 1, .ack = 1, .len = 5);
}
END_TEST

START_TEST(test_more_holds_until_next)
{
	uint8_t bytes[10];

	stream_fill(bytes, 10, 0);
	ck_assert_int_eq(weft_send(tl.fd, bytes, 5, MSG_MORE), 5);
	quiet();
	ck_assert_int_eq(weft_send(tl.fd, bytes + 5, 5, 0), 5);
	sent(1, 10);
}
END_TEST

START_TEST(test_last_of_a_write_has_psh)
{
	struct seg s;

	tcp_lab_write(2 * MSS + 5);
	s = tx(ACK, .seq = 1, .ack = 1, .len = MSS);
	s = tx(ACK, .seq = MSS + 1, .ack = 1, .len = MSS);
	s = tx(ACK | PSH, .seq = 2 * MSS + 1, .ack = 1, .len = 5);
	ck_assert_uint_eq(s.flags, ACK | PSH); /* RFC 9293, 3.9.1.2, MUST-61 */
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("nagle");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_nothing_out_small_goes);
	tcase_add_test(tc, test_small_out_next_small_waits);
	tcase_add_test(tc, test_small_out_full_goes);
	tcase_add_test(tc, test_tail_of_large_write_goes);
	tcase_add_test(tc, test_waiting_fills_up_and_goes);
	tcase_add_test(tc, test_nodelay_small_goes);
	tcase_add_test(tc, test_nodelay_set_lets_waiting_go);
	tcase_add_test(tc, test_fin_lets_waiting_go);
	tcase_add_test(tc, test_cork_holds_small);
	tcase_add_test(tc, test_cork_ends_after_200_ms);
	tcase_add_test(tc, test_cork_ends_by_close);
	tcase_add_test(tc, test_more_holds_until_next);
	tcase_add_test(tc, test_last_of_a_write_has_psh);
	return unit_run("tcp_nagle", tc);
}
