/*
 * tests/bench/calls.h - the socket calls of whoever is measured: the kernel's or weft's.
 */
#pragma once
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
#include <weft/weft.h>

struct calls {
	int (*socket)(int domain, int type, int protocol);
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*listen)(int fd, int backlog);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
	ssize_t (*send)(int fd, const void *buf, size_t n, int flags);
	ssize_t (*recv)(int fd, void *buf, size_t n, int flags);
	ssize_t (*sendto)(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
			  socklen_t len);
	ssize_t (*recvfrom)(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			    socklen_t *len);
	int (*shutdown)(int fd, int how);
	int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
	int (*close)(int fd);
	int (*epoll_create1)(int flags);
	int (*epoll_ctl)(int epfd, int op, int fd, struct epoll_event *event);
	int (*epoll_wait)(int epfd, struct epoll_event *events, int max, int timeout_ms);
};

/* glibc's take a union of all addresses. */
static inline int kernel_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return accept(fd, addr, len);
}

static inline int kernel_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return bind(fd, addr, len);
}

static inline int kernel_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return connect(fd, addr, len);
}

static inline ssize_t kernel_sendto(int fd, const void *buf, size_t n, int flags,
				    const struct sockaddr *to, socklen_t len)
{
	return sendto(fd, buf, n, flags, to, len);
}

static inline ssize_t kernel_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *from,
				      socklen_t *len)
{
	return recvfrom(fd, buf, n, flags, from, len);
}

static const struct calls kernel_calls = {
    .socket = socket,
    .bind = kernel_bind,
    .listen = listen,
    .accept = kernel_accept,
    .connect = kernel_connect,
    .send = send,
    .recv = recv,
    .sendto = kernel_sendto,
    .recvfrom = kernel_recvfrom,
    .shutdown = shutdown,
    .setsockopt = setsockopt,
    .close = close,
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_wait = epoll_wait,
};

static const struct calls weft_calls = {
    .socket = weft_socket,
    .bind = weft_bind,
    .listen = weft_listen,
    .accept = weft_accept,
    .connect = weft_connect,
    .send = weft_send,
    .recv = weft_recv,
    .sendto = weft_sendto,
    .recvfrom = weft_recvfrom,
    .shutdown = weft_shutdown,
    .setsockopt = weft_setsockopt,
    .close = weft_close,
    .epoll_create1 = weft_epoll_create1,
    .epoll_ctl = weft_epoll_ctl,
    .epoll_wait = weft_epoll_wait,
};
