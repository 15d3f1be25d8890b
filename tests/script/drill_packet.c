/*
 * tests/script/drill_packet.c - the other end of the wire: builds what comes in, judges what goes out.
 *
 * A script counts both directions from zero; the numbers on the wire are learnt from the SYNs.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/tcp.h"
#include "tests/script/drill.h"

#define IP_LEN 20u
#define FRAME_MAX 65536u

/* A header as it lies in a frame, at any alignment. */
struct view {
	uint8_t *ip, *l4, *option;
	unsigned noption, len; /* len: of the payload */
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* --- options ----------------------------------------------------------------------------------- */

/* Calls fn with each option that has a length. */
static void options_each(uint8_t *o, unsigned n, void (*fn)(struct drill *d, uint8_t *o),
			 struct drill *d)
{
	for (unsigned i = 0; i < n && o[i] != TCP_OPT_END;) {
		if (o[i] == TCP_OPT_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= n || o[i + 1] < 2 || i + o[i + 1] > n)
			return;
		fn(d, o + i);
		i += o[i + 1];
	}
}

/* From the script's numbers to the wire's. */
static void option_in(struct drill *d, uint8_t *o)
{
	struct flow *f = &d->flow;

	if (o[0] == TCP_OPT_SACK) {
		for (unsigned i = 2; i < o[1]; i += 4)
			put32(o + i, get32(o + i) + f->local_isn);
	}
	if (o[0] == TCP_OPT_TS && get32(o + 6) && f->ts_known)
		put32(o + 6, get32(o + 6) + f->ts_offset);
}

/* And back; what our timestamp says is not compared, only that it moves with the script's. */
static void option_out(struct drill *d, uint8_t *o)
{
	struct flow *f = &d->flow;

	if (o[0] == TCP_OPT_SACK) {
		for (unsigned i = 2; i < o[1]; i += 4)
			put32(o + i, get32(o + i) - f->remote_isn);
	}
}

/* --- in ---------------------------------------------------------------------------------------- */

static void put_csum(uint8_t *p, uint64_t sum)
{
	uint16_t c = csum_finish(sum); /* as it lies in memory */

	memcpy(p, &c, sizeof(c));
}

static void ip_finish(struct drill *d, uint8_t *frame, unsigned n, const struct packet *p)
{
	frame[0] = 0x45;
	frame[1] = p->ecn > 0 ? (uint8_t)p->ecn : 0;
	put16(frame + 2, n);
	frame[8] = 64;
	frame[9] = p->proto;
	memcpy(frame + 12, &d->remote, 4);
	memcpy(frame + 16, &d->local, 4);
	put_csum(frame + 10, csum_add(0, frame, IP_LEN));
}

static uint64_t pseudo(const uint8_t *frame, unsigned l4)
{
	uint8_t b[4] = {0, frame[9], (uint8_t)(l4 >> 8), (uint8_t)l4};

	return csum_add(csum_add(0, frame + 12, 8), b, 4);
}

static unsigned tcp_build(struct drill *d, const struct packet *p, uint8_t *frame)
{
	struct flow *f = &d->flow;
	uint8_t *t = frame + IP_LEN;
	unsigned hlen = TCP_HLEN + p->noption;
	bool first_syn = (p->flags & TCP_SYN) && p->seq == f->remote_isn;

	put16(t, f->remote_port);
	put16(t + 2, f->local_port);
	put32(t + 4, p->seq + (first_syn ? 0 : f->remote_isn));
	put32(t + 8, p->flags & TCP_ACK ? p->ack + f->local_isn : 0);
	put16(t + 12, hlen / 4 << 12 | p->flags);
	put16(t + 14, p->wnd < 0 ? 0 : (uint32_t)p->wnd);
	put16(t + 18, p->urg < 0 ? 0 : (uint32_t)p->urg);
	memcpy(t + TCP_HLEN, p->option, p->noption);
	options_each(t + TCP_HLEN, p->noption, option_in, d);
	return hlen + p->len;
}

/* A port unreachable and its like: quotes the segment that we sent. */
static unsigned icmp_build(struct drill *d, const struct packet *p, uint8_t *frame)
{
	struct flow *f = &d->flow;
	uint8_t *i = frame + IP_LEN, *quote = i + 8, *t = quote + IP_LEN;

	i[0] = p->icmp_type;
	i[1] = p->icmp_code;
	put32(i + 4, p->icmp_mtu);
	quote[0] = 0x45;
	put16(quote + 2, IP_LEN + TCP_HLEN + p->len);
	quote[8] = 63;
	quote[9] = IPPROTO_TCP;
	memcpy(quote + 12, &d->local, 4);
	memcpy(quote + 16, &d->remote, 4);
	put16(t, f->local_port);
	put16(t + 2, f->remote_port);
	put32(t + 4, p->seq + f->local_isn);
	return 8 + IP_LEN + 8;
}

/* What the SYNs teach. */
static void learn_in(struct drill *d, const struct packet *p)
{
	struct flow *f = &d->flow;

	if (!(p->flags & TCP_SYN))
		return;
	if (f->passive && !f->syn_in)
		f->remote_port = d->next_port++;
	if (!f->syn_in)
		f->remote_isn = p->seq;
	f->syn_in = true;
}

void packet_send(struct drill *d, const struct packet *p)
{
	uint8_t *frame = calloc(1, FRAME_MAX);
	unsigned l4;

	if (!frame)
		abort();
	if (p->proto == IPPROTO_TCP) {
		learn_in(d, p);
		l4 = tcp_build(d, p, frame);
	} else if (p->proto == IPPROTO_ICMP) {
		l4 = icmp_build(d, p, frame);
	} else {
		l4 = 8 + p->len;
		put16(frame + IP_LEN, d->flow.remote_port);
		put16(frame + IP_LEN + 2, d->flow.local_port);
		put16(frame + IP_LEN + 4, l4);
	}
	ip_finish(d, frame, IP_LEN + l4, p);
	if (p->proto == IPPROTO_TCP)
		put_csum(frame + IP_LEN + 16, csum_add(pseudo(frame, l4), frame + IP_LEN, l4));
	else if (p->proto == IPPROTO_ICMP)
		put_csum(frame + IP_LEN + 2, csum_add(0, frame + IP_LEN, l4));
	if (d->ifc.netdev_send(d->ifc.userdata, frame, IP_LEN + l4))
		drill_fail(d, "netdev_send refused the packet");
	free(frame);
}

/* --- out --------------------------------------------------------------------------------------- */

static void view_make(struct drill *d, uint8_t *frame, size_t n, struct view *v)
{
	unsigned hlen = (frame[0] & 15u) * 4;

	if (n < IP_LEN || frame[0] >> 4 != 4 || get16(frame + 2) != n)
		drill_fail(d, "what left is no IPv4 datagram (%zu bytes)", n);
	if (csum_fold(csum_add(0, frame, hlen)) != 0xffff)
		drill_fail(d, "IP checksum wrong");
	v->ip = frame;
	v->l4 = frame + hlen;
	v->noption = v->len = 0;
	if (frame[9] == IPPROTO_TCP) {
		unsigned off = (v->l4[12] >> 4) * 4u;

		v->option = v->l4 + TCP_HLEN;
		v->noption = off - TCP_HLEN;
		v->len = (unsigned)n - hlen - off;
		if (csum_fold(csum_add(pseudo(frame, (unsigned)n - hlen), v->l4, n - hlen)) !=
		    0xffff)
			drill_fail(d, "TCP checksum wrong");
	} else if (frame[9] == IPPROTO_UDP) {
		v->len = (unsigned)n - hlen - 8;
	}
}

static void learn_out(struct drill *d, const struct packet *p, const struct view *v)
{
	struct flow *f = &d->flow;

	if (!(p->flags & TCP_SYN) || f->syn_out)
		return;
	f->local_isn = get32(v->l4 + 4);
	f->script_isn = p->seq;
	f->local_port = get16(v->l4);
	f->remote_port = get16(v->l4 + 2);
	f->syn_out = true;
}

/* With --tcp_ts_tick_usecs: ours moved as the script's did. */
static void check_ts(struct drill *d, uint32_t want, uint32_t got)
{
	int64_t tick = d->script->ts_tick_us, off = (int32_t)(got - d->flow.ts_offset - want);

	if (llabs(off * tick) > d->script->tolerance_us)
		drill_fail(d, "TS val %u expected, %u came", want, got - d->flow.ts_offset);
}

/* Our timestamps run from where the script's first one stands. */
static void learn_ts(struct drill *d, const struct packet *p, const struct view *v)
{
	for (unsigned i = 0; i + 10 <= p->noption && i + 10 <= v->noption; i++) {
		if (p->option[i] != TCP_OPT_TS || v->option[i] != TCP_OPT_TS)
			continue;
		if (!d->flow.ts_known)
			d->flow.ts_offset = get32(v->option + i + 2) - get32(p->option + i + 2);
		d->flow.ts_known = true;
		check_ts(d, get32(p->option + i + 2), get32(v->option + i + 2));
		memcpy(v->option + i + 2, p->option + i + 2, 4);
		return;
	}
}

static const char *flags_text(uint32_t flags, char *to)
{
	static const char letters[] = "FSRP.UEWA";
	char *c = to;

	for (int i = 0; i < 9; i++) {
		if (flags & 1u << i)
			*c++ = letters[i];
	}
	*c = '\0';
	return to;
}

static const char *hex_text(const uint8_t *b, unsigned n, char *to)
{
	for (unsigned i = 0; i < n; i++)
		sprintf(to + 2 * i, "%02x", b[i]);
	to[2 * n] = '\0';
	return to;
}

static const char *segment_text(uint32_t flags, uint32_t seq, uint32_t len, uint32_t ack, char *to)
{
	char f[16];

	sprintf(to, "%s %u:%u(%u) ack %u", flags_text(flags, f), seq, seq + len, len, ack);
	return to;
}

static void compare_options(struct drill *d, const struct packet *p, const struct view *v)
{
	char want[2 * OPTIONS_MAX + 1], got[2 * OPTIONS_MAX + 1];

	if (p->any_options)
		return;
	options_each(v->option, v->noption, option_out, d);
	if (p->noption != v->noption || memcmp(p->option, v->option, v->noption))
		drill_fail(d, "options %s expected, %s came", hex_text(p->option, p->noption, want),
			   hex_text(v->option, v->noption, got));
}

/* A SYN and the ACK in it count as the SYNs of the script do, all else from zero. */
static void compare_tcp(struct drill *d, const struct packet *p, const struct view *v)
{
	uint32_t flags = get16(v->l4 + 12) & 0x1ff, seq = get32(v->l4 + 4) - d->flow.local_isn;
	uint32_t ack = flags & TCP_ACK ? get32(v->l4 + 8) - d->flow.remote_isn : 0;
	char want[96], got[96];

	if (flags & TCP_SYN)
		seq += d->flow.script_isn;
	if ((flags & TCP_SYN) && (flags & TCP_ACK))
		ack += d->flow.remote_isn;

	if (flags != p->flags || seq != p->seq || ack != p->ack || v->len != p->len)
		drill_fail(d, "%s expected, %s came",
			   segment_text(p->flags, p->seq, p->len, p->ack, want),
			   segment_text(flags, seq, v->len, ack, got));
	if (p->wnd >= 0 && get16(v->l4 + 14) != p->wnd)
		drill_fail(d, "win %d expected, %d came", (int)p->wnd, get16(v->l4 + 14));
	if (p->urg >= 0 && get16(v->l4 + 18) != p->urg)
		drill_fail(d, "urg %d expected, %d came", (int)p->urg, get16(v->l4 + 18));
	if (p->ecn >= 0 && (v->ip[1] & 3) != p->ecn)
		drill_fail(d, "ECN field %d expected, %d came", p->ecn, v->ip[1] & 3);
	compare_options(d, p, v);
}

/* FNV-1a. */
static void digest_add(struct drill *d, const void *p, size_t n)
{
	for (const uint8_t *b = p; n; n--)
		d->digest = (d->digest ^ *b++) * 0x100000001b3;
}

/* The next datagram that left, and when. */
static size_t packet_take(struct drill *d, uint8_t *frame, int64_t *at)
{
	size_t n = FRAME_MAX;
	long long us = 0;

	if (d->ifc.netdev_receive(d->ifc.userdata, frame, &n, &us) || n == 0)
		drill_fail(d, "no packet came");
	*at = us - d->began;
	digest_add(d, frame, n);
	digest_add(d, at, sizeof(*at));
	return n;
}

/* Of a connection that the script has left behind: packetdrill passes over it as well. */
static bool is_of_another(const struct drill *d, const struct view *v)
{
	const struct flow *f = &d->flow;

	if (f->passive)
		return f->syn_in && get16(v->l4 + 2) != f->remote_port;
	if (!f->syn_out &&
	    get16(v->l4) != f->local_port) /* of a socket that is bound alone they fit */
		return (get16(v->l4 + 12) & (TCP_SYN | TCP_ACK)) != TCP_SYN;
	if (!f->syn_out)
		return false;
	return get16(v->l4) != f->local_port;
}

/* May more bytes of the same stream follow this segment, to make up the scripted one? */
static bool is_part(struct drill *d, const struct packet *p, const struct view *v, unsigned have)
{
	return v->len && !d->script->strict && have + v->len < p->len &&
	       get32(v->l4 + 4) - d->flow.local_isn == p->seq + have;
}

/*
 * Consecutive segments of one size are glued until they are as long as the scripted one; what the
 * header says is the last one's word.
 */
static void expect_tcp(struct drill *d, const struct packet *p, uint8_t *frame)
{
	struct view v;
	unsigned have = 0, each = 0;
	int64_t at;

	for (;;) {
		size_t n = packet_take(d, frame, &at);

		view_make(d, frame, n, &v);
		if (v.ip[9] != IPPROTO_TCP)
			drill_fail(d, "a segment expected, protocol %u came", v.ip[9]);
		if (is_of_another(d, &v))
			continue;
		learn_out(d, p, &v);
		if (!is_part(d, p, &v, have))
			break;
		if (each && v.len != each)
			drill_fail(d, "segments of %u and %u bytes in one burst", each, v.len);
		each = v.len;
		have += v.len;
	}
	if (have) {
		put32(v.l4 + 4, get32(v.l4 + 4) - have);
		v.len += have;
	}
	learn_ts(d, p, &v);
	compare_tcp(d, p, &v);
	drill_check_time(d, "packet", at);
}

void packet_expect(struct drill *d, const struct packet *p)
{
	uint8_t *frame = malloc(FRAME_MAX);
	struct view v;
	int64_t at;

	if (!frame)
		abort();
	if (p->proto == IPPROTO_TCP) {
		expect_tcp(d, p, frame);
	} else {
		view_make(d, frame, packet_take(d, frame, &at), &v);
		if (v.ip[9] != p->proto || v.len != p->len)
			drill_fail(d, "protocol %u with %u bytes expected, %u with %u came",
				   p->proto, p->len, v.ip[9], v.len);
		drill_check_time(d, "packet", at);
	}
	free(frame);
}
