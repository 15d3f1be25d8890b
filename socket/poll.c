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

/* One element of the caller's array that is ours. */
struct poll_entry {
	struct socket *s; /* NULL: a kernel descriptor, or none */
	struct wait_entry wait;
};

struct poll {
	struct pollfd *fds;         /* the caller's */
	struct pollfd *kernel;      /* a copy in which ours are -1 */
	struct poll_entry *entries; /* one each */
	unsigned n, nkernel;
	struct stack *stack; /* of the first socket; NULL: none is ours */
	struct waiter *waiter;
};

static short poll_socket(struct socket *s, short events)
{
	struct stack *st = atomic_load(&s->stack);
	struct call c;
	uint32_t ev;

	if (!st || call_begin(&c, st))
		return POLLERR | POLLHUP;
	ev = s->ops->poll(s);
	call_end(&c);
	if (atomic_load(&s->flags) & SOCKET_CLOSED)
		return POLLNVAL;
	return (short)(ev & ((uint16_t)events | EPOLLERR | EPOLLHUP));
}

/* How many have something to tell: ours asked now, the kernel's from the last wait. */
static int poll_look(struct poll *p)
{
	int ready = 0;

	for (unsigned i = 0; i < p->n; i++) {
		struct pollfd *f = &p->fds[i];

		if (p->entries[i].s)
			f->revents = poll_socket(p->entries[i].s, f->events);
		else if (f->fd >= WEFT_FD_FIRST)
			f->revents = POLLNVAL;
		else
			f->revents = p->kernel[i].revents;
		ready += f->revents != 0;
	}
	return ready;
}

static void poll_enter(struct poll *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct poll_entry *e = &p->entries[i];
		struct stack *st;

		p->kernel[i] = (struct pollfd){.fd = -1, .events = p->fds[i].events};
		if (p->fds[i].fd < WEFT_FD_FIRST) {
			p->kernel[i].fd = p->fds[i].fd;
			p->nkernel += p->fds[i].fd >= 0;
			continue;
		}
		e->s = fd_get(p->fds[i].fd);
		st = e->s ? atomic_load(&e->s->stack) : NULL;
		if (st && !p->stack)
			p->stack = st;
	}
	if (!p->stack)
		return;
	p->waiter = stack_waiter(p->stack);
	for (unsigned i = 0; i < p->n; i++) {
		struct poll_entry *e = &p->entries[i];

		if (!e->s)
			continue;
		e->wait.waiter = p->waiter;
		e->wait.events = (uint16_t)p->fds[i].events;
		wait_add(e->s, &e->wait);
	}
}

static void poll_exit(struct poll *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct poll_entry *e = &p->entries[i];

		if (!e->s)
			continue;
		if (e->wait.waiter)
			wait_del(e->s, &e->wait);
		socket_put(e->s);
	}
}

/* Sleeps and looks until something is ready, the time is over or the call is interrupted. */
static int poll_wait(struct poll *p, uint64_t deadline)
{
	int ready, r = 0;

	for (;;) {
		waiter_reset(p->waiter);
		ready = poll_look(p);
		/* Ours are ready before any sleep: the kernel's are told too, or a busy socket would hide them. */
		if (ready && p->nkernel && r <= 0 && poll(p->kernel, p->n, 0) > 0)
			ready = poll_look(p);
		if (ready || r == -ETIMEDOUT)
			return ready;
		if (r < 0)
			return r;
		if (atomic_load(&p->waiter->cancel))
			return -EINTR;
		if (atomic_load(&p->stack->down))
			return -ENETDOWN;
		r = netdev_wait(p->stack, p->waiter, p->nkernel ? p->kernel : NULL,
				p->nkernel ? (int)p->n : 0, deadline);
	}
}

static int poll_run(struct poll *p, int timeout_ms)
{
	uint64_t deadline = ENV_NEVER;
	struct call c;
	int r;

	poll_enter(p);
	if (!p->stack) {
		r = poll_look(p);
		if (!r)
			r = poll(p->kernel, p->n, timeout_ms) < 0 ? -errno : poll_look(p);
		return r;
	}
	r = call_begin(&c, p->stack);
	if (r)
		return r;
	batch_end(&c.batch);
	if (timeout_ms >= 0)
		deadline = env_now(p->stack->env) + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	r = poll_wait(p, deadline);
	batch_begin(&c.batch, p->stack);
	call_end(&c);
	return r;
}

int weft_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct poll_entry entries[POLL_ON_FRAME];
	struct pollfd kernel[POLL_ON_FRAME];
	struct poll p = {.fds = fds, .n = (unsigned)n, .entries = entries, .kernel = kernel};
	int r = -ENOMEM;

	if (slot_forked())
		r = -ENETDOWN;
	else if (n > (1u << 20))
		r = -EINVAL;
	else {
		if (n > POLL_ON_FRAME) {
			p.entries = malloc(n * sizeof(*p.entries));
			p.kernel = malloc(n * sizeof(*p.kernel));
		}
		if (p.entries && p.kernel) {
			memset(p.entries, 0, n * sizeof(*p.entries));
			r = poll_run(&p, timeout_ms);
			poll_exit(&p);
		}
		if (n > POLL_ON_FRAME) {
			free(p.entries);
			free(p.kernel);
		}
	}
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}
