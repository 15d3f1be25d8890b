/*
 * ip/inet_opt.c - the IP_ options every protocol shares (ip(7)), by one table.
 *
 * What only datagrams have answers ENOPROTOOPT on a stream.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "ip/ip_priv.h"
#include "ip/mcast.h"
#include "lib/stack.h"

/* An option that is one number.  A setter gets it checked against min..max. */
struct inet_opt {
	int name, min, max;
	void (*set)(struct sock *sk, int v); /* NULL: read only */
	int (*get)(struct sock *sk);         /* or -errno */
};

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3 */
#endif

/* One that is a flag of the sock. */
struct inet_flag {
	int name;
	uint32_t flag;
	enum { OF_ALL, OF_STREAMS, OF_OTHERS } whose;
};

static void opt_tos_set(struct sock *sk, int v)
{
	if (sk->ops->type == SOCK_STREAM)
		v = (v & ~(int)IP_ECN) | (sk->tos & (int)IP_ECN);
	sk->tos = (uint8_t)v;
}

static int opt_tos_get(struct sock *sk)
{
	return sk->tos;
}

static void opt_ttl_set(struct sock *sk, int v)
{
	sk->ttl = v < 0 ? 0 : (uint8_t)v;
}

static int opt_ttl_get(struct sock *sk)
{
	return sock_ttl(sk);
}

static void opt_minttl_set(struct sock *sk, int v)
{
	sk->c.minttl = (uint8_t)v;
}

static int opt_minttl_get(struct sock *sk)
{
	return sk->c.minttl;
}

static void opt_pmtudisc_set(struct sock *sk, int v)
{
	sk->pmtudisc = (uint8_t)v;
}

static int opt_pmtudisc_get(struct sock *sk)
{
	return sk->pmtudisc;
}

static int opt_mtu_get(struct sock *sk)
{
	struct path *p;
	int err;

	if (ip_addr_is_any(&sk->c.raddr))
		return -ENOTCONN;
	p = sock_path(sk, &err);
	return p ? (int)p->mtu : err;
}

static int opt_mcast_ttl_get(struct sock *sk)
{
	return sk->rare->mcast_ttl;
}

static const struct inet_opt inet_opts[] = {
    {IP_TOS, INT_MIN, INT_MAX, opt_tos_set, opt_tos_get}, /* one byte of it (Linux) */
    {IP_TTL, -1, 255, opt_ttl_set, opt_ttl_get},
    {IP_MINTTL, 0, 255, opt_minttl_set, opt_minttl_get},
    {IP_MTU_DISCOVER, PMTUDISC_DONT, PMTUDISC_OMIT, opt_pmtudisc_set, opt_pmtudisc_get},
    {IP_MTU, 0, 0, NULL, opt_mtu_get},
    {IP_MULTICAST_TTL, 0, 0, NULL, opt_mcast_ttl_get}, /* inet_mcast_ttl_set() */
};

static const struct inet_flag inet_flags[] = {
    {IP_RECVERR, SOCK_RECVERR, OF_ALL},
    {IP_FREEBIND, SOCK_FREEBIND, OF_ALL},
    {IP_BIND_ADDRESS_NO_PORT, SOCK_BIND_NO_PORT, OF_STREAMS},
    {IP_PKTINFO, SOCK_PKTINFO, OF_OTHERS},
    {IP_RECVTTL, SOCK_RECVTTL, OF_OTHERS},
    {IP_RECVTOS, SOCK_RECVTOS, OF_OTHERS},
    {IP_MULTICAST_LOOP, SOCK_MCAST_LOOP, OF_ALL},
    {IP_MULTICAST_ALL, SOCK_MCAST_ALL, OF_ALL},
};

/* 0: not one of them, or not for this sock. */
static uint32_t inet_flag_find(const struct sock *sk, int name)
{
	int other = sk->ops->type == SOCK_STREAM ? OF_OTHERS : OF_STREAMS;

	for (size_t i = 0; i < sizeof(inet_flags) / sizeof(inet_flags[0]); i++) {
		const struct inet_flag *f = &inet_flags[i];

		if (f->name == name)
			return (int)f->whose == other ? 0 : f->flag;
	}
	return 0;
}

static void inet_flag_set(struct sock *sk, uint32_t flag, bool on)
{
	sk->flags = on ? sk->flags | flag : sk->flags & ~flag;
	if (flag == SOCK_RECVERR && !on && sk->ops->type != SOCK_STREAM)
		dgram_errors_purge(sk);
}

static const struct inet_opt *inet_opt_find(int name)
{
	for (size_t i = 0; i < sizeof(inet_opts) / sizeof(inet_opts[0]); i++) {
		if (inet_opts[i].name == name)
			return &inet_opts[i];
	}
	return NULL;
}

/* An int, or, as ip(7) programs do, one byte. */
static int inet_opt_int(const void *v, socklen_t n, int *out)
{
	if (n >= sizeof(int))
		memcpy(out, v, sizeof(int));
	else if (n >= 1)
		*out = *(const uint8_t *)v;
	else
		return -EINVAL;
	return 0;
}

/* Linux: to these nothing is 0, to others it is wrong. */
static bool inet_opt_takes_nothing(int name)
{
	return name == IP_TOS || name == IP_PKTINFO || name == IP_MTU_DISCOVER ||
	       name == IP_RECVERR || name == IP_RECVTTL || name == IP_RECVTOS ||
	       name == IP_BIND_ADDRESS_NO_PORT;
}

/* A source route would need another destination on the wire than for the checksum: not offered. */
static int inet_options_check(const uint8_t *opt, unsigned len)
{
	int err = ip_options_check(opt, len);
	struct ip4_opts o;

	if (err)
		return err;
	ip_opts_parse(opt, len, &o);
	return o.srr ? -EOPNOTSUPP : 0;
}

/* IP_OPTIONS: kept padded to a multiple of 4; none: taken away. */
static int inet_options_set(struct sock *sk, const void *v, socklen_t n)
{
	uint8_t *opt = NULL;
	unsigned len = (n + 3u) & ~3u;
	struct sock_rare *k;
	int err;

	if (n > IP_OPTIONS_MAX)
		return -EINVAL;
	if (n) {
		opt = calloc(1, len); /* the padding is end of list, RFC 791, 3.1 */
		if (!opt)
			return -ENOMEM;
		memcpy(opt, v, n);
		err = inet_options_check(opt, len);
		if (err) {
			free(opt);
			return err;
		}
	}
	k = sock_rare_get(sk);
	if (!k) {
		free(opt);
		return -ENOBUFS;
	}
	free(k->opt);
	k->opt = opt;
	k->optlen = (uint8_t)len;
	if (sk->path)
		sk->path->mtu_seen = false;
	return 0;
}

static int inet_options_get(struct sock *sk, void *v, socklen_t *n)
{
	if (*n > sk->rare->optlen)
		*n = sk->rare->optlen;
	if (*n)
		memcpy(v, sk->rare->opt, *n);
	return 0;
}

/* IP_LOCAL_PORT_RANGE: the lowest in the lower half, the highest in the upper; 0: as the stack's. */
static int inet_range_set(struct sock *sk, const void *v, socklen_t n)
{
	struct sock_rare *k;
	uint32_t range;

	if (n != sizeof(range))
		return -EINVAL;
	memcpy(&range, v, sizeof(range));
	if ((range & 0xffff) && range >> 16 && (range & 0xffff) > range >> 16)
		return -EINVAL;
	k = sock_rare_get(sk);
	if (!k)
		return -ENOBUFS;
	k->port_range = range;
	return 0;
}

static int inet_range_get(const struct sock *sk, void *v, socklen_t *n)
{
	if (*n > sizeof(sk->rare->port_range))
		*n = sizeof(sk->rare->port_range);
	memcpy(v, &sk->rare->port_range, *n);
	return 0;
}

/* RFC 1112, 6.1: how far what goes to a group may go; -1 is the default, 1; 0: to this host's members alone. */
static int inet_mcast_ttl_set(struct sock *sk, const void *v, socklen_t n)
{
	int ttl = 0, err = sk->ops->type == SOCK_STREAM ? -EINVAL : inet_opt_int(v, n, &ttl);
	struct sock_rare *k;

	if (err)
		return err;
	if (ttl < -1 || ttl > 255)
		return -EINVAL;
	k = sock_rare_get(sk);
	if (!k)
		return -ENOBUFS;
	k->mcast_ttl = ttl < 0 ? 1 : (uint8_t)ttl;
	return 0;
}

int inet_sock_setopt(struct sock *sk, int name, const void *v, socklen_t n)
{
	const struct inet_opt *o = inet_opt_find(name);
	uint32_t flag = inet_flag_find(sk, name);
	int x = 0, err;

	assert(lock_is_held(&sk->c.lock));
	if (name == IP_OPTIONS)
		return inet_options_set(sk, v, n);
	if (name == IP_MULTICAST_TTL)
		return inet_mcast_ttl_set(sk, v, n);
	if (name == IP_LOCAL_PORT_RANGE)
		return inet_range_set(sk, v, n);
	if (!flag && (!o || !o->set))
		return mcast_sock_setopt(sk, name, v, n);
	err = n || !inet_opt_takes_nothing(name) ? inet_opt_int(v, n, &x) : 0;
	if (err)
		return err;
	if (flag == SOCK_MCAST_ALL && x != 0 && x != 1)
		return -EINVAL;
	if (flag) {
		inet_flag_set(sk, flag, x != 0);
		return 0;
	}
	if (x < o->min || x > o->max || (name == IP_TTL && x == 0))
		return -EINVAL;
	o->set(sk, x);
	return 0;
}

int inet_sock_getopt(struct sock *sk, int name, void *v, socklen_t *n)
{
	const struct inet_opt *o = inet_opt_find(name);
	uint32_t flag = inet_flag_find(sk, name);
	int x;

	assert(lock_is_held(&sk->c.lock));
	if (name == IP_OPTIONS)
		return inet_options_get(sk, v, n);
	if (name == IP_LOCAL_PORT_RANGE)
		return inet_range_get(sk, v, n);
	if (!flag && !o)
		return mcast_sock_getopt(sk, name, v, n);
	x = flag ? (sk->flags & flag) != 0 : o->get(sk);
	if (x < 0)
		return x;
	/* who asks with less than an int has a byte in mind */
	if (*n > 0 && *n < sizeof(int) && x <= 255) {
		*(uint8_t *)v = (uint8_t)x;
		*n = 1;
		return 0;
	}
	if (*n > sizeof(int))
		*n = sizeof(int);
	memcpy(v, &x, *n);
	return 0;
}
