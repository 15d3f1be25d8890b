/*
 * tests/harness/udp_lab.h - an ip_lab with UDP: socks, datagrams in, datagrams out.  Everything in one
 * batch that udp_lab_flush() ends and begins anew.
 */
#pragma once
#include "tests/harness/ip_lab.h"
#include "udp/udp.h"

extern struct ip_lab udp_lab;

void udp_lab_open(void);
void udp_lab_close(void);
/* Ends the batch: loopback is drained, and what waits is woken. */
void udp_lab_flush(void);

struct sock *udp_lab_sock(void);
/* Bound; to a port of the stack's choice when 0. */
struct sock *udp_lab_bound(const char *addr, uint16_t port);
void udp_lab_end(struct sock *sk);
int udp_lab_bind(struct sock *sk, const char *addr, uint16_t port);
int udp_lab_connect(struct sock *sk, const char *addr, uint16_t port);
/* addr NULL: to where it is connected. */
ssize_t udp_lab_send(struct sock *sk, const char *addr, uint16_t port, const void *data, size_t n);
/* What recv() gives: into out->data, which holds `room` bytes. */
struct udp_lab_got {
	uint8_t data[70000];
	size_t room;
	int flags;
	struct sock_msg m; /* address, out_flags */
};
ssize_t udp_lab_recv(struct sock *sk, struct udp_lab_got *out);

/* One datagram on the wire of `eth`, from sport of src to dport of dst. */
struct udp_lab_packet {
	const char *src, *dst; /* NULL: 10.0.0.2 to 10.0.0.1 */
	uint16_t sport, dport;
	const void *data;
	uint32_t n;
	int len_wrong; /* added to the length field */
	uint8_t ttl;
	bool locked; /* the test holds a lock: the batch goes on */
	enum { CSUM_RIGHT, CSUM_WRONG, CSUM_ABSENT } csum;
};
void udp_lab_rx(const struct udp_lab_packet *p);
/* An ICMP error from `from` about a datagram from 10.0.0.1:sport to dst:dport. */
struct udp_lab_icmp {
	const char *from, *dst; /* NULL: 10.0.0.2 for both */
	uint8_t type, code;
	uint16_t sport, dport;
	uint32_t word; /* the header's second */
};
void udp_lab_rx_icmp(const struct udp_lab_icmp *e);
/* The next datagram transmitted: n data bytes and its ports; checks both checksums.  False: none. */
struct udp_lab_sent {
	uint8_t bytes[65535];
	const uint8_t *data;
	uint32_t n;
	uint16_t sport, dport, csum; /* csum as stored */
	struct ip_addr src, dst;
};
bool udp_lab_sent(struct udp_lab_sent *s);
