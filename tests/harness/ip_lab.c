/*
 * tests/harness/ip_lab.c - see ip_lab.h.
 */
#include "tests/harness/ip_lab.h"

#include <string.h>

#include "lib/checksum.h"
#include "net/ifaddr.h"
#include "tests/harness/unit.h"

static struct ip_lab *the_lab;

static void ip_lab_in(struct pkbuf *b)
{
	pkq_add(&the_lab->arrived, b);
}

static const struct ip_proto ip_lab_proto = {.proto = IP_LAB_PROTO, .in = ip_lab_in};

struct ip_addr ip_of(const char *text)
{
	struct ip_addr a;

	ck_assert_msg(ip_addr_parse(text, &a) == 0, "%s", text);
	return a;
}

static void neighbour_mac(const struct ip_addr *a, uint8_t *mac)
{
	mac[0] = 2;
	mac[1] = 0xee;
	memcpy(mac + 2, a->b + 12, 4);
}

struct testdev *ip_lab_device(struct ip_lab *l, const char *name, const char *prefix)
{
	struct testdev *d = testdev_create(l->st, name, &ether_link, l->features);
	struct ip_addr a;
	unsigned bits;
	uint8_t mac[6];

	ck_assert_int_eq(ip_prefix_parse(prefix, &a, &bits), 0);
	ck_assert_int_eq(ifaddr_add(d->dev, &a, bits), 0);
	a = ip_addr_mask(&a, bits);
	for (unsigned i = 0; i < IP_LAB_HOSTS; i++) {
		a.b[15]++;
		neighbour_mac(&a, mac);
		if (ifaddr_owner(d->dev->stack, &a) != d->dev)
			ck_assert_int_eq(neigh_add_permanent(d->dev, &a, mac), 0);
	}
	return d;
}

void ip_lab_open(struct ip_lab *l)
{
	struct batch batch;

	memset(l, 0, sizeof(*l));
	the_lab = l;
	pkq_init(&l->arrived);
	l->st = netstack_create(1);
	batch_begin(&batch, l->st);
	ck_assert_ptr_nonnull(arp_state_create(l->st));
	ck_assert_ptr_nonnull(ip_state_create(l->st));
	ip_proto_register(l->st, &ip_lab_proto);
	ck_assert_int_eq(loop_create(l->st, &l->lo), 0);
	l->eth = ip_lab_device(l, "test0", "10.0.0.1/24");
	batch_end(&batch);
}

void ip_lab_close(struct ip_lab *l)
{
	struct batch batch;

	pkq_free(&l->arrived);
	batch_begin(&batch, l->st);
	ip_state_destroy(l->st);
	arp_state_destroy(l->st);
	batch_end(&batch);
	netstack_destroy(l->st);
	the_lab = NULL;
}

void ip_lab_advance_ms(struct ip_lab *l, uint64_t ms)
{
	env_lab_advance(l->st->env, ms * NSEC_PER_MSEC);
}

void ip_lab_route(struct ip_lab *l, const char *net, const char *gateway)
{
	struct route r = {.gateway = ip_of(gateway), .type = ROUTE_UNICAST};

	ck_assert_int_eq(ip_prefix_parse(net, &r.net, &r.prefix), 0);
	ck_assert_int_eq(route_add(l->st, &r), 0);
}

/* --- bytes ------------------------------------------------------------------------------------ */

void pattern_fill(uint8_t *p, uint32_t n, uint32_t from)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)((from + i) * 7 + ((from + i) >> 8) * 13);
}

bool pattern_is(const uint8_t *p, uint32_t n, uint32_t from)
{
	uint8_t want;

	for (uint32_t i = 0; i < n; i++) {
		pattern_fill(&want, 1, from + i);
		if (p[i] != want)
			return false;
	}
	return true;
}

void ip_packet_sum(uint8_t *datagram)
{
	ip4_csum_set((struct ip4_hdr *)datagram);
}

uint32_t ip_packet_build(const struct ip_packet *p, uint8_t *out)
{
	struct ip4_hdr *h = (struct ip4_hdr *)out;
	unsigned hlen = IP4_HLEN + p->optlen;
	struct ip_addr src = ip_of(p->src), dst = ip_of(p->dst);

	*h = (struct ip4_hdr){
	    .ver_ihl = (uint8_t)(0x40 | hlen / 4),
	    .tos = p->tos,
	    .len = be16_of((uint16_t)(hlen + p->n)),
	    .id = be16_of(p->id),
	    .off = be16_of(p->off),
	    .ttl = p->ttl ? p->ttl : 64,
	    .proto = p->proto ? p->proto : IP_LAB_PROTO,
	};
	memcpy(h->src, src.b + 12, 4);
	memcpy(h->dst, dst.b + 12, 4);
	if (p->optlen)
		memcpy(out + IP4_HLEN, p->opt, p->optlen);
	if (p->n && p->data)
		memcpy(out + hlen, p->data, p->n);
	else
		pattern_fill(out + hlen, p->n, (p->off & IP4_OFFMASK) * 8u);
	ip_packet_sum(out);
	return hlen + p->n;
}

bool ip_packet_is_sound(const uint8_t *datagram, uint32_t n)
{
	const struct ip4_hdr *h = (const struct ip4_hdr *)datagram;

	return n >= IP4_HLEN && h->ver_ihl >> 4 == 4 && ip4_hdr_len(h) >= IP4_HLEN &&
	       be16_get(h->len) == n && csum_finish(csum_add(0, h, ip4_hdr_len(h))) == 0;
}

/* --- the wire --------------------------------------------------------------------------------- */

void ip_lab_rx(struct ip_lab *l, struct testdev *d, const uint8_t *datagram, uint32_t n)
{
	static const uint8_t none[6];
	struct pkbuf *b = pkbuf_alloc(l->st, PKBUF_RX_HEAD);
	struct ether_hdr e = {.src = {2, 0xee}, .type = be16_of(ETHER_TYPE_IP4)};
	uint32_t linear = n < PKBUF_RX_LINEAR - ETHER_HLEN ? n : PKBUF_RX_LINEAR - ETHER_HLEN;
	struct batch batch;

	memcpy(e.dst, memcmp(l->to_rx, none, 6) ? l->to_rx : d->dev->mac, 6);
	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(pkbuf_append(b, &e, sizeof(e)), 0);
	ck_assert_int_eq(pkbuf_append(b, datagram, linear), 0);
	if (n > linear) {
		struct piece *p = piece_alloc(l->st, n - linear);

		ck_assert_ptr_nonnull(p);
		memcpy(piece_data(p), datagram + linear, n - linear);
		ck_assert(pkbuf_add_piece(b, p, 0, n - linear));
		piece_put(p);
	}
	batch_begin(&batch, l->st);
	netdev_rx(d->dev, b);
	batch_end(&batch);
}

void ip_lab_rx_ip(struct ip_lab *l, struct testdev *d, const struct ip_packet *p)
{
	uint8_t bytes[IP4_LEN_MAX];

	ip_lab_rx(l, d, bytes, ip_packet_build(p, bytes));
}

int ip_lab_out(struct ip_lab *l, const struct ip_flow *f, const void *data, uint32_t n)
{
	struct pkbuf *b = pkbuf_alloc(l->st, PKBUF_TX_HEAD);
	struct batch batch;
	int err;

	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(pkbuf_append(b, data, n), 0);
	batch_begin(&batch, l->st);
	err = ip_out(b, f, NULL);
	batch_end(&batch);
	return err;
}

uint32_t ip_lab_sent(struct ip_lab *l, struct testdev *d, uint8_t *out)
{
	struct pkbuf *b = pkq_take(&d->sent);
	struct ether_hdr e;
	uint32_t n;

	if (!b)
		return 0;
	pkbuf_read(b, 0, &e, sizeof(e));
	ck_assert_uint_eq(be16_get(e.type), ETHER_TYPE_IP4);
	memcpy(l->to, e.dst, 6);
	n = b->len - (uint32_t)sizeof(e);
	pkbuf_read(b, sizeof(e), out, n);
	pkbuf_free(b);
	return n;
}

uint32_t ip_lab_sent_icmp(struct ip_lab *l, struct testdev *d, uint8_t type, uint8_t code)
{
	uint8_t bytes[IP4_LEN_MAX];
	uint32_t n = ip_lab_sent(l, d, bytes);
	const struct ip4_hdr *h = (const struct ip4_hdr *)bytes;
	const struct icmp4_hdr *icmp;

	ck_assert(ip_packet_is_sound(bytes, n));
	ck_assert_uint_eq(h->proto, IP_PROTO_ICMP);
	icmp = (const struct icmp4_hdr *)(bytes + ip4_hdr_len(h));
	ck_assert_uint_eq(icmp->type, type);
	ck_assert_uint_eq(icmp->code, code);
	return be32_get(icmp->word);
}

void ip_lab_quiet(struct ip_lab *l, struct testdev *d)
{
	ck_assert_uint_eq(d->sent.count, 0);
	ck_assert_uint_eq(l->arrived.count, 0);
}
