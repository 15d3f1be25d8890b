/*
 * ip/igmp.c - the host's part of IGMP, version 2 (RFC 2236; version 1, RFC 1112, appendix I): reports
 * of the groups it joins, answers to queries after a random time, leaves.
 *
 * A query of version 3 is answered by a report of version 2, which its routers take (RFC 3376, 7.3.2);
 * while a router of version 1 is about, reports are of version 1 and no leave is sent.  `due` says when
 * a group's report goes; a timer that fires without it has been stopped meanwhile.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ip/ip_priv.h"
#include "ip/mcast.h"
#include "lib/checksum.h"
#include "lib/debug.h"
#include "lib/wire/igmp.h"

#define UNSOLICITED_MAX_NS (10 * NSEC_PER_SEC) /* RFC 2236, 8.10 */
#define UNSOLICITED_REPEATS 1u                 /* after the first: RFC 2236, 3 */
#define V1_ANSWER_MAX_NS (10 * NSEC_PER_SEC)   /* RFC 2236, 4: of a query that says 0 */
#define V1_PRESENT_NS (400 * NSEC_PER_SEC)     /* RFC 2236, 8.11 */
#define ALL_ROUTERS 0xe0000002u
#define IGMP_TOS 0xc0 /* internetwork control, as Linux */

/* --- out -------------------------------------------------------------------------------------- */

/* RFC 2236, 2: TTL 1 and router alert, a report to its group, a leave to all routers. */
void igmp_send(const struct igmp_send *m)
{
	static const uint8_t alert[4] = {IP4_OPT_RA, 4, 0, 0};
	struct igmp_hdr h = {.type = m->type};
	struct ip_flow f = {
	    .dst = m->group,
	    .proto = IP_PROTO_IGMP,
	    .tos = IGMP_TOS,
	    .ttl = 1,
	    .opt = alert,
	    .optlen = sizeof(alert),
	    .no_loop = true,
	};
	struct pkbuf *b;
	char text[IP_ADDR_TEXT];

	if (!m->dev)
		return;
	f.ifindex = m->dev->ifindex;
	if (m->type == IGMP2_LEAVE)
		f.dst = ip_addr4(ALL_ROUTERS);
	memcpy(h.group, m->group.b + 12, 4);
	h.csum = csum_finish(csum_add(0, &h, sizeof(h)));
	b = pkbuf_alloc(m->dev->stack, PKBUF_TX_HEAD);
	if (!b)
		return;
	pkbuf_append(b, &h, sizeof(h)); /* fits the header part: cannot fail */
	debug(b->stack, DEBUG_IP, "igmp out %s: type 0x%02x, group %s", m->dev->name, m->type,
	      ip_addr_text(&m->group, text));
	ip_out(b, &f, NULL);
}

/* Nobody is behind lo. */
static struct igmp_send group_send(const struct mcast_group *g, uint8_t type)
{
	struct igmp_send m = {.dev = g->link->dev, .group = g->addr, .type = type};

	if (m.dev->flags & NETDEV_LOOPBACK)
		m.dev = NULL;
	return m;
}

/* --- a group's timer: under the lock of the groups ---------------------------------------------- */

static bool v1_router_is_present(const struct mcast_state *s, const struct mcast_group *g)
{
	return env_now(s->stack->env) < g->link->v1_until;
}

/* A report in (0, max]. */
static void report_arm(struct mcast_state *s, struct mcast_group *g, uint64_t max) REQUIRES(s->lock)
{
	struct env *e = s->stack->env;

	g->due = env_now(e) + 1 + env_random(e) % max;
	if (timer_arm(s->stack->net_wheel, &g->timer, g->due))
		g->timer_refs++;
}

static void report_stop(struct mcast_state *s, struct mcast_group *g) REQUIRES(s->lock)
{
	g->due = 0;
	if (timer_disarm(s->stack->net_wheel, &g->timer))
		g->timer_refs--;
}

static struct igmp_send report_now(struct mcast_state *s, struct mcast_group *g) REQUIRES(s->lock)
{
	g->reporter = true;
	g->due = 0;
	if (g->unsolicited) {
		g->unsolicited--;
		report_arm(s, g, UNSOLICITED_MAX_NS);
	}
	return group_send(g, v1_router_is_present(s, g) ? IGMP1_REPORT : IGMP2_REPORT);
}

static void report_timer(struct timer *t)
{
	struct mcast_group *g =
	    (struct mcast_group *)(void *)((char *)t - offsetof(struct mcast_group, timer));
	struct stack *st = g->link->dev->stack;
	struct mcast_state *s = st->ip->mcast;
	struct igmp_send m = {.dev = NULL};
	bool gone;

	mutex_lock(&s->lock);
	g->timer_refs--;
	gone = g->users == 0 && g->timer_refs == 0;
	if (g->users && g->due && g->due <= env_now(st->env))
		m = report_now(s, g);
	mutex_unlock(&s->lock);
	if (gone)
		free(g);
	igmp_send(&m);
}

void igmp_group_init(struct mcast_group *g)
{
	timer_init(&g->timer, report_timer);
}

/* RFC 2236, 3: reported at once, and once more lest that was lost. */
struct igmp_send igmp_group_joined(struct mcast_state *s, struct mcast_group *g)
{
	g->unsolicited = UNSOLICITED_REPEATS;
	return report_now(s, g);
}

void igmp_group_again(struct mcast_state *s, struct mcast_group *g)
{
	g->unsolicited = UNSOLICITED_REPEATS;
	report_arm(s, g, 1);
}

/* RFC 2236, 3: who reported last says that it leaves; others may be left in the group else. */
struct igmp_send igmp_group_left(struct mcast_state *s, struct mcast_group *g)
{
	struct igmp_send m = group_send(g, IGMP2_LEAVE);

	if (!g->reporter || v1_router_is_present(s, g))
		m.dev = NULL;
	report_stop(s, g);
	if (g->timer_refs == 0)
		free(g);
	return m;
}

/* --- in --------------------------------------------------------------------------------------- */

/* A query as its version has it: how long the answer may take. */
static uint64_t query_answer_max(const struct igmp_hdr *h, bool v1)
{
	if (v1)
		return V1_ANSWER_MAX_NS;
	/* from 128 on version 3 means more than the number: this is early enough for it */
	return (h->code ? h->code : 1u) * (NSEC_PER_SEC / 10);
}

/* RFC 2236, 3: a report that is to go sooner than asked stays as it is. */
static void group_queried(struct mcast_state *s, struct mcast_group *g, uint64_t max)
    REQUIRES(s->lock)
{
	g->unsolicited = 0;
	if (!g->due || g->due > env_now(s->stack->env) + max)
		report_arm(s, g, max);
}

static void igmp_query_in(struct pkbuf *b, const struct igmp_hdr *h)
{
	struct mcast_state *s = b->stack->ip->mcast;
	bool v1 = h->code == 0 && b->len < IGMP3_QUERY_LEN;
	uint64_t max = query_answer_max(h, v1);
	struct ip_addr group = ip_addr4_be(h->group);
	bool general = v1 || ip_addr_to4(&group) == 0;
	struct mcast_link *l;

	mutex_lock(&s->lock);
	l = mcast_link_find(s, b->dev, v1);
	if (l && v1)
		l->v1_until = env_now(b->stack->env) + V1_PRESENT_NS;
	for (struct mcast_group *g = l ? l->groups : NULL; g; g = g->next) {
		if (general || ip_addr_eq(&g->addr, &group))
			group_queried(s, g, max);
	}
	mutex_unlock(&s->lock);
}

/* RFC 2236, 3: another host has answered for the group; that is enough. */
static void igmp_report_in(struct pkbuf *b, const struct igmp_hdr *h)
{
	struct mcast_state *s = b->stack->ip->mcast;
	struct ip_addr group = ip_addr4_be(h->group);
	struct mcast_group *g;

	if (b->cast == PKBUF_LOOPED)
		return;
	mutex_lock(&s->lock);
	g = mcast_group_find(mcast_link_find(s, b->dev, false), &group);
	if (g && g->due) {
		report_stop(s, g);
		g->unsolicited = 0;
		g->reporter = false;
	}
	mutex_unlock(&s->lock);
}

/* Length and checksum, which is of the whole message (RFC 2236, 2.3). */
static enum drop_reason igmp_check(struct pkbuf *b)
{
	const struct igmp_hdr *h = (const struct igmp_hdr *)(void *)pkbuf_pull(b, IGMP_LEN);

	if (!h)
		return DROP_IGMP_SHORT;
	if (csum_finish(pkbuf_csum(b, 0, b->len, 0)) != 0)
		return DROP_IGMP_CSUM;
	if (h->type == IGMP_QUERY && b->len > IGMP_LEN && b->len < IGMP3_QUERY_LEN)
		return DROP_IGMP_SHORT; /* of no version: RFC 3376, 7.1 */
	return DROP_NONE;
}

static void igmp_in(struct pkbuf *b)
{
	enum drop_reason why = igmp_check(b);
	const struct igmp_hdr *h = (const struct igmp_hdr *)(void *)pkbuf_data(b);

	if (why) {
		pkbuf_drop(b, why);
		return;
	}
	switch (h->type) {
	case IGMP_QUERY:
		igmp_query_in(b, h);
		break;
	case IGMP1_REPORT:
	case IGMP2_REPORT:
		igmp_report_in(b, h);
		break;
	default:
		pkbuf_drop(b, DROP_IGMP_TYPE); /* RFC 2236, 2.1: silently */
		return;
	}
	pkbuf_free(b);
}

const struct ip_proto igmp_proto = {.proto = IP_PROTO_IGMP, .in = igmp_in};
