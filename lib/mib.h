/*
 * lib/mib.h - event counters (they only rise) and gauges (they return to where they started).
 *
 * The names are Linux's SNMP and netstat names where Linux has one.  See lib/mib.def for the list.
 */
#pragma once
#include <stdint.h>

enum mib {
#define MIB(group, name, text) MIB_##group##_##name,
#include "lib/mib.def"
	MIB_MAX
};

enum gauge {
#define GAUGE(name, text) GAUGE_##name,
#include "lib/mib.def"
	GAUGE_MAX
};

struct mib_info {
	const char *group, *name, *text;
};

struct stack;
extern const struct mib_info mib_info[MIB_MAX];
extern const struct mib_info gauge_info[GAUGE_MAX]; /* group "" */

void mib_add(struct stack *st, enum mib m, uint64_t n);
uint64_t mib_read(struct stack *st, enum mib m);
void gauge_add(struct stack *st, enum gauge g, int64_t n);
int64_t gauge_read(struct stack *st, enum gauge g);

static inline void mib_inc(struct stack *st, enum mib m)
{
	mib_add(st, m, 1);
}
