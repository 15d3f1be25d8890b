/*
 * tests/sim/lab_event.c - the engine's events: a heap by time, emptied one a step by one alarm.
 */
#include <stdlib.h>

#include "tests/sim/lab_world.h"

#define AGENDA_FIRST 1024u

static bool event_before(const struct lab_event *a, const struct lab_event *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static bool agenda_grow(struct lab_agenda *a)
{
	uint32_t size = a->size ? 2 * a->size : AGENDA_FIRST;
	struct lab_event *heap = realloc(a->heap, size * sizeof(*heap));

	if (!heap)
		return false;
	a->heap = heap;
	a->size = size;
	return true;
}

static void agenda_add(struct lab_agenda *a, const struct lab_event *e)
{
	uint32_t i = a->n++;

	for (; i > 0 && event_before(e, &a->heap[(i - 1) / 2]); i = (i - 1) / 2)
		a->heap[i] = a->heap[(i - 1) / 2];
	a->heap[i] = *e;
}

static struct lab_event agenda_take(struct lab_agenda *a)
{
	struct lab_event first = a->heap[0], *last = &a->heap[--a->n];
	uint32_t i = 0, child;

	for (; (child = 2 * i + 1) < a->n; i = child) {
		if (child + 1 < a->n && event_before(&a->heap[child + 1], &a->heap[child]))
			child++;
		if (!event_before(&a->heap[child], last))
			break;
		a->heap[i] = a->heap[child];
	}
	a->heap[i] = *last;
	return first;
}

void lab_at(struct lab_world *w, uint64_t when, void (*fn)(void *arg, struct lab_frame *f),
	    void *arg, struct lab_frame *f)
{
	struct lab_agenda *a = &w->agenda;
	struct lab_event e = {.when = when, .order = a->order++, .fn = fn, .arg = arg, .frame = f};

	if (a->n == a->size && !agenda_grow(a)) {
		free(f);
		lab_violate(w, "no memory for an event");
		return;
	}
	agenda_add(a, &e);
	env_alarm(w->env, &w->alarm, a->heap[0].when);
}

static void agenda_fire(void *arg)
{
	struct lab_world *w = arg;
	struct lab_event e;

	if (w->agenda.n == 0)
		return;
	e = agenda_take(&w->agenda);
	if (w->agenda.n)
		env_alarm(w->env, &w->alarm, w->agenda.heap[0].when);
	e.fn(e.arg, e.frame);
}

void lab_agenda_begin(struct lab_world *w)
{
	w->alarm = (struct alarm){.when = ENV_NEVER, .fire = agenda_fire, .arg = w};
	env_alarm_add(w->env, &w->alarm);
}

void lab_agenda_end(struct lab_world *w)
{
	env_alarm_del(w->env, &w->alarm);
	for (uint32_t i = 0; i < w->agenda.n; i++)
		free(w->agenda.heap[i].frame);
	free(w->agenda.heap);
	w->agenda = (struct lab_agenda){0};
}
