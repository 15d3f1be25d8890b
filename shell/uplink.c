/*
 * shell/uplink.c - how a program on weft gets beyond the host: hints, and the commands to give by hand.
 *
 * Nothing of the host is changed here: forwarding and masquerading concern others too.
 */
#include "shell/uplink.h"

#include <ifaddrs.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "lib/ipaddr.h"
#include "shell/program.h"

static const char *text_of(uint32_t addr, char *text)
{
	const struct ip_addr a = ip_addr4(addr);

	return ip_addr_text(&a, text);
}

/* The kernel's IPv4 address on this interface, or 0. */
static uint32_t kernel_address(const char *dev)
{
	struct ifaddrs *list, *i;
	struct sockaddr_in in;
	uint32_t addr = 0;

	if (getifaddrs(&list))
		return 0;
	for (i = list; i && !addr; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || strcmp(i->ifa_name, dev))
			continue;
		memcpy(&in, i->ifa_addr, sizeof(in));
		addr = ntohl(in.sin_addr.s_addr);
	}
	freeifaddrs(list);
	return addr;
}

static bool is_tap(const char *dev)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/tun_flags", dev);
	return access(path, F_OK) == 0;
}

void uplink_find(struct uplink *u, int stay, const struct program_token *token)
{
	struct program_device d;

	for (unsigned i = 0; program_device(stay, token, i, &d); i++) {
		if (d.flags & IFF_LOOPBACK || !d.addr)
			continue;
		memcpy(u->dev, d.name, sizeof(u->dev) - 1);
		u->addr = d.addr;
		u->mask = d.mask;
		u->host = kernel_address(u->dev);
		u->tap = is_tap(u->dev);
		return;
	}
}

bool uplink_forwards(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	int c = f ? fgetc(f) : '0';

	if (f)
		fclose(f);
	return c != '0';
}

void uplink_masquerade(char *text, size_t size, const char *net, const char *dev)
{
	snprintf(text, size,
		 "nft 'add table ip weft; add chain ip weft out { type nat hook postrouting "
		 "priority 100; }; add rule ip weft out ip saddr %s oifname != \"%s\" masquerade'",
		 net, dev);
}

/* By the one who administers the host. */
static void commands(FILE *out, const char *lead, const struct uplink *u)
{
	char addr[IP_ADDR_TEXT], net[IP_ADDR_TEXT + 4], rule[UPLINK_RULE];

	snprintf(net, sizeof(net), "%s/%d", text_of(u->addr & u->mask, addr),
		 __builtin_popcount(u->mask));
	uplink_masquerade(rule, sizeof(rule), net, u->dev);
	if (!uplink_forwards())
		fprintf(out, "%s  sysctl -w net.ipv4.ip_forward=1\n", lead);
	fprintf(out, "%s  %s\n%s  (unless the host masquerades already: nft list ruleset)\n", lead,
		rule, lead);
}

void uplink_explain(FILE *out, const char *lead, const struct uplink *u, uint32_t addr)
{
	char to[IP_ADDR_TEXT], host[IP_ADDR_TEXT];

	fprintf(out, "%s%s lies beyond weft's networks, and it has no route there\n", lead,
		text_of(addr, to));
	if (u->apart) {
		fprintf(out,
			"%s  this weft was begun without privilege, in a network namespace of its "
			"own: it has no uplink,\n"
			"%s  and reaches its own end and the host's (weft host) alone\n",
			lead, lead);
	} else if (!u->tap) {
		fprintf(out, "%s  give weft --gateway ADDRESS, the router of the network of %s\n",
			lead, *u->dev ? u->dev : "its device");
	} else {
		fprintf(out, "%s  give weft --gateway %s, and let the host forward, as root:\n",
			lead, u->host ? text_of(u->host, host) : "ADDRESS");
		commands(out, lead, u);
	}
}

void uplink_forwarding(FILE *out, const char *lead, const struct uplink *u, const char *gateway)
{
	char host[IP_ADDR_TEXT];

	if (!u->tap || !u->host || strcmp(gateway, text_of(u->host, host)) || uplink_forwards())
		return;
	fprintf(out, "%s--gateway %s is the host, and it does not forward; as root:\n", lead,
		gateway);
	commands(out, lead, u);
}
