/*
 * tests/ip/test_pmtu.c - path MTUs and redirects: believed, bounded, forgotten.
 */
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static struct ip_addr dst;

static void setup(void)
{
	ip_lab_open(&l);
	ip_lab_route(&l, "0.0.0.0/0", "10.0.0.2");
	dst = ip_of("192.0.2.1");
}

static void teardown(void)
{
	ip_lab_close(&l);
}

/* What the next path says. */
static struct path path_now(void)
{
	struct ip_flow f = {.dst = dst};
	int err;
	struct path *p = path_get(l.st, &f, &err), copy;

	ck_assert_ptr_nonnull(p);
	copy = *p;
	path_put(p);
	return copy;
}

START_TEST(test_learn_only_downwards)
{
	ck_assert_uint_eq(pmtu_get(l.st, &dst), 0);
	ck_assert_uint_eq(pmtu_learn(l.st, &dst, 1400, 1500), 1400);
	ck_assert_uint_eq(pmtu_learn(l.st, &dst, 1450, 1500), 1400);
	ck_assert_uint_eq(pmtu_learn(l.st, &dst, 1200, 1400), 1200);
	ck_assert_uint_eq(pmtu_get(l.st, &dst), 1200);
	ck_assert_uint_eq(path_now().mtu, 1200);
}
END_TEST

START_TEST(test_learn_what_cannot_be_is_ignored)
{
	ck_assert_uint_eq(pmtu_learn(l.st, &dst, 1500, 1500), 0); /* what was sent was that large */
	ck_assert_uint_eq(pmtu_learn(l.st, &dst, 9000, 65000), 0); /* nor does the device take it */
	ck_assert_uint_eq(pmtu_get(l.st, &dst), 0);
}
END_TEST

START_TEST(test_learn_moves_generation_once)
{
	uint32_t g = route_generation(l.st);

	pmtu_learn(l.st, &dst, 1400, 1500);
	ck_assert_uint_ne(route_generation(l.st), g);
	g = route_generation(l.st);
	pmtu_learn(l.st, &dst, 1400, 1500);
	ck_assert_uint_eq(route_generation(l.st), g);
}
END_TEST

START_TEST(test_learn_without_mtu_takes_next_plateau)
{
	static const struct {
		uint32_t sent, want;
	} cases[] = {{1500, 1492}, {1493, 1492}, {1492, 1006}, {1006, 552}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		dst.b[15]++;
		ck_assert_uint_eq(pmtu_learn(l.st, &dst, 0, cases[i].sent), cases[i].want);
	}
}
END_TEST

START_TEST(test_learn_below_least_locks)
{
	ck_assert_uint_eq(pmtu_learn(l.st, &dst, 300, 1500), 552);
	ck_assert_uint_eq(path_now().mtu, 552);
	ck_assert(path_now().mtu_locked);
	sysctl_write(l.st, "net.ipv4.route.min_pmtu", 68);
	ck_assert_uint_eq(pmtu_learn(l.st, &dst, 300, 552), 300);
	dst.b[15]++;
	ck_assert(!path_now().mtu_locked);
}
END_TEST

START_TEST(test_learnt_is_forgotten_in_time)
{
	uint32_t g;

	pmtu_learn(l.st, &dst, 1400, 1500);
	ip_lab_advance_ms(&l, 599000);
	ck_assert_uint_eq(pmtu_get(l.st, &dst), 1400);
	g = route_generation(l.st);
	ip_lab_advance_ms(&l, 1001);
	ck_assert_uint_eq(pmtu_get(l.st, &dst), 0);
	ck_assert_uint_ne(route_generation(l.st), g);
	ck_assert_uint_eq(path_now().mtu, 1500);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_timers), 0);
}
END_TEST

START_TEST(test_learnt_is_forgotten_by_setting)
{
	ck_assert_int_eq(sysctl_write(l.st, "net.ipv4.route.mtu_expires", 5), 0);
	pmtu_learn(l.st, &dst, 1400, 1500);
	ip_lab_advance_ms(&l, 4000);
	ck_assert_uint_eq(pmtu_get(l.st, &dst), 1400);
	ip_lab_advance_ms(&l, 1001);
	ck_assert_uint_eq(pmtu_get(l.st, &dst), 0);
	ck_assert_uint_eq(path_now().mtu, 1500);
}
END_TEST

START_TEST(test_each_is_forgotten_by_its_own_age)
{
	struct ip_addr second = ip_of("192.0.2.2");

	pmtu_learn(l.st, &dst, 1400, 1500);
	ip_lab_advance_ms(&l, 300000);
	pmtu_learn(l.st, &second, 1400, 1500);
	ip_lab_advance_ms(&l, 300001);
	ck_assert_uint_eq(pmtu_get(l.st, &dst), 0);
	ck_assert_uint_eq(pmtu_get(l.st, &second), 1400);
	ip_lab_advance_ms(&l, 300001);
	ck_assert_uint_eq(pmtu_get(l.st, &second), 0);
}
END_TEST

START_TEST(test_table_full_oldest_makes_room)
{
	struct ip_addr a;

	for (uint32_t i = 0; i < 2000; i++) {
		a = ip_addr4(0xc0000000 + i);
		ck_assert_uint_eq(pmtu_learn(l.st, &a, 1400, 1500), 1400);
	}
	ck_assert_uint_eq(pmtu_get(l.st, &a), 1400);
	a = ip_addr4(0xc0000000);
	ck_assert_uint_eq(pmtu_get(l.st, &a), 0);
	a = ip_addr4(0xc0000000 + 2000 - 1024);
	ck_assert_uint_eq(pmtu_get(l.st, &a), 1400);
	a = ip_addr4(0xc0000000 + 2000 - 1025);
	ck_assert_uint_eq(pmtu_get(l.st, &a), 0);
}
END_TEST

START_TEST(test_redirect_only_when_accepted)
{
	struct ip_addr gw = ip_of("10.0.0.3"), old = ip_of("10.0.0.2");
	struct ip_addr hop;

	redirect_learn(l.st, &dst, &gw);
	hop = path_now().nexthop;
	ck_assert(ip_addr_eq(&hop, &old));
	sysctl_write(l.st, "net.ipv4.conf.all.accept_redirects", 1);
	redirect_learn(l.st, &dst, &gw);
	hop = path_now().nexthop;
	ck_assert(ip_addr_eq(&hop, &gw));
	ip_lab_advance_ms(&l, 300001);
	hop = path_now().nexthop;
	ck_assert(ip_addr_eq(&hop, &old));
}
END_TEST

START_TEST(test_redirect_to_the_unfit_is_ignored)
{
	static const char *const unfit[] = {"10.0.0.1", "10.0.0.255", "192.0.2.9", "224.0.0.1"};
	struct ip_addr old = ip_of("10.0.0.2"), hop;

	sysctl_write(l.st, "net.ipv4.conf.all.accept_redirects", 1);
	for (unsigned i = 0; i < 4; i++) {
		struct ip_addr gw = ip_of(unfit[i]);

		redirect_learn(l.st, &dst, &gw);
		hop = path_now().nexthop;
		ck_assert_msg(ip_addr_eq(&hop, &old), "%s", unfit[i]);
	}
}
END_TEST

/* It was about the gateway of then: with another route there is nothing to be redirected. */
START_TEST(test_redirect_goes_with_its_route)
{
	struct route r = {.net = ip_addr_any4, .prefix = IP_PREFIX4(0)};
	struct testdev *other = ip_lab_device(&l, "test1", "10.1.0.1/24");
	struct ip_addr gw = ip_of("10.0.0.3"), hop, want = ip_of("10.1.0.2");

	sysctl_write(l.st, "net.ipv4.conf.all.accept_redirects", 1);
	redirect_learn(l.st, &dst, &gw);
	ck_assert_int_eq(route_del(l.st, &r), 0);
	ip_lab_route(&l, "0.0.0.0/0", "10.1.0.2");
	hop = path_now().nexthop;
	ck_assert(ip_addr_eq(&hop, &want));
	ck_assert_ptr_eq(path_now().dev, other->dev);
}
END_TEST

START_TEST(test_redirect_and_mtu_share_a_destination)
{
	struct ip_addr gw = ip_of("10.0.0.3"), hop;

	sysctl_write(l.st, "net.ipv4.conf.all.accept_redirects", 1);
	pmtu_learn(l.st, &dst, 1400, 1500);
	redirect_learn(l.st, &dst, &gw);
	ip_lab_advance_ms(&l, 300001); /* the redirect goes first */
	hop = path_now().nexthop;
	ck_assert(!ip_addr_eq(&hop, &gw));
	ck_assert_uint_eq(path_now().mtu, 1400);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pmtu");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_learn_only_downwards);
	tcase_add_test(tc, test_learn_what_cannot_be_is_ignored);
	tcase_add_test(tc, test_learn_moves_generation_once);
	tcase_add_test(tc, test_learn_without_mtu_takes_next_plateau);
	tcase_add_test(tc, test_learn_below_least_locks);
	tcase_add_test(tc, test_learnt_is_forgotten_in_time);
	tcase_add_test(tc, test_learnt_is_forgotten_by_setting);
	tcase_add_test(tc, test_each_is_forgotten_by_its_own_age);
	tcase_add_test(tc, test_table_full_oldest_makes_room);
	tcase_add_test(tc, test_redirect_only_when_accepted);
	tcase_add_test(tc, test_redirect_to_the_unfit_is_ignored);
	tcase_add_test(tc, test_redirect_goes_with_its_route);
	tcase_add_test(tc, test_redirect_and_mtu_share_a_destination);
	return unit_run("pmtu", tc);
}
