/*
 * ip/hook.c - the five points where a packet filter looks.
 *
 * A list only grows, and a hook's `next` is set before the hook can be seen: walked without a lock.
 */
#include "ip/hook.h"

#include <assert.h>

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

enum hook_verdict hook_run(struct stack *st, enum hook_point at, struct pkbuf *b,
			   const struct hook_io *io)
{
	struct hook *h = atomic_load_explicit(&st->ip->hook[at], memory_order_acquire);
	enum hook_verdict verdict = HOOK_ACCEPT;

	for (; h && verdict == HOOK_ACCEPT; h = h->next)
		verdict = h->fn(h, b, io);
	return verdict;
}
