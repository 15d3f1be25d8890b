/*
 * tests/lib/test_sysctl.c - settings by name: defaults, ranges, and that the table is sound.
 */
#include "lib/sysctl.h"

#include <errno.h>
#include <stdlib.h>
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

/* As it stands in the stack. */
static int64_t number(const struct sysctl_info *s)
{
	char text[SYSCTL_TEXT_MAX];

	ck_assert_int_eq(sysctl_read_text(st, s->name, text), 0);
	return strtoll(text, NULL, 10);
}

START_TEST(test_sysctl_table_is_sound)
{
	for (size_t i = 0; i < sysctl_count; i++) {
		const struct sysctl_info *s = &sysctl_info[i];

		ck_assert_msg(s->min <= s->dflt && s->dflt <= s->max, "%s", s->name);
		ck_assert_uint_gt(strlen(s->text), 0);
		if (s->kind == SYSCTL_NUMBER)
			ck_assert_int_eq(number(s), s->dflt);
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

		if (s->kind != SYSCTL_NUMBER)
			continue;
		ck_assert_int_eq(sysctl_write(st, s->name, s->max + 1), -ERANGE);
		ck_assert_int_eq(sysctl_write(st, s->name, s->min - 1), -ERANGE);
		ck_assert_int_eq(number(s), s->dflt);
		ck_assert_int_eq(sysctl_write(st, s->name, s->max), 0);
		ck_assert_int_eq(sysctl_write(st, s->name, s->min), 0);
		ck_assert_int_eq(number(s), s->min);
	}
}
END_TEST

START_TEST(test_sysctl_unknown_name_is_noent)
{
	char text[SYSCTL_TEXT_MAX] = "as it was";

	ck_assert_int_eq(sysctl_write(st, "net.ipv4.no_such", 1), -ENOENT);
	ck_assert_int_eq(sysctl_read_text(st, "net.ipv4", text), -ENOENT);
	ck_assert_str_eq(text, "as it was");
}
END_TEST

/* --- as text ------------------------------------------------------------------------------------ */

static const char *const algorithms[] = {"reno", "cubic", "bbr", NULL};

static const char *read_text(const char *name)
{
	static char text[SYSCTL_TEXT_MAX];

	ck_assert_int_eq(sysctl_read_text(st, name, text), 0);
	return text;
}

#define CONGESTION "net.ipv4.tcp_congestion_control"
#define AVAILABLE "net.ipv4.tcp_available_congestion_control"
#define ALLOWED "net.ipv4.tcp_allowed_congestion_control"

/* As Linux writes net.ipv4.tcp_fastopen_key; whole or not at all. */
START_TEST(test_text_of_a_key)
{
	static const char *const bad[] = {"1-2-3", "1-2-3-4-5", "1-2-3-x", "123456789-1-1-1", ""};
	static const char name[] = "net.ipv4.tcp_fastopen_key";
	char why[SYSCTL_TEXT_MAX];

	ck_assert_int_eq(sysctl_write_text(st, name, "A1b2-0-ffffffff-00000001", why), 0);
	ck_assert_str_eq(read_text(name), "0000a1b2-00000000-ffffffff-00000001");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(sysctl_write_text(st, name, bad[i], why), -EINVAL);
	ck_assert_str_eq(read_text(name), "0000a1b2-00000000-ffffffff-00000001");
	ck_assert_int_eq(sysctl_write_text(st, "net.ipv4.tcp_fastopen", "0x403", why), 0);
	ck_assert_str_eq(read_text("net.ipv4.tcp_fastopen"), "1027");
}
END_TEST

START_TEST(test_text_of_a_number)
{
	char why[SYSCTL_TEXT_MAX];

	ck_assert_str_eq(read_text("net.ipv4.ip_default_ttl"), "64");
	ck_assert_int_eq(sysctl_write_text(st, "net.ipv4.ip_default_ttl", " 9\n", why), 0);
	ck_assert_int_eq(sysctl_get(st, ip_default_ttl), 9);
}
END_TEST

START_TEST(test_text_of_a_list)
{
	char why[SYSCTL_TEXT_MAX];

	ck_assert_str_eq(read_text("net.ipv4.ip_local_port_range"), "32768\t60999");
	ck_assert_int_eq(sysctl_write_text(st, "net.ipv4.tcp_rmem", "5000 6000\t7000", why), 0);
	ck_assert_str_eq(read_text("net.ipv4.tcp_rmem"), "5000\t6000\t7000");
	ck_assert_int_eq(sysctl_get(st, tcp_rmem_min), 5000);
	ck_assert_int_eq(sysctl_get(st, tcp_rmem_dflt), 6000);
	ck_assert_int_eq(sysctl_get(st, tcp_rmem_max), 7000);
	ck_assert_str_eq(read_text("net.ipv4.tcp_rmem.max"), "7000");
}
END_TEST

START_TEST(test_text_of_words)
{
	char why[SYSCTL_TEXT_MAX];

	st->sysctl.cc_names = algorithms;
	ck_assert_str_eq(read_text(CONGESTION), "reno");
	ck_assert_str_eq(read_text(AVAILABLE), "reno cubic bbr");
	ck_assert_int_eq(sysctl_write_text(st, CONGESTION, "cubic", why), 0);
	ck_assert_str_eq(read_text(CONGESTION), "cubic");
	ck_assert_int_eq(sysctl_get(st, tcp_congestion_control), 1);
	ck_assert_int_eq(sysctl_write_text(st, ALLOWED, "bbr reno", why), 0);
	ck_assert_str_eq(read_text(ALLOWED), "reno bbr");
}
END_TEST

static const struct {
	const char *name, *value, *why;
	int err;
} refused[] = {
    {"net.ipv4.no_such", "1", "no such setting", -ENOENT},
    {"net.ipv4.tcp", "1", "no such setting", -ENOENT},
    {"net.ipv4.ip_default_ttl", "x", "not a number", -EINVAL},
    {"net.ipv4.ip_default_ttl", "", "not a number", -EINVAL},
    {"net.ipv4.ip_default_ttl", "9x", "not a number", -EINVAL},
    {"net.ipv4.ip_default_ttl", "9 9", "not a number", -EINVAL},
    {"net.ipv4.ip_default_ttl", "256", "out of range 1 - 255", -ERANGE},
    {"net.ipv4.ip_default_ttl", "99999999999999999999", "out of range 1 - 255", -ERANGE},
    {"net.ipv4.tcp_rmem", "4096 8192", "not 3 numbers", -EINVAL},
    {"net.ipv4.tcp_rmem", "4096 8192 9000 9001", "not 3 numbers", -EINVAL},
    {"net.ipv4.tcp_rmem", "4096 8192 x", "not a number", -EINVAL},
    {"net.ipv4.tcp_rmem", "4096 8192 5", "out of range 4096 - 1073741824", -ERANGE},
    {"net.ipv4.tcp_rmem", "4096 8192 6000", "not in ascending order", -EINVAL},
    {"net.ipv4.ip_local_port_range", "5000 4000", "not in ascending order", -EINVAL},
    {CONGESTION, "vegas", "not one of: reno cubic bbr", -EINVAL},
    {CONGESTION, "", "empty", -EINVAL},
    {CONGESTION, "reno cubic", "not one word", -EINVAL},
    {CONGESTION, "1", "not one of: reno cubic bbr", -EINVAL},
    {ALLOWED, "reno vegas", "not one of: reno cubic bbr", -EINVAL},
    {AVAILABLE, "reno", "only to be read", -EPERM},
};
#define REFUSED (sizeof(refused) / sizeof(refused[0]))

START_TEST(test_text_refused_says_why_and_changes_nothing)
{
	char before[SYSCTL_TEXT_MAX] = "", after[SYSCTL_TEXT_MAX] = "", why[SYSCTL_TEXT_MAX];

	st->sysctl.cc_names = algorithms;
	sysctl_read_text(st, refused[_i].name, before);
	ck_assert_int_eq(sysctl_write_text(st, refused[_i].name, refused[_i].value, why),
			 refused[_i].err);
	ck_assert_str_eq(why, refused[_i].why);
	sysctl_read_text(st, refused[_i].name, after);
	ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(test_text_too_long_is_refused)
{
	char value[2 * SYSCTL_TEXT_MAX], why[SYSCTL_TEXT_MAX];

	memset(value, '1', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	ck_assert_int_eq(sysctl_write_text(st, "net.ipv4.ip_default_ttl", value, why), -EINVAL);
	ck_assert_str_eq(why, "too long");
}
END_TEST

START_TEST(test_numbers_are_not_words)
{
	ck_assert_int_eq(sysctl_write(st, CONGESTION, 0), -EINVAL);
}
END_TEST

START_TEST(test_titles_name_a_list_once)
{
	char name[SYSCTL_TEXT_MAX];
	unsigned lists = 0, ports = 0;

	for (size_t i = 0; i < sysctl_count; i++) {
		if (!sysctl_title(i, name))
			continue;
		lists += !strcmp(name, "net.ipv4.tcp_rmem");
		ports += !strcmp(name, "net.ipv4.ip_local_port_range");
		ck_assert(!strstr(name, "tcp_rmem."));
	}
	ck_assert_uint_eq(lists, 1);
	ck_assert_uint_eq(ports, 1);
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
	tcase_add_test(tc, test_text_of_a_key);
	tcase_add_test(tc, test_text_of_a_number);
	tcase_add_test(tc, test_text_of_a_list);
	tcase_add_test(tc, test_text_of_words);
	tcase_add_loop_test(tc, test_text_refused_says_why_and_changes_nothing, 0, REFUSED);
	tcase_add_test(tc, test_text_too_long_is_refused);
	tcase_add_test(tc, test_numbers_are_not_words);
	tcase_add_test(tc, test_titles_name_a_list_once);
	return unit_run("sysctl", tc);
}
