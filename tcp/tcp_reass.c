/*
 * tcp/tcp_reass.c - data out of order: a tree of blocks by sequence number, each a run of packets
 * without a gap.  tcp_sack_out.c tells the peer of them.
 *
 * It is charged to the receive buffer like all else and is the first to go when memory is short:
 * RFC 2018, 8 allows to forget what was only SACKed.
 */
#include "tcp/tcp_reass.h"

#include <stdlib.h>

static int ofo_cmp(const struct ofo_block *a, const struct ofo_block *b)
{
	return (int32_t)(a->seq - b->seq);
}

RB_GENERATE_INTERNAL(ofo_tree, ofo_block, tree, ofo_cmp, __attribute__((unused)) static)

/*
 * What is missing went after what the left edge ended with when the first hole opened; and what lies
 * beyond the window, not before the edge was acknowledged as it is now.  So the floor follows two
 * windows behind, in which sequence numbers cannot wrap.
 */
static void ofo_round(struct tcp_sock *ts)
{
	struct tcp_ofo *o = ts->rare->ofo;

	o->ts_floor = o->ts_next;
	o->ts_next = ts->ts_recent;
	o->round_end = ts->rcv_adv;
}

static bool ofo_make(struct tcp_sock *ts)
{
	struct tcp_rare *k;
	struct tcp_ofo *o;

	if (ts->rare->ofo)
		return true;
	k = tcp_rare_get(ts);
	o = k ? malloc(sizeof(*o)) : NULL;
	if (!o)
		return false;
	k->ofo = o;
	atomic_fetch_add_explicit(&ts->sk.stack->tcp->ofos, 1, memory_order_relaxed);
	RB_INIT(&o->tree);
	TAILQ_INIT(&o->recent);
	o->bytes = o->fresh = 0;
	o->ack_first = false;
	o->ts_next = ts->ts_recent;
	ofo_round(ts);
	return true;
}

static void packet_free(struct tcp_sock *ts, struct pkbuf *b, enum drop_reason why)
{
	sock_rcv_uncharge(&ts->sk, b->pinned);
	pkbuf_drop(b, why);
}

static void block_unlink(struct tcp_sock *ts, struct ofo_block *k)
{
	ts->rare->ofo->bytes -= k->end - k->seq;
	ts->rare->ofo->fresh -= k->fresh;
	RB_REMOVE(ofo_tree, &ts->rare->ofo->tree, k);
	TAILQ_REMOVE(&ts->rare->ofo->recent, k, recent);
}

/* It is told of first. */
static void block_recent(struct tcp_sock *ts, struct ofo_block *k)
{
	TAILQ_REMOVE(&ts->rare->ofo->recent, k, recent);
	TAILQ_INSERT_HEAD(&ts->rare->ofo->recent, k, recent);
	ts->rare->ofo->fresh += !k->fresh;
	k->fresh = true;
}

static void block_free(struct tcp_sock *ts, struct ofo_block *k, enum drop_reason why)
{
	struct pkbuf *b;

	block_unlink(ts, k);
	while ((b = pkq_take(&k->q)))
		packet_free(ts, b, why);
	free(k);
}

static void ofo_trim(struct tcp_sock *ts)
{
	if (!RB_EMPTY(&ts->rare->ofo->tree))
		return;
	atomic_fetch_sub_explicit(&ts->sk.stack->tcp->ofos, 1, memory_order_relaxed);
	free(ts->rare->ofo);
	ts->rare_own->ofo = NULL;
}

/* --- adding ------------------------------------------------------------------------------------- */

/* The last block that begins at seq or before. */
static struct ofo_block *block_before(struct tcp_ofo *o, uint32_t seq)
{
	struct ofo_block key = {.seq = seq + 1}, *next = RB_NFIND(ofo_tree, &o->tree, &key);

	return next ? RB_PREV(ofo_tree, &o->tree, next) : RB_MAX(ofo_tree, &o->tree);
}

/* Cuts away what is held already.  False: b holds nothing new. */
static bool ofo_cut(struct tcp_sock *ts, struct pkbuf *b, struct ofo_block *before)
{
	struct tcp_seg *g = tcp_seg(b);
	struct ofo_block *next;

	if (before && seq_gt(before->end, g->seq)) {
		tcp_dsack_set(ts, g->seq, seq_min(g->end, before->end));
		if (seq_leq(g->end, before->end)) {
			block_recent(ts, before);
			return false;
		}
		pkbuf_trim_front(b, before->end - g->seq);
		g->seq = before->end;
	}
	for (;;) {
		next = before ? RB_NEXT(ofo_tree, &ts->rare->ofo->tree, before)
			      : RB_MIN(ofo_tree, &ts->rare->ofo->tree);
		if (!next || seq_leq(g->end, next->seq))
			return true;
		tcp_dsack_set(ts, next->seq, seq_min(g->end, next->end));
		if (seq_lt(g->end, next->end))
			break;
		block_free(ts, next, DROP_TCP_OLD_DATA);
	}
	pkbuf_trim_to(b, next->seq - g->seq);
	g->end = next->seq;
	return true;
}

static struct ofo_block *block_new(struct tcp_sock *ts, uint32_t seq)
{
	struct ofo_block *k = malloc(sizeof(*k));

	if (!k)
		return NULL;
	k->seq = k->end = seq;
	k->fresh = false;
	pkq_init(&k->q);
	RB_INSERT(ofo_tree, &ts->rare->ofo->tree, k);
	TAILQ_INSERT_HEAD(&ts->rare->ofo->recent, k, recent);
	return k;
}

/* k now ends where the next block begins: they become one. */
static void block_join(struct tcp_sock *ts, struct ofo_block *k)
{
	struct ofo_block *next = RB_NEXT(ofo_tree, &ts->rare->ofo->tree, k);

	if (!next || next->seq != k->end)
		return;
	block_unlink(ts, next);
	pkq_join(&k->q, &next->q);
	ts->rare->ofo->bytes += next->end - next->seq;
	k->end = next->end;
	free(next);
}

static struct pkbuf *block_last(struct ofo_block *k)
{
	if (!k->q.head)
		return NULL;
	return (struct pkbuf *)(void *)((char *)k->q.tail - offsetof(struct pkbuf, next));
}

static void block_grow(struct tcp_sock *ts, struct ofo_block *k, uint32_t n)
{
	k->end += n;
	ts->rare->ofo->bytes += n;
}

static void block_put(struct tcp_sock *ts, struct ofo_block *k, struct pkbuf *b)
{
	block_grow(ts, k, b->len);
	pkq_add(&k->q, b);
}

/*
 * Behind what k has.  In memory of its own size: a block of one segment that held on to a super-frame's
 * would take others' place in the buffer.  False: no room for all of it, b is still the caller's.
 */
static bool block_add(struct tcp_sock *ts, struct ofo_block *k, struct pkbuf *b)
{
	struct pkbuf *last = block_last(k), *packed;
	uint32_t n = last ? tcp_rcvq_merge(&ts->sk, last, b) : 0;
	bool whole;

	k->q.bytes += n;
	block_grow(ts, k, n);
	packed = b->len ? tcp_rcvq_pack(&ts->sk, b) : NULL;
	if (packed)
		block_put(ts, k, packed);
	whole = b->len == 0;
	if (whole) {
		pkbuf_free(b);
	} else if (sock_rcv_charge(&ts->sk, b->pinned)) {
		block_put(ts, k, b);
		whole = true;
	}
	block_recent(ts, k);
	block_join(ts, k);
	return whole;
}

static enum drop_reason ofo_insert(struct tcp_sock *ts, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	struct ofo_block *k;

	if (!ofo_make(ts))
		return DROP_NO_MEMORY;
	k = block_before(ts->rare->ofo, g->seq);
	if (!ofo_cut(ts, b, k)) {
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPOFOMerge);
		return DROP_TCP_OLD_DATA;
	}
	if (!k || k->end != g->seq)
		k = block_new(ts, g->seq);
	if (!k)
		return DROP_NO_MEMORY;
	if (block_add(ts, k, b))
		return DROP_NONE;
	if (!k->q.head)
		block_free(ts, k, DROP_NONE);
	mib_inc(ts->sk.stack, MIB_TcpExt_TCPOFODrop);
	return DROP_TCP_OFO_LIMIT;
}

/*
 * RFC 5681, 4.2: each segment tells the sender.  Without SACK by an ACK of its own; with it blocks say
 * how many there were, and three ACKs of a batch start the repair.
 */
static uint8_t dupacks_most(const struct tcp_sock *ts)
{
	return ts->flags & TCP_F_SACK ? TCP_DUPTHRESH : UINT8_MAX;
}

static void ofo_count(struct tcp_sock *ts)
{
	struct tcp_rare *k = tcp_rare_get(ts);

	if (k)
		k->rcv_ooopack++;
}

void tcp_ofo_add(struct tcp_sock *ts, struct pkbuf *b)
{
	enum drop_reason why = DROP_TCP_OFO_LIMIT;
	bool due = !ts->rare->ofo && (ts->flags & TCP_F_ACK_NOW);

	if (ts->dupacks_owed < dupacks_most(ts))
		ts->dupacks_owed++;
	ts->flags |= TCP_F_ACK_NOW;
	ofo_count(ts);
	if (!depot_pressure(ts->sk.stack))
		why = ofo_insert(ts, b);
	if (why)
		pkbuf_drop(b, why);
	else
		mib_inc(ts->sk.stack, MIB_TcpExt_TCPOFOQueue);
	if (ts->rare->ofo) {
		ts->rare->ofo->ack_first |= due;
		ofo_trim(ts);
	}
}

/*
 * It fills a hole, and is no older than that: a retransmission has overtaken it.  RFC 7323, 5.3, R1 has it
 * dropped; where packets are reordered, each recovery would lose so much that another follows.
 */
bool tcp_ofo_overtaken(const struct tcp_sock *ts, const struct tcp_seg *g)
{
	if (!ts->rare->ofo || g->seq == g->end || seq_lt(g->seq, ts->rcv_nxt))
		return false;
	return seq_lt(g->seq, tcp_ofo_end(ts)) && seq_geq(g->tsval, ts->rare->ofo->ts_floor);
}

uint32_t tcp_ofo_bytes(const struct tcp_sock *ts)
{
	return ts->rare->ofo ? ts->rare->ofo->bytes : 0;
}

uint32_t tcp_ofo_end(const struct tcp_sock *ts)
{
	return RB_MAX(ofo_tree, &ts->rare->ofo->tree)->end;
}

/* --- taking ------------------------------------------------------------------------------------- */

/* A FIN seen since b came ends the stream before what lies behind it. */
static void packet_in_order(struct tcp_sock *ts, struct pkbuf *b)
{
	struct tcp_seg *g = tcp_seg(b);
	uint32_t old;

	if (ts->flags & TCP_F_FIN_SEEN)
		g->end = seq_min(g->end, ts->est->rcv_fin);
	if (seq_leq(g->end, ts->rcv_nxt)) {
		packet_free(ts, b, DROP_TCP_OLD_DATA);
		return;
	}
	pkbuf_trim_to(b, g->end - g->seq);
	if (seq_lt(g->seq, ts->rcv_nxt)) {
		old = ts->rcv_nxt - g->seq;
		pkbuf_trim_front(b, old);
		g->seq += old;
	}
	tcp_rcvq_take(ts, b);
}

void tcp_ofo_drain(struct tcp_sock *ts)
{
	struct ofo_block *k;
	struct pkbuf *b;

	while (ts->rare->ofo && (k = RB_MIN(ofo_tree, &ts->rare->ofo->tree)) &&
	       seq_leq(k->seq, ts->rcv_nxt)) {
		if (seq_lt(k->seq, ts->rcv_nxt)) /* what filled the hole went on over it */
			tcp_dsack_set(ts, k->seq, seq_min(k->end, ts->rcv_nxt));
		block_unlink(ts, k);
		while ((b = pkq_take(&k->q)))
			packet_in_order(ts, b);
		free(k);
		ofo_trim(ts);
	}
	if (ts->rare->ofo && seq_geq(ts->rcv_nxt, ts->rare->ofo->round_end))
		ofo_round(ts);
}

bool tcp_ofo_prune(struct tcp_sock *ts, uint32_t need)
{
	struct sock *sk = &ts->sk;

	mib_inc(sk->stack, MIB_TcpExt_PruneCalled);
	if (ts->rare->ofo && sk->rcv_bytes + need > sk->rcvbuf)
		mib_inc(sk->stack, MIB_TcpExt_OfoPruned);
	while (sk->rcv_bytes + need > sk->rcvbuf && ts->rare->ofo) {
		mib_inc(sk->stack, MIB_TcpExt_TCPOFODrop);
		block_free(ts, RB_MAX(ofo_tree, &ts->rare->ofo->tree), DROP_TCP_OFO_LIMIT);
		ofo_trim(ts);
	}
	return sk->rcv_bytes == 0 || sk->rcv_bytes + need <= sk->rcvbuf;
}

void tcp_ofo_free(struct tcp_sock *ts)
{
	while (ts->rare->ofo) {
		block_free(ts, RB_MIN(ofo_tree, &ts->rare->ofo->tree), DROP_TCP_OFO_LIMIT);
		ofo_trim(ts);
	}
}

/* --- memory is short ---------------------------------------------------------------------------- */

void tcp_reclaim(struct sock *sk)
{
	tcp_ofo_free(tcp_sk(sk));
}

static void reclaim_one(struct sock_common *c, void *arg)
{
	struct sock *sk = (struct sock *)(void *)c;

	if (c->kind == SOCK_KIND_FULL && sock_lock_or_leave(sk, SOCK_WORK_RECLAIM))
		sock_unlock(sk);
}

/* Asked at the end of each batch as long as memory is short. */
void tcp_reclaim_stack(struct stack *st)
{
	if (atomic_load_explicit(&st->tcp->ofos, memory_order_relaxed))
		inet_each(st->tcp->table, reclaim_one, NULL);
}
