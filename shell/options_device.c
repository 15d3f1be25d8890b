/*
 * shell/options_device.c - the options of a device.
 *
 * --addr, --host-addr, --mac and --mtu belong to the --dev before them, or to tap0 when there is none.
 * What is left out is filled in at the end: the n-th device has 10.0.n.1/24, its host 10.0.n.2/24.
 * A packet: device sits on a network that is there: its address has to be given.
 */
#include "shell/options_device.h"

#include <stdio.h>
#include <string.h>

#include "lib/text.h"
#include "net/netdev.h"

#define MTU_MAX 65521 /* the kernel's of a TAP */

/* The device that options now belong to. */
static struct device_options *device_current(struct options *o)
{
	if (o->ndevice == 0) {
		o->device[0].dev.spec = "tap:tap0";
		o->device[0].has_host = true;
		o->ndevice = 1;
	}
	return &o->device[o->ndevice - 1];
}

const char *device_name(const struct device_options *d)
{
	return strchr(d->dev.spec, ':') + 1;
}

bool device_is_packet(const struct device_options *d)
{
	return strncmp(d->dev.spec, "packet:", 7) == 0;
}

int option_dev(struct options *o, const char *v)
{
	struct device_options new = {.dev.spec = v};
	const char *name;

	if (strncmp(v, "tap:", 4) && strncmp(v, "tun:", 4) && !device_is_packet(&new))
		return option_error("--dev", "%s: not tap:NAME, tun:NAME or packet:NAME", v);
	name = device_name(&new);
	if (!*name || strlen(name) >= NETDEV_NAME || strpbrk(name, "/: %") || !text_is_plain(name))
		return option_error("--dev", "%s: not a name of 1 to %d characters", v,
				    NETDEV_NAME - 1);
	for (unsigned i = 0; i < o->ndevice; i++) {
		if (strcmp(device_name(&o->device[i]), name) == 0)
			return option_error("--dev", "%s: given twice", v);
	}
	if (o->ndevice == DEVICES_MAX)
		return option_error("--dev", "more than %d devices", DEVICES_MAX);
	new.has_host = !device_is_packet(&new);
	o->device[o->ndevice++] = new;
	return 0;
}

/* An IPv4 interface address with its prefix length. */
static int option_prefix(const char *name, const char *v, struct ip_addr *a, unsigned *prefix)
{
	struct ip_addr net, bcast;

	if (ip_prefix_parse(v, a, prefix) || !ip_addr_is4(a))
		return option_error(name, "%s: not an IPv4 address with a length, as 10.0.0.1/24",
				    v);
	if (!strchr(v, '/'))
		return option_error(name, "%s: its length is missing, as in %s/24", v, v);
	net = ip_addr_mask(a, *prefix);
	bcast = ip_addr_bcast_of(a, *prefix);
	if (*prefix < IP_PREFIX4(1) || ip_addr_is_any(a) || ip_addr_is_multicast(a) ||
	    ip_addr_is_class_e(a) || ip_addr_is_bcast(a) || ip_addr_is_loopback(a))
		return option_error(name, "%s: not an address an interface can have", v);
	if (*prefix < IP_PREFIX4(31) && (ip_addr_eq(a, &net) || ip_addr_eq(a, &bcast)))
		return option_error(name, "%s: the first or last address of its subnet", v);
	return 0;
}

int option_addr(struct options *o, const char *v)
{
	struct device_options *d = device_current(o);

	d->dev.addr = v;
	return option_prefix("--addr", v, &d->addr, &d->prefix);
}

int option_host_addr(struct options *o, const char *v)
{
	struct device_options *d = device_current(o);

	if (device_is_packet(d) && strcmp(v, "none"))
		return option_error("--host-addr", "%s: %s is the kernel's to configure", v,
				    d->dev.spec);
	d->has_host = strcmp(v, "none") != 0;
	return d->has_host ? option_prefix("--host-addr", v, &d->host, &d->host_prefix) : 0;
}

int option_mac(struct options *o, const char *v)
{
	unsigned b[6];
	char end;

	if (strlen(v) != 17 || sscanf(v, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3],
				      &b[4], &b[5], &end) != 6)
		return option_error("--mac", "%s: not an address as 02:00:00:00:00:01", v);
	if (b[0] & 1 || !(b[0] | b[1] | b[2] | b[3] | b[4] | b[5]))
		return option_error("--mac", "%s: not one station's address", v);
	device_current(o)->dev.mac = v;
	return 0;
}

int option_mtu(struct options *o, const char *v)
{
	int n = option_number("--mtu", v, 68, MTU_MAX);

	device_current(o)->dev.mtu = (unsigned)n;
	return n < 0 ? n : 0;
}

/* The neighbour of `a` in its subnet: the next address, or the one before. */
static struct ip_addr addr_beside(const struct ip_addr *a, unsigned prefix)
{
	uint32_t own = ip_addr_to4(a);
	struct ip_addr next = ip_addr4(own + 1), last = ip_addr_bcast_of(a, prefix);

	if (prefix == IP_PREFIX4(31))
		return ip_addr4(own ^ 1);
	return ip_addr_eq(&next, &last) ? ip_addr4(own - 1) : next;
}

static int device_complete(struct options *o, unsigned i)
{
	struct device_options *d = &o->device[i];

	d->dev.no_offload = o->no_offload;
	d->dev.queues = o->queues;
	if (!d->dev.addr && device_is_packet(d))
		return option_error("--dev", "%s: needs an --addr of its own", d->dev.spec);
	if (!d->dev.addr) {
		snprintf(d->addr_text, sizeof(d->addr_text), "10.0.%u.1/24", i);
		d->dev.addr = d->addr_text;
		ip_prefix_parse(d->addr_text, &d->addr, &d->prefix);
	}
	if (d->has_host && !d->host_prefix) {
		if (d->prefix == IP_PREFIX4(32))
			return option_error("--addr", "%s: needs a --host-addr", d->dev.addr);
		d->host = addr_beside(&d->addr, d->prefix);
		d->host_prefix = d->prefix;
	}
	if (d->has_host && ip_addr_eq(&d->host, &d->addr))
		return option_error("--host-addr", "the same address as --addr %s", d->dev.addr);
	for (unsigned k = 0; k < i; k++) {
		const struct device_options *b = &o->device[k];

		if (ip_addr_match(&b->addr, &d->addr,
				  b->prefix < d->prefix ? b->prefix : d->prefix))
			return option_error("--addr", "%s overlaps %s of %s", d->dev.addr,
					    b->dev.addr, b->dev.spec);
	}
	return 0;
}

int options_complete(struct options *o)
{
	device_current(o);
	for (unsigned i = 0; i < o->ndevice; i++) {
		if (device_complete(o, i))
			return -1;
	}
	return 0;
}
