/*
 * tests/sim/test_lab_run.c - whole runs: every named scene holds, one seed gives one run to the byte, another seed
 * another; what cannot be is told.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness/unit.h"
#include "tests/sim/lab.h"

#define DRAWN 20 /* in one test */
#ifdef WEFT_SANITIZE
#define DRAWN_TESTS 2
#else
#define DRAWN_TESTS 15
#endif

static struct lab_scene scene;
static struct lab_result result;
static char why[LAB_WHY];

static void scene_read(const char *text, uint64_t seed)
{
	ck_assert_msg(lab_scene_parse(&scene, "f", text, why), "%s", why);
	scene.seed = seed;
}

static void scene_holds(void)
{
	ck_assert_msg(lab_scene_run(&scene, NULL, &result, why), "%s", why);
	ck_assert_msg(!result.bad.set, "seed %llu, %.9f s: %s (%s)", (unsigned long long)scene.seed,
		      (double)result.bad.when / 1e9, result.bad.what, result.drops);
	ck_assert_uint_eq(result.left, 0);
}

START_TEST(test_named_scene_holds)
{
	scene_read(lab_named[_i].text, 1);
	scene_holds();
	ck_assert_uint_gt(result.checks, 0);
	ck_assert_uint_gt(result.bytes, 0);
}
END_TEST

START_TEST(test_drawn_scenes_hold)
{
	for (int i = 1; i <= DRAWN; i++) {
		lab_scene_draw(&scene, (uint64_t)(_i * DRAWN + i));
		scene_holds();
	}
}
END_TEST

/* Scenes that were found by hunting and made smaller; each failed once. */
static const char *const found[] = {
    /* F-RTO's wait outlived the state it belongs to: what was lost was not sent again */
    "seed 5969\nrouter r1 r2\nhost a1 b1 a2 b2\n"
    "link r1 r2 -> delay 143ms <- delay 143ms jitter 69ms blackout 3798ms 10689ms\n"
    "link a1 r1\nlink r2 b1\nlink a2 r1 -> loss 7.19% <- delay 22ms\n"
    "link r2 b2 mtu 707 -> delay 19ms <-\n"
    "slowreader a1 b1 21904B read 859B every 41ms\n"
    "slowreader a2 b2 131197B read 7497B every 165ms at 752ms\nbulk b1 a1 0B at 2794ms\n",
    /* what an undo had left as sent again could not be lost any more: a time-out sent nothing */
    "seed 30710\nrouter r1 r2\nhost a1 b1 a2 b2\n"
    "link r1 r2 -> delay 26ms <- delay 108ms\n"
    "link a1 r1 mtu 889 arp -> loss 7.48% dup 9.56% <- delay 107ms\n"
    "link r2 b1 delay 153ms jitter 125ms\nlink a2 r1 delay 28ms\n"
    "link r2 b2 arp rate 762kbit delay 3ms queue 14p blackout 4509ms 8433ms\n"
    "sysctl * net.ipv4.tcp_sack=0\nrr b2 a2 3 size 19014B 15180B at 1068ms\n"
    "reset a1 b2 1B reply 1B after 0B by server both at 2955ms\n"
    "halfclose a1 b1 52225B reply 0B\nmany b2 a2 20 size 2B 14032B once 20 at 2525ms\n",
    /* RACK's timer waited for a round trip as long as the blackout in it */
    "seed 30948301683\nhost a1 b1\n"
    "link a1 b1 -> rate 6070kbit delay 175ms queue 13p loss 0.67% reorder 0.01% 12ms "
    "corrupt 0.61% <- delay 175ms blackout 2934ms 10601ms\n"
    "rr a1 b1 1 size 0B 0B at 2723ms\nrr a1 b1 1 size 1B 0B\nbulk a1 b1 152538B at 1725ms\n"
    "rr a1 b1 5 size 1B 7832B\n",
    /* a path that takes larger segments again left a cwnd below one of them */
    "seed 1618\nrouter r1 r2 r3\nhost a1 b1 a2 b2\n"
    "link r1 r3 mtu 1196 -> rate 20616kbit delay 22ms jitter 19ms queue 31p loss 5.24% "
    "gilbert 1.25% 13% 55% reorder 14.29% 38ms <- delay 44ms jitter 19ms loss 5.24% "
    "gilbert 1.25% 13% 55% reorder 14.29% 38ms\n"
    "link a1 r1 arp -> rate 2332kbit delay 61ms queue 72p reorder 4.53% 27ms "
    "<- rate 2332kbit delay 61ms queue 72p loss 0.25% gilbert 0.83% 80% 76%\n"
    "link r3 b1 -> delay 95ms <- rate 29283kbit delay 95ms queue 143p\n"
    "link a2 r1 arp -> delay 54ms jitter 23ms reorder 4.32% 28ms truncate 0.02% "
    "<- rate 857kbit delay 2ms queue 62p\n"
    "link r3 b2 -> delay 37ms <- rate 810kbit delay 30ms jitter 14ms queue 30p "
    "gilbert 0.04% 34% 66% corrupt 0.01%\n"
    "many a2 b2 31 size 1402B 3264B once 1\nhalfclose b2 a2 1B reply 1B\n"
    "halfclose a1 b1 965010B reply 0B\n",
    /* Fast Open: a SYN-ACK sent again took back the window that data had offered */
    "seed 1455\nrouter r1\nhost a1 b3\nlink a1 r1\nlink r1 b3 -> <- rate 9264kbit queue 5p\n"
    "sysctl * net.ipv4.tcp_fastopen=3\n"
    "many a1 b3 28 size 1B 1B once 14 rcvbuf 87383B fastopen\n",
    /* all that one end sent was lost until it gave up, and then its last did come: no fault of TCP's */
    "seed 765\nrouter r1 r2 r3\nhost a1 b1 a2 b2\n"
    "link r1 r2 arp -> rate 876kbit delay 5ms queue 70p reorder 3.69% 20ms dup 5.36% "
    "<- delay 10ms\nlink r2 r3 -> delay 2ms <- delay 176ms jitter 61ms\n"
    "link a1 r1 -> jitter 100ms loss 7.83% <-\nlink r3 b1 mtu 662\n"
    "link a2 r1 -> jitter 4ms gilbert 0.95% 17% 83% reorder 26.77% 38ms dup 0.02% corrupt 0.01% "
    "<- gilbert 0.95% 17% 83% reorder 26.77% 38ms dup 0.02% corrupt 0.01%\n"
    "link r3 b2 -> rate 2235kbit delay 158ms queue 15p <- delay 159ms gilbert 0.15% 25% 88%\n"
    "halfclose a1 b1 1B reply 988B at 2161ms\n"
    "bulk a2 b2 494260B reply 1B both at 1384ms rcvbuf 7831B\n",
};

START_TEST(test_found_scene_holds)
{
	scene_read(found[_i], 0);
	scene.seed = strtoull(found[_i] + 5, NULL, 10);
	scene_holds();
}
END_TEST

/* --- one seed, one run ---------------------------------------------------------------------------- */

/* All of a file; the caller frees it. */
static char *file_read(FILE *f, size_t *size)
{
	char *bytes = malloc(1 << 24);

	ck_assert_ptr_nonnull(bytes);
	rewind(f);
	*size = fread(bytes, 1, 1 << 24, f);
	ck_assert_uint_gt(*size, 0);
	return bytes;
}

static char *run_pcap(size_t *size)
{
	char path[] = "/tmp/weft-lab-XXXXXX", *bytes;
	int fd = mkstemp(path);
	FILE *f;

	ck_assert_int_ge(fd, 0);
	ck_assert_msg(lab_scene_run(&scene, path, &result, why), "%s", why);
	f = fdopen(fd, "r");
	bytes = file_read(f, size);
	fclose(f);
	unlink(path);
	return bytes;
}

START_TEST(test_same_seed_same_file)
{
	size_t n[2];
	char *file[2];

	scene_read(lab_named_find("programs")->text, 5);
	file[0] = run_pcap(&n[0]);
	file[1] = run_pcap(&n[1]);
	ck_assert_uint_eq(n[0], n[1]);
	ck_assert(memcmp(file[0], file[1], n[0]) == 0);
	free(file[0]);
	free(file[1]);
}
END_TEST

START_TEST(test_other_seed_other_run)
{
	uint64_t digest;

	scene_read(lab_named_find("lossy")->text, 5);
	scene_holds();
	digest = result.digest;
	scene.seed = 6;
	scene_holds();
	ck_assert_uint_ne(result.digest, digest);
}
END_TEST

/* The file says what a capture program wants to know, and has each frame that came to a line. */
START_TEST(test_pcap_has_every_frame)
{
	uint32_t head[6], at[4];
	uint64_t frames = 0, last = 0;
	size_t size, off = sizeof(head);
	char *bytes;

	scene_read("host a b\nlink a b delay 5ms\nbulk a b 100KB\n", 1);
	bytes = run_pcap(&size);
	memcpy(head, bytes, sizeof(head));
	ck_assert_uint_eq(head[0], 0xa1b23c4d);
	ck_assert_uint_eq(head[5], 1);
	for (; off + sizeof(at) <= size; off += sizeof(at) + at[2], frames++) {
		memcpy(at, bytes + off, sizeof(at));
		ck_assert_uint_eq(at[2], at[3]);
		ck_assert_uint_ge(at[0] * 1000000000ull + at[1], last);
		last = at[0] * 1000000000ull + at[1];
	}
	ck_assert_uint_eq(off, size);
	ck_assert_uint_le(frames, result.frames); /* less those before traffic began */
	ck_assert_uint_gt(frames, 70);
	free(bytes);
}
END_TEST

/* --- what cannot be ------------------------------------------------------------------------------- */

static const struct {
	const char *text, *why;
} refused[] = {
    {"host a b c\nlink a b\nbulk a c 1MB\n", "no links lead from a to c"},
    {"host a b c\nlink a b\nlink b c\nbulk a c 1MB\n", "no links lead from a to c"},
    {"host a b\nlink a b\nsysctl a no.such=1\nbulk a b 1MB\n", "sysctl no.such=1: no such setting"},
    {"host a b\nlink a b\nsysctl a net.ipv4.tcp_sack=7\nbulk a b 1MB\n",
     "sysctl net.ipv4.tcp_sack=7: out of range 0 - 1"},
    {"host a b\nlink a b\nbulk a b 1MB cc cubik\n", "cc cubik: not one of: cubic reno bbr"},
    {"host a b\nlink a b\nsysctl b net.ipv4.tcp_allowed_congestion_control=reno\nbulk a b 1MB cc "
     "bbr\n",
     "cc bbr: not one of: cubic reno"},
};

START_TEST(test_refused_scene_told)
{
	scene_read(refused[_i].text, 1);
	ck_assert(!lab_scene_run(&scene, NULL, &result, why));
	ck_assert_str_eq(why, refused[_i].why);
}
END_TEST

START_TEST(test_until_leaves_the_rest)
{
	scene_read("until 2s\nhost a b\nlink a b rate 1mbit\nbulk a b 10MB\n", 1);
	ck_assert(lab_scene_run(&scene, NULL, &result, why));
	ck_assert_msg(!result.bad.set, "%s", result.bad.what);
	ck_assert_uint_eq(result.left, 1);
	ck_assert_uint_le(result.ns, 2 * NSEC_PER_SEC);
}
END_TEST

START_TEST(test_unwritable_file_told)
{
	scene_read(lab_named_find("clean")->text, 1);
	ck_assert(!lab_scene_run(&scene, "/nowhere/at/all", &result, why));
	ck_assert_str_eq(why, "/nowhere/at/all: No such file or directory");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("run");

	tcase_add_loop_test(tc, test_named_scene_holds, 0, (int)lab_named_count);
	tcase_add_loop_test(tc, test_found_scene_holds, 0, (int)(sizeof(found) / sizeof(found[0])));
	tcase_add_loop_test(tc, test_drawn_scenes_hold, 0, DRAWN_TESTS);
	tcase_add_test(tc, test_same_seed_same_file);
	tcase_add_test(tc, test_other_seed_other_run);
	tcase_add_test(tc, test_pcap_has_every_frame);
	tcase_add_loop_test(tc, test_refused_scene_told, 0, 4);
	tcase_add_test(tc, test_until_leaves_the_rest);
	tcase_add_test(tc, test_unwritable_file_told);
	return unit_run("lab_run", tc);
}
