/* Many threads, many connections over lo at once: every byte exact, everything given back, or a stop in the middle. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define CLIENTS 4
#define SERVERS 3
#define ROUNDS 25
#define BYTES 40000

/*
 * LOCKING
 *	c	constant once the threads run	a	atomic
 */
struct crowd {
	struct stack *st;              /* c */
	int listener;                  /* c */
	struct sockaddr_in at;         /* c */
	_Atomic unsigned exact, wrong; /* a: connections */
};

static void serve(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = weft_read(fd, buf, sizeof(buf))) > 0)
		if (weft_write(fd, buf, (size_t)n) != n)
			break;
	weft_close(fd);
}

static void *server(void *arg)
{
	struct crowd *c = arg;
	int fd;

	while ((fd = weft_accept(c->listener, NULL, NULL)) >= 0)
		serve(fd);
	return (void *)(intptr_t)errno;
}

/* Writes and reads by turns, as much as goes; what comes back must be what went. */
static bool exchange(int fd, unsigned seed)
{
	struct pollfd p = {.fd = fd};
	unsigned char buf[3000];
	size_t sent = 0, got = 0;
	ssize_t n;

	while (got < BYTES) {
		p.events = sent < BYTES ? POLLIN | POLLOUT : POLLIN;
		if (weft_poll(&p, 1, -1) < 0)
			return false;
		if (p.revents & POLLOUT) {
			size_t len = BYTES - sent < sizeof(buf) ? BYTES - sent : sizeof(buf);

			for (size_t i = 0; i < len; i++)
				buf[i] = (unsigned char)((sent + i) * 7 + seed);
			n = weft_send(fd, buf, len, MSG_DONTWAIT);
			if (n < 0 && errno != EAGAIN)
				return false;
			sent += n > 0 ? (size_t)n : 0;
		}
		n = weft_recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != (unsigned char)(got++ * 7 + seed))
				return false;
	}
	return true;
}

static void *client(void *arg)
{
	struct crowd *c = arg;

	weft_use(c->st);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

		if (weft_connect(fd, sa(&c->at), SA_LEN) == 0 && exchange(fd, i))
			c->exact++;
		else
			c->wrong++;
		weft_close(fd);
	}
	return NULL;
}

static void crowd_begin(struct crowd *c, pthread_t *t)
{
	*c = (struct crowd){.st = sockets_begin()};
	c->listener = sockets_listener(&c->at);
	for (int i = 0; i < SERVERS + CLIENTS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, i < SERVERS ? server : client, c), 0);
}

START_TEST(test_crowd_is_exact)
{
	pthread_t t[SERVERS + CLIENTS];
	struct crowd c;
	void *err;

	crowd_begin(&c, t);
	for (int i = SERVERS; i < SERVERS + CLIENTS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_int_eq(weft_close(c.listener), 0);
	for (int i = 0; i < SERVERS; i++) {
		ck_assert_int_eq(pthread_join(t[i], &err), 0);
		ck_assert_int_eq((intptr_t)err, EBADF);
	}
	ck_assert_uint_eq(c.wrong, 0);
	ck_assert_uint_eq(c.exact, CLIENTS * ROUNDS);
	ck_assert_int_eq(gauge_read(c.st, GAUGE_sockets), 0);
	sockets_end(c.st);
}
END_TEST

/* The stack ends under them, somewhere else in each round. */
START_TEST(test_crowd_survives_a_stop)
{
	pthread_t t[SERVERS + CLIENTS];
	struct crowd c;
	void *err;

	for (unsigned round = 0; round < 8; round++) {
		crowd_begin(&c, t);
		while (c.exact < round && c.wrong == 0)
			sched_yield();
		ck_assert_uint_eq(c.wrong, 0);
		sockets_end(c.st);
		for (int i = 0; i < SERVERS + CLIENTS; i++) {
			ck_assert_int_eq(pthread_join(t[i], &err), 0);
			if (i < SERVERS)
				ck_assert_int_eq((intptr_t)err, ENETDOWN);
		}
		ck_assert_int_eq(weft_close(c.listener), 0);
	}
}
END_TEST

/* One socket under all threads at once: what each call says is explained by the order of the others. */
static void *meddle(void *arg)
{
	struct crowd *c = arg;
	struct sockaddr_in none = {.sin_family = AF_UNSPEC};
	struct pollfd p = {.fd = c->listener, .events = POLLIN | POLLOUT};
	char byte = 0;
	int v;
	socklen_t n = sizeof(v);

	for (int i = 0; i < 150; i++) {
		weft_connect(c->listener, sa(&c->at), SA_LEN);
		weft_send(c->listener, &byte, 1, MSG_DONTWAIT);
		weft_poll(&p, 1, 0);
		weft_recv(c->listener, &byte, 1, MSG_DONTWAIT);
		weft_getsockopt(c->listener, SOL_SOCKET, SO_ERROR, &v, &n);
		weft_shutdown(c->listener, i % 3);
		weft_connect(c->listener, sa(&none), SA_LEN);
		weft_listen(c->listener, 2);
		weft_eventfd(c->listener, POLLIN);
	}
	return NULL;
}

START_TEST(test_one_socket_under_all_hands)
{
	struct crowd c = {.st = sockets_begin()};
	int l = sockets_listener(&c.at);
	pthread_t t[CLIENTS];

	c.listener = weft_socket(AF_INET, _i ? SOCK_STREAM : SOCK_DGRAM, 0);
	ck_assert_int_eq(weft_fcntl(c.listener, F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, meddle, &c), 0);
	for (int i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_int_eq(weft_close(c.listener), 0);
	ck_assert_int_eq(weft_close(l), 0);
	sockets_end(c.st);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("stress");

	tcase_add_test(tc, test_crowd_is_exact);
	tcase_add_test(tc, test_crowd_survives_a_stop);
	tcase_add_loop_test(tc, test_one_socket_under_all_hands, 0, 2);
	return unit_run("stress", tc);
}
