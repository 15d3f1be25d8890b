/*
 * shell/client.h - the subcommands that talk to a running weft.
 */
#pragma once

/* `weft ctl [--control PATH] CMD...`: the command's status. */
int ctl_main(int argc, char **argv);
/* `weft host [--control PATH] -- PROGRAM [ARGS]`: becomes the program. */
int host_main(int argc, char **argv);
/* `weft run [--control PATH | OPTIONS] -- PROGRAM [ARGS]`: the program's status. */
int run_main(int argc, char **argv);
/* `weft doctor [--json] [PROGRAM ...]`: 0, nothing is missing. */
int doctor_main(int argc, char **argv);
/* A descriptor of weft's user or network namespace: goes there, unless we are there.  0 or -errno. */
int client_enter(int ns, const char *own, int kind);
/* This network namespace's, or the only rootless one, without a word: -1, there is none, or more than one. */
int control_find_quiet(void);
/* A descriptor to weft's control socket: `given`, this network namespace's, or the only one there.  -1
 * with the error told. */
int control_find(const char *given, const char *who);
