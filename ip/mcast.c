/*
 * ip/mcast.c - the table of groups this host is in (RFC 1112, 7.1): by device and group, with a count
 * of the socks that asked for it.
 *
 * The all-hosts group is not in it: every device is in that one from the beginning, and nobody
 * reports it (RFC 1112, 4 and appendix I).  What is to be sent is decided under the lock and sent without it.
 */
#include "ip/mcast.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ip/ip_priv.h"

#define ALL_HOSTS 0xe0000001u

struct mcast_state *mcast_state_create(struct stack *st)
{
	struct mcast_state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->stack = st;
	mutex_init(&s->lock, RANK_NEIGH);
	return s;
}

void mcast_state_destroy(struct mcast_state *s)
{
	struct mcast_link *l;

	while ((l = s->links)) {
		assert(!l->groups);
		s->links = l->next;
		free(l);
	}
	mutex_fini(&s->lock);
	free(s);
}

struct mcast_link *mcast_link_find(struct mcast_state *s, struct netdev *dev, bool make)
{
	struct mcast_link *l;

	for (l = s->links; l && l->dev != dev; l = l->next)
		;
	if (l || !make)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->dev = dev;
	l->next = s->links;
	s->links = l;
	return l;
}

struct mcast_group *mcast_group_find(struct mcast_link *l, const struct ip_addr *group)
{
	struct mcast_group *g = l ? l->groups : NULL;

	while (g && !ip_addr_eq(&g->addr, group))
		g = g->next;
	return g;
}

static struct mcast_group *group_make(struct mcast_state *s, struct netdev *dev,
				      const struct ip_addr *group) REQUIRES(s->lock)
{
	struct mcast_link *l = mcast_link_find(s, dev, true);
	struct mcast_group *g = l ? calloc(1, sizeof(*g)) : NULL;

	if (!g)
		return NULL;
	g->link = l;
	g->addr = *group;
	igmp_group_init(g);
	g->next = l->groups;
	l->groups = g;
	return g;
}

int mcast_join(struct netdev *dev, const struct ip_addr *group)
{
	struct mcast_state *s = dev->stack->ip->mcast;
	struct igmp_send m = {.dev = NULL};
	struct mcast_group *g;

	if (ip_addr_to4(group) == ALL_HOSTS)
		return 0;
	mutex_lock(&s->lock);
	g = mcast_group_find(mcast_link_find(s, dev, false), group);
	if (!g)
		g = group_make(s, dev, group);
	if (g && g->users++ == 0)
		m = igmp_group_joined(s, g);
	mutex_unlock(&s->lock);
	igmp_send(&m);
	return g ? 0 : -ENOBUFS;
}

static void group_unlist(struct mcast_group *g)
{
	struct mcast_group **at = &g->link->groups;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
}

void mcast_leave(struct netdev *dev, const struct ip_addr *group)
{
	struct mcast_state *s = dev->stack->ip->mcast;
	struct igmp_send m = {.dev = NULL};
	struct mcast_group *g;

	if (ip_addr_to4(group) == ALL_HOSTS)
		return;
	mutex_lock(&s->lock);
	g = mcast_group_find(mcast_link_find(s, dev, false), group);
	assert(g && g->users > 0);
	if (--g->users == 0) {
		group_unlist(g);
		m = igmp_group_left(s, g);
	}
	mutex_unlock(&s->lock);
	igmp_send(&m);
}

bool mcast_is_member(struct netdev *dev, const struct ip_addr *group)
{
	struct mcast_state *s = dev->stack->ip->mcast;
	bool is;

	if (ip_addr_to4(group) == ALL_HOSTS)
		return true;
	mutex_lock(&s->lock);
	is = mcast_group_find(mcast_link_find(s, dev, false), group) != NULL;
	mutex_unlock(&s->lock);
	return is;
}

/* A device that comes up may be on another network: its routers are told anew. */
int mcast_notify(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a)
{
	struct mcast_state *s = dev->stack->ip->mcast;
	struct mcast_link *l;

	if (ev != NETDEV_EV_UP)
		return 0;
	mutex_lock(&s->lock);
	l = mcast_link_find(s, dev, false);
	for (struct mcast_group *g = l ? l->groups : NULL; g; g = g->next)
		igmp_group_again(s, g);
	mutex_unlock(&s->lock);
	return 0;
}
