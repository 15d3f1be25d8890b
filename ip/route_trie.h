/*
 * ip/route_trie.h - a path-compressed binary trie over 128-bit prefixes.
 *
 * Both families in one: an IPv4 prefix lies under ::ffff:0:0/96.  No lock of its own.
 */
#pragma once
#include "ip/route.h"

/* LOCKING: the route state's lock guards entries and nodes alike. */
struct route_entry {
	struct route_entry *next;      /* of the same prefix, by metric, then by age */
	struct route_entry *len_next;  /* of the same prefix length */
	struct route_entry **len_prev; /* what points here */
	struct route route;
};

struct route_node {
	struct ip_addr key; /* bits past `bits` are zero */
	unsigned bits;
	struct route_node *child[2]; /* by the bit after the key */
	struct route_entry *routes;  /* NULL: only a fork */
};

/* The node of this very prefix, made when there is none.  NULL: no memory. */
struct route_node *route_trie_make(struct route_node **root, const struct ip_addr *key,
				   unsigned bits);
/* The same, never made. */
struct route_node *route_trie_find(struct route_node *root, const struct ip_addr *key,
				   unsigned bits);
/* Takes the node of this prefix out if it holds no route any more. */
void route_trie_trim(struct route_node **root, const struct ip_addr *key, unsigned bits);
/* The nodes whose prefix holds dst, shortest first; returns how many (at most 129). */
unsigned route_trie_walk(struct route_node *root, const struct ip_addr *dst,
			 struct route_node **found);
