/*
 * ip/ip.h - the IP room's doors: ip_in() from the link, ip_out() from above, protocols by table.
 *
 * Above this room addresses are family-neutral (struct ip_addr) and a packet's own facts (src, dst,
 * proto, ttl, tos) stand in its pkbuf.  IPv4 is here; a destination of the other family answers
 * -EAFNOSUPPORT at ip_out(), the one place where the families part.
 */
#pragma once
#include "ip/route.h"
#include "lib/wire/ip4.h"
#include "net/netdev.h"

#define IP_OPTIONS_MAX 40

/* What to do about DF and the path MTU: Linux's IP_PMTUDISC_ values. */
enum ip_pmtudisc {
	PMTUDISC_DONT,  /* fragment here, DF clear */
	PMTUDISC_WANT,  /* DF set; fragmented here when larger than the path MTU is known to be */
	PMTUDISC_DO,    /* DF set; larger than the path MTU: -EMSGSIZE */
	PMTUDISC_PROBE, /* DF set, path MTU ignored */
	PMTUDISC_INTERFACE, /* DF clear; larger than the device's MTU: -EMSGSIZE; no ICMP is believed */
	PMTUDISC_OMIT,      /* DF clear, fragmented by the device's MTU; no ICMP is believed */
};

/* What a sender wants of a datagram. */
struct ip_flow {
	struct ip_addr src, dst; /* src any: by route */
	uint32_t ifindex;        /* only by this device; 0: any */
	uint32_t mark;
	uint8_t proto, tos;
	uint8_t ttl;      /* 0: the stack's default; multicast: 1 */
	uint8_t pmtudisc; /* enum ip_pmtudisc */
	uint8_t optlen;   /* bytes of opt, a multiple of 4 */
	bool broadcast;   /* SO_BROADCAST: else a broadcast dst is -EACCES */
	bool stays;       /* to a group with a TTL of 0: the copy that comes back here is all */
	bool no_loop;     /* no copy of what goes to a group comes back here */
	bool hdrincl; /* b begins with a whole IP header (IP_HDRINCL): id, checksum and src 0 are
			 filled in */
	const uint8_t *opt; /* IP options, source route already turned into dst and route data */
};

/* An ICMP error about a packet of ours, on its way to whoever sent that. */
struct ip_err {
	struct stack *stack;
	struct ip_addr src, dst; /* of the quoted datagram: src is ours */
	struct ip_addr from;     /* who sent the error */
	uint8_t type, code;      /* ICMP */
	uint8_t proto;           /* of the quoted datagram */
	uint8_t l4len;           /* bytes valid in l4: at least 8 */
	const uint8_t *l4;       /* first bytes of the quoted transport header */
	int err;      /* errno by Linux's table (icmp_err_convert); 0: not an error for a sock */
	bool fatal;   /* Linux's: ends a connection attempt; soft otherwise */
	uint32_t mtu; /* frag needed: as the message names it; 0: it names none */
	uint32_t len; /* of the quoted datagram, as its header says */
	const struct pkbuf *msg; /* the ICMP message */
	uint32_t quote, l4_at; /* where in it the quoted datagram and its transport header begin */
};

/* A protocol above ip.  Registered once, by socket/stack.c. */
struct ip_proto {
	uint8_t proto;
	void (*in)(struct pkbuf *b); /* required: front and l4 at its header; consumes b */
	/*
	 * Optional.  Anybody may send an error: what it names is pmtu_learn()ed only where the quote
	 * is one of a sock's (RFC 5927, 7).
	 */
	void (*err)(const struct ip_err *e);
};

struct ip_state *ip_state_create(struct stack *st); /* sets st->ip; registers with net and arp */
void ip_state_destroy(struct stack *st);
void ip_proto_register(struct stack *st, const struct ip_proto *p);

/* Up: called through net_proto. */
void ip_in(struct pkbuf *b);
/*
 * Down: consumes b, whose front and l4 are at the transport header (or at the IP header, hdrincl).
 * A transport checksum still owed is CSUM_PARTIAL with csum_start at l4.  `path` may be NULL:
 * looked up for this packet.  0 or -errno: -ENETUNREACH, -EHOSTUNREACH, -EMSGSIZE, -EACCES,
 * -EINVAL, -ENOBUFS (no room at the device: nothing of it went).
 */
int ip_out(struct pkbuf *b, const struct ip_flow *f, struct path *path);
/* The largest datagram f may send by path without fragments. */
uint32_t ip_out_mtu(const struct ip_flow *f, const struct path *path);
/* The pseudo header sum of a packet between two addresses of one family. */
uint64_t ip_csum_pseudo(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
			uint32_t len);
/* True when the transport checksum of a received packet (front at l4) is right or vouched for. */
bool ip_csum_ok(const struct pkbuf *b);
/* Bytes an IP header takes towards dst: 20 or 40. */
unsigned ip_hdr_bytes(const struct ip_addr *dst);
/* Checks the text of IP options from a program or a packet.  0 or -EINVAL. */
int ip_options_check(const uint8_t *opt, unsigned len);
