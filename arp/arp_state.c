/*
 * arp/arp_state.c - the state of the room: made, registered with net, ended; and what it does when
 * a device goes down or changes its addresses.
 */
#include <assert.h>
#include <stdlib.h>

#include "arp/neigh_priv.h"
#include "net/ifaddr.h"

static int neigh_netdev_event(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a)
{
	switch (ev) {
	case NETDEV_EV_DOWN:
		acd_stop(dev, NULL);
		neigh_flush(dev->stack, dev);
		break;
	case NETDEV_EV_ADDR_DEL:
		acd_stop(dev, &a->addr);
		neigh_del(dev, &a->bcast);
		break;
	case NETDEV_EV_ADDR_ADD:
		neigh_del(dev, &a->bcast); /* it was a host's until now */
		break;
	case NETDEV_EV_UP:
	case NETDEV_EV_MTU:
	case NETDEV_EV_LINK:
	case NETDEV_EV_LOST:
		break;
	}
	return 0;
}

struct arp_state *arp_state_create(struct stack *st)
{
	struct arp_state *as = calloc(1, sizeof(*as));

	if (!as)
		return NULL;
	as->stack = st;
	for (unsigned i = 0; i < NEIGH_BUCKETS; i++)
		mutex_init(&as->bucket[i].lock, RANK_NEIGH);
	mutex_init(&as->acd_lock, RANK_NEIGH);
	mutex_init(&as->watch_lock, RANK_LEAF);
	st->arp = as;
	neigh_ops_register(st, &arp_neigh_ops);
	net_proto_register(st, &arp_proto);
	netdev_notify_register(st, neigh_netdev_event);
	return as;
}

/* Every user has put its references, and no thread is left. */
void arp_state_destroy(struct stack *st)
{
	struct arp_state *as = st->arp;

	if (!as)
		return;
	acd_fini(as);
	neigh_flush_every(st, NULL, true);
	for (unsigned i = 0; i < NEIGH_BUCKETS; i++)
		mutex_fini(&as->bucket[i].lock);
	mutex_fini(&as->acd_lock);
	mutex_fini(&as->watch_lock);
	free(as);
	st->arp = NULL;
}

void neigh_ops_register(struct stack *st, const struct neigh_ops *ops)
{
	assert(ops->solicit);
	st->arp->ops[ops->is4] = ops;
}

void neigh_unreachable_register(struct stack *st, neigh_unreachable_fn *fn)
{
	st->arp->unreachable = fn;
}
