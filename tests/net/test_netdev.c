/*
 * tests/net/test_netdev.c - a device: registration, settings and who is told, what is counted, and what a
 * packet undergoes before a device that can do less than its sender.
 */
#include <errno.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/mib.h"
#include "net/capture.h"
#include "net/net_priv.h"
#include "net/netem.h"
#include "tests/harness/netstack.h"
#include "tests/harness/superframe.h"
#include "tests/harness/unit.h"

static struct stack *st;
static struct testdev *t;
static struct batch batch;
static struct pkq got;
static uint8_t frame[70000];
static struct {
	struct netdev *dev;
	enum netdev_event ev;
	unsigned n;
} told;

static void in4(struct pkbuf *b)
{
	pkq_add(&got, b);
}

static const struct net_proto proto4 = {ETHER_TYPE_IP4, in4};

static int on_event(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a)
{
	told.dev = dev;
	told.ev = ev;
	told.n++;
	ck_assert_ptr_null(a);
	return 0;
}

static void setup(void)
{
	st = netstack_create(1);
	pkq_init(&got);
	net_proto_register(st, &proto4);
	t = testdev_create(st, "eth0", &ether_link, 0);
	netdev_notify_register(st, on_event);
	batch_begin(&batch, st);
}

static void teardown(void)
{
	batch_end(&batch);
	pkq_free(&got);
	netstack_destroy(st);
}

/* --- the list and settings -------------------------------------------------------------------- */

START_TEST(test_register_and_look_up)
{
	struct testdev *t2 = testdev_create(st, "eth1", &raw_link, 0);
	struct netdev *dup = netdev_alloc(st, "eth1", t2->dev->ops, &raw_link, 1);

	ck_assert_int_eq(netdev_register(dup), -EEXIST);
	netdev_free(dup);
	ck_assert_uint_eq(t->dev->ifindex, 1);
	ck_assert_uint_eq(t2->dev->ifindex, 2);
	ck_assert_ptr_eq(netdev_by_name(st, "eth1"), t2->dev);
	ck_assert_ptr_null(netdev_by_name(st, "eth2"));
	ck_assert_ptr_eq(netdev_by_index(st, 1), t->dev);
	ck_assert_ptr_null(netdev_by_index(st, 3));
	ck_assert_ptr_eq(netdev_next(st, NULL), t->dev);
	ck_assert_ptr_eq(netdev_next(st, t->dev), t2->dev);
	ck_assert_ptr_null(netdev_next(st, t2->dev));
}
END_TEST

START_TEST(test_alloc_is_down_without_descriptors)
{
	struct netdev *dev = netdev_alloc(st, "a-name-that-is-too-long", t->dev->ops, &raw_link, 3);

	ck_assert_uint_eq(dev->flags & NETDEV_UP, 0);
	ck_assert_uint_eq(dev->mtu, 1500);
	ck_assert_uint_eq(strlen(dev->name), NETDEV_NAME - 1);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(dev->queue[i].fd, -1);
		ck_assert_ptr_eq(dev->queue[i].dev, dev);
	}
	netdev_free(dev);
}
END_TEST

START_TEST(test_up_and_down_tell_once)
{
	netdev_up(t->dev); /* is up */
	ck_assert_uint_eq(told.n, 0);
	netdev_down(t->dev);
	netdev_down(t->dev);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_uint_eq(told.ev, NETDEV_EV_DOWN);
	netdev_up(t->dev);
	ck_assert_uint_eq(told.n, 2);
	ck_assert_uint_eq(told.ev, NETDEV_EV_UP);
	ck_assert_ptr_eq(told.dev, t->dev);
}
END_TEST

START_TEST(test_lost_carrier_neither_sends_nor_receives)
{
	netdev_set_link(t->dev, true); /* as it was */
	ck_assert_uint_eq(told.n, 0);
	netdev_set_link(t->dev, false);
	netdev_set_link(t->dev, false);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_uint_eq(told.ev, NETDEV_EV_LINK);
	ck_assert_uint_eq(t->dev->flags & NETDEV_UP, NETDEV_UP);
	ck_assert_int_eq(netdev_tx(t->dev, netstack_packet(st, PKBUF_TX_HEAD, 60, 0)), -ENETDOWN);
	netdev_rx(t->dev, netstack_packet(st, PKBUF_RX_HEAD, 60, 0));
	ck_assert_uint_eq(pkbuf_drops(st, DROP_DEV_DOWN), 2);
	netdev_set_link(t->dev, true);
	ck_assert_uint_eq(told.n, 2);
	ck_assert_int_eq(netdev_tx(t->dev, netstack_packet(st, PKBUF_TX_HEAD, 60, 0)), 0);
	ck_assert_uint_eq(netdev_traffic(t->dev, NETDEV_TX_PACKETS), 1);
}
END_TEST

START_TEST(test_mtu_range)
{
	ck_assert_int_eq(netdev_set_mtu(t->dev, 67), -ERANGE);
	ck_assert_int_eq(netdev_set_mtu(t->dev, 65536), -ERANGE);
	ck_assert_uint_eq(told.n, 0);
	ck_assert_int_eq(netdev_set_mtu(t->dev, 68), 0);
	ck_assert_int_eq(netdev_set_mtu(t->dev, 65535), 0);
	ck_assert_uint_eq(t->dev->mtu, 65535);
	ck_assert_uint_eq(told.n, 2);
	ck_assert_uint_eq(told.ev, NETDEV_EV_MTU);
}
END_TEST

/* --- up --------------------------------------------------------------------------------------- */

static struct pkbuf *received(uint32_t n)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_RX_HEAD, n, 0);
	struct ether_hdr *h = (struct ether_hdr *)pkbuf_data(b);

	memcpy(h->dst, t->dev->mac, ETHER_ALEN);
	h->type = be16_of(ETHER_TYPE_IP4);
	return b;
}

START_TEST(test_rx_counts_and_hands_up)
{
	netdev_rx(t->dev, received(60));
	netdev_rx(t->dev, received(1000));
	ck_assert_uint_eq(got.count, 2);
	ck_assert_uint_eq(netdev_traffic(t->dev, NETDEV_RX_PACKETS), 2);
	ck_assert_uint_eq(netdev_traffic(t->dev, NETDEV_RX_BYTES), 1060);
	ck_assert_uint_eq(t->dev->stats.rx_dropped, 0);
}
END_TEST

START_TEST(test_rx_down_drops)
{
	netdev_down(t->dev);
	netdev_rx(t->dev, received(60));
	ck_assert_uint_eq(got.count, 0);
	ck_assert_uint_eq(t->dev->stats.rx_dropped, 1);
	ck_assert_uint_eq(netdev_traffic(t->dev, NETDEV_RX_PACKETS), 0);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_DEV_DOWN), 1);
}
END_TEST

static unsigned shown[2];
static uint32_t shown_len;

static void show(struct capture *c, struct netdev *dev, const struct pkbuf *b, bool out)
{
	shown[out]++;
	shown_len = b->len;
}

START_TEST(test_captures_see_both_ways)
{
	struct capture c = {.fn = show};

	capture_add(t->dev, &c);
	netdev_rx(t->dev, received(60));
	ck_assert_uint_eq(shown[0], 1);
	ck_assert_uint_eq(shown_len, 60);
	netdev_tx(t->dev,
		  superframe(st, GSO_TCP4, 3000, 1448)); /* whole, though the device cuts it */
	ck_assert_uint_eq(shown[1], 1);
	ck_assert_uint_eq(shown_len, 3000 + 66);
	capture_del(t->dev, &c);
	netdev_rx(t->dev, received(60));
	ck_assert_uint_eq(shown[0], 1);
}
END_TEST

START_TEST(test_netem_stands_in_both_ways)
{
	struct netem_config all_lost = {.loss = netem_percent(100)};

	ck_assert_int_eq(netem_set(t->dev, NETEM_IN, &all_lost), 0);
	ck_assert_int_eq(netem_set(t->dev, NETEM_OUT, &all_lost), 0);
	netdev_rx(t->dev, received(60));
	ck_assert_int_eq(netdev_tx(t->dev, received(60)), 0);
	ck_assert_uint_eq(got.count + t->sent.count, 0);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_NETEM_LOSS), 2);
	netem_off(t->dev, NETEM_IN);
	netem_off(t->dev, NETEM_OUT);
	netdev_rx(t->dev, received(60));
	ck_assert_int_eq(netdev_tx(t->dev, received(60)), 0);
	ck_assert_uint_eq(got.count, 1);
	ck_assert_uint_eq(t->sent.count, 1);
}
END_TEST

/* --- down ------------------------------------------------------------------------------------- */

START_TEST(test_tx_counts)
{
	ck_assert_int_eq(netdev_tx(t->dev, received(60)), 0);
	ck_assert_uint_eq(t->sent.count, 1);
	ck_assert_ptr_eq(t->sent.head->dev, t->dev);
	ck_assert_uint_eq(netdev_traffic(t->dev, NETDEV_TX_PACKETS), 1);
	ck_assert_uint_eq(netdev_traffic(t->dev, NETDEV_TX_BYTES), 60);
}
END_TEST

START_TEST(test_tx_down_drops)
{
	netdev_down(t->dev);
	ck_assert_int_eq(netdev_tx(t->dev, received(60)), -ENETDOWN);
	ck_assert_uint_eq(t->dev->stats.tx_dropped, 1);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_DEV_DOWN), 1);
}
END_TEST

START_TEST(test_tx_mtu_is_without_the_link_header)
{
	ck_assert_int_eq(netdev_tx(t->dev, received(1514)), 0);
	ck_assert_int_eq(netdev_tx(t->dev, received(1515)), -EMSGSIZE);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_TOO_BIG), 1);
	ck_assert_uint_eq(t->dev->stats.tx_dropped, 1);
}
END_TEST

START_TEST(test_tx_mtu_of_a_super_frame_is_its_segments)
{
	ck_assert_int_eq(netdev_tx(t->dev, superframe(st, GSO_TCP4, 9000, 1448)), 0);
	ck_assert_int_eq(netdev_tx(t->dev, superframe(st, GSO_TCP4, 9000, 1449)), -EMSGSIZE);
}
END_TEST

START_TEST(test_tx_refused_is_an_error)
{
	t->refuse = -ENOBUFS;
	ck_assert_int_eq(netdev_tx(t->dev, received(60)), -ENOBUFS);
	ck_assert_uint_eq(t->dev->stats.tx_errors, 1);
	ck_assert_uint_eq(netdev_traffic(t->dev, NETDEV_TX_PACKETS), 0);
}
END_TEST

START_TEST(test_tx_finishes_what_the_device_cannot)
{
	struct pkbuf *b = superframe(st, GSO_TCP4, 500, 0);

	ck_assert_int_eq(netdev_tx(t->dev, b), 0);
	b = t->sent.head;
	ck_assert_uint_eq(b->csum, CSUM_NONE);
	pkbuf_read(b, 0, frame, b->len);
	ck_assert(superframe_verifies(frame, b->len));
}
END_TEST

START_TEST(test_tx_leaves_what_the_device_can)
{
	struct testdev *able = testdev_create(st, "eth1", &ether_link, NETDEV_F_ALL);

	ck_assert_int_eq(netdev_tx(able->dev, superframe(st, GSO_TCP4, 9000, 1448)), 0);
	ck_assert_int_eq(netdev_tx(able->dev, superframe(st, GSO_TCP6, 9000, 1428)), 0);
	ck_assert_uint_eq(able->sent.count, 2);
	ck_assert_uint_eq(able->sent.head->csum, CSUM_PARTIAL);
	ck_assert_uint_eq(able->sent.head->gso_size, 1448);
}
END_TEST

static const struct {
	uint32_t features;
	enum pkbuf_gso type;
	unsigned frames;
	enum pkbuf_csum csum;
} able[] = {
    {0, GSO_TCP4, 7, CSUM_NONE},
    {NETDEV_F_CSUM, GSO_TCP4, 7, CSUM_PARTIAL},
    {NETDEV_F_CSUM | NETDEV_F_TSO4, GSO_TCP4, 1, CSUM_PARTIAL},
    {NETDEV_F_CSUM | NETDEV_F_TSO4, GSO_TCP6, 7, CSUM_PARTIAL},
    {NETDEV_F_TSO4, GSO_TCP4, 7, CSUM_NONE},
};

START_TEST(test_tx_cuts_by_features)
{
	struct testdev *d = testdev_create(st, "eth1", &ether_link, able[_i].features);
	uint64_t bytes = 0;

	ck_assert_int_eq(netdev_tx(d->dev, superframe(st, able[_i].type, 9000, 1400)), 0);
	ck_assert_uint_eq(d->sent.count, able[_i].frames);
	ck_assert_uint_eq(d->sent.head->csum, able[_i].csum);
	for (struct pkbuf *b = d->sent.head; b; b = b->next)
		bytes += b->len;
	ck_assert_uint_eq(netdev_traffic(d->dev, NETDEV_TX_PACKETS), able[_i].frames);
	ck_assert_uint_eq(netdev_traffic(d->dev, NETDEV_TX_BYTES), bytes);
}
END_TEST

/* More than 64 KB, whatever its way here: the length in such a frame's IPv4 header is no use to others. */
START_TEST(test_tx_cuts_what_only_the_host_takes)
{
	struct testdev *host, *other = testdev_create(st, "eth1", &ether_link, NETDEV_F_ALL);

	host = testdev_create(st, "eth2", &ether_link, NETDEV_F_ALL | NETDEV_F_BIG);
	ck_assert_int_eq(netdev_tx(other->dev, superframe(st, GSO_TCP4, 100000, 1400)), 0);
	ck_assert_int_eq(netdev_tx(host->dev, superframe(st, GSO_TCP4, 100000, 1400)), 0);
	ck_assert_uint_eq(other->sent.count, 72);
	ck_assert_uint_eq(host->sent.count, 1);
}
END_TEST

START_TEST(test_tx_cut_goes_on_after_an_error)
{
	t->refuse = -ENOBUFS;
	ck_assert_int_eq(netdev_tx(t->dev, superframe(st, GSO_TCP4, 2800, 1400)), -ENOBUFS);
	ck_assert_uint_eq(t->dev->stats.tx_errors, 2);
}
END_TEST

/* A sender that is told of an error takes it that nothing went. */
START_TEST(test_tx_cut_in_part_is_no_error)
{
	t->refuse = -ENOBUFS;
	t->room = 1;
	ck_assert_int_eq(netdev_tx(t->dev, superframe(st, GSO_TCP4, 4200, 1400)), 0);
	ck_assert_uint_eq(t->sent.count, 1);
	ck_assert_uint_eq(t->dev->stats.tx_errors, 2);
}
END_TEST

/* A TCP header of 16 bytes, which gso_cut() does not take. */
START_TEST(test_tx_what_cannot_be_cut_is_dropped)
{
	struct pkbuf *b = superframe(st, GSO_TCP4, 2800, 1400);

	b->hdr[b->l4 + 12] = 4 << 4;
	ck_assert_int_eq(netdev_tx(t->dev, b), -EINVAL);
	ck_assert_uint_eq(t->dev->stats.tx_dropped, 1);
	ck_assert_uint_eq(t->sent.count, 0);
}
END_TEST

/* As one that netem has held meanwhile. */
START_TEST(test_tx_down_behind_netem_drops)
{
	netdev_down(t->dev);
	ck_assert_int_eq(netdev_tx_xmit(t->dev, received(60)), -ENETDOWN);
	ck_assert_uint_eq(t->dev->stats.tx_dropped, 1);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_DEV_DOWN), 1);
}
END_TEST

START_TEST(test_rx_what_cannot_be_cut_is_dropped)
{
	struct pkbuf *b = received(2000);

	b->gso_type = GSO_UDP4;
	b->gso_size = 500;
	b->l3 = b->l4 = b->head;
	netdev_rx(t->dev, b);
	ck_assert_uint_eq(t->dev->stats.rx_dropped, 1);
	ck_assert_uint_eq(got.count, 0);
}
END_TEST

/* --- alarms ----------------------------------------------------------------------------------- */

static void ring(void *arg)
{
	++*(unsigned *)arg;
}

START_TEST(test_alarm_belongs_to_the_reader)
{
	struct netdev_alarm a, b;
	unsigned rung = 0;
	struct waiter w;

	netdev_alarm_add(t->dev, &a, ring, &rung);
	ck_assert_ptr_null(a.alarm.sleeper);
	netdev_alarms_adopt(t->dev, &w);
	netdev_alarm_add(t->dev, &b, ring, &rung);
	ck_assert_ptr_eq(a.alarm.sleeper, &w);
	ck_assert_ptr_eq(b.alarm.sleeper, &w);
	ck_assert_ptr_eq(t->dev->queue[0].reader, &w);
	netdev_alarms_adopt(t->dev, NULL);
	ck_assert_ptr_null(b.alarm.sleeper);
	env_alarm(st->env, &a.alarm, env_now(st->env));
	env_alarm(st->env, &b.alarm, env_now(st->env));
	netdev_alarm_del(t->dev, &b);
	env_lab_advance(st->env, 0);
	ck_assert_uint_eq(rung, 1);
	netdev_alarm_del(t->dev, &a);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("netdev");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_register_and_look_up);
	tcase_add_test(tc, test_alloc_is_down_without_descriptors);
	tcase_add_test(tc, test_up_and_down_tell_once);
	tcase_add_test(tc, test_lost_carrier_neither_sends_nor_receives);
	tcase_add_test(tc, test_mtu_range);
	tcase_add_test(tc, test_rx_counts_and_hands_up);
	tcase_add_test(tc, test_rx_down_drops);
	tcase_add_test(tc, test_captures_see_both_ways);
	tcase_add_test(tc, test_netem_stands_in_both_ways);
	tcase_add_test(tc, test_tx_counts);
	tcase_add_test(tc, test_tx_down_drops);
	tcase_add_test(tc, test_tx_mtu_is_without_the_link_header);
	tcase_add_test(tc, test_tx_mtu_of_a_super_frame_is_its_segments);
	tcase_add_test(tc, test_tx_refused_is_an_error);
	tcase_add_test(tc, test_tx_finishes_what_the_device_cannot);
	tcase_add_test(tc, test_tx_leaves_what_the_device_can);
	tcase_add_loop_test(tc, test_tx_cuts_by_features, 0, 5);
	tcase_add_test(tc, test_tx_cuts_what_only_the_host_takes);
	tcase_add_test(tc, test_tx_cut_goes_on_after_an_error);
	tcase_add_test(tc, test_tx_cut_in_part_is_no_error);
	tcase_add_test(tc, test_tx_what_cannot_be_cut_is_dropped);
	tcase_add_test(tc, test_tx_down_behind_netem_drops);
	tcase_add_test(tc, test_rx_what_cannot_be_cut_is_dropped);
	tcase_add_test(tc, test_alarm_belongs_to_the_reader);
	return unit_run("netdev", tc);
}
