/*
 * shell/complete.h - what may stand at a place of a line.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct shell;

struct complete {
	char **word; /* n of them, whole; in no order */
	unsigned n;
	bool files; /* the name of a file */
	bool joins; /* more may stand in the same word: no blank yet */
};

/* For the word before `point`; complete_free() it.  Takes the shell's lock. */
void complete_line(struct shell *sh, const char *line, size_t point, struct complete *out);
void complete_free(struct complete *out);

/* The i-th word of netem's table; NULL: there are no more. */
const char *netem_word_name(unsigned i);
