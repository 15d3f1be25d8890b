/*
 * lib/debug.c - trace lines to the sinks that want their level.
 *
 * A line is given to the sinks under their lock, a leaf: lines come whole and in one order, and
 * when a sink is taken off no line is in it.  So no leaf lock may be held where a line is written.
 */
#include "lib/debug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define DEBUG_LINE_MAX 512

/*
 * LOCKING
 *	l	lock (a leaf)
 */
struct debug_sinks {
	struct mutex lock;
	struct debug_sink *head; /* l */
};

static const struct {
	const char *name;
	unsigned levels;
} debug_names[] = {
    {"dev", DEBUG_DEV},   {"l2", DEBUG_L2},   {"arp", DEBUG_ARP}, {"ip", DEBUG_IP},
    {"icmp", DEBUG_ICMP}, {"udp", DEBUG_UDP}, {"tcp", DEBUG_TCP}, {"tcpstate", DEBUG_TCPSTATE},
    {"all", DEBUG_ALL},
};

unsigned debug_level_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(debug_names) / sizeof(debug_names[0]); i++) {
		if (strcasecmp(debug_names[i].name, name) == 0)
			return debug_names[i].levels;
	}
	return 0;
}

const char *debug_level_name(unsigned i)
{
	return i < sizeof(debug_names) / sizeof(debug_names[0]) ? debug_names[i].name : NULL;
}

struct debug_sinks *debug_sinks_create(void)
{
	struct debug_sinks *d = calloc(1, sizeof(*d));

	if (d)
		mutex_init(&d->lock, RANK_LEAF);
	return d;
}

void debug_sinks_destroy(struct debug_sinks *d)
{
	mutex_fini(&d->lock);
	free(d);
}

static void debug_update(struct stack *st)
{
	unsigned levels = 0;

	for (struct debug_sink *s = st->debug_sinks->head; s; s = s->next)
		levels |= s->levels;
	atomic_store_explicit(&st->debug, levels, memory_order_relaxed);
}

void debug_sink_add(struct stack *st, struct debug_sink *s)
{
	struct debug_sinks *d = st->debug_sinks;

	mutex_lock(&d->lock);
	s->next = d->head;
	d->head = s;
	debug_update(st);
	mutex_unlock(&d->lock);
}

void debug_sink_del(struct stack *st, struct debug_sink *s)
{
	struct debug_sinks *d = st->debug_sinks;
	struct debug_sink **p;

	mutex_lock(&d->lock);
	for (p = &d->head; *p; p = &(*p)->next) {
		if (*p == s) {
			*p = s->next;
			break;
		}
	}
	debug_update(st);
	mutex_unlock(&d->lock);
}

void debug_line(struct stack *st, enum debug_level l, const char *fmt, ...)
{
	struct debug_sinks *d = st->debug_sinks;
	char text[DEBUG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mutex_lock(&d->lock);
	for (struct debug_sink *s = d->head; s; s = s->next) {
		if (s->levels & l)
			s->line(s, l, text);
	}
	mutex_unlock(&d->lock);
}
