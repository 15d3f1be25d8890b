/*
 * shell/rootless.c - weft without privilege: in a user and network namespace of its own.
 *
 * Its user is root there, so it may make devices and configure the host's end, which is this namespace;
 * `weft host` enters it.  Needs a /dev/net/tun that everybody may open, as udev makes it.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/shell_priv.h"

#define GROUPS_MAX 64
#define TUN "/dev/net/tun"

/* A number the kernel tells about an interface, or -1. */
static long tap_attribute(const char *name, const char *attribute)
{
	char path[96];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, attribute);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

static bool tap_is_of_group(long group)
{
	gid_t groups[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX, groups);

	if (group == (long)getegid())
		return true;
	for (int i = 0; i < n; i++) {
		if (group == (long)groups[i])
			return true;
	}
	return false;
}

/* Made beforehand for this user: `ip tuntap add dev tap0 mode tap user NAME`. */
static bool tap_is_ours(const char *name)
{
	long owner = tap_attribute(name, "owner"), group = tap_attribute(name, "group");

	return (owner >= 0 && owner == (long)geteuid()) || (group >= 0 && tap_is_of_group(group));
}

bool rootless_needless(const struct options *o)
{
	capng_get_caps_process();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		return true;
	for (unsigned i = 0; i < o->ndevice; i++) {
		if (device_is_packet(&o->device[i]))
			return true; /* it is in this namespace, or nowhere */
	}
	for (unsigned i = 0; i < o->ndevice; i++) {
		if (!tap_is_ours(device_name(&o->device[i])))
			return false;
	}
	return true;
}

static int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* We are root in the namespace just made, and nobody else is there. */
static int map_root(uid_t uid, gid_t gid)
{
	char text[48];
	int err = file_write("/proc/self/setgroups", "deny");

	if (err && err != -ENOENT)
		return err;
	snprintf(text, sizeof(text), "0 %u 1", (unsigned)uid);
	err = file_write("/proc/self/uid_map", text);
	if (err)
		return err;
	snprintf(text, sizeof(text), "0 %u 1", (unsigned)gid);
	return file_write("/proc/self/gid_map", text);
}

int rootless_enter(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int err;

	if (access(TUN, R_OK | W_OK) && errno != ENOENT)
		return tun_forbidden(-errno);
	err = unshare(CLONE_NEWUSER | CLONE_NEWNET) ? -errno : map_root(uid, gid);
	if (err) {
		shell_error(
		    "no CAP_NET_ADMIN, and no namespace of its own: %s: run weft as root, or "
		    "on a TAP made for you (ip tuntap add dev tap0 mode tap user %u)",
		    strerror(-err), (unsigned)uid);
		return -1;
	}
	return 0;
}
