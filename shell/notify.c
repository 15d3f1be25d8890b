/*
 * shell/notify.c - serves the calls of programs that do not load the preload library: notifications are taken,
 * run, put by or answered.
 *
 * No call waits here: what one waits for is told by an epoll instance that has its descriptor watched without
 * holding it, so that the target's close and its death are seen as ever.  A signal takes the target out of its
 * call; when it was late and the call was made already, what came of it is kept for the target to ask again, which
 * may be after calls of the signal's handler.
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
	while (guest_ask(&none, PROGRAM_COLLECT) == -EAGAIN)
		;
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
		notify_kept_add(c);
	else if (c->give >= 0)
		close(c->give);
}

/* The target may be gone before we know that it was answered: by then its descriptor is its own again. */
static void call_end(struct notify_call *c)
{
	if (c->s.fd >= 0)
		close(c->s.fd);
	c->s.fd = -1;
	target_close(c);
	call_answer(c);
}

/* --- calls that wait -------------------------------------------------------------------------------------- */

/* A child that has not come to exec() has a copy, and the epoll would go on telling of what is freed. */
static void unwatch(int epoll, int fd)
{
	if (fd < 0)
		return;
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	close(fd);
}

static void watch_forget(const struct notify *n, struct notify_watch *watch)
{
	LIST_REMOVE(watch, next);
	unwatch(n->epoll, watch->epoll);
	free(watch);
}

static void wait_forget(struct notify_wait *w)
{
	LIST_REMOVE(w, next);
	if (w->watch) {
		TAILQ_REMOVE(w->due ? &w->call.notify->due : &w->watch->waiting, w, beside);
		unwatch(w->watch->epoll, w->pidfd);
		if (--w->watch->nwaits == 0)
			watch_forget(w->call.notify, w->watch);
	}
	free(w);
}

static int watch(int epoll, int fd, uint32_t events, void *what)
{
	struct epoll_event ev = {.events = events, .data.ptr = what};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

/* NULL: no memory, no descriptors. */
static struct notify_watch *watch_make(const struct notify_call *c)
{
	struct notify_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	TAILQ_INIT(&w->waiting);
	w->id = c->s.id;
	w->events = c->events;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	LIST_INSERT_HEAD(&c->notify->watches, w, next);
	if (w->epoll >= 0 &&
	    (!c->events || watch(w->epoll, c->s.fd, (uint32_t)c->events, w) == 0) &&
	    watch(c->notify->epoll, w->epoll, EPOLLIN, w) == 0)
		return w;
	watch_forget(c->notify, w);
	return NULL;
}

static struct notify_watch *watch_get(const struct notify_call *c)
{
	struct notify_watch *w;

	LIST_FOREACH(w, &c->notify->watches, next)
	{
		if (w->id == c->s.id && w->events == c->events)
			return w;
	}
	return watch_make(c);
}

/* Its process's end is waited for as well. */
static int wait_watch(struct notify_wait *w)
{
	w->watch = watch_get(&w->call);
	if (!w->watch)
		return -1;
	TAILQ_INSERT_TAIL(&w->watch->waiting, w, beside);
	w->watch->nwaits++;
	w->pidfd = target_pidfd(&w->call);
	return w->pidfd < 0 ? -1 : watch(w->watch->epoll, w->pidfd, EPOLLIN, w);
}

/* 0 or -errno. */
static int call_wait(struct notify_call *c)
{
	struct notify_wait *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOBUFS;
	target_close(c);
	w->call = *c;
	w->pidfd = -1;
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

	if (!notify_kept_take(c))
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
	c.s.fd = c.give = c.pidfd = -1;
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
	struct notify_call c = {
	    .notify = n, .s.fd = -1, .give = -1, .pidfd = -1, .began = notify_now()};

	memset(n->request, 0, sizeof(*n->request));
	if (seccomp_notify_receive(n->fd, n->request))
		return;
	c.id = n->request->id;
	c.tid = (int)n->request->pid;
	c.data = n->request->data;
	waits_of_forget(n, c.tid);
	call_make(&c);
}

static void wait_due(struct notify *n, struct notify_wait *w)
{
	if (w->due)
		return;
	TAILQ_REMOVE(&w->watch->waiting, w, beside);
	TAILQ_INSERT_TAIL(&n->due, w, beside);
	w->due = true;
}

/* Of its calls those whose processes have ended; and the first, for the next look tells if there is more. */
static void watch_ready(struct notify *n, struct notify_watch *watch)
{
	struct epoll_event ev[EVENTS];
	int k = epoll_wait(watch->epoll, ev, EVENTS, 0);

	for (int i = 0; i < k; i++) {
		struct notify_wait *w = ev[i].data.ptr;

		if (ev[i].data.ptr == watch)
			w = TAILQ_FIRST(&watch->waiting);
		if (w)
			wait_due(n, w);
	}
}

/* One at a time: what is run for one may end another. */
static void waits_ready(struct notify *n)
{
	struct epoll_event ev;

	for (int i = 0; i < EVENTS && epoll_wait(n->epoll, &ev, 1, 0) == 1; i++) {
		watch_ready(n, ev.data.ptr);
		while (!TAILQ_EMPTY(&n->due))
			wait_over(TAILQ_FIRST(&n->due), false);
	}
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

/* A call that waits is a descriptor, and a socket that is waited for. */
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
	TAILQ_INIT(&n->due);
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
	notify_kept_end(n);
	if (n->fd >= 0)
		close(n->fd);
	if (n->epoll >= 0)
		close(n->epoll);
	seccomp_notify_free(n->request, n->response);
	free(n);
}
