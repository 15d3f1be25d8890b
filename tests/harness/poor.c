/*
 * tests/harness/poor.c - see poor.h: what stands in the place of malloc(), its kin and the depot.
 */
#include "tests/harness/poor.h"

#include <stdlib.h>

#include "lib/slot.h"
#include "net/net_priv.h"
#include "tests/harness/unit.h"

void *poor_malloc(size_t n);
void *poor_calloc(size_t k, size_t n);
void *poor_realloc(void *p, size_t n);
void *poor_aligned_alloc(size_t align, size_t n);
void *__wrap_depot_take(struct slot *s, enum depot_class c, enum depot_need need);
void *__real_depot_take(struct slot *s, enum depot_class c, enum depot_need need);

/* LOCKING: one thread. */
static struct {
	enum poor_how how;
	bool on;
	unsigned at, count; /* the one that fails; those there were */
} poor;

static bool fails(void)
{
	unsigned n = poor.count;

	if (!poor.on)
		return false;
	poor.count++;
	return poor.how == POOR_ONCE ? n == poor.at : n >= poor.at;
}

void *poor_malloc(size_t n)
{
	return fails() ? NULL : malloc(n);
}

void *poor_calloc(size_t k, size_t n)
{
	return fails() ? NULL : calloc(k, n);
}

void *poor_realloc(void *p, size_t n)
{
	return fails() ? NULL : realloc(p, n);
}

/* A thread's slot is what a stack cannot do without (lib/slot.c). */
void *poor_aligned_alloc(size_t align, size_t n)
{
	bool slot = n == ((sizeof(struct slot) + 63) & ~(size_t)63);

	return !slot && fails() ? NULL : aligned_alloc(align, n);
}

void *__wrap_depot_take(struct slot *s, enum depot_class c, enum depot_need need)
{
	return fails() ? NULL : __real_depot_take(s, c, need);
}

void poor_begin(void)
{
	poor.count = 0;
	poor.on = true;
}

void poor_now(void)
{
	poor.how = POOR_ALL;
	poor.at = 0;
	poor_begin();
}

void poor_end(void)
{
	poor.on = false;
}

bool poor_pause(void)
{
	bool was = poor.on;

	poor.on = false;
	return was;
}

void poor_resume(bool was)
{
	poor.on = was;
}

bool poor_was(void)
{
	return poor.count > poor.at;
}

void poor_sweep(enum poor_how how, void (*scene)(void))
{
	poor.how = how;
	poor.at = 0;
	do {
		scene();
		ck_assert(!poor.on);
	} while (poor_was() && ++poor.at < 100000);
	ck_assert_uint_gt(poor.at, 0); /* it does ask for memory */
}
