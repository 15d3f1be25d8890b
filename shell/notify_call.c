/*
 * shell/notify_call.c - the calls but messages: arguments out of the target's memory, the preload library's own
 * functions (socket/guest.h), results back.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "shell/notify_priv.h"

#define ACCEPT_MS 20 /* others may take the connection that we saw */
#define DEVICES_MOST 64

/* --- how it ends ---------------------------------------------------------------------------------------- */

void notify_answer(struct notify_call *c, long value)
{
	c->end = NOTIFY_ANSWER;
	c->value = value;
}

void notify_give(struct notify_call *c, int fd, bool cloexec)
{
	notify_answer(c, fd);
	c->give = fd;
	c->cloexec = cloexec;
}

static void call_native(struct notify_call *c)
{
	c->end = NOTIFY_NATIVE;
}

void notify_answer_or_wait(struct notify_call *c, long r, int option, short events)
{
	notify_answer(c, r);
	if (r != -EAGAIN || c->late || !guest_waits(c->s.fd, option, &c->wait_ms))
		return;
	c->end = NOTIFY_WAIT;
	c->events = events;
}

static void connect_wait(struct notify_call *c)
{
	c->end = NOTIFY_WAIT;
	c->events = POLLOUT;
}

/* --- addresses ------------------------------------------------------------------------------------------ */

static int address_get(struct notify_call *c, struct sockaddr_storage *sa, socklen_t *len)
{
	*len = (socklen_t)c->data.args[2];
	memset(sa, 0, sizeof(*sa));
	if (*len > sizeof(*sa))
		return -EINVAL;
	return target_read(c, c->data.args[1], sa, *len);
}

int notify_address_put(struct notify_call *c, uint64_t to, uint64_t len_at,
		       const struct sockaddr_storage *sa, socklen_t len)
{
	socklen_t room;

	if (target_read(c, len_at, &room, sizeof(room)))
		return -EFAULT;
	if ((int)room < 0)
		return -EINVAL;
	if (target_write(c, to, sa, len < room ? len : room))
		return -EFAULT;
	return target_write(c, len_at, &len, sizeof(len));
}

/* --- life ------------------------------------------------------------------------------------------------- */

/* The gateway sees that we ask, and we may be more than the target. */
static void call_socket(struct notify_call *c)
{
	struct guest *g = &c->notify->guest;
	int family = (int)c->data.args[0], type = (int)c->data.args[1];

	g->pid = target_pid(c);
	if ((type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_RAW && !target_may_be_raw(c))
		notify_answer(c, -EPERM);
	else
		notify_give(c, guest_open(g, family, type | SOCK_CLOEXEC, (int)c->data.args[2]),
			    type & SOCK_CLOEXEC);
}

static void call_bind(struct notify_call *c)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int err = address_get(c, &sa, &len);

	notify_answer(c, err ? err : guest_bind(&c->s, (struct sockaddr *)&sa, len));
}

static void call_shutdown(struct notify_call *c)
{
	notify_answer(c, guest_shutdown(&c->s, (int)c->data.args[1]));
}

/* Its socket has connected once: another comes under its numbers. */
static int socket_renew(struct notify_call *c)
{
	int fresh = guest_connect_fresh(&c->s), err;

	if (fresh < 0)
		return fresh;
	err = target_replace(c, (int)c->data.args[0], fresh);
	close(c->s.fd);
	c->s.fd = fresh;
	if (!err && !guest_find(c->s.guest, fresh, &c->s))
		err = -EBADF;
	return err;
}

static int connect_anew(struct notify_call *c, const struct sockaddr_storage *sa, socklen_t len)
{
	int err = socket_renew(c);

	return err ? err : guest_connect(&c->s, (const struct sockaddr *)sa, len);
}

static void call_listen(struct notify_call *c)
{
	const int backlog = (int)c->data.args[1];
	int err = guest_listen(&c->s, backlog);

	if (err == -ERESTART) {
		c->s.guest->pid = target_pid(c);
		err = socket_renew(c);
		err = err ? err : guest_listen(&c->s, backlog);
	}
	notify_answer(c, err);
}

static void connect_begin(struct notify_call *c)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int err = address_get(c, &sa, &len);

	c->s.guest->pid = target_pid(c);
	if (!err)
		err = guest_connect(&c->s, (struct sockaddr *)&sa, len);
	if (err == -ERESTART)
		err = connect_anew(c, &sa, len);
	notify_answer(c, err);
	if ((err == -EINPROGRESS || err == -EALREADY) &&
	    guest_waits(c->s.fd, SO_SNDTIMEO, &c->wait_ms))
		connect_wait(c);
}

static void call_connect(struct notify_call *c)
{
	struct pollfd p = {.fd = c->s.fd, .events = POLLOUT};

	if (!c->again)
		connect_begin(c);
	else if (poll(&p, 1, 0) > 0)
		notify_answer(c, guest_connect_outcome(&c->s));
	else if (c->late)
		notify_answer(c, -EINPROGRESS);
	else
		connect_wait(c);
}

static void alarm_set(int ms)
{
	const struct timeval each = {.tv_usec = ms * 1000};
	const struct itimerval at = {.it_value = each, .it_interval = each};

	setitimer(ITIMER_REAL, &at, NULL);
}

/*
 * The descriptor may block, and whoever has it beside the target may be quicker: then the alarm's signal, which
 * does nothing else, ends the kernel's wait; again and again, for the first may come before that has begun.
 */
static int accept_quickly(const struct notify_call *c, struct program_addr *remote)
{
	int flags = c->data.nr == SYS_accept4 ? (int)c->data.args[3] : 0, child;
	struct pollfd p = {.fd = c->s.fd, .events = POLLIN};

	do {
		if (poll(&p, 1, 0) == 0)
			return -EAGAIN;
		alarm_set(ACCEPT_MS);
		child = guest_accept(&c->s, flags | SOCK_CLOEXEC, remote);
		alarm_set(0);
	} while (child == -ERESTART);
	return child == -EINTR ? -EAGAIN : child;
}

static void call_accept(struct notify_call *c)
{
	int flags = c->data.nr == SYS_accept4 ? (int)c->data.args[3] : 0, child, err = 0;
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);
	struct program_addr remote;

	c->s.guest->pid = target_pid(c);
	child = accept_quickly(c, &remote);
	if (child < 0) {
		notify_answer_or_wait(c, child, SO_RCVTIMEO, POLLIN);
		return;
	}
	guest_address_put(&remote, c->s.family, (struct sockaddr *)&sa, &len);
	if (c->data.args[1])
		err = notify_address_put(c, c->data.args[1], c->data.args[2], &sa, len);
	if (!err) {
		notify_give(c, child, flags & SOCK_CLOEXEC);
		return;
	}
	close(child);
	notify_answer(c, err);
}

/* --- names and options -------------------------------------------------------------------------------------- */

static void call_name(struct notify_call *c)
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);
	int err = c->data.nr == SYS_getsockname
		      ? guest_getsockname(&c->s, (struct sockaddr *)&sa, &len)
		      : guest_getpeername(&c->s, (struct sockaddr *)&sa, &len);

	notify_answer(c, err ? err
			     : notify_address_put(c, c->data.args[1], c->data.args[2], &sa, len));
}

static void call_setsockopt(struct notify_call *c)
{
	int level = (int)c->data.args[1], name = (int)c->data.args[2];
	socklen_t len = (socklen_t)c->data.args[4];
	uint8_t value[PROGRAM_VALUE];

	if (guest_option_is_kernels(level, name))
		call_native(c);
	else if (len > sizeof(value))
		notify_answer(c, -EINVAL);
	else if (target_read(c, c->data.args[3], value, len))
		notify_answer(c, -EFAULT);
	else
		notify_answer(c, guest_setsockopt(&c->s, level, name, value, len));
}

static void call_getsockopt(struct notify_call *c)
{
	int level = (int)c->data.args[1], name = (int)c->data.args[2], err;
	uint8_t value[PROGRAM_VALUE];
	socklen_t len;

	if (guest_option_is_kernels(level, name)) {
		call_native(c);
		return;
	}
	if (target_read(c, c->data.args[4], &len, sizeof(len))) {
		notify_answer(c, -EFAULT);
		return;
	}
	if ((int)len > (int)sizeof(value))
		len = sizeof(value);
	err = guest_getsockopt(&c->s, level, name, value, &len);
	if (!err && (target_write(c, c->data.args[3], value, len) ||
		     target_write(c, c->data.args[4], &len, sizeof(len))))
		err = -EFAULT;
	notify_answer(c, err);
}

/* --- ioctl ----------------------------------------------------------------------------------------------- */

static int ioctl_conf(struct notify_call *c)
{
	struct ifreq own[DEVICES_MOST];
	struct ifconf conf;
	struct ifreq *its;
	int err;

	if (target_read(c, c->data.args[2], &conf, sizeof(conf)))
		return -EFAULT;
	its = conf.ifc_req;
	conf.ifc_req = its ? own : NULL;
	if (conf.ifc_len > (int)sizeof(own))
		conf.ifc_len = sizeof(own);
	err = guest_ioctl_conf(c->s.guest, &conf);
	conf.ifc_req = its;
	if (!err && its)
		err = target_write(c, (uintptr_t)its, own, (size_t)conf.ifc_len);
	return err ? err : target_write(c, c->data.args[2], &conf, sizeof(conf));
}

static void call_ioctl(struct notify_call *c)
{
	unsigned long request = (uint32_t)c->data.args[1];
	struct ifreq r;
	int err;

	if (!guest_ioctl_is_ours(request)) {
		call_native(c);
	} else if (request == SIOCGIFCONF) {
		notify_answer(c, ioctl_conf(c));
	} else {
		err = target_read(c, c->data.args[2], &r, sizeof(r));
		if (!err)
			err = guest_ioctl(c->s.guest, request, &r);
		notify_answer(c, err ? err : target_write(c, c->data.args[2], &r, sizeof(r)));
	}
}

/* --- all of them ------------------------------------------------------------------------------------------ */

typedef void call_fn(struct notify_call *c);

/* By number; those of a TCP socket alone say so. */
static const struct call_row {
	int nr;
	bool stream;
	call_fn *run;
} rows[] = {
    {SYS_bind, false, call_bind},
    {SYS_listen, false, call_listen},
    {SYS_connect, false, call_connect},
    {SYS_shutdown, false, call_shutdown},
    {SYS_accept, true, call_accept},
    {SYS_accept4, true, call_accept},
    {SYS_getsockname, false, call_name},
    {SYS_getpeername, false, call_name},
    {SYS_setsockopt, false, call_setsockopt},
    {SYS_getsockopt, false, call_getsockopt},
    {SYS_ioctl, false, call_ioctl},
    {SYS_sendto, false, call_sendto},
    {SYS_sendmsg, false, call_sendmsg},
    {SYS_sendmmsg, false, call_sendmmsg},
    {SYS_recvfrom, false, call_recvfrom},
    {SYS_recvmsg, false, call_recvmsg},
    {SYS_recvmmsg, false, call_recvmmsg},
};

/* NULL: it is none of ours, the kernel's own. */
static const struct call_row *call_find(struct notify_call *c)
{
	if (c->s.fd < 0 || !target_sleeps(c) || !guest_find(&c->notify->guest, c->s.fd, &c->s))
		return NULL;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].nr == c->data.nr)
			return !rows[i].stream || c->s.type == SOCK_STREAM ? &rows[i] : NULL;
	}
	return NULL;
}

void notify_call_run(struct notify_call *c)
{
	const struct call_row *row;

	c->s.fd = c->give = -1;
	if (c->data.nr == SYS_socket) {
		call_socket(c);
		return;
	}
	c->s.fd = target_fd(c, (int)c->data.args[0]);
	row = call_find(c);
	if (row)
		row->run(c);
	else if (c->s.fd == -EMFILE || c->s.fd == -ENFILE) /* of ours */
		notify_answer(c, -ENFILE);
	else
		call_native(c);
}
