/*
 * weft_cb_*: two stacks on one wire, both ends by callbacks, on a lab's clock.  Every counter is
 * back where it was when the wire is taken down.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/sim.h"
#include "tests/harness/sockets.h"

#define LARGE 300000u

/*
 * What one end has been told, and what it is to do.
 *
 * LOCKING
 *	t	the thread that tells, or the test when that has nothing to tell
 *	a	atomic
 */
struct end {
	int fd;                                  /* t */
	unsigned came, refuse;                   /* t */
	_Atomic unsigned connected, ended, gone; /* a */
	_Atomic int err;                         /* a */
	_Atomic size_t got, acked;               /* a */
	unsigned polled;                         /* t */
	size_t sent, todo;                       /* t */
	bool keep, echo;                         /* t: does not say recved; sends back */
	char order[16];                          /* t: the first events, a letter each */
};

static struct sim s;
static struct end client, server;
static uint8_t pattern[LARGE];

static void open_wire(const struct sim_config *cfg)
{
	sim_open(&s, cfg);
	memset(&client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
	client.fd = server.fd = -1;
	for (uint32_t i = 0; i < LARGE; i++)
		pattern[i] = (uint8_t)(i * 7 + i / 251);
}

static void setup(void)
{
	open_wire(&(struct sim_config){.seed = 1});
}

static void teardown(void)
{
	sim_close(&s);
}

static void note(struct end *e, char what)
{
	size_t n = strlen(e->order);

	if (n + 1 < sizeof(e->order) && (!n || e->order[n - 1] != what))
		e->order[n] = what;
}

static void push(struct end *e, int fd)
{
	ssize_t n;

	while (e->sent < e->todo) {
		n = weft_send(fd, pattern + e->sent, e->todo - e->sent, 0);
		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			return;
		}
		e->sent += (size_t)n;
	}
}

static int on_recv(void *arg, int fd, const void *data, size_t n)
{
	struct end *e = arg;

	if (!n) {
		ck_assert_ptr_null(data);
		note(e, 'e');
		e->ended++;
		return 0;
	}
	note(e, 'r');
	if (e->refuse) {
		e->refuse--;
		return -1;
	}
	ck_assert_mem_eq(data, pattern + e->got, n);
	e->got += n;
	if (e->echo)
		e->todo += n;
	push(e, fd);
	if (!e->keep)
		ck_assert_int_eq(weft_cb_recved(fd, n), 0);
	return 0;
}

static void on_sent(void *arg, int fd, size_t n)
{
	struct end *e = arg;

	note(e, 's');
	e->acked += n;
	push(e, fd);
}

static void on_err(void *arg, int err)
{
	struct end *e = arg;

	note(e, 'x');
	e->gone++;
	e->err = err;
	e->fd = -1;
}

static void on_poll(void *arg, int fd)
{
	struct end *e = arg;

	e->polled++;
}

static void on_connected(void *arg, int fd, int err)
{
	struct end *e = arg;

	note(e, 'c');
	e->connected++;
	e->err = err;
	if (!err)
		push(e, fd);
}

static void hear(struct end *e, int fd)
{
	e->fd = fd;
	ck_assert_int_eq(weft_cb_arg(fd, e), 0);
	ck_assert_int_eq(weft_cb_recv(fd, on_recv), 0);
	ck_assert_int_eq(weft_cb_sent(fd, on_sent), 0);
	ck_assert_int_eq(weft_cb_err(fd, on_err), 0);
}

static int on_accept(void *arg, int fd)
{
	struct end *e = arg;

	note(e, 'a');
	e->came++;
	hear(e, fd);
	push(e, fd);
	return 0;
}

static void serve(void)
{
	ck_assert_int_eq(weft_cb_arg(s.listener, &server), 0);
	ck_assert_int_eq(weft_cb_accept(s.listener, on_accept), 0);
}

static void call_port(uint16_t port)
{
	struct sockaddr_in a = in4("10.0.0.2", port);
	int fd;

	weft_use(s.st[0]);
	fd = weft_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(fd, WEFT_FD_FIRST);
	hear(&client, fd);
	ck_assert_int_eq(weft_cb_connect(fd, sa(&a), SA_LEN, on_connected), 0);
}

static void run_ms(uint64_t ms)
{
	env_lab_advance(s.env, ms * NSEC_PER_MSEC);
}

static void connect_both(void)
{
	serve();
	call_port(SIM_PORT);
	run_ms(50);
	ck_assert_uint_eq(client.connected, 1);
	ck_assert_int_eq(client.err, 0);
	ck_assert_uint_eq(server.came, 1);
}

static void close_end(struct end *e)
{
	if (e->fd >= 0)
		ck_assert_int_eq(weft_close(e->fd), 0);
	e->fd = -1;
}

static void close_both(void)
{
	close_end(&client);
	close_end(&server);
}

START_TEST(test_connection_tells_both_ends_in_order)
{
	client.todo = 1000;
	server.echo = true;
	connect_both();
	run_ms(1000);
	ck_assert_uint_eq(server.got, 1000);
	ck_assert_uint_eq(client.got, 1000);
	ck_assert_uint_eq(client.acked, 1000);
	ck_assert_uint_eq(server.acked, 1000);
	ck_assert_int_eq(gauge_read(s.st[0], GAUGE_callbacks), 1);
	close_end(&client);
	run_ms(100);
	ck_assert_int_eq(gauge_read(s.st[0], GAUGE_callbacks), 0);
	ck_assert_uint_eq(server.ended, 1);
	close_end(&server);
	ck_assert_int_eq(server.order[0], 'a');
	ck_assert_int_eq(client.order[0], 'c');
	ck_assert_str_eq(strchr(server.order, 'e'), "e");
	ck_assert_uint_eq(client.gone + server.gone, 0);
}
END_TEST

/* Every byte once and in its place, told and acknowledged, whatever the wire does. */
START_TEST(test_lossy_wire_echo_is_whole)
{
	teardown();
	open_wire(&(struct sim_config){.seed = 5 + (uint64_t)_i,
				       .netem = {.loss = netem_percent(3),
						 .reorder = netem_percent(10),
						 .duplicate = netem_percent(2),
						 .delay = 5 * NSEC_PER_MSEC,
						 .jitter = 2 * NSEC_PER_MSEC}});
	client.todo = LARGE;
	server.echo = true;
	serve();
	call_port(SIM_PORT);
	for (int i = 0; i < 600 && (client.got < LARGE || client.acked < LARGE); i++)
		run_ms(1000);
	ck_assert_uint_eq(client.got, LARGE);
	ck_assert_uint_eq(client.acked, LARGE);
	ck_assert_uint_eq(server.got, LARGE);
	close_both();
}
END_TEST

static int on_accept_once(void *arg, int fd)
{
	struct end *e = arg;

	e->came++;
	e->fd = fd;
	return weft_cb_accept(s.listener, NULL);
}

/* Whom the callback of the one before has taken away from is not accepted behind the program's back. */
START_TEST(test_accept_taken_away_leaves_the_next_in_the_queue)
{
	struct sockaddr_in a = in4("10.0.0.2", SIM_PORT);
	int fd[2];

	weft_use(s.st[0]);
	for (int i = 0; i < 2; i++) {
		fd[i] = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		ck_assert_errno(weft_connect(fd[i], sa(&a), SA_LEN), EINPROGRESS);
	}
	run_ms(50);
	ck_assert_int_eq(weft_cb_arg(s.listener, &server), 0);
	ck_assert_int_eq(weft_cb_accept(s.listener, on_accept_once), 0);
	run_ms(50);
	ck_assert_uint_eq(server.came, 1);
	close_end(&server);
	ck_assert_int_eq(weft_cb_accept(s.listener, on_accept_once), 0);
	run_ms(50);
	ck_assert_uint_eq(server.came, 2);
	close_end(&server);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(weft_close(fd[i]), 0);
}
END_TEST

START_TEST(test_half_close_is_not_counted_as_sent)
{
	client.todo = 10;
	connect_both();
	ck_assert_int_eq(weft_shutdown(client.fd, SHUT_WR), 0);
	run_ms(1000);
	ck_assert_uint_eq(client.acked, 10);
	ck_assert_uint_eq(server.ended, 1);
	close_both();
}
END_TEST

/* No more than the window is told until the program says recved; the rest stays in the stack. */
START_TEST(test_bytes_not_recved_stop_at_the_window)
{
	client.todo = LARGE;
	server.keep = true;
	connect_both();
	run_ms(5000);
	ck_assert_uint_eq(server.got, WEFT_CB_WINDOW);
	ck_assert_errno(weft_cb_recved(server.fd, WEFT_CB_WINDOW + 1), EINVAL);
	ck_assert_int_eq(weft_cb_recved(server.fd, 1000), 0);
	run_ms(10);
	ck_assert_uint_eq(server.got, WEFT_CB_WINDOW + 1000);
	server.keep = false;
	ck_assert_int_eq(weft_cb_recved(server.fd, WEFT_CB_WINDOW), 0);
	run_ms(60000);
	ck_assert_uint_eq(server.got, LARGE);
	close_both();
}
END_TEST

/* 100 bytes to a server that takes them when it has refused so often. */
static void send_to_refuser(unsigned times, unsigned ms)
{
	client.todo = 100;
	server.refuse = times;
	connect_both();
	run_ms(ms);
	ck_assert_uint_eq(server.got, 0);
}

START_TEST(test_bytes_refused_are_told_again)
{
	send_to_refuser(2, 240);
	run_ms(600);
	ck_assert_uint_eq(server.got, 100);
	ck_assert_uint_eq(server.refuse, 0);
	close_both();
}
END_TEST

/* Refused and never taken: nothing is left of it. */
START_TEST(test_bytes_refused_then_closed_are_freed)
{
	send_to_refuser(1000, 1000);
	close_both();
}
END_TEST

START_TEST(test_no_recv_data_is_thrown_away_and_the_end_closes)
{
	client.todo = LARGE;
	serve();
	call_port(SIM_PORT);
	run_ms(5);
	ck_assert_uint_eq(server.came, 1);
	ck_assert_int_eq(weft_cb_recv(server.fd, NULL), 0);
	run_ms(5000);
	ck_assert_uint_eq(client.acked, LARGE);
	close_end(&client);
	run_ms(100);
	ck_assert_errno(weft_close(server.fd), EBADF);
}
END_TEST

START_TEST(test_refused_connect_is_told_to_connected)
{
	call_port(9);
	run_ms(100);
	ck_assert_uint_eq(client.connected, 1);
	ck_assert_int_eq(client.err, ECONNREFUSED);
	ck_assert_uint_eq(client.gone, 0);
	close_both();
}
END_TEST

/* The socket is as new: a second attempt may come. */
START_TEST(test_refused_connect_may_be_tried_again)
{
	struct sockaddr_in a = in4("10.0.0.2", SIM_PORT);

	serve();
	call_port(9);
	run_ms(100);
	ck_assert_int_eq(weft_cb_connect(client.fd, sa(&a), SA_LEN, on_connected), 0);
	ck_assert_errno(weft_cb_connect(client.fd, sa(&a), SA_LEN, NULL), EALREADY);
	run_ms(100);
	ck_assert_uint_eq(client.connected, 2);
	ck_assert_int_eq(client.err, 0);
	close_both();
}
END_TEST

START_TEST(test_reset_is_told_to_err_and_closes)
{
	int fd;

	connect_both();
	fd = server.fd;
	ck_assert_int_eq(weft_cb_abort(client.fd), 0);
	client.fd = -1;
	run_ms(100);
	ck_assert_uint_eq(server.gone, 1);
	ck_assert_int_eq(server.err, ECONNRESET);
	ck_assert_errno(weft_close(fd), EBADF);
	ck_assert_uint_eq(client.gone, 0);
}
END_TEST

/* Behind the peer's end no read finds the error. */
START_TEST(test_reset_behind_the_end_is_told)
{
	connect_both();
	ck_assert_int_eq(weft_shutdown(client.fd, SHUT_WR), 0);
	run_ms(100);
	ck_assert_uint_eq(server.ended, 1);
	ck_assert_int_eq(weft_cb_abort(client.fd), 0);
	client.fd = -1;
	run_ms(100);
	if (server.fd >= 0) {
		server.todo = 10;
		push(&server, server.fd);
		run_ms(1000);
	}
	ck_assert_uint_eq(server.gone, 1);
}
END_TEST

static int accept_not(void *arg, int fd)
{
	server.came++;
	return -1;
}

START_TEST(test_accept_that_says_no_resets)
{
	ck_assert_int_eq(weft_cb_accept(s.listener, accept_not), 0);
	call_port(SIM_PORT);
	run_ms(100);
	ck_assert_uint_eq(server.came, 1);
	ck_assert_uint_eq(client.gone, 1);
	ck_assert_int_eq(client.err, ECONNRESET);
}
END_TEST

/* A connection that has not been accepted is nobody's: its reset is told to nobody. */
START_TEST(test_half_open_reset_is_told_to_nobody)
{
	serve();
	ck_assert_int_eq(weft_cb_err(s.listener, on_err), 0);
	netdev_down(s.dev[1]);
	call_port(SIM_PORT);
	run_ms(100);
	ck_assert_int_eq(weft_cb_abort(client.fd), 0);
	client.fd = -1;
	run_ms(100);
	ck_assert_uint_eq(server.came + server.gone, 0);
	netdev_up(s.dev[1]);
}
END_TEST

START_TEST(test_poll_comes_each_interval)
{
	connect_both();
	ck_assert_int_eq(weft_cb_poll(client.fd, on_poll, 500), 0);
	run_ms(499);
	ck_assert_uint_eq(client.polled, 0);
	run_ms(2);
	ck_assert_uint_eq(client.polled, 1);
	run_ms(5000);
	ck_assert_uint_ge(client.polled, 10);
	ck_assert_uint_le(client.polled, 11);
	ck_assert_int_eq(weft_cb_poll(client.fd, NULL, 500), 0);
	client.polled = 0;
	run_ms(5000);
	ck_assert_uint_eq(client.polled, 0);
	ck_assert_errno(weft_cb_poll(client.fd, on_poll, 0), EINVAL);
	ck_assert_errno(weft_cb_poll(client.fd, on_poll, 86400001), EINVAL);
	close_both();
}
END_TEST

START_TEST(test_listener_refuses_what_is_a_connections)
{
	ck_assert_errno(weft_cb_recv(s.listener, on_recv), EINVAL);
	ck_assert_errno(weft_cb_sent(s.listener, on_sent), EINVAL);
	ck_assert_errno(weft_cb_poll(s.listener, on_poll, 500), EINVAL);
	ck_assert_errno(weft_cb_recved(s.listener, 0), EINVAL);
}
END_TEST

START_TEST(test_datagram_socket_has_no_callbacks)
{
	int fd;

	weft_use(s.st[0]);
	fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_errno(weft_cb_arg(fd, NULL), EOPNOTSUPP);
	ck_assert_int_eq(weft_close(fd), 0);
	ck_assert_errno(weft_cb_arg(fd, NULL), EBADF);
	ck_assert_errno(weft_cb_abort(fd), EBADF);
}
END_TEST

static int close_it(void *arg, int fd, const void *data, size_t n)
{
	struct end *e = arg;

	e->got += n;
	e->fd = -1;
	return weft_close(fd);
}

START_TEST(test_close_in_a_callback_is_the_last_of_it)
{
	client.todo = 10;
	connect_both();
	server.got = 0;
	ck_assert_int_eq(weft_cb_recv(server.fd, close_it), 0);
	ck_assert_int_eq(weft_cb_poll(server.fd, on_poll, 1), 0);
	server.polled = 0;
	ck_assert_int_eq(weft_send(client.fd, "x", 1, 0), 1);
	run_ms(100);
	ck_assert_uint_eq(server.got, 1);
	ck_assert_uint_eq(client.ended, 1);
	close_both();
}
END_TEST

/* --- one function for all ---------------------------------------------------------------------- */

static unsigned seen[WEFT_CB_ERR + 1];

static int on_event(void *arg, const struct weft_cb_event *e)
{
	seen[e->type]++;
	if (e->type == WEFT_CB_RECV && e->n) {
		ck_assert_int_eq(weft_cb_recved(e->fd, e->n), 0);
		ck_assert_int_eq(weft_send(e->fd, e->data, e->n, 0), (ssize_t)e->n);
	} else if (e->type == WEFT_CB_RECV) {
		ck_assert_int_eq(weft_close(e->fd), 0);
	}
	return 0;
}

START_TEST(test_event_function_is_told_each_event_once)
{
	memset(seen, 0, sizeof(seen));
	ck_assert_int_eq(weft_cb_event(s.listener, on_event), 0);
	client.todo = 10;
	call_port(SIM_PORT);
	run_ms(500);
	ck_assert_uint_eq(client.got, 10);
	ck_assert_int_eq(weft_shutdown(client.fd, SHUT_WR), 0);
	run_ms(500);
	ck_assert_uint_eq(seen[WEFT_CB_ACCEPT], 1);
	ck_assert_uint_eq(seen[WEFT_CB_RECV], 2);
	ck_assert_uint_eq(seen[WEFT_CB_SENT], 1);
	ck_assert_uint_eq(seen[WEFT_CB_ERR], 0);
	ck_assert_uint_eq(client.ended, 1);
	close_both();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("callback");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_connection_tells_both_ends_in_order);
	tcase_add_loop_test(tc, test_lossy_wire_echo_is_whole, 0, 3);
	tcase_add_test(tc, test_accept_taken_away_leaves_the_next_in_the_queue);
	tcase_add_test(tc, test_half_close_is_not_counted_as_sent);
	tcase_add_test(tc, test_bytes_not_recved_stop_at_the_window);
	tcase_add_test(tc, test_bytes_refused_are_told_again);
	tcase_add_test(tc, test_bytes_refused_then_closed_are_freed);
	tcase_add_test(tc, test_no_recv_data_is_thrown_away_and_the_end_closes);
	tcase_add_test(tc, test_refused_connect_is_told_to_connected);
	tcase_add_test(tc, test_refused_connect_may_be_tried_again);
	tcase_add_test(tc, test_reset_is_told_to_err_and_closes);
	tcase_add_test(tc, test_reset_behind_the_end_is_told);
	tcase_add_test(tc, test_accept_that_says_no_resets);
	tcase_add_test(tc, test_half_open_reset_is_told_to_nobody);
	tcase_add_test(tc, test_poll_comes_each_interval);
	tcase_add_test(tc, test_listener_refuses_what_is_a_connections);
	tcase_add_test(tc, test_datagram_socket_has_no_callbacks);
	tcase_add_test(tc, test_close_in_a_callback_is_the_last_of_it);
	tcase_add_test(tc, test_event_function_is_told_each_event_once);
	return unit_run("callback", tc);
}
