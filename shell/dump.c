/*
 * shell/dump.c - one line about a packet, in tcpdump's words: ARP, IPv4, ICMP, UDP, TCP.
 *
 * Reads only bytes that were captured; what is cut short says so.
 */
#include "shell/dump.h"

#include <string.h>
#include <time.h>

#include "lib/ipaddr.h"
#include "lib/wire/arp.h"
#include "lib/wire/icmp4.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "lib/wire/udp.h"

/* What is left to look at. */
struct dump_rest {
	const uint8_t *p;
	size_t n;     /* captured */
	uint32_t len; /* on the wire */
};

static bool dump_has(FILE *out, const struct dump_rest *r, size_t n)
{
	if (r->n >= n)
		return true;
	fputs(" [truncated]", out);
	return false;
}

static const char *dump_addr(const uint8_t *four, char *buf)
{
	struct ip_addr a = ip_addr4_be(four);

	return ip_addr_text(&a, buf);
}

/* --- TCP --------------------------------------------------------------------------------------- */

static void dump_tcp_flags(FILE *out, uint8_t flags)
{
	static const struct {
		uint8_t bit;
		char letter;
	} letters[] = {{TCP_FIN, 'F'}, {TCP_SYN, 'S'}, {TCP_RST, 'R'}, {TCP_PSH, 'P'},
		       {TCP_ACK, '.'}, {TCP_URG, 'U'}, {TCP_ECE, 'E'}, {TCP_CWR, 'W'}};

	fputs(" Flags [", out);
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (flags & letters[i].bit)
			fputc(letters[i].letter, out);
	if (!flags)
		fputs("none", out);
	fputc(']', out);
}

static uint32_t dump_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One option of len bytes, whole. */
static void dump_tcp_option(FILE *out, const uint8_t *o, unsigned len)
{
	if (o[0] == TCP_OPT_MSS && len == 4)
		fprintf(out, "mss %u", (unsigned)(o[2] << 8 | o[3]));
	else if (o[0] == TCP_OPT_WSCALE && len == 3)
		fprintf(out, "wscale %u", o[2]);
	else if (o[0] == TCP_OPT_SACK_OK)
		fputs("sackOK", out);
	else if (o[0] == TCP_OPT_TS && len == 10)
		fprintf(out, "TS val %u ecr %u", dump_be32(o + 2), dump_be32(o + 6));
	else if (o[0] == TCP_OPT_SACK)
		for (unsigned at = 2; at + 8 <= len; at += 8)
			fprintf(out, "%s{%u:%u}", at == 2 ? "sack " : "", dump_be32(o + at),
				dump_be32(o + at + 4));
	else
		fprintf(out, "opt-%u", o[0]);
}

static void dump_tcp_options(FILE *out, const uint8_t *o, size_t n)
{
	const char *comma = ", options [";
	size_t at = 0, len;

	while (at < n && o[at] != TCP_OPT_END) {
		fputs(comma, out);
		comma = ",";
		if (o[at] == TCP_OPT_NOP) {
			fputs("nop", out);
			at++;
			continue;
		}
		len = at + 1 < n ? o[at + 1] : 0;
		if (len < 2 || at + len > n) {
			fputs("bad", out);
			break;
		}
		dump_tcp_option(out, o + at, (unsigned)len);
		at += len;
	}
	if (comma[1] != ' ')
		fputc(']', out);
}

static void dump_tcp(FILE *out, struct dump_rest r)
{
	const struct tcp_hdr *h = (const struct tcp_hdr *)r.p;
	uint32_t data, seq;
	unsigned hlen;

	if (!dump_has(out, &r, TCP_HLEN))
		return;
	hlen = tcp_hdr_len(h);
	seq = be32_get(h->seq);
	dump_tcp_flags(out, h->flags);
	if (hlen < TCP_HLEN || hlen > r.len) {
		fprintf(out, " [bad header length %u]", hlen);
		return;
	}
	data = r.len - hlen;
	if (data)
		fprintf(out, ", seq %u:%u", seq, seq + data);
	else
		fprintf(out, ", seq %u", seq);
	if (h->flags & TCP_ACK)
		fprintf(out, ", ack %u", be32_get(h->ack));
	fprintf(out, ", win %u", be16_get(h->wnd));
	if (h->flags & TCP_URG)
		fprintf(out, ", urg %u", be16_get(h->urg));
	if (r.n >= hlen)
		dump_tcp_options(out, r.p + TCP_HLEN, hlen - TCP_HLEN);
	fprintf(out, ", length %u", data);
}

/* --- ICMP, UDP --------------------------------------------------------------------------------- */

static const char *dump_icmp_text(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMP_ECHO:
		return "echo request";
	case ICMP_ECHO_REPLY:
		return "echo reply";
	case ICMP_DEST_UNREACH:
		return code == ICMP_HOST_UNREACH    ? "host unreachable"
		       : code == ICMP_PROTO_UNREACH ? "protocol unreachable"
		       : code == ICMP_PORT_UNREACH  ? "port unreachable"
		       : code == ICMP_FRAG_NEEDED   ? "unreachable - need to frag"
						    : "net unreachable";
	case ICMP_TIME_EXCEEDED:
		return code == ICMP_EXC_TTL ? "time exceeded in-transit"
					    : "ip reassembly time exceeded";
	case ICMP_REDIRECT:
		return "redirect";
	case ICMP_PARAM_PROBLEM:
		return "parameter problem";
	default:
		return NULL;
	}
}

static void dump_icmp(FILE *out, struct dump_rest r)
{
	const struct icmp4_hdr *h = (const struct icmp4_hdr *)r.p;
	const char *text;

	if (!dump_has(out, &r, ICMP_HLEN))
		return;
	text = dump_icmp_text(h->type, h->code);
	if (text)
		fprintf(out, " ICMP %s", text);
	else
		fprintf(out, " ICMP type %u code %u", h->type, h->code);
	if (h->type == ICMP_ECHO || h->type == ICMP_ECHO_REPLY)
		fprintf(out, ", id %u, seq %u", be16_get(h->echo.id), be16_get(h->echo.seq));
	if (h->type == ICMP_DEST_UNREACH && h->code == ICMP_FRAG_NEEDED)
		fprintf(out, " (mtu %u)", be16_get(h->frag.mtu));
	fprintf(out, ", length %u", r.len);
}

/* --- IPv4, ARP --------------------------------------------------------------------------------- */

static void dump_ends(FILE *out, const struct ip4_hdr *h, const struct dump_rest *l4)
{
	bool ports = (h->proto == IP_PROTO_TCP || h->proto == IP_PROTO_UDP) && l4->n >= 4;
	char src[IP_ADDR_TEXT], dst[IP_ADDR_TEXT];

	if (be16_get(h->off) & IP4_OFFMASK)
		ports = false;
	dump_addr(h->src, src);
	dump_addr(h->dst, dst);
	if (ports)
		fprintf(out, " %s.%u > %s.%u:", src, (unsigned)(l4->p[0] << 8 | l4->p[1]), dst,
			(unsigned)(l4->p[2] << 8 | l4->p[3]));
	else
		fprintf(out, " %s > %s:", src, dst);
}

static void dump_ip(FILE *out, struct dump_rest r)
{
	const struct ip4_hdr *h = (const struct ip4_hdr *)r.p;
	unsigned hlen, total, off;

	fputs("IP", out);
	if (!dump_has(out, &r, IP4_HLEN))
		return;
	hlen = ip4_hdr_len(h);
	total = be16_get(h->len);
	if (total == 0 && r.len > IP4_LEN_MAX)
		total = r.len; /* a super-frame that is longer than the field can tell */
	off = be16_get(h->off);
	if (hlen < IP4_HLEN || total < hlen || r.n < hlen) {
		fputs(" [bad header]", out);
		return;
	}
	r = (struct dump_rest){r.p + hlen, r.n - hlen, total - hlen};
	if (r.n > r.len)
		r.n = r.len; /* padding */
	dump_ends(out, h, &r);
	if (off & (IP4_MF | IP4_OFFMASK))
		fprintf(out, " proto %u (frag %u:%u@%u%s)", h->proto, be16_get(h->id), r.len,
			(off & IP4_OFFMASK) * 8, off & IP4_MF ? "+" : "");
	else if (h->proto == IP_PROTO_TCP)
		dump_tcp(out, r);
	else if (h->proto == IP_PROTO_UDP)
		fprintf(out, " UDP, length %u", r.len >= UDP_HLEN ? r.len - UDP_HLEN : 0);
	else if (h->proto == IP_PROTO_ICMP)
		dump_icmp(out, r);
	else
		fprintf(out, " ip-proto-%u %u", h->proto, r.len);
}

static void dump_arp(FILE *out, struct dump_rest r)
{
	const struct arp_hdr *h = (const struct arp_hdr *)r.p;
	char spa[IP_ADDR_TEXT], tpa[IP_ADDR_TEXT];

	fputs("ARP,", out);
	if (!dump_has(out, &r, ARP_LEN))
		return;
	dump_addr(h->spa, spa);
	dump_addr(h->tpa, tpa);
	if (be16_get(h->op) == ARP_OP_REQUEST)
		fprintf(out, " Request who-has %s tell %s", tpa, spa);
	else if (be16_get(h->op) == ARP_OP_REPLY)
		fprintf(out, " Reply %s is-at %02x:%02x:%02x:%02x:%02x:%02x", spa, h->sha[0],
			h->sha[1], h->sha[2], h->sha[3], h->sha[4], h->sha[5]);
	else
		fprintf(out, " op %u", be16_get(h->op));
	fprintf(out, ", length %u", r.len);
}

static void dump_time(FILE *out, uint64_t wall)
{
	time_t s = (time_t)(wall / 1000000000);
	struct tm tm;
	char text[16];

	strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&s, &tm));
	fprintf(out, "%s.%06u ", text, (unsigned)(wall % 1000000000 / 1000));
}

void dump_print(FILE *out, const struct dump_packet *p)
{
	const struct ether_hdr *e = (const struct ether_hdr *)p->data;
	struct dump_rest r = {p->data, p->caplen, p->len};
	uint16_t type = ETHER_TYPE_IP4;

	dump_time(out, p->wall);
	if (p->l2 && !dump_has(out, &r, ETHER_HLEN)) {
		fputc('\n', out);
		return;
	}
	if (p->l2) {
		type = be16_get(e->type);
		r = (struct dump_rest){r.p + ETHER_HLEN, r.n - ETHER_HLEN, r.len - ETHER_HLEN};
	}
	if (type == ETHER_TYPE_IP4)
		dump_ip(out, r);
	else if (type == ETHER_TYPE_ARP)
		dump_arp(out, r);
	else
		fprintf(out, "ethertype 0x%04x, length %u", type, p->len);
	fputc('\n', out);
}
