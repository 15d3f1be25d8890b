/*
 * tests/harness/fuzz_frame.c - see fuzz_rx.h: frames that fit the stack's connections, and their
 * damage.  A repaired frame has right checksums over wrong contents, so that it gets far.
 */
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/arp.h"
#include "lib/wire/ether.h"
#include "lib/wire/icmp4.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "lib/wire/udp.h"
#include "tests/harness/fuzz_rx.h"
#include "tests/harness/tcp_seg.h"

static const uint8_t own_mac[ETHER_ALEN] = {2, 0, 0, 0, 0, 1};
static const uint8_t peer_mac[ETHER_ALEN] = {2, 0, 0, 0, 0, 2};
static const struct seg_addr to_stack = {{10, 0, 0, 2}, {10, 0, 0, 1}};
static const struct seg_addr to_peer = {{10, 0, 0, 1}, {10, 0, 0, 2}};

static uint32_t ether(uint8_t *frame, uint16_t type, uint32_t n)
{
	struct ether_hdr e = {.type = be16_of(type)};

	memcpy(e.dst, own_mac, ETHER_ALEN);
	memcpy(e.src, peer_mac, ETHER_ALEN);
	memcpy(frame, &e, ETHER_HLEN);
	return ETHER_HLEN + n;
}

/* An IPv4 header before n bytes of payload at frame + 34. */
static uint32_t ip(uint8_t *frame, uint8_t proto, uint32_t n)
{
	struct ip4_hdr *h = (struct ip4_hdr *)(frame + ETHER_HLEN);

	*h = (struct ip4_hdr){
	    .ver_ihl = 0x45, .len = be16_of((uint16_t)(IP4_HLEN + n)), .ttl = 64, .proto = proto};
	memcpy(h->src, to_stack.src, 4);
	memcpy(h->dst, to_stack.dst, 4);
	h->csum = csum_finish(csum_add(0, h, IP4_HLEN));
	return ether(frame, ETHER_TYPE_IP4, IP4_HLEN + n);
}

static uint32_t icmp(uint8_t *frame, uint32_t n)
{
	struct icmp4_hdr *h = (struct icmp4_hdr *)(frame + ETHER_HLEN + IP4_HLEN);

	h->csum = 0;
	h->csum = csum_finish(csum_add(0, h, n));
	return ip(frame, IP_PROTO_ICMP, n);
}

uint32_t fuzz_ping(uint16_t seq, uint8_t *frame)
{
	struct icmp4_hdr *h = (struct icmp4_hdr *)(frame + ETHER_HLEN + IP4_HLEN);

	*h = (struct icmp4_hdr){.type = ICMP_ECHO};
	h->echo.seq = be16_of(seq);
	memset(h + 1, 0x5a, 56);
	return icmp(frame, ICMP_HLEN + 56);
}

static uint32_t segment(const struct seg *s, uint8_t *frame)
{
	return ether(frame, ETHER_TYPE_IP4, seg_build(s, &to_stack, 0, frame + ETHER_HLEN));
}

uint32_t fuzz_segment(const struct fuzz_conn *c, unsigned flags, uint32_t len, uint8_t *frame)
{
	struct seg s = {
	    .flags = flags,
	    .seq = c->seq,
	    .ack = c->ack,
	    .len = len,
	    .sport = c->rport,
	    .dport = c->lport,
	    .wnd = 20000,
	};

	if (flags & SYN) {
		s.mss = 1460;
		s.opts = c->ts ? O_SACK_OK | O_WS : 0;
		s.ws = 5;
	}
	return segment(&s, frame);
}

/* --- templates ----------------------------------------------------------------------------------
 */

/* A number near another: the same, close by, a window off, anywhere. */
static uint32_t near_number(struct fuzz *f, uint32_t n)
{
	switch (fuzz_below(f, 8)) {
	case 0:
		return n + fuzz_below(f, 10);
	case 1:
		return n - fuzz_below(f, 10);
	case 2:
		return n + fuzz_below(f, 100000);
	case 3:
		return n - fuzz_below(f, 100000);
	case 4:
		return (uint32_t)random_next(&f->random);
	default:
		return n;
	}
}

static void random_bytes(struct fuzz *f, uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)random_next(&f->random);
}

static uint32_t make_tcp(struct fuzz *f, uint8_t *frame)
{
	static const unsigned usual[] = {ACK,       ACK, ACK,       ACK | PSH, FIN | ACK,       SYN,
					 SYN | ACK, RST, RST | ACK, URG | ACK, FIN | ACK | PSH, 0};
	const struct fuzz_conn *c = &f->conn[fuzz_below(f, FUZZ_CONNS)];
	uint8_t raw[20];
	struct seg s = {
	    .flags = fuzz_below(f, 8) ? usual[fuzz_below(f, 12)] : fuzz_below(f, 256),
	    .seq = near_number(f, c->seq),
	    .ack = near_number(f, fuzz_below(f, 2) ? c->ack : c->una),
	    .len = fuzz_below(f, 3) ? 0 : fuzz_below(f, fuzz_below(f, 4) ? 100 : 3000),
	    .sport = c->rport,
	    .dport = fuzz_below(f, 50) ? c->lport : FUZZ_PORT,
	    .wnd = fuzz_below(f, 10) ? (int)fuzz_below(f, 65536) : WND_ZERO,
	    .up = (uint16_t)fuzz_below(f, fuzz_below(f, 2) ? 20 : 65536),
	    .raw = raw,
	};

	if ((s.flags & SYN && fuzz_below(f, 4)) || !fuzz_below(f, 10))
		s.opts = fuzz_below(f, 16);
	s.mss = s.opts & O_MSS ? (uint16_t)fuzz_below(f, 2000) : 0;
	s.ws = (uint8_t)fuzz_below(f, 16);
	s.tsval = (uint32_t)(env_now(f->env) / NSEC_PER_MSEC) - fuzz_below(f, 3);
	if (!fuzz_below(f, 6)) {
		s.nraw = fuzz_below(f, 20);
		random_bytes(f, raw, s.nraw);
		if (s.nraw > 2 && fuzz_below(f, 2)) { /* a cookie of Fast Open */
			raw[0] = 34;
			raw[1] = (uint8_t)(2 + fuzz_below(f, s.nraw));
		}
	}
	return segment(&s, frame);
}

static uint32_t make_udp(struct fuzz *f, uint8_t *frame)
{
	struct udp_hdr *u = (struct udp_hdr *)(frame + ETHER_HLEN + IP4_HLEN);
	uint32_t n = UDP_HLEN + fuzz_below(f, 1500);
	struct ip4_hdr *h = (struct ip4_hdr *)(frame + ETHER_HLEN);
	uint32_t len;

	*u = (struct udp_hdr){.sport = be16_of(9000),
			      .dport = be16_of(fuzz_below(f, 4) ? 7 : 9),
			      .len = be16_of((uint16_t)n)};
	memset(u + 1, 0x5a, n - UDP_HLEN);
	len = ip(frame, IP_PROTO_UDP, n);
	u->csum = csum_finish(csum_add(csum_pseudo(h->src, h->dst, 4, IP_PROTO_UDP, n), u, n));
	return len;
}

/* An ICMP error about a segment that one of the connections may have sent. */
static uint32_t make_icmp_error(struct fuzz *f, uint8_t *frame)
{
	static const uint8_t type[] = {ICMP_DEST_UNREACH,  ICMP_DEST_UNREACH,  ICMP_TIME_EXCEEDED,
				       ICMP_PARAM_PROBLEM, ICMP_SOURCE_QUENCH, ICMP_REDIRECT};
	const struct fuzz_conn *c = &f->conn[fuzz_below(f, FUZZ_CONNS)];
	struct icmp4_hdr *h = (struct icmp4_hdr *)(frame + ETHER_HLEN + IP4_HLEN);
	struct seg s = {.flags = ACK,
			.seq = near_number(f, c->una),
			.len = 20,
			.sport = c->lport,
			.dport = c->rport};
	uint32_t n = seg_build(&s, &to_peer, 0, (uint8_t *)(h + 1));

	*h = (struct icmp4_hdr){.type = type[fuzz_below(f, 6)], .code = (uint8_t)fuzz_below(f, 17)};
	h->frag.mtu = be16_of((uint16_t)fuzz_below(f, fuzz_below(f, 2) ? 1600 : 65536));
	return icmp(frame, ICMP_HLEN + (fuzz_below(f, 2) ? 28 : fuzz_below(f, n + 1)));
}

static uint32_t make_icmp(struct fuzz *f, uint8_t *frame)
{
	struct icmp4_hdr *h = (struct icmp4_hdr *)(frame + ETHER_HLEN + IP4_HLEN);
	uint32_t n = fuzz_below(f, 1000);

	*h = (struct icmp4_hdr){.type = (uint8_t)fuzz_below(f, 20),
				.code = (uint8_t)fuzz_below(f, 3)};
	if (fuzz_below(f, 2))
		h->type = ICMP_ECHO;
	memset(h + 1, 1, n);
	return icmp(frame, ICMP_HLEN + n);
}

static uint32_t make_arp(struct fuzz *f, uint8_t *frame)
{
	struct arp_hdr *a = (struct arp_hdr *)(frame + ETHER_HLEN);
	uint8_t host = (uint8_t)fuzz_below(f, 8);

	*a = (struct arp_hdr){.hrd = be16_of(ARP_HRD_ETHER),
			      .pro = be16_of(ETHER_TYPE_IP4),
			      .hln = 6,
			      .pln = 4,
			      .op = be16_of((uint16_t)(1 + fuzz_below(f, 2)))};
	memcpy(a->sha, peer_mac, 6);
	memcpy(a->spa, (uint8_t[]){10, 0, 0, host}, 4);
	memcpy(a->tpa, (uint8_t[]){10, 0, 0, 1}, 4);
	return ether(frame, ETHER_TYPE_ARP, ARP_LEN);
}

static uint32_t make_other(struct fuzz *f, uint8_t *frame)
{
	uint32_t n = fuzz_below(f, 200);

	random_bytes(f, frame + ETHER_HLEN + IP4_HLEN, n);
	if (fuzz_below(f, 2))
		return ip(frame, (uint8_t)fuzz_below(f, 256), n);
	random_bytes(f, frame + ETHER_HLEN, IP4_HLEN);
	return ether(frame, fuzz_below(f, 2) ? ETHER_TYPE_IP6 : (uint16_t)fuzz_below(f, 65536),
		     n + IP4_HLEN);
}

/* --- damage -------------------------------------------------------------------------------------
 */

static bool is_ip(const uint8_t *frame, uint32_t n)
{
	return n >= ETHER_HLEN + IP4_HLEN && frame[12] == 8 && frame[13] == 0;
}

/* A piece of the datagram instead of the whole. */
static uint32_t fragment(struct fuzz *f, uint8_t *frame, uint32_t n)
{
	struct ip4_hdr *h = (struct ip4_hdr *)(frame + ETHER_HLEN);
	uint32_t payload, off, len;

	if (!is_ip(frame, n) || h->ver_ihl != 0x45 || n < ETHER_HLEN + IP4_HLEN + 16)
		return n;
	payload = n - ETHER_HLEN - IP4_HLEN;
	off = fuzz_below(f, payload + 1) & ~7u;
	len = 8 + (fuzz_below(f, payload - off + 1) & ~7u);
	if (off + len > payload)
		len = payload - off;
	memmove(frame + ETHER_HLEN + IP4_HLEN, frame + ETHER_HLEN + IP4_HLEN + off, len);
	h->off = be16_of((uint16_t)(off / 8 | (off + len < payload ? IP4_MF : 0)));
	h->id = be16_of((uint16_t)fuzz_below(f, 20));
	h->len = be16_of((uint16_t)(IP4_HLEN + len));
	return ETHER_HLEN + IP4_HLEN + len;
}

/* Options into the IP header, and everything after it moved. */
static uint32_t ip_options(struct fuzz *f, uint8_t *frame, uint32_t n)
{
	struct ip4_hdr *h = (struct ip4_hdr *)(frame + ETHER_HLEN);
	uint32_t words = 1 + fuzz_below(f, 10), at = ETHER_HLEN + IP4_HLEN;

	if (!is_ip(frame, n) || h->ver_ihl != 0x45 || n + words * 4 > FUZZ_FRAME)
		return n;
	memmove(frame + at + words * 4, frame + at, n - at);
	random_bytes(f, frame + at, words * 4);
	if (fuzz_below(f, 2))
		frame[at] = (uint8_t[]){7, 68, 131, 137, 148, 1, 0}[fuzz_below(f, 7)];
	h->ver_ihl = (uint8_t)(0x45 + words);
	h->len = be16_of((uint16_t)(be16_get(h->len) + words * 4));
	return n + words * 4;
}

static void flip_bits(struct fuzz *f, uint8_t *frame, uint32_t n)
{
	uint32_t from = fuzz_below(f, 10) ? ETHER_HLEN : 0, reach = n < 80 ? n : 80;

	for (unsigned i = 1 + fuzz_below(f, 6); i > 0 && reach > from; i--)
		frame[from + fuzz_below(f, reach - from)] ^= (uint8_t)(1u << fuzz_below(f, 8));
}

static void overwrite(struct fuzz *f, uint8_t *frame, uint32_t n)
{
	static const uint8_t interesting[] = {0, 1, 0x7f, 0x80, 0xff, 4, 15, 20};
	uint32_t at = ETHER_HLEN + fuzz_below(f, n - ETHER_HLEN);

	for (uint32_t i = 1 + fuzz_below(f, 4); i > 0 && at < n; i--)
		frame[at++] = interesting[fuzz_below(f, 8)];
}

static uint32_t resize(struct fuzz *f, uint8_t *frame, uint32_t n)
{
	uint32_t more = fuzz_below(f, 100);

	if (fuzz_below(f, 2))
		return fuzz_below(f, n + 1);
	memset(frame + n, 0x33, more);
	return n + more;
}

static void length_field(struct fuzz *f, uint8_t *frame, uint32_t n)
{
	struct ip4_hdr *h = (struct ip4_hdr *)(frame + ETHER_HLEN);

	if (!is_ip(frame, n))
		return;
	h->len = be16_of((uint16_t)(be16_get(h->len) + fuzz_below(f, 41) - 20));
}

static uint32_t mutate(struct fuzz *f, uint8_t *frame, uint32_t n)
{
	if (n <= ETHER_HLEN)
		return n;
	switch (fuzz_below(f, 9)) {
	case 0:
	case 1:
	case 2:
		flip_bits(f, frame, n);
		return n;
	case 3:
		overwrite(f, frame, n);
		return n;
	case 4:
		return resize(f, frame, n);
	case 5:
		length_field(f, frame, n);
		return n;
	case 6:
		return fragment(f, frame, n);
	case 7:
		return ip_options(f, frame, n);
	default:
		random_bytes(f, frame + n - 1 - fuzz_below(f, n < 60 ? n : 60), 1);
		return n;
	}
}

/* --- checksums right again ----------------------------------------------------------------------
 */

/* Where the checksum of a protocol stands; 0: it has none that we know. */
static unsigned csum_at(uint8_t proto, bool *pseudo)
{
	*pseudo = proto != IP_PROTO_ICMP;
	if (proto == IP_PROTO_TCP)
		return 16;
	return proto == IP_PROTO_UDP ? 6 : proto == IP_PROTO_ICMP ? 2 : 0;
}

static void repair(uint8_t *frame, uint32_t n)
{
	struct ip4_hdr *h = (struct ip4_hdr *)(frame + ETHER_HLEN);
	uint32_t hlen = ip4_hdr_len(h), len = be16_get(h->len);
	uint8_t *l4 = frame + ETHER_HLEN + hlen;
	uint64_t sum = 0;
	uint16_t csum;
	unsigned at;
	bool pseudo;

	if (!is_ip(frame, n) || hlen < IP4_HLEN || ETHER_HLEN + hlen > n)
		return;
	h->csum = 0;
	h->csum = csum_finish(csum_add(0, h, hlen));
	at = csum_at(h->proto, &pseudo);
	if (!at || len < hlen || len - hlen < at + 2 || ETHER_HLEN + len > n)
		return;
	if (pseudo)
		sum = csum_pseudo(h->src, h->dst, 4, h->proto, len - hlen);
	memset(l4 + at, 0, 2);
	csum = csum_finish(csum_add(sum, l4, len - hlen));
	memcpy(l4 + at, &csum, 2);
}

uint32_t fuzz_frame(struct fuzz *f, uint8_t *frame)
{
	static uint32_t (*const make[])(struct fuzz * f, uint8_t * frame) = {
	    make_tcp, make_tcp, make_tcp,        make_tcp,  make_tcp, make_tcp,
	    make_tcp, make_udp, make_icmp_error, make_icmp, make_arp, make_other,
	};
	unsigned kind = fuzz_below(f, 12);
	uint32_t n = make[kind](f, frame);

	f->stats.kind[kind]++;
	if (fuzz_below(f, 4) == 0)
		return n; /* sound, at least in form */
	f->stats.mutated++;
	for (unsigned i = 1 + fuzz_below(f, 3); i > 0; i--)
		n = mutate(f, frame, n);
	if (fuzz_below(f, 8)) {
		repair(frame, n);
		f->stats.repaired++;
	}
	return n;
}
