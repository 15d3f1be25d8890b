/*
 * socket/option.c - SOL_SOCKET options, one row each; the rest is ip's or the protocol's.
 *
 * An option nobody knows answers ENOPROTOOPT: nothing succeeds silently.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#include "ip/inet_cmsg.h"
#include "ip/inet_stamp.h"
#include "lib/stack.h"
#include "net/netdev.h"
#include "socket/socket_priv.h"
#include "tcp/tcp.h"

#define RCVBUF_MIN 2304
#define SNDBUF_MIN 4608
#define TIMEO_MAX_S (1ll << 32)

/* An option that is one flag of the sock. */
static const struct sock_flag {
	int name;
	uint32_t flag;
} sock_flags[] = {
    {SO_REUSEADDR, SOCK_REUSEADDR},     {SO_REUSEPORT, SOCK_REUSEPORT},
    {SO_KEEPALIVE, SOCK_KEEPALIVE},     {SO_BROADCAST, SOCK_BROADCAST},
    {SO_OOBINLINE, SOCK_OOBINLINE},     {SO_TIMESTAMP, SOCK_TIMESTAMP},
    {SO_TIMESTAMPNS, SOCK_TIMESTAMPNS},
};

static uint32_t sock_flag_of(int name)
{
	for (size_t i = 0; i < sizeof(sock_flags) / sizeof(sock_flags[0]); i++)
		if (sock_flags[i].name == name)
			return sock_flags[i].flag;
	return 0;
}

static int get_int(const void *v, socklen_t n, int *x)
{
	if (n < sizeof(*x))
		return -EINVAL;
	memcpy(x, v, sizeof(*x));
	return 0;
}

/* SO_KEEPALIVE moves a timer: the protocol hears of it when it wants to. */
static int set_flag(struct sock *sk, int name, uint32_t flag, const void *v, socklen_t n)
{
	int on, err = get_int(v, n, &on);

	if (err)
		return err;
	if (flag & SOCK_TIMESTAMPS) /* the last one set is told */
		sk->flags &= ~SOCK_TIMESTAMPS;
	if (on)
		sk->flags |= flag;
	else
		sk->flags &= ~flag;
	if (sk->ops->setopt) {
		err = sk->ops->setopt(sk, SOL_SOCKET, name, v, n);
		return err == -ENOPROTOOPT ? 0 : err;
	}
	return 0;
}

/* Twice what was asked, as Linux: the book-keeping is charged too (socket(7)). */
static int set_buf(struct sock *sk, bool snd, int size)
{
	bool tcp = sk->c.proto == IPPROTO_TCP && sk->ops->type == SOCK_STREAM;
	struct stack *st = sk->stack;
	int64_t max, want = size < 0 ? INT32_MAX : size;

	if (snd)
		max = tcp ? sysctl_get(st, tcp_wmem_max) : sysctl_get(st, wmem_max);
	else
		max = tcp ? sysctl_get(st, tcp_rmem_max) : sysctl_get(st, rmem_max);
	want = 2 * (want < max ? want : max);
	if (snd) {
		sk->sndbuf = (uint32_t)(want < SNDBUF_MIN ? SNDBUF_MIN : want);
		sk->flags |= SOCK_SNDBUF_LOCKED;
		if (tcp) /* who was refused may have room now */
			sk->ops->setopt(sk, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	} else {
		sk->rcvbuf = (uint32_t)(want < RCVBUF_MIN ? RCVBUF_MIN : want);
		sk->flags |= SOCK_RCVBUF_LOCKED;
	}
	return 0;
}

static int set_linger(struct sock *sk, const void *v, socklen_t n)
{
	struct linger l;
	struct sock_rare *k;

	if (n < sizeof(l))
		return -EINVAL;
	memcpy(&l, v, sizeof(l));
	k = sock_rare_get(sk);
	if (!k)
		return -ENOBUFS;
	if (l.l_onoff)
		sk->flags |= SOCK_LINGER;
	else
		sk->flags &= ~SOCK_LINGER;
	k->linger_s = (uint16_t)(l.l_linger < 0 ? 0 : l.l_linger > 65535 ? 65535 : l.l_linger);
	return 0;
}

/* Linux: 0 is for ever, and so is what no clock will reach; before now is at once. */
static int set_timeo(_Atomic uint64_t *t, const void *v, socklen_t n)
{
	struct timeval tv;
	uint64_t ns = 0;

	if (n < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, v, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0)
		ns = 1;
	else if (tv.tv_sec < TIMEO_MAX_S)
		ns = (uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * NSEC_PER_USEC;
	atomic_store(t, ns);
	return 0;
}

/*
 * Look-ups and the table of ports know a sock by its device: once it has a port it keeps it.  A raw sock
 * has none and may change at any time; its path is looked up anew.
 */
static int set_device(struct sock *sk, const void *v, socklen_t n)
{
	char name[NETDEV_NAME] = "";
	struct netdev *dev = NULL;

	if (sk->port)
		return -EINVAL;
	if (n)
		memcpy(name, v, n < sizeof(name) ? n : sizeof(name) - 1);
	if (name[0]) {
		dev = netdev_by_name(sk->stack, name);
		if (!dev)
			return -ENODEV;
	}
	sk->c.ifindex = dev ? dev->ifindex : 0;
	if (sk->path)
		path_put(sk->path);
	sk->path = NULL;
	return 0;
}

static int set_socket_int(struct sock *sk, int name, const void *v, socklen_t n)
{
	int x, err = get_int(v, n, &x);
	struct sock_rare *k;

	if (err)
		return err;
	if (name == SO_RCVBUF || name == SO_SNDBUF)
		return set_buf(sk, name == SO_SNDBUF, x);
	k = sock_rare_get(sk);
	if (!k)
		return -ENOBUFS;
	switch (name) {
	case SO_RCVLOWAT:
		k->rcvlowat = x < 0 ? INT32_MAX : x == 0 ? 1 : (uint32_t)x;
		return 0;
	case SO_MARK:
		k->mark = (uint32_t)x;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* 0 to 6, as without privilege on Linux.  It is kept: a device here has one queue. */
static int set_priority(struct socket *s, const void *v, socklen_t n)
{
	int x, err = get_int(v, n, &x);

	if (err)
		return err;
	if (x < 0 || x > SOCK_PRIORITY_MAX)
		return -EPERM;
	s->priority = x;
	return 0;
}

static int set_socket(struct socket *s, int name, const void *v, socklen_t n)
{
	uint32_t flag = sock_flag_of(name);

	if (flag)
		return set_flag(s->sk, name, flag, v, n);
	switch (name) {
	case SO_LINGER:
		return set_linger(s->sk, v, n);
	case SO_RCVTIMEO:
		return set_timeo(&s->rcvtimeo, v, n);
	case SO_SNDTIMEO:
		return set_timeo(&s->sndtimeo, v, n);
	case SO_BINDTODEVICE:
		return set_device(s->sk, v, n);
	case SO_MAX_PACING_RATE:
		return s->sk->ops->setopt ? s->sk->ops->setopt(s->sk, SOL_SOCKET, name, v, n)
					  : -ENOPROTOOPT;
	case SO_PRIORITY:
		return set_priority(s, v, n);
	case SO_TIMESTAMPING:
		return sock_stamping_set(s->sk, v, n);
	default:
		return set_socket_int(s->sk, name, v, n);
	}
}

/* What comes and goes is IPv4: with IPV6_V6ONLY that is nothing, but the port is free for AF_INET. */
static int set_ipv6(struct socket *s, int name, const void *v, socklen_t n)
{
	int on = 0, err = get_int(v, n, &on);

	if (name != IPV6_V6ONLY)
		return -ENOPROTOOPT;
	if (err || s->sk->c.lport)
		return err ? err : -EINVAL;
	s->sk->c.families = SOCK_FAMILY_6 | (on ? 0 : SOCK_FAMILY_4);
	if (on)
		atomic_fetch_or(&s->flags, SOCKET_V6ONLY);
	else
		atomic_fetch_and(&s->flags, ~SOCKET_V6ONLY);
	return 0;
}

int socket_setopt(struct socket *s, int level, int name, const void *v, socklen_t n)
{
	struct sock *sk = s->sk;
	int err = -ENOPROTOOPT;

	sock_lock(sk);
	if (atomic_load(&s->flags) & SOCKET_CLOSED)
		err = -EBADF;
	else if (level == SOL_SOCKET)
		err = set_socket(s, name, v, n);
	else if (level == IPPROTO_IP)
		err = inet_sock_setopt(sk, name, v, n);
	else if (level == IPPROTO_IPV6 && s->family == AF_INET6)
		err = set_ipv6(s, name, v, n);
	if (err == -ENOPROTOOPT && level != SOL_SOCKET && sk->ops->setopt)
		err = sk->ops->setopt(sk, level, name, v, n);
	if (err == -ENOPROTOOPT)
		err = stream_setopt(s, level, name, v, n);
	sock_unlock(sk);
	return err;
}

static int put_value(const void *x, size_t size, void *v, socklen_t *n)
{
	if (*n < size)
		size = *n;
	memcpy(v, x, size);
	*n = (socklen_t)size;
	return 0;
}

static int put_int(int x, void *v, socklen_t *n)
{
	return put_value(&x, sizeof(x), v, n);
}

static int put_timeo(_Atomic uint64_t *t, void *v, socklen_t *n)
{
	uint64_t ns = atomic_load(t);
	struct timeval tv = {.tv_sec = (time_t)(ns / NSEC_PER_SEC),
			     .tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};

	return put_value(&tv, sizeof(tv), v, n);
}

static int get_device(struct sock *sk, void *v, socklen_t *n)
{
	struct netdev *dev = sk->c.ifindex ? netdev_by_index(sk->stack, sk->c.ifindex) : NULL;

	if (!dev) {
		*n = 0;
		return 0;
	}
	if (*n < NETDEV_NAME)
		return -EINVAL;
	return put_value(dev->name, strlen(dev->name) + 1, v, n);
}

static int socket_int(struct socket *s, int name, int *x)
{
	struct sock *sk = s->sk;
	uint32_t flag = sock_flag_of(name);

	if (flag) {
		*x = (sk->flags & flag) != 0;
		return 0;
	}
	switch (name) {
	case SO_RCVBUF:
		*x = (int)sk->rcvbuf;
		return 0;
	case SO_SNDBUF:
		*x = (int)sk->sndbuf;
		return 0;
	case SO_RCVLOWAT:
		*x = (int)sk->rare->rcvlowat;
		return 0;
	case SO_MARK:
		*x = (int)sk->rare->mark;
		return 0;
	case SO_SNDLOWAT: /* to read only, as on Linux */
		*x = 1;
		return 0;
	case SO_PRIORITY:
		*x = s->priority;
		return 0;
	case SO_ERROR:
		*x = -sock_take_error(sk);
		if (!*x)
			*x = -sock_take_soft_error(sk);
		return 0;
	case SO_TYPE:
		*x = s->type;
		return 0;
	case SO_DOMAIN:
		*x = s->family;
		return 0;
	case SO_PROTOCOL:
		*x = s->protocol;
		return 0;
	case SO_ACCEPTCONN:
		*x = s->type == SOCK_STREAM && sk->c.state == TCP_LISTEN;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_socket(struct socket *s, int name, void *v, socklen_t *n)
{
	struct linger l = {.l_onoff = (s->sk->flags & SOCK_LINGER) != 0,
			   .l_linger = s->sk->rare->linger_s};
	int x, err;

	switch (name) {
	case SO_LINGER:
		return put_value(&l, sizeof(l), v, n);
	case SO_RCVTIMEO:
		return put_timeo(&s->rcvtimeo, v, n);
	case SO_SNDTIMEO:
		return put_timeo(&s->sndtimeo, v, n);
	case SO_BINDTODEVICE:
		return get_device(s->sk, v, n);
	case SO_TIMESTAMPING:
		return sock_stamping_get(s->sk, v, n);
	}
	err = socket_int(s, name, &x);
	return err ? err : put_int(x, v, n);
}

int socket_getopt(struct socket *s, int level, int name, void *v, socklen_t *n)
{
	struct sock *sk = s->sk;
	int x, err = -ENOPROTOOPT;

	if ((int)*n < 0)
		return -EINVAL;
	sock_lock(sk);
	if (level == SOL_SOCKET)
		err = get_socket(s, name, v, n);
	else if (level == IPPROTO_IP)
		err = inet_sock_getopt(sk, name, v, n);
	else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && s->family == AF_INET6)
		err = put_int(socket_is_v6only(s), v, n);
	if (err == -ENOPROTOOPT && sk->ops->getopt)
		err = sk->ops->getopt(sk, level, name, v, n);
	if (err == -ENOPROTOOPT && stream_getopt(s, level, name, &x) == 0)
		err = put_int(x, v, n);
	socket_eventfd_settle(s); /* SO_ERROR has taken a reason away */
	sock_unlock(sk);
	return err;
}
