/*
 * tests/ip/test_ip_forward.c - what a router refuses, changes and says.
 */
#include <stddef.h>
#include <string.h>

#include "lib/wire/tcp.h"
#include "tests/harness/frame.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static struct testdev *other;
static uint8_t bytes[IP4_LEN_MAX];

static void setup(void)
{
	ip_lab_open(&l);
	other = ip_lab_device(&l, "test1", "10.1.0.1/24");
}

static void teardown(void)
{
	ip_lab_close(&l);
}

static void rx(const struct ip_packet *p)
{
	ip_lab_rx_ip(&l, l.eth, p);
}

START_TEST(test_passed_on_with_ttl_less_one)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.1.0.2", .n = 1000, .tos = 0x10};
	const struct ip4_hdr *h = (const struct ip4_hdr *)bytes;
	uint32_t n;

	p.id = 99;
	rx(&p);
	n = ip_lab_sent(&l, other, bytes);
	ck_assert(ip_packet_is_sound(bytes, n));
	ck_assert_uint_eq(n, 1020);
	ck_assert_uint_eq(h->ttl, 63);
	ck_assert_uint_eq(h->tos, 0x10);
	ck_assert_uint_eq(be16_get(h->id), 99);
	ck_assert_mem_eq(h->src, "\x0a\x00\x00\x02", 4);
	ck_assert(pattern_is(bytes + 20, 1000, 0));
	ck_assert_mem_eq(l.to, "\x02\xee\x0a\x01\x00\x02", 6);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ForwDatagrams), 1);
	ip_lab_quiet(&l, l.eth);
}
END_TEST

START_TEST(test_checksum_stays_right_for_every_ttl)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.1.0.2", .n = 8};

	for (unsigned ttl = 2; ttl <= 255; ttl++) {
		uint32_t n;

		p.ttl = (uint8_t)ttl;
		p.id = (uint16_t)(ttl * 257);
		rx(&p);
		n = ip_lab_sent(&l, other, bytes);
		ck_assert(ip_packet_is_sound(bytes, n));
		ck_assert_uint_eq(bytes[8], ttl - 1);
	}
}
END_TEST

START_TEST(test_ttl_1_is_time_exceeded)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.1.0.2", .n = 8, .ttl = 1};

	rx(&p);
	ip_lab_sent_icmp(&l, l.eth, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_TTL), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_InHdrErrors), 1);
	ip_lab_quiet(&l, other);
}
END_TEST

START_TEST(test_no_route_is_net_unreachable)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "192.0.2.1", .n = 8};

	rx(&p);
	ip_lab_sent_icmp(&l, l.eth, ICMP_DEST_UNREACH, ICMP_NET_UNREACH);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_NO_ROUTE), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_IpExt_InNoRoutes), 1);
}
END_TEST

START_TEST(test_unreachable_route_and_blackhole)
{
	struct route r = {.type = ROUTE_UNREACHABLE, .prefix = IP_PREFIX4(24)};
	struct ip_packet p = {.src = "10.0.0.2", .dst = "192.0.2.1", .n = 8};

	r.net = ip_of("192.0.2.0");
	route_add(l.st, &r);
	rx(&p);
	ip_lab_sent_icmp(&l, l.eth, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH);
	route_del(l.st, &r);
	r.type = ROUTE_BLACKHOLE;
	route_add(l.st, &r);
	rx(&p);
	ip_lab_quiet(&l, l.eth);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_NO_ROUTE), 2);
}
END_TEST

START_TEST(test_neighbour_that_does_not_answer_is_host_unreachable)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.1.0.77", .n = 8};

	rx(&p);
	ip_lab_advance_ms(&l, 20000);
	ip_lab_sent_icmp(&l, l.eth, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_NEIGH_FAILED), 1);
	pkq_free(&other->sent); /* ARP */
}
END_TEST

START_TEST(test_link_local_stays_on_link)
{
	static const char *const src[] = {"169.254.1.1", "10.0.0.2", "10.0.0.2"};
	static const char *const dst[] = {"10.1.0.2", "169.254.1.1", "255.255.255.255"};
	struct ip_packet p = {.src = src[_i], .dst = dst[_i], .n = 8};

	ip_lab_route(&l, "0.0.0.0/0", "10.1.0.2");
	rx(&p);
	ck_assert_uint_eq(other->sent.count, 0);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ForwDatagrams), 0);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_FORWARD_BCAST), _i < 2);
	ck_assert_uint_eq(l.arrived.count, _i == 2); /* a broadcast ends here */
}
END_TEST

/* --- size ------------------------------------------------------------------------------------- */

START_TEST(test_df_too_large_is_frag_needed)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.1.0.2", .n = 981, .off = IP4_DF};

	netdev_set_mtu(other->dev, 1000);
	rx(&p);
	ck_assert_uint_eq(ip_lab_sent_icmp(&l, l.eth, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED), 1000);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_NEEDS_FRAG), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_FragFails), 1);
	ip_lab_quiet(&l, other);
	p.n = 980;
	rx(&p);
	ck_assert_uint_eq(ip_lab_sent(&l, other, bytes), 1000);
}
END_TEST

START_TEST(test_without_df_is_fragmented)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.1.0.2", .n = 1400};
	uint32_t n, at = 0;

	netdev_set_mtu(other->dev, 576);
	rx(&p);
	while ((n = ip_lab_sent(&l, other, bytes))) {
		ck_assert(ip_packet_is_sound(bytes, n));
		ck_assert_uint_eq(bytes[8], 63);
		ck_assert(pattern_is(bytes + 20, n - 20, at));
		at += n - 20;
	}
	ck_assert_uint_eq(at, 1400);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_FragCreates), 3);
}
END_TEST

/* A super-frame as a TAP gives it, from 10.0.0.2 to 10.1.0.2. */
static void rx_super(uint32_t n, uint16_t gso_size, uint16_t off)
{
	struct pkbuf *b = frame_send4(l.st, n, gso_size);
	struct ip4_hdr *h = ip4_hdr_edit(b);
	struct batch batch;

	memcpy(b->hdr + b->head, l.eth->dev->mac, 6);
	memcpy(h->src, "\x0a\x00\x00\x02", 4);
	memcpy(h->dst, "\x0a\x01\x00\x02", 4);
	h->off = be16_of(off);
	ip4_csum_set(h);
	batch_begin(&batch, l.st);
	netdev_rx(l.eth->dev, b);
	batch_end(&batch);
}

START_TEST(test_super_frame_passes_whole_when_segments_fit)
{
	struct pkbuf *b;

	other->dev->features = NETDEV_F_ALL;
	rx_super(14600, 1460, IP4_DF);
	ck_assert_uint_eq(other->sent.count, 1);
	b = pkq_take(&other->sent);
	ck_assert_uint_eq(b->gso_size, 1460);
	ck_assert_uint_eq(b->csum, CSUM_PARTIAL);
	ck_assert_uint_eq(b->len, 14654);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_super_frame_asked_of_its_segments)
{
	uint32_t n;

	netdev_set_mtu(other->dev, 1499);
	rx_super(14600, 1460, IP4_DF);
	ck_assert_uint_eq(ip_lab_sent_icmp(&l, l.eth, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED), 1499);
	ip_lab_quiet(&l, other);
	rx_super(14600, 1460, 0); /* each segment in two */
	ck_assert_uint_eq(other->sent.count, 20);
	while ((n = ip_lab_sent(&l, other, bytes))) {
		ck_assert(ip_packet_is_sound(bytes, n));
		ck_assert_uint_le(n, 1499);
		ck_assert_uint_eq(bytes[8], 63);
	}
}
END_TEST

/* --- redirects -------------------------------------------------------------------------------- */

START_TEST(test_redirect_to_a_neighbour_of_the_sender)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "192.0.2.1", .n = 8};

	ip_lab_route(&l, "192.0.2.0/24", "10.0.0.3");
	rx(&p);
	ck_assert_uint_eq(ip_lab_sent_icmp(&l, l.eth, ICMP_REDIRECT, ICMP_REDIR_HOST), 0x0a000003);
	ck_assert_uint_eq(ip_lab_sent(&l, l.eth, bytes), 28); /* and it is passed on still */
	ck_assert_uint_eq(bytes[8], 63);
}
END_TEST

static unsigned redirects(void)
{
	unsigned n = 0;

	while (ip_lab_sent(&l, l.eth, bytes))
		n += ((const struct ip4_hdr *)bytes)->proto == IP_PROTO_ICMP;
	return n;
}

START_TEST(test_redirect_ever_more_rarely)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "192.0.2.1", .n = 8};
	unsigned told = 0;

	ip_lab_route(&l, "192.0.2.0/24", "10.0.0.3");
	for (unsigned ms = 0; ms < 60000; ms += 10) {
		rx(&p);
		told += redirects();
		ip_lab_advance_ms(&l, 10);
	}
	ck_assert_uint_eq(told, 9);
	p.src = "10.0.0.4"; /* another is told for itself */
	rx(&p);
	ck_assert_uint_eq(redirects(), 1);
	p.src = "10.0.0.2";
	ip_lab_advance_ms(&l, 20500);
	rx(&p);
	ck_assert_uint_eq(redirects(), 1);
}
END_TEST

START_TEST(test_redirect_leaves_the_super_frame_as_it_is)
{
	struct pkbuf *b;

	l.eth->dev->features = NETDEV_F_ALL;
	ip_lab_route(&l, "10.1.0.2/32", "10.0.0.3");
	rx_super(14600, 1460, IP4_DF);
	ip_lab_sent_icmp(&l, l.eth, ICMP_REDIRECT, ICMP_REDIR_HOST);
	b = pkq_take(&l.eth->sent);
	ck_assert_uint_eq(b->gso_size, 1460);
	ck_assert_uint_eq(b->csum, CSUM_PARTIAL);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_no_redirect)
{
	static const char *const src[] = {"198.51.100.1", "10.0.0.3", "10.0.0.2", "10.0.0.2"};
	static const uint8_t opt[8] = {IP4_OPT_LSRR, 7, 8, 1, 2, 3, 4};
	struct ip_packet p = {.src = src[_i], .dst = "192.0.2.1", .n = 8};

	ip_lab_route(&l, "192.0.2.0/24", "10.0.0.3");
	if (_i == 2)
		sysctl_write(l.st, "net.ipv4.conf.all.send_redirects", 0);
	if (_i == 3) { /* the sender chose this way */
		sysctl_write(l.st, "net.ipv4.conf.all.accept_source_route", 1);
		p.opt = opt;
		p.optlen = sizeof(opt);
	}
	rx(&p);
	ck_assert_uint_eq(l.eth->sent.count, 1);
	ip_lab_sent(&l, l.eth, bytes);
	ck_assert_uint_eq(((const struct ip4_hdr *)bytes)->proto, IP_LAB_PROTO);
}
END_TEST

/* --- options ---------------------------------------------------------------------------------- */

START_TEST(test_options_are_filled_in)
{
	static const uint8_t opt[8] = {IP4_OPT_RR, 7, 4};
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.1.0.2", .n = 8, .opt = opt, .optlen = 8};
	uint32_t n;

	rx(&p);
	n = ip_lab_sent(&l, other, bytes);
	ck_assert(ip_packet_is_sound(bytes, n));
	ck_assert_mem_eq(bytes + 20, "\x07\x07\x08\x0a\x01\x00\x01\x00", 8);
}
END_TEST

START_TEST(test_source_route_is_followed_when_accepted)
{
	static const uint8_t opt[8] = {IP4_OPT_LSRR, 7, 4, 10, 1, 0, 2, 0};
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.0.0.1", .n = 8, .opt = opt, .optlen = 8};
	uint32_t n;

	sysctl_write(l.st, "net.ipv4.conf.all.accept_source_route", 1);
	rx(&p);
	n = ip_lab_sent(&l, other, bytes);
	ck_assert(ip_packet_is_sound(bytes, n));
	ck_assert_mem_eq(bytes + 16, "\x0a\x01\x00\x02", 4);
	ck_assert_mem_eq(bytes + 20, "\x83\x07\x08\x0a\x00\x00\x01\x00", 8);
}
END_TEST

START_TEST(test_strict_source_route_past_a_gateway_fails)
{
	static const uint8_t opt[8] = {IP4_OPT_SSRR, 7, 4, 192, 0, 2, 1, 0};
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.0.0.1", .n = 8, .opt = opt, .optlen = 8};

	sysctl_write(l.st, "net.ipv4.conf.all.accept_source_route", 1);
	ip_lab_route(&l, "192.0.2.0/24", "10.1.0.2");
	rx(&p);
	ip_lab_quiet(&l, other);
	ip_lab_sent_icmp(&l, l.eth, ICMP_DEST_UNREACH, ICMP_SR_FAILED);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_SOURCE_ROUTE), 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ip_forward");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_passed_on_with_ttl_less_one);
	tcase_add_test(tc, test_checksum_stays_right_for_every_ttl);
	tcase_add_test(tc, test_ttl_1_is_time_exceeded);
	tcase_add_test(tc, test_no_route_is_net_unreachable);
	tcase_add_test(tc, test_unreachable_route_and_blackhole);
	tcase_add_test(tc, test_neighbour_that_does_not_answer_is_host_unreachable);
	tcase_add_loop_test(tc, test_link_local_stays_on_link, 0, 3);
	tcase_add_test(tc, test_df_too_large_is_frag_needed);
	tcase_add_test(tc, test_without_df_is_fragmented);
	tcase_add_test(tc, test_super_frame_passes_whole_when_segments_fit);
	tcase_add_test(tc, test_super_frame_asked_of_its_segments);
	tcase_add_test(tc, test_redirect_to_a_neighbour_of_the_sender);
	tcase_add_test(tc, test_redirect_ever_more_rarely);
	tcase_add_test(tc, test_redirect_leaves_the_super_frame_as_it_is);
	tcase_add_loop_test(tc, test_no_redirect, 0, 4);
	tcase_add_test(tc, test_options_are_filled_in);
	tcase_add_test(tc, test_source_route_is_followed_when_accepted);
	tcase_add_test(tc, test_strict_source_route_past_a_gateway_fails);
	return unit_run("ip_forward", tc);
}
