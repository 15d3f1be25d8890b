/*
 * tests/script/drill_call.c - socket calls: the script's arguments into the library's, and what it
 * answered beside what was expected.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/script/drill.h"

#define POLL_MOST 8

/* --- arguments ---------------------------------------------------------------------------------
 */

static struct value *arg(struct drill *d, const struct event *ev, unsigned i)
{
	struct value *v = ev->args;

	while (v && i--)
		v = v->next;
	if (!v)
		drill_fail(d, "%s: too few arguments", ev->name);
	return v;
}

static int64_t number(struct drill *d, const struct event *ev, unsigned i)
{
	struct value *v = arg(d, ev, i);

	if (v->kind == VALUE_LIST && v->item)
		v = v->item;
	if (v->kind != VALUE_NUMBER)
		drill_fail(d, "%s: argument %u is no number", ev->name, i + 1);
	return v->number;
}

static int live_fd(struct drill *d, int64_t fd)
{
	for (unsigned i = d->nfd; i-- > 0;) {
		if (d->script_fd[i] == fd)
			return d->live_fd[i];
	}
	return (int)fd; /* not one of ours: the library is to say so */
}

static int fd_arg(struct drill *d, const struct event *ev, unsigned i)
{
	return live_fd(d, number(d, ev, i));
}

struct end end_address(const struct drill *d, struct in_addr a)
{
	struct end e = {.n = sizeof(e.in)};

	e.in = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(DRILL_PORT), .sin_addr = a};
	if (!d->mapped)
		return e;
	e.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(DRILL_PORT)};
	e.in6.sin6_addr.s6_addr[10] = e.in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&e.in6.sin6_addr.s6_addr[12], &a, sizeof(a));
	e.n = sizeof(e.in6);
	return e;
}

static bool is_remote(const struct drill *d, const struct end *e)
{
	struct end want = end_address(d, d->remote);

	if (e->n != want.n || e->sa.sa_family != want.sa.sa_family)
		return false;
	if (!d->mapped)
		return e->in.sin_addr.s_addr == want.in.sin_addr.s_addr;
	return !memcmp(&e->in6.sin6_addr, &want.in6.sin6_addr, sizeof(want.in6.sin6_addr));
}

void *drill_buffer(size_t n)
{
	void *b = calloc(1, n ? n : 1);

	if (!b)
		abort();
	return b;
}

/* "..." is zeroes to send and room to receive; NULL is NULL. */
static void *buffer_arg(struct drill *d, const struct event *ev, unsigned i, size_t n)
{
	return arg(d, ev, i)->kind == VALUE_NUMBER ? NULL : drill_buffer(n);
}

/* --- options ----------------------------------------------------------------------------------- */

/* A number, {onoff, linger}, or a text, as setsockopt() takes it; its length. */
static socklen_t option_value(const struct value *v, char *to, size_t room)
{
	if (v->kind == VALUE_LIST && v->item)
		v = v->item;
	if (v->kind == VALUE_TEXT) {
		snprintf(to, room, "%s", v->text);
		return (socklen_t)strlen(to);
	}
	if (v->kind == VALUE_STRUCT) {
		struct linger l = {.l_onoff = (int)member_number(v, "onoff"),
				   .l_linger = (int)member_number(v, "linger")};

		memcpy(to, &l, sizeof(l));
		return sizeof(l);
	}
	memcpy(to, &(int){(int)v->number}, sizeof(int));
	return sizeof(int);
}

static int call_setsockopt(struct drill *d, const struct event *ev)
{
	char value[256] = "";
	socklen_t n = option_value(arg(d, ev, 3), value, sizeof(value));

	if (arg(d, ev, 4)->kind == VALUE_NUMBER)
		n = (socklen_t)number(d, ev, 4);
	return d->ifc.setsockopt(d->ifc.userdata, fd_arg(d, ev, 0), (int)number(d, ev, 1),
				 (int)number(d, ev, 2), value, n);
}

static int call_getsockopt(struct drill *d, const struct event *ev)
{
	char want[256] = "", got[256] = "";
	socklen_t n = option_value(arg(d, ev, 3), want, sizeof(want)), room = n;
	int r = d->ifc.getsockopt(d->ifc.userdata, fd_arg(d, ev, 0), (int)number(d, ev, 1),
				  (int)number(d, ev, 2), got, &room);
	int a, b, err = errno;

	if (r == 0 && arg(d, ev, 3)->kind != VALUE_ELLIPSIS && memcmp(want, got, n)) {
		memcpy(&a, want, sizeof(a));
		memcpy(&b, got, sizeof(b));
		drill_fail(d, "%s: %d expected, %d came", ev->name, a, b);
	}
	errno = err;
	return r;
}

/* --- poll and epoll ---------------------------------------------------------------------------- */

static int call_poll(struct drill *d, const struct event *ev)
{
	struct pollfd fds[POLL_MOST];
	unsigned n = 0;
	int r;

	for (struct value *v = arg(d, ev, 0)->item; v && n < POLL_MOST; v = v->next, n++)
		fds[n] = (struct pollfd){.fd = live_fd(d, member_number(v, "fd")),
					 .events = (short)member_number(v, "events")};
	r = d->ifc.poll(d->ifc.userdata, fds, n, (int)number(d, ev, 2));
	n = 0;
	for (struct value *v = arg(d, ev, 0)->item; v && n < POLL_MOST; v = v->next, n++) {
		if (fds[n].revents != member_number(v, "revents"))
			drill_fail(d, "poll: revents %#x expected, %#x came",
				   (int)member_number(v, "revents"), fds[n].revents);
	}
	return r;
}

static int call_epoll_ctl(struct drill *d, const struct event *ev)
{
	struct value *v = arg(d, ev, 3);
	struct epoll_event e = {.events = (uint32_t)member_number(v, "events")};

	e.data.u64 =
	    (uint64_t)(member_find(v, "fd") ? member_number(v, "fd") : member_number(v, "ptr"));
	return d->ifc.epoll_ctl(d->ifc.userdata, fd_arg(d, ev, 0), (int)number(d, ev, 1),
				fd_arg(d, ev, 2), &e);
}

static int call_epoll_wait(struct drill *d, const struct event *ev)
{
	struct value *v = arg(d, ev, 1);
	struct epoll_event e[POLL_MOST] = {{0}};
	int64_t most = number(d, ev, 2);
	int r =
	    d->ifc.epoll_wait(d->ifc.userdata, fd_arg(d, ev, 0), e,
			      (int)(most < POLL_MOST ? most : POLL_MOST), (int)number(d, ev, 3));
	uint64_t data =
	    (uint64_t)(member_find(v, "fd") ? member_number(v, "fd") : member_number(v, "ptr"));

	if (v->kind == VALUE_STRUCT &&
	    (e[0].events != (uint32_t)member_number(v, "events") || e[0].data.u64 != data))
		drill_fail(d, "epoll_wait: events %#x expected, %#x came (data %d, %d)",
			   (unsigned)member_number(v, "events"), e[0].events, (int)data,
			   (int)e[0].data.u64);
	return r;
}

/* --- the calls --------------------------------------------------------------------------------- */

/* The script calls it by the number it expects. */
static int64_t fd_new(struct drill *d, const struct event *ev, int fd)
{
	if (fd < 0)
		return -1;
	if (ev->result->kind != VALUE_NUMBER || ev->result->number < 0 || d->nfd == 64)
		drill_fail(d, "%s gave a descriptor", ev->name);
	d->script_fd[d->nfd] = (int)ev->result->number;
	d->live_fd[d->nfd++] = fd;
	return ev->result->number;
}

static int64_t call_socket(struct drill *d, const struct event *ev)
{
	int domain = arg(d, ev, 0)->kind == VALUE_ELLIPSIS ? (d->mapped ? AF_INET6 : AF_INET)
							   : (int)number(d, ev, 0);
	int fd =
	    d->ifc.socket(d->ifc.userdata, domain, (int)number(d, ev, 1), (int)number(d, ev, 2));

	d->flow = (struct flow){.fd = fd, .remote_port = DRILL_PORT, .local_port = DRILL_PORT};
	return fd_new(d, ev, fd);
}

static int64_t call_bind(struct drill *d, const struct event *ev)
{
	struct end a = end_address(d, d->local);

	a.in.sin_port = htons(d->script->bind_port); /* where sin6_port is too */
	d->flow.local_port = d->script->bind_port;
	return d->ifc.bind(d->ifc.userdata, fd_arg(d, ev, 0), &a.sa, a.n);
}

static int64_t call_listen(struct drill *d, const struct event *ev)
{
	d->flow.passive = true;
	return d->ifc.listen(d->ifc.userdata, fd_arg(d, ev, 0), (int)number(d, ev, 1));
}

static int64_t call_accept(struct drill *d, const struct event *ev)
{
	struct end a = {.n = sizeof(a.in6)};
	int fd = d->ifc.accept(d->ifc.userdata, fd_arg(d, ev, 0), &a.sa, &a.n);

	if (fd >= 0 && !is_remote(d, &a))
		drill_fail(d, "accept: the peer's address is wrong");
	if (fd >= 0)
		d->flow.fd = fd;
	return fd_new(d, ev, fd);
}

/* To whom: the other end, unless argument i says AF_UNSPEC. */
static struct end target(const struct drill *d, const struct event *ev, unsigned i)
{
	struct end a = end_address(d, d->remote);
	const struct value *v = ev->args;

	while (v && i-- > 0)
		v = v->next;
	if (v && v->kind == VALUE_NUMBER)
		a.sa.sa_family = (sa_family_t)v->number;
	return a;
}

static int64_t call_connect(struct drill *d, const struct event *ev)
{
	struct end a = target(d, ev, 1);
	int fd = fd_arg(d, ev, 0);

	if (d->flow.passive && a.sa.sa_family != AF_UNSPEC) /* it was accepted, and left */
		d->flow = (struct flow){.remote_port = DRILL_PORT, .local_port = DRILL_PORT};
	d->flow.fd = fd;
	return d->ifc.connect(d->ifc.userdata, fd, &a.sa, a.n);
}

/* read, recv, recvfrom, write, send, sendto: (fd, buffer, n, flags, ...) */
static int64_t call_buffer(struct drill *d, const struct event *ev)
{
	size_t n = (size_t)number(d, ev, 2);
	void *b = buffer_arg(d, ev, 1, n), *ud = d->ifc.userdata;
	int fd = fd_arg(d, ev, 0), flags = 0, err;
	struct end a = target(d, ev, 4);
	int64_t r;

	if (strcmp(ev->name, "read") && strcmp(ev->name, "write"))
		flags = (int)number(d, ev, 3);
	if (!strcmp(ev->name, "read"))
		r = d->ifc.read(ud, fd, b, n);
	else if (!strcmp(ev->name, "write"))
		r = d->ifc.write(ud, fd, b, n);
	else if (!strcmp(ev->name, "recv"))
		r = d->ifc.recv(ud, fd, b, n, flags);
	else if (!strcmp(ev->name, "send"))
		r = d->ifc.send(ud, fd, b, n, flags);
	else if (!strcmp(ev->name, "recvfrom"))
		r = d->ifc.recvfrom(ud, fd, b, n, flags, &a.sa, &a.n);
	else
		r = d->ifc.sendto(ud, fd, b, n, flags, &a.sa, a.n);
	err = errno;
	free(b);
	errno = err;
	return r;
}

static int64_t call_vector(struct drill *d, const struct event *ev)
{
	struct iovec iov[DRILL_IOV];
	int n = iov_make(d, arg(d, ev, 1), iov), fd = fd_arg(d, ev, 0), err;
	int64_t r;

	if (!strcmp(ev->name, "readv"))
		r = d->ifc.readv(d->ifc.userdata, fd, iov, n);
	else
		r = d->ifc.writev(d->ifc.userdata, fd, iov, n);
	err = errno;
	iov_free(iov, n);
	errno = err;
	return r;
}

static int64_t call_message(struct drill *d, const struct event *ev)
{
	int fd = fd_arg(d, ev, 0), flags = (int)number(d, ev, 2);

	if (!strcmp(ev->name, "sendmsg"))
		return message_send(d, fd, arg(d, ev, 1), flags);
	return message_recv(d, fd, arg(d, ev, 1), flags);
}

static int64_t call_fcntl(struct drill *d, const struct event *ev)
{
	int fd = fd_arg(d, ev, 0), cmd = (int)number(d, ev, 1);

	if (!ev->args->next->next)
		return d->ifc.fcntl(d->ifc.userdata, fd, cmd);
	return d->ifc.fcntl(d->ifc.userdata, fd, cmd, (int)number(d, ev, 2));
}

static int64_t call_ioctl(struct drill *d, const struct event *ev)
{
	int value = -1, r = d->ifc.ioctl(d->ifc.userdata, fd_arg(d, ev, 0),
					 (unsigned long)number(d, ev, 1), &value);

	if (r == 0 && value != number(d, ev, 2))
		drill_fail(d, "ioctl: %d expected, %d came", (int)number(d, ev, 2), value);
	return r;
}

/* pipe([5, 6]) */
static int64_t call_pipe(struct drill *d, const struct event *ev)
{
	struct value *v = arg(d, ev, 0)->item;
	int fds[2], r = d->ifc.pipe(d->ifc.userdata, fds);

	for (int i = 0; r == 0 && i < 2; i++, v = v->next) {
		if (!v || v->kind != VALUE_NUMBER || d->nfd == 64)
			drill_fail(d, "pipe wants two descriptors");
		d->script_fd[d->nfd] = (int)v->number;
		d->live_fd[d->nfd++] = fds[i];
	}
	return r;
}

static int64_t call_splice(struct drill *d, const struct event *ev)
{
	loff_t in = 0, out = 0;

	return d->ifc.splice(d->ifc.userdata, fd_arg(d, ev, 0), &in, fd_arg(d, ev, 2), &out,
			     (size_t)number(d, ev, 4), (unsigned)number(d, ev, 5));
}

static int64_t call_close(struct drill *d, const struct event *ev)
{
	int64_t fd = number(d, ev, 0);
	int r = d->ifc.close(d->ifc.userdata, live_fd(d, fd));

	for (unsigned i = 0; i < d->nfd; i++) {
		if (d->script_fd[i] == fd)
			d->script_fd[i] = -1;
	}
	return r;
}

static int64_t call_shutdown(struct drill *d, const struct event *ev)
{
	return d->ifc.shutdown(d->ifc.userdata, fd_arg(d, ev, 0), (int)number(d, ev, 1));
}

static int64_t call_option(struct drill *d, const struct event *ev)
{
	return ev->name[0] == 's' ? call_setsockopt(d, ev) : call_getsockopt(d, ev);
}

static int64_t call_ready(struct drill *d, const struct event *ev)
{
	if (!strcmp(ev->name, "poll"))
		return call_poll(d, ev);
	if (!strcmp(ev->name, "epoll_ctl"))
		return call_epoll_ctl(d, ev);
	if (!strcmp(ev->name, "epoll_wait"))
		return call_epoll_wait(d, ev);
	return fd_new(d, ev, d->ifc.epoll_create(d->ifc.userdata, (int)number(d, ev, 0)));
}

static const struct {
	const char *name;
	int64_t (*run)(struct drill *d, const struct event *ev);
} calls[] = {
    {"socket", call_socket},     {"bind", call_bind},          {"listen", call_listen},
    {"accept", call_accept},     {"connect", call_connect},    {"read", call_buffer},
    {"write", call_buffer},      {"recv", call_buffer},        {"send", call_buffer},
    {"recvfrom", call_buffer},   {"sendto", call_buffer},      {"readv", call_vector},
    {"writev", call_vector},     {"recvmsg", call_message},    {"sendmsg", call_message},
    {"fcntl", call_fcntl},       {"ioctl", call_ioctl},        {"close", call_close},
    {"shutdown", call_shutdown}, {"setsockopt", call_option},  {"getsockopt", call_option},
    {"poll", call_ready},        {"epoll_create", call_ready}, {"epoll_ctl", call_ready},
    {"epoll_wait", call_ready},  {"pipe", call_pipe},          {"splice", call_splice},
};

void call_run(struct drill *d, const struct event *ev, struct outcome *o)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, ev->name))
			continue;
		o->result = calls[i].run(d, ev);
		o->error = errno;
		return;
	}
	drill_fail(d, "%s: no such call", ev->name);
}

void call_check(struct drill *d, const struct event *ev, const struct outcome *o)
{
	bool known;
	int64_t err = ev->error ? constant_find(ev->error, &known) : 0;

	if (ev->result->kind == VALUE_NUMBER && o->result != ev->result->number)
		drill_fail(d, "%s: %d expected, %d came%s%s", ev->name, (int)ev->result->number,
			   (int)o->result, o->result < 0 ? " " : "",
			   o->result < 0 ? errno_name(o->error) : "");
	if (ev->error && o->error != err)
		drill_fail(d, "%s: %s expected, %s came", ev->name, ev->error,
			   errno_name(o->error));
}
