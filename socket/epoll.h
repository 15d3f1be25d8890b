/*
 * socket/epoll.h - an epoll instance: the lists that epoll_item.c keeps and epoll.c tells from.
 */
#pragma once
#include <weft/weft.h>

#include <bsd/sys/tree.h>
#include <sys/queue.h>

#include "socket/socket_priv.h"

#define EPOLL_ALWAYS (EPOLLERR | EPOLLHUP)
#define EPOLL_HARVEST 16 /* items taken off the ready list at a time */

/*
 * LOCKING
 *	e	lock of the instance		c	constant after creation
 *	r	the wait queue's lock of the instance's own descriptor
 */
struct epoll_item {
	struct wait_entry wait;           /* on the socket's queue */
	RB_ENTRY(epoll_item) in_items;    /* e */
	TAILQ_ENTRY(epoll_item) in_ready; /* r */
	struct epoll *epoll;              /* c */
	struct socket *s;                 /* c: on the list only while its descriptor is open */
	struct epoll_event event;         /* e: as the program said it */
	bool is_ready;                    /* r: on the ready list */
	bool spent;                       /* e: EPOLLONESHOT has told, until EPOLL_CTL_MOD */
};

RB_HEAD(epoll_items, epoll_item);
TAILQ_HEAD(epoll_ready, epoll_item);

/*
 * LOCKING
 *	c	constant after creation		e	lock
 *	r	the wait queue's lock of s
 */
struct epoll {
	struct mutex lock;        /* rank EPOLL: socks are asked under it */
	struct stack *stack;      /* c: there while a call or an event of it is in progress */
	struct socket *s;         /* c: the instance's own descriptor */
	struct epoll_items items; /* e */
	struct epoll_ready ready; /* r */
	unsigned nready;          /* r */
};

/* Items off the list, some of which go back. */
struct epoll_part {
	struct epoll_item *it[EPOLL_HARVEST];
	unsigned n;
};

/* Puts p to the end, and takes the first of those *left to be asked, at most max; false: none. */
bool epoll_ready_next(struct epoll *ep, struct epoll_part *p, unsigned max, unsigned *left);
unsigned epoll_ready_count(struct epoll *ep);

/*
 * What the socket has of what was asked for.  It has its sock while it is on the list: its close() and the end of its
 * stack take it off first, under the instance's lock.
 */
uint32_t epoll_item_poll(const struct epoll_item *it);
/* epoll_ctl() with a socket of the instance's stack. */
int epoll_items_change(struct epoll *ep, int op, struct socket *s, const struct epoll_event *event);
void epoll_items_free(struct epoll *ep) REQUIRES(ep->lock);
