/*
 * shell/program_filter.c - a program under `weft run` never reaches the host's network: sockets of the kernel's
 * IP and packet families are refused, whoever asks past the library, or with the other calls on sockets notified
 * to who serves them (notify.c).
 *
 * Every descendant has the filter.  Without CAP_SYS_ADMIN it needs no_new_privs.
 */
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "shell/program.h"
#include "shell/shell_priv.h"

#define WORD UINT32_MAX /* an int as the kernel takes it */

/* Those whose sixth argument says who means the kernel; sendto and recvfrom use it, and name somebody or not. */
static const int plain[] = {
    SCMP_SYS(bind),       SCMP_SYS(listen),      SCMP_SYS(connect),     SCMP_SYS(accept),
    SCMP_SYS(accept4),    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt), SCMP_SYS(sendmsg),     SCMP_SYS(sendmmsg),    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),   SCMP_SYS(shutdown),
};
static const int named[] = {SCMP_SYS(sendto), SCMP_SYS(recvfrom)};

static int rule(scmp_filter_ctx f, uint32_t action, int nr, struct scmp_arg_cmp when)
{
	return seccomp_rule_add_array(f, action, nr, 1, &when);
}

static int socket_rules(scmp_filter_ctx f, uint32_t served)
{
	static const int families[] = {AF_INET, AF_INET6};
	/* devices themselves, and what goes over the host's IP by other names */
	static const int never[] = {AF_PACKET, AF_XDP, AF_PPPOX, AF_RDS, AF_RXRPC, AF_SMC, AF_TIPC};
	const uint32_t refused = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	int err = 0;

	for (unsigned i = 0; !err && i < sizeof(never) / sizeof(never[0]); i++)
		err = rule(f, refused, SCMP_SYS(socket),
			   SCMP_A0_32(SCMP_CMP_MASKED_EQ, WORD, (uint32_t)never[i]));
	for (unsigned i = 0; !err && i < sizeof(families) / sizeof(families[0]); i++)
		err = rule(f, served ? served : refused, SCMP_SYS(socket),
			   SCMP_A0_32(SCMP_CMP_MASKED_EQ, WORD, (uint32_t)families[i]));
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0);
	return err;
}

/* Interfaces' ioctls are 0x8910 to 0x893f. */
static int notify_rules(scmp_filter_ctx f)
{
	int err = 0;

	for (unsigned i = 0; !err && i < sizeof(plain) / sizeof(plain[0]); i++)
		err = rule(f, SCMP_ACT_NOTIFY, plain[i], SCMP_A5_64(SCMP_CMP_NE, PROGRAM_PASS, 0));
	for (unsigned i = 0; !err && i < sizeof(named) / sizeof(named[0]); i++)
		err = rule(f, SCMP_ACT_NOTIFY, named[i], SCMP_A4_64(SCMP_CMP_NE, 0, 0));
	if (!err)
		err = rule(f, SCMP_ACT_NOTIFY, SCMP_SYS(recvfrom),
			   SCMP_A3_64(SCMP_CMP_MASKED_EQ, MSG_ERRQUEUE, MSG_ERRQUEUE));
	for (uint32_t to = 0x8910; !err && to <= 0x8930; to += 0x10)
		err = rule(f, SCMP_ACT_NOTIFY, SCMP_SYS(ioctl),
			   SCMP_A1_32(SCMP_CMP_MASKED_EQ, 0xfffffff0, to));
	return err;
}

/* The library says -ECANCELED of what the kernel refused. */
static int filter_put(scmp_filter_ctx f)
{
	int err = seccomp_load(f);

	return err == -ECANCELED ? -errno : err;
}

static int filter_load(bool notify, int *listener)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int err = f ? socket_rules(f, notify ? SCMP_ACT_NOTIFY : 0) : -ENOMEM;

	if (!err && notify)
		err = notify_rules(f);
	if (!err)
		err = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (!err)
		err = filter_put(f);
	if (err == -EACCES || err == -EPERM) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		err = filter_put(f);
	}
	*listener = !err && notify ? seccomp_notify_fd(f) : -1;
	if (f)
		seccomp_release(f);
	return err;
}

int program_filter(bool notify, int *listener)
{
	int err = filter_load(notify, listener);

	if (err == -EBUSY)
		shell_error("run: another `weft run` serves all that runs here; --mode preload "
			    "leaves it");
	else if (err)
		shell_error("run: seccomp filter: %s", strerror(-err));
	return err ? -1 : 0;
}
