/*
 * tests/lib/test_be.c - big-endian fields at every alignment, and where each field of a wire format
 * lies.
 */
#include <stddef.h>
#include <string.h>

#include "lib/wire/arp.h"
#include "lib/wire/icmp4.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "lib/wire/udp.h"
#include "lib/wire/vnet.h"
#include "tests/harness/unit.h"

START_TEST(test_be16_every_alignment)
{
	uint8_t bytes[16] = {0};
	be16 *p = (be16 *)(bytes + _i);

	*p = be16_of(0x1234);
	ck_assert_uint_eq(bytes[_i], 0x12);
	ck_assert_uint_eq(bytes[_i + 1], 0x34);
	ck_assert_uint_eq(be16_get(*p), 0x1234);
}
END_TEST

START_TEST(test_be32_every_alignment)
{
	uint8_t bytes[16] = {0};
	be32 *p = (be32 *)(bytes + _i);

	*p = be32_of(0x12345678);
	ck_assert_uint_eq(bytes[_i], 0x12);
	ck_assert_uint_eq(bytes[_i + 3], 0x78);
	ck_assert_uint_eq(be32_get(*p), 0x12345678);
}
END_TEST

#define CHECK_AT(type, field, offset) ck_assert_uint_eq(offsetof(struct type, field), offset)

START_TEST(test_wire_ether_arp_offsets)
{
	CHECK_AT(ether_hdr, dst, 0);
	CHECK_AT(ether_hdr, src, 6);
	CHECK_AT(ether_hdr, type, 12);
	CHECK_AT(arp_hdr, pro, 2);
	CHECK_AT(arp_hdr, hln, 4);
	CHECK_AT(arp_hdr, pln, 5);
	CHECK_AT(arp_hdr, op, 6);
	CHECK_AT(arp_hdr, sha, 8);
	CHECK_AT(arp_hdr, spa, 14);
	CHECK_AT(arp_hdr, tha, 18);
	CHECK_AT(arp_hdr, tpa, 24);
}
END_TEST

START_TEST(test_wire_ip4_icmp_offsets)
{
	CHECK_AT(ip4_hdr, tos, 1);
	CHECK_AT(ip4_hdr, len, 2);
	CHECK_AT(ip4_hdr, id, 4);
	CHECK_AT(ip4_hdr, off, 6);
	CHECK_AT(ip4_hdr, ttl, 8);
	CHECK_AT(ip4_hdr, proto, 9);
	CHECK_AT(ip4_hdr, csum, 10);
	CHECK_AT(ip4_hdr, src, 12);
	CHECK_AT(ip4_hdr, dst, 16);
	CHECK_AT(icmp4_hdr, code, 1);
	CHECK_AT(icmp4_hdr, csum, 2);
	CHECK_AT(icmp4_hdr, echo.id, 4);
	CHECK_AT(icmp4_hdr, echo.seq, 6);
	CHECK_AT(icmp4_hdr, frag.mtu, 6);
	CHECK_AT(icmp4_hdr, gateway, 4);
	CHECK_AT(icmp4_hdr, pointer, 4);
}
END_TEST

START_TEST(test_wire_tcp_udp_offsets)
{
	CHECK_AT(tcp_hdr, sport, 0);
	CHECK_AT(tcp_hdr, dport, 2);
	CHECK_AT(tcp_hdr, seq, 4);
	CHECK_AT(tcp_hdr, ack, 8);
	CHECK_AT(tcp_hdr, off, 12);
	CHECK_AT(tcp_hdr, flags, 13);
	CHECK_AT(tcp_hdr, wnd, 14);
	CHECK_AT(tcp_hdr, csum, 16);
	CHECK_AT(tcp_hdr, urg, 18);
	CHECK_AT(udp_hdr, sport, 0);
	CHECK_AT(udp_hdr, dport, 2);
	CHECK_AT(udp_hdr, len, 4);
	CHECK_AT(udp_hdr, csum, 6);
}
END_TEST

START_TEST(test_wire_vnet_offsets)
{
	CHECK_AT(vnet_hdr, flags, 0);
	CHECK_AT(vnet_hdr, gso_type, 1);
	CHECK_AT(vnet_hdr, hdr_len, 2);
	CHECK_AT(vnet_hdr, gso_size, 4);
	CHECK_AT(vnet_hdr, csum_start, 6);
	CHECK_AT(vnet_hdr, csum_offset, 8);
}
END_TEST

/* A SYN as it was on a wire: 10.0.0.2:40000 to 10.0.0.1:80, header lengths from their nibbles. */
START_TEST(test_wire_parses_captured_syn)
{
	static const uint8_t frame[] = {
	    0x45, 0x00, 0x00, 0x2c, 0xbe, 0xef, 0x40, 0x00, 0x40, 0x06, 0x00,
	    0x00, 10,   0,    0,    2,    10,   0,    0,    1,    0x9c, 0x40,
	    0x00, 0x50, 0xde, 0xad, 0xbe, 0xef, 0x00, 0x00, 0x00, 0x00, 0x60,
	    0x02, 0xfa, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4,
	};
	struct ip4_hdr ip;
	struct tcp_hdr tcp;

	memcpy(&ip, frame, sizeof(ip));
	memcpy(&tcp, frame + ip4_hdr_len(&ip), sizeof(tcp));
	ck_assert_uint_eq(ip4_hdr_len(&ip), 20);
	ck_assert_uint_eq(be16_get(ip.len), sizeof(frame));
	ck_assert_uint_eq(be16_get(ip.off), IP4_DF);
	ck_assert_uint_eq(ip.proto, IP_PROTO_TCP);
	ck_assert_uint_eq(tcp_hdr_len(&tcp), 24);
	ck_assert_uint_eq(be16_get(tcp.sport), 40000);
	ck_assert_uint_eq(be16_get(tcp.dport), 80);
	ck_assert_uint_eq(be32_get(tcp.seq), 0xdeadbeef);
	ck_assert_uint_eq(tcp.flags, TCP_SYN);
	ck_assert_uint_eq(be16_get(tcp.wnd), 64240);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("be");

	tcase_add_loop_test(tc, test_be16_every_alignment, 0, 8);
	tcase_add_loop_test(tc, test_be32_every_alignment, 0, 8);
	tcase_add_test(tc, test_wire_ether_arp_offsets);
	tcase_add_test(tc, test_wire_ip4_icmp_offsets);
	tcase_add_test(tc, test_wire_tcp_udp_offsets);
	tcase_add_test(tc, test_wire_vnet_offsets);
	tcase_add_test(tc, test_wire_parses_captured_syn);
	return unit_run("be", tc);
}
