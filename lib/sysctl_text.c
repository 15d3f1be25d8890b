/*
 * lib/sysctl_text.c - settings as text: numbers, lists of numbers, words.
 *
 * A list is written whole or not at all: every part is looked at before the first is stored.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "lib/sysctl.h"

#define LIST_MAX 4 /* numbers of one list */
#define BLANKS " \t\n"

static _Atomic int64_t *field_of(struct stack *st, const struct sysctl_info *info)
{
	return (_Atomic int64_t *)((char *)&st->sysctl + info->offset);
}

static int64_t field_get(struct stack *st, const struct sysctl_info *info)
{
	return atomic_load_explicit(field_of(st, info), memory_order_relaxed);
}

static void field_set(struct stack *st, const struct sysctl_info *info, int64_t v)
{
	atomic_store_explicit(field_of(st, info), v, memory_order_relaxed);
}

static bool list_is(const struct sysctl_info *info, const char *name)
{
	return info->list && strlen(name) == info->list && !strncmp(info->name, name, info->list);
}

/* The first row of a setting and how many it has; 0: no such name. */
static size_t rows_of(const char *name, const struct sysctl_info **first)
{
	size_t i, n = 0;

	for (i = 0; i < sysctl_count; i++) {
		if (!strcmp(sysctl_info[i].name, name) || list_is(&sysctl_info[i], name))
			break;
	}
	if (i == sysctl_count)
		return 0;
	*first = &sysctl_info[i];
	if (!list_is(*first, name))
		return 1;
	while (i + n < sysctl_count && n < LIST_MAX && list_is(&sysctl_info[i + n], name))
		n++;
	return n;
}

bool sysctl_title(size_t i, char *name)
{
	const struct sysctl_info *info = &sysctl_info[i];
	size_t n = info->list ? info->list : strlen(info->name);

	snprintf(name, SYSCTL_TEXT_MAX, "%.*s", (int)n, info->name);
	return !info->list || i == 0 || !list_is(info - 1, name);
}

/* --- numbers ------------------------------------------------------------------------------------ */

static int number_parse(const struct sysctl_info *info, const char *word, int64_t *v, char *why)
{
	char *end;

	errno = 0;
	*v = strtoll(word, &end, 0); /* 0x70403 too, as Linux */
	if (end == word || *end) {
		snprintf(why, SYSCTL_TEXT_MAX, "not a number");
		return -EINVAL;
	}
	if (errno || *v < info->min || *v > info->max) {
		snprintf(why, SYSCTL_TEXT_MAX, "out of range %" PRId64 " - %" PRId64, info->min,
			 info->max);
		return -ERANGE;
	}
	return 0;
}

static int numbers_write(struct stack *st, const struct sysctl_info *info, size_t n, char *text,
			 char *why)
{
	char *save, *word = strtok_r(text, BLANKS, &save);
	int64_t v[LIST_MAX] = {0};
	size_t i;
	int err;

	for (i = 0; i < n && word; i++, word = strtok_r(NULL, BLANKS, &save)) {
		err = number_parse(&info[i], word, &v[i], why);
		if (err)
			return err;
		if (i && v[i] < v[i - 1]) {
			snprintf(why, SYSCTL_TEXT_MAX, "not in ascending order");
			return -EINVAL;
		}
	}
	if (i < n || word) {
		snprintf(why, SYSCTL_TEXT_MAX, n > 1 ? "not %zu numbers" : "not a number", n);
		return -EINVAL;
	}
	for (i = 0; i < n; i++)
		field_set(st, &info[i], v[i]);
	return 0;
}

static void numbers_read(struct stack *st, const struct sysctl_info *info, size_t n, char *text)
{
	int used = 0;

	for (size_t i = 0; i < n; i++)
		used += snprintf(text + used, SYSCTL_TEXT_MAX - (size_t)used, "%s%" PRId64,
				 i ? "\t" : "", field_get(st, &info[i]));
}

/* --- keys --------------------------------------------------------------------------------------- */

static int key_write(struct stack *st, const struct sysctl_info *info, size_t n, char *text,
		     char *why)
{
	char *save, *end, *word = strtok_r(text, "-" BLANKS, &save);
	unsigned long v[LIST_MAX] = {0};
	size_t i;

	for (i = 0; i < n && word; i++, word = strtok_r(NULL, "-" BLANKS, &save)) {
		v[i] = strtoul(word, &end, 16);
		if (*end || strlen(word) > 8)
			break;
	}
	if (i < n || word) {
		snprintf(why, SYSCTL_TEXT_MAX, "not %zu hexadecimal words joined by '-'", n);
		return -EINVAL;
	}
	for (i = 0; i < n; i++)
		field_set(st, &info[i], (int64_t)v[i]);
	return 0;
}

static void key_read(struct stack *st, const struct sysctl_info *info, size_t n, char *text)
{
	int used = 0;

	for (size_t i = 0; i < n; i++)
		used += snprintf(text + used, SYSCTL_TEXT_MAX - (size_t)used, "%s%08" PRIx64,
				 i ? "-" : "", (uint64_t)field_get(st, &info[i]));
}

/* --- words -------------------------------------------------------------------------------------- */

static const char *const *words_of(struct stack *st, const struct sysctl_info *info)
{
	static const char *const none[] = {NULL};
	const char *const *w =
	    *(const char *const *const *)(void *)((char *)&st->sysctl + info->words);

	return w ? w : none;
}

static int word_place(struct stack *st, const struct sysctl_info *info, const char *word, char *why)
{
	const char *const *w = words_of(st, info);
	int used = snprintf(why, SYSCTL_TEXT_MAX, "not one of:");

	for (int i = 0; w[i]; i++) {
		if (!strcmp(w[i], word))
			return i;
		used += snprintf(why + used, SYSCTL_TEXT_MAX - (size_t)used, " %s", w[i]);
	}
	return -EINVAL;
}

static int words_write(struct stack *st, const struct sysctl_info *info, char *text, char *why)
{
	char *save, *word = strtok_r(text, BLANKS, &save);
	unsigned n;
	int64_t v = 0;
	int at;

	if (info->kind == SYSCTL_FIXED) {
		snprintf(why, SYSCTL_TEXT_MAX, "only to be read");
		return -EPERM;
	}
	for (n = 0; word; n++, word = strtok_r(NULL, BLANKS, &save)) {
		at = word_place(st, info, word, why);
		if (at < 0)
			return at;
		if (info->kind == SYSCTL_WORD && n) {
			snprintf(why, SYSCTL_TEXT_MAX, "not one word");
			return -EINVAL;
		}
		v = info->kind == SYSCTL_WORD ? at : v | (int64_t)1 << at;
	}
	if (n == 0) {
		snprintf(why, SYSCTL_TEXT_MAX, "empty");
		return -EINVAL;
	}
	field_set(st, info, v);
	return 0;
}

static bool word_shown(const struct sysctl_info *info, int64_t v, int place)
{
	if (info->kind == SYSCTL_WORD)
		return v == place;
	return info->kind == SYSCTL_FIXED || (v >> place & 1);
}

static void words_read(struct stack *st, const struct sysctl_info *info, char *text)
{
	const char *const *w = words_of(st, info);
	int64_t v = field_get(st, info);
	int used = 0;

	*text = '\0';
	for (int i = 0; w[i]; i++) {
		if (word_shown(info, v, i))
			used += snprintf(text + used, SYSCTL_TEXT_MAX - (size_t)used, "%s%s",
					 used ? " " : "", w[i]);
	}
}

/* --- any ---------------------------------------------------------------------------------------- */

int sysctl_write_text(struct stack *st, const char *name, const char *value, char *why)
{
	const struct sysctl_info *info;
	size_t n = rows_of(name, &info);
	char text[SYSCTL_TEXT_MAX];

	if (n == 0) {
		snprintf(why, SYSCTL_TEXT_MAX, "no such setting");
		return -ENOENT;
	}
	if (strlen(value) >= sizeof(text)) {
		snprintf(why, SYSCTL_TEXT_MAX, "too long");
		return -EINVAL;
	}
	memcpy(text, value, strlen(value) + 1);
	if (info->kind == SYSCTL_NUMBER)
		return numbers_write(st, info, n, text, why);
	if (info->kind == SYSCTL_HEX)
		return key_write(st, info, n, text, why);
	return words_write(st, info, text, why);
}

int sysctl_read_text(struct stack *st, const char *name, char *value)
{
	const struct sysctl_info *info;
	size_t n = rows_of(name, &info);

	if (n == 0)
		return -ENOENT;
	if (info->kind == SYSCTL_NUMBER)
		numbers_read(st, info, n, value);
	else if (info->kind == SYSCTL_HEX)
		key_read(st, info, n, value);
	else
		words_read(st, info, value);
	return 0;
}
