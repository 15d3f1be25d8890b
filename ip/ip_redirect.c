/*
 * ip/ip_redirect.c - redirects that this router sends (RFC 792; RFC 1812, 5.2.7.2).
 *
 * A stage of forwarding: the packet goes on all the same.  A host that does not listen is told ever
 * more rarely and in the end not at all, until it has been quiet for a while (Linux's
 * redirect_load, redirect_number and redirect_silence).
 */
#include <stdlib.h>

#include "ip/ip_priv.h"
#include "lib/siphash.h"

#define REDIRECT_HOSTS 256
#define REDIRECT_MOST 9u                            /* told so often, it is deaf */
#define REDIRECT_LOAD_NS (20 * NSEC_PER_MSEC)       /* between the first two; doubled each time */
#define REDIRECT_SILENCE_NS (20480 * NSEC_PER_MSEC) /* then it is told anew */

/* LOCKING: the state's lock. */
struct redirect_host {
	struct ip_addr addr;
	uint64_t last; /* ns, when a redirect was last due */
	uint32_t sent;
};

/*
 * LOCKING
 *	l	lock (a leaf)
 */
struct redirect_state {
	struct mutex lock;
	struct redirect_host
	    host[REDIRECT_HOSTS]; /* l: by hash; the latest of those that share one */
};

struct redirect_state *redirect_state_create(struct stack *st)
{
	struct redirect_state *s = calloc(1, sizeof(*s));

	if (s)
		mutex_init(&s->lock, RANK_LEAF);
	return s;
}

void redirect_state_destroy(struct redirect_state *s)
{
	mutex_fini(&s->lock);
	free(s);
}

/* One more packet of it came the wrong way: is it to be told? */
static bool redirect_is_due(struct redirect_host *h, uint64_t now)
{
	if (now > h->last + REDIRECT_SILENCE_NS)
		h->sent = 0;
	if (h->sent >= REDIRECT_MOST) {
		h->last = now;
		return false;
	}
	if (h->sent && now <= h->last + (REDIRECT_LOAD_NS << h->sent))
		return false;
	h->last = now;
	h->sent++;
	return true;
}

static bool redirect_may_send(struct stack *st, const struct ip_addr *to)
{
	struct redirect_state *s = st->ip->redirect;
	uint64_t hash = siphash13(to->b, sizeof(to->b), st->key);
	struct redirect_host *h = &s->host[hash % REDIRECT_HOSTS];
	bool due;

	mutex_lock(&s->lock);
	if (!ip_addr_eq(&h->addr, to))
		*h = (struct redirect_host){.addr = *to};
	due = redirect_is_due(h, env_now(st->env));
	mutex_unlock(&s->lock);
	return due;
}

/* The sender is a neighbour on the very link the packet leaves by, and did not choose this way. */
static bool redirect_is_called_for(struct pkbuf *b, const struct path *path)
{
	struct route r;

	if (path->dev != b->dev || !sysctl_get(b->stack, ip_send_redirects) || ip_opts_of(b)->srr ||
	    ip_addr_eq(&path->nexthop, &b->src))
		return false;
	return route_lookup(b->stack, &b->src, b->dev->ifindex, &r) && ip_addr_is_any(&r.gateway);
}

void ip_redirect(struct pkbuf *b, const struct path *path)
{
	struct icmp_error e = {.type = ICMP_REDIRECT, .code = ICMP_REDIR_HOST};
	struct pkbuf *quote;

	if (!redirect_is_called_for(b, path) || !redirect_may_send(b->stack, &b->src))
		return;
	quote = pkbuf_clone(b); /* a quote's checksum is finished; b goes on as it is */
	if (!quote)
		return;
	e.info = ip_addr_to4(&path->nexthop);
	icmp_error_send(quote, &e);
	pkbuf_free(quote);
}
