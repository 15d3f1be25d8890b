/*
 * ip/inet_dgram.h - what datagram endpoints (udp, raw) share: the receive queue, what poll() and
 * ioctl() say of it, and which ICMP errors a program hears of.
 *
 * All of it is called with the sock's lock held.
 */
#pragma once
#include "ip/inet_sock.h"

/* State of a datagram sock, by Linux's numbers, that `ss` agrees with it. */
enum dgram_state {
	DGRAM_CONNECTED = 1,
	DGRAM_UNCONNECTED = 7,
};

/* The front of a queued packet is what the program reads. */
struct dgram_cb {
	uint16_t port; /* the sender's; 0: the protocol has none */
};
_Static_assert(sizeof(struct dgram_cb) <= sizeof(((struct pkbuf *)0)->cb), "cb");

static inline struct dgram_cb *dgram_cb(struct pkbuf *b)
{
	return (struct dgram_cb *)(void *)b->cb;
}

static inline bool dgram_is_connected(const struct sock *sk)
{
	return !ip_addr_is_any(&sk->c.raddr);
}

/* May a packet from src:port still come in?  A reason to drop it, or DROP_NONE. */
enum drop_reason dgram_refuses(const struct sock *sk, const struct pkbuf *b, uint16_t port);
/* Queues b and tells the socket room; false: over rcvbuf, b is still the caller's. */
bool dgram_queue(struct sock *sk, struct pkq *q, struct pkbuf *b);
/* One datagram: bytes, 0 at the end, -EAGAIN, or the pending error. */
ssize_t dgram_recv(struct sock *sk, struct pkq *q, struct sock_msg *m);
void dgram_purge(struct sock *sk, struct pkq *q);
uint32_t dgram_poll(struct sock *sk, const struct pkq *q);
int dgram_ioctl(struct sock *sk, const struct pkq *q, unsigned long req, int *value);
int dgram_shutdown(struct sock *sk, int how);
/*
 * What must hold before anything is sent: 0, the pending error, -EPIPE, -EOPNOTSUPP.  Takes the
 * pending error, as send() does.
 */
int dgram_may_send(struct sock *sk, const struct sock_msg *m);
/*
 * An ICMP error.  Linux's rule: a connected sock is told of hard errors, one with IP_RECVERR of
 * all, others of none.
 */
void dgram_error(struct sock *sk, const struct sock_err *e);
