/*
 * socket/preload_data.c - the hooks of read, write, recv and send: the kernel's own calls, but that they tell why a
 * datagram was refused, and that weft has ended.
 *
 * libc's other names for them are called, for a thread may be cancelled there.
 */
#include <errno.h>

#include "socket/preload.h"

#define TRIES 2

/* libc's. */
ssize_t __read(int fd, void *buf, size_t n);
ssize_t __write(int fd, const void *buf, size_t n);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);

bool preload_again(int fd, ssize_t *n, int *tries)
{
	struct guest_socket s;

	if (*n < 0 && errno == ENOTCONN && guest_find(preload_guest(), fd, &s) &&
	    s.type != SOCK_STREAM)
		errno = EDESTADDRREQ;
	if (*n < 0 ? errno != ECONNRESET : *n > 0 || !guest_is_lost(preload_guest()))
		return false;
	if (!guest_find(preload_guest(), fd, &s) || s.type == SOCK_STREAM)
		return false;
	errno = *n < 0 ? guest_dgram_cause(&s) : ENETDOWN;
	*n = -1;
	if (errno)
		return false;
	errno = ECONNRESET;
	return (*tries)++ < TRIES;
}

HOOK ssize_t read(int fd, void *buf, size_t n)
{
	int tries = 0;
	ssize_t k;

	do
		k = __read(fd, buf, n);
	while (k <= 0 && n && preload_again(fd, &k, &tries));
	return k;
}

HOOK ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	if (n > room)
		__chk_fail();
	return read(fd, buf, n);
}

/* Of a datagram socket whether n bytes are too many the stack says: true, *k is the answer. */
static bool sent_by_size(int fd, const void *buf, size_t n, int flags, ssize_t *k)
{
	struct iovec iov = {(void *)(uintptr_t)buf, n};
	const struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	return guest_size_matters(preload_guest(), n) && preload_sent_by_size(fd, &m, flags, k);
}

HOOK ssize_t write(int fd, const void *buf, size_t n)
{
	int tries = 0;
	ssize_t k;

	if (sent_by_size(fd, buf, n, 0, &k))
		return k;
	do
		k = __write(fd, buf, n);
	while (k < 0 && preload_again(fd, &k, &tries));
	return k;
}

HOOK ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	int tries = 0;
	ssize_t k;

	if (sent_by_size(fd, buf, n, flags, &k))
		return k;
	do
		k = __send(fd, buf, n, flags);
	while (k < 0 && preload_again(fd, &k, &tries));
	return k;
}

HOOK ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	int tries = 0;
	ssize_t k;

	if (flags & MSG_ERRQUEUE)
		return recvfrom(fd, buf, n, flags, NULL, NULL);
	do
		k = preload_next()->recv(fd, buf, n, flags);
	while (k <= 0 && n && preload_again(fd, &k, &tries));
	return k;
}

HOOK ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
	if (n > room)
		__chk_fail();
	return recv(fd, buf, n, flags);
}
