/*
 * shell/banner.c - what a person at the prompt is told first: devices, addresses, routes, the ARP
 * cache, threads.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "shell/shell_priv.h"

/* The names of this process's threads, as `ps -T` has them. */
static void banner_threads(struct cmd *c)
{
	DIR *dir = opendir("/proc/self/task");
	char path[64], name[32];
	struct dirent *e;
	FILE *f;

	fputs("threads:", c->out);
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f))
			fprintf(c->out, " %.*s", (int)strcspn(name, "\n"), name);
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	fputc('\n', c->out);
}

void banner_show(struct shell *sh, const struct cmd *io)
{
	struct cmd c = *io;

	fprintf(c.out, "weft %s\n", weft_version());
	shell_run_line(sh, io, "ifconfig");
	fputs("routes:\n", c.out);
	shell_run_line(sh, io, "route");
	fputs("arp cache:\n", c.out);
	shell_run_line(sh, io, "arpcache");
	banner_threads(&c);
	fputs("`help` lists the commands, ^D ends weft\n", c.out);
	fflush(c.out);
}
