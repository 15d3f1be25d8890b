/*
 * tests/net/test_traffic.c - frames and bytes counted by more threads than there are cells: none is lost, each
 * way apart.
 */
#include <pthread.h>

#include "lib/stack.h"
#include "net/net_priv.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

#define THREADS 40
#define FRAMES 20000

static struct stack *st;
static struct testdev *td;
static pthread_barrier_t all;

static void setup(void)
{
	st = netstack_create(1);
	td = testdev_create(st, "eth0", &ether_link, 0);
}

static void teardown(void)
{
	netstack_destroy(st);
}

/* All have a slot before one ends and leaves its own to another. */
static void *count(void *arg)
{
	slot_get(st);
	pthread_barrier_wait(&all);
	for (unsigned i = 0; i < FRAMES; i++) {
		traffic_count(td->dev, NETDEV_RX_PACKETS, 1, 60);
		traffic_count(td->dev, NETDEV_TX_PACKETS, 2, 200);
	}
	pthread_barrier_wait(&all);
	return arg;
}

START_TEST(test_threads_lose_no_frame)
{
	pthread_t thread[THREADS];

	ck_assert_int_eq(pthread_barrier_init(&all, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, count, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	pthread_barrier_destroy(&all);
	ck_assert_uint_eq(netdev_traffic(td->dev, NETDEV_RX_PACKETS), THREADS * FRAMES);
	ck_assert_uint_eq(netdev_traffic(td->dev, NETDEV_RX_BYTES), THREADS * FRAMES * 60ull);
	ck_assert_uint_eq(netdev_traffic(td->dev, NETDEV_TX_PACKETS), THREADS * FRAMES * 2ull);
	ck_assert_uint_eq(netdev_traffic(td->dev, NETDEV_TX_BYTES), THREADS * FRAMES * 200ull);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("traffic");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_threads_lose_no_frame);
	return unit_run("traffic", tc);
}
