/*
 * tests/tcp/test_wrap.c - after 4 GB SND.UNA is what it was before our SYN was acknowledged: the connection goes on as
 * before, whether that ACK leaves something out or nothing; and what was noted of numbers is not of those that come again.
 */
#include "tcp/tcp_priv.h"
#include "tests/harness/tcp_lab.h"

#define N 1000u

/* ESTABLISHED; the next n bytes are the last of 4 GB. */
static void come_round(uint32_t n)
{
	struct tcp_sock *ts;
	struct sock *sk;

	tcp_lab_established(&(struct seg){.mss = N, .opts = O_SACK_OK});
	tcp_lab_write(N);
	rx(ACK, .seq = 1, .ack = 1 + N);
	tcp_lab_drop();
	advance_ms(5000); /* no round trip is so long */
	sk = tcp_lab_sock();
	ts = tcp_sk(sk);
	ts->iss = ts->snd_una + n;
	ts->est->bytes_acked = UINT32_MAX - n;
	ts->est->cwnd = 40 * N;
	sock_put(sk);
}

static struct tcp_view view(void)
{
	struct tcp_view v;

	ck_assert(tcp_lab_view(&v));
	return v;
}

START_TEST(test_request_after_the_last_byte)
{
	come_round(N);
	tcp_lab_write(N);
	tx(ACK, .seq = 1 + N, .ack = 1, .len = N);
	rx(ACK, .seq = 1, .ack = 1 + 2 * N);
	quiet();
	rx(ACK | PSH, .seq = 1, .ack = 1 + 2 * N, .len = 10);
	tcp_lab_read(10);
	tcp_lab_drop();
	tcp_lab_write(N);
	tx(ACK, .seq = 1 + 2 * N, .ack = 11, .len = N);
	quiet();
	rx(ACK, .seq = 11, .ack = 1 + 3 * N);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_more_is_out_than_the_last_byte)
{
	struct tcp_view before, after;

	come_round(N);
	tcp_lab_write(3 * N);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1 + 2 * N);
	tcp_lab_write(N);
	tx(ACK, .seq = 1 + 4 * N, .ack = 1, .len = N);
	before = view();
	rx(ACK, .seq = 1, .ack = 1 + 5 * N);
	after = view();
	ck_assert_uint_le(after.srtt_us, before.srtt_us);
	ck_assert_uint_ge(after.cwnd, before.cwnd);
	ck_assert_uint_eq(after.snd_una, after.snd_nxt);
}
END_TEST

START_TEST(test_time_out_behind_the_last_byte)
{
	come_round(N);
	tcp_lab_write(3 * N);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1 + 2 * N);
	quiet();
	wait_ms(20000);
	tx(ACK, .seq = 1 + 3 * N, .ack = 1, .len = N); /* the probe */
	wait_ms(20000);
	tx(ACK, .seq = 1 + 2 * N, .ack = 1, .len = N);
	rx(ACK, .seq = 1, .ack = 1 + 4 * N);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

/* What blocks said in a loss of 4 GB ago says nothing of the same numbers now. */
START_TEST(test_blocks_of_the_last_round_forgotten)
{
	struct sock *sk;

	come_round(3 * N);
	tcp_lab_write(4 * N);
	tcp_lab_drop();
	sk = tcp_lab_sock();
	tcp_sk(sk)->est->xfer->sack_seen[0][0] = tcp_sk(sk)->snd_una + N;
	tcp_sk(sk)->est->xfer->sack_seen[0][1] = tcp_sk(sk)->snd_una + 4 * N;
	rx(ACK, .seq = 1, .ack = 1 + N, .nsack = 1, .sack = {{1 + 2 * N, 1 + 5 * N}});
	ck_assert_uint_eq(tcp_sk(sk)->est->xfer->sacked, 3 * N);
	sock_put(sk);
	tcp_lab_drop();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("wrap");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_request_after_the_last_byte);
	tcase_add_test(tc, test_more_is_out_than_the_last_byte);
	tcase_add_test(tc, test_time_out_behind_the_last_byte);
	tcase_add_test(tc, test_blocks_of_the_last_round_forgotten);
	return unit_run("tcp_wrap", tc);
}
