/*
 * socket/gateway_stream.c - the bytes of a TCP connection, between the program's descriptor and the stack.
 *
 * Up is from the program to the stack, down the other way.  Either stops when the next side takes no more: up
 * with at most one buffer put by, down with what is in the stack's receive queue, for that is written from there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ip/inet_sock.h"
#include "lib/iov.h"
#include "socket/gateway_priv.h"

#define STREAM_EVENTS (EPOLLIN | EPOLLPRI | EPOLLRDHUP)

/* --- what was put by ----------------------------------------------------------------------------- */

bool gateway_rest_keep(struct gateway_rest *r, const uint8_t *bytes, uint32_t n)
{
	r->bytes = malloc(n);
	if (!r->bytes)
		return false;
	memcpy(r->bytes, bytes, n);
	r->at = 0;
	r->len = n;
	return true;
}

void gateway_rest_done(struct gateway_rest *r, uint32_t n)
{
	r->at += n;
	if (r->at < r->len)
		return;
	free(r->bytes);
	r->bytes = NULL;
}

/* It lies in its listener's queue, and accept() has not told of itself. */
static bool is_queued(const struct gateway_end *e)
{
	char byte;

	return e->listener && !e->hung_up && !e->aborted &&
	       recv(e->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* accept() brings the byte by which a close is a reset: until then it has its place, slot and address. */
static void stream_queued(struct gateway_end *e)
{
	gateway_end_stack_close(e);
	e->reset = true;
}

static void queued_run(struct gateway_end *e)
{
	if (!is_queued(e))
		gateway_end_forget(e);
}

static void slot_close(struct gateway_end *e, int err)
{
	struct program_slot *s = gateway_slot(e);

	if (!s)
		return;
	atomic_store(&s->error, err);
	atomic_store(&s->state, PROGRAM_CLOSED);
}

/*
 * Of one that went out the slot stays: its socket is the program's to close.  Who has read to the peer's FIN has read
 * all there was, and sees no reset.
 */
void gateway_stream_fail(struct gateway_end *e, int err)
{
	slot_close(e, err);
	if (is_queued(e)) {
		stream_queued(e);
		return;
	}
	if (e->down_done)
		gateway_up_discard(e, 0);
	if (e->hung_up || e->child) {
		gateway_end_forget(e);
		return;
	}
	gateway_watch_close(e->gateway, &e->watch);
	if (e->role == GATEWAY_STREAM)
		gateway_end_stack_close(e);
	else
		gateway_end_disconnect(e);
	e->role = GATEWAY_BOUND;
}

void gateway_stream_broken(struct gateway_end *e, int err)
{
	if (e->down_done || e->hung_up) {
		gateway_stream_fail(e, err);
		return;
	}
	slot_close(e, err);
	e->broken = err;
	e->down_ready = true;
	free(e->up.bytes);
	e->up.bytes = NULL;
	gateway_up_discard(e, 1);
}

int gateway_stream_disconnect(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);

	if (e->role != GATEWAY_STREAM && e->role != GATEWAY_CONNECTING)
		return -EINVAL;
	if (s)
		atomic_store(&s->listener, 0);
	gateway_watch_close(e->gateway, &e->watch);
	gateway_end_disconnect(e);
	free(e->up.bytes);
	e->up.bytes = NULL;
	e->up_mark = e->up_urgent = false;
	if (e->listener)
		gateway_accepted(e);
	e->role = GATEWAY_BOUND;
	e->child = false; /* the next that looks for its name forgets it */
	if (s)
		atomic_store(&s->state, PROGRAM_CLOSED);
	return 0;
}

/* --- down ----------------------------------------------------------------------------------------- */

/* An urgent byte is read in line on both sides, so that a read shows where it stands. */
int gateway_stream_watch(struct gateway_end *e)
{
	const int on = 1;

	setsockopt(e->watch.fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	weft_setsockopt(e->fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	return gateway_watch_add(e->gateway, &e->watch, STREAM_EVENTS);
}

static void watch_room(struct gateway_end *e, bool on)
{
	struct epoll_event ev = {.events = STREAM_EVENTS | EPOLLET, .data.ptr = &e->watch};

	ev.events |= on ? EPOLLOUT : 0;
	epoll_ctl(e->gateway->kernel, EPOLL_CTL_MOD, e->watch.fd, &ev);
	e->wants_room = on;
}

/* Where it was not room that was missing, nothing but to ask anew brings an event. */
static void want_room(struct gateway_end *e, int err)
{
	e->full = true;
	if (!e->wants_room || err != EAGAIN)
		watch_room(e, true);
}

/* The kernel tells of room until that is no news: each read of the program's would wake us. */
static void have_room(struct gateway_end *e)
{
	if (!e->full && !e->down_ready && e->wants_room)
		watch_room(e, false);
	e->full = false;
}

/* Bytes on their way from the stack's receive queue into the program's descriptor. */
struct down {
	struct sock_sink sink; /* first */
	struct gateway_end *end;
	int full; /* errno: the descriptor did not take all */
};

static ssize_t down_send(struct gateway_end *e, const struct iovec *iov, int n, int flags)
{
	const int how = flags | MSG_NOSIGNAL | MSG_DONTWAIT;
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
	ssize_t k = n == 1 ? gateway_send(e->watch.fd, iov->iov_base, iov->iov_len, how)
			   : sendmsg(e->watch.fd, &m, how);

	if (k < 0 && errno == EOPNOTSUPP && flags) /* a kernel that carries nothing urgent */
		return down_send(e, iov, n, 0);
	return k;
}

/* Of a program that reads no more all is taken, and its close is a reset.  The urgent byte goes alone. */
static uint32_t down_take(struct sock_sink *k, const struct iovec *iov, int n, bool urgent)
{
	struct down *d = (struct down *)(void *)k;
	const struct iovec first = {iov->iov_base, 1};
	ssize_t sent =
	    urgent ? down_send(d->end, &first, 1, MSG_OOB) : down_send(d->end, iov, n, 0);
	uint32_t all = (uint32_t)iov_bytes(iov, (size_t)n);

	if (sent >= 0) {
		d->full = urgent || (uint32_t)sent == all ? 0 : EAGAIN;
		return (uint32_t)sent;
	}
	if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
		d->full = errno;
		return 0;
	}
	d->end->unread = true;
	return all;
}

/* Of one that is broken the error has been told before, and EPIPE is that of one whose FIN had come. */
static enum gateway_progress down_nothing(struct gateway_end *e, ssize_t k)
{
	const int err = k < 0 ? errno : e->broken;

	if (k == 0 && (!err || err == EPIPE)) {
		e->down_done = true;
		shutdown(e->watch.fd, SHUT_WR);
	}
	if (err && err != EAGAIN) {
		gateway_stream_fail(e, err);
		return GATEWAY_GONE;
	}
	e->down_ready = false;
	return GATEWAY_IDLE;
}

static enum gateway_progress stream_down(struct gateway_end *e)
{
	struct down d = {.sink.take = down_take, .end = e};
	ssize_t k;

	if (!e->down_ready || e->down_done || e->full)
		return GATEWAY_IDLE;
	k = socket_drain(e->fd, &d.sink, GATEWAY_BUFFER);
	if (d.full) {
		want_room(e, d.full);
		return GATEWAY_IDLE;
	}
	if (k <= 0)
		return down_nothing(e, k);
	e->down_ready = d.sink.more;
	return e->down_ready ? GATEWAY_MORE : GATEWAY_IDLE;
}

/* --- both ----------------------------------------------------------------------------------------- */

/* Both directions have ended: the stack's part is over, and the program's close shall be no reset. */
static void stream_over(struct gateway_end *e)
{
	if (!e->up_done || !e->down_done || e->fd < 0)
		return;
	gateway_residual_drain(e);
	gateway_end_stack_close(e);
}

void gateway_stream_run(struct gateway_end *e)
{
	if (e->reset) {
		queued_run(e);
		return;
	}
	for (int i = 0; i < GATEWAY_ROUNDS; i++) {
		enum gateway_progress up = gateway_up(e), down;

		if (up == GATEWAY_GONE)
			return;
		down = stream_down(e);
		if (down == GATEWAY_GONE)
			return;
		if (up == GATEWAY_IDLE && down == GATEWAY_IDLE) {
			stream_over(e);
			return;
		}
	}
	gateway_end_again(e);
}

/*
 * Both directions shut look like a close.  The name tells; what came in has none of its own, and is taken as
 * closed: nothing can be said over it any more.
 */
static bool has_closed(struct gateway_end *e)
{
	return !e->down_done || e->child || gateway_name_is_free(e);
}

/* While it connects, only the program's close counts. */
void gateway_stream_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct gateway_end *e = (struct gateway_end *)(void *)w;

	if (e->role == GATEWAY_LINGERING)
		return;
	if (e->role == GATEWAY_CONNECTING) {
		if (events & EPOLLHUP)
			gateway_end_forget(e);
		return;
	}
	e->read_ended |= (events & EPOLLRDHUP) != 0;
	if (events & EPOLLHUP && !e->hung_up)
		e->hung_up = has_closed(e);
	e->aborted |= (events & EPOLLERR) != 0;
	e->up_mark |= (events & EPOLLPRI) != 0;
	e->up_ready = true;
	if (events & EPOLLOUT)
		have_room(e);
	gateway_stream_run(e);
}

void gateway_stream_bell(struct gateway_end *e)
{
	if (e->fd < 0 || e->role != GATEWAY_STREAM)
		return;
	e->up_ready = true;
	gateway_stream_run(e);
	if (!e->watch.gone)
		gateway_up_held(e);
}
