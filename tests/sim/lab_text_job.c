/*
 * tests/sim/lab_text_job.c - the statements of traffic: KIND FROM TO, what the kind wants, and words that
 * every kind takes.
 */
#include <string.h>

#include "tests/sim/lab_text.h"

static const char *const kinds[LAB_KINDS] = {"bulk",       "rr",        "many",
					     "slowreader", "halfclose", "reset"};

const char *lab_kind_text(enum lab_kind kind)
{
	return kinds[kind];
}

static bool job_up(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_quantity(l, kinds[j->kind], LAB_SIZE, &j->up);
}

static bool job_rounds(struct lab_line_text *l, struct lab_job *j)
{
	j->up = j->down = 100;
	return lab_text_u32(l, "rr", LAB_COUNT, &j->rounds);
}

static bool job_count(struct lab_line_text *l, struct lab_job *j)
{
	j->up = 100;
	j->down = 10000;
	j->at_once = 10;
	return lab_text_u32(l, "many", LAB_COUNT, &j->count);
}

static bool job_slow(struct lab_line_text *l, struct lab_job *j)
{
	j->read = 10000;
	j->every = 100000000;
	return job_up(l, j);
}

static bool job_half(struct lab_line_text *l, struct lab_job *j)
{
	if (!job_up(l, j))
		return false;
	j->down = j->up;
	return true;
}

static bool job_reset(struct lab_line_text *l, struct lab_job *j)
{
	if (!job_up(l, j))
		return false;
	j->after = j->up / 2;
	j->by_server = true;
	return true;
}

static bool (*const begins[LAB_KINDS])(struct lab_line_text *l, struct lab_job *j) = {
    job_up, job_rounds, job_count, job_slow, job_half, job_reset,
};

/* --- words of all kinds --------------------------------------------------------------------------- */

static bool word_at(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_quantity(l, "at", LAB_TIME, &j->at);
}

/* size UP [DOWN]: of many with one size, what the server sends */
static bool word_size(struct lab_line_text *l, struct lab_job *j)
{
	const char *w;

	if (!lab_text_quantity(l, "size", LAB_SIZE, &j->up))
		return false;
	w = lab_text_word(l);
	if (w && strchr("0123456789", w[0]))
		return lab_text_quantity(l, "size", LAB_SIZE, &j->down);
	if (j->kind == LAB_MANY) {
		j->down = j->up;
		j->up = 100;
	}
	return true;
}

static bool word_reply(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_quantity(l, "reply", LAB_SIZE, &j->down);
}

static bool word_both(struct lab_line_text *l, struct lab_job *j)
{
	j->both = true;
	if (!j->down)
		j->down = j->up;
	return true;
}

static bool word_once(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_u32(l, "once", LAB_COUNT, &j->at_once);
}

static bool word_count(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_u32(l, "times", LAB_COUNT, &j->count);
}

static bool word_think(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_quantity(l, "think", LAB_TIME, &j->think);
}

static bool word_read(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_u32(l, "read", LAB_SIZE, &j->read);
}

static bool word_every(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_quantity(l, "every", LAB_TIME, &j->every);
}

static bool word_after(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_quantity(l, "after", LAB_SIZE, &j->after);
}

static bool word_by(struct lab_line_text *l, struct lab_job *j)
{
	j->by_server = lab_text_skip(l, "server");
	return j->by_server || lab_text_skip(l, "client") ||
	       lab_text_error(l, "by wants client or server");
}

static bool word_chunk(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_u32(l, "chunk", LAB_SIZE, &j->chunk);
}

static bool word_sndbuf(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_u32(l, "sndbuf", LAB_SIZE, &j->sndbuf);
}

static bool word_rcvbuf(struct lab_line_text *l, struct lab_job *j)
{
	return lab_text_u32(l, "rcvbuf", LAB_SIZE, &j->rcvbuf);
}

static bool word_nodelay(struct lab_line_text *l, struct lab_job *j)
{
	j->nodelay = true;
	return true;
}

static bool word_fastopen(struct lab_line_text *l, struct lab_job *j)
{
	j->fastopen = true;
	return true;
}

static bool word_cc(struct lab_line_text *l, struct lab_job *j)
{
	const char *w = lab_text_take(l);

	if (!w || strlen(w) >= sizeof(j->cc))
		return lab_text_error(l, "cc wants an algorithm, as 'cc cubic'");
	strcpy(j->cc, w);
	return true;
}

#define OF(kind) (1u << LAB_##kind)
#define OF_ALL ((1u << LAB_KINDS) - 1)

static const struct {
	const char *word;
	unsigned kinds;
	bool (*read)(struct lab_line_text *l, struct lab_job *j);
} words[] = {
    {"at", OF_ALL, word_at},
    {"times", OF_ALL & ~OF(MANY), word_count},
    {"once", OF_ALL, word_once},
    {"size", OF(RR) | OF(MANY), word_size},
    {"reply", OF(HALFCLOSE) | OF(BULK) | OF(SLOWREADER) | OF(RESET), word_reply},
    {"both", OF(BULK) | OF(RESET), word_both},
    {"think", OF(RR), word_think},
    {"read", OF(SLOWREADER), word_read},
    {"every", OF(SLOWREADER), word_every},
    {"after", OF(RESET), word_after},
    {"by", OF(RESET), word_by},
    {"chunk", OF_ALL, word_chunk},
    {"sndbuf", OF_ALL, word_sndbuf},
    {"rcvbuf", OF_ALL, word_rcvbuf},
    {"nodelay", OF_ALL, word_nodelay},
    {"fastopen", OF_ALL, word_fastopen},
    {"cc", OF_ALL, word_cc},
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static bool job_unknown(struct lab_line_text *l, const struct lab_job *j, const char *w)
{
	char known[160] = "";

	for (unsigned i = 0; i < WORDS; i++) {
		if (!(words[i].kinds & 1u << j->kind))
			continue;
		strcat(known, known[0] ? ", " : "");
		strcat(known, words[i].word);
	}
	return lab_text_error(l, "no word '%s' of %s; there are %s", w, kinds[j->kind], known);
}

static bool job_word(struct lab_line_text *l, struct lab_job *j)
{
	const char *w = lab_text_take(l);

	for (unsigned i = 0; i < WORDS; i++) {
		if (strcmp(w, words[i].word) == 0 && words[i].kinds & 1u << j->kind)
			return words[i].read(l, j);
	}
	return job_unknown(l, j, w);
}

static bool job_whole(struct lab_line_text *l, const struct lab_job *j)
{
	if (j->count == 0 || j->at_once == 0 || j->rounds == 0)
		return lab_text_error(l, "%s wants at least one", kinds[j->kind]);
	if (j->kind == LAB_SLOWREADER && (j->read == 0 || j->every == 0))
		return lab_text_error(l, "slowreader wants read and every of more than 0");
	if (j->rounds > 1 && (j->up == 0 || j->down == 0))
		return lab_text_error(l, "rr wants a size of more than 0 both ways");
	return true;
}

bool lab_text_job(struct lab_line_text *l, enum lab_kind kind)
{
	struct lab_scene *s = l->scene;
	struct lab_job *j = &s->job[s->njob];

	if (s->njob == LAB_JOBS)
		return lab_text_error(l, "more than %d lines of traffic", LAB_JOBS);
	*j = (struct lab_job){.kind = kind, .count = 1, .at_once = 1, .rounds = 1};
	if (!lab_text_node(l, &j->from) || !lab_text_node(l, &j->to))
		return false;
	if (j->from == j->to)
		return lab_text_error(l, "%s wants two different nodes", kinds[kind]);
	if (!begins[kind](l, j))
		return false;
	while (lab_text_word(l)) {
		if (!job_word(l, j))
			return false;
	}
	s->njob++;
	return job_whole(l, j);
}
