/*
 * socket/preload.h - between the files of the preload library: libc's names that are ours.
 */
#pragma once
#include <sys/epoll.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

#define HOOK __attribute__((visibility("default")))

/* One registration with an epoll instance. */
struct preload_watch {
	int epoll;
	struct epoll_event event;
};

/* Those of fd, as many as there is room for; and again, when another file is under its number. */
unsigned preload_watches(int fd, struct preload_watch *w, unsigned room);
void preload_watch_again(int fd, const struct preload_watch *w, unsigned n);
/* libc's: ends a program built with _FORTIFY_SOURCE that would write behind its buffer. */
void __chk_fail(void) __attribute__((noreturn));
/* This program's. */
struct guest *preload_guest(void);
/*
 * A call on fd that has no address said *n, 0 or -1 with errno.  True: it is to be made again; else *n and errno are
 * as the program shall see them.
 */
bool preload_again(int fd, ssize_t *n, int *tries);
/* -1 and errno of a negative errno. */
long preload_answer(long r);
