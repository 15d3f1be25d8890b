/* lib/wire/ip6.h - IPv6 fixed header (RFC 8200, 3). */
#pragma once
#include "lib/wire/be.h"

#define IP6_HLEN 40

struct ip6_hdr {
	be32 ver_class_flow;
	be16 len; /* what follows this header, extension headers included */
	uint8_t next, hops;
	uint8_t src[16], dst[16];
} __attribute__((packed));
_Static_assert(sizeof(struct ip6_hdr) == IP6_HLEN, "wire format");

static inline unsigned ip6_version(const struct ip6_hdr *h)
{
	return be32_get(h->ver_class_flow) >> 28;
}
