/*
 * tests/sim/test_lab_line.c - each word of a link does what it says: counts on the line, times of arrival, what CoDel
 * and ECN do to a queue; and frames are never lost to the books.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checksum.h"
#include "tests/harness/unit.h"
#include "tests/sim/lab.h"

static struct lab_scene scene;
static struct lab_world *world;
static char why[LAB_WHY];

static void world_open(const char *words, const char *traffic)
{
	char text[512];

	snprintf(text, sizeof(text), "host a b\nlink a b %s\n%s\n", words, traffic);
	ck_assert_msg(lab_scene_parse(&scene, "f", text, why), "%s", why);
	scene.seed = 3;
	world = lab_world_open(&scene, why);
	ck_assert_msg(world != NULL, "%s", why);
}

static void world_close(void)
{
	struct lab_violation bad;

	lab_world_close(world, &bad);
	ck_assert_msg(!bad.set, "%s", bad.what);
}

/* All traffic through one link; the figures of the way from a to b. */
static struct lab_line_stats run(const char *words, const char *traffic)
{
	struct lab_line_stats s;

	world_open(words, traffic);
	ck_assert(lab_run_until(world, ENV_NEVER));
	lab_drain(world);
	s = world->line[0].stats;
	world_close();
	return s;
}

/* `n` of `of` is `percent`, within four standard deviations and one. */
static void share_is(uint64_t n, uint64_t of, double percent)
{
	double want = (double)of * percent / 100, off = (double)n - want;

	ck_assert_msg(off * off <= 16 * want + 1, "%llu of %llu, %g %% expected",
		      (unsigned long long)n, (unsigned long long)of, percent);
}

START_TEST(test_clean_delivers_all)
{
	struct lab_line_stats s = run("delay 5ms", "bulk a b 2MB");

	ck_assert_uint_gt(s.in, 1300);
	ck_assert_uint_eq(s.delivered, s.in);
	ck_assert_uint_eq(s.duplicated + s.marked + s.reordered + s.corrupted + s.truncated, 0);
}
END_TEST

START_TEST(test_loss_takes_its_share)
{
	struct lab_line_stats s = run("delay 5ms -> loss 3%", "bulk a b 5MB");

	share_is(s.dropped[LAB_DROP_LOSS], s.in, 3);
	ck_assert_uint_eq(s.delivered + s.dropped[LAB_DROP_LOSS], s.in);
}
END_TEST

/* In the bad state W / (W + B) of the time: 1 / 31. */
START_TEST(test_gilbert_loses_in_bursts)
{
	struct lab_line_stats s = run("delay 5ms -> gilbert 1% 30%", "bulk b a 10MB");
	double percent = 100.0 * (double)s.dropped[LAB_DROP_LOSS] / (double)s.in;

	ck_assert_msg(percent > 1.5 && percent < 5, "%g %%", percent);
}
END_TEST

START_TEST(test_dup_comes_twice)
{
	struct lab_line_stats s = run("delay 5ms -> dup 10%", "bulk a b 2MB");

	share_is(s.duplicated, s.in, 10);
	ck_assert_uint_eq(s.delivered, s.in + s.duplicated);
}
END_TEST

START_TEST(test_corrupt_fails_a_checksum)
{
	struct lab_line_stats s;
	uint64_t refused;

	world_open("delay 5ms -> corrupt 5%", "bulk a b 2MB");
	ck_assert(lab_run_until(world, ENV_NEVER));
	s = world->line[0].stats;
	refused = pkbuf_drops(world->node[1].stack, DROP_TCP_CSUM) +
		  pkbuf_drops(world->node[1].stack, DROP_IP_CSUM) +
		  pkbuf_drops(world->node[1].stack, DROP_IP_VERSION) +
		  pkbuf_drops(world->node[1].stack, DROP_IP_HDRLEN) +
		  pkbuf_drops(world->node[1].stack, DROP_IP_LENGTH);
	world_close();
	share_is(s.corrupted, s.in, 5);
	ck_assert_uint_gt(refused, s.corrupted * 9 / 10);
	ck_assert_uint_le(refused, s.corrupted);
}
END_TEST

START_TEST(test_truncate_cuts)
{
	struct lab_line_stats s = run("delay 5ms -> truncate 5%", "bulk a b 2MB");

	share_is(s.truncated, s.in, 5);
	ck_assert_uint_eq(s.delivered, s.in);
}
END_TEST

START_TEST(test_reorder_is_overtaken)
{
	struct lab_line_stats s = run("rate 10mbit delay 20ms -> reorder 10% 15ms", "bulk a b 2MB");

	share_is(s.reordered, s.in, 10);
	ck_assert_uint_eq(s.delivered, s.in);
}
END_TEST

START_TEST(test_jitter_keeps_order)
{
	world_open("rate 10mbit delay 20ms -> jitter 15ms", "bulk a b 2MB");
	ck_assert(lab_run_until(world, ENV_NEVER));
	ck_assert_uint_eq(mib_read(world->node[1].stack, MIB_TcpExt_TCPOFOQueue), 0);
	world_close();
}
END_TEST

START_TEST(test_blackout_lets_nothing_through)
{
	struct lab_line_stats s, dark;

	world_open("rate 10mbit delay 5ms -> blackout 1s 2s", "bulk a b 5MB");
	lab_run_until(world, NSEC_PER_SEC + 6 * NSEC_PER_MSEC);
	s = world->line[0].stats;
	lab_run_until(world, 2 * NSEC_PER_SEC);
	dark = world->line[0].stats;
	ck_assert_uint_eq(s.delivered, dark.delivered);
	ck_assert_uint_gt(dark.dropped[LAB_DROP_BLACKOUT], 0);
	ck_assert(lab_run_until(world, ENV_NEVER));
	ck_assert_uint_gt(world->line[0].stats.delivered, dark.delivered);
	world_close();
}
END_TEST

/* --- time ----------------------------------------------------------------------------------------- */

/* A SYN there, a SYN-ACK back: twice the delay, and its 74 bytes at the rate. */
START_TEST(test_delay_and_rate_make_the_time)
{
	uint64_t round = 2 * (30 * NSEC_PER_MSEC + 74 * 8 * NSEC_PER_SEC / 64000);

	world_open("rate 64kbit delay 30ms", "bulk a b 1");
	while (!world->conns || !world->conns->connected)
		ck_assert(lab_step(world, NSEC_PER_SEC));
	ck_assert_uint_eq(lab_now(world), round);
	ck_assert(lab_run_until(world, ENV_NEVER));
	world_close();
}
END_TEST

START_TEST(test_rate_bounds_goodput)
{
	uint64_t ns;

	world_open("rate 8mbit delay 1ms queue 1000p", "bulk a b 4MB");
	ck_assert(lab_run_until(world, ENV_NEVER));
	ns = world->run[0].last;
	world_close();
	ck_assert_uint_ge(ns, 4 * NSEC_PER_SEC);
	ck_assert_uint_le(ns, 5 * NSEC_PER_SEC);
}
END_TEST

/* --- queues --------------------------------------------------------------------------------------- */

START_TEST(test_droptail_drops_over_its_limit)
{
	struct lab_line_stats s;
	uint32_t most = 0;

	world_open("rate 10mbit delay 10ms queue 20p", "bulk a b 3MB");
	while (world->runs_left && lab_step(world, ENV_NEVER)) {
		if (world->line[0].queued > most)
			most = world->line[0].queued;
	}
	s = world->line[0].stats;
	world_close();
	ck_assert_uint_eq(most, 20);
	ck_assert_uint_gt(s.dropped[LAB_DROP_TAIL], 0);
	ck_assert_uint_eq(s.marked, 0);
}
END_TEST

/* The queue without it stands at its limit; with it the delay comes down to near the target. */
static uint64_t queue_mean(const char *words)
{
	uint64_t sum = 0, n = 0;

	world_open(words, "bulk a b 20MB");
	lab_run_until(world, 3 * NSEC_PER_SEC);
	while (lab_step(world, 12 * NSEC_PER_SEC)) {
		sum += world->line[0].queued;
		n++;
	}
	ck_assert_msg(!world->bad.set, "%s", world->bad.what);
	ck_assert(lab_run_until(world, ENV_NEVER));
	world_close();
	return sum / n;
}

START_TEST(test_codel_keeps_the_queue_short)
{
	uint64_t tail = queue_mean("rate 10mbit delay 10ms queue 300p");
	uint64_t codel = queue_mean("rate 10mbit delay 10ms queue 300p codel");

	ck_assert_msg(codel < 40 && codel < tail / 2, "%llu against %llu",
		      (unsigned long long)codel, (unsigned long long)tail);
}
END_TEST

START_TEST(test_codel_drops_at_its_head)
{
	struct lab_line_stats s = run("rate 10mbit delay 10ms queue 300p codel", "bulk a b 10MB");

	ck_assert_uint_gt(s.dropped[LAB_DROP_CODEL], 0);
}
END_TEST

/* A datagram whose sender knows ECN is marked and its header checksum stays right. */
START_TEST(test_ecn_marks_who_knows_it)
{
	uint8_t head[14 + 20] = {[12] = 8, [14] = 0x45, [15] = 2, [22] = 64, [23] = 6};
	struct lab_frame *f = calloc(1, sizeof(*f) + sizeof(head));
	uint16_t csum;

	csum = csum_finish(csum_add(0, head + 14, 20));
	memcpy(head + 24, &csum, 2);
	world_open("delay 1ms", "bulk a b 1");
	ck_assert_ptr_nonnull(f);
	f->len = sizeof(head);
	memcpy(f->bytes, head, sizeof(head));
	ck_assert(lab_frame_mark(&world->line[0], f));
	ck_assert_uint_eq(f->bytes[15], 3);
	ck_assert_uint_eq(csum_finish(csum_add(0, f->bytes + 14, 20)), 0);
	ck_assert_uint_eq(world->line[0].stats.marked, 1);
	ck_assert(lab_frame_mark(&world->line[0], f)); /* twice is once */
	ck_assert_uint_eq(world->line[0].stats.marked, 1);
	f->bytes[15] = 0;
	ck_assert(!lab_frame_mark(&world->line[0], f));
	ck_assert_uint_eq(f->bytes[15], 0);
	free(f);
	world_close();
}
END_TEST

/* Marks slow a sender down before the queue overflows; nothing is lost and nothing sent again. */
START_TEST(test_ecn_in_place_of_drops)
{
	const char *flow = "sysctl * net.ipv4.tcp_ecn=1\nbulk a b 5MB";
	const char *queue[] = {"rate 10mbit delay 20ms queue 200p ecn 20p",
			       "rate 10mbit delay 20ms queue 500p codel"};
	struct lab_line_stats s = run(queue[_i], flow);

	ck_assert_uint_gt(s.marked, 0);
	ck_assert_uint_eq(s.dropped[LAB_DROP_TAIL] + s.dropped[LAB_DROP_CODEL], 0);
	ck_assert_uint_lt(s.in, 3500); /* 5 MB in segments of 1448 are 3454 */
}
END_TEST

START_TEST(test_small_mtu_found_by_icmp)
{
	uint64_t told;

	ck_assert(lab_scene_parse(&scene, "small", lab_named_find("small")->text, why));
	scene.seed = 1;
	world = lab_world_open(&scene, why);
	ck_assert_ptr_nonnull(world);
	ck_assert(lab_run_until(world, ENV_NEVER));
	told = mib_read(world->node[2].stack, MIB_Ip_FragFails) +
	       mib_read(world->node[3].stack, MIB_Ip_FragFails);
	world_close();
	ck_assert_uint_gt(told, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("line");

	tcase_add_test(tc, test_clean_delivers_all);
	tcase_add_test(tc, test_loss_takes_its_share);
	tcase_add_test(tc, test_gilbert_loses_in_bursts);
	tcase_add_test(tc, test_dup_comes_twice);
	tcase_add_test(tc, test_corrupt_fails_a_checksum);
	tcase_add_test(tc, test_truncate_cuts);
	tcase_add_test(tc, test_reorder_is_overtaken);
	tcase_add_test(tc, test_jitter_keeps_order);
	tcase_add_test(tc, test_blackout_lets_nothing_through);
	tcase_add_test(tc, test_delay_and_rate_make_the_time);
	tcase_add_test(tc, test_rate_bounds_goodput);
	tcase_add_test(tc, test_droptail_drops_over_its_limit);
	tcase_add_test(tc, test_codel_keeps_the_queue_short);
	tcase_add_test(tc, test_codel_drops_at_its_head);
	tcase_add_test(tc, test_ecn_marks_who_knows_it);
	tcase_add_loop_test(tc, test_ecn_in_place_of_drops, 0, 2);
	tcase_add_test(tc, test_small_mtu_found_by_icmp);
	return unit_run("lab_line", tc);
}
