/*
 * arp/arp.c - the IPv4 resolver: ARP packets in and out (RFC 826; RFC 1122, 2.3.2; RFC 5227).
 *
 * Up the walk: net_proto of EtherType 0x0806; the end of the walk.  Beside the cache: arp_solicit()
 * is what neigh_out() and its timer ask with.  We answer for every address of ours on every device
 * (the weak host model, as Linux) but loopback's.  What nobody asked for changes entries that exist,
 * and makes none.  No proxy ARP, no RARP.
 */
#include <stdio.h>

#include "arp/neigh_priv.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "lib/wire/arp.h"
#include "net/ifaddr.h"

#define MAC_TEXT 18

static const char *mac_text(const uint8_t *mac, char buf[MAC_TEXT])
{
	snprintf(buf, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return buf;
}

static void arp_trace(struct netdev *dev, const char *way, const struct arp_msg *m,
		      const uint8_t *sha)
{
	char spa[IP_ADDR_TEXT], tpa[IP_ADDR_TEXT], mac[MAC_TEXT];

	debug(dev->stack, DEBUG_ARP, "arp %s %s: %s %s at %s, for %s", dev->name, way,
	      m->op == ARP_OP_REQUEST ? "request" : "reply", ip_addr_text(&m->spa, spa),
	      mac_text(sha, mac), ip_addr_text(&m->tpa, tpa));
}

/* --- out -------------------------------------------------------------------------------------- */

static void arp_put4(uint8_t to[4], const struct ip_addr *a)
{
	memcpy(to, a->b + 12, 4);
}

void arp_send(struct netdev *dev, const struct arp_msg *m)
{
	struct stack *st = dev->stack;
	struct arp_hdr h = {
	    .hrd = be16_of(ARP_HRD_ETHER),
	    .pro = be16_of(ETHER_TYPE_IP4),
	    .hln = ETHER_ALEN,
	    .pln = 4,
	    .op = be16_of(m->op),
	};
	struct pkbuf *b;

	if (neigh_dev_is_noarp(dev))
		return;
	memcpy(h.sha, dev->mac, ETHER_ALEN);
	arp_put4(h.spa, &m->spa);
	memcpy(h.tha, m->tha, ETHER_ALEN);
	arp_put4(h.tpa, &m->tpa);
	b = pkbuf_alloc(st, PKBUF_TX_HEAD);
	if (!b || pkbuf_append(b, &h, sizeof(h)) < 0) {
		if (b)
			pkbuf_free(b);
		pkbuf_count_drop(st, DROP_NO_MEMORY);
		return;
	}
	b->dev = dev;
	b->l3 = b->head;
	mib_inc(st, m->op == ARP_OP_REQUEST ? MIB_Arp_OutRequests : MIB_Arp_OutReplies);
	arp_trace(dev, "out", m, dev->mac);
	dev->link->out(b, m->to, ETHER_TYPE_ARP);
}

/* Of the device's own subnet, else of any device's: what the other side will answer to. */
static bool arp_source(struct netdev *dev, const struct ip_addr *target, struct ip_addr *src)
{
	struct netdev *other = NULL;

	if (ifaddr_source(dev, target, src))
		return true;
	while ((other = netdev_next(dev->stack, other))) {
		if (!neigh_dev_is_noarp(other) && ifaddr_source(other, target, src))
			return true;
	}
	return false;
}

/* The target's link address is what is asked for: zero in the packet, also in a unicast probe. */
static void arp_solicit(struct netdev *dev, const struct ip_addr *target, const uint8_t *mac)
{
	struct arp_msg m = {.op = ARP_OP_REQUEST, .tpa = *target};

	if (!arp_source(dev, target, &m.spa))
		return; /* no address to ask from: it will count as unanswered */
	memcpy(m.to, mac ? mac : ether_broadcast, ETHER_ALEN);
	arp_send(dev, &m);
}

const struct neigh_ops arp_neigh_ops = {.is4 = true, .solicit = arp_solicit};

/* --- in --------------------------------------------------------------------------------------- */

static bool mac_is_zero(const uint8_t *mac)
{
	static const uint8_t zero[ETHER_ALEN];

	return memcmp(mac, zero, ETHER_ALEN) == 0;
}

/* Format only: what follows the 28 bytes is padding.  False: malformed. */
static bool arp_parse(struct pkbuf *b, struct arp_msg *m, uint8_t sha[ETHER_ALEN])
{
	struct arp_hdr *h = (struct arp_hdr *)pkbuf_pull(b, ARP_LEN);

	if (!h || be16_get(h->hrd) != ARP_HRD_ETHER || be16_get(h->pro) != ETHER_TYPE_IP4 ||
	    h->hln != ETHER_ALEN || h->pln != 4)
		return false;
	m->op = be16_get(h->op);
	m->spa = ip_addr4_be(h->spa);
	m->tpa = ip_addr4_be(h->tpa);
	memcpy(m->tha, h->tha, ETHER_ALEN);
	memset(m->to, 0, ETHER_ALEN);
	memcpy(sha, h->sha, ETHER_ALEN);
	return (m->op == ARP_OP_REQUEST || m->op == ARP_OP_REPLY) && !mac_is_zero(sha);
}

/* An address no host on the wire has: many, or none but in a probe. */
static bool arp_addr_is_group(struct netdev *dev, const struct ip_addr *a)
{
	return ip_addr_is_multicast(a) || ip_addr_is_bcast(a) || ifaddr_is_bcast(dev, a);
}

/* DROP_NONE: to be looked at. */
static enum drop_reason arp_check(struct netdev *dev, const struct arp_msg *m, const uint8_t *sha)
{
	if (memcmp(sha, dev->mac, ETHER_ALEN) == 0)
		return DROP_ARP_OWN;
	if (mac_is_group(sha) || arp_addr_is_group(dev, &m->spa) || arp_addr_is_group(dev, &m->tpa))
		return DROP_ARP_MCAST;
	if (ip_addr_is_loopback(&m->spa) || (m->op == ARP_OP_REPLY && ip_addr_is_any(&m->spa)))
		return DROP_ARP_MALFORMED;
	if (ip_addr_is_loopback(&m->tpa))
		return DROP_ARP_NOT_FOR_US;
	return DROP_NONE;
}

static void arp_watch_show(struct netdev *dev, const struct arp_msg *m, const uint8_t *sha)
{
	struct arp_state *as = dev->stack->arp;

	mutex_lock(&as->watch_lock);
	for (struct arp_watch *w = as->watches; w; w = w->next)
		w->fn(w, dev, m, sha);
	mutex_unlock(&as->watch_lock);
}

static bool arp_is_onlink(struct netdev *dev, const struct ip_addr *a)
{
	struct ifaddr ifa;

	for (unsigned i = 0; ifaddr_nth(dev, i, &ifa); i++) {
		if (ip_addr_match(a, &ifa.addr, ifa.prefix))
			return true;
	}
	return false;
}

static void arp_reply(struct netdev *dev, const struct arp_msg *request, const uint8_t *sha)
{
	struct arp_msg m = {.op = ARP_OP_REPLY, .spa = request->tpa, .tpa = request->spa};

	memcpy(m.tha, sha, ETHER_ALEN);
	memcpy(m.to, sha, ETHER_ALEN);
	arp_send(dev, &m);
}

/*
 * The sender of a request for us will be answered to soon: it gets an entry.  Of any other request
 * only an entry that exists learns (RFC 826, the merge flag).
 */
static enum drop_reason arp_request_in(struct netdev *dev, const struct arp_msg *m,
				       const uint8_t *sha)
{
	bool for_us = ifaddr_owner(dev->stack, &m->tpa) != NULL;
	bool gratuitous = ip_addr_eq(&m->spa, &m->tpa);
	struct neigh_seen seen = {
	    .addr = m->spa,
	    .create = for_us && arp_is_onlink(dev, &m->spa),
	    .override = gratuitous ? NEIGH_REPLACE : NEIGH_REPLACE_SETTLED,
	};
	bool known = false;

	memcpy(seen.mac, sha, ETHER_ALEN);
	if (!ip_addr_is_any(&m->spa)) /* else a probe: RFC 5227, 2.1.1 */
		known = neigh_update(dev, &seen);
	if (for_us)
		arp_reply(dev, m, sha);
	return for_us || known ? DROP_NONE : DROP_ARP_NOT_FOR_US;
}

/* Only a reply sent to us alone, to an address of ours, can be an answer. */
static enum drop_reason arp_reply_in(struct netdev *dev, const struct arp_msg *m,
				     const uint8_t *sha, enum pkbuf_cast cast)
{
	bool gratuitous = ip_addr_eq(&m->spa, &m->tpa);
	struct neigh_seen seen = {
	    .addr = m->spa,
	    .solicited = cast == PKBUF_HOST && ifaddr_owner(dev->stack, &m->tpa) != NULL,
	    .override = gratuitous ? NEIGH_REPLACE : NEIGH_REPLACE_SETTLED,
	};

	memcpy(seen.mac, sha, ETHER_ALEN);
	return neigh_update(dev, &seen) ? DROP_NONE : DROP_ARP_UNSOLICITED;
}

/* A good packet: to the watchers, to conflict detection, to the cache. */
static enum drop_reason arp_process(struct pkbuf *b, const struct arp_msg *m, const uint8_t *sha)
{
	struct netdev *dev = b->dev;
	enum pkbuf_cast cast = (enum pkbuf_cast)b->cast;

	arp_trace(dev, "in", m, sha);
	mib_inc(dev->stack, m->op == ARP_OP_REQUEST ? MIB_Arp_InRequests : MIB_Arp_InReplies);
	arp_watch_show(dev, m, sha);
	if (acd_in(dev, m, sha))
		return DROP_ARP_CONFLICT;
	return m->op == ARP_OP_REQUEST ? arp_request_in(dev, m, sha)
				       : arp_reply_in(dev, m, sha, cast);
}

static void arp_in(struct pkbuf *b)
{
	uint8_t sha[ETHER_ALEN];
	enum drop_reason why;
	struct arp_msg m;

	if (neigh_dev_is_noarp(b->dev))
		why = DROP_ARP_NOARP;
	else if (b->cast == PKBUF_OTHERHOST)
		why = DROP_OTHER_HOST;
	else if (!arp_parse(b, &m, sha))
		why = DROP_ARP_MALFORMED;
	else
		why = arp_check(b->dev, &m, sha);
	if (why == DROP_ARP_MALFORMED)
		mib_inc(b->stack, MIB_Arp_InErrors);
	if (why == DROP_NONE)
		why = arp_process(b, &m, sha);
	if (why == DROP_NONE)
		pkbuf_free(b);
	else
		pkbuf_drop(b, why);
}

const struct net_proto arp_proto = {.type = ETHER_TYPE_ARP, .in = arp_in};

/* --- watchers --------------------------------------------------------------------------------- */

void arp_watch_add(struct stack *st, struct arp_watch *w)
{
	struct arp_state *as = st->arp;

	mutex_lock(&as->watch_lock);
	w->next = as->watches;
	as->watches = w;
	mutex_unlock(&as->watch_lock);
}

void arp_watch_del(struct stack *st, struct arp_watch *w)
{
	struct arp_watch **at = &st->arp->watches;

	mutex_lock(&st->arp->watch_lock);
	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
	mutex_unlock(&st->arp->watch_lock);
}
