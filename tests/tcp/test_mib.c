/*
 * tests/tcp/test_mib.c - counters by Linux's names count what Linux's do: each event once, in segments
 * of the wire.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "lib/wire/icmp4.h"
#include "net/pkbuf.h"
#include "tcp/tcp_priv.h"
#include "tests/harness/tappair.h"
#include "tests/harness/tcp_lab.h"

#ifdef NDEBUG
enum { STOPPED_BY = 0 };
#else
enum { STOPPED_BY = SIGABRT };
#endif

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

START_TEST(test_header_prediction_by_kind)
{
	uint64_t acks = tcp_lab_mib(MIB_TcpExt_TCPHPAcks);

	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tcp_lab_drop();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPHPHits), 1);
	tcp_lab_write(10);
	tcp_lab_drop();
	rx(ACK, .seq = 11, .ack = 11);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPHPAcks), acks + 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPHPHits), 1);
}
END_TEST

/* Sent again is not sent: the first is counted when it goes, what is delivered when it is told. */
START_TEST(test_data_sent_and_delivered)
{
	tcp_lab_write(3000); /* three segments */
	tcp_lab_drop();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPOrigDataSent), 3);
	wait_ms(2000);
	tcp_lab_drop();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPOrigDataSent), 3);
	ck_assert_uint_ge(tcp_lab_mib(MIB_Tcp_RetransSegs), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDelivered), 0);
	rx(ACK, .seq = 1, .ack = 3001);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDelivered), 3);
}
END_TEST

START_TEST(test_small_segments_coalesced)
{
	for (uint32_t i = 0; i < 5; i++)
		rx(ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10);
	tcp_lab_drop();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPRcvCoalesce), 4);
	tcp_lab_read(50);
}
END_TEST

/* RFC 4022: connections that were ESTABLISHED and went straight to CLOSED. */
START_TEST(test_reset_connection_counted)
{
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_tcp_established), 1);
	rx(RST, .seq = 1);
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_tcp_established), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_EstabResets), 1);
}
END_TEST

/* Nothing new in it; what was put away before counts once. */
START_TEST(test_same_text_out_of_order_again)
{
	rx(ACK, .seq = 1001, .ack = 1, .len = 1000);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPOFOQueue), 1);
	rx(ACK, .seq = 1501, .ack = 1, .len = 500);
	tcp_lab_drop();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPOFOMerge), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPOFOQueue), 1);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_OLD_DATA), 1);
}
END_TEST

/* RFC 5961, 7: of answers to what lies outside the window there is one in a while. */
START_TEST(test_answer_left_out_counted)
{
	rx(ACK, .seq = 90000, .ack = 1);
	tx(ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 90000, .ack = 1);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPACKSkippedSeq), 1);
	ck_assert_uint_ge(pkbuf_drops(tl.st, DROP_TCP_WINDOW), 2);
}
END_TEST

/* RFC 7323, 5.3, R1: an old duplicate is answered, once in a while. */
START_TEST(test_answer_to_an_old_duplicate_left_out)
{
	tcp_lab_peer(1);
	tcp_lab_established(&(struct seg){.mss = 1460, .opts = O_TS, .tsval = 1000});
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPACKSkippedPAWS), 0);
		rx(ACK, .seq = 1, .ack = 1, .opts = O_TS, .tsval = 900, .tsecr = tl.peer.ts_last);
		if (i == 0)
			tx(ACK, .seq = 1, .ack = 1);
	}
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPACKSkippedPAWS), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_PAWSEstab), 2);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_PAWS), 2);
}
END_TEST

START_TEST(test_answer_in_time_wait_left_out)
{
	tcp_lab_peer(1);
	tcp_lab_state(TCP_TIME_WAIT, PASSIVE);
	for (unsigned i = 0; i < 3; i++)
		rx(ACK, .seq = tl.rcv, .ack = tl.snd, .len = 10);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPACKSkippedTimeWait), 2);
}
END_TEST

/* A debug build stops there; else that connection alone does. */
START_TEST(test_move_that_is_none)
{
	struct sock *sk = tcp_lab_sock();
	struct batch batch;

	batch_begin(&batch, tl.st);
	sock_lock(sk);
	tcp_set_state(tcp_sk(sk), TCP_TIME_WAIT);
	sock_unlock(sk);
	batch_end(&batch);
	tx(RST | ACK, .seq = 1, .ack = 1);
	ck_state(TCP_CLOSE);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPIllegalState), 1);
	tcp_lab_read_errno(ECONNABORTED);
	sock_put(sk);
}
END_TEST

/* --- a lock that another thread holds ------------------------------------------------------------ */

static struct {
	struct sock *sk;
	sem_t held, over;
} other;

static void *other_run(void *arg)
{
	sock_lock(other.sk);
	sem_post(&other.held);
	await(&other.over);
	sock_unlock(other.sk);
	return NULL;
}

/* What comes meanwhile has to wait, and there is no room to: as on a wire that loses it. */
START_TEST(test_backlog_is_full)
{
	const uint32_t full = 1u << 30;
	pthread_t thread;

	other.sk = tcp_lab_sock();
	sem_init(&other.held, 0, 0);
	sem_init(&other.over, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, other_run, NULL), 0);
	await(&other.held);
	atomic_fetch_add(&other.sk->backlog_bytes, full);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 1, 0);
	atomic_fetch_sub(&other.sk->backlog_bytes, full);
	sem_post(&other.over);
	pthread_join(thread, NULL);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPBacklogDrop), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_LockDroppedIcmps), 1);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_SOCK_BACKLOG), 2);
	sock_put(other.sk);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tcp_lab_drop();
	tcp_lab_read(10);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("mib");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_header_prediction_by_kind);
	tcase_add_test(tc, test_data_sent_and_delivered);
	tcase_add_test(tc, test_small_segments_coalesced);
	tcase_add_test(tc, test_reset_connection_counted);
	tcase_add_test(tc, test_same_text_out_of_order_again);
	tcase_add_test(tc, test_answer_left_out_counted);
	tcase_add_test(tc, test_answer_to_an_old_duplicate_left_out);
	tcase_add_test(tc, test_answer_in_time_wait_left_out);
	tcase_add_test_raise_signal(tc, test_move_that_is_none, STOPPED_BY);
	tcase_add_test(tc, test_backlog_is_full);
	return unit_run("tcp_mib", tc);
}
