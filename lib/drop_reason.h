/*
 * lib/drop_reason.h - why a packet went no further.  Every drop names one; the list gives its
 * counter, its text and its trace line.
 */
#pragma once

struct stack;
struct pkbuf;

enum drop_reason {
#define DROP(name, rfc, text) DROP_##name,
#include "lib/drop_reason.def"
#undef DROP
	DROP_MAX
};

struct drop_info {
	const char *name, *rfc, *text;
};

extern const struct drop_info drop_info[DROP_MAX];
