/*
 * tests/tcp/test_listen.c - the SYN queue and the accept queue: their bounds, the SYN-ACK's timer, the
 * third ACK in every form, and what closing a listener does (RFC 9293, 3.10.7.4; RFC 4987).
 */
#include <errno.h>
#include <netinet/in.h>

#include "arp/neigh.h"
#include "tests/harness/tcp_lab.h"

/* Peer n sends a SYN that is answered. */
static void syn_from(unsigned n)
{
	tcp_lab_peer(n);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
}

/* Peer n is connected and waits to be accepted. */
static void open_from(unsigned n)
{
	syn_from(n);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
}

static int64_t requests(void)
{
	return gauge_read(tl.st, GAUGE_requests);
}

/* A neighbour that does not answer makes room for another's, be there requests from it or not (RFC 6583). */
START_TEST(test_syn_from_nobody_keeps_no_neighbour)
{
	struct ip_addr nobody = ip_addr4(0x0a000002), other = ip_addr4(0x0a000009);
	struct neigh *n;
	struct batch b;

	tcp_lab_listen(5);
	batch_begin(&b, tl.st);
	ck_assert_int_eq(neigh_del(tl.dev, &nobody), 0);
	for (uint32_t i = 0; i < 7; i++) {
		struct ip_addr settled = ip_addr4(0x0a000014 + i);

		ck_assert_int_eq(neigh_add_permanent(tl.dev, &settled, tl.dev->mac), 0);
	}
	batch_end(&b);
	tcp_lab_sysctl("net.ipv4.neigh.default.gc_thresh3", 8);
	rx(SYN, .seq = 0, .mss = 1460);
	quiet(); /* the SYN-ACK waits for ARP */
	ck_assert_int_eq(requests(), 1);
	advance_ms(200);
	batch_begin(&b, tl.st);
	n = neigh_get(tl.dev, &other);
	ck_assert_ptr_nonnull(n);
	neigh_put(n);
	neigh_flush(tl.st, NULL);
	for (uint32_t i = 0; i < 7; i++) {
		struct ip_addr settled = ip_addr4(0x0a000014 + i);

		neigh_del(tl.dev, &settled);
	}
	ck_assert_int_eq(neigh_add_permanent(tl.dev, &nobody, tl.dev->mac), 0);
	batch_end(&b);
}
END_TEST

/* --- the SYN queue ------------------------------------------------------------------------------
 */

START_TEST(test_synack_again_by_timer_then_given_up)
{
	static const uint64_t at[] = {1000, 3000, 7000, 15000, 31000};

	tcp_lab_listen(5);
	syn_from(0);
	tcp_lab_mark();
	for (unsigned i = 0; i < 5; i++) { /* net.ipv4.tcp_synack_retries */
		wait_ms(20000);
		tx(SYN | ACK, .seq = 0, .ack = 1);
		ck_assert_uint_ge(tcp_lab_elapsed_ms(), at[i]);
		ck_assert_uint_le(tcp_lab_elapsed_ms(), at[i] + 10);
	}
	ck_assert_int_eq(requests(), 1);
	advance_ms(32010);
	quiet();
	ck_assert_int_eq(requests(), 0);
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_synack_retries_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_synack_retries", 0);
	tcp_lab_listen(5);
	syn_from(0);
	advance_ms(1010);
	quiet();
	ck_assert_int_eq(requests(), 0);
}
END_TEST

/* Whoever repeats SYNs makes us send no more than one answer in net.ipv4.tcp_invalid_ratelimit. */
START_TEST(test_syn_again_and_again_limited)
{
	tcp_lab_listen(5);
	syn_from(0);
	for (unsigned i = 0; i < 5; i++)
		rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPACKSkippedSynRecv), 4);
	advance_ms(510);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
}
END_TEST

/* RFC 6298, 3: which of two SYN-ACKs the third ACK answers nobody knows. */
START_TEST(test_syn_again_gives_no_rtt)
{
	struct tcp_view v;

	tcp_lab_listen(5);
	syn_from(0);
	advance_ms(900);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	advance_ms(10);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.srtt_us, 0);
}
END_TEST

START_TEST(test_syn_again_same_synack)
{
	uint32_t iss;

	tcp_lab_listen(5);
	syn_from(0);
	iss = tl.peer.iss;
	advance_ms(300);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	ck_assert_uint_eq(tl.peer.iss, iss);
	ck_assert_int_eq(requests(), 1);
}
END_TEST

START_TEST(test_syn_queue_bounded)
{
	tcp_lab_sysctl("net.ipv4.tcp_syncookies", 0);
	tcp_lab_sysctl("net.ipv4.tcp_max_syn_backlog", 8);
	tcp_lab_listen(8);
	for (unsigned i = 0; i < 8; i++)
		syn_from(i);
	tcp_lab_peer(8);
	rx(SYN, .seq = 0, .mss = 1460);
	quiet();
	ck_assert_int_eq(requests(), 8);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenDrops), 1);
	tcp_lab_peer(3);
	tl.peer.iss = 0;
	rx(RST, .seq = 1); /* one leaves */
	syn_from(9);
}
END_TEST

START_TEST(test_rst_exact_frees_request)
{
	tcp_lab_listen(5);
	syn_from(0);
	rx(RST, .seq = 1);
	quiet();
	ck_assert_int_eq(requests(), 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_EmbryonicRsts), 1);
	advance_ms(10000);
	quiet();
	syn_from(0);
}
END_TEST

START_TEST(test_third_ack_bad_reset_and_request_stays)
{
	tcp_lab_listen(5);
	syn_from(0);
	rx(ACK, .seq = 1, .ack = 2);
	tx(RST, .seq = 2);
	rx(ACK, .seq = 1, .ack = 0);
	tx(RST, .seq = 0);
	ck_assert_int_eq(requests(), 1);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_third_ack_with_text_delivers)
{
	tcp_lab_listen(5);
	syn_from(0);
	rx(ACK | PSH, .seq = 1, .ack = 1, .len = 100);
	wait_ms(3);
	tx(ACK, .seq = 1, .ack = 101);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(100);
}
END_TEST

START_TEST(test_third_ack_lost_text_completes)
{
	tcp_lab_listen(5);
	syn_from(0);
	rx(ACK, .seq = 11, .ack = 1, .len = 10); /* even out of order */
	tx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
	rx(ACK, .seq = 1, .ack = 1, .len = 10);
	tx(ACK, .seq = 1, .ack = 21);
	tcp_lab_accept();
	tcp_lab_read(20);
}
END_TEST

START_TEST(test_third_ack_after_synack_again)
{
	tcp_lab_listen(5);
	syn_from(0);
	wait_ms(1010);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
	advance_ms(10000);
	quiet();
	ck_state(TCP_ESTABLISHED);
}
END_TEST

/* --- the accept queue ---------------------------------------------------------------------------
 */

START_TEST(test_accept_first_come_first)
{
	struct sockaddr_storage a;

	tcp_lab_listen(5);
	for (unsigned i = 0; i < 3; i++)
		open_from(i);
	for (unsigned i = 0; i < 3; i++) {
		socklen_t n = sizeof(a);
		uint8_t *port = (uint8_t *)&a + 2;

		ck_assert_int_ge(weft_accept(tl.ls, (struct sockaddr *)&a, &n), 0);
		ck_assert_int_eq(port[0] << 8 | port[1], TCP_LAB_PEER_PORT + i);
	}
	ck_assert_int_eq(tcp_lab_accept(), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(test_accept_queue_full_ack_dropped_then_taken)
{
	tcp_lab_listen(1);
	syn_from(9); /* before the queue is full */
	open_from(0);
	open_from(1); /* one more than the backlog says, as Linux */
	tcp_lab_peer(9);
	tl.peer.iss = 0;
	advance_ms(1010); /* its SYN-ACK again: the ISS is learnt anew */
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
	ck_state(TCP_SYN_RECV); /* no room: as if the ACK was lost */
	ck_assert_uint_ge(tcp_lab_mib(MIB_TcpExt_ListenOverflows), 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	wait_ms(3000);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_accept_queue_full_reset_by_sysctl)
{
	tcp_lab_sysctl("net.ipv4.tcp_abort_on_overflow", 1);
	tcp_lab_listen(1);
	syn_from(9);
	open_from(0);
	open_from(1);
	tcp_lab_peer(9);
	advance_ms(1010);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	tx(RST, .seq = 1);
	ck_assert_int_eq(requests(), 0);
}
END_TEST

START_TEST(test_accept_queue_full_syn_dropped)
{
	tcp_lab_listen(1);
	open_from(0);
	open_from(1);
	tcp_lab_peer(2);
	rx(SYN, .seq = 0, .mss = 1460);
	quiet();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenOverflows), 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	syn_from(2);
}
END_TEST

START_TEST(test_accept_gets_reset_connection)
{
	tcp_lab_listen(5);
	open_from(0);
	rx(RST, .seq = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0); /* as Linux: the error comes with it */
	tcp_lab_read_errno(ECONNRESET);
}
END_TEST

START_TEST(test_accept_gets_what_came_before_fin)
{
	tcp_lab_listen(5);
	open_from(0);
	rx(FIN | ACK, .seq = 1, .ack = 1, .len = 7);
	wait_ms(3);
	tx(ACK, .seq = 1, .ack = 9);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(7);
	tcp_lab_read_eof();
}
END_TEST

/* --- passive OPEN beside others (RFC 9293, 3.9.1.1) ---------------------------------------------
 */

/* A socket at the listener's port; -1: refused. */
static int bound_beside(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(TCP_LAB_PORT)};
	int fd = tcp_lab_socket();

	a.sin_addr.s_addr = htonl(0x0a000001);
	tcp_lab_setopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (weft_bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	ck_assert_int_eq(errno, EADDRINUSE);
	weft_close(fd);
	return -1;
}

START_TEST(test_second_listener_leaves_connections) /* MUST-41 */
{
	struct tcp_lab_peer first;

	tl.ls = bound_beside();
	ck_assert_int_eq(weft_listen(tl.ls, 5), 0);
	open_from(0);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	first = tl.peer;
	syn_from(1);
	ck_assert_int_eq(bound_beside(), -1);
	rx(ACK, .seq = 1, .ack = 1); /* what was opening opens */
	ck_state(TCP_ESTABLISHED);
	weft_close(tl.ls);
	tcp_lab_drop();
	tl.ls = bound_beside();
	ck_assert_int_eq(weft_listen(tl.ls, 5), 0);
	tl.peer = first;
	tcp_lab_write(5);
	tx(ACK, .seq = 1, .ack = 1, .len = 5);
	rx(ACK, .seq = 1, .ack = 6, .len = 5);
	tx(ACK, .seq = 6, .ack = 6);
	tcp_lab_read(5);
}
END_TEST

START_TEST(test_listen_beside_syn_sent_and_syn_received) /* MUST-42 */
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(TCP_LAB_PEER_PORT)};
	struct tcp_lab_peer first;

	tl.fd = bound_beside();
	a.sin_addr.s_addr = htonl(0x0a000002);
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a)), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	tx(SYN, .seq = 0);
	first = tl.peer;
	for (unsigned i = 1; i < 3; i++) {
		tl.ls = bound_beside();
		ck_assert_int_eq(weft_listen(tl.ls, 5), 0);
		open_from(i);
		ck_assert_int_ge(weft_accept(tl.ls, NULL, NULL), 0);
		weft_close(tl.ls);
		tl.peer = first;
		if (i == 2)
			break;
		ck_state(TCP_SYN_SENT);
		rx(SYN, .seq = 0, .mss = 1460);
		tx(SYN | ACK, .seq = 0, .ack = 1);
	}
	ck_state(TCP_SYN_RECV);
	rx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
	tl.ls = -1;
}
END_TEST

/* --- the end of a listener ----------------------------------------------------------------------
 */

START_TEST(test_close_resets_who_waits)
{
	tcp_lab_listen(5);
	open_from(0);
	weft_close(tl.ls);
	tl.ls = -1;
	tx(RST | ACK, .seq = 1, .ack = 1);
	quiet();
	ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_close_forgets_requests)
{
	tcp_lab_listen(5);
	syn_from(0);
	weft_close(tl.ls);
	tl.ls = -1;
	tcp_lab_drop(); /* a RST or nothing */
	ck_assert_int_eq(requests(), 0);
	rx(ACK, .seq = 1, .ack = 1);
	tx(RST, .seq = 1);
	advance_ms(10000);
	quiet();
}
END_TEST

START_TEST(test_close_leaves_accepted)
{
	tcp_lab_listen(5);
	open_from(0);
	tcp_lab_accept();
	weft_close(tl.ls);
	tl.ls = -1;
	quiet();
	ck_state(TCP_ESTABLISHED);
	tcp_lab_write(5);
	tx(ACK, .seq = 1, .ack = 1, .len = 5);
}
END_TEST

START_TEST(test_shutdown_of_listener_ends_accept)
{
	tcp_lab_listen(5);
	ck_assert_int_eq(weft_shutdown(tl.ls, SHUT_RD), 0);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(RST | ACK, .seq = 0, .ack = 1);
	ck_assert_int_eq(tcp_lab_accept(), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void add_syn_queue(TCase *tc)
{
	tcase_add_test(tc, test_synack_again_by_timer_then_given_up);
	tcase_add_test(tc, test_synack_retries_by_sysctl);
	tcase_add_test(tc, test_syn_again_and_again_limited);
	tcase_add_test(tc, test_syn_again_gives_no_rtt);
	tcase_add_test(tc, test_syn_again_same_synack);
	tcase_add_test(tc, test_syn_queue_bounded);
	tcase_add_test(tc, test_rst_exact_frees_request);
	tcase_add_test(tc, test_third_ack_bad_reset_and_request_stays);
	tcase_add_test(tc, test_third_ack_with_text_delivers);
	tcase_add_test(tc, test_third_ack_lost_text_completes);
	tcase_add_test(tc, test_third_ack_after_synack_again);
}

int main(void)
{
	TCase *tc = tcase_create("listen");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_syn_from_nobody_keeps_no_neighbour);
	add_syn_queue(tc);
	tcase_add_test(tc, test_accept_first_come_first);
	tcase_add_test(tc, test_accept_queue_full_ack_dropped_then_taken);
	tcase_add_test(tc, test_accept_queue_full_reset_by_sysctl);
	tcase_add_test(tc, test_accept_queue_full_syn_dropped);
	tcase_add_test(tc, test_accept_gets_reset_connection);
	tcase_add_test(tc, test_accept_gets_what_came_before_fin);
	tcase_add_test(tc, test_second_listener_leaves_connections);
	tcase_add_test(tc, test_listen_beside_syn_sent_and_syn_received);
	tcase_add_test(tc, test_close_resets_who_waits);
	tcase_add_test(tc, test_close_forgets_requests);
	tcase_add_test(tc, test_close_leaves_accepted);
	tcase_add_test(tc, test_shutdown_of_listener_ends_accept);
	return unit_run("tcp_listen", tc);
}
