/*
 * socket/guest_socket.c - the life of a program's socket but for its connect: socket, bind, listen, accept.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

#define SOCK_TYPE_BITS 0xf
#define BACKLOG 4096 /* the kernel's: the gateway keeps to the program's */

/* --- socket ------------------------------------------------------------------------------------------ */

static uint32_t slot_take(struct guest *g, struct program_table *t)
{
	const struct guest_socket none = {.guest = g};
	uint32_t id = program_slot_take(t);
	int err = -EAGAIN;

	while (!id && err == -EAGAIN) {
		err = guest_ask(&none, PROGRAM_COLLECT);
		id = program_slot_take(t);
	}
	return id;
}

static int protocol_of(int type, int protocol)
{
	return protocol ? protocol : type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
}

static void slot_begin(struct program_slot *s, int family, int type, int protocol)
{
	s->family = (uint16_t)family;
	s->type = (uint16_t)type;
	s->protocol = (uint16_t)protocol_of(type, protocol);
	memset(&s->local, 0, sizeof(s->local));
	memset(&s->remote, 0, sizeof(s->remote));
}

/* `flags` are those of the type. */
static int socket_make(struct guest *g, int family, int type, int protocol, int flags)
{
	const bool stream = type == SOCK_STREAM;
	struct program_name n = {.kind = stream ? PROGRAM_STREAM : PROGRAM_DGRAM};
	struct program_table *t = guest_table(g);
	struct program_slot *s;
	const int room = PROGRAM_SNDBUF / 2; /* the kernel doubles it */
	struct sockaddr_un sa;
	int fd, err;

	if (!t)
		return -ENETDOWN;
	n.id = slot_take(g, t);
	if (!n.id)
		return -ENFILE;
	s = program_slot_of(t, n.id);
	slot_begin(s, family, type, protocol);
	fd = kernel_socket(AF_UNIX, (stream ? SOCK_STREAM : SOCK_DGRAM) | flags, 0);
	if (fd >= 0) {
		socklen_t len = program_address(&sa, g->token.instance, &n);

		kernel_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		if (kernel_bind(fd, &sa, len) == 0) {
			atomic_store(&s->pid, guest_pid(g));
			return fd;
		}
	}
	err = -errno;
	if (fd >= 0)
		kernel_close(fd);
	program_slot_free(t, n.id);
	return err;
}

/* What is not served is refused: nothing goes to the host's network. */
static int socket_refused(int family, int type, int protocol)
{
	switch (type) {
	case SOCK_STREAM:
		return protocol && protocol != IPPROTO_TCP ? -EPROTONOSUPPORT : 0;
	case SOCK_DGRAM:
		if (protocol == IPPROTO_ICMP && family == AF_INET)
			return 0;
		return protocol && protocol != IPPROTO_UDP ? -EPROTONOSUPPORT : 0;
	case SOCK_RAW:
		return protocol <= 0 || protocol > 255 || family != AF_INET ? -EPROTONOSUPPORT : 0;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

/* A raw socket is weft's to allow. */
static int raw_begin(struct guest *g, int fd)
{
	struct guest_socket s;
	int err = guest_find(g, fd, &s) ? guest_ask(&s, PROGRAM_OPEN) : -ENETDOWN;

	if (!err)
		return fd;
	kernel_close(fd);
	if (err != -ENETDOWN && s.slot)
		program_slot_free(guest_table(g), s.id);
	return err;
}

static int open_served(struct guest *g, int family, int type, int protocol)
{
	const int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
	int fd;

	if (protocol < 0 || type & ~(SOCK_TYPE_BITS | flags))
		return -EINVAL;
	type &= SOCK_TYPE_BITS;
	fd = socket_refused(family, type, protocol);
	if (fd)
		return fd;
	fd = socket_make(g, family, type, protocol, flags);
	return fd >= 0 && type == SOCK_RAW ? raw_begin(g, fd) : fd;
}

int guest_open(struct guest *g, int family, int type, int protocol)
{
	int r = open_served(g, family, type, protocol), own = type & SOCK_TYPE_BITS;

	return (int)guest_answer(g, PROGRAM_CALL_SOCKET, family, own << 16 | (protocol & 0xffff),
				 r);
}

/* --- bind, listen --------------------------------------------------------------------------------------- */

int guest_bind(const struct guest_socket *s, const struct sockaddr *a, socklen_t n)
{
	return guest_ask_address(s, PROGRAM_BIND, a, n);
}

int guest_listen(const struct guest_socket *s, int backlog)
{
	struct program_request q = {.kind = PROGRAM_LISTEN, .id = s->id, .name = backlog};
	struct program_reply r;

	if (s->type == SOCK_STREAM && !s->accepted && s->slot &&
	    atomic_load(&s->slot->state) == PROGRAM_CLOSED)
		return atomic_load(&s->slot->error) ? -EINVAL : -ERESTART;
	if (kernel_listen(s->fd, s->type == SOCK_STREAM ? BACKLOG : backlog))
		return -errno;
	return guest_request(s->guest, &q, &r);
}

/* --- shutdown --------------------------------------------------------------------------------------------- */

/* The kernel's, whose ends of ours are connected sooner than the program's; UDP's takes effect all the same. */
int guest_shutdown(const struct guest_socket *s, int how)
{
	uint32_t state = s->slot ? atomic_load(&s->slot->state) : PROGRAM_CONNECTED;
	bool unconnected = state == PROGRAM_NEW || (state == PROGRAM_CLOSED && !s->accepted);
	int err;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (unconnected && s->type == SOCK_STREAM)
		return -ENOTCONN;
	if (s->slot && s->type != SOCK_STREAM && how != SHUT_RD)
		atomic_fetch_or(&s->slot->flags, PROGRAM_SHUT);
	err = kernel_shutdown(s->fd, how) ? -errno : 0;
	return unconnected ? -ENOTCONN : err;
}

/* --- accept ----------------------------------------------------------------------------------------------- */

/*
 * Anybody may connect to an abstract name: only weft is let in.  Who is in another pid namespace has no number here:
 * then the slot says whose the name is.
 */
static bool from_weft(const struct guest_socket *s, int fd, const struct program_slot *slot)
{
	return guest_is_weft(s->guest, fd,
			     slot && atomic_load(&slot->listener) == s->id &&
				 !guest_is_lost(s->guest));
}

/* The connection's slot, or -errno: -ERESTART, it was no connection. */
static int accept_check(const struct guest_socket *s, int fd, const struct sockaddr_un *sa,
			socklen_t len, struct program_slot **slot)
{
	struct guest *g = s->guest;
	struct program_name n;

	if (!program_name_of(&n, g->token.instance, sa, len) || n.kind != PROGRAM_CHILD)
		return -ERESTART;
	if (!n.id)
		return guest_is_lost(g) ? -ENETDOWN : -ERESTART;
	*slot = program_slot_of(guest_table(g), n.id);
	return from_weft(s, fd, *slot) ? 0 : -ERESTART;
}

/* A byte tells the gateway, and stays as the first residual one. */
static void accept_tell(struct guest *g, int fd, struct program_slot *slot)
{
	const int room = PROGRAM_SNDBUF / 2;

	if (slot)
		atomic_store(&slot->pid, guest_pid(g));
	if (slot && atomic_load(&slot->flags) & PROGRAM_OOBINLINE)
		kernel_setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &(int){1}, sizeof(int));
	kernel_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	kernel_send(fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int guest_accept(const struct guest_socket *s, int flags, struct program_addr *remote)
{
	struct program_slot *slot = NULL;
	struct sockaddr_un sa;
	socklen_t len = sizeof(sa);
	int child = kernel_accept4(s->fd, &sa, &len, flags), err;

	if (child < 0)
		return -errno;
	err = accept_check(s, child, &sa, len, &slot);
	if (err) {
		kernel_close(child);
		return err;
	}
	*remote = slot ? slot->remote : (struct program_addr){0};
	accept_tell(s->guest, child, slot);
	return child;
}
