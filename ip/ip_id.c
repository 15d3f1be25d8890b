/*
 * ip/ip_id.c - identifications of datagrams that may be fragmented (RFC 6864, RFC 7739).
 *
 * A counter is shared by the destinations that hash to it, so that an identification comes back
 * only after 65536 datagrams; each destination sees it shifted by a keyed hash of its own, so that
 * what one host is sent tells nothing about another's.
 */
#include <stdlib.h>

#include "ip/ip_priv.h"
#include "lib/siphash.h"

#define IP_ID_COUNTERS 2048

/* LOCKING: a counter is atomic. */
struct ip_id_state {
	_Atomic uint16_t counter[IP_ID_COUNTERS];
};

struct ip_id_state *ip_id_state_create(struct stack *st)
{
	struct ip_id_state *s = calloc(1, sizeof(*s));

	for (unsigned i = 0; s && i < IP_ID_COUNTERS; i++)
		atomic_init(&s->counter[i], (uint16_t)env_random(st->env));
	return s;
}

void ip_id_state_destroy(struct ip_id_state *s)
{
	free(s);
}

static uint64_t id_hash(const struct stack *st, const struct ip_addr *src,
			const struct ip_addr *dst, uint8_t proto)
{
	struct {
		uint32_t src, dst, proto;
	} key = {src->w[3], dst->w[3], proto}; /* what IPv4 addresses differ in */

	return siphash(&key, sizeof(key), st->key);
}

/* The first of n in a counter that others use too. */
static uint16_t id_take(struct stack *st, uint64_t hash, unsigned n)
{
	_Atomic uint16_t *counter = &st->ip->id->counter[hash % IP_ID_COUNTERS];

	return atomic_fetch_add_explicit(counter, (uint16_t)n, memory_order_relaxed);
}

/*
 * Of datagrams that may not be cut any will do (RFC 6864, 4.1): from the second on the path, which has one
 * sender, counts them by itself.
 */
static uint16_t id_take_whole(struct path *path, unsigned n)
{
	uint16_t at = atomic_load_explicit(&path->id_whole, memory_order_relaxed);

	atomic_store_explicit(&path->id_whole, (uint16_t)(at + n), memory_order_relaxed);
	return at;
}

static uint16_t id_of(uint16_t count, uint64_t hash)
{
	return (uint16_t)(count + (hash >> 48));
}

uint16_t ip_id_next(struct stack *st, const struct ip_addr *src, const struct ip_addr *dst,
		    uint8_t proto, unsigned n)
{
	uint64_t hash = id_hash(st, src, dst, proto);

	return id_of(id_take(st, hash, n), hash);
}

uint16_t ip_id_by(struct path *path, const struct pkbuf *b, unsigned n, bool df)
{
	uint64_t hash = atomic_load_explicit(&path->id_hash, memory_order_relaxed);
	uint16_t at;

	if (hash)
		return id_of(df ? id_take_whole(path, n) : id_take(path->stack, hash, n), hash);
	hash = id_hash(path->stack, &b->src, &b->dst, b->proto);
	at = id_take(path->stack, hash, n);
	atomic_store_explicit(&path->id_whole, (uint16_t)(at + n), memory_order_relaxed);
	atomic_store_explicit(&path->id_hash, hash, memory_order_relaxed);
	return id_of(at, hash);
}
