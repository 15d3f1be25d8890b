/*
 * socket/gateway_connect.c - a program's connect(): its stream arrives, says where to, and waits with a full
 * buffer until the stack has an answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

static void connect_begin(struct gateway_end *e, const struct program_connect *q)
{
	struct program_slot *s = gateway_slot(e);
	int r = weft_connect(e->fd, (const struct sockaddr *)(const void *)q->bytes, q->len);

	if (r && errno != EINPROGRESS) {
		r = errno;
		gateway_unreachable(e->gateway, q->bytes, r);
		gateway_stream_fail(e, r);
		return;
	}
	e->role = GATEWAY_CONNECTING;
	gateway_slot_names(e);
	if (s)
		atomic_store(&s->state, PROGRAM_CONNECTING);
	if (gateway_end_watch(e))
		gateway_stream_fail(e, ENOBUFS);
	else if (r == 0)
		gateway_connected(e);
}

/* The stream becomes its end's. */
static void caller_become(struct gateway *g, struct gateway_stranger *c,
			  const struct program_connect *q)
{
	int err, fd = c->watch.fd;
	struct gateway_end *e = gateway_end_get(g, q->id, NULL, &err);

	if (!e || e->role != GATEWAY_BOUND || e->fd < 0 || e->watch.fd >= 0) {
		gateway_stranger_end(g, &g->callers, c);
		return;
	}
	epoll_ctl(g->kernel, EPOLL_CTL_DEL, fd, NULL);
	c->watch.fd = -1;
	gateway_stranger_end(g, &g->callers, c);
	e->watch.fd = fd;
	e->watch.ready = gateway_stream_ready;
	e->skip = PROGRAM_PAD;
	if (gateway_stream_watch(e))
		gateway_stream_fail(e, ENOBUFS);
	else
		connect_begin(e, q);
}

void gateway_caller_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct gateway_stranger *c = (struct gateway_stranger *)(void *)w;
	struct program_connect q;
	ssize_t n = recv(w->fd, &q, sizeof(q), MSG_PEEK | MSG_DONTWAIT);

	if (n < (ssize_t)sizeof(q) && !(events & EPOLLHUP))
		return;
	if (n == sizeof(q) && q.magic == PROGRAM_MAGIC && q.len <= sizeof(q.bytes) &&
	    gateway_knows(g, q.secret))
		caller_become(g, c, &q);
	else
		gateway_stranger_end(g, &g->callers, c);
}

static void caller_accept(struct gateway *g, int fd)
{
	gateway_stranger_begin(g, &g->callers, calloc(1, sizeof(struct gateway_stranger)), fd);
}

void gateway_data_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	gateway_let_in(g, w, caller_accept);
}

void gateway_callers_look(struct gateway *g)
{
	struct gateway_stranger *c, *next;

	gateway_data_ready(g, &g->data, EPOLLIN);
	for (c = LIST_FIRST(&g->callers.list); c; c = next) {
		next = LIST_NEXT(c, next);
		gateway_caller_ready(g, &c->watch, EPOLLIN);
	}
}

/* Its state says whether it came to be; the program's socket becomes writable when the pad is drained. */
void gateway_connected(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);
	struct sockaddr_storage sa;
	socklen_t n = sizeof(int);
	int err = 0;

	if (weft_getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &n) == 0 && err) {
		gateway_stream_fail(e, err);
		return;
	}
	n = sizeof(sa);
	if (weft_getpeername(e->fd, (struct sockaddr *)&sa, &n))
		return;
	gateway_slot_names(e);
	if (s)
		atomic_store(&s->state, PROGRAM_CONNECTED);
	e->role = GATEWAY_STREAM;
	e->up_ready = e->down_ready = true;
	gateway_stream_run(e);
}
