/*
 * shell/control_find.c - which weft a client means.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/control.h"
#include "shell/shell_priv.h"

static int find_given(const char *path, const char *who)
{
	int fd = control_connect(path);

	if (fd == -EPERM)
		shell_error("%s: %s: another user's weft", who, path);
	else if (fd == -ECONNREFUSED || fd == -ENOENT)
		shell_error("%s: %s: no weft listens there", who, path);
	else if (fd < 0)
		shell_error("%s: %s: %s", who, path, strerror(-fd));
	return fd < 0 ? -1 : fd;
}

/* All that live in the folder: how many; the last one's descriptor, and their names for the error. */
static unsigned find_all(const char *dir, int *fd, char *names, size_t size)
{
	DIR *d = opendir(dir);
	unsigned n = 0;
	struct dirent *e;
	char path[600]; /* the folder and a file name */

	*fd = -1;
	*names = '\0';
	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name), at = strlen(names);
		int one;

		if (len < 6 || strcmp(e->d_name + len - 5, ".sock"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		one = control_connect(path);
		if (one < 0)
			continue;
		if (n++)
			close(*fd);
		*fd = one;
		snprintf(names + at, size - at, " %s", path);
	}
	if (d)
		closedir(d);
	return n;
}

/*
 * A rootless weft has a user namespace of its own, and is meant from outside too; any other is its own
 * network namespace's.  What we may not look at is not of ours.
 */
static bool is_rootless(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);
	struct stat own, its;
	char path[64];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) || stat("/proc/self/ns/user", &own))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)peer.pid);
	return stat(path, &its) || its.st_ino != own.st_ino;
}

int control_find_quiet(void)
{
	char dir[300], path[400], names[1000];
	unsigned n;
	int fd;

	if (control_dir(dir, sizeof(dir)))
		return -1;
	snprintf(path, sizeof(path), "%s/%llu.sock", dir, (unsigned long long)control_netns());
	fd = control_connect(path);
	if (fd >= 0)
		return fd;
	n = find_all(dir, &fd, names, sizeof(names));
	if (n == 1 && is_rootless(fd))
		return fd;
	if (n)
		close(fd);
	return -1;
}

int control_find(const char *given, const char *who)
{
	char dir[300], path[400], names[1000];
	unsigned n;
	int fd;

	if (given)
		return find_given(given, who);
	if (control_dir(dir, sizeof(dir))) {
		shell_error("%s: $XDG_RUNTIME_DIR is too long", who);
		return -1;
	}
	snprintf(path, sizeof(path), "%s/%llu.sock", dir, (unsigned long long)control_netns());
	fd = control_connect(path);
	if (fd >= 0)
		return fd;
	n = find_all(dir, &fd, names, sizeof(names));
	if (n == 1)
		return fd;
	if (n == 0) {
		shell_error(
		    "%s: no weft of yours runs (%s): start one, or name its socket with --control",
		    who, dir);
		return -1;
	}
	close(fd);
	shell_error("%s: several run, name one with --control:%s", who, names);
	return -1;
}
