/*
 * shell/words.c - a line of commands cut into words: quotes "" and '', backslash, # comments, `;`, `&`,
 * < FILE, > FILE, >> FILE.
 *
 * There is no expansion of any kind, and no pipe: a word is what stands there.
 */
#include "shell/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool word_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool word_ends(char c)
{
	return c == '\0' || word_blank(c) || strchr(";&<>|\n", c) != NULL;
}

/* A quoted part from behind its opening quote; in "" a backslash keeps the quote and itself. */
static const char *word_quoted(const char *p, char quote, char **to)
{
	for (; *p && *p != quote; p++) {
		if (quote == '"' && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		*(*to)++ = *p;
	}
	return *p ? p + 1 : NULL;
}

/* Copies one word to *to, with its NUL, and moves both on. */
static int word_copy(const char **line, char **to, const char **why)
{
	const char *p = *line;

	while (!word_ends(*p)) {
		if (*p == '"' || *p == '\'') {
			char quote = *p;

			p = word_quoted(p + 1, quote, to);
			if (!p) {
				*why = quote == '"' ? "a \" is not closed" : "a ' is not closed";
				return -EINVAL;
			}
			continue;
		}
		if (*p == '\\' && p[1] != '\0')
			p++;
		*(*to)++ = *p++;
	}
	*(*to)++ = '\0';
	*line = p;
	return 0;
}

static int words_push(struct words *w, char *word)
{
	char **more;

	if (w->argc + 2 > w->room) {
		more = realloc(w->argv, (size_t)(w->room + 16) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		w->argv = more;
		w->room += 16;
	}
	w->argv[w->argc++] = word;
	w->argv[w->argc] = NULL;
	return 0;
}

static const char *skip_blanks(const char *p)
{
	while (word_blank(*p))
		p++;
	return p;
}

/* From the operator on: < FILE, > FILE or >> FILE. */
static int words_redirect(const char **line, struct words *w, char **to, const char **why)
{
	char op = *(*line)++;
	char *file;

	if (op == '>') {
		w->append = **line == '>';
		*line += w->append;
	}
	*line = skip_blanks(*line);
	if (word_ends(**line)) {
		*why = "a file name is missing behind < or >";
		return -EINVAL;
	}
	file = *to;
	if (op == '<')
		w->in = file;
	else
		w->out = file;
	return word_copy(line, to, why);
}

/* The end of a command, or of the line: true when something was there to end. */
static int words_end(const char **line, struct words *w, const char **why)
{
	const char *p = *line;

	if (*p == '|' || (*p == '&' && p[1] == '&')) {
		*why = *p == '|' ? "there are no pipes here" : "there is no && here, use ;";
		return -EINVAL;
	}
	if (*p == '&' && w->argc == 0) {
		*why = "there is no command before &";
		return -EINVAL;
	}
	w->background = *p == '&';
	*line = *p ? p + 1 : p;
	if (w->argc == 0 && (w->in || w->out)) {
		*why = "there is no command before < or >";
		return -EINVAL;
	}
	return w->argc > 0;
}

/* One command or a piece of nothing between two `;`: 1, 0 or -errno. */
static int words_command(const char **line, struct words *w, const char **why)
{
	char *to = w->text;
	int err = 0;

	while (err == 0) {
		*line = skip_blanks(*line);
		if (**line == '#')
			*line = strchrnul(*line, '\n');
		if (**line == '<' || **line == '>') {
			err = words_redirect(line, w, &to, why);
			continue;
		}
		if (word_ends(**line))
			return words_end(line, w, why);
		err = words_push(w, to);
		if (err == 0)
			err = word_copy(line, &to, why);
	}
	return err;
}

int words_next(const char **line, struct words *w, const char **why)
{
	int r = 0;

	*w = (struct words){0};
	*why = "no memory";
	w->text = malloc(2 * strlen(*line) + 2);
	if (!w->text)
		return -ENOMEM;
	while (r == 0 && **line)
		r = words_command(line, w, why);
	if (r <= 0)
		words_free(w);
	return r;
}

void words_free(struct words *w)
{
	free(w->text);
	free(w->argv);
	*w = (struct words){0};
}

char *words_quote(const char *word)
{
	char *text = malloc(2 * strlen(word) + 3), *to = text;

	if (!text)
		return NULL;
	*to++ = '"';
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			*to++ = '\\';
		*to++ = *word;
	}
	*to++ = '"';
	*to = '\0';
	return text;
}
