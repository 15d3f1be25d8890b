/*
 * tests/sim/lab_air.c - what happens to a frame once it has left its sender: it is lost, copied, damaged,
 * late, or overtaken.
 *
 * Each line draws from numbers of its own, and what is off draws nothing, so a change to one line or word
 * leaves the others' fates as they were.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/wire/ether.h"
#include "tests/sim/lab_world.h"

static bool air_draw(struct lab_line *l, uint32_t ppm)
{
	return ppm && random_below(&l->random, LAB_PPM) < ppm;
}

static bool air_dark(const struct lab_line *l)
{
	uint64_t now = env_now(l->w->env);

	for (unsigned i = 0; i < l->c->nblackout; i++) {
		const struct lab_blackout *b = &l->c->blackout[i];

		if (now >= l->w->start + b->from && now < l->w->start + b->to)
			return true;
	}
	return false;
}

/* Gilbert and Elliott: two states, each with its loss; the state moves first. */
static bool air_lost(struct lab_line *l)
{
	const struct lab_line_config *c = l->c;

	if (c->gilbert.worse) {
		if (l->bad)
			l->bad = !air_draw(l, c->gilbert.better);
		else
			l->bad = air_draw(l, c->gilbert.worse);
	}
	return air_draw(l, l->bad ? c->gilbert.loss : c->loss);
}

/*
 * One bit behind the link header flips.  The sum of RFC 1071 sees any one, but not two that undo each other, one up
 * and one down at the same place of two words: so each line flips a place of its own.  ARP has no checksum to show
 * it and is spared.
 */
static void air_corrupt(struct lab_line *l, struct lab_frame *f)
{
	const struct ether_hdr *eth = (const struct ether_hdr *)(const void *)f->bytes;
	uint64_t place = (l->w->scene.seed + (uint64_t)(l - l->w->line)) % 16;
	uint64_t at;

	if (f->len < sizeof(*eth) + 2 || be16_get(eth->type) != ETHER_TYPE_IP4)
		return;
	at = sizeof(*eth) + 2 * random_below(&l->random, (f->len - sizeof(*eth)) / 2);
	f->bytes[at + place / 8] ^= (uint8_t)(1u << place % 8);
	l->stats.corrupted++;
}

static void air_truncate(struct lab_line *l, struct lab_frame *f)
{
	f->len = (uint32_t)random_below(&l->random, f->len);
	l->stats.truncated++;
}

static void air_hurt(struct lab_line *l, const struct lab_frame *f, uint64_t when)
{
	struct lab_conn *c = lab_frame_touch(l->w, f, false);
	uint64_t at = when - l->w->start;

	if (c)
		c->taken++;
	if (c && c->hurt < at)
		c->hurt = at;
	if (!c && l->w->hurt < at)
		l->w->hurt = at;
}

static void air_arrives(void *arg, struct lab_frame *f)
{
	struct lab_line *l = arg;

	l->flying--;
	lab_frame_touch(l->w, f, true);
	if (lab_port_rx(l->to, f))
		l->stats.delivered++;
	else
		l->stats.dropped[LAB_DROP_MEMORY]++;
	lab_check_line(l);
}

/* Jitter keeps the order; who is held back for `reorder` does not. */
static uint64_t air_when(struct lab_line *l, const struct lab_frame *f)
{
	const struct lab_line_config *c = l->c;
	uint64_t when = env_now(l->w->env) + c->delay;

	if (c->jitter) {
		when += random_below(&l->random, 2 * c->jitter + 1);
		when -= c->jitter < c->delay ? c->jitter : c->delay;
	}
	if (air_draw(l, c->reorder)) {
		l->stats.reordered++;
		when = (when > l->last ? when : l->last) + c->reorder_by;
		air_hurt(l, f, when);
		return when;
	}
	if (when < l->last)
		when = l->last;
	l->last = when;
	return when;
}

/* One copy goes its way. */
static void air_go(struct lab_line *l, struct lab_frame *f)
{
	uint64_t when = air_when(l, f);

	if (air_draw(l, l->c->corrupt)) {
		air_hurt(l, f, when);
		air_corrupt(l, f);
	}
	if (air_draw(l, l->c->truncate)) {
		air_hurt(l, f, when);
		air_truncate(l, f);
	}
	l->flying++;
	lab_at(l->w, when, air_arrives, l, f);
}

static struct lab_frame *frame_copy(const struct lab_frame *f)
{
	struct lab_frame *copy = malloc(sizeof(*f) + f->len);

	if (copy)
		memcpy(copy, f, sizeof(*f) + f->len);
	return copy;
}

void lab_air(struct lab_line *l, struct lab_frame *f)
{
	struct lab_frame *copy = NULL;

	if (air_dark(l)) {
		lab_line_drop(l, f, LAB_DROP_BLACKOUT);
		return;
	}
	if (air_lost(l)) {
		lab_line_drop(l, f, LAB_DROP_LOSS);
		return;
	}
	if (air_draw(l, l->c->dup))
		copy = frame_copy(f);
	air_go(l, f);
	if (!copy)
		return;
	l->stats.duplicated++;
	air_go(l, copy);
}
