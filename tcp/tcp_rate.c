/*
 * tcp/tcp_rate.c - how fast the network delivers (draft-ietf-ccwg-bbr, 4.1), and what held the
 * sender back meanwhile.
 *
 * Each record takes a snapshot of the delivery count when it is sent; an ACK's sample spans from
 * the snapshot of the newest record it delivers to now, and is no shorter than the time that
 * record's flight took to be sent, so that ACKs which come in a lump do not look like a fast path.
 */
#include "tcp/tcp_priv.h"

/* r->sent is set, SND.NXT not moved yet where it goes for the first time. */
void tcp_rate_sent(struct tcp_sock *ts, struct tcp_rec *r)
{
	struct tcp_xfer *x = ts->est->xfer;
	struct tcp_delivery *d = &ts->est->delivery;
	uint32_t from = seq_lt(r->seq, ts->snd_nxt) ? r->seq : ts->snd_nxt;

	if (tcp_flight(ts) == 0) /* a flight begins */
		x->first_sent = x->delivered_at = r->sent;
	r->first_sent = x->first_sent;
	r->delivered_at = x->delivered_at;
	r->delivered = d->bytes;
	r->lost = d->lost;
	r->flight = tcp_pipe(ts) + (r->end - from); /* with what goes with it, before it */
	if (d->app_limited)
		r->flags |= REC_APP_LIMITED;
	else
		r->flags &= (uint8_t)~REC_APP_LIMITED;
}

/* r, or the front of it, is newly acknowledged or SACKed; once each. */
void tcp_rate_delivered(struct tcp_sock *ts, const struct tcp_rec *r, struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;
	struct tcp_rate *rs = &a->rate;

	if (rs->prior_at &&
	    (r->sent < x->first_sent || (r->sent == x->first_sent && seq_leq(r->end, rs->end))))
		return;
	rs->prior_delivered = r->delivered;
	rs->prior_at = r->delivered_at;
	rs->prior_lost = r->lost;
	rs->sent_ns = r->sent - r->first_sent;
	rs->flight = r->flight;
	rs->end = r->end;
	rs->app_limited = r->flags & REC_APP_LIMITED;
	x->first_sent = r->sent;
}

/* For TCP_INFO: the last sample, but one that the program limited only where it is higher. */
static void rate_keep(struct tcp_sock *ts, const struct tcp_rate *rs)
{
	struct tcp_delivery *d = &ts->est->delivery;
	uint64_t rate = rs->delivered * NSEC_PER_SEC / rs->interval_ns;

	if (rs->app_limited && rate < d->rate)
		return;
	d->rate = rate;
	ts->rate_app_limited = rs->app_limited;
}

/* All that the ACK delivered has been told: a->rate is the sample. */
void tcp_rate_done(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	struct tcp_delivery *d = &ts->est->delivery;
	struct tcp_rate *rs = &a->rate;
	uint64_t ack_ns;

	if (a->delivered) {
		uint32_t n = a->delivered > ts->mss ? (a->delivered + ts->mss - 1) / ts->mss : 1;

		d->bytes += a->delivered;
		ts->est->xfer->delivered_at = a->now;
		ts->est->delivered_segs += n;
		mib_add(ts->sk.stack, MIB_TcpExt_TCPDelivered, n);
	}
	if (d->app_limited && seq_gt((uint32_t)d->bytes, d->app_limited))
		d->app_limited = 0;
	if (!rs->prior_at)
		return;
	rs->delivered = d->bytes - rs->prior_delivered;
	rs->lost = d->lost - rs->prior_lost;
	ack_ns = ts->est->xfer->delivered_at - rs->prior_at;
	rs->interval_ns = ack_ns > rs->sent_ns ? ack_ns : rs->sent_ns;
	/* nothing is delivered faster than in a round trip: a retransmission was not needed */
	if (rs->interval_ns < ts->est->min_rtt_us * NSEC_PER_USEC)
		rs->interval_ns = 0;
	if (rs->interval_ns)
		rate_keep(ts, rs);
}

/* Samples up to so many bytes from now on are no measure of the network. */
void tcp_rate_limit(struct tcp_sock *ts, uint32_t ahead)
{
	uint32_t until = (uint32_t)ts->est->delivery.bytes + ahead;

	ts->est->delivery.app_limited = until ? until : 1;
}

/* The program comes with more: had it left the network unused? */
void tcp_rate_app_limited(struct tcp_sock *ts)
{
	const struct tcp_xfer *x = ts->est->xfer;
	uint32_t pipe = tcp_pipe(ts);

	if (ts->write_seq - ts->snd_nxt >= ts->mss || pipe >= ts->est->cwnd)
		return;
	if (x && x->lost > x->retrans)
		return;
	tcp_rate_limit(ts, pipe);
}

/* --- what holds the sender back: TCP_INFO's times ------------------------------------------------ */

static enum tcp_limit limit_now(const struct tcp_sock *ts)
{
	uint32_t edge = ts->snd_una + ts->snd_wnd;

	if (tcp_syn_is_out(ts) || ts->write_seq == ts->snd_una)
		return TCP_LIMIT_NONE;
	if (ts->write_seq == ts->snd_nxt)
		return ts->flags & TCP_F_NOSPACE ? TCP_LIMIT_SNDBUF : TCP_LIMIT_BUSY;
	if (seq_lt(edge, ts->write_seq) && edge - ts->snd_nxt < ts->mss &&
	    tcp_pipe(ts) + ts->mss <= ts->est->cwnd)
		return TCP_LIMIT_RWND;
	return TCP_LIMIT_BUSY;
}

/* Where the time spent so is counted. */
static void limit_add(struct tcp_sock *ts, enum tcp_limit which, uint32_t ms)
{
	struct tcp_rare *k;

	if (which == TCP_LIMIT_BUSY)
		ts->est->busy_ms += ms;
	if (which <= TCP_LIMIT_BUSY)
		return;
	k = tcp_rare_get(ts);
	if (k && which == TCP_LIMIT_RWND)
		k->rwnd_ms += ms;
	else if (k)
		k->sndbuf_ms += ms;
}

static void limit_change(struct tcp_sock *ts, enum tcp_limit is)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t now;

	if (is == x->limit)
		return;
	now = tcp_ms(tcp_now(ts));
	limit_add(ts, x->limit, now - x->limit_ms);
	x->limit = (uint8_t)is;
	x->limit_ms = now;
}

/* Something may have changed: the time since the last change belongs to what it was. */
void tcp_limit_update(struct tcp_sock *ts)
{
	if (ts->est->xfer)
		limit_change(ts, limit_now(ts));
}

void tcp_limit_end(struct tcp_sock *ts)
{
	limit_change(ts, TCP_LIMIT_NONE);
}

/* ms spent so, up to now. */
uint32_t tcp_limit_ms(const struct tcp_sock *ts, enum tcp_limit which)
{
	const struct tcp_xfer *x = ts->est->xfer;
	uint32_t ms = which == TCP_LIMIT_BUSY   ? ts->est->busy_ms
		      : which == TCP_LIMIT_RWND ? ts->rare->rwnd_ms
						: ts->rare->sndbuf_ms;

	return x && x->limit == which ? ms + (tcp_ms(tcp_now(ts)) - x->limit_ms) : ms;
}
