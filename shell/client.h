/*
 * shell/client.h - the subcommands that talk to a running weft.
 */
#pragma once

/* `weft ctl [--control PATH] CMD...`: the command's status. */
int ctl_main(int argc, char **argv);
/* `weft host [--control PATH] -- PROGRAM [ARGS]`: becomes the program. */
int host_main(int argc, char **argv);
/* A descriptor to weft's control socket: `given`, this network namespace's, or the only one there.  -1
 * with the error told. */
int control_find(const char *given, const char *who);
