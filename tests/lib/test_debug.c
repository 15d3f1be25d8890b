/*
 * tests/lib/test_debug.c - trace lines go to the sinks that want their level, and cost nothing
 * else.
 */
#include "lib/debug.h"

#include <stdio.h>
#include <string.h>

#include "tests/harness/unit.h"

struct lines {
	struct debug_sink sink;
	unsigned n;
	enum debug_level level;
	char last[1024];
};

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

static void lines_take(struct debug_sink *s, enum debug_level l, const char *text)
{
	struct lines *out = (struct lines *)s;

	out->n++;
	out->level = l;
	snprintf(out->last, sizeof(out->last), "%s", text);
}

static struct lines lines_of(unsigned levels)
{
	return (struct lines){.sink = {.line = lines_take, .levels = levels}};
}

static int evaluated(int *count)
{
	return ++*count;
}

START_TEST(test_debug_off_evaluates_nothing)
{
	int count = 0;

	debug(st, DEBUG_TCP, "%d", evaluated(&count));
	ck_assert_int_eq(count, 0);
}
END_TEST

START_TEST(test_debug_line_goes_to_sinks_of_its_level)
{
	struct lines arp = lines_of(DEBUG_ARP), all = lines_of(DEBUG_ALL);

	debug_sink_add(st, &arp.sink);
	debug_sink_add(st, &all.sink);
	debug(st, DEBUG_TCP, "%s %d", "port", 80);
	debug(st, DEBUG_ARP, "who has");
	ck_assert_uint_eq(all.n, 2);
	ck_assert_uint_eq(arp.n, 1);
	ck_assert_int_eq(arp.level, DEBUG_ARP);
	ck_assert_str_eq(arp.last, "who has");
	debug_sink_del(st, &all.sink);
	ck_assert_uint_eq(st->debug, DEBUG_ARP);
	debug(st, DEBUG_TCP, "nobody");
	debug(st, DEBUG_ARP, "is at");
	ck_assert_uint_eq(all.n, 2);
	ck_assert_str_eq(arp.last, "is at");
	debug_sink_del(st, &arp.sink);
	ck_assert_uint_eq(st->debug, 0);
}
END_TEST

START_TEST(test_debug_long_line_is_cut)
{
	struct lines all = lines_of(DEBUG_ALL);
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	debug_sink_add(st, &all.sink);
	debug(st, DEBUG_IP, "%s", text);
	ck_assert_uint_eq(strlen(all.last), 511);
	debug_sink_del(st, &all.sink);
}
END_TEST

START_TEST(test_debug_level_parse_names)
{
	ck_assert_uint_eq(debug_level_parse("arp"), DEBUG_ARP);
	ck_assert_uint_eq(debug_level_parse("tcpstate"), DEBUG_TCPSTATE);
	ck_assert_uint_eq(debug_level_parse("ALL"), DEBUG_ALL);
	ck_assert_uint_eq(debug_level_parse("ar"), 0);
	ck_assert_uint_eq(debug_level_parse(""), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("debug");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_debug_off_evaluates_nothing);
	tcase_add_test(tc, test_debug_line_goes_to_sinks_of_its_level);
	tcase_add_test(tc, test_debug_long_line_is_cut);
	tcase_add_test(tc, test_debug_level_parse_names);
	return unit_run("debug", tc);
}
