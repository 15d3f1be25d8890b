/*
 * socket/guest_send.c - messages that are sent with an address or control messages.
 *
 * A datagram goes to the gateway's end 0:0 with its address before its bytes, and nobody waits for an answer.  So one
 * like it is sent by a request first, and answered as the stack does: EACCES, ENETUNREACH, EMSGSIZE.  What went well
 * is remembered until something has changed that may make it an error.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

#define PARTS 64       /* of one message that has an address */
#define UDP_MOST 65507 /* bytes of a datagram, by IPv4 */
#define ICMP_HEAD 8
#define UNSENT 1

/* One on its way, as the gateway gets it. */
struct dgram {
	struct program_dgram head;
	struct iovec iov[3 + PARTS]; /* the request's, head, control messages, the program's own */
	size_t parts, n;             /* of iov; bytes of the program's own */
	uint64_t key;                /* see struct guest_way; 0: it is not remembered */
	uint32_t now;                /* the state of what changes, when it was looked at */
};

bool guest_size_matters(const struct guest *g, size_t n)
{
	return n > UDP_MOST || atomic_load_explicit(&g->sizes, memory_order_relaxed);
}

/* --- what is known ------------------------------------------------------------------------------------ */

static uint64_t mixed(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint64_t mixed_bytes(uint64_t h, const uint8_t *bytes, size_t n)
{
	uint64_t x;

	h = mixed(h, n);
	for (size_t i = 0; i < n; i += sizeof(x)) {
		x = 0;
		memcpy(&x, bytes + i, n - i < sizeof(x) ? n - i : sizeof(x));
		h = mixed(h, x);
	}
	return h;
}

/* What the stack may look at: of a message of ICMP also its type and code. */
static uint64_t key_of(const struct guest_socket *s, const struct msghdr *m, const struct dgram *d)
{
	const uint32_t flags = d->head.flags & ~(uint32_t)(MSG_DONTWAIT | MSG_NOSIGNAL);
	uint64_t key = mixed(s->id, (uint64_t)flags << 32 | d->head.addr);

	key = mixed(key, d->head.named << 1 | (d->head.port != 0));
	if (s->protocol != IPPROTO_UDP) {
		if (!m->msg_iovlen || !m->msg_iov[0].iov_base || m->msg_iov[0].iov_len < ICMP_HEAD)
			return 0;
		key = mixed_bytes(key, m->msg_iov[0].iov_base, 2);
	}
	return m->msg_controllen ? mixed_bytes(key, m->msg_control, m->msg_controllen) : key;
}

static struct guest_way *way_of(const struct guest_socket *s, const struct dgram *d)
{
	return &s->guest->way[d->key % GUEST_WAYS];
}

static bool is_known(const struct guest_socket *s, const struct dgram *d)
{
	const struct guest_way *w = way_of(s, d);
	uint64_t well = atomic_load_explicit(&w->well, memory_order_relaxed);

	return d->key && (atomic_load_explicit(&w->key, memory_order_relaxed) ^ well) == d->key &&
	       well >> 32 == d->now && (uint32_t)well > d->n;
}

static void know(const struct guest_socket *s, const struct dgram *d)
{
	const uint64_t well = (uint64_t)d->now << 32 | (d->n + 1);
	struct guest_way *w = way_of(s, d);

	atomic_store_explicit(&w->well, well, memory_order_relaxed);
	atomic_store_explicit(&w->key, d->key ^ well, memory_order_relaxed);
}

/* --- a datagram ------------------------------------------------------------------------------------------ */

/* Linux: to UDP and raw sockets of AF_INET it is the same, to ICMP's datagrams it is not. */
static bool is_unspecific(const struct guest_socket *s, const struct sockaddr *a)
{
	return s->family == AF_INET && a->sa_family == AF_UNSPEC &&
	       (s->protocol == IPPROTO_UDP || s->slot->type == SOCK_RAW);
}

static int head_fill(const struct guest_socket *s, const struct msghdr *m, int flags,
		     struct program_dgram *head)
{
	int err;

	*head = (struct program_dgram){.magic = PROGRAM_MAGIC,
				       .flags = (uint32_t)flags,
				       .control = (uint32_t)m->msg_controllen};
	if (m->msg_controllen > PROGRAM_CONTROL || m->msg_iovlen > PARTS)
		return m->msg_iovlen > PARTS ? -EMSGSIZE : -ENOBUFS;
	if (m->msg_controllen && !m->msg_control)
		return -EFAULT;
	if (!m->msg_name || !m->msg_namelen)
		return 0;
	err = guest_address_check(m->msg_name, m->msg_namelen, s->family);
	if (err && (err != -EAFNOSUPPORT || !is_unspecific(s, m->msg_name)))
		return err;
	head->named = 1;
	head->addr = guest_address_ip4(m->msg_name, &head->port);
	return 0;
}

/* The header and the control messages stand before the program's own parts. */
static int dgram_fill(const struct guest_socket *s, const struct msghdr *m, int flags,
		      struct dgram *d)
{
	int err = head_fill(s, m, flags, &d->head);

	if (err)
		return err;
	d->n = 0;
	d->parts = 3 + m->msg_iovlen;
	d->iov[1] = (struct iovec){&d->head, sizeof(d->head)};
	d->iov[2] = (struct iovec){m->msg_control, m->msg_controllen};
	for (size_t i = 0; i < m->msg_iovlen; i++) {
		d->iov[3 + i] = m->msg_iov[i];
		if (m->msg_iov[i].iov_len > PROGRAM_DATAGRAM - d->n)
			return -EMSGSIZE;
		d->n += m->msg_iov[i].iov_len;
	}
	d->now = atomic_load(&guest_table(s->guest)->routes) + atomic_load(&s->slot->changes);
	d->key = key_of(s, m, d);
	return 0;
}

/* What came of one before: the descriptor shows it, or the slot has it alone.  A positive errno or 0. */
static int error_before(const struct guest_socket *s)
{
	socklen_t n = sizeof(int);
	int shown = 0;

	kernel_getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &shown, &n);
	return shown || atomic_load(&s->slot->error) ? guest_dgram_cause(s) : 0;
}

static int dgram_ask(const struct guest_socket *s, struct dgram *d)
{
	struct program_request q = {.kind = PROGRAM_SEND, .id = s->id};
	struct program_reply r;
	int err = atomic_load(&s->slot->flags) & PROGRAM_SHUT ? EPIPE : error_before(s);

	err = err ? -err : guest_request_with(s->guest, &q, d->iov, d->parts, &r);
	if (!err && d->key)
		know(s, d);
	return err;
}

/* Without an answer: 0 or -errno; UNSENT: the gateway has no end of it, or an error was shown that is known already. */
static int dgram_post(const struct guest_socket *s, struct dgram *d, int flags)
{
	const struct program_name to = {.kind = PROGRAM_PEER, .slot = (uint16_t)s->id};
	struct sockaddr_un sa;
	struct msghdr out = {.msg_name = &sa, .msg_iov = d->iov + 1, .msg_iovlen = d->parts - 1};
	int err;

	out.msg_namelen = program_address(&sa, s->guest->token.instance, &to);
	if (kernel_sendmsg(s->fd, &out, flags | MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno == ECONNREFUSED)
		return UNSENT;
	if (errno != ECONNRESET)
		return -errno;
	err = guest_dgram_cause(s);
	return err ? -err : UNSENT;
}

/* What is not known goes without an answer too where there is no descriptor to ask by. */
static long dgram_out(const struct guest_socket *s, const struct msghdr *m, int flags)
{
	struct dgram d;
	int err = dgram_fill(s, m, flags, &d), posted = UNSENT;

	if (err)
		return err;
	if (is_known(s, &d))
		posted = dgram_post(s, &d, flags);
	if (posted == UNSENT)
		err = dgram_ask(s, &d);
	if (err == -EMFILE || err == -ENFILE)
		posted = dgram_post(s, &d, flags);
	if (posted != UNSENT)
		err = posted;
	return err ? err : (long)d.n;
}

/* --- all ------------------------------------------------------------------------------------------------- */

static long message_out(const struct guest_socket *s, const struct msghdr *m, int flags)
{
	struct msghdr plain = *m;
	long n;

	if (s->type != SOCK_STREAM)
		return s->slot ? dgram_out(s, m, flags) : -ENETDOWN;
	if (flags & MSG_FASTOPEN)
		return -EOPNOTSUPP;
	plain.msg_name = NULL; /* a stream's peer is known: Linux ignores the name */
	plain.msg_namelen = 0;
	n = kernel_sendmsg(s->fd, &plain, flags);
	return n < 0 ? -errno : n;
}

long guest_sendmsg(const struct guest_socket *s, const struct msghdr *m, int flags)
{
	return guest_answer(s->guest, PROGRAM_CALL_SEND, flags, 0, message_out(s, m, flags));
}
