/*
 * tests/harness/ip_lab.h - a stack of lib, net, arp and ip on a lab's clock, with Ethernet devices
 * whose wire is the test: what the stack transmits is read with ip_lab_sent(), what it receives is
 * put in with ip_lab_rx().  No ARP is seen: neighbours are permanent.
 *
 *	struct ip_lab l;
 *
 *	ip_lab_open(&l);                               10.0.0.1/24 on l.eth ("test0"), and lo
 *	other = ip_lab_device(&l, "test1", "10.1.0.1/24");
 *	ip_lab_rx_ip(&l, l.eth, &(struct ip_packet){.src = "10.0.0.2", .dst = "10.0.0.1", ...});
 *	n = ip_lab_sent(l.eth, bytes);                 the datagram of the next frame, 0: none
 *	b = pkq_take(&l.arrived);                      what reached protocol IP_LAB_PROTO
 *	ip_lab_close(&l);                              every gauge must be back at 0
 *
 * A room above calls its x_state_create(l.st) after the open and x_state_destroy() before the
 * close.  One lab at a time.
 */
#pragma once
#include "ip/ip_priv.h"
#include "lib/mib.h"
#include "tests/harness/netstack.h"

#define IP_LAB_PROTO 253 /* for experiments, RFC 3692 */
#define IP_LAB_HOSTS 9   /* .2 to .9 of a device's net are neighbours */

struct ip_lab {
	struct stack *st;
	struct netdev *lo;
	struct testdev *eth;
	struct pkq arrived; /* delivered to IP_LAB_PROTO, front at l4 */
	uint8_t to[6];      /* link destination of the frame taken last */
	uint8_t to_rx[6];   /* link destination of frames put in; all zero: the device's own */
	uint32_t features;  /* of devices made from now on */
};

void ip_lab_open(struct ip_lab *l);
void ip_lab_close(struct ip_lab *l);
/* Another Ethernet device, with an address and neighbours. */
struct testdev *ip_lab_device(struct ip_lab *l, const char *name, const char *prefix);
void ip_lab_advance_ms(struct ip_lab *l, uint64_t ms);
struct ip_addr ip_of(const char *text);
void ip_lab_route(struct ip_lab *l, const char *net, const char *gateway);

/* A datagram by its parts.  ttl 0: 64. */
struct ip_packet {
	const char *src, *dst;
	uint8_t proto, ttl, tos;
	uint16_t id, off;
	const uint8_t *opt;
	unsigned optlen;
	const void *data;
	uint32_t n;
};
/* Its bytes, checksum right; returns how many. */
uint32_t ip_packet_build(const struct ip_packet *p, uint8_t *out);
/* Sets the header checksum of a datagram again. */
void ip_packet_sum(uint8_t *datagram);
/* Checks version, length and checksum of a whole datagram. */
bool ip_packet_is_sound(const uint8_t *datagram, uint32_t n);
/* A pattern that tells its own place. */
void pattern_fill(uint8_t *p, uint32_t n, uint32_t from);
bool pattern_is(const uint8_t *p, uint32_t n, uint32_t from);

/* Through netdev_rx(), as a frame of a neighbour, in a batch. */
void ip_lab_rx(struct ip_lab *l, struct testdev *d, const uint8_t *datagram, uint32_t n);
void ip_lab_rx_ip(struct ip_lab *l, struct testdev *d, const struct ip_packet *p);
/* ip_out() in a batch: n bytes of data from the stack; the path as by path_get(). */
int ip_lab_out(struct ip_lab *l, const struct ip_flow *f, const void *data, uint32_t n);
/* Takes the next transmitted frame: its datagram to `out`, its length returned; 0: none. */
uint32_t ip_lab_sent(struct ip_lab *l, struct testdev *d, uint8_t *out);
/* The next one must be an ICMP message of this type and code; returns its second header word. */
uint32_t ip_lab_sent_icmp(struct ip_lab *l, struct testdev *d, uint8_t type, uint8_t code);
/* Asserts that nothing was sent by any device and nothing arrived. */
void ip_lab_quiet(struct ip_lab *l, struct testdev *d);
