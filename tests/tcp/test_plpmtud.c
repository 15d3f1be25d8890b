/*
 * tests/tcp/test_plpmtud.c - the path MTU without ICMP (RFC 4821): a path that swallows what is too
 * large, and says nothing.
 */
#include <string.h>

#include "lib/seq.h"
#include "tests/harness/tcp_lab.h"

#define STREAM 400000u

/* The path, and what has come to its end. */
static struct {
	uint32_t mtu;                /* bytes of a datagram that pass */
	uint32_t swallowed, largest; /* segments that did not; payload of the largest that did */
	bool got[STREAM + 2];
	uint32_t ack; /* relative */
} path;

static void setup(void)
{
	memset(&path, 0, sizeof(path));
	tcp_lab_setup();
	tl.syn = (struct seg){.mss = 1460, .opts = O_SACK_OK | O_WS, .ws = 7, .wnd = 60000};
}

static void established(uint32_t mtu)
{
	path.mtu = mtu;
	path.ack = 1;
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
}

static uint32_t mss(void)
{
	struct tcp_view v;

	ck_assert(tcp_lab_view(&v));
	return v.mss;
}

/* One segment meets the path, and is answered where it passed. */
static void pass(const struct seg *s)
{
	uint32_t right = s->seq + s->len, left = s->seq;

	if (s->len + 40 > path.mtu) {
		path.swallowed++;
		return;
	}
	path.largest = s->len > path.largest ? s->len : path.largest;
	memset(path.got + s->seq, true, s->len);
	while (path.got[path.ack])
		path.ack++;
	while (path.got[left - 1])
		left--;
	while (path.got[right])
		right++;
	if (seq_leq(right, path.ack))
		rx(ACK, .seq = 1, .ack = path.ack, .wnd = 500);
	else
		rx(ACK, .seq = 1, .ack = path.ack, .wnd = 500, .nsack = 1, .sack = {{left, right}});
}

/* n bytes go over; false: not within so many seconds. */
static bool carry(uint32_t n, unsigned seconds)
{
	uint32_t end = path.ack + n, left = n;
	struct seg s;

	for (unsigned i = 0; i < seconds * 100 && path.ack != end; i++) {
		uint32_t k = left < 20000 ? left : 20000;

		if (k && tcp_lab_poll() & POLLOUT) {
			tcp_lab_write(k);
			left -= k;
		}
		advance_ms(10);
		/* what goes for that comes a round trip later */
		for (unsigned sent = tl.nsent; sent && tcp_lab_take(&s); sent--) {
			pass(&s);
			env_lab_advance(tl.env, NSEC_PER_USEC);
		}
	}
	return path.ack == end;
}

START_TEST(test_always_grows_to_the_mtu_of_the_path)
{
	uint64_t found = tcp_lab_mib(MIB_TcpExt_TCPMTUPSuccess);

	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 2);
	tcp_lab_sysctl("net.ipv4.tcp_base_mss", 512);
	established(1500);
	ck_assert_uint_eq(mss(), 512);
	ck_assert(carry(200000, 60));
	ck_assert_uint_ge(mss(), 1460 - 8);
	ck_assert_uint_eq(path.swallowed, 0);
	ck_assert_uint_gt(tcp_lab_mib(MIB_TcpExt_TCPMTUPSuccess), found + 4);
}
END_TEST

START_TEST(test_always_stays_below_what_is_swallowed)
{
	uint64_t failed = tcp_lab_mib(MIB_TcpExt_TCPMTUPFail);

	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 2);
	tcp_lab_sysctl("net.ipv4.tcp_base_mss", 512);
	established(1200);
	ck_assert(carry(300000, 60));
	ck_assert_uint_le(mss(), 1160);
	ck_assert_uint_ge(mss(), 1160 - 8);
	ck_assert_uint_gt(tcp_lab_mib(MIB_TcpExt_TCPMTUPFail), failed);
	ck_assert_uint_lt(path.swallowed, 10);
}
END_TEST

START_TEST(test_lost_probe_says_nothing_of_congestion)
{
	struct tcp_view before, after;
	uint32_t lost;

	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 2);
	established(1100);
	ck_assert(carry(30000, 10)); /* the window has grown; larger ones are lost now and then */
	ck_assert(tcp_lab_view(&before));
	lost = path.swallowed;
	ck_assert(carry(60000, 10));
	ck_assert(tcp_lab_view(&after));
	ck_assert_uint_gt(path.swallowed + lost, 0);
	ck_assert_uint_ge(after.cwnd, before.cwnd);
}
END_TEST

/* Two segments come the other way round: from then on a loss is told by RACK's timer. */
static void reorder(void)
{
	struct seg first, second;

	tcp_lab_write(2 * mss());
	advance_ms(10);
	ck_assert(tcp_lab_take(&first) && tcp_lab_take(&second));
	pass(&second);
	pass(&first);
}

/* The same where packets are reordered. */
START_TEST(test_lost_probe_found_by_the_timer_says_nothing_of_congestion)
{
	struct tcp_view before, after;

	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 2);
	tcp_lab_sysctl("net.ipv4.tcp_min_rtt_wlen", 0); /* the handshake took no time */
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
	established(1200);
	ck_assert(carry(6000, 10));
	reorder();
	ck_assert(tcp_lab_view(&before));
	ck_assert(carry(300000, 60));
	ck_assert(tcp_lab_view(&after));
	ck_assert_uint_gt(path.swallowed, 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPSackRecovery), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPMTUPFail), path.swallowed);
	ck_assert_uint_ge(after.cwnd, before.cwnd);
}
END_TEST

START_TEST(test_black_hole_found_by_time_outs)
{
	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 1);
	established(1100);
	ck_assert_uint_eq(mss(), 1460);
	ck_assert(carry(20000, 60));
	ck_assert_uint_le(mss(), 1060);
	ck_assert_uint_ge(mss(), 1024);
}
END_TEST

START_TEST(test_black_hole_halves_below_the_base)
{
	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 1);
	established(400);
	ck_assert(carry(5000, 200));
	ck_assert_uint_le(mss(), 360);
	ck_assert_uint_ge(mss(), 200);
}
END_TEST

START_TEST(test_black_hole_stays_one_where_it_is_off)
{
	established(1100);
	ck_assert(!carry(20000, 60));
	ck_assert_uint_eq(mss(), 1460);
	ck_assert_uint_eq(path.largest, 0);
}
END_TEST

/* R1 of RFC 1122, 4.2.3.5: the time-out from which the path is doubted. */
START_TEST(test_black_hole_thought_of_by_setting)
{
	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 1);
	tcp_lab_sysctl("net.ipv4.tcp_retries1", _i);
	tcp_lab_sysctl("net.ipv4.tcp_early_retrans", 0);
	established(100);
	tcp_lab_write(1460);
	tcp_lab_drop();
	for (int i = 1; i <= _i; i++) {
		ck_assert_uint_eq(mss(), 1460);
		wait_ms(120000);
		tcp_lab_drop();
	}
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPTimeouts), (uint64_t)_i);
	ck_assert_uint_eq(mss(), 1024);
}
END_TEST

START_TEST(test_halves_no_further_than_the_floor)
{
	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 1);
	tcp_lab_sysctl("net.ipv4.tcp_mtu_probe_floor", _i);
	established(80);
	ck_assert(!carry(1460, 400));
	ck_assert_uint_eq(mss(), (uint32_t)_i);
}
END_TEST

/* 512 to 1460: the first probe, in the middle, comes through; what is left is not worth another. */
START_TEST(test_no_probe_for_less_than_the_threshold)
{
	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 2);
	tcp_lab_sysctl("net.ipv4.tcp_base_mss", 512);
	tcp_lab_sysctl("net.ipv4.tcp_probe_threshold", 500);
	established(1500);
	ck_assert(carry(200000, 60));
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPMTUPSuccess), 1);
	ck_assert_uint_eq(mss(), (512 + 1460) / 2);
}
END_TEST

START_TEST(test_looks_for_more_after_the_interval)
{
	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 2);
	tcp_lab_sysctl("net.ipv4.tcp_probe_interval", 30);
	established(1200);
	ck_assert(carry(150000, 60));
	ck_assert_uint_le(mss(), 1160);
	path.mtu = 1500;
	advance_ms(31000);
	ck_assert(carry(150000, 60));
	ck_assert_uint_ge(mss(), 1460 - 8);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("plpmtud");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_test(tc, test_always_grows_to_the_mtu_of_the_path);
	tcase_add_test(tc, test_always_stays_below_what_is_swallowed);
	tcase_add_test(tc, test_lost_probe_says_nothing_of_congestion);
	tcase_add_test(tc, test_lost_probe_found_by_the_timer_says_nothing_of_congestion);
	tcase_add_test(tc, test_black_hole_found_by_time_outs);
	tcase_add_test(tc, test_black_hole_halves_below_the_base);
	tcase_add_test(tc, test_black_hole_stays_one_where_it_is_off);
	tcase_add_loop_test(tc, test_black_hole_thought_of_by_setting, 1, 5);
	tcase_add_loop_test(tc, test_halves_no_further_than_the_floor, 400, 402);
	tcase_add_test(tc, test_no_probe_for_less_than_the_threshold);
	tcase_add_test(tc, test_looks_for_more_after_the_interval);
	return unit_run("tcp_plpmtud", tc);
}
