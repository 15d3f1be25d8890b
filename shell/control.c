/*
 * shell/control.c - weft's side of the control socket: accepts clients and makes jobs of their requests.
 *
 * All of it runs in the watching thread but control_reply(), which a client's job calls last.  A client's
 * descriptor is closed here alone, after its job has been joined.
 */
#include "shell/control.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shell/shell_priv.h"
#include "socket/gateway.h"

#define CLIENTS_MAX 64
#define STARVED_NS (100 * NSEC_PER_MSEC) /* without a descriptor to accept with it tries again */
#define LOCK_TRIES 100
#define LOCK_MS 20

struct client {
	int fd;
	bool running; /* its job closes it: jobs_reap() */
	bool lost;    /* nothing is to be read any more */
};

/* LOCKING: the watching thread only. */
struct control {
	int fd;
	int ns[2]; /* user and network namespace, for CONTROL_HOST */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client client[CLIENTS_MAX];
	unsigned nclient;
	bool starved; /* who waits could not be accepted */
	struct {
		struct control_request head;
		char line[CONTROL_LINE];
	} in; /* the packet just read */
};

/* --- listening --------------------------------------------------------------------------------- */

/* A socket nobody listens on any more is in the way: true if it could be removed. */
static bool control_replace(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = control_connect(path);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED && unlink(path) == 0;
}

/*
 * Who looks and then replaces is alone meanwhile, and not seen before it listens: the lock of the path's folder, or -1.
 * Where somebody else has that for long it is done without.
 */
static int control_lock(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;

	snprintf(dir, sizeof(dir), "%s", path);
	fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB); i++)
		poll(NULL, 0, LOCK_MS);
	return fd;
}

static int control_listen(const char *path)
{
	struct sockaddr_un sa;
	int err = control_address(&sa, path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;

	if (err || fd < 0) {
		err = err ? err : -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		err = -errno;
	umask(mask);
	if (err == -EADDRINUSE && control_replace(path)) {
		close(fd);
		return control_listen(path);
	}
	if (!err && listen(fd, CLIENTS_MAX))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Why it does not listen. */
static const char *control_why(const char *path, int err)
{
	struct stat st;

	if (err != -EADDRINUSE)
		return strerror(-err);
	return lstat(path, &st) || S_ISSOCK(st.st_mode) ? "in use by another weft"
							: "something else is there, no socket";
}

struct control *control_open(const char *path)
{
	struct control *c = calloc(1, sizeof(*c));
	int lock;

	if (!c) {
		shell_error("control: no memory");
		return NULL;
	}
	lock = control_lock(path);
	c->fd = control_listen(path);
	if (lock >= 0)
		close(lock);
	if (c->fd < 0) {
		shell_error("control: %s: %s: name another with --control PATH", path,
			    control_why(path, c->fd));
		free(c);
		return NULL;
	}
	strcpy(c->path, path);
	c->ns[0] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	c->ns[1] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return c;
}

/* The connections of clients end with the process: by that they see when it has ended. */
void control_close(struct control *c)
{
	unlink(c->path);
	close(c->fd);
	for (int i = 0; i < 2; i++) {
		if (c->ns[i] >= 0)
			close(c->ns[i]);
	}
	free(c);
}

/* --- requests ---------------------------------------------------------------------------------- */

static struct client *client_by_fd(struct control *c, int fd)
{
	for (unsigned i = 0; i < c->nclient; i++) {
		if (c->client[i].fd == fd)
			return &c->client[i];
	}
	return NULL;
}

void control_forget(struct control *c, int client)
{
	struct client *cl = client_by_fd(c, client);

	close(client);
	*cl = c->client[--c->nclient];
}

void control_reply(int client, int status)
{
	struct control_reply r = {.magic = CONTROL_MAGIC, .status = status};

	control_send(client, &(struct iovec){&r, sizeof(r)}, 1, NULL, 0);
}

/* A job for the line, with the client's descriptors, which are taken over. */
static int client_start(struct shell *sh, struct client *cl, const char *line, const int *fds)
{
	struct job *j = job_alloc(sh, line);
	int id;

	if (!j) {
		control_close_fds(fds, CONTROL_FDS);
		return -ENOMEM;
	}
	j->client = cl->fd;
	j->told = true;
	if (!streams_take(&j->cmd, fds)) {
		job_free(j);
		return -ENOMEM;
	}
	id = job_start(j);
	cl->running = id > 0;
	return id < 0 ? id : 0;
}

static void client_host(struct control *c, int fd)
{
	struct control_reply r = {.magic = CONTROL_MAGIC};

	control_send(fd, &(struct iovec){&r, sizeof(r)}, 1, c->ns, 2);
}

/* The first of them begins the gateway. */
static void client_program(struct control *c, struct shell *sh, int fd)
{
	struct control_program r = {.reply.magic = CONTROL_MAGIC};
	struct gateway *g = sh->gateway;
	int err = g ? 0 : gateway_start(sh->stack, &g);

	if (!err && !sh->gateway) {
		mutex_lock(&sh->lock);
		sh->gateway = g;
		mutex_unlock(&sh->lock);
	}
	r.reply.status = -err;
	if (!err)
		program_token_text(gateway_token(g), r.token);
	control_send(fd, &(struct iovec){&r, sizeof(r)}, 1, c->ns, 2);
}

/* The gateway stays until every job has ended. */
int cmd_program_of(struct cmd *c, int fd)
{
	struct gateway *g;

	mutex_lock(&c->shell->lock);
	g = c->shell->gateway;
	mutex_unlock(&c->shell->lock);
	return g ? gateway_owner(g, fd) : 0;
}

/* What a client's first packet asks for.  False: it is done with. */
static bool client_request(struct control *c, struct shell *sh, struct client *cl, const int *fds,
			   int nfd)
{
	if (c->in.head.kind == CONTROL_RUN && nfd == CONTROL_FDS) {
		int err = client_start(sh, cl, c->in.line, fds);

		if (err)
			control_reply(cl->fd, CMD_FAIL);
		return !err;
	}
	control_close_fds(fds, nfd);
	if (c->in.head.kind == CONTROL_HOST)
		client_host(c, cl->fd);
	else if (c->in.head.kind == CONTROL_PROGRAM)
		client_program(c, sh, cl->fd);
	else
		control_reply(cl->fd, CMD_USAGE);
	return false;
}

/* Reads one packet.  False: the client is done with. */
static bool client_read(struct control *c, struct shell *sh, struct client *cl)
{
	struct iovec iov = {&c->in, sizeof(c->in) - 1};
	int fds[CONTROL_FDS], nfd;
	int n = control_recv(cl->fd, &iov, 1, fds, &nfd);

	if (n == -EAGAIN || n == -EINTR)
		return true;
	if (n < (int)sizeof(c->in.head) || c->in.head.magic != CONTROL_MAGIC) {
		control_close_fds(fds, nfd); /* an empty packet may have some */
		cl->lost = true;
		jobs_cancel_client(sh, cl->fd);
		return cl->running;
	}
	((char *)&c->in)[n] = '\0';
	if (!cl->running)
		return client_request(c, sh, cl, fds, nfd);
	control_close_fds(fds, nfd);
	if (c->in.head.kind == CONTROL_INTERRUPT)
		jobs_cancel_client(sh, cl->fd);
	return true;
}

static void control_accept(struct control *c)
{
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		c->starved = errno != EAGAIN && errno != ECONNABORTED;
		return;
	}
	if (!control_peer_ok(fd) || c->nclient == CLIENTS_MAX) {
		close(fd);
		return;
	}
	c->client[c->nclient++] = (struct client){.fd = fd};
}

unsigned control_poll(struct shell *sh, struct pollfd *fds, unsigned max, uint64_t *until)
{
	struct control *c = sh->control;
	bool accepts = c->nclient < CLIENTS_MAX && !c->starved;
	unsigned n = 0;

	*until = c->starved ? env_now(sh->stack->env) + STARVED_NS : ENV_NEVER;
	c->starved = false;
	fds[n++] = (struct pollfd){.fd = accepts ? c->fd : -1, .events = POLLIN};
	for (unsigned i = 0; i < c->nclient && n < max; i++)
		fds[n++] = (struct pollfd){.fd = c->client[i].lost ? -1 : c->client[i].fd,
					   .events = POLLIN};
	return n;
}

void control_ready(struct control *c, struct shell *sh, const struct pollfd *fds, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct client *cl = fds[i].revents ? client_by_fd(c, fds[i].fd) : NULL;

		if (cl && !client_read(c, sh, cl))
			control_forget(c, cl->fd);
	}
	if (fds[0].revents)
		control_accept(c);
}
