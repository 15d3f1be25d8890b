/*
 * ip/inet_dgram.c - the receive side of datagram endpoints, by recv(2), udp(7) and raw(7).
 *
 * A sender's memory is not charged: a datagram is the device's or the neighbour's as soon as it is
 * sent, and both bound what they hold.
 */
#include "ip/inet_dgram.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "ip/mcast.h"
#include "lib/mib.h"

enum drop_reason dgram_refuses(const struct sock *sk, const struct pkbuf *b, uint16_t port)
{
	if ((sk->flags & SOCK_DEAD) || (sk->shutdown & SOCK_SHUT_RD))
		return DROP_SOCK_CLOSED;
	if (dgram_is_connected(sk) && (!ip_addr_eq(&sk->c.raddr, &b->src) || sk->c.rport != port))
		return DROP_SOCK_CLOSED; /* it was looked up before it was connected */
	if (b->ttl < sk->c.minttl)
		return DROP_SOCK_MINTTL;
	return mcast_sock_wants(sk, b) ? DROP_NONE : DROP_SOCK_MCAST;
}

int dgram_init(struct sock *sk)
{
	pkq_init(&dgram_sock(sk)->rcvq);
	pkq_init(&dgram_sock(sk)->errq);
	atomic_store_explicit(&sk->c.state, DGRAM_UNCONNECTED, memory_order_relaxed);
	return 0;
}

bool dgram_queue(struct sock *sk, struct pkbuf *b)
{
	if (!sock_rcv_charge(sk, b->pinned))
		return false;
	pkq_add(&dgram_sock(sk)->rcvq, b);
	sock_ready(sk, EPOLLIN | EPOLLRDNORM);
	return true;
}

static void dgram_done(struct sock *sk)
{
	struct pkbuf *b = pkq_take(&dgram_sock(sk)->rcvq);

	sock_rcv_uncharge(sk, b->pinned);
	pkbuf_free(b);
}

void dgram_purge(struct sock *sk)
{
	while (dgram_sock(sk)->rcvq.head)
		dgram_done(sk);
	dgram_errors_purge(sk);
}

void dgram_copy(const struct pkbuf *b, struct sock_msg *m, uint32_t n)
{
	size_t skip = m->skip;
	uint32_t off = 0;

	for (int i = 0; i < m->niov && off < n; i++) {
		size_t room = m->iov[i].iov_len;

		if (skip >= room) {
			skip -= room;
			continue;
		}
		room -= skip;
		if (room > n - off)
			room = n - off;
		pkbuf_read(b, off, (uint8_t *)m->iov[i].iov_base + skip, (uint32_t)room);
		off += (uint32_t)room;
		skip = 0;
	}
}

ssize_t dgram_recv(struct sock *sk, struct sock_msg *m)
{
	struct pkbuf *b = dgram_sock(sk)->rcvq.head;
	uint32_t n, len;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->flags & MSG_ERRQUEUE)
		return sock_recv_error(sk, m);
	if (sk->err)
		return sock_take_error(sk);
	if (!b)
		return sk->shutdown & SOCK_SHUT_RD ? 0 : -EAGAIN;
	len = b->len;
	n = len < m->len ? len : (uint32_t)m->len;
	dgram_copy(b, m, n);
	m->has_addr = true;
	m->addr = b->src;
	m->port = dgram_cb(b)->port;
	m->ifindex = b->dev ? b->dev->ifindex : 0;
	m->out_flags = n < len ? MSG_TRUNC : 0;
	dgram_control_out(sk, b, m);
	if (!(m->flags & MSG_PEEK))
		dgram_done(sk);
	return m->flags & MSG_TRUNC ? (ssize_t)len : (ssize_t)n;
}

uint32_t dgram_poll(struct sock *sk)
{
	const struct dgram_sock *d = dgram_sock(sk);
	uint32_t ev = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

	if (d->rcvq.head || (sk->shutdown & SOCK_SHUT_RD))
		ev |= EPOLLIN | EPOLLRDNORM;
	if (sk->shutdown & SOCK_SHUT_RD)
		ev |= EPOLLRDHUP;
	if (sk->shutdown == (SOCK_SHUT_RD | SOCK_SHUT_WR))
		ev |= EPOLLHUP;
	if (sk->err || d->errq.head)
		ev |= EPOLLERR;
	return ev;
}

int dgram_ioctl(struct sock *sk, unsigned long req, int *value)
{
	const struct pkbuf *next = dgram_sock(sk)->rcvq.head;

	switch (req) {
	case SIOCINQ: /* of the next datagram */
		*value = next ? (int)next->len : 0;
		return 0;
	case SIOCOUTQ:
		*value = (int)atomic_load_explicit(&sk->snd_bytes, memory_order_relaxed);
		return 0;
	default:
		return -ENOTTY;
	}
}

/* As on Linux it has its effect on an unconnected sock too, and says ENOTCONN. */
int dgram_shutdown(struct sock *sk, int how)
{
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	sk->shutdown |= (uint8_t)(how + 1);
	sock_ready(sk, dgram_poll(sk));
	return dgram_is_connected(sk) ? 0 : -ENOTCONN;
}

int dgram_may_send(struct sock *sk, const struct sock_msg *m)
{
	if (m->flags & (MSG_OOB | MSG_MORE))
		return -EOPNOTSUPP;
	if (sk->err)
		return sock_take_error(sk);
	return sk->shutdown & SOCK_SHUT_WR ? -EPIPE : 0;
}
