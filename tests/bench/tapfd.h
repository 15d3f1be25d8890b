/*
 * tests/bench/tapfd.h - a TAP's descriptor for the small programs that are not weft.
 */
#pragma once
#include <err.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>

/* flags: IFF_VNET_HDR or 0; offload: TUN_F_ bits.  Does not block. */
static inline int tapfd_open(const char *name, short flags, unsigned offload)
{
	struct ifreq req = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &req) || ioctl(fd, TUNSETOFFLOAD, offload))
		err(1, "%s", name);
	return fd;
}
