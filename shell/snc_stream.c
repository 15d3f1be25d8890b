/*
 * shell/snc_stream.c - snc over TCP: one loop, two buffers, each end half-closed when its source ends.
 *
 * Only a poll sleeps; reads follow readiness, sends and receives do not block, and a large buffer makes
 * few system calls of a large file.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/feed.h"
#include "shell/snc.h"

/* One direction. */
struct half {
	char *buf;
	size_t head, tail; /* bytes read and not yet written: buf[head..tail) */
	bool eof;          /* the source has ended */
	bool done;         /* and its other side was told */
};

struct duplex {
	struct snc *s;
	struct half up, down; /* input to network, network to output */
	struct pollfd fds[3]; /* network, input, output */
	bool in_ready;
};

static bool half_empty(const struct half *h)
{
	return h->head == h->tail;
}

/* --- input to network -------------------------------------------------------------------------- */

static int duplex_read(struct duplex *d)
{
	struct half *h = &d->up;
	ssize_t r;

	if (h->eof || !half_empty(h) || !d->in_ready)
		return 0;
	d->in_ready = false;
	r = read(d->s->c->in, h->buf, SNC_BUF);
	if (r < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (r <= 0) { /* a terminal that hung up or a closed input ends as well */
		h->eof = true;
		return 0;
	}
	h->head = 0;
	h->tail = (size_t)r;
	return 0;
}

static int duplex_send(struct duplex *d)
{
	struct half *h = &d->up;
	ssize_t r;

	if (!half_empty(h)) {
		r = weft_send(d->s->fd, h->buf + h->head, h->tail - h->head,
			      MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : snc_fail(d->s, -errno);
		h->head += (size_t)r;
	}
	if (h->eof && half_empty(h) && !h->done) {
		h->done = true;
		if (weft_shutdown(d->s->fd, SHUT_WR) < 0 && errno != ENOTCONN)
			return snc_fail(d->s, -errno);
	}
	return 0;
}

/* --- network to output ------------------------------------------------------------------------- */

static int duplex_recv(struct duplex *d)
{
	struct half *h = &d->down;
	ssize_t r;

	if (h->eof || !half_empty(h))
		return 0;
	r = weft_recv(d->s->fd, h->buf, SNC_BUF, MSG_DONTWAIT);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : snc_fail(d->s, -errno);
	h->eof = r == 0;
	h->head = 0;
	h->tail = (size_t)r;
	return 0;
}

static int duplex_write(struct duplex *d)
{
	struct half *h = &d->down;
	ssize_t r;

	if (half_empty(h))
		return 0;
	r = snc_write(d->s, h->buf + h->head, h->tail - h->head);
	if (r < 0)
		return snc_fail_out(d->s, (int)r);
	h->head += (size_t)r;
	return 0;
}

/* --- the loop ---------------------------------------------------------------------------------- */

/*
 * The peer has ended: is there still something to send?  A file always; a pipe as long as a client reads
 * it, or for a server what it holds now; a person who types is not waited for.
 */
static bool duplex_input_is_over(const struct duplex *d)
{
	struct pollfd in = {.fd = d->s->c->in, .events = POLLIN};

	if (d->up.eof)
		return d->up.done;
	if (!half_empty(&d->up) || d->s->in_mode == S_IFREG)
		return false;
	if (d->s->in_mode == S_IFCHR)
		return true;
	return d->s->listen && poll(&in, 1, 0) == 0;
}

static bool duplex_ended(const struct duplex *d)
{
	return d->down.eof && half_empty(&d->down) && duplex_input_is_over(d);
}

/* Sleeps until one of the descriptors can do what is next.  0 or what was told. */
static int duplex_poll(struct duplex *d)
{
	short net = 0;

	if (!d->down.eof && half_empty(&d->down))
		net |= POLLIN;
	if (!half_empty(&d->up))
		net |= POLLOUT;
	d->fds[0] = (struct pollfd){.fd = d->s->fd, .events = net};
	d->fds[1] = (struct pollfd){.fd = -1, .events = POLLIN};
	d->fds[2] = (struct pollfd){.fd = -1, .events = POLLOUT};
	if (!d->up.eof && half_empty(&d->up))
		d->fds[1].fd = d->s->c->in;
	if (!half_empty(&d->down))
		d->fds[2].fd = d->s->out;
	/* Nothing is wanted of the connection: it may show POLLHUP for ever. */
	if (!net)
		cmd_poll(d->s->c, d->fds + 1, 2, ENV_NEVER);
	else if (weft_poll(d->fds, 3, -1) < 0 && errno != EINTR)
		return snc_fail(d->s, -errno);
	if (cmd_cancelled(d->s->c))
		return CMD_INTERRUPTED;
	d->in_ready = d->fds[1].fd >= 0 && d->fds[1].revents != 0;
	return CMD_OK;
}

int snc_stream(struct snc *s)
{
	struct duplex d = {.s = s, .up = {.buf = s->buf[0]}, .down = {.buf = s->buf[1]}};
	int status = CMD_OK;

	while (!status && !duplex_ended(&d)) {
		status = duplex_poll(&d);
		if (!status)
			status = duplex_recv(&d);
		if (!status)
			status = duplex_write(&d);
		if (!status)
			status = duplex_read(&d);
		if (!status)
			status = duplex_send(&d);
	}
	return status;
}
