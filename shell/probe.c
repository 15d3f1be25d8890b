/*
 * shell/probe.c - an address probed (RFC 5227, 2.1.1), the end of it put into a feed.
 */
#include "shell/probe.h"

#include <string.h>

#include "arp/neigh.h"
#include "lib/batch.h"

/* In the thread that heard of it, or in the net timer's. */
static void probe_done(void *arg, bool conflict, const uint8_t *mac)
{
	struct probe *p = arg;
	struct probe_answer a = {.probe = p, .taken = conflict && mac, .gone = conflict && !mac};

	if (mac)
		memcpy(a.mac, mac, ETHER_ALEN);
	feed_put(p->feed, &a, sizeof(a));
}

int probe_begin(struct probe *p)
{
	struct batch b;
	int err;

	batch_begin(&b, p->dev->stack);
	err = acd_probe(p->dev, &p->addr, probe_done, p);
	batch_end(&b);
	return err;
}

bool probe_cancel(struct probe *p)
{
	return acd_cancel(p->dev, &p->addr);
}
