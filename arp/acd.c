/*
 * arp/acd.c - address conflict detection (RFC 5227): probe before use, announce, defend.
 *
 * Each of the three runs by itself on the net wheel: an acd is on the list from its start to its last
 * timer.  Its timer is armed or firing all that while; who takes it off the list before ends it if the
 * timer could be disarmed, else the timer, which is firing, does.  A device that has an address in use
 * keeps it whatever is heard, and defends it once an interval (2.4, c).
 */
#include <errno.h>
#include <stdlib.h>

#include "arp/neigh_priv.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "lib/wire/arp.h"
#include "net/ifaddr.h"

/* RFC 5227, 1.1 */
#define PROBE_WAIT_NS NSEC_PER_SEC
#define PROBE_NUM 3
#define PROBE_MIN_NS NSEC_PER_SEC
#define PROBE_MAX_NS (2 * NSEC_PER_SEC)
#define ANNOUNCE_WAIT_NS (2 * NSEC_PER_SEC)
#define ANNOUNCE_NUM 2
#define ANNOUNCE_INTERVAL_NS (2 * NSEC_PER_SEC)
#define DEFEND_INTERVAL_NS (10 * NSEC_PER_SEC)

enum acd_phase {
	ACD_PROBE,    /* until `done` is called */
	ACD_ANNOUNCE, /* until the last announcement */
	ACD_DEFEND,   /* was defended: not again before its timer */
};

/*
 * LOCKING
 *	c	constant after creation		d	the state's acd_lock
 */
struct acd {
	struct timer timer;
	struct acd *next;     /* d */
	bool listed;          /* d */
	enum acd_phase phase; /* c */
	struct netdev *dev;   /* c */
	struct ip_addr addr;  /* c */
	unsigned left;        /* d: packets still to send */
	acd_done_fn *done;    /* c: ACD_PROBE */
	void *arg;            /* c */
};

static uint64_t acd_random(struct stack *st, uint64_t from, uint64_t to)
{
	return from + env_random(st->env) % (to - from + 1);
}

/* A request for the address itself: from nobody when it probes, from its owner when it announces. */
static void acd_send(struct netdev *dev, enum acd_phase phase, const struct ip_addr *a)
{
	struct arp_msg m = {.op = ARP_OP_REQUEST, .spa = *a, .tpa = *a};

	if (phase == ACD_PROBE)
		m.spa = ip_addr_any4;
	memcpy(m.to, ether_broadcast, ETHER_ALEN);
	arp_send(dev, &m);
}

/* --- the list --------------------------------------------------------------------------------- */

/* Where it hangs; where it would, when there is none. */
static struct acd **acd_find(struct arp_state *as, const struct acd *like) REQUIRES(as->acd_lock)
{
	struct acd **at = &as->acds;

	while (*at && !((*at)->dev == like->dev && (*at)->phase == like->phase &&
			ip_addr_eq(&(*at)->addr, &like->addr)))
		at = &(*at)->next;
	return at;
}

static void acd_arm(struct arp_state *as, struct acd *c, uint64_t in) REQUIRES(as->acd_lock)
{
	timer_arm(as->stack->net_wheel, &c->timer, env_now(as->stack->env) + in);
}

/* Takes *at off the list, and a copy of it to `out`.  A timer that is firing frees it, else it is now. */
static void acd_take(struct arp_state *as, struct acd **at, struct acd *out) REQUIRES(as->acd_lock)
{
	struct acd *c = *at;

	*at = c->next;
	c->listed = false;
	*out = *c;
	if (timer_disarm(as->stack->net_wheel, &c->timer))
		free(c);
}

static bool acd_take_one(struct netdev *dev, enum acd_phase phase, const struct ip_addr *a,
			 struct acd *out)
{
	struct acd like = {.dev = dev, .phase = phase, .addr = *a};
	struct arp_state *as = dev->stack->arp;
	struct acd **at;
	bool have;

	mutex_lock(&as->acd_lock);
	at = acd_find(as, &like);
	have = *at != NULL;
	if (have)
		acd_take(as, at, out);
	mutex_unlock(&as->acd_lock);
	return have;
}

static void acd_timer(struct timer *t);

/* Puts a new one on the list, its timer to fire in `in` ns.  0; -EALREADY: it runs; -ENOMEM. */
static int acd_start(const struct acd *proto, uint64_t in)
{
	struct arp_state *as = proto->dev->stack->arp;
	struct acd *c = malloc(sizeof(*c));
	bool have;

	if (!c)
		return -ENOMEM;
	*c = *proto;
	timer_init(&c->timer, acd_timer);
	mutex_lock(&as->acd_lock);
	have = *acd_find(as, c) != NULL;
	if (!have) {
		c->listed = true;
		c->next = as->acds;
		as->acds = c;
		acd_arm(as, c, in);
	}
	mutex_unlock(&as->acd_lock);
	if (have)
		free(c);
	return have ? -EALREADY : 0;
}

/* --- time ------------------------------------------------------------------------------------- */

static void acd_arm_next(struct arp_state *as, struct acd *c) REQUIRES(as->acd_lock)
{
	if (c->phase == ACD_ANNOUNCE)
		acd_arm(as, c, ANNOUNCE_INTERVAL_NS);
	else if (c->left)
		acd_arm(as, c, acd_random(as->stack, PROBE_MIN_NS, PROBE_MAX_NS));
	else
		acd_arm(as, c, ANNOUNCE_WAIT_NS);
}

/* The next packet, if one is left; then a probe waits once more.  False: c has ended. */
static bool acd_step(struct arp_state *as, struct acd *c, bool *send) REQUIRES(as->acd_lock)
{
	*send = c->listed && c->left > 0;
	if (!c->listed)
		return false;
	c->left -= *send;
	if (c->phase == ACD_PROBE ? *send : c->left > 0) {
		acd_arm_next(as, c);
		return true;
	}
	*acd_find(as, c) = c->next;
	return false;
}

static void acd_timer(struct timer *t)
{
	struct acd *c = (struct acd *)((char *)t - offsetof(struct acd, timer)), was;
	struct arp_state *as = c->dev->stack->arp;
	bool more, send;

	mutex_lock(&as->acd_lock);
	was = *c; /* once the lock is let go it may be taken off and freed */
	more = acd_step(as, c, &send);
	mutex_unlock(&as->acd_lock);

	if (send)
		acd_send(was.dev, was.phase, &was.addr);
	if (more)
		return;
	free(c);
	if (was.listed && was.phase == ACD_PROBE)
		was.done(was.arg, false, NULL);
}

/* --- for rooms above -------------------------------------------------------------------------- */

int acd_probe(struct netdev *dev, const struct ip_addr *a, acd_done_fn *done, void *arg)
{
	struct acd c = {
	    .phase = ACD_PROBE,
	    .dev = dev,
	    .addr = *a,
	    .left = PROBE_NUM,
	    .done = done,
	    .arg = arg,
	};

	if (neigh_dev_is_noarp(dev) || !ip_addr_is4(a) || ip_addr_is_any(a) ||
	    ip_addr_is_multicast(a) || ip_addr_is_bcast(a) || ip_addr_is_loopback(a))
		return -EINVAL;
	return acd_start(&c, acd_random(dev->stack, 0, PROBE_WAIT_NS));
}

bool acd_cancel(struct netdev *dev, const struct ip_addr *a)
{
	struct acd was;

	return acd_take_one(dev, ACD_PROBE, a, &was);
}

void acd_announce(struct netdev *dev, const struct ip_addr *a)
{
	struct acd c = {
	    .phase = ACD_ANNOUNCE,
	    .dev = dev,
	    .addr = *a,
	    .left = ANNOUNCE_NUM - 1,
	};

	if (!neigh_dev_is_noarp(dev) && acd_start(&c, ANNOUNCE_INTERVAL_NS) == 0)
		acd_send(dev, ACD_ANNOUNCE, a);
}

/* --- what is heard ---------------------------------------------------------------------------- */

static bool acd_mac_is_own(struct stack *st, const uint8_t *mac)
{
	struct netdev *dev = NULL;

	while ((dev = netdev_next(st, dev))) {
		if (memcmp(dev->mac, mac, ETHER_ALEN) == 0)
			return true;
	}
	return false;
}

/* RFC 5227, 2.1.1: another host uses what we probe for, or probes for it at the same time. */
static void acd_probe_heard(struct netdev *dev, const struct arp_msg *m, const uint8_t *sha)
{
	bool probe = m->op == ARP_OP_REQUEST && ip_addr_is_any(&m->spa);
	struct acd was;

	if (acd_take_one(dev, ACD_PROBE, probe ? &m->tpa : &m->spa, &was))
		was.done(was.arg, true, sha);
}

/* RFC 5227, 2.4, c: keep the address, and defend it, but not against each packet. */
static void acd_defend(struct netdev *dev, const struct ip_addr *a)
{
	struct acd c = {.phase = ACD_DEFEND, .dev = dev, .addr = *a};

	if (acd_start(&c, DEFEND_INTERVAL_NS) == 0)
		acd_send(dev, ACD_ANNOUNCE, a);
}

bool acd_in(struct netdev *dev, const struct arp_msg *m, const uint8_t *sha)
{
	struct stack *st = dev->stack;
	char text[IP_ADDR_TEXT];

	if (acd_mac_is_own(st, sha))
		return false;
	acd_probe_heard(dev, m, sha);
	if (ip_addr_is_any(&m->spa) || !ifaddr_owner(st, &m->spa))
		return false;
	mib_inc(st, MIB_Arp_Conflicts);
	debug(st, DEBUG_ARP, "arp %s: %02x:%02x:%02x:%02x:%02x:%02x uses our address %s", dev->name,
	      sha[0], sha[1], sha[2], sha[3], sha[4], sha[5], ip_addr_text(&m->spa, text));
	acd_defend(dev, &m->spa);
	return true;
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool acd_take_any(struct netdev *dev, const struct ip_addr *a, struct acd *out)
{
	struct arp_state *as = dev->stack->arp;
	struct acd **at = &as->acds;
	bool have;

	mutex_lock(&as->acd_lock);
	while (*at && ((*at)->dev != dev ||
		       (a && ((*at)->phase == ACD_PROBE || !ip_addr_eq(&(*at)->addr, a)))))
		at = &(*at)->next;
	have = *at != NULL;
	if (have)
		acd_take(as, at, out);
	mutex_unlock(&as->acd_lock);
	return have;
}

void acd_stop(struct netdev *dev, const struct ip_addr *a)
{
	struct acd was;

	while (acd_take_any(dev, a, &was)) {
		if (was.phase == ACD_PROBE)
			was.done(was.arg, true, NULL);
	}
}

void acd_fini(struct arp_state *as)
{
	struct acd was;

	mutex_lock(&as->acd_lock);
	while (as->acds)
		acd_take(as, &as->acds, &was);
	mutex_unlock(&as->acd_lock);
}
