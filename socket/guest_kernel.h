/*
 * socket/guest_kernel.h - the kernel's calls on sockets, as libc has them: in the preload library libc's names
 * are ours.
 *
 * The sixth argument, which none of them has, says to `weft run`'s filter that the kernel is meant.
 */
#pragma once
#include <sys/syscall.h>
#include <unistd.h>

#include "socket/program.h"

static inline int kernel_socket(int family, int type, int protocol)
{
	return (int)syscall(SYS_socket, family, type, protocol, 0, 0, PROGRAM_PASS);
}

static inline int kernel_bind(int fd, const void *a, socklen_t n)
{
	return (int)syscall(SYS_bind, fd, a, n, 0, 0, PROGRAM_PASS);
}

static inline int kernel_listen(int fd, int backlog)
{
	return (int)syscall(SYS_listen, fd, backlog, 0, 0, 0, PROGRAM_PASS);
}

static inline int kernel_connect(int fd, const void *a, socklen_t n)
{
	return (int)syscall(SYS_connect, fd, a, n, 0, 0, PROGRAM_PASS);
}

static inline int kernel_accept4(int fd, void *a, socklen_t *n, int flags)
{
	return (int)syscall(SYS_accept4, fd, a, n, flags, 0, PROGRAM_PASS);
}

static inline int kernel_getsockname(int fd, void *a, socklen_t *n)
{
	return (int)syscall(SYS_getsockname, fd, a, n, 0, 0, PROGRAM_PASS);
}

static inline int kernel_getpeername(int fd, void *a, socklen_t *n)
{
	return (int)syscall(SYS_getpeername, fd, a, n, 0, 0, PROGRAM_PASS);
}

static inline int kernel_getsockopt(int fd, int level, int name, void *v, socklen_t *n)
{
	return (int)syscall(SYS_getsockopt, fd, level, name, v, n, PROGRAM_PASS);
}

static inline int kernel_setsockopt(int fd, int level, int name, const void *v, socklen_t n)
{
	return (int)syscall(SYS_setsockopt, fd, level, name, v, n, PROGRAM_PASS);
}

static inline long kernel_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return syscall(SYS_sendmsg, fd, m, flags, 0, 0, PROGRAM_PASS);
}

static inline long kernel_recvmsg(int fd, struct msghdr *m, int flags)
{
	return syscall(SYS_recvmsg, fd, m, flags, 0, 0, PROGRAM_PASS);
}

/* Without a name they are not looked at. */
static inline long kernel_send(int fd, const void *buf, size_t n, int flags)
{
	return syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
}

static inline int kernel_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)syscall(SYS_ioctl, fd, request, arg, 0, 0, PROGRAM_PASS);
}

static inline int kernel_shutdown(int fd, int how)
{
	return (int)syscall(SYS_shutdown, fd, how, 0, 0, 0, PROGRAM_PASS);
}

static inline int kernel_close(int fd)
{
	return (int)syscall(SYS_close, fd);
}

static inline int kernel_dup3(int old, int fd, int flags)
{
	return (int)syscall(SYS_dup3, old, fd, flags);
}
