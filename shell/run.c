/*
 * shell/run.c - runs a line: each command where it stands, or in a job behind `&`.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "shell/shell_priv.h"

/* Why writing failed, once it has: the next attempt says it, be it for one byte. */
static int output_errno(FILE *out)
{
	clearerr(out);
	if (fputc('\n', out) == EOF || fflush(out))
		return errno;
	return EIO;
}

/* A status of success needs all output to have been written: a full disk shows here. */
int command_run(struct cmd *c, int (*run)(struct cmd *c))
{
	int status = run(c), err;

	if (fflush(c->out) == 0 && !ferror(c->out))
		return status;
	err = output_errno(c->out);
	clearerr(c->out);
	if (err != EPIPE)
		cmd_error(c, "output: %s", strerror(err));
	return status == CMD_OK ? CMD_FAIL : status;
}

static int command_foreground(struct cmd *c, const struct command *row)
{
	if (c->argc == 2 && (strcmp(c->argv[1], "--help") == 0 || strcmp(c->argv[1], "-h") == 0)) {
		command_explain(row, c->out);
		return CMD_OK;
	}
	return command_run(c, row->run);
}

/* Without < FILE a job reads nothing: the shell's own input is the shell's. */
static int command_background(struct cmd *c, const struct command *row, bool redirected)
{
	if (!redirected)
		c->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return job_background(c, row);
}

static int command_start(const struct cmd *io, struct words *w)
{
	const struct command *row = command_find(w->argv[0]);
	struct cmd c = *io;
	int status;

	c.argc = w->argc;
	c.argv = w->argv;
	if (!row) {
		cmd_error(&c, "unknown command (help lists them)");
		return CMD_NOT_FOUND;
	}
	status = streams_redirect(&c, w);
	if (status == CMD_OK && w->background)
		status = command_background(&c, row, w->in != NULL);
	else if (status == CMD_OK)
		status = command_foreground(&c, row);
	streams_restore(&c, io);
	return status;
}

/* Without a command there is no argv[0] to speak of. */
static int line_error(const struct cmd *io, const char *why)
{
	fflush(io->out);
	fprintf(io->err, "weft: line: %s\n", why);
	return CMD_USAGE;
}

int shell_run_line(struct shell *sh, const struct cmd *io, const char *line)
{
	struct job *j = io->job;
	struct cmd c = *io;
	const char *why;
	struct words w;
	int r;

	while ((r = words_next(&line, &w, &why)) > 0) {
		j->last = command_start(io, &w);
		words_free(&w);
		if (cmd_cancelled(&c) && line[strspn(line, " \t;\n")]) {
			if (!atomic_load(&sh->stopping))
				j->last = CMD_INTERRUPTED;
			return j->last;
		}
	}
	if (r < 0)
		j->last = line_error(io, why);
	return j->last;
}
