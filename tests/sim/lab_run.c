/*
 * tests/sim/lab_run.c - the loop: one event, then the programs that can go on, then what must hold of all
 * that was touched.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tests/sim/lab_world.h"

#define DRAIN_NS (7200 * NSEC_PER_SEC)

/* --- what is wrong --------------------------------------------------------------------------------- */

static void violate(struct lab_world *w, const char *who, const char *format, va_list args)
{
	size_t n;

	if (w->bad.set)
		return;
	w->bad.set = true;
	w->bad.when = lab_now(w);
	n = (size_t)snprintf(w->bad.what, LAB_WHAT, "%s", who);
	vsnprintf(w->bad.what + n, LAB_WHAT - n, format, args);
}

void lab_violate(struct lab_world *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	violate(w, "", format, args);
	va_end(args);
}

void lab_violate_end(const struct lab_end *e, const char *format, ...)
{
	const struct lab_conn *c = e->conn;
	const struct lab_scene *s = &c->w->scene;
	const struct lab_job *j = c->run->job;
	bool client = e == &c->end[LAB_CLIENT];
	va_list args;
	char who[96];

	snprintf(who, sizeof(who),
		 "%s, %s %s %s, connection %u, port %u: ", s->node[client ? j->from : j->to].name,
		 lab_kind_text(j->kind), s->node[j->from].name, s->node[j->to].name, c->number + 1,
		 c->port);
	va_start(args, format);
	violate(c->w, who, format, args);
	va_end(args);
}

/* --- the loop -------------------------------------------------------------------------------------- */

static void programs_run(struct lab_world *w)
{
	struct lab_conn *c;
	struct lab_run *r;

	while ((r = w->accepting)) {
		w->accepting = r->next_ready;
		r->accepting = false;
		if (r->listener >= 0)
			lab_conn_accept(r);
	}
	while ((c = w->ready)) {
		w->ready = c->next_ready;
		if (!w->ready)
			w->ready_tail = &w->ready;
		c->ready = false;
		lab_pump(c);
	}
}

static void touched_check(struct lab_world *w)
{
	struct lab_conn *c;

	while ((c = w->touched)) {
		w->touched = c->next_touched;
		c->touched = false;
		lab_check_conn(c);
		lab_conn_settle(c);
	}
}

static void all_check(struct lab_world *w)
{
	struct lab_conn *c, *next;

	w->sweeping = false;
	for (c = w->conns; c && !w->bad.set; c = next) {
		next = c->next;
		lab_pump_forlorn(c);
		lab_check_conn(c);
		lab_check_stall(c);
		lab_check_info(&c->end[LAB_CLIENT]);
		lab_check_info(&c->end[LAB_SERVER]);
		lab_conn_settle(c);
	}
	lab_check_world(w);
}

bool lab_step(struct lab_world *w, uint64_t until)
{
	uint64_t end = until > ENV_NEVER - w->start ? ENV_NEVER : w->start + until;

	if (w->bad.set || !env_lab_step(w->env, end))
		return false;
	w->events++;
	while (w->accepting || w->ready)
		programs_run(w);
	touched_check(w);
	if (w->sweeping)
		all_check(w);
	return !w->bad.set;
}

bool lab_run_until(struct lab_world *w, uint64_t until)
{
	while (w->runs_left && lab_step(w, until))
		;
	return w->runs_left == 0;
}

void lab_drain(struct lab_world *w)
{
	uint64_t until = lab_now(w) + DRAIN_NS;

	while (lab_step(w, until))
		;
}
