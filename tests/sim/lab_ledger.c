/*
 * tests/sim/lab_ledger.c - what went in came out: frames on each line, packets of each device, and, when all is
 * over, every gauge where it was before.
 */
#include <inttypes.h>

#include "lib/stack.h"
#include "tests/sim/lab_world.h"

static uint64_t line_dropped(const struct lab_line *l)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_DROPS; i++)
		n += l->stats.dropped[i];
	return n;
}

static const char *line_from(const struct lab_line *l)
{
	const struct lab_world *w = l->w;
	unsigned i = (unsigned)(l - w->line);

	return w->scene.node[w->scene.link[i / 2].node[i % 2]].name;
}

void lab_check_line(struct lab_line *l)
{
	uint64_t in = l->stats.in + l->stats.duplicated;
	uint64_t out = l->stats.delivered + line_dropped(l) + l->queued + l->flying;

	if (in != out)
		lab_violate(l->w,
			    "%s, link %u: %" PRIu64 " frames went in and %" PRIu64
			    " are accounted for",
			    line_from(l), (unsigned)(l - l->w->line) / 2 + 1, in, out);
}

static void check_device(struct lab_line *l)
{
	uint64_t sent = netdev_traffic(l->from, NETDEV_TX_PACKETS);
	uint64_t got = netdev_traffic(l->to, NETDEV_RX_PACKETS);

	if (sent != l->stats.in)
		lab_violate(l->w,
			    "%s, link %u: the device sent %" PRIu64 " packets, %" PRIu64 " came",
			    line_from(l), (unsigned)(l - l->w->line) / 2 + 1, sent, l->stats.in);
	if (got != l->stats.delivered)
		lab_violate(
		    l->w, "link %u from %s: %" PRIu64 " frames came, the device counts %" PRIu64,
		    (unsigned)(l - l->w->line) / 2 + 1, line_from(l), l->stats.delivered, got);
}

void lab_check_world(struct lab_world *w)
{
	for (unsigned i = 0; i < 2 * w->scene.nlink; i++) {
		lab_check_line(&w->line[i]);
		check_device(&w->line[i]);
	}
	for (unsigned i = 0; i < w->scene.nnode; i++) {
		struct stack *st = w->node[i].stack;
		uint64_t has = depot_bytes(st), limit = (uint64_t)sysctl_get(st, mem_limit);

		if (has > limit)
			lab_violate(w,
				    "%s: %" PRIu64 " bytes of packet memory, the bound is %" PRIu64,
				    w->scene.node[i].name, has, limit);
	}
}

void lab_check_left(struct lab_world *w)
{
	for (unsigned i = 0; i < 2 * w->scene.nlink; i++) {
		if (w->line[i].queued || w->line[i].flying)
			lab_violate(w, "%s, link %u: frames are left on it", line_from(&w->line[i]),
				    i / 2 + 1);
	}
	for (unsigned i = 0; i < w->scene.nnode; i++) {
		for (unsigned g = 0; g < GAUGE_MAX; g++) {
			int64_t has = gauge_read(w->node[i].stack, g), had = w->node[i].gauge[g];

			if (has != had)
				lab_violate(w, "%s: %" PRId64 " %s are left, there were %" PRId64,
					    w->scene.node[i].name, has, gauge_info[g].text, had);
		}
	}
}
