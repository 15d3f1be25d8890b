/*
 * shell/program_link.c - `weft run` and the gateway: a connection that ends with weft, and who we are in its
 * namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shell/control.h"
#include "shell/program.h"

/* q->kind and what belongs to it are the caller's. */
static int ask_for(int fd, struct program_request *q, const struct program_token *token,
		   struct program_reply *r, int *passed)
{
	int fds[CONTROL_FDS], nfd = 0, n;

	*passed = -1;
	q->magic = PROGRAM_MAGIC;
	memcpy(q->secret, token->secret, sizeof(q->secret));
	n = control_send(fd, &(struct iovec){q, sizeof(*q)}, 1, NULL, 0);
	if (!n)
		n = control_recv(fd, &(struct iovec){r, sizeof(*r)}, 1, fds, &nfd);
	if (n < 0)
		return n;
	if (nfd > 0)
		*passed = fds[0];
	return n == sizeof(*r) && r->magic == PROGRAM_MAGIC ? r->err : -EPROTO;
}

static int ask(int fd, enum program_request_kind kind, const struct program_token *token,
	       int *passed)
{
	struct program_request q = {.kind = kind};
	struct program_reply r;

	return ask_for(fd, &q, token, &r, passed);
}

static int gateway_connect(const struct program_token *token)
{
	const struct program_name n = {.kind = PROGRAM_REQUEST};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, token->instance, &n);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) == 0)
		return fd < 0 ? -errno : fd;
	err = -errno;
	close(fd);
	return err;
}

int program_stay(const struct program_token *token, int *fd, struct program_table **table)
{
	int passed, err;

	*fd = gateway_connect(token);
	if (*fd < 0)
		return *fd;
	err = ask(*fd, PROGRAM_STAY, token, &passed);
	if (passed < 0)
		return err ? err : -EPROTO;
	*table = mmap(NULL, sizeof(**table), PROT_READ | PROT_WRITE, MAP_SHARED, passed, 0);
	close(passed);
	return *table == MAP_FAILED ? -ENOMEM : err;
}

bool program_settled(int stay, const struct program_token *token)
{
	int passed;

	return ask(stay, PROGRAM_SETTLED, token, &passed) != -EAGAIN;
}

bool program_device(int stay, const struct program_token *token, unsigned n,
		    struct program_device *d)
{
	struct program_request q = {.kind = PROGRAM_DEVICES, .name = (int)n};
	struct program_reply r;
	int passed;

	if (ask_for(stay, &q, token, &r, &passed) || r.len < sizeof(*d))
		return false;
	memcpy(d, r.bytes, sizeof(*d));
	d->name[sizeof(d->name) - 1] = '\0';
	return true;
}

static int map_write(const char *path, unsigned id)
{
	char text[32];
	int fd = open(path, O_WRONLY | O_CLOEXEC), n = snprintf(text, sizeof(text), "%u 0 1", id);
	int err = fd < 0 || write(fd, text, (size_t)n) != n ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

int program_map_user(uid_t uid, gid_t gid)
{
	int fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC), err;

	if (fd >= 0) {
		err = write(fd, "deny", 4) == 4 ? 0 : -errno;
		close(fd);
		if (err)
			return err;
	}
	err = map_write("/proc/self/uid_map", uid);
	return err ? err : map_write("/proc/self/gid_map", gid);
}
