/*
 * tcp/tcp_autotune.c - how large the buffers are: the receive buffer by dynamic right-sizing (Fisk and
 * Feng, "Dynamic Right-Sizing in TCP", 2001), the send buffer by cwnd.
 *
 * What the program reads in one round trip is what cwnd of the peer was a round trip ago.  A sender
 * in slow start has doubled it since, so twice as much is offered, and more while it still grows.
 * Both only grow: a window that was offered is not taken back.
 */
#include "tcp/tcp_priv.h"

#define TUNE_SEGMENTS 16u  /* room beside twice what was read: a first flight, and lost segments */
#define NEAR_US 100u       /* round trip of a short path, where 1 MB each are 80 Gbit/s ... */
#define NEAR_NOT_US 10000u /* ... and one seen later that no queue before us explains */
#define NEAR_FRAMES 720u   /* of the 1000 that a TAP's queue holds */
#define SND_OVERHEAD 640u  /* headers and book-keeping of a segment as Linux counts them ... */
#define SND_OVERHEAD2 256u /* ... with its memory in powers of two */
#define SND_WINDOWS 2u     /* of cwnd: one on the way, one to follow it */

/* Wraps after 71 minutes: what an idle hour makes too short is measured anew at once. */
static uint32_t tune_us(uint64_t ns)
{
	return (uint32_t)(ns / NSEC_PER_USEC);
}

/* --- the receiver's round trip ------------------------------------------------------------------ */

/* The echo of a timestamp is of a segment of ours: the peer's answer to it came at once. */
static void rtt_by_echo(struct tcp_tune *t, uint32_t us)
{
	if (t->rtt_us == 0)
		t->rtt_us = us;
	else
		t->rtt_us = (uint32_t)((7ull * t->rtt_us + us) / 8);
}

/* What lies behind the edge was sent after our ACK had moved it: at least a round trip, often more. */
static void rtt_by_window(struct tcp_sock *ts, uint32_t end, uint32_t now)
{
	struct tcp_tune *t = &ts->est->tune;
	uint32_t us;

	if (t->rtt_since_us) {
		if (seq_leq(end, t->rtt_seq))
			return;
		us = now - t->rtt_since_us;
		if (t->rtt_us == 0 || us < t->rtt_us)
			t->rtt_us = us ? us : 1;
	}
	t->rtt_since_us = now ? now : 1;
	t->rtt_seq = ts->rcv_adv;
}

void tcp_tune_rtt(struct tcp_sock *ts, const struct tcp_seg *g, uint32_t n, uint64_t now)
{
	uint32_t ms;

	if (!(ts->flags & TCP_F_TS)) {
		rtt_by_window(ts, g->end, tune_us(now));
		return;
	}
	/* a small segment may have waited for the sender's program */
	if (!(g->opts & SEG_OPT_TS) || g->tsecr == ts->est->tune.rtt_tsecr || n < ts->est->rcv_mss)
		return;
	ts->est->tune.rtt_tsecr = g->tsecr;
	ms = tcp_ms(now) + ts->ts_offset - g->tsecr;
	if (ms < TCP_PAWS_IDLE_MS / 1000)
		rtt_by_echo(&ts->est->tune, (ms ? ms : 1) * 1000);
}

/* --- the receive buffer ------------------------------------------------------------------------- */

/* What a peer in slow start may send in the next round trip, when `copied` were read in this. */
static uint64_t next_window(const struct tcp_sock *ts, uint32_t copied)
{
	uint64_t wnd = 2ull * copied + TUNE_SEGMENTS * ts->advmss;

	return wnd + 2 * (wnd * (copied - ts->est->tune.space) / ts->est->tune.space);
}

/* By the handshake, unless what was seen since tells of another path. */
static bool path_is_short(const struct tcp_sock *ts)
{
	return ts->est->min_rtt_us < NEAR_US && ts->est->tune.rtt_us < NEAR_NOT_US;
}

/*
 * The largest buffer that is of use.  On a short path what is offered beyond what the peer sends while we read
 * only waits in the device's queue; where each segment has a place there, that queue would overflow instead.
 */
static uint64_t rcvbuf_most(struct tcp_sock *ts)
{
	uint64_t most = (uint64_t)sysctl_get(ts->sk.stack, tcp_rmem_max);
	uint64_t fits = (uint64_t)NEAR_FRAMES * ts->advmss * TCP_RCVBUF_HALF;
	struct path *path;
	int err;

	if (fits >= most || !path_is_short(ts))
		return most;
	path = sock_path(&ts->sk, &err);
	return path && !(path->dev->features & NETDEV_F_TSO4) ? fits : most;
}

static void rcvbuf_grow(struct tcp_sock *ts, uint32_t copied)
{
	uint64_t most = rcvbuf_most(ts), buf = most;

	if ((ts->sk.flags & SOCK_RCVBUF_LOCKED) || depot_pressure(ts->sk.stack) ||
	    !sysctl_get(ts->sk.stack, tcp_moderate_rcvbuf))
		return;
	if (copied < most)
		buf = next_window(ts, copied) * TCP_RCVBUF_HALF;
	if (buf > most)
		buf = most;
	if (buf > ts->sk.rcvbuf)
		ts->sk.rcvbuf = (uint32_t)buf;
}

void tcp_tune_read(struct tcp_sock *ts)
{
	struct tcp_tune *t = &ts->est->tune;
	uint32_t copied = ts->copied_seq - t->seq, now;

	if (t->space == 0 || t->rtt_us == 0) /* ESTABLISHED, or a large segment, is still to come */
		return;
	now = tune_us(tcp_now(ts));
	if (now - t->since_us < t->rtt_us)
		return;
	if (copied > t->space) {
		rcvbuf_grow(ts, copied);
		t->space = copied;
	}
	t->seq = ts->copied_seq;
	t->since_us = now;
}

/* --- the send buffer ---------------------------------------------------------------------------- */

/* What Linux charges for a segment of n bytes, so that SO_SNDBUF says what it would say there. */
static uint64_t segment_charge(uint32_t n)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(n + SND_OVERHEAD - 1ull);

	return (1ull << bits) + SND_OVERHEAD2;
}

void tcp_sndbuf_tune(struct tcp_sock *ts)
{
	uint64_t segs = ts->est->cwnd / ts->mss, least = tcp_init_cwnd(ts) / ts->mss, buf;
	uint64_t most = (uint64_t)sysctl_get(ts->sk.stack, tcp_wmem_max);

	if ((ts->sk.flags & SOCK_SNDBUF_LOCKED) || depot_pressure(ts->sk.stack))
		return;
	if (segs < least)
		segs = least;
	if (segs <= tcp_reordering_is(ts))
		segs = tcp_reordering_is(ts) + 1;
	buf = SND_WINDOWS * segs * segment_charge(ts->mss);
	if (buf > most)
		buf = most;
	if (buf > ts->sk.sndbuf)
		atomic_store_explicit(&ts->sk.sndbuf, (uint32_t)buf, memory_order_relaxed);
}

/* --- the start ---------------------------------------------------------------------------------- */

void tcp_tune_start(struct tcp_sock *ts, uint64_t now)
{
	uint32_t first = tcp_init_cwnd(ts) / ts->mss * ts->advmss, wnd = ts->rcv_adv - ts->rcv_nxt;

	ts->est->tune = (struct tcp_tune){
	    .since_us = tune_us(now),
	    .seq = ts->copied_seq,
	    .space = first < wnd ? first : wnd,
	};
	if (ts->est->tune.space == 0)
		ts->est->tune.space = 1;
	tcp_sndbuf_tune(ts);
}
