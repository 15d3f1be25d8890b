/*
 * tests/arp/test_arp.c - ARP packets in: each fault by its drop reason, requests, replies, gratuitous
 * ones, probes; and what is sent (RFC 826).
 */
#include <string.h>

#include "lib/mib.h"
#include "net/ifaddr.h"
#include "net/pkbuf.h"
#include "tests/harness/arp_lab.h"
#include "tests/harness/unit.h"

#define OWN 0x0a000001  /* 10.0.0.1 */
#define HOST 0x0a000002 /* 10.0.0.2, at mac_a */

static struct arp_lab_arp request(void)
{
	struct arp_lab_arp a = {.op = ARP_OP_REQUEST, .spa = HOST, .tpa = OWN};

	memcpy(a.to, ether_broadcast, ETHER_ALEN);
	memcpy(a.from, mac_a, ETHER_ALEN);
	memcpy(a.sha, mac_a, ETHER_ALEN);
	return a;
}

static struct arp_lab_arp reply(void)
{
	struct arp_lab_arp a = request();

	a.op = ARP_OP_REPLY;
	memcpy(a.to, mac_own, ETHER_ALEN);
	memcpy(a.tha, mac_own, ETHER_ALEN);
	return a;
}

static struct arp_lab_arp gratuitous(uint16_t op, const uint8_t *mac)
{
	struct arp_lab_arp a = request();

	a.op = op;
	a.tpa = HOST;
	memcpy(a.from, mac, ETHER_ALEN);
	memcpy(a.sha, mac, ETHER_ALEN);
	return a;
}

static struct neigh *ask(void)
{
	struct ip_addr a = ip_addr4(HOST);
	struct neigh *n = neigh_get(lab.dev, &a);

	ck_assert_int_eq(arp_lab_out(n, 1), 0);
	return n;
}

static void check_state(enum neigh_nud want, const uint8_t *mac)
{
	struct neigh_info i;

	ck_assert_uint_eq(neigh_list(lab.st, &i, 1), 1);
	ck_assert_str_eq(neigh_nud_text(i.state), neigh_nud_text(want));
	ck_assert_mem_eq(i.mac, mac, ETHER_ALEN);
}

static void check_ignored(enum drop_reason why)
{
	for (unsigned r = 0; r < DROP_MAX; r++)
		ck_assert_msg(pkbuf_drops(lab.st, r) == (r == why), "%s: %lu", drop_info[r].name,
			      (unsigned long)pkbuf_drops(lab.st, r));
	ck_assert_uint_eq(lab.sent, 0);
	ck_assert_uint_eq(neigh_list(lab.st, NULL, 0), 0);
}

/* --- faults ----------------------------------------------------------------------------------- */

/* One byte of a good request, by its offset in the frame, made wrong. */
static const struct {
	unsigned at;
	uint8_t byte;
	enum drop_reason why;
} faults[] = {
    {15, 2, DROP_ARP_MALFORMED},    /* hardware: experimental Ethernet */
    {14, 1, DROP_ARP_MALFORMED},    /* hardware, the high byte */
    {16, 0x86, DROP_ARP_MALFORMED}, /* protocol */
    {17, 0x01, DROP_ARP_MALFORMED}, /* protocol, the low byte */
    {18, 8, DROP_ARP_MALFORMED},    /* hardware length */
    {19, 16, DROP_ARP_MALFORMED},   /* protocol length */
    {20, 1, DROP_ARP_MALFORMED},    /* operation, the high byte */
    {21, 0, DROP_ARP_MALFORMED},    /* operation: none */
    {21, 3, DROP_ARP_MALFORMED},    /* operation: RARP */
    {22, 3, DROP_ARP_MCAST},        /* the sender is a group */
    {27, 1, DROP_ARP_OWN},          /* the sender is us */
    {28, 127, DROP_ARP_MALFORMED},  /* the sender is 127.0.0.2 */
    {28, 224, DROP_ARP_MCAST},      /* the sender is 224.0.0.2 */
    {31, 255, DROP_ARP_MCAST},      /* the sender is 10.0.0.255 */
    {38, 224, DROP_ARP_MCAST},      /* for 224.0.0.1 */
    {41, 255, DROP_ARP_MCAST},      /* for 10.0.0.255 */
    {38, 127, DROP_ARP_NOT_FOR_US}, /* for 127.0.0.1 */
    {41, 9, DROP_ARP_NOT_FOR_US},   /* for 10.0.0.9 */
};

START_TEST(test_request_one_byte_wrong_is_dropped)
{
	uint8_t frame[ETHER_HLEN + ARP_LEN];
	struct arp_lab_arp a = request();
	struct netdev *lo;

	ck_assert_int_eq(loop_create(lab.st, &lo), 0);
	arp_lab_build(&a, frame);
	frame[faults[_i].at] = faults[_i].byte;
	arp_lab_rx(frame, sizeof(frame));
	check_ignored(faults[_i].why);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_InErrors), faults[_i].why == DROP_ARP_MALFORMED);
}
END_TEST

START_TEST(test_request_short_is_malformed)
{
	uint8_t frame[ETHER_HLEN + ARP_LEN];
	struct arp_lab_arp a = request();

	arp_lab_build(&a, frame);
	arp_lab_rx(frame, ETHER_HLEN + (uint32_t)_i);
	check_ignored(DROP_ARP_MALFORMED);
}
END_TEST

START_TEST(test_request_sender_zero_is_malformed)
{
	struct arp_lab_arp a = request();

	memset(a.sha, 0, ETHER_ALEN);
	arp_lab_rx_arp(&a);
	check_ignored(DROP_ARP_MALFORMED);
}
END_TEST

START_TEST(test_request_for_everyone_is_ignored)
{
	struct arp_lab_arp a = request();

	a.tpa = 0xffffffff;
	arp_lab_rx_arp(&a);
	check_ignored(DROP_ARP_MCAST);
}
END_TEST

START_TEST(test_reply_from_nobody_is_malformed)
{
	struct arp_lab_arp a = reply();

	a.spa = 0;
	arp_lab_rx_arp(&a);
	check_ignored(DROP_ARP_MALFORMED);
}
END_TEST

START_TEST(test_device_without_arp_ignores)
{
	struct arp_lab_arp a = request();

	lab.dev->flags |= (uint32_t)_i;
	arp_lab_rx_arp(&a);
	check_ignored(DROP_ARP_NOARP);
}
END_TEST

START_TEST(test_request_to_another_host_is_ignored_though_promiscuous)
{
	struct arp_lab_arp a = request();

	lab.dev->flags |= NETDEV_PROMISC;
	memcpy(a.to, mac_b, ETHER_ALEN);
	arp_lab_rx_arp(&a);
	check_ignored(DROP_OTHER_HOST);
}
END_TEST

/* --- requests --------------------------------------------------------------------------------- */

static void check_reply(unsigned i, uint32_t tpa)
{
	struct arp_lab_arp a = arp_lab_sent_arp(i);

	ck_assert_uint_eq(a.op, ARP_OP_REPLY);
	ck_assert_mem_eq(a.to, mac_a, ETHER_ALEN);
	ck_assert_mem_eq(a.from, mac_own, ETHER_ALEN);
	ck_assert_mem_eq(a.sha, mac_own, ETHER_ALEN);
	ck_assert_mem_eq(a.tha, mac_a, ETHER_ALEN);
	ck_assert_uint_eq(a.spa, OWN);
	ck_assert_uint_eq(a.tpa, tpa);
}

START_TEST(test_request_for_us_is_answered_and_remembered)
{
	struct arp_lab_arp a = request();

	arp_lab_rx_arp(&a);
	ck_assert_uint_eq(lab.sent, 1);
	check_reply(0, HOST);
	check_state(NUD_STALE, mac_a);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_InRequests), 1);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_OutReplies), 1);
	for (unsigned r = 0; r < DROP_MAX; r++)
		ck_assert_uint_eq(pkbuf_drops(lab.st, r), 0);
}
END_TEST

START_TEST(test_request_unicast_and_padded_is_answered)
{
	uint8_t frame[60];
	struct arp_lab_arp a = request();

	memset(frame, 0xee, sizeof(frame));
	memcpy(a.to, mac_own, ETHER_ALEN);
	arp_lab_build(&a, frame);
	arp_lab_rx(frame, sizeof(frame));
	ck_assert_uint_eq(lab.sent, 1);
	check_reply(0, HOST);
}
END_TEST

START_TEST(test_request_target_link_address_does_not_matter)
{
	struct arp_lab_arp a = request();

	memset(a.tha, 0xff, ETHER_ALEN);
	arp_lab_rx_arp(&a);
	check_reply(0, HOST);
}
END_TEST

START_TEST(test_request_again_the_entry_is_the_same)
{
	struct arp_lab_arp a = request();

	for (int i = 0; i < 100; i++)
		arp_lab_rx_arp(&a);
	ck_assert_uint_eq(lab.sent, 100);
	check_state(NUD_STALE, mac_a);
}
END_TEST

START_TEST(test_request_from_another_subnet_is_answered_not_remembered)
{
	struct arp_lab_arp a = request();

	a.spa = 0xc0a80002;
	arp_lab_rx_arp(&a);
	check_reply(0, 0xc0a80002);
	ck_assert_uint_eq(neigh_list(lab.st, NULL, 0), 0);
}
END_TEST

START_TEST(test_request_for_address_of_another_device_is_answered)
{
	struct netdev *dev = arp_lab_device("lab1", NETDEV_BROADCAST);
	struct ip_addr own = ip_addr4(0x0a010001);
	struct arp_lab_arp a = request();

	ck_assert_int_eq(ifaddr_add(dev, &own, IP_PREFIX4(24)), 0);
	a.tpa = 0x0a010001;
	arp_lab_rx_arp(&a);
	ck_assert_uint_eq(lab.sent, 1);
	ck_assert_uint_eq(arp_lab_sent_arp(0).spa, 0x0a010001);
}
END_TEST

START_TEST(test_request_resolves_who_is_asked_for)
{
	struct neigh *n = ask();
	struct arp_lab_arp a = request();

	arp_lab_rx_arp(&a);
	check_state(NUD_DELAY, mac_a); /* not proven: it goes out and is probed later */
	ck_assert_uint_eq(lab.sent, 3);
	ck_assert_uint_eq(arp_lab_sent_number(1), 1);
	check_reply(2, HOST);
	neigh_put(n);
}
END_TEST

/* RFC 826: the merge flag. */
START_TEST(test_request_for_others_updates_an_entry)
{
	struct neigh *n = ask();
	struct arp_lab_arp a = request();

	a.tpa = 0x0a000009;
	arp_lab_rx_arp(&a);
	check_state(NUD_DELAY, mac_a);
	neigh_put(n);
}
END_TEST

START_TEST(test_probe_is_answered_and_makes_no_entry)
{
	struct arp_lab_arp a = request();

	a.spa = 0;
	arp_lab_rx_arp(&a);
	ck_assert_uint_eq(lab.sent, 1);
	check_reply(0, 0);
	ck_assert_uint_eq(neigh_list(lab.st, NULL, 0), 0);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_Conflicts), 0);
}
END_TEST

/* --- replies ---------------------------------------------------------------------------------- */

START_TEST(test_reply_asked_for_makes_reachable)
{
	struct neigh *n = ask();
	struct arp_lab_arp a = reply();

	arp_lab_rx_arp(&a);
	check_state(NUD_REACHABLE, mac_a);
	ck_assert_uint_eq(lab.sent, 2);
	ck_assert_uint_eq(arp_lab_sent_number(1), 1);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_InReplies), 1);
	neigh_put(n);
}
END_TEST

START_TEST(test_reply_unasked_makes_no_entry)
{
	struct arp_lab_arp a = reply();

	arp_lab_rx_arp(&a);
	check_ignored(DROP_ARP_UNSOLICITED);
}
END_TEST

START_TEST(test_reply_broadcast_is_no_answer)
{
	struct neigh *n = ask();
	struct arp_lab_arp a = reply();

	memcpy(a.to, ether_broadcast, ETHER_ALEN);
	arp_lab_rx_arp(&a);
	check_state(NUD_DELAY, mac_a);
	neigh_put(n);
}
END_TEST

START_TEST(test_reply_to_address_not_ours_is_no_answer)
{
	struct neigh *n = ask();
	struct arp_lab_arp a = reply();

	a.tpa = 0x0a000009;
	arp_lab_rx_arp(&a);
	check_state(NUD_DELAY, mac_a);
	neigh_put(n);
}
END_TEST

/* Of two that answer the first is believed; who sends another later has it doubted. */
START_TEST(test_reply_second_from_another_is_not_believed)
{
	struct neigh *n = ask();
	struct arp_lab_arp a = reply();

	arp_lab_rx_arp(&a);
	memcpy(a.sha, mac_b, ETHER_ALEN);
	arp_lab_rx_arp(&a);
	check_state(NUD_REACHABLE, mac_a);
	arp_lab_advance_ms(1000);
	arp_lab_rx_arp(&a);
	check_state(NUD_STALE, mac_b);
	neigh_put(n);
}
END_TEST

START_TEST(test_gratuitous_updates_an_entry_at_once)
{
	struct neigh *n = ask();
	struct arp_lab_arp a = reply(), moved = gratuitous((uint16_t)_i, mac_b);

	arp_lab_rx_arp(&a);
	arp_lab_rx_arp(&moved);
	check_state(NUD_STALE, mac_b);
	neigh_put(n);
}
END_TEST

START_TEST(test_gratuitous_makes_no_entry)
{
	struct arp_lab_arp a = gratuitous((uint16_t)_i, mac_b);

	arp_lab_rx_arp(&a);
	check_ignored(_i == ARP_OP_REPLY ? DROP_ARP_UNSOLICITED : DROP_ARP_NOT_FOR_US);
}
END_TEST

/* --- out -------------------------------------------------------------------------------------- */

START_TEST(test_solicit_source_is_of_the_targets_subnet)
{
	struct ip_addr second = ip_addr4(0x0a020001), target = ip_addr4(0x0a020002);
	struct neigh *n;

	ck_assert_int_eq(ifaddr_add(lab.dev, &second, IP_PREFIX4(24)), 0);
	n = neigh_get(lab.dev, &target);
	ck_assert_int_eq(arp_lab_out(n, 1), 0);
	ck_assert_uint_eq(arp_lab_sent_arp(0).spa, 0x0a020001);
	neigh_put(n);
}
END_TEST

START_TEST(test_solicit_on_device_without_address_borrows_one)
{
	struct netdev *dev = arp_lab_device("lab1", NETDEV_BROADCAST);
	struct ip_addr target = ip_addr4(HOST);
	struct neigh *n = neigh_get(dev, &target);

	ck_assert_int_eq(arp_lab_out(n, 1), 0);
	ck_assert_uint_eq(arp_lab_sent_arp(0).spa, OWN);
	neigh_put(n);
}
END_TEST

START_TEST(test_solicit_without_any_address_fails_in_time)
{
	struct ip_addr own = ip_addr4(OWN);
	struct netdev *lo;
	struct neigh *n;

	ck_assert_int_eq(loop_create(lab.st, &lo), 0); /* 127.0.0.1 is none to ask from */
	ck_assert_int_eq(ifaddr_del(lab.dev, &own), 0);
	n = ask();
	arp_lab_advance_ms(4000);
	ck_assert_uint_eq(lab.sent, 0);
	ck_assert_uint_eq(lab.unreachable, 1);
	neigh_put(n);
}
END_TEST

static unsigned watched;

static void watch(struct arp_watch *w, struct netdev *dev, const struct arp_msg *m,
		  const uint8_t *sha)
{
	ck_assert_ptr_eq(w->arg, &watched);
	ck_assert_ptr_eq(dev, lab.dev);
	ck_assert_uint_eq(m->op, ARP_OP_REPLY);
	ck_assert_uint_eq(ip_addr_to4(&m->spa), HOST);
	ck_assert_mem_eq(m->tha, mac_own, ETHER_ALEN);
	ck_assert_mem_eq(sha, mac_a, ETHER_ALEN);
	watched++;
}

START_TEST(test_watchers_see_good_packets_until_they_leave)
{
	struct arp_watch w[2] = {{.fn = watch, .arg = &watched}, {.fn = watch, .arg = &watched}};
	struct arp_lab_arp a = reply(), bad = reply();

	memset(bad.sha, 0, ETHER_ALEN);
	arp_watch_add(lab.st, &w[0]);
	arp_watch_add(lab.st, &w[1]);
	arp_lab_rx_arp(&a);
	ck_assert_uint_eq(watched, 2);
	arp_watch_del(lab.st, &w[0]);
	arp_lab_rx_arp(&a);
	ck_assert_uint_eq(watched, 3);
	arp_lab_rx_arp(&bad);
	arp_watch_del(lab.st, &w[1]);
	arp_lab_rx_arp(&a);
	ck_assert_uint_eq(watched, 3);
}
END_TEST

static void add_faults(TCase *tc)
{
	tcase_add_loop_test(tc, test_request_one_byte_wrong_is_dropped, 0,
			    sizeof(faults) / sizeof(faults[0]));
	tcase_add_loop_test(tc, test_request_short_is_malformed, 0, ARP_LEN);
	tcase_add_test(tc, test_request_sender_zero_is_malformed);
	tcase_add_test(tc, test_request_for_everyone_is_ignored);
	tcase_add_test(tc, test_reply_from_nobody_is_malformed);
	tcase_add_loop_test(tc, test_device_without_arp_ignores, NETDEV_NOARP, NETDEV_NOARP + 1);
	tcase_add_loop_test(tc, test_device_without_arp_ignores, NETDEV_LOOPBACK,
			    NETDEV_LOOPBACK + 1);
	tcase_add_test(tc, test_request_to_another_host_is_ignored_though_promiscuous);
}

int main(void)
{
	TCase *tc = tcase_create("arp");

	tcase_add_checked_fixture(tc, arp_lab_setup, arp_lab_teardown);
	add_faults(tc);
	tcase_add_test(tc, test_request_for_us_is_answered_and_remembered);
	tcase_add_test(tc, test_request_unicast_and_padded_is_answered);
	tcase_add_test(tc, test_request_target_link_address_does_not_matter);
	tcase_add_test(tc, test_request_again_the_entry_is_the_same);
	tcase_add_test(tc, test_request_from_another_subnet_is_answered_not_remembered);
	tcase_add_test(tc, test_request_for_address_of_another_device_is_answered);
	tcase_add_test(tc, test_request_resolves_who_is_asked_for);
	tcase_add_test(tc, test_request_for_others_updates_an_entry);
	tcase_add_test(tc, test_probe_is_answered_and_makes_no_entry);
	tcase_add_test(tc, test_reply_asked_for_makes_reachable);
	tcase_add_test(tc, test_reply_unasked_makes_no_entry);
	tcase_add_test(tc, test_reply_broadcast_is_no_answer);
	tcase_add_test(tc, test_reply_to_address_not_ours_is_no_answer);
	tcase_add_test(tc, test_reply_second_from_another_is_not_believed);
	tcase_add_loop_test(tc, test_gratuitous_updates_an_entry_at_once, ARP_OP_REQUEST,
			    ARP_OP_REPLY + 1);
	tcase_add_loop_test(tc, test_gratuitous_makes_no_entry, ARP_OP_REQUEST, ARP_OP_REPLY + 1);
	tcase_add_test(tc, test_solicit_source_is_of_the_targets_subnet);
	tcase_add_test(tc, test_solicit_on_device_without_address_borrows_one);
	tcase_add_test(tc, test_solicit_without_any_address_fails_in_time);
	tcase_add_test(tc, test_watchers_see_good_packets_until_they_leave);
	return unit_run("arp", tc);
}
