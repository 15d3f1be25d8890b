/*
 * socket/preload_exec.c - what a program starts is served too, also when it cleared the environment.
 *
 * What is missing is put back into the vector that the new program gets.  It is on the stack, as execl()'s words are: between
 * vfork and exec nothing else is safe, and what was mapped would stay the parent's.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "socket/preload.h"

#define ARGS_MAX 1024 /* of execl() and its like */
#define LIST "LD_PRELOAD="
#define MORE 4 /* of ours, and the end */

/* As it was when this program began: name=value. */
struct kept {
	const char *library; /* NULL: no weft serves us */
	char token[sizeof(PROGRAM_VARIABLE) + PROGRAM_TOKEN];
	char dns[sizeof(PROGRAM_DNS) + 16]; /* "": resolv.conf's */
};

/* LOCKING: constant once the program's main() runs. */
static struct kept kept;

__attribute__((constructor)) static void exec_begin(void)
{
	const char *token = getenv(PROGRAM_VARIABLE), *dns = getenv(PROGRAM_DNS);
	Dl_info own;

	if (!token || !dladdr(&kept, &own))
		return;
	kept.library = own.dli_fname;
	snprintf(kept.token, sizeof(kept.token), PROGRAM_VARIABLE "=%s", token);
	if (dns)
		snprintf(kept.dns, sizeof(kept.dns), PROGRAM_DNS "=%s", dns);
}

static size_t env_len(char *const *env)
{
	size_t n = 0;

	while (env && env[n])
		n++;
	return n;
}

/* What env has of the variable that is assigned; NULL: nothing. */
static char *env_find(char *const *env, const char *assignment)
{
	size_t name = strcspn(assignment, "=") + 1;

	for (; env && *env; env++) {
		if (strncmp(*env, assignment, name) == 0)
			return *env;
	}
	return NULL;
}

/* Bytes for what env_complete() makes. */
static size_t env_room(char *const *env)
{
	const char *list = env_find(env, LIST);

	return (env_len(env) + MORE) * sizeof(*env) + (list ? strlen(list) : 0) +
	       (kept.library ? sizeof(LIST) + strlen(kept.library) + 1 : 0);
}

/* Behind all others, for it stands where the kernel does: what they hook goes to it. */
static void list_join(char *to, const char *list)
{
	size_t own = strlen(kept.library), n;

	to = stpcpy(to, LIST);
	for (list += list ? strlen(LIST) : 0; list && *list; list += n + (list[n] != 0)) {
		n = strcspn(list, ": ");
		if (n == 0 || (n == own && memcmp(list, kept.library, n) == 0))
			continue;
		to = mempcpy(to, list, n);
		*to++ = ':';
	}
	strcpy(to, kept.library);
}

/* env and what it lacks.  A token or a name server that it has stays: `weft run` within `weft run` has its own. */
static char *const *env_complete(char *const *env, void *room)
{
	size_t len = env_len(env), n = 0;
	char **own = room, *text = (char *)(own + len + MORE), *list = env_find(env, LIST);

	if (!kept.library)
		return env;
	list_join(text, list);
	for (; n < len; n++)
		own[n] = env[n] == list ? text : env[n];
	if (!list)
		own[n++] = text;
	if (!env_find(env, kept.token))
		own[n++] = kept.token;
	if (kept.dns[0] && !env_find(env, kept.dns))
		own[n++] = kept.dns;
	own[n] = NULL;
	return own;
}

/* Of what is longer than a quarter of the stack the kernel makes no program: E2BIG. */
#pragma GCC diagnostic ignored "-Walloca"
#define COMPLETE(env) env_complete(env, alloca(env_room(env)))

/* --- exec ------------------------------------------------------------------------------------------- */

HOOK int execve(const char *path, char *const argv[], char *const env[])
{
	return (int)syscall(SYS_execve, path, argv, COMPLETE(env));
}

HOOK int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

HOOK int fexecve(int fd, char *const argv[], char *const env[])
{
	return (int)syscall(SYS_execveat, fd, "", argv, COMPLETE(env), AT_EMPTY_PATH);
}

HOOK int execveat(int dir, const char *path, char *const argv[], char *const env[], int flags)
{
	return (int)syscall(SYS_execveat, dir, path, argv, COMPLETE(env), flags);
}

/* libc searches the path. */
HOOK int execvpe(const char *file, char *const argv[], char *const env[])
{
	return preload_next()->execvpe(file, argv, COMPLETE(env));
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

HOOK int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
		     const posix_spawnattr_t *at, char *const argv[], char *const env[])
{
	return preload_next()->posix_spawn(pid, path, fa, at, argv, COMPLETE(env));
}

HOOK int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *fa,
		      const posix_spawnattr_t *at, char *const argv[], char *const env[])
{
	return preload_next()->posix_spawnp(pid, file, fa, at, argv, COMPLETE(env));
}
