/*
 * net/veth.c - a wire between two stacks of one process, or between two devices of one.
 *
 * What one end sends is copied into the memory of the other end's stack and queued there; its alarm,
 * set to now, carries it up in a batch of its own.  So neither end calls into the other, and a lab
 * replays.  Super-frames and unfinished checksums cross as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/stack.h"
#include "net/net_priv.h"

#define VETH_PACKETS 1024u

/*
 * Shared by both ends, gone with the second: each stack may end first.
 *
 * LOCKING
 *	w	lock (rank DEV: an end's xmit takes the other stack's leaves under it)
 */
struct veth_wire {
	struct mutex lock;
	struct veth *end[2]; /* w: NULL: gone */
};

/*
 * LOCKING
 *	w	the wire's lock		c	constant after creation
 */
struct veth {
	struct netdev *dev;        /* c */
	struct veth_wire *wire;    /* c */
	unsigned side;             /* c: end[side] is this one */
	struct pkq q;              /* w: sent to this end */
	struct netdev_alarm alarm; /* carries q up */
};

static void veth_alarm(void *arg)
{
	struct veth *v = arg;
	uint64_t now = env_now(v->dev->stack->env);
	struct batch batch;
	struct pkbuf *b;

	batch_begin(&batch, v->dev->stack);
	for (unsigned n = 0; n < VETH_PACKETS; n++) {
		mutex_lock(&v->wire->lock);
		b = pkq_take(&v->q);
		mutex_unlock(&v->wire->lock);
		if (!b)
			break;
		b->stamp = now;
		netdev_rx(v->dev, b);
	}
	batch_end(&batch);
}

/* Copies b to the end `side`; DROP_NONE: done. */
static enum drop_reason veth_pass(struct veth_wire *wire, unsigned side, const struct pkbuf *b)
    REQUIRES(wire->lock)
{
	struct veth *to = wire->end[side];
	struct stack *st;
	struct pkbuf *c;

	if (!to)
		return DROP_DEV_TX;
	if (to->q.count >= VETH_PACKETS)
		return DROP_QUEUE_FULL;
	st = to->dev->stack;
	c = pkbuf_copy(st, b);
	if (!c)
		return DROP_NO_MEMORY;
	c->dev = to->dev;
	c->mark = 0;
	c->forwarded = c->netem_done = false;
	memset(c->cb, 0, sizeof(c->cb));
	pkq_add(&to->q, c);
	env_alarm(st->env, &to->alarm.alarm, env_now(st->env));
	return DROP_NONE;
}

static int veth_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct veth *v = dev->priv;
	enum drop_reason why;

	mutex_lock(&v->wire->lock);
	why = veth_pass(v->wire, !v->side, b);
	mutex_unlock(&v->wire->lock);
	pkbuf_drop(b, why);
	return why == DROP_NONE ? 0 : -ENOBUFS;
}

static void veth_close(struct netdev *dev)
{
	struct veth *v = dev->priv;
	struct veth_wire *wire = v->wire;
	bool last;

	netdev_alarm_del(dev, &v->alarm);
	mutex_lock(&wire->lock);
	wire->end[v->side] = NULL;
	last = !wire->end[!v->side];
	mutex_unlock(&wire->lock);
	if (last) {
		mutex_fini(&wire->lock);
		free(wire);
	}
	pkq_free(&v->q);
	free(v);
}

static const struct netdev_ops veth_ops = {.kind = "veth", .xmit = veth_xmit, .close = veth_close};

/* --- making one ------------------------------------------------------------------------------- */

static int veth_end_create(struct veth_wire *wire, unsigned side, struct veth_end *e)
{
	struct netdev *dev = netdev_alloc(e->stack, e->name, &veth_ops, &ether_link, 1);
	struct veth *v = calloc(1, sizeof(*v));
	uint64_t mac = env_random(e->stack->env);

	if (!dev || !v) {
		if (dev)
			netdev_free(dev);
		free(v);
		return -ENOMEM;
	}
	v->dev = dev;
	v->wire = wire;
	v->side = side;
	pkq_init(&v->q);
	memcpy(dev->mac, &mac, ETHER_ALEN);
	dev->mac[0] = (uint8_t)((dev->mac[0] & 0xfc) | 2); /* local, unicast */
	dev->priv = v;
	dev->flags = NETDEV_BROADCAST;
	dev->features = NETDEV_F_ALL;
	netdev_alarm_add(dev, &v->alarm, veth_alarm, v);
	wire->end[side] = v;
	e->dev = dev;
	return 0;
}

/* Of an end that was not registered. */
static void veth_end_undo(struct veth_end *e)
{
	veth_close(e->dev);
	netdev_free(e->dev);
	e->dev = NULL;
}

static struct veth_wire *veth_wire_create(void)
{
	struct veth_wire *wire = calloc(1, sizeof(*wire));

	if (wire)
		mutex_init(&wire->lock, RANK_DEV);
	return wire;
}

/* Both ends, or neither (and no wire). */
static int veth_ends_create(struct veth_end *a, struct veth_end *b)
{
	struct veth_wire *wire = veth_wire_create();

	if (!wire)
		return -ENOMEM;
	if (veth_end_create(wire, 0, a) < 0) {
		mutex_fini(&wire->lock);
		free(wire);
		return -ENOMEM;
	}
	if (veth_end_create(wire, 1, b) < 0) {
		veth_end_undo(a);
		return -ENOMEM;
	}
	return 0;
}

int veth_create(struct veth_end *a, struct veth_end *b)
{
	int r;

	if (netdev_by_name(b->stack, b->name) ||
	    (a->stack == b->stack && strcmp(a->name, b->name) == 0))
		return -EEXIST;
	r = veth_ends_create(a, b);
	if (r < 0)
		return r;
	r = netdev_register(a->dev);
	if (r < 0) {
		veth_end_undo(b);
		veth_end_undo(a);
		return r;
	}
	r = netdev_register(b->dev);
	if (r < 0) /* the name was taken meanwhile: a stays, a wire with nothing at its end */
		veth_end_undo(b);
	return r;
}
