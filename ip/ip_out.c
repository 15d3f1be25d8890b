/*
 * ip/ip_out.c - datagrams out: header, hooks, fragments, neighbour (RFC 791; RFC 1122, 3.2.1).
 *
 * On the walk down between a protocol and neigh_out().  What is forwarded joins at ip_finish().
 * The one place where the families part.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ip/ip_priv.h"
#include "ip/mcast.h"
#include "lib/debug.h"
#include "lib/mib.h"
#include "net/ifaddr.h"

/* --- to the link ------------------------------------------------------------------------------ */

/* Broadcast and multicast have link addresses of their own (RFC 1112, 6.4). */
static int ip_to_link(struct pkbuf *b, const struct path *path)
{
	uint8_t mac[ETHER_ALEN] = {0};

	if (path->type == ROUTE_BROADCAST) {
		memcpy(mac, ether_broadcast, ETHER_ALEN);
	} else if (path->type == ROUTE_MULTICAST) {
		mac[0] = 0x01;
		mac[2] = 0x5e;
		mac[3] = path->nexthop.b[13] & 0x7f;
		mac[4] = path->nexthop.b[14];
		mac[5] = path->nexthop.b[15];
	}
	return path->dev->link->out(b, mac, ETHER_TYPE_IP4);
}

static int ip_transmit(struct pkbuf *b, const struct path *path)
{
	mib_add(b->stack, MIB_IpExt_OutOctets, b->len);
	if (path->neigh)
		return neigh_out(path->neigh, b, ETHER_TYPE_IP4);
	return ip_to_link(b, path);
}

/* Consumes b: whole when it fits. */
static int ip_transmit_cut(struct pkbuf *b, const struct path *path, uint32_t mtu)
{
	struct pkq q;
	int err = 0, r;

	if (b->len <= mtu)
		return ip_transmit(b, path);
	pkq_init(&q);
	err = ip_fragment(b, mtu, &q);
	while ((b = pkq_take(&q))) {
		r = ip_transmit(b, path);
		err = err ? err : r;
	}
	return err;
}

/*
 * A super-frame whose segments are too large is cut into them first: each is a datagram.  An error when
 * none of them went.
 */
static int ip_transmit_super(struct pkbuf *b, const struct path *path, uint32_t mtu)
{
	struct pkq q;
	int err, r;

	pkq_init(&q);
	b->l2 = b->l3;
	err = gso_cut(b, 0, &q);
	for (bool first = true; (b = pkq_take(&q)); first = false) {
		r = ip_transmit_cut(b, path, mtu);
		if (first || r == 0)
			err = r;
	}
	return err;
}

static int ip_finish_large(struct pkbuf *b, const struct path *path, uint32_t mtu)
{
	if (be16_get(ip4_hdr(b)->off) & IP4_DF) {
		mib_inc(b->stack, MIB_Ip_FragFails);
		pkbuf_drop(b, DROP_IP_NEEDS_FRAG);
		return -EMSGSIZE;
	}
	if (b->gso_size)
		return ip_transmit_super(b, path, mtu);
	return ip_transmit_cut(b, path, mtu);
}

/* `in`: by which device it came here. */
static int out_hook(struct pkbuf *b, enum hook_point at, struct netdev *in, const struct path *path)
{
	struct hook_io io;

	if (hook_is_empty(b->stack, at))
		return 0;
	io = (struct hook_io){.in = in, .out = path->dev};
	return hook_run(b, at, &io);
}

int ip_finish(struct pkbuf *b, struct path *path, uint32_t mtu)
{
	struct netdev *in = b->forwarded ? b->dev : NULL;
	int r;

	b->dev = path->dev;
	r = out_hook(b, HOOK_POST_ROUTING, in, path);
	if (r)
		return r < 0 ? r : 0;
	if (pkbuf_wire_len(b) > mtu)
		return ip_finish_large(b, path, mtu);
	return ip_transmit(b, path);
}

/* --- the header ------------------------------------------------------------------------------- */

uint32_t ip_out_mtu(const struct ip_flow *f, const struct path *path)
{
	if (f->pmtudisc >= PMTUDISC_PROBE)
		return atomic_load_explicit(&path->dev->mtu, memory_order_relaxed);
	return path->mtu;
}

/* RFC 1191, 6.1: DF is how a smaller path MTU is found out. */
static bool out_wants_df(const struct stack *st, uint8_t pmtudisc, const struct path *path,
			 uint32_t wire)
{
	if (pmtudisc == PMTUDISC_DO || pmtudisc == PMTUDISC_PROBE)
		return true;
	return pmtudisc == PMTUDISC_WANT && !sysctl_get(st, ip_no_pmtu_disc) && !path->mtu_locked &&
	       wire <= path->mtu;
}

static uint8_t out_ttl(const struct stack *st, const struct ip_flow *f, const struct path *path)
{
	if (f->ttl || f->stays)
		return f->ttl;
	return path->type == ROUTE_MULTICAST ? 1 : (uint8_t)sysctl_get(st, ip_default_ttl);
}

/* Datagrams a super-frame stands for: each takes an identification. */
static unsigned out_segments(const struct pkbuf *b)
{
	return b->gso_size ? b->len / b->gso_size + 1 : 1;
}

static void out_note(struct pkbuf *b, const struct ip_flow *f, const struct path *path)
{
	b->src = ip_addr_is_any(&f->src) ? path->src : f->src;
	b->dst = f->dst;
	b->proto = f->proto;
	b->ttl = out_ttl(b->stack, f, path);
	b->tos = f->tos;
}

static void out_note_included(struct pkbuf *b, const struct ip4_hdr *h)
{
	b->src = ip_addr4_be(h->src);
	b->dst = ip_addr4_be(h->dst);
	b->proto = h->proto;
	b->ttl = h->ttl;
	b->tos = h->tos;
}

/* The sender is the first of a recorded route (RFC 791, 3.1). */
static int out_options(struct pkbuf *b, const struct ip_flow *f)
{
	struct ip4_opts o;

	if (!ip_opts_parse(f->opt, f->optlen, &o))
		return -EINVAL;
	memcpy(ip4_hdr_edit(b) + 1, f->opt, f->optlen);
	ip4_csum_set(ip4_hdr_edit(b));
	ip_opts_record(b, &o, &b->src);
	return 0;
}

static void ip4_header_push(struct pkbuf *b, unsigned hlen)
{
	b->l4 = b->head;
	pkbuf_push(b, hlen);
	b->l3 = b->head;
}

/* By b's notes. */
static void ip4_header_fill(struct pkbuf *b, unsigned hlen, struct path *path, bool df)
{
	struct ip4_hdr *h = ip4_hdr_edit(b);

	h->ver_ihl = (uint8_t)(0x40 | hlen / 4);
	h->tos = b->tos;
	h->len = be16_of(b->len <= IP4_LEN_MAX ? (uint16_t)b->len : 0); /* path_takes_big() */
	h->id = be16_of(ip_id_by(path, b, out_segments(b), df));
	h->off = be16_of(df ? IP4_DF : 0);
	h->ttl = b->ttl;
	h->proto = b->proto;
	memcpy(h->src, b->src.b + 12, 4);
	memcpy(h->dst, b->dst.b + 12, 4);
	ip4_csum_set(h);
}

static int ip4_header(struct pkbuf *b, const struct ip_flow *f, struct path *path)
{
	unsigned hlen = IP4_HLEN + f->optlen;
	uint32_t wire;
	bool df;

	if (b->len + hlen > IP4_LEN_MAX && !b->gso_size)
		return -EMSGSIZE;
	ip4_header_push(b, hlen);
	wire = pkbuf_wire_len(b);
	df = out_wants_df(b->stack, f->pmtudisc, path, wire);
	if ((df || f->pmtudisc == PMTUDISC_INTERFACE) && wire > ip_out_mtu(f, path))
		return -EMSGSIZE;
	out_note(b, f, path);
	ip4_header_fill(b, hlen, path, df);
	return f->optlen ? out_options(b, f) : 0;
}

/* A header that a program made (raw(7)): what it may leave open is filled in. */
static int ip4_header_included(struct pkbuf *b, const struct path *path)
{
	struct ip4_hdr *h = (struct ip4_hdr *)pkbuf_pull(b, IP4_HLEN);
	unsigned hlen = h ? ip4_hdr_len(h) : 0;

	if (hlen < IP4_HLEN || h->ver_ihl >> 4 != 4 || !pkbuf_pull(b, hlen))
		return -EINVAL;
	if (b->len > atomic_load_explicit(&path->dev->mtu, memory_order_relaxed))
		return -EMSGSIZE;
	b->l3 = b->head;
	b->l4 = (uint16_t)(b->l3 + hlen);
	h = ip4_hdr_edit(b);
	if (be32_get(*(const be32 *)h->src) == 0)
		memcpy(h->src, path->src.b + 12, 4);
	out_note_included(b, h);
	h->len = be16_of((uint16_t)b->len);
	if (be16_get(h->id) == 0)
		h->id = be16_of(ip_id_next(b->stack, &b->src, &b->dst, b->proto, 1));
	ip4_csum_set(h);
	return 0;
}

/* --- out -------------------------------------------------------------------------------------- */

/*
 * Who broadcasts hears it too, and who sends to a group that this host is in (RFC 1112, 6.1).  What goes by lo comes
 * back by itself.
 */
static bool out_wants_copy(const struct pkbuf *b, const struct ip_flow *f, const struct path *path)
{
	if (path->dev->flags & NETDEV_LOOPBACK)
		return false;
	if (path->type == ROUTE_MULTICAST)
		return !f->no_loop && mcast_is_member(path->dev, &b->dst);
	return path->type == ROUTE_BROADCAST;
}

static void out_loop_copy(const struct pkbuf *b, const struct path *path)
{
	struct netdev *lo = ifaddr_owner(b->stack, &ip_addr_loop4);
	struct pkbuf *copy;

	copy = lo ? pkbuf_clone(b) : NULL;
	if (!copy)
		return;
	copy->dev = lo;
	copy->looped_from = path->dev;
	lo->link->out(copy, ether_broadcast, ETHER_TYPE_IP4);
}

static void ip_debug_out(struct pkbuf *b, const struct path *path)
{
	char src[IP_ADDR_TEXT], dst[IP_ADDR_TEXT], hop[IP_ADDR_TEXT];

	debug(b->stack, DEBUG_IP, "ip out %s: %s > %s, protocol %u, ttl %u, %u bytes, next hop %s",
	      path->dev->name, ip_addr_text(&b->src, src), ip_addr_text(&b->dst, dst), b->proto,
	      b->ttl, b->len, ip_addr_text(&path->nexthop, hop));
}

static int ip_out_by(struct pkbuf *b, const struct ip_flow *f, struct path *path)
{
	int err;

	err = f->hdrincl ? ip4_header_included(b, path) : ip4_header(b, f, path);
	if (err) {
		if (err == -EMSGSIZE)
			pkbuf_drop(b, DROP_TOO_BIG);
		else
			pkbuf_drop(b, f->hdrincl ? DROP_IP_HDRLEN : DROP_IP_OPTIONS);
		return err;
	}
	b->mark = f->mark;
	if (!b->stamp)
		b->stamp = batch_now(b->stack); /* neighbours note their use by it */
	ip_debug_out(b, path);
	err = out_hook(b, HOOK_LOCAL_OUT, NULL, path);
	if (err)
		return err < 0 ? err : 0;
	if (out_wants_copy(b, f, path))
		out_loop_copy(b, path);
	if (f->stays && !(path->dev->flags & NETDEV_LOOPBACK)) {
		pkbuf_free(b);
		return 0;
	}
	return ip_finish(b, path, ip_out_mtu(f, path));
}

static int out_count(struct stack *st, int err)
{
	if (err == -ENOBUFS || err == -ENOMEM)
		mib_inc(st, MIB_Ip_OutDiscards);
	return err;
}

static int out_noted_by(struct pkbuf *b, struct path *path)
{
	bool df;
	int r;

	ip4_header_push(b, IP4_HLEN);
	df = out_wants_df(b->stack, PMTUDISC_WANT, path, pkbuf_wire_len(b));
	ip4_header_fill(b, IP4_HLEN, path, df);
	ip_debug_out(b, path);
	r = out_hook(b, HOOK_LOCAL_OUT, NULL, path);
	if (r)
		return r < 0 ? r : 0;
	return ip_finish(b, path, path->mtu);
}

int ip_out_noted(struct pkbuf *b, struct path *path)
{
	struct stack *st = b->stack;

	assert(b->gso_size || b->len + IP4_HLEN <= IP4_LEN_MAX);
	mib_inc(st, MIB_Ip_OutRequests);
	return out_count(st, out_noted_by(b, path));
}

/* Nobody has looked the path up. */
static int ip_out_anywhere(struct pkbuf *b, const struct ip_flow *f)
{
	int err = -EAFNOSUPPORT;
	struct path *path = ip_addr_is4(&f->dst) ? path_get(b->stack, f, &err) : NULL;

	if (!path) {
		mib_inc(b->stack, MIB_Ip_OutRequests);
		mib_inc(b->stack, MIB_Ip_OutNoRoutes);
		pkbuf_drop(b, DROP_IP_NO_ROUTE);
		return err;
	}
	err = ip_out(b, f, path);
	path_put(path);
	return err;
}

int ip_out(struct pkbuf *b, const struct ip_flow *f, struct path *path)
{
	struct stack *st = b->stack;

	if (!path)
		return ip_out_anywhere(b, f);
	mib_inc(st, MIB_Ip_OutRequests);
	return out_count(st, ip_out_by(b, f, path));
}
