/*
 * tests/harness/superframe.c - TCP super-frames for tests, and a naive model of their checksums.
 */
#include "tests/harness/superframe.h"

#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/ether.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "tests/harness/unit.h"

#define TCP_LEN 32
#define IP6_LEN 40

static void put_tcp(struct pkbuf *b, uint64_t pseudo)
{
	struct tcp_hdr h = {
	    .sport = be16_of(1000),
	    .dport = be16_of(2000),
	    .seq = be32_of(SUPERFRAME_SEQ),
	    .off = TCP_LEN / 4 << 4,
	    .flags = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR,
	    .csum = csum_fold(pseudo),
	};
	uint8_t *p = pkbuf_push(b, TCP_LEN);

	memcpy(p, &h, sizeof(h));
	memset(p + sizeof(h), TCP_OPT_NOP, TCP_LEN - sizeof(h));
	b->l4 = b->csum_start = b->head;
	b->csum_off = offsetof(struct tcp_hdr, csum);
	b->csum = CSUM_PARTIAL;
}

static void put_ip4(struct pkbuf *b)
{
	static const uint8_t src[4] = {10, 0, 0, 1}, dst[4] = {10, 0, 0, 2};
	struct ip4_hdr h = {.ver_ihl = 0x45, .ttl = 64, .proto = IP_PROTO_TCP};

	put_tcp(b, csum_pseudo(src, dst, 4, IP_PROTO_TCP, b->len + TCP_LEN));
	h.len = be16_of((uint16_t)(b->len + IP4_HLEN));
	h.id = be16_of(SUPERFRAME_ID);
	memcpy(h.src, src, 4);
	memcpy(h.dst, dst, 4);
	h.csum = csum_finish(csum_add(0, &h, sizeof(h)));
	memcpy(pkbuf_push(b, IP4_HLEN), &h, sizeof(h));
}

static void put_ip6(struct pkbuf *b)
{
	uint8_t h[IP6_LEN] = {
	    0x60, [6] = IP_PROTO_TCP, [7] = 64, [8] = 0xfd, [23] = 1, [24] = 0xfd, [39] = 2};
	be16 len;

	put_tcp(b, csum_pseudo(h + 8, h + 24, 16, IP_PROTO_TCP, b->len + TCP_LEN));
	len = be16_of((uint16_t)b->len);
	memcpy(h + 4, &len, 2);
	memcpy(pkbuf_push(b, IP6_LEN), h, sizeof(h));
}

struct pkbuf *superframe(struct stack *st, enum pkbuf_gso type, uint32_t n, uint16_t gso_size)
{
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_TX_HEAD);
	struct ether_hdr e = {.dst = {2, 0, 0, 0, 0, 9}, .src = {2, 0, 0, 0, 0, 1}};
	static uint8_t bytes[100000];

	ck_assert_ptr_nonnull(b);
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i + i / 251);
	ck_assert_int_eq(pkbuf_append(b, bytes, n), 0);
	if (type == GSO_TCP6)
		put_ip6(b);
	else
		put_ip4(b);
	b->l3 = b->head;
	e.type = be16_of(type == GSO_TCP6 ? ETHER_TYPE_IP6 : ETHER_TYPE_IP4);
	memcpy(pkbuf_push(b, ETHER_HLEN), &e, sizeof(e));
	b->l2 = b->head;
	b->gso_size = gso_size;
	b->gso_type = gso_size ? (uint8_t)type : GSO_NONE;
	return b;
}

/* --- the model: RFC 1071 as it is written ----------------------------------------------------- */

static uint32_t sum16(uint32_t sum, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static bool is_ip6(const uint8_t *frame)
{
	return frame[ETHER_HLEN] >> 4 == 6;
}

uint32_t superframe_l4(const uint8_t *frame)
{
	return ETHER_HLEN + (is_ip6(frame) ? IP6_LEN : IP4_HLEN);
}

bool superframe_verifies(const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + ETHER_HLEN;
	uint32_t l4 = superframe_l4(frame), sum = IP_PROTO_TCP + len - l4;

	if (is_ip6(frame)) {
		if (((uint32_t)ip[4] << 8 | ip[5]) != len - l4)
			return false;
		sum = sum16(sum, ip + 8, 32);
	} else {
		if (((uint32_t)ip[2] << 8 | ip[3]) != len - ETHER_HLEN)
			return false;
		if (sum16(0, ip, IP4_HLEN) != 0xffff)
			return false;
		sum = sum16(sum, ip + 12, 8);
	}
	return sum16(sum, frame + l4, len - l4) == 0xffff;
}
