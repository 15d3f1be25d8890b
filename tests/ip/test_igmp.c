/*
 * tests/ip/test_igmp.c - IGMP, the host's part (RFC 2236): reports asked and unasked, their times, their
 * suppression, leaves; queries of each version; what is malformed.
 */
#include <string.h>

#include "ip/mcast.h"
#include "lib/checksum.h"
#include "lib/wire/igmp.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

#define NEVER 100000u
#define TICK 2u /* ms: a timer is at most that late */

static struct ip_lab l;
static struct ip_addr group, other;
static uint8_t bytes[IP4_LEN_MAX];

static void setup(void)
{
	ip_lab_open(&l);
	group = ip_of("239.129.2.3");
	other = ip_of("239.1.1.1");
}

static void teardown(void)
{
	ip_lab_close(&l);
}

static void join(struct ip_addr g)
{
	struct batch batch;

	batch_begin(&batch, l.st);
	ck_assert_int_eq(mcast_join(l.eth->dev, &g), 0);
	batch_end(&batch);
}

static void leave(struct ip_addr g)
{
	struct batch batch;

	batch_begin(&batch, l.st);
	mcast_leave(l.eth->dev, &g);
	batch_end(&batch);
}

/* --- what was sent ----------------------------------------------------------------------------- */

/* The next frame is this message about g, in all that RFC 2236, 2 asks of it. */
static void expect_sent(uint8_t type, struct ip_addr g)
{
	uint32_t n = ip_lab_sent(&l, l.eth, bytes), to = ip_addr_to4(&g);
	const struct ip4_hdr *h = (const struct ip4_hdr *)(void *)bytes;
	const struct igmp_hdr *m = (const struct igmp_hdr *)(void *)(bytes + 24);

	ck_assert_uint_eq(n, 32);
	ck_assert(ip_packet_is_sound(bytes, n));
	ck_assert(h->proto == IP_PROTO_IGMP && h->ttl == 1);
	ck_assert_mem_eq(bytes + IP4_HLEN, "\x94\x04\x00\x00", 4);
	ck_assert_uint_eq(csum_finish(csum_add(0, m, IGMP_LEN)), 0);
	ck_assert_uint_eq(m->type, type);
	ck_assert_uint_eq(m->code, 0);
	ck_assert_mem_eq(m->group, g.b + 12, 4);
	if (type == IGMP2_LEAVE)
		to = 0xe0000002;
	ck_assert_uint_eq(be32_get(*(const be32 *)h->dst), to);
	ck_assert_uint_eq(l.to[0], 1);
	ck_assert_uint_eq(l.to[5], to & 0xff);
}

static void expect_quiet(void)
{
	ck_assert_uint_eq(ip_lab_sent(&l, l.eth, bytes), 0);
}

/* ms until the next frame is there, which stays; NEVER: none within a minute. */
static unsigned sent_after(void)
{
	for (unsigned ms = 0; ms < 60000; ms++) {
		if (l.eth->sent.count)
			return ms;
		ip_lab_advance_ms(&l, 1);
	}
	return NEVER;
}

/* Joined, and past what is said unasked. */
static void settled(struct ip_addr g)
{
	join(g);
	expect_sent(IGMP2_REPORT, g);
	ip_lab_advance_ms(&l, 10000 + TICK);
	expect_sent(IGMP2_REPORT, g);
	expect_quiet();
}

/* --- what comes -------------------------------------------------------------------------------- */

struct message {
	uint8_t type, code;
	const char *src; /* NULL: 10.0.0.2 */
	const char *group;
	unsigned len; /* 0: 8 */
	bool wrong_sum;
};

static void rx(const struct message *m)
{
	struct ip_addr g = ip_of(m->group ? m->group : "0.0.0.0");
	struct ip_packet p = {
	    .src = m->src ? m->src : "10.0.0.2", .proto = IP_PROTO_IGMP, .ttl = 1};
	uint8_t b[64] = {m->type, m->code};
	uint16_t sum;

	p.dst = m->group ? m->group : "224.0.0.1";
	p.n = m->len ? m->len : IGMP_LEN;
	p.data = b;
	memcpy(b + 4, g.b + 12, 4);
	if (p.n > IGMP_LEN)
		b[p.n - 1] = 0x55;
	sum = csum_finish(csum_add(0, b, p.n));
	memcpy(b + 2, &sum, 2);
	b[2] ^= m->wrong_sum;
	memcpy(l.to_rx, "\x01\x00\x5e\x00\x00\x01", 6);
	ip_lab_rx_ip(&l, l.eth, &p);
}

static void query(uint8_t code, const char *g)
{
	rx(&(struct message){.type = IGMP_QUERY, .code = code, .group = g});
}

static void report_of_another(uint8_t type)
{
	rx(&(struct message){.type = type, .group = "239.129.2.3"});
}

/* --- unasked ----------------------------------------------------------------------------------- */

/* RFC 2236, 3: at once, and again within 10 s. */
START_TEST(test_join_is_reported_twice)
{
	unsigned ms;

	join(group);
	expect_sent(IGMP2_REPORT, group);
	ms = sent_after();
	ck_assert(ms > 0 && ms <= 10000 + TICK);
	expect_sent(IGMP2_REPORT, group);
	ck_assert_uint_eq(sent_after(), NEVER);
	leave(group);
}
END_TEST

START_TEST(test_second_user_says_nothing)
{
	settled(group);
	join(group);
	expect_quiet();
	leave(group);
	expect_quiet();
	ck_assert(mcast_is_member(l.eth->dev, &group));
	leave(group);
	expect_sent(IGMP2_LEAVE, group);
	ck_assert(!mcast_is_member(l.eth->dev, &group));
}
END_TEST

/* RFC 2236, 6: the all-systems group is never reported, nor is it left. */
START_TEST(test_all_hosts_is_never_reported)
{
	struct ip_addr all = ip_of("224.0.0.1");

	join(all);
	query(10, NULL);
	query(10, "224.0.0.1");
	ck_assert_uint_eq(sent_after(), NEVER);
	leave(all);
	expect_quiet();
	ck_assert(mcast_is_member(l.eth->dev, &all));
}
END_TEST

START_TEST(test_loop_is_told_nothing)
{
	struct batch batch;

	batch_begin(&batch, l.st);
	ck_assert_int_eq(mcast_join(l.lo, &group), 0);
	batch_end(&batch);
	ip_lab_advance_ms(&l, 20000);
	batch_begin(&batch, l.st);
	mcast_leave(l.lo, &group);
	batch_end(&batch);
	expect_quiet();
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_OutRequests), 0);
}
END_TEST

START_TEST(test_device_up_again_is_reported)
{
	settled(group);
	netdev_down(l.eth->dev);
	netdev_up(l.eth->dev);
	ip_lab_advance_ms(&l, TICK);
	expect_sent(IGMP2_REPORT, group);
	leave(group);
	expect_sent(IGMP2_LEAVE, group);
}
END_TEST

/* --- asked ------------------------------------------------------------------------------------- */

/* RFC 2236, 3: each group after a time of its own in (0, max]. */
START_TEST(test_general_query_is_answered_for_each)
{
	unsigned a, b;

	settled(group);
	settled(other);
	query(50, NULL);
	expect_quiet();
	a = sent_after();
	ck_assert_uint_eq(ip_lab_sent(&l, l.eth, bytes), 32);
	b = sent_after();
	ck_assert_uint_eq(ip_lab_sent(&l, l.eth, bytes), 32);
	ck_assert(a <= 5000 + TICK && a + b <= 5000 + TICK);
	ck_assert_uint_ne(b, 0); /* by this seed */
	ck_assert_uint_eq(sent_after(), NEVER);
	leave(group);
	leave(other);
}
END_TEST

START_TEST(test_group_query_is_for_that_group)
{
	settled(group);
	settled(other);
	query(10, "239.129.2.3");
	ck_assert_uint_le(sent_after(), 1000 + TICK);
	expect_sent(IGMP2_REPORT, group);
	ck_assert_uint_eq(sent_after(), NEVER);
	query(10, "239.9.9.9");
	ck_assert_uint_eq(sent_after(), NEVER);
	leave(group);
	leave(other);
}
END_TEST

/* RFC 4541, 2.1.1: a switch that snoops asks from 0.0.0.0, for it has no address. */
START_TEST(test_query_from_nobody_is_answered)
{
	settled(group);
	rx(&(struct message){.type = IGMP_QUERY, .code = 10, .src = "0.0.0.0"});
	ck_assert_uint_le(sent_after(), 1000 + TICK);
	expect_sent(IGMP2_REPORT, group);
	rx(&(struct message){
	    .type = IGMP_QUERY, .code = 10, .src = "0.0.0.0", .group = "239.129.2.3"});
	ck_assert_uint_le(sent_after(), 1000 + TICK);
	expect_sent(IGMP2_REPORT, group);
	leave(group);
	expect_sent(IGMP2_LEAVE, group);
}
END_TEST

/* RFC 2236, 3: a running timer is set anew only when the time asked for is shorter than what is left. */
START_TEST(test_shorter_query_wins_longer_does_not)
{
	for (unsigned i = 0; i < 20; i++) {
		unsigned ms;

		if (i == 0)
			settled(group);
		query(250, NULL);
		query(1, NULL);
		query(250, NULL);
		ms = sent_after();
		ck_assert_uint_le(ms, 100 + TICK);
		expect_sent(IGMP2_REPORT, group);
		ck_assert_uint_eq(sent_after(), NEVER);
	}
	leave(group);
}
END_TEST

/* RFC 2236, 3: another member's report is enough, of either version. */
START_TEST(test_report_of_another_suppresses)
{
	settled(group);
	query(100, NULL);
	report_of_another(_i ? IGMP2_REPORT : IGMP1_REPORT);
	ck_assert_uint_eq(sent_after(), NEVER);
	leave(group); /* the other was the last to report: it would say so */
	expect_quiet();
}
END_TEST

/* RFC 2236, 6: in a group, but no report due, the reports of others are ignored. */
START_TEST(test_report_when_idle_is_ignored)
{
	settled(group);
	report_of_another(IGMP2_REPORT);
	leave(group);
	expect_sent(IGMP2_LEAVE, group);
}
END_TEST

START_TEST(test_left_before_its_report)
{
	settled(group);
	query(100, NULL);
	leave(group);
	expect_sent(IGMP2_LEAVE, group);
	ck_assert_uint_eq(sent_after(), NEVER);
	join(group);
	expect_sent(IGMP2_REPORT, group);
	leave(group); /* its second report is still to go */
	expect_sent(IGMP2_LEAVE, group);
	ck_assert_uint_eq(sent_after(), NEVER);
}
END_TEST

/* --- other versions ---------------------------------------------------------------------------- */

/* RFC 2236, 4: 0 means 10 s; then reports of version 1 and no leave, for 400 s. */
START_TEST(test_version_1_router)
{
	settled(group);
	query(0, NULL);
	ck_assert_uint_le(sent_after(), 10000 + TICK);
	expect_sent(IGMP1_REPORT, group);
	leave(group);
	expect_quiet();
	join(group);
	expect_sent(IGMP1_REPORT, group);
	ip_lab_advance_ms(&l, 10000 + TICK);
	expect_sent(IGMP1_REPORT, group);
	query(10, NULL); /* not by what was heard last */
	ip_lab_advance_ms(&l, 1000 + TICK);
	expect_sent(IGMP1_REPORT, group);
	ip_lab_advance_ms(&l, 400000);
	query(10, NULL);
	ip_lab_advance_ms(&l, 1000 + TICK);
	expect_sent(IGMP2_REPORT, group);
	leave(group);
	expect_sent(IGMP2_LEAVE, group);
}
END_TEST

/* One that was heard before there was a group is remembered. */
START_TEST(test_version_1_router_before_the_join)
{
	query(0, NULL);
	join(group);
	expect_sent(IGMP1_REPORT, group);
	leave(group);
	expect_quiet();
}
END_TEST

/* Version 3 is known by its length; even with a code of 0 it is no router of version 1. */
START_TEST(test_version_3_query_is_answered_as_2)
{
	static const uint8_t code[] = {20, 0, 255};
	static const unsigned most[] = {2000, 100, 25500};
	struct message m = {.type = IGMP_QUERY, .code = code[_i], .len = 12};

	settled(group);
	rx(&m);
	ck_assert_uint_le(sent_after(), most[_i] + TICK);
	expect_sent(IGMP2_REPORT, group);
	leave(group);
	expect_sent(IGMP2_LEAVE, group);
}
END_TEST

/* --- malformed --------------------------------------------------------------------------------- */

static const struct {
	struct message m;
	enum drop_reason why;
} bad[] = {
    {{.type = IGMP_QUERY, .code = 10, .len = 7}, DROP_IGMP_SHORT},
    {{.type = IGMP_QUERY, .code = 10, .len = 11}, DROP_IGMP_SHORT},
    {{.type = IGMP_QUERY, .code = 10, .wrong_sum = true}, DROP_IGMP_CSUM},
    {{.type = IGMP_QUERY, .code = 10, .len = 12, .wrong_sum = true}, DROP_IGMP_CSUM},
    {{.type = 0x22, .len = 16}, DROP_IGMP_TYPE},
    {{.type = IGMP2_LEAVE}, DROP_IGMP_TYPE},
};

START_TEST(test_bad_is_dropped)
{
	settled(group);
	rx(&bad[_i].m);
	ck_assert_uint_eq(pkbuf_drops(l.st, bad[_i].why), 1);
	ck_assert_uint_eq(sent_after(), NEVER);
	leave(group);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("igmp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_join_is_reported_twice);
	tcase_add_test(tc, test_second_user_says_nothing);
	tcase_add_test(tc, test_all_hosts_is_never_reported);
	tcase_add_test(tc, test_loop_is_told_nothing);
	tcase_add_test(tc, test_device_up_again_is_reported);
	tcase_add_test(tc, test_general_query_is_answered_for_each);
	tcase_add_test(tc, test_group_query_is_for_that_group);
	tcase_add_test(tc, test_query_from_nobody_is_answered);
	tcase_add_test(tc, test_shorter_query_wins_longer_does_not);
	tcase_add_loop_test(tc, test_report_of_another_suppresses, 0, 2);
	tcase_add_test(tc, test_report_when_idle_is_ignored);
	tcase_add_test(tc, test_left_before_its_report);
	tcase_add_test(tc, test_version_1_router);
	tcase_add_test(tc, test_version_1_router_before_the_join);
	tcase_add_loop_test(tc, test_version_3_query_is_answered_as_2, 0, 3);
	tcase_add_loop_test(tc, test_bad_is_dropped, 0, sizeof(bad) / sizeof(bad[0]));
	return unit_run("igmp", tc);
}
