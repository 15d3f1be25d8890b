/*
 * tests/script/drill_lex.c - the words of a script.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tests/script/drill.h"

int lex_line(const struct lex *x)
{
	int n = 1;

	for (const char *c = x->start; c < x->p; c++)
		n += *c == '\n';
	return n;
}

void lex_fail(struct lex *x, const char *what)
{
	const char *end = strchrnul(x->p, '\n');

	fprintf(stderr, "%s:%d: %s at \"%.*s\"\n", x->path, lex_line(x), what, (int)(end - x->p),
		x->p);
	exit(2);
}

static bool skip_comment(struct lex *x)
{
	const char *end;

	if (!strncmp(x->p, "//", 2)) {
		x->p = strchrnul(x->p, '\n');
		return true;
	}
	if (strncmp(x->p, "/*", 2))
		return false;
	end = strstr(x->p, "*/");
	if (!end)
		lex_fail(x, "comment without an end");
	x->p = end + 2;
	return true;
}

void lex_skip(struct lex *x)
{
	do {
		while (isspace((unsigned char)*x->p))
			x->p++;
	} while (skip_comment(x));
}

bool lex_take(struct lex *x, const char *text)
{
	lex_skip(x);
	if (strncmp(x->p, text, strlen(text)))
		return false;
	x->p += strlen(text);
	return true;
}

void lex_need(struct lex *x, const char *text)
{
	char what[64];

	if (lex_take(x, text))
		return;
	snprintf(what, sizeof(what), "%s expected", text);
	lex_fail(x, what);
}

char *lex_word(struct lex *x)
{
	const char *from;

	lex_skip(x);
	from = x->p;
	while (isalnum((unsigned char)*x->p) || *x->p == '_')
		x->p++;
	return x->p > from ? strndup(from, (size_t)(x->p - from)) : NULL;
}

int64_t lex_number(struct lex *x)
{
	char *end;
	int64_t n;

	lex_skip(x);
	n = strtoll(x->p, &end, 0);
	if (end == x->p)
		lex_fail(x, "number expected");
	x->p = end;
	return n;
}

char *lex_until(struct lex *x, const char *end)
{
	const char *from = x->p, *at = strstr(from, end);

	if (!at)
		lex_fail(x, "no end of this");
	x->p = at + strlen(end);
	return strndup(from, (size_t)(at - from));
}

char *lex_line_rest(struct lex *x)
{
	const char *from = x->p;

	x->p += strcspn(x->p, " \t\n");
	return strndup(from, (size_t)(x->p - from));
}

/* By hand: "0...0.1" must not be read as the number "0.". */
int64_t lex_seconds(struct lex *x)
{
	int64_t us = 0, unit = 100000;
	const char *from;

	lex_skip(x);
	for (from = x->p; isdigit((unsigned char)*x->p); x->p++)
		us = us * 10 + (*x->p - '0') * 1000000;
	if (*x->p == '.' && isdigit((unsigned char)x->p[1])) {
		for (x->p++; isdigit((unsigned char)*x->p); x->p++, unit /= 10)
			us += (*x->p - '0') * unit;
	}
	if (x->p == from)
		lex_fail(x, "time expected");
	return us;
}
