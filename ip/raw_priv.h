/* ip/raw_priv.h - what raw.c and raw_in.c share: the sock, and its place on the lists. */
#pragma once
#include "ip/inet_dgram.h"
#include "ip/raw.h"

/*
 * LOCKING
 *	l	own lock	a	atomic
 */
struct raw_sock {
	struct dgram_sock d;          /* see there; rcvq has its fronts at the IP header */
	_Atomic uint32_t icmp_filter; /* a: bit n set: ICMP type n is not wanted */
};

static inline struct raw_sock *raw_sock(struct sock *sk)
{
	return (struct raw_sock *)(void *)sk;
}

/* Its filters change under the lock of the lists.  Lock of sk held. */
void raw_list_set_addrs(struct sock *sk, const struct ip_addr *laddr, const struct ip_addr *raddr);
/* Puts the list's reference.  Idempotent. */
void raw_list_del(struct sock *sk);
