/*
 * ip/reass.h - the datagrams in reassembly: found by address, age and reference.
 *
 * ip_reass.c puts fragments in and takes wholes out; reass_table.c finds, bounds and ages.
 */
#pragma once
#include "ip/ip_priv.h"
#include "lib/timer.h"

#define REASS_BUCKETS 256
#define REASS_PEERS 256
#define REASS_UNITS 8192 /* of 8 bytes: what an offset field can say */
#define REASS_WORDS (REASS_UNITS / 64)

struct reass_key {
	struct ip_addr src, dst;
	uint32_t id;
	uint32_t proto;
};

/*
 * One datagram.  `held` has a bit for each unit of 8 bytes that is here, `starts` one for each
 * that begins a fragment: overlaps are found without a search however many fragments there are.
 *
 * LOCKING
 *	b	bucket lock		g	age_lock of the state
 *	a	atomic			c	constant after creation
 */
struct reass {
	struct reass *next;           /* b: of the bucket */
	struct reass *older, *newer;  /* g */
	struct reass_bucket *bucket;  /* c */
	struct stack *stack;          /* c */
	struct reass_key key;         /* c */
	struct timer timer;           /* armed while in the table */
	_Atomic uint32_t ref;         /* a: the table, the timer, a user */
	bool dead;                    /* b: out of the table */
	bool refused;                 /* b: overlapped: what comes still is dropped (RFC 5722) */
	uint8_t ecn;                  /* b: which codepoints were seen, a bit each */
	uint32_t seq;                 /* b: of its source when the last fragment came */
	uint32_t bytes;               /* b: of payload here */
	uint32_t end;                 /* b: of the payload; 0: last fragment not here */
	uint32_t charged;             /* b: memory */
	struct pkq frags;             /* b: in the order of arrival */
	struct pkbuf *first;          /* b: of them, the one at offset 0 */
	uint64_t held[REASS_WORDS];   /* b */
	uint64_t starts[REASS_WORDS]; /* b */
};

/* LOCKING: its own lock. */
struct reass_bucket {
	struct mutex lock; /* rank REASM */
	struct reass *head;
};

/*
 * LOCKING
 *	g	age_lock	a	atomic		c	constant after creation
 */
struct reass_state {
	struct stack *stack;                /* c */
	struct mutex age_lock;              /* c: a leaf */
	struct reass *oldest, *newest;      /* g */
	_Atomic uint64_t charged;           /* a: memory of all */
	_Atomic uint32_t peer[REASS_PEERS]; /* a: fragments seen of the sources hashed here */
	struct reass_bucket bucket[REASS_BUCKETS]; /* see struct reass_bucket */
};

struct reass_bucket *reass_bucket_of(struct stack *st, const struct reass_key *k);
/* The datagram, made when it is new; the bucket's lock is held.  NULL: no memory. */
struct reass *reass_find(struct reass_bucket *bk, struct stack *st, const struct reass_key *k);
/* Charges (or gives back) memory to r, its bucket's lock held. */
void reass_charge(struct reass *r, int64_t bytes);
/* Its fragments go to `to`, with what they were charged; r begins anew. */
void reass_empty(struct reass *r, struct pkq *to);
/* Out of the table: nobody finds it any more.  Bucket's lock held. */
void reass_remove(struct reass *r);
void reass_put(struct reass *r);
/* Evicts the oldest until `bytes` more fit under the bound.  False: they never do. */
bool reass_make_room(struct stack *st, uint32_t bytes);
