/*
 * shell/control_msg.c - packets with descriptors over a control socket, and who is at its other end.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shell/control.h"

/* Room for the descriptors' control message, aligned as it must be. */
union control_ancillary {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
};

int control_send(int fd, struct iovec *iov, int niov, const int *fds, int nfd)
{
	union control_ancillary a = {0};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)niov};
	struct cmsghdr *cm;

	if (nfd > 0) {
		m.msg_control = &a;
		m.msg_controllen = CMSG_SPACE((size_t)nfd * sizeof(int));
		cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN((size_t)nfd * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, (size_t)nfd * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int control_recv(int fd, struct iovec *iov, int niov, int *fds, int *nfd)
{
	union control_ancillary a;
	struct msghdr m = {.msg_iov = iov,
			   .msg_iovlen = (size_t)niov,
			   .msg_control = &a,
			   .msg_controllen = sizeof(a)};
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cm;

	*nfd = 0;
	if (n < 0)
		return -errno;
	for (cm = CMSG_FIRSTHDR(&m); cm; cm = CMSG_NXTHDR(&m, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		*nfd = (int)((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(cm), (size_t)*nfd * sizeof(int));
	}
	if (!(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return (int)n;
	control_close_fds(fds, *nfd);
	*nfd = 0;
	return -EMSGSIZE;
}

void control_close_fds(const int *fds, int nfd)
{
	for (int i = 0; i < nfd; i++)
		close(fds[i]);
}

bool control_peer_ok(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n))
		return false;
	return peer.uid == geteuid() || peer.uid == 0;
}

uint32_t control_peer_pid(int fd)
{
	struct ucred peer = {0};
	socklen_t n = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n);
	return (uint32_t)peer.pid;
}

int control_connect(const char *path)
{
	struct sockaddr_un sa;
	int fd, err = control_address(&sa, path);

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		err = -errno;
	else if (!control_peer_ok(fd))
		err = -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}
