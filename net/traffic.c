/*
 * net/traffic.c - the frames and bytes of a device, both ways: counted by every thread in a cell of its own.
 *
 * One thread reads a device while others write to it, so a counter that they share would be fetched from another
 * CPU with each frame.  A cell belongs to the first slot that comes to it and is written by that slot's thread
 * alone; who finds its cell taken adds to one that all such share.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/slot.h"
#include "net/net_priv.h"

#define CELL_BITS 3
#define CELLS (1u << CELL_BITS)
#define LINE 64u /* bytes: no two cells in one */

/*
 * LOCKING
 *	a	atomic		w	atomic, written by the owner's thread alone; of the shared cell by all
 */
struct traffic {
	_Atomic(struct slot *) owner;       /* a: set once; of the shared cell always NULL */
	_Atomic uint64_t n[NETDEV_TRAFFIC]; /* w */
} __attribute__((aligned(LINE)));
_Static_assert(sizeof(struct traffic) == LINE, "a cell is a line");

bool traffic_init(struct netdev *dev)
{
	dev->traffic = aligned_alloc(LINE, (CELLS + 1) * sizeof(*dev->traffic));
	if (dev->traffic)
		memset(dev->traffic, 0, (CELLS + 1) * sizeof(*dev->traffic));
	return dev->traffic;
}

void traffic_fini(struct netdev *dev)
{
	free(dev->traffic);
}

/* By who came first to a cell, or finds another's. */
static __attribute__((noinline)) void traffic_share(struct netdev *dev, struct traffic *t,
						    enum netdev_traffic packets, uint32_t frames,
						    uint64_t bytes)
{
	struct slot *nobody = NULL;

	if (!atomic_compare_exchange_strong(&t->owner, &nobody, slot_get(dev->stack)))
		t = &dev->traffic[CELLS];
	atomic_fetch_add_explicit(&t->n[packets], frames, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->n[packets + 1], bytes, memory_order_relaxed);
}

static void own_add(_Atomic uint64_t *n, uint64_t more)
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

void traffic_count(struct netdev *dev, enum netdev_traffic packets, uint32_t frames, uint64_t bytes)
{
	struct slot *s = slot_get(dev->stack);
	uint32_t place = (uint32_t)((uintptr_t)s / LINE) * 0x9e3779b1u >> (32 - CELL_BITS);
	struct traffic *t = &dev->traffic[place];

	if (atomic_load_explicit(&t->owner, memory_order_relaxed) != s) {
		traffic_share(dev, t, packets, frames, bytes);
		return;
	}
	own_add(&t->n[packets], frames);
	own_add(&t->n[packets + 1], bytes);
}

uint64_t netdev_traffic(const struct netdev *dev, enum netdev_traffic which)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= CELLS; i++)
		sum += atomic_load_explicit(&dev->traffic[i].n[which], memory_order_relaxed);
	return sum;
}
