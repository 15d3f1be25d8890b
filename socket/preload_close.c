/*
 * socket/preload_close.c - the hooks of what closes a descriptor: the kernel's or libc's, and the wait of a socket with
 * SO_LINGER and a time, if it was the last descriptor.
 *
 * As Linux has it, a program that ends without closing does not wait.
 */
#include <fcntl.h>

#include "socket/preload.h"

/* libc's: a thread may be cancelled there. */
int __close(int fd);

/* A descriptor that is about to be closed. */
struct closing {
	struct guest_socket s;
	int tells, ms; /* -1: it does not linger */
};

static void closing_begin(struct closing *c, int fd)
{
	struct guest *g = preload_guest();

	c->tells = -1;
	if (guest_may_linger(g) && guest_find(g, fd, &c->s))
		c->tells = guest_linger_begin(&c->s, &c->ms);
}

static void closing_end(const struct closing *c)
{
	if (c->tells >= 0)
		guest_linger_end(&c->s, c->tells, c->ms);
}

HOOK int close(int fd)
{
	struct closing c;
	int r;

	closing_begin(&c, fd);
	r = __close(fd);
	closing_end(&c);
	return r;
}

HOOK int dup3(int old, int fd, int flags)
{
	struct closing c;
	int r;

	closing_begin(&c, fd);
	r = kernel_dup3(old, fd, flags);
	closing_end(&c);
	return r;
}

HOOK int dup2(int old, int fd)
{
	if (old == fd)
		return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
	return dup3(old, fd, 0);
}

HOOK int fclose(FILE *f)
{
	struct closing c;
	int r;

	closing_begin(&c, guest_may_linger(preload_guest()) ? fileno(f) : -1);
	r = preload_next()->fclose(f);
	closing_end(&c);
	return r;
}
