/*
 * socket/gateway_request.c - what programs ask for: one request a connection, answered at once.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ip/inet_hash.h"
#include "socket/gateway_priv.h"
#include "tcp/tcp.h"

/* A connection whose request has not come yet; `weft run` stays on one. */
struct asker {
	struct gateway_stranger from; /* first */
	bool stays;
	uint32_t awaits; /* the id of the socket that its program closes; 0: none */
};

static struct asker *asker_first(const struct gateway *g)
{
	return (struct asker *)(void *)LIST_FIRST(&g->askers.list);
}

static struct asker *asker_next(const struct asker *a)
{
	return (struct asker *)(void *)LIST_NEXT(&a->from, next);
}

static void asker_end(struct gateway *g, struct asker *a)
{
	gateway_stranger_end(g, &g->askers, &a->from);
}

static void answer(struct asker *a, const struct program_reply *r, int fd)
{
	gateway_send_with(a->from.watch.fd, r, sizeof(*r), fd);
}

bool gateway_is_awaited(struct gateway *g, uint32_t id)
{
	for (const struct asker *a = asker_first(g); a; a = asker_next(a)) {
		if (a->awaits == id)
			return true;
	}
	return false;
}

void gateway_awaited(struct gateway *g, uint32_t id)
{
	const struct program_reply done = {.magic = PROGRAM_MAGIC};
	struct asker *a, *next;

	for (a = asker_first(g); a; a = next) {
		next = asker_next(a);
		if (a->awaits != id)
			continue;
		answer(a, &done, -1);
		asker_end(g, a);
	}
}

/* A port may be held by a socket that was closed unseen. */
static int request_bind(struct gateway_end *e, const struct program_request *q)
{
	const struct sockaddr *sa = (const struct sockaddr *)(const void *)q->bytes;
	int err = weft_bind(e->fd, sa, q->len) ? -errno : 0;

	if (err == -EADDRINUSE) {
		gateway_probe_ends(e->gateway);
		err = weft_bind(e->fd, sa, q->len) ? -errno : 0;
	}
	gateway_slot_names(e);
	return err;
}

/*
 * Stamps, what is left to read beside a message and the end of a send have no way to the program: its end is an
 * AF_UNIX socket, whose bytes come with nothing and whose POLLERR is the kernel's.
 */
static bool option_tells_nothing(const struct gateway_end *e, const struct program_request *q)
{
	if (q->level != SOL_SOCKET)
		return q->level == IPPROTO_TCP && q->name == TCP_INQ;
	if (q->name == SO_TIMESTAMP || q->name == SO_TIMESTAMPNS)
		return e->role != GATEWAY_DGRAM;
	return q->name == SO_TIMESTAMPING || q->name == SO_ZEROCOPY;
}

static int request_setopt(struct gateway_end *e, const struct program_request *q)
{
	if (option_tells_nothing(e, q))
		return -ENOPROTOOPT;
	if (weft_setsockopt(e->fd, q->level, q->name, q->bytes, q->len))
		return -errno;
	if (e->role == GATEWAY_DGRAM)
		gateway_dgram_option(e, q->level, q->name);
	return 0;
}

static int request_getopt(struct gateway_end *e, const struct program_request *q,
			  struct program_reply *r)
{
	r->len = q->len;
	return weft_getsockopt(e->fd, q->level, q->name, r->bytes, &r->len) ? -errno : 0;
}

static bool is_option(const struct program_request *q)
{
	return q->kind == PROGRAM_SETOPT || q->kind == PROGRAM_GETOPT;
}

/* Of a connection that is over: as a new one says. */
static int option_of_none(struct gateway *g, const struct program_request *q,
			  struct program_reply *r)
{
	struct program_slot *s = program_slot_of(g->table, q->id);
	struct gateway_end e = {.role = GATEWAY_BOUND};
	int err;

	e.fd = weft_socket(s && s->family == AF_INET6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (e.fd < 0)
		return -errno;
	err = q->kind == PROGRAM_SETOPT ? request_setopt(&e, q) : request_getopt(&e, q, r);
	weft_close(e.fd);
	return err;
}

/* *fd: what goes with the answer. */
static int request_end(struct gateway_end *e, const struct asker *a,
		       const struct program_request *q, struct program_reply *r, int *fd)
{
	if (e->fd < 0)
		return is_option(q) ? option_of_none(e->gateway, q, r) : -EISCONN;
	switch (q->kind) {
	case PROGRAM_OPEN:
		return 0;
	case PROGRAM_BIND:
		return request_bind(e, q);
	case PROGRAM_LISTEN:
		return e->role == GATEWAY_DGRAM ? -EOPNOTSUPP
						: gateway_listen(e, q->name, &a->from.who);
	case PROGRAM_CONNECT:
		return e->role == GATEWAY_DGRAM
			   ? gateway_dgram_connect(
				 e, (const struct sockaddr *)(const void *)q->bytes, q->len)
			   : -EOPNOTSUPP;
	case PROGRAM_SEND:
		return e->role == GATEWAY_DGRAM
			   ? gateway_dgram_send(e, e->gateway->behind, e->gateway->nbehind)
			   : -EOPNOTSUPP;
	case PROGRAM_SETOPT:
		return request_setopt(e, q);
	case PROGRAM_GETOPT:
		return request_getopt(e, q, r);
	case PROGRAM_DISCONNECT:
		return gateway_stream_disconnect(e);
	case PROGRAM_ADOPT:
		return gateway_end_adopt(e, gateway_end_find(e->gateway, (uint32_t)q->name));
	case PROGRAM_ERRORS_LEFT:
		if (e->role == GATEWAY_DGRAM)
			gateway_dgram_errors_left(e);
		return 0;
	case PROGRAM_ERRQUEUE:
		return e->role == GATEWAY_DGRAM ? gateway_dgram_errqueue(e, fd) : -EAGAIN;
	default:
		return -EINVAL;
	}
}

/* Closed by its program, with bytes or a FIN that the peer has not acknowledged. */
static void settled_look(struct sock_common *sc, void *arg)
{
	unsigned state = atomic_load(&sc->state);

	if (sc->kind == SOCK_KIND_FULL &&
	    (state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK))
		*(bool *)arg = false;
}

/* Nothing of it waits to be sent, and no close.  One that lives on with who has it is not waited for. */
static bool is_settled(const struct gateway_end *e)
{
	struct pollfd p = {.fd = e->watch.fd};
	int there = 0, unsent = 0;

	if (e->up.bytes || e->hung_up || e->aborted || poll(&p, 1, 0) != 0)
		return false;
	if (ioctl(e->watch.fd, FIONREAD, &there) || there > (int)e->residual)
		return false;
	return weft_ioctl(e->fd, SIOCOUTQ, &unsent) || unsent == 0;
}

static bool gateway_settled(struct gateway *g)
{
	struct gateway_end *e;
	bool settled = true;
	struct batch b;

	RB_FOREACH(e, gateway_end_tree, &g->ends)
	{
		if (e->role == GATEWAY_STREAM && e->fd >= 0 && !is_settled(e))
			return false;
	}
	batch_begin(&b, g->stack);
	inet_each(tcp_table(g->stack), settled_look, &settled);
	batch_end(&b);
	return settled;
}

/* Of a datagram socket: where it may send hangs on these. */
static bool is_change(const struct gateway_end *e, const struct program_request *q)
{
	return e->role == GATEWAY_DGRAM &&
	       (q->kind == PROGRAM_BIND || q->kind == PROGRAM_CONNECT || q->kind == PROGRAM_SETOPT);
}

/* What was sent before is not subject to it, and what its program knows is void. */
static int request_change(struct gateway_end *e, const struct asker *a,
			  const struct program_request *q, struct program_reply *r)
{
	struct program_slot *s = gateway_slot(e);
	int none, err;

	gateway_dgram_up(e);
	err = request_end(e, a, q, r, &none);
	if (s)
		atomic_fetch_add(&s->changes, 1);
	return err;
}

/* Before the close, and when it is done: true, there is nothing to wait for. */
static bool request_linger(struct gateway *g, struct asker *a, const struct program_request *q)
{
	if (q->name)
		return !a->awaits || !gateway_linger_closed(g, a->awaits);
	a->awaits = q->id;
	a->stays = true;
	return true;
}

static void request_do(struct gateway *g, struct asker *a, const struct program_request *q)
{
	struct program_reply r = {.magic = PROGRAM_MAGIC};
	struct gateway_end *e;
	int err = 0, fd = -1, note = -1;

	switch (q->kind) {
	case PROGRAM_HELLO:
	case PROGRAM_STAY:
		fd = g->table_fd;
		a->stays = q->kind == PROGRAM_STAY;
		r.len = sizeof(a->from.who.pid);
		memcpy(r.bytes, &a->from.who.pid, r.len);
		gateway_process_seen(g, a->from.who.pid);
		break;
	case PROGRAM_COLLECT:
		r.err = gateway_collect(g) ? 0 : -EAGAIN;
		break;
	case PROGRAM_SETTLED:
		r.err = gateway_settled(g) ? 0 : -EAGAIN;
		break;
	case PROGRAM_LINGER:
		if (!request_linger(g, a, q))
			return;
		break;
	case PROGRAM_DEVICES:
		gateway_devices(g, (unsigned)q->name, &r);
		break;
	default:
		if (q->kind == PROGRAM_OPEN)
			gateway_callers_look(g);
		e = gateway_end_get(g, q->id, &a->from.who, &err);
		if (!e && err == -EINVAL && is_option(q))
			err = option_of_none(g, q, &r);
		if (!e)
			r.err = err;
		else if (is_change(e, q))
			r.err = request_change(e, a, q, &r);
		else
			r.err = request_end(e, a, q, &r, &note);
	}
	answer(a, &r, note >= 0 ? note : fd);
	if (note >= 0)
		close(note);
}

/* It has its answer, or wants none any more. */
static void asker_over(struct gateway *g, struct asker *a)
{
	uint32_t id = a->awaits;

	asker_end(g, a);
	if (id)
		gateway_linger_over(g, id);
}

/* One request.  False: there is no more, or nobody to ask. */
static bool asker_read(struct gateway *g, struct asker *a)
{
	struct program_request q;
	struct iovec iov[] = {{&q, sizeof(q)}, {g->behind, GATEWAY_BEHIND}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n = recvmsg(a->from.watch.fd, &m, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n >= (ssize_t)sizeof(q) && q.magic == PROGRAM_MAGIC && q.len <= PROGRAM_VALUE &&
	    gateway_knows(g, q.secret)) {
		gateway_stranger_known(&g->askers, &a->from);
		g->nbehind = (size_t)n - sizeof(q);
		request_do(g, a, &q);
	}
	if (a->from.watch.gone)
		return false;
	if (a->stays && n > 0)
		return true;
	asker_over(g, a);
	return false;
}

/* To its end, for it is told of once, be there a request, the end of file or both; but a turn: who stays may go on asking. */
void gateway_asker_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct asker *a = (struct asker *)(void *)w;
	int n = 0;

	while (n < GATEWAY_TURN && asker_read(g, a))
		n++;
	if (n == GATEWAY_TURN)
		gateway_watch_again(g, w, EPOLLIN);
}

static void request_accept(struct gateway *g, int fd)
{
	struct asker *a = calloc(1, sizeof(*a));

	gateway_stranger_begin(g, &g->askers, a ? &a->from : NULL, fd);
}

void gateway_request_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	gateway_let_in(g, w, request_accept);
}
