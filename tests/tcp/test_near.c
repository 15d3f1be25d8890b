/*
 * tests/tcp/test_near.c - how much of a send buffer is filled on a short path: what keeps it full, less and less where
 * much memory is in use, and never less than what fills such a path.
 */
#include <errno.h>
#include <netinet/in.h>

#include "lib/stack.h"
#include "net/pkbuf.h"
#include "tcp/tcp_priv.h"
#include "tests/harness/tcp_lab.h"

#define MB (1u << 20)
#define SNDBUF (4 * MB)
#define FULL (SNDBUF - 65536) /* what is in use counts packets and rests of pieces too */
#define MOST (2 * MB)
#define LEAST (MB / 2)
#define SLACK 65536 /* the last write goes beyond */
#define NEAR_US 100u
#define FAR_US 500u

#define PIECE 65536 /* of PIECE_LARGE a little is left over */

static struct piece *held[10 * MB / PIECE];
static unsigned nheld;

static void setup(void)
{
	nheld = 0;
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_wmem.default", SNDBUF);
	tcp_lab_established(&(struct seg){.mss = 1460});
	tcp_lab_write(1); /* what it has learnt is its own from here on */
	rx(ACK, .seq = 1, .ack = 2);
	tcp_lab_drop();
}

static void hold(uint32_t n)
{
	for (; n; n -= PIECE)
		held[nheld++] = piece_alloc(tl.st, PIECE_LARGE);
}

static void let_go(void)
{
	while (nheld)
		piece_put(held[--nheld]);
}

static void teardown(void)
{
	let_go();
	tcp_lab_teardown();
}

static void set_rtts(uint32_t min_us, uint32_t smoothed_us)
{
	struct sock *sk = tcp_lab_sock();

	tcp_sk(sk)->est->min_rtt_us = min_us;
	tcp_sk(sk)->est->srtt_us = smoothed_us;
	sock_put(sk);
}

static void set_rtt(uint32_t us)
{
	set_rtts(us, us);
}

/* Writes until there is no room; the bytes that wait then. */
static uint32_t fill(void)
{
	static const uint8_t bytes[65536];
	struct sock *sk = tcp_lab_sock();
	uint32_t n;

	sock_put(sk);
	while (weft_send(tl.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
	n = sk->snd_bytes;
	return n;
}

static void fills(uint32_t n)
{
	uint32_t is = fill();

	ck_assert_uint_ge(is, n);
	ck_assert_uint_lt(is, n + SLACK);
}

START_TEST(test_near_fills_what_keeps_it_full)
{
	set_rtt(NEAR_US);
	fills(MOST);
}
END_TEST

START_TEST(test_near_fills_the_least_where_much_is_in_use)
{
	set_rtt(NEAR_US);
	hold(10 * MB);
	fills(LEAST);
	let_go();
	fills(MOST);
}
END_TEST

START_TEST(test_near_fills_less_as_memory_fills)
{
	uint32_t n;

	set_rtt(NEAR_US);
	hold(5 * MB);
	n = fill();
	ck_assert_uint_gt(n, LEAST + SLACK);
	ck_assert_uint_lt(n, MOST - SLACK);
}
END_TEST

/* Nor does the share of a memory that is short give more. */
START_TEST(test_near_fills_the_least_where_memory_is_short)
{
	tcp_lab_sysctl("net.weft.mem_limit", 17 * MB);
	set_rtt(NEAR_US);
	hold(10 * MB);
	fills(LEAST);
}
END_TEST

/* One answer was near, those behind it are not. */
START_TEST(test_far_behind_one_that_is_near_fills_all)
{
	set_rtts(NEAR_US, 20 * FAR_US);
	ck_assert_uint_ge(fill(), FULL);
}
END_TEST

START_TEST(test_far_fills_all)
{
	set_rtt(FAR_US);
	hold(10 * MB);
	ck_assert_uint_ge(fill(), FULL);
}
END_TEST

/* What packets are charged beside their bytes is in it. */
START_TEST(test_near_fills_what_the_program_has_set)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_SNDBUF, SNDBUF / 2);
	set_rtt(NEAR_US);
	hold(10 * MB);
	ck_assert_uint_ge(fill(), SNDBUF / 16 * 15);
}
END_TEST

/* Room to write is what the limit says now, not what it was. */
START_TEST(test_near_poll_follows_the_memory)
{
	set_rtt(NEAR_US);
	hold(10 * MB);
	fill();
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
	let_go();
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, POLLOUT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("near");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_near_fills_what_keeps_it_full);
	tcase_add_test(tc, test_near_fills_the_least_where_much_is_in_use);
	tcase_add_test(tc, test_near_fills_less_as_memory_fills);
	tcase_add_test(tc, test_near_fills_the_least_where_memory_is_short);
	tcase_add_test(tc, test_far_behind_one_that_is_near_fills_all);
	tcase_add_test(tc, test_far_fills_all);
	tcase_add_test(tc, test_near_fills_what_the_program_has_set);
	tcase_add_test(tc, test_near_poll_follows_the_memory);
	return unit_run("tcp_near", tc);
}
