/*
 * ip/inet_dgram.h - what datagram endpoints (udp, raw) share: the receive queue, what poll() and
 * ioctl() say of it, control messages, and which ICMP errors a program hears of.
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

/*
 * What udp and raw socks begin with.
 *
 * LOCKING
 *	l	own lock
 */
struct dgram_sock {
	struct sock sk;
	struct pkq rcvq; /* l: each with its front at what the program reads */
	struct pkq errq; /* l: errors, stamps: each with its front at what of a datagram is shown */
	struct ip_addr sent_to; /* l: while not connected: whom sk.path leads to */
};

static inline struct dgram_sock *dgram_sock(struct sock *sk)
{
	return (struct dgram_sock *)(void *)sk;
}

/* Notes on a packet of rcvq. */
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
int dgram_init(struct sock *sk);
/* Queues b and tells the socket room; false: over rcvbuf, b is still the caller's. */
bool dgram_queue(struct sock *sk, struct pkbuf *b);
/* One datagram: bytes, 0 at the end, -EAGAIN, or the pending error.  MSG_ERRQUEUE: one error. */
ssize_t dgram_recv(struct sock *sk, struct sock_msg *m);
void dgram_purge(struct sock *sk); /* both queues */
uint32_t dgram_poll(struct sock *sk);
int dgram_ioctl(struct sock *sk, unsigned long req, int *value);
int dgram_shutdown(struct sock *sk, int how);
/*
 * What must hold before anything is sent: 0, the pending error, -EPIPE, -EOPNOTSUPP.  Takes the
 * pending error, as send() does.
 */
int dgram_may_send(struct sock *sk, const struct sock_msg *m);
/* Copies up to n bytes of b into m's buffers, behind what is skipped there. */
void dgram_copy(const struct pkbuf *b, struct sock_msg *m, uint32_t n);

/* --- inet_cmsg.c: control messages ------------------------------------------------------------- */

/* What those of a send ask for its one datagram. */
struct dgram_control {
	bool any;           /* there are some: the path is looked up for this datagram */
	int tos, ttl;       /* -1: as the sock's */
	uint32_t ifindex;   /* 0: any */
	struct ip_addr src; /* any: as the sock's */
	uint32_t stamps;    /* SOCK_MSG_STAMPS and SOF_TIMESTAMPING_TX_; 0: as the sock's */
};
/* 0, or -EINVAL: one that is malformed, out of range or not known. */
int dgram_control_in(struct sock *sk, const struct sock_msg *m, struct dgram_control *c);
void dgram_control_flow(const struct dgram_control *c, struct ip_flow *f);
/* What the sock's options want told of b. */
void dgram_control_out(const struct sock *sk, const struct pkbuf *b, struct sock_msg *m);

/* --- inet_errq.c: errors; reading them, as streams do too, is in ip/inet_sock.h ------------------- */

/*
 * An ICMP error; consumes b, a PKBUF_ERROR.  Linux's rule: a connected sock is told of hard errors, one
 * with IP_RECVERR of all, others of none; the one with IP_RECVERR finds them in its queue too.
 */
void dgram_error(struct sock *sk, struct pkbuf *b);
/* A datagram that was not sent, being larger than the path takes. */
void dgram_error_too_large(struct sock *sk, const struct ip_flow *f, uint16_t port);
/* IP_RECVERR is taken back. */
void dgram_errors_purge(struct sock *sk);
