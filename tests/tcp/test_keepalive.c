/*
 * tests/tcp/test_keepalive.c - keepalives (RFC 9293, 3.8.4): off unless asked for, one old number that
 * must be answered, and the end of a peer that does not.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define IDLE 100
#define INTVL 10
#define CNT 3

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_mark();
}

static void keep(void)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_KEEPIDLE, IDLE);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_KEEPINTVL, INTVL);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_KEEPCNT, CNT);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/* A probe at this second. */
static void probed(uint64_t s)
{
	wait_ms(10000000);
	tx(ACK, .seq = tl.snd - 1, .ack = tl.rcv);
	ck_assert_uint_ge(tcp_lab_elapsed_ms(), s * 1000);
	ck_assert_uint_le(tcp_lab_elapsed_ms(), s * 1000 + 10);
}

START_TEST(test_idle_without_option_silent)
{
	advance_ms(20 * 3600 * 1000);
	quiet();
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_idle_probed_after_two_hours_by_default)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	probed(7200); /* MUST-28: no less */
}
END_TEST

START_TEST(test_answered_probe_next_after_idle)
{
	keep();
	for (unsigned i = 1; i <= 5; i++) {
		probed(IDLE * i);
		rx(ACK, .seq = 1, .ack = 1);
		quiet();
	}
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPKeepAlive), 5);
}
END_TEST

START_TEST(test_unanswered_probes_end_it)
{
	struct seg s;

	keep();
	for (unsigned i = 0; i < CNT; i++)
		probed(IDLE + INTVL * i);
	ck_state(TCP_ESTABLISHED);
	advance_ms(INTVL * 1000 + 10);
	ck_state(TCP_CLOSE);
	if (tcp_lab_take(&s)) /* a RST may tell the peer */
		ck_assert_uint_eq(s.flags & RST, RST);
	quiet();
	tcp_lab_read_errno(ETIMEDOUT);
}
END_TEST

START_TEST(test_settings_are_what_options_leave_open)
{
	tcp_lab_sysctl("net.ipv4.tcp_keepalive_time", 50);
	tcp_lab_sysctl("net.ipv4.tcp_keepalive_intvl", 5);
	tcp_lab_sysctl("net.ipv4.tcp_keepalive_probes", 2);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	probed(50);
	probed(55);
	advance_ms(4900);
	ck_state(TCP_ESTABLISHED);
	advance_ms(110);
	ck_state(TCP_CLOSE);
	tcp_lab_drop();
	tcp_lab_read_errno(ETIMEDOUT);
}
END_TEST

START_TEST(test_one_answer_starts_anew)
{
	keep();
	probed(IDLE);
	probed(IDLE + INTVL);
	rx(ACK, .seq = 1, .ack = 1);
	probed(IDLE + INTVL + IDLE);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_text_puts_probe_off)
{
	keep();
	advance_ms(60000);
	rx(ACK, .seq = 1, .ack = 1, .len = 5);
	tx(ACK, .seq = 1, .ack = 6);
	tl.rcv = 6;
	probed(60 + IDLE);
}
END_TEST

START_TEST(test_reset_answers_probe)
{
	keep();
	probed(IDLE);
	rx(RST, .seq = 1);
	ck_state(TCP_CLOSE);
	tcp_lab_read_errno(ECONNRESET);
}
END_TEST

START_TEST(test_option_taken_back_silent)
{
	keep();
	advance_ms(50000);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_KEEPALIVE, 0);
	advance_ms(3600 * 1000);
	quiet();
}
END_TEST

START_TEST(test_data_out_timer_is_the_retransmission)
{
	keep();
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	wait_ms(2000);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	rx(ACK, .seq = 1, .ack = 11);
	tl.snd = 11;
	ck_assert_uint_le(wait_ms(IDLE * 1000 + 3000), IDLE * 1000 + 10);
	tx(ACK, .seq = 10, .ack = 1);
}
END_TEST

START_TEST(test_closewait_probed)
{
	keep();
	rx(FIN | ACK, .seq = 1, .ack = 1);
	tx(ACK, .seq = 1, .ack = 2);
	tl.rcv = 2;
	probed(IDLE);
}
END_TEST

static const struct range {
	int name, value;
} range[] = {
    {TCP_KEEPIDLE, 0}, {TCP_KEEPIDLE, 32768}, {TCP_KEEPINTVL, 0}, {TCP_KEEPINTVL, 32768},
    {TCP_KEEPCNT, 0},  {TCP_KEEPCNT, 128},    {TCP_KEEPIDLE, -1}, {TCP_KEEPCNT, -1},
};

START_TEST(test_option_out_of_range_refused)
{
	const struct range *r = &range[_i];

	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_TCP, r->name, &r->value, sizeof(r->value)),
			 -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(test_child_inherits)
{
	tcp_lab_setopt(tl.ls, SOL_SOCKET, SO_KEEPALIVE, 1);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_KEEPIDLE, IDLE);
	tcp_lab_peer(1);
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_mark();
	probed(IDLE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("keepalive");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_idle_without_option_silent);
	tcase_add_test(tc, test_idle_probed_after_two_hours_by_default);
	tcase_add_test(tc, test_answered_probe_next_after_idle);
	tcase_add_test(tc, test_unanswered_probes_end_it);
	tcase_add_test(tc, test_settings_are_what_options_leave_open);
	tcase_add_test(tc, test_one_answer_starts_anew);
	tcase_add_test(tc, test_text_puts_probe_off);
	tcase_add_test(tc, test_reset_answers_probe);
	tcase_add_test(tc, test_option_taken_back_silent);
	tcase_add_test(tc, test_data_out_timer_is_the_retransmission);
	tcase_add_test(tc, test_closewait_probed);
	tcase_add_loop_test(tc, test_option_out_of_range_refused, 0, 8);
	tcase_add_test(tc, test_child_inherits);
	return unit_run("tcp_keepalive", tc);
}
