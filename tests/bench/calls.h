/*
 * tests/bench/calls.h - the socket calls of whoever is measured: the kernel's or weft's.
 */
#pragma once
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
	int (*shutdown)(int fd, int how);
	int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
	int (*close)(int fd);
};

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

static const struct calls kernel_calls = {
    .socket = socket,
    .bind = kernel_bind,
    .listen = listen,
    .accept = kernel_accept,
    .connect = kernel_connect,
    .send = send,
    .recv = recv,
    .shutdown = shutdown,
    .setsockopt = setsockopt,
    .close = close,
};

static const struct calls weft_calls = {
    .socket = weft_socket,
    .bind = weft_bind,
    .listen = weft_listen,
    .accept = weft_accept,
    .connect = weft_connect,
    .send = weft_send,
    .recv = weft_recv,
    .shutdown = weft_shutdown,
    .setsockopt = weft_setsockopt,
    .close = weft_close,
};
