/*
 * shell/feed.c - records from any thread of the stack to a command's thread, by a pipe.
 */
#include "shell/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FEED_PIPE (1 << 20) /* bytes asked for; the kernel may give less */

int feed_open(struct feed *f)
{
	atomic_init(&f->lost, 0);
	if (pipe2(f->fd, O_CLOEXEC | O_NONBLOCK | O_DIRECT) < 0)
		return -errno;
	fcntl(f->fd[1], F_SETPIPE_SZ, FEED_PIPE);
	return 0;
}

void feed_close(struct feed *f)
{
	close(f->fd[0]);
	close(f->fd[1]);
}

void feed_put(struct feed *f, const void *record, size_t n)
{
	if (write(f->fd[1], record, n) != (ssize_t)n)
		atomic_fetch_add_explicit(&f->lost, 1, memory_order_relaxed);
}

int cmd_poll(struct cmd *c, struct pollfd *fds, int n, uint64_t deadline)
{
	int r;

	do {
		waiter_reset(stack_waiter(c->stack));
		if (cmd_cancelled(c))
			return -EINTR;
		r = poll(fds, (nfds_t)n, 0);
		if (r <= 0)
			r = netdev_wait(c->stack, fds, n, deadline);
	} while (r == 0 || (r == -EINTR && !cmd_cancelled(c)));
	return r;
}

void feed_await(struct feed *f, void *record, size_t n)
{
	struct pollfd p = {.fd = f->fd[0], .events = POLLIN};

	while (read(f->fd[0], record, n) < 0)
		poll(&p, 1, -1);
}

int feed_take(struct cmd *c, struct feed *f, void *record, size_t n, uint64_t deadline)
{
	struct pollfd p = {.fd = f->fd[0], .events = POLLIN};
	ssize_t r;
	int err;

	for (;;) {
		r = read(f->fd[0], record, n);
		if (r >= 0)
			return (int)r;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = cmd_poll(c, &p, 1, deadline);
		if (err < 0)
			return err;
	}
}
