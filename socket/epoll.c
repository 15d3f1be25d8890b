/*
 * socket/epoll.c - weft_epoll_*: an interest list whose cost does not grow with the sockets that are
 * quiet.
 *
 * An instance is a descriptor of its own.  For each socket it watches an item stands on that socket's
 * wait queue; an event puts the item on the ready list, and weft_epoll_wait() asks those, and only
 * those, how they are.  Level triggered items go back to the list while they have something to tell,
 * edge triggered ones wait for the next event.  Instances watch sockets of their own stack.
 */
#include <weft/weft.h>

#include <bsd/sys/tree.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "lib/stack.h"
#include "net/netdev.h"
#include "socket/socket_priv.h"

#define EPOLL_FLAGS (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)
#define HARVEST 16 /* items taken off the ready list at a time */
#define EPOLL_ALWAYS (EPOLLERR | EPOLLHUP)
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLL_ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

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

static int item_order(const struct epoll_item *a, const struct epoll_item *b)
{
	return a->s < b->s ? -1 : a->s > b->s;
}

RB_GENERATE_INTERNAL(epoll_items, epoll_item, in_items, item_order, __attribute__((unused)) static)

/* --- the ready list ----------------------------------------------------------------------------
 */

static void ready_insert(struct epoll *ep, struct epoll_item *it) REQUIRES(ep->s->wait.lock)
{
	if (it->is_ready)
		return;
	TAILQ_INSERT_TAIL(&ep->ready, it, in_ready);
	ep->nready++;
	it->is_ready = true;
}

static void ready_add(struct epoll *ep, struct epoll_item *it)
{
	mutex_lock(&ep->s->wait.lock);
	ready_insert(ep, it);
	mutex_unlock(&ep->s->wait.lock);
}

static void ready_remove(struct epoll *ep, struct epoll_item *it) REQUIRES(ep->s->wait.lock)
{
	TAILQ_REMOVE(&ep->ready, it, in_ready);
	ep->nready--;
	it->is_ready = false;
}

static void ready_del(struct epoll *ep, struct epoll_item *it)
{
	mutex_lock(&ep->s->wait.lock);
	if (it->is_ready)
		ready_remove(ep, it);
	mutex_unlock(&ep->s->wait.lock);
}

/* Items off the list, some of which go back. */
struct part {
	struct epoll_item *it[HARVEST];
	unsigned n;
};

/* Puts p to the end, and takes the first of those *left to be asked, at most max; false: none. */
static bool ready_next(struct epoll *ep, struct part *p, unsigned max, unsigned *left)
{
	mutex_lock(&ep->s->wait.lock);
	if (*left > ep->nready)
		*left = ep->nready;
	for (unsigned i = 0; i < p->n; i++)
		ready_insert(ep, p->it[i]);
	for (p->n = 0; p->n < HARVEST && p->n < max && *left; --*left) {
		struct epoll_item *it = TAILQ_FIRST(&ep->ready);

		ready_remove(ep, it);
		p->it[p->n++] = it;
	}
	mutex_unlock(&ep->s->wait.lock);
	return p->n;
}

static unsigned ready_count(struct epoll *ep)
{
	unsigned n;

	mutex_lock(&ep->s->wait.lock);
	n = ep->nready;
	mutex_unlock(&ep->s->wait.lock);
	return n;
}

/* From the socket, under its queue's lock. */
static bool item_event(struct wait_entry *w, uint32_t events)
{
	struct epoll_item *it = (struct epoll_item *)(void *)w;

	ready_add(it->epoll, it);
	return socket_wake(it->epoll->stack, it->epoll->s, EPOLLIN);
}

/* What the socket has of what was asked for. */
static uint32_t item_poll(const struct epoll_item *it)
{
	struct socket *s = it->s;
	uint32_t ev = EPOLL_ALWAYS;

	atomic_fetch_add(&s->refs, SOCKET_CALL);
	if (atomic_load(&s->stack))
		ev = s->ops->poll(s);
	socket_put(s, SOCKET_CALL);
	return it->spent ? 0 : ev & (it->event.events | EPOLL_ALWAYS);
}

/* --- the interest list -------------------------------------------------------------------------
 */

static struct epoll_item *item_find(struct epoll *ep, struct socket *s) REQUIRES(ep->lock)
{
	struct epoll_item key = {.s = s};

	return RB_FIND(epoll_items, &ep->items, &key);
}

static void item_free(struct epoll *ep, struct epoll_item *it) REQUIRES(ep->lock)
{
	wait_del(it->s, &it->wait);
	ready_del(ep, it);
	RB_REMOVE(epoll_items, &ep->items, it);
	free(it);
}

/* What is so already is told too. */
static void item_look(struct epoll *ep, struct epoll_item *it) REQUIRES(ep->lock)
{
	if (!item_poll(it))
		return;
	ready_add(ep, it);
	socket_wake(ep->stack, ep->s, EPOLLIN);
}

static int item_add(struct epoll *ep, struct socket *s, const struct epoll_event *event)
    REQUIRES(ep->lock)
{
	struct epoll_item *it;

	if (item_find(ep, s))
		return -EEXIST;
	if ((event->events & EPOLLEXCLUSIVE) && (event->events & ~EXCLUSIVE_OK))
		return -EINVAL;
	it = calloc(1, sizeof(*it));
	if (!it)
		return -ENOMEM;
	it->epoll = ep;
	it->s = s;
	it->event = *event;
	it->wait.fn = item_event;
	it->wait.events = event->events & ~EPOLL_FLAGS;
	it->wait.one = event->events & EPOLLEXCLUSIVE;
	RB_INSERT(epoll_items, &ep->items, it);
	wait_add(s, &it->wait);
	if (atomic_load(&s->flags) & SOCKET_UNWATCHED) { /* closed before it stood there */
		item_free(ep, it);
		return -EBADF;
	}
	item_look(ep, it);
	return 0;
}

static int item_mod(struct epoll *ep, struct socket *s, const struct epoll_event *event)
    REQUIRES(ep->lock)
{
	struct epoll_item *it = item_find(ep, s);

	if (!it)
		return -ENOENT;
	if ((event->events | it->event.events) & EPOLLEXCLUSIVE)
		return -EINVAL;
	it->event = *event;
	it->spent = false;
	mutex_lock(&s->wait.lock);
	it->wait.events = event->events & ~EPOLL_FLAGS;
	mutex_unlock(&s->wait.lock);
	item_look(ep, it);
	return 0;
}

static int item_del(struct epoll *ep, struct socket *s) REQUIRES(ep->lock)
{
	struct epoll_item *it = item_find(ep, s);

	if (!it)
		return -ENOENT;
	item_free(ep, it);
	return 0;
}

static int items_change(struct epoll *ep, int op, struct socket *s, const struct epoll_event *event)
{
	int err = -EBADF;

	if (op != EPOLL_CTL_DEL && !event)
		return -EFAULT;
	mutex_lock(&ep->lock);
	if (!(atomic_load(&ep->s->flags) & SOCKET_CLOSED) &&
	    !(atomic_load(&s->flags) & SOCKET_UNWATCHED)) {
		if (op == EPOLL_CTL_ADD)
			err = item_add(ep, s, event);
		else if (op == EPOLL_CTL_MOD)
			err = item_mod(ep, s, event);
		else
			err = op == EPOLL_CTL_DEL ? item_del(ep, s) : -EINVAL;
	}
	mutex_unlock(&ep->lock);
	return err;
}

/* The instance of an item on the queue of s, referenced; NULL: none. */
static struct epoll *watcher_of(struct socket *s)
{
	struct epoll *ep = NULL;

	mutex_lock(&s->wait.lock);
	for (struct wait_entry *w = s->wait.head; w && !ep; w = w->next) {
		if (w->fn == item_event)
			ep = ((struct epoll_item *)(void *)w)->epoll;
	}
	if (ep)
		socket_hold(ep->s);
	mutex_unlock(&s->wait.lock);
	return ep;
}

/* The flag first: an EPOLL_CTL_ADD in progress has put its item there by now, or sees the flag. */
void socket_epoll_forget(struct socket *s)
{
	struct epoll *ep;

	atomic_fetch_or(&s->flags, SOCKET_UNWATCHED);
	while ((ep = watcher_of(s))) {
		mutex_lock(&ep->lock);
		item_del(ep, s);
		mutex_unlock(&ep->lock);
		socket_put(ep->s, SOCKET_REF);
	}
}

/* --- waiting -----------------------------------------------------------------------------------
 */

/* True: told. */
static bool item_tell(struct epoll_item *it, struct epoll_event *out)
{
	uint32_t ev;

	if (it->wait.one) {
		mutex_lock(&it->s->wait.lock);
		it->wait.woken = false; /* the next event may be for it again */
		mutex_unlock(&it->s->wait.lock);
	}
	ev = item_poll(it);
	if (!ev)
		return false;
	*out = (struct epoll_event){.events = ev, .data = it->event.data};
	if (it->event.events & EPOLLONESHOT)
		it->spent = true;
	return true;
}

/* How many of p were told; those that may have more to tell stay in p. */
static int part_tell(struct part *p, struct epoll_event *out)
{
	unsigned had = p->n;
	int n = 0;

	p->n = 0;
	for (unsigned i = 0; i < had; i++) {
		struct epoll_item *it = p->it[i];

		if (!item_tell(it, &out[n]))
			continue;
		n++;
		if (!(it->event.events & (EPOLLET | EPOLLONESHOT)))
			p->it[p->n++] = it;
	}
	return n;
}

/*
 * How many were told.  Each is asked once: the level triggered ones that were told stand behind those that
 * wait, to be asked again the next time.  What is left is somebody else's, if another thread sleeps here.
 */
static int epoll_harvest(struct epoll *ep, struct epoll_event *out, int max)
{
	struct part p = {.n = 0};
	unsigned left = UINT_MAX;
	int n = 0;

	mutex_lock(&ep->lock);
	while (ready_next(ep, &p, (unsigned)(max - n), &left))
		n += part_tell(&p, &out[n]);
	mutex_unlock(&ep->lock);
	if (n && atomic_load(&ep->s->wait.sleepers) && ready_count(ep))
		socket_wake(ep->stack, ep->s, EPOLLIN);
	return n;
}

static int epoll_over(struct call *c, struct socket *s, struct waiter *w)
{
	if (atomic_load(&c->stack->down))
		return -ENETDOWN;
	if (atomic_load(&s->flags) & SOCKET_CLOSED)
		return -EBADF;
	return atomic_load(&w->cancel) ? -EINTR : 0;
}

/* Until something is on the ready list, which may be over by the time it is looked at.  0: look. */
static int epoll_sleep(struct call *c, struct epoll *ep, uint64_t deadline)
{
	struct waiter *w = stack_waiter(c->stack);
	struct wait_entry e = {.events = EPOLLIN, .one = true, .waiter = w};
	int err = 0;

	waiter_reset(w);
	wait_add(ep->s, &e);
	if (!ready_count(ep)) {
		batch_end(&c->batch);
		err = epoll_over(c, ep->s, w);
		if (!err)
			err = netdev_wait(c->stack, NULL, 0, deadline);
		batch_begin(&c->batch, c->stack);
		if (!err)
			err = epoll_over(c, ep->s, w);
	}
	wait_del(ep->s, &e);
	return err;
}

static int epoll_wait_for(struct call *c, struct epoll *ep, struct epoll_event *out, int max,
			  int timeout_ms)
{
	uint64_t deadline = ENV_NEVER;
	int n, err = 0;

	if (timeout_ms >= 0)
		deadline = env_now(c->stack->env) + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	for (;;) {
		n = epoll_harvest(ep, out, max);
		if (atomic_load(&c->stack->down))
			return -ENETDOWN; /* what its sockets tell is their end */
		if (n || err == -ETIMEDOUT || timeout_ms == 0)
			return n;
		if (err < 0)
			return err;
		err = epoll_sleep(c, ep, deadline);
	}
}

/* --- the descriptor ----------------------------------------------------------------------------
 */

static void epoll_release(struct call *c, struct socket *s)
{
	struct epoll *ep = s->epoll;
	struct epoll_item *it;

	mutex_lock(&ep->lock);
	atomic_fetch_or(&s->flags, SOCKET_CLOSED);
	while ((it = RB_MIN(epoll_items, &ep->items)))
		item_free(ep, it);
	mutex_unlock(&ep->lock);
	socket_wake(c->stack, s, EPOLLHUP);
}

/* Readable if a wait would tell something; what is over by now comes off the list. */
static uint32_t epoll_poll(struct socket *s)
{
	struct epoll *ep = s->epoll;
	struct part p = {.n = 0};
	unsigned left = UINT_MAX;
	uint32_t ev = 0;

	mutex_lock(&ep->lock);
	while (!ev && ready_next(ep, &p, 1, &left)) {
		if (item_poll(p.it[0]))
			ev = events_all(EPOLLIN);
		else
			p.n = 0;
	}
	ready_next(ep, &p, 0, &left);
	mutex_unlock(&ep->lock);
	return ev;
}

static const struct socket_ops epoll_ops = {.release = epoll_release, .poll = epoll_poll};

void socket_epoll_free(struct socket *s)
{
	mutex_fini(&s->epoll->lock);
	free(s->epoll);
	s->epoll = NULL;
}

int socket_epoll_create(struct call *c, struct socket **out)
{
	struct socket *s = socket_alloc(c->stack, AF_UNSPEC, 0, 0);
	struct epoll *ep = calloc(1, sizeof(*ep));

	if (!s || !ep) {
		if (s)
			socket_put(s, SOCKET_REF);
		free(ep);
		return -ENOMEM;
	}
	mutex_init(&ep->lock, RANK_EPOLL);
	ep->stack = c->stack;
	ep->s = s;
	RB_INIT(&ep->items);
	TAILQ_INIT(&ep->ready);
	s->epoll = ep;
	s->ops = &epoll_ops;
	s->wait.lock.rank = RANK_READY;
	*out = s;
	return 0;
}

/* --- the calls ---------------------------------------------------------------------------------
 */

static int epoll_ctl_on(struct call *c, struct epoll *ep, int op, int fd, struct epoll_event *event)
{
	struct socket *s = fd_get(fd, SOCKET_CALL);
	int err = -EINVAL; /* an instance is not watched, nor a socket of another stack */

	if (!s)
		return fd < WEFT_FD_FIRST && fd >= 0 ? -EPERM : -EBADF;
	if (!s->epoll && atomic_load(&s->stack) == c->stack)
		err = items_change(ep, op, s, event);
	socket_put(s, SOCKET_CALL);
	return err;
}

int weft_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	struct call c;
	int err;
	struct socket *s = descriptor_enter(epfd, &c, &err);

	if (!s)
		return (int)socket_answer(err);
	err = s->epoll ? epoll_ctl_on(&c, s->epoll, op, fd, event) : -EINVAL;
	return (int)socket_leave(&c, s, err);
}

int weft_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
	struct call c;
	int err;
	struct socket *s = descriptor_enter(epfd, &c, &err);

	if (!s)
		return (int)socket_answer(err);
	if (!s->epoll || max <= 0)
		err = -EINVAL;
	else if (!events)
		err = -EFAULT;
	else
		err = epoll_wait_for(&c, s->epoll, events, max, timeout_ms);
	return (int)socket_leave(&c, s, err);
}
