/*
 * shell/control_path.c - where control sockets are: a folder a user, a name a network namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/control.h"
#include "shell/shell_priv.h"

uint64_t control_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

int control_dir(char *dir, unsigned size)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	int n;

	if (geteuid() == 0)
		n = snprintf(dir, size, "/run/weft");
	else if (run && *run == '/')
		n = snprintf(dir, size, "%s/weft", run);
	else
		n = snprintf(dir, size, "/tmp/weft-%u", (unsigned)geteuid());
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

int control_address(struct sockaddr_un *sa, const char *path)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	strcpy(sa->sun_path, path);
	return 0;
}

/* The folder is ours alone: in /tmp another user might have been first. */
static int control_dir_make(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0700) == 0)
		return 0;
	if (errno != EEXIST || lstat(dir, &st)) {
		shell_error("control: %s: %s: name another socket with --control PATH", dir,
			    strerror(errno));
		return -1;
	}
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022))
		return 0;
	shell_error(
	    "control: %s: not a folder that only you can write to: remove it, or name another "
	    "socket with --control PATH",
	    dir);
	return -1;
}

int control_choose(const struct options *o, struct control_place *p)
{
	int n;

	if (o->control) {
		n = snprintf(p->path, sizeof(p->path), "%s", o->control);
	} else {
		if (control_dir_make(p->dir))
			return -1;
		n = snprintf(p->path, sizeof(p->path), "%s/%llu.sock", p->dir,
			     (unsigned long long)control_netns());
	}
	if (n < (int)sizeof(p->path))
		return 0;
	shell_error(
	    "control: %s: the path is longer than %zu bytes: name another with --control PATH",
	    o->control ? o->control : p->dir, sizeof(p->path) - 1);
	return -1;
}
