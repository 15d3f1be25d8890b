/*
 * shell/notify.h - calls of programs that do not load the preload library: the kernel notifies, and `weft run`
 * makes them on the program's behalf (docs/unmodified.md).
 */
#pragma once
#include <poll.h>
#include <stdbool.h>

#include "socket/program.h"

#define NOTIFY_FDS 2

struct notify;

/* 0, or -errno: this kernel, or who confined us, does not allow it. */
int notify_possible(void);
/* The filter's descriptor in the process `pid`, which waits for us.  0 or -errno. */
int notify_begin(struct notify **n, int pid, int fd, const struct program_token *token,
		 struct program_table *table);
void notify_end(struct notify *n);
/* What is to be waited for, at most so many milliseconds, and the answer. */
int notify_poll(struct notify *n, struct pollfd p[NOTIFY_FDS]);
void notify_ready(struct notify *n, const struct pollfd p[NOTIFY_FDS]);
/* True: no process has the filter any more. */
bool notify_over(const struct notify *n);
