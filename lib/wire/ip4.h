/* lib/wire/ip4.h - IPv4 header and options (RFC 791). */
#pragma once
#include "lib/wire/be.h"

#define IP4_HLEN 20
#define IP4_HLEN_MAX 60
#define IP4_LEN_MAX 65535
#define IP4_RF 0x8000 /* reserved: must be zero */
#define IP4_DF 0x4000
#define IP4_MF 0x2000
#define IP4_OFFMASK 0x1fff /* in units of 8 bytes */
#define IP4_MTU_MIN 68     /* RFC 791, 3.2 */

/* RFC 3168, 5: the low bits of the TOS octet. */
#define IP_ECN 3u
#define IP_ECN_NONE 0u
#define IP_ECN_ECT1 1u
#define IP_ECN_ECT0 2u
#define IP_ECN_CE 3u

#define IP_PROTO_ICMP 1
#define IP_PROTO_IGMP 2
#define IP_PROTO_TCP 6
#define IP_PROTO_UDP 17
#define IP_PROTO_RAW 255

#define IP4_OPT_END 0
#define IP4_OPT_NOP 1
#define IP4_OPT_RR 7
#define IP4_OPT_TS 68
#define IP4_OPT_LSRR 131
#define IP4_OPT_SSRR 137
#define IP4_OPT_RA 148
#define IP4_OPT_COPY 0x80 /* copied into every fragment */

struct ip4_hdr {
	uint8_t ver_ihl, tos;
	be16 len, id, off;
	uint8_t ttl, proto;
	uint16_t csum; /* as stored */
	uint8_t src[4], dst[4];
} __attribute__((packed));
_Static_assert(sizeof(struct ip4_hdr) == IP4_HLEN, "wire format");

static inline unsigned ip4_hdr_len(const struct ip4_hdr *h)
{
	return (h->ver_ihl & 0xf) * 4u;
}
