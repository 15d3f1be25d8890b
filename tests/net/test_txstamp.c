/*
 * tests/net/test_txstamp.c - who wants to know when a packet goes: told before netem and before the driver, once
 * each, by the right part of what is cut; and ended with the packet.
 */
#include "net/txstamp.h"

#include "lib/mib.h"
#include "tests/harness/netem_rig.h"
#include "tests/harness/netstack.h"
#include "tests/harness/superframe.h"
#include "tests/harness/unit.h"

#define BOTH (TXSTAMP_SCHED | TXSTAMP_SENT)

static struct netem_rig r;

static struct note {
	struct txstamp t;
	uint64_t at[3]; /* ms since the start, by what */
	unsigned told[3], ended;
	uint32_t len; /* of the packet told of last */
	unsigned turn;
} note[2];

static unsigned turn;

static void tell(struct txstamp *t, const struct pkbuf *b, uint8_t what, uint64_t at)
{
	struct note *n = (struct note *)(void *)t;

	ck_assert_uint_eq(n->ended, 0);
	n->told[what]++;
	n->at[what] = (at - r.start) / MS;
	n->len = b->len;
	n->turn = ++turn;
}

static void end(struct txstamp *t)
{
	((struct note *)(void *)t)->ended++;
}

static const struct txstamp_ops ops = {tell, end};

static void setup(void)
{
	turn = 0;
	for (int i = 0; i < 2; i++)
		note[i] = (struct note){.t = {.ops = &ops}};
	rig_start(&r, netstack_create(1));
}

/* Whatever waits ends with its device. */
static void teardown(void)
{
	rig_end(&r);
	ck_assert_uint_eq(note[0].ended, 1);
}

static struct pkbuf *frame_with(unsigned i, uint8_t wants)
{
	struct pkbuf *b = frame_send4(r.stack, 100, 0);

	note[i].t.wants = wants;
	txstamp_add(b, &note[i].t);
	return b;
}

START_TEST(test_told_before_netem_and_before_the_driver)
{
	rig_set(&r, (struct netem_config){.delay = 10 * MS});
	sink_tx(r.sink, frame_with(0, BOTH));
	ck_assert_uint_eq(note[0].told[TXSTAMP_SCHED], 1);
	ck_assert_uint_eq(note[0].told[TXSTAMP_SENT], 0);
	rig_advance(&r, 20 * MS);
	ck_assert_uint_eq(rig_sent(&r), 1);
	ck_assert_uint_eq(note[0].told[TXSTAMP_SCHED], 1);
	ck_assert_uint_eq(note[0].told[TXSTAMP_SENT], 1);
	ck_assert_uint_eq(note[0].at[TXSTAMP_SCHED], 0);
	ck_assert_uint_eq(note[0].at[TXSTAMP_SENT], 10);
	ck_assert_uint_eq(note[0].ended, 1);
}
END_TEST

/* One that was copied on its way speaks once. */
START_TEST(test_only_what_is_wanted_and_once)
{
	static const uint8_t wants[] = {TXSTAMP_SCHED, TXSTAMP_SENT};

	rig_set(&r, (struct netem_config){.duplicate = netem_percent(100)});
	sink_tx(r.sink, frame_with(0, wants[_i]));
	rig_advance(&r, MS);
	ck_assert_uint_eq(rig_sent(&r), 2);
	ck_assert_uint_eq(note[0].told[wants[_i]], 1);
	ck_assert_uint_eq(note[0].told[BOTH - wants[_i]], 0);
	ck_assert_uint_eq(note[0].ended, 1);
}
END_TEST

START_TEST(test_several_in_order)
{
	struct pkbuf *b = frame_with(0, TXSTAMP_SENT);

	note[1].t.wants = TXSTAMP_SENT;
	txstamp_add(b, &note[1].t);
	sink_tx(r.sink, b);
	ck_assert_uint_eq(note[0].turn, 1);
	ck_assert_uint_eq(note[1].turn, 2);
	ck_assert_uint_eq(note[0].ended + note[1].ended, 2);
}
END_TEST

START_TEST(test_lost_packet_tells_nobody)
{
	rig_set(&r, (struct netem_config){.loss = netem_percent(100)});
	sink_tx(r.sink, frame_with(0, TXSTAMP_SENT));
	rig_advance(&r, MS);
	ck_assert_uint_eq(note[0].told[TXSTAMP_SENT], 0);
	ck_assert_uint_eq(note[0].ended, 1);
}
END_TEST

/* It waits in netem when its device ends. */
START_TEST(test_ends_with_what_waits)
{
	rig_set(&r, (struct netem_config){.delay = 10 * MS});
	sink_tx(r.sink, frame_with(0, TXSTAMP_SENT));
	ck_assert_uint_eq(note[0].ended, 0);
}
END_TEST

START_TEST(test_copies_have_none)
{
	struct pkbuf *b = frame_with(0, BOTH), *c = pkbuf_clone(b), *d = pkbuf_copy(r.stack, b);

	ck_assert_ptr_null(c->txstamp);
	ck_assert_ptr_null(d->txstamp);
	pkbuf_free(c);
	pkbuf_free(d);
	ck_assert_uint_eq(note[0].ended, 0);
	pkbuf_free(b);
	ck_assert_uint_eq(note[0].ended, 1);
}
END_TEST

/* When the last segment goes all have gone. */
START_TEST(test_last_segment_has_it)
{
	struct pkbuf *b = superframe(r.stack, GSO_TCP4, 2500, 1000);
	struct pkq q;

	note[0].t.wants = BOTH;
	txstamp_add(b, &note[0].t);
	pkq_init(&q);
	ck_assert_int_eq(gso_cut(b, 0, &q), 0);
	ck_assert_uint_eq(q.count, 3);
	for (unsigned i = 1; (b = pkq_take(&q)); i++) {
		ck_assert(!b->txstamp == (i < 3));
		pkbuf_free(b);
	}
	ck_assert_uint_eq(note[0].ended, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("txstamp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_told_before_netem_and_before_the_driver);
	tcase_add_loop_test(tc, test_only_what_is_wanted_and_once, 0, 2);
	tcase_add_test(tc, test_several_in_order);
	tcase_add_test(tc, test_lost_packet_tells_nobody);
	tcase_add_test(tc, test_ends_with_what_waits);
	tcase_add_test(tc, test_copies_have_none);
	tcase_add_test(tc, test_last_segment_has_it);
	return unit_run("txstamp", tc);
}
