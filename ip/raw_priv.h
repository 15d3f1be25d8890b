/* ip/raw_priv.h - what raw.c, raw_in.c and ping.c share: the sock, and its place on the lists. */
#pragma once
#include "ip/inet_dgram.h"
#include "ip/raw.h"

/*
 * LOCKING
 *	l	own lock	a	atomic		c	constant once it is open
 */
struct raw_sock {
	struct dgram_sock d;          /* see there; rcvq has its fronts at the IP header */
	_Atomic uint32_t icmp_filter; /* a: bit n set: ICMP type n is not wanted */
	/* c: what is done to a datagram before it goes: 0 or -errno; NULL: nothing */
	int (*finish)(struct sock *sk, struct pkbuf *b);
};

static inline struct raw_sock *raw_sock(struct sock *sk)
{
	return (struct raw_sock *)(void *)sk;
}

/* Its filters change under the lock of the lists.  Lock of sk held. */
void raw_list_set_addrs(struct sock *sk, const struct ip_addr *laddr, const struct ip_addr *raddr);
/* Puts the list's reference.  Idempotent. */
void raw_list_del(struct sock *sk);
/* Its lport.  False: another with the same ops has it. */
bool raw_list_set_port(struct sock *sk, uint16_t port);

/* --- raw.c: what ping.c has in its table too, with the sock's lock ------------------------------- */

int raw_bind(struct sock *sk, const struct ip_addr *a, uint16_t port);
int raw_connect(struct sock *sk, const struct ip_addr *a, uint16_t port);
int raw_disconnect(struct sock *sk);
ssize_t raw_send(struct sock *sk, struct sock_msg *m);
void raw_backlog_in(struct sock *sk, struct pkbuf *b);
void raw_close(struct sock *sk);
