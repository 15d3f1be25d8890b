/*
 * tests/ip/test_inet_port_own.c - which port a sock of its own wishes gets: IP_LOCAL_PORT_RANGE, and
 * IP_BIND_ADDRESS_NO_PORT.
 */
#include <errno.h>

#include "tests/harness/inet_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab lab;
static struct inet_table *table;

static void setup(void)
{
	ip_lab_open(&lab);
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

static void set_own_range(struct sock *sk, uint32_t range)
{
	sock_lock(sk);
	sock_rare_get(sk)->port_range = range;
	sock_unlock(sk);
}

/* IP_LOCAL_PORT_RANGE: a bound of its own that the stack's range does not hold says nothing. */
static const struct own_range {
	uint16_t first, last, least, most; /* what is set, and what comes */
} own_ranges[] = {
    {40002, 40003, 40002, 40003}, {40004, 0, 40004, 40004},     {0, 40000, 40000, 40000},
    {39000, 40001, 40000, 40001}, {40003, 50000, 40003, 40004}, {0, 0, 40000, 40004},
};

START_TEST(test_bind_any_port_of_its_own_range)
{
	const struct own_range *r = &own_ranges[_i];
	struct sock *sk[5], *over = stream(0);
	int n = r->most - r->least + 1;
	uint32_t range = r->first | (uint32_t)r->last << 16;

	inet_lab_range(&lab, 40000, 40004);
	for (int i = 0; i < n; i++) {
		sk[i] = stream(0);
		set_own_range(sk[i], range);
		ck_assert_int_eq(inet_lab_bind(table, sk[i], "0.0.0.0", 0), 0);
		ck_assert(sk[i]->c.lport >= r->least && sk[i]->c.lport <= r->most);
	}
	set_own_range(over, range);
	ck_assert_int_eq(inet_lab_bind(table, over, "0.0.0.0", 0), -EADDRINUSE);
	inet_lab_end(table, over);
	while (n--)
		inet_lab_end(table, sk[n]);
}
END_TEST

/* IP_BIND_ADDRESS_NO_PORT: the port is connect()'s, so one serves many destinations. */
START_TEST(test_bind_address_port_by_connect)
{
	struct sock *a = stream(SOCK_BIND_NO_PORT), *b = stream(SOCK_BIND_NO_PORT);
	struct ip_addr here = ip_of("10.0.0.1");

	inet_lab_range(&lab, 40000, 40000);
	sock_lock(a);
	ck_assert_int_eq(inet_bind_addr(a, &here), 0);
	sock_unlock(a);
	sock_lock(b);
	ck_assert_int_eq(inet_bind_addr(b, &here), 0);
	sock_unlock(b);
	ck_assert_ptr_null(a->port);
	ck_assert(a->flags & SOCK_BOUND_ADDR);
	ck_assert_int_eq(inet_lab_connect(table, a, "10.0.0.2", 80), 0);
	ck_assert_int_eq(inet_lab_connect(table, b, "10.0.0.3", 80), 0);
	ck_assert_uint_eq(a->c.lport, 40000);
	ck_assert_uint_eq(b->c.lport, 40000);
	sock_lock(a);
	ck_assert_int_eq(inet_bind_addr(a, &here), -EINVAL);
	sock_unlock(a);
	inet_lab_end(table, a);
	inet_lab_end(table, b);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("inet_port_own");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_bind_any_port_of_its_own_range, 0,
			    sizeof(own_ranges) / sizeof(own_ranges[0]));
	tcase_add_test(tc, test_bind_address_port_by_connect);
	return unit_run("inet_port_own", tc);
}
