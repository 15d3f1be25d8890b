/*
 * lib/slot.c - threads and stacks find each other: slots, the list of living stacks, fork.
 *
 * The list, the key whose destructor runs at a thread's end and the fork flag are the only mutable
 * globals of this room beside the __thread record.
 */
#include "lib/slot.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cell.h"

__thread struct thread_record thread_record;

/*
 * LOCKING
 *	l	lock		a	atomic		o	once
 */
static struct {
	struct mutex lock;
	struct stack *stacks;   /* l: linked by stack->next */
	uint64_t last_id;       /* l */
	_Atomic unsigned count; /* a: living stacks, for the fork handler, which may take no lock */
	_Atomic bool forked;    /* a */
	pthread_once_t once;
	pthread_key_t key; /* o: its destructor gives slots back */
	bool key_made;     /* o */
} living = {
    .lock = MUTEX_INITIALIZER(RANK_LIVING),
    .once = PTHREAD_ONCE_INIT,
};

static void slot_give_back(struct slot *s)
{
	struct stack *st = s->stack;

	assert(!s->batch);
	if (st->slot_release)
		st->slot_release(s);
	atomic_store_explicit(&s->owner, NULL, memory_order_release);
}

/* The key's destructor.  Should a later destructor enter a stack again, it sets the key again. */
static void thread_end(void *record)
{
	struct stack *st;
	struct slot *s;

	if (slot_forked())
		return;
	mutex_lock(&living.lock);
	for (st = living.stacks; st; st = st->next) {
		for (s = atomic_load(&st->slots); s; s = s->next) {
			if (atomic_load_explicit(&s->owner, memory_order_relaxed) == record)
				slot_give_back(s);
		}
	}
	mutex_unlock(&living.lock);
	thread_record.last = (struct thread_slot){0};
	memset(thread_record.cache, 0, sizeof(thread_record.cache));
}

static void fork_child(void)
{
	if (atomic_load(&living.count))
		atomic_store(&living.forked, true);
}

static void living_once(void)
{
	living.key_made = pthread_key_create(&living.key, thread_end) == 0;
	pthread_atfork(NULL, NULL, fork_child);
}

bool slot_forked(void)
{
	return atomic_load_explicit(&living.forked, memory_order_relaxed);
}

void slot_init(struct stack *st)
{
	pthread_once(&living.once, living_once);
	mutex_lock(&living.lock);
	st->id = ++living.last_id;
	st->next = living.stacks;
	st->living = true;
	living.stacks = st;
	atomic_fetch_add(&living.count, 1);
	mutex_unlock(&living.lock);
}

void slot_fini(struct stack *st)
{
	struct stack **p;
	struct slot *s;

	mutex_lock(&living.lock);
	if (st->living) {
		for (p = &living.stacks; *p != st; p = &(*p)->next)
			;
		*p = st->next;
		st->living = false;
		atomic_fetch_sub(&living.count, 1);
		for (s = atomic_load(&st->slots); s && st->slot_release; s = s->next)
			st->slot_release(s);
	}
	mutex_unlock(&living.lock);
}

void slot_free(struct stack *st)
{
	struct slot *s, *next;

	for (s = atomic_exchange(&st->slots, NULL); s; s = next) {
		next = s->next;
		waiter_fini(&s->waiter);
		cells_free(s);
		free(s);
	}
	cells_free_bundles(st);
}

static struct slot *slot_create(struct stack *st)
{
	size_t size = (sizeof(struct slot) + 63) & ~(size_t)63;
	struct slot *s = aligned_alloc(64, size), *head;

	if (!s) {
		fputs("weft: no memory for a thread's slot\n", stderr);
		abort();
	}
	memset(s, 0, size);
	waiter_init(&s->waiter);
	s->stack = st;
	atomic_init(&s->owner, &thread_record);
	head = atomic_load(&st->slots);
	do {
		s->next = head;
		s->number = head ? head->number + 1 : 0;
	} while (!atomic_compare_exchange_weak(&st->slots, &head, s));
	return s;
}

/* One that a finished thread left; acquire: with all that thread wrote into it. */
static struct slot *slot_reuse(struct stack *st)
{
	struct thread_record *none;
	struct slot *s;

	for (s = atomic_load(&st->slots); s; s = s->next) {
		none = NULL;
		if (atomic_compare_exchange_strong(&s->owner, &none, &thread_record)) {
			atomic_store(&s->waiter.cancel, false);
			s->rhythm = (struct rhythm){0};
			s->landing = NULL;
			return s;
		}
	}
	return NULL;
}

static struct slot *slot_find(struct stack *st)
{
	struct slot *s;

	for (s = atomic_load(&st->slots); s; s = s->next) {
		if (atomic_load_explicit(&s->owner, memory_order_relaxed) == &thread_record)
			return s;
	}
	s = slot_reuse(st);
	if (!s)
		s = slot_create(st);
	if (living.key_made)
		pthread_setspecific(living.key, &thread_record);
	return s;
}

struct slot *slot_enter(struct stack *st)
{
	struct thread_slot *known = &thread_record.cache[st->id & (THREAD_SLOTS - 1)];

	if (known->id != st->id)
		*known = (struct thread_slot){.id = st->id, .slot = slot_find(st)};
	thread_record.last = *known;
	return known->slot;
}
