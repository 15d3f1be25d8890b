/* tests/harness/netstack.h - a stack with its net room alone, on a lab's clock or on threads. */
#pragma once
#include "lib/stack.h"
#include "net/netdev.h"

/* A world and its first stack; and their end, last of all.  A stack's own check finds what leaked. */
struct stack *netstack_create(uint64_t seed);
struct stack *netstack_threads(void); /* in the world as it is */
void netstack_destroy(struct stack *st);
/* Another stack in the first one's world, and its end. */
struct stack *netstack_join(struct stack *first);
void netstack_leave(struct stack *st);

/* A received packet of n bytes that count up from `first`, in the header part and pieces as a TAP has it. */
struct pkbuf *netstack_packet(struct stack *st, unsigned head, uint32_t n, uint8_t first);

/*
 * A device whose other side is the test: what is sent to it lies on `sent`, or is refused with `refuse` when
 * `room` lie there.
 */
struct testdev {
	struct netdev *dev;
	struct pkq sent;
	int refuse; /* 0 or -errno */
	unsigned room;
};
/* Registered and up; its MAC is 02:00:00:00:00:<index>.  Ends with the stack. */
struct testdev *testdev_create(struct stack *st, const char *name, const struct link_ops *link,
			       uint32_t features);
