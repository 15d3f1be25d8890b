/*
 * shell/main.c - the weft program: a running stack with its net shell, or a client of one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/options.h"
#include "shell/shell_priv.h"
#include "shell/start.h"
#include "tests/sim/lab.h"

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} subcommands[] = {
    {"ctl", ctl_main}, {"doctor", doctor_main}, {"host", host_main},
    {"run", run_main}, {"sim", lab_main},
};

/* Descriptors 0 to 2 exist: a file of ours must not become somebody's standard output. */
static void standard_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	enum options_result r;
	struct options o;

	standard_open();
	for (unsigned i = 0; argc > 1 && i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
		if (strcmp(argv[1], subcommands[i].name) == 0)
			return subcommands[i].main(argc - 1, argv + 1);
	}
	r = options_parse(&o, argc, argv);
	return r == OPTIONS_RUN ? start_main(&o) : options_status(r);
}
