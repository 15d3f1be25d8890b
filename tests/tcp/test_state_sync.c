/*
 * tests/tcp/test_state_sync.c - RFC 9293, 3.10.7.4: segments that arrive in each synchronized state,
 * the first five checks: sequence number, RST, SYN, ACK bit and value.  One event a test, run once a
 * state.
 */
#include <errno.h>

#include "tests/harness/tcp_lab.h"

static const struct sync_state {
	const char *name;
	unsigned state;
	enum tcp_lab_open how;
} sync_state[] = {
    {"SYN-RECEIVED, passive", TCP_SYN_RECV, PASSIVE},
    {"SYN-RECEIVED, active", TCP_SYN_RECV, ACTIVE},
    {"ESTABLISHED, passive", TCP_ESTABLISHED, PASSIVE},
    {"ESTABLISHED, active", TCP_ESTABLISHED, ACTIVE},
    {"FIN-WAIT-1", TCP_FIN_WAIT1, PASSIVE},
    {"FIN-WAIT-1, active", TCP_FIN_WAIT1, ACTIVE},
    {"FIN-WAIT-2", TCP_FIN_WAIT2, PASSIVE},
    {"CLOSE-WAIT", TCP_CLOSE_WAIT, PASSIVE},
    {"CLOSE-WAIT, active", TCP_CLOSE_WAIT, ACTIVE},
    {"CLOSING", TCP_CLOSING, PASSIVE},
    {"LAST-ACK", TCP_LAST_ACK, PASSIVE},
    {"LAST-ACK, active", TCP_LAST_ACK, ACTIVE},
    {"TIME-WAIT", TCP_TIME_WAIT, PASSIVE},
    {"TIME-WAIT, active", TCP_TIME_WAIT, ACTIVE},
};
#define SYNC_STATES (sizeof(sync_state) / sizeof(sync_state[0]))
#define SYNC_FULL (SYNC_STATES - 2) /* those before TIME-WAIT */

static uint32_t window;

static void bring(int i)
{
	struct tcp_view v;

	tcp_lab_state(sync_state[i].state, sync_state[i].how);
	ck_assert(tcp_lab_view(&v));
	ck_assert_msg(v.rcv_nxt - tl.peer.isn == tl.rcv, "%s: RCV.NXT", sync_state[i].name);
	window = v.rcv_wnd;
}

/* Nothing moved, and nothing is sent. */
static void unmoved(int i)
{
	struct tcp_view v;

	quiet();
	ck_assert(tcp_lab_view(&v));
	ck_assert_msg(v.state == sync_state[i].state && v.rcv_nxt - tl.peer.isn == tl.rcv &&
			  v.snd_nxt - tl.peer.iss == tl.snd,
		      "%s is %s, RCV.NXT %u, SND.NXT %u", sync_state[i].name,
		      tcp_state_text(v.state), v.rcv_nxt - tl.peer.isn, v.snd_nxt - tl.peer.iss);
}

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, and nothing moved. */
static void acked(int i)
{
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	unmoved(i);
}

/* --- first: the sequence number -----------------------------------------------------------------
 */

START_TEST(test_any_empty_before_window_acked)
{
	bring(_i);
	rx(ACK, .seq = tl.rcv - 1, .ack = tl.snd);
	acked(_i);
}
END_TEST

START_TEST(test_any_empty_behind_window_acked)
{
	bring(_i);
	rx(ACK, .seq = tl.rcv + 70000 + window, .ack = tl.snd);
	acked(_i);
}
END_TEST

START_TEST(test_any_old_text_acked)
{
	bring(_i);
	rx(ACK, .seq = tl.rcv - 10, .ack = tl.snd, .len = 10);
	acked(_i);
}
END_TEST

START_TEST(test_any_text_at_right_edge_acked)
{
	bring(_i);
	rx(ACK, .seq = tl.rcv + window, .ack = tl.snd, .len = 1);
	acked(_i);
}
END_TEST

START_TEST(test_any_text_far_behind_window_acked)
{
	bring(_i);
	rx(ACK, .seq = tl.rcv + 0x40000000, .ack = tl.snd, .len = 100);
	acked(_i);
}
END_TEST

START_TEST(test_any_unacceptable_twice_acked_once)
{
	bring(_i);
	rx(ACK, .seq = tl.rcv - 1, .ack = tl.snd);
	acked(_i);
	rx(ACK, .seq = tl.rcv + window + 5, .ack = tl.snd);
	unmoved(_i); /* RFC 5961, 7 and net.ipv4.tcp_invalid_ratelimit: not twice in 500 ms */
}
END_TEST

/* --- second: RST --------------------------------------------------------------------------------
 */

START_TEST(test_any_rst_before_window_ignored)
{
	bring(_i);
	rx(RST, .seq = tl.rcv - 1);
	unmoved(_i);
}
END_TEST

START_TEST(test_any_rst_behind_window_ignored)
{
	bring(_i);
	rx(RST, .seq = tl.rcv + window + 70000);
	unmoved(_i);
}
END_TEST

START_TEST(test_any_rst_in_window_challenged)
{
	bring(_i);
	rx(RST, .seq = tl.rcv + 1);
	acked(_i); /* RFC 5961, 3.2 */
	if (_i)    /* of a connection, not of a request */
		ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPChallengeACK), 1);
}
END_TEST

START_TEST(test_any_rst_at_last_of_window_challenged)
{
	bring(_i);
	rx(RST | ACK, .seq = tl.rcv + window - 1, .ack = tl.snd);
	acked(_i);
}
END_TEST

/* How many of the peers' RSTs in the window are answered at once. */
static unsigned challenged(struct tcp_lab_peer *peer, unsigned n)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i++) {
		tl.peer = peer[i];
		rx(RST, .seq = 2);
		sent += tcp_lab_drop();
		ck_state(TCP_ESTABLISHED);
	}
	return sent;
}

/* RFC 5961, 7: so many a second for all, about; the next second is another. */
START_TEST(test_challenges_limited_altogether)
{
	struct tcp_lab_peer peer[20];
	unsigned sent;

	tcp_lab_sysctl("net.ipv4.tcp_challenge_ack_limit", 8);
	for (unsigned i = 0; i < 20; i++) {
		tcp_lab_peer(i);
		tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
		peer[i] = tl.peer;
	}
	for (unsigned s = 0; s < 3; s++) {
		advance_ms(1000);
		sent = challenged(peer, 20);
		ck_assert_uint_ge(sent, 4);
		ck_assert_uint_le(sent, 9);
	}
}
END_TEST

/* What the program hears of an exact RST. */
static int reset_errno(unsigned state, enum tcp_lab_open how)
{
	if (state == TCP_SYN_RECV)
		return how == ACTIVE ? ECONNREFUSED : 0;
	return state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET; /* tcp(7): EPIPE after the FIN */
}

START_TEST(test_any_rst_exact_closes)
{
	const struct sync_state *s = &sync_state[_i];

	bring(_i);
	rx(RST, .seq = tl.rcv);
	quiet();
	ck_state(TCP_CLOSE);
	if (tl.fd < 0) {
		ck_assert_int_eq(tcp_lab_accept(), -1);
		ck_assert_int_eq(errno, EAGAIN);
		return;
	}
	ck_assert_int_eq(tcp_lab_error(), reset_errno(s->state, s->how));
	ck_assert_int_eq(tcp_lab_error(), 0); /* once */
}
END_TEST

START_TEST(test_any_rst_exact_whatever_its_ack_closes)
{
	bring(_i);
	rx(RST | ACK, .seq = tl.rcv, .ack = tl.snd + 99999);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_any_rst_with_text_closes) /* RFC 9293, SHLD-2: it may say why */
{
	bring(_i);
	rx(RST | ACK, .seq = tl.rcv, .ack = tl.snd, .len = 20);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_timewait_rst_exact_ignored)
{
	bring(SYNC_FULL + (size_t)_i);
	rx(RST, .seq = tl.rcv);
	unmoved(SYNC_FULL + (size_t)_i); /* RFC 1337, fix F1 */
}
END_TEST

START_TEST(test_any_rst_with_bad_checksum_ignored)
{
	bring(_i);
	rx(RST, .seq = tl.rcv, .bad_csum = true);
	unmoved(_i);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_InCsumErrors), 1);
}
END_TEST

/* --- fourth: SYN --------------------------------------------------------------------------------
 */

START_TEST(test_any_syn_in_window_challenged)
{
	bring(_i);
	rx(SYN, .seq = tl.rcv + 3, .mss = 1460);
	acked(_i); /* RFC 5961, 4.2; SYN-RECEIVED too: a blind SYN must not end it */
}
END_TEST

START_TEST(test_any_syn_with_ack_in_window_challenged)
{
	bring(_i);
	rx(SYN | ACK, .seq = tl.rcv + 3, .ack = tl.snd, .mss = 1460);
	acked(_i);
}
END_TEST

START_TEST(test_any_syn_before_window_acked)
{
	struct seg s;

	bring(_i);
	rx(SYN, .seq = 0, .mss = 1460);
	ck_assert(tcp_lab_take(&s)); /* SYN-RECEIVED may send its SYN-ACK again instead */
	ck_assert_uint_eq(s.flags & ~(unsigned)SYN, ACK);
	ck_assert_uint_eq(s.ack, tl.rcv);
	unmoved(_i);
}
END_TEST

/* --- fifth: ACK ---------------------------------------------------------------------------------
 */

START_TEST(test_any_without_ack_bit_dropped)
{
	bring(_i);
	rx(0, .seq = tl.rcv, .len = 10);
	unmoved(_i);
}
END_TEST

START_TEST(test_any_fin_without_ack_bit_dropped)
{
	bring(_i);
	rx(FIN, .seq = tl.rcv);
	unmoved(_i);
}
END_TEST

START_TEST(test_any_ack_of_unsent_acked)
{
	bring(_i);
	if (sync_state[_i].state == TCP_SYN_RECV) {
		rx(ACK, .seq = tl.rcv, .ack = tl.snd + 1);
		tx(RST, .seq = tl.snd + 1);
		unmoved(_i);
		return;
	}
	rx(ACK, .seq = tl.rcv, .ack = tl.snd + 1, .len = 5);
	if (sync_state[_i].state != TCP_TIME_WAIT) /* there it is owed, as a delayed ACK */
		quiet();
	advance_ms(40);
	acked(_i);
}
END_TEST

START_TEST(test_synrcvd_ack_of_nothing_reset)
{
	bring(_i);
	rx(ACK, .seq = tl.rcv, .ack = 0); /* SND.UNA < SEG.ACK is asked for */
	tx(RST, .seq = 0);
	unmoved(_i);
}
END_TEST

START_TEST(test_any_ack_far_too_old_challenged)
{
	bring(_i);
	if (sync_state[_i].state == TCP_SYN_RECV)
		return;
	rx(ACK, .seq = tl.rcv, .ack = tl.snd - 200000, .len = 5);
	acked(_i); /* RFC 5961, 5.2 */
}
END_TEST

START_TEST(test_any_ack_again_is_nothing)
{
	struct tcp_view v;

	bring(_i);
	ck_assert(tcp_lab_view(&v));
	if (sync_state[_i].state == TCP_SYN_RECV)
		return;
	rx(ACK, .seq = tl.rcv, .ack = v.snd_una - tl.peer.iss);
	if (sync_state[_i].state == TCP_TIME_WAIT)
		tcp_lab_drop();
	unmoved(_i);
}
END_TEST

START_TEST(test_any_ack_old_is_nothing)
{
	struct tcp_view v;

	bring(_i);
	ck_assert(tcp_lab_view(&v));
	if (sync_state[_i].state == TCP_SYN_RECV)
		return;
	rx(ACK, .seq = tl.rcv, .ack = v.snd_una - tl.peer.iss - 1);
	if (sync_state[_i].state == TCP_TIME_WAIT)
		tcp_lab_drop();
	unmoved(_i);
}
END_TEST

static void add_first_checks(TCase *tc)
{
	tcase_add_loop_test(tc, test_any_empty_before_window_acked, 0, SYNC_STATES);
	tcase_add_loop_test(tc, test_any_empty_behind_window_acked, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_old_text_acked, 0, SYNC_STATES);
	tcase_add_loop_test(tc, test_any_text_at_right_edge_acked, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_text_far_behind_window_acked, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_unacceptable_twice_acked_once, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_rst_before_window_ignored, 0, SYNC_STATES);
	tcase_add_loop_test(tc, test_any_rst_behind_window_ignored, 0, SYNC_STATES);
	tcase_add_loop_test(tc, test_any_rst_in_window_challenged, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_rst_at_last_of_window_challenged, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_rst_exact_closes, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_rst_exact_whatever_its_ack_closes, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_rst_with_text_closes, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_timewait_rst_exact_ignored, 0, 2);
	tcase_add_loop_test(tc, test_any_rst_with_bad_checksum_ignored, 0, SYNC_STATES);
}

int main(void)
{
	TCase *tc = tcase_create("synchronized");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	add_first_checks(tc);
	tcase_add_test(tc, test_challenges_limited_altogether);
	tcase_add_loop_test(tc, test_any_syn_in_window_challenged, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_syn_with_ack_in_window_challenged, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_syn_before_window_acked, 0, SYNC_STATES);
	tcase_add_loop_test(tc, test_any_without_ack_bit_dropped, 0, SYNC_STATES);
	tcase_add_loop_test(tc, test_any_fin_without_ack_bit_dropped, 0, SYNC_STATES);
	tcase_add_loop_test(tc, test_any_ack_of_unsent_acked, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_synrcvd_ack_of_nothing_reset, 0, 2);
	tcase_add_loop_test(tc, test_any_ack_far_too_old_challenged, 0, SYNC_FULL);
	tcase_add_loop_test(tc, test_any_ack_again_is_nothing, 0, SYNC_STATES);
	tcase_add_loop_test(tc, test_any_ack_old_is_nothing, 0, SYNC_STATES);
	return unit_run("tcp_state_sync", tc);
}
