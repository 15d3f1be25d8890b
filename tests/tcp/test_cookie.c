/*
 * tests/tcp/test_cookie.c - SYN cookies (RFC 4987, 3.6): what the third ACK brings back, for how long,
 * and a client that connects through a flood with its options.
 */
#include "net/pkbuf.h"
#include "tests/harness/tcp_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_sysctl("net.ipv4.tcp_syncookies", 2);
}

static int64_t requests(void)
{
	return gauge_read(tl.st, GAUGE_requests);
}

/* A SYN of every option and the cookie for it; nothing is kept. */
static struct seg syn_full(void)
{
	struct seg s;

	rx(SYN, .seq = 0, .mss = 1460, .opts = O_ALL, .ws = 9, .tsval = 5000);
	s = tx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .opts = O_ALL, .tsecr = 5000);
	ck_assert_int_eq(requests(), 0);
	ck_state(TCP_CLOSE);
	return s;
}

START_TEST(test_cookie_nothing_kept_then_established)
{
	struct tcp_view v;

	tcp_lab_listen(5);
	syn_full();
	advance_ms(40000);
	quiet(); /* nobody is left who would send it again */
	rx(ACK, .seq = 1, .ack = 1, .wnd = 100);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_wscale, 9);
	ck_assert_uint_eq(v.snd_wnd, 100 << 9);
	ck_assert_uint_eq(v.srtt_us, 0); /* when the SYN-ACK went nobody knows */
	ck_assert_uint_eq(v.mss, 1448);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_SyncookiesSent), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_SyncookiesRecv), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_SyncookiesFailed), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPReqQFullDoCookies), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_PassiveOpens), 1);
}
END_TEST

/* The child is as any other: window scale, SACK and timestamps both ways. */
START_TEST(test_cookie_options_in_use)
{
	tcp_lab_listen(5);
	syn_full();
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	rx(ACK, .seq = 101, .ack = 1, .len = 50);
	tx(ACK, .seq = 1, .ack = 1, .opts = O_TS, .nsack = 1, .sack = {{101, 151}});
	rx(ACK, .seq = 1, .ack = 1, .len = 100);
	tx(ACK, .seq = 1, .ack = 151);
	tcp_lab_read(150);
}
END_TEST

START_TEST(test_cookie_third_ack_with_text)
{
	tcp_lab_listen(5);
	syn_full();
	rx(ACK | PSH, .seq = 1, .ack = 1, .len = 100);
	wait_ms(3);
	tx(ACK, .seq = 1, .ack = 101);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(100);
}
END_TEST

/* The timestamp never runs ahead of the clock, so that what follows is not older. */
START_TEST(test_cookie_timestamp_is_not_ahead)
{
	struct seg s;
	uint32_t first;

	tcp_lab_listen(5);
	for (unsigned i = 0; i < 70; i++) { /* each place of the low bits */
		tcp_lab_peer(i);
		first = syn_full().tsval;
		rx(ACK | PSH, .seq = 1, .ack = 1, .len = 10);
		wait_ms(3);
		s = tx(ACK, .seq = 1, .ack = 11);
		ck_assert_int_ge((int32_t)(s.tsval - first), 0);
		ck_assert_int_lt((int32_t)(s.tsval - first), 128);
		ck_assert_int_ge(tcp_lab_accept(), 0);
		advance_ms(1);
	}
}
END_TEST

/* Without timestamps only the MSS comes back, as one of eight. */
START_TEST(test_cookie_without_timestamps_mss_alone)
{
	static const uint16_t mss[][2] = {{100, 48},    {536, 536},   {1219, 536},  {1380, 1360},
					  {1440, 1440}, {1452, 1440}, {1460, 1460}, {9000, 1460}};
	struct tcp_view v;

	tcp_lab_listen(20);
	for (unsigned i = 0; i < 8; i++) {
		tcp_lab_peer(i);
		rx(SYN, .seq = 0, .mss = mss[i][0], .opts = O_WS | O_SACK_OK, .ws = 7);
		tx(SYN | ACK, .seq = 0, .ack = 1, .opts = O_MSS);
		rx(ACK, .seq = 1, .ack = 1, .wnd = 1000);
		ck_assert(tcp_lab_view(&v));
		ck_assert_uint_eq(v.snd_wscale, 0);
		ck_assert_uint_eq(v.snd_wnd, 1000);
		ck_assert_uint_eq(v.mss, mss[i][1]);
	}
	quiet();
}
END_TEST

START_TEST(test_cookie_wrong_ack_reset)
{
	tcp_lab_listen(5);
	syn_full();
	for (uint32_t bit = 0; bit < 32; bit++) {
		uint32_t ack = 1u ^ 1u << bit;

		if (ack + tl.peer.iss - 1 == tl.peer.iss)
			continue;
		rx(ACK, .seq = 1, .ack = ack);
		tx(RST, .seq = ack);
	}
	rx(ACK, .seq = 2, .ack = 1); /* another ISN than the SYN's */
	tx(RST, .seq = 1);
	ck_state(TCP_CLOSE);
	ck_assert_uint_ge(tcp_lab_mib(MIB_TcpExt_SyncookiesFailed), 32);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_SyncookiesRecv), 0);
}
END_TEST

START_TEST(test_cookie_of_another_port_reset)
{
	uint32_t iss;

	tcp_lab_listen(5);
	syn_full();
	iss = tl.peer.iss;
	tcp_lab_peer(1);
	tl.peer.iss = iss;
	rx(ACK, .seq = 1, .ack = 1);
	tx(RST, .seq = 1);
}
END_TEST

START_TEST(test_cookie_lives_a_tick)
{
	tcp_lab_listen(5);
	syn_full();
	advance_ms(64000);
	rx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_cookie_too_old_reset)
{
	struct tcp_lab_peer old;

	tcp_lab_listen(5);
	syn_full();
	old = tl.peer;
	advance_ms(64000);
	tcp_lab_peer(1);
	syn_full(); /* a fresh one: cookies are still expected */
	advance_ms(64000);
	tl.peer = old;
	rx(ACK, .seq = 1, .ack = 1);
	tx(RST, .seq = 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_SyncookiesFailed), 1);
}
END_TEST

/* Where no cookie was sent lately an ACK is a stray, and nobody may guess. */
START_TEST(test_cookie_not_expected_not_looked_at)
{
	tcp_lab_sysctl("net.ipv4.tcp_syncookies", 1);
	tcp_lab_listen(5);
	rx(ACK, .seq = 1, .ack = 1);
	tx(RST, .seq = 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_SyncookiesFailed), 0);
}
END_TEST

START_TEST(test_cookie_accept_queue_full_ack_dropped)
{
	tcp_lab_listen(0);
	syn_full();
	tcp_lab_peer(1);
	syn_full();
	rx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
	tcp_lab_peer(0);
	tl.peer.iss_known = false;
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenOverflows), 0);
	rx(SYN, .seq = 0, .mss = 1460);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenOverflows), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenDrops), 1);
}
END_TEST

START_TEST(test_cookies_off_queue_full_drops)
{
	tcp_lab_sysctl("net.ipv4.tcp_syncookies", 0);
	tcp_lab_sysctl("net.ipv4.tcp_max_syn_backlog", 1);
	tcp_lab_listen(1);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	tcp_lab_peer(1);
	rx(SYN, .seq = 0, .mss = 1460);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPReqQFullDrop), 1);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_SYN_QUEUE), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenDrops), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_SyncookiesSent), 0);
}
END_TEST

/* --- a flood ------------------------------------------------------------------------------------ */

/* A SYN from 10.0.0.x that nobody will follow up. */
static void flood_syn(unsigned n)
{
	uint8_t bytes[256];
	struct seg s = {.flags = SYN, .seq = n * 7919, .mss = 1460, .sport = (uint16_t)(1024 + n)};
	struct seg_addr a = {{10, 0, 0, (uint8_t)(3 + n % 250)}, {10, 0, 0, 1}};

	s.dport = TCP_LAB_PORT;
	tcp_lab_rx_bytes(bytes, seg_build(&s, &a, 0, bytes));
}

START_TEST(test_flood_leaves_client_its_options)
{
	struct tcp_view v;

	tcp_lab_sysctl("net.ipv4.tcp_syncookies", 1);
	tcp_lab_sysctl("net.ipv4.tcp_max_syn_backlog", 64);
	tcp_lab_listen(16);
	for (unsigned i = 0; i < 3000; i++)
		flood_syn(i);
	ck_assert_int_eq(requests(), 64); /* what is kept is bounded */
	tcp_lab_drop();
	rx(SYN, .seq = 0, .mss = 1400, .opts = O_ALL, .ws = 8, .tsval = 77);
	tx(SYN | ACK, .seq = 0, .ack = 1, .opts = O_ALL, .tsecr = 77);
	ck_assert_int_eq(requests(), 64);
	for (unsigned i = 3000; i < 6000; i++)
		flood_syn(i);
	tcp_lab_drop();
	rx(ACK | PSH, .seq = 1, .ack = 1, .len = 500, .wnd = 1024);
	wait_ms(3);
	tx(ACK, .seq = 1, .ack = 501);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_wscale, 8);
	ck_assert_uint_eq(v.mss, 1388);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(500);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPReqQFullDoCookies), 6000 - 64 + 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenDrops), 0);
}
END_TEST

/* Memory is short, though the queue is not full: who comes now takes none. */
START_TEST(test_memory_short_cookies)
{
	tcp_lab_sysctl("net.ipv4.tcp_syncookies", 1);
	tcp_lab_sysctl("net.weft.mem_limit", 1048576);
	tcp_lab_listen(16);
	for (unsigned i = 0; !depot_pressure(tl.st); i++) {
		tcp_lab_peer(i);
		rx(SYN, .seq = 0, .mss = 1460);
		tx(SYN | ACK, .seq = 0, .ack = 1);
		rx(ACK, .seq = 1, .ack = 1);
		for (uint32_t n = 0; n < 40 && !depot_pressure(tl.st); n++)
			rx(ACK, .seq = 1 + n * 1460, .ack = 1, .len = 1460);
		tcp_lab_drop();
		ck_assert_uint_lt(i, 16);
	}
	tcp_lab_peer(100);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	ck_assert_int_eq(requests(), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_SyncookiesSent), 1);
}
END_TEST

/* Old requests give way once the queue is half full of young ones: two SYN-ACKs again, not five. */
START_TEST(test_old_requests_leave_for_young)
{
	tcp_lab_sysctl("net.ipv4.tcp_syncookies", 1);
	tcp_lab_sysctl("net.ipv4.tcp_max_syn_backlog", 8);
	tcp_lab_listen(8);
	for (unsigned i = 0; i < 5; i++) {
		tcp_lab_peer(i); /* one that ARP finds: a request to nobody ends sooner */
		rx(SYN, .seq = 0, .mss = 1460);
	}
	advance_ms(6900);
	ck_assert_int_eq(requests(), 5);
	advance_ms(200);
	ck_assert_int_eq(requests(), 4); /* over half: the first goes, with it the need */
	tcp_lab_drop();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("cookie");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_cookie_nothing_kept_then_established);
	tcase_add_test(tc, test_cookie_options_in_use);
	tcase_add_test(tc, test_cookie_third_ack_with_text);
	tcase_add_test(tc, test_cookie_timestamp_is_not_ahead);
	tcase_add_test(tc, test_cookie_without_timestamps_mss_alone);
	tcase_add_test(tc, test_cookie_wrong_ack_reset);
	tcase_add_test(tc, test_cookie_of_another_port_reset);
	tcase_add_test(tc, test_cookie_lives_a_tick);
	tcase_add_test(tc, test_cookie_too_old_reset);
	tcase_add_test(tc, test_cookie_not_expected_not_looked_at);
	tcase_add_test(tc, test_cookie_accept_queue_full_ack_dropped);
	tcase_add_test(tc, test_cookies_off_queue_full_drops);
	tcase_add_test(tc, test_flood_leaves_client_its_options);
	tcase_add_test(tc, test_memory_short_cookies);
	tcase_add_test(tc, test_old_requests_leave_for_young);
	return unit_run("tcp_cookie", tc);
}
