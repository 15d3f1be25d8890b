/*
 * socket/epoll_item.c - what an epoll instance watches: its interest list, and which of it is ready.
 *
 * For each socket that is watched an item stands on that socket's wait queue; an event puts it on the ready list.
 * epoll_ctl() changes the one list, a wait (epoll.c) takes from the other; a socket that is closed leaves both.
 */
#include <errno.h>
#include <stdlib.h>

#include "lib/stack.h"
#include "socket/epoll.h"

#define EPOLL_FLAGS (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLL_ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

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

bool epoll_ready_next(struct epoll *ep, struct epoll_part *p, unsigned max, unsigned *left)
{
	mutex_lock(&ep->s->wait.lock);
	if (*left > ep->nready)
		*left = ep->nready;
	for (unsigned i = 0; i < p->n; i++)
		ready_insert(ep, p->it[i]);
	for (p->n = 0; p->n < EPOLL_HARVEST && p->n < max && *left; --*left) {
		struct epoll_item *it = TAILQ_FIRST(&ep->ready);

		ready_remove(ep, it);
		p->it[p->n++] = it;
	}
	mutex_unlock(&ep->s->wait.lock);
	return p->n;
}

unsigned epoll_ready_count(struct epoll *ep)
{
	unsigned n;

	mutex_lock(&ep->s->wait.lock);
	n = ep->nready;
	mutex_unlock(&ep->s->wait.lock);
	return n;
}

/* From the socket, under its queue's lock. */
static bool item_event(struct wait_entry *w)
{
	struct epoll_item *it = (struct epoll_item *)(void *)w;

	ready_add(it->epoll, it);
	return socket_wake(it->epoll->stack, it->epoll->s, EPOLLIN);
}

uint32_t epoll_item_poll(const struct epoll_item *it)
{
	uint32_t ev = it->s->ops->poll(it->s);

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
	if (!epoll_item_poll(it))
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
	it->wait.events = events_wake(event->events & ~EPOLL_FLAGS);
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
	it->wait.events = events_wake(event->events & ~EPOLL_FLAGS);
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

int epoll_items_change(struct epoll *ep, int op, struct socket *s, const struct epoll_event *event)
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

void epoll_items_free(struct epoll *ep)
{
	struct epoll_item *it;

	while ((it = RB_MIN(epoll_items, &ep->items)))
		item_free(ep, it);
}

/* The instance of an item on the queue of s, referenced; NULL: none. */
static struct epoll *watcher_of(struct socket *s)
{
	struct epoll *ep = NULL;

	if (atomic_load(&s->wait.sleepers) == 0)
		return NULL;
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
