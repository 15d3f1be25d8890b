/*
 * shell/cmd_ifconfig.c - `ifconfig`: devices, their addresses and counters, and changes to them.
 */
#include <errno.h>
#include <string.h>

#include "arp/neigh.h"
#include "net/ifaddr.h"
#include "shell/parse.h"
#include "shell/shell_priv.h"

static void ifconfig_flags(struct cmd *c, const struct netdev *dev)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
	    {NETDEV_UP, "UP"},
	    {NETDEV_LOOPBACK, "LOOPBACK"},
	    {NETDEV_BROADCAST, "BROADCAST"},
	    {NETDEV_POINTOPOINT, "POINTOPOINT"},
	    {NETDEV_NOARP, "NOARP"},
	    {NETDEV_PROMISC, "PROMISC"},
	    {NETDEV_NOCARRIER, "NO-CARRIER"},
	};
	uint32_t flags = atomic_load(&dev->flags);
	const char *comma = "";

	fprintf(c->out, "%s: flags=%u<", dev->name, flags);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(flags & names[i].flag))
			continue;
		fprintf(c->out, "%s%s", comma, names[i].name);
		comma = ",";
	}
	fprintf(c->out, ">  mtu %u  index %u\n", atomic_load(&dev->mtu), dev->ifindex);
}

static void ifconfig_addrs(struct cmd *c, struct netdev *dev)
{
	char addr[IP_ADDR_TEXT], bcast[IP_ADDR_TEXT], mask[IP_ADDR_TEXT];
	struct ip_addr m;
	struct ifaddr a;

	for (unsigned i = 0; ifaddr_nth(dev, i, &a); i++) {
		if (!ip_addr_is4(&a.addr)) {
			fprintf(c->out, "        inet6 %s  prefixlen %u\n",
				ip_addr_text(&a.addr, addr), a.prefix);
			continue;
		}
		m = ip_addr_mask(&ip_addr_bcast4, a.prefix);
		fprintf(c->out, "        inet %s  netmask %s", ip_addr_text(&a.addr, addr),
			ip_addr_text(&m, mask));
		if (!ip_addr_is_any(&a.bcast))
			fprintf(c->out, "  broadcast %s", ip_addr_text(&a.bcast, bcast));
		fputc('\n', c->out);
	}
}

static unsigned long long ifconfig_count(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static unsigned long long ifconfig_traffic(const struct netdev *dev, enum netdev_traffic which)
{
	return netdev_traffic(dev, which);
}

static void ifconfig_show(struct cmd *c, struct netdev *dev)
{
	const struct netdev_stats *s = &dev->stats;
	char mac[MAC_TEXT];

	netdev_stats_update(dev);
	ifconfig_flags(c, dev);
	ifconfig_addrs(c, dev);
	if (dev->link->hlen && !(dev->flags & NETDEV_LOOPBACK))
		fprintf(c->out, "        ether %s  (%s, %u queue%s%s)\n", mac_text(dev->mac, mac),
			dev->ops->kind, dev->nqueue, dev->nqueue == 1 ? "" : "s",
			dev->features & NETDEV_F_TSO4 ? ", offload" : "");
	fprintf(c->out,
		"        RX packets %llu  bytes %llu\n"
		"        RX errors %llu  dropped %llu\n"
		"        TX packets %llu  bytes %llu\n"
		"        TX errors %llu  dropped %llu\n",
		ifconfig_traffic(dev, NETDEV_RX_PACKETS), ifconfig_traffic(dev, NETDEV_RX_BYTES),
		ifconfig_count(&s->rx_errors), ifconfig_count(&s->rx_dropped),
		ifconfig_traffic(dev, NETDEV_TX_PACKETS), ifconfig_traffic(dev, NETDEV_TX_BYTES),
		ifconfig_count(&s->tx_errors), ifconfig_count(&s->tx_dropped));
	if (!(dev->flags & NETDEV_LOOPBACK))
		host_show(c, dev);
}

static int ifconfig_mtu(struct cmd *c, struct netdev *dev, const char *text)
{
	static const struct range range = {"mtu", 68, 65535};
	struct batch b;
	uint64_t mtu;
	int err, status = parse_count(c, text, &range, &mtu);

	if (status)
		return status;
	batch_begin(&b, c->stack);
	err = netdev_set_mtu(dev, (uint32_t)mtu);
	batch_end(&b);
	return err ? cmd_error(c, "mtu %s: %s", text, strerror(-err)) : CMD_OK;
}

static int ifconfig_addr(struct cmd *c, struct netdev *dev, const char *text, bool add)
{
	struct ip_addr a;
	struct batch b;
	unsigned prefix;
	int err, status = parse_prefix(c, text, &a, &prefix);

	if (status)
		return status;
	batch_begin(&b, c->stack);
	err = add ? ifaddr_add(dev, &a, prefix) : ifaddr_del(dev, &a);
	if (add && !err)
		acd_announce(dev, &a);
	batch_end(&b);
	return err ? cmd_error(c, "%s: %s", text, strerror(-err)) : CMD_OK;
}

static void ifconfig_state(struct cmd *c, struct netdev *dev, bool up)
{
	struct batch b;

	batch_begin(&b, c->stack);
	if (up)
		netdev_up(dev);
	else
		netdev_down(dev);
	batch_end(&b);
}

/* One change; *used: the words it took. */
static int ifconfig_word(struct cmd *c, struct netdev *dev, int at, int *used)
{
	const char *word = c->argv[at], *value = at + 1 < c->argc ? c->argv[at + 1] : NULL;
	bool valued = !strcmp(word, "mtu") || !strcmp(word, "add") || !strcmp(word, "del");

	*used = valued ? 2 : 1;
	if (valued && !value)
		return cmd_usage(c, "%s needs a value", word);
	if (!strcmp(word, "mtu"))
		return ifconfig_mtu(c, dev, value);
	if (valued)
		return ifconfig_addr(c, dev, value, word[0] == 'a');
	if (strcmp(word, "up") && strcmp(word, "down"))
		return ifconfig_addr(c, dev, word, true);
	ifconfig_state(c, dev, word[0] == 'u');
	return CMD_OK;
}

static int ifconfig_change(struct cmd *c, struct netdev *dev)
{
	int status = CMD_OK, used;

	for (int at = 2; !status && at < c->argc; at += used)
		status = ifconfig_word(c, dev, at, &used);
	return status;
}

int cmd_ifconfig(struct cmd *c)
{
	struct netdev *dev = NULL;
	int status;

	if (c->argc > 1 && strcmp(c->argv[1], "-a")) {
		status = parse_device(c, c->argv[1], &dev);
		if (!status && c->argc == 2)
			ifconfig_show(c, dev);
		return status ? status : ifconfig_change(c, dev);
	}
	while ((dev = netdev_next(c->stack, dev)))
		ifconfig_show(c, dev);
	return CMD_OK;
}
