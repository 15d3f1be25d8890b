/*
 * socket/gateway_end.c - an end: a program's socket as the gateway has it, found by the id of its slot.
 */
#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

#define SOCK_TYPE_BITS 0xf

static int gateway_end_order(const struct gateway_end *a, const struct gateway_end *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE(gateway_end_tree, gateway_end, in_ends, gateway_end_order)

struct gateway_end *gateway_end_find(struct gateway *g, uint32_t id)
{
	struct gateway_end key = {.id = id};

	return RB_FIND(gateway_end_tree, &g->ends, &key);
}

struct program_slot *gateway_slot(struct gateway_end *e)
{
	return program_slot_of(e->gateway->table, e->id);
}

int gateway_end_watch(struct gateway_end *e)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = e};

	return weft_epoll_ctl(e->gateway->epoll, EPOLL_CTL_ADD, e->fd, &ev) ? -errno : 0;
}

void gateway_stack_reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	weft_setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	weft_close(fd);
}

struct gateway_end *gateway_end_make(struct gateway *g, uint32_t id, int fd, enum gateway_role role)
{
	struct gateway_end *e = gateway_end_find(g, id) ? NULL : calloc(1, sizeof(*e));

	if (!e) {
		gateway_stack_reset(fd);
		return NULL;
	}
	*e = (struct gateway_end){.gateway = g, .id = id, .fd = fd, .role = role, .watch.fd = -1};
	TAILQ_INIT(&e->used);
	mutex_lock(&g->lock);
	RB_INSERT(gateway_end_tree, &g->ends, e);
	mutex_unlock(&g->lock);
	return e;
}

void gateway_end_pid(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);
	int pid = s ? atomic_load(&s->pid) : 0;

	if (pid == e->pid || pid <= 0)
		return;
	mutex_lock(&e->gateway->lock);
	e->pid = pid;
	mutex_unlock(&e->gateway->lock);
	gateway_process_seen(e->gateway, pid);
}

/* Who may open raw sockets: root, as weft knows it, with CAP_NET_RAW (raw(7)). */
static bool may_be_raw(const struct ucred *who)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (!who || who->uid != 0)
		return false;
	head.pid = who->pid;
	return syscall(SYS_capget, &head, caps) == 0 &&
	       caps[CAP_TO_INDEX(CAP_NET_RAW)].effective & CAP_TO_MASK(CAP_NET_RAW);
}

/* Like the program's, whose slot may change while it is read, and have flags in its type.  A descriptor or -errno. */
static int stack_socket(const volatile struct program_slot *s, const struct ucred *who)
{
	int family = s->family == AF_INET6 ? AF_INET6 : AF_INET, type = s->type & SOCK_TYPE_BITS,
	    fd;

	if (type == SOCK_RAW && !may_be_raw(who))
		return -EPERM;
	fd = weft_socket(family, type | SOCK_NONBLOCK, s->protocol);
	return fd < 0 ? -errno : fd;
}

void gateway_end_options(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);
	struct program_option o;

	for (unsigned i = 0; s && e->fd >= 0 && i < PROGRAM_OPTIONS; i++) {
		if (program_option_take(s, i, &o))
			weft_setsockopt(e->fd, o.level, o.name, &o.value, o.len);
	}
}

void gateway_end_disconnect(struct gateway_end *e)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};

	if (e->fd < 0)
		return;
	weft_epoll_ctl(e->gateway->epoll, EPOLL_CTL_DEL, e->fd, NULL);
	if (weft_connect(e->fd, &none, sizeof(none)))
		gateway_end_stack_close(e);
}

int gateway_end_adopt(struct gateway_end *e, struct gateway_end *old)
{
	int fd;

	if (!old || old->role != GATEWAY_BOUND || old->fd < 0 || e->role != GATEWAY_BOUND ||
	    old->watch.fd >= 0 || e->watch.fd >= 0 || old == e)
		return -EINVAL;
	gateway_end_options(old);
	fd = old->fd;
	mutex_lock(&e->gateway->lock);
	old->fd = e->fd;
	e->fd = fd;
	mutex_unlock(&e->gateway->lock);
	e->flags = old->flags;
	gateway_end_stack_close(old);
	gateway_slot_names(e);
	return 0;
}

/* What the stack made of it: the table is the program's to write. */
static enum gateway_role role_of(int fd)
{
	int type = SOCK_STREAM;
	socklen_t n = sizeof(type);

	weft_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n);
	return type == SOCK_STREAM ? GATEWAY_BOUND : GATEWAY_DGRAM;
}

struct gateway_end *gateway_end_get(struct gateway *g, uint32_t id, const struct ucred *who,
				    int *err)
{
	struct gateway_end *e = gateway_end_find(g, id);
	struct program_slot *s = program_slot_of(g->table, id);
	int fd;

	*err = s ? 0 : -EINVAL;
	if (e)
		gateway_end_options(e);
	if (e || !s)
		return e;
	gateway_probe_two(g);
	fd = stack_socket(s, who);
	if (fd < 0) {
		*err = fd;
		return NULL;
	}
	e = gateway_end_make(g, id, fd, role_of(fd));
	if (!e) {
		*err = -ENOMEM;
		return NULL;
	}
	gateway_end_pid(e);
	gateway_end_options(e);
	*err = e->role == GATEWAY_DGRAM ? gateway_dgram_open(e) : 0;
	if (!*err)
		return e;
	gateway_end_close(e);
	return NULL;
}

static void addr_copy(struct program_addr *to, const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;

	memset(to, 0, sizeof(*to));
	if (sa->ss_family == AF_INET6) {
		memcpy(to->ip, &in6->sin6_addr, 16);
		to->port = ntohs(in6->sin6_port);
		return;
	}
	if (in->sin_addr.s_addr) {
		to->ip[10] = to->ip[11] = 0xff;
		memcpy(to->ip + 12, &in->sin_addr, 4);
	}
	to->port = ntohs(in->sin_port);
}

void gateway_slot_names(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);

	if (!s)
		return;
	if (weft_getsockname(e->fd, (struct sockaddr *)&sa, &n) == 0)
		addr_copy(&s->local, &sa);
	n = sizeof(sa);
	if (weft_getpeername(e->fd, (struct sockaddr *)&sa, &n) == 0)
		addr_copy(&s->remote, &sa);
	atomic_store(&s->has_local, 1);
}

/* To IPv6 there never is a way; of that the family is told alone. */
void gateway_unreachable(struct gateway *g, const void *address, int err)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (err != ENETUNREACH)
		return;
	memcpy(&in, address, sizeof(in));
	if (in.sin_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		memcpy(&in.sin_addr, in6.sin6_addr.s6_addr + 12, 4);
		in.sin_family = memcmp(in6.sin6_addr.s6_addr, mapped, 12) ? AF_INET6 : AF_INET;
	}
	if (in.sin_family == AF_INET6)
		in.sin_addr.s_addr = 0;
	program_missed(g->table, PROGRAM_CALL_CONNECT, in.sin_family,
		       (int)ntohl(in.sin_addr.s_addr), err);
}

void gateway_end_again(struct gateway_end *e)
{
	if (!e->again)
		TAILQ_INSERT_TAIL(&e->gateway->again, e, in_turn);
	e->again = true;
}

/* Those it handed over and nobody accepted know it no more. */
static void listener_leave(struct gateway_end *l)
{
	struct gateway_end *e;

	RB_FOREACH(e, gateway_end_tree, &l->gateway->ends)
	{
		if (e->listener == l)
			e->listener = NULL;
	}
}

/* A close() that lingers would stop the thread: who waits is the program. */
static void linger_none(int fd)
{
	const struct linger none = {0};
	struct linger l = {0};
	socklen_t n = sizeof(l);

	if (weft_getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &n) == 0 && l.l_onoff && l.l_linger)
		weft_setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

/* Out of its end. */
static int stack_take(struct gateway_end *e)
{
	struct gateway *g = e->gateway;
	int fd = e->fd;

	mutex_lock(&g->lock);
	e->fd = -1;
	mutex_unlock(&g->lock);
	return fd;
}

void gateway_end_stack_close(struct gateway_end *e)
{
	int fd = stack_take(e);

	if (fd < 0)
		return;
	linger_none(fd);
	weft_close(fd);
}

void gateway_reset(struct gateway_end *e)
{
	int fd = stack_take(e);

	if (fd >= 0)
		gateway_stack_reset(fd);
}

void gateway_end_close(struct gateway_end *e)
{
	struct gateway *g = e->gateway;

	if (e->role == GATEWAY_LISTENER)
		listener_leave(e);
	if (e->listener)
		gateway_accepted(e);
	if (e->role == GATEWAY_DGRAM)
		gateway_peers_end(e);
	if (e->again)
		TAILQ_REMOVE(&g->again, e, in_turn);
	if (g->probe == e)
		g->probe = RB_NEXT(gateway_end_tree, &g->ends, e);
	mutex_lock(&g->lock);
	RB_REMOVE(gateway_end_tree, &g->ends, e);
	mutex_unlock(&g->lock);
	gateway_end_stack_close(e);
	gateway_awaited(g, e->id);
	gateway_watch_close(g, &e->watch);
	free(e->up.bytes);
	free(e->down.bytes);
	gateway_free_later(g, e);
}

void gateway_end_forget(struct gateway_end *e)
{
	gateway_end_options(e); /* SO_LINGER says how it ends */
	program_slot_free(e->gateway->table, e->id);
	gateway_end_close(e);
}

int gateway_owner(struct gateway *g, int fd)
{
	struct gateway_end *e;
	int pid = 0;

	mutex_lock(&g->lock);
	RB_FOREACH(e, gateway_end_tree, &g->ends)
	{
		if (e->fd == fd)
			pid = e->pid;
	}
	mutex_unlock(&g->lock);
	return pid;
}
