/*
 * shell/program_signal.c - `weft run` and signals: what it passes on to the program, and what it has the program's
 * shell see of it.
 *
 * A terminal's signals go to the program too, which decides what comes of them.  When it stops, so do we, where a
 * shell waits for us as for a job; it continues with us.
 */
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/program.h"

static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};

int program_signals(void)
{
	static const int others[] = {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		sigaddset(&set, others[i]);
	for (unsigned i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		sigaddset(&set, stops[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What a terminal's keys send the program has as well; what a process sends is meant for it. */
static bool is_passed_on(const struct signalfd_siginfo *si)
{
	switch (si->ssi_signo) {
	case SIGTERM:
	case SIGHUP:
		return true;
	case SIGINT:
	case SIGQUIT:
	case SIGTSTP:
	case SIGUSR1:
	case SIGUSR2:
		return si->ssi_code <= 0; /* SI_USER, SI_QUEUE, SI_TKILL */
	default:
		return false;
	}
}

/* Without job control nobody would continue us. */
static bool is_job(void)
{
	pid_t parent = getppid();

	return getsid(parent) == getsid(0) && getpgid(parent) != getpgrp();
}

/* By the same signal, so that the shell can say why, even if we were begun to ignore it.  Returns when we are continued. */
static void stop_by(int what)
{
	sigset_t one;

	signal(what, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, what);
	kill(getpid(), what);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
}

bool program_over(int signals, pid_t program, int *status)
{
	struct signalfd_siginfo si;
	pid_t changed;

	while (read(signals, &si, sizeof(si)) == sizeof(si)) {
		if (is_passed_on(&si))
			kill(program, (int)si.ssi_signo);
	}
	changed = waitpid(program, status, WNOHANG | WUNTRACED);
	while (changed == program && WIFSTOPPED(*status) && is_job()) {
		stop_by(WSTOPSIG(*status));
		changed = waitpid(program, status, WNOHANG | WUNTRACED | WCONTINUED);
		if (changed == 0)
			kill(program, SIGCONT); /* we alone were continued */
	}
	return changed == program && (WIFEXITED(*status) || WIFSIGNALED(*status));
}
