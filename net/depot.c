/*
 * net/depot.c - where packets (net/pkbuf.c) and payload pieces (net/piece.c) get their memory.
 *
 * Four classes of objects.  A thread takes from and gives to a small cache in its slot, without a
 * lock; the cache is filled from and emptied to the depot's shelves half at a time.  What is off
 * the shelves counts against the bound (net.weft.mem_limit); who may come how near to it is
 * depot_room().  Shelves above a high-water mark go back to the system.  Sanitizer builds cache
 * nothing, so that a use after free is seen.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/lock.h"
#include "lib/slot.h"
#include "lib/stack.h"
#include "net/net_priv.h"

#define DEPOT_ALIGN 64u
#define CACHE_MAX 64

#ifdef WEFT_SANITIZE
enum { DEPOT_KEEPS = 0 };
#else
enum { DEPOT_KEEPS = 1 }; /* freed memory is kept, in caches and on shelves */
#endif

#define ROUND_UP(n) (((n) + DEPOT_ALIGN - 1) / DEPOT_ALIGN * DEPOT_ALIGN)

static const uint32_t class_size[DEPOT_CLASSES] = {
    [DEPOT_PKBUF] = ROUND_UP(sizeof(struct pkbuf)),
    [DEPOT_SMALL] = PIECE_HEAD + PIECE_SMALL,
    [DEPOT_MID] = PIECE_HEAD + PIECE_MID,
    [DEPOT_LARGE] = PIECE_HEAD + PIECE_LARGE,
};

/* What a thread keeps of each class at most; less where the bound is small. */
static const uint8_t cache_cap[DEPOT_CLASSES] = {
    [DEPOT_PKBUF] = 64,
    [DEPOT_SMALL] = 32,
    [DEPOT_MID] = 8,
    [DEPOT_LARGE] = 2,
};

struct shelved {
	struct shelved *next;
};

/*
 * LOCKING
 *	d	lock (a leaf)		a	atomic, written under lock
 *	c	constant after creation	q	atomic: set by who puts `reclaim` on a batch
 */
struct depot {
	struct stack *stack; /* c */
	struct mutex lock;
	struct shelved *shelf[DEPOT_CLASSES]; /* d */
	uint64_t shelved;                     /* d: bytes on the shelves */
	_Atomic uint64_t used;                /* a: bytes off the shelves, thread caches included */
	struct later reclaim;                 /* q */
	_Atomic bool reclaiming;              /* q */
};

/* LOCKING: its slot's thread only. */
struct pkbuf_cache {
	uint8_t n[DEPOT_CLASSES], cap[DEPOT_CLASSES];
	void *item[DEPOT_CLASSES][CACHE_MAX];
};

static uint64_t depot_limit(struct stack *st)
{
	return (uint64_t)sysctl_get(st, mem_limit);
}

/* The bytes that `need` may fill: data stop at 15/16, device reads at 31/32, bare headers at the
 * bound. */
static uint64_t depot_room(struct stack *st, enum depot_need need)
{
	uint64_t limit = depot_limit(st);

	if (need == DEPOT_DATA)
		return limit - limit / 16;
	return need == DEPOT_RX ? limit - limit / 32 : limit;
}

uint64_t depot_used(struct stack *st)
{
	return atomic_load_explicit(&st->net->depot->used, memory_order_relaxed);
}

bool depot_pressure(struct stack *st)
{
	uint64_t limit = depot_limit(st);

	return depot_used(st) > limit - limit / 8;
}

uint32_t depot_share(struct stack *st, uint32_t want)
{
	uint64_t used = depot_used(st), limit = depot_limit(st), most = limit - limit / 4;

	if (used <= limit / 2)
		return want;
	return used < most ? (uint32_t)(want * (most - used) / (most - limit / 2)) : 0;
}

uint32_t depot_share_rx(struct stack *st, uint32_t want)
{
	uint64_t used = depot_used(st), limit = depot_limit(st), most = limit - limit / 16;

	if (used <= limit - limit / 8)
		return UINT32_MAX;
	return used < most ? (uint32_t)(want * (most - used) / (limit / 16)) : 0;
}

uint64_t depot_bytes(struct stack *st)
{
	struct depot *d = st->net->depot;
	uint64_t n;

	mutex_lock(&d->lock);
	n = d->used + d->shelved;
	mutex_unlock(&d->lock);
	return n;
}

/* --- reclaim ---------------------------------------------------------------------------------- */

void depot_reclaim_register(struct stack *st, enum reclaim_rank rank, void (*fn)(struct stack *st))
{
	assert(rank < RECLAIM_MAX && !st->net->reclaim[rank]);
	st->net->reclaim[rank] = fn;
}

static void depot_reclaim(struct later *l)
{
	struct depot *d = (struct depot *)((char *)l - offsetof(struct depot, reclaim));
	struct stack *st = d->stack;

	atomic_store(&d->reclaiming, false);
	for (unsigned r = 0; r < RECLAIM_MAX && depot_pressure(st); r++) {
		if (st->net->reclaim[r])
			st->net->reclaim[r](st);
	}
}

/* Under pressure the open batch reclaims at its end.  Outside of any (a test) nobody is asked. */
static void depot_check_pressure(struct stack *st)
{
	struct depot *d = st->net->depot;

	if (!depot_pressure(st) || !slot_get(st)->batch || atomic_exchange(&d->reclaiming, true))
		return;
	batch_later(st, BATCH_RECLAIM, &d->reclaim);
}

/* --- shelves ---------------------------------------------------------------------------------- */

/* Takes up to `want` objects off the shelf. */
static unsigned shelf_take(struct stack *st, enum depot_class c, enum depot_need need,
			   unsigned want, void **out)
{
	struct depot *d = st->net->depot;
	uint64_t room = depot_room(st, need);
	struct shelved *s;
	unsigned n = 0;

	mutex_lock(&d->lock);
	while (n < want && d->shelf[c] && d->used + class_size[c] <= room) {
		s = d->shelf[c];
		d->shelf[c] = s->next;
		d->shelved -= class_size[c];
		d->used += class_size[c];
		out[n++] = s;
	}
	mutex_unlock(&d->lock);
	return n;
}

/* Takes objects off the shelves until at most `keep` bytes lie there; returns them as a list. */
static struct shelved *shelf_clear(struct depot *d, uint64_t keep)
{
	struct shelved *list = NULL, *s;

	for (unsigned c = DEPOT_CLASSES; c-- > 0 && d->shelved > keep;) {
		while (d->shelf[c] && d->shelved > keep) {
			s = d->shelf[c];
			d->shelf[c] = s->next;
			d->shelved -= class_size[c];
			s->next = list;
			list = s;
		}
	}
	return list;
}

static void shelved_free(struct shelved *list)
{
	struct shelved *next;

	for (; list; list = next) {
		next = list->next;
		free(list);
	}
}

/* One object from the system.  Shelves of other classes make way when the bound would be passed. */
static void *depot_grow(struct stack *st, enum depot_class c, enum depot_need need)
{
	struct depot *d = st->net->depot;
	uint64_t size = class_size[c], room = depot_room(st, need);
	struct shelved *excess = NULL;
	void *p = NULL;
	bool fits;

	mutex_lock(&d->lock);
	fits = d->used + size <= room;
	if (fits) {
		d->used += size;
		excess = shelf_clear(d, depot_limit(st) - d->used);
	}
	mutex_unlock(&d->lock);
	shelved_free(excess);
	if (!fits)
		return NULL;
	p = aligned_alloc(DEPOT_ALIGN, size);
	if (!p) {
		mutex_lock(&d->lock);
		d->used -= size;
		mutex_unlock(&d->lock);
	}
	return p;
}

/* Gives n objects to the shelf, and what is above the high-water mark to the system. */
static void shelf_give(struct stack *st, enum depot_class c, void **items, unsigned n)
{
	struct depot *d = st->net->depot;
	struct shelved *s;

	mutex_lock(&d->lock);
	for (unsigned i = 0; i < n; i++) {
		s = items[i];
		s->next = d->shelf[c];
		d->shelf[c] = s;
	}
	d->shelved += (uint64_t)n * class_size[c];
	d->used -= (uint64_t)n * class_size[c];
	s = shelf_clear(d, DEPOT_KEEPS * depot_limit(st) / 8);
	mutex_unlock(&d->lock);
	shelved_free(s);
}

/* --- thread caches ---------------------------------------------------------------------------- */

static struct pkbuf_cache *cache_create(struct slot *s)
{
	struct pkbuf_cache *pc = calloc(1, sizeof(*pc));
	uint64_t share = DEPOT_KEEPS * depot_limit(s->stack) / 64;

	if (!pc)
		return NULL;
	for (unsigned c = 0; c < DEPOT_CLASSES; c++) {
		uint64_t fit = share / class_size[c];

		pc->cap[c] = fit < cache_cap[c] ? (uint8_t)fit : cache_cap[c];
	}
	s->pkbuf_cache = pc;
	return pc;
}

static void cache_flush(struct stack *st, struct pkbuf_cache *pc, enum depot_class c, unsigned keep)
{
	if (pc->n[c] <= keep)
		return;
	shelf_give(st, c, pc->item[c] + keep, pc->n[c] - keep);
	pc->n[c] = (uint8_t)keep;
}

static void cache_flush_all(struct stack *st, struct pkbuf_cache *pc)
{
	for (unsigned c = 0; c < DEPOT_CLASSES; c++)
		cache_flush(st, pc, c, 0);
}

/* The cache is empty: half of it from the shelf, else one object from the system. */
static __attribute__((noinline)) void *cache_refill(struct slot *s, enum depot_class c,
						    enum depot_need need)
{
	struct pkbuf_cache *pc = s->pkbuf_cache ? s->pkbuf_cache : cache_create(s);
	struct stack *st = s->stack;
	unsigned want;

	if (!pc)
		return NULL;
	want = pc->cap[c] / 2 + 1u;
	depot_check_pressure(st);
	if (depot_pressure(st)) {
		cache_flush_all(st, pc);
		want = 1;
	}
	pc->n[c] = (uint8_t)shelf_take(st, c, need, want, pc->item[c]);
	if (pc->n[c] > 0)
		return pc->item[c][--pc->n[c]];
	return depot_grow(st, c, need);
}

/* The cache is full: half of it to the shelf, or all. */
static __attribute__((noinline)) void cache_spill(struct slot *s, enum depot_class c, void *p)
{
	struct pkbuf_cache *pc = s->pkbuf_cache ? s->pkbuf_cache : cache_create(s);

	if (!pc || pc->cap[c] == 0) {
		shelf_give(s->stack, c, &p, 1);
		return;
	}
	if (pc->n[c] == pc->cap[c])
		cache_flush(s->stack, pc, c, depot_pressure(s->stack) ? 0 : pc->cap[c] / 2u);
	pc->item[c][pc->n[c]++] = p;
}

void *depot_take(struct slot *s, enum depot_class c, enum depot_need need)
{
	struct pkbuf_cache *pc = s->pkbuf_cache;

	if (!pc || pc->n[c] == 0)
		return cache_refill(s, c, need);
	return pc->item[c][--pc->n[c]];
}

void depot_give(struct slot *s, enum depot_class c, void *p)
{
	struct pkbuf_cache *pc = s->pkbuf_cache;

	if (pc && pc->n[c] < pc->cap[c])
		pc->item[c][pc->n[c]++] = p;
	else
		cache_spill(s, c, p);
}

static void cache_release(struct slot *s)
{
	if (!s->pkbuf_cache)
		return;
	cache_flush_all(s->stack, s->pkbuf_cache);
	free(s->pkbuf_cache);
	s->pkbuf_cache = NULL;
}

/* --- the depot itself ------------------------------------------------------------------------- */

struct depot *depot_create(struct stack *st)
{
	struct depot *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->stack = st;
	d->reclaim.fn = depot_reclaim;
	mutex_init(&d->lock, RANK_LEAF);
	st->slot_release = cache_release;
	return d;
}

void depot_destroy(struct depot *d)
{
	slot_fini(d->stack); /* the caches of all threads come back */
	d->stack->slot_release = NULL;
	shelved_free(shelf_clear(d, 0));
	mutex_fini(&d->lock);
	free(d);
}
