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

int call_enter(struct call *c, struct socket *s)
{
	c->stack = atomic_load(&s->stack);
	if (!c->stack)
		return -ENETDOWN;
	batch_begin(&c->batch, c->stack);
	return 0;
}

int call_begin(struct call *c, struct socket *s)
{
	struct stack *st = atomic_load(&s->stack);

	if (st && atomic_load(&st->down))
		return -ENETDOWN;
	return call_enter(c, s);
}

void call_end(struct call *c)
{
	batch_end(&c->batch);
}

struct waiter *stack_waiter(struct stack *st)
{
	return &slot_get(st)->waiter;
}
