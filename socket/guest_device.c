/*
 * socket/guest_device.c - the stack's interfaces, and the ioctls that ask for them.
 */
#include <errno.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "socket/guest.h"

bool guest_device(const struct guest *g, unsigned n, struct program_device *d)
{
	struct program_request q = {.kind = PROGRAM_DEVICES, .name = (int)n};
	struct program_reply r;

	if (guest_request(g, &q, &r) || r.len < sizeof(*d))
		return false;
	memcpy(d, r.bytes, sizeof(*d));
	return true;
}

bool guest_device_named(const struct guest *g, const char *name, struct program_device *d)
{
	for (unsigned i = 0; guest_device(g, i, d); i++) {
		if (strncmp(d->name, name, IFNAMSIZ) == 0)
			return true;
	}
	return false;
}

bool guest_device_numbered(const struct guest *g, unsigned index, struct program_device *d)
{
	for (unsigned i = 0; guest_device(g, i, d); i++) {
		if (d->index == index)
			return true;
	}
	return false;
}

void guest_device_address(struct sockaddr *to, uint32_t ip)
{
	const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};

	memcpy(to, &in, sizeof(in));
}

uint32_t guest_device_broadcast(const struct program_device *d)
{
	return d->flags & IFF_BROADCAST ? d->addr | ~d->mask : 0;
}

/* --- ioctl -------------------------------------------------------------------------------------------------- */

/* As many as fit; a length alone without a buffer. */
int guest_ioctl_conf(const struct guest *g, struct ifconf *c)
{
	int room = c->ifc_req ? c->ifc_len / (int)sizeof(struct ifreq) : 64, n = 0;
	struct program_device d;

	for (unsigned i = 0; n < room && guest_device(g, i, &d); i++) {
		struct ifreq *r = c->ifc_req ? &c->ifc_req[n] : NULL;

		if (!d.addr)
			continue;
		n++;
		if (!r)
			continue;
		memset(r, 0, sizeof(*r));
		memcpy(r->ifr_name, d.name, IFNAMSIZ);
		guest_device_address(&r->ifr_addr, d.addr);
	}
	c->ifc_len = n * (int)sizeof(struct ifreq);
	return 0;
}

static int device_get(unsigned long request, const struct program_device *d, struct ifreq *r)
{
	switch (request) {
	case SIOCGIFADDR:
		guest_device_address(&r->ifr_addr, d->addr);
		return d->addr ? 0 : -EADDRNOTAVAIL;
	case SIOCGIFNETMASK:
		guest_device_address(&r->ifr_netmask, d->mask);
		return 0;
	case SIOCGIFBRDADDR:
		guest_device_address(&r->ifr_broadaddr, guest_device_broadcast(d));
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

int guest_ioctl(const struct guest *g, unsigned long request, struct ifreq *r)
{
	struct program_device d;

	if (request == SIOCGIFNAME) {
		if (!guest_device_numbered(g, (unsigned)r->ifr_ifindex, &d))
			return -ENODEV;
		memcpy(r->ifr_name, d.name, IFNAMSIZ);
		return 0;
	}
	return guest_device_named(g, r->ifr_name, &d) ? device_get(request, &d, r) : -ENODEV;
}

bool guest_ioctl_is_ours(unsigned long request)
{
	return request >= SIOCGIFNAME && request <= SIOCGIFINDEX;
}
