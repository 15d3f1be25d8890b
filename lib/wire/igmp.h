/* lib/wire/igmp.h - IGMP (RFC 1112, appendix I; RFC 2236, 2; RFC 3376, 4). */
#pragma once
#include "lib/wire/be.h"

#define IGMP_LEN 8
#define IGMP3_QUERY_LEN 12 /* at least: how version 3 is told from the others */
#define IGMP_QUERY 0x11
#define IGMP1_REPORT 0x12
#define IGMP2_REPORT 0x16
#define IGMP2_LEAVE 0x17

struct igmp_hdr {
	uint8_t type;
	uint8_t code;  /* of a query: time to answer in, 1/10 s; version 1 has 0 here */
	uint16_t csum; /* as stored */
	uint8_t group[4];
} __attribute__((packed));
_Static_assert(sizeof(struct igmp_hdr) == IGMP_LEN, "wire format");
