/*
 * tests/net/test_hold.c - frames that go together: until there is one for each event or their thread comes to wait; at once
 * where somebody reads the queue, before another's, and where it is worth nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "lib/slot.h"
#include "lib/stack.h"
#include "lib/sysctl.h"
#include "net/net_priv.h"
#include "net/txstamp.h"
#include "tests/harness/netstack.h"
#include "tests/harness/tappair.h"
#include "tests/harness/unit.h"

#define SMALL 60u
#define LARGE 4097u

static struct {
	struct stack *stack;
	struct testdev *dev;
	struct netdev_ops ops; /* of one whose first write takes its time */
	int (*xmit)(struct netdev *dev, struct pkbuf *b);
	sem_t writes, goes_on;
	_Atomic bool slow;
} t;

/* The thread has read the queue itself. */
static void setup(void)
{
	t.stack = netstack_create(1);
	t.dev = testdev_create(t.stack, "test0", &raw_link, NETDEV_F_ALL);
	t.dev->dev->mtu = LARGE;
	slot_get(t.stack)->rhythm.led = t.dev->dev->queue;
}

static void teardown(void)
{
	netstack_destroy(t.stack);
}

static int send_to(struct testdev *d, uint32_t len, uint8_t first)
{
	struct pkbuf *b = netstack_packet(t.stack, PKBUF_RX_HEAD, len, first);
	struct batch batch;
	int r;

	batch_begin(&batch, t.stack);
	r = netdev_tx(d->dev, b);
	batch_end(&batch);
	return r;
}

static void send_small(uint8_t first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(send_to(t.dev, SMALL, (uint8_t)(first + i)), 0);
}

/* So many went, by their first bytes in order from `first` on. */
static void expect_sent(uint8_t first, unsigned n)
{
	struct pkbuf *b;
	uint8_t byte;

	ck_assert_uint_eq(t.dev->sent.count, n);
	for (unsigned i = 0; i < n; i++) {
		b = pkq_take(&t.dev->sent);
		pkbuf_read(b, 0, &byte, 1);
		ck_assert_uint_eq(byte, (uint8_t)(first + i));
		pkbuf_free(b);
	}
}

/* --- together -------------------------------------------------------------------------------------- */

START_TEST(test_as_many_as_were_told)
{
	netdev_wait_told(t.stack, 4);
	send_small(1, 3);
	expect_sent(1, 0);
	send_small(4, 1);
	expect_sent(1, 4);
	send_small(5, 1);
	expect_sent(5, 1);
}
END_TEST

START_TEST(test_with_the_next_wait)
{
	netdev_wait_told(t.stack, 8);
	send_small(1, 3);
	expect_sent(1, 0);
	ck_assert_int_eq(netdev_wait(t.stack, NULL, 0, env_now(t.stack->env)), -ETIMEDOUT);
	expect_sent(1, 3);
	send_small(4, 1);
	expect_sent(4, 1);
}
END_TEST

START_TEST(test_with_the_next_events)
{
	netdev_wait_told(t.stack, 8);
	send_small(1, 2);
	netdev_wait_told(t.stack, 8);
	expect_sent(1, 2);
	send_small(3, 2);
	expect_sent(3, 0);
	netdev_wait_told(t.stack, 0);
	expect_sent(3, 2);
	send_small(5, 1);
	expect_sent(5, 1);
}
END_TEST

START_TEST(test_64_at_most)
{
	netdev_wait_told(t.stack, 1000);
	send_small(0, 63);
	expect_sent(0, 0);
	send_small(63, 1);
	expect_sent(0, 64);
}
END_TEST

/* --- at once --------------------------------------------------------------------------------------- */

START_TEST(test_not_for_few_events)
{
	netdev_wait_told(t.stack, 3);
	send_small(1, 1);
	expect_sent(1, 1);
}
END_TEST

START_TEST(test_not_while_the_setting_is_off)
{
	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.hold", 0), 0);
	netdev_wait_told(t.stack, 16);
	send_small(1, 1);
	expect_sent(1, 1);
}
END_TEST

/* Another thread reads for it, and its next frames meanwhile. */
START_TEST(test_not_by_who_does_not_read)
{
	slot_get(t.stack)->rhythm.led = NULL;
	netdev_wait_told(t.stack, 16);
	send_small(1, 1);
	expect_sent(1, 1);
}
END_TEST

/* The gateway, whose programs are not to wait for one another. */
START_TEST(test_not_by_who_serves)
{
	netdev_wait_serves(t.stack);
	netdev_wait_told(t.stack, 16);
	send_small(1, 1);
	expect_sent(1, 1);
}
END_TEST

START_TEST(test_not_on_another_device)
{
	struct testdev *other = testdev_create(t.stack, "test1", &raw_link, NETDEV_F_ALL);

	netdev_wait_told(t.stack, 16);
	ck_assert_int_eq(send_to(other, SMALL, 1), 0);
	ck_assert_uint_eq(other->sent.count, 1);
	send_small(1, 1);
	expect_sent(1, 0);
}
END_TEST

START_TEST(test_a_large_one_goes_behind_what_is_held)
{
	netdev_wait_told(t.stack, 16);
	send_small(1, 2);
	ck_assert_int_eq(send_to(t.dev, LARGE, 3), 0);
	expect_sent(1, 3);
	ck_assert_int_eq(send_to(t.dev, LARGE - 1, 4), 0);
	expect_sent(4, 0);
}
END_TEST

static void tell(struct txstamp *s, const struct pkbuf *b, uint8_t what, uint64_t now)
{
}

static void end(struct txstamp *s)
{
}

/* Somebody wants to know when it went. */
START_TEST(test_one_with_a_timestamp_goes_behind_what_is_held)
{
	static const struct txstamp_ops ops = {.tell = tell, .end = end};
	struct txstamp s = {.ops = &ops, .wants = TXSTAMP_SENT};
	struct pkbuf *b = netstack_packet(t.stack, PKBUF_RX_HEAD, SMALL, 3);
	struct batch batch;

	netdev_wait_told(t.stack, 16);
	send_small(1, 2);
	b->txstamp = &s;
	batch_begin(&batch, t.stack);
	ck_assert_int_eq(netdev_tx(t.dev->dev, b), 0);
	batch_end(&batch);
	expect_sent(1, 3);
}
END_TEST

START_TEST(test_who_takes_the_queue_writes_what_is_held)
{
	struct netdev_queue *q = t.dev->dev->queue;

	netdev_wait_told(t.stack, 16);
	send_small(1, 2);
	ck_assert(queue_take(q));
	expect_sent(1, 2);
	send_small(3, 1);
	expect_sent(3, 1);
	queue_give(q);
	send_small(4, 1);
	expect_sent(4, 1);
}
END_TEST

static void *send_4(void *arg)
{
	send_small(4, 1);
	return NULL;
}

START_TEST(test_another_threads_goes_behind_what_is_held)
{
	pthread_t other;

	netdev_wait_told(t.stack, 16);
	send_small(1, 3);
	ck_assert_int_eq(pthread_create(&other, NULL, send_4, NULL), 0);
	pthread_join(other, NULL);
	expect_sent(1, 4);
	send_small(5, 1);
	expect_sent(5, 0);
}
END_TEST

static int slow_xmit(struct netdev *dev, struct pkbuf *b)
{
	if (atomic_exchange(&t.slow, false)) {
		sem_post(&t.writes);
		await(&t.goes_on);
	}
	return t.xmit(dev, b);
}

static void *take(void *arg)
{
	ck_assert(queue_take(t.dev->dev->queue));
	return NULL;
}

/* Whoever comes while another writes them helps, and goes before the one that is being written at most. */
START_TEST(test_in_order_while_another_writes_what_is_held)
{
	pthread_t other;

	sem_init(&t.writes, 0, 0);
	sem_init(&t.goes_on, 0, 0);
	t.ops = *t.dev->dev->ops;
	t.xmit = t.ops.xmit;
	t.ops.xmit = slow_xmit;
	t.dev->dev->ops = &t.ops;
	netdev_wait_told(t.stack, 16);
	send_small(1, 4);
	atomic_store(&t.slow, true);
	ck_assert_int_eq(pthread_create(&other, NULL, take, NULL), 0);
	await(&t.writes);
	send_small(5, 1);
	expect_sent(2, 4);
	sem_post(&t.goes_on);
	pthread_join(other, NULL);
	expect_sent(1, 1);
}
END_TEST

/* --- and fails ------------------------------------------------------------------------------------- */

START_TEST(test_device_down_meanwhile)
{
	struct netdev *dev = t.dev->dev;

	netdev_wait_told(t.stack, 8);
	send_small(1, 2);
	netdev_down(dev);
	netdev_wait_told(t.stack, 0);
	expect_sent(1, 0);
	ck_assert_uint_eq(atomic_load(&dev->stats.tx_dropped), 2);
	ck_assert_uint_eq(atomic_load(&t.stack->net->drops[DROP_DEV_DOWN]), 2);
	ck_assert_uint_eq(netdev_traffic(dev, NETDEV_TX_PACKETS), 0);
}
END_TEST

START_TEST(test_refused_when_it_goes)
{
	struct netdev *dev = t.dev->dev;

	t.dev->refuse = -ENOBUFS;
	t.dev->room = 1;
	netdev_wait_told(t.stack, 8);
	send_small(1, 3);
	netdev_wait_told(t.stack, 0);
	expect_sent(1, 1);
	ck_assert_uint_eq(atomic_load(&dev->stats.tx_errors), 2);
	ck_assert_uint_eq(netdev_traffic(dev, NETDEV_TX_PACKETS), 1);
	netdev_wait_told(t.stack, 8); /* from now on who sends is told */
	t.dev->room = 0;
	ck_assert_int_eq(send_to(t.dev, SMALL, 4), -ENOBUFS);
}
END_TEST

START_TEST(test_none_is_held_after_a_wait_without_the_setting)
{
	ck_assert_int_eq(sysctl_write(t.stack, "net.weft.lead", 0), 0);
	netdev_wait(t.stack, NULL, 0, env_now(t.stack->env));
	netdev_wait_told(t.stack, 16);
	send_small(1, 1);
	expect_sent(1, 1);
}
END_TEST

/* The stack's own check finds what leaked. */
START_TEST(test_stack_ends_meanwhile)
{
	netdev_wait_told(t.stack, 8);
	send_small(1, 2);
	expect_sent(1, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("hold");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_as_many_as_were_told);
	tcase_add_test(tc, test_with_the_next_wait);
	tcase_add_test(tc, test_with_the_next_events);
	tcase_add_test(tc, test_64_at_most);
	tcase_add_test(tc, test_not_for_few_events);
	tcase_add_test(tc, test_not_while_the_setting_is_off);
	tcase_add_test(tc, test_not_by_who_does_not_read);
	tcase_add_test(tc, test_not_by_who_serves);
	tcase_add_test(tc, test_not_on_another_device);
	tcase_add_test(tc, test_a_large_one_goes_behind_what_is_held);
	tcase_add_test(tc, test_one_with_a_timestamp_goes_behind_what_is_held);
	tcase_add_test(tc, test_who_takes_the_queue_writes_what_is_held);
	tcase_add_test(tc, test_another_threads_goes_behind_what_is_held);
	tcase_add_test(tc, test_device_down_meanwhile);
	tcase_add_test(tc, test_refused_when_it_goes);
	tcase_add_test(tc, test_in_order_while_another_writes_what_is_held);
	tcase_add_test(tc, test_none_is_held_after_a_wait_without_the_setting);
	tcase_add_test(tc, test_stack_ends_meanwhile);
	return unit_run("hold", tc);
}
