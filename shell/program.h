/*
 * shell/program.h - between program.c and its parts: what `weft run` does to a program before and while it runs.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "shell/uplink.h"
#include "socket/program.h"

/* program_link.c: a connection that ends with weft, and the table.  0 or -errno. */
int program_stay(const struct program_token *token, int *fd, struct program_table **table);
/* True: nothing that a program wrote waits to be sent, as far as weft says. */
bool program_settled(int stay, const struct program_token *token);
/* The n-th interface of weft's; false past the end. */
bool program_device(int stay, const struct program_token *token, unsigned n,
		    struct program_device *d);
/* program_signal.c: what comes for `weft run` or of its program, blocked and read from a descriptor. */
int program_signals(void);
/* Does what they ask; true: the program has ended. */
bool program_over(int signals, pid_t program, int *status);
/* program_lost.c: weft was killed, and those who wait by it are told. */
void program_lost(const struct program_token *token, struct program_table *t);
/* In a user namespace just made: who we were.  0 or -errno. */
int program_map_user(uid_t uid, gid_t gid);

/* program_check.c: false, and said why: nothing of it would be served, by the library alone or by notification. */
bool program_servable(const char *file, bool notify);
/* Where the preload library is; false: nowhere. */
bool program_library(char *path, size_t size);
/* The preload library and the token into the environment.  0, or -1 with the error told. */
int program_environment(const char *token);

/*
 * program_filter.c: what the library does not serve is refused by the kernel, or with `notify` told to the
 * filter's *listener.  0, or -1 with the error told.
 */
int program_filter(bool notify, int *listener);

/* --- program.c ---------------------------------------------------------------------------------------- */

struct program_scene;

/* Who looks on while a program runs. */
struct program_watch {
	void (*begins)(void *arg, const struct program_scene *s);
	void (*ended)(void *arg, const struct program_scene *s, int status);
	void *arg;
	bool aside; /* the program's standard output goes to standard error */
};

/* What he sees; `up` only while weft lives. */
struct program_scene {
	const struct program_table *table;
	struct uplink up;
	const char *gateway; /* NULL: weft was begun without one, or by another */
};

/* `weft run` with argv[0] its name; the status of the program, or ours when it was not begun. */
int program_run(int argc, char **argv, const struct program_watch *w);
