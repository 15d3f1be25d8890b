/*
 * socket/packetdrill.c - libweft_packetdrill.so: packetdrill --so_filename=libweft_packetdrill.so.
 *
 * packetdrill's table of calls over one stack and the wire to it.  Each descriptor it sees is a real
 * one of the kernel (packetdrill closes what is left itself), and stands for one of weft's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ip/route.h"
#include "lib/stack.h"
#include "lib/sysctl.h"
#include "net/ifaddr.h"
#include "socket/packetdrill_priv.h"

#define FDS 4096
#define PIPE_END (-2) /* a descriptor of the kernel's, made for the script */
#define SPLICE_MAX 65536u
#define PATIENCE_NS (300 * NSEC_PER_SEC) /* virtual, for a packet that does not come */
#define PATIENCE_MS 5000                 /* real */

struct drill {
	struct world *world;
	struct stack *stack;
	struct wire *wire;
	bool paced;       /* the device paces: new sockets do */
	int weft_fd[FDS]; /* by kernel descriptor; 0: none; PIPE_END */
};

static void drill_enter(struct drill *d)
{
	world_enter(d->world);
	weft_use(d->stack);
}

static void drill_leave(struct drill *d)
{
	world_leave(d->world);
}

/* weft's descriptor; -1 is none of weft's either, and answers EBADF. */
static int weft_fd(const struct drill *d, int fd)
{
	return fd >= 0 && fd < FDS && d->weft_fd[fd] ? d->weft_fd[fd] : -1;
}

/* A kernel descriptor that stands for `fd`, or -1 with errno. */
static int drill_install(struct drill *d, int fd)
{
	int k;

	if (fd < 0)
		return -1;
	k = eventfd(0, EFD_CLOEXEC);
	if (k >= 0 && k < FDS) {
		d->weft_fd[k] = fd;
		return k;
	}
	if (k >= 0)
		close(k);
	weft_close(fd);
	errno = EMFILE;
	return -1;
}

/* One call: in, the call itself with weft's descriptor `wfd`, out. */
#define DRILL_CALL(type, expr)                                                                     \
	struct drill *d = ud;                                                                      \
	int wfd;                                                                                   \
	type r;                                                                                    \
	drill_enter(d);                                                                            \
	wfd = weft_fd(d, fd);                                                                      \
	r = (expr);                                                                                \
	drill_leave(d);                                                                            \
	return r

static int pd_socket(void *ud, int domain, int type, int protocol)
{
	struct drill *d = ud;
	uint64_t any = UINT64_MAX - 1; /* a limit that is none: the window's own pace */
	int r, fd;

	drill_enter(d);
	fd = weft_socket(domain, type, protocol);
	if (fd >= 0 && d->paced)
		weft_setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &any, sizeof(any));
	r = drill_install(d, fd);
	drill_leave(d);
	return r;
}

static int pd_bind(void *ud, int fd, const struct sockaddr *a, socklen_t n)
{
	DRILL_CALL(int, weft_bind(wfd, a, n));
}

static int pd_listen(void *ud, int fd, int backlog)
{
	DRILL_CALL(int, weft_listen(wfd, backlog));
}

static int pd_accept(void *ud, int fd, struct sockaddr *a, socklen_t *n)
{
	DRILL_CALL(int, drill_install(d, weft_accept(wfd, a, n)));
}

static int pd_connect(void *ud, int fd, const struct sockaddr *a, socklen_t n)
{
	DRILL_CALL(int, weft_connect(wfd, a, n));
}

static ssize_t pd_read(void *ud, int fd, void *buf, size_t n)
{
	DRILL_CALL(ssize_t, weft_read(wfd, buf, n));
}

static ssize_t pd_readv(void *ud, int fd, const struct iovec *v, int nv)
{
	DRILL_CALL(ssize_t, weft_readv(wfd, v, nv));
}

static ssize_t pd_recv(void *ud, int fd, void *buf, size_t n, int flags)
{
	DRILL_CALL(ssize_t, weft_recv(wfd, buf, n, flags));
}

static ssize_t pd_recvfrom(void *ud, int fd, void *buf, size_t n, int flags, struct sockaddr *a,
			   socklen_t *an)
{
	DRILL_CALL(ssize_t, weft_recvfrom(wfd, buf, n, flags, a, an));
}

static ssize_t pd_recvmsg(void *ud, int fd, struct msghdr *m, int flags)
{
	DRILL_CALL(ssize_t, weft_recvmsg(wfd, m, flags));
}

static ssize_t pd_write(void *ud, int fd, const void *buf, size_t n)
{
	DRILL_CALL(ssize_t, weft_write(wfd, buf, n));
}

static ssize_t pd_writev(void *ud, int fd, const struct iovec *v, int nv)
{
	DRILL_CALL(ssize_t, weft_writev(wfd, v, nv));
}

static ssize_t pd_send(void *ud, int fd, const void *buf, size_t n, int flags)
{
	DRILL_CALL(ssize_t, weft_send(wfd, buf, n, flags));
}

static ssize_t pd_sendto(void *ud, int fd, const void *buf, size_t n, int flags,
			 const struct sockaddr *a, socklen_t an)
{
	DRILL_CALL(ssize_t, weft_sendto(wfd, buf, n, flags, a, an));
}

static ssize_t pd_sendmsg(void *ud, int fd, const struct msghdr *m, int flags)
{
	DRILL_CALL(ssize_t, weft_sendmsg(wfd, m, flags));
}

static int pd_fcntl(void *ud, int fd, int cmd, ...)
{
	va_list ap;
	int arg;

	va_start(ap, cmd);
	arg = cmd == F_SETFL || cmd == F_SETFD ? va_arg(ap, int) : 0;
	va_end(ap);
	DRILL_CALL(int, weft_fcntl(wfd, cmd, arg));
}

static int pd_ioctl(void *ud, int fd, unsigned long request, ...)
{
	va_list ap;
	int *arg;

	va_start(ap, request);
	arg = va_arg(ap, int *);
	va_end(ap);
	DRILL_CALL(int, weft_ioctl(wfd, request, arg));
}

static int pd_close(void *ud, int fd)
{
	struct drill *d = ud;
	int wfd, r;

	drill_enter(d);
	wfd = weft_fd(d, fd);
	r = wfd == PIPE_END ? 0 : weft_close(wfd);
	if (wfd >= 0 || wfd == PIPE_END) {
		int err = errno;

		d->weft_fd[fd] = 0;
		close(fd);
		errno = err;
	}
	drill_leave(d);
	return r;
}

static int pd_shutdown(void *ud, int fd, int how)
{
	DRILL_CALL(int, weft_shutdown(wfd, how));
}

static int pd_getsockopt(void *ud, int fd, int level, int name, void *v, socklen_t *n)
{
	DRILL_CALL(int, weft_getsockopt(wfd, level, name, v, n));
}

static int pd_setsockopt(void *ud, int fd, int level, int name, const void *v, socklen_t n)
{
	DRILL_CALL(int, weft_setsockopt(wfd, level, name, v, n));
}

static int pd_poll(void *ud, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct drill *d = ud;
	struct pollfd *own = calloc(n ? n : 1, sizeof(*own));
	int r;

	if (!own) {
		errno = ENOMEM;
		return -1;
	}
	drill_enter(d);
	for (nfds_t i = 0; i < n; i++) {
		own[i] = fds[i];
		if (weft_fd(d, fds[i].fd) >= 0)
			own[i].fd = weft_fd(d, fds[i].fd);
	}
	r = weft_poll(own, n, timeout_ms);
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = own[i].revents;
	drill_leave(d);
	free(own);
	return r;
}

static int pd_epoll_create(void *ud, int size)
{
	struct drill *d = ud;
	int r;

	drill_enter(d);
	r = drill_install(d, weft_epoll_create(size));
	drill_leave(d);
	return r;
}

static int pd_epoll_ctl(void *ud, int epfd, int op, int fd, struct epoll_event *ev)
{
	DRILL_CALL(int, weft_epoll_ctl(weft_fd(d, epfd), op, wfd, ev));
}

static int pd_epoll_wait(void *ud, int fd, struct epoll_event *ev, int max, int timeout_ms)
{
	DRILL_CALL(int, weft_epoll_wait(wfd, ev, max, timeout_ms));
}

/* --- packets and time --------------------------------------------------------------------------
 */

static int pd_netdev_send(void *ud, const void *packet, size_t n)
{
	struct drill *d = ud;
	int err;

	drill_enter(d);
	err = wire_in(d->wire, packet, n);
	if (!world_is_real(d->world)) /* what is due now, the loop device's queue for one */
		while (world_step(d->world, env_now(d->stack->env)))
			;
	drill_leave(d);
	return err ? -1 : 0;
}

static int pd_netdev_receive(void *ud, void *buf, size_t *n, long long *time_us)
{
	struct drill *d = ud;
	uint64_t until, when = 0;
	size_t len;

	drill_enter(d);
	until = env_now(d->stack->env) + PATIENCE_NS;
	if (world_is_real(d->world))
		wire_wait(d->wire, PATIENCE_MS);
	while (!(len = wire_take(d->wire, buf, *n, &when))) {
		if (world_is_real(d->world) || !world_step(d->world, until))
			break;
	}
	drill_leave(d);
	*n = len;
	*time_us = (long long)(when / NSEC_PER_USEC);
	return 0;
}

static int pd_usleep(void *ud, useconds_t us)
{
	struct drill *d = ud;

	world_sleep(d->world, us * NSEC_PER_USEC);
	return 0;
}

static int pd_gettimeofday(void *ud, struct timeval *tv, struct timezone *tz)
{
	struct drill *d = ud;
	uint64_t us = world_look(d->world) / NSEC_PER_USEC;

	*tv = (struct timeval){.tv_sec = (time_t)(us / 1000000),
			       .tv_usec = (suseconds_t)(us % 1000000)};
	return 0;
}

/* --- pipes, which are the kernel's ------------------------------------------------------------- */

static int pd_pipe(void *ud, int fds[2])
{
	struct drill *d = ud;

	if (pipe2(fds, O_CLOEXEC))
		return -1;
	if (fds[0] >= FDS || fds[1] >= FDS) {
		close(fds[0]);
		close(fds[1]);
		errno = EMFILE;
		return -1;
	}
	d->weft_fd[fds[0]] = d->weft_fd[fds[1]] = PIPE_END;
	return 0;
}

/* Linux stops a splice at the urgent mark, and does not go past it. */
static ssize_t splice_in(struct drill *d, int in, char *buf, size_t n, unsigned flags)
{
	int mark = 0;

	if (weft_fd(d, in) == PIPE_END)
		return read(in, buf, n);
	if (weft_ioctl(weft_fd(d, in), SIOCATMARK, &mark) == 0 && mark)
		return 0;
	return weft_recv(weft_fd(d, in), buf, n, flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0);
}

/* By way of a buffer: what counts here is what the program and the peer see. */
static int pd_splice(void *ud, int in, loff_t *off_in, int out, loff_t *off_out, size_t n,
		     unsigned flags)
{
	struct drill *d = ud;
	char *buf = malloc(SPLICE_MAX);
	ssize_t r = -1;

	drill_enter(d);
	if (buf)
		r = splice_in(d, in, buf, n < SPLICE_MAX ? n : SPLICE_MAX, flags);
	if (r > 0 && weft_fd(d, out) == PIPE_END)
		r = write(out, buf, (size_t)r);
	else if (r > 0)
		r = weft_send(weft_fd(d, out), buf, (size_t)r, 0);
	drill_leave(d);
	free(buf);
	return (int)r;
}

/* --- beginning and end ------------------------------------------------------------------------- */

static void pd_free(void *ud)
{
	struct drill *d = ud;

	drill_enter(d);
	for (int i = 0; i < FDS; i++) {
		if (d->weft_fd[i] > 0)
			weft_close(d->weft_fd[i]);
	}
	stack_destroy(d->stack);
	drill_leave(d);
	world_destroy(d->world);
	free(d);
}

static void die(const char *what)
{
	fprintf(stderr, "libweft_packetdrill: %s\n", what);
	exit(1);
}

struct drill_flags {
	struct ip_addr local, gateway;
	unsigned prefix, mtu;
	uint64_t seed;
	bool real;
};

static void flag_set(struct drill_flags *f, const char *key, const char *value)
{
	if (!strcmp(key, "local") && ip_addr_parse(value, &f->local))
		die("flag local: not an address");
	else if (!strcmp(key, "gateway") && ip_addr_parse(value, &f->gateway))
		die("flag gateway: not an address");
	else if (!strcmp(key, "prefix"))
		f->prefix = (unsigned)strtoul(value, NULL, 10);
	else if (!strcmp(key, "mtu"))
		f->mtu = (unsigned)strtoul(value, NULL, 10);
	else if (!strcmp(key, "seed"))
		f->seed = strtoull(value, NULL, 10);
	else if (!strcmp(key, "clock"))
		f->real = !strcmp(value, "real");
	else if (!strcmp(key, "ip") && strcmp(value, "4"))
		die("flag ip: this version has IPv4 only");
}

/* "key=value;key=value": unknown keys are for other versions. */
static void flags_parse(const char *text, struct drill_flags *f)
{
	char *copy = strdup(text ? text : ""), *rest = copy, *word, *eq;

	if (!copy)
		die("no memory");
	*f = (struct drill_flags){.local = ip_addr_any4, .gateway = ip_addr_any4, .seed = 1};
	f->prefix = 16;
	f->mtu = 1500;
	if (ip_addr_parse("192.168.0.1", &f->local) || ip_addr_parse("192.168.0.2", &f->gateway))
		die("no address");
	while ((word = strsep(&rest, ";"))) {
		eq = strchr(word, '=');
		if (!eq)
			continue;
		*eq = '\0';
		flag_set(f, word, eq + 1);
	}
	free(copy);
	if (f->prefix > 32 || f->mtu < 68 || f->mtu > 65535)
		die("flags: prefix goes to 32, mtu from 68 to 65535");
}

/* What published scripts take for granted of a host. */
static void defaults(struct stack *st)
{
	static const struct {
		const char *name;
		int64_t value;
	} set[] = {
	    {"net.ipv4.tcp_rmem.max", 15 << 20},
	    {"net.ipv4.tcp_rmem.default", 540000},
	    {"net.ipv4.tcp_wmem.default", 256 << 10},
	    {"net.ipv4.tcp_syn_retries", 5},
	    {"net.ipv4.tcp_slow_start_after_idle", 0},
	    {"net.ipv4.tcp_fastopen", 0x403},
	    {"net.weft.tcp_hystart", 2},
	};
	char why[SYSCTL_TEXT_MAX];

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		if (sysctl_write(st, set[i].name, set[i].value))
			die("a default setting was refused");
	}
	if (sysctl_write_text(st, "net.ipv4.tcp_fastopen_key",
			      "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", why))
		die(why);
}

static int device_make(struct drill *d, const struct drill_flags *f)
{
	struct route r = {.prefix = IP_PREFIX4(0), .net = ip_addr_any4, .type = ROUTE_UNICAST};
	struct batch batch;
	int err = -ENOMEM;

	batch_begin(&batch, d->stack);
	d->wire = wire_create(d->stack, f->mtu);
	if (d->wire) {
		err = ifaddr_add(wire_dev(d->wire), &f->local, IP_PREFIX4(f->prefix));
		netdev_up(wire_dev(d->wire));
	}
	r.gateway = f->gateway;
	if (!err)
		err = route_add(d->stack, &r);
	batch_end(&batch);
	return err;
}

static void drill_start(struct drill *d, const struct drill_flags *f)
{
	d->world = world_create(f->real, f->seed);
	if (!d->world)
		die("no memory");
	d->stack = stack_create(world_env(d->world));
	if (!d->stack)
		die("no memory");
	defaults(d->stack);
	if (device_make(d, f))
		die("the device: local, prefix and gateway must be on one net");
	if (f->real && stack_threads_start(d->stack))
		die("no threads");
}

/* Of Linux's ways to find the end of slow start, a bit each, weft has one. */
static bool is_hystart(const char *name)
{
	return !strcmp(name, "/sys/module/tcp_cubic/parameters/hystart") ||
	       !strcmp(name, "/sys/module/tcp_cubic/parameters/hystart_detect");
}

int packetdrill_so_setting(void *ud, const char *name, const char *value)
{
	struct drill *d = ud;
	char why[SYSCTL_TEXT_MAX];
	int err = 0;

	drill_enter(d);
	if (!strcmp(name, "harness.txqueue.limit"))
		wire_cut(d->wire, !strcmp(value, "0"));
	else if (!strcmp(name, "harness.txqueue.pacing"))
		d->paced = strcmp(value, "0") != 0;
	else if (is_hystart(name))
		err = sysctl_write(d->stack, "net.weft.tcp_hystart", strcmp(value, "0") != 0);
	else
		err = sysctl_write_text(d->stack, name, value, why);
	drill_leave(d);
	return err ? -1 : 0;
}

static const struct packetdrill_interface table = {
    .free = pd_free,
    .socket = pd_socket,
    .bind = pd_bind,
    .listen = pd_listen,
    .accept = pd_accept,
    .connect = pd_connect,
    .read = pd_read,
    .readv = pd_readv,
    .recv = pd_recv,
    .recvfrom = pd_recvfrom,
    .recvmsg = pd_recvmsg,
    .write = pd_write,
    .writev = pd_writev,
    .send = pd_send,
    .sendto = pd_sendto,
    .sendmsg = pd_sendmsg,
    .fcntl = pd_fcntl,
    .ioctl = pd_ioctl,
    .close = pd_close,
    .shutdown = pd_shutdown,
    .getsockopt = pd_getsockopt,
    .setsockopt = pd_setsockopt,
    .poll = pd_poll,
    .netdev_send = pd_netdev_send,
    .netdev_receive = pd_netdev_receive,
    .usleep = pd_usleep,
    .gettimeofday = pd_gettimeofday,
    .epoll_create = pd_epoll_create,
    .epoll_ctl = pd_epoll_ctl,
    .epoll_wait = pd_epoll_wait,
    .pipe = pd_pipe,
    .splice = pd_splice,
};

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc)
{
	struct drill *d = calloc(1, sizeof(*d));
	struct drill_flags f;

	if (!d)
		die("no memory");
	flags_parse(flags, &f);
	drill_start(d, &f);
	*ifc = table;
	ifc->userdata = d;
}
