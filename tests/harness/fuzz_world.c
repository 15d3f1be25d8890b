/*
 * tests/harness/fuzz_world.c - see fuzz_rx.h: the stack, its sockets and the programs that use them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arp/neigh.h"
#include "ip/inet_hash.h"
#include "lib/checksum.h"
#include "lib/wire/icmp4.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/ifaddr.h"
#include "tcp/tcp.h"
#include "tests/harness/fuzz_rx.h"
#include "tests/harness/tcp_seg.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

#define FUZZ_ROUND 500 /* frames until the connections are made anew */
#define FUZZ_UDP_PORT 7

static const uint8_t own_mac[ETHER_ALEN] = {2, 0, 0, 0, 0, 1};
static const uint8_t peer_mac[ETHER_ALEN] = {2, 0, 0, 0, 0, 2};

static const unsigned fuzz_state[FUZZ_CONNS] = {
    TCP_SYN_SENT,    TCP_SYN_SENT,    TCP_SYN_RECV,  TCP_SYN_RECV,    TCP_ESTABLISHED,
    TCP_ESTABLISHED, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2,   TCP_CLOSE_WAIT,
    TCP_CLOSING,     TCP_LAST_ACK,    TCP_TIME_WAIT, TCP_ESTABLISHED,
};

void fuzz_fail(const struct fuzz *f, const char *what)
{
	fprintf(stderr, "fuzz: frame %llu: %s\n", (unsigned long long)f->stats.frames, what);
	abort();
}

/* --- the device ---------------------------------------------------------------------------------
 */

/* Whatever it was asked by, what the stack sends is sound. */
static void fuzz_sound(struct fuzz *f)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(f->last + ETHER_HLEN);
	const uint8_t *type = f->last + 12;
	uint32_t n = f->last_len - ETHER_HLEN;

	if (f->last_len < ETHER_HLEN + 20 || type[0] != 8 || type[1] != 0)
		return;
	if (ip->ver_ihl >> 4 != 4 || ip4_hdr_len(ip) < IP4_HLEN || be16_get(ip->len) > n ||
	    csum_finish(csum_add(0, ip, ip4_hdr_len(ip))))
		fuzz_fail(f, "the stack sent a bad IP header");
}

static int fuzz_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct fuzz *f = dev->priv;

	if (b->len > FUZZ_FRAME)
		fuzz_fail(f, "the stack sent more than the MTU");
	f->last_len = b->len;
	pkbuf_read(b, 0, f->last, b->len);
	pkbuf_free(b);
	f->stats.sent++;
	fuzz_sound(f);
	return 0;
}

static const struct netdev_ops fuzz_ops = {.kind = "fuzz", .xmit = fuzz_xmit};

void fuzz_rx(struct fuzz *f, const uint8_t *frame, uint32_t n)
{
	uint32_t most =
	    n % 2 ? PKBUF_RX_LINEAR : ETHER_HLEN + IP4_HLEN + TCP_HLEN; /* net/rxbuf.c has both */
	uint32_t linear = n < most ? n : most;
	struct batch batch;
	struct pkbuf *b;

	batch_begin(&batch, f->st);
	b = pkbuf_alloc(f->st, PKBUF_RX_HEAD);
	if (!b || pkbuf_append(b, frame, linear) < 0 ||
	    (n > linear && pkbuf_append(b, frame + linear, n - linear) < 0))
		fuzz_fail(f, "no memory left");
	netdev_rx(f->dev, b);
	batch_end(&batch);
}

static void fuzz_device(struct fuzz *f)
{
	struct ip_addr own = ip_addr4(0x0a000001), other = ip_addr4(0x0a000002);
	struct batch b;

	batch_begin(&b, f->st);
	f->dev = netdev_alloc(f->st, "fuzz0", &fuzz_ops, &ether_link, 1);
	if (!f->dev)
		fuzz_fail(f, "no device");
	f->dev->priv = f;
	memcpy(f->dev->mac, own_mac, ETHER_ALEN);
	if (netdev_register(f->dev) < 0)
		fuzz_fail(f, "no device");
	netdev_up(f->dev);
	if (ifaddr_add(f->dev, &own, IP_PREFIX4(24)) < 0 ||
	    neigh_add_permanent(f->dev, &other, peer_mac) < 0)
		fuzz_fail(f, "no address");
	batch_end(&b);
}

/* --- the connections ----------------------------------------------------------------------------
 */

static bool conn_view(struct fuzz *f, const struct fuzz_conn *c, struct tcp_view *v)
{
	struct inet_table *t = tcp_table(f->st);
	struct inet_tuple tu = {ip_addr4(0x0a000001), ip_addr4(0x0a000002), c->lport, c->rport, 0};
	struct sock_common *s;
	struct batch b;

	batch_begin(&b, f->st);
	s = inet_lookup(t, &tu);
	if (s) {
		memset(v, 0, sizeof(*v));
		tcp_view_get(s, v);
		inet_common_put(t, s);
	}
	batch_end(&b);
	return s != NULL;
}

/* Our end's numbers are what the stack waits for. */
static void conn_sync(struct fuzz *f, struct fuzz_conn *c)
{
	struct tcp_view v;

	if (!conn_view(f, c, &v))
		return;
	if (v.state != TCP_SYN_SENT)
		c->seq = v.rcv_nxt;
	c->ack = v.snd_nxt;
	c->una = v.snd_una;
}

static void conn_rx(struct fuzz *f, struct fuzz_conn *c, unsigned flags, uint32_t len)
{
	uint8_t frame[FUZZ_FRAME];

	fuzz_rx(f, frame, fuzz_segment(c, flags, len, frame));
	conn_sync(f, c);
}

static int fuzz_socket(int type, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = weft_socket(AF_INET, type | SOCK_NONBLOCK, type == SOCK_RAW ? IPPROTO_ICMP : 0);

	if (fd >= 0 && port && weft_bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		weft_close(fd);
		return -1;
	}
	return fd;
}

static void conn_active(struct fuzz *f, struct fuzz_conn *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(c->rport)};
	socklen_t n = sizeof(a);

	a.sin_addr.s_addr = inet_addr("10.0.0.2");
	c->fd = fuzz_socket(SOCK_STREAM, 0);
	weft_connect(c->fd, (struct sockaddr *)&a, sizeof(a));
	weft_getsockname(c->fd, (struct sockaddr *)&a, &n);
	c->lport = ntohs(a.sin_port);
	conn_sync(f, c);
	if (c->state == TCP_SYN_RECV)
		conn_rx(f, c, SYN, 0);
	else if (c->state != TCP_SYN_SENT)
		conn_rx(f, c, SYN | ACK, 0);
}

/* With a SYN cookie the stack keeps nothing to look at: the SYN-ACK tells. */
static void conn_cookie(struct fuzz *f, struct fuzz_conn *c)
{
	const struct tcp_hdr *h =
	    (const struct tcp_hdr *)(const void *)(f->last + ETHER_HLEN + IP4_HLEN);
	struct tcp_view v;

	if (conn_view(f, c, &v) || be16_get(h->dport) != c->rport || h->flags != (SYN | ACK))
		return;
	c->seq++;
	c->ack = c->una = be32_get(h->seq) + 1;
}

static void conn_passive(struct fuzz *f, struct fuzz_conn *c)
{
	c->lport = FUZZ_PORT;
	conn_rx(f, c, SYN, 0);
	conn_cookie(f, c);
	if (c->state == TCP_SYN_RECV)
		return;
	conn_rx(f, c, ACK, 0);
	c->fd = weft_accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
}

/* As far as the stack plays along: what was done to it before may have changed its answers. */
static void conn_open(struct fuzz *f, unsigned i)
{
	struct fuzz_conn *c = &f->conn[i];
	unsigned s = fuzz_state[i];

	*c = (struct fuzz_conn){
	    .state = s,
	    .fd = -1,
	    .rport = (uint16_t)(1024 + fuzz_below(f, 60000)),
	    .seq = (uint32_t)random_next(&f->random),
	    .ts = i % 2,
	};
	if (s == TCP_SYN_SENT || i % 3 == 0)
		conn_active(f, c);
	else
		conn_passive(f, c);
	if (c->fd < 0)
		return;
	if (s == TCP_CLOSE_WAIT || s == TCP_LAST_ACK)
		conn_rx(f, c, FIN | ACK, 0);
	if (s == TCP_FIN_WAIT1 || s == TCP_FIN_WAIT2 || s == TCP_CLOSING || s == TCP_LAST_ACK ||
	    s == TCP_TIME_WAIT)
		weft_shutdown(c->fd, SHUT_WR);
	if (s == TCP_CLOSING) {
		c->ack--;
		conn_rx(f, c, FIN | ACK, 0);
	}
	conn_sync(f, c);
	if (s == TCP_FIN_WAIT2)
		conn_rx(f, c, ACK, 0);
	if (s == TCP_TIME_WAIT)
		conn_rx(f, c, FIN | ACK, 0);
	if (s == TCP_ESTABLISHED && i % 2)
		weft_send(c->fd, f->last, 3000, 0);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		weft_close(*fd);
	*fd = -1;
}

static void sockets_close(struct fuzz *f)
{
	for (unsigned i = 0; i < FUZZ_CONNS; i++)
		close_fd(&f->conn[i].fd);
	close_fd(&f->listener);
	close_fd(&f->udp);
	close_fd(&f->raw);
}

/* How SYNs are taken changes from round to round. */
static void settings(struct fuzz *f)
{
	static const int64_t fastopen[] = {1, 3, 3 | 1024, 7 | 512 | 1024};

	sysctl_write(f->st, "net.ipv4.tcp_fastopen", fastopen[fuzz_below(f, 4)]);
	sysctl_write(f->st, "net.ipv4.tcp_syncookies", fuzz_below(f, 3));
	sysctl_write(f->st, "net.ipv4.tcp_rfc1337", fuzz_below(f, 2));
}

static void sockets_open(struct fuzz *f)
{
	settings(f);
	int one = 1;

	f->listener = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	weft_setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	for (unsigned tries = 0; tries < 3; tries++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(FUZZ_PORT)};

		if (weft_bind(f->listener, (struct sockaddr *)&a, sizeof(a)) == 0)
			break;
		env_lab_advance(f->env, 3600 * NSEC_PER_SEC); /* what is closed runs out */
	}
	if (weft_listen(f->listener, 16) < 0)
		fuzz_fail(f, "cannot listen");
	f->udp = fuzz_socket(SOCK_DGRAM, FUZZ_UDP_PORT);
	f->raw = fuzz_socket(SOCK_RAW, 0);
	for (unsigned i = 0; i < FUZZ_CONNS; i++)
		conn_open(f, i);
	f->stats.rounds++;
}

/* --- the programs -------------------------------------------------------------------------------
 */

static void call_options(struct fuzz *f, int fd)
{
	static const int name[] = {TCP_NODELAY, TCP_CORK, TCP_QUICKACK, TCP_DEFER_ACCEPT};
	struct tcp_info info;
	socklen_t n = sizeof(info);
	int on = (int)fuzz_below(f, 2);

	weft_setsockopt(fd, IPPROTO_TCP, name[fuzz_below(f, 4)], &on, sizeof(on));
	weft_setsockopt(fd, SOL_SOCKET, on ? SO_KEEPALIVE : SO_OOBINLINE, &on, sizeof(on));
	weft_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n);
}

/* A connection that opens with data and is given up before or after the answer. */
static void call_fast_open(struct fuzz *f)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(FUZZ_PORT)};
	uint8_t bytes[3000] = {0};
	int fd = fuzz_socket(SOCK_STREAM, 0);

	a.sin_addr.s_addr = inet_addr("10.0.0.2");
	weft_sendto(fd, bytes, fuzz_below(f, sizeof(bytes)), MSG_FASTOPEN, (struct sockaddr *)&a,
		    sizeof(a));
	env_lab_advance(f->env, fuzz_below(f, 2000) * NSEC_PER_MSEC);
	weft_close(fd);
}

static void call_one(struct fuzz *f)
{
	uint8_t bytes[5000] = {0};
	struct fuzz_conn *c = &f->conn[fuzz_below(f, FUZZ_CONNS)];
	struct pollfd p = {.fd = c->fd, .events = POLLIN | POLLOUT | POLLPRI};
	int fd;

	f->stats.calls++;
	switch (fuzz_below(f, 13)) {
	case 0:
	case 1:
		weft_send(c->fd, bytes, fuzz_below(f, 5000), MSG_NOSIGNAL);
		break;
	case 2:
		weft_send(c->fd, bytes, 1, MSG_NOSIGNAL | MSG_OOB);
		break;
	case 3:
		weft_recv(c->fd, bytes, 1, MSG_OOB);
		break;
	case 4:
		call_options(f, c->fd);
		break;
	case 12:
		call_fast_open(f);
		break;
	case 5:
		fd = weft_accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
		if (fd >= 0)
			weft_close(fd);
		break;
	case 6:
		weft_poll(&p, 1, 0);
		break;
	default:
		weft_recv(c->fd, bytes, fuzz_below(f, 5000) + 1, 0);
		weft_recv(f->udp, bytes, sizeof(bytes), 0);
		weft_recv(f->raw, bytes, sizeof(bytes), 0);
	}
}

/* --- the run ------------------------------------------------------------------------------------
 */

static void fuzz_gauges(struct fuzz *f, int64_t *g)
{
	for (unsigned i = 0; i < GAUGE_MAX; i++)
		g[i] = gauge_read(f->st, i);
}

void fuzz_open(struct fuzz *f, uint64_t seed)
{
	memset(f, 0, sizeof(*f));
	random_seed(&f->random, seed);
	f->listener = f->udp = f->raw = -1;
	f->env = env_lab_create(seed);
	f->st = f->env ? stack_create(f->env) : NULL;
	if (!f->st)
		fuzz_fail(f, "no stack");
	fuzz_device(f);
	weft_use(f->st);
	env_lab_advance(f->env, 20 * NSEC_PER_SEC);
	fuzz_gauges(f, f->gauge);
	sockets_open(f);
}

void fuzz_frames(struct fuzz *f, uint64_t n)
{
	uint8_t frame[FUZZ_FRAME];

	for (uint64_t i = 0; i < n; i++) {
		f->stats.frames++;
		if (f->stats.frames % FUZZ_ROUND == 0) {
			sockets_close(f);
			env_lab_advance(f->env, 70 * NSEC_PER_SEC);
			sockets_open(f);
		}
		for (unsigned k = 0; k < 2; k++)
			conn_sync(f, &f->conn[fuzz_below(f, FUZZ_CONNS)]);
		fuzz_rx(f, frame, fuzz_frame(f, frame));
		if (fuzz_below(f, 8) == 0)
			call_one(f);
		if (fuzz_below(f, 16) == 0)
			env_lab_advance(f->env, fuzz_below(f, 400) * NSEC_PER_MSEC);
	}
}

static void fuzz_settle(struct fuzz *f)
{
	struct batch b;

	sockets_close(f);
	env_lab_advance(f->env, 7200 * NSEC_PER_SEC);
	batch_begin(&b, f->st);
	neigh_flush(f->st, NULL);
	batch_end(&b);
	env_lab_advance(f->env, NSEC_PER_SEC);
}

/* A ping is answered, a connection taken and its bytes delivered. */
static void fuzz_alive(struct fuzz *f)
{
	struct fuzz_conn *c = &f->conn[4];
	const uint8_t *reply = f->last + ETHER_HLEN;
	uint8_t frame[FUZZ_FRAME];
	uint64_t sent = f->stats.sent;

	fuzz_rx(f, frame, fuzz_ping(77, frame));
	if (f->stats.sent != sent + 1 || reply[9] != IP_PROTO_ICMP ||
	    reply[IP4_HLEN] != ICMP_ECHO_REPLY)
		fuzz_fail(f, "no answer to a ping");
	sockets_open(f);
	for (unsigned i = 0; i < FUZZ_CONNS; i++) {
		if (f->conn[i].state == TCP_ESTABLISHED && f->conn[i].fd < 0)
			fuzz_fail(f, "a connection was not taken");
	}
	conn_rx(f, c, ACK | PSH, 100);
	if (weft_recv(c->fd, frame, sizeof(frame), 0) != 100)
		fuzz_fail(f, "bytes were not delivered");
	fuzz_settle(f);
}

void fuzz_close(struct fuzz *f)
{
	int64_t g[GAUGE_MAX];
	char text[120];

	fuzz_settle(f);
	fuzz_alive(f);
	fuzz_gauges(f, g);
	for (unsigned i = 0; i < GAUGE_MAX; i++) {
		snprintf(text, sizeof(text), "%s: %lld, was %lld", gauge_info[i].text,
			 (long long)g[i], (long long)f->gauge[i]);
		if (g[i] != f->gauge[i])
			fuzz_fail(f, text);
	}
	weft_use(NULL);
	stack_destroy(f->st);
	env_lab_destroy(f->env);
}
