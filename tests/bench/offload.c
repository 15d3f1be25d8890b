/*
 * tests/bench/offload.c - `offload DEV on|off`: segmentation, checksums and GRO of one device of the kernel's,
 * as ethtool -K does it, so that the kernel can be measured in frames of 1500 bytes.
 */
#include <err.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What stands on checksums comes after them when turned on, before them when turned off. */
static const unsigned commands[] = {ETHTOOL_STXCSUM, ETHTOOL_SSG,  ETHTOOL_STSO,
				    ETHTOOL_SGSO,    ETHTOOL_SGRO, ETHTOOL_SRXCSUM};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

int main(int argc, char **argv)
{
	struct ethtool_value value = {0};
	struct ifreq req = {.ifr_data = (char *)&value};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 3)
		errx(2, "usage: offload DEV on|off");
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", argv[1]);
	value.data = strcmp(argv[2], "on") == 0;
	for (size_t i = 0; i < COMMANDS; i++) {
		value.cmd = commands[value.data ? i : COMMANDS - 1 - i];
		if (ioctl(fd, SIOCETHTOOL, &req))
			warn("%s: feature %zu", argv[1], i);
	}
	return 0;
}
