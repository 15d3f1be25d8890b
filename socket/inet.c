/*
 * socket/inet.c - the AF_INET sockets: from a socket to its protocol's sock, and the loops that make
 * a protocol's -EAGAIN into a blocking call.
 *
 * Every function is called inside a batch with no lock held and returns so.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "ip/raw.h"
#include "socket/socket_priv.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

/* Which protocol serves a type; protocol 0 takes the type's first.  raw takes any number but 0. */
static const struct inet_proto {
	int type, protocol;
	const struct sock_ops *ops;
} inet_protos[] = {
    {SOCK_STREAM, IPPROTO_TCP, &tcp_ops},
    {SOCK_DGRAM, IPPROTO_UDP, &udp_ops},
    {SOCK_RAW, -1, &raw_ops},
};

static const struct sock_ops *inet_protocol(int type, int *protocol, int *err)
{
	bool known = false;

	for (size_t i = 0; i < sizeof(inet_protos) / sizeof(inet_protos[0]); i++) {
		const struct inet_proto *p = &inet_protos[i];

		if (p->type != type)
			continue;
		known = true;
		if (p->protocol < 0 ? *protocol > 0 && *protocol <= 255
				    : !*protocol || *protocol == p->protocol) {
			if (p->protocol > 0)
				*protocol = p->protocol;
			return p->ops;
		}
	}
	*err = known ? -EPROTONOSUPPORT : -ESOCKTNOSUPPORT;
	return NULL;
}

static int inet_create(struct socket *s, struct stack *st)
{
	int err = 0;
	const struct sock_ops *ops = inet_protocol(s->type, &s->protocol, &err);
	struct sock *sk;

	if (!ops)
		return err;
	sk = sock_alloc(st, ops);
	if (!sk)
		return -ENOBUFS;
	if (s->type == SOCK_RAW)
		raw_open(sk, (uint8_t)s->protocol); /* cannot fail: it is in range */
	sk->c.families = SOCK_FAMILY_4;
	socket_attach(s, sk);
	return 0;
}

static int inet_bind_addr(struct socket *s, const struct sockaddr *a, socklen_t n)
{
	struct ip_addr addr;
	uint16_t port;
	int err = sockaddr_get(a, n, s->family, &addr, &port);

	if (err)
		return err;
	sock_lock(s->sk);
	err = s->sk->ops->bind(s->sk, &addr, port);
	sock_unlock(s->sk);
	return err;
}

/* A connection attempt has ended when the protocol shows it writable or broken. */
static int inet_connect_wait(struct call *c, struct socket *s)
{
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLOUT};
	uint32_t ev;
	int err;

	w.deadline = socket_deadline(s, c->stack, true);
	while (!((ev = s->sk->ops->poll(s->sk)) & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
		if (atomic_load(&s->flags) & SOCKET_NONBLOCK)
			return -EINPROGRESS;
		err = sock_wait(&w);
		if (err)
			return err == -EAGAIN ? -EINPROGRESS : err;
	}
	atomic_fetch_and(&s->flags, ~SOCKET_CONNECTING);
	err = sock_take_error(s->sk);
	if (!err && (ev & EPOLLHUP))
		err = -ECONNABORTED;
	return err;
}

/*
 * The first connect() after a non-blocking one has ended tells how (Linux: 0 or the error, once); before
 * that it is EALREADY, or a blocking socket waits on.
 */
static int inet_connect_locked(struct call *c, struct socket *s, const struct ip_addr *addr,
			       uint16_t port)
{
	int err;

	if (atomic_load(&s->flags) & SOCKET_CONNECTING) {
		err = inet_connect_wait(c, s);
		return err == -EINPROGRESS ? -EALREADY : err;
	}
	err = s->sk->ops->connect(s->sk, addr, port);
	if (err != -EINPROGRESS)
		return err;
	atomic_fetch_or(&s->flags, SOCKET_CONNECTING);
	return inet_connect_wait(c, s);
}

static int inet_connect_addr(struct call *c, struct socket *s, const struct sockaddr *a,
			     socklen_t n)
{
	struct ip_addr addr;
	uint16_t port;
	int err;

	if (a && n >= sizeof(a->sa_family) && a->sa_family == AF_UNSPEC) {
		if (!s->sk->ops->disconnect)
			return -EAFNOSUPPORT;
		sock_lock(s->sk);
		err = s->sk->ops->disconnect(s->sk);
		atomic_fetch_and(&s->flags, ~SOCKET_CONNECTING);
		sock_unlock(s->sk);
		return err;
	}
	err = sockaddr_get(a, n, s->family, &addr, &port);
	if (err)
		return err;
	sock_lock(s->sk);
	err = inet_connect_locked(c, s, &addr, port);
	sock_unlock(s->sk);
	return err;
}

static int inet_listen_on(struct socket *s, int backlog)
{
	int err;

	if (!s->sk->ops->listen)
		return -EOPNOTSUPP;
	sock_lock(s->sk);
	err = s->sk->ops->listen(s->sk, backlog);
	sock_unlock(s->sk);
	return err;
}

/* A reference to the next connection, or NULL with *err. */
static struct sock *inet_accept_sock(struct call *c, struct socket *s, int *err)
{
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLIN};
	struct sock *child;

	if (!s->sk->ops->accept) {
		*err = -EOPNOTSUPP;
		return NULL;
	}
	w.deadline = socket_deadline(s, c->stack, false);
	sock_lock(s->sk);
	for (;;) {
		*err = 0;
		child = s->sk->ops->accept(s->sk, err);
		if (child || *err != -EAGAIN || (atomic_load(&s->flags) & SOCKET_NONBLOCK))
			break;
		*err = sock_wait(&w);
		if (*err)
			break;
	}
	sock_unlock(s->sk);
	return child;
}

static int inet_accept(struct call *c, struct socket *s, struct socket *child)
{
	int err;
	struct sock *sk = inet_accept_sock(c, s, &err);

	if (!sk)
		return err;
	sock_lock(sk);
	socket_attach(child, sk);
	sock_unlock(sk);
	return 0;
}

/* Part of a message was taken before the error: the count now, the error with the next call. */
static ssize_t inet_io_result(struct socket *s, struct sock_msg *m, ssize_t r)
{
	if (m->skip == 0)
		return r;
	if (r < 0 && r != -EAGAIN && r != -EINTR && r != -EPIPE && r != -ENETDOWN && r != -EBADF)
		s->sk->err = (int)-r;
	return (ssize_t)m->skip;
}

static ssize_t inet_send(struct call *c, struct socket *s, struct sock_msg *m)
{
	bool nonblock = (m->flags & MSG_DONTWAIT) || (atomic_load(&s->flags) & SOCKET_NONBLOCK);
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLOUT};
	ssize_t r;

	w.deadline = nonblock ? 0 : socket_deadline(s, c->stack, true);
	sock_lock(s->sk);
	for (;;) {
		r = s->sk->ops->send(s->sk, m);
		if (r >= 0) {
			m->skip += (size_t)r;
			if (s->type != SOCK_STREAM || m->skip == m->len)
				break;
			r = -EAGAIN;
		}
		if (r != -EAGAIN || nonblock)
			break;
		r = sock_wait(&w);
		if (r)
			break;
	}
	r = s->type == SOCK_STREAM ? inet_io_result(s, m, r) : r;
	socket_eventfd_settle(s);
	sock_unlock(s->sk);
	return r;
}

/* How much a blocking receive of a stream wants before it returns. */
static size_t inet_recv_target(struct socket *s, const struct sock_msg *m)
{
	if (m->flags & MSG_WAITALL)
		return m->len;
	return m->len < s->sk->rcvlowat ? m->len : s->sk->rcvlowat;
}

static ssize_t inet_recv(struct call *c, struct socket *s, struct sock_msg *m)
{
	bool nonblock = (m->flags & MSG_DONTWAIT) || (atomic_load(&s->flags) & SOCKET_NONBLOCK);
	bool stream = s->type == SOCK_STREAM && !(m->flags & (MSG_PEEK | MSG_OOB));
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLIN};
	ssize_t r;

	w.deadline = nonblock ? 0 : socket_deadline(s, c->stack, false);
	sock_lock(s->sk);
	for (;;) {
		r = s->sk->ops->recv(s->sk, m);
		if (r > 0 && stream) {
			m->skip += (size_t)r;
			if (m->skip >= inet_recv_target(s, m))
				break;
			r = -EAGAIN;
		}
		if (r != -EAGAIN || nonblock)
			break;
		r = sock_wait(&w);
		if (r)
			break;
	}
	r = stream ? inet_io_result(s, m, r) : r;
	socket_eventfd_settle(s);
	sock_unlock(s->sk);
	return r;
}

static int inet_shutdown(struct socket *s, int how)
{
	int err;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	sock_lock(s->sk);
	err = s->sk->ops->shutdown(s->sk, how);
	sock_unlock(s->sk);
	return err;
}

/*
 * SO_LINGER with a time: until the peer has everything, or the time is over (tcp goes on by itself).
 * The sock's lock is held, but for the sleep.
 */
static void inet_linger(struct call *c, struct socket *s)
{
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLOUT};
	int left;

	if (s->type != SOCK_STREAM || !(s->sk->flags & SOCK_LINGER) || !s->sk->linger_s ||
	    !s->sk->ops->ioctl || (atomic_load(&s->flags) & SOCKET_NONBLOCK))
		return;
	w.deadline = env_now(c->stack->env) + s->sk->linger_s * NSEC_PER_SEC;
	if (s->sk->ops->shutdown(s->sk, SHUT_WR) < 0)
		return;
	while (!s->sk->ops->ioctl(s->sk, SIOCOUTQ, &left) && left > 0)
		if (sock_wait(&w))
			break;
}

/* The last of a socket's life under its descriptor: who still sleeps on it is told, tcp goes on alone. */
static void inet_release(struct call *c, struct socket *s)
{
	struct sock *sk = s->sk;

	sock_lock(sk);
	inet_linger(c, s);
	atomic_fetch_or(&s->flags, SOCKET_CLOSED);
	socket_wake(c->stack, s, EPOLLHUP);
	atomic_store_explicit(&sk->socket, NULL, memory_order_relaxed);
	atomic_store_explicit(&sk->events, NULL, memory_order_relaxed);
	sk->ops->close(sk);
	sock_unlock(sk);
}

static int inet_name(struct socket *s, struct sockaddr *a, socklen_t *n, bool peer)
{
	struct sock *sk = s->sk;
	int err = 0;

	sock_lock(sk);
	if (peer && !sk->c.rport)
		err = -ENOTCONN;
	else if (peer)
		sockaddr_put(&sk->c.raddr, sk->c.rport, a, n);
	else
		sockaddr_put(&sk->c.laddr, sk->c.lport, a, n);
	sock_unlock(sk);
	return err;
}

static uint32_t inet_poll(struct socket *s)
{
	uint32_t ev;

	sock_lock(s->sk);
	ev = s->sk->ops->poll(s->sk);
	socket_eventfd_settle(s);
	sock_unlock(s->sk);
	return ev;
}

const struct socket_ops inet_socket_ops = {
    .family = AF_INET,
    .create = inet_create,
    .bind = inet_bind_addr,
    .connect = inet_connect_addr,
    .listen = inet_listen_on,
    .accept = inet_accept,
    .send = inet_send,
    .recv = inet_recv,
    .shutdown = inet_shutdown,
    .release = inet_release,
    .name = inet_name,
    .poll = inet_poll,
};
