/*
 * shell/command.c - the table of commands, and what every command says in one way.
 *
 * A command is a row here and a cmd_ function of its own file.  The rows are sorted by name.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "shell/shell_priv.h"

const struct command commands[] = {
    {.name = "clear", .args = "", .text = "clear the terminal", .run = cmd_clear},
    {.name = "exit", .args = "[STATUS]", .text = "end weft", .run = cmd_exit},
    {.name = "help",
     .args = "[COMMAND]",
     .text = "list the commands, or explain one",
     .run = cmd_help},
    {.name = "jobs", .args = "", .text = "list what runs in the background", .run = cmd_jobs},
    {.name = "kill", .args = "ID...", .text = "end jobs", .run = cmd_kill},
    {.name = "wait", .args = "[ID]", .text = "wait for a job, or for all", .run = cmd_wait},
    {.name = NULL},
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

static void __attribute__((format(printf, 2, 0)))
cmd_say(struct cmd *c, const char *fmt, va_list ap)
{
	fflush(c->out);
	fprintf(c->err, "weft: %s: ", c->argv[0]);
	vfprintf(c->err, fmt, ap);
	fputc('\n', c->err);
}

int cmd_error(struct cmd *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cmd_say(c, fmt, ap);
	va_end(ap);
	return CMD_FAIL;
}

int cmd_usage(struct cmd *c, const char *fmt, ...)
{
	const struct command *row = command_find(c->argv[0]);
	va_list ap;

	va_start(ap, fmt);
	cmd_say(c, fmt, ap);
	va_end(ap);
	if (row)
		fprintf(c->err, "usage: %s%s%s\n", row->name, *row->args ? " " : "", row->args);
	return CMD_USAGE;
}

bool cmd_cancelled(struct cmd *c)
{
	return atomic_load(&c->job->cancel) || atomic_load(&c->shell->stopping);
}

bool cmd_sleep(struct cmd *c, uint64_t ns)
{
	struct env *env = c->stack->env;
	struct waiter *w = stack_waiter(c->stack);
	uint64_t end = env_now(env) + ns;
	int r = 0;

	while (r != -ETIMEDOUT) {
		waiter_reset(w);
		if (cmd_cancelled(c))
			return false;
		r = env_wait(env, w, NULL, 0, end);
	}
	return !cmd_cancelled(c);
}
