/*
 * tests/ip/test_inet_sock.c - a sock's life, its lock with the work left in it, the bound of its
 * backlog, its accounts; and all of it at once, from devices, timers and programs on threads.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "ip/inet_hash.h"
#include "ip/inet_sock.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

/*
 * A protocol that counts what it is told.
 *
 * LOCKING: everything under the sock's lock, so that a race shows under ThreadSanitizer.
 */
struct probe {
	struct sock sk;
	unsigned packets, errors, timers, pushes, reclaims, destroyed;
	unsigned order[64]; /* `marks` of packets as they came */
	struct sock_err last;
	void (*in)(struct probe *p, struct pkbuf *b); /* before b is freed */
};

static struct ip_lab lab;
static unsigned destroyed;
static bool init_fails;

static struct probe *probe_of(struct sock *sk)
{
	return (struct probe *)(void *)sk;
}

static int probe_init(struct sock *sk)
{
	return init_fails ? -ENOMEM : 0;
}

static void probe_backlog_in(struct sock *sk, struct pkbuf *b)
{
	struct probe *p = probe_of(sk);

	ck_assert(lock_is_held(&sk->c.lock));
	if (b->kind == PKBUF_ERROR) {
		p->errors++;
		memcpy(&p->last, b->cb, sizeof(p->last));
	} else {
		p->order[p->packets++ % 64] = b->mark;
	}
	if (p->in)
		p->in(p, b);
	pkbuf_free(b);
}

static void probe_timer(struct sock *sk)
{
	ck_assert(lock_is_held(&sk->c.lock));
	probe_of(sk)->timers++;
}

static void probe_push(struct sock *sk)
{
	ck_assert(lock_is_held(&sk->c.lock));
	ck_assert(!sk->c.on_batch);
	probe_of(sk)->pushes++;
}

static void probe_reclaim(struct sock *sk)
{
	ck_assert(lock_is_held(&sk->c.lock));
	probe_of(sk)->reclaims++;
}

static void probe_destroy(struct sock *sk)
{
	destroyed++;
}

static const struct sock_ops probe_ops = {
    .proto = IP_LAB_PROTO,
    .type = SOCK_DGRAM,
    .size = sizeof(struct probe),
    .name = "probe",
    .init = probe_init,
    .backlog_in = probe_backlog_in,
    .timer = probe_timer,
    .push = probe_push,
    .reclaim = probe_reclaim,
    .destroy = probe_destroy,
};

static struct batch batch;

static void setup(void)
{
	ip_lab_open(&lab);
	destroyed = 0;
	init_fails = false;
	batch_begin(&batch, lab.st);
}

static void teardown(void)
{
	batch_end(&batch);
	ip_lab_close(&lab);
}

static struct probe *probe_new(void)
{
	struct sock *sk = sock_alloc(lab.st, &probe_ops);

	ck_assert_ptr_nonnull(sk);
	return probe_of(sk);
}

static struct pkbuf *packet(uint32_t mark)
{
	struct pkbuf *b = pkbuf_alloc(lab.st, PKBUF_TX_HEAD);

	ck_assert_ptr_nonnull(b);
	b->mark = mark;
	return b;
}

/* --- life ------------------------------------------------------------------------------------- */

START_TEST(test_alloc_sets_defaults)
{
	struct probe *p;

	sysctl_write(lab.st, "net.core.rmem_default", 5000);
	sysctl_write(lab.st, "net.core.wmem_default", 6000);
	p = probe_new();
	ck_assert_uint_eq(p->sk.rcvbuf, 5000);
	ck_assert_uint_eq(p->sk.sndbuf, 6000);
	ck_assert_uint_eq(p->sk.c.proto, IP_LAB_PROTO);
	ck_assert_uint_eq(p->sk.c.families, SOCK_FAMILY_4);
	ck_assert_uint_eq(p->sk.pmtudisc, PMTUDISC_WANT);
	ck_assert_uint_eq(p->sk.rare->rcvlowat, 1);
	ck_assert_uint_eq(p->sk.rare->mcast_ttl, 1);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_socks), 1);
	sock_put(&p->sk);
	sysctl_write(lab.st, "net.ipv4.ip_no_pmtu_disc", 1);
	p = probe_new();
	ck_assert_uint_eq(p->sk.pmtudisc, PMTUDISC_DONT);
	sock_put(&p->sk);
}
END_TEST

START_TEST(test_alloc_init_fails_null)
{
	init_fails = true;
	ck_assert_ptr_null(sock_alloc(lab.st, &probe_ops));
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_socks), 0);
}
END_TEST

START_TEST(test_last_put_destroys)
{
	struct probe *p = probe_new();

	sock_hold(&p->sk);
	sock_put(&p->sk);
	ck_assert_uint_eq(destroyed, 0);
	sock_put(&p->sk);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_socks), 0);
}
END_TEST

/* --- the lock and what is left in it ---------------------------------------------------------- */

START_TEST(test_deliver_unlocked_runs_at_once)
{
	struct probe *p = probe_new();

	ck_assert(sock_deliver(&p->sk, packet(7)));
	ck_assert_uint_eq(p->packets, 1);
	ck_assert_uint_eq(p->order[0], 7);
	ck_assert_uint_eq(p->sk.backlog_bytes, 0);
	lock_rank_none();
	sock_put(&p->sk);
}
END_TEST

START_TEST(test_deliver_locked_waits_and_keeps_order)
{
	struct probe *p = probe_new();

	sock_lock(&p->sk);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert(sock_deliver(&p->sk, packet(i)));
	ck_assert_uint_eq(p->packets, 0);
	ck_assert_uint_gt(p->sk.backlog_bytes, 0);
	sock_unlock(&p->sk);
	ck_assert_uint_eq(p->packets, 10);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_uint_eq(p->order[i], i);
	ck_assert_uint_eq(p->sk.backlog_bytes, 0);
	sock_put(&p->sk);
}
END_TEST

static void deliver_more(struct probe *p, struct pkbuf *b)
{
	if (b->mark < 5)
		ck_assert(sock_deliver(&p->sk, packet(b->mark + 1)));
}

/* What comes while the holder drains is done by the same holder, later. */
START_TEST(test_deliver_while_draining_runs_before_unlock_returns)
{
	struct probe *p = probe_new();

	p->in = deliver_more;
	ck_assert(sock_deliver(&p->sk, packet(0)));
	ck_assert_uint_eq(p->packets, 6);
	for (uint32_t i = 0; i < 6; i++)
		ck_assert_uint_eq(p->order[i], i);
	ck_assert_uint_eq(p->sk.backlog_bytes, 0);
	sock_put(&p->sk);
}
END_TEST

/* A flood while the holder drains: uncharged at the end only, so the drain comes to one. */
static void deliver_for_ever(struct probe *p, struct pkbuf *b)
{
	sock_deliver(&p->sk, packet(b->mark + 1));
}

START_TEST(test_drain_under_flood_ends)
{
	struct probe *p = probe_new();

	p->in = deliver_for_ever;
	sock_deliver(&p->sk, packet(0));
	ck_assert_uint_gt(p->packets, 10);
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_SOCK_BACKLOG), 1);
	ck_assert_uint_eq(p->sk.backlog_bytes, 0);
	sock_put(&p->sk);
}
END_TEST

START_TEST(test_backlog_bound_is_buffers_and_64k)
{
	struct probe *p = probe_new();
	uint32_t each, sent = 0, bound = 10000 + 20000 + 65536;
	struct pkbuf *b;

	p->sk.rcvbuf = 10000;
	p->sk.sndbuf = 20000;
	sock_lock(&p->sk);
	for (;;) {
		b = packet(0);
		each = b->pinned;
		if (!sock_deliver(&p->sk, b))
			break;
		sent++;
	}
	ck_assert_uint_eq(sent, bound / each);
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_SOCK_BACKLOG), 1);
	ck_assert_uint_eq(p->sk.backlog_bytes, sent * each);
	sock_unlock(&p->sk);
	ck_assert_uint_eq(p->packets, sent);
	sock_put(&p->sk);
}
END_TEST

/* An error must get through a full backlog; but many errors must not. */
START_TEST(test_backlog_full_takes_few_errors)
{
	struct probe *p = probe_new();
	struct sock_err e = {.err = ECONNREFUSED, .type = 3, .code = 3, .fatal = true, .seq = 99};

	p->sk.rcvbuf = p->sk.sndbuf = 0;
	sock_lock(&p->sk);
	while (sock_deliver(&p->sk, packet(0)))
		;
	for (unsigned i = 0; i < 10000; i++)
		sock_deliver_error(&p->sk, &e, NULL, 0);
	sock_unlock(&p->sk);
	ck_assert_uint_ge(p->errors, 10);
	ck_assert_uint_lt(p->errors, 1000);
	ck_assert_int_eq(memcmp(&p->last, &e, sizeof(e)), 0);
	sock_put(&p->sk);
}
END_TEST

START_TEST(test_lock_or_leave_timer_and_reclaim)
{
	struct probe *p = probe_new();

	sock_lock(&p->sk);
	ck_assert(!sock_lock_or_leave(&p->sk, SOCK_WORK_TIMER));
	ck_assert(!sock_lock_or_leave(&p->sk, SOCK_WORK_TIMER | SOCK_WORK_RECLAIM));
	ck_assert_uint_eq(p->timers, 0);
	sock_unlock(&p->sk);
	ck_assert_uint_eq(p->timers, 1);
	ck_assert_uint_eq(p->reclaims, 1);
	ck_assert(sock_lock_or_leave(&p->sk, SOCK_WORK_TIMER));
	sock_unlock(&p->sk);
	ck_assert_uint_eq(p->timers, 2);
	sock_put(&p->sk);
}
END_TEST

START_TEST(test_push_later_runs_once_a_batch)
{
	struct probe *p = probe_new();

	for (unsigned i = 0; i < 3; i++) {
		sock_lock(&p->sk);
		sock_push_later(&p->sk);
		sock_unlock(&p->sk);
	}
	ck_assert_uint_eq(p->pushes, 0);
	ck_assert_uint_eq(p->sk.c.ref, 2); /* the batch has one */
	batch_end(&batch);
	ck_assert_uint_eq(p->pushes, 1);
	ck_assert_uint_eq(p->sk.c.ref, 1);
	batch_begin(&batch, lab.st);
	sock_put(&p->sk);
}
END_TEST

/* The batch's reference is the last one: the sock is pushed and then ends. */
START_TEST(test_push_later_outlives_the_owner)
{
	struct probe *p = probe_new();

	sock_lock(&p->sk);
	sock_push_later(&p->sk);
	sock_unlock(&p->sk);
	sock_put(&p->sk);
	ck_assert_uint_eq(destroyed, 0);
	batch_end(&batch);
	ck_assert_uint_eq(destroyed, 1);
	batch_begin(&batch, lab.st);
}
END_TEST

START_TEST(test_lock_child_under_its_listener)
{
	struct probe *l = probe_new(), *child = probe_new();

	sock_lock(&l->sk);
	sock_lock_child(&child->sk);
	ck_assert(lock_is_held(&l->sk.c.lock) && lock_is_held(&child->sk.c.lock));
	sock_unlock(&child->sk);
	sock_unlock(&l->sk);
	sock_put(&l->sk);
	sock_put(&child->sk);
}
END_TEST

/* --- errors, events, accounts ----------------------------------------------------------------- */

static uint32_t told;

static void note_ready(struct sock *sk, uint32_t events)
{
	told |= events;
}

static const struct sock_events note_events = {.ready = note_ready};

START_TEST(test_error_is_told_and_taken_once)
{
	struct probe *p = probe_new();

	told = 0;
	sock_lock(&p->sk);
	sock_set_error(&p->sk, ECONNRESET); /* nobody listens */
	ck_assert_uint_eq(told, 0);
	p->sk.stack->sock_events = &note_events;
	sock_set_error(&p->sk, EPIPE);
	ck_assert_uint_eq(told, EPOLLERR);
	ck_assert_int_eq(sock_take_error(&p->sk), -EPIPE);
	ck_assert_int_eq(sock_take_error(&p->sk), 0);
	sock_unlock(&p->sk);
	sock_put(&p->sk);
}
END_TEST

START_TEST(test_rcv_charge_stops_at_rcvbuf)
{
	struct probe *p = probe_new();

	p->sk.rcvbuf = 1000;
	ck_assert(sock_rcv_charge(&p->sk, 5000)); /* an empty queue takes one of any size */
	ck_assert(!sock_rcv_charge(&p->sk, 1));
	sock_rcv_uncharge(&p->sk, 5000);
	ck_assert(sock_rcv_charge(&p->sk, 400));
	ck_assert(sock_rcv_charge(&p->sk, 600));
	ck_assert(!sock_rcv_charge(&p->sk, 1));
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_rcv_bytes), 1000);
	sock_rcv_uncharge(&p->sk, 1000);
	sock_snd_charge(&p->sk, 70);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_snd_bytes), 70);
	sock_snd_uncharge(&p->sk, 70);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_snd_bytes), 0);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_rcv_bytes), 0);
	sock_put(&p->sk);
}
END_TEST

START_TEST(test_path_is_kept_until_routes_move)
{
	struct probe *p = probe_new();
	struct path *first, *second;
	int err = 0;

	sock_lock(&p->sk);
	p->sk.c.raddr = ip_of("10.0.0.2");
	first = sock_path(&p->sk, &err);
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_eq(sock_path(&p->sk, &err), first);
	path_hold(first);
	ip_lab_route(&lab, "10.9.0.0/16", "10.0.0.3");
	second = sock_path(&p->sk, &err);
	ck_assert_ptr_nonnull(second);
	ck_assert_ptr_ne(second, first);
	path_put(first);
	p->sk.c.raddr = ip_of("172.16.0.1");
	ip_lab_route(&lab, "10.8.0.0/16", "10.0.0.3");
	ck_assert_ptr_null(sock_path(&p->sk, &err));
	ck_assert_int_eq(err, -ENETUNREACH);
	ck_assert_ptr_null(p->sk.path);
	sock_unlock(&p->sk);
	sock_put(&p->sk);
}
END_TEST

START_TEST(test_flow_carries_what_the_sock_wants)
{
	struct probe *p = probe_new();
	struct ip_addr to = ip_of("10.0.0.2"), group = ip_of("224.0.0.1");
	struct ip_flow f;

	p->sk.c.laddr = ip_of("10.0.0.1");
	p->sk.c.ifindex = 3;
	sock_rare_get(&p->sk)->mark = 4;
	p->sk.tos = 5;
	p->sk.ttl = 6;
	sock_rare_get(&p->sk)->mcast_ttl = 7;
	p->sk.pmtudisc = PMTUDISC_DO;
	p->sk.flags = SOCK_BROADCAST;
	sock_flow(&p->sk, &to, &f);
	ck_assert(ip_addr_eq(&f.src, &p->sk.c.laddr) && ip_addr_eq(&f.dst, &to));
	ck_assert(f.ifindex == 3 && f.mark == 4 && f.tos == 5 && f.ttl == 6);
	ck_assert(f.proto == IP_LAB_PROTO && f.pmtudisc == PMTUDISC_DO);
	ck_assert(f.broadcast && !f.hdrincl && f.optlen == 0);
	sock_flow(&p->sk, &group, &f);
	ck_assert_uint_eq(f.ttl, 7);
	p->sk.c.laddr = group; /* bound to receive: no source */
	inet_bound_to(&p->sk, &group);
	sock_flow(&p->sk, &to, &f);
	ck_assert(ip_addr_is_any(&f.src));
	sock_put(&p->sk);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

enum { DEVICES = 2, ROUNDS = 4000 };

static struct probe *shared;

static void *device(void *arg)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct batch b;

		batch_begin(&b, lab.st);
		if (!sock_deliver(&shared->sk, packet(i)))
			++*(unsigned *)arg;
		batch_end(&b);
	}
	return NULL;
}

static void *timer_thread(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct batch b;

		batch_begin(&b, lab.st);
		sock_hold(&shared->sk);
		if (sock_lock_or_leave(&shared->sk, SOCK_WORK_TIMER))
			sock_unlock(&shared->sk);
		sock_put(&shared->sk);
		batch_end(&b);
	}
	return NULL;
}

static void *program(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct batch b;

		batch_begin(&b, lab.st);
		sock_lock(&shared->sk);
		shared->order[i % 64]++;
		sock_push_later(&shared->sk);
		sock_unlock(&shared->sk);
		batch_end(&b);
	}
	return NULL;
}

START_TEST(test_threads_lose_no_packet_timer_or_push)
{
	pthread_t thread[DEVICES + 3];
	unsigned dropped[DEVICES] = {0}, n = 0, lost = 0;

	shared = probe_new();
	for (; n < DEVICES; n++)
		ck_assert_int_eq(pthread_create(&thread[n], NULL, device, &dropped[n]), 0);
	ck_assert_int_eq(pthread_create(&thread[n++], NULL, timer_thread, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread[n++], NULL, program, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread[n++], NULL, program, NULL), 0);
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	for (unsigned i = 0; i < DEVICES; i++)
		lost += dropped[i];
	ck_assert_uint_eq(shared->packets + lost, DEVICES * ROUNDS);
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_SOCK_BACKLOG), lost);
	ck_assert_uint_ge(shared->timers, 1);
	ck_assert_uint_le(shared->timers, ROUNDS);
	ck_assert_uint_ge(shared->pushes, 1);
	ck_assert_uint_le(shared->pushes, 2 * ROUNDS);
	/* nothing is left: no work bit, no mark, no charge, no reference */
	ck_assert_uint_eq(shared->sk.c.lock.word, 0);
	ck_assert_uint_eq(shared->sk.c.on_batch, 0);
	ck_assert_uint_eq(shared->sk.backlog_bytes, 0);
	ck_assert_uint_eq(shared->sk.c.ref, 1);
	sock_put(&shared->sk);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("inet_sock");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_alloc_sets_defaults);
	tcase_add_test(tc, test_alloc_init_fails_null);
	tcase_add_test(tc, test_last_put_destroys);
	tcase_add_test(tc, test_deliver_unlocked_runs_at_once);
	tcase_add_test(tc, test_deliver_locked_waits_and_keeps_order);
	tcase_add_test(tc, test_deliver_while_draining_runs_before_unlock_returns);
	tcase_add_test(tc, test_drain_under_flood_ends);
	tcase_add_test(tc, test_backlog_bound_is_buffers_and_64k);
	tcase_add_test(tc, test_backlog_full_takes_few_errors);
	tcase_add_test(tc, test_lock_or_leave_timer_and_reclaim);
	tcase_add_test(tc, test_push_later_runs_once_a_batch);
	tcase_add_test(tc, test_push_later_outlives_the_owner);
	tcase_add_test(tc, test_lock_child_under_its_listener);
	tcase_add_test(tc, test_error_is_told_and_taken_once);
	tcase_add_test(tc, test_rcv_charge_stops_at_rcvbuf);
	tcase_add_test(tc, test_path_is_kept_until_routes_move);
	tcase_add_test(tc, test_flow_carries_what_the_sock_wants);
	tcase_add_test(tc, test_threads_lose_no_packet_timer_or_push);
	return unit_run("inet_sock", tc);
}
