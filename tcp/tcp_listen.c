/*
 * tcp/tcp_listen.c - LISTEN: listen(), accept(), and what arrives for a listener (RFC 9293, 3.10.1
 * and 3.10.7.2).
 *
 * The SYN queue (tcp_request.c) and the accept queue are two things: a connection is complete
 * before accept() sees it.
 */
#include <errno.h>
#include <stdlib.h>

#include "tcp/tcp_priv.h"

static struct tcp_listen *listen_alloc(void)
{
	struct tcp_listen *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->accept_tail = &l->accept_head;
	for (unsigned i = 0; i < TCP_REQUEST_LISTS; i++)
		l->requests[i].tail = &l->requests[i].head;
	return l;
}

static uint32_t listen_backlog(struct stack *st, int backlog)
{
	uint32_t most = (uint32_t)sysctl_get(st, somaxconn);

	return backlog < 0 || (uint32_t)backlog > most ? most : (uint32_t)backlog;
}

/* What may fail for want of memory comes first: a refused listen() leaves the port as it was. */
static int listen_start(struct tcp_sock *ts)
{
	struct tcp_rare *k = tcp_rare_get(ts);
	struct tcp_listen *l = k ? listen_alloc() : NULL;
	struct sock *sk = &ts->sk;
	struct inet_table *t = sk->stack->tcp->table;
	int err = l ? 0 : -ENOMEM;

	if (!err && !sk->port)
		err = inet_bind(t, sk, &sk->c.laddr, 0);
	if (!err)
		err = inet_listen(t, sk);
	if (err) {
		free(l);
		return err;
	}
	k->listen = l;
	tcp_set_state(ts, TCP_LISTEN);
	inet_hash_bound(t, sk);
	return 0;
}

int tcp_listen(struct sock *sk, int backlog)
{
	struct tcp_sock *ts = tcp_sk(sk);
	unsigned state = tcp_state_of(ts);
	int err;

	if (state != TCP_CLOSE && state != TCP_LISTEN)
		return -EINVAL;
	if (state == TCP_CLOSE) {
		err = listen_start(ts);
		if (err)
			return err;
	}
	ts->rare->listen->backlog = listen_backlog(sk->stack, backlog);
	return tcp_fastopen_listen(ts, ts->rare->listen->backlog);
}

/* --- the accept queue --------------------------------------------------------------------------- */

/* One more than was asked for, as Linux: listen(0) is a queue, too. */
bool tcp_accept_full(const struct tcp_listen *l)
{
	return l->accept_count > l->backlog;
}

/* Takes the caller's reference of child. */
void tcp_accept_add(struct tcp_sock *ls, struct tcp_sock *child)
{
	struct tcp_listen *l = ls->rare->listen;

	child->accept_next = NULL;
	*l->accept_tail = child;
	l->accept_tail = &child->accept_next;
	l->accept_count++;
	sock_ready(&ls->sk, EPOLLIN);
}

static struct tcp_sock *accept_take(struct tcp_listen *l)
{
	struct tcp_sock *child = l->accept_head;

	if (!child)
		return NULL;
	l->accept_head = child->accept_next;
	if (!l->accept_head)
		l->accept_tail = &l->accept_head;
	l->accept_count--;
	child->accept_next = NULL;
	return child;
}

struct sock *tcp_accept(struct sock *sk, int *err)
{
	struct tcp_sock *ls = tcp_sk(sk), *child;

	*err = -EINVAL;
	if (tcp_state_of(ls) != TCP_LISTEN)
		return NULL;
	child = accept_take(ls->rare->listen);
	*err = child ? 0 : -EAGAIN;
	return child ? &child->sk : NULL;
}

/* --- the end of a listener ---------------------------------------------------------------------- */

/* Connections that nobody will accept are reset. */
static void accept_abort(struct tcp_sock *child)
{
	sock_lock_child(&child->sk);
	child->sk.flags |= SOCK_DEAD;
	tcp_abort(child, 0);
	inet_unhash(child->sk.stack->tcp->table, &child->sk.c);
	tcp_rcvq_free(child);
	sock_unlock(&child->sk);
	sock_put(&child->sk);
}

void tcp_listen_close(struct tcp_sock *ls)
{
	struct tcp_listen *l = ls->rare->listen;
	struct tcp_sock *child;

	for (unsigned i = 0; i < TCP_REQUEST_LISTS; i++) {
		while (l->requests[i].head)
			tcp_request_drop(ls, l->requests[i].head);
	}
	while ((child = accept_take(l)))
		accept_abort(child);
	tcp_done(ls, 0);
	ls->rare_own->listen = NULL;
	free(l);
}

/* --- RFC 9293, 3.10.7.2 ------------------------------------------------------------------------- */

void tcp_listen_in(struct tcp_sock *ls, struct pkbuf *b)
{
	const struct tcp_seg *g = tcp_seg(b);
	enum drop_reason why;

	if (g->flags & TCP_RST) { /* first */
		why = DROP_TCP_LISTEN_RST;
	} else if (tcp_cookie_ack(ls, b)) {
		return;
	} else if (g->flags & TCP_ACK) { /* second */
		tcp_reply_rst(b);
		why = DROP_TCP_LISTEN_ACK;
	} else if (!(g->flags & TCP_SYN)) { /* fourth */
		why = DROP_TCP_LISTEN_FLAGS;
	} else if (g->flags & TCP_FIN) {
		why = DROP_TCP_SYN_FIN;
	} else { /* third; text beside the SYN is not kept: it will come again */
		tcp_syn_in(ls, b);
		return;
	}
	pkbuf_drop(b, why);
}
