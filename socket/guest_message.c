/*
 * socket/guest_message.c - messages that are received with an address or control messages, and those of the error
 * queue.
 *
 * The sender of a datagram that came is the name of the end it came from, or stands in the note that came beside it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>

#include "socket/guest.h"
#include "socket/guest_kernel.h"

#define TRIES 2 /* where an error was shown that the program has read in the queue */

union ancillary {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

bool guest_message_is_ours(const struct msghdr *m, int flags)
{
	return (m->msg_name && m->msg_namelen) || (m->msg_control && m->msg_controllen) ||
	       flags & MSG_ERRQUEUE;
}

/* An address as the program wants it, or none. */
static void sender_put(const struct guest_socket *s, uint32_t addr, uint16_t port, struct msghdr *m)
{
	struct program_addr p = {.ip = {[10] = 0xff, [11] = 0xff}, .port = port};

	if (!m->msg_name)
		return;
	for (int i = 0; i < 4; i++)
		p.ip[12 + i] = (uint8_t)(addr >> (24 - 8 * i));
	guest_address_put(&p, s->family, m->msg_name, &m->msg_namelen);
}

/* As many whole ones as there is room for. */
static void control_put(const uint8_t *control, size_t n, struct msghdr *m)
{
	size_t room = m->msg_control ? m->msg_controllen : 0, done = 0;
	struct cmsghdr h;

	while (done + sizeof(h) <= n) {
		memcpy(&h, control + done, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > n - done || done + h.cmsg_len > room)
			break;
		done += CMSG_ALIGN(h.cmsg_len);
	}
	m->msg_flags |= done < n ? MSG_CTRUNC : 0;
	done = done < n ? done : n;
	done = done < room ? done : room;
	if (done)
		memcpy(m->msg_control, control, done);
	m->msg_controllen = done;
}

/* Who and what, from the note; false: it is none. */
static bool note_put(const struct guest_socket *s, int fd, struct program_note *note,
		     struct msghdr *m)
{
	uint8_t control[PROGRAM_CONTROL];

	if (pread(fd, note, sizeof(*note), 0) != sizeof(*note) || note->magic != PROGRAM_MAGIC ||
	    note->control > sizeof(control) ||
	    pread(fd, control, note->control, sizeof(*note)) != (ssize_t)note->control)
		return false;
	m->msg_flags |= note->flags;
	sender_put(s, note->addr, (uint16_t)note->port, m);
	control_put(control, note->control, m);
	return true;
}

static int passed_of(struct msghdr *m)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (cm && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
	return fd;
}

/* A datagram came: what is beside it, or its sender's name. */
static void dgram_told(const struct guest_socket *s, struct msghdr *in, struct msghdr *m)
{
	const struct sockaddr_un *sa = in->msg_name;
	int fd = passed_of(in);
	struct program_note note;
	struct program_name name;
	bool noted = fd >= 0 && note_put(s, fd, &note, m);

	if (fd >= 0)
		kernel_close(fd);
	if (noted)
		return;
	m->msg_controllen = 0;
	if (program_name_of(&name, s->guest->token.instance, sa, in->msg_namelen))
		sender_put(s, name.addr, name.port, m);
	else
		m->msg_namelen = 0;
}

/* A reset stands for an ICMP error: the slot has it. */
int guest_dgram_cause(const struct guest_socket *s)
{
	int err = guest_error(s);

	if (!err && guest_is_lost(s->guest))
		return ENETDOWN;
	if (s->slot && atomic_load(&s->slot->flags) & PROGRAM_ERRORS)
		guest_ask(s, PROGRAM_ERRORS_LEFT);
	return err;
}

static long dgram_in(const struct guest_socket *s, struct msghdr *m, int flags)
{
	struct sockaddr_un sa = {0};
	union ancillary a;
	struct msghdr in = *m;
	int err, tries = 0;
	long n;

	do {
		in.msg_name = &sa;
		in.msg_namelen = sizeof(sa);
		in.msg_control = &a;
		in.msg_controllen = sizeof(a);
		n = kernel_recvmsg(s->fd, &in, flags | MSG_CMSG_CLOEXEC);
		err = n < 0 ? errno : 0;
		if (err == ECONNRESET && tries++ < TRIES)
			err = guest_dgram_cause(s);
	} while (n < 0 && !err);
	if (n < 0)
		return -err;
	if (n == 0 && guest_is_lost(s->guest))
		return -ENETDOWN;
	m->msg_flags = in.msg_flags & ~(MSG_CMSG_CLOEXEC | MSG_CTRUNC);
	dgram_told(s, &in, m);
	return n;
}

/* The oldest error, and what is quoted of the datagram that it is about. */
static long error_in(const struct guest_socket *s, struct msghdr *m)
{
	struct program_request q = {.kind = PROGRAM_ERRQUEUE, .id = s->id};
	struct program_note note;
	struct program_reply r;
	int shown, fd, err;
	socklen_t len = sizeof(shown);
	long n = -ENOBUFS;

	if (s->type == SOCK_STREAM)
		return -EAGAIN;
	kernel_getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &shown, &len);
	err = guest_request_passing(s->guest, &q, &r, &fd);
	if (!err && fd >= 0) {
		m->msg_flags = 0;
		if (note_put(s, fd, &note, m)) {
			n = preadv(fd, m->msg_iov, (int)m->msg_iovlen,
				   (off_t)(sizeof(note) + note.control));
			n = n < 0 ? -errno : n;
			m->msg_flags |= n < (long)note.len ? MSG_TRUNC : 0;
		}
	}
	if (fd >= 0)
		kernel_close(fd);
	return err ? err : n;
}

static long message_in(const struct guest_socket *s, struct msghdr *m, int flags)
{
	struct msghdr in = *m;
	long n;

	if (flags & MSG_ERRQUEUE)
		return error_in(s, m);
	if (s->type != SOCK_STREAM)
		return dgram_in(s, m, flags);
	in.msg_name = NULL; /* of a stream nobody is told */
	n = kernel_recvmsg(s->fd, &in, flags);
	if (n < 0)
		return -errno;
	m->msg_controllen = in.msg_controllen;
	m->msg_flags = in.msg_flags;
	m->msg_namelen = 0;
	return n;
}

long guest_recvmsg(const struct guest_socket *s, struct msghdr *m, int flags)
{
	return guest_answer(s->guest, PROGRAM_CALL_RECV, flags, 0, message_in(s, m, flags));
}
