/*
 * net/loop.c - lo: what is sent to an address of ours comes back.
 *
 * xmit does not call in: it queues, and the end of the batch drains, at most LOOP_BUDGET packets, under
 * the queue's word.  One drainer at a time keeps the order; who finds the word LED goes, for the holder
 * looks at the queue once more after it has stored VACANT.  What is left over the bound is given to the
 * alarm of the device's own thread.  A packet keeps its CSUM_PARTIAL and its super-frame: there is no
 * wire between.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/stack.h"
#include "net/net_priv.h"

#define LOOP_BUDGET 256
#define LOOP_PACKETS 4096u
#define LOOP_MTU 65535

/*
 * LOCKING
 *	l	lock (a leaf)		c	constant after creation
 */
struct loop {
	struct netdev *dev; /* c */
	struct mutex lock;
	struct pkq q;              /* l */
	bool put_off;              /* l: `later` is on somebody's batch */
	struct later later;        /* l */
	struct netdev_alarm alarm; /* what a drain left over */
};

/* --- in --------------------------------------------------------------------------------------- */

static struct pkbuf *loop_take(struct loop *lo)
{
	struct pkbuf *b;

	mutex_lock(&lo->lock);
	b = pkq_take(&lo->q);
	mutex_unlock(&lo->lock);
	return b;
}

static bool loop_is_empty(struct loop *lo)
{
	bool empty;

	mutex_lock(&lo->lock);
	empty = lo->q.count == 0;
	mutex_unlock(&lo->lock);
	return empty;
}

/* Inside a batch, with no lock held. */
static void loop_drain(struct loop *lo)
{
	_Atomic uint32_t *word = &lo->dev->queue[0].word;
	uint64_t now = env_now(lo->dev->stack->env);
	unsigned budget = LOOP_BUDGET;
	struct pkbuf *b;

	while (!loop_is_empty(lo)) {
		uint32_t vacant = QUEUE_VACANT;

		if (budget == 0) {
			env_alarm(lo->dev->stack->env, &lo->alarm.alarm, now);
			return;
		}
		if (!atomic_compare_exchange_strong(word, &vacant, QUEUE_LED))
			return; /* its holder looks again */
		for (; budget > 0 && (b = loop_take(lo)); budget--) {
			b->stamp = now;
			netdev_rx(lo->dev, b);
		}
		atomic_store(word, QUEUE_VACANT);
	}
}

static void loop_later(struct later *l)
{
	struct loop *lo = (struct loop *)((char *)l - offsetof(struct loop, later));

	mutex_lock(&lo->lock);
	lo->put_off = false;
	mutex_unlock(&lo->lock);
	loop_drain(lo);
}

static void loop_alarm(void *arg)
{
	struct loop *lo = arg;
	struct batch batch;

	batch_begin(&batch, lo->dev->stack);
	loop_drain(lo);
	batch_end(&batch);
}

/* --- out -------------------------------------------------------------------------------------- */

/* Without what its way down has written into it. */
static void loop_scrub(struct pkbuf *b)
{
	b->l2 = b->head;
	b->forwarded = b->netem_done = false;
	b->src = b->dst = ip_addr_any;
	memset(b->cb, 0, sizeof(b->cb));
}

static bool loop_has_room(const struct loop *lo, const struct pkbuf *b)
{
	uint64_t most = (uint64_t)sysctl_get(lo->dev->stack, mem_limit) / 4;

	return lo->q.count < LOOP_PACKETS && lo->q.bytes + (uint64_t)b->len <= most;
}

static int loop_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct loop *lo = dev->priv;
	bool room, first = false;

	loop_scrub(b);
	mutex_lock(&lo->lock);
	room = loop_has_room(lo, b);
	if (room) {
		pkq_add(&lo->q, b);
		first = !lo->put_off;
		lo->put_off = true;
	}
	mutex_unlock(&lo->lock);
	if (!room) {
		pkbuf_drop(b, DROP_QUEUE_FULL);
		return -ENOBUFS;
	}
	if (first)
		batch_later(dev->stack, BATCH_LOOP, &lo->later);
	return 0;
}

static void loop_close(struct netdev *dev)
{
	struct loop *lo = dev->priv;

	netdev_alarm_del(dev, &lo->alarm);
	pkq_free(&lo->q);
	mutex_fini(&lo->lock);
	free(lo);
}

static const struct netdev_ops loop_ops = {.kind = "loop", .xmit = loop_xmit, .close = loop_close};

static struct netdev *loop_alloc(struct stack *st)
{
	struct netdev *dev = netdev_alloc(st, "lo", &loop_ops, &raw_link, 1);
	struct loop *lo = calloc(1, sizeof(*lo));

	if (!dev || !lo) {
		if (dev)
			netdev_free(dev);
		free(lo);
		return NULL;
	}
	lo->dev = dev;
	lo->later.fn = loop_later;
	mutex_init(&lo->lock, RANK_LEAF);
	pkq_init(&lo->q);
	dev->priv = lo;
	dev->flags = NETDEV_LOOPBACK | NETDEV_NOARP;
	dev->mtu = LOOP_MTU;
	dev->features = NETDEV_F_ALL;
	netdev_alarm_add(dev, &lo->alarm, loop_alarm, lo);
	return dev;
}

int loop_create(struct stack *st, struct netdev **out)
{
	struct netdev *dev = loop_alloc(st);
	int r;

	if (!dev)
		return -ENOMEM;
	r = netdev_register(dev);
	if (r < 0) {
		loop_close(dev);
		netdev_free(dev);
		return r;
	}
	r = ifaddr_add(dev, &ip_addr_loop4, IP_PREFIX4(8));
	if (r < 0)
		return r; /* registered: it ends with its stack */
	netdev_up(dev);
	*out = dev;
	return 0;
}
