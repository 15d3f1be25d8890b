/*
 * tests/socket/test_packetdrill.c - packetdrill's world: who waits there gets the lab's answers, and time stands while
 * the other thread is on its way.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "socket/packetdrill_priv.h"
#include "tests/harness/unit.h"

static struct {
	struct world *world;
	struct env *env;
	struct waiter waiter;
	struct waiter others;
	uint64_t slept_until; /* the other thread's clock when it was back */
} t;

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	t.world = world_create(false, 1);
	ck_assert_ptr_nonnull(t.world);
	t.env = world_env(t.world);
	waiter_init(&t.waiter);
	waiter_init(&t.others);
}

static void teardown(void)
{
	waiter_fini(&t.waiter);
	waiter_fini(&t.others);
	world_destroy(t.world);
}

static int wait_until(uint64_t deadline)
{
	int r;

	world_enter(t.world);
	r = env_wait(t.env, &t.waiter, NULL, 0, deadline);
	world_leave(t.world);
	return r;
}

START_TEST(test_deadline_moves_the_clock)
{
	uint64_t now = env_now(t.env);

	waiter_reset(&t.waiter);
	ck_assert_int_eq(wait_until(now + 5000), -ETIMEDOUT);
	ck_assert_uint_eq(env_now(t.env), now + 5000);
}
END_TEST

START_TEST(test_deadline_in_the_past_leaves_the_clock)
{
	uint64_t now = env_now(t.env);

	waiter_reset(&t.waiter);
	ck_assert_int_eq(wait_until(now - 1), -ETIMEDOUT);
	ck_assert_uint_eq(env_now(t.env), now);
}
END_TEST

START_TEST(test_nothing_to_come_is_no_wait)
{
	waiter_reset(&t.waiter);
	ck_assert_int_eq(wait_until(ENV_NEVER), -EDEADLK);
}
END_TEST

START_TEST(test_cancelled_and_woken_is_intr)
{
	waiter_reset(&t.waiter);
	atomic_store(&t.waiter.cancel, true);
	waiter_wake(t.env, &t.waiter);
	ck_assert_int_eq(wait_until(ENV_NEVER), -EINTR);
}
END_TEST

/* As packetdrill's: a call that blocks, then a look at the clock. */
static void *other_main(void *arg)
{
	uint64_t *deadline = arg;

	world_enter(t.world);
	waiter_reset(&t.others);
	ck_assert_int_eq(env_wait(t.env, &t.others, NULL, 0, *deadline),
			 *deadline == ENV_NEVER ? 0 : -ETIMEDOUT);
	world_leave(t.world);
	t.slept_until = world_look(t.world);
	return NULL;
}

static void other_asleep(pthread_t *other, uint64_t *deadline)
{
	bool asleep = false;

	ck_assert_int_eq(pthread_create(other, NULL, other_main, deadline), 0);
	while (!asleep) {
		world_enter(t.world);
		asleep = atomic_load(&t.others.word) == WAITER_WAITING;
		world_leave(t.world);
	}
}

START_TEST(test_time_stands_until_who_was_woken_has_looked)
{
	uint64_t never = ENV_NEVER, now;
	pthread_t other;

	other_asleep(&other, &never);
	world_enter(t.world);
	now = env_now(t.env);
	waiter_wake(t.env, &t.others);
	world_leave(t.world);
	world_sleep(t.world, NSEC_PER_SEC);
	pthread_join(other, NULL);
	ck_assert_uint_eq(t.slept_until, now);
	ck_assert_uint_eq(env_now(t.env), now + NSEC_PER_SEC);
}
END_TEST

START_TEST(test_time_stands_at_the_others_deadline)
{
	uint64_t now = env_now(t.env), deadline = now + 300 * NSEC_PER_MSEC;
	pthread_t other;

	other_asleep(&other, &deadline);
	world_sleep(t.world, NSEC_PER_SEC);
	pthread_join(other, NULL);
	ck_assert_uint_eq(t.slept_until, deadline);
	ck_assert_uint_eq(env_now(t.env), now + NSEC_PER_SEC);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("packetdrill");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_deadline_moves_the_clock);
	tcase_add_test(tc, test_deadline_in_the_past_leaves_the_clock);
	tcase_add_test(tc, test_nothing_to_come_is_no_wait);
	tcase_add_test(tc, test_cancelled_and_woken_is_intr);
	tcase_add_test(tc, test_time_stands_until_who_was_woken_has_looked);
	tcase_add_test(tc, test_time_stands_at_the_others_deadline);
	return unit_run("packetdrill", tc);
}
