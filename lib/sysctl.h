/*
 * lib/sysctl.h - settings of a stack, by Linux's names.  Each is one atomic 64-bit field, read with
 * sysctl_get(); the table in lib/sysctl.def gives name, field, range, default and unit.
 */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct sysctls {
#define SYSCTL(field, name, dflt, min, max, text) _Atomic int64_t field;
#include "lib/sysctl.def"
#undef SYSCTL
};

struct sysctl_info {
	const char *name, *text;
	size_t offset;
	int64_t dflt, min, max;
};

struct stack;
extern const struct sysctl_info sysctl_info[];
extern const size_t sysctl_count;

#define sysctl_get(st, field) atomic_load_explicit(&(st)->sysctl.field, memory_order_relaxed)

void sysctl_init(struct sysctls *s);
/* -ENOENT: no such name; -ERANGE: outside min..max. */
int sysctl_write(struct stack *st, const char *name, int64_t value);
int sysctl_read(struct stack *st, const char *name, int64_t *value);
