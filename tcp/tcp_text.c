/*
 * tcp/tcp_text.c - sixth to eighth: the urgent pointer (RFC 6093), the text in order, the FIN
 * (RFC 9293, 3.10.7.4).
 *
 * A packet that pins more than twice what it carries is copied behind the one before it: so a peer
 * of many small segments pins no more than twice what it was allowed to send.
 */
#include <errno.h>

#include "tcp/tcp_priv.h"

/* --- sixth: urgent ------------------------------------------------------------------------------ */

/* What whoever sleeps for the urgent byte is told: that it is here and was not read. */
static uint32_t urg_event(const struct tcp_sock *ts)
{
	bool waits = (ts->flags & (TCP_F_URG_IN | TCP_F_URG_READ)) == TCP_F_URG_IN;

	return waits && seq_geq(ts->rcv_nxt, ts->rare->rcv_up) ? EPOLLPRI : 0;
}

enum drop_reason tcp_urg(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	uint32_t up = g->seq + g->up; /* RFC 6093, 4: the number after the urgent byte */
	struct tcp_rare *k;

	if (!(g->flags & TCP_URG) || g->up == 0 || !tcp_state_in(ts, TCP_CAN_RECV))
		return DROP_NONE;
	if (seq_leq(up, ts->copied_seq) ||
	    ((ts->flags & TCP_F_URG_IN) && seq_leq(up, ts->rare->rcv_up)))
		return DROP_NONE;
	k = tcp_rare_get(ts);
	if (!k) /* without memory it is text as any other */
		return DROP_NONE;
	tcp_urg_pass(ts);
	k->rcv_up = up;
	ts->flags |= TCP_F_URG_IN;
	ts->flags &= ~TCP_F_URG_READ;
	if (urg_event(ts)) /* else it comes with its text */
		sock_ready(&ts->sk, EPOLLPRI);
	return DROP_NONE;
}

/* What one segment of the peer carries: the second one is acknowledged at once. */
static void rcv_mss_update(struct tcp_sock *ts, const struct pkbuf *b)
{
	uint32_t n = b->gso_size ? b->gso_size : b->len;

	if (n > ts->advmss)
		n = ts->advmss;
	if (n > ts->est->rcv_mss)
		ts->est->rcv_mss = (uint16_t)n;
}

/* --- the receive queue -------------------------------------------------------------------------- */

/* The room behind b's bytes in a piece nobody else refers to; NULL: none. */
static uint8_t *tail_room(struct pkbuf *b, uint32_t *room)
{
	struct frag *f = b->nfrag ? &b->frag[b->nfrag - 1] : NULL;

	if (!f || piece_is_shared(f->piece))
		return NULL;
	*room = piece_size(f->piece) - (f->off + f->len);
	return *room ? piece_data(f->piece) + f->off + f->len : NULL;
}

/* A piece that n bytes fill by half at least, or a small one; a small buffer gets small pieces. */
static uint32_t tail_size(const struct sock *sk, uint32_t n)
{
	return n <= PIECE_MID / 2 || sk->rcvbuf < TCP_MID_RCVBUF ? PIECE_SMALL : PIECE_MID;
}

/* An empty piece at the end of b, for n bytes to come. */
static bool tail_piece(struct sock *sk, struct pkbuf *b, uint32_t n)
{
	struct piece *p;

	if (b->nfrag == PKBUF_FRAGS)
		return false;
	p = piece_alloc(sk->stack, tail_size(sk, n));
	if (!p)
		return false;
	if (!sock_rcv_charge(sk, piece_size(p))) {
		piece_put(p);
		return false;
	}
	b->frag[b->nfrag++] = (struct frag){p, 0, 0};
	b->pinned += piece_size(p);
	return true;
}

/* As much of b as there is memory for behind tail's bytes; how much that was. */
static uint32_t tail_copy(struct sock *sk, struct pkbuf *tail, struct pkbuf *b)
{
	uint32_t room, n, done = 0;
	uint8_t *to;

	while (b->len) {
		to = tail_room(tail, &room);
		if (!to) {
			if (!tail_piece(sk, tail, b->len))
				break;
			continue;
		}
		n = room < b->len ? room : b->len;
		pkbuf_read(b, 0, to, n);
		tail->frag[tail->nfrag - 1].len += n;
		tail->len += n;
		pkbuf_trim_front(b, n);
		done += n;
	}
	if (done)
		tail->stamp = b->stamp;
	tcp_seg(tail)->end += done;
	tcp_seg(b)->seq += done;
	return done;
}

/* A short one goes into room that is there anyway. */
static bool tail_has_room(struct pkbuf *tail, const struct pkbuf *b)
{
	uint32_t room;

	return b->len <= PIECE_SMALL && tail_room(tail, &room) && room >= b->len;
}

uint32_t tcp_rcvq_merge(struct sock *sk, struct pkbuf *tail, struct pkbuf *b)
{
	if (b->pinned <= 2 * b->len && !tail_has_room(tail, b))
		return 0;
	return tail_copy(sk, tail, b);
}

/* What n bytes pin when they are copied. */
static uint32_t packed_size(const struct sock *sk, uint32_t n)
{
	uint32_t size = tail_size(sk, n);

	return (uint32_t)sizeof(struct pkbuf) + (n + size - 1) / size * size;
}

/*
 * Of a packet that pins far more than it holds, and has nothing before it to be joined to, a copy that
 * does not; b has what that has no room for.  NULL: b is small enough, or there is no memory.
 */
struct pkbuf *tcp_rcvq_pack(struct sock *sk, struct pkbuf *b)
{
	struct pkbuf *c;

	if (b->pinned < 2 * packed_size(sk, b->len))
		return NULL;
	c = pkbuf_alloc(sk->stack, 0);
	if (!c)
		return NULL;
	if (!sock_rcv_charge(sk, c->pinned)) {
		pkbuf_free(c);
		return NULL;
	}
	c->stamp = b->stamp;
	*tcp_seg(c) = *tcp_seg(b);
	tcp_seg(c)->end = tcp_seg(c)->seq;
	if (tail_copy(sk, c, b))
		return c;
	sock_rcv_uncharge(sk, c->pinned);
	pkbuf_free(c);
	return NULL;
}

static void rcvq_took(struct tcp_sock *ts, uint32_t n)
{
	ts->rcv_nxt += n;
	if (seq_lt(ts->rcv_adv, ts->rcv_nxt)) /* it went beyond the window: text_end() */
		ts->rcv_adv = ts->rcv_nxt;
	ts->est->bytes_received += n;
}

static void rcvq_append(struct tcp_sock *ts, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);

	g->end = g->seq + b->len;
	rcvq_took(ts, b->len);
	b->next = NULL;
	if (ts->est->rcvq_head)
		ts->est->rcvq_tail->next = b;
	else
		ts->est->rcvq_head = b;
	ts->est->rcvq_tail = b;
}

/* Room for b in the receive buffer, and in a fair share of the stack's memory when that is short. */
static bool rcvq_charge(struct tcp_sock *ts, const struct pkbuf *b)
{
	struct sock *sk = &ts->sk;
	uint32_t all = sk->rcv_bytes + b->pinned;

	if (sk->rcv_bytes && all > sysctl_get(sk->stack, tcp_rmem_min) &&
	    all > depot_share_rx(sk->stack, TCP_FAIR_SHARE))
		return false;
	if (sock_rcv_charge(sk, b->pinned))
		return true;
	return tcp_ofo_prune(ts, b->pinned) && sock_rcv_charge(sk, b->pinned);
}

/* As much of b as goes behind the last packet. */
static void rcvq_merge(struct tcp_sock *ts, struct pkbuf *b)
{
	uint32_t n;

	if (!ts->est->rcvq_head)
		return;
	n = tcp_rcvq_merge(&ts->sk, ts->est->rcvq_tail, b);
	rcvq_took(ts, n);
	if (n && b->len == 0)
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPRcvCoalesce);
}

/* b is charged: it was out of order. */
void tcp_rcvq_take(struct tcp_sock *ts, struct pkbuf *b)
{
	rcvq_merge(ts, b);
	if (b->len) {
		rcvq_append(ts, b);
		return;
	}
	sock_rcv_uncharge(&ts->sk, b->pinned);
	pkbuf_free(b);
}

/* False: no memory is left for it, b is dropped. */
static bool rcvq_add(struct tcp_sock *ts, struct pkbuf *b)
{
	struct pkbuf *packed;

	rcvq_merge(ts, b);
	/* what is out of order goes before small packets pin more than they hold */
	if (b->len && b->pinned > 2 * b->len && ts->est->rcvq_head && ts->rare->ofo &&
	    tcp_ofo_prune(ts, tail_size(&ts->sk, b->len)))
		rcvq_merge(ts, b);
	packed = ts->est->rcvq_head ? tcp_rcvq_pack(&ts->sk, b) : NULL;
	if (packed)
		rcvq_append(ts, packed);
	if (b->len == 0) {
		pkbuf_free(b);
		return true;
	}
	if (!rcvq_charge(ts, b)) {
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPRcvQDrop);
		pkbuf_drop(b, DROP_SOCK_RCVBUF);
		return false;
	}
	rcvq_append(ts, b);
	return true;
}

/* --- seventh: text ------------------------------------------------------------------------------ */

/* Nobody will read: it is closed, or shut down both ways (as Linux; the peer's own FIN would have led on). */
static bool text_is_deaf(const struct tcp_sock *ts)
{
	return (ts->sk.flags & SOCK_DEAD) ||
	       ((ts->sk.shutdown & SOCK_SHUT_RD) &&
		tcp_state_in(ts, TCP_IN(TCP_FIN_WAIT1) | TCP_IN(TCP_FIN_WAIT2)));
}

/* RFC 9293, 3.6.1 and RFC 1122, 4.2.2.13: data nobody will read, answered as if nobody were there. */
static bool text_unwanted(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);

	if (!text_is_deaf(ts) || b->len == 0 || seq_leq(g->seq + b->len, ts->rcv_nxt))
		return false;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPAbortOnData);
	tcp_reply_rst(b);
	tcp_done(ts, ts->sk.flags & SOCK_DEAD ? 0 : ECONNRESET);
	return true;
}

static enum drop_reason text_outside(const struct tcp_sock *ts, uint32_t end)
{
	if (end != ts->rcv_nxt)
		return DROP_TCP_WINDOW;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPZeroWindowDrop);
	return DROP_TCP_ZERO_WINDOW;
}

/*
 * Where what may be taken ends: at the window's edge.  Text in order for an empty queue is taken whole,
 * as the queue's memory allows: its sender may know the window as it was before it shrank (as Linux).
 */
static uint32_t text_end(const struct tcp_sock *ts, const struct tcp_seg *g)
{
	bool whole = !ts->est->rcvq_head && seq_leq(g->seq, ts->rcv_nxt);

	return whole ? seq_max(ts->rcv_adv, g->end) : ts->rcv_adv;
}

/* Takes off what lies before RCV.NXT, behind the window or behind the peer's FIN. */
static enum drop_reason text_trim(struct tcp_sock *ts, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	uint32_t end = text_end(ts, g), old;

	if (g->flags & TCP_FIN && !(ts->flags & TCP_F_FIN_SEEN) && seq_leq(g->end - 1, end)) {
		ts->flags |= TCP_F_FIN_SEEN;
		ts->est->rcv_fin = g->end - 1;
	}
	if (ts->flags & TCP_F_FIN_SEEN)
		end = seq_min(end, ts->est->rcv_fin);
	if (seq_lt(g->seq, ts->rcv_nxt)) {
		tcp_dsack_old(ts, g);
		old = ts->rcv_nxt - g->seq;
		if (old > b->len)
			old = b->len;
		pkbuf_trim_front(b, old);
		g->seq += old;
	}
	if (b->len && seq_geq(g->seq, end))
		return text_outside(ts, end);
	if (b->len > end - g->seq)
		pkbuf_trim_to(b, end - g->seq);
	g->end = g->seq + b->len;
	return DROP_NONE;
}

/* A write of the sender's ends here, or what its cwnd lets it send: it may wait for the ACK. */
static bool text_is_pushed(const struct tcp_sock *ts, struct pkbuf *b)
{
	return (tcp_seg(b)->flags & TCP_PSH) || b->len < ts->est->rcv_mss;
}

static void text_in_order(struct tcp_sock *ts, struct pkbuf *b)
{
	bool hole = ts->rare->ofo != NULL, pushed;
	uint64_t now = tcp_now(ts);
	uint32_t old = ts->rcv_nxt;

	rcv_mss_update(ts, b);
	pushed = text_is_pushed(ts, b);
	tcp_tune_rtt(ts, tcp_seg(b), b->len, now);
	if (!rcvq_add(ts, b)) {
		ts->flags |= TCP_F_ACK_NOW;
		if (ts->rcv_nxt == old)
			return; /* else a part of it found room */
	}
	if (hole) {
		tcp_ofo_drain(ts);
		ts->flags |=
		    TCP_F_ACK_NOW; /* RFC 5681, 4.2: a hole was filled, in whole or in part */
	}
	tcp_ack_schedule(ts, pushed, now);
	sock_ready(&ts->sk, EPOLLIN | urg_event(ts));
}

/* All text is here, and g was no more than the FIN behind it: tcp_fin() sees to its ACK. */
static bool fin_alone(const struct tcp_sock *ts, const struct tcp_seg *g, uint32_t first)
{
	return (g->flags & TCP_FIN) && first == ts->rcv_nxt && ts->rcv_nxt == ts->est->rcv_fin;
}

/* What is left of b may be taken; or all of it is dropped for a reason. */
static enum drop_reason text_check(struct tcp_sock *ts, struct pkbuf *b)
{
	enum drop_reason why;

	if (!tcp_state_in(ts, TCP_CAN_RECV))
		return DROP_TCP_TEXT_IGNORED;
	if (text_unwanted(ts, b))
		return DROP_TCP_DATA_AFTER_CLOSE;
	why = text_trim(ts, b);
	if (why)
		ts->flags |= TCP_F_ACK_NOW;
	return why;
}

void tcp_text(struct tcp_sock *ts, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	enum drop_reason why = DROP_NONE;
	uint32_t first = g->seq;

	if (g->seq == g->end) {
		pkbuf_free(b);
		return;
	}
	if (!(g->opts & SEG_PREDICTED))
		why = text_check(ts, b);
	if (why) {
		pkbuf_drop(b, why);
		return;
	}
	if (b->len == 0) { /* a FIN alone, or nothing new beside it */
		if (!fin_alone(ts, g, first))
			ts->flags |= TCP_F_ACK_NOW;
		pkbuf_free(b);
		return;
	}
	ts->est->data_segs_in++;
	tcp_ecn_in(ts, b, g);
	if (g->seq == ts->rcv_nxt)
		text_in_order(ts, b);
	else
		tcp_ofo_add(ts, b);
}

/* --- eighth: FIN -------------------------------------------------------------------------------- */

/*
 * Behind text the program answers, closes as a rule, and the ACK rides on its FIN; where nothing tells
 * how long that may take it goes at once.
 */
static void fin_ack(struct tcp_sock *ts)
{
	ts->flags |= TCP_F_PINGPONG;
	if (ts->est->ato_ms == 0 || ts->rcv_nxt - ts->ack_sent > ts->est->rcv_mss)
		ts->flags |= TCP_F_ACK_NOW;
	else
		tcp_ack_delay(ts);
}

void tcp_fin(struct tcp_sock *ts)
{
	if (!(ts->flags & TCP_F_FIN_SEEN) || ts->rcv_nxt != ts->est->rcv_fin ||
	    !tcp_state_in(ts, TCP_CAN_RECV))
		return;
	ts->rcv_nxt++;
	if (seq_lt(ts->rcv_adv,
		   ts->rcv_nxt)) { /* behind a closed window: the peer would try again */
		ts->rcv_adv = ts->rcv_nxt;
		ts->flags |= TCP_F_ACK_NOW;
	}
	ts->sk.shutdown |= SOCK_SHUT_RD;
	tcp_ofo_free(ts);
	tcp_dsack_forget(ts); /* nothing of the stream is in doubt any more (Linux) */
	if (tcp_state_of(ts) == TCP_ESTABLISHED)
		fin_ack(ts);
	else
		ts->flags |= TCP_F_ACK_NOW;
	switch (tcp_state_of(ts)) {
	case TCP_ESTABLISHED:
		tcp_set_state(ts, TCP_CLOSE_WAIT);
		break;
	case TCP_FIN_WAIT1:
		tcp_set_state(ts, TCP_CLOSING);
		break;
	case TCP_FIN_WAIT2:
		tcp_time_wait(ts);
		return;
	}
	sock_ready(&ts->sk, EPOLLIN | EPOLLRDHUP);
}
