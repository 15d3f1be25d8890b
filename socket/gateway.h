/*
 * socket/gateway.h - for the shell: the thread that serves unmodified programs.
 */
#pragma once
#include "socket/program.h"

struct gateway;
struct stack;

/* Begins the thread on a running stack.  0 or -errno. */
int gateway_start(struct stack *st, struct gateway **out);
/* Ends it: programs see their connections reset.  Before the stack ends. */
void gateway_stop(struct gateway *g);
/* What a program must know to be served. */
const struct program_token *gateway_token(const struct gateway *g);
/* The process that has weft's descriptor fd, as far as is known; 0: it is no program's. */
int gateway_owner(struct gateway *g, int fd);
