/*
 * tests/sim/lab_text.h - what the files that read a scene's text share: the words of one line and
 * how an error is told.
 */
#pragma once
#include "tests/sim/lab_scene.h"

/* Where reading stands. */
struct lab_line_text {
	struct lab_scene *scene;
	const char *file;
	unsigned number; /* of the line, from 1 on */
	char *word[LAB_WORDS];
	unsigned nword, at;
	char *why; /* LAB_WHY bytes; "": no error yet */
};

/* The first error stands; false, so that it can be returned. */
bool lab_text_error(struct lab_line_text *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The word at hand, or NULL at the line's end; and past it. */
const char *lab_text_word(struct lab_line_text *l);
const char *lab_text_take(struct lab_line_text *l);
/* True, and past it, when the word at hand is this one. */
bool lab_text_skip(struct lab_line_text *l, const char *word);
/* The next word as a quantity; `of` is what it is for. */
bool lab_text_quantity(struct lab_line_text *l, const char *of, enum lab_unit unit,
		       uint64_t *value);
bool lab_text_u32(struct lab_line_text *l, const char *of, enum lab_unit unit, uint32_t *value);
/* The next word as the name of a node there is. */
bool lab_text_node(struct lab_line_text *l, unsigned *node);

/* Statements: the words behind the first. */
bool lab_text_link(struct lab_line_text *l);
bool lab_text_job(struct lab_line_text *l, enum lab_kind kind);
