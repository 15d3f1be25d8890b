/*
 * tests/bench/bare_out.c - the bare responder's way out: segments and super-frames with their headers, and what a
 * program costs at the least, where the arguments ask for it: the copy of a write, the computing of an answer.
 */
#include <err.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "tests/bench/bare.h"

#define IN_FLIGHT (1u << 19) /* of a source */
#define SYN_OPTIONS 8u

struct head {
	struct virtio_net_hdr vnet;
	struct ether_hdr e;
	struct ip4_hdr ip;
	struct tcp_hdr tcp;
	uint8_t options[SYN_OPTIONS + BARE_STAMPS];
} __attribute__((packed));

uint64_t bare_sum(const struct ip4_hdr *ip)
{
	return csum_pseudo(ip->src, ip->dst, 4, IP_PROTO_TCP, be16_get(ip->len) - IP4_HLEN);
}

static void head_fill(struct bare *b, struct head *h, uint16_t client, uint8_t flags, size_t n)
{
	struct conn *c = &b->conn[client];
	unsigned hlen = TCP_HLEN;

	h->tcp = (struct tcp_hdr){.sport = be16_of(c->port),
				  .dport = be16_of(client),
				  .seq = be32_of(c->snd_nxt),
				  .ack = be32_of(c->rcv_nxt),
				  .flags = flags,
				  .wnd = be16_of(0x7fff)};
	if (flags & TCP_SYN) {
		memcpy(h->options,
		       (uint8_t[SYN_OPTIONS]){2, 4, MSS >> 8, MSS & 0xff, 1, 3, 3, BARE_SHIFT},
		       SYN_OPTIONS);
		hlen += SYN_OPTIONS;
	}
	if (b->is.sockets)
		hlen += bare_tcp_header(c, &h->tcp, h->options + hlen - TCP_HLEN,
					bare_sockets_now(b->sockets));
	h->tcp.off = (uint8_t)(hlen << 2);
	h->e = c->e;
	h->ip = c->ip;
	h->ip.len = be16_of((uint16_t)(IP4_HLEN + hlen + n));
	h->ip.csum = csum_finish(csum_add_words(0, &h->ip, IP4_HLEN));
}

/* To the host is left to cut, and to sum all but the pseudo header. */
static void head_offload(struct head *h, size_t n)
{
	h->tcp.csum = csum_fold(bare_sum(&h->ip));
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
	uint64_t sum = csum_add_words(bare_sum(&h->ip), &h->tcp, tcp_hdr_len(&h->tcp));

	h->tcp.csum = csum_finish(csum_add(sum, data, n));
	h->vnet = (struct virtio_net_hdr){0};
}

/* A wire frame goes in one part, for a call with one costs less than the copy of its text. */
static ssize_t segment_write(int fd, const struct head *h, size_t hlen, const void *data, size_t n)
{
	struct iovec iov[2] = {{(void *)(uintptr_t)h, hlen}, {(void *)(uintptr_t)data, n}};
	uint8_t flat[sizeof(*h) + MSS];

	if (n > MSS)
		return writev(fd, iov, 2);
	memcpy(flat, h, hlen);
	if (n)
		memcpy(flat + hlen, data, n);
	return write(fd, flat, hlen + n);
}

void bare_segment(struct bare *b, uint16_t client, uint8_t flags, const void *data, size_t n)
{
	struct conn *c = &b->conn[client];
	struct head h;
	size_t hlen;

	head_fill(b, &h, client, flags, n);
	hlen = sizeof(h) - sizeof(h.options) + tcp_hdr_len(&h.tcp) - TCP_HLEN;
	if (b->is.plain)
		head_sum(&h, data, n);
	else
		head_offload(&h, n);
	if (segment_write(b->fd, &h, hlen, data, n) < 0)
		err(1, "write");
	c->snd_nxt += (uint32_t)n + !!(flags & (TCP_SYN | TCP_FIN));
	c->owed = false;
}

void bare_message(struct bare *b, uint16_t client, uint8_t flags, const void *data, size_t n)
{
	if (b->is.sockets)
		bare_socket_write(b, client, flags, data, n);
	else
		bare_segment(b, client, flags, data, n);
}

/* --- bytes to send ---------------------------------------------------------------------------- */

char *bare_keep(struct bare *b)
{
	b->turn = (b->turn + 1) % KEPT;
	return b->kept[b->turn];
}

char *bare_app(struct bare *b, size_t n)
{
	char *at;

	if (b->app_at + n > APP)
		b->app_at = 0;
	at = b->app + b->app_at;
	b->app_at += n;
	return at;
}

/* What a program writes stays until its ACK: the least is a copy. */
static const char *written(struct bare *b)
{
	const char *from = bare_app(b, b->piece);

	return b->is.copy ? memcpy(bare_keep(b), from, b->piece) : from;
}

void bare_pump(struct bare *b, uint16_t client)
{
	struct conn *c = &b->conn[client];

	while (c->snd_nxt - c->snd_una + b->piece <= c->snd_wnd &&
	       c->snd_nxt - c->snd_una < IN_FLIGHT)
		bare_segment(b, client, TCP_ACK | TCP_PSH, written(b), b->piece);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void compute(unsigned ns)
{
	struct timespec ts;
	uint64_t end = 0, now;

	do {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
		end = end ? end : now + ns;
	} while (now < end);
}

static void held_send(struct bare *b)
{
	for (unsigned i = 0; i < b->nheld; i++)
		bare_message(b, b->held[i].client, TCP_ACK | TCP_PSH, b->held[i].data,
			     b->held[i].n);
	b->nheld = 0;
}

void bare_answer(struct bare *b, uint16_t client, const void *data, size_t n)
{
	struct answer *a = &b->held[b->nheld];

	if (b->is.compute)
		compute(b->is.compute);
	if (n > QUESTION || b->is.group < 2) {
		bare_message(b, client, TCP_ACK | TCP_PSH, data, n);
		return;
	}
	a->client = client;
	a->n = (uint16_t)n;
	memcpy(a->data, data, n);
	if (++b->nheld == b->is.group)
		held_send(b);
}

void bare_flush(struct bare *b)
{
	held_send(b);
	for (unsigned i = 0; i < b->npending; i++)
		if (b->conn[b->pending[i]].owed)
			bare_segment(b, b->pending[i], TCP_ACK, NULL, 0);
	b->npending = 0;
}
