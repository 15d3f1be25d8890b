/*
 * tests/sim/lab_cell.c - one cell of the report measured: a bulk transfer as long as the prediction makes it, of which
 * the first tenth is not counted.
 */
#include <string.h>

#include "tests/sim/lab_report.h"

#define SECONDS 60.0        /* of a transfer that fills its line */
#define SECONDS_LOSSY 400.0 /* of one that loss bounds: it has to meet enough of it */
#define BYTES_MIN 1000000u
#define FRAME_BITS (1514 * 8)

static void cell_line(const struct lab_cell *c, struct lab_line_config *l, uint64_t delay)
{
	uint64_t flight = c->rate * 2 * c->delay / NSEC_PER_SEC / FRAME_BITS;

	*l = (struct lab_line_config){
	    .rate = c->rate,
	    .delay = delay,
	    .limit = flight < 20 ? 20 : (uint32_t)flight,
	};
}

static void cell_impair(const struct lab_cell *c, struct lab_line_config *l)
{
	l->loss = c->loss;
	l->reorder = c->reorder;
	l->reorder_by = c->reorder ? c->delay / 2 : 0;
}

static void cell_job(const struct lab_cell *c, struct lab_job *j, uint64_t bytes)
{
	*j = (struct lab_job){
	    .kind = LAB_BULK, .to = 1, .count = 1, .at_once = 1, .rounds = 1, .up = bytes};
	strcpy(j->cc, c->cc);
}

static void cell_scene(const struct lab_cell *c, struct lab_scene *s, uint64_t bytes)
{
	memset(s, 0, sizeof(*s));
	strcpy(s->node[0].name, "a");
	strcpy(s->node[1].name, "b");
	s->nnode = 2;
	s->link[0].node[1] = 1;
	s->nlink = 1;
	cell_line(c, &s->link[0].line[0], c->delay);
	cell_line(c, &s->link[0].line[1], c->delay);
	cell_impair(c, &s->link[0].line[0]);
	cell_job(c, &s->job[0], bytes);
	s->njob = 1;
}

/* `had` of them had come at `from`. */
static void figures_take(struct lab_world *w, uint64_t bytes, uint64_t had, uint64_t from,
			 struct lab_figures *f)
{
	const struct lab_run *r = &w->run[0];
	double segments = (double)bytes / 1448;

	f->goodput = (double)(bytes - had) / ((double)(r->last - from) / 1e9);
	lab_drain(w);
	f->again = (double)r->retrans / segments;
	f->spurious = (double)(r->carried - bytes) / 1448 / segments;
	f->timeouts = mib_read(w->node[0].stack, MIB_TcpExt_TCPTimeouts);
}

bool lab_cell_run(const struct lab_cell *c, uint64_t seed, struct lab_figures *f, char *why)
{
	double predicted = lab_predict(c), capacity = lab_capacity(c);
	uint64_t bytes = (uint64_t)(predicted * (predicted < capacity ? SECONDS_LOSSY : SECONDS));
	struct lab_scene s;
	struct lab_world *w;
	uint64_t from, had;

	bytes = bytes < BYTES_MIN ? BYTES_MIN : bytes;
	memset(f, 0, sizeof(*f));
	f->predicted = predicted;
	f->capacity = capacity;
	cell_scene(c, &s, bytes);
	s.seed = seed;
	w = lab_world_open(&s, why);
	if (!w)
		return false;
	while (w->run[0].got < bytes / 10 && lab_step(w, ENV_NEVER))
		;
	from = lab_now(w);
	had = w->run[0].got;
	if (lab_run_until(w, ENV_NEVER))
		figures_take(w, bytes, had, from, f);
	lab_world_close(w, &f->bad);
	return true;
}

/* --- two at a bottleneck -------------------------------------------------------------------------- */

#define SHARE_SECONDS 300
#define SHARE_FROM (20 * NSEC_PER_SEC)

/*
 * The first two send to the last two over two routers.  Jitter before the bottleneck keeps a full queue from always
 * dropping the same one's packets, as two clocks in step would have it.
 */
static void share_scene(const struct lab_cell *c, struct lab_scene *s, uint64_t later)
{
	static const unsigned ends[5][2] = {{0, 2}, {1, 2}, {2, 3}, {3, 4}, {3, 5}};

	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < 6; i++) {
		s->node[i].name[0] = (char)('a' + i);
		s->node[i].router = i == 2 || i == 3;
	}
	s->nnode = 6;
	for (unsigned i = 0; i < 5; i++) {
		memcpy(s->link[i].node, ends[i], sizeof(ends[i]));
		for (unsigned d = 0; d < 2; d++) {
			cell_line(c, &s->link[i].line[d], i == 2 ? c->delay : 2 * NSEC_PER_MSEC);
			if (i == 2)
				continue;
			s->link[i].line[d].rate = 10 * c->rate;
			s->link[i].line[d].jitter = NSEC_PER_MSEC;
		}
	}
	s->nlink = 5;
	for (unsigned i = 0; i < 2; i++) {
		cell_job(c, &s->job[i],
			 c->rate * SHARE_SECONDS / 8); /* more than there is time for */
		s->job[i].from = i;
		s->job[i].to = 4 + i;
		s->job[i].at = i ? later : 0;
	}
	s->njob = 2;
}

bool lab_share_run(const struct lab_cell *c, uint64_t later, double *share, char *why)
{
	struct lab_violation bad;
	struct lab_scene s;
	struct lab_world *w;
	uint64_t got[2];

	share_scene(c, &s, later);
	s.seed = 1;
	w = lab_world_open(&s, why);
	if (!w)
		return false;
	lab_run_until(w, SHARE_FROM);
	got[0] = w->run[0].got;
	got[1] = w->run[1].got;
	lab_run_until(w, SHARE_SECONDS * NSEC_PER_SEC);
	got[0] = w->run[0].got - got[0];
	got[1] = w->run[1].got - got[1];
	*share = (double)got[0] / (double)(got[0] + got[1]);
	lab_world_close(w, &bad);
	snprintf(why, LAB_WHY, "%.*s", LAB_WHY - 1, bad.what);
	return !bad.set;
}
