/*
 * tests/ip/test_inet_hash.c - connections found by four-tuple, replaced, taken over from TIME-WAIT;
 * bound socks by the best fit; references; and the table under four threads.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/harness/inet_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab lab;
static struct inet_table *table;
static unsigned freed;      /* small socks */
static bool take_answer;    /* of the TIME-WAIT callback */
static struct sock *takers; /* who asked last */

static bool take_timewait(struct sock_common *tw, struct sock *taker)
{
	ck_assert_uint_eq(tw->kind, SOCK_KIND_TIMEWAIT);
	takers = taker;
	return take_answer;
}

static void free_small(struct sock_common *c)
{
	freed++;
	free(c);
}

static void setup(void)
{
	ip_lab_open(&lab);
	table = inet_table_create(lab.st, IP_PROTO_TCP, take_timewait);
	inet_table_set_free(table, free_small);
	freed = 0;
	takers = NULL;
}

static void teardown(void)
{
	inet_table_destroy(table);
	ip_lab_close(&lab);
}

static struct inet_tuple tuple(const char *laddr, uint16_t lport, const char *raddr, uint16_t rport)
{
	return (struct inet_tuple){ip_of(laddr), ip_of(raddr), lport, rport, lab.eth->dev->ifindex};
}

static void set_tuple(struct sock_common *c, const struct inet_tuple *tu)
{
	c->laddr = tu->laddr;
	c->raddr = tu->raddr;
	c->lport = tu->lport;
	c->rport = tu->rport;
}

/* A request or TIME-WAIT sock with one reference. */
static struct sock_common *small(enum sock_kind kind, const struct inet_tuple *tu)
{
	struct sock_common *c = calloc(1, sizeof(*c));

	c->kind = (uint8_t)kind;
	c->ref = 1;
	c->families = SOCK_FAMILY_4;
	set_tuple(c, tu);
	return c;
}

static struct sock *stream_at(const struct inet_tuple *tu)
{
	struct sock *sk = inet_lab_sock(&lab, &inet_lab_stream, 0);

	set_tuple(&sk->c, tu);
	return sk;
}

static void expect_found(const struct inet_tuple *tu, const struct sock_common *want)
{
	struct sock_common *c = inet_lookup(table, tu);

	ck_assert_ptr_eq(c, want);
	if (c)
		inet_common_put(table, c);
}

/* --- connections ------------------------------------------------------------------------------ */

START_TEST(test_lookup_wants_all_four)
{
	struct inet_tuple tu = tuple("10.0.0.1", 80, "10.0.0.2", 1000), other;
	struct sock *sk = stream_at(&tu);

	ck_assert_int_eq(inet_hash_insert(table, &sk->c, NULL), 0);
	ck_assert(inet_hashed(&sk->c));
	expect_found(&tu, &sk->c);
	other = tuple("10.0.0.3", 80, "10.0.0.2", 1000);
	expect_found(&other, NULL);
	other = tuple("10.0.0.1", 81, "10.0.0.2", 1000);
	expect_found(&other, NULL);
	other = tuple("10.0.0.1", 80, "10.0.0.3", 1000);
	expect_found(&other, NULL);
	other = tuple("10.0.0.1", 80, "10.0.0.2", 1001);
	expect_found(&other, NULL);
	inet_lab_end(table, sk);
	expect_found(&tu, NULL);
}
END_TEST

START_TEST(test_lookup_bound_to_device_wants_it)
{
	struct inet_tuple tu = tuple("10.0.0.1", 80, "10.0.0.2", 1000);
	struct sock *sk = stream_at(&tu);

	sk->c.ifindex = tu.ifindex + 1;
	ck_assert_int_eq(inet_hash_insert(table, &sk->c, NULL), 0);
	expect_found(&tu, NULL);
	tu.ifindex++;
	expect_found(&tu, &sk->c);
	tu.ifindex = 0; /* an ICMP error does not know */
	expect_found(&tu, &sk->c);
	inet_lab_end(table, sk);
}
END_TEST

START_TEST(test_lookup_takes_a_reference)
{
	struct inet_tuple tu = tuple("10.0.0.1", 80, "10.0.0.2", 1000);
	struct sock *sk = stream_at(&tu);
	struct sock_common *c;

	ck_assert_int_eq(inet_hash_insert(table, &sk->c, NULL), 0);
	ck_assert_uint_eq(sk->c.ref, 2);
	c = inet_lookup(table, &tu);
	ck_assert_uint_eq(sk->c.ref, 3);
	inet_lab_end(table, sk);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_socks), 1);
	ck_assert(!inet_hashed(c));
	inet_common_put(table, c);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_socks), 0);
}
END_TEST

START_TEST(test_insert_same_tuple_eaddrinuse)
{
	struct inet_tuple tu = tuple("10.0.0.1", 80, "10.0.0.2", 1000);
	struct sock *a = stream_at(&tu), *b = stream_at(&tu);

	ck_assert_int_eq(inet_hash_insert(table, &a->c, NULL), 0);
	ck_assert_int_eq(inet_hash_insert(table, &b->c, NULL), -EADDRINUSE);
	ck_assert(!inet_hashed(&b->c));
	ck_assert_uint_eq(b->c.ref, 1);
	expect_found(&tu, &a->c);
	inet_lab_end(table, a);
	inet_lab_end(table, b);
}
END_TEST

START_TEST(test_insert_replaces_request_by_child)
{
	struct inet_tuple tu = tuple("10.0.0.1", 80, "10.0.0.2", 1000);
	struct sock_common *req = small(SOCK_KIND_REQUEST, &tu);
	struct sock *child = stream_at(&tu);

	ck_assert_int_eq(inet_hash_insert(table, req, NULL), 0);
	expect_found(&tu, req);
	ck_assert_int_eq(inet_hash_insert(table, &child->c, req), 0);
	ck_assert(!inet_hashed(req));
	ck_assert_uint_eq(req->ref, 1);
	expect_found(&tu, &child->c);
	inet_common_put(table, req);
	ck_assert_uint_eq(freed, 1);
	inet_lab_end(table, child);
}
END_TEST

/* Two SYNs find one TIME-WAIT sock: the second comes too late. */
START_TEST(test_insert_replaces_only_what_is_there)
{
	struct inet_tuple tu = tuple("10.0.0.1", 80, "10.0.0.2", 1000);
	struct sock_common *tw = small(SOCK_KIND_TIMEWAIT, &tu);
	struct sock_common *first = small(SOCK_KIND_REQUEST, &tu);
	struct sock_common *second = small(SOCK_KIND_REQUEST, &tu);

	ck_assert_int_eq(inet_hash_insert(table, tw, NULL), 0);
	ck_assert_int_eq(inet_hash_insert(table, first, tw), 0);
	ck_assert_int_eq(inet_hash_insert(table, second, tw), -EADDRINUSE);
	expect_found(&tu, first);
	inet_unhash(table, first);
	inet_unhash(table, first);
	inet_common_put(table, tw);
	inet_common_put(table, first);
	inet_common_put(table, second);
	ck_assert_uint_eq(freed, 3);
}
END_TEST

START_TEST(test_connect_takes_timewait_over_when_it_may)
{
	struct inet_tuple tu = tuple("10.0.0.1", 5000, "10.0.0.2", 80);
	struct sock_common *tw = small(SOCK_KIND_TIMEWAIT, &tu);
	struct sock *sk = inet_lab_sock(&lab, &inet_lab_stream, 0);

	ck_assert_int_eq(inet_hash_insert(table, tw, NULL), 0);
	ck_assert_int_eq(inet_lab_bind(table, sk, "10.0.0.1", 5000), 0);
	take_answer = false;
	ck_assert_int_eq(inet_lab_connect(table, sk, "10.0.0.2", 80), -EADDRNOTAVAIL);
	ck_assert_ptr_eq(takers, sk);
	expect_found(&tu, tw);
	take_answer = true;
	ck_assert_int_eq(inet_lab_connect(table, sk, "10.0.0.2", 80), 0);
	ck_assert(!inet_hashed(tw));
	expect_found(&tu, &sk->c);
	inet_common_put(table, tw);
	ck_assert_uint_eq(freed, 1);
	inet_lab_end(table, sk);
}
END_TEST

/* A port of one: an ephemeral port whose TIME-WAIT will not go is as good as taken. */
START_TEST(test_connect_ephemeral_asks_timewait)
{
	struct inet_tuple tu = tuple("10.0.0.1", 40000, "10.0.0.2", 80);
	struct sock_common *tw = small(SOCK_KIND_TIMEWAIT, &tu);
	struct sock *sk = inet_lab_sock(&lab, &inet_lab_stream, 0);

	sysctl_write(lab.st, "net.ipv4.ip_local_port_range.first", 40000);
	sysctl_write(lab.st, "net.ipv4.ip_local_port_range.last", 40000);
	ck_assert_int_eq(inet_hash_insert(table, tw, NULL), 0);
	take_answer = false;
	ck_assert_int_eq(inet_lab_connect(table, sk, "10.0.0.2", 80), -EADDRNOTAVAIL);
	ck_assert_ptr_null(sk->port);
	take_answer = true;
	ck_assert_int_eq(inet_lab_connect(table, sk, "10.0.0.2", 80), 0);
	ck_assert_ptr_nonnull(sk->port);
	inet_common_put(table, tw);
	inet_lab_end(table, sk);
}
END_TEST

START_TEST(test_connect_same_tuple_live_is_refused)
{
	struct inet_tuple tu = tuple("10.0.0.1", 5000, "10.0.0.2", 80);
	struct sock *live = stream_at(&tu), *sk = inet_lab_sock(&lab, &inet_lab_stream, 0);

	ck_assert_int_eq(inet_hash_insert(table, &live->c, NULL), 0);
	ck_assert_int_eq(inet_lab_bind(table, sk, "10.0.0.1", 5000), 0);
	ck_assert_int_eq(inet_lab_connect(table, sk, "10.0.0.2", 80), -EADDRNOTAVAIL);
	ck_assert_ptr_null(takers);
	inet_lab_end(table, live);
	inet_lab_end(table, sk);
}
END_TEST

/* --- bound socks ------------------------------------------------------------------------------ */

static struct sock *bound_at(const char *laddr, const char *raddr, uint32_t ifindex,
			     uint8_t families)
{
	struct inet_tuple tu = tuple(laddr, 53, raddr, ip_of(raddr).b[15] ? 1000 : 0);
	struct sock *sk = stream_at(&tu);

	sk->c.ifindex = ifindex;
	sk->c.families = families;
	sock_lock(sk);
	inet_hash_bound(table, sk);
	sock_unlock(sk);
	return sk;
}

static void expect_bound(const struct inet_tuple *tu, const struct sock *want)
{
	struct sock *sk = inet_lookup_bound(table, tu);

	ck_assert_ptr_eq(sk, want);
	if (sk)
		sock_put(sk);
}

/* From the best fit to none: each is found once those before it are gone. */
START_TEST(test_bound_best_fit_first)
{
	struct inet_tuple tu = tuple("10.0.0.1", 53, "10.0.0.2", 1000);
	uint8_t both = SOCK_FAMILY_4 | SOCK_FAMILY_6;
	struct sock *fit[] = {
	    bound_at("10.0.0.1", "10.0.0.2", 0, both),
	    bound_at("0.0.0.0", "10.0.0.2", 0, SOCK_FAMILY_4),
	    bound_at("10.0.0.1", "0.0.0.0", tu.ifindex, SOCK_FAMILY_4),
	    bound_at("10.0.0.1", "0.0.0.0", 0, both),
	    bound_at("0.0.0.0", "0.0.0.0", tu.ifindex, SOCK_FAMILY_4),
	    bound_at("0.0.0.0", "0.0.0.0", 0, SOCK_FAMILY_4),
	    bound_at("::", "0.0.0.0", 0, both),
	};
	struct sock *never[] = {
	    bound_at("10.0.0.1", "10.0.0.3", 0, SOCK_FAMILY_4),
	    bound_at("10.0.0.7", "10.0.0.2", 0, SOCK_FAMILY_4),
	    bound_at("0.0.0.0", "0.0.0.0", tu.ifindex + 1, SOCK_FAMILY_4),
	    bound_at("::", "::", 0, SOCK_FAMILY_6),
	};

	for (unsigned i = 0; i < sizeof(fit) / sizeof(fit[0]); i++) {
		expect_bound(&tu, fit[i]);
		inet_lab_end(table, fit[i]);
	}
	expect_bound(&tu, NULL);
	for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		inet_lab_end(table, never[i]);
}
END_TEST

START_TEST(test_bound_equal_fit_last_one_wins)
{
	struct inet_tuple tu = tuple("10.0.0.1", 53, "10.0.0.2", 1000);
	struct sock *a = bound_at("0.0.0.0", "0.0.0.0", 0, SOCK_FAMILY_4);
	struct sock *b = bound_at("0.0.0.0", "0.0.0.0", 0, SOCK_FAMILY_4);

	expect_bound(&tu, b);
	inet_lab_end(table, b);
	expect_bound(&tu, a);
	inet_lab_end(table, a);
}
END_TEST

START_TEST(test_bound_connected_wants_the_port_too)
{
	struct inet_tuple tu = tuple("10.0.0.1", 53, "10.0.0.2", 1001);
	struct sock *a = bound_at("10.0.0.1", "10.0.0.2", 0, SOCK_FAMILY_4);

	expect_bound(&tu, NULL);
	tu.rport = 1000;
	expect_bound(&tu, a);
	inet_lab_end(table, a);
}
END_TEST

START_TEST(test_bound_rehash_changes_the_peer)
{
	struct inet_tuple tu = tuple("10.0.0.1", 53, "10.0.0.2", 1000);
	struct inet_tuple other = tuple("10.0.0.1", 53, "10.0.0.3", 7);
	struct sock *a = bound_at("0.0.0.0", "0.0.0.0", 0, SOCK_FAMILY_4);

	expect_bound(&other, a);
	sock_lock(a);
	inet_rehash_bound(table, a, &tu);
	sock_unlock(a);
	expect_bound(&other, NULL);
	expect_bound(&tu, a);
	inet_lab_end(table, a);
}
END_TEST

struct seen {
	struct sock *sk[8];
	unsigned n;
};

static void see(struct sock *sk, void *arg)
{
	struct seen *s = arg;

	lock_rank_none();
	ck_assert_uint_ge(sk->c.ref, 3); /* the test's, the table's, the walk's */
	s->sk[s->n++] = sk;
}

START_TEST(test_each_bound_is_all_that_fit)
{
	struct inet_tuple tu = tuple("224.0.0.1", 53, "10.0.0.2", 1000);
	struct sock *sk[] = {
	    bound_at("0.0.0.0", "0.0.0.0", 0, SOCK_FAMILY_4),
	    bound_at("224.0.0.1", "0.0.0.0", 0, SOCK_FAMILY_4),
	    bound_at("10.0.0.1", "0.0.0.0", 0, SOCK_FAMILY_4),
	    bound_at("0.0.0.0", "10.0.0.3", 0, SOCK_FAMILY_4),
	    bound_at("::", "::", 0, SOCK_FAMILY_4 | SOCK_FAMILY_6),
	};
	struct seen s = {.n = 0};

	inet_each_bound(table, &tu, see, &s);
	ck_assert_uint_eq(s.n, 3); /* the last one bound first */
	ck_assert(s.sk[0] == sk[4] && s.sk[1] == sk[1] && s.sk[2] == sk[0]);
	tu.lport = 54;
	inet_each_bound(table, &tu, see, &s);
	ck_assert_uint_eq(s.n, 3);
	for (unsigned i = 0; i < 5; i++)
		inet_lab_end(table, sk[i]);
}
END_TEST

static void count(struct sock_common *c, void *arg)
{
	lock_rank_none();
	++*(unsigned *)arg;
}

START_TEST(test_each_is_both_tables)
{
	struct sock *sk[300];
	unsigned n = 0;

	inet_each(table, count, &n);
	ck_assert_uint_eq(n, 0);
	for (unsigned i = 0; i < 300; i++) {
		struct inet_tuple tu = tuple("10.0.0.1", (uint16_t)(i + 1), "10.0.0.2", 9);

		if (i < 100) {
			sk[i] = bound_at("0.0.0.0", "0.0.0.0", 0, SOCK_FAMILY_4);
			continue;
		}
		sk[i] = stream_at(&tu);
		ck_assert_int_eq(inet_hash_insert(table, &sk[i]->c, NULL), 0);
	}
	inet_each(table, count, &n);
	ck_assert_uint_eq(n, 300);
	for (unsigned i = 0; i < 300; i++)
		inet_lab_end(table, sk[i]);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 3000 };

/* Connects, is found by all, and goes; on the same few ports. */
static void *churn(void *arg)
{
	struct inet_tuple tu = tuple("10.0.0.1", 0, "10.0.0.2", 80);
	unsigned failed = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct sock *sk = inet_lab_sock(&lab, &inet_lab_stream, 0);

		if (inet_lab_connect(table, sk, "10.0.0.2", 80))
			failed++;
		tu.lport = (uint16_t)(40000 + i % 3);
		struct sock_common *c = inet_lookup(table, &tu);

		if (c)
			inet_common_put(table, c);
		inet_lab_end(table, sk);
	}
	*(unsigned *)arg = failed;
	return NULL;
}

START_TEST(test_threads_connect_look_up_and_leave)
{
	pthread_t thread[THREADS];
	unsigned failed[THREADS], all = 0;

	sysctl_write(lab.st, "net.ipv4.ip_local_port_range.first", 40000);
	sysctl_write(lab.st, "net.ipv4.ip_local_port_range.last", 40002);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, churn, &failed[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
		all += failed[i];
	}
	ck_assert_uint_lt(all, THREADS * ROUNDS); /* three ports for four threads */
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_socks), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("inet_hash");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lookup_wants_all_four);
	tcase_add_test(tc, test_lookup_bound_to_device_wants_it);
	tcase_add_test(tc, test_lookup_takes_a_reference);
	tcase_add_test(tc, test_insert_same_tuple_eaddrinuse);
	tcase_add_test(tc, test_insert_replaces_request_by_child);
	tcase_add_test(tc, test_insert_replaces_only_what_is_there);
	tcase_add_test(tc, test_connect_takes_timewait_over_when_it_may);
	tcase_add_test(tc, test_connect_ephemeral_asks_timewait);
	tcase_add_test(tc, test_connect_same_tuple_live_is_refused);
	tcase_add_test(tc, test_bound_best_fit_first);
	tcase_add_test(tc, test_bound_equal_fit_last_one_wins);
	tcase_add_test(tc, test_bound_connected_wants_the_port_too);
	tcase_add_test(tc, test_bound_rehash_changes_the_peer);
	tcase_add_test(tc, test_each_bound_is_all_that_fit);
	tcase_add_test(tc, test_each_is_both_tables);
	tcase_add_test(tc, test_threads_connect_look_up_and_leave);
	return unit_run("inet_hash", tc);
}
