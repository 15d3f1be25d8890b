/* tests/harness/sink.h - a device without a wire that keeps what leaves by either of its ends. */
#pragma once
#include "net/netdev.h"

/* Each packet kept is stamped with the time it came out. */
struct sink {
	struct netdev *dev;
	struct pkq arrived; /* handed to the link layer */
	struct pkq sent;    /* handed to the driver */
};

/* An Ethernet device, up; freed with its stack, and what it keeps with it. */
struct sink *sink_create(struct stack *st, const char *name, uint32_t features);
/* Both by the ordinary ways, in a batch. */
void sink_rx(struct sink *s, struct pkbuf *b);
void sink_tx(struct sink *s, struct pkbuf *b);
