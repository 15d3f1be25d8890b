/*
 * ip/reass_table.c - the datagrams in reassembly: their table, their age and their bound.
 *
 * A datagram is in its bucket and on the list of all by age; the list's lock is a leaf, so who
 * evicts takes a reference there, lets go, and then looks whether it is still in the table.
 */
#include <stdlib.h>
#include <string.h>

#include "ip/reass.h"
#include "lib/mib.h"
#include "lib/siphash.h"

static void reass_expire(struct timer *t);
static void reass_reclaim(struct stack *st);

struct reass_state *reass_state_create(struct stack *st)
{
	struct reass_state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->stack = st;
	mutex_init(&s->age_lock, RANK_LEAF);
	for (unsigned i = 0; i < REASS_BUCKETS; i++)
		mutex_init(&s->bucket[i].lock, RANK_REASM);
	depot_reclaim_register(st, RECLAIM_FRAGMENTS, reass_reclaim);
	return s;
}

struct reass_bucket *reass_bucket_of(struct stack *st, const struct reass_key *k)
{
	return &st->ip->reass->bucket[siphash13(k, sizeof(*k), st->key) % REASS_BUCKETS];
}

/* --- age -------------------------------------------------------------------------------------- */

static void age_link(struct reass_state *s, struct reass *r)
{
	mutex_lock(&s->age_lock);
	r->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = r;
	s->newest = r;
	mutex_unlock(&s->age_lock);
}

static void age_unlink(struct reass_state *s, struct reass *r)
{
	mutex_lock(&s->age_lock);
	*(r->older ? &r->older->newer : &s->oldest) = r->newer;
	*(r->newer ? &r->newer->older : &s->newest) = r->older;
	mutex_unlock(&s->age_lock);
}

/* With a reference; NULL: there is none. */
static struct reass *age_oldest(struct reass_state *s)
{
	struct reass *r;

	mutex_lock(&s->age_lock);
	r = s->oldest;
	if (r)
		atomic_fetch_add_explicit(&r->ref, 1, memory_order_relaxed);
	mutex_unlock(&s->age_lock);
	return r;
}

/* --- datagrams -------------------------------------------------------------------------------- */

void reass_put(struct reass *r)
{
	if (atomic_fetch_sub_explicit(&r->ref, 1, memory_order_acq_rel) == 1)
		free(r);
}

void reass_charge(struct reass *r, int64_t bytes)
{
	r->charged = (uint32_t)(r->charged + bytes);
	atomic_fetch_add_explicit(&r->stack->ip->reass->charged, (uint64_t)bytes,
				  memory_order_relaxed);
	gauge_add(r->stack, GAUGE_reasm_bytes, bytes);
}

static struct reass *reass_new(struct reass_bucket *bk, struct stack *st, const struct reass_key *k)
{
	struct reass *r = calloc(1, sizeof(*r));
	uint64_t life = (uint64_t)sysctl_get(st, ipfrag_time) * NSEC_PER_SEC;

	if (!r)
		return NULL;
	r->bucket = bk;
	r->stack = st;
	r->key = *k;
	pkq_init(&r->frags);
	timer_init(&r->timer, reass_expire);
	atomic_init(&r->ref, 2);
	r->next = bk->head;
	bk->head = r;
	age_link(st->ip->reass, r);
	gauge_add(st, GAUGE_reasm, 1);
	reass_charge(r, sizeof(*r));
	timer_arm(st->net_wheel, &r->timer, env_now(st->env) + life);
	return r;
}

struct reass *reass_find(struct reass_bucket *bk, struct stack *st, const struct reass_key *k)
{
	struct reass *r = bk->head;

	while (r && memcmp(&r->key, k, sizeof(*k)) != 0)
		r = r->next;
	return r ? r : reass_new(bk, st, k);
}

void reass_empty(struct reass *r, struct pkq *to)
{
	pkq_join(to, &r->frags);
	reass_charge(r, (int64_t)sizeof(*r) - r->charged);
	r->first = NULL;
	r->bytes = r->end = 0;
	r->ecn = 0;
	memset(r->held, 0, sizeof(r->held));
	memset(r->starts, 0, sizeof(r->starts));
}

void reass_remove(struct reass *r)
{
	struct reass **at = &r->bucket->head;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->dead = true;
	age_unlink(r->stack->ip->reass, r);
	reass_charge(r, -(int64_t)r->charged);
	gauge_add(r->stack, GAUGE_reasm, -1);
	if (timer_disarm(r->stack->net_wheel, &r->timer))
		reass_put(r);
	reass_put(r);
}

/* --- the end of those that are not completed -------------------------------------------------- */

/* Takes r out of the table and its fragments to q.  False: somebody else has. */
static bool reass_kill(struct reass *r, struct pkq *q, struct pkbuf **first)
{
	bool mine;

	mutex_lock(&r->bucket->lock);
	mine = !r->dead;
	if (mine) {
		*first = r->first;
		reass_empty(r, q);
		reass_remove(r);
	}
	mutex_unlock(&r->bucket->lock);
	return mine;
}

static void reass_drop_all(struct pkq *q, enum drop_reason why)
{
	struct pkbuf *b;

	while ((b = pkq_take(q)))
		pkbuf_drop(b, why);
}

/* RFC 1122, 3.3.2: the sender is told, when the first fragment is here to quote. */
static void reass_expire(struct timer *t)
{
	static const struct icmp_error e = {.type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_REASM};
	struct reass *r = (struct reass *)((char *)t - offsetof(struct reass, timer));
	struct pkbuf *first = NULL;
	struct pkq q;

	pkq_init(&q);
	if (reass_kill(r, &q, &first) && q.count) {
		mib_inc(r->stack, MIB_Ip_ReasmTimeout);
		mib_inc(r->stack, MIB_Ip_ReasmFails);
	}
	if (first)
		icmp_error_send(first, &e);
	reass_drop_all(&q, DROP_FRAG_TIMEOUT);
	reass_put(r);
}

/* False: there is none. */
static bool reass_evict_oldest(struct reass_state *s)
{
	struct reass *r = age_oldest(s);
	struct pkbuf *first;
	struct pkq q;

	if (!r)
		return false;
	pkq_init(&q);
	if (reass_kill(r, &q, &first) && q.count)
		mib_inc(s->stack, MIB_Ip_ReasmFails);
	reass_drop_all(&q, DROP_FRAG_LIMIT);
	reass_put(r);
	return true;
}

bool reass_make_room(struct stack *st, uint32_t bytes)
{
	struct reass_state *s = st->ip->reass;
	uint64_t most = (uint64_t)sysctl_get(st, ipfrag_high_thresh);
	uint64_t need = bytes + sizeof(struct reass);

	if (need > most)
		return false;
	while (atomic_load_explicit(&s->charged, memory_order_relaxed) + need > most) {
		if (!reass_evict_oldest(s))
			break;
	}
	return true;
}

static void reass_reclaim(struct stack *st)
{
	while (depot_pressure(st) && reass_evict_oldest(st->ip->reass))
		;
}

void reass_state_destroy(struct reass_state *s)
{
	while (reass_evict_oldest(s))
		;
	for (unsigned i = 0; i < REASS_BUCKETS; i++)
		mutex_fini(&s->bucket[i].lock);
	mutex_fini(&s->age_lock);
	free(s);
}
