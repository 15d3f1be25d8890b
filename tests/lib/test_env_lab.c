/*
 * tests/lib/test_env_lab.c - virtual time: events in order, waits that run the world, answers where
 * a wait could never end, and the same run from the same seed.
 */
#include <errno.h>
#include <string.h>

#include "lib/env.h"
#include "tests/harness/unit.h"

struct event {
	struct alarm alarm;
	unsigned id;
	uint64_t again;      /* set itself for now so many times */
	struct waiter *wake; /* woken when it fires */
	int wait_result;     /* of a wait tried inside */
	bool waits;
};

static struct {
	struct env *env;
	struct waiter waiter;
	unsigned n, id[64];
	uint64_t at[64];
} lab;

static void setup(void)
{
	memset(&lab, 0, sizeof(lab));
	lab.env = env_lab_create(1);
	waiter_init(&lab.waiter);
}

static void teardown(void)
{
	env_lab_destroy(lab.env);
}

static void event_fire(void *arg)
{
	struct event *v = arg;

	ck_assert_uint_lt(lab.n, 64);
	lab.id[lab.n] = v->id;
	lab.at[lab.n++] = env_now(lab.env);
	if (v->waits)
		v->wait_result = env_wait(lab.env, &lab.waiter, NULL, 0, ENV_NEVER);
	if (v->again) {
		v->again--;
		env_alarm(lab.env, &v->alarm, env_now(lab.env));
	}
	if (v->wake)
		waiter_wake(lab.env, v->wake);
}

static void event_add(struct event *v, unsigned id, uint64_t when)
{
	memset(v, 0, sizeof(*v));
	v->id = id;
	v->alarm.when = when;
	v->alarm.fire = event_fire;
	v->alarm.arg = v;
	env_alarm_add(lab.env, &v->alarm);
}

static void event_del(struct event *v)
{
	env_alarm_del(lab.env, &v->alarm);
}

START_TEST(test_lab_clock_starts_at_one_second_and_stands)
{
	ck_assert_uint_eq(env_now(lab.env), NSEC_PER_SEC);
	ck_assert_uint_eq(env_now(lab.env), NSEC_PER_SEC);
	ck_assert(!lab.env->threaded);
	env_lab_advance(lab.env, 17);
	ck_assert_uint_eq(env_now(lab.env), NSEC_PER_SEC + 17);
}
END_TEST

START_TEST(test_lab_steps_run_events_by_time)
{
	static const unsigned order[] = {2, 0, 1};
	static const uint64_t when[] = {300, 300, 100};
	struct event v[3];

	for (unsigned i = 0; i < 3; i++)
		event_add(&v[i], i, NSEC_PER_SEC + when[i]);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(env_lab_step(lab.env, ENV_NEVER));
		ck_assert_uint_eq(lab.n, i + 1);
		ck_assert_uint_eq(lab.id[i], order[i]);
		ck_assert_uint_eq(lab.at[i], NSEC_PER_SEC + when[order[i]]);
		ck_assert_uint_eq(v[order[i]].alarm.when, ENV_NEVER);
	}
	ck_assert(!env_lab_step(lab.env, ENV_NEVER));
	for (unsigned i = 0; i < 3; i++)
		event_del(&v[i]);
}
END_TEST

START_TEST(test_lab_step_stops_at_until)
{
	struct event v;

	event_add(&v, 0, NSEC_PER_SEC + 100);
	ck_assert(!env_lab_step(lab.env, NSEC_PER_SEC + 99));
	ck_assert_uint_eq(env_now(lab.env), NSEC_PER_SEC);
	ck_assert(env_lab_step(lab.env, NSEC_PER_SEC + 100));
	event_del(&v);
}
END_TEST

/* An event for a time past runs next and does not turn the clock back. */
START_TEST(test_lab_event_past_runs_now)
{
	struct event v;

	env_lab_advance(lab.env, 1000);
	event_add(&v, 0, 5);
	ck_assert(env_lab_step(lab.env, ENV_NEVER));
	ck_assert_uint_eq(lab.at[0], NSEC_PER_SEC + 1000);
	event_del(&v);
}
END_TEST

START_TEST(test_lab_event_that_sets_itself_starves_none)
{
	struct event v[2];

	event_add(&v[0], 0, NSEC_PER_SEC);
	event_add(&v[1], 1, NSEC_PER_SEC);
	v[0].again = 10;
	env_lab_advance(lab.env, 0);
	ck_assert_uint_eq(lab.n, 12);
	ck_assert_uint_eq(lab.id[0], 0);
	ck_assert_uint_eq(lab.id[1], 1);
	event_del(&v[0]);
	event_del(&v[1]);
}
END_TEST

START_TEST(test_lab_removed_event_does_not_run)
{
	struct event v[3];

	for (unsigned i = 0; i < 3; i++)
		event_add(&v[i], i, NSEC_PER_SEC + i);
	event_del(&v[2]);
	event_del(&v[0]);
	event_add(&v[0], 7, NSEC_PER_SEC + 50);
	env_lab_advance(lab.env, 100);
	ck_assert_uint_eq(lab.n, 2);
	ck_assert_uint_eq(lab.id[0], 1);
	ck_assert_uint_eq(lab.id[1], 7);
	event_del(&v[0]);
	event_del(&v[1]);
}
END_TEST

START_TEST(test_lab_wait_runs_events_until_woken)
{
	struct event v[3];

	for (unsigned i = 0; i < 3; i++)
		event_add(&v[i], i, NSEC_PER_SEC + 100 * i);
	v[1].wake = &lab.waiter;
	waiter_reset(&lab.waiter);
	ck_assert_int_eq(env_wait(lab.env, &lab.waiter, NULL, 0, ENV_NEVER), 0);
	ck_assert_uint_eq(lab.n, 2);
	ck_assert_uint_eq(env_now(lab.env), NSEC_PER_SEC + 100);
	for (unsigned i = 0; i < 3; i++)
		event_del(&v[i]);
}
END_TEST

START_TEST(test_lab_wait_woken_before_runs_nothing)
{
	struct event v;

	event_add(&v, 0, NSEC_PER_SEC);
	waiter_reset(&lab.waiter);
	waiter_wake(lab.env, &lab.waiter);
	ck_assert_int_eq(env_wait(lab.env, &lab.waiter, NULL, 0, ENV_NEVER), 0);
	ck_assert_uint_eq(lab.n, 0);
	event_del(&v);
}
END_TEST

/* The deadline is an event too: with no other the clock goes there. */
START_TEST(test_lab_wait_ends_at_deadline)
{
	struct event v;

	event_add(&v, 0, NSEC_PER_SEC + 50);
	waiter_reset(&lab.waiter);
	ck_assert_int_eq(env_wait(lab.env, &lab.waiter, NULL, 0, NSEC_PER_SEC + 70), -ETIMEDOUT);
	ck_assert_uint_eq(lab.n, 1);
	ck_assert_uint_eq(env_now(lab.env), NSEC_PER_SEC + 70);
	ck_assert_uint_eq(lab.waiter.word, WAITER_IDLE);
	event_del(&v);
}
END_TEST

START_TEST(test_lab_wait_that_cannot_end_is_deadlock)
{
	struct event v;

	event_add(&v, 0, NSEC_PER_SEC + 50);
	waiter_reset(&lab.waiter);
	ck_assert_int_eq(env_wait(lab.env, &lab.waiter, NULL, 0, ENV_NEVER), -EDEADLK);
	ck_assert_uint_eq(lab.n, 1);
	event_del(&v);
}
END_TEST

START_TEST(test_lab_wait_inside_event_is_deadlock)
{
	struct event v;

	event_add(&v, 0, NSEC_PER_SEC + 50);
	v.waits = true;
	ck_assert(env_lab_step(lab.env, ENV_NEVER));
	ck_assert_int_eq(v.wait_result, -EDEADLK);
	event_del(&v);
}
END_TEST

START_TEST(test_lab_wait_for_descriptors_is_invalid)
{
	struct pollfd fd = {.fd = 0, .events = POLLIN};

	waiter_reset(&lab.waiter);
	ck_assert_int_eq(env_wait(lab.env, &lab.waiter, &fd, 1, ENV_NEVER), -EINVAL);
}
END_TEST

START_TEST(test_lab_wait_cancelled_is_interrupted)
{
	waiter_reset(&lab.waiter);
	atomic_store(&lab.waiter.cancel, true);
	waiter_wake(lab.env, &lab.waiter);
	ck_assert_int_eq(env_wait(lab.env, &lab.waiter, NULL, 0, ENV_NEVER), -EINTR);
}
END_TEST

START_TEST(test_lab_random_same_seed_same_numbers)
{
	struct env *same = env_lab_create(1), *other = env_lab_create(2);
	unsigned differ = 0;

	for (unsigned i = 0; i < 100; i++) {
		uint64_t x = env_random(lab.env);

		ck_assert_uint_eq(env_random(same), x);
		differ += env_random(other) != x;
	}
	ck_assert_uint_eq(differ, 100);
	env_lab_destroy(same);
	env_lab_destroy(other);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("env_lab");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lab_clock_starts_at_one_second_and_stands);
	tcase_add_test(tc, test_lab_steps_run_events_by_time);
	tcase_add_test(tc, test_lab_step_stops_at_until);
	tcase_add_test(tc, test_lab_event_past_runs_now);
	tcase_add_test(tc, test_lab_event_that_sets_itself_starves_none);
	tcase_add_test(tc, test_lab_removed_event_does_not_run);
	tcase_add_test(tc, test_lab_wait_runs_events_until_woken);
	tcase_add_test(tc, test_lab_wait_woken_before_runs_nothing);
	tcase_add_test(tc, test_lab_wait_ends_at_deadline);
	tcase_add_test(tc, test_lab_wait_that_cannot_end_is_deadlock);
	tcase_add_test(tc, test_lab_wait_inside_event_is_deadlock);
	tcase_add_test(tc, test_lab_wait_for_descriptors_is_invalid);
	tcase_add_test(tc, test_lab_wait_cancelled_is_interrupted);
	tcase_add_test(tc, test_lab_random_same_seed_same_numbers);
	return unit_run("env_lab", tc);
}
