/*
 * socket/guest_message.c - messages with an address.
 *
 * A datagram to an address goes to the gateway's end 0:0 with that address before its bytes; the sender of one
 * that came is the name of the end it came from.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

#define PARTS 64 /* of one message that has an address */

/* --- sending -------------------------------------------------------------------------------------- */

/* The header stands before the program's own parts. */
static long dgram_out(const struct guest_socket *s, const struct msghdr *m, int flags)
{
	const struct program_name to = {.kind = PROGRAM_PEER, .slot = (uint16_t)s->id};
	struct program_dgram head;
	struct iovec iov[1 + PARTS] = {{&head, sizeof(head)}};
	struct sockaddr_un sa;
	struct msghdr out = {.msg_name = &sa, .msg_iov = iov, .msg_iovlen = 1 + m->msg_iovlen};
	uint16_t port;
	long n;

	if (m->msg_iovlen > PARTS)
		return -EMSGSIZE;
	memcpy(iov + 1, m->msg_iov, m->msg_iovlen * sizeof(*iov));
	head.addr = guest_address_ip4(m->msg_name, &port);
	head.port = port;
	out.msg_namelen = program_address(&sa, s->guest->token.instance, &to);
	n = kernel_sendmsg(s->fd, &out, flags | MSG_NOSIGNAL);
	if (n < 0 && errno == ECONNREFUSED && guest_ask(s, PROGRAM_OPEN) == 0)
		n = kernel_sendmsg(s->fd, &out, flags | MSG_NOSIGNAL);
	return n < 0 ? -errno : n - (long)sizeof(head);
}

long guest_sendmsg(const struct guest_socket *s, const struct msghdr *m, int flags)
{
	struct msghdr plain = *m;
	long n;
	int err;

	if (s->type == SOCK_STREAM) { /* a stream's peer is known: Linux ignores the name */
		if (flags & MSG_FASTOPEN)
			return -EOPNOTSUPP;
		plain.msg_name = NULL;
		plain.msg_namelen = 0;
		n = kernel_sendmsg(s->fd, &plain, flags);
		return n < 0 ? -errno : n;
	}
	if (m->msg_controllen)
		return -EOPNOTSUPP;
	err = guest_address_check(m->msg_name, m->msg_namelen, s->family);
	return err ? err : dgram_out(s, m, flags);
}

/* --- receiving -------------------------------------------------------------------------------------- */

/* Who sent it: of a stream nobody is told. */
static void sender_put(const struct guest_socket *s, const struct sockaddr_un *sa, socklen_t len,
		       struct sockaddr *a, socklen_t *n)
{
	struct program_addr p = {.ip = {[10] = 0xff, [11] = 0xff}};
	struct program_name name;

	if (s->type == SOCK_STREAM || !program_name_of(&name, s->guest->token.instance, sa, len)) {
		*n = 0;
		return;
	}
	p.port = name.port;
	for (int i = 0; i < 4; i++)
		p.ip[12 + i] = (uint8_t)(name.addr >> (24 - 8 * i));
	guest_address_put(&p, s->family, a, n);
}

/* A reset stands for an ICMP error: the slot has it. */
static int cause_of(const struct guest_socket *s, int error)
{
	int err = error == ECONNRESET && s->type == SOCK_DGRAM ? guest_error(s) : 0;

	return err ? err : error;
}

long guest_recvmsg(const struct guest_socket *s, struct msghdr *m, int flags)
{
	struct sockaddr_un sa = {0};
	struct msghdr in = *m;
	socklen_t room = m->msg_namelen;
	long n;

	in.msg_name = &sa;
	in.msg_namelen = sizeof(sa);
	n = kernel_recvmsg(s->fd, &in, flags);
	if (n < 0)
		return -cause_of(s, errno);
	m->msg_controllen = in.msg_controllen;
	m->msg_flags = in.msg_flags;
	sender_put(s, &sa, in.msg_namelen, m->msg_name, &room);
	m->msg_namelen = room;
	return n;
}
