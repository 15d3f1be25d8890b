/*
 * shell/job_wait.c - what commands ask of jobs: leave one behind, list, wait for and end them.
 *
 * Who waits hangs a watch on the shell's list and sleeps in the stack, so that it can be cancelled.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/text.h"
#include "shell/shell_priv.h"

/* What is waited for; done() is asked under the shell's lock. */
struct job_condition {
	bool (*done)(struct shell *sh, struct job_condition *w);
	int id;           /* 0: every background job */
	const char *name; /* of job_spawn() */
	struct job *own;  /* whoever waits does not wait for itself */
	int status;       /* out: of the job, once it has ended */
	bool seen;        /* out: there was such a job */
};

static struct job *job_by_id(struct shell *sh, int id) REQUIRES(&sh->lock)
{
	struct job *j;

	for (j = sh->jobs; j && j->id != id; j = j->next)
		;
	return j;
}

static void watch_del(struct shell *sh, struct job_watch *w) REQUIRES(&sh->lock)
{
	struct job_watch **p;

	for (p = &sh->watches; *p != w; p = &(*p)->next)
		;
	*p = w->next;
}

/* False: cancelled, though what was waited for be gone: the end of the stack takes both. */
static bool jobs_wait(struct cmd *c, struct job_condition *cond)
{
	struct job_watch watch = {.waiter = stack_waiter(c->stack)};
	struct shell *sh = c->shell;
	bool done, cancelled;

	mutex_lock(&sh->lock);
	watch.next = sh->watches;
	sh->watches = &watch;
	for (;;) {
		waiter_reset(watch.waiter);
		cancelled = atomic_load(&c->job->cancel) || atomic_load(&sh->stopping);
		done = !cancelled && cond->done(sh, cond);
		if (done || cancelled)
			break;
		mutex_unlock(&sh->lock);
		env_wait(c->stack->env, watch.waiter, NULL, 0, ENV_NEVER);
		mutex_lock(&sh->lock);
	}
	watch_del(sh, &watch);
	mutex_unlock(&sh->lock);
	return done;
}

/* It listens, or it has ended. */
static bool job_done_ready(struct shell *sh, struct job_condition *w) REQUIRES(&sh->lock)
{
	struct job *j = job_by_id(sh, w->id);

	if (!j || !(j->ready || j->ended))
		return !j;
	w->status = j->ready ? CMD_OK : j->status;
	if (j->ended)
		j->told = true;
	return true;
}

static bool job_done_ended(struct shell *sh, struct job_condition *w) REQUIRES(&sh->lock)
{
	struct job *j = job_by_id(sh, w->id);

	if (!j)
		return true;
	w->seen = true;
	if (!j->ended)
		return false;
	w->status = j->status;
	j->told = true;
	return true;
}

static bool job_done_all(struct shell *sh, struct job_condition *w) REQUIRES(&sh->lock)
{
	for (struct job *j = sh->jobs; j; j = j->next) {
		if (j->client < 0 && !j->ended && j != w->own)
			return false;
	}
	for (struct job *j = sh->jobs; j; j = j->next)
		j->told |= j->ended;
	return true;
}

static bool job_done_named(struct shell *sh, struct job_condition *w) REQUIRES(&sh->lock)
{
	for (struct job *j = sh->jobs; j; j = j->next) {
		if (j->name && strcmp(j->name, w->name) == 0 && !j->ended)
			return false;
	}
	return true;
}

/* --- leaving one behind ------------------------------------------------------------------------ */

/* The words as typed, for `jobs`. */
static char *words_text(char **argv, int argc)
{
	size_t n = 1, at = 0;
	char *text;

	for (int i = 0; i < argc; i++)
		n += strlen(argv[i]) + 1;
	text = malloc(n);
	if (!text)
		return NULL;
	for (int i = 0; i < argc; i++)
		at += (size_t)sprintf(text + at, "%s%s", i ? " " : "", argv[i]);
	return text;
}

static bool words_copy(struct cmd *to, const struct cmd *from)
{
	to->argv = calloc((size_t)from->argc + 1, sizeof(*to->argv));
	for (to->argc = 0; to->argv && to->argc < from->argc; to->argc++) {
		to->argv[to->argc] = strdup(from->argv[to->argc]);
		if (!to->argv[to->argc])
			break;
	}
	return to->argc == from->argc;
}

/* c's words and streams in a job; its input is empty, for the shell's own is read by the shell. */
static int job_fork(struct cmd *c, int (*run)(struct cmd *c), const char *name)
{
	char *text = words_text(c->argv, c->argc);
	struct job *j = text ? job_alloc(c->shell, text) : NULL;

	free(text);
	if (!j)
		return -ENOMEM;
	j->run = run;
	j->name = name;
	if (!words_copy(&j->cmd, c) || !streams_copy(&j->cmd, c)) {
		job_free(j);
		return -ENOMEM;
	}
	return job_start(j);
}

static int job_until_ready(struct cmd *c, int id)
{
	struct job_condition ready = {.done = job_done_ready, .id = id};

	return jobs_wait(c, &ready) ? ready.status : CMD_INTERRUPTED;
}

int job_spawn(struct cmd *c, const char *name, int (*run)(struct cmd *c))
{
	int id = job_fork(c, run, name);

	if (id < 0)
		return cmd_error(c, "%s", strerror(-id));
	return job_until_ready(c, id);
}

int job_background(struct cmd *c, const struct command *row)
{
	int id = job_fork(c, row->run, NULL);

	if (id < 0)
		return cmd_error(c, "%s", strerror(-id));
	if (c->tty)
		fprintf(c->err, "[%d] %s\n", id, c->argv[0]);
	return row->listens ? job_until_ready(c, id) : CMD_OK;
}

void cmd_ready(struct cmd *c)
{
	struct shell *sh = c->shell;

	mutex_lock(&sh->lock);
	c->job->ready = true;
	for (struct job_watch *w = sh->watches; w; w = w->next)
		waiter_wake(c->stack->env, w->waiter);
	mutex_unlock(&sh->lock);
}

/* --- asking ------------------------------------------------------------------------------------ */

static void job_print(const struct job *j, FILE *out)
{
	if (j->ended && j->status)
		fprintf(out, "%-4d exit %-5d ", j->id, j->status);
	else
		fprintf(out, "%-4d %-10s ", j->id,
			j->ended         ? "done"
			: j->client >= 0 ? "client"
			: j->ready       ? "listening"
					 : "running");
	text_show(out, j->text);
	fputc('\n', out);
}

/* In memory first: what `out` is may block, and the lock is everybody's. */
static void jobs_print(struct shell *sh, FILE *out, bool (*wanted)(struct job *j, struct job *own),
		       struct job *own)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	mutex_lock(&sh->lock);
	for (struct job *j = sh->jobs; j; j = j->next) {
		if (!wanted(j, own))
			continue;
		job_print(j, f);
		j->told |= j->ended;
	}
	mutex_unlock(&sh->lock);
	fclose(f);
	fputs(text, out);
	free(text);
}

static bool job_wanted(struct job *j, struct job *own)
{
	return j != own && !(j->client >= 0 && j->ended);
}

static bool job_untold(struct job *j, struct job *own)
{
	return j->ended && !j->told && j->client < 0;
}

int shell_jobs_list(struct cmd *c)
{
	jobs_print(c->shell, c->out, job_wanted, c->job);
	return CMD_OK;
}

void jobs_tell(struct shell *sh, FILE *out)
{
	jobs_print(sh, out, job_untold, NULL);
}

int shell_job_wait(struct cmd *c, int id)
{
	struct job_condition ended = {
	    .done = id ? job_done_ended : job_done_all, .id = id, .own = c->job};

	if (id && id == c->job->id)
		return cmd_error(c, "%d: that is this job itself", id);
	if (!jobs_wait(c, &ended))
		return CMD_INTERRUPTED;
	if (id && !ended.seen)
		return cmd_error(c, "%d: no such job", id);
	return ended.status;
}

int shell_job_kill(struct cmd *c, int id)
{
	struct job_condition ended = {.done = job_done_ended, .id = id};
	struct shell *sh = c->shell;
	bool runs, was;
	struct job *j;

	mutex_lock(&sh->lock);
	j = job_by_id(sh, id);
	was = j != NULL;
	runs = was && !j->ended && j != c->job;
	if (runs)
		job_cancel_locked(sh, j);
	mutex_unlock(&sh->lock);
	if (!was)
		return cmd_error(c, "%d: no such job", id);
	return !runs || jobs_wait(c, &ended) ? CMD_OK : CMD_INTERRUPTED;
}

int job_kill_named(struct cmd *c, const char *name)
{
	struct job_condition gone = {.done = job_done_named, .name = name};
	struct shell *sh = c->shell;
	int n = 0;

	mutex_lock(&sh->lock);
	for (struct job *j = sh->jobs; j; j = j->next) {
		if (!j->name || strcmp(j->name, name) || j->ended)
			continue;
		job_cancel_locked(sh, j);
		j->told = true;
		n++;
	}
	mutex_unlock(&sh->lock);
	jobs_wait(c, &gone);
	return n;
}
