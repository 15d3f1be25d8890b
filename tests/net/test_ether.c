/*
 * tests/net/test_ether.c - the link layers: whose frame it is, to which protocol it goes, what is put in
 * front on the way down.
 */
#include <string.h>

#include "lib/batch.h"
#include "lib/mib.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

static struct stack *st;
static struct testdev *eth, *raw;
static struct batch batch;
static struct pkq got4, got6;

static void in4(struct pkbuf *b)
{
	pkq_add(&got4, b);
}

static void in6(struct pkbuf *b)
{
	pkq_add(&got6, b);
}

static const struct net_proto proto4 = {ETHER_TYPE_IP4, in4}, proto6 = {ETHER_TYPE_IP6, in6};

static void setup(void)
{
	st = netstack_create(1);
	pkq_init(&got4);
	pkq_init(&got6);
	net_proto_register(st, &proto4);
	net_proto_register(st, &proto6);
	eth = testdev_create(st, "eth0", &ether_link, 0);
	raw = testdev_create(st, "tun0", &raw_link, 0);
	batch_begin(&batch, st);
}

static void teardown(void)
{
	batch_end(&batch);
	pkq_free(&got4);
	pkq_free(&got6);
	netstack_destroy(st);
}

/* A frame of 60 bytes to dst; the payload counts up from 14. */
static struct pkbuf *frame(const uint8_t *dst, uint16_t type)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, 60, 0);
	struct ether_hdr *h = (struct ether_hdr *)pkbuf_data(b);

	memcpy(h->dst, dst, ETHER_ALEN);
	memset(h->src, 0x22, ETHER_ALEN);
	h->type = be16_of(type);
	return b;
}

static const struct {
	uint8_t dst[ETHER_ALEN];
	enum pkbuf_cast cast;
} casts[] = {
    {{2, 0, 0, 0, 0, 1}, PKBUF_HOST},
    {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, PKBUF_BROADCAST},
    {{1, 0, 0x5e, 0, 0, 1}, PKBUF_MULTICAST},
};

START_TEST(test_in_tells_the_cast)
{
	struct pkbuf *b;

	netdev_rx(eth->dev, frame(casts[_i].dst, ETHER_TYPE_IP4));
	ck_assert_uint_eq(got4.count, 1);
	b = got4.head;
	ck_assert_uint_eq(b->cast, casts[_i].cast);
	ck_assert_ptr_eq(b->dev, eth->dev);
	ck_assert_uint_eq(b->len, 46);
	ck_assert_uint_eq(b->l3, b->head);
	ck_assert_uint_eq(b->l2, b->head - ETHER_HLEN);
	ck_assert_uint_eq(pkbuf_data(b)[0], 14);
}
END_TEST

static const uint8_t other[ETHER_ALEN] = {2, 0, 0, 0, 0, 99};

START_TEST(test_in_other_host_is_dropped)
{
	netdev_rx(eth->dev, frame(other, ETHER_TYPE_IP4));
	ck_assert_uint_eq(got4.count, 0);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_OTHER_HOST), 1);
}
END_TEST

START_TEST(test_in_other_host_promiscuous_is_marked)
{
	eth->dev->flags |= NETDEV_PROMISC;
	netdev_rx(eth->dev, frame(other, ETHER_TYPE_IP4));
	ck_assert_uint_eq(got4.count, 1);
	ck_assert_uint_eq(got4.head->cast, PKBUF_OTHERHOST);
}
END_TEST

START_TEST(test_in_by_type)
{
	netdev_rx(eth->dev, frame(casts[0].dst, ETHER_TYPE_IP6));
	ck_assert_uint_eq(got6.count, 1);
	netdev_rx(eth->dev, frame(casts[0].dst, 0x88cc));
	netdev_rx(eth->dev, frame(casts[0].dst, 46)); /* 802.3: a length */
	ck_assert_uint_eq(pkbuf_drops(st, DROP_NO_L3), 2);
	ck_assert_uint_eq(got4.count, 0);
}
END_TEST

START_TEST(test_in_short_frame_is_dropped)
{
	struct pkbuf *b = frame(casts[0].dst, ETHER_TYPE_IP4);

	pkbuf_trim_to(b, ETHER_HLEN - 1);
	netdev_rx(eth->dev, b);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_SHORT_FRAME), 1);
	ck_assert_uint_eq(eth->dev->stats.rx_errors, 1);
}
END_TEST

START_TEST(test_out_puts_the_header)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_TX_HEAD, 40, 14);
	uint8_t want[ETHER_HLEN] = {2, 0, 0, 0, 0, 99, 2, 0, 0, 0, 0, 1, 0x08, 0x06};

	b->dev = eth->dev;
	ck_assert_int_eq(eth->dev->link->out(b, other, ETHER_TYPE_ARP), 0);
	ck_assert_uint_eq(eth->sent.count, 1);
	b = eth->sent.head;
	ck_assert_uint_eq(b->len, 54);
	ck_assert_mem_eq(pkbuf_data(b), want, sizeof(want));
	ck_assert_uint_eq(pkbuf_data(b)[14], 14);
	ck_assert_uint_eq(b->l2, b->head);
	ck_assert_uint_eq(b->l3, b->head + ETHER_HLEN);
}
END_TEST

START_TEST(test_raw_in_by_version)
{
	static const uint8_t first[] = {0x45, 0x60, 0x00, 0xff};

	for (unsigned i = 0; i < sizeof(first); i++)
		netdev_rx(raw->dev, netstack_packet(st, PKBUF_RX_HEAD, 40, first[i]));
	netdev_rx(raw->dev, pkbuf_alloc(st, PKBUF_RX_HEAD));
	ck_assert_uint_eq(got4.count, 1);
	ck_assert_uint_eq(got6.count, 1);
	ck_assert_uint_eq(got4.head->cast, PKBUF_HOST);
	ck_assert_uint_eq(got4.head->len, 40);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_NO_L3), 2);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_SHORT_FRAME), 1);
}
END_TEST

START_TEST(test_raw_out_adds_nothing)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_TX_HEAD, 40, 0x45);

	b->dev = raw->dev;
	ck_assert_int_eq(raw->dev->link->out(b, NULL, ETHER_TYPE_IP4), 0);
	ck_assert_uint_eq(raw->sent.head->len, 40);
	ck_assert_uint_eq(raw->sent.head->l3, PKBUF_TX_HEAD);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ether");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_in_tells_the_cast, 0, 3);
	tcase_add_test(tc, test_in_other_host_is_dropped);
	tcase_add_test(tc, test_in_other_host_promiscuous_is_marked);
	tcase_add_test(tc, test_in_by_type);
	tcase_add_test(tc, test_in_short_frame_is_dropped);
	tcase_add_test(tc, test_out_puts_the_header);
	tcase_add_test(tc, test_raw_in_by_version);
	tcase_add_test(tc, test_raw_out_adds_nothing);
	return unit_run("ether", tc);
}
