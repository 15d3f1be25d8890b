/*
 * socket/epoll.c - weft_epoll_*: waiting for many sockets, at a cost that does not grow with those that are quiet.
 *
 * An instance is a descriptor of its own, with an item for each socket it watches (epoll_item.c).
 * weft_epoll_wait() asks those on the ready list, and only those, how they are.  Level triggered items go back
 * to the list while they have something to tell, edge triggered ones wait for the next event.  Instances watch
 * sockets of their own stack.
 */
#include "socket/epoll.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "lib/stack.h"
#include "net/netdev.h"

/* --- waiting -----------------------------------------------------------------------------------
 */

/* Of one that is off the ready list; the next event may be for it again. */
static uint32_t item_ask(struct epoll_item *it)
{
	if (it->wait.one) {
		mutex_lock(&it->s->wait.lock);
		it->wait.woken = false;
		mutex_unlock(&it->s->wait.lock);
	}
	return epoll_item_poll(it);
}

/* True: told. */
static bool item_tell(struct epoll_item *it, struct epoll_event *out)
{
	uint32_t ev = item_ask(it);

	if (!ev)
		return false;
	*out = (struct epoll_event){.events = ev, .data = it->event.data};
	if (it->event.events & EPOLLONESHOT)
		it->spent = true;
	return true;
}

/* How many of p were told; those that may have more to tell stay in p. */
static int part_tell(struct epoll_part *p, struct epoll_event *out)
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
	struct epoll_part p = {.n = 0};
	unsigned left = UINT_MAX;
	int n = 0;

	mutex_lock(&ep->lock);
	while (epoll_ready_next(ep, &p, (unsigned)(max - n), &left))
		n += part_tell(&p, &out[n]);
	mutex_unlock(&ep->lock);
	if (n && atomic_load(&ep->s->wait.sleepers) && epoll_ready_count(ep))
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
	if (!epoll_ready_count(ep)) {
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
	uint64_t deadline = timeout_ms < 0 ? ENV_NEVER : 0; /* 0: no need to sleep yet */
	int n, err = 0;

	netdev_hold_end(c->stack);
	for (;;) {
		n = epoll_harvest(ep, out, max);
		if (atomic_load(&c->stack->down))
			return -ENETDOWN; /* what its sockets tell is their end */
		if (n)
			netdev_wait_told(c->stack, n);
		if (n || err == -ETIMEDOUT || timeout_ms == 0)
			return n;
		if (err < 0)
			return err;
		if (!deadline)
			deadline = env_now(c->stack->env) + (uint64_t)timeout_ms * NSEC_PER_MSEC;
		err = epoll_sleep(c, ep, deadline);
	}
}

/* --- the descriptor ----------------------------------------------------------------------------
 */

static void epoll_release(struct call *c, struct socket *s)
{
	struct epoll *ep = s->epoll;

	mutex_lock(&ep->lock);
	atomic_fetch_or(&s->flags, SOCKET_CLOSED);
	epoll_items_free(ep);
	mutex_unlock(&ep->lock);
	socket_wake(c->stack, s, EPOLLHUP);
}

/* Readable if a wait would tell something; what is over by now comes off the list. */
static uint32_t epoll_poll(struct socket *s)
{
	struct epoll *ep = s->epoll;
	struct epoll_part p = {.n = 0};
	unsigned left = UINT_MAX;
	uint32_t ev = 0;

	mutex_lock(&ep->lock);
	while (!ev && epoll_ready_next(ep, &p, 1, &left)) {
		if (item_ask(p.it[0]))
			ev = events_all(EPOLLIN);
		else
			p.n = 0;
	}
	epoll_ready_next(ep, &p, 0, &left);
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
		err = epoll_items_change(ep, op, s, event);
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
