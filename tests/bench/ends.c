/*
 * tests/bench/ends.c - what both ends of every case need: opened sockets, whole messages, questions that
 * can be told apart, and the times of round trips.
 */
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench.h"
#include "tests/bench/calls.h"

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void *buffer(size_t n)
{
	void *buf = calloc(1, n);

	if (!buf)
		err(1, "memory");
	return buf;
}

void no_delay(const struct calls *net, int fd)
{
	int on = 1;

	net->setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Set on a listener, its connections have it too. */
void use_congestion(const struct bench *b, int fd)
{
	if (b->congestion && b->net->setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, b->congestion,
						(socklen_t)strlen(b->congestion)))
		err(1, "congestion control %s", b->congestion);
}

int dial(const struct bench *b, uint16_t port)
{
	struct sockaddr_in sin = b->server;
	int fd = b->net->socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_port = htons(port);
	if (fd >= 0)
		use_congestion(b, fd);
	if (fd < 0 || b->net->connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "connect");
	return fd;
}

int listen_on(const struct bench *b, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1, fd = b->net->socket(AF_INET, SOCK_STREAM, 0);

	b->net->setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	use_congestion(b, fd);
	if (b->net->bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || b->net->listen(fd, 4096))
		err(1, "port %u", port);
	return fd;
}

bool send_all(const struct calls *net, int fd, const char *buf, size_t n, int flags)
{
	ssize_t sent;

	for (; n; buf += sent, n -= (size_t)sent) {
		sent = net->send(fd, buf, n, MSG_NOSIGNAL | flags);
		if (sent <= 0)
			return false;
	}
	return true;
}

bool recv_all(const struct calls *net, int fd, char *buf, size_t n)
{
	ssize_t got;

	for (; n; buf += got, n -= (size_t)got) {
		got = net->recv(fd, buf, n, 0);
		if (got <= 0)
			return false;
	}
	return true;
}

void question_make(char *buf, size_t n, uint64_t at)
{
	memset(buf, (int)(at % 251), n);
	memcpy(buf, &at, n < sizeof(at) ? n : sizeof(at));
}

bool question_is(const char *buf, size_t n, uint64_t at)
{
	char want[QUESTION_MAX];

	question_make(want, n, at);
	return memcmp(buf, want, n) == 0;
}

void samples_add(struct samples *s, uint64_t ns)
{
	if (s->n == s->max) {
		s->max = s->max ? 2 * s->max : 1 << 16;
		s->took = realloc(s->took, s->max * sizeof(*s->took));
		if (!s->took)
			err(1, "memory");
	}
	s->took[s->n++] = ns;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void samples_print(struct samples *s)
{
	if (!s->n)
		errx(1, "no round trip at all");
	qsort(s->took, s->n, sizeof(*s->took), by_size);
	printf("%.2f %.2f\n", (double)s->took[s->n / 2] / 1e3,
	       (double)s->took[s->n * 99 / 100] / 1e3);
	free(s->took);
	*s = (struct samples){0};
}

void threads_run(unsigned many, void *(*run)(void *), void *args, size_t size)
{
	pthread_t *thread = buffer(many * sizeof(*thread));

	for (unsigned i = 0; i < many; i++)
		if (pthread_create(&thread[i], NULL, run, (char *)args + i * size))
			errx(1, "no thread");
	for (unsigned i = 0; i < many; i++)
		pthread_join(thread[i], NULL);
	free(thread);
}
