/*
 * tcp/tcp_tlp.c - the tail loss probe (RFC 8985, 7): when nothing has been heard for two round trips
 * one more segment goes out, so that a lost tail is told by SACK and not by the time-out.
 */
#include "tcp/tcp_priv.h"

#define TLP_SLACK_NS 2000000ull /* over two round trips: the timers' ticks, two as Linux */

static bool tlp_wanted(const struct tcp_sock *ts)
{
	if (tcp_flight(ts) == 0 || (ts->flags & TCP_F_FASTOPEN)) /* the SYN-ACK has the timer */
		return false;
	return sysctl_get(ts->sk.stack, tcp_early_retrans) >= 3 && (ts->flags & TCP_F_SACK) &&
	       (ts->ca_state == CA_OPEN || ts->ca_state == CA_CWR);
}

/* 7.2: PTO.  A lone segment's ACK may be delayed. */
static uint64_t tlp_wait(const struct tcp_sock *ts)
{
	uint64_t least = (uint64_t)sysctl_get(ts->sk.stack, tcp_rto_min_us) * NSEC_PER_USEC;
	uint64_t wait = 2 * ts->est->srtt_us * NSEC_PER_USEC;

	if (ts->est->srtt_us == 0)
		return TCP_RTO_INIT_US * NSEC_PER_USEC;
	return wait + (tcp_flight(ts) <= ts->mss ? least : TLP_SLACK_NS);
}

bool tcp_tlp_arm(struct tcp_sock *ts, uint64_t now, bool rearm)
{
	uint64_t when, rto;

	if (!tlp_wanted(ts))
		return false;
	when = now + tlp_wait(ts);
	rto = rearm ? now + tcp_rto_ns(ts) : tcp_rto_due(ts, now);
	tcp_rtx_arm(ts, RTX_PROBE, when < rto ? when : rto);
	return true;
}

/* Where the last segment that is out begins: so many full ones behind what was sent with it. */
static struct tcp_rec *last_segment(struct tcp_sock *ts)
{
	struct tcp_rec *r, *first = ts->est->xfer->head;
	uint32_t over, fin;

	for (r = first; r->next && r->next->times; r = r->next) {
		if (r->next->sent != r->sent)
			first = r->next;
	}
	fin = (r->flags & REC_FIN) && tcp_rec_len(r); /* it rides on the last */
	over = (r->end - fin - first->seq - 1) / ts->mss * ts->mss;
	for (r = first; over && over >= tcp_rec_len(r); r = r->next)
		over -= tcp_rec_len(r);
	if (over == 0)
		return r;
	return tcp_rec_split(ts, r, over) < 0 ? NULL : r->next;
}

/* 7.3: new data, else the last segment again. */
static bool tlp_send(struct tcp_sock *ts)
{
	struct tcp_rec *r;

	ts->est->xfer->tlp.again = false;
	if (tcp_push_one(ts))
		return true;
	r = last_segment(ts);
	ts->est->xfer->tlp.again = true;
	return r && tcp_retransmit(ts, r, ts->mss) == 0;
}

void tcp_tlp_timeout(struct tcp_sock *ts, uint64_t now)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (!x || tcp_flight(ts) == 0)
		return;
	/* 7.3: one at a time, and an RTT sample between two, or SRTT would never follow the path */
	if (!x->tlp.out && !ts->probe_blind && tlp_send(ts)) {
		x->tlp.out = ts->probe_blind = true;
		x->tlp.end = ts->snd_nxt;
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPLossProbes);
		tcp_rto_arm(ts, now);
		return;
	}
	tcp_rtx_arm(ts, RTX_RTO, tcp_rto_due(ts, now));
}

/* The probe repaired a loss which no other ACK had told of: cwnd falls for it (7.4.2). */
static void tlp_repaired(struct tcp_sock *ts)
{
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPLossProbeRecovery);
	tcp_cwr_once(ts);
}

/* 7.4: what became of the probe. */
void tcp_tlp_ack(struct tcp_sock *ts, const struct tcp_ack_info *a)
{
	struct tcp_xfer *x = ts->est->xfer;

	if (!x->tlp.out || seq_lt(ts->snd_una, x->tlp.end))
		return;
	if (!x->tlp.again || a->dsack_tlp) {
		x->tlp.out = false;
	} else if (seq_gt(ts->snd_una, x->tlp.end)) {
		x->tlp.out = false;
		tlp_repaired(ts);
	} else if (a->pure && !a->acked && !a->sacked) {
		x->tlp.out = false; /* both came: the second's ACK is a duplicate */
	}
}
