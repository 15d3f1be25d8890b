/*
 * tests/harness/static/served_udp.c - datagrams of a program that loads no library: one and several in a call, what is
 * told beside them, errors.
 */
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/harness/static/served.h"

/* Messages of all kinds to an echo service, their sender told. */
static void udp_one(int fd, const struct sockaddr_in *to, size_t size)
{
	static uint8_t out[65536], in[65536];
	struct sockaddr_in from;
	struct iovec half[2] = {{in, size / 2}, {in + size / 2, sizeof(in) - size / 2}};
	struct msghdr m = {
	    .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = half, .msg_iovlen = 2};

	memset(out, (int)size & 255, size);
	must(sendto(fd, out, size, 0, (const struct sockaddr *)to, sizeof(*to)) == (ssize_t)size);
	must(recvmsg(fd, &m, 0) == (ssize_t)size);
	must(m.msg_namelen == sizeof(from) && memcmp(&from, to, sizeof(from)) == 0);
	must(memcmp(in, out, size) == 0);
}

static int beside(struct msghdr *m, int type)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(m);

	while (cm && cm->cmsg_type != type)
		cm = CMSG_NXTHDR(m, cm);
	return cm != NULL;
}

/* Where it came to is told beside it, and what an ICMP error was about in the error queue. */
static void udp_beside(const struct sockaddr_in *to)
{
	struct sockaddr_in closed = *to;
	char byte = 'q', control[512];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	closed.sin_port = htons(1);
	must(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0);
	must(sendto(fd, &byte, 1, 0, (const struct sockaddr *)to, sizeof(*to)) == 1);
	must(recvmsg(fd, &m, 0) == 1);
	must(beside(&m, IP_PKTINFO));
	must(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) == 0);
	must(recv(fd, &byte, 1, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
	must(sendto(fd, &byte, 1, 0, (struct sockaddr *)&closed, sizeof(closed)) == 1);
	must(poll(&(struct pollfd){.fd = fd}, 1, 10000) == 1);
	m.msg_controllen = sizeof(control);
	must(recvmsg(fd, &m, MSG_ERRQUEUE) == 1 && m.msg_flags & MSG_ERRQUEUE);
	must(beside(&m, IP_RECVERR));
	close(fd);
}

/* Where the length cannot be written the one message is sent and the call fails. */
static void udp_unwritable(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct mmsghdr *m =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov = {"xyz", 3};

	must(m != MAP_FAILED);
	m->msg_hdr = (struct msghdr){.msg_name = (void *)(uintptr_t)to,
				     .msg_namelen = sizeof(*to),
				     .msg_iov = &iov,
				     .msg_iovlen = 1};
	must(mprotect(m, 4096, PROT_READ) == 0);
	must(syscall(SYS_sendmmsg, fd, m, 1, 0) == -1 && errno == EFAULT); /* musl has a loop */
	munmap(m, 4096);
	close(fd);
}

int run_udp(char **v)
{
	struct sockaddr_in to = address(v[0], v[1]), from[2];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char out[2] = "ab", in[2];
	struct iovec iov[4] = {{out, 1}, {out + 1, 1}, {in, 1}, {in + 1, 1}};
	struct mmsghdr m[4];
	socklen_t n = sizeof(from[0]);

	for (int i = 0; i < 4; i++)
		m[i].msg_hdr = (struct msghdr){.msg_name = i < 2 ? &to : &from[i - 2],
					       .msg_namelen = sizeof(to),
					       .msg_iov = &iov[i],
					       .msg_iovlen = 1};
	udp_beside(&to);
	udp_one(fd, &to, 1);
	udp_one(fd, &to, 1472);
	udp_one(fd, &to, 9000);
	udp_unwritable(&to);
	must(sendmmsg(fd, m, 2, 0) == 2 && m[1].msg_len == 1);
	for (int i = 0; i < 2; i++)
		must(recvmmsg(fd, m + 2 + i, 1, 0, NULL) == 1 && from[i].sin_port == to.sin_port);
	must(in[0] == 'a' && in[1] == 'b');
	must(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	must(send(fd, "c", 1, 0) == 1);
	must(recvfrom(fd, in, 1, 0, (struct sockaddr *)&from[0], &n) == 1 && in[0] == 'c');
	must(recvfrom(fd, in, 1, MSG_DONTWAIT, (struct sockaddr *)&from[0], &n) == -1 &&
	     errno == EAGAIN);
	return 0;
}
