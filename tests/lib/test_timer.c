/*
 * tests/lib/test_timer.c - the wheel: never early, in order, exact across cascades and over years,
 * one alarm for the earliest and none when idle; and a random run against a plain array.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/mib.h"
#include "lib/random.h"
#include "lib/slot.h"
#include "lib/stack.h"
#include "lib/timer.h"
#include "tests/harness/unit.h"

#define MS NSEC_PER_MSEC
#define LOG_MAX 4096

struct probe {
	struct timer timer;
	unsigned id;
	void (*then)(struct probe *p); /* called when it fires */
	uint64_t again;                /* for `then` */
};

static struct {
	struct env *env;
	struct stack *stack;
	struct wheel *wheel;
	unsigned fired;
	struct {
		unsigned id;
		uint64_t at;
	} log[LOG_MAX];
} lab;

static void setup(void)
{
	memset(&lab, 0, sizeof(lab));
	lab.env = env_lab_create(1);
	lab.stack = stack_alloc(lab.env);
	lab.wheel = lab.stack->tcp_wheel;
}

/* Frees everything; stack_free() stops when a timer is left in the gauge. */
static void teardown(void)
{
	stack_free(lab.stack);
	env_lab_destroy(lab.env);
}

static void probe_fire(struct timer *t)
{
	struct probe *p = (struct probe *)t;

	ck_assert_uint_lt(lab.fired, LOG_MAX);
	ck_assert_ptr_nonnull(slot_get(lab.stack)->batch);
	lock_rank_none();
	lab.log[lab.fired].id = p->id;
	lab.log[lab.fired].at = env_now(lab.env);
	lab.fired++;
	if (p->then)
		p->then(p);
}

static void probe_init(struct probe *p, unsigned id)
{
	memset(p, 0, sizeof(*p));
	p->id = id;
	timer_init(&p->timer, probe_fire);
}

static uint64_t alarm_when(void)
{
	return atomic_load(&wheel_alarm(lab.wheel)->when);
}

START_TEST(test_timer_armed_fires_once_at_its_time)
{
	struct probe p;

	probe_init(&p, 7);
	uint64_t when = env_now(lab.env) + 5 * MS;
	ck_assert(timer_arm(lab.wheel, &p.timer, when));
	ck_assert_int_eq(gauge_read(lab.stack, GAUGE_timers), 1);
	env_lab_advance(lab.env, 5 * MS - 1);
	ck_assert_uint_eq(lab.fired, 0);
	env_lab_advance(lab.env, 1);
	ck_assert_uint_eq(lab.fired, 1);
	ck_assert_uint_eq(lab.log[0].at, when);
	ck_assert_int_eq(gauge_read(lab.stack, GAUGE_timers), 0);
	env_lab_advance(lab.env, 1000 * MS);
	ck_assert_uint_eq(lab.fired, 1);
}
END_TEST

/* Between two ticks it waits for the later: up to a tick late, never early. */
START_TEST(test_timer_between_ticks_rounds_up)
{
	struct probe p;

	probe_init(&p, 0);
	uint64_t start = env_now(lab.env);
	timer_arm(lab.wheel, &p.timer, start + 5 * MS + 1);
	env_lab_advance(lab.env, 5 * MS + 1);
	ck_assert_uint_eq(lab.fired, 0);
	env_lab_advance(lab.env, MS - 1);
	ck_assert_uint_eq(lab.fired, 1);
	ck_assert_uint_eq(lab.log[0].at, start + 6 * MS);
}
END_TEST

START_TEST(test_timer_of_one_tick_fire_as_armed)
{
	struct probe p[8];
	uint64_t when = env_now(lab.env) + 3000 * MS;

	for (unsigned i = 0; i < 8; i++) {
		probe_init(&p[i], i);
		timer_arm(lab.wheel, &p[i].timer, when - i); /* all the same tick */
		env_lab_advance(lab.env, 300 * MS);
	}
	env_lab_advance(lab.env, 3000 * MS);
	ck_assert_uint_eq(lab.fired, 8);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(lab.log[i].id, i);
}
END_TEST

/* One before, on and after each power of 64, from a present that is not at such a boundary. */
START_TEST(test_timer_cascade_boundaries_exact)
{
	struct probe p[8 * 3];
	uint64_t when[8 * 3], start;
	unsigned n = 0;

	env_lab_advance(lab.env, 4242 * MS);
	start = env_now(lab.env);
	for (unsigned level = 0; level < 8; level++) {
		for (int d = -1; d <= 1; d++) {
			probe_init(&p[n], n);
			uint64_t tick = ((start / MS >> 6 * level) + 1) << 6 * level;
			when[n] = d < 0 ? (tick - 1) * MS : (tick + (unsigned)d) * MS;
			timer_arm(lab.wheel, &p[n].timer, when[n]);
			n++;
		}
	}
	while (env_lab_step(lab.env, ENV_NEVER))
		;
	ck_assert_uint_eq(lab.fired, n);
	for (unsigned i = 0; i < n; i++)
		ck_assert_uint_eq(lab.log[i].at, when[lab.log[i].id]);
	for (unsigned i = 1; i < n; i++)
		ck_assert_uint_ge(lab.log[i].at, lab.log[i - 1].at);
}
END_TEST

START_TEST(test_timer_far_deadline_takes_one_event)
{
	struct probe p;
	uint64_t year = 365ull * 86400 * NSEC_PER_SEC, when = env_now(lab.env) + 100 * year;

	probe_init(&p, 0);
	timer_arm(lab.wheel, &p.timer, when);
	ck_assert_uint_eq(alarm_when(), when);
	ck_assert(env_lab_step(lab.env, ENV_NEVER));
	ck_assert_uint_eq(lab.fired, 1);
	ck_assert_uint_eq(lab.log[0].at, when);
}
END_TEST

START_TEST(test_timer_never_does_not_fire_and_can_be_disarmed)
{
	struct probe p;

	probe_init(&p, 0);
	ck_assert(timer_arm(lab.wheel, &p.timer, ENV_NEVER));
	env_lab_advance(lab.env, 1ull << 60);
	ck_assert_uint_eq(lab.fired, 0);
	ck_assert(timer_disarm(lab.wheel, &p.timer));
}
END_TEST

START_TEST(test_timer_past_fires_at_once)
{
	struct probe p;

	env_lab_advance(lab.env, 100 * MS);
	probe_init(&p, 0);
	timer_arm(lab.wheel, &p.timer, 3);
	ck_assert(env_lab_step(lab.env, env_now(lab.env)));
	ck_assert_uint_eq(lab.fired, 1);
}
END_TEST

START_TEST(test_timer_rearm_moves_both_ways)
{
	struct probe p;
	uint64_t start = env_now(lab.env);

	probe_init(&p, 0);
	ck_assert(timer_arm(lab.wheel, &p.timer, start + 10 * MS));
	ck_assert(!timer_arm(lab.wheel, &p.timer, start + 500 * MS));
	env_lab_advance(lab.env, 400 * MS);
	ck_assert_uint_eq(lab.fired, 0);
	ck_assert(!timer_arm(lab.wheel, &p.timer, start + 410 * MS));
	env_lab_advance(lab.env, 200 * MS);
	ck_assert_uint_eq(lab.fired, 1);
	ck_assert_uint_eq(lab.log[0].at, start + 410 * MS);
}
END_TEST

START_TEST(test_timer_disarm_says_whether_it_was_armed)
{
	struct probe p;

	probe_init(&p, 0);
	ck_assert(!timer_disarm(lab.wheel, &p.timer));
	timer_arm(lab.wheel, &p.timer, env_now(lab.env) + 10 * MS);
	ck_assert(timer_disarm(lab.wheel, &p.timer));
	ck_assert(!timer_disarm(lab.wheel, &p.timer));
	env_lab_advance(lab.env, 100 * MS);
	ck_assert_uint_eq(lab.fired, 0);
}
END_TEST

START_TEST(test_wheel_idle_sets_no_alarm)
{
	struct probe p, q;

	probe_init(&p, 0);
	probe_init(&q, 1);
	ck_assert_uint_eq(alarm_when(), ENV_NEVER);
	timer_arm(lab.wheel, &p.timer, env_now(lab.env) + 10 * MS);
	timer_arm(lab.wheel, &q.timer, env_now(lab.env) + 20 * MS);
	ck_assert_uint_eq(alarm_when(), env_now(lab.env) + 10 * MS);
	timer_disarm(lab.wheel, &q.timer);
	timer_disarm(lab.wheel, &p.timer);
	ck_assert_uint_eq(alarm_when(), ENV_NEVER);
	timer_arm(lab.wheel, &p.timer, env_now(lab.env) + 10 * MS);
	env_lab_advance(lab.env, 10 * MS);
	ck_assert_uint_eq(lab.fired, 1);
	ck_assert_uint_eq(alarm_when(), ENV_NEVER);
	ck_assert(!env_lab_step(lab.env, ENV_NEVER));
}
END_TEST

static void arm_again(struct probe *p)
{
	if (lab.fired < 3)
		ck_assert(timer_arm(lab.wheel, &p->timer, p->again));
}

/* A timer that arms itself for a time past does not keep wheel_run() for ever. */
START_TEST(test_timer_armed_while_firing_waits_for_next_tick)
{
	struct probe p;
	uint64_t start = env_now(lab.env);

	probe_init(&p, 0);
	p.then = arm_again;
	timer_arm(lab.wheel, &p.timer, start + MS);
	env_lab_advance(lab.env, MS);
	ck_assert_uint_eq(lab.fired, 1);
	env_lab_advance(lab.env, 5 * MS);
	ck_assert_uint_eq(lab.fired, 3);
	ck_assert_uint_eq(lab.log[1].at, start + 2 * MS);
	ck_assert_uint_eq(lab.log[2].at, start + 3 * MS);
}
END_TEST

static struct probe *victim;

static void disarm_victim(struct probe *p)
{
	if (victim)
		ck_assert(timer_disarm(lab.wheel, &victim->timer));
	victim = NULL;
	ck_assert(!timer_disarm(lab.wheel, &p->timer));
}

/* Disarmed by another timer of its own tick, last and in the middle of what is being fired. */
START_TEST(test_timer_disarmed_while_its_tick_fires_stays_silent)
{
	for (unsigned which = 1; which < 4; which++) {
		struct probe p[4];
		uint64_t when = env_now(lab.env) + 2 * MS;

		for (unsigned i = 0; i < 4; i++) {
			probe_init(&p[i], i);
			timer_arm(lab.wheel, &p[i].timer, when);
		}
		p[0].then = disarm_victim;
		victim = &p[which];
		lab.fired = 0;
		env_lab_advance(lab.env, 10 * MS);
		ck_assert_uint_eq(lab.fired, 3);
		for (unsigned i = 0; i < 3; i++)
			ck_assert_uint_ne(lab.log[i].id, which);
	}
}
END_TEST

static void move_victim(struct probe *p)
{
	ck_assert(!timer_arm(lab.wheel, &victim->timer, env_now(lab.env) + 70 * MS));
}

START_TEST(test_timer_moved_while_its_tick_fires_fires_later)
{
	struct probe p[2];
	uint64_t start = env_now(lab.env);

	for (unsigned i = 0; i < 2; i++) {
		probe_init(&p[i], i);
		timer_arm(lab.wheel, &p[i].timer, start + MS);
	}
	p[0].then = move_victim;
	victim = &p[1];
	env_lab_advance(lab.env, 200 * MS);
	ck_assert_uint_eq(lab.fired, 2);
	ck_assert_uint_eq(lab.log[1].at, start + 71 * MS);
}
END_TEST

/* An env in which a second timer is armed while the alarm is being set for the first. */
static struct {
	const struct env_ops *lab;
	struct probe *meanwhile;
	uint64_t when;
} race;

static void race_alarm(struct env *e, struct alarm *a, uint64_t when)
{
	struct probe *p = race.meanwhile;

	race.meanwhile = NULL;
	if (p)
		timer_arm(lab.wheel, &p->timer, race.when);
	race.lab->alarm(e, a, when);
}

/* As two threads may do it: the later alarm must not stand in the end. */
START_TEST(test_wheel_alarm_set_by_two_is_the_earlier)
{
	struct env_ops ops = *lab.env->ops;
	uint64_t start = env_now(lab.env);
	struct probe p, q;

	probe_init(&p, 0);
	probe_init(&q, 1);
	race.lab = lab.env->ops;
	race.meanwhile = &q;
	race.when = start + 50 * MS;
	ops.alarm = race_alarm;
	lab.env->ops = &ops;
	timer_arm(lab.wheel, &p.timer, start + 100 * MS);
	lab.env->ops = race.lab;
	ck_assert_uint_eq(alarm_when(), start + 50 * MS);
	env_lab_advance(lab.env, 100 * MS);
	ck_assert_uint_eq(lab.fired, 2);
	ck_assert_uint_eq(lab.log[0].at, start + 50 * MS);
	ck_assert_uint_eq(lab.log[1].at, start + 100 * MS);
}
END_TEST

/* The model: when each is due, 0 when it is not armed; the earliest tick, then the longest armed.
 */
enum { PROBES = 64 };

static struct {
	struct probe probe[PROBES];
	uint64_t due[PROBES], order[PROBES], clock;
	unsigned checked;
} model;

/* Whoever is armed for before `i`.  One assertion for all: each of Check's is a system call. */
static unsigned model_overtaken(unsigned i)
{
	unsigned n = 0;

	for (unsigned j = 0; j < PROBES; j++) {
		if (j == i || !model.due[j])
			continue;
		n += model.due[j] < model.due[i] ||
		     (model.due[j] == model.due[i] && model.order[j] < model.order[i]);
	}
	return n;
}

/* Whoever should have fired by now. */
static unsigned model_late(void)
{
	unsigned n = 0;

	for (unsigned j = 0; j < PROBES; j++)
		n += model.due[j] != 0 && model.due[j] <= env_now(lab.env);
	return n;
}

static void model_fired(struct probe *p)
{
	unsigned i = p->id;

	ck_assert_uint_ne(model.due[i], 0);
	ck_assert_uint_eq(env_now(lab.env), model.due[i]);
	ck_assert_uint_eq(model_overtaken(i), 0);
	model.due[i] = 0;
	model.checked++;
	lab.fired = 0;
}

static uint64_t model_span(struct random *r)
{
	return random_next(r) >> (20 + random_below(r, 30));
}

static void model_arm(struct random *r, unsigned i)
{
	uint64_t when = env_now(lab.env) + model_span(r);
	bool was = model.due[i] != 0;

	ck_assert(timer_arm(lab.wheel, &model.probe[i].timer, when) == !was);
	model.due[i] = (when + MS - 1) / MS * MS;
	model.order[i] = ++model.clock;
}

START_TEST(test_timer_random_run_equals_model)
{
	struct random r;

	memset(&model, 0, sizeof(model));
	random_seed(&r, (uint64_t)_i);
	for (unsigned i = 0; i < PROBES; i++) {
		probe_init(&model.probe[i], i);
		model.probe[i].then = model_fired;
	}
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)random_below(&r, PROBES);

		if (random_below(&r, 4) == 0) {
			ck_assert(timer_disarm(lab.wheel, &model.probe[i].timer) ==
				  (model.due[i] != 0));
			model.due[i] = 0;
		} else {
			model_arm(&r, i);
		}
		if (random_below(&r, 8) == 0)
			env_lab_advance(lab.env, model_span(&r));
		else
			env_lab_advance(lab.env, random_below(&r, 3 * MS));
		ck_assert_uint_eq(model_late(), 0);
	}
	while (env_lab_step(lab.env, ENV_NEVER))
		;
	ck_assert_uint_gt(model.checked, 1000);
	ck_assert_int_eq(gauge_read(lab.stack, GAUGE_timers), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_timer_armed_fires_once_at_its_time);
	tcase_add_test(tc, test_timer_between_ticks_rounds_up);
	tcase_add_test(tc, test_timer_of_one_tick_fire_as_armed);
	tcase_add_test(tc, test_timer_cascade_boundaries_exact);
	tcase_add_test(tc, test_timer_far_deadline_takes_one_event);
	tcase_add_test(tc, test_timer_never_does_not_fire_and_can_be_disarmed);
	tcase_add_test(tc, test_timer_past_fires_at_once);
	tcase_add_test(tc, test_timer_rearm_moves_both_ways);
	tcase_add_test(tc, test_timer_disarm_says_whether_it_was_armed);
	tcase_add_test(tc, test_wheel_idle_sets_no_alarm);
	tcase_add_test(tc, test_timer_armed_while_firing_waits_for_next_tick);
	tcase_add_test(tc, test_timer_disarmed_while_its_tick_fires_stays_silent);
	tcase_add_test(tc, test_timer_moved_while_its_tick_fires_fires_later);
	tcase_add_test(tc, test_wheel_alarm_set_by_two_is_the_earlier);
	tcase_add_loop_test(tc, test_timer_random_run_equals_model, 1, 6);
	return unit_run("timer", tc);
}
