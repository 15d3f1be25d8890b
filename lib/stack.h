/*
 * lib/stack.h - one TCP/IP stack.  There are no other mutable globals than these instances'
 * registry, the descriptor table and one __thread record.
 *
 * Each room's state is an incomplete type here, made by x_state_create() of that room;
 * socket/stack.c calls them all and is the only file that names every room.
 *
 * LOCKING
 *	c	constant after creation		a	atomic
 *	l	the lock of the living stacks (RANK_LIVING, lib/slot.c)
 */
#pragma once
#include "lib/env.h"
#include "lib/lock.h"
#include "lib/sysctl.h"

struct slot;
struct free_cell;
struct sock_events;

/* Small memory, lib/cell.h.  Bytes, as glibc's malloc() has them to give: 8, 24, 40, ... */
#define CELL_STEP 16u
#define CELL_FIRST 8u
#define CELL_MAX 520u
#define CELL_CLASSES (CELL_MAX / CELL_STEP + 1)
#define CELL_BUNDLES 8 /* of a size, between threads */

struct stack {
	struct env *env;            /* c */
	uint64_t id;                /* c: never used twice in a process */
	uint8_t key[16];            /* c: SipHash key of this stack's tables and ISNs */
	_Atomic bool down;          /* a: ending: blocking calls answer ENETDOWN */
	_Atomic uint32_t debug;     /* a: mask of enum debug_level, lib/debug.h */
	struct sysctls sysctl;      /* a: each field; lib/sysctl.def */
	struct slot *_Atomic slots; /* a: pushed on, never taken off; lib/slot.h */
	struct slot *_Atomic clock; /* a: whose thread read the clock last: lib/batch.h */
	struct stack *next;         /* l: the living stacks */
	bool living;                /* l */
	/* a: bundles that one thread has handed on and no other has taken yet */
	struct free_cell *_Atomic cells[CELL_CLASSES][CELL_BUNDLES];
	/* c, may be NULL: a thread gives its slot back (set by net before there are threads) */
	void (*slot_release)(struct slot *s);
	struct debug_sinks *debug_sinks; /* c */

	/* c, may be NULL: ip/inet_sock.h: who is told of a sock's events (set by socket) */
	const struct sock_events *sock_events;

	struct net_state *net;       /* c: net/netdev.h: devices, packet depot */
	struct arp_state *arp;       /* c: arp/neigh.h */
	struct ip_state *ip;         /* c: ip/ip.h: addresses, routes, reassembly, raw */
	struct udp_state *udp;       /* c */
	struct tcp_state *tcp;       /* c */
	struct socket_state *socket; /* c: socket/socket_priv.h: threads, family tables */
	struct wheel *net_wheel;     /* c: neighbour, reassembly, path MTU: the net_timer thread */
	struct wheel *tcp_wheel;     /* c: every TCP timer: the tcp_timer thread */
};

/* The part every stack has before its rooms: env, key, sysctls, slots, wheels.  NULL: no memory. */
struct stack *stack_alloc(struct env *env);
/*
 * After every room has been ended and every thread joined.  A debug build stops when a gauge is not
 * back at 0: something leaks.  A forked child must not call it.
 */
void stack_free(struct stack *st);
