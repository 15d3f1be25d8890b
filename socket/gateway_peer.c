/*
 * socket/gateway_peer.c - the remotes of a UDP socket: the kernel keeps messages apart and tells who sent them by
 * our end's name, so each remote has a socket of its own here, named after it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

static int peer_order(const struct gateway_peer *a, const struct gateway_peer *b)
{
	return a->key < b->key ? -1 : a->key > b->key;
}

RB_GENERATE_INTERNAL(gateway_peer_tree, gateway_peer, in_peers, peer_order,
		     __attribute__((unused)) static)

/* --- addresses ------------------------------------------------------------------------------------ */

uint64_t gateway_key_of(const struct gateway_end *e, const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
	uint16_t port = ntohs(sa->ss_family == AF_INET6 ? in6->sin6_port : in->sin_port);
	uint32_t addr;

	if (sa->ss_family == AF_INET6)
		memcpy(&addr, in6->sin6_addr.s6_addr + 12, 4);
	else
		addr = in->sin_addr.s_addr;
	return (uint64_t)ntohl(addr) << 16 | (e->has_ports ? port : 0);
}

socklen_t gateway_key_address(const struct gateway_end *e, uint64_t key,
			      struct sockaddr_storage *sa)
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

static socklen_t peer_address(const struct gateway_end *e, uint64_t key, struct sockaddr_un *sa)
{
	const struct program_name n = {.kind = PROGRAM_PEER,
				       .slot = (uint16_t)e->id,
				       .addr = (uint32_t)(key >> 16),
				       .port = (uint16_t)key};

	return program_address(sa, e->gateway->token.instance, &n);
}

/* --- one of them ---------------------------------------------------------------------------------- */

int gateway_peer_socket(struct gateway_end *e, uint64_t key)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;
	struct sockaddr_un sa;
	socklen_t len = peer_address(e, key, &sa);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int gateway_peer_connect(struct gateway_end *e, int fd)
{
	const struct program_name n = {.kind = PROGRAM_DGRAM, .id = e->id};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, e->gateway->token.instance, &n);

	return connect(fd, (struct sockaddr *)&sa, len) ? -errno : 0;
}

static void peer_end(struct gateway_peer *p)
{
	struct gateway_end *e = p->end;

	TAILQ_REMOVE(&e->used, p, in_use);
	RB_REMOVE(gateway_peer_tree, &e->peers, p);
	e->npeers--;
	e->gateway->npeers--;
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
	p->watch.ready = gateway_peer_ready;
	p->watch.fd = gateway_peer_socket(e, key);
	TAILQ_INSERT_TAIL(&e->used, p, in_use);
	RB_INSERT(gateway_peer_tree, &e->peers, p);
	e->npeers++;
	e->gateway->npeers++;
	if (p->watch.fd >= 0 && gateway_watch_add(e->gateway, &p->watch, EPOLLIN | EPOLLOUT) == 0)
		return p;
	peer_end(p);
	return NULL;
}

/* One it may have in any case. */
static bool peers_are_enough(const struct gateway_end *e)
{
	const struct gateway *g = e->gateway;

	return e->npeers >= GATEWAY_PEERS || (e->npeers && g->npeers >= g->peers_max);
}

/* The one used longest ago makes room. */
struct gateway_peer *gateway_peer_get(struct gateway_end *e, uint64_t key)
{
	struct gateway_peer k = {.key = key}, *p = RB_FIND(gateway_peer_tree, &e->peers, &k);

	if (p) {
		TAILQ_REMOVE(&e->used, p, in_use);
		TAILQ_INSERT_TAIL(&e->used, p, in_use);
		return p;
	}
	if (peers_are_enough(e))
		peer_end(TAILQ_FIRST(&e->used));
	return peer_make(e, key);
}

/*
 * The kernel reports a peer that disconnects with messages unread as ECONNRESET: so one is put there, while
 * we are not connected, for then anybody may send to us.
 */
void gateway_peer_break(struct gateway_end *e, int fd, uint64_t key)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_un sa;
	socklen_t len = peer_address(e, key, &sa);

	connect(fd, &none, sizeof(none));
	sendto(fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&sa, len);
	gateway_peer_connect(e, fd);
	connect(fd, &none, sizeof(none));
	gateway_peer_connect(e, fd);
}

void gateway_peers_begin(struct gateway_end *e)
{
	RB_INIT(&e->peers);
}

void gateway_peers_end(struct gateway_end *e)
{
	while (!TAILQ_EMPTY(&e->used))
		peer_end(TAILQ_FIRST(&e->used));
}
