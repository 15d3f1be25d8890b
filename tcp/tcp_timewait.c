/*
 * tcp/tcp_timewait.c - TIME-WAIT (RFC 9293, 3.6.1): a small sock for 2 MSL in place of the full one.
 *
 * It acknowledges what comes again, ignores RST (RFC 1337, 3), and gives way to a SYN that cannot
 * be an old duplicate, if somebody listens: above RCV.NXT, or with a newer timestamp (RFC 1122,
 * 4.2.2.13; RFC 6191).
 */
#include "lib/cell.h"
#include "tcp/tcp_priv.h"

#define TCP_REUSE_LOOPBACK 2 /* net.ipv4.tcp_tw_reuse */

static struct tcp_timewait *timewait_of(struct sock_common *c)
{
	return (struct tcp_timewait *)(void *)c;
}

static uint64_t timewait_end(struct stack *st)
{
	return env_now(st->env) + 2 * (uint64_t)sysctl_get(st, tcp_msl_ms) * NSEC_PER_MSEC;
}

static uint32_t load(_Atomic uint32_t *x)
{
	return atomic_load_explicit(x, memory_order_relaxed);
}

static void store(_Atomic uint32_t *x, uint32_t v)
{
	atomic_store_explicit(x, v, memory_order_relaxed);
}

/* --- its life ----------------------------------------------------------------------------------- */

/* The timer's reference first: once armed, another thread may put it. */
static void timewait_arm(struct tcp_timewait *tw, uint64_t when)
{
	atomic_fetch_add_explicit(&tw->c.ref, 1, memory_order_relaxed);
	if (!timer_arm(tw->stack->tcp_wheel, &tw->timer, when))
		inet_common_put(tw->stack->tcp->table, &tw->c);
}

static void timewait_disarm(struct tcp_timewait *tw)
{
	if (timer_disarm(tw->stack->tcp_wheel, &tw->timer))
		inet_common_put(tw->stack->tcp->table, &tw->c);
}

/* Another thread may end it before this one has come to the wheel: there was nothing to disarm then. */
static void timewait_wait(struct tcp_timewait *tw, uint64_t when)
{
	timewait_arm(tw, when);
	if (atomic_load(&tw->over))
		timewait_disarm(tw);
}

static void timewait_over(struct tcp_timewait *tw)
{
	atomic_store(&tw->over, true);
	timewait_disarm(tw);
}

static void timewait_fire(struct timer *t)
{
	struct tcp_timewait *tw =
	    (struct tcp_timewait *)(void *)((char *)t - offsetof(struct tcp_timewait, timer));
	struct inet_table *table = tw->stack->tcp->table;
	uint64_t due = atomic_load_explicit(&tw->due, memory_order_relaxed);

	if (inet_hashed(&tw->c)) {
		if (due > env_now(tw->stack->env)) {
			timewait_wait(tw, due);
		} else {
			mib_inc(tw->stack, MIB_TcpExt_TW);
			inet_unhash(table, &tw->c);
		}
	}
	inet_common_put(table, &tw->c);
}

void tcp_timewait_free(struct tcp_timewait *tw)
{
	struct stack *st = tw->stack;

	inet_port_release(st->tcp->table, tw->port);
	atomic_fetch_sub_explicit(&st->tcp->timewaits, 1, memory_order_relaxed);
	gauge_add(st, GAUGE_timewait, -1);
	cell_free(st, tw, sizeof(*tw));
}

void tcp_timewait_kill(struct tcp_timewait *tw)
{
	inet_unhash(tw->stack->tcp->table, &tw->c);
	timewait_over(tw);
}

static struct tcp_timewait *timewait_alloc(struct stack *st)
{
	uint32_t most = (uint32_t)sysctl_get(st, tcp_max_tw_buckets);
	uint32_t was = atomic_fetch_add_explicit(&st->tcp->timewaits, 1, memory_order_relaxed);
	struct tcp_timewait *tw = was < most ? cell_zalloc(st, sizeof(*tw)) : NULL;

	if (!tw) {
		atomic_fetch_sub_explicit(&st->tcp->timewaits, 1, memory_order_relaxed);
		mib_inc(st, MIB_TcpExt_TCPTimeWaitOverflow);
		return NULL;
	}
	tw->stack = st;
	timer_init(&tw->timer, timewait_fire);
	gauge_add(st, GAUGE_timewait, 1);
	return tw;
}

static void timewait_from(struct tcp_timewait *tw, const struct tcp_sock *ts)
{
	const struct sock_common *c = &ts->sk.c;

	tw->c.laddr = c->laddr;
	tw->c.raddr = c->raddr;
	tw->c.lport = c->lport;
	tw->c.rport = c->rport;
	atomic_store_explicit(&tw->c.ifindex, c->ifindex, memory_order_relaxed);
	tw->c.families = c->families;
	tw->c.proto = c->proto;
	tw->c.kind = SOCK_KIND_TIMEWAIT;
	atomic_store_explicit(&tw->c.state, TCP_TIME_WAIT, memory_order_relaxed);
	atomic_store_explicit(&tw->c.ref, 1, memory_order_relaxed);
	tw->snd_nxt = ts->snd_nxt;
	tw->rcv_nxt = ts->rcv_nxt;
	tw->rcv_wnd = ts->rcv_adv - ts->rcv_nxt;
	tw->rcv_wscale = ts->rcv_wscale;
	tw->ts_ok = ts->flags & TCP_F_TS;
	tw->ts_offset = ts->ts_offset;
	store(&tw->ts_recent, ts->ts_recent);
	store(&tw->ts_recent_ms, ts->ts_recent_ms);
	tw->mark = ts->sk.rare->mark;
	tw->tos = ts->sk.tos;
}

/* The peer's FIN is acknowledged here: ts is gone when the batch ends. */
void tcp_time_wait(struct tcp_sock *ts)
{
	struct stack *st = ts->sk.stack;
	struct inet_table *table = st->tcp->table;
	struct tcp_timewait *tw;

	if (ts->flags & TCP_F_ACK_NOW)
		tcp_send_ack(ts);
	tcp_set_state(ts, TCP_TIME_WAIT);
	tw = timewait_alloc(st);
	if (tw) {
		timewait_from(tw, ts);
		tw->port = inet_port_give(table, &ts->sk);
		if (inet_hash_insert(table, &tw->c, &ts->sk.c) == 0) {
			atomic_store_explicit(&tw->due, timewait_end(st), memory_order_relaxed);
			timewait_wait(tw, tw->due);
		}
		inet_common_put(table, &tw->c);
	}
	tcp_done(ts, 0);
}

/* --- segments in TIME-WAIT ---------------------------------------------------------------------- */

/* The peer's FIN is answered each time: it comes by a timer, and is no part of a loop (RFC 9293, 3.10.7.4, eighth). */
static void timewait_ack(struct tcp_timewait *tw, const struct tcp_seg *g)
{
	bool fin = (g->flags & (TCP_FIN | TCP_SYN)) == TCP_FIN;
	struct stack *st = tw->stack;
	uint32_t now = tcp_ms(env_now(st->env));
	struct tcp_reply r = {
	    .stack = st,
	    .src = tw->c.laddr,
	    .dst = tw->c.raddr,
	    .sport = tw->c.lport,
	    .dport = tw->c.rport,
	    .ifindex = tw->c.ifindex,
	    .mark = tw->mark,
	    .tos = tw->tos,
	    .seq = tw->snd_nxt,
	    .ack = tw->rcv_nxt,
	    .wnd = tw->rcv_wnd >> tw->rcv_wscale,
	    .flags = TCP_ACK,
	    .opts = tw->ts_ok ? SEG_OPT_TS : 0,
	    .tsval = now + tw->ts_offset,
	    .tsecr = load(&tw->ts_recent),
	};

	if (!fin && !tcp_oow_allowed(st, load(&tw->oow_ack_ms), MIB_TcpExt_TCPACKSkippedTimeWait))
		return;
	store(&tw->oow_ack_ms, now);
	tcp_reply_send(&r);
}

static bool timewait_paws(struct tcp_timewait *tw, const struct tcp_seg *g)
{
	uint32_t now = tcp_ms(env_now(tw->stack->env));

	return tw->ts_ok && (g->opts & SEG_OPT_TS) && seq_lt(g->tsval, load(&tw->ts_recent)) &&
	       now - load(&tw->ts_recent_ms) < TCP_PAWS_IDLE_MS;
}

/* Without a listener a SYN, forged or not, would only cut 2 MSL short. */
static bool timewait_has_listener(struct tcp_timewait *tw)
{
	struct inet_tuple tu = {tw->c.laddr, tw->c.raddr, tw->c.lport, tw->c.rport, tw->c.ifindex};
	struct sock *sk = inet_lookup_bound(tw->stack->tcp->table, &tu);

	if (sk)
		sock_put(sk);
	return sk != NULL;
}

/* A SYN that no old duplicate can be; its ISS will be above all that we ever sent here. */
static bool timewait_yields(struct tcp_timewait *tw, struct tcp_seg *g)
{
	bool newer_ts =
	    tw->ts_ok && (g->opts & SEG_OPT_TS) && seq_gt(g->tsval, load(&tw->ts_recent));

	if ((g->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return false;
	if (!newer_ts && !seq_gt(g->seq, tw->rcv_nxt))
		return false;
	if (!timewait_has_listener(tw))
		return false;
	g->iss = tw->snd_nxt + 65535 + 2;
	if (g->iss == 0)
		g->iss = 1;
	return true;
}

/* RFC 1337, 3, unless a setting says that one which would have ended the connection ends this. */
static void timewait_rst(struct tcp_timewait *tw, const struct tcp_seg *g, bool old)
{
	if (!old && g->seq == tw->rcv_nxt && !sysctl_get(tw->stack, tcp_rfc1337))
		tcp_timewait_kill(tw);
}

bool tcp_timewait_in(struct tcp_timewait *tw, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	bool old = timewait_paws(tw, g);

	if (g->flags & TCP_RST) {
		timewait_rst(tw, g, old);
		goto drop;
	}
	if (!old && timewait_yields(tw, g)) {
		mib_inc(tw->stack, MIB_TcpExt_TWRecycled);
		tcp_timewait_kill(tw);
		return true;
	}
	if (old)
		mib_inc(tw->stack, MIB_TcpExt_PAWSEstab);
	if (!old && g->seq == tw->rcv_nxt && g->seq == g->end)
		goto drop; /* an ACK in its place: no answer, or the two of us would never end */
	if (!old && !(g->flags & (TCP_ACK | TCP_SYN)) &&
	    tcp_seq_acceptable(g, tw->rcv_nxt, tw->rcv_wnd))
		goto drop;                /* RFC 9293, 3.10.7.4, fifth */
	if (!old && (g->flags & TCP_FIN)) /* RFC 9293, 3.10.7.4, eighth: 2 MSL begin anew */
		atomic_store_explicit(&tw->due, timewait_end(tw->stack), memory_order_relaxed);
	timewait_ack(tw, g);
drop:
	pkbuf_drop(b, DROP_TCP_TIMEWAIT);
	return false;
}

/* net.ipv4.tcp_tw_reuse, of a port that connect() chose itself. */
static bool timewait_reusable(const struct tcp_timewait *tw, uint32_t age)
{
	int64_t reuse = sysctl_get(tw->stack, tcp_tw_reuse);

	if (reuse == TCP_REUSE_LOOPBACK)
		reuse = ip_addr_is_loopback(&tw->c.laddr) || ip_addr_is_loopback(&tw->c.raddr);
	return reuse && age >= sysctl_get(tw->stack, tcp_tw_reuse_delay);
}

/*
 * connect() wants this four-tuple.  With timestamps the peer can tell the new connection's segments
 * from old ones, for they begin above the last (RFC 6191, 2), which is enough where the program has
 * asked for the port.
 */
bool tcp_timewait_take(struct sock_common *c, struct sock *taker)
{
	struct tcp_timewait *tw = timewait_of(c);
	struct tcp_sock *ts = tcp_sk(taker);
	uint32_t age = tcp_ms(env_now(tw->stack->env)) - load(&tw->ts_recent_ms);

	if (!tw->ts_ok)
		return false;
	if (!(taker->flags & SOCK_BOUND_PORT) && !timewait_reusable(tw, age))
		return false;
	ts->iss = tw->snd_nxt + 65535 + 2;
	if (ts->iss == 0)
		ts->iss = 1;
	ts->ts_offset = tw->ts_offset + 1; /* newer even within the tick that sent the last */
	timewait_over(tw);
	mib_inc(tw->stack, MIB_TcpExt_TWRecycled);
	return true;
}
