/*
 * tests/sim/lab_scoreboard.c - the send queue: its records in order and without a gap, the counts of what is
 * SACKed, lost and sent again beside those of a walk, the list by time of transmission.
 */
#include "tcp/tcp_priv.h"
#include "tests/sim/lab_world.h"

#define WALK_ALWAYS 32768u /* bytes queued up to which each look walks */
#define WALK_EACH 16u      /* ... else one in so many */

struct walk {
	uint32_t sacked, lost, retrans, timed; /* bytes; records */
};

uint32_t lab_end_retrans(const struct lab_end *e)
{
	return tcp_sk(e->sk)->rare->total_retrans;
}

/* Is it one of those RACK has to look at? */
static bool rec_is_timed(const struct tcp_rec *r)
{
	if (!r->times || r->flags & REC_SACKED)
		return false;
	return !(r->flags & REC_LOST) || r->flags & REC_RETRANS;
}

static void walk_one(struct lab_end *e, const struct tcp_rec *r, struct walk *k)
{
	uint32_t len = r->end - r->seq;

	if (r->flags & REC_SACKED)
		k->sacked += len;
	if (r->flags & REC_LOST)
		k->lost += len;
	if (r->flags & REC_RETRANS)
		k->retrans += len;
	k->timed += rec_is_timed(r);
	if (r->flags & REC_SACKED && r->flags & REC_LOST)
		lab_violate_end(e, "%u..%u is SACKed and lost", r->seq, r->end);
	if (r->flags & (REC_SACKED | REC_LOST) && !r->times)
		lab_violate_end(e, "%u..%u is marked and was never sent", r->seq, r->end);
	if (r->next && r->next->seq != r->end)
		lab_violate_end(e, "a record ends at %u, the next begins at %u", r->end,
				r->next->seq);
}

static void walk_edges(struct lab_end *e, const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;

	if (!seq_leq(x->head->seq, ts->snd_una) || !seq_lt(ts->snd_una, x->head->end))
		lab_violate_end(e, "SND.UNA %u is not in the first record, %u..%u", ts->snd_una,
				x->head->seq, x->head->end);
	if (x->tail->end != ts->write_seq)
		lab_violate_end(e, "the last record ends at %u, the queue at %u", x->tail->end,
				ts->write_seq);
	if (x->next && (x->next->times || x->next->seq != ts->snd_nxt))
		lab_violate_end(e, "the next to send is %u..%u, sent %u times, SND.NXT is %u",
				x->next->seq, x->next->end, x->next->times, ts->snd_nxt);
	if (!x->next && ts->snd_nxt != ts->write_seq)
		lab_violate_end(e, "%u bytes wait and none is the next to send",
				ts->write_seq - ts->snd_nxt);
}

static void walk_counts(struct lab_end *e, const struct tcp_sock *ts, const struct walk *k)
{
	const struct tcp_xfer *x = ts->est->xfer;

	if (ts->flags & TCP_F_SACK && x->sacked != k->sacked)
		lab_violate_end(e, "%u bytes count as SACKed, %u are", x->sacked, k->sacked);
	if (x->lost != k->lost)
		lab_violate_end(e, "%u bytes count as lost, %u are", x->lost, k->lost);
	if (x->retrans != k->retrans)
		lab_violate_end(e, "%u bytes count as sent again, %u are", x->retrans, k->retrans);
}

static void walk_times(struct lab_end *e, const struct tcp_xfer *x, const struct walk *k)
{
	uint32_t n = 0;

	for (const struct tcp_rec *r = x->oldest; r; r = r->later) {
		n++;
		if (!rec_is_timed(r))
			lab_violate_end(e, "%u..%u stands on the list by time and should not",
					r->seq, r->end);
		if (r->later && r->later->sent < r->sent)
			lab_violate_end(e, "%u..%u was sent later than the next by time", r->seq,
					r->end);
		if (n > k->timed)
			break;
	}
	if (n != k->timed)
		lab_violate_end(e, "%u records stand on the list by time, %u should", n, k->timed);
}

void lab_check_scoreboard(struct lab_end *e, const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;
	struct walk k = {0};

	if (!x || !x->head) {
		if (ts->snd_una != ts->write_seq)
			lab_violate_end(e, "%u bytes are queued in no record",
					ts->write_seq - ts->snd_una);
		if (x && (x->sacked || x->lost || x->retrans))
			lab_violate_end(e,
					"nothing is queued, and %u bytes count as SACKed, %u as "
					"lost, %u as sent again",
					x->sacked, x->lost, x->retrans);
		return;
	}
	if (ts->write_seq - ts->snd_una > WALK_ALWAYS && e->conn->w->checks % WALK_EACH)
		return;
	for (const struct tcp_rec *r = x->head; r; r = r->next)
		walk_one(e, r, &k);
	walk_edges(e, ts);
	walk_counts(e, ts, &k);
	walk_times(e, x, &k);
}
