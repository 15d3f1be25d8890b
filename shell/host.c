/*
 * shell/host.c - the host's end of a device, by rtnetlink: what the host has, and setting it up.
 *
 * Nothing is taken from the host: a subnet that it reaches in another way is refused.  What is set up
 * here goes when the device goes.
 */
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shell/host.h"
#include "shell/shell_priv.h"

/* LOCKING: one thread, before there are others. */
struct host {
	struct mnl_socket *nl;
	uint32_t seq;
	bool known[DEVICES_MAX]; /* the interface was there before weft opened it */
	struct host_net *nets;
	unsigned n, room;
	char buf[16384]; /* replies; MNL_SOCKET_BUFFER_SIZE is not a constant */
};

static int host_add(struct host *h, const struct host_net *net)
{
	struct host_net *more;

	if (h->n == h->room) {
		more = realloc(h->nets, (h->room + 64) * sizeof(*more));
		if (!more)
			return MNL_CB_ERROR;
		h->nets = more;
		h->room += 64;
	}
	h->nets[h->n++] = *net;
	return MNL_CB_OK;
}

#define LOOKS_MAX 100
#define ATTRIBUTES 32 /* more than we ask for */

static int host_on_attr(const struct nlattr *a, void *arg)
{
	const struct nlattr **all = arg;

	if (mnl_attr_get_type(a) < ATTRIBUTES)
		all[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

/* A 32-bit attribute in the byte order of the machine; 0: none. */
static uint32_t attr_u32(const struct nlattr *a)
{
	return a ? mnl_attr_get_u32(a) : 0;
}

static int host_on_addr(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(nlh);
	struct host_net net = {.is_addr = true, .len = m->ifa_prefixlen, .ifindex = m->ifa_index};
	const struct nlattr *a[ATTRIBUTES] = {0};

	if (m->ifa_family != AF_INET)
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*m), host_on_attr, a);
	net.net = be32toh(attr_u32(a[IFA_LOCAL]));
	return host_add(arg, &net);
}

static int host_on_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	struct host_net net = {.len = m->rtm_dst_len};
	const struct nlattr *a[ATTRIBUTES] = {0};

	if (m->rtm_family != AF_INET || m->rtm_table == RT_TABLE_LOCAL ||
	    m->rtm_type == RTN_MULTICAST)
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*m), host_on_attr, a);
	net.net = be32toh(attr_u32(a[RTA_DST]));
	net.ifindex = attr_u32(a[RTA_OIF]);
	return host_add(arg, &net);
}

/* Sends a request and reads its answer to the end.  0 or -errno. */
static int host_talk(struct host *h, struct nlmsghdr *nlh, mnl_cb_t cb)
{
	unsigned port = mnl_socket_get_portid(h->nl);
	int r = MNL_CB_OK;
	ssize_t n;

	nlh->nlmsg_seq = ++h->seq;
	if (mnl_socket_sendto(h->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		n = mnl_socket_recvfrom(h->nl, h->buf, sizeof(h->buf));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(h->buf, (size_t)n, h->seq, port, cb, h);
	}
	return r == MNL_CB_ERROR ? -errno : 0;
}

static int host_dump(struct host *h, int type, mnl_cb_t cb)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *m;

	nlh->nlmsg_type = (uint16_t)type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->rtm_family = AF_INET;
	return host_talk(h, nlh, cb);
}

/* All that the host has, by a new socket: what is left of a list broken off would stand in the way. */
static int host_look(struct host *h)
{
	int err;

	h->n = 0;
	if (h->nl)
		mnl_socket_close(h->nl);
	h->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	err = h->nl && mnl_socket_bind(h->nl, 0, MNL_SOCKET_AUTOPID) == 0 ? 0 : -errno;
	if (!err)
		err = host_dump(h, RTM_GETADDR, host_on_addr);
	return err ? err : host_dump(h, RTM_GETROUTE, host_on_route);
}

/* A list during which something has changed ends with EINTR. */
struct host *host_open(void)
{
	struct host *h = calloc(1, sizeof(*h));
	int err = h ? -EINTR : -ENOMEM;

	for (int i = 0; err == -EINTR && i < LOOKS_MAX; i++)
		err = host_look(h);
	if (!err)
		return h;
	shell_error("host: its addresses and routes: %s", strerror(-err));
	if (h)
		host_close(h);
	return NULL;
}

void host_close(struct host *h)
{
	if (h->nl)
		mnl_socket_close(h->nl);
	free(h->nets);
	free(h);
}

void host_note_device(struct host *h, unsigned device, bool known)
{
	h->known[device] = known;
}

const struct host_net *host_nets(const struct host *h, unsigned *n)
{
	*n = h->n;
	return h->nets;
}

/* --- setting up -------------------------------------------------------------------------------- */

/* IFF_UP, and the MTU if it is not 0. */
static int host_link_up(struct host *h, unsigned ifindex, unsigned mtu)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *m;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->ifi_index = (int)ifindex;
	m->ifi_change = m->ifi_flags = IFF_UP;
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return host_talk(h, nlh, NULL);
}

static int host_addr_add(struct host *h, unsigned ifindex, const struct ip_addr *addr, unsigned len)
{
	uint32_t a = ip_addr_to4(addr), hosts = len < 32 ? UINT32_MAX >> len : 0;
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *m;

	nlh->nlmsg_type = RTM_NEWADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->ifa_family = AF_INET;
	m->ifa_prefixlen = (uint8_t)len;
	m->ifa_index = ifindex;
	mnl_attr_put_u32(nlh, IFA_LOCAL, htobe32(a));
	mnl_attr_put_u32(nlh, IFA_ADDRESS, htobe32(a));
	if (len < 31)
		mnl_attr_put_u32(nlh, IFA_BROADCAST, htobe32(a | hosts));
	return host_talk(h, nlh, NULL);
}

void host_loopback_up(struct host *h)
{
	host_link_up(h, 1, 0); /* always number 1 of a namespace */
}

/* A device made beforehand may be as it should be: then nothing needs privilege. */
static bool host_has_addr(const struct host *h, unsigned ifindex, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct host_net *n = &h->nets[i];

		if (n->is_addr && n->ifindex == ifindex && n->net == ip_addr_to4(addr))
			return true;
	}
	return false;
}

static bool host_link_is_up(const char *name)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up;

	if (fd < 0)
		return false;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	up = ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 && ifr.ifr_flags & IFF_UP;
	close(fd);
	return up;
}

/* Without the privilege to undo it later: said, where the device will outlive weft. */
static int host_addr_configure(struct host *h, const struct options *o, unsigned device,
			       unsigned ifindex)
{
	const struct device_options *d = &o->device[device];
	char addr[IP_ADDR_TEXT];

	if (host_has_addr(h, ifindex, &d->host))
		return 0;
	if (h->known[device])
		shell_verbose(o, "%s was there before: it keeps %s when weft ends", device_name(d),
			      ip_addr_text(&d->host, addr));
	return host_addr_add(h, ifindex, &d->host, d->host_prefix - 96);
}

int host_configure(struct host *h, const struct options *o, unsigned device, const char *name)
{
	const struct device_options *d = &o->device[device];
	unsigned ifindex = if_nametoindex(name);
	int err;

	if (!d->has_host)
		return 0;
	err = host_addr_configure(h, o, device, ifindex);
	if (!err && (d->dev.mtu || !host_link_is_up(name)))
		err = host_link_up(h, ifindex, d->dev.mtu);
	if (!err)
		return 0;
	shell_error("%s: the host's end: %s: run weft as root, or configure %s beforehand and give "
		    "--host-addr none",
		    name, strerror(-err), name);
	return -1;
}
