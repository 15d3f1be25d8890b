/*
 * ip/inet_port.c - who may have which port: bind(), listen(), the shares of children and TIME-WAIT.
 *
 * The rules are Linux's for TCP and UDP, but that SO_REUSEPORT asks for no common user: a stack has one
 * program.  Ephemeral ports of bind() start at random (RFC 6056, 3.3.1); those of connect() are in inet_hash.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ip/inet_priv.h"
#include "ip/ip_priv.h"

/*
 * Two socks with one port.  The first line that fits decides:
 *
 *	devices both named, and different	share
 *	no family in common			share	(IPV6_V6ONLY beside IPv4)
 *	addresses both named, and different	share
 *	both have SO_REUSEPORT			share	(listeners too: a group)
 *	one without SO_REUSEADDR		conflict
 *	the one that has it listens		conflict
 *	else					share	(bound, connected, TIME-WAIT)
 *
 * What is left to the lines after has equal addresses or a wildcard.  A TIME-WAIT sock counts with
 * the options of the sock it stands for.
 */
bool port_conflict(const struct port_share *have, const struct port_share *want)
{
	if (have->ifindex && want->ifindex && have->ifindex != want->ifindex)
		return false;
	if (!(have->families & want->families))
		return false;
	if (!ip_addr_is_any(&have->laddr) && !ip_addr_is_any(&want->laddr) &&
	    !ip_addr_eq(&have->laddr, &want->laddr))
		return false;
	if (have->flags & want->flags & PORT_REUSEPORT)
		return false;
	if (!(have->flags & want->flags & PORT_REUSE))
		return true;
	return have->flags & PORT_LISTEN;
}

static struct mutex *port_lock(struct inet_table *t, uint16_t port)
{
	return &t->port_lock[port % INET_LOCKS];
}

static struct port_share **port_chain(struct inet_table *t, uint16_t port)
{
	return &t->port[port % INET_PORT_CHAINS];
}

/* A named address has one; the wildcard as many as the sock. */
static uint8_t port_families(const struct sock *sk, const struct ip_addr *a)
{
	if (ip_addr_is_any(a))
		return sk->c.families;
	return ip_addr_is4(a) ? SOCK_FAMILY_4 : SOCK_FAMILY_6;
}

/* The share sk would have of `port`, with no user yet. */
static struct port_share port_want(const struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	return (struct port_share){
	    .laddr = *a,
	    .ifindex = sk->c.ifindex,
	    .port = port,
	    .families = port_families(sk, a),
	    .flags = (sk->flags & SOCK_REUSEADDR ? PORT_REUSE : 0) |
		     (sk->flags & SOCK_REUSEPORT ? PORT_REUSEPORT : 0),
	};
}

static bool port_same(const struct port_share *a, const struct port_share *b)
{
	return a->port == b->port && a->flags == b->flags && a->families == b->families &&
	       a->ifindex == b->ifindex && ip_addr_eq(&a->laddr, &b->laddr);
}

/* One more user of a share like `want`.  Port lock held.  NULL: no memory. */
static struct port_share *port_add(struct inet_table *t, const struct port_share *want)
{
	struct port_share **chain = port_chain(t, want->port), *p;

	for (p = *chain; p; p = p->next) {
		if (port_same(p, want)) {
			p->users++;
			return p;
		}
	}
	p = malloc(sizeof(*p));
	if (!p)
		return NULL;
	*p = *want;
	p->users = 1;
	p->next = *chain;
	*chain = p;
	return p;
}

/* One user fewer.  Port lock held.  Returns p when it is to be freed. */
static struct port_share *port_sub(struct inet_table *t, struct port_share *p)
{
	struct port_share **at = port_chain(t, p->port);

	if (--p->users)
		return NULL;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	return p;
}

/* Does anybody but one user of `own` stand in the way of `want`?  Port lock held. */
static bool port_taken(struct inet_table *t, const struct port_share *want,
		       const struct port_share *own)
{
	for (struct port_share *p = *port_chain(t, want->port); p; p = p->next) {
		if (p->port != want->port || (p == own && p->users == 1))
			continue;
		if (port_conflict(p, want))
			return true;
	}
	return false;
}

struct port_share *inet_port_join(struct inet_table *t, const struct sock *sk, uint16_t port,
				  int *err)
{
	struct port_share want = port_want(sk, &sk->c.laddr, port), *p;

	want.flags |= PORT_CONNECT;
	mutex_lock(port_lock(t, port));
	for (p = *port_chain(t, port); p; p = p->next) {
		if (p->port == port && !(p->flags & PORT_CONNECT))
			break;
	}
	*err = -EADDRINUSE;
	if (!p) {
		*err = -ENOMEM;
		p = port_add(t, &want);
	} else {
		p = NULL;
	}
	mutex_unlock(port_lock(t, port));
	return p;
}

struct port_range inet_port_range(const struct sock *sk)
{
	int64_t first = sysctl_get(sk->stack, ip_local_port_first);
	int64_t last = sysctl_get(sk->stack, ip_local_port_last);
	int64_t own_first = sk->rare->port_range & 0xffff, own_last = sk->rare->port_range >> 16;

	/* its own, where they are within the stack's */
	if (own_first >= first && own_first <= last)
		first = own_first;
	if (own_last >= first && own_last <= last)
		last = own_last;
	/* two settings, written one after the other, may cross for a moment */
	return (struct port_range){(uint32_t)first,
				   last < first ? 1 : (uint32_t)(last - first + 1)};
}

/* A share of this very port, by the rules with the options `want` has. */
static int bind_port(struct inet_table *t, struct sock *sk, const struct port_share *want)
{
	int err = 0;

	mutex_lock(port_lock(t, want->port));
	if (port_taken(t, want, NULL)) {
		err = -EADDRINUSE;
	} else {
		sk->port = port_add(t, want);
		if (!sk->port)
			err = -ENOMEM;
	}
	mutex_unlock(port_lock(t, want->port));
	return err;
}

/*
 * A port nobody overlaps with.  SO_REUSEADDR does not help to get one, but is kept in the share for
 * those who come later.
 */
static int bind_any_port(struct inet_table *t, struct sock *sk, struct port_share *want)
{
	struct port_range r = inet_port_range(sk);
	uint32_t start = (uint32_t)(env_random(t->stack->env) % r.count);

	for (uint32_t i = 0; i < r.count; i++) {
		struct port_share alone;
		bool taken;

		want->port = (uint16_t)(r.first + (start + i) % r.count);
		alone = *want;
		alone.flags = 0;
		mutex_lock(port_lock(t, want->port));
		taken = port_taken(t, &alone, NULL);
		if (!taken)
			sk->port = port_add(t, want);
		mutex_unlock(port_lock(t, want->port));
		if (!taken)
			return sk->port ? 0 : -ENOMEM;
	}
	return -EADDRINUSE;
}

bool inet_addr_is_bindable(const struct sock *sk, const struct ip_addr *a)
{
	enum route_type type;

	if (ip_addr_is_any(a) || (sk->flags & SOCK_FREEBIND))
		return true;
	type = ip_addr_type(sk->stack, a);
	if (type == ROUTE_LOCAL)
		return true;
	return sk->ops->type != SOCK_STREAM && (type == ROUTE_BROADCAST || type == ROUTE_MULTICAST);
}

void inet_bound_to(struct sock *sk, const struct ip_addr *a)
{
	enum route_type type = ip_addr_type(sk->stack, a);

	sk->flags &= ~(SOCK_BOUND_ADDR | SOCK_BOUND_WIDE);
	if (ip_addr_is_any(a))
		return;
	sk->flags |= SOCK_BOUND_ADDR;
	if (sk->ops->type != SOCK_STREAM && (type == ROUTE_BROADCAST || type == ROUTE_MULTICAST))
		sk->flags |= SOCK_BOUND_WIDE;
}

static void bind_addr(struct sock *sk, const struct ip_addr *a)
{
	sk->c.laddr = *a;
	inet_bound_to(sk, a);
}

int inet_bind_addr(struct sock *sk, const struct ip_addr *a)
{
	assert(lock_is_held(&sk->c.lock));
	if (sk->port)
		return -EINVAL;
	if (!inet_addr_is_bindable(sk, a))
		return -EADDRNOTAVAIL;
	bind_addr(sk, a);
	return 0;
}

int inet_bind(struct inet_table *t, struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	struct port_share want = port_want(sk, a, port);
	int err;

	assert(lock_is_held(&sk->c.lock));
	if (sk->port)
		return -EINVAL;
	if (!inet_addr_is_bindable(sk, a))
		return -EADDRNOTAVAIL;
	err = port ? bind_port(t, sk, &want) : bind_any_port(t, sk, &want);
	if (err)
		return err;
	bind_addr(sk, a);
	sk->c.lport = sk->port->port;
	sk->c.reuseport = sk->flags & SOCK_REUSEPORT;
	if (port)
		sk->flags |= SOCK_BOUND_PORT;
	return 0;
}

/* Port lock held.  sk's share becomes one of its own that listens. */
static int port_listen(struct inet_table *t, struct sock *sk, struct port_share *want)
{
	struct port_share *p;

	if (sk->port->users == 1) {
		sk->port->flags |= PORT_LISTEN;
		return 0;
	}
	p = port_add(t, want);
	if (!p)
		return -ENOMEM;
	sk->port->users--;
	sk->port = p;
	return 0;
}

int inet_listen(struct inet_table *t, struct sock *sk)
{
	uint16_t port = sk->port->port;
	struct port_share want;
	int err = -EADDRINUSE;

	assert(lock_is_held(&sk->c.lock));
	mutex_lock(port_lock(t, port));
	want = *sk->port;
	want.flags |= PORT_LISTEN;
	if (!port_taken(t, &want, sk->port))
		err = port_listen(t, sk, &want);
	mutex_unlock(port_lock(t, port));
	return err;
}

void inet_port_unlisten(struct inet_table *t, struct sock *sk)
{
	uint16_t port = sk->port->port;

	mutex_lock(port_lock(t, port));
	if (sk->port->users == 1) /* else others of its group listen on */
		sk->port->flags &= (uint8_t)~PORT_LISTEN;
	mutex_unlock(port_lock(t, port));
}

int inet_port_inherit(struct inet_table *t, struct sock *child, struct sock *parent)
{
	uint16_t port = parent->port->port;
	struct port_share want;

	mutex_lock(port_lock(t, port));
	want = *parent->port;
	want.laddr = child->c.laddr;
	want.flags &= (uint8_t)~PORT_LISTEN;
	child->port = port_add(t, &want);
	mutex_unlock(port_lock(t, port));
	return child->port ? 0 : -ENOMEM;
}

struct port_share *inet_port_give(struct inet_table *t, struct sock *from)
{
	struct port_share *p = from->port;

	from->port = NULL;
	return p;
}

void inet_port_release(struct inet_table *t, struct port_share *p)
{
	struct port_share *dead;
	uint16_t port;

	if (!p)
		return;
	port = p->port;
	mutex_lock(port_lock(t, port));
	dead = port_sub(t, p);
	mutex_unlock(port_lock(t, port));
	free(dead);
}
