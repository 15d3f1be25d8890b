/*
 * tests/harness/tcp_seg.c - see tcp_seg.h.
 */
#include "tests/harness/tcp_seg.h"

#include <stdio.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"

uint8_t stream_byte(uint32_t place)
{
	return (uint8_t)(place * 31 + (place >> 8) * 7 + (place >> 16) * 3);
}

/* Most of what some tests do: the bytes are the caller's own, so ThreadSanitizer need not see each. */
#define OWN_BYTES __attribute__((no_sanitize("thread")))

OWN_BYTES void stream_fill(uint8_t *p, uint32_t n, uint32_t from)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = stream_byte(from + i);
}

OWN_BYTES bool stream_is(const uint8_t *p, uint32_t n, uint32_t from)
{
	for (uint32_t i = 0; i < n; i++) {
		if (p[i] != stream_byte(from + i))
			return false;
	}
	return true;
}

/* --- building -----------------------------------------------------------------------------------
 */

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	be32 be = be32_of(v);

	memcpy(p, &be, 4);
	return p + 4;
}

static uint8_t *put_sacks(uint8_t *p, const struct seg *s)
{
	if (!s->nsack)
		return p;
	*p++ = TCP_OPT_NOP;
	*p++ = TCP_OPT_NOP;
	*p++ = TCP_OPT_SACK;
	*p++ = (uint8_t)(2 + 8 * s->nsack);
	for (unsigned i = 0; i < s->nsack; i++)
		p = put32(put32(p, s->sack[i][0]), s->sack[i][1]);
	return p;
}

/* Options to p, in whole words; returns how many bytes. */
static unsigned put_options(uint8_t *p, const struct seg *s)
{
	uint8_t *start = p;

	if (s->mss || s->opts & O_MSS) {
		*p++ = TCP_OPT_MSS;
		*p++ = 4;
		*p++ = (uint8_t)(s->mss >> 8);
		*p++ = (uint8_t)s->mss;
	}
	if (s->opts & O_SACK_OK) {
		*p++ = TCP_OPT_SACK_OK;
		*p++ = 2;
	}
	if (s->opts & O_TS) {
		*p++ = TCP_OPT_TS;
		*p++ = 10;
		p = put32(put32(p, s->tsval), s->tsecr);
	}
	if (s->opts & O_WS) {
		*p++ = TCP_OPT_WSCALE;
		*p++ = 3;
		*p++ = s->ws;
	}
	p = put_sacks(p, s);
	memcpy(p, s->raw ? s->raw : p, s->nraw);
	p += s->nraw;
	while ((p - start) & 3)
		*p++ = TCP_OPT_END;
	return (unsigned)(p - start);
}

static uint64_t seg_pseudo(const struct ip4_hdr *ip, uint32_t n)
{
	return csum_pseudo(ip->src, ip->dst, 4, IP_PROTO_TCP, n);
}

void seg_sum(uint8_t *datagram, uint32_t n)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)datagram;
	unsigned hlen = ip4_hdr_len(ip);
	struct tcp_hdr *t = (struct tcp_hdr *)(datagram + hlen);

	ip->csum = 0;
	ip->csum = csum_finish(csum_add(0, ip, hlen));
	t->csum = 0;
	t->csum = csum_finish(csum_add(seg_pseudo(ip, n - hlen), t, n - hlen));
}

uint32_t seg_build(const struct seg *s, const struct seg_addr *a, uint32_t from, uint8_t *out)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)out;
	struct tcp_hdr *t = (struct tcp_hdr *)(out + IP4_HLEN);
	unsigned optlen = put_options(out + IP4_HLEN + TCP_HLEN, s), hlen = TCP_HLEN + optlen;
	uint32_t n = IP4_HLEN + hlen + s->len;

	*ip = (struct ip4_hdr){
	    .ver_ihl = 0x45,
	    .tos = s->tos,
	    .len = be16_of((uint16_t)n),
	    .off = be16_of(IP4_DF),
	    .ttl = 64,
	    .proto = IP_PROTO_TCP,
	};
	memcpy(ip->src, a->src, 4);
	memcpy(ip->dst, a->dst, 4);
	*t = (struct tcp_hdr){
	    .sport = be16_of(s->sport),
	    .dport = be16_of(s->dport),
	    .seq = be32_of(s->seq),
	    .ack = be32_of(s->ack),
	    .off = (uint8_t)((s->off ? s->off : hlen / 4) << 4 | s->ae),
	    .flags = (uint8_t)s->flags,
	    .wnd = be16_of((uint16_t)(s->wnd == 0          ? 65535
				      : s->wnd == WND_ZERO ? 0
							   : s->wnd)),
	    .urg = be16_of(s->up),
	};
	stream_fill(out + IP4_HLEN + hlen, s->len, from);
	seg_sum(out, n);
	if (s->bad_csum)
		t->csum ^= 0x55;
	return n;
}

/* --- taking apart -------------------------------------------------------------------------------
 */

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static const char *get_option(const uint8_t *p, unsigned len, struct seg *s)
{
	static const uint8_t want[9] = {[2] = 4, [3] = 3, [4] = 2, [8] = 10};

	if (p[0] == TCP_OPT_SACK) {
		s->nsack = (len - 2) / 8;
		if (len != 2 + 8 * s->nsack || !s->nsack || s->nsack > SEG_SACKS)
			return "SACK option of odd length";
		for (unsigned i = 0; i < s->nsack; i++) {
			s->sack[i][0] = get32(p + 2 + 8 * i);
			s->sack[i][1] = get32(p + 6 + 8 * i);
		}
		return NULL;
	}
	if (p[0] == 34 && s->flags & SYN && len % 2 == 0 && (len == 2 || (len >= 6 && len <= 18)))
		return NULL; /* Fast Open; tests/script/ compares it */
	if (p[0] > 8 || want[p[0]] != len)
		return "option of unknown kind or wrong length";
	if (p[0] == TCP_OPT_MSS) {
		if (!(s->flags & SYN))
			return "MSS option outside a SYN";
		s->opts |= O_MSS;
		s->mss = (uint16_t)(p[2] << 8 | p[3]);
	} else if (p[0] == TCP_OPT_WSCALE) {
		s->opts |= O_WS;
		s->ws = p[2];
	} else if (p[0] == TCP_OPT_SACK_OK) {
		s->opts |= O_SACK_OK;
	} else {
		s->opts |= O_TS;
		s->tsval = get32(p + 2);
		s->tsecr = get32(p + 6);
	}
	return NULL;
}

/* Behind the end of the list there is nothing but zeros. */
static const char *get_padding(const uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (p[i])
			return "padding is not zero";
	}
	return NULL;
}

static const char *get_options(const uint8_t *p, unsigned n, struct seg *s)
{
	const char *why;

	while (n) {
		if (*p == TCP_OPT_END)
			return get_padding(p, n);
		if (*p == TCP_OPT_NOP) {
			p++;
			n--;
			continue;
		}
		if (n < 2 || p[1] < 2 || p[1] > n)
			return "option longer than the header";
		why = get_option(p, p[1], s);
		if (why)
			return why;
		n -= p[1];
		p += p[1];
	}
	return NULL;
}

static const char *get_ip(const uint8_t *datagram, uint32_t n)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)datagram;

	if (n < IP4_HLEN + TCP_HLEN || ip->ver_ihl != 0x45)
		return "not an IPv4 header of 20 bytes";
	if (be16_get(ip->len) != (n <= IP4_LEN_MAX ? n : 0))
		return "IP length is not the frame's";
	if (csum_finish(csum_add(0, ip, IP4_HLEN)))
		return "IP checksum wrong";
	if (be16_get(ip->off) & (IP4_MF | IP4_OFFMASK))
		return "a fragment";
	return ip->proto == IP_PROTO_TCP ? NULL : "not TCP";
}

const char *seg_parse(const uint8_t *datagram, uint32_t n, struct seg *s, const uint8_t **payload)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)datagram;
	const struct tcp_hdr *t = (const struct tcp_hdr *)(datagram + IP4_HLEN);
	const char *why = get_ip(datagram, n);

	if (why)
		return why;
	n -= IP4_HLEN;
	if (csum_finish(csum_add(seg_pseudo(ip, n), t, n)))
		return "TCP checksum wrong";
	if (tcp_hdr_len(t) < TCP_HLEN || tcp_hdr_len(t) > n || t->off & 15)
		return "TCP header length or reserved bits wrong";
	*s = (struct seg){
	    .flags = t->flags,
	    .tos = ip->tos,
	    .seq = be32_get(t->seq),
	    .ack = be32_get(t->ack),
	    .wnd = be16_get(t->wnd),
	    .len = n - tcp_hdr_len(t),
	    .up = be16_get(t->urg),
	    .sport = be16_get(t->sport),
	    .dport = be16_get(t->dport),
	};
	*payload = (const uint8_t *)t + tcp_hdr_len(t);
	return get_options((const uint8_t *)t + TCP_HLEN, tcp_hdr_len(t) - TCP_HLEN, s);
}

/* --- showing ------------------------------------------------------------------------------------
 */

static void show_flags(unsigned flags, FILE *f)
{
	static const char *const name[8] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};

	if (!flags)
		fputs("no flags ", f);
	for (unsigned i = 0; i < 8; i++) {
		if (flags & 1u << i)
			fprintf(f, "%s ", name[i]);
	}
}

const char *seg_text(const struct seg *s, char *buf, unsigned n)
{
	FILE *f = fmemopen(buf, n, "w");

	show_flags(s->flags, f);
	fprintf(f, "seq %u ack %u len %u", s->seq, s->ack, s->len);
	if (s->wnd == WND_ZERO)
		fputs(" wnd 0", f);
	else
		fprintf(f, " wnd %d", s->wnd);
	if (s->flags & URG)
		fprintf(f, " up %u", s->up);
	if (s->mss || s->opts & O_MSS)
		fprintf(f, " mss %u", s->mss);
	if (s->opts & O_WS)
		fprintf(f, " ws %u", s->ws);
	if (s->opts & O_SACK_OK)
		fputs(" sackOK", f);
	if (s->opts & O_TS)
		fprintf(f, " ts %u ecr %u", s->tsval, s->tsecr);
	for (unsigned i = 0; i < s->nsack; i++)
		fprintf(f, " sack %u-%u", s->sack[i][0], s->sack[i][1]);
	fprintf(f, " ports %u>%u", s->sport, s->dport);
	fclose(f);
	return buf;
}
