/*
 * arp/neigh_timer.c - what time does to an entry (RFC 4861, 7.3; the times are sysctls, by Linux's
 * names).
 *
 * One timer an entry.  An idle entry does not tick: REACHABLE ends once, STALE and FAILED look once
 * whether anybody still wants them.  Upper layers confirm by storing a time; it is looked at here.
 */
#include "arp/neigh_priv.h"
#include "lib/debug.h"
#include "lib/mib.h"

static uint64_t neigh_ms(int64_t ms)
{
	return (uint64_t)ms * NSEC_PER_MSEC;
}

/* RFC 4861, 6.3.2: uniform in 0.5 to 1.5 of the base, so that neighbours do not march in step. */
static uint64_t neigh_reachable_ns(struct stack *st)
{
	uint64_t base = neigh_ms(sysctl_get(st, neigh_base_reachable_ms));

	return base / 2 + env_random(st->env) % (base + 1);
}

static uint64_t neigh_gc_ns(struct stack *st)
{
	return (uint64_t)sysctl_get(st, neigh_gc_stale_s) * NSEC_PER_SEC;
}

/* How long a state lasts. */
static uint64_t neigh_lasts(struct stack *st, enum neigh_nud s)
{
	switch (s) {
	case NUD_INCOMPLETE:
	case NUD_PROBE:
		return neigh_ms(sysctl_get(st, neigh_retrans_ms));
	case NUD_REACHABLE:
		return neigh_reachable_ns(st);
	case NUD_DELAY:
		return neigh_ms(sysctl_get(st, neigh_delay_probe_ms));
	case NUD_NONE:
	case NUD_STALE:
	case NUD_FAILED:
	case NUD_NOARP:
		return neigh_gc_ns(st);
	case NUD_PERMANENT:
	case NUD_DEAD:
		break;
	}
	return ENV_NEVER;
}

void neigh_arm(struct neigh *n, uint64_t when)
{
	if (timer_arm(n->dev->stack->net_wheel, &n->timer, when)) {
		neigh_hold(n);
		n->timer_refs++;
	}
}

static void neigh_disarm(struct neigh *n) REQUIRES(n->bucket->lock)
{
	if (timer_disarm(n->dev->stack->net_wheel, &n->timer)) {
		n->timer_refs--;
		neigh_put(n); /* never the last: the table's is put later */
	}
}

static void neigh_set_deadline(struct neigh *n, uint64_t when) REQUIRES(n->bucket->lock)
{
	n->deadline = when;
	if (when == ENV_NEVER)
		neigh_disarm(n);
	else
		neigh_arm(n, when);
}

static void neigh_trace(struct neigh *n, enum neigh_nud from, enum neigh_nud to)
{
	char text[IP_ADDR_TEXT];

	debug(n->dev->stack, DEBUG_ARP, "neigh %s dev %s: %s -> %s", ip_addr_text(&n->addr, text),
	      n->dev->name, neigh_nud_text(from), neigh_nud_text(to));
}

void neigh_set(struct neigh *n, enum neigh_nud to, const uint8_t *mac)
{
	uint64_t word = atomic_load_explicit(&n->word, memory_order_relaxed);
	enum neigh_nud from = neigh_word_nud(word);
	uint64_t lasts = neigh_lasts(n->dev->stack, to);

	n->since = neigh_now(n);
	n->probes = 0;
	word &= NEIGH_MAC_MASK;
	if (mac) {
		n->updated = n->since;
		word = 0;
		for (unsigned i = 0; i < ETHER_ALEN; i++)
			word |= (uint64_t)mac[i] << 8 * i;
	}
	word |= (uint64_t)to << NEIGH_NUD_SHIFT;
	atomic_store_explicit(&n->word, word, memory_order_release);
	neigh_publish(n);
	neigh_set_deadline(n, lasts == ENV_NEVER ? ENV_NEVER : n->since + lasts);
	if (from != to)
		neigh_trace(n, from, to);
}

/* --- the end of each state -------------------------------------------------------------------- */

/* What an expiry leaves to do without the lock. */
struct neigh_todo {
	bool solicit, unicast, failed, removed;
	uint8_t mac[ETHER_ALEN];
	struct pkq held;
};

static void neigh_fail(struct neigh *n, struct neigh_todo *todo) REQUIRES(n->bucket->lock)
{
	static const uint8_t nobody[ETHER_ALEN];

	mib_inc(n->dev->stack, MIB_Arp_Failed);
	neigh_unhold(n, &todo->held);
	todo->failed = true;
	neigh_set(n, NUD_FAILED, nobody);
}

static void neigh_solicit(struct neigh *n, struct neigh_todo *todo) REQUIRES(n->bucket->lock)
{
	todo->solicit = true;
	n->probes++;
	neigh_set_deadline(n, neigh_now(n) + neigh_lasts(n->dev->stack, NUD_PROBE));
}

static void neigh_end_incomplete(struct neigh *n, struct neigh_todo *todo) REQUIRES(n->bucket->lock)
{
	if (n->probes >= (uint64_t)sysctl_get(n->dev->stack, neigh_mcast_solicit))
		neigh_fail(n, todo);
	else
		neigh_solicit(n, todo);
}

/* An upper layer saw progress at or after `from`, not too long ago: REACHABLE counts from there. */
static bool neigh_reach_confirmed(struct neigh *n, uint64_t from) REQUIRES(n->bucket->lock)
{
	uint64_t at = atomic_load_explicit(&n->confirmed, memory_order_relaxed);
	uint64_t until = at + neigh_reachable_ns(n->dev->stack);

	if (at < from || until <= neigh_now(n))
		return false;
	neigh_set(n, NUD_REACHABLE, NULL);
	neigh_set_deadline(n, until);
	return true;
}

static void neigh_end_reachable(struct neigh *n, struct neigh_todo *todo) REQUIRES(n->bucket->lock)
{
	if (!neigh_reach_confirmed(n, n->since + 1))
		neigh_set(n, NUD_STALE, NULL);
}

static void neigh_end_probe(struct neigh *n, struct neigh_todo *todo) REQUIRES(n->bucket->lock)
{
	if (neigh_reach_confirmed(n, n->since))
		return;
	if (n->probes >= (uint64_t)sysctl_get(n->dev->stack, neigh_ucast_solicit)) {
		neigh_fail(n, todo);
		return;
	}
	neigh_mac(n, todo->mac);
	todo->unicast = true;
	neigh_solicit(n, todo);
}

static void neigh_end_delay(struct neigh *n, struct neigh_todo *todo) REQUIRES(n->bucket->lock)
{
	uint64_t since = n->since;

	if (neigh_reach_confirmed(n, since))
		return;
	neigh_set(n, NUD_PROBE, NULL);
	neigh_end_probe(n, todo);
}

/* STALE, FAILED and those that resolve nothing: is there a user, or was there lately? */
static void neigh_end_idle(struct neigh *n, struct neigh_todo *todo) REQUIRES(n->bucket->lock)
{
	uint64_t now = neigh_now(n), gc = neigh_gc_ns(n->dev->stack);
	uint64_t used = atomic_load_explicit(&n->used, memory_order_relaxed);

	if (!neigh_is_unused(n, 1)) {
		neigh_set_deadline(n, now + gc);
	} else if (used + gc > now) {
		neigh_set_deadline(n, used + gc);
	} else {
		neigh_remove(n, &todo->held);
		todo->removed = true;
	}
}

typedef void neigh_end_fn(struct neigh *n, struct neigh_todo *todo);

static neigh_end_fn *const neigh_end[] = {
    [NUD_NONE] = neigh_end_idle,   [NUD_INCOMPLETE] = neigh_end_incomplete,
    [NUD_STALE] = neigh_end_idle,  [NUD_REACHABLE] = neigh_end_reachable,
    [NUD_DELAY] = neigh_end_delay, [NUD_PROBE] = neigh_end_probe,
    [NUD_FAILED] = neigh_end_idle, [NUD_NOARP] = neigh_end_idle,
    [NUD_PERMANENT] = NULL,        [NUD_DEAD] = NULL,
};

static void neigh_expire(struct neigh *n, struct neigh_todo *todo) REQUIRES(n->bucket->lock)
{
	neigh_end_fn *end = neigh_end[neigh_nud(n)];

	n->timer_refs--; /* this call's reference is the caller's now */
	if (!end)
		return;
	if (neigh_now(n) < n->deadline)
		neigh_arm(n, n->deadline); /* it was set early, or moved meanwhile */
	else
		end(n, todo);
}

/* Nobody answers: what was held goes back to who sent it (RFC 4861, 7.2.2; RFC 1122, 2.4). */
static void neigh_give_back(struct neigh *n, struct pkq *held)
{
	neigh_unreachable_fn *fn = n->dev->stack->arp->unreachable;
	struct pkbuf *b;

	while ((b = pkq_take(held))) {
		if (fn)
			fn(b);
		else
			pkbuf_drop(b, DROP_NEIGH_FAILED);
	}
}

void neigh_timer(struct timer *t)
{
	struct neigh *n = (struct neigh *)((char *)t - offsetof(struct neigh, timer));
	struct neigh_todo todo = {0};

	pkq_init(&todo.held);
	mutex_lock(&n->bucket->lock);
	neigh_expire(n, &todo);
	mutex_unlock(&n->bucket->lock);

	if (todo.solicit)
		n->ops->solicit(n->dev, &n->addr, todo.unicast ? todo.mac : NULL);
	if (todo.failed)
		neigh_give_back(n, &todo.held);
	if (todo.removed)
		neigh_put(n);
	neigh_drain(n);
	neigh_put(n);
}
