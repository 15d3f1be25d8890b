/*
 * socket/socket.c - the weft_ calls: a descriptor becomes a socket, an answer becomes errno.
 *
 * The first step of the way down and the only place that sets errno.  Each call is: socket_enter(), which
 * finds the socket of a descriptor, the socket's ops, socket_leave().  Those that carry data are in
 * message.c.
 */
#include <weft/weft.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "lib/stack.h"
#include "socket/socket_priv.h"

ssize_t socket_answer(ssize_t r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

struct socket *descriptor_enter(int fd, struct call *c, int *err)
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

struct socket *socket_enter(int fd, struct call *c, int *err)
{
	struct socket *s = descriptor_enter(fd, c, err);

	if (!s || !s->epoll)
		return s;
	socket_leave(c, s, 0);
	*err = -ENOTSOCK;
	return NULL;
}

ssize_t socket_leave(struct call *c, struct socket *s, ssize_t r)
{
	call_end(c);
	socket_put(s, SOCKET_CALL);
	return socket_answer(r);
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

/* An AF_INET6 socket carries IPv4, by mapped addresses: there is no IPv6 for it to be raw about. */
static bool is_dual(int domain, int type)
{
	return domain == AF_INET6 && (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_RAW;
}

int weft_socket(int domain, int type, int protocol)
{
	struct call c;
	int r;

	if (slot_forked())
		return (int)socket_answer(-ENETDOWN);
	if (domain != AF_INET && !is_dual(domain, type))
		return (int)socket_answer(-EAFNOSUPPORT);
	if (protocol < 0)
		return (int)socket_answer(-EINVAL);
	r = stack_call_begin(&c);
	if (!r) {
		r = open_socket(&c, domain, type, protocol);
		stack_call_end(&c);
	}
	return (int)socket_answer(r);
}

int weft_epoll_create1(int flags)
{
	struct socket *s = NULL;
	struct call c;
	int r, fd;

	if (flags & ~EPOLL_CLOEXEC)
		return (int)socket_answer(-EINVAL);
	if (slot_forked())
		return (int)socket_answer(-ENETDOWN);
	r = stack_call_begin(&c);
	if (r)
		return (int)socket_answer(r);
	fd = fd_reserve();
	r = fd < 0 ? fd : socket_epoll_create(&c, &s);
	if (!r) {
		atomic_store(&s->flags, flags_of(flags));
		publish(&c, s, fd);
	} else if (fd >= 0) {
		fd_release(fd);
	}
	stack_call_end(&c);
	return (int)socket_answer(r ? r : fd);
}

int weft_epoll_create(int size)
{
	return size > 0 ? weft_epoll_create1(0) : (int)socket_answer(-EINVAL);
}

int weft_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	return s ? (int)socket_leave(&c, s, s->ops->bind(s, addr, len)) : (int)socket_answer(err);
}

int weft_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	return s ? (int)socket_leave(&c, s, s->ops->connect(&c, s, addr, len))
		 : (int)socket_answer(err);
}

int weft_listen(int fd, int backlog)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	return s ? (int)socket_leave(&c, s, s->ops->listen(s, backlog)) : (int)socket_answer(err);
}

/* The reserved descriptor and the made socket wait for a connection, or are given back. */
static int accept_socket(struct call *c, struct socket *s, struct socket **out, int flags)
{
	int err = -ENOBUFS, fd = fd_reserve();

	if (fd < 0)
		return fd;
	*out = socket_alloc(c->stack, s->family, s->type, s->protocol);
	if (*out) {
		atomic_store_explicit(&(*out)->flags, flags_of(flags), memory_order_relaxed);
		err = s->ops->accept(c, s, *out);
	}
	if (!err)
		return fd;
	fd_release(fd);
	if (*out)
		socket_put(*out, SOCKET_REF);
	return err;
}

/*
 * Descriptor and socket come first: no connection is taken off the queue for want of either.  Once it is published
 * the child is its descriptor's: the end of the stack, which waits for the listener's call, may take its sock away.
 */
int socket_accept(struct call *c, struct socket *s, struct sockaddr *addr, socklen_t *len,
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
	publish(c, child, fd);
	return fd;
}

int weft_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return (int)socket_answer(err);
	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return (int)socket_leave(&c, s, -EINVAL);
	return (int)socket_leave(&c, s, socket_accept(&c, s, addr, len, flags));
}

int weft_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return weft_accept4(fd, addr, len, 0);
}

/* --- the end, names, options ------------------------------------------------------------------- */

int weft_shutdown(int fd, int how)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	return s ? (int)socket_leave(&c, s, s->ops->shutdown(s, how)) : (int)socket_answer(err);
}

/* The socket stays on its stack's list until it has lingered, so that weft_stop() finds it. */
void socket_close(struct socket *s)
{
	struct call c;

	socket_epoll_forget(s);
	if (call_enter(&c, s)) {
		socket_put(s, SOCKET_CALL);
		return;
	}
	socket_callback_forget(s);
	s->ops->release(&c, s);
	socket_unlink(c.stack, s);
	call_end(&c);
	socket_put(s, SOCKET_CALL);
}

/* Of two threads that close one descriptor the second is told EBADF; a stack that has ended, nothing. */
int weft_close(int fd)
{
	struct socket *s;

	if (slot_forked())
		return (int)socket_answer(-ENETDOWN);
	s = fd_remove(fd);
	if (!s)
		return (int)socket_answer(-EBADF);
	socket_close(s);
	return 0;
}

static int get_name(int fd, struct sockaddr *addr, socklen_t *len, enum socket_end end)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return (int)socket_answer(err);
	return (int)socket_leave(&c, s, addr && len ? s->ops->name(s, addr, len, end) : -EFAULT);
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
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return (int)socket_answer(err);
	return (int)socket_leave(
	    &c, s, value && len ? socket_getopt(s, level, name, value, len) : -EFAULT);
}

int weft_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	if (!s)
		return (int)socket_answer(err);
	if ((int)len < 0)
		return (int)socket_leave(&c, s, -EINVAL);
	return (int)socket_leave(
	    &c, s, value || !len ? socket_setopt(s, level, name, value, len) : -EFAULT);
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
	s = descriptor_enter(fd, &c, &err);
	return s ? (int)socket_leave(&c, s, do_fcntl(s, cmd, arg)) : (int)socket_answer(err);
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
	s = socket_enter(fd, &c, &err);
	return s ? (int)socket_leave(&c, s, do_ioctl(s, request, arg)) : (int)socket_answer(err);
}

int weft_eventfd(int fd, short events)
{
	struct call c;
	int err;
	struct socket *s = socket_enter(fd, &c, &err);

	return s ? (int)socket_leave(&c, s, socket_eventfd(s, (uint16_t)events))
		 : (int)socket_answer(err);
}

int weft_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	return (int)socket_answer(socket_poll(fds, n, timeout_ms));
}
