/*
 * tcp/tcp_cookie.c - SYN cookies (RFC 4987, 3.6): a SYN beyond the SYN queue is answered and
 * forgotten; the ISS of the answer is what has to be remembered, and the third ACK brings it back.
 *
 * The ISS holds 5 bits of a clock of 64 s, 3 bits for the MSS and 24 of a keyed hash over the
 * four-tuple, the peer's ISN and those 8 bits, which are covered by a second hash.  The low bits of
 * the timestamp, which the peer echoes, keep window scale, SACK and ECN; without timestamps the
 * connection has none of them.
 */
#include "lib/siphash.h"
#include "tcp/tcp_priv.h"

#define COOKIE_TICK_NS (64 * NSEC_PER_SEC)
#define COOKIE_TICKS 2u /* a cookie holds for 64 to 128 s */

#define COOKIE_TS_WSCALE 15u /* which is no scale: there was no option */
#define COOKIE_TS_SACK 16u
#define COOKIE_TS_ECN 32u
#define COOKIE_TS_ALL 63u

/* Those in use: loopback and jumbo frames, Ethernet, with tunnels and PPPoE, the least, ... */
static const uint16_t cookie_mss[8] = {TCP_MSS_MIN, 536, 1220, 1360, 1400, 1440, 1460, 8960};

/* --- the number --------------------------------------------------------------------------------- */

/* What the hashes cover. */
struct cookie_key {
	struct ip_addr laddr, raddr;
	uint16_t lport, rport;
	uint32_t irs;
	uint64_t what; /* clock and MSS; all ones: for the cover */
};
_Static_assert(sizeof(struct cookie_key) == 48, "no padding");

static uint64_t cookie_hash(const struct tcp_request *rq, uint64_t what)
{
	struct cookie_key k = {rq->c.laddr, rq->c.raddr, rq->c.lport, rq->c.rport, rq->irs, what};

	return siphash(&k, sizeof(k), rq->listener->stack->tcp->cookie_key);
}

/* tick and MSS as they stand uncovered, in 29 and 3 bits. */
static uint32_t cookie_make(const struct tcp_request *rq, uint32_t what)
{
	uint32_t cover = (uint32_t)cookie_hash(rq, UINT64_MAX) & 0xff;

	return ((what & 0xff) ^ cover) << 24 | (cookie_hash(rq, what) & 0xffffff);
}

static uint32_t cookie_tick(struct stack *st)
{
	return (uint32_t)(env_now(st->env) / COOKIE_TICK_NS) & (UINT32_MAX >> 4);
}

static uint32_t cookie_mss_index(uint16_t mss)
{
	uint32_t i = 7;

	while (i && cookie_mss[i] > mss)
		i--;
	return i;
}

/* Is rq's ISS one that we have sent to this peer not long ago?  Then the MSS is known again. */
static bool cookie_check(struct tcp_request *rq)
{
	uint32_t tick = cookie_tick(rq->listener->stack);
	uint32_t what = (rq->iss >> 24) ^ ((uint32_t)cookie_hash(rq, UINT64_MAX) & 0xff);

	for (uint32_t age = 0; age < COOKIE_TICKS; age++) {
		if (((tick - age) & 31) != what >> 3)
			continue;
		rq->peer_mss = cookie_mss[what & 7];
		return cookie_make(rq, (tick - age) << 3 | (what & 7)) == rq->iss;
	}
	return false;
}

/* --- the timestamp ------------------------------------------------------------------------------ */

/* The clock with its low bits replaced, and never ahead of it. */
static uint32_t cookie_ts(const struct tcp_request *rq)
{
	uint32_t now = tcp_ms(env_now(rq->listener->stack->env)), ts = now & ~COOKIE_TS_ALL;

	ts |= rq->opts & SEG_OPT_WSCALE ? rq->snd_wscale : COOKIE_TS_WSCALE;
	if (rq->opts & SEG_OPT_SACK_OK)
		ts |= COOKIE_TS_SACK;
	if (rq->opts & SEG_OPT_ECN)
		ts |= COOKIE_TS_ECN;
	return seq_gt(ts, now) ? ts - (COOKIE_TS_ALL + 1) : ts;
}

/* The SYN as it must have been, by what the third ACK echoes. */
static void cookie_syn(struct tcp_sock *ls, const struct pkbuf *b, struct tcp_seg *syn)
{
	const struct tcp_seg *g = (const struct tcp_seg *)(const void *)b->cb;
	uint32_t ts = g->tsecr - tcp_ts_offset(ls->sk.stack, &b->dst, &b->src);

	*syn = (struct tcp_seg){.seq = g->seq - 1, .wnd = g->wnd, .flags = TCP_SYN};
	if (!(g->opts & SEG_OPT_TS) || !g->tsecr)
		return;
	syn->opts = SEG_OPT_TS;
	syn->tsval = g->tsval;
	if ((ts & COOKIE_TS_WSCALE) <= TCP_WSCALE_MAX) {
		syn->opts |= SEG_OPT_WSCALE;
		syn->wscale = ts & COOKIE_TS_WSCALE;
	}
	if (ts & COOKIE_TS_SACK)
		syn->opts |= SEG_OPT_SACK_OK;
	if (ts & COOKIE_TS_ECN)
		syn->opts |= SEG_OPT_ECN;
}

/* --- both ways ---------------------------------------------------------------------------------- */

void tcp_cookie_synack(struct tcp_sock *ls, const struct pkbuf *b)
{
	const struct tcp_seg *g = (const struct tcp_seg *)(const void *)b->cb;
	struct stack *st = ls->sk.stack;
	struct tcp_request rq;

	tcp_request_fill(&rq, ls, b, g);
	if (!(rq.opts & SEG_OPT_TS))
		rq.opts = 0;
	rq.iss = cookie_make(&rq, cookie_tick(st) << 3 | cookie_mss_index(rq.peer_mss));
	rq.cookie_ts = cookie_ts(&rq);
	ls->rare->listen->cookie_sent = env_now(st->env);
	mib_inc(st, MIB_TcpExt_SyncookiesSent);
	tcp_request_synack(&rq, NULL);
	tcp_request_empty(&rq);
}

/* Guessing is no use where none was sent. */
static bool cookie_expected(const struct tcp_sock *ls)
{
	uint64_t sent = ls->rare->listen->cookie_sent;
	struct stack *st = ls->sk.stack;

	return sysctl_get(st, tcp_syncookies) && sent &&
	       env_now(st->env) - sent < COOKIE_TICKS * COOKIE_TICK_NS;
}

bool tcp_cookie_ack(struct tcp_sock *ls, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	struct stack *st = ls->sk.stack;
	struct tcp_sock *child = NULL;
	struct tcp_request rq;
	struct tcp_seg syn;
	enum drop_reason why;

	if ((g->flags & (TCP_SYN | TCP_ACK)) != TCP_ACK || !cookie_expected(ls))
		return false;
	cookie_syn(ls, b, &syn);
	tcp_request_fill(&rq, ls, b, &syn);
	rq.iss = g->ack - 1;
	if (!cookie_check(&rq)) {
		mib_inc(st, MIB_TcpExt_SyncookiesFailed);
		tcp_request_empty(&rq);
		return false;
	}
	mib_inc(st, MIB_TcpExt_SyncookiesRecv);
	rq.sent = env_now(st->env);
	rq.answered = true; /* when the SYN-ACK went is not known: no RTT sample */
	why = tcp_child_make(ls, &rq, false, &child);
	tcp_request_empty(&rq);
	if (why)
		pkbuf_drop(b, why);
	else
		tcp_child_open(ls, child, b);
	return true;
}
