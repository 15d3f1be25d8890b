/*
 * tests/net/test_netem.c - what netem does to frames: settings, loss, duplicates, corruption, and that
 * it sees wire frames; when they come out is tests/net/test_netem_time.c's.
 */
#include <errno.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "tests/harness/netem_rig.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

static struct netem_rig t;

static void setup(void)
{
	rig_start(&t, netstack_create(1));
}

static void teardown(void)
{
	rig_end(&t);
}

/* --- settings --------------------------------------------------------------------------------- */

START_TEST(test_netem_percent_of_the_whole_range)
{
	ck_assert_uint_eq(netem_percent(0), 0);
	ck_assert_uint_eq(netem_percent(-1), 0);
	ck_assert_uint_eq(netem_percent(50), 0x80000000u);
	ck_assert_uint_eq(netem_percent(100), UINT32_MAX);
	ck_assert_uint_eq(netem_percent(250), UINT32_MAX);
	ck_assert_uint_eq(netem_percent(1e-6), 43);
}
END_TEST

START_TEST(test_netem_without_impairment_passes_at_once)
{
	rig_set(&t, (struct netem_config){0});
	rig_send(&t, 3, 100);
	for (uint32_t i = 0; i < 3; i++)
		rig_check(&t, i, 0);
	ck_assert_uint_eq(rig_stats(&t).passed, 3);
}
END_TEST

START_TEST(test_netem_get_tells_settings_and_seed)
{
	struct netem_config cfg = {.delay = 20 * MS}, got;
	struct netem_stats s;

	ck_assert(!netem_get(t.sink->dev, NETEM_OUT, &got, &s));
	ck_assert_int_eq(netem_set(t.sink->dev, NETEM_OUT, &cfg), 0);
	ck_assert(netem_get(t.sink->dev, NETEM_OUT, &got, &s));
	ck_assert_uint_eq(got.delay, 20 * MS);
	ck_assert_uint_ne(got.seed, 0);
	ck_assert(!netem_get(t.sink->dev, NETEM_IN, &got, &s));
}
END_TEST

START_TEST(test_netem_set_refuses_days)
{
	struct netem_config cfg = {.delay = 25 * 3600 * NSEC_PER_SEC};

	ck_assert_int_eq(netem_set(t.sink->dev, NETEM_OUT, &cfg), -EINVAL);
	cfg = (struct netem_config){.jitter = UINT64_MAX};
	ck_assert_int_eq(netem_set(t.sink->dev, NETEM_OUT, &cfg), -EINVAL);
}
END_TEST

START_TEST(test_netem_off_lets_go_in_order)
{
	rig_set(&t, (struct netem_config){.delay = 50 * MS});
	rig_send(&t, 5, 100);
	rig_advance(&t, 10 * MS);
	ck_assert_uint_eq(rig_stats(&t).queued, 5);
	ck_assert_int_eq(netem_off(t.sink->dev, NETEM_OUT), 0);
	rig_send(&t, 1, 100);
	for (uint32_t i = 0; i < 6; i++)
		rig_check(&t, i, 10 * MS);
	ck_assert_int_eq(netem_off(t.sink->dev, NETEM_OUT), -ENOENT);
	rig_advance(&t, NSEC_PER_SEC);
	ck_assert_uint_eq(rig_sent(&t), 0);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_pkbufs), 0);
}
END_TEST

/* The end of the stack finds nothing leaked. */
START_TEST(test_netem_ends_with_packets_waiting)
{
	rig_set(&t, (struct netem_config){.delay = 50 * MS});
	rig_send(&t, 100, 1000);
	ck_assert_uint_eq(rig_stats(&t).queued, 100);
}
END_TEST

/* --- loss, duplicates, corruption ------------------------------------------------------------- */

START_TEST(test_netem_loss_near_its_share)
{
	rig_set(&t, (struct netem_config){.loss = netem_percent(10)});
	rig_send(&t, 10000, 10);
	/* 1000 expected, standard deviation 30 */
	ck_assert_uint_gt(rig_stats(&t).lost, 850);
	ck_assert_uint_lt(rig_stats(&t).lost, 1150);
	ck_assert_uint_eq(rig_stats(&t).lost, pkbuf_drops(t.stack, DROP_NETEM_LOSS));
	ck_assert_uint_eq(rig_stats(&t).lost + rig_sent(&t), 10000);
}
END_TEST

START_TEST(test_netem_loss_of_all)
{
	rig_set(&t, (struct netem_config){.loss = netem_percent(100)});
	rig_send(&t, 1000, 10);
	ck_assert_uint_eq(rig_stats(&t).lost, 1000);
	ck_assert_uint_eq(rig_sent(&t), 0);
}
END_TEST

/* How often a frame is lost after one that was. */
static unsigned losses_in_a_row(uint32_t cor)
{
	unsigned n = 0;
	bool last = false;

	rig_set(&t, (struct netem_config){.loss = netem_percent(20), .loss_cor = cor});
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t before = rig_stats(&t).lost;
		bool lost;

		rig_send(&t, 1, 10);
		lost = rig_stats(&t).lost > before;
		n += lost && last;
		last = lost;
	}
	return n;
}

START_TEST(test_netem_loss_correlated_comes_in_bursts)
{
	unsigned alone = losses_in_a_row(0), bursts;

	pkq_free(&t.sink->sent);
	bursts = losses_in_a_row(netem_percent(50));
	/* apart: a fifth of the 1000 losses follows another; standard deviation 14 */
	ck_assert_uint_gt(alone, 130);
	ck_assert_uint_lt(alone, 270);
	/* tc's sum of draws makes losses rarer, but each calls for the next: twice the share of all */
	ck_assert_uint_gt(5000 * bursts, 2 * rig_stats(&t).lost * rig_stats(&t).lost);
}
END_TEST

START_TEST(test_netem_duplicate_of_all_comes_twice)
{
	rig_set(&t, (struct netem_config){.duplicate = netem_percent(100), .delay = MS});
	rig_send(&t, 3, 100);
	rig_advance(&t, MS);
	for (uint32_t i = 0; i < 3; i++) {
		rig_check(&t, i, MS);
		rig_check(&t, i, MS);
	}
	ck_assert_uint_eq(rig_stats(&t).duplicated, 3);
}
END_TEST

START_TEST(test_netem_duplicate_near_its_share)
{
	rig_set(&t, (struct netem_config){.duplicate = netem_percent(10)});
	rig_send(&t, 5000, 10);
	/* 500 expected, standard deviation 21 */
	ck_assert_uint_gt(rig_sent(&t), 5400);
	ck_assert_uint_lt(rig_sent(&t), 5600);
	ck_assert_uint_eq(rig_sent(&t), 5000 + rig_stats(&t).duplicated);
}
END_TEST

/* The one bit in which the frame differs, and nothing else; as an offset in bits. */
static uint32_t flipped_bit(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	uint32_t at = 0, n = 0;

	for (uint32_t i = 0; i < len; i++) {
		uint8_t d = a[i] ^ b[i];

		for (uint32_t k = 0; k < 8; k++) {
			if (d >> k & 1) {
				at = 8 * i + k;
				n++;
			}
		}
	}
	ck_assert_uint_eq(n, 1);
	return at;
}

START_TEST(test_netem_corrupt_flips_one_bit_from_l3_on)
{
	static uint8_t good[FRAME_MAX], got[FRAME_MAX];
	uint32_t len = frame_tcp4(good, 1000), headers = 0;
	struct pkbuf *b;

	frame_finish(good, len);
	rig_set(&t, (struct netem_config){.corrupt = netem_percent(100)});
	rig_send(&t, 500, 1000);
	ck_assert_uint_eq(rig_stats(&t).corrupted, 500);
	while ((b = pkq_take(&t.sink->sent))) {
		uint32_t bit;

		ck_assert_uint_eq(frame_bytes(b, got), len);
		bit = flipped_bit(good, got, len);
		ck_assert_uint_ge(bit, 8 * ETHER_HLEN);
		headers += bit < 8 * FRAME_HLEN4;
		ck_assert_int_eq(b->csum, CSUM_NONE);
		pkbuf_free(b);
	}
	/* 40 of 1040 bytes: 19 expected, standard deviation 4.3 */
	ck_assert_uint_gt(headers, 0);
	ck_assert_uint_lt(headers, 45);
}
END_TEST

/* The copy that waits to be sent again keeps its bytes, and the doubled frame too. */
START_TEST(test_netem_corrupt_spares_those_who_share)
{
	static uint8_t good[FRAME_MAX], got[FRAME_MAX];
	struct pkbuf *b = frame_send4(t.stack, 1000, 0), *kept = pkbuf_clone(b);
	uint32_t len = frame_bytes(b, good);

	rig_set(&t, (struct netem_config){.corrupt = netem_percent(100),
					  .duplicate = netem_percent(100)});
	sink_tx(t.sink, b);
	ck_assert_uint_eq(frame_bytes(kept, got), len);
	ck_assert_mem_eq(got, good, len);
	pkbuf_free(kept);
	frame_finish(good, len);
	ck_assert_uint_eq(rig_sent(&t), 2);
	while ((b = pkq_take(&t.sink->sent))) {
		frame_bytes(b, got);
		flipped_bit(good, got, len);
		pkbuf_free(b);
	}
}
END_TEST

/* A receiver that was told that the device had checked would not look. */
START_TEST(test_netem_corrupt_in_takes_the_voucher_away)
{
	struct netem_config cfg = {.corrupt = netem_percent(100), .seed = RIG_SEED};
	struct pkbuf *b = frame_send4(t.stack, 1000, 0);

	ck_assert_int_eq(netem_set(t.sink->dev, NETEM_IN, &cfg), 0);
	pkbuf_csum_finish(b);
	b->csum = CSUM_VERIFIED;
	sink_rx(t.sink, b);
	ck_assert_uint_eq(t.sink->arrived.count, 1);
	ck_assert_int_eq(t.sink->arrived.head->csum, CSUM_NONE);
}
END_TEST

static void send_fragment(uint16_t off)
{
	struct pkbuf *b = frame_send4(t.stack, 100, 0);
	struct ip4_hdr *ip = (struct ip4_hdr *)(b->hdr + b->l3);

	pkbuf_csum_finish(b);
	ip->off = be16_of(off);
	b->mark = t.mark++;
	sink_tx(t.sink, b);
}

START_TEST(test_netem_drop_last_frag_only)
{
	rig_set(&t, (struct netem_config){.drop_last_frag = true});
	send_fragment(IP4_MF);
	send_fragment(IP4_MF | 100);
	send_fragment(200);
	send_fragment(0);
	rig_check(&t, 0, 0);
	rig_check(&t, 1, 0);
	rig_check(&t, 3, 0);
	ck_assert_uint_eq(rig_sent(&t), 0);
	ck_assert_uint_eq(rig_stats(&t).lost, 1);
}
END_TEST

/* --- frames ----------------------------------------------------------------------------------- */

static void check_cut(struct pkq *q, uint32_t n, uint32_t total)
{
	static uint8_t f[FRAME_MAX];
	uint32_t off = 0;
	struct pkbuf *b;

	ck_assert_uint_eq(q->count, n);
	while ((b = pkq_take(q))) {
		uint32_t len = frame_bytes(b, f);

		ck_assert_int_ne(b->csum, CSUM_PARTIAL);
		ck_assert_uint_eq(b->gso_size, 0);
		ck_assert(frame_is_whole(f, len));
		ck_assert(frame_has_pattern(f + FRAME_HLEN4, len - FRAME_HLEN4, off));
		off += len - FRAME_HLEN4;
		pkbuf_free(b);
	}
	ck_assert_uint_eq(off, total);
}

START_TEST(test_netem_sees_wire_frames_both_ways)
{
	struct netem_config cfg = {.seed = RIG_SEED};

	rig_set(&t, cfg);
	ck_assert_int_eq(netem_set(t.sink->dev, NETEM_IN, &cfg), 0);
	sink_tx(t.sink, frame_send4(t.stack, 10000, 1448));
	check_cut(&t.sink->sent, 7, 10000);
	sink_rx(t.sink, frame_send4(t.stack, 10000, 1448));
	check_cut(&t.sink->arrived, 7, 10000);
	sink_rx(t.sink, frame_send4(t.stack, 1001, 0));
	check_cut(&t.sink->arrived, 1, 1001);
}
END_TEST

START_TEST(test_netem_loss_hits_segments_of_a_super_frame)
{
	rig_set(&t, (struct netem_config){.loss = netem_percent(50)});
	sink_tx(t.sink, frame_send4(t.stack, 44 * 1448, 1448));
	ck_assert_uint_gt(rig_sent(&t), 8);
	ck_assert_uint_lt(rig_sent(&t), 36);
	ck_assert_uint_eq(rig_sent(&t) + rig_stats(&t).lost, 44);
}
END_TEST

/* How often a lost frame follows a lost one, of `lost`. */
static unsigned lost_in_a_row(struct netem_rig *r, unsigned sent, unsigned *lost)
{
	unsigned row = 0, next = 0;
	uint64_t when;

	*lost = 0;
	while (next < sent) {
		unsigned came = rig_sent(r) ? rig_take(r, &when) : sent;

		*lost += came - next;
		row += came > next ? came - next - 1 : 0;
		next = came + 1;
	}
	return row;
}

START_TEST(test_netem_gemodel_loses_in_bursts)
{
	unsigned row, lost;

	/* 1 % into the bad state, 25 % out of it: a share of 3.8 %, in runs of four */
	rig_set(&t, (struct netem_config){.bad_enter = netem_percent(1),
					  .bad_leave = netem_percent(25),
					  .bad_loss = UINT32_MAX});
	rig_send(&t, 20000, 10);
	ck_assert_uint_gt(rig_stats(&t).lost, 500);
	ck_assert_uint_lt(rig_stats(&t).lost, 1100);
	row = lost_in_a_row(&t, 20000, &lost);
	ck_assert_uint_eq(lost, rig_stats(&t).lost);
	ck_assert_uint_gt(row, lost * 6 / 10);
	ck_assert_uint_lt(row, lost * 9 / 10);
}
END_TEST

START_TEST(test_netem_gemodel_loses_its_share_in_each_state)
{
	/* never bad after the first step back, half lost in the good state */
	rig_set(&t, (struct netem_config){
			.bad_enter = 1, .bad_leave = UINT32_MAX, .good_loss = netem_percent(50)});
	rig_send(&t, 10000, 10);
	ck_assert_uint_gt(rig_stats(&t).lost, 4800);
	ck_assert_uint_lt(rig_stats(&t).lost, 5200);
}
END_TEST

START_TEST(test_netem_blackout_loses_all_while_it_lasts)
{
	rig_set(&t, (struct netem_config){.blackout = 100 * MS, .blackout_every = 400 * MS});
	for (unsigned i = 0; i < 80; i++) {
		rig_send(&t, 1, 10);
		rig_advance(&t, 10 * MS);
	}
	ck_assert_uint_eq(rig_stats(&t).lost, 20);
	for (uint32_t i = 0; i < 80; i++) {
		if (i % 40 < 30)
			rig_check(&t, i, i * 10 * MS);
	}
}
END_TEST

START_TEST(test_netem_set_refuses_a_blackout_longer_than_its_turn)
{
	struct netem_config cfg = {.blackout = 2, .blackout_every = 1};

	ck_assert_int_eq(netem_set(t.sink->dev, NETEM_OUT, &cfg), -EINVAL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("netem");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_netem_percent_of_the_whole_range);
	tcase_add_test(tc, test_netem_without_impairment_passes_at_once);
	tcase_add_test(tc, test_netem_get_tells_settings_and_seed);
	tcase_add_test(tc, test_netem_set_refuses_days);
	tcase_add_test(tc, test_netem_off_lets_go_in_order);
	tcase_add_test(tc, test_netem_ends_with_packets_waiting);
	tcase_add_test(tc, test_netem_loss_near_its_share);
	tcase_add_test(tc, test_netem_loss_of_all);
	tcase_add_test(tc, test_netem_loss_correlated_comes_in_bursts);
	tcase_add_test(tc, test_netem_gemodel_loses_in_bursts);
	tcase_add_test(tc, test_netem_gemodel_loses_its_share_in_each_state);
	tcase_add_test(tc, test_netem_blackout_loses_all_while_it_lasts);
	tcase_add_test(tc, test_netem_set_refuses_a_blackout_longer_than_its_turn);
	tcase_add_test(tc, test_netem_duplicate_of_all_comes_twice);
	tcase_add_test(tc, test_netem_duplicate_near_its_share);
	tcase_add_test(tc, test_netem_corrupt_flips_one_bit_from_l3_on);
	tcase_add_test(tc, test_netem_corrupt_spares_those_who_share);
	tcase_add_test(tc, test_netem_corrupt_in_takes_the_voucher_away);
	tcase_add_test(tc, test_netem_drop_last_frag_only);
	tcase_add_test(tc, test_netem_sees_wire_frames_both_ways);
	tcase_add_test(tc, test_netem_loss_hits_segments_of_a_super_frame);
	return unit_run("netem", tc);
}
