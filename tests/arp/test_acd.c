/*
 * tests/arp/test_acd.c - RFC 5227: probing an address, announcing it, defending it.
 */
#include <errno.h>
#include <string.h>

#include "lib/mib.h"
#include "net/ifaddr.h"
#include "net/pkbuf.h"
#include "tests/harness/arp_lab.h"
#include "tests/harness/unit.h"

#define OWN 0x0a000001
#define WANTED 0x0a000005

static const uint8_t mac_none[ETHER_ALEN];

static struct {
	unsigned calls;
	bool conflict, has_mac;
	uint8_t mac[ETHER_ALEN];
	uint64_t at;
} result;

static void done(void *arg, bool conflict, const uint8_t *mac)
{
	ck_assert_ptr_eq(arg, &result);
	lock_rank_none();
	result.calls++;
	result.conflict = conflict;
	result.has_mac = mac != NULL;
	if (mac)
		memcpy(result.mac, mac, ETHER_ALEN);
	result.at = env_now(lab.env);
}

static struct ip_addr wanted(void)
{
	return ip_addr4(WANTED);
}

static void probe(void)
{
	struct ip_addr a = wanted();

	ck_assert_int_eq(acd_probe(lab.dev, &a, done, &result), 0);
}

static void hear(uint16_t op, uint32_t spa, uint32_t tpa, const uint8_t *sha)
{
	struct arp_lab_arp a = {.op = op, .spa = spa, .tpa = tpa};

	memcpy(a.to, ether_broadcast, ETHER_ALEN);
	memcpy(a.from, sha, ETHER_ALEN);
	memcpy(a.sha, sha, ETHER_ALEN);
	arp_lab_rx_arp(&a);
}

static void check_sent_request(unsigned i, uint32_t spa, uint32_t tpa)
{
	struct arp_lab_arp a = arp_lab_sent_arp(i);

	ck_assert_uint_eq(a.op, ARP_OP_REQUEST);
	ck_assert_mem_eq(a.to, ether_broadcast, ETHER_ALEN);
	ck_assert_mem_eq(a.sha, mac_own, ETHER_ALEN);
	ck_assert_mem_eq(a.tha, mac_none, ETHER_ALEN);
	ck_assert_uint_eq(a.spa, spa);
	ck_assert_uint_eq(a.tpa, tpa);
}

/* --- probing ---------------------------------------------------------------------------------- */

static uint64_t gap_ms(unsigned i)
{
	return (lab.frame[i].at - lab.frame[i - 1].at) / NSEC_PER_MSEC;
}

START_TEST(test_probe_unanswered_address_is_free)
{
	uint64_t start = env_now(lab.env);

	for (int skip = 0; skip < _i; skip++)
		env_random(lab.env);
	probe();
	ck_assert_uint_eq(lab.sent, 0);
	arp_lab_advance_ms(10000);
	ck_assert_uint_eq(lab.sent, 3);
	for (unsigned i = 0; i < 3; i++)
		check_sent_request(i, 0, WANTED);
	ck_assert_uint_le(lab.frame[0].at - start, 1001 * NSEC_PER_MSEC);
	ck_assert(gap_ms(1) >= 1000 && gap_ms(1) <= 2001);
	ck_assert(gap_ms(2) >= 1000 && gap_ms(2) <= 2001);
	ck_assert_uint_eq(result.calls, 1);
	ck_assert(!result.conflict);
	ck_assert_uint_eq(result.at - lab.frame[2].at, 2 * NSEC_PER_SEC);
}
END_TEST

/* Reply from its owner, its owner's request for another, another's probe for the same. */
static const struct {
	uint16_t op;
	uint32_t spa, tpa;
} signs[] = {
    {ARP_OP_REPLY, WANTED, 0},
    {ARP_OP_REQUEST, WANTED, 0x0a000009},
    {ARP_OP_REQUEST, WANTED, WANTED},
    {ARP_OP_REQUEST, 0, WANTED},
};

START_TEST(test_probe_conflict_ends_it)
{
	probe();
	arp_lab_advance_ms(1100);
	ck_assert_uint_ge(lab.sent, 1);
	hear(signs[_i].op, signs[_i].spa, signs[_i].tpa, mac_b);
	ck_assert_uint_eq(result.calls, 1);
	ck_assert(result.conflict && result.has_mac);
	ck_assert_mem_eq(result.mac, mac_b, ETHER_ALEN);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 0);
	arp_lab_advance_ms(10000);
	ck_assert_uint_eq(result.calls, 1);
}
END_TEST

START_TEST(test_probe_conflict_after_the_last_probe_counts)
{
	probe();
	while (lab.sent < 3)
		arp_lab_advance_ms(100);
	arp_lab_advance_ms(1800);
	hear(ARP_OP_REPLY, WANTED, 0, mac_b);
	ck_assert(result.calls == 1 && result.conflict);
}
END_TEST

START_TEST(test_probe_others_do_not_matter)
{
	probe();
	arp_lab_advance_ms(1100);
	hear(ARP_OP_REQUEST, 0x0a000009, WANTED, mac_b); /* asks for it, is no sign */
	hear(ARP_OP_REQUEST, 0, 0x0a000009, mac_b);
	hear(ARP_OP_REQUEST, 0, WANTED, mac_own); /* our own, come back */
	ck_assert_uint_eq(result.calls, 0);
	arp_lab_advance_ms(10000);
	ck_assert(result.calls == 1 && !result.conflict);
}
END_TEST

START_TEST(test_probe_cancelled_is_silent)
{
	struct ip_addr a = wanted();
	unsigned sent;

	probe();
	arp_lab_advance_ms(1100);
	sent = lab.sent;
	ck_assert(acd_cancel(lab.dev, &a));
	ck_assert(!acd_cancel(lab.dev, &a));
	arp_lab_advance_ms(10000);
	ck_assert_uint_eq(lab.sent, sent);
	ck_assert_uint_eq(result.calls, 0);
}
END_TEST

START_TEST(test_probe_done_cannot_be_cancelled)
{
	struct ip_addr a = wanted();

	probe();
	arp_lab_advance_ms(10000);
	ck_assert_uint_eq(result.calls, 1);
	ck_assert(!acd_cancel(lab.dev, &a));
}
END_TEST

START_TEST(test_probe_twice_is_refused)
{
	struct ip_addr a = wanted();

	probe();
	ck_assert_int_eq(acd_probe(lab.dev, &a, done, &result), -EALREADY);
	arp_lab_advance_ms(10000);
	ck_assert_uint_eq(result.calls, 1);
	probe();
}
END_TEST

START_TEST(test_probe_refuses_nonsense)
{
	static const uint32_t bad[] = {0, 0xffffffff, 0xe0000001, 0x7f000001};
	struct netdev *noarp = arp_lab_device("ptp0", NETDEV_NOARP);
	struct ip_addr a;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a = ip_addr4(bad[i]);
		ck_assert_int_eq(acd_probe(lab.dev, &a, done, &result), -EINVAL);
	}
	ck_assert_int_eq(ip_addr_parse("fe80::1", &a), 0);
	ck_assert_int_eq(acd_probe(lab.dev, &a, done, &result), -EINVAL);
	a = wanted();
	ck_assert_int_eq(acd_probe(noarp, &a, done, &result), -EINVAL);
}
END_TEST

START_TEST(test_probe_device_down_ends_it)
{
	probe();
	arp_lab_advance_ms(1100);
	netdev_down(lab.dev);
	ck_assert(result.calls == 1 && result.conflict && !result.has_mac);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 0);
}
END_TEST

START_TEST(test_probe_address_removed_goes_on)
{
	struct ip_addr own = ip_addr4(OWN);

	ck_assert_int_eq(acd_probe(lab.dev, &own, done, &result), 0);
	ck_assert_int_eq(ifaddr_del(lab.dev, &own), 0);
	arp_lab_advance_ms(10000);
	ck_assert(result.calls == 1 && !result.conflict);
	ck_assert_uint_eq(lab.sent, 3);
}
END_TEST

/* The stack ends with a probe, an announcement and a defence under way: nothing is left (fixture). */
START_TEST(test_stack_ends_all_is_freed)
{
	struct ip_addr own = ip_addr4(OWN);

	probe();
	acd_announce(lab.dev, &own);
	hear(ARP_OP_REPLY, OWN, 0x0a000009, mac_b);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 3);
}
END_TEST

/* --- announcing ------------------------------------------------------------------------------- */

START_TEST(test_announce_sends_two)
{
	struct ip_addr own = ip_addr4(OWN);

	acd_announce(lab.dev, &own);
	ck_assert_uint_eq(lab.sent, 1);
	arp_lab_advance_ms(10000);
	ck_assert_uint_eq(lab.sent, 2);
	check_sent_request(0, OWN, OWN);
	check_sent_request(1, OWN, OWN);
	ck_assert_uint_eq(gap_ms(1), 2000);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 0);
}
END_TEST

START_TEST(test_announce_address_removed_ends_it)
{
	struct ip_addr own = ip_addr4(OWN);

	acd_announce(lab.dev, &own);
	ck_assert_int_eq(ifaddr_del(lab.dev, &own), 0);
	arp_lab_advance_ms(10000);
	ck_assert_uint_eq(lab.sent, 1);
}
END_TEST

/* --- defending -------------------------------------------------------------------------------- */

START_TEST(test_in_use_conflict_is_counted_and_defended_once_an_interval)
{
	unsigned lines = lab.lines;

	hear(ARP_OP_REQUEST, OWN, 0x0a000009, mac_b);
	ck_assert_uint_eq(lab.sent, 1);
	ck_assert_uint_eq(lab.lines - lines, 3); /* what came, that it is a conflict, what went */
	check_sent_request(0, OWN, OWN);
	arp_lab_advance_ms(9999);
	hear(ARP_OP_REPLY, OWN, 0x0a000009, mac_b);
	ck_assert_uint_eq(lab.sent, 1);
	arp_lab_advance_ms(1);
	hear(ARP_OP_REPLY, OWN, 0x0a000009, mac_b);
	ck_assert_uint_eq(lab.sent, 2);
	check_sent_request(1, OWN, OWN);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_Conflicts), 3);
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_ARP_CONFLICT), 3);
	ck_assert_uint_eq(neigh_list(lab.st, NULL, 0), 0);
}
END_TEST

/* Its announcement is a request for our address too: it is not answered, it is defended against. */
START_TEST(test_in_use_foreign_announcement_is_not_answered)
{
	hear(ARP_OP_REQUEST, OWN, OWN, mac_b);
	ck_assert_uint_eq(lab.sent, 1);
	check_sent_request(0, OWN, OWN);
}
END_TEST

START_TEST(test_in_use_own_other_device_is_no_conflict)
{
	struct netdev *dev = arp_lab_device("lab1", NETDEV_BROADCAST);

	memcpy(dev->mac, mac_b, ETHER_ALEN);
	hear(ARP_OP_REQUEST, OWN, 0x0a000009, mac_b);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_Conflicts), 0);
	ck_assert_uint_eq(lab.sent, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("acd");

	tcase_add_checked_fixture(tc, arp_lab_setup, arp_lab_teardown);
	tcase_add_loop_test(tc, test_probe_unanswered_address_is_free, 0, 8);
	tcase_add_loop_test(tc, test_probe_conflict_ends_it, 0, sizeof(signs) / sizeof(signs[0]));
	tcase_add_test(tc, test_probe_conflict_after_the_last_probe_counts);
	tcase_add_test(tc, test_probe_others_do_not_matter);
	tcase_add_test(tc, test_probe_cancelled_is_silent);
	tcase_add_test(tc, test_probe_done_cannot_be_cancelled);
	tcase_add_test(tc, test_probe_twice_is_refused);
	tcase_add_test(tc, test_probe_refuses_nonsense);
	tcase_add_test(tc, test_probe_device_down_ends_it);
	tcase_add_test(tc, test_probe_address_removed_goes_on);
	tcase_add_test(tc, test_stack_ends_all_is_freed);
	tcase_add_test(tc, test_announce_sends_two);
	tcase_add_test(tc, test_announce_address_removed_ends_it);
	tcase_add_test(tc, test_in_use_conflict_is_counted_and_defended_once_an_interval);
	tcase_add_test(tc, test_in_use_foreign_announcement_is_not_answered);
	tcase_add_test(tc, test_in_use_own_other_device_is_no_conflict);
	return unit_run("acd", tc);
}
