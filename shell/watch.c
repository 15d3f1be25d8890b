/*
 * shell/watch.c - the first thread while weft runs: signals, control clients, jobs that have ended.
 *
 * Signals are blocked in every thread and read here.  SIGINT is for the command in the foreground alone;
 * SIGTERM and SIGHUP end weft.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "shell/control.h"
#include "shell/shell_priv.h"

#define WATCHED 66 /* signals, the control socket and its clients */

static void signal_nothing(int sig)
{
}

int signals_open(void)
{
	struct sigaction nothing = {.sa_handler = signal_nothing};
	struct sigaction hup;
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_DFL); /* ignored in the background of a script, and then not seen here */
	sigaction(SIGUSR1, &nothing, NULL); /* ends a blocked call of a job: job.c */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGUSR1);
	sigaction(SIGHUP, NULL, &hup);
	if (hup.sa_handler != SIG_IGN) /* nohup */
		sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGUSR1);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void watch_interrupt(struct shell *sh)
{
	bool front;

	mutex_lock(&sh->lock);
	front = sh->has_front && !sh->front.ended;
	mutex_unlock(&sh->lock);
	if (front)
		job_cancel(&sh->front);
	else
		shell_error("no command runs; SIGTERM, or exit by weft ctl, ends weft");
}

static void watch_signal(struct shell *sh, uint32_t sig)
{
	switch (sig) {
	case SIGINT:
		watch_interrupt(sh);
		break;
	case SIGWINCH:
		atomic_store(&sh->resized, true);
		mutex_lock(&sh->lock);
		if (sh->front.waiter)
			waiter_wake(sh->stack->env, sh->front.waiter);
		mutex_unlock(&sh->lock);
		break;
	default:
		shell_stop(sh, 0);
	}
}

static void watch_signals(struct shell *sh)
{
	struct signalfd_siginfo si;

	while (read(sh->signals, &si, sizeof(si)) == sizeof(si))
		watch_signal(sh, si.ssi_signo);
}

/* With -d the commands have been run: the shell thread is not needed any more. */
static void watch_front(struct shell *sh)
{
	bool ended;

	mutex_lock(&sh->lock);
	ended = sh->has_front && sh->front.ended;
	mutex_unlock(&sh->lock);
	if (!ended || !sh->options->daemon)
		return;
	pthread_join(sh->front.thread, NULL);
	sh->has_front = false;
	if (!atomic_load(&sh->stopping))
		shell_ready(sh);
}

void shell_watch(struct shell *sh)
{
	struct pollfd fds[WATCHED];
	uint64_t until;
	unsigned n;

	for (;;) {
		waiter_reset(sh->watcher);
		jobs_reap(sh);
		watch_front(sh);
		if (atomic_load(&sh->stopping))
			return;
		fds[0] = (struct pollfd){.fd = sh->signals, .events = POLLIN};
		n = 1 + control_poll(sh, fds + 1, WATCHED - 1, &until);
		if (env_wait(sh->stack->env, sh->watcher, fds, (int)n, until) <= 0)
			continue;
		if (fds[0].revents)
			watch_signals(sh);
		control_ready(sh->control, sh, fds + 1, n - 1);
	}
}
