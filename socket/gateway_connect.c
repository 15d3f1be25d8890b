/*
 * socket/gateway_connect.c - a program's connect(): its stream arrives, says where to, and waits with a full
 * buffer until the stack has an answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

/* A stream that has not said yet which socket it is. */
struct caller {
	struct gateway_watch watch; /* first */
	LIST_ENTRY(caller) next;
	uid_t uid;
};

static void caller_end(struct gateway *g, struct caller *c)
{
	LIST_REMOVE(c, next);
	g->ncallers--;
	gateway_watch_close(g, &c->watch);
	gateway_free_later(g, c);
}

void gateway_callers_end(struct gateway *g)
{
	while (!LIST_EMPTY(&g->callers))
		caller_end(g, LIST_FIRST(&g->callers));
}

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
static void caller_become(struct gateway *g, struct caller *c, const struct program_connect *q)
{
	int err, fd = c->watch.fd;
	struct gateway_end *e = gateway_end_get(g, q->id, NULL, &err);

	if (!e || e->role != GATEWAY_BOUND || e->fd < 0 || e->watch.fd >= 0) {
		caller_end(g, c);
		return;
	}
	epoll_ctl(g->kernel, EPOLL_CTL_DEL, fd, NULL);
	c->watch.fd = -1;
	caller_end(g, c);
	e->watch.fd = fd;
	e->watch.ready = gateway_stream_ready;
	e->skip = PROGRAM_PAD;
	if (gateway_stream_watch(e))
		gateway_stream_fail(e, ENOBUFS);
	else
		connect_begin(e, q);
}

static void caller_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct program_connect q;
	ssize_t n = recv(w->fd, &q, sizeof(q), MSG_PEEK | MSG_DONTWAIT);

	if (n < (ssize_t)sizeof(q) && !(events & EPOLLHUP))
		return;
	if (n == sizeof(q) && q.magic == PROGRAM_MAGIC && q.len <= sizeof(q.bytes) &&
	    gateway_knows(g, q.secret))
		caller_become(g, (struct caller *)(void *)w, &q);
	else
		caller_end(g, (struct caller *)(void *)w);
}

/* Who has said nothing for longest makes room: of the last one's user, who else could push out others; or of all. */
static void callers_limit(struct gateway *g, const struct caller *last)
{
	struct caller *c, *eldest = NULL, *own = NULL;

	if (g->ncallers <= GATEWAY_STRANGERS)
		return;
	LIST_FOREACH(c, &g->callers, next)
	{
		if (c == last)
			continue;
		eldest = c;
		own = c->uid == last->uid ? c : own;
	}
	caller_end(g, own ? own : eldest);
}

/* It waits for what it says. */
static void caller_wait(struct gateway *g, struct caller *c)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(c->watch.fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) ||
	    gateway_watch_add(g, &c->watch, EPOLLIN)) {
		caller_end(g, c);
		return;
	}
	c->uid = peer.uid;
	callers_limit(g, c);
}

static void caller_accept(struct gateway *g, int fd)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->watch.fd = fd;
	c->watch.ready = caller_ready;
	LIST_INSERT_HEAD(&g->callers, c, next);
	g->ncallers++;
	caller_ready(g, &c->watch, EPOLLIN); /* most have spoken by now */
	if (!c->watch.gone)
		caller_wait(g, c);
}

void gateway_data_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	gateway_let_in(g, w, caller_accept);
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
