/*
 * ip/path.c - the way to one destination: what kind of address it is, by which device, from which
 * source, to which next hop, how large (RFC 1122, 3.3.1 and 3.3.4).
 *
 * Own addresses go by the loop device whatever the routes say; broadcasts and multicast need a
 * device and no gateway; all else asks the route table and then what ICMP taught.
 */
#include <errno.h>

#include "ip/ip_priv.h"
#include "lib/cell.h"
#include "net/ifaddr.h"

/* --- kinds of addresses ----------------------------------------------------------------------- */

static bool netdev_is_up(const struct netdev *dev)
{
	return atomic_load_explicit(&dev->flags, memory_order_relaxed) & NETDEV_UP;
}

static bool netdev_speaks_arp(const struct netdev *dev)
{
	uint32_t flags = atomic_load_explicit(&dev->flags, memory_order_relaxed);

	return !(flags & (NETDEV_NOARP | NETDEV_LOOPBACK));
}

/* The device whose directed broadcast this is, the one that is asked for (0: any); NULL: none. */
static struct netdev *netdev_of_bcast(struct stack *st, const struct ip_addr *a, uint32_t ifindex)
{
	struct netdev *dev = ifindex ? netdev_by_index(st, ifindex) : NULL;

	if (ifindex)
		return dev && ifaddr_is_bcast(dev, a) ? dev : NULL;
	return ifaddr_find(st, a, &dev) == IFADDR_BCAST ? dev : NULL;
}

enum route_type ip_addr_type(struct stack *st, const struct ip_addr *a)
{
	struct netdev *dev;
	enum ifaddr_kind kind = ifaddr_find(st, a, &dev);

	if (kind != IFADDR_NONE)
		return kind == IFADDR_OWN ? ROUTE_LOCAL : ROUTE_BROADCAST;
	if (ip_addr_is_multicast(a))
		return ROUTE_MULTICAST;
	return ip_addr_is_bcast(a) ? ROUTE_BROADCAST : ROUTE_UNICAST;
}

/* --- the stages: each fills its part of p in, 0 or -errno ------------------------------------- */

/* Whose device a packet without a route leaves by: the one asked for, or the source's. */
static struct netdev *path_named_device(struct stack *st, const struct ip_flow *f)
{
	if (f->ifindex)
		return netdev_by_index(st, f->ifindex);
	if (!ip_addr_is_any(&f->src))
		return ifaddr_owner(st, &f->src);
	return NULL;
}

static int path_local(struct path *p, const struct ip_flow *f)
{
	struct netdev *lo = ifaddr_owner(p->stack, &ip_addr_loop4);

	if (!lo || !netdev_is_up(lo))
		return -ENETUNREACH;
	p->dev = lo;
	p->src = ip_addr_is_loopback(&f->dst) ? ip_addr_loop4 : f->dst;
	return 0;
}

/* Limited broadcast and multicast: by the named device, else where the routes send it. */
static int path_link_wide(struct path *p, const struct ip_flow *f)
{
	struct route r;

	p->dev = path_named_device(p->stack, f);
	if (!p->dev && f->ifindex)
		return -ENODEV;
	if (!p->dev && route_lookup(p->stack, &f->dst, 0, &r))
		p->dev = r.dev;
	return p->dev ? 0 : -ENETUNREACH;
}

static int path_broadcast(struct path *p, const struct ip_flow *f)
{
	int err = 0;

	if (ip_addr_is_bcast(&f->dst))
		err = path_link_wide(p, f);
	else
		p->dev = netdev_of_bcast(p->stack, &f->dst, f->ifindex);
	if (err || !p->dev)
		return err ? err : -ENETUNREACH;
	return f->broadcast ? 0 : -EACCES;
}

/* A device named without a route to it: the destination is taken to be on its link. */
static int path_without_route(struct path *p, const struct ip_flow *f)
{
	if (!f->ifindex)
		return -ENETUNREACH;
	p->dev = netdev_by_index(p->stack, f->ifindex);
	return p->dev ? 0 : -ENODEV;
}

static void path_metrics(struct path *p, const struct route *r)
{
	p->mtu = r->mtu;
	p->mtu_locked = r->mtu_lock;
	p->advmss = r->advmss;
	p->initcwnd = r->initcwnd;
}

static void path_learnt(struct path *p, const struct pmtu_info *known)
{
	if (p->mtu_locked)
		return;
	if (known->mtu && (!p->mtu || known->mtu < p->mtu))
		p->mtu = known->mtu;
	p->mtu_locked = known->locked;
}

static int path_unicast(struct path *p, const struct ip_flow *f)
{
	struct pmtu_info known = {.mtu = 0};
	struct route r;

	if (!route_lookup(p->stack, &f->dst, f->ifindex, &r))
		return path_without_route(p, f);
	if (r.type == ROUTE_BLACKHOLE)
		return -EINVAL;
	if (r.type == ROUTE_UNREACHABLE || !r.dev)
		return -EHOSTUNREACH;
	p->dev = r.dev;
	p->src = r.src;
	path_metrics(p, &r);
	if (pmtu_lookup(p->stack, &f->dst, &known))
		path_learnt(p, &known);
	if (!ip_addr_is_any(&r.gateway))
		p->nexthop = pmtu_first_hop(&known, &r);
	return 0;
}

static int path_device(struct path *p, const struct ip_flow *f)
{
	p->nexthop = f->dst;
	switch (p->type) {
	case ROUTE_LOCAL:
		return path_local(p, f);
	case ROUTE_BROADCAST:
		return path_broadcast(p, f);
	case ROUTE_MULTICAST:
		return path_link_wide(p, f);
	default:
		return path_unicast(p, f);
	}
}

/* An address of another device, when the outgoing one has none (the weak host model). */
static bool path_source_elsewhere(struct path *p, const struct ip_addr *dst)
{
	for (struct netdev *dev = NULL; (dev = netdev_next(p->stack, dev));) {
		if (netdev_speaks_arp(dev) && ifaddr_source(dev, dst, &p->src))
			return true;
	}
	return false;
}

/* The sender's own choice first; without any address only broadcasts may be sent (from 0.0.0.0). */
static int path_source(struct path *p, const struct ip_flow *f)
{
	bool leaves = !(p->dev->flags & NETDEV_LOOPBACK);

	if (!ip_addr_is_any(&f->src)) {
		if (!f->hdrincl && ip_addr_type(p->stack, &f->src) != ROUTE_LOCAL)
			return -EADDRNOTAVAIL;
		p->src = f->src;
	} else if (ip_addr_is_any(&p->src)) {
		if (!ifaddr_source(p->dev, &f->dst, &p->src) && !path_source_elsewhere(p, &f->dst))
			p->src = ip_addr_any4;
	}
	if (leaves && ip_addr_is_loopback(&p->src))
		return -EINVAL;
	if (p->type == ROUTE_UNICAST && ip_addr_is_any(&p->src))
		return -EADDRNOTAVAIL;
	return 0;
}

static int path_link(struct path *p)
{
	uint32_t mtu = atomic_load_explicit(&p->dev->mtu, memory_order_relaxed);

	if (!netdev_is_up(p->dev))
		return -ENETUNREACH;
	if (!p->mtu || p->mtu > mtu)
		p->mtu = mtu;
	if (p->type != ROUTE_UNICAST || !netdev_speaks_arp(p->dev))
		return 0;
	p->neigh = neigh_get(p->dev, &p->nexthop);
	return p->neigh ? 0 : -ENOBUFS;
}

/* --- paths ------------------------------------------------------------------------------------ */

static struct path *path_new(const struct path *made)
{
	struct path *p = cell_alloc(made->stack, sizeof(*p));

	if (p) {
		*p = *made;
		atomic_init(&p->ref, 1);
	} else if (made->neigh) {
		neigh_put(made->neigh);
	}
	return p;
}

static int path_check(const struct ip_flow *f)
{
	if (ip_addr_is_any(&f->dst))
		return -EINVAL;
	return ip_addr_is4(&f->dst) ? 0 : -EAFNOSUPPORT;
}

struct path *path_get(struct stack *st, const struct ip_flow *f, int *err)
{
	struct path p = {.stack = st, .generation = route_generation(st), .src = ip_addr_any};
	struct path *made;

	*err = path_check(f);
	if (*err)
		return NULL;
	p.type = (uint8_t)ip_addr_type(st, &f->dst);
	*err = path_device(&p, f);
	if (!*err)
		*err = path_source(&p, f);
	if (!*err)
		*err = path_link(&p);
	if (*err)
		return NULL;
	made = path_new(&p);
	*err = made ? 0 : -ENOBUFS;
	return made;
}

struct path *path_get_forward(struct stack *st, const struct ip_addr *dst, int *err)
{
	struct path p = {.stack = st, .generation = route_generation(st), .src = ip_addr_any};
	struct path *made;
	struct route r;

	p.type = ROUTE_UNICAST;
	*err = -ENETUNREACH;
	if (!route_lookup(st, dst, 0, &r))
		return NULL;
	*err = r.type == ROUTE_BLACKHOLE ? -EINVAL : -EHOSTUNREACH;
	if (r.type != ROUTE_UNICAST || !r.dev)
		return NULL;
	p.dev = r.dev;
	p.mtu = r.mtu;
	p.nexthop = ip_addr_is_any(&r.gateway) ? *dst : r.gateway;
	*err = path_link(&p);
	if (*err)
		return NULL;
	made = path_new(&p);
	*err = made ? 0 : -ENOBUFS;
	return made;
}

struct path *path_hold(struct path *p)
{
	atomic_fetch_add_explicit(&p->ref, 1, memory_order_relaxed);
	return p;
}

void path_put(struct path *p)
{
	if (atomic_fetch_sub_explicit(&p->ref, 1, memory_order_acq_rel) > 1)
		return;
	if (p->neigh)
		neigh_put(p->neigh);
	cell_free(p->stack, p, sizeof(*p));
}

bool path_is_current(const struct path *p)
{
	return p->generation == route_generation(p->stack) &&
	       !(p->neigh && neigh_is_dead(p->neigh));
}

bool path_takes_big(const struct path *p, const struct ip_addr *dst)
{
	return (p->dev->features & NETDEV_F_BIG) && p->neigh && ip_addr_eq(&p->nexthop, dst) &&
	       sysctl_get(p->stack, big) && neigh_is_at(p->neigh, p->dev->host);
}
