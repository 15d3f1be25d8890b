/*
 * socket/preload.c - the preload library of unmodified programs: which socket a descriptor is, and how the
 * gateway is asked.
 *
 * Nothing is kept of descriptors, for programs dup, pass and close them unseen: the kernel is asked each
 * time.  The table's mapping is all that stays; it outlives fork, and an exec begins anew.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "socket/preload_priv.h"

/*
 * LOCKING
 *	c	constant once the program's main() runs	a	atomic
 */
static struct {
	struct program_token token;            /* c */
	bool has_token;                        /* c */
	_Atomic(struct program_table *) table; /* a */
} preload;

union ancillary {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

__attribute__((constructor)) static void preload_begin(void)
{
	preload.has_token = program_token_of(&preload.token, getenv(PROGRAM_VARIABLE));
}

/* Constructors of other libraries may come first. */
const struct program_token *preload_token(void)
{
	if (!preload.has_token)
		preload_begin();
	return &preload.token;
}

long preload_answer(long r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* --- requests ------------------------------------------------------------------------------------- */

/* A connection to the gateway: a descriptor or -errno. */
static int request_connect(void)
{
	const struct program_name n = {.kind = PROGRAM_REQUEST};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, preload_token()->instance, &n);
	int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	do
		r = (int)syscall(SYS_connect, fd, &sa, len);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return fd;
	syscall(SYS_close, fd);
	return -ENETDOWN;
}

/* With the descriptor that came, or -1 in *passed. */
static int request_run(int fd, const struct program_request *q, struct program_reply *r,
		       int *passed)
{
	union ancillary a;
	struct iovec iov = {r, sizeof(*r)};
	struct msghdr m = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &a, .msg_controllen = sizeof(a)};
	struct cmsghdr *cm;
	long n;

	*passed = -1;
	if (syscall(SYS_sendto, fd, q, sizeof(*q), MSG_NOSIGNAL, NULL, 0) != sizeof(*q))
		return -ENETDOWN;
	do
		n = syscall(SYS_recvmsg, fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	cm = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (cm && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
		memcpy(passed, CMSG_DATA(cm), sizeof(int));
	return n == sizeof(*r) && r->magic == PROGRAM_MAGIC ? r->err : -ENETDOWN;
}

static int request_passing(struct program_request *q, struct program_reply *r, int *passed)
{
	int fd = request_connect(), err;

	if (fd < 0)
		return fd;
	q->magic = PROGRAM_MAGIC;
	memcpy(q->secret, preload_token()->secret, PROGRAM_SECRET);
	err = request_run(fd, q, r, passed);
	syscall(SYS_close, fd);
	return err;
}

int preload_request(struct program_request *q, struct program_reply *r)
{
	int was = errno, passed, err = request_passing(q, r, &passed);

	if (passed >= 0)
		syscall(SYS_close, passed);
	errno = was;
	return err;
}

int preload_ask(enum program_request_kind kind, const struct preload_socket *s)
{
	struct program_request q = {.kind = kind, .id = s->id};
	struct program_reply r;

	return preload_request(&q, &r);
}

int preload_ask_address(enum program_request_kind kind, const struct preload_socket *s,
			const struct sockaddr *a, socklen_t n)
{
	struct program_request q = {.kind = kind, .id = s->id, .len = n};
	struct program_reply r;

	if (n > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (!a)
		return -EFAULT;
	memcpy(q.bytes, a, n);
	return preload_request(&q, &r);
}

/* --- the table --------------------------------------------------------------------------------------- */

static struct program_table *table_map(int fd)
{
	struct program_table *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (t == MAP_FAILED)
		return NULL;
	if (t->magic == PROGRAM_MAGIC)
		return t;
	munmap(t, sizeof(*t));
	return NULL;
}

struct program_table *preload_table(void)
{
	struct program_request q = {.kind = PROGRAM_HELLO};
	struct program_table *t = atomic_load(&preload.table), *none = NULL;
	struct program_reply r;
	int fd;

	if (t)
		return t;
	preload_token();
	if (!preload.has_token || request_passing(&q, &r, &fd) || fd < 0)
		return NULL;
	t = table_map(fd);
	syscall(SYS_close, fd);
	if (t && !atomic_compare_exchange_strong(&preload.table, &none, t)) {
		munmap(t, sizeof(*t)); /* another thread was first */
		t = none;
	}
	return t;
}

/* --- which socket ---------------------------------------------------------------------------------------- */

static bool name_of(int call, int fd, struct program_name *n)
{
	struct sockaddr_un sa = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(sa);

	return syscall(call, fd, &sa, &len) == 0 && sa.sun_family == AF_UNIX &&
	       program_name_of(n, preload_token()->instance, &sa, len);
}

/* What a socket accepted has the name of the one that listened; its peer's is its own. */
static bool find_named(int fd, struct preload_socket *s)
{
	struct program_table *t;
	struct program_name n;

	if (!name_of(SYS_getsockname, fd, &n) ||
	    (n.kind != PROGRAM_STREAM && n.kind != PROGRAM_DGRAM))
		return false;
	t = preload_table();
	if (!t)
		return false;
	s->id = n.id;
	s->type = n.kind == PROGRAM_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	s->slot = program_slot_of(t, n.id);
	s->accepted = false;
	if (s->type == SOCK_STREAM &&
	    (!s->slot || atomic_load(&s->slot->state) == PROGRAM_LISTENING) &&
	    name_of(SYS_getpeername, fd, &n) && n.kind == PROGRAM_CHILD) {
		s->id = n.id;
		s->slot = program_slot_of(t, n.id);
		s->accepted = true;
	}
	s->family = s->slot && s->slot->family == AF_INET6 ? AF_INET6 : AF_INET;
	return true;
}

bool preload_find(int fd, struct preload_socket *s)
{
	int was = errno;
	bool found = find_named(fd, s);

	errno = was;
	return found;
}

int preload_error(int fd, const struct preload_socket *s)
{
	int kernel = 0, own = s->slot ? atomic_exchange(&s->slot->error, 0) : 0;
	socklen_t n = sizeof(kernel);

	syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &kernel, &n);
	return own ? own : kernel;
}
