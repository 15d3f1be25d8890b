/*
 * tcp/tcp_sack_out.c - what an ACK tells the peer beside its number: the SACK blocks of what is held out of order
 * (RFC 2018), and before them what has come twice (RFC 2883).
 */
#include "tcp/tcp_reass.h"

/* --- what came twice ---------------------------------------------------------------------------- */

void tcp_dsack_set(struct tcp_sock *ts, uint32_t left, uint32_t right)
{
	struct stack *st = ts->sk.stack;
	struct tcp_rare *k;

	if (!(ts->flags & TCP_F_SACK) || !sysctl_get(st, tcp_dsack))
		return;
	k = tcp_rare_get(ts);
	if (!k)
		return;
	if (k->dsack_left == k->dsack_right) {
		k->dsack_left = left;
		k->dsack_right = right;
		mib_inc(st, seq_lt(left, ts->rcv_nxt) ? MIB_TcpExt_TCPDSACKOldSent
						      : MIB_TcpExt_TCPDSACKOfoSent);
	} else if (seq_leq(left, k->dsack_right) && seq_leq(k->dsack_left, right)) {
		k->dsack_left = seq_min(k->dsack_left, left);
		k->dsack_right = seq_max(k->dsack_right, right);
	}
	if (ts->dupacks_owed == 0) /* an ACK of its own, for data carry no blocks */
		ts->dupacks_owed = 1;
}

void tcp_dsack_forget(struct tcp_sock *ts)
{
	if (ts->rare->dsack_left != ts->rare->dsack_right)
		ts->rare_own->dsack_left = ts->rare->dsack_right;
}

void tcp_dsack_old(struct tcp_sock *ts, const struct tcp_seg *g)
{
	if (g->seq == g->end || !seq_lt(g->seq, ts->rcv_nxt))
		return;
	mib_inc(ts->sk.stack, MIB_TcpExt_DelayedACKLost);
	ts->quickacks = TCP_QUICKACKS;
	ts->flags &= ~TCP_F_PINGPONG;
	tcp_dsack_set(ts, g->seq, seq_min(g->end, ts->rcv_nxt));
}

/* --- what is held ------------------------------------------------------------------------------- */

static void sack_write(const struct tcp_sock *ts, const struct ofo_block *k, uint32_t *block)
{
	block[0] = k->seq;
	block[1] = k->end;
	if ((ts->flags & TCP_F_FIN_SEEN) && k->end == ts->est->rcv_fin)
		block[1]++; /* the FIN is here too */
}

static bool is_told(uint32_t (*block)[2], unsigned n, const struct ofo_block *k)
{
	while (n--) {
		if (block[n][0] == k->seq)
			return true;
	}
	return false;
}

static bool is_before_hole(const struct tcp_sock *ts)
{
	return ts->rare->ofo->ack_first && ts->ack_sent != ts->rcv_nxt;
}

/*
 * A batch had text in order and then the first hole.  Had they come one by one, the text would have opened
 * the sender's cwnd; in one ACK with the blocks it begins the repair, and counts for nothing.  Without
 * SACK the first ACK would not be a duplicate.
 */
void tcp_ofo_ack_first(struct tcp_sock *ts)
{
	if (!ts->rare->ofo)
		return;
	if (is_before_hole(ts))
		tcp_send_ack(ts);
	ts->rare->ofo->ack_first = false;
}

/*
 * Those that have grown since they were told, then the others, the last that grew first (RFC 2018, 4).
 * A batch of segments may fill more blocks than an ACK has room for: then those that grew first are
 * told first, and the next ACK has the rest, or what it tells would look reordered to the peer.
 */
unsigned tcp_sack_out(struct tcp_sock *ts, uint32_t (*block)[2], unsigned max)
{
	struct ofo_block *k;
	unsigned n = 0, own, later;

	if (ts->rare->ofo && is_before_hole(ts))
		return 0;
	if (ts->rare->dsack_left != ts->rare->dsack_right) {
		block[n][0] = ts->rare->dsack_left;
		block[n++][1] = ts->rare->dsack_right;
		tcp_dsack_forget(ts);
	}
	if (!ts->rare->ofo)
		return n;
	own = n; /* behind a D-SACK */
	later = ts->rare->ofo->fresh > max - n ? ts->rare->ofo->fresh - (max - n) : 0;
	TAILQ_FOREACH(k, &ts->rare->ofo->recent, recent)
	{
		if (n == max || !ts->rare->ofo->fresh)
			break;
		if (!k->fresh || (later && later--))
			continue;
		sack_write(ts, k, block[n++]);
		k->fresh = false;
		ts->rare->ofo->fresh--;
	}
	TAILQ_FOREACH(k, &ts->rare->ofo->recent, recent)
	{
		if (n == max)
			break;
		if (!is_told(block + own, n - own, k))
			sack_write(ts, k, block[n++]);
	}
	return n;
}

bool tcp_sack_owed(const struct tcp_sock *ts)
{
	return (ts->flags & TCP_F_SACK) && ts->rare->ofo && ts->rare->ofo->fresh;
}
