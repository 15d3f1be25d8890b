/*
 * tests/bench/conns.c - connections: opened, one question, its answer, the server's end of file, closed.
 *
 * b->many threads open them one after the other.  Brief is the same in as few packets as possible: the
 * request travels with the client's ACK and FIN, the answer with the server's FIN (MSG_MORE, then the
 * end), and the server accepts when the request is there (TCP_DEFER_ACCEPT).
 */
#include <err.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/bench/calls.h"

static void defer(const struct calls *net, int fd)
{
	int seconds = 1;

	if (net->setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)))
		err(1, "TCP_DEFER_ACCEPT");
}

void listen_brief(const struct bench *b, int fd)
{
	defer(b->net, fd);
}

void serve_conn(const struct bench *b, int fd)
{
	char buf[QUESTION];

	if (recv_all(b->net, fd, buf, sizeof(buf)))
		send_all(b->net, fd, buf, sizeof(buf), 0);
}

void serve_conn_brief(const struct bench *b, int fd)
{
	char buf[QUESTION];

	if (recv_all(b->net, fd, buf, sizeof(buf)))
		send_all(b->net, fd, buf, sizeof(buf), MSG_MORE);
}

struct opener {
	const struct bench *bench;
	unsigned number;
	uint64_t end;   /* ns */
	uint64_t count; /* of connections done */
};

static int dial_brief(const struct bench *b)
{
	struct sockaddr_in sin = b->server;
	int fd = b->net->socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_port = htons(PORT_CONN_BRIEF);
	defer(b->net, fd);
	if (fd < 0 || b->net->connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "connect");
	return fd;
}

static void conn_once(const struct bench *b, uint64_t at)
{
	int fd = b->brief ? dial_brief(b) : dial(b, PORT_CONN);
	char buf[QUESTION];
	ssize_t got;

	question_make(buf, sizeof(buf), at);
	if (!send_all(b->net, fd, buf, sizeof(buf), b->brief ? MSG_MORE : 0))
		err(1, "send");
	if (b->brief)
		b->net->shutdown(fd, SHUT_WR);
	if (!recv_all(b->net, fd, buf, sizeof(buf)) || !question_is(buf, sizeof(buf), at))
		errx(1, "a wrong answer");
	got = b->net->recv(fd, buf, sizeof(buf), 0);
	if (got < 0)
		err(1, "no end of file");
	if (got > 0)
		errx(1, "more than the answer");
	b->net->close(fd);
}

static void *opener_main(void *arg)
{
	struct opener *o = arg;

	for (; now_ns() < o->end; o->count++)
		conn_once(o->bench, (uint64_t)o->number << 32 | o->count);
	return NULL;
}

void case_conns(const struct bench *b, double seconds)
{
	struct opener *o = buffer(b->many * sizeof(*o));
	uint64_t begin = now_ns(), count = 0;

	for (unsigned i = 0; i < b->many; i++)
		o[i] = (struct opener){b, i, begin + (uint64_t)(seconds * 1e9), 0};
	threads_run(b->many, opener_main, o, sizeof(*o));
	for (unsigned i = 0; i < b->many; i++)
		count += o[i].count;
	printf("%.0f\n", (double)count * 1e9 / (double)(now_ns() - begin));
	free(o);
}
