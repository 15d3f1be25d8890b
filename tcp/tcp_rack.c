/*
 * tcp/tcp_rack.c - RACK (RFC 8985, 6): a record is lost when one sent later was delivered a
 * reordering window ago.
 *
 * While no reordering has been seen, duplicates count as in RFC 6675: the window is zero once
 * three segments are SACKed, and in recovery.
 */
#include "tcp/tcp_priv.h"

#define RACK_CALM 16u            /* RFC 8985, 6.2, step 4: recoveries a wider window lasts */
#define RACK_SLACK_NS 2000000ull /* a timer may be early by its tick; two, as Linux */
#define RACK_NO_DUPTHRESH 4      /* net.ipv4.tcp_recovery */
#define RACK_STATIC_WINDOW 2

void tcp_rack_init(struct tcp_sock *ts)
{
	struct tcp_rare *k;

	if (ts->rare == &tcp_rare_none)
		return;
	k = ts->rare_own;
	k->reordering = k->reord_seen = 0;
	k->reo_more = k->reo_persist = 0;
	k->dsack_round = k->dsack_dups = 0;
}

uint32_t tcp_reordering_is(const struct tcp_sock *ts)
{
	uint32_t seen = ts->rare->reordering;

	return seen ? seen : (uint32_t)sysctl_get(ts->sk.stack, tcp_reordering);
}

void tcp_reordering_set(struct tcp_sock *ts, uint32_t segs)
{
	struct tcp_rare *k = tcp_rare_get(ts);

	if (!k)
		return;
	k->reordering = (uint16_t)segs;
	if (k->reord_seen < UINT16_MAX)
		k->reord_seen++;
}

static bool sent_after(uint64_t t1, uint32_t end1, uint64_t t2, uint32_t end2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(end1, end2));
}

/* Step 2: an ACK this soon, or with an older timestamp, is for an earlier transmission. */
static bool is_for_earlier(const struct tcp_sock *ts, const struct tcp_rec *r,
			   const struct tcp_ack_info *a)
{
	if (r->times == 1)
		return false;
	if (a->echo && seq_lt(a->echo, tcp_ms(r->sent) + ts->ts_offset))
		return true;
	return a->now - r->sent < ts->est->min_rtt_us * NSEC_PER_USEC;
}

void tcp_rack_delivered(struct tcp_sock *ts, const struct tcp_rec *r, uint32_t end,
			const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (is_for_earlier(ts, r, a))
		return;
	x->rack_advanced = true;
	x->rack_rtt_us = (uint32_t)((a->now - r->sent) / NSEC_PER_USEC);
	if (sent_after(r->sent, end, x->rack_sent, x->rack_end)) {
		x->rack_sent = r->sent;
		x->rack_end = end;
	}
}

/* Step 4: wider by a step for each round in which something was sent again for nothing. */
void tcp_rack_dsack(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_rare *k = ts->rare_own;

	if (ts->rare->dsack_round && seq_geq(ts->snd_una, k->dsack_round))
		k->dsack_round = 0;
	if (!a->dsack || a->dsack_tlp || !ts->rare->reord_seen || k->dsack_round)
		return;
	if (sysctl_get(ts->sk.stack, tcp_recovery) & RACK_STATIC_WINDOW)
		return;
	k->dsack_round = ts->snd_nxt ? ts->snd_nxt : 1;
	if (k->reo_more < UINT8_MAX - 1)
		k->reo_more++;
	k->reo_persist = RACK_CALM;
}

void tcp_rack_calm(struct tcp_sock *ts)
{
	if (ts->rare->reo_persist && --ts->rare_own->reo_persist == 0)
		ts->rare_own->reo_more = 0;
}

/* RACK_update_reo_wnd(), ns. */
static uint64_t reorder_window(const struct tcp_sock *ts)
{
	const struct tcp_rare *k = ts->rare;
	uint64_t us;

	if (!k->reord_seen) {
		if (ts->ca_state >= CA_RECOVERY)
			return 0;
		if (ts->est->xfer->sacked >= tcp_reordering_is(ts) * ts->mss &&
		    !(sysctl_get(ts->sk.stack, tcp_recovery) & RACK_NO_DUPTHRESH))
			return 0;
	}
	us = (uint64_t)(ts->est->min_rtt_us / 4) * (k->reo_more + 1u);
	return (us < ts->est->srtt_us ? us : ts->est->srtt_us) * NSEC_PER_USEC;
}

uint64_t tcp_rack_left(const struct tcp_sock *ts, const struct tcp_rec *r, uint64_t now,
		       uint64_t window)
{
	uint64_t due = r->sent + ts->est->xfer->rack_rtt_us * NSEC_PER_USEC + window;

	return due > now ? due - now : 0;
}

/* RACK_detect_loss(): ns until all that may be lost is known to be; 0: it is known. */
static uint64_t rack_detect(struct tcp_sock *ts, uint64_t now)
{
	const struct tcp_xfer *x = ts->est->xfer;
	uint64_t window = reorder_window(ts), wait = 0, left;
	struct tcp_rec *r, *later;

	for (r = x->oldest; r; r = later) {
		later = r->later;
		if (!sent_after(x->rack_sent, x->rack_end, r->sent, r->end))
			break;
		left = tcp_rack_left(ts, r, now, window);
		if (left == 0)
			tcp_rec_lose(ts, r);
		else if (left > wait)
			wait = left;
	}
	return wait;
}

/* At most the RTO: a round trip that outlasted a blackout must not hold a repair back (RFC 6298, 5). */
static void reorder_arm(struct tcp_sock *ts, uint64_t now, uint64_t wait)
{
	uint64_t rto = tcp_rto_ns(ts);

	wait += RACK_SLACK_NS;
	tcp_rtx_arm(ts, RTX_REORDER, now + (wait < rto ? wait : rto));
}

void tcp_rack_find(struct tcp_sock *ts, struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint64_t wait, retrans = x->retrans;

	if (!x->rack_advanced)
		return;
	x->rack_advanced = false;
	wait = rack_detect(ts, a->now);
	if (x->retrans < retrans)
		a->lost_retrans = true;
	if (!wait)
		return;
	reorder_arm(ts, a->now, wait);
	a->timer_set = true;
}

/* Step 5, by the timer: what was waited for is lost now. */
void tcp_rack_timeout(struct tcp_sock *ts, uint64_t now)
{
	struct tcp_xfer *x = ts->est->xfer;
	uint32_t pipe = tcp_pipe(ts);
	struct tcp_ack_info a = {.delivered = ts->mss};

	if (!x || tcp_flight(ts) == 0)
		return;
	rack_detect(ts, now);
	if (pipe != tcp_pipe(ts)) {
		if (ts->ca_state != CA_RECOVERY && tcp_recovery_begin(ts, NULL) &&
		    !tcp_cc(ts)->control)
			tcp_prr_ack(ts, &a);
		tcp_push(&ts->sk);
	}
	if (!ts->due[TCP_DUE_RTX])
		tcp_rto_rearm(ts, now);
}
