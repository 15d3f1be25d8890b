/*
 * shell/probe.h - is an address in use?  RFC 5227's probe, its answer by a feed: for `arping -D`, and for
 * `weft --probe` before it takes its addresses.
 */
#pragma once
#include "lib/wire/ether.h"
#include "shell/feed.h"

/*
 * One address asked for; it and the feed stay until the answer has come or probe_cancel() says that none
 * will.
 *
 * LOCKING
 *	c	constant once it has begun
 */
struct probe {
	struct netdev *dev;  /* c */
	struct ip_addr addr; /* c */
	struct feed *feed;   /* c: an answer is put here, once */
};

struct probe_answer {
	const struct probe *probe;
	bool taken;              /* by another host, or asked for by it at the same time */
	bool gone;               /* the device went down: nothing is known */
	uint8_t mac[ETHER_ALEN]; /* who: if taken */
};

/* Takes 4 to 7 s when nobody answers (RFC 5227, 1.1).  0 or -errno as of acd_probe(). */
int probe_begin(struct probe *p);
/* True: no answer will come.  False: it is in the feed, or will be at once. */
bool probe_cancel(struct probe *p);
