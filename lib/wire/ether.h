/* lib/wire/ether.h - Ethernet II frame (RFC 894). */
#pragma once
#include "lib/wire/be.h"

#define ETHER_ALEN 6
#define ETHER_HLEN 14
#define ETHER_TYPE_IP4 0x0800
#define ETHER_TYPE_ARP 0x0806
#define ETHER_TYPE_IP6 0x86dd

struct ether_hdr {
	uint8_t dst[ETHER_ALEN], src[ETHER_ALEN];
	be16 type;
} __attribute__((packed));
_Static_assert(sizeof(struct ether_hdr) == ETHER_HLEN, "wire format");
