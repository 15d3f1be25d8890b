/*
 * arp/neigh_table.c - the table of entries: look-up, references, making, the bound on their number.
 *
 * Hashed with the stack's key, so that nobody outside can choose who shares a bucket.  The table is
 * made for some thousands of neighbours.
 */
#include <assert.h>
#include <stdlib.h>

#include "arp/neigh_priv.h"
#include "lib/mib.h"
#include "lib/siphash.h"
#include "net/ifaddr.h"

#define NEIGH_EVICT_PAUSE_NS (10 * NSEC_PER_MSEC) /* after a search that found nothing */
#define NEIGH_RESOLVE_NS (100 * NSEC_PER_MSEC) /* what a full table leaves an unanswered question */

/* What an entry is found by.  Where nothing is resolved one entry a device serves every address. */
struct neigh_key {
	struct ip_addr addr;
	uint32_t ifindex;
	uint32_t pad;
};

static struct neigh_key neigh_key_of(const struct netdev *dev, const struct ip_addr *a)
{
	struct neigh_key key = {.addr = *a, .ifindex = dev->ifindex};

	if (neigh_dev_is_noarp(dev))
		key.addr = ip_addr_is4(a) ? ip_addr_any4 : ip_addr_any;
	return key;
}

static struct neigh_bucket *neigh_bucket_of(struct stack *st, const struct neigh_key *key)
{
	return &st->arp->bucket[siphash13(key, sizeof(*key), st->key) % NEIGH_BUCKETS];
}

static struct neigh *neigh_chain_find(struct neigh_bucket *bk, const struct netdev *dev,
				      const struct ip_addr *a) REQUIRES(bk->lock)
{
	struct neigh *n = bk->head;

	while (n && !(n->dev == dev && ip_addr_eq(&n->addr, a)))
		n = n->next;
	return n ? neigh_hold(n) : NULL;
}

static struct neigh *neigh_lookup(struct netdev *dev, const struct neigh_key *key)
{
	struct neigh_bucket *bk = neigh_bucket_of(dev->stack, key);
	struct neigh *n;

	mutex_lock(&bk->lock);
	n = neigh_chain_find(bk, dev, &key->addr);
	mutex_unlock(&bk->lock);
	return n;
}

/* --- references ------------------------------------------------------------------------------- */

struct neigh *neigh_hold(struct neigh *n)
{
	atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
	return n;
}

void neigh_put(struct neigh *n)
{
	if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
		return;
	assert(neigh_nud(n) == NUD_DEAD && !n->held.count);
	gauge_add(n->dev->stack, GAUGE_neighs, -1);
	free(n);
}

bool neigh_is_dead(const struct neigh *n)
{
	return neigh_nud(n) == NUD_DEAD;
}

bool neigh_is_unused(struct neigh *n, uint32_t own)
{
	return atomic_load(&n->refs) == 1 + n->timer_refs + own;
}

void neigh_remove(struct neigh *n, struct pkq *held)
{
	struct neigh **at = &n->bucket->head;

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->next = NULL;
	atomic_fetch_sub(&n->dev->stack->arp->count, 1);
	neigh_unhold(n, held);
	neigh_set(n, NUD_DEAD, NULL);
}

void neigh_drop_held(struct pkq *q, enum drop_reason why)
{
	struct pkbuf *b;

	while ((b = pkq_take(q)))
		pkbuf_drop(b, why);
}

/* --- the bound -------------------------------------------------------------------------------- */

/* Who goes first, of those that may go at all. */
enum neigh_rank { NEIGH_RANK_FAILED = 1, NEIGH_RANK_UNANSWERED, NEIGH_RANK_ANSWERED };
#define NEIGH_RANK_SHIFT 62 /* below it ns: 146 years of them */

static uint64_t neigh_rank(enum neigh_rank rank, uint64_t at)
{
	return (uint64_t)rank << NEIGH_RANK_SHIFT | at;
}

/*
 * What an entry is worth keeping, 0: may not go.  Those that failed go first, then those asked for
 * longest without an answer, so that a scan of a subnet's addresses neither pushes out who answers
 * nor keeps new neighbours out (RFC 6583, 6.4), then the least recently used.  `own` as in
 * neigh_is_unused().
 */
static uint64_t neigh_worth(struct neigh *n, uint32_t own, uint64_t now) REQUIRES(n->bucket->lock)
{
	enum neigh_nud s = neigh_nud(n);
	uint64_t used = atomic_load_explicit(&n->used, memory_order_relaxed);

	if (s == NUD_PERMANENT || s == NUD_DEAD || !neigh_is_unused(n, own))
		return 0;
	if (s == NUD_INCOMPLETE)
		return now < n->since + NEIGH_RESOLVE_NS
			   ? 0
			   : neigh_rank(NEIGH_RANK_UNANSWERED, n->since);
	if (n->held.count)
		return 0;
	return neigh_rank(s == NUD_FAILED ? NEIGH_RANK_FAILED : NEIGH_RANK_ANSWERED, used);
}

/* The one to go, with a reference. */
static NO_LOCK_ANALYSIS struct neigh *neigh_evict_choose(struct arp_state *as, uint64_t now)
{
	struct neigh *best = NULL, *old;
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < NEIGH_BUCKETS; i++) {
		struct neigh_bucket *bk = &as->bucket[i];

		old = best;
		mutex_lock(&bk->lock);
		for (struct neigh *n = bk->head; n; n = n->next) {
			uint64_t worth = neigh_worth(n, 0, now);

			if (worth && worth < least) {
				least = worth;
				best = n;
			}
		}
		if (best != old)
			neigh_hold(best);
		mutex_unlock(&bk->lock);
		if (best != old && old)
			neigh_put(old);
	}
	return best;
}

static bool neigh_evict(struct arp_state *as)
{
	uint64_t now = env_now(as->stack->env);
	struct neigh *n;
	struct pkq held;
	bool gone = false;

	if (now < atomic_load_explicit(&as->evict_after, memory_order_relaxed))
		return false;
	n = neigh_evict_choose(as, now);
	if (!n) {
		atomic_store_explicit(&as->evict_after, now + NEIGH_EVICT_PAUSE_NS,
				      memory_order_relaxed);
		return false;
	}
	pkq_init(&held);
	mutex_lock(&n->bucket->lock);
	if (neigh_worth(n, 1, now)) { /* still: it may have been answered or used meanwhile */
		neigh_remove(n, &held);
		gone = true;
	}
	mutex_unlock(&n->bucket->lock);
	neigh_drop_held(&held, DROP_NEIGH_TABLE_FULL);
	if (gone)
		neigh_put(n);
	neigh_put(n);
	return gone;
}

/* --- making ----------------------------------------------------------------------------------- */

/* RFC 1112, 6.4; RFC 2464, 7. */
static void neigh_multicast_mac(const struct ip_addr *a, uint8_t mac[ETHER_ALEN])
{
	static const uint8_t prefix4[3] = {0x01, 0x00, 0x5e};

	if (ip_addr_is4(a)) {
		memcpy(mac, prefix4, 3);
		memcpy(mac + 3, a->b + 13, 3);
		mac[3] &= 0x7f;
	} else {
		mac[0] = mac[1] = 0x33;
		memcpy(mac + 2, a->b + 12, 4);
	}
}

/* The state an entry begins in, and its link address where that follows from the address. */
static enum neigh_nud neigh_begin(struct netdev *dev, const struct ip_addr *a,
				  uint8_t mac[ETHER_ALEN])
{
	memset(mac, 0, ETHER_ALEN);
	if (neigh_dev_is_noarp(dev))
		return NUD_NOARP;
	if (ip_addr_is_multicast(a))
		neigh_multicast_mac(a, mac);
	else if (ip_addr_is_bcast(a) || ifaddr_is_bcast(dev, a))
		memcpy(mac, ether_broadcast, ETHER_ALEN);
	else
		return NUD_NONE;
	return NUD_NOARP;
}

static struct neigh *neigh_alloc(struct netdev *dev, const struct neigh_key *key)
{
	struct stack *st = dev->stack;
	struct neigh *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	timer_init(&n->timer, neigh_timer);
	n->bucket = neigh_bucket_of(st, key);
	n->dev = dev;
	n->addr = key->addr;
	n->ops = st->arp->ops[ip_addr_is4(&key->addr)];
	atomic_init(&n->refs, 1);
	atomic_init(&n->used, env_now(st->env));
	atomic_init(&n->word, (uint64_t)NUD_DEAD << NEIGH_NUD_SHIFT);
	pkq_init(&n->held);
	gauge_add(st, GAUGE_neighs, 1);
	return n;
}

/* Puts n on the table in state s, or finds that another thread was faster.  With a reference. */
static struct neigh *neigh_insert(struct neigh *n, enum neigh_nud s, const uint8_t *mac)
{
	struct neigh *other;

	mutex_lock(&n->bucket->lock);
	other = neigh_chain_find(n->bucket, n->dev, &n->addr);
	if (!other) {
		n->next = n->bucket->head;
		n->bucket->head = n;
		atomic_fetch_add(&n->dev->stack->arp->count, 1);
		neigh_set(n, s, mac);
		neigh_hold(n);
	}
	mutex_unlock(&n->bucket->lock);
	if (!other)
		return n;
	neigh_put(n);
	return other;
}

static struct neigh *neigh_create(struct netdev *dev, const struct neigh_key *key)
{
	struct arp_state *as = dev->stack->arp;
	uint8_t mac[ETHER_ALEN];
	enum neigh_nud s = neigh_begin(dev, &key->addr, mac);
	struct neigh *n;

	if (s == NUD_NONE && !as->ops[ip_addr_is4(&key->addr)])
		return NULL;
	if (atomic_load(&as->count) >= (uint64_t)sysctl_get(as->stack, neigh_gc_thresh3) &&
	    !neigh_evict(as))
		return NULL;
	n = neigh_alloc(dev, key);
	return n ? neigh_insert(n, s, mac) : NULL;
}

struct neigh *neigh_find(struct netdev *dev, const struct ip_addr *a, bool create)
{
	struct neigh_key key = neigh_key_of(dev, a);
	struct neigh *n = neigh_lookup(dev, &key);

	return n || !create ? n : neigh_create(dev, &key);
}

struct neigh *neigh_get(struct netdev *dev, const struct ip_addr *nexthop)
{
	struct neigh_key key = neigh_key_of(dev, nexthop);
	struct neigh *n = neigh_lookup(dev, &key);

	mib_inc(dev->stack, MIB_Arp_Lookups);
	if (!n)
		return neigh_create(dev, &key);
	mib_inc(dev->stack, MIB_Arp_Hits);
	return n;
}
