/*
 * ip/inet_priv.h - what inet_hash.c and inet_port.c share: the tables of one transport.
 *
 * Chains are many, their locks few: a chain is guarded by the lock its number gives.
 */
#pragma once
#include "ip/inet_hash.h"

#define INET_LOCKS 64u
#define INET_CONN_CHAINS 4096u
#define INET_BOUND_CHAINS 256u
#define INET_PORT_CHAINS 1024u
#define INET_PORT_CELLS 4096u

/* Values of sock_common.hashed. */
enum inet_where { INET_NOWHERE, INET_CONN, INET_BOUND };

/*
 * What other socks must know of one that has a port: a copy, so that nobody looks at options under
 * another sock's lock.  Socks with the same of all of it have one share.
 *
 * LOCKING
 *	p	port lock of its chain		c	constant after creation
 */
struct port_share {
	struct port_share *next; /* p */
	struct ip_addr laddr;    /* c */
	uint32_t ifindex;        /* c */
	uint32_t users;          /* p: socks of every kind */
	uint16_t port;           /* c */
	uint8_t families;        /* c */
	uint8_t flags;           /* p: PORT_ */
};

#define PORT_REUSE 1u     /* SO_REUSEADDR as it stood at bind() */
#define PORT_LISTEN 2u    /* of one listener */
#define PORT_REUSEPORT 8u /* SO_REUSEPORT as it stood at bind() */
#define PORT_CONNECT 4u   /* chosen by connect(): others of the kind may have it too */

/*
 * LOCKING
 *	c	constant after creation		a	atomic
 *	b	conn_lock or bound_lock of the chain, rank BUCKET
 *	p	port_lock of the chain, a leaf: may be taken under a conn_lock
 */
struct inet_table {
	struct stack *stack;                          /* c */
	uint8_t proto;                                /* c */
	inet_take_timewait_fn *take;                  /* c: NULL: never */
	void (*free_small)(struct sock_common *c);    /* c */
	_Atomic uint32_t port_next[INET_PORT_CELLS];  /* a: the table of RFC 6056, 3.3.4 */
	struct mutex conn_lock[INET_LOCKS];           /* c */
	struct mutex bound_lock[INET_LOCKS];          /* c */
	struct mutex port_lock[INET_LOCKS];           /* c */
	struct sock_common *conn[INET_CONN_CHAINS];   /* b: by four-tuple */
	struct sock_common *bound[INET_BOUND_CHAINS]; /* b: by local port */
	struct port_share *port[INET_PORT_CHAINS];    /* p: by port */
};

/* The sharing rules.  True: `want` may not have its port while `have` is there. */
bool port_conflict(const struct port_share *have, const struct port_share *want);
/*
 * For connect(): a share of `port` for sk where nobody bound it, others of connect() being no
 * hindrance.  NULL with *err -EADDRINUSE or -ENOMEM.  May be called under a conn_lock.
 */
struct port_share *inet_port_join(struct inet_table *t, const struct sock *sk, uint16_t port,
				  int *err);
/* sk listens no more, but keeps its port. */
void inet_port_unlisten(struct inet_table *t, struct sock *sk);

/* The stack's range of ephemeral ports: first and how many. */
struct port_range {
	uint32_t first, count;
};
struct port_range inet_port_range(const struct sock *sk);
