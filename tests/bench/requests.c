/*
 * tests/bench/requests.c - requests over many connections at once, one outstanding on each; both ends are
 * one thread and an epoll instance.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/bench/calls.h"

#define EVENTS 256

static void watch(const struct calls *net, int epfd, int fd, uint64_t data)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = data};

	if (net->epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		err(1, "epoll_ctl");
}

static void answer(const struct calls *net, int fd)
{
	char buf[QUESTION_MAX];
	ssize_t n = net->recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n <= 0 || !send_all(net, fd, buf, (size_t)n, 0))
		net->close(fd);
}

void *serve_requests(void *bench)
{
	const struct bench *b = bench;
	const struct calls *net = b->net;
	int n, fd, epfd = net->epoll_create1(0), listener = listen_on(b, PORT_REQUESTS);
	struct epoll_event ev[EVENTS];

	watch(net, epfd, listener, (uint64_t)listener);
	for (;;) {
		n = net->epoll_wait(epfd, ev, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.u64 != (uint64_t)listener) {
				answer(net, (int)ev[i].data.u64);
				continue;
			}
			fd = net->accept(listener, NULL, NULL);
			if (fd < 0)
				err(1, "accept");
			no_delay(net, fd);
			watch(net, epfd, fd, (uint64_t)fd);
		}
	}
}

struct asker {
	int fd;
	uint64_t at; /* number of the question that is out */
};

static void ask(const struct bench *b, struct asker *a)
{
	char buf[QUESTION];

	question_make(buf, sizeof(buf), a->at);
	if (!send_all(b->net, a->fd, buf, sizeof(buf), 0))
		err(1, "send");
}

static void next(const struct bench *b, struct asker *a)
{
	char buf[QUESTION];

	if (!recv_all(b->net, a->fd, buf, sizeof(buf)) || !question_is(buf, sizeof(buf), a->at))
		errx(1, "a wrong answer");
	a->at++;
	ask(b, a);
}

void case_requests(const struct bench *b, double seconds)
{
	struct asker *a = buffer(b->many * sizeof(*a));
	int n, epfd = b->net->epoll_create1(0);
	struct epoll_event ev[EVENTS];
	uint64_t begin, end, count = 0;

	for (unsigned i = 0; i < b->many; i++) {
		a[i] = (struct asker){.fd = dial(b, PORT_REQUESTS), .at = (uint64_t)i << 40};
		no_delay(b->net, a[i].fd);
		watch(b->net, epfd, a[i].fd, i);
	}
	begin = now_ns();
	end = begin + (uint64_t)(seconds * 1e9);
	for (unsigned i = 0; i < b->many; i++)
		ask(b, &a[i]);
	while (now_ns() < end) {
		n = b->net->epoll_wait(epfd, ev, EVENTS, 2000);
		if (n <= 0)
			err(1, "no answer");
		for (int i = 0; i < n; i++, count++)
			next(b, &a[ev[i].data.u64]);
	}
	printf("%.0f\n", (double)count * 1e9 / (double)(now_ns() - begin));
	for (unsigned i = 0; i < b->many; i++)
		b->net->close(a[i].fd);
	b->net->close(epfd);
	free(a);
}
