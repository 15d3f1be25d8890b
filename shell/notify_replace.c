/*
 * shell/notify_replace.c - another file under a target's numbers, all of its process's that had the old one, with what
 * watches them by epoll.
 *
 * A registration goes by file and number, in whichever process it is made: so one of ours makes it that has the
 * files under the target's number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/notify_priv.h"

#define PROC 32
#define NUMBERS 64
#define WATCHES 16 /* epoll instances that watch one of them */

/* A number of a target's. */
struct replaced {
	struct notify_call *call;
	const char *proc;
	int number, old, fresh; /* files: ours */
	ino_t socket;
	struct guest_watch watch[WATCHES];
	unsigned nwatches;
};

/* Out of the way of the target's number, which is ours too now. */
static void files_move(struct replaced *r)
{
	r->old = fcntl(r->old, F_DUPFD, r->number + 1);
	r->fresh = fcntl(r->fresh, F_DUPFD, r->number + 1);
	r->call->pidfd = fcntl(r->call->pidfd, F_DUPFD, r->number + 1);
}

static void watches_child(struct replaced *r)
{
	int epoll[WATCHES];

	files_move(r);
	dup2(r->old, r->number);
	for (unsigned i = 0; i < r->nwatches; i++) {
		epoll[i] = target_fd(r->call, r->watch[i].epoll);
		epoll_ctl(epoll[i], EPOLL_CTL_DEL, r->number, NULL);
	}
	dup2(r->fresh, r->number);
	for (unsigned i = 0; i < r->nwatches; i++)
		epoll_ctl(epoll[i], EPOLL_CTL_ADD, r->number, &r->watch[i].event);
	_exit(0);
}

static void watches_replace(struct replaced *r)
{
	pid_t child;

	r->nwatches = guest_watches(r->proc, r->number, r->socket, r->watch, WATCHES);
	if (r->nwatches == 0)
		return;
	child = fork();
	if (child == 0)
		watches_child(r);
	if (child > 0)
		waitpid(child, NULL, 0);
}

static int number_replace(struct replaced *r)
{
	const struct notify_call *c = r->call;
	struct seccomp_notif_addfd a = {.id = c->id,
					.flags = SECCOMP_ADDFD_FLAG_SETFD,
					.srcfd = (uint32_t)r->fresh,
					.newfd = (uint32_t)r->number};

	a.newfd_flags = target_fd_cloexec(c, r->number) ? O_CLOEXEC : 0;
	watches_replace(r);
	return ioctl(c->notify->fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a) < 0 ? -errno : 0;
}

int target_replace(struct notify_call *c, int fd, int fresh)
{
	char proc[PROC];
	struct replaced r = {.call = c, .proc = proc, .number = fd, .old = c->s.fd, .fresh = fresh};
	int number[NUMBERS], err;
	struct stat old;
	unsigned n;

	if (fstat(c->s.fd, &old))
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/%d", c->tid);
	r.socket = old.st_ino;
	n = guest_numbers(proc, old.st_ino, number, NUMBERS);
	if (!target_sleeps(c))
		return -EBADF;
	err = number_replace(&r);
	for (unsigned i = 0; i < n && !err; i++) {
		r.number = number[i];
		if (number[i] != fd)
			err = number_replace(&r);
	}
	return err;
}
