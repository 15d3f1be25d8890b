/*
 * tests/net/test_tap_vnet.c - the vnet header: each way of pointing outside of its packet or of
 * contradicting it is refused, what is sound is mapped, and what goes out says the same.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stack.h"
#include "lib/wire/ether.h"
#include "lib/wire/ip4.h"
#include "lib/wire/ip6.h"
#include "lib/wire/tcp.h"
#include "net/tap.h"
#include "tests/harness/frame.h"
#include "tests/harness/netstack.h"
#include "tests/harness/unit.h"

#define PAYLOAD 4000
#define MSS 1448

static struct {
	struct stack *stack;
	uint8_t frame[FRAME_MAX];
	uint32_t len;
	struct vnet_hdr vh;
} t;

/* A super-frame and a header that describes it rightly. */
static void setup(void)
{
	t.stack = netstack_create(1);
	t.len = frame_tcp4(t.frame, PAYLOAD);
	t.vh = (struct vnet_hdr){
	    .flags = VNET_F_NEEDS_CSUM,
	    .gso_type = VNET_GSO_TCP4,
	    .hdr_len = FRAME_HLEN4,
	    .gso_size = MSS,
	    .csum_start = ETHER_HLEN + IP4_HLEN,
	    .csum_offset = offsetof(struct tcp_hdr, csum),
	};
}

static void setup6(void)
{
	setup();
	t.len = frame_tcp6(t.frame, PAYLOAD);
	t.vh.gso_type = VNET_GSO_TCP6;
	t.vh.hdr_len = FRAME_HLEN6;
	t.vh.csum_start = ETHER_HLEN + IP6_HLEN;
}

static void teardown(void)
{
	netstack_destroy(t.stack);
}

static struct ip4_hdr *ip4(void)
{
	return (struct ip4_hdr *)(t.frame + ETHER_HLEN);
}

static struct tcp_hdr *tcp4(void)
{
	return (struct tcp_hdr *)(t.frame + ETHER_HLEN + IP4_HLEN);
}

/* --- refused ---------------------------------------------------------------------------------- */

static void bad_start_beyond(void)
{
	t.vh.csum_start = 65535;
}

static void bad_field_across_end(void)
{
	t.vh.gso_type = VNET_GSO_NONE;
	t.len = FRAME_HLEN4;
	t.vh.csum_start = FRAME_HLEN4 - 3;
	t.vh.csum_offset = 2;
}

static void bad_offset_wraps(void)
{
	t.vh.gso_type = VNET_GSO_NONE;
	t.vh.csum_offset = 65535;
}

static void bad_start_in_link_header(void)
{
	t.vh.gso_type = VNET_GSO_NONE;
	t.vh.csum_start = ETHER_HLEN - 2;
}

static void bad_field_behind_header_part(void)
{
	t.vh.gso_type = VNET_GSO_NONE;
	t.vh.csum_offset = PKBUF_HDR;
}

static void bad_hdr_len(void)
{
	t.vh.hdr_len = (uint16_t)(t.len + 1);
}

static void bad_gso_unknown(void)
{
	t.vh.gso_type = 2;
}

static void bad_gso_udp(void)
{
	t.vh.gso_type = VNET_GSO_UDP;
}

static void bad_gso_udp_l4(void)
{
	t.vh.gso_type = VNET_GSO_UDP_L4;
}

static void bad_ecn_alone(void)
{
	t.vh.gso_type = VNET_GSO_ECN;
}

static void bad_gso_size_zero(void)
{
	t.vh.gso_size = 0;
}

/* More than 64 KB by the least segment of a TCP: an MSS of 48 whose options take 40. */
static void bad_gso_segments(void)
{
	t.len = frame_tcp4(t.frame, 8193);
	t.vh.gso_size = 1;
}

static void bad_gso_without_csum(void)
{
	t.vh.flags = 0;
}

static void bad_gso_data_valid_only(void)
{
	t.vh.flags = VNET_F_DATA_VALID;
}

static void bad_gso_udp_field(void)
{
	t.vh.csum_offset = 6;
}

static void bad_gso_other_family(void)
{
	t.vh.gso_type = VNET_GSO_TCP6;
}

static void bad_ether_type(void)
{
	((struct ether_hdr *)t.frame)->type = be16_of(ETHER_TYPE_ARP);
}

static void bad_ip_version(void)
{
	ip4()->ver_ihl = 0x65;
}

static void bad_ip_hdr_len(void)
{
	ip4()->ver_ihl = 0x46;
}

static void bad_start_inside_ip(void)
{
	ip4()->ver_ihl = 0x44;
	t.vh.csum_start = ETHER_HLEN + 16;
}

static void bad_ip_proto(void)
{
	ip4()->proto = IP_PROTO_UDP;
}

static void bad_ip_fragment(void)
{
	ip4()->off = be16_of(IP4_MF);
}

static void bad_ip_fragment_offset(void)
{
	ip4()->off = be16_of(100);
}

static void bad_ip_length_short(void)
{
	ip4()->len = be16_of(1000);
}

static void bad_tcp_hdr_short(void)
{
	tcp4()->off = 4 << 4;
}

static void bad_tcp_hdr_beyond(void)
{
	t.len = frame_tcp4(t.frame, 8);
	t.vh.gso_size = 1;
	tcp4()->off = 15 << 4;
}

static void bad_tcp_hdr_missing(void)
{
	t.len = FRAME_HLEN4 - 2;
	t.vh.hdr_len = 0;
	ip4()->len = be16_of((uint16_t)(t.len - ETHER_HLEN));
}

static void (*const bad[])(void) = {
    bad_start_beyond,
    bad_field_across_end,
    bad_offset_wraps,
    bad_start_in_link_header,
    bad_field_behind_header_part,
    bad_hdr_len,
    bad_gso_unknown,
    bad_gso_udp,
    bad_gso_udp_l4,
    bad_ecn_alone,
    bad_gso_size_zero,
    bad_gso_segments,
    bad_gso_without_csum,
    bad_gso_data_valid_only,
    bad_gso_udp_field,
    bad_gso_other_family,
    bad_ether_type,
    bad_ip_version,
    bad_ip_hdr_len,
    bad_start_inside_ip,
    bad_ip_proto,
    bad_ip_fragment,
    bad_ip_fragment_offset,
    bad_ip_length_short,
    bad_tcp_hdr_short,
    bad_tcp_hdr_beyond,
    bad_tcp_hdr_missing,
};

START_TEST(test_vnet_in_bad_header_refused)
{
	struct pkbuf *b;

	bad[_i]();
	b = frame_pkbuf(t.stack, t.frame, t.len);
	ck_assert_msg(!vnet_in(b, &t.vh, ETHER_HLEN), "bad[%d] was taken", _i);
	pkbuf_free(b);
}
END_TEST

static void bad6_version(void)
{
	t.frame[ETHER_HLEN] = 0x45;
}

static void bad6_length(void)
{
	((struct ip6_hdr *)(t.frame + ETHER_HLEN))->len = be16_of(100);
}

static void bad6_next(void)
{
	((struct ip6_hdr *)(t.frame + ETHER_HLEN))->next = IP_PROTO_UDP;
}

static void bad6_start_inside_ip(void)
{
	t.vh.csum_start = ETHER_HLEN + IP4_HLEN;
	t.frame[t.vh.csum_start + 12] = 0x50; /* a TCP header length that would do */
}

static void bad6_family(void)
{
	t.vh.gso_type = VNET_GSO_TCP4;
}

static void (*const bad6[])(void) = {
    bad6_version, bad6_length, bad6_next, bad6_start_inside_ip, bad6_family,
};

START_TEST(test_vnet_in_bad_header_ip6_refused)
{
	struct pkbuf *b;

	bad6[_i]();
	b = frame_pkbuf(t.stack, t.frame, t.len);
	ck_assert_msg(!vnet_in(b, &t.vh, ETHER_HLEN), "bad6[%d] was taken", _i);
	pkbuf_free(b);
}
END_TEST

/* Every value of every byte that is not refused must leave a packet that can be finished and cut. */
START_TEST(test_vnet_in_any_byte_leaves_a_sound_packet)
{
	struct vnet_hdr vh = t.vh;
	unsigned taken = 0;

	for (unsigned at = 0; at < sizeof(vh); at++) {
		for (unsigned v = 0; v < 256; v++) {
			struct pkbuf *b = frame_pkbuf(t.stack, t.frame, t.len);
			struct pkq q;

			pkq_init(&q);
			t.vh = vh;
			((uint8_t *)&t.vh)[at] = (uint8_t)v;
			if (!vnet_in(b, &t.vh, ETHER_HLEN)) {
				pkbuf_free(b);
				continue;
			}
			taken++;
			if (b->gso_size) {
				ck_assert_int_eq(gso_cut(b, 0, &q), 0);
				pkq_free(&q);
			} else {
				pkbuf_csum_finish(b);
				pkbuf_free(b);
			}
		}
	}
	ck_assert_uint_gt(taken, 500); /* flags, gso_size and hdr_len have many good values */
}
END_TEST

/* --- taken ------------------------------------------------------------------------------------ */

START_TEST(test_vnet_in_empty_header_says_nothing)
{
	struct pkbuf *b = frame_pkbuf(t.stack, t.frame, t.len);

	t.vh = (struct vnet_hdr){0};
	ck_assert(vnet_in(b, &t.vh, ETHER_HLEN));
	ck_assert_int_eq(b->csum, CSUM_NONE);
	ck_assert_uint_eq(b->gso_size, 0);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_vnet_in_data_valid_is_verified)
{
	struct pkbuf *b = frame_pkbuf(t.stack, t.frame, t.len);

	t.vh = (struct vnet_hdr){.flags = VNET_F_DATA_VALID};
	ck_assert(vnet_in(b, &t.vh, ETHER_HLEN));
	ck_assert_int_eq(b->csum, CSUM_VERIFIED);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_vnet_in_needs_csum_can_be_finished)
{
	uint8_t out[FRAME_MAX];
	struct pkbuf *b;

	t.len = frame_tcp4(t.frame, 1001);
	t.vh.gso_type = VNET_GSO_NONE;
	b = frame_pkbuf(t.stack, t.frame, t.len);
	ck_assert(vnet_in(b, &t.vh, ETHER_HLEN));
	ck_assert_int_eq(b->csum, CSUM_PARTIAL);
	ck_assert_uint_eq(b->csum_start - b->head, ETHER_HLEN + IP4_HLEN);
	ck_assert_uint_eq(b->gso_size, 0);
	pkbuf_csum_finish(b);
	ck_assert(frame_is_whole(out, frame_bytes(b, out)));
	pkbuf_free(b);
}
END_TEST

static void check_gso(enum pkbuf_gso type, uint32_t hlen)
{
	struct pkbuf *b = frame_pkbuf(t.stack, t.frame, t.len);
	uint8_t out[FRAME_MAX];
	uint32_t off = 0;
	struct pkq q;

	pkq_init(&q);
	ck_assert(vnet_in(b, &t.vh, ETHER_HLEN));
	ck_assert_int_eq(b->gso_type, type);
	ck_assert_uint_eq(b->gso_size, MSS);
	ck_assert_int_eq(gso_cut(b, 0, &q), 0);
	ck_assert_uint_eq(q.count, 3);
	while ((b = pkq_take(&q))) {
		uint32_t len = frame_bytes(b, out);

		ck_assert(frame_is_whole(out, len));
		ck_assert(frame_has_pattern(out + hlen, len - hlen, off));
		off += len - hlen;
		pkbuf_free(b);
	}
	ck_assert_uint_eq(off, t.len - hlen);
}

START_TEST(test_vnet_in_gso4_can_be_cut)
{
	check_gso(GSO_TCP4, FRAME_HLEN4);
}
END_TEST

START_TEST(test_vnet_in_gso4_with_ecn_can_be_cut)
{
	t.vh.gso_type |= VNET_GSO_ECN;
	tcp4()->flags |= TCP_CWR;
	check_gso(GSO_TCP4, FRAME_HLEN4);
}
END_TEST

START_TEST(test_vnet_in_gso6_can_be_cut)
{
	check_gso(GSO_TCP6, FRAME_HLEN6);
}
END_TEST

/* The kernel gives the length of its linear part: a hint that may be anything up to the packet's. */
START_TEST(test_vnet_in_gso_any_hdr_len_inside)
{
	t.vh.hdr_len = (uint16_t)t.len;
	check_gso(GSO_TCP4, FRAME_HLEN4);
	t.vh.hdr_len = 0;
	check_gso(GSO_TCP4, FRAME_HLEN4);
}
END_TEST

/* IP and TCP headers at their longest are read past the part that a frame begins with. */
START_TEST(test_vnet_in_gso4_longest_headers)
{
	uint8_t frame[FRAME_MAX];
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + ETHER_HLEN);
	struct pkbuf *b;

	memset(frame, 0, sizeof(frame));
	memcpy(frame, t.frame, FRAME_HLEN4 - TCP_HLEN);
	memcpy(frame + 74, t.frame + FRAME_HLEN4 - TCP_HLEN, TCP_HLEN);
	ip->ver_ihl = 0x4f;
	ip->len = be16_of(60 + 60 + 2000);
	frame[74 + 12] = 15 << 4;
	t.vh.csum_start = 74;
	b = frame_pkbuf(t.stack, frame, 14 + 60 + 60 + 2000);
	ck_assert(vnet_in(b, &t.vh, ETHER_HLEN));
	ck_assert_uint_ge(pkbuf_linear(b), 134);
	ck_assert_uint_eq(b->gso_size, MSS);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_vnet_in_gso_of_one_segment_is_none)
{
	struct pkbuf *b;

	t.len = frame_tcp4(t.frame, MSS);
	b = frame_pkbuf(t.stack, t.frame, t.len);
	ck_assert(vnet_in(b, &t.vh, ETHER_HLEN));
	ck_assert_uint_eq(b->gso_size, 0);
	ck_assert_int_eq(b->gso_type, GSO_NONE);
	ck_assert_int_eq(b->csum, CSUM_PARTIAL);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_vnet_in_tun_has_no_link_header)
{
	struct pkbuf *b = frame_pkbuf(t.stack, t.frame + ETHER_HLEN, t.len - ETHER_HLEN);

	t.vh.csum_start = IP4_HLEN;
	t.vh.hdr_len = IP4_HLEN + TCP_HLEN;
	ck_assert(vnet_in(b, &t.vh, 0));
	ck_assert_int_eq(b->gso_type, GSO_TCP4);
	ck_assert_uint_eq(b->l3, b->head);
	ck_assert_uint_eq(b->l4, b->head + IP4_HLEN);
	pkbuf_free(b);
}
END_TEST

/* --- out -------------------------------------------------------------------------------------- */

static void check_round_trip(void)
{
	struct pkbuf *b = frame_pkbuf(t.stack, t.frame, t.len);
	struct vnet_hdr out;

	ck_assert(vnet_in(b, &t.vh, ETHER_HLEN));
	vnet_out(b, &out);
	ck_assert_mem_eq(&out, &t.vh, sizeof(out));
	pkbuf_free(b);
}

START_TEST(test_vnet_out_says_what_came_in)
{
	check_round_trip();
	t.vh.gso_type |= VNET_GSO_ECN;
	tcp4()->flags |= TCP_CWR;
	check_round_trip();
	t.vh.gso_type = VNET_GSO_NONE;
	t.vh.gso_size = t.vh.hdr_len = 0;
	check_round_trip();
}
END_TEST

START_TEST(test_vnet_out_ip6_says_what_came_in)
{
	check_round_trip();
}
END_TEST

/* Verified is no business of the kernel's: it checks what we send like any other frame. */
START_TEST(test_vnet_out_complete_packet_is_empty)
{
	struct pkbuf *b = frame_pkbuf(t.stack, t.frame, t.len);
	struct vnet_hdr out, none = {0};

	vnet_out(b, &out);
	ck_assert_mem_eq(&out, &none, sizeof(out));
	b->csum = CSUM_VERIFIED;
	vnet_out(b, &out);
	ck_assert_mem_eq(&out, &none, sizeof(out));
	pkbuf_free(b);
}
END_TEST

static TCase *case_of(void (*before)(void), const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, before, teardown);
	return tc;
}

int main(void)
{
	TCase *tc = case_of(setup, "vnet"), *tc6 = case_of(setup6, "vnet6");
	int r;

	tcase_add_loop_test(tc, test_vnet_in_bad_header_refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, test_vnet_in_any_byte_leaves_a_sound_packet);
	tcase_add_test(tc, test_vnet_in_empty_header_says_nothing);
	tcase_add_test(tc, test_vnet_in_data_valid_is_verified);
	tcase_add_test(tc, test_vnet_in_needs_csum_can_be_finished);
	tcase_add_test(tc, test_vnet_in_gso4_can_be_cut);
	tcase_add_test(tc, test_vnet_in_gso4_with_ecn_can_be_cut);
	tcase_add_test(tc, test_vnet_in_gso_any_hdr_len_inside);
	tcase_add_test(tc, test_vnet_in_gso4_longest_headers);
	tcase_add_test(tc, test_vnet_in_gso_of_one_segment_is_none);
	tcase_add_test(tc, test_vnet_in_tun_has_no_link_header);
	tcase_add_test(tc, test_vnet_out_says_what_came_in);
	tcase_add_test(tc, test_vnet_out_complete_packet_is_empty);
	r = unit_run("tap_vnet", tc);

	tcase_add_loop_test(tc6, test_vnet_in_bad_header_ip6_refused, 0,
			    sizeof(bad6) / sizeof(bad6[0]));
	tcase_add_test(tc6, test_vnet_in_any_byte_leaves_a_sound_packet);
	tcase_add_test(tc6, test_vnet_in_gso6_can_be_cut);
	tcase_add_test(tc6, test_vnet_out_ip6_says_what_came_in);
	return unit_run("tap_vnet6", tc6) | r;
}
