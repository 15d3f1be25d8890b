/*
 * ip/inet_sock.c - what every endpoint has: its life, its lock with the work left in it, its byte
 * accounts and its path.
 *
 * Device, timer and ICMP never wait for a sock.  A packet goes on the backlog, a lock-free list,
 * newest first; then its work bit either takes the lock or is left with the holder, whose unlock
 * finds it: sock_unlock() is the one place where packets, timers and pushes are done.
 */
#include "ip/inet_sock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ip/inet_stamp.h"
#include "ip/ip_priv.h"
#include "lib/cell.h"
#include "lib/mib.h"
#include "lib/stack.h"

#define BACKLOG_SLACK 65536u  /* over the two buffers: a super-frame must fit */
#define BACKLOG_ERRORS 65536u /* over that, for ICMP errors and stamps only */

static struct sock *sock_of_later(struct later *l)
{
	return (struct sock *)(void *)((char *)l - offsetof(struct sock, later));
}

static void sock_push_fn(struct later *l)
{
	struct sock *sk = sock_of_later(l);

	/* taken or left, the bit is in the lock: whoever unlocks it next pushes */
	if (sock_lock_or_leave(sk, SOCK_WORK_PUSH))
		sock_unlock(sk);
	sock_put(sk);
}

static void sock_defaults(struct sock *sk, struct stack *st)
{
	sk->stack = st;
	sk->c.proto = sk->ops->proto;
	sk->c.kind = SOCK_KIND_FULL;
	sk->c.families = SOCK_FAMILY_4;
	sk->rcvbuf = (uint32_t)sysctl_get(st, rmem_default);
	sk->sndbuf = (uint32_t)sysctl_get(st, wmem_default);
	sk->rare = &sock_rare_none;
	sk->flags = SOCK_MCAST_LOOP | SOCK_MCAST_ALL;
	sk->pmtudisc = sysctl_get(st, ip_no_pmtu_disc) ? PMTUDISC_DONT : PMTUDISC_WANT;
	sk->later.fn = sock_push_fn;
	atomic_store_explicit(&sk->c.ref, 1, memory_order_relaxed);
}

struct sock *sock_alloc(struct stack *st, const struct sock_ops *ops)
{
	struct sock *sk;

	assert(ops->size >= sizeof(struct sock) && ops->size <= CELL_MAX);
	sk = cell_zalloc(st, ops->size);
	if (!sk)
		return NULL;
	sk->ops = ops;
	sock_defaults(sk, st);
	if (ops->init(sk) != 0) {
		cell_free(st, sk, ops->size);
		return NULL;
	}
	gauge_add(st, GAUGE_socks, 1);
	return sk;
}

const struct sock_rare sock_rare_none = {.rcvlowat = 1, .mcast_ttl = 1};

struct sock_rare *sock_rare_get(struct sock *sk)
{
	struct sock_rare *r;

	if (sk->rare != &sock_rare_none)
		return sk->rare_own;
	r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	*r = sock_rare_none;
	sk->rare_own = r;
	return r;
}

static void sock_rare_free(struct sock *sk)
{
	if (sk->rare == &sock_rare_none)
		return;
	sock_stamps_free(sk);
	free(sk->rare_own->opt);
	free(sk->rare_own);
}

void sock_put(struct sock *sk)
{
	if (atomic_fetch_sub_explicit(&sk->c.ref, 1, memory_order_acq_rel) != 1)
		return;
	assert(!sk->c.hashed && !sk->port && !sk->c.on_batch);
	assert(!atomic_load_explicit(&sk->backlog, memory_order_relaxed));
	if (sk->ops->destroy)
		sk->ops->destroy(sk);
	assert(sk->rcv_bytes == 0 && sk->snd_bytes == 0);
	if (sk->path)
		path_put(sk->path);
	gauge_add(sk->stack, GAUGE_socks, -1);
	sock_rare_free(sk);
	cell_free(sk->stack, sk, sk->ops->size);
}

/* --- the lock and what is left in it ---------------------------------------------------------- */

void sock_lock(struct sock *sk)
{
	lock_take(&sk->c.lock, RANK_SOCK);
	batch_clock_check(sk->stack);
}

void sock_lock_child(struct sock *sk)
{
	lock_take(&sk->c.lock, RANK_CHILD);
	batch_clock_check(sk->stack);
}

bool sock_lock_or_leave(struct sock *sk, uint32_t work)
{
	if (!lock_take_or_leave(&sk->c.lock, work, RANK_SOCK))
		return false;
	batch_clock_check(sk->stack);
	return true;
}

/* The backlog, oldest first. */
static struct pkbuf *sock_backlog_take(struct sock *sk)
{
	struct pkbuf *b = atomic_exchange_explicit(&sk->backlog, NULL, memory_order_acquire);
	struct pkbuf *oldest = NULL;

	while (b) {
		struct pkbuf *older = b->next;

		b->next = oldest;
		oldest = b;
		b = older;
	}
	return oldest;
}

/* Returns the bytes to uncharge. */
static uint32_t sock_backlog_run(struct sock *sk)
{
	uint32_t bytes = 0;

	for (struct pkbuf *next, *b = sock_backlog_take(sk); b; b = next) {
		next = b->next;
		b->next = NULL;
		bytes += b->pinned;
		sk->ops->backlog_in(sk, b);
	}
	return bytes;
}

static uint32_t sock_work(struct sock *sk, uint32_t work)
{
	uint32_t bytes = 0;

	if (work & SOCK_WORK_BACKLOG)
		bytes = sock_backlog_run(sk);
	if ((work & SOCK_WORK_TIMER) && sk->ops->timer)
		sk->ops->timer(sk);
	if ((work & SOCK_WORK_RECLAIM) && sk->ops->reclaim)
		sk->ops->reclaim(sk);
	if (work & SOCK_WORK_PUSH) {
		sk->c.on_batch = false;
		if (sk->ops->push)
			sk->ops->push(sk);
	}
	return bytes;
}

NO_LOCK_ANALYSIS void sock_unlock(struct sock *sk)
{
	uint32_t work, bytes = 0;

	if (lock_drop_idle(&sk->c.lock))
		return;
	while ((work = lock_drop(&sk->c.lock)))
		bytes += sock_work(sk, work);
	/* only now: a flood fills the backlog and is dropped, and the drain comes to an end */
	if (bytes)
		atomic_fetch_sub_explicit(&sk->backlog_bytes, bytes, memory_order_relaxed);
}

static uint32_t sock_backlog_bound(struct sock *sk, const struct pkbuf *b)
{
	uint32_t bound = BACKLOG_SLACK + atomic_load_explicit(&sk->rcvbuf, memory_order_relaxed) +
			 atomic_load_explicit(&sk->sndbuf, memory_order_relaxed);

	return b->kind != PKBUF_PACKET ? bound + BACKLOG_ERRORS : bound;
}

static void sock_backlog_add(struct sock *sk, struct pkbuf *b)
{
	struct pkbuf *newest = atomic_load_explicit(&sk->backlog, memory_order_relaxed);

	do
		b->next = newest;
	while (!atomic_compare_exchange_weak_explicit(&sk->backlog, &newest, b,
						      memory_order_release, memory_order_relaxed));
}

bool sock_deliver(struct sock *sk, struct pkbuf *b)
{
	uint32_t bytes = b->pinned;
	uint32_t was = atomic_fetch_add_explicit(&sk->backlog_bytes, bytes, memory_order_relaxed);

	if (was + bytes > sock_backlog_bound(sk, b)) {
		atomic_fetch_sub_explicit(&sk->backlog_bytes, bytes, memory_order_relaxed);
		pkbuf_drop(b, DROP_SOCK_BACKLOG);
		return false;
	}
	sock_backlog_add(sk, b);
	if (sock_lock_or_leave(sk, SOCK_WORK_BACKLOG))
		sock_unlock(sk);
	return true;
}

void sock_deliver_error(struct sock *sk, const struct sock_err *e, const struct pkbuf *msg,
			uint32_t off)
{
	struct pkbuf *b = pkbuf_alloc(sk->stack, 0);

	if (!b)
		return;
	b->kind = PKBUF_ERROR;
	memcpy(b->cb, e, sizeof(*e));
	if (msg && off < msg->len && pkbuf_append_from(b, msg, off, msg->len - off)) {
		pkbuf_free(b);
		return;
	}
	if (msg) {
		b->dev = msg->dev;
		b->src = msg->src;
		b->dst = msg->dst;
		b->ttl = msg->ttl;
		b->tos = msg->tos;
	}
	sock_deliver(sk, b);
}

void sock_push_later(struct sock *sk)
{
	assert(lock_is_held(&sk->c.lock));
	if (sk->c.on_batch)
		return;
	sk->c.on_batch = true;
	sock_hold(sk);
	batch_later(sk->stack, BATCH_PUSH, &sk->later);
}

/* --- upward ----------------------------------------------------------------------------------- */

void sock_ready(struct sock *sk, uint32_t events)
{
	const struct sock_events *e = sk->stack->sock_events;

	if (e)
		e->ready(sk, events);
}

void sock_set_error(struct sock *sk, int err)
{
	assert(err > 0 && lock_is_held(&sk->c.lock));
	sk->err = (int16_t)err;
	sock_ready(sk, EPOLLERR);
}

int sock_take_error(struct sock *sk)
{
	int err = sk->err;

	assert(lock_is_held(&sk->c.lock));
	sk->err = 0;
	return -err;
}

int sock_take_soft_error(struct sock *sk)
{
	int err = sk->soft_err;

	assert(lock_is_held(&sk->c.lock));
	sk->soft_err = 0;
	return -err;
}

/* --- byte accounts: written under the lock, read by anybody ----------------------------------- */

bool sock_rcv_charge(struct sock *sk, uint32_t bytes)
{
	uint32_t have = atomic_load_explicit(&sk->rcv_bytes, memory_order_relaxed);

	if (have && have + bytes > atomic_load_explicit(&sk->rcvbuf, memory_order_relaxed))
		return false;
	atomic_store_explicit(&sk->rcv_bytes, have + bytes, memory_order_relaxed);
	gauge_add(sk->stack, GAUGE_rcv_bytes, bytes);
	return true;
}

void sock_rcv_uncharge(struct sock *sk, uint32_t bytes)
{
	uint32_t have = atomic_load_explicit(&sk->rcv_bytes, memory_order_relaxed);

	assert(have >= bytes);
	atomic_store_explicit(&sk->rcv_bytes, have - bytes, memory_order_relaxed);
	gauge_add(sk->stack, GAUGE_rcv_bytes, -(int64_t)bytes);
}

void sock_snd_charge(struct sock *sk, uint32_t bytes)
{
	uint32_t have = atomic_load_explicit(&sk->snd_bytes, memory_order_relaxed);

	atomic_store_explicit(&sk->snd_bytes, have + bytes, memory_order_relaxed);
	gauge_add(sk->stack, GAUGE_snd_bytes, bytes);
}

void sock_snd_uncharge(struct sock *sk, uint32_t bytes)
{
	uint32_t have = atomic_load_explicit(&sk->snd_bytes, memory_order_relaxed);

	assert(have >= bytes);
	atomic_store_explicit(&sk->snd_bytes, have - bytes, memory_order_relaxed);
	gauge_add(sk->stack, GAUGE_snd_bytes, -(int64_t)bytes);
}

/* --- downward --------------------------------------------------------------------------------- */

/* A group or broadcast address that was bound to receive from is no source. */
static struct ip_addr sock_source(const struct sock *sk)
{
	return sk->flags & SOCK_BOUND_WIDE ? ip_addr_any : sk->c.laddr;
}

struct ip_addr sock_source_unbound(const struct sock *sk, const struct ip_addr *dst)
{
	return ip_addr_is_multicast(dst) ? sk->rare->mcast_addr : ip_addr_any;
}

/* What those to a group have of their own. */
static void flow_to_group(const struct sock *sk, struct ip_flow *f)
{
	f->ttl = sk->rare->mcast_ttl;
	f->stays = f->ttl == 0 && !f->hdrincl;
	if (!f->ifindex)
		f->ifindex = sk->rare->mcast_ifindex;
	if (ip_addr_is_any(&f->src))
		f->src = sk->rare->mcast_addr;
}

void sock_flow(const struct sock *sk, const struct ip_addr *dst, struct ip_flow *f)
{
	*f = (struct ip_flow){
	    .src = sock_source(sk),
	    .dst = *dst,
	    .ifindex = sk->c.ifindex,
	    .mark = sk->rare->mark,
	    .proto = sk->c.proto,
	    .tos = sk->tos,
	    .ttl = sk->ttl,
	    .pmtudisc = sk->pmtudisc,
	    .optlen = sk->rare->optlen,
	    .opt = sk->rare->opt,
	    .broadcast = sk->flags & SOCK_BROADCAST,
	    .hdrincl = sk->flags & SOCK_HDRINCL,
	    .no_loop = !(sk->flags & SOCK_MCAST_LOOP),
	};
	if (ip_addr_is_multicast(dst))
		flow_to_group(sk, f);
}

/* Nothing is set that ip_out() would look for, and nobody here hears it too. */
static bool out_is_plain(const struct sock *sk, const struct path *path)
{
	return sk->rare == &sock_rare_none && sk->pmtudisc == PMTUDISC_WANT &&
	       path->type == ROUTE_UNICAST;
}

void sock_note(const struct sock *sk, struct pkbuf *b)
{
	b->src = sk->c.laddr;
	b->dst = sk->c.raddr;
	b->proto = sk->c.proto;
	b->tos |= sk->tos;
	b->ttl = sock_ttl(sk);
}

int sock_out(const struct sock *sk, struct pkbuf *b, struct path *path)
{
	struct ip_flow f;

	if (out_is_plain(sk, path))
		return ip_out_noted(b, path);
	sock_flow(sk, &sk->c.raddr, &f);
	f.tos = b->tos;
	return ip_out(b, &f, path);
}

bool sock_believes_mtu(const struct sock *sk)
{
	return sk->pmtudisc < PMTUDISC_INTERFACE;
}

static struct path *path_anew(struct sock *sk, int *err)
{
	struct ip_flow f;

	if (sk->path)
		path_put(sk->path);
	sock_flow(sk, &sk->c.raddr, &f);
	sk->path = path_get(sk->stack, &f, err);
	return sk->path;
}

struct path *sock_path(struct sock *sk, int *err)
{
	assert(lock_is_held(&sk->c.lock));
	return sk->path && path_is_current(sk->path) ? sk->path : path_anew(sk, err);
}
