/*
 * tests/sim/lab_text.c - a scene from its text: one statement a line, words between blanks, '#' to
 * the end of a line is a comment.  docs/lab.md has the grammar.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/lab_text.h"

bool lab_text_error(struct lab_line_text *l, const char *format, ...)
{
	va_list args;
	int n;

	if (l->why[0])
		return false;
	n = snprintf(l->why, LAB_WHY, "%s:%u: ", l->file, l->number);
	if (n < 0 || n >= LAB_WHY)
		return false;
	va_start(args, format);
	vsnprintf(l->why + n, (size_t)(LAB_WHY - n), format, args);
	va_end(args);
	return false;
}

const char *lab_text_word(struct lab_line_text *l)
{
	return l->at < l->nword ? l->word[l->at] : NULL;
}

const char *lab_text_take(struct lab_line_text *l)
{
	const char *w = lab_text_word(l);

	l->at += w != NULL;
	return w;
}

bool lab_text_skip(struct lab_line_text *l, const char *word)
{
	const char *w = lab_text_word(l);

	if (!w || strcmp(w, word) != 0)
		return false;
	l->at++;
	return true;
}

bool lab_text_quantity(struct lab_line_text *l, const char *of, enum lab_unit unit, uint64_t *value)
{
	const char *w = lab_text_take(l);

	if (!w)
		return lab_text_error(l, "%s wants %s behind it", of, lab_unit_example(unit));
	if (!lab_quantity_parse(w, unit, value))
		return lab_text_error(l, "%s wants %s, not '%s'", of, lab_unit_example(unit), w);
	return true;
}

bool lab_text_u32(struct lab_line_text *l, const char *of, enum lab_unit unit, uint32_t *value)
{
	uint64_t v;

	if (!lab_text_quantity(l, of, unit, &v))
		return false;
	if (v > INT32_MAX)
		return lab_text_error(l, "%s: %llu is too many", of, (unsigned long long)v);
	*value = (uint32_t)v;
	return true;
}

static unsigned node_find(const struct lab_scene *s, const char *name)
{
	unsigned i;

	for (i = 0; i < s->nnode && strcmp(s->node[i].name, name) != 0; i++)
		;
	return i;
}

bool lab_text_node(struct lab_line_text *l, unsigned *node)
{
	const char *w = lab_text_take(l);

	if (!w)
		return lab_text_error(l, "a node's name is missing");
	*node = node_find(l->scene, w);
	if (*node == l->scene->nnode)
		return lab_text_error(l, "no node '%s': a line 'host %s' has to come before", w, w);
	return true;
}

/* --- statements --------------------------------------------------------------------------------- */

static bool name_is_good(const char *w)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return strlen(w) < LAB_NAME && strspn(w, letters) == strlen(w) && w[0] != '-';
}

static bool text_nodes(struct lab_line_text *l, bool router)
{
	struct lab_scene *s = l->scene;
	const char *w;

	if (!lab_text_word(l))
		return lab_text_error(l, "a name is missing: '%s a'", router ? "router" : "host");
	while ((w = lab_text_take(l))) {
		if (!name_is_good(w))
			return lab_text_error(l, "'%s' is no name: up to %d letters and digits", w,
					      LAB_NAME - 1);
		if (node_find(s, w) < s->nnode)
			return lab_text_error(l, "there is a node '%s' already", w);
		if (s->nnode == LAB_NODES)
			return lab_text_error(l, "more than %d nodes", LAB_NODES);
		strcpy(s->node[s->nnode].name, w);
		s->node[s->nnode++].router = router;
	}
	return true;
}

static bool text_host(struct lab_line_text *l)
{
	return text_nodes(l, false);
}

static bool text_router(struct lab_line_text *l)
{
	return text_nodes(l, true);
}

static bool text_seed(struct lab_line_text *l)
{
	const char *w = lab_text_take(l);
	char *end;

	if (!w || !strchr("0123456789", w[0]))
		return lab_text_error(l, "seed wants a whole number, as 'seed 7'");
	l->scene->seed = strtoull(w, &end, 10);
	l->scene->has_seed = true;
	return *end == '\0' || lab_text_error(l, "seed wants a whole number, not '%s'", w);
}

static bool text_until(struct lab_line_text *l)
{
	return lab_text_quantity(l, "until", LAB_TIME, &l->scene->until);
}

/* sysctl NODE|* NAME=VALUE */
static bool text_sysctl(struct lab_line_text *l)
{
	struct lab_scene *s = l->scene;
	struct lab_setting *set = &s->setting[s->nsetting];
	const char *w, *equals;

	if (s->nsetting == LAB_SETTINGS)
		return lab_text_error(l, "more than %d settings", LAB_SETTINGS);
	set->node = LAB_ALL_NODES;
	if (!lab_text_skip(l, "*") && !lab_text_node(l, &set->node))
		return false;
	w = lab_text_take(l);
	equals = w ? strchr(w, '=') : NULL;
	if (!equals || equals == w || !equals[1] || (size_t)(equals - w) >= sizeof(set->name) ||
	    strlen(equals + 1) >= sizeof(set->value))
		return lab_text_error(l, "sysctl wants NODE NAME=VALUE, as "
					 "'sysctl a net.ipv4.tcp_sack=0'; * is every node");
	memcpy(set->name, w, (size_t)(equals - w));
	set->name[equals - w] = '\0';
	strcpy(set->value, equals + 1);
	s->nsetting++;
	return true;
}

static const struct {
	const char *word;
	bool (*read)(struct lab_line_text *l);
} statements[] = {
    {"host", text_host}, {"router", text_router}, {"link", lab_text_link},
    {"seed", text_seed}, {"until", text_until},   {"sysctl", text_sysctl},
};

static bool text_statement(struct lab_line_text *l)
{
	const char *w = lab_text_take(l);

	for (unsigned i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		if (strcmp(w, statements[i].word) == 0)
			return statements[i].read(l);
	}
	for (unsigned k = 0; k < LAB_KINDS; k++) {
		if (strcmp(w, lab_kind_text(k)) == 0)
			return lab_text_job(l, k);
	}
	return lab_text_error(
	    l,
	    "no statement '%s'; there are host, router, link, sysctl, seed, until, "
	    "bulk, rr, many, slowreader, halfclose, reset",
	    w);
}

/* --- lines -------------------------------------------------------------------------------------- */

static bool text_line(struct lab_line_text *l, char *line)
{
	char *rest, *w;

	line[strcspn(line, "#\r")] = '\0';
	l->nword = l->at = 0;
	for (w = strtok_r(line, " \t", &rest); w; w = strtok_r(NULL, " \t", &rest)) {
		if (l->nword == LAB_WORDS)
			return lab_text_error(l, "more than %d words", LAB_WORDS);
		l->word[l->nword++] = w;
	}
	if (l->nword == 0)
		return true;
	if (!text_statement(l))
		return false;
	w = l->at < l->nword ? l->word[l->at] : NULL;
	return !w || lab_text_error(l, "'%s' is one word too many", w);
}

static bool text_whole(struct lab_line_text *l)
{
	if (l->scene->nlink == 0)
		return lab_text_error(l, "there is no link, as 'link a b delay 10ms'");
	if (l->scene->njob == 0)
		return lab_text_error(l, "there is no traffic, as 'bulk a b 1MB'");
	return true;
}

bool lab_scene_parse(struct lab_scene *s, const char *file, const char *text, char *why)
{
	struct lab_line_text l = {.scene = s, .file = file, .why = why};
	char *copy = strdup(text), *line, *next;
	bool ok = copy != NULL;

	memset(s, 0, sizeof(*s));
	why[0] = '\0';
	for (line = copy; ok && line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!next && !*line)
			break;
		l.number++;
		ok = text_line(&l, line);
	}
	free(copy);
	return ok && text_whole(&l);
}
