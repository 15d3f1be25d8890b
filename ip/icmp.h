/*
 * ip/icmp.h - ICMP: echo, timestamp, errors both ways (RFC 792, 1122 3.2.2, 1812 4.3).
 */
#pragma once
#include "ip/ip.h"
#include "lib/wire/icmp4.h"

struct icmp_error {
	uint8_t type, code;
	uint32_t info; /* gateway, MTU or pointer, as the second header word needs it, host order */
};

extern const struct ip_proto icmp_proto;

/*
 * Sends an error about `b` (front anywhere; l3 set) unless RFC 1812, 4.3.2.7 forbids it or the
 * limits say no.  Quotes as much as fits in 576 bytes.  Does not consume b.
 */
void icmp_error_send(struct pkbuf *b, const struct icmp_error *e);

/* One echo request from inside the stack (the shell's ping2): n bytes of payload. 0 or ip_out()'s
 * -errno. */
struct icmp_echo {
	struct ip_addr src, dst;
	uint16_t id, seq;
	uint8_t ttl;
	const void *data;
	uint32_t n;
};
int icmp_echo_send(struct stack *st, const struct icmp_echo *e);

/* fn sees every ICMP message delivered here (front at the ICMP header); it runs under a leaf lock.
 */
struct icmp_watch {
	struct icmp_watch *next;
	void (*fn)(struct icmp_watch *w, const struct pkbuf *b);
	void *arg;
};
void icmp_watch_add(struct stack *st, struct icmp_watch *w);
void icmp_watch_del(struct stack *st, struct icmp_watch *w);
/* errno and fatality of a destination unreachable, time exceeded, ... by Linux's table; 0: none. */
int icmp_errno(uint8_t type, uint8_t code, bool *fatal);
