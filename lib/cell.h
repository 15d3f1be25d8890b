/*
 * lib/cell.h - small memory that comes and goes with each connection or segment.
 *
 * A thread keeps what it frees, by size, and takes from there first: no lock, and neither malloc()'s search
 * nor its joining of neighbours.  What one thread makes another often frees, as a record whose ACK the device's
 * thread reads: who has too many hands a bundle on, and who has none takes one.  Beyond that it is malloc()'s.
 * Sanitizer builds keep nothing, so that a use after free is seen.
 */
#pragma once
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/slot.h"

#ifdef WEFT_SANITIZE
enum { CELLS_KEEP = 0 };
#else
enum { CELLS_KEEP = 1 };
#endif

struct free_cell {
	struct free_cell *next;
};

#define CELL_BUNDLE 32u /* cells that go from thread to thread together */

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

/* cell_alloc() of a thread whose list is empty, and cell_free()'s end when it is a bundle long. */
void *cells_fetch(struct slot *s, size_t class);
void cells_hand_on(struct slot *s, size_t class);
/* The last of a slot, and of a stack: to malloc(). */
void cells_free(struct slot *s);
void cells_free_bundles(struct stack *st);

/* At most CELL_MAX bytes; NULL: no memory. */
static inline void *cell_alloc(struct stack *st, size_t n)
{
	struct slot *s = slot_get(st);
	struct cells *c = &s->cells[cell_class(n)];
	struct free_cell *p = c->first;

	if (!p)
		return cells_fetch(s, cell_class(n));
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
	struct slot *s = slot_get(st);
	struct cells *c = &s->cells[cell_class(n)];
	struct free_cell *it = p;

	if (!p || !CELLS_KEEP) {
		free(p);
		return;
	}
	it->next = c->first;
	c->first = it;
	if (++c->count == CELL_BUNDLE)
		cells_hand_on(s, cell_class(n));
}
