/*
 * shell/feed.h - records from any thread of the stack to a command's thread.
 *
 * What hangs in the stack (a debug sink, a capture, an ARP or ICMP watch) runs under leaf locks and may
 * neither wait nor wake.  It puts a record into a kernel pipe, which never blocks; the command sleeps on
 * the other end and prints.
 */
#pragma once
#include "shell/shell.h"

#define FEED_MAX 1024 /* bytes of one record */

/*
 * LOCKING
 *	c	constant while open	a	atomic
 */
struct feed {
	int fd[2];             /* c: a pipe in packet mode: one read, one record */
	_Atomic uint64_t lost; /* a: records that found it full */
};

int feed_open(struct feed *f); /* 0 or -errno */
void feed_close(struct feed *f);
void feed_put(struct feed *f, const void *record, size_t n); /* any thread, any lock */
/*
 * The next record.  Its bytes; -ETIMEDOUT at `deadline` (ns, ENV_NEVER: none); -EINTR: the job was
 * cancelled.  Only the thread of c.
 */
int feed_take(struct cmd *c, struct feed *f, void *record, size_t n, uint64_t deadline);
/* The next record, which is certain to come at once: whatever is cancelled waits for it. */
void feed_await(struct feed *f, void *record, size_t n);

/*
 * Sleeps on kernel descriptors alone.  How many are ready; -ETIMEDOUT; -EINTR: the job was cancelled.
 * Only the thread of c.
 */
int cmd_poll(struct cmd *c, struct pollfd *fds, int n, uint64_t deadline);
