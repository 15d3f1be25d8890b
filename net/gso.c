/*
 * net/gso.c - cuts a super-frame into the frames that go on a wire.
 *
 * TCP's: the last step before a device that cannot do it itself, and the first of netem.  UDP's: the
 * first step of one that was received.  Each frame gets a copy of the headers and refers to its part
 * of the payload; they are written here from lib/wire, without tcp/ and udp/.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/stack.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "lib/wire/udp.h"
#include "net/net_priv.h"
#include "net/txstamp.h"

#define IP6_HLEN 40    /* RFC 8200, 3 */
#define IP6_LEN_OFF 4  /* payload length */
#define IP6_ADDR_OFF 8 /* source, then destination */

/* One cut: the same for every frame of it. */
struct cut {
	struct pkbuf *b;
	uint32_t features;
	uint32_t hlen;   /* link, IP and transport headers */
	uint32_t l3, l4; /* from the front */
	bool udp;
};

/* The frame with the payload [off, off + n) of b, its headers as they stand there.  NULL: no memory. */
static struct pkbuf *cut_frame(const struct cut *c, uint32_t off, uint32_t n)
{
	struct pkbuf *b = c->b, *f = pkbuf_alloc(b->stack, PKBUF_TX_HEAD);

	if (!f)
		return NULL;
	f->dev = b->dev;
	f->stamp = b->stamp;
	f->cast = b->cast;
	f->proto = b->proto;
	f->ttl = b->ttl;
	f->tos = b->tos;
	f->forwarded = b->forwarded;
	f->netem_done = b->netem_done;
	f->mark = b->mark;
	f->src = b->src;
	f->dst = b->dst;
	memcpy(pkbuf_push(f, c->hlen), pkbuf_data(b), c->hlen);
	f->l2 = f->head;
	f->l3 = (uint16_t)(f->head + c->l3);
	f->l4 = (uint16_t)(f->head + c->l4);
	if (pkbuf_append_from(f, b, c->hlen + off, n) < 0) {
		pkbuf_free(f);
		return NULL;
	}
	return f;
}

static uint8_t cut_proto(const struct cut *c)
{
	return c->udp ? IP_PROTO_UDP : IP_PROTO_TCP;
}

/* RFC 6864, 4: frames of one datagram are datagrams of their own, so each has its own ID. */
static uint64_t cut_ip4(const struct cut *c, struct pkbuf *f, uint32_t i, uint32_t l4_len)
{
	struct ip4_hdr *h = (struct ip4_hdr *)(f->hdr + f->l3);

	h->len = be16_of((uint16_t)(f->l4 - f->l3 + l4_len));
	h->id = be16_of((uint16_t)(be16_get(h->id) + i));
	h->csum = 0;
	h->csum = csum_finish(csum_add(0, h, ip4_hdr_len(h)));
	return csum_pseudo(h->src, h->dst, 4, cut_proto(c), l4_len);
}

static uint64_t cut_ip6(const struct cut *c, struct pkbuf *f, uint32_t l4_len)
{
	uint8_t *h = f->hdr + f->l3;
	be16 len = be16_of((uint16_t)(f->l4 - f->l3 - IP6_HLEN + l4_len));

	memcpy(h + IP6_LEN_OFF, &len, sizeof(len));
	return csum_pseudo(h + IP6_ADDR_OFF, h + IP6_ADDR_OFF + 16, 16, cut_proto(c), l4_len);
}

static void cut_csum(struct pkbuf *f, size_t field)
{
	f->csum = CSUM_PARTIAL;
	f->csum_start = f->l4;
	f->csum_off = (uint16_t)field;
}

static void cut_udp(struct pkbuf *f, uint32_t len, uint64_t pseudo)
{
	struct udp_hdr *h = (struct udp_hdr *)(f->hdr + f->l4);

	h->len = be16_of((uint16_t)len);
	h->csum = csum_fold(pseudo);
	cut_csum(f, offsetof(struct udp_hdr, csum));
}

/* FIN and PSH belong to the last byte, CWR to the first segment (RFC 3168, 6.1.2). */
static void cut_tcp(struct pkbuf *f, uint32_t off, bool last, uint64_t pseudo)
{
	struct tcp_hdr *h = (struct tcp_hdr *)(f->hdr + f->l4);

	h->seq = be32_of(be32_get(h->seq) + off);
	if (!last)
		h->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (off > 0)
		h->flags &= (uint8_t)~TCP_CWR;
	h->csum = csum_fold(pseudo);
	cut_csum(f, offsetof(struct tcp_hdr, csum));
}

/* The i-th frame, complete. */
static struct pkbuf *cut_nth(const struct cut *c, uint32_t i)
{
	uint32_t total = c->b->len - c->hlen, off = i * c->b->gso_size, n = total - off;
	bool last = n <= c->b->gso_size, v6;
	struct pkbuf *f;
	uint64_t pseudo;

	if (!last)
		n = c->b->gso_size;
	f = cut_frame(c, off, n);
	if (!f)
		return NULL;
	n += c->hlen - c->l4;
	v6 = c->b->gso_type == GSO_TCP6 || c->b->gso_type == GSO_UDP6;
	pseudo = v6 ? cut_ip6(c, f, n) : cut_ip4(c, f, i, n);
	if (c->udp)
		cut_udp(f, n, pseudo);
	else
		cut_tcp(f, off, last, pseudo);
	if (!(c->features & NETDEV_F_CSUM))
		pkbuf_csum_finish(f);
	return f;
}

/* Headers contiguous and measured.  False: they do not fit, which none of ours does. */
static bool cut_measure(struct cut *c)
{
	struct pkbuf *b = c->b;
	const struct tcp_hdr *h;

	c->l3 = (uint32_t)(b->l3 - b->head);
	c->l4 = (uint32_t)(b->l4 - b->head);
	c->udp = b->gso_type == GSO_UDP4 || b->gso_type == GSO_UDP6;
	if (b->l3 < b->head || b->l4 <= b->l3)
		return false;
	c->hlen = c->l4 + UDP_HLEN;
	if (c->udp)
		return c->hlen <= PKBUF_TX_HEAD && pkbuf_pull(b, c->hlen);
	if (!pkbuf_pull(b, c->l4 + TCP_HLEN))
		return false;
	h = (const struct tcp_hdr *)(b->hdr + b->l4);
	c->hlen = c->l4 + tcp_hdr_len(h);
	return tcp_hdr_len(h) >= TCP_HLEN && c->hlen <= PKBUF_TX_HEAD && pkbuf_pull(b, c->hlen);
}

int gso_cut(struct pkbuf *b, uint32_t features, struct pkq *out)
{
	struct cut c = {.b = b, .features = features};
	struct pkq q;
	struct pkbuf *f;
	uint32_t i = 0;

	assert(b->gso_size && b->gso_type != GSO_NONE);
	pkq_init(&q);
	if (!cut_measure(&c)) {
		pkbuf_drop(b, DROP_DEV_TX);
		return -EINVAL;
	}
	do {
		f = cut_nth(&c, i++);
		if (!f) {
			pkq_free(&q);
			pkbuf_drop(b, DROP_NO_MEMORY);
			return -ENOMEM;
		}
		pkq_add(&q, f);
	} while (i * b->gso_size < b->len - c.hlen);
	if (b->txstamp)
		txstamp_move(f, b);
	pkq_join(out, &q);
	pkbuf_free(b);
	return 0;
}
