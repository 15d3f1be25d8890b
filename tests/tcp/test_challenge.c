/*
 * tests/tcp/test_challenge.c - RFC 5961 where an attacker would try it: RST, SYN, ACK and data that
 * nearly fit, how often they are answered, and what a peer that means it does next.
 */
#include <errno.h>

#include "tests/harness/tcp_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tl.syn = (struct seg){.mss = 1460, .opts = O_SACK_OK};
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

static uint64_t challenges(void)
{
	return tcp_lab_mib(MIB_TcpExt_TCPChallengeACK);
}

/* 3.2: the peer restarted, and answers the challenge with a RST that fits. */
START_TEST(test_rst_in_window_challenged_then_exact)
{
	rx(RST, .seq = 100);
	tx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
	rx(RST, .seq = 1);
	quiet();
	ck_state(TCP_CLOSE);
	tcp_lab_read_errno(ECONNRESET);
}
END_TEST

START_TEST(test_rst_out_of_window_silent)
{
	rx(RST, .seq = 0);
	rx(RST, .seq = 1 + 70000 * 16);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert_uint_eq(challenges(), 0);
}
END_TEST

/* What was lost will never come: the RST stands behind the last byte that did. */
START_TEST(test_rst_behind_highest_sacked_resets)
{
	rx(ACK, .seq = 101, .ack = 1, .len = 100);
	rx(ACK, .seq = 301, .ack = 1, .len = 100);
	tcp_lab_drop();
	rx(RST, .seq = 201); /* the end of the lower one is no end */
	tx(ACK, .seq = 1, .ack = 1, .nsack = 2, .sack = {{301, 401}, {101, 201}});
	ck_state(TCP_ESTABLISHED);
	rx(RST, .seq = 401);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

/* 4.2: a SYN is never obeyed, wherever it stands. */
START_TEST(test_syn_challenged_wherever_it_stands)
{
	static const uint32_t seq[] = {0, 1, 100, 0x40000000, 0x80000001};

	for (unsigned i = 0; i < 5; i++) {
		rx(SYN, .seq = seq[i], .mss = 1460);
		tx(ACK, .seq = 1, .ack = 1);
		advance_ms(501);
	}
	ck_state(TCP_ESTABLISHED);
	ck_assert_uint_eq(challenges(), 5);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPSYNChallenge), 5);
}
END_TEST

/* 5.2: text with an ACK of what was never sent, or of what nobody can still acknowledge. */
START_TEST(test_text_with_impossible_ack_not_taken)
{
	rx(ACK, .seq = 1, .ack = 2, .len = 10);
	quiet();
	advance_ms(40);
	tx(ACK, .seq = 1, .ack = 1);
	advance_ms(501);
	rx(ACK, .seq = 1, .ack = (uint32_t)-1, .len = 10);
	tx(ACK, .seq = 1, .ack = 1);
	ck_assert_uint_eq(challenges(), 2);
	rx(ACK, .seq = 1, .ack = 0, .len = 10); /* as old as the SYN: it may be */
	tx(ACK, .seq = 1, .ack = 11);
	tcp_lab_read(10);
}
END_TEST

/* 5.2: how far back is bounded by what was acknowledged, not by the largest window alone. */
START_TEST(test_old_ack_bounded_by_bytes_acked)
{
	tcp_lab_write(1000);
	tx(ACK | PSH, .seq = 1, .ack = 1, .len = 1000);
	rx(ACK, .seq = 1, .ack = 1001);
	rx(ACK, .seq = 1, .ack = 1, .len = 10); /* it was overtaken */
	tx(ACK, .seq = 1001, .ack = 11);
	rx(ACK, .seq = 11, .ack = (uint32_t)-1, .len = 10);
	tx(ACK, .seq = 1001, .ack = 11);
	ck_assert_uint_eq(challenges(), 1);
}
END_TEST

/* 7: one in net.ipv4.tcp_invalid_ratelimit of a connection, whatever provokes it. */
START_TEST(test_challenges_limited_for_a_connection)
{
	rx(RST, .seq = 100);
	tx(ACK, .seq = 1, .ack = 1);
	for (unsigned i = 0; i < 4; i++) {
		advance_ms(100);
		rx(RST, .seq = 100 + i);
		rx(SYN, .seq = 200);
		rx(ACK, .seq = 1, .ack = 5000);
	}
	quiet();
	ck_assert_uint_eq(challenges(), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPACKSkippedChallenge), 12);
	advance_ms(101);
	rx(RST, .seq = 100);
	tx(ACK, .seq = 1, .ack = 1);
	tcp_lab_sysctl("net.ipv4.tcp_invalid_ratelimit", 0);
	rx(RST, .seq = 100);
	tx(ACK, .seq = 1, .ack = 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("challenge");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_rst_in_window_challenged_then_exact);
	tcase_add_test(tc, test_rst_out_of_window_silent);
	tcase_add_test(tc, test_rst_behind_highest_sacked_resets);
	tcase_add_test(tc, test_syn_challenged_wherever_it_stands);
	tcase_add_test(tc, test_text_with_impossible_ack_not_taken);
	tcase_add_test(tc, test_old_ack_bounded_by_bytes_acked);
	tcase_add_test(tc, test_challenges_limited_for_a_connection);
	return unit_run("tcp_challenge", tc);
}
