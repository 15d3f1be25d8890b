/*
 * ip/ip_opt.c - IPv4 options (RFC 791, 3.1; RFC 7126): parsed once on the way in, record route and
 * timestamp filled in by whoever passes a packet on or answers it.
 *
 * Times are ms since the stack's env began, marked non-standard by their high bit: the core knows
 * no time of day.  Unknown options pass untouched (RFC 1122, 3.2.1.8).
 */
#include <errno.h>
#include <string.h>

#include "ip/ip_priv.h"
#include "net/ifaddr.h"

#define TS_ONLY 0u     /* flags of a timestamp option */
#define TS_ADDR 1u     /* each with the address of who stamped */
#define TS_PRESPEC 3u  /* only those named there stamp */
#define TS_MISSED 0xf0 /* how many found no room */
#define TS_NONSTANDARD 0x80000000u

/* --- parsing: opt points at one option, whose length byte is inside --------------------------- */

/* A list of addresses.  0, or the offset of the wrong byte. */
static unsigned opt_route_fault(const uint8_t *opt)
{
	unsigned len = opt[1], pointer = len > 2 ? opt[2] : 0;

	if (len < 3)
		return 1;
	if (pointer < 4 || (pointer <= len && pointer + 3 > len))
		return 2;
	return 0;
}

static unsigned opt_ts_fault(const uint8_t *opt)
{
	unsigned len = opt[1], pointer, flag, entry;

	if (len < 4)
		return 1;
	pointer = opt[2];
	flag = opt[3] & 0xf;
	entry = flag == TS_ONLY ? 4 : 8;
	if (flag != TS_ONLY && flag != TS_ADDR && flag != TS_PRESPEC)
		return 3;
	if (pointer < 5 || (pointer <= len && pointer + entry - 1 > len))
		return 2;
	return pointer > len && (opt[3] & TS_MISSED) == TS_MISSED ? 3 : 0;
}

/* Notes where the option stands; at most one of a kind.  False: malformed. */
static bool opt_note(const uint8_t *opt, unsigned at, struct ip4_opts *o)
{
	uint8_t *where = NULL;
	unsigned fault = 0;

	switch (opt[0]) {
	case IP4_OPT_RR:
		where = &o->rr;
		fault = opt_route_fault(opt);
		break;
	case IP4_OPT_LSRR:
	case IP4_OPT_SSRR:
		where = &o->srr;
		fault = opt_route_fault(opt);
		break;
	case IP4_OPT_TS:
		where = &o->ts;
		fault = opt_ts_fault(opt);
		break;
	case IP4_OPT_RA:
		where = &o->ra;
		fault = opt[1] != 4;
		break;
	default:
		return true;
	}
	o->bad = (uint8_t)(at + fault);
	if (fault || *where)
		return false;
	*where = (uint8_t)at;
	return true;
}

bool ip_opts_parse(const uint8_t *opt, unsigned len, struct ip4_opts *o)
{
	unsigned i = 0;

	*o = (struct ip4_opts){0};
	while (i < len && opt[i] != IP4_OPT_END) {
		unsigned at = IP4_HLEN + i;

		if (opt[i] == IP4_OPT_NOP) {
			i++;
			continue;
		}
		o->bad = (uint8_t)(at + 1);
		if (i + 1 >= len || opt[i + 1] < 2 || opt[i + 1] > len - i) {
			o->bad = (uint8_t)(i + 1 >= len ? at : at + 1);
			return false;
		}
		if (!opt_note(opt + i, at, o))
			return false;
		i += opt[i + 1];
	}
	o->bad = 0;
	return true;
}

int ip_options_check(const uint8_t *opt, unsigned len)
{
	struct ip4_opts o;

	if (len > IP_OPTIONS_MAX)
		return -EINVAL;
	return ip_opts_parse(opt, len, &o) ? 0 : -EINVAL;
}

/* --- filling in ------------------------------------------------------------------------------- */

static void opt_record_route(uint8_t *opt, const struct ip_addr *own)
{
	unsigned len = opt[1], pointer = opt[2];

	if (pointer + 3 > len)
		return;
	memcpy(opt + pointer - 1, own->b + 12, 4);
	opt[2] = (uint8_t)(pointer + 4);
}

static void opt_stamp(uint8_t *opt, const struct ip_addr *own, struct stack *st)
{
	unsigned len = opt[1], pointer = opt[2], flag = opt[3] & 0xf;
	unsigned entry = flag == TS_ONLY ? 4 : 8;
	uint64_t ms = env_now(st->env) / NSEC_PER_MSEC;
	be32 stamp = be32_of((uint32_t)ms | TS_NONSTANDARD);

	if (pointer + entry - 1 > len) {
		if (flag != TS_PRESPEC && (opt[3] & TS_MISSED) != TS_MISSED)
			opt[3] = (uint8_t)(opt[3] + 0x10);
		return;
	}
	if (flag == TS_PRESPEC) {
		struct ip_addr named = ip_addr4_be(opt + pointer - 1);

		if (ip_addr_type(st, &named) != ROUTE_LOCAL)
			return;
	} else if (flag == TS_ADDR) {
		memcpy(opt + pointer - 1, own->b + 12, 4);
	}
	memcpy(opt + pointer - 1 + entry - 4, &stamp, 4);
	opt[2] = (uint8_t)(pointer + entry);
}

void ip_opts_record(struct pkbuf *b, const struct ip4_opts *o, const struct ip_addr *own)
{
	uint8_t *h = b->hdr + b->l3;

	if (!o->rr && !o->ts)
		return;
	if (o->rr)
		opt_record_route(h + o->rr, own);
	if (o->ts)
		opt_stamp(h + o->ts, own, b->stack);
	ip4_csum_set(ip4_hdr_edit(b));
}

bool ip_opts_next_hop(struct pkbuf *b, const struct ip4_opts *o, const struct ip_addr *own)
{
	struct ip4_hdr *h = ip4_hdr_edit(b);
	uint8_t *opt = (uint8_t *)h + o->srr;
	unsigned len, pointer;

	if (!o->srr)
		return false;
	len = opt[1];
	pointer = opt[2];
	if (pointer + 3 > len)
		return false;
	memcpy(h->dst, opt + pointer - 1, 4);
	memcpy(opt + pointer - 1, own->b + 12, 4);
	opt[2] = (uint8_t)(pointer + 4);
	b->dst = ip_addr4_be(h->dst);
	ip4_csum_set(h);
	return true;
}

/* --- answering, fragments --------------------------------------------------------------------- */

unsigned ip_opts_answer(const struct pkbuf *b, uint8_t *out)
{
	const struct ip4_hdr *h = ip4_hdr(b);
	const uint8_t *in = (const uint8_t *)h;
	struct ip4_opts o;
	unsigned n = 0;

	if (!ip_opts_parse(in + IP4_HLEN, ip4_hdr_len(h) - IP4_HLEN, &o))
		return 0;
	if (o.rr) {
		memcpy(out, in + o.rr, in[o.rr + 1]);
		n = in[o.rr + 1];
	}
	if (o.ts) {
		memcpy(out + n, in + o.ts, in[o.ts + 1]);
		n += in[o.ts + 1];
	}
	while (n % 4)
		out[n++] = IP4_OPT_END;
	return n;
}

void ip_opts_not_copied(uint8_t *opt, unsigned len)
{
	for (unsigned i = 0, n; i < len && opt[i] != IP4_OPT_END; i += n) {
		n = 1;
		if (opt[i] == IP4_OPT_NOP)
			continue;
		if (i + 1 < len)
			n = opt[i + 1];
		if (n < 2 || n > len - i)
			return; /* of a header that a program made (IP_HDRINCL) */
		if (!(opt[i] & IP4_OPT_COPY))
			memset(opt + i, IP4_OPT_NOP, n);
	}
}
