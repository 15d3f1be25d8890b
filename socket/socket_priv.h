/*
 * socket/socket_priv.h - this room: struct socket, wait queues, the descriptor table, blocking.
 *
 * A struct socket ties a descriptor to a protocol's sock.  It has no lock of its own: what changes is
 * atomic, guarded by the sock's lock or by the wait queue's.  References: the descriptor table one, each
 * call in progress one; the last one returns the memory.
 */
#pragma once
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ip/inet_sock.h"
#include "lib/slot.h"
#include "socket/socket.h"

struct socket;

/*
 * Who waits on a socket: a thread (its waiter is claimed) or anything else (fn is called).  Entries
 * live on their owner's frame or in their owner; they are on the queue from wait_add to wait_del.
 *
 * LOCKING
 *	q	the queue's lock	c	constant while on the queue
 */
struct wait_entry {
	struct wait_entry *next, **prev; /* q */
	uint32_t events;		 /* c: EPOLL bits that wake; ERR and HUP always do */
	struct waiter *waiter;		 /* c: NULL: fn */
	void (*fn)(struct wait_entry *w, uint32_t events); /* c: runs under the queue's lock; leaf locks no */
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

/* A family's and type's table: the upper of the two (STREAM and DGRAM share inet's). */
struct socket_ops {
	int family;
	int (*create)(struct socket *s, int protocol); /* finds the protocol's sock_ops */
	int (*bind)(struct socket *s, const struct sockaddr *a, socklen_t n);
	int (*connect)(struct socket *s, const struct sockaddr *a, socklen_t n);
	int (*listen)(struct socket *s, int backlog);
	int (*accept)(struct socket *s, struct socket *child);
	ssize_t (*send)(struct socket *s, struct sock_msg *m);
	ssize_t (*recv)(struct socket *s, struct sock_msg *m);
	int (*shutdown)(struct socket *s, int how);
	void (*release)(struct socket *s); /* the descriptor is closed */
	int (*name)(struct socket *s, struct sockaddr *a, socklen_t *n, bool peer);
	uint32_t (*poll)(struct socket *s);
};

/*
 * LOCKING
 *	c	constant after creation		a	atomic
 *	l	the sock's lock			w	wait.lock
 */
struct socket {
	const struct socket_ops *ops; /* c */
	struct stack *stack;	      /* c */
	struct sock *sk;	      /* c once in the descriptor table: a reference */
	struct wait_queue wait;
	_Atomic uint32_t ref;		   /* a */
	_Atomic uint32_t flags;		   /* a: SOCKET_NONBLOCK, SOCKET_CLOSED */
	_Atomic uint64_t rcvtimeo, sndtimeo; /* a: ns, 0: none */
	int family, type, protocol;	   /* c */
	int fd;				   /* c */
	int eventfd;			   /* w: -1: none */
	bool eventfd_up;		   /* w: it is readable */
	struct wait_entry eventfd_entry;   /* w */
	struct socket *next_stack;	   /* the stack's list, its socket state's lock */
	struct socket **prev_stack;
};

#define SOCKET_NONBLOCK 1u
#define SOCKET_CLOSED 2u	 /* close() was called: blocked calls end */
#define SOCKET_CONNECTING 4u	 /* connect() returned or may return EINPROGRESS */

/*
 * LOCKING
 *	s	lock		c	constant after creation
 */
struct socket_state {
	struct mutex lock;	 /* rank STACK */
	struct socket *sockets;	 /* s */
	struct env *own_env;	 /* c: ended with the stack; NULL: the caller's */
	struct timer_thread *timers[2]; /* c */
	bool threads;		 /* c */
};

/* socket/fd.c: the process-wide descriptor table. */
int fd_install(struct socket *s);	   /* the descriptor or -EMFILE; takes over a reference */
struct socket *fd_get(int fd);		   /* with a reference; NULL: -EBADF */
struct socket *fd_remove(int fd);	   /* takes the table's reference over */

/* socket/sock.c: life, events, sleep. */
struct socket *socket_alloc(struct stack *st, int family, int type, int protocol);
void socket_put(struct socket *s);
static inline struct socket *socket_hold(struct socket *s)
{
	atomic_fetch_add_explicit(&s->ref, 1, memory_order_relaxed);
	return s;
}
extern const struct sock_events socket_events;
void wait_add(struct socket *s, struct wait_entry *w);
void wait_del(struct socket *s, struct wait_entry *w);
/*
 * One round of a blocking call: lets the sock's lock go, ends the batch, sleeps until one of `events`,
 * the deadline or a cancel, begins the batch and locks again.  0: look again; -EINTR, -EAGAIN (timed
 * out), -EBADF (closed by another thread), -ENETDOWN.
 */
struct sock_wait {
	struct socket *s;
	struct batch *batch;
	uint32_t events;
	uint64_t deadline; /* ns; ENV_NEVER */
};
int sock_wait(struct sock_wait *w);
uint64_t socket_deadline(struct socket *s, _Atomic uint64_t *timeo);

/* socket/inet.c and addr.c */
extern const struct socket_ops inet_socket_ops;
const struct sock_ops *inet_protocol(struct stack *st, int type, int *protocol, int *err);
int sockaddr_get(const struct sockaddr *a, socklen_t n, int family, struct ip_addr *addr, uint16_t *port);
void sockaddr_put(int family, const struct ip_addr *addr, uint16_t port, struct sockaddr *a, socklen_t *n);

/* socket/option.c */
int socket_setopt(struct socket *s, int level, int name, const void *v, socklen_t n);
int socket_getopt(struct socket *s, int level, int name, void *v, socklen_t *n);

/* socket/thread.c: the two timer threads. */
struct timer_thread;
int timer_thread_start(struct stack *st, struct wheel *w, const char *name, struct timer_thread **out);
void timer_thread_stop(struct timer_thread *t);

/* socket/stack.c */
struct stack *stack_current(void); /* weft_use()'s, else the default; NULL: none */
