/*
 * shell/cmd_ping.c - `ping`, as any program would write it: a raw ICMP socket of the public calls.
 *
 * A raw socket is given every ICMP message that arrives, so two pings at once tell theirs by the id.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/ip4.h"
#include "net/netdev.h"
#include "shell/parse.h"
#include "shell/ping.h"

#define PING_RCVBUF (1 << 20)

struct raw_ping {
	int fd;
	uint8_t out[ICMP_HLEN + PING_SIZE_MAX];
	uint8_t in[IP4_LEN_MAX];
};

static int raw_ping_bind(struct ping *p, int fd)
{
	struct sockaddr_in sin;
	int ttl = p->ttl, buf = PING_RCVBUF;

	weft_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buf, sizeof(buf));
	weft_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	if (ttl && weft_setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) < 0)
		return cmd_error(p->c, "ttl %d: %s", ttl, strerror(errno));
	if (p->dev && weft_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p->dev->name,
				      (socklen_t)strlen(p->dev->name)) < 0)
		return cmd_error(p->c, "%s: %s", p->dev->name, strerror(errno));
	if (ip_addr_is_any(&p->src))
		return CMD_OK;
	sockaddr_of(&p->src, 0, &sin);
	if (weft_bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		return cmd_error(p->c, "-I: %s", strerror(errno));
	return CMD_OK;
}

static void raw_ping_close(struct ping *p)
{
	struct raw_ping *r = p->priv;

	if (r->fd >= 0)
		weft_close(r->fd);
	free(r);
}

static int raw_ping_open(struct ping *p)
{
	struct raw_ping *r = malloc(sizeof(*r));
	int status;

	if (!r)
		return cmd_error(p->c, "no memory");
	p->priv = r;
	r->fd = weft_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	status =
	    r->fd < 0 ? cmd_error(p->c, "socket: %s", strerror(errno)) : raw_ping_bind(p, r->fd);
	if (status)
		raw_ping_close(p);
	return status;
}

static int raw_ping_send(struct ping *p, uint16_t seq)
{
	struct raw_ping *r = p->priv;
	struct icmp4_hdr *h = (struct icmp4_hdr *)r->out;
	struct sockaddr_in sin;
	size_t n = ICMP_HLEN + p->size;

	*h = (struct icmp4_hdr){.type = ICMP_ECHO};
	h->echo.id = be16_of(p->id);
	h->echo.seq = be16_of(seq);
	memcpy(r->out + ICMP_HLEN, p->data, p->size);
	h->csum = csum_finish(csum_add(0, r->out, n));
	sockaddr_of(&p->dst, 0, &sin);
	if (weft_sendto(r->fd, r->out, n, 0, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		return -errno;
	return 0;
}

/* An error quotes what it is about: is that ours? */
static bool raw_ping_quoted(const struct ping *p, const uint8_t *quote, size_t n, uint16_t *seq)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)quote;
	const struct icmp4_hdr *h;
	struct ip_addr dst;

	if (n < IP4_HLEN || ip4_hdr_len(ip) < IP4_HLEN || n < ip4_hdr_len(ip) + ICMP_HLEN)
		return false;
	h = (const struct icmp4_hdr *)(quote + ip4_hdr_len(ip));
	dst = ip_addr4_be(ip->dst);
	*seq = be16_get(h->echo.seq);
	return ip->proto == IP_PROTO_ICMP && h->type == ICMP_ECHO &&
	       be16_get(h->echo.id) == p->id && ip_addr_eq(&dst, &p->dst);
}

/* True: a datagram of n bytes is about this ping. */
static bool raw_ping_parse(const struct ping *p, const uint8_t *data, size_t n,
			   struct ping_reply *out)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)data;
	const struct icmp4_hdr *h;
	size_t hlen;

	if (n < IP4_HLEN || n < ip4_hdr_len(ip) + ICMP_HLEN)
		return false;
	hlen = ip4_hdr_len(ip);
	h = (const struct icmp4_hdr *)(data + hlen);
	*out = (struct ping_reply){.from = ip_addr4_be(ip->src),
				   .type = h->type,
				   .code = h->code,
				   .ttl = ip->ttl,
				   .seq = be16_get(h->echo.seq),
				   .len = (uint32_t)(n - hlen),
				   .info = be32_get(h->word),
				   .bad_at = -1};
	if (h->type != ICMP_ECHO_REPLY)
		return h->type != ICMP_ECHO &&
		       raw_ping_quoted(p, data + hlen + ICMP_HLEN, n - hlen - ICMP_HLEN, &out->seq);
	if (be16_get(h->echo.id) != p->id)
		return false;
	out->bad_at = ping_check(data + hlen + ICMP_HLEN, 0, (uint32_t)(n - hlen - ICMP_HLEN));
	return true;
}

static int raw_ping_recv(struct ping *p, struct ping_reply *out, uint64_t deadline)
{
	struct raw_ping *r = p->priv;
	struct env *env = p->c->stack->env;
	struct pollfd f = {.fd = r->fd, .events = POLLIN};
	uint64_t now = env_now(env);
	ssize_t n;

	if (now < deadline &&
	    weft_poll(&f, 1, (int)((deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC)) < 0)
		return -errno;
	n = weft_recv(r->fd, r->in, sizeof(r->in), MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR || errno == ENETDOWN ? -EINTR : 0;
	out->when = 0;
	if (!raw_ping_parse(p, r->in, (size_t)n, out))
		return 0;
	out->when = env_now(env);
	return 1;
}

static const struct ping_ops raw_ping_ops = {
    .open = raw_ping_open,
    .send = raw_ping_send,
    .recv = raw_ping_recv,
    .close = raw_ping_close,
};

int cmd_ping(struct cmd *c)
{
	return ping_run(c, &raw_ping_ops);
}
