/*
 * shell/doctor.h - between doctor.c and doctor_machine.c: what is looked at, and what was found.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum finding_kind {
	FINDING_OK,
	FINDING_NOTE,    /* weft runs, but some things will not work */
	FINDING_MISSING, /* weft, or `weft run`, does not work without it */
};

/* LOCKING: one thread. */
struct finding {
	enum finding_kind kind;
	char text[160];
	char hint[320]; /* what to do; "": nothing */
};

struct finding_row {
	const char *name;
	void (*look)(struct finding *f);
};

/* The n-th thing to look at; NULL: there are no more. */
const struct finding_row *doctor_row(unsigned n);
