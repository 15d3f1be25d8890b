/*
 * socket/preload_message.c - the hooks of messages.  Those without an address and control messages go past us;
 * sendto() and recvfrom() without an address are send() and recv(), preload_data.c's.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/iov.h"
#include "socket/preload.h"

#define SECOND 1000000000ll

static size_t message_len(const struct msghdr *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++)
		n += m->msg_iov[i].iov_len;
	return n;
}

bool preload_sent_by_size(int fd, const struct msghdr *m, int flags, ssize_t *k)
{
	struct guest_socket s;

	if (!guest_find(preload_guest(), fd, &s) || s.type == SOCK_STREAM)
		return false;
	*k = preload_answer(guest_sendmsg(&s, m, flags));
	return true;
}

/* One that names nobody. */
static ssize_t send_plain(int fd, const struct msghdr *m, int flags)
{
	int tries = 0;
	ssize_t k;

	if (m && guest_size_matters(preload_guest(), message_len(m)) &&
	    preload_sent_by_size(fd, m, flags, &k))
		return k;
	do
		k = kernel_sendmsg(fd, m, flags);
	while (k < 0 && preload_again(fd, &k, &tries));
	return k;
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct guest_socket s;

	if (!m || !guest_message_is_ours(m, 0) || !guest_find(preload_guest(), fd, &s))
		return send_plain(fd, m, flags);
	return preload_answer(guest_sendmsg(&s, m, flags));
}

HOOK ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *a,
		    socklen_t len)
{
	struct iovec iov = {(void *)(uintptr_t)buf, n};
	struct msghdr m = {
	    .msg_name = (void *)(uintptr_t)a, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1};
	struct guest_socket s;

	if (!a)
		return send(fd, buf, n, flags);
	if (!guest_find(preload_guest(), fd, &s))
		return syscall(SYS_sendto, fd, buf, n, flags, a, len);
	if (len > sizeof(struct sockaddr_storage) || (!len && s.type != SOCK_STREAM))
		return preload_answer(-EINVAL);
	if (!len)
		return send(fd, buf, n, flags);
	return preload_answer(guest_sendmsg(&s, &m, flags));
}

/* What a stream takes in part is the last: another would come before its rest. */
HOOK int sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned done = 0;
	bool whole = true;
	ssize_t k = 0;

	while (done < n && whole) {
		k = sendmsg(fd, &v[done].msg_hdr, flags);
		if (k < 0)
			break;
		whole = (size_t)k == iov_bytes(v[done].msg_hdr.msg_iov, v[done].msg_hdr.msg_iovlen);
		v[done++].msg_len = (unsigned)k;
	}
	return done ? (int)done : (int)k;
}

static ssize_t recv_plain(int fd, struct msghdr *m, int flags)
{
	int tries = 0;
	ssize_t n;

	do
		n = kernel_recvmsg(fd, m, flags);
	while (n <= 0 && m && m->msg_iovlen && preload_again(fd, &n, &tries));
	return n;
}

HOOK ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	struct guest_socket s;

	if (!m || !guest_message_is_ours(m, flags) || !guest_find(preload_guest(), fd, &s))
		return recv_plain(fd, m, flags);
	return preload_answer(guest_recvmsg(&s, m, flags));
}

HOOK ssize_t recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *a, socklen_t *len)
{
	struct iovec iov = {buf, n};
	struct msghdr m = {.msg_name = a, .msg_iov = &iov, .msg_iovlen = 1};
	struct guest_socket s;
	long k;

	if (!a && !(flags & MSG_ERRQUEUE))
		return recv(fd, buf, n, flags);
	if (!((a && len) || flags & MSG_ERRQUEUE) || !guest_find(preload_guest(), fd, &s))
		return syscall(SYS_recvfrom, fd, buf, n, flags, a, len);
	m.msg_namelen = a && len ? *len : 0;
	k = preload_answer(guest_recvmsg(&s, &m, flags));
	if (k >= 0 && a && len)
		*len = m.msg_namelen;
	return k;
}

/* What a program built with _FORTIFY_SOURCE calls. */
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *a,
		       socklen_t *len);

HOOK ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *a,
			    socklen_t *len)
{
	if (n > room)
		__chk_fail();
	return recvfrom(fd, buf, n, flags, a, len);
}

static bool any_is_ours(const struct mmsghdr *v, unsigned n, int flags)
{
	for (unsigned i = 0; i < n; i++) {
		if (guest_message_is_ours(&v[i].msg_hdr, flags))
			return true;
	}
	return false;
}

/* When the time of a recvmmsg() is over, by the monotonic clock; false: it makes no sense. */
static bool end_of(const struct timespec *t, int64_t *end)
{
	struct timespec now;

	if (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= SECOND)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (t->tv_sec > INT32_MAX)
		*end = INT64_MAX;
	else
		*end = (now.tv_sec + t->tv_sec) * SECOND + now.tv_nsec + t->tv_nsec;
	return true;
}

/* What is left of it, into *t; false: nothing. */
static bool time_left(struct timespec *t, int64_t end)
{
	struct timespec now;
	int64_t left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = end - (now.tv_sec * SECOND + now.tv_nsec);
	if (left < 0)
		left = 0;
	*t = (struct timespec){.tv_sec = left / SECOND, .tv_nsec = left % SECOND};
	return left > 0;
}

/* The time-out is looked at after each message, as recvmmsg(2) says of the kernel's. */
HOOK int recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	int64_t end = 0;
	unsigned done = 0;
	ssize_t k = 0;

	if (!any_is_ours(v, n, flags))
		return (int)syscall(SYS_recvmmsg, fd, v, n, flags, timeout, PROGRAM_PASS);
	if (timeout && !end_of(timeout, &end))
		return (int)preload_answer(-EINVAL);
	while (done < n) {
		k = recvmsg(fd, &v[done].msg_hdr, flags & ~MSG_WAITFORONE);
		if (k < 0)
			break;
		v[done++].msg_len = (unsigned)k;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (timeout && !time_left(timeout, end))
			break;
	}
	return done ? (int)done : (int)k;
}
