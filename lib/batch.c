/*
 * lib/batch.c - the end of a batch: what was put off, phase by phase, then the wakes.
 *
 * What a callback puts off in turn is run in the same end.  Waiters are claimed under the lock of
 * their condition and woken here, when their condition can be looked at without meeting our locks.
 */
#include "lib/batch.h"

#include <assert.h>

#include "lib/lock.h"
#include "lib/thread.h"

#define BATCH_WAKES (sizeof(((struct batch *)0)->wakes) / sizeof(((struct batch *)0)->wakes[0]))

void batch_begin(struct batch *b, struct stack *st)
{
	struct slot *s = slot_get(st);

	b->stack = st;
	b->slot = s;
	if (s->batch) {
		s->batch->depth++;
		return;
	}
	b->owed = NULL;
	b->depth = 0;
	b->phases = 0;
	b->nwakes = 0;
	thread_record.batches++;
	s->batch = b;
}

struct batch *batch_of(struct stack *st)
{
	struct batch *b = slot_get(st)->batch;

	assert(b);
	return b;
}

/*
 * Said before it is read and looked at after: another's reading in between is seen, however long this thread was kept
 * away from its own.
 */
uint64_t batch_clock(struct stack *st)
{
	struct slot *s = slot_get(st);
	uint64_t now;

	do {
		if (atomic_load_explicit(&st->clock, memory_order_relaxed) != s)
			atomic_store(&st->clock, s);
		now = env_now(st->env);
	} while (atomic_load(&st->clock) != s);
	if (s->batch) {
		s->now = now;
		s->written = 0;
	}
	return now;
}

void batch_later(struct stack *st, enum batch_phase phase, struct later *l)
{
	struct batch *b = batch_of(st);

	l->next = NULL;
	if (b->phases & 1u << phase)
		*b->later[phase].tail = l;
	else
		b->later[phase].head = l;
	b->later[phase].tail = &l->next;
	b->phases |= 1u << phase;
}

void batch_wake(struct stack *st, struct waiter *w)
{
	struct batch *b = batch_of(st);
	uint32_t found = waiter_claim(w);

	if (!waiter_sleeps(found))
		return;
	if (b->owed && atomic_load_explicit(&w->hot, memory_order_relaxed) &&
	    !atomic_exchange(&w->owed, b->owed))
		atomic_fetch_add(b->owed, 1);
	if (b->nwakes == BATCH_WAKES) {
		st->env->ops->wake(st->env, w, found);
		return;
	}
	b->wakes[b->nwakes].waiter = w;
	b->wakes[b->nwakes].found = found;
	b->nwakes++;
}

/* The first of the earliest phase that has one. */
static struct later *batch_take(struct batch *b)
{
	unsigned p = (unsigned)__builtin_ctz(b->phases);
	struct later *l = b->later[p].head;

	b->later[p].head = l->next;
	if (!l->next)
		b->phases &= ~(1u << p);
	return l;
}

void batch_end(struct batch *b)
{
	struct env *e = b->stack->env;

	if (b->slot->batch != b) {
		assert(b->slot->batch && b->slot->batch->depth > 0);
		b->slot->batch->depth--;
		return;
	}
	assert(b->depth == 0 && thread_record.batches);
	lock_rank_none();
	while (b->phases) {
		struct later *l = batch_take(b);

		l->fn(l);
	}
	lock_rank_none();
	b->slot->batch = NULL;
	b->slot->now = 0;
	thread_record.batches--;
	for (unsigned i = 0; i < b->nwakes; i++)
		e->ops->wake(e, b->wakes[i].waiter, b->wakes[i].found);
}
