/*
 * tests/tcp/test_mib_loss.c - counters of losses by how they were found and what became of it, and of D-SACKs: each
 * event once, under the name of what was agreed on.
 */
#include "tests/harness/loss_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
	tcp_lab_sysctl("net.ipv4.tcp_recovery", 0); /* three duplicates, no clock */
	tcp_lab_sysctl("net.ipv4.tcp_frto", 0);
}

/* Ten are out; the first is lost, and so many behind it are told of. */
static void first_lost(unsigned opts, unsigned told)
{
	loss_open(opts);
	loss_write(10);
	sent(0, 10);
	advance_ms(LOSS_RTT_MS);
	for (unsigned i = 1; i <= told; i++) {
		if (opts)
			sacks(0, 1, {{1, 1 + i}});
		else
			has(0);
	}
}

static void time_out(void)
{
	tcp_lab_drop();
	wait_ms(3000);
	tcp_lab_drop();
	ck_mib(TCPTimeouts, 1);
	ck_state_is(LOSS);
}

/* By _i: whether SACK was agreed on. */
START_TEST(test_recovery_and_its_failure)
{
	first_lost(_i ? O_SACK_OK : 0, 3);
	next_is(0);
	ck_state_is(RECOVERY);
	ck_mib(TCPSackRecovery, _i);
	ck_mib(TCPRenoRecovery, !_i);
	time_out();
	ck_mib(TCPSackRecoveryFail, _i);
	ck_mib(TCPRenoRecoveryFail, !_i);
	ck_mib(TCPSackFailures, 0);
	ck_mib(TCPRenoFailures, 0);
}
END_TEST

START_TEST(test_time_out_in_disorder)
{
	first_lost(_i ? O_SACK_OK : 0, 1);
	ck_state_is(DISORDER);
	time_out();
	ck_mib(TCPSackFailures, _i);
	ck_mib(TCPRenoFailures, !_i);
	ck_mib(TCPSackRecoveryFail, 0);
	ck_mib(TCPRenoRecoveryFail, 0);
}
END_TEST

START_TEST(test_time_out_of_all_is_no_failure)
{
	first_lost(_i ? O_SACK_OK : 0, 0);
	time_out();
	ck_mib(TCPSackFailures, 0);
	ck_mib(TCPRenoFailures, 0);
	ck_mib(TCPLossFailures, 0);
}
END_TEST

/* One was sent again, and came twice. */
START_TEST(test_dsack_counts_its_segments)
{
	first_lost(O_SACK_OK, 3);
	next_is(0);
	tcp_lab_drop();
	has(10);
	sacks(10, 1, {{0, 1}});
	ck_mib(TCPDSACKRecv, 1);
	ck_mib(TCPDSACKRecvSegs, 1);
	ck_mib(TCPDSACKIgnoredDubious, 0);
	sacks(10, 1, {{1, 4}}); /* three more than were ever sent again */
	ck_mib(TCPDSACKRecv, 2);
	ck_mib(TCPDSACKRecvSegs, 1);
	ck_mib(TCPDSACKIgnoredDubious, 1);
}
END_TEST

/* Of what this ACK is the first to acknowledge: nothing can be undone by it, or nothing is to be. */
START_TEST(test_dsack_of_what_was_out)
{
	first_lost(O_SACK_OK, _i ? 3 : 0);
	tcp_lab_drop();
	sacks(4, 1, {{0, 2}});
	ck_mib(TCPDSACKIgnoredOld, _i);
	ck_mib(TCPDSACKIgnoredNoUndo, !_i);
}
END_TEST

START_TEST(test_syn_sent_again)
{
	tcp_lab_connect();
	tx(SYN, .seq = 0);
	ck_mib(TCPSynRetrans, 0);
	wait_ms(1100);
	tx(SYN, .seq = 0);
	ck_mib(TCPSynRetrans, 1);
	ck_mib(TCPTimeouts, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("mib_loss");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_recovery_and_its_failure, 0, 2);
	tcase_add_loop_test(tc, test_time_out_in_disorder, 0, 2);
	tcase_add_loop_test(tc, test_time_out_of_all_is_no_failure, 0, 2);
	tcase_add_test(tc, test_dsack_counts_its_segments);
	tcase_add_loop_test(tc, test_dsack_of_what_was_out, 0, 2);
	tcase_add_test(tc, test_syn_sent_again);
	return unit_run("tcp_mib_loss", tc);
}
