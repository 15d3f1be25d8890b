/*
 * tests/bench/bare_relay.c - the bare responder as the least that stands between a TAP and a program with sockets of the
 * kernel's: each connection to PORT_RELAY is a stream of AF_UNIX to the program.  The gateway of unmodified programs does
 * the same with a stack between.
 *
 * One thread: what comes in a segment is sent on, what the program writes is read and goes out as one segment, whose ACK
 * is all that the client gets.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/bare.h"

#define EVENTS 256
#define NOT_A_STREAM (1u << 16) /* client ports are below */

static void watch(struct bare *b, int fd, uint32_t data)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = data};

	if (epoll_ctl(b->epfd, EPOLL_CTL_ADD, fd, &ev))
		err(1, "epoll_ctl");
}

void bare_relay_open(struct bare *b, uint16_t client)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", b->is.relay);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "%s", to.sun_path);
	b->conn[client].stream = fd;
	watch(b, fd, client);
}

void bare_relay_close(struct bare *b, uint16_t client)
{
	close(b->conn[client].stream);
	b->conn[client].stream = 0;
}

void bare_relay_in(struct bare *b, uint16_t client, const void *data, size_t n)
{
	if (send(b->conn[client].stream, data, n, MSG_NOSIGNAL) != (ssize_t)n)
		err(1, "send to %s", b->is.relay);
}

static void relay_out(struct bare *b, uint16_t client)
{
	ssize_t n = recv(b->conn[client].stream, b->app, SUPER, MSG_DONTWAIT);

	if (n > 0)
		bare_segment(b, client, TCP_ACK | TCP_PSH, b->app, (size_t)n);
	else if (n < 0 && errno != EAGAIN)
		err(1, "recv from %s", b->is.relay);
}

void bare_relay_run(struct bare *b)
{
	struct epoll_event ev[EVENTS];
	int n;

	b->epfd = epoll_create1(0);
	watch(b, 0, NOT_A_STREAM);
	watch(b, b->fd, NOT_A_STREAM + 1);
	for (;;) {
		n = epoll_wait(b->epfd, ev, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.u32 == NOT_A_STREAM)
				return;
			if (ev[i].data.u32 > NOT_A_STREAM)
				bare_batch(b);
			else if (b->conn[ev[i].data.u32].stream)
				relay_out(b, (uint16_t)ev[i].data.u32);
		}
	}
}
