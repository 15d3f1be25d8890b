/*
 * tcp/tcp_fastopen.h - TCP Fast Open (RFC 7413): what a sock that uses it has, the server's queue,
 * the client's cache.  Private to this room.
 *
 *	tcp_fastopen.c		server: cookies, the child that a SYN makes
 *	tcp_fastopen_syn.c	client: the SYN with data, and its SYN-ACK
 *	tcp_fastopen_cache.c	client: cookies by destination, and whether the way swallows them
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/ipaddr.h"

struct pkbuf;
struct sock_msg;
struct stack;
struct tcp_fo_cache;
struct tcp_seg;
struct tcp_sock;

/* net.ipv4.tcp_fastopen (Linux) */
#define TCP_FO_CLIENT 0x1
#define TCP_FO_SERVER 0x2
#define TCP_FO_CLIENT_NO_COOKIE 0x4
#define TCP_FO_SERVER_NO_COOKIE 0x200
#define TCP_FO_SERVER_ALL 0x400 /* listeners that never asked for it too */

#define TCP_FO_COOKIE_MIN 4u /* RFC 7413, 4.1.1: and of even length */
#define TCP_FO_COOKIE_MAX 16u
#define TCP_FO_COOKIE_OWN 8u /* of those we make */
#define TCP_FO_KEY 16u       /* bytes */
#define TCP_FO_KEYS 2u       /* the second is taken, not given */
#define TCP_FO_NONE 255u     /* .len: no option at all; 0: a request */

struct tcp_fo_cookie {
	uint8_t val[TCP_FO_COOKIE_MAX];
	uint8_t len;
	bool exp; /* in the experimental option, kind 254 (RFC 7413, 4.1.1) */
};

/* Why the data of the SYN were no use, as tcpi_fastopen_client_fail. */
enum tcp_fo_fail {
	TCP_FO_OK,
	TCP_FO_NO_COOKIE,
	TCP_FO_DATA_NOT_ACKED,
	TCP_FO_SYN_RETRANSMITTED,
};

/*
 * Children of one listener that are open before their third ACK.  The listener has a reference, and
 * each of them until then.  A place whose child was reset stays taken for a while (RFC 7413, 5.1).
 *
 * LOCKING
 *	a	atomic		l	lock of the listener
 */
struct tcp_fo_queue {
	_Atomic uint32_t refs;     /* a */
	_Atomic uint32_t count;    /* a */
	_Atomic uint32_t resets;   /* a: of them those of children that were reset */
	_Atomic uint32_t reset_ms; /* a: when the last one was */
	uint32_t most;             /* l: TCP_FASTOPEN */
};

/*
 * Of a sock that uses Fast Open or may.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct tcp_fastopen {
	struct tcp_fo_queue *queue;           /* l: reference, or NULL */
	const struct sock_msg *msg;           /* l: while send() opens: its message */
	uint32_t taken;                       /* l: bytes of it on the send queue */
	struct tcp_fo_cookie cookie;          /* l: of the next SYN or SYN-ACK */
	uint8_t key[TCP_FO_KEYS][TCP_FO_KEY]; /* l: TCP_FASTOPEN_KEY of a listener */
	uint8_t nkeys;                        /* l: 0: the stack's */
	uint8_t fail;                         /* l: enum tcp_fo_fail */
	bool connect, no_cookie;              /* l: TCP_FASTOPEN_CONNECT, ..._NO_COOKIE */
	bool wanted;                          /* l: this connection tries it */
	bool deferred;                        /* l: connect() was called, the SYN waits for data */
	bool asked, asked_exp;                /* l: our SYN had the option; the experimental one */
	bool data;                            /* l: our SYN had data */
	bool more;                            /* l: a sleeping send() has more for the third ACK */
};

/* --- any end ------------------------------------------------------------------------------------
 */

struct tcp_fastopen *tcp_fastopen_get(struct tcp_sock *ts); /* makes it; NULL: no memory */
void tcp_fastopen_free(struct tcp_sock *ts);
int tcp_fastopen_setopt(struct tcp_sock *ts, int name, int v); /* -ENOPROTOOPT: not one of its */
int tcp_fastopen_getopt(const struct tcp_sock *ts, int name, int *v);
int tcp_fastopen_setkey(struct tcp_sock *ts, const void *key, unsigned n);
unsigned tcp_fastopen_getkey(const struct tcp_sock *ts, uint8_t *key); /* bytes */
/* The option of a segment; .len TCP_FO_NONE: none. */
void tcp_fastopen_option(const struct pkbuf *b, struct tcp_fo_cookie *c);

/* --- server -------------------------------------------------------------------------------------
 */

int tcp_fastopen_listen(struct tcp_sock *ls, uint32_t backlog);
/*
 * A SYN for a listener that has room for a request.  True: it made a child, b is consumed; else
 * *answer is what the SYN-ACK is to carry.
 */
bool tcp_fastopen_syn_in(struct tcp_sock *ls, struct pkbuf *b, struct tcp_fo_cookie *answer);
/* A child's SYN is acknowledged, or it has ended (reset: by the peer). */
void tcp_fastopen_leave(struct tcp_sock *child, bool reset);

/* --- client -------------------------------------------------------------------------------------
 */

/* connect() with TCP_FASTOPEN_CONNECT: true, the SYN waits for the first data. */
bool tcp_fastopen_defer(struct tcp_sock *ts);
bool tcp_fastopen_sends(const struct tcp_sock *ts, const struct sock_msg *m); /* send() opens */
ssize_t tcp_fastopen_send(struct tcp_sock *ts, struct sock_msg *m);
void tcp_fastopen_reset(struct tcp_sock *ts); /* before a new connection */
/* Chooses what the first SYN carries; true: data are queued for it. */
bool tcp_fastopen_syn(struct tcp_sock *ts);
/* The SYN-ACK is here and the connection open: what became of the data. */
void tcp_fastopen_synack(struct tcp_sock *ts, const struct pkbuf *b);
void tcp_fastopen_timeout(struct tcp_sock *ts, bool last); /* of a SYN; it goes without again */

/* What is known of a destination. */
struct tcp_fo_known {
	struct tcp_fo_cookie cookie; /* .len 0: none; .exp: ask by the experimental option */
	uint16_t mss;                /* of its SYN-ACK; 0: not known */
	bool lossy;                  /* SYNs with data were lost there again and again */
};
struct tcp_fo_cache *tcp_fo_cache_create(void);
void tcp_fo_cache_destroy(struct tcp_fo_cache *c);
void tcp_fo_cache_get(struct stack *st, const struct ip_addr *dst, struct tcp_fo_known *k);

/* What a SYN-ACK said. */
struct tcp_fo_news {
	const struct tcp_fo_cookie *cookie;
	uint16_t mss;
	bool lost;       /* our SYN with data, it seems */
	uint8_t refused; /* a request by the option of RFC 7413 (1), by the experimental one (2) */
};
void tcp_fo_cache_put(struct stack *st, const struct ip_addr *dst, const struct tcp_fo_news *n);
/* A way that swallows SYNs with data: for a while nobody uses it (Linux's blackhole guard). */
bool tcp_fo_blackholed(struct stack *st);
void tcp_fo_blackhole(struct stack *st);
void tcp_fo_works(struct stack *st);
