/*
 * tcp/tcp_fastopen.c - Fast Open, the server (RFC 7413, 4.2): a SYN with a good cookie makes a child
 * at once, which accept() gives before the third ACK; and the options of both ends.
 *
 * A cookie is SipHash of both addresses under a key that servers behind one address may share; the
 * bytes are Linux's, so that they may share it with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/siphash.h"
#include "tcp/tcp_priv.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

#define RESET_HOLD_MS 60000u /* a place stays taken after a reset: RFC 7413, 5.1 */

/* --- the block ---------------------------------------------------------------------------------- */

struct tcp_fastopen *tcp_fastopen_get(struct tcp_sock *ts)
{
	struct tcp_rare *k = tcp_rare_get(ts);

	if (k && !k->fo) {
		k->fo = calloc(1, sizeof(*k->fo));
		if (k->fo)
			k->fo->cookie.len = TCP_FO_NONE;
	}
	return k ? k->fo : NULL;
}

static void queue_put(struct tcp_fo_queue *q)
{
	if (q && atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) == 1)
		free(q);
}

void tcp_fastopen_free(struct tcp_sock *ts)
{
	if (!ts->rare->fo)
		return;
	queue_put(ts->rare->fo->queue);
	free(ts->rare->fo);
	ts->rare_own->fo = NULL;
}

/* --- options ------------------------------------------------------------------------------------ */

static int set_queue(struct tcp_sock *ts, uint32_t most)
{
	struct tcp_fastopen *fo = tcp_fastopen_get(ts);
	uint32_t limit = (uint32_t)sysctl_get(ts->sk.stack, somaxconn);

	if (fo && !fo->queue) {
		fo->queue = calloc(1, sizeof(*fo->queue));
		if (fo->queue)
			atomic_store_explicit(&fo->queue->refs, 1, memory_order_relaxed);
	}
	if (!fo || !fo->queue)
		return -ENOBUFS;
	fo->queue->most = most < limit ? most : limit;
	return 0;
}

static int set_connect(struct tcp_sock *ts, int v)
{
	if (v < 0 || v > 1)
		return -EINVAL;
	if (!(sysctl_get(ts->sk.stack, tcp_fastopen) & TCP_FO_CLIENT))
		return -EOPNOTSUPP;
	if (tcp_state_of(ts) != TCP_CLOSE)
		return -EINVAL;
	if (!tcp_fastopen_get(ts))
		return -ENOBUFS;
	ts->rare->fo->connect = v;
	return 0;
}

int tcp_fastopen_setopt(struct tcp_sock *ts, int name, int v)
{
	bool fresh = tcp_state_in(ts, TCP_IN(TCP_CLOSE) | TCP_IN(TCP_LISTEN));

	switch (name) {
	case TCP_FASTOPEN:
		return v < 0 || !fresh ? -EINVAL : set_queue(ts, (uint32_t)v);
	case TCP_FASTOPEN_CONNECT:
		return set_connect(ts, v);
	case TCP_FASTOPEN_NO_COOKIE:
		if (v < 0 || v > 1 || !fresh)
			return -EINVAL;
		if (!tcp_fastopen_get(ts))
			return -ENOBUFS;
		ts->rare->fo->no_cookie = v;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int tcp_fastopen_getopt(const struct tcp_sock *ts, int name, int *v)
{
	const struct tcp_fastopen *fo = ts->rare->fo;

	switch (name) {
	case TCP_FASTOPEN:
		*v = fo && fo->queue ? (int)fo->queue->most : 0;
		return 0;
	case TCP_FASTOPEN_CONNECT:
		*v = fo && fo->connect;
		return 0;
	case TCP_FASTOPEN_NO_COOKIE:
		*v = fo && fo->no_cookie;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int tcp_fastopen_setkey(struct tcp_sock *ts, const void *key, unsigned n)
{
	if (n != TCP_FO_KEY && n != TCP_FO_KEYS * TCP_FO_KEY)
		return -EINVAL;
	if (!tcp_fastopen_get(ts))
		return -ENOBUFS;
	memcpy(ts->rare->fo->key, key, n);
	ts->rare->fo->nkeys = (uint8_t)(n / TCP_FO_KEY);
	return 0;
}

/* The words of net.ipv4.tcp_fastopen_key, least byte first as Linux keeps them. */
static void stack_key(struct stack *st, uint8_t key[TCP_FO_KEY])
{
	uint32_t w[4] = {
	    (uint32_t)sysctl_get(st, tcp_fo_key0), (uint32_t)sysctl_get(st, tcp_fo_key1),
	    (uint32_t)sysctl_get(st, tcp_fo_key2), (uint32_t)sysctl_get(st, tcp_fo_key3)};

	for (unsigned i = 0; i < TCP_FO_KEY; i++)
		key[i] = (uint8_t)(w[i / 4] >> i % 4 * 8);
}

unsigned tcp_fastopen_getkey(const struct tcp_sock *ts, uint8_t *key)
{
	if (ts->rare->fo && ts->rare->fo->nkeys) {
		memcpy(key, ts->rare->fo->key, ts->rare->fo->nkeys * TCP_FO_KEY);
		return ts->rare->fo->nkeys * TCP_FO_KEY;
	}
	stack_key(ts->sk.stack, key);
	return TCP_FO_KEY;
}

/* --- cookies ------------------------------------------------------------------------------------ */

void tcp_fastopen_option(const struct pkbuf *b, struct tcp_fo_cookie *c)
{
	const struct tcp_seg *g = (const struct tcp_seg *)(const void *)b->cb;

	*c = (struct tcp_fo_cookie){.len = TCP_FO_NONE};
	if (!(g->opts & SEG_OPT_FO))
		return;
	c->exp = g->opts & SEG_OPT_FOEXP;
	c->len = g->fo_len;
	memcpy(c->val, b->hdr + b->l4 + g->fo_off, g->fo_len);
}

static void cookie_make(const struct pkbuf *b, const uint8_t *key, struct tcp_fo_cookie *c)
{
	uint8_t both[2 * sizeof(struct ip_addr)];
	size_t n = ip_addr_is4(&b->src) ? 4 : sizeof(struct ip_addr);
	uint64_t h;

	memcpy(both, (const uint8_t *)(&b->src + 1) - n, n);
	memcpy(both + n, (const uint8_t *)(&b->dst + 1) - n, n);
	h = siphash(both, 2 * n, key);
	c->len = TCP_FO_COOKIE_OWN;
	for (unsigned i = 0; i < TCP_FO_COOKIE_OWN; i++)
		c->val[i] = (uint8_t)(h >> 8 * i);
}

/* Which key c was made with: 1 or 2, 0: none of ours.  *good: what the first one makes. */
static unsigned cookie_check(const struct tcp_sock *ls, const struct pkbuf *b,
			     const struct tcp_fo_cookie *c, struct tcp_fo_cookie *good)
{
	uint8_t key[TCP_FO_KEYS * TCP_FO_KEY];
	unsigned keys = tcp_fastopen_getkey(ls, key) / TCP_FO_KEY;
	struct tcp_fo_cookie other;

	cookie_make(b, key, good);
	if (c->len != TCP_FO_COOKIE_OWN)
		return 0;
	if (!memcmp(c->val, good->val, TCP_FO_COOKIE_OWN))
		return 1;
	if (keys < TCP_FO_KEYS)
		return 0;
	cookie_make(b, key + TCP_FO_KEY, &other);
	return memcmp(c->val, other.val, TCP_FO_COOKIE_OWN) ? 0 : 2;
}

/* --- the queue ---------------------------------------------------------------------------------- */

int tcp_fastopen_listen(struct tcp_sock *ls, uint32_t backlog)
{
	const int64_t all = TCP_FO_SERVER | TCP_FO_SERVER_ALL;

	if ((sysctl_get(ls->sk.stack, tcp_fastopen) & all) != all)
		return 0;
	return ls->rare->fo && ls->rare->fo->queue ? 0 : set_queue(ls, backlog);
}

/* Places of resets are given back together, when the last of them is old enough. */
static void queue_settle(struct tcp_fo_queue *q, uint32_t now)
{
	uint32_t n, last = atomic_load_explicit(&q->reset_ms, memory_order_relaxed);

	if (now - last < RESET_HOLD_MS)
		return;
	n = atomic_exchange_explicit(&q->resets, 0, memory_order_relaxed);
	atomic_fetch_sub_explicit(&q->count, n, memory_order_relaxed);
}

static bool queue_has_room(const struct tcp_sock *ls)
{
	struct tcp_fo_queue *q = ls->rare->fo ? ls->rare->fo->queue : NULL;

	if (!q || q->most == 0)
		return false;
	if (atomic_load_explicit(&q->resets, memory_order_relaxed))
		queue_settle(q, tcp_ms(tcp_now(ls)));
	if (atomic_load_explicit(&q->count, memory_order_relaxed) < q->most)
		return true;
	mib_inc(ls->sk.stack, MIB_TcpExt_TCPFastOpenListenOverflow);
	return false;
}

static bool queue_join(struct tcp_sock *child, struct tcp_fo_queue *q)
{
	if (!tcp_fastopen_get(child))
		return false;
	atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&q->count, 1, memory_order_relaxed);
	child->rare->fo->queue = q;
	child->flags |= TCP_F_FASTOPEN;
	return true;
}

void tcp_fastopen_leave(struct tcp_sock *child, bool reset)
{
	struct tcp_fo_queue *q;

	if (!(child->flags & TCP_F_FASTOPEN))
		return;
	child->flags &= ~TCP_F_FASTOPEN;
	q = child->rare->fo->queue;
	if (reset) {
		atomic_store_explicit(&q->reset_ms, tcp_ms(tcp_now(child)), memory_order_relaxed);
		atomic_fetch_add_explicit(&q->resets, 1, memory_order_relaxed);
	} else {
		atomic_fetch_sub_explicit(&q->count, 1, memory_order_relaxed);
	}
	tcp_fastopen_free(child);
}

/* --- the child ---------------------------------------------------------------------------------- */

/* The text beside the SYN; what the receive buffer has no room for will come again. */
static void child_text(struct tcp_sock *child, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	uint32_t room = child->rcv_adv - child->rcv_nxt;

	g->seq++;
	g->flags &= (uint8_t)~TCP_SYN;
	if (b->len > room)
		pkbuf_trim_to(b, room);
	if (b->len == 0 || !sock_rcv_charge(&child->sk, b->pinned)) {
		pkbuf_free(b);
		return;
	}
	child->flags |= TCP_F_SYN_DATA;
	child->est->data_segs_in++;
	child->est->last_rcvd_ms = tcp_ms(tcp_now(child));
	tcp_rcvq_take(child, b);
}

static NO_LOCK_ANALYSIS bool child_make(struct tcp_sock *ls, struct pkbuf *b,
					const struct tcp_fo_cookie *renew)
{
	struct tcp_sock *child = NULL;
	struct tcp_request rq;

	tcp_request_fill(&rq, ls, b, tcp_seg(b));
	rq.iss = tcp_request_iss(&rq, tcp_seg(b));
	rq.sent = tcp_now(ls);
	if (tcp_child_make(ls, &rq, false, &child)) {
		tcp_request_empty(&rq);
		return false;
	}
	if (!queue_join(child, ls->rare->fo->queue)) {
		child->sk.flags |= SOCK_DEAD;
		tcp_done(child, 0);
		sock_unlock(&child->sk);
		sock_put(&child->sk);
		return false;
	}
	child->rare->fo->cookie = *renew;
	child->snd_una = rq.iss + 1;
	child->est->segs_in++;
	tcp_transfer_init(child, tcp_now(child));
	child_text(child, b);
	tcp_send_syn(child);
	tcp_rto_arm(child, tcp_now(child));
	tcp_accept_add(ls, child);
	sock_unlock(&child->sk);
	return true;
}

/* May this SYN open at once?  *answer: what it learns, if it may not, or came with the second key. */
static bool syn_may_open(const struct tcp_sock *ls, const struct pkbuf *b,
			 struct tcp_fo_cookie *answer)
{
	struct stack *st = ls->sk.stack;
	struct tcp_fo_cookie c, good = {.len = TCP_FO_NONE};
	unsigned by;

	tcp_fastopen_option(b, &c);
	if (ls->rare->fo->no_cookie || (sysctl_get(st, tcp_fastopen) & TCP_FO_SERVER_NO_COOKIE))
		return true;
	if (c.len == TCP_FO_NONE)
		return false;
	by = cookie_check(ls, b, &c, &good);
	good.exp = c.exp;
	if (by != 1)
		*answer = good;
	if (by == 2)
		mib_inc(st, MIB_TcpExt_TCPFastOpenPassiveAltKey);
	else if (by == 0 && c.len)
		mib_inc(st, MIB_TcpExt_TCPFastOpenPassiveFail);
	return by != 0;
}

bool tcp_fastopen_syn_in(struct tcp_sock *ls, struct pkbuf *b, struct tcp_fo_cookie *answer)
{
	const struct tcp_seg *g = tcp_seg(b);
	struct stack *st = ls->sk.stack;

	*answer = (struct tcp_fo_cookie){.len = TCP_FO_NONE};
	if ((g->opts & SEG_OPT_FO) && g->fo_len == 0)
		mib_inc(st, MIB_TcpExt_TCPFastOpenCookieReqd);
	if (!(sysctl_get(st, tcp_fastopen) & TCP_FO_SERVER) ||
	    (b->len == 0 && !(g->opts & SEG_OPT_FO)) || !queue_has_room(ls))
		return false;
	if (!syn_may_open(ls, b, answer))
		return false;
	if (!child_make(ls, b, answer)) {
		mib_inc(st, MIB_TcpExt_TCPFastOpenPassiveFail);
		return false;
	}
	mib_inc(st, MIB_TcpExt_TCPFastOpenPassive);
	return true;
}
