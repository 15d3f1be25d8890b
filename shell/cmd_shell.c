/*
 * shell/cmd_shell.c - the commands of the shell itself: clear, exit, help, jobs, wait, kill.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "shell/shell_priv.h"

int cmd_clear(struct cmd *c)
{
	if (c->argc > 1)
		return cmd_usage(c, "%s: unknown argument", c->argv[1]);
	if (c->tty)
		fputs("\033[H\033[2J", c->out);
	return CMD_OK;
}

/* A decimal number from 0 to max, or -1. */
static long number_parse(const char *text, long max)
{
	char *end;
	long n;

	if (*text < '0' || *text > '9')
		return -1;
	n = strtol(text, &end, 10);
	return *end == '\0' && n <= max ? n : -1;
}

int cmd_exit(struct cmd *c)
{
	long status = c->job->last;

	if (c->argc > 2)
		return cmd_usage(c, "%s: unknown argument", c->argv[2]);
	if (c->argc == 2)
		status = number_parse(c->argv[1], 255);
	if (status < 0)
		return cmd_usage(c, "%s: not a status from 0 to 255", c->argv[1]);
	shell_stop(c->shell, (int)status);
	return (int)status;
}

void command_explain(const struct command *row, FILE *out)
{
	fprintf(out, "usage: %s%s%s\n%s\n", row->name, *row->args ? " " : "", row->args, row->text);
	if (row->help)
		fprintf(out, "%s%s", row->help,
			row->help[strlen(row->help) - 1] == '\n' ? "" : "\n");
}

int cmd_help(struct cmd *c)
{
	const struct command *row;

	if (c->argc > 2)
		return cmd_usage(c, "%s: one command at a time", c->argv[2]);
	if (c->argc == 2) {
		row = command_find(c->argv[1]);
		if (!row)
			return cmd_error(c, "%s: unknown command (see help)", c->argv[1]);
		command_explain(row, c->out);
		return CMD_OK;
	}
	for (row = commands; row->name; row++)
		fprintf(c->out, "%-12s%s\n", row->name, row->text);
	fputs("\nNAME --help says more of one.  A line is CMD; CMD ...; a & behind a command "
	      "leaves it in the\n"
	      "background, < FILE, > FILE and >> FILE take its input and output.\n",
	      c->out);
	return CMD_OK;
}

int cmd_jobs(struct cmd *c)
{
	if (c->argc > 1)
		return cmd_usage(c, "%s: unknown argument", c->argv[1]);
	return shell_jobs_list(c);
}

/* "%1" and "1" both name the first job. */
static int job_parse(const char *text)
{
	return (int)number_parse(text + (*text == '%'), INT_MAX);
}

int cmd_wait(struct cmd *c)
{
	int id = c->argc > 1 ? job_parse(c->argv[1]) : 0;

	if (c->argc > 2)
		return cmd_usage(c, "%s: one job at a time", c->argv[2]);
	if (id < 0 || (c->argc > 1 && id == 0))
		return cmd_usage(c, "%s: not a job's number", c->argv[1]);
	return shell_job_wait(c, id);
}

int cmd_kill(struct cmd *c)
{
	int status = CMD_OK;

	if (c->argc < 2)
		return cmd_usage(c, "which job?");
	for (int i = 1; i < c->argc; i++) {
		int id = job_parse(c->argv[i]);
		int r = id > 0 ? shell_job_kill(c, id)
			       : cmd_usage(c, "%s: not a job's number", c->argv[i]);

		if (r != CMD_OK)
			status = r;
	}
	return status;
}
