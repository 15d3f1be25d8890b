/*
 * tests/ip/test_ip_frag.c - fragments: their sizes around every boundary, their headers, and that
 * the whole comes back from them.
 */
#include <errno.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/udp.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static uint8_t data[IP4_LEN_MAX], bytes[IP4_LEN_MAX];

static void setup(void)
{
	ip_lab_open(&l);
	pattern_fill(data, sizeof(data), 0);
}

static void teardown(void)
{
	ip_lab_close(&l);
}

/* Sends n bytes without DF from 10.0.0.1 to 10.0.0.2 by an MTU. */
static void out(uint32_t n, uint32_t mtu)
{
	struct ip_flow f = {.dst = ip_of("10.0.0.2"), .proto = IP_LAB_PROTO};

	netdev_set_mtu(l.eth->dev, mtu);
	ck_assert_int_eq(ip_lab_out(&l, &f, data, n), 0);
}

/* Takes the fragments sent, checks each, and feeds them back as if 10.0.0.2 had sent them to us. */
static unsigned check_and_return(uint32_t n, uint32_t mtu)
{
	unsigned count = 0;
	uint32_t at = 0, len;
	uint16_t id = 0;

	while ((len = ip_lab_sent(&l, l.eth, bytes))) {
		struct ip4_hdr *h = (struct ip4_hdr *)bytes;
		uint16_t off = be16_get(h->off);

		ck_assert(ip_packet_is_sound(bytes, len));
		ck_assert_uint_le(len, mtu);
		ck_assert_uint_eq((off & IP4_OFFMASK) * 8u, at);
		ck_assert(count == 0 || be16_get(h->id) == id);
		id = be16_get(h->id);
		at += len - IP4_HLEN;
		ck_assert_int_eq((off & IP4_MF) != 0, at < n);
		if (at < n) /* no fragment but the last is smaller than it could be */
			ck_assert_uint_gt(len + 8, mtu);
		memcpy(h->src, "\x0a\x00\x00\x02", 4);
		memcpy(h->dst, "\x0a\x00\x00\x01", 4);
		ip_packet_sum(bytes);
		ip_lab_rx(&l, l.eth, bytes, len);
		count++;
	}
	ck_assert_uint_eq(at, n);
	return count;
}

static void assert_whole(uint32_t n)
{
	struct pkbuf *b = pkq_take(&l.arrived);

	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, n);
	pkbuf_read(b, 0, bytes, n);
	ck_assert(pattern_is(bytes, n, 0));
	pkbuf_free(b);
	ck_assert_uint_eq(l.arrived.count, 0);
}

START_TEST(test_sizes_around_boundaries)
{
	static const uint32_t mtus[] = {68, 69, 75, 76, 77, 100, 576, 1280, 1499, 1500, 1501, 9000};
	uint32_t mtu = mtus[_i], chunk = (mtu - IP4_HLEN) & ~7u, n;

	for (unsigned k = 1; k <= 4; k++) {
		for (int d = -9; d <= 9; d++) {
			n = chunk * k + (uint32_t)d;
			out(n, mtu);
			ck_assert_uint_eq(check_and_return(n, mtu),
					  n + IP4_HLEN <= mtu ? 1 : (n + chunk - 1) / chunk);
			assert_whole(n);
		}
	}
}
END_TEST

START_TEST(test_largest_datagram)
{
	out(65515, 1500);
	ck_assert_uint_eq(check_and_return(65515, 1500), 45);
	assert_whole(65515);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_FragOKs), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_FragCreates), 45);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmReqds), 45);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_ReasmOKs), 1);
}
END_TEST

START_TEST(test_least_mtu_many_fragments)
{
	out(20000, 68);
	ck_assert_uint_eq(check_and_return(20000, 68), 417);
	assert_whole(20000);
}
END_TEST

START_TEST(test_payload_in_pieces_is_referred_to)
{
	struct ip_flow f = {.dst = ip_of("10.0.0.2"), .proto = IP_LAB_PROTO};
	int64_t before = gauge_read(l.st, GAUGE_piece_bytes);

	ck_assert_int_eq(ip_lab_out(&l, &f, data, 60000), 0);
	/* one copy: the whole's own pieces, held by its fragments */
	ck_assert_int_le(gauge_read(l.st, GAUGE_piece_bytes) - before, 65536 + 16384);
	check_and_return(60000, 1500);
	assert_whole(60000);
}
END_TEST

START_TEST(test_options_only_copied_ones_in_later_fragments)
{
	/* a stream identifier is copied, a record route is not */
	static const uint8_t opt[12] = {0x88, 4, 1, 2, IP4_OPT_RR, 7, 4, 0, 0, 0, 0, IP4_OPT_END};
	static const uint8_t first[12] = {0x88, 4, 1, 2, IP4_OPT_RR, 7, 8, 10, 0, 0, 1};
	static const uint8_t later[12] = {0x88, 4, 1, 2, 1, 1, 1, 1, 1, 1, 1, IP4_OPT_END};
	struct ip_flow f = {.dst = ip_of("10.0.0.2"), .proto = IP_LAB_PROTO, .opt = opt};
	unsigned count = 0;
	uint32_t n;

	f.optlen = sizeof(opt);
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 3000), 0);
	while ((n = ip_lab_sent(&l, l.eth, bytes))) {
		ck_assert(ip_packet_is_sound(bytes, n));
		ck_assert_uint_eq(ip4_hdr_len((const struct ip4_hdr *)bytes), 32);
		ck_assert_mem_eq(bytes + 20, count++ ? later : first, sizeof(opt));
	}
	ck_assert_uint_eq(count, 3);
}
END_TEST

START_TEST(test_fragment_is_cut_further)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = "10.1.0.2", .n = 1480, .off = IP4_MF | 100};
	struct testdev *other = ip_lab_device(&l, "test1", "10.1.0.1/24");
	uint32_t at = 800, n;

	netdev_set_mtu(other->dev, 600);
	ip_lab_rx_ip(&l, l.eth, &p);
	while ((n = ip_lab_sent(&l, other, bytes))) {
		uint16_t off = be16_get(((const struct ip4_hdr *)bytes)->off);

		ck_assert(ip_packet_is_sound(bytes, n));
		ck_assert(off & IP4_MF); /* the last of these is not the datagram's last */
		ck_assert_uint_eq((off & IP4_OFFMASK) * 8u, at);
		ck_assert(pattern_is(bytes + 20, n - 20, at));
		at += n - 20;
	}
	ck_assert_uint_eq(at, 800 + 1480);
}
END_TEST

START_TEST(test_owed_checksum_is_finished_first)
{
	struct ip_flow f = {.dst = ip_of("10.0.0.2"), .proto = IP_PROTO_UDP};
	struct ip_addr src = ip_of("10.0.0.1");
	struct pkbuf *b = pkbuf_alloc(l.st, PKBUF_TX_HEAD);
	struct udp_hdr h = {.sport = be16_of(1), .dport = be16_of(2), .len = be16_of(3008)};
	uint64_t sum = ip_csum_pseudo(&src, &f.dst, IP_PROTO_UDP, 3008);
	struct batch batch;
	uint32_t at = 0, n;

	h.csum = csum_fold(sum);
	ck_assert_int_eq(pkbuf_append(b, &h, sizeof(h)), 0);
	ck_assert_int_eq(pkbuf_append(b, data, 3000), 0);
	b->csum = CSUM_PARTIAL;
	b->csum_start = b->head;
	b->csum_off = offsetof(struct udp_hdr, csum);
	batch_begin(&batch, l.st);
	ck_assert_int_eq(ip_out(b, &f, NULL), 0);
	batch_end(&batch);
	while ((n = ip_lab_sent(&l, l.eth, bytes))) {
		memcpy(data + at, bytes + 20, n - 20);
		at += n - 20;
	}
	ck_assert_uint_eq(at, 3008);
	ck_assert_uint_eq(csum_finish(csum_add(sum, data, 3008)), 0);
}
END_TEST

START_TEST(test_no_memory_nothing_is_sent)
{
	struct ip_flow f = {.dst = ip_of("10.0.0.2"), .proto = IP_LAB_PROTO};
	struct pkq hoard;
	struct pkbuf *b;
	struct batch batch;

	pkq_init(&hoard);
	sysctl_write(l.st, "net.weft.mem_limit", 1048576);
	b = pkbuf_alloc(l.st, PKBUF_TX_HEAD);
	ck_assert_int_eq(pkbuf_append(b, data, 60000), 0);
	batch_begin(&batch, l.st);
	for (struct pkbuf *h; (h = pkbuf_alloc(l.st, 0));)
		pkq_add(&hoard, h);
	pkbuf_free(pkq_take(&hoard)); /* room for the first fragment alone */
	ck_assert_int_eq(ip_out(b, &f, NULL), -ENOMEM);
	pkq_free(&hoard);
	batch_end(&batch);
	ip_lab_quiet(&l, l.eth);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_FragFails), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_OutDiscards), 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ip_frag");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_sizes_around_boundaries, 0, 12);
	tcase_add_test(tc, test_largest_datagram);
	tcase_add_test(tc, test_least_mtu_many_fragments);
	tcase_add_test(tc, test_payload_in_pieces_is_referred_to);
	tcase_add_test(tc, test_options_only_copied_ones_in_later_fragments);
	tcase_add_test(tc, test_fragment_is_cut_further);
	tcase_add_test(tc, test_owed_checksum_is_finished_first);
	tcase_add_test(tc, test_no_memory_nothing_is_sent);
	return unit_run("ip_frag", tc);
}
