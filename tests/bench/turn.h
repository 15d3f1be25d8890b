/*
 * tests/bench/turn.h - frames turned round where they lie, for the small programs that answer without a stack.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/wire/arp.h"
#include "lib/wire/ip4.h"
#include "lib/wire/udp.h"

/* The same bytes back, with what the host left out of the checksum: both ends of a sum weigh the same. */
static inline void turn_udp(struct ether_hdr *e)
{
	struct ip4_hdr *ip = (void *)(e + 1);
	struct udp_hdr *udp = (void *)(ip + 1);
	uint8_t mac[ETHER_ALEN], addr[4];
	be16 port = udp->dport;

	memcpy(mac, e->dst, ETHER_ALEN);
	memcpy(e->dst, e->src, ETHER_ALEN);
	memcpy(e->src, mac, ETHER_ALEN);
	memcpy(addr, ip->dst, 4);
	memcpy(ip->dst, ip->src, 4);
	memcpy(ip->src, addr, 4);
	udp->dport = udp->sport;
	udp->sport = port;
}

/* A request for the server's address becomes its answer; false: it asks for another. */
static inline bool turn_arp(struct ether_hdr *e)
{
	static const uint8_t mac[ETHER_ALEN] = {2, 0, 0, 0, 0, 1}, addr[4] = {10, 0, 0, 1};
	struct arp_hdr *a = (void *)(e + 1);

	if (be16_get(a->op) != ARP_OP_REQUEST || memcmp(a->tpa, addr, 4) != 0)
		return false;
	memcpy(a->tha, a->sha, ETHER_ALEN);
	memcpy(a->tpa, a->spa, 4);
	memcpy(a->sha, mac, ETHER_ALEN);
	memcpy(a->spa, addr, 4);
	a->op = be16_of(ARP_OP_REPLY);
	memcpy(e->dst, e->src, ETHER_ALEN);
	memcpy(e->src, mac, ETHER_ALEN);
	return true;
}
