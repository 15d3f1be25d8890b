/*
 * ip/inet_cmsg.c - control messages of datagram socks, by ip(7) and cmsg(3): what a send asks for its
 * one datagram, and what is told of one that came.
 *
 * The program's memory: it is copied before it is looked at, and need not be aligned.
 */
#include "ip/inet_cmsg.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "ip/inet_stamp.h"
#include "ip/ip_priv.h"
#include "net/ifaddr.h"

/* --- out to the program ------------------------------------------------------------------------ */

void sock_msg_control(struct sock_msg *m, int level, int type, const void *data, size_t n)
{
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(n), .cmsg_level = level, .cmsg_type = type};
	size_t room = m->control ? m->controllen - m->control_done : 0;
	uint8_t *to = (uint8_t *)m->control + m->control_done;

	if (room < sizeof(h)) {
		m->out_flags |= MSG_CTRUNC;
		return;
	}
	if (room < h.cmsg_len) {
		m->out_flags |= MSG_CTRUNC;
		h.cmsg_len = room;
	}
	memcpy(to, &h, sizeof(h));
	memcpy(to + CMSG_LEN(0), data, h.cmsg_len - CMSG_LEN(0));
	m->control_done += room < CMSG_SPACE(n) ? room : CMSG_SPACE(n);
}

static struct in_addr addr_of(const struct ip_addr *a)
{
	struct in_addr in;

	memcpy(&in, &a->b[12], sizeof(in));
	return in;
}

/* Where it came in, to whom, and the address to answer from. */
static void pktinfo_out(const struct sock *sk, const struct pkbuf *b, struct sock_msg *m)
{
	struct ip_addr from = b->dst;
	struct in_pktinfo info;

	if (b->kind == PKBUF_STAMP) /* of one that was sent: where it went out, from whom */
		from = b->src;
	else if (ip_addr_type(sk->stack, &from) != ROUTE_LOCAL && b->dev &&
		 !ifaddr_source(b->dev, &b->src, &from))
		from = ip_addr_any4;
	info = (struct in_pktinfo){
	    .ipi_ifindex = b->dev ? (int)b->dev->ifindex : 0,
	    .ipi_spec_dst = addr_of(&from),
	    .ipi_addr = addr_of(&b->dst),
	};
	sock_msg_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

void dgram_control_out(const struct sock *sk, const struct pkbuf *b, struct sock_msg *m)
{
	if ((sk->flags & SOCK_STAMPS_IN) && b->kind != PKBUF_STAMP)
		sock_stamp_out(sk, b->stamp, false, m);
	if (sk->flags & SOCK_PKTINFO)
		pktinfo_out(sk, b, m);
	if (sk->flags & SOCK_RECVTTL)
		sock_msg_control(m, IPPROTO_IP, IP_TTL, &(int){b->ttl}, sizeof(int));
	if (sk->flags & SOCK_RECVTOS)
		sock_msg_control(m, IPPROTO_IP, IP_TOS, &b->tos, sizeof(b->tos));
}

/* --- in from the program ----------------------------------------------------------------------- */

/* One that has come in, and its n bytes of data. */
struct control {
	int level, type;
	const uint8_t *data;
	size_t n;
};

/* An address of our own, or any. */
static int pktinfo_in(struct sock *sk, const struct control *in, struct dgram_control *c)
{
	struct in_pktinfo info;

	if (in->n != sizeof(info))
		return -EINVAL;
	memcpy(&info, in->data, sizeof(info));
	if (info.ipi_ifindex < 0)
		return -EINVAL;
	c->ifindex = (uint32_t)info.ipi_ifindex;
	c->src = ip_addr4_be((const uint8_t *)&info.ipi_spec_dst);
	if (ip_addr_is_any(&c->src) || ip_addr_type(sk->stack, &c->src) == ROUTE_LOCAL)
		return 0;
	return ip_addr_is_multicast(&c->src) || ip_addr_is_bcast(&c->src) ? -EINVAL : -ENETUNREACH;
}

static int number_in(const struct control *in, int min, int *v)
{
	if (in->n == sizeof(*v))
		memcpy(v, in->data, sizeof(*v));
	else if (in->n == 1 && in->type == IP_TOS)
		*v = *in->data;
	else
		return -EINVAL;
	return *v < min || *v > 255 ? -EINVAL : 0;
}

/* SO_TIMESTAMPING: which stamps of transmission this message asks for, in place of the sock's. */
static int stamps_in(const struct control *in, uint32_t *stamps)
{
	if (in->n != sizeof(*stamps))
		return -EINVAL;
	memcpy(stamps, in->data, sizeof(*stamps));
	if (*stamps & ~(uint32_t)SOF_TIMESTAMPING_TX_RECORD_MASK)
		return -EINVAL;
	*stamps |= SOCK_MSG_STAMPS;
	return 0;
}

/* SOL_SOCKET's, of any protocol.  What is an AF_UNIX socket's means nothing, as on Linux. */
static int socket_in(const struct control *in, uint32_t *stamps)
{
	int priority;

	switch (in->type) {
	case SO_TIMESTAMPING:
		return stamps_in(in, stamps);
	case SO_PRIORITY:
		if (in->n != sizeof(priority))
			return -EINVAL;
		memcpy(&priority, in->data, sizeof(priority));
		return priority < 0 || priority > SOCK_PRIORITY_MAX ? -EPERM : 0;
	case SCM_RIGHTS:
	case SCM_CREDENTIALS:
		return 0;
	default:
		return -EINVAL;
	}
}

/* Another level's, not the sock's own: ignored, as on Linux. */
static int control_one(struct sock *sk, const struct control *in, struct dgram_control *c)
{
	if (in->level == SOL_SOCKET)
		return socket_in(in, &c->stamps);
	if (in->level != IPPROTO_IP)
		return in->level == IPPROTO_UDP && sk->c.proto == IPPROTO_UDP ? -EINVAL : 0;
	switch (in->type) {
	case IP_PKTINFO:
		return pktinfo_in(sk, in, c);
	case IP_TTL:
		return number_in(in, 1, &c->ttl);
	case IP_TOS:
		return number_in(in, 0, &c->tos);
	default:
		return -EINVAL;
	}
}

/* What is left of a message's control messages. */
struct control_rest {
	const uint8_t *at;
	size_t left;
};

static struct control_rest control_all(const struct sock_msg *m)
{
	return (struct control_rest){m->control, m->control ? m->controllen : 0};
}

/* 1: the next one, in *in; 0: there is none; -EINVAL: it has no such length. */
static int control_next(struct control_rest *r, struct control *in)
{
	struct cmsghdr h;
	size_t step;

	if (r->left < sizeof(h))
		return 0;
	memcpy(&h, r->at, sizeof(h));
	if (h.cmsg_len < sizeof(h) || h.cmsg_len > r->left)
		return -EINVAL;
	*in = (struct control){
	    .level = h.cmsg_level,
	    .type = h.cmsg_type,
	    .data = r->at + CMSG_LEN(0),
	    .n = h.cmsg_len - CMSG_LEN(0),
	};
	step = CMSG_ALIGN(h.cmsg_len);
	if (step > r->left)
		step = r->left;
	r->at += step;
	r->left -= step;
	return 1;
}

int dgram_control_in(struct sock *sk, const struct sock_msg *m, struct dgram_control *c)
{
	struct control_rest r = control_all(m);
	struct control in;
	int err = 0, more = 0;

	*c = (struct dgram_control){.tos = -1, .ttl = -1, .src = ip_addr_any, .any = r.left > 0};
	while (!err && (more = control_next(&r, &in)) > 0)
		err = control_one(sk, &in, c);
	return err ? err : more;
}

bool sock_control_names(const struct sock_msg *m, int level)
{
	struct control_rest r = control_all(m);
	struct control in;

	while (control_next(&r, &in) > 0) {
		if (in.level == level)
			return true;
	}
	return false;
}

int stream_control_in(struct sock_msg *m)
{
	struct control_rest r = control_all(m);
	struct control in;
	int err = 0, more = 0;

	while (!err && (more = control_next(&r, &in)) > 0)
		err = in.level == SOL_SOCKET ? socket_in(&in, &m->stamps) : 0;
	return err ? err : more;
}

void dgram_control_flow(const struct dgram_control *c, struct ip_flow *f)
{
	if (c->tos >= 0)
		f->tos = (uint8_t)c->tos;
	if (c->ttl >= 0) {
		f->ttl = (uint8_t)c->ttl;
		f->stays = false;
	}
	if (c->ifindex)
		f->ifindex = c->ifindex;
	if (!ip_addr_is_any(&c->src))
		f->src = c->src;
}
