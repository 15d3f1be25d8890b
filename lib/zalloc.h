/*
 * lib/zalloc.h - zeroed memory for what comes and goes with each connection or segment.
 *
 * glibc serves malloc() from a cache of the thread's own, to which free() gives, and calloc() from an arena.
 */
#pragma once
#include <stdlib.h>
#include <string.h>

/* NULL: no memory. */
static inline void *zalloc(size_t n)
{
	void *p = malloc(n);

	__asm__("" : "+r"(p)); /* gcc would make the two one calloc() again */
	return p ? memset(p, 0, n) : NULL;
}
