/*
 * ip/route.c - the route table: what was added by hand and what came with addresses.
 *
 * A route whose device is down is passed over, so that it counts again when the device is up; the
 * next best of the same prefix, or a shorter prefix, serves meanwhile.  Own addresses, broadcasts
 * and multicast are not routes here: path.c knows them from net/ifaddr.h.
 */
#include "ip/route.h"

#include <errno.h>
#include <stdlib.h>

#include "ip/ip_priv.h"
#include "ip/route_trie.h"
#include "net/ifaddr.h"

#define PREFIX_MAX 128

/*
 * LOCKING
 *	l	lock		a	atomic		c	constant after creation
 */
struct route_state {
	struct mutex lock;                             /* c: rank ROUTE */
	_Atomic uint32_t generation;                   /* a: changed under l */
	_Atomic uint32_t *shown;                       /* l: who else has it; NULL: nobody */
	struct route_node *root;                       /* l */
	struct route_entry *by_length[PREFIX_MAX + 1]; /* l: for those who want all of them */
	unsigned count;                                /* l */
};

struct route_state *route_state_create(struct stack *st)
{
	struct route_state *s = calloc(1, sizeof(*s));

	if (s)
		mutex_init(&s->lock, RANK_ROUTE);
	return s;
}

uint32_t route_generation(struct stack *st)
{
	return atomic_load_explicit(&st->ip->route->generation, memory_order_acquire);
}

static void route_generation_to(struct route_state *s, uint32_t generation) REQUIRES(&s->lock);

static void route_generation_to(struct route_state *s, uint32_t generation)
{
	atomic_store_explicit(&s->generation, generation, memory_order_release);
	if (s->shown)
		atomic_store_explicit(s->shown, generation, memory_order_release);
}

void route_generation_bump(struct stack *st)
{
	struct route_state *s = st->ip->route;

	mutex_lock(&s->lock);
	route_generation_to(s, s->generation + 1);
	mutex_unlock(&s->lock);
}

void route_generation_show(struct stack *st, _Atomic uint32_t *to)
{
	struct route_state *s = st->ip->route;

	mutex_lock(&s->lock);
	s->shown = to;
	route_generation_to(s, s->generation);
	mutex_unlock(&s->lock);
}

/* --- entries: the lock is held ---------------------------------------------------------------- */

static int route_insert(struct route_state *s, const struct route *r, bool beside)
    REQUIRES(&s->lock);
static void route_remove(struct route_state *s, struct route_entry *e) REQUIRES(&s->lock);
static const struct route *route_best(struct route_state *s, const struct ip_addr *dst,
				      uint32_t ifindex) REQUIRES(&s->lock);

/* `beside`: behind one of the same metric. */
static int route_insert(struct route_state *s, const struct route *r, bool beside)
{
	struct route_entry *e = calloc(1, sizeof(*e)), **at, **list = &s->by_length[r->prefix];
	struct route_node *n = e ? route_trie_make(&s->root, &r->net, r->prefix) : NULL;

	if (!n) {
		free(e);
		return -ENOMEM;
	}
	for (at = &n->routes; *at && (*at)->route.metric <= r->metric; at = &(*at)->next) {
		if (!beside && (*at)->route.metric == r->metric) {
			free(e);
			return -EEXIST;
		}
	}
	e->route = *r;
	e->next = *at;
	*at = e;
	e->len_next = *list;
	e->len_prev = list;
	if (*list)
		(*list)->len_prev = &e->len_next;
	*list = e;
	s->count++;
	return 0;
}

static void route_remove(struct route_state *s, struct route_entry *e)
{
	struct route_node *n = route_trie_find(s->root, &e->route.net, e->route.prefix);
	struct route_entry **at = &n->routes;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	*e->len_prev = e->len_next;
	if (e->len_next)
		e->len_next->len_prev = e->len_prev;
	if (!n->routes)
		route_trie_trim(&s->root, &e->route.net, e->route.prefix);
	s->count--;
	free(e);
}

void route_state_destroy(struct route_state *s)
{
	mutex_lock(&s->lock);
	for (unsigned len = 0; len <= PREFIX_MAX; len++) {
		while (s->by_length[len])
			route_remove(s, s->by_length[len]);
	}
	mutex_unlock(&s->lock);
	mutex_fini(&s->lock);
	free(s);
}

static bool route_usable(const struct route *r, uint32_t ifindex)
{
	if (!r->dev)
		return ifindex == 0;
	if (ifindex && r->dev->ifindex != ifindex)
		return false;
	return atomic_load_explicit(&r->dev->flags, memory_order_relaxed) & NETDEV_UP;
}

static const struct route *route_best(struct route_state *s, const struct ip_addr *dst,
				      uint32_t ifindex)
{
	struct route_node *found[PREFIX_MAX + 1];
	unsigned n = route_trie_walk(s->root, dst, found);

	while (n > 0) {
		for (struct route_entry *e = found[--n]->routes; e; e = e->next) {
			if (route_usable(&e->route, ifindex))
				return &e->route;
		}
	}
	return NULL;
}

/* --- by hand ---------------------------------------------------------------------------------- */

static bool route_is_sound(const struct route *r)
{
	struct ip_addr masked;

	if (r->prefix > PREFIX_MAX || (ip_addr_is4(&r->net) && r->prefix < IP_PREFIX4(0)))
		return false;
	masked = ip_addr_mask(&r->net, r->prefix);
	if (!ip_addr_eq(&masked, &r->net))
		return false;
	return r->dev || !ip_addr_is_any(&r->gateway) || r->type != ROUTE_UNICAST;
}

/* A gateway must be a neighbour: another host, on link by a device.  Fills the device in. */
static int route_check_gateway(struct stack *st, struct route *r)
{
	struct route link;

	if (ip_addr_is_any(&r->gateway))
		return 0;
	if (ip_addr_is4(&r->gateway) != ip_addr_is4(&r->net))
		return -EINVAL;
	if (ip_addr_type(st, &r->gateway) != ROUTE_UNICAST)
		return -EINVAL;
	if (!route_lookup(st, &r->gateway, r->dev ? r->dev->ifindex : 0, &link) || !link.dev ||
	    !ip_addr_is_any(&link.gateway))
		return -ENETUNREACH;
	r->dev = link.dev;
	return 0;
}

int route_add(struct stack *st, const struct route *r)
{
	struct route_state *s = st->ip->route;
	struct route full = *r;
	int err;

	if (!route_is_sound(r))
		return -EINVAL;
	err = route_check_gateway(st, &full);
	if (err)
		return err;
	if (!ip_addr_is_any(&r->src) && ip_addr_type(st, &r->src) != ROUTE_LOCAL)
		return -EADDRNOTAVAIL; /* no answer would come back */
	mutex_lock(&s->lock);
	err = route_insert(s, &full, false);
	mutex_unlock(&s->lock);
	if (!err)
		route_generation_bump(st);
	return err;
}

static bool route_fits(const struct route *r, const struct route *want)
{
	if (!ip_addr_is_any(&want->gateway) && !ip_addr_eq(&r->gateway, &want->gateway))
		return false;
	if (want->dev && r->dev != want->dev)
		return false;
	return !want->metric || r->metric == want->metric;
}

int route_del(struct stack *st, const struct route *r)
{
	struct route_state *s = st->ip->route;
	struct route_node *n;
	struct route_entry *e;

	if (r->prefix > PREFIX_MAX)
		return -ESRCH;
	mutex_lock(&s->lock);
	n = route_trie_find(s->root, &r->net, r->prefix);
	for (e = n ? n->routes : NULL; e && !route_fits(&e->route, r);)
		e = e->next;
	if (e)
		route_remove(s, e);
	mutex_unlock(&s->lock);
	if (!e)
		return -ESRCH;
	route_generation_bump(st);
	return 0;
}

unsigned route_list(struct stack *st, struct route *out, unsigned max)
{
	struct route_state *s = st->ip->route;
	unsigned n = 0, count;

	mutex_lock(&s->lock);
	for (unsigned len = PREFIX_MAX + 1; len-- > 0;) {
		for (struct route_entry *e = s->by_length[len]; e && n < max; e = e->len_next)
			out[n++] = e->route;
	}
	count = s->count;
	mutex_unlock(&s->lock);
	return count;
}

bool route_lookup(struct stack *st, const struct ip_addr *dst, uint32_t ifindex, struct route *out)
{
	struct route_state *s = st->ip->route;
	const struct route *best;

	mutex_lock(&s->lock);
	best = route_best(s, dst, ifindex);
	if (best)
		*out = *best;
	mutex_unlock(&s->lock);
	return best != NULL;
}

/* --- what comes with addresses ---------------------------------------------------------------- */

/* A host address brings no net.  0 or -ENOMEM. */
static int route_connect(struct netdev *dev, const struct ifaddr *a)
{
	struct route_state *s = dev->stack->ip->route;
	struct route r = {.prefix = a->prefix, .src = a->addr, .dev = dev, .type = ROUTE_UNICAST};
	const struct route_node *n;
	bool have = false;
	int err = 0;

	if (a->prefix >= PREFIX_MAX)
		return 0;
	r.net = ip_addr_mask(&a->addr, a->prefix);
	r.flags = ROUTE_F_CONNECTED;
	mutex_lock(&s->lock);
	n = route_trie_find(s->root, &r.net, r.prefix);
	for (struct route_entry *e = n ? n->routes : NULL; e; e = e->next)
		have |= e->route.dev == dev && (e->route.flags & ROUTE_F_CONNECTED);
	if (!have)
		err = route_insert(s, &r, true);
	mutex_unlock(&s->lock);
	return err;
}

/* The routes that stood on an address go with it: its net, and those that send from it. */
static void route_disconnect(struct netdev *dev, const struct ifaddr *a)
{
	struct route_state *s = dev->stack->ip->route;
	struct route_entry *next;

	mutex_lock(&s->lock);
	for (unsigned len = 0; len <= PREFIX_MAX; len++) {
		for (struct route_entry *e = s->by_length[len]; e; e = next) {
			next = e->len_next;
			if (e->route.dev == dev && ip_addr_eq(&e->route.src, &a->addr))
				route_remove(s, e);
		}
	}
	mutex_unlock(&s->lock);
}

/* Another address of the same net keeps the net. */
static void route_connect_rest(struct netdev *dev)
{
	struct ifaddr a;

	for (unsigned i = 0; ifaddr_nth(dev, i, &a); i++)
		route_connect(dev, &a);
}

int route_notify(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a)
{
	int err = 0;

	if (ev == NETDEV_EV_ADDR_ADD) {
		err = route_connect(dev, a);
	} else if (ev == NETDEV_EV_ADDR_DEL) {
		route_disconnect(dev, a);
		route_connect_rest(dev);
	}
	route_generation_bump(dev->stack);
	return err;
}
