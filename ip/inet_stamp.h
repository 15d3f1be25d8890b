/*
 * ip/inet_stamp.h - SO_TIMESTAMPING: when what a sock sends goes, and when it is acknowledged, told by
 * messages in its error queue; and when what it receives came.
 *
 * All of it is called with the sock's lock held.
 */
#pragma once
/* before <linux/errqueue.h>, which wants struct timespec */
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "ip/inet_sock.h"

#define STAMPING_OPT_ID_TCP (1u << 16)    /* Linux 6.2: SOF_TIMESTAMPING_OPT_ID_TCP */
#define STAMPING_OPT_RX_FILTER (1u << 17) /* Linux 6.12 */
#define STAMPING_MASK ((1u << 18) - 1)
#define STAMP_STATS_MAX 512 /* bytes of SCM_TIMESTAMPING_OPT_STATS */

struct sock_link;

/*
 * Of a sock that has asked, at sk->rare->stamps.
 *
 * LOCKING
 *	l	lock of its sock	c	constant after creation
 */
struct sock_stamps {
	uint32_t flags; /* l: SOF_TIMESTAMPING_ */
	uint32_t key;   /* l: of the next datagram; of a stream: the byte that counts as 0 */
	struct sock_link *link; /* c: from packets that are out */
	struct pkq errq;        /* l: of a stream: PKBUF_STAMP */
	uint32_t errq_pinned;   /* l: bytes it keeps */
};

/* NULL: no memory. */
struct sock_stamps *sock_stamps_get(struct sock *sk);
bool sock_stamps_inherit(struct sock *child, const struct sock *listener);
void sock_stamps_free(struct sock *sk); /* at the last put */
/* The option; a protocol with numbers of its own is asked for the one that counts as 0. */
int sock_stamping_set(struct sock *sk, const void *v, socklen_t n);
int sock_stamping_get(const struct sock *sk, void *v, socklen_t *n);

/* SOF_TIMESTAMPING_TX_ for a message with these wishes of its own (sock_msg.stamps). */
uint32_t sock_stamps_asked(const struct sock *sk, uint32_t own);
/* b is going to be sent: `asks` of it, by this key.  Without memory nobody is told. */
void sock_stamp_packet(struct sock *sk, struct pkbuf *b, uint32_t asks, uint32_t key);
/* The same of a datagram, by the sock's counter. */
void sock_stamp_datagram(struct sock *sk, struct pkbuf *b, uint32_t own);
/* b is a message, of what was asked for under this key and has happened just now. */
void sock_stamp_mark(struct sock *sk, struct pkbuf *b, uint32_t what, uint32_t key);
/* What b shows are numbers for SOF_TIMESTAMPING_OPT_STATS. */
void sock_stamp_stats(struct pkbuf *b);
/* A message from the backlog, into the error queue; consumes b. */
void sock_stamp_in(struct sock *sk, struct pkbuf *b);
/* Without a note of the time: now. */
void sock_stamp_out(const struct sock *sk, uint64_t stamp, bool sent, struct sock_msg *m);
