/*
 * socket/sock.c - struct socket: its life, its wait queue, and how a blocking call sleeps.
 *
 * The top of the way up: a protocol says sock_ready() under its sock's lock and whoever waits is
 * claimed here, to be woken when the batch ends.
 */
#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "lib/batch.h"
#include "lib/mib.h"
#include "socket/socket_priv.h"

struct socket *socket_alloc(struct stack *st, int family, int type, int protocol)
{
	struct socket *s = fd_socket_alloc();

	if (!s)
		return NULL;
	s->ops = &inet_socket_ops;
	s->sk = NULL;
	s->epoll = NULL;
	s->callback = NULL;
	s->wait.lock.rank = RANK_LEAF;
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	s->eventfd = -1;
	s->eventfd_up = false;
	s->priority = 0;
	s->zerocopy_next = s->zerocopy_told = 0;
	s->prev_stack = NULL;
	s->wait.head = NULL;
	atomic_store_explicit(&s->wait.sleepers, 0, memory_order_relaxed);
	atomic_store_explicit(&s->flags, 0, memory_order_relaxed);
	atomic_store_explicit(&s->fd, -1, memory_order_relaxed);
	atomic_store_explicit(&s->rcvtimeo, 0, memory_order_relaxed);
	atomic_store_explicit(&s->sndtimeo, 0, memory_order_relaxed);
	atomic_store_explicit(&s->stack, st, memory_order_relaxed);
	atomic_store(&s->refs, SOCKET_REF);
	return s;
}

void socket_link(struct stack *st, struct socket *s)
{
	struct socket_state *ss = st->socket;

	mutex_lock(&ss->lock);
	s->next_stack = ss->sockets;
	if (s->next_stack)
		s->next_stack->prev_stack = &s->next_stack;
	s->prev_stack = &ss->sockets;
	ss->sockets = s;
	mutex_unlock(&ss->lock);
	gauge_add(st, GAUGE_sockets, 1);
}

void socket_unlink(struct stack *st, struct socket *s)
{
	bool was;

	mutex_lock(&st->socket->lock);
	was = s->prev_stack != NULL;
	if (was) {
		*s->prev_stack = s->next_stack;
		if (s->next_stack)
			s->next_stack->prev_stack = s->prev_stack;
		s->prev_stack = NULL;
	}
	mutex_unlock(&st->socket->lock);
	if (was)
		gauge_add(st, GAUGE_sockets, -1);
}

/* Its last reference has gone. */
static __attribute__((noinline)) void socket_free(struct socket *s)
{
	assert(!s->prev_stack);
	socket_detach(s);
	if (s->epoll)
		socket_epoll_free(s);
	if (s->eventfd >= 0)
		close(s->eventfd);
	fd_socket_free(s);
}

void socket_put(struct socket *s, uint64_t how)
{
	uint64_t had = atomic_fetch_sub(&s->refs, how);

	if ((uint32_t)(had - how))
		return;
	assert(had == how);
	socket_free(s);
}

void socket_attach(struct socket *s, struct sock *sk)
{
	s->sk = sk;
	atomic_fetch_add(&sk->stack->socket->socks, 1);
	atomic_store_explicit(&sk->socket, s, memory_order_release);
}

/* No call is in progress any more, yet the stack is there: it waits for its count of socks. */
void socket_detach(struct socket *s)
{
	struct sock *sk = s->sk;
	struct socket_state *ss;

	if (!sk)
		return;
	ss = sk->stack->socket;
	s->sk = NULL;
	sock_put(sk);
	atomic_fetch_sub(&ss->socks, 1);
}

/* --- the wait queue ---------------------------------------------------------------------------- */

void wait_add(struct socket *s, struct wait_entry *w)
{
	mutex_lock(&s->wait.lock);
	w->next = s->wait.head;
	w->prev = &s->wait.head;
	if (w->next)
		w->next->prev = &w->next;
	s->wait.head = w;
	atomic_fetch_add(&s->wait.sleepers, 1);
	mutex_unlock(&s->wait.lock);
}

void wait_del(struct socket *s, struct wait_entry *w)
{
	mutex_lock(&s->wait.lock);
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	atomic_fetch_sub(&s->wait.sleepers, 1);
	mutex_unlock(&s->wait.lock);
}

/*
 * Is w to be woken?  Of those that said `one`, the one that came last, and one that sleeps: who was
 * woken before and is still on the queue has another event to see to.
 */
static bool wait_wants(const struct wait_entry *w, uint32_t events, bool one_has_it)
{
	const uint32_t broken = EPOLLERR | EPOLLHUP;

	if (!((w->events | broken) & events))
		return false;
	return !w->one || (events & broken) || !(one_has_it || w->woken);
}

/* Claims every waiter that asked for one of `events`; they are woken at the batch's end. */
bool socket_wake(struct stack *st, struct socket *s, uint32_t events)
{
	struct wait_entry *w, *next;
	bool one_has_it = false, any = false;

	if (atomic_load(&s->wait.sleepers) == 0)
		return false;
	mutex_lock(&s->wait.lock);
	for (w = s->wait.head; w; w = next) {
		next = w->next;
		if (!wait_wants(w, events, one_has_it))
			continue;
		if (w->waiter)
			batch_wake(st, w->waiter);
		w->woken = w->waiter || w->fn(w);
		one_has_it |= w->one && w->woken;
		any |= w->woken;
	}
	mutex_unlock(&s->wait.lock);
	return any;
}

/* Called under sk's lock, under which socket and sock also part: s cannot go away here. */
static void socket_ready(struct sock *sk, uint32_t events)
{
	struct socket *s = atomic_load_explicit(&sk->socket, memory_order_acquire);

	if (s)
		socket_wake(sk->stack, s, events);
}

const struct sock_events socket_events = {.ready = socket_ready};

/* --- sleeping ---------------------------------------------------------------------------------- */

uint64_t socket_deadline(struct socket *s, struct stack *st, bool send)
{
	uint64_t t = atomic_load_explicit(send ? &s->sndtimeo : &s->rcvtimeo, memory_order_relaxed);

	return t ? env_now(st->env) + t : ENV_NEVER;
}

/* Why a sleeper must not sleep (again): 0: it may. */
static int sock_wait_over(struct sock_wait *sw, struct stack *st, struct waiter *w)
{
	if (atomic_load(&st->down))
		return -ENETDOWN;
	if (!sw->closing && (atomic_load(&sw->s->flags) & SOCKET_CLOSED))
		return -EBADF;
	if (atomic_load(&w->cancel))
		return -EINTR;
	return 0;
}

/*
 * The order matters: reset the waiter, be on the queue, and only then let the sock's lock go, for what
 * becomes true afterwards is told to the queue.  The caller looked at its condition under that lock.
 */
static int sock_sleep(struct sock_wait *sw) NO_LOCK_ANALYSIS
{
	struct socket *s = sw->s;
	struct stack *st = sw->batch->stack;
	struct waiter *w = stack_waiter(st);
	struct wait_entry e = {.events = sw->events, .one = sw->one, .waiter = w};
	int err;

	waiter_reset(w);
	wait_add(s, &e);
	sock_unlock(s->sk);
	batch_end(sw->batch);
	err = sock_wait_over(sw, st, w);
	if (!err)
		err = netdev_wait(st, NULL, 0, sw->deadline);
	if (!err)
		err = sock_wait_over(sw, st, w);
	wait_del(s, &e);
	batch_begin(sw->batch, st);
	sock_lock(s->sk);
	return err == -ETIMEDOUT ? -EAGAIN : err;
}

int sock_wait(struct sock_wait *sw)
{
	int err;

	if (sw->over)
		return sw->over;
	err = sock_sleep(sw);
	if (err == -EBADF || err == -ENETDOWN)
		return err;
	sw->over = err;
	return 0;
}
