/*
 * shell/line.c - lines from a file or a pipe, read byte by byte.
 *
 * As sh does: a command that reads the same input finds what follows its line.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "shell/shell_priv.h"

int line_wait(struct shell *sh, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct env *env = sh->stack->env;
	struct waiter *w = stack_waiter(sh->stack);
	int r = 0;

	while (r <= 0) {
		waiter_reset(w);
		if (job_is_cancelled(&sh->front) || atomic_load(&sh->stopping))
			return -EINTR;
		if (atomic_exchange(&sh->resized, false))
			return -EAGAIN;
		r = env_wait(env, w, &p, 1, ENV_NEVER);
	}
	return 0;
}

static bool line_grow(char **line, size_t *room, size_t need)
{
	char *more;

	if (need <= *room)
		return true;
	more = realloc(*line, *room + 256);
	if (!more)
		return false;
	*line = more;
	*room += 256;
	return true;
}

/* A last line without a newline counts; one of 0 bytes is the end; what went wrong stays wrong. */
static int line_end(char **line, size_t n, int r)
{
	if (r == 0 && n > 0)
		r = 1;
	if (r == 1) {
		(*line)[n] = '\0';
		return 1;
	}
	free(*line);
	*line = NULL;
	return r;
}

int line_read(struct shell *sh, int fd, char **line)
{
	size_t n = 0, room = 0;
	ssize_t got;
	char c;
	int r;

	*line = NULL;
	for (;;) {
		if (!line_grow(line, &room, n + 1))
			return line_end(line, n, -ENOMEM);
		r = line_wait(sh, fd);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return line_end(line, n, r);
		got = read(fd, &c, 1);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return line_end(line, n, got < 0 ? -errno : 0);
		if (c == '\n')
			return line_end(line, n, 1);
		(*line)[n++] = c;
	}
}
