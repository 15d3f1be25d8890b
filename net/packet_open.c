/*
 * net/packet_open.c - packet sockets on an interface, bound and set up so that confinement may
 * follow: only reading, writing and questions are left for later.
 *
 * weft has an address of its own on the wire: frames to it are received though the interface has
 * another, by its list of addresses or, where it keeps none, in promiscuous mode.  What is for
 * others, and what the host itself sends, is left out by a filter in the kernel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/stack.h"
#include "lib/wire/ether.h"
#include "net/packet.h"

/* Bytes that may wait to be read, as the kernel counts them: 100 super-frames and more. */
#define PACKET_RCVBUF (16 << 20)
#define PACKET_SNDBUF (4 << 20)

static uint32_t mac_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Passes what comes in for `mac` or for a group. */
static int packet_filter(int fd, const uint8_t *mac)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 6, 0),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, mac_u32(mac + 2), 0, 2),
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, mac_u32(mac) >> 16, 3, 0),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static int packet_set(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Beyond the system's limit where that is allowed. */
static void packet_buffer(int fd, int forced, int option, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes));
}

/* For the interface to pass up what is sent to weft's own address, and to groups: ip knows which of those it is in. */
static int packet_receive_for(int fd, int ifindex, const uint8_t *mac)
{
	struct packet_mreq m = {
	    .mr_ifindex = ifindex, .mr_type = PACKET_MR_UNICAST, .mr_alen = ETHER_ALEN};

	memcpy(m.mr_address, mac, ETHER_ALEN);
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) < 0)
		return -errno;
	m.mr_type = PACKET_MR_ALLMULTI;
	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) < 0 ? -errno : 0;
}

/* The interface's number, if it is one that carries Ethernet, and its own address. */
static int packet_interface(int fd, const char *name, uint8_t *mac)
{
	struct ifreq ifr = {0};
	int ifindex;

	strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
	if (ioctl(fd, SIOCGIFINDEX, &ifr) < 0)
		return -errno;
	ifindex = ifr.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return -errno;
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return -ENOTSUP;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, ETHER_ALEN);
	return ifindex;
}

/* Everything but the binding, which lets the frames in. */
static int packet_setup(int fd, int ifindex, const uint8_t *mac, const uint8_t *own)
{
	int err = packet_filter(fd, mac);

	if (!err)
		err = packet_set(fd, PACKET_VNET_HDR, 1);
	if (!err)
		err = packet_set(fd, PACKET_AUXDATA, 1);
	if (!err && memcmp(mac, own, ETHER_ALEN) != 0)
		err = packet_receive_for(fd, ifindex, mac);
	if (err)
		return err;
	packet_set(fd, PACKET_IGNORE_OUTGOING, 1); /* since Linux 4.20: spares the filter */
	packet_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, PACKET_RCVBUF);
	packet_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, PACKET_SNDBUF);
	return 0;
}

static int packet_bind(int fd, int ifindex)
{
	struct sockaddr_ll a = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};

	return bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
}

/* The flows of an interface spread over n sockets; the first names the group, by a free number. */
static int packet_fanout(const struct packet_fds *f)
{
	int group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16, err = 0;
	socklen_t len = sizeof(group);

	if (f->n == 1)
		return 0;
	err = packet_set(f->queue[0], PACKET_FANOUT, group);
	if (!err && getsockopt(f->queue[0], SOL_PACKET, PACKET_FANOUT, &group, &len) < 0)
		err = -errno;
	group = (group & 0xffff) | PACKET_FANOUT_HASH << 16;
	for (unsigned i = 1; !err && i < f->n; i++)
		err = packet_set(f->queue[i], PACKET_FANOUT, group);
	return err;
}

static int packet_open_link(void)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* One more queue; its number of the interface, or -errno.  cfg->mac is filled in. */
static int packet_open(struct packet_config *cfg, struct stack *st, struct packet_fds *f)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ifindex, err;
	uint8_t own[ETHER_ALEN];

	if (fd < 0)
		return -errno;
	f->ring[f->n] = NULL;
	f->queue[f->n++] = fd;
	ifindex = packet_interface(fd, cfg->name, own);
	if (ifindex < 0)
		return ifindex;
	ether_mac_fill(st, cfg->mac);
	err = packet_setup(fd, ifindex, cfg->mac, own);
	if (err)
		return err;
	if (cfg->no_offload) /* super-frames are better read; so is all where there is no memory for a ring */
		packet_ring_open(fd, &f->ring[f->n - 1]);
	err = packet_bind(fd, ifindex);
	return err ? err : ifindex;
}

int packet_create(struct stack *st, const struct packet_config *cfg, struct netdev **out)
{
	struct packet_fds f = {.link = packet_open_link()};
	struct packet *p = calloc(1, sizeof(*p));
	struct packet_config filled = *cfg;
	unsigned n = cfg->queues ? cfg->queues : 1;
	int r = f.link;

	if (r >= 0 && !p)
		r = -ENOMEM;
	if (n > sizeof(f.queue) / sizeof(f.queue[0]))
		r = -EINVAL;
	while (r >= 0 && f.n < n)
		r = packet_open(&filled, st, &f);
	if (r >= 0) {
		p->ifindex = r;
		p->mtu_max = cfg->mtu;
		r = packet_fanout(&f);
	}
	if (r == 0)
		return packet_attach(st, &filled, p, &f, out);
	packet_fds_close(&f);
	free(p);
	return r;
}
