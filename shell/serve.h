/*
 * shell/serve.h - a server of many connections in one thread: what waits, for what, and whom to call.
 */
#pragma once
#include <netinet/in.h>

#include "shell/shell.h"

struct serve;

/* One descriptor; embedded in what its owner keeps.  LOCKING: the server's thread only. */
struct serve_entry {
	int fd;
	short events;  /* what it waits for now */
	bool listener; /* paused while there are no descriptors left */
	/* False: it has ended. */
	bool (*ready)(struct serve *s, struct serve_entry *e, short revents);
	void (*free)(struct serve_entry *e); /* fd is closed already; NULL: free() */
};

struct serve {
	struct cmd *c;
	void *arg;                    /* the owner's */
	struct serve_entry **entries; /* n of room */
	struct pollfd *fds;           /* room */
	unsigned n, room;
	bool paused; /* some listener is */
};

/* Takes e over, with its descriptor, also when it fails.  0 or -ENOMEM. */
int serve_add(struct serve *s, struct serve_entry *e);
/* Binds a socket of `type` to a port of every address and adds e for it.  0 or -errno. */
int serve_open(struct serve *s, struct serve_entry *e, int type, uint16_t port);
/* For a listener's ready(): the next connection, or -1: none now. */
int serve_accept(struct serve *s, struct serve_entry *e);
/* Until the job is cancelled.  CMD_INTERRUPTED, or what was told. */
int serve_run(struct serve *s);
/* Closes and frees all. */
void serve_end(struct serve *s);
