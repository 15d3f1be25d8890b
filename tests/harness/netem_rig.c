/*
 * tests/harness/netem_rig.c - frames sent through netem, and taken as they come out.
 */
#include "tests/harness/netem_rig.h"

#include "lib/stack.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

void rig_start(struct netem_rig *r, struct stack *st)
{
	r->stack = st;
	r->sink = sink_create(r->stack, "sink0", NETDEV_F_ALL);
	r->mark = 0;
	r->start = env_now(st->env);
}

void rig_end(struct netem_rig *r)
{
	netstack_destroy(r->stack);
}

void rig_set(struct netem_rig *r, struct netem_config cfg)
{
	if (!cfg.seed)
		cfg.seed = RIG_SEED;
	ck_assert_int_eq(netem_set(r->sink->dev, NETEM_OUT, &cfg), 0);
}

struct netem_stats rig_stats(struct netem_rig *r)
{
	struct netem_config cfg;
	struct netem_stats s;

	ck_assert(netem_get(r->sink->dev, NETEM_OUT, &cfg, &s));
	return s;
}

void rig_send(struct netem_rig *r, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++) {
		struct pkbuf *b = frame_send4(r->stack, len, 0);

		b->mark = r->mark++;
		sink_tx(r->sink, b);
	}
}

void rig_advance(struct netem_rig *r, uint64_t ns)
{
	env_lab_advance(r->stack->env, ns);
}

uint32_t rig_take(struct netem_rig *r, uint64_t *when)
{
	struct pkbuf *b = pkq_take(&r->sink->sent);
	uint32_t mark;

	ck_assert_ptr_nonnull(b);
	mark = b->mark;
	*when = b->stamp - r->start;
	pkbuf_free(b);
	return mark;
}

void rig_check(struct netem_rig *r, uint32_t mark, uint64_t when)
{
	uint64_t at;

	ck_assert_uint_eq(rig_take(r, &at), mark);
	ck_assert_uint_eq(at, when);
}

uint32_t rig_sent(struct netem_rig *r)
{
	return r->sink->sent.count;
}
