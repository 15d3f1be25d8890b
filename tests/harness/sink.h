/*
 * tests/harness/sink.h - a stack of lib and net alone, and a device without a wire that keeps what
 * leaves by either of its ends.
 */
#pragma once
#include "net/netdev.h"

struct sink {
	struct netdev *dev;
	struct pkq arrived; /* handed to the link layer */
	struct pkq sent;    /* handed to the driver */
};

/* On a lab or on threads; `end` frees the env too, and stops the test when anything leaks. */
struct stack *net_stack_create(struct env *env);
void net_stack_end(struct stack *st);

/* An Ethernet device, up; freed with its stack, and what it keeps with it. */
struct sink *sink_create(struct stack *st, const char *name, uint32_t features);
/* Both by the ordinary ways, in a batch. */
void sink_rx(struct sink *s, struct pkbuf *b);
void sink_tx(struct sink *s, struct pkbuf *b);
