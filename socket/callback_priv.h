/*
 * socket/callback_priv.h - a socket with callbacks: what callback.c keeps and callback_run.c tells.
 */
#pragma once
#include <sys/queue.h>
#include <weft/weft.h>

#include "lib/timer.h"
#include "socket/socket_priv.h"

#define CALLBACK_RETRY_NS (250 * NSEC_PER_MSEC)

struct callback_fns {
	void *arg;
	int (*accept)(void *arg, int fd);
	int (*recv)(void *arg, int fd, const void *data, size_t n);
	void (*sent)(void *arg, int fd, size_t n);
	void (*poll)(void *arg, int fd);
	void (*err)(void *arg, int err);
	void (*connected)(void *arg, int fd, int err);
	int (*event)(void *arg, const struct weft_cb_event *e);
};

/*
 * LOCKING
 *	c	constant after creation		q	lock of the state
 *	t	the thread that tells
 */
struct callback {
	struct wait_entry wait;         /* first; on the queue of s */
	struct timer timer;             /* armed and disarmed by t */
	struct callback_state *state;   /* c */
	struct socket *s;               /* c: a reference */
	int fd;                         /* c */
	TAILQ_ENTRY(callback) in_ready; /* q: while is_ready */
	LIST_ENTRY(callback) in_all;    /* q */
	bool is_ready, closed;          /* q */
	bool stands;                    /* q: on the queue of s; before that nothing is told */
	bool connecting;                /* q: weft_cb_connect() is to be answered */
	bool begun;                     /* q: it has called connect(): before, the sock is as new */
	struct callback_fns fns;        /* q */
	uint64_t interval, poll_next;   /* q: ns; 0: none */
	uint32_t owed;                  /* q: bytes told, weft_cb_recved() has not come for */
	bool open;                      /* t: a connection, or it was one */
	bool ended;                     /* t: the peer's end was told */
	uint64_t acked;                 /* t: bytes told as sent */
	uint64_t retry;                 /* t: when to come again; ENV_NEVER */
	uint8_t *refused;               /* t: malloc'd: bytes to be told again; NULL: none */
	uint32_t nrefused;              /* t */
};

TAILQ_HEAD(callback_list, callback);
LIST_HEAD(callback_all, callback);

/*
 * One a stack, from the first callback on.
 *
 * LOCKING
 *	c	constant after creation		q	lock
 *	t	the thread that tells
 */
struct callback_state {
	struct mutex lock;           /* rank READY: taken under a socket's wait queue */
	struct stack *stack;         /* c */
	struct wheel *wheel;         /* c */
	struct alarm alarm;          /* the ready list is to be gone through */
	struct timer_thread *thread; /* c: NULL: a lab */
	struct later later;          /* q: is_later: on a batch, at whose end the alarm is set */
	bool is_later;               /* q */
	struct callback_list ready;  /* q */
	unsigned nready;             /* q */
	struct callback_all all;     /* q */
	uint8_t buf[WEFT_CB_WINDOW]; /* t */
};

/* callback.c */
/* Onto the ready list; inside a batch. */
void callback_queue(struct callback_state *cs, struct callback *cb) REQUIRES(cs->lock);
/* Makes s one with callbacks, if it is not.  0 or -errno. */
int callback_attach(struct call *c, struct socket *s);
void callback_free(struct callback *cb); /* by the thread that tells, of one that is closed */

/* callback_run.c */
void callbacks_run(void *state); /* the alarm's */
void callback_timer(struct timer *t);
/* Closes its socket and says why; nothing, when the program has closed it. */
void callback_gone(struct callback *cb, int err);
