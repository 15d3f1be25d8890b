/*
 * shell/shell_priv.h - the frame of the weft program: its options, its threads, its jobs.
 *
 * The first thread starts everything and then watches signals, control clients and jobs (watch.c).  A
 * thread "shell" reads lines and runs the foreground's commands; every other command runs in a thread
 * "job".  Each of them is a struct job, so that one way cancels all.
 */
#pragma once
#include <pthread.h>

#include "lib/lock.h"
#include "shell/options.h"
#include "shell/shell.h"
#include "shell/words.h"

struct control;
struct gateway;

/*
 * A thread that runs commands.  `front` of struct shell is the shell thread's; the others are on the
 * list until they have ended, are joined and their status has been told.
 *
 * LOCKING
 *	c	constant once its thread runs	a	atomic
 *	l	the shell's lock		o	its own thread only
 *	w	the watching thread only
 */
struct job {
	struct shell *shell;       /* c */
	struct job *next;          /* l */
	int id;                    /* c: from 1 on; 0: the shell thread's */
	char *text;                /* c: for `jobs`; a client's line */
	const char *name;          /* c: job_spawn()'s, or NULL */
	int (*run)(struct cmd *c); /* c: NULL: `text` is a line to run */
	struct cmd cmd;            /* o: its own copies of streams and words */
	int client;                /* c: the control client's socket, -1: none */
	pthread_t thread;          /* w */
	pthread_t self;            /* l: valid with `waiter` */
	struct waiter *waiter;     /* l: while its thread runs, NULL before and after */
	_Atomic bool cancel;       /* a */
	bool ready;                /* l: cmd_ready() was called */
	bool ended;                /* l */
	bool told;                 /* l: somebody has been told its status, or none wants it */
	bool joined;               /* w */
	int status;                /* l: once ended */
	int last;                  /* o: the status of the last command of its line */
};

/* Somebody who sleeps until a job changes; on the frame of who waits. */
struct job_watch {
	struct waiter *waiter;
	struct job_watch *next;
};

/*
 * LOCKING
 *	c	constant while threads run	a	atomic		l	lock (a leaf)
 *	w	the watching thread only
 */
struct shell {
	const struct options *options; /* c */
	struct stack *stack;           /* c */
	struct waiter *watcher;        /* c: the watching thread's */
	struct control *control;       /* c */
	struct gateway *gateway;       /* w to write, l: NULL: no program has asked for it */
	int signals;                   /* c: a signalfd */
	int files[SOURCES_MAX];        /* c: descriptors of the -f of options->source */
	struct mutex lock;
	struct job *jobs;          /* l: by number */
	struct job_watch *watches; /* l */
	int last_id;               /* l */
	struct job front;          /* see there: the shell thread's */
	bool has_front;            /* w: there is a shell thread to join */
	_Atomic bool resized;      /* a: the terminal's size has changed */
	_Atomic bool stopping;     /* a: weft is to end */
	_Atomic int status;        /* a: with this; valid with `stopping` */
};

/* weft is to end with this exit status; the first call counts. */
void shell_stop(struct shell *sh, int status);
/* "weft: fmt" on standard error, one line. */
void shell_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, with -v only. */
void shell_verbose(const struct options *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "weft: ready": who reads it may connect. */
void shell_ready(struct shell *sh);

/* start_probe.c: probes the addresses and takes them.  0, or the error is told. */
int start_probe(struct shell *sh);
/* banner.c: what a terminal is greeted with. */
void banner_show(struct shell *sh, const struct cmd *io);
/* host_show.c: the host's end of dev, where there is one in this namespace. */
void host_show(struct cmd *c, const struct netdev *dev);

/* --- command.c, run.c, streams.c ---------------------------------------------------------------- */

const struct command *command_find(const char *name);
/* What `help NAME` says. */
void command_explain(const struct command *row, FILE *out);
/* Runs it and sees that its output was written. */
int command_run(struct cmd *c, int (*run)(struct cmd *c));

/* Takes over input, output, errors and directory, also when it fails.  False: no memory. */
bool streams_take(struct cmd *c, const int *fd);
/* Copies of from's.  False: no memory or descriptor; streams_close() what there is. */
bool streams_copy(struct cmd *to, const struct cmd *from);
void streams_close(struct cmd *c);
/* < FILE and > FILE: CMD_OK or an error told; and what c had before. */
int streams_redirect(struct cmd *c, const struct words *w);
void streams_restore(struct cmd *c, const struct cmd *io);

/* --- job.c, job_wait.c ---------------------------------------------------------------------------- */

/* A thread with every signal blocked.  0 or -errno. */
int shell_thread_start(pthread_t *t, void *(*fn)(void *), void *arg);
/* First and last in a thread that runs commands: its name; its stack; it can be cancelled in between. */
void job_enter(struct job *j, const char *name);
void job_leave(struct job *j, int status);
/* What was cancelled goes on: the shell's thread, to its next line. */
void job_revive(struct job *j);
/* Not with the lock held: SIGUSR1 has come and gone on return. */
bool job_is_cancelled(struct job *j);
void job_cancel_locked(struct shell *sh, struct job *j) REQUIRES(&sh->lock);

/* NULL: no memory. */
struct job *job_alloc(struct shell *sh, const char *text);
/* Only before job_start(). */
void job_free(struct job *j);
/* Starts the thread and puts it on the list; takes j over.  Its number or -errno. */
int job_start(struct job *j);
/* `CMD &`: CMD_OK, or what it ended with before it listened. */
int job_background(struct cmd *c, const struct command *row);

/* For the watching thread: joins what has ended and frees what nobody asks for. */
void jobs_reap(struct shell *sh);
/* Cancels every job and the shell thread, and joins them. */
void jobs_stop(struct shell *sh);
/* Cancels what the client with this socket runs. */
void jobs_cancel_client(struct shell *sh, int client);
/* Which jobs have ended since the last prompt. */
void jobs_tell(struct shell *sh, FILE *out);

/* --- the shell thread: front.c, line.c, line_edit.c ------------------------------------------------ */

/* Its thread: the -c and -f of the command line, or standard input. */
void *front_thread(void *arg);
/*
 * The next line of fd without its newline, malloc'd.  1; 0 at the end; -EINTR: the line was given up;
 * another -errno: it cannot be read.
 * Reads no byte beyond the newline: what follows is for a command that reads.
 */
int line_read(struct shell *sh, int fd, char **line);
/* Sleeps until fd is readable: 0; -EINTR: cancelled; -EAGAIN: the terminal's size has changed. */
int line_wait(struct shell *sh, int fd);
/* The same from a terminal, with a prompt, editing, history and completion. */
void edit_begin(struct shell *sh);
int edit_read(struct shell *sh, char **line);
void edit_end(struct shell *sh);
/* True if there is editing in this build and both ends of it are terminals. */
bool edit_wanted(void);

/* --- watch.c --------------------------------------------------------------------------------------- */

/* Blocks what is watched and makes it a descriptor.  Before the first thread. */
int signals_open(void);
/* The first thread until weft is to end. */
void shell_watch(struct shell *sh);

/* --- device.c -------------------------------------------------------------------------------------- */

struct host;
/* Says that the driver may not be opened, and what can be done; -1. */
int tun_forbidden(int err);
/* What becomes of links is told on standard error from now on.  Before the first device. */
void devices_told(struct stack *st);
/* The i-th of the command line, with its host's end.  0, or -1 with the error told. */
int device_open(struct shell *sh, struct host *h, unsigned i);

/* --- host.c, rootless.c, confine.c ------------------------------------------------------------------- */

/* rtnetlink of this namespace, with its addresses and routes as they are.  NULL with the error told. */
struct host *host_open(void);
void host_close(struct host *h);
/* Refuses what would hide an address or a route of the host.  0, or -1 with the error told. */
int host_check(struct host *h, const struct options *o, unsigned device);
/* Sets the host's end up: address, MTU, link. */
int host_configure(struct host *h, const struct options *o, unsigned device, const char *name);
/* The loopback interface of a namespace just made. */
void host_loopback_up(struct host *h);

/* True when this process may make devices, or has been given the ones of the command line. */
bool rootless_needless(const struct options *o);
/* Goes on in a user and network namespace of its own.  0, or -1 with the error told. */
int rootless_enter(void);

/* Before the first thread: no capability, no new privileges, a seccomp filter. */
int confine(const struct options *o);
