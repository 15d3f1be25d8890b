/*
 * socket/poll.c - weft_poll(): weft's and the kernel's descriptors in one array.
 *
 * An entry on each socket's wait queue claims this thread's waiter; the kernel's descriptors are waited
 * for beside its eventfd.  Sockets may belong to several stacks; the thread sleeps in that of the first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "socket/socket_priv.h"

#define POLL_ON_FRAME 16
#define POLL_MAX (1u << 20)

struct poll;

/* One element of the caller's array that is ours. */
struct poll_entry {
	struct socket *s; /* a reference; NULL: a kernel descriptor, or none */
	struct poll *poll;
	struct wait_entry wait;
};

struct poll {
	struct pollfd *fds;         /* the caller's */
	struct pollfd *kernel;      /* the kernel's among them, in their order */
	struct poll_entry *entries; /* one each */
	unsigned n, nkernel;
	struct socket *first; /* the socket in whose stack the thread sleeps: with a call on it */
	struct stack *stack;  /* its stack; NULL: none is ours */
	struct waiter *waiter;
};

/* How it is with a socket whose stack ends or has ended. */
#define POLL_ENDED (POLLERR | POLLHUP)

static short poll_socket(struct socket *s, short events)
{
	struct call c;
	uint32_t ev;

	if (call_begin(&c, s))
		return POLL_ENDED;
	ev = s->ops->poll(s);
	call_end(&c);
	if (atomic_load(&s->flags) & SOCKET_CLOSED)
		return POLLNVAL;
	return (short)(ev & ((uint16_t)events | EPOLLERR | EPOLLHUP));
}

/* How many have something to tell: ours asked now, the kernel's from the last wait. */
static int poll_look(struct poll *p)
{
	unsigned k = 0;
	int ready = 0;

	for (unsigned i = 0; i < p->n; i++) {
		struct pollfd *f = &p->fds[i];
		struct socket *s = p->entries[i].s;

		if (s) {
			atomic_fetch_add(&s->refs, SOCKET_CALL);
			f->revents = poll_socket(s, f->events);
			socket_put(s, SOCKET_CALL);
		} else if (f->fd >= WEFT_FD_FIRST) {
			f->revents = POLLNVAL;
		} else {
			f->revents = f->fd < 0 || k == p->nkernel ? 0 : p->kernel[k++].revents;
		}
		ready += f->revents != 0;
	}
	return ready;
}

/* A busy socket of ours must not hide the kernel's descriptors: those not `asked` yet are asked too. */
static int poll_count(struct poll *p, bool asked)
{
	int ready = poll_look(p);

	if (ready && p->nkernel && !asked && poll(p->kernel, p->nkernel, 0) > 0)
		ready = poll_look(p);
	return ready;
}

/*
 * Woken by another stack than the one it sleeps in: at once and under the queue's lock, so that no wake
 * comes when the entry is off the queue and that stack may be gone.
 */
static bool poll_wake_other(struct wait_entry *w)
{
	struct poll_entry *e = (struct poll_entry *)((char *)w - offsetof(struct poll_entry, wait));

	waiter_wake(e->poll->stack->env, e->poll->waiter);
	return true;
}

/* The references, and a call on the first socket whose stack is there. */
static void poll_get(struct poll *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct poll_entry *e = &p->entries[i];
		int fd = p->fds[i].fd;

		if (fd < 0)
			continue;
		if (fd < WEFT_FD_FIRST) {
			p->kernel[p->nkernel++] =
			    (struct pollfd){.fd = fd, .events = p->fds[i].events};
			continue;
		}
		e->s = fd_get(fd, p->stack ? SOCKET_REF : SOCKET_CALL);
		if (!e->s || p->stack)
			continue;
		p->stack = atomic_load(&e->s->stack);
		if (p->stack)
			p->first = socket_hold(e->s);
		else
			atomic_fetch_sub(&e->s->refs, SOCKET_CALL - SOCKET_REF);
	}
}

static void poll_enter(struct poll *p)
{
	poll_get(p);
	if (!p->stack)
		return;
	p->waiter = stack_waiter(p->stack);
	for (unsigned i = 0; i < p->n; i++) {
		struct poll_entry *e = &p->entries[i];

		if (!e->s)
			continue;
		e->poll = p;
		if (atomic_load(&e->s->stack) == p->stack)
			e->wait.waiter = p->waiter;
		else
			e->wait.fn = poll_wake_other;
		e->wait.events = events_wake((uint16_t)p->fds[i].events);
		wait_add(e->s, &e->wait);
	}
}

static void poll_exit(struct poll *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct poll_entry *e = &p->entries[i];

		if (!e->s)
			continue;
		if (p->stack)
			wait_del(e->s, &e->wait);
		socket_put(e->s, SOCKET_REF);
	}
	if (p->first)
		socket_put(p->first, SOCKET_CALL);
}

/*
 * Sleeps and looks until something is ready, the time is over or the call is interrupted.  What has
 * happened is looked at once more after that.
 */
static int poll_wait(struct poll *p, int timeout_ms)
{
	uint64_t deadline = timeout_ms < 0 ? ENV_NEVER : 0; /* 0: no need to sleep yet */
	int ready, r = 0;

	netdev_hold_end(p->stack);
	for (;;) {
		waiter_reset(p->waiter);
		ready = poll_count(p, r > 0);
		if (ready || r == -ETIMEDOUT)
			return ready;
		if (r < 0)
			return r;
		if (atomic_load(&p->waiter->cancel))
			return -EINTR;
		if (!deadline)
			deadline = env_now(p->stack->env) + (uint64_t)timeout_ms * NSEC_PER_MSEC;
		r = netdev_wait(p->stack, p->kernel, (int)p->nkernel, deadline);
	}
}

/* Nothing of ours that lives: the kernel's poll, unless a number is none at all. */
static int poll_kernel(struct poll *p, int timeout_ms)
{
	int r = poll_count(p, false);

	if (r)
		return r;
	r = poll(p->kernel, p->nkernel, timeout_ms);
	return r < 0 ? -errno : poll_look(p);
}

static int poll_all(struct poll *p, int timeout_ms)
{
	int r;

	memset(p->entries, 0, p->n * sizeof(*p->entries));
	poll_enter(p);
	r = p->stack ? poll_wait(p, timeout_ms) : poll_kernel(p, timeout_ms);
	poll_exit(p);
	return r;
}

int socket_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct poll_entry entries[POLL_ON_FRAME];
	struct pollfd kernel[POLL_ON_FRAME];
	struct poll p = {.fds = fds, .n = (unsigned)n, .entries = entries, .kernel = kernel};
	int r = -ENOMEM;

	if (slot_forked())
		return -ENETDOWN;
	if (n > POLL_MAX)
		return -EINVAL;
	if (!fds && n)
		return -EFAULT;
	if (n <= POLL_ON_FRAME)
		return poll_all(&p, timeout_ms);
	p.entries = malloc(n * sizeof(*p.entries));
	p.kernel = malloc(n * sizeof(*p.kernel));
	if (p.entries && p.kernel)
		r = poll_all(&p, timeout_ms);
	free(p.entries);
	free(p.kernel);
	return r;
}
