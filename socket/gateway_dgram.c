/*
 * socket/gateway_dgram.c - the datagrams of UDP, raw and ICMP sockets, between the program's descriptor and the
 * stack.
 *
 * Each remote has an end of ours (gateway_peer.c).  The one named 0:0 takes what the program sends to an address
 * or with control messages, which stand before the bytes; of a socket that wants errors and is not connected
 * it is the program's only peer, for by a peer alone the kernel shows one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

#define MESSAGES 64 /* a turn */
#define TURNS 64

/* --- errors ----------------------------------------------------------------------------------------- */

static bool is_for_any(const struct gateway_end *e)
{
	return e->wants_errors && !e->connected;
}

/* The program's next call hears of a reset, SO_ERROR and the hooks of the cause, which is err. */
static void dgram_error(struct gateway_end *e, int err)
{
	struct program_slot *s = gateway_slot(e);
	struct gateway_peer *p = e->connected ? gateway_peer_get(e, e->remote) : NULL;

	if (s && err)
		atomic_store(&s->error, err);
	if (p)
		gateway_peer_break(e, p->watch.fd, e->remote);
	else if (is_for_any(e))
		gateway_peer_break(e, e->watch.fd, 0);
	e->shows_error = true;
}

/* --- from the program ------------------------------------------------------------------------------- */

/* 0, also where it was lost, or a positive errno. */
static int up_try(struct gateway_end *e, const struct msghdr *m, int flags)
{
	struct program_slot *s = gateway_slot(e);
	int err = weft_sendmsg(e->fd, m, flags | MSG_DONTWAIT) < 0 ? errno : 0;

	if (err && m->msg_name)
		gateway_unreachable(e->gateway, m->msg_name, err);
	if (s && !atomic_load(&s->has_local))
		gateway_slot_names(e);
	return err == EAGAIN ? 0 : err; /* a datagram may be lost */
}

/* An error of before is told now, and takes the place of the first try. */
static void up_send(struct gateway_end *e, const struct msghdr *m, int flags)
{
	int err;

	gateway_end_options(e);
	for (int i = 0; i < 2; i++) {
		err = up_try(e, m, flags);
		if (!err)
			break;
		e->up_error = err;
	}
}

static void up_to(struct gateway_end *e, uint64_t key, uint8_t *bytes, size_t n)
{
	struct sockaddr_storage sa;
	struct iovec iov = {bytes, n};
	struct msghdr m = {.msg_name = &sa, .msg_iov = &iov, .msg_iovlen = 1};

	if (e->connected && key == e->remote)
		m.msg_name = NULL; /* the stack has its path */
	else
		m.msg_namelen = gateway_key_address(e, key, &sa);
	up_send(e, &m, 0);
}

/* A datagram with its header: to whom and how. */
struct headed {
	struct sockaddr_storage sa;
	struct iovec iov;
	struct msghdr m;
	int flags;
};

/* False: it is none. */
static bool headed_read(const struct gateway_end *e, uint8_t *bytes, size_t n, struct headed *h)
{
	struct program_dgram head;

	if (n < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	if (head.magic != PROGRAM_MAGIC || head.control > n - sizeof(head) ||
	    head.control > PROGRAM_CONTROL)
		return false;
	h->iov =
	    (struct iovec){bytes + sizeof(head) + head.control, n - sizeof(head) - head.control};
	h->m = (struct msghdr){.msg_iov = &h->iov, .msg_iovlen = 1};
	h->flags = (int)(head.flags & (MSG_CONFIRM | MSG_DONTROUTE | MSG_MORE | MSG_OOB));
	if (head.named) {
		h->m.msg_name = &h->sa;
		h->m.msg_namelen =
		    gateway_key_address(e, (uint64_t)head.addr << 16 | head.port, &h->sa);
	}
	if (head.control) {
		h->m.msg_control = bytes + sizeof(head);
		h->m.msg_controllen = head.control;
	}
	return true;
}

static void up_headed(struct gateway_end *e, uint8_t *bytes, size_t n)
{
	struct headed h;

	if (headed_read(e, bytes, n, &h))
		up_send(e, &h.m, h.flags);
}

/* Anybody may send to an abstract name: what the program has sent counts.  Bytes or -1. */
static ssize_t up_recv(struct gateway_end *e, int fd, bool *its_own)
{
	struct sockaddr_un sa;
	socklen_t len = sizeof(sa);
	struct program_name n;
	ssize_t k = recvfrom(fd, e->gateway->buffer, GATEWAY_BUFFER, MSG_DONTWAIT,
			     (struct sockaddr *)&sa, &len);

	*its_own = k >= 0 && program_name_of(&n, e->gateway->token.instance, &sa, len) &&
		   n.kind == PROGRAM_DGRAM && n.id == e->id;
	return k;
}

/* A turn of what lies there, and the error that came of it.  True: there may be more. */
static bool up_from(struct gateway_end *e, int fd, struct gateway_peer *p)
{
	struct gateway_watch *w = p ? &p->watch : &e->watch;
	uint8_t *buf = e->gateway->buffer;
	bool its_own;
	ssize_t n = 0;
	int err;

	for (int i = 0; i < MESSAGES && n >= 0; i++) {
		n = up_recv(e, fd, &its_own);
		if (its_own && p)
			up_to(e, p->key, buf, (size_t)n);
		else if (its_own)
			up_headed(e, buf, (size_t)n);
	}
	if (n >= 0)
		gateway_watch_again(e->gateway, w, EPOLLIN | EPOLLOUT);
	err = e->up_error;
	e->up_error = 0;
	if (err)
		dgram_error(e, err);
	return n >= 0;
}

/* No more than a queue of the kernel's holds, for who goes on sending. */
static void up_whole(struct gateway_end *e, int fd, struct gateway_peer *p)
{
	for (int i = 0; i < TURNS && up_from(e, fd, p); i++)
		;
}

void gateway_dgram_up(struct gateway_end *e)
{
	struct gateway_peer *p;

	up_whole(e, e->watch.fd, NULL);
	p = e->connected ? gateway_peer_get(e, e->remote) : NULL;
	if (p)
		up_whole(e, p->watch.fd, p);
}

int gateway_dgram_send(struct gateway_end *e, uint8_t *bytes, size_t n)
{
	struct headed h;

	gateway_dgram_up(e);
	return headed_read(e, bytes, n, &h) ? -up_try(e, &h.m, h.flags) : -EINVAL;
}

void gateway_peer_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct gateway_peer *p = (struct gateway_peer *)(void *)w;

	up_from(p->end, w->fd, p);
	if (events & EPOLLOUT)
		gateway_dgram_run(p->end);
}

static void any_ready(struct gateway *g, struct gateway_watch *w, uint32_t events)
{
	struct gateway_end *e = (struct gateway_end *)(void *)w;

	up_from(e, w->fd, NULL);
	if (events & EPOLLOUT && is_for_any(e))
		gateway_dgram_run(e);
}

/* --- to the program ----------------------------------------------------------------------------------- */

/* 0; -EAGAIN: it has no room now; -ECONNREFUSED: its socket is there no more. */
static int down_by(struct gateway_end *e, int fd, const struct gateway_message *m, int note)
{
	int err = 0;

	if (gateway_send_with(fd, m->bytes, m->len, note) >= 0)
		return 0;
	if (errno == ENOTCONN || errno == EDESTADDRREQ || errno == ECONNREFUSED)
		err = gateway_peer_connect(e, fd);
	if (!err && gateway_send_with(fd, m->bytes, m->len, note) < 0)
		err = -errno;
	return err == -EAGAIN || err == -ECONNREFUSED ? err : 0;
}

static int down_to(struct gateway_end *e, const struct gateway_message *m)
{
	struct gateway_peer *p = is_for_any(e) ? NULL : gateway_peer_get(e, m->key);
	int note = -1, err;

	if (!p && !is_for_any(e))
		return 0; /* a datagram may be lost */
	if (!p || m->ncontrol)
		note = gateway_note(m, false);
	err = down_by(e, p ? p->watch.fd : e->watch.fd, m, note);
	if (note >= 0)
		close(note);
	return err;
}

/* What was put by first.  False: there is no room yet, or the end is gone. */
static bool dgram_rest(struct gateway_end *e)
{
	struct gateway_message m = {.key = e->blocked,
				    .flags = e->blocked_flags,
				    .control = e->down.bytes,
				    .ncontrol = e->down.at,
				    .bytes = e->down.bytes + e->down.at,
				    .len = e->down.len - e->down.at};
	int err;

	if (!e->down.bytes)
		return true;
	err = down_to(e, &m);
	if (err == -EAGAIN)
		return false;
	free(e->down.bytes);
	e->down.bytes = NULL;
	if (err != -ECONNREFUSED)
		return true;
	gateway_end_forget(e);
	return false;
}

/* Control messages first, `at` tells where they end. */
static void dgram_keep(struct gateway_end *e, const struct gateway_message *m)
{
	uint32_t n = (uint32_t)(m->ncontrol + m->len);

	e->blocked = m->key;
	e->blocked_flags = m->flags;
	e->down = (struct gateway_rest){
	    .bytes = malloc(n ? n : 1), .at = (uint32_t)m->ncontrol, .len = n};
	if (!e->down.bytes)
		return;
	memcpy(e->down.bytes, m->control, m->ncontrol);
	memcpy(e->down.bytes + m->ncontrol, m->bytes, m->len);
}

/* From the stack: 0 or -errno. */
static int message_take(struct gateway_end *e, struct gateway_message *m, uint8_t *control,
			int flags)
{
	struct sockaddr_storage sa;
	struct iovec iov = {e->gateway->buffer, GATEWAY_BUFFER};
	struct msghdr in = {.msg_name = &sa,
			    .msg_namelen = sizeof(sa),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = PROGRAM_CONTROL};
	ssize_t n = weft_recvmsg(e->fd, &in, flags | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	*m = (struct gateway_message){.key = gateway_key_of(e, &sa),
				      .bytes = e->gateway->buffer,
				      .len = (size_t)n,
				      .control = control,
				      .ncontrol = in.msg_controllen,
				      .flags = in.msg_flags};
	return 0;
}

/* What the program sent before is on its way first: the kernel throws away what lies unread when it shows one. */
static void error_tell(struct gateway_end *e, int err)
{
	gateway_dgram_up(e);
	dgram_error(e, err);
}

/* An error may wait in the queue that no call is told of. */
static void error_look(struct gateway_end *e)
{
	struct pollfd p = {.fd = e->fd, .events = POLLERR};
	socklen_t n = sizeof(int);
	int err = 0;

	if (!e->wants_errors || e->shows_error)
		return;
	if (weft_poll(&p, 1, 0) <= 0 || !(p.revents & POLLERR))
		return;
	weft_getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &n); /* it may have come just now */
	error_tell(e, err);
}

void gateway_dgram_run(struct gateway_end *e)
{
	uint8_t control[PROGRAM_CONTROL];
	struct gateway_message m;
	int err;

	if (!dgram_rest(e))
		return;
	for (int i = 0; i < MESSAGES; i++) {
		err = message_take(e, &m, control, 0);
		if (err == -EAGAIN) {
			error_look(e);
			return;
		}
		if (err) {
			error_tell(e, -err);
			continue;
		}
		err = down_to(e, &m);
		if (err == -ECONNREFUSED) {
			gateway_end_forget(e);
			return;
		}
		if (err) {
			dgram_keep(e, &m);
			return;
		}
	}
	gateway_end_again(e);
}

void gateway_dgram_errors_left(struct gateway_end *e)
{
	e->shows_error = false;
	error_look(e);
}

int gateway_dgram_errqueue(struct gateway_end *e, int *note)
{
	struct program_slot *s = gateway_slot(e);
	uint8_t control[PROGRAM_CONTROL];
	struct gateway_message m;
	int err = message_take(e, &m, control, MSG_ERRQUEUE);

	e->shows_error = false;
	if (err)
		return err;
	if (s)
		atomic_store(&s->error, 0); /* the stack has the next one's */
	*note = gateway_note(&m, true);
	return *note < 0 ? -ENOBUFS : 0;
}

/* --- life --------------------------------------------------------------------------------------------- */

int gateway_dgram_open(struct gateway_end *e)
{
	struct program_slot *s = gateway_slot(e);
	socklen_t n = sizeof(int);
	int protocol = 0, err;

	e->family = s && s->family == AF_INET6 ? AF_INET6 : AF_INET;
	e->has_ports = weft_getsockopt(e->fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &n) == 0 &&
		       protocol == IPPROTO_UDP;
	gateway_peers_begin(e);
	e->watch.ready = any_ready;
	e->watch.fd = err = gateway_peer_socket(e, 0);
	if (err >= 0)
		err = gateway_watch_add(e->gateway, &e->watch, EPOLLIN | EPOLLOUT);
	return err ? err : gateway_end_watch(e);
}

/* The program connects its own socket to the remote's after this; AF_UNSPEC: it is anybody's again. */
int gateway_dgram_connect(struct gateway_end *e, const struct sockaddr *a, socklen_t n)
{
	struct program_slot *s = gateway_slot(e);
	struct sockaddr_storage sa = {0};
	struct gateway_peer *p;
	int err = weft_connect(e->fd, a, n) ? errno : 0;

	memcpy(&sa, a, n < sizeof(sa) ? n : sizeof(sa));
	gateway_unreachable(e->gateway, &sa, err);
	if (err)
		return -err;
	e->connected = sa.ss_family != AF_UNSPEC;
	e->remote = e->connected ? gateway_key_of(e, &sa) : 0;
	if (e->connected && !(e->remote >> 16)) /* to 0.0.0.0 is to this host */
		e->remote |= (uint64_t)INADDR_LOOPBACK << 16;
	gateway_slot_names(e);
	if (s)
		atomic_store(&s->state, e->connected ? PROGRAM_CONNECTED : PROGRAM_NEW);
	if (!e->connected)
		return 0;
	p = gateway_peer_get(e, e->remote);
	err = p ? gateway_peer_connect(e, p->watch.fd) : -ENOBUFS;
	return err == -EPERM ? 0 : err; /* another of ours is its peer yet */
}

void gateway_dgram_goodbye(struct gateway_end *e)
{
	if (e->connected || is_for_any(e))
		dgram_error(e, ENETDOWN);
	else
		program_goodbye(e->gateway->token.instance, e->id, true);
}

/* IP_RECVERR decides by which end the program is told. */
void gateway_dgram_option(struct gateway_end *e, int level, int name)
{
	socklen_t n = sizeof(int);
	int on = 0;

	if (level != IPPROTO_IP || name != IP_RECVERR)
		return;
	e->wants_errors = weft_getsockopt(e->fd, level, name, &on, &n) == 0 && on;
	if (is_for_any(e))
		gateway_peer_connect(e, e->watch.fd);
}
