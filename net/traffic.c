/*
 * net/traffic.c - the frames and bytes of a device, both ways: counted by every thread in a cell of its own.
 *
 * One thread reads a device while others write to it, so a counter that they share would be fetched from another
 * CPU with each frame.  The first slots of a stack have a cell each, written by the slot's thread alone; all others share one.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/slot.h"
#include "net/net_priv.h"

#define CELLS 16u /* and the one that is shared */
#define LINE 64u  /* bytes: no two cells in one */

/*
 * LOCKING
 *	w	atomic, written by its slot's thread alone; of the shared cell by all
 */
struct traffic {
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

void traffic_count(struct netdev *dev, enum netdev_traffic packets, uint32_t frames, uint64_t bytes)
{
	unsigned number = slot_get(dev->stack)->number;
	struct traffic *t = &dev->traffic[number < CELLS ? number : CELLS];

	if (number >= CELLS) {
		atomic_fetch_add_explicit(&t->n[packets], frames, memory_order_relaxed);
		atomic_fetch_add_explicit(&t->n[packets + 1], bytes, memory_order_relaxed);
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
