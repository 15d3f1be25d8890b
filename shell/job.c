/*
 * shell/job.c - jobs: threads that run commands, how they begin, are cancelled and end.
 *
 * A job is cancelled by its flag, by a wake of what it sleeps on in the stack, and by a SIGUSR1 that
 * ends a call of the kernel it is blocked in (a full pipe).  The watching thread joins and frees jobs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/control.h"
#include "shell/shell_priv.h"

#define JOBS_KEPT 32 /* ended ones whose status nobody has asked for */

int shell_thread_start(pthread_t *t, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(t, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

/* Wakes who watches jobs, the watching thread among them. */
static void jobs_changed(struct shell *sh) REQUIRES(&sh->lock)
{
	struct env *env = sh->stack->env;

	for (struct job_watch *w = sh->watches; w; w = w->next)
		waiter_wake(env, w->waiter);
	waiter_wake(env, sh->watcher);
}

void job_enter(struct job *j, const char *name)
{
	sigset_t usr1;

	pthread_setname_np(pthread_self(), name);
	weft_use(j->shell->stack);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	mutex_lock(&j->shell->lock);
	j->self = pthread_self();
	j->waiter = stack_waiter(j->shell->stack);
	atomic_store(&j->waiter->cancel, atomic_load(&j->cancel));
	mutex_unlock(&j->shell->lock);
}

void job_leave(struct job *j, int status)
{
	struct shell *sh = j->shell;

	mutex_lock(&sh->lock);
	atomic_store(&j->waiter->cancel, false);
	j->waiter = NULL;
	j->status = status;
	j->ended = true;
	jobs_changed(sh);
	mutex_unlock(&sh->lock);
}

void job_cancel_locked(struct shell *sh, struct job *j)
{
	atomic_store(&j->cancel, true);
	if (!j->waiter)
		return;
	atomic_store(&j->waiter->cancel, true);
	pthread_kill(j->self, SIGUSR1); /* before the wake: a sleeper has had it when it goes on */
	waiter_wake(sh->stack->env, j->waiter);
}

void job_cancel(struct job *j)
{
	struct shell *sh = j->shell;

	mutex_lock(&sh->lock);
	job_cancel_locked(sh, j);
	mutex_unlock(&sh->lock);
}

/*
 * With the lock had once SIGUSR1 has been sent, and a system call hands it over: else it could end
 * the write of what the job has still to say, which stdio then drops.
 */
bool job_is_cancelled(struct job *j)
{
	if (!atomic_load(&j->cancel))
		return false;
	mutex_lock(&j->shell->lock);
	mutex_unlock(&j->shell->lock);
	sched_yield();
	return true;
}

void job_revive(struct job *j)
{
	mutex_lock(&j->shell->lock);
	atomic_store(&j->cancel, false);
	atomic_store(&j->waiter->cancel, false);
	mutex_unlock(&j->shell->lock);
}

/* --- life -------------------------------------------------------------------------------------- */

struct job *job_alloc(struct shell *sh, const char *text)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->shell = sh;
	j->client = -1;
	j->cmd = (struct cmd){.shell = sh, .stack = sh->stack, .job = j, .in = -1, .cwd = AT_FDCWD};
	j->text = strdup(text);
	if (j->text)
		return j;
	free(j);
	return NULL;
}

void job_free(struct job *j)
{
	streams_close(&j->cmd);
	for (int i = 0; i < j->cmd.argc; i++)
		free(j->cmd.argv[i]);
	free(j->cmd.argv);
	free(j->text);
	free(j);
}

static void *job_thread(void *arg)
{
	struct job *j = arg;
	int status;

	job_enter(j, "job");
	status = j->run ? command_run(&j->cmd, j->run) : shell_run_line(j->shell, &j->cmd, j->text);
	streams_close(&j->cmd);
	if (j->client >= 0)
		control_reply(j->client, status);
	job_leave(j, status);
	return NULL;
}

static void job_unlink(struct shell *sh, struct job *j) REQUIRES(&sh->lock)
{
	struct job **p;

	for (p = &sh->jobs; *p != j; p = &(*p)->next)
		;
	*p = j->next;
}

/* At the end of the list, which so is sorted by number. */
static void job_link(struct shell *sh, struct job *j) REQUIRES(&sh->lock)
{
	struct job **p;

	for (p = &sh->jobs; *p; p = &(*p)->next)
		;
	*p = j;
	j->id = ++sh->last_id;
}

int job_start(struct job *j)
{
	struct shell *sh = j->shell;
	int err, id;

	mutex_lock(&sh->lock);
	job_link(sh, j);
	id = j->id;
	err = shell_thread_start(&j->thread, job_thread, j);
	if (err)
		job_unlink(sh, j);
	mutex_unlock(&sh->lock);
	if (err)
		job_free(j);
	return err ? err : id;
}

/* --- for the watching thread ------------------------------------------------------------------- */

/* An ended job that nobody needs any more; the oldest of those kept beyond the limit count as told. */
static struct job *job_take_ended(struct shell *sh) REQUIRES(&sh->lock)
{
	struct job *j, *found = NULL;
	unsigned kept = 0;

	for (j = sh->jobs; j; j = j->next)
		kept += j->ended && !j->told;
	for (j = sh->jobs; j; j = j->next) {
		if (!j->ended)
			continue;
		if (!j->told && kept-- > JOBS_KEPT)
			j->told = true;
		if (!found && (j->told || !j->joined))
			found = j;
	}
	if (found && found->told)
		job_unlink(sh, found);
	return found;
}

void jobs_reap(struct shell *sh)
{
	struct job *j;
	bool told;

	for (;;) {
		mutex_lock(&sh->lock);
		j = job_take_ended(sh);
		told = j && j->told;
		mutex_unlock(&sh->lock);
		if (!j)
			return;
		if (!j->joined)
			pthread_join(j->thread, NULL);
		j->joined = true;
		if (!told)
			continue;
		if (j->client >= 0 && !atomic_load(&sh->stopping))
			control_forget(sh->control, j->client);
		job_free(j);
	}
}

void jobs_cancel_client(struct shell *sh, int client)
{
	mutex_lock(&sh->lock);
	for (struct job *j = sh->jobs; j; j = j->next) {
		if (j->client == client)
			job_cancel_locked(sh, j);
	}
	mutex_unlock(&sh->lock);
}

/* Cancels all that run; how many do. */
static unsigned jobs_cancel_all(struct shell *sh)
{
	unsigned n = 0;

	mutex_lock(&sh->lock);
	for (struct job *j = sh->jobs; j; j = j->next) {
		j->told = true;
		if (!j->ended) {
			job_cancel_locked(sh, j);
			n++;
		}
	}
	if (sh->has_front && !sh->front.ended) {
		job_cancel_locked(sh, &sh->front);
		n++;
	}
	mutex_unlock(&sh->lock);
	return n;
}

/*
 * Again and again: a SIGUSR1 that comes just before a call of the kernel does not end that call.
 */
void jobs_stop(struct shell *sh)
{
	struct env *env = sh->stack->env;

	for (;;) {
		waiter_reset(sh->watcher);
		if (jobs_cancel_all(sh) == 0)
			break;
		env_wait(env, sh->watcher, NULL, 0, env_now(env) + 50 * NSEC_PER_MSEC);
	}
	jobs_reap(sh);
	if (sh->has_front)
		pthread_join(sh->front.thread, NULL);
	sh->has_front = false;
}
