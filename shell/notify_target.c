/*
 * shell/notify_target.c - the process that made a call: its descriptors, its memory.
 *
 * A number of a thread says who it is only while the call is not answered: what was taken by it is used after
 * target_sleeps() only, or while its pidfd, which was opened so, says that it lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shell/notify_priv.h"

#define PIDFD_OF_THREAD O_EXCL /* PIDFD_THREAD, since Linux 6.9 */

bool target_sleeps(const struct notify_call *c)
{
	return ioctl(c->notify->fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &c->id) == 0;
}

/* A line "NAME: NUMBER" of a file of the thread's in /proc; -1: there is none. */
static int proc_number(int tid, const char *file, const char *format)
{
	char path[64], line[256];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, file);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f))
		sscanf(line, format, (unsigned *)&value);
	fclose(f);
	return value;
}

int target_pid(const struct notify_call *c)
{
	int pid = proc_number(c->tid, "status", "Tgid: %u");

	return pid > 0 ? pid : c->tid;
}

bool target_may_be_raw(const struct notify_call *c)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3,
						.pid = c->tid};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	return proc_number(c->tid, "status", "Uid: %*u %u") == 0 &&
	       syscall(SYS_capget, &head, caps) == 0 &&
	       caps[CAP_TO_INDEX(CAP_NET_RAW)].effective & CAP_TO_MASK(CAP_NET_RAW);
}

bool target_fd_cloexec(const struct notify_call *c, int fd)
{
	char file[32];
	int flags;

	snprintf(file, sizeof(file), "fdinfo/%d", fd);
	flags = proc_number(c->tid, file, "flags: %o");
	return flags >= 0 && flags & O_CLOEXEC;
}

/* A process's is its first thread's; before Linux 6.9 only that has one. */
int target_pidfd(const struct notify_call *c)
{
	int fd = (int)syscall(SYS_pidfd_open, c->tid, 0);

	if (fd < 0)
		fd = (int)syscall(SYS_pidfd_open, target_pid(c), 0);
	return fd < 0 ? -errno : fd;
}

/* One that cannot be looked at, for we have no descriptor left, may live. */
bool target_ended(const struct notify_call *c)
{
	struct pollfd p = {.fd = target_pidfd(c), .events = POLLIN};
	bool ended;

	if (p.fd < 0)
		return p.fd == -ESRCH;
	ended = poll(&p, 1, 0) > 0;
	close(p.fd);
	return ended;
}

/* Opened once a call. */
static int thread_pidfd(struct notify_call *c)
{
	if (c->pidfd < 0)
		c->pidfd = (int)syscall(SYS_pidfd_open, c->tid, PIDFD_OF_THREAD);
	if (c->pidfd < 0)
		c->pidfd = target_pidfd(c);
	return c->pidfd;
}

int target_fd(struct notify_call *c, int fd)
{
	int pidfd = thread_pidfd(c), copy;

	if (pidfd < 0)
		return pidfd;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return copy < 0 ? -errno : copy;
}

void target_close(struct notify_call *c)
{
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->pidfd = -1;
}

/* Its number is its own as long as it lives; whether it sleeps yet does not matter. */
static bool target_lives(const struct notify_call *c)
{
	struct pollfd p = {.fd = c->pidfd, .events = POLLIN};

	return c->pidfd >= 0 ? poll(&p, 1, 0) == 0 : target_sleeps(c);
}

int target_gather(const struct notify_call *c, void *to, size_t n, const struct iovec *parts,
		  size_t nparts)
{
	struct iovec own = {to, n};

	if (n == 0)
		return 0;
	if (process_vm_readv(c->tid, &own, 1, parts, nparts, 0) != (ssize_t)n)
		return -EFAULT;
	return target_lives(c) ? 0 : -EFAULT;
}

int target_scatter(const struct notify_call *c, const void *from, size_t n,
		   const struct iovec *parts, size_t nparts)
{
	struct iovec own = {(void *)(uintptr_t)from, n};

	if (n == 0)
		return 0;
	return target_lives(c) && process_vm_writev(c->tid, &own, 1, parts, nparts, 0) == (ssize_t)n
		   ? 0
		   : -EFAULT;
}

int target_read(const struct notify_call *c, uint64_t from, void *to, size_t n)
{
	const struct iovec its = {(void *)(uintptr_t)from, n};

	return target_gather(c, to, n, &its, 1);
}

int target_write(const struct notify_call *c, uint64_t to, const void *from, size_t n)
{
	const struct iovec its = {(void *)(uintptr_t)to, n};

	return target_scatter(c, from, n, &its, 1);
}
