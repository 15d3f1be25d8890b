/*
 * tests/sim/lab_port.c - the device at a line's end.  It does nothing for its sender, so what it is given are
 * wire frames with whole checksums.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/stack.h"
#include "tests/sim/lab_world.h"

static int port_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct lab_line *l = dev->priv;
	struct lab_frame *f = malloc(sizeof(*f) + b->len);

	if (!f) {
		pkbuf_drop(b, DROP_NO_MEMORY);
		return -ENOBUFS;
	}
	f->len = b->len;
	pkbuf_read(b, 0, f->bytes, b->len);
	pkbuf_free(b);
	lab_line_in(l, f);
	return 0;
}

static const struct netdev_ops port_ops = {.kind = "sim", .xmit = port_xmit};

bool lab_port_rx(struct netdev *dev, struct lab_frame *f)
{
	struct stack *st = dev->stack;
	struct batch batch;
	struct pkbuf *b;

	batch_begin(&batch, st);
	b = pkbuf_alloc(st, PKBUF_RX_HEAD);
	if (b && pkbuf_append(b, f->bytes, f->len) < 0) {
		pkbuf_drop(b, DROP_NO_MEMORY);
		b = NULL;
	}
	if (b) {
		b->stamp = env_now(st->env);
		netdev_rx(dev, b);
	}
	batch_end(&batch);
	free(f);
	return b != NULL;
}

struct netdev *lab_port_create(struct stack *st, unsigned i, struct lab_line *out)
{
	unsigned at = (unsigned)(out - out->w->line);
	char name[NETDEV_NAME];
	struct netdev *dev;

	snprintf(name, sizeof(name), "sim%u", i);
	dev = netdev_alloc(st, name, &port_ops, &ether_link, 1);
	if (!dev)
		return NULL;
	dev->priv = out;
	dev->flags = NETDEV_BROADCAST;
	dev->mac[0] = 2; /* local, unicast */
	dev->mac[4] = (uint8_t)(at >> 8);
	dev->mac[5] = (uint8_t)(at + 1);
	if (netdev_register(dev) < 0) {
		netdev_free(dev);
		return NULL;
	}
	return dev;
}
