/*
 * tcp/tcp.c - the stack's TCP: its state, the table of operations, a sock's making and end.
 */
#include "tcp/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/tcp_priv.h"

static int tcp_init(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);
	struct stack *st = sk->stack;

	atomic_store_explicit(&sk->c.state, TCP_CLOSE, memory_order_relaxed);
	atomic_store_explicit(&sk->rcvbuf, (uint32_t)sysctl_get(st, tcp_rmem_dflt),
			      memory_order_relaxed);
	atomic_store_explicit(&sk->sndbuf, (uint32_t)sysctl_get(st, tcp_wmem_dflt),
			      memory_order_relaxed);
	ts->mss =
	    TCP_MSS_DEFAULT; /* never 0: a FIN may go before ESTABLISHED, and without a path */
	ts->rare = &tcp_rare_none;
	ts->est_shared = &tcp_est_none;
	if (!tcp_est_get(ts))
		return -ENOMEM;
	timer_init(&ts->timer, tcp_timer_fire);
	ts->cc = tcp_cc_default(st);
	return 0;
}

static int tcp_bind(struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	if (tcp_state_of(tcp_sk(sk)) != TCP_CLOSE)
		return -EINVAL;
	if (!port && (sk->flags & SOCK_BIND_NO_PORT))
		return inet_bind_addr(sk, a);
	return inet_bind(sk->stack->tcp->table, sk, a, port);
}

static void tcp_destroy(struct sock *sk)
{
	struct tcp_sock *ts = tcp_sk(sk);

	assert(tcp_state_of(ts) == TCP_CLOSE && !ts->rare->listen && !ts->rare->ofo &&
	       !ts->est->xfer);
	tcp_rcvq_free(ts);
	tcp_rare_free(ts);
	tcp_est_free(ts);
}

const struct sock_ops tcp_ops = {
    .proto = IP_PROTO_TCP,
    .type = SOCK_STREAM,
    .size = sizeof(struct tcp_sock),
    .name = "tcp",
    .init = tcp_init,
    .bind = tcp_bind,
    .connect = tcp_connect,
    .disconnect = tcp_disconnect,
    .listen = tcp_listen,
    .accept = tcp_accept,
    .send = tcp_send,
    .recv = tcp_recv,
    .recv_end = tcp_recv_end,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
    .poll = tcp_poll,
    .await = tcp_await,
    .setopt = tcp_setopt,
    .getopt = tcp_getopt,
    .ioctl = tcp_ioctl,
    .backlog_in = tcp_backlog_in,
    .timer = tcp_timer,
    .push = tcp_push,
    .reclaim = tcp_reclaim,
    .destroy = tcp_destroy,
};

static const struct ip_proto tcp_proto = {
    .proto = IP_PROTO_TCP,
    .in = tcp_in,
    .err = tcp_err,
};

/* The table's last put of a request or TIME-WAIT sock. */
static void free_small(struct sock_common *c)
{
	if (c->kind == SOCK_KIND_REQUEST)
		tcp_request_free((struct tcp_request *)(void *)c);
	else
		tcp_timewait_free((struct tcp_timewait *)(void *)c);
}

static void key_fill(struct stack *st, uint8_t key[16])
{
	uint64_t r[2] = {env_random(st->env), env_random(st->env)};

	memcpy(key, r, sizeof(r));
}

/* net.ipv4.tcp_fastopen_key, until somebody sets another. */
static void fo_key_fill(struct stack *st)
{
	_Atomic int64_t *word[] = {&st->sysctl.tcp_fo_key0, &st->sysctl.tcp_fo_key1,
				   &st->sysctl.tcp_fo_key2, &st->sysctl.tcp_fo_key3};

	for (unsigned i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		atomic_store(word[i], (int64_t)(env_random(st->env) & UINT32_MAX));
}

struct tcp_state *tcp_state_create(struct stack *st)
{
	struct tcp_state *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->stack = st;
	t->fo = tcp_fo_cache_create();
	t->table = t->fo ? inet_table_create(st, IP_PROTO_TCP, tcp_timewait_take) : NULL;
	if (!t->table) {
		tcp_fo_cache_destroy(t->fo);
		free(t);
		return NULL;
	}
	inet_table_set_free(t->table, free_small);
	key_fill(st, t->isn_key);
	key_fill(st, t->ts_key);
	key_fill(st, t->cookie_key);
	key_fill(st, t->fo_row_key);
	fo_key_fill(st);
	st->tcp = t;
	tcp_cc_start(st);
	ip_proto_register(st, &tcp_proto);
	depot_reclaim_register(st, RECLAIM_OFO, tcp_reclaim_stack);
	return t;
}

void tcp_state_destroy(struct stack *st)
{
	struct tcp_state *t = st->tcp;

	if (!t)
		return;
	inet_table_destroy(t->table);
	tcp_fo_cache_destroy(t->fo);
	st->tcp = NULL;
	free(t);
}

struct inet_table *tcp_table(struct stack *st)
{
	return st->tcp->table;
}

/*
 * A program has closed it and the peer has acknowledged all: there is nothing to take back, and a
 * reset would cost the peer what lies there unread.
 */
static bool is_delivered(const struct tcp_sock *ts)
{
	return (ts->flags & TCP_F_ORPHAN) && tcp_state_of(ts) == TCP_FIN_WAIT2;
}

static void abort_one(struct sock_common *c, void *arg)
{
	struct sock *sk = (struct sock *)(void *)c;

	if (c->kind == SOCK_KIND_TIMEWAIT)
		tcp_timewait_kill((struct tcp_timewait *)(void *)c);
	if (c->kind != SOCK_KIND_FULL)
		return; /* a request goes with its listener */
	sock_lock(sk);
	if (tcp_state_of(tcp_sk(sk)) == TCP_LISTEN)
		tcp_listen_close(tcp_sk(sk));
	else if (is_delivered(tcp_sk(sk)))
		tcp_done(tcp_sk(sk), ENETDOWN);
	else
		tcp_abort(tcp_sk(sk), ENETDOWN);
	sock_unlock(sk);
}

void tcp_abort_all(struct stack *st)
{
	struct batch b;

	batch_begin(&b, st);
	inet_each(st->tcp->table, abort_one, NULL);
	/* once more for those whose FIN came between look-up and lock: TIME-WAIT took their place */
	inet_each(st->tcp->table, abort_one, NULL);
	batch_end(&b);
}
