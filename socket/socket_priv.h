/*
 * socket/socket_priv.h - this room: struct socket, wait queues, the descriptor table, blocking.
 *
 * A struct socket ties a descriptor to a protocol's sock.  It has no lock of its own: what changes is
 * atomic, guarded by the sock's lock or by the wait queue's.  References: the descriptor table one,
 * each call in progress and each poll one; the last one gives the sock back.  Its memory is
 * type-stable, so that a descriptor is looked up without a lock (fd_get()).
 */
#pragma once
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ip/inet_sock.h"
#include "lib/slot.h"
#include "socket/socket.h"

struct socket;
struct epoll;
struct callback;
struct callback_state;

/*
 * Who waits on a socket: a thread (its waiter is claimed) or anything else (fn is called).  Entries
 * live on their owner's frame or in their owner; they are on the queue from wait_add to wait_del.
 *
 * LOCKING
 *	q	the queue's lock	c	constant while on the queue
 */
struct wait_entry {
	struct wait_entry *next, **prev; /* q */
	uint32_t events; /* q: EPOLL bits that wake, by events_wake(); ERR and HUP always do */
	bool one;   /* c: of all that say so one is woken by an event, but all by ERR and HUP */
	bool woken; /* q: and this one was, it looks soon */
	struct waiter *waiter; /* c: NULL: fn */
	/* c: runs under the queue's lock; false: nobody sleeps there */
	bool (*fn)(struct wait_entry *w);
};

/*
 * LOCKING
 *	q	lock (a leaf)		a	atomic
 */
struct wait_queue {
	struct mutex lock;
	struct wait_entry *head;   /* q */
	_Atomic uint32_t sleepers; /* a: entries there are: none costs one load */
};

/* One program call in progress: its stack, and the batch on its frame. */
struct call {
	struct stack *stack;
	struct batch batch;
};

/* Whose name: getsockname()'s, getpeername()'s, accept()'s (a peer that has gone keeps its name). */
enum socket_end { SOCKET_OWN, SOCKET_PEER, SOCKET_ACCEPTED };

/*
 * A family's table.  Every function is called inside the call's batch with no lock held; those that may
 * sleep are given the call.
 */
struct socket_ops {
	int family;
	int (*create)(struct socket *s, struct stack *st); /* finds the protocol, makes the sock */
	int (*bind)(struct socket *s, const struct sockaddr *a, socklen_t n);
	int (*connect)(struct call *c, struct socket *s, const struct sockaddr *a, socklen_t n);
	int (*listen)(struct socket *s, int backlog);
	int (*accept)(struct call *c, struct socket *s, struct socket *child);
	ssize_t (*send)(struct call *c, struct socket *s, struct sock_msg *m);
	ssize_t (*recv)(struct call *c, struct socket *s, struct sock_msg *m);
	int (*shutdown)(struct socket *s, int how);
	void (*release)(struct call *c, struct socket *s); /* the descriptor is closed */
	int (*name)(struct socket *s, struct sockaddr *a, socklen_t *n, enum socket_end end);
	uint32_t (*poll)(struct socket *s);
};

/*
 * LOCKING
 *	c	constant once it is on its stack's list	a	atomic
 *	w	wait.lock				l	its stack's socket state lock
 *	s	the sock's lock				f	lock of the descriptor table
 *	r	lock of its stack's callbacks
 */
struct socket {
	_Atomic uint64_t refs;         /* a: references, and calls in progress in the upper half */
	_Atomic(struct stack *) stack; /* a: NULL: it has ended */
	const struct socket_ops *ops;  /* c */
	struct sock *sk;        /* c until the stack ends: a reference; NULL: an epoll instance */
	struct wait_queue wait; /* see there */
	_Atomic uint32_t flags; /* a: SOCKET_ flags below */
	_Atomic int fd;         /* a: -1: none yet */
	_Atomic uint64_t rcvtimeo, sndtimeo; /* a: ns, 0: none */
	int family, type, protocol;          /* c */
	struct epoll *epoll;                 /* c: of an epoll instance; NULL: a socket */
	int priority;                        /* s: SO_PRIORITY */
	uint32_t zerocopy_next;              /* s: number of the next send with MSG_ZEROCOPY */
	uint32_t zerocopy_told;              /* s: completions before this one were read */
	int eventfd;                         /* s: -1: none */
	bool eventfd_up;                     /* w: it is readable */
	struct wait_entry eventfd_entry;     /* w */
	struct callback *callback;           /* r: NULL: none */
	struct socket *next_stack;           /* l: the stack's sockets; f: unused ones */
	struct socket **prev_stack;          /* l: NULL: off the list */
};

#define SOCKET_REF 1ull
#define SOCKET_CALL                                                                                \
	(1ull << 32 | SOCKET_REF) /* a call's reference: the end of the stack waits for it */

#define SOCKET_NONBLOCK 1u
#define SOCKET_CLOSED 2u     /* close() was called: blocked calls end */
#define SOCKET_CONNECTING 4u /* a connect() has begun whose end no call has told yet */
#define SOCKET_UNWATCHED 16u /* no epoll instance may watch it any more */
#define SOCKET_CLOEXEC 8u    /* kept for F_GETFD only: an exec ends the stack */
#define SOCKET_ZEROCOPY 32u  /* SO_ZEROCOPY */
#define SOCKET_INQ 64u       /* TCP_INQ: recvmsg() tells how much is left */
#define SOCKET_V6ONLY 128u   /* IPV6_V6ONLY */

struct timer_thread;

/*
 * LOCKING
 *	s	lock		c	constant while threads run
 *	a	atomic		r	lock of the running stacks (socket/stack.c)
 */
struct socket_state {
	struct mutex lock;                          /* rank STACK */
	struct socket *sockets;                     /* s */
	struct timer_thread *timer[2];              /* c: net_timer, tcp_timer; NULL: none runs */
	_Atomic(struct callback_state *) callbacks; /* a: made once, under s; NULL: none yet */
	bool own_env;                               /* c: weft_stop() ends the env too */
	_Atomic unsigned calls;                     /* a: weft_socket() in progress */
	_Atomic unsigned socks;                     /* a: sockets that hold a sock of this stack */
	bool is_default;                            /* r: weft_start() made it */
	struct stack *next;                         /* r: the running stacks, oldest first */
};

/* socket/fd.c: the process-wide descriptor table, and the memory of sockets. */
int fd_reserve(void);                      /* a number that nobody else gets, -EMFILE, -ENOMEM */
void fd_install(int fd, struct socket *s); /* a reserved one; takes a reference over */
void fd_release(int fd);                   /* a reserved one, not used after all */
/* With a reference, SOCKET_REF or SOCKET_CALL; NULL: no such descriptor.  Takes no lock. */
struct socket *fd_get(int fd, uint64_t how);
/* Gives the table's reference, as a call's; NULL: no such descriptor. */
struct socket *fd_remove(int fd);
/* The same of s, held with SOCKET_CALL, if fd is its descriptor still; else that is put. */
bool fd_remove_socket(int fd, struct socket *s);
struct socket *fd_socket_alloc(void); /* its lock is ready, all else as it was; NULL: no memory */
void fd_socket_free(struct socket *s);

/* socket/sock.c: life, events, sleep. */
struct socket *socket_alloc(struct stack *st, int family, int type, int protocol);
void socket_attach(struct socket *s, struct sock *sk);
/* Onto the list of its stack, and off it; the second call does nothing. */
void socket_link(struct stack *st, struct socket *s);
void socket_unlink(struct stack *st, struct socket *s);
void socket_put(struct socket *s, uint64_t how);
/* Gives the sock back: at the last reference, or when the stack ends. */
void socket_detach(struct socket *s);
static inline bool socket_is_v6only(struct socket *s)
{
	return atomic_load(&s->flags) & SOCKET_V6ONLY;
}
static inline struct socket *socket_hold(struct socket *s)
{
	atomic_fetch_add_explicit(&s->refs, SOCKET_REF, memory_order_relaxed);
	return s;
}
extern const struct sock_events socket_events;
/* A protocol tells the plain bits; the others of poll(2) go with them, each so far above its own. */
#define EPOLL_PLAIN (EPOLLIN | EPOLLPRI | EPOLLOUT)
_Static_assert(EPOLL_PLAIN << 6 == (EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM), "events_all()");
_Static_assert(EPOLLOUT << 7 == EPOLLWRBAND, "events_all()");
static inline uint32_t events_all(uint32_t events)
{
	return events | (events & EPOLL_PLAIN) << 6 | (events & EPOLLOUT) << 7;
}
/* ... so who asks for one of those is woken by the plain bit. */
static inline uint32_t events_wake(uint32_t asked)
{
	return asked | (asked >> 6 & EPOLL_PLAIN) | (asked >> 7 & EPOLLOUT);
}
void wait_add(struct socket *s, struct wait_entry *w);
void wait_del(struct socket *s, struct wait_entry *w);
/* True: somebody waited for one of them. */
bool socket_wake(struct stack *st, struct socket *s, uint32_t events);
/* When a call that begins now and may sleep must end: SO_SNDTIMEO or SO_RCVTIMEO. */
uint64_t socket_deadline(struct socket *s, struct stack *st, bool send);
/*
 * One round of a blocking call, entered and left with the sock's lock held: lets it go, ends the batch,
 * sleeps until one of `events`, the deadline or a cancel, begins the batch and locks again.  0: look
 * again; -EBADF (closed by another thread), -ENETDOWN.  After the deadline, a signal or a cancel it
 * answers 0 once more, so that what came at the same moment is not lost, and only then -EAGAIN or
 * -EINTR.
 */
struct sock_wait {
	struct socket *s;
	struct batch *batch;
	uint32_t events;
	bool one;          /* of several that wait one is enough: accept() */
	bool closing;      /* it is close() itself that waits */
	int over;          /* 0, or what the next round answers */
	uint64_t deadline; /* ns; ENV_NEVER */
};
int sock_wait(struct sock_wait *w);

/* socket/socket.c: a descriptor becomes a socket, an answer errno. */
/* The socket with a call begun on it, for socket_leave(); NULL with *err. */
struct socket *socket_enter(int fd, struct call *c, int *err);
/* The same for an epoll instance too, which has no sock. */
struct socket *descriptor_enter(int fd, struct call *c, int *err);
/* Ends the call; the answer as socket_answer() gives it. */
ssize_t socket_leave(struct call *c, struct socket *s, ssize_t r);
ssize_t socket_answer(ssize_t r); /* -errno becomes -1 and errno */

/* A child's descriptor, or -errno. */
int socket_accept(struct call *c, struct socket *s, struct sockaddr *addr, socklen_t *len,
		  int flags);
/* What close() does once s, with a call's reference, has left the descriptor table. */
void socket_close(struct socket *s);

/* socket/call.c: into the stack and out again. */
/* s was got with SOCKET_CALL.  -ENETDOWN: its stack ends or has ended; the reference is the caller's still. */
int call_begin(struct call *c, struct socket *s);
/* The same while the stack is ending: for close(), which leaves its list by itself. */
int call_enter(struct call *c, struct socket *s);
void call_end(struct call *c);

/* socket/inet.c, inet_message.c and addr.c */
extern const struct socket_ops inet_socket_ops;
/* -EBADF, not locked: another thread has closed it since its descriptor was looked up. */
int inet_lock(struct socket *s);
/* What the call may have changed of the readiness is told first. */
void inet_unlock(struct socket *s);
/* The sock's lock is held, but for the sleep. */
int inet_connect_wait(struct call *c, struct socket *s);
ssize_t inet_send(struct call *c, struct socket *s, struct sock_msg *m);
ssize_t inet_recv(struct call *c, struct socket *s, struct sock_msg *m);
int sockaddr_get(const struct sockaddr *a, socklen_t n, int family, struct ip_addr *addr,
		 uint16_t *port);
void sockaddr_put(const struct ip_addr *addr, uint16_t port, int family, struct sockaddr *a,
		  socklen_t *n);

/* socket/option.c */
int socket_setopt(struct socket *s, int level, int name, const void *v, socklen_t n);
int socket_getopt(struct socket *s, int level, int name, void *v, socklen_t *n);

/* socket/eventfd.c: takes readiness back from the eventfd when it is over.  The sock's lock is held. */
void eventfd_settle(struct socket *s);
static inline void socket_eventfd_settle(struct socket *s)
{
	if (s->eventfd >= 0)
		eventfd_settle(s);
}
int socket_eventfd(struct socket *s, uint32_t events);

/* socket/epoll.c, epoll_item.c */
int socket_epoll_create(struct call *c, struct socket **out);
void socket_epoll_free(struct socket *s);
/* s is closed: no instance watches it any more. */
void socket_epoll_forget(struct socket *s);

/* socket/stream.c; the sock's lock is held. */
int stream_setopt(struct socket *s, int level, int name, const void *v, socklen_t n);
int stream_getopt(struct socket *s, int level, int name, int *x);
/* The control messages of a recvmsg() that has done. */
void stream_control(struct socket *s, struct sock_msg *m);
/* A send has taken bytes: its completion is there if m asked for one. */
void zerocopy_sent(struct stack *st, struct socket *s, const struct sock_msg *m);
/* What recvmsg(MSG_ERRQUEUE) reads; -EAGAIN: nothing. */
ssize_t stream_recv_error(struct socket *s, struct sock_msg *m);
bool stream_has_errors(struct socket *s);

/* socket/poll.c: weft_poll().  How many are ready, or -errno. */
int socket_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

/* socket/thread.c: the timer threads, and callback. */
int timer_thread_start(struct stack *st, struct alarm *const alarm[2], const char *name,
		       struct timer_thread **out);
void timer_thread_stop(struct timer_thread *t);
bool timer_thread_is_self(const struct timer_thread *t);

/* socket/callback.c: weft_cb_*. */
/* s is closed: nothing more is told of it.  Inside a call. */
void socket_callback_forget(struct socket *s);
/* When no thread but the caller is in the stack: whoever has callbacks left is told ENETDOWN. */
void callbacks_end(struct stack *st);
bool callbacks_are_here(struct stack *st); /* the calling thread runs them */

/* socket/stack.c: weft_socket() on the thread's stack, else on the default.  -ENETDOWN: none. */
int stack_call_begin(struct call *c);
void stack_call_end(struct call *c);
