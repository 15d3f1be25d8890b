/*
 * socket/preload_device.c - interfaces: getifaddrs, their numbers and names, and the ioctls that ask for them.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "socket/preload_priv.h"

bool preload_device(unsigned n, struct program_device *d)
{
	struct program_request q = {.kind = PROGRAM_DEVICES, .name = (int)n};
	struct program_reply r;

	if (preload_request(&q, &r) || r.len < sizeof(*d))
		return false;
	memcpy(d, r.bytes, sizeof(*d));
	return true;
}

static bool by_name(const char *name, struct program_device *d)
{
	for (unsigned i = 0; preload_device(i, d); i++) {
		if (strncmp(d->name, name, IFNAMSIZ) == 0)
			return true;
	}
	return false;
}

static bool by_index(unsigned index, struct program_device *d)
{
	for (unsigned i = 0; preload_device(i, d); i++) {
		if (d->index == index)
			return true;
	}
	return false;
}

static void address_put(struct sockaddr *to, uint32_t ip)
{
	const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};

	memcpy(to, &in, sizeof(in));
}

static uint32_t broadcast_of(const struct program_device *d)
{
	return d->flags & IFF_BROADCAST ? d->addr | ~d->mask : 0;
}

/* --- names and numbers -------------------------------------------------------------------------------- */

HOOK unsigned if_nametoindex(const char *name)
{
	struct program_device d;

	if (by_name(name, &d))
		return d.index;
	errno = ENODEV;
	return 0;
}

HOOK char *if_indextoname(unsigned index, char name[IFNAMSIZ])
{
	struct program_device d;

	if (by_index(index, &d))
		return memcpy(name, d.name, IFNAMSIZ);
	errno = ENXIO;
	return NULL;
}

/* --- getifaddrs ------------------------------------------------------------------------------------------ */

/* libc's freeifaddrs() gives back one block; each of ours is one, so it has its own here. */
struct entry {
	struct ifaddrs ifa;
	char name[IFNAMSIZ];
	struct sockaddr_in addr, mask, bcast;
};

HOOK void freeifaddrs(struct ifaddrs *list)
{
	while (list) {
		struct ifaddrs *next = list->ifa_next;

		free(list);
		list = next;
	}
}

static struct ifaddrs *entry_make(const struct program_device *d)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	memcpy(e->name, d->name, sizeof(e->name));
	e->ifa.ifa_name = e->name;
	e->ifa.ifa_flags = d->flags;
	if (!d->addr)
		return &e->ifa;
	address_put((struct sockaddr *)&e->addr, d->addr);
	address_put((struct sockaddr *)&e->mask, d->mask);
	address_put((struct sockaddr *)&e->bcast, broadcast_of(d));
	e->ifa.ifa_addr = (struct sockaddr *)&e->addr;
	e->ifa.ifa_netmask = (struct sockaddr *)&e->mask;
	if (d->flags & IFF_BROADCAST)
		e->ifa.ifa_broadaddr = (struct sockaddr *)&e->bcast;
	return &e->ifa;
}

HOOK int getifaddrs(struct ifaddrs **list)
{
	struct ifaddrs **end = list;
	struct program_device d;

	*list = NULL;
	for (unsigned i = 0; preload_device(i, &d); i++) {
		*end = entry_make(&d);
		if (!*end) {
			freeifaddrs(*list);
			errno = ENOMEM;
			return -1;
		}
		end = &(*end)->ifa_next;
	}
	return 0;
}

/* --- ioctl -------------------------------------------------------------------------------------------------- */

/* As many as fit; a length alone without a buffer. */
static int conf_get(struct ifconf *c)
{
	int room = c->ifc_req ? c->ifc_len / (int)sizeof(struct ifreq) : 64, n = 0;
	struct program_device d;

	for (unsigned i = 0; n < room && preload_device(i, &d); i++) {
		struct ifreq *r = c->ifc_req ? &c->ifc_req[n] : NULL;

		if (!d.addr)
			continue;
		n++;
		if (!r)
			continue;
		memset(r, 0, sizeof(*r));
		memcpy(r->ifr_name, d.name, IFNAMSIZ);
		address_put(&r->ifr_addr, d.addr);
	}
	c->ifc_len = n * (int)sizeof(struct ifreq);
	return 0;
}

static int device_get(unsigned long request, const struct program_device *d, struct ifreq *r)
{
	switch (request) {
	case SIOCGIFADDR:
		address_put(&r->ifr_addr, d->addr);
		return d->addr ? 0 : -EADDRNOTAVAIL;
	case SIOCGIFNETMASK:
		address_put(&r->ifr_netmask, d->mask);
		return 0;
	case SIOCGIFBRDADDR:
		address_put(&r->ifr_broadaddr, broadcast_of(d));
		return 0;
	case SIOCGIFFLAGS:
		r->ifr_flags = (short)d->flags;
		return 0;
	case SIOCGIFMTU:
		r->ifr_mtu = (int)d->mtu;
		return 0;
	case SIOCGIFINDEX:
		r->ifr_ifindex = (int)d->index;
		return 0;
	case SIOCGIFHWADDR:
		memset(&r->ifr_hwaddr, 0, sizeof(r->ifr_hwaddr));
		r->ifr_hwaddr.sa_family = d->flags & IFF_LOOPBACK ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
		memcpy(r->ifr_hwaddr.sa_data, d->mac, sizeof(d->mac));
		return 0;
	default:
		return -ENOTTY;
	}
}

static int interface_ioctl(unsigned long request, void *arg)
{
	struct program_device d;
	struct ifreq *r = arg;

	if (!arg)
		return -EFAULT;
	if (request == SIOCGIFCONF)
		return conf_get(arg);
	if (request == SIOCGIFNAME) {
		if (!by_index((unsigned)r->ifr_ifindex, &d))
			return -ENODEV;
		memcpy(r->ifr_name, d.name, IFNAMSIZ);
		return 0;
	}
	return by_name(r->ifr_name, &d) ? device_get(request, &d, r) : -ENODEV;
}

HOOK int ioctl(int fd, unsigned long request, ...)
{
	struct preload_socket s;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request < SIOCGIFNAME || request > SIOCGIFINDEX || !preload_find(fd, &s))
		return (int)syscall(SYS_ioctl, fd, request, arg);
	return (int)preload_answer(interface_ioctl(request, arg));
}
