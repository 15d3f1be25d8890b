/*
 * tests/lib/test_cell.c - small memory: what a thread frees it has again, what another frees in bundles, and
 * all of it goes back to malloc() with the stack.
 */
#include "lib/cell.h"

#include <pthread.h>

#include "lib/stack.h"
#include "tests/harness/unit.h"

#define SIZE 100
#define MANY (CELL_BUNDLE * (CELL_BUNDLES + 4))

static struct {
	struct env *env;
	struct stack *stack;
	void *made[MANY];
	unsigned n; /* of them that are to be freed */
} t;

static void setup(void)
{
	t.env = env_lab_create(1);
	t.stack = stack_alloc(t.env);
}

static void teardown(void)
{
	stack_free(t.stack);
	env_lab_destroy(t.env);
}

static void make(unsigned n)
{
	t.n = n;
	for (unsigned i = 0; i < n; i++) {
		t.made[i] = cell_alloc(t.stack, SIZE);
		ck_assert_ptr_nonnull(t.made[i]);
		memset(t.made[i], (int)i, SIZE);
	}
}

static void *free_all(void *arg)
{
	for (unsigned i = 0; i < t.n; i++)
		cell_free(t.stack, t.made[i], SIZE);
	return NULL;
}

static void free_elsewhere(void)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, free_all, NULL), 0);
	pthread_join(thread, NULL);
}

static unsigned of_those_made(unsigned n)
{
	unsigned same = 0;

	for (unsigned i = 0; i < n; i++) {
		void *p = cell_alloc(t.stack, SIZE);

		for (unsigned k = 0; k < t.n; k++)
			same += t.made[k] == p;
		memset(p, 0, SIZE);
		free(p);
	}
	return same;
}

/* A sanitizer build keeps nothing. */
static unsigned kept(unsigned n)
{
	return n * CELLS_KEEP;
}

START_TEST(test_freed_is_taken_again)
{
	void *p = cell_alloc(t.stack, SIZE), *q;

	cell_free(t.stack, p, SIZE);
	q = cell_alloc(t.stack, SIZE - 1);
	if (CELLS_KEEP)
		ck_assert_ptr_eq(p, q);
	cell_free(t.stack, q, SIZE);
	cell_free(t.stack, NULL, SIZE);
}
END_TEST

START_TEST(test_own_bundles_are_taken_again)
{
	make(3 * CELL_BUNDLE);
	free_all(NULL);
	ck_assert_uint_eq(slot_get(t.stack)->cells[cell_class(SIZE)].count, 0);
	if (CELLS_KEEP)
		ck_assert_uint_eq(of_those_made(3 * CELL_BUNDLE), 3 * CELL_BUNDLE);
}
END_TEST

/* The last bundle stays with who freed it. */
START_TEST(test_another_threads_bundles_are_taken)
{
	make(3 * CELL_BUNDLE);
	free_elsewhere();
	if (CELLS_KEEP)
		ck_assert_uint_eq(of_those_made(2 * CELL_BUNDLE), 2 * CELL_BUNDLE);
	ck_assert_uint_eq(slot_get(t.stack)->cells[cell_class(SIZE)].count, 0);
}
END_TEST

/* Counted by the places that are filled: the stack's end has to find them all (make leak). */
START_TEST(test_more_than_there_are_places_for)
{
	unsigned filled = 0;

	make(MANY);
	free_elsewhere();
	for (unsigned i = 0; i < CELL_BUNDLES; i++)
		filled += atomic_load(&t.stack->cells[cell_class(SIZE)][i]) != NULL;
	ck_assert_uint_eq(filled, kept(CELL_BUNDLES));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("cell");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_freed_is_taken_again);
	tcase_add_test(tc, test_own_bundles_are_taken_again);
	tcase_add_test(tc, test_another_threads_bundles_are_taken);
	tcase_add_test(tc, test_more_than_there_are_places_for);
	return unit_run("cell", tc);
}
