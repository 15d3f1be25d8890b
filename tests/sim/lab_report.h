/*
 * tests/sim/lab_report.h - how fast TCP is in cells of loss, delay, reordering and rate, beside what is published of
 * its algorithms.
 */
#pragma once
#include "tests/sim/lab.h"

/* One bulk transfer over one link. */
struct lab_cell {
	const char *cc;   /* "cubic", "reno", "bbr" */
	uint32_t loss;    /* ppm, the way of the data */
	uint64_t delay;   /* ns, each way */
	uint32_t reorder; /* ppm */
	uint64_t
	    rate; /* bit/s; the queue holds what is on the way at that rate, at least 20 packets */
};

/* Shares are of the segments that carried the stream; rates in bytes a second. */
struct lab_figures {
	double goodput, predicted, capacity;
	double again, spurious; /* sent again; came though they were there */
	uint64_t timeouts;
	struct lab_violation bad;
};

/* lab_predict.c: bytes a second that the algorithm reaches at least, by its published formula; capacity bounds it. */
double lab_predict(const struct lab_cell *c);
double lab_capacity(const struct lab_cell *c);
/* lab_cell.c.  False: the scene cannot be; why[LAB_WHY]. */
bool lab_cell_run(const struct lab_cell *c, uint64_t seed, struct lab_figures *f, char *why);
/* Two bulk transfers of this algorithm over one bottleneck, the second `later`: the first's share of both, from 0 to 1. */
bool lab_share_run(const struct lab_cell *c, uint64_t later, double *share, char *why);

/* lab_report.c: the whole table. */
enum lab_status lab_report(uint64_t seed, bool json);
