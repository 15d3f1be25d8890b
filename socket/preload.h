/*
 * socket/preload.h - between the files of the preload library: libc's names that are ours.
 */
#pragma once
#include "socket/guest.h"
#include "socket/guest_kernel.h"

#define HOOK __attribute__((visibility("default")))

/* The file of fresh under fd and all other numbers of this process's that are the same socket.  0 or -errno. */
int preload_replace(int fd, int fresh);
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
