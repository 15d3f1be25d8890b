/*
 * shell/program.c - `weft run -- PROGRAM`: a stock program on a weft that runs, or on one of its own.
 *
 * The program is a child in weft's network namespace, with the preload library and a filter.  Its parent
 * stays: it passes signals on, tells those who listen when weft was killed, and ends the weft it began.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/client.h"
#include "shell/control.h"
#include "shell/notify.h"
#include "shell/options.h"
#include "shell/program.h"
#include "shell/shell_priv.h"
#include "shell/start.h"

#define SETTLE_LOOK_MS 10   /* is what a program left to be sent gone?  Its own weft ends then */
#define SETTLE_TOLD_MS 2000 /* until we say what we wait for */

/* LOCKING: one thread. */
struct runner {
	enum run_mode mode;
	struct program_token token;
	char text[PROGRAM_TOKEN];
	struct program_table *table; /* NULL: weft has ended */
	int stay;                    /* ends with weft; -1: it has ended */
	pid_t weft;                  /* ours; 0: one that was there */
	pid_t program;
	int signals;
	struct notify *notify; /* serves what does not load the library; NULL: nobody does */
	const struct program_watch *watch;
	struct program_scene scene;
};

/* --- which weft --------------------------------------------------------------------------------------- */

static int runner_ask(struct runner *r, int control, int *ns)
{
	struct control_request head = {.magic = CONTROL_MAGIC, .kind = CONTROL_PROGRAM};
	struct control_program p;
	int fds[CONTROL_FDS], nfd = 0, n;
	int err = control_send(control, &(struct iovec){&head, sizeof(head)}, 1, NULL, 0);

	if (err)
		return err;
	n = control_recv(control, &(struct iovec){&p, sizeof(p)}, 1, fds, &nfd);
	if (n < 0)
		return n;
	if (n != sizeof(p) || nfd != 2) {
		control_close_fds(fds, nfd);
		return -EPROTO;
	}
	memcpy(ns, fds, 2 * sizeof(*ns));
	p.token[PROGRAM_TOKEN - 1] = '\0';
	memcpy(r->text, p.token, sizeof(r->text));
	if (p.reply.status)
		return -p.reply.status;
	if (!program_token_of(&r->token, r->text))
		return -EPROTO;
	r->token.pid = control_peer_pid(control);
	program_token_text(&r->token, r->text);
	return 0;
}

/* Its namespaces become ours: what programs and gateway call each other is known only there. */
static int runner_enter(int *ns)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	uint64_t own = control_netns();
	int err = client_enter(ns[0], "/proc/self/ns/user", CLONE_NEWUSER);

	if (!err)
		err = client_enter(ns[1], "/proc/self/ns/net", CLONE_NEWNET);
	if (!err && own != control_netns() && geteuid() != uid)
		err = unshare(CLONE_NEWUSER) ? -errno : program_map_user(uid, gid);
	control_close_fds(ns, 2);
	return err;
}

static int runner_attach(struct runner *r, int control)
{
	const bool root = geteuid() == 0;
	const uint64_t own = control_netns();
	int ns[2], err = runner_ask(r, control, ns);

	close(control);
	if (err) {
		shell_error("run: weft: %s", strerror(-err));
		return -1;
	}
	err = runner_enter(ns);
	r->scene.up.apart = !root && own != control_netns();
	if (!err)
		err = program_stay(&r->token, &r->stay, &r->table);
	if (!err) {
		uplink_find(&r->scene.up, r->stay, &r->token);
		return 0;
	}
	shell_error("run: weft: %s", strerror(-err));
	return -1;
}

/* In a process of its own, and not of this terminal's foreground. */
static void weft_child(struct options *o, int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setpgid(0, 0);
	o->daemon = true;
	o->ready_fd = ready;
	_exit(start_main(o));
}

/* A weft that ends with this process.  0 when it is ready. */
static int weft_begin(struct runner *r, struct options *o)
{
	int p[2];
	char byte;

	if (options_fill(o) || pipe2(p, O_CLOEXEC)) {
		return -1;
	}
	fflush(NULL);
	r->weft = fork();
	if (r->weft == 0)
		weft_child(o, p[1]);
	close(p[1]);
	if (r->weft < 0)
		shell_error("run: %s", strerror(errno));
	else if (read(p[0], &byte, 1) == 1) {
		close(p[0]);
		return 0;
	}
	close(p[0]);
	return -1;
}

/* With its own control socket, unless one was named: the default is free for others. */
static int runner_begin(struct runner *r, struct options *o)
{
	static struct control_place place;
	size_t n;
	int fd;

	if (control_dir(place.dir, sizeof(place.dir)) || control_choose(o, &place))
		return -1;
	if (!o->control) {
		n = strlen(place.dir);
		memcpy(place.path, place.dir, n);
		snprintf(place.path + n, sizeof(place.path) - n, "/run-%d.sock", (int)getpid());
		o->control = place.path;
	}
	if (weft_begin(r, o))
		return -1;
	fd = control_find(o->control, "run");
	return fd < 0 ? -1 : runner_attach(r, fd);
}

/* --- the program ---------------------------------------------------------------------------------------- */

/* The filter's descriptor is fetched by our parent: from now on it could not be sent. */
static bool listener_show(int listener, int parent)
{
	char byte;

	return listener < 0 || (write(parent, &listener, sizeof(listener)) == sizeof(listener) &&
				read(parent, &byte, 1) == 1);
}

static void program_child(const struct runner *r, const sigset_t *mask, char **argv, int *p)
{
	int listener, err;

	close(p[0]);
	if ((r->watch->aside && dup2(STDERR_FILENO, STDOUT_FILENO) < 0) ||
	    (r->mode != RUN_NOTIFY && program_environment(r->text)) ||
	    program_filter(r->mode != RUN_PRELOAD, &listener) || !listener_show(listener, p[1]))
		_exit(CMD_FAIL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	err = errno;
	shell_error("run: %s: %s", argv[0], strerror(err));
	_exit(err == ENOENT ? CMD_NOT_FOUND : 126);
}

/* Without an answer the program ends before it has begun. */
static void notify_take(struct runner *r, int child)
{
	int listener, err;

	if (r->mode == RUN_PRELOAD || read(child, &listener, sizeof(listener)) != sizeof(listener))
		return;
	err = notify_begin(&r->notify, r->program, listener, &r->token, r->table);
	if (!err)
		err = write(child, "", 1) == 1 ? 0 : -errno;
	if (err)
		shell_error("run: seccomp notification: %s", strerror(-err));
}

static void weft_lost(struct runner *r)
{
	close(r->stay);
	r->stay = -1;
	shell_error("run: weft has ended");
	program_lost(&r->token, r->table);
}

static void runner_turn(struct runner *r)
{
	struct pollfd p[2 + NOTIFY_FDS] = {{.fd = r->signals, .events = POLLIN},
					   {.fd = r->stay, .events = POLLIN},
					   {.fd = -1},
					   {.fd = -1}};
	int ms = r->notify ? notify_poll(r->notify, p + 2) : -1;

	if (poll(p, 2 + NOTIFY_FDS, ms) < 0)
		return;
	if (p[1].revents)
		weft_lost(r);
	if (r->notify)
		notify_ready(r->notify, p + 2);
	if (p[2].revents & POLLHUP) {
		notify_end(r->notify);
		r->notify = NULL;
	}
}

/* The program's status, as a shell has it. */
static int runner_wait(struct runner *r)
{
	int status = 0;

	while (!program_over(r->signals, r->program, &status))
		runner_turn(r);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What the program has left running is served on, behind this process and without its terminal. */
static void runner_remain(struct runner *r)
{
	sigset_t none;
	int null;

	if (!r->notify || notify_over(r->notify) || r->weft > 0 || fork() != 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close(r->signals);
	r->signals = -1;
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	while (r->notify)
		runner_turn(r);
	_exit(CMD_OK);
}

/* What this machine allows. */
static int mode_choose(struct runner *r)
{
	int err = r->mode == RUN_PRELOAD ? 0 : notify_possible();

	if (err && r->mode != RUN_ANY) {
		shell_error("run: seccomp notification: %s", strerror(-err));
		return -1;
	}
	if (r->mode == RUN_ANY)
		r->mode = err ? RUN_PRELOAD : RUN_BOTH;
	return 0;
}

static int runner_run(struct runner *r, char **argv)
{
	sigset_t mask;
	int p[2], status;

	if (mode_choose(r) || !program_servable(argv[0], r->mode != RUN_PRELOAD))
		return 126;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p)) {
		shell_error("run: %s", strerror(errno));
		return CMD_FAIL;
	}
	sigprocmask(SIG_BLOCK, NULL, &mask);
	r->signals = program_signals();
	r->program = fork();
	if (r->program == 0)
		program_child(r, &mask, argv, p);
	close(p[1]);
	if (r->program < 0) {
		shell_error("run: %s", strerror(errno));
		close(p[0]);
		return CMD_FAIL;
	}
	notify_take(r, p[0]);
	close(p[0]);
	status = runner_wait(r);
	runner_remain(r);
	notify_end(r->notify);
	return status;
}

static int runner_watched(struct runner *r, const struct options *o, char **argv)
{
	int status;

	r->scene.table = r->table;
	r->scene.gateway = r->weft > 0 ? o->gateway : NULL;
	r->watch->begins(r->watch->arg, &r->scene);
	status = runner_run(r, argv);
	r->watch->ended(r->watch->arg, &r->scene, status);
	return status;
}

/* Blocked it comes even where we were begun to ignore it, as by nohup. */
static bool is_ignored(int signal)
{
	struct sigaction a;

	return sigaction(signal, NULL, &a) == 0 && a.sa_handler == SIG_IGN;
}

/* A signal that asks us to end has come, or this time is over. */
static bool ends_within(int ms)
{
	static const int asks[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	const struct timespec t = {.tv_nsec = ms * 1000000L};
	sigset_t ends;

	sigemptyset(&ends);
	for (unsigned i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		if (!is_ignored(asks[i]))
			sigaddset(&ends, asks[i]);
	}
	return sigtimedwait(&ends, NULL, &t) > 0;
}

/*
 * What the program wrote before it ended is sent first, as by a kernel.  A peer that does not take it has TCP's own
 * time-outs, or as long as the user has patience.
 */
static void weft_end(struct runner *r)
{
	if (r->weft <= 0)
		return;
	for (int ms = 0; r->stay >= 0 && !program_settled(r->stay, &r->token);
	     ms += SETTLE_LOOK_MS) {
		if (ms == SETTLE_TOLD_MS)
			shell_error("run: the program has ended, and its peers have yet to take "
				    "what it wrote: "
				    "weft ends when they have, or at once by ^C");
		if (ends_within(SETTLE_LOOK_MS))
			break;
	}
	kill(r->weft, SIGTERM);
	waitpid(r->weft, NULL, 0);
}

/* Something was asked for that only a weft which begins can give. */
static bool options_begin(const struct options *o)
{
	return o->ndevice || o->gateway || o->no_offload || o->probe || o->queues > 1 || o->nsource;
}

/* Named or none named: one that runs; else one of our own. */
static int runner_find(struct runner *r, struct options *o)
{
	int fd = -1;

	if (o->control && !options_begin(o)) {
		fd = control_find(o->control, "run");
		return fd < 0 ? -1 : runner_attach(r, fd);
	}
	if (!options_begin(o))
		fd = control_find_quiet();
	return fd >= 0 ? runner_attach(r, fd) : runner_begin(r, o);
}

int program_run(int argc, char **argv, const struct program_watch *w)
{
	struct runner r = {.stay = -1, .watch = w};
	struct options o;
	int first, status = CMD_FAIL;
	enum options_result parsed = options_parse_run(&o, argc, argv, &first);

	if (parsed != OPTIONS_RUN)
		return options_status(parsed);
	if (o.dns && setenv(PROGRAM_DNS, o.dns, 1))
		return CMD_FAIL;
	r.mode = o.mode;
	if (runner_find(&r, &o) == 0)
		status = runner_watched(&r, &o, argv + first);
	weft_end(&r);
	return status;
}
