/*
 * ip/hook.h - the five points where a packet filter may look (Linux's netfilter points).
 *
 * Empty, a point costs one relaxed load.  Functions run in order of priority; the first verdict
 * other than ACCEPT ends the round.
 */
#pragma once
#include "net/pkbuf.h"

enum hook_point {
	HOOK_PRE_ROUTING,
	HOOK_LOCAL_IN,
	HOOK_FORWARD,
	HOOK_LOCAL_OUT,
	HOOK_POST_ROUTING,
	HOOK_MAX,
};

enum hook_verdict {
	HOOK_ACCEPT,
	HOOK_DROP,
	HOOK_STOLEN, /* b is the function's now */
};

struct hook_io {
	struct netdev *in, *out; /* NULL where the point has none */
};

/*
 * LOCKING
 *	k	the ip state's hook lock	c	constant while registered
 */
struct hook {
	struct hook *next; /* k; walked without it */
	int priority;      /* c: lower first */
	enum hook_verdict (*fn)(struct hook *h, struct pkbuf *b,
				const struct hook_io *io); /* c: front at l3 */
	void *arg;                                         /* c */
};

/* Before the stack's threads run, or never: a hook stays until the stack ends. */
void hook_register(struct stack *st, enum hook_point at, struct hook *h);
/* 0: b goes on.  Else it is gone: -EPERM: dropped, DROP_IP_HOOK; -ENOMEM; 1: stolen. */
int hook_run(struct pkbuf *b, enum hook_point at, const struct hook_io *io);
