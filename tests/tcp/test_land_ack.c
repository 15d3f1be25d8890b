/*
 * tests/tcp/test_land_ack.c - the ACK of text that has filled the buffer of a program which waits (net/landing.h): it may wait for
 * that program, which comes back at once, but not for long.
 */
#include <fcntl.h>
#include <string.h>

#include "tests/harness/tcp_lab.h"

#define FIRST 5000u       /* bytes of the stream that came before: its frames are large ones */
#define HALF (128u << 10) /* two frames of 65000 fill it */
#define FULL 65000u
#define LARGE (2 << 20) /* of a receive buffer: half of its window is more than is held */

static struct {
	struct rxbuf rxbuf;
	struct alarm alarm;
	void (*meanwhile)(void);
	uint8_t buf[HALF];
} t;

static void fire(void *arg)
{
	t.meanwhile();
}

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	t.alarm = (struct alarm){.fire = fire, .when = ENV_NEVER};
	tcp_lab_setup();
	tl.rxbuf = &t.rxbuf;
	tl.syn.opts = O_WS;
	tl.syn.ws = 8;
	env_alarm_add(tl.env, &t.alarm);
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_int_eq(weft_fcntl(tl.fd, F_SETFL, 0), 0);
}

static void teardown(void)
{
	env_alarm_del(tl.env, &t.alarm);
	tcp_lab_teardown();
}

/* The n bytes of the stream behind `at` of what comes after the first. */
static void text(uint32_t at, uint32_t n)
{
	rx(ACK, .seq = 1 + FIRST + at, .ack = 1, .len = n);
}

/* recv() of a buffer, 1 ms into which `meanwhile` happens. */
static ssize_t wait_half(void (*meanwhile)(void))
{
	t.meanwhile = meanwhile;
	env_alarm(tl.env, &t.alarm, env_now(tl.env) + NSEC_PER_MSEC);
	return weft_recv(tl.fd, t.buf, HALF, 0);
}

static uint32_t at;

/* The first has come, and such a buffer is there for the rest. */
static void begin(int rcvbuf)
{
	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
	at = 0;
	rx(ACK, .seq = 1, .ack = 1, .len = FIRST);
	tx(ACK, .seq = 1, .ack = 1 + FIRST);
	tcp_lab_read(FIRST);
}

static void fill(void)
{
	text(at, FULL);
	text(at + FULL, FULL);
	at += 2 * FULL;
}

static void filled(void)
{
	ck_assert_int_eq(wait_half(fill), 2 * FULL);
	ck_assert(stream_is(t.buf, 2 * FULL, FIRST + at - 2 * FULL));
}

/* The ACK of a whole frame comes at once, that of what fills the buffer waits. */
static void hold(void)
{
	begin(LARGE);
	filled();
	tx(ACK, .seq = 1, .ack = 1 + FIRST + FULL);
	quiet();
}

static void overfill(void)
{
	fill();
	tx(ACK, .seq = 1, .ack = 1 + FIRST + FULL);
	text(2 * FULL, FULL);
	quiet();
	text(3 * FULL, FULL);
}

START_TEST(test_ack_of_more_is_not_held)
{
	begin(LARGE);
	ck_assert_int_eq(wait_half(overfill), HALF);
	tx(ACK, .seq = 1, .ack = 1 + FIRST + 4 * FULL);
	quiet();
}
END_TEST

/* The whole of its window, here. */
START_TEST(test_ack_of_half_a_window_is_not_held)
{
	begin(HALF);
	filled();
	tx(ACK, .seq = 1, .ack = 1 + FIRST + FULL);
	tx(ACK, .seq = 1, .ack = 1 + FIRST + 2 * FULL);
	quiet();
}
END_TEST

START_TEST(test_ack_goes_soon_when_nobody_comes)
{
	hold();
	tcp_lab_mark();
	wait_ms(10);
	tx(ACK, .seq = 1, .ack = 1 + FIRST + 2 * FULL);
	ck_assert_uint_le(tcp_lab_elapsed_ms(), 2);
}
END_TEST

static void gone_already(void)
{
	tx(ACK, .seq = 1, .ack = 1 + FIRST + 2 * FULL);
	text(at, FULL);
}

START_TEST(test_ack_goes_before_the_thread_sleeps)
{
	hold();
	t.meanwhile = gone_already;
	env_alarm(tl.env, &t.alarm, env_now(tl.env) + 10 * NSEC_PER_USEC);
	ck_assert_int_eq(weft_recv(tl.fd, t.buf, HALF, 0), FULL);
}
END_TEST

static void rest_is_sent(void)
{
	tx(ACK, .seq = 1, .ack = 1 + FIRST + 2 * FULL);
	text(at, HALF - 2 * FULL);
}

static void fill_most(void)
{
	fill();
	tx(ACK, .seq = 1, .ack = 1 + FIRST + FULL);
	t.meanwhile = rest_is_sent;
	env_alarm(tl.env, &t.alarm, env_now(tl.env) + 10 * NSEC_PER_USEC);
}

/* The same call waits for less than is worth lending for; its sender may wait, too. */
START_TEST(test_ack_goes_before_the_rest_is_waited_for)
{
	begin(LARGE);
	t.meanwhile = fill_most;
	env_alarm(tl.env, &t.alarm, env_now(tl.env) + NSEC_PER_MSEC);
	ck_assert_int_eq(weft_recv(tl.fd, t.buf, HALF, MSG_WAITALL), HALF);
	ck_assert(stream_is(t.buf, HALF, FIRST));
}
END_TEST

START_TEST(test_ack_rides_on_an_answer)
{
	hold();
	tcp_lab_write(10);
	tx(ACK | PSH, .seq = 1, .ack = 1 + FIRST + 2 * FULL, .len = 10);
	quiet();
}
END_TEST

static void fill_and_fin(void)
{
	fill();
	rx(ACK | FIN, .seq = 1 + FIRST + at, .ack = 1);
}

START_TEST(test_ack_of_a_fin_is_not_held)
{
	begin(LARGE);
	ck_assert_int_eq(wait_half(fill_and_fin), 2 * FULL);
	tx(ACK, .seq = 1, .ack = 1 + FIRST + FULL);
	tx(ACK, .seq = 1, .ack = 2 + FIRST + 2 * FULL);
	quiet();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("land_ack");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_ack_of_more_is_not_held);
	tcase_add_test(tc, test_ack_of_half_a_window_is_not_held);
	tcase_add_test(tc, test_ack_goes_soon_when_nobody_comes);
	tcase_add_test(tc, test_ack_goes_before_the_thread_sleeps);
	tcase_add_test(tc, test_ack_goes_before_the_rest_is_waited_for);
	tcase_add_test(tc, test_ack_rides_on_an_answer);
	tcase_add_test(tc, test_ack_of_a_fin_is_not_held);
	return unit_run("land_ack", tc);
}
