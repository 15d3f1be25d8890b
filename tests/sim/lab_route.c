/*
 * tests/sim/lab_route.c - addresses and routes: link n is the subnet 10.(n / 256).(n % 256).0/24, its ends are .1
 * and .2; every node gets a route to every subnet by the fewest hops, through routers only.
 */
#include <stdio.h>

#include "arp/neigh.h"
#include "ip/route.h"
#include "net/ifaddr.h"
#include "tests/sim/lab_world.h"

#define NO_LINK LAB_LINKS

uint32_t lab_addr(unsigned link, unsigned end)
{
	return 0x0a000000u | link << 8 | (end + 1);
}

unsigned lab_node_of(const struct lab_world *w, uint32_t addr)
{
	unsigned link = (addr & 0xffff00) >> 8, end = (addr & 0xff) - 1;

	if (addr >> 24 != 10 || link >= w->scene.nlink || end > 1)
		return LAB_NODES;
	return w->scene.link[link].node[end];
}

static bool addr_set(struct lab_world *w, unsigned link, unsigned end)
{
	const struct lab_link_config *k = &w->scene.link[link];
	struct netdev *dev = w->line[2 * link + end].from, *peer = w->line[2 * link + end].to;
	struct ip_addr own = ip_addr4(lab_addr(link, end)), other = ip_addr4(lab_addr(link, !end));
	struct batch b;
	bool ok;

	batch_begin(&b, dev->stack);
	netdev_up(dev);
	ok = (!k->mtu || netdev_set_mtu(dev, k->mtu) == 0) &&
	     ifaddr_add(dev, &own, IP_PREFIX4(24)) == 0 &&
	     (k->arp || neigh_add_permanent(dev, &other, peer->mac) == 0);
	batch_end(&b);
	return ok;
}

/* By which link each node is first reached from `from`; NO_LINK: not at all. */
static void ways_find(const struct lab_world *w, unsigned from, unsigned *first)
{
	unsigned queue[LAB_NODES], head = 0, tail = 0;

	for (unsigned i = 0; i < LAB_NODES; i++)
		first[i] = NO_LINK;
	queue[tail++] = from;
	while (head < tail) {
		unsigned at = queue[head++];

		if (at != from && !w->scene.node[at].router)
			continue;
		for (unsigned k = 0; k < w->scene.nlink; k++) {
			const unsigned *ends = w->scene.link[k].node;
			unsigned to = ends[0] == at ? ends[1] : ends[0];

			if ((ends[0] != at && ends[1] != at) || to == from || first[to] != NO_LINK)
				continue;
			first[to] = at == from ? k : first[at];
			queue[tail++] = to;
		}
	}
}

static bool route_set(struct lab_world *w, unsigned from, unsigned subnet, unsigned by)
{
	unsigned end = w->scene.link[by].node[0] == from ? 0 : 1;
	struct stack *st = w->node[from].stack;
	struct route r = {
	    .net = ip_addr4(lab_addr(subnet, 0) & ~0xffu),
	    .prefix = IP_PREFIX4(24),
	    .gateway = ip_addr4(lab_addr(by, !end)),
	    .dev = w->line[2 * by + end].from,
	    .type = ROUTE_UNICAST,
	};
	struct batch b;
	int err;

	batch_begin(&b, st);
	err = route_add(st, &r);
	batch_end(&b);
	return err == 0;
}

/* To every subnet that is not the node's own, by whichever of its ends is reached. */
static bool routes_of(struct lab_world *w, unsigned from)
{
	unsigned first[LAB_NODES];

	ways_find(w, from, first);
	for (unsigned k = 0; k < w->scene.nlink; k++) {
		const unsigned *ends = w->scene.link[k].node;
		unsigned by = first[ends[0]] != NO_LINK ? first[ends[0]] : first[ends[1]];

		if (ends[0] == from || ends[1] == from || by == NO_LINK)
			continue;
		if (!route_set(w, from, k, by))
			return false;
	}
	return true;
}

static bool way_there(const struct lab_world *w, unsigned from, unsigned to)
{
	unsigned first[LAB_NODES];

	ways_find(w, from, first);
	return first[to] != NO_LINK;
}

bool lab_routes_set(struct lab_world *w, char *why)
{
	const struct lab_scene *s = &w->scene;
	bool ok = true;

	for (unsigned k = 0; ok && k < s->nlink; k++)
		ok = addr_set(w, k, 0) && addr_set(w, k, 1);
	for (unsigned i = 0; ok && i < s->nnode; i++)
		ok = routes_of(w, i);
	if (!ok)
		snprintf(why, LAB_WHY, "addresses and routes cannot be set");
	for (unsigned i = 0; ok && i < s->njob; i++) {
		const struct lab_job *j = &s->job[i];

		ok = way_there(w, j->from, j->to);
		if (!ok)
			snprintf(why, LAB_WHY, "no links lead from %s to %s", s->node[j->from].name,
				 s->node[j->to].name);
	}
	return ok;
}
