/*
 * tests/arp/test_neigh_hold.c - the hold queue: its bounds, and that what is written out keeps its
 * order whatever comes meanwhile.
 */
#include <errno.h>
#include <string.h>

#include "lib/mib.h"
#include "net/pkbuf.h"
#include "tests/harness/arp_lab.h"
#include "tests/harness/unit.h"

static struct neigh *host; /* 10.0.0.2, referenced by the test */

static void setup(void)
{
	struct ip_addr a;

	arp_lab_setup();
	a = arp_lab_host(2);
	host = neigh_get(lab.dev, &a);
	ck_assert_ptr_nonnull(host);
}

static void teardown(void)
{
	neigh_put(host);
	arp_lab_teardown();
}

static void answer_by(const uint8_t *mac, enum neigh_override override)
{
	struct neigh_seen seen = {.addr = arp_lab_host(2), .solicited = true, .override = override};
	struct batch batch;

	memcpy(seen.mac, mac, ETHER_ALEN);
	batch_begin(&batch, lab.st);
	ck_assert(neigh_update(lab.dev, &seen));
	batch_end(&batch);
}

static void answer(void)
{
	answer_by(mac_a, NEIGH_REPLACE);
}

static uint32_t held(void)
{
	struct neigh_info i;

	ck_assert_uint_eq(neigh_list(lab.st, &i, 1), 1);
	return i.held;
}

static void out_many(unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(arp_lab_out(host, (uint8_t)(first + i)), 0);
}

static void out_long(uint8_t number, uint32_t len)
{
	struct batch batch;

	batch_begin(&batch, lab.st);
	neigh_out(host, arp_lab_packet(number, len), ETHER_TYPE_IP4);
	batch_end(&batch);
}

/* The frames from the i-th on are these packets, in this order, and nothing more. */
static void check_sent(unsigned i, unsigned first, unsigned n)
{
	ck_assert_uint_eq(lab.sent, i + n);
	for (unsigned k = 0; k < n; k++)
		ck_assert_uint_eq(arp_lab_sent_number(i + k), (uint8_t)(first + k));
}

static uint64_t hold_drops(void)
{
	uint64_t n = mib_read(lab.st, MIB_Arp_HoldDrops);

	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_NEIGH_QUEUE_FULL), n);
	return n;
}

/* --- bounds ----------------------------------------------------------------------------------- */

START_TEST(test_incomplete_answer_sends_all_held_in_order)
{
	out_many(0, 101);
	ck_assert_uint_eq(held(), 101);
	ck_assert_uint_eq(lab.sent, 1); /* one question for all */
	answer();
	check_sent(1, 0, 101);
	ck_assert_mem_eq(lab.frame[1].bytes, mac_a, ETHER_ALEN);
	ck_assert_mem_eq(lab.frame[1].bytes + ETHER_ALEN, mac_own, ETHER_ALEN);
	ck_assert_uint_eq(hold_drops(), 0);
	ck_assert_uint_eq(held(), 0);
}
END_TEST

START_TEST(test_incomplete_packets_over_bound_oldest_dropped)
{
	out_many(0, 105);
	ck_assert_uint_eq(held(), 101);
	ck_assert_uint_eq(hold_drops(), 4);
	answer();
	check_sent(1, 4, 101);
}
END_TEST

START_TEST(test_incomplete_bound_of_one_keeps_the_latest)
{
	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.unres_qlen", 1), 0);
	out_many(0, 3);
	ck_assert_uint_eq(held(), 1);
	answer();
	check_sent(1, 2, 1);
}
END_TEST

/* Of 212992 bytes three super-frames that pin 64 KB each have room, not four. */
START_TEST(test_incomplete_bytes_over_bound_oldest_dropped)
{
	for (uint8_t i = 0; i < 4; i++)
		out_long(i, 60000);
	ck_assert_uint_eq(held(), 3);
	ck_assert_uint_eq(hold_drops(), 1);
}
END_TEST

START_TEST(test_incomplete_one_longer_than_bound_is_held)
{
	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.unres_qlen_bytes", 4096), 0);
	out_many(0, 2);
	out_long(9, 60000);
	ck_assert_uint_eq(held(), 1);
	ck_assert_uint_eq(hold_drops(), 2);
	arp_lab_advance_ms(4000);
	ck_assert_uint_eq(lab.unreachable, 1);
}
END_TEST

/* What counts is the memory that is kept from others, also of a short packet. */
START_TEST(test_incomplete_bytes_count_pinned_memory)
{
	struct pkbuf *b = arp_lab_packet(0, 20);
	uint32_t pinned = b->pinned;

	pkbuf_free(b);
	ck_assert_uint_gt(pinned, 20);
	ck_assert_int_eq(
	    sysctl_write(lab.st, "net.ipv4.neigh.default.unres_qlen_bytes", 4 * pinned + 4096), 0);
	out_many(0, 100);
	ck_assert_uint_eq(held(), (4 * pinned + 4096) / pinned);
}
END_TEST

START_TEST(test_incomplete_deleted_held_are_dropped)
{
	struct ip_addr a = arp_lab_host(2);

	out_many(0, 3);
	ck_assert_int_eq(neigh_del(lab.dev, &a), 0);
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_NEIGH_FAILED), 3);
	ck_assert_uint_eq(lab.unreachable, 0);
}
END_TEST

/* The user's reference outlives the entry: the next packet finds another. */
START_TEST(test_dead_packet_out_looks_up_anew)
{
	struct ip_addr a = arp_lab_host(2);

	ck_assert_int_eq(neigh_del(lab.dev, &a), 0);
	ck_assert(neigh_is_dead(host));
	out_many(0, 2);
	ck_assert_uint_eq(held(), 2);
	answer();
	check_sent(1, 0, 2);
	out_many(2, 1);
	check_sent(1, 0, 3);
}
END_TEST

START_TEST(test_dead_packet_out_table_full_is_dropped)
{
	struct neigh *others[8];
	struct ip_addr a = arp_lab_host(2);

	ck_assert_int_eq(neigh_del(lab.dev, &a), 0);
	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.gc_thresh3", 8), 0);
	for (unsigned i = 0; i < 8; i++) {
		a = arp_lab_host(10 + i);
		others[i] = neigh_get(lab.dev, &a);
	}
	ck_assert_int_eq(arp_lab_out(host, 1), -ENOBUFS);
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_NEIGH_TABLE_FULL), 1);
	for (unsigned i = 0; i < 8; i++)
		neigh_put(others[i]);
}
END_TEST

/* --- while it is written out ------------------------------------------------------------------ */

static struct {
	unsigned next, end; /* packets sent from inside xmit */
	bool reanswer, delete;
} inside;

static bool is_ip(const struct arp_lab_frame *f)
{
	return f->bytes[12] == 8 && f->bytes[13] == 0;
}

static void xmit_sends(const struct arp_lab_frame *f)
{
	if (is_ip(f) && inside.next < inside.end)
		ck_assert_int_eq(arp_lab_out(host, (uint8_t)inside.next++), 0);
}

START_TEST(test_draining_packet_from_inside_xmit_goes_last)
{
	inside.next = 5;
	inside.end = 6;
	lab.on_xmit = xmit_sends;
	out_many(0, 5);
	answer();
	check_sent(1, 0, 6);
}
END_TEST

/* Each frame written brings another: order stays, nothing is lost, and the drainer comes back. */
START_TEST(test_draining_without_end_is_left_to_the_timer)
{
	inside.next = 2;
	inside.end = 200;
	lab.on_xmit = xmit_sends;
	out_many(0, 2);
	answer();
	ck_assert_uint_lt(lab.sent, 1 + 200);
	ck_assert_uint_gt(held(), 0);
	arp_lab_advance_ms(200);
	check_sent(1, 0, 200);
	ck_assert_uint_eq(held(), 0);
	out_many(200, 1);
	check_sent(1, 0, 201);
}
END_TEST

/* What was left is written by the next sender, before its own packet. */
START_TEST(test_draining_left_next_sender_goes_on_in_order)
{
	inside.next = 1;
	inside.end = 12;
	lab.on_xmit = xmit_sends;
	out_many(0, 1);
	answer();
	ck_assert_uint_gt(held(), 0);
	ck_assert_uint_lt(inside.next, inside.end);
	inside.end = inside.next;
	out_many(inside.next, 1);
	check_sent(1, 0, inside.next + 1);
	ck_assert_uint_eq(held(), 0);
}
END_TEST

/* After the timer wrote the rest the state still ends when it should: not at the hand-over. */
START_TEST(test_draining_left_state_keeps_its_end)
{
	struct neigh_info i;

	inside.next = 1;
	inside.end = 100;
	lab.on_xmit = xmit_sends;
	out_many(0, 1);
	answer();
	arp_lab_advance_ms(14000);
	ck_assert_uint_eq(neigh_list(lab.st, &i, 1), 1);
	ck_assert_int_eq(i.state, NUD_REACHABLE);
	arp_lab_advance_ms(31000 + 1);
	neigh_list(lab.st, &i, 1);
	ck_assert_int_eq(i.state, NUD_STALE);
}
END_TEST

static void xmit_changes(const struct arp_lab_frame *f)
{
	struct ip_addr a = arp_lab_host(2);

	if (!is_ip(f) || inside.next == inside.end)
		return;
	inside.next++;
	if (inside.reanswer)
		answer_by(mac_b, NEIGH_REPLACE);
	ck_assert_int_eq(arp_lab_out(host, 50), 0); /* joins the queue */
	if (inside.delete)
		ck_assert_int_eq(neigh_del(lab.dev, &a), 0);
}

START_TEST(test_draining_new_address_the_rest_goes_there)
{
	inside.end = 1;
	inside.reanswer = true;
	lab.on_xmit = xmit_changes;
	out_many(0, 2);
	answer();
	ck_assert_uint_eq(lab.sent, 4);
	ck_assert_uint_eq(arp_lab_sent_number(2), 1);
	ck_assert_mem_eq(lab.frame[2].bytes, mac_a, ETHER_ALEN); /* was on its way */
	ck_assert_mem_eq(lab.frame[3].bytes, mac_b, ETHER_ALEN);
	ck_assert_uint_eq(arp_lab_sent_number(3), 50);
}
END_TEST

START_TEST(test_draining_deleted_the_rest_is_dropped)
{
	inside.end = 1;
	inside.delete = true;
	lab.on_xmit = xmit_changes;
	out_many(0, 2);
	answer();
	ck_assert_uint_eq(lab.sent, 3);
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_NEIGH_FAILED), 1);
	ck_assert(neigh_is_dead(host));
}
END_TEST

START_TEST(test_draining_bound_holds)
{
	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.unres_qlen", 2), 0);
	inside.next = 2;
	inside.end = 7;
	lab.on_xmit = NULL;
	out_many(0, 2);
	lab.on_xmit = xmit_sends;
	answer();
	arp_lab_advance_ms(10);
	check_sent(1, 0, 7);
	ck_assert_uint_eq(hold_drops(), 0);
}
END_TEST

static void xmit_floods(const struct arp_lab_frame *f)
{
	if (is_ip(f) && inside.next == 0) {
		inside.next = 1;
		out_many(10, 5);
		ck_assert_uint_eq(held(), 2);
	}
}

START_TEST(test_draining_flood_keeps_the_latest)
{
	ck_assert_int_eq(sysctl_write(lab.st, "net.ipv4.neigh.default.unres_qlen", 2), 0);
	lab.on_xmit = xmit_floods;
	out_many(0, 2);
	answer();
	ck_assert_uint_eq(hold_drops(), 3);
	ck_assert_uint_eq(lab.sent, 5);
	ck_assert_uint_eq(arp_lab_sent_number(3), 13);
	ck_assert_uint_eq(arp_lab_sent_number(4), 14);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("neigh_hold");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_incomplete_answer_sends_all_held_in_order);
	tcase_add_test(tc, test_incomplete_packets_over_bound_oldest_dropped);
	tcase_add_test(tc, test_incomplete_bound_of_one_keeps_the_latest);
	tcase_add_test(tc, test_incomplete_bytes_over_bound_oldest_dropped);
	tcase_add_test(tc, test_incomplete_one_longer_than_bound_is_held);
	tcase_add_test(tc, test_incomplete_bytes_count_pinned_memory);
	tcase_add_test(tc, test_incomplete_deleted_held_are_dropped);
	tcase_add_test(tc, test_dead_packet_out_table_full_is_dropped);
	tcase_add_test(tc, test_dead_packet_out_looks_up_anew);
	tcase_add_test(tc, test_draining_packet_from_inside_xmit_goes_last);
	tcase_add_test(tc, test_draining_without_end_is_left_to_the_timer);
	tcase_add_test(tc, test_draining_left_next_sender_goes_on_in_order);
	tcase_add_test(tc, test_draining_left_state_keeps_its_end);
	tcase_add_test(tc, test_draining_new_address_the_rest_goes_there);
	tcase_add_test(tc, test_draining_deleted_the_rest_is_dropped);
	tcase_add_test(tc, test_draining_bound_holds);
	tcase_add_test(tc, test_draining_flood_keeps_the_latest);
	return unit_run("neigh_hold", tc);
}
