/*
 * shell/confine.c - what weft may still do once its devices are open: no capability, no new privileges,
 * and of the kernel's calls only those below.
 *
 * Done before the first thread, so that every thread has it.  A call that is not on the list fails with
 * EPERM.  Sanitizers need calls of their own: their builds leave the filter out.
 */
#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "shell/shell_priv.h"
#include "socket/program.h"

static int confine_capabilities(void)
{
	bool bounding;

	capng_get_caps_process();
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

#ifdef WEFT_SANITIZE
static int confine_calls(const struct options *o)
{
	shell_verbose(o, "a sanitizer build: no seccomp filter");
	return 0;
}
#else
/* By what they are for.  Numbers of calls this machine does not have are skipped by libseccomp. */
static const int allowed[] = {
    /* memory */
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
    SCMP_SYS(madvise), SCMP_SYS(mincore), SCMP_SYS(membarrier),
    /* threads, locks, time */
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity), SCMP_SYS(gettid), SCMP_SYS(getpid),
    SCMP_SYS(getppid), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(tgkill), SCMP_SYS(prctl),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(arch_prctl),
    SCMP_SYS(getcpu), SCMP_SYS(restart_syscall),
    /* signals */
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack),
    /* descriptors */
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup),
    SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
    SCMP_SYS(signalfd4), SCMP_SYS(fadvise64), SCMP_SYS(copy_file_range), SCMP_SYS(splice),
    SCMP_SYS(sendfile),
    /* files: a log, a capture, the history */
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(fstat), SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(getdents64), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(ftruncate), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
    SCMP_SYS(fallocate), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(fchmod), SCMP_SYS(chmod), SCMP_SYS(fchown),
    SCMP_SYS(chown), SCMP_SYS(umask), SCMP_SYS(getcwd),
    /* control clients */
    SCMP_SYS(accept4), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
    SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    /* the gateway of unmodified programs; a pidfd tells that one has ended */
    SCMP_SYS(listen), SCMP_SYS(memfd_create), SCMP_SYS(pidfd_open), SCMP_SYS(capget),
    /* who and where */
    SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getpgrp), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64),
    SCMP_SYS(getrusage), SCMP_SYS(times)};

/* A name of the gateway's, shorter than any address by which a packet socket could be bound anew. */
static int confine_names(scmp_filter_ctx f)
{
	static const struct scmp_arg_cmp short_name = {2, SCMP_CMP_LE, PROGRAM_NAME_LEN, 0};
	static const int options[] = {SO_SNDBUF, SO_OOBINLINE};
	int err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(bind), 1, &short_name);

	if (!err)
		err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(connect), 1, &short_name);
	for (unsigned i = 0; !err && i < sizeof(options) / sizeof(options[0]); i++) {
		const struct scmp_arg_cmp one[] = {{1, SCMP_CMP_EQ, SOL_SOCKET, 0},
						   {2, SCMP_CMP_EQ, (unsigned)options[i], 0}};

		err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, one);
	}
	return err;
}

/* Threads but no processes; terminals but no typing into them; no sockets but local ones. */
static int confine_arguments(scmp_filter_ctx f)
{
	static const struct scmp_arg_cmp thread = {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD,
						   CLONE_THREAD};
	static const struct scmp_arg_cmp no_typing = {1, SCMP_CMP_NE, TIOCSTI, 0};
	static const struct scmp_arg_cmp local = {0, SCMP_CMP_EQ, AF_UNIX, 0};
	int err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread);

	/* its arguments are in memory, so glibc is sent to clone() */
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!err)
		err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, &no_typing);
	if (!err)
		err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &local);
	return err ? err : confine_names(f);
}

static int confine_calls(const struct options *o)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = f ? 0 : -ENOMEM;

	for (unsigned i = 0; !err && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = confine_arguments(f);
	if (!err)
		err = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return err;
}
#endif

int confine(const struct options *o)
{
	int err = confine_capabilities();

	if (err) {
		shell_error("dropping privileges: %s", strerror(-err));
		return -1;
	}
	err = confine_calls(o);
	if (err) {
		shell_error("seccomp filter: %s", strerror(-err));
		return -1;
	}
	shell_verbose(o, "no capabilities, no new privileges");
	return 0;
}
