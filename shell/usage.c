/*
 * shell/usage.c - a usage line becomes sets: which words may be the first, which may come behind each.
 *
 * Each part of the line tells which of its words may begin and end it; where two parts meet, the words that end
 * the one get those that begin the other behind them (Glushkov's automaton).
 */
#include "shell/usage.h"

#include <string.h>

struct usage_part {
	uint64_t first, last;
	bool empty; /* it may be left out */
};

struct usage_reader {
	struct usage *u;
	const char *at;
	bool bad;
};

static struct usage_part usage_choice(struct usage_reader *r);

static bool usage_skip(struct usage_reader *r, const char *what)
{
	size_t n = strlen(what);

	if (strncmp(r->at, what, n))
		return false;
	r->at += n;
	return true;
}

static bool usage_is_place(const char *text)
{
	return *text >= 'A' && *text <= 'Z';
}

static void usage_put_behind(struct usage *u, uint64_t words, uint64_t behind)
{
	for (unsigned i = 0; i < u->n; i++) {
		if (words >> i & 1)
			u->word[i].behind |= behind;
	}
}

/* One word; its bit, 0: there is none or no room. */
static uint64_t usage_word(struct usage_reader *r)
{
	struct usage_word *w = &r->u->word[r->u->n];
	const char *from = r->at;

	while (*r->at && !strchr(" []|", *r->at) && strncmp(r->at, "...", 3))
		r->at++;
	if (r->at == from || r->u->n == USAGE_WORDS) {
		r->bad = true;
		return 0;
	}
	*w = (struct usage_word){
	    .text = from, .len = (size_t)(r->at - from), .place = usage_is_place(from)};
	return 1ull << r->u->n++;
}

/* a|b, with the [=VALUE] that goes for all of them. */
static uint64_t usage_words(struct usage_reader *r)
{
	unsigned from = r->u->n;
	uint64_t words;

	do
		words = usage_word(r);
	while (!r->bad && r->at[0] == '|' && usage_skip(r, "|"));
	if (r->bad)
		return 0;
	words = (words << 1) - (1ull << from);
	if (*r->at != '[')
		return words;
	r->at += strcspn(r->at, "]");
	r->bad = !usage_skip(r, "]");
	while (from < r->u->n)
		r->u->word[from++].joins = true;
	return words;
}

/* Options leave no trace in the order of words. */
static struct usage_part usage_option(struct usage_reader *r)
{
	uint64_t options = usage_words(r);

	r->u->options |= options;
	if (r->at[0] == ' ' && usage_is_place(r->at + 1) && usage_skip(r, " "))
		usage_put_behind(r->u, options, usage_words(r));
	return (struct usage_part){.empty = true};
}

static struct usage_part usage_item(struct usage_reader *r)
{
	struct usage_part p = {0};

	if (*r->at == '-')
		return usage_option(r);
	if (usage_skip(r, "[")) {
		p = usage_choice(r);
		p.empty = true;
		r->bad |= !usage_skip(r, "]");
	} else {
		p.first = p.last = usage_words(r);
	}
	if (usage_skip(r, "..."))
		usage_put_behind(r->u, p.last, p.first);
	return p;
}

static struct usage_part usage_sequence(struct usage_reader *r)
{
	struct usage_part all = {.empty = true}, one;

	do {
		one = usage_item(r);
		usage_put_behind(r->u, all.last, one.first);
		all.first |= all.empty ? one.first : 0;
		all.last = one.last | (one.empty ? all.last : 0);
		all.empty &= one.empty;
	} while (!r->bad && strncmp(r->at, " | ", 3) && usage_skip(r, " "));
	return all;
}

static struct usage_part usage_choice(struct usage_reader *r)
{
	struct usage_part all = {0}, one;

	do {
		one = usage_sequence(r);
		all.first |= one.first;
		all.last |= one.last;
		all.empty |= one.empty;
	} while (!r->bad && usage_skip(r, " | "));
	return all;
}

bool usage_parse(struct usage *u, const char *args)
{
	struct usage_reader r = {.u = u, .at = args};

	u->n = 0;
	u->first = u->options = 0;
	if (*args)
		u->first = usage_choice(&r).first;
	return !r.bad && *r.at == '\0';
}

uint64_t usage_behind(const struct usage *u, uint64_t set)
{
	uint64_t behind = 0;

	for (unsigned i = 0; i < u->n; i++) {
		if (set >> i & 1)
			behind |= u->word[i].behind;
	}
	return behind;
}
