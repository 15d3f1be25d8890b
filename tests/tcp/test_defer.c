/*
 * tests/tcp/test_defer.c - TCP_DEFER_ACCEPT: a connection opens with its first data (as Linux), and
 * TCP_SYNCNT of a listener, net.ipv4.tcp_syn_linear_timeouts.
 */
#include <errno.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

static int option(int fd, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	ck_assert_int_eq(weft_getsockopt(fd, IPPROTO_TCP, name, &v, &n), 0);
	return v;
}

static void deferred(int s)
{
	tcp_lab_listen(5);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_DEFER_ACCEPT, s);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	tcp_lab_mark();
}

/* Seconds become time-outs of 1, 2, 4, ... s, and are told as the sum of these. */
START_TEST(test_defer_rounded_to_timeouts)
{
	static const int s[][2] = {{0, 0}, {1, 1},  {2, 3},     {3, 3},
				   {4, 7}, {8, 15}, {128, 247}, {-1, 0}};

	tcp_lab_listen(5);
	for (unsigned i = 0; i < 8; i++) {
		tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_DEFER_ACCEPT, s[i][0]);
		ck_assert_int_eq(option(tl.ls, TCP_DEFER_ACCEPT), s[i][1]);
	}
}
END_TEST

START_TEST(test_defer_bare_ack_does_not_open)
{
	deferred(5);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
	ck_state(TCP_SYN_RECV);
	ck_assert_int_eq(tcp_lab_accept(), -1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDeferAcceptDrop), 1);
	rx(ACK | PSH, .seq = 1, .ack = 1, .len = 10);
	wait_ms(3);
	tx(ACK, .seq = 1, .ack = 11);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(10);
}
END_TEST

/* A FIN is something to tell the program, too. */
START_TEST(test_defer_fin_opens)
{
	deferred(5);
	rx(ACK, .seq = 1, .ack = 1);
	rx(FIN | ACK, .seq = 1, .ack = 1);
	tx(ACK, .seq = 1, .ack = 2);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read_eof();
}
END_TEST

/* 5 s are three time-outs: no SYN-ACK again but the last, whose ACK opens. */
START_TEST(test_defer_ends_with_one_synack)
{
	deferred(5);
	rx(ACK, .seq = 1, .ack = 1);
	wait_ms(20000);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	ck_assert_uint_eq(tcp_lab_elapsed_ms() / 100, 70);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert_int_ge(tcp_lab_accept(), 0);
}
END_TEST

START_TEST(test_defer_longer_than_retries)
{
	tcp_lab_sysctl("net.ipv4.tcp_synack_retries", 1);
	deferred(5);
	rx(ACK, .seq = 1, .ack = 1);
	advance_ms(6900);
	quiet();
	ck_state(TCP_SYN_RECV);
	wait_ms(1000);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(8100);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

/* Who never acknowledges is asked again as ever. */
START_TEST(test_defer_without_ack_synack_again)
{
	deferred(5);
	wait_ms(1010);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	wait_ms(2010);
	tx(SYN | ACK, .seq = 0, .ack = 1);
}
END_TEST

/* On a client it holds the third ACK back for data that go with it. */
START_TEST(test_defer_of_client_delays_third_ack)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};

	to.sin_addr.s_addr = htonl(0x0a000002);
	tl.fd = tcp_lab_socket();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&to, sizeof(to)), -1);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	quiet();
	tcp_lab_mark();
	wait_ms(300);
	tx(ACK, .seq = 1, .ack = 1);
	ck_assert_uint_eq(tcp_lab_elapsed_ms(), 200);
}
END_TEST

/* SYNs at 1, 2, 3 s, then doubled as ever. */
START_TEST(test_syn_linear_timeouts)
{
	static const uint64_t at[] = {1000, 2000, 3000, 5000, 9000};

	tcp_lab_sysctl("net.ipv4.tcp_syn_linear_timeouts", 2);
	tcp_lab_connect();
	tx(SYN, .seq = 0);
	tcp_lab_mark();
	for (unsigned i = 0; i < 5; i++) {
		wait_ms(5000);
		tx(SYN, .seq = 0);
		ck_assert_uint_eq(tcp_lab_elapsed_ms() / 10, at[i] / 10);
	}
}
END_TEST

/* They come on top of the others, as in Linux: the last wait is as long as without them. */
START_TEST(test_linear_timeouts_are_on_top_of_the_retries)
{
	static const uint64_t at[] = {1000, 2000, 3000, 5000, 9000};

	tcp_lab_sysctl("net.ipv4.tcp_syn_linear_timeouts", 2);
	tcp_lab_sysctl("net.ipv4.tcp_syn_retries", 3);
	tcp_lab_connect();
	tx(SYN, .seq = 0);
	tcp_lab_mark();
	for (unsigned i = 0; i < 5; i++) {
		wait_ms(5000);
		tx(SYN, .seq = 0);
		ck_assert_uint_eq(tcp_lab_elapsed_ms() / 10, at[i] / 10);
	}
	advance_ms(7900);
	ck_state(TCP_SYN_SENT);
	advance_ms(200);
	ck_state(TCP_CLOSE);
	quiet();
}
END_TEST

/* RFC 5482: the user time-out counts all that was waited, doubled or not. */
START_TEST(test_user_timeout_of_linear_timeouts)
{
	tcp_lab_sysctl("net.ipv4.tcp_syn_linear_timeouts", 4);
	tcp_lab_connect();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
	advance_ms(2900);
	ck_state(TCP_SYN_SENT);
	advance_ms(200);
	ck_state(TCP_CLOSE);
	tcp_lab_drop();
	ck_assert_int_eq(tcp_lab_error(), ETIMEDOUT);
}
END_TEST

START_TEST(test_syncnt_of_listener)
{
	tcp_lab_listen(5);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_SYNCNT, 1);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	wait_ms(1010);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(60000);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("defer");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_defer_rounded_to_timeouts);
	tcase_add_test(tc, test_defer_bare_ack_does_not_open);
	tcase_add_test(tc, test_defer_fin_opens);
	tcase_add_test(tc, test_defer_ends_with_one_synack);
	tcase_add_test(tc, test_defer_longer_than_retries);
	tcase_add_test(tc, test_defer_without_ack_synack_again);
	tcase_add_test(tc, test_defer_of_client_delays_third_ack);
	tcase_add_test(tc, test_syn_linear_timeouts);
	tcase_add_test(tc, test_linear_timeouts_are_on_top_of_the_retries);
	tcase_add_test(tc, test_user_timeout_of_linear_timeouts);
	tcase_add_test(tc, test_syncnt_of_listener);
	return unit_run("tcp_defer", tc);
}
