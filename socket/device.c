/*
 * socket/device.c - a device by the text of its spec, for whole stacks: opened, addressed, up.
 *
 * What grows here is the table of kinds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arp/neigh.h"
#include "lib/stack.h"
#include "net/ifaddr.h"
#include "net/netdev.h"
#include "socket/socket.h"
#include <weft/weft.h>

static int mac_parse(const char *text, uint8_t *mac)
{
	char end;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &end) != 6)
		return -EINVAL;
	return mac[0] & 1 ? -EINVAL : 0;
}

static int device_tap(struct stack *st, const struct weft_device *d, const char *name,
		      const uint8_t *mac, struct netdev **out)
{
	struct tap_config cfg = {
	    .name = name,
	    .tun = d->spec[1] == 'u',
	    .no_offload = d->no_offload != 0,
	    .queues = d->queues,
	    .mtu = d->mtu,
	};

	memcpy(cfg.mac, mac, ETHER_ALEN);
	return tap_create(st, &cfg, out);
}

static int device_packet(struct stack *st, const struct weft_device *d, const char *name,
			 const uint8_t *mac, struct netdev **out)
{
	struct packet_config cfg = {
	    .name = name,
	    .no_offload = d->no_offload != 0,
	    .queues = d->queues,
	    .mtu = d->mtu,
	};

	memcpy(cfg.mac, mac, ETHER_ALEN);
	return *name ? packet_create(st, &cfg, out) : -EINVAL;
}

static const struct device_kind {
	const char *name;
	int (*open)(struct stack *st, const struct weft_device *d, const char *name,
		    const uint8_t *mac, struct netdev **out);
} device_kinds[] = {{"tap", device_tap}, {"tun", device_tap}, {"packet", device_packet}};

static const struct device_kind *device_kind(const char *spec, size_t len)
{
	for (size_t i = 0; i < sizeof(device_kinds) / sizeof(device_kinds[0]); i++) {
		const struct device_kind *k = &device_kinds[i];

		if (strlen(k->name) == len && strncmp(k->name, spec, len) == 0)
			return k;
	}
	return NULL;
}

/* The kernel's side of a device, by the text of its spec. */
static int device_open(struct stack *st, const struct weft_device *d, struct netdev **out)
{
	const char *colon = d->spec ? strchr(d->spec, ':') : NULL;
	const struct device_kind *kind =
	    colon ? device_kind(d->spec, (size_t)(colon - d->spec)) : NULL;
	uint8_t mac[ETHER_ALEN] = {0};

	if (!kind || strlen(colon + 1) >= NETDEV_NAME)
		return -EINVAL;
	if (d->queues > 16 || (d->mtu && (d->mtu < 68 || d->mtu > 65535)))
		return -EINVAL;
	if (d->mac && mac_parse(d->mac, mac))
		return -EINVAL;
	return kind->open(st, d, colon + 1, mac, out);
}

int stack_device_open(struct stack *st, const struct weft_device *d, struct netdev **out)
{
	struct ip_addr addr;
	struct batch b;
	unsigned prefix = 0;
	int err = d->addr ? ip_prefix_parse(d->addr, &addr, &prefix) : 0;

	if (err)
		return err;
	batch_begin(&b, st);
	err = device_open(st, d, out);
	if (!err && d->addr)
		err = ifaddr_add(*out, &addr, prefix);
	if (!err)
		netdev_up(*out);
	batch_end(&b);
	return err;
}

void stack_device_announce(struct netdev *dev)
{
	struct ifaddr a;
	struct batch b;

	if (!ifaddr_nth(dev, 0, &a))
		return;
	batch_begin(&b, dev->stack);
	acd_announce(dev, &a.addr);
	batch_end(&b);
}
