/*
 * shell/control.h - the control socket: where it is, what is said over it, and weft's side.
 *
 * A sequenced-packet socket of the file system.  A client sends one request, with descriptors; weft
 * answers with one reply when it is done.  Meanwhile the client may send an interrupt.  A client that
 * goes away takes its command with it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "socket/program.h"

#define CONTROL_MAGIC 0x77656674u /* "weft": another number is another program */
#define CONTROL_LINE 65536        /* bytes of a request's line, its NUL included */
#define CONTROL_FDS 4             /* input, output, errors, working directory */

enum control_kind {
	CONTROL_RUN,       /* with CONTROL_FDS descriptors and a line */
	CONTROL_INTERRUPT, /* SIGINT */
	CONTROL_PROGRAM,   /* a struct control_program, and descriptors as of CONTROL_HOST */
	CONTROL_HOST,      /* answered with descriptors of weft's user and network namespaces */
};

struct control_request {
	uint32_t magic;
	uint32_t kind; /* enum control_kind */
		       /* the line follows */
};

struct control_reply {
	uint32_t magic;
	int32_t status;
};

/* What a program needs to be served; the gateway runs. */
struct control_program {
	struct control_reply reply; /* status: 0, or a positive errno */
	char token[PROGRAM_TOKEN];
};

struct control;
struct iovec;
struct options;
struct pollfd;
struct shell;

/* Where a weft listens.  `dir` is filled in before weft changes its user namespace. */
struct control_place {
	char dir[96];
	char path[108];
};

/* --- both sides: control_path.c, control_msg.c ---------------------------------------------------- */

/* The folder of the sockets: /run/weft for root, else $XDG_RUNTIME_DIR/weft.  0 or -ENAMETOOLONG. */
int control_dir(char *dir, unsigned size);
/* The inode of this process's network namespace, which names its socket; 0: unknown. */
uint64_t control_netns(void);
int control_address(struct sockaddr_un *sa, const char *path); /* 0 or -ENAMETOOLONG */
/* True if the other end runs under our user, or is root. */
bool control_peer_ok(int fd);
/* The process that listens there; 0: it is in another pid namespace. */
uint32_t control_peer_pid(int fd);
/* One packet with up to CONTROL_FDS descriptors.  0 or -errno. */
int control_send(int fd, struct iovec *iov, int niov, const int *fds, int nfd);
/* The same: bytes, 0 at the end, or -errno; *nfd descriptors came, close-on-exec. */
int control_recv(int fd, struct iovec *iov, int niov, int *fds, int *nfd);
void control_close_fds(const int *fds, int nfd);
/* Connects and looks who is there: a descriptor or -errno, -EPERM: another user. */
int control_connect(const char *path);

/* --- weft's side: control.c ------------------------------------------------------------------------ */

/* --control's path or the default of this namespace in p->dir.  0, or -1 with the error told. */
int control_choose(const struct options *o, struct control_place *p);
/* Listens, in place of a weft that was killed.  NULL with the error told. */
struct control *control_open(const char *path);
/* Removes the socket. */
void control_close(struct control *c);
/* For the watching thread: fills in what is to be polled, at most max, and until when; how many. */
unsigned control_poll(struct shell *sh, struct pollfd *fds, unsigned max, uint64_t *until);
/* Its answer: accepts, starts, interrupts. */
void control_ready(struct control *c, struct shell *sh, const struct pollfd *fds, unsigned n);
/* The end of a client's command: told by its job, forgotten by the watching thread, but when weft is to end. */
void control_reply(int client, int status);
void control_forget(struct control *c, int client);
