/*
 * socket/preload_replace.c - another file under the program's numbers, all of this process's that had the old one,
 * with what watches them by epoll.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "socket/preload.h"

#define NUMBERS 64
#define WATCHES 16 /* epoll instances that watch one of them */

/* The old file's registrations would stay as long as others have it. */
static int number_replace(int fd, ino_t socket, int fresh)
{
	struct guest_watch w[WATCHES];
	unsigned n = guest_watches("/proc/self", fd, socket, w, WATCHES);
	int cloexec = fcntl(fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0;
	struct stat now;

	for (unsigned i = 0; i < n; i++)
		epoll_ctl(w[i].epoll, EPOLL_CTL_DEL, fd, NULL);
	if (fstat(fd, &now) || now.st_ino != socket)
		return 0; /* another thread has closed it meanwhile */
	if (kernel_dup3(fresh, fd, cloexec) < 0)
		return -errno;
	for (unsigned i = 0; i < n; i++)
		epoll_ctl(w[i].epoll, EPOLL_CTL_ADD, fd, &w[i].event);
	return 0;
}

int preload_replace(int fd, int fresh)
{
	int number[NUMBERS], err;
	struct stat old;
	unsigned n;

	if (fstat(fd, &old))
		return -errno;
	n = guest_numbers("/proc/self", old.st_ino, number, NUMBERS);
	err = number_replace(fd, old.st_ino, fresh);
	for (unsigned i = 0; i < n && !err; i++) {
		if (number[i] != fd)
			err = number_replace(number[i], old.st_ino, fresh);
	}
	return err;
}
