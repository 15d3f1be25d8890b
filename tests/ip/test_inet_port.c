/*
 * tests/ip/test_inet_port.c - who may have which port: each cell of the sharing rules, ephemeral
 * ports of bind() and connect(), shares that children and TIME-WAIT take over.
 */
#include <errno.h>

#include "tests/harness/inet_lab.h"
#include "tests/harness/unit.h"

#define PORT 8080

static struct ip_lab lab;
static struct inet_table *table;

static void setup(void)
{
	struct batch batch;

	ip_lab_open(&lab);
	batch_begin(&batch, lab.st);
	ip_lab_device(&lab, "test1", "10.1.0.1/24");
	batch_end(&batch);
	table = inet_table_create(lab.st, IP_PROTO_TCP, NULL);
}

static void teardown(void)
{
	inet_table_destroy(table);
	ip_lab_close(&lab);
}

static struct sock *stream(uint32_t flags)
{
	return inet_lab_sock(&lab, &inet_lab_stream, flags);
}

static int bind_to(struct sock *sk, const char *addr, uint16_t port)
{
	return inet_lab_bind(table, sk, addr, port);
}

static int connect_to(struct sock *sk, const char *addr, uint16_t port)
{
	return inet_lab_connect(table, sk, addr, port);
}

static int listen_on(struct sock *sk)
{
	int err;

	sock_lock(sk);
	err = inet_listen(table, sk);
	sock_unlock(sk);
	return err;
}

static void unhash(struct sock *sk)
{
	sock_lock(sk);
	inet_unhash(table, &sk->c);
	sock_unlock(sk);
}

static void end_all(struct sock **sk, int n)
{
	for (int i = 0; i < n; i++)
		inet_lab_end(table, sk[i]);
}

/* --- the table -------------------------------------------------------------------------------- */

enum state { BOUND, LISTEN, TIMEWAIT };

/* One row: four cells, by who of (the one there, the one to come) has SO_REUSEADDR. */
static const struct row {
	enum state state; /* of the one that is there */
	const char *have, *want;
	const char *cells; /* none, the one there, the one to come, both: Conflict or Share */
} rows[] = {
    {BOUND, "10.0.0.1", "10.0.0.1", "CCCS"},    {BOUND, "0.0.0.0", "10.0.0.1", "CCCS"},
    {BOUND, "10.0.0.1", "0.0.0.0", "CCCS"},     {BOUND, "0.0.0.0", "0.0.0.0", "CCCS"},
    {BOUND, "10.0.0.1", "10.1.0.1", "SSSS"},    {LISTEN, "10.0.0.1", "10.0.0.1", "CCCC"},
    {LISTEN, "0.0.0.0", "10.0.0.1", "CCCC"},    {LISTEN, "10.0.0.1", "0.0.0.0", "CCCC"},
    {LISTEN, "0.0.0.0", "0.0.0.0", "CCCC"},     {LISTEN, "10.0.0.1", "10.1.0.1", "SSSS"},
    {TIMEWAIT, "10.0.0.1", "10.0.0.1", "CCCS"}, {TIMEWAIT, "0.0.0.0", "10.0.0.1", "CCCS"},
    {TIMEWAIT, "10.0.0.1", "0.0.0.0", "CCCS"},  {TIMEWAIT, "0.0.0.0", "0.0.0.0", "CCCS"},
    {TIMEWAIT, "10.0.0.1", "10.1.0.1", "SSSS"},
};
#define CELLS (4 * (int)(sizeof(rows) / sizeof(rows[0])))

START_TEST(test_port_cell)
{
	const struct row *r = &rows[_i / 4];
	struct sock *have = stream(_i & 1 ? SOCK_REUSEADDR : 0);
	struct sock *want = stream(_i & 2 ? SOCK_REUSEADDR : 0);
	struct port_share *tw = NULL;

	ck_assert_int_eq(bind_to(have, r->have, PORT), 0);
	if (r->state == LISTEN)
		ck_assert_int_eq(listen_on(have), 0);
	if (r->state == TIMEWAIT)
		tw = inet_port_give(table, have);
	ck_assert_int_eq(bind_to(want, r->want, PORT), r->cells[_i % 4] == 'S' ? 0 : -EADDRINUSE);
	inet_lab_end(table, want);
	inet_lab_end(table, have);
	inet_port_release(table, tw);
}
END_TEST

/* Both with SO_REUSEPORT share whatever they do; with one of them it is as without. */
START_TEST(test_port_reuseport_cell)
{
	const struct row *r = &rows[_i / 4];
	struct sock *have = stream(_i & 1 ? SOCK_REUSEPORT : 0);
	struct sock *want = stream(_i & 2 ? SOCK_REUSEPORT : 0);
	bool shares = r->cells[0] == 'S' || _i % 4 == 3;
	struct port_share *tw = NULL;

	ck_assert_int_eq(bind_to(have, r->have, PORT), 0);
	if (r->state == LISTEN)
		ck_assert_int_eq(listen_on(have), 0);
	if (r->state == TIMEWAIT)
		tw = inet_port_give(table, have);
	ck_assert_int_eq(bind_to(want, r->want, PORT), shares ? 0 : -EADDRINUSE);
	if (shares)
		ck_assert_int_eq(listen_on(want), 0);
	inet_lab_end(table, want);
	inet_lab_end(table, have);
	inet_port_release(table, tw);
}
END_TEST

/* Of a group that listens one ends: the others still stand in the way of who is not of it. */
START_TEST(test_port_group_goes_on_without_one)
{
	struct sock *sk[4];

	for (int i = 0; i < 4; i++) {
		sk[i] = stream(i < 3 ? SOCK_REUSEPORT | SOCK_REUSEADDR : SOCK_REUSEADDR);
		if (i < 3) {
			ck_assert_int_eq(bind_to(sk[i], "0.0.0.0", PORT), 0);
			ck_assert_int_eq(listen_on(sk[i]), 0);
		}
	}
	inet_lab_end(table, sk[0]);
	ck_assert_int_eq(bind_to(sk[3], "0.0.0.0", PORT), -EADDRINUSE);
	inet_lab_end(table, sk[1]);
	ck_assert_int_eq(bind_to(sk[3], "0.0.0.0", PORT), -EADDRINUSE);
	inet_lab_end(table, sk[2]);
	ck_assert_int_eq(bind_to(sk[3], "0.0.0.0", PORT), 0);
	inet_lab_end(table, sk[3]);
}
END_TEST

/* Datagram socks never listen: shared when both have SO_REUSEADDR, as on Linux. */
START_TEST(test_port_dgram_cell)
{
	struct sock *a = inet_lab_sock(&lab, &inet_lab_dgram, _i & 1 ? SOCK_REUSEADDR : 0);
	struct sock *b = inet_lab_sock(&lab, &inet_lab_dgram, _i & 2 ? SOCK_REUSEADDR : 0);

	ck_assert_int_eq(bind_to(a, "0.0.0.0", PORT), 0);
	ck_assert_int_eq(bind_to(b, "0.0.0.0", PORT), _i == 3 ? 0 : -EADDRINUSE);
	inet_lab_end(table, a);
	inet_lab_end(table, b);
}
END_TEST

/* Devices and families part what addresses do not. */
static const struct apart {
	uint32_t have_dev, want_dev;
	uint8_t have_families, want_families;
	bool shares;
} aparts[] = {
    {0, 0, SOCK_FAMILY_4, SOCK_FAMILY_4, false},
    {1, 0, SOCK_FAMILY_4, SOCK_FAMILY_4, false},
    {0, 1, SOCK_FAMILY_4, SOCK_FAMILY_4, false},
    {1, 1, SOCK_FAMILY_4, SOCK_FAMILY_4, false},
    {1, 2, SOCK_FAMILY_4, SOCK_FAMILY_4, true},
    {0, 0, SOCK_FAMILY_4, SOCK_FAMILY_6, true},
    {0, 0, SOCK_FAMILY_6, SOCK_FAMILY_4, true},
    {0, 0, SOCK_FAMILY_4, SOCK_FAMILY_4 | SOCK_FAMILY_6, false},
    {0, 0, SOCK_FAMILY_4 | SOCK_FAMILY_6, SOCK_FAMILY_6, false},
};

START_TEST(test_port_device_and_family_cell)
{
	const struct apart *a = &aparts[_i];
	struct sock *have = stream(0), *want = stream(0);

	have->c.ifindex = a->have_dev;
	want->c.ifindex = a->want_dev;
	have->c.families = a->have_families;
	want->c.families = a->want_families;
	ck_assert_int_eq(bind_to(have, "::", PORT), 0);
	ck_assert_int_eq(bind_to(want, "::", PORT), a->shares ? 0 : -EADDRINUSE);
	inet_lab_end(table, have);
	inet_lab_end(table, want);
}
END_TEST

START_TEST(test_port_other_port_shares)
{
	struct sock *sk[3] = {stream(0), stream(0), stream(0)};

	ck_assert_int_eq(bind_to(sk[0], "0.0.0.0", PORT), 0);
	ck_assert_int_eq(bind_to(sk[1], "0.0.0.0", PORT + 1), 0);
	ck_assert_int_eq(bind_to(sk[2], "0.0.0.0", PORT + 1024), 0); /* on the same chain */
	end_all(sk, 3);
}
END_TEST

/* --- listen ----------------------------------------------------------------------------------- */

START_TEST(test_listen_beside_bound_then_second_refused)
{
	struct sock *a = stream(SOCK_REUSEADDR), *b = stream(SOCK_REUSEADDR);

	ck_assert_int_eq(bind_to(a, "0.0.0.0", PORT), 0);
	ck_assert_int_eq(bind_to(b, "0.0.0.0", PORT), 0);
	ck_assert_ptr_eq(a->port, b->port); /* the same of everything: one share */
	ck_assert_int_eq(listen_on(a), 0);
	ck_assert_ptr_ne(a->port, b->port);
	ck_assert_int_eq(listen_on(b), -EADDRINUSE);
	inet_lab_end(table, a);
	ck_assert_int_eq(listen_on(b), 0);
	inet_lab_end(table, b);
}
END_TEST

/* shutdown() of a listener: the port it named stays its own, but it is in nobody's way more than
 * any bound sock. */
START_TEST(test_listen_ended_shares_as_bound)
{
	struct sock *a = stream(SOCK_REUSEADDR), *b = stream(SOCK_REUSEADDR);

	ck_assert_int_eq(bind_to(a, "0.0.0.0", PORT), 0);
	ck_assert_int_eq(listen_on(a), 0);
	ck_assert_int_eq(bind_to(b, "0.0.0.0", PORT), -EADDRINUSE);
	unhash(a);
	ck_assert_ptr_nonnull(a->port);
	ck_assert_int_eq(bind_to(b, "0.0.0.0", PORT), 0);
	inet_lab_end(table, a);
	inet_lab_end(table, b);
}
END_TEST

/* --- bind ------------------------------------------------------------------------------------- */

START_TEST(test_bind_twice_einval)
{
	struct sock *a = stream(0);

	ck_assert_int_eq(bind_to(a, "0.0.0.0", PORT), 0);
	ck_assert_int_eq(bind_to(a, "0.0.0.0", PORT + 1), -EINVAL);
	ck_assert_uint_eq(a->c.lport, PORT);
	inet_lab_end(table, a);
}
END_TEST

START_TEST(test_bind_foreign_address_eaddrnotavail)
{
	struct sock *a = stream(0);

	ck_assert_int_eq(bind_to(a, "10.0.0.2", PORT), -EADDRNOTAVAIL);
	ck_assert_ptr_null(a->port);
	ck_assert_int_eq(bind_to(a, "127.3.2.1", PORT), 0);
	inet_lab_end(table, a);
}
END_TEST

START_TEST(test_bind_group_or_broadcast_datagrams_only)
{
	static const char *const addrs[] = {"224.0.0.1", "255.255.255.255", "10.0.0.255"};
	struct sock *s = stream(0), *d = inet_lab_sock(&lab, &inet_lab_dgram, 0);

	ck_assert_int_eq(bind_to(s, addrs[_i], PORT), -EADDRNOTAVAIL);
	ck_assert_int_eq(bind_to(d, addrs[_i], PORT), 0);
	inet_lab_end(table, s);
	inet_lab_end(table, d);
}
END_TEST

START_TEST(test_bind_notes_what_was_named)
{
	struct sock *a = stream(0), *b = stream(0);
	struct ip_addr own = ip_of("10.0.0.1");
	uint32_t both = SOCK_BOUND_ADDR | SOCK_BOUND_PORT;

	ck_assert_int_eq(bind_to(a, "10.0.0.1", PORT), 0);
	ck_assert_uint_eq(a->flags & both, both);
	ck_assert(ip_addr_eq(&a->c.laddr, &own) && a->c.lport == PORT);
	ck_assert_int_eq(bind_to(b, "0.0.0.0", 0), 0);
	ck_assert_uint_eq(b->flags & both, 0);
	inet_lab_end(table, a);
	inet_lab_end(table, b);
}
END_TEST

START_TEST(test_bind_any_port_fills_range_then_eaddrinuse)
{
	struct sock *sk[5], *one_more = stream(SOCK_REUSEADDR);
	bool seen[5] = {false};

	inet_lab_range(&lab, 40000, 40004);
	for (int i = 0; i < 5; i++) {
		sk[i] = stream(SOCK_REUSEADDR);
		ck_assert_int_eq(bind_to(sk[i], "0.0.0.0", 0), 0);
		ck_assert(sk[i]->c.lport >= 40000 && sk[i]->c.lport <= 40004);
		ck_assert(!seen[sk[i]->c.lport - 40000]);
		seen[sk[i]->c.lport - 40000] = true;
	}
	ck_assert_int_eq(bind_to(one_more, "0.0.0.0", 0), -EADDRINUSE);
	inet_lab_end(table, sk[3]);
	ck_assert_int_eq(bind_to(one_more, "0.0.0.0", 0), 0);
	sk[3] = one_more;
	end_all(sk, 5);
}
END_TEST

START_TEST(test_bind_any_port_starts_at_random)
{
	struct sock *sk[20];
	int steps = 0;

	for (int i = 0; i < 20; i++) {
		sk[i] = stream(0);
		ck_assert_int_eq(bind_to(sk[i], "0.0.0.0", 0), 0);
		steps += i > 0 && sk[i]->c.lport == sk[i - 1]->c.lport + 1;
	}
	ck_assert_int_lt(steps, 3);
	end_all(sk, 20);
}
END_TEST

START_TEST(test_bind_range_crossed_is_first_alone)
{
	struct sock *a = stream(0), *b = stream(0);

	inet_lab_range(&lab, 50000, 40000);
	ck_assert_int_eq(bind_to(a, "0.0.0.0", 0), 0);
	ck_assert_uint_eq(a->c.lport, 50000);
	ck_assert_int_eq(bind_to(b, "0.0.0.0", 0), -EADDRINUSE);
	inet_lab_end(table, a);
	inet_lab_end(table, b);
}
END_TEST

/* --- connect ---------------------------------------------------------------------------------- */

START_TEST(test_connect_port_counts_up_for_one_destination)
{
	struct sock *sk[4];

	inet_lab_range(&lab, 40000, 49999);
	for (int i = 0; i < 4; i++) {
		sk[i] = stream(0);
		ck_assert_int_eq(connect_to(sk[i], "10.0.0.2", 80), 0);
	}
	for (int i = 1; i < 4; i++)
		ck_assert_int_eq(sk[i]->c.lport - 40000, (sk[i - 1]->c.lport - 40000 + 1) % 10000);
	end_all(sk, 4);
}
END_TEST

/* RFC 6056, 3.3.4: what goes elsewhere meanwhile cannot be counted. */
START_TEST(test_connect_port_tells_nothing_of_others)
{
	struct sock *sk[8];

	inet_lab_range(&lab, 40000, 49999);
	for (int i = 0; i < 8; i++) {
		sk[i] = stream(0);
		ck_assert_int_eq(connect_to(sk[i], i % 7 ? "10.0.0.3" : "10.0.0.2", 80), 0);
	}
	ck_assert_int_eq(sk[7]->c.lport - 40000, (sk[0]->c.lport - 40000 + 1) % 10000);
	end_all(sk, 8);
}
END_TEST

/* RFC 6056, 3.3.3: one destination's ports tell nothing of another's. */
START_TEST(test_connect_port_other_destination_begins_elsewhere)
{
	struct sock *sk[3] = {stream(0), stream(0), stream(0)};

	ck_assert_int_eq(connect_to(sk[0], "10.0.0.2", 80), 0);
	ck_assert_int_eq(connect_to(sk[1], "10.0.0.3", 80), 0);
	ck_assert_int_eq(connect_to(sk[2], "10.0.0.2", 81), 0);
	ck_assert_int_ne(sk[1]->c.lport, sk[0]->c.lport + 1);
	ck_assert_int_ne(sk[2]->c.lport, sk[0]->c.lport + 2);
	end_all(sk, 3);
}
END_TEST

START_TEST(test_connect_ports_run_out_for_one_destination)
{
	struct sock *sk[5], *over = stream(0);

	inet_lab_range(&lab, 40000, 40002);
	for (int i = 0; i < 3; i++) {
		sk[i] = stream(0);
		ck_assert_int_eq(connect_to(sk[i], "10.0.0.2", 80), 0);
	}
	ck_assert_int_eq(connect_to(over, "10.0.0.2", 80), -EADDRNOTAVAIL);
	ck_assert_ptr_null(over->port);
	sk[3] = stream(0);
	ck_assert_int_eq(connect_to(sk[3], "10.0.0.2", 81), 0); /* shares a port */
	inet_lab_end(table, sk[1]);
	ck_assert_int_eq(connect_to(over, "10.0.0.2", 80), 0);
	sk[1] = over;
	end_all(sk, 4);
}
END_TEST

START_TEST(test_connect_leaves_bound_ports_alone)
{
	struct sock *sk[3] = {stream(SOCK_REUSEADDR), stream(0), stream(0)};

	inet_lab_range(&lab, 40000, 40001);
	ck_assert_int_eq(bind_to(sk[0], "0.0.0.0", 40000), 0);
	ck_assert_int_eq(connect_to(sk[1], "10.0.0.2", 80), 0);
	ck_assert_uint_eq(sk[1]->c.lport, 40001);
	ck_assert_int_eq(connect_to(sk[2], "10.0.0.2", 80), -EADDRNOTAVAIL);
	end_all(sk, 3);
}
END_TEST

START_TEST(test_connect_bound_keeps_its_port)
{
	struct sock *a = stream(SOCK_REUSEADDR), *b = stream(SOCK_REUSEADDR);

	ck_assert_int_eq(bind_to(a, "10.0.0.1", PORT), 0);
	ck_assert_int_eq(bind_to(b, "10.0.0.1", PORT), 0);
	ck_assert_int_eq(connect_to(a, "10.0.0.2", 80), 0);
	ck_assert_uint_eq(a->c.lport, PORT);
	ck_assert_int_eq(connect_to(b, "10.0.0.2", 80), -EADDRNOTAVAIL);
	ck_assert_int_eq(connect_to(b, "10.0.0.2", 81), 0);
	inet_lab_end(table, a);
	inet_lab_end(table, b);
}
END_TEST

/* A connected sock, whose port connect() chose, is in the way of bind() as any other. */
START_TEST(test_bind_port_of_connected_conflicts)
{
	struct sock *sk[3] = {stream(0), stream(SOCK_REUSEADDR), stream(0)};

	ck_assert_int_eq(connect_to(sk[0], "10.0.0.2", 80), 0);
	ck_assert_int_eq(bind_to(sk[1], "0.0.0.0", sk[0]->c.lport), -EADDRINUSE);
	ck_assert_int_eq(bind_to(sk[2], "10.1.0.1", sk[0]->c.lport), 0);
	end_all(sk, 3);
}
END_TEST

/* --- taking over ------------------------------------------------------------------------------ */

static struct sock *child_of(struct sock *listener)
{
	struct sock *child = stream(0);

	child->c.laddr = ip_of("10.0.0.1");
	child->c.lport = listener->c.lport;
	ck_assert_int_eq(inet_port_inherit(table, child, listener), 0);
	return child;
}

START_TEST(test_children_have_one_share_that_outlives_listener)
{
	struct sock *l = stream(SOCK_REUSEADDR), *again = stream(SOCK_REUSEADDR), *a, *b;
	struct sock *plain = stream(0);

	ck_assert_int_eq(bind_to(l, "0.0.0.0", PORT), 0);
	ck_assert_int_eq(listen_on(l), 0);
	a = child_of(l);
	b = child_of(l);
	ck_assert_ptr_eq(a->port, b->port);
	ck_assert_ptr_ne(a->port, l->port);
	inet_lab_end(table, l);
	ck_assert_int_eq(bind_to(plain, "0.0.0.0", PORT), -EADDRINUSE);
	ck_assert_int_eq(bind_to(again, "0.0.0.0", PORT), 0);
	ck_assert_int_eq(listen_on(again), 0);
	inet_lab_end(table, again);
	inet_lab_end(table, a);
	inet_lab_end(table, b);
	ck_assert_int_eq(bind_to(plain, "0.0.0.0", PORT), 0);
	inet_lab_end(table, plain);
}
END_TEST

START_TEST(test_timewait_keeps_port_until_release)
{
	struct sock *a = stream(0), *b = stream(0);
	struct port_share *tw;
	uint16_t port;

	ck_assert_int_eq(connect_to(a, "10.0.0.2", 80), 0);
	port = a->c.lport;
	tw = inet_port_give(table, a);
	ck_assert_ptr_null(a->port);
	inet_lab_end(table, a);
	ck_assert_int_eq(bind_to(b, "0.0.0.0", port), -EADDRINUSE);
	inet_port_release(table, tw);
	ck_assert_int_eq(bind_to(b, "0.0.0.0", port), 0);
	inet_lab_end(table, b);
	inet_port_release(table, NULL);
}
END_TEST

START_TEST(test_unhash_gives_chosen_port_back_keeps_named_one)
{
	struct sock *chosen = stream(0), *named = stream(0);

	ck_assert_int_eq(connect_to(chosen, "10.0.0.2", 80), 0);
	ck_assert_int_eq(bind_to(named, "0.0.0.0", PORT), 0);
	ck_assert_int_eq(connect_to(named, "10.0.0.2", 80), 0);
	for (int i = 0; i < 2; i++) { /* and once more: idempotent */
		unhash(chosen);
		unhash(named);
		ck_assert(!inet_hashed(&chosen->c) && !inet_hashed(&named->c));
		ck_assert_ptr_null(chosen->port);
		ck_assert_ptr_nonnull(named->port);
	}
	inet_lab_end(table, chosen);
	inet_lab_end(table, named);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("inet_port");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_port_cell, 0, CELLS);
	tcase_add_loop_test(tc, test_port_reuseport_cell, 0, CELLS);
	tcase_add_test(tc, test_port_group_goes_on_without_one);
	tcase_add_loop_test(tc, test_port_dgram_cell, 0, 4);
	tcase_add_loop_test(tc, test_port_device_and_family_cell, 0,
			    (int)(sizeof(aparts) / sizeof(aparts[0])));
	tcase_add_test(tc, test_port_other_port_shares);
	tcase_add_test(tc, test_listen_beside_bound_then_second_refused);
	tcase_add_test(tc, test_listen_ended_shares_as_bound);
	tcase_add_test(tc, test_bind_twice_einval);
	tcase_add_test(tc, test_bind_foreign_address_eaddrnotavail);
	tcase_add_loop_test(tc, test_bind_group_or_broadcast_datagrams_only, 0, 3);
	tcase_add_test(tc, test_bind_notes_what_was_named);
	tcase_add_test(tc, test_bind_any_port_fills_range_then_eaddrinuse);
	tcase_add_test(tc, test_bind_any_port_starts_at_random);
	tcase_add_test(tc, test_bind_range_crossed_is_first_alone);
	tcase_add_test(tc, test_connect_port_counts_up_for_one_destination);
	tcase_add_test(tc, test_connect_port_tells_nothing_of_others);
	tcase_add_test(tc, test_connect_port_other_destination_begins_elsewhere);
	tcase_add_test(tc, test_connect_ports_run_out_for_one_destination);
	tcase_add_test(tc, test_connect_leaves_bound_ports_alone);
	tcase_add_test(tc, test_connect_bound_keeps_its_port);
	tcase_add_test(tc, test_bind_port_of_connected_conflicts);
	tcase_add_test(tc, test_children_have_one_share_that_outlives_listener);
	tcase_add_test(tc, test_timewait_keeps_port_until_release);
	tcase_add_test(tc, test_unhash_gives_chosen_port_back_keeps_named_one);
	return unit_run("inet_port", tc);
}
