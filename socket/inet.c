/*
 * socket/inet.c - the AF_INET sockets, and those of AF_INET6 with mapped addresses: from a socket to its
 * protocol's sock, life and connections; socket/inet_message.c has what they send and receive.
 *
 * Every function of the table is called inside a batch with no lock held and returns so.
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
    {SOCK_DGRAM, IPPROTO_ICMP, &ping_ops},
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
	if (ops == &ping_ops && s->family == AF_INET6)
		return -EPROTONOSUPPORT;
	sk = sock_alloc(st, ops);
	if (!sk)
		return -ENOBUFS;
	if (s->type == SOCK_RAW)
		raw_open(sk, (uint8_t)s->protocol); /* cannot fail: it is in range */
	else if (ops == &ping_ops)
		ping_open(sk);
	if (s->family == AF_INET6)
		sk->c.families = SOCK_FAMILY_4 | SOCK_FAMILY_6;
	socket_attach(s, sk);
	return 0;
}

int inet_lock(struct socket *s) NO_LOCK_ANALYSIS
{
	sock_lock(s->sk);
	if (!(atomic_load(&s->flags) & SOCKET_CLOSED))
		return 0;
	sock_unlock(s->sk);
	return -EBADF;
}

void inet_unlock(struct socket *s) NO_LOCK_ANALYSIS
{
	socket_eventfd_settle(s);
	sock_unlock(s->sk);
}

static int inet_bind_addr(struct socket *s, const struct sockaddr *a, socklen_t n)
{
	struct ip_addr addr;
	uint16_t port;
	int err = sockaddr_get(a, n, s->family, &addr, &port);

	if (!err && !ip_addr_is4(&addr))
		err = -EADDRNOTAVAIL;
	if (!err && socket_is_v6only(s) && !ip_addr_is_any(&addr))
		err = -EINVAL;
	if (!err)
		err = inet_lock(s);
	if (err)
		return err;
	err = s->sk->ops->bind(s->sk, &addr, port);
	inet_unlock(s);
	return err;
}

/*
 * A connection attempt has ended when the protocol shows it writable or broken.  One that failed leaves
 * the sock as new, for another connect() (Linux).
 */
int inet_connect_wait(struct call *c, struct socket *s)
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
	if (err && s->sk->ops->disconnect)
		s->sk->ops->disconnect(s->sk);
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

static int inet_disconnect(struct socket *s)
{
	int err;

	if (!s->sk->ops->disconnect)
		return -EAFNOSUPPORT;
	err = inet_lock(s);
	if (err)
		return err;
	err = s->sk->ops->disconnect(s->sk);
	atomic_fetch_and(&s->flags, ~SOCKET_CONNECTING);
	inet_unlock(s);
	return err;
}

static int inet_connect_addr(struct call *c, struct socket *s, const struct sockaddr *a,
			     socklen_t n)
{
	struct ip_addr addr;
	uint16_t port;
	int err;

	if (a && n >= sizeof(a->sa_family) && a->sa_family == AF_UNSPEC)
		return inet_disconnect(s);
	err = sockaddr_get(a, n, s->family, &addr, &port);
	if (!err && (!ip_addr_is4(&addr) || socket_is_v6only(s)))
		err = -ENETUNREACH;
	if (!err)
		err = inet_lock(s);
	if (err)
		return err;
	err = inet_connect_locked(c, s, &addr, port);
	inet_unlock(s);
	return err;
}

static int inet_listen_on(struct socket *s, int backlog)
{
	int err;

	if (!s->sk->ops->listen)
		return -EOPNOTSUPP;
	err = inet_lock(s);
	if (err)
		return err;
	err = s->sk->ops->listen(s->sk, backlog);
	inet_unlock(s);
	return err;
}

/*
 * What a child has of its listener, whose lock is held: time-outs and ways, as on Linux, but it blocks whatever the
 * listener does.  Nobody else knows the child yet.
 */
static void inet_inherit(struct socket *child, struct socket *s)
{
	uint32_t flags = atomic_load(&s->flags) & (SOCKET_ZEROCOPY | SOCKET_INQ);

	flags |= atomic_load_explicit(&child->flags, memory_order_relaxed);
	atomic_store_explicit(&child->flags, flags, memory_order_relaxed);
	atomic_store_explicit(&child->rcvtimeo, atomic_load(&s->rcvtimeo), memory_order_relaxed);
	atomic_store_explicit(&child->sndtimeo, atomic_load(&s->sndtimeo), memory_order_relaxed);
	child->priority = s->priority;
}

/* A reference to the next connection, or NULL with *err. */
static struct sock *inet_accept_sock(struct call *c, struct socket *s, struct socket *child,
				     int *err)
{
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLIN, .one = true};
	struct sock *sk = NULL;

	*err = s->sk->ops->accept ? inet_lock(s) : -EOPNOTSUPP;
	if (*err)
		return NULL;
	w.deadline = socket_deadline(s, c->stack, false);
	for (;;) {
		*err = 0;
		sk = s->sk->ops->accept(s->sk, err);
		if (sk || *err != -EAGAIN || (atomic_load(&s->flags) & SOCKET_NONBLOCK))
			break;
		*err = sock_wait(&w);
		if (*err)
			break;
	}
	if (sk)
		inet_inherit(child, s);
	inet_unlock(s);
	return sk;
}

static int inet_accept(struct call *c, struct socket *s, struct socket *child)
{
	int err;
	struct sock *sk = inet_accept_sock(c, s, child, &err);

	if (!sk)
		return err;
	sock_lock(sk);
	socket_attach(child, sk);
	sock_unlock(sk);
	return 0;
}

static int inet_shutdown(struct socket *s, int how)
{
	int err;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	err = inet_lock(s);
	if (err)
		return err;
	err = s->sk->ops->shutdown(s->sk, how);
	inet_unlock(s);
	return err;
}

/* Until the peer has acknowledged our FIN, and so everything. */
static bool inet_lingers(const struct sock *sk)
{
	unsigned state = atomic_load_explicit(&sk->c.state, memory_order_relaxed);

	return state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK;
}

/*
 * SO_LINGER with a time, whether the socket blocks or not, as on Linux: until the peer has everything or
 * the time is over; tcp goes on by itself.  With data nobody read there is nothing to wait for: the
 * close is a reset.  The sock's lock is held, but for the sleep.
 */
static void inet_linger(struct call *c, struct socket *s)
{
	struct sock_wait w = {.s = s, .batch = &c->batch, .events = EPOLLOUT, .closing = true};
	struct sock *sk = s->sk;
	int unread;

	if (s->type != SOCK_STREAM || !(sk->flags & SOCK_LINGER) || !sk->rare->linger_s ||
	    atomic_load(&c->stack->down))
		return;
	if (sk->ops->ioctl(sk, SIOCINQ, &unread) || unread || sk->ops->shutdown(sk, SHUT_WR))
		return;
	w.deadline = env_now(c->stack->env) + sk->rare->linger_s * NSEC_PER_SEC;
	while (inet_lingers(sk) && !sock_wait(&w))
		;
}

/*
 * The last of a socket's life under its descriptor: who still sleeps on it is told at once, then close()
 * may linger, and tcp goes on alone.
 */
static void inet_release(struct call *c, struct socket *s)
{
	struct sock *sk = s->sk;

	sock_lock(sk);
	atomic_fetch_or(&s->flags, SOCKET_CLOSED);
	socket_wake(c->stack, s, EPOLLHUP);
	inet_linger(c, s);
	atomic_store_explicit(&sk->socket, NULL, memory_order_relaxed);
	sk->ops->close(sk);
	sock_unlock(sk);
}

/* Linux: a connection that is not there yet, or no more, has no peer; but accept() still names it. */
static bool inet_has_peer(const struct socket *s, enum socket_end end)
{
	unsigned state = atomic_load_explicit(&s->sk->c.state, memory_order_relaxed);

	if (!s->sk->c.rport)
		return false;
	return s->type != SOCK_STREAM || end == SOCKET_ACCEPTED ||
	       (state != TCP_CLOSE && state != TCP_SYN_SENT);
}

static int inet_name(struct socket *s, struct sockaddr *a, socklen_t *n, enum socket_end end)
{
	struct sock *sk = s->sk;
	int err = 0;

	if ((int)*n < 0)
		return -EINVAL;
	sock_lock(sk);
	if (end == SOCKET_OWN)
		sockaddr_put(&sk->c.laddr, sk->c.lport, s->family, a, n);
	else if (inet_has_peer(s, end))
		sockaddr_put(&sk->c.raddr, sk->c.rport, s->family, a, n);
	else
		err = -ENOTCONN;
	sock_unlock(sk);
	return err;
}

static uint32_t inet_poll(struct socket *s)
{
	uint32_t ev;

	sock_lock(s->sk);
	ev = events_all(s->sk->ops->poll(s->sk)) | (stream_has_errors(s) ? EPOLLERR : 0);
	if (!(ev & EPOLLIN) && s->sk->ops->await)
		s->sk->ops->await(s->sk);
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
