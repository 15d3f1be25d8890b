/*
 * shell/hostcmd.c - `weft host -- PROGRAM`: becomes the program, at the host's end of a weft's TAP.
 *
 * weft hands over descriptors of its namespaces; its own user may enter a user namespace it has made.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/control.h"
#include "shell/shell_priv.h"

/* weft's user and network namespace.  0 or -errno. */
static int host_namespaces(int fd, int *ns)
{
	struct control_request head = {.magic = CONTROL_MAGIC, .kind = CONTROL_HOST};
	int fds[CONTROL_FDS], nfd, n;
	struct control_reply r;
	int err = control_send(fd, &(struct iovec){&head, sizeof(head)}, 1, NULL, 0);

	if (err)
		return err;
	n = control_recv(fd, &(struct iovec){&r, sizeof(r)}, 1, fds, &nfd);
	if (n < 0)
		return n;
	if (nfd != 2) {
		control_close_fds(fds, nfd);
		return -EPROTO;
	}
	memcpy(ns, fds, 2 * sizeof(*ns));
	return 0;
}

int client_enter(int ns, const char *own, int kind)
{
	struct stat there, here;

	if (fstat(ns, &there) || stat(own, &here))
		return -errno;
	if (there.st_ino == here.st_ino && there.st_dev == here.st_dev)
		return 0;
	return setns(ns, kind) ? -errno : 0;
}

int host_main(int argc, char **argv)
{
	const char *control = NULL;
	enum options_result parsed = options_words(argc, argv, &control);
	int fd, err, ns[2];

	if (parsed != OPTIONS_RUN)
		return options_status(parsed);
	argv += optind;
	fd = control_find(control, "host");
	if (fd < 0)
		return CMD_FAIL;
	err = host_namespaces(fd, ns);
	close(fd);
	if (!err)
		err = client_enter(ns[0], "/proc/self/ns/user", CLONE_NEWUSER);
	if (!err)
		err = client_enter(ns[1], "/proc/self/ns/net", CLONE_NEWNET);
	if (err) {
		shell_error("host: weft's namespaces: %s", strerror(-err));
		return CMD_FAIL;
	}
	execvp(argv[0], argv);
	err = errno;
	shell_error("host: %s: %s", argv[0], strerror(err));
	return err == ENOENT ? CMD_NOT_FOUND : 126;
}
