/*
 * tests/ip/test_ip_reass.c - reassembly: any order, duplicates, overlaps, time, bounds; and every
 * gauge back at 0.
 */
#include <string.h>

#include "ip/reass.h"
#include "lib/random.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static uint8_t bytes[IP4_LEN_MAX];

static void setup(void)
{
	ip_lab_open(&l);
}

static void teardown(void)
{
	ip_lab_close(&l);
}

static struct ip_packet part(uint16_t id, uint32_t start, uint32_t end, bool last)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .id = id, .n = end - start};

	p.off = (uint16_t)(start / 8 | (last ? 0 : IP4_MF));
	return p;
}

static void rx(uint16_t id, uint32_t start, uint32_t end, bool last)
{
	struct ip_packet p = part(id, start, end, last);

	ip_lab_rx_ip(&l, l.eth, &p);
}

static void assert_whole(uint32_t n)
{
	struct pkbuf *b = pkq_take(&l.arrived);

	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, n);
	pkbuf_read(b, 0, bytes, n);
	ck_assert(pattern_is(bytes, n, 0));
	pkbuf_free(b);
}

static void assert_none_held(void)
{
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm), 0);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm_bytes), 0);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_timers), 0);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_pkbufs), 0);
}

START_TEST(test_in_order)
{
	rx(1, 0, 800, false);
	rx(1, 800, 1600, false);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm), 1);
	ck_assert_uint_eq(l.arrived.count, 0);
	rx(1, 1600, 1601, true);
	assert_whole(1601);
	assert_none_held();
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmOKs), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_InDelivers), 1);
}
END_TEST

START_TEST(test_any_order_with_duplicates)
{
	unsigned order[64], n = 20;
	struct random rnd;

	random_seed(&rnd, (uint64_t)_i);
	for (unsigned i = 0; i < n; i++)
		order[i] = i;
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned k = (unsigned)random_below(&rnd, i + 1), t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned a = order[i], again = order[random_below(&rnd, i + 1)];

		rx(7, a * 160, a * 160 + (a == n - 1 ? 77 : 160), a == n - 1);
		if (i < n - 1)
			rx(7, again * 160, again * 160 + (again == n - 1 ? 77 : 160),
			   again == n - 1);
	}
	assert_whole(19 * 160 + 77);
	assert_none_held();
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_DUPLICATE), n - 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmFails), 0);
}
END_TEST

START_TEST(test_datagrams_do_not_mix)
{
	struct ip_packet p = part(1, 80, 160, true);

	rx(1, 0, 80, false);
	p.id = 2;
	ip_lab_rx_ip(&l, l.eth, &p);
	p = part(1, 80, 160, true);
	p.src = "10.0.0.3";
	ip_lab_rx_ip(&l, l.eth, &p);
	p = part(1, 80, 160, true);
	p.dst = "10.0.0.255";
	memset(l.to_rx, 0xff, 6);
	ip_lab_rx_ip(&l, l.eth, &p);
	memset(l.to_rx, 0, 6);
	p = part(1, 80, 160, true);
	p.proto = 254;
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 0);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm), 5);
	rx(1, 80, 160, true);
	assert_whole(160);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm), 4);
}
END_TEST

/* --- overlaps --------------------------------------------------------------------------------- */

START_TEST(test_overlap_refuses_the_datagram)
{
	static const struct {
		uint32_t start, end;
		bool last;
	} clash[] = {
	    {0, 160, false},   /* more than a fragment held */
	    {152, 240, false}, /* reaches into one from before */
	    {72, 88, false},   /* reaches into one from behind */
	    {88, 104, false},  /* lies inside one */
	    {240, 320, false}, /* MF, and ends where the last does */
	    {240, 328, true},  /* another end */
	    {320, 400, false}, /* past the end */
	    {160, 240, true},  /* an end before what is held */
	    {80, 120, false},  /* begins as one, but ends before it */
	};

	rx(1, 80, 160, false);
	rx(1, 240, 320, true);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm), 1);
	rx(1, clash[_i].start, clash[_i].end, clash[_i].last);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_OVERLAP), 3);
	ck_assert_uint_eq(mib_read(l.st, MIB_IpExt_ReasmOverlaps), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmFails), 1);
	rx(1, 0, 80, false); /* what comes still goes too, RFC 5722, 4 */
	rx(1, 80, 160, false);
	rx(1, 160, 240, false);
	rx(1, 240, 320, true);
	ck_assert_uint_eq(l.arrived.count, 0);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_OVERLAP), 7);
	ip_lab_advance_ms(&l, 30001);
	assert_none_held();
	ip_lab_quiet(&l, l.eth); /* nothing to quote, nothing to say */
	rx(1, 0, 80, false);
	rx(1, 80, 160, true);
	assert_whole(160);
}
END_TEST

START_TEST(test_overlap_within_the_last_unit)
{
	rx(1, 80, 81, true); /* takes part of a unit */
	rx(1, 80, 88, false);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_OVERLAP), 2);
}
END_TEST

/* --- fragments that cannot be ----------------------------------------------------------------- */

static void assert_refused(enum drop_reason why)
{
	ck_assert_uint_eq(pkbuf_drops(l.st, why), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmFails), 1);
	assert_none_held();
}

START_TEST(test_length_not_of_8_dropped)
{
	rx(1, 0, 81, false);
	assert_refused(DROP_FRAG_LENGTH);
}
END_TEST

START_TEST(test_empty_fragment_dropped)
{
	rx(1, 80, 80, true);
	assert_refused(DROP_FRAG_LENGTH);
}
END_TEST

START_TEST(test_end_past_65535_dropped)
{
	rx(1, 65512, 65516, true);
	assert_refused(DROP_FRAG_TOO_FAR);
}
END_TEST

START_TEST(test_largest_whole)
{
	for (uint32_t at = 0; at < 64000; at += 1280)
		rx(1, at, at + 1280, false);
	rx(1, 64000, 65515, true);
	assert_whole(65515);
}
END_TEST

START_TEST(test_whole_past_65535_with_options_dropped)
{
	static const uint8_t opt[4] = {IP4_OPT_NOP, IP4_OPT_NOP, IP4_OPT_NOP, IP4_OPT_NOP};
	struct ip_packet p = part(1, 0, 1280, false);

	p.opt = opt;
	p.optlen = 4;
	ip_lab_rx_ip(&l, l.eth, &p);
	for (uint32_t at = 1280; at < 64000; at += 1280)
		rx(1, at, at + 1280, false);
	rx(1, 64000, 65515, true);
	ck_assert_uint_eq(l.arrived.count, 0);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_TOO_FAR), 51);
	assert_none_held();
}
END_TEST

START_TEST(test_tcp_header_in_parts_dropped)
{
	struct ip_packet p = part(1, 0, 16, false);

	p.proto = IP_PROTO_TCP;
	ip_lab_rx_ip(&l, l.eth, &p);
	assert_refused(DROP_FRAG_PREFIX);
	p = part(1, 8, 80, true);
	p.proto = IP_PROTO_TCP;
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_PREFIX), 2);
	p.proto = IP_LAB_PROTO; /* others know their own business */
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm), 1);
}
END_TEST

/* --- what the whole carries ------------------------------------------------------------------- */

START_TEST(test_header_is_the_firsts)
{
	static const uint8_t opt[8] = {0x9e, 6, 1, 2, 3, 4};
	struct ip_packet p = part(1, 80, 100, true);
	struct pkbuf *b;

	p.tos = 0x20;
	p.ttl = 3;
	ip_lab_rx_ip(&l, l.eth, &p);
	p = part(1, 0, 80, false);
	p.tos = 0x10;
	p.ttl = 9;
	p.opt = opt;
	p.optlen = 8;
	ip_lab_rx_ip(&l, l.eth, &p);
	b = pkq_take(&l.arrived);
	ck_assert_uint_eq(b->ttl, 9);
	ck_assert_uint_eq(b->tos, 0x10);
	ck_assert_uint_eq(b->l4 - b->l3, 28);
	ck_assert_ptr_eq(b->dev, l.eth->dev);
	ck_assert_uint_eq(b->csum, CSUM_NONE);
	memcpy(bytes, b->hdr + b->l3, 28);
	ck_assert_uint_eq(be16_get(((struct ip4_hdr *)bytes)->len), 128);
	ck_assert_uint_eq(be16_get(((struct ip4_hdr *)bytes)->off), 0);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_congestion_of_any_is_the_wholes)
{
	static const struct {
		uint8_t first, second;
		int whole; /* -1: dropped */
	} cases[] = {{2, 2, 2}, {2, 3, 3}, {3, 1, 3}, {0, 0, 0}, {0, 3, -1}, {3, 3, 3}};
	struct ip_packet p = part(1, 0, 80, false);
	struct pkbuf *b;

	p.tos = cases[_i].first;
	ip_lab_rx_ip(&l, l.eth, &p);
	p = part(1, 80, 100, true);
	p.tos = cases[_i].second;
	ip_lab_rx_ip(&l, l.eth, &p);
	b = pkq_take(&l.arrived);
	ck_assert_int_eq(b ? b->tos : -1, cases[_i].whole);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_ECN), b ? 0 : 2);
	if (b)
		pkbuf_free(b);
	assert_none_held();
}
END_TEST

/* --- time ------------------------------------------------------------------------------------- */

START_TEST(test_timeout_with_first_is_told)
{
	rx(1, 0, 80, false);
	rx(1, 160, 240, true);
	ip_lab_advance_ms(&l, 29999);
	ip_lab_quiet(&l, l.eth);
	ip_lab_advance_ms(&l, 2);
	ip_lab_sent_icmp(&l, l.eth, ICMP_TIME_EXCEEDED, ICMP_EXC_REASM);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_TIMEOUT), 2);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmTimeout), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmFails), 1);
	assert_none_held();
}
END_TEST

START_TEST(test_timeout_without_first_is_silent)
{
	rx(1, 160, 240, true);
	sysctl_write(l.st, "net.ipv4.ipfrag_time", 2);
	rx(2, 160, 240, true);
	ip_lab_advance_ms(&l, 2001);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm), 1);
	ip_lab_advance_ms(&l, 28000);
	ip_lab_quiet(&l, l.eth);
	assert_none_held();
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmTimeout), 2);
}
END_TEST

START_TEST(test_late_fragment_does_not_prolong)
{
	rx(1, 0, 80, false);
	ip_lab_advance_ms(&l, 29000);
	rx(1, 80, 160, false);
	ip_lab_advance_ms(&l, 1001);
	ip_lab_sent_icmp(&l, l.eth, ICMP_TIME_EXCEEDED, ICMP_EXC_REASM);
	assert_none_held();
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_TIMEOUT), 2);
}
END_TEST

/* --- bounds ----------------------------------------------------------------------------------- */

START_TEST(test_bound_oldest_goes_first)
{
	uint16_t n = 0;

	sysctl_write(l.st, "net.ipv4.ipfrag_high_thresh", 65536);
	while (pkbuf_drops(l.st, DROP_FRAG_LIMIT) == 0) {
		rx(++n, 80, 160, true);
		ck_assert_int_le(gauge_read(l.st, GAUGE_reasm_bytes), 65536);
	}
	ck_assert_uint_gt(n, 10);
	rx(2, 0, 80, false);
	rx(n, 0, 80, false);
	ck_assert_uint_ge(l.arrived.count, 1);
	pkbuf_free(pkq_take(&l.arrived));
	ck_assert_uint_ge(mib_read(l.st, MIB_Ip_ReasmFails), 1);
	rx(1, 0, 80, false); /* its other half is gone */
	ck_assert_uint_le(l.arrived.count, 1);
	pkq_free(&l.arrived);
}
END_TEST

START_TEST(test_bound_smaller_than_one_datagram)
{
	sysctl_write(l.st, "net.ipv4.ipfrag_high_thresh", 65536);
	for (uint32_t at = 0; at < 64000; at += 640) {
		rx(1, at, at + 640, false);
		ck_assert_int_le(gauge_read(l.st, GAUGE_reasm_bytes), 65536);
	}
	ck_assert_uint_eq(l.arrived.count, 0);
	ck_assert_uint_gt(pkbuf_drops(l.st, DROP_FRAG_LIMIT), 0);
}
END_TEST

START_TEST(test_pressure_reclaims)
{
	struct pkq hoard;
	struct batch batch;
	struct pkbuf *b;

	for (uint16_t id = 1; id <= 20; id++)
		rx(id, 80, 160, true);
	pkq_init(&hoard);
	sysctl_write(l.st, "net.weft.mem_limit", 1048576);
	batch_begin(&batch, l.st);
	while (!depot_pressure(l.st) && (b = pkbuf_alloc(l.st, 0)))
		pkq_add(&hoard, b);
	b = pkbuf_alloc(l.st, 0);
	batch_end(&batch);
	ck_assert_int_lt(gauge_read(l.st, GAUGE_reasm), 20);
	if (b)
		pkbuf_free(b);
	pkq_free(&hoard);
}
END_TEST

START_TEST(test_source_that_goes_round_begins_anew)
{
	rx(1, 0, 80, false);
	for (uint16_t id = 2; id < 70; id++)
		rx(id, 0, 80, false);
	rx(1, 80, 160, true); /* more than 64 of others lie between: not of that datagram */
	ck_assert_uint_eq(l.arrived.count, 0);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_TIMEOUT), 1);
	rx(1, 0, 80, false);
	assert_whole(160);
	sysctl_write(l.st, "net.ipv4.ipfrag_max_dist", 0);
	rx(2, 80, 160, true);
	assert_whole(160);
}
END_TEST

/* So is one that an overlap refused: it is another datagram's by then. */
START_TEST(test_source_that_goes_round_is_refused_no_more)
{
	sysctl_write(l.st, "net.ipv4.ipfrag_max_dist", 4);
	rx(1, 80, 160, true);
	rx(1, 88, 160, true);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_OVERLAP), 2);
	rx(1, 0, 80, false);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_FRAG_OVERLAP), 3);
	for (uint16_t id = 2; id < 7; id++)
		rx(id, 0, 80, false);
	rx(1, 0, 80, false);
	rx(1, 80, 160, true);
	assert_whole(160);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmFails), 1);
}
END_TEST

/* --- against a model -------------------------------------------------------------------------- */

START_TEST(test_random_fragments_whole_or_refused)
{
	struct random rnd;
	unsigned whole = 0;

	random_seed(&rnd, (uint64_t)_i + 100);
	sysctl_write(l.st, "net.ipv4.ipfrag_max_dist", 0);
	for (uint16_t id = 1; id < 300; id++) {
		uint32_t n = 200 + (uint32_t)random_below(&rnd, 300);

		for (unsigned k = 0; k < 30; k++) {
			uint32_t start = (uint32_t)random_below(&rnd, n / 40 + 1) * 40;
			uint32_t end = start + 40 * (1 + (uint32_t)(random_below(&rnd, 40) == 0));

			if (start == n)
				continue;
			rx(id, start, end < n ? end : n, end >= n);
		}
		while (l.arrived.count) { /* what comes out is right, and comes once */
			assert_whole(n);
			whole++;
		}
	}
	ck_assert_uint_gt(whole, 30);
	ck_assert_uint_gt(pkbuf_drops(l.st, DROP_FRAG_OVERLAP), 100);
	ip_lab_advance_ms(&l, 31000);
	pkq_free(&l.eth->sent);
	assert_none_held();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ip_reass");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_in_order);
	tcase_add_loop_test(tc, test_any_order_with_duplicates, 0, 10);
	tcase_add_test(tc, test_datagrams_do_not_mix);
	tcase_add_loop_test(tc, test_overlap_refuses_the_datagram, 0, 9);
	tcase_add_test(tc, test_overlap_within_the_last_unit);
	tcase_add_test(tc, test_length_not_of_8_dropped);
	tcase_add_test(tc, test_empty_fragment_dropped);
	tcase_add_test(tc, test_end_past_65535_dropped);
	tcase_add_test(tc, test_largest_whole);
	tcase_add_test(tc, test_whole_past_65535_with_options_dropped);
	tcase_add_test(tc, test_tcp_header_in_parts_dropped);
	tcase_add_test(tc, test_header_is_the_firsts);
	tcase_add_loop_test(tc, test_congestion_of_any_is_the_wholes, 0, 6);
	tcase_add_test(tc, test_timeout_with_first_is_told);
	tcase_add_test(tc, test_timeout_without_first_is_silent);
	tcase_add_test(tc, test_late_fragment_does_not_prolong);
	tcase_add_test(tc, test_bound_oldest_goes_first);
	tcase_add_test(tc, test_bound_smaller_than_one_datagram);
	tcase_add_test(tc, test_pressure_reclaims);
	tcase_add_test(tc, test_source_that_goes_round_begins_anew);
	tcase_add_test(tc, test_source_that_goes_round_is_refused_no_more);
	tcase_add_loop_test(tc, test_random_fragments_whole_or_refused, 0, 3);
	return unit_run("ip_reass", tc);
}
