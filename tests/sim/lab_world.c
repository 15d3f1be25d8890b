/*
 * tests/sim/lab_world.c - a world made from its scene, and ended: stacks, lines, settings.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "tcp/tcp_priv.h"
#include "tests/sim/lab_world.h"

#define SETTLE_NS (20 * NSEC_PER_SEC) /* addresses are announced */

static void line_begin(struct lab_world *w, unsigned i)
{
	struct lab_line *l = &w->line[i];

	l->w = w;
	l->c = &w->scene.link[i / 2].line[i % 2];
	l->tail = &l->head;
	random_seed(&l->random, w->scene.seed * 0x9e3779b97f4a7c15ull + i + 1);
}

static bool lines_begin(struct lab_world *w)
{
	for (unsigned k = 0; k < w->scene.nlink; k++) {
		struct lab_line *l = &w->line[2 * k];
		const unsigned *ends = w->scene.link[k].node;

		for (unsigned d = 0; d < 2; d++) {
			struct lab_node *n = &w->node[ends[d]];

			line_begin(w, 2 * k + d);
			if (!n->addr)
				n->addr = lab_addr(k, d);
			l[d].from = lab_port_create(n->stack, n->ports++, &l[d]);
			if (!l[d].from)
				return false;
		}
		l[0].to = l[1].from;
		l[1].to = l[0].from;
	}
	return true;
}

static bool stacks_begin(struct lab_world *w)
{
	for (unsigned i = 0; i < w->scene.nnode; i++) {
		struct stack *st = stack_create(w->env);

		if (!st)
			return false;
		w->node[i].stack = st;
		if (!w->scene.node[i].router)
			sysctl_write(st, "net.ipv4.ip_forward", 0);
	}
	return true;
}

static bool settings_set(struct lab_world *w, char *why)
{
	for (unsigned i = 0; i < w->scene.nsetting; i++) {
		const struct lab_setting *set = &w->scene.setting[i];

		for (unsigned n = 0; n < w->scene.nnode; n++) {
			char because[SYSCTL_TEXT_MAX];

			if (set->node != LAB_ALL_NODES && set->node != n)
				continue;
			if (!sysctl_write_text(w->node[n].stack, set->name, set->value, because))
				continue;
			snprintf(why, LAB_WHY, "sysctl %s=%s: %s", set->name, set->value, because);
			return false;
		}
	}
	return true;
}

/* Each algorithm that a job names may be chosen at both its ends. */
static bool algorithms_check(struct lab_world *w, char *why)
{
	for (unsigned i = 0; i < w->scene.njob; i++) {
		const struct lab_job *j = &w->scene.job[i];
		const unsigned ends[] = {j->from, j->to};
		char known[SYSCTL_TEXT_MAX];

		for (unsigned e = 0; j->cc[0] && e < 2; e++) {
			struct stack *st = w->node[ends[e]].stack;

			if (tcp_cc_choose(st, j->cc) >= 0)
				continue;
			sysctl_read_text(st, "net.ipv4.tcp_allowed_congestion_control", known);
			snprintf(why, LAB_WHY, "cc %s: not one of: %s", j->cc, known);
			return false;
		}
	}
	return true;
}

/* What a frame may need through every line of the world, one after the other. */
static uint64_t path_longest(const struct lab_world *w)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < 2 * w->scene.nlink; i++) {
		const struct lab_line_config *c = w->line[i].c;
		uint32_t limit = c->limit ? c->limit : LAB_LIMIT;
		uint32_t mtu = w->scene.link[i / 2].mtu;

		ns += c->delay + 2 * c->jitter + c->reorder_by;
		if (c->rate)
			ns +=
			    (limit + 1) * 8ull * ((mtu ? mtu : 1500) + 14) * NSEC_PER_SEC / c->rate;
	}
	return ns;
}

static void gauges_read(struct lab_world *w)
{
	for (unsigned i = 0; i < w->scene.nnode; i++) {
		for (unsigned g = 0; g < GAUGE_MAX; g++)
			w->node[i].gauge[g] = gauge_read(w->node[i].stack, g);
	}
}

static void pattern_fill(struct lab_world *w)
{
	struct random r;

	random_seed(&r, 0x6c6162); /* any: streams are told apart by where they begin in it */
	for (unsigned i = 0; i < LAB_PATTERN; i++)
		w->pattern[i] = (uint8_t)random_next(&r);
	for (unsigned i = 0; i < LAB_CHUNK; i++)
		w->pattern[LAB_PATTERN + i] = w->pattern[i % LAB_PATTERN];
}

static bool world_begin(struct lab_world *w, char *why)
{
	snprintf(why, LAB_WHY, "no memory");
	w->env = env_lab_create(w->scene.seed);
	if (!w->env)
		return false;
	lab_agenda_begin(w);
	if (!stacks_begin(w) || !lines_begin(w) || !settings_set(w, why) ||
	    !algorithms_check(w, why) || !lab_routes_set(w, why))
		return false;
	w->path = path_longest(w);
	w->start = env_now(w->env) + SETTLE_NS;
	env_lab_advance(w->env, SETTLE_NS);
	gauges_read(w);
	pattern_fill(w);
	w->ready_tail = &w->ready;
	w->running = lab_jobs_begin(w, why);
	return w->running;
}

static void world_free(struct lab_world *w)
{
	weft_use(NULL);
	for (unsigned i = 0; i < w->scene.nnode; i++) {
		if (w->node[i].stack)
			stack_destroy(w->node[i].stack);
	}
	for (unsigned i = 0; i < 2 * w->scene.nlink; i++)
		lab_line_end(&w->line[i]);
	if (w->env) {
		lab_agenda_end(w);
		env_lab_destroy(w->env);
	}
	free(w);
}

struct lab_world *lab_world_open(const struct lab_scene *s, char *why)
{
	struct lab_world *w = calloc(1, sizeof(*w));

	if (!w) {
		snprintf(why, LAB_WHY, "no memory");
		return NULL;
	}
	w->scene = *s;
	if (world_begin(w, why))
		return w;
	lab_jobs_end(w);
	world_free(w);
	return NULL;
}

void lab_world_close(struct lab_world *w, struct lab_violation *bad)
{
	if (!w->bad.set)
		lab_check_world(w);
	lab_jobs_end(w);
	if (!w->bad.set)
		lab_check_left(w);
	*bad = w->bad;
	world_free(w);
}
