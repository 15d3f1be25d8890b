/*
 * ip/pmtu.c - what ICMP taught about single destinations: path MTU (RFC 1191) and redirects
 * (RFC 1122, 3.2.2.2).
 *
 * Both age; a destination is then believed to be as its route says.  The table is bounded: the one
 * that was learnt longest ago makes room.  Empty, as it nearly always is, it costs one load.
 */
#include <stdlib.h>

#include "ip/ip_priv.h"
#include "lib/siphash.h"
#include "lib/timer.h"

#define PMTU_BUCKETS 256
#define PMTU_ENTRIES_MAX 1024
#define REDIRECT_LIFE_NS (300 * NSEC_PER_SEC) /* Linux's gc_timeout */

/* LOCKING: the state's lock guards entries. */
struct pmtu_entry {
	struct pmtu_entry *next;          /* of the bucket */
	struct pmtu_entry *older, *newer; /* of all, by when they were learnt */
	struct ip_addr dst;
	struct pmtu_info info;
	uint64_t mtu_until, gateway_until; /* ns */
};

/*
 * LOCKING
 *	l	lock		a	atomic		c	constant after creation
 */
struct pmtu_state {
	struct stack *stack;                     /* c */
	struct mutex lock;                       /* c: rank PMTU */
	_Atomic unsigned count;                  /* a: written under l */
	struct pmtu_entry *bucket[PMTU_BUCKETS]; /* l */
	struct pmtu_entry *oldest, *newest;      /* l */
	struct timer timer;                      /* armed while there are entries */
	uint64_t armed_for;                      /* l: its time */
};

static void pmtu_expire(struct timer *t);

struct pmtu_state *pmtu_state_create(struct stack *st)
{
	struct pmtu_state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->stack = st;
	s->armed_for = ENV_NEVER;
	mutex_init(&s->lock, RANK_PMTU);
	timer_init(&s->timer, pmtu_expire);
	return s;
}

/* --- entries ---------------------------------------------------------------------------------- */

static struct pmtu_entry **pmtu_slot(struct pmtu_state *s, const struct ip_addr *dst)
    REQUIRES(&s->lock);
static void pmtu_remove(struct pmtu_state *s, struct pmtu_entry *e) REQUIRES(&s->lock);
static struct pmtu_entry *pmtu_make(struct pmtu_state *s, const struct ip_addr *dst)
    REQUIRES(&s->lock);
static void pmtu_arm(struct pmtu_state *s, uint64_t until) REQUIRES(&s->lock);

/* Where dst's entry hangs, or would. */
static struct pmtu_entry **pmtu_slot(struct pmtu_state *s, const struct ip_addr *dst)
{
	uint64_t hash = siphash13(dst->b, sizeof(dst->b), s->stack->key);
	struct pmtu_entry **at = &s->bucket[hash % PMTU_BUCKETS];

	while (*at && !ip_addr_eq(&(*at)->dst, dst))
		at = &(*at)->next;
	return at;
}

static void pmtu_unlink_age(struct pmtu_state *s, struct pmtu_entry *e)
{
	*(e->older ? &e->older->newer : &s->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &s->newest) = e->older;
}

static void pmtu_link_newest(struct pmtu_state *s, struct pmtu_entry *e)
{
	e->older = s->newest;
	e->newer = NULL;
	*(s->newest ? &s->newest->newer : &s->oldest) = e;
	s->newest = e;
}

static void pmtu_remove(struct pmtu_state *s, struct pmtu_entry *e)
{
	*pmtu_slot(s, &e->dst) = e->next;
	pmtu_unlink_age(s, e);
	atomic_fetch_sub_explicit(&s->count, 1, memory_order_relaxed);
	free(e);
}

/* The entry of dst, now the newest, made when there is none.  NULL: no memory. */
static struct pmtu_entry *pmtu_make(struct pmtu_state *s, const struct ip_addr *dst)
{
	struct pmtu_entry **at, *e = *pmtu_slot(s, dst);

	if (e) {
		pmtu_unlink_age(s, e);
		pmtu_link_newest(s, e);
		return e;
	}
	if (atomic_load_explicit(&s->count, memory_order_relaxed) >= PMTU_ENTRIES_MAX)
		pmtu_remove(s, s->oldest);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->dst = *dst;
	e->mtu_until = e->gateway_until = ENV_NEVER;
	at = pmtu_slot(s, dst);
	*at = e;
	pmtu_link_newest(s, e);
	atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
	return e;
}

void pmtu_state_destroy(struct pmtu_state *s)
{
	timer_disarm(s->stack->net_wheel, &s->timer);
	mutex_lock(&s->lock);
	while (s->oldest)
		pmtu_remove(s, s->oldest);
	mutex_unlock(&s->lock);
	mutex_fini(&s->lock);
	free(s);
}

/* --- ageing ----------------------------------------------------------------------------------- */

/* Forgets what is too old.  True: something was. */
static bool pmtu_forget(struct pmtu_entry *e, uint64_t now)
{
	bool forgot = false;

	if (e->mtu_until <= now) {
		e->mtu_until = ENV_NEVER;
		e->info.mtu = 0;
		e->info.locked = false;
		forgot = true;
	}
	if (e->gateway_until <= now) {
		e->gateway_until = ENV_NEVER;
		e->info.gateway = ip_addr_any;
		forgot = true;
	}
	return forgot;
}

static uint64_t pmtu_until(const struct pmtu_entry *e)
{
	return e->mtu_until < e->gateway_until ? e->mtu_until : e->gateway_until;
}

/* The timer goes off at the earliest deadline and then looks at all of them. */
static void pmtu_arm(struct pmtu_state *s, uint64_t until)
{
	if (until >= s->armed_for)
		return;
	s->armed_for = until;
	timer_arm(s->stack->net_wheel, &s->timer, until);
}

static void pmtu_expire(struct timer *t)
{
	struct pmtu_state *s =
	    (struct pmtu_state *)((char *)t - offsetof(struct pmtu_state, timer));
	uint64_t now = env_now(s->stack->env), next = ENV_NEVER;
	struct pmtu_entry *newer;
	bool forgot = false;

	mutex_lock(&s->lock);
	for (struct pmtu_entry *e = s->oldest; e; e = newer) {
		newer = e->newer;
		forgot |= pmtu_forget(e, now);
		if (pmtu_until(e) == ENV_NEVER)
			pmtu_remove(s, e);
		else if (pmtu_until(e) < next)
			next = pmtu_until(e);
	}
	s->armed_for = ENV_NEVER;
	pmtu_arm(s, next);
	mutex_unlock(&s->lock);
	if (forgot)
		route_generation_bump(s->stack);
}

/* --- path MTU --------------------------------------------------------------------------------- */

bool pmtu_lookup(struct stack *st, const struct ip_addr *dst, struct pmtu_info *info)
{
	struct pmtu_state *s = st->ip->pmtu;
	const struct pmtu_entry *e;

	if (atomic_load_explicit(&s->count, memory_order_relaxed) == 0)
		return false;
	mutex_lock(&s->lock);
	e = *pmtu_slot(s, dst);
	if (e)
		*info = e->info;
	mutex_unlock(&s->lock);
	return e != NULL;
}

uint32_t pmtu_get(struct stack *st, const struct ip_addr *dst)
{
	struct pmtu_info info;

	return pmtu_lookup(st, dst, &info) ? info.mtu : 0;
}

/* A router of before RFC 1191 names no MTU: the next plateau below what was sent (section 7). */
static uint32_t pmtu_plateau(uint32_t sent_len)
{
	static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002,
					    1492,  1006,  508,  296,  68};
	unsigned i = 0;

	while (i < sizeof(plateaus) / sizeof(plateaus[0]) - 1 && plateaus[i] >= sent_len)
		i++;
	return plateaus[i];
}

/* What dst is believed to take without this entry; 0: its route's MTU is locked. */
static uint32_t pmtu_of_route(struct stack *st, const struct ip_addr *dst)
{
	struct route r;
	uint32_t mtu;

	if (!route_lookup(st, dst, 0, &r) || !r.dev)
		return IP4_LEN_MAX;
	if (r.mtu_lock)
		return 0;
	mtu = atomic_load_explicit(&r.dev->mtu, memory_order_relaxed);
	return r.mtu && r.mtu < mtu ? r.mtu : mtu;
}

/* True: the entry says something new. */
static bool pmtu_believe(struct stack *st, struct pmtu_entry *e, uint32_t mtu, uint32_t now_mtu)
{
	uint32_t least = (uint32_t)sysctl_get(st, ip_min_pmtu);
	bool locked = mtu < least;

	if (locked)
		mtu = least < now_mtu ? least : now_mtu;
	if (mtu > now_mtu || (mtu == now_mtu && locked == e->info.locked))
		return false;
	e->info.mtu = mtu;
	e->info.locked |= locked;
	e->mtu_until = env_now(st->env) + (uint64_t)sysctl_get(st, ip_mtu_expires) * NSEC_PER_SEC;
	return true;
}

uint32_t pmtu_learn(struct stack *st, const struct ip_addr *dst, uint32_t mtu, uint32_t sent_len)
{
	struct pmtu_state *s = st->ip->pmtu;
	uint32_t believed = pmtu_of_route(st, dst), limit = believed;
	struct pmtu_entry *e;
	bool news = false;

	if (believed == 0)
		return 0;
	if (mtu == 0)
		mtu = pmtu_plateau(sent_len);
	if (mtu >= sent_len || mtu >= believed)
		return pmtu_get(st, dst);
	mutex_lock(&s->lock);
	e = pmtu_make(s, dst);
	if (e) {
		if (e->info.mtu && e->info.mtu < limit)
			limit = e->info.mtu;
		news = pmtu_believe(st, e, mtu, limit);
		believed = e->info.mtu;
		pmtu_arm(s, pmtu_until(e));
	}
	mutex_unlock(&s->lock);
	if (news)
		route_generation_bump(st);
	return believed;
}

/* --- redirects -------------------------------------------------------------------------------- */

/* The new first hop must be a neighbour by the very device that dst's packets leave by now, as *now says. */
static bool redirect_is_sound(struct stack *st, const struct ip_addr *dst,
			      const struct ip_addr *gateway, struct route *now)
{
	struct route link;

	if (ip_addr_type(st, gateway) != ROUTE_UNICAST || ip_addr_type(st, dst) != ROUTE_UNICAST)
		return false;
	if (!route_lookup(st, dst, 0, now) || !now->dev || ip_addr_is_any(&now->gateway))
		return false;
	return route_lookup(st, gateway, now->dev->ifindex, &link) && link.dev &&
	       ip_addr_is_any(&link.gateway);
}

void redirect_learn(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway)
{
	struct pmtu_state *s = st->ip->pmtu;
	struct pmtu_entry *e;
	struct route now;

	if (!sysctl_get(st, ip_accept_redirects) || !redirect_is_sound(st, dst, gateway, &now))
		return;
	mutex_lock(&s->lock);
	e = pmtu_make(s, dst);
	if (e) {
		e->info.gateway = *gateway;
		e->info.via = now.gateway;
		e->info.ifindex = now.dev->ifindex;
		e->gateway_until = env_now(st->env) + REDIRECT_LIFE_NS;
		pmtu_arm(s, pmtu_until(e));
	}
	mutex_unlock(&s->lock);
	if (e)
		route_generation_bump(st);
}
