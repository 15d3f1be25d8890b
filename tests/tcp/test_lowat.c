/*
 * tests/tcp/test_lowat.c - room to write: TCP_NOTSENT_LOWAT, and who was refused is told once, when
 * it is worth it, and nobody else.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define MSS 1000u
#define FLIGHT (10 * MSS)
#define BURST 32000u /* half of the peer's window, in whole segments */
#define LOWAT 32000

static int epfd;

static void setup(void)
{
	epfd = 0;
	tcp_lab_setup();
	tcp_lab_established(&(struct seg){.mss = MSS});
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void teardown(void)
{
	if (epfd)
		weft_close(epfd);
	tcp_lab_teardown();
}

/* Edge triggered, and what holds at the start is told already. */
static void watch(void)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET};

	epfd = weft_epoll_create1(0);
	ck_assert_int_ge(epfd, 0);
	ck_assert_int_eq(weft_epoll_ctl(epfd, EPOLL_CTL_ADD, tl.fd, &e), 0);
	ck_assert_int_eq(weft_epoll_wait(epfd, &e, 1, 0), 1);
	ck_assert_uint_eq(e.events, EPOLLOUT);
}

/* EPOLLOUT of one event since the last look; 0: there was none. */
static uint32_t told(void)
{
	struct epoll_event e;

	return weft_epoll_wait(epfd, &e, 1, 0) == 1 ? e.events & EPOLLOUT : 0;
}

/* One call of n bytes; how many it took. */
static uint32_t write_some(uint32_t n)
{
	static uint8_t bytes[200000];
	ssize_t r;

	stream_fill(bytes, n, tl.sent);
	r = weft_send(tl.fd, bytes, n, 0);
	if (r < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		return 0;
	}
	tl.sent += (uint32_t)r;
	return (uint32_t)r;
}

static void acked(uint32_t upto)
{
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = upto);
}

/* --- the mark ----------------------------------------------------------------------------------- */

START_TEST(test_lowat_read_back)
{
	uint32_t v = 1;
	socklen_t n = sizeof(v);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &v, &n), 0);
	ck_assert_uint_eq(v, 0);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, LOWAT);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &v, &n), 0);
	ck_assert_uint_eq(v, LOWAT);
}
END_TEST

START_TEST(test_listener_hands_it_on)
{
	uint32_t v = 0, clamp = 0, syncnt = 0;
	socklen_t n = sizeof(v);

	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_NOTSENT_LOWAT, LOWAT);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_SYNCNT, 3);
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = MSS);
	tx(SYN | ACK, .seq = 0, .ack = 1, .wnd = 5000);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &v, &n), 0);
	ck_assert_uint_eq(v, LOWAT);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, &n), 0);
	ck_assert_uint_eq(clamp, 5000);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_SYNCNT, &syncnt, &n), 0);
	ck_assert_uint_eq(syncnt, 3);
}
END_TEST

/* What is on the way does not count, what waits does. */
START_TEST(test_lowat_bounds_what_waits)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, LOWAT);
	ck_assert_uint_eq(write_some(59000), FLIGHT + LOWAT);
	ck_assert_uint_eq(write_some(1), 0);
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
}
END_TEST

START_TEST(test_lowat_of_the_stack)
{
	tcp_lab_sysctl("net.ipv4.tcp_notsent_lowat", 16000);
	ck_assert_uint_eq(write_some(59000), FLIGHT + BURST);
}
END_TEST

/* The least mark still lets a whole burst wait, or every segment would be small. */
START_TEST(test_lowat_of_one_lets_a_burst_wait)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1);
	ck_assert_uint_eq(write_some(59000), FLIGHT + BURST);
	ck_assert_uint_eq(write_some(1), 0);
}
END_TEST

START_TEST(test_lowat_poll_at_half)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, LOWAT);
	write_some(59000);
	acked(1 + 6000); /* 12 segments more may go: 20,000 wait */
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
	acked(1 + 12000);
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, POLLOUT);
}
END_TEST

START_TEST(test_higher_lowat_tells_at_once)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, LOWAT);
	watch();
	write_some(59000);
	ck_assert_uint_eq(told(), 0);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 10 * LOWAT);
	ck_assert_uint_eq(told(), EPOLLOUT);
}
END_TEST

START_TEST(test_larger_buffer_tells_at_once)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_SNDBUF, 10000);
	watch();
	write_some(100000);
	ck_assert_uint_eq(told(), 0);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_SNDBUF, 100000);
	ck_assert_uint_eq(told(), EPOLLOUT);
}
END_TEST

/* --- who is told -------------------------------------------------------------------------------- */

START_TEST(test_refused_is_told_once)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, LOWAT);
	watch();
	write_some(59000);
	ck_assert_uint_eq(told(), 0);
	acked(1 + FLIGHT); /* 20,000 go, 12,000 wait */
	ck_assert_uint_eq(told(), EPOLLOUT);
	ck_assert_uint_eq(told(), 0);
	acked(1 + 3 * FLIGHT);
	ck_assert_uint_eq(told(), 0);
}
END_TEST

START_TEST(test_not_told_before_it_is_worth_it)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, LOWAT);
	watch();
	write_some(59000);
	acked(1 + 6000);
	ck_assert_uint_eq(told(), 0);
	acked(1 + 12000);
	ck_assert_uint_eq(told(), EPOLLOUT);
}
END_TEST

/* A write that was taken whole asks for nothing. */
START_TEST(test_never_refused_is_never_told)
{
	watch();
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(write_some(FLIGHT), FLIGHT);
		acked(1 + (i + 1) * FLIGHT);
		ck_assert_uint_eq(told(), 0);
	}
}
END_TEST

START_TEST(test_part_taken_counts_as_refused)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_SNDBUF, 20000);
	watch();
	ck_assert_uint_lt(write_some(100000), 100000);
	acked(1 + FLIGHT);
	tcp_lab_drop();
	acked(1 + 2 * FLIGHT);
	ck_assert_uint_eq(told(), EPOLLOUT);
}
END_TEST

/* poll() that found no room is told like a sender. */
START_TEST(test_poll_without_room_is_told)
{
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, LOWAT);
	watch();
	ck_assert_uint_eq(write_some(FLIGHT + LOWAT), FLIGHT + LOWAT); /* all of it */
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
	acked(1 + FLIGHT);
	ck_assert_uint_eq(told(), EPOLLOUT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("lowat");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lowat_read_back);
	tcase_add_test(tc, test_listener_hands_it_on);
	tcase_add_test(tc, test_lowat_bounds_what_waits);
	tcase_add_test(tc, test_lowat_of_the_stack);
	tcase_add_test(tc, test_lowat_of_one_lets_a_burst_wait);
	tcase_add_test(tc, test_lowat_poll_at_half);
	tcase_add_test(tc, test_higher_lowat_tells_at_once);
	tcase_add_test(tc, test_larger_buffer_tells_at_once);
	tcase_add_test(tc, test_refused_is_told_once);
	tcase_add_test(tc, test_not_told_before_it_is_worth_it);
	tcase_add_test(tc, test_never_refused_is_never_told);
	tcase_add_test(tc, test_part_taken_counts_as_refused);
	tcase_add_test(tc, test_poll_without_room_is_told);
	return unit_run("tcp_lowat", tc);
}
