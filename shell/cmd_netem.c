/*
 * shell/cmd_netem.c - `netem`: impairment of a device in tc-netem's words and units.
 *
 * Each word of a table takes its values from the line; some are optional, as in tc.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "net/netem.h"
#include "shell/complete.h"
#include "shell/parse.h"

#define NETEM_LIMIT 1000u /* what tc takes when none is named */

struct netem_line {
	struct cmd *c;
	int at; /* the next word */
	struct netem_config cfg;
};

/* The next word if it is a value (begins with a digit or a point), else NULL. */
static const char *netem_value(struct netem_line *l)
{
	const char *word = l->at < l->c->argc ? l->c->argv[l->at] : "";

	if (word[0] != '.' && (word[0] < '0' || word[0] > '9'))
		return NULL;
	l->at++;
	return word;
}

static int netem_need(struct netem_line *l, const char **value)
{
	const char *word = l->c->argv[l->at - 1];

	*value = netem_value(l);
	return *value ? CMD_OK : cmd_usage(l->c, "%s needs a value", word);
}

static int netem_probability(struct netem_line *l, uint32_t *out)
{
	const char *value;
	double percent = 0;
	int status = netem_need(l, &value);

	if (!status)
		status = parse_percent(l->c, value, &percent);
	*out = netem_percent(percent);
	return status;
}

static int netem_number(struct netem_line *l, const struct range *r, uint64_t *out)
{
	const char *value;
	int status = netem_need(l, &value);

	return status ? status : parse_count(l->c, value, r, out);
}

static bool netem_word(struct netem_line *l, const char *word)
{
	if (l->at >= l->c->argc || strcmp(l->c->argv[l->at], word))
		return false;
	l->at++;
	return true;
}

/* gemodel P [R [1-H [1-K]]], with tc's defaults: R is 1 - P, all is lost in the bad state. */
static int netem_gemodel(struct netem_line *l)
{
	uint32_t *to[] = {&l->cfg.bad_leave, &l->cfg.bad_loss, &l->cfg.good_loss};
	double percent;
	const char *value;
	int status = netem_probability(l, &l->cfg.bad_enter);

	l->cfg.bad_leave = UINT32_MAX - l->cfg.bad_enter;
	l->cfg.bad_loss = UINT32_MAX;
	for (int i = 0; i < 3 && !status && (value = netem_value(l)); i++) {
		status = parse_percent(l->c, value, &percent);
		if (!status)
			*to[i] = netem_percent(percent);
	}
	return status;
}

static int netem_loss(struct netem_line *l)
{
	const char *value;
	double percent;
	int status;

	if (netem_word(l, "gemodel"))
		return netem_gemodel(l);
	netem_word(l, "random");
	status = netem_probability(l, &l->cfg.loss);
	value = status ? NULL : netem_value(l);
	if (!value)
		return status;
	status = parse_percent(l->c, value, &percent);
	if (!status)
		l->cfg.loss_cor = netem_percent(percent);
	return status;
}

static int netem_delay(struct netem_line *l)
{
	const char *value;
	int status = netem_need(l, &value);

	if (!status)
		status = parse_duration(l->c, value, &l->cfg.delay);
	value = status ? NULL : netem_value(l);
	if (value)
		status = parse_duration(l->c, value, &l->cfg.jitter);
	if (!status && l->cfg.jitter > l->cfg.delay)
		return cmd_usage(l->c, "delay: jitter is longer than the delay");
	return status;
}

static int netem_reorder(struct netem_line *l)
{
	return netem_probability(l, &l->cfg.reorder);
}

static int netem_duplicate(struct netem_line *l)
{
	return netem_probability(l, &l->cfg.duplicate);
}

static int netem_corrupt(struct netem_line *l)
{
	return netem_probability(l, &l->cfg.corrupt);
}

static int netem_rate(struct netem_line *l)
{
	const char *value;
	int status = netem_need(l, &value);

	return status ? status : parse_rate(l->c, value, &l->cfg.rate);
}

static int netem_limit(struct netem_line *l)
{
	static const struct range range = {"limit", 1, 1000000};
	uint64_t v = 0;
	int status = netem_number(l, &range, &v);

	l->cfg.limit = (uint32_t)v;
	return status;
}

static int netem_gap(struct netem_line *l)
{
	static const struct range range = {"gap", 1, 1000000};
	uint64_t v = 0;
	int status = netem_number(l, &range, &v);

	l->cfg.gap = (uint32_t)v;
	return status;
}

static int netem_seed(struct netem_line *l)
{
	static const struct range range = {"seed", 0, UINT64_MAX};

	return netem_number(l, &range, &l->cfg.seed);
}

/* blackout FOR EVERY */
static int netem_blackout(struct netem_line *l)
{
	const char *dark, *every;
	int status = netem_need(l, &dark);

	if (!status)
		status = parse_duration(l->c, dark, &l->cfg.blackout);
	every = status ? NULL : netem_value(l);
	if (!status && !every)
		return cmd_usage(l->c, "blackout needs two values: for how long, how often");
	if (!status)
		status = parse_duration(l->c, every, &l->cfg.blackout_every);
	if (!status && (!l->cfg.blackout || l->cfg.blackout > l->cfg.blackout_every))
		return cmd_usage(l->c,
				 "blackout: the first value is above 0 and at most the second");
	return status;
}

static int netem_drop_frag(struct netem_line *l)
{
	if (!netem_word(l, "last"))
		return cmd_usage(l->c, "drop-frag takes the word last");
	l->cfg.drop_last_frag = true;
	return CMD_OK;
}

static const struct netem_key {
	const char *name;
	int (*parse)(struct netem_line *l);
} netem_words[] = {
    {"loss", netem_loss},         {"drop", netem_loss},       {"delay", netem_delay},
    {"latency", netem_delay},     {"reorder", netem_reorder}, {"duplicate", netem_duplicate},
    {"corrupt", netem_corrupt},   {"rate", netem_rate},       {"limit", netem_limit},
    {"gap", netem_gap},           {"seed", netem_seed},       {"drop-frag", netem_drop_frag},
    {"blackout", netem_blackout},
};

#define NETEM_WORDS (sizeof(netem_words) / sizeof(netem_words[0]))

const char *netem_word_name(unsigned i)
{
	return i < NETEM_WORDS ? netem_words[i].name : NULL;
}

static int netem_parse(struct netem_line *l)
{
	size_t i, n = NETEM_WORDS;
	int status = CMD_OK;

	while (!status && l->at < l->c->argc) {
		const char *word = l->c->argv[l->at++];

		for (i = 0; i < n && strcmp(word, netem_words[i].name); i++)
			;
		status = i < n ? netem_words[i].parse(l) : cmd_usage(l->c, "unknown word %s", word);
	}
	if (!status && l->cfg.reorder && !l->cfg.delay)
		return cmd_usage(l->c, "reorder needs a delay: it is what the others wait for");
	return status;
}

/* --- show -------------------------------------------------------------------------------------- */

static double netem_share(uint32_t p)
{
	return (double)p / UINT32_MAX * 100;
}

static void netem_show_percent(struct cmd *c, const char *name, uint32_t p)
{
	if (p)
		fprintf(c->out, " %s %g%%", name, netem_share(p));
}

/* Loss in bursts and outages. */
static void netem_show_outage(struct cmd *c, const struct netem_config *cfg)
{
	if (cfg->bad_enter)
		fprintf(c->out, " loss gemodel %g%% %g%% %g%% %g%%", netem_share(cfg->bad_enter),
			netem_share(cfg->bad_leave), netem_share(cfg->bad_loss),
			netem_share(cfg->good_loss));
	if (cfg->blackout_every)
		fprintf(c->out, " blackout %gms %gms", (double)cfg->blackout / 1e6,
			(double)cfg->blackout_every / 1e6);
}

static void netem_show(struct cmd *c, struct netdev *dev, enum netem_dir dir)
{
	struct netem_config cfg;
	struct netem_stats s;

	if (!netem_get(dev, dir, &cfg, &s))
		return;
	fprintf(c->out, "%s %s: limit %u", dev->name, dir == NETEM_IN ? "in" : "out",
		cfg.limit ? cfg.limit : NETEM_LIMIT);
	netem_show_percent(c, "loss", cfg.loss);
	if (cfg.loss_cor)
		fprintf(c->out, " %g%%", netem_share(cfg.loss_cor));
	netem_show_outage(c, &cfg);
	if (cfg.delay)
		fprintf(c->out, " delay %gms", (double)cfg.delay / 1e6);
	if (cfg.jitter)
		fprintf(c->out, " %gms", (double)cfg.jitter / 1e6);
	netem_show_percent(c, "reorder", cfg.reorder);
	if (cfg.gap > 1)
		fprintf(c->out, " gap %u", cfg.gap);
	netem_show_percent(c, "duplicate", cfg.duplicate);
	netem_show_percent(c, "corrupt", cfg.corrupt);
	if (cfg.rate)
		fprintf(c->out, " rate %gmbit", (double)cfg.rate / 1e6);
	if (cfg.drop_last_frag)
		fprintf(c->out, " drop-frag last");
	fprintf(c->out, " seed %" PRIu64 "\n", cfg.seed);
	fprintf(c->out,
		"    passed %" PRIu64 " lost %" PRIu64 " duplicated %" PRIu64 " corrupted %" PRIu64
		" reordered %" PRIu64 " overlimit %" PRIu64 " queued %" PRIu64 "\n",
		s.passed, s.lost, s.duplicated, s.corrupted, s.reordered, s.overlimit, s.queued);
}

static int netem_show_all(struct cmd *c, struct netdev *only)
{
	struct netdev *dev = NULL;

	while ((dev = netdev_next(c->stack, dev))) {
		if (only && dev != only)
			continue;
		netem_show(c, dev, NETEM_IN);
		netem_show(c, dev, NETEM_OUT);
	}
	return CMD_OK;
}

/* --- the command ------------------------------------------------------------------------------- */

/* Both directions when none is named. */
static int netem_apply(struct cmd *c, struct netdev *dev, const bool dir[2],
		       const struct netem_config *cfg)
{
	struct batch b;
	int err = 0;

	batch_begin(&b, c->stack);
	for (int d = NETEM_IN; d <= NETEM_OUT && !err; d++) {
		if (!dir[d])
			continue;
		err = cfg ? netem_set(dev, d, cfg) : netem_off(dev, d);
		if (err == -ENOENT)
			err = 0; /* it was off */
	}
	batch_end(&b);
	return err ? cmd_error(c, "%s: %s", dev->name, strerror(-err)) : CMD_OK;
}

int cmd_netem(struct cmd *c)
{
	struct netem_line l = {.c = c, .at = 2};
	bool dir[2] = {true, true};
	struct netdev *dev;
	const char *word;
	int status;

	if (c->argc == 1 || (c->argc == 2 && !strcmp(c->argv[1], "show")))
		return netem_show_all(c, NULL);
	status = parse_device(c, c->argv[1], &dev);
	if (status)
		return status;
	word = c->argc > 2 ? c->argv[2] : "show";
	if (!strcmp(word, "in") || !strcmp(word, "out")) {
		dir[word[0] == 'i' ? NETEM_OUT : NETEM_IN] = false;
		l.at++;
		word = l.at < c->argc ? c->argv[l.at] : "show";
	}
	if (!strcmp(word, "show") || !strcmp(word, "off")) {
		if (l.at + 1 < c->argc)
			return cmd_usage(c, "too many words");
		return word[0] == 's' ? netem_show_all(c, dev) : netem_apply(c, dev, dir, NULL);
	}
	status = netem_parse(&l);
	return status ? status : netem_apply(c, dev, dir, &l.cfg);
}
