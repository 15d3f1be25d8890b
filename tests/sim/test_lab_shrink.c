/*
 * tests/sim/test_lab_shrink.c - a scene that fails is made smaller and fails still; one that ends its process is a
 * violation with its last words.  What fails is decided by the tests.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/unit.h"
#include "tests/sim/lab.h"

static struct lab_scene scene;
static struct lab_result result;
static char why[LAB_WHY];

/* --- smaller -------------------------------------------------------------------------------------- */

static bool has_loss(const struct lab_scene *s)
{
	for (unsigned i = 0; i < s->nlink; i++) {
		if (s->link[i].line[0].loss || s->link[i].line[1].loss)
			return true;
	}
	return false;
}

/* Fails while there is loss anywhere, and a bulk transfer of at least 1000 bytes. */
static bool loss_and_bulk(const struct lab_scene *s, struct lab_result *r, char *text)
{
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; has_loss(s) && i < s->njob; i++)
		r->bad.set |= s->job[i].kind == LAB_BULK && s->job[i].up >= 1000;
	return s->nlink > 0 && s->njob > 0;
}

START_TEST(test_only_the_cause_is_left)
{
	unsigned runs;

	ck_assert_msg(
	    lab_scene_parse(&scene, "f",
			    "host a b c\nrouter r\n"
			    "link a r rate 10mbit delay 10ms queue 50p codel arp\n"
			    "link r b delay 20ms loss 2% reorder 5% gilbert 1% 20%\n"
			    "link r c dup 1% mtu 1400\n"
			    "sysctl * net.ipv4.tcp_sack=0\nsysctl c net.ipv4.tcp_timestamps=0\n"
			    "bulk a b 5MB times 8 at 3s rcvbuf 9KB\nrr a c 10 think 1s\n"
			    "many c b 50 size 5KB\n",
			    why),
	    "%s", why);
	runs = lab_shrink(&scene, loss_and_bulk, &result);
	ck_assert(result.bad.set);
	ck_assert_uint_gt(runs, 10);
	ck_assert_uint_eq(scene.njob, 1);
	ck_assert_uint_eq(scene.nlink, 1);
	ck_assert_uint_le(scene.nnode, 3);
	ck_assert_uint_eq(scene.nsetting, 0);
	ck_assert(has_loss(&scene));
	ck_assert_uint_ge(scene.job[0].up, 1000);
	ck_assert_uint_lt(scene.job[0].up, 2000);
	ck_assert_uint_eq(scene.job[0].count, 1);
	ck_assert_uint_eq(scene.job[0].at + scene.job[0].rcvbuf, 0);
	ck_assert_uint_eq(scene.link[0].line[0].rate + scene.link[0].line[0].reorder, 0);
	ck_assert_uint_eq(scene.link[0].line[0].gilbert.worse, 0);
	ck_assert(!scene.link[0].arp);
}
END_TEST

/* What is left is a scene: its text reads back and runs. */
START_TEST(test_smaller_scene_runs)
{
	char *text;

	for (unsigned i = 1; i < 30; i++) {
		lab_scene_draw(&scene, i);
		scene.link[0].line[0].loss = 1000;
		scene.job[0].kind = LAB_BULK;
		scene.job[0].up = 100000;
		lab_shrink(&scene, loss_and_bulk, &result);
		ck_assert(result.bad.set);
		text = lab_scene_print(&scene);
		ck_assert_msg(lab_scene_parse(&scene, "small", text, why), "%s in\n%s", why, text);
		free(text);
	}
}
END_TEST

static bool never(const struct lab_scene *s, struct lab_result *r, char *text)
{
	memset(r, 0, sizeof(*r));
	return true;
}

START_TEST(test_what_holds_is_left_alone)
{
	struct lab_scene before;

	lab_scene_draw(&scene, 4);
	before = scene;
	ck_assert_uint_eq(lab_shrink(&scene, never, &result), 1);
	ck_assert(memcmp(&before, &scene, sizeof(scene)) == 0);
}
END_TEST

/* --- in a process of its own ---------------------------------------------------------------------- */

static bool stopped(const struct lab_scene *s, const char *pcap, struct lab_result *r, char *text)
{
	fputs("room.c:7: thing: Assertion `0' failed.\nmore\n", stderr);
	fflush(stderr);
	signal(SIGABRT, SIG_DFL);
	abort();
}

static bool exited(const struct lab_scene *s, const char *pcap, struct lab_result *r, char *text)
{
	fputs("=====\nERROR: a sanitizer\n", stderr);
	exit(23);
}

static bool refused(const struct lab_scene *s, const char *pcap, struct lab_result *r, char *text)
{
	snprintf(text, LAB_WHY, "cannot be");
	return false;
}

START_TEST(test_assertion_is_a_violation)
{
	scene.seed = 77;
	ck_assert(lab_child_run(stopped, &scene, &result, why));
	ck_assert(result.bad.set);
	ck_assert_uint_eq(result.seed, 77);
	ck_assert_str_eq(result.bad.what,
			 "the run ends by signal 6, Aborted: room.c:7: thing: Assertion "
			 "`0' failed.");
}
END_TEST

START_TEST(test_exit_is_a_violation)
{
	ck_assert(lab_child_run(exited, &scene, &result, why));
	ck_assert_str_eq(result.bad.what, "the run ends with status 23: ERROR: a sanitizer");
}
END_TEST

START_TEST(test_refusal_is_passed_on)
{
	ck_assert(!lab_child_run(refused, &scene, &result, why));
	ck_assert_str_eq(why, "cannot be");
}
END_TEST

START_TEST(test_same_result_in_a_child)
{
	struct lab_result here;

	lab_scene_draw(&scene, 6);
	ck_assert(lab_scene_try(&scene, &result, why));
	ck_assert(lab_scene_run(&scene, NULL, &here, why));
	ck_assert_uint_eq(here.digest, result.digest);
	ck_assert_uint_eq(here.events, result.events);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("shrink");

	tcase_add_test(tc, test_only_the_cause_is_left);
	tcase_add_test(tc, test_smaller_scene_runs);
	tcase_add_test(tc, test_what_holds_is_left_alone);
	tcase_add_test(tc, test_assertion_is_a_violation);
	tcase_add_test(tc, test_exit_is_a_violation);
	tcase_add_test(tc, test_refusal_is_passed_on);
	tcase_add_test(tc, test_same_result_in_a_child);
	return unit_run("lab_shrink", tc);
}
