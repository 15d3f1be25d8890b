/*
 * ip/inet_hash.h - the tables of a transport: ports, connections, listeners.
 *
 * One struct inet_table a protocol.  Buckets have locks of their own (rank BUCKET); a look-up takes
 * a reference under the bucket's lock and lets go.  Who then locks the sock must check that it is
 * still in the table (inet_hashed) and still the one.
 */
#pragma once
#include "ip/inet_sock.h"

struct inet_table;

/* The four-tuple of a packet as its receiver sees it, and where it came in (0: not known). */
struct inet_tuple {
	struct ip_addr laddr, raddr;
	uint16_t lport, rport;
	uint32_t ifindex;
};

/*
 * May `taker`, about to use this very four-tuple, have it from a TIME-WAIT sock?  Called under the
 * bucket lock; true: the table takes tw out and puts its reference; the protocol has noted what it
 * needs.
 */
typedef bool inet_take_timewait_fn(struct sock_common *tw, struct sock *taker);

struct inet_table *inet_table_create(struct stack *st, uint8_t proto, inet_take_timewait_fn *take);
void inet_table_destroy(struct inet_table *t); /* must be empty */
/* Puts a reference; the last one ends c by its kind: full, request, TIME-WAIT. */
void inet_common_put(struct inet_table *t, struct sock_common *c);
/* How to free request and TIME-WAIT socks; the protocol registers it once. */
void inet_table_set_free(struct inet_table *t, void (*free_small)(struct sock_common *c));

/* --- ports: inet_port.c ----------------------------------------------------------------------- */

/*
 * Gives sk address and port (0: ephemeral, RFC 6056).  The sharing rules, by address, wildcard,
 * family, device, SO_REUSEADDR, listener and TIME-WAIT, are one table in inet_port.c. -EADDRINUSE,
 * -EADDRNOTAVAIL (address not ours), -EINVAL (bound already), -ENOMEM.  Lock of sk held.
 */
int inet_bind(struct inet_table *t, struct sock *sk, const struct ip_addr *a, uint16_t port);
int inet_bind_addr(struct sock *sk, const struct ip_addr *a); /* the port comes with connect() */
/* An address of ours, or for datagrams also a group or broadcast to receive (RFC 1122, 4.1.3.5). */
bool inet_addr_is_bindable(const struct sock *sk, const struct ip_addr *a);
void inet_bound_to(struct sock *sk, const struct ip_addr *a); /* bind() named it; lock of sk held */
/* A listener needs its port for itself: checks the table again as LISTEN.  -EADDRINUSE. */
int inet_listen(struct inet_table *t, struct sock *sk);
/* A child joins its listener's port.  0 or -ENOMEM. */
int inet_port_inherit(struct inet_table *t, struct sock *child, struct sock *parent);
/* A TIME-WAIT sock takes over the share of the sock it stands for: the port stays taken.  Never
 * fails; NULL when `from` has none. */
struct port_share *inet_port_give(struct inet_table *t, struct sock *from);
/* Gives a share back; p may be NULL.  Takes a leaf lock only, so it may come anywhere. */
void inet_port_release(struct inet_table *t, struct port_share *p);

/* --- connections and bound socks: inet_hash.c ------------------------------------------------- */

/*
 * sk has laddr, raddr, rport; chooses lport when it has none (RFC 6056, algorithm 4: per
 * destination) and enters the connection table.  -EADDRNOTAVAIL: no port left, or the four-tuple is
 * in use.
 */
int inet_connect(struct inet_table *t, struct sock *sk);
/*
 * Enters the connection table with the tuple it has; -EADDRINUSE.  `replaces` (or NULL), of the
 * same tuple, is taken out in the same step, and the table's reference of it put.
 */
int inet_hash_insert(struct inet_table *t, struct sock_common *c, struct sock_common *replaces);
/* UDP and listeners: the table of bound socks. */
void inet_hash_bound(struct inet_table *t, struct sock *sk);
/* connect() of a datagram sock: changes its addresses where it stands in the table of bound socks.
 */
void inet_rehash_bound(struct inet_table *t, struct sock *sk, const struct inet_tuple *tu);
/*
 * Leaves every table.  A full sock gives its port back, but for one that bind() named while a
 * program still holds the sock (no SOCK_DEAD): that one stays its own until close().  Lock of sk
 * held.  Idempotent.
 */
void inet_unhash(struct inet_table *t, struct sock_common *c);
bool inet_hashed(const struct sock_common *c);

/* A connection, request or TIME-WAIT sock, with a reference. */
struct sock_common *inet_lookup(struct inet_table *t, const struct inet_tuple *tu);
/* The best bound sock: connected to the sender, then exact address, device, family, with a
 * reference. */
struct sock *inet_lookup_bound(struct inet_table *t, const struct inet_tuple *tu);
/* Every bound sock that a multicast or broadcast packet goes to; calls fn with a reference held for
 * it. */
void inet_each_bound(struct inet_table *t, const struct inet_tuple *tu,
		     void (*fn)(struct sock *sk, void *arg), void *arg);
/* For `ss`: every entry of both tables, fn called with a reference held and no lock. */
void inet_each(struct inet_table *t, void (*fn)(struct sock_common *c, void *arg), void *arg);
