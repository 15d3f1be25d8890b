/*
 * tests/net/test_veth.c - a wire between two stacks in one world, and between two devices of one.
 */
#include <errno.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/mib.h"
#include "net/netem.h"
#include "tests/harness/netstack.h"
#include "tests/harness/superframe.h"
#include "tests/harness/unit.h"

static struct stack *sa, *sb;
static struct veth_end a, b;
static struct pkq got;
static struct stack *where; /* whose batch the last packet came in */

static void in4(struct pkbuf *p)
{
	where = batch_of(p->stack)->stack;
	pkq_add(&got, p);
}

static const struct net_proto proto4 = {ETHER_TYPE_IP4, in4};

static void setup(void)
{
	sa = netstack_create(1);
	sb = netstack_join(sa);
	pkq_init(&got);
	net_proto_register(sa, &proto4);
	net_proto_register(sb, &proto4);
	a = (struct veth_end){.stack = sa, .name = "veth0"};
	b = (struct veth_end){.stack = sb, .name = "veth0"};
	ck_assert_int_eq(veth_create(&a, &b), 0);
	netdev_up(a.dev);
	netdev_up(b.dev);
}

static void teardown(void)
{
	pkq_free(&got);
	netstack_leave(sb);
	netstack_destroy(sa);
}

/* Sends p, front at l3, to the other end. */
static int send_to(struct veth_end *from, const struct veth_end *to, struct pkbuf *p)
{
	struct batch batch;
	int r;

	batch_begin(&batch, from->stack);
	p->dev = from->dev;
	r = from->dev->link->out(p, to->dev->mac, ETHER_TYPE_IP4);
	batch_end(&batch);
	return r;
}

static struct pkbuf *packet(const struct veth_end *e, uint32_t n)
{
	return netstack_packet(e->stack, PKBUF_TX_HEAD, n, 0x45);
}

START_TEST(test_ends_are_ethernet_devices)
{
	ck_assert_str_eq(a.dev->ops->kind, "veth");
	ck_assert_uint_eq(a.dev->features, NETDEV_F_ALL);
	ck_assert_uint_eq(a.dev->flags, NETDEV_UP | NETDEV_BROADCAST);
	ck_assert_uint_eq(a.dev->mac[0] & 3, 2); /* local, unicast */
	ck_assert_int_ne(memcmp(a.dev->mac, b.dev->mac, ETHER_ALEN), 0);
	ck_assert_ptr_eq(netdev_by_name(sb, "veth0"), b.dev);
}
END_TEST

START_TEST(test_packet_crosses_in_a_batch_of_the_other)
{
	struct pkbuf *p = packet(&a, 1000);

	p->mark = 9;
	ck_assert_int_eq(send_to(&a, &b, p), 0);
	ck_assert_int_eq(gauge_read(sa, GAUGE_pkbufs), 0);
	ck_assert_int_eq(gauge_read(sa, GAUGE_pieces), 0);
	ck_assert_uint_eq(got.count, 0);
	ck_assert(env_lab_step(sa->env, env_now(sa->env)));
	ck_assert_uint_eq(got.count, 1);
	ck_assert_ptr_eq(where, sb);
	p = got.head;
	ck_assert_ptr_eq(p->stack, sb);
	ck_assert_ptr_eq(p->dev, b.dev);
	ck_assert_uint_eq(p->len, 1000);
	ck_assert_uint_eq(p->cast, PKBUF_HOST);
	ck_assert_uint_eq(p->mark, 0);
	ck_assert_uint_eq(pkbuf_data(p)[1], 0x46);
	ck_assert_uint_eq(netdev_traffic(a.dev, NETDEV_TX_PACKETS), 1);
	ck_assert_uint_eq(netdev_traffic(b.dev, NETDEV_RX_BYTES), 1014);
	ck_assert_uint_eq(netdev_traffic(a.dev, NETDEV_RX_PACKETS), 0);
}
END_TEST

START_TEST(test_both_ways_in_order)
{
	for (uint32_t i = 0; i < 20; i++) {
		ck_assert_int_eq(send_to(&a, &b, packet(&a, 100 + i)), 0);
		ck_assert_int_eq(send_to(&b, &a, packet(&b, 200 + i)), 0);
	}
	env_lab_advance(sa->env, 0);
	ck_assert_uint_eq(got.count, 40);
	for (uint32_t i = 0, n[2] = {0, 0}; i < 40; i++) {
		struct pkbuf *p = pkq_take(&got);
		unsigned to_a = p->dev == a.dev;

		ck_assert_uint_eq(p->len, (to_a ? 200 : 100) + n[to_a]++);
		pkbuf_free(p);
	}
}
END_TEST

START_TEST(test_super_frame_crosses_whole)
{
	struct pkbuf *p = superframe(sa, GSO_TCP4, 60000, 1448);
	static uint8_t frame[65536];

	pkbuf_trim_front(p, ETHER_HLEN);
	ck_assert_int_eq(send_to(&a, &b, p), 0);
	env_lab_advance(sa->env, 0);
	p = got.head;
	ck_assert_uint_eq(p->gso_size, 1448);
	ck_assert_uint_eq(p->csum, CSUM_PARTIAL);
	pkbuf_csum_finish(p);
	pkbuf_push(p, ETHER_HLEN);
	pkbuf_read(p, 0, frame, p->len);
	ck_assert(superframe_verifies(frame, p->len));
}
END_TEST

START_TEST(test_netem_cuts_what_comes_in)
{
	struct pkbuf *p = superframe(sa, GSO_TCP4, 60000, 1448);
	struct netem_config ten_ms = {.delay = 10 * NSEC_PER_MSEC};

	ck_assert_int_eq(netem_set(b.dev, NETEM_IN, &ten_ms), 0);
	pkbuf_trim_front(p, ETHER_HLEN);
	ck_assert_int_eq(send_to(&a, &b, p), 0);
	env_lab_advance(sa->env, 9 * NSEC_PER_MSEC);
	ck_assert_uint_eq(got.count, 0);
	env_lab_advance(sa->env, NSEC_PER_MSEC);
	ck_assert_uint_eq(got.count, (60000 + 1447) / 1448);
	ck_assert_uint_eq(got.head->csum, CSUM_NONE);
}
END_TEST

START_TEST(test_queue_is_bounded)
{
	uint32_t n = 0;

	while (n < 2000 && send_to(&a, &b, packet(&a, 20)) == 0)
		n++;
	ck_assert_uint_eq(n, 1024);
	ck_assert_uint_eq(pkbuf_drops(sa, DROP_QUEUE_FULL), 1);
	ck_assert_uint_eq(a.dev->stats.tx_errors, 1);
	env_lab_advance(sa->env, 0);
	ck_assert_uint_eq(got.count, 1024);
}
END_TEST

START_TEST(test_peer_down_drops_there)
{
	netdev_down(b.dev);
	ck_assert_int_eq(send_to(&a, &b, packet(&a, 20)), 0);
	env_lab_advance(sa->env, 0);
	ck_assert_uint_eq(got.count, 0);
	ck_assert_uint_eq(pkbuf_drops(sb, DROP_DEV_DOWN), 1);
}
END_TEST

START_TEST(test_peer_without_memory)
{
	struct pkbuf *p;
	struct pkq held;

	pkq_init(&held);
	sysctl_write(sb, "net.weft.mem_limit", 1 << 20);
	while ((p = pkbuf_alloc(sb, PKBUF_TX_HEAD)))
		pkq_add(&held, p);
	ck_assert_int_eq(send_to(&a, &b, packet(&a, 20)), -ENOBUFS);
	ck_assert_uint_eq(pkbuf_drops(sa, DROP_NO_MEMORY), 1);
	pkq_free(&held);
}
END_TEST

START_TEST(test_either_stack_may_end_first)
{
	ck_assert_int_eq(send_to(&a, &b, packet(&a, 20)), 0); /* lies there when b ends */
	netstack_leave(sb);
	env_lab_advance(sa->env, 0);
	ck_assert_uint_eq(got.count, 0);
	ck_assert_int_eq(send_to(&a, &a, packet(&a, 20)), -ENOBUFS);
	ck_assert_uint_eq(pkbuf_drops(sa, DROP_DEV_TX), 1);
	sb = netstack_join(sa);
}
END_TEST

START_TEST(test_both_ends_in_one_stack)
{
	struct veth_end c = {.stack = sa, .name = "left"}, d = {.stack = sa, .name = "right"};

	ck_assert_int_eq(veth_create(&c, &d), 0);
	netdev_up(c.dev);
	netdev_up(d.dev);
	ck_assert_int_eq(send_to(&c, &d, packet(&c, 20)), 0);
	env_lab_advance(sa->env, 0);
	ck_assert_uint_eq(got.count, 1);
	ck_assert_ptr_eq(got.head->dev, d.dev);
}
END_TEST

START_TEST(test_taken_names_make_nothing)
{
	struct veth_end c = {.stack = sa, .name = "veth0"}, d = {.stack = sa, .name = "x"};

	ck_assert_int_eq(veth_create(&c, &d), -EEXIST);
	ck_assert_int_eq(veth_create(&d, &c), -EEXIST);
	c.name = "x";
	ck_assert_int_eq(veth_create(&c, &d), -EEXIST);
	ck_assert_ptr_null(netdev_by_name(sa, "x"));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("veth");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_ends_are_ethernet_devices);
	tcase_add_test(tc, test_packet_crosses_in_a_batch_of_the_other);
	tcase_add_test(tc, test_both_ways_in_order);
	tcase_add_test(tc, test_super_frame_crosses_whole);
	tcase_add_test(tc, test_netem_cuts_what_comes_in);
	tcase_add_test(tc, test_queue_is_bounded);
	tcase_add_test(tc, test_peer_down_drops_there);
	tcase_add_test(tc, test_peer_without_memory);
	tcase_add_test(tc, test_either_stack_may_end_first);
	tcase_add_test(tc, test_both_ends_in_one_stack);
	tcase_add_test(tc, test_taken_names_make_nothing);
	return unit_run("veth", tc);
}
