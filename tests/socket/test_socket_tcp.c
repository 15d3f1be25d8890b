/* Stream sockets by the public calls, a connection over lo. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static int c, s; /* the two ends of a connection */
static char buf[1 << 16];

static void setup(void)
{
	int fd[2];

	st = sockets_begin();
	sockets_pair(fd);
	c = fd[0];
	s = fd[1];
}

static void teardown(void)
{
	weft_close(c);
	weft_close(s);
	sockets_end(st);
}

static int option_get(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	ck_assert_int_eq(weft_getsockopt(fd, level, name, &v, &n), 0);
	ck_assert_uint_eq(n, sizeof(v));
	return v;
}

static void option_set(int fd, int level, int name, int v)
{
	ck_assert_int_eq(weft_setsockopt(fd, level, name, &v, sizeof(v)), 0);
}

/* --- connect and accept -------------------------------------------------------------------------- */

START_TEST(test_names_of_both_ends_agree)
{
	struct sockaddr_in x, y;
	socklen_t n = SA_LEN;

	ck_assert_int_eq(weft_getsockname(c, sa(&x), &n), 0);
	ck_assert_int_eq(weft_getpeername(s, sa(&y), &n), 0);
	ck_assert_mem_eq(&x, &y, sizeof(x));
	ck_assert_int_eq(weft_getpeername(c, sa(&x), &n), 0);
	ck_assert_int_eq(weft_getsockname(s, sa(&y), &n), 0);
	ck_assert_mem_eq(&x, &y, sizeof(x));
}
END_TEST

START_TEST(test_accept_names_the_peer)
{
	struct sockaddr_in at, own, peer;
	int l = sockets_listener(&at), x = weft_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), y;
	socklen_t n = SA_LEN;

	ck_assert_int_eq(weft_connect(x, sa(&at), SA_LEN), 0);
	ck_assert_errno(weft_accept(l, sa(&peer), NULL), EFAULT);
	y = weft_accept4(l, sa(&peer), &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ge(y, 0);
	ck_assert_int_eq(weft_getsockname(x, sa(&own), &n), 0);
	ck_assert_mem_eq(&own, &peer, sizeof(own));
	ck_assert_int_eq(weft_fcntl(y, F_GETFL), O_RDWR | O_NONBLOCK);
	ck_assert_int_eq(weft_fcntl(y, F_GETFD), FD_CLOEXEC);
	ck_assert_errno(weft_accept4(l, NULL, NULL, 1), EINVAL);
	option_set(l, SOL_SOCKET, SO_KEEPALIVE, 0);
	ck_assert_int_eq(weft_fcntl(l, F_SETFL, O_NONBLOCK), 0);
	ck_assert_errno(weft_accept(l, NULL, NULL), EAGAIN);
	weft_close(x);
	weft_close(y);
	weft_close(l);
}
END_TEST

START_TEST(test_acceptconn_tells_a_listener)
{
	struct sockaddr_in at;
	int l = sockets_listener(&at), fresh = weft_socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(option_get(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	ck_assert_int_eq(option_get(fresh, SOL_SOCKET, SO_ACCEPTCONN), 0);
	ck_assert_int_eq(option_get(c, SOL_SOCKET, SO_ACCEPTCONN), 0);
	weft_close(l);
	weft_close(fresh);
}
END_TEST

START_TEST(test_child_has_its_listeners_options)
{
	struct timeval tv = {.tv_sec = 3}, got;
	struct sockaddr_in at;
	int l = sockets_listener(&at), x = weft_socket(AF_INET, SOCK_STREAM, 0), y;
	socklen_t n = sizeof(got);

	option_set(l, SOL_SOCKET, SO_KEEPALIVE, 1);
	option_set(l, IPPROTO_TCP, TCP_NODELAY, 1);
	ck_assert_int_eq(weft_setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(weft_connect(x, sa(&at), SA_LEN), 0);
	y = weft_accept(l, NULL, NULL);
	ck_assert_int_eq(option_get(y, SOL_SOCKET, SO_KEEPALIVE), 1);
	ck_assert_int_eq(option_get(y, IPPROTO_TCP, TCP_NODELAY), 1);
	ck_assert_int_eq(weft_getsockopt(y, SOL_SOCKET, SO_RCVTIMEO, &got, &n), 0);
	ck_assert_int_eq(got.tv_sec, 3);
	weft_close(x);
	weft_close(y);
	weft_close(l);
}
END_TEST

START_TEST(test_connect_to_nobody_is_refused_and_may_be_tried_again)
{
	struct sockaddr_in at;
	int l = sockets_listener(&at), x = weft_socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = SA_LEN;

	weft_close(l);
	ck_assert_errno(weft_connect(x, sa(&at), SA_LEN), ECONNREFUSED);
	ck_assert_int_eq(option_get(x, SOL_SOCKET, SO_ERROR), 0);
	ck_assert_errno(weft_getpeername(x, sa(&at), &n), ENOTCONN);
	l = sockets_listener(&at);
	ck_assert_int_eq(weft_connect(x, sa(&at), SA_LEN), 0);
	ck_assert_errno(weft_connect(x, sa(&at), SA_LEN), EISCONN);
	weft_close(x);
	weft_close(l);
}
END_TEST

/* One more than the backlog are complete before accept(); the next one waits, and comes in when there is room. */
START_TEST(test_backlog_holds_so_many)
{
	struct sockaddr_in at;
	int l = sockets_bound(SOCK_STREAM, &at), fd[4];
	struct pollfd p = {.events = POLLOUT};

	ck_assert_int_eq(weft_listen(l, 2), 0);
	for (int i = 0; i < 4; i++)
		fd[i] = weft_socket(AF_INET, SOCK_STREAM | (i < 3 ? 0 : SOCK_NONBLOCK), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(weft_connect(fd[i], sa(&at), SA_LEN), 0);
	ck_assert_errno(weft_connect(fd[3], sa(&at), SA_LEN), EINPROGRESS);
	p.fd = fd[3];
	ck_assert_int_eq(weft_poll(&p, 1, 0), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(weft_close(weft_accept(l, NULL, NULL)),
				 0); /* the fourth by its next SYN */
	ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
	for (int i = 0; i < 4; i++)
		weft_close(fd[i]);
	weft_close(l);
}
END_TEST

/* The far end never answers: the SYN goes where nothing takes it up. */
static int connecting(int type_flags)
{
	int x = weft_socket(AF_INET, SOCK_STREAM | type_flags, 0), full[2];
	struct sockaddr_in at;
	int l = sockets_bound(SOCK_STREAM, &at);

	/* a listener whose accept queue is full answers no SYN */
	ck_assert_int_eq(weft_listen(l, 1), 0);
	for (int i = 0; i < 2; i++) {
		full[i] = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		weft_connect(full[i], sa(&at), SA_LEN);
	}
	memcpy(buf, &at, sizeof(at));
	return x;
}

START_TEST(test_connect_without_blocking_is_told_once)
{
	int x = connecting(SOCK_NONBLOCK);
	struct sockaddr_in at;
	struct pollfd p = {.fd = x, .events = POLLOUT};
	socklen_t n = SA_LEN;

	memcpy(&at, buf, sizeof(at));
	ck_assert_errno(weft_connect(x, sa(&at), SA_LEN), EINPROGRESS);
	ck_assert_errno(weft_connect(x, sa(&at), SA_LEN), EALREADY);
	ck_assert_errno(weft_getpeername(x, sa(&at), &n), ENOTCONN);
	ck_assert_int_eq(weft_poll(&p, 1, 0), 0);
	ck_assert_errno(weft_send(x, "x", 1, 0), EAGAIN);
	weft_close(x);
	/* and one that goes through */
	x = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	weft_close(s);
	s = sockets_listener(&at);
	ck_assert(weft_connect(x, sa(&at), SA_LEN) == 0 || errno == EINPROGRESS);
	p.fd = x;
	ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
	ck_assert_int_eq(p.revents, POLLOUT);
	if (weft_connect(x, sa(&at), SA_LEN) == 0)
		ck_assert_errno(weft_connect(x, sa(&at), SA_LEN), EISCONN);
	else
		ck_assert_int_eq(errno, EISCONN);
	weft_close(x);
	sockets_close_all();
}
END_TEST

START_TEST(test_connect_refused_without_blocking_is_told_by_so_error)
{
	struct sockaddr_in at;
	int l = sockets_listener(&at), x = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = x, .events = POLLOUT};

	weft_close(l);
	if (weft_connect(x, sa(&at), SA_LEN) < 0 && errno == EINPROGRESS) {
		ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
		ck_assert(p.revents & POLLERR);
		ck_assert_int_eq(option_get(x, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
		ck_assert_int_eq(option_get(x, SOL_SOCKET, SO_ERROR), 0);
		ck_assert_errno(weft_connect(x, sa(&at), SA_LEN), ECONNABORTED);
	} else {
		ck_assert_int_eq(errno, ECONNREFUSED);
	}
	weft_close(x);
}
END_TEST

START_TEST(test_disconnect_makes_it_new)
{
	struct sockaddr_in none = {.sin_family = AF_UNSPEC}, at;
	int l = sockets_listener(&at);

	ck_assert_int_eq(weft_connect(c, sa(&none), SA_LEN), 0);
	ck_assert_errno(weft_recv(s, buf, 1, 0), ECONNRESET);
	ck_assert_int_eq(weft_recv(s, buf, 1, 0), 0);
	ck_assert_errno(weft_recv(c, buf, 1, 0), ENOTCONN);
	ck_assert_int_eq(weft_connect(c, sa(&at), SA_LEN), 0);
	weft_close(l);
}
END_TEST

/* --- data ---------------------------------------------------------------------------------------- */

START_TEST(test_read_write_and_end)
{
	ck_assert_int_eq(weft_write(c, "abcdef", 6), 6);
	ck_assert_int_eq(weft_read(s, buf, 4), 4);
	ck_assert_int_eq(weft_read(s, buf, 0), 0);
	ck_assert_int_eq(weft_read(s, buf + 4, 4), 2);
	ck_assert_mem_eq(buf, "abcdef", 6);
	ck_assert_int_eq(weft_read(s, buf, 0), 0); /* and does not wait */
	ck_assert_int_eq(weft_shutdown(c, SHUT_WR), 0);
	ck_assert_int_eq(weft_recv(s, buf, 1, 0), 0);
	ck_assert_int_eq(weft_send(s, "back", 4, 0), 4);
	ck_assert_int_eq(weft_recv(c, buf, 10, 0), 4);
	ck_assert_errno(weft_send(c, "x", 1, 0), EPIPE);
	ck_assert_errno(weft_send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
}
END_TEST

START_TEST(test_peek_leaves_and_trunc_throws_away)
{
	int n;

	ck_assert_int_eq(weft_send(c, "abcdef", 6, 0), 6);
	ck_assert_int_eq(weft_recv(s, buf, 4, MSG_PEEK), 4);
	ck_assert_int_eq(weft_ioctl(s, FIONREAD, &n), 0);
	ck_assert_int_eq(n, 6);
	ck_assert_int_eq(weft_recv(s, NULL, 0, MSG_TRUNC), 0);
	memset(buf, 'z', 8);
	ck_assert_int_eq(weft_recv(s, buf, 3, MSG_TRUNC), 3);
	ck_assert_int_eq(buf[0], 'z');
	ck_assert_int_eq(weft_recv(s, buf, 8, 0), 3);
	ck_assert_mem_eq(buf, "def", 3);
}
END_TEST

static ssize_t recv_all(int fd, void *arg)
{
	return weft_recv(fd, buf, 10, *(int *)arg);
}

START_TEST(test_waitall_waits_for_all)
{
	static int flags[] = {MSG_WAITALL, MSG_WAITALL | MSG_PEEK};

	for (int i = 0; i < 2; i++) {
		struct blocked r = {.st = st, .fn = recv_all, .fd = s, .arg = &flags[i]};

		ck_assert_int_eq(weft_send(c, "0123", 4, 0), 4);
		blocked_begin(&r);
		ck_assert_int_eq(weft_send(c, "456789", 6, 0), 6);
		ck_assert_int_eq(blocked_end(&r), 10);
		ck_assert_mem_eq(buf, "0123456789", 10);
	}
	ck_assert_int_eq(weft_recv(s, buf, 20, MSG_DONTWAIT), 10);
}
END_TEST

START_TEST(test_waitall_ends_with_the_stream)
{
	static int flags[] = {MSG_WAITALL | MSG_PEEK, MSG_WAITALL};
	struct blocked r = {.st = st, .fn = recv_all, .fd = s, .arg = &flags[0]};

	ck_assert_int_eq(weft_send(c, "0123", 4, 0), 4);
	blocked_begin(&r);
	ck_assert_int_eq(weft_shutdown(c, SHUT_WR), 0);
	ck_assert_int_eq(blocked_end(&r), 4);
	ck_assert_int_eq(recv_all(s, &flags[1]), 4);
	ck_assert_int_eq(recv_all(s, &flags[1]), 0);
}
END_TEST

START_TEST(test_rcvlowat_holds_a_reader_and_poll)
{
	struct pollfd p = {.fd = s, .events = POLLIN};
	int none = 0;
	struct blocked r = {.st = st, .fn = recv_all, .fd = s, .arg = &none};

	option_set(s, SOL_SOCKET, SO_RCVLOWAT, 5);
	ck_assert_int_eq(weft_send(c, "0123", 4, 0), 4);
	ck_assert_int_eq(weft_poll(&p, 1, 0), 0);
	blocked_begin(&r);
	ck_assert_int_eq(weft_send(c, "45", 2, 0), 2);
	ck_assert_int_eq(blocked_end(&r), 6);
	ck_assert_int_eq(weft_send(c, "67890", 5, 0), 5);
	ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
}
END_TEST

START_TEST(test_oob_never_waits)
{
	struct pollfd p = {.fd = s, .events = POLLPRI | POLLIN};
	int mark;

	ck_assert_errno(weft_recv(s, buf, 1, MSG_OOB), EINVAL);
	ck_assert_int_eq(weft_send(c, "abc", 3, MSG_OOB), 3);
	ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
	ck_assert_int_eq(p.revents, POLLPRI | POLLIN);
	ck_assert_int_eq(weft_recv(s, buf, 8, MSG_OOB), 1);
	ck_assert_int_eq(buf[0], 'c');
	ck_assert_int_eq(weft_recv(s, buf, 8, 0), 2);
	ck_assert_int_eq(weft_ioctl(s, SIOCATMARK, &mark), 0);
	ck_assert_int_eq(mark, 1);
}
END_TEST

START_TEST(test_waitall_stops_at_the_urgent_mark)
{
	ck_assert_int_eq(weft_send(c, "abc", 3, MSG_OOB), 3);
	ck_assert_int_eq(weft_send(c, "defghijklm", 10, 0), 10);
	ck_assert_int_eq(weft_recv(s, buf, 10, MSG_WAITALL), 2);
	ck_assert_int_eq(weft_recv(s, buf, 10, MSG_WAITALL), 10);
	ck_assert_mem_eq(buf, "defghijklm", 10);
}
END_TEST

START_TEST(test_full_buffers_give_part_then_eagain)
{
	ssize_t n, sent = 0, got = 0;
	struct pollfd p = {.fd = c, .events = POLLOUT};

	memset(buf, 'q', sizeof(buf));
	while ((n = weft_send(c, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		sent += n;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(weft_poll(&p, 1, 0), 0);
	while (got < sent) {
		n = weft_recv(s, buf, sizeof(buf), 0);
		ck_assert_int_gt(n, 0);
		got += n;
	}
	ck_assert_int_eq(got, sent);
	ck_assert_int_eq(weft_poll(&p, 1, -1), 1);
	ck_assert_int_eq(p.revents, POLLOUT);
}
END_TEST

#define BULK (8u << 20)

static char bulk_byte(size_t at)
{
	return (char)(at * 131 >> 7);
}

/* How many are not what was sent: asserting each, a system call a byte, takes a minute. */
static size_t bulk_wrong(const char *p, size_t n, size_t at)
{
	size_t wrong = 0;

	for (size_t i = 0; i < n; i++)
		wrong += p[i] != bulk_byte(at + i);
	return wrong;
}

static ssize_t send_bulk(int fd, void *arg)
{
	size_t *chunk = arg, done = 0;
	char *p = malloc(*chunk);

	while (done < BULK) {
		for (size_t i = 0; i < *chunk; i++)
			p[i] = bulk_byte(done + i);
		if (weft_write(fd, p, *chunk) != (ssize_t)*chunk)
			break;
		done += *chunk;
	}
	free(p);
	weft_shutdown(fd, SHUT_WR);
	return (ssize_t)done;
}

/* Blocking send takes all, however little fits; what comes out is what went in. */
START_TEST(test_bulk_is_exact)
{
	size_t chunk = 1 << 20, done = 0, wrong = 0;
	struct blocked w = {.st = st, .fn = send_bulk, .fd = c, .arg = &chunk};
	ssize_t n;

	blocked_begin(&w);
	while ((n = weft_read(s, buf, sizeof(buf))) > 0) {
		ck_assert_uint_eq(bulk_wrong(buf, (size_t)n, done), 0);
		done += (size_t)n;
	}
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(done, BULK);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(blocked_end(&w), BULK);
}
END_TEST

static ssize_t send_buf(int fd, void *arg)
{
	return weft_send(fd, arg, 4 << 20, 0);
}

/* What was sent before a reset is told first, the reset by the next call. */
START_TEST(test_partial_send_then_the_error)
{
	char *big = calloc(1, 4 << 20);
	struct blocked w = {.st = st, .fn = send_buf, .fd = c, .arg = big};
	struct linger l = {.l_onoff = 1, .l_linger = 0};

	blocked_begin(&w);
	ck_assert_int_eq(weft_setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	ck_assert_int_eq(weft_close(s), 0);
	ck_assert_int_gt(blocked_end(&w), 0);
	ck_assert_errno(weft_send(c, big, 1, 0), ECONNRESET);
	ck_assert_errno(weft_send(c, big, 1, 0), EPIPE);
	ck_assert_int_eq(weft_recv(c, big, 1, 0), 0);
	free(big);
}
END_TEST

/* --- the end -------------------------------------------------------------------------------------- */

START_TEST(test_linger_of_nothing_resets)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_in a;
	socklen_t n = SA_LEN;

	ck_assert_int_eq(weft_setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	ck_assert_int_eq(weft_close(c), 0);
	ck_assert_errno(weft_recv(s, buf, 1, 0), ECONNRESET);
	ck_assert_errno(weft_getpeername(s, sa(&a), &n), ENOTCONN);
}
END_TEST

START_TEST(test_unread_data_at_close_resets)
{
	ck_assert_int_eq(weft_send(c, "x", 1, 0), 1);
	ck_assert_int_eq(weft_recv(s, buf, 1, MSG_PEEK), 1);
	ck_assert_int_eq(weft_close(s), 0);
	ck_assert_errno(weft_recv(c, buf, 1, 0), ECONNRESET);
}
END_TEST

static ssize_t close_it(int fd, void *arg)
{
	return weft_close(fd);
}

/* close() with SO_LINGER sleeps until the peer has all, and no longer. */
START_TEST(test_linger_waits_for_the_reader)
{
	struct linger l = {.l_onoff = 1, .l_linger = 600};
	struct blocked w = {.st = st, .fn = close_it, .fd = c};
	ssize_t n, sent = 0, got = 0;

	while ((n = weft_send(c, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		sent += n;
	ck_assert_int_eq(weft_setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	blocked_begin(&w);
	ck_assert_errno(weft_send(c, "x", 1, 0), EBADF);
	while ((n = weft_recv(s, buf, sizeof(buf), 0)) > 0)
		got += n;
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(got, sent);
	ck_assert_int_eq(blocked_end(&w), 0);
}
END_TEST

START_TEST(test_stop_ends_a_lingering_close)
{
	struct linger l = {.l_onoff = 1, .l_linger = 600};
	struct blocked w = {.st = st, .fn = close_it, .fd = c};

	while (weft_send(c, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(weft_setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	blocked_begin(&w);
	sockets_end(st);
	ck_assert_int_eq(blocked_end(&w), 0);
	st = sockets_begin();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("tcp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_names_of_both_ends_agree);
	tcase_add_test(tc, test_accept_names_the_peer);
	tcase_add_test(tc, test_acceptconn_tells_a_listener);
	tcase_add_test(tc, test_child_has_its_listeners_options);
	tcase_add_test(tc, test_connect_to_nobody_is_refused_and_may_be_tried_again);
	tcase_add_test(tc, test_backlog_holds_so_many);
	tcase_add_test(tc, test_connect_without_blocking_is_told_once);
	tcase_add_test(tc, test_connect_refused_without_blocking_is_told_by_so_error);
	tcase_add_test(tc, test_disconnect_makes_it_new);
	tcase_add_test(tc, test_read_write_and_end);
	tcase_add_test(tc, test_peek_leaves_and_trunc_throws_away);
	tcase_add_test(tc, test_waitall_waits_for_all);
	tcase_add_test(tc, test_waitall_ends_with_the_stream);
	tcase_add_test(tc, test_rcvlowat_holds_a_reader_and_poll);
	tcase_add_test(tc, test_oob_never_waits);
	tcase_add_test(tc, test_waitall_stops_at_the_urgent_mark);
	tcase_add_test(tc, test_full_buffers_give_part_then_eagain);
	tcase_add_test(tc, test_bulk_is_exact);
	tcase_add_test(tc, test_partial_send_then_the_error);
	tcase_add_test(tc, test_linger_of_nothing_resets);
	tcase_add_test(tc, test_unread_data_at_close_resets);
	tcase_add_test(tc, test_linger_waits_for_the_reader);
	tcase_add_test(tc, test_stop_ends_a_lingering_close);
	return unit_run("tcp", tc);
}
