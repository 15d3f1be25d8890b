/*
 * lib/mib.c - counters and gauges: written by each thread in its slot, summed when read.
 */
#include "lib/mib.h"

const struct mib_info mib_info[MIB_MAX] = {
#define MIB(group, name, text) {#group, #name, text},
#include "lib/mib.def"
};

const struct mib_info gauge_info[GAUGE_MAX] = {
#define GAUGE(name, text) {"", #name, text},
#include "lib/mib.def"
};

uint64_t mib_read(struct stack *st, enum mib m)
{
	uint64_t sum = 0;

	for (struct slot *s = atomic_load(&st->slots); s; s = s->next)
		sum += atomic_load_explicit(&s->mib[m], memory_order_relaxed);
	return sum;
}

int64_t gauge_read(struct stack *st, enum gauge g)
{
	uint64_t sum = 0;

	for (struct slot *s = atomic_load(&st->slots); s; s = s->next)
		sum += atomic_load_explicit(&s->gauge[g], memory_order_relaxed);
	return (int64_t)sum;
}
