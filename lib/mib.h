/*
 * lib/mib.h - event counters (they only rise) and gauges (they return to where they started).
 *
 * The names are Linux's SNMP and netstat names where Linux has one.  See lib/mib.def for the list.
 */
#pragma once
#include <stdint.h>

#include "lib/mib_list.h"
#include "lib/slot.h"

struct mib_info {
	const char *group, *name, *text;
};

extern const struct mib_info mib_info[MIB_MAX];
extern const struct mib_info gauge_info[GAUGE_MAX]; /* group "" */

uint64_t mib_read(struct stack *st, enum mib m);
int64_t gauge_read(struct stack *st, enum gauge g);

static inline void mib_add(struct stack *st, enum mib m, uint64_t n)
{
	own_add(&slot_get(st)->mib[m], n);
}

/* By who has the calling thread's slot at hand. */
static inline void slot_gauge_add(struct slot *s, enum gauge g, int64_t n)
{
	own_add(&s->gauge[g], (uint64_t)n);
}

static inline void gauge_add(struct stack *st, enum gauge g, int64_t n)
{
	slot_gauge_add(slot_get(st), g, n);
}

static inline void mib_inc(struct stack *st, enum mib m)
{
	mib_add(st, m, 1);
}
