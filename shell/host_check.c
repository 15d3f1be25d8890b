/*
 * shell/host_check.c - would this device hide an address or a route of the host?
 *
 * A default route hides nothing, nor do its halves (0.0.0.0/1), with which VPNs take all traffic.  When
 * a subnet is refused a free one is named.
 */
#include <net/if.h>
#include <stdio.h>

#include "shell/host.h"
#include "shell/shell_priv.h"

#define ADDR_TEXT IP_ADDR_TEXT

/* One of the two contains the other. */
static bool nets_overlap(uint32_t a, unsigned alen, uint32_t b, unsigned blen)
{
	unsigned len = alen < blen ? alen : blen;

	return len == 0 || (a ^ b) >> (32 - len) == 0;
}

static const char *addr_text(uint32_t a, char *buf)
{
	struct ip_addr addr = ip_addr4(a);

	return ip_addr_text(&addr, buf);
}

static const char *ifname_of(unsigned ifindex, char *buf)
{
	return ifindex && if_indextoname(ifindex, buf) ? buf : "no interface";
}

/* The first address or route of the host in the way of net/len, `own` being the device itself. */
static const struct host_net *host_in_the_way(struct host *h, uint32_t net, unsigned len,
					      unsigned own)
{
	const struct host_net *nets;
	unsigned n;

	nets = host_nets(h, &n);
	for (unsigned i = 0; i < n; i++) {
		if (nets[i].len <= 1 || (own && nets[i].ifindex == own))
			continue;
		if (nets_overlap(net, len, nets[i].net, nets[i].len))
			return &nets[i];
	}
	return NULL;
}

static bool options_in_the_way(const struct options *o, uint32_t net, unsigned device)
{
	for (unsigned i = 0; i < o->ndevice; i++) {
		const struct device_options *d = &o->device[i];

		if (i != device && nets_overlap(net, 24, ip_addr_to4(&d->addr), d->prefix - 96))
			return true;
	}
	return false;
}

/* The i-th /24 to try: 10.0.i.0, then 10.i.0.0, then 192.168.i.0. */
static uint32_t net_candidate(unsigned i)
{
	if (i < 256)
		return 0x0a000000 + (i << 8);
	if (i < 512)
		return 0x0a000000 + ((i - 256) << 16);
	return 0xc0a80000 + ((i - 512) << 8);
}

/* A /24 that nothing is in the way of, or 0. */
static uint32_t net_free(struct host *h, const struct options *o, unsigned device)
{
	for (unsigned i = 0; i < 768; i++) {
		uint32_t net = net_candidate(i);

		if (!host_in_the_way(h, net, 24, 0) && !options_in_the_way(o, net, device))
			return net;
	}
	return 0;
}

static void suggest(struct host *h, const struct options *o, unsigned device, char *text,
		    size_t size)
{
	uint32_t net = net_free(h, o, device);
	char a[ADDR_TEXT], b[ADDR_TEXT];

	*text = '\0';
	if (net)
		snprintf(text, size, ": free is --addr %s/24 --host-addr %s/24",
			 addr_text(net + 1, a), addr_text(net + 2, b));
}

/* An address of weft's or for the host that some other interface has. */
static bool addr_in_use(struct host *h, const struct ip_addr *addr, unsigned own, unsigned *where)
{
	const struct host_net *nets;
	unsigned n;

	nets = host_nets(h, &n);
	for (unsigned i = 0; i < n; i++) {
		*where = nets[i].ifindex;
		if (nets[i].is_addr && nets[i].net == ip_addr_to4(addr) && nets[i].ifindex != own)
			return true;
	}
	return false;
}

/* The kernel of this host would answer for it, beside weft. */
static int packet_check(struct host *h, const struct device_options *d)
{
	char buf[ADDR_TEXT], dev[IF_NAMESIZE];
	unsigned where;

	if (!addr_in_use(h, &d->addr, 0, &where))
		return 0;
	shell_error("%s: %s: address in use on %s: weft needs one of its own", device_name(d),
		    ip_addr_text(&d->addr, buf), ifname_of(where, dev));
	return -1;
}

static int net_refuse(const struct device_options *d, const struct host_net *w,
		      const char *free_net)
{
	const char *name = device_name(d);
	char net[ADDR_TEXT], way[ADDR_TEXT], dev[IF_NAMESIZE];
	struct ip_addr own = ip_addr_mask(&d->host, d->host_prefix);

	shell_error("%s: %s/%u would shadow the host's %s %s/%u on %s%s", name,
		    ip_addr_text(&own, net), d->host_prefix - 96,
		    w->is_addr ? "address" : "route to", addr_text(w->net, way), w->len,
		    ifname_of(w->ifindex, dev), free_net);
	return -1;
}

int host_check(struct host *h, const struct options *o, unsigned device)
{
	const struct device_options *d = &o->device[device];
	const char *name = device_name(d);
	unsigned own = if_nametoindex(name), where;
	const struct ip_addr *ends[2] = {&d->addr, &d->host};
	char buf[ADDR_TEXT], dev[IF_NAMESIZE], free_net[160];
	const struct host_net *w;

	host_note_device(h, device, own != 0);
	if (device_is_packet(d))
		return packet_check(h, d);
	if (!d->has_host)
		return 0;
	suggest(h, o, device, free_net, sizeof(free_net));
	for (int i = 0; i < 2; i++) {
		if (!addr_in_use(h, ends[i], i ? own : 0, &where))
			continue;
		shell_error("%s: %s: address in use on %s%s", name, ip_addr_text(ends[i], buf),
			    ifname_of(where, dev), free_net);
		return -1;
	}
	w = host_in_the_way(h, ip_addr_to4(&d->host), d->host_prefix - 96, own);
	if (!w)
		w = host_in_the_way(h, ip_addr_to4(&d->addr), d->prefix - 96, own);
	return w ? net_refuse(d, w, free_net) : 0;
}
