/* lib/wire/arp.h - ARP for IPv4 over Ethernet (RFC 826). */
#pragma once
#include "lib/wire/ether.h"

#define ARP_HRD_ETHER 1
#define ARP_OP_REQUEST 1
#define ARP_OP_REPLY 2
#define ARP_LEN 28 /* frames are padded to 60: what follows is ignored */

struct arp_hdr {
	be16 hrd, pro;
	uint8_t hln, pln;
	be16 op;
	uint8_t sha[ETHER_ALEN], spa[4], tha[ETHER_ALEN], tpa[4];
} __attribute__((packed));
_Static_assert(sizeof(struct arp_hdr) == ARP_LEN, "wire format");
