/*
 * tcp/tcp_xmit.c - building segments: a header of its own over the records' pieces, up to 64 KB
 * or to the host behind a TAP 192, which the device cuts or netdev_tx() for it, and on to ip_out().
 *
 * Data carry no SACK blocks: what came out of order is told by ACKs without data (tcp_push()), so
 * that a segment's size does not depend on them.
 */
#include <errno.h>

#include "lib/checksum.h"
#include "lib/wire/ip4.h"
#include "tcp/tcp_priv.h"

#define TCP_CSUM_OFF 16

/* --- header ------------------------------------------------------------------------------------- */

void tcp_csum_partial(struct pkbuf *b, const struct ip_addr *src, const struct ip_addr *dst)
{
	struct tcp_hdr *h = (struct tcp_hdr *)(void *)pkbuf_data(b);

	h->csum = csum_fold(ip_csum_pseudo(src, dst, IP_PROTO_TCP, b->len));
	b->csum = CSUM_PARTIAL;
	b->csum_start = b->l4 = b->head;
	b->csum_off = TCP_CSUM_OFF;
}

static void opts_syn(struct tcp_sock *ts, struct tcp_opts *o)
{
	struct stack *st = ts->sk.stack;
	bool answer = tcp_state_of(ts) != TCP_SYN_SENT;

	o->opts = SEG_OPT_MSS;
	o->mss = ts->advmss;
	o->wscale = ts->rcv_wscale;
	if (answer ? ts->flags & TCP_F_WSCALE : sysctl_get(st, tcp_window_scaling))
		o->opts |= SEG_OPT_WSCALE;
	if (answer ? ts->flags & TCP_F_SACK : sysctl_get(st, tcp_sack))
		o->opts |= SEG_OPT_SACK_OK;
	if (answer ? ts->flags & TCP_F_TS : sysctl_get(st, tcp_timestamps))
		o->opts |= SEG_OPT_TS;
	if (ts->rare->fo && ts->rare->fo->cookie.len != TCP_FO_NONE) {
		o->opts |= SEG_OPT_FO;
		o->cookie = &ts->rare->fo->cookie;
	}
}

static void opts_of(struct tcp_sock *ts, uint8_t flags, const struct pkbuf *b, struct tcp_opts *o)
{
	o->opts = 0;
	o->nsack = 0;
	if (flags & TCP_SYN)
		opts_syn(ts, o);
	else if (ts->flags & TCP_F_TS)
		o->opts = SEG_OPT_TS;
	if (o->opts & SEG_OPT_TS) {
		o->tsval = tcp_ms(b->stamp) + ts->ts_offset;
		o->tsecr = ts->ts_recent;
	}
	if ((ts->flags & TCP_F_SACK) && b->len == 0 && !(flags & (TCP_SYN | TCP_RST)))
		o->nsack = (uint8_t)tcp_sack_out(
		    ts, o->sack, o->opts & SEG_OPT_TS ? TCP_SACK_SEND_MAX - 1 : TCP_SACK_SEND_MAX);
}

/*
 * RFC 9293, 3.8.5 and RFC 6093, 4.  The pointer reaches 64 KB ahead: a byte there that is still to be sent will bring a
 * better one; one that has gone as any other is not called urgent (as Linux).
 */
static void header_urgent(const struct tcp_sock *ts, struct tcp_hdr *h, uint32_t seq)
{
	uint32_t ahead = ts->est->xfer->snd_up - seq;

	if (!(ts->flags & TCP_F_URG_OUT) || !seq_gt(ts->est->xfer->snd_up, seq))
		return;
	if (ahead > 65535 && seq_leq(seq + 65535, ts->snd_nxt))
		return;
	h->flags |= TCP_URG;
	h->urg = be16_of(ahead < 65535 ? (uint16_t)ahead : 65535);
}

static uint16_t header_wnd(struct tcp_sock *ts, uint8_t flags)
{
	uint32_t wnd;

	if (!(flags & TCP_SYN))
		return tcp_wnd_advertise(ts);
	wnd = tcp_rcv_wnd_init(&ts->sk);
	/* with Fast Open a segment may have offered more: a SYN's window is not scaled */
	if (seq_lt(ts->rcv_adv, ts->rcv_nxt + wnd))
		ts->rcv_adv = ts->rcv_nxt + wnd;
	return (uint16_t)wnd;
}

static void header_write(struct tcp_sock *ts, struct pkbuf *b, uint32_t seq, uint8_t flags)
{
	struct tcp_opts o;
	struct tcp_hdr *h;
	unsigned hlen;
	bool data = b->len > 0;

	opts_of(ts, flags, b, &o);
	hlen = TCP_HLEN + tcp_opt_len(&o);
	h = (struct tcp_hdr *)(void *)pkbuf_push(b, hlen);
	*h = (struct tcp_hdr){
	    .sport = be16_of(ts->sk.c.lport),
	    .dport = be16_of(ts->sk.c.rport),
	    .seq = be32_of(seq),
	    .ack = be32_of(flags & TCP_ACK ? ts->rcv_nxt : 0),
	    .off = (uint8_t)(hlen / 4 << 4),
	    .flags = flags,
	    .wnd = be16_of(header_wnd(ts, flags)),
	};
	if (data)
		header_urgent(ts, h, seq);
	tcp_opt_write(&o, (uint8_t *)(h + 1));
	tcp_csum_partial(b, &ts->sk.c.laddr, &ts->sk.c.raddr);
}

/* --- one segment out ---------------------------------------------------------------------------- */

/* An ACK went out: nothing is owed now. */
static void ack_settled(struct tcp_sock *ts)
{
	ts->flags &= ~(TCP_F_ACK_NOW | TCP_F_ACK_DELAY);
	ts->ack_pushed = false;
	ts->ack_sent = ts->rcv_nxt;
	tcp_timer_clear(ts, TCP_DUE_ACK);
}

/* On a wire; b holds the payload. */
static uint32_t segments_of(const struct pkbuf *b)
{
	return b->gso_size ? (b->len + b->gso_size - 1) / b->gso_size : 1;
}

/* b holds the payload, its tos the ECN field, its stamp the time.  Consumes b.  0 or ip_out()'s -errno. */
static int segment_out(struct tcp_sock *ts, struct pkbuf *b, uint32_t seq, uint8_t flags)
{
	struct sock *sk = &ts->sk;
	struct path *path;
	uint32_t segs = segments_of(b);
	int err = 0;

	flags |= tcp_ecn_flags(ts, flags, b->tos);
	header_write(ts, b, seq, flags);
	if (flags & TCP_ACK)
		ack_settled(ts);
	if (tcp_est_is_own(ts))
		ts->est->segs_out += segs;
	path = sock_path(sk, &err);
	if (path) {
		sock_note(sk, b);
		tcp_debug_out(b);
		err = sock_out(sk, b, path);
	} else {
		pkbuf_drop(b, DROP_IP_NO_ROUTE);
	}
	if (err == -ENETUNREACH || err == -EHOSTUNREACH)
		sk->soft_err = (int16_t)-err; /* why, should no answer ever come */
	return err;
}

static void bare_out(struct tcp_sock *ts, uint32_t seq, uint8_t flags)
{
	struct pkbuf *b = pkbuf_alloc(ts->sk.stack, PKBUF_TX_HEAD);

	if (!b && flags & TCP_RST)
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPAbortFailed);
	if (!b)
		return;
	mib_inc(ts->sk.stack, MIB_Tcp_OutSegs);
	b->stamp = tcp_now(ts);
	segment_out(ts, b, seq, flags);
}

/* SND.NXT; but not past a window that the peer has taken back, or it would not listen. */
static uint32_t ack_seq(const struct tcp_sock *ts)
{
	uint32_t edge = ts->snd_una + ts->snd_wnd;

	if (seq_leq(ts->snd_nxt, edge) || ts->snd_nxt - edge < 1u << ts->snd_wscale)
		return ts->snd_nxt;
	return edge;
}

void tcp_send_ack(struct tcp_sock *ts)
{
	bare_out(ts, ack_seq(ts), TCP_ACK);
}

void tcp_send_probe(struct tcp_sock *ts)
{
	bare_out(ts, ts->snd_una - 1, TCP_ACK);
}

void tcp_send_syn(struct tcp_sock *ts)
{
	bool answer = tcp_state_of(ts) != TCP_SYN_SENT;

	tcp_syn_stamp(ts, tcp_now(ts));
	bare_out(ts, ts->iss, answer ? TCP_SYN | TCP_ACK : TCP_SYN);
}

void tcp_send_rst(struct tcp_sock *ts)
{
	mib_inc(ts->sk.stack, MIB_Tcp_OutRsts);
	bare_out(ts, ack_seq(ts), TCP_RST | TCP_ACK);
}

/* --- data --------------------------------------------------------------------------------------- */

/* The records one segment takes. */
struct span {
	struct tcp_rec *first, *last;
	uint32_t len;
	bool fin, whole; /* whole: one segment, however long */
};

/* Not of urgent data: who cuts leaves the pointer as it is, which counts from its segment's own number. */
uint32_t tcp_xmit_max(struct tcp_sock *ts)
{
	uint32_t room =
	    tcp_gso_max(ts) - TCP_HLEN_MAX - ip_hdr_bytes(&ts->sk.c.raddr) - ts->sk.rare->optlen;

	if (room <= ts->mss || (ts->flags & TCP_F_URG_OUT))
		return ts->mss;
	return room - room % ts->mss;
}

static bool rec_follows(const struct tcp_rec *a, const struct tcp_rec *b)
{
	return a->piece == b->piece && a->off + tcp_rec_len(a) == b->off;
}

/* Of the next n bytes those that a packet's references can carry. */
static uint32_t span_fit(const struct tcp_sock *ts, const struct tcp_rec *r, uint32_t n)
{
	const struct tcp_rec *before = NULL;
	uint32_t len = 0, frags = 0;

	for (; r && len < n; before = r, r = r->next) {
		if (!before || !rec_follows(before, r))
			frags++;
		if (frags > PKBUF_FRAGS)
			return len > ts->mss ? len - len % ts->mss : len;
		len += tcp_rec_len(r);
	}
	return n;
}

/*
 * The records of n bytes from r on, and the FIN behind them if s->fin lets it go; split where the
 * segment ends.  0 or -ENOMEM.
 */
static int span_make(struct tcp_sock *ts, struct tcp_rec *r, uint32_t n, struct span *s)
{
	bool fin_may_go = s->fin;

	*s = (struct span){.first = r, .last = r, .whole = s->whole};
	if (r->end - r->seq == n && !r->next) { /* the queue's last, whole, and no FIN */
		s->len = n;
		return 0;
	}
	n = span_fit(ts, r, n);
	for (; r && (s->len < n || (fin_may_go && tcp_rec_len(r) == 0)); r = r->next) {
		uint32_t left = n - s->len, take = tcp_rec_len(r) < left ? tcp_rec_len(r) : left;
		bool cut = take < tcp_rec_len(r) || (!fin_may_go && (r->flags & REC_FIN));

		if (cut && tcp_rec_split(ts, r, take) < 0)
			return -ENOMEM;
		s->len += take;
		s->last = r;
		s->fin = r->flags & REC_FIN;
	}
	return 0;
}

/* What has room behind the header is copied there: cheaper than a reference, and one part less to write. */
static void span_add(struct pkbuf *b, const struct tcp_rec *r)
{
	uint32_t n = tcp_rec_len(r);

	if (n <= pkbuf_tailroom(b))
		pkbuf_append(b, piece_data(r->piece) + r->off, n);
	else
		pkbuf_add_piece(b, r->piece, r->off, n);
}

static struct pkbuf *span_packet(struct tcp_sock *ts, const struct span *s, uint64_t now)
{
	struct pkbuf *b = pkbuf_alloc(ts->sk.stack, PKBUF_TX_HEAD);

	if (!b)
		return NULL;
	b->stamp = now;
	for (struct tcp_rec *r = s->first;; r = r->next) {
		if (tcp_rec_len(r))
			span_add(b, r);
		if (r == s->last)
			break;
	}
	if (b->len > ts->mss && !s->whole) {
		b->gso_size = ts->mss;
		b->gso_type = ip_addr_is4(&ts->sk.c.raddr) ? GSO_TCP4 : GSO_TCP6;
	}
	return b;
}

/* Marks what goes out and returns how many segments it is on the wire. */
static uint32_t span_sent(struct tcp_sock *ts, const struct span *s, uint64_t now)
{
	uint32_t segs = s->len > ts->mss && !s->whole ? (s->len + ts->mss - 1) / ts->mss : 1;

	for (struct tcp_rec *r = s->first;; r = r->next) {
		tcp_rec_sent(ts, r, r->seq - s->first->seq, now);
		if (r == s->last)
			break;
	}
	ts->est->last_sent_ms = tcp_ms(now);
	tcp_pace_sent(ts, s->len, now);
	ts->est->data_segs_out += segs;
	ts->est->xfer->prr.out += s->last->end - s->first->seq;
	return segs;
}

/*
 * The end of what the program wrote is pushed, and of a burst, or the receiver's GRO would wait for
 * more; in a long stream now and then what ends a half of the window (as Linux).
 */
static bool span_pushes(struct tcp_sock *ts, const struct span *s)
{
	uint32_t end = s->last->end - s->fin, burst = 2u * ts->mss, half = ts->est->max_window / 2;

	if (s->len == 0)
		return false;
	half = (half / burst + 1) * burst;
	if (end == ts->est->xfer->push_seq || (s->last->flags & (REC_EOR | REC_PUSH)) ||
	    seq_geq(end, ts->est->xfer->pushed + half)) {
		ts->est->xfer->pushed =
		    seq_gt(end, ts->est->xfer->pushed) ? end : ts->est->xfer->pushed;
		return true;
	}
	return s->len > ts->mss;
}

static void orig_sent(struct tcp_sock *ts, uint32_t segs)
{
	mib_add(ts->sk.stack, MIB_Tcp_OutSegs, segs);
	mib_add(ts->sk.stack, MIB_TcpExt_TCPOrigDataSent, segs);
}

/*
 * Before it counts as sent: what our own device had no room for is no loss in the network, it has not
 * gone at all.  0 or -ENOBUFS.
 */
static int span_out(struct tcp_sock *ts, const struct span *s, struct pkbuf *b)
{
	uint32_t cwr = ts->flags & TCP_F_CWR;
	uint8_t flags = TCP_ACK;
	int err;

	if (s->fin)
		flags |= TCP_FIN;
	if (span_pushes(ts, s))
		flags |= TCP_PSH;
	/* RFC 3168, 6.1.5 and 6.1.6: new text only */
	if ((ts->flags & TCP_F_ECN) && s->len && !s->first->times)
		b->tos = IP_ECN_ECT0;
	err = segment_out(ts, b, s->first->seq, flags);
	if (err < 0 && s->len > TCP_GSO_MAX)
		tcp_gso_doubt(ts);
	if (err == -ENOBUFS || err == -ENOMEM || (err == -EMSGSIZE && s->len > TCP_GSO_MAX)) {
		ts->flags |= TCP_F_TX_FULL | cwr;
		return -ENOBUFS;
	}
	if (ts->flags & TCP_F_TX_FULL)
		ts->retransmits = ts->backoff; /* the tries in between were none */
	ts->flags &= ~TCP_F_TX_FULL;
	return 0;
}

static int span_xmit(struct tcp_sock *ts, uint32_t len, struct span *s)
{
	uint64_t now = tcp_now(ts);
	struct pkbuf *b;
	int err;

	if (span_make(ts, ts->est->xfer->next, len, s) < 0)
		return -ENOMEM;
	b = span_packet(ts, s, now);
	if (!b)
		return -ENOMEM;
	if (tcp_flight(ts) == 0)
		tcp_ack_rides(ts, now);
	if (ts->rare->stamps)
		tcp_stamp_packet(ts, b, s->first->seq, s->last->end);
	err = span_out(ts, s, b);
	if (err)
		return err;
	orig_sent(ts, span_sent(ts, s, now));
	ts->est->xfer->next = s->last->next;
	ts->snd_nxt = s->last->end;
	if (tcp_seg_rest(ts, s->len))
		ts->est->xfer->snd_sml = ts->snd_nxt;
	return 0;
}

int tcp_xmit(struct tcp_sock *ts, uint32_t len, bool fin)
{
	struct span s = {.fin = fin};

	return span_xmit(ts, len, &s);
}

int tcp_xmit_whole(struct tcp_sock *ts, uint32_t len)
{
	struct span s = {.whole = true};

	return span_xmit(ts, len, &s);
}

int tcp_send_syn_data(struct tcp_sock *ts)
{
	struct span s = {.fin = false};
	uint64_t now = tcp_now(ts);
	struct pkbuf *b;

	if (span_make(ts, ts->est->xfer->next, ts->write_seq - ts->snd_nxt, &s) < 0)
		return -ENOMEM;
	b = span_packet(ts, &s, now);
	if (!b)
		return -ENOMEM;
	tcp_syn_stamp(ts, now);
	s.last->flags |= REC_PUSH;
	orig_sent(ts, span_sent(ts, &s, now));
	ts->est->xfer->next = s.last->next;
	ts->snd_nxt = s.last->end;
	return segment_out(ts, b, ts->iss, TCP_SYN);
}

/*
 * Bytes from r on that are to be sent again together: a burst as it went the first time, or a segment
 * of what is marked as r is.
 */
static uint32_t again_len(const struct tcp_sock *ts, const struct tcp_rec *r, uint32_t most)
{
	const uint8_t all = REC_LOST | REC_RETRANS | REC_SACKED, marks = r->flags & all;
	uint32_t n = tcp_rec_len(r);

	if (n > ts->mss)
		return n < most ? n : most;
	while (!(r->flags & REC_EOR) && (r = r->next) && r->times && n < ts->mss &&
	       (r->flags & all) == marks)
		n += tcp_rec_len(r);
	return n < ts->mss ? n : ts->mss;
}

int tcp_retransmit(struct tcp_sock *ts, struct tcp_rec *r, uint32_t most)
{
	struct span s = {.fin = ts->snd_nxt == ts->write_seq};
	uint64_t now = tcp_now(ts);
	struct pkbuf *b;
	uint32_t segs;
	int err;

	if (span_make(ts, r, again_len(ts, r, most), &s) < 0)
		return -ENOMEM;
	b = span_packet(ts, &s, now);
	if (!b)
		return -ENOMEM;
	if (ts->rare->stamps)
		tcp_stamp_packet(ts, b, s.first->seq, s.last->end);
	err = span_out(ts, &s, b);
	if (err)
		return err;
	if (ts->rare->plpmtud.probe) /* a probe that is out proves nothing any more */
		ts->rare_own->plpmtud.probe = 0;
	segs = span_sent(ts, &s, now);
	tcp_retrans_count(ts, segs, s.len);
	mib_add(ts->sk.stack, MIB_Tcp_RetransSegs, segs);
	if (s.first == ts->est->xfer->head && (ts->rtx != RTX_REORDER || !ts->due[TCP_DUE_RTX]))
		tcp_rto_arm(ts, now);
	return 0;
}
