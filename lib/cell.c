/*
 * lib/cell.c - bundles of small memory, from the threads that free it to those that need it.
 *
 * A thread has a list that it frees to and takes from, and a whole bundle beside it, so that one which goes to
 * and fro at the edge hands nothing on.  Between threads a stack has some places for a bundle of each size,
 * filled and emptied by one atomic operation: a bundle is taken whole, so nobody sees it twice.
 */
#include "lib/cell.h"

static void list_free(struct free_cell *c)
{
	for (struct free_cell *next; c; c = next) {
		next = c->next;
		free(c);
	}
}

static struct free_cell *bundle_take(struct stack *st, size_t class)
{
	struct free_cell *b = NULL;

	for (unsigned i = 0; i < CELL_BUNDLES && !b; i++) {
		if (atomic_load_explicit(&st->cells[class][i], memory_order_relaxed))
			b = atomic_exchange_explicit(&st->cells[class][i], NULL,
						     memory_order_acquire);
	}
	return b;
}

/* False: every place is taken. */
static bool bundle_put(struct stack *st, size_t class, struct free_cell *b)
{
	for (unsigned i = 0; i < CELL_BUNDLES; i++) {
		struct free_cell *none = NULL;

		if (!atomic_load_explicit(&st->cells[class][i], memory_order_relaxed) &&
		    atomic_compare_exchange_strong_explicit(
			&st->cells[class][i], &none, b, memory_order_release, memory_order_relaxed))
			return true;
	}
	return false;
}

void *cells_fetch(struct slot *s, size_t class)
{
	struct cells *c = &s->cells[class];
	struct free_cell *p = c->bundle;

	c->bundle = NULL;
	if (!p)
		p = bundle_take(s->stack, class);
	if (!p)
		return malloc(class * CELL_STEP + CELL_FIRST);
	c->first = p->next;
	c->count = CELL_BUNDLE - 1;
	return p;
}

void cells_hand_on(struct slot *s, size_t class)
{
	struct cells *c = &s->cells[class];
	struct free_cell *over = c->bundle;

	c->bundle = c->first;
	c->first = NULL;
	c->count = 0;
	if (over && !bundle_put(s->stack, class, over))
		list_free(over);
}

void cells_free(struct slot *s)
{
	for (size_t i = 0; i < CELL_CLASSES; i++) {
		list_free(s->cells[i].first);
		list_free(s->cells[i].bundle);
	}
}

void cells_free_bundles(struct stack *st)
{
	for (size_t i = 0; i < CELL_CLASSES; i++) {
		for (struct free_cell *b; (b = bundle_take(st, i));)
			list_free(b);
	}
}
