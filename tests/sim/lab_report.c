/*
 * tests/sim/lab_report.c - the report: each cell measured and beside it what is predicted; lines without loss; two who
 * share.  What falls short is marked, and makes the status.
 */
#include <inttypes.h>

#include "tests/sim/lab_report.h"

#define RATIO_MIN 0.7 /* of the prediction */
#define CLEAN_MIN 0.95
#define SHARE_OFF 0.1 /* from a half: one has at most 20 % more or less than its part */
#define MS NSEC_PER_MSEC

static const char *const algorithms[] = {"cubic", "reno"};
static const uint64_t rates[] = {10000000, 100000000};
static const uint64_t delays[] = {10 * MS, 50 * MS, 100 * MS};
static const uint32_t losses[] = {0, 100, 1000, 10000, 30000, 50000};
static const uint32_t reorders[] = {0, 50000, 200000};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* As much as BBR takes for no congestion, and a path whose send buffer holds what waits for a repair. */
static const uint32_t bbr_losses[] = {0, 1000, 10000};
#define BBR_DELAYS 2
#define BBR_CELLS (COUNT(rates) * BBR_DELAYS * COUNT(bbr_losses))
#define CELLS (COUNT(algorithms) * COUNT(rates) * COUNT(delays) * COUNT(losses) * COUNT(reorders))

struct report {
	uint64_t seed;
	bool json;
	unsigned short_of; /* what it should be */
	char why[LAB_WHY];
};

static struct lab_cell cell_at(size_t i)
{
	struct lab_cell c;

	c.reorder = reorders[i % COUNT(reorders)];
	i /= COUNT(reorders);
	c.loss = losses[i % COUNT(losses)];
	i /= COUNT(losses);
	c.delay = delays[i % COUNT(delays)];
	i /= COUNT(delays);
	c.rate = rates[i % COUNT(rates)];
	c.cc = algorithms[i / COUNT(rates)];
	return c;
}

static double ratio_least(const struct lab_cell *c)
{
	return c->loss == 0 && c->reorder == 0 ? CLEAN_MIN : RATIO_MIN;
}

static void cell_print(const struct lab_cell *c, const struct lab_figures *f, bool good)
{
	char rate[LAB_QUANTITY], delay[LAB_QUANTITY], loss[LAB_QUANTITY], reorder[LAB_QUANTITY];

	printf("%-6s %8s %6s %7s %7s  %8.2f  %9.2f  %5.2f%s %7.2f %9.2f %9" PRIu64 "\n", c->cc,
	       lab_quantity_print(rate, LAB_RATE, c->rate),
	       lab_quantity_print(delay, LAB_TIME, c->delay),
	       lab_quantity_print(loss, LAB_SHARE, c->loss),
	       lab_quantity_print(reorder, LAB_SHARE, c->reorder), f->goodput * 8 / 1e6,
	       f->predicted * 8 / 1e6, f->goodput / f->predicted, good ? " " : "<", f->again * 100,
	       f->spurious * 100, f->timeouts);
	fflush(stdout);
}

static void cell_json(const struct lab_cell *c, const struct lab_figures *f, bool good)
{
	printf("{\"cc\":\"%s\",\"rate\":%" PRIu64 ",\"delay\":%.3f,\"loss\":%.4f,\"reorder\":%.4f,"
	       "\"goodput\":%.0f,\"predicted\":%.0f,\"again\":%.5f,\"spurious\":%.5f,\"timeouts\":"
	       "%" PRIu64 ",\"ok\":%s}\n",
	       c->cc, c->rate, (double)c->delay / 1e9, (double)c->loss / LAB_PPM,
	       (double)c->reorder / LAB_PPM, f->goodput * 8, f->predicted * 8, f->again,
	       f->spurious, f->timeouts, good ? "true" : "false");
}

/* False: it cannot be measured. */
static bool report_cell(struct report *r, const struct lab_cell *c)
{
	struct lab_figures f;
	bool good;

	if (!lab_cell_run(c, r->seed, &f, r->why))
		return false;
	if (f.bad.set) {
		snprintf(r->why, sizeof(r->why), "violation: %.*s", LAB_WHY - 20, f.bad.what);
		return false;
	}
	good = f.goodput >= ratio_least(c) * f.predicted;
	r->short_of += !good;
	if (r->json)
		cell_json(c, &f, good);
	else
		cell_print(c, &f, good);
	return true;
}

static bool report_bbr(struct report *r)
{
	for (size_t i = 0; i < BBR_CELLS; i++) {
		size_t path = i / COUNT(bbr_losses);
		struct lab_cell c = {.cc = "bbr", .loss = bbr_losses[i % COUNT(bbr_losses)]};

		c.delay = delays[path % BBR_DELAYS];
		c.rate = rates[path / BBR_DELAYS];
		if (!report_cell(r, &c))
			return false;
	}
	return true;
}

static bool report_shares(struct report *r)
{
	static const uint64_t later[] = {0, 2 * NSEC_PER_SEC, 10 * NSEC_PER_SEC};

	for (size_t i = 0; i < COUNT(rates) * COUNT(later); i++) {
		struct lab_cell c = {
		    .cc = "cubic", .rate = rates[i / COUNT(later)], .delay = 20 * MS};
		double share;
		bool good;

		if (!lab_share_run(&c, later[i % COUNT(later)], &share, r->why))
			return false;
		good = share >= 0.5 - SHARE_OFF && share <= 0.5 + SHARE_OFF;
		r->short_of += !good;
		printf(r->json ? "{\"rate\":%" PRIu64 ",\"later\":%.1f,\"share\":%.3f}\n"
			       : "two cubic flows over %" PRIu64
				 " bit/s, the second %.1f s later: the first has %.3f of both\n",
		       c.rate, (double)later[i % COUNT(later)] / 1e9, share);
		if (!good && !r->json)
			puts("  < not within 20 %");
	}
	return true;
}

enum lab_status lab_report(uint64_t seed, bool json)
{
	struct report r = {.seed = seed, .json = json};
	bool ok = true;

	if (!json)
		printf("%-6s %8s %6s %7s %7s  %8s  %9s  %5s  %7s %9s %9s\n", "cc", "rate", "delay",
		       "loss", "reorder", "Mbit/s", "predicted", "ratio", "again %", "spurious%",
		       "time-outs");
	for (size_t i = 0; ok && i < CELLS; i++) {
		struct lab_cell c = cell_at(i);

		ok = report_cell(&r, &c);
	}
	ok = ok && report_bbr(&r) && report_shares(&r);
	if (!ok) {
		fflush(stdout);
		fprintf(stderr, "weft: sim: %s\n", r.why);
		return LAB_FAIL;
	}
	if (!json)
		printf("%u of %u short of what is published\n", r.short_of,
		       (unsigned)(CELLS + BBR_CELLS + COUNT(rates) * 3));
	return r.short_of ? LAB_FAIL : LAB_OK;
}
