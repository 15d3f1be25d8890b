/*
 * lib/lock.h - the two kinds of lock, and the rank check.
 *
 * struct mutex: short critical sections, ranked; a thread takes them in rising rank only (walking
 * down the rooms) and debug builds stop when it does not.  struct lock: the lock of a sock, one
 * word, which device, timer and ICMP never wait for: they leave a work bit with whoever holds it.
 *
 * docs/locking.md is the one list of every lock and its rank.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define CAPABILITY(x) __attribute__((capability(x)))
#define REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define TRY_ACQUIRE(...) __attribute__((try_acquire_capability(__VA_ARGS__)))
#define NO_LOCK_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(x)
#define REQUIRES(...)
#define ACQUIRE(...)
#define RELEASE(...)
#define TRY_ACQUIRE(...)
#define NO_LOCK_ANALYSIS
#endif

/* Lower is taken first.  Two of one rank at once: only listener, then its child. */
enum lock_rank {
	RANK_STACK,  /* start and stop of a stack */
	RANK_LIVING, /* the list of living stacks, lib/slot.c */
	RANK_FD,     /* descriptor table */
	RANK_EPOLL,  /* an epoll instance: socks are asked under it */
	RANK_SOCK,   /* struct lock of a listener or any sock */
	RANK_CHILD,  /* struct lock of a listener's child */
	RANK_BUCKET, /* a bucket of a socket or port table */
	RANK_REASM,  /* a bucket of the reassembly table */
	RANK_PMTU,   /* path-MTU exceptions */
	RANK_ROUTE,  /* route table */
	RANK_IFADDR, /* addresses of a device */
	RANK_NEIGH,  /* a neighbour entry or bucket */
	RANK_DEV,    /* device list; a device's transmit side where it needs one */
	RANK_LEAF, /* timer wheel, wait queues, pools, log: nothing but the next is taken under these */
	RANK_READY, /* wait queue and ready list of an epoll instance, under a socket's wait queue */
};

/* The rank check, for both kinds; nothing in a build with NDEBUG. */
#ifndef NDEBUG
void lock_rank_push(enum lock_rank rank, const void *lock);
void lock_rank_pop(const void *lock);
/* Asserts that the thread holds nothing: before a sleep, at a batch's end. */
void lock_rank_none(void);
#else
static inline void lock_rank_push(enum lock_rank rank, const void *lock)
{
}

static inline void lock_rank_pop(const void *lock)
{
}

static inline void lock_rank_none(void)
{
}
#endif

/* A word for the futex: taken and given back by one atomic operation each while nobody waits. */
enum mutex_word {
	MUTEX_FREE,
	MUTEX_HELD,
	MUTEX_WANTED, /* held, and somebody may sleep */
};

struct CAPABILITY("mutex") mutex {
	_Atomic uint32_t word; /* enum mutex_word */
	uint8_t rank;
};

#define MUTEX_INITIALIZER(rank_)                                                                   \
	{                                                                                          \
		.word = MUTEX_FREE, .rank = (rank_)                                                \
	}

void mutex_init(struct mutex *m, enum lock_rank rank);
void mutex_fini(struct mutex *m);
void mutex_wait(struct mutex *m); /* mutex_lock() of one that is held */
void mutex_wake(struct mutex *m);

static inline NO_LOCK_ANALYSIS void mutex_lock(struct mutex *m) ACQUIRE(m)
{
	uint32_t none = MUTEX_FREE;

	lock_rank_push((enum lock_rank)m->rank, m);
	if (!atomic_compare_exchange_strong_explicit(&m->word, &none, MUTEX_HELD,
						     memory_order_acquire, memory_order_relaxed))
		mutex_wait(m);
}

static inline NO_LOCK_ANALYSIS void mutex_unlock(struct mutex *m) RELEASE(m)
{
	lock_rank_pop(m);
	if (atomic_exchange_explicit(&m->word, MUTEX_FREE, memory_order_release) == MUTEX_WANTED)
		mutex_wake(m);
}

/*
 * The sock lock.  Bit 0 held, bit 1 programs sleep on it, from bit 8 work left by those who found
 * it held.  All holders are alike; only program calls sleep (lock_take).
 */
#define LOCK_HELD 1u
#define LOCK_SLEEPERS 2u
#define LOCK_WORK(n) (0x100u << (n))
#define LOCK_WORK_MASK 0xffffff00u

struct CAPABILITY("lock") lock {
	_Atomic uint32_t word;
};

void lock_take(struct lock *l, enum lock_rank rank) ACQUIRE(l);
/* True: taken, with the work bits still set for the drop to find.  False: held, the bits are left.
 */
bool lock_take_or_leave(struct lock *l, uint32_t work, enum lock_rank rank) TRY_ACQUIRE(true, l);
/* Dropped, if there is no work in it and nobody sleeps; false: lock_drop(). */
static inline bool lock_drop_idle(struct lock *l) NO_LOCK_ANALYSIS
{
	uint32_t held = LOCK_HELD;

	if (!atomic_compare_exchange_strong_explicit(&l->word, &held, 0, memory_order_release,
						     memory_order_relaxed))
		return false;
	lock_rank_pop(l);
	return true;
}
/* 0: dropped.  Else the work bits, now cleared, and still held: do the work, drop again. */
uint32_t lock_drop(struct lock *l) NO_LOCK_ANALYSIS;
/* Asserted by functions that say REQUIRES. */
bool lock_is_held(const struct lock *l);
