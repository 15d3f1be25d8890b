/*
 * tcp/tcp_prr.c - Proportional Rate Reduction (RFC 9937): while cwnd falls to ssthresh, what is
 * sent stands in proportion to what is delivered.
 *
 * Counts are bytes, rounded up to segments: so a recovery sends its first segment with the first
 * delivery, as one that counts segments does.
 */
#include "tcp/tcp_priv.h"

/* `delivered` by the ACK that began it belongs to the flight that is reduced. */
void tcp_prr_start(struct tcp_sock *ts, uint32_t delivered)
{
	struct tcp_xfer *x = ts->est->xfer;

	x->prr.flight = tcp_flight(ts) - x->sacked + delivered;
	if (x->prr.flight < ts->mss)
		x->prr.flight = ts->mss;
	x->prr.delivered = x->prr.out = 0;
}

static uint32_t round_up(const struct tcp_sock *ts, uint64_t n)
{
	return (uint32_t)((n + ts->mss - 1) / ts->mss * ts->mss);
}

/* More is out than ssthresh: so much for so much, by the end of the flight. */
static uint32_t prr_proportional(const struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;
	uint64_t due =
	    ((uint64_t)x->prr.delivered * ts->est->ssthresh + x->prr.flight - 1) / x->prr.flight;
	uint32_t n = round_up(ts, due);

	return n > x->prr.out ? n - x->prr.out : 0;
}

/* Less is out: as much as was delivered (CRB), a segment more while that goes well (SSRB). */
static uint32_t prr_bound(const struct tcp_sock *ts, const struct tcp_ack_info *a, uint32_t pipe)
{
	const struct tcp_xfer *x = ts->est->xfer;
	uint32_t room = round_up(ts, ts->est->ssthresh - pipe), n = a->delivered;

	if (x->prr.delivered > x->prr.out && x->prr.delivered - x->prr.out > n)
		n = x->prr.delivered - x->prr.out;
	n = round_up(ts, n);
	if (a->acked && !a->lost)
		n += ts->mss;
	return n < room ? n : room;
}

void tcp_prr_ack(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t pipe = tcp_pipe(ts), n;

	if (a->delivered == 0)
		return;
	x->prr.delivered += a->delivered;
	n = pipe > ts->est->ssthresh ? prr_proportional(ts) : prr_bound(ts, a, pipe);
	if (n == 0 && x->prr.out == 0) /* the first retransmission is never held back */
		n = ts->mss;
	ts->est->cwnd = pipe + n;
}
