/*
 * lib/waiter.c - the waiter's word: who sleeps says so, who wakes exchanges it and acts on what it
 * found.
 *
 * Claim and sleep meet in one atomic word, so a wake between the reset and the sleep is never lost,
 * and only a sleeper costs its waker a system call.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/env.h"

void waiter_init(struct waiter *w)
{
	atomic_init(&w->word, WAITER_IDLE);
	atomic_init(&w->cancel, false);
	atomic_init(&w->efd, -1);
	atomic_init(&w->until, 0);
	atomic_init(&w->hot, false);
	atomic_init(&w->owed, NULL);
}

void waiter_reset(struct waiter *w)
{
	/* seq_cst: the condition is looked at after this store, as the waker looks at the word
	 * after its own */
	atomic_store(&w->word, WAITER_IDLE);
}

void waiter_fini(struct waiter *w)
{
	int fd = atomic_exchange(&w->efd, -1);

	if (fd >= 0)
		close(fd);
}

uint32_t waiter_claim(struct waiter *w)
{
	return atomic_exchange(&w->word, WAITER_WOKEN);
}

void waiter_wake(struct env *e, struct waiter *w)
{
	uint32_t found = waiter_claim(w);

	if (waiter_sleeps(found))
		e->ops->wake(e, w, found);
}

bool waiter_enter(struct waiter *w, enum waiter_word word)
{
	uint32_t idle = WAITER_IDLE;

	return atomic_compare_exchange_strong(&w->word, &idle, word);
}

bool waiter_leave(struct waiter *w, enum waiter_word word)
{
	uint32_t was = word;

	return !atomic_compare_exchange_strong(&w->word, &was, WAITER_IDLE);
}

int waiter_eventfd(struct waiter *w)
{
	int fd = atomic_load_explicit(&w->efd, memory_order_relaxed);

	if (fd >= 0)
		return fd;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	atomic_store(&w->efd, fd);
	return fd;
}

void waiter_drain(struct waiter *w)
{
	uint64_t n;

	while (read(atomic_load(&w->efd), &n, sizeof(n)) < 0 && errno == EINTR)
		;
}
