/*
 * shell/program_lost.c - weft was killed: programs that wait for what cannot come any more are told.
 *
 * A stream is told by the kernel, which has closed its other end.  A listener gets a connection that says so.  A
 * datagram socket's calls do not end with its peer, and one that is connected hears nobody else: so its
 * descriptor is fetched from a process that has it, and connected to a peer that leaves with bytes unread.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shell/program.h"

#define PATH 64

/* LOCKING: one thread. */
struct lost {
	const struct program_token *token;
	unsigned long *inode; /* of datagram sockets that nobody has told; 0: told */
	size_t n, room;
	int pidfd; /* of the process looked at, or -1 */
};

/* --- which there are ------------------------------------------------------------------------------------ */

static bool is_dgram(const struct lost *l, const struct sockaddr_un *sa, socklen_t len)
{
	struct program_name n;

	return program_name_of(&n, l->token->instance, sa, len) && n.kind == PROGRAM_DGRAM;
}

static void inode_add(struct lost *l, unsigned long inode)
{
	unsigned long *more;

	if (l->n == l->room) {
		more = realloc(l->inode, (l->room + 64) * sizeof(*more));
		if (!more)
			return;
		l->inode = more;
		l->room += 64;
	}
	l->inode[l->n++] = inode;
}

/* The kernel shows an abstract name's first byte as '@'. */
static void inodes_find(struct lost *l)
{
	FILE *f = fopen("/proc/thread-self/net/unix", "re");
	char line[256], path[128];
	unsigned long inode;

	while (f && fgets(line, sizeof(line), f)) {
		struct sockaddr_un sa = {.sun_family = AF_UNIX};

		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %lu @%127s", &inode, path) != 2 ||
		    strlen(path) != PROGRAM_NAME)
			continue;
		memcpy(sa.sun_path + 1, path, PROGRAM_NAME);
		if (is_dgram(l, &sa, PROGRAM_NAME_LEN))
			inode_add(l, inode);
	}
	if (f)
		fclose(f);
}

/* NULL: it is none of these. */
static unsigned long *inode_of(struct lost *l, int dir, const char *number)
{
	char target[PATH];
	unsigned long inode;
	ssize_t n = readlinkat(dir, number, target, sizeof(target) - 1);

	target[n < 0 ? 0 : n] = 0;
	if (sscanf(target, "socket:[%lu]", &inode) != 1)
		return NULL;
	for (size_t i = 0; i < l->n; i++) {
		if (l->inode[i] == inode)
			return &l->inode[i];
	}
	return NULL;
}

/* --- telling -------------------------------------------------------------------------------------------- */

/* An error that waits there, as a weft that stops in order has left one, ends the first try and is gone. */
static bool byte_sent(int fd)
{
	for (int i = 0; i < 2; i++) {
		if (send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
			return true;
	}
	return false;
}

/* The kernel shows ECONNRESET on the socket of a peer that leaves with bytes unread. */
static bool peer_breaks(int fd, const struct sockaddr_un *name, socklen_t len)
{
	int peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un own = {.sun_family = AF_UNIX};
	struct sockaddr *sa = (struct sockaddr *)&own;
	socklen_t n = sizeof(own);
	bool told;

	if (peer < 0)
		return false;
	told = bind(peer, sa, sizeof(sa->sa_family)) == 0 && getsockname(peer, sa, &n) == 0 &&
	       connect(fd, sa, n) == 0 && connect(peer, (const struct sockaddr *)name, len) == 0 &&
	       byte_sent(fd);
	own = (struct sockaddr_un){.sun_family = AF_UNSPEC};
	told = told && connect(peer, sa, sizeof(own)) == 0;
	close(peer);
	return told;
}

/* The number may be another file's by now. */
static bool dgram_tell(const struct lost *l, int number)
{
	int fd = (int)syscall(SYS_pidfd_getfd, l->pidfd, number, 0);
	struct sockaddr_un name = {0};
	socklen_t len = sizeof(name);
	bool told;

	if (fd < 0)
		return false;
	told = getsockname(fd, (struct sockaddr *)&name, &len) == 0 && is_dgram(l, &name, len) &&
	       peer_breaks(fd, &name, len);
	close(fd);
	return told;
}

static void process_tell(struct lost *l, int pid)
{
	char path[PATH];
	DIR *d;
	struct dirent *e;
	unsigned long *inode;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	if (!d)
		return;
	l->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	while (l->pidfd >= 0 && (e = readdir(d))) {
		inode = inode_of(l, dirfd(d), e->d_name);
		if (inode && *inode && dgram_tell(l, atoi(e->d_name)))
			*inode = 0;
	}
	if (l->pidfd >= 0)
		close(l->pidfd);
	closedir(d);
}

static void dgrams_tell(struct lost *l)
{
	DIR *d = l->n ? opendir("/proc") : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (isdigit((unsigned char)e->d_name[0]))
			process_tell(l, atoi(e->d_name));
	}
	if (d)
		closedir(d);
}

/* A datagram socket that could not be fetched hears of it only if it is not connected. */
void program_lost(const struct program_token *token, struct program_table *t)
{
	struct lost l = {.token = token};

	atomic_store(&t->lost, 1);
	inodes_find(&l);
	dgrams_tell(&l);
	free(l.inode);
	for (uint32_t i = 1; i < PROGRAM_SLOTS && i < atomic_load(&t->top); i++) {
		const struct program_slot *s = &t->slot[i];
		uint32_t word = atomic_load(&s->word);
		bool dgram = s->type != SOCK_STREAM;

		if (word & 1 && (dgram || atomic_load(&s->state) == PROGRAM_LISTENING))
			program_goodbye(token->instance, (word >> 1 & 0xffff) << 16 | i, dgram);
	}
}
