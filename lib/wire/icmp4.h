/* lib/wire/icmp4.h - ICMP (RFC 792, 950, 1191). */
#pragma once
#include "lib/wire/be.h"

#define ICMP_HLEN 8
#define ICMP_ECHO_REPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_REDIRECT 5
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAM_PROBLEM 12
#define ICMP_TIMESTAMP 13
#define ICMP_TIMESTAMP_REPLY 14
#define ICMP_INFO_REQUEST 15
#define ICMP_INFO_REPLY 16
#define ICMP_MASK_REQUEST 17
#define ICMP_MASK_REPLY 18

/* ICMP_DEST_UNREACH */
#define ICMP_NET_UNREACH 0
#define ICMP_HOST_UNREACH 1
#define ICMP_PROTO_UNREACH 2
#define ICMP_PORT_UNREACH 3
#define ICMP_FRAG_NEEDED 4
#define ICMP_SR_FAILED 5
#define ICMP_NET_UNKNOWN 6
#define ICMP_HOST_UNKNOWN 7
#define ICMP_HOST_ISOLATED 8
#define ICMP_NET_ANO 9
#define ICMP_HOST_ANO 10
#define ICMP_NET_UNR_TOS 11
#define ICMP_HOST_UNR_TOS 12
#define ICMP_PKT_FILTERED 13
#define ICMP_PREC_VIOLATION 14
#define ICMP_PREC_CUTOFF 15
/* ICMP_TIME_EXCEEDED */
#define ICMP_EXC_TTL 0
#define ICMP_EXC_REASM 1
/* ICMP_REDIRECT */
#define ICMP_REDIR_NET 0
#define ICMP_REDIR_HOST 1

struct icmp4_hdr {
	uint8_t type, code;
	uint16_t csum; /* as stored */
	union {
		struct {
			be16 id, seq;
		} __attribute__((packed)) echo;
		struct {
			be16 unused, mtu;
		} __attribute__((packed)) frag;
		uint8_t gateway[4];
		uint8_t pointer;
		be32 word;
	};
} __attribute__((packed));
_Static_assert(sizeof(struct icmp4_hdr) == ICMP_HLEN, "wire format");
