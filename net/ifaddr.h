/* net/ifaddr.h - the addresses of a device: own, directed broadcast, of both families. */
#pragma once
#include "net/netdev.h"

/* LOCKING: an entry is constant once on its device's list, which addr_lock guards. */
struct ifaddr {
	struct ifaddr *next;
	struct ip_addr addr;
	unsigned prefix;      /* in 128 bits: IP_PREFIX4(24) */
	struct ip_addr bcast; /* directed broadcast; ip_addr_any: none (loop, /31, /32, IPv6) */
};

/* -EEXIST: the device has it; -EINVAL: not a unicast address, or prefix out of range. */
int ifaddr_add(struct netdev *dev, const struct ip_addr *a, unsigned prefix);
int ifaddr_del(struct netdev *dev, const struct ip_addr *a); /* -EADDRNOTAVAIL */
/* Copies the i-th address; false past the end. */
bool ifaddr_nth(struct netdev *dev, unsigned i, struct ifaddr *out);
/* The address to send from towards `dst`: of its subnet, else the first of its family.  False:
 * none. */
bool ifaddr_source(struct netdev *dev, const struct ip_addr *dst, struct ip_addr *src);
bool ifaddr_is_bcast(struct netdev *dev,
		     const struct ip_addr *a); /* a directed broadcast of dev's */
/* What an address is to this host, and on which device; one that is both is own. */
enum ifaddr_kind { IFADDR_NONE, IFADDR_OWN, IFADDR_BCAST };
enum ifaddr_kind ifaddr_find(struct stack *st, const struct ip_addr *a, struct netdev **dev);
/* Whose is it, of all devices (RFC 1122, 3.3.4.2: the weak host model)?  127/8 is lo's, whole. */
struct netdev *ifaddr_owner(struct stack *st, const struct ip_addr *a);
