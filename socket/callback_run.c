/*
 * socket/callback_run.c - the thread that tells: looks at each socket on the ready list and calls the program.
 *
 * Every look is a call of its own; the program is called between them, with no lock held and no batch open.
 * Only one thread is here at a time, so what it alone uses has no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "socket/callback_priv.h"
#include "tcp/tcp.h"

#define CALLBACK_ROUNDS 4    /* reads a turn: then others have theirs */
#define CALLBACK_ACCEPTS 16u /* likewise */

/* What a socket is found to be. */
struct look {
	struct callback_fns fns;
	unsigned state; /* enum tcp_state_name */
	uint32_t ev;
	uint64_t acked;
	bool connecting, begun;
	bool broken; /* by an error that no connect() is to tell: it was a connection */
};

static bool callback_enter(struct callback *cb, struct call *c)
{
	atomic_fetch_add(&cb->s->refs, SOCKET_CALL);
	if (!call_begin(c, cb->s))
		return true;
	socket_put(cb->s, SOCKET_CALL);
	return false;
}

static void callback_leave(struct callback *cb, struct call *c)
{
	call_end(c);
	socket_put(cb->s, SOCKET_CALL);
}

/* Comes again by itself: run_poll() arms the timer. */
static void callback_retry(struct callback *cb)
{
	cb->retry = env_now(cb->state->stack->env) + CALLBACK_RETRY_NS;
}

void callback_timer(struct timer *t)
{
	struct callback *cb = (struct callback *)((char *)t - offsetof(struct callback, timer));

	mutex_lock(&cb->state->lock);
	callback_queue(cb->state, cb);
	mutex_unlock(&cb->state->lock);
}

/* At once, but behind the others. */
static void callback_again(struct callback *cb)
{
	struct call c;

	if (!callback_enter(cb, &c))
		return;
	mutex_lock(&cb->state->lock);
	callback_queue(cb->state, cb);
	mutex_unlock(&cb->state->lock);
	callback_leave(cb, &c);
}

/* --- calling the program ----------------------------------------------------------------------- */

static int tell_one(const struct callback_fns *f, const struct weft_cb_event *e)
{
	if (f->event)
		return f->event(f->arg, e);
	if (e->type == WEFT_CB_RECV && f->recv)
		return f->recv(f->arg, e->fd, e->data, e->n);
	if (e->type == WEFT_CB_ACCEPT && f->accept)
		return f->accept(f->arg, e->fd);
	if (e->type == WEFT_CB_SENT && f->sent)
		f->sent(f->arg, e->fd, e->n);
	else if (e->type == WEFT_CB_POLL && f->poll)
		f->poll(f->arg, e->fd);
	else if (e->type == WEFT_CB_CONNECTED && f->connected)
		f->connected(f->arg, e->fd, e->err);
	else if (e->type == WEFT_CB_ERR && f->err)
		f->err(f->arg, e->err);
	return 0;
}

/*
 * By what is set now, and to that same is owed what it is told; what is closed is told nothing.  A connection
 * that nobody is told of is refused.
 */
static int callback_tell_owed(struct callback *cb, struct weft_cb_event e, uint32_t owed)
{
	struct callback_fns f;
	bool closed;

	mutex_lock(&cb->state->lock);
	f = cb->fns;
	closed = cb->closed;
	if (f.recv || f.event)
		cb->owed += owed;
	mutex_unlock(&cb->state->lock);
	if (e.type == WEFT_CB_ACCEPT)
		closed |= !f.accept && !f.event;
	else
		e.fd = cb->fd;
	if (closed)
		return e.type == WEFT_CB_ACCEPT;
	return tell_one(&f, &e);
}

static int callback_tell(struct callback *cb, struct weft_cb_event e)
{
	return callback_tell_owed(cb, e, 0);
}

/* Takes the descriptor away.  False: it was another's already. */
static bool callback_close(struct callback *cb)
{
	atomic_fetch_add(&cb->s->refs, SOCKET_CALL);
	if (!fd_remove_socket(cb->fd, cb->s))
		return false;
	socket_close(cb->s);
	return true;
}

void callback_gone(struct callback *cb, int err)
{
	struct callback_fns f;

	mutex_lock(&cb->state->lock);
	f = cb->fns;
	mutex_unlock(&cb->state->lock);
	if (callback_close(cb))
		tell_one(&f,
			 &(struct weft_cb_event){.type = WEFT_CB_ERR, .fd = cb->fd, .err = err});
}

/* --- what may have happened -------------------------------------------------------------------- */

static bool callback_look(struct callback *cb, struct look *k)
{
	struct sock *sk;
	struct call c;

	if (!callback_enter(cb, &c))
		return false;
	mutex_lock(&cb->state->lock);
	k->fns = cb->fns;
	k->connecting = cb->connecting;
	k->begun = cb->begun;
	mutex_unlock(&cb->state->lock);
	sk = cb->s->sk;
	sock_lock(sk);
	k->state = atomic_load_explicit(&sk->c.state, memory_order_relaxed);
	k->ev = sk->ops->poll(sk);
	k->broken = (k->ev & EPOLLERR) && !(atomic_load(&cb->s->flags) & SOCKET_CONNECTING);
	k->acked = k->state == TCP_LISTEN ? 0 : tcp_bytes_acked(sk);
	if (k->fns.sent || k->fns.event)
		sk->flags |= SOCK_ACK_EVENTS;
	sock_unlock(sk);
	callback_leave(cb, &c);
	return true;
}

/*
 * The child begins with its listener's arg and event function, and as a connection, though it may be reset by now.  Its
 * descriptor, with a reference to *out; or -errno.
 */
static int accept_one(struct callback *cb, const struct callback_fns *f, struct socket **out)
{
	struct call c, cc;
	struct socket *child;
	int fd, err;

	if (!callback_enter(cb, &c))
		return -ENETDOWN;
	fd = socket_accept(&c, cb->s, NULL, NULL, SOCK_NONBLOCK);
	callback_leave(cb, &c);
	if (fd < 0)
		return fd;
	child = socket_enter(fd, &cc, &err);
	if (!child) { /* the stack ends */
		weft_close(fd);
		return err;
	}
	err = callback_attach(&cc, child);
	mutex_lock(&cb->state->lock);
	if (child->callback) {
		child->callback->fns.arg = f->arg;
		child->callback->fns.event = f->event;
		child->callback->open = true;
	}
	mutex_unlock(&cb->state->lock);
	if (!err)
		*out = socket_hold(child);
	socket_leave(&cc, child, 0);
	if (err)
		weft_close(fd);
	return err ? err : fd;
}

/* Resets it, unless the program has closed it: then its number may be another socket's. */
static void accept_refuse(struct socket *child, int fd)
{
	const struct linger reset = {.l_onoff = 1};
	struct call c;

	atomic_fetch_add(&child->refs, SOCKET_CALL);
	if (!call_begin(&c, child)) {
		socket_setopt(child, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		call_end(&c);
	}
	if (fd_remove_socket(fd, child))
		socket_close(child);
}

/* A connection stays where it is while nobody wants it; the last one's callback may have set others. */
static bool listener_wants(struct callback *cb, struct callback_fns *f)
{
	mutex_lock(&cb->state->lock);
	*f = cb->fns;
	mutex_unlock(&cb->state->lock);
	return f->accept || f->event;
}

static void run_listener(struct callback *cb)
{
	struct socket *child = NULL;
	struct callback_fns f;
	int fd;

	for (unsigned i = 0; i < CALLBACK_ACCEPTS; i++) {
		if (!listener_wants(cb, &f))
			return;
		fd = accept_one(cb, &f, &child);
		if (fd == -EMFILE || fd == -ENOBUFS || fd == -ENOMEM)
			callback_retry(cb);
		if (fd < 0)
			return;
		if (callback_tell(cb, (struct weft_cb_event){.type = WEFT_CB_ACCEPT, .fd = fd}))
			accept_refuse(child, fd);
		socket_put(child, SOCKET_REF);
	}
	callback_again(cb);
}

static void run_connecting(struct callback *cb, const struct look *k)
{
	struct call c;
	int err;

	if (!k->begun || !(k->ev & (EPOLLOUT | EPOLLERR | EPOLLHUP)) || !callback_enter(cb, &c))
		return;
	err = inet_lock(cb->s);
	if (!err) {
		err = inet_connect_wait(&c, cb->s);
		inet_unlock(cb->s);
	}
	if (err != -EINPROGRESS) {
		mutex_lock(&cb->state->lock);
		cb->connecting = false;
		callback_queue(cb->state, cb);
		mutex_unlock(&cb->state->lock);
	}
	callback_leave(cb, &c);
	cb->open |= !err;
	if (err != -EINPROGRESS)
		callback_tell(cb, (struct weft_cb_event){.type = WEFT_CB_CONNECTED, .err = -err});
}

static void run_sent(struct callback *cb, const struct look *k)
{
	uint64_t n = k->acked - cb->acked;

	cb->acked = k->acked;
	if (n)
		callback_tell(cb, (struct weft_cb_event){.type = WEFT_CB_SENT, .n = n});
}

/* --- bytes ------------------------------------------------------------------------------------- */

static ssize_t read_some(struct callback *cb, uint32_t most)
{
	struct iovec v = {.iov_base = cb->state->buf, .iov_len = most};
	struct sock_msg m = {.iov = &v, .niov = 1, .len = most, .flags = MSG_DONTWAIT};
	struct call c;
	ssize_t r;

	if (!callback_enter(cb, &c))
		return -ENETDOWN;
	r = cb->s->ops->recv(&c, cb->s, &m);
	callback_leave(cb, &c);
	return r;
}

/* Tells n bytes; those refused are kept, and owed already when told again.  False: they were. */
static bool tell_bytes(struct callback *cb, const uint8_t *bytes, uint32_t n)
{
	struct weft_cb_event e = {.type = WEFT_CB_RECV, .data = bytes, .n = n};

	if (!callback_tell_owed(cb, e, cb->refused ? 0 : n)) {
		free(cb->refused);
		cb->refused = NULL;
		return true;
	}
	callback_retry(cb);
	if (cb->refused)
		return false;
	cb->refused = malloc(n);
	cb->nrefused = n;
	if (cb->refused)
		memcpy(cb->refused, bytes, n);
	else
		callback_gone(cb, ENOBUFS);
	return false;
}

/* How much may be told now; what nobody asked for is not owed. */
static uint32_t recv_room(struct callback *cb)
{
	uint32_t owed = 0;

	mutex_lock(&cb->state->lock);
	if (cb->fns.recv || cb->fns.event)
		owed = cb->owed;
	else
		cb->owed = 0;
	mutex_unlock(&cb->state->lock);
	return WEFT_CB_WINDOW - owed;
}

static void recv_end(struct callback *cb, const struct look *k)
{
	cb->ended = true;
	if (k->fns.recv || k->fns.event)
		callback_tell(cb, (struct weft_cb_event){.type = WEFT_CB_RECV});
	else
		callback_close(cb);
}

/* True: there may be more, and room for it. */
static bool run_recv(struct callback *cb, const struct look *k)
{
	uint32_t room;
	ssize_t r;

	for (int i = 0; i < CALLBACK_ROUNDS && !cb->ended; i++) {
		if (cb->refused && !tell_bytes(cb, cb->refused, cb->nrefused))
			return false;
		room = recv_room(cb);
		r = room ? read_some(cb, room) : -EAGAIN;
		if (r == 0)
			recv_end(cb, k);
		if (r < 0 && r != -EAGAIN && r != -EBADF && r != -ENETDOWN && r != -ENOTCONN)
			callback_gone(cb, (int)-r);
		if (r <= 0)
			return false;
		if (!tell_bytes(cb, cb->state->buf, (uint32_t)r))
			return false;
	}
	return !cb->ended;
}

/* An error that no read has found: behind the peer's end, or when there is no room to read. */
static void run_error(struct callback *cb)
{
	struct call c;
	int err;

	if (!callback_enter(cb, &c))
		return;
	sock_lock(cb->s->sk);
	err = sock_take_error(cb->s->sk);
	sock_unlock(cb->s->sk);
	callback_leave(cb, &c);
	if (err)
		callback_gone(cb, -err);
}

static void run_stream(struct callback *cb, const struct look *k)
{
	cb->open = true;
	run_sent(cb, k);
	if (run_recv(cb, k))
		callback_again(cb);
	else if (k->ev & EPOLLERR)
		run_error(cb);
}

/* --- one turn ---------------------------------------------------------------------------------- */

/* Tells a poll that is due, and comes again for the next one or for what is to be tried again. */
static void run_poll(struct callback *cb)
{
	uint64_t now = env_now(cb->state->stack->env), next = cb->retry;
	bool due = false;

	mutex_lock(&cb->state->lock);
	if (cb->interval && !cb->closed) {
		due = now >= cb->poll_next;
		if (due)
			cb->poll_next = now + cb->interval;
		if (next > cb->poll_next)
			next = cb->poll_next;
	}
	mutex_unlock(&cb->state->lock);
	if (due)
		callback_tell(cb, (struct weft_cb_event){.type = WEFT_CB_POLL});
	if (next != ENV_NEVER)
		timer_arm(cb->state->wheel, &cb->timer, next);
}

static void callback_run(struct callback *cb)
{
	struct look k;

	cb->retry = ENV_NEVER;
	if (!callback_look(cb, &k))
		return;
	if (k.state == TCP_LISTEN)
		run_listener(cb);
	else if (k.connecting)
		run_connecting(cb, &k);
	else if (cb->open || k.broken || (k.state != TCP_CLOSE && k.state != TCP_SYN_SENT))
		run_stream(cb, &k);
	run_poll(cb);
}

/* The first on the ready list, off it; *closed: it is to be freed. */
static struct callback *callback_take(struct callback_state *cs, bool *closed)
{
	struct callback *cb;

	mutex_lock(&cs->lock);
	cb = TAILQ_FIRST(&cs->ready);
	if (cb) {
		TAILQ_REMOVE(&cs->ready, cb, in_ready);
		cs->nready--;
		cb->is_ready = false;
		*closed = cb->closed;
	}
	mutex_unlock(&cs->lock);
	return cb;
}

static unsigned callbacks_count(struct callback_state *cs)
{
	unsigned n;

	mutex_lock(&cs->lock);
	n = cs->nready;
	mutex_unlock(&cs->lock);
	return n;
}

/* Those that are ready now; who becomes so meanwhile has the next turn. */
void callbacks_run(void *state)
{
	struct callback_state *cs = state;
	struct callback *cb;
	bool closed = false;

	for (unsigned left = callbacks_count(cs); left && (cb = callback_take(cs, &closed));
	     left--) {
		if (closed)
			callback_free(cb);
		else
			callback_run(cb);
	}
	if (callbacks_count(cs))
		env_alarm(cs->stack->env, &cs->alarm, env_now(cs->stack->env));
}
