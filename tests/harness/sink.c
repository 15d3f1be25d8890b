/*
 * tests/harness/sink.c - the ends of a device, kept in queues.
 */
#include "tests/harness/sink.h"

#include <stdlib.h>

#include "lib/stack.h"

static void sink_in(struct pkbuf *b)
{
	struct sink *s = b->dev->priv;

	b->stamp = env_now(b->stack->env);
	pkq_add(&s->arrived, b);
}

static int sink_out(struct pkbuf *b, const uint8_t *to, uint16_t type)
{
	return netdev_tx(b->dev, b);
}

static int sink_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct sink *s = dev->priv;

	b->stamp = env_now(b->stack->env);
	pkq_add(&s->sent, b);
	return 0;
}

static void sink_close(struct netdev *dev)
{
	struct sink *s = dev->priv;

	pkq_free(&s->arrived);
	pkq_free(&s->sent);
	free(s);
}

static const struct netdev_ops sink_ops = {.kind = "sink", .xmit = sink_xmit, .close = sink_close};
static const struct link_ops sink_link = {.hlen = ETHER_HLEN, .in = sink_in, .out = sink_out};

struct sink *sink_create(struct stack *st, const char *name, uint32_t features)
{
	struct netdev *dev = netdev_alloc(st, name, &sink_ops, &sink_link, 1);
	struct sink *s = calloc(1, sizeof(*s));

	if (!dev || !s)
		abort();
	s->dev = dev;
	pkq_init(&s->arrived);
	pkq_init(&s->sent);
	dev->priv = s;
	dev->features = features;
	if (netdev_register(dev) < 0)
		abort();
	netdev_up(dev);
	return s;
}

void sink_rx(struct sink *s, struct pkbuf *b)
{
	struct batch batch;

	batch_begin(&batch, s->dev->stack);
	netdev_rx(s->dev, b);
	batch_end(&batch);
}

void sink_tx(struct sink *s, struct pkbuf *b)
{
	struct batch batch;

	batch_begin(&batch, s->dev->stack);
	netdev_tx(s->dev, b);
	batch_end(&batch);
}
