/*
 * tests/bench/bare.c - `bare DEV [plain] [spin]`: the least that answers the bench's client over a TAP, until
 * standard input ends; with `spin` it never sleeps.  It is no stack but the floor under any: no timers, no sockets;
 * a silence sends again, and the client's packets are taken to be right, for nobody else is on this wire.
 *
 * One thread reads frames until there are none, answers out of the frame at hand, acknowledges what was only
 * received once a batch, and copies it once, as a program's read would.  Super-frames go both ways.  `plain` is
 * without offload: a segment a frame, checksums verified and made here, and a batch is 16 frames at most.
 */
#include <err.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "tests/bench/ports.h"
#include "tests/bench/tapfd.h"
#include "tests/bench/turn.h"

#define FRAME_MAX (1 << 17)
#define MSS 1460u
#define SUPER (44 * MSS)
#define IN_FLIGHT (1u << 19) /* of a source */
#define SHIFT 5 /* of the window offered: 1 MB, so that what waits in the TAP is still cached */
#define BATCH_PLAIN 16 /* frames */
#define APP (1u << 17) /* what a sink's bytes are copied to, round and round */
#define SILENCE_MS 100
#define PENDING 64 /* sinks that are owed an ACK */

struct conn {
	uint16_t port; /* of the service */
	bool open;
	bool owed;     /* an ACK: it is on `pending` */
	uint8_t shift; /* of the client's window */
	uint32_t rcv_nxt, snd_nxt, snd_una, snd_wnd;
	uint64_t total;     /* a sink's bytes */
	struct ip4_hdr ip;  /* of the answers */
	struct ether_hdr e; /* likewise */
};

struct bare {
	int fd;
	bool plain;        /* no offload */
	unsigned piece;    /* of a source: bytes a write */
	struct conn *conn; /* by the client's port */
	char *rx, *app;
	size_t app_at;
	uint16_t pending[PENDING]; /* ports of the clients */
	unsigned npending;
};

/* --- out -------------------------------------------------------------------------------------- */

struct head {
	struct virtio_net_hdr vnet;
	struct ether_hdr e;
	struct ip4_hdr ip;
	struct tcp_hdr tcp;
	uint8_t options[8]; /* of a SYN */
} __attribute__((packed));

static uint64_t pseudo_sum(const struct ip4_hdr *ip)
{
	return csum_pseudo(ip->src, ip->dst, 4, IP_PROTO_TCP, be16_get(ip->len) - IP4_HLEN);
}

static void head_fill(struct bare *b, struct head *h, uint16_t client, uint8_t flags, size_t n)
{
	unsigned hlen = TCP_HLEN + (flags & TCP_SYN ? sizeof(h->options) : 0);
	struct conn *c = &b->conn[client];

	h->e = c->e;
	h->ip = c->ip;
	h->ip.len = be16_of((uint16_t)(IP4_HLEN + hlen + n));
	h->ip.csum = csum_finish(csum_add_words(0, &h->ip, IP4_HLEN));
	h->tcp = (struct tcp_hdr){.sport = be16_of(c->port),
				  .dport = be16_of(client),
				  .seq = be32_of(c->snd_nxt),
				  .ack = be32_of(c->rcv_nxt),
				  .off = (uint8_t)(hlen << 2),
				  .flags = flags,
				  .wnd = be16_of(0x7fff)};
	memcpy(h->options, (uint8_t[]){2, 4, MSS >> 8, MSS & 0xff, 1, 3, 3, SHIFT}, 8);
}

/* To the host is left to cut, and to sum all but the pseudo header. */
static void head_offload(struct head *h, size_t n)
{
	h->tcp.csum = csum_fold(pseudo_sum(&h->ip));
	h->vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					  .csum_start = ETHER_HLEN + IP4_HLEN,
					  .csum_offset = offsetof(struct tcp_hdr, csum)};
	if (n <= MSS)
		return;
	h->vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	h->vnet.gso_size = MSS;
	h->vnet.hdr_len = ETHER_HLEN + IP4_HLEN + TCP_HLEN;
}

static void head_sum(struct head *h, const void *data, size_t n)
{
	uint64_t sum = csum_add_words(pseudo_sum(&h->ip), &h->tcp, tcp_hdr_len(&h->tcp));

	h->tcp.csum = csum_finish(csum_add(sum, data, n));
	h->vnet = (struct virtio_net_hdr){0};
}

static void segment(struct bare *b, uint16_t client, uint8_t flags, const void *data, size_t n)
{
	struct conn *c = &b->conn[client];
	struct head h;
	struct iovec iov[2] = {{&h, sizeof(h) - (flags & TCP_SYN ? 0 : sizeof(h.options))},
			       {(void *)(uintptr_t)data, n}};

	head_fill(b, &h, client, flags, n);
	if (b->plain)
		head_sum(&h, data, n);
	else
		head_offload(&h, n);
	if (writev(b->fd, iov, n ? 2 : 1) < 0)
		err(1, "writev");
	c->snd_nxt += (uint32_t)n + !!(flags & (TCP_SYN | TCP_FIN));
	c->owed = false;
}

/* A source: as much as the client takes. */
static void pump(struct bare *b, uint16_t client)
{
	struct conn *c = &b->conn[client];

	while (c->snd_nxt - c->snd_una + b->piece <= c->snd_wnd &&
	       c->snd_nxt - c->snd_una < IN_FLIGHT)
		segment(b, client, TCP_ACK | TCP_PSH, b->app, b->piece);
}

/* --- in --------------------------------------------------------------------------------------- */

static void take(struct bare *b, uint16_t client, const char *data, size_t n)
{
	struct conn *c = &b->conn[client];

	c->total += n;
	if (b->app_at + n > APP)
		b->app_at = 0;
	memcpy(b->app + b->app_at, data, n);
	b->app_at += n;
	if (c->owed)
		return;
	if (b->npending == PENDING) {
		segment(b, client, TCP_ACK, NULL, 0);
		return;
	}
	c->owed = true;
	b->pending[b->npending++] = client;
}

static void text(struct bare *b, uint16_t client, const char *data, size_t n)
{
	struct conn *c = &b->conn[client];

	c->rcv_nxt += (uint32_t)n;
	switch (c->port) {
	case PORT_SINK:
		take(b, client, data, n);
		break;
	case PORT_CONN:
	case PORT_CONN_BRIEF:
		segment(b, client, TCP_ACK | TCP_PSH | TCP_FIN, data, n);
		break;
	default:
		segment(b, client, TCP_ACK | TCP_PSH, data, n);
	}
}

static void fin(struct bare *b, uint16_t client)
{
	struct conn *c = &b->conn[client];

	c->rcv_nxt++;
	if (c->port == PORT_SINK)
		segment(b, client, TCP_ACK | TCP_FIN, &c->total, sizeof(c->total));
	else
		segment(b, client, c->port == PORT_CONN ? TCP_ACK : TCP_ACK | TCP_FIN, NULL, 0);
}

static uint8_t shift_of(const struct tcp_hdr *t)
{
	const uint8_t *o = (const uint8_t *)(t + 1), *end = (const uint8_t *)t + tcp_hdr_len(t);

	while (o < end && *o != TCP_OPT_END) {
		if (*o == TCP_OPT_WSCALE)
			return o[2];
		o += *o == TCP_OPT_NOP ? 1 : o[1];
	}
	return 0;
}

static void open_conn(struct bare *b, uint16_t client, const struct ether_hdr *e,
		      const struct ip4_hdr *ip, const struct tcp_hdr *t)
{
	struct conn *c = &b->conn[client];

	*c = (struct conn){.port = be16_get(t->dport),
			   .open = true,
			   .shift = shift_of(t),
			   .rcv_nxt = be32_get(t->seq) + 1,
			   .ip = {.ver_ihl = 0x45, .ttl = 64, .proto = IP_PROTO_TCP},
			   .e.type = e->type};
	memcpy(c->ip.src, ip->dst, 4);
	memcpy(c->ip.dst, ip->src, 4);
	memcpy(c->e.src, e->dst, ETHER_ALEN);
	memcpy(c->e.dst, e->src, ETHER_ALEN);
	segment(b, client, TCP_SYN | TCP_ACK, NULL, 0);
}

static void tcp_rx(struct bare *b, const struct ether_hdr *e, const struct ip4_hdr *ip)
{
	const struct tcp_hdr *t = (const void *)(ip + 1);
	size_t n = be16_get(ip->len) - IP4_HLEN - tcp_hdr_len(t);
	uint16_t client = be16_get(t->sport);
	struct conn *c = &b->conn[client];

	if (t->flags & TCP_SYN)
		open_conn(b, client, e, ip, t);
	if (t->flags & TCP_RST)
		c->open = false;
	if (t->flags & (TCP_SYN | TCP_RST) || !c->open)
		return;
	c->snd_una = be32_get(t->ack);
	c->snd_wnd = (uint32_t)be16_get(t->wnd) << c->shift;
	if ((n || t->flags & TCP_FIN) && be32_get(t->seq) != c->rcv_nxt) {
		segment(b, client, TCP_ACK, NULL, 0); /* sent again, or one before it was lost */
		return;
	}
	if (n && t->flags & TCP_FIN && c->port == PORT_CONN_BRIEF)
		c->rcv_nxt++; /* one answer to both */
	if (n)
		text(b, client, (const char *)t + tcp_hdr_len(t), n);
	if (t->flags & TCP_FIN && !(n && c->port == PORT_CONN_BRIEF))
		fin(b, client);
	if (c->port == PORT_SOURCE)
		pump(b, client);
}

static void frame_back(struct bare *b, size_t len)
{
	if (write(b->fd, b->rx, len) < 0)
		err(1, "write");
}

static void udp_rx(struct bare *b, struct ether_hdr *e, size_t len)
{
	turn_udp(e);
	frame_back(b, len);
}

static void arp_rx(struct bare *b, struct ether_hdr *e, size_t len)
{
	if (turn_arp(e))
		frame_back(b, len);
}

static bool sums_right(const struct ip4_hdr *ip)
{
	return csum_finish(csum_add_words(0, ip, IP4_HLEN)) == 0 &&
	       csum_finish(csum_add(pseudo_sum(ip), ip + 1, be16_get(ip->len) - IP4_HLEN)) == 0;
}

/* To whoever is owed an ACK. */
static void batch_end(struct bare *b)
{
	for (unsigned i = 0; i < b->npending; i++)
		if (b->conn[b->pending[i]].owed)
			segment(b, b->pending[i], TCP_ACK, NULL, 0);
	b->npending = 0;
}

/* Frames until there are none. */
static void batch(struct bare *b)
{
	struct ether_hdr *e = (void *)(b->rx + sizeof(struct virtio_net_hdr));
	struct ip4_hdr *ip = (void *)(e + 1);
	unsigned frames = 0;
	ssize_t n;

	while ((n = read(b->fd, b->rx, FRAME_MAX)) > 0) {
		if (be16_get(e->type) == ETHER_TYPE_ARP)
			arp_rx(b, e, (size_t)n);
		else if (be16_get(e->type) == ETHER_TYPE_IP4 && ip->proto == IP_PROTO_TCP &&
			 (!b->plain || sums_right(ip)))
			tcp_rx(b, e, ip);
		else if (be16_get(e->type) == ETHER_TYPE_IP4 && ip->proto == IP_PROTO_UDP)
			udp_rx(b, e, (size_t)n);
		if (b->plain && ++frames % BATCH_PLAIN == 0)
			batch_end(b);
	}
	batch_end(b);
}

/* After a silence: what a source had out may be lost. */
static void again(struct bare *b)
{
	for (uint32_t client = 0; client < 1 << 16; client++) {
		struct conn *c = &b->conn[client];

		if (!c->open || c->port != PORT_SOURCE || c->snd_nxt == c->snd_una)
			continue;
		c->snd_nxt = c->snd_una;
		pump(b, (uint16_t)client);
	}
}

/* True when the last argument was this word, which is taken off. */
static bool last_word(int *argc, char **argv, const char *word)
{
	bool is = *argc > 2 && strcmp(argv[*argc - 1], word) == 0;

	*argc -= is;
	return is;
}

int main(int argc, char **argv)
{
	bool spin = last_word(&argc, argv, "spin"), plain = last_word(&argc, argv, "plain");
	struct bare b = {.plain = plain,
			 .piece = plain ? MSS : SUPER,
			 .conn = calloc(1 << 16, sizeof(*b.conn)),
			 .rx = malloc(FRAME_MAX),
			 .app = calloc(1, APP + FRAME_MAX)};
	struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};

	if (argc != 2 || !b.conn || !b.rx || !b.app)
		errx(2, "usage: bare DEV [plain] [spin]");
	b.fd = tapfd_open(argv[1], IFF_VNET_HDR, plain ? 0 : TUN_F_CSUM | TUN_F_TSO4);
	fds[1].fd = b.fd;
	puts("ready");
	fflush(stdout);
	for (int n; (n = poll(fds, 2, spin ? 0 : SILENCE_MS)) >= 0 && !fds[0].revents;) {
		if (n)
			batch(&b);
		else if (!spin)
			again(&b);
	}
	return 0;
}
