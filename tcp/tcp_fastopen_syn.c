/*
 * tcp/tcp_fastopen_syn.c - Fast Open, the client (RFC 7413, 4.1): data beside the first SYN when a
 * cookie is known, a request for one when not; and what the SYN-ACK makes of it.
 *
 * The data stand on the send queue as any other.  The SYN is sent again without them and without the
 * option; what the SYN-ACK did not acknowledge counts as lost, but not by congestion.
 */
#include <errno.h>

#include "tcp/tcp_priv.h"

#define SYN_OPTION_ROOM 40u /* kept free beside the data, whatever we or a middlebox add (Linux) */

static bool no_cookie_needed(const struct tcp_sock *ts)
{
	return ts->rare->fo->no_cookie ||
	       (sysctl_get(ts->sk.stack, tcp_fastopen) & TCP_FO_CLIENT_NO_COOKIE);
}

/* May data go beside the SYN?  *k: what is known of the destination. */
static bool data_allowed(const struct tcp_sock *ts, struct tcp_fo_known *k)
{
	tcp_fo_cache_get(ts->sk.stack, &ts->sk.c.raddr, k);
	if (k->lossy || tcp_fo_blackholed(ts->sk.stack)) {
		k->cookie.len = TCP_FO_NONE;
		return false;
	}
	if (no_cookie_needed(ts)) {
		k->cookie.len = TCP_FO_NONE;
		return true;
	}
	return k->cookie.len != 0;
}

void tcp_fastopen_reset(struct tcp_sock *ts)
{
	struct tcp_fastopen *fo = ts->rare->fo;

	ts->flags &= ~TCP_F_SYN_DATA;
	if (!fo)
		return;
	fo->wanted = fo->msg || fo->connect;
	fo->deferred = fo->asked = fo->asked_exp = fo->data = fo->more = false;
	fo->cookie.len = TCP_FO_NONE;
	fo->fail = TCP_FO_OK;
}

bool tcp_fastopen_defer(struct tcp_sock *ts)
{
	struct tcp_fastopen *fo = ts->rare->fo;
	struct tcp_fo_known k;

	if (!fo || !fo->connect || fo->msg)
		return false;
	fo->deferred = data_allowed(ts, &k);
	return fo->deferred;
}

/* SND.MSS as the SYN-ACK was last time, so that the data fit what the peer can take. */
static uint32_t syn_room(struct tcp_sock *ts, uint16_t mss)
{
	int err;
	struct path *path = sock_path(&ts->sk, &err);

	ts->peer_mss = mss ? mss : ts->advmss;
	tcp_mss_sync(ts, path ? path->mtu : TCP_MSS_DEFAULT + TCP_HLEN + IP4_HLEN);
	return ts->mss > SYN_OPTION_ROOM ? ts->mss - SYN_OPTION_ROOM : 0;
}

bool tcp_fastopen_syn(struct tcp_sock *ts)
{
	struct tcp_fastopen *fo = ts->rare->fo;
	struct tcp_fo_known k;
	uint32_t room;
	bool allowed;

	if (!fo || !fo->wanted)
		return false;
	allowed = data_allowed(ts, &k);
	fo->cookie = k.cookie;
	fo->asked = k.cookie.len != TCP_FO_NONE;
	fo->asked_exp = fo->asked && k.cookie.exp;
	if (!allowed)
		fo->fail = TCP_FO_NO_COOKIE;
	room = allowed && fo->msg ? syn_room(ts, k.mss) : 0;
	fo->taken = room ? tcp_send_take(ts, fo->msg, room) : 0;
	fo->data = fo->taken > 0;
	return fo->data;
}

/* --- send() that opens -------------------------------------------------------------------------- */

bool tcp_fastopen_sends(const struct tcp_sock *ts, const struct sock_msg *m)
{
	unsigned state = tcp_state_of(ts);

	if (state == TCP_SYN_SENT && ts->rare->fo && ts->rare->fo->deferred)
		return true;
	return (m->flags & MSG_FASTOPEN) && (state == TCP_SYN_SENT || state == TCP_CLOSE);
}

static int open_check(const struct tcp_sock *ts, const struct sock_msg *m)
{
	if (tcp_state_of(ts) == TCP_SYN_SENT)
		return ts->rare->fo && ts->rare->fo->deferred ? 0 : -EALREADY;
	if (!(sysctl_get(ts->sk.stack, tcp_fastopen) & TCP_FO_CLIENT))
		return -EOPNOTSUPP;
	if (ts->sk.shutdown & SOCK_SHUT_WR)
		return -EPIPE;
	return m->has_addr ? 0 : -EINVAL;
}

/*
 * Returns what went beside the SYN, else -EINPROGRESS; MSG_FASTOPEN among m's out_flags says that
 * the connection opens now, so that a call that blocks can wait for it.
 */
ssize_t tcp_fastopen_send(struct tcp_sock *ts, struct sock_msg *m)
{
	int err = open_check(ts, m);
	struct tcp_fastopen *fo = err ? NULL : tcp_fastopen_get(ts);

	if (err || !fo)
		return err ? err : -ENOBUFS;
	fo->msg = m;
	fo->taken = 0;
	if (tcp_state_of(ts) == TCP_SYN_SENT) {
		fo->deferred = false;
		tcp_connect_syn(ts);
		err = -EINPROGRESS;
	} else {
		err = tcp_connect(&ts->sk, &m->addr, m->port);
	}
	fo->msg = NULL;
	if (err != -EINPROGRESS)
		return err;
	m->out_flags |= MSG_FASTOPEN;
	fo->more = !(m->flags & MSG_DONTWAIT) && m->len - m->skip > fo->taken;
	return fo->taken ? (ssize_t)fo->taken : err;
}

/* --- the answer --------------------------------------------------------------------------------- */

void tcp_fastopen_timeout(struct tcp_sock *ts, bool last)
{
	struct tcp_fastopen *fo = ts->rare->fo;

	if (!fo || !fo->wanted || !(fo->asked || fo->data))
		return;
	if (ts->retransmits == 2 || (last && ts->retransmits < 2))
		tcp_fo_blackhole(ts->sk.stack);
}

/* What is to be remembered of a SYN-ACK that answers a SYN with the option or data. */
static void synack_learn(struct tcp_sock *ts, const struct pkbuf *b, bool unacked)
{
	const struct tcp_fastopen *fo = ts->rare->fo;
	const struct tcp_seg *g = (const struct tcp_seg *)(const void *)b->cb;
	struct tcp_fo_cookie c;
	struct tcp_fo_news n = {.cookie = &c, .mss = g->opts & SEG_OPT_MSS ? g->mss : 0};

	tcp_fastopen_option(b, &c);
	if (!fo->asked) /* nobody asked for it */
		c.len = TCP_FO_NONE;
	else if (ts->rare->total_retrans)
		n.lost = c.len == TCP_FO_NONE && unacked;
	else if (c.len == TCP_FO_NONE && !fo->data)
		n.refused = fo->asked_exp ? 2 : 1;
	tcp_fo_cache_put(ts->sk.stack, &ts->sk.c.raddr, &n);
}

void tcp_fastopen_synack(struct tcp_sock *ts, const struct pkbuf *b)
{
	struct tcp_fastopen *fo = ts->rare->fo;
	struct stack *st = ts->sk.stack;
	bool unacked = ts->snd_una != ts->snd_nxt;

	if (!fo || !fo->wanted)
		return;
	synack_learn(ts, b, unacked);
	if (!fo->data)
		return;
	if (!unacked) {
		ts->flags |= TCP_F_SYN_DATA;
		ts->est->delivered_segs =
		    1; /* it was one segment, whatever the MSS makes of its text */
		mib_inc(st, MIB_TcpExt_TCPFastOpenActive);
		tcp_fo_works(st);
		return;
	}
	fo->fail = ts->rare->total_retrans ? TCP_FO_SYN_RETRANSMITTED : TCP_FO_DATA_NOT_ACKED;
	mib_inc(st, MIB_TcpExt_TCPFastOpenActiveFail);
	tcp_recovery_mtu(ts);
}
