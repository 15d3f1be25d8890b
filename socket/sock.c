/*
 * socket/sock.c - struct socket: its life, its wait queue, and how a blocking call sleeps.
 *
 * The top of the way up: a protocol says sock_ready() under its sock's lock and whoever waits is
 * claimed here, to be woken when the batch ends.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/batch.h"
#include "socket/socket_priv.h"

struct socket *socket_alloc(struct stack *st, int family, int type, int protocol)
{
	struct socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = &inet_socket_ops;
	atomic_init(&s->ref, 1);
	atomic_init(&s->stack, st);
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	s->eventfd = -1;
	mutex_init(&s->wait.lock, RANK_LEAF);
	mutex_lock(&st->socket->lock);
	s->next_stack = st->socket->sockets;
	if (s->next_stack)
		s->next_stack->prev_stack = &s->next_stack;
	s->prev_stack = &st->socket->sockets;
	st->socket->sockets = s;
	mutex_unlock(&st->socket->lock);
	gauge_add(st, GAUGE_sockets, 1);
	return s;
}

/* Takes s off its stack's list; false: somebody else did (weft_stop(), close()). */
bool socket_unlink(struct stack *st, struct socket *s)
{
	bool was;

	mutex_lock(&st->socket->lock);
	was = s->prev_stack != NULL;
	if (was) {
		*s->prev_stack = s->next_stack;
		if (s->next_stack)
			s->next_stack->prev_stack = s->prev_stack;
		s->prev_stack = NULL;
		gauge_add(st, GAUGE_sockets, -1);
	}
	mutex_unlock(&st->socket->lock);
	return was;
}

void socket_put(struct socket *s)
{
	if (atomic_fetch_sub_explicit(&s->ref, 1, memory_order_acq_rel) != 1)
		return;
	assert(!s->prev_stack);
	if (s->eventfd >= 0)
		close(s->eventfd);
	mutex_fini(&s->wait.lock);
	if (s->sk)
		sock_put(s->sk);
	free(s);
}

void socket_attach(struct socket *s, struct sock *sk)
{
	s->sk = sk;
	atomic_store_explicit(&sk->events, &socket_events, memory_order_relaxed);
	atomic_store_explicit(&sk->socket, s, memory_order_release);
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

/* Claims every waiter that asked for one of `events`; they are woken at the batch's end. */
void socket_wake(struct stack *st, struct socket *s, uint32_t events)
{
	struct wait_entry *w, *next;

	if (atomic_load(&s->wait.sleepers) == 0)
		return;
	mutex_lock(&s->wait.lock);
	for (w = s->wait.head; w; w = next) {
		next = w->next;
		if (!((w->events | EPOLLERR | EPOLLHUP) & events))
			continue;
		if (w->waiter)
			batch_wake(st, w->waiter);
		else
			w->fn(w, events);
	}
	mutex_unlock(&s->wait.lock);
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
static int socket_wait_over(struct socket *s, struct stack *st, struct waiter *w)
{
	if (atomic_load(&st->down))
		return -ENETDOWN;
	if (atomic_load(&s->flags) & SOCKET_CLOSED)
		return -EBADF;
	if (atomic_load(&w->cancel))
		return -EINTR;
	return 0;
}

/*
 * The order matters: reset the waiter, be on the queue, and only then let the sock's lock go, for what
 * becomes true afterwards is told to the queue.  The caller looked at its condition under that lock.
 */
int sock_wait(struct sock_wait *sw) NO_LOCK_ANALYSIS
{
	struct socket *s = sw->s;
	struct stack *st = sw->batch->stack;
	struct waiter *w = stack_waiter(st);
	struct wait_entry e = {.events = sw->events, .waiter = w};
	int err;

	waiter_reset(w);
	wait_add(s, &e);
	sock_unlock(s->sk);
	batch_end(sw->batch);
	err = socket_wait_over(s, st, w);
	if (!err)
		err = netdev_wait(st, w, NULL, 0, sw->deadline);
	if (!err)
		err = socket_wait_over(s, st, w);
	wait_del(s, &e);
	batch_begin(sw->batch, st);
	sock_lock(s->sk);
	return err == -ETIMEDOUT ? -EAGAIN : err;
}
