/*
 * tcp/tcp_ecn.c - Explicit Congestion Notification (RFC 3168, 6.1): agreed on by the SYNs; a segment
 * that comes marked is echoed until the sender says that it has slowed down.
 *
 * What an echo does to cwnd is tcp_recovery.c's.  A peer that offers AccECN (RFC 9768) is answered as
 * a server of RFC 3168 answers, which is what that RFC falls back to.
 */
#include "lib/wire/ip4.h"
#include "tcp/tcp_priv.h"

#define ECN_QUICKACKS 2u /* what may be news of congestion is not held back */

/* --- the handshake ------------------------------------------------------------------------------ */

/*
 * A SYN is never marked (6.1.1): where it is, something on the path writes the field.  AccECN's may
 * be, and has the bit beside the header length set.
 */
bool tcp_ecn_offered(const struct pkbuf *b, const struct tcp_hdr *h)
{
	const uint8_t all = TCP_SYN | TCP_ACK | TCP_ECE | TCP_CWR;

	if ((h->flags & all) != (TCP_SYN | TCP_ECE | TCP_CWR))
		return false;
	return (b->tos & IP_ECN) == 0 || (h->off & TCP_OFF_AE);
}

void tcp_ecn_connect(struct tcp_sock *ts)
{
	ts->flags &= ~(TCP_F_ECN | TCP_F_ECE | TCP_F_CWR | TCP_F_ECN_SEEN);
	if (sysctl_get(ts->sk.stack, tcp_ecn) == TCP_ECN_ASK)
		ts->flags |= TCP_F_ECN;
}

/* The peer's SYN or SYN-ACK, to ours that asked. */
void tcp_ecn_synsent(struct tcp_sock *ts, const struct tcp_seg *g)
{
	const uint8_t both = TCP_ECE | TCP_CWR;
	uint8_t want = g->flags & TCP_ACK ? TCP_ECE : both;

	if ((g->flags & both) != want)
		ts->flags &= ~TCP_F_ECN;
}

/* 6.1.1.1: a SYN that asked and was lost may have been lost for it. */
static uint8_t syn_flags(const struct tcp_sock *ts)
{
	if (!(ts->flags & TCP_F_ECN))
		return 0;
	if (tcp_state_of(ts) != TCP_SYN_SENT)
		return TCP_ECE;
	if ((ts->flags & TCP_F_SYN_RTX) && sysctl_get(ts->sk.stack, tcp_ecn_fallback))
		return 0;
	return TCP_ECE | TCP_CWR;
}

/* --- sending ------------------------------------------------------------------------------------ */

uint8_t tcp_ecn_flags(struct tcp_sock *ts, uint8_t flags, bool fresh)
{
	uint8_t more = 0;

	if (flags & TCP_SYN)
		return syn_flags(ts);
	if (!(ts->flags & TCP_F_ECN) || (flags & TCP_RST))
		return 0;
	if (ts->flags & TCP_F_ECE)
		more |= TCP_ECE;
	if (fresh && (ts->flags & TCP_F_CWR)) {
		ts->flags &= ~TCP_F_CWR;
		more |= TCP_CWR;
	}
	return more;
}

/* 6.1.2: cwnd has fallen, whatever for; the next new segment tells. */
void tcp_ecn_reduced(struct tcp_sock *ts)
{
	if (ts->flags & TCP_F_ECN)
		ts->flags |= TCP_F_CWR;
}

/* --- receiving ---------------------------------------------------------------------------------- */

static void ack_soon(struct tcp_sock *ts)
{
	if (ts->quickacks < ECN_QUICKACKS)
		ts->quickacks = ECN_QUICKACKS;
	ts->flags &= ~TCP_F_PINGPONG;
}

/* 6.1.3: of a segment with text.  CWR first: the mark beside it is a new one. */
void tcp_ecn_in(struct tcp_sock *ts, const struct pkbuf *b, const struct tcp_seg *g)
{
	if (!(ts->flags & TCP_F_ECN))
		return;
	if (g->flags & TCP_CWR) {
		ts->flags &= ~TCP_F_ECE;
		ts->flags |= TCP_F_ACK_NOW;
	}
	switch (b->tos & IP_ECN) {
	case IP_ECN_NONE: /* of a sender that marks: most likely sent again */
		if (ts->flags & TCP_F_ECN_SEEN)
			ack_soon(ts);
		return;
	case IP_ECN_CE:
		if (!(ts->flags & TCP_F_ECE))
			ack_soon(ts);
		ts->flags |= TCP_F_ECE;
	}
	ts->flags |= TCP_F_ECN_SEEN;
}

bool tcp_ecn_echo(const struct tcp_sock *ts, const struct tcp_seg *g)
{
	return (ts->flags & TCP_F_ECN) && (g->flags & (TCP_ECE | TCP_SYN)) == TCP_ECE;
}
