/*
 * ip/route_trie.c - longest prefix match: the trie.
 *
 * Every node holds a route or has two children; so there are at most twice as many nodes as
 * prefixes, and a walk touches one node a fork, not one a bit.
 */
#include "ip/route_trie.h"

#include <endian.h>
#include <stdlib.h>

static unsigned key_common(const struct ip_addr *a, const struct ip_addr *b)
{
	uint64_t high = be64toh(a->d[0] ^ b->d[0]), low = be64toh(a->d[1] ^ b->d[1]);

	if (high)
		return (unsigned)__builtin_clzll(high);
	return low ? 64 + (unsigned)__builtin_clzll(low) : 128;
}

static unsigned key_bit(const struct ip_addr *a, unsigned n)
{
	return (a->b[n / 8] >> (7 - n % 8)) & 1u;
}

static bool node_holds(const struct route_node *n, const struct ip_addr *a)
{
	return key_common(&n->key, a) >= n->bits;
}

static struct route_node *node_new(const struct ip_addr *key, unsigned bits)
{
	struct route_node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->key = ip_addr_mask(key, bits);
	n->bits = bits;
	return n;
}

/* Puts `n` where *slot is, whose node has only `common` bits in common with it. */
static bool node_split(struct route_node **slot, struct route_node *n, unsigned common)
{
	struct route_node *old = *slot, *fork = n;

	if (common < n->bits) {
		fork = node_new(&n->key, common);
		if (!fork)
			return false;
		fork->child[key_bit(&n->key, common)] = n;
	}
	fork->child[key_bit(&old->key, common)] = old;
	*slot = fork;
	return true;
}

struct route_node *route_trie_make(struct route_node **root, const struct ip_addr *key,
				   unsigned bits)
{
	struct route_node **slot = root, *n;
	unsigned common = 0;

	while (*slot) {
		common = key_common(&(*slot)->key, key);
		if (common > bits)
			common = bits;
		if (common < (*slot)->bits)
			break;
		if ((*slot)->bits == bits)
			return *slot;
		slot = &(*slot)->child[key_bit(key, (*slot)->bits)];
	}
	n = node_new(key, bits);
	if (!n)
		return NULL;
	if (!*slot) {
		*slot = n;
	} else if (!node_split(slot, n, common)) {
		free(n);
		return NULL;
	}
	return n;
}

struct route_node *route_trie_find(struct route_node *root, const struct ip_addr *key,
				   unsigned bits)
{
	struct route_node *n = root;

	while (n && n->bits < bits && node_holds(n, key))
		n = n->child[key_bit(key, n->bits)];
	return n && n->bits == bits && node_holds(n, key) ? n : NULL;
}

/* A node without routes goes when at most one child would miss it; the child takes its place. */
static void node_collapse(struct route_node **slot)
{
	struct route_node *n = *slot;

	if (n->routes || (n->child[0] && n->child[1]))
		return;
	*slot = n->child[0] ? n->child[0] : n->child[1];
	free(n);
}

void route_trie_trim(struct route_node **root, const struct ip_addr *key, unsigned bits)
{
	struct route_node **slot = root, **above = NULL;

	while (*slot && (*slot)->bits < bits) {
		above = slot;
		slot = &(*slot)->child[key_bit(key, (*slot)->bits)];
	}
	if (!*slot || (*slot)->bits != bits)
		return;
	node_collapse(slot);
	if (above)
		node_collapse(above);
}

unsigned route_trie_walk(struct route_node *root, const struct ip_addr *dst,
			 struct route_node **found)
{
	unsigned count = 0;

	for (struct route_node *n = root; n && node_holds(n, dst);) {
		if (n->routes)
			found[count++] = n;
		n = n->bits < 128 ? n->child[key_bit(dst, n->bits)] : NULL;
	}
	return count;
}
