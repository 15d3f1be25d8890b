/*
 * ip/route.h - the route table (longest prefix, then least metric), what ICMP taught about single
 * destinations, and the path a sender keeps.
 */
#pragma once
#include "arp/neigh.h"
#include "lib/ipaddr.h"
#include "net/netdev.h"

struct ip_flow;

enum route_type {
	ROUTE_UNICAST,
	ROUTE_LOCAL,     /* an address of ours: by lo */
	ROUTE_BROADCAST, /* directed broadcast of a device */
	ROUTE_MULTICAST,
	ROUTE_BLACKHOLE,   /* dropped silently */
	ROUTE_UNREACHABLE, /* -EHOSTUNREACH */
};

#define ROUTE_F_CONNECTED 1u /* came with an address: goes with it */

struct route {
	struct ip_addr net;     /* host bits zero */
	unsigned prefix;        /* in 128 bits */
	struct ip_addr gateway; /* any: on link */
	struct ip_addr src;     /* preferred source; any: by device */
	struct netdev *dev;     /* NULL: blackhole, unreachable */
	uint32_t metric;        /* less is better */
	uint32_t mtu;           /* 0: the device's */
	uint16_t advmss;        /* of TCP's MSS option; 0: by the device's MTU */
	uint16_t initcwnd;      /* TCP's first window, segments; 0: as the setting says */
	bool mtu_lock;          /* ICMP does not lower the MTU, and DF stays clear */
	uint8_t type;           /* enum route_type */
	uint8_t flags;
};

/* -EEXIST: same net, prefix and metric; -ENETUNREACH: gateway not on link; -EINVAL: host bits or
 * prefix. */
int route_add(struct stack *st, const struct route *r);
/* Deletes the first that fits net, prefix and, where given, gateway, dev and metric.  -ESRCH: none.
 */
int route_del(struct stack *st, const struct route *r);
/* Copies up to max, longest prefix first; returns how many there are. */
unsigned route_list(struct stack *st, struct route *out, unsigned max);
/* False: no route. */
bool route_lookup(struct stack *st, const struct ip_addr *dst, uint32_t ifindex, struct route *out);
/* Moves whenever a cached path may be wrong: routes, addresses, devices, path MTUs. */
uint32_t route_generation(struct stack *st);
/* Writes it there too, now and whenever it moves; NULL: no more, when this returns. */
void route_generation_show(struct stack *st, _Atomic uint32_t *to);

/*
 * How to get to one destination now.  A sock keeps one and asks path_is_current() before each use.
 *
 * LOCKING
 *	c	constant after creation		a	atomic
 *	u	lock of the sock that keeps it
 */
struct path {
	_Atomic uint32_t ref; /* a */
	uint32_t generation;  /* c: of the route table when it was made */
	struct stack *stack;  /* c */
	struct netdev *dev;   /* c */
	struct neigh *neigh; /* c: reference; NULL for multicast, broadcast on NOARP devices, ... */
	struct ip_addr nexthop;    /* c */
	struct ip_addr src;        /* c: the source to use when the sender has none */
	_Atomic uint64_t id_hash;  /* a: ip/ip_id.c; 0: not known yet */
	uint32_t mtu;              /* c: least of device, route and path MTU, bytes of a datagram */
	uint16_t advmss;           /* c: the route's, 0: none */
	uint16_t initcwnd;         /* c: the route's, 0: none */
	uint8_t type;              /* c: enum route_type */
	_Atomic uint16_t id_whole; /* a: ip/ip_id.c: the next of those that may not be cut */
	bool
	    mtu_locked; /* c: sent without DF: some hop takes less than min_pmtu, or the route says so */
	bool mtu_seen; /* u: TCP's MSS follows mtu, and the options set on the sock */
};

/* NULL with *err: -ENETUNREACH, -EHOSTUNREACH, -EINVAL (blackhole), -EACCES, -ENOBUFS,
 * -EADDRNOTAVAIL. */
struct path *path_get(struct stack *st, const struct ip_flow *f, int *err);
struct path *path_hold(struct path *p);
void path_put(struct path *p);
bool path_is_current(const struct path *p);
/*
 * dst is the host at the other end of the device itself, which takes TCP's super-segments of more than 64 KB:
 * their IPv4 header gives the length 0.  Whoever would forward them had to cut them.
 */
bool path_takes_big(const struct path *p, const struct ip_addr *dst);

/* What ICMP taught about single destinations: path MTU and redirect.  Aged by sysctl mtu_expires.
 */
uint32_t pmtu_get(struct stack *st, const struct ip_addr *dst); /* 0: nothing known */
/* From a frag needed: believed only downwards and not below min_pmtu, and not where the route's MTU
 * is locked.  Returns what is believed now; 0: nothing. */
uint32_t pmtu_learn(struct stack *st, const struct ip_addr *dst, uint32_t mtu, uint32_t sent_len);
void redirect_learn(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway);
