/*
 * lib/stack.c - the part every stack has before its rooms: identity, key, settings, wheels.
 */
#include "lib/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/debug.h"
#include "lib/mib.h"
#include "lib/slot.h"
#include "lib/timer.h"

struct stack *stack_alloc(struct env *env)
{
	struct stack *st = calloc(1, sizeof(*st));
	uint64_t key[2];

	if (!st)
		return NULL;
	st->env = env;
	key[0] = env_random(env);
	key[1] = env_random(env);
	memcpy(st->key, key, sizeof(key));
	sysctl_init(&st->sysctl);
	slot_init(st);
	st->debug_sinks = debug_sinks_create();
	st->net_wheel = wheel_create(st);
	st->tcp_wheel = wheel_create(st);
	if (!st->debug_sinks || !st->net_wheel || !st->tcp_wheel) {
		stack_free(st);
		return NULL;
	}
	return st;
}

static void stack_check_leaks(struct stack *st)
{
#ifndef NDEBUG
	bool leak = false;

	for (unsigned g = 0; g < GAUGE_MAX; g++) {
		int64_t n = gauge_read(st, g);

		if (n)
			fprintf(stderr, "weft: stack %llu ends with %lld %s\n",
				(unsigned long long)st->id, (long long)n, gauge_info[g].text);
		leak |= n != 0;
	}
	if (leak)
		abort();
#endif
}

void stack_free(struct stack *st)
{
	stack_check_leaks(st);
	if (st->tcp_wheel)
		wheel_destroy(st->tcp_wheel);
	if (st->net_wheel)
		wheel_destroy(st->net_wheel);
	if (st->debug_sinks)
		debug_sinks_destroy(st->debug_sinks);
	slot_fini(st);
	slot_free(st);
	free(st);
}
