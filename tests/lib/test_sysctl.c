/*
 * tests/lib/test_sysctl.c - settings by name: defaults, ranges, and that the table is sound.
 */
#include "lib/sysctl.h"

#include <errno.h>
#include <string.h>

#include "lib/stack.h"
#include "tests/harness/unit.h"

static struct env *env;
static struct stack *st;

static void setup(void)
{
	env = env_lab_create(1);
	st = stack_alloc(env);
}

static void teardown(void)
{
	stack_free(st);
	env_lab_destroy(env);
}

START_TEST(test_sysctl_table_is_sound)
{
	int64_t v;

	for (size_t i = 0; i < sysctl_count; i++) {
		const struct sysctl_info *s = &sysctl_info[i];

		ck_assert_msg(s->min <= s->dflt && s->dflt <= s->max, "%s", s->name);
		ck_assert_uint_gt(strlen(s->text), 0);
		ck_assert_int_eq(sysctl_read(st, s->name, &v), 0);
		ck_assert_int_eq(v, s->dflt);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(sysctl_info[j].name, s->name);
	}
}
END_TEST

START_TEST(test_sysctl_write_changes_the_field)
{
	ck_assert_int_eq(sysctl_get(st, ip_default_ttl), 64);
	ck_assert_int_eq(sysctl_write(st, "net.ipv4.ip_default_ttl", 9), 0);
	ck_assert_int_eq(sysctl_get(st, ip_default_ttl), 9);
}
END_TEST

START_TEST(test_sysctl_of_one_stack_leaves_the_other)
{
	struct stack *other = stack_alloc(env);

	sysctl_write(st, "net.ipv4.ip_default_ttl", 9);
	ck_assert_int_eq(sysctl_get(other, ip_default_ttl), 64);
	stack_free(other);
}
END_TEST

START_TEST(test_sysctl_range_is_kept)
{
	for (size_t i = 0; i < sysctl_count; i++) {
		const struct sysctl_info *s = &sysctl_info[i];
		int64_t v;

		ck_assert_int_eq(sysctl_write(st, s->name, s->max + 1), -ERANGE);
		ck_assert_int_eq(sysctl_write(st, s->name, s->min - 1), -ERANGE);
		ck_assert_int_eq(sysctl_read(st, s->name, &v), 0);
		ck_assert_int_eq(v, s->dflt);
		ck_assert_int_eq(sysctl_write(st, s->name, s->max), 0);
		ck_assert_int_eq(sysctl_write(st, s->name, s->min), 0);
		ck_assert_int_eq(sysctl_read(st, s->name, &v), 0);
		ck_assert_int_eq(v, s->min);
	}
}
END_TEST

START_TEST(test_sysctl_unknown_name_is_noent)
{
	int64_t v = 77;

	ck_assert_int_eq(sysctl_write(st, "net.ipv4.no_such", 1), -ENOENT);
	ck_assert_int_eq(sysctl_read(st, "net.ipv4", &v), -ENOENT);
	ck_assert_int_eq(v, 77);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sysctl");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_sysctl_table_is_sound);
	tcase_add_test(tc, test_sysctl_write_changes_the_field);
	tcase_add_test(tc, test_sysctl_of_one_stack_leaves_the_other);
	tcase_add_test(tc, test_sysctl_range_is_kept);
	tcase_add_test(tc, test_sysctl_unknown_name_is_noent);
	return unit_run("sysctl", tc);
}
