/*
 * socket/stack.c - a whole stack, begun and ended: the only file that names every room.
 *
 * Rooms are made from below to above and register with those below; they end in the opposite order,
 * when no thread and no call is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arp/neigh.h"
#include "ip/ip.h"
#include "lib/stack.h"
#include "lib/thread.h"
#include "lib/timer.h"
#include "socket/socket_priv.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

/*
 * The stacks weft_socket() may find, oldest first: a thread's by weft_use(), else the first that
 * weft_start() made.
 *
 * LOCKING
 *	r	lock (rank STACK)
 */
static struct {
	struct mutex lock;
	struct stack *first; /* r: by socket->next */
} running = {
    .lock = MUTEX_INITIALIZER(RANK_STACK),
};

#define NO_STACK UINT64_MAX /* the id of none */

static void running_add(struct stack *st)
{
	struct stack **end;

	mutex_lock(&running.lock);
	for (end = &running.first; *end; end = &(*end)->socket->next)
		;
	*end = st;
	mutex_unlock(&running.lock);
}

/* False: it is not there (any more). */
static bool running_del(struct stack *st)
{
	struct stack **at;
	bool found;

	mutex_lock(&running.lock);
	for (at = &running.first; *at && *at != st; at = &(*at)->socket->next)
		;
	found = *at != NULL;
	if (found)
		*at = st->socket->next;
	mutex_unlock(&running.lock);
	return found;
}

/* Does the calling thread run its callbacks?  It cannot wait for itself to end. */
static bool running_calls_us(struct stack *st)
{
	struct stack *at;
	bool calls;

	mutex_lock(&running.lock);
	for (at = running.first; at && at != st; at = at->socket->next)
		;
	calls = at && callbacks_are_here(at);
	mutex_unlock(&running.lock);
	return calls;
}

static void running_set_default(struct stack *st)
{
	mutex_lock(&running.lock);
	st->socket->is_default = true;
	mutex_unlock(&running.lock);
}

int stack_call_begin(struct call *c)
{
	uint64_t id = thread_record.stack_id;
	struct stack *st;

	mutex_lock(&running.lock);
	for (st = running.first; st; st = st->socket->next) {
		if (id ? st->id == id : st->socket->is_default)
			break;
	}
	if (st)
		atomic_fetch_add(&st->socket->calls, 1);
	mutex_unlock(&running.lock);
	if (!st)
		return -ENETDOWN;
	c->stack = st;
	batch_begin(&c->batch, st);
	return 0;
}

void stack_call_end(struct call *c)
{
	batch_end(&c->batch);
	atomic_fetch_sub(&c->stack->socket->calls, 1);
}

static struct socket_state *socket_state_create(struct stack *st)
{
	struct socket_state *ss = calloc(1, sizeof(*ss));

	if (ss)
		mutex_init(&ss->lock, RANK_STACK);
	st->socket = ss;
	st->sock_events = &socket_events;
	return ss;
}

static void socket_state_destroy(struct stack *st)
{
	mutex_fini(&st->socket->lock);
	free(st->socket);
	st->socket = NULL;
	st->sock_events = NULL;
}

/* Rooms, from below to above. */
static bool rooms_create(struct stack *st)
{
	struct batch b;
	struct netdev *lo;
	bool ok;

	batch_begin(&b, st);
	ok = net_state_create(st) && arp_state_create(st) && ip_state_create(st) &&
	     udp_state_create(st) && tcp_state_create(st) && socket_state_create(st) &&
	     loop_create(st, &lo) == 0;
	batch_end(&b);
	return ok;
}

static void rooms_destroy(struct stack *st)
{
	struct batch b;

	if (st->socket)
		socket_state_destroy(st);
	batch_begin(&b, st);
	if (st->tcp)
		tcp_state_destroy(st);
	if (st->udp)
		udp_state_destroy(st);
	if (st->ip)
		ip_state_destroy(st);
	if (st->arp)
		arp_state_destroy(st);
	batch_end(&b);
	if (st->net)
		net_state_destroy(st);
}

struct stack *stack_create(struct env *env)
{
	struct stack *st = stack_alloc(env);

	if (!st)
		return NULL;
	if (rooms_create(st)) {
		running_add(st);
		return st;
	}
	rooms_destroy(st);
	stack_free(st);
	return NULL;
}

int stack_threads_start(struct stack *st)
{
	struct alarm *net[2] = {wheel_alarm(st->net_wheel)}, *tcp[2] = {wheel_alarm(st->tcp_wheel)};
	struct netdev *dev = NULL;
	int err;

	err = timer_thread_start(st, net, "net_timer", &st->socket->timer[0]);
	if (!err)
		err = timer_thread_start(st, tcp, "tcp_timer", &st->socket->timer[1]);
	while (!err && (dev = netdev_next(st, dev)))
		err = netdev_threads_start(dev);
	return err;
}

static void stack_threads_stop(struct stack *st)
{
	struct netdev *dev = NULL;

	while ((dev = netdev_next(st, dev)))
		netdev_threads_stop(dev);
	for (int i = 0; i < 2; i++) {
		if (st->socket->timer[i])
			timer_thread_stop(st->socket->timer[i]);
		st->socket->timer[i] = NULL;
	}
}

/* The first epoll instance still open, or the first other socket; off the list, with a reference. */
static struct socket *stack_take_socket(struct stack *st, bool instance)
{
	struct socket *s;

	mutex_lock(&st->socket->lock);
	s = st->socket->sockets;
	while (s && (s->epoll != NULL) != instance)
		s = s->next_stack;
	if (s)
		socket_hold(s);
	mutex_unlock(&st->socket->lock);
	if (s)
		socket_unlink(st, s);
	return s;
}

/* Until there is none of them; they were woken and need no more of us. */
static void stack_wait_none(struct stack *st, _Atomic unsigned *n)
{
	struct waiter *own = stack_waiter(st);

	while (atomic_load(n)) {
		waiter_reset(own);
		env_wait(st->env, own, NULL, 0, env_now(st->env) + NSEC_PER_MSEC);
	}
}

static void stack_wait_calls(struct stack *st, struct socket *s)
{
	struct waiter *own = stack_waiter(st);

	while (atomic_load(&s->refs) >> 32) {
		waiter_reset(own);
		env_wait(st->env, own, NULL, 0, env_now(st->env) + NSEC_PER_MSEC);
	}
}

/*
 * Takes the stack away from a socket: no further call enters, those inside see `down` and leave with
 * ENETDOWN, and when the last has left its sock goes.  The peer gets FIN or RST.
 */
static void stack_end_socket(struct stack *st, struct socket *s)
{
	struct call c = {.stack = st};

	batch_begin(&c.batch, st);
	atomic_store(&s->stack, NULL);
	socket_wake(st, s, EPOLLHUP);
	batch_end(&c.batch);
	stack_wait_calls(st, s);
	batch_begin(&c.batch, st);
	if (!(atomic_load(&s->flags) & SOCKET_CLOSED))
		s->ops->release(&c, s);
	batch_end(&c.batch);
	socket_detach(s);
	socket_put(s, SOCKET_REF);
}

/*
 * Sockets outlive their stack until they are closed; their socks do not.  Epoll instances end first: who waits on
 * one asks the sockets it watches, and is counted as a call on the instance alone.
 */
static void stack_close_sockets(struct stack *st)
{
	struct socket *s;
	struct batch b;

	stack_wait_none(st, &st->socket->calls);
	while ((s = stack_take_socket(st, true)))
		stack_end_socket(st, s);
	while ((s = stack_take_socket(st, false)))
		stack_end_socket(st, s);
	stack_wait_none(st, &st->socket->socks);
	batch_begin(&b, st);
	tcp_abort_all(st);
	batch_end(&b);
}

/* The stack is off the list of those running. */
static void stack_end(struct stack *st)
{
	atomic_store(&st->down, true);
	stack_close_sockets(st);
	stack_threads_stop(st);
	callbacks_end(st);
	rooms_destroy(st);
	stack_free(st);
}

void stack_destroy(struct stack *st)
{
	running_del(st);
	stack_end(st);
}

/* --- a running stack --------------------------------------------------------------------------- */

static int gateway_add(struct stack *st, const char *text)
{
	struct route r = {.prefix = IP_PREFIX4(0), .net = ip_addr_any4, .type = ROUTE_UNICAST};
	struct batch b;
	int err;

	if (ip_addr_parse(text, &r.gateway) || !ip_addr_is4(&r.gateway))
		return -EINVAL;
	batch_begin(&b, st);
	err = route_add(st, &r);
	batch_end(&b);
	return err;
}

/* A stack on a threaded env of its own, not running yet. */
static int stack_open(struct stack **out)
{
	struct stack *st;
	struct env *env;

	if (slot_forked())
		return -ENETDOWN;
	env = env_thread_create();
	if (!env)
		return -ENOMEM;
	st = stack_create(env);
	if (!st) {
		env_thread_destroy(env);
		return -ENOMEM;
	}
	st->socket->own_env = true;
	*out = st;
	return 0;
}

int weft_stop(weft_stack *st)
{
	struct env *env;
	bool own;

	if (slot_forked())
		return -ENETDOWN;
	if (running_calls_us(st))
		return -EDEADLK;
	if (!st || !running_del(st))
		return -EINVAL;
	env = st->env;
	own = st->socket->own_env;
	stack_end(st);
	if (own)
		env_thread_destroy(env);
	return 0;
}

int weft_start(const struct weft_config *cfg, weft_stack **out)
{
	struct netdev *dev;
	struct stack *st;
	int err;

	if (!cfg || !out)
		return -EINVAL;
	err = stack_open(&st);
	if (err)
		return err;
	for (unsigned i = 0; !err && i < cfg->ndevices; i++) {
		err = stack_device_open(st, &cfg->devices[i], &dev);
		if (!err)
			stack_device_announce(dev);
	}
	if (!err && cfg->gateway)
		err = gateway_add(st, cfg->gateway);
	if (!err)
		err = stack_threads_start(st);
	if (err) {
		weft_stop(st);
		return err;
	}
	running_set_default(st);
	*out = st;
	return 0;
}

/* A stack that has been stopped is not looked into: it is not on the list. */
void weft_use(weft_stack *st)
{
	uint64_t id = st ? NO_STACK : 0;

	if (slot_forked())
		return;
	mutex_lock(&running.lock);
	for (struct stack *s = running.first; s; s = s->socket->next) {
		if (s == st)
			id = s->id;
	}
	mutex_unlock(&running.lock);
	thread_record.stack_id = id;
}

const char *weft_version(void)
{
	return WEFT_VERSION;
}

void socket_each(struct stack *st, void (*fn)(const struct socket_view *v, void *arg), void *arg)
{
	struct socket *s;

	mutex_lock(&st->socket->lock);
	for (s = st->socket->sockets; s; s = s->next_stack) {
		struct socket_view v = {.fd = atomic_load(&s->fd), .type = s->type, .sk = s->sk};

		if (v.fd >= 0 && v.sk) /* it is made, and no epoll instance */
			fn(&v, arg);
	}
	mutex_unlock(&st->socket->lock);
}
