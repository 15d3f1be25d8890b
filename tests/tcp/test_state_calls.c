/*
 * tests/tcp/test_state_calls.c - RFC 9293, 3.10.1 to 3.10.6: the program's calls (OPEN, SEND, RECEIVE,
 * CLOSE, ABORT, STATUS) in every state, with the errno of the BSD calls.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <string.h>

#include "ip/route.h"
#include "tests/harness/tcp_lab.h"

/* What each call answers: 0 or an errno. */
static const struct call_state {
	const char *name;
	unsigned state;
	enum tcp_lab_open how;
	int connect, listen, send, recv, shutdown; /* recv: -1 is end of file */
	unsigned close_flags, closed;              /* sent by close(), and the state after it */
	unsigned abort_flags;                      /* sent by close() with linger 0 */
} call_state[] = {
    {"CLOSED", TCP_CLOSE, ACTIVE, EINPROGRESS, 0, ENOTCONN, ENOTCONN, ENOTCONN, 0, TCP_CLOSE, 0},
    {"LISTEN", TCP_LISTEN, PASSIVE, EISCONN, 0, ENOTCONN, ENOTCONN, 0, 0, TCP_CLOSE, 0},
    {"SYN-SENT", TCP_SYN_SENT, ACTIVE, EALREADY, EINVAL, EAGAIN, EAGAIN, 0, 0, TCP_CLOSE, 0},
    {"SYN-RECEIVED", TCP_SYN_RECV, ACTIVE, EALREADY, EINVAL, EAGAIN, EAGAIN, 0, FIN | ACK,
     TCP_FIN_WAIT1, RST},
    {"ESTABLISHED", TCP_ESTABLISHED, PASSIVE, EISCONN, EINVAL, 0, EAGAIN, 0, FIN | ACK,
     TCP_FIN_WAIT1, RST},
    /* the connect() after EINPROGRESS hears of the success */
    {"ESTABLISHED, active", TCP_ESTABLISHED, ACTIVE, 0, EINVAL, 0, EAGAIN, 0, FIN | ACK,
     TCP_FIN_WAIT1, RST},
    {"FIN-WAIT-1", TCP_FIN_WAIT1, PASSIVE, EISCONN, EINVAL, EPIPE, EAGAIN, 0, 0, TCP_FIN_WAIT1,
     RST},
    {"FIN-WAIT-2", TCP_FIN_WAIT2, PASSIVE, EISCONN, EINVAL, EPIPE, EAGAIN, 0, 0, TCP_FIN_WAIT2,
     RST},
    {"CLOSE-WAIT", TCP_CLOSE_WAIT, PASSIVE, EISCONN, EINVAL, 0, -1, 0, FIN | ACK, TCP_LAST_ACK,
     RST},
    {"CLOSING", TCP_CLOSING, PASSIVE, EISCONN, EINVAL, EPIPE, -1, 0, 0, TCP_CLOSING, 0},
    {"LAST-ACK", TCP_LAST_ACK, PASSIVE, EISCONN, EINVAL, EPIPE, -1, 0, 0, TCP_LAST_ACK, 0},
    {"TIME-WAIT", TCP_TIME_WAIT, PASSIVE, 0, 0, EPIPE, -1, ENOTCONN, 0, TCP_TIME_WAIT, 0},
};
#define CALL_STATES (int)(sizeof(call_state) / sizeof(call_state[0]))

static const struct call_state *cs;

static void bring(int i)
{
	cs = &call_state[i];
	if (cs->state == TCP_CLOSE)
		tl.fd = tcp_lab_socket();
	else
		tcp_lab_state(cs->state, cs->how);
	if (cs->state == TCP_LISTEN)
		tl.fd = tl.ls;
}

static void check_errno(const char *call, long r, int want)
{
	int got = r < 0 ? errno : 0;

	ck_assert_msg(got == want, "%s in %s: %s, expected %s", call, cs->name, strerror(got),
		      strerror(want));
}

START_TEST(test_any_open_answers)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(tl.peer.port + 9)};

	bring(_i);
	if (cs->state == TCP_TIME_WAIT)
		return; /* the sock of the program is CLOSED by then */
	a.sin_addr.s_addr = inet_addr("10.0.0.2");
	check_errno("connect", weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a)), cs->connect);
	if (cs->state != TCP_CLOSE)
		quiet();
}
END_TEST

START_TEST(test_any_listen_answers)
{
	bring(_i);
	if (cs->state == TCP_TIME_WAIT)
		return;
	check_errno("listen", weft_listen(tl.fd, 5), cs->listen);
	quiet();
}
END_TEST

START_TEST(test_any_send_answers)
{
	long r;

	bring(_i);
	r = weft_send(tl.fd, "x", 1, MSG_NOSIGNAL);
	if (cs->send == ENOTCONN && r < 0 && errno == EPIPE)
		errno = ENOTCONN; /* Linux's word for it */
	check_errno("send", r, cs->send);
	if (cs->send)
		quiet();
	else
		tcp_lab_drop();
}
END_TEST

START_TEST(test_any_receive_answers)
{
	char c;
	long r;

	bring(_i);
	r = weft_recv(tl.fd, &c, 1, 0);
	if (cs->recv == -1)
		ck_assert_msg(r == 0, "recv in %s: %ld", cs->name, r);
	else
		check_errno("recv", r, cs->recv);
	quiet();
}
END_TEST

START_TEST(test_any_close_answers)
{
	bring(_i);
	tl.fd = tl.fd == tl.ls ? -1 : tl.fd;
	ck_assert_int_eq(weft_close(tl.fd < 0 ? tl.ls : tl.fd), 0);
	if (cs->state == TCP_SYN_RECV)
		return; /* below */
	if (cs->close_flags)
		tx(cs->close_flags, .seq = tl.snd, .ack = tl.rcv);
	quiet();
	ck_state(cs->closed);
}
END_TEST

START_TEST(test_any_abort_answers)
{
	struct linger l = {.l_onoff = 1};
	struct seg s;

	bring(_i);
	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	ck_assert_int_eq(weft_close(tl.fd), 0);
	if (cs->abort_flags) {
		ck_assert_msg(tcp_lab_take(&s), "%s: no RST", cs->name);
		ck_assert_msg(s.flags & RST && s.seq == tl.snd, "%s: %s", cs->name,
			      seg_text(&s, (char[300]){0}, 300));
	}
	quiet();
	if (cs->state != TCP_TIME_WAIT)
		ck_state(TCP_CLOSE);
}
END_TEST

START_TEST(test_any_status_answers)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	bring(_i);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
	/* TIME-WAIT is not the program's sock any more. */
	ck_assert_uint_eq(info.tcpi_state, cs->state == TCP_TIME_WAIT ? TCP_CLOSE : cs->state);
}
END_TEST

START_TEST(test_any_shutdown_of_writing_answers)
{
	bring(_i);
	if (cs->state == TCP_LISTEN || cs->state == TCP_SYN_SENT)
		return;
	check_errno("shutdown", weft_shutdown(tl.fd, SHUT_WR), cs->shutdown);
	if (cs->state == TCP_SYN_RECV)
		return; /* below */
	if (cs->close_flags)
		tx(cs->close_flags, .seq = tl.snd, .ack = tl.rcv);
	quiet();
}
END_TEST

START_TEST(test_any_shutdown_of_reading_sends_nothing)
{
	bring(_i);
	if (cs->state == TCP_LISTEN || cs->state == TCP_SYN_SENT)
		return;
	check_errno("shutdown", weft_shutdown(tl.fd, SHUT_RD), cs->shutdown);
	quiet();
}
END_TEST

/* --- what calls do beside their errno -----------------------------------------------------------
 */

/* RFC 9293, MUST-46. */
START_TEST(test_closed_open_to_many_refused)
{
	static const char *const many[] = {"10.0.0.255", "255.255.255.255", "224.0.0.1"};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};

	a.sin_addr.s_addr = inet_addr(many[_i % 3]);
	tl.fd = tcp_lab_socket();
	tcp_lab_setopt(tl.fd, SOL_SOCKET, SO_BROADCAST, _i / 3);
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a)), -1);
	ck_assert_int_eq(errno, ENETUNREACH);
	advance_ms(5000);
	quiet();
}
END_TEST

START_TEST(test_closed_bad_shutdown_refused)
{
	tl.fd = tcp_lab_socket();
	ck_assert_int_eq(weft_shutdown(tl.fd, 7), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ENOTCONN, and nothing is left of it: it still waits for a peer, listens and is written to. */
START_TEST(test_closed_shutdown_leaves_nothing)
{
	short before;

	tl.fd = tcp_lab_socket();
	before = tcp_lab_poll();
	ck_assert_int_eq(weft_shutdown(tl.fd, _i), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert_int_eq(tcp_lab_poll(), before);
	tcp_lab_read_errno(ENOTCONN);
	ck_assert_int_eq(weft_listen(tl.fd, 1), 0);
	ck_assert_int_eq(tcp_lab_poll(), 0);
}
END_TEST

START_TEST(test_synsent_connect_again_when_established)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};

	a.sin_addr.s_addr = inet_addr("10.0.0.2");
	tcp_lab_state(TCP_ESTABLISHED, ACTIVE);
	/* connect() after EINPROGRESS: success once, then EISCONN (POSIX) or EISCONN at once. */
	weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a));
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a)), -1);
	ck_assert_int_eq(errno, EISCONN);
}
END_TEST

START_TEST(test_synsent_close_sends_nothing_and_syn_stops)
{
	tcp_lab_state(TCP_SYN_SENT, ACTIVE);
	weft_close(tl.fd);
	advance_ms(10000);
	quiet();
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	tx(RST, .seq = 1);
}
END_TEST

/* RFC 9293, 3.10.4: in SYN-RECEIVED the FIN goes at once, or once ESTABLISHED is reached. */
START_TEST(test_synrcvd_close_fin_follows)
{
	struct seg s = {0};

	tcp_lab_state(TCP_SYN_RECV, ACTIVE);
	weft_close(tl.fd);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.flags & ~(unsigned)PSH, FIN | ACK);
	ck_assert_uint_eq(s.seq, 1);
	ck_state(TCP_FIN_WAIT1);
	quiet();
	rx(ACK, .seq = 1, .ack = 2);
	ck_state(TCP_FIN_WAIT2);
}
END_TEST

/* It never was ESTABLISHED, and when its ACK comes there is no way back to the peer. */
START_TEST(test_synrcvd_close_then_no_route)
{
	struct route r = {.prefix = IP_PREFIX4(24)};
	struct batch batch;

	tcp_lab_state(TCP_SYN_RECV, ACTIVE);
	weft_close(tl.fd);
	ck_assert_int_eq(ip_addr_parse("10.0.0.0", &r.net), 0);
	batch_begin(&batch, tl.st);
	ck_assert_int_eq(route_del(tl.st, &r), 0);
	batch_end(&batch);
	rx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_FIN_WAIT1);
	quiet();
}
END_TEST

START_TEST(test_synrcvd_close_then_silence_retransmits)
{
	struct seg s;

	tcp_lab_state(TCP_SYN_RECV, ACTIVE);
	weft_close(tl.fd);
	tcp_lab_drop();
	for (unsigned i = 0; i < 3; i++) {
		wait_ms(10000);
		ck_assert(tcp_lab_take(&s));
		ck_assert_uint_eq(s.seq, s.flags & SYN ? 0 : 1);
		ck_assert_uint_eq(s.ack, 1);
	}
}
END_TEST

START_TEST(test_refused_connect_tried_again)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(tl.peer.port)};

	a.sin_addr.s_addr = inet_addr("10.0.0.2");
	tcp_lab_state(TCP_SYN_SENT, ACTIVE);
	rx(RST | ACK, .seq = 0, .ack = 1);
	ck_assert_int_eq(tcp_lab_error(), ECONNREFUSED);
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a)), -1);
	ck_assert_int_eq(errno, ECONNABORTED); /* Linux: the end of the first attempt */
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&a, sizeof(a)), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_reset_send_tells_once)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(RST, .seq = 1);
	tcp_lab_write_errno(ECONNRESET);
	tcp_lab_write_errno(EPIPE);
}
END_TEST

START_TEST(test_reset_receive_tells_once)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(RST, .seq = 1);
	tcp_lab_read_errno(ECONNRESET);
	tcp_lab_read_eof();
}
END_TEST

/* What the peer sent behind its FIN takes nothing of what it said: the end comes first, then the error. */
START_TEST(test_reset_behind_fin_is_the_writers)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	tcp_lab_drop();
	if (_i == 1) /* LAST-ACK, still held */
		weft_shutdown(tl.fd, SHUT_WR);
	tcp_lab_drop();
	rx(RST, .seq = 12);
	ck_state(TCP_CLOSE);
	ck_assert_int_eq(tcp_lab_poll(),
			 POLLIN | POLLRDNORM | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
	tcp_lab_read(10);
	tcp_lab_read_eof();
	tcp_lab_read_eof();
	ck_assert_int_ne(tcp_lab_poll() & POLLERR, 0);
	if (_i == 2) {
		ck_assert_int_eq(tcp_lab_error(), EPIPE);
		ck_assert_int_eq(tcp_lab_poll() & POLLERR, 0);
	}
	tcp_lab_write_errno(_i == 1 ? ECONNRESET : EPIPE);
	tcp_lab_write_errno(EPIPE);
	ck_assert_int_eq(tcp_lab_error(), 0);
}
END_TEST

/* A FIN behind a hole was never taken: it is no end. */
START_TEST(test_reset_before_fin_in_its_turn_tells)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	rx(FIN | ACK, .seq = 11, .ack = 1, .len = 10);
	tcp_lab_drop();
	rx(RST, .seq = 1);
	tcp_lab_read_errno(ECONNRESET);
	tcp_lab_read_eof();
}
END_TEST

START_TEST(test_established_accepted_names)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_int_eq(weft_getpeername(tl.fd, (struct sockaddr *)&a, &n), 0);
	ck_assert_uint_eq(ntohs(a.sin_port), tl.peer.port);
	ck_assert_uint_eq(a.sin_addr.s_addr, inet_addr("10.0.0.2"));
	ck_assert_int_eq(weft_getsockname(tl.fd, (struct sockaddr *)&a, &n), 0);
	ck_assert_uint_eq(ntohs(a.sin_port), TCP_LAB_PORT);
	ck_assert_uint_eq(a.sin_addr.s_addr, inet_addr("10.0.0.1"));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("calls");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_any_open_answers, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_any_listen_answers, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_any_send_answers, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_any_receive_answers, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_any_close_answers, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_any_abort_answers, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_any_status_answers, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_any_shutdown_of_writing_answers, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_any_shutdown_of_reading_sends_nothing, 0, CALL_STATES);
	tcase_add_loop_test(tc, test_closed_open_to_many_refused, 0, 6);
	tcase_add_test(tc, test_closed_bad_shutdown_refused);
	tcase_add_loop_test(tc, test_closed_shutdown_leaves_nothing, SHUT_RD, SHUT_RDWR + 1);
	tcase_add_test(tc, test_synsent_connect_again_when_established);
	tcase_add_test(tc, test_synsent_close_sends_nothing_and_syn_stops);
	tcase_add_test(tc, test_synrcvd_close_fin_follows);
	tcase_add_test(tc, test_synrcvd_close_then_no_route);
	tcase_add_test(tc, test_synrcvd_close_then_silence_retransmits);
	tcase_add_test(tc, test_refused_connect_tried_again);
	tcase_add_test(tc, test_reset_send_tells_once);
	tcase_add_test(tc, test_reset_receive_tells_once);
	tcase_add_loop_test(tc, test_reset_behind_fin_is_the_writers, 0, 3);
	tcase_add_test(tc, test_reset_before_fin_in_its_turn_tells);
	tcase_add_test(tc, test_established_accepted_names);
	return unit_run("tcp_state_calls", tc);
}
