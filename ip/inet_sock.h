/*
 * ip/inet_sock.h - struct sock: what every endpoint has, below tcp, udp, raw and socket.
 *
 * One lock an endpoint (lib/lock.h).  A program call takes it and may sleep for it; device, timer
 * and ICMP never do: who finds it owned leaves its work (a packet on the backlog, a bit) and goes,
 * and the owner does it in sock_unlock().  What a program may have to wait for answers -EAGAIN
 * here: only the socket room sleeps.
 *
 * Life: sock_alloc() gives one reference.  A table, an armed timer, a batch mark, an accept queue
 * and a struct socket hold one each.  Death has two steps: the protocol leaves tables, ports,
 * queues and wheel under the sock lock; the last sock_put() only returns memory and takes leaf
 * locks only, so it may come anywhere.
 */
#pragma once
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ip/ip.h"
#include "lib/batch.h"
#include "lib/lock.h"

/* What a table may hold. */
enum sock_kind {
	SOCK_KIND_FULL,
	SOCK_KIND_REQUEST,  /* TCP in SYN-RECEIVED, of a listener */
	SOCK_KIND_TIMEWAIT, /* TCP in TIME-WAIT */
};

#define SOCK_FAMILY_4 1u
#define SOCK_FAMILY_6 2u

/*
 * The first cache line: what a look-up touches.  Also all that request and TIME-WAIT socks share.
 *
 * LOCKING
 *	b	bucket lock of its table	h	constant while in a table (bound: written under b)
 *	c	constant after creation		a	atomic
 *	l	own lock (a request sock: its listener's)
 */
struct sock_common {
	struct sock_common *hash_next; /* b */
	struct ip_addr laddr, raddr;   /* h */
	uint16_t lport, rport;         /* h: host order */
	_Atomic uint32_t ref;          /* a */
	uint8_t kind;                  /* c: enum sock_kind */
	uint8_t proto;                 /* c */
	_Atomic uint8_t state;         /* a: written under l; enum tcp_state, or a protocol's own */
	uint8_t families;              /* h: SOCK_FAMILY_ bits it takes packets of */
	struct lock lock;              /* see lib/lock.h */
	/* a: SO_BINDTODEVICE or the scope of a link-local address; 0: any; constant with a port */
	_Atomic uint32_t ifindex;
	_Atomic uint8_t hashed; /* a: written under b; which table it is in, ip/inet_hash.c */
	bool reuseport;         /* h: SO_REUSEPORT as it stood at bind() */
	uint8_t minttl;         /* l: IP_MINTTL */
	bool on_batch;          /* l: its work for the batch's end is on a batch */
};
_Static_assert(sizeof(struct sock_common) == 64, "one cache line");

struct sock;
struct socket;
struct sock_stamps;
struct landing;
struct port_share;
struct mcast_member;

/* One message of send or recv.  Addresses are neutral; the socket room makes them of sockaddrs. */
struct sock_msg {
	const struct iovec *iov;
	int niov;
	int flags;     /* MSG_ */
	size_t len;    /* sum of iov */
	size_t skip;   /* bytes of iov already done in earlier rounds of a blocking call */
	bool has_addr; /* send: to addr:port; recv: filled in */
	struct ip_addr addr;
	uint16_t port;
	uint32_t ifindex;
	int out_flags;   /* recv: MSG_TRUNC, MSG_OOB, ... */
	uint32_t stamps; /* send: SOCK_MSG_STAMPS | SOF_TIMESTAMPING_TX_; 0: as the sock's */
	bool stamped;    /* recv, a stream: when the last of the bytes came ... */
	uint64_t stamp;  /* ... ns; 0: not known */
	/* Control messages, as sendmsg(2) and recvmsg(2) have them: the program's memory. */
	void *control;
	size_t controllen;   /* send: bytes of it; recv: room */
	size_t control_done; /* recv: bytes filled in */
	struct landing *
	    landing; /* recv, a stream that waits: what of iov is lent (net/landing.h); NULL: none may be */
	struct sock_sink
	    *sink; /* recv, a stream: it takes the bytes, up to len, and iov is not looked at */
};

/*
 * Who takes a stream's bytes where they lie, in the receive queue: under the sock's lock, without waiting.  How many
 * it took, in order.  `urgent`: the first of them is the urgent byte.
 */
struct sock_sink {
	uint32_t (*take)(struct sock_sink *k, const struct iovec *iov, int n, bool urgent);
	bool more; /* after recv: something lies behind them; if not, an event tells of the next */
};

#define SOCK_MSG_STAMPS (1u << 31) /* the message says itself which it asks for */

/*
 * An ICMP error for a sock; on the backlog it travels in a pkbuf's cb (PKBUF_ERROR).  Of a stamp, PKBUF_STAMP, mtu
 * is SCM_TSTAMP_, seq its key, len that of its numbers (SOF_TIMESTAMPING_OPT_STATS).
 */
struct sock_err {
	int err; /* positive errno */
	uint8_t type, code;
	bool fatal;
	bool local;         /* no ICMP: found here, before it was sent */
	uint32_t mtu;       /* of the path, EMSGSIZE */
	uint32_t seq, len;  /* TCP: of the quoted segment; of its datagram */
	struct ip_addr dst; /* datagrams: where the quoted one went */
	uint16_t port;
};

_Static_assert(sizeof(struct sock_err) <= sizeof(((struct pkbuf *)0)->cb), "cb");

/* Upward: what the socket room registers on its stack (lib/stack.h).  Takes leaf locks only. */
struct sock_events {
	void (*ready)(
	    struct sock *sk,
	    uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR, EPOLLRDHUP, EPOLLPRI */
};

/*
 * Downward: a protocol's table.  Every function is called with the sock's lock held, inside a
 * batch, and never sleeps; -EAGAIN says that the caller may wait for an event and ask again.
 */
struct sock_ops {
	uint8_t proto;
	uint8_t type;                 /* SOCK_STREAM, ... */
	uint16_t size;                /* of the protocol's sock */
	const char *name;             /* "tcp" */
	int (*init)(struct sock *sk); /* required */
	int (*bind)(struct sock *sk, const struct ip_addr *a, uint16_t port); /* required */
	int (*connect)(struct sock *sk, const struct ip_addr *a,
		       uint16_t port);                        /* required; -EINPROGRESS */
	int (*disconnect)(struct sock *sk);                   /* optional: connect(AF_UNSPEC) */
	int (*listen)(struct sock *sk, int backlog);          /* optional: -EOPNOTSUPP */
	struct sock *(*accept)(struct sock *sk, int *err);    /* optional; gives a reference */
	ssize_t (*send)(struct sock *sk, struct sock_msg *m); /* required */
	ssize_t (*recv)(struct sock *sk, struct sock_msg *m); /* required */
	/* With m->landing required: the call is over, nothing refers to its buffer any more. */
	void (*recv_end)(struct sock *sk, struct sock_msg *m);
	int (*shutdown)(struct sock *sk, int how); /* required */
	void (*close)(struct sock *sk);            /* required: no program holds it any more */
	uint32_t (*poll)(struct sock *sk);         /* required: EPOLL bits that hold now */
	void (*await)(struct sock *sk);            /* optional: a poll has found nothing to read */
	int (*setopt)(struct sock *sk, int level, int name, const void *v,
		      socklen_t n);                                                 /* optional */
	int (*getopt)(struct sock *sk, int level, int name, void *v, socklen_t *n); /* optional */
	int (*ioctl)(struct sock *sk, unsigned long req,
		     int *value); /* optional: SIOCINQ, SIOCOUTQ, SIOCATMARK */
	/* For sock_unlock(): what was left while the lock was held. */
	void (*backlog_in)(struct sock *sk,
			   struct pkbuf *b); /* required: consumes b, PACKET or ERROR */
	void (*timer)(struct sock *sk);      /* optional: LOCK_TIMER */
	void (*push)(struct sock *sk);       /* optional: the batch's end */
	void (*reclaim)(struct sock *sk);    /* optional: memory is short, give some back */
	void (*destroy)(struct sock *sk);    /* optional: memory of its own, at the last put */
};

/* Work bits left in a sock's lock. */
#define SOCK_WORK_BACKLOG LOCK_WORK(0)
#define SOCK_WORK_TIMER LOCK_WORK(1)
#define SOCK_WORK_PUSH LOCK_WORK(2)
#define SOCK_WORK_RECLAIM LOCK_WORK(3)

/* Flags set by options. */
#define SOCK_REUSEADDR (1u << 0)
#define SOCK_KEEPALIVE (1u << 1)
#define SOCK_BROADCAST (1u << 2)
#define SOCK_OOBINLINE (1u << 3)
#define SOCK_LINGER (1u << 4)
#define SOCK_RCVBUF_LOCKED (1u << 5)
#define SOCK_SNDBUF_LOCKED (1u << 6)
#define SOCK_DONTROUTE (1u << 7)
#define SOCK_HDRINCL (1u << 8)
#define SOCK_RECVERR (1u << 9)
#define SOCK_BOUND_ADDR (1u << 10) /* bind() named an address */
#define SOCK_BOUND_WIDE (1u << 26) /* ... of a group, or a broadcast as it was then: no source */
#define SOCK_BOUND_PORT (1u << 11) /* bind() named a port */
#define SOCK_DEAD (1u << 12)       /* no program holds it */
/* What recvmsg() tells of a datagram beside its bytes. */
#define SOCK_PKTINFO (1u << 13)
#define SOCK_RECVTTL (1u << 14)
#define SOCK_RECVTOS (1u << 15)
#define SOCK_TIMESTAMP (1u << 19)   /* when it came, in us ... */
#define SOCK_TIMESTAMPNS (1u << 20) /* ... or in ns; never both */
#define SOCK_TIMESTAMPS (SOCK_TIMESTAMP | SOCK_TIMESTAMPNS)
#define SOCK_STAMPING_IN (1u << 24)  /* SO_TIMESTAMPING: when something came */
#define SOCK_STAMPING_OUT (1u << 25) /* ... and when what is sent went */
#define SOCK_STAMPS_IN (SOCK_TIMESTAMPS | SOCK_STAMPING_IN)
#define SOCK_FREEBIND (1u << 16) /* bind() to an address that is not, or not yet, our own */
#define SOCK_REUSEPORT (1u << 17)
#define SOCK_BIND_NO_PORT (1u << 18) /* bind() of an address leaves the port to connect() */
#define SOCK_ACK_EVENTS (1u << 23)   /* of a stream: each acknowledgement is an EPOLLOUT */
#define SOCK_MCAST_LOOP (1u << 21)   /* hears what it sends to a group, as others of this host */
#define SOCK_MCAST_ALL (1u << 22)    /* takes what comes to any group the host is in */

/*
 * What few socks need, options for the most part.  Reading needs no block: until something is set
 * sk->rare is sock_rare_none.
 *
 * LOCKING
 *	l	lock of its sock
 */
struct sock_rare {
	uint8_t *opt;                /* l: IP_OPTIONS, or NULL */
	struct sock_stamps *stamps;  /* l: SO_TIMESTAMPING; NULL: never asked for */
	struct mcast_member *groups; /* l: mcast_sock.c: those it is in */
	struct ip_addr mcast_addr;   /* l: IP_MULTICAST_IF: the source; any: by device */
	uint32_t mcast_ifindex;      /* l: the device; 0: by route */
	uint32_t mark;               /* l */
	uint32_t rcvlowat;           /* l */
	uint32_t port_range;         /* l: IP_LOCAL_PORT_RANGE */
	uint16_t linger_s;           /* l */
	uint8_t mcast_ttl;           /* l */
	uint8_t optlen;              /* l */
};
extern const struct sock_rare sock_rare_none;

/*
 * LOCKING
 *	c	constant after creation		l	own lock	a	atomic
 *	t	whoever's batch it is on; flag c.on_batch under l
 */
struct sock {
	struct sock_common c;
	_Atomic(struct pkbuf *) backlog;       /* a: lock-free list, newest first */
	_Atomic uint32_t backlog_bytes;        /* a */
	uint32_t flags;                        /* l: SOCK_ flags above */
	struct stack *stack;                   /* c */
	const struct sock_ops *ops;            /* c */
	_Atomic(struct socket *) socket;       /* a: for the events; NULL: orphan */
	struct later later;                    /* t */
	struct port_share *port;               /* l: its share of a port; NULL: none */
	struct path *path;                     /* l: reference, or NULL */
	union {                                /* l: what few need */
		const struct sock_rare *rare;  /* l: never NULL */
		struct sock_rare *rare_own;    /* l: the same, where it is not sock_rare_none */
	};                                     /* l */
	_Atomic uint32_t rcvbuf, sndbuf;       /* a: bytes; written under l */
	_Atomic uint32_t rcv_bytes, snd_bytes; /* a: charged now; written under l */
	int16_t err;                           /* l: positive errno for SO_ERROR */
	int16_t soft_err;           /* l: why nobody answers: SO_ERROR, or at the time-out */
	uint8_t tos, ttl, pmtudisc; /* l: IP options; ttl 0: default */
	uint8_t shutdown;           /* l: bit 0 receive, bit 1 send */
};
_Static_assert(sizeof(struct sock) == 168, "what docs/performance.md says of it");

#define SOCK_SHUT_RD 1u
#define SOCK_SHUT_WR 2u

struct sock *sock_alloc(struct stack *st,
			const struct sock_ops *ops); /* ops->init done; NULL: no memory */
static inline struct sock *sock_hold(struct sock *sk)
{
	atomic_fetch_add_explicit(&sk->c.ref, 1, memory_order_relaxed);
	return sk;
}
void sock_put(struct sock *sk);
/* Its own, to be written; NULL: no memory. */
struct sock_rare *sock_rare_get(struct sock *sk);

/* Program calls; sleeps.  The child of a locked listener: sock_lock_child(). */
void sock_lock(struct sock *sk) ACQUIRE(sk->c.lock);
void sock_lock_child(struct sock *sk) ACQUIRE(sk->c.lock);
/* Does what was left (backlog, timer, push), then lets go.  The caller holds a reference. */
void sock_unlock(struct sock *sk) RELEASE(sk->c.lock);
/* Device, timer, ICMP.  True: locked, the caller goes on and unlocks.  False: the bit is left. */
bool sock_lock_or_leave(struct sock *sk, uint32_t work) TRY_ACQUIRE(true, sk->c.lock);
/*
 * Puts b on the backlog and does the work if nobody else will.  Consumes b; over the bound (rcvbuf
 * + sndbuf + 64 KB) it is dropped and false returned, errors excepted while few.
 */
bool sock_deliver(struct sock *sk, struct pkbuf *b);
/*
 * The same with an ICMP error, in a packet of its own that takes over the message's notes and all it
 * quotes from `off` on (msg NULL: nothing); without memory for that it is lost.
 */
void sock_deliver_error(struct sock *sk, const struct sock_err *e, const struct pkbuf *msg,
			uint32_t off);
/* The oldest message of the error queue: bytes of what it shows, or -EAGAIN (ip/inet_errq.c). */
ssize_t sock_recv_error(struct sock *sk, struct sock_msg *m);
bool sock_has_errors(struct sock *sk); /* it is not empty */
/* Marks sk so that ops->push runs once when the batch ends.  Lock held. */
void sock_push_later(struct sock *sk) REQUIRES(sk->c.lock);
/* Tells the socket room; leaf locks only. */
void sock_ready(struct sock *sk, uint32_t events);
/* Sets err (a positive errno) and tells EPOLLERR. */
void sock_set_error(struct sock *sk, int err);
/* Takes the pending error: 0 or -errno. */
int sock_take_error(struct sock *sk);
/* Likewise the soft one, which has ended nothing (RFC 9293, 3.9.1.8). */
int sock_take_soft_error(struct sock *sk);
/* Receive charges: by what is pinned.  False: over rcvbuf (the caller drops); an empty queue takes
 * one packet of any size. */
bool sock_rcv_charge(struct sock *sk, uint32_t bytes);
void sock_rcv_uncharge(struct sock *sk, uint32_t bytes);
void sock_snd_charge(struct sock *sk, uint32_t bytes);
void sock_snd_uncharge(struct sock *sk, uint32_t bytes);
/* The current path to c.raddr, looked up anew when routes moved: the sock's own reference, good
 * while it is locked.  NULL with *err. */
struct path *sock_path(struct sock *sk, int *err);
/* False: what ICMP says of a path's MTU is not for it (IP_PMTUDISC_INTERFACE, IP_PMTUDISC_OMIT). */
bool sock_believes_mtu(const struct sock *sk);
/* What ip_out() needs of this sock towards dst. */
void sock_flow(const struct sock *sk, const struct ip_addr *dst, struct ip_flow *f);
/* Into b's notes what the header of a stream's segment to its peer says; of b->tos the ECN field is there. */
void sock_note(const struct sock *sk, struct pkbuf *b);
/* ip_out() of what sock_note() has seen, stamped, by the path to the peer. */
int sock_out(const struct sock *sk, struct pkbuf *b, struct path *path);
static inline uint8_t sock_ttl(const struct sock *sk)
{
	return sk->ttl ? sk->ttl : (uint8_t)sysctl_get(sk->stack, ip_default_ttl);
}
/* The source towards dst of a sock that bind() named none for; any: by route. */
struct ip_addr sock_source_unbound(const struct sock *sk, const struct ip_addr *dst);
/* Options every protocol shares: IP_TOS, IP_TTL, those of groups, IP_MINTTL, IP_MTU_DISCOVER, IP_MTU,
 * IP_OPTIONS, IP_RECVERR. -ENOPROTOOPT: not one of them. */
int inet_sock_setopt(struct sock *sk, int name, const void *v, socklen_t n);
int inet_sock_getopt(struct sock *sk, int name, void *v, socklen_t *n);
