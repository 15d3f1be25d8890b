/*
 * tests/net/test_capture.c - what captures see: each packet as a wire would carry it, while the packet
 * itself goes on untouched.
 */
#include "net/capture.h"

#include <string.h>

#include "lib/mib.h"
#include "lib/stack.h"
#include "tests/harness/frame.h"
#include "tests/harness/netstack.h"
#include "tests/harness/sink.h"
#include "tests/harness/unit.h"

#define MSS 1448

struct seen {
	struct capture capture;
	const struct netdev *dev;
	unsigned in, out, whole; /* whole: with every checksum right */
	uint32_t bytes, longest;
	const struct pkbuf *last;
};

static struct {
	struct stack *stack;
	struct sink *sink;
	struct seen a, b;
} t;

static void seen_fn(struct capture *c, struct netdev *dev, const struct pkbuf *b, bool out)
{
	static uint8_t f[FRAME_MAX];
	struct seen *s = c->arg;

	s->dev = dev;
	s->in += !out;
	s->out += out;
	s->whole += frame_is_whole(f, frame_bytes(b, f));
	s->bytes += b->len;
	s->longest = b->len > s->longest ? b->len : s->longest;
	s->last = b;
}

static void seen_add(struct seen *s, bool cut)
{
	s->capture = (struct capture){.cut = cut, .fn = seen_fn, .arg = s};
	capture_add(t.sink->dev, &s->capture);
}

static void setup(void)
{
	t.stack = netstack_create(1);
	t.sink = sink_create(t.stack, "sink0", NETDEV_F_ALL);
	memset(&t.a, 0, sizeof(t.a));
	memset(&t.b, 0, sizeof(t.b));
}

static void teardown(void)
{
	netstack_destroy(t.stack);
}

static struct pkbuf *complete(uint32_t n)
{
	struct pkbuf *b = frame_send4(t.stack, n, 0);

	pkbuf_csum_finish(b);
	return b;
}

START_TEST(test_capture_sees_both_directions)
{
	seen_add(&t.a, false);
	sink_rx(t.sink, complete(100));
	sink_tx(t.sink, complete(100));
	sink_tx(t.sink, complete(200));
	ck_assert_uint_eq(t.a.in, 1);
	ck_assert_uint_eq(t.a.out, 2);
	ck_assert_uint_eq(t.a.bytes, 3 * FRAME_HLEN4 + 400);
	ck_assert_ptr_eq(t.a.dev, t.sink->dev);
}
END_TEST

/* A complete packet is shown as it is: no copy is made. */
START_TEST(test_capture_complete_packet_is_not_copied)
{
	struct pkbuf *b = complete(100);

	seen_add(&t.a, false);
	sink_tx(t.sink, b);
	ck_assert_ptr_eq(t.a.last, b);
	ck_assert_ptr_eq(t.sink->sent.head, b);
}
END_TEST

START_TEST(test_capture_owed_checksum_finished_in_the_copy_only)
{
	static uint8_t before[FRAME_MAX], after[FRAME_MAX];
	struct pkbuf *b = frame_send4(t.stack, 1001, 0);
	uint32_t len = frame_bytes(b, before);

	seen_add(&t.a, false);
	sink_tx(t.sink, b);
	ck_assert_uint_eq(t.a.whole, 1);
	ck_assert_uint_eq(frame_bytes(b, after), len);
	ck_assert_mem_eq(before, after, len);
	ck_assert_int_eq(b->csum, CSUM_PARTIAL);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_pkbufs), 1);
}
END_TEST

START_TEST(test_capture_super_frame_whole_and_cut)
{
	seen_add(&t.a, false);
	seen_add(&t.b, true);
	sink_tx(t.sink, frame_send4(t.stack, 4000, MSS));
	ck_assert_uint_eq(t.a.out, 1);
	ck_assert_uint_eq(t.a.bytes, FRAME_HLEN4 + 4000);
	ck_assert_uint_eq(t.a.whole, 1);
	ck_assert_uint_eq(t.b.out, 3);
	ck_assert_uint_eq(t.b.bytes, 3 * FRAME_HLEN4 + 4000);
	ck_assert_uint_eq(t.b.longest, FRAME_HLEN4 + MSS);
	ck_assert_uint_eq(t.b.whole, 3);
	ck_assert_uint_eq(t.sink->sent.count, 1);
	ck_assert_uint_eq(t.sink->sent.head->gso_size, MSS);
	ck_assert_int_eq(gauge_read(t.stack, GAUGE_pkbufs), 1);
}
END_TEST

START_TEST(test_capture_cut_shows_small_packets_whole)
{
	seen_add(&t.b, true);
	sink_rx(t.sink, complete(100));
	sink_tx(t.sink, frame_send4(t.stack, 100, 0));
	ck_assert_uint_eq(t.b.in, 1);
	ck_assert_uint_eq(t.b.out, 1);
	ck_assert_uint_eq(t.b.whole, 2);
}
END_TEST

START_TEST(test_capture_del_shows_no_more)
{
	seen_add(&t.a, false);
	seen_add(&t.b, false);
	sink_rx(t.sink, complete(1));
	capture_del(t.sink->dev, &t.a.capture); /* the later of the list */
	sink_rx(t.sink, complete(1));
	ck_assert_uint_eq(t.a.in, 1);
	ck_assert_uint_eq(t.b.in, 2);
	seen_add(&t.a, false);
	capture_del(t.sink->dev, &t.a.capture); /* the head */
	capture_del(t.sink->dev, &t.b.capture);
	sink_rx(t.sink, complete(1));
	ck_assert_uint_eq(t.a.in, 1);
	ck_assert_uint_eq(t.b.in, 2);
	ck_assert_ptr_null(atomic_load(&t.sink->dev->captures));
}
END_TEST

START_TEST(test_capture_other_device_not_shown)
{
	struct sink *other = sink_create(t.stack, "sink1", NETDEV_F_ALL);

	seen_add(&t.a, false);
	sink_rx(other, complete(1));
	ck_assert_uint_eq(t.a.in, 0);
}
END_TEST

/* What a device that is down refuses was never on its wire. */
START_TEST(test_capture_device_down_shows_nothing)
{
	seen_add(&t.a, false);
	netdev_down(t.sink->dev);
	sink_rx(t.sink, complete(1));
	sink_tx(t.sink, complete(1));
	ck_assert_uint_eq(t.a.in + t.a.out, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("capture");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_capture_sees_both_directions);
	tcase_add_test(tc, test_capture_complete_packet_is_not_copied);
	tcase_add_test(tc, test_capture_owed_checksum_finished_in_the_copy_only);
	tcase_add_test(tc, test_capture_super_frame_whole_and_cut);
	tcase_add_test(tc, test_capture_cut_shows_small_packets_whole);
	tcase_add_test(tc, test_capture_del_shows_no_more);
	tcase_add_test(tc, test_capture_other_device_not_shown);
	tcase_add_test(tc, test_capture_device_down_shows_nothing);
	return unit_run("capture", tc);
}
