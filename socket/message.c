/*
 * socket/message.c - the weft_ calls that carry data: each form of send() and recv() becomes one message
 * for the socket's ops.
 *
 * Program memory is only pointed to here; it is copied under the sock's lock, by the protocol.
 */
#include <weft/weft.h>

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/inet_cmsg.h"
#include "lib/iov.h"
#include "lib/stack.h"
#include "socket/socket_priv.h"

/*
 * The flags that mean something here; MSG_ZEROCOPY without SO_ZEROCOPY is a copy like any other (Linux).
 * An unknown one is refused: it would ask for something that does not happen.
 */
#define SEND_FLAGS                                                                                 \
	(MSG_OOB | MSG_DONTWAIT | MSG_EOR | MSG_NOSIGNAL | MSG_MORE | MSG_CONFIRM | MSG_ZEROCOPY | \
	 MSG_FASTOPEN)
#define RECV_FLAGS                                                                                 \
	(MSG_OOB | MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_TRUNC | MSG_ERRQUEUE |              \
	 MSG_NOSIGNAL | MSG_CMSG_CLOEXEC)

/* Behind others of `before` bytes. */
static int iov_error(const struct iovec *v, size_t before)
{
	if (v->iov_len > SSIZE_MAX - before)
		return -EINVAL;
	return v->iov_len && !v->iov_base ? -EFAULT : 0;
}

static int msg_set_iov(struct sock_msg *m, const struct msghdr *msg)
{
	const struct iovec *iov = msg->msg_iov;
	int err;

	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	if (!iov && msg->msg_iovlen)
		return -EFAULT;
	m->iov = iov;
	m->niov = (int)msg->msg_iovlen;
	for (int i = 0; i < m->niov; i++) {
		err = iov_error(&iov[i], m->len);
		if (err)
			return err;
		m->len += iov[i].iov_len;
	}
	return 0;
}

static int msg_set_control(struct sock_msg *m, const struct socket *s, const struct msghdr *msg)
{
	if (!msg->msg_controllen)
		return 0;
	if (!msg->msg_control)
		return -EFAULT;
	m->control = msg->msg_control;
	m->controllen = msg->msg_controllen;
	if (s->type == SOCK_STREAM)
		return stream_control_in(m);
	/* wishes of AF_INET6 are not served; to an AF_INET socket they are another's */
	return s->family == AF_INET6 && sock_control_names(m, IPPROTO_IPV6) ? -EINVAL : 0;
}

/* Linux: where UDP and raw sockets of AF_INET send to, AF_UNSPEC is the same; ICMP's datagrams know only AF_INET. */
static bool names_nothing_else(const struct socket *s, const struct sockaddr *a, socklen_t n)
{
	return s->family == AF_INET && s->type != SOCK_STREAM &&
	       (s->type == SOCK_RAW || s->protocol == IPPROTO_UDP) &&
	       n >= sizeof(struct sockaddr_in) && a->sa_family == AF_UNSPEC;
}

/* Where it goes, into m. */
static int msg_set_name(struct sock_msg *m, struct socket *s, const struct msghdr *msg)
{
	socklen_t most = sizeof(struct sockaddr_storage), n = msg->msg_namelen;
	const struct sockaddr *a = msg->msg_name;
	struct sockaddr_in in;
	int err;

	n = (int)n > (int)most ? most : n;
	if (names_nothing_else(s, a, n)) {
		memcpy(&in, a, sizeof(in));
		in.sin_family = AF_INET;
		a = (const struct sockaddr *)&in;
	}
	err = sockaddr_get(a, n, s->family, &m->addr, &m->port);
	if (!err && (!ip_addr_is4(&m->addr) || socket_is_v6only(s)))
		err = -ENETUNREACH;
	m->has_addr = true;
	if (err == -EAFNOSUPPORT && s->type == SOCK_STREAM)
		err = -EOPNOTSUPP; /* MSG_FASTOPEN to AF_UNSPEC */
	return err;
}

/* A stream's peer is known: a name in the message means nothing there but to Fast Open (Linux). */
static ssize_t do_send(struct call *c, struct socket *s, const struct msghdr *msg, int flags)
{
	struct sock_msg m = {.flags = flags};
	int err = flags & ~SEND_FLAGS ? -EOPNOTSUPP : msg_set_iov(&m, msg);

	if (!err)
		err = msg_set_control(&m, s, msg);
	if (!err && msg->msg_name && msg->msg_namelen &&
	    (s->type != SOCK_STREAM || flags & MSG_FASTOPEN))
		err = msg_set_name(&m, s, msg);
	return err ? err : s->ops->send(c, s, &m);
}

ssize_t weft_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return socket_answer(err);
	return socket_leave(&c, s, msg ? do_send(&c, s, msg, flags) : -EFAULT);
}

/*
 * At least one message: an error of a later one is told by the next call, if it lasts.  One that was sent in part
 * is the last, or what follows would take the place of its rest (Linux).
 */
int weft_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned done = 0;
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);
	ssize_t r = 0;

	if (!s)
		return (int)socket_answer(err);
	if (n > IOV_MAX)
		n = IOV_MAX;
	if (!v && n)
		r = -EFAULT;
	for (bool whole = r >= 0; whole && done < n; done++) {
		const struct msghdr *m = &v[done].msg_hdr;

		r = do_send(&c, s, m, flags);
		if (r < 0)
			break;
		v[done].msg_len = (unsigned)r;
		whole = (size_t)r == iov_bytes(m->msg_iov, m->msg_iovlen);
	}
	return (int)socket_leave(&c, s, done ? done : r);
}

/* Longer than any address: sendto() refuses it where sendmsg() cuts it off (Linux). */
static ssize_t bad_name(int fd)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	return s ? socket_leave(&c, s, -EINVAL) : socket_answer(err);
}

ssize_t weft_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		    socklen_t len)
{
	struct iovec iov = {.iov_len = n};
	struct sockaddr_storage name;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(&iov.iov_base, &buf, sizeof(buf));
	if (to && len > sizeof(name))
		return bad_name(fd);
	if (to && len) {
		memcpy(&name, to, len);
		msg.msg_namelen = len;
		msg.msg_name = &name;
	}
	return weft_sendmsg(fd, &msg, flags);
}

ssize_t weft_send(int fd, const void *buf, size_t n, int flags)
{
	struct iovec iov = {.iov_len = n};
	struct sock_msg m = {.flags = flags, .iov = &iov, .niov = 1, .len = n};
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return socket_answer(err);
	memcpy(&iov.iov_base, &buf, sizeof(buf));
	err = flags & ~SEND_FLAGS ? -EOPNOTSUPP : iov_error(&iov, 0);
	return socket_leave(&c, s, err ? err : s->ops->send(&c, s, &m));
}

static ssize_t do_recv(struct call *c, struct socket *s, struct msghdr *msg, int flags)
{
	struct sock_msg m = {
	    .flags = flags, .control = msg->msg_control, .controllen = msg->msg_controllen};
	ssize_t r = flags & ~RECV_FLAGS ? -EOPNOTSUPP : msg_set_iov(&m, msg);

	if (!r && msg->msg_name && (int)msg->msg_namelen < 0)
		r = -EINVAL;
	if (r)
		return r;
	r = s->ops->recv(c, s, &m);
	if (r < 0)
		return r;
	msg->msg_flags = m.out_flags;
	msg->msg_controllen = m.control_done;
	if (m.has_addr)
		sockaddr_put(&m.addr, m.port, s->family, msg->msg_name, &msg->msg_namelen);
	else
		msg->msg_namelen = 0;
	return r;
}

ssize_t weft_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return socket_answer(err);
	return socket_leave(&c, s, msg ? do_recv(&c, s, msg, flags) : -EFAULT);
}

ssize_t socket_drain(int fd, struct sock_sink *sink, size_t most)
{
	struct sock_msg m = {.flags = MSG_DONTWAIT, .len = most, .sink = sink};
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return socket_answer(err);
	return socket_leave(&c, s, s->ops->recv(&c, s, &m));
}

/* When the time of a recvmmsg() is over; ENV_NEVER: it has none.  0: it makes no sense. */
static uint64_t mmsg_deadline(struct stack *st, const struct timespec *t)
{
	if (!t)
		return ENV_NEVER;
	if (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= (long)NSEC_PER_SEC)
		return 0;
	if ((uint64_t)t->tv_sec > ENV_NEVER / NSEC_PER_SEC / 2)
		return ENV_NEVER;
	return env_now(st->env) + (uint64_t)t->tv_sec * NSEC_PER_SEC + (uint64_t)t->tv_nsec;
}

/* What is left of it, as on Linux. */
static void mmsg_time_left(struct stack *st, struct timespec *t, uint64_t deadline)
{
	uint64_t now = env_now(st->env), left = deadline > now ? deadline - now : 0;

	t->tv_sec = (time_t)(left / NSEC_PER_SEC);
	t->tv_nsec = (long)(left % NSEC_PER_SEC);
}

/* An error behind messages that are told first: the next call tells it, or SO_ERROR (Linux). */
static void error_keep(struct socket *s, ssize_t r)
{
	if (r == -EAGAIN || r == -EINTR || r == -ENETDOWN || r == -EBADF)
		return;
	sock_lock(s->sk);
	if (!s->sk->err)
		s->sk->err = (int16_t)-r;
	socket_eventfd_settle(s);
	sock_unlock(s->sk);
}

static ssize_t do_recvmmsg(struct call *c, struct socket *s, struct mmsghdr *v, unsigned n,
			   int flags, uint64_t deadline)
{
	int more = flags & MSG_WAITFORONE ? MSG_DONTWAIT : 0;
	unsigned done = 0;
	ssize_t r = 0;

	flags &= ~MSG_WAITFORONE;
	while (done < n) {
		r = do_recv(c, s, &v[done].msg_hdr, flags | (done ? more : 0));
		if (r < 0)
			break;
		v[done++].msg_len = (unsigned)r;
		if (deadline != ENV_NEVER && env_now(c->stack->env) >= deadline)
			break;
	}
	if (done && r < 0)
		error_keep(s, r);
	return done ? (ssize_t)done : r;
}

int weft_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	uint64_t deadline;
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);
	ssize_t r;

	if (!s)
		return (int)socket_answer(err);
	deadline = mmsg_deadline(c.stack, timeout);
	if (!v && n)
		r = -EFAULT;
	else if (!deadline)
		r = -EINVAL;
	else
		r = do_recvmmsg(&c, s, v, n < IOV_MAX ? n : IOV_MAX, flags, deadline);
	if (timeout && r >= 0)
		mmsg_time_left(c.stack, timeout, deadline);
	return (int)socket_leave(&c, s, r);
}

ssize_t weft_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *len)
{
	struct iovec iov = {buf, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t r;

	if (from && len) {
		msg.msg_name = from;
		msg.msg_namelen = *len;
	}
	r = weft_recvmsg(fd, from && !len ? NULL : &msg, flags);
	if (r >= 0 && from)
		*len = msg.msg_namelen;
	return r;
}

ssize_t weft_recv(int fd, void *buf, size_t n, int flags)
{
	struct iovec iov = {buf, n};
	struct sock_msg m = {.flags = flags, .iov = &iov, .niov = 1, .len = n};
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return socket_answer(err);
	err = flags & ~RECV_FLAGS ? -EOPNOTSUPP : iov_error(&iov, 0);
	return socket_leave(&c, s, err ? err : s->ops->recv(&c, s, &m));
}

/* Unlike recv(), read() of nothing never waits, nor does it take a datagram (Linux, System V). */
static ssize_t read_nothing(int fd)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	return s ? socket_leave(&c, s, 0) : socket_answer(err);
}

ssize_t weft_read(int fd, void *buf, size_t n)
{
	return n ? weft_recv(fd, buf, n, 0) : read_nothing(fd);
}

ssize_t weft_write(int fd, const void *buf, size_t n)
{
	return weft_send(fd, buf, n, 0);
}

static bool iov_is_empty(const struct iovec *iov, int niov)
{
	for (int i = 0; iov && i < niov; i++) {
		if (iov[i].iov_len)
			return false;
	}
	return iov || !niov;
}

ssize_t weft_readv(int fd, const struct iovec *iov, int niov)
{
	struct msghdr msg = {.msg_iovlen = (size_t)niov};

	if (niov < 0 || niov > IOV_MAX)
		return socket_answer(-EINVAL);
	if (iov_is_empty(iov, niov))
		return read_nothing(fd);
	memcpy(&msg.msg_iov, &iov, sizeof(iov));
	return weft_recvmsg(fd, &msg, 0);
}

/* Unlike write(), writev() of nothing sends no empty datagram (Linux). */
ssize_t weft_writev(int fd, const struct iovec *iov, int niov)
{
	struct msghdr msg = {.msg_iovlen = (size_t)niov};

	if (niov < 0 || niov > IOV_MAX)
		return socket_answer(-EINVAL);
	if (iov_is_empty(iov, niov))
		return read_nothing(fd);
	memcpy(&msg.msg_iov, &iov, sizeof(iov));
	return weft_sendmsg(fd, &msg, 0);
}
