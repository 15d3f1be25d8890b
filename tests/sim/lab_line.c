/*
 * tests/sim/lab_line.c - one direction of a link up to the air: the queue and the rate it is emptied at.
 */
#include <stdlib.h>

#include "tests/sim/lab_world.h"

void lab_line_drop(struct lab_line *l, struct lab_frame *f, enum lab_drop why)
{
	struct lab_conn *c = lab_frame_touch(l->w, f, false);

	l->stats.dropped[why]++;
	if (c) {
		c->hurt = lab_now(l->w);
		c->taken++;
	} else {
		l->w->hurt = lab_now(l->w);
	}
	free(f);
}

static void line_send(struct lab_line *l);

/* The last bit of f has left. */
static void line_sent(void *arg, struct lab_frame *f)
{
	struct lab_line *l = arg;

	l->busy = false;
	l->flying--;
	lab_air(l, f);
	line_send(l);
	lab_check_line(l);
}

static void line_send(struct lab_line *l)
{
	struct lab_frame *f = l->busy ? NULL : lab_line_take(l);
	uint64_t ns;

	if (!f)
		return;
	ns = 8ull * f->len * NSEC_PER_SEC / l->c->rate;
	l->busy = true;
	l->flying++;
	lab_at(l->w, env_now(l->w->env) + ns, line_sent, l, f);
}

static void line_queue(struct lab_line *l, struct lab_frame *f)
{
	uint32_t limit = l->c->limit ? l->c->limit : LAB_LIMIT;

	if (l->queued >= limit) {
		lab_line_drop(l, f, LAB_DROP_TAIL);
		return;
	}
	if (l->c->queue == LAB_ECN && l->queued >= l->c->mark)
		lab_frame_mark(l, f);
	f->next = NULL;
	f->queued = env_now(l->w->env);
	*l->tail = f;
	l->tail = &f->next;
	l->queued++;
	l->queued_bytes += f->len;
	line_send(l);
}

void lab_line_in(struct lab_line *l, struct lab_frame *f)
{
	struct lab_world *w = l->w;

	l->stats.in++;
	w->frames++;
	w->digest = (w->digest ^ env_now(w->env)) * 0x100000001b3ull;
	for (uint32_t i = 0; i<f->len; i += f->len> 128 && i >= 64 ? 61 : 1)
		w->digest = (w->digest ^ f->bytes[i]) * 0x100000001b3ull;
	if (w->pcap)
		lab_pcap_frame(w, f);
	lab_frame_touch(w, f, false);
	if (l->c->rate)
		line_queue(l, f);
	else
		lab_air(l, f);
	lab_check_line(l);
}

void lab_line_end(struct lab_line *l)
{
	struct lab_frame *f;

	while ((f = l->head)) {
		l->head = f->next;
		free(f);
	}
	l->tail = &l->head;
	l->queued = 0;
}
