/*
 * socket/inet_message.c - send and receive of AF_INET sockets: the loops that make a protocol's -EAGAIN
 * into a blocking call, and what a stream does that a protocol does not.
 *
 * inet_send() and inet_recv() are called inside a batch with no lock held and return so; the others
 * with the sock's lock.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "ip/inet_stamp.h"
#include "net/landing.h"
#include "socket/socket_priv.h"

/*
 * The end of a stream call that has done `done` bytes: the count, and an error that the next call would
 * not find by itself is kept for it.
 */
static ssize_t inet_stream_result(struct socket *s, size_t done, ssize_t r)
{
	if (done == 0)
		return r;
	if (r < 0 && r != -EAGAIN && r != -EINTR && r != -EPIPE && r != -ENETDOWN && r != -EBADF)
		s->sk->err = (int16_t)-r;
	return (ssize_t)done;
}

/* Sends what can be sent now.  True: that is all, in *r.  Asked until it says so: then an event comes. */
static bool inet_send_look(struct socket *s, struct sock_msg *m, ssize_t *r)
{
	do {
		*r = s->sk->ops->send(s->sk, m);
		if (*r < 0)
			return *r != -EAGAIN;
		m->skip += (size_t)*r;
	} while (s->type == SOCK_STREAM && m->skip < m->len && !(m->out_flags & MSG_FASTOPEN));
	return true;
}

/*
 * A send() that opened the connection is a connect(), too: it waits as that does, then for the rest of
 * the message.  True: there is a rest.
 */
static bool inet_send_opened(struct call *c, struct socket *s, struct sock_msg *m, ssize_t *r)
{
	int err;

	if (!(m->out_flags & MSG_FASTOPEN))
		return false;
	atomic_fetch_or(&s->flags, SOCKET_CONNECTING);
	err = m->flags & MSG_DONTWAIT ? -EINPROGRESS : inet_connect_wait(c, s);
	if (err == -EINPROGRESS && m->skip)
		return false;
	*r = err;
	if (err) {
		m->skip = 0; /* what was beside the SYN went nowhere */
		return false;
	}
	m->flags &= ~MSG_FASTOPEN;
	m->out_flags &= ~MSG_FASTOPEN;
	return m->skip < m->len;
}

/*
 * A stream's call that waited has ended before its last byte: the last one taken is what is asked about,
 * by a send of nothing more.
 */
static void inet_send_stamp(struct socket *s, struct sock_msg *m)
{
	struct sock_msg end = *m;

	if (s->type != SOCK_STREAM || !m->skip || s->sk->err ||
	    !sock_stamps_asked(s->sk, m->stamps))
		return;
	end.len = end.skip;
	end.flags = MSG_DONTWAIT | (m->flags & MSG_MORE);
	s->sk->ops->send(s->sk, &end);
}

/* It was not all: waits, unless the call may not, and sends more at each event.  As inet_send_look() says in *r. */
static void inet_send_wait(struct call *c, struct socket *s, struct sock_msg *m, ssize_t *r)
{
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLOUT};

	if (m->flags & MSG_DONTWAIT)
		return;
	w.deadline = socket_deadline(s, c->stack, true);
	do {
		*r = sock_wait(&w);
	} while (!*r && !inet_send_look(s, m, r));
	if (*r == -EINTR || *r == -EAGAIN)
		inet_send_stamp(s, m);
}

ssize_t inet_send(struct call *c, struct socket *s, struct sock_msg *m)
{
	ssize_t r = inet_lock(s);

	if (r)
		return r;
	if (atomic_load(&s->flags) & SOCKET_NONBLOCK)
		m->flags |= MSG_DONTWAIT;
	do {
		if (!inet_send_look(s, m, &r))
			inet_send_wait(c, s, m, &r);
	} while (inet_send_opened(c, s, m, &r));
	if (s->type == SOCK_STREAM)
		r = inet_stream_result(s, m->skip, r);
	if (r > 0)
		zerocopy_sent(c->stack, s, m);
	inet_unlock(s);
	return r;
}

/* Urgent data and messages of errors are there or not: nobody waits for them. */
static bool inet_recv_waits(struct socket *s, const struct sock_msg *m)
{
	if (m->flags & (MSG_DONTWAIT | MSG_ERRQUEUE))
		return false;
	if (s->type == SOCK_STREAM && (m->flags & MSG_OOB))
		return false;
	return !(atomic_load(&s->flags) & SOCKET_NONBLOCK);
}

/* How much a blocking receive of a stream wants before it returns. */
static size_t inet_recv_target(struct socket *s, const struct sock_msg *m)
{
	if (m->flags & MSG_WAITALL)
		return m->len;
	return m->len < s->sk->rare->rcvlowat ? m->len : s->sk->rare->rcvlowat;
}

/* A read stops before the urgent byte if it has anything (RFC 6093, 3.1; Linux). */
static bool inet_at_mark(struct sock *sk)
{
	int at;

	return sk->ops->ioctl && !sk->ops->ioctl(sk, SIOCATMARK, &at) && at;
}

/*
 * Takes what is there now.  True: that is all, in *r and *done.  A stream is asked until it says that
 * there is no more, for only then an event comes; but a peek sees the same bytes again each time.
 */
static bool inet_recv_look(struct socket *s, struct sock_msg *m, size_t *done, ssize_t *r)
{
	bool peek = m->flags & MSG_PEEK;

	if (s->type == SOCK_STREAM && (m->flags & MSG_ERRQUEUE)) {
		*r = stream_recv_error(s, m);
		return true;
	}
	do {
		*r = s->sk->ops->recv(s->sk, m);
		if (s->type != SOCK_STREAM || *r <= 0 || (m->flags & MSG_OOB))
			return *r != -EAGAIN;
		*done = m->skip + (size_t)*r;
		if (!peek)
			m->skip = *done;
		if (*done >= inet_recv_target(s, m) || inet_at_mark(s->sk))
			return true;
	} while (!peek);
	*r = -EAGAIN;
	return s->sk->shutdown & SOCK_SHUT_RD; /* no more will come */
}

/* A large buffer of a stream's reader that will wait may be read into by the device (net/landing.h). */
static bool inet_recv_lends(const struct call *c, struct socket *s, const struct sock_msg *m)
{
	return m->len >= LANDING_MIN && s->type == SOCK_STREAM && !m->sink &&
	       !(m->flags & (MSG_PEEK | MSG_TRUNC)) && inet_recv_waits(s, m) &&
	       sysctl_get(c->stack, place);
}

/* There was nothing, or not enough: looks again at each event.  As inet_recv_look() says in *r and *done. */
static void inet_recv_wait(struct call *c, struct socket *s, struct sock_msg *m, size_t *done,
			   ssize_t *r)
{
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLIN};

	w.deadline = socket_deadline(s, c->stack, false);
	do {
		*r = sock_wait(&w);
	} while (!*r && !inet_recv_look(s, m, done, r));
}

ssize_t inet_recv(struct call *c, struct socket *s, struct sock_msg *m)
{
	struct landing landing;
	size_t done = 0;
	ssize_t r = inet_lock(s);

	if (r)
		return r;
	if (inet_recv_lends(c, s, m)) {
		landing.owner = NULL;
		m->landing = &landing;
	}
	if (!inet_recv_look(s, m, &done, &r) && inet_recv_waits(s, m))
		inet_recv_wait(c, s, m, &done, &r);
	if (m->landing)
		s->sk->ops->recv_end(s->sk, m);
	r = inet_stream_result(s, done, r);
	if (r >= 0)
		stream_control(s, m);
	inet_unlock(s);
	return r;
}
