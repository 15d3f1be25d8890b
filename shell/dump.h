/*
 * shell/dump.h - one line about a packet, in tcpdump's words.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DUMP_SNAP 160u /* bytes of a packet that a line needs */

struct dump_packet {
	uint64_t wall;   /* ns since 1970 */
	uint32_t len;    /* of the packet on the wire */
	uint16_t caplen; /* bytes in data */
	uint8_t l2;      /* of them, link header: 14 or 0 */
	bool out;
	uint32_t ifindex;
	uint8_t data[DUMP_SNAP];
};

void dump_print(FILE *out, const struct dump_packet *p);
