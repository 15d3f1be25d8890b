/*
 * tests/bench/bare.c - `bare DEV [WAY]...`: the least that answers the bench's client over a TAP, until standard input
 * ends.  It is no stack but the floor under any: no timers, no sockets; a silence sends again, and the client's packets
 * are taken to be right, for nobody else is on this wire.
 *
 * One thread reads frames until there are none, answers out of the frame at hand, acknowledges what was only
 * received once a batch, and copies it once, as a program's read would.  Super-frames go both ways.  Ways:
 *
 *	plain		without offload: a segment a frame, sums verified and made here, a batch is 16 frames at most
 *	spin		never asleep
 *	sockets		small messages are found, kept, read and written as under the socket calls (bare_socket.c), and
 *			each segment has what TCP asks of it (bare_tcp.c)
 *	copy		frames are read into 16 buffers in turn, and each write of a source is copied into the next
 *	compute=NS	a request takes so long to answer
 *	group=N		and is answered with up to N others of its batch
 *	relay=PATH	PORT_RELAY is answered by who listens there (bare_relay.c)
 *	queues=N	of the TAP, with a thread and connections of its own each
 */
#include <err.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "tests/bench/bare.h"
#include "tests/bench/tapfd.h"
#include "tests/bench/turn.h"

#define BATCH_PLAIN 16 /* frames */
#define SILENCE_MS 100
#define SPINS 4096 /* batches between looks at standard input */
#define QUEUES_MAX 8

static void take(struct bare *b, uint16_t client, const char *data, size_t n)
{
	struct conn *c = &b->conn[client];

	c->total += n;
	memcpy(bare_app(b, n), data, n);
	if (c->owed)
		return;
	if (b->npending == PENDING) {
		bare_segment(b, client, TCP_ACK, NULL, 0);
		return;
	}
	c->owed = true;
	b->pending[b->npending++] = client;
}

static void text(struct bare *b, uint16_t client, const char *data, size_t n)
{
	struct conn *c = &b->conn[client];

	c->rcv_nxt += (uint32_t)n;
	if (b->is.sockets)
		data = bare_socket_read(b);
	switch (c->port) {
	case PORT_SINK:
		take(b, client, data, n);
		break;
	case PORT_CONN:
	case PORT_CONN_BRIEF:
		bare_message(b, client, TCP_ACK | TCP_PSH | TCP_FIN, data, n);
		break;
	case PORT_RELAY:
		bare_relay_in(b, client, data, n);
		break;
	case PORT_REQUESTS:
		bare_answer(b, client, data, n);
		break;
	default:
		bare_message(b, client, TCP_ACK | TCP_PSH, data, n);
	}
}

static void fin(struct bare *b, uint16_t client)
{
	struct conn *c = &b->conn[client];

	c->rcv_nxt++;
	if (c->stream)
		bare_relay_close(b, client);
	if (c->port == PORT_SINK)
		bare_segment(b, client, TCP_ACK | TCP_FIN, &c->total, sizeof(c->total));
	else
		bare_segment(b, client, c->port == PORT_CONN ? TCP_ACK : TCP_ACK | TCP_FIN, NULL,
			     0);
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
	if (c->port == PORT_RELAY)
		bare_relay_open(b, client);
	if (b->is.sockets)
		bare_socket_open(b, client, ip, t);
	bare_segment(b, client, TCP_SYN | TCP_ACK, NULL, 0);
}

/* The client is gone. */
static void reset(struct bare *b, uint16_t client)
{
	b->conn[client].open = false;
	if (b->conn[client].stream)
		bare_relay_close(b, client);
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
		reset(b, client);
	if (t->flags & (TCP_SYN | TCP_RST) || !c->open)
		return;
	if (b->is.sockets) {
		if (!bare_socket_in(b, ip, t, be32_get(t->seq) == c->rcv_nxt ? n : 0))
			return;
	} else {
		c->snd_una = be32_get(t->ack);
		c->snd_wnd = (uint32_t)be16_get(t->wnd) << c->shift;
	}
	if ((n || t->flags & TCP_FIN) && be32_get(t->seq) != c->rcv_nxt) {
		bare_segment(b, client, TCP_ACK, NULL,
			     0); /* sent again, or one before it was lost */
		return;
	}
	if (n && t->flags & TCP_FIN && c->port == PORT_CONN_BRIEF)
		c->rcv_nxt++; /* one answer to both */
	if (n)
		text(b, client, (const char *)t + tcp_hdr_len(t), n);
	if (t->flags & TCP_FIN && !(n && c->port == PORT_CONN_BRIEF))
		fin(b, client);
	if (c->port == PORT_SOURCE)
		bare_pump(b, client);
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
	       csum_finish(csum_add(bare_sum(ip), ip + 1, be16_get(ip->len) - IP4_HLEN)) == 0;
}

static void frame_rx(struct bare *b, size_t len)
{
	struct ether_hdr *e = (void *)(b->rx + sizeof(struct virtio_net_hdr));
	struct ip4_hdr *ip = (void *)(e + 1);

	if (be16_get(e->type) == ETHER_TYPE_ARP)
		arp_rx(b, e, len);
	else if (be16_get(e->type) == ETHER_TYPE_IP4 && ip->proto == IP_PROTO_TCP &&
		 (!b->is.plain || sums_right(ip)))
		tcp_rx(b, e, ip);
	else if (be16_get(e->type) == ETHER_TYPE_IP4 && ip->proto == IP_PROTO_UDP)
		udp_rx(b, e, len);
}

void bare_batch(struct bare *b)
{
	unsigned frames = 0;
	ssize_t n;

	while ((n = read(b->fd, b->rx, FRAME_MAX)) > 0) {
		frame_rx(b, (size_t)n);
		if (b->is.copy)
			b->rx = bare_keep(b);
		if (b->is.plain && ++frames % BATCH_PLAIN == 0)
			bare_flush(b);
	}
	bare_flush(b);
}

/* After a silence: what a source had out may be lost. */
static void again(struct bare *b)
{
	for (uint32_t client = 0; client < 1 << 16; client++) {
		struct conn *c = &b->conn[client];

		if (!c->open || c->port != PORT_SOURCE || c->snd_nxt == c->snd_una)
			continue;
		c->snd_nxt = c->snd_una;
		bare_pump(b, (uint16_t)client);
	}
}

/* --- a queue's thread ------------------------------------------------------------------------- */

static void bare_init(struct bare *b, const char *dev, const struct ways *is)
{
	short flags = (short)(IFF_VNET_HDR | (is->queues ? IFF_MULTI_QUEUE : 0));

	*b = (struct bare){.is = *is,
			   .piece = is->plain ? MSS : SUPER,
			   .conn = calloc(1 << 16, sizeof(*b->conn)),
			   .app = calloc(1, APP)};
	for (unsigned i = 0; i < KEPT; i++)
		b->kept[i] = malloc(FRAME_MAX);
	b->rx = bare_keep(b);
	b->sockets = is->sockets ? bare_sockets_create() : NULL;
	if (!b->conn || !b->app || !b->rx)
		errx(1, "memory");
	b->fd = tapfd_open(dev, flags, is->plain ? 0 : TUN_F_CSUM | TUN_F_TSO4);
}

static bool is_over(int timeout_ms, struct pollfd *fds, nfds_t n)
{
	return poll(fds, n, timeout_ms) < 0 || fds[0].revents;
}

/* Until standard input ends. */
static void *bare_run(void *arg)
{
	struct bare *b = arg;
	struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.fd = b->fd, .events = POLLIN}};

	if (b->is.relay) {
		bare_relay_run(b);
		return NULL;
	}
	if (b->is.spin) {
		for (unsigned n = 1; n % SPINS || !is_over(0, fds, 1); n++)
			bare_batch(b);
		return NULL;
	}
	while (!is_over(SILENCE_MS, fds, 2)) {
		if (fds[1].revents)
			bare_batch(b);
		else
			again(b);
	}
	return NULL;
}

/* --- arguments -------------------------------------------------------------------------------- */

static bool is_number(const char *word, const char *name, unsigned *to)
{
	size_t n = strlen(name);

	if (strncmp(word, name, n) != 0 || word[n] != '=')
		return false;
	*to = (unsigned)atoi(word + n + 1);
	return true;
}

static bool is_flag(const char *word, const char *name, bool *to)
{
	*to |= strcmp(word, name) == 0;
	return strcmp(word, name) == 0;
}

static bool is_path(const char *word, const char *name, const char **to)
{
	bool is = strncmp(word, name, strlen(name)) == 0;

	*to = is ? word + strlen(name) : *to;
	return is;
}

static bool is_known(const char *word, struct ways *is)
{
	return is_flag(word, "plain", &is->plain) || is_flag(word, "spin", &is->spin) ||
	       is_flag(word, "sockets", &is->sockets) || is_flag(word, "copy", &is->copy) ||
	       is_number(word, "compute", &is->compute) || is_number(word, "group", &is->group) ||
	       is_number(word, "queues", &is->queues) || is_path(word, "relay=", &is->relay);
}

int main(int argc, char **argv)
{
	struct ways is = {0};
	static const char usage[] = "usage: bare DEV [plain] [spin] [sockets] [copy] [compute=NS] "
				    "[group=N] [queues=N] [relay=PATH]";
	struct bare b[QUEUES_MAX];
	pthread_t thread;

	for (int i = 2; i < argc; i++)
		if (!is_known(argv[i], &is))
			errx(2, "%s", usage);
	if (argc < 2 || is.group > GROUP_MAX || is.queues > QUEUES_MAX)
		errx(2, "%s", usage);
	bare_init(&b[0], argv[1], &is);
	for (unsigned i = 1; i < is.queues; i++) {
		bare_init(&b[i], argv[1], &is);
		if (pthread_create(&thread, NULL, bare_run, &b[i]))
			errx(1, "no thread");
	}
	puts("ready");
	fflush(stdout);
	bare_run(&b[0]);
	return 0;
}
