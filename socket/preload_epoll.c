/*
 * socket/preload_epoll.c - what watches a descriptor by epoll, so that another socket under its number is watched
 * likewise.
 *
 * The kernel forgets a registration with its file, not with its number; /proc tells which there are.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "socket/preload.h"

#define NAMES 80 /* bytes of a path in /proc/self */

static bool is_epoll(const char *number)
{
	char path[NAMES], target[NAMES];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%.20s", number);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = 0;
	return strcmp(target, "anon_inode:[eventpoll]") == 0;
}

/* Is fd on the list of this instance? */
static bool watch_of(const char *number, int fd, struct preload_watch *w)
{
	char path[NAMES], line[200];
	unsigned long long data = 0;
	unsigned events = 0;
	bool found = false;
	FILE *f;
	int tfd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%.20s", number);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "tfd: %d events: %x data: %llx", &tfd, &events, &data) == 3 &&
			tfd == fd;
	if (f)
		fclose(f);
	if (found)
		*w = (struct preload_watch){.epoll = atoi(number),
					    .event = {.events = events, .data.u64 = data}};
	return found;
}

unsigned preload_watches(int fd, struct preload_watch *w, unsigned room)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned n = 0;

	while (d && n < room && (entry = readdir(d))) {
		if (is_epoll(entry->d_name) && watch_of(entry->d_name, fd, &w[n]))
			n++;
	}
	if (d)
		closedir(d);
	return n;
}

void preload_watch_again(int fd, const struct preload_watch *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct epoll_event ev = w[i].event;

		epoll_ctl(w[i].epoll, EPOLL_CTL_ADD, fd, &ev);
	}
}
