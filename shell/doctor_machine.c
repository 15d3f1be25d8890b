/*
 * shell/doctor_machine.c - what of this machine weft needs: the device, rights, the kernel's calls and limits, a way
 * beyond the host.
 *
 * A look changes nothing: what might be forbidden is tried in a child.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/doctor.h"
#include "shell/program.h"

#define TUN "/dev/net/tun"
#define QLEN_FEW 64    /* datagrams that wait for a program's UDP socket */
#define FILES_FEW 4096 /* descriptors: two a connection of a program's */
#define NO_NUMBER (-1L)

static void found(struct finding *f, enum finding_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void hint(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void found(struct finding *f, enum finding_kind kind, const char *fmt, ...)
{
	va_list ap;

	f->kind = kind;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static void hint(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->hint, sizeof(f->hint), fmt, ap);
	va_end(ap);
}

static long number_in(const char *path)
{
	long n = NO_NUMBER;
	FILE *f = fopen(path, "re");

	if (!f)
		return n;
	if (fscanf(f, "%ld", &n) != 1)
		n = NO_NUMBER;
	fclose(f);
	return n;
}

static bool may_administer(void)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

/* --- device and rights -------------------------------------------------------------------------------- */

static void look_tun(struct finding *f)
{
	int fd = open(TUN, O_RDWR | O_CLOEXEC), err = errno;

	if (fd >= 0) {
		close(fd);
		found(f, FINDING_OK, "%s opens", TUN);
		return;
	}
	found(f, FINDING_MISSING, "%s: %s", TUN, strerror(err));
	if (err == ENOENT)
		hint(f, "modprobe tun; in a container: --device %s", TUN);
	else if (err == ENODEV || err == ENXIO)
		hint(f, "modprobe tun");
	else
		hint(f, "run weft as root, or: chmod 666 %s", TUN);
}

static void look_rights(struct finding *f)
{
	if (may_administer()) {
		found(f, FINDING_OK, "CAP_NET_ADMIN: weft makes its device in this namespace");
		return;
	}
	found(f, FINDING_NOTE, "no CAP_NET_ADMIN: weft lives in a namespace of its own");
	hint(f, "to stay in this one: ip tuntap add dev tap0 mode tap user %u", (unsigned)getuid());
}

/* 0 or the errno, of a child's unshare(). */
static int namespaces_tried(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) ? errno & 0x7f : 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static void look_namespaces(struct finding *f)
{
	int err = namespaces_tried();

	if (!err) {
		found(f, FINDING_OK, "user namespaces may be made");
		return;
	}
	found(f, may_administer() ? FINDING_NOTE : FINDING_MISSING,
	      "no user namespaces: %s: weft runs with CAP_NET_ADMIN alone", strerror(err));
	if (number_in("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		hint(f, "AppArmor forbids them: a profile with `userns,` for weft, or "
			"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
	else if (number_in("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		hint(f, "sysctl -w kernel.unprivileged_userns_clone=1");
	else if (number_in("/proc/sys/user/max_user_namespaces") == 0)
		hint(f, "sysctl -w user.max_user_namespaces=10000");
	else
		hint(f, "in a container: its seccomp profile has to allow unshare()");
}

/* --- for `weft run` ------------------------------------------------------------------------------------ */

static void look_library(struct finding *f)
{
	char path[768];

	if (program_library(path, sizeof(path))) {
		found(f, FINDING_OK, "%.150s", path);
		return;
	}
	found(f, FINDING_MISSING, PROGRAM_LIBRARY ": not beside weft, nor in ../lib");
	hint(f, "make, or make install");
}

static bool action_known(uint32_t action)
{
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static void look_seccomp(struct finding *f)
{
	if (action_known(SECCOMP_RET_USER_NOTIF)) {
		found(f, FINDING_OK, "filters, and notification");
	} else if (action_known(SECCOMP_RET_ERRNO)) {
		found(f, FINDING_NOTE, "filters, but no notification");
		hint(f, "Linux 5.0 and CONFIG_SECCOMP_FILTER have it");
	} else {
		found(f, FINDING_MISSING, "no filters: %s", strerror(errno));
		hint(f, "a kernel with CONFIG_SECCOMP_FILTER");
	}
}

static void look_pidfd(struct finding *f)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd >= 0) {
		close(fd);
		found(f, FINDING_OK, "the end of a program is seen (pidfd)");
		return;
	}
	found(f, FINDING_NOTE, "pidfd_open: %s: a listener that was closed is seen late",
	      strerror(errno));
	hint(f, "Linux 5.3 has it");
}

static void look_qlen(struct finding *f)
{
	long n = number_in("/proc/sys/net/unix/max_dgram_qlen");

	if (n == NO_NUMBER || n >= QLEN_FEW) {
		found(f, FINDING_OK, "max_dgram_qlen %ld", n);
		return;
	}
	found(f, FINDING_NOTE,
	      "a program's UDP socket holds %ld datagrams: bursts wait or are lost", n);
	hint(f, "in weft's namespace: sysctl -w net.unix.max_dgram_qlen=512");
}

static void look_files(struct finding *f)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_max >= FILES_FEW) {
		found(f, FINDING_OK, "enough descriptors");
		return;
	}
	found(f, FINDING_NOTE, "weft may have %lu descriptors: one for each connection of programs",
	      (unsigned long)r.rlim_max);
	hint(f, "ulimit -Hn 65536, as root");
}

/* --- beyond the host ------------------------------------------------------------------------------------- */

static void look_uplink(struct finding *f)
{
	char rule[UPLINK_RULE];

	uplink_masquerade(rule, sizeof(rule), "10.0.0.0/24", "tap0");
	if (!may_administer()) {
		found(f, FINDING_NOTE,
		      "none without privilege: weft's own namespace has no way out but to its "
		      "host's end");
		hint(f, "run weft as root, or on a TAP made for you");
	} else if (uplink_forwards()) {
		found(f, FINDING_OK, "the host forwards; it must masquerade weft's network too");
		hint(f, "%s", rule);
	} else {
		found(f, FINDING_NOTE, "the host does not forward: weft reaches the host alone");
		hint(f, "sysctl -w net.ipv4.ip_forward=1; %s; weft --gateway 10.0.0.2", rule);
	}
}

static void look_running(struct finding *f)
{
	int fd = control_find_quiet();

	found(f, FINDING_OK,
	      fd >= 0 ? "a weft runs here: weft run joins it"
		      : "none: weft run begins one of its own");
	if (fd >= 0)
		close(fd);
}

const struct finding_row *doctor_row(unsigned n)
{
	static const struct finding_row rows[] = {
	    {"tun", look_tun},         {"rights", look_rights},   {"namespaces", look_namespaces},
	    {"library", look_library}, {"seccomp", look_seccomp}, {"pidfd", look_pidfd},
	    {"datagrams", look_qlen},  {"files", look_files},     {"uplink", look_uplink},
	    {"running", look_running},
	};

	return n < sizeof(rows) / sizeof(rows[0]) ? &rows[n] : NULL;
}
