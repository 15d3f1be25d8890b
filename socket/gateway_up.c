/*
 * socket/gateway_up.c - what a program wrote on a stream, to the stack.
 *
 * The last byte of it is left unread (docs/unmodified.md, the residual byte).  Its flags count when its bytes are found,
 * not when they are sent.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "socket/gateway_priv.h"

#define CORK_ROUNDS 16
#define LOOKS 4  /* at a program that keeps uncorking */
#define FEW 4096 /* bytes that are looked at before they are taken */

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

/* It has failed: is the end gone? */
static enum gateway_progress up_over(const struct gateway_end *e)
{
	return e->broken ? GATEWAY_IDLE : GATEWAY_GONE;
}

static int up_how(const struct gateway_end *e)
{
	return MSG_DONTWAIT | (e->up_urgent ? MSG_OOB : 0);
}

/* To the end or until it is refused: only who was refused is told of room.  False: see up_over(). */
static bool up_rest(struct gateway_end *e)
{
	while (e->up.bytes) {
		ssize_t k =
		    weft_send(e->fd, e->up.bytes + e->up.at, e->up.len - e->up.at, up_how(e));

		if (k < 0 && errno == EAGAIN)
			return true;
		if (k < 0) {
			gateway_stream_broken(e, errno);
			return false;
		}
		gateway_rest_done(&e->up, (uint32_t)k);
	}
	e->up_urgent = false;
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

/* Who uncorks next rings, or need not.  What has been said since is not said again: the line is the program's too. */
static void held_tell(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);
	bool held = is_held(e);

	if (s && atomic_load(&s->held) != held)
		atomic_store(&s->held, held);
}

/*
 * A program that corks is about to uncork: it has some rounds for that, and what would be held back goes out at
 * once.
 */
static bool is_corked_now(struct gateway_end *e, uint32_t flags)
{
	if (!(flags & PROGRAM_CORK) || e->waits_cork == CORK_ROUNDS) {
		e->waits_cork = 0;
		return false;
	}
	e->waits_cork++;
	gateway_end_again(e);
	return true;
}

/*
 * Sends as `flags` say, and puts by what was not taken.  What was corked goes together with the bytes behind it: alone,
 * it would leave them to Nagle's rule.  False: see up_over().
 */
static bool up_send(struct gateway_end *e, uint32_t flags, const uint8_t *bytes, uint32_t n)
{
	const bool uncorks = e->flags & PROGRAM_CORK && !(flags & PROGRAM_CORK);
	ssize_t k;

	if (!uncorks)
		stream_flags(e, flags);
	k = weft_send(e->fd, bytes, n, up_how(e));
	if (k < 0 && errno != EAGAIN) {
		gateway_stream_broken(e, errno);
		return false;
	}
	if (uncorks)
		stream_flags(e, flags);
	held_tell(e);
	k = k < 0 ? 0 : k;
	if ((uint32_t)k == n) {
		e->up_urgent = false;
		return true;
	}
	if (gateway_rest_keep(&e->up, bytes + k, n - (uint32_t)k))
		return up_rest(e);
	gateway_reset(e);
	gateway_stream_fail(e, ENOBUFS);
	return false;
}

/* Who uncorked before it could see that bytes are held has rung no bell. */
static void held_look(struct gateway_end *e, uint32_t flags)
{
	struct program_slot *s = gateway_slot(e);

	if (!s || e->fd < 0 || !atomic_load(&s->held) || flags == e->flags)
		return;
	stream_flags(e, flags);
	held_tell(e);
}

/* What lies in the program's descriptor. */
struct look {
	uint32_t flags; /* the program's, between which and `n` it has not uncorked */
	int n;          /* how many bytes */
	bool seen;      /* and that is all: they are in the buffer */
};

/* Few bytes are looked at at once, of many it is asked how many there are. */
static void look_bytes(struct gateway_end *e, struct look *l)
{
	uint8_t *buf = e->gateway->buffer;

	l->n = FEW;
	if (!e->bulk || e->up_mark)
		l->n = (int)gateway_recv(e->watch.fd, buf, FEW, MSG_PEEK | MSG_DONTWAIT);
	e->aborted |= l->n < 0 && errno == ECONNRESET;
	l->seen = l->n < FEW;
	if (!l->seen && ioctl(e->watch.fd, FIONREAD, &l->n))
		l->n = 0;
	e->bulk = l->n >= FEW;
}

/* What lies there of something corked is all of it, or it is corked still. */
static void up_look(struct gateway_end *e, struct look *l)
{
	int tries = LOOKS;
	uint32_t before;

	l->flags = slot_flags(e);
	do {
		before = l->flags;
		look_bytes(e, l);
		l->flags = slot_flags(e);
	} while (before / PROGRAM_UNCORKED != l->flags / PROGRAM_UNCORKED && --tries);
}

/* Of n bytes that are in the buffer: takes them out of the descriptor, but the last.  How many are new. */
static uint32_t up_take(struct gateway_end *e, uint32_t n)
{
	uint32_t fresh = n - e->residual;

	if (n > 1 && gateway_recv(e->watch.fd, e->gateway->buffer + FEW, n - 1, MSG_DONTWAIT) !=
			 (ssize_t)n - 1)
		return 0;
	e->residual = true;
	return fresh;
}

static bool is_at_mark(const struct gateway_end *e)
{
	int at = 0;

	return ioctl(e->watch.fd, SIOCATMARK, &at) == 0 && at;
}

/* An urgent byte comes next, of which nobody had told: the last one before it is taken too. */
static uint32_t up_read_to_mark(struct gateway_end *e, uint32_t n)
{
	uint32_t fresh = n - e->residual;

	e->residual = false;
	e->up_mark = true;
	return fresh;
}

/* There lie n bytes: reads all but the last, and looks at that one.  How many are new in the buffer. */
static uint32_t up_read(struct gateway_end *e, uint32_t n)
{
	uint8_t stale, *buf = e->gateway->buffer;
	struct iovec iov[2] = {{&stale, e->residual}, {buf, 0}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	uint32_t fresh;
	ssize_t k;

	if (n > GATEWAY_BUFFER)
		n = GATEWAY_BUFFER;
	fresh = n - e->residual;
	iov[1].iov_len = fresh - 1;
	k = n > 1 ? recvmsg(e->watch.fd, &m, MSG_DONTWAIT) : 0;
	if (k > 0 && k < (ssize_t)n - 1)
		return up_read_to_mark(e, (uint32_t)k);
	if (k != (ssize_t)n - 1)
		return 0;
	if (is_at_mark(e))
		return up_read_to_mark(e, n - 1);
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

void gateway_residual_drain(struct gateway_end *e)
{
	char stale;

	if (e->residual && recv(e->watch.fd, &stale, 1, MSG_DONTWAIT) == 1)
		e->residual = false;
}

void gateway_up_discard(struct gateway_end *e, int keep)
{
	int n = 0;

	shutdown(e->watch.fd, SHUT_RD);
	while (ioctl(e->watch.fd, FIONREAD, &n) == 0 && n > keep) {
		n = n - keep < (int)GATEWAY_BUFFER ? n - keep : (int)GATEWAY_BUFFER;
		if (recv(e->watch.fd, e->gateway->buffer, (size_t)n, MSG_DONTWAIT) <= 0)
			return;
	}
}

/* The program's close: everything is in the stack, which goes on alone.  A reset if it left bytes unread. */
static void up_close(struct gateway_end *e)
{
	if (e->aborted || e->unread)
		gateway_reset(e);
	gateway_residual_drain(e);
	if (!gateway_linger(e))
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

/* All that was there has been taken: the kernel tells of more.  False: there may be something left to do. */
static bool up_is_empty(struct gateway_end *e, const struct look *l)
{
	struct program_slot *s = gateway_slot(e);

	if (!l->seen || e->up.bytes || e->read_ended || e->hung_up || e->up_mark)
		return false;
	return !s || !atomic_load(&s->held) || atomic_load(&s->flags) == e->flags;
}

static enum gateway_progress up_move(struct gateway_end *e, const struct look *l)
{
	const uint8_t *bytes = e->gateway->buffer + (l->seen && e->residual);
	uint32_t fresh = l->seen ? up_take(e, (uint32_t)l->n) : up_read(e, (uint32_t)l->n);
	uint32_t skipped = up_skip(e, fresh);

	if (fresh == skipped)
		return fresh || e->up_mark ? GATEWAY_MORE : GATEWAY_IDLE;
	if (!up_send(e, l->flags, bytes + skipped, fresh - skipped))
		return up_over(e);
	if (!up_is_empty(e, l))
		return GATEWAY_MORE;
	e->up_ready = false;
	return GATEWAY_IDLE;
}

/* --- the urgent byte ------------------------------------------------------------------------------ */

/*
 * All before it is taken: it is sent, and then the residual one.  The kernel keeps the mark until it is read.
 */
static enum gateway_progress up_mark_send(struct gateway_end *e)
{
	uint8_t *byte = e->gateway->buffer;

	if (recv(e->watch.fd, byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return GATEWAY_IDLE;
	e->residual = true;
	e->up_urgent = true;
	return up_send(e, slot_flags(e), byte, 1) ? GATEWAY_MORE : up_over(e);
}

/* A look ends before the mark: is there more than it saw?  Then the mark comes next, or it is newer than the look. */
static enum gateway_progress up_mark_look(struct gateway_end *e)
{
	int n = 0;

	if (ioctl(e->watch.fd, FIONREAD, &n) == 0 && n > (int)e->residual) {
		gateway_residual_drain(e);
		if (is_at_mark(e))
			return up_mark_send(e);
	}
	e->up_mark = false;
	return GATEWAY_MORE;
}

/* --- all of it ------------------------------------------------------------------------------------ */

static enum gateway_progress up_aborted(struct gateway_end *e)
{
	up_close(e);
	return GATEWAY_GONE;
}

enum gateway_progress gateway_up(struct gateway_end *e)
{
	uint32_t before;
	struct look l;

	if (e->aborted || (e->broken && e->hung_up))
		return up_aborted(e);
	if (!e->up_ready || e->broken)
		return GATEWAY_IDLE;
	if (e->up.bytes && !up_rest(e))
		return up_over(e);
	if (e->up.bytes)
		return GATEWAY_IDLE;
	before = slot_flags(e);
	if (!e->bulk && is_corked_now(e, before))
		return GATEWAY_IDLE;
	if (e->up_mark && !e->residual && is_at_mark(e))
		return up_mark_send(e);
	up_look(e, &l);
	if (e->aborted)
		return up_aborted(e);
	if (l.n <= (int)e->residual && e->up_mark)
		return up_mark_look(e);
	if (l.n <= (int)e->residual) {
		e->up_ready = false;
		held_look(e, l.flags);
		return up_end(e) ? GATEWAY_GONE : GATEWAY_IDLE;
	}
	if (!e->bulk && !(before & PROGRAM_CORK) && is_corked_now(e, l.flags))
		return GATEWAY_IDLE;
	return up_move(e, &l);
}

void gateway_up_held(struct gateway_end *e)
{
	held_look(e, slot_flags(e));
}
