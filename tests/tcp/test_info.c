/*
 * tests/tcp/test_info.c - what the connection tells of itself: TCP_INFO, SIOCINQ and SIOCOUTQ, and the
 * RFC's variables as `ss -e` gets them.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ip/inet_hash.h"
#include "tests/harness/tcp_lab.h"

static struct tcp_info info(void)
{
	struct tcp_info t;
	socklen_t n = sizeof(t);

	memset(&t, 0xff, sizeof(t));
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &t, &n), 0);
	ck_assert_uint_le(n, sizeof(t));
	return t;
}

static int queue(unsigned long request)
{
	int v = -1;

	ck_assert_int_eq(weft_ioctl(tl.fd, request, &v), 0);
	return v;
}

START_TEST(test_info_of_options)
{
	struct tcp_info t;

	tcp_lab_established(&(struct seg){.mss = 1200, .opts = O_ALL, .ws = 7, .tsval = 5});
	t = info();
	ck_assert_uint_eq(t.tcpi_state, TCP_ESTABLISHED);
	ck_assert_uint_eq(t.tcpi_options & 7, 7); /* timestamps, SACK, scaling */
	ck_assert_uint_eq(t.tcpi_snd_wscale, 7);
	ck_assert_uint_gt(t.tcpi_rcv_wscale, 0);
	ck_assert_uint_eq(t.tcpi_snd_mss, 1188);
	ck_assert_uint_eq(t.tcpi_advmss, 1448);
	ck_assert_uint_eq(t.tcpi_pmtu, 1500);
	ck_assert_uint_eq(t.tcpi_snd_cwnd, 10); /* segments */
}
END_TEST

START_TEST(test_info_without_options)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_uint_eq(info().tcpi_options & 7, 0);
	ck_assert_uint_eq(info().tcpi_snd_wscale, 0);
}
END_TEST

START_TEST(test_info_of_rtt)
{
	struct tcp_info t;

	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(100);
	rx(ACK, .seq = 1, .ack = 1);
	tcp_lab_accept();
	t = info();
	ck_assert_uint_ge(t.tcpi_rtt, 99000);
	ck_assert_uint_le(t.tcpi_rtt, 102000);
	ck_assert_uint_ge(t.tcpi_rttvar, 49000);
	ck_assert_uint_ge(t.tcpi_rto, 298000);
}
END_TEST

START_TEST(test_info_counts_segments_and_bytes)
{
	struct tcp_info t;

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(3000);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1461, .len = 500);
	t = info();
	ck_assert_uint_eq(t.tcpi_bytes_acked, 1460);
	ck_assert_uint_eq(t.tcpi_bytes_received, 500);
	ck_assert_uint_eq(t.tcpi_data_segs_in, 1);
	ck_assert_uint_eq(t.tcpi_data_segs_out, 3);
	ck_assert_uint_ge(t.tcpi_segs_out, t.tcpi_data_segs_out); /* of a super-frame each counts */
	ck_assert_uint_eq(t.tcpi_bytes_sent, 3000);
	ck_assert_uint_eq(t.tcpi_unacked, 2);
}
END_TEST

START_TEST(test_info_counts_retransmissions)
{
	struct tcp_info t;

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(100);
	wait_ms(1000);
	wait_ms(1000);
	tcp_lab_drop();
	t = info();
	ck_assert_uint_eq(t.tcpi_retransmits, 2);
	ck_assert_uint_eq(t.tcpi_backoff, 2);
	ck_assert_uint_eq(t.tcpi_total_retrans, 2);
	ck_assert_uint_eq(t.tcpi_ca_state, 4); /* loss */
	ck_assert_uint_eq(t.tcpi_snd_cwnd, 1);
	rx(ACK, .seq = 1, .ack = 101);
	ck_assert_uint_eq(info().tcpi_retransmits, 0);
	ck_assert_uint_eq(info().tcpi_total_retrans, 2);
}
END_TEST

START_TEST(test_info_of_last_times)
{
	struct tcp_info t;

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(ACK, .seq = 1, .ack = 1, .len = 5);
	advance_ms(500);
	t = info();
	ck_assert_uint_ge(t.tcpi_last_data_recv, 499);
	ck_assert_uint_le(t.tcpi_last_data_recv, 501);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_info_cut_to_what_was_asked)
{
	struct tcp_info t;
	socklen_t n = 8;

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	memset(&t, 0xee, sizeof(t));
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &t, &n), 0);
	ck_assert_uint_eq(n, 8);
	ck_assert_uint_eq(t.tcpi_state, TCP_ESTABLISHED);
	ck_assert_uint_eq(((uint8_t *)&t)[8], 0xee);
}
END_TEST

START_TEST(test_info_of_listener)
{
	struct tcp_info t;

	tcp_lab_listen(7);
	for (unsigned i = 0; i < 2; i++) {
		tcp_lab_peer(i);
		rx(SYN, .seq = 0, .mss = 1460);
		tx(SYN | ACK, .seq = 0, .ack = 1);
		rx(ACK, .seq = 1, .ack = 1);
	}
	tl.fd = tl.ls;
	t = info();
	ck_assert_uint_eq(t.tcpi_state, TCP_LISTEN);
	ck_assert_uint_eq(t.tcpi_unacked, 2); /* as Linux: waiting, and the backlog */
	ck_assert_uint_eq(t.tcpi_sacked, 7);
}
END_TEST

START_TEST(test_queues_told)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 1460);
	ck_assert_int_eq(queue(SIOCINQ), 0);
	ck_assert_int_eq(queue(SIOCOUTQ), 0);
	rx(ACK, .seq = 1, .ack = 1, .len = 30, .wnd = 1460);
	ck_assert_int_eq(queue(SIOCINQ), 30);
	tcp_lab_drop();
	tcp_lab_write(2000);
	ck_assert_int_eq(queue(SIOCOUTQ), 2000);
	ck_assert_int_eq(queue(SIOCOUTQNSD), 540);
	rx(ACK, .seq = 31, .ack = 1461, .wnd = 1460);
	ck_assert_int_eq(queue(SIOCOUTQ), 540);
	rx(ACK, .seq = 31, .ack = 2001, .wnd = 1460);
	ck_assert_int_eq(queue(SIOCOUTQ), 0);
	tcp_lab_drop();
	tcp_lab_read(30);
	ck_assert_int_eq(queue(SIOCINQ), 0);
}
END_TEST

/* RFC 9293, 3.3.1, by name; when nothing is out SND.UNA is SND.NXT. */
START_TEST(test_view_has_the_variables)
{
	struct tcp_view v;

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(ACK, .seq = 1, .ack = 1, .len = 30, .wnd = 5000);
	tcp_lab_write(100);
	tcp_lab_drop();
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.irs, tl.peer.isn);
	ck_assert_uint_eq(v.iss, tl.peer.iss);
	ck_assert_uint_eq(v.snd_una - v.iss, 1);
	ck_assert_uint_eq(v.snd_nxt - v.iss, 101);
	ck_assert_uint_eq(v.snd_wnd, 5000);
	ck_assert_uint_eq(v.snd_wl1 - v.irs, 1);
	ck_assert_uint_eq(v.snd_wl2 - v.iss, 1);
	ck_assert_uint_eq(v.rcv_nxt - v.irs, 31);
	ck_assert_uint_eq(v.rcvq, 30);
	ck_assert_uint_eq(v.sndq, 100);
	ck_assert_str_eq(v.timer, "on");
	rx(ACK, .seq = 31, .ack = 101, .wnd = 5000);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_una, v.snd_nxt);
	ck_assert_ptr_null(v.timer);
	tcp_lab_read(30);
}
END_TEST

static void view_listener(struct sock_common *c, void *arg)
{
	struct tcp_view v = {0};

	tcp_view_get(c, &v);
	if (v.state == TCP_LISTEN)
		*(struct tcp_view *)arg = v;
}

/* The deadline of a listener is that of its requests: they show it, it does not. */
START_TEST(test_view_of_listener_has_no_timer)
{
	struct tcp_view v = {.timer = "none seen"};
	struct batch b;

	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	batch_begin(&b, tl.st);
	inet_each(tcp_table(tl.st), view_listener, &v);
	batch_end(&b);
	ck_assert_uint_eq(v.sndq, 5);
	ck_assert_ptr_null(v.timer);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("info");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_info_of_options);
	tcase_add_test(tc, test_info_without_options);
	tcase_add_test(tc, test_info_of_rtt);
	tcase_add_test(tc, test_info_counts_segments_and_bytes);
	tcase_add_test(tc, test_info_counts_retransmissions);
	tcase_add_test(tc, test_info_of_last_times);
	tcase_add_test(tc, test_info_cut_to_what_was_asked);
	tcase_add_test(tc, test_info_of_listener);
	tcase_add_test(tc, test_queues_told);
	tcase_add_test(tc, test_view_has_the_variables);
	tcase_add_test(tc, test_view_of_listener_has_no_timer);
	return unit_run("tcp_info", tc);
}
