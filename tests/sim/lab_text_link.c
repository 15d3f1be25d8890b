/*
 * tests/sim/lab_text_link.c - the statement `link A B ...`: what stands before `->` and `<-` is of both
 * directions, what follows of the one.
 */
#include <string.h>

#include "tests/sim/lab_text.h"

static bool line_rate(struct lab_line_text *l, struct lab_line_config *c)
{
	return lab_text_quantity(l, "rate", LAB_RATE, &c->rate);
}

static bool line_delay(struct lab_line_text *l, struct lab_line_config *c)
{
	return lab_text_quantity(l, "delay", LAB_TIME, &c->delay);
}

static bool line_jitter(struct lab_line_text *l, struct lab_line_config *c)
{
	return lab_text_quantity(l, "jitter", LAB_TIME, &c->jitter);
}

/* queue 100p [droptail | codel | ecn 50p] */
static bool line_queue(struct lab_line_text *l, struct lab_line_config *c)
{
	if (!lab_text_u32(l, "queue", LAB_COUNT, &c->limit))
		return false;
	if (c->limit == 0)
		return lab_text_error(l, "queue wants at least 1p");
	c->queue = LAB_DROPTAIL;
	if (lab_text_skip(l, "codel"))
		c->queue = LAB_CODEL;
	else if (lab_text_skip(l, "ecn")) {
		c->queue = LAB_ECN;
		return lab_text_u32(l, "ecn", LAB_COUNT, &c->mark);
	} else
		lab_text_skip(l, "droptail");
	return true;
}

static bool line_loss(struct lab_line_text *l, struct lab_line_config *c)
{
	return lab_text_u32(l, "loss", LAB_SHARE, &c->loss);
}

/* gilbert WORSE BETTER [LOSS]: per packet to the bad state, back, and lost while bad */
static bool line_gilbert(struct lab_line_text *l, struct lab_line_config *c)
{
	const char *w;

	if (!lab_text_u32(l, "gilbert", LAB_SHARE, &c->gilbert.worse) ||
	    !lab_text_u32(l, "gilbert", LAB_SHARE, &c->gilbert.better))
		return false;
	if (c->gilbert.worse && !c->gilbert.better)
		return lab_text_error(l, "gilbert never gets better: the second share is 0");
	c->gilbert.loss = LAB_PPM;
	w = lab_text_word(l);
	return !w || !strchr(w, '%') || lab_text_u32(l, "gilbert", LAB_SHARE, &c->gilbert.loss);
}

/* reorder SHARE [TIME] */
static bool line_reorder(struct lab_line_text *l, struct lab_line_config *c)
{
	const char *w;

	if (!lab_text_u32(l, "reorder", LAB_SHARE, &c->reorder))
		return false;
	w = lab_text_word(l);
	c->reorder_by = 0;
	return !w || !strchr("0123456789", w[0]) ||
	       lab_text_quantity(l, "reorder", LAB_TIME, &c->reorder_by);
}

static bool line_dup(struct lab_line_text *l, struct lab_line_config *c)
{
	return lab_text_u32(l, "dup", LAB_SHARE, &c->dup);
}

static bool line_corrupt(struct lab_line_text *l, struct lab_line_config *c)
{
	return lab_text_u32(l, "corrupt", LAB_SHARE, &c->corrupt);
}

static bool line_truncate(struct lab_line_text *l, struct lab_line_config *c)
{
	return lab_text_u32(l, "truncate", LAB_SHARE, &c->truncate);
}

/* blackout FROM TO */
static bool line_blackout(struct lab_line_text *l, struct lab_line_config *c)
{
	struct lab_blackout *b = &c->blackout[c->nblackout];

	if (c->nblackout == LAB_BLACKOUTS)
		return lab_text_error(l, "more than %d blackouts", LAB_BLACKOUTS);
	if (!lab_text_quantity(l, "blackout", LAB_TIME, &b->from) ||
	    !lab_text_quantity(l, "blackout", LAB_TIME, &b->to))
		return false;
	if (b->to <= b->from)
		return lab_text_error(l, "blackout ends before it begins: it wants FROM TO, as "
					 "'blackout 3s 5s'");
	c->nblackout++;
	return true;
}

static const struct {
	const char *word;
	bool (*read)(struct lab_line_text *l, struct lab_line_config *c);
} words[] = {
    {"rate", line_rate},         {"delay", line_delay},       {"jitter", line_jitter},
    {"queue", line_queue},       {"loss", line_loss},         {"gilbert", line_gilbert},
    {"reorder", line_reorder},   {"dup", line_dup},           {"corrupt", line_corrupt},
    {"truncate", line_truncate}, {"blackout", line_blackout},
};

/* Reads one word and what belongs to it, for each direction in `which` (bits). */
static bool link_word(struct lab_line_text *l, struct lab_link_config *k, unsigned which)
{
	const char *w = lab_text_take(l);
	unsigned at = l->at;

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(w, words[i].word) != 0)
			continue;
		for (unsigned d = 0; d < 2; d++) {
			if (!(which & 1u << d))
				continue;
			l->at = at;
			if (!words[i].read(l, &k->line[d]))
				return false;
		}
		return true;
	}
	return lab_text_error(
	    l,
	    "no word '%s' of a link; there are rate, delay, jitter, queue, loss, "
	    "gilbert, reorder, dup, corrupt, truncate, blackout, mtu, arp, -> and <-",
	    w);
}

static bool link_words(struct lab_line_text *l, struct lab_link_config *k)
{
	unsigned which = 3;

	while (lab_text_word(l)) {
		if (lab_text_skip(l, "->"))
			which = 1;
		else if (lab_text_skip(l, "<-"))
			which = 2;
		else if (lab_text_skip(l, "arp"))
			k->arp = true;
		else if (lab_text_skip(l, "mtu")) {
			if (!lab_text_u32(l, "mtu", LAB_COUNT, &k->mtu))
				return false;
			if (k->mtu < 256 || k->mtu > 65521)
				return lab_text_error(l, "mtu wants 256 to 65521");
		} else if (!link_word(l, k, which))
			return false;
	}
	return true;
}

/* Half the delay, so that RACK's window of a quarter of a round trip just bears it. */
static void link_defaults(struct lab_link_config *k)
{
	for (unsigned d = 0; d < 2; d++) {
		struct lab_line_config *c = &k->line[d];

		if (c->reorder && !c->reorder_by)
			c->reorder_by = c->delay / 2 > 1000000 ? c->delay / 2 : 1000000;
	}
}

bool lab_text_link(struct lab_line_text *l)
{
	struct lab_scene *s = l->scene;
	struct lab_link_config *k = &s->link[s->nlink];

	if (s->nlink == LAB_LINKS)
		return lab_text_error(l, "more than %d links", LAB_LINKS);
	if (!lab_text_node(l, &k->node[0]) || !lab_text_node(l, &k->node[1]))
		return false;
	if (k->node[0] == k->node[1])
		return lab_text_error(l, "a link has two different ends, as 'link a b'");
	if (!link_words(l, k))
		return false;
	link_defaults(k);
	s->nlink++;
	return true;
}
