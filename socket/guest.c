/*
 * socket/guest.c - which socket a descriptor is, and how the gateway is asked.
 *
 * Nothing is kept of descriptors, for programs dup, pass and close them unseen: the kernel is asked each
 * time.
 */
#include "socket/guest.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>

#include "socket/guest_kernel.h"

union ancillary {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* Anybody may have the name of a weft that has ended. */
bool guest_is_weft(const struct guest *g, int fd, bool unseen)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (kernel_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n))
		return false;
	return peer.pid ? (uint32_t)peer.pid == g->token.pid : unseen;
}

/* --- requests ------------------------------------------------------------------------------------- */

/* A connection to the gateway: a descriptor or -errno. */
static int request_connect(const struct guest *g)
{
	const struct program_name n = {.kind = PROGRAM_REQUEST};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, g->token.instance, &n);
	int fd = kernel_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	do
		r = kernel_connect(fd, &sa, len);
	while (r < 0 && errno == EINTR);
	if (r == 0 && guest_is_weft(g, fd, !guest_is_lost(g)))
		return fd;
	kernel_close(fd);
	return -ENETDOWN;
}

/* With the descriptor that came, or -1 in *passed. */
static int request_run(int fd, const struct msghdr *q, struct program_reply *r, int *passed)
{
	union ancillary a;
	struct iovec iov = {r, sizeof(*r)};
	struct msghdr m = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &a, .msg_controllen = sizeof(a)};
	struct cmsghdr *cm;
	long n;

	*passed = -1;
	if (kernel_sendmsg(fd, q, MSG_NOSIGNAL) < 0)
		return errno == EFAULT ? -EFAULT : -ENETDOWN;
	do
		n = kernel_recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	cm = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (cm && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
		memcpy(passed, CMSG_DATA(cm), sizeof(int));
	return n == sizeof(*r) && r->magic == PROGRAM_MAGIC ? r->err : -ENETDOWN;
}

void guest_request_sign(const struct guest *g, struct program_request *q)
{
	q->magic = PROGRAM_MAGIC;
	memcpy(q->secret, g->token.secret, PROGRAM_SECRET);
}

int guest_request_staying(const struct guest *g, struct program_request *q, struct program_reply *r)
{
	struct iovec iov = {q, sizeof(*q)};
	const struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd = request_connect(g), passed = -1, err;

	if (fd < 0)
		return fd;
	guest_request_sign(g, q);
	err = request_run(fd, &m, r, &passed);
	if (passed >= 0)
		kernel_close(passed);
	if (!err)
		return fd;
	kernel_close(fd);
	return err;
}

static int request_once(const struct guest *g, const struct msghdr *q, struct program_reply *r,
			int *passed)
{
	int fd = request_connect(g), err;

	if (fd < 0)
		return fd;
	err = request_run(fd, q, r, passed);
	kernel_close(fd);
	return err;
}

int guest_request_passing(const struct guest *g, struct program_request *q, struct program_reply *r,
			  int *passed)
{
	struct iovec iov = {q, sizeof(*q)};
	const struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	guest_request_sign(g, q);
	return request_once(g, &m, r, passed);
}

int guest_request_with(const struct guest *g, struct program_request *q, struct iovec *parts,
		       size_t n, struct program_reply *r)
{
	const struct msghdr m = {.msg_iov = parts, .msg_iovlen = n};
	int passed = -1, err;

	guest_request_sign(g, q);
	parts[0] = (struct iovec){q, sizeof(*q)};
	err = request_once(g, &m, r, &passed);
	if (passed >= 0)
		kernel_close(passed);
	return err;
}

int guest_request(const struct guest *g, struct program_request *q, struct program_reply *r)
{
	int was = errno, passed, err = guest_request_passing(g, q, r, &passed);

	if (passed >= 0)
		kernel_close(passed);
	errno = was;
	return err;
}

int guest_ask(const struct guest_socket *s, enum program_request_kind kind)
{
	struct program_request q = {.kind = kind, .id = s->id};
	struct program_reply r;

	return guest_request(s->guest, &q, &r);
}

int guest_ask_address(const struct guest_socket *s, enum program_request_kind kind,
		      const struct sockaddr *a, socklen_t n)
{
	struct program_request q = {.kind = kind, .id = s->id, .len = n};
	struct program_reply r;

	if (n > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (!a)
		return -EFAULT;
	memcpy(q.bytes, a, n);
	return guest_request(s->guest, &q, &r);
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

/* The table's descriptor, or -1; weft tells our number. */
static int hello(struct guest *g)
{
	struct program_request q = {.kind = PROGRAM_HELLO};
	uint32_t own = (uint32_t)syscall(SYS_getpid), seen = 0;
	struct program_reply r;
	int fd;

	if (!g->token.instance[0] || guest_request_passing(g, &q, &r, &fd))
		return -1;
	if (r.len == sizeof(seen))
		memcpy(&seen, r.bytes, sizeof(seen));
	atomic_store(&g->seen, (uint64_t)own << 32 | (seen ? seen : own));
	return fd;
}

/* A child of one whose number is another for weft has to ask anew. */
int guest_pid(struct guest *g)
{
	uint32_t own = (uint32_t)syscall(SYS_getpid);
	uint64_t seen = atomic_load(&g->seen);
	int fd;

	if (g->pid)
		return g->pid;
	if (seen >> 32 == own || seen >> 32 == (uint32_t)seen)
		return seen >> 32 == own ? (int)(uint32_t)seen : (int)own;
	fd = hello(g);
	if (fd >= 0)
		kernel_close(fd);
	return (int)(uint32_t)atomic_load(&g->seen);
}

struct program_table *guest_table(struct guest *g)
{
	struct program_table *t = atomic_load(&g->table), *none = NULL;
	int fd;

	if (t)
		return t;
	fd = hello(g);
	if (fd < 0)
		return NULL;
	t = table_map(fd);
	kernel_close(fd);
	if (t && !atomic_compare_exchange_strong(&g->table, &none, t)) {
		munmap(t, sizeof(*t)); /* another thread was first */
		t = none;
	}
	return t;
}

bool guest_is_lost(const struct guest *g)
{
	const struct program_table *t = atomic_load(&g->table);

	return t && atomic_load(&t->lost);
}

/* --- which socket ---------------------------------------------------------------------------------------- */

static bool name_of(const struct guest *g, int fd, bool peer, struct program_name *n)
{
	struct sockaddr_un sa = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(sa);
	int r = peer ? kernel_getpeername(fd, &sa, &len) : kernel_getsockname(fd, &sa, &len);

	return r == 0 && sa.sun_family == AF_UNIX &&
	       program_name_of(n, g->token.instance, &sa, len);
}

/* What a socket accepted has the name of the one that listened; its peer's is its own. */
static bool find_named(struct guest *g, int fd, struct guest_socket *s)
{
	struct program_table *t;
	struct program_name n;

	if (!name_of(g, fd, false, &n) || (n.kind != PROGRAM_STREAM && n.kind != PROGRAM_DGRAM))
		return false;
	t = guest_table(g);
	if (!t)
		return false;
	*s = (struct guest_socket){.guest = g, .fd = fd, .id = n.id};
	s->type = n.kind == PROGRAM_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	s->slot = program_slot_of(t, n.id);
	if (s->type == SOCK_STREAM &&
	    (!s->slot || atomic_load(&s->slot->state) == PROGRAM_LISTENING) &&
	    name_of(g, fd, true, &n) && n.kind == PROGRAM_CHILD) {
		s->id = n.id;
		s->slot = program_slot_of(t, n.id);
		s->accepted = true;
	}
	s->family = s->slot && s->slot->family == AF_INET6 ? AF_INET6 : AF_INET;
	s->protocol = s->type == SOCK_STREAM ? IPPROTO_TCP
		      : s->slot              ? s->slot->protocol
					     : IPPROTO_UDP;
	return true;
}

bool guest_find(struct guest *g, int fd, struct guest_socket *s)
{
	int was = errno;
	bool found = find_named(g, fd, s);

	errno = was;
	return found;
}

int guest_error(const struct guest_socket *s)
{
	int kernel = 0, own = s->slot ? atomic_exchange(&s->slot->error, 0) : 0;
	socklen_t n = sizeof(kernel);

	kernel_getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &kernel, &n);
	return own ? own : kernel;
}

/* --- what is not served ----------------------------------------------------------------------------------- */

static bool is_refusal(enum program_call call, long r)
{
	switch (-r) {
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
	case ESOCKTNOSUPPORT:
	case EAFNOSUPPORT:
	case ENOPROTOOPT:
		return true;
	case EPERM:
		return call == PROGRAM_CALL_SOCKET;
	case EINVAL:
		return call == PROGRAM_CALL_SETSOCKOPT;
	default:
		return false;
	}
}

long guest_answer(struct guest *g, enum program_call call, int first, int second, long r)
{
	struct program_table *t = is_refusal(call, r) ? guest_table(g) : NULL;

	if (t)
		program_missed(t, call, first, second, (int)-r);
	return r;
}
