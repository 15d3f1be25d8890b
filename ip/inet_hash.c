/*
 * ip/inet_hash.c - the tables a packet's receiver is found in: connections by four-tuple, bound
 * socks by local port.
 *
 * A table holds a reference of each entry.  A look-up takes one more under the chain's lock and
 * lets go.  The ephemeral port of connect() is chosen here too, since a port is free when its
 * four-tuple is (RFC 6056, 3.3.4).
 */
#include "ip/inet_hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ip/inet_priv.h"
#include "lib/siphash.h"
#include "lib/stack.h"

struct inet_table *inet_table_create(struct stack *st, uint8_t proto, inet_take_timewait_fn *take)
{
	struct inet_table *t = calloc(1, sizeof(*t));
	uint32_t first;

	if (!t)
		return NULL;
	t->stack = st;
	t->proto = proto;
	t->take = take;
	first = (uint32_t)env_random(st->env);
	for (unsigned i = 0; i < INET_PORT_CELLS; i++)
		atomic_init(&t->port_next[i], first);
	for (unsigned i = 0; i < INET_LOCKS; i++) {
		mutex_init(&t->conn_lock[i], RANK_BUCKET);
		mutex_init(&t->bound_lock[i], RANK_BUCKET);
		mutex_init(&t->port_lock[i], RANK_LEAF);
	}
	return t;
}

void inet_table_destroy(struct inet_table *t)
{
	for (unsigned i = 0; i < INET_CONN_CHAINS; i++)
		assert(!t->conn[i]);
	for (unsigned i = 0; i < INET_BOUND_CHAINS; i++)
		assert(!t->bound[i]);
	for (unsigned i = 0; i < INET_PORT_CHAINS; i++)
		assert(!t->port[i]);
	for (unsigned i = 0; i < INET_LOCKS; i++) {
		mutex_fini(&t->conn_lock[i]);
		mutex_fini(&t->bound_lock[i]);
		mutex_fini(&t->port_lock[i]);
	}
	free(t);
}

void inet_table_set_free(struct inet_table *t, void (*free_small)(struct sock_common *c))
{
	t->free_small = free_small;
}

static struct sock *sock_of(struct sock_common *c)
{
	assert(c->kind == SOCK_KIND_FULL);
	return (struct sock *)(void *)c;
}

static struct sock_common *common_hold(struct sock_common *c)
{
	atomic_fetch_add_explicit(&c->ref, 1, memory_order_relaxed);
	return c;
}

void inet_common_put(struct inet_table *t, struct sock_common *c)
{
	if (c->kind == SOCK_KIND_FULL)
		sock_put(sock_of(c));
	else if (atomic_fetch_sub_explicit(&c->ref, 1, memory_order_acq_rel) == 1)
		t->free_small(c);
}

bool inet_hashed(const struct sock_common *c)
{
	return atomic_load_explicit(&c->hashed, memory_order_acquire) != INET_NOWHERE;
}

/* --- chains ----------------------------------------------------------------------------------- */

/* One chain and its lock. */
struct chain {
	struct mutex *lock;
	struct sock_common **head;
};

static uint64_t tuple_hash4(const struct inet_table *t, const struct inet_tuple *tu)
{
	struct {
		uint32_t laddr, raddr;
		uint16_t lport, rport;
	} key = {tu->laddr.w[3], tu->raddr.w[3], tu->lport, tu->rport};

	return siphash13(&key, sizeof(key), t->stack->key);
}

static __attribute__((noinline)) uint64_t tuple_hash6(const struct inet_table *t,
						      const struct inet_tuple *tu)
{
	struct {
		struct ip_addr laddr, raddr;
		uint16_t lport, rport;
	} key = {tu->laddr, tu->raddr, tu->lport, tu->rport};

	return siphash13(&key, 36, t->stack->key);
}

static uint64_t tuple_hash(const struct inet_table *t, const struct inet_tuple *tu)
{
	bool v4 = ip_addr_is4(&tu->raddr) && ip_addr_is4(&tu->laddr);

	return v4 ? tuple_hash4(t, tu) : tuple_hash6(t, tu);
}

static struct chain conn_chain(struct inet_table *t, const struct inet_tuple *tu)
{
	uint64_t h = tuple_hash(t, tu);

	return (struct chain){&t->conn_lock[h % INET_LOCKS], &t->conn[h % INET_CONN_CHAINS]};
}

static struct chain bound_chain(struct inet_table *t, uint16_t port)
{
	return (struct chain){&t->bound_lock[port % INET_LOCKS],
			      &t->bound[port % INET_BOUND_CHAINS]};
}

static struct inet_tuple tuple_of(const struct sock_common *c)
{
	return (struct inet_tuple){c->laddr, c->raddr, c->lport, c->rport, c->ifindex};
}

/* Both with the chain's lock held; the table's reference is the caller's to take and put. */
static void chain_add(struct chain *ch, struct sock_common *c, enum inet_where where)
{
	c->hash_next = *ch->head;
	*ch->head = c;
	atomic_store_explicit(&c->hashed, (uint8_t)where, memory_order_release);
}

static void chain_del(struct chain *ch, struct sock_common *c)
{
	struct sock_common **at = ch->head;

	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	atomic_store_explicit(&c->hashed, INET_NOWHERE, memory_order_release);
}

/* --- connections ------------------------------------------------------------------------------ */

static struct sock_common *conn_find(const struct chain *ch, const struct inet_tuple *tu)
{
	struct sock_common *c;

	for (c = *ch->head; c; c = c->hash_next) {
		if (c->lport == tu->lport && c->rport == tu->rport &&
		    ip_addr_eq(&c->raddr, &tu->raddr) && ip_addr_eq(&c->laddr, &tu->laddr) &&
		    (!c->ifindex || !tu->ifindex || c->ifindex == tu->ifindex))
			return c;
	}
	return NULL;
}

struct sock_common *inet_lookup(struct inet_table *t, const struct inet_tuple *tu)
{
	struct chain ch = conn_chain(t, tu);
	struct sock_common *c;

	mutex_lock(ch.lock);
	c = conn_find(&ch, tu);
	if (c)
		common_hold(c);
	mutex_unlock(ch.lock);
	return c;
}

int inet_hash_insert(struct inet_table *t, struct sock_common *c, struct sock_common *replaces)
{
	struct inet_tuple tu = tuple_of(c);
	struct chain ch = conn_chain(t, &tu);
	struct sock_common *old;

	mutex_lock(ch.lock);
	old = conn_find(&ch, &tu);
	if (old && old != replaces) {
		mutex_unlock(ch.lock);
		return -EADDRINUSE;
	}
	if (old)
		chain_del(&ch, old);
	chain_add(&ch, common_hold(c), INET_CONN);
	mutex_unlock(ch.lock);
	if (old)
		inet_common_put(t, old);
	return 0;
}

/*
 * The four-tuple tu for sk, conn lock held: a share of its port where sk has none, then, if one is
 * in the way, the TIME-WAIT sock, which comes back in *old.  -EADDRINUSE: another port may do.
 */
static int conn_claim(struct inet_table *t, struct sock *sk, const struct chain *ch,
		      const struct inet_tuple *tu, struct sock_common **old)
{
	struct port_share *p = NULL;
	int err;

	*old = conn_find(ch, tu);
	if (*old && ((*old)->kind != SOCK_KIND_TIMEWAIT || !t->take))
		return -EADDRINUSE;
	if (!sk->port) {
		p = inet_port_join(t, sk, tu->lport, &err);
		if (!p)
			return err;
	}
	if (*old && !t->take(*old, sk)) {
		inet_port_release(t, p);
		return -EADDRINUSE;
	}
	if (p)
		sk->port = p;
	return 0;
}

static int conn_try(struct inet_table *t, struct sock *sk, const struct inet_tuple *tu)
{
	struct chain ch = conn_chain(t, tu);
	struct sock_common *old;
	int err;

	mutex_lock(ch.lock);
	err = conn_claim(t, sk, &ch, tu, &old);
	if (!err) {
		if (old)
			chain_del(&ch, old);
		sk->c.lport = tu->lport;
		chain_add(&ch, common_hold(&sk->c), INET_CONN);
	}
	mutex_unlock(ch.lock);
	if (!err && old)
		inet_common_put(t, old);
	return err;
}

/* F and, above, G of RFC 6056, 3.3.4: where in the range this destination begins, and which cell counts for it. */
static uint64_t port_offset(struct inet_table *t, const struct sock *sk)
{
	struct {
		struct ip_addr laddr, raddr;
		uint16_t rport, proto;
	} key = {sk->c.laddr, sk->c.raddr, sk->c.rport, t->proto};

	return siphash(&key, 36, t->stack->key);
}

int inet_connect(struct inet_table *t, struct sock *sk)
{
	struct inet_tuple tu = tuple_of(&sk->c);
	struct port_range r;
	_Atomic uint32_t *cell;
	uint64_t offset;
	int err;

	assert(lock_is_held(&sk->c.lock) && !inet_hashed(&sk->c));
	if (sk->port) {
		err = conn_try(t, sk, &tu);
		return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
	}
	r = inet_port_range(sk);
	offset = port_offset(t, sk);
	cell = &t->port_next[(offset >> 32) % INET_PORT_CELLS];
	for (uint32_t i = 0; i < r.count; i++) {
		uint32_t next = atomic_fetch_add_explicit(cell, 1, memory_order_relaxed);

		tu.lport = (uint16_t)(r.first + (next + (uint32_t)offset) % r.count);
		err = conn_try(t, sk, &tu);
		if (err != -EADDRINUSE)
			return err;
	}
	return -EADDRNOTAVAIL;
}

/* --- bound socks ------------------------------------------------------------------------------ */

void inet_hash_bound(struct inet_table *t, struct sock *sk)
{
	struct chain ch = bound_chain(t, sk->c.lport);

	assert(lock_is_held(&sk->c.lock) && !inet_hashed(&sk->c));
	mutex_lock(ch.lock);
	chain_add(&ch, common_hold(&sk->c), INET_BOUND);
	mutex_unlock(ch.lock);
}

void inet_rehash_bound(struct inet_table *t, struct sock *sk, const struct inet_tuple *tu)
{
	struct chain ch = bound_chain(t, sk->c.lport);

	assert(lock_is_held(&sk->c.lock) && sk->c.hashed == INET_BOUND);
	assert(tu->lport == sk->c.lport);
	mutex_lock(ch.lock);
	sk->c.laddr = tu->laddr;
	sk->c.raddr = tu->raddr;
	sk->c.rport = tu->rport;
	mutex_unlock(ch.lock);
}

/* How well a bound sock fits; -1: not at all.  The connected one wins, then the exact address. */
static int bound_score(const struct sock_common *c, const struct inet_tuple *tu)
{
	uint8_t family = ip_addr_is4(&tu->laddr) ? SOCK_FAMILY_4 : SOCK_FAMILY_6;
	int score = 0;

	if (c->lport != tu->lport || !(c->families & family))
		return -1;
	if (!ip_addr_is_any(&c->raddr)) {
		if (!ip_addr_eq(&c->raddr, &tu->raddr) || c->rport != tu->rport)
			return -1;
		score += 8;
	}
	if (!ip_addr_is_any(&c->laddr)) {
		if (!ip_addr_eq(&c->laddr, &tu->laddr))
			return -1;
		score += 4;
	}
	if (c->ifindex) {
		if (tu->ifindex && c->ifindex != tu->ifindex)
			return -1;
		score += 2;
	}
	return score + (c->families == family);
}

/*
 * SO_REUSEPORT: of a group of equals each has its share of the peers, by a hash of both ends.  The
 * chain's lock is held.
 */
static struct sock_common *group_choose(const struct inet_table *t, const struct chain *ch,
					const struct inet_tuple *tu, int score)
{
	unsigned n = 0, skip;
	struct sock_common *c;

	for (c = *ch->head; c; c = c->hash_next)
		n += c->reuseport && bound_score(c, tu) == score;
	skip = (unsigned)(tuple_hash(t, tu) % n);
	for (c = *ch->head; c; c = c->hash_next) {
		if (c->reuseport && bound_score(c, tu) == score && skip-- == 0)
			break;
	}
	return c;
}

/* Of equals the one that came last, if they are no group.  A connected one is the peer's own. */
struct sock *inet_lookup_bound(struct inet_table *t, const struct inet_tuple *tu)
{
	struct chain ch = bound_chain(t, tu->lport);
	struct sock_common *best = NULL;
	int high = -1;

	mutex_lock(ch.lock);
	for (struct sock_common *c = *ch.head; c; c = c->hash_next) {
		int score = bound_score(c, tu);

		if (score > high) {
			high = score;
			best = c;
		}
	}
	if (best && best->reuseport && ip_addr_is_any(&best->raddr))
		best = group_choose(t, &ch, tu, high);
	if (best)
		common_hold(best);
	mutex_unlock(ch.lock);
	return best ? sock_of(best) : NULL;
}

/* --- going through a table -------------------------------------------------------------------- */

/* What a chain held that fits tu (NULL: all of it), each with a reference. */
struct found {
	struct sock_common **c;
	unsigned n;
};

static struct found chain_collect(const struct chain *ch, const struct inet_tuple *tu)
{
	struct found f = {NULL, 0};
	unsigned n = 0;

	mutex_lock(ch->lock);
	for (struct sock_common *c = *ch->head; c; c = c->hash_next)
		n++;
	if (n)
		f.c = malloc(n * sizeof(struct sock_common *));
	for (struct sock_common *c = *ch->head; c && f.c; c = c->hash_next) {
		if (!tu || bound_score(c, tu) >= 0)
			f.c[f.n++] = common_hold(c);
	}
	mutex_unlock(ch->lock);
	return f;
}

void inet_each_bound(struct inet_table *t, const struct inet_tuple *tu,
		     void (*fn)(struct sock *sk, void *arg), void *arg)
{
	struct chain ch = bound_chain(t, tu->lport);
	struct found f = chain_collect(&ch, tu);

	for (unsigned i = 0; i < f.n; i++) {
		fn(sock_of(f.c[i]), arg);
		inet_common_put(t, f.c[i]);
	}
	free(f.c);
}

static void chain_each(struct inet_table *t, const struct chain *ch,
		       void (*fn)(struct sock_common *c, void *arg), void *arg)
{
	struct found f = chain_collect(ch, NULL);

	for (unsigned i = 0; i < f.n; i++) {
		fn(f.c[i], arg);
		inet_common_put(t, f.c[i]);
	}
	free(f.c);
}

void inet_each(struct inet_table *t, void (*fn)(struct sock_common *c, void *arg), void *arg)
{
	for (unsigned i = 0; i < INET_CONN_CHAINS; i++)
		chain_each(t, &(struct chain){&t->conn_lock[i % INET_LOCKS], &t->conn[i]}, fn, arg);
	for (unsigned i = 0; i < INET_BOUND_CHAINS; i++)
		chain_each(t, &(struct chain){&t->bound_lock[i % INET_LOCKS], &t->bound[i]}, fn,
			   arg);
}

/* --- leaving ---------------------------------------------------------------------------------- */

static void sock_leave_port(struct inet_table *t, struct sock *sk)
{
	struct port_share *p = sk->port;

	if (!p)
		return;
	if ((sk->flags & SOCK_BOUND_PORT) && !(sk->flags & SOCK_DEAD)) {
		inet_port_unlisten(t, sk);
		return;
	}
	sk->port = NULL;
	inet_port_release(t, p);
}

/* The chain c is in does not change while it is there: its tuple is constant, its port at least. */
static struct chain chain_of(struct inet_table *t, const struct sock_common *c, uint8_t where)
{
	struct inet_tuple tu = tuple_of(c);

	return where == INET_BOUND ? bound_chain(t, c->lport) : conn_chain(t, &tu);
}

void inet_unhash(struct inet_table *t, struct sock_common *c)
{
	uint8_t where = atomic_load_explicit(&c->hashed, memory_order_acquire);
	bool was = false;

	if (where != INET_NOWHERE) {
		struct chain ch = chain_of(t, c, where);

		mutex_lock(ch.lock);
		/* a TIME-WAIT sock may have been taken over meanwhile */
		was = c->hashed != INET_NOWHERE;
		if (was)
			chain_del(&ch, c);
		mutex_unlock(ch.lock);
	}
	if (c->kind == SOCK_KIND_FULL)
		sock_leave_port(t, sock_of(c));
	if (was)
		inet_common_put(t, c);
}
