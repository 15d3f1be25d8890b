/*
 * tests/tcp/test_state_timer.c - RFC 9293, 3.10.8: the retransmission, keepalive and TIME-WAIT timers in
 * every state: what is sent again, and where it ends when nobody answers.
 */
#include <errno.h>

#include "tests/harness/tcp_lab.h"

/* States with something out: what goes again, from SND.UNA on. */
static const struct out_state {
	const char *name;
	unsigned state;
	enum tcp_lab_open how;
	unsigned flags;
	uint32_t data; /* written before */
	int err; /* of recv() when it is given up; 0: end of file, as the peer's FIN was here */
} out_state[] = {
    {"SYN-SENT", TCP_SYN_SENT, ACTIVE, SYN, 0, ETIMEDOUT},
    {"SYN-RECEIVED, active", TCP_SYN_RECV, ACTIVE, SYN | ACK, 0, ETIMEDOUT},
    {"ESTABLISHED, passive", TCP_ESTABLISHED, PASSIVE, ACK, 10, ETIMEDOUT},
    {"ESTABLISHED, active", TCP_ESTABLISHED, ACTIVE, ACK, 10, ETIMEDOUT},
    {"FIN-WAIT-1", TCP_FIN_WAIT1, PASSIVE, FIN | ACK, 0, ETIMEDOUT},
    {"CLOSE-WAIT", TCP_CLOSE_WAIT, PASSIVE, ACK, 10, ETIMEDOUT},
    {"CLOSING", TCP_CLOSING, PASSIVE, FIN | ACK, 0, ETIMEDOUT},
    {"LAST-ACK", TCP_LAST_ACK, PASSIVE, FIN | ACK, 0, ETIMEDOUT},
};
#define OUT_STATES (int)(sizeof(out_state) / sizeof(out_state[0]))

static const struct out_state *os;
static uint32_t una;

static void bring(int i)
{
	struct tcp_view v;

	os = &out_state[i];
	tcp_lab_state(os->state, os->how);
	if (os->data) {
		tcp_lab_write(os->data);
		tx(ACK, .seq = tl.snd, .ack = tl.rcv, .len = os->data);
		tl.snd += os->data;
	}
	ck_assert(tcp_lab_view(&v));
	una = v.snd_una - tl.peer.iss;
}

static void again(void)
{
	tx(os->flags, .seq = una, .ack = tl.rcv, .len = os->data);
}

START_TEST(test_any_timer_sends_again)
{
	bring(_i);
	for (unsigned i = 0; i < 4; i++) {
		wait_ms(20000);
		again();
		quiet();
		ck_state(os->state);
	}
}
END_TEST

START_TEST(test_any_timer_backs_off)
{
	uint64_t a, b;

	bring(_i);
	wait_ms(5000);
	again();
	a = wait_ms(10000);
	again();
	b = wait_ms(20000);
	again();
	ck_assert_uint_ge(b, 2 * a - 4);
	ck_assert_uint_le(b, 2 * a + 4);
}
END_TEST

START_TEST(test_any_timer_gives_up)
{
	bring(_i);
	tcp_lab_sysctl("net.ipv4.tcp_retries2", 3);
	tcp_lab_sysctl("net.ipv4.tcp_syn_retries", 3);
	tcp_lab_sysctl("net.ipv4.tcp_synack_retries", 3);
	for (unsigned i = 0; i < 3; i++) {
		wait_ms(20000);
		again();
	}
	advance_ms(60000);
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_error(), os->err);
	ck_assert_int_eq(tcp_lab_poll() & POLLHUP, POLLHUP);
}
END_TEST

START_TEST(test_any_timer_stopped_by_ack)
{
	bring(_i);
	if (os->state == TCP_SYN_SENT)
		rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	else
		rx(ACK, .seq = tl.rcv, .ack = tl.snd);
	tcp_lab_drop();
	advance_ms(100000);
	quiet();
}
END_TEST

START_TEST(test_any_answer_to_retransmission_moves_on)
{
	bring(_i);
	wait_ms(5000);
	again();
	if (os->state == TCP_SYN_SENT)
		rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	else
		rx(ACK, .seq = tl.rcv, .ack = tl.snd);
	tcp_lab_drop();
	ck_assert_uint_ne(tcp_lab_now(), os->flags & (SYN | FIN) ? os->state : TCP_CLOSE);
}
END_TEST

/* Nothing out: nothing is ever sent. */
static const unsigned quiet_state[] = {TCP_ESTABLISHED, TCP_FIN_WAIT2, TCP_CLOSE_WAIT};

START_TEST(test_any_nothing_out_silent)
{
	tcp_lab_state(quiet_state[_i], _i % 2 ? ACTIVE : PASSIVE);
	advance_ms(100ull * 3600 * 1000);
	quiet();
	ck_state(quiet_state[_i]);
}
END_TEST

START_TEST(test_listen_silent)
{
	tcp_lab_state(TCP_LISTEN, PASSIVE);
	advance_ms(100ull * 3600 * 1000);
	quiet();
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timers), tl.gauge[GAUGE_timers]);
}
END_TEST

START_TEST(test_timewait_timer_closes)
{
	tcp_lab_state(TCP_TIME_WAIT, _i ? ACTIVE : PASSIVE);
	advance_ms(60010);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timer");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_any_timer_sends_again, 0, OUT_STATES);
	tcase_add_loop_test(tc, test_any_timer_backs_off, 0, OUT_STATES);
	tcase_add_loop_test(tc, test_any_timer_gives_up, 0, OUT_STATES);
	tcase_add_loop_test(tc, test_any_timer_stopped_by_ack, 0, OUT_STATES);
	tcase_add_loop_test(tc, test_any_answer_to_retransmission_moves_on, 0, OUT_STATES);
	tcase_add_loop_test(tc, test_any_nothing_out_silent, 0, 3);
	tcase_add_test(tc, test_listen_silent);
	tcase_add_loop_test(tc, test_timewait_timer_closes, 0, 2);
	return unit_run("tcp_state_timer", tc);
}
