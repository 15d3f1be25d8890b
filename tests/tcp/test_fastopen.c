/*
 * tests/tcp/test_fastopen.c - Fast Open, the server (RFC 7413, 4.2 and 5.1): which SYN opens, the queue
 * of those that are open before their third ACK, and their ends.  Wire formats: tests/script/fastopen/.
 */
#include <errno.h>
#include <netinet/in.h>

#include "lib/siphash.h"
#include "tests/harness/tcp_lab.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

#define SERVER 0x2
#define NO_COOKIE 0x200
#define ALL 0x400

static uint8_t option[12]; /* of the SYN: the cookie for 10.0.0.2 by the key `zero` or `one` */
static const uint8_t zero[16], one[16] = {1};

static void cookie_by(const uint8_t *key)
{
	static const uint8_t both[8] = {10, 0, 0, 2, 10, 0, 0, 1};
	uint64_t h = siphash(both, 8, key);

	option[0] = 34;
	option[1] = 10;
	for (unsigned i = 0; i < 8; i++)
		option[2 + i] = (uint8_t)(h >> 8 * i);
	option[10] = option[11] = 1;
}

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_fastopen", SERVER);
	cookie_by(zero);
}

static void serve(int backlog, int qlen)
{
	tcp_lab_listen(backlog);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN, qlen);
	ck_assert_int_eq(weft_setsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_KEY, zero, 16), 0);
}

#define syn_cookie(n) rx(SYN, .seq = 0, .mss = 1460, .len = (n), .raw = option, .nraw = 12)

/* Peer n opens with 10 bytes beside its SYN. */
static void open_fast(unsigned n)
{
	tcp_lab_peer(n);
	syn_cookie(10);
	tx(SYN | ACK, .seq = 0, .ack = 11);
}

/* Peer n must come the long way. */
static void open_plain(unsigned n)
{
	tcp_lab_peer(n);
	syn_cookie(10);
	tx(SYN | ACK, .seq = 0, .ack = 1);
}

START_TEST(test_server_child_before_third_ack)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	serve(5, 5);
	open_fast(0);
	ck_state(TCP_SYN_RECV);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	ck_assert_int_eq(i.tcpi_state, TCP_SYN_RECV);
	ck_assert(i.tcpi_options & TCPI_OPT_SYN_DATA);
	tcp_lab_read(10);
	tcp_lab_write(3000); /* answers go out at once */
	tx(ACK, .seq = 1, .ack = 11, .len = 1460);
	tx(ACK, .seq = 1461, .ack = 11, .len = 1460);
	tx(ACK | PSH, .seq = 2921, .ack = 11, .len = 80);
	rx(ACK, .seq = 11, .ack = 3001);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenPassive), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_PassiveOpens), 1);
	advance_ms(10000);
	quiet();
}
END_TEST

/* RFC 7413, 4.2.2: before the third ACK no more than the initial window. */
START_TEST(test_server_sends_initial_window_before_third_ack)
{
	struct seg s;
	uint32_t end = 1;

	serve(5, 5);
	open_fast(0);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_write(40000);
	while (tcp_lab_take(&s))
		end = s.seq + s.len;
	ck_assert_uint_eq(end, 1 + 10 * 1460);
	advance_ms(400);
	quiet();
	rx(ACK, .seq = 11, .ack = 1);
	while (tcp_lab_take(&s))
		end = s.seq + s.len > end ? s.seq + s.len : end;
	ck_assert_uint_eq(end, 1 + 10 * 1460);
	rx(ACK, .seq = 11, .ack = 1461);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.seq, end);
	tcp_lab_drop();
	tcp_lab_read(10);
}
END_TEST

START_TEST(test_server_needs_setting_and_queue)
{
	serve(5, 0);
	open_plain(0);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN, 5);
	tcp_lab_sysctl("net.ipv4.tcp_fastopen", 1);
	open_plain(1);
	tcp_lab_sysctl("net.ipv4.tcp_fastopen", SERVER);
	open_fast(2);
}
END_TEST

START_TEST(test_server_all_listeners_by_setting)
{
	int v = 0;
	socklen_t n = sizeof(v);

	tcp_lab_sysctl("net.ipv4.tcp_fastopen", SERVER | ALL);
	tcp_lab_listen(7);
	ck_assert_int_eq(weft_getsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN, &v, &n), 0);
	ck_assert_int_eq(v, 7);
	ck_assert_int_eq(weft_setsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_KEY, zero, 16), 0);
	open_fast(0);
}
END_TEST

START_TEST(test_server_bad_cookie_text_not_taken)
{
	serve(5, 5);
	option[5] ^= 1;
	open_plain(0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenPassiveFail), 1);
	rx(ACK, .seq = 1, .ack = 1, .len = 10); /* it comes again */
	wait_ms(3);
	tx(ACK, .seq = 1, .ack = 11);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(10);
}
END_TEST

START_TEST(test_server_without_cookie_by_setting_or_option)
{
	serve(5, 5);
	rx(SYN, .seq = 0, .mss = 1460, .len = 10);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = 1460, .len = 10);
	tx(SYN | ACK, .seq = 0, .ack = 11);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0);
	tcp_lab_sysctl("net.ipv4.tcp_fastopen", SERVER | NO_COOKIE);
	tcp_lab_peer(2);
	rx(SYN, .seq = 0, .mss = 1460, .len = 10);
	tx(SYN | ACK, .seq = 0, .ack = 11);
	tcp_lab_peer(3);
	rx(SYN, .seq = 0, .mss = 1460); /* nothing of Fast Open about it */
	tx(SYN | ACK, .seq = 0, .ack = 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenPassive), 2);
}
END_TEST

/* The second key is taken while clients learn the first. */
START_TEST(test_server_second_key_taken)
{
	uint8_t keys[32] = {0}, got[32];
	socklen_t n = sizeof(got);

	serve(5, 5);
	keys[0] = 1;
	ck_assert_int_eq(weft_setsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 32), 0);
	ck_assert_int_eq(weft_getsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &n), 0);
	ck_assert_int_eq(n, 32);
	ck_assert_mem_eq(keys, got, 32);
	open_fast(0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenPassiveAltKey), 1);
	cookie_by(one);
	open_fast(1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenPassiveAltKey), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenPassive), 2);
}
END_TEST

/* RFC 7413, 5.1: so many before their third ACK, then the long way. */
START_TEST(test_server_queue_bounded)
{
	struct tcp_lab_peer first;

	serve(10, 2);
	open_fast(0);
	first = tl.peer;
	open_fast(1);
	open_plain(2);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPFastOpenListenOverflow), 1);
	tl.peer = first;
	rx(ACK, .seq = 11, .ack = 1);
	ck_state(TCP_ESTABLISHED);
	open_fast(3);
}
END_TEST

/* One that was reset keeps its place for a minute: forged SYNs cannot be many. */
START_TEST(test_server_queue_place_held_after_reset)
{
	serve(10, 1);
	open_fast(0);
	rx(RST, .seq = 11);
	open_plain(1);
	advance_ms(59000);
	tcp_lab_drop();
	open_plain(2);
	advance_ms(1100);
	tcp_lab_drop();
	open_fast(3);
}
END_TEST

START_TEST(test_server_reset_child_is_accepted_with_its_text)
{
	serve(5, 5);
	open_fast(0);
	rx(RST, .seq = 11);
	quiet();
	ck_state(TCP_CLOSE);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(10);
	tcp_lab_read_errno(ECONNRESET);
}
END_TEST

START_TEST(test_server_syn_again_answered)
{
	serve(5, 5);
	open_fast(0);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 11);
	syn_cookie(10); /* limited, as all answers to what is out of the window */
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPACKSkippedSynRecv), 1);
	rx(ACK, .seq = 11, .ack = 1);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

/* One SYN-ACK more than of a request, then the program learns that nobody was there. */
START_TEST(test_server_no_third_ack_times_out)
{
	tcp_lab_sysctl("net.ipv4.tcp_synack_retries", 1);
	serve(5, 1);
	open_fast(0);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(10);
	wait_ms(1100);
	tx(SYN | ACK, .seq = 0, .ack = 11);
	wait_ms(2100);
	tx(SYN | ACK, .seq = 0, .ack = 11);
	advance_ms(4100);
	quiet();
	ck_state(TCP_CLOSE);
	tcp_lab_read_errno(ETIMEDOUT);
	open_fast(1); /* its place is free */
}
END_TEST

/* The program is done before the third ACK: its FIN goes, the SYN-ACK is still sent again. */
START_TEST(test_server_close_before_third_ack)
{
	serve(5, 5);
	open_fast(0);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(10);
	tcp_lab_write(100);
	tx(ACK | PSH, .seq = 1, .ack = 11, .len = 100);
	weft_close(tl.fd);
	tx(FIN | ACK, .seq = 101, .ack = 11);
	ck_state(TCP_FIN_WAIT1);
	wait_ms(1100);
	tx(SYN | ACK, .seq = 0, .ack = 11);
	rx(ACK, .seq = 11, .ack = 1);
	ck_state(TCP_FIN_WAIT1);
	wait_ms(3100);
	tx(FIN | ACK, .seq = 1, .ack = 11, .len = 100); /* the time-out is that of data now */
	rx(ACK, .seq = 11, .ack = 102);
	ck_state(TCP_FIN_WAIT2);
	rx(FIN | ACK, .seq = 11, .ack = 102);
	tx(ACK, .seq = 102, .ack = 12);
	ck_state(TCP_TIME_WAIT);
}
END_TEST

START_TEST(test_server_listener_closed_resets)
{
	serve(5, 5);
	open_fast(0);
	weft_close(tl.ls);
	tl.ls = -1;
	tx(RST | ACK, .seq = 1, .ack = 11);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_server_accept_queue_full_syn_dropped)
{
	serve(0, 5);
	open_fast(0);
	tcp_lab_peer(1);
	syn_cookie(10);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenOverflows), 1);
}
END_TEST

/* What a SYN of 0xffff bytes of window brings is bounded by ours. */
START_TEST(test_server_text_beyond_window_comes_again)
{
	serve(5, 5);
	tcp_lab_setopt(tl.ls, SOL_SOCKET, SO_RCVBUF, 1024);
	syn_cookie(1400);
	ck_assert(tcp_lab_mib(MIB_TcpExt_TCPFastOpenPassive) == 1);
	tx(SYN | ACK, .seq = 0, .ack = 1153);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(1152);
}
END_TEST

START_TEST(test_options_have_bounds)
{
	int v = 2;

	tcp_lab_listen(5);
	ck_assert_int_eq(weft_setsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &v, 4), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(weft_setsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &v, 4), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(weft_setsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_KEY, zero, 15), -1);
	ck_assert_int_eq(errno, EINVAL);
	v = -1;
	ck_assert_int_eq(weft_setsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN, &v, 4), -1);
	ck_assert_int_eq(errno, EINVAL);
	v = 1;
	ck_assert_int_eq(weft_setsockopt(tl.ls, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &v, 4), -1);
	ck_assert_int_eq(errno, EOPNOTSUPP);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fastopen");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_server_child_before_third_ack);
	tcase_add_test(tc, test_server_sends_initial_window_before_third_ack);
	tcase_add_test(tc, test_server_needs_setting_and_queue);
	tcase_add_test(tc, test_server_all_listeners_by_setting);
	tcase_add_test(tc, test_server_bad_cookie_text_not_taken);
	tcase_add_test(tc, test_server_without_cookie_by_setting_or_option);
	tcase_add_test(tc, test_server_second_key_taken);
	tcase_add_test(tc, test_server_queue_bounded);
	tcase_add_test(tc, test_server_queue_place_held_after_reset);
	tcase_add_test(tc, test_server_reset_child_is_accepted_with_its_text);
	tcase_add_test(tc, test_server_syn_again_answered);
	tcase_add_test(tc, test_server_no_third_ack_times_out);
	tcase_add_test(tc, test_server_close_before_third_ack);
	tcase_add_test(tc, test_server_listener_closed_resets);
	tcase_add_test(tc, test_server_accept_queue_full_syn_dropped);
	tcase_add_test(tc, test_server_text_beyond_window_comes_again);
	tcase_add_test(tc, test_options_have_bounds);
	return unit_run("tcp_fastopen", tc);
}
