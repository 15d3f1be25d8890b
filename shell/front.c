/*
 * shell/front.c - the shell thread: the commands of -c and -f, else those of standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/shell_priv.h"

#define PROMPT "[net shell]: "

static bool front_is_over(const struct shell *sh)
{
	return atomic_load(&sh->stopping);
}

/* Without line editing a terminal still sees a prompt. */
static int front_prompt(struct shell *sh, char **line)
{
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
		fputs(PROMPT, stdout);
		fflush(stdout);
	}
	return line_read(sh, STDIN_FILENO, line);
}

/* What cannot be read, as a folder. */
static int front_error(const char *what, int err)
{
	shell_error("%s: %s", what, strerror(-err));
	return CMD_FAIL;
}

/* Standard input to its end; SIGINT gives up a line or what it runs. */
static int front_input(struct shell *sh, const struct cmd *io)
{
	bool edits = edit_wanted();
	int r = 1, status = CMD_OK;
	char *line;

	if (io->tty && isatty(STDIN_FILENO))
		banner_show(sh, io);
	if (edits)
		edit_begin(sh);
	while ((r > 0 || r == -EINTR) && !front_is_over(sh)) {
		job_revive(&sh->front);
		if (io->tty)
			jobs_tell(sh, io->out);
		r = edits ? edit_read(sh, &line) : front_prompt(sh, &line);
		if (r == 1) {
			status = shell_run_line(sh, io, line);
			free(line);
		}
	}
	if (edits)
		edit_end(sh);
	return r < 0 && r != -EINTR ? front_error("standard input", r) : status;
}

/* The lines of the i-th source, a file, to its end or an interrupt. */
static int front_file(struct shell *sh, const struct cmd *io, unsigned i)
{
	int r = 1, status = CMD_OK;
	char *line;

	while (!front_is_over(sh) && !cmd_cancelled((struct cmd *)(uintptr_t)io)) {
		r = line_read(sh, sh->files[i], &line);
		if (r != 1)
			break;
		status = shell_run_line(sh, io, line);
		free(line);
	}
	return r < 0 && r != -EINTR ? front_error(sh->options->source[i].text, r) : status;
}

static int front_sources(struct shell *sh, const struct cmd *io)
{
	const struct options *o = sh->options;
	int status = CMD_OK;

	for (unsigned i = 0; i < o->nsource && !front_is_over(sh); i++) {
		if (atomic_load(&sh->front.cancel))
			return CMD_INTERRUPTED;
		if (o->source[i].is_file)
			status = front_file(sh, io, i);
		else
			status = shell_run_line(sh, io, o->source[i].text);
	}
	return status;
}

void *front_thread(void *arg)
{
	struct shell *sh = arg;
	struct cmd *io = &sh->front.cmd;
	int status;

	job_enter(&sh->front, "shell");
	*io = (struct cmd){
	    .shell = sh,
	    .stack = sh->stack,
	    .job = &sh->front,
	    .in = STDIN_FILENO,
	    .out = stdout,
	    .err = stderr,
	    .cwd = AT_FDCWD,
	    .tty = isatty(STDOUT_FILENO),
	};
	status = sh->options->nsource ? front_sources(sh, io) : front_input(sh, io);
	if (!sh->options->daemon)
		shell_stop(sh, status);
	job_leave(&sh->front, status);
	return NULL;
}
