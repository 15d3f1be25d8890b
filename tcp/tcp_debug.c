/*
 * tcp/tcp_debug.c - a line of `debug tcp` for each segment, in and out: what its header says by the names of
 * RFC 9293, 3.3.1, and SEG.PRC, the precedence of RFC 793, which nothing acts upon any more.
 *
 * SEG.SEQ and SEG.WND stand as on the wire, neither relative nor scaled; SEG.LEN counts SYN and FIN.
 */
#include "lib/debug.h"
#include "tcp/tcp_priv.h"

#define FLAGS_TEXT 9

/* A letter each, as tcpdump has them: `.` is ACK. */
static const char *flags_text(uint8_t flags, char to[FLAGS_TEXT])
{
	static const char letters[] = "FSRP.UEW";
	unsigned n = 0;

	for (unsigned i = 0; i < 8; i++) {
		if (flags & 1u << i)
			to[n++] = letters[i];
	}
	to[n] = '\0';
	return to;
}

static uint32_t seg_len(const struct tcp_hdr *h, uint32_t data)
{
	return data + !!(h->flags & TCP_SYN) + !!(h->flags & TCP_FIN);
}

static void seg_line(const struct pkbuf *b, const char *way, uint32_t data)
{
	const struct tcp_hdr *h = (const struct tcp_hdr *)(const void *)(b->hdr + b->l4);
	char src[IP_ADDR_TEXT], dst[IP_ADDR_TEXT], flags[FLAGS_TEXT];

	debug_line(
	    b->stack, DEBUG_TCP,
	    "tcp %s: %s:%u > %s:%u [%s] SEG.SEQ=%u SEG.ACK=%u SEG.LEN=%u SEG.WND=%u SEG.UP=%u"
	    " SEG.PRC=%u",
	    way, ip_addr_text(&b->src, src), be16_get(h->sport), ip_addr_text(&b->dst, dst),
	    be16_get(h->dport), flags_text(h->flags, flags), be32_get(h->seq), be32_get(h->ack),
	    seg_len(h, data), be16_get(h->wnd), be16_get(h->urg), b->tos >> 5);
}

void tcp_debug_in(const struct pkbuf *b)
{
	if (debug_is_on(b->stack, DEBUG_TCP))
		seg_line(b, "in", b->len);
}

void tcp_debug_out(const struct pkbuf *b)
{
	const struct tcp_hdr *h = (const struct tcp_hdr *)(const void *)(b->hdr + b->l4);

	if (debug_is_on(b->stack, DEBUG_TCP))
		seg_line(b, "out", b->len - (h->off >> 4) * 4u);
}
