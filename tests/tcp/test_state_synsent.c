/*
 * tests/tcp/test_state_synsent.c - RFC 9293, 3.10.7.3: segments that arrive in SYN-SENT, both ways to
 * ESTABLISHED from there, and the SYN's retransmission.
 */
#include <errno.h>

#include "lib/batch.h"
#include "lib/wire/icmp4.h"
#include "tests/harness/tcp_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_SYN_SENT, ACTIVE);
}

/* First, ACK: SEG.ACK =< ISS or SEG.ACK > SND.NXT is answered by <SEQ=SEG.ACK><CTL=RST>. */
static const struct bad_ack {
	const char *name;
	unsigned flags;
	uint32_t ack;
} bad_ack[] = {
    {"ACK of ISS", ACK, 0},
    {"ACK before ISS", ACK, (uint32_t)-5},
    {"ACK behind SND.NXT", ACK, 2},
    {"ACK far behind", ACK, 0x40000000},
    {"SYN, ACK of ISS", SYN | ACK, 0},
    {"SYN, ACK behind SND.NXT", SYN | ACK, 2},
    {"SYN, ACK half round", SYN | ACK, 0x80000001},
    {"FIN, ACK of ISS", FIN | ACK, 0},
};

START_TEST(test_synsent_bad_ack_reset)
{
	rx(bad_ack[_i].flags, .seq = 0, .ack = bad_ack[_i].ack);
	tx(RST, .seq = bad_ack[_i].ack);
	quiet();
	ck_state(TCP_SYN_SENT);
	ck_assert_int_eq(tcp_lab_error(), 0);
}
END_TEST

START_TEST(test_synsent_rst_with_bad_ack_dropped)
{
	rx(RST | ACK, .seq = 0, .ack = bad_ack[_i].ack);
	quiet();
	ck_state(TCP_SYN_SENT);
	ck_assert_int_eq(tcp_lab_error(), 0);
}
END_TEST

/* Second, RST. */
START_TEST(test_synsent_rst_with_ack_refused)
{
	rx(RST | ACK, .seq = 0, .ack = 1, .len = _i ? 20 : 0); /* with text: SHLD-2 */
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_poll() & (POLLERR | POLLHUP), POLLERR | POLLHUP);
	ck_assert_int_eq(tcp_lab_error(), ECONNREFUSED);
	ck_assert_int_eq(tcp_lab_error(), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_AttemptFails), 1);
}
END_TEST

START_TEST(test_synsent_rst_with_ack_and_syn_refused)
{
	rx(RST | SYN | ACK, .seq = 0, .ack = 1);
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_error(), ECONNREFUSED);
}
END_TEST

START_TEST(test_synsent_rst_without_ack_dropped)
{
	rx(RST, .seq = 0);
	quiet();
	ck_state(TCP_SYN_SENT);
}
END_TEST

/* Fifth: neither SYN nor RST. */
static const struct dropped {
	const char *name;
	unsigned flags;
	uint32_t len;
} dropped[] = {
    {"ACK", ACK, 0},
    {"ACK with text", ACK, 20},
    {"FIN, ACK", FIN | ACK, 0},
    {"no flag, text", 0, 20},
    {"FIN", FIN, 0},
    {"PSH, URG", PSH | URG, 1},
};

START_TEST(test_synsent_without_syn_dropped)
{
	rx(dropped[_i].flags, .seq = 1, .ack = 1, .len = dropped[_i].len);
	ck_assert_msg(tl.nsent == 0, "%s was answered", dropped[_i].name);
	ck_state(TCP_SYN_SENT);
}
END_TEST

/* Fourth, SYN. */
START_TEST(test_synsent_synack_established)
{
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	tx(ACK, .seq = 1, .ack = 1);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, POLLOUT);
	ck_assert_int_eq(tcp_lab_error(), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_ActiveOpens), 1);
}
END_TEST

START_TEST(test_synsent_synack_with_text_taken)
{
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .len = 20);
	tx(ACK, .seq = 1, .ack = 21);
	ck_state(TCP_ESTABLISHED);
	tcp_lab_read(20);
}
END_TEST

START_TEST(test_synsent_synack_with_fin_to_closewait)
{
	rx(SYN | FIN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	tx(ACK, .seq = 1, .ack = 2);
	ck_state(TCP_CLOSE_WAIT);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_synsent_syn_to_synrcvd)
{
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	quiet();
	ck_state(TCP_SYN_RECV);
}
END_TEST

START_TEST(test_simultaneous_open_ack_established)
{
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert_int_eq(tcp_lab_error(), 0);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
}
END_TEST

/* RFC 9293, figure 7: each side's SYN, ACK crosses the other's. */
START_TEST(test_simultaneous_open_synack_established)
{
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	ck_state(TCP_ESTABLISHED);
	tcp_lab_drop(); /* an ACK or none */
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tx(ACK, .seq = 1, .ack = 11);
	tcp_lab_read(10);
}
END_TEST

START_TEST(test_simultaneous_open_text_with_ack_established)
{
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tx(ACK, .seq = 1, .ack = 11);
	ck_state(TCP_ESTABLISHED);
	tcp_lab_read(10);
}
END_TEST

/* RFC 7323, 2.2: the window of a SYN is never scaled, not even of one that comes late. */
START_TEST(test_simultaneous_open_synack_window_not_scaled)
{
	struct tcp_view v;

	rx(SYN, .seq = 0, .mss = 1460, .wnd = 8192, .opts = O_WS, .ws = 7);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .wnd = 8192, .opts = O_WS, .ws = 7);
	ck_state(TCP_ESTABLISHED);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_wscale, 7);
	ck_assert_uint_eq(v.snd_wnd, 8192);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1, .wnd = 100);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_wnd, 12800);
}
END_TEST

START_TEST(test_simultaneous_open_synack_again_by_timer)
{
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	wait_ms(3100);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	ck_state(TCP_SYN_RECV);
}
END_TEST

/* --- the SYN's timer ----------------------------------------------------------------------------
 */

START_TEST(test_synsent_timer_syn_again_backed_off)
{
	static const uint64_t at[] = {1000, 3000, 7000, 15000, 31000, 63000};

	tcp_lab_mark();
	for (unsigned i = 0; i < 6; i++) {
		wait_ms(40000);
		tx(SYN, .seq = 0);
		ck_assert_uint_ge(tcp_lab_elapsed_ms(), at[i]);
		ck_assert_uint_le(tcp_lab_elapsed_ms(), at[i] + 2 * (i + 1));
	}
	advance_ms(63000);
	quiet();
	ck_state(TCP_SYN_SENT);
	advance_ms(1100); /* 127 s */
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_error(), ETIMEDOUT);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_AttemptFails), 1);
}
END_TEST

START_TEST(test_synsent_timer_retries_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_syn_retries", 1);
	wait_ms(1100);
	tx(SYN, .seq = 0);
	advance_ms(2010);
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_error(), ETIMEDOUT);
}
END_TEST

START_TEST(test_synsent_synack_after_retransmission_established)
{
	wait_ms(1100);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	tx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

/* An echo must be of a SYN of this attempt: of the first, though it was sent again, but of none before. */
START_TEST(test_synsent_synack_with_echo_of_first_syn_established)
{
	uint32_t first = tl.peer.ts_last;

	wait_ms(1100);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .opts = O_TS, .tsval = 7, .tsecr = first);
	tx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_synsent_synack_with_echo_never_sent_reset)
{
	uint32_t never = tl.peer.ts_last + (_i ? 5000 : (uint32_t)-1);

	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .opts = O_TS, .tsval = 7, .tsecr = never);
	tx(RST, .seq = 1);
	quiet();
	ck_state(TCP_SYN_SENT);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSActive), 1);
}
END_TEST

/* An attempt has nothing to lose: errors that an open connection would outlive end it (RFC 5461, 4.1). */
static const struct {
	uint8_t type, code;
	int err;
} unreachable[] = {
    {ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ENETUNREACH},
    {ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, EHOSTUNREACH},
    {ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ECONNREFUSED},
    {ICMP_TIME_EXCEEDED, 0, EHOSTUNREACH},
};

START_TEST(test_synsent_icmp_ends_attempt)
{
	tcp_lab_rx_icmp(unreachable[_i].type, unreachable[_i].code, 0, 0);
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_error(), unreachable[_i].err);
}
END_TEST

START_TEST(test_synsent_icmp_of_another_number_ignored)
{
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 1000, 0);
	quiet();
	ck_state(TCP_SYN_SENT);
}
END_TEST

START_TEST(test_established_synack_again_acked)
{
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	tx(ACK, .seq = 1, .ack = 1);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460); /* our ACK was lost */
	tx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

/* The SYN-ACK is read by the thread that sleeps in connect(), whose sleep it ends (net/lead.c). */
static void synack_read_by_caller(void)
{
	_Atomic int owed = 0;
	struct batch b;

	batch_begin(&b, tl.st);
	b.owed = &owed;
	waiter_reset(&b.slot->waiter);
	waiter_claim(&b.slot->waiter);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	batch_end(&b);
	waiter_reset(&b.slot->waiter);
	ck_state(TCP_ESTABLISHED);
	quiet();
}

/* Data queued MAY be included in the ACK of the SYN: what the program writes next is. */
START_TEST(test_synsent_ack_rides_on_callers_data)
{
	synack_read_by_caller();
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	quiet();
	tcp_lab_read_errno(EAGAIN);
	quiet();
}
END_TEST

/* ... and goes alone when the program waits for the peer, or does nothing for a while. */
START_TEST(test_synsent_ack_alone_when_caller_waits)
{
	synack_read_by_caller();
	if (_i == 0)
		tcp_lab_read_errno(EAGAIN);
	else if (_i == 1)
		tcp_lab_poll();
	else
		ck_assert_uint_le(wait_ms(100), 40);
	tx(ACK, .seq = 1, .ack = 1);
	quiet();
	tcp_lab_read_errno(EAGAIN);
	tcp_lab_poll();
	quiet();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("synsent");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_synsent_bad_ack_reset, 0, 8);
	tcase_add_loop_test(tc, test_synsent_rst_with_bad_ack_dropped, 0, 8);
	tcase_add_loop_test(tc, test_synsent_rst_with_ack_refused, 0, 2);
	tcase_add_test(tc, test_synsent_rst_with_ack_and_syn_refused);
	tcase_add_test(tc, test_synsent_rst_without_ack_dropped);
	tcase_add_loop_test(tc, test_synsent_without_syn_dropped, 0, 6);
	tcase_add_test(tc, test_synsent_synack_established);
	tcase_add_test(tc, test_synsent_synack_with_text_taken);
	tcase_add_test(tc, test_synsent_synack_with_fin_to_closewait);
	tcase_add_test(tc, test_synsent_syn_to_synrcvd);
	tcase_add_test(tc, test_simultaneous_open_ack_established);
	tcase_add_test(tc, test_simultaneous_open_synack_established);
	tcase_add_test(tc, test_simultaneous_open_text_with_ack_established);
	tcase_add_test(tc, test_simultaneous_open_synack_window_not_scaled);
	tcase_add_test(tc, test_simultaneous_open_synack_again_by_timer);
	tcase_add_test(tc, test_synsent_timer_syn_again_backed_off);
	tcase_add_test(tc, test_synsent_timer_retries_by_sysctl);
	tcase_add_test(tc, test_synsent_synack_after_retransmission_established);
	tcase_add_test(tc, test_synsent_synack_with_echo_of_first_syn_established);
	tcase_add_loop_test(tc, test_synsent_synack_with_echo_never_sent_reset, 0, 2);
	tcase_add_loop_test(tc, test_synsent_icmp_ends_attempt, 0, 4);
	tcase_add_test(tc, test_synsent_icmp_of_another_number_ignored);
	tcase_add_test(tc, test_established_synack_again_acked);
	tcase_add_test(tc, test_synsent_ack_rides_on_callers_data);
	tcase_add_loop_test(tc, test_synsent_ack_alone_when_caller_waits, 0, 3);
	return unit_run("tcp_state_synsent", tc);
}
