/*
 * shell/notify_message.c - messages with an address, of a target: its bytes go through a buffer of ours.
 *
 * What does not name anybody is the kernel's own, and of a stream all but what names somebody it is sent to.  Of
 * several at once those are made that can be made now.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shell/notify_priv.h"

#define MESSAGES_MOST 64 /* of sendmmsg() and recvmmsg(), a call */
#define QUEUE_MS 1       /* the kernel does not tell when a datagram's way is free */

/* A message as the target has it: addresses are its own. */
struct its_message {
	struct msghdr m;
	uint64_t name, control, parts;
};

static int message_get(const struct notify_call *c, uint64_t at, struct its_message *i)
{
	if (target_read(c, at, &i->m, sizeof(i->m)))
		return -EFAULT;
	if (i->m.msg_iovlen > NOTIFY_PARTS)
		return -EMSGSIZE;
	i->name = (uintptr_t)i->m.msg_name;
	i->control = (uintptr_t)i->m.msg_control;
	i->parts = (uintptr_t)i->m.msg_iov;
	return target_read(c, i->parts, c->notify->parts, i->m.msg_iovlen * sizeof(struct iovec));
}

/* One of sendto() or recvfrom(). */
static void message_of_args(const struct notify_call *c, struct its_message *i)
{
	c->notify->parts[0] = (struct iovec){(void *)(uintptr_t)c->data.args[1], c->data.args[2]};
	*i = (struct its_message){.m = {.msg_iovlen = 1}, .name = c->data.args[4]};
}

/* Of a stream the kernel serves control messages. */
static bool is_ours(const struct notify_call *c, const struct its_message *i, int flags)
{
	if (c->s.type == SOCK_STREAM && !(flags & MSG_ERRQUEUE))
		return i->m.msg_name && i->m.msg_namelen;
	return guest_message_is_ours(&i->m, flags);
}

/* The bytes of its parts. */
static size_t parts_size(const struct notify_call *c, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (c->notify->parts[i].iov_len > INT_MAX)
			return INT_MAX;
		sum += c->notify->parts[i].iov_len;
	}
	return sum;
}

static int flags_of(const struct notify_call *c, int arg)
{
	return (int)c->data.args[arg] | MSG_DONTWAIT;
}

/* --- sending ------------------------------------------------------------------------------------------- */

static long bytes_out(struct notify_call *c, const struct its_message *i, struct msghdr *m,
		      int flags)
{
	struct notify *n = c->notify;
	size_t size = parts_size(c, i->m.msg_iovlen);
	struct iovec own = {n->buffer, size};
	long r;

	if (size > NOTIFY_BUFFER && c->s.type == SOCK_DGRAM)
		return -EMSGSIZE;
	if (size > NOTIFY_BUFFER)
		own.iov_len = size = NOTIFY_BUFFER;
	if (target_gather(c, n->buffer, size, n->parts, i->m.msg_iovlen))
		return -EFAULT;
	m->msg_iov = &own;
	m->msg_iovlen = 1;
	r = guest_sendmsg(&c->s, m, flags | MSG_NOSIGNAL);
	if (r == -EPIPE && !(flags & MSG_NOSIGNAL) && c->s.type == SOCK_STREAM && target_sleeps(c))
		syscall(SYS_tkill, c->tid, SIGPIPE);
	return r;
}

/* Of a stream control messages say nothing, and could name descriptors of ours. */
static long message_out(struct notify_call *c, const struct its_message *i, int flags)
{
	uint8_t control[PROGRAM_CONTROL];
	struct sockaddr_storage sa = {0};
	struct msghdr m = {.msg_name = &sa, .msg_namelen = i->name ? i->m.msg_namelen : 0};

	if (m.msg_namelen > sizeof(sa))
		return -EINVAL;
	if (c->s.type == SOCK_DGRAM && i->control) {
		m.msg_control = control;
		m.msg_controllen = i->m.msg_controllen;
	}
	if (m.msg_controllen > sizeof(control))
		return -ENOBUFS;
	if (target_read(c, i->name, &sa, m.msg_namelen) ||
	    target_read(c, i->control, control, m.msg_controllen))
		return -EFAULT;
	return bytes_out(c, i, &m, flags);
}

/* A datagram's way is looked at again and again, a stream's room is told. */
static void sent(struct notify_call *c, long r, int flags)
{
	if (flags & MSG_DONTWAIT) {
		notify_answer(c, r);
		return;
	}
	notify_answer_or_wait(c, r, SO_SNDTIMEO, POLLOUT);
	if (c->end != NOTIFY_WAIT || c->s.type == SOCK_STREAM)
		return;
	if (c->wait_ms >= 0 && notify_now() - c->began >= c->wait_ms)
		notify_answer(c, r);
	c->events = 0;
	c->wait_ms = QUEUE_MS;
}

void call_sendto(struct notify_call *c)
{
	struct its_message i;

	message_of_args(c, &i);
	i.m.msg_namelen = (socklen_t)c->data.args[5];
	if (i.name && !i.m.msg_namelen && c->s.type != SOCK_STREAM)
		notify_answer(c, -EINVAL);
	else if (!i.m.msg_namelen)
		c->end = NOTIFY_NATIVE;
	else
		sent(c, message_out(c, &i, flags_of(c, 3)), (int)c->data.args[3]);
}

void call_sendmsg(struct notify_call *c)
{
	struct its_message i;
	int err = message_get(c, c->data.args[1], &i);

	if (err || !is_ours(c, &i, 0))
		c->end = NOTIFY_NATIVE;
	else
		sent(c, message_out(c, &i, flags_of(c, 2)), (int)c->data.args[2]);
}

/* --- receiving ----------------------------------------------------------------------------------------- */

/* What is known of a message that came. */
struct arrival {
	struct sockaddr_storage sa;
	uint8_t control[PROGRAM_CONTROL];
	struct msghdr m;
};

/* Its bytes into the target's parts. */
static long message_in(struct notify_call *c, const struct its_message *i, struct arrival *a,
		       int flags)
{
	struct notify *n = c->notify;
	size_t size = parts_size(c, i->m.msg_iovlen);
	struct iovec own = {n->buffer, size < NOTIFY_BUFFER ? size : NOTIFY_BUFFER};
	long r;

	memset(a, 0, sizeof(*a));
	a->m = (struct msghdr){
	    .msg_name = &a->sa, .msg_namelen = sizeof(a->sa), .msg_iov = &own, .msg_iovlen = 1};
	if (i->control) {
		a->m.msg_control = a->control;
		a->m.msg_controllen = i->m.msg_controllen < sizeof(a->control) ? i->m.msg_controllen
									       : sizeof(a->control);
	}
	r = guest_recvmsg(&c->s, &a->m, flags);
	if (r < 0)
		return r;
	if ((size_t)r < own.iov_len)
		own.iov_len = (size_t)r;
	return target_scatter(c, n->buffer, own.iov_len, n->parts, i->m.msg_iovlen) ? -EFAULT : r;
}

/*
 * A stream's sender is told to nobody.  The kernel receives, so that no signal can lose what was received, and finds
 * no room for the name of our end.
 */
static bool stream_receives(struct notify_call *c, uint64_t len_at, int flags)
{
	const socklen_t none = 0;

	if (c->s.type != SOCK_STREAM || flags & MSG_ERRQUEUE)
		return false;
	c->end = NOTIFY_NATIVE;
	if (target_write(c, len_at, &none, sizeof(none)))
		notify_answer(c, -EFAULT);
	return true;
}

static socklen_t sender_size(const struct arrival *a)
{
	switch (a->sa.ss_family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	default:
		return 0;
	}
}

static long header_in(struct notify_call *c, uint64_t at, int flags)
{
	struct its_message i;
	struct arrival a;
	socklen_t len;
	long r = message_get(c, at, &i);

	if (r)
		return r;
	r = message_in(c, &i, &a, flags);
	if (r < 0)
		return r;
	len = i.name ? sender_size(&a) : 0;
	if (target_write(c, i.name, &a.sa, len < i.m.msg_namelen ? len : i.m.msg_namelen) ||
	    target_write(c, i.control, a.control, a.m.msg_control ? a.m.msg_controllen : 0))
		return -EFAULT;
	i.m.msg_namelen = len;
	i.m.msg_controllen = a.m.msg_control ? a.m.msg_controllen : 0;
	i.m.msg_flags = a.m.msg_flags;
	return target_write(c, at, &i.m, sizeof(i.m)) ? -EFAULT : r;
}

/* Nobody waits for the error queue. */
static void received(struct notify_call *c, long r, int flags)
{
	if (flags & (MSG_DONTWAIT | MSG_ERRQUEUE))
		notify_answer(c, r);
	else
		notify_answer_or_wait(c, r, SO_RCVTIMEO, POLLIN);
}

static uint64_t namelen_at(uint64_t header)
{
	return header + offsetof(struct msghdr, msg_namelen);
}

void call_recvfrom(struct notify_call *c)
{
	const int flags = (int)c->data.args[3];
	struct its_message i;
	struct arrival a;
	int err = 0;
	long r;

	message_of_args(c, &i);
	if (!(i.name && c->data.args[5]) && !(flags & MSG_ERRQUEUE)) {
		c->end = NOTIFY_NATIVE;
		return;
	}
	if (stream_receives(c, c->data.args[5], flags))
		return;
	r = message_in(c, &i, &a, flags | MSG_DONTWAIT);
	if (r >= 0 && i.name && c->data.args[5])
		err = notify_address_put(c, i.name, c->data.args[5], &a.sa, sender_size(&a));
	received(c, err ? err : r, flags);
}

void call_recvmsg(struct notify_call *c)
{
	const int flags = (int)c->data.args[2];
	struct its_message i;
	int err = message_get(c, c->data.args[1], &i);

	if (err || !is_ours(c, &i, flags))
		c->end = NOTIFY_NATIVE;
	else if (!stream_receives(c, namelen_at(c->data.args[1]), flags))
		received(c, header_in(c, c->data.args[1], flags | MSG_DONTWAIT), flags);
}

/* --- several at once ------------------------------------------------------------------------------------- */

static uint64_t nth_at(const struct notify_call *c, unsigned n)
{
	return c->data.args[1] + n * sizeof(struct mmsghdr);
}

static unsigned several(const struct notify_call *c)
{
	unsigned n = (unsigned)c->data.args[2];

	return n < MESSAGES_MOST ? n : MESSAGES_MOST;
}

static bool any_is_ours(const struct notify_call *c, int flags)
{
	struct its_message i;

	for (unsigned n = 0; n < several(c); n++) {
		if (message_get(c, nth_at(c, n), &i) == 0 && is_ours(c, &i, flags))
			return true;
	}
	return false;
}

/* How many were made, or why not the first one. */
static long each(struct notify_call *c, long (*one)(struct notify_call *, uint64_t, int))
{
	const int flags = flags_of(c, 3) & ~MSG_WAITFORONE;
	unsigned done = 0, len;
	long r = 0;

	for (; done < several(c); done++) {
		r = one(c, nth_at(c, done), flags);
		if (r < 0)
			break;
		len = (unsigned)r;
		r = target_write(c, nth_at(c, done) + offsetof(struct mmsghdr, msg_len), &len,
				 sizeof(len));
		if (r)
			break;
	}
	return done ? (long)done : r;
}

static long header_out(struct notify_call *c, uint64_t at, int flags)
{
	struct its_message i;
	int err = message_get(c, at, &i);

	return err ? err : message_out(c, &i, flags);
}

void call_sendmmsg(struct notify_call *c)
{
	if (any_is_ours(c, 0))
		sent(c, each(c, header_out), (int)c->data.args[3]);
	else
		c->end = NOTIFY_NATIVE;
}

void call_recvmmsg(struct notify_call *c)
{
	const int flags = (int)c->data.args[3];
	bool stream = false;

	if (!any_is_ours(c, flags)) {
		c->end = NOTIFY_NATIVE;
		return;
	}
	for (unsigned n = 0; n < several(c); n++)
		stream = stream_receives(c, namelen_at(nth_at(c, n)), flags);
	if (!stream)
		received(c, each(c, header_in), flags);
}
