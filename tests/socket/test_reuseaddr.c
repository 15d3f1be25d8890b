/* Who may share a port, by the public calls: address, wildcard, SO_REUSEADDR, listener, connection, TIME-WAIT. */
#include <errno.h>
#include <stdlib.h>

#include "lib/stack.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;

static void setup(void)
{
	st = sockets_begin();
}

static void teardown(void)
{
	sockets_close_all();
	sockets_end(st);
}

#define ANY "0.0.0.0"
#define ONE "127.0.0.1"
#define TWO "127.0.0.2"
#define REUSE 1
#define LISTENS 2

/* The first has its address and port; may the second have these?  And listen, if it asks to? */
static const struct cell {
	const char *first, *second;
	int first_is, second_is;
	int bind, listen; /* 0 or errno; listen only with LISTENS in second_is */
} cells[] = {
    /* both named and different: always */
    {ONE, TWO, 0, 0, 0, 0},
    {ONE, TWO, LISTENS, LISTENS, 0, 0},
    {ONE, TWO, REUSE | LISTENS, LISTENS, 0, 0},
    /* the same, or a wildcard, and one of the two did not say SO_REUSEADDR */
    {ONE, ONE, 0, 0, EADDRINUSE, 0},
    {ONE, ONE, REUSE, 0, EADDRINUSE, 0},
    {ONE, ONE, 0, REUSE, EADDRINUSE, 0},
    {ANY, ANY, 0, 0, EADDRINUSE, 0},
    {ANY, ONE, 0, 0, EADDRINUSE, 0},
    {ANY, ONE, 0, REUSE, EADDRINUSE, 0},
    {ONE, ANY, 0, 0, EADDRINUSE, 0},
    {ONE, ANY, REUSE, 0, EADDRINUSE, 0},
    {ANY, ONE, LISTENS, REUSE, EADDRINUSE, 0},
    /* both said it: unless the first listens */
    {ONE, ONE, REUSE, REUSE, 0, 0},
    {ANY, ANY, REUSE, REUSE, 0, 0},
    {ANY, ONE, REUSE, REUSE, 0, 0},
    {ONE, ANY, REUSE, REUSE, 0, 0},
    {ONE, ONE, REUSE, REUSE | LISTENS, 0, 0},
    {ANY, ONE, REUSE, REUSE | LISTENS, 0, 0},
    {ONE, ONE, REUSE | LISTENS, REUSE, EADDRINUSE, 0},
    {ANY, ONE, REUSE | LISTENS, REUSE, EADDRINUSE, 0},
    {ONE, ANY, REUSE | LISTENS, REUSE, EADDRINUSE, 0},
};

static int reuse_socket(int type, int is)
{
	int fd = weft_socket(AF_INET, type, 0), on = (is & REUSE) != 0;

	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t n = SA_LEN;

	ck_assert_int_eq(weft_getsockname(fd, sa(&a), &n), 0);
	return ntohs(a.sin_port);
}

static int bind_at(int fd, const char *ip, uint16_t port)
{
	struct sockaddr_in a = in4(ip, port);

	return weft_bind(fd, sa(&a), SA_LEN) ? errno : 0;
}

static void cell_check(const struct cell *c, int type)
{
	int a = reuse_socket(type, c->first_is), b = reuse_socket(type, c->second_is);

	ck_assert_int_eq(bind_at(a, c->first, 0), 0);
	if (c->first_is & LISTENS)
		ck_assert_int_eq(weft_listen(a, 1), 0);
	ck_assert_int_eq(bind_at(b, c->second, port_of(a)), c->bind);
	if (c->bind == 0 && (c->second_is & LISTENS))
		ck_assert_int_eq(weft_listen(b, 1) ? errno : 0, c->listen);
	/* the port is free again when its owner has gone */
	ck_assert_int_eq(weft_close(a), 0);
	if (c->bind)
		ck_assert_int_eq(bind_at(b, c->second, 0), 0);
	ck_assert_int_eq(weft_close(b), 0);
}

START_TEST(test_cell_stream)
{
	cell_check(&cells[_i], SOCK_STREAM);
}
END_TEST

START_TEST(test_cell_datagram)
{
	if (!((cells[_i].first_is | cells[_i].second_is) & LISTENS))
		cell_check(&cells[_i], SOCK_DGRAM);
}
END_TEST

START_TEST(test_protocols_share_nothing)
{
	int t = reuse_socket(SOCK_STREAM, 0), u = reuse_socket(SOCK_DGRAM, 0);

	ck_assert_int_eq(bind_at(t, ANY, 0), 0);
	ck_assert_int_eq(bind_at(u, ANY, port_of(t)), 0);
}
END_TEST

/* Two are bound to one port; who listens first has it. */
START_TEST(test_second_listen_is_refused)
{
	int a = reuse_socket(SOCK_STREAM, REUSE), b = reuse_socket(SOCK_STREAM, REUSE);

	ck_assert_int_eq(bind_at(a, ANY, 0), 0);
	ck_assert_int_eq(bind_at(b, ONE, port_of(a)), 0);
	ck_assert_int_eq(weft_listen(b, 1), 0);
	ck_assert_errno(weft_listen(a, 1), EADDRINUSE);
	ck_assert_int_eq(weft_close(b), 0);
	ck_assert_int_eq(weft_listen(a, 1), 0);
}
END_TEST

/* A listener, a connection of it, and the two ends of that. */
struct server {
	int listener, child, client;
	uint16_t port;
};

static void server_begin(struct server *s, int is)
{
	struct sockaddr_in a;

	s->listener = reuse_socket(SOCK_STREAM, is);
	ck_assert_int_eq(bind_at(s->listener, ONE, 0), 0);
	ck_assert_int_eq(weft_listen(s->listener, 1), 0);
	s->port = port_of(s->listener);
	a = in4(ONE, s->port);
	s->client = weft_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(weft_connect(s->client, sa(&a), SA_LEN), 0);
	s->child = weft_accept(s->listener, NULL, NULL);
	ck_assert_int_eq(weft_close(s->listener), 0);
}

/* A server that starts again: with a connection of the old one, or its TIME-WAIT, still there. */
static void server_again(const struct server *s, int is, int want)
{
	int fd = reuse_socket(SOCK_STREAM, is);
	struct sockaddr_in a = in4(ONE, s->port);

	ck_assert_int_eq(bind_at(fd, ONE, s->port), want);
	if (want == 0) {
		int client = weft_socket(AF_INET, SOCK_STREAM, 0);

		ck_assert_int_eq(weft_listen(fd, 1), 0);
		ck_assert_int_eq(weft_connect(client, sa(&a), SA_LEN), 0);
		weft_close(client);
	}
	ck_assert_int_eq(weft_close(fd), 0);
}

START_TEST(test_server_again_beside_a_connection)
{
	struct server s;

	server_begin(&s, REUSE);
	server_again(&s, 0, EADDRINUSE);
	server_again(&s, REUSE, 0);
}
END_TEST

START_TEST(test_server_again_beside_a_connection_without_reuse)
{
	struct server s;

	server_begin(&s, 0);
	server_again(&s, REUSE, EADDRINUSE);
}
END_TEST

/* The server closes first: TIME-WAIT is on its side. */
static void server_time_wait(struct server *s, int is)
{
	char byte;

	server_begin(s, is);
	ck_assert_int_eq(weft_close(s->child), 0);
	ck_assert_int_eq(weft_recv(s->client, &byte, 1, 0), 0);
	ck_assert_int_eq(weft_close(s->client), 0);
}

START_TEST(test_server_again_in_time_wait)
{
	struct server s;

	server_time_wait(&s, REUSE);
	server_again(&s, 0, EADDRINUSE);
	server_again(&s, REUSE, 0);
}
END_TEST

START_TEST(test_server_again_in_time_wait_without_reuse)
{
	struct server s;

	server_time_wait(&s, 0);
	server_again(&s, REUSE, EADDRINUSE);
}
END_TEST

/* A bound socket connects from its port; two from one port go to different peers only. */
START_TEST(test_two_connections_from_one_port)
{
	struct sockaddr_in x, y;
	int lx = sockets_listener(&x), ly = sockets_listener(&y);
	int a = reuse_socket(SOCK_STREAM, REUSE), b = reuse_socket(SOCK_STREAM, REUSE);

	ck_assert_int_eq(bind_at(a, ONE, 0), 0);
	ck_assert_int_eq(bind_at(b, ONE, port_of(a)), 0);
	ck_assert_int_eq(weft_connect(a, sa(&x), SA_LEN), 0);
	ck_assert_errno(weft_connect(b, sa(&x), SA_LEN), EADDRNOTAVAIL);
	ck_assert_int_eq(weft_connect(b, sa(&y), SA_LEN), 0);
	ck_assert_uint_eq(port_of(a), port_of(b));
	ck_assert_int_ne(lx, ly);
}
END_TEST

/* Every port there is has an owner. */
START_TEST(test_ports_run_out)
{
	struct sockaddr_in at;
	int l = sockets_listener(&at), fd;

	ck_assert_int_eq(sysctl_write(st, "net.ipv4.ip_local_port_range.first", 50000), 0);
	ck_assert_int_eq(sysctl_write(st, "net.ipv4.ip_local_port_range.last", 50003), 0);
	for (int i = 0; i < 4; i++) {
		fd = reuse_socket(SOCK_STREAM, 0);
		if (i & 1)
			ck_assert_int_eq(weft_connect(fd, sa(&at), SA_LEN), 0);
		else
			ck_assert_int_eq(bind_at(fd, ANY, 0), 0);
		ck_assert(port_of(fd) >= 50000 && port_of(fd) <= 50003);
	}
	fd = reuse_socket(SOCK_STREAM, 0);
	ck_assert_int_eq(bind_at(fd, ANY, 0), EADDRINUSE);
	ck_assert_int_eq(sysctl_write(st, "net.ipv4.ip_local_port_range.first", 50003), 0);
	for (int i = 0; i < 2; i++) /* at the latest the second has none left */
		if (weft_connect(reuse_socket(SOCK_STREAM, 0), sa(&at), SA_LEN))
			ck_assert_int_eq(errno, EADDRNOTAVAIL);
	ck_assert_errno(weft_connect(fd, sa(&at), SA_LEN), EADDRNOTAVAIL);
	ck_assert_int_ge(weft_accept(l, NULL, NULL), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("reuseaddr");
	int n = (int)(sizeof(cells) / sizeof(cells[0]));

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_cell_stream, 0, n);
	tcase_add_loop_test(tc, test_cell_datagram, 0, n);
	tcase_add_test(tc, test_protocols_share_nothing);
	tcase_add_test(tc, test_second_listen_is_refused);
	tcase_add_test(tc, test_server_again_beside_a_connection);
	tcase_add_test(tc, test_server_again_beside_a_connection_without_reuse);
	tcase_add_test(tc, test_server_again_in_time_wait);
	tcase_add_test(tc, test_server_again_in_time_wait_without_reuse);
	tcase_add_test(tc, test_two_connections_from_one_port);
	tcase_add_test(tc, test_ports_run_out);
	return unit_run("reuseaddr", tc);
}
