/*
 * socket/fd.c - the process-wide descriptor table: the first step of every call.
 *
 * Descriptors are weft's own numbers from WEFT_FD_FIRST on, the lowest free one first, as POSIX wants.
 * One of the few mutable globals; it holds no stack, only sockets, which outlive theirs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "socket/socket_priv.h"

#define FD_MAX (1u << 20)

/*
 * LOCKING
 *	l	lock (rank FD)
 */
static struct {
	struct mutex lock;
	struct socket **table; /* l: by descriptor - WEFT_FD_FIRST */
	unsigned size;         /* l */
	unsigned lowest;       /* l: nothing is free below */
	unsigned used;         /* l */
} fds = {
    .lock = {.m = PTHREAD_MUTEX_INITIALIZER, .rank = RANK_FD},
};

static bool fd_grow(void)
{
	unsigned size = fds.size ? fds.size * 2 : 64;
	struct socket **table;

	if (size > FD_MAX)
		return false;
	table = realloc(fds.table, size * sizeof(*table));
	if (!table)
		return false;
	memset(table + fds.size, 0, (size - fds.size) * sizeof(*table));
	fds.table = table;
	fds.size = size;
	return true;
}

int fd_install(struct socket *s)
{
	unsigned i;

	mutex_lock(&fds.lock);
	for (i = fds.lowest; i < fds.size && fds.table[i]; i++)
		;
	if (i == fds.size && !fd_grow()) {
		mutex_unlock(&fds.lock);
		return -EMFILE;
	}
	fds.table[i] = s;
	fds.lowest = i + 1;
	fds.used++;
	s->fd = WEFT_FD_FIRST + (int)i;
	mutex_unlock(&fds.lock);
	return s->fd;
}

static struct socket **fd_slot(int fd) REQUIRES(fds.lock)
{
	if (fd < WEFT_FD_FIRST || (unsigned)(fd - WEFT_FD_FIRST) >= fds.size)
		return NULL;
	return &fds.table[fd - WEFT_FD_FIRST];
}

struct socket *fd_get(int fd)
{
	struct socket **at, *s = NULL;

	mutex_lock(&fds.lock);
	at = fd_slot(fd);
	if (at && *at)
		s = socket_hold(*at);
	mutex_unlock(&fds.lock);
	return s;
}

/* The memory of the table goes with the last descriptor: a program that ends clean leaks nothing. */
struct socket *fd_remove(int fd)
{
	struct socket **at, *s = NULL;

	mutex_lock(&fds.lock);
	at = fd_slot(fd);
	if (at && *at) {
		s = *at;
		*at = NULL;
		if ((unsigned)(fd - WEFT_FD_FIRST) < fds.lowest)
			fds.lowest = (unsigned)(fd - WEFT_FD_FIRST);
		if (--fds.used == 0) {
			free(fds.table);
			fds.table = NULL;
			fds.size = fds.lowest = 0;
		}
	}
	mutex_unlock(&fds.lock);
	return s;
}
