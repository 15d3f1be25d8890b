/*
 * net/packet_link.c - what becomes of the interface under a packet device: up, down, MTU, gone.
 *
 * A socket of rtnetlink tells that some link has changed; what has is asked by ioctl, so that news
 * that were lost or came twice do no harm.  An interface that goes down and comes back is used
 * again (the kernel gives its packet sockets back to it); one that is gone is gone.
 */
#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/debug.h"
#include "lib/stack.h"
#include "net/packet.h"

/* The lesser of what the interface and --mtu allow. */
static void packet_follow_mtu(struct netdev *dev, uint32_t mtu)
{
	struct packet *p = dev->priv;

	if (atomic_exchange(&p->mtu_had, mtu) == mtu)
		return;
	if (p->mtu_max && p->mtu_max < mtu)
		mtu = p->mtu_max;
	if (netdev_set_mtu(dev, mtu) < 0)
		debug(dev->stack, DEBUG_DEV, "%s: mtu %u is none for IP", dev->name, mtu);
}

int packet_look(struct netdev *dev)
{
	const struct packet *p = dev->priv;
	struct ifreq ifr = {.ifr_ifindex = p->ifindex};
	const int on = IFF_UP | IFF_RUNNING;
	int fd = dev->queue[0].fd;
	bool carrier;

	/* by its number: it may have another name by now */
	if (ioctl(fd, SIOCGIFNAME, &ifr) < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	carrier = (ifr.ifr_flags & on) == on;
	if (ioctl(fd, SIOCGIFMTU, &ifr) < 0)
		return -errno;
	packet_follow_mtu(dev, (uint32_t)ifr.ifr_mtu);
	netdev_set_link(dev, carrier);
	return 0;
}

/* Each socket tells by an error too, and is readable until it has been taken. */
static void packet_error_take(struct netdev *dev)
{
	for (unsigned i = 0; i < dev->nqueue; i++) {
		socklen_t len = sizeof(int);
		int err;

		getsockopt(dev->queue[i].fd, SOL_SOCKET, SO_ERROR, &err, &len);
	}
}

int packet_link(struct netdev *dev)
{
	char news[4096]; /* not read: that they are there is enough */
	ssize_t n;

	do
		n = recv(dev->link_fd, news, sizeof(news), 0);
	while (n > 0 || errno == EINTR || errno == ENOBUFS);
	packet_error_take(dev);
	return packet_look(dev);
}

/* Not more than the interface takes; its next change of MTU sets both. */
int packet_set_mtu(struct netdev *dev, uint32_t mtu)
{
	const struct packet *p = dev->priv;

	return mtu > atomic_load(&p->mtu_had) ? -ERANGE : 0;
}
