/*
 * socket/preload_exec.c - what a program starts is served too, also when it cleared the environment.
 *
 * The two variables are put back into the vector that the new program gets; its memory is mapped, for
 * between vfork and exec nothing else is safe.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "socket/preload.h"

#define ARGS_MAX 1024 /* of execl() and its like */

/* As it was when this program began: name=value. */
struct kept {
	char preload[512];
	char token[sizeof(PROGRAM_VARIABLE) + PROGRAM_TOKEN];
	char dns[sizeof(PROGRAM_DNS) + 16]; /* "": resolv.conf's */
};

/* LOCKING: constant once the program's main() runs. */
static struct kept kept;

__attribute__((constructor)) static void exec_begin(void)
{
	const char *library = getenv("LD_PRELOAD"), *token = getenv(PROGRAM_VARIABLE);
	const char *dns = getenv(PROGRAM_DNS);

	if (!library || !token)
		return;
	snprintf(kept.preload, sizeof(kept.preload), "LD_PRELOAD=%s", library);
	snprintf(kept.token, sizeof(kept.token), PROGRAM_VARIABLE "=%s", token);
	if (dns)
		snprintf(kept.dns, sizeof(kept.dns), PROGRAM_DNS "=%s", dns);
}

static bool has(char *const *env, const char *assignment)
{
	size_t name = strcspn(assignment, "=") + 1;

	for (; env && *env; env++) {
		if (strncmp(*env, assignment, name) == 0)
			return strstr(*env, assignment + name) != NULL;
	}
	return false;
}

static bool is_ours(const char *assignment)
{
	return strncmp(assignment, "LD_PRELOAD=", 11) == 0 ||
	       strncmp(assignment, PROGRAM_VARIABLE "=", sizeof(PROGRAM_VARIABLE)) == 0 ||
	       (kept.dns[0] && strncmp(assignment, PROGRAM_DNS "=", sizeof(PROGRAM_DNS)) == 0);
}

/* env itself if nothing is missing. */
static char *const *env_complete(char *const *env)
{
	size_t n = 0;
	char **own;

	if (!kept.token[0] || (has(env, kept.preload) && has(env, kept.token) &&
			       (!kept.dns[0] || has(env, kept.dns))))
		return env;
	while (env && env[n])
		n++;
	own = mmap(NULL, (n + 4) * sizeof(*own), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		return env;
	own[0] = kept.preload;
	own[1] = kept.token;
	n = 2;
	if (kept.dns[0])
		own[n++] = kept.dns;
	for (; env && *env; env++) {
		if (!is_ours(*env))
			own[n++] = *env;
	}
	return own;
}

/* --- exec ------------------------------------------------------------------------------------------- */

HOOK int execve(const char *path, char *const argv[], char *const env[])
{
	return (int)syscall(SYS_execve, path, argv, env_complete(env));
}

HOOK int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

HOOK int fexecve(int fd, char *const argv[], char *const env[])
{
	return (int)syscall(SYS_execveat, fd, "", argv, env_complete(env), AT_EMPTY_PATH);
}

HOOK int execveat(int dir, const char *path, char *const argv[], char *const env[], int flags)
{
	return (int)syscall(SYS_execveat, dir, path, argv, env_complete(env), flags);
}

/* libc searches the path. */
HOOK int execvpe(const char *file, char *const argv[], char *const env[])
{
	int (*next)(const char *, char *const[], char *const[]);

	*(void **)&next = dlsym(RTLD_NEXT, "execvpe");
	return next(file, argv, env_complete(env));
}

HOOK int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

/* The words of a call; what follows them, of execle(), is the environment. */
static int words_take(const char *first, va_list ap, char **argv)
{
	int n = 0;

	argv[0] = (char *)(uintptr_t)first;
	while (argv[n]) {
		if (++n == ARGS_MAX)
			return (int)preload_answer(-E2BIG);
		argv[n] = va_arg(ap, char *);
	}
	return 0;
}

static int words_exec(int (*exec)(const char *, char *const[]), const char *path, const char *first,
		      va_list ap)
{
	char *argv[ARGS_MAX];
	int err = words_take(first, ap, argv);

	return err ? err : exec(path, argv);
}

HOOK int execl(const char *path, const char *arg, ...)
{
	va_list ap;
	int r;

	va_start(ap, arg);
	r = words_exec(execv, path, arg, ap);
	va_end(ap);
	return r;
}

HOOK int execlp(const char *file, const char *arg, ...)
{
	va_list ap;
	int r;

	va_start(ap, arg);
	r = words_exec(execvp, file, arg, ap);
	va_end(ap);
	return r;
}

HOOK int execle(const char *path, const char *arg, ...)
{
	char *argv[ARGS_MAX];
	char *const *env;
	va_list ap;
	int err;

	va_start(ap, arg);
	err = words_take(arg, ap, argv);
	env = va_arg(ap, char *const *);
	va_end(ap);
	return err ? err : execve(path, argv, env);
}

/* --- posix_spawn -------------------------------------------------------------------------------------- */

typedef int spawn_fn(pid_t *, const char *, const posix_spawn_file_actions_t *,
		     const posix_spawnattr_t *, char *const[], char *const[]);

HOOK int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
		     const posix_spawnattr_t *at, char *const argv[], char *const env[])
{
	spawn_fn *next;

	*(void **)&next = dlsym(RTLD_NEXT, "posix_spawn");
	return next(pid, path, fa, at, argv, env_complete(env));
}

HOOK int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *fa,
		      const posix_spawnattr_t *at, char *const argv[], char *const env[])
{
	spawn_fn *next;

	*(void **)&next = dlsym(RTLD_NEXT, "posix_spawnp");
	return next(pid, file, fa, at, argv, env_complete(env));
}
