/*
 * tests/tcp/test_timewait_meanwhile.c - a TIME-WAIT sock that another thread finds and ends while the one
 * that made it has still to arm its timer: nothing of it is left, however it ended.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>

#include "tests/harness/tcp_lab.h"

/* An env in which another thread comes between table and wheel, where the clock is looked at. */
static struct {
	const struct env_ops *lab;
	void *(*meanwhile)(void *arg);
} race;

static uint64_t race_now(struct env *e)
{
	void *(*fn)(void *arg) = race.meanwhile;
	pthread_t t;

	if (fn && gauge_read(tl.st, GAUGE_timewait) == 1) {
		race.meanwhile = NULL;
		ck_assert_int_eq(pthread_create(&t, NULL, fn, NULL), 0);
		pthread_join(t, NULL);
	}
	return race.lab->now(e);
}

/* From FIN-WAIT-2 to TIME-WAIT, and fn then. */
static void fin_and(void *(*fn)(void *arg))
{
	struct env_ops ops = *tl.env->ops;

	race.lab = tl.env->ops;
	race.meanwhile = fn;
	ops.now = race_now;
	tl.env->ops = &ops;
	rx(FIN | ACK, .seq = 1, .ack = 2);
	tl.env->ops = race.lab;
	ck_assert_ptr_null(race.meanwhile);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_timewait), 0);
}

static void setup_passive(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_FIN_WAIT2, PASSIVE);
	weft_close(tl.fd);
	tl.fd = -1;
}

/* The peer has had the ACK of its FIN, and comes again from the same port. */
static void *syn_comes(void *arg)
{
	rx(SYN, .seq = 3, .mss = 1460);
	return NULL;
}

START_TEST(test_timewait_syn_meanwhile)
{
	setup_passive();
	fin_and(syn_comes);
	ck_state(TCP_SYN_RECV);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TWRecycled), 1);
}
END_TEST

static void *stack_ends(void *arg)
{
	tcp_abort_all(tl.st);
	return NULL;
}

START_TEST(test_timewait_abort_all_meanwhile)
{
	setup_passive();
	fin_and(stack_ends);
	ck_state(TCP_CLOSE);
}
END_TEST

/* From the same port of ours; the errno, or 0. */
static int connect_from_port(void)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(5555)}, to;

	to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};
	to.sin_addr.s_addr = htonl(0x0a000002);
	tl.fd = tcp_lab_socket();
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_REUSEADDR, 1);
	ck_assert_int_eq(weft_bind(tl.fd, (struct sockaddr *)&from, sizeof(from)), 0);
	return weft_connect(tl.fd, (struct sockaddr *)&to, sizeof(to)) ? errno : 0;
}

static void *connects_again(void *arg)
{
	weft_use(tl.st);
	ck_assert_int_eq(connect_from_port(), EINPROGRESS);
	return NULL;
}

START_TEST(test_timewait_own_connect_meanwhile)
{
	tcp_lab_setup();
	ck_assert_int_eq(connect_from_port(), EINPROGRESS);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .opts = O_TS);
	tx(ACK, .seq = 1, .ack = 1);
	weft_close(tl.fd);
	tx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK, .seq = 1, .ack = 2);
	fin_and(connects_again);
	ck_state(TCP_SYN_SENT);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TWRecycled), 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timewait_meanwhile");

	tcase_add_checked_fixture(tc, NULL, tcp_lab_teardown);
	tcase_add_test(tc, test_timewait_syn_meanwhile);
	tcase_add_test(tc, test_timewait_abort_all_meanwhile);
	tcase_add_test(tc, test_timewait_own_connect_meanwhile);
	return unit_run("tcp_timewait_meanwhile", tc);
}
