/*
 * tests/sim/lab_draw.c - a scene drawn from a seed: up to a chain of three routers with hosts at both ends, some
 * impairments, some traffic.  Bounds keep a run short: what could take long is given less to do.
 */
#include <stdio.h>
#include <string.h>

#include "lib/random.h"
#include "lib/sysctl.h"
#include "tests/sim/lab_scene.h"

#define MS 1000000ull
#define SEC 1000000000ull

static uint64_t draw(struct random *r, uint64_t from, uint64_t to)
{
	return from + random_below(r, to - from + 1);
}

static bool one_in(struct random *r, unsigned n)
{
	return random_below(r, n) == 0;
}

/* Small ones are as likely as large ones: by powers of two. */
static uint64_t draw_log(struct random *r, uint64_t from, uint64_t to)
{
	unsigned powers = 1;

	while (from << powers <= to)
		powers++;
	from <<= random_below(r, powers);
	return draw(r, from, 2 * from - 1 < to ? 2 * from - 1 : to);
}

static unsigned node_add(struct lab_scene *s, bool router, const char *name, unsigned number)
{
	struct lab_node_config *n = &s->node[s->nnode];

	n->router = router;
	snprintf(n->name, sizeof(n->name), "%s%u", name, number);
	return s->nnode++;
}

/* --- links ---------------------------------------------------------------------------------------- */

static void draw_queue(struct random *r, struct lab_line_config *c)
{
	c->rate = draw_log(r, 500000, 100000000) / 1000 * 1000;
	c->limit = (uint32_t)draw_log(r, 5, 400);
	c->queue = (enum lab_queue_kind)random_below(r, 3);
	if (c->queue == LAB_ECN)
		c->mark = (uint32_t)draw(r, 1, c->limit);
}

static uint32_t draw_share(struct random *r, uint32_t most)
{
	return (uint32_t)draw_log(r, 100, most) / 100 * 100;
}

static void draw_loss(struct random *r, struct lab_line_config *c)
{
	if (one_in(r, 2))
		c->loss = draw_share(r, 100000);
	if (one_in(r, 4)) {
		c->gilbert.worse = draw_share(r, 20000);
		c->gilbert.better = (uint32_t)draw(r, 10, 80) * 10000;
		c->gilbert.loss = (uint32_t)draw(r, 50, 100) * 10000;
	}
}

static void draw_damage(struct random *r, struct lab_line_config *c)
{
	if (one_in(r, 3)) {
		c->reorder = draw_share(r, 300000);
		c->reorder_by = draw(r, 1, 40) * MS;
	}
	if (one_in(r, 4))
		c->dup = draw_share(r, 100000);
	if (one_in(r, 5))
		c->corrupt = draw_share(r, 50000);
	if (one_in(r, 6))
		c->truncate = draw_share(r, 30000);
	if (one_in(r, 8)) {
		c->blackout[0].from = draw(r, 0, 5000) * MS;
		c->blackout[0].to = c->blackout[0].from + draw_log(r, 100, 20000) * MS;
		c->nblackout = 1;
	}
}

static void draw_line(struct random *r, struct lab_line_config *c, bool bad)
{
	c->delay = draw_log(r, 1, 200) * MS;
	if (one_in(r, 3))
		c->jitter = draw(r, 1, c->delay / MS) * MS;
	if (!one_in(r, 4))
		draw_queue(r, c);
	if (!bad)
		return;
	draw_loss(r, c);
	draw_damage(r, c);
}

static void link_add(struct random *r, struct lab_scene *s, unsigned a, unsigned b)
{
	struct lab_link_config *k = &s->link[s->nlink++];

	k->node[0] = a;
	k->node[1] = b;
	k->arp = one_in(r, 6);
	if (one_in(r, 5))
		k->mtu = (uint32_t)draw_log(r, 600, 9000);
	draw_line(r, &k->line[0], one_in(r, 2));
	k->line[1] = k->line[0];
	if (one_in(r, 3)) {
		memset(&k->line[1], 0, sizeof(k->line[1]));
		draw_line(r, &k->line[1], one_in(r, 2));
	}
}

/* Hosts at the ends of a chain of routers, or two on one link. */
static void draw_links(struct random *r, struct lab_scene *s)
{
	unsigned nrouter = (unsigned)random_below(r, 4), nhost = nrouter ? 2 : 1;
	unsigned last = 0;

	nhost = nrouter && one_in(r, 2) ? 3 : nhost;
	for (unsigned i = 0; i < nrouter; i++) {
		unsigned router = node_add(s, true, "r", i + 1);

		if (i)
			link_add(r, s, last, router);
		last = router;
	}
	for (unsigned i = 0; i < nhost; i++) {
		unsigned a = node_add(s, false, "a", i + 1);

		if (nrouter) {
			link_add(r, s, a, 0);
			link_add(r, s, last, node_add(s, false, "b", i + 1));
		} else {
			link_add(r, s, a, node_add(s, false, "b", i + 1));
		}
	}
}

/* --- traffic -------------------------------------------------------------------------------------- */

static void draw_kind(struct random *r, struct lab_job *j)
{
	switch (j->kind) {
	case LAB_RR:
		j->rounds = (uint32_t)draw_log(r, 1, 100);
		j->up = draw_log(r, 1, 20000);
		j->down = draw_log(r, 1, 20000);
		j->think = one_in(r, 2) ? draw_log(r, 1, 2000) * MS : 0;
		break;
	case LAB_MANY:
		j->count = (uint32_t)draw_log(r, 2, 60);
		j->at_once = (uint32_t)draw(r, 1, 20);
		j->down = draw_log(r, 1, 30000);
		j->up = draw_log(r, 1, 3000);
		break;
	case LAB_SLOWREADER:
		j->read = (uint32_t)draw_log(r, 500, 20000);
		j->every = draw(r, 1, 200) * MS;
		j->up = draw(r, 5, 60) * j->read;
		break;
	case LAB_HALFCLOSE:
		j->down = draw_log(r, 1, 1000000);
		break;
	case LAB_RESET:
		j->after = random_below(r, j->up);
		j->by_server = one_in(r, 2);
		j->both = one_in(r, 2);
		j->down = j->both ? j->up : 0;
		break;
	default:
		j->both = one_in(r, 3);
		j->down = j->both ? draw_log(r, 1, 2000000) : 0;
	}
}

static void job_add(struct random *r, struct lab_scene *s, unsigned a, unsigned b)
{
	struct lab_job *j = &s->job[s->njob++];

	*j = (struct lab_job){
	    .kind = (enum lab_kind)random_below(r, LAB_KINDS),
	    .from = one_in(r, 3) ? b : a,
	    .count = 1,
	    .at_once = 1,
	    .rounds = 1,
	    .up = draw_log(r, 1, 3000000),
	    .at = one_in(r, 2) ? draw(r, 0, 3000) * MS : 0,
	    .nodelay = one_in(r, 4),
	    .fastopen = one_in(r, 5),
	};
	j->to = j->from == a ? b : a;
	if (one_in(r, 5))
		j->rcvbuf = (uint32_t)draw_log(r, 4096, 200000);
	if (one_in(r, 5))
		j->sndbuf = (uint32_t)draw_log(r, 8192, 200000);
	if (one_in(r, 4))
		j->chunk = (uint32_t)draw_log(r, 1 + (uint32_t)(j->up / 5000), 20000);
	draw_kind(r, j);
}

static void draw_jobs(struct random *r, struct lab_scene *s)
{
	unsigned n = (unsigned)draw(r, 1, 5), host[LAB_NODES], nhost = 0;

	for (unsigned i = 0; i < s->nnode; i++) {
		if (!s->node[i].router)
			host[nhost++] = i;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned a = (unsigned)random_below(r, nhost / 2) * 2;

		job_add(r, s, host[a],
			host[nhost > 2 ? (a + 1 + 2 * random_below(r, nhost / 2)) % nhost : 1]);
	}
}

/* Settings that change what TCP does; each in one scene of so many. */
static const struct {
	const char *name, *value;
	unsigned one_in;
} settings[] = {
    {"net.ipv4.tcp_congestion_control", "reno", 4},
    {"net.ipv4.tcp_congestion_control", "bbr", 4},
    {"net.ipv4.tcp_sack", "0", 8},
    {"net.ipv4.tcp_timestamps", "0", 8},
    {"net.ipv4.tcp_window_scaling", "0", 12},
    {"net.ipv4.tcp_ecn", "1", 4},
    {"net.ipv4.tcp_fastopen", "3", 2},
    {"net.ipv4.tcp_recovery", "0", 12},
    {"net.ipv4.tcp_early_retrans", "0", 12},
    {"net.ipv4.tcp_frto", "0", 12},
    {"net.ipv4.tcp_slow_start_after_idle", "0", 8},
    {"net.ipv4.tcp_syncookies", "2", 12},
    {"net.ipv4.tcp_reordering", "12", 16},
    {"net.ipv4.tcp_moderate_rcvbuf", "0", 16},
    {"net.ipv4.tcp_mtu_probing", "2", 8},
    {"net.weft.tcp_hystart", "0", 8},
    {"net.weft.tcp_init_cwnd", "1", 16},
    {"net.weft.tcp_init_cwnd", "40", 16},
    {"net.weft.mem_limit", "4000000", 16},
};

static bool setting_exists(const char *name)
{
	for (size_t i = 0; i < sysctl_count; i++) {
		if (strcmp(sysctl_info[i].name, name) == 0)
			return true;
	}
	return false;
}

static void draw_settings(struct random *r, struct lab_scene *s)
{
	for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct lab_setting *set = &s->setting[s->nsetting];
		bool wanted = one_in(r, settings[i].one_in);
		unsigned node = (unsigned)random_below(r, 2 * s->nnode);

		if (!wanted || !setting_exists(settings[i].name))
			continue;
		set->node = node < s->nnode ? node : LAB_ALL_NODES;
		strcpy(set->name, settings[i].name);
		strcpy(set->value, settings[i].value);
		s->nsetting++;
	}
}

void lab_scene_draw(struct lab_scene *s, uint64_t seed)
{
	struct random r;

	memset(s, 0, sizeof(*s));
	random_seed(&r, seed);
	s->seed = seed;
	s->has_seed = true;
	draw_links(&r, s);
	draw_jobs(&r, s);
	draw_settings(&r, s);
}
