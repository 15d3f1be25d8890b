/*
 * tests/sim/test_lab_text.c - scenes from text: what is right comes back as it was, what is wrong is told with its
 * place and what would be right.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/unit.h"
#include "tests/sim/lab_scene.h"

#define BEGIN "host a b\nlink a b\n"

static struct lab_scene scene, other;
static char why[LAB_WHY];

/* --- quantities --------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	enum lab_unit unit;
	uint64_t value;
	const char *back;
} quantity[] = {
    {"10mbit", LAB_RATE, 10000000, "10mbit"},
    {"1.5gbit", LAB_RATE, 1500000000, "1500mbit"},
    {"64kbit", LAB_RATE, 64000, "64kbit"},
    {"20ms", LAB_TIME, 20000000, "20ms"},
    {"1.5s", LAB_TIME, 1500000000, "1500ms"},
    {"0s", LAB_TIME, 0, "0ns"},
    {"7ns", LAB_TIME, 7, "7ns"},
    {"10MB", LAB_SIZE, 10000000, "10MB"},
    {"1460", LAB_SIZE, 1460, "1460B"},
    {"0.1%", LAB_SHARE, 1000, "0.1%"},
    {"100%", LAB_SHARE, LAB_PPM, "100%"},
    {"0.0001%", LAB_SHARE, 1, "0.0001%"},
    {"50p", LAB_COUNT, 50, "50"},
    {"50", LAB_COUNT, 50, "50"},
};

START_TEST(test_quantity_parsed_and_printed)
{
	char text[LAB_QUANTITY];
	uint64_t v;

	ck_assert(lab_quantity_parse(quantity[_i].text, quantity[_i].unit, &v));
	ck_assert_uint_eq(v, quantity[_i].value);
	ck_assert_str_eq(lab_quantity_print(text, quantity[_i].unit, v), quantity[_i].back);
}
END_TEST

static const struct {
	const char *text;
	enum lab_unit unit;
} no_quantity[] = {
    {"", LAB_COUNT},       {"ms", LAB_TIME},    {"20", LAB_TIME},    {"20MB", LAB_TIME},
    {"-1ms", LAB_TIME},    {"0.5ns", LAB_TIME}, {"101%", LAB_SHARE}, {"5", LAB_SHARE},
    {"10mbits", LAB_RATE}, {"1.5p", LAB_COUNT}, {"nan", LAB_SIZE},   {"1e30", LAB_SIZE},
};

START_TEST(test_no_quantity_refused)
{
	uint64_t v;

	ck_assert(!lab_quantity_parse(no_quantity[_i].text, no_quantity[_i].unit, &v));
}
END_TEST

/* --- errors ------------------------------------------------------------------------------------- */

static const struct {
	const char *text, *why; /* how the error begins */
} wrong[] = {
    {"", "f:0: there is no link"},
    {"hsot a\n", "f:1: no statement 'hsot'; there are host, router, link"},
    {"host\n", "f:1: a name is missing: 'host a'"},
    {"host a a\n", "f:1: there is a node 'a' already"},
    {"host a.b\n", "f:1: 'a.b' is no name"},
    {"host abcdefghijklmnop\n", "f:1: 'abcdefghijklmnop' is no name: up to 15"},
    {"host a b\n", "f:1: there is no link, as"},
    {"host a b\nlink a c\n", "f:2: no node 'c': a line 'host c' has to come before"},
    {"host a b\nlink a a\n", "f:2: a link has two different ends"},
    {"host a b\nlink a\n", "f:2: a node's name is missing"},
    {"host a b\n# a comment\nlink a b rate 10\n", "f:3: rate wants a rate, as 10mbit, not '10'"},
    {"host a b\nlink a b rate\n", "f:2: rate wants a rate, as 10mbit behind it"},
    {"host a b\nlink a b delay 5mbit\n", "f:2: delay wants a time, as 20ms, not '5mbit'"},
    {"host a b\nlink a b loss 5\n", "f:2: loss wants a share, as 1%, not '5'"},
    {"host a b\nlink a b lose 5%\n", "f:2: no word 'lose' of a link; there are rate, delay"},
    {"host a b\nlink a b queue 0p\n", "f:2: queue wants at least 1p"},
    {"host a b\nlink a b queue 10p ecn\n", "f:2: ecn wants a whole number"},
    {"host a b\nlink a b gilbert 1%\n", "f:2: gilbert wants a share, as 1% behind it"},
    {"host a b\nlink a b gilbert 1% 0%\n", "f:2: gilbert never gets better"},
    {"host a b\nlink a b blackout 5s 3s\n", "f:2: blackout ends before it begins"},
    {"host a b\nlink a b mtu 100\n", "f:2: mtu wants 256 to 65521"},
    {BEGIN, "f:2: there is no traffic, as 'bulk a b 1MB'"},
    {BEGIN "bulk a\n", "f:3: a node's name is missing"},
    {BEGIN "bulk a a 1MB\n", "f:3: bulk wants two different nodes"},
    {BEGIN "bulk a b\n", "f:3: bulk wants a size, as 10KB behind it"},
    {BEGIN "bulk a b 1MB at\n", "f:3: at wants a time"},
    {BEGIN "bulk a b 1MB think 1s\n", "f:3: no word 'think' of bulk; there are at, times"},
    {BEGIN "rr a b 0\n", "f:3: rr wants at least one"},
    {BEGIN "rr a b 3 size 0 5\n", "f:3: rr wants a size of more than 0 both ways"},
    {BEGIN "many a b 99999999999\n", "f:3: many: 99999999999 is too many"},
    {BEGIN "reset a b 1MB by me\n", "f:3: by wants client or server"},
    {BEGIN "slowreader a b 1MB read 0B\n", "f:3: slowreader wants read and every"},
    {BEGIN "bulk a b 1MB cc\n", "f:3: cc wants an algorithm"},
    {BEGIN "sysctl a tcp_sack 0\n", "f:3: sysctl wants NODE NAME=VALUE"},
    {BEGIN "sysctl c x=0\n", "f:3: no node 'c'"},
    {BEGIN "seed x\n", "f:3: seed wants a whole number"},
    {BEGIN "seed 7x\n", "f:3: seed wants a whole number, not '7x'"},
    {BEGIN "until 10\n", "f:3: until wants a time, as 20ms, not '10'"},
    {BEGIN "until 10s 11s\n", "f:3: '11s' is one word too many"},
};

START_TEST(test_wrong_text_told)
{
	ck_assert(!lab_scene_parse(&scene, "f", wrong[_i].text, why));
	ck_assert_msg(strncmp(why, wrong[_i].why, strlen(wrong[_i].why)) == 0, "%s", why);
}
END_TEST

START_TEST(test_too_many_refused)
{
	char text[8192] = BEGIN;

	for (unsigned i = 0; i <= LAB_JOBS; i++)
		strcat(text, "bulk a b 1\n");
	ck_assert(!lab_scene_parse(&scene, "f", text, why));
	ck_assert_ptr_nonnull(strstr(why, "more than 48 lines of traffic"));
	strcpy(text, BEGIN "bulk a b 1");
	for (unsigned i = 0; i <= LAB_WORDS; i++)
		strcat(text, " nodelay");
	ck_assert(!lab_scene_parse(&scene, "f", text, why));
	ck_assert_ptr_nonnull(strstr(why, "more than 128 words"));
}
END_TEST

/* --- what is right ------------------------------------------------------------------------------ */

START_TEST(test_directions_apart)
{
	const struct lab_line_config *l;

	ck_assert(lab_scene_parse(&scene, "f",
				  "host a b\n"
				  "link a b delay 5ms -> rate 1mbit loss 1% <- loss 2%\n"
				  "bulk a b 1MB\n",
				  why));
	l = scene.link[0].line;
	ck_assert_uint_eq(l[0].delay, 5000000);
	ck_assert_uint_eq(l[1].delay, 5000000);
	ck_assert_uint_eq(l[0].rate, 1000000);
	ck_assert_uint_eq(l[1].rate, 0);
	ck_assert_uint_eq(l[0].loss, 10000);
	ck_assert_uint_eq(l[1].loss, 20000);
}
END_TEST

static void same_after_print(void)
{
	char *text = lab_scene_print(&scene);

	ck_assert_ptr_nonnull(text);
	ck_assert_msg(lab_scene_parse(&other, "again", text, why), "%s in\n%s", why, text);
	ck_assert_msg(memcmp(&scene, &other, sizeof(scene)) == 0, "%s", text);
	free(text);
}

START_TEST(test_named_scene_comes_back)
{
	ck_assert_msg(lab_scene_parse(&scene, lab_named[_i].name, lab_named[_i].text, why), "%s",
		      why);
	same_after_print();
}
END_TEST

START_TEST(test_drawn_scene_comes_back)
{
	for (unsigned i = 0; i < 500; i++) {
		lab_scene_draw(&scene, i);
		same_after_print();
	}
}
END_TEST

START_TEST(test_every_word_comes_back)
{
	ck_assert_msg(
	    lab_scene_parse(
		&scene, "f",
		"seed 9\nuntil 90s\nhost a b\n"
		"link a b mtu 1400 arp rate 1mbit delay 2ms jitter 1ms queue 9p codel "
		"loss 1% gilbert 1% 30% 90% reorder 5% 3ms dup 1% corrupt 0.1% "
		"truncate 0.2% blackout 1s 2s blackout 3s 4s -> queue 8p ecn 4p\n"
		"sysctl * net.ipv4.tcp_sack=0\nsysctl b net.ipv4.tcp_timestamps=0\n"
		"bulk a b 1MB at 1s times 3 once 2 both reply 5KB chunk 700 sndbuf 9KB rcvbuf 8KB\n"
		"rr a b 9 size 1 2 think 3ms nodelay fastopen\nmany a b 7 size 10KB once 3\n"
		"slowreader a b 5KB read 100 every 2ms\nhalfclose a b 3KB reply 0\n"
		"reset a b 1MB after 3KB by client cc cubic\n",
		why),
	    "%s", why);
	ck_assert_uint_eq(scene.job[2].up, 100);
	ck_assert_uint_eq(scene.job[2].down, 10000);
	same_after_print();
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
	TCase *tc = tcase_create("text");

	tcase_add_loop_test(tc, test_quantity_parsed_and_printed, 0, COUNT(quantity));
	tcase_add_loop_test(tc, test_no_quantity_refused, 0, COUNT(no_quantity));
	tcase_add_loop_test(tc, test_wrong_text_told, 0, COUNT(wrong));
	tcase_add_test(tc, test_too_many_refused);
	tcase_add_test(tc, test_directions_apart);
	tcase_add_loop_test(tc, test_named_scene_comes_back, 0, (int)lab_named_count);
	tcase_add_test(tc, test_drawn_scene_comes_back);
	tcase_add_test(tc, test_every_word_comes_back);
	return unit_run("lab_text", tc);
}
