/*
 * tcp/tcp_check.c - the steps before the ACK field: PAWS (RFC 7323, 5), first the sequence number,
 * second RST, fourth SYN (RFC 9293, 3.10.7.4; RFC 5961, 3 and 4).  The third, security, is no more.
 *
 * An answer to a segment that cannot be right is limited, a connection and altogether, so that two
 * ends cannot keep each other busy and a blind sender learns nothing from our counters.
 */
#include <errno.h>

#include "tcp/tcp_priv.h"

bool tcp_oow_allowed(struct stack *st, uint32_t last, enum mib skipped)
{
	uint32_t limit = (uint32_t)sysctl_get(st, tcp_invalid_ratelimit);
	uint32_t now = tcp_ms(env_now(st->env));

	if (last && now - last < limit) {
		mib_inc(st, skipped);
		return false;
	}
	return true;
}

/* One of so many challenge ACKs a second for the whole stack, the number blurred (RFC 5961, 7). */
static bool challenge_allowed(struct stack *st)
{
	struct tcp_state *t = st->tcp;
	uint64_t old = atomic_load_explicit(&t->challenge, memory_order_relaxed), left, is;
	uint64_t second = (env_now(st->env) / NSEC_PER_SEC) & UINT32_MAX;
	uint32_t limit = (uint32_t)sysctl_get(st, tcp_challenge_ack_limit);

	do {
		left = old & UINT32_MAX;
		if (old >> 32 != second)
			left = limit / 2 + env_random(st->env) % (limit / 2 + 1) + 1;
		if (left == 0)
			return false;
		is = second << 32 | (left - 1);
	} while (!atomic_compare_exchange_weak_explicit(
	    &t->challenge, &old, is, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* False: no memory to limit such answers by, so there is none. */
static bool oow_note(struct tcp_sock *ts)
{
	struct tcp_rare *k = tcp_rare_get(ts);

	if (k)
		k->oow_ack_ms = tcp_ms(tcp_now(ts));
	return k;
}

static bool challenge_due(struct tcp_sock *ts)
{
	struct stack *st = ts->sk.stack;

	if (!tcp_oow_allowed(st, ts->rare->oow_ack_ms, MIB_TcpExt_TCPACKSkippedChallenge))
		return false;
	if (!challenge_allowed(st) || !oow_note(ts))
		return false;
	mib_inc(st, MIB_TcpExt_TCPChallengeACK);
	return true;
}

void tcp_challenge_ack(struct tcp_sock *ts)
{
	if (challenge_due(ts))
		tcp_send_ack(ts);
}

void tcp_challenge_owe(struct tcp_sock *ts)
{
	if (challenge_due(ts))
		tcp_ack_delay(ts);
}

/* The ACK to a segment out of the window; data are always answered, they are no part of a loop. */
static void oow_ack(struct tcp_sock *ts, const struct tcp_seg *g, enum mib skipped)
{
	bool data = g->seq != g->end && !(g->flags & TCP_SYN);

	if (!data) {
		if (!tcp_oow_allowed(ts->sk.stack, ts->rare->oow_ack_ms, skipped))
			return;
		if (!oow_note(ts))
			return;
	}
	ts->flags |= TCP_F_ACK_NOW;
}

/* --- timestamps --------------------------------------------------------------------------------- */

/*
 * RFC 7323, 5.3, R1, and 5.5: a TS.Recent of 24 days ago says nothing.  Nor does a segment without the
 * option: 3.2 would have it dropped (SHOULD), which ends the connection behind a box that takes options off.
 */
static bool paws_reject(const struct tcp_sock *ts, const struct tcp_seg *g, uint64_t now)
{
	if (!(ts->flags & TCP_F_TS) || !(g->opts & SEG_OPT_TS))
		return false;
	return seq_lt(g->tsval, ts->ts_recent) && tcp_ms(now) - ts->ts_recent_ms < TCP_PAWS_IDLE_MS;
}

enum drop_reason tcp_check_paws(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);

	if ((g->flags & TCP_RST) || !paws_reject(ts, g, tcp_now(ts)) || tcp_ofo_overtaken(ts, g))
		return DROP_NONE;
	mib_inc(ts->sk.stack, MIB_TcpExt_PAWSEstab);
	oow_ack(ts, g, MIB_TcpExt_TCPACKSkippedPAWS);
	return DROP_TCP_PAWS;
}

/* RFC 7323, 4.3, (2): only of a segment that holds Last.ACK.sent, or old data would move it; never back. */
void tcp_ts_recent_update(struct tcp_sock *ts, const struct tcp_seg *g, uint64_t now)
{
	if (!(ts->flags & TCP_F_TS) || !(g->opts & SEG_OPT_TS))
		return;
	if (seq_gt(g->seq, ts->ack_sent) || paws_reject(ts, g, now))
		return;
	ts->ts_recent = g->tsval;
	ts->ts_recent_ms = tcp_ms(now);
}

/* --- sequence number ---------------------------------------------------------------------------- */

/*
 * RFC 9293, 3.10.7.4, first.  Two things beyond the table: a bare segment may stand at the right
 * edge, where a sender that filled the window is, or its ACKs would be lost; and a closed window
 * lets a segment at RCV.NXT in for its ACK, URG or RST.
 */
bool tcp_seq_acceptable(const struct tcp_seg *g, uint32_t rcv_nxt, uint32_t wnd)
{
	uint32_t edge = rcv_nxt + wnd;

	if (g->seq == g->end)
		return seq_leq(rcv_nxt, g->seq) && seq_leq(g->seq, edge);
	if (wnd == 0)
		return g->seq == rcv_nxt;
	return seq_gt(g->end, rcv_nxt) && seq_lt(g->seq, edge);
}

/*
 * Both ends opened at once: the peer's SYN has come before, now it comes with the ACK of ours and
 * stands for that ACK alone (RFC 9293, 3.5, figure 7).
 */
static void synack_crossed(struct tcp_sock *ts, struct tcp_seg *g)
{
	const uint8_t both = TCP_SYN | TCP_ACK;

	if (tcp_state_of(ts) != TCP_SYN_RECV || (g->flags & (both | TCP_RST)) != both)
		return;
	if (g->seq != ts->est->irs || ts->rcv_nxt != ts->est->irs + 1 ||
	    !seq_between(g->ack, ts->iss + 1, ts->snd_nxt + 1))
		return;
	g->flags &= (uint8_t)~TCP_SYN;
	g->seq++;
	g->wnd >>= ts->snd_wscale; /* a SYN's is not scaled (RFC 7323, 2.2), and an ACK's will be */
}

/* The SYN of a child of Fast Open came again: our SYN-ACK may have been lost. */
static bool syn_again(struct tcp_sock *ts, const struct tcp_seg *g)
{
	const uint8_t bits = TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN;

	if (!(ts->flags & TCP_F_FASTOPEN) || g->seq != ts->est->irs || (g->flags & bits) != TCP_SYN)
		return false;
	if (!tcp_oow_allowed(ts->sk.stack, ts->rare->oow_ack_ms, MIB_TcpExt_TCPACKSkippedSynRecv))
		return true;
	if (!oow_note(ts))
		return true;
	tcp_send_syn(ts);
	ts->est->syn_sent_us = 0; /* which of the two is acknowledged nobody will know */
	return true;
}

enum drop_reason tcp_check_seq(struct tcp_sock *ts, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	enum mib skipped = MIB_TcpExt_TCPACKSkippedSeq;

	synack_crossed(ts, g);

	if (tcp_seq_acceptable(g, ts->rcv_nxt, ts->rcv_adv - ts->rcv_nxt))
		return DROP_NONE;
	if (g->flags & TCP_RST)
		return DROP_TCP_WINDOW;
	if (syn_again(ts, g))
		return DROP_TCP_OLD_DATA;
	if (g->flags & TCP_SYN) /* RFC 5961, 4.2: wherever it stands */
		return tcp_check_syn(ts, b);
	if (tcp_state_of(ts) == TCP_SYN_RECV)
		skipped = MIB_TcpExt_TCPACKSkippedSynRecv;
	else
		tcp_dsack_old(ts, g);
	oow_ack(ts, g, skipped);
	return DROP_TCP_WINDOW;
}

/* --- RST and SYN -------------------------------------------------------------------------------- */

/*
 * What the program is told (RFC 9293, 3.10.7.4, second).  CLOSING and LAST-ACK, of which it says nothing,
 * tell as well: who still has the descriptor learns that the last of its data may not have arrived
 * (Linux).
 */
static int reset_errno(const struct tcp_sock *ts)
{
	switch (tcp_state_of(ts)) {
	case TCP_SYN_RECV:
		return ts->flags & TCP_F_PASSIVE ? ECONNRESET : ECONNREFUSED;
	case TCP_CLOSE_WAIT:
		return EPIPE;
	default:
		return ECONNRESET;
	}
}

/*
 * RFC 5961, 3.2: only the very next number ends the connection; to a peer whose segments have
 * overtaken others that is the end of what came last in the window (RFC 5961, 3.2 as Linux has it).
 */
static bool rst_exact(const struct tcp_sock *ts, const struct tcp_seg *g)
{
	if (g->seq == ts->rcv_nxt)
		return true;
	return (ts->flags & TCP_F_SACK) && ts->rare->ofo && g->seq == tcp_ofo_end(ts);
}

enum drop_reason tcp_check_rst(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	unsigned state = tcp_state_of(ts);

	if (!(g->flags & TCP_RST))
		return DROP_NONE;
	if (!rst_exact(ts, g)) {
		tcp_challenge_ack(ts);
		return DROP_TCP_RST_CHALLENGE;
	}
	if (state == TCP_SYN_RECV)
		mib_inc(ts->sk.stack, MIB_TcpExt_EmbryonicRsts);
	tcp_done(ts, reset_errno(ts));
	return DROP_TCP_RESET;
}

/* RFC 5961, 4.2: a peer that restarted answers the challenge with a RST that fits. */
enum drop_reason tcp_check_syn(struct tcp_sock *ts, struct pkbuf *b)
{
	if (!(tcp_seg(b)->flags & TCP_SYN))
		return DROP_NONE;
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPSYNChallenge);
	tcp_challenge_ack(ts);
	return DROP_TCP_SYN_CHALLENGE;
}
