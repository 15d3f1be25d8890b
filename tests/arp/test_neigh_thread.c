/*
 * tests/arp/test_neigh_thread.c - many threads send to one neighbour while it is resolved, changes
 * its link address and grows stale: no packet is lost, and each thread's leave in its order.  And a
 * table too small for all, with everything that can happen to its entries at once.
 */
#include <pthread.h>
#include <string.h>

#include "lib/mib.h"
#include "lib/random.h"
#include "lib/slot.h"
#include "net/pkbuf.h"
#include "tests/harness/arp_lab.h"
#include "tests/harness/unit.h"

#if defined(WEFT_SANITIZE)
enum { ROUNDS = 200 };
#else
enum { ROUNDS = 2000 };
#endif
enum { SENDERS = 3, PACKETS = 200 };

struct mark {
	uint32_t sender, seq;
};

/*
 * LOCKING
 *	c	constant while threads run	a	atomic		m	mutex
 */
static struct {
	struct env *env;           /* c */
	struct stack *st;          /* c */
	struct netdev *dev;        /* c */
	struct neigh *n;           /* c: of the round, set between barriers */
	_Atomic bool stop;         /* a */
	pthread_barrier_t gate;    /* before and after each round */
	pthread_barrier_t started; /* the timer thread runs */
	pthread_mutex_t mutex;
	pthread_cond_t all_sent;
	uint32_t next[SENDERS]; /* m: the number expected of each */
	uint32_t sent;          /* m: of this round */
	uint32_t disorder;      /* m */
} t;

static int count_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct mark m;
	uint16_t type;

	pkbuf_read(b, ETHER_HLEN - 2, &type, 2);
	pkbuf_read(b, ETHER_HLEN, &m, sizeof(m));
	pkbuf_free(b);
	if (be16toh(type) != ETHER_TYPE_IP4)
		return 0;
	pthread_mutex_lock(&t.mutex);
	t.disorder += t.next[m.sender] != m.seq;
	t.next[m.sender] = m.seq + 1;
	if (++t.sent == SENDERS * PACKETS)
		pthread_cond_signal(&t.all_sent);
	pthread_mutex_unlock(&t.mutex);
	return 0;
}

static const struct netdev_ops count_ops = {.kind = "count", .xmit = count_xmit};

static void send_one(uint32_t sender, uint32_t seq)
{
	struct mark m = {sender, seq};
	struct batch batch;
	struct pkbuf *b;

	batch_begin(&batch, t.st);
	b = pkbuf_alloc(t.st, PKBUF_TX_HEAD);
	pkbuf_append(b, &m, sizeof(m));
	neigh_out(t.n, b, ETHER_TYPE_IP4);
	batch_end(&batch);
}

static void *sender_main(void *arg)
{
	uint32_t sender = (uint32_t)(uintptr_t)arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&t.gate); /* t.n is the round's */
		for (uint32_t i = 0; i < PACKETS; i++) {
			send_one(sender, round * PACKETS + i);
			neigh_confirm(t.n);
		}
		pthread_barrier_wait(&t.gate); /* nobody uses t.n */
	}
	return NULL;
}

static void *timer_main(void *arg)
{
	struct waiter *w = &slot_get(t.st)->waiter;
	uint64_t next;

	atomic_store(&wheel_alarm(t.st->net_wheel)->sleeper, w);
	pthread_barrier_wait(&t.started);
	while (!atomic_load(&t.stop)) {
		waiter_reset(w);
		next = env_thread_run_alarms(t.env, w);
		if (!atomic_load(&t.stop))
			env_wait(t.env, w, NULL, 0, next);
	}
	return NULL;
}

static void see(const struct ip_addr *a, const uint8_t *mac, bool solicited)
{
	struct neigh_seen seen = {.addr = *a, .solicited = solicited, .override = NEIGH_REPLACE};
	struct batch batch;

	memcpy(seen.mac, mac, ETHER_ALEN);
	batch_begin(&batch, t.st);
	neigh_update(t.dev, &seen);
	batch_end(&batch);
}

/* What the resolver does while they send. */
static void round_run(unsigned round)
{
	struct ip_addr a = ip_addr4(0x0a000100 + round);

	t.sent = 0;
	t.n = neigh_get(t.dev, &a);
	ck_assert_ptr_nonnull(t.n);
	pthread_barrier_wait(&t.gate);
	for (unsigned i = 0; i < 16; i++)
		see(&a, i & 1 ? mac_b : mac_a, i & 2);
	pthread_barrier_wait(&t.gate);
	pthread_mutex_lock(&t.mutex);
	while (t.sent < SENDERS * PACKETS)
		pthread_cond_wait(&t.all_sent, &t.mutex);
	pthread_mutex_unlock(&t.mutex);
	neigh_put(t.n);
	neigh_del(t.dev, &a);
}

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	t.env = env_thread_create();
	t.st = stack_alloc(t.env);
	net_state_create(t.st);
	arp_state_create(t.st);
	t.dev = netdev_alloc(t.st, "cnt0", &count_ops, &ether_link, 1);
	ck_assert_int_eq(netdev_register(t.dev), 0);
	netdev_up(t.dev);
	sysctl_write(t.st, "net.ipv4.neigh.default.unres_qlen", 10000);
	sysctl_write(t.st, "net.ipv4.neigh.default.unres_qlen_bytes", 67108864);
	pthread_mutex_init(&t.mutex, NULL);
	pthread_cond_init(&t.all_sent, NULL);
	pthread_barrier_init(&t.gate, NULL, SENDERS + 1);
	pthread_barrier_init(&t.started, NULL, 2);
}

static void teardown(void)
{
	arp_state_destroy(t.st);
	net_state_destroy(t.st);
	for (unsigned g = 0; g < GAUGE_MAX; g++)
		ck_assert_msg(gauge_read(t.st, g) == 0, "%s left", gauge_info[g].text);
	stack_free(t.st);
	env_thread_destroy(t.env);
	pthread_barrier_destroy(&t.gate);
	pthread_barrier_destroy(&t.started);
	pthread_cond_destroy(&t.all_sent);
	pthread_mutex_destroy(&t.mutex);
}

START_TEST(test_resolving_many_threads_send_none_lost_all_in_order)
{
	pthread_t timer, sender[SENDERS];

	pthread_create(&timer, NULL, timer_main, NULL);
	pthread_barrier_wait(&t.started);
	for (uintptr_t i = 0; i < SENDERS; i++)
		pthread_create(&sender[i], NULL, sender_main, (void *)i);
	for (unsigned round = 0; round < ROUNDS; round++)
		round_run(round);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(sender[i], NULL);
	atomic_store(&t.stop, true);
	waiter_wake(t.env, atomic_load(&wheel_alarm(t.st->net_wheel)->sleeper));
	pthread_join(timer, NULL);
	ck_assert_uint_eq(t.disorder, 0);
	ck_assert_uint_eq(mib_read(t.st, MIB_Arp_HoldDrops), 0);
	ck_assert_uint_eq(mib_read(t.st, MIB_Arp_Failed), 0);
}
END_TEST

/* --- churn ------------------------------------------------------------------------------------ */

enum { CHURN_HOSTS = 64, CHURN_BOUND = 32 };

static void churn_one(struct random *r)
{
	struct ip_addr a = ip_addr4(0x0a000100 + (uint32_t)random_below(r, CHURN_HOSTS));
	struct mark m = {0, 0};
	struct neigh *n;
	struct pkbuf *b;

	switch (random_below(r, 8)) {
	case 0:
		neigh_del(t.dev, &a);
		return;
	case 1:
		see(&a, mac_a, random_below(r, 2));
		return;
	case 2:
		neigh_flush(t.st, t.dev);
		return;
	default:
		break;
	}
	n = neigh_get(t.dev, &a);
	if (!n)
		return;
	b = pkbuf_alloc(t.st, PKBUF_TX_HEAD);
	pkbuf_append(b, &m, sizeof(m));
	neigh_out(n, b, ETHER_TYPE_IP4);
	neigh_confirm(n);
	neigh_put(n);
}

static void *churn_main(void *arg)
{
	struct batch batch;
	struct random r;

	random_seed(&r, (uintptr_t)arg);
	for (unsigned i = 0; i < ROUNDS * 50; i++) {
		batch_begin(&batch, t.st);
		churn_one(&r);
		batch_end(&batch);
	}
	return NULL;
}

/* Made, found, used, evicted, deleted and timed out at once: nothing is lost (teardown), none used after. */
START_TEST(test_full_table_many_threads_churn)
{
	pthread_t timer, churner[SENDERS];

	sysctl_write(t.st, "net.ipv4.neigh.default.gc_thresh3", CHURN_BOUND);
	sysctl_write(t.st, "net.ipv4.neigh.default.retrans_time_ms", 10);
	sysctl_write(t.st, "net.ipv4.neigh.default.base_reachable_time_ms", 100);
	pthread_create(&timer, NULL, timer_main, NULL);
	pthread_barrier_wait(&t.started);
	for (uintptr_t i = 0; i < SENDERS; i++)
		pthread_create(&churner[i], NULL, churn_main, (void *)(i + 1));
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(churner[i], NULL);
	atomic_store(&t.stop, true);
	waiter_wake(t.env, atomic_load(&wheel_alarm(t.st->net_wheel)->sleeper));
	pthread_join(timer, NULL);
	ck_assert_uint_le(neigh_list(t.st, NULL, 0), CHURN_BOUND + SENDERS);
	ck_assert_uint_gt(mib_read(t.st, MIB_Arp_Resolved), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("neigh_thread");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_resolving_many_threads_send_none_lost_all_in_order);
	tcase_add_test(tc, test_full_table_many_threads_churn);
	return unit_run("neigh_thread", tc);
}
