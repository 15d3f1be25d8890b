/*
 * ip/ping.c - ICMP datagram endpoints, by icmp(7): a program without privilege asks for echoes and hears the
 * answers to its own requests alone.
 *
 * A raw sock of ICMP whose port is the identifier: what goes gets identifier and checksum, what comes has lost its
 * IP header.
 */
#include <errno.h>
#include <netinet/in.h>

#include "ip/ip_priv.h"
#include "ip/raw_priv.h"
#include "lib/checksum.h"
#include "lib/wire/icmp4.h"

/* The identifier; 0: one that nobody has. */
static int ping_port(struct sock *sk, uint16_t port)
{
	uint16_t from = (uint16_t)env_random(sk->stack->env);

	if (port)
		return raw_list_set_port(sk, port) ? 0 : -EADDRINUSE;
	for (unsigned i = 0; i < 65536; i++) {
		port = (uint16_t)(from + i);
		if (port && raw_list_set_port(sk, port))
			return 0;
	}
	return -EAGAIN;
}

static int ping_bind(struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	struct ip_addr was = sk->c.laddr;
	int err = sk->c.lport ? -EINVAL : 0;

	if (!err && !ip_addr_is_any(a) && !(sk->flags & SOCK_FREEBIND) &&
	    ip_addr_type(sk->stack, a) != ROUTE_LOCAL)
		err = -EADDRNOTAVAIL; /* a group or broadcast sends no echoes back */
	if (!err)
		err = raw_bind(sk, a, 0);
	if (err)
		return err;
	err = ping_port(sk, port);
	if (err) {
		raw_list_set_addrs(sk, &was, &sk->c.raddr);
		sk->flags &= ~SOCK_BOUND_ADDR;
	}
	return err;
}

static int ping_connect(struct sock *sk, const struct ip_addr *a, uint16_t port)
{
	int err = sk->c.lport ? 0 : ping_port(sk, 0);

	return err ? err : raw_connect(sk, a, port);
}

/* Requests for an echo, and nothing else. */
static int ping_check(const struct sock_msg *m)
{
	uint8_t head[2], n = 0;

	if (m->len < ICMP_HLEN)
		return -EINVAL;
	for (int i = 0; i < m->niov && n < sizeof(head); i++) {
		for (size_t k = 0; k < m->iov[i].iov_len && n < sizeof(head); k++)
			head[n++] = ((const uint8_t *)m->iov[i].iov_base)[k];
	}
	return head[0] == ICMP_ECHO && head[1] == 0 ? 0 : -EINVAL;
}

static ssize_t ping_send(struct sock *sk, struct sock_msg *m)
{
	int err = ping_check(m);

	if (!err && !sk->c.lport)
		err = ping_port(sk, 0);
	return err ? err : raw_send(sk, m);
}

static int ping_finish(struct sock *sk, struct pkbuf *b)
{
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)pkbuf_pull(b, ICMP_HLEN);

	if (!h)
		return -ENOBUFS;
	h->echo.id = be16_of(sk->c.lport);
	h->csum = 0;
	h->csum = csum_finish(pkbuf_csum(b, 0, b->len, 0));
	return 0;
}

/* Behind the IP header at the front there is such a message with our identifier. */
static bool ping_is_ours(const struct sock *sk, struct pkbuf *b, uint8_t type)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(void *)pkbuf_pull(b, IP4_HLEN);
	uint32_t off = ip ? ip4_hdr_len(ip) : 0;
	struct icmp4_hdr h;

	if (!ip || b->len < off + ICMP_HLEN)
		return false;
	pkbuf_read(b, off, &h, sizeof(h));
	return h.type == type && h.code == 0 && sk->c.lport && be16_get(h.echo.id) == sk->c.lport;
}

static void ping_backlog_in(struct sock *sk, struct pkbuf *b)
{
	uint32_t hlen;

	if (b->kind == PKBUF_STAMP) {
		raw_backlog_in(sk, b);
		return;
	}
	if (!ping_is_ours(sk, b, b->kind == PKBUF_ERROR ? ICMP_ECHO : ICMP_ECHO_REPLY)) {
		pkbuf_free(b);
		return;
	}
	if (b->kind != PKBUF_ERROR) {
		hlen = ip4_hdr_len((const struct ip4_hdr *)(void *)pkbuf_data(b));
		pkbuf_trim_front(b, hlen);
		if (csum_fold(pkbuf_csum(b, 0, b->len, 0)) != 0xffff) {
			pkbuf_drop(b, DROP_ICMP_CSUM);
			return;
		}
	}
	raw_backlog_in(sk, b);
}

static int ping_setopt(struct sock *sk, int level, int name, const void *v, socklen_t n)
{
	return level == IPPROTO_IP ? inet_sock_setopt(sk, name, v, n) : -ENOPROTOOPT;
}

static int ping_getopt(struct sock *sk, int level, int name, void *v, socklen_t *n)
{
	return level == IPPROTO_IP ? inet_sock_getopt(sk, name, v, n) : -ENOPROTOOPT;
}

void ping_open(struct sock *sk)
{
	struct raw_sock *rs = raw_sock(sk);

	rs->finish = ping_finish;
	atomic_store_explicit(&rs->icmp_filter, ~(1u << ICMP_ECHO_REPLY), memory_order_relaxed);
	raw_open(sk, IP_PROTO_ICMP); /* cannot fail: it has a number */
}

const struct sock_ops ping_ops = {
    .type = SOCK_DGRAM,
    .size = sizeof(struct raw_sock),
    .name = "icmp",
    .init = dgram_init,
    .bind = ping_bind,
    .connect = ping_connect,
    .disconnect = raw_disconnect,
    .send = ping_send,
    .recv = dgram_recv,
    .shutdown = dgram_shutdown,
    .close = raw_close,
    .poll = dgram_poll,
    .setopt = ping_setopt,
    .getopt = ping_getopt,
    .ioctl = dgram_ioctl,
    .backlog_in = ping_backlog_in,
};
