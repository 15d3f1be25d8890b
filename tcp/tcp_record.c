/*
 * tcp/tcp_record.c - the send queue: segment records over shared payload pieces.
 *
 * A record is wholly sent or wholly unsent and its marks hold for all of it, so it is split where
 * a segment ends inside.  The bytes behind the last record in its piece belong to the sock, which
 * may append there: no packet refers to them yet.
 *
 * Beside the order by sequence number there is one by time of transmission, of the records that
 * RACK has to look at: out, not SACKed, and not held for lost without having been sent again.
 */
#include <errno.h>

#include "lib/cell.h"
#include "tcp/tcp_priv.h"

/* NULL: no memory. */
static struct tcp_xfer *xfer_get(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (x || !tcp_est_get(ts))
		return x;
	x = cell_zalloc(ts->sk.stack, sizeof(*x));
	if (!x)
		return NULL;
	x->recover = ts->snd_una - 1;
	x->snd_sml = x->until = ts->snd_una;
	x->push_seq = x->pushed = x->snd_up = ts->write_seq;
	x->rack_rtt_us = ts->est->srtt_us; /* until something is delivered */
	ts->est->xfer = x;
	return x;
}

struct tcp_rec *tcp_rec_add(struct tcp_sock *ts)
{
	struct tcp_xfer *x = xfer_get(ts);
	struct tcp_rec *r = x ? cell_zalloc(ts->sk.stack, sizeof(*r)) : NULL;

	if (!r)
		return NULL;
	r->seq = r->end = ts->write_seq;
	if (x->tail)
		x->tail->next = r;
	else
		x->head = r;
	x->tail = r;
	if (!x->next)
		x->next = r;
	sock_snd_charge(&ts->sk, sizeof(*r));
	return r;
}

/* --- by time of transmission --------------------------------------------------------------------- */

static bool rec_is_timed(const struct tcp_xfer *x, const struct tcp_rec *r)
{
	return r->earlier || x->oldest == r;
}

static void timed_del(struct tcp_xfer *x, struct tcp_rec *r)
{
	if (!rec_is_timed(x, r))
		return;
	if (r->earlier)
		r->earlier->later = r->later;
	else
		x->oldest = r->later;
	if (r->later)
		r->later->earlier = r->earlier;
	else
		x->newest = r->earlier;
	r->earlier = r->later = NULL;
}

/* Behind `at`; NULL: as the first. */
static void timed_add(struct tcp_xfer *x, struct tcp_rec *r, struct tcp_rec *at)
{
	r->earlier = at;
	r->later = at ? at->later : x->oldest;
	if (at)
		at->later = r;
	else
		x->oldest = r;
	if (r->later)
		r->later->earlier = r;
	else
		x->newest = r;
}

static bool rec_is_waited_for(const struct tcp_rec *r)
{
	return r->times && !(r->flags & REC_SACKED) &&
	       (r->flags & (REC_LOST | REC_RETRANS)) != REC_LOST;
}

/* --- cut and joined ------------------------------------------------------------------------------ */

/* r keeps its first len bytes, a new record behind it takes the rest.  0 or -ENOMEM. */
int tcp_rec_split(struct tcp_sock *ts, struct tcp_rec *r, uint32_t len)
{
	struct tcp_rec *rest = cell_alloc(ts->sk.stack, sizeof(*rest));
	struct tcp_xfer *x = ts->est->xfer;

	assert(len > 0 && len <= tcp_rec_len(r));
	if (!rest)
		return -ENOMEM;
	*rest = *r;
	rest->seq += len;
	rest->off += len;
	rest->lead = (uint16_t)((r->lead + len) % ts->mss);
	piece_get(rest->piece);
	if (r->times)
		r->flight -= rest->end - rest->seq;
	r->end = rest->seq;
	r->flags &= (uint8_t) ~(REC_FIN | REC_EOR | REC_PUSH);
	r->next = rest;
	if (x->tail == r)
		x->tail = rest;
	rest->earlier = rest->later = NULL;
	if (rec_is_timed(x, r))
		timed_add(x, rest, r);
	sock_snd_charge(&ts->sk, sizeof(*rest));
	return 0;
}

static bool rec_follows(const struct tcp_rec *a, const struct tcp_rec *b)
{
	return b && a->piece && a->piece == b->piece && a->off + tcp_rec_len(a) == b->off;
}

/* n: bytes of it that leave the send buffer with it. */
static void rec_free(struct tcp_sock *ts, struct tcp_rec *r, uint32_t n)
{
	if (r->piece)
		piece_put(r->piece);
	sock_snd_uncharge(&ts->sk, (uint32_t)sizeof(*r) + n);
	cell_free(ts->sk.stack, r, sizeof(*r));
}

bool tcp_rec_join(struct tcp_sock *ts, struct tcp_rec *r)
{
	const uint8_t marks = REC_SACKED | REC_LOST | REC_RETRANS;
	struct tcp_xfer *x = ts->est->xfer;
	struct tcp_rec *n = r->next;

	if (!rec_follows(r, n) || ((r->flags | n->flags) & marks) != REC_SACKED ||
	    (r->flags & n->flags & marks) != REC_SACKED)
		return false;
	r->end = n->end;
	r->flags |= n->flags & (REC_FIN | REC_EOR);
	if (n->times > r->times)
		r->times = n->times;
	r->next = n->next;
	if (x->tail == n)
		x->tail = r;
	if (x->again == n)
		x->again = n->next;
	if (x->sack_last == n)
		x->sack_last = r;
	if (x->sack_high == n)
		x->sack_high = r;
	rec_free(ts, n, 0);
	return true;
}

int tcp_queue_fin(struct tcp_sock *ts)
{
	struct tcp_rec *r = ts->est->xfer ? ts->est->xfer->tail : NULL;

	if (!r || r->times)
		r = tcp_rec_add(ts);
	if (!r)
		return -ENOBUFS;
	r->flags |= REC_FIN;
	r->end++;
	ts->write_seq++;
	ts->flags |= TCP_F_FIN_QUEUED;
	return 0;
}

/* --- marks: each has its count of bytes --------------------------------------------------------- */

static void marks_add(struct tcp_xfer *x, uint8_t flags, uint32_t n)
{
	if (flags & REC_SACKED)
		x->sacked += n;
	if (flags & REC_LOST)
		x->lost += n;
	if (flags & REC_RETRANS)
		x->retrans += n;
}

void tcp_rec_mark(struct tcp_sock *ts, struct tcp_rec *r, uint8_t flags)
{
	marks_add(ts->est->xfer, flags & (uint8_t)~r->flags, r->end - r->seq);
	r->flags |= flags;
	if (!rec_is_waited_for(r))
		timed_del(ts->est->xfer, r);
}

void tcp_rec_unmark(struct tcp_sock *ts, struct tcp_rec *r, uint8_t flags)
{
	marks_add(ts->est->xfer, flags & r->flags, r->seq - r->end);
	r->flags &= (uint8_t)~flags;
	if (!rec_is_waited_for(r))
		timed_del(ts->est->xfer, r);
}

/* It is wanted again, so tcp_recovery_next() has to find it. */
void tcp_rec_lose(struct tcp_sock *ts, struct tcp_rec *r)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t n = r->end - r->seq;

	if ((r->flags & REC_SACKED) || (r->flags & (REC_LOST | REC_RETRANS)) == REC_LOST)
		return;
	if (r->flags & REC_RETRANS) {
		tcp_rec_unmark(ts, r, REC_RETRANS);
		mib_add(ts->sk.stack, MIB_TcpExt_TCPLostRetransmit, (n + ts->mss - 1) / ts->mss);
	}
	if (!(r->flags & REC_LOST)) /* an undo takes the mark from what was sent again */
		tcp_rec_mark(ts, r, REC_LOST);
	ts->est->delivery.lost += n;
	if (tcp_cc(ts)->lost)
		tcp_cc(ts)->lost(ts, r);
	if (!x->again || seq_lt(r->seq, x->again->seq))
		x->again = r;
}

/* Each finds its place by time from where the one before it was put: they were sent in order. */
void tcp_rec_unlose(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;
	struct tcp_rec *at = NULL;

	for (struct tcp_rec *r = x->head; r && r->times; r = r->next) {
		bool waits = rec_is_timed(x, r);

		tcp_rec_unmark(ts, r, REC_LOST);
		if (waits || !rec_is_waited_for(r))
			continue;
		if (at && at->sent > r->sent)
			at = NULL;
		while (at ? at->later && at->later->sent <= r->sent
			  : x->oldest && x->oldest->sent <= r->sent)
			at = at ? at->later : x->oldest;
		timed_add(x, r, at);
		at = r;
	}
	x->again = NULL;
}

void tcp_rec_sent(struct tcp_sock *ts, struct tcp_rec *r, uint32_t n, uint64_t now)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (r->times < UINT8_MAX)
		r->times++;
	r->sent = now;
	r->lead = (uint16_t)tcp_seg_rest(ts, n);
	tcp_rate_sent(ts, r);
	if (r->flags & REC_LOST) {
		tcp_rec_mark(ts, r, REC_RETRANS);
		tcp_undo_sent(ts, r);
	}
	timed_del(x, r);
	if (rec_is_waited_for(r))
		timed_add(x, r, x->newest);
}

/* --- delivered ---------------------------------------------------------------------------------- */

void tcp_rec_delivered(struct tcp_sock *ts, struct tcp_rec *r, uint32_t n, struct tcp_ack_info *a)
{
	tcp_rate_delivered(ts, r, a);
	if (!(ts->flags & TCP_F_SACK)) /* tcp_reno.c counts */
		return;
	a->delivered += n;
	tcp_rack_delivered(ts, r, r->seq + n, a);
}

static void xfer_shift(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;
	struct tcp_rec *r = x->head;

	timed_del(x, r);
	marks_add(x, r->flags, r->seq - r->end);
	x->head = r->next;
	if (!x->head)
		x->tail = NULL;
	if (x->next == r)
		x->next = r->next;
	if (x->again == r)
		x->again = r->next;
	if (x->sack_last == r)
		x->sack_last = NULL;
	if (x->sack_high == r)
		x->sack_high = NULL;
	rec_free(ts, r, tcp_rec_len(r));
}

/* The first n sequence numbers of the first record are acknowledged. */
static void rec_trim(struct tcp_sock *ts, uint32_t n)
{
	struct tcp_rec *r = ts->est->xfer->head;

	marks_add(ts->est->xfer, r->flags, 0u - n);
	r->seq += n;
	r->off += n;
	r->lead = (uint16_t)((r->lead + n) % ts->mss);
	sock_snd_uncharge(&ts->sk, n);
}

/* The first n numbers of r are acknowledged. */
static void rec_note_acked(struct tcp_sock *ts, struct tcp_rec *r, uint32_t n,
			   struct tcp_ack_info *a)
{
	if (r->times > 1) {
		a->acked_retrans = true;
	} else if (!(r->flags & REC_SACKED)) {
		if (!a->acked_first)
			a->acked_first = r->sent;
		a->acked_last = r->sent;
		if (seq_lt(r->seq, a->reordered))
			a->reordered = r->seq;
		if (seq_leq(r->seq + n, ts->est->xfer->recover))
			a->orig_delivered = true;
	}
	if (!(r->flags & REC_SACKED))
		tcp_rec_delivered(ts, r, n, a);
}

void tcp_rec_acked(struct tcp_sock *ts, uint32_t ack, struct tcp_ack_info *a)
{
	struct tcp_rec *r;

	while (ts->est->xfer && (r = ts->est->xfer->head) && r->times && seq_lt(r->seq, ack)) {
		uint32_t n = seq_min(r->end, ack) - r->seq;

		rec_note_acked(ts, r, n, a);
		if (seq_gt(r->end, ack)) {
			rec_trim(ts, n);
			break;
		}
		xfer_shift(ts);
	}
}

void tcp_xfer_free(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;
	struct tcp_rec *next;

	if (!x)
		return;
	tcp_limit_end(ts);
	for (struct tcp_rec *r = x->head; r; r = next) {
		next = r->next;
		rec_free(ts, r, tcp_rec_len(r));
	}
	tcp_stamp_forget(ts);
	cell_free(ts->sk.stack, x, sizeof(*x));
	ts->est->xfer = NULL;
	ts->flags &= ~TCP_F_URG_OUT; /* whose SND.UP was there */
}
