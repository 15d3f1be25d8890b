/*
 * tests/sim/lab_find.c - the connection a frame belongs to, by its addresses and ports.
 *
 * The server's port names the job, the job its client's node: so node and client port are enough.
 */
#include "lib/wire/ether.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "tests/sim/lab_world.h"

static unsigned conn_slot(unsigned job, uint16_t port)
{
	return (job * 7919u + port) % LAB_HASH;
}

static unsigned conn_job(const struct lab_conn *c)
{
	return (unsigned)(c->run - c->w->run);
}

/* A new one of the same port comes before an old one that is not gone. */
void lab_conn_hash(struct lab_conn *c)
{
	struct lab_conn **at = &c->w->hash[conn_slot(conn_job(c), c->port)];

	c->next_hash = *at;
	*at = c;
}

void lab_conn_unhash(struct lab_conn *c)
{
	struct lab_conn **at = &c->w->hash[conn_slot(conn_job(c), c->port)];

	while (*at && *at != c)
		at = &(*at)->next_hash;
	if (*at)
		*at = c->next_hash;
}

static struct lab_conn *conn_find(struct lab_world *w, unsigned job, uint16_t port)
{
	struct lab_conn *c;

	if (job >= w->scene.njob)
		return NULL;
	for (c = w->hash[conn_slot(job, port)]; c; c = c->next_hash) {
		if (c->port == port && conn_job(c) == job)
			return c;
	}
	return NULL;
}

struct segment {
	uint16_t sport, dport;
	uint32_t payload;
	uint32_t src, dst;
};

static uint32_t addr_get(const uint8_t *four)
{
	return (uint32_t)four[0] << 24 | (uint32_t)four[1] << 16 | (uint32_t)four[2] << 8 | four[3];
}

static bool segment_parse(const struct lab_frame *f, struct segment *g)
{
	const struct ether_hdr *eth = (const struct ether_hdr *)(const void *)f->bytes;
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(const void *)(f->bytes + sizeof(*eth));
	const struct tcp_hdr *tcp;
	unsigned hlen, len;

	if (f->len < sizeof(*eth) + sizeof(*ip) || be16_get(eth->type) != ETHER_TYPE_IP4)
		return false;
	hlen = ip4_hdr_len(ip);
	len = be16_get(ip->len);
	if (ip->proto != IP_PROTO_TCP || (be16_get(ip->off) & IP4_OFFMASK) ||
	    f->len < sizeof(*eth) + hlen + sizeof(*tcp) || len + sizeof(*eth) > f->len)
		return false;
	tcp = (const struct tcp_hdr *)(const void *)(f->bytes + sizeof(*eth) + hlen);
	g->sport = be16_get(tcp->sport);
	g->dport = be16_get(tcp->dport);
	g->src = addr_get(ip->src);
	g->dst = addr_get(ip->dst);
	hlen += tcp_hdr_len(tcp);
	g->payload = len > hlen ? len - hlen : 0;
	return true;
}

struct lab_conn *lab_frame_touch(struct lab_world *w, const struct lab_frame *f, bool delivered)
{
	struct lab_conn *c;
	struct segment g;
	bool up;

	if (!segment_parse(f, &g))
		return NULL;
	up = g.dport >= LAB_PORT && g.dport < LAB_PORT + w->scene.njob;
	c = up ? conn_find(w, g.dport - LAB_PORT, g.sport)
	       : conn_find(w, g.sport - LAB_PORT, g.dport);
	if (!c)
		return NULL;
	if (delivered && lab_node_of(w, g.dst) == (up ? c->run->job->to : c->run->job->from))
		c->carried[up ? LAB_SERVER : LAB_CLIENT] += g.payload;
	if (!c->touched) {
		c->touched = true;
		c->next_touched = w->touched;
		w->touched = c;
	}
	return c;
}
