/*
 * socket/call.c - a program call's way into the stack and out again.
 *
 * A call counts itself on its socket, in the same word as its reference, and then looks whether the
 * socket's stack is still there; weft_stop() takes the stack away from the socket and then waits until
 * it counts no call.  Both sequentially consistent: one of the two sees the other.
 */
#include <errno.h>

#include "lib/stack.h"
#include "socket/socket_priv.h"

static int call_on(struct call *c, struct stack *st)
{
	c->stack = st;
	if (!st)
		return -ENETDOWN;
	batch_begin(&c->batch, st);
	return 0;
}

int call_enter(struct call *c, struct socket *s)
{
	return call_on(c, atomic_load(&s->stack));
}

int call_begin(struct call *c, struct socket *s)
{
	struct stack *st = atomic_load(&s->stack);

	if (st && atomic_load(&st->down))
		return -ENETDOWN;
	return call_on(c, st);
}

void call_end(struct call *c)
{
	batch_end(&c->batch);
}

struct waiter *stack_waiter(struct stack *st)
{
	return &slot_get(st)->waiter;
}
