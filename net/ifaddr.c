/*
 * net/ifaddr.c - the addresses of devices, of both families.
 *
 * Each device has a list in the order of adding.  For the one question asked of every received
 * packet, whose address is it, there is a table of all and their directed broadcasts by hash, read without a lock: a change
 * makes a new table, and old ones are kept until the stack ends, for a reader may still be in them.
 */
#include "net/ifaddr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "net/net_priv.h"

#define BUCKET_BITS 6
#define BUCKETS (1u << BUCKET_BITS)

struct owned {
	struct ip_addr addr;
	struct netdev *dev;
	bool bcast; /* its directed broadcast, not its own */
};

/* LOCKING: constant once published. */
struct ifaddr_table {
	struct ifaddr_table *old; /* the one before, kept for its readers */
	unsigned n;
	unsigned first[BUCKETS + 1]; /* where a bucket begins in e[]; the last is n */
	struct owned e[];            /* by bucket, own ones first, then in the order of adding */
};

/* --- the table of all ------------------------------------------------------------------------- */

/* IPv4 addresses, and those of a link, differ in the last word. */
static unsigned addr_bucket(const struct ip_addr *a)
{
	return a->w[3] * 0x9e3779b1u >> (32 - BUCKET_BITS);
}

/* The first entry of an address; NULL: there is none. */
static const struct owned *table_find(const struct ifaddr_table *t, const struct ip_addr *a)
{
	unsigned k = addr_bucket(a);

	for (unsigned i = t->first[k]; i < t->first[k + 1]; i++) {
		if (ip_addr_eq(&t->e[i].addr, a))
			return &t->e[i];
	}
	return NULL;
}

static struct ifaddr_table *table_next(struct ifaddr_table *old, unsigned n)
{
	struct ifaddr_table *t = malloc(sizeof(*t) + n * sizeof(t->e[0]));

	if (!t)
		return NULL;
	t->old = old;
	t->n = n;
	return t;
}

static struct ifaddr_table *table_current(struct net_state *net)
{
	return atomic_load_explicit(&net->addrs, memory_order_acquire);
}

/* All of e[] is there. */
static void table_publish(struct net_state *net, struct ifaddr_table *t)
{
	unsigned i = 0;

	for (unsigned k = 0; k < BUCKETS; k++) {
		t->first[k] = i;
		while (i < t->n && addr_bucket(&t->e[i].addr) == k)
			i++;
	}
	t->first[BUCKETS] = t->n;
	atomic_store_explicit(&net->addrs, t, memory_order_release);
}

/* Where `one` is to stand: behind those of its kind. */
static unsigned table_room(const struct ifaddr_table *t, const struct owned *one)
{
	unsigned k = addr_bucket(&one->addr), i = t->first[k];

	while (i < t->first[k + 1] && t->e[i].bcast <= one->bcast)
		i++;
	return i;
}

static int table_add(const struct owned *one)
{
	struct net_state *net = one->dev->stack->net;
	struct ifaddr_table *old, *t;
	unsigned i, n;

	mutex_lock(&net->table_lock);
	old = table_current(net);
	n = old ? old->n : 0;
	t = table_next(old, n + 1);
	if (t) {
		i = old ? table_room(old, one) : 0;
		if (old) {
			memcpy(t->e, old->e, i * sizeof(t->e[0]));
			memcpy(t->e + i + 1, old->e + i, (n - i) * sizeof(t->e[0]));
		}
		t->e[i] = *one;
		table_publish(net, t);
	}
	mutex_unlock(&net->table_lock);
	return t ? 0 : -ENOMEM;
}

/* The entry that is as `one`, which is there; the table's end without one. */
static unsigned table_place(const struct ifaddr_table *t, const struct owned *one)
{
	unsigned i = t->first[addr_bucket(&one->addr)];

	while (i < t->n && (t->e[i].dev != one->dev || t->e[i].bcast != one->bcast ||
			    !ip_addr_eq(&t->e[i].addr, &one->addr)))
		i++;
	return i;
}

/* Both at once, so that nothing is left when there is no memory. */
static int table_del(struct netdev *dev, const struct ifaddr *ia)
{
	struct owned own = {ia->addr, dev, false}, bcast = {ia->bcast, dev, true};
	struct net_state *net = dev->stack->net;
	struct ifaddr_table *old, *t;
	unsigned at, too, n = 0;

	mutex_lock(&net->table_lock);
	old = table_current(net);
	at = table_place(old, &own);
	too = ip_addr_is_any(&ia->bcast) ? old->n : table_place(old, &bcast);
	t = table_next(old, old->n - 1 - (too < old->n));
	if (t) {
		for (unsigned i = 0; i < old->n; i++) {
			if (i != at && i != too)
				t->e[n++] = old->e[i];
		}
		table_publish(net, t);
	}
	mutex_unlock(&net->table_lock);
	return t ? 0 : -ENOMEM;
}

void ifaddr_tables_free(struct net_state *net)
{
	struct ifaddr_table *t = table_current(net), *old;

	for (; t; t = old) {
		old = t->old;
		free(t);
	}
	atomic_store(&net->addrs, NULL);
}

enum ifaddr_kind ifaddr_find(struct stack *st, const struct ip_addr *a, struct netdev **dev)
{
	const struct ifaddr_table *t;
	const struct owned *o;

	*dev = NULL;
	if (ip_addr_is_loopback(a)) {
		*dev = atomic_load_explicit(&st->net->lo, memory_order_acquire);
		return IFADDR_OWN;
	}
	t = table_current(st->net);
	o = t ? table_find(t, a) : NULL;
	if (!o)
		return IFADDR_NONE;
	*dev = o->dev;
	return o->bcast ? IFADDR_BCAST : IFADDR_OWN;
}

struct netdev *ifaddr_owner(struct stack *st, const struct ip_addr *a)
{
	struct netdev *dev;

	return ifaddr_find(st, a, &dev) == IFADDR_OWN ? dev : NULL;
}

/* --- a device's list -------------------------------------------------------------------------- */

/* The link that points to a's entry, or the list's end. */
static struct ifaddr **list_find(struct netdev *dev, const struct ip_addr *a)
    REQUIRES(dev->addr_lock)
{
	struct ifaddr **p = &dev->addrs;

	while (*p && !ip_addr_eq(&(*p)->addr, a))
		p = &(*p)->next;
	return p;
}

/* Subnets with a directed broadcast: RFC 3021 took it from a /31, a /32 has no other host. */
static bool has_bcast(const struct netdev *dev, const struct ip_addr *a, unsigned prefix)
{
	return ip_addr_is4(a) && prefix <= IP_PREFIX4(30) && !(dev->flags & NETDEV_LOOPBACK);
}

/* RFC 1122, 3.2.1.3: what may be a host's own address on this device. */
static bool is_valid(const struct netdev *dev, const struct ip_addr *a, unsigned prefix)
{
	struct ip_addr end;

	if (prefix > 128 || (ip_addr_is4(a) && prefix < IP_PREFIX4(0)))
		return false;
	if (ip_addr_is_any(a) || ip_addr_is_multicast(a) || ip_addr_is_bcast(a) ||
	    ip_addr_is_class_e(a))
		return false;
	if (ip_addr_is_loopback(a) && !(dev->flags & NETDEV_LOOPBACK))
		return false;
	if (!has_bcast(dev, a, prefix))
		return true;
	end = ip_addr_bcast_of(a, prefix);
	if (ip_addr_eq(a, &end))
		return false;
	end = ip_addr_mask(a, prefix);
	return !ip_addr_eq(a, &end);
}

/* The table learns of an address, or of nothing. */
static int list_tell(struct netdev *dev, const struct ifaddr *ia)
{
	struct ifaddr own = {.addr = ia->addr, .bcast = ip_addr_any};
	int r = table_add(&(struct owned){ia->addr, dev, false});

	if (r < 0 || ip_addr_is_any(&ia->bcast))
		return r;
	r = table_add(&(struct owned){ia->bcast, dev, true});
	if (r < 0)
		table_del(dev, &own);
	return r;
}

/* Puts a copy of `one` at the list's end and into the table. */
static int list_add(struct netdev *dev, const struct ifaddr *one)
{
	struct ifaddr **p, *ia = malloc(sizeof(*ia));
	int r = -EEXIST;

	if (!ia)
		return -ENOMEM;
	*ia = *one;
	mutex_lock(&dev->addr_lock);
	p = list_find(dev, &one->addr);
	if (!*p) {
		r = list_tell(dev, ia);
		if (r == 0)
			*p = ia;
	}
	mutex_unlock(&dev->addr_lock);
	if (r < 0)
		free(ia);
	return r;
}

int ifaddr_add(struct netdev *dev, const struct ip_addr *a, unsigned prefix)
{
	struct ifaddr one = {.addr = *a, .prefix = prefix, .bcast = ip_addr_any};
	int r;

	if (!is_valid(dev, a, prefix))
		return -EINVAL;
	if (has_bcast(dev, a, prefix))
		one.bcast = ip_addr_bcast_of(a, prefix);
	r = list_add(dev, &one);
	if (r < 0)
		return r;
	r = netdev_notify(dev, NETDEV_EV_ADDR_ADD, &one);
	if (r < 0)
		ifaddr_del(dev, a);
	return r;
}

int ifaddr_del(struct netdev *dev, const struct ip_addr *a)
{
	struct ifaddr **p, *ia, one;
	int r = -EADDRNOTAVAIL;

	mutex_lock(&dev->addr_lock);
	p = list_find(dev, a);
	ia = *p;
	if (ia)
		r = table_del(dev, ia);
	if (r == 0)
		*p = ia->next;
	mutex_unlock(&dev->addr_lock);
	if (r < 0)
		return r;
	one = *ia;
	one.next = NULL;
	free(ia);
	netdev_notify(dev, NETDEV_EV_ADDR_DEL, &one);
	return 0;
}

void ifaddr_free_all(struct netdev *dev)
{
	struct ifaddr *ia, *next;

	for (ia = dev->addrs; ia; ia = next) {
		next = ia->next;
		free(ia);
	}
	dev->addrs = NULL;
}

bool ifaddr_nth(struct netdev *dev, unsigned i, struct ifaddr *out)
{
	struct ifaddr *ia;

	mutex_lock(&dev->addr_lock);
	ia = dev->addrs;
	while (ia && i-- > 0)
		ia = ia->next;
	if (ia) {
		*out = *ia;
		out->next = NULL;
	}
	mutex_unlock(&dev->addr_lock);
	return ia != NULL;
}

bool ifaddr_source(struct netdev *dev, const struct ip_addr *dst, struct ip_addr *src)
{
	bool four = ip_addr_is4(dst);
	struct ifaddr *ia, *best = NULL;

	mutex_lock(&dev->addr_lock);
	for (ia = dev->addrs; ia; ia = ia->next) {
		if (ip_addr_is4(&ia->addr) != four)
			continue;
		if (!best)
			best = ia;
		if (ip_addr_match(dst, &ia->addr, ia->prefix)) {
			best = ia;
			break;
		}
	}
	if (best)
		*src = best->addr;
	mutex_unlock(&dev->addr_lock);
	return best != NULL;
}

bool ifaddr_is_bcast(struct netdev *dev, const struct ip_addr *a)
{
	struct ifaddr *ia;

	if (!ip_addr_is4(a))
		return false;
	mutex_lock(&dev->addr_lock);
	for (ia = dev->addrs; ia; ia = ia->next) {
		if (ip_addr_eq(&ia->bcast, a))
			break;
	}
	mutex_unlock(&dev->addr_lock);
	return ia != NULL;
}
