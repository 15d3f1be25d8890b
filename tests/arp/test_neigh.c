/*
 * tests/arp/test_neigh.c - the states of a neighbour: each state by each event, and by time.
 */
#include <errno.h>
#include <string.h>

#include "lib/mib.h"
#include "tests/harness/arp_lab.h"
#include "tests/harness/unit.h"

#define HOST 2 /* the neighbour of most tests: 10.0.0.2 */

static const uint8_t mac_none[ETHER_ALEN];

static uint64_t now(void)
{
	return env_now(lab.env);
}

/* Of the only entry; false when there is none. */
static bool the_entry(struct neigh_info *i)
{
	unsigned n = neigh_list(lab.st, i, 1);

	ck_assert_uint_le(n, 1);
	return n == 1;
}

static void check_state(enum neigh_nud want, const uint8_t *mac)
{
	struct neigh_info i;

	ck_assert(the_entry(&i));
	ck_assert_str_eq(neigh_nud_text(i.state), neigh_nud_text(want));
	ck_assert_mem_eq(i.mac, mac, ETHER_ALEN);
}

static bool see(const uint8_t *mac, bool solicited, bool create, enum neigh_override o)
{
	struct neigh_seen seen = {
	    .addr = arp_lab_host(HOST),
	    .solicited = solicited,
	    .create = create,
	    .override = o,
	};
	struct batch batch;
	bool known;

	memcpy(seen.mac, mac, ETHER_ALEN);
	batch_begin(&batch, lab.st);
	known = neigh_update(lab.dev, &seen);
	batch_end(&batch);
	return known;
}

static void answer(void)
{
	see(mac_a, true, false, NEIGH_REPLACE_SETTLED);
}

static void seen_same(void)
{
	see(mac_a, false, false, NEIGH_REPLACE_SETTLED);
}

static struct neigh *get(void)
{
	struct ip_addr a = arp_lab_host(HOST);
	struct neigh *n = neigh_get(lab.dev, &a);

	ck_assert_ptr_nonnull(n);
	return n;
}

static void out(void)
{
	struct neigh *n = get();

	ck_assert_int_eq(arp_lab_out(n, 7), 0);
	neigh_put(n);
}

static void confirm(void)
{
	struct neigh *n = get();

	neigh_confirm(n);
	neigh_put(n);
}

/* --- each state ------------------------------------------------------------------------------- */

static void to_none(void)
{
	neigh_put(get());
}

static void to_reachable(void)
{
	out();
	answer();
}

static void to_stale(void)
{
	see(mac_a, false, true, NEIGH_REPLACE);
}

static void to_delay(void)
{
	to_stale();
	out();
}

static void to_probe(void)
{
	to_delay();
	arp_lab_advance_ms(5000);
}

static void to_failed(void)
{
	out();
	arp_lab_advance_ms(4000);
}

static void to_permanent(void)
{
	struct ip_addr a = arp_lab_host(HOST);

	ck_assert_int_eq(neigh_add_permanent(lab.dev, &a, mac_a), 0);
}

static const struct {
	enum neigh_nud state;
	void (*enter)(void);
	const uint8_t *mac;
} states[] = {
    {NUD_NONE, to_none, mac_none},        {NUD_INCOMPLETE, out, mac_none},
    {NUD_REACHABLE, to_reachable, mac_a}, {NUD_STALE, to_stale, mac_a},
    {NUD_DELAY, to_delay, mac_a},         {NUD_PROBE, to_probe, mac_a},
    {NUD_FAILED, to_failed, mac_none},    {NUD_PERMANENT, to_permanent, mac_a},
};

#define STATES (sizeof(states) / sizeof(states[0]))

/* --- each event ------------------------------------------------------------------------------- */

static void answer_other(void)
{
	see(mac_b, true, false, NEIGH_REPLACE_SETTLED);
}

static void seen_other(void)
{
	see(mac_b, false, false, NEIGH_REPLACE_SETTLED);
}

static void seen_other_keep(void)
{
	see(mac_b, false, false, NEIGH_KEEP);
}

static void seen_other_replace(void)
{
	see(mac_b, false, false, NEIGH_REPLACE);
}

static const struct {
	const char *name;
	void (*happen)(void);
	/* By states[]: NONE INCOMPLETE REACHABLE STALE DELAY PROBE FAILED PERMANENT; and whose address. */
	struct {
		enum neigh_nud state;
		char mac;
	} want[STATES];
} events[] = {
    {"a packet out",
     out,
     {{NUD_INCOMPLETE, 0},
      {NUD_INCOMPLETE, 0},
      {NUD_REACHABLE, 'a'},
      {NUD_DELAY, 'a'},
      {NUD_DELAY, 'a'},
      {NUD_PROBE, 'a'},
      {NUD_INCOMPLETE, 0},
      {NUD_PERMANENT, 'a'}}},
    {"an answer",
     answer,
     {{NUD_STALE, 'a'},
      {NUD_REACHABLE, 'a'},
      {NUD_REACHABLE, 'a'},
      {NUD_REACHABLE, 'a'},
      {NUD_REACHABLE, 'a'},
      {NUD_REACHABLE, 'a'},
      {NUD_STALE, 'a'},
      {NUD_PERMANENT, 'a'}}},
    {"seen as known",
     seen_same,
     {{NUD_STALE, 'a'},
      {NUD_DELAY, 'a'},
      {NUD_REACHABLE, 'a'},
      {NUD_STALE, 'a'},
      {NUD_DELAY, 'a'},
      {NUD_PROBE, 'a'},
      {NUD_STALE, 'a'},
      {NUD_PERMANENT, 'a'}}},
    {"an answer from another", /* only PROBE has asked, and was learnt long enough ago */
     answer_other,
     {{NUD_STALE, 'b'},
      {NUD_REACHABLE, 'b'},
      {NUD_REACHABLE, 'a'},
      {NUD_STALE, 'a'},
      {NUD_DELAY, 'a'},
      {NUD_REACHABLE, 'b'},
      {NUD_STALE, 'b'},
      {NUD_PERMANENT, 'a'}}},
    {"another seen",
     seen_other,
     {{NUD_STALE, 'b'},
      {NUD_DELAY, 'b'},
      {NUD_REACHABLE, 'a'},
      {NUD_STALE, 'a'},
      {NUD_DELAY, 'a'},
      {NUD_STALE, 'b'},
      {NUD_STALE, 'b'},
      {NUD_PERMANENT, 'a'}}},
    {"another seen, not to override",
     seen_other_keep,
     {{NUD_STALE, 'b'},
      {NUD_DELAY, 'b'},
      {NUD_STALE, 'a'},
      {NUD_STALE, 'a'},
      {NUD_DELAY, 'a'},
      {NUD_PROBE, 'a'},
      {NUD_STALE, 'b'},
      {NUD_PERMANENT, 'a'}}},
    {"another seen, to override",
     seen_other_replace,
     {{NUD_STALE, 'b'},
      {NUD_DELAY, 'b'},
      {NUD_STALE, 'b'},
      {NUD_STALE, 'b'},
      {NUD_STALE, 'b'},
      {NUD_STALE, 'b'},
      {NUD_STALE, 'b'},
      {NUD_PERMANENT, 'a'}}},
};

#define EVENTS (sizeof(events) / sizeof(events[0]))

START_TEST(test_each_state_each_event_next_state)
{
	unsigned s = (unsigned)_i % STATES, e = (unsigned)_i / STATES;
	char mac = events[e].want[s].mac;

	states[s].enter();
	check_state(states[s].state, states[s].mac);
	events[e].happen();
	check_state(events[e].want[s].state, mac == 'a' ? mac_a : mac == 'b' ? mac_b : mac_none);
}
END_TEST

START_TEST(test_each_state_deletion_leaves_a_dead_entry)
{
	struct ip_addr a = arp_lab_host(HOST);
	struct neigh *n, *anew;

	states[_i].enter();
	n = get();
	ck_assert(!neigh_is_dead(n));
	ck_assert_int_eq(neigh_is_at(n, mac_a), neigh_is_ready(n));
	ck_assert(!neigh_is_at(n, mac_b));
	ck_assert_int_eq(neigh_del(lab.dev, &a), 0);
	ck_assert(neigh_is_dead(n));
	ck_assert_int_eq(neigh_del(lab.dev, &a), -ENOENT);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 0);
	anew = get();
	ck_assert_ptr_ne(anew, n);
	neigh_put(anew);
	neigh_put(n);
}
END_TEST

START_TEST(test_each_state_device_down_flushes_all_but_permanent)
{
	struct neigh_info i;

	states[_i].enter();
	netdev_down(lab.dev);
	ck_assert(the_entry(&i) == (states[_i].state == NUD_PERMANENT));
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_timers), 0);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_pkbufs), 0);
}
END_TEST

/* --- time ------------------------------------------------------------------------------------- */

START_TEST(test_incomplete_unanswered_asks_four_times_then_fails)
{
	uint64_t start = now();

	out();
	out();
	arp_lab_advance_ms(3999);
	check_state(NUD_INCOMPLETE, mac_none);
	ck_assert_uint_eq(lab.unreachable, 0);
	ck_assert_uint_eq(lab.sent, 4);
	for (unsigned i = 0; i < 4; i++) {
		struct arp_lab_arp a = arp_lab_sent_arp(i);

		ck_assert_uint_eq(lab.frame[i].at, start + i * NSEC_PER_SEC);
		ck_assert_uint_eq(a.op, ARP_OP_REQUEST);
		ck_assert_mem_eq(a.to, ether_broadcast, ETHER_ALEN);
		ck_assert_mem_eq(a.tha, mac_none, ETHER_ALEN);
		ck_assert_uint_eq(a.spa, 0x0a000001);
		ck_assert_uint_eq(a.tpa, 0x0a000002);
	}
	arp_lab_advance_ms(1);
	check_state(NUD_FAILED, mac_none);
	ck_assert_uint_eq(lab.unreachable, 2);
	ck_assert_uint_eq(lab.sent, 4);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_Failed), 1);
}
END_TEST

START_TEST(test_failed_packet_out_asks_again)
{
	to_failed();
	out();
	ck_assert_uint_eq(lab.sent, 5);
	answer();
	check_state(NUD_REACHABLE, mac_a);
	ck_assert_uint_eq(lab.sent, 6);
	ck_assert_uint_eq(arp_lab_sent_number(5), 7);
	ck_assert_uint_eq(lab.unreachable, 1);
}
END_TEST

START_TEST(test_incomplete_sysctls_rule_number_and_time)
{
	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.mcast_solicit", 2), 0);
	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.retrans_time_ms", 100), 0);
	out();
	arp_lab_advance_ms(199);
	check_state(NUD_INCOMPLETE, mac_none);
	arp_lab_advance_ms(1);
	check_state(NUD_FAILED, mac_none);
	ck_assert_uint_eq(lab.sent, 2);
}
END_TEST

/* Within 0.5 to 1.5 of 30 s, for any seed; and it ends by one timer, not by ticks. */
START_TEST(test_reachable_ends_stale_within_its_random_time)
{
	uint64_t step = NSEC_PER_SEC / 10, start;
	struct neigh_info i;

	for (int skip = 0; skip < _i; skip++)
		env_random(lab.env);
	to_reachable();
	start = now();
	arp_lab_advance_ms(14999);
	check_state(NUD_REACHABLE, mac_a);
	while (the_entry(&i) && i.state == NUD_REACHABLE) {
		ck_assert_uint_eq(gauge_read(lab.st, GAUGE_timers), 1);
		env_lab_advance(lab.env, step);
	}
	ck_assert_uint_le(now() - start, 45 * NSEC_PER_SEC + step);
	check_state(NUD_STALE, mac_a);
}
END_TEST

/* --- many at once: the random times ----------------------------------------------------------- */

#define MANY 400

static void many_seen(bool solicited)
{
	for (uint32_t i = 0; i < MANY; i++) {
		struct neigh_seen seen = {
		    .addr = ip_addr4(0x0a010000 + i), .solicited = solicited, .create = true};

		memcpy(seen.mac, mac_a, ETHER_ALEN);
		ck_assert(neigh_update(lab.dev, &seen));
	}
}

static unsigned many_in(enum neigh_nud state)
{
	static struct neigh_info all[MANY];
	unsigned n = 0;

	ck_assert_uint_eq(neigh_list(lab.st, all, MANY), MANY);
	for (unsigned i = 0; i < MANY; i++)
		n += all[i].state == state;
	return n;
}

START_TEST(test_many_reachable_half_are_stale_after_the_base_time)
{
	many_seen(false);
	many_seen(true); /* a solicited one as known proves it */
	ck_assert_uint_eq(many_in(NUD_REACHABLE), MANY);
	arp_lab_advance_ms(30000);
	ck_assert_uint_gt(many_in(NUD_STALE), MANY * 4 / 10);
	ck_assert_uint_lt(many_in(NUD_STALE), MANY * 6 / 10);
	arp_lab_advance_ms(15001);
	ck_assert_uint_eq(many_in(NUD_STALE), MANY);
}
END_TEST

/* REACHABLE counts from the confirmation, not from when the timer saw it five seconds later. */
START_TEST(test_many_confirmed_in_delay_time_counts_from_there)
{
	many_seen(false);
	for (uint32_t i = 0; i < MANY; i++) {
		struct ip_addr a = ip_addr4(0x0a010000 + i);
		struct neigh *n = neigh_get(lab.dev, &a);

		ck_assert_int_eq(arp_lab_out(n, 1), 0);
		neigh_confirm(n);
		neigh_put(n);
	}
	ck_assert_uint_eq(many_in(NUD_DELAY), MANY);
	arp_lab_advance_ms(14999);
	ck_assert_uint_eq(many_in(NUD_REACHABLE), MANY);
	arp_lab_advance_ms(4900);
	ck_assert_uint_gt(many_in(NUD_STALE), 0);
	arp_lab_advance_ms(25102);
	ck_assert_uint_eq(many_in(NUD_STALE), MANY);
}
END_TEST

START_TEST(test_reachable_confirmed_stays)
{
	to_reachable();
	for (int i = 0; i < 100; i++) {
		arp_lab_advance_ms(10000);
		check_state(NUD_REACHABLE, mac_a);
		confirm();
	}
	ck_assert_uint_eq(lab.sent, 2); /* the request and the packet: no probe in 1000 s */
	arp_lab_advance_ms(14999);
	check_state(NUD_REACHABLE, mac_a);
	arp_lab_advance_ms(30002);
	check_state(NUD_STALE, mac_a);
}
END_TEST

START_TEST(test_stale_use_delays_then_probes_unicast_then_fails)
{
	uint64_t start;

	to_stale();
	arp_lab_advance_ms(100000);
	check_state(NUD_STALE, mac_a);
	ck_assert_uint_eq(lab.sent, 0);
	start = now();
	out();
	arp_lab_advance_ms(4999);
	check_state(NUD_DELAY, mac_a);
	ck_assert_uint_eq(lab.sent, 1);
	arp_lab_advance_ms(3000);
	check_state(NUD_PROBE, mac_a);
	ck_assert_uint_eq(lab.sent, 4);
	for (unsigned i = 1; i < 4; i++) {
		struct arp_lab_arp a = arp_lab_sent_arp(i);

		ck_assert_uint_eq(lab.frame[i].at, start + (4 + i) * NSEC_PER_SEC);
		ck_assert_uint_eq(a.op, ARP_OP_REQUEST);
		ck_assert_mem_eq(a.to, mac_a, ETHER_ALEN);
		ck_assert_mem_eq(a.tha, mac_none, ETHER_ALEN);
	}
	arp_lab_advance_ms(1);
	check_state(NUD_FAILED, mac_none);
	ck_assert_uint_eq(lab.sent, 4);
}
END_TEST

START_TEST(test_delay_confirmed_becomes_reachable_without_a_probe)
{
	to_delay();
	arp_lab_advance_ms(1000);
	confirm();
	check_state(NUD_DELAY, mac_a); /* nothing happens before the timer looks */
	arp_lab_advance_ms(4000);
	check_state(NUD_REACHABLE, mac_a);
	ck_assert_uint_eq(lab.sent, 1);
}
END_TEST

START_TEST(test_delay_confirmed_before_it_began_probes)
{
	to_stale();
	confirm();
	arp_lab_advance_ms(1);
	out();
	arp_lab_advance_ms(5000);
	check_state(NUD_PROBE, mac_a);
}
END_TEST

START_TEST(test_probe_confirmed_becomes_reachable)
{
	to_probe();
	arp_lab_advance_ms(500);
	confirm();
	arp_lab_advance_ms(500);
	check_state(NUD_REACHABLE, mac_a);
	ck_assert_uint_eq(lab.sent, 2);
}
END_TEST

START_TEST(test_probe_packets_go_out_meanwhile)
{
	to_probe();
	out();
	ck_assert_uint_eq(lab.sent, 3);
	ck_assert_uint_eq(arp_lab_sent_number(2), 7);
}
END_TEST

START_TEST(test_reachable_another_seen_after_a_second_is_believed_but_doubted)
{
	to_reachable();
	arp_lab_advance_ms(999);
	seen_other();
	check_state(NUD_REACHABLE, mac_a);
	arp_lab_advance_ms(1);
	seen_other();
	check_state(NUD_STALE, mac_b);
}
END_TEST

START_TEST(test_reachable_confirmed_just_now_another_seen_is_not_believed)
{
	to_reachable();
	arp_lab_advance_ms(5000);
	confirm();
	seen_other();
	check_state(NUD_REACHABLE, mac_a);
}
END_TEST

START_TEST(test_no_entry_seen_makes_none_unless_told)
{
	struct neigh_info i;

	ck_assert(!see(mac_a, true, false, NEIGH_REPLACE));
	ck_assert(!the_entry(&i));
	ck_assert(see(mac_a, false, true, NEIGH_REPLACE_SETTLED));
	check_state(NUD_STALE, mac_a);
}
END_TEST

START_TEST(test_counters_lookups_hits_resolved)
{
	to_reachable(); /* looks up once, and makes it */
	out();
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_Lookups), 2);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_Hits), 1);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_Resolved), 1);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Arp_OutRequests), 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("neigh");

	tcase_add_checked_fixture(tc, arp_lab_setup, arp_lab_teardown);
	tcase_add_loop_test(tc, test_each_state_each_event_next_state, 0, EVENTS * STATES);
	tcase_add_loop_test(tc, test_each_state_deletion_leaves_a_dead_entry, 0, STATES);
	tcase_add_loop_test(tc, test_each_state_device_down_flushes_all_but_permanent, 0, STATES);
	tcase_add_test(tc, test_incomplete_unanswered_asks_four_times_then_fails);
	tcase_add_test(tc, test_failed_packet_out_asks_again);
	tcase_add_test(tc, test_incomplete_sysctls_rule_number_and_time);
	tcase_add_loop_test(tc, test_reachable_ends_stale_within_its_random_time, 0, 8);
	tcase_add_test(tc, test_many_reachable_half_are_stale_after_the_base_time);
	tcase_add_test(tc, test_many_confirmed_in_delay_time_counts_from_there);
	tcase_add_test(tc, test_reachable_confirmed_stays);
	tcase_add_test(tc, test_stale_use_delays_then_probes_unicast_then_fails);
	tcase_add_test(tc, test_delay_confirmed_becomes_reachable_without_a_probe);
	tcase_add_test(tc, test_delay_confirmed_before_it_began_probes);
	tcase_add_test(tc, test_probe_confirmed_becomes_reachable);
	tcase_add_test(tc, test_probe_packets_go_out_meanwhile);
	tcase_add_test(tc, test_reachable_another_seen_after_a_second_is_believed_but_doubted);
	tcase_add_test(tc, test_reachable_confirmed_just_now_another_seen_is_not_believed);
	tcase_add_test(tc, test_no_entry_seen_makes_none_unless_told);
	tcase_add_test(tc, test_counters_lookups_hits_resolved);
	return unit_run("neigh", tc);
}
