/*
 * shell/snc_dgram.c - snc over UDP: each read of the input is a datagram, each datagram is written as it
 * comes.  A listener answers who spoke last.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "shell/feed.h"
#include "shell/snc.h"

#define DGRAM_SEND 1400u          /* no fragments on an Ethernet */
#define DGRAM_LINGER NSEC_PER_SEC /* answers are waited for so long after the input has ended */

struct dgram {
	struct snc *s;
	struct sockaddr_in last; /* who spoke last */
	socklen_t known;         /* its length; 0: nobody yet */
	bool eof;
};

/* A datagram is written whole before the next is taken. */
static int dgram_write(struct dgram *d, const char *data, size_t n)
{
	struct pollfd out = {.fd = d->s->out, .events = POLLOUT};
	ssize_t r;

	while (n) {
		r = snc_write(d->s, data, n);
		if (r < 0)
			return snc_fail_out(d->s, (int)r);
		data += r;
		n -= (size_t)r;
		if (n && cmd_poll(d->s->c, &out, 1, ENV_NEVER) == -EINTR)
			return CMD_INTERRUPTED;
	}
	return CMD_OK;
}

static int dgram_recv(struct dgram *d)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t r = weft_recvfrom(d->s->fd, d->s->buf[1], SNC_BUF, MSG_DONTWAIT,
				  (struct sockaddr *)&from, &len);

	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? CMD_OK : snc_fail(d->s, -errno);
	if (d->s->listen) {
		d->last = from;
		d->known = len;
	}
	return dgram_write(d, d->s->buf[1], (size_t)r);
}

static int dgram_send(struct dgram *d)
{
	ssize_t r = read(d->s->c->in, d->s->buf[0], DGRAM_SEND);

	if (r < 0 && (errno == EINTR || errno == EAGAIN))
		return CMD_OK;
	if (r <= 0) {
		d->eof = true;
		return CMD_OK;
	}
	r = weft_sendto(d->s->fd, d->s->buf[0], (size_t)r, MSG_NOSIGNAL,
			d->known ? (struct sockaddr *)&d->last : NULL, d->known);
	return r < 0 ? snc_fail(d->s, -errno) : CMD_OK;
}

/* A listener does not end with its input. */
static int dgram_timeout(const struct dgram *d)
{
	uint64_t idle = d->s->idle;

	if (!d->s->listen && d->eof && idle == ENV_NEVER)
		idle = DGRAM_LINGER;
	if (idle == ENV_NEVER || (!d->s->listen && !d->eof))
		return -1;
	return (int)((idle + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

int snc_dgram(struct snc *s)
{
	struct dgram d = {.s = s};
	struct pollfd fds[2];
	int status = CMD_OK, r;

	while (!status) {
		bool read_now = !d.eof && (!s->listen || d.known);

		fds[0] = (struct pollfd){.fd = s->fd, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = read_now ? s->c->in : -1, .events = POLLIN};
		r = weft_poll(fds, 2, dgram_timeout(&d));
		if (r < 0 && errno != EINTR)
			return snc_fail(s, -errno);
		if (cmd_cancelled(s->c))
			return CMD_INTERRUPTED;
		if (!r)
			return CMD_OK;
		if (r > 0 && fds[0].revents)
			status = dgram_recv(&d);
		if (r > 0 && !status && fds[1].revents)
			status = dgram_send(&d);
	}
	return status;
}
