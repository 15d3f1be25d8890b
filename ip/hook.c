/*
 * ip/hook.c - the five points where a packet filter looks.
 *
 * A list only grows, and a hook's `next` is set before the hook can be seen: walked without a lock.
 */
#include "ip/hook.h"

#include <assert.h>
#include <errno.h>

#include "ip/ip_priv.h"

void hook_register(struct stack *st, enum hook_point at, struct hook *h)
{
	_Atomic(struct hook *) *head = &st->ip->hook[at];
	struct hook *before = NULL, *next;

	assert(h->fn);
	mutex_lock(&st->ip->hook_lock);
	for (next = atomic_load(head); next && next->priority <= h->priority; next = next->next)
		before = next;
	h->next = next;
	if (before)
		before->next = h;
	else
		atomic_store(head, h);
	mutex_unlock(&st->ip->hook_lock);
}

/* From h on, which is there. */
static __attribute__((noinline)) int hook_walk(struct pkbuf *b, struct hook *h,
					       const struct hook_io *io)
{
	enum hook_verdict verdict = HOOK_ACCEPT;

	if (pkbuf_settle(b) < 0) { /* a hook may keep it */
		pkbuf_drop(b, DROP_NO_MEMORY);
		return -ENOMEM;
	}
	for (; h && verdict == HOOK_ACCEPT; h = h->next)
		verdict = h->fn(h, b, io);
	if (verdict != HOOK_DROP)
		return verdict == HOOK_STOLEN;
	pkbuf_drop(b, DROP_IP_HOOK);
	return -EPERM;
}

int hook_run(struct pkbuf *b, enum hook_point at, const struct hook_io *io)
{
	struct hook *h = atomic_load_explicit(&b->stack->ip->hook[at], memory_order_acquire);

	return h ? hook_walk(b, h, io) : 0;
}
