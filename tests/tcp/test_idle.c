/*
 * tests/tcp/test_idle.c - what an idle connection has: 320 bytes when it was never used, 512 after a
 * request; no timer; and when it is used at last, all that it had known.
 */
#include <errno.h>
#include <netinet/in.h>

#include "tcp/tcp_priv.h"
#include "tests/harness/tcp_lab.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

/* Nobody else is there: without its lock, and held by its table. */
static const struct tcp_sock *conn(void)
{
	struct sock *sk = tcp_lab_sock();

	sock_put(sk);
	return tcp_sk(sk);
}

static void ck_size(size_t want)
{
	const struct tcp_sock *ts = conn();
	size_t n = sizeof(*ts);

	if (tcp_est_is_own(ts))
		n += sizeof(*ts->est) + (ts->est->xfer ? sizeof(*ts->est->xfer) : 0);
	n += ts->est->cc_priv ? 64 : 0;
	n += ts->rare == &tcp_rare_none ? 0 : sizeof(*ts->rare);
	ck_assert_uint_eq(n, want);
}

static void ck_no_timer(void)
{
	for (unsigned d = 0; d < TCP_DUE_MAX; d++)
		ck_assert_uint_eq(conn()->due[d], 0);
}

static struct tcp_info info(void)
{
	struct tcp_info t = {0};
	socklen_t n = sizeof(t);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &t, &n), 0);
	return t;
}

START_TEST(test_never_used_has_320_bytes)
{
	tcp_lab_state(TCP_ESTABLISHED, _i ? ACTIVE : PASSIVE);
	advance_ms(1000);
	ck_size(320);
	ck_no_timer();
	ck_assert_uint_eq(info().tcpi_snd_cwnd, 10);
	ck_size(320); /* who asks leaves it as it was */
}
END_TEST

START_TEST(test_used_once_has_512_bytes)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(ACK, .seq = 1, .ack = 1, .len = 64);
	tx(ACK, .seq = 1, .ack = 65);
	tcp_lab_read(64);
	tcp_lab_write(64);
	tx(ACK, .seq = 1, .ack = 65, .len = 64);
	rx(ACK, .seq = 65, .ack = 65);
	advance_ms(1000);
	ck_size(512);
	quiet();
	advance_ms(60000);
	ck_no_timer();
	ck_size(512);
}
END_TEST

/* The SYN's round trip is the first sample, however long ago. */
START_TEST(test_knows_its_round_trip_when_used)
{
	tl.fd = tcp_lab_connect();
	tx(SYN);
	advance_ms(100);
	rx(SYN | ACK, .seq = 0, .ack = 1);
	tx(ACK, .seq = 1, .ack = 1);
	advance_ms(3600 * 1000);
	ck_size(320);
	tcp_lab_write(100);
	tx(ACK, .seq = 1, .ack = 1, .len = 100);
	ck_assert_uint_eq(info().tcpi_rtt, 100000);
	ck_assert_uint_eq(info().tcpi_min_rtt, 100000);
	ck_assert_uint_eq(info().tcpi_rto, 300000);
}
END_TEST

START_TEST(test_closed_unused_with_fin)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_size(320);
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2);
	ck_state(TCP_FIN_WAIT2);
	rx(FIN | ACK, .seq = 1, .ack = 2);
	tx(ACK, .seq = 2, .ack = 2);
	ck_state(TCP_TIME_WAIT);
}
END_TEST

START_TEST(test_reset_unused)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_size(320);
	rx(RST, .seq = 1);
	quiet();
	tcp_lab_read_errno(ECONNRESET);
}
END_TEST

START_TEST(test_options_make_the_block_of_rare_things)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	ck_size(320 + sizeof(struct tcp_rare));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("idle");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_never_used_has_320_bytes, 0, 2);
	tcase_add_test(tc, test_used_once_has_512_bytes);
	tcase_add_test(tc, test_knows_its_round_trip_when_used);
	tcase_add_test(tc, test_closed_unused_with_fin);
	tcase_add_test(tc, test_reset_unused);
	tcase_add_test(tc, test_options_make_the_block_of_rare_things);
	return unit_run("tcp_idle", tc);
}
