/*
 * shell/complete.c - what may stand at a place of a line: the names of commands, and behind one what its usage line
 * has there.
 *
 * A command's words are those of its `args` (usage.h).  What stands for the user's own, DEV or NAME, is a row here
 * when weft knows the names; where it has none, nothing is offered.
 */
#include "shell/complete.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/debug.h"
#include "lib/mib.h"
#include "lib/sysctl.h"
#include "net/netdev.h"
#include "shell/shell_priv.h"
#include "shell/usage.h"

#define NAME_ROOM SYSCTL_TEXT_MAX
#define CURSOR '\001' /* ends the word that is to be completed */

struct seek {
	struct shell *sh;
	const struct words *w;
	const char *word; /* its last one, as far as it is there */
	struct complete *out;
};

/* --- names ------------------------------------------------------------------------------------- */

/* The i-th into name[NAME_ROOM], "": it is not offered; false: there are no more. */
typedef bool name_fn(struct shell *sh, unsigned i, char *name);

static bool name_text(const char *text, char *name)
{
	if (text)
		snprintf(name, NAME_ROOM, "%s", text);
	return text != NULL;
}

static bool name_command(struct shell *sh, unsigned i, char *name)
{
	return name_text(commands[i].name, name);
}

static bool name_counter(struct shell *sh, unsigned i, char *name)
{
	if (i < MIB_MAX)
		snprintf(name, NAME_ROOM, "%s%s", mib_info[i].group, mib_info[i].name);
	return i < MIB_MAX;
}

static bool name_device(struct shell *sh, unsigned i, char *name)
{
	struct netdev *dev = netdev_next(sh->stack, NULL);

	while (dev && i--)
		dev = netdev_next(sh->stack, dev);
	return name_text(dev ? dev->name : NULL, name);
}

static bool name_job(struct shell *sh, unsigned i, char *name)
{
	struct job *j;

	mutex_lock(&sh->lock);
	for (j = sh->jobs; j && i; j = j->next)
		i--;
	*name = '\0';
	if (j && !(j->ended && j->client >= 0))
		snprintf(name, NAME_ROOM, "%d", j->id);
	mutex_unlock(&sh->lock);
	return j != NULL;
}

static bool name_level(struct shell *sh, unsigned i, char *name)
{
	return name_text(debug_level_name(i), name);
}

static bool name_netem(struct shell *sh, unsigned i, char *name)
{
	return name_text(netem_word_name(i), name);
}

static bool name_setting(struct shell *sh, unsigned i, char *name)
{
	if (i < sysctl_count && !sysctl_title(i, name))
		*name = '\0';
	return i < sysctl_count;
}

static const struct name_kind {
	const char *place; /* in a usage line */
	name_fn *name;     /* NULL: files */
} name_kinds[] = {
    {"COMMAND", name_command}, {"DEV", name_device},  {"FILE", NULL},
    {"ID", name_job},          {"LEVEL", name_level}, {"NAME", name_setting},
    {"PATTERN", name_counter}, {"WORD", name_netem},
};

static const struct name_kind *kind_find(const struct usage_word *u)
{
	for (size_t i = 0; i < sizeof(name_kinds) / sizeof(name_kinds[0]); i++) {
		const struct name_kind *k = &name_kinds[i];

		if (strlen(k->place) == u->len && strncmp(k->place, u->text, u->len) == 0)
			return k;
	}
	return NULL;
}

static bool kind_has(struct shell *sh, const struct name_kind *k, const char *word)
{
	char name[NAME_ROOM];

	for (unsigned i = 0; k && k->name && k->name(sh, i, name); i++) {
		if (strcmp(name, word) == 0)
			return true;
	}
	return false;
}

/* --- where the word stands --------------------------------------------------------------------- */

/* This very word, or one that its place knows. */
static bool word_known(struct shell *sh, const struct usage_word *u, const char *word)
{
	if (u->place)
		return kind_has(sh, kind_find(u), word);
	if (strncmp(word, u->text, u->len))
		return false;
	return !word[u->len] || (u->joins && !isalnum((unsigned char)word[u->len]));
}

/* Which of the set a word is.  A place takes any word, but those that are known go first. */
static uint64_t words_match(struct shell *sh, const struct usage *u, uint64_t set, const char *word)
{
	uint64_t known = 0, taken = 0;

	for (unsigned i = 0; i < u->n; i++) {
		if (!(set >> i & 1))
			continue;
		known |= (uint64_t)word_known(sh, &u->word[i], word) << i;
		taken |= (uint64_t)u->word[i].place << i;
	}
	return known ? known : taken;
}

/* What may stand where the last word does. */
static uint64_t words_follow(const struct seek *s, const struct usage *u)
{
	uint64_t set = u->first, value;
	int last = s->w->argc - 1;

	for (int i = 1; i < last; i++) {
		const char *word = s->w->argv[i];

		if (word[0] != '-') {
			set = usage_behind(u, words_match(s->sh, u, set, word));
			continue;
		}
		value = usage_behind(u, words_match(s->sh, u, u->options, word));
		if (value && ++i == last)
			return value;
	}
	return s->word[0] == '-' ? u->options : set;
}

/* --- what is offered --------------------------------------------------------------------------- */

/* What stands in the line is not offered again. */
static bool offer_wanted(const struct seek *s, const char *name)
{
	if (!*name || strncmp(name, s->word, strlen(s->word)))
		return false;
	for (int i = 1; i < s->w->argc - 1; i++) {
		if (strcmp(s->w->argv[i], name) == 0)
			return false;
	}
	return true;
}

/* Without memory there is less. */
static bool offer_name(const struct seek *s, const char *name)
{
	struct complete *out = s->out;
	char **more;

	if (!offer_wanted(s, name))
		return false;
	more = realloc(out->word, (out->n + 1) * sizeof(*more));
	if (!more)
		return false;
	out->word = more;
	more[out->n] = strdup(name);
	out->n += more[out->n] != NULL;
	return true;
}

static bool offer_names(const struct seek *s, name_fn *fn)
{
	char name[NAME_ROOM];
	bool any = false;

	for (unsigned i = 0; fn(s->sh, i, name); i++)
		any |= offer_name(s, name);
	return any;
}

static bool offer_place(const struct seek *s, const struct usage_word *u)
{
	const struct name_kind *k = kind_find(u);

	if (k && k->name)
		return offer_names(s, k->name);
	s->out->files |= k != NULL;
	return false;
}

static bool offer_word(const struct seek *s, const struct usage_word *u)
{
	char name[NAME_ROOM];

	if (u->place)
		return offer_place(s, u);
	snprintf(name, sizeof(name), "%.*s", (int)u->len, u->text);
	return offer_name(s, name);
}

static void offer_args(const struct seek *s, const struct command *row)
{
	struct usage u;
	uint64_t set;

	if (!usage_parse(&u, row->args))
		return;
	set = words_follow(s, &u);
	for (unsigned i = 0; i < u.n; i++) {
		if (set >> i & 1 && offer_word(s, &u.word[i]))
			s->out->joins |= u.word[i].joins;
	}
}

static void offer_command(const struct seek *s)
{
	const struct command *row = command_find(s->w->argv[0]);

	if (s->w->argc == 1)
		offer_names(s, name_command);
	else if (row)
		offer_args(s, row);
}

/* --- the line ---------------------------------------------------------------------------------- */

/* The last command of a line. */
static bool line_last(const char *line, struct words *w)
{
	struct words next;
	const char *why;
	int r;

	*w = (struct words){0};
	while ((r = words_next(&line, &next, &why)) > 0) {
		words_free(w);
		*w = next;
	}
	if (r < 0)
		words_free(w);
	return w->argc > 0;
}

/* The command at `point`, cut off there behind a CURSOR; a quote may be open. */
static bool line_cut(const char *line, size_t point, struct words *w)
{
	static const char *const ends[] = {"", "\"", "'"};
	char *text = malloc(point + 3);
	bool found = false;

	if (!text)
		return false;
	memcpy(text, line, point);
	text[point] = CURSOR;
	for (size_t i = 0; !found && i < sizeof(ends) / sizeof(ends[0]); i++) {
		memcpy(text + point + 1, ends[i], strlen(ends[i]) + 1);
		found = line_last(text, w);
	}
	free(text);
	return found;
}

/* Takes the CURSOR off the word that has it. */
static bool cursor_take(char *word)
{
	char *at = word ? strchr(word, CURSOR) : NULL;

	if (at)
		*at = '\0';
	return at != NULL;
}

void complete_line(struct shell *sh, const char *line, size_t point, struct complete *out)
{
	struct words w;
	struct seek s = {.sh = sh, .w = &w, .out = out};

	*out = (struct complete){0};
	if (!line_cut(line, point, &w))
		return;
	s.word = w.argv[w.argc - 1];
	if (cursor_take(w.in) || cursor_take(w.out))
		out->files = true;
	else if (cursor_take(w.argv[w.argc - 1]))
		offer_command(&s);
	words_free(&w);
}

void complete_free(struct complete *out)
{
	for (unsigned i = 0; i < out->n; i++)
		free(out->word[i]);
	free(out->word);
	*out = (struct complete){0};
}
