/*
 * net/ether.c - the link layers: Ethernet II (RFC 894) and none (a tun, lo).
 *
 * Up between netdev_rx() and the registered protocols, down between a neighbour and netdev_tx().
 * Padding behind the datagram is left to ip, which knows its length; 802.3 length frames and VLAN tags
 * find no protocol and are dropped as such.
 */
#include <string.h>

#include "lib/debug.h"
#include "lib/stack.h"
#include "net/net_priv.h"

const uint8_t ether_broadcast[ETHER_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void ether_mac_fill(struct stack *st, uint8_t *mac)
{
	static const uint8_t none[ETHER_ALEN];
	uint64_t r;

	if (memcmp(mac, none, ETHER_ALEN) != 0)
		return;
	r = env_random(st->env);
	memcpy(mac, &r, ETHER_ALEN);
	mac[0] = (uint8_t)((mac[0] & ~1) | 2);
}

static enum pkbuf_cast ether_cast(const struct netdev *dev, const uint8_t *dst)
{
	if (memcmp(dst, dev->mac, ETHER_ALEN) == 0)
		return PKBUF_HOST;
	if (memcmp(dst, ether_broadcast, ETHER_ALEN) == 0)
		return PKBUF_BROADCAST;
	return dst[0] & 1 ? PKBUF_MULTICAST : PKBUF_OTHERHOST;
}

static void ether_debug(const struct pkbuf *b, const char *way, const struct ether_hdr *h)
{
	const uint8_t *s = h->src, *d = h->dst;

	debug(b->stack, DEBUG_L2,
	      "l2 %s %s: %02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x,"
	      " type 0x%04x, %u bytes",
	      way, b->dev->name, s[0], s[1], s[2], s[3], s[4], s[5], d[0], d[1], d[2], d[3], d[4],
	      d[5], be16_get(h->type), b->len);
}

void ether_in(struct pkbuf *b)
{
	const struct ether_hdr *h = (const struct ether_hdr *)pkbuf_pull(b, ETHER_HLEN);
	struct netdev *dev = b->dev;

	if (!h) {
		atomic_fetch_add_explicit(&dev->stats.rx_errors, 1, memory_order_relaxed);
		pkbuf_drop(b, DROP_SHORT_FRAME);
		return;
	}
	ether_debug(b, "in", h);
	b->cast = (uint8_t)ether_cast(dev, h->dst);
	if (b->cast == PKBUF_OTHERHOST && !(dev->flags & NETDEV_PROMISC)) {
		pkbuf_drop(b, DROP_OTHER_HOST);
		return;
	}
	pkbuf_trim_front(b, ETHER_HLEN);
	b->l3 = b->head;
	net_proto_in(b, be16_get(h->type));
}

int ether_out(struct pkbuf *b, const uint8_t *to, uint16_t type)
{
	struct ether_hdr *h;

	b->l3 = b->head;
	h = (struct ether_hdr *)pkbuf_push(b, ETHER_HLEN);
	memcpy(h->dst, to, ETHER_ALEN);
	memcpy(h->src, b->dev->mac, ETHER_ALEN);
	h->type = be16_of(type);
	ether_debug(b, "out", h);
	return netdev_tx(b->dev, b);
}

/* --- no link header --------------------------------------------------------------------------- */

static void raw_in(struct pkbuf *b)
{
	const uint8_t *p = pkbuf_pull(b, 1);

	if (!p) {
		atomic_fetch_add_explicit(&b->dev->stats.rx_errors, 1, memory_order_relaxed);
		pkbuf_drop(b, DROP_SHORT_FRAME);
		return;
	}
	b->l3 = b->head;
	b->cast = b->dev->flags & NETDEV_LOOPBACK ? PKBUF_LOOPED : PKBUF_HOST;
	switch (*p >> 4) {
	case 4:
		net_proto_in(b, ETHER_TYPE_IP4);
		break;
	case 6:
		net_proto_in(b, ETHER_TYPE_IP6);
		break;
	default:
		pkbuf_drop(b, DROP_NO_L3);
	}
}

static int raw_out(struct pkbuf *b, const uint8_t *to, uint16_t type)
{
	b->l3 = b->head;
	return netdev_tx(b->dev, b);
}

const struct link_ops ether_link = {.hlen = ETHER_HLEN, .in = ether_in, .out = ether_out};
const struct link_ops raw_link = {.hlen = 0, .in = raw_in, .out = raw_out};
