/*
 * shell/usage.h - the usage line of a command, read as what it is: a grammar of words.
 *
 *	word		as it stands; -x and --word are options	WORD	a place for the user's own
 *	a|b		one of the two words			a | b	one of the two sequences
 *	[a b]		may be left out				a...	once or more
 *	NAME[=VALUE]	more may stand in the same word
 *
 * Options stand anywhere, each with the word behind it if that is a place.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USAGE_WORDS 64 /* the bits of a set */

struct usage_word {
	const char *text; /* in the line, len bytes */
	size_t len;
	bool place;      /* what stands there is up to the user */
	bool joins;      /* more may stand in the same word */
	uint64_t behind; /* a set: which may come next; of an option: its value */
};

/* Sets are of indices into `word`. */
struct usage {
	struct usage_word word[USAGE_WORDS];
	unsigned n;
	uint64_t first; /* with which a line may begin */
	uint64_t options;
};

/* `args` stays where it is.  False: it is none, or too long. */
bool usage_parse(struct usage *u, const char *args);
/* What may come behind any of the set. */
uint64_t usage_behind(const struct usage *u, uint64_t set);
