/*
 * tests/ip/test_ip_in.c - each check of a datagram received: its drop reason and its counter; and
 * what passes, with what it tells the protocol.
 */
#include <string.h>

#include "lib/checksum.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static uint8_t bytes[IP4_LEN_MAX];

static void setup(void)
{
	ip_lab_open(&l);
}

static void teardown(void)
{
	ip_lab_close(&l);
}

/* A sound datagram for us in `bytes`. */
static uint32_t sound(void)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .n = 100};

	return ip_packet_build(&p, bytes);
}

static void assert_dropped(enum drop_reason why)
{
	for (unsigned i = 0; i < DROP_MAX; i++) {
		ck_assert_msg(pkbuf_drops(l.st, i) == (i == why), "%s: %u", drop_info[i].name,
			      (unsigned)pkbuf_drops(l.st, i));
	}
	ck_assert_uint_eq(l.arrived.count, 0);
}

static void assert_dropped_as(enum drop_reason why, enum mib counter)
{
	assert_dropped(why);
	ck_assert_uint_eq(mib_read(l.st, counter), 1);
	ip_lab_quiet(&l, l.eth);
}

START_TEST(test_sound_is_delivered)
{
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.0.0.1", .n = 1000, .tos = 0x48, .ttl = 7};
	struct pkbuf *b;

	ip_lab_rx_ip(&l, l.eth, &p);
	b = pkq_take(&l.arrived);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, 1000);
	ck_assert_uint_eq(b->head, b->l4);
	ck_assert_uint_eq(b->l4, b->l3 + IP4_HLEN);
	ck_assert_uint_eq(b->proto, IP_LAB_PROTO);
	ck_assert_uint_eq(b->ttl, 7);
	ck_assert_uint_eq(b->tos, 0x48);
	ck_assert_uint_eq(ip_addr_to4(&b->src), 0x0a000002);
	ck_assert_uint_eq(ip_addr_to4(&b->dst), 0x0a000001);
	pkbuf_read(b, 0, bytes, 1000);
	ck_assert(pattern_is(bytes, 1000, 0));
	pkbuf_free(b);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_InReceives), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_InDelivers), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_IpExt_InOctets), 1020);
}
END_TEST

/* One counter for each value of the field. */
START_TEST(test_ecn_field_is_counted)
{
	static const enum mib m[] = {MIB_IpExt_InNoECTPkts, MIB_IpExt_InECT1Pkts,
				     MIB_IpExt_InECT0Pkts, MIB_IpExt_InCEPkts};
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .tos = (uint8_t)(0xfc | _i)};

	ip_lab_rx_ip(&l, l.eth, &p);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(mib_read(l.st, m[i]), i == _i);
}
END_TEST

START_TEST(test_padding_is_taken_off)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .n = 1};
	struct pkbuf *b;

	memset(bytes, 0xee, sizeof(bytes));
	ip_packet_build(&p, bytes);
	ip_lab_rx(&l, l.eth, bytes, 46);
	b = pkq_take(&l.arrived);
	ck_assert_uint_eq(b->len, 1);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_short_header_dropped)
{
	sound();
	ip_lab_rx(&l, l.eth, bytes, 19);
	assert_dropped_as(DROP_IP_SHORT, MIB_Ip_InHdrErrors);
}
END_TEST

START_TEST(test_wrong_version_dropped)
{
	uint32_t n = sound();

	bytes[0] = 0x65;
	ip_packet_sum(bytes);
	ip_lab_rx(&l, l.eth, bytes, n);
	assert_dropped_as(DROP_IP_VERSION, MIB_Ip_InHdrErrors);
}
END_TEST

START_TEST(test_header_length_below_20_dropped)
{
	uint32_t n = sound();

	bytes[0] = 0x44;
	ip_lab_rx(&l, l.eth, bytes, n);
	assert_dropped_as(DROP_IP_HDRLEN, MIB_Ip_InHdrErrors);
}
END_TEST

START_TEST(test_header_length_past_the_end_dropped)
{
	sound();
	bytes[0] = 0x4f;
	ip_lab_rx(&l, l.eth, bytes, 40);
	assert_dropped_as(DROP_IP_HDRLEN, MIB_Ip_InHdrErrors);
}
END_TEST

START_TEST(test_total_length_past_the_end_dropped)
{
	uint32_t n = sound();

	ip_lab_rx(&l, l.eth, bytes, n - 1);
	assert_dropped_as(DROP_IP_LENGTH, MIB_IpExt_InTruncatedPkts);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_InHdrErrors), 0);
}
END_TEST

START_TEST(test_total_length_below_header_dropped)
{
	struct ip4_hdr *h = (struct ip4_hdr *)bytes;
	uint32_t n = sound();

	h->len = be16_of(19);
	ip_packet_sum(bytes);
	ip_lab_rx(&l, l.eth, bytes, n);
	assert_dropped_as(DROP_IP_LENGTH, MIB_Ip_InHdrErrors);
}
END_TEST

START_TEST(test_bad_checksum_dropped)
{
	uint32_t n = sound();

	bytes[8]--;
	ip_lab_rx(&l, l.eth, bytes, n);
	assert_dropped_as(DROP_IP_CSUM, MIB_IpExt_InCsumErrors);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_InHdrErrors), 1);
}
END_TEST

/* --- addresses -------------------------------------------------------------------------------- */

START_TEST(test_martian_source_dropped)
{
	static const char *const from[] = {
	    "127.0.0.1",       "127.255.255.255", "0.0.0.0",   "0.1.2.3",  "224.0.0.5",
	    "239.255.255.255", "255.255.255.255", "240.0.0.1", "10.0.0.1", "10.0.0.255"};
	struct ip_packet p = {.src = from[_i], .dst = "10.0.0.1", .n = 8};

	ip_lab_rx_ip(&l, l.eth, &p);
	assert_dropped_as(DROP_IP_MARTIAN_SOURCE, MIB_Ip_InAddrErrors);
}
END_TEST

/* The first and the last network of classes A to C. */
START_TEST(test_host_of_any_class_is_heard)
{
	static const char *const from[] = {"1.0.0.1", "126.255.255.254", "128.0.0.1",
					   "191.255.255.254", "223.255.255.254"};
	struct ip_packet p = {.src = from[_i], .dst = "10.0.0.1", .n = 8};

	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 1);
}
END_TEST

START_TEST(test_stranger_of_any_class_is_no_martian)
{
	static const char *const to[] = {"1.0.0.1", "126.255.255.254", "128.0.0.1",
					 "223.255.255.254"};
	struct ip_packet p = {.src = "10.0.0.2", .dst = to[_i], .n = 8};

	sysctl_write(l.st, "net.ipv4.ip_forward", 0);
	ip_lab_rx_ip(&l, l.eth, &p);
	assert_dropped(DROP_IP_NOT_FOR_US);
}
END_TEST

START_TEST(test_martian_destination_dropped)
{
	static const char *const to[] = {"127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3"};
	struct ip_packet p = {.src = "10.0.0.2", .dst = to[_i], .n = 8};

	ip_lab_rx_ip(&l, l.eth, &p);
	assert_dropped_as(DROP_IP_MARTIAN_DST, MIB_Ip_InAddrErrors);
}
END_TEST

START_TEST(test_who_has_no_address_may_broadcast)
{
	struct ip_packet p = {.src = "0.0.0.0", .dst = "255.255.255.255", .n = 8};

	memset(l.to_rx, 0xff, 6);
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_IpExt_InBcastPkts), 1);
}
END_TEST

START_TEST(test_directed_broadcast_is_ours)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.255", .n = 8};

	memset(l.to_rx, 0xff, 6);
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 1);
}
END_TEST

START_TEST(test_unicast_in_link_broadcast_dropped)
{
	static const char *const to[] = {"10.0.0.1", "10.0.0.3", "192.0.2.1"};
	struct ip_packet p = {.src = "10.0.0.2", .dst = to[_i], .n = 8};

	memset(l.to_rx, 0xff, 6);
	ip_lab_rx_ip(&l, l.eth, &p);
	assert_dropped(DROP_IP_LINK_BCAST);
}
END_TEST

START_TEST(test_all_hosts_group_is_ours_others_not)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "224.0.0.1", .n = 8};

	memcpy(l.to_rx, "\x01\x00\x5e\x00\x00\x01", 6);
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 1);
	p.dst = "224.0.0.9";
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 1);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_NOT_FOR_US), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_IpExt_InMcastPkts), 2);
}
END_TEST

START_TEST(test_address_of_another_device_is_ours)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.1.0.1", .n = 8};

	ip_lab_device(&l, "test1", "10.1.0.1/24");
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 1);
}
END_TEST

START_TEST(test_stranger_without_forwarding_dropped)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "192.0.2.1", .n = 8};

	sysctl_write(l.st, "net.ipv4.ip_forward", 0);
	ip_lab_rx_ip(&l, l.eth, &p);
	assert_dropped_as(DROP_IP_NOT_FOR_US, MIB_Ip_InAddrErrors);
}
END_TEST

START_TEST(test_reverse_path_strict_and_loose)
{
	struct testdev *other = ip_lab_device(&l, "test1", "10.1.0.1/24");
	struct ip_packet p = {.src = "10.1.0.2", .dst = "10.0.0.1", .n = 8};

	ip_lab_rx_ip(&l, l.eth, &p); /* 0: off */
	ck_assert_uint_eq(l.arrived.count, 1);
	sysctl_write(l.st, "net.ipv4.conf.all.rp_filter", 1);
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_SPOOFED), 1);
	ip_lab_rx_ip(&l, other, &p);
	ck_assert_uint_eq(l.arrived.count, 2);
	sysctl_write(l.st, "net.ipv4.conf.all.rp_filter", 2);
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 3);
	p.src = "192.0.2.1";
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_SPOOFED), 2);
}
END_TEST

/* --- options ---------------------------------------------------------------------------------- */

START_TEST(test_malformed_option_answered_with_its_place)
{
	static const uint8_t opt[4] = {IP4_OPT_RR, 9, 4, 0}; /* longer than the header */
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.0.0.1", .n = 8, .opt = opt, .optlen = 4};

	ip_lab_rx_ip(&l, l.eth, &p);
	assert_dropped(DROP_IP_OPTIONS);
	ck_assert_uint_eq(ip_lab_sent_icmp(&l, l.eth, ICMP_PARAM_PROBLEM, 0) >> 24, 21);
}
END_TEST

START_TEST(test_source_route_refused)
{
	static const uint8_t opt[8] = {IP4_OPT_LSRR, 7, 4, 192, 0, 2, 1, IP4_OPT_END};
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.0.0.1", .n = 8, .opt = opt, .optlen = 8};

	ip_lab_rx_ip(&l, l.eth, &p);
	assert_dropped(DROP_IP_SOURCE_ROUTE);
	ip_lab_quiet(&l, l.eth);
}
END_TEST

START_TEST(test_source_route_accepted_at_its_end)
{
	static const uint8_t opt[8] = {IP4_OPT_LSRR, 7, 8, 10, 0, 0, 3, IP4_OPT_END};
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.0.0.1", .n = 8, .opt = opt, .optlen = 8};

	sysctl_write(l.st, "net.ipv4.conf.all.accept_source_route", 1);
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(l.arrived.count, 1);
}
END_TEST

START_TEST(test_unknown_option_ignored)
{
	static const uint8_t opt[8] = {0x9e, 6, 1, 2, 3, 4, IP4_OPT_NOP, IP4_OPT_END};
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.0.0.1", .n = 8, .opt = opt, .optlen = 8};
	struct pkbuf *b;

	ip_lab_rx_ip(&l, l.eth, &p);
	b = pkq_take(&l.arrived);
	ck_assert_uint_eq(b->len, 8);
	ck_assert_uint_eq(b->l4 - b->l3, 28);
	pkbuf_free(b);
}
END_TEST

/* --- protocols -------------------------------------------------------------------------------- */

START_TEST(test_unknown_protocol_answered)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .n = 8, .proto = 254};

	ip_lab_rx_ip(&l, l.eth, &p);
	assert_dropped(DROP_IP_NO_PROTO);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_InUnknownProtos), 1);
	ip_lab_sent_icmp(&l, l.eth, ICMP_DEST_UNREACH, ICMP_PROTO_UNREACH);
}
END_TEST

START_TEST(test_unknown_protocol_in_broadcast_not_answered)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.255", .n = 8, .proto = 254};

	memset(l.to_rx, 0xff, 6);
	ip_lab_rx_ip(&l, l.eth, &p);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_NO_PROTO), 1);
	ip_lab_quiet(&l, l.eth);
}
END_TEST

/* --- what a device left to us ----------------------------------------------------------------- */

static void rx_partial(uint16_t csum_at, uint16_t off, uint32_t n)
{
	struct pkbuf *b = pkbuf_alloc(l.st, PKBUF_RX_HEAD);
	struct ether_hdr e = {.type = be16_of(ETHER_TYPE_IP4)};
	struct batch batch;

	memcpy(e.dst, l.eth->dev->mac, 6);
	ck_assert_int_eq(pkbuf_append(b, &e, sizeof(e)), 0);
	ck_assert_int_eq(pkbuf_append(b, bytes, n), 0);
	b->csum = CSUM_PARTIAL;
	b->csum_start = (uint16_t)(b->head + ETHER_HLEN + csum_at);
	b->csum_off = off;
	batch_begin(&batch, l.st);
	netdev_rx(l.eth->dev, b);
	batch_end(&batch);
}

START_TEST(test_partial_checksum_must_lie_in_datagram)
{
	uint32_t n = sound();

	rx_partial(20, 16, n);
	ck_assert_uint_eq(l.arrived.count, 1);
	rx_partial(19, 16, n);  /* in the IP header */
	rx_partial(100, 20, n); /* half of the field past the end */
	ck_assert_uint_eq(l.arrived.count, 1);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_VNET_HDR), 2);
}
END_TEST

START_TEST(test_partial_checksum_of_fragment_dropped)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .n = 80, .off = IP4_MF};
	uint32_t n = ip_packet_build(&p, bytes);

	rx_partial(20, 16, n);
	assert_dropped(DROP_VNET_HDR);
}
END_TEST

START_TEST(test_transport_checksum)
{
	struct pkbuf *b;
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.0.0.1", .n = 101};
	uint32_t n = ip_packet_build(&p, bytes);
	struct ip_addr src = ip_of(p.src), dst = ip_of(p.dst);
	uint16_t csum = 0;

	memcpy(bytes + 20, &csum, 2);
	csum =
	    csum_finish(csum_add(ip_csum_pseudo(&src, &dst, IP_LAB_PROTO, 101), bytes + 20, 101));
	memcpy(bytes + 20, &csum, 2);
	ip_lab_rx(&l, l.eth, bytes, n);
	bytes[120] ^= 1;
	ip_lab_rx(&l, l.eth, bytes, n);
	b = pkq_take(&l.arrived);
	ck_assert(ip_csum_ok(b));
	pkbuf_free(b);
	b = pkq_take(&l.arrived);
	ck_assert(!ip_csum_ok(b));
	b->csum = CSUM_VERIFIED;
	ck_assert(ip_csum_ok(b));
	pkbuf_free(b);
}
END_TEST

static void add_checks(TCase *tc)
{
	tcase_add_test(tc, test_sound_is_delivered);
	tcase_add_test(tc, test_padding_is_taken_off);
	tcase_add_test(tc, test_short_header_dropped);
	tcase_add_test(tc, test_wrong_version_dropped);
	tcase_add_test(tc, test_header_length_below_20_dropped);
	tcase_add_test(tc, test_header_length_past_the_end_dropped);
	tcase_add_test(tc, test_total_length_past_the_end_dropped);
	tcase_add_test(tc, test_total_length_below_header_dropped);
	tcase_add_test(tc, test_bad_checksum_dropped);
	tcase_add_loop_test(tc, test_martian_source_dropped, 0, 10);
	tcase_add_loop_test(tc, test_host_of_any_class_is_heard, 0, 5);
	tcase_add_loop_test(tc, test_stranger_of_any_class_is_no_martian, 0, 4);
	tcase_add_loop_test(tc, test_martian_destination_dropped, 0, 4);
	tcase_add_test(tc, test_who_has_no_address_may_broadcast);
	tcase_add_test(tc, test_directed_broadcast_is_ours);
	tcase_add_loop_test(tc, test_unicast_in_link_broadcast_dropped, 0, 3);
}

int main(void)
{
	TCase *tc = tcase_create("ip_in");

	tcase_add_checked_fixture(tc, setup, teardown);
	add_checks(tc);
	tcase_add_loop_test(tc, test_ecn_field_is_counted, 0, 4);
	tcase_add_test(tc, test_all_hosts_group_is_ours_others_not);
	tcase_add_test(tc, test_address_of_another_device_is_ours);
	tcase_add_test(tc, test_stranger_without_forwarding_dropped);
	tcase_add_test(tc, test_reverse_path_strict_and_loose);
	tcase_add_test(tc, test_malformed_option_answered_with_its_place);
	tcase_add_test(tc, test_source_route_refused);
	tcase_add_test(tc, test_source_route_accepted_at_its_end);
	tcase_add_test(tc, test_unknown_option_ignored);
	tcase_add_test(tc, test_unknown_protocol_answered);
	tcase_add_test(tc, test_unknown_protocol_in_broadcast_not_answered);
	tcase_add_test(tc, test_partial_checksum_must_lie_in_datagram);
	tcase_add_test(tc, test_partial_checksum_of_fragment_dropped);
	tcase_add_test(tc, test_transport_checksum);
	return unit_run("ip_in", tc);
}
