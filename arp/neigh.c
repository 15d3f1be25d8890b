/*
 * arp/neigh.c - packets through the neighbour cache, and what moves an entry beside time: a packet
 * out, an answer in (RFC 4861, 7.2 and 7.3; RFC 826; RFC 1122, 2.3.2).
 *
 * Down the walk: from ip_out() to the device's link layer.  The ready path is one atomic load.  All
 * else takes the bucket lock, decides, lets go, and only then writes to the device.
 */
#include <errno.h>

#include "arp/neigh_priv.h"
#include "lib/mib.h"

#define NEIGH_SETTLE_NS NSEC_PER_SEC        /* of two answers within this the first wins */
#define NEIGH_USED_NS (100 * NSEC_PER_MSEC) /* how exact `used` is kept by the ready path */
#define NEIGH_DRAIN_ROUNDS 8                /* then the rest is left to the next who comes */

bool neigh_nud_is_valid(enum neigh_nud s)
{
	return s == NUD_STALE || neigh_nud_is_fast(s);
}

bool neigh_nud_is_fast(enum neigh_nud s)
{
	return s == NUD_REACHABLE || s == NUD_DELAY || s == NUD_PROBE || s == NUD_PERMANENT ||
	       s == NUD_NOARP;
}

void neigh_publish(struct neigh *n)
{
	uint64_t word = atomic_load_explicit(&n->word, memory_order_relaxed) & ~NEIGH_READY;

	if (neigh_nud_is_fast(neigh_word_nud(word)) && !n->held.count && !n->draining)
		word |= NEIGH_READY;
	atomic_store_explicit(&n->word, word, memory_order_release);
}

/* --- the hold queue --------------------------------------------------------------------------- */

static struct pkbuf *neigh_held_take(struct neigh *n)
{
	struct pkbuf *b = pkq_take(&n->held);

	n->held_bytes -= b->pinned;
	return b;
}

/* Room for one there always is, and the latest is the one that stays (RFC 1122, 2.3.2.2). */
static void neigh_queue(struct neigh *n, struct pkbuf *b, uint16_t type, struct pkq *over)
    REQUIRES(n->bucket->lock)
{
	struct stack *st = n->dev->stack;
	uint64_t most = (uint64_t)sysctl_get(st, neigh_unres_qlen);
	uint64_t most_bytes = (uint64_t)sysctl_get(st, neigh_unres_qlen_bytes);
	struct neigh_cb *cb = (struct neigh_cb *)b->cb;

	while (n->held.count && (n->held.count >= most || n->held_bytes + b->pinned > most_bytes)) {
		pkq_add(over, neigh_held_take(n));
		mib_inc(st, MIB_Arp_HoldDrops);
	}
	cb->type = type;
	n->held_bytes += b->pinned;
	pkq_add(&n->held, b);
	neigh_publish(n);
}

void neigh_unhold(struct neigh *n, struct pkq *to)
{
	while (n->held.count)
		pkq_add(to, neigh_held_take(n));
}

/*
 * The next packets to write, all at once, and the word to write them by; 0: no more, or not ours to
 * write.  Packets that come meanwhile join the queue, and a sender may fill it as fast as it is
 * emptied: after some rounds the rest is left to the timer or to the next sender, whoever is first.
 */
static uint64_t neigh_drain_take(struct neigh *n, struct pkq *out, unsigned round)
{
	uint64_t word;
	bool go;

	mutex_lock(&n->bucket->lock);
	word = atomic_load_explicit(&n->word, memory_order_relaxed);
	go = n->held.count && neigh_nud_is_valid(neigh_word_nud(word));
	if (round == 0 && (n->draining || !go)) {
		word = 0;
	} else if (go && round < NEIGH_DRAIN_ROUNDS) {
		n->draining = true;
		neigh_unhold(n, out);
	} else {
		n->draining = false;
		neigh_publish(n);
		if (go)
			neigh_arm(n, neigh_now(n));
		word = 0;
	}
	mutex_unlock(&n->bucket->lock);
	return word;
}

void neigh_drain(struct neigh *n)
{
	uint8_t mac[ETHER_ALEN];
	struct pkq out;
	struct pkbuf *b;
	uint64_t word;

	pkq_init(&out);
	for (unsigned round = 0; (word = neigh_drain_take(n, &out, round)); round++) {
		neigh_word_mac(word, mac);
		while ((b = pkq_take(&out)))
			n->dev->link->out(b, mac, ((struct neigh_cb *)b->cb)->type);
	}
}

/* --- out -------------------------------------------------------------------------------------- */

/* It died between look-up and use. */
static int neigh_out_anew(struct neigh *dead, struct pkbuf *b, uint16_t type)
{
	struct neigh *n = neigh_get(dead->dev, &dead->addr);
	int err;

	if (!n) {
		pkbuf_drop(b, DROP_NEIGH_TABLE_FULL);
		return -ENOBUFS;
	}
	err = neigh_out(n, b, type);
	neigh_put(n);
	return err;
}

/* A packet moves the state: who is not known is asked for, who is doubtful gets a time to prove itself. */
static void neigh_use(struct neigh *n) REQUIRES(n->bucket->lock)
{
	static const uint8_t nobody[ETHER_ALEN];
	enum neigh_nud s = neigh_nud(n);

	if (s == NUD_NONE || s == NUD_FAILED)
		neigh_set(n, NUD_INCOMPLETE, nobody);
	else if (s == NUD_STALE)
		neigh_set(n, NUD_DELAY, NULL);
	atomic_store_explicit(&n->used, neigh_now(n), memory_order_relaxed);
}

static int neigh_out_slow(struct neigh *n, struct pkbuf *b, uint16_t type)
{
	uint8_t mac[ETHER_ALEN];
	struct pkq over;
	bool solicit;
	uint64_t word;

	pkq_init(&over);
	mutex_lock(&n->bucket->lock);
	if (neigh_nud(n) == NUD_DEAD) {
		mutex_unlock(&n->bucket->lock);
		return neigh_out_anew(n, b, type);
	}
	neigh_use(n);
	word = atomic_load_explicit(&n->word, memory_order_relaxed);
	if (!(word & NEIGH_READY))
		neigh_queue(n, b, type, &over);
	solicit = neigh_word_nud(word) == NUD_INCOMPLETE && n->probes == 0;
	n->probes += solicit;
	mutex_unlock(&n->bucket->lock);

	if (word & NEIGH_READY) {
		neigh_word_mac(word, mac);
		return n->dev->link->out(b, mac, type);
	}
	neigh_drop_held(&over, DROP_NEIGH_QUEUE_FULL);
	if (solicit)
		n->ops->solicit(n->dev, &n->addr, NULL);
	neigh_drain(n);
	return 0;
}

bool neigh_is_ready(const struct neigh *n)
{
	return atomic_load_explicit(&n->word, memory_order_relaxed) & NEIGH_READY;
}

bool neigh_is_at(const struct neigh *n, const uint8_t *mac)
{
	uint64_t word = atomic_load_explicit(&n->word, memory_order_relaxed);
	uint8_t is[ETHER_ALEN];

	neigh_word_mac(word, is);
	return (word & NEIGH_READY) && memcmp(is, mac, ETHER_ALEN) == 0;
}

/* `used` is for eviction and listings; a shared line is not written for each packet. */
static void neigh_note_use(struct neigh *n, const struct pkbuf *b)
{
	uint64_t used = atomic_load_explicit(&n->used, memory_order_relaxed);

	if (b->stamp > used + NEIGH_USED_NS)
		atomic_store_explicit(&n->used, b->stamp, memory_order_relaxed);
}

int neigh_out(struct neigh *n, struct pkbuf *b, uint16_t type)
{
	uint64_t word = atomic_load_explicit(&n->word, memory_order_acquire);
	uint8_t mac[ETHER_ALEN];

	b->dev = n->dev;
	if (!(word & NEIGH_READY))
		return neigh_out_slow(n, b, type);
	neigh_note_use(n, b);
	neigh_word_mac(word, mac);
	return n->dev->link->out(b, mac, type);
}

void neigh_confirm(struct neigh *n)
{
	atomic_store_explicit(&n->confirmed, batch_now(n->dev->stack), memory_order_relaxed);
}

void neigh_doubt(struct neigh *n)
{
	mutex_lock(&n->bucket->lock);
	if (neigh_nud(n) == NUD_REACHABLE)
		neigh_set(n, NUD_STALE, NULL);
	mutex_unlock(&n->bucket->lock);
}

/* --- what was seen ---------------------------------------------------------------------------- */

/* It has answered. */
static void neigh_reach(struct neigh *n, const uint8_t *mac) REQUIRES(n->bucket->lock)
{
	neigh_set(n, NUD_REACHABLE, mac);
	atomic_store_explicit(&n->confirmed, n->since, memory_order_relaxed);
}

/* The first link address of an entry that had none. */
static void neigh_learn_first(struct neigh *n, const struct neigh_seen *seen)
    REQUIRES(n->bucket->lock)
{
	bool asked = neigh_nud(n) == NUD_INCOMPLETE;

	if (asked)
		mib_inc(n->dev->stack, MIB_Arp_Resolved);
	if (asked && seen->solicited)
		neigh_reach(n, seen->mac);
	else if (n->held.count) /* it is used at once: what is held goes out */
		neigh_set(n, NUD_DELAY, seen->mac);
	else
		neigh_set(n, NUD_STALE, seen->mac);
}

static bool neigh_may_replace(const struct neigh *n, enum neigh_override override)
    REQUIRES(n->bucket->lock)
{
	uint64_t at = atomic_load_explicit(&n->confirmed, memory_order_relaxed);

	if (override != NEIGH_REPLACE_SETTLED)
		return override == NEIGH_REPLACE;
	if (at < n->updated)
		at = n->updated;
	return neigh_now(n) >= at + NEIGH_SETTLE_NS;
}

/* Another link address than the one known.  Only what was asked for now makes it reachable. */
static void neigh_learn_other(struct neigh *n, const struct neigh_seen *seen)
    REQUIRES(n->bucket->lock)
{
	enum neigh_nud s = neigh_nud(n);

	if (!neigh_may_replace(n, seen->override)) {
		if (s == NUD_REACHABLE && seen->override == NEIGH_KEEP)
			neigh_set(n, NUD_STALE, NULL); /* RFC 4861, 7.2.5: doubt is cast */
	} else if (s == NUD_PROBE && seen->solicited) {
		neigh_reach(n, seen->mac);
	} else {
		neigh_set(n, NUD_STALE, seen->mac);
	}
}

static void neigh_learn(struct neigh *n, const struct neigh_seen *seen) REQUIRES(n->bucket->lock)
{
	enum neigh_nud s = neigh_nud(n);
	uint8_t mac[ETHER_ALEN];

	if (s == NUD_PERMANENT || s == NUD_NOARP || s == NUD_DEAD)
		return;
	neigh_mac(n, mac);
	if (!neigh_nud_is_valid(s))
		neigh_learn_first(n, seen);
	else if (memcmp(mac, seen->mac, ETHER_ALEN) != 0)
		neigh_learn_other(n, seen);
	else if (seen->solicited)
		neigh_reach(n, NULL);
}

bool neigh_update(struct netdev *dev, const struct neigh_seen *seen)
{
	struct neigh *n = neigh_find(dev, &seen->addr, seen->create);

	if (!n)
		return false;
	mutex_lock(&n->bucket->lock);
	neigh_learn(n, seen);
	mutex_unlock(&n->bucket->lock);
	neigh_drain(n);
	neigh_put(n);
	return true;
}
