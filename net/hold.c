/*
 * net/hold.c - answers that go together: the small frames of a thread that sees to many events.
 *
 * A write to a device costs more than its own work: whoever waits for the frame is woken each time, and on the same CPU
 * runs at once, and the kernel's code takes the place of ours in the first cache.  So a thread that has read the queue itself
 * and was told of many events holds its small frames back until it has sent one for each, or comes to wait.
 *
 * It does so only while the queue is vacant, that is until its reader is back (net/lead.c).  Whoever takes the word writes
 * what is held, and the netdev thread, which stands by, does after its grace; so a thread that does not come back holds
 * nothing up for longer.  Who sends on the device writes it before its own.  A device that had no room for one is to say
 * so to who sends: no frame of it is held any more.
 */
#include <errno.h>

#include "lib/slot.h"
#include "lib/stack.h"
#include "lib/sysctl.h"
#include "net/net_priv.h"

#define HOLD_EVENTS 4 /* told at once: fewer are not worth it */
#define HOLD_MAX 64   /* frames */

void hold_init(struct hold *h)
{
	mutex_init(&h->lock, RANK_LEAF);
	pkq_init(&h->frames);
}

static struct pkbuf *hold_take(struct hold *h)
{
	struct pkbuf *b;

	mutex_lock(&h->lock);
	b = pkq_take(&h->frames);
	atomic_store(&h->count, h->frames.count);
	mutex_unlock(&h->lock);
	return b;
}

/* One by one, so that whoever comes meanwhile helps, and goes before one of them at most. */
void hold_flush(struct netdev *dev)
{
	struct batch batch;
	struct pkbuf *b;

	batch_begin(&batch, dev->stack);
	while ((b = hold_take(&dev->hold)))
		if (netdev_tx_held(dev, b) == -ENOBUFS)
			atomic_store_explicit(&dev->hold.refused, true, memory_order_relaxed);
	batch_end(&batch);
}

/* --- whose frames -------------------------------------------------------------------------------- */

void netdev_hold_end(struct stack *st)
{
	struct rhythm *r = &slot_get(st)->rhythm;

	if (!r->holds)
		return;
	r->holds = 0;
	if (atomic_load(&r->led->dev->hold.count))
		hold_flush(r->led->dev);
}

void hold_begin(struct stack *st, int n)
{
	struct rhythm *r = &slot_get(st)->rhythm;

	netdev_hold_end(st);
	if (r->led && !r->serves && n >= HOLD_EVENTS && sysctl_get(st, hold))
		r->holds = n < HOLD_MAX ? (uint8_t)n : HOLD_MAX;
}

/*
 * Whoever takes the word looks whether there is any afterwards, as this thread looks at the word when it has added one: one
 * of them sees the other.
 */
bool hold_frame(struct netdev *dev, struct pkbuf *b)
{
	struct rhythm *r = &slot_get(dev->stack)->rhythm;
	struct hold *h = &dev->hold;

	if (r->led->dev != dev || b->len > FRAME_BULK || b->txstamp ||
	    atomic_load_explicit(&h->refused, memory_order_relaxed))
		return false;
	r->holds--;
	mutex_lock(&h->lock);
	pkq_add(&h->frames, b);
	atomic_store(&h->count, h->frames.count);
	mutex_unlock(&h->lock);
	if (atomic_load(&r->led->word) != QUEUE_VACANT)
		r->holds = 0;
	if (r->holds == 0)
		hold_flush(dev);
	return true;
}
