/*
 * socket/preload_device.c - the hooks of interfaces: getifaddrs, their numbers and names, ioctl.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "socket/preload.h"

/* --- names and numbers -------------------------------------------------------------------------------- */

HOOK unsigned if_nametoindex(const char *name)
{
	struct program_device d;

	if (guest_device_named(preload_guest(), name, &d))
		return d.index;
	errno = ENODEV;
	return 0;
}

HOOK char *if_indextoname(unsigned index, char name[IFNAMSIZ])
{
	struct program_device d;

	if (guest_device_numbered(preload_guest(), index, &d))
		return memcpy(name, d.name, IFNAMSIZ);
	errno = ENXIO;
	return NULL;
}

/* libc's if_freenameindex() gives back each name and the list: so they are made. */
HOOK struct if_nameindex *if_nameindex(void)
{
	struct if_nameindex *list = calloc(1, sizeof(*list)), *more;
	struct program_device d;
	unsigned n = 0;

	for (; list && guest_device(preload_guest(), n, &d); n++) {
		more = realloc(list, (n + 2) * sizeof(*list));
		if (!more)
			break;
		list = more;
		list[n] = (struct if_nameindex){0, strndup(d.name, sizeof(d.name))};
		list[n + 1] = (struct if_nameindex){0};
		if (!list[n].if_name)
			break;
		list[n].if_index = d.index;
	}
	return list;
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
	guest_device_address((struct sockaddr *)&e->addr, d->addr);
	guest_device_address((struct sockaddr *)&e->mask, d->mask);
	guest_device_address((struct sockaddr *)&e->bcast, guest_device_broadcast(d));
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
	for (unsigned i = 0; guest_device(preload_guest(), i, &d); i++) {
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

HOOK int ioctl(int fd, unsigned long request, ...)
{
	struct guest *g = preload_guest();
	struct guest_socket s;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!guest_ioctl_is_ours(request) || !guest_find(g, fd, &s))
		return kernel_ioctl(fd, request, arg);
	if (!arg)
		return (int)preload_answer(-EFAULT);
	return (int)preload_answer(request == SIOCGIFCONF ? guest_ioctl_conf(g, arg)
							  : guest_ioctl(g, request, arg));
}
