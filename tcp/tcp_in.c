/*
 * tcp/tcp_in.c - the way in: checks, look-up, and the lock or the backlog (RFC 9293, 3.10.7).
 *
 * Between look-up and lock the sock may have left its table, or a request become a connection; such
 * a segment is looked up anew when the batch ends and no lock is held (seg_again).
 */
#include "net/landing.h"
#include "tcp/tcp_priv.h"

static void tcp_demux(struct pkbuf *b);

static void again_fn(struct later *l)
{
	struct tcp_seg *g = (struct tcp_seg *)(void *)((char *)l - offsetof(struct tcp_seg, again));

	tcp_demux((struct pkbuf *)(void *)((char *)g - offsetof(struct pkbuf, cb)));
}

/*
 * b is looked up anew at the batch's end, when no lock is held: its sock has left the table.  Until then a program that
 * lends it its memory may be gone.
 */
static void seg_again(struct pkbuf *b)
{
	if (pkbuf_settle(b) < 0) {
		pkbuf_drop(b, DROP_NO_MEMORY);
		return;
	}
	tcp_seg(b)->again.fn = again_fn;
	batch_later(b->stack, BATCH_PUSH, &tcp_seg(b)->again);
}

static void seg_tuple(const struct pkbuf *b, struct inet_tuple *tu)
{
	const struct tcp_hdr *h = (const struct tcp_hdr *)(const void *)(b->hdr + b->l4);

	*tu = (struct inet_tuple){
	    .laddr = b->dst,
	    .raddr = b->src,
	    .lport = be16_get(h->dport),
	    .rport = be16_get(h->sport),
	    .ifindex = b->dev ? b->dev->ifindex : 0,
	};
}

/* RFC 5082, 3. */
static bool ttl_too_low(struct sock *sk, struct pkbuf *b)
{
	if (b->ttl >= sk->c.minttl)
		return false;
	mib_inc(b->stack, MIB_TcpExt_TCPMinTTLDrop);
	pkbuf_drop(b, DROP_SOCK_MINTTL);
	return true;
}

static void to_backlog(struct sock *sk, struct pkbuf *b)
{
	if (!sock_deliver(sk, b))
		mib_inc(sk->stack, MIB_TcpExt_TCPBacklogDrop);
}

/* Lock held. */
static void full_in(struct sock *sk, struct pkbuf *b)
{
	struct tcp_sock *ts = tcp_sk(sk);

	if (!inet_hashed(&sk->c))
		seg_again(b);
	else if (ttl_too_low(sk, b))
		return;
	else if (tcp_state_of(ts) == TCP_SYN_SENT)
		tcp_synsent(ts, b);
	else
		tcp_process(ts, b);
}

void tcp_backlog_in(struct sock *sk, struct pkbuf *b)
{
	if (b->kind == PKBUF_STAMP) {
		tcp_stamp_in(tcp_sk(sk), b);
	} else if (b->kind == PKBUF_ERROR) {
		tcp_err_in(tcp_sk(sk), (const struct sock_err *)(const void *)b->cb);
		pkbuf_free(b);
	} else if (tcp_state_of(tcp_sk(sk)) == TCP_LISTEN) {
		seg_again(b); /* it may be a request's, or a child's by now */
	} else {
		full_in(sk, b);
	}
}

static void demux_full(struct sock *sk, struct pkbuf *b)
{
	if (sock_lock_or_leave(sk, 0)) {
		full_in(sk, b);
		sock_unlock(sk);
	} else {
		to_backlog(sk, b);
	}
}

static void demux_request(struct tcp_request *rq, struct pkbuf *b)
{
	struct sock *sk = rq->listener;

	if (!sock_lock_or_leave(sk, 0)) {
		to_backlog(sk, b);
		return;
	}
	if (!rq->prev)
		seg_again(b);
	else if (!ttl_too_low(sk, b))
		tcp_request_in(tcp_sk(sk), rq, b);
	sock_unlock(sk);
}

static void demux_listener(struct sock *sk, struct pkbuf *b)
{
	if (!sock_lock_or_leave(sk, 0)) {
		to_backlog(sk, b);
		return;
	}
	if (tcp_state_of(tcp_sk(sk)) != TCP_LISTEN)
		seg_again(b);
	else if (!ttl_too_low(sk, b))
		tcp_listen_in(tcp_sk(sk), b);
	sock_unlock(sk);
}

/* True: b is a SYN that TIME-WAIT gave way to, and still the caller's. */
static bool demux_found(struct sock_common *c, struct pkbuf *b)
{
	switch (c->kind) {
	case SOCK_KIND_FULL:
		demux_full((struct sock *)(void *)c, b);
		return false;
	case SOCK_KIND_REQUEST:
		demux_request((struct tcp_request *)(void *)c, b);
		return false;
	default:
		return tcp_timewait_in((struct tcp_timewait *)(void *)c, b);
	}
}

/* What lies in a program's buffer is its own sock's alone. */
static bool demux_settle(const struct sock_common *c, struct pkbuf *b)
{
	const struct landing *l = b->landed ? (const void *)b->frag[0].piece : NULL;

	if (!l)
		return true;
	if (l->owner != c)
		return pkbuf_settle(b) == 0;
	mib_inc(b->stack, MIB_TcpExt_TCPPlaced);
	return true;
}

static void tcp_demux(struct pkbuf *b)
{
	struct inet_table *t = b->stack->tcp->table;
	struct sock_common *c;
	struct inet_tuple tu;
	struct sock *sk;
	bool on = true;

	seg_tuple(b, &tu);
	c = inet_lookup(t, &tu);
	if (!demux_settle(c, b)) {
		pkbuf_drop(b, DROP_NO_MEMORY);
		on = false;
	} else if (c) {
		on = demux_found(c, b);
	}
	if (c)
		inet_common_put(t, c);
	if (!on)
		return;
	sk = inet_lookup_bound(t, &tu);
	if (sk) {
		demux_listener(sk, b);
		sock_put(sk);
		return;
	}
	tcp_reply_rst(b);
	pkbuf_drop(b, DROP_TCP_NO_SOCKET);
}

static enum drop_reason in_check(struct pkbuf *b, unsigned *hlen)
{
	struct stack *st = b->stack;

	if (b->wide) /* RFC 1122, 4.2.3.10 */
		return DROP_TCP_BCAST;
	*hlen = tcp_seg_parse(b);
	if (*hlen == 0) {
		mib_inc(st, MIB_Tcp_InErrs);
		return DROP_TCP_SHORT;
	}
	if (!ip_csum_ok(b)) {
		mib_inc(st, MIB_Tcp_InCsumErrors);
		mib_inc(st, MIB_Tcp_InErrs);
		return DROP_TCP_CSUM;
	}
	return DROP_NONE;
}

/*
 * One segment cut from a super-frame keeps the whole of its memory from others, and is charged for
 * it: such a one gets memory of its own size.  NULL: there is none, b is dropped.
 */
static __attribute__((noinline)) struct pkbuf *in_own_memory(struct pkbuf *b)
{
	uint32_t piece = b->gso_size || b->len > PIECE_SMALL ? PIECE_MID : PIECE_SMALL;
	struct pkbuf *c;

	if (b->pinned <= 4 * b->len + piece)
		return b;
	c = pkbuf_copy(b->stack, b);
	pkbuf_drop(b, c ? DROP_NONE : DROP_NO_MEMORY);
	return c;
}

void tcp_in(struct pkbuf *b)
{
	unsigned hlen = 0;
	enum drop_reason why;

	mib_inc(b->stack, MIB_Tcp_InSegs);
	why = in_check(b, &hlen);
	if (why) {
		pkbuf_drop(b, why);
		return;
	}
	pkbuf_trim_front(b, hlen);
	if (b->pinned > sizeof(*b)) /* more than its header part */
		b = in_own_memory(b);
	if (!b)
		return;
	tcp_debug_in(b);
	tcp_demux(b);
}
