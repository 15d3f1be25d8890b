/*
 * socket/preload_socket.c - the life of a program's socket: socket, bind, listen, connect, accept.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#include "socket/preload_priv.h"

#define BACKLOG 4096 /* the kernel's: the gateway keeps to the program's */

/* --- socket ------------------------------------------------------------------------------------------ */

static uint32_t slot_take(struct program_table *t)
{
	const struct preload_socket none = {0};
	uint32_t id = program_slot_take(t);

	if (id)
		return id;
	preload_ask(PROGRAM_COLLECT, &none);
	return program_slot_take(t);
}

static void slot_begin(struct program_slot *s, int family, int type)
{
	s->family = (uint16_t)family;
	s->type = (uint16_t)type;
	memset(&s->local, 0, sizeof(s->local));
	memset(&s->remote, 0, sizeof(s->remote));
	atomic_store(&s->pid, (int)syscall(SYS_getpid));
}

int preload_socket_make(int family, int type)
{
	const bool dgram = (type & 0xf) == SOCK_DGRAM;
	struct program_name n = {.kind = dgram ? PROGRAM_DGRAM : PROGRAM_STREAM};
	struct program_table *t = preload_table();
	const int room = PROGRAM_SNDBUF / 2; /* the kernel doubles it */
	struct sockaddr_un sa;
	int fd, err;

	if (!t)
		return -ENETDOWN;
	n.id = slot_take(t);
	if (!n.id)
		return -ENFILE;
	slot_begin(program_slot_of(t, n.id), family, dgram ? SOCK_DGRAM : SOCK_STREAM);
	fd = (int)syscall(SYS_socket, AF_UNIX, type, 0);
	if (fd >= 0) {
		socklen_t len = program_address(&sa, preload_token()->instance, &n);

		syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		if (syscall(SYS_bind, fd, &sa, len) == 0)
			return fd;
	}
	err = -errno;
	if (fd >= 0)
		syscall(SYS_close, fd);
	program_slot_free(t, n.id);
	return err;
}

/* What is not served is refused: nothing goes to the host's network. */
static int socket_refused(int type, int protocol)
{
	switch (type & 0xf) {
	case SOCK_STREAM:
		return protocol && protocol != IPPROTO_TCP ? -EPROTONOSUPPORT : 0;
	case SOCK_DGRAM:
		return protocol && protocol != IPPROTO_UDP ? -EPROTONOSUPPORT : 0;
	default:
		return -EPROTONOSUPPORT;
	}
}

HOOK int socket(int family, int type, int protocol)
{
	int err;

	if (family == AF_PACKET)
		return (int)preload_answer(-EAFNOSUPPORT);
	if (family != AF_INET && family != AF_INET6)
		return (int)syscall(SYS_socket, family, type, protocol);
	err = socket_refused(type, protocol);
	return (int)preload_answer(err ? err : preload_socket_make(family, type));
}

/* --- bind, listen --------------------------------------------------------------------------------------- */

HOOK int bind(int fd, const struct sockaddr *a, socklen_t n)
{
	struct preload_socket s;

	if (!preload_find(fd, &s))
		return (int)syscall(SYS_bind, fd, a, n);
	return (int)preload_answer(preload_ask_address(PROGRAM_BIND, &s, a, n));
}

HOOK int listen(int fd, int backlog)
{
	struct program_request q = {.kind = PROGRAM_LISTEN, .name = backlog};
	struct program_reply r;
	struct preload_socket s;

	if (!preload_find(fd, &s) || s.type != SOCK_STREAM)
		return (int)syscall(SYS_listen, fd, backlog);
	if (syscall(SYS_listen, fd, BACKLOG))
		return -1;
	q.id = s.id;
	return (int)preload_answer(preload_request(&q, &r));
}

/* --- connect --------------------------------------------------------------------------------------------- */

static int send_timeout_ms(int fd)
{
	struct timeval tv = {0};
	socklen_t n = sizeof(tv);

	syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &n);
	return tv.tv_sec || tv.tv_usec ? (int)(tv.tv_sec * 1000 + tv.tv_usec / 1000) : -1;
}

static bool blocks(int fd)
{
	return !(syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK);
}

/* How it ended, once it has: 0 or -errno. */
static int connect_outcome(int fd, const struct preload_socket *s)
{
	int err;

	if (atomic_load(&s->slot->state) == PROGRAM_CONNECTED) {
		atomic_store(&s->slot->told, 1);
		return 0;
	}
	err = preload_error(fd, s);
	return err ? -err : -ECONNABORTED;
}

/* Until it has ended, or the time is over. */
static int connect_wait(int fd, const struct preload_socket *s, int ms, int busy)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int n = poll(&p, 1, ms);

	if (n < 0)
		return -errno;
	return n == 0 ? busy : connect_outcome(fd, s);
}

/* The request, and as much behind it as makes the socket full. */
static int connect_say(int fd, const struct preload_socket *s, const struct sockaddr *a,
		       socklen_t n)
{
	static uint8_t pad[PROGRAM_PAD]; /* never written to */
	struct program_connect q = {.magic = PROGRAM_MAGIC, .id = s->id, .len = n};
	struct iovec iov[2] = {{&q, sizeof(q)}, {pad, PROGRAM_PAD - sizeof(q)}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	memcpy(q.secret, preload_token()->secret, PROGRAM_SECRET);
	memcpy(q.bytes, a, n < sizeof(q.bytes) ? n : sizeof(q.bytes));
	return syscall(SYS_sendmsg, fd, &m, MSG_NOSIGNAL) == PROGRAM_PAD ? 0 : -ENETDOWN;
}

static int connect_begin(int fd, const struct preload_socket *s, const struct sockaddr *a,
			 socklen_t n)
{
	const struct program_name to = {.kind = PROGRAM_DATA};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, preload_token()->instance, &to);
	int err = preload_address_check(a, n, s->family);

	if (err)
		return err;
	n = n < sizeof(struct sockaddr_storage) ? n : sizeof(struct sockaddr_storage);
	if (syscall(SYS_connect, fd, &sa, len))
		return errno == EINTR || errno == EAGAIN ? -errno : -ENETDOWN;
	atomic_store(&s->slot->state, PROGRAM_CONNECTING);
	err = connect_say(fd, s, a, n);
	if (err || !blocks(fd))
		return err ? err : -EINPROGRESS;
	return connect_wait(fd, s, send_timeout_ms(fd), -EINPROGRESS);
}

/* A socket of the kernel connects once: another try needs another one under the program's number. */
static int connect_anew(int fd, const struct preload_socket *s, const struct sockaddr *a,
			socklen_t n)
{
	int nonblock = (int)syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK ? SOCK_NONBLOCK : 0;
	int cloexec = (int)syscall(SYS_fcntl, fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0;
	int fresh = preload_socket_make(s->family, SOCK_STREAM | nonblock | SOCK_CLOEXEC);
	struct preload_socket again;

	if (fresh < 0)
		return fresh;
	if (syscall(SYS_dup3, fresh, fd, cloexec) < 0) {
		syscall(SYS_close, fresh);
		return -EBADF;
	}
	syscall(SYS_close, fresh);
	return preload_find(fd, &again) && again.slot ? connect_begin(fd, &again, a, n) : -EBADF;
}

static int connect_stream(int fd, const struct preload_socket *s, const struct sockaddr *a,
			  socklen_t n)
{
	if (!s->slot || s->accepted)
		return -EISCONN;
	switch (atomic_load(&s->slot->state)) {
	case PROGRAM_NEW:
		if (a && n >= sizeof(a->sa_family) && a->sa_family == AF_UNSPEC)
			return 0;
		return connect_begin(fd, s, a, n);
	case PROGRAM_CONNECTING:
		return connect_wait(fd, s, blocks(fd) ? send_timeout_ms(fd) : 0, -EALREADY);
	case PROGRAM_CONNECTED:
		return atomic_exchange(&s->slot->told, 1) ? -EISCONN : 0;
	case PROGRAM_CLOSED:
		if (!atomic_load(&s->slot->error))
			return connect_anew(fd, s, a, n);
		return connect_outcome(fd, s);
	case PROGRAM_LISTENING:
		return -EISCONN;
	default:
		return -EINVAL;
	}
}

/* The gateway's end for that remote is there when it has answered. */
static int connect_dgram(int fd, const struct preload_socket *s, const struct sockaddr *a,
			 socklen_t n)
{
	struct program_name to = {.kind = PROGRAM_PEER, .slot = (uint16_t)s->id};
	struct sockaddr_un sa = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(sa.sun_family);
	int err = preload_ask_address(PROGRAM_CONNECT, s, a, n);

	if (err)
		return err;
	if (a->sa_family != AF_UNSPEC) {
		to.addr = preload_address_ip4(a, &to.port);
		len = program_address(&sa, preload_token()->instance, &to);
	}
	return syscall(SYS_connect, fd, &sa, len) ? -errno : 0;
}

HOOK int connect(int fd, const struct sockaddr *a, socklen_t n)
{
	struct preload_socket s;

	if (!preload_find(fd, &s))
		return (int)syscall(SYS_connect, fd, a, n);
	return (int)preload_answer(s.type == SOCK_DGRAM ? connect_dgram(fd, &s, a, n)
							: connect_stream(fd, &s, a, n));
}

/* --- accept ----------------------------------------------------------------------------------------------- */

/* Anybody may connect to an abstract name: only weft is let in. */
static bool from_weft(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	       peer.pid == preload_table()->pid;
}

/* The connection's slot, or -errno: -EAGAIN, it was no connection. */
static int accept_check(int fd, const struct sockaddr_un *sa, socklen_t len,
			struct program_slot **slot)
{
	struct program_name n;

	if (!program_name_of(&n, preload_token()->instance, sa, len) || n.kind != PROGRAM_CHILD)
		return -EAGAIN;
	if (!n.id)
		return -ENETDOWN;
	if (!from_weft(fd))
		return -EAGAIN;
	*slot = program_slot_of(preload_table(), n.id);
	return 0;
}

/* A byte tells the gateway, and stays as the first residual one. */
static void accept_tell(int fd, struct program_slot *slot)
{
	const int room = PROGRAM_SNDBUF / 2;

	if (slot)
		atomic_store(&slot->pid, (int)syscall(SYS_getpid));
	syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	syscall(SYS_sendto, fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
}

static int accept_one(int fd, struct program_slot **slot, int flags)
{
	struct sockaddr_un sa;
	int child, err;

	for (;;) {
		socklen_t len = sizeof(sa);

		child = (int)syscall(SYS_accept4, fd, &sa, &len, flags);
		if (child < 0)
			return -errno;
		*slot = NULL;
		err = accept_check(child, &sa, len, slot);
		if (!err)
			return child;
		syscall(SYS_close, child);
		if (err != -EAGAIN)
			return err;
	}
}

HOOK int accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
	static const struct program_addr none;
	struct program_slot *slot;
	struct preload_socket s;
	int child;

	if (!preload_find(fd, &s) || s.type != SOCK_STREAM)
		return (int)syscall(SYS_accept4, fd, a, n, flags);
	child = accept_one(fd, &slot, flags);
	if (child < 0)
		return (int)preload_answer(child);
	if (a && n)
		preload_address_put(slot ? &slot->remote : &none, s.family, a, n);
	accept_tell(child, slot);
	return child;
}

HOOK int accept(int fd, struct sockaddr *a, socklen_t *n)
{
	return accept4(fd, a, n, 0);
}
