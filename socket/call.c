/*
 * socket/call.c - a program call's way into the stack and out again.
 *
 * weft_stop() sets stack->down and then waits until no slot counts a call; a call counts itself and
 * then looks at down.  Both sequentially consistent: one of the two sees the other.
 */
#include <errno.h>

#include "lib/stack.h"
#include "socket/socket_priv.h"

int call_begin(struct call *c, struct stack *st)
{
	c->stack = st;
	c->slot = slot_get(st);
	atomic_store(&c->slot->calls,
		     atomic_load_explicit(&c->slot->calls, memory_order_relaxed) + 1);
	if (atomic_load(&st->down)) {
		atomic_fetch_sub(&c->slot->calls, 1);
		return -ENETDOWN;
	}
	batch_begin(&c->batch, st);
	return 0;
}

void call_end(struct call *c)
{
	batch_end(&c->batch);
	atomic_fetch_sub_explicit(&c->slot->calls, 1, memory_order_release);
}

struct waiter *stack_waiter(struct stack *st)
{
	return &slot_get(st)->waiter;
}
