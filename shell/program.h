/*
 * shell/program.h - between program.c and its parts: what `weft run` does to a program before and while it runs.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "socket/program.h"

/* program_link.c: a connection that ends with weft, and the table.  0 or -errno. */
int program_stay(const struct program_token *token, int *fd, struct program_table **table);
/* True: nothing that a program wrote waits to be sent, as far as weft says. */
bool program_settled(int stay, const struct program_token *token);
/* In a user namespace just made: who we were.  0 or -errno. */
int program_map_user(uid_t uid, gid_t gid);

/* program_check.c: false, and said why: nothing of it would be served. */
bool program_servable(const char *file);
/* The preload library and the token into the environment.  0, or -1 with the error told. */
int program_environment(const char *token);

/* program_filter.c: what the library does not serve is refused by the kernel.  0, or -1 with the error told. */
int program_filter(void);
