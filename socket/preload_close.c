/*
 * socket/preload_close.c - the hook of close(): the kernel's, and the wait of a socket with SO_LINGER and a time, if
 * it was the last descriptor.
 *
 * As Linux has it, a program that ends without closing does not wait.
 */
#include "socket/preload.h"

/* libc's: a thread may be cancelled there. */
int __close(int fd);

HOOK int close(int fd)
{
	struct guest *g = preload_guest();
	struct guest_socket s;
	int tells = -1, ms = 0, r;

	if (guest_may_linger(g) && guest_find(g, fd, &s))
		tells = guest_linger_begin(&s, &ms);
	r = __close(fd);
	if (tells >= 0)
		guest_linger_end(&s, tells, ms);
	return r;
}
