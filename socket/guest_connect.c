/*
 * socket/guest_connect.c - connect: of TCP the kernel's connect to the gateway and a request that makes the
 * socket full; of UDP a request and the kernel's connect to the remote's own socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

/* More than poll() can wait is as long as it can. */
static int ms_of(const struct timeval *tv)
{
	if (tv->tv_sec > INT_MAX / 1000 - 1)
		return INT_MAX;
	return (int)(tv->tv_sec * 1000 + tv->tv_usec / 1000);
}

bool guest_waits(int fd, int option, int *ms)
{
	struct timeval tv = {0};
	socklen_t n = sizeof(tv);

	if (fcntl(fd, F_GETFL) & O_NONBLOCK)
		return false;
	kernel_getsockopt(fd, SOL_SOCKET, option, &tv, &n);
	*ms = tv.tv_sec || tv.tv_usec ? ms_of(&tv) : -1;
	return true;
}

int guest_connect_outcome(const struct guest_socket *s)
{
	int err;

	if (!s->slot)
		return -ECONNABORTED;
	if (atomic_load(&s->slot->state) == PROGRAM_CONNECTED) {
		atomic_store(&s->slot->told, 1);
		return 0;
	}
	err = guest_error(s);
	return err ? -err : -ECONNABORTED;
}

/*
 * The request, and as much behind it as makes the socket full.  A refusal may come, and the gateway be gone, while
 * that is written: then the slot tells.
 */
static int connect_say(const struct guest_socket *s, const struct sockaddr *a, socklen_t n)
{
	static uint8_t pad[PROGRAM_PAD]; /* never written to */
	struct program_connect q = {.magic = PROGRAM_MAGIC, .id = s->id, .len = n};
	struct iovec iov[2] = {{&q, sizeof(q)}, {pad, PROGRAM_PAD - sizeof(q)}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	memcpy(q.secret, s->guest->token.secret, PROGRAM_SECRET);
	memcpy(q.bytes, a, n < sizeof(q.bytes) ? n : sizeof(q.bytes));
	return kernel_sendmsg(s->fd, &m, MSG_NOSIGNAL) >= (ssize_t)sizeof(q) ? 0 : -ENETDOWN;
}

static int connect_begin(const struct guest_socket *s, const struct sockaddr *a, socklen_t n)
{
	const struct program_name to = {.kind = PROGRAM_DATA};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, s->guest->token.instance, &to);
	int err = guest_address_check(a, n, s->family);

	if (err)
		return err;
	n = n < sizeof(struct sockaddr_storage) ? n : sizeof(struct sockaddr_storage);
	if (kernel_connect(s->fd, &sa, len))
		return errno == EINTR || errno == EAGAIN ? -errno : -ENETDOWN;
	if (!guest_is_weft(s->guest, s->fd, !guest_is_lost(s->guest))) {
		kernel_shutdown(s->fd, SHUT_RDWR);
		return -ENETDOWN;
	}
	atomic_store(&s->slot->state, PROGRAM_CONNECTING);
	err = connect_say(s, a, n);
	return err ? err : -EINPROGRESS;
}

static void connect_adopt(const struct guest_socket *s, int fresh)
{
	struct program_request q = {.kind = PROGRAM_ADOPT, .name = (int32_t)s->id};
	struct program_reply r;
	struct guest_socket to;

	if (!s->slot || !guest_find(s->guest, fresh, &to) || !to.slot)
		return;
	q.id = to.id;
	if (guest_request(s->guest, &q, &r))
		return;
	atomic_store(&to.slot->flags, atomic_load(&s->slot->flags));
	atomic_store(&to.slot->linger, atomic_load(&s->slot->linger));
}

/* A socket of the kernel connects once: another try needs another one, with what the stack has of the first. */
int guest_connect_fresh(const struct guest_socket *s)
{
	static const int options[] = {SO_RCVTIMEO, SO_SNDTIMEO, SO_OOBINLINE, SO_RCVLOWAT};
	int nonblock = fcntl(s->fd, F_GETFL) & O_NONBLOCK ? SOCK_NONBLOCK : 0;
	int fresh = guest_open(s->guest, s->family, SOCK_STREAM | nonblock | SOCK_CLOEXEC, 0);
	uint8_t value[sizeof(struct timeval)];
	socklen_t n;

	if (fresh < 0)
		return fresh;
	connect_adopt(s, fresh);
	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		n = sizeof(value);
		if (kernel_getsockopt(s->fd, SOL_SOCKET, options[i], value, &n) == 0)
			kernel_setsockopt(fresh, SOL_SOCKET, options[i], value, n);
	}
	return fresh;
}

static int connect_look(const struct guest_socket *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 0 ? -EALREADY : guest_connect_outcome(s);
}

/* connect(AF_UNSPEC). */
static int stream_leave(const struct guest_socket *s)
{
	int err;

	switch (atomic_load(&s->slot->state)) {
	case PROGRAM_NEW:
		return 0;
	case PROGRAM_LISTENING:
		return -EISCONN;
	case PROGRAM_CLOSED:
		return -ERESTART;
	default:
		err = guest_ask(s, PROGRAM_DISCONNECT);
		return err ? err : -ERESTART;
	}
}

static int connect_stream(const struct guest_socket *s, const struct sockaddr *a, socklen_t n)
{
	bool leaves = a && n >= sizeof(a->sa_family) && a->sa_family == AF_UNSPEC;

	if (!s->slot)
		return leaves ? -ERESTART : -EISCONN;
	if (leaves)
		return stream_leave(s);
	if (s->accepted)
		return -EISCONN;
	switch (atomic_load(&s->slot->state)) {
	case PROGRAM_NEW:
		return connect_begin(s, a, n);
	case PROGRAM_CONNECTING:
		return connect_look(s);
	case PROGRAM_CONNECTED:
		return atomic_exchange(&s->slot->told, 1) ? -EISCONN : 0;
	case PROGRAM_CLOSED:
		return atomic_load(&s->slot->error) ? guest_connect_outcome(s) : -ERESTART;
	case PROGRAM_LISTENING:
		return -EISCONN;
	default:
		return -EINVAL;
	}
}

static int dgram_join(const struct guest_socket *s, uint32_t addr, uint16_t port)
{
	const struct program_name to = {
	    .kind = PROGRAM_PEER, .slot = (uint16_t)s->id, .addr = addr, .port = port};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, s->guest->token.instance, &to);

	return kernel_connect(s->fd, &sa, len) ? -errno : 0;
}

/* Anybody may send to it; of one that wants errors only the gateway's 0:0, on behalf of all. */
static int dgram_leave(const struct guest_socket *s)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};

	if (s->slot && atomic_load(&s->slot->flags) & PROGRAM_ERRORS)
		return dgram_join(s, 0, 0);
	return kernel_connect(s->fd, &none, sizeof(none)) ? -errno : 0;
}

/* The gateway's end for that remote is there when it has answered. */
static int connect_dgram(const struct guest_socket *s, const struct sockaddr *a, socklen_t n)
{
	int err = guest_ask_address(s, PROGRAM_CONNECT, a, n);
	uint32_t addr;
	uint16_t port;

	if (err)
		return err;
	if (a->sa_family == AF_UNSPEC)
		return dgram_leave(s);
	addr = guest_address_ip4(a, &port);
	addr = addr ? addr : INADDR_LOOPBACK;
	return dgram_join(s, addr, s->protocol == IPPROTO_UDP ? port : 0);
}

void guest_connect_errors(const struct guest_socket *s, bool on)
{
	if (!s->slot)
		return;
	if (on)
		atomic_fetch_or(&s->slot->flags, PROGRAM_ERRORS);
	else
		atomic_fetch_and(&s->slot->flags, ~PROGRAM_ERRORS);
	if (atomic_load(&s->slot->state) != PROGRAM_CONNECTED)
		dgram_leave(s);
}

int guest_connect(const struct guest_socket *s, const struct sockaddr *a, socklen_t n)
{
	return s->type == SOCK_DGRAM ? connect_dgram(s, a, n) : connect_stream(s, a, n);
}
