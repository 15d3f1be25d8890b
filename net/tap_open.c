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
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "net/tap.h"

#define TAP_QUEUES_MAX 256 /* the kernel's MAX_TAP_QUEUES */
#define LINK_MESSAGE_MAX 8192
#define LINK_POLL_NS 1000000
#define LINK_POLLS 100 /* a tenth of a second: then the first packets may be lost, no more */

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

/* IF_OPER_UP and the like; -1: it is not up at all, or cannot be told. */
static int link_operstate(int nl, int ifindex)
{
	struct {
		struct nlmsghdr nh;
		struct ifinfomsg ifi;
	} ask = {.nh = {.nlmsg_len = sizeof(ask),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST},
		 .ifi = {.ifi_index = ifindex}};
	union {
		struct nlmsghdr nh;
		char room[LINK_MESSAGE_MAX];
	} got;
	struct ifinfomsg *ifi;
	struct rtattr *a;
	int len;

	if (send(nl, &ask, sizeof(ask), 0) < 0)
		return -1;
	len = (int)recv(nl, &got, sizeof(got), 0);
	if (len < (int)NLMSG_SPACE(sizeof(struct ifinfomsg)) || got.nh.nlmsg_type != RTM_NEWLINK)
		return -1;
	ifi = NLMSG_DATA(&got.nh);
	len -= (int)NLMSG_SPACE(sizeof(*ifi));
	if (!(ifi->ifi_flags & IFF_UP))
		return -1;
	for (a = IFLA_RTA(ifi); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_OPERSTATE)
			return *(uint8_t *)RTA_DATA(a);
	}
	return -1;
}

/*
 * An interface that was up without a reader has had its carrier since the open, but the kernel drops
 * all that it sends there, answers to ARP among it, until its link watch has taken notice.  From 6.8
 * on it does so when it is asked; before, its state says when it has.
 */
static void link_wait(const char *name)
{
	const struct timespec pause = {.tv_nsec = LINK_POLL_NS};
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	if (nl < 0)
		return;
	ioctl(nl, SIOCGIFINDEX, &ifr);
	for (int i = 0; i < LINK_POLLS; i++) {
		int state = link_operstate(nl, ifr.ifr_ifindex);

		if (state < 0 || state == IF_OPER_UP)
			break;
		nanosleep(&pause, NULL);
	}
	close(nl);
}

/*
 * From 6.3 on the kernel takes a super-frame for itself whose IPv4 header gives no length, for it is more than
 * the field can tell; from 6.6 on a TAP has pages for one.  The link address at the kernel's end of fd, or zeroes
 * where it does not.
 */
static void tap_host(int fd, uint8_t *host)
{
	struct ifreq ifr = {0};
	struct utsname u;
	unsigned major, minor;

	memset(host, 0, ETHER_ALEN);
	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2 || major < 6 ||
	    (major == 6 && minor < 6))
		return;
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) == 0)
		memcpy(host, ifr.ifr_hwaddr.sa_data, ETHER_ALEN);
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
	link_wait(name);
	named.name = name;
	tap_host(fd[0], named.host);
	return tap_attach(st, &named, fd, n, out);
close:
	for (unsigned k = 0; k < i; k++)
		close(fd[k]);
	return fd[i];
}
