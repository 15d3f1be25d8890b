/*
 * arp/neigh.h - the neighbour cache of both families (states of RFC 4861, 7.3.2), and the IPv4
 * resolver's door.
 *
 * neigh_out() is the last step above the link: the reachable path reads state and link address as
 * one atomic word and holds no lock over a device write.  An unresolved neighbour holds packets,
 * bounded in number and bytes; while the hold queue is being written out later packets join it, so
 * order is kept.
 */
#pragma once
#include "lib/timer.h"
#include "net/netdev.h"

enum neigh_nud { /* Linux's NUD_ words */
		 NUD_NONE,
		 NUD_INCOMPLETE,
		 NUD_REACHABLE,
		 NUD_STALE,
		 NUD_DELAY,
		 NUD_PROBE,
		 NUD_FAILED,
		 NUD_PERMANENT,
		 NUD_NOARP,
		 NUD_DEAD, /* taken off the cache: look it up anew */
};

/* A family's resolver. */
struct neigh_ops {
	bool is4;
	/* Sends one solicitation; unicast to `mac` when it is not NULL.  Required. */
	void (*solicit)(struct netdev *dev, const struct ip_addr *target, const uint8_t *mac);
};

/* What ip registers: a held packet whose neighbour did not answer (ICMP host unreachable). Consumes
 * b. */
typedef void neigh_unreachable_fn(struct pkbuf *b);

struct neigh;

struct arp_state *arp_state_create(struct stack *st); /* registers ARP with net; sets st->arp */
void arp_state_destroy(struct stack *st);
void neigh_ops_register(struct stack *st, const struct neigh_ops *ops);
void neigh_unreachable_register(struct stack *st, neigh_unreachable_fn *fn);

/* Finds or makes the entry, with a reference.  NULL: cache full or no memory. */
struct neigh *neigh_get(struct netdev *dev, const struct ip_addr *nexthop);
struct neigh *neigh_hold(struct neigh *n);
void neigh_put(struct neigh *n);
bool neigh_is_dead(const struct neigh *n);
/* A packet would go out at once. */
bool neigh_is_ready(const struct neigh *n);
/* ... and to this link address. */
bool neigh_is_at(const struct neigh *n, const uint8_t *mac);
/* Consumes b (front at l3, `type` its EtherType).  Resolves or holds.  0 or -errno. */
int neigh_out(struct neigh *n, struct pkbuf *b, uint16_t type);
/* Upper-layer confirmation (RFC 4861, 7.3.1): forward progress was seen.  Cheap; any thread. */
void neigh_confirm(struct neigh *n);
/* Upper-layer doubt (RFC 1122, 3.3.1.4): nobody answers by this way.  The next packet has it probed. */
void neigh_doubt(struct neigh *n);

/* May what was seen replace another link address that is known? */
enum neigh_override {
	NEIGH_KEEP,            /* no: it only casts doubt (RFC 4861, 7.2.5, O flag clear) */
	NEIGH_REPLACE_SETTLED, /* unless that was learnt or confirmed just now: the first answer wins */
	NEIGH_REPLACE,
};

/*
 * What an ARP packet (or another resolver's) told.  `solicited`: an answer to us.  Makes an entry
 * only when `create`.
 */
struct neigh_seen {
	struct ip_addr addr;
	uint8_t mac[ETHER_ALEN];
	bool solicited, create;
	enum neigh_override override;
};
/* False: there is no entry, and none was made. */
bool neigh_update(struct netdev *dev, const struct neigh_seen *seen);

/* For the shell. */
struct neigh_info {
	struct ip_addr addr;
	uint8_t mac[ETHER_ALEN];
	char dev[NETDEV_NAME];
	enum neigh_nud state;
	uint32_t refs, probes, held, held_bytes;
	uint64_t used, confirmed, updated; /* ns ago; ENV_NEVER: never */
};
const char *neigh_nud_text(enum neigh_nud s);
/* Copies up to max entries; returns how many there are. */
unsigned neigh_list(struct stack *st, struct neigh_info *out, unsigned max);
/* -EINVAL: nothing to resolve (a device without ARP, a broadcast or multicast address); -ENOBUFS. */
int neigh_add_permanent(struct netdev *dev, const struct ip_addr *a, const uint8_t *mac);
int neigh_del(struct netdev *dev, const struct ip_addr *a); /* -ENOENT */
void neigh_flush(struct stack *st, struct netdev *dev); /* dev NULL: of all; permanent ones stay */

/* arp/arp.c */
struct arp_msg {
	uint16_t op;
	struct ip_addr spa, tpa;
	uint8_t tha[ETHER_ALEN], to[ETHER_ALEN]; /* target in the packet; link destination */
};
void arp_send(struct netdev *dev, const struct arp_msg *m);

/*
 * arp/acd.c, RFC 5227: probes an address before use, announces it, defends it.  A probe ends after
 * some 7 s with one call of `done`, with no lock held: `conflict` with the link address of the other
 * host, or with NULL when the device went down (then by netdev_down(), else inside a batch).  Without
 * a conflict the caller adds the address and announces it.  The stack's end calls nobody.
 */
typedef void acd_done_fn(void *arg, bool conflict, const uint8_t *mac);
/* -EINVAL: not an IPv4 unicast address, or a device without ARP; -EALREADY: is being probed. */
int acd_probe(struct netdev *dev, const struct ip_addr *a, acd_done_fn *done, void *arg);
/* True: `done` will not be called.  False: it has been, or is being called now. */
bool acd_cancel(struct netdev *dev, const struct ip_addr *a);
void acd_announce(struct netdev *dev, const struct ip_addr *a);

/* For `arping`: fn sees every ARP packet received; it runs under a leaf lock. */
struct arp_watch {
	struct arp_watch *next;
	void (*fn)(struct arp_watch *w, struct netdev *dev, const struct arp_msg *m,
		   const uint8_t *sha);
	void *arg;
};
void arp_watch_add(struct stack *st, struct arp_watch *w);
void arp_watch_del(struct stack *st, struct arp_watch *w);
