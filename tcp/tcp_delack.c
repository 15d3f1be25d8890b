/*
 * tcp/tcp_delack.c - when an ACK of text goes (RFC 9293, 3.8.6.3; RFC 5681, 4.2): at once for every
 * second full segment and for the first ones of a burst; else it waits for an answer to ride on, or
 * for the next segment, 40 to 200 ms, or until the program has read all where the sender may have stopped;
 * that of a request before accept(), 2 ms.
 *
 * How long follows the pace at which segments come, as Linux has it: a wait that was in vain doubles
 * it, and a sender that was quiet longer than an RTO is in slow start and gets its ACKs at once.
 */
#include "net/landing.h"
#include "tcp/tcp_priv.h"

#define ACK_ACCEPT_NS (2 * NSEC_PER_MSEC) /* for a request that nobody has accepted */
#define ACK_HELD_NS NSEC_PER_MSEC         /* behind a full buffer that the program had lent */
#define ATO_MIN_MS ((uint32_t)(TCP_ATO_MIN_NS / NSEC_PER_MSEC))
#define ATO_MAX_MS ((uint32_t)(TCP_ATO_MAX_NS / NSEC_PER_MSEC))

static uint32_t rto_ms(const struct tcp_sock *ts)
{
	return ts->est->rto_us / 1000 < UINT16_MAX ? ts->est->rto_us / 1000 : UINT16_MAX;
}

static uint16_t ato_bound(const struct tcp_sock *ts, uint32_t ms)
{
	return (uint16_t)(ms < rto_ms(ts) ? ms : rto_ms(ts));
}

/* Text came `gap` ms after the last. */
static void ato_follow(struct tcp_sock *ts, uint32_t gap)
{
	if (ts->est->ato_ms == 0)
		ts->est->ato_ms = (uint16_t)ATO_MIN_MS;
	else if (gap <= ATO_MIN_MS / 2)
		ts->est->ato_ms = (uint16_t)(ts->est->ato_ms / 2 + ATO_MIN_MS / 2);
	else if (gap < ts->est->ato_ms)
		ts->est->ato_ms = ato_bound(ts, ts->est->ato_ms / 2 + gap);
	else if (gap > rto_ms(ts))
		ts->quickacks = TCP_QUICKACKS;
}

/* No longer than a round trip, where one is known: the sender may wait for it. */
static uint32_t ack_wait_ms(const struct tcp_sock *ts)
{
	uint32_t most = ATO_MAX_MS, rtt = ts->est->srtt_us / 1000;

	if (ts->est->ato_ms == 0) /* no text came yet */
		return ATO_MIN_MS;
	if (rtt && rtt < most)
		most = rtt > ATO_MIN_MS ? rtt : ATO_MIN_MS;
	return ts->est->ato_ms < most ? ts->est->ato_ms : most;
}

static void ack_wait(struct tcp_sock *ts, uint64_t now)
{
	if (ts->flags & TCP_F_ACK_DELAY)
		return;
	ts->flags |= TCP_F_ACK_DELAY;
	tcp_timer_set(ts, TCP_DUE_ACK, now + ack_wait_ms(ts) * NSEC_PER_MSEC);
}

void tcp_ack_delay(struct tcp_sock *ts)
{
	ack_wait(ts, tcp_now(ts));
}

/*
 * A request that nobody has accepted yet: the program is busy with others, and will answer as soon as it has seen it.
 * So the ACK is held for a moment although the sender may be in slow start, where it has sent all it wants to say.
 */
static void ack_await_accept(struct tcp_sock *ts, uint64_t now)
{
	if (ts->flags & TCP_F_ACK_DELAY)
		return;
	ts->flags |= TCP_F_ACK_DELAY;
	tcp_timer_set(ts, TCP_DUE_ACK, now + ACK_ACCEPT_NS);
}

/* None of the first ACKs has gone. */
static bool ack_awaits_answer(const struct tcp_sock *ts)
{
	return (ts->flags & (TCP_F_ACK_DELAY | TCP_F_PASSIVE | TCP_F_PINGPONG)) ==
		   (TCP_F_ACK_DELAY | TCP_F_PASSIVE) &&
	       ts->quickacks == TCP_QUICKACKS;
}

void tcp_ack_schedule(struct tcp_sock *ts, bool pushed, uint64_t now)
{
	ato_follow(ts, tcp_ms(now) - ts->est->last_rcvd_ms);
	ts->est->last_rcvd_ms = tcp_ms(now);
	if (ts->rcv_nxt - ts->ack_sent > ts->est->rcv_mss) {
		ts->flags |= TCP_F_ACK_NOW;
		return;
	}
	if (ts->quickacks > 0 && !(ts->flags & TCP_F_PINGPONG)) {
		if (pushed && !atomic_load_explicit(&ts->sk.socket, memory_order_relaxed)) {
			ack_await_accept(ts, now);
			return;
		}
		ts->quickacks--;
		ts->flags |= TCP_F_ACK_NOW;
		return;
	}
	ts->ack_pushed |= pushed;
	ack_wait(ts, now);
}

/*
 * A program's buffer has been filled straight from the device (net/landing.h), and its thread goes back for a moment with more
 * frames waiting: the ACK may be for the next buffer too.  It goes with that, or when the thread has found nothing more
 * and is about to sleep, or else soon.  A sender that has used half of its window is not kept from the rest.
 */
bool tcp_ack_hold(struct tcp_sock *ts)
{
	const struct landing *l = landing_of(ts->sk.stack);
	uint32_t owed = ts->rcv_nxt - ts->ack_sent, wnd = ts->rcv_adv - ts->ack_sent;

	if (!l || l->owner != ts || !l->full || ts->rare->ofo ||
	    tcp_state_of(ts) != TCP_ESTABLISHED || owed > NETDEV_BATCH_BYTES / 2 || owed > wnd / 2)
		return false;
	tcp_timer_set(ts, TCP_DUE_ACK, tcp_now(ts) + ACK_HELD_NS);
	return true;
}

/* The program has read all there was: it will not answer in the same breath unless it has before. */
void tcp_ack_read(struct tcp_sock *ts)
{
	if (!ts->ack_pushed || !(ts->flags & TCP_F_ACK_DELAY) || (ts->flags & TCP_F_PINGPONG) ||
	    ts->est->rcvq_head)
		return;
	ts->flags |= TCP_F_ACK_NOW;
	tcp_push(&ts->sk);
}

/* The ACK of the peer's SYN is owed, which may accept no sooner. */
static bool ack_opens(const struct tcp_sock *ts)
{
	return (ts->flags & (TCP_F_ACK_DELAY | TCP_F_PASSIVE)) == TCP_F_ACK_DELAY &&
	       ts->rcv_nxt == ts->est->irs + 1 && !ts->rare->defer_accept;
}

/* The program waits for the peer to speak: what was to ride on its request, or on its first answer, goes now. */
void tcp_await(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);

	if (!ack_opens(ts) && !ack_awaits_answer(ts))
		return;
	ts->flags |= TCP_F_ACK_NOW;
	tcp_push(sk);
}

/* What the ACK waited for, an answer or the next segment, did not come. */
void tcp_ack_waited(struct tcp_sock *ts)
{
	if (ts->flags & TCP_F_ACK_NOW) { /* held; it tells nothing of the sender's pace */
		tcp_push(&ts->sk);
		return;
	}
	if (!(ts->flags & TCP_F_ACK_DELAY))
		return;
	if (ts->flags & TCP_F_PINGPONG || ack_awaits_answer(ts))
		ts->est->ato_ms = (uint16_t)ATO_MIN_MS;
	else
		ts->est->ato_ms = ato_bound(ts, 2u * ts->est->ato_ms);
	ts->flags &= ~TCP_F_PINGPONG;
	ts->flags |= TCP_F_ACK_NOW;
	mib_inc(ts->sk.stack, MIB_TcpExt_DelayedACKs);
	tcp_push(&ts->sk);
}

/* Text goes out: the ACKs of what comes may ride on such, if it answers what has just come. */
void tcp_ack_rides(struct tcp_sock *ts, uint64_t now)
{
	if (tcp_ms(now) - ts->est->last_rcvd_ms < ts->est->ato_ms)
		ts->flags |= TCP_F_PINGPONG;
}
