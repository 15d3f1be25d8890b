/*
 * tests/ip/test_path.c - the way to a destination: kind, device, source, next hop, MTU.
 */
#include <errno.h>

#include "net/ifaddr.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static struct testdev *other;

static void setup(void)
{
	ip_lab_open(&l);
	other = ip_lab_device(&l, "test1", "10.1.0.1/24");
}

static void teardown(void)
{
	ip_lab_close(&l);
}

static struct ip_flow flow_to(const char *dst)
{
	struct ip_flow f = {.dst = ip_of(dst)};

	return f;
}

/* Looks the path up and puts it; what it says stays in *out. */
static int path_to(const struct ip_flow *f, struct path *out)
{
	int err;
	struct path *p = path_get(l.st, f, &err);

	if (!p)
		return err;
	*out = *p;
	path_put(p);
	return 0;
}

static void assert_path(const char *dst, struct netdev *dev, const char *src, const char *nexthop)
{
	struct ip_flow f = flow_to(dst);
	struct ip_addr want_src = ip_of(src), want_hop = ip_of(nexthop);
	struct path p;

	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_str_eq(p.dev->name, dev->name);
	ck_assert(ip_addr_eq(&p.src, &want_src));
	ck_assert(ip_addr_eq(&p.nexthop, &want_hop));
}

START_TEST(test_neighbour_goes_direct)
{
	struct ip_flow f = flow_to("10.0.0.2");
	struct path p;

	assert_path("10.0.0.2", l.eth->dev, "10.0.0.1", "10.0.0.2");
	assert_path("10.1.0.2", other->dev, "10.1.0.1", "10.1.0.2");
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_uint_eq(p.type, ROUTE_UNICAST);
	ck_assert_uint_eq(p.mtu, 1500);
	ck_assert_ptr_nonnull(p.neigh);
}
END_TEST

START_TEST(test_far_host_goes_by_gateway)
{
	ip_lab_route(&l, "0.0.0.0/0", "10.1.0.3");
	assert_path("192.0.2.1", other->dev, "10.1.0.1", "10.1.0.3");
}
END_TEST

START_TEST(test_own_address_goes_by_lo)
{
	struct ip_flow f = flow_to("10.1.0.1");
	struct path p;

	assert_path("10.0.0.1", l.lo, "10.0.0.1", "10.0.0.1");
	assert_path("127.0.0.1", l.lo, "127.0.0.1", "127.0.0.1");
	assert_path("127.1.2.3", l.lo, "127.0.0.1", "127.1.2.3");
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_uint_eq(p.type, ROUTE_LOCAL);
	ck_assert_uint_eq(p.mtu, 65535);
	ck_assert_ptr_null(p.neigh);
}
END_TEST

START_TEST(test_no_route_is_net_unreachable)
{
	struct ip_flow f = flow_to("192.0.2.1");
	struct path p;

	ck_assert_int_eq(path_to(&f, &p), -ENETUNREACH);
	f.dst = ip_of("2001:db8::1");
	ck_assert_int_eq(path_to(&f, &p), -EAFNOSUPPORT);
	f.dst = ip_addr_any;
	ck_assert_int_eq(path_to(&f, &p), -EINVAL);
}
END_TEST

START_TEST(test_device_down_is_net_unreachable)
{
	struct ip_flow f = flow_to("10.0.0.2");
	struct path p;

	netdev_down(l.eth->dev);
	ck_assert_int_eq(path_to(&f, &p), -ENETUNREACH);
	f.ifindex = l.eth->dev->ifindex;
	ck_assert_int_eq(path_to(&f, &p), -ENETUNREACH);
}
END_TEST

START_TEST(test_unreachable_and_blackhole_routes)
{
	struct route r = {.type = ROUTE_UNREACHABLE, .prefix = IP_PREFIX4(24)};
	struct ip_flow f = flow_to("192.0.2.1");
	struct path p;

	r.net = ip_of("192.0.2.0");
	ck_assert_int_eq(route_add(l.st, &r), 0);
	ck_assert_int_eq(path_to(&f, &p), -EHOSTUNREACH);
	route_del(l.st, &r);
	r.type = ROUTE_BLACKHOLE;
	ck_assert_int_eq(route_add(l.st, &r), 0);
	ck_assert_int_eq(path_to(&f, &p), -EINVAL);
}
END_TEST

START_TEST(test_broadcast_needs_permission)
{
	struct ip_flow f = flow_to("10.1.0.255");
	struct path p;

	ck_assert_int_eq(path_to(&f, &p), -EACCES);
	f.broadcast = true;
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_ptr_eq(p.dev, other->dev);
	ck_assert_uint_eq(p.type, ROUTE_BROADCAST);
	ck_assert_ptr_null(p.neigh);
	f.dst = ip_addr_bcast4;
	ck_assert_int_eq(path_to(&f, &p), -ENETUNREACH);
	f.broadcast = false; /* where it goes is asked first (Linux) */
	ck_assert_int_eq(path_to(&f, &p), -ENETUNREACH);
	f.broadcast = true;
	f.ifindex = l.eth->dev->ifindex;
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_ptr_eq(p.dev, l.eth->dev);
	f.broadcast = false;
	ck_assert_int_eq(path_to(&f, &p), -EACCES);
}
END_TEST

/* SO_BINDTODEVICE: two devices on one net have the same broadcast. */
START_TEST(test_broadcast_by_the_named_device)
{
	struct ip_flow f = flow_to("10.0.0.255");
	struct ip_addr a = ip_of("10.0.0.9");
	struct path p;

	f.broadcast = true;
	f.ifindex = other->dev->ifindex;
	ck_assert_int_eq(path_to(&f, &p), -ENETUNREACH); /* none of its nets' */
	ck_assert_int_eq(ifaddr_add(other->dev, &a, IP_PREFIX4(24)), 0);
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_ptr_eq(p.dev, other->dev);
	ck_assert(ip_addr_eq(&p.src, &a));
	f.ifindex = l.eth->dev->ifindex;
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_ptr_eq(p.dev, l.eth->dev);
}
END_TEST

START_TEST(test_broadcast_before_any_address_is_from_zero)
{
	struct ip_flow f = {.dst = ip_addr_bcast4, .broadcast = true};
	struct ip_addr a = ip_of("10.0.0.1"), b = ip_of("10.1.0.1");
	struct path p;

	ifaddr_del(l.eth->dev, &a);
	ifaddr_del(other->dev, &b);
	f.ifindex = l.eth->dev->ifindex;
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert(ip_addr_eq(&p.src, &ip_addr_any4));
	f.dst = ip_of("10.0.0.2"); /* but nothing else is */
	ck_assert_int_eq(path_to(&f, &p), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(test_multicast_needs_a_device)
{
	struct ip_flow f = flow_to("224.0.0.251");
	struct path p;

	ck_assert_int_eq(path_to(&f, &p), -ENETUNREACH);
	f.src = ip_of("10.1.0.1");
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_ptr_eq(p.dev, other->dev);
	f.src = ip_addr_any;
	ip_lab_route(&l, "0.0.0.0/0", "10.0.0.2");
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_ptr_eq(p.dev, l.eth->dev);
	ck_assert_uint_eq(p.type, ROUTE_MULTICAST);
	ck_assert_ptr_null(p.neigh);
	f.ifindex = 99; /* there is none, and no other will do */
	ck_assert_int_eq(path_to(&f, &p), -ENODEV);
	f.dst = ip_addr_bcast4;
	f.broadcast = true;
	ck_assert_int_eq(path_to(&f, &p), -ENODEV);
}
END_TEST

START_TEST(test_named_device_is_kept_to)
{
	struct ip_flow f = flow_to("10.0.0.2");
	struct path p;

	f.ifindex = other->dev->ifindex; /* no route by it: taken to be on its link */
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_ptr_eq(p.dev, other->dev);
	ck_assert(ip_addr_eq(&p.nexthop, &f.dst));
	f.ifindex = 99;
	ck_assert_int_eq(path_to(&f, &p), -ENODEV);
}
END_TEST

START_TEST(test_source_must_be_ours)
{
	struct ip_flow f = flow_to("10.0.0.2");
	struct path p;

	f.src = ip_of("10.1.0.1"); /* of another device: weak host */
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert(ip_addr_eq(&p.src, &f.src));
	ck_assert_ptr_eq(p.dev, l.eth->dev);
	f.src = ip_of("10.9.9.9");
	ck_assert_int_eq(path_to(&f, &p), -EADDRNOTAVAIL);
	f.hdrincl = true;
	ck_assert_int_eq(path_to(&f, &p), 0);
	f.hdrincl = false;
	f.src = ip_of("127.0.0.1"); /* never leaves */
	ck_assert_int_eq(path_to(&f, &p), -EINVAL);
}
END_TEST

START_TEST(test_source_of_route_then_of_subnet)
{
	struct route r = {.type = ROUTE_UNICAST, .prefix = IP_PREFIX4(24), .dev = l.eth->dev};
	struct ip_addr second = ip_of("10.5.0.1"), third = ip_of("10.6.0.1");

	ifaddr_add(l.eth->dev, &second, IP_PREFIX4(24));
	ifaddr_add(l.eth->dev, &third, IP_PREFIX4(24));
	assert_path("10.5.0.9", l.eth->dev, "10.5.0.1", "10.5.0.9");
	r.net = ip_of("192.0.2.0");
	r.src = third;
	ck_assert_int_eq(route_add(l.st, &r), 0);
	assert_path("192.0.2.1", l.eth->dev, "10.6.0.1", "192.0.2.1");
}
END_TEST

START_TEST(test_mtu_is_the_least)
{
	struct route r = {.type = ROUTE_UNICAST, .prefix = IP_PREFIX4(24), .dev = l.eth->dev};
	struct ip_flow f = flow_to("192.0.2.1");
	struct path p;

	r.net = ip_of("192.0.2.0");
	r.mtu = 1400;
	route_add(l.st, &r);
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_uint_eq(p.mtu, 1400);
	pmtu_learn(l.st, &f.dst, 1300, 1500);
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_uint_eq(p.mtu, 1300);
	netdev_set_mtu(l.eth->dev, 1200);
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_uint_eq(p.mtu, 1200);
}
END_TEST

START_TEST(test_route_says_what_tcp_takes_and_locks_its_mtu)
{
	struct route r = {.gateway = ip_of("10.0.0.2"), .type = ROUTE_UNICAST};
	struct ip_addr dst = ip_of("192.0.2.9");
	struct ip_flow f = flow_to("192.0.2.9");
	struct path p;

	ck_assert_int_eq(ip_prefix_parse("192.0.2.0/24", &r.net, &r.prefix), 0);
	r.mtu = 1400;
	ck_assert_int_eq(route_add(l.st, &r), 0);
	pmtu_learn(l.st, &dst, 1000, 1400);
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_uint_eq(p.mtu, 1000);
	ck_assert(!p.mtu_locked);
	ck_assert_int_eq(route_del(l.st, &r), 0);
	r.mtu_lock = true;
	r.advmss = 900;
	r.initcwnd = 4;
	ck_assert_int_eq(route_add(l.st, &r), 0);
	ck_assert_uint_eq(pmtu_learn(l.st, &dst, 800, 1400), 0);
	ck_assert_int_eq(path_to(&f, &p), 0);
	ck_assert_uint_eq(p.mtu, 1400);
	ck_assert(p.mtu_locked);
	ck_assert_uint_eq(p.advmss, 900);
	ck_assert_uint_eq(p.initcwnd, 4);
}
END_TEST

START_TEST(test_forwarding_does_not_believe_learnt_mtu)
{
	struct ip_addr dst = ip_of("10.0.0.2");
	struct path *p;
	int err;

	pmtu_learn(l.st, &dst, 1300, 1500);
	p = path_get_forward(l.st, &dst, &err);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p->mtu, 1500);
	path_put(p);
}
END_TEST

START_TEST(test_path_is_current_until_something_moves)
{
	struct ip_flow f = flow_to("10.0.0.2");
	int err;
	struct path *p = path_get(l.st, &f, &err), *second;

	ck_assert(path_is_current(p));
	neigh_del(l.eth->dev, &f.dst);
	ck_assert(!path_is_current(p));
	path_put(p);
	p = path_get(l.st, &f, &err);
	second = path_hold(p);
	path_put(p);
	ck_assert(path_is_current(second));
	ip_lab_route(&l, "0.0.0.0/0", "10.0.0.3");
	ck_assert(!path_is_current(second));
	path_put(second);
}
END_TEST

START_TEST(test_address_types)
{
	static const struct {
		const char *addr;
		enum route_type type;
	} cases[] = {
	    {"10.0.0.1", ROUTE_LOCAL},       {"127.9.9.9", ROUTE_LOCAL},
	    {"10.0.0.255", ROUTE_BROADCAST}, {"255.255.255.255", ROUTE_BROADCAST},
	    {"10.1.0.255", ROUTE_BROADCAST}, {"224.0.0.1", ROUTE_MULTICAST},
	    {"10.0.0.2", ROUTE_UNICAST},     {"10.0.1.255", ROUTE_UNICAST},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_addr a = ip_of(cases[i].addr);

		ck_assert_msg(ip_addr_type(l.st, &a) == cases[i].type, "%s", cases[i].addr);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("path");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_neighbour_goes_direct);
	tcase_add_test(tc, test_far_host_goes_by_gateway);
	tcase_add_test(tc, test_own_address_goes_by_lo);
	tcase_add_test(tc, test_no_route_is_net_unreachable);
	tcase_add_test(tc, test_device_down_is_net_unreachable);
	tcase_add_test(tc, test_unreachable_and_blackhole_routes);
	tcase_add_test(tc, test_broadcast_needs_permission);
	tcase_add_test(tc, test_broadcast_by_the_named_device);
	tcase_add_test(tc, test_broadcast_before_any_address_is_from_zero);
	tcase_add_test(tc, test_multicast_needs_a_device);
	tcase_add_test(tc, test_named_device_is_kept_to);
	tcase_add_test(tc, test_source_must_be_ours);
	tcase_add_test(tc, test_source_of_route_then_of_subnet);
	tcase_add_test(tc, test_mtu_is_the_least);
	tcase_add_test(tc, test_route_says_what_tcp_takes_and_locks_its_mtu);
	tcase_add_test(tc, test_forwarding_does_not_believe_learnt_mtu);
	tcase_add_test(tc, test_path_is_current_until_something_moves);
	tcase_add_test(tc, test_address_types);
	return unit_run("path", tc);
}
