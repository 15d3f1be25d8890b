/*
 * shell/program_filter.c - a program under `weft run` never reaches the host's network: sockets of the kernel's
 * IP and packet families are refused, whoever asks past the library.
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

static int filter_load(void)
{
	static const int families[] = {AF_INET, AF_INET6, AF_PACKET};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int err = f ? 0 : -ENOMEM;

	for (unsigned i = 0; !err && i < sizeof(families) / sizeof(families[0]); i++) {
		struct scmp_arg_cmp family = {0, SCMP_CMP_MASKED_EQ, UINT32_MAX,
					      (scmp_datum_t)families[i]};

		err = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
					     &family);
	}
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0);
	if (!err)
		err = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (!err)
		err = seccomp_load(f);
	if (err == -EACCES || err == -EPERM || err == -ECANCELED) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		err = seccomp_load(f);
	}
	if (f)
		seccomp_release(f);
	return err;
}

int program_filter(void)
{
	int err = filter_load();

	if (err)
		shell_error("run: seccomp filter: %s", strerror(-err));
	return err;
}
