/*
 * socket/preload.c - the preload library of unmodified programs: the hooks of a socket's life, its names and
 * options.
 *
 * What they do is in socket/guest*.c; here is which of them are ours, and the waiting.
 */
#include "socket/preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

struct guest *preload_guest(void)
{
	/* LOCKING: token: constant once the program's main() runs; the table outlives fork, exec begins anew */
	static struct guest self;

	if (!self.token.instance[0])
		program_token_of(&self.token, getenv(PROGRAM_VARIABLE));
	return &self;
}

static void next_find(struct preload_next *next)
{
	*(void **)&next->recv = dlsym(RTLD_NEXT, "recv");
	*(void **)&next->fclose = dlsym(RTLD_NEXT, "fclose");
	*(void **)&next->execvpe = dlsym(RTLD_NEXT, "execvpe");
	*(void **)&next->posix_spawn = dlsym(RTLD_NEXT, "posix_spawn");
	*(void **)&next->posix_spawnp = dlsym(RTLD_NEXT, "posix_spawnp");
	*(void **)&next->getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
}

const struct preload_next *preload_next(void)
{
	/* LOCKING: constant once `found`; written once or twice with the same before */
	static struct preload_next next;
	static _Atomic bool found;

	if (!atomic_load(&found)) {
		next_find(&next);
		atomic_store(&found, true);
	}
	return &next;
}

/* Constructors of other libraries may come first. */
__attribute__((constructor)) static void preload_begin(void)
{
	preload_guest();
	preload_next();
}

long preload_answer(long r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* --- life ------------------------------------------------------------------------------------------- */

HOOK int socket(int family, int type, int protocol)
{
	if (family == AF_PACKET)
		return (int)preload_answer(guest_answer(preload_guest(), PROGRAM_CALL_SOCKET,
							family, (type & 0xf) << 16, -EAFNOSUPPORT));
	if (family != AF_INET && family != AF_INET6)
		return kernel_socket(family, type, protocol);
	return (int)preload_answer(guest_open(preload_guest(), family, type, protocol));
}

HOOK int bind(int fd, const struct sockaddr *a, socklen_t n)
{
	struct guest_socket s;

	if (!guest_find(preload_guest(), fd, &s))
		return kernel_bind(fd, a, n);
	return (int)preload_answer(guest_bind(&s, a, n));
}

/* Another socket under the program's numbers. */
static int socket_renew(struct guest_socket *s)
{
	const int fd = s->fd, fresh = guest_connect_fresh(s);
	int err;

	if (fresh < 0)
		return fresh;
	err = preload_replace(fd, fresh);
	kernel_close(fresh);
	if (err)
		return err;
	return guest_find(s->guest, fd, s) ? 0 : -EBADF;
}

HOOK int listen(int fd, int backlog)
{
	struct guest_socket s;
	int err;

	if (!guest_find(preload_guest(), fd, &s))
		return kernel_listen(fd, backlog);
	err = guest_listen(&s, backlog);
	if (err == -ERESTART) {
		err = socket_renew(&s);
		err = err ? err : guest_listen(&s, backlog);
	}
	return (int)preload_answer(err);
}

HOOK int shutdown(int fd, int how)
{
	struct guest_socket s;

	if (!guest_find(preload_guest(), fd, &s))
		return kernel_shutdown(fd, how);
	return (int)preload_answer(guest_shutdown(&s, how));
}

HOOK int accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
	struct program_addr remote;
	struct guest_socket s;
	int child;

	if (!guest_find(preload_guest(), fd, &s) || s.type != SOCK_STREAM)
		return kernel_accept4(fd, a, n, flags);
	do
		child = guest_accept(&s, flags, &remote);
	while (child == -ERESTART);
	if (child >= 0 && a && n)
		guest_address_put(&remote, s.family, a, n);
	return (int)preload_answer(child);
}

HOOK int accept(int fd, struct sockaddr *a, socklen_t *n)
{
	return accept4(fd, a, n, 0);
}

/* --- connect ----------------------------------------------------------------------------------------- */

static void buffer_set(int fd, int size)
{
	size /= 2; /* the kernel doubles it */
	kernel_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static bool is_connecting(const struct guest_socket *s)
{
	return s->slot && atomic_load(&s->slot->state) == PROGRAM_CONNECTING;
}

/*
 * Until it has ended; err says that it goes on.  The pad is all that its buffer holds, and send() waits for room as the
 * kernel's connect() for its peer: as long as SO_SNDTIMEO says, past a handler with SA_RESTART, and a thread may be
 * cancelled there.  It sends nothing, for there is nothing to read at NULL.
 */
static int connect_wait(const struct guest_socket *s, int err)
{
	int end;

	if (fcntl(s->fd, F_GETFL) & O_NONBLOCK)
		return err;
	do {
		buffer_set(s->fd, PROGRAM_PAD);
		__send(s->fd, NULL, 1, MSG_NOSIGNAL);
		end = errno;
	} while (end == EFAULT && is_connecting(s)); /* another's wait was over, and gave it room */
	buffer_set(s->fd, PROGRAM_SNDBUF);
	if (end == EINTR)
		return -EINTR;
	return end == EAGAIN ? err : guest_connect_outcome(s);
}

static int connect_run(const struct guest_socket *s, const struct sockaddr *a, socklen_t n)
{
	int err = guest_connect(s, a, n);

	return err == -EINPROGRESS || err == -EALREADY ? connect_wait(s, err) : err;
}

static int connect_anew(struct guest_socket *s, const struct sockaddr *a, socklen_t n)
{
	int err = socket_renew(s);

	return err ? err : connect_run(s, a, n);
}

HOOK int connect(int fd, const struct sockaddr *a, socklen_t n)
{
	struct guest_socket s;
	int err;

	if (!guest_find(preload_guest(), fd, &s))
		return kernel_connect(fd, a, n);
	err = connect_run(&s, a, n);
	return (int)preload_answer(err == -ERESTART ? connect_anew(&s, a, n) : err);
}

/* --- names and options --------------------------------------------------------------------------------- */

HOOK int getsockname(int fd, struct sockaddr *a, socklen_t *n)
{
	struct guest_socket s;

	if (!guest_find(preload_guest(), fd, &s))
		return kernel_getsockname(fd, a, n);
	return (int)preload_answer(guest_getsockname(&s, a, n));
}

HOOK int getpeername(int fd, struct sockaddr *a, socklen_t *n)
{
	struct guest_socket s;

	if (!guest_find(preload_guest(), fd, &s))
		return kernel_getpeername(fd, a, n);
	return (int)preload_answer(guest_getpeername(&s, a, n));
}

HOOK int setsockopt(int fd, int level, int name, const void *v, socklen_t n)
{
	struct guest_socket s;

	if (guest_option_is_kernels(level, name) || !guest_find(preload_guest(), fd, &s))
		return kernel_setsockopt(fd, level, name, v, n);
	return (int)preload_answer(guest_setsockopt(&s, level, name, v, n));
}

HOOK int getsockopt(int fd, int level, int name, void *v, socklen_t *n)
{
	struct guest_socket s;

	if (guest_option_is_kernels(level, name) || !guest_find(preload_guest(), fd, &s))
		return kernel_getsockopt(fd, level, name, v, n);
	return (int)preload_answer(guest_getsockopt(&s, level, name, v, n));
}
