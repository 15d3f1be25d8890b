/*
 * tcp/tcp_reply.c - segments that no full sock sends: the RST of CLOSED (RFC 9293, 3.10.7.1), the
 * SYN-ACK of a request, the ACK of TIME-WAIT.
 */
#include <errno.h>

#include "tcp/tcp_priv.h"

int tcp_reply_send(const struct tcp_reply *r)
{
	struct pkbuf *b = pkbuf_alloc(r->stack, PKBUF_TX_HEAD);
	struct tcp_opts o = {
	    .opts = r->opts,
	    .wscale = r->wscale,
	    .mss = r->mss,
	    .tsval = r->tsval,
	    .tsecr = r->tsecr,
	    .cookie = r->cookie,
	};
	unsigned hlen = TCP_HLEN + tcp_opt_len(&o);
	struct tcp_hdr *h;
	struct ip_flow f = {
	    .src = r->src,
	    .dst = r->dst,
	    .ifindex = r->ifindex,
	    .mark = r->mark,
	    .proto = IP_PROTO_TCP,
	    .tos = r->tos,
	    .ttl = r->ttl,
	    .pmtudisc = PMTUDISC_WANT,
	};

	if (!b)
		return -ENOBUFS;
	h = (struct tcp_hdr *)(void *)pkbuf_push(b, hlen);
	*h = (struct tcp_hdr){
	    .sport = be16_of(r->sport),
	    .dport = be16_of(r->dport),
	    .seq = be32_of(r->seq),
	    .ack = be32_of(r->ack),
	    .off = (uint8_t)(hlen / 4 << 4),
	    .flags = r->flags,
	    .wnd = be16_of((uint16_t)r->wnd),
	};
	tcp_opt_write(&o, (uint8_t *)(h + 1));
	tcp_csum_partial(b, &r->src, &r->dst);
	mib_inc(r->stack, MIB_Tcp_OutSegs);
	b->src = r->src;
	b->dst = r->dst;
	b->tos = r->tos;
	tcp_debug_out(b);
	return ip_out(b, &f, r->path);
}

void tcp_reply_rst(struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	const struct tcp_hdr *h = (const struct tcp_hdr *)(void *)(b->hdr + b->l4);
	struct tcp_reply r = {
	    .stack = b->stack,
	    .src = b->dst,
	    .dst = b->src,
	    .sport = be16_get(h->dport),
	    .dport = be16_get(h->sport),
	};

	if (g->flags & TCP_RST)
		return;
	if (g->flags & TCP_ACK) {
		r.seq = g->ack;
		r.flags = TCP_RST;
	} else {
		r.ack = g->end;
		r.flags = TCP_RST | TCP_ACK;
	}
	mib_inc(b->stack, MIB_Tcp_OutRsts);
	tcp_reply_send(&r);
}
