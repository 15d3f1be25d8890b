/*
 * lib/cell.h - small memory that comes and goes with each connection or segment.
 *
 * A thread keeps what it frees, by size, and takes from there first: no lock, and neither malloc()'s search
 * nor its joining of neighbours.  Beyond what a thread keeps it is malloc()'s.  Sanitizer builds keep nothing,
 * so that a use after free is seen.
 */
#pragma once
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/slot.h"

#ifdef WEFT_SANITIZE
enum { CELLS_KEPT = 0 };
#else
enum { CELLS_KEPT = 64 }; /* of a size */
#endif

static inline size_t cell_class(size_t n)
{
	assert(n > 0 && n <= CELL_MAX);
	return (n + CELL_STEP - 1 - CELL_FIRST) / CELL_STEP;
}

/* What malloc() is asked for where n are wanted. */
static inline size_t cell_size(size_t n)
{
	return cell_class(n) * CELL_STEP + CELL_FIRST;
}

/* At most CELL_MAX bytes; NULL: no memory. */
static inline void *cell_alloc(struct stack *st, size_t n)
{
	struct cells *c = &slot_get(st)->cells[cell_class(n)];
	struct free_cell *p = c->first;

	if (!p)
		return malloc(cell_size(n));
	c->first = p->next;
	c->count--;
	return p;
}

/* Zeroes. */
static inline void *cell_zalloc(struct stack *st, size_t n)
{
	void *p = cell_alloc(st, n);

	__asm__("" : "+r"(p)); /* gcc would make malloc() and memset() one calloc() */
	return p ? memset(p, 0, n) : NULL;
}

/* n as it was asked for; p may be NULL. */
static inline void cell_free(struct stack *st, void *p, size_t n)
{
	struct cells *c = &slot_get(st)->cells[cell_class(n)];
	struct free_cell *it = p;

	if (!p || c->count + 1 > CELLS_KEPT) {
		free(p);
		return;
	}
	it->next = c->first;
	c->first = it;
	c->count++;
}
