/*
 * ip/icmp_limit.c - how many ICMP errors may go out (RFC 1812, 4.3.2.8), by Linux's two settings.
 *
 * To one host: one each icmp_ratelimit ms, and six at once after a rest.  To all: icmp_msgs_per_sec,
 * fifty at once.  Both are buckets of credit that fill with time.  Hosts are remembered in a small
 * set-associative table; a host whose slot was taken begins anew with a full bucket, which the
 * limit of all together bounds.
 *
 * What one message costs all together is drawn, and one on the average: else who sends in others' names
 * counts, by what it is refused itself, how many of those were answered, and so finds the ports in use
 * (CVE-2020-25705; Linux draws the same).
 */
#include <assert.h>

#include "ip/icmp_priv.h"
#include "lib/siphash.h"

#define ICMP_HOST_BURST 6u    /* Linux: XRLIM_BURST_FACTOR */
#define ICMP_GLOBAL_BURST 50u /* Linux: icmp_msgs_burst */

void icmp_limit_init(struct icmp_state *s)
{
	s->stamp = env_now(s->stack->env);
	s->credit = ICMP_GLOBAL_BURST * NSEC_PER_SEC;
}

/* The slot of dst, or the one of its set that was not used for longest, begun anew. */
static struct icmp_host *icmp_host(struct icmp_state *s, const struct ip_addr *dst, uint64_t now,
				   uint64_t full)
{
	uint64_t hash = siphash(dst->b, sizeof(dst->b), s->stack->key);
	struct icmp_host *set = s->host[hash % ICMP_LIMIT_SETS], *old = &set[0];

	for (unsigned i = 0; i < ICMP_LIMIT_WAYS; i++) {
		if (ip_addr_eq(&set[i].addr, dst))
			return &set[i];
		if (set[i].stamp < old->stamp)
			old = &set[i];
	}
	*old = (struct icmp_host){*dst, full, now};
	return old;
}

/* Fills h's bucket for the time that has passed.  True: there is credit for one message. */
static bool icmp_host_may(struct icmp_host *h, uint64_t now, uint64_t each, uint64_t full)
{
	h->credit += now - h->stamp;
	if (h->credit > full)
		h->credit = full;
	h->stamp = now;
	return h->credit >= each;
}

static bool icmp_global_may(struct icmp_state *s, uint64_t now, uint64_t per_sec)
{
	uint64_t full = ICMP_GLOBAL_BURST * NSEC_PER_SEC, passed = now - s->stamp;

	/* more than a second fills any bucket; less than that cannot overflow */
	if (passed > NSEC_PER_SEC * ICMP_GLOBAL_BURST)
		s->credit = full;
	else
		s->credit += passed * per_sec;
	if (s->credit > full)
		s->credit = full;
	s->stamp = now;
	return s->credit >= NSEC_PER_SEC;
}

/* 0 to 2 messages', and not more than there is. */
static uint64_t icmp_global_cost(const struct icmp_state *s, uint64_t chance)
{
	uint64_t cost = chance % 3 * NSEC_PER_SEC;

	return cost < s->credit ? cost : s->credit;
}

enum icmp_verdict icmp_limit(struct stack *st, const struct ip_addr *dst)
{
	struct icmp_state *s = st->ip->icmp;
	uint64_t each = (uint64_t)sysctl_get(st, icmp_ratelimit) * NSEC_PER_MSEC;
	uint64_t per_sec = (uint64_t)sysctl_get(st, icmp_msgs_per_sec);
	uint64_t full = each * ICMP_HOST_BURST, chance = env_random(st->env), now;
	enum icmp_verdict v = ICMP_MAY;
	struct icmp_host *h;

	mutex_lock(&s->limit_lock);
	now = env_now(st->env); /* not before a stamp that another thread has set */
	h = icmp_host(s, dst, now, full);
	if (each && !icmp_host_may(h, now, each, full))
		v = ICMP_LIMIT_HOST;
	else if (per_sec && !icmp_global_may(s, now, per_sec))
		v = ICMP_LIMIT_GLOBAL;
	/* paid only when it goes: one refused by the other bucket costs this one nothing */
	if (v == ICMP_MAY && each)
		h->credit -= each;
	if (v == ICMP_MAY && per_sec)
		s->credit -= icmp_global_cost(s, chance);
	mutex_unlock(&s->limit_lock);
	return v;
}
