/*
 * tests/tcp/test_thread.c - threads that connect, send, read, half-close, reset and look on over lo,
 * against threads that accept and echo: streams exact, nothing left, and nothing for
 * ThreadSanitizer to say.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_hash.h"
#include "lib/mib.h"
#include "net/netem.h"
#include "tcp/tcp.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

enum { CLIENTS = 4, SERVERS = 2, ROUNDS = 14, MOST = 60000 };

static struct stack *st;
static struct sockaddr_in addr;
static int ls;
static _Atomic bool stop;
static int fast; /* clients open with their first bytes (RFC 7413) */

static uint8_t byte_at(unsigned salt, size_t at)
{
	uint32_t x = (uint32_t)(at + salt) * 2654435761u;

	return (uint8_t)(x >> 24 ^ x >> 11);
}

/* Echoes until the end of one connection; a peer may reset it. */
static void echo(int fd)
{
	uint8_t buf[8192];
	ssize_t n;

	while ((n = weft_recv(fd, buf, sizeof(buf), 0)) > 0) {
		ssize_t done = 0, r = 0;

		for (; done < n && r >= 0; done += r)
			r = weft_send(fd, buf + done, (size_t)(n - done), MSG_NOSIGNAL);
		if (r < 0)
			break;
	}
	weft_close(fd);
}

static void *server(void *arg)
{
	weft_use(st);
	while (!atomic_load(&stop)) {
		int fd = weft_accept(ls, NULL, NULL);

		if (fd >= 0)
			echo(fd);
	}
	return NULL;
}

struct half {
	int fd;
	unsigned salt;
	size_t n;
};

static void *sender(void *arg)
{
	const struct half *h = arg;
	uint8_t *buf = malloc(h->n + 1);
	size_t done = 0;

	weft_use(st);
	for (size_t i = 0; i < h->n; i++)
		buf[i] = byte_at(h->salt, i);
	while (done < h->n) {
		ssize_t r = weft_send(h->fd, buf + done, h->n - done, MSG_NOSIGNAL);

		ck_assert_msg(r > 0, "send: %s", strerror(errno));
		done += (size_t)r;
	}
	free(buf);
	ck_assert_int_eq(weft_shutdown(h->fd, SHUT_WR), 0);
	return NULL;
}

static void read_back(const struct half *h)
{
	uint8_t buf[4096];
	size_t got = 0;
	ssize_t n;

	while ((n = weft_recv(h->fd, buf, sizeof(buf), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			ck_assert_uint_eq(buf[i], byte_at(h->salt, got + (size_t)i));
		got += (size_t)n;
	}
	ck_assert_msg(n == 0, "recv: %s", strerror(errno));
	ck_assert_uint_eq(got, h->n);
}

/* One thread writes while another reads. */
static void round_exact(struct half *h)
{
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, sender, h), 0);
	read_back(h);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	weft_close(h->fd);
}

/* A reset in the middle. */
static void round_reset(struct half *h)
{
	struct linger l = {.l_onoff = 1};
	uint8_t buf[1000] = {0};

	ck_assert_int_eq(weft_send(h->fd, buf, sizeof(buf), MSG_NOSIGNAL), sizeof(buf));
	ck_assert_int_eq(weft_setsockopt(h->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	weft_close(h->fd);
}

static void *client(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;

	weft_use(st);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct half h = {.salt = number * ROUNDS + i};

		h.n = 1 + h.salt * 7919 % MOST;
		h.fd = weft_socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_ge(h.fd, 0);
		ck_assert_int_eq(
		    weft_setsockopt(h.fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &fast, sizeof(fast)),
		    0);
		ck_assert_msg(weft_connect(h.fd, sa(&addr), SA_LEN) == 0, "connect: %s",
			      strerror(errno));
		if (i % 5 == 4)
			round_reset(&h);
		else
			round_exact(&h);
	}
	return NULL;
}

static void look(struct sock_common *c, void *arg)
{
	struct tcp_view v;

	tcp_view_get(c, &v);
	ck_assert_uint_lt(v.state, TCP_NSTATES);
	(*(unsigned *)arg)++;
}

/* What `ss` and memory pressure do, all the while. */
static void *onlooker(void *arg)
{
	unsigned seen = 0;
	struct batch b;

	weft_use(st);
	while (!atomic_load(&stop)) {
		batch_begin(&b, st);
		inet_each(tcp_table(st), look, &seen);
		batch_end(&b);
	}
	ck_assert_uint_gt(seen, 0);
	return NULL;
}

/* Accepting threads sleep in accept(): one connection each tells them. */
static void servers_stop(pthread_t *t)
{
	atomic_store(&stop, true);
	for (unsigned i = 0; i < SERVERS; i++) {
		int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

		ck_assert_int_eq(weft_connect(fd, sa(&addr), SA_LEN), 0);
		weft_close(fd);
	}
	for (unsigned i = 0; i < SERVERS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
}

static void run(void)
{
	pthread_t s[SERVERS], c[CLIENTS], o;

	ls = sockets_listener(&addr);
	for (unsigned i = 0; i < SERVERS; i++)
		ck_assert_int_eq(pthread_create(&s[i], NULL, server, NULL), 0);
	ck_assert_int_eq(pthread_create(&o, NULL, onlooker, NULL), 0);
	for (uintptr_t i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(pthread_create(&c[i], NULL, client, (void *)i), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(pthread_join(c[i], NULL), 0);
	servers_stop(s);
	ck_assert_int_eq(pthread_join(o, NULL), 0);
	weft_close(ls);
}

START_TEST(test_threads_connect_echo_reset)
{
	st = sockets_begin();
	run();
	ck_assert_uint_ge(mib_read(st, MIB_Tcp_PassiveOpens), CLIENTS * ROUNDS);
	ck_assert_int_eq(gauge_read(st, GAUGE_requests), 0);
	sockets_end(st);
}
END_TEST

/* Packets that wait in netem come up in another thread and out of their order. */
START_TEST(test_threads_reordered)
{
	struct netem_config cfg = {.delay = 100000, .reorder = netem_percent(30), .seed = 5};

	st = sockets_begin();
	ck_assert_int_eq(netem_set(netdev_by_name(st, "lo"), NETEM_OUT, &cfg), 0);
	run();
	sockets_end(st);
}
END_TEST

/* Both ends: the first of a client's connections learns the cookie, the others use it. */
START_TEST(test_threads_fast_open)
{
	st = sockets_begin();
	fast = 1;
	ck_assert_int_eq(sysctl_write(st, "net.ipv4.tcp_fastopen", 1 | 2 | 1024), 0);
	run();
	ck_assert_uint_ge(mib_read(st, MIB_TcpExt_TCPFastOpenPassive), CLIENTS * (ROUNDS - 1));
	ck_assert_uint_ge(mib_read(st, MIB_TcpExt_TCPFastOpenActive), CLIENTS * (ROUNDS - 1));
	sockets_end(st);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("thread");

	tcase_add_test(tc, test_threads_connect_echo_reset);
	tcase_add_test(tc, test_threads_reordered);
	tcase_add_test(tc, test_threads_fast_open);
	return unit_run("tcp thread", tc);
}
