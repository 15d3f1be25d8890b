/*
 * lib/lock.c - the ranked mutex, the sock lock, and the check that ranks only rise.
 *
 * Both sleep by futex on their own word.  Of the sock lock, whoever drops it wakes one sleeper, which takes
 * it with LOCK_SLEEPERS kept, as others may sleep still; so the last one wakes nobody at most once.
 */
#include "lib/lock.h"

#include <assert.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/thread.h"

#ifndef NDEBUG
static void lock_rank_die(const char *why, unsigned rank, const void *lock)
{
	fprintf(stderr, "weft: lock %p of rank %u %s; held:", lock, rank, why);
	for (unsigned i = 0; i < thread_record.nheld; i++)
		fprintf(stderr, " %p(%u)", thread_record.held[i].lock,
			(unsigned)thread_record.held[i].rank);
	fputc('\n', stderr);
	abort();
}

void lock_rank_push(enum lock_rank rank, const void *lock)
{
	unsigned n = thread_record.nheld;

	for (unsigned i = 0; i < n; i++) {
		if (thread_record.held[i].rank >= rank)
			lock_rank_die("taken out of order", rank, lock);
	}
	if (n == THREAD_RANKS)
		lock_rank_die("is one too many", rank, lock);
	thread_record.held[n].rank = rank;
	thread_record.held[n].lock = lock;
	thread_record.nheld = n + 1;
}

void lock_rank_pop(const void *lock)
{
	unsigned i, n = thread_record.nheld;

	for (i = 0; i < n && thread_record.held[i].lock != lock; i++)
		;
	if (i == n)
		lock_rank_die("dropped by a thread that does not hold it", 0, lock);
	for (; i + 1 < n; i++)
		thread_record.held[i] = thread_record.held[i + 1];
	thread_record.nheld = n - 1;
}

void lock_rank_none(void)
{
	if (thread_record.nheld)
		lock_rank_die("held where none may be", thread_record.held[0].rank,
			      thread_record.held[0].lock);
}

static bool lock_rank_holds(const void *lock)
{
	for (unsigned i = 0; i < thread_record.nheld; i++) {
		if (thread_record.held[i].lock == lock)
			return true;
	}
	return false;
}
#else
static bool lock_rank_holds(const void *lock)
{
	return true;
}
#endif

/* --- the mutex -------------------------------------------------------------------------------- */

void mutex_init(struct mutex *m, enum lock_rank rank)
{
	atomic_init(&m->word, MUTEX_FREE);
	m->rank = (uint8_t)rank;
}

void mutex_fini(struct mutex *m)
{
	assert(atomic_load(&m->word) == MUTEX_FREE);
}

/* Whoever has slept takes it as wanted, for others may sleep still: the last wakes nobody once. */
void mutex_wait(struct mutex *m)
{
	while (atomic_exchange_explicit(&m->word, MUTEX_WANTED, memory_order_acquire) != MUTEX_FREE)
		syscall(SYS_futex, &m->word, FUTEX_WAIT_PRIVATE, MUTEX_WANTED, NULL, NULL, 0);
}

void mutex_wake(struct mutex *m)
{
	syscall(SYS_futex, &m->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* --- the sock lock ---------------------------------------------------------------------------- */

static bool lock_cas(struct lock *l, uint32_t *seen, uint32_t to)
{
	return atomic_compare_exchange_weak_explicit(&l->word, seen, to, memory_order_acq_rel,
						     memory_order_relaxed);
}

static void lock_sleep(struct lock *l, uint32_t seen)
{
	syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* Sleeps until the lock was free and is taken.  *Having* slept it leaves SLEEPERS set. */
static void lock_take_slow(struct lock *l)
{
	uint32_t w = atomic_load_explicit(&l->word, memory_order_relaxed);
	uint32_t keep = 0;

	for (;;) {
		if (!(w & LOCK_HELD)) {
			if (lock_cas(l, &w, w | LOCK_HELD | keep))
				return;
			continue;
		}
		if (!(w & LOCK_SLEEPERS) && !lock_cas(l, &w, w | LOCK_SLEEPERS))
			continue;
		lock_sleep(l, w | LOCK_SLEEPERS);
		keep = LOCK_SLEEPERS;
		w = atomic_load_explicit(&l->word, memory_order_relaxed);
	}
}

NO_LOCK_ANALYSIS void lock_take(struct lock *l, enum lock_rank rank)
{
	uint32_t none = 0;

	lock_rank_push(rank, l);
	if (!lock_cas(l, &none, LOCK_HELD))
		lock_take_slow(l);
}

NO_LOCK_ANALYSIS bool lock_take_or_leave(struct lock *l, uint32_t work, enum lock_rank rank)
{
	uint32_t w = atomic_load_explicit(&l->word, memory_order_relaxed);

	/* free or not, the work is left in the word: the drop finds it behind what came before */
	while (!lock_cas(l, &w, w | LOCK_HELD | work))
		;
	if (w & LOCK_HELD)
		return false;
	lock_rank_push(rank, l);
	return true;
}

uint32_t lock_drop(struct lock *l)
{
	uint32_t w = atomic_load_explicit(&l->word, memory_order_relaxed);

	for (;;) {
		if (w & LOCK_WORK_MASK) {
			if (lock_cas(l, &w, w & ~LOCK_WORK_MASK))
				return w & LOCK_WORK_MASK;
		} else if (lock_cas(l, &w, 0)) {
			break;
		}
	}
	lock_rank_pop(l);
	if (w & LOCK_SLEEPERS)
		syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return 0;
}

bool lock_is_held(const struct lock *l)
{
	return (atomic_load_explicit(&l->word, memory_order_relaxed) & LOCK_HELD) &&
	       lock_rank_holds(l);
}
