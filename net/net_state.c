/*
 * net/net_state.c - the net state of a stack: its devices' list, what rooms above registered.
 *
 * The list only grows, at its end, and is read without a lock; a device lives until its stack ends.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "net/net_priv.h"

struct net_state *net_state_create(struct stack *st)
{
	struct net_state *net = calloc(1, sizeof(*net));

	if (!net)
		return NULL;
	net->stack = st;
	net->depot = depot_create(st);
	if (!net->depot) {
		free(net);
		return NULL;
	}
	mutex_init(&net->dev_lock, RANK_DEV);
	mutex_init(&net->capture_lock, RANK_LEAF);
	mutex_init(&net->table_lock, RANK_LEAF);
	st->net = net;
	return net;
}

void net_state_destroy(struct stack *st)
{
	struct net_state *net = st->net;
	struct netdev *dev, *next;

	for (dev = netdev_next(st, NULL); dev; dev = netdev_next(st, dev))
		netdev_close(dev);
	for (dev = netdev_next(st, NULL); dev; dev = next) {
		next = netdev_next(st, dev);
		netdev_free(dev);
	}
	ifaddr_tables_free(net);
	depot_destroy(net->depot);
	mutex_fini(&net->table_lock);
	mutex_fini(&net->capture_lock);
	mutex_fini(&net->dev_lock);
	st->net = NULL;
	free(net);
}

/* --- what rooms above registered -------------------------------------------------------------- */

void net_proto_register(struct stack *st, const struct net_proto *p)
{
	struct net_state *net = st->net;

	assert(p->in && net->nproto < NET_PROTO_MAX);
	net->proto[net->nproto++] = p;
}

void net_proto_in(struct pkbuf *b, uint16_t type)
{
	struct net_state *net = b->stack->net;

	for (unsigned i = 0; i < net->nproto; i++) {
		if (net->proto[i]->type == type) {
			net->proto[i]->in(b);
			return;
		}
	}
	pkbuf_drop(b, DROP_NO_L3);
}

void netdev_notify_register(struct stack *st, netdev_notify_fn *fn)
{
	struct net_state *net = st->net;

	assert(net->nnotify < NET_NOTIFY_MAX);
	net->notify[net->nnotify++] = fn;
}

int netdev_notify(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a)
{
	struct net_state *net = dev->stack->net;
	int r, err = 0;

	for (unsigned i = 0; i < net->nnotify; i++) {
		r = net->notify[i](dev, ev, a);
		err = err ? err : r;
	}
	return err;
}

/* --- the list --------------------------------------------------------------------------------- */

struct netdev *netdev_next(struct stack *st, struct netdev *dev)
{
	return atomic_load_explicit(dev ? &dev->next : &st->net->devs, memory_order_acquire);
}

struct netdev *netdev_by_name(struct stack *st, const char *name)
{
	struct netdev *dev;

	for (dev = netdev_next(st, NULL); dev; dev = netdev_next(st, dev)) {
		if (strcmp(dev->name, name) == 0)
			break;
	}
	return dev;
}

struct netdev *netdev_by_index(struct stack *st, uint32_t ifindex)
{
	struct netdev *dev;

	for (dev = netdev_next(st, NULL); dev; dev = netdev_next(st, dev)) {
		if (dev->ifindex == ifindex)
			break;
	}
	return dev;
}

int netdev_register(struct netdev *dev)
{
	struct net_state *net = dev->stack->net;
	_Atomic(struct netdev *) *end = &net->devs;
	int r = 0;

	assert(dev->ops->kind && dev->ops->xmit && dev->link->in && dev->link->out);
	mutex_lock(&net->dev_lock);
	for (; *end && r == 0; end = &(*end)->next) {
		if (strcmp((*end)->name, dev->name) == 0)
			r = -EEXIST;
	}
	if (r == 0) {
		dev->ifindex = ++net->last_ifindex;
		if ((dev->flags & NETDEV_LOOPBACK) && !net->lo)
			net->lo = dev;
		atomic_store_explicit(end, dev, memory_order_release);
	}
	mutex_unlock(&net->dev_lock);
	return r;
}

/* --- alarms of a device ----------------------------------------------------------------------- */

void netdev_alarm_add(struct netdev *dev, struct netdev_alarm *a, void (*fire)(void *arg),
		      void *arg)
{
	struct mutex *lock = &dev->stack->net->dev_lock;

	atomic_init(&a->alarm.when, ENV_NEVER);
	a->alarm.fire = fire;
	a->alarm.arg = arg;
	mutex_lock(lock);
	atomic_init(&a->alarm.sleeper, atomic_load(&dev->queue[0].reader));
	a->next = dev->alarms;
	dev->alarms = a;
	mutex_unlock(lock);
	env_alarm_add(dev->stack->env, &a->alarm);
}

void netdev_alarm_del(struct netdev *dev, struct netdev_alarm *a)
{
	struct mutex *lock = &dev->stack->net->dev_lock;
	struct netdev_alarm **p = &dev->alarms;

	env_alarm_del(dev->stack->env, &a->alarm);
	mutex_lock(lock);
	while (*p && *p != a)
		p = &(*p)->next;
	if (*p)
		*p = a->next;
	mutex_unlock(lock);
}

void netdev_alarms_adopt(struct netdev *dev, struct waiter *w)
{
	struct mutex *lock = &dev->stack->net->dev_lock;

	mutex_lock(lock);
	atomic_store(&dev->queue[0].reader, w);
	for (struct netdev_alarm *a = dev->alarms; a; a = a->next)
		atomic_store(&a->alarm.sleeper, w);
	mutex_unlock(lock);
}
