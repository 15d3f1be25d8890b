/*
 * tests/sim/lab_print.c - a scene as text: what lab_text.c reads back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/lab_scene.h"

/* " WORD VALUE", when there is one. */
static void put(FILE *f, const char *word, enum lab_unit unit, uint64_t value)
{
	char text[LAB_QUANTITY];

	if (value)
		fprintf(f, " %s %s", word, lab_quantity_print(text, unit, value));
}

static void put_two(FILE *f, const char *word, enum lab_unit unit, uint64_t a, uint64_t b)
{
	char text[2][LAB_QUANTITY];

	fprintf(f, " %s %s %s", word, lab_quantity_print(text[0], unit, a),
		lab_quantity_print(text[1], unit, b));
}

static void put_queue(FILE *f, const struct lab_line_config *c)
{
	if (!c->limit && c->queue == LAB_DROPTAIL)
		return;
	fprintf(f, " queue %" PRIu32 "p", c->limit ? c->limit : LAB_LIMIT);
	if (c->queue == LAB_CODEL)
		fputs(" codel", f);
	if (c->queue == LAB_ECN)
		fprintf(f, " ecn %" PRIu32 "p", c->mark);
}

static void put_line(FILE *f, const struct lab_line_config *c)
{
	char text[LAB_QUANTITY];

	put(f, "rate", LAB_RATE, c->rate);
	put(f, "delay", LAB_TIME, c->delay);
	put(f, "jitter", LAB_TIME, c->jitter);
	put_queue(f, c);
	put(f, "loss", LAB_SHARE, c->loss);
	if (c->gilbert.worse) {
		put_two(f, "gilbert", LAB_SHARE, c->gilbert.worse, c->gilbert.better);
		fprintf(f, " %s", lab_quantity_print(text, LAB_SHARE, c->gilbert.loss));
	}
	put(f, "reorder", LAB_SHARE, c->reorder);
	if (c->reorder)
		fprintf(f, " %s", lab_quantity_print(text, LAB_TIME, c->reorder_by));
	put(f, "dup", LAB_SHARE, c->dup);
	put(f, "corrupt", LAB_SHARE, c->corrupt);
	put(f, "truncate", LAB_SHARE, c->truncate);
	for (unsigned i = 0; i < c->nblackout; i++)
		put_two(f, "blackout", LAB_TIME, c->blackout[i].from, c->blackout[i].to);
}

static void put_link(FILE *f, const struct lab_scene *s, const struct lab_link_config *k)
{
	fprintf(f, "link %s %s", s->node[k->node[0]].name, s->node[k->node[1]].name);
	if (k->mtu)
		fprintf(f, " mtu %" PRIu32, k->mtu);
	if (k->arp)
		fputs(" arp", f);
	if (memcmp(&k->line[0], &k->line[1], sizeof(k->line[0])) == 0) {
		put_line(f, &k->line[0]);
	} else {
		fputs(" ->", f);
		put_line(f, &k->line[0]);
		fputs(" <-", f);
		put_line(f, &k->line[1]);
	}
	fputc('\n', f);
}

/* What a kind wants behind its nodes. */
static void put_begin(FILE *f, const struct lab_job *j)
{
	char text[LAB_QUANTITY];

	switch (j->kind) {
	case LAB_RR:
		fprintf(f, " %" PRIu32, j->rounds);
		put_two(f, "size", LAB_SIZE, j->up, j->down);
		break;
	case LAB_MANY:
		fprintf(f, " %" PRIu32, j->count);
		put_two(f, "size", LAB_SIZE, j->up, j->down);
		break;
	default:
		fprintf(f, " %s", lab_quantity_print(text, LAB_SIZE, j->up));
		if (j->down || j->kind == LAB_HALFCLOSE)
			fprintf(f, " reply %s", lab_quantity_print(text, LAB_SIZE, j->down));
	}
	if (j->kind == LAB_SLOWREADER) {
		put(f, "read", LAB_SIZE, j->read);
		put(f, "every", LAB_TIME, j->every);
	}
	if (j->kind == LAB_RESET)
		fprintf(f, " after %s by %s", lab_quantity_print(text, LAB_SIZE, j->after),
			j->by_server ? "server" : "client");
}

static void put_job(FILE *f, const struct lab_scene *s, const struct lab_job *j)
{
	fprintf(f, "%s %s %s", lab_kind_text(j->kind), s->node[j->from].name, s->node[j->to].name);
	put_begin(f, j);
	if (j->kind != LAB_MANY && j->count > 1)
		fprintf(f, " times %" PRIu32, j->count);
	if (j->at_once != (j->kind == LAB_MANY ? 10 : 1))
		fprintf(f, " once %" PRIu32, j->at_once);
	if (j->both)
		fputs(" both", f);
	put(f, "at", LAB_TIME, j->at);
	put(f, "think", LAB_TIME, j->think);
	put(f, "chunk", LAB_SIZE, j->chunk);
	put(f, "sndbuf", LAB_SIZE, j->sndbuf);
	put(f, "rcvbuf", LAB_SIZE, j->rcvbuf);
	if (j->nodelay)
		fputs(" nodelay", f);
	if (j->fastopen)
		fputs(" fastopen", f);
	if (j->cc[0])
		fprintf(f, " cc %s", j->cc);
	fputc('\n', f);
}

static void put_scene(FILE *f, const struct lab_scene *s)
{
	if (s->has_seed)
		fprintf(f, "seed %" PRIu64 "\n", s->seed);
	if (s->until) {
		fputs("until", f);
		put(f, "", LAB_TIME, s->until);
		fputc('\n', f);
	}
	for (unsigned i = 0; i < s->nnode; i++)
		fprintf(f, "%s %s\n", s->node[i].router ? "router" : "host", s->node[i].name);
	for (unsigned i = 0; i < s->nlink; i++)
		put_link(f, s, &s->link[i]);
	for (unsigned i = 0; i < s->nsetting; i++)
		fprintf(f, "sysctl %s %s=%s\n",
			s->setting[i].node == LAB_ALL_NODES ? "*"
							    : s->node[s->setting[i].node].name,
			s->setting[i].name, s->setting[i].value);
	for (unsigned i = 0; i < s->njob; i++)
		put_job(f, s, &s->job[i]);
}

char *lab_scene_print(const struct lab_scene *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	put_scene(f, s);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
