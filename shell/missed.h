/*
 * shell/missed.h - what programs asked for and did not get, read from the gateway's table.
 */
#pragma once
#include <stdbool.h>

#include "socket/program.h"

#define MISSED_TEXT 80

/* How often it was so before. */
struct missed {
	uint32_t before[PROGRAM_MISSES];
};

/* One kind of refusal since then. */
struct missed_one {
	enum program_call call;
	int first, second, err;
	uint32_t count;
};

void missed_begin(struct missed *m, const struct program_table *t);
/* The next one from *at on, which goes behind it; false: there is none. */
bool missed_next(const struct missed *m, const struct program_table *t, unsigned *at,
		 struct missed_one *one);
/* As C would write the call, to MISSED_TEXT bytes. */
void missed_text(const struct missed_one *one, char *text);
