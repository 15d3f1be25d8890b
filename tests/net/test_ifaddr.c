/*
 * tests/net/test_ifaddr.c - addresses of devices: which may be one, whose it is, which to send from.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "net/ifaddr.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

static struct stack *st;
static struct netdev *lo, *eth0, *eth1;
static struct {
	enum netdev_event ev;
	struct ifaddr a;
	unsigned n;
} told;

static int on_event(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a)
{
	if (!a)
		return 0;
	told.ev = ev;
	told.a = *a;
	told.n++;
	return 0;
}

static void setup(void)
{
	st = netstack_create(1);
	ck_assert_int_eq(loop_create(st, &lo), 0);
	eth0 = testdev_create(st, "eth0", &ether_link, 0)->dev;
	eth1 = testdev_create(st, "eth1", &ether_link, 0)->dev;
	netdev_notify_register(st, on_event);
}

static void teardown(void)
{
	netstack_destroy(st);
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_addr_parse(text, &a), 0);
	return a;
}

/* "10.0.0.1/24" */
static int add(struct netdev *dev, const char *text)
{
	struct ip_addr a;
	unsigned prefix;

	ck_assert_int_eq(ip_prefix_parse(text, &a, &prefix), 0);
	return ifaddr_add(dev, &a, prefix);
}

static int del(struct netdev *dev, const char *text)
{
	struct ip_addr a = addr(text);

	return ifaddr_del(dev, &a);
}

static struct netdev *owner(const char *text)
{
	struct ip_addr a = addr(text);

	return ifaddr_owner(st, &a);
}

START_TEST(test_add_tells)
{
	struct ip_addr bcast = addr("10.0.0.255");
	struct ifaddr ia;

	ck_assert_int_eq(add(eth0, "10.0.0.1/24"), 0);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_uint_eq(told.ev, NETDEV_EV_ADDR_ADD);
	ck_assert(ip_addr_eq(&told.a.bcast, &bcast));
	ck_assert(ifaddr_nth(eth0, 0, &ia));
	ck_assert_uint_eq(ia.prefix, IP_PREFIX4(24));
	ck_assert(!ifaddr_nth(eth0, 1, &ia));
	ck_assert_int_eq(add(eth0, "10.0.0.1/8"), -EEXIST);
	ck_assert_uint_eq(told.n, 1);
}
END_TEST

START_TEST(test_del_tells)
{
	struct ifaddr ia;

	ck_assert_int_eq(add(eth0, "10.0.0.1/24"), 0);
	ck_assert_int_eq(add(eth0, "10.0.1.1/24"), 0);
	ck_assert_int_eq(del(eth0, "10.0.0.2"), -EADDRNOTAVAIL);
	ck_assert_int_eq(del(eth1, "10.0.0.1"), -EADDRNOTAVAIL);
	ck_assert_int_eq(del(eth0, "10.0.0.1"), 0);
	ck_assert_uint_eq(told.ev, NETDEV_EV_ADDR_DEL);
	ck_assert_ptr_null(owner("10.0.0.1"));
	ck_assert(ifaddr_nth(eth0, 0, &ia));
	ck_assert_ptr_eq(owner("10.0.1.1"), eth0);
	ck_assert(!ifaddr_nth(eth0, 1, &ia));
}
END_TEST

static enum ifaddr_kind kind(const char *text, struct netdev **dev)
{
	struct ip_addr a = addr(text);

	return ifaddr_find(st, &a, dev);
}

/* One subnet's broadcast may be a host of another: own goes first.  Of two alike one is left. */
START_TEST(test_find_tells_own_from_bcast)
{
	struct netdev *dev;

	ck_assert_int_eq(add(eth0, "10.0.0.1/24"), 0);
	ck_assert_int_eq(add(eth0, "10.0.0.2/24"), 0);
	ck_assert_int_eq(kind("10.0.0.255", &dev), IFADDR_BCAST);
	ck_assert_ptr_eq(dev, eth0);
	ck_assert_int_eq(kind("10.0.0.3", &dev), IFADDR_NONE);
	ck_assert_int_eq(add(eth1, "10.0.0.255/16"), 0);
	ck_assert_int_eq(kind("10.0.0.255", &dev), IFADDR_OWN);
	ck_assert_ptr_eq(dev, eth1);
	ck_assert_int_eq(del(eth1, "10.0.0.255"), 0);
	ck_assert_int_eq(kind("10.0.255.255", &dev), IFADDR_NONE);
	ck_assert_int_eq(del(eth0, "10.0.0.1"), 0);
	ck_assert_int_eq(kind("10.0.0.255", &dev), IFADDR_BCAST);
	ck_assert_int_eq(del(eth0, "10.0.0.2"), 0);
	ck_assert_int_eq(kind("10.0.0.255", &dev), IFADDR_NONE);
}
END_TEST

static const char *const refused[] = {
    "0.0.0.0/8",   "224.0.0.1/4", "255.255.255.255/32",
    "240.0.0.1/8", "10.0.0.0/24", "10.0.0.255/24",
    "127.0.0.2/8", "::/64",       "ff02::1/128",
};

START_TEST(test_add_refuses_what_no_host_may_have)
{
	ck_assert_int_eq(add(eth0, refused[_i]), -EINVAL);
	ck_assert_uint_eq(told.n, 0);
}
END_TEST

START_TEST(test_add_refuses_bad_prefixes)
{
	struct ip_addr a = addr("10.0.0.1");

	ck_assert_int_eq(ifaddr_add(eth0, &a, 95), -EINVAL);
	ck_assert_int_eq(ifaddr_add(eth0, &a, 129), -EINVAL);
}
END_TEST

/* RFC 3021: both addresses of a /31 are hosts', and neither it nor a /32 has a broadcast. */
START_TEST(test_bcast_of_each_prefix)
{
	struct ip_addr yes = addr("10.0.0.7"), no = addr("10.1.0.1");

	ck_assert_int_eq(add(eth0, "10.0.0.5/30"), 0);
	ck_assert_int_eq(add(eth0, "10.1.0.0/31"), 0);
	ck_assert_int_eq(add(eth0, "10.2.0.0/32"), 0);
	ck_assert_int_eq(add(eth0, "fd00::1/64"), 0);
	ck_assert(ifaddr_is_bcast(eth0, &yes));
	ck_assert(!ifaddr_is_bcast(eth1, &yes));
	ck_assert(!ifaddr_is_bcast(eth0, &no));
	ck_assert(!ifaddr_is_bcast(eth0, &ip_addr_any));
	no = addr("10.2.0.0");
	ck_assert(!ifaddr_is_bcast(eth0, &no));
	yes = addr("127.255.255.255");
	ck_assert(!ifaddr_is_bcast(lo, &yes));
}
END_TEST

START_TEST(test_owner_of_every_device)
{
	char text[IP_ADDR_TEXT];

	for (unsigned i = 0; i < 60; i++) { /* not in the order of their addresses */
		snprintf(text, sizeof(text), "10.%u.0.%u/24", i * 37 % 60, i + 1);
		ck_assert_int_eq(add(i & 1 ? eth1 : eth0, text), 0);
	}
	ck_assert_int_eq(add(eth1, "fd00::1/64"), 0);
	for (unsigned i = 0; i < 60; i++) {
		snprintf(text, sizeof(text), "10.%u.0.%u", i * 37 % 60, i + 1);
		ck_assert_ptr_eq(owner(text), i & 1 ? eth1 : eth0);
		snprintf(text, sizeof(text), "10.%u.0.%u", i * 37 % 60, i + 2);
		ck_assert_ptr_null(owner(text));
	}
	ck_assert_ptr_eq(owner("fd00::1"), eth1);
	ck_assert_ptr_null(owner("9.0.0.1"));
	ck_assert_ptr_null(owner("fd00::2"));
}
END_TEST

START_TEST(test_owner_of_an_address_on_two_devices)
{
	ck_assert_int_eq(add(eth1, "10.0.0.1/24"), 0);
	ck_assert_int_eq(add(eth0, "10.0.0.1/24"), 0);
	ck_assert_ptr_eq(owner("10.0.0.1"), eth1);
	ck_assert_int_eq(del(eth0, "10.0.0.1"), 0);
	ck_assert_ptr_eq(owner("10.0.0.1"), eth1);
	ck_assert_int_eq(add(eth0, "10.0.0.1/24"), 0);
	ck_assert_int_eq(del(eth1, "10.0.0.1"), 0);
	ck_assert_ptr_eq(owner("10.0.0.1"), eth0);
}
END_TEST

START_TEST(test_loopback_net_is_los)
{
	ck_assert_ptr_eq(owner("127.0.0.1"), lo);
	ck_assert_ptr_eq(owner("127.200.0.1"), lo);
}
END_TEST

static const struct {
	const char *to, *from; /* NULL: none */
} sources[] = {
    {"10.0.1.9", "10.0.1.1"}, {"10.0.0.9", "10.0.0.1"}, {"192.0.2.1", "10.0.0.1"},
    {"fd00::9", "fd00::1"},   {"fe80::1", "fd00::1"},
};

START_TEST(test_source_of_the_subnet_else_the_first)
{
	struct ip_addr to = addr(sources[_i].to), from = addr(sources[_i].from), got;

	ck_assert(!ifaddr_source(eth0, &to, &got));
	ck_assert_int_eq(add(eth0, "10.0.0.1/24"), 0);
	ck_assert_int_eq(add(eth0, "10.0.1.1/24"), 0);
	ck_assert_int_eq(add(eth0, "fd00::1/64"), 0);
	ck_assert(ifaddr_source(eth0, &to, &got));
	ck_assert(ip_addr_eq(&got, &from));
}
END_TEST

/* Readers while addresses come and go: an address that stays is found each time. */
static void *read_owner(void *stop)
{
	struct ip_addr a = addr("10.0.0.1");
	uintptr_t lost = 0;

	while (!atomic_load((_Atomic bool *)stop))
		lost += ifaddr_owner(st, &a) != eth0;
	return (void *)lost;
}

START_TEST(test_owner_while_others_change)
{
	_Atomic bool stop = false;
	pthread_t t;
	void *lost;

	ck_assert_int_eq(add(eth0, "10.0.0.1/24"), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, read_owner, &stop), 0);
	for (unsigned i = 0; i < 300; i++) {
		ck_assert_int_eq(add(eth1, "9.0.0.1/24"), 0);
		ck_assert_int_eq(add(eth1, "11.0.0.1/24"), 0);
		ck_assert_int_eq(del(eth1, "9.0.0.1"), 0);
		ck_assert_int_eq(del(eth1, "11.0.0.1"), 0);
	}
	atomic_store(&stop, true);
	pthread_join(t, &lost);
	ck_assert_uint_eq((uintptr_t)lost, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ifaddr");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_add_tells);
	tcase_add_test(tc, test_del_tells);
	tcase_add_test(tc, test_find_tells_own_from_bcast);
	tcase_add_loop_test(tc, test_add_refuses_what_no_host_may_have, 0,
			    (int)(sizeof(refused) / sizeof(refused[0])));
	tcase_add_test(tc, test_add_refuses_bad_prefixes);
	tcase_add_test(tc, test_bcast_of_each_prefix);
	tcase_add_test(tc, test_owner_of_every_device);
	tcase_add_test(tc, test_owner_of_an_address_on_two_devices);
	tcase_add_test(tc, test_loopback_net_is_los);
	tcase_add_loop_test(tc, test_source_of_the_subnet_else_the_first, 0, 5);
	tcase_add_test(tc, test_owner_while_others_change);
	return unit_run("ifaddr", tc);
}
