/*
 * tests/tcp/test_state_text.c - RFC 9293, 3.10.7.4, from the sixth check on: URG, text and FIN in each
 * synchronized state, and what the acknowledgement of our FIN does there.
 */
#include <errno.h>

#include "tests/harness/tcp_lab.h"

/* States that receive, and the one where a FIN leads to from there. */
static const struct recv_state {
	const char *name;
	unsigned state;
	enum tcp_lab_open how;
	unsigned after_fin;
} recv_state[] = {
    {"ESTABLISHED, passive", TCP_ESTABLISHED, PASSIVE, TCP_CLOSE_WAIT},
    {"ESTABLISHED, active", TCP_ESTABLISHED, ACTIVE, TCP_CLOSE_WAIT},
    {"FIN-WAIT-1", TCP_FIN_WAIT1, PASSIVE, TCP_CLOSING},
    {"FIN-WAIT-1, active", TCP_FIN_WAIT1, ACTIVE, TCP_CLOSING},
    {"FIN-WAIT-2", TCP_FIN_WAIT2, PASSIVE, TCP_TIME_WAIT},
    {"FIN-WAIT-2, active", TCP_FIN_WAIT2, ACTIVE, TCP_TIME_WAIT},
};
#define RECV_STATES (int)(sizeof(recv_state) / sizeof(recv_state[0]))

/* States behind the peer's FIN. */
static const unsigned deaf_state[] = {TCP_CLOSE_WAIT, TCP_CLOSING, TCP_LAST_ACK, TCP_TIME_WAIT};

static uint32_t una; /* relative SND.UNA: our FIN in FIN-WAIT-1 is not acknowledged */

static void bring(int i)
{
	tcp_lab_state(recv_state[i].state, recv_state[i].how);
	una = tl.snd - (recv_state[i].state == TCP_FIN_WAIT1);
}

/* Text from the peer, n bytes from its place on (0: the first). */
static void text(uint32_t place, uint32_t n)
{
	rx(ACK, .seq = tl.rcv + place, .ack = una, .len = n);
}

START_TEST(test_receiving_text_in_order_acked)
{
	bring(_i);
	text(0, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 100);
	quiet();
	tcp_lab_read(100);
	ck_state(recv_state[_i].state);
}
END_TEST

START_TEST(test_receiving_text_pushed_readable)
{
	bring(_i);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, 0);
	rx(ACK | PSH, .seq = tl.rcv, .ack = una, .len = 1);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 1);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, POLLIN);
	tcp_lab_read(1);
	ck_assert_int_eq(tcp_lab_poll() & POLLIN, 0);
	tcp_lab_read_errno(EAGAIN);
}
END_TEST

START_TEST(test_receiving_text_out_of_order_held)
{
	bring(_i);
	text(100, 50);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv); /* at once, RFC 5681, 4.2 */
	tcp_lab_read_errno(EAGAIN);
	text(0, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 150);
	quiet();
	tcp_lab_read(150);
}
END_TEST

START_TEST(test_receiving_two_holes_filled)
{
	bring(_i);
	text(100, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	text(300, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	text(0, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 200);
	text(200, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 400);
	quiet();
	tcp_lab_read(400);
}
END_TEST

START_TEST(test_receiving_text_backwards_in_order)
{
	bring(_i);
	for (int i = 19; i > 0; i--) {
		text((uint32_t)i * 10, 10);
		tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	}
	text(0, 10);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 200);
	tcp_lab_read(200);
}
END_TEST

START_TEST(test_receiving_text_partly_old_trimmed)
{
	bring(_i);
	text(0, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 100);
	text(50, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 150);
	quiet();
	tcp_lab_read(150);
}
END_TEST

START_TEST(test_receiving_text_wholly_old_acked)
{
	bring(_i);
	text(0, 100);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 100);
	text(20, 30);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 100);
	quiet();
	tcp_lab_read(100);
	tcp_lab_read_errno(EAGAIN);
}
END_TEST

START_TEST(test_receiving_overlaps_of_held_text_right)
{
	/* Around a held 100..200: before, behind, over both, inside, across two. */
	static const uint32_t place[][2] = {{100, 100}, {50, 100}, {150, 100}, {120, 20},
					    {300, 100}, {80, 340}, {10, 30}};

	bring(_i);
	for (unsigned i = 0; i < sizeof(place) / sizeof(place[0]); i++) {
		text(place[i][0], place[i][1]);
		tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	}
	text(0, 60);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 420);
	tcp_lab_read(420);
	quiet();
}
END_TEST

START_TEST(test_receiving_text_over_right_edge_cut)
{
	struct tcp_view v;

	bring(_i);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_ge(v.rcv_wnd, 20000);
	text(v.rcv_wnd - 100, 200);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	for (uint32_t at = 0; at < v.rcv_wnd - 100; at += 20000)
		text(at, v.rcv_wnd - 100 - at < 20000 ? v.rcv_wnd - 100 - at : 20000);
	tcp_lab_drop();
	tcp_lab_read(v.rcv_wnd); /* what was outside did not come in */
	tcp_lab_read_errno(EAGAIN);
}
END_TEST

START_TEST(test_receiving_ack_with_text_takes_both)
{
	bring(_i);
	rx(ACK, .seq = tl.rcv, .ack = tl.snd, .len = 10);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 10);
	tcp_lab_read(10);
	ck_state(recv_state[_i].state == TCP_FIN_WAIT1 ? TCP_FIN_WAIT2 : recv_state[_i].state);
}
END_TEST

/* --- eighth: FIN --------------------------------------------------------------------------------
 */

START_TEST(test_receiving_fin_moves_on)
{
	bring(_i);
	rx(FIN | ACK, .seq = tl.rcv, .ack = una);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 1);
	quiet();
	ck_state(recv_state[_i].after_fin);
	tcp_lab_read_eof();
	ck_assert_int_eq(tcp_lab_poll() & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
}
END_TEST

START_TEST(test_receiving_fin_with_text_moves_on)
{
	bring(_i);
	rx(FIN | ACK, .seq = tl.rcv, .ack = una, .len = 30);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 31);
	ck_state(recv_state[_i].after_fin);
	tcp_lab_read(30);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_receiving_fin_out_of_order_waits)
{
	bring(_i);
	rx(FIN | ACK, .seq = tl.rcv + 30, .ack = una);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	ck_state(recv_state[_i].state);
	tcp_lab_read_errno(EAGAIN);
	text(0, 30);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 31);
	quiet();
	ck_state(recv_state[_i].after_fin);
	tcp_lab_read(30);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_receiving_text_behind_fin_ignored)
{
	bring(_i);
	rx(FIN | ACK, .seq = tl.rcv + 30, .ack = una);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	text(31, 20); /* after the FIN: cannot be */
	text(0, 30);
	tcp_lab_drop();
	tcp_lab_read(30);
	tcp_lab_read_eof();
}
END_TEST

/* What came before and goes on beyond the FIN ends with it: nothing may hide that it is there. */
START_TEST(test_receiving_text_held_over_fin_cut)
{
	bring(_i);
	text(20, 40);
	rx(FIN | ACK, .seq = tl.rcv + 30, .ack = una);
	tcp_lab_drop();
	text(0, 20);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 31);
	quiet();
	ck_state(recv_state[_i].after_fin);
	tcp_lab_read(30);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_receiving_fin_again_acked)
{
	bring(_i);
	rx(FIN | ACK, .seq = tl.rcv, .ack = una);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 1);
	rx(FIN | ACK, .seq = tl.rcv, .ack = una);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 1);
	quiet();
	ck_state(recv_state[_i].after_fin);
}
END_TEST

START_TEST(test_finwait1_fin_that_acks_ours_to_timewait)
{
	tcp_lab_state(TCP_FIN_WAIT1, _i ? ACTIVE : PASSIVE);
	rx(FIN | ACK, .seq = tl.rcv, .ack = tl.snd);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv + 1);
	ck_state(TCP_TIME_WAIT);
	quiet();
}
END_TEST

START_TEST(test_synrcvd_ack_with_fin_to_closewait)
{
	tcp_lab_state(TCP_SYN_RECV, _i ? ACTIVE : PASSIVE);
	rx(FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	if (!_i)
		wait_ms(3);
	tx(ACK, .seq = 1, .ack = 12);
	ck_state(TCP_CLOSE_WAIT);
	if (!_i)
		ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_read(10);
	tcp_lab_read_eof();
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------- */

/* Of what there is no room for in whole a part may be taken, and who waits for text is told of it. */
START_TEST(test_receiving_part_is_told)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	int epfd = weft_epoll_create1(0);
	uint32_t had = 0, part = 0;
	struct tcp_view v;

	bring(_i);
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_RCVBUF, 6000);
	ck_assert_int_eq(weft_epoll_ctl(epfd, EPOLL_CTL_ADD, tl.fd, &e), 0);
	for (uint32_t n = 700; n == 700; had += n) {
		text(had, 700);
		ck_assert(tcp_lab_view(&v));
		n = v.rcv_nxt - tl.peer.isn - tl.rcv - had;
		ck_assert_int_eq(weft_epoll_wait(epfd, &e, 1, 0), n > 0);
		part = n;
	}
	ck_assert_uint_gt(part, 0);
	tcp_lab_drop();
	tcp_lab_read(had);
	weft_close(epfd);
}
END_TEST

/* --- behind the peer's FIN ----------------------------------------------------------------------
 */

START_TEST(test_deaf_text_ignored)
{
	struct tcp_view v;

	tcp_lab_state(deaf_state[_i], PASSIVE);
	ck_assert(tcp_lab_view(&v));
	rx(ACK, .seq = tl.rcv, .ack = v.snd_una - tl.peer.iss, .len = 10);
	tcp_lab_drop(); /* whether it is answered is left open */
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.state, deaf_state[_i]);
	ck_assert_uint_eq(v.rcv_nxt - tl.peer.isn, tl.rcv);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_deaf_urg_ignored)
{
	struct tcp_view v;

	tcp_lab_state(deaf_state[_i], PASSIVE);
	ck_assert(tcp_lab_view(&v));
	rx(ACK | URG, .seq = tl.rcv, .ack = v.snd_una - tl.peer.iss, .len = 10, .up = 5);
	tcp_lab_drop();
	ck_state(deaf_state[_i]);
	ck_assert_int_eq(tcp_lab_poll() & POLLPRI, 0);
}
END_TEST

START_TEST(test_deaf_fin_again_acked)
{
	struct tcp_view v;

	tcp_lab_state(deaf_state[_i], PASSIVE);
	ck_assert(tcp_lab_view(&v));
	rx(FIN | ACK, .seq = tl.rcv - 1, .ack = v.snd_una - tl.peer.iss);
	tx(ACK, .seq = tl.snd, .ack = tl.rcv);
	quiet();
	ck_state(deaf_state[_i]);
}
END_TEST

/* --- the acknowledgement of our FIN -------------------------------------------------------------
 */

static const struct fin_acked {
	unsigned from, to;
} fin_acked[] = {
    {TCP_FIN_WAIT1, TCP_FIN_WAIT2},
    {TCP_CLOSING, TCP_TIME_WAIT},
    {TCP_LAST_ACK, TCP_CLOSE},
};

START_TEST(test_closing_states_ack_of_fin_moves_on)
{
	tcp_lab_state(fin_acked[_i].from, PASSIVE);
	rx(ACK, .seq = tl.rcv, .ack = tl.snd);
	quiet();
	ck_state(fin_acked[_i].to);
}
END_TEST

START_TEST(test_closing_states_ack_before_fin_stays)
{
	tcp_lab_state(fin_acked[_i].from, PASSIVE);
	rx(ACK, .seq = tl.rcv, .ack = tl.snd - 1);
	quiet();
	ck_state(fin_acked[_i].from);
}
END_TEST

static void add_text(TCase *tc)
{
	tcase_add_loop_test(tc, test_receiving_text_in_order_acked, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_text_pushed_readable, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_text_out_of_order_held, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_two_holes_filled, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_text_backwards_in_order, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_text_partly_old_trimmed, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_text_wholly_old_acked, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_overlaps_of_held_text_right, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_text_over_right_edge_cut, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_ack_with_text_takes_both, 0, RECV_STATES);
}

int main(void)
{
	TCase *tc = tcase_create("text");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	add_text(tc);
	tcase_add_loop_test(tc, test_receiving_fin_moves_on, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_fin_with_text_moves_on, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_fin_out_of_order_waits, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_text_behind_fin_ignored, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_text_held_over_fin_cut, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_part_is_told, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_receiving_fin_again_acked, 0, RECV_STATES);
	tcase_add_loop_test(tc, test_finwait1_fin_that_acks_ours_to_timewait, 0, 2);
	tcase_add_loop_test(tc, test_synrcvd_ack_with_fin_to_closewait, 0, 2);
	tcase_add_loop_test(tc, test_deaf_text_ignored, 0, 4);
	tcase_add_loop_test(tc, test_deaf_urg_ignored, 0, 4);
	tcase_add_loop_test(tc, test_deaf_fin_again_acked, 0, 4);
	tcase_add_loop_test(tc, test_closing_states_ack_of_fin_moves_on, 0, 3);
	tcase_add_loop_test(tc, test_closing_states_ack_before_fin_stays, 0, 3);
	return unit_run("tcp_state_text", tc);
}
