/*
 * tests/ip/test_ip_thread.c - several threads at once: fragments of the same datagrams in halves,
 * senders, and somebody who changes routes, addresses and path MTUs under them.  Every datagram is
 * whole or not there, and nothing is left.  And ICMP errors, which have one limit.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mib.h"
#include "lib/random.h"
#include "lib/timer.h"
#include "net/ifaddr.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

#if defined(WEFT_SANITIZE)
enum { ROUNDS = 2000 };
#else
enum { ROUNDS = 20000 };
#endif
enum { FEEDERS = 3, SENDERS = 2, HALF = 400 };

/*
 * LOCKING
 *	c	constant while threads run	a	atomic
 */
static struct {
	struct env *env;                /* c */
	struct stack *st;               /* c */
	struct netdev *dev;             /* c */
	_Atomic unsigned whole, broken; /* a */
	_Atomic unsigned sent;          /* a */
	_Atomic bool stop;              /* a */
} t;

static void whole_in(struct pkbuf *b)
{
	uint8_t bytes[2 * HALF];

	pkbuf_read(b, 0, bytes, b->len < sizeof(bytes) ? b->len : sizeof(bytes));
	if (b->len == 2 * HALF && pattern_is(bytes, 2 * HALF, 0))
		t.whole++;
	else
		t.broken++;
	pkbuf_free(b);
}

static const struct ip_proto whole_proto = {.proto = IP_LAB_PROTO, .in = whole_in};

static int count_xmit(struct netdev *dev, struct pkbuf *b)
{
	t.sent++;
	pkbuf_free(b);
	return 0;
}

static const struct netdev_ops count_ops = {.kind = "count", .xmit = count_xmit};

static void setup(void)
{
	struct ip_addr a = ip_of("10.0.0.1"), gw = ip_of("10.0.0.2");
	struct netdev *lo;
	struct batch batch;

	memset(&t, 0, sizeof(t));
	t.env = env_thread_create();
	t.st = stack_alloc(t.env);
	ck_assert_ptr_nonnull(net_state_create(t.st));
	batch_begin(&batch, t.st);
	ck_assert_ptr_nonnull(arp_state_create(t.st));
	ck_assert_ptr_nonnull(ip_state_create(t.st));
	ip_proto_register(t.st, &whole_proto);
	ck_assert_int_eq(loop_create(t.st, &lo), 0);
	t.dev = netdev_alloc(t.st, "test0", &count_ops, &ether_link, 1);
	ck_assert_int_eq(netdev_register(t.dev), 0);
	netdev_up(t.dev);
	ck_assert_int_eq(ifaddr_add(t.dev, &a, IP_PREFIX4(24)), 0);
	ck_assert_int_eq(neigh_add_permanent(t.dev, &gw, (const uint8_t *)"\x02\0\0\0\0\x02"), 0);
	batch_end(&batch);
}

static void teardown(void)
{
	struct batch batch;

	batch_begin(&batch, t.st);
	ip_state_destroy(t.st);
	arp_state_destroy(t.st);
	batch_end(&batch);
	net_state_destroy(t.st);
	stack_free(t.st); /* stops when a gauge is not back at 0 */
	env_thread_destroy(t.env);
}

static void rx_half(uint16_t id, bool second)
{
	uint8_t bytes[ETHER_HLEN + IP4_HLEN + HALF] = {0};
	struct ip4_hdr *h = (struct ip4_hdr *)(bytes + ETHER_HLEN);
	struct pkbuf *b;
	struct batch batch;

	bytes[12] = 0x08;
	*h = (struct ip4_hdr){.ver_ihl = 0x45,
			      .len = be16_of(IP4_HLEN + HALF),
			      .id = be16_of(id),
			      .off = be16_of(second ? HALF / 8 : IP4_MF),
			      .ttl = 64,
			      .proto = IP_LAB_PROTO,
			      .src = {10, 0, 0, 2},
			      .dst = {10, 0, 0, 1}};
	ip4_csum_set(h);
	pattern_fill(bytes + ETHER_HLEN + IP4_HLEN, HALF, second ? HALF : 0);
	batch_begin(&batch, t.st);
	b = pkbuf_alloc(t.st, PKBUF_RX_HEAD);
	if (b && pkbuf_append(b, bytes, sizeof(bytes)) == 0)
		netdev_rx(t.dev, b);
	else if (b)
		pkbuf_free(b);
	batch_end(&batch);
}

/* All feeders use the same few identifications. */
static void *feeder_main(void *arg)
{
	struct random rnd;

	random_seed(&rnd, (uintptr_t)arg);
	for (unsigned i = 0; i < ROUNDS; i++)
		rx_half((uint16_t)random_below(&rnd, 8), random_below(&rnd, 2));
	return NULL;
}

static void *sender_main(void *arg)
{
	static const uint8_t data[1200];
	struct ip_flow f = {.proto = 17, .pmtudisc = PMTUDISC_WANT};
	struct path *path = NULL;
	int err;

	f.dst = ip_of("192.0.2.1");
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct batch batch;
		struct pkbuf *b;

		if (path && !path_is_current(path)) {
			path_put(path);
			path = NULL;
		}
		if (!path)
			path = path_get(t.st, &f, &err);
		batch_begin(&batch, t.st);
		b = pkbuf_alloc(t.st, PKBUF_TX_HEAD);
		if (b && pkbuf_append(b, data, sizeof(data)) == 0)
			ip_out(b, &f, path);
		else if (b)
			pkbuf_free(b);
		batch_end(&batch);
	}
	if (path)
		path_put(path);
	return NULL;
}

static struct route the_route(void)
{
	return (struct route){
	    .net = ip_of("192.0.2.0"),
	    .prefix = IP_PREFIX4(24),
	    .gateway = ip_of("10.0.0.2"),
	    .dev = t.dev,
	    .type = ROUTE_UNICAST,
	};
}

/* Everything a sender stands on, again and again, until the others are done. */
static void *changer_main(void *arg)
{
	struct route r = the_route();
	struct ip_addr dst = ip_of("192.0.2.1"), extra = ip_of("10.7.0.1");
	uint32_t mtu = 1400;

	while (!atomic_load(&t.stop)) {
		struct batch batch;

		batch_begin(&batch, t.st);
		route_add(t.st, &r);
		pmtu_learn(t.st, &dst, mtu, 1500);
		mtu = mtu > 600 ? mtu - 1 : 1400;
		ifaddr_add(t.dev, &extra, IP_PREFIX4(24));
		wheel_run(t.st->net_wheel);
		sysctl_write(t.st, "net.ipv4.ipfrag_high_thresh", 65536 + mtu * 100);
		ifaddr_del(t.dev, &extra);
		route_del(t.st, &r);
		batch_end(&batch);
	}
	return NULL;
}

/* Whether a sender met a route meanwhile is chance; with one that stays all of its datagrams go out. */
static void send_alone(void)
{
	struct route r = the_route();
	unsigned before = t.sent;
	struct batch batch;

	batch_begin(&batch, t.st);
	ck_assert_int_eq(route_add(t.st, &r), 0);
	batch_end(&batch);
	sender_main(NULL);
	ck_assert_uint_ge(t.sent - before, ROUNDS);
}

START_TEST(test_all_at_once)
{
	pthread_t feeder[FEEDERS], sender[SENDERS], changer;

	pthread_create(&changer, NULL, changer_main, NULL);
	for (uintptr_t i = 0; i < FEEDERS; i++)
		pthread_create(&feeder[i], NULL, feeder_main, (void *)(i + 1));
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_create(&sender[i], NULL, sender_main, NULL);
	for (unsigned i = 0; i < FEEDERS; i++)
		pthread_join(feeder[i], NULL);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(sender[i], NULL);
	atomic_store(&t.stop, true);
	pthread_join(changer, NULL);
	ck_assert_uint_eq(t.broken, 0);
	ck_assert_uint_gt(t.whole, ROUNDS / 4);
	send_alone();
	ck_assert_uint_eq(mib_read(t.st, MIB_Ip_ReasmReqds), FEEDERS * ROUNDS);
	ck_assert_uint_eq(mib_read(t.st, MIB_Ip_ReasmOKs), t.whole);
}
END_TEST

/* --- what ICMP may say ------------------------------------------------------------------------- */

/* From another host each time, to a protocol nobody has. */
static void rx_unknown(uint32_t from)
{
	uint8_t bytes[ETHER_HLEN + IP4_HLEN + 8] = {0};
	struct ip4_hdr *h = (struct ip4_hdr *)(bytes + ETHER_HLEN);
	be32 src = be32_of(0xc6120000u | from);
	struct pkbuf *b;
	struct batch batch;

	bytes[12] = 0x08;
	*h = (struct ip4_hdr){.ver_ihl = 0x45,
			      .len = be16_of(IP4_HLEN + 8),
			      .ttl = 64,
			      .proto = IP_LAB_PROTO + 1,
			      .dst = {10, 0, 0, 1}};
	memcpy(h->src, &src, sizeof(src));
	ip4_csum_set(h);
	batch_begin(&batch, t.st);
	b = pkbuf_alloc(t.st, PKBUF_RX_HEAD);
	if (b && pkbuf_append(b, bytes, sizeof(bytes)) == 0)
		netdev_rx(t.dev, b);
	else if (b)
		pkbuf_free(b);
	batch_end(&batch);
}

static void *stranger_main(void *arg)
{
	for (uint32_t i = 0; i < ROUNDS; i++)
		rx_unknown((uint32_t)(uintptr_t)arg + i * FEEDERS);
	return NULL;
}

/* RFC 1812, 4.3.2.8: one bucket for all, whoever looks at the clock first. */
START_TEST(test_icmp_errors_are_limited_together)
{
	uint64_t rate = (uint64_t)sysctl_get(t.st, icmp_msgs_per_sec), began = env_now(t.env), most;
	struct route r = the_route();
	pthread_t stranger[FEEDERS];

	r.net = ip_of("198.18.0.0");
	r.prefix = IP_PREFIX4(15);
	ck_assert_int_eq(route_add(t.st, &r), 0);
	for (uintptr_t i = 0; i < FEEDERS; i++)
		pthread_create(&stranger[i], NULL, stranger_main, (void *)i);
	for (unsigned i = 0; i < FEEDERS; i++)
		pthread_join(stranger[i], NULL);
	/* what one costs is drawn: twice as many are out of reach */
	most = 2 * (50 + rate * (env_now(t.env) - began) / NSEC_PER_SEC);
	ck_assert_uint_gt(t.sent, 0);
	ck_assert_uint_le(t.sent, most);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ip_thread");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_all_at_once);
	tcase_add_test(tc, test_icmp_errors_are_limited_together);
	return unit_run("ip_thread", tc);
}
