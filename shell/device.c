/*
 * shell/device.c - the devices of the command line, opened one by one; why one did not open, and what
 * is said later of its link.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/shell_priv.h"

/* tap0 -> tap1, wan -> wan1: a name that is likely to be free. */
static const char *name_next(const char *name, char *buf, size_t size)
{
	size_t len = strlen(name);

	while (len > 0 && name[len - 1] >= '0' && name[len - 1] <= '9')
		len--;
	snprintf(buf, size, "%.*s%d", (int)len, name, atoi(name + len) + 1);
	return buf;
}

static int packet_error(const char *name, int err)
{
	switch (-err) {
	case ENODEV:
		shell_error("%s: no such interface (ip link)", name);
		break;
	case ENOTSUP:
		shell_error("%s: not an Ethernet interface", name);
		break;
	case EACCES:
	case EPERM:
		shell_error("%s: %s: a packet socket needs CAP_NET_RAW: run weft as root, or "
			    "setcap cap_net_raw+ep on it",
			    name, strerror(-err));
		break;
	default:
		shell_error("%s: %s", name, strerror(-err));
	}
	return -1;
}

int tun_forbidden(int err)
{
	shell_error(
	    "/dev/net/tun: %s: run weft as root, or let users open it: chmod 666 /dev/net/tun",
	    strerror(-err));
	return -1;
}

static int tap_error(const struct device_options *d, const char *name, int err)
{
	char next[2 * NETDEV_NAME];

	switch (-err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		shell_error("/dev/net/tun: %s: load the driver (modprobe tun), or make the node "
			    "(mkdir -p /dev/net; mknod /dev/net/tun c 10 200)",
			    strerror(-err));
		break;
	case EACCES:
		return tun_forbidden(err);
	case EPERM:
		shell_error(
		    "%s: %s: run weft as root, or on a TAP made for you (ip tuntap add dev %s "
		    "mode %.3s user NAME)",
		    name, strerror(-err), name, d->dev.spec);
		break;
	case EBUSY:
		shell_error("%s: device in use: name another, as --dev %.4s%s", name, d->dev.spec,
			    name_next(name, next, sizeof(next)));
		break;
	case EINVAL:
		shell_error(
		    "%s: there is such an interface, of another kind: name another with --dev",
		    name);
		break;
	default:
		shell_error("%s: %s", name, strerror(-err));
	}
	return -1;
}

/* Why a device did not open, and what can be done. */
static int device_error(const struct device_options *d, int err)
{
	const char *name = device_name(d);

	return device_is_packet(d) ? packet_error(name, err) : tap_error(d, name, err);
}

/* One line for each change that a user has to know of. */
static int device_told(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a)
{
	bool down = atomic_load(&dev->flags) & NETDEV_NOCARRIER;

	if (ev == NETDEV_EV_LINK)
		shell_error("%s: link %s", dev->name,
			    down ? "down: the interface or what it is connected to" : "up again");
	else if (ev == NETDEV_EV_LOST)
		shell_error("%s: the interface is gone: nothing comes or goes by it any more",
			    dev->name);
	return 0;
}

void devices_told(struct stack *st)
{
	netdev_notify_register(st, device_told);
}

int device_open(struct shell *sh, struct host *h, unsigned i)
{
	const struct options *o = sh->options;
	const struct device_options *d = &o->device[i];
	struct weft_device told = d->dev;
	struct netdev *dev;
	char host[IP_ADDR_TEXT];
	int err;

	if (host_check(h, o, i))
		return -1;
	if (o->probe)
		told.addr = NULL; /* later, by start_probe() */
	err = stack_device_open(sh->stack, &told, &dev);
	if (err)
		return device_error(d, err);
	if (host_configure(h, o, i, dev->name))
		return -1;
	if (told.addr)
		stack_device_announce(
		    dev); /* probed before use with --probe alone, which takes seven seconds */
	shell_verbose(o, "%s: %s, mtu %u, offload %s, host %s", dev->name, d->dev.addr, dev->mtu,
		      dev->features ? "on" : "off",
		      d->has_host ? ip_addr_text(&d->host, host) : "left alone");
	return 0;
}
