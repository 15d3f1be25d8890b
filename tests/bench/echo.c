/*
 * tests/bench/echo.c - round trips: a question, and the same bytes back; over TCP with TCP_NODELAY, or UDP.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "tests/bench/bench.h"
#include "tests/bench/calls.h"

void serve_echo(const struct bench *b, int fd)
{
	const struct calls *net = b->net;
	char buf[QUESTION_MAX];
	ssize_t n;

	no_delay(net, fd);
	while ((n = net->recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (!send_all(net, fd, buf, (size_t)n, 0))
			break;
	}
}

void *serve_udp(void *bench)
{
	const struct bench *b = bench;
	struct sockaddr_in from, sin = {.sin_family = AF_INET, .sin_port = htons(PORT_ECHO)};
	int fd = b->net->socket(AF_INET, SOCK_DGRAM, 0);
	char buf[QUESTION_MAX];
	socklen_t len;
	ssize_t n;

	if (b->net->bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "UDP port %u", PORT_ECHO);
	for (;;) {
		len = sizeof(from);
		n = b->net->recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n > 0)
			b->net->sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

/* A datagram lost is an error: there is nobody between the ends to lose it. */
static int dial_udp(const struct bench *b)
{
	struct timeval patience = {.tv_sec = 2};
	struct sockaddr_in sin = b->server;
	int fd = b->net->socket(AF_INET, SOCK_DGRAM, 0);

	sin.sin_port = htons(PORT_ECHO);
	b->net->setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || b->net->connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "connect");
	return fd;
}

void echo_for(const struct bench *b, int fd, double seconds, struct samples *s)
{
	uint64_t then, now = now_ns(), end = now + (uint64_t)(seconds * 1e9);
	char buf[QUESTION_MAX];

	for (uint64_t at = 0; now < end; at++) {
		question_make(buf, b->size, at);
		then = now_ns();
		if (!send_all(b->net, fd, buf, b->size, 0) || !recv_all(b->net, fd, buf, b->size))
			err(1, "no answer");
		now = now_ns();
		samples_add(s, now - then);
		if (!question_is(buf, b->size, at))
			errx(1, "a wrong answer");
	}
}

void case_rtt(const struct bench *b, double seconds)
{
	struct samples s = {0};
	int fd = b->udp ? dial_udp(b) : dial(b, PORT_ECHO);

	if (!b->udp)
		no_delay(b->net, fd);
	echo_for(b, fd, seconds, &s);
	samples_print(&s);
	b->net->close(fd);
}
