/*
 * socket/fd.c - the process-wide descriptor table: the first step of every call; and the memory of
 * sockets.
 *
 * Descriptors are weft's own numbers from WEFT_FD_FIRST on, the lowest free one first, as POSIX wants.
 * They are looked up without a lock: the table grows by chunks that stay where they are, and a
 * socket's memory is only ever a socket's again.  So a reader may try for a reference of one that is
 * just being freed or used anew, and sees by a second look at the table whether it is the one.
 * One of the few mutable globals; it holds no stack, only sockets, which outlive theirs.
 */
#include <errno.h>
#include <stdlib.h>

#include "lib/zalloc.h"
#include "socket/socket_priv.h"

#define FD_CHUNK 1024u
#define FD_CHUNKS 1024u

struct fd_chunk {
	_Atomic(struct socket *) at[FD_CHUNK];
};

/*
 * LOCKING
 *	l	lock (rank FD)		a	atomic, written under l		c	constant
 */
static struct {
	struct mutex lock;
	_Atomic(struct fd_chunk *)
	    chunk[FD_CHUNKS];  /* a: by (descriptor - WEFT_FD_FIRST) / FD_CHUNK */
	struct socket *unused; /* l: by next_stack */
	struct socket taken;   /* c: of a number that has no socket yet; without references */
	unsigned lowest;       /* l: nothing is free below */
} fds = {
    .lock = MUTEX_INITIALIZER(RANK_FD),
};

/* The place of a descriptor, by what it is over the first; NULL: there is none, or none yet. */
static _Atomic(struct socket *) *fd_place(unsigned i)
{
	struct fd_chunk *c;

	if (i >= FD_CHUNK * FD_CHUNKS)
		return NULL;
	c = atomic_load_explicit(&fds.chunk[i / FD_CHUNK], memory_order_acquire);
	return c ? &c->at[i % FD_CHUNK] : NULL;
}

static int fd_grow(unsigned i) REQUIRES(fds.lock)
{
	struct fd_chunk *c;

	if (i >= FD_CHUNK * FD_CHUNKS)
		return -EMFILE;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	atomic_store_explicit(&fds.chunk[i / FD_CHUNK], c, memory_order_release);
	return 0;
}

int fd_reserve(void)
{
	_Atomic(struct socket *) *at;
	int fd = 0;
	unsigned i;

	mutex_lock(&fds.lock);
	for (i = fds.lowest; (at = fd_place(i)) && atomic_load_explicit(at, memory_order_relaxed);
	     i++)
		;
	if (!at)
		fd = fd_grow(i);
	if (!fd) {
		fds.lowest = i + 1;
		fd = WEFT_FD_FIRST + (int)i;
		atomic_store(fd_place(i), &fds.taken);
	}
	mutex_unlock(&fds.lock);
	return fd;
}

void fd_install(int fd, struct socket *s)
{
	atomic_store_explicit(&s->fd, fd, memory_order_relaxed);
	atomic_store(fd_place((unsigned)(fd - WEFT_FD_FIRST)), s);
}

/* The place of number i. */
static void fd_empty(_Atomic(struct socket *) *at, unsigned i) REQUIRES(fds.lock)
{
	atomic_store(at, NULL);
	if (i < fds.lowest)
		fds.lowest = i;
}

void fd_release(int fd)
{
	unsigned i = (unsigned)(fd - WEFT_FD_FIRST);

	mutex_lock(&fds.lock);
	fd_empty(fd_place(i), i);
	mutex_unlock(&fds.lock);
}

/* A reference to s, unless it has none any more. */
static bool socket_try_hold(struct socket *s, uint64_t how)
{
	uint64_t have = atomic_load_explicit(&s->refs, memory_order_relaxed);

	while (have) {
		if (atomic_compare_exchange_weak(&s->refs, &have, have + how))
			return true;
	}
	return false;
}

/* What stood there had left the table before it was held, or has since: `held`. */
static __attribute__((noinline)) struct socket *fd_get_again(int fd, uint64_t how,
							     struct socket *held)
{
	if (held)
		socket_put(held, how);
	return fd_get(fd, how);
}

struct socket *fd_get(int fd, uint64_t how)
{
	_Atomic(struct socket *) *at = fd_place((unsigned)fd - WEFT_FD_FIRST);
	struct socket *s = at ? atomic_load_explicit(at, memory_order_acquire) : NULL;

	if (!s)
		return NULL;
	if (!socket_try_hold(s, how))
		return s == &fds.taken ? NULL : fd_get_again(fd, how, NULL);
	return atomic_load(at) == s ? s : fd_get_again(fd, how, s);
}

struct socket *fd_remove(int fd)
{
	struct socket *s = fd_get(fd, SOCKET_CALL);

	return s && fd_remove_socket(fd, s) ? s : NULL;
}

bool fd_remove_socket(int fd, struct socket *s)
{
	unsigned i = (unsigned)(fd - WEFT_FD_FIRST);
	_Atomic(struct socket *) *at = fd_place(i);
	bool was;

	mutex_lock(&fds.lock);
	was = atomic_load_explicit(at, memory_order_relaxed) == s;
	if (was)
		fd_empty(at, i);
	mutex_unlock(&fds.lock);
	socket_put(s, was ? SOCKET_REF : SOCKET_CALL);
	return was;
}

struct socket *fd_socket_alloc(void)
{
	struct socket *s;

	mutex_lock(&fds.lock);
	s = fds.unused;
	if (s)
		fds.unused = s->next_stack;
	mutex_unlock(&fds.lock);
	if (s)
		return s;
	s = zalloc(sizeof(*s));
	if (s)
		mutex_init(&s->wait.lock, RANK_LEAF);
	return s;
}

void fd_socket_free(struct socket *s)
{
	mutex_lock(&fds.lock);
	s->next_stack = fds.unused;
	fds.unused = s;
	mutex_unlock(&fds.lock);
}
