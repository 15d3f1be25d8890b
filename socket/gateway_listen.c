/*
 * socket/gateway_listen.c - connections that the stack has accepted are handed to the program's socket, as many
 * as its backlog allows before it accepts them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

#define BACKLOG_MAX 2048 /* the kernel's queue is longer, so that it never is full */

int gateway_listen(struct gateway_end *e, int backlog, const struct ucred *who)
{
	struct program_slot *s = gateway_slot(e);
	int err = weft_listen(e->fd, backlog) ? -errno : 0;

	if (err)
		return err;
	e->uid = who->uid;
	e->backlog = backlog < 1 ? 1 : backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
	gateway_slot_names(e);
	if (s)
		atomic_store(&s->state, PROGRAM_LISTENING);
	if (e->role == GATEWAY_LISTENER)
		return 0;
	e->role = GATEWAY_LISTENER;
	return gateway_end_watch(e);
}

/* An abstract name is anybody's once it is free: is it the user's who asked to listen? */
static bool is_the_programs(const struct gateway_end *l, int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.uid == l->uid;
}

/* Our end: named after the slot, connected to the program's socket.  A descriptor or -errno. */
static int child_connect(const struct gateway_end *l, uint32_t id)
{
	const struct program_name own = {.kind = PROGRAM_CHILD, .id = id};
	const struct program_name its = {.kind = PROGRAM_STREAM, .id = l->id};
	struct gateway *g = l->gateway;
	struct program_slot *s = program_slot_of(g->table, id);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int room = PROGRAM_SNDBUF / 2; /* the kernel doubles it */
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, g->token.instance, &own);
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	err = bind(fd, (struct sockaddr *)&sa, len) ? -errno : 0;
	if (!err && s)
		atomic_store(&s->listener, l->id);
	len = program_address(&sa, g->token.instance, &its);
	if (!err && connect(fd, (struct sockaddr *)&sa, len))
		err = -errno;
	if (!err && !is_the_programs(l, fd))
		err = -ECONNREFUSED;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static void child_slot(struct gateway_end *l, struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e), *of = gateway_slot(l);

	if (!s)
		return; /* a program has spoilt it */
	s->family = (uint16_t)(of ? of->family : AF_INET);
	s->type = SOCK_STREAM;
	s->protocol = IPPROTO_TCP;
	if (of && atomic_load(&of->flags) & PROGRAM_OOBINLINE)
		atomic_fetch_or(&s->flags, PROGRAM_OOBINLINE);
	if (of)
		atomic_store(&s->linger, atomic_load(&of->linger));
	atomic_store(&s->pid, l->pid);
	gateway_slot_names(e);
	atomic_store(&s->state, PROGRAM_CONNECTED);
}

/* 0, or -errno: -ECONNREFUSED, the program's socket is there no more.  fd is taken over. */
static int child_begin(struct gateway_end *l, int fd)
{
	struct gateway *g = l->gateway;
	uint32_t id = program_slot_take(g->table);
	struct gateway_end *e;
	int err;

	if (!id) {
		gateway_stack_reset(fd);
		return -ENOBUFS;
	}
	e = gateway_end_make(g, id, fd, GATEWAY_STREAM);
	if (!e) {
		program_slot_free(g->table, id);
		return -ENOMEM;
	}
	e->child = true;
	e->skip = 1;
	e->up_ready = e->down_ready = true;
	e->watch.ready = gateway_stream_ready;
	child_slot(l, e);
	gateway_end_pid(e);
	err = e->watch.fd = child_connect(l, id);
	if (err >= 0) {
		e->listener = l;
		l->pending++;
		err = gateway_stream_watch(e);
	}
	if (!err)
		err = gateway_end_watch(e);
	if (!err)
		return 0;
	gateway_reset(e);
	gateway_end_forget(e);
	return err;
}

void gateway_accept(struct gateway_end *l)
{
	int fd;

	while (l->pending < l->backlog) {
		fd = weft_accept4(l->fd, NULL, NULL, SOCK_NONBLOCK);
		if (fd < 0)
			return;
		if (child_begin(l, fd) == -ECONNREFUSED) {
			gateway_end_forget(l);
			return;
		}
	}
}

void gateway_accepted(struct gateway_end *e)
{
	struct gateway_end *l = e->listener;

	e->listener = NULL;
	if (l && l->pending-- == l->backlog)
		gateway_end_again(l);
}
