/*
 * tests/harness/arp_lab.h - one stack with an Ethernet device that writes down what it transmits, on
 * a virtual clock: 10.0.0.1/24 at 02:00:00:00:00:01.
 */
#pragma once
#include "arp/neigh.h"
#include "lib/debug.h"
#include "lib/stack.h"
#include "lib/wire/arp.h"

#define ARP_LAB_FRAMES 1024
#define ARP_LAB_BYTES 64 /* of each frame */

struct arp_lab_frame {
	uint64_t at; /* ns */
	uint32_t len;
	uint8_t bytes[ARP_LAB_BYTES];
};

struct arp_lab {
	struct env *env;
	struct stack *st;
	struct netdev *dev;
	unsigned sent; /* frames transmitted, and what they were */
	struct arp_lab_frame frame[ARP_LAB_FRAMES];
	void (*on_xmit)(const struct arp_lab_frame *f); /* after it was written down */
	unsigned unreachable;                           /* packets given back */
	struct debug_sink sink; /* all lines are made, under whatever lock */
	unsigned lines;
};

extern struct arp_lab lab;
extern const uint8_t mac_own[ETHER_ALEN], mac_a[ETHER_ALEN], mac_b[ETHER_ALEN];

void arp_lab_setup(void);
void arp_lab_teardown(void); /* every gauge is back at 0 */
/* Another device of this kind, with flags and without an address. */
struct netdev *arp_lab_device(const char *name, uint32_t flags);
void arp_lab_advance_ms(uint64_t ms);
/* The n-th host: 10.0.0.n. */
struct ip_addr arp_lab_host(uint32_t n);

/* An IP datagram of `len` bytes whose first is its number. */
struct pkbuf *arp_lab_packet(uint8_t number, uint32_t len);
/* Sends it to n, inside a batch. */
int arp_lab_out(struct neigh *n, uint8_t number);
/* Receives a frame. */
void arp_lab_rx(const void *frame, uint32_t len);

/* What an ARP frame says. */
struct arp_lab_arp {
	uint8_t to[ETHER_ALEN], from[ETHER_ALEN];
	uint16_t op;
	uint8_t sha[ETHER_ALEN], tha[ETHER_ALEN];
	uint32_t spa, tpa;
};
void arp_lab_rx_arp(const struct arp_lab_arp *a);
void arp_lab_build(const struct arp_lab_arp *a, uint8_t frame[ETHER_HLEN + ARP_LEN]);
/* The i-th transmitted frame; it must be ARP. */
struct arp_lab_arp arp_lab_sent_arp(unsigned i);
/* It must be IP: its number. */
uint8_t arp_lab_sent_number(unsigned i);
