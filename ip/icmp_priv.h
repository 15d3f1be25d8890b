/*
 * ip/icmp_priv.h - what icmp.c, icmp_in.c, icmp_err.c and icmp_limit.c share.
 */
#pragma once
#include "ip/icmp.h"
#include "ip/ip_priv.h"

#define ICMP_LIMIT_SETS 64u
#define ICMP_LIMIT_WAYS 4u

/* What one host may still be sent. */
struct icmp_host {
	struct ip_addr addr; /* any: the slot is free */
	uint64_t credit;     /* ns */
	uint64_t stamp;      /* ns, when credit was counted */
};

/*
 * LOCKING
 *	c	constant after creation		l	limit_lock	w	watch_lock
 */
struct icmp_state {
	struct stack *stack;      /* c */
	struct mutex limit_lock;  /* c: a leaf */
	struct mutex watch_lock;  /* c: a leaf */
	uint64_t credit;          /* l: messages times 1e9, to everybody together */
	uint64_t stamp;           /* l: ns, when credit was counted */
	struct icmp_watch *watch; /* w */
	struct icmp_host host[ICMP_LIMIT_SETS][ICMP_LIMIT_WAYS]; /* l: by hash of the address */
};

/* A message to be sent: what stands behind the first word of its header, and how it travels. */
struct icmp_msg {
	struct ip_flow flow;
	uint8_t type, code;
	uint32_t word; /* the header's second word, host order */
};

/* Puts the header before b's data, with its checksum, and sends it.  Consumes b.  0 or -errno. */
int icmp_send(struct pkbuf *b, const struct icmp_msg *m);
void icmp_drop(struct pkbuf *b, enum drop_reason why); /* counts InErrors */

/* icmp_in.c: messages about datagrams of ours.  Front at the ICMP header, 8 bytes pulled. */
void icmp_error_in(struct pkbuf *b);
void icmp_redirect_in(struct pkbuf *b);

/* icmp_limit.c: may an error go to dst now?  Counts it if so. */
enum icmp_verdict { ICMP_MAY, ICMP_LIMIT_HOST, ICMP_LIMIT_GLOBAL };
enum icmp_verdict icmp_limit(struct stack *st, const struct ip_addr *dst);
void icmp_limit_init(struct icmp_state *s);
