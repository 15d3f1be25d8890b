/*
 * lib/debug.h - the trace lines behind the shell's `debug` command.  Off, a line costs one relaxed
 * load.  Lines go to the registered sinks, which must not call back into the stack.  They are given
 * under a leaf lock: none may be held by whoever writes a line.
 */
#pragma once
#include <stdatomic.h>

#include "lib/stack.h"

enum debug_level {
	DEBUG_DEV = 1 << 0,
	DEBUG_L2 = 1 << 1,
	DEBUG_ARP = 1 << 2,
	DEBUG_IP = 1 << 3,
	DEBUG_ICMP = 1 << 4,
	DEBUG_UDP = 1 << 5,
	DEBUG_TCP = 1 << 6,
	DEBUG_TCPSTATE = 1 << 7,
	DEBUG_ALL = 0xff,
};

struct debug_sink {
	void (*line)(struct debug_sink *s, enum debug_level l, const char *text);
	unsigned levels; /* mask of what this sink wants */
	struct debug_sink *next;
};

/* Of one stack: made and ended with it (lib/stack.c). */
struct debug_sinks *debug_sinks_create(void);
void debug_sinks_destroy(struct debug_sinks *d);

/* stack->debug becomes the union of all sinks' levels.  del returns when no line is in the sink. */
void debug_sink_add(struct stack *st, struct debug_sink *s);
void debug_sink_del(struct stack *st, struct debug_sink *s);
unsigned debug_level_parse(const char *name); /* "arp", "all", ...; 0: unknown */
const char *debug_level_name(unsigned i);     /* of the i-th; NULL: there are no more */

void debug_line(struct stack *st, enum debug_level l, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static inline bool debug_is_on(const struct stack *st, enum debug_level l)
{
	return atomic_load_explicit(&st->debug, memory_order_relaxed) & l;
}

#define debug(st, level, ...)                                                                      \
	do {                                                                                       \
		if (debug_is_on((st), (level)))                                                    \
			debug_line((st), (level), __VA_ARGS__);                                    \
	} while (0)
