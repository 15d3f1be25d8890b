/*
 * socket/socket.c - the weft_ calls: a descriptor becomes a socket, an answer becomes errno.
 *
 * The first step of the way down and the only place that sets errno.  Each call is: descriptor to
 * socket, call_begin(), the socket's ops, call_end().
 */
#include <weft/weft.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/stack.h"
#include "socket/socket_priv.h"

static ssize_t result(ssize_t r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* The socket of fd with a call begun on it; NULL with *err. */
static struct socket *enter(int fd, struct call *c, int *err)
{
	struct socket *s;

	*err = -ENETDOWN;
	if (slot_forked())
		return NULL;
	s = fd_get(fd, SOCKET_CALL);
	if (!s) {
		*err = -EBADF;
		return NULL;
	}
	*err = call_begin(c, s);
	if (!*err)
		return s;
	socket_put(s, SOCKET_CALL);
	return NULL;
}

static ssize_t leave(struct call *c, struct socket *s, ssize_t r)
{
	call_end(c);
	socket_put(s, SOCKET_CALL);
	return result(r);
}

static void publish(struct call *c, struct socket *s, int fd)
{
	socket_link(c->stack, s);
	fd_install(fd, s);
}

static uint32_t flags_of(int type)
{
	return (type & SOCK_NONBLOCK ? SOCKET_NONBLOCK : 0) |
	       (type & SOCK_CLOEXEC ? SOCKET_CLOEXEC : 0);
}

static int open_socket(struct call *c, int domain, int type, int protocol)
{
	struct socket *s;
	int err, fd = fd_reserve();

	if (fd < 0)
		return fd;
	s = socket_alloc(c->stack, domain, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol);
	if (!s) {
		fd_release(fd);
		return -ENOBUFS;
	}
	atomic_store(&s->flags, flags_of(type));
	err = s->ops->create(s, c->stack);
	if (!err) {
		publish(c, s, fd);
		return fd;
	}
	fd_release(fd);
	socket_put(s, SOCKET_REF);
	return err;
}

int weft_socket(int domain, int type, int protocol)
{
	struct call c;
	int r;

	if (slot_forked())
		return (int)result(-ENETDOWN);
	if (domain != AF_INET)
		return (int)result(-EAFNOSUPPORT);
	if (protocol < 0)
		return (int)result(-EINVAL);
	r = stack_call_begin(&c);
	if (!r) {
		r = open_socket(&c, domain, type, protocol);
		stack_call_end(&c);
	}
	return (int)result(r);
}

int weft_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	return s ? (int)leave(&c, s, s->ops->bind(s, addr, len)) : (int)result(err);
}

int weft_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	return s ? (int)leave(&c, s, s->ops->connect(&c, s, addr, len)) : (int)result(err);
}

int weft_listen(int fd, int backlog)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	return s ? (int)leave(&c, s, s->ops->listen(s, backlog)) : (int)result(err);
}

/* The reserved descriptor and the made socket wait for a connection, or are given back. */
static int accept_child(struct call *c, struct socket *s, struct socket *child, int fd, int flags)
{
	int err;

	atomic_store(&child->flags, flags_of(flags));
	err = s->ops->accept(c, s, child);
	if (!err)
		publish(c, socket_hold(child), fd);
	return err;
}

/*
 * Descriptor and socket come first: no connection is taken off the queue for want of either.  *out is
 * referenced.
 */
static int accept_socket(struct call *c, struct socket *s, struct socket **out, int flags)
{
	int err = -ENOBUFS, fd = fd_reserve();

	if (fd < 0)
		return fd;
	*out = socket_alloc(c->stack, s->family, s->type, s->protocol);
	if (*out)
		err = accept_child(c, s, *out, fd, flags);
	if (!err)
		return fd;
	fd_release(fd);
	if (*out)
		socket_put(*out, SOCKET_REF);
	return err;
}

static int do_accept(struct call *c, struct socket *s, struct sockaddr *addr, socklen_t *len,
		     int flags)
{
	struct socket *child = NULL;
	int fd;

	if (addr && !len)
		return -EFAULT;
	if (addr && (int)*len < 0)
		return -EINVAL;
	fd = accept_socket(c, s, &child, flags);
	if (fd < 0)
		return fd;
	if (addr)
		child->ops->name(child, addr, len, SOCKET_ACCEPTED);
	socket_put(child, SOCKET_REF);
	return fd;
}

int weft_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	if (!s)
		return (int)result(err);
	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return (int)leave(&c, s, -EINVAL);
	return (int)leave(&c, s, do_accept(&c, s, addr, len, flags));
}

int weft_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return weft_accept4(fd, addr, len, 0);
}

/* --- data -------------------------------------------------------------------------------------- */

static int msg_set_iov(struct sock_msg *m, const struct msghdr *msg)
{
	const struct iovec *iov = msg->msg_iov;

	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	if (!iov && msg->msg_iovlen)
		return -EFAULT;
	m->iov = iov;
	m->niov = (int)msg->msg_iovlen;
	for (int i = 0; i < m->niov; i++) {
		if (iov[i].iov_len > SSIZE_MAX - m->len)
			return -EINVAL;
		if (iov[i].iov_len && !iov[i].iov_base)
			return -EFAULT;
		m->len += iov[i].iov_len;
	}
	return 0;
}

/* A stream's peer is known: a name in the message means nothing there (Linux). */
static ssize_t do_send(struct call *c, struct socket *s, const struct msghdr *msg, int flags)
{
	struct sock_msg m = {.flags = flags};
	int err = msg_set_iov(&m, msg);

	if (!err && msg->msg_controllen)
		err = -EOPNOTSUPP;
	if (!err && msg->msg_name && msg->msg_namelen && s->type != SOCK_STREAM) {
		err = sockaddr_get(msg->msg_name, msg->msg_namelen, s->family, &m.addr, &m.port);
		m.has_addr = true;
	}
	return err ? err : s->ops->send(c, s, &m);
}

ssize_t weft_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	if (!s)
		return result(err);
	return leave(&c, s, msg ? do_send(&c, s, msg, flags) : -EFAULT);
}

ssize_t weft_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		    socklen_t len)
{
	struct iovec iov = {.iov_len = n};
	struct sockaddr_storage name;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(&iov.iov_base, &buf, sizeof(buf));
	if (to && len) {
		msg.msg_namelen = len < sizeof(name) ? len : sizeof(name);
		memcpy(&name, to, msg.msg_namelen);
		msg.msg_name = &name;
	}
	return weft_sendmsg(fd, &msg, flags);
}

ssize_t weft_send(int fd, const void *buf, size_t n, int flags)
{
	return weft_sendto(fd, buf, n, flags, NULL, 0);
}

static ssize_t do_recv(struct call *c, struct socket *s, struct msghdr *msg, int flags)
{
	struct sock_msg m = {.flags = flags};
	ssize_t r = msg_set_iov(&m, msg);

	if (!r && msg->msg_name && (int)msg->msg_namelen < 0)
		r = -EINVAL;
	if (r)
		return r;
	r = s->ops->recv(c, s, &m);
	if (r < 0)
		return r;
	msg->msg_flags = m.out_flags;
	msg->msg_controllen = 0;
	if (m.has_addr)
		sockaddr_put(&m.addr, m.port, msg->msg_name, &msg->msg_namelen);
	else
		msg->msg_namelen = 0;
	return r;
}

ssize_t weft_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	if (!s)
		return result(err);
	return leave(&c, s, msg ? do_recv(&c, s, msg, flags) : -EFAULT);
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
	return weft_recvfrom(fd, buf, n, flags, NULL, NULL);
}

/* Unlike recv(), read() of nothing never waits (Linux, System V). */
static ssize_t read_nothing(int fd)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	return s ? leave(&c, s, 0) : result(err);
}

ssize_t weft_read(int fd, void *buf, size_t n)
{
	return n ? weft_recv(fd, buf, n, 0) : read_nothing(fd);
}

ssize_t weft_write(int fd, const void *buf, size_t n)
{
	return weft_send(fd, buf, n, 0);
}

ssize_t weft_readv(int fd, const struct iovec *iov, int niov)
{
	struct msghdr msg = {.msg_iovlen = (size_t)niov};

	if (niov < 0 || niov > IOV_MAX)
		return result(-EINVAL);
	memcpy(&msg.msg_iov, &iov, sizeof(iov));
	return weft_recvmsg(fd, &msg, 0);
}

ssize_t weft_writev(int fd, const struct iovec *iov, int niov)
{
	struct msghdr msg = {.msg_iovlen = (size_t)niov};

	if (niov < 0 || niov > IOV_MAX)
		return result(-EINVAL);
	memcpy(&msg.msg_iov, &iov, sizeof(iov));
	return weft_sendmsg(fd, &msg, 0);
}

/* --- the end, names, options ------------------------------------------------------------------- */

int weft_shutdown(int fd, int how)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	return s ? (int)leave(&c, s, s->ops->shutdown(s, how)) : (int)result(err);
}

/*
 * Of two threads that close one descriptor the second is told EBADF; a stack that has ended, nothing.
 * The socket stays on its stack's list until it has lingered, so that weft_stop() finds it.
 */
int weft_close(int fd)
{
	struct socket *s;
	struct call c;

	if (slot_forked())
		return (int)result(-ENETDOWN);
	s = fd_remove(fd);
	if (!s)
		return (int)result(-EBADF);
	if (call_enter(&c, s)) {
		socket_put(s, SOCKET_CALL);
		return 0;
	}
	s->ops->release(&c, s);
	socket_unlink(c.stack, s);
	return (int)leave(&c, s, 0);
}

static int get_name(int fd, struct sockaddr *addr, socklen_t *len, enum socket_end end)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	if (!s)
		return (int)result(err);
	return (int)leave(&c, s, addr && len ? s->ops->name(s, addr, len, end) : -EFAULT);
}

int weft_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return get_name(fd, addr, len, SOCKET_OWN);
}

int weft_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return get_name(fd, addr, len, SOCKET_PEER);
}

int weft_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	if (!s)
		return (int)result(err);
	return (int)leave(&c, s,
			  value && len ? socket_getopt(s, level, name, value, len) : -EFAULT);
}

int weft_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	if (!s)
		return (int)result(err);
	if ((int)len < 0)
		return (int)leave(&c, s, -EINVAL);
	return (int)leave(&c, s,
			  value || !len ? socket_setopt(s, level, name, value, len) : -EFAULT);
}

static int set_nonblock(struct socket *s, bool on)
{
	if (on)
		atomic_fetch_or(&s->flags, SOCKET_NONBLOCK);
	else
		atomic_fetch_and(&s->flags, ~SOCKET_NONBLOCK);
	return 0;
}

static int do_fcntl(struct socket *s, int cmd, int arg)
{
	switch (cmd) {
	case F_GETFL:
		return O_RDWR | (atomic_load(&s->flags) & SOCKET_NONBLOCK ? O_NONBLOCK : 0);
	case F_SETFL:
		return set_nonblock(s, arg & O_NONBLOCK);
	case F_GETFD:
		return atomic_load(&s->flags) & SOCKET_CLOEXEC ? FD_CLOEXEC : 0;
	case F_SETFD:
		if (arg & FD_CLOEXEC)
			atomic_fetch_or(&s->flags, SOCKET_CLOEXEC);
		else
			atomic_fetch_and(&s->flags, ~SOCKET_CLOEXEC);
		return 0;
	default:
		return -EINVAL;
	}
}

int weft_fcntl(int fd, int cmd, ...)
{
	struct call c;
	struct socket *s;
	va_list ap;
	int arg, err;

	va_start(ap, cmd);
	arg = cmd == F_SETFL || cmd == F_SETFD ? va_arg(ap, int) : 0;
	va_end(ap);
	s = enter(fd, &c, &err);
	return s ? (int)leave(&c, s, do_fcntl(s, cmd, arg)) : (int)result(err);
}

static int do_ioctl(struct socket *s, unsigned long request, int *arg)
{
	int err;

	if (!arg)
		return -EFAULT;
	if (request == FIONBIO)
		return set_nonblock(s, *arg);
	if (!s->sk->ops->ioctl)
		return -ENOTTY;
	sock_lock(s->sk);
	err = s->sk->ops->ioctl(s->sk, request, arg);
	sock_unlock(s->sk);
	return err;
}

int weft_ioctl(int fd, unsigned long request, ...)
{
	struct call c;
	struct socket *s;
	va_list ap;
	int *arg, err;

	va_start(ap, request);
	arg = va_arg(ap, int *);
	va_end(ap);
	s = enter(fd, &c, &err);
	return s ? (int)leave(&c, s, do_ioctl(s, request, arg)) : (int)result(err);
}

int weft_eventfd(int fd, short events)
{
	struct call c;
	int err;
	struct socket *s = enter(fd, &c, &err);

	return s ? (int)leave(&c, s, socket_eventfd(s, (uint16_t)events)) : (int)result(err);
}

int weft_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	return (int)result(socket_poll(fds, n, timeout_ms));
}
