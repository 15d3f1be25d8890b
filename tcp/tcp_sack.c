/*
 * tcp/tcp_sack.c - the scoreboard: SACK blocks into the marks of records (RFC 2018; RFC 6675, 4),
 * D-SACK told apart (RFC 2883), how far the network reorders.
 *
 * Most of what an ACK's blocks say was said by the ACK before: those are remembered, and only what
 * is new of a block is looked for, from the nearest record known.  Marked neighbours become one
 * record, so a long walk passes holes and not segments.
 */
#include "tcp/tcp_priv.h"

struct blocks {
	unsigned n;
	uint32_t b[TCP_SACK_BLOCKS][2]; /* left edge, right edge */
};

uint32_t tcp_fack(const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;

	return x && x->sacked && (ts->flags & TCP_F_SACK) ? x->high_sacked : ts->snd_una;
}

void tcp_reordering(struct tcp_sock *ts, uint32_t low, bool by_timestamp)
{
	uint32_t fack = tcp_fack(ts), most = (uint32_t)sysctl_get(ts->sk.stack, tcp_max_reordering);
	uint32_t segs = (fack - low + ts->mss - 1) / ts->mss;

	if (seq_geq(low, fack))
		return;
	if (segs > most)
		segs = most;
	tcp_reordering_set(ts, segs > tcp_reordering_is(ts) ? segs : tcp_reordering_is(ts));
	mib_inc(ts->sk.stack, by_timestamp ? MIB_TcpExt_TCPTSReorder : MIB_TcpExt_TCPSACKReorder);
}

/* --- D-SACK ------------------------------------------------------------------------------------- */

/* RFC 2883, 4: the first block lies below the ACK, or inside the second. */
static bool first_is_dsack(struct tcp_sock *ts, const struct blocks *k, uint32_t ack)
{
	if (seq_lt(k->b[0][0], ack)) {
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPDSACKRecv);
		return true;
	}
	if (k->n < 2 || seq_lt(k->b[0][0], k->b[1][0]) || seq_gt(k->b[0][1], k->b[1][1]))
		return false;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPDSACKOfoRecv);
	return true;
}

/* More than was ever sent again, or more than a window: it is not our doing, or a lie. */
static bool dsack_is_dubious(struct tcp_sock *ts, uint32_t left, uint32_t right)
{
	uint32_t n = right - left;
	struct tcp_rare *k;

	if (seq_geq(left, right) || n > ts->est->max_window)
		return true;
	k = tcp_rare_get(ts);
	if (!k)
		return true;
	k->dsack_dups += (n + ts->mss - 1) / ts->mss;
	return k->dsack_dups > ts->rare->total_retrans;
}

static void dsack_take(struct tcp_sock *ts, const uint32_t *b, struct tcp_ack_info *a)
{
	struct stack *st = ts->sk.stack;

	if (dsack_is_dubious(ts, b[0], b[1])) {
		mib_inc(st, MIB_TcpExt_TCPDSACKIgnoredDubious);
		return;
	}
	mib_add(st, MIB_TcpExt_TCPDSACKRecvSegs, (b[1] - b[0] + ts->mss - 1) / ts->mss);
	a->dsack = a->odd = true;
	a->dsack_tlp = ts->est->xfer && ts->est->xfer->tlp.out && ts->est->xfer->tlp.end == b[1];
	if (seq_leq(b[1], ts->snd_nxt))
		tcp_undo_dsack(ts, b[0], b[1]);
}

/* --- which blocks count ------------------------------------------------------------------------- */

/* RFC 2018, 3 and RFC 5961, in spirit: nothing not sent, nothing already acknowledged. */
static bool block_is_valid(const struct tcp_sock *ts, const uint32_t *b)
{
	return seq_lt(b[0], b[1]) && seq_gt(b[0], ts->snd_una) && seq_leq(b[1], ts->snd_nxt);
}

static void count_invalid(struct tcp_sock *ts, const uint32_t *b, uint32_t ack, bool dsack)
{
	struct stack *st = ts->sk.stack;

	if (dsack) {
		if (seq_leq(b[1], ts->snd_una))
			return; /* as such blocks are */
		mib_inc(st, ts->est->xfer->undo.on ? MIB_TcpExt_TCPDSACKIgnoredOld
						   : MIB_TcpExt_TCPDSACKIgnoredNoUndo);
	} else if (ack == ts->snd_una || seq_gt(b[1], ts->snd_una)) {
		mib_inc(st, MIB_TcpExt_TCPSACKDiscard);
	}
}

/* In order of sequence number. */
static void block_insert(struct blocks *k, const uint32_t *b)
{
	unsigned i = k->n++;

	for (; i > 0 && seq_gt(k->b[i - 1][0], b[0]); i--) {
		k->b[i][0] = k->b[i - 1][0];
		k->b[i][1] = k->b[i - 1][1];
	}
	k->b[i][0] = b[0];
	k->b[i][1] = b[1];
}

static void blocks_read(const struct tcp_seg *g, const struct pkbuf *b, struct blocks *k)
{
	k->n = g->nsack < TCP_SACK_BLOCKS ? g->nsack : TCP_SACK_BLOCKS;
	for (unsigned i = 0; i < k->n; i++)
		tcp_seg_sack(b, i, &k->b[i][0], &k->b[i][1]);
}

/* --- into the records --------------------------------------------------------------------------- */

/* The nearest record known that does not begin behind seq. */
static struct tcp_rec *walk_start(const struct tcp_xfer *x, uint32_t seq)
{
	struct tcp_rec *const known[] = {x->sack_last, x->sack_high};
	struct tcp_rec *r = x->head;

	for (unsigned i = 0; i < 2; i++) {
		if (known[i] && seq_leq(known[i]->seq, seq) && seq_gt(known[i]->seq, r->seq))
			r = known[i];
	}
	return r;
}

/* What was sent once and comes after higher ones was reordered (RFC 8985, 6.2, step 3). */
static void rec_note_sacked(struct tcp_sock *ts, const struct tcp_rec *r, struct tcp_ack_info *a)
{
	if (r->times > 1)
		return;
	if (seq_lt(r->seq, a->reordered))
		a->reordered = r->seq;
	if (seq_leq(r->end, ts->est->xfer->recover))
		a->orig_delivered = true;
	if (!a->sacked_first)
		a->sacked_first = r->sent;
	a->sacked_last = r->sent;
}

static void rec_sacked(struct tcp_sock *ts, struct tcp_rec *r, struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;

	tcp_rec_delivered(ts, r, r->end - r->seq, a);
	rec_note_sacked(ts, r, a);
	a->sacked += r->end - r->seq;
	if (x->sacked == 0 || seq_gt(r->end, x->high_sacked)) {
		x->high_sacked = r->end;
		x->sack_high = r;
	}
	tcp_rec_unmark(ts, r, REC_LOST | REC_RETRANS);
	tcp_rec_mark(ts, r, REC_SACKED);
}

/*
 * The whole segments of r that lie in the block, as a record of their own; NULL: none.  What is SACKed
 * in part is sent again as a whole, and a peer's edges cut the queue no finer than we did.
 */
static struct tcp_rec *rec_cut_out(struct tcp_sock *ts, struct tcp_rec *r, uint32_t left,
				   uint32_t right)
{
	uint32_t mss = ts->mss, lead = r->lead, from = 0, to = r->end - r->seq;

	if (seq_lt(r->seq, left))
		from = (lead + (left - r->seq) + mss - 1) / mss * mss - lead;
	if (seq_gt(r->end, right)) {
		to = (lead + (right - r->seq)) / mss * mss;
		to = to > lead ? to - lead : 0;
	}
	if (from >= to)
		return NULL;
	if (from && tcp_rec_split(ts, r, from) < 0)
		return NULL;
	r = from ? r->next : r;
	if (to - from < tcp_rec_len(r) && tcp_rec_split(ts, r, to - from) < 0)
		return NULL;
	return r;
}

/* left..right is new in this ACK, or may be. */
static void range_sacked(struct tcp_sock *ts, uint32_t left, uint32_t right, struct tcp_ack_info *a)
{
	struct tcp_rec *prev = NULL, *r = walk_start(ts->est->xfer, left), *in;

	for (; r && r->times && seq_lt(r->seq, right); prev = r, r = r->next) {
		if (seq_leq(r->end, left) || (r->flags & REC_SACKED))
			continue;
		in = rec_cut_out(ts, r, left, right);
		if (!in)
			continue;
		if (in != r)
			prev = r;
		r = in;
		rec_sacked(ts, r, a);
		while (tcp_rec_join(ts, r))
			;
		if (prev && tcp_rec_join(ts, prev))
			r = prev;
		ts->est->xfer->sack_last = r;
	}
}

/*
 * What of a block no block of the last ACK has named, and the segments at its edges: they may have been
 * named in part.
 */
static void block_take(struct tcp_sock *ts, uint32_t left, uint32_t right, struct tcp_ack_info *a)
{
	uint32_t(*seen)[2] = ts->est->xfer->sack_seen, part = ts->mss - 1;
	uint32_t from = left;

	for (unsigned i = 0; i < TCP_SACK_BLOCKS && seq_lt(from, right); i++) {
		if (seq_geq(seen[i][0], seen[i][1]) || seq_leq(seen[i][1], from) ||
		    seq_geq(seen[i][0], right))
			continue;
		if (seq_lt(from, seen[i][0]))
			range_sacked(ts, from, seq_min(seen[i][0] + part, right), a);
		from = seq_geq(seen[i][1], right) ? right : seq_max(from, seen[i][1] - part);
	}
	if (seq_lt(from, right))
		range_sacked(ts, from, right, a);
}

static void seen_forget(struct tcp_xfer *x)
{
	for (unsigned i = 0; i < TCP_SACK_BLOCKS; i++)
		x->sack_seen[i][0] = x->sack_seen[i][1] = 0;
}

static void blocks_take(struct tcp_sock *ts, const struct blocks *k, struct tcp_ack_info *a)
{
	uint32_t(*seen)[2] = ts->est->xfer->sack_seen;

	if (ts->est->xfer->sacked == 0) /* that loss is over; the numbers come again after 4 GB */
		seen_forget(ts->est->xfer);
	for (unsigned i = 0; i < k->n; i++)
		block_take(ts, k->b[i][0], k->b[i][1], a);
	for (unsigned i = 0; i < TCP_SACK_BLOCKS; i++) {
		seen[i][0] = i < k->n ? k->b[i][0] : 0;
		seen[i][1] = i < k->n ? k->b[i][1] : 0;
	}
}

void tcp_sack_in(struct tcp_sock *ts, const struct pkbuf *b, struct tcp_ack_info *a)
{
	const struct tcp_seg *g = (const struct tcp_seg *)(const void *)b->cb;
	struct blocks all, valid = {0};
	bool dsack;

	if (!(ts->flags & TCP_F_SACK) || g->nsack == 0)
		return;
	blocks_read(g, b, &all);
	dsack = first_is_dsack(ts, &all, g->ack);
	if (dsack)
		dsack_take(ts, all.b[0], a);
	if (!ts->est->xfer || tcp_flight(ts) == 0)
		return;
	for (unsigned i = 0; i < all.n; i++) {
		if (block_is_valid(ts, all.b[i]))
			block_insert(&valid, all.b[i]);
		else
			count_invalid(ts, all.b[i], g->ack, dsack && i == 0);
	}
	a->reordered = a->prior_fack;
	blocks_take(ts, &valid, a);
	if (a->sacked)
		a->odd = true;
	if (seq_lt(a->reordered, a->prior_fack) &&
	    (ts->ca_state != CA_LOSS || ts->est->xfer->undo.on))
		tcp_reordering(ts, a->reordered, false);
}

void tcp_sack_forget(struct tcp_sock *ts)
{
	struct tcp_xfer *x = ts->est->xfer;

	for (struct tcp_rec *r = x->head; r && r->times; r = r->next)
		tcp_rec_unmark(ts, r, REC_SACKED);
	seen_forget(x);
	x->sack_last = x->sack_high = NULL;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPSACKReneging);
}
