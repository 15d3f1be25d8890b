/*
 * lib/mib.c - counters and gauges: written by each thread in its slot, summed when read.
 *
 * One writer a cell, so a relaxed load and store do: no locked instruction on the way of a packet.
 */
#include "lib/mib.h"

#include "lib/slot.h"
#include "lib/stack.h"

const struct mib_info mib_info[MIB_MAX] = {
#define MIB(group, name, text) {#group, #name, text},
#include "lib/mib.def"
};

const struct mib_info gauge_info[GAUGE_MAX] = {
#define GAUGE(name, text) {"", #name, text},
#include "lib/mib.def"
};

void mib_add(struct stack *st, enum mib m, uint64_t n)
{
	_Atomic uint64_t *c = &slot_get(st)->mib[m];

	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

uint64_t mib_read(struct stack *st, enum mib m)
{
	uint64_t sum = 0;

	for (struct slot *s = atomic_load(&st->slots); s; s = s->next)
		sum += atomic_load_explicit(&s->mib[m], memory_order_relaxed);
	return sum;
}

void gauge_add(struct stack *st, enum gauge g, int64_t n)
{
	_Atomic int64_t *c = &slot_get(st)->gauge[g];

	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

int64_t gauge_read(struct stack *st, enum gauge g)
{
	int64_t sum = 0;

	for (struct slot *s = atomic_load(&st->slots); s; s = s->next)
		sum += atomic_load_explicit(&s->gauge[g], memory_order_relaxed);
	return sum;
}
