/*
 * udp/udp.c - the endpoint: bind, connect, close, and the ops table (RFC 768; RFC 1122, 4.1).
 *
 * A sock is in the table of bound socks from its first port on.  connect() only notes the peer:
 * datagrams of others no longer find the sock, and ICMP errors are reported to it.
 */
#include "udp/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "ip/mcast.h"
#include "lib/stack.h"
#include "udp/udp_priv.h"

struct udp_state *udp_state_create(struct stack *st)
{
	struct udp_state *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->table = inet_table_create(st, IP_PROTO_UDP, NULL);
	if (!u->table) {
		free(u);
		return NULL;
	}
	st->udp = u;
	ip_proto_register(st, &udp_proto);
	return u;
}

void udp_state_destroy(struct stack *st)
{
	inet_table_destroy(st->udp->table);
	free(st->udp);
	st->udp = NULL;
}

struct inet_table *udp_table(struct stack *st)
{
	return st->udp->table;
}

/* --- addresses -------------------------------------------------------------------------------- */

static int udp_bind(struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	int err = inet_bind(udp_table(sk->stack), sk, a, port);

	if (!err)
		inet_hash_bound(udp_table(sk->stack), sk);
	return err;
}

int udp_autobind(struct sock *sk)
{
	return sk->port ? 0 : udp_bind(sk, &sk->c.laddr, 0);
}

void udp_forget_path(struct sock *sk)
{
	if (sk->path)
		path_put(sk->path);
	sk->path = NULL;
}

/* A source address that connect() chose, and not bind(), is chosen anew. */
static struct ip_addr udp_bound_addr(const struct sock *sk)
{
	return sk->flags & SOCK_BOUND_ADDR ? sk->c.laddr : ip_addr_any;
}

static int udp_connect(struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	struct inet_tuple tu = {.laddr = udp_bound_addr(sk), .raddr = udp_dst(a), .rport = port};
	struct ip_flow f;
	struct path *p;
	int err = udp_autobind(sk);

	if (err)
		return err;
	sock_flow(sk, &tu.raddr, &f);
	if (!(sk->flags & SOCK_BOUND_ADDR))
		f.src = sock_source_unbound(sk, &tu.raddr);
	p = path_get(sk->stack, &f, &err);
	if (!p)
		return err;
	udp_forget_path(sk);
	sk->path = p;
	if (ip_addr_is_any(&tu.laddr))
		tu.laddr = p->src;
	tu.lport = sk->c.lport;
	inet_rehash_bound(udp_table(sk->stack), sk, &tu);
	atomic_store_explicit(&sk->c.state, DGRAM_CONNECTED, memory_order_relaxed);
	return 0;
}

/* Back to what bind() said; a port it did not name is given back. */
static int udp_disconnect(struct sock *sk)
{
	struct inet_tuple tu = {.laddr = udp_bound_addr(sk), .lport = sk->c.lport};

	udp_forget_path(sk);
	atomic_store_explicit(&sk->c.state, DGRAM_UNCONNECTED, memory_order_relaxed);
	if (inet_hashed(&sk->c))
		inet_rehash_bound(udp_table(sk->stack), sk, &tu);
	if (!(sk->flags & SOCK_BOUND_PORT)) {
		inet_unhash(udp_table(sk->stack), &sk->c);
		sk->c.lport = 0;
	}
	return 0;
}

/* --- the rest of the table -------------------------------------------------------------------- */

static void udp_close(struct sock *sk)
{
	sk->flags |= SOCK_DEAD;
	inet_unhash(udp_table(sk->stack), &sk->c);
	mcast_sock_leave_all(sk);
	dgram_purge(sk);
	udp_forget_path(sk);
}

static int udp_setopt(struct sock *sk, int level, int name, const void *v, socklen_t n)
{
	return level == IPPROTO_IP ? inet_sock_setopt(sk, name, v, n) : -ENOPROTOOPT;
}

static int udp_getopt(struct sock *sk, int level, int name, void *v, socklen_t *n)
{
	return level == IPPROTO_IP ? inet_sock_getopt(sk, name, v, n) : -ENOPROTOOPT;
}

const struct sock_ops udp_ops = {
    .proto = IP_PROTO_UDP,
    .type = SOCK_DGRAM,
    .size = sizeof(struct dgram_sock),
    .name = "udp",
    .init = dgram_init,
    .bind = udp_bind,
    .connect = udp_connect,
    .disconnect = udp_disconnect,
    .send = udp_send,
    .recv = dgram_recv,
    .shutdown = dgram_shutdown,
    .close = udp_close,
    .poll = dgram_poll,
    .setopt = udp_setopt,
    .getopt = udp_getopt,
    .ioctl = dgram_ioctl,
    .backlog_in = udp_backlog_in,
};
