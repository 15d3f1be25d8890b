/*
 * tcp/tcp_connect.c - active open, SYN-SENT and simultaneous open (RFC 9293, 3.10.1 and 3.10.7.3),
 * and what both ways in share: the MSS, the first window, the start of ESTABLISHED.
 */
#include <errno.h>

#include "tcp/tcp_priv.h"

/* --- MSS and window ----------------------------------------------------------------------------- */

static uint16_t mss_of_mtu(const struct sock *sk, const struct ip_addr *dst, uint32_t mtu)
{
	uint32_t hdr = ip_hdr_bytes(dst) + TCP_HLEN;
	uint32_t mss = mtu > hdr + TCP_MSS_MIN ? mtu - hdr : TCP_MSS_MIN;
	const struct tcp_sock *ts = (const struct tcp_sock *)(const void *)sk;

	if (ts->rare->user_mss && mss > ts->rare->user_mss)
		mss = ts->rare->user_mss;
	return (uint16_t)mss;
}

/*
 * RFC 9293, 3.7.1: the option does not count options, and what we can receive is the device's, or what the
 * route says.
 */
uint16_t tcp_advmss(const struct sock *sk, const struct ip_addr *dst, const struct path *path)
{
	uint32_t mtu;

	if (!path)
		return TCP_MSS_DEFAULT;
	mtu = atomic_load(&path->dev->mtu);
	if (path->advmss)
		mtu = path->advmss + ip_hdr_bytes(dst) + TCP_HLEN;
	return mss_of_mtu(sk, dst, mtu);
}

uint32_t tcp_rcv_wnd_init(const struct sock *sk)
{
	const struct tcp_sock *ts = (const struct tcp_sock *)(const void *)sk;
	uint32_t half = sk->rcvbuf / 2;

	if (ts->rare->wnd_clamp && half > ts->rare->wnd_clamp)
		half = ts->rare->wnd_clamp;
	return half < 65535 ? half : 65535;
}

/*
 * So that the window can grow to the most the buffer may ever be (RFC 7323, 2.3): by the half that a
 * window may be where the program has set it, else by the whole of what it may grow to (as Linux).
 */
uint8_t tcp_rcv_wscale_init(const struct sock *sk)
{
	uint64_t most = sk->rcvbuf / TCP_RCVBUF_HALF, grown;
	uint8_t scale = 0;

	grown = (uint64_t)sysctl_get(sk->stack, tcp_rmem_max);
	if (!(sk->flags & SOCK_RCVBUF_LOCKED) && most < grown)
		most = grown;
	for (; most > 65535 && scale < TCP_WSCALE_MAX; most /= 2)
		scale++;
	return scale;
}

bool tcp_mss_sync(struct tcp_sock *ts, uint32_t mtu)
{
	uint16_t was = ts->mss, mss;

	mss = mss_of_mtu(&ts->sk, &ts->sk.c.raddr, tcp_plpmtud_limit(ts, mtu));
	if (mss > ts->peer_mss)
		mss = ts->peer_mss;
	/* the peer's option counts no IP options either: they come off what both allow */
	mss = mss > TCP_MSS_MIN + ts->sk.rare->optlen ? (uint16_t)(mss - ts->sk.rare->optlen)
						      : TCP_MSS_MIN;
	if (ts->flags & TCP_F_TS)
		mss = (uint16_t)(mss - 12);
	ts->mss = mss;
	if (!tcp_est_is_own(ts)) /* cwnd is made of the MSS when it is */
		return mss < was;
	if (mss < was) /* RFC 5681, 3.1: as many segments as before, not more */
		ts->est->cwnd = ts->est->cwnd / was * mss;
	if (ts->est->cwnd < mss) /* the path takes more again: cwnd holds one segment still */
		ts->est->cwnd = mss;
	return mss < was;
}

void tcp_transfer_init(struct tcp_sock *ts, uint64_t now)
{
	int err;
	struct path *path = sock_path(&ts->sk, &err);

	tcp_plpmtud_start(ts, now);
	tcp_mss_sync(ts, path ? path->mtu : TCP_MSS_DEFAULT + TCP_HLEN + IP4_HLEN);
	tcp_rack_init(ts);
	tcp_cc_init(ts);
	tcp_tune_start(ts, now);
	ts->est->rcv_mss = ts->advmss < TCP_MSS_DEFAULT ? ts->advmss : TCP_MSS_DEFAULT;
	ts->quickacks = TCP_QUICKACKS;
}

void tcp_established(struct tcp_sock *ts, uint64_t now)
{
	if (!(ts->flags & TCP_F_FASTOPEN))
		tcp_transfer_init(ts, now);
	tcp_fastopen_leave(ts, false);
	ts->retransmits = ts->backoff = 0;
	ts->est->last_rcvd_ms = ts->est->last_ack_ms = ts->est->last_sent_ms = tcp_ms(now);
	/* RFC 6298, 5.7 */
	if ((ts->flags & TCP_F_SYN_RTX) && ts->est->srtt_us == 0)
		ts->est->rto_us = TCP_RTO_SYN_US;
	tcp_timer_clear(ts, TCP_DUE_RTX);
	if (tcp_flight(ts)) /* sent beside or before the SYN's acknowledgement */
		tcp_rto_arm(ts, now);
	tcp_keepalive_arm(ts);
	sock_ready(&ts->sk, EPOLLOUT);
}

/* --- connect() ---------------------------------------------------------------------------------- */

/* As if it had never been used: a sock may connect again. */
static void connect_reset(struct tcp_sock *ts)
{
	const uint32_t options = TCP_F_NODELAY | TCP_F_CORK | TCP_F_PINGPONG;

	ts->flags &= options;
	ts->iss = 0;
	ts->ts_recent = ts->ts_recent_ms = 0;
	tcp_dsack_forget(ts);
	ts->snd_wscale = ts->rcv_wscale = 0;
	ts->retransmits = ts->backoff = 0;
	if (ts->rare->total_retrans)
		ts->rare_own->total_retrans = 0;
	tcp_fastopen_reset(ts);
	ts->sk.shutdown = 0;
	ts->sk.soft_err = 0;
	if (!ts->sk.port)
		ts->sk.c.lport = 0;
	if (!(ts->sk.flags & SOCK_BOUND_ADDR))
		ts->sk.c.laddr = ip_addr_any;
	tcp_rcvq_free(ts);
	tcp_est_free(ts);
}

static void connect_forget(struct sock *sk)
{
	sk->c.raddr = ip_addr_any;
	sk->c.rport = 0;
	if (!(sk->flags & SOCK_BOUND_ADDR))
		sk->c.laddr = ip_addr_any;
	if (sk->path)
		path_put(sk->path);
	sk->path = NULL;
}

static int connect_path(struct sock *sk, struct path **path)
{
	int err = 0;

	if (sk->path)
		path_put(sk->path);
	sk->path = NULL;
	if (ip_addr_is_multicast(&sk->c.raddr))
		return -ENETUNREACH;
	*path = sock_path(sk, &err);
	if (!*path)
		return err == -EACCES ? -ENETUNREACH : err;
	if ((*path)->type == ROUTE_BROADCAST || (*path)->type == ROUTE_MULTICAST)
		return -ENETUNREACH;
	if (ip_addr_is_any(&sk->c.laddr))
		sk->c.laddr = (*path)->src;
	return 0;
}

void tcp_connect_syn(struct tcp_sock *ts)
{
	uint64_t now = tcp_now(ts);

	ts->est->last_sent_ms = tcp_ms(now);
	mib_inc(ts->sk.stack, MIB_Tcp_ActiveOpens);
	if (!tcp_fastopen_syn(ts) || tcp_send_syn_data(ts) < 0)
		tcp_send_syn(ts);
	if (ts->rare->fo) /* a SYN that is sent again is a plain one */
		ts->rare->fo->cookie.len = TCP_FO_NONE;
	tcp_rto_arm(ts, now);
}

/* 0: the SYN waits for the first data. */
static int connect_start(struct tcp_sock *ts, const struct path *path)
{
	struct sock *sk = &ts->sk;
	struct inet_tuple tu = {sk->c.laddr, sk->c.raddr, sk->c.lport, sk->c.rport, 0};

	if (!ts->iss) { /* else above what a TIME-WAIT sock sent */
		ts->iss = tcp_isn(sk->stack, &tu);
		ts->ts_offset = tcp_ts_offset(sk->stack, &sk->c.laddr, &sk->c.raddr);
	}
	ts->snd_una = ts->iss;
	ts->snd_nxt = ts->write_seq = ts->iss + 1;
	ts->snd_wnd = ts->est->max_window = 0;
	ts->rcv_nxt = ts->rcv_adv = ts->copied_seq = 0;
	tcp_ecn_connect(ts);
	ts->advmss = tcp_advmss(sk, &sk->c.raddr, path);
	ts->rcv_wscale = tcp_rcv_wscale_init(sk);
	tcp_set_state(ts, TCP_SYN_SENT);
	if (tcp_fastopen_defer(ts)) {
		sock_ready(sk, EPOLLOUT);
		return 0;
	}
	tcp_connect_syn(ts);
	return -EINPROGRESS;
}

int tcp_connect(struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	struct tcp_sock *ts = tcp_sk(sk);
	struct path *path;
	int err;

	if (tcp_state_of(ts) == TCP_SYN_SENT)
		return ts->rare->fo && ts->rare->fo->deferred ? -EISCONN : -EALREADY;
	if (tcp_state_of(ts) != TCP_CLOSE)
		return -EISCONN;
	connect_reset(ts);
	if (!tcp_est_get(ts))
		return -ENOBUFS;
	sk->c.raddr = ip_addr_is_any(a) ? ip_addr_loop4 : *a;
	sk->c.rport = port;
	err = connect_path(sk, &path);
	if (!err)
		err = inet_connect(sk->stack->tcp->table, sk);
	if (err) {
		connect_forget(sk);
		return err;
	}
	return connect_start(ts, path);
}

int tcp_disconnect(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);

	if (tcp_state_of(ts) == TCP_LISTEN)
		tcp_listen_close(ts);
	else
		tcp_abort(ts, 0);
	connect_reset(ts);
	connect_forget(sk);
	sk->err = 0;
	return 0;
}

/* --- RFC 9293, 3.10.7.3 ------------------------------------------------------------------------- */

/* A timestamp echoed that we cannot have sent since the first SYN. */
static bool synsent_bad_echo(const struct tcp_sock *ts, const struct tcp_seg *g)
{
	uint32_t now = tcp_ms(tcp_now(ts)), age = now + ts->ts_offset - g->tsecr;

	return (g->opts & SEG_OPT_TS) && g->tsecr && age > now - ts->est->last_sent_ms;
}

/* First and second: the ACK and RST bits. */
static enum drop_reason synsent_check(struct tcp_sock *ts, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	bool ack = g->flags & TCP_ACK;

	if (ack && (seq_leq(g->ack, ts->iss) || seq_gt(g->ack, ts->snd_nxt))) {
		tcp_reply_rst(b);
		return DROP_TCP_SYNSENT_ACK;
	}
	if (ack && synsent_bad_echo(ts, g)) {
		mib_inc(ts->sk.stack, MIB_TcpExt_PAWSActive);
		tcp_reply_rst(b);
		return DROP_TCP_PAWS;
	}
	if (g->flags & TCP_RST) {
		if (!ack)
			return DROP_TCP_SYNSENT_RST;
		tcp_done(ts, ECONNREFUSED);
		return DROP_TCP_RESET;
	}
	return g->flags & TCP_SYN ? DROP_NONE : DROP_TCP_SYNSENT_NOTHING;
}

/* Fourth: what the peer's SYN says. */
static void synsent_syn(struct tcp_sock *ts, const struct tcp_seg *g)
{
	struct stack *st = ts->sk.stack;

	ts->est->irs = g->seq;
	ts->rcv_nxt = ts->copied_seq = ts->ack_sent = g->seq + 1;
	ts->rcv_adv = ts->rcv_nxt + tcp_rcv_wnd_init(&ts->sk);
	ts->peer_mss = g->opts & SEG_OPT_MSS ? g->mss : TCP_MSS_DEFAULT;
	ts->snd_wnd = ts->est->max_window = g->wnd;
	ts->snd_wl1 = g->seq;
	ts->snd_wl2 = g->ack;
	tcp_ecn_synsent(ts, g);
	if ((g->opts & SEG_OPT_TS) && sysctl_get(st, tcp_timestamps)) {
		ts->flags |= TCP_F_TS;
		ts->ts_recent = g->tsval;
		ts->ts_recent_ms = tcp_ms(tcp_now(ts));
	}
	if ((g->opts & SEG_OPT_SACK_OK) && sysctl_get(st, tcp_sack))
		ts->flags |= TCP_F_SACK;
	if ((g->opts & SEG_OPT_WSCALE) && sysctl_get(st, tcp_window_scaling)) {
		ts->flags |= TCP_F_WSCALE;
		ts->snd_wscale = g->wscale;
	} else {
		ts->rcv_wscale = 0;
	}
}

static void synsent_established(struct tcp_sock *ts, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	uint64_t now = tcp_now(ts);

	ts->snd_una = ts->iss + 1;
	tcp_syn_rtt(ts, now);
	if (ts->sk.path && ts->sk.path->neigh)
		neigh_confirm(ts->sk.path->neigh);
	tcp_set_state(ts, TCP_ESTABLISHED);
	tcp_established(ts, now);
	if (seq_gt(g->ack, ts->snd_una))
		tcp_ack_take(ts, b, now);
	tcp_fastopen_synack(ts, b);
	if (ts->rare->defer_accept || (ts->rare->fo && ts->rare->fo->more)) {
		/* data come at once, the ACK with them */
		ts->est->ato_ms = TCP_ATO_MIN_NS / NSEC_PER_MSEC;
		ts->flags |= TCP_F_ACK_DELAY;
		tcp_timer_set(ts, TCP_DUE_ACK, now + TCP_ATO_MAX_NS);
	} else if (batch_returns(ts->sk.stack)) {
		tcp_ack_delay(ts); /* the same, likely; if not: tcp_await() */
	} else {
		ts->flags |= TCP_F_ACK_NOW;
	}
	/* what is left of the segment begins behind the SYN */
	g->seq++;
	g->flags &= (uint8_t)~TCP_SYN;
}

void tcp_synsent(struct tcp_sock *ts, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	enum drop_reason why = synsent_check(ts, b);

	ts->est->segs_in++;
	if (why) {
		pkbuf_drop(b, why);
		return;
	}
	synsent_syn(ts, g);
	if (!(g->flags & TCP_ACK)) { /* a simultaneous open; text beside the SYN will come again */
		tcp_set_state(ts, TCP_SYN_RECV);
		tcp_send_syn(ts);
		tcp_rto_arm(ts, tcp_now(ts));
		pkbuf_free(b);
		return;
	}
	synsent_established(ts, b);
	tcp_urg(ts, b);
	tcp_text(ts, b);
	tcp_fin(ts);
	tcp_push_later(ts);
}
