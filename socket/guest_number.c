/*
 * socket/guest_number.c - a process's numbers, as /proc tells: those of one socket, and what watches them by epoll.
 *
 * For a socket whose file is replaced: a registration goes by file and number both.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket/guest.h"

#define PATH 80

/* What the number is, as text. */
static void target_of(int dir, const char *number, char *target, size_t room)
{
	ssize_t n = readlinkat(dir, number, target, room - 1);

	target[n < 0 ? 0 : n] = 0;
}

/* The next number in /proc/.../fd whose file is called so, -1: there is no more. */
static int next_called(DIR *d, const char *name)
{
	struct dirent *e;
	char target[PATH];

	while (d && (e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		target_of(dirfd(d), e->d_name, target, sizeof(target));
		if (strcmp(target, name) == 0)
			return atoi(e->d_name);
	}
	if (d)
		closedir(d);
	return -1;
}

static DIR *numbers_open(const char *proc)
{
	char path[PATH];

	snprintf(path, sizeof(path), "%s/fd", proc);
	return opendir(path);
}

unsigned guest_numbers(const char *proc, ino_t socket, int *number, unsigned room)
{
	DIR *d = numbers_open(proc);
	char name[PATH];
	unsigned n = 0;
	int fd;

	snprintf(name, sizeof(name), "socket:[%lu]", (unsigned long)socket);
	while ((fd = next_called(d, name)) >= 0) {
		if (n < room)
			number[n++] = fd;
	}
	return n;
}

/* Is the socket on the list of this instance by that number? */
static bool watch_of(const char *proc, int fd, ino_t socket, struct guest_watch *w)
{
	char path[PATH], line[200];
	unsigned long long data = 0;
	unsigned long inode = 0;
	unsigned events = 0;
	bool found = false;
	FILE *f;
	int tfd;

	snprintf(path, sizeof(path), "%s/fdinfo/%d", proc, w->epoll);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "tfd: %d events: %x data: %llx pos:%*s ino:%lx", &tfd, &events,
			       &data, &inode) == 4 &&
			tfd == fd && inode == socket;
	if (f)
		fclose(f);
	w->event = (struct epoll_event){.events = events, .data.u64 = data};
	return found;
}

unsigned guest_watches(const char *proc, int fd, ino_t socket, struct guest_watch *w, unsigned room)
{
	DIR *d = numbers_open(proc);
	struct guest_watch one;
	unsigned n = 0;

	while ((one.epoll = next_called(d, "anon_inode:[eventpoll]")) >= 0) {
		if (n < room && watch_of(proc, fd, socket, &one))
			w[n++] = one;
	}
	return n;
}
