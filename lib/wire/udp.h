/* lib/wire/udp.h - UDP (RFC 768). */
#pragma once
#include "lib/wire/be.h"

#define UDP_HLEN 8

struct udp_hdr {
	be16 sport, dport, len;
	uint16_t csum; /* as stored; 0: none */
} __attribute__((packed));
_Static_assert(sizeof(struct udp_hdr) == UDP_HLEN, "wire format");
