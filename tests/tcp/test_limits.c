/*
 * tests/tcp/test_limits.c - TCP_INFO of a connection: the rate at which data are delivered, how many,
 * and what held the sender back: the network, the peer's window, its own buffer.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

#define MSS 1000u
#define WND 65000

static struct tcp_info tcp_info(void)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	return i;
}

static void lab_setup(void)
{
	tcp_lab_setup();
	tl.syn = (struct seg){.mss = MSS, .wnd = WND};
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

static void have(uint32_t n, int wnd)
{
	rx(ACK, .seq = 1, .ack = 1 + n, .wnd = wnd);
	tcp_lab_drop();
}

START_TEST(test_info_rate_of_a_window)
{
	ck_assert_uint_eq(tcp_info().tcpi_delivered, 1); /* the SYN, as Linux counts */
	tcp_lab_write(10 * MSS);
	tcp_lab_drop();
	advance_ms(100);
	have(10 * MSS, WND);
	ck_assert_uint_eq(tcp_info().tcpi_delivery_rate, 100000);
	ck_assert_uint_eq(tcp_info().tcpi_delivered, 11);
}
END_TEST

START_TEST(test_info_busy_time)
{
	advance_ms(300);
	ck_assert_uint_eq(tcp_info().tcpi_busy_time, 0);
	tcp_lab_write(5 * MSS);
	tcp_lab_drop();
	advance_ms(70);
	ck_assert_uint_eq(tcp_info().tcpi_busy_time, 70000);
	have(5 * MSS, WND);
	advance_ms(300);
	ck_assert_uint_eq(tcp_info().tcpi_busy_time, 70000);
	ck_assert_uint_eq(tcp_info().tcpi_rwnd_limited, 0);
	ck_assert_uint_eq(tcp_info().tcpi_sndbuf_limited, 0);
}
END_TEST

START_TEST(test_info_time_limited_by_the_peers_window)
{
	have(0, 3 * MSS);
	tcp_lab_write(6 * MSS);
	tcp_lab_drop();
	advance_ms(40);
	have(3 * MSS, 5 * MSS);
	advance_ms(60);
	have(6 * MSS, WND);
	ck_assert_uint_eq(tcp_info().tcpi_rwnd_limited, 40000);
	ck_assert_uint_eq(tcp_info().tcpi_busy_time, 100000);
}
END_TEST

/* All is out, and the buffer has no room for what the program would send. */
START_TEST(test_info_time_limited_by_the_send_buffer)
{
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_SNDBUF, 2304);
	tcp_lab_write(6 * MSS);
	tcp_lab_drop();
	advance_ms(10); /* nobody has asked for more yet */
	ck_assert_int_eq(weft_send(tl.fd, "x", 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
	advance_ms(30);
	have(6 * MSS, WND);
	advance_ms(30);
	ck_assert_uint_eq(tcp_info().tcpi_sndbuf_limited, 30000);
	ck_assert_uint_eq(tcp_info().tcpi_busy_time, 40000);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("limits");

	tcase_add_checked_fixture(tc, lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_info_rate_of_a_window);
	tcase_add_test(tc, test_info_busy_time);
	tcase_add_test(tc, test_info_time_limited_by_the_peers_window);
	tcase_add_test(tc, test_info_time_limited_by_the_send_buffer);
	return unit_run("tcp_limits", tc);
}
