/*
 * tests/net/test_loop.c - lo: what is sent comes back at the batch's end, in order, bounded, by one
 * drainer at a time.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "lib/batch.h"
#include "lib/mib.h"
#include "net/ifaddr.h"
#include "tests/harness/netstack.h"
#include "tests/harness/superframe.h"
#include "tests/harness/unit.h"

#define BUDGET 256
#define BOUND 4096

static struct stack *st;
static struct netdev *lo;
static struct pkq got;
static pthread_mutex_t got_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned echoes; /* so many received packets are sent again */

/* A packet of 24 bytes: version, then n. */
static struct pkbuf *numbered(uint32_t n)
{
	struct pkbuf *b = netstack_packet(st, PKBUF_TX_HEAD, 24, 0x45);

	memcpy(pkbuf_data(b) + 4, &n, sizeof(n));
	return b;
}

static uint32_t number_of(struct pkbuf *b)
{
	uint32_t n;

	memcpy(&n, pkbuf_data(b) + 4, sizeof(n));
	return n;
}

static int send_lo(struct pkbuf *b)
{
	b->dev = lo;
	return lo->link->out(b, NULL, ETHER_TYPE_IP4);
}

static void in4(struct pkbuf *b)
{
	if (echoes > 0) {
		echoes--;
		send_lo(numbered(1000 + number_of(b)));
	}
	pthread_mutex_lock(&got_lock);
	pkq_add(&got, b);
	pthread_mutex_unlock(&got_lock);
}

static const struct net_proto proto4 = {ETHER_TYPE_IP4, in4};

static void setup(void)
{
	st = netstack_create(1);
	pkq_init(&got);
	net_proto_register(st, &proto4);
	ck_assert_int_eq(loop_create(st, &lo), 0);
}

static void teardown(void)
{
	pkq_free(&got);
	netstack_destroy(st);
}

static void check_order(uint32_t from, uint32_t n)
{
	struct pkbuf *b;

	ck_assert_uint_eq(got.count, n);
	for (uint32_t i = 0; i < n; i++) {
		b = pkq_take(&got);
		ck_assert_uint_eq(number_of(b), from + i);
		pkbuf_free(b);
	}
}

START_TEST(test_create_is_lo)
{
	struct ifaddr ia;

	ck_assert_str_eq(lo->name, "lo");
	ck_assert_uint_eq(lo->mtu, 65535);
	ck_assert_uint_eq(lo->flags, NETDEV_UP | NETDEV_LOOPBACK | NETDEV_NOARP);
	ck_assert_ptr_eq(netdev_by_name(st, "lo"), lo);
	ck_assert(ifaddr_nth(lo, 0, &ia));
	ck_assert(ip_addr_eq(&ia.addr, &ip_addr_loop4));
	ck_assert_uint_eq(ia.prefix, IP_PREFIX4(8));
	ck_assert_int_eq(loop_create(st, &lo), -EEXIST);
}
END_TEST

START_TEST(test_xmit_does_not_call_in)
{
	struct batch b;

	batch_begin(&b, st);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(send_lo(numbered(i)), 0);
	ck_assert_uint_eq(got.count, 0);
	batch_end(&b);
	check_order(0, 3);
	ck_assert_uint_eq(netdev_traffic(lo, NETDEV_TX_PACKETS), 3);
	ck_assert_uint_eq(netdev_traffic(lo, NETDEV_RX_PACKETS), 3);
}
END_TEST

START_TEST(test_packet_comes_back_scrubbed)
{
	struct pkbuf *p = numbered(0);
	struct batch b;

	p->forwarded = p->netem_done = true;
	p->cb[0] = 1;
	p->dst = ip_addr_loop4;
	p->mark = 7;
	batch_begin(&b, st);
	send_lo(p);
	batch_end(&b);
	p = got.head;
	ck_assert_uint_eq(p->cast, PKBUF_LOOPED);
	ck_assert_ptr_eq(p->dev, lo);
	ck_assert(!p->forwarded && !p->netem_done);
	ck_assert_uint_eq(p->cb[0], 0);
	ck_assert(ip_addr_eq(&p->dst, &ip_addr_any));
	ck_assert_uint_eq(p->mark, 7);
	ck_assert_uint_eq(p->stamp, env_now(st->env));
}
END_TEST

/* There is no wire: a super-frame comes back whole, its checksum still owed and vouched for. */
START_TEST(test_super_frame_comes_back_whole)
{
	struct pkbuf *p = superframe(st, GSO_TCP4, 60000, 1448);
	static uint8_t frame[65536];
	struct batch b;

	pkbuf_read(p, 0, frame, ETHER_HLEN);
	pkbuf_trim_front(p, ETHER_HLEN);
	batch_begin(&b, st);
	ck_assert_int_eq(send_lo(p), 0);
	batch_end(&b);
	ck_assert_uint_eq(got.count, 1);
	p = got.head;
	ck_assert_uint_eq(p->csum, CSUM_PARTIAL);
	ck_assert_uint_eq(p->gso_size, 1448);
	pkbuf_csum_finish(p); /* what a raw socket does */
	pkbuf_read(p, 0, frame + ETHER_HLEN, p->len);
	ck_assert(superframe_verifies(frame, p->len + ETHER_HLEN));
}
END_TEST

START_TEST(test_answers_come_in_the_same_batch)
{
	struct batch b;

	echoes = 3;
	batch_begin(&b, st);
	send_lo(numbered(0));
	batch_end(&b);
	ck_assert_uint_eq(got.count, 4);
	ck_assert_uint_eq(echoes, 0);
}
END_TEST

START_TEST(test_what_is_left_over_goes_to_the_alarm)
{
	struct batch b;
	unsigned steps = 0;

	batch_begin(&b, st);
	for (uint32_t i = 0; i < 2 * BUDGET + 10; i++)
		ck_assert_int_eq(send_lo(numbered(i)), 0);
	batch_end(&b);
	ck_assert_uint_eq(got.count, BUDGET);
	ck_assert_uint_eq(lo->queue[0].word, QUEUE_VACANT);
	while (env_lab_step(st->env, env_now(st->env)))
		steps++;
	ck_assert_uint_eq(steps, 2);
	check_order(0, 2 * BUDGET + 10);
}
END_TEST

START_TEST(test_queue_is_bounded)
{
	struct batch b;
	uint32_t n = 0;

	batch_begin(&b, st);
	while (n <= BOUND && send_lo(numbered(n)) == 0)
		n++;
	ck_assert_uint_eq(n, BOUND);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_QUEUE_FULL), 1);
	ck_assert_uint_eq(lo->stats.tx_errors, 1);
	batch_end(&b);
	env_lab_advance(st->env, 0);
	check_order(0, BOUND);
}
END_TEST

START_TEST(test_queue_is_bounded_in_bytes)
{
	struct batch b;
	unsigned n = 0;

	sysctl_write(st, "net.weft.mem_limit", 1 << 20);
	batch_begin(&b, st);
	while (n < 100) {
		struct pkbuf *p = superframe(st, GSO_TCP4, 60000, 1448);

		pkbuf_trim_front(p, ETHER_HLEN);
		if (send_lo(p) < 0)
			break;
		n++;
	}
	ck_assert_uint_eq(n, (1 << 20) / 4 / 60052);
	batch_end(&b);
}
END_TEST

START_TEST(test_led_word_leaves_it_to_the_holder)
{
	struct batch b;

	atomic_store(&lo->queue[0].word, QUEUE_LED);
	batch_begin(&b, st);
	send_lo(numbered(0));
	batch_end(&b);
	ck_assert_uint_eq(got.count, 0);
	atomic_store(&lo->queue[0].word, QUEUE_VACANT);
	batch_begin(&b, st);
	send_lo(numbered(1));
	batch_end(&b);
	check_order(0, 2);
}
END_TEST

START_TEST(test_down_drops)
{
	struct batch b;

	batch_begin(&b, st);
	send_lo(numbered(0));
	netdev_down(lo);
	ck_assert_int_eq(send_lo(numbered(1)), -ENETDOWN);
	batch_end(&b);
	ck_assert_uint_eq(got.count, 0);
	ck_assert_uint_eq(pkbuf_drops(st, DROP_DEV_DOWN), 2);
}
END_TEST

START_TEST(test_end_with_a_full_queue)
{
	struct batch b;

	batch_begin(&b, st);
	for (uint32_t i = 0; i < BUDGET + 1; i++)
		send_lo(numbered(i));
	batch_end(&b); /* one is left to the alarm, which never comes */
	ck_assert_uint_eq(got.count, BUDGET);
}
END_TEST

/* Many threads, each sending in batches of its own: nothing is stranded, each one's order is kept. */
#define SENDERS 4
#define EACH 2000

/* The queue is full while its drainer is preempted: tried again, when others have had their turn. */
static bool send_until_taken(uint32_t number)
{
	struct batch b;
	int err = -1;

	for (unsigned tries = 0; err < 0 && tries < 1000000; tries++) {
		if (tries)
			sched_yield();
		batch_begin(&b, st);
		err = send_lo(numbered(number));
		batch_end(&b);
	}
	return err == 0;
}

static void *sender(void *arg)
{
	uint32_t who = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < EACH; i++) {
		if (!send_until_taken(who << 16 | i))
			return NULL;
	}
	return arg;
}

START_TEST(test_threads_strand_nothing)
{
	uint32_t next[SENDERS + 1] = {0};
	pthread_t t[SENDERS];
	struct pkbuf *b;
	void *done;

	for (uintptr_t i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, sender, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		ck_assert_int_eq(pthread_join(t[i], &done), 0);
		ck_assert_ptr_nonnull(done);
	}
	env_lab_advance(st->env, 0);
	ck_assert_uint_eq(got.count, SENDERS * EACH);
	while ((b = pkq_take(&got))) {
		uint32_t n = number_of(b);

		ck_assert_uint_eq(n & 0xffff, next[n >> 16]++);
		pkbuf_free(b);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("loop");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_create_is_lo);
	tcase_add_test(tc, test_xmit_does_not_call_in);
	tcase_add_test(tc, test_packet_comes_back_scrubbed);
	tcase_add_test(tc, test_super_frame_comes_back_whole);
	tcase_add_test(tc, test_answers_come_in_the_same_batch);
	tcase_add_test(tc, test_what_is_left_over_goes_to_the_alarm);
	tcase_add_test(tc, test_queue_is_bounded);
	tcase_add_test(tc, test_queue_is_bounded_in_bytes);
	tcase_add_test(tc, test_led_word_leaves_it_to_the_holder);
	tcase_add_test(tc, test_down_drops);
	tcase_add_test(tc, test_end_with_a_full_queue);
	tcase_add_test(tc, test_threads_strand_nothing);
	return unit_run("loop", tc);
}
