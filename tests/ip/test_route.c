/*
 * tests/ip/test_route.c - longest prefix, metric, what comes with addresses; against a naive model.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/random.h"
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

static struct route route_of(const char *net, struct netdev *dev, uint32_t metric)
{
	struct route r = {.dev = dev, .metric = metric, .type = ROUTE_UNICAST};

	ck_assert_int_eq(ip_prefix_parse(net, &r.net, &r.prefix), 0);
	return r;
}

static int add(const char *net, struct netdev *dev, uint32_t metric)
{
	struct route r = route_of(net, dev, metric);

	return route_add(l.st, &r);
}

static int del(const char *net, struct netdev *dev, uint32_t metric)
{
	struct route r = route_of(net, dev, metric);

	return route_del(l.st, &r);
}

/* The device's name, or "none". */
static const char *lookup(const char *dst)
{
	struct ip_addr a = ip_of(dst);
	struct route r;

	if (!route_lookup(l.st, &a, 0, &r))
		return "none";
	return r.dev ? r.dev->name : "unreachable";
}

START_TEST(test_lookup_nested_longest_wins)
{
	ck_assert_str_eq(lookup("192.0.2.1"), "none");
	ck_assert_int_eq(add("0.0.0.0/0", l.eth->dev, 0), 0);
	ck_assert_int_eq(add("192.0.2.0/24", other->dev, 0), 0);
	ck_assert_int_eq(add("192.0.2.128/25", l.eth->dev, 0), 0);
	ck_assert_int_eq(add("192.0.2.129/32", other->dev, 0), 0);
	ck_assert_str_eq(lookup("8.8.8.8"), "test0");
	ck_assert_str_eq(lookup("192.0.2.127"), "test1");
	ck_assert_str_eq(lookup("192.0.2.128"), "test0");
	ck_assert_str_eq(lookup("192.0.2.129"), "test1");
}
END_TEST

START_TEST(test_add_same_prefix_least_metric_wins)
{
	ck_assert_int_eq(add("192.0.2.0/24", l.eth->dev, 20), 0);
	ck_assert_int_eq(add("192.0.2.0/24", other->dev, 10), 0);
	ck_assert_int_eq(add("192.0.2.0/24", other->dev, 20), -EEXIST);
	ck_assert_str_eq(lookup("192.0.2.1"), "test1");
	ck_assert_int_eq(del("192.0.2.0/24", NULL, 10), 0);
	ck_assert_str_eq(lookup("192.0.2.1"), "test0");
}
END_TEST

START_TEST(test_add_unsound_is_refused)
{
	struct route r = route_of("192.0.2.0/24", l.eth->dev, 0);

	r.net = ip_of("192.0.2.1");
	ck_assert_int_eq(route_add(l.st, &r), -EINVAL);
	r = route_of("192.0.2.0/24", l.eth->dev, 0);
	r.prefix = 129;
	ck_assert_int_eq(route_add(l.st, &r), -EINVAL);
	r.prefix = IP_PREFIX4(24) - 96 + 1;
	ck_assert_int_eq(route_add(l.st, &r), -EINVAL);
	r = route_of("192.0.2.0/24", NULL, 0);
	ck_assert_int_eq(route_add(l.st, &r), -EINVAL);
}
END_TEST

START_TEST(test_add_gateway_must_be_on_link)
{
	struct route r = route_of("192.0.2.0/24", NULL, 0);

	r.gateway = ip_of("172.16.0.1");
	ck_assert_int_eq(route_add(l.st, &r), -ENETUNREACH);
	r.gateway = ip_of("10.0.0.1"); /* ourselves */
	ck_assert_int_eq(route_add(l.st, &r), -EINVAL);
	r.gateway = ip_of("10.0.0.255");
	ck_assert_int_eq(route_add(l.st, &r), -EINVAL);
	r.gateway = ip_of("10.1.0.2");
	r.dev = l.eth->dev;
	ck_assert_int_eq(route_add(l.st, &r), -ENETUNREACH);
	r.dev = NULL;
	ck_assert_int_eq(route_add(l.st, &r), 0);
	ck_assert_str_eq(lookup("192.0.2.1"), "test1");
	r = route_of("198.51.100.0/24", NULL, 0);
	r.gateway = ip_of("192.0.2.1"); /* only by way of a gateway itself */
	ck_assert_int_eq(route_add(l.st, &r), -ENETUNREACH);
}
END_TEST

START_TEST(test_del_fits_what_is_given)
{
	struct route r = route_of("192.0.2.0/24", NULL, 0);

	ck_assert_int_eq(route_del(l.st, &r), -ESRCH);
	ck_assert_int_eq(add("192.0.2.0/24", l.eth->dev, 5), 0);
	ck_assert_int_eq(del("192.0.2.0/24", other->dev, 0), -ESRCH);
	ck_assert_int_eq(del("192.0.2.0/24", NULL, 6), -ESRCH);
	r.gateway = ip_of("10.0.0.2");
	ck_assert_int_eq(route_del(l.st, &r), -ESRCH);
	ck_assert_int_eq(del("192.0.2.0/25", NULL, 0), -ESRCH);
	ck_assert_int_eq(del("192.0.2.0/24", l.eth->dev, 5), 0);
	ck_assert_str_eq(lookup("192.0.2.1"), "none");
}
END_TEST

START_TEST(test_change_moves_generation)
{
	uint32_t g = route_generation(l.st);
	struct ip_addr a = ip_of("10.3.0.1");

	add("192.0.2.0/24", l.eth->dev, 0);
	ck_assert_uint_ne(route_generation(l.st), g);
	g = route_generation(l.st);
	del("192.0.2.0/24", NULL, 0);
	ck_assert_uint_ne(route_generation(l.st), g);
	g = route_generation(l.st);
	ifaddr_add(l.eth->dev, &a, IP_PREFIX4(16));
	ck_assert_uint_ne(route_generation(l.st), g);
	g = route_generation(l.st);
	netdev_set_mtu(l.eth->dev, 1400);
	ck_assert_uint_ne(route_generation(l.st), g);
	g = route_generation(l.st);
	del("192.0.2.0/24", NULL, 0);
	ck_assert_uint_eq(route_generation(l.st), g);
}
END_TEST

START_TEST(test_generation_is_shown)
{
	static _Atomic uint32_t shown;

	add("192.0.2.0/24", l.eth->dev, 0);
	route_generation_show(l.st, &shown);
	ck_assert_uint_eq(shown, route_generation(l.st));
	del("192.0.2.0/24", NULL, 0);
	ck_assert_uint_eq(shown, route_generation(l.st));
	route_generation_show(l.st, NULL);
	add("192.0.2.0/24", l.eth->dev, 0);
	ck_assert_uint_eq(shown + 1, route_generation(l.st));
}
END_TEST

START_TEST(test_address_brings_and_takes_its_net)
{
	struct ip_addr a = ip_of("10.3.0.1"), b = ip_of("10.3.0.7"), host = ip_of("10.4.0.1");
	struct route r;

	ck_assert_str_eq(lookup("10.3.0.9"), "none");
	ifaddr_add(other->dev, &a, IP_PREFIX4(24));
	ifaddr_add(other->dev, &b, IP_PREFIX4(24));
	ck_assert(route_lookup(l.st, &b, 0, &r));
	ck_assert_uint_eq(r.flags, ROUTE_F_CONNECTED);
	ck_assert(ip_addr_eq(&r.src, &a));
	ifaddr_del(other->dev, &a); /* the second keeps the net */
	ck_assert(route_lookup(l.st, &b, 0, &r));
	ck_assert(ip_addr_eq(&r.src, &b));
	ifaddr_del(other->dev, &b);
	ck_assert_str_eq(lookup("10.3.0.9"), "none");
	ifaddr_add(other->dev, &host, 128);
	ck_assert_str_eq(lookup("10.4.0.1"), "none");
}
END_TEST

START_TEST(test_address_takes_routes_that_send_from_it)
{
	struct route r = route_of("192.0.2.0/24", l.eth->dev, 0);
	struct ip_addr a = ip_of("10.3.0.1");

	ifaddr_add(l.eth->dev, &a, IP_PREFIX4(24));
	r.src = a;
	ck_assert_int_eq(route_add(l.st, &r), 0);
	ck_assert_str_eq(lookup("192.0.2.1"), "test0");
	ifaddr_del(l.eth->dev, &a);
	ck_assert_str_eq(lookup("192.0.2.1"), "none");
}
END_TEST

START_TEST(test_route_that_sends_from_an_address_of_others_is_refused)
{
	struct route r = route_of("192.0.2.0/24", l.eth->dev, 0);

	r.src = ip_of("10.3.0.1");
	ck_assert_int_eq(route_add(l.st, &r), -EADDRNOTAVAIL);
	ck_assert_str_eq(lookup("192.0.2.1"), "none");
	ifaddr_add(other->dev, &r.src, IP_PREFIX4(24));
	ck_assert_int_eq(route_add(l.st, &r), 0);
	ck_assert_str_eq(lookup("192.0.2.1"), "test0");
}
END_TEST

START_TEST(test_same_net_on_two_devices_second_serves_when_first_is_down)
{
	struct ip_addr a = ip_of("10.0.0.200");

	ifaddr_add(other->dev, &a, IP_PREFIX4(24));
	ck_assert_str_eq(lookup("10.0.0.9"), "test0");
	netdev_down(l.eth->dev);
	ck_assert_str_eq(lookup("10.0.0.9"), "test1");
	netdev_up(l.eth->dev);
	ck_assert_str_eq(lookup("10.0.0.9"), "test0");
}
END_TEST

START_TEST(test_device_down_shorter_prefix_serves)
{
	add("0.0.0.0/0", other->dev, 0);
	add("192.0.2.0/24", l.eth->dev, 0);
	netdev_down(l.eth->dev);
	ck_assert_str_eq(lookup("192.0.2.1"), "test1");
	netdev_down(other->dev);
	ck_assert_str_eq(lookup("192.0.2.1"), "none");
	netdev_up(l.eth->dev);
	ck_assert_str_eq(lookup("192.0.2.1"), "test0");
}
END_TEST

START_TEST(test_lookup_by_device_passes_others_over)
{
	struct ip_addr a = ip_of("192.0.2.1");
	struct route r;

	add("0.0.0.0/0", other->dev, 0);
	add("192.0.2.0/24", l.eth->dev, 0);
	ck_assert(route_lookup(l.st, &a, other->dev->ifindex, &r));
	ck_assert_ptr_eq(r.dev, other->dev);
	ck_assert_uint_eq(r.prefix, IP_PREFIX4(0));
	ck_assert(!route_lookup(l.st, &a, l.lo->ifindex, &r));
}
END_TEST

START_TEST(test_list_longest_first)
{
	struct route r[16];
	unsigned n;

	add("0.0.0.0/0", other->dev, 0);
	add("192.0.2.129/32", other->dev, 0);
	n = route_list(l.st, r, 16);
	ck_assert_uint_eq(n, 5); /* lo, two devices, two by hand */
	for (unsigned i = 1; i < n; i++)
		ck_assert_uint_ge(r[i - 1].prefix, r[i].prefix);
	ck_assert_uint_eq(r[0].prefix, 128);
	ck_assert_uint_eq(r[4].prefix, IP_PREFIX4(0));
	ck_assert_uint_eq(route_list(l.st, r, 2), 5);
}
END_TEST

START_TEST(test_both_families_beside_each_other)
{
	struct ip_addr six = ip_of("2001:db8::1"), four = ip_of("192.0.2.1");
	struct route r = {.dev = other->dev, .type = ROUTE_UNICAST}, got;

	r.net = ip_addr_any;
	ck_assert_int_eq(route_add(l.st, &r), 0);
	ck_assert_int_eq(add("0.0.0.0/0", l.eth->dev, 0), 0);
	ck_assert(route_lookup(l.st, &six, 0, &got));
	ck_assert_ptr_eq(got.dev, other->dev);
	ck_assert(route_lookup(l.st, &four, 0, &got));
	ck_assert_ptr_eq(got.dev, l.eth->dev);
}
END_TEST

/* --- against a model -------------------------------------------------------------------------- */

#define MODEL_MAX 400

static struct route model[MODEL_MAX];
static unsigned model_n;

/* Few distinct bits, so that prefixes nest and meet often. */
static struct ip_addr random_addr(struct random *rnd)
{
	uint32_t a = 0xc0000000;

	for (unsigned i = 0; i < 4; i++)
		a ^= (uint32_t)random_below(rnd, 4) << random_below(rnd, 28);
	return ip_addr4(a);
}

static const struct route *model_lookup(const struct ip_addr *a)
{
	const struct route *best = NULL;

	for (unsigned i = 0; i < model_n; i++) {
		const struct route *r = &model[i];

		if (!ip_addr_match(a, &r->net, r->prefix))
			continue;
		if (!best || r->prefix > best->prefix ||
		    (r->prefix == best->prefix && r->metric < best->metric))
			best = r;
	}
	return best;
}

static void model_add(struct random *rnd)
{
	struct route r = {.dev = l.eth->dev, .type = ROUTE_UNICAST};
	struct ip_addr a = random_addr(rnd);
	int want = 0;

	r.prefix = IP_PREFIX4((unsigned)random_below(rnd, 33));
	r.net = ip_addr_mask(&a, r.prefix);
	r.metric = (uint32_t)random_below(rnd, 3);
	r.mtu = (uint32_t)random_next(rnd) | 1;
	for (unsigned i = 0; i < model_n; i++) {
		if (ip_addr_eq(&model[i].net, &r.net) && model[i].prefix == r.prefix &&
		    model[i].metric == r.metric)
			want = -EEXIST;
	}
	ck_assert_int_eq(route_add(l.st, &r), want);
	if (!want)
		model[model_n++] = r;
}

static void model_del(struct random *rnd)
{
	unsigned i = (unsigned)random_below(rnd, model_n);
	struct route r = model[i];

	ck_assert_int_eq(route_del(l.st, &r), 0);
	model[i] = model[--model_n];
}

START_TEST(test_random_routes_as_the_model)
{
	struct random rnd;
	struct route got;

	random_seed(&rnd, (uint64_t)_i);
	model_n = 0;
	for (unsigned step = 0; step < 1500; step++) {
		struct ip_addr a = random_addr(&rnd);
		const struct route *want;
		bool found;

		if (model_n < MODEL_MAX && (model_n == 0 || random_below(&rnd, 5) < 3))
			model_add(&rnd);
		else
			model_del(&rnd);
		want = model_lookup(&a);
		found = route_lookup(l.st, &a, 0, &got);
		ck_assert_int_eq(found, want != NULL);
		if (want)
			ck_assert_uint_eq(got.mtu, want->mtu);
	}
	while (model_n)
		model_del(&rnd);
	ck_assert_uint_eq(route_list(l.st, &got, 1), 3);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("route");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lookup_nested_longest_wins);
	tcase_add_test(tc, test_add_same_prefix_least_metric_wins);
	tcase_add_test(tc, test_add_unsound_is_refused);
	tcase_add_test(tc, test_add_gateway_must_be_on_link);
	tcase_add_test(tc, test_del_fits_what_is_given);
	tcase_add_test(tc, test_change_moves_generation);
	tcase_add_test(tc, test_generation_is_shown);
	tcase_add_test(tc, test_address_brings_and_takes_its_net);
	tcase_add_test(tc, test_address_takes_routes_that_send_from_it);
	tcase_add_test(tc, test_route_that_sends_from_an_address_of_others_is_refused);
	tcase_add_test(tc, test_same_net_on_two_devices_second_serves_when_first_is_down);
	tcase_add_test(tc, test_device_down_shorter_prefix_serves);
	tcase_add_test(tc, test_lookup_by_device_passes_others_over);
	tcase_add_test(tc, test_list_longest_first);
	tcase_add_test(tc, test_both_families_beside_each_other);
	tcase_add_loop_test(tc, test_random_routes_as_the_model, 1, 6);
	return unit_run("route", tc);
}
