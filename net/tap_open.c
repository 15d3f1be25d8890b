/*
 * net/tap_open.c - the queues of a kernel interface, from /dev/net/tun.
 *
 * Every queue asks for the same framing (a vnet header, no packet information) and says anew what
 * the kernel may leave to us: checksums to finish, super-frames to cut.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/tap.h"

#define TAP_QUEUES_MAX 256 /* the kernel's MAX_TAP_QUEUES */

_Static_assert(NETDEV_NAME == IFNAMSIZ, "names are the kernel's");

static int tap_set_offload(int fd, const struct tap_config *cfg)
{
	unsigned long want = cfg->no_offload ? 0 : TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	int hlen = VNET_HLEN;

	if (ioctl(fd, TUNSETVNETHDRSZ, &hlen) < 0 || ioctl(fd, TUNSETOFFLOAD, want) < 0)
		return -errno;
	return 0;
}

/* One queue of the interface `name`, which the kernel may fill in.  The descriptor or -errno. */
static int tap_open(const struct tap_config *cfg, char *name, bool multi)
{
	struct ifreq ifr = {0};
	int r, fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	ifr.ifr_flags = (short)((cfg->tun ? IFF_TUN : IFF_TAP) | IFF_NO_PI | IFF_VNET_HDR |
				(multi ? IFF_MULTI_QUEUE : 0));
	r = ioctl(fd, TUNSETIFF, &ifr) < 0 ? -errno : tap_set_offload(fd, cfg);
	if (r < 0) {
		close(fd);
		return r;
	}
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	name[IFNAMSIZ - 1] = '\0';
	return fd;
}

int tap_create(struct stack *st, const struct tap_config *cfg, struct netdev **out)
{
	unsigned i, n = cfg->queues ? cfg->queues : 1;
	struct tap_config named = *cfg;
	char name[IFNAMSIZ] = "";
	int fd[TAP_QUEUES_MAX];

	if (n > TAP_QUEUES_MAX)
		return -EINVAL;
	if (cfg->name && strlen(cfg->name) >= sizeof(name))
		return -ENAMETOOLONG;
	if (cfg->name)
		strcpy(name, cfg->name);
	for (i = 0; i < n; i++) {
		fd[i] = tap_open(cfg, name, n > 1);
		if (fd[i] < 0)
			goto close;
	}
	named.name = name;
	return tap_attach(st, &named, fd, n, out);
close:
	for (unsigned k = 0; k < i; k++)
		close(fd[k]);
	return fd[i];
}
