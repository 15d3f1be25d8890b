/*
 * socket/gateway_note.c - what comes beside a message to a program: a descriptor, which read() and recv() throw
 * away; a file with control messages and whose they are.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "socket/gateway_priv.h"

union ancillary {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

ssize_t gateway_send_with(int to, const void *bytes, size_t n, int fd)
{
	union ancillary an = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cm;

	if (fd >= 0) {
		m.msg_control = &an;
		m.msg_controllen = sizeof(an);
		cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int gateway_note(const struct gateway_message *m, bool data)
{
	struct program_note note = {.magic = PROGRAM_MAGIC,
				    .addr = (uint32_t)(m->key >> 16),
				    .port = (uint16_t)m->key,
				    .flags = m->flags,
				    .control = (uint32_t)m->ncontrol,
				    .len = data ? (uint32_t)m->len : 0};
	struct iovec iov[3] = {{&note, sizeof(note)},
			       {(void *)(uintptr_t)m->control, note.control},
			       {(void *)(uintptr_t)m->bytes, note.len}};
	int fd = memfd_create("weft-note", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (writev(fd, iov, 3) == (ssize_t)(sizeof(note) + note.control + note.len))
		return fd;
	close(fd);
	return -1;
}
