/*
 * tests/harness/udp_lab.c - see udp_lab.h.
 */
#include "tests/harness/udp_lab.h"

#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/udp.h"
#include "tests/harness/unit.h"

struct ip_lab udp_lab;
static struct batch batch;

void udp_lab_open(void)
{
	ip_lab_open(&udp_lab);
	ck_assert_ptr_nonnull(udp_state_create(udp_lab.st));
	batch_begin(&batch, udp_lab.st);
}

void udp_lab_close(void)
{
	batch_end(&batch);
	udp_state_destroy(udp_lab.st);
	ip_lab_close(&udp_lab);
}

void udp_lab_flush(void)
{
	batch_end(&batch);
	batch_begin(&batch, udp_lab.st);
}

/* --- socks ------------------------------------------------------------------------------------ */

struct sock *udp_lab_sock(void)
{
	struct sock *sk = sock_alloc(udp_lab.st, &udp_ops);

	ck_assert_ptr_nonnull(sk);
	return sk;
}

struct sock *udp_lab_bound(const char *addr, uint16_t port)
{
	struct sock *sk = udp_lab_sock();

	ck_assert_int_eq(udp_lab_bind(sk, addr, port), 0);
	return sk;
}

void udp_lab_end(struct sock *sk)
{
	sock_lock(sk);
	udp_ops.close(sk);
	sock_unlock(sk);
	sock_put(sk);
}

int udp_lab_bind(struct sock *sk, const char *addr, uint16_t port)
{
	struct ip_addr a = ip_of(addr);
	int err;

	sock_lock(sk);
	err = udp_ops.bind(sk, &a, port);
	sock_unlock(sk);
	return err;
}

int udp_lab_connect(struct sock *sk, const char *addr, uint16_t port)
{
	struct ip_addr a = ip_of(addr);
	int err;

	sock_lock(sk);
	err = udp_ops.connect(sk, &a, port);
	sock_unlock(sk);
	return err;
}

ssize_t udp_lab_send(struct sock *sk, const char *addr, uint16_t port, const void *data, size_t n)
{
	uint8_t copy[70000];
	struct iovec iov[2] = {{copy, n / 3}, {copy + n / 3, n - n / 3}};
	struct sock_msg m = {.iov = iov, .niov = 2, .len = n, .has_addr = addr, .port = port};
	ssize_t r;

	if (n)
		memcpy(copy, data, n);
	if (addr)
		m.addr = ip_of(addr);
	sock_lock(sk);
	r = udp_ops.send(sk, &m);
	sock_unlock(sk);
	return r;
}

ssize_t udp_lab_recv(struct sock *sk, struct udp_lab_got *out)
{
	struct iovec iov[2] = {{out->data, out->room / 2},
			       {out->data + out->room / 2, out->room - out->room / 2}};
	ssize_t r;

	out->m = (struct sock_msg){.iov = iov, .niov = 2, .len = out->room, .flags = out->flags};
	sock_lock(sk);
	r = udp_ops.recv(sk, &out->m);
	sock_unlock(sk);
	return r;
}

/* --- the wire --------------------------------------------------------------------------------- */

void udp_lab_rx(const struct udp_lab_packet *p)
{
	static uint8_t bytes[65535];
	struct udp_hdr *h = (struct udp_hdr *)(void *)bytes;
	const char *src = p->src ? p->src : "10.0.0.2", *dst = p->dst ? p->dst : "10.0.0.1";
	struct ip_addr s = ip_of(src), d = ip_of(dst);
	uint32_t len = UDP_HLEN + p->n;

	*h = (struct udp_hdr){
	    .sport = be16_of(p->sport),
	    .dport = be16_of(p->dport),
	    .len = be16_of((uint16_t)((int)len + p->len_wrong)),
	};
	if (p->n)
		memcpy(h + 1, p->data, p->n);
	if (p->csum != CSUM_ABSENT) {
		h->csum =
		    csum_finish(csum_add(ip_csum_pseudo(&s, &d, IP_PROTO_UDP, len), bytes, len));
		if (p->csum == CSUM_WRONG)
			h->csum ^= 0x1111;
		else if (h->csum == 0)
			h->csum = 0xffff;
	}
	ip_lab_rx_ip(&udp_lab, udp_lab.eth,
		     &(struct ip_packet){.src = src,
					 .dst = dst,
					 .proto = IP_PROTO_UDP,
					 .ttl = p->ttl,
					 .data = bytes,
					 .n = len});
	if (!p->locked)
		udp_lab_flush();
}

void udp_lab_rx_icmp(const struct udp_lab_icmp *e)
{
	uint8_t bytes[ICMP_HLEN + IP4_HLEN + UDP_HLEN], quoted[IP4_HLEN + UDP_HLEN];
	struct udp_hdr u = {.sport = be16_of(e->sport),
			    .dport = be16_of(e->dport),
			    .len = be16_of(UDP_HLEN + 1400)};
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)bytes;
	struct ip_packet q = {.src = "10.0.0.1",
			      .dst = e->dst ? e->dst : "10.0.0.2",
			      .proto = IP_PROTO_UDP,
			      .off = IP4_DF,
			      .data = &u,
			      .n = UDP_HLEN};

	ip_packet_build(&q, quoted);
	((struct ip4_hdr *)(void *)quoted)->len = be16_of(IP4_HLEN + UDP_HLEN + 1400);
	ip_packet_sum(quoted);
	*h = (struct icmp4_hdr){.type = e->type, .code = e->code};
	h->word = be32_of(e->word);
	memcpy(bytes + ICMP_HLEN, quoted, sizeof(quoted));
	h->csum = csum_finish(csum_add(0, bytes, sizeof(bytes)));
	ip_lab_rx_ip(&udp_lab, udp_lab.eth,
		     &(struct ip_packet){.src = e->from ? e->from : "10.0.0.2",
					 .dst = "10.0.0.1",
					 .proto = IP_PROTO_ICMP,
					 .data = bytes,
					 .n = sizeof(bytes)});
	udp_lab_flush();
}

bool udp_lab_sent(struct udp_lab_sent *s)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(void *)s->bytes;
	uint32_t n = ip_lab_sent(&udp_lab, udp_lab.eth, s->bytes), len;
	const struct udp_hdr *h;
	uint64_t sum;

	if (!n)
		return false;
	ck_assert(ip_packet_is_sound(s->bytes, n));
	ck_assert_uint_eq(ip->proto, IP_PROTO_UDP);
	ck_assert(!ip4_is_fragment(ip));
	h = (const struct udp_hdr *)(void *)(s->bytes + ip4_hdr_len(ip));
	len = n - ip4_hdr_len(ip);
	ck_assert_uint_eq(be16_get(h->len), len);
	s->src = ip_addr4_be(ip->src);
	s->dst = ip_addr4_be(ip->dst);
	sum = ip_csum_pseudo(&s->src, &s->dst, IP_PROTO_UDP, len);
	if (udp_lab.eth->dev->features & NETDEV_F_CSUM) /* left to the device: the pseudo sum */
		ck_assert_uint_eq(h->csum, csum_fold(sum));
	else
		ck_assert_uint_eq(csum_finish(csum_add(sum, h, len)), 0);
	s->sport = be16_get(h->sport);
	s->dport = be16_get(h->dport);
	s->csum = h->csum;
	s->data = (const uint8_t *)(h + 1);
	s->n = len - UDP_HLEN;
	return true;
}
