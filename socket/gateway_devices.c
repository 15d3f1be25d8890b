/*
 * socket/gateway_devices.c - the stack's interfaces, for getifaddrs() and the ioctls of programs.
 */
#include <linux/if.h>
#include <string.h>

#include "lib/stack.h"
#include "net/ifaddr.h"
#include "socket/gateway_priv.h"

/* The kernel's words for it. */
static uint32_t device_flags(const struct netdev *dev)
{
	uint32_t f = IFF_RUNNING, own = atomic_load(&dev->flags);

	if (own & NETDEV_UP)
		f |= IFF_UP;
	if (own & NETDEV_NOCARRIER)
		f &= ~(uint32_t)IFF_RUNNING;
	if (own & NETDEV_LOOPBACK)
		return f | IFF_LOOPBACK;
	return f | IFF_BROADCAST | IFF_MULTICAST;
}

static void device_fill(struct netdev *dev, struct program_device *d)
{
	struct ifaddr a;

	*d = (struct program_device){.index = dev->ifindex, .flags = device_flags(dev)};
	memcpy(d->name, dev->name, sizeof(d->name) - 1);
	d->mtu = atomic_load(&dev->mtu);
	memcpy(d->mac, dev->mac, sizeof(d->mac));
	for (unsigned i = 0; ifaddr_nth(dev, i, &a); i++) {
		if (!ip_addr_is4(&a.addr))
			continue;
		d->addr = ip_addr_to4(&a.addr);
		d->mask = a.prefix > 96 ? ~0u << (128 - a.prefix) : 0;
		return;
	}
}

void gateway_devices(struct gateway *g, unsigned from, struct program_reply *r)
{
	struct program_device d;
	struct netdev *dev = NULL;
	unsigned i = 0;

	while ((dev = netdev_next(g->stack, dev))) {
		if (i++ < from)
			continue;
		if (r->len + sizeof(d) > sizeof(r->bytes))
			return;
		device_fill(dev, &d);
		memcpy(r->bytes + r->len, &d, sizeof(d));
		r->len += sizeof(d);
	}
}
