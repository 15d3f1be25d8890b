/*
 * tests/bench/bare_socket.c - the bare responder with what no stack under the socket calls leaves out between a frame and
 * a program, each done once and as shortly as it goes, in one thread and for small messages that come in order.
 *
 * In: the IP header summed (RFC 1122, 3.2.1.2), the clock read (RFC 6298), the connection found among many by a keyed
 * hash, its lock taken, what TCP asks for (bare_tcp.c), what the ACK is for taken off, the bytes kept until they are read,
 * the sock put on the list of those that are ready.  Read: taken off that list, locked, copied out.  Written: locked, a copy
 * kept until its ACK.  No wait queue, no descriptor table, no counter, no error.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/checksum.h"
#include "lib/lock.h"
#include "lib/seq.h"
#include "lib/siphash.h"
#include "tests/bench/bare.h"

#define CHAINS (1u << 12)

/* Who is who: addresses and ports as they stand in a packet of the client's. */
struct tuple {
	uint8_t src[4], dst[4];
	be16 sport, dport;
};

struct bytes {
	size_t n;
	char data[];
};

struct bare_sock {
	struct bare_sock *next, *next_ready; /* in its chain, on the list */
	struct tuple tuple;
	uint16_t client;
	struct mutex lock;
	struct bytes *in, *out; /* not read, not acknowledged */
};

struct bare_sockets {
	uint8_t key[16];
	struct bare_sock *chain[CHAINS];
	struct bare_sock *of[1 << 16]; /* by the client's port, as its descriptor would */
	struct mutex lock;             /* of the list */
	struct bare_sock *ready;
	uint64_t now;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct bytes *bytes_keep(const void *data, size_t n)
{
	struct bytes *k = malloc(sizeof(*k) + n);

	if (!k)
		err(1, "memory");
	k->n = n;
	memcpy(k->data, data, n);
	return k;
}

struct bare_sockets *bare_sockets_create(void)
{
	struct bare_sockets *ss = calloc(1, sizeof(*ss));

	if (!ss)
		err(1, "memory");
	mutex_init(&ss->lock, RANK_LEAF);
	return ss;
}

static struct bare_sock **chain_of(struct bare_sockets *ss, const struct tuple *t)
{
	return &ss->chain[siphash13(t, sizeof(*t), ss->key) % CHAINS];
}

static struct tuple tuple_of(const struct ip4_hdr *ip, const struct tcp_hdr *t)
{
	struct tuple k = {.sport = t->sport, .dport = t->dport};

	memcpy(k.src, ip->src, 4);
	memcpy(k.dst, ip->dst, 4);
	return k;
}

/* A port that is used again has a new one. */
static void sock_end(struct bare_sockets *ss, struct bare_sock *s)
{
	struct bare_sock **at = chain_of(ss, &s->tuple);

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s->in);
	free(s->out);
	free(s);
}

void bare_socket_open(struct bare *b, uint16_t client, const struct ip4_hdr *ip,
		      const struct tcp_hdr *t)
{
	struct bare_sock *s = calloc(1, sizeof(*s)), **chain;
	struct bare_sockets *ss = b->sockets;

	if (!s)
		err(1, "memory");
	if (ss->of[client])
		sock_end(ss, ss->of[client]);
	ss->of[client] = s;
	s->tuple = tuple_of(ip, t);
	s->client = client;
	mutex_init(&s->lock, RANK_SOCK);
	bare_tcp_open(&b->conn[client], t);
	chain = chain_of(ss, &s->tuple);
	s->next = *chain;
	*chain = s;
}

static struct bare_sock *sock_find(struct bare_sockets *ss, const struct ip4_hdr *ip,
				   const struct tcp_hdr *t)
{
	struct tuple k = tuple_of(ip, t);
	struct bare_sock *s = *chain_of(ss, &k);

	while (s && memcmp(&s->tuple, &k, sizeof(k)) != 0)
		s = s->next;
	return s;
}

static void sock_acked(struct bare_sock *s)
{
	free(s->out);
	s->out = NULL;
}

static void sock_ready(struct bare_sockets *ss, struct bare_sock *s)
{
	mutex_lock(&ss->lock);
	s->next_ready = ss->ready;
	ss->ready = s;
	mutex_unlock(&ss->lock);
}

bool bare_socket_in(struct bare *b, const struct ip4_hdr *ip, const struct tcp_hdr *t, size_t n)
{
	struct bare_sockets *ss = b->sockets;
	struct bare_sock *s = sock_find(ss, ip, t);

	if (!s || csum_finish(csum_add_words(0, ip, IP4_HLEN)) != 0)
		return false;
	ss->now = clock_ns();
	mutex_lock(&s->lock);
	if (!bare_tcp_in(&b->conn[s->client], ip, t, (uint32_t)n, ss->now)) {
		mutex_unlock(&s->lock);
		return false;
	}
	if (s->out && be32_get(t->ack) == b->conn[s->client].snd_nxt)
		sock_acked(s);
	if (n && !s->in) {
		s->in = bytes_keep((const char *)t + tcp_hdr_len(t), n);
		sock_ready(ss, s);
	}
	mutex_unlock(&s->lock);
	return true;
}

uint64_t bare_sockets_now(const struct bare_sockets *ss)
{
	return ss->now;
}

/* The one thing that is ready, for there is one thread. */
static struct bare_sock *sock_poll(struct bare_sockets *ss)
{
	struct bare_sock *s;

	mutex_lock(&ss->lock);
	s = ss->ready;
	ss->ready = s->next_ready;
	mutex_unlock(&ss->lock);
	return s;
}

const char *bare_socket_read(struct bare *b)
{
	struct bare_sock *s = sock_poll(b->sockets);
	char *to = bare_app(b, s->in->n);

	mutex_lock(&s->lock);
	memcpy(to, s->in->data, s->in->n);
	free(s->in);
	s->in = NULL;
	mutex_unlock(&s->lock);
	return to;
}

void bare_socket_write(struct bare *b, uint16_t client, uint8_t flags, const void *data, size_t n)
{
	struct bare_sockets *ss = b->sockets;
	struct bare_sock *s = ss->of[client];

	mutex_lock(&s->lock);
	free(s->out); /* of a client that has asked again without an ACK: none does */
	s->out = bytes_keep(data, n);
	if (!bare_tcp_may_send(&b->conn[client], (uint32_t)n, ss->now))
		errx(1, "no room for an answer");
	bare_segment(b, client, flags, s->out->data, n);
	mutex_unlock(&s->lock);
}
