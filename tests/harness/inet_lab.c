/*
 * tests/harness/inet_lab.c - see inet_lab.h.
 */
#include "tests/harness/inet_lab.h"

#include <errno.h>

#include "ip/inet_dgram.h"
#include "tests/harness/unit.h"

static int none_init(struct sock *sk)
{
	return 0;
}

static void none_backlog_in(struct sock *sk, struct pkbuf *b)
{
	pkbuf_free(b);
}

const struct sock_ops inet_lab_stream = {
    .proto = IP_PROTO_TCP,
    .type = SOCK_STREAM,
    .size = sizeof(struct sock),
    .name = "stream",
    .init = none_init,
    .backlog_in = none_backlog_in,
};

const struct sock_ops inet_lab_dgram = {
    .proto = IP_PROTO_UDP,
    .type = SOCK_DGRAM,
    .size = sizeof(struct dgram_sock),
    .name = "dgram",
    .init = dgram_init,
    .backlog_in = none_backlog_in,
};

struct sock *inet_lab_sock(struct ip_lab *l, const struct sock_ops *ops, uint32_t flags)
{
	struct sock *sk = sock_alloc(l->st, ops);

	ck_assert_ptr_nonnull(sk);
	sk->flags |= flags;
	return sk;
}

void inet_lab_end(struct inet_table *t, struct sock *sk)
{
	sock_lock(sk);
	sk->flags |= SOCK_DEAD;
	inet_unhash(t, &sk->c);
	sock_unlock(sk);
	sock_put(sk);
}

int inet_lab_bind(struct inet_table *t, struct sock *sk, const char *addr, uint16_t port)
{
	struct ip_addr a = ip_of(addr);
	int err;

	sock_lock(sk);
	err = inet_bind(t, sk, &a, port);
	sock_unlock(sk);
	return err;
}

int inet_lab_connect(struct inet_table *t, struct sock *sk, const char *to, uint16_t port)
{
	int err;

	sock_lock(sk);
	sk->c.laddr = ip_of("10.0.0.1");
	sk->c.raddr = ip_of(to);
	sk->c.rport = port;
	err = inet_connect(t, sk);
	sock_unlock(sk);
	return err;
}

void inet_lab_range(struct ip_lab *l, int64_t first, int64_t last)
{
	sysctl_write(l->st, "net.ipv4.ip_local_port_range.first", first);
	sysctl_write(l->st, "net.ipv4.ip_local_port_range.last", last);
}
