/*
 * shell/cmd_ping2.c - `ping2`: the same made inside the stack, by ip's own doors (ip/icmp.h).
 *
 * The watch runs on whoever received the message, checks the payload there and feeds a short record.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ip/icmp.h"
#include "net/ifaddr.h"
#include "shell/feed.h"
#include "shell/ping.h"

/*
 * LOCKING
 *	c	constant while the watch is there
 */
struct core_ping {
	struct icmp_watch watch; /* c */
	struct feed feed;        /* its own */
	const struct ping *p;    /* c */
};

static int64_t core_ping_check(const struct pkbuf *b)
{
	uint8_t part[256];
	int64_t bad = -1;

	for (uint32_t off = ICMP_HLEN; off < b->len && bad < 0; off += sizeof(part)) {
		uint32_t n = b->len - off < sizeof(part) ? b->len - off : sizeof(part);

		pkbuf_read(b, off, part, n);
		bad = ping_check(part, off - ICMP_HLEN, n);
	}
	return bad;
}

/* The echo request an error quotes: ours, and which? */
static bool core_ping_quoted(const struct ping *p, const struct pkbuf *b, uint16_t *seq)
{
	struct icmp4_hdr h;
	struct ip_addr dst;
	struct ip4_hdr ip;

	if (b->len < ICMP_HLEN + IP4_HLEN)
		return false;
	pkbuf_read(b, ICMP_HLEN, &ip, sizeof(ip));
	if (ip.proto != IP_PROTO_ICMP || b->len < ICMP_HLEN + ip4_hdr_len(&ip) + ICMP_HLEN)
		return false;
	pkbuf_read(b, ICMP_HLEN + ip4_hdr_len(&ip), &h, sizeof(h));
	dst = ip_addr4_be(ip.dst);
	*seq = be16_get(h.echo.seq);
	return h.type == ICMP_ECHO && be16_get(h.echo.id) == p->id && ip_addr_eq(&dst, &p->dst);
}

static void core_ping_watch(struct icmp_watch *w, const struct pkbuf *b)
{
	struct core_ping *k = w->arg;
	struct ping_reply r = {.bad_at = -1};
	struct icmp4_hdr h;

	if (b->len < ICMP_HLEN)
		return;
	pkbuf_read(b, 0, &h, sizeof(h));
	r.when = env_now(b->stack->env);
	r.from = b->src;
	r.type = h.type;
	r.code = h.code;
	r.ttl = b->ttl;
	r.seq = be16_get(h.echo.seq);
	r.len = b->len;
	r.info = be32_get(h.word);
	if (h.type == ICMP_ECHO_REPLY) {
		if (be16_get(h.echo.id) != k->p->id)
			return;
		r.bad_at = core_ping_check(b);
	} else if (h.type == ICMP_ECHO || !core_ping_quoted(k->p, b, &r.seq)) {
		return;
	}
	feed_put(&k->feed, &r, sizeof(r));
}

static int core_ping_open(struct ping *p)
{
	struct core_ping *k;
	int err;

	if (p->dev && !ifaddr_source(p->dev, &p->dst, &p->src))
		return cmd_error(p->c, "%s: no address", p->dev->name);
	if (!ip_addr_is_any(&p->src) && !ifaddr_owner(p->c->stack, &p->src))
		return cmd_error(p->c, "-I: %s", strerror(EADDRNOTAVAIL));
	k = malloc(sizeof(*k));
	if (!k)
		return cmd_error(p->c, "no memory");
	*k = (struct core_ping){.watch = {.fn = core_ping_watch, .arg = k}, .p = p};
	err = feed_open(&k->feed);
	if (err) {
		free(k);
		return cmd_error(p->c, "pipe: %s", strerror(-err));
	}
	p->priv = k;
	icmp_watch_add(p->c->stack, &k->watch);
	return CMD_OK;
}

static void core_ping_close(struct ping *p)
{
	struct core_ping *k = p->priv;

	icmp_watch_del(p->c->stack, &k->watch);
	feed_close(&k->feed);
	free(k);
}

static int core_ping_send(struct ping *p, uint16_t seq)
{
	struct icmp_echo e = {.src = p->src,
			      .dst = p->dst,
			      .id = p->id,
			      .seq = seq,
			      .ttl = p->ttl,
			      .data = p->data,
			      .n = p->size};
	struct batch b;
	int err;

	batch_begin(&b, p->c->stack);
	err = icmp_echo_send(p->c->stack, &e);
	batch_end(&b);
	return err;
}

static int core_ping_recv(struct ping *p, struct ping_reply *r, uint64_t deadline)
{
	struct core_ping *k = p->priv;
	int n = feed_take(p->c, &k->feed, r, sizeof(*r), deadline);

	if (n == -EINTR)
		return n;
	return n == (int)sizeof(*r);
}

static const struct ping_ops core_ping_ops = {
    .open = core_ping_open,
    .send = core_ping_send,
    .recv = core_ping_recv,
    .close = core_ping_close,
};

int cmd_ping2(struct cmd *c)
{
	return ping_run(c, &core_ping_ops);
}
