/*
 * lib/sysctl.h - settings of a stack, by Linux's names.  Each is one atomic 64-bit field, read with
 * sysctl_get(); the table in lib/sysctl.def gives name, field, range, default and unit.
 *
 * A setting of several numbers ("4096 131072 6291456") is a list of rows, each with a name of its
 * own besides.  A setting of words keeps the word's place, or a bit for each, in a list that the
 * room it belongs to has put into struct sysctls.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * LOCKING
 *	a	atomic		c	constant after creation
 */
struct sysctls {
#define SYSCTL(field, name, dflt, min, max, text) _Atomic int64_t field;            /* a */
#define SYSCTL_PART(field, list, part, dflt, min, max, text) _Atomic int64_t field; /* a */
#define SYSCTL_WORDS(field, name, kind, words, text) _Atomic int64_t field;         /* a */
#define SYSCTL_KEY(field, list, part, text) _Atomic int64_t field;                  /* a */
#include "lib/sysctl.def"
#undef SYSCTL
#undef SYSCTL_PART
#undef SYSCTL_WORDS
#undef SYSCTL_KEY
	const char *const *cc_names; /* c: algorithms of congestion control, NULL at the end */
};

enum sysctl_kind {
	SYSCTL_NUMBER,
	SYSCTL_WORD,  /* one of the words */
	SYSCTL_SET,   /* some of them */
	SYSCTL_FIXED, /* all of them, for reading */
	SYSCTL_HEX,   /* one word of 32 bits of a key, shown as hexadecimal words joined by '-' */
};

struct sysctl_info {
	const char *name, *text;
	size_t offset;
	int64_t dflt, min, max;
	enum sysctl_kind kind;
	size_t list;  /* length of the name of its list; 0: it stands alone */
	size_t words; /* of a WORD or SET: offset of its words */
};

struct stack;
extern const struct sysctl_info sysctl_info[];
extern const size_t sysctl_count;

#define SYSCTL_TEXT_MAX 256 /* longest value and longest reason, with its 0 */

#define sysctl_get(st, field) atomic_load_explicit(&(st)->sysctl.field, memory_order_relaxed)

void sysctl_init(struct sysctls *s);
/* One number.  -ENOENT: no such name; -ERANGE: outside min..max; -EINVAL: it holds words. */
int sysctl_write(struct stack *st, const char *name, int64_t value);
/* Any setting, as text; numbers of a list in ascending order.  -ENOENT, -EPERM: only to be read;
 * -EINVAL, -ERANGE: a bad value, and why[SYSCTL_TEXT_MAX] says what is wrong with it. */
int sysctl_write_text(struct stack *st, const char *name, const char *value, char *why);
int sysctl_read_text(struct stack *st, const char *name, char *value);
/* The name under which row i is shown, into name[SYSCTL_TEXT_MAX]; false: its list was already. */
bool sysctl_title(size_t i, char *name);
