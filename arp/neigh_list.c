/*
 * arp/neigh_list.c - the cache as a person at the shell sees and changes it: listing, permanent
 * entries, deletion.
 */
#include <errno.h>

#include "arp/neigh_priv.h"

const char *neigh_nud_text(enum neigh_nud s)
{
	static const char *const text[] = {
	    [NUD_NONE] = "NONE",           [NUD_INCOMPLETE] = "INCOMPLETE", [NUD_STALE] = "STALE",
	    [NUD_REACHABLE] = "REACHABLE", [NUD_DELAY] = "DELAY",           [NUD_PROBE] = "PROBE",
	    [NUD_FAILED] = "FAILED",       [NUD_PERMANENT] = "PERMANENT",   [NUD_NOARP] = "NOARP",
	    [NUD_DEAD] = "DEAD",
	};

	return text[s];
}

static uint64_t neigh_ago(uint64_t now, uint64_t at)
{
	if (at == 0)
		return ENV_NEVER;
	return now > at ? now - at : 0;
}

static void neigh_describe(struct neigh *n, struct neigh_info *out) REQUIRES(n->bucket->lock)
{
	uint64_t now = neigh_now(n);

	out->addr = n->addr;
	neigh_mac(n, out->mac);
	memcpy(out->dev, n->dev->name, NETDEV_NAME);
	out->state = neigh_nud(n);
	out->refs = atomic_load(&n->refs);
	out->probes = n->probes;
	out->held = n->held.count;
	out->held_bytes = n->held_bytes;
	out->used = neigh_ago(now, atomic_load_explicit(&n->used, memory_order_relaxed));
	out->confirmed = neigh_ago(now, atomic_load_explicit(&n->confirmed, memory_order_relaxed));
	out->updated = neigh_ago(now, n->updated);
}

NO_LOCK_ANALYSIS unsigned neigh_list(struct stack *st, struct neigh_info *out, unsigned max)
{
	unsigned count = 0;

	for (unsigned i = 0; i < NEIGH_BUCKETS; i++) {
		struct neigh_bucket *bk = &st->arp->bucket[i];

		mutex_lock(&bk->lock);
		for (struct neigh *n = bk->head; n; n = n->next) {
			if (count < max)
				neigh_describe(n, &out[count]);
			count++;
		}
		mutex_unlock(&bk->lock);
	}
	return count;
}

int neigh_add_permanent(struct netdev *dev, const struct ip_addr *a, const uint8_t *mac)
{
	struct neigh *n;
	int err = 0;

	if (neigh_dev_is_noarp(dev) || mac_is_group(mac) || ip_addr_is_any(a))
		return -EINVAL;
	n = neigh_find(dev, a, true);
	if (!n)
		return -ENOBUFS;
	mutex_lock(&n->bucket->lock);
	if (neigh_nud(n) == NUD_NOARP)
		err = -EINVAL;
	else if (neigh_nud(n) == NUD_DEAD)
		err = -ENOBUFS; /* taken off again by another thread */
	else
		neigh_set(n, NUD_PERMANENT, mac);
	mutex_unlock(&n->bucket->lock);
	neigh_drain(n);
	neigh_put(n);
	return err;
}

int neigh_del(struct netdev *dev, const struct ip_addr *a)
{
	struct neigh *n = neigh_find(dev, a, false);
	struct pkq held;
	bool gone;

	if (!n)
		return -ENOENT;
	pkq_init(&held);
	mutex_lock(&n->bucket->lock);
	gone = neigh_nud(n) != NUD_DEAD;
	if (gone)
		neigh_remove(n, &held);
	mutex_unlock(&n->bucket->lock);
	neigh_drop_held(&held, DROP_NEIGH_FAILED);
	if (gone)
		neigh_put(n);
	neigh_put(n);
	return gone ? 0 : -ENOENT;
}

/* Takes those of a bucket off; returns them chained, each with the table's reference. */
static NO_LOCK_ANALYSIS struct neigh *neigh_flush_bucket(struct neigh_bucket *bk,
							 struct netdev *dev, bool permanent_too,
							 struct pkq *held)
{
	struct neigh *n, *next, *gone = NULL;

	mutex_lock(&bk->lock);
	for (n = bk->head; n; n = next) {
		next = n->next;
		if ((dev && n->dev != dev) || (neigh_nud(n) == NUD_PERMANENT && !permanent_too))
			continue;
		neigh_remove(n, held);
		n->next = gone;
		gone = n;
	}
	mutex_unlock(&bk->lock);
	return gone;
}

void neigh_flush_every(struct stack *st, struct netdev *dev, bool permanent_too)
{
	struct neigh *gone, *next;
	struct pkq held;

	pkq_init(&held);
	for (unsigned i = 0; i < NEIGH_BUCKETS; i++) {
		gone = neigh_flush_bucket(&st->arp->bucket[i], dev, permanent_too, &held);
		for (; gone; gone = next) {
			next = gone->next;
			neigh_put(gone);
		}
	}
	neigh_drop_held(&held, DROP_NEIGH_FAILED);
}

void neigh_flush(struct stack *st, struct netdev *dev)
{
	neigh_flush_every(st, dev, false);
}
