/*
 * tests/tcp/test_abort_all.c - the end of a stack's connections while threads still bring segments:
 * nothing is left behind, whatever a connection becomes meanwhile.
 */
#include <pthread.h>
#include <sched.h>

#include "ip/inet_sock.h"
#include "tests/harness/tcp_lab.h"

static void *fin_comes(void *arg)
{
	rx(FIN | ACK, .seq = 1, .ack = 2);
	return NULL;
}

static void *abort_them(void *arg)
{
	tcp_abort_all(tl.st);
	return NULL;
}

/* The FIN lies on the backlog when the connection is looked up, and makes it a TIME-WAIT sock first. */
START_TEST(test_finwait2_to_timewait_meanwhile)
{
	struct batch batch;
	pthread_t t[2];
	struct sock *sk;

	tcp_lab_state(TCP_FIN_WAIT2, PASSIVE);
	weft_close(tl.fd);
	tl.fd = -1;
	sk = tcp_lab_sock();
	batch_begin(&batch, tl.st);
	sock_lock(sk);
	pthread_create(&t[0], NULL, fin_comes, NULL);
	pthread_join(t[0], NULL);
	pthread_create(&t[1], NULL, abort_them, NULL);
	while (!(atomic_load(&sk->c.lock.word) & LOCK_SLEEPERS))
		sched_yield();
	sock_unlock(sk);
	batch_end(&batch);
	pthread_join(t[1], NULL);
	sock_put(sk);
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 0);
}
END_TEST

/* Whose program has closed and whose peer has everything: a reset would cost the peer what it has not read. */
START_TEST(test_delivered_without_reset)
{
	tcp_lab_state(TCP_FIN_WAIT2, PASSIVE);
	weft_close(tl.fd);
	tl.fd = -1;
	tcp_abort_all(tl.st);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

/* Its program still reads: the peer learns that nobody does any more. */
START_TEST(test_half_closed_is_reset)
{
	tcp_lab_state(TCP_FIN_WAIT2, PASSIVE);
	tcp_abort_all(tl.st);
	tx(RST | ACK, .seq = 2, .ack = 1);
	ck_state(TCP_CLOSE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("abort_all");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_finwait2_to_timewait_meanwhile);
	tcase_add_test(tc, test_delivered_without_reset);
	tcase_add_test(tc, test_half_closed_is_reset);
	return unit_run("tcp_abort_all", tc);
}
