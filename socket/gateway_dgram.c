/*
 * socket/gateway_dgram.c - UDP: the kernel keeps messages apart and tells who sent them by our end's name, so
 * each remote has a socket of its own here, named after it.
 *
 * The one named 0:0 takes what the program sends to an address; it stands before the bytes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

#define MESSAGES 64 /* a turn */

static int peer_order(const struct gateway_peer *a, const struct gateway_peer *b)
{
	return a->key < b->key ? -1 : a->key > b->key;
}

RB_GENERATE_INTERNAL(gateway_peer_tree, gateway_peer, in_peers, peer_order,
		     __attribute__((unused)) static)

/* --- addresses ------------------------------------------------------------------------------------ */

static uint64_t key_of(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
	uint32_t addr;

	if (sa->ss_family != AF_INET6)
		return (uint64_t)ntohl(in->sin_addr.s_addr) << 16 | ntohs(in->sin_port);
	memcpy(&addr, in6->sin6_addr.s6_addr + 12, 4);
	return (uint64_t)ntohl(addr) << 16 | ntohs(in6->sin6_port);
}

static socklen_t key_address(const struct gateway_end *e, uint64_t key, struct sockaddr_storage *sa)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)key)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)key)};

	in.sin_addr.s_addr = htonl((uint32_t)(key >> 16));
	in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(in6.sin6_addr.s6_addr + 12, &in.sin_addr, 4);
	if (e->family == AF_INET6)
		memcpy(sa, &in6, sizeof(in6));
	else
		memcpy(sa, &in, sizeof(in));
	return e->family == AF_INET6 ? sizeof(in6) : sizeof(in);
}

/* --- from the program ------------------------------------------------------------------------------- */

static void up_to(struct gateway_end *e, uint64_t key, const uint8_t *bytes, size_t n)
{
	struct sockaddr_storage sa;
	socklen_t len = key_address(e, key, &sa);
	struct program_slot *s = gateway_slot(e);

	if (weft_sendto(e->fd, bytes, n, MSG_DONTWAIT, (struct sockaddr *)&sa, len) < 0 && s &&
	    errno != EAGAIN)
		atomic_store(&s->error, errno);
	if (s && !atomic_load(&s->has_local))
		gateway_slot_names(e);
}

static void peer_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct gateway_peer *p = (struct gateway_peer *)(void *)w;
	ssize_t n;

	while ((n = recv(w->fd, g->buffer, GATEWAY_BUFFER, MSG_DONTWAIT)) >= 0)
		up_to(p->end, p->key, g->buffer, (size_t)n);
	if (events & EPOLLOUT)
		gateway_dgram_run(p->end);
}

static void any_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct gateway_end *e = (struct gateway_end *)(void *)w;
	struct program_dgram head;
	ssize_t n;

	while ((n = recv(w->fd, g->buffer, GATEWAY_BUFFER, MSG_DONTWAIT)) >= 0) {
		if (n < (ssize_t)sizeof(head))
			continue;
		memcpy(&head, g->buffer, sizeof(head));
		up_to(e, (uint64_t)head.addr << 16 | (uint16_t)head.port, g->buffer + sizeof(head),
		      (size_t)n - sizeof(head));
	}
}

/* --- one remote ------------------------------------------------------------------------------------- */

static struct program_name peer_name(const struct gateway_end *e, uint64_t key)
{
	return (struct program_name){.kind = PROGRAM_PEER,
				     .slot = (uint16_t)e->id,
				     .addr = (uint32_t)(key >> 16),
				     .port = (uint16_t)key};
}

/* A datagram socket under the name of the remote.  A descriptor or -errno. */
static int peer_socket(struct gateway_end *e, uint64_t key)
{
	const struct program_name n = peer_name(e, key);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, e->gateway->token.instance, &n);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* To the program's socket, so that the kernel tells when that has room. */
static int peer_connect(struct gateway_peer *p)
{
	struct gateway_end *e = p->end;
	const struct program_name n = {.kind = PROGRAM_DGRAM, .id = e->id};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, e->gateway->token.instance, &n);

	return connect(p->watch.fd, (struct sockaddr *)&sa, len) ? -errno : 0;
}

static void peer_end(struct gateway_peer *p)
{
	struct gateway_end *e = p->end;

	TAILQ_REMOVE(&e->used, p, in_use);
	RB_REMOVE(gateway_peer_tree, &e->peers, p);
	e->npeers--;
	gateway_watch_close(e->gateway, &p->watch);
	gateway_free_later(e->gateway, p);
}

static struct gateway_peer *peer_make(struct gateway_end *e, uint64_t key)
{
	struct gateway_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->end = e;
	p->key = key;
	p->watch.ready = peer_ready;
	p->watch.fd = peer_socket(e, key);
	TAILQ_INSERT_TAIL(&e->used, p, in_use);
	RB_INSERT(gateway_peer_tree, &e->peers, p);
	e->npeers++;
	if (p->watch.fd >= 0 && gateway_watch_add(e->gateway, &p->watch, EPOLLIN | EPOLLOUT) == 0)
		return p;
	peer_end(p);
	return NULL;
}

/* The one used longest ago makes room. */
static struct gateway_peer *peer_get(struct gateway_end *e, uint64_t key)
{
	struct gateway_peer k = {.key = key}, *p = RB_FIND(gateway_peer_tree, &e->peers, &k);

	if (p) {
		TAILQ_REMOVE(&e->used, p, in_use);
		TAILQ_INSERT_TAIL(&e->used, p, in_use);
		return p;
	}
	if (e->npeers >= GATEWAY_PEERS)
		peer_end(TAILQ_FIRST(&e->used));
	return peer_make(e, key);
}

/* --- to the program ----------------------------------------------------------------------------------- */

/* 0; -EAGAIN: it has no room now; -ECONNREFUSED: its socket is there no more. */
static int down_to(struct gateway_end *e, uint64_t key, const uint8_t *bytes, size_t n)
{
	struct gateway_peer *p = peer_get(e, key);
	int err = 0;

	if (!p)
		return 0; /* a datagram may be lost */
	if (send(p->watch.fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	if (errno == ENOTCONN || errno == EDESTADDRREQ || errno == ECONNREFUSED)
		err = peer_connect(p);
	if (!err && send(p->watch.fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		err = -errno;
	return err == -EAGAIN || err == -ECONNREFUSED ? err : 0;
}

/*
 * The kernel reports a peer that disconnects with messages unread as ECONNRESET: so one is put there, while
 * we are not connected, for then anybody may send to us.
 */
static void peer_break(struct gateway_peer *p)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	const struct program_name n = peer_name(p->end, p->key);
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, p->end->gateway->token.instance, &n);

	connect(p->watch.fd, &none, sizeof(none));
	sendto(p->end->watch.fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&sa, len);
	peer_connect(p);
	connect(p->watch.fd, &none, sizeof(none));
	peer_connect(p);
}

/* An ICMP error for a connected one: the program's next call hears of a reset, SO_ERROR of the cause. */
static void dgram_error(struct gateway_end *e, int err)
{
	struct program_slot *s = gateway_slot(e);
	struct gateway_peer *p = TAILQ_LAST(&e->used, gateway_peer_list);

	if (s)
		atomic_store(&s->error, err);
	if (!p || !s || atomic_load(&s->state) != PROGRAM_CONNECTED)
		return;
	peer_break(p);
}

/* What was put by first.  False: there is no room yet, or the end is gone. */
static bool dgram_rest(struct gateway_end *e)
{
	int err;

	if (!e->down.bytes)
		return true;
	err = down_to(e, e->blocked, e->down.bytes, e->down.len);
	if (err == -EAGAIN)
		return false;
	free(e->down.bytes);
	e->down.bytes = NULL;
	if (err != -ECONNREFUSED)
		return true;
	gateway_end_forget(e);
	return false;
}

static void dgram_keep(struct gateway_end *e, uint64_t key, const uint8_t *bytes, uint32_t n)
{
	e->blocked = key;
	e->down = (struct gateway_rest){.bytes = malloc(n ? n : 1), .len = n};
	if (e->down.bytes)
		memcpy(e->down.bytes, bytes, n);
}

void gateway_dgram_run(struct gateway_end *e)
{
	uint8_t *buf = e->gateway->buffer;
	struct sockaddr_storage sa;
	int err;

	if (!dgram_rest(e))
		return;
	for (int i = 0; i < MESSAGES; i++) {
		socklen_t len = sizeof(sa);
		ssize_t n = weft_recvfrom(e->fd, buf, GATEWAY_BUFFER, MSG_DONTWAIT,
					  (struct sockaddr *)&sa, &len);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			dgram_error(e, errno);
			continue;
		}
		err = down_to(e, key_of(&sa), buf, (size_t)n);
		if (err == -ECONNREFUSED) {
			gateway_end_forget(e);
			return;
		}
		if (err) {
			dgram_keep(e, key_of(&sa), buf, (uint32_t)n);
			return;
		}
	}
	gateway_end_again(e);
}

/* --- life --------------------------------------------------------------------------------------------- */

int gateway_dgram_open(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);
	int err;

	e->family = s && s->family == AF_INET6 ? AF_INET6 : AF_INET;
	RB_INIT(&e->peers);
	e->watch.ready = any_ready;
	e->watch.fd = err = peer_socket(e, 0);
	if (err >= 0)
		err = gateway_watch_add(e->gateway, &e->watch, EPOLLIN);
	return err ? err : gateway_end_watch(e);
}

void gateway_dgram_close(struct gateway_end *e)
{
	while (!TAILQ_EMPTY(&e->used))
		peer_end(TAILQ_FIRST(&e->used));
}

/* The program connects its own socket to the remote's after this; AF_UNSPEC: it is anybody's again. */
int gateway_dgram_connect(struct gateway_end *e, const struct sockaddr *a, socklen_t n)
{
	struct program_slot *s = gateway_slot(e);
	struct sockaddr_storage sa = {0};
	struct gateway_peer *p;

	if (weft_connect(e->fd, a, n))
		return -errno;
	memcpy(&sa, a, n < sizeof(sa) ? n : sizeof(sa));
	gateway_slot_names(e);
	if (s)
		atomic_store(&s->state,
			     sa.ss_family == AF_UNSPEC ? PROGRAM_NEW : PROGRAM_CONNECTED);
	if (sa.ss_family == AF_UNSPEC)
		return 0;
	p = peer_get(e, key_of(&sa));
	return p ? peer_connect(p) : -ENOBUFS;
}
