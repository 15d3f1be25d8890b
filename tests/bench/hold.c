/*
 * tests/bench/hold.c - connections that are open and idle: what they weigh, and what one more round trip
 * costs beside them.
 *
 * The case opens b->many of them, never used or after one request each, prints "held" and waits for a line
 * of standard input: time for others to look at the server's memory.  Then it prints the round trips of one
 * more connection.  They are closed by RST: their end is not measured, and nothing of them stays.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/bench/calls.h"

/* Of one source address: fewer than there are ephemeral ports, and the descriptors of one process. */
#define PER_ADDRESS 20000u

void serve_asked(const struct bench *b, int fd)
{
	char buf[QUESTION];

	if (recv_all(b->net, fd, buf, sizeof(buf)))
		send_all(b->net, fd, buf, sizeof(buf), 0);
}

void listen_timed(const struct bench *b, int fd)
{
	int on = 1;

	if (b->net->setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)))
		err(1, "SO_KEEPALIVE");
}

/* From the server's net, the addresses counted up from .2: the host's end has them all. */
static int hold_open(const struct bench *b, unsigned number)
{
	struct sockaddr_in from = b->server, to = b->server;
	struct linger reset = {.l_onoff = 1};
	int on = 1, fd = b->net->socket(AF_INET, SOCK_STREAM, 0);
	uint32_t net = ntohl(b->server.sin_addr.s_addr) & 0xffffff00u;

	from.sin_addr.s_addr = htonl(net | (2 + number / PER_ADDRESS));
	from.sin_port = 0;
	to.sin_port = htons(b->hold);
	b->net->setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	b->net->setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (fd < 0 || b->net->bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    b->net->connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "connection %u", number);
	return fd;
}

static void hold_ask(const struct bench *b, int fd, unsigned number)
{
	char buf[QUESTION];

	question_make(buf, sizeof(buf), number);
	if (!send_all(b->net, fd, buf, sizeof(buf), 0) || !recv_all(b->net, fd, buf, sizeof(buf)) ||
	    !question_is(buf, sizeof(buf), number))
		err(1, "connection %u: no answer", number);
}

void case_hold(const struct bench *b, double seconds)
{
	int *fd = buffer(b->many * sizeof(*fd));
	struct samples s = {0};
	int one_more;

	for (unsigned i = 0; i < b->many; i++) {
		fd[i] = hold_open(b, b->first + i);
		if (b->hold != PORT_HOLD)
			hold_ask(b, fd[i], b->first + i);
	}
	puts("held");
	fflush(stdout);
	if (getchar() == EOF)
		return; /* only to hold them: their end is the process's */
	one_more = dial(b, PORT_ECHO);
	no_delay(b->net, one_more);
	echo_for(b, one_more, seconds, &s);
	samples_print(&s);
	b->net->close(one_more);
	for (unsigned i = 0; i < b->many; i++)
		b->net->close(fd[i]);
	free(fd);
}
