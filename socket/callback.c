/*
 * socket/callback.c - weft_cb_*: which sockets have callbacks, and what a program sets of them.
 *
 * A callback stands on its socket's wait queue, as an epoll item does; an event puts it on the stack's ready
 * list, and when the batch ends the thread `callback` is told (a lab: an event of its own), which looks at
 * the socket and calls the program: callback_run.c.  Nothing below knows of it.
 */
#include "socket/callback_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "tcp/tcp.h"

#define POLL_MAX_MS 86400000u

/* --- the state of a stack ---------------------------------------------------------------------- */

static void callbacks_later(struct later *l)
{
	struct callback_state *cs =
	    (struct callback_state *)((char *)l - offsetof(struct callback_state, later));

	mutex_lock(&cs->lock);
	cs->is_later = false;
	mutex_unlock(&cs->lock);
	env_alarm(cs->stack->env, &cs->alarm, env_now(cs->stack->env));
}

static int state_start(struct callback_state *cs)
{
	struct alarm *alarm[2] = {&cs->alarm, wheel_alarm(cs->wheel)};

	if (!cs->stack->env->threaded)
		return 0;
	return timer_thread_start(cs->stack, alarm, "callback", &cs->thread);
}

static void state_free(struct callback_state *cs)
{
	env_alarm_del(cs->stack->env, &cs->alarm);
	wheel_destroy(cs->wheel);
	mutex_fini(&cs->lock);
	free(cs);
}

static int state_create(struct stack *st, struct callback_state **out)
{
	struct callback_state *cs = calloc(1, sizeof(*cs));
	int err;

	if (!cs)
		return -ENOMEM;
	cs->wheel = wheel_create(st);
	if (!cs->wheel) {
		free(cs);
		return -ENOMEM;
	}
	mutex_init(&cs->lock, RANK_READY);
	cs->stack = st;
	cs->later.fn = callbacks_later;
	TAILQ_INIT(&cs->ready);
	LIST_INIT(&cs->all);
	atomic_init(&cs->alarm.when, ENV_NEVER);
	cs->alarm.fire = callbacks_run;
	cs->alarm.arg = cs;
	env_alarm_add(st->env, &cs->alarm);
	err = state_start(cs);
	if (err)
		state_free(cs);
	else
		*out = cs;
	return err;
}

static int state_get(struct stack *st, struct callback_state **out)
{
	struct socket_state *ss = st->socket;
	int err = 0;

	mutex_lock(&ss->lock);
	*out = atomic_load(&ss->callbacks);
	if (!*out)
		err = state_create(st, out);
	if (!err)
		atomic_store(&ss->callbacks, *out);
	mutex_unlock(&ss->lock);
	return err;
}

bool callbacks_are_here(struct stack *st)
{
	struct callback_state *cs = atomic_load(&st->socket->callbacks);

	return cs && cs->thread && timer_thread_is_self(cs->thread);
}

void callbacks_end(struct stack *st)
{
	struct callback_state *cs = atomic_load(&st->socket->callbacks);
	struct callback *cb;

	if (!cs)
		return;
	if (cs->thread)
		timer_thread_stop(cs->thread);
	while ((cb = LIST_FIRST(&cs->all))) {
		callback_gone(cb, ENETDOWN);
		callback_free(cb);
	}
	atomic_store(&st->socket->callbacks, NULL);
	state_free(cs);
}

/* --- one socket's ------------------------------------------------------------------------------ */

void callback_queue(struct callback_state *cs, struct callback *cb)
{
	if (!cb->stands)
		return;
	if (!cb->is_ready) {
		TAILQ_INSERT_TAIL(&cs->ready, cb, in_ready);
		cs->nready++;
	}
	cb->is_ready = true;
	if (!cs->is_later)
		batch_later(cs->stack, BATCH_CALLBACK, &cs->later);
	cs->is_later = true;
}

/* From the socket, under its queue's lock. */
static bool callback_event(struct wait_entry *w)
{
	struct callback *cb = (struct callback *)(void *)w;

	mutex_lock(&cb->state->lock);
	callback_queue(cb->state, cb);
	mutex_unlock(&cb->state->lock);
	return true;
}

static struct callback *callback_create(struct callback_state *cs, struct socket *s)
{
	struct callback *cb = calloc(1, sizeof(*cb));

	if (!cb)
		return NULL;
	cb->state = cs;
	cb->s = socket_hold(s);
	cb->fd = atomic_load(&s->fd);
	cb->wait.fn = callback_event;
	cb->wait.events = EPOLLIN | EPOLLOUT;
	timer_init(&cb->timer, callback_timer);
	return cb;
}

void callback_free(struct callback *cb)
{
	struct callback_state *cs = cb->state;

	wait_del(cb->s, &cb->wait);
	mutex_lock(&cs->lock);
	if (cb->is_ready) {
		TAILQ_REMOVE(&cs->ready, cb, in_ready);
		cs->nready--;
	}
	LIST_REMOVE(cb, in_all);
	cb->s->callback = NULL;
	mutex_unlock(&cs->lock);
	timer_disarm(cs->wheel, &cb->timer);
	gauge_add(cs->stack, GAUGE_callbacks, -1);
	socket_put(cb->s, SOCKET_REF);
	free(cb->refused);
	free(cb);
}

/* On the queue of its socket, and only from now on known to the thread that tells. */
static void callback_stand(struct callback_state *cs, struct callback *cb)
{
	gauge_add(cs->stack, GAUGE_callbacks, 1);
	atomic_fetch_or(&cb->s->flags, SOCKET_NONBLOCK);
	wait_add(cb->s, &cb->wait);
	mutex_lock(&cs->lock);
	cb->stands = true;
	callback_queue(cs, cb);
	mutex_unlock(&cs->lock);
}

/*
 * Of two threads the second finds it done.  One that is closed meanwhile is freed by the thread that tells:
 * its close has found it, or SOCKET_UNWATCHED is seen here.
 */
int callback_attach(struct call *c, struct socket *s)
{
	struct callback_state *cs;
	struct callback *cb;
	bool mine;
	int err;

	if (s->type != SOCK_STREAM)
		return -EOPNOTSUPP;
	err = state_get(c->stack, &cs);
	if (err)
		return err;
	cb = callback_create(cs, s);
	if (!cb)
		return -ENOMEM;
	mutex_lock(&cs->lock);
	mine = !s->callback;
	if (mine) {
		s->callback = cb;
		LIST_INSERT_HEAD(&cs->all, cb, in_all);
		cb->closed = atomic_load(&s->flags) & SOCKET_UNWATCHED;
	}
	mutex_unlock(&cs->lock);
	if (mine) {
		callback_stand(cs, cb);
	} else {
		socket_put(s, SOCKET_REF);
		free(cb);
	}
	return 0;
}

void socket_callback_forget(struct socket *s)
{
	struct stack *st = atomic_load(&s->stack);
	struct callback_state *cs = st ? atomic_load(&st->socket->callbacks) : NULL;

	if (!cs)
		return;
	mutex_lock(&cs->lock);
	if (s->callback) {
		s->callback->closed = true;
		callback_queue(cs, s->callback);
	}
	mutex_unlock(&cs->lock);
}

/* --- what a program sets ----------------------------------------------------------------------- */

/* One call on a socket with callbacks. */
struct setting {
	struct call call;
	struct socket *s;
	struct callback *cb;
	int err;
};

static bool is_listener(const struct socket *s)
{
	return atomic_load_explicit(&s->sk->c.state, memory_order_relaxed) == TCP_LISTEN;
}

/*
 * Its callback, with the lock that guards it; NULL: errno is set.  The socket is in the call; whoever closed
 * it meanwhile leaves nothing to set.
 */
static struct callback *setting_begin(struct setting *g, int fd, bool listener) NO_LOCK_ANALYSIS
{
	struct callback_state *cs;
	int err;

	g->s = socket_enter(fd, &g->call, &err);
	if (!g->s) {
		socket_answer(err);
		return NULL;
	}
	err = !listener && is_listener(g->s) ? -EINVAL : callback_attach(&g->call, g->s);
	if (err) {
		socket_leave(&g->call, g->s, err);
		return NULL;
	}
	cs = atomic_load(&g->call.stack->socket->callbacks);
	mutex_lock(&cs->lock);
	g->cb = g->s->callback;
	if (g->cb)
		return g->cb;
	mutex_unlock(&cs->lock);
	socket_leave(&g->call, g->s, -EBADF);
	return NULL;
}

/* What is so already is told by what has been set now. */
static int setting_end(struct setting *g, int err) NO_LOCK_ANALYSIS
{
	struct callback_state *cs = g->cb->state;

	if (!err)
		callback_queue(cs, g->cb);
	mutex_unlock(&cs->lock);
	return (int)socket_leave(&g->call, g->s, err);
}

int weft_cb_arg(int fd, void *arg)
{
	struct setting g;

	if (!setting_begin(&g, fd, true))
		return -1;
	g.cb->fns.arg = arg;
	return setting_end(&g, 0);
}

int weft_cb_accept(int fd, int (*fn)(void *arg, int fd))
{
	struct setting g;

	if (!setting_begin(&g, fd, true))
		return -1;
	g.cb->fns.accept = fn;
	return setting_end(&g, 0);
}

int weft_cb_recv(int fd, int (*fn)(void *arg, int fd, const void *data, size_t n))
{
	struct setting g;

	if (!setting_begin(&g, fd, false))
		return -1;
	g.cb->fns.recv = fn;
	return setting_end(&g, 0);
}

int weft_cb_recved(int fd, size_t n)
{
	struct setting g;
	int err;

	if (!setting_begin(&g, fd, false))
		return -1;
	err = n > g.cb->owed ? -EINVAL : 0;
	if (!err)
		g.cb->owed -= (uint32_t)n;
	return setting_end(&g, err);
}

int weft_cb_sent(int fd, void (*fn)(void *arg, int fd, size_t n))
{
	struct setting g;

	if (!setting_begin(&g, fd, false))
		return -1;
	g.cb->fns.sent = fn;
	return setting_end(&g, 0);
}

int weft_cb_poll(int fd, void (*fn)(void *arg, int fd), unsigned interval_ms)
{
	struct setting g;

	if (!setting_begin(&g, fd, false))
		return -1;
	if (!interval_ms || interval_ms > POLL_MAX_MS)
		return setting_end(&g, -EINVAL);
	g.cb->fns.poll = fn;
	g.cb->interval = fn || g.cb->fns.event ? interval_ms * NSEC_PER_MSEC : 0;
	g.cb->poll_next = env_now(g.call.stack->env) + g.cb->interval;
	return setting_end(&g, 0);
}

int weft_cb_err(int fd, void (*fn)(void *arg, int err))
{
	struct setting g;

	if (!setting_begin(&g, fd, true))
		return -1;
	g.cb->fns.err = fn;
	return setting_end(&g, 0);
}

int weft_cb_event(int fd, int (*fn)(void *arg, const struct weft_cb_event *e))
{
	struct setting g;

	if (!setting_begin(&g, fd, true))
		return -1;
	g.cb->fns.event = fn;
	return setting_end(&g, 0);
}

/* Known to be connecting before it is, so that no byte is told before that. */
int weft_cb_connect(int fd, const struct sockaddr *addr, socklen_t len,
		    void (*fn)(void *arg, int fd, int err)) NO_LOCK_ANALYSIS
{
	struct callback_fns was;
	struct setting g;
	struct mutex *lock;
	bool before;
	int err;

	if (!setting_begin(&g, fd, true))
		return -1;
	lock = &g.cb->state->lock;
	before = g.cb->connecting;
	was = g.cb->fns;
	if (!before) {
		g.cb->fns.connected = fn;
		g.cb->begun = false;
	}
	g.cb->connecting = true;
	mutex_unlock(lock);
	err = g.s->ops->connect(&g.call, g.s, addr, len);
	if (err == -EINPROGRESS)
		err = 0;
	mutex_lock(lock);
	g.cb = g.s->callback;
	if (g.cb && err && !before) {
		g.cb->connecting = false;
		g.cb->fns.connected = was.connected;
	}
	if (g.cb && !before)
		g.cb->begun = true;
	if (g.cb)
		return setting_end(&g, err);
	mutex_unlock(lock);
	return (int)socket_leave(&g.call, g.s, -EBADF);
}

int weft_cb_abort(int fd)
{
	const struct linger reset = {.l_onoff = 1};

	weft_setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return weft_close(fd);
}
