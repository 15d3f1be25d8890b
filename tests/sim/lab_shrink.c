/*
 * tests/sim/lab_shrink.c - a failing scene made smaller: one thing at a time is taken away or halved, and stays so
 * when the run still fails; until nothing more can go.
 */
#include <string.h>

#include "tests/sim/lab.h"

#define SHRINK_RUNS 2000u

/* Makes the i-th change of its sort; false: there is no such change. */
typedef bool shrink_fn(struct lab_scene *s, unsigned i);

static bool drop_job(struct lab_scene *s, unsigned i)
{
	if (i >= s->njob || s->njob == 1)
		return false;
	memmove(&s->job[i], &s->job[i + 1], (--s->njob - i) * sizeof(s->job[0]));
	return true;
}

static bool drop_link(struct lab_scene *s, unsigned i)
{
	if (i >= s->nlink || s->nlink == 1)
		return false;
	memmove(&s->link[i], &s->link[i + 1], (--s->nlink - i) * sizeof(s->link[0]));
	return true;
}

static bool drop_setting(struct lab_scene *s, unsigned i)
{
	if (i >= s->nsetting)
		return false;
	memmove(&s->setting[i], &s->setting[i + 1], (--s->nsetting - i) * sizeof(s->setting[0]));
	return true;
}

static bool node_used(const struct lab_scene *s, unsigned node)
{
	for (unsigned i = 0; i < s->nlink; i++) {
		if (s->link[i].node[0] == node || s->link[i].node[1] == node)
			return true;
	}
	for (unsigned i = 0; i < s->njob; i++) {
		if (s->job[i].from == node || s->job[i].to == node)
			return true;
	}
	return false;
}

static void node_gone(unsigned *node, unsigned gone)
{
	if (*node != LAB_ALL_NODES && *node > gone)
		--*node;
}

static bool drop_node(struct lab_scene *s, unsigned i)
{
	while (i < s->nnode && node_used(s, i))
		i++;
	if (i >= s->nnode)
		return false;
	memmove(&s->node[i], &s->node[i + 1], (--s->nnode - i) * sizeof(s->node[0]));
	for (unsigned k = 0; k < s->nlink; k++) {
		node_gone(&s->link[k].node[0], i);
		node_gone(&s->link[k].node[1], i);
	}
	for (unsigned k = 0; k < s->njob; k++) {
		node_gone(&s->job[k].from, i);
		node_gone(&s->job[k].to, i);
	}
	for (unsigned k = 0; k < s->nsetting; k++)
		node_gone(&s->setting[k].node, i);
	return true;
}

/* A router between two links goes, and its links become one. */
static bool join_links(struct lab_scene *s, unsigned i)
{
	struct lab_link_config *a, *b;

	if (i + 1 >= s->nlink)
		return false;
	a = &s->link[i];
	b = &s->link[i + 1];
	if (a->node[1] == b->node[0])
		a->node[1] = b->node[1];
	else if (a->node[1] == b->node[1])
		a->node[1] = b->node[0];
	else if (a->node[0] == b->node[0])
		a->node[0] = b->node[1];
	return drop_link(s, i + 1);
}

/* --- fields ----------------------------------------------------------------------------------------- */

/* A queue without a rate is none. */
static void line_queue_plain(struct lab_line_config *c)
{
	c->queue = LAB_DROPTAIL;
	c->mark = 0;
}

static void line_rate_off(struct lab_line_config *c)
{
	line_queue_plain(c);
	c->rate = 0;
	c->limit = 0;
}

static void line_gilbert_off(struct lab_line_config *c)
{
	memset(&c->gilbert, 0, sizeof(c->gilbert));
}

static void line_reorder_off(struct lab_line_config *c)
{
	c->reorder = 0;
	c->reorder_by = 0;
}

static void line_blackouts_off(struct lab_line_config *c)
{
	c->nblackout = 0;
	memset(c->blackout, 0, sizeof(c->blackout));
}

static void line_loss_off(struct lab_line_config *c)
{
	c->loss = 0;
}

static void line_dup_off(struct lab_line_config *c)
{
	c->dup = 0;
}

static void line_corrupt_off(struct lab_line_config *c)
{
	c->corrupt = 0;
}

static void line_truncate_off(struct lab_line_config *c)
{
	c->truncate = 0;
}

static void line_jitter_off(struct lab_line_config *c)
{
	c->jitter = 0;
}

static void line_delay_half(struct lab_line_config *c)
{
	c->delay = c->delay / 2000000 * 1000000;
}

static void (*const line_fields[])(struct lab_line_config *c) = {
    line_loss_off,    line_gilbert_off,  line_reorder_off, line_dup_off,
    line_corrupt_off, line_truncate_off, line_jitter_off,  line_blackouts_off,
    line_queue_plain, line_rate_off,     line_delay_half,
};

static bool line_field(struct lab_line_config *c, unsigned field)
{
	struct lab_line_config was = *c;

	line_fields[field](c);
	return memcmp(&was, c, sizeof(was)) != 0;
}
#define LINE_FIELDS (unsigned)(sizeof(line_fields) / sizeof(line_fields[0]))

static bool less_line(struct lab_scene *s, unsigned i)
{
	unsigned line = i / LINE_FIELDS;

	for (; line < 2 * s->nlink; line++, i = 0) {
		for (unsigned f = i % LINE_FIELDS; f < LINE_FIELDS; f++) {
			if (line_field(&s->link[line / 2].line[line % 2], f))
				return true;
		}
	}
	return false;
}

static bool less_link(struct lab_scene *s, unsigned i)
{
	struct lab_link_config *k = &s->link[i / 2];

	if (i / 2 >= s->nlink)
		return false;
	if (i % 2)
		k->mtu = 0;
	else
		k->arp = false;
	return true;
}

static void job_field(struct lab_job *j, unsigned field)
{
	switch (field) {
	case 0:
		j->up = j->up == 1 && j->rounds > 1 ? 1 : j->up / 2;
		break;
	case 1:
		j->down = j->down == 1 && j->rounds > 1 ? 1 : j->down / 2;
		break;
	case 2:
		j->count = (j->count + 1) / 2;
		break;
	case 3:
		j->rounds = (j->rounds + 1) / 2;
		break;
	case 4:
		j->at = 0;
		break;
	case 5:
		j->think = 0;
		break;
	case 6:
		j->sndbuf = 0;
		break;
	case 7:
		j->rcvbuf = 0;
		break;
	case 8:
		j->nodelay = j->fastopen = false;
		break;
	case 9:
		j->at_once = 1;
		break;
	case 10:
		j->chunk = 0;
		break;
	default:
		j->after /= 2;
		break;
	}
}
#define JOB_FIELDS 12u

static bool less_job(struct lab_scene *s, unsigned i)
{
	if (i / JOB_FIELDS >= s->njob)
		return false;
	job_field(&s->job[i / JOB_FIELDS], i % JOB_FIELDS);
	return true;
}

static shrink_fn *const sorts[] = {
    drop_job, drop_link, join_links, drop_node, drop_setting, less_line, less_link, less_job,
};

/* --- the search ----------------------------------------------------------------------------------- */

#define KIND_LETTERS 24 /* of what is wrong, without numbers: what a smaller scene must show too */

struct shrink {
	struct lab_scene *scene;
	char kind[KIND_LETTERS + 1];
	lab_try_fn *run;
	struct lab_result *result;
	unsigned runs;
};

/* Behind host and connection, letters only. */
static void kind_of(const struct lab_result *r, char *kind)
{
	const char *c = strstr(r->bad.what, "port ");
	unsigned n = 0;

	for (c = c ? c + 5 : r->bad.what; *c && n < KIND_LETTERS; c++) {
		if ((*c < '0' || *c > '9') && *c != ' ')
			kind[n++] = *c;
	}
	kind[n] = '\0';
}

static bool still_fails(struct shrink *k, const struct lab_scene *s)
{
	char kind[KIND_LETTERS + 1];
	struct lab_result now;
	char why[LAB_WHY];

	k->runs++;
	if (!k->run(s, &now, why) || !now.bad.set)
		return false;
	kind_of(&now, kind);
	if (k->runs == 1)
		strcpy(k->kind, kind);
	if (strcmp(k->kind, kind) != 0)
		return false;
	*k->result = now;
	return true;
}

/* True: something went. */
static bool shrink_sort(struct shrink *k, shrink_fn *change)
{
	struct lab_scene small;
	bool any = false;

	for (unsigned i = 0; k->runs < SHRINK_RUNS; i++) {
		small = *k->scene;
		if (!change(&small, i))
			break;
		/* what went may go again at the same place */
		while (memcmp(&small, k->scene, sizeof(small)) != 0 && k->runs < SHRINK_RUNS &&
		       still_fails(k, &small)) {
			*k->scene = small;
			any = true;
			if (!change(&small, i))
				break;
		}
	}
	return any;
}

unsigned lab_shrink(struct lab_scene *s, lab_try_fn *run, struct lab_result *r)
{
	struct shrink k = {.scene = s, .run = run, .result = r};
	bool any = still_fails(&k, s);

	while (any && k.runs < SHRINK_RUNS) {
		any = false;
		for (unsigned i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++)
			any |= shrink_sort(&k, sorts[i]);
	}
	return k.runs;
}
