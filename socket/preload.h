/*
 * socket/preload.h - between the files of the preload library: libc's names that are ours.
 */
#pragma once
#include <netdb.h>
#include <spawn.h>
#include <stdio.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

#define HOOK __attribute__((visibility("default")))

/* The file of fresh under fd and all other numbers of this process's that are the same socket.  0 or -errno. */
int preload_replace(int fd, int fresh);
/* libc's: ends a program built with _FORTIFY_SOURCE that would write behind its buffer. */
void __chk_fail(void) __attribute__((noreturn));
/* libc's send(): a thread may be cancelled there. */
ssize_t __send(int fd, const void *buf, size_t n, int flags);
typedef int preload_spawn_fn(pid_t *, const char *, const posix_spawn_file_actions_t *,
			     const posix_spawnattr_t *, char *const[], char *const[]);

/* Behind our hooks: those that have no other name in libc. */
struct preload_next {
	ssize_t (*recv)(int fd, void *buf, size_t n, int flags);
	int (*fclose)(FILE *f);
	int (*execvpe)(const char *file, char *const argv[], char *const env[]);
	preload_spawn_fn *posix_spawn, *posix_spawnp;
	int (*getaddrinfo)(const char *node, const char *service, const struct addrinfo *hints,
			   struct addrinfo **res);
};

/* Found when the library is loaded, for a signal handler may call the hooks. */
const struct preload_next *preload_next(void);
/* This program's. */
struct guest *preload_guest(void);
/*
 * A call on fd that has no address said *n, 0 or -1 with errno.  True: it is to be made again; else *n and errno are
 * as the program shall see them.
 */
bool preload_again(int fd, ssize_t *n, int *tries);
/* A message without a name, of so many bytes that the stack has to say: true, *k is the answer. */
bool preload_sent_by_size(int fd, const struct msghdr *m, int flags, ssize_t *k);
/* -1 and errno of a negative errno. */
long preload_answer(long r);
