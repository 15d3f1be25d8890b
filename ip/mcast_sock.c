/*
 * ip/mcast_sock.c - the groups a sock is in, and where and how it sends to groups: ip(7)'s
 * IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_IF.  (IP_MULTICAST_LOOP and IP_MULTICAST_ALL are flags of
 * the sock, inet_opt.c.)
 *
 * Ranges, defaults and errors are Linux's.  All of it with the sock's lock held.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ip/ip_priv.h"
#include "ip/mcast.h"
#include "net/ifaddr.h"

/*
 * LOCKING
 *	l	lock of its sock
 */
struct mcast_member {
	struct mcast_member *next; /* l */
	struct netdev *dev;        /* l */
	struct ip_addr group;      /* l */
	struct ip_addr addr;       /* l: the device's, as the program named it; any: it did not */
};

/* What a program gives: an ip_mreqn, or the older ip_mreq, that has no device. */
struct mcast_req {
	struct ip_addr group, addr;
	uint32_t ifindex;
};

static int req_get(const void *v, socklen_t n, struct mcast_req *r)
{
	struct ip_mreqn q = {.imr_ifindex = 0};

	if (n < sizeof(struct ip_mreq))
		return -EINVAL;
	memcpy(&q, v, n < sizeof(q) ? sizeof(struct ip_mreq) : sizeof(q));
	r->group = ip_addr4(ntohl(q.imr_multiaddr.s_addr));
	r->addr = ip_addr4(ntohl(q.imr_address.s_addr));
	r->ifindex = (uint32_t)q.imr_ifindex;
	return 0;
}

/* By number, by an address of its own, else where the routes send the group. */
static struct netdev *req_device(struct stack *st, const struct mcast_req *r)
{
	struct route route;

	if (r->ifindex)
		return netdev_by_index(st, r->ifindex);
	if (!ip_addr_is_any(&r->addr))
		return ifaddr_owner(st, &r->addr);
	return route_lookup(st, &r->group, 0, &route) ? route.dev : NULL;
}

/* --- in and out -------------------------------------------------------------------------------- */

/* 0, or why there is no room for it: in it already, or in too many. */
static int member_room(const struct sock *sk, const struct netdev *dev, const struct ip_addr *group)
{
	int64_t n = 0;

	for (const struct mcast_member *m = sk->rare->groups; m; m = m->next, n++) {
		if (m->dev == dev && ip_addr_eq(&m->group, group))
			return -EADDRINUSE;
	}
	return n < sysctl_get(sk->stack, igmp_max_memberships) ? 0 : -ENOBUFS;
}

static int member_add(struct sock *sk, struct netdev *dev, const struct mcast_req *r)
{
	struct sock_rare *k = sock_rare_get(sk);
	struct mcast_member *m = k ? malloc(sizeof(*m)) : NULL;

	if (!m)
		return -ENOBUFS;
	if (mcast_join(dev, &r->group)) {
		free(m);
		return -ENOBUFS;
	}
	*m = (struct mcast_member){k->groups, dev, r->group, r->addr};
	k->groups = m;
	return 0;
}

static int mcast_sock_join(struct sock *sk, const void *v, socklen_t n)
{
	struct mcast_req r;
	struct netdev *dev;
	int err;

	if (sk->ops->type == SOCK_STREAM)
		return -EPROTO;
	err = req_get(v, n, &r);
	if (err)
		return err;
	if (!ip_addr_is_multicast(&r.group))
		return -EINVAL;
	dev = req_device(sk->stack, &r);
	if (!dev)
		return -ENODEV;
	err = member_room(sk, dev, &r.group);
	return err ? err : member_add(sk, dev, &r);
}

static void member_del(struct mcast_member **at)
{
	struct mcast_member *m = *at;

	*at = m->next;
	mcast_leave(m->dev, &m->group);
	free(m);
}

/* Where the device is known it must be that one, else the address as it was named. */
static bool member_is(const struct mcast_member *m, const struct mcast_req *r, uint32_t ifindex)
{
	if (!ip_addr_eq(&m->group, &r->group))
		return false;
	if (ifindex)
		return m->dev->ifindex == ifindex;
	return ip_addr_is_any(&r->addr) || ip_addr_eq(&m->addr, &r->addr);
}

static int mcast_sock_leave(struct sock *sk, const void *v, socklen_t n)
{
	struct mcast_member **at;
	struct mcast_req r;
	struct netdev *dev;
	uint32_t ifindex;
	int err;

	if (sk->ops->type == SOCK_STREAM)
		return -EPROTO;
	err = req_get(v, n, &r);
	if (err)
		return err;
	dev = req_device(sk->stack, &r);
	if (!dev && !r.ifindex && ip_addr_is_any(&r.addr))
		return -ENODEV;
	ifindex = dev ? dev->ifindex : r.ifindex;
	if (!sk->rare->groups)
		return -EADDRNOTAVAIL;
	for (at = &sk->rare_own->groups; *at; at = &(*at)->next) {
		if (member_is(*at, &r, ifindex)) {
			member_del(at);
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}

void mcast_sock_leave_all(struct sock *sk)
{
	assert(lock_is_held(&sk->c.lock));
	while (sk->rare->groups)
		member_del(&sk->rare_own->groups);
}

bool mcast_sock_wants(const struct sock *sk, const struct pkbuf *b)
{
	if ((sk->flags & SOCK_MCAST_ALL) || !ip_addr_is_multicast(&b->dst))
		return true;
	for (const struct mcast_member *m = sk->rare->groups; m; m = m->next) {
		if (m->dev == b->dev && ip_addr_eq(&m->group, &b->dst))
			return true;
	}
	return false;
}

/* --- sending ----------------------------------------------------------------------------------- */

/* By an in_addr, an ip_mreq or an ip_mreqn; nothing named: as the routes have it. */
static int if_get(const void *v, socklen_t n, struct mcast_req *r)
{
	struct in_addr a;

	if (n < sizeof(a))
		return -EINVAL;
	if (n >= sizeof(struct ip_mreq))
		return req_get(v, n, r);
	memcpy(&a, v, sizeof(a));
	*r = (struct mcast_req){.addr = ip_addr4(ntohl(a.s_addr))};
	return 0;
}

static int mcast_if_set(struct sock *sk, const void *v, socklen_t n)
{
	struct netdev *dev = NULL;
	struct sock_rare *k;
	struct mcast_req r;
	int err = sk->ops->type == SOCK_STREAM ? -EINVAL : if_get(v, n, &r);

	if (err)
		return err;
	if (r.ifindex || !ip_addr_is_any(&r.addr)) {
		dev = req_device(sk->stack, &r);
		if (!dev)
			return -EADDRNOTAVAIL;
		if (sk->c.ifindex && sk->c.ifindex != dev->ifindex)
			return -EINVAL;
	}
	k = sock_rare_get(sk);
	if (!k)
		return -ENOBUFS;
	k->mcast_ifindex = dev ? dev->ifindex : 0;
	k->mcast_addr = dev && !ip_addr_is_any(&r.addr) ? r.addr : ip_addr_any;
	if (sk->path) /* to the group it is connected to */
		path_put(sk->path);
	sk->path = NULL;
	return 0;
}

static int mcast_if_get(const struct sock *sk, void *v, socklen_t *n)
{
	struct in_addr a = {.s_addr = htonl(ip_addr_to4(&sk->rare->mcast_addr))};

	if (ip_addr_is_any(&sk->rare->mcast_addr))
		a.s_addr = 0;
	if (*n > sizeof(a))
		*n = sizeof(a);
	memcpy(v, &a, *n);
	return 0;
}

int mcast_sock_setopt(struct sock *sk, int name, const void *v, socklen_t n)
{
	switch (name) {
	case IP_ADD_MEMBERSHIP:
		return mcast_sock_join(sk, v, n);
	case IP_DROP_MEMBERSHIP:
		return mcast_sock_leave(sk, v, n);
	case IP_MULTICAST_IF:
		return mcast_if_set(sk, v, n);
	default:
		return -ENOPROTOOPT;
	}
}

int mcast_sock_getopt(struct sock *sk, int name, void *v, socklen_t *n)
{
	return name == IP_MULTICAST_IF ? mcast_if_get(sk, v, n) : -ENOPROTOOPT;
}
