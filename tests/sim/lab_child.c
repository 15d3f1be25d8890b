/*
 * tests/sim/lab_child.c - a run in a process of its own: an assertion, a fault or an endless loop ends the child, and
 * is a violation with a seed like any other.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/lab.h"

#define CPU_SECONDS 120 /* after which a run counts as endless */

/* What a child writes. */
struct answer {
	bool ok;
	struct lab_result result;
	char why[LAB_WHY];
};

static void child_run(lab_run_fn *run, const struct lab_scene *s, int out, int err)
{
	const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS + 1}, core = {0, 0};
	struct answer a = {0};

	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &core);
	dup2(err, STDERR_FILENO);
	a.ok = run(s, NULL, &a.result, a.why);
	_exit(write(out, &a, sizeof(a)) == sizeof(a) ? 0 : 1);
}

static bool answer_read(int fd, struct answer *a)
{
	size_t has = 0;
	ssize_t n;

	while (has < sizeof(*a)) {
		n = read(fd, (char *)a + has, sizeof(*a) - has);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		has += (size_t)n;
	}
	return true;
}

/* The first line the child wrote to its standard error: an assertion's, or a sanitizer's. */
static void last_words(int err, char *to, size_t size)
{
	ssize_t n = pread(err, to, size - 1, 0);
	char *begin;

	to[n > 0 ? n : 0] = '\0';
	begin = to + strspn(to, "=\n");
	begin[strcspn(begin, "\n")] = '\0';
	memmove(to, begin, strlen(begin) + 1);
}

static void died(const struct lab_scene *s, int status, int err, struct lab_result *r)
{
	char words[LAB_WHAT / 2];

	memset(r, 0, sizeof(*r));
	r->seed = s->seed;
	r->bad.set = true;
	last_words(err, words, sizeof(words));
	if (WIFSIGNALED(status))
		snprintf(r->bad.what, LAB_WHAT, "the run ends by signal %d, %s: %s",
			 WTERMSIG(status), strsignal(WTERMSIG(status)), words);
	else
		snprintf(r->bad.what, LAB_WHAT, "the run ends with status %d: %s",
			 WEXITSTATUS(status), words);
}

static bool child_try(lab_run_fn *run, const struct lab_scene *s, struct lab_result *r, char *why,
		      int err)
{
	struct answer a;
	int p[2], status;
	bool answered;
	pid_t pid;

	if (pipe(p) < 0 || (pid = fork()) < 0) {
		snprintf(why, LAB_WHY, "fork: %s", strerror(errno));
		return false;
	}
	if (pid == 0) {
		close(p[0]);
		child_run(run, s, p[1], err);
	}
	close(p[1]);
	answered = answer_read(p[0], &a);
	close(p[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!answered) {
		died(s, status, err, r);
		return true;
	}
	*r = a.result;
	memcpy(why, a.why, LAB_WHY);
	return a.ok;
}

bool lab_child_run(lab_run_fn *run, const struct lab_scene *s, struct lab_result *r, char *why)
{
	int err = memfd_create("stderr", MFD_CLOEXEC);
	bool ok;

	if (err < 0) {
		snprintf(why, LAB_WHY, "memfd_create: %s", strerror(errno));
		return false;
	}
	fflush(stdout);
	ok = child_try(run, s, r, why, err);
	close(err);
	return ok;
}

bool lab_scene_try(const struct lab_scene *s, struct lab_result *r, char *why)
{
	return lab_child_run(lab_scene_run, s, r, why);
}
