/*
 * tests/tcp/test_fastopen_client.c - Fast Open, the client (RFC 7413, 4.1): when data go beside the SYN,
 * what is remembered of a destination, and when it is left alone.
 */
#include <errno.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

static const uint8_t cookie[] = {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1};

static struct sockaddr_in peer_addr(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};

	to.sin_addr.s_addr = htonl(0x0a000002);
	return to;
}

/* sendto(MSG_FASTOPEN) of n bytes on a new socket: what it says, or -errno. */
static int open_with(uint32_t n)
{
	struct sockaddr_in to = peer_addr();
	uint8_t bytes[4000];
	ssize_t r;

	stream_fill(bytes, n, 0);
	tl.fd = tcp_lab_socket();
	r = weft_sendto(tl.fd, bytes, n, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to));
	tl.sent = r > 0 ? (uint32_t)r : 0;
	tl.recvd = 0;
	return r < 0 ? -errno : (int)r;
}

static void gone(void)
{
	rx(RST, .seq = 1);
	tcp_lab_drop();
	weft_close(tl.fd);
	tl.fd = -1;
}

/* A cookie is known from now on. */
static void setup(void)
{
	tcp_lab_setup();
	ck_assert_int_eq(open_with(100), -EINPROGRESS);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .raw = cookie, .nraw = 12);
	tx(ACK, .seq = 1, .ack = 1);
	quiet(); /* what had no place beside the SYN the program has still */
	gone();
}

static int info_fail(void)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	return i.tcpi_fastopen_client_fail;
}

START_TEST(test_client_data_acked)
{
	ck_assert_int_eq(open_with(1000), 1000);
	tx(SYN, .seq = 0, .len = 1000);
	rx(SYN | ACK, .seq = 0, .ack = 1001, .mss = 1460);
	tx(ACK, .seq = 1001, .ack = 1);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenActive), 1);
	ck_assert_int_eq(info_fail(), 0);
	tcp_lab_write(500);
	tx(ACK | PSH, .seq = 1001, .ack = 1, .len = 500);
}
END_TEST

START_TEST(test_client_data_not_acked_again)
{
	ck_assert_int_eq(open_with(1000), 1000);
	tx(SYN, .seq = 0, .len = 1000);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	tx(ACK | PSH, .seq = 1, .ack = 1, .len = 1000);
	rx(ACK, .seq = 1, .ack = 1001);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenActiveFail), 1);
	ck_assert_int_eq(info_fail(), 2);
	advance_ms(5000);
	quiet();
}
END_TEST

START_TEST(test_client_syn_again_is_plain)
{
	ck_assert_int_eq(open_with(1000), 1000);
	tx(SYN, .seq = 0, .len = 1000);
	wait_ms(1100);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	tx(ACK | PSH, .seq = 1, .ack = 1, .len = 1000);
	ck_assert_int_eq(info_fail(), 3);
}
END_TEST

/* The first SYN did arrive, its SYN-ACK was lost. */
START_TEST(test_client_syn_again_data_acked)
{
	ck_assert_int_eq(open_with(1000), 1000);
	tx(SYN, .seq = 0, .len = 1000);
	wait_ms(1100);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1001, .mss = 1460);
	tx(ACK, .seq = 1001, .ack = 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenActive), 1);
}
END_TEST

static void lose_one(void)
{
	ck_assert_int_eq(open_with(100), 100);
	tx(SYN, .seq = 0, .len = 100);
	wait_ms(1100);
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	tcp_lab_drop();
	gone();
}

/* A destination where two in a row were lost is left alone for a while. */
START_TEST(test_client_lossy_destination_left_alone)
{
	lose_one();
	lose_one();
	ck_assert_int_eq(open_with(100), -EINPROGRESS);
	tx(SYN, .seq = 0, .mss = 1460, .opts = O_ALL);
	gone();
	advance_ms(240000);
	ck_assert_int_eq(open_with(100), 100);
	tx(SYN, .seq = 0, .len = 100);
}
END_TEST

START_TEST(test_client_blackhole_shuts_off_everywhere)
{
	tcp_lab_sysctl("net.ipv4.tcp_fastopen_blackhole_timeout_sec", 3600);
	ck_assert_int_eq(open_with(100), 100);
	tx(SYN, .seq = 0, .len = 100);
	for (unsigned i = 0; i < 3; i++) {
		wait_ms(5000);
		tx(SYN, .seq = 0);
	}
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenBlackhole), 1);
	gone();
	ck_assert_int_eq(open_with(100), -EINPROGRESS);
	tx(SYN, .seq = 0);
	gone();
	advance_ms(3600000);
	ck_assert_int_eq(open_with(100), 100);
	tx(SYN, .seq = 0, .len = 100);
	rx(SYN | ACK, .seq = 0, .ack = 101, .mss = 1460);
	tx(ACK, .seq = 101, .ack = 1);
}
END_TEST

START_TEST(test_client_without_cookie_by_setting_or_option)
{
	tcp_lab_sysctl("net.ipv4.tcp_fastopen", 1 | 4);
	ck_assert_int_eq(open_with(100), 100);
	tx(SYN, .seq = 0, .len = 100, .mss = 1460, .opts = O_ALL);
}
END_TEST

/* The MSS of the last SYN-ACK bounds the data, with room for forty bytes of options. */
START_TEST(test_client_data_bounded_by_known_mss)
{
	ck_assert_int_eq(open_with(100), 100);
	tx(SYN, .seq = 0, .len = 100);
	rx(SYN | ACK, .seq = 0, .ack = 101, .mss = 600);
	tx(ACK, .seq = 101, .ack = 1);
	gone();
	ck_assert_int_eq(open_with(3000), 560);
	tx(SYN, .seq = 0, .len = 560);
}
END_TEST

START_TEST(test_client_reset_tells_and_data_are_gone)
{
	ck_assert_int_eq(open_with(100), 100);
	tx(SYN, .seq = 0, .len = 100);
	rx(RST | ACK, .seq = 0, .ack = 101);
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_error(), ECONNREFUSED);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_snd_bytes), 0);
}
END_TEST

START_TEST(test_client_ack_of_more_than_sent_reset)
{
	ck_assert_int_eq(open_with(100), 100);
	tx(SYN, .seq = 0, .len = 100);
	rx(SYN | ACK, .seq = 0, .ack = 102, .mss = 1460);
	tx(RST, .seq = 102);
	ck_state(TCP_SYN_SENT);
}
END_TEST

static int connect_peer(void)
{
	struct sockaddr_in to = peer_addr();

	return weft_connect(tl.fd, (struct sockaddr *)&to, sizeof(to));
}

/* TCP_FASTOPEN_CONNECT: connect() says that all is well, and no SYN goes before something is written. */
static void open_deferred(void)
{
	tl.fd = tcp_lab_socket();
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	ck_assert_int_eq(connect_peer(), 0);
}

START_TEST(test_client_deferred_until_written)
{
	open_deferred();
	ck_assert_int_eq(connect_peer(), -1);
	ck_assert_int_eq(errno, EISCONN);
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, POLLOUT);
	advance_ms(100000);
	quiet();
	tl.sent = tl.recvd = 0;
	tcp_lab_write(200);
	tx(SYN, .seq = 0, .len = 200);
	rx(SYN | ACK, .seq = 0, .ack = 201, .mss = 1460);
	tx(ACK, .seq = 201, .ack = 1);
}
END_TEST

START_TEST(test_client_closed_while_deferred)
{
	open_deferred();
	weft_close(tl.fd);
	tl.fd = -1;
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fastopen_client");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_client_data_acked);
	tcase_add_test(tc, test_client_data_not_acked_again);
	tcase_add_test(tc, test_client_syn_again_is_plain);
	tcase_add_test(tc, test_client_syn_again_data_acked);
	tcase_add_test(tc, test_client_lossy_destination_left_alone);
	tcase_add_test(tc, test_client_blackhole_shuts_off_everywhere);
	tcase_add_test(tc, test_client_without_cookie_by_setting_or_option);
	tcase_add_test(tc, test_client_data_bounded_by_known_mss);
	tcase_add_test(tc, test_client_reset_tells_and_data_are_gone);
	tcase_add_test(tc, test_client_ack_of_more_than_sent_reset);
	tcase_add_test(tc, test_client_deferred_until_written);
	tcase_add_test(tc, test_client_closed_while_deferred);
	return unit_run("tcp_fastopen_client", tc);
}
