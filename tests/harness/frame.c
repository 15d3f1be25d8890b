/*
 * tests/harness/frame.c - TCP frames from 10.0.0.1 to 10.0.0.2 (fe80::1 to fe80::2), the payload a
 * pattern that tells its own place.
 */
#include "tests/harness/frame.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/ether.h"
#include "lib/wire/ip4.h"
#include "lib/wire/ip6.h"
#include "lib/wire/tcp.h"

static const uint8_t frame_dst[ETHER_ALEN] = {2, 0, 0, 0, 0, 2};
static const uint8_t frame_src[ETHER_ALEN] = {2, 0, 0, 0, 0, 1};

static uint8_t frame_pattern(uint32_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7);
}

bool frame_has_pattern(const uint8_t *payload, uint32_t n, uint32_t from)
{
	for (uint32_t i = 0; i < n; i++) {
		if (payload[i] != frame_pattern(from + i))
			return false;
	}
	return true;
}

static void frame_ether(uint8_t *f, uint16_t type)
{
	struct ether_hdr *e = (struct ether_hdr *)f;

	memcpy(e->dst, frame_dst, ETHER_ALEN);
	memcpy(e->src, frame_src, ETHER_ALEN);
	e->type = be16_of(type);
}

static void frame_tcp(uint8_t *l4, uint32_t n, uint64_t pseudo)
{
	struct tcp_hdr *t = (struct tcp_hdr *)l4;

	*t = (struct tcp_hdr){
	    .sport = be16_of(1024),
	    .dport = be16_of(80),
	    .seq = be32_of(1000),
	    .ack = be32_of(2000),
	    .off = TCP_HLEN / 4 << 4,
	    .flags = TCP_ACK | TCP_PSH,
	    .wnd = be16_of(65535),
	    .csum = csum_fold(pseudo),
	};
	for (uint32_t i = 0; i < n; i++)
		l4[TCP_HLEN + i] = frame_pattern(i);
}

uint32_t frame_tcp4(uint8_t *f, uint32_t n)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(f + ETHER_HLEN);
	uint32_t len = TCP_HLEN + n;

	frame_ether(f, ETHER_TYPE_IP4);
	*ip = (struct ip4_hdr){
	    .ver_ihl = 0x45,
	    .len = be16_of((uint16_t)(IP4_HLEN + len)),
	    .id = be16_of(7),
	    .off = be16_of(IP4_DF),
	    .ttl = 64,
	    .proto = IP_PROTO_TCP,
	    .src = {10, 0, 0, 1},
	    .dst = {10, 0, 0, 2},
	};
	ip->csum = csum_finish(csum_add(0, ip, sizeof(*ip)));
	frame_tcp(f + ETHER_HLEN + IP4_HLEN, n,
		  csum_pseudo(ip->src, ip->dst, 4, IP_PROTO_TCP, len));
	return ETHER_HLEN + IP4_HLEN + len;
}

uint32_t frame_tcp6(uint8_t *f, uint32_t n)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)(f + ETHER_HLEN);
	uint32_t len = TCP_HLEN + n;

	frame_ether(f, ETHER_TYPE_IP6);
	*ip = (struct ip6_hdr){
	    .ver_class_flow = be32_of(0x60000000),
	    .len = be16_of((uint16_t)len),
	    .next = IP_PROTO_TCP,
	    .hops = 64,
	    .src = {0xfe, 0x80, [15] = 1},
	    .dst = {0xfe, 0x80, [15] = 2},
	};
	frame_tcp(f + ETHER_HLEN + IP6_HLEN, n,
		  csum_pseudo(ip->src, ip->dst, 16, IP_PROTO_TCP, len));
	return ETHER_HLEN + IP6_HLEN + len;
}

static bool frame_is4(const uint8_t *f)
{
	return f[ETHER_HLEN] >> 4 == 4;
}

/* Where TCP begins, and its pseudo header's sum. */
static uint32_t frame_l4(const uint8_t *f, uint32_t len, uint64_t *pseudo)
{
	const struct ip4_hdr *ip4 = (const struct ip4_hdr *)(f + ETHER_HLEN);
	const struct ip6_hdr *ip6 = (const struct ip6_hdr *)(f + ETHER_HLEN);
	uint32_t l4 = ETHER_HLEN + (frame_is4(f) ? IP4_HLEN : IP6_HLEN);

	if (frame_is4(f))
		*pseudo = csum_pseudo(ip4->src, ip4->dst, 4, IP_PROTO_TCP, len - l4);
	else
		*pseudo = csum_pseudo(ip6->src, ip6->dst, 16, IP_PROTO_TCP, len - l4);
	return l4;
}

void frame_finish(uint8_t *f, uint32_t len)
{
	uint64_t pseudo;
	uint32_t l4 = frame_l4(f, len, &pseudo);
	struct tcp_hdr *t = (struct tcp_hdr *)(f + l4);

	t->csum = 0;
	t->csum = csum_finish(csum_add(pseudo, t, len - l4));
}

bool frame_is_whole(const uint8_t *f, uint32_t len)
{
	uint64_t pseudo;
	uint32_t l4 = frame_l4(f, len, &pseudo);

	if (frame_is4(f) && csum_finish(csum_add(0, f + ETHER_HLEN, IP4_HLEN)) != 0)
		return false;
	return csum_finish(csum_add(pseudo, f + l4, len - l4)) == 0;
}

struct pkbuf *frame_pkbuf(struct stack *st, const uint8_t *f, uint32_t len)
{
	struct pkbuf *b = pkbuf_alloc(st, PKBUF_RX_HEAD);
	uint32_t n = len < PKBUF_RX_LINEAR ? len : PKBUF_RX_LINEAR;

	if (!b || pkbuf_append(b, f, n) < 0 || pkbuf_append(b, f + n, len - n) < 0)
		abort();
	b->l2 = b->head;
	return b;
}

struct pkbuf *frame_send4(struct stack *st, uint32_t n, uint16_t gso_size)
{
	uint8_t *f = malloc(FRAME_MAX);
	struct pkbuf *b;

	if (!f)
		abort();
	b = frame_pkbuf(st, f, frame_tcp4(f, n));
	free(f);
	b->l3 = (uint16_t)(b->head + ETHER_HLEN);
	b->l4 = b->csum_start = (uint16_t)(b->l3 + IP4_HLEN);
	b->csum_off = offsetof(struct tcp_hdr, csum);
	b->csum = CSUM_PARTIAL;
	b->gso_size = gso_size;
	b->gso_type = gso_size ? GSO_TCP4 : GSO_NONE;
	return b;
}

uint32_t frame_bytes(const struct pkbuf *b, uint8_t *f)
{
	pkbuf_read(b, 0, f, b->len);
	return b->len;
}
