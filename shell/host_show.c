/*
 * shell/host_show.c - the host's end of a device, as `ifconfig` shows it beside weft's own.
 *
 * Asked of the kernel by calls that the filter lets through: ioctls of a local socket, which answer
 * for every interface of the namespace, and the counters of /proc.
 */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shell/parse.h"
#include "shell/shell_priv.h"

/* Its counters, from the line of /proc/net/dev; the kernel's RX is what weft sent. */
static void show_counters(struct cmd *c, const char *name)
{
	unsigned long long v[12];
	char line[512], *colon;
	FILE *f = fopen("/proc/thread-self/net/dev", "re");

	while (f && fgets(line, sizeof(line), f)) {
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		if (strcmp(line + strspn(line, " "), name))
			continue;
		if (sscanf(colon + 1, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu",
			   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9],
			   &v[10], &v[11]) == 12)
			fprintf(c->out,
				"        RX packets %llu  bytes %llu  errors %llu  dropped %llu\n"
				"        TX packets %llu  bytes %llu  errors %llu  dropped %llu\n",
				v[1], v[0], v[2], v[3], v[9], v[8], v[10], v[11]);
		break;
	}
	if (f)
		fclose(f);
}

/* The address that weft gave the host's end, of the device that was opened as the i-th. */
static void show_address(struct cmd *c, const struct netdev *dev)
{
	const struct options *o = c->shell->options;
	char text[IP_ADDR_TEXT];
	struct netdev *d = NULL;
	unsigned i = 0;

	while ((d = netdev_next(c->stack, d)) && d != dev)
		i += !(atomic_load(&d->flags) & NETDEV_LOOPBACK);
	if (i < o->ndevice && o->device[i].has_host)
		fprintf(c->out, "        inet %s/%u\n", ip_addr_text(&o->device[i].host, text),
			o->device[i].host_prefix - IP_PREFIX4(0));
}

void host_show(struct cmd *c, const struct netdev *dev)
{
	struct ifreq mtu = {0}, hw = {0};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char mac[MAC_TEXT];

	memcpy(mtu.ifr_name, dev->name, sizeof(dev->name));
	memcpy(hw.ifr_name, dev->name, sizeof(dev->name));
	if (fd >= 0 && ioctl(fd, SIOCGIFMTU, &mtu) == 0) {
		fprintf(c->out, "%s, the host's end: mtu %d\n", dev->name, mtu.ifr_mtu);
		show_address(c, dev);
		if (dev->link->hlen && ioctl(fd, SIOCGIFHWADDR, &hw) == 0)
			fprintf(c->out, "        ether %s\n",
				mac_text((const uint8_t *)hw.ifr_hwaddr.sa_data, mac));
		show_counters(c, dev->name);
	}
	if (fd >= 0)
		close(fd);
}
