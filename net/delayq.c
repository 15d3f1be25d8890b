/* net/delayq.c - a binary heap of packets by time; those of one time leave as they came. */
#include "net/delayq.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/env.h"

#define DELAYQ_FIRST 64

void delayq_init(struct delayq *q)
{
	*q = (struct delayq){0};
}

void delayq_fini(struct delayq *q)
{
	assert(q->n == 0);
	free(q->heap);
	q->heap = NULL;
	q->size = 0;
}

static bool delayed_before(const struct delayed *a, const struct delayed *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static int delayq_grow(struct delayq *q)
{
	uint32_t size = q->size ? 2 * q->size : DELAYQ_FIRST;
	struct delayed *heap = realloc(q->heap, size * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	q->heap = heap;
	q->size = size;
	return 0;
}

int delayq_add(struct delayq *q, struct pkbuf *b, uint64_t when)
{
	struct delayed d = {when, q->order, b};
	uint32_t i = q->n;

	if (q->n == q->size && delayq_grow(q) < 0)
		return -ENOMEM;
	for (; i > 0 && delayed_before(&d, &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		q->heap[i] = q->heap[(i - 1) / 2];
	q->heap[i] = d;
	q->order++;
	q->n++;
	return 0;
}

uint64_t delayq_next(const struct delayq *q)
{
	return q->n ? q->heap[0].when : ENV_NEVER;
}

struct pkbuf *delayq_take(struct delayq *q, uint64_t now)
{
	struct delayed *last;
	struct pkbuf *b;
	uint32_t i = 0, child;

	if (q->n == 0 || q->heap[0].when > now)
		return NULL;
	b = q->heap[0].b;
	last = &q->heap[--q->n];
	for (; (child = 2 * i + 1) < q->n; i = child) {
		if (child + 1 < q->n && delayed_before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!delayed_before(&q->heap[child], last))
			break;
		q->heap[i] = q->heap[child];
	}
	q->heap[i] = *last;
	return b;
}
