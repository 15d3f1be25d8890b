/*
 * shell/notify.c - serves the calls of programs that do not load the preload library: notifications are taken,
 * run, put by or answered.
 *
 * No call waits here: what one waits for is told by an epoll instance that has its descriptor watched without
 * holding it, so that the target's close and its death are seen as ever.  A signal takes the target out of its
 * call; when it was late and the call was made already, what came of it is kept for the target to ask again.
 */
#include "shell/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shell/notify_priv.h"

#define EVENTS 64
#define API_NOTIFY 5 /* libseccomp's word for a kernel that has it */

int64_t notify_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- what a signal kept back ---------------------------------------------------------------------------- */

static void kept_forget(struct notify_kept *k)
{
	LIST_REMOVE(k, next);
	if (k->call.give >= 0)
		close(k->call.give);
	free(k);
}

/* Of those that will not ask again. */
static void kept_of_ended_forget(struct notify *n)
{
	struct notify_kept *k, *following;

	for (k = LIST_FIRST(&n->kept); k; k = following) {
		following = LIST_NEXT(k, next);
		if (target_ended(&k->call))
			kept_forget(k);
	}
}

/* Without memory it is lost, as if the target had closed it. */
static void kept_add(const struct notify_call *c)
{
	struct notify_kept *k = calloc(1, sizeof(*k));

	kept_of_ended_forget(c->notify);
	if (!k) {
		if (c->give >= 0)
			close(c->give);
		return;
	}
	k->call = *c;
	LIST_INSERT_HEAD(&c->notify->kept, k, next);
}

/* True: this call was made before; c has what came of it. */
static bool kept_take(struct notify_call *c)
{
	struct notify_kept *k, *following;
	bool same = false;

	for (k = LIST_FIRST(&c->notify->kept); k; k = following) {
		following = LIST_NEXT(k, next);
		if (k->call.tid != c->tid)
			continue;
		same = k->call.data.nr == c->data.nr &&
		       memcmp(k->call.data.args, c->data.args, sizeof(c->data.args)) == 0;
		if (same) {
			c->end = k->call.end;
			c->value = k->call.value;
			c->give = k->call.give;
			c->cloexec = k->call.cloexec;
			k->call.give = -1;
		}
		kept_forget(k);
	}
	return same;
}

/* --- the answer ----------------------------------------------------------------------------------------- */

/* The descriptor into the target, and its number as the call's value: 0 or -errno. */
static int answer_giving(const struct notify_call *c)
{
	struct seccomp_notif_addfd a = {.id = c->id,
					.flags = SECCOMP_ADDFD_FLAG_SEND,
					.srcfd = (uint32_t)c->give,
					.newfd_flags = c->cloexec ? O_CLOEXEC : 0};

	return ioctl(c->notify->fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a) < 0 ? -errno : 0;
}

static int answer_value(const struct notify_call *c)
{
	struct seccomp_notif_resp *r = c->notify->response;

	*r = (struct seccomp_notif_resp){.id = c->id};
	if (c->end == NOTIFY_NATIVE)
		r->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (c->value < 0)
		r->error = (int)c->value;
	else
		r->val = c->value;
	return seccomp_notify_respond(c->notify->fd, r);
}

/* Its sockets may have been looked for while we had one of them. */
static void target_forget(struct notify_call *c)
{
	struct guest_socket none = {.guest = &c->notify->guest};

	if (c->give >= 0)
		close(c->give);
	guest_ask(&none, PROGRAM_COLLECT);
}

static void call_answer(struct notify_call *c)
{
	int err = c->give >= 0 ? answer_giving(c) : answer_value(c);

	if (c->give >= 0 && err && target_sleeps(c)) { /* it may have no more descriptors */
		close(c->give);
		c->give = -1;
		c->value = err;
		err = answer_value(c);
	}
	if (err && target_ended(c))
		target_forget(c);
	else if (err && c->end == NOTIFY_ANSWER)
		kept_add(c);
	else if (c->give >= 0)
		close(c->give);
}

/* The target may be gone before we know that it was answered: by then its descriptor is its own again. */
static void call_end(struct notify_call *c)
{
	if (c->s.fd >= 0)
		close(c->s.fd);
	c->s.fd = -1;
	call_answer(c);
}

/* --- calls that wait -------------------------------------------------------------------------------------- */

static void wait_forget(struct notify_wait *w)
{
	LIST_REMOVE(w, next);
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->pidfd >= 0)
		close(w->pidfd);
	free(w);
}

static int watch(int epoll, int fd, uint32_t events, void *what)
{
	struct epoll_event ev = {.events = events, .data.ptr = what};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

/* Its process's end is waited for as well. */
static int wait_watch(struct notify_wait *w)
{
	const struct notify_call *c = &w->call;

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->pidfd = target_pidfd(c);
	if (w->epoll < 0 || w->pidfd < 0 || watch(w->epoll, w->pidfd, EPOLLIN, w) ||
	    (c->events && watch(w->epoll, c->s.fd, (uint32_t)c->events, w)))
		return -1;
	return watch(c->notify->epoll, w->epoll, EPOLLIN, w);
}

/* 0 or -errno. */
static int call_wait(struct notify_call *c)
{
	struct notify_wait *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOBUFS;
	w->call = *c;
	w->until = -1;
	if (c->wait_ms >= 0)
		w->until = (c->events ? c->began : notify_now()) + c->wait_ms;
	LIST_INSERT_HEAD(&c->notify->waiting, w, next);
	if (wait_watch(w) == 0) {
		close(c->s.fd);
		return 0;
	}
	wait_forget(w);
	return -ENOBUFS;
}

static void call_make(struct notify_call *c)
{
	int err = 0;

	if (!kept_take(c))
		notify_call_run(c);
	if (c->end == NOTIFY_WAIT) {
		err = call_wait(c);
		if (!err)
			return;
		notify_answer(c, err);
	}
	call_end(c);
}

/* It is made again, unless its target has left it. */
static void wait_over(struct notify_wait *w, bool late)
{
	struct notify_call c = w->call;

	wait_forget(w);
	c.s.fd = c.give = -1;
	c.again = true;
	c.late = late && c.events;
	if (target_sleeps(&c))
		call_make(&c);
}

/* A thread makes one call at a time: one that it makes now has ended those before. */
static void waits_of_forget(struct notify *n, int tid)
{
	struct notify_wait *w, *following;

	for (w = LIST_FIRST(&n->waiting); w; w = following) {
		following = LIST_NEXT(w, next);
		if (w->call.tid == tid)
			wait_forget(w);
	}
}

/* --- what there is to do ------------------------------------------------------------------------------------ */

static void notification_take(struct notify *n)
{
	struct notify_call c = {.notify = n, .s.fd = -1, .give = -1, .began = notify_now()};

	memset(n->request, 0, sizeof(*n->request));
	if (seccomp_notify_receive(n->fd, n->request))
		return;
	c.id = n->request->id;
	c.tid = (int)n->request->pid;
	c.data = n->request->data;
	waits_of_forget(n, c.tid);
	call_make(&c);
}

/* One at a time: what is run for one may end another. */
static void waits_ready(struct notify *n)
{
	struct epoll_event ev;

	for (int i = 0; i < EVENTS && epoll_wait(n->epoll, &ev, 1, 0) == 1; i++)
		wait_over(ev.data.ptr, false);
}

static struct notify_wait *wait_first(const struct notify *n)
{
	struct notify_wait *w, *first = NULL;

	LIST_FOREACH(w, &n->waiting, next)
	{
		if (w->until >= 0 && (!first || w->until < first->until))
			first = w;
	}
	return first;
}

int notify_poll(struct notify *n, struct pollfd p[NOTIFY_FDS])
{
	const struct notify_wait *w = wait_first(n);
	int64_t left = w ? w->until - notify_now() : -1;

	p[0] = (struct pollfd){.fd = n->fd, .events = POLLIN};
	p[1] = (struct pollfd){.fd = n->epoll, .events = POLLIN};
	if (!w)
		return -1;
	return left < 0 ? 0 : left < 60000 ? (int)left : 60000;
}

void notify_ready(struct notify *n, const struct pollfd p[NOTIFY_FDS])
{
	struct notify_wait *w;

	if (p[0].revents & POLLIN)
		notification_take(n);
	if (p[1].revents)
		waits_ready(n);
	w = wait_first(n);
	if (w && w->until <= notify_now())
		wait_over(w, true);
}

bool notify_over(const struct notify *n)
{
	struct pollfd p = {.fd = n->fd};

	return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

/* --- beginning and end -------------------------------------------------------------------------------------- */

/* A descriptor of the process `pid`, or -errno. */
static int process_fd(int pid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), copy;

	if (pidfd < 0)
		return -errno;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	copy = copy < 0 ? -errno : copy;
	close(pidfd);
	return copy;
}

/* Who may not look into other processes may not look into itself this way. */
int notify_possible(void)
{
	int p[2], fd;

	if (seccomp_api_get() < API_NOTIFY)
		return -ENOSYS;
	if (pipe2(p, O_CLOEXEC))
		return -errno;
	fd = process_fd(getpid(), p[0]);
	if (fd >= 0)
		close(fd);
	close(p[0]);
	close(p[1]);
	return fd < 0 ? fd : 0;
}

/* Nobody has asked yet, so -ENOENT is how a kernel answers that knows the flag (Linux 5.14). */
static int kernel_gives(int fd)
{
	struct seccomp_notif_addfd a = {.flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = (uint32_t)fd};

	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a) < 0 && errno == ENOENT ? 0 : -ENOSYS;
}

static void alarm_nothing(int signal)
{
}

/* It is to end a call of the kernel's, so that is not restarted. */
static int alarm_take(void)
{
	const struct sigaction act = {.sa_handler = alarm_nothing};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	return sigaction(SIGALRM, &act, NULL) || sigprocmask(SIG_UNBLOCK, &set, NULL) ? -errno : 0;
}

/* A call that waits is two descriptors. */
static void descriptors_raise(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

int notify_begin(struct notify **made, int pid, int fd, const struct program_token *token,
		 struct program_table *table)
{
	struct notify *n = calloc(1, sizeof(*n));
	int err;

	*made = n;
	if (!n)
		return -ENOMEM;
	descriptors_raise();
	n->guest.token = *token;
	atomic_store(&n->guest.table, table);
	n->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = n->epoll < 0 ? -errno : alarm_take();
	if (!err)
		err = seccomp_notify_alloc(&n->request, &n->response);
	n->fd = err ? err : process_fd(pid, fd);
	err = n->fd < 0 ? n->fd : kernel_gives(n->fd);
	if (!err)
		return 0;
	notify_end(n);
	*made = NULL;
	return err;
}

void notify_end(struct notify *n)
{
	if (!n)
		return;
	while (!LIST_EMPTY(&n->waiting))
		wait_forget(LIST_FIRST(&n->waiting));
	while (!LIST_EMPTY(&n->kept))
		kept_forget(LIST_FIRST(&n->kept));
	if (n->fd >= 0)
		close(n->fd);
	if (n->epoll >= 0)
		close(n->epoll);
	seccomp_notify_free(n->request, n->response);
	free(n);
}
