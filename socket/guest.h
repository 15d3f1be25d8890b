/*
 * socket/guest.h - what a program's calls on its sockets come to: the kernel's calls on the AF_UNIX descriptor,
 * stores in the table, requests to the gateway.
 *
 * The preload library runs it inside the program, `weft run` beside one that does not load the library
 * (docs/unmodified.md).  Answers are 0 or more, or -errno; no call waits for a peer unless the descriptor
 * does so natively.
 */
#pragma once
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "socket/program.h"

#define GUEST_WAYS 4096

/*
 * A datagram that the stack took: another like it will be, until something has changed.  Written by several, so each
 * word tells whether the other belongs to it.
 *
 * LOCKING
 *	a	atomic
 */
struct guest_way {
	_Atomic uint64_t key;  /* a: whose, where and how, ^ well */
	_Atomic uint64_t well; /* a: of what changes the state << 32 | bytes */
};

/*
 * Between a program and its weft.
 *
 * LOCKING
 *	c	constant		a	atomic
 */
struct guest {
	struct program_token token;            /* c */
	_Atomic(struct program_table *) table; /* a: fetched with the first call */
	int pid;                               /* c: the program's; 0: this process */
	_Atomic uint64_t seen; /* a: a process's number, its own << 32, and as weft sees it */
	_Atomic bool
	    lingers;        /* a: a socket of this process or its parent's has lingered, or will */
	_Atomic bool sizes; /* a: one wants to hear what is larger than its path takes */
	struct guest_way way[GUEST_WAYS]; /* see there */
};

/* A descriptor of the program's that is ours. */
struct guest_socket {
	struct guest *guest;
	uint32_t id;
	struct program_slot *slot; /* NULL: the gateway has closed it and forgotten */
	int fd, family, protocol;
	int type; /* SOCK_STREAM, or SOCK_DGRAM: raw ones are, too */
	bool accepted;
};

/* --- guest.c ---------------------------------------------------------------------------------------- */

/* NULL: no weft answers. */
struct program_table *guest_table(struct guest *g);
/* The program's number, as weft sees it. */
int guest_pid(struct guest *g);
/* Is weft at the other end?  Where no number of it is to be seen, for it is in another pid namespace: `unseen`. */
bool guest_is_weft(const struct guest *g, int fd, bool unseen);
/* False: fd is something else, or nothing. */
bool guest_find(struct guest *g, int fd, struct guest_socket *s);
/* Asks, and waits for the gateway's answer.  q->magic and secret are filled in. */
int guest_request(const struct guest *g, struct program_request *q, struct program_reply *r);
/* Weft was killed: what comes then is the empty message by which `weft run` tells. */
bool guest_is_lost(const struct guest *g);
/* On a connection that stays: its descriptor, or -errno.  What else is said there is filled in by the other. */
int guest_request_staying(const struct guest *g, struct program_request *q,
			  struct program_reply *r);
void guest_request_sign(const struct guest *g, struct program_request *q);
/* With the descriptor that came with the answer, or -1. */
int guest_request_passing(const struct guest *g, struct program_request *q, struct program_reply *r,
			  int *passed);
/* With what stands behind it, from parts[1] on; parts[0] is the request's. */
int guest_request_with(const struct guest *g, struct program_request *q, struct iovec *parts,
		       size_t n, struct program_reply *r);
/* One of a socket without more in it or in the answer. */
int guest_ask(const struct guest_socket *s, enum program_request_kind kind);
/* An address as a request carries it. */
int guest_ask_address(const struct guest_socket *s, enum program_request_kind kind,
		      const struct sockaddr *a, socklen_t n);
/* What SO_ERROR tells, a positive errno: the slot's, else the kernel's; both are taken. */
int guest_error(const struct guest_socket *s);

/* An answer of `call`: one that says "not served" is counted.  r itself. */
long guest_answer(struct guest *g, enum program_call call, int first, int second, long r);

/* --- guest_socket.c ----------------------------------------------------------------------------------- */

/* A socket of ours in the place of one of AF_INET or AF_INET6. */
int guest_open(struct guest *g, int family, int type, int protocol);
int guest_bind(const struct guest_socket *s, const struct sockaddr *a, socklen_t n);
int guest_shutdown(const struct guest_socket *s, int how);
/* -ERESTART: as guest_connect(), after a connect() that failed. */
int guest_listen(const struct guest_socket *s, int backlog);
/* The descriptor of a connection, whose remote is told; -ERESTART: it was none, and more may wait. */
int guest_accept(const struct guest_socket *s, int flags, struct program_addr *remote);

/* --- guest_connect.c ---------------------------------------------------------------------------------- */

/*
 * -EINPROGRESS, -EALREADY: until the descriptor is writable, then guest_connect_outcome() tells.  -ERESTART: it
 * needs another socket under its number, by guest_connect_fresh(), and guest_connect() of that.
 */
int guest_connect(const struct guest_socket *s, const struct sockaddr *a, socklen_t n);
int guest_connect_outcome(const struct guest_socket *s);
int guest_connect_fresh(const struct guest_socket *s);
/* IP_RECVERR of a datagram socket has become this. */
void guest_connect_errors(const struct guest_socket *s, bool on);
/* True: the descriptor blocks, by SO_SNDTIMEO or SO_RCVTIMEO so many milliseconds, -1: without end. */
bool guest_waits(int fd, int option, int *ms);

/* --- guest_linger.c ----------------------------------------------------------------------------------- */

/* SO_LINGER has become this. */
void guest_linger_set(const struct guest_socket *s, const void *v, socklen_t n);
/* True: the descriptor may be a socket whose close() waits. */
bool guest_may_linger(const struct guest *g);
/* Before the close: a descriptor that tells, and how long it waits; -1: it does not. */
int guest_linger_begin(const struct guest_socket *s, int *ms);
/* After it: until the peer has everything, the time is over, a signal comes.  Closes what tells. */
void guest_linger_end(const struct guest_socket *s, int tells, int ms);

/* --- guest_address.c ---------------------------------------------------------------------------------- */

int guest_getsockname(const struct guest_socket *s, struct sockaddr *a, socklen_t *n);
int guest_getpeername(const struct guest_socket *s, struct sockaddr *a, socklen_t *n);
/* Writes as much of it as *n allows, and the whole length to *n. */
void guest_address_put(const struct program_addr *p, int family, struct sockaddr *a, socklen_t *n);
/* A remote that a socket of this family can reach: 0 or -errno. */
int guest_address_check(const struct sockaddr *a, socklen_t n, int family);
/* IPv4 in host order; the port too. */
uint32_t guest_address_ip4(const struct sockaddr *a, uint16_t *port);

/* --- guest_option.c ----------------------------------------------------------------------------------- */

/* The descriptor's own: its blocking calls are the kernel's. */
bool guest_option_is_kernels(int level, int name);
int guest_setsockopt(const struct guest_socket *s, int level, int name, const void *v, socklen_t n);
int guest_getsockopt(const struct guest_socket *s, int level, int name, void *v, socklen_t *n);

/* --- guest_send.c, guest_message.c --------------------------------------------------------------------- */

/* Why a call on a datagram socket said ECONNRESET; 0: it is known already, the call is to be made again. */
int guest_dgram_cause(const struct guest_socket *s);
/* Messages with a name or control messages, or of the error queue; others are the kernel's own. */
bool guest_message_is_ours(const struct msghdr *m, int flags);
long guest_sendmsg(const struct guest_socket *s, const struct msghdr *m, int flags);
/* True: n bytes without a name may be more than a datagram takes, or than its path does, and the kernel does not say. */
bool guest_size_matters(const struct guest *g, size_t n);
long guest_recvmsg(const struct guest_socket *s, struct msghdr *m, int flags);

/* --- guest_number.c ------------------------------------------------------------------------------------ */

/* A registration with an epoll instance, which is a number of the same process. */
struct guest_watch {
	int epoll;
	struct epoll_event event;
};

/* The numbers of the process at `proc`, "/proc/self", that are this socket, as many as there is room for. */
unsigned guest_numbers(const char *proc, ino_t socket, int *number, unsigned room);
/* The socket's registrations by the number fd. */
unsigned guest_watches(const char *proc, int fd, ino_t socket, struct guest_watch *w,
		       unsigned room);

/* --- guest_device.c ----------------------------------------------------------------------------------- */

/* The n-th interface of the stack; false past the end. */
bool guest_device(const struct guest *g, unsigned n, struct program_device *d);
bool guest_device_named(const struct guest *g, const char *name, struct program_device *d);
bool guest_device_numbered(const struct guest *g, unsigned index, struct program_device *d);
void guest_device_address(struct sockaddr *to, uint32_t ip);
uint32_t guest_device_broadcast(const struct program_device *d);
/* One of those that ask for interfaces. */
bool guest_ioctl_is_ours(unsigned long request);
int guest_ioctl_conf(const struct guest *g, struct ifconf *c);
int guest_ioctl(const struct guest *g, unsigned long request, struct ifreq *r);
