/*
 * arp/neigh_priv.h - what the files of this room share: the entry, its word, the table, and the
 * doors between cache, timer, ARP and conflict detection.
 *
 * Nobody above includes it.
 */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "arp/neigh.h"
#include "lib/stack.h"
#include "net/pkbuf.h"

#define NEIGH_BUCKETS 256u

/*
 * The word of an entry: link address, state and NEIGH_READY, so that a sender learns with one load
 * whether it may write, and where to.  READY says that the state lets packets go and that none waits
 * in the hold queue or is being written out of it: the next one would overtake.
 */
#define NEIGH_MAC_MASK 0xffffffffffffull
#define NEIGH_NUD_SHIFT 48
#define NEIGH_READY (1ull << 56)

/*
 * LOCKING
 *	l	lock (rank NEIGH; never two at once, never over a device write)
 */
struct neigh_bucket {
	struct mutex lock;
	struct neigh *head; /* l */
};

/*
 * One neighbour.  The table holds a reference while the entry is on it, each armed or firing timer
 * one, and each user; the last put only returns the memory.
 *
 * LOCKING
 *	c	constant after creation		a	atomic
 *	b	lock of its bucket
 */
struct neigh {
	struct timer timer;          /* armed for `deadline`, or earlier for what was left to it */
	struct neigh *next;          /* b: chain of its bucket; once off it, of who took it off */
	struct neigh_bucket *bucket; /* c */
	struct netdev *dev;          /* c */
	struct ip_addr addr;         /* c */
	const struct neigh_ops *ops; /* c: NULL: nothing to resolve */
	_Atomic uint32_t refs;       /* a */
	_Atomic uint64_t word;       /* a: see above; written under the bucket lock */
	_Atomic uint64_t used; /* a: ns, last packet out; by the ready path only now and then */
	_Atomic uint64_t confirmed; /* a: ns, last proof that it is reachable */
	uint64_t updated;           /* b: ns, when the link address was set */
	uint64_t since;             /* b: ns, when the state was entered */
	uint64_t deadline;          /* b: ns, when the state ends; ENV_NEVER: it does not */
	uint32_t probes;            /* b: solicitations sent in this state */
	uint32_t timer_refs;        /* b: references of an armed and a firing timer */
	bool draining;              /* b: somebody writes out what was held */
	struct pkq held;            /* b */
	uint64_t held_bytes;        /* b: memory they pin */
};

struct acd;

/*
 * LOCKING
 *	c	constant after creation		a	atomic
 *	r	constant once a device is up: registered by socket/stack.c before
 *	d	acd_lock			w	watch_lock
 */
struct arp_state {
	struct stack *stack;               /* c */
	const struct neigh_ops *ops[2];    /* r: of IPv6, of IPv4 */
	neigh_unreachable_fn *unreachable; /* r */
	_Atomic uint32_t count;            /* a: entries on the table */
	_Atomic uint64_t evict_after;      /* a: ns; nothing could be evicted, do not look before */
	struct mutex acd_lock;             /* c: rank NEIGH, as it is held while a timer is armed */
	struct acd *acds;                  /* d */
	struct mutex watch_lock;           /* c: a leaf */
	struct arp_watch *watches;         /* w */
	struct neigh_bucket bucket[NEIGH_BUCKETS];
};

/* What a held packet needs beside itself. */
struct neigh_cb {
	uint16_t type; /* EtherType */
};
_Static_assert(sizeof(struct neigh_cb) <= sizeof(((struct pkbuf *)0)->cb), "fits the cb");

static inline enum neigh_nud neigh_word_nud(uint64_t word)
{
	return (enum neigh_nud)(word >> NEIGH_NUD_SHIFT & 0xff);
}

static inline enum neigh_nud neigh_nud(const struct neigh *n)
{
	return neigh_word_nud(atomic_load_explicit(&n->word, memory_order_acquire));
}

static inline void neigh_word_mac(uint64_t word, uint8_t mac[ETHER_ALEN])
{
	for (unsigned i = 0; i < ETHER_ALEN; i++)
		mac[i] = (uint8_t)(word >> 8 * i);
}

static inline void neigh_mac(const struct neigh *n, uint8_t mac[ETHER_ALEN])
{
	neigh_word_mac(atomic_load_explicit(&n->word, memory_order_acquire), mac);
}

/* A device without link addresses, or none to ask for. */
static inline bool neigh_dev_is_noarp(const struct netdev *dev)
{
	uint32_t flags = atomic_load_explicit(&dev->flags, memory_order_relaxed);

	return flags & (NETDEV_NOARP | NETDEV_LOOPBACK | NETDEV_POINTOPOINT);
}

static inline uint64_t neigh_now(const struct neigh *n)
{
	return env_now(n->dev->stack->env);
}

static inline bool mac_is_group(const uint8_t *mac)
{
	return mac[0] & 1;
}

/* --- neigh.c ---------------------------------------------------------------------------------- */

/* A link address is known in this state. */
bool neigh_nud_is_valid(enum neigh_nud s);
/* Packets go out in this state, with nothing more to do. */
bool neigh_nud_is_fast(enum neigh_nud s);
/* Sets NEIGH_READY by what is so now. */
void neigh_publish(struct neigh *n) REQUIRES(n->bucket->lock);
/* All that is held to the end of `to`. */
void neigh_unhold(struct neigh *n, struct pkq *to) REQUIRES(n->bucket->lock);
/* Writes out what is held, if the state lets it and nobody does it now. */
void neigh_drain(struct neigh *n);

/* --- neigh_table.c ---------------------------------------------------------------------------- */

/* The entry, with a reference; made when there is none and `create`. */
struct neigh *neigh_find(struct netdev *dev, const struct ip_addr *a, bool create);
/* Nobody but the table, the timer and `own` references of the caller has it. */
bool neigh_is_unused(struct neigh *n, uint32_t own) REQUIRES(n->bucket->lock);
/* Takes n off the table: it is dead.  What it held goes to `held`; the caller puts the table's reference. */
void neigh_remove(struct neigh *n, struct pkq *held) REQUIRES(n->bucket->lock);
void neigh_drop_held(struct pkq *q, enum drop_reason why);

/* --- neigh_timer.c ---------------------------------------------------------------------------- */

/* The one way into a state: sets the word and the time when it ends.  mac NULL: as it was. */
void neigh_set(struct neigh *n, enum neigh_nud to, const uint8_t *mac) REQUIRES(n->bucket->lock);
/* Has neigh_timer() run at `when`; the deadline stays what it is. */
void neigh_arm(struct neigh *n, uint64_t when) REQUIRES(n->bucket->lock);
void neigh_timer(struct timer *t);

/* --- neigh_list.c ----------------------------------------------------------------------------- */

/* Takes the entries of dev (NULL: of all) off the table. */
void neigh_flush_every(struct stack *st, struct netdev *dev, bool permanent_too);

/* --- arp.c, acd.c ----------------------------------------------------------------------------- */

extern const struct neigh_ops arp_neigh_ops;
extern const struct net_proto arp_proto;
void acd_init(struct arp_state *as);
void acd_fini(struct arp_state *as);
/* Looks at a received packet.  True: a conflict about an address of ours, to be read no further. */
bool acd_in(struct netdev *dev, const struct arp_msg *m, const uint8_t *sha);
/* The device went down or lost the address: what runs for it ends.  a NULL: any address. */
void acd_stop(struct netdev *dev, const struct ip_addr *a);
