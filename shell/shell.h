/*
 * shell/shell.h - the net shell: commands, jobs, and where their input and output are.
 *
 * A command is a row of a table (command.c).  It runs in a job: the shell's own thread for the one in
 * the foreground, a thread of its own behind `&` or for a `weft ctl` client.  A job brings its three
 * streams and its working directory, so a client's file is opened where the client stands.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/stack.h"
#include "socket/socket.h"

struct shell;
struct job;

/*
 * What a command is given.  Private to the job's thread but for `job`.
 */
struct cmd {
	struct shell *shell;
	struct stack *stack;
	struct job *job;
	int in;          /* descriptor: commands that copy read it raw */
	FILE *out, *err; /* flushed when the command returns */
	int cwd;         /* directory for openat(): AT_FDCWD, or a client's */
	bool tty;        /* out is a terminal: colour and progress */
	int argc;
	char **argv;
};

/* Exit codes: 0 done, 1 failed, 2 usage, 127 no such command, 128 + 2 interrupted. */
enum { CMD_OK = 0, CMD_FAIL = 1, CMD_USAGE = 2, CMD_NOT_FOUND = 127, CMD_INTERRUPTED = 130 };

struct command {
	const char *name;
	const char *args; /* "[-c COUNT] [-s SIZE] ADDRESS": usage.h; completion reads it */
	const char *text; /* one line */
	int (*run)(struct cmd *c);
	const char *help; /* more lines for `help NAME` and `NAME --help`; may be NULL */
	bool listens;     /* calls cmd_ready() in each run, or ends: `&` waits for that */
};

extern const struct command commands[]; /* command.c; ends with a NULL name; sorted */

/* Prints "weft: NAME: fmt" to c->err and returns CMD_FAIL. */
int cmd_error(struct cmd *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with the usage line; CMD_USAGE. */
int cmd_usage(struct cmd *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* True once SIGINT, `kill` or a lost client asked the job to end. */
bool cmd_cancelled(struct cmd *c);
/* Tells that the job's sockets listen: a background command counts as run from then on. */
void cmd_ready(struct cmd *c);
/* The process that has weft's descriptor fd under `weft run`; 0: none. */
int cmd_program_of(struct cmd *c, int fd);
/* Lets go of a client's pipes, for what goes on when the client has ended: its messages are weft's own. */
void cmd_detach(struct cmd *c);
/* Sleeps or until cancelled; on the env's clock.  False: cancelled. */
bool cmd_sleep(struct cmd *c, uint64_t ns);

/* --- jobs: job.c -------------------------------------------------------------------------------- */

/*
 * Runs a line of commands ("a; b &; c"): words, quotes "" and '', backslash, # comments,
 * < FILE, > FILE and >> FILE.  Returns the last one's status.
 */
int shell_run_line(struct shell *sh, const struct cmd *io, const char *line);
/*
 * Goes on in the background: `run` in a job and thread of its own, with c's words and streams (its own
 * copies).  Returns CMD_OK once it has called cmd_ready(), or the status it ended with before that.
 */
int job_spawn(struct cmd *c, const char *name, int (*run)(struct cmd *c));
/* Cancels every job_spawn() job of that name and waits for their end; returns how many there were. */
int job_kill_named(struct cmd *c, const char *name);
void job_cancel(struct job *j); /* async-signal-unsafe: called by the signal thread */
int shell_jobs_list(struct cmd *c);
int shell_job_wait(struct cmd *c, int id); /* 0: all */
int shell_job_kill(struct cmd *c, int id);

/* Every command's function. */
int cmd_arp(struct cmd *c);
int cmd_arping(struct cmd *c);
int cmd_clear(struct cmd *c);
int cmd_debug(struct cmd *c);
int cmd_exit(struct cmd *c);
int cmd_help(struct cmd *c);
int cmd_httpd(struct cmd *c);
int cmd_ifconfig(struct cmd *c);
int cmd_inetd(struct cmd *c);
int cmd_jobs(struct cmd *c);
int cmd_kill(struct cmd *c);
int cmd_neigh(struct cmd *c);
int cmd_netem(struct cmd *c);
int cmd_nstat(struct cmd *c);
int cmd_ping(struct cmd *c);
int cmd_ping2(struct cmd *c);
int cmd_route(struct cmd *c);
int cmd_snc(struct cmd *c);
int cmd_ss(struct cmd *c);
int cmd_stat(struct cmd *c);
int cmd_sysctl(struct cmd *c);
int cmd_tcpdump(struct cmd *c);
int cmd_traceroute(struct cmd *c);
int cmd_wait(struct cmd *c);
