/*
 * tests/harness/sockets.h - a whole stack and its sockets by the public calls, and a blocking call in a
 * thread of its own that is known to sleep.
 */
#pragma once
#include <netinet/in.h>
#include <pthread.h>

#include "socket/socket.h"

/* A running stack with lo alone, this thread's by weft_use(); its end finds what leaked. */
struct stack *sockets_begin(void);
void sockets_end(struct stack *st);
/* The first 16 numbers, whatever is under them. */
void sockets_close_all(void);

struct sockaddr_in in4(const char *ip, uint16_t port);
int sockets_open(int type, int proto);
/* A bound socket on 127.0.0.1; its address to *a. */
int sockets_bound(int type, struct sockaddr_in *a);
/* A listener on 127.0.0.1; its address to *a. */
int sockets_listener(struct sockaddr_in *a);
/* A connection by lo: fd[0] connected, fd[1] accepted. */
void sockets_pair(int fd[2]);
struct sockaddr *sa(struct sockaddr_in *a);
#define SA_LEN ((socklen_t)sizeof(struct sockaddr_in))
/* The data of m's control message of this type, which must be there and have n bytes. */
void sockets_control(struct msghdr *m, int level, int type, void *data, size_t n);

/* The call must fail with this errno. */
#define ck_assert_errno(expr, e)                                                                   \
	do {                                                                                       \
		errno = 0;                                                                         \
		ck_assert_msg((expr) == -1 && errno == (e), #expr ": errno %d", errno);            \
	} while (0)

/*
 * LOCKING
 *	c	constant once it runs		a	atomic		j	valid after blocked_end()
 */
struct blocked {
	struct stack *st;                 /* c */
	ssize_t (*fn)(int fd, void *arg); /* c */
	int fd;                           /* c */
	void *arg;                        /* c */
	pthread_t thread;
	_Atomic(struct waiter *) waiter; /* a */
	ssize_t result;                  /* j */
	int error;                       /* j: errno when the result is -1 */
};

/* Starts it and returns when the thread sleeps in its call. */
void blocked_begin(struct blocked *b);
/* Joins it; its result. */
ssize_t blocked_end(struct blocked *b);
/* The same, and sends it a signal until it ends: one alone may come just before it sleeps. */
ssize_t blocked_end_by(struct blocked *b, int sig);
/* A call that fails so. */
#define ck_assert_blocked(b, e)                                                                    \
	do {                                                                                       \
		ck_assert_int_eq(blocked_end(b), -1);                                              \
		ck_assert_int_eq((b)->error, e);                                                   \
	} while (0)

/* Functions for blocked: one byte, one connection. */
ssize_t blocked_recv(int fd, void *arg);
ssize_t blocked_accept(int fd, void *arg);
