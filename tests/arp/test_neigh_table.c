/*
 * tests/arp/test_neigh_table.c - who is on the table and for how long: ageing, the bound, entries
 * that need no question, permanent ones, listing, events of devices.
 */
#include <errno.h>
#include <string.h>

#include "lib/mib.h"
#include "net/ifaddr.h"
#include "tests/harness/arp_lab.h"
#include "tests/harness/unit.h"

static struct neigh *get_on(struct netdev *dev, struct ip_addr a)
{
	return neigh_get(dev, &a);
}

static struct neigh *get(uint32_t host)
{
	return get_on(lab.dev, arp_lab_host(host));
}

static unsigned count(void)
{
	unsigned n = neigh_list(lab.st, NULL, 0);

	ck_assert_int_eq(gauge_read(lab.st, GAUGE_neighs), n);
	return n;
}

static bool find(uint32_t host, struct neigh_info *out)
{
	static struct neigh_info all[2048];
	struct ip_addr a = arp_lab_host(host);
	unsigned n = neigh_list(lab.st, all, 2048);

	for (unsigned i = 0; i < n; i++) {
		*out = all[i];
		if (ip_addr_eq(&all[i].addr, &a))
			return true;
	}
	return false;
}

static void make_stale(uint32_t host)
{
	struct neigh_seen seen = {.addr = arp_lab_host(host), .create = true};

	memcpy(seen.mac, mac_a, ETHER_ALEN);
	ck_assert(neigh_update(lab.dev, &seen));
}

static void make_failed(uint32_t host)
{
	struct neigh *n = get(host);

	ck_assert_int_eq(arp_lab_out(n, 1), 0);
	neigh_put(n);
	arp_lab_advance_ms(4000);
}

static void set_bound(int64_t most)
{
	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.gc_thresh3", most), 0);
}

/* --- ageing ----------------------------------------------------------------------------------- */

START_TEST(test_stale_unused_goes_after_its_time)
{
	make_stale(2);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 1);
	arp_lab_advance_ms(599999);
	ck_assert_uint_eq(count(), 1);
	arp_lab_advance_ms(1);
	ck_assert_uint_eq(count(), 0);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 0);
}
END_TEST

START_TEST(test_stale_referenced_stays_until_put)
{
	struct neigh *n;

	make_stale(2);
	n = get(2);
	arp_lab_advance_ms(3600000);
	ck_assert_uint_eq(count(), 1);
	ck_assert(!neigh_is_dead(n));
	neigh_put(n);
	arp_lab_advance_ms(600000);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(test_failed_unused_goes_after_its_time)
{
	make_failed(2);
	arp_lab_advance_ms(599999);
	ck_assert_uint_eq(count(), 1);
	arp_lab_advance_ms(1);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(test_none_never_used_goes_after_its_time)
{
	neigh_put(get(2));
	arp_lab_advance_ms(600000);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

/* The ready path notes when it was used, by the packet's own time. */
START_TEST(test_noarp_used_stays_as_long_as_it_is_used)
{
	struct neigh *n = get_on(lab.dev, ip_addr_bcast4);
	struct batch batch;
	struct pkbuf *b;

	arp_lab_advance_ms(599000);
	batch_begin(&batch, lab.st);
	b = arp_lab_packet(1, 20);
	b->stamp = env_now(lab.env);
	ck_assert_int_eq(neigh_out(n, b, ETHER_TYPE_IP4), 0);
	batch_end(&batch);
	neigh_put(n);
	arp_lab_advance_ms(599999);
	ck_assert_uint_eq(count(), 1);
	arp_lab_advance_ms(1);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(test_permanent_stays)
{
	struct ip_addr a = arp_lab_host(2);

	ck_assert_int_eq(neigh_add_permanent(lab.dev, &a, mac_a), 0);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 0);
	arp_lab_advance_ms(86400000);
	ck_assert_uint_eq(count(), 1);
	neigh_flush(lab.st, NULL);
	ck_assert_uint_eq(count(), 1);
	ck_assert_int_eq(neigh_del(lab.dev, &a), 0);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

/* A hundred idle neighbours wait ten minutes: nothing runs but the cascades of the wheel. */
START_TEST(test_idle_cache_does_not_tick)
{
	unsigned events = 0;
	uint64_t end;

	for (uint32_t i = 0; i < 100; i++)
		make_stale(10 + i);
	end = env_now(lab.env) + 599 * NSEC_PER_SEC;
	while (env_lab_step(lab.env, end))
		events++;
	ck_assert_uint_le(events, 16);
	ck_assert_uint_eq(count(), 100);
}
END_TEST

/* --- the bound -------------------------------------------------------------------------------- */

START_TEST(test_full_failed_goes_before_an_older_stale)
{
	struct neigh_info i;

	set_bound(8);
	for (uint32_t h = 2; h < 9; h++)
		make_stale(h);
	arp_lab_advance_ms(10);
	make_failed(100);
	ck_assert_uint_eq(count(), 8);
	make_stale(101);
	ck_assert_uint_eq(count(), 8);
	ck_assert(!find(100, &i));
	ck_assert(find(2, &i) && find(101, &i));
}
END_TEST

START_TEST(test_full_oldest_unused_goes)
{
	struct neigh_info i;
	struct neigh *n;

	set_bound(8);
	for (uint32_t h = 2; h < 10; h++) {
		make_stale(h);
		arp_lab_advance_ms(10);
	}
	n = get(2); /* the oldest is in use */
	make_stale(100);
	ck_assert_uint_eq(count(), 8);
	ck_assert(find(2, &i) && !find(3, &i) && find(4, &i) && find(100, &i));
	neigh_put(n);
}
END_TEST

START_TEST(test_full_of_used_and_permanent_makes_none)
{
	struct ip_addr a = arp_lab_host(9);
	struct neigh *n[7];

	set_bound(8);
	for (uint32_t i = 0; i < 7; i++)
		n[i] = get(2 + i);
	ck_assert_int_eq(neigh_add_permanent(lab.dev, &a, mac_a), 0);
	ck_assert_ptr_null(get(100));
	for (unsigned i = 0; i < 7; i++)
		neigh_put(n[i]);
	arp_lab_advance_ms(9);
	ck_assert_ptr_null(get(100)); /* it does not look again at once */
	arp_lab_advance_ms(1);
	n[0] = get(100);
	ck_assert_ptr_nonnull(n[0]);
	neigh_put(n[0]);
	ck_assert_uint_eq(count(), 8);
}
END_TEST

/* Entries 2 to 9, 10 ms apart, each with a packet that waits for the answer. */
static void fill_unresolved(void)
{
	struct neigh *n;

	set_bound(8);
	for (uint32_t h = 2; h < 10; h++) {
		n = get(h);
		ck_assert_ptr_nonnull(n);
		ck_assert_int_eq(arp_lab_out(n, 1), 0);
		neigh_put(n);
		arp_lab_advance_ms(10);
	}
}

START_TEST(test_full_those_being_resolved_have_their_time)
{
	struct neigh_info i;
	struct neigh *n;

	fill_unresolved();
	ck_assert_ptr_null(get(100)); /* the first was asked for 80 ms ago */
	arp_lab_advance_ms(20);
	n = get(100);
	ck_assert_ptr_nonnull(n);
	neigh_put(n);
	ck_assert_uint_eq(count(), 8);
	ck_assert(!find(2, &i) && find(3, &i));
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_NEIGH_TABLE_FULL), 1); /* what it held */
	n = get(101); /* who has not asked is the first to go */
	ck_assert_ptr_nonnull(n);
	neigh_put(n);
	ck_assert(find(3, &i) && !find(100, &i));
}
END_TEST

/* A scan that never ends: each goes round the table, none is refused, and the bound holds. */
START_TEST(test_full_of_unresolved_each_new_one_gets_in)
{
	struct neigh_info i;
	struct neigh *n;

	fill_unresolved();
	for (uint32_t h = 100; h < 200; h++) {
		arp_lab_advance_ms(20);
		n = get(h);
		ck_assert_ptr_nonnull(n);
		ck_assert_int_eq(arp_lab_out(n, 1), 0);
		neigh_put(n);
		ck_assert_uint_eq(count(), 8);
		ck_assert(h < 107 || (find(h - 7, &i) && !find(h - 8, &i)));
	}
}
END_TEST

START_TEST(test_full_unresolved_goes_before_who_answered)
{
	struct neigh_info i;
	struct neigh *n;

	set_bound(8);
	for (uint32_t h = 2; h < 9; h++)
		make_stale(h);
	n = get(9);
	ck_assert_int_eq(arp_lab_out(n, 1), 0);
	arp_lab_advance_ms(200);
	make_stale(100); /* somebody has 9 in hand */
	ck_assert(find(9, &i));
	neigh_put(n);
	make_stale(101);
	ck_assert(!find(9, &i) && find(100, &i) && find(101, &i));
}
END_TEST

/* --- nothing to ask --------------------------------------------------------------------------- */

static void check_noarp(struct ip_addr a, const char *mac)
{
	struct neigh *n = get_on(lab.dev, a);
	struct neigh_info i;

	ck_assert_ptr_nonnull(n);
	ck_assert_int_eq(arp_lab_out(n, 3), 0);
	ck_assert_uint_eq(lab.sent, 1);
	ck_assert_uint_eq(arp_lab_sent_number(0), 3);
	ck_assert_mem_eq(lab.frame[0].bytes, mac, ETHER_ALEN);
	neigh_put(n);
	ck_assert_uint_eq(neigh_list(lab.st, &i, 1), 1);
	ck_assert_int_eq(i.state, NUD_NOARP);
	ck_assert_int_eq(neigh_add_permanent(lab.dev, &a, mac_a), -EINVAL);
	arp_lab_advance_ms(600000);
	ck_assert_uint_eq(count(), 0);
}

START_TEST(test_broadcast_needs_no_question)
{
	check_noarp(ip_addr_bcast4, "\xff\xff\xff\xff\xff\xff");
}
END_TEST

START_TEST(test_directed_broadcast_needs_no_question)
{
	check_noarp(arp_lab_host(255), "\xff\xff\xff\xff\xff\xff");
}
END_TEST

START_TEST(test_multicast4_is_mapped)
{
	check_noarp(ip_addr4(0xe0800001), "\x01\x00\x5e\x00\x00\x01"); /* RFC 1112, 6.4: 23 bits */
}
END_TEST

START_TEST(test_multicast6_is_mapped)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_addr_parse("ff02::1:ff00:1234", &a), 0);
	check_noarp(a, "\x33\x33\xff\x00\x12\x34");
}
END_TEST

START_TEST(test_device_without_arp_has_one_entry)
{
	struct netdev *dev = arp_lab_device("ptp0", (uint32_t)_i);
	struct neigh *a = get_on(dev, arp_lab_host(2)), *b = get_on(dev, arp_lab_host(3));

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_eq(a, b);
	ck_assert_int_eq(arp_lab_out(a, 3), 0);
	ck_assert_uint_eq(lab.sent, 1);
	ck_assert_mem_eq(lab.frame[0].bytes, "\0\0\0\0\0\0", ETHER_ALEN);
	neigh_put(a);
	neigh_put(b);
}
END_TEST

START_TEST(test_family_without_resolver_makes_none)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_addr_parse("fe80::1", &a), 0);
	ck_assert_ptr_null(get_on(lab.dev, a));
}
END_TEST

/* --- devices and persons ---------------------------------------------------------------------- */

START_TEST(test_devices_have_entries_of_their_own)
{
	struct netdev *dev = arp_lab_device("lab1", NETDEV_BROADCAST);
	struct neigh *a = get(2), *b = get_on(dev, arp_lab_host(2));

	ck_assert_ptr_ne(a, b);
	neigh_flush(lab.st, dev);
	ck_assert(!neigh_is_dead(a));
	ck_assert(neigh_is_dead(b));
	neigh_put(a);
	neigh_put(b);
}
END_TEST

/* 10.1.0.255 was a host until the device got a subnet whose broadcast address it is. */
START_TEST(test_address_added_its_broadcast_is_no_host)
{
	struct ip_addr host = ip_addr4(0x0a0100ff), own = ip_addr4(0x0a010001);
	struct neigh *n = neigh_get(lab.dev, &host);

	ck_assert_int_eq(ifaddr_add(lab.dev, &own, IP_PREFIX4(24)), 0);
	ck_assert(neigh_is_dead(n));
	neigh_put(n);
	check_noarp(host, "\xff\xff\xff\xff\xff\xff");
	n = neigh_get(lab.dev, &host);
	ck_assert_int_eq(ifaddr_del(lab.dev, &own), 0);
	ck_assert(neigh_is_dead(n));
	neigh_put(n);
}
END_TEST

START_TEST(test_permanent_takes_what_was_held)
{
	struct ip_addr a = arp_lab_host(2);
	struct neigh *n = get(2);

	ck_assert_int_eq(arp_lab_out(n, 5), 0);
	ck_assert_int_eq(neigh_add_permanent(lab.dev, &a, mac_b), 0);
	ck_assert_uint_eq(lab.sent, 2);
	ck_assert_uint_eq(arp_lab_sent_number(1), 5);
	ck_assert_mem_eq(lab.frame[1].bytes, mac_b, ETHER_ALEN);
	neigh_put(n);
}
END_TEST

START_TEST(test_permanent_refuses_nonsense)
{
	struct netdev *ptp = arp_lab_device("ptp0", NETDEV_NOARP);
	struct ip_addr a = arp_lab_host(2);

	ck_assert_int_eq(neigh_add_permanent(lab.dev, &a, ether_broadcast), -EINVAL);
	ck_assert_int_eq(neigh_add_permanent(lab.dev, &ip_addr_any4, mac_a), -EINVAL);
	ck_assert_int_eq(neigh_add_permanent(ptp, &a, mac_a), -EINVAL);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(test_list_tells_all)
{
	struct neigh_info i[2];
	struct neigh *n = get(2);

	ck_assert_int_eq(arp_lab_out(n, 1), 0);
	ck_assert_int_eq(arp_lab_out(n, 2), 0);
	arp_lab_advance_ms(1500);
	make_stale(3);
	ck_assert_uint_eq(neigh_list(lab.st, i, 1), 2);
	ck_assert(find(2, &i[0]));
	ck_assert_str_eq(i[0].dev, "lab0");
	ck_assert_uint_eq(i[0].refs, 3); /* the table's, the timer's, ours */
	ck_assert_uint_eq(i[0].probes, 2);
	ck_assert_uint_eq(i[0].held, 2);
	ck_assert_uint_eq(i[0].used, 1500 * NSEC_PER_MSEC);
	ck_assert_uint_eq(i[0].confirmed, ENV_NEVER);
	neigh_confirm(n);
	ck_assert(find(2, &i[0]));
	ck_assert_uint_eq(i[0].confirmed, 0);
	neigh_put(n);
}
END_TEST

/* --- a setting of the states -------------------------------------------------------------------- */

/* As many probes as it says, a second apart, and a second for the last. */
START_TEST(test_probes_by_setting)
{
	struct neigh_info info;
	struct neigh *n;

	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.ucast_solicit", _i), 0);
	make_stale(2);
	n = get(2);
	ck_assert_int_eq(arp_lab_out(n, 1), 0);
	neigh_put(n);
	arp_lab_advance_ms(5000 + (uint64_t)_i * 1000 - 1);
	ck_assert_uint_eq(lab.sent, 1 + (unsigned)_i);
	ck_assert(find(2, &info) && info.state == (_i ? NUD_PROBE : NUD_DELAY));
	arp_lab_advance_ms(1);
	ck_assert(find(2, &info) && info.state == NUD_FAILED);
	ck_assert_uint_eq(lab.sent, 1 + (unsigned)_i);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("neigh_table");

	tcase_add_checked_fixture(tc, arp_lab_setup, arp_lab_teardown);
	tcase_add_loop_test(tc, test_probes_by_setting, 0, 6);
	tcase_add_test(tc, test_stale_unused_goes_after_its_time);
	tcase_add_test(tc, test_stale_referenced_stays_until_put);
	tcase_add_test(tc, test_failed_unused_goes_after_its_time);
	tcase_add_test(tc, test_none_never_used_goes_after_its_time);
	tcase_add_test(tc, test_noarp_used_stays_as_long_as_it_is_used);
	tcase_add_test(tc, test_permanent_stays);
	tcase_add_test(tc, test_idle_cache_does_not_tick);
	tcase_add_test(tc, test_full_failed_goes_before_an_older_stale);
	tcase_add_test(tc, test_full_oldest_unused_goes);
	tcase_add_test(tc, test_full_of_used_and_permanent_makes_none);
	tcase_add_test(tc, test_full_those_being_resolved_have_their_time);
	tcase_add_test(tc, test_full_of_unresolved_each_new_one_gets_in);
	tcase_add_test(tc, test_full_unresolved_goes_before_who_answered);
	tcase_add_test(tc, test_broadcast_needs_no_question);
	tcase_add_test(tc, test_directed_broadcast_needs_no_question);
	tcase_add_test(tc, test_multicast4_is_mapped);
	tcase_add_test(tc, test_multicast6_is_mapped);
	tcase_add_loop_test(tc, test_device_without_arp_has_one_entry, NETDEV_NOARP,
			    NETDEV_NOARP + 1);
	tcase_add_loop_test(tc, test_device_without_arp_has_one_entry, NETDEV_POINTOPOINT,
			    NETDEV_POINTOPOINT + 1);
	tcase_add_loop_test(tc, test_device_without_arp_has_one_entry, NETDEV_LOOPBACK,
			    NETDEV_LOOPBACK + 1);
	tcase_add_test(tc, test_family_without_resolver_makes_none);
	tcase_add_test(tc, test_devices_have_entries_of_their_own);
	tcase_add_test(tc, test_address_added_its_broadcast_is_no_host);
	tcase_add_test(tc, test_permanent_takes_what_was_held);
	tcase_add_test(tc, test_permanent_refuses_nonsense);
	tcase_add_test(tc, test_list_tells_all);
	return unit_run("neigh_table", tc);
}
