/*
 * socket/preload_message.c - messages with an address.  Those without go past us: the kernel's send and recv
 * are not hooked.
 *
 * A datagram to an address goes to the gateway's end 0:0 with that address before its bytes; the sender of one
 * that came is the name of the end it came from.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "socket/preload_priv.h"

#define PARTS 64 /* of one message that has an address */

/* --- sending -------------------------------------------------------------------------------------- */

/* The header stands before the program's own parts. */
static long dgram_out(int fd, const struct preload_socket *s, const struct msghdr *m, int flags)
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
	head.addr = preload_address_ip4(m->msg_name, &port);
	head.port = port;
	out.msg_namelen = program_address(&sa, preload_token()->instance, &to);
	n = syscall(SYS_sendmsg, fd, &out, flags | MSG_NOSIGNAL);
	if (n < 0 && errno == ECONNREFUSED && preload_ask(PROGRAM_OPEN, s) == 0)
		n = syscall(SYS_sendmsg, fd, &out, flags | MSG_NOSIGNAL);
	return n < 0 ? -errno : n - (long)sizeof(head);
}

static long named_out(int fd, const struct preload_socket *s, const struct msghdr *m, int flags)
{
	struct msghdr plain = *m;
	long n;
	int err;

	if (s->type == SOCK_STREAM) { /* a stream's peer is known: Linux ignores the name */
		if (flags & MSG_FASTOPEN)
			return -EOPNOTSUPP;
		plain.msg_name = NULL;
		plain.msg_namelen = 0;
		n = syscall(SYS_sendmsg, fd, &plain, flags);
		return n < 0 ? -errno : n;
	}
	if (m->msg_controllen)
		return -EOPNOTSUPP;
	err = preload_address_check(m->msg_name, m->msg_namelen, s->family);
	return err ? err : dgram_out(fd, s, m, flags);
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct preload_socket s;

	if (!m || !m->msg_name || !m->msg_namelen || !preload_find(fd, &s))
		return syscall(SYS_sendmsg, fd, m, flags);
	return preload_answer(named_out(fd, &s, m, flags));
}

HOOK ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *a,
		    socklen_t len)
{
	struct iovec iov = {(void *)(uintptr_t)buf, n};
	struct msghdr m = {
	    .msg_name = (void *)(uintptr_t)a, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1};
	struct preload_socket s;

	if (!a || !len || !preload_find(fd, &s))
		return syscall(SYS_sendto, fd, buf, n, flags, a, len);
	return preload_answer(named_out(fd, &s, &m, flags));
}

HOOK int sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned done = 0;
	ssize_t k = 0;

	for (; done < n; done++) {
		k = sendmsg(fd, &v[done].msg_hdr, flags);
		if (k < 0)
			break;
		v[done].msg_len = (unsigned)k;
	}
	return done ? (int)done : (int)k;
}

/* --- receiving -------------------------------------------------------------------------------------- */

/* Who sent it: of a stream nobody is told. */
static void sender_put(const struct preload_socket *s, const struct sockaddr_un *sa, socklen_t len,
		       struct sockaddr *a, socklen_t *n)
{
	struct program_addr p = {.ip = {[10] = 0xff, [11] = 0xff}};
	struct program_name name;

	if (s->type == SOCK_STREAM || !program_name_of(&name, preload_token()->instance, sa, len)) {
		*n = 0;
		return;
	}
	p.port = name.port;
	for (int i = 0; i < 4; i++)
		p.ip[12 + i] = (uint8_t)(name.addr >> (24 - 8 * i));
	preload_address_put(&p, s->family, a, n);
}

/* A reset stands for an ICMP error: the slot has it. */
static void cause_put(int fd, const struct preload_socket *s)
{
	int err;

	if (errno != ECONNRESET || s->type != SOCK_DGRAM)
		return;
	err = preload_error(fd, s);
	errno = err ? err : ECONNRESET;
}

static long named_in(int fd, const struct preload_socket *s, struct msghdr *m, int flags)
{
	struct sockaddr_un sa = {0};
	struct msghdr in = *m;
	socklen_t room = m->msg_namelen;
	long n;

	in.msg_name = &sa;
	in.msg_namelen = sizeof(sa);
	n = syscall(SYS_recvmsg, fd, &in, flags);
	if (n < 0) {
		cause_put(fd, s);
		return n;
	}
	m->msg_controllen = in.msg_controllen;
	m->msg_flags = in.msg_flags;
	sender_put(s, &sa, in.msg_namelen, m->msg_name, &room);
	m->msg_namelen = room;
	return n;
}

HOOK ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	struct preload_socket s;

	if (!m || !m->msg_name || !preload_find(fd, &s))
		return syscall(SYS_recvmsg, fd, m, flags);
	return named_in(fd, &s, m, flags);
}

HOOK ssize_t recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *a, socklen_t *len)
{
	struct iovec iov = {buf, n};
	struct msghdr m = {.msg_name = a, .msg_iov = &iov, .msg_iovlen = 1};
	struct preload_socket s;
	long k;

	if (!a || !len || !preload_find(fd, &s))
		return syscall(SYS_recvfrom, fd, buf, n, flags, a, len);
	m.msg_namelen = *len;
	k = named_in(fd, &s, &m, flags);
	if (k >= 0)
		*len = m.msg_namelen;
	return k;
}

/* What a program built with _FORTIFY_SOURCE calls. */
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *a,
		       socklen_t *len);

HOOK ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *a,
			    socklen_t *len)
{
	return recvfrom(fd, buf, n < room ? n : room, flags, a, len);
}

static bool any_named(const struct mmsghdr *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (v[i].msg_hdr.msg_name)
			return true;
	}
	return false;
}

/* The time-out is looked at after each message, as recvmmsg(2) says of the kernel's. */
HOOK int recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	struct timespec now, end = {0};
	unsigned done = 0;
	ssize_t k = 0;

	if (!any_named(v, n))
		return (int)syscall(SYS_recvmmsg, fd, v, n, flags, timeout);
	if (timeout) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += timeout->tv_sec;
		end.tv_nsec += timeout->tv_nsec;
	}
	while (done < n) {
		k = recvmsg(fd, &v[done].msg_hdr, flags & ~MSG_WAITFORONE);
		if (k < 0)
			break;
		v[done++].msg_len = (unsigned)k;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (timeout && clock_gettime(CLOCK_MONOTONIC, &now) == 0 &&
		    (now.tv_sec - end.tv_sec) * 1000000000 + (now.tv_nsec - end.tv_nsec) >= 0)
			break;
	}
	return done ? (int)done : (int)k;
}
