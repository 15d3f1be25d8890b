/*
 * tcp/tcp_reno.c - what is lost, told by counting: NewReno where the peer has no SACK (RFC 6582),
 * and the third SACKed segment above a hole where RACK is off (RFC 6675).
 *
 * Without SACK each duplicate ACK stands for one segment that has left the network: x->sacked counts
 * them, in bytes, in place of RFC 5681's inflation of cwnd.
 */
#include "tcp/tcp_priv.h"

/*
 * One segment at least is missing, else there were no duplicates: more of them means that packets
 * are reordered, or came twice.
 */
static void dups_limit(struct tcp_sock *ts, uint32_t more)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t flight = tcp_flight(ts), holes = x->lost > ts->mss ? x->lost : ts->mss;
	uint32_t most = (uint32_t)sysctl_get(ts->sk.stack, tcp_max_reordering);
	uint32_t segs = (flight + more + ts->mss - 1) / ts->mss;

	if (holes > flight)
		holes = flight;
	if (x->sacked + holes <= flight)
		return;
	x->sacked = flight - holes;
	tcp_reordering_set(ts, segs < most ? segs : most);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPRenoReorder);
}

void tcp_reno_dup(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t before = x->sacked;

	x->sacked += ts->mss;
	dups_limit(ts, 0);
	if (x->sacked > before)
		a->delivered += x->sacked - before;
}

/* An ACK fills one hole; what it takes beside had been told by duplicates. */
void tcp_reno_acked(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t hole = a->acked < ts->mss ? a->acked : ts->mss, rest = a->acked - hole;

	a->delivered += a->acked > x->sacked + hole ? a->acked - x->sacked : hole;
	x->sacked -= rest < x->sacked ? rest : x->sacked;
	dups_limit(ts, a->acked);
	/* whatever it was, one of the two transmissions may have been it */
	if (a->acked_retrans)
		a->orig_delivered = false;
}

/* Holds the first segment that is out for lost. */
static void head_lose(struct tcp_sock *ts)
{
	uint32_t left = ts->mss;

	for (struct tcp_rec *r = ts->est->xfer->head; r && r->times && left; r = r->next) {
		if (r->flags & REC_LOST)
			return; /* and was sent again: its time-out decides */
		if (tcp_rec_len(r) > left && tcp_rec_split(ts, r, left) < 0)
			return;
		left -= tcp_rec_len(r);
		tcp_rec_lose(ts, r);
	}
}

void tcp_reno_find(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	const struct tcp_xfer *x = ts->est->xfer;

	if ((ts->ca_state < CA_RECOVERY && x->sacked >= tcp_reordering_is(ts) * ts->mss) ||
	    (ts->ca_state == CA_RECOVERY && a->acked))
		head_lose(ts);
}

/* A record is lost when more than two (or as many as are reordered) segments above it are SACKed. */
void tcp_dupthresh_find(struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;
	uint32_t above = x->sacked, enough = (tcp_reordering_is(ts) - 1u) * ts->mss;

	for (struct tcp_rec *r = x->head; r && r->times && above > enough; r = r->next) {
		if (r->flags & REC_SACKED)
			above -= r->end - r->seq;
		else if (!(r->flags & REC_LOST))
			tcp_rec_lose(ts, r);
	}
}
