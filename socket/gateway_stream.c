/*
 * socket/gateway_stream.c - the bytes of a TCP connection, between the program's descriptor and the stack.
 *
 * Up is from the program to the stack, down the other way.  Either stops when the next side takes no more,
 * with at most one buffer put by.  The last byte of the program's is left unread (docs/unmodified.md, the
 * residual byte).
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

#define LOOKS 4 /* at a program that keeps uncorking */

/* --- what was put by ----------------------------------------------------------------------------- */

/* Without memory: false. */
static bool rest_keep(struct gateway_rest *r, const uint8_t *bytes, uint32_t n)
{
	r->bytes = malloc(n);
	if (!r->bytes)
		return false;
	memcpy(r->bytes, bytes, n);
	r->at = 0;
	r->len = n;
	return true;
}

static void rest_done(struct gateway_rest *r, uint32_t n)
{
	r->at += n;
	if (r->at < r->len)
		return;
	free(r->bytes);
	r->bytes = NULL;
}

/* --- flags and the end --------------------------------------------------------------------------- */

/* What the slot has now. */
static uint32_t slot_flags(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);

	return s ? atomic_load(&s->flags) : e->flags;
}

static void stream_flags(struct gateway_end *e, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		int option;
	} options[] = {{PROGRAM_NODELAY, TCP_NODELAY}, {PROGRAM_CORK, TCP_CORK}};

	for (unsigned i = 0; i < 2; i++) {
		int on = (flags & options[i].flag) != 0;

		if ((flags ^ e->flags) & options[i].flag)
			weft_setsockopt(e->fd, IPPROTO_TCP, options[i].option, &on, sizeof(on));
	}
	e->flags = flags;
}

/* The peer sees a reset, whatever was on its way. */
void gateway_reset(struct gateway_end *e)
{
	const struct linger now = {.l_onoff = 1};

	if (e->fd >= 0)
		weft_setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	gateway_end_stack_close(e);
}

/* Of one that went out the slot stays: its socket is the program's to close. */
void gateway_stream_fail(struct gateway_end *e, int err)
{
	struct program_slot *s = gateway_slot(e);

	if (s) {
		atomic_store(&s->error, err);
		atomic_store(&s->state, PROGRAM_CLOSED);
	}
	if (e->hung_up || e->child) {
		gateway_end_forget(e);
		return;
	}
	gateway_end_stack_close(e);
	gateway_watch_close(e->gateway, &e->watch);
	e->role = GATEWAY_BOUND;
}

/* --- up ------------------------------------------------------------------------------------------- */

/* To the end or until it is refused: only who was refused is told of room.  False: the end is gone. */
static bool up_rest(struct gateway_end *e)
{
	while (e->up.bytes) {
		ssize_t k =
		    weft_send(e->fd, e->up.bytes + e->up.at, e->up.len - e->up.at, MSG_DONTWAIT);

		if (k < 0 && errno == EAGAIN)
			return true;
		if (k < 0) {
			gateway_stream_fail(e, errno);
			return false;
		}
		rest_done(&e->up, (uint32_t)k);
	}
	return true;
}

/* Do bytes wait for a flag to go?  Corked, and by Nagle's rule. */
static bool is_held(const struct gateway_end *e)
{
	int unsent = 0;

	if ((e->flags & (PROGRAM_CORK | PROGRAM_NODELAY)) == PROGRAM_NODELAY)
		return false;
	return weft_ioctl(e->fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0;
}

/*
 * A program that corks is about to uncork: it has the rest of this round for that, and what would be held back
 * goes out at once.
 */
static bool is_corked_now(struct gateway_end *e, uint32_t flags)
{
	e->waits_cork = !e->waits_cork && flags & PROGRAM_CORK;
	if (e->waits_cork)
		gateway_end_again(e);
	return e->waits_cork;
}

/*
 * Sends as `flags` say, and puts by what was not taken.  What was corked goes together with the bytes behind it: alone,
 * it would leave them to Nagle's rule.  False: it has failed, the end is gone.
 */
static bool up_send(struct gateway_end *e, uint32_t flags, const uint8_t *bytes, uint32_t n)
{
	const bool uncorks = e->flags & PROGRAM_CORK && !(flags & PROGRAM_CORK);
	struct program_slot *s = gateway_slot(e);
	ssize_t k;

	if (!uncorks)
		stream_flags(e, flags);
	k = weft_send(e->fd, bytes, n, MSG_DONTWAIT);
	if (k < 0 && errno != EAGAIN) {
		gateway_stream_fail(e, errno);
		return false;
	}
	if (uncorks)
		stream_flags(e, flags);
	if (s)
		atomic_store(&s->held, is_held(e));
	k = k < 0 ? 0 : k;
	if ((uint32_t)k == n)
		return true;
	if (rest_keep(&e->up, bytes + k, n - (uint32_t)k))
		return up_rest(e);
	gateway_reset(e);
	gateway_stream_fail(e, ENOBUFS);
	return false;
}

/* Who uncorked before it could see that bytes are held has rung no bell. */
static void held_look(struct gateway_end *e, uint32_t flags)
{
	struct program_slot *s = gateway_slot(e);

	if (s && e->fd >= 0 && atomic_load(&s->held) && flags != e->flags)
		stream_flags(e, flags);
}

/*
 * How many bytes lie there, and the program's flags, between which it has not uncorked: what lies there of something
 * corked is all of it, or it is corked still.
 */
static int up_look(struct gateway_end *e, uint32_t *flags)
{
	int n = 0, tries = LOOKS;
	uint32_t before;

	*flags = slot_flags(e);
	do {
		before = *flags;
		if (ioctl(e->watch.fd, FIONREAD, &n))
			return 0;
		*flags = slot_flags(e);
	} while (before / PROGRAM_UNCORKED != *flags / PROGRAM_UNCORKED && --tries);
	return n;
}

/* There lie n bytes: reads all but the last, and looks at that one.  How many are new in the buffer. */
static uint32_t up_read(struct gateway_end *e, uint32_t n)
{
	uint8_t stale, *buf = e->gateway->buffer;
	struct iovec iov[2] = {{&stale, e->residual}, {buf, 0}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	uint32_t fresh;

	if (n > GATEWAY_BUFFER)
		n = GATEWAY_BUFFER;
	fresh = n - e->residual;
	iov[1].iov_len = fresh - 1;
	if (n > 1 && recvmsg(e->watch.fd, &m, MSG_DONTWAIT) != (ssize_t)n - 1)
		return 0;
	if (recv(e->watch.fd, buf + fresh - 1, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return 0;
	e->residual = true;
	return fresh;
}

/* What comes first is no data: a connect's pad, the byte by which accept() tells of itself. */
static uint32_t up_skip(struct gateway_end *e, uint32_t n)
{
	uint32_t k = e->skip < n ? e->skip : n;

	e->skip -= k;
	if (!e->skip && e->listener) {
		gateway_end_pid(e);
		gateway_accepted(e);
	}
	return k;
}

static void residual_drain(struct gateway_end *e)
{
	char stale;

	if (e->residual && recv(e->watch.fd, &stale, 1, MSG_DONTWAIT) == 1)
		e->residual = false;
}

/* The program's close: everything is in the stack, which goes on alone.  A reset if it left bytes unread. */
static void up_close(struct gateway_end *e)
{
	if (e->aborted || e->unread || e->down.bytes)
		gateway_reset(e);
	residual_drain(e);
	gateway_end_forget(e);
}

/* True: the end is gone. */
static bool up_end(struct gateway_end *e)
{
	if (e->hung_up) {
		up_close(e);
		return true;
	}
	if (e->read_ended && !e->up_done) {
		e->up_done = true;
		if (e->fd >= 0)
			weft_shutdown(e->fd, SHUT_WR);
	}
	return false;
}

enum progress { IDLE, MORE, GONE };

static enum progress stream_up(struct gateway_end *e)
{
	uint32_t fresh, skipped, flags;
	int n;

	if (e->aborted) {
		up_close(e);
		return GONE;
	}
	if (!e->up_ready)
		return IDLE;
	if (e->up.bytes && !up_rest(e))
		return GONE;
	if (e->up.bytes)
		return IDLE;
	n = up_look(e, &flags);
	if (n <= (int)e->residual) {
		e->up_ready = false;
		held_look(e, flags);
		return up_end(e) ? GONE : IDLE;
	}
	if (n < (int)GATEWAY_BUFFER && is_corked_now(e, flags))
		return IDLE;
	fresh = up_read(e, (uint32_t)n);
	skipped = up_skip(e, fresh);
	if (fresh == skipped)
		return fresh ? MORE : IDLE;
	return up_send(e, flags, e->gateway->buffer + skipped, fresh - skipped) ? MORE : GONE;
}

/* --- down ----------------------------------------------------------------------------------------- */

/* The kernel tells of room only while we want to know: each read of the program's would wake us. */
static void want_room(struct gateway_end *e, bool on)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = &e->watch};

	if (e->wants_room == on)
		return;
	ev.events |= on ? EPOLLOUT : 0;
	epoll_ctl(e->gateway->kernel, EPOLL_CTL_MOD, e->watch.fd, &ev);
	e->wants_room = on;
}

/* How many bytes the program's descriptor took.  One that reads no more takes all, and its close is a reset. */
static uint32_t down_send(struct gateway_end *e, const uint8_t *bytes, uint32_t n)
{
	ssize_t k = send(e->watch.fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (k >= 0)
		return (uint32_t)k;
	if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
		return 0;
	e->unread = true;
	return n;
}

/* True: all of it is gone. */
static bool down_rest(struct gateway_end *e)
{
	rest_done(&e->down, down_send(e, e->down.bytes + e->down.at, e->down.len - e->down.at));
	if (e->down.bytes)
		return false;
	want_room(e, false);
	return true;
}

static enum progress down_nothing(struct gateway_end *e, ssize_t k)
{
	if (k == 0) {
		e->down_done = true;
		shutdown(e->watch.fd, SHUT_WR);
		return IDLE;
	}
	if (errno != EAGAIN) {
		gateway_stream_fail(e, errno);
		return GONE;
	}
	e->down_ready = false;
	return IDLE;
}

static enum progress stream_down(struct gateway_end *e)
{
	uint8_t *buf = e->gateway->buffer;
	uint32_t n;
	ssize_t k;

	if (!e->down_ready || e->down_done || (e->down.bytes && !down_rest(e)))
		return IDLE;
	k = weft_recv(e->fd, buf, GATEWAY_BUFFER, MSG_DONTWAIT);
	if (k <= 0)
		return down_nothing(e, k);
	n = down_send(e, buf, (uint32_t)k);
	if (n == (uint32_t)k)
		return MORE;
	if (rest_keep(&e->down, buf + n, (uint32_t)k - n)) {
		want_room(e, true);
		return IDLE;
	}
	gateway_reset(e);
	gateway_stream_fail(e, ENOBUFS);
	return GONE;
}

/* --- both ----------------------------------------------------------------------------------------- */

/* Both directions have ended: the stack's part is over, and the program's close shall be no reset. */
static void stream_over(struct gateway_end *e)
{
	if (!e->up_done || !e->down_done || e->fd < 0)
		return;
	residual_drain(e);
	gateway_end_stack_close(e);
}

void gateway_stream_run(struct gateway_end *e)
{
	for (int i = 0; i < GATEWAY_ROUNDS; i++) {
		enum progress up = stream_up(e), down;

		if (up == GONE)
			return;
		down = stream_down(e);
		if (down == GONE)
			return;
		if (up == IDLE && down == IDLE) {
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

	if (e->role == GATEWAY_CONNECTING) {
		if (events & EPOLLHUP)
			gateway_end_forget(e);
		return;
	}
	e->read_ended |= (events & EPOLLRDHUP) != 0;
	if (events & EPOLLHUP && !e->hung_up)
		e->hung_up = has_closed(e);
	e->aborted |= (events & EPOLLERR) != 0;
	e->up_ready = true;
	if (events & EPOLLOUT)
		e->down_ready = true;
	gateway_stream_run(e);
}

void gateway_stream_bell(struct gateway_end *e)
{
	if (e->fd < 0 || e->role != GATEWAY_STREAM)
		return;
	e->up_ready = true;
	gateway_stream_run(e);
	if (!e->watch.gone)
		held_look(e, slot_flags(e));
}
