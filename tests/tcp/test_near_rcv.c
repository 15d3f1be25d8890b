/*
 * tests/tcp/test_near_rcv.c - how large a receive buffer grows on a short path: to what the queue of a device
 * without super-frames holds; to the setting where it has them, or where the path is not short, or not any more.
 */
#include "tcp/tcp_priv.h"
#include "tests/harness/tcp_lab.h"

#define FIRST 131072u
#define MOST 6291456u /* the setting */
#define MSS 1460u
#define FITS (2 * 720 * MSS)
#define NEAR_US 99u
#define FAR_US 100u

static uint32_t at, edge; /* the peer's next number; the right edge it has seen */

static void see_windows(void)
{
	struct tcp_view v;
	struct seg s;

	ck_assert(tcp_lab_view(&v));
	while (tcp_lab_take(&s))
		edge = s.ack + ((uint32_t)s.wnd << v.rcv_wscale);
}

static uint32_t rcvbuf(void)
{
	struct tcp_view v;

	ck_assert(tcp_lab_view(&v));
	return v.rcvbuf;
}

/* What the device can, and how far the peer is. */
static void set_path(unsigned features, uint32_t us)
{
	struct sock *sk = tcp_lab_sock();

	tl.dev->features = features;
	tcp_sk(sk)->est->min_rtt_us = us;
	sock_put(sk);
}

static void segment(void)
{
	rx(ACK, .seq = at, .ack = 1, .len = MSS);
	at += MSS;
}

/* A first segment: what it has learnt is its own from there on. */
static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_rmem.default", FIRST);
	tcp_lab_sysctl("net.ipv4.tcp_rmem.max", MOST);
	tcp_lab_established(&(struct seg){.mss = MSS, .opts = O_WS, .ws = 7});
	at = 1;
	edge = 1 + 65535;
	segment();
	tcp_lab_read(MSS);
	see_windows();
}

/* The peer fills the window every `ms`, 24 times, and all is read at once. */
static void stream(unsigned ms)
{
	for (unsigned i = 0; i < 24; i++) {
		uint32_t from = at;

		while (at + MSS <= edge)
			segment();
		tcp_lab_read(at - from);
		see_windows();
		advance_ms(ms);
	}
}

START_TEST(test_near_plain_fits_the_queue)
{
	set_path(0, NEAR_US);
	stream(1);
	ck_assert_uint_eq(rcvbuf(), FITS);
	ck_assert_uint_gt(edge - at, FITS / 2 - 65536);
	ck_assert_uint_le(edge - at, FITS / 2);
}
END_TEST

START_TEST(test_near_with_offload_gets_all)
{
	set_path(NETDEV_F_ALL, NEAR_US);
	stream(1);
	ck_assert_uint_eq(rcvbuf(), MOST);
}
END_TEST

START_TEST(test_far_plain_gets_all)
{
	set_path(0, FAR_US);
	stream(1);
	ck_assert_uint_eq(rcvbuf(), MOST);
}
END_TEST

/* The path has become another: the round trip of the handshake says nothing any more. */
START_TEST(test_near_that_grew_far_gets_all)
{
	set_path(0, NEAR_US);
	stream(20);
	ck_assert_uint_eq(rcvbuf(), MOST);
}
END_TEST

START_TEST(test_near_plain_gets_no_more_than_the_setting)
{
	tcp_lab_sysctl("net.ipv4.tcp_rmem.max", 3 * FIRST);
	set_path(0, NEAR_US);
	stream(1);
	ck_assert_uint_eq(rcvbuf(), 3 * FIRST);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("near_rcv");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_near_plain_fits_the_queue);
	tcase_add_test(tc, test_near_with_offload_gets_all);
	tcase_add_test(tc, test_far_plain_gets_all);
	tcase_add_test(tc, test_near_that_grew_far_gets_all);
	tcase_add_test(tc, test_near_plain_gets_no_more_than_the_setting);
	return unit_run("tcp_near_rcv", tc);
}
